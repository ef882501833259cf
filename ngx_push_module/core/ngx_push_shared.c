
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/random.h>

#include "ngx_push_zone.h"
#include "ngx_push_history.h"


/* one bucket for so many bytes of the zone */
#define NGX_PUSH_BUCKET_SHARE  512
#define NGX_PUSH_KEY_BUCKETS   4096


static uint32_t ngx_push_shared_power(size_t n);


/*
 * From the start of the zone: the page that ngx_push_shared_t describes,
 * the bells, the two tables, and the arena, which takes all the rest.
 */

ngx_int_t
ngx_push_shared_init(ngx_push_shared_t *sh, size_t size, ngx_uint_t nfds)
{
    size_t      used;
    uint32_t    channels, keys;
    ngx_uint_t  i, nbells;

    channels = ngx_push_shared_power(size / NGX_PUSH_BUCKET_SHARE);
    keys = ngx_min(channels, NGX_PUSH_KEY_BUCKETS);

    /* as many bells again without an eventfd work by the tick */

    nbells = ngx_min(2 * nfds, NGX_PUSH_MAX_BELLS);

    used = ngx_align(sizeof(ngx_push_shared_t), NGX_PUSH_UNIT)
           + ngx_align(nbells * sizeof(ngx_push_bell_t), NGX_PUSH_UNIT)
           + (size_t) (channels + keys) * sizeof(uint32_t);

    if (used > size / 2) {
        return NGX_ERROR;
    }

    ngx_memzero(sh, used);

    sh->size = size;
    sh->bells = ngx_align(sizeof(ngx_push_shared_t), NGX_PUSH_UNIT);
    sh->nbells = nbells;
    sh->buckets = sh->bells + ngx_align(sh->nbells * sizeof(ngx_push_bell_t),
                                        NGX_PUSH_UNIT);
    sh->bucket_mask = channels - 1;
    sh->keys = sh->buckets + channels * sizeof(uint32_t);
    sh->key_mask = keys - 1;

    if (getrandom(&sh->epoch_base, sizeof(sh->epoch_base), 0) == -1
        || getrandom(sh->secret, sizeof(sh->secret), 0) == -1)
    {
        return NGX_ERROR;
    }

    sh->swept = ngx_push_now();

    sh->nfds = nfds;

    for (i = 0; i < NGX_PUSH_MAX_BELLS; i++) {
        sh->fds[i] = -1;
    }

    ngx_push_arena_init(&sh->arena, (u_char *) sh + used, (u_char *) sh + size);

    sh->layout = NGX_PUSH_LAYOUT;
    sh->magic = NGX_PUSH_MAGIC;

    return NGX_OK;
}


/* the greatest power of two that is not above n */

static uint32_t
ngx_push_shared_power(size_t n)
{
    uint32_t  power;

    for (power = 1; power <= n / 2 && power < 0x10000000; power *= 2) {
        /* void */
    }

    return power;
}
