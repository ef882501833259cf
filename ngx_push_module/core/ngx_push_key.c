
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_md5.h>

#include "ngx_push_key.h"
#include "ngx_push_history.h"


/* a block may be a unit larger than what was asked for */
#define NGX_PUSH_KEY_UNITS                                                   \
    ((sizeof(ngx_push_key_t) + NGX_PUSH_UNIT - 1) / NGX_PUSH_UNIT + 1)


static uint32_t *ngx_push_key_bucket(ngx_push_shared_t *sh, u_char *hash);
static void ngx_push_key_drop_oldest(ngx_push_shared_t *sh);


/* the zone's secret keeps the hashes of a client from meeting others */

void
ngx_push_key_hash(ngx_push_shared_t *sh, ngx_str_t *channel, ngx_str_t *key,
    u_char *hash)
{
    u_char     len;
    ngx_md5_t  md5;

    len = channel->len;

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, sh->secret, sizeof(sh->secret));
    ngx_md5_update(&md5, &len, 1);
    ngx_md5_update(&md5, channel->data, channel->len);
    ngx_md5_update(&md5, key->data, key->len);
    ngx_md5_final(hash, &md5);
}


ngx_push_key_t *
ngx_push_key_find(ngx_push_shared_t *sh, u_char *hash)
{
    uint32_t         offset;
    ngx_push_key_t  *key;

    offset = *ngx_push_key_bucket(sh, hash);

    for ( /* void */ ; offset; offset = key->block.link) {
        key = ngx_push_ptr(sh, offset);

        if (ngx_memcmp(key->hash, hash, sizeof(key->hash)) == 0
            && key->time + NGX_PUSH_KEY_AGE > ngx_push_now())
        {
            return key;
        }
    }

    return NULL;
}


ngx_push_key_t *
ngx_push_key_create(ngx_push_shared_t *sh, u_char *hash)
{
    ngx_push_key_t    *key;
    ngx_push_arena_t  *arena;

    arena = &sh->arena;

    while (sh->key_oldest
           && arena->units[NGX_PUSH_BLOCK_KEY]
              + NGX_PUSH_KEY_UNITS
              > (arena->end - arena->first) / NGX_PUSH_KEY_SHARE)
    {
        ngx_push_key_drop_oldest(sh);
        sh->stats[NGX_PUSH_STAT_EVICTED_KEYS]++;
    }

    key = ngx_push_block_alloc(arena, sizeof(ngx_push_key_t));
    if (key == NULL) {
        return NULL;
    }

    ngx_memcpy(key->hash, hash, sizeof(key->hash));
    key->time = ngx_push_now();

    return key;
}


void
ngx_push_key_add(ngx_push_shared_t *sh, ngx_push_key_t *key)
{
    ngx_push_block_set_type(&sh->arena, key, NGX_PUSH_BLOCK_KEY);

    ngx_push_key_restore(sh, key);
}


void
ngx_push_key_restore(ngx_push_shared_t *sh, ngx_push_key_t *key)
{
    uint32_t         offset, *bucket;
    ngx_push_key_t  *newest;

    offset = ngx_push_ref(sh, key);
    bucket = ngx_push_key_bucket(sh, key->hash);

    key->block.link = *bucket;
    *bucket = offset;

    key->newer = 0;

    if (sh->key_newest) {
        newest = ngx_push_ptr(sh, sh->key_newest);
        newest->newer = offset;

    } else {
        sh->key_oldest = offset;
    }

    sh->key_newest = offset;
}


void
ngx_push_key_expire(ngx_push_shared_t *sh)
{
    uint64_t         now;
    ngx_push_key_t  *key;

    now = ngx_push_now();

    while (sh->key_oldest) {
        key = ngx_push_ptr(sh, sh->key_oldest);

        if (key->time + NGX_PUSH_KEY_AGE > now) {
            return;
        }

        ngx_push_key_drop_oldest(sh);
    }
}


static uint32_t *
ngx_push_key_bucket(ngx_push_shared_t *sh, u_char *hash)
{
    uint32_t  n;

    ngx_memcpy(&n, hash, sizeof(uint32_t));

    return &ngx_push_keys(sh)[n & sh->key_mask];
}


static void
ngx_push_key_drop_oldest(ngx_push_shared_t *sh)
{
    uint32_t        *link, offset;
    ngx_push_key_t  *key, *n;

    offset = sh->key_oldest;
    key = ngx_push_ptr(sh, offset);

    link = ngx_push_key_bucket(sh, key->hash);

    while (*link != offset) {
        n = ngx_push_ptr(sh, *link);
        link = &n->block.link;
    }

    *link = key->block.link;

    sh->key_oldest = key->newer;

    if (sh->key_oldest == 0) {
        sh->key_newest = 0;
    }

    ngx_push_block_free(&sh->arena, key);
}
