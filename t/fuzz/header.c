
/*
 * Copyright (C) The ngx_push_module authors
 *
 * The values of a publish request: what is accepted keeps its promises.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_header.h"
#include "ngx_push_utf8.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void check_words(ngx_str_t *s);
static void check_numbers(ngx_str_t *s);
static void check_quotes(ngx_str_t *s);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t  s;

    s.data = (u_char *) data;
    s.len = size;

    check_words(&s);
    check_numbers(&s);
    check_quotes(&s);

    return 0;
}


static void
check_words(ngx_str_t *s)
{
    if (ngx_push_header_event(s) == NGX_OK
        && (s->len == 0 || s->len > 255
            || memchr(s->data, '\r', s->len) || memchr(s->data, '\n', s->len)
            || memchr(s->data, '\0', s->len)
            || ngx_push_utf8_valid(s->data, s->len) != NGX_OK
            || (s->len >= 5 && memcmp(s->data, "push.", 5) == 0)))
    {
        abort();
    }

    if (ngx_push_header_topic(s) == NGX_OK
        && (s->len == 0 || s->len > 64 || memchr(s->data, ' ', s->len)
            || memchr(s->data, '"', s->len)))
    {
        abort();
    }
}


static void
check_numbers(ngx_str_t *s)
{
    size_t      i;
    uint32_t    n;
    ngx_int_t   rc;
    ngx_uint_t  on;

    rc = ngx_push_header_ttl(s, &n);

    for (i = 0; i < s->len; i++) {
        if (!isdigit(s->data[i])) {
            break;
        }
    }

    if ((rc == NGX_OK) != (s->len && i == s->len)
        || (rc == NGX_OK && n > 2147483647))
    {
        abort();
    }

    on = 7;

    if (ngx_push_header_flag(s, &on) == NGX_OK ? on > 1 : on != 7) {
        abort();
    }
}


static void
check_quotes(ngx_str_t *s)
{
    size_t     i;
    ngx_str_t  out, tag;

    if (ngx_push_header_unquote(s, &out) != NGX_OK) {
        ngx_str_null(&out);

    } else if (out.len != s->len && out.len + 2 != s->len) {
        abort();
    }

    for (i = 0; i < out.len; i++) {
        if (out.data[i] == '"' || out.data[i] < ' ' || out.data[i] == 0x7f) {
            abort();
        }
    }

    if (ngx_push_header_etag(s, &tag) != NGX_OK) {
        return;
    }

    if (tag.len == 0 || memchr(tag.data, ' ', tag.len)
        || (tag.len == 1 && tag.data[0] == '*' && s->len != 1))
    {
        abort();
    }
}
