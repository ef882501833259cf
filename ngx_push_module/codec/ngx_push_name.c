
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_name.h"
#include "ngx_push_utf8.h"


ngx_int_t
ngx_push_name_check(ngx_str_t *name)
{
    u_char  *p, *last;

    if (name->len == 0 || name->len > NGX_PUSH_NAME_MAX) {
        return NGX_DECLINED;
    }

    if (ngx_push_utf8_valid(name->data, name->len) != NGX_OK) {
        return NGX_DECLINED;
    }

    last = name->data + name->len;

    for (p = name->data; p < last; p++) {

        if (*p < 0x20 || *p == 0x7f || *p == ',' || *p == '%') {
            return NGX_DECLINED;
        }

        /* C1: in valid UTF-8 a second byte follows 0xc2 */

        if (*p == 0xc2 && p[1] < 0xa0) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_push_percent_decode(u_char *dst, ngx_str_t *src, ngx_str_t *out)
{
    size_t      i;
    u_char     *p;
    ngx_int_t   n;

    p = dst;

    for (i = 0; i < src->len; i++) {

        if (src->data[i] != '%') {
            *p++ = src->data[i];
            continue;
        }

        if (src->len - i < 3) {
            return NGX_DECLINED;
        }

        n = ngx_hextoi(&src->data[i + 1], 2);
        if (n == NGX_ERROR) {
            return NGX_DECLINED;
        }

        *p++ = (u_char) n;
        i += 2;
    }

    out->data = dst;
    out->len = p - dst;

    return NGX_OK;
}


ngx_int_t
ngx_push_name_next(ngx_str_t *list, ngx_str_t *name)
{
    size_t  n;

    if (list->len == 0) {
        return NGX_DONE;
    }

    for (n = 0; n < list->len && list->data[n] != ','; n++) { /* void */ }

    name->data = list->data;
    name->len = n;

    /* a comma at the end of "a," stays, to be the empty name after it */

    if (n < list->len && (n == 0 || n + 1 < list->len)) {
        n++;
    }

    list->data += n;
    list->len -= n;

    return NGX_OK;
}
