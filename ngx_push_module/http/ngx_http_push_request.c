
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


static ngx_uint_t ngx_http_push_choose_named(ngx_http_request_t *r,
    ngx_uint_t allowed, ngx_str_t *name);
static ngx_uint_t ngx_http_push_is_upgrade(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_requested(ngx_http_request_t *r,
    ngx_str_t *requested);


ngx_str_t  ngx_http_push_transport_names[] = {
    ngx_string("sse"),
    ngx_string("websocket"),
    ngx_string("ndjson"),
    ngx_string("poll")
};


ngx_uint_t
ngx_http_push_wants_sse(ngx_http_request_t *r)
{
    return ngx_http_push_choose(r, ngx_http_get_module_loc_conf(r,
                                           ngx_http_push_subscribe_module))
           == NGX_HTTP_PUSH_SSE;
}


ngx_uint_t
ngx_http_push_choose(ngx_http_request_t *r,
    ngx_http_push_subscribe_conf_t *conf)
{
    ngx_str_t   name;
    ngx_uint_t  allowed, accept;

    allowed = conf->transports;

    if (ngx_http_arg(r, (u_char *) "transport", 9, &name) == NGX_OK) {
        return ngx_http_push_choose_named(r, allowed, &name);
    }

    if (ngx_http_push_is_upgrade(r)) {
        return (allowed & ngx_http_push_bit(NGX_HTTP_PUSH_WEBSOCKET))
               ? NGX_HTTP_PUSH_WEBSOCKET : NGX_HTTP_PUSH_NOT_ACCEPTABLE;
    }

    if (allowed == ngx_http_push_bit(NGX_HTTP_PUSH_WEBSOCKET)) {
        return NGX_HTTP_PUSH_UPGRADE_REQUIRED;
    }

    accept = 0;

    if (allowed & ngx_http_push_bit(NGX_HTTP_PUSH_SSE)) {
        accept |= NGX_PUSH_ACCEPT_SSE;
    }

    if (allowed & ngx_http_push_bit(NGX_HTTP_PUSH_NDJSON)) {
        accept |= NGX_PUSH_ACCEPT_NDJSON;
    }

    if (allowed & ngx_http_push_bit(NGX_HTTP_PUSH_POLL)) {
        accept |= NGX_PUSH_ACCEPT_JSON;
    }

    switch (ngx_push_accept_best(ngx_http_push_request_list(r, "Accept"),
                                 accept))
    {

    case NGX_PUSH_ACCEPT_SSE:
        return NGX_HTTP_PUSH_SSE;

    case NGX_PUSH_ACCEPT_NDJSON:
        return NGX_HTTP_PUSH_NDJSON;

    case NGX_PUSH_ACCEPT_JSON:
        return NGX_HTTP_PUSH_POLL;

    default:
        return NGX_HTTP_PUSH_NOT_ACCEPTABLE;
    }
}


static ngx_uint_t
ngx_http_push_choose_named(ngx_http_request_t *r, ngx_uint_t allowed,
    ngx_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_PUSH_TRANSPORTS; i++) {

        if (name->len != ngx_http_push_transport_names[i].len
            || ngx_strncmp(name->data, ngx_http_push_transport_names[i].data,
                           name->len)
               != 0)
        {
            continue;
        }

        if (!(allowed & ngx_http_push_bit(i))) {
            return NGX_HTTP_PUSH_NOT_ACCEPTABLE;
        }

        if (i == NGX_HTTP_PUSH_WEBSOCKET && !ngx_http_push_is_upgrade(r)) {
            return NGX_HTTP_PUSH_UPGRADE_REQUIRED;
        }

        return i;
    }

    return NGX_HTTP_PUSH_NOT_ACCEPTABLE;
}


/* RFC 6455, 4.2.1 */

static ngx_uint_t
ngx_http_push_is_upgrade(ngx_http_request_t *r)
{
    return r->http_version == NGX_HTTP_VERSION_11
           && ngx_http_push_lists(r, "Upgrade", "websocket", 0);
}


ngx_uint_t
ngx_http_push_lists(ngx_http_request_t *r, char *name, char *token,
    ngx_uint_t exact)
{
    size_t      len;
    u_char     *p, *end, *last;
    ngx_str_t  *list;

    list = ngx_http_push_request_list(r, name);

    if (list == NULL) {
        return 0;
    }

    len = ngx_strlen(token);
    last = list->data + list->len;

    for (p = list->data; p < last; p = end) {

        while (p < last && (*p == ' ' || *p == '\t' || *p == ',')) {
            p++;
        }

        for (end = p; end < last && *end != ' ' && *end != '\t'
                      && *end != ','; end++)
        {
            /* void */
        }

        if ((size_t) (end - p) == len
            && (exact ? ngx_memcmp(p, token, len)
                      : ngx_strncasecmp(p, (u_char *) token, len)) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_push_read_request(ngx_http_request_t *r,
    ngx_http_push_subscribe_conf_t *conf, ngx_http_push_request_t *q)
{
    ngx_int_t   rc;
    ngx_str_t   arg;
    ngx_uint_t  i;

    q->format = conf->format;
    q->malformed = 0;

    if (ngx_http_arg(r, (u_char *) "format", 6, &arg) == NGX_OK) {
        if (arg.len == 4 && ngx_strncmp(arg.data, "json", 4) == 0) {
            q->format = NGX_HTTP_PUSH_FORMAT_JSON;

        } else if (arg.len == 3 && ngx_strncmp(arg.data, "raw", 3) == 0) {
            q->format = NGX_HTTP_PUSH_FORMAT_RAW;
        }
    }

    q->starts = ngx_palloc(r->pool, ngx_max(q->channels->nelts, 1)
                                    * sizeof(ngx_push_start_t));
    if (q->starts == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < q->channels->nelts; i++) {
        q->starts[i] = conf->start;
    }

    if (ngx_http_push_requested(r, &q->requested) != NGX_OK) {
        return NGX_ERROR;
    }

    if (q->requested.len == 0) {
        return NGX_OK;
    }

    rc = ngx_http_push_set_starts(r->pool, &q->requested, q);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    q->malformed = 1;

    for (i = 0; i < q->channels->nelts; i++) {
        q->starts[i].at = NGX_PUSH_AT_LOST;
    }

    return NGX_OK;
}


/* the header of EventSource, the query of its polyfills */

static ngx_int_t
ngx_http_push_requested(ngx_http_request_t *r, ngx_str_t *requested)
{
    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_uint_t   i;

    static ngx_str_t  names[] = {
        ngx_string("lastEventId"),
        ngx_string("last_event_id"),
        ngx_string("since")
    };

    value = ngx_http_push_request_header(r, "Last-Event-ID");

    if (value && value->len) {
        *requested = *value;
        return NGX_OK;
    }

    for (i = 0; i < 3; i++) {
        rc = ngx_http_push_arg(r, &names[i], requested);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    ngx_str_null(requested);

    return NGX_OK;
}


ngx_int_t
ngx_http_push_arg(ngx_http_request_t *r, ngx_str_t *name, ngx_str_t *value)
{
    ngx_str_t  arg;

    if (ngx_http_arg(r, name->data, name->len, &arg) != NGX_OK
        || arg.len == 0)
    {
        return NGX_DECLINED;
    }

    value->data = ngx_pnalloc(r->pool, arg.len);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    if (ngx_push_percent_decode(value->data, &arg, value) != NGX_OK) {
        *value = arg;
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
