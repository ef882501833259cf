
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_subscribe.h"
#include "ngx_push_accept.h"
#include "ngx_push_name.h"


/* what a subscriber asks for: transport, position, format */


ngx_uint_t
ngx_http_push_wants_sse(ngx_http_request_t *r)
{
    ngx_str_t   transport, *accept;

    if (ngx_http_arg(r, (u_char *) "transport", 9, &transport) == NGX_OK) {
        return transport.len == 3
               && ngx_strncmp(transport.data, "sse", 3) == 0;
    }

    accept = ngx_http_push_request_header(r, "Accept");

    return ngx_push_accept_best(accept, NGX_PUSH_ACCEPT_SSE)
           == NGX_PUSH_ACCEPT_SSE;
}


/* the header of EventSource, the query of its polyfills, the location */

ngx_int_t
ngx_http_push_read_request(ngx_http_request_t *r,
    ngx_http_push_subscribe_conf_t *conf, ngx_http_push_request_t *q)
{
    ngx_str_t            *value, arg;
    ngx_uint_t            i;
    ngx_push_position_t   position;

    static ngx_str_t  names[] = {
        ngx_string("lastEventId"),
        ngx_string("last_event_id"),
        ngx_string("since")
    };

    q->format = conf->format;
    q->start = conf->start;
    q->malformed = 0;
    ngx_str_null(&q->requested);

    if (ngx_http_arg(r, (u_char *) "format", 6, &arg) == NGX_OK) {
        if (arg.len == 4 && ngx_strncmp(arg.data, "json", 4) == 0) {
            q->format = NGX_HTTP_PUSH_FORMAT_JSON;

        } else if (arg.len == 3 && ngx_strncmp(arg.data, "raw", 3) == 0) {
            q->format = NGX_HTTP_PUSH_FORMAT_RAW;
        }
    }

    value = ngx_http_push_request_header(r, "Last-Event-ID");

    if (value && value->len) {
        q->requested = *value;
    }

    for (i = 0; q->requested.len == 0 && i < 3; i++) {

        if (ngx_http_arg(r, names[i].data, names[i].len, &arg) != NGX_OK
            || arg.len == 0)
        {
            continue;
        }

        q->requested.data = ngx_pnalloc(r->pool, arg.len);
        if (q->requested.data == NULL) {
            return NGX_ERROR;
        }

        if (ngx_push_percent_decode(q->requested.data, &arg, &q->requested)
            != NGX_OK)
        {
            q->requested = arg;
        }
    }

    if (q->requested.len == 0) {
        return NGX_OK;
    }

    if (ngx_push_position_parse(&q->requested, &position) != NGX_OK
        || ngx_http_push_set_start(&q->start, &position) != NGX_OK)
    {
        q->malformed = 1;
        q->start.at = NGX_PUSH_AT_LOST;
    }

    return NGX_OK;
}


ngx_msec_t
ngx_http_push_retry(ngx_http_request_t *r)
{
    return ngx_http_push_random_retry(
               ngx_http_get_module_loc_conf(r, ngx_http_push_subscribe_module));
}


ngx_msec_t
ngx_http_push_random_retry(ngx_http_push_subscribe_conf_t *conf)
{
    return conf->retry_min
           + ngx_random() % (conf->retry_max - conf->retry_min + 1);
}


ngx_int_t
ngx_http_push_set_start(ngx_push_start_t *start,
    ngx_push_position_t *position)
{
    switch (position->type) {

    case NGX_PUSH_START_EARLIEST:
        start->at = NGX_PUSH_AT_EARLIEST;
        return NGX_OK;

    case NGX_PUSH_START_LAST:
        start->at = NGX_PUSH_AT_LAST;
        start->id.seq = position->n;
        return NGX_OK;

    case NGX_PUSH_START_ID:
        start->at = NGX_PUSH_AT_ID;
        return ngx_push_id_parse(&position->id, &start->id);

    default: /* NGX_PUSH_START_LATEST */
        start->at = NGX_PUSH_AT_LATEST;
        return NGX_OK;
    }
}
