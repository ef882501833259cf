
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_publish.h"
#include "ngx_http_push_render.h"


/* push_subscribe: configuration, and the way to a transport */


#define NGX_HTTP_PUSH_METHODS         "GET, HEAD, OPTIONS"

#define NGX_HTTP_PUSH_ALL             0xf


static void *ngx_http_push_subscribe_create_conf(ngx_conf_t *cf);
static char *ngx_http_push_subscribe_merge_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_push_subscribe_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_push_subscribe_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_subscribe_refuse(ngx_http_request_t *r,
    ngx_uint_t status);
static ngx_int_t ngx_http_push_subscribe_init(ngx_cycle_t *cycle);
static void ngx_http_push_subscribe_exit(ngx_cycle_t *cycle);


/* by ngx_http_push_transport_e */

static ngx_http_push_transport_pt  ngx_http_push_handlers[] = {
    ngx_http_push_sse_handler,
    ngx_http_push_websocket_handler,
    ngx_http_push_ndjson_handler,
    ngx_http_push_poll_handler
};


static ngx_conf_enum_t  ngx_http_push_formats[] = {
    { ngx_string("raw"), NGX_HTTP_PUSH_FORMAT_RAW },
    { ngx_string("json"), NGX_HTTP_PUSH_FORMAT_JSON },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_push_slow_readers[] = {
    { ngx_string("gap"), NGX_HTTP_PUSH_SLOW_GAP },
    { ngx_string("close"), NGX_HTTP_PUSH_SLOW_CLOSE },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_push_subscribe_commands[] = {

    { ngx_string("push_subscribe"),
      NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_push_subscribe_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("push_start"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_push_start_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("push_format"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_push_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_push_subscribe_conf_t, format),
      ngx_http_push_formats },

    { ngx_string("push_heartbeat"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_push_subscribe_conf_t, heartbeat),
      NULL },

    { ngx_string("push_retry"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_push_retry_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("push_max_age"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_push_max_age_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("push_slow_reader"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_push_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_push_subscribe_conf_t, slow_reader),
      ngx_http_push_slow_readers },

    { ngx_string("push_transports"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_push_transports_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("push_poll_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_push_subscribe_conf_t, poll_timeout),
      NULL },

    { ngx_string("push_client_publish"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_push_client_publish_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("push_client_subscribe"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_push_client_subscribe_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("push_hibernate"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_push_subscribe_conf_t, hibernate),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_push_subscribe_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_push_subscribe_create_conf,   /* create location configuration */
    ngx_http_push_subscribe_merge_conf     /* merge location configuration */
};


ngx_module_t  ngx_http_push_subscribe_module = {
    NGX_MODULE_V1,
    &ngx_http_push_subscribe_module_ctx,   /* module context */
    ngx_http_push_subscribe_commands,      /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_push_subscribe_init,          /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_push_subscribe_exit,          /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_push_subscribe_handler(ngx_http_request_t *r)
{
    char                            *cause;
    ngx_int_t                        rc;
    ngx_uint_t                       transport;
    ngx_http_push_ctx_t             *ctx;
    ngx_http_push_loc_conf_t        *plcf;
    ngx_http_push_subscribe_conf_t  *conf;

    if (r != r->main) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "push: a stream cannot be a part of another response");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method == NGX_HTTP_OPTIONS) {
        return ngx_http_push_preflight(r, NGX_HTTP_PUSH_METHODS);
    }

    rc = ngx_http_push_origin(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_push_not_allowed(r, NGX_HTTP_PUSH_METHODS);
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    r->disable_not_modified = 1;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_push_subscribe_module);
    transport = ngx_http_push_choose(r, conf);

    if (transport >= NGX_HTTP_PUSH_TRANSPORTS) {
        return ngx_http_push_subscribe_refuse(r, transport);
    }

    ctx = ngx_http_push_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_push_module);

    /* a client that names its channels later may begin with none */

    rc = ngx_http_push_channels(r, plcf->subscribe_to,
                                transport == NGX_HTTP_PUSH_WEBSOCKET
                                && ngx_http_push_has_commands(r, conf),
                                &ctx->channels, &cause);

    if (rc == NGX_DECLINED) {
        return ngx_http_push_problem(r, NGX_HTTP_BAD_REQUEST, "bad-channel",
                                     cause, NULL);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_push_open(r, ctx, ngx_http_push_handlers[transport]);
}


static ngx_int_t
ngx_http_push_subscribe_refuse(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_str_t  value = ngx_string("websocket");

    if (status == NGX_HTTP_PUSH_UPGRADE_REQUIRED) {

        /* HTTP/2 knows no such header, RFC 9113, 8.2.2 */

        if (r->http_version <= NGX_HTTP_VERSION_11
            && ngx_http_push_header(r, "Upgrade", &value) != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_push_problem(r, status, "upgrade-required",
                                     "only WebSocket is served here", NULL);
    }

    return ngx_http_push_problem(r, status, "not-acceptable",
                                 "the transport asked for is not served here",
                                 NULL);
}


static void *
ngx_http_push_subscribe_create_conf(ngx_conf_t *cf)
{
    ngx_http_push_subscribe_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_push_subscribe_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->start = { 0 };
     *     conf->start_set = 0;
     *     conf->transports = 0;
     *     conf->client_publish = NULL;
     *     conf->client_publish_own = 0;
     *     conf->client_subscribe = NULL;
     */

    conf->format = NGX_CONF_UNSET_UINT;
    conf->slow_reader = NGX_CONF_UNSET_UINT;
    conf->heartbeat = NGX_CONF_UNSET_MSEC;
    conf->retry_min = NGX_CONF_UNSET_MSEC;
    conf->retry_max = NGX_CONF_UNSET_MSEC;
    conf->max_age = NGX_CONF_UNSET_MSEC;
    conf->max_age_jitter = NGX_CONF_UNSET_UINT;
    conf->poll_timeout = NGX_CONF_UNSET_MSEC;
    conf->hibernate = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_push_subscribe_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_push_subscribe_conf_t *prev = parent;
    ngx_http_push_subscribe_conf_t *conf = child;

    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_push_loc_conf_t      *plcf;
    ngx_http_push_publish_conf_t  *pcf;

    if (!conf->start_set) {
        conf->start = prev->start;
        conf->start_set = prev->start_set;
    }

    ngx_conf_merge_uint_value(conf->format, prev->format,
                              NGX_HTTP_PUSH_FORMAT_RAW);
    ngx_conf_merge_uint_value(conf->slow_reader, prev->slow_reader,
                              NGX_HTTP_PUSH_SLOW_GAP);
    ngx_conf_merge_msec_value(conf->heartbeat, prev->heartbeat, 25000);
    ngx_conf_merge_msec_value(conf->retry_min, prev->retry_min, 1000);
    ngx_conf_merge_msec_value(conf->retry_max, prev->retry_max, 5000);
    ngx_conf_merge_msec_value(conf->max_age, prev->max_age, 0);
    ngx_conf_merge_uint_value(conf->max_age_jitter, prev->max_age_jitter, 20);
    ngx_conf_merge_msec_value(conf->poll_timeout, prev->poll_timeout, 30000);
    ngx_conf_merge_value(conf->hibernate, prev->hibernate, 1);

    if (conf->transports == 0) {
        conf->transports = prev->transports ? prev->transports
                                            : NGX_HTTP_PUSH_ALL;
    }

    if (conf->client_publish == NULL) {
        conf->client_publish = prev->client_publish;
        conf->client_publish_own = prev->client_publish_own;
    }

    if (conf->client_subscribe == NULL) {
        conf->client_subscribe = prev->client_subscribe;
    }

    /* these are merged already: their modules come before this one */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    conf->send_timeout = clcf->send_timeout;
    conf->reset_timedout = clcf->reset_timedout_connection;
    conf->log = clcf->error_log;

    plcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_push_module);
    conf->zone = plcf->zone;

    pcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_push_publish_module);
    conf->rules = &pcf->rules;
    conf->max_message = pcf->max_size;

    return NGX_CONF_OK;
}


static char *
ngx_http_push_subscribe_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_push_loc_conf_t  *plcf;

    ngx_http_push_set_handler(cf);

    plcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_push_module);
    plcf->subscribe = ngx_http_push_subscribe_handler;

    return ngx_http_push_channels_slot(cf, &plcf->subscribe_to);
}


static ngx_int_t
ngx_http_push_subscribe_init(ngx_cycle_t *cycle)
{
    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    ngx_http_push_wheel_init(cycle);
    ngx_http_push_drain_init(cycle);

    return ngx_http_push_adopt_init(cycle);
}


/* a worker that is told to terminate: one write for each, and no more */

static void
ngx_http_push_subscribe_exit(ngx_cycle_t *cycle)
{
    ngx_http_push_client_t  *client;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return;
    }

    for ( ;; ) {
        client = ngx_http_push_wheel_next();

        if (client == NULL) {
            break;
        }

        client->transport->reconnect(client);
    }

    ngx_http_push_wheel_close();
    ngx_http_push_render_exit();
}
