
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_push_redis.h"
#include "ngx_push_module.h"
#include "ngx_push_zone.h"


/* push_redis: gives a zone its Redis */


#define NGX_HTTP_PUSH_REDIS_REPLICAS  100


/* one push_redis; its zone is looked up when all of them are known */

typedef struct {
    ngx_push_redis_conf_t    conf;
    ngx_str_t                file;
    ngx_uint_t               line;
    ngx_push_zone_t         *found;
} ngx_http_push_redis_t;


typedef struct {
    ngx_array_t              redis;          /* of ngx_http_push_redis_t * */
    ngx_uint_t               replicas;       /* push_redis_ack, or 0 */
    ngx_msec_t               timeout;        /* of it, or 0 */
    ngx_flag_t               ack;            /* it is set */
} ngx_http_push_redis_main_conf_t;


static char *ngx_http_push_redis(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_push_redis_parse(ngx_conf_t *cf,
    ngx_http_push_redis_t *hr);
static char *ngx_http_push_redis_ack(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static void *ngx_http_push_redis_create_main_conf(ngx_conf_t *cf);
static ngx_int_t ngx_http_push_redis_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_push_redis_find_zone(ngx_conf_t *cf,
    ngx_http_push_redis_main_conf_t *rmcf, ngx_http_push_redis_t *hr);
static void ngx_http_push_redis_set_resolver(ngx_conf_t *cf,
    ngx_push_redis_conf_t *conf);


static ngx_command_t  ngx_http_push_redis_commands[] = {

    { ngx_string("push_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_push_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("push_redis_ack"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE13,
      ngx_http_push_redis_ack,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_push_redis_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_push_redis_init,              /* postconfiguration */

    ngx_http_push_redis_create_main_conf,  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_push_redis_module = {
    NGX_MODULE_V1,
    &ngx_http_push_redis_module_ctx,       /* module context */
    ngx_http_push_redis_commands,          /* module directives */
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


static char *
ngx_http_push_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_push_redis_main_conf_t *rmcf = conf;

    char                   *rv;
    ngx_http_push_redis_t  *hr, **p;

    hr = ngx_pcalloc(cf->pool, sizeof(ngx_http_push_redis_t));
    if (hr == NULL) {
        return NGX_CONF_ERROR;
    }

    hr->file = cf->conf_file->file.name;
    hr->line = cf->conf_file->line;

    ngx_push_redis_conf_init(&hr->conf);

    rv = ngx_http_push_redis_parse(cf, hr);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_push_redis_conf_complete(cf, &hr->conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    p = ngx_array_push(&rmcf->redis);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    *p = hr;

    return NGX_CONF_OK;
}


static char *
ngx_http_push_redis_parse(ngx_conf_t *cf, ngx_http_push_redis_t *hr)
{
    char        *cause, *rv;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    switch (ngx_push_redis_url_parse(cf->pool, &value[1], &hr->conf.url,
                                     &cause))
    {
    case NGX_OK:
        break;

    case NGX_DECLINED:
        return cause;

    default:
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        rv = ngx_push_redis_conf_parameter(cf, &hr->conf, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


/* accepted | replicated n timeout */

static char *
ngx_http_push_redis_ack(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_push_redis_main_conf_t *rmcf = conf;

    ngx_int_t   n, ms;
    ngx_str_t  *value;

    if (rmcf->ack) {
        return "is duplicate";
    }

    rmcf->ack = 1;

    value = cf->args->elts;

    if (cf->args->nelts == 2) {

        return ngx_strcmp(value[1].data, "accepted") == 0
               ? NGX_CONF_OK
               : "takes \"accepted\", or \"replicated\" with a number of "
                 "replicas and a time";
    }

    if (ngx_strcmp(value[1].data, "replicated") != 0) {
        return "takes \"accepted\", or \"replicated\" with a number of "
               "replicas and a time";
    }

    n = ngx_atoi(value[2].data, value[2].len);

    if (n < 1 || n > NGX_HTTP_PUSH_REDIS_REPLICAS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"push_redis_ack\" has an invalid number of "
                           "replicas \"%V\"", &value[2]);
        return NGX_CONF_ERROR;
    }

    ms = ngx_parse_time(&value[3], 0);

    if (ms == NGX_ERROR || ms == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"push_redis_ack\" has an invalid time \"%V\"",
                           &value[3]);
        return NGX_CONF_ERROR;
    }

    rmcf->replicas = n;
    rmcf->timeout = ms;

    return NGX_CONF_OK;
}


static void *
ngx_http_push_redis_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_push_redis_main_conf_t  *rmcf;

    rmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_push_redis_main_conf_t));
    if (rmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&rmcf->redis, cf->pool, 1,
                       sizeof(ngx_http_push_redis_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return rmcf;
}


static ngx_int_t
ngx_http_push_redis_init(ngx_conf_t *cf)
{
    ngx_uint_t                         i;
    ngx_http_push_redis_t            **hr;
    ngx_http_push_redis_main_conf_t   *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_push_redis_module);

    hr = rmcf->redis.elts;

    for (i = 0; i < rmcf->redis.nelts; i++) {

        switch (ngx_http_push_redis_find_zone(cf, rmcf, hr[i])) {

        case NGX_OK:
            break;

        case NGX_DECLINED:
            continue;

        default:
            return NGX_ERROR;
        }

        if (rmcf->replicas && rmcf->timeout >= hr[i]->conf.timeout) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"push_redis\" needs a \"timeout\" above the time "
                          "of \"push_redis_ack\" in %V:%ui",
                          &hr[i]->file, hr[i]->line);
            return NGX_ERROR;
        }

        hr[i]->conf.replicas = rmcf->replicas;
        hr[i]->conf.replicated_timeout = rmcf->timeout;

        ngx_http_push_redis_set_resolver(cf, &hr[i]->conf);

        if (ngx_push_redis_add(cf, hr[i]->found, &hr[i]->conf) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* NGX_DECLINED: there is no zone at all */

static ngx_int_t
ngx_http_push_redis_find_zone(ngx_conf_t *cf,
    ngx_http_push_redis_main_conf_t *rmcf, ngx_http_push_redis_t *hr)
{
    ngx_str_t               *name;
    ngx_uint_t               i;
    ngx_array_t             *zones;
    ngx_push_zone_t        **zone;
    ngx_http_push_redis_t  **other;

    zones = ngx_push_module_zones(cf->cycle);
    zone = zones->elts;

    for (i = 0; i < zones->nelts; i++) {
        name = ngx_push_zone_name(zone[i]);

        if (hr->conf.zone.len == 0
            || (hr->conf.zone.len == name->len
                && ngx_strncmp(hr->conf.zone.data, name->data, name->len) == 0))
        {
            hr->found = zone[i];
            break;
        }
    }

    if (hr->found == NULL && hr->conf.zone.len) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"push_redis\" names an unknown zone \"%V\" in %V:%ui",
                      &hr->conf.zone, &hr->file, hr->line);
        return NGX_ERROR;
    }

    if (hr->found == NULL) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"push_redis\" is of no use, since there is no zone, "
                      "in %V:%ui", &hr->file, hr->line);
        return NGX_DECLINED;
    }

    other = rmcf->redis.elts;

    for (i = 0; other[i] != hr; i++) {

        if (other[i]->found == hr->found) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"push_redis\" is duplicate for the zone \"%V\" "
                          "in %V:%ui",
                          ngx_push_zone_name(hr->found), &hr->file, hr->line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_push_redis_set_resolver(ngx_conf_t *cf, ngx_push_redis_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->resolver == NULL
        || clcf->resolver->connections.nelts == 0)
    {
        return;
    }

    conf->resolver = clcf->resolver;
    conf->resolver_timeout = conf->connect_timeout;

    if (conf->sentinels) {
        conf->sentinels->resolver = conf->resolver;
        conf->sentinels->resolver_timeout = conf->resolver_timeout;
    }
}
