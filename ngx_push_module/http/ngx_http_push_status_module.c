
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push.h"
#include "ngx_push_json.h"
#include "ngx_push_time.h"
#include "ngx_push_module.h"
#include "ngx_push_stats.h"


/* push_status: the numbers of all zones as JSON */


/* of an object, but for names and workers; of one worker */
#define NGX_HTTP_PUSH_STATUS_SIZE   2048
#define NGX_HTTP_PUSH_WORKER_SIZE   256

#define NGX_HTTP_PUSH_NUMBER(name, value)                                    \
    { ngx_string(name), value }


typedef struct {
    ngx_str_t    name;
    ngx_uint_t   index;
} ngx_http_push_number_t;


static char *ngx_http_push_status_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_push_status_handler(ngx_http_request_t *r);
static ngx_push_stats_t *ngx_http_push_status_read(ngx_http_request_t *r,
    ngx_array_t *zones);
static u_char *ngx_http_push_status_head(u_char *p, ngx_push_stats_t *stats,
    ngx_uint_t n);
static u_char *ngx_http_push_status_zone(u_char *p, ngx_str_t *name,
    ngx_push_stats_t *stats);
static u_char *ngx_http_push_status_bytes(u_char *p, ngx_push_stats_t *stats);
static u_char *ngx_http_push_status_counters(u_char *p,
    ngx_push_stats_t *stats);
static u_char *ngx_http_push_status_workers(u_char *p,
    ngx_push_stats_t *stats);
static void ngx_http_push_status_sum(ngx_push_stats_t *stats,
    ngx_uint_t *sums);
static u_char *ngx_http_push_status_sums(u_char *p, ngx_uint_t *sums,
    ngx_uint_t total);


static ngx_command_t  ngx_http_push_status_commands[] = {

    { ngx_string("push_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_push_status_slot,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_push_status_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_push_status_module = {
    NGX_MODULE_V1,
    &ngx_http_push_status_module_ctx,      /* module context */
    ngx_http_push_status_commands,         /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* what is in none of them holds the zone itself: "fixed" */

static ngx_http_push_number_t  ngx_http_push_status_uses[] = {
    NGX_HTTP_PUSH_NUMBER("free", NGX_PUSH_BLOCK_FREE),
    NGX_HTTP_PUSH_NUMBER("reserved", NGX_PUSH_BLOCK_RESERVED),
    NGX_HTTP_PUSH_NUMBER("channels", NGX_PUSH_BLOCK_CHANNEL),
    NGX_HTTP_PUSH_NUMBER("rings", NGX_PUSH_BLOCK_RING),
    NGX_HTTP_PUSH_NUMBER("listeners", NGX_PUSH_BLOCK_LISTENER),
    NGX_HTTP_PUSH_NUMBER("keys", NGX_PUSH_BLOCK_KEY)
};


static ngx_http_push_number_t  ngx_http_push_status_names[] = {
    NGX_HTTP_PUSH_NUMBER("published", NGX_PUSH_STAT_PUBLISHED),
    NGX_HTTP_PUSH_NUMBER("repeated", NGX_PUSH_STAT_REPEATED),
    NGX_HTTP_PUSH_NUMBER("refused", NGX_PUSH_STAT_REFUSED),
    NGX_HTTP_PUSH_NUMBER("delivered", NGX_PUSH_STAT_DELIVERED),
    NGX_HTTP_PUSH_NUMBER("joined", NGX_PUSH_STAT_JOINED),
    NGX_HTTP_PUSH_NUMBER("gaps", NGX_PUSH_STAT_GAPS),
    NGX_HTTP_PUSH_NUMBER("overrun", NGX_PUSH_STAT_OVERRUN),
    NGX_HTTP_PUSH_NUMBER("evicted", NGX_PUSH_STAT_EVICTED),
    NGX_HTTP_PUSH_NUMBER("evicted_keys", NGX_PUSH_STAT_EVICTED_KEYS),
    NGX_HTTP_PUSH_NUMBER("evicted_channels", NGX_PUSH_STAT_EVICTED_CHANNELS),
    NGX_HTTP_PUSH_NUMBER("deleted", NGX_PUSH_STAT_DELETED),
    NGX_HTTP_PUSH_NUMBER("swept", NGX_PUSH_STAT_SWEPT),
    NGX_HTTP_PUSH_NUMBER("recovered", NGX_PUSH_STAT_RECOVERED),
    NGX_HTTP_PUSH_NUMBER("backplane_connects", NGX_PUSH_STAT_TURNS),
    NGX_HTTP_PUSH_NUMBER("backplane_holes", NGX_PUSH_STAT_HOLES),
    NGX_HTTP_PUSH_NUMBER("backplane_rewinds", NGX_PUSH_STAT_REWOUND)
};


static ngx_int_t
ngx_http_push_status_handler(ngx_http_request_t *r)
{
    u_char            *p;
    size_t             len;
    ngx_str_t          body, type = ngx_string("application/json");
    ngx_uint_t         i;
    ngx_array_t       *zones;
    ngx_push_zone_t  **zp;
    ngx_push_stats_t  *stats;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_push_not_allowed(r, "GET, HEAD");
    }

    zones = ngx_push_module_zones((ngx_cycle_t *) ngx_cycle);
    zp = zones->elts;

    stats = ngx_http_push_status_read(r, zones);
    if (stats == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    len = NGX_HTTP_PUSH_STATUS_SIZE;

    for (i = 0; i < zones->nelts; i++) {
        len += NGX_HTTP_PUSH_STATUS_SIZE
               + ngx_push_json_string_size(ngx_push_zone_name(zp[i]))
               + stats[i].nworkers * NGX_HTTP_PUSH_WORKER_SIZE;
    }

    body.data = ngx_pnalloc(r->pool, len);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_http_push_status_head(body.data, stats, zones->nelts);

    for (i = 0; i < zones->nelts; i++) {
        if (i) {
            *p++ = ',';
        }

        p = ngx_http_push_status_zone(p, ngx_push_zone_name(zp[i]),
                                      &stats[i]);
    }

    p = ngx_cpymem(p, "]}\n", sizeof("]}\n") - 1);
    body.len = p - body.data;

    return ngx_http_push_answer(r, NGX_HTTP_OK, &type, &body);
}


static ngx_push_stats_t *
ngx_http_push_status_read(ngx_http_request_t *r, ngx_array_t *zones)
{
    ngx_uint_t         i;
    ngx_push_zone_t  **zp;
    ngx_push_stats_t  *stats;

    zp = zones->elts;

    stats = ngx_palloc(r->pool, zones->nelts * sizeof(ngx_push_stats_t));
    if (stats == NULL) {
        return NULL;
    }

    for (i = 0; i < zones->nelts; i++) {
        if (ngx_push_zone_stats(zp[i], &stats[i], r->pool) != NGX_OK) {
            return NULL;
        }
    }

    return stats;
}


/* a worker has a bell in each zone: the fullest zone knows them all */

static u_char *
ngx_http_push_status_head(u_char *p, ngx_push_stats_t *stats, ngx_uint_t n)
{
    ngx_uint_t  i, t, workers, total[NGX_HTTP_PUSH_TRANSPORTS + 1];
    ngx_uint_t  sums[NGX_HTTP_PUSH_TRANSPORTS + 1];

    workers = 0;
    ngx_memzero(total, sizeof(total));

    for (i = 0; i < n; i++) {
        workers = ngx_max(workers, stats[i].nworkers);

        ngx_http_push_status_sum(&stats[i], sums);

        for (t = 0; t <= NGX_HTTP_PUSH_TRANSPORTS; t++) {
            total[t] += sums[t];
        }
    }

    p = ngx_sprintf(p, "{\"version\":\"%s\",\"workers\":%ui,"
                    "\"subscribers\":{", NGX_HTTP_PUSH_VERSION, workers);
    p = ngx_http_push_status_sums(p, total, 1);

    return ngx_cpymem(p, "},\"zones\":[", sizeof("},\"zones\":[") - 1);
}


static u_char *
ngx_http_push_status_zone(u_char *p, ngx_str_t *name, ngx_push_stats_t *stats)
{
    ngx_uint_t  sums[NGX_HTTP_PUSH_TRANSPORTS + 1];

    p = ngx_cpymem(p, "{\"name\":", sizeof("{\"name\":") - 1);
    p = ngx_push_json_string(p, name);
    p = ngx_sprintf(p, ",\"size\":%uz,\"bytes\":{", stats->size);
    p = ngx_http_push_status_bytes(p, stats);

    p = ngx_sprintf(p, "},\"channels\":%ui,\"messages\":%ui,"
                    "\"payload_bytes\":%uL,\"superseded\":%s,"
                    "\"subscribers\":{",
                    stats->channels, stats->messages, stats->payload,
                    stats->superseded ? "true" : "false");

    ngx_http_push_status_sum(stats, sums);
    p = ngx_http_push_status_sums(p, sums, 1);

    p = ngx_sprintf(p, "},\"backplane\":{\"name\":\"%s\"",
                    stats->backplane);

    if (stats->mirrors) {
        p = ngx_sprintf(p, ",\"up\":%s,\"leader\":%P,\"heard\":",
                        stats->up ? "true" : "false", stats->leader);

        if (stats->heard) {
            *p++ = '"';
            p = ngx_push_time_rfc3339(p, stats->heard);
            *p++ = '"';

        } else {
            p = ngx_cpymem(p, "null", 4);
        }
    }

    p = ngx_cpymem(p, "},\"counters\":{", sizeof("},\"counters\":{") - 1);
    p = ngx_http_push_status_counters(p, stats);

    p = ngx_cpymem(p, "},\"workers\":[", sizeof("},\"workers\":[") - 1);
    p = ngx_http_push_status_workers(p, stats);

    return ngx_cpymem(p, "]}", 2);
}


/* the sum of all is the size */

static u_char *
ngx_http_push_status_bytes(u_char *p, ngx_push_stats_t *stats)
{
    size_t                   messages, fixed;
    ngx_uint_t               i;
    ngx_http_push_number_t  *use;

    use = ngx_http_push_status_uses;

    messages = stats->bytes[NGX_PUSH_BLOCK_MESSAGE]
               + stats->bytes[NGX_PUSH_BLOCK_PART];
    fixed = stats->size - messages;

    for (i = 0; i < sizeof(ngx_http_push_status_uses) / sizeof(*use); i++) {
        fixed -= stats->bytes[use[i].index];

        p = ngx_sprintf(p, "\"%V\":%uz,", &use[i].name,
                        stats->bytes[use[i].index]);
    }

    return ngx_sprintf(p, "\"messages\":%uz,\"fixed\":%uz", messages, fixed);
}


static u_char *
ngx_http_push_status_counters(u_char *p, ngx_push_stats_t *stats)
{
    ngx_uint_t               i;
    ngx_http_push_number_t  *name;

    name = ngx_http_push_status_names;

    for (i = 0; i < sizeof(ngx_http_push_status_names) / sizeof(*name); i++) {
        p = ngx_sprintf(p, "%s\"%V\":%uL", i ? "," : "", &name[i].name,
                        stats->counters[name[i].index]);
    }

    return p;
}


static u_char *
ngx_http_push_status_workers(u_char *p, ngx_push_stats_t *stats)
{
    ngx_uint_t                i, t;
    ngx_uint_t                sums[NGX_HTTP_PUSH_TRANSPORTS + 1];
    ngx_push_worker_stats_t  *w;

    for (i = 0; i < stats->nworkers; i++) {
        w = &stats->workers[i];
        sums[NGX_HTTP_PUSH_TRANSPORTS] = 0;

        for (t = 0; t < NGX_HTTP_PUSH_TRANSPORTS; t++) {
            sums[t] = w->gauges[t];
            sums[NGX_HTTP_PUSH_TRANSPORTS] += sums[t];
        }

        p = ngx_sprintf(p, "%s{\"pid\":%P,\"subscribers\":%ui,"
                        "\"transports\":{", i ? "," : "", w->pid,
                        sums[NGX_HTTP_PUSH_TRANSPORTS]);
        p = ngx_http_push_status_sums(p, sums, 0);
        p = ngx_cpymem(p, "}}", 2);
    }

    return p;
}


/* subscribers by transport, and after them all together */

static void
ngx_http_push_status_sum(ngx_push_stats_t *stats, ngx_uint_t *sums)
{
    ngx_uint_t  i, t;

    ngx_memzero(sums, sizeof(ngx_uint_t) * (NGX_HTTP_PUSH_TRANSPORTS + 1));

    for (i = 0; i < stats->nworkers; i++) {
        for (t = 0; t < NGX_HTTP_PUSH_TRANSPORTS; t++) {
            sums[t] += stats->workers[i].gauges[t];
            sums[NGX_HTTP_PUSH_TRANSPORTS] += stats->workers[i].gauges[t];
        }
    }
}


static u_char *
ngx_http_push_status_sums(u_char *p, ngx_uint_t *sums, ngx_uint_t total)
{
    ngx_uint_t  t;

    for (t = 0; t < NGX_HTTP_PUSH_TRANSPORTS; t++) {
        p = ngx_sprintf(p, "%s\"%V\":%ui", t ? "," : "",
                        &ngx_http_push_transport_names[t], sums[t]);
    }

    return total ? ngx_sprintf(p, ",\"total\":%ui", sums[t]) : p;
}


static char *
ngx_http_push_status_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_push_loc_conf_t  *plcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_push_status_handler;

    plcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_push_module);
    plcf->zoned = 1;

    return NGX_CONF_OK;
}
