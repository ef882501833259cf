
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_position.h"


static ngx_uint_t ngx_push_position_is(ngx_str_t *value, char *word);
static ngx_int_t ngx_push_position_last(ngx_str_t *value, size_t skip,
    ngx_push_position_t *p);
static ngx_int_t ngx_push_position_id(ngx_str_t *value,
    ngx_push_position_t *p);


ngx_int_t
ngx_push_position_parse(ngx_str_t *value, ngx_push_position_t *p)
{
    size_t  len;

    ngx_memzero(p, sizeof(ngx_push_position_t));

    if (ngx_push_position_is(value, "latest")) {
        p->type = NGX_PUSH_START_LATEST;
        return NGX_OK;
    }

    if (ngx_push_position_is(value, "earliest")) {
        p->type = NGX_PUSH_START_EARLIEST;
        return NGX_OK;
    }

    len = sizeof("last:") - 1;

    if (value->len >= len && ngx_strncmp(value->data, "last:", len) == 0) {
        return ngx_push_position_last(value, len, p);
    }

    return ngx_push_position_id(value, p);
}


static ngx_uint_t
ngx_push_position_is(ngx_str_t *value, char *word)
{
    size_t  len;

    len = ngx_strlen(word);

    return value->len == len && ngx_strncmp(value->data, word, len) == 0;
}


static ngx_int_t
ngx_push_position_last(ngx_str_t *value, size_t skip, ngx_push_position_t *p)
{
    size_t    i;
    u_char    ch;
    uint64_t  n;

    p->type = NGX_PUSH_START_MALFORMED;

    if (skip == value->len) {
        return NGX_DECLINED;
    }

    n = 0;

    for (i = skip; i < value->len; i++) {
        ch = value->data[i];

        if (ch < '0' || ch > '9') {
            return NGX_DECLINED;
        }

        n = n * 10 + (ch - '0');
        n = ngx_min(n, NGX_PUSH_POSITION_LAST_MAX);
    }

    p->type = n ? NGX_PUSH_START_LAST : NGX_PUSH_START_LATEST;
    p->n = n;

    return NGX_OK;
}


static ngx_int_t
ngx_push_position_id(ngx_str_t *value, ngx_push_position_t *p)
{
    size_t  i;
    u_char  ch, c;

    p->type = NGX_PUSH_START_MALFORMED;

    if (value->len == 0 || value->len > NGX_PUSH_POSITION_ID_MAX) {
        return NGX_DECLINED;
    }

    for (i = 0; i < value->len; i++) {
        ch = value->data[i];
        c = ch | 0x20;

        if ((c >= 'a' && c <= 'z') || (ch >= '0' && ch <= '9')
            || ch == '.' || ch == '_' || ch == '-')
        {
            continue;
        }

        return NGX_DECLINED;
    }

    p->type = NGX_PUSH_START_ID;
    p->id = *value;

    return NGX_OK;
}
