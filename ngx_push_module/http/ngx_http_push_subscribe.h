
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_HTTP_PUSH_SUBSCRIBE_H_INCLUDED_
#define _NGX_HTTP_PUSH_SUBSCRIBE_H_INCLUDED_


#include "ngx_http_push.h"
#include "ngx_push_position.h"


#define NGX_HTTP_PUSH_FORMAT_RAW    0
#define NGX_HTTP_PUSH_FORMAT_JSON   1

#define NGX_HTTP_PUSH_SLOW_GAP      0
#define NGX_HTTP_PUSH_SLOW_CLOSE    1

/* bits of push_transports, by ngx_http_push_transport_e */

#define ngx_http_push_bit(transport)  ((ngx_uint_t) 1 << (transport))


typedef struct {
    ngx_push_start_t   start;                /* push_start */
    ngx_uint_t         transports;           /* bits, 0: not yet set */
    ngx_uint_t         format;
    ngx_uint_t         slow_reader;
    ngx_msec_t         heartbeat;
    ngx_msec_t         retry_min;
    ngx_msec_t         retry_max;
    ngx_msec_t         max_age;              /* 0: none */
    ngx_uint_t         max_age_jitter;       /* percent */
    ngx_msec_t         poll_timeout;
    ngx_msec_t         send_timeout;
    ngx_log_t         *log;
    ngx_push_zone_t   *zone;
    ngx_flag_t         hibernate;
    ngx_flag_t         reset_timedout;
    unsigned           start_set:1;

    /* what a WebSocket may do */

    ngx_array_t       *client_publish;       /* patterns; NULL: not set */
    ngx_array_t       *client_subscribe;
    ngx_uint_t         client_publish_own;   /* "on" */
    ngx_push_rules_t  *rules;                /* for what it publishes */
    size_t             max_message;
} ngx_http_push_subscribe_conf_t;


extern ngx_module_t  ngx_http_push_subscribe_module;


/* the directives that take more than a plain value */

char *ngx_http_push_start_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_push_retry_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_push_max_age_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_push_transports_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_push_client_publish_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_push_client_subscribe_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/* what a subscriber asks for, as far as transports share it */

typedef struct {
    ngx_array_t       *channels;             /* of ngx_str_t */
    ngx_push_start_t  *starts;               /* one for each */
    ngx_str_t          requested;            /* the position, as sent */
    ngx_uint_t         format;
    ngx_uint_t         told;                 /* channels, of their gaps */
    unsigned           greet:1;              /* "subscribed" comes first */
    unsigned           malformed:1;
} ngx_http_push_request_t;


/*
 * Reads position and format; "channels" is set.  A malformed position is a
 * start that nothing is known of.  NGX_ERROR: no memory.
 */

ngx_int_t ngx_http_push_read_request(ngx_http_request_t *r,
    ngx_http_push_subscribe_conf_t *conf, ngx_http_push_request_t *q);

/*
 * Sets the starts of all channels to a position: a word, a message's id if
 * there is one channel, or a compound id.  NGX_OK, NGX_DECLINED: it is none
 * of them, NGX_ERROR: no memory.
 */

ngx_int_t ngx_http_push_set_starts(ngx_pool_t *pool, ngx_str_t *position,
    ngx_http_push_request_t *q);

/* a word, or a message's id; NGX_DECLINED: an id, but none of ours */

ngx_int_t ngx_http_push_set_start(ngx_push_position_t *position,
    ngx_push_start_t *start);

/* a percent-decoded argument; NGX_DECLINED: none, or empty */

ngx_int_t ngx_http_push_arg(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value);

/* a header, which is a list, has this token; "exact": in this very case */

ngx_uint_t ngx_http_push_lists(ngx_http_request_t *r, char *name, char *token,
    ngx_uint_t exact);

/*
 * The transport for this request.  Another value than one of
 * ngx_http_push_transport_e is the status of a refusal.
 */

#define NGX_HTTP_PUSH_NOT_ACCEPTABLE    406
#define NGX_HTTP_PUSH_UPGRADE_REQUIRED  426

ngx_uint_t ngx_http_push_choose(ngx_http_request_t *r,
    ngx_http_push_subscribe_conf_t *conf);

ngx_msec_t ngx_http_push_random_retry(ngx_http_push_subscribe_conf_t *conf);


/*
 * The transports: each answers a request for the channels of "ctx" and
 * returns what a content handler returns.
 */

typedef ngx_int_t (*ngx_http_push_transport_pt)(ngx_http_request_t *r,
    ngx_http_push_ctx_t *ctx);

/*
 * How long somebody waits for channels behind a backplane, in ms: not long
 * while that is away, but for as long as a worker needs to take over.
 */

#define NGX_HTTP_PUSH_OPEN_TIME  5000
#define NGX_HTTP_PUSH_DEAF_TIME  1500

#define ngx_http_push_open_time(zone)                                        \
    (ngx_push_zone_is_deaf(zone) ? NGX_HTTP_PUSH_DEAF_TIME                   \
                                 : NGX_HTTP_PUSH_OPEN_TIME)

/* calls the handler once the channels may be joined, which may be later */

ngx_int_t ngx_http_push_open(ngx_http_request_t *r, ngx_http_push_ctx_t *ctx,
    ngx_http_push_transport_pt handler);

ngx_int_t ngx_http_push_sse_handler(ngx_http_request_t *r,
    ngx_http_push_ctx_t *ctx);
ngx_int_t ngx_http_push_ndjson_handler(ngx_http_request_t *r,
    ngx_http_push_ctx_t *ctx);
ngx_int_t ngx_http_push_websocket_handler(ngx_http_request_t *r,
    ngx_http_push_ctx_t *ctx);
ngx_int_t ngx_http_push_poll_handler(ngx_http_request_t *r,
    ngx_http_push_ctx_t *ctx);

/* 1: a push.json client that may name channels */

ngx_uint_t ngx_http_push_has_commands(ngx_http_request_t *r,
    ngx_http_push_subscribe_conf_t *conf);


#endif /* _NGX_HTTP_PUSH_SUBSCRIBE_H_INCLUDED_ */
