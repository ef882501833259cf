
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_subscribe.h"
#include "ngx_push_compound.h"
#include "ngx_push_position.h"


/* positions, as clients send them, become starts */


static ngx_int_t ngx_http_push_set_compound(ngx_pool_t *pool,
    ngx_str_t *position, ngx_http_push_request_t *q);
static ngx_int_t ngx_http_push_set_entries(ngx_pool_t *pool,
    ngx_push_compound_t *c, ngx_uint_t n, ngx_uint_t hash,
    ngx_push_start_t *start);


ngx_int_t
ngx_http_push_set_starts(ngx_pool_t *pool, ngx_str_t *position,
    ngx_http_push_request_t *q)
{
    ngx_uint_t            i;
    ngx_push_position_t   p;

    if (ngx_push_position_parse(position, &p) != NGX_OK) {
        return NGX_DECLINED;
    }

    /* no compound id is as long as a message's, which may begin with "." */

    if (p.type == NGX_PUSH_START_ID
        && position->len != NGX_PUSH_ID_LEN
        && ngx_push_compound_is(position))
    {
        return ngx_http_push_set_compound(pool, position, q);
    }

    if (p.type == NGX_PUSH_START_ID && q->channels->nelts != 1) {
        return NGX_DECLINED;
    }

    for (i = 0; i < q->channels->nelts; i++) {

        if (ngx_http_push_set_start(&p, &q->starts[i]) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_push_set_start(ngx_push_position_t *position,
    ngx_push_start_t *start)
{
    ngx_memzero(start, sizeof(ngx_push_start_t));

    switch (position->type) {

    case NGX_PUSH_START_EARLIEST:
        start->at = NGX_PUSH_AT_EARLIEST;
        return NGX_OK;

    case NGX_PUSH_START_LAST:
        start->at = NGX_PUSH_AT_LAST;
        start->n = position->n;
        return NGX_OK;

    case NGX_PUSH_START_ID:
        start->at = NGX_PUSH_AT_ID;
        return ngx_push_id_parse(&position->id, &start->id);

    default: /* NGX_PUSH_START_LATEST */
        start->at = NGX_PUSH_AT_LATEST;
        return NGX_OK;
    }
}


/* channels that are not in it keep the start of their location */

static ngx_int_t
ngx_http_push_set_compound(ngx_pool_t *pool, ngx_str_t *position,
    ngx_http_push_request_t *q)
{
    ngx_int_t             n;
    ngx_str_t            *name;
    ngx_uint_t            i;
    ngx_push_compound_t  *c;

    c = ngx_palloc(pool, NGX_PUSH_MAX_TARGETS * sizeof(ngx_push_compound_t));
    if (c == NULL) {
        return NGX_ERROR;
    }

    n = ngx_push_compound_parse(position, c, NGX_PUSH_MAX_TARGETS);

    if (n == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    name = q->channels->elts;

    for (i = 0; i < q->channels->nelts; i++) {

        if (ngx_http_push_set_entries(pool, c, n,
                                      ngx_push_compound_hash(&name[i]),
                                      &q->starts[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* names may have the same hash: the channel's epoch says which one it is */

static ngx_int_t
ngx_http_push_set_entries(ngx_pool_t *pool, ngx_push_compound_t *c,
    ngx_uint_t n, ngx_uint_t hash, ngx_push_start_t *start)
{
    ngx_uint_t  i, found;

    found = 0;

    for (i = 0; i < n; i++) {
        found += (c[i].hash == hash);
    }

    if (found == 0) {
        return NGX_OK;
    }

    ngx_memzero(start, sizeof(ngx_push_start_t));

    start->at = NGX_PUSH_AT_ID;
    start->brief = 1;

    if (found > 1) {
        start->ids = ngx_palloc(pool, found * sizeof(ngx_push_id_t));
        if (start->ids == NULL) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < n; i++) {

        if (c[i].hash != hash) {
            continue;
        }

        start->id.epoch = c[i].epoch;
        start->id.seq = c[i].seq;

        if (found > 1) {
            start->ids[start->more++] = start->id;
        }
    }

    if (found == 1 && start->id.epoch == 0 && start->id.seq == 0) {

        /* a position that was not understood before either */

        start->at = NGX_PUSH_AT_LOST;
    }

    return NGX_OK;
}
