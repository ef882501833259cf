
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_utf8.h"


static size_t ngx_push_utf8_char(u_char *p, u_char *last);


ngx_int_t
ngx_push_utf8_valid(u_char *p, size_t len)
{
    if (len == 0) {
        return NGX_OK;
    }

    if (ngx_push_utf8_run(p, p + len) != p + len) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


u_char *
ngx_push_utf8_run(u_char *p, u_char *last)
{
    size_t    n;
    uint64_t  word;

    while (p < last) {

        if ((size_t) (last - p) >= sizeof(word)) {
            ngx_memcpy(&word, p, sizeof(word));

            if ((word & 0x8080808080808080ULL) == 0) {
                p += sizeof(word);
                continue;
            }
        }

        n = ngx_push_utf8_char(p, last);
        if (n == 0) {
            break;
        }

        p += n;
    }

    return p;
}


/* The length of the character at p, or 0 if it is not well-formed. */

static size_t
ngx_push_utf8_char(u_char *p, u_char *last)
{
    u_char  lo, hi;
    size_t  i, n;

    if (p[0] < 0x80) {
        return 1;
    }

    if (p[0] < 0xc2 || p[0] > 0xf4) {
        return 0;
    }

    n = (p[0] < 0xe0) ? 2 : (p[0] < 0xf0) ? 3 : 4;

    if ((size_t) (last - p) < n) {
        return 0;
    }

    /* overlong forms and surrogates show in the second byte, RFC 3629, 4 */

    lo = (p[0] == 0xe0) ? 0xa0 : (p[0] == 0xf0) ? 0x90 : 0x80;
    hi = (p[0] == 0xed) ? 0x9f : (p[0] == 0xf4) ? 0x8f : 0xbf;

    if (p[1] < lo || p[1] > hi) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return n;
}
