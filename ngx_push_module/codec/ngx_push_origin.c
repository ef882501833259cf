
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_origin.h"


typedef struct {
    ngx_str_t   scheme;
    ngx_str_t   host;
    in_port_t   port;
    unsigned    wildcard:1;   /* "*." before the host */
} ngx_push_origin_t;


static ngx_int_t ngx_push_origin_scheme(ngx_str_t *origin, ngx_str_t *scheme,
    ngx_str_t *rest);
static ngx_int_t ngx_push_origin_authority(ngx_str_t *s, ngx_str_t *host,
    in_port_t *port);
static size_t ngx_push_origin_name(ngx_str_t *s);
static size_t ngx_push_origin_literal(ngx_str_t *s);
static ngx_int_t ngx_push_origin_port(u_char *p, size_t len,
    in_port_t *port);
static ngx_int_t ngx_push_origin_parse_pattern(ngx_str_t *pattern,
    ngx_push_origin_t *o);
static in_port_t ngx_push_origin_full_port(ngx_push_origin_t *o);
static ngx_uint_t ngx_push_origin_host(ngx_push_origin_t *pattern,
    ngx_str_t *host);
static ngx_uint_t ngx_push_origin_equal(ngx_str_t *a, ngx_str_t *b);
static ngx_uint_t ngx_push_origin_is_null(ngx_str_t *s);


ngx_int_t
ngx_push_origin_parse(ngx_str_t *origin, ngx_str_t *scheme, ngx_str_t *host,
    in_port_t *port)
{
    ngx_str_t  rest;

    if (ngx_push_origin_scheme(origin, scheme, &rest) != NGX_OK) {
        return NGX_DECLINED;
    }

    return ngx_push_origin_authority(&rest, host, port);
}


ngx_int_t
ngx_push_origin_is_self(ngx_str_t *origin, ngx_str_t *host)
{
    in_port_t  port, host_port;
    ngx_str_t  scheme, name, host_name;

    if (ngx_push_origin_parse(origin, &scheme, &name, &port) != NGX_OK
        || ngx_push_origin_authority(host, &host_name, &host_port) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    port = (port == 80 || port == 443) ? 0 : port;
    host_port = (host_port == 80 || host_port == 443) ? 0 : host_port;

    if (port != host_port || !ngx_push_origin_equal(&name, &host_name)) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_push_origin_pattern(ngx_str_t *pattern)
{
    ngx_push_origin_t  o;

    if (ngx_push_origin_is_null(pattern)) {
        return NGX_OK;
    }

    return ngx_push_origin_parse_pattern(pattern, &o);
}


ngx_int_t
ngx_push_origin_match(ngx_str_t *pattern, ngx_str_t *origin)
{
    ngx_push_origin_t  want, got;

    if (ngx_push_origin_is_null(pattern)) {
        return ngx_push_origin_is_null(origin) ? NGX_OK : NGX_DECLINED;
    }

    if (ngx_push_origin_parse_pattern(pattern, &want) != NGX_OK
        || ngx_push_origin_parse(origin, &got.scheme, &got.host, &got.port)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (!ngx_push_origin_equal(&want.scheme, &got.scheme)
        || ngx_push_origin_full_port(&want) != ngx_push_origin_full_port(&got)
        || !ngx_push_origin_host(&want, &got.host))
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* RFC 3986, 3.1: a letter, then letters, digits, "+", "-" and "." */

static ngx_int_t
ngx_push_origin_scheme(ngx_str_t *origin, ngx_str_t *scheme, ngx_str_t *rest)
{
    size_t  i;
    u_char  ch, c;

    for (i = 0; i < origin->len; i++) {
        ch = origin->data[i];
        c = ch | 0x20;

        if (c >= 'a' && c <= 'z') {
            continue;
        }

        if (i && ((ch >= '0' && ch <= '9')
                  || ch == '+' || ch == '-' || ch == '.'))
        {
            continue;
        }

        break;
    }

    if (i == 0 || origin->len - i < 3
        || ngx_strncmp(origin->data + i, "://", 3) != 0)
    {
        return NGX_DECLINED;
    }

    scheme->data = origin->data;
    scheme->len = i;

    rest->data = origin->data + i + 3;
    rest->len = origin->len - i - 3;

    return NGX_OK;
}


static ngx_int_t
ngx_push_origin_authority(ngx_str_t *s, ngx_str_t *host, in_port_t *port)
{
    size_t  n;

    if (s->len && s->data[0] == '[') {
        n = ngx_push_origin_literal(s);

    } else {
        n = ngx_push_origin_name(s);
    }

    if (n == 0) {
        return NGX_DECLINED;
    }

    host->data = s->data;
    host->len = n;

    if (n == s->len) {
        *port = 0;
        return NGX_OK;
    }

    if (s->data[n] != ':') {
        return NGX_DECLINED;
    }

    return ngx_push_origin_port(s->data + n + 1, s->len - n - 1, port);
}


/*
 * The length of the host name at the beginning, 0 if there is none.  No
 * empty label but the last, so that "*." always stands for real ones.
 */

static size_t
ngx_push_origin_name(ngx_str_t *s)
{
    size_t  i;
    u_char  ch, c;

    for (i = 0; i < s->len; i++) {
        ch = s->data[i];
        c = ch | 0x20;

        if (ch == '.') {

            if (i == 0 || s->data[i - 1] == '.') {
                return 0;
            }

            continue;
        }

        if (!((c >= 'a' && c <= 'z') || (ch >= '0' && ch <= '9')
              || ch == '-' || ch == '_'))
        {
            break;
        }
    }

    return i;
}


/* The length of "[...]" at the beginning, 0 if there is none. */

static size_t
ngx_push_origin_literal(ngx_str_t *s)
{
    size_t  i;
    u_char  ch, c;

    for (i = 1; i < s->len; i++) {
        ch = s->data[i];
        c = ch | 0x20;

        if (ch == ']') {
            return (i > 1) ? i + 1 : 0;
        }

        if (!((c >= 'a' && c <= 'f') || (ch >= '0' && ch <= '9')
              || ch == ':' || ch == '.'))
        {
            return 0;
        }
    }

    return 0;
}


static ngx_int_t
ngx_push_origin_port(u_char *p, size_t len, in_port_t *port)
{
    ngx_int_t  n;

    if (len == 0 || len > sizeof("65535") - 1) {
        return NGX_DECLINED;
    }

    n = ngx_atoi(p, len);
    if (n < 1 || n > 65535) {
        return NGX_DECLINED;
    }

    *port = (in_port_t) n;

    return NGX_OK;
}


static ngx_int_t
ngx_push_origin_parse_pattern(ngx_str_t *pattern, ngx_push_origin_t *o)
{
    ngx_str_t  rest;

    if (ngx_push_origin_scheme(pattern, &o->scheme, &rest) != NGX_OK) {
        return NGX_DECLINED;
    }

    o->wildcard = 0;

    if (rest.len >= 2 && rest.data[0] == '*' && rest.data[1] == '.') {
        o->wildcard = 1;
        rest.data += 2;
        rest.len -= 2;

        if (rest.len && rest.data[0] == '[') {
            return NGX_DECLINED;
        }
    }

    return ngx_push_origin_authority(&rest, &o->host, &o->port);
}


static in_port_t
ngx_push_origin_full_port(ngx_push_origin_t *o)
{
    ngx_str_t  http = ngx_string("http");
    ngx_str_t  https = ngx_string("https");

    if (o->port) {
        return o->port;
    }

    if (ngx_push_origin_equal(&o->scheme, &http)) {
        return 80;
    }

    if (ngx_push_origin_equal(&o->scheme, &https)) {
        return 443;
    }

    return 0;
}


static ngx_uint_t
ngx_push_origin_host(ngx_push_origin_t *pattern, ngx_str_t *host)
{
    ngx_str_t  tail;

    if (!pattern->wildcard) {
        return ngx_push_origin_equal(&pattern->host, host);
    }

    /* "*." is at least a letter and the dot */

    if (host->len < pattern->host.len + 2) {
        return 0;
    }

    tail.data = host->data + host->len - pattern->host.len;
    tail.len = pattern->host.len;

    return tail.data[-1] == '.'
           && ngx_push_origin_equal(&tail, &pattern->host);
}


static ngx_uint_t
ngx_push_origin_equal(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len
           && ngx_strncasecmp(a->data, b->data, a->len) == 0;
}


static ngx_uint_t
ngx_push_origin_is_null(ngx_str_t *s)
{
    return s->len == 4 && ngx_strncmp(s->data, "null", 4) == 0;
}
