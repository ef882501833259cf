
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <jansson.h>

#include "ngx_push_json.h"
#include "ngx_push_utf8.h"


#define NGX_PUSH_JSON_REPLACEMENT  "\xef\xbf\xbd"


size_t
ngx_push_json_string_size(ngx_str_t *s)
{
    size_t   size;
    u_char  *p, *end, *last;

    size = sizeof("\"\"") - 1;

    if (s->len == 0) {
        return size;
    }

    p = s->data;
    last = s->data + s->len;

    for ( ;; ) {
        end = ngx_push_utf8_run(p, last);
        size += (end - p) + ngx_escape_json(NULL, p, end - p);

        if (end == last) {
            return size;
        }

        size += sizeof(NGX_PUSH_JSON_REPLACEMENT) - 1;
        p = end + 1;
    }
}


u_char *
ngx_push_json_string(u_char *p, ngx_str_t *s)
{
    u_char  *src, *end, *last;

    *p++ = '"';

    if (s->len == 0) {
        *p++ = '"';
        return p;
    }

    src = s->data;
    last = s->data + s->len;

    for ( ;; ) {
        end = ngx_push_utf8_run(src, last);
        p = (u_char *) ngx_escape_json(p, src, end - src);

        if (end == last) {
            *p++ = '"';
            return p;
        }

        p = ngx_cpymem(p, NGX_PUSH_JSON_REPLACEMENT,
                       sizeof(NGX_PUSH_JSON_REPLACEMENT) - 1);
        src = end + 1;
    }
}


ngx_int_t
ngx_push_json_valid(u_char *p, size_t len)
{
    json_t  *value;

    /* jansson drops a NUL after a number; no JSON text has one */

    if (len == 0 || memchr(p, '\0', len) != NULL) {
        return NGX_DECLINED;
    }

    /* as reals, since an integer of more than 64 bits is good JSON, too */

    value = json_loadb((char *) p, len,
                       JSON_DECODE_ANY|JSON_DECODE_INT_AS_REAL|JSON_ALLOW_NUL,
                       NULL);
    if (value == NULL) {
        return NGX_DECLINED;
    }

    json_decref(value);

    return NGX_OK;
}


u_char *
ngx_push_json_compact(u_char *dst, u_char *p, size_t len)
{
    size_t      i;
    ngx_uint_t  quoted;

    quoted = 0;

    for (i = 0; i < len; i++) {

        switch (p[i]) {

        case ' ':
        case '\t':
        case CR:
        case LF:
            if (!quoted) {
                continue;
            }

            break;

        case '"':
            quoted = !quoted;
            break;

        case '\\':
            /* what it escapes, a quote above all, is taken as it is */
            *dst++ = p[i++];

            if (i == len) {
                return dst;
            }

            break;
        }

        *dst++ = p[i];
    }

    return dst;
}
