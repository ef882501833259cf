
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push.h"


/* zones, and the entry point of both handlers */


#define NGX_HTTP_PUSH_ZONE_SIZE  (32 * 1024 * 1024)


/* a push_use_zone, until it is known whether there is such a zone */

typedef struct {
    ngx_str_t         name;
    ngx_str_t         file;
    ngx_uint_t        line;
} ngx_http_push_use_t;


typedef struct {
    ngx_array_t       zones;                 /* of ngx_str_t, by push_zone */
    ngx_array_t       uses;                  /* of ngx_http_push_use_t */
    ngx_push_zone_t  *first;
    ngx_msec_t        drain_window;
} ngx_http_push_main_conf_t;


static void *ngx_http_push_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_push_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_push_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_push_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_push_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_push_use_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_push_has_zone(ngx_http_push_main_conf_t *pmcf,
    ngx_str_t *name);
static ngx_int_t ngx_http_push_handler(ngx_http_request_t *r);


static ngx_command_t  ngx_http_push_commands[] = {

    { ngx_string("push_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE2,
      ngx_http_push_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("push_use_zone"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_push_use_zone,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("push_drain_window"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_push_main_conf_t, drain_window),
      NULL },

    { ngx_string("push_user"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_push_loc_conf_t, user),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_push_module_ctx = {
    ngx_http_push_add_variables,           /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_push_create_main_conf,        /* create main configuration */
    ngx_http_push_init_main_conf,          /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_push_create_loc_conf,         /* create location configuration */
    ngx_http_push_merge_loc_conf           /* merge location configuration */
};


ngx_module_t  ngx_http_push_module = {
    NGX_MODULE_V1,
    &ngx_http_push_module_ctx,             /* module context */
    ngx_http_push_commands,                /* module directives */
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


ngx_http_push_ctx_t *
ngx_http_push_get_ctx(ngx_http_request_t *r)
{
    ngx_http_push_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_push_module);

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_push_ctx_t));
        if (ctx == NULL) {
            return NULL;
        }

        ngx_http_set_ctx(r, ctx, ngx_http_push_module);
    }

    return ctx;
}


void
ngx_http_push_set_handler(ngx_conf_t *cf)
{
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_push_loc_conf_t  *plcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_push_handler;

    plcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_push_module);
    plcf->zoned = 1;
}


char *
ngx_http_push_bad_value(ngx_conf_t *cf, ngx_str_t *value)
{
    ngx_str_t  *name;

    name = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" has an invalid value "
                       "\"%V\"", name, value);

    return NGX_CONF_ERROR;
}


char *
ngx_http_push_enum_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t        *value;
    ngx_uint_t       *field;
    ngx_conf_enum_t  *e;

    field = (ngx_uint_t *) ((u_char *) conf + cmd->offset);

    if (*field != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (e = cmd->post; e->name.len; e++) {
        if (e->name.len == value[1].len
            && ngx_strcmp(e->name.data, value[1].data) == 0)
        {
            *field = e->value;
            return NGX_CONF_OK;
        }
    }

    return ngx_http_push_bad_value(cf, &value[1]);
}


ngx_msec_t
ngx_http_push_drain_window(ngx_cycle_t *cycle)
{
    ngx_http_push_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_push_module);

    return pmcf->drain_window;
}


/* with both directives in a location the method chooses */

static ngx_int_t
ngx_http_push_handler(ngx_http_request_t *r)
{
    ngx_http_push_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_push_module);

    if (plcf->subscribe
        && (plcf->publish == NULL
            || r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)))
    {
        return plcf->subscribe(r);
    }

    return plcf->publish(r);
}


static void *
ngx_http_push_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_push_main_conf_t  *pmcf;

    pmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_push_main_conf_t));
    if (pmcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     pmcf->first = NULL;
     */

    if (ngx_array_init(&pmcf->zones, cf->pool, 2, sizeof(ngx_str_t)) != NGX_OK
        || ngx_array_init(&pmcf->uses, cf->pool, 2,
                          sizeof(ngx_http_push_use_t))
           != NGX_OK)
    {
        return NULL;
    }

    pmcf->drain_window = NGX_CONF_UNSET_MSEC;

    return pmcf;
}


static char *
ngx_http_push_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_push_main_conf_t *pmcf = conf;

    ngx_uint_t            i;
    ngx_http_push_use_t  *use;

    ngx_conf_init_msec_value(pmcf->drain_window, 30000);

    use = pmcf->uses.elts;

    for (i = 0; i < pmcf->uses.nelts; i++) {

        if (ngx_http_push_has_zone(pmcf, &use[i].name) != NGX_OK) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"push_use_zone\" names an unknown zone \"%V\" "
                          "in %V:%ui",
                          &use[i].name, &use[i].file, use[i].line);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_push_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_push_loc_conf_t  *plcf;

    plcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_push_loc_conf_t));
    if (plcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     plcf->zone = NULL;
     *     plcf->publish_to = NULL;
     *     plcf->subscribe_to = NULL;
     *     plcf->publish = NULL;
     *     plcf->subscribe = NULL;
     *     plcf->user = NULL;
     *     plcf->zoned = 0;
     */

    return plcf;
}


static char *
ngx_http_push_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_push_loc_conf_t *prev = parent;
    ngx_http_push_loc_conf_t *conf = child;

    ngx_str_t                   name = ngx_string("push");
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_push_main_conf_t  *pmcf;

    if (conf->zone == NULL) {
        conf->zone = prev->zone;
    }

    if (conf->user == NULL) {
        conf->user = prev->user;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && !conf->zoned && prev->zoned) {

        /* an "if" inside of a location of ours */

        conf->publish_to = prev->publish_to;
        conf->subscribe_to = prev->subscribe_to;
        conf->publish = prev->publish;
        conf->subscribe = prev->subscribe;
        conf->zoned = 1;

        if (clcf->handler == NULL && (conf->publish || conf->subscribe)) {
            clcf->handler = ngx_http_push_handler;
        }
    }

    if (!conf->zoned || conf->zone) {
        return NGX_CONF_OK;
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_push_module);

    if (pmcf->first == NULL) {
        pmcf->first = ngx_push_zone_add(cf, &name, NGX_HTTP_PUSH_ZONE_SIZE);
        if (pmcf->first == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    conf->zone = pmcf->first;

    return NGX_CONF_OK;
}


static char *
ngx_http_push_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_push_main_conf_t *pmcf = conf;

    ssize_t           size;
    ngx_str_t        *value, *name;
    ngx_push_zone_t  *zone;

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "has an empty zone name";
    }

    if (ngx_http_push_has_zone(pmcf, &value[1]) == NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"push_zone\" names the zone \"%V\" twice",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    size = ngx_parse_size(&value[2]);

    if (size == NGX_ERROR || size == 0) {
        return ngx_http_push_bad_value(cf, &value[2]);
    }

    zone = ngx_push_zone_add(cf, &value[1], size);
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    name = ngx_array_push(&pmcf->zones);
    if (name == NULL) {
        return NGX_CONF_ERROR;
    }

    *name = value[1];

    if (pmcf->first == NULL) {
        pmcf->first = zone;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_push_use_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_push_loc_conf_t *plcf = conf;

    ngx_str_t                  *value;
    ngx_http_push_use_t        *use;
    ngx_http_push_main_conf_t  *pmcf;

    if (plcf->zone) {
        return "is duplicate";
    }

    value = cf->args->elts;

    plcf->zone = ngx_push_zone_add(cf, &value[1], 0);
    if (plcf->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_push_module);

    use = ngx_array_push(&pmcf->uses);
    if (use == NULL) {
        return NGX_CONF_ERROR;
    }

    use->name = value[1];
    use->file = cf->conf_file->file.name;
    use->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_push_has_zone(ngx_http_push_main_conf_t *pmcf, ngx_str_t *name)
{
    ngx_str_t   *zone;
    ngx_uint_t   i;

    zone = pmcf->zones.elts;

    for (i = 0; i < pmcf->zones.nelts; i++) {
        if (zone[i].len == name->len
            && ngx_strncmp(zone[i].data, name->data, name->len) == 0)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}
