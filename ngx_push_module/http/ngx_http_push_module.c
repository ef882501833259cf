
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push.h"


/* zones, the entry point of both handlers, variables */


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
static ngx_int_t ngx_http_push_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_http_push_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_push_channels_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_push_user_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_push_set_variable(ngx_http_variable_value_t *v,
    ngx_str_t *value);


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


#define NGX_HTTP_PUSH_VAR_ID           0
#define NGX_HTTP_PUSH_VAR_TRANSPORT    1
#define NGX_HTTP_PUSH_VAR_SUBSCRIBERS  2


static ngx_http_variable_t  ngx_http_push_vars[] = {

    { ngx_string("push_channels"), NULL, ngx_http_push_channels_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("push_id"), NULL, ngx_http_push_variable,
      NGX_HTTP_PUSH_VAR_ID, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("push_transport"), NULL, ngx_http_push_variable,
      NGX_HTTP_PUSH_VAR_TRANSPORT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("push_subscribers"), NULL, ngx_http_push_variable,
      NGX_HTTP_PUSH_VAR_SUBSCRIBERS, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("push_user"), NULL, ngx_http_push_user_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_http_push_ctx_t *
ngx_http_push_get_ctx(ngx_http_request_t *r)
{
    ngx_http_push_ctx_t  *ctx;

    r = r->main;

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


static ngx_int_t
ngx_http_push_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *v, *var;

    for (v = ngx_http_push_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_push_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t             value;
    ngx_http_push_ctx_t  *ctx;

    ngx_str_null(&value);

    ctx = ngx_http_get_module_ctx(r->main, ngx_http_push_module);

    if (ctx == NULL) {
        return ngx_http_push_set_variable(v, &value);
    }

    if (data == NGX_HTTP_PUSH_VAR_TRANSPORT) {
        return ngx_http_push_set_variable(v, &ctx->transport);
    }

    value.data = ngx_pnalloc(r->pool, ngx_max(NGX_PUSH_ID_LEN,
                                              NGX_INT_T_LEN));
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    if (data == NGX_HTTP_PUSH_VAR_ID && ctx->has_id) {
        value.len = ngx_push_id_format(value.data, &ctx->id) - value.data;
    }

    if (data == NGX_HTTP_PUSH_VAR_SUBSCRIBERS && ctx->published) {
        value.len = ngx_sprintf(value.data, "%ui", ctx->subscribers)
                    - value.data;
    }

    return ngx_http_push_set_variable(v, &value);
}


/* asked for before the content phase, the list is made and not kept */

static ngx_int_t
ngx_http_push_channels_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    char                      *cause;
    u_char                    *p;
    size_t                     len;
    ngx_str_t                 *name, value;
    ngx_uint_t                 i;
    ngx_array_t               *channels, *exprs;
    ngx_http_push_ctx_t       *ctx;
    ngx_http_push_loc_conf_t  *plcf;

    ngx_str_null(&value);

    ctx = ngx_http_get_module_ctx(r->main, ngx_http_push_module);
    channels = ctx ? ctx->channels : NULL;

    if (channels == NULL) {
        plcf = ngx_http_get_module_loc_conf(r->main, ngx_http_push_module);

        exprs = plcf->publish_to;

        if (exprs == NULL
            || (plcf->subscribe_to
                && r->main->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)))
        {
            exprs = plcf->subscribe_to;
        }

        if (exprs == NULL
            || ngx_http_push_channels(r->main, exprs, &channels, &cause)
               != NGX_OK)
        {
            return ngx_http_push_set_variable(v, &value);
        }
    }

    name = channels->elts;
    len = 0;

    for (i = 0; i < channels->nelts; i++) {
        len += name[i].len + 1;
    }

    if (len) {
        value.data = ngx_pnalloc(r->pool, len);
        if (value.data == NULL) {
            return NGX_ERROR;
        }

        p = value.data;

        for (i = 0; i < channels->nelts; i++) {
            p = ngx_cpymem(p, name[i].data, name[i].len);
            *p++ = ',';
        }

        value.len = len - 1;
    }

    return ngx_http_push_set_variable(v, &value);
}


static ngx_int_t
ngx_http_push_user_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                  value;
    ngx_http_push_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_push_module);

    if (plcf->user) {

        if (ngx_http_complex_value(r, plcf->user, &value) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {

        /* as $remote_user */

        ngx_str_null(&value);

        if (ngx_http_auth_basic_user(r) == NGX_OK) {
            value = r->headers_in.user;
        }
    }

    return ngx_http_push_set_variable(v, &value);
}


static ngx_int_t
ngx_http_push_set_variable(ngx_http_variable_value_t *v, ngx_str_t *value)
{
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = (value->len == 0);
    v->len = value->len;
    v->data = value->data;

    return NGX_OK;
}
