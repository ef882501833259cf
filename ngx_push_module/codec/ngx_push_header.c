
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_header.h"
#include "ngx_push_utf8.h"


#define ngx_push_header_is(v, s)                                              \
    ((v)->len == sizeof(s) - 1                                                \
     && ngx_strncmp((v)->data, s, sizeof(s) - 1) == 0)

#define ngx_push_header_begins(v, s)                                          \
    ((v)->len >= sizeof(s) - 1                                                \
     && ngx_strncmp((v)->data, s, sizeof(s) - 1) == 0)


ngx_int_t
ngx_push_header_event(ngx_str_t *v)
{
    size_t  i;
    u_char  ch;

    if (v->len == 0 || v->len > NGX_PUSH_EVENT_MAX
        || ngx_push_header_begins(v, "push."))
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < v->len; i++) {
        ch = v->data[i];

        if (ch == CR || ch == LF || ch == '\0') {
            return NGX_DECLINED;
        }
    }

    return ngx_push_utf8_valid(v->data, v->len);
}


ngx_int_t
ngx_push_header_topic(ngx_str_t *v)
{
    size_t  i;
    u_char  ch, c;

    if (v->len == 0 || v->len > NGX_PUSH_TOPIC_MAX) {
        return NGX_DECLINED;
    }

    for (i = 0; i < v->len; i++) {
        ch = v->data[i];
        c = ch | 0x20;

        if ((c >= 'a' && c <= 'z') || (ch >= '0' && ch <= '9')
            || ch == '.' || ch == '_' || ch == ':' || ch == '-')
        {
            continue;
        }

        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_push_header_ttl(ngx_str_t *v, uint32_t *seconds)
{
    size_t    i;
    u_char    ch;
    uint64_t  n;

    if (v->len == 0) {
        return NGX_DECLINED;
    }

    n = 0;

    for (i = 0; i < v->len; i++) {
        ch = v->data[i];

        if (ch < '0' || ch > '9') {
            return NGX_DECLINED;
        }

        n = n * 10 + (ch - '0');
        n = ngx_min(n, NGX_PUSH_TTL_MAX);
    }

    *seconds = (uint32_t) n;

    return NGX_OK;
}


ngx_int_t
ngx_push_header_flag(ngx_str_t *v, ngx_uint_t *on)
{
    if (ngx_push_header_is(v, "true") || ngx_push_header_is(v, "?1")) {
        *on = 1;
        return NGX_OK;
    }

    if (ngx_push_header_is(v, "false") || ngx_push_header_is(v, "?0")) {
        *on = 0;
        return NGX_OK;
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_push_header_unquote(ngx_str_t *v, ngx_str_t *out)
{
    size_t     i;
    ngx_str_t  s;

    s = *v;

    if (s.len >= 2 && s.data[0] == '"' && s.data[s.len - 1] == '"') {
        s.data++;
        s.len -= 2;
    }

    for (i = 0; i < s.len; i++) {
        if (s.data[i] == '"' || s.data[i] < 0x20 || s.data[i] == 0x7f) {
            return NGX_DECLINED;
        }
    }

    *out = s;

    return NGX_OK;
}


ngx_int_t
ngx_push_header_etag(ngx_str_t *v, ngx_str_t *out)
{
    size_t     i;
    ngx_str_t  s;

    if (ngx_push_header_is(v, "\"*\"")) {
        *out = *v;
        return NGX_OK;
    }

    if (ngx_push_header_begins(v, "W/")
        || ngx_push_header_unquote(v, &s) != NGX_OK
        || s.len == 0)
    {
        return NGX_DECLINED;
    }

    /* the space is not among the characters of a tag, RFC 9110, 8.8.3 */

    for (i = 0; i < s.len; i++) {
        if (s.data[i] == ' ') {
            return NGX_DECLINED;
        }
    }

    *out = s;

    return NGX_OK;
}


/* a comma may be in a tag, so each goes to its second quote */

ngx_uint_t
ngx_push_header_has_etag(ngx_str_t *v, ngx_str_t *tag)
{
    u_char      *p, *end, *last;
    ngx_uint_t   quoted;

    if (v->len == 0) {
        return 0;
    }

    last = v->data + v->len;

    for (p = v->data; p < last; p = end + 1) {

        while (p < last && (*p == ' ' || *p == '\t')) {
            p++;
        }

        if (last - p > 2 && p[0] == 'W' && p[1] == '/') {
            p += 2;
        }

        quoted = (p < last && *p == '"');
        p += quoted;

        for (end = p; end < last && *end != (quoted ? '"' : ','); end++) {
            /* void */
        }

        if ((size_t) (end - p) == tag->len
            && (end < last || !quoted)
            && ngx_memcmp(p, tag->data, tag->len) == 0)
        {
            return 1;
        }

        while (end < last && *end != ',') {
            end++;
        }
    }

    return 0;
}
