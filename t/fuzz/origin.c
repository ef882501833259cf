
/*
 * Copyright (C) The ngx_push_module authors
 *
 * Origins: one that can be parsed is itself, at its own host and by its
 * own pattern; one that cannot be is refused by all.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_origin.h"


#define SUFFIX  ".example.com"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void check_origin(ngx_str_t *s, ngx_str_t *scheme, ngx_str_t *host,
    in_port_t port);
static void check_refused(ngx_str_t *s);
static void check_wildcard(ngx_str_t *s);
static void check_pair(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t  s, scheme, host;
    in_port_t  port;

    s.data = (u_char *) data;
    s.len = size;

    if (ngx_push_origin_parse(&s, &scheme, &host, &port) == NGX_OK) {
        check_origin(&s, &scheme, &host, port);

    } else {
        check_refused(&s);
    }

    check_wildcard(&s);
    check_pair(data, size);

    return 0;
}


static void
check_origin(ngx_str_t *s, ngx_str_t *scheme, ngx_str_t *host,
    in_port_t port)
{
    char       digits[16];
    size_t     n;
    ngx_str_t  rest;

    n = port ? (size_t) sprintf(digits, "%u", (unsigned) port) + 1 : 0;

    if (scheme->len == 0 || host->len == 0
        || scheme->len + 3 + host->len + n > s->len
        || memchr(host->data, '/', host->len)
        || memchr(host->data, '@', host->len)
        || memchr(host->data, ' ', host->len)
        || memchr(host->data, '*', host->len))
    {
        abort();
    }

    rest.data = host->data;
    rest.len = s->data + s->len - host->data;

    if (ngx_push_origin_is_self(s, &rest) != NGX_OK
        || ngx_push_origin_match(s, s) != NGX_OK
        || ngx_push_origin_pattern(s) != NGX_OK)
    {
        abort();
    }
}


static void
check_refused(ngx_str_t *s)
{
    size_t     i;
    ngx_str_t  pattern;

    static ngx_str_t  patterns[] = {
        ngx_string("https://a.example"),
        ngx_string("https://*.example.com"),
        ngx_string("http://[::1]:8080"),
    };

    for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        pattern = patterns[i];

        if (ngx_push_origin_match(&pattern, s) != NGX_DECLINED
            || ngx_push_origin_is_self(s, &pattern) != NGX_DECLINED)
        {
            abort();
        }
    }
}


static void
check_wildcard(ngx_str_t *s)
{
    size_t     n;
    ngx_str_t  scheme, host;
    in_port_t  port;
    ngx_str_t  pattern = ngx_string("https://*" SUFFIX);

    if (ngx_push_origin_match(&pattern, s) != NGX_OK) {
        return;
    }

    n = sizeof(SUFFIX) - 1;

    if (ngx_push_origin_parse(s, &scheme, &host, &port) != NGX_OK
        || (port && port != 443) || scheme.len != 5
        || strncasecmp((char *) scheme.data, "https", 5) != 0
        || host.len <= n || host.data[0] == '.'
        || strncasecmp((char *) host.data + host.len - n, SUFFIX, n) != 0)
    {
        abort();
    }
}


/* two values, divided by a line feed */

static void
check_pair(const uint8_t *data, size_t size)
{
    u_char     *lf;
    ngx_str_t   a, b;

    lf = size ? memchr(data, '\n', size) : NULL;

    if (lf == NULL) {
        return;
    }

    a.data = (u_char *) data;
    a.len = lf - data;
    b.data = lf + 1;
    b.len = size - a.len - 1;

    (void) ngx_push_origin_is_self(&a, &b);

    if (ngx_push_origin_match(&a, &b) == NGX_OK
        && ngx_push_origin_pattern(&a) != NGX_OK)
    {
        abort();
    }
}
