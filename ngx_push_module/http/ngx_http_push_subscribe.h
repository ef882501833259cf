
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


typedef struct {
    ngx_push_start_t   start;                /* push_start */
    ngx_uint_t         format;
    ngx_uint_t         slow_reader;
    ngx_msec_t         heartbeat;
    ngx_msec_t         retry_min;
    ngx_msec_t         retry_max;
    ngx_msec_t         max_age;              /* 0: none */
    ngx_uint_t         max_age_jitter;       /* percent */
    ngx_msec_t         send_timeout;
    ngx_log_t         *log;
    ngx_push_zone_t   *zone;
    ngx_flag_t         hibernate;
    ngx_flag_t         reset_timedout;
    unsigned           start_set:1;
} ngx_http_push_subscribe_conf_t;


extern ngx_module_t  ngx_http_push_subscribe_module;


/* what a subscriber asks for, as far as transports share it */

typedef struct {
    ngx_str_t          channel;
    ngx_push_start_t   start;
    ngx_str_t          requested;            /* the position, as sent */
    ngx_uint_t         format;
    unsigned           malformed:1;
} ngx_http_push_request_t;


/* reads position and format; NGX_ERROR: no memory */

ngx_int_t ngx_http_push_read_request(ngx_http_request_t *r,
    ngx_http_push_subscribe_conf_t *conf, ngx_http_push_request_t *q);

/* NGX_DECLINED: an id, but none of ours */

ngx_int_t ngx_http_push_set_start(ngx_push_start_t *start,
    ngx_push_position_t *position);

ngx_msec_t ngx_http_push_random_retry(ngx_http_push_subscribe_conf_t *conf);


#endif /* _NGX_HTTP_PUSH_SUBSCRIBE_H_INCLUDED_ */
