
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push.h"


static u_char  ngx_push_id_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";


static ngx_int_t ngx_push_id_value(u_char ch);


/*
 * The epoch is 48 bits in digits to the base of 64, the number is decimal.
 * All bytes are safe in a Last-Event-ID header without a CORS preflight.
 */

u_char *
ngx_push_id_format(u_char *p, ngx_push_id_t *id)
{
    uint64_t    seq, epoch;
    ngx_uint_t  i;

    epoch = id->epoch;
    seq = id->seq;

    for (i = NGX_PUSH_EPOCH_LEN; i-- > 0; epoch >>= 6) {
        p[i] = ngx_push_id_digits[epoch & 63];
    }

    p += NGX_PUSH_EPOCH_LEN;
    *p++ = '-';

    for (i = NGX_PUSH_SEQ_LEN; i-- > 0; seq /= 10) {
        p[i] = '0' + seq % 10;
    }

    return p + NGX_PUSH_SEQ_LEN;
}


/* NGX_OK, or NGX_DECLINED: not an id of ours */

ngx_int_t
ngx_push_id_parse(ngx_str_t *s, ngx_push_id_t *id)
{
    u_char      *p;
    ngx_int_t    n;
    ngx_uint_t   i;

    if (s->len != NGX_PUSH_ID_LEN || s->data[NGX_PUSH_EPOCH_LEN] != '-') {
        return NGX_DECLINED;
    }

    p = s->data;
    id->epoch = 0;
    id->seq = 0;

    for (i = 0; i < NGX_PUSH_EPOCH_LEN; i++) {
        n = ngx_push_id_value(*p++);
        if (n == NGX_ERROR) {
            return NGX_DECLINED;
        }

        id->epoch = id->epoch << 6 | n;
    }

    p++;

    for (i = 0; i < NGX_PUSH_SEQ_LEN; i++, p++) {
        if (*p < '0' || *p > '9') {
            return NGX_DECLINED;
        }

        id->seq = id->seq * 10 + (*p - '0');
    }

    return NGX_OK;
}


static ngx_int_t
ngx_push_id_value(u_char ch)
{
    if (ch >= 'A' && ch <= 'Z') {
        return ch - 'A';
    }

    if (ch >= 'a' && ch <= 'z') {
        return ch - 'a' + 26;
    }

    if (ch >= '0' && ch <= '9') {
        return ch - '0' + 52;
    }

    if (ch == '.') {
        return 62;
    }

    return (ch == '_') ? 63 : NGX_ERROR;
}
