
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_origin.h"


/* answers to requests that come from web pages (Fetch, 3.2) */


#define NGX_HTTP_PUSH_CORS_HEADERS                                           \
    "Authorization, Content-Type, Cache-Control, Last-Event-ID, Prefer, "    \
    "If-Match, If-None-Match, Idempotency-Key, TTL, Topic, Push-Event, "     \
    "Push-End"

#define NGX_HTTP_PUSH_CORS_EXPOSED                                           \
    "ETag, Retry-After, RateLimit, RateLimit-Policy"

/* the longest that Chromium keeps the answer to a preflight */
#define NGX_HTTP_PUSH_CORS_MAX_AGE  "7200"


static ngx_int_t ngx_http_push_cors_headers(ngx_http_request_t *r,
    ngx_http_push_origin_t *o);
static void ngx_http_push_printable(ngx_http_request_t *r, ngx_str_t *s);


ngx_int_t
ngx_http_push_origin(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    ngx_http_push_origin_t  o;

    ngx_http_push_vary(r);

    if (ngx_http_push_origin_check(r, &o) == NGX_OK) {
        return (ngx_http_push_cors_headers(r, &o) == NGX_OK)
               ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_push_printable(r, &o.origin);
    ngx_http_push_printable(r, &o.host);

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "push: origin \"%V\" is not allowed, host: \"%V\", "
                  "push_allow_origin: %V", &o.origin, &o.host, &o.allowed);

    rc = ngx_http_push_problem(r, NGX_HTTP_FORBIDDEN, "origin-not-allowed",
                               "pages of this origin are not let in", NULL);

    /* to the caller's caller NGX_AGAIN is the same: all of it is sent */

    return (rc == NGX_OK) ? NGX_AGAIN : rc;
}


ngx_int_t
ngx_http_push_cors(ngx_http_request_t *r)
{
    ngx_http_push_origin_t  o;

    ngx_http_push_vary(r);

    if (ngx_http_push_origin_check(r, &o) != NGX_OK) {
        return NGX_OK;
    }

    return ngx_http_push_cors_headers(r, &o);
}


ngx_int_t
ngx_http_push_preflight(ngx_http_request_t *r, char *methods)
{
    ngx_int_t  rc;
    ngx_str_t  allow, headers = ngx_string(NGX_HTTP_PUSH_CORS_HEADERS);
    ngx_str_t  age = ngx_string(NGX_HTTP_PUSH_CORS_MAX_AGE);

    rc = ngx_http_push_origin(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }

    allow.data = (u_char *) methods;
    allow.len = ngx_strlen(methods);

    if (ngx_http_push_header(r, "Allow", &allow) != NGX_OK
        || ngx_http_push_header(r, "Access-Control-Allow-Methods", &allow)
           != NGX_OK
        || ngx_http_push_header(r, "Access-Control-Allow-Headers", &headers)
           != NGX_OK
        || ngx_http_push_header(r, "Access-Control-Max-Age", &age) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_NO_CONTENT;
    r->header_only = 1;

    return ngx_http_send_header(r);
}


static ngx_int_t
ngx_http_push_cors_headers(ngx_http_request_t *r, ngx_http_push_origin_t *o)
{
    ngx_str_t  any = ngx_string("*");
    ngx_str_t  yes = ngx_string("true");
    ngx_str_t  exposed = ngx_string(NGX_HTTP_PUSH_CORS_EXPOSED);

    if (!o->present) {
        return NGX_OK;
    }

    if (ngx_http_push_header(r, "Access-Control-Allow-Origin",
                             o->any ? &any : &o->origin)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!o->any
        && ngx_http_push_header(r, "Access-Control-Allow-Credentials", &yes)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_push_header(r, "Access-Control-Expose-Headers", &exposed);
}


/* for a log: a terminal would obey what is none of these */

static void
ngx_http_push_printable(ngx_http_request_t *r, ngx_str_t *s)
{
    size_t   i;
    u_char  *p;

    p = ngx_pnalloc(r->pool, s->len);
    if (p == NULL) {
        s->len = 0;
        return;
    }

    for (i = 0; i < s->len; i++) {
        p[i] = (s->data[i] >= 0x20 && s->data[i] < 0x7f) ? s->data[i] : '?';
    }

    s->data = p;
}
