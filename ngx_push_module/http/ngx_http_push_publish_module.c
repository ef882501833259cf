
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_publish.h"


/* push_publish and what it keeps: configuration, and the way by method */


#define NGX_HTTP_PUSH_METHODS      "GET, HEAD, POST, PUT, DELETE, OPTIONS"

#define NGX_HTTP_PUSH_MAX_MESSAGE  (64 * 1024 * 1024)


static void *ngx_http_push_publish_create_conf(ngx_conf_t *cf);
static char *ngx_http_push_publish_merge_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_push_publish_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_push_history_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_push_message_size(ngx_conf_t *cf, void *post,
    void *data);
static ngx_int_t ngx_http_push_publish_handler(ngx_http_request_t *r);


static ngx_conf_post_t  ngx_http_push_message_size_post = {
    ngx_http_push_message_size
};


static ngx_command_t  ngx_http_push_publish_commands[] = {

    { ngx_string("push_publish"),
      NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_push_publish_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("push_history"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE123,
      ngx_http_push_history_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("push_max_message_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_push_publish_conf_t, max_size),
      &ngx_http_push_message_size_post },

    { ngx_string("push_backlog"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_push_publish_conf_t, backlog),
      NULL },

    { ngx_string("push_channel_idle"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_push_publish_conf_t, idle),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_push_publish_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_push_publish_create_conf,     /* create location configuration */
    ngx_http_push_publish_merge_conf       /* merge location configuration */
};


ngx_module_t  ngx_http_push_publish_module = {
    NGX_MODULE_V1,
    &ngx_http_push_publish_module_ctx,     /* module context */
    ngx_http_push_publish_commands,        /* module directives */
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


static ngx_int_t
ngx_http_push_publish_handler(ngx_http_request_t *r)
{
    char                      *cause;
    ngx_int_t                  rc;
    ngx_http_push_ctx_t       *ctx;
    ngx_http_push_loc_conf_t  *plcf;

    if (r->method == NGX_HTTP_OPTIONS) {
        return ngx_http_push_preflight(r, NGX_HTTP_PUSH_METHODS);
    }

    rc = ngx_http_push_origin(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_POST|NGX_HTTP_PUT
                       |NGX_HTTP_DELETE)))
    {
        return ngx_http_push_not_allowed(r, NGX_HTTP_PUSH_METHODS);
    }

    /* If-Match and If-None-Match are judged here, not by the core */

    r->disable_not_modified = 1;

    ctx = ngx_http_push_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_push_module);

    rc = ngx_http_push_channels(r, plcf->publish_to, 0, &ctx->channels,
                                &cause);

    if (rc == NGX_DECLINED) {
        return ngx_http_push_problem(r, NGX_HTTP_BAD_REQUEST, "bad-channel",
                                     cause, NULL);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method & (NGX_HTTP_POST|NGX_HTTP_PUT)) {
        return ngx_http_push_publish_request(r, ctx);
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    return (r->method == NGX_HTTP_DELETE) ? ngx_http_push_delete(r, ctx)
                                          : ngx_http_push_info(r, ctx);
}


static void *
ngx_http_push_publish_create_conf(ngx_conf_t *cf)
{
    ngx_http_push_publish_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_push_publish_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->rules = { 0 };
     */

    conf->rules.count = NGX_CONF_UNSET_UINT;
    conf->max_size = NGX_CONF_UNSET_SIZE;
    conf->backlog = NGX_CONF_UNSET_SIZE;
    conf->idle = NGX_CONF_UNSET_MSEC;

    return conf;
}


static char *
ngx_http_push_publish_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_push_publish_conf_t *prev = parent;
    ngx_http_push_publish_conf_t *conf = child;

    if (prev->rules.count == NGX_CONF_UNSET_UINT) {
        prev->rules.count = 100;
        prev->rules.ttl = 10 * 60 * 1000;
        prev->rules.max_size = 0;
    }

    if (conf->rules.count == NGX_CONF_UNSET_UINT) {
        conf->rules = prev->rules;
    }

    ngx_conf_merge_size_value(conf->max_size, prev->max_size, 64 * 1024);
    ngx_conf_merge_size_value(conf->backlog, prev->backlog, 1024 * 1024);
    ngx_conf_merge_msec_value(conf->idle, prev->idle, 60 * 60 * 1000);

    conf->rules.backlog = conf->backlog;
    conf->rules.idle = conf->idle;

    return NGX_CONF_OK;
}


static char *
ngx_http_push_publish_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_push_loc_conf_t  *plcf;

    ngx_http_push_set_handler(cf);

    plcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_push_module);
    plcf->publish = ngx_http_push_publish_handler;

    return ngx_http_push_channels_slot(cf, &plcf->publish_to);
}


/* off | count [ttl|forever] [max_size=size] */

static char *
ngx_http_push_history_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_push_publish_conf_t *pcf = conf;

    ssize_t            size;
    ngx_int_t          n;
    ngx_str_t         *value, s;
    ngx_uint_t         i;
    ngx_push_rules_t  *rules;

    rules = &pcf->rules;

    if (rules->count != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    rules->ttl = 10 * 60 * 1000;
    rules->max_size = 0;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        rules->count = 0;
        return (cf->args->nelts == 2) ? NGX_CONF_OK
                                      : ngx_http_push_bad_value(cf, &value[2]);
    }

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n == 0 || n > NGX_MAX_INT32_VALUE) {
        return ngx_http_push_bad_value(cf, &value[1]);
    }

    rules->count = n;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "max_size=", 9) == 0) {
            s.data = value[i].data + 9;
            s.len = value[i].len - 9;

            size = ngx_parse_size(&s);

            if (size == NGX_ERROR || size == 0) {
                return ngx_http_push_bad_value(cf, &value[i]);
            }

            rules->max_size = size;

            /* the last one */

            return (i + 1 == cf->args->nelts)
                   ? NGX_CONF_OK : ngx_http_push_bad_value(cf, &value[i + 1]);
        }

        if (i == 3) {
            return ngx_http_push_bad_value(cf, &value[i]);
        }

        if (ngx_strcmp(value[i].data, "forever") == 0) {
            rules->ttl = 0;
            continue;
        }

        n = ngx_parse_time(&value[i], 0);

        if (n == NGX_ERROR || n == 0) {
            return ngx_http_push_bad_value(cf, &value[i]);
        }

        rules->ttl = n;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_push_message_size(ngx_conf_t *cf, void *post, void *data)
{
    size_t *size = data;

    if (*size == 0 || *size > NGX_HTTP_PUSH_MAX_MESSAGE) {
        return "must be between 1 and 64m";
    }

    return NGX_CONF_OK;
}
