
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_redis_backplane.h"


/*
 * The leader.  It subscribes to what somebody in the zone listens to, and
 * reads each channel once it is sure to hear all that comes after.
 */


#define NGX_PUSH_REDIS_SLICE   512           /* buckets in one turn */
#define NGX_PUSH_REDIS_CHECK   10            /* seconds for all channels */
#define NGX_PUSH_REDIS_LINGER  30            /* seconds without listeners */


static void ngx_push_redis_follow_up(ngx_push_redis_connection_t *c);
static void ngx_push_redis_follow_down(ngx_push_redis_connection_t *c,
    ngx_str_t *why);
static void ngx_push_redis_follow_clear(ngx_push_redis_t *redis);
static void ngx_push_redis_follow_turn(ngx_push_redis_t *redis);
static void ngx_push_redis_follow_scan(ngx_event_t *ev);
static void ngx_push_redis_follow(void *data, ngx_str_t *name);
static ngx_int_t ngx_push_redis_subscribe(ngx_push_redis_follow_t *f,
    char *command, size_t len);
static void ngx_push_redis_follow_free(ngx_push_redis_follow_t *f);
static void ngx_push_redis_follow_check(ngx_push_redis_follow_t *f);


void
ngx_push_redis_lead(ngx_push_redis_t *redis)
{
    if (redis->leading) {
        return;
    }

    redis->leading = 1;

    ngx_rbtree_init(&redis->tree, &redis->sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_queue_init(&redis->all);
    ngx_queue_init(&redis->unread);

    redis->scan.handler = ngx_push_redis_follow_scan;
    redis->scan.data = redis;
    redis->scan.log = ngx_cycle->log;

    redis->channels.conf = redis->conf;
    redis->channels.log = ngx_cycle->log;
    redis->channels.data = redis;
    redis->channels.up = ngx_push_redis_follow_up;
    redis->channels.down = ngx_push_redis_follow_down;
    redis->channels.message = ngx_push_redis_heard;

    ngx_push_redis_connect(&redis->channels);
    ngx_push_redis_advise(redis);
}


void
ngx_push_redis_unlead(ngx_push_redis_t *redis)
{
    if (!redis->leading) {
        return;
    }

    redis->leading = 0;

    ngx_push_mirror_resign(redis->zone);

    ngx_push_redis_close(&redis->channels);
    ngx_push_redis_follow_clear(redis);

    if (redis->scan.posted) {
        ngx_delete_posted_event(&redis->scan);
    }
}


/* all channels again: on this connection, nothing is subscribed yet */

static void
ngx_push_redis_follow_up(ngx_push_redis_connection_t *c)
{
    ngx_push_redis_t  *redis;

    redis = c->data;

    ngx_push_redis_follow_clear(redis);
    ngx_push_redis_canary_start(redis);
    ngx_push_redis_follow_turn(redis);
}


static void
ngx_push_redis_follow_down(ngx_push_redis_connection_t *c, ngx_str_t *why)
{
    ngx_push_redis_t  *redis;

    redis = c->data;

    ngx_push_mirror_turn(redis->zone, 0);
    ngx_push_redis_follow_clear(redis);
}


static void
ngx_push_redis_follow_clear(ngx_push_redis_t *redis)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&redis->all)) {
        q = ngx_queue_head(&redis->all);

        ngx_push_redis_follow_free(ngx_queue_data(q, ngx_push_redis_follow_t,
                                                  queue));
    }
}


static void
ngx_push_redis_follow_turn(ngx_push_redis_t *redis)
{
    ngx_push_mirror_turn(redis->zone, 1);

    redis->turn = redis->zone->sh->mirror.turn;
    redis->bucket = 0;

    if (!redis->scan.posted) {
        ngx_post_event(&redis->scan, &ngx_posted_events);
    }
}


/* a slice of the zone's table in each turn of the event loop */

static void
ngx_push_redis_follow_scan(ngx_event_t *ev)
{
    ngx_uint_t         n, size;
    ngx_push_redis_t  *redis;

    redis = ev->data;
    size = redis->zone->sh->bucket_mask + 1;

    if (!redis->channels.ready) {
        return;
    }

    for (n = 0; n < NGX_PUSH_REDIS_SLICE && redis->bucket < size; n++) {
        ngx_push_mirror_missing(redis->zone, redis->bucket++,
                                ngx_push_redis_follow, redis);
    }

    ngx_push_redis_read_some(redis);

    if (redis->bucket < size) {
        ngx_post_event(ev, &ngx_posted_next_events);
    }
}


void
ngx_push_redis_lead_wake(ngx_push_redis_t *redis)
{
    uint32_t    buckets[NGX_PUSH_WANTED];
    ngx_uint_t  i, n;

    if (!redis->channels.ready) {
        return;
    }

    if (ngx_push_mirror_wanted(redis->zone, buckets, &n) == NGX_DONE) {

        redis->bucket = 0;

        if (!redis->scan.posted) {
            ngx_post_event(&redis->scan, &ngx_posted_events);
        }

        return;
    }

    for (i = 0; i < n; i++) {
        ngx_push_mirror_missing(redis->zone, buckets[i],
                                ngx_push_redis_follow, redis);
    }

    ngx_push_redis_read_some(redis);
}


/* some channels each second: their tips, and whether they are still wanted */

void
ngx_push_redis_lead_tick(ngx_push_redis_t *redis)
{
    ngx_uint_t    n;
    ngx_queue_t  *q;

    if (!redis->channels.ready) {
        return;
    }

    ngx_push_redis_canary_tick(redis);

    if (!redis->channels.ready) {
        return;
    }

    if (redis->turn != redis->zone->sh->mirror.turn) {

        /* the zone was made whole after a crash */

        ngx_push_redis_follow_turn(redis);
    }

    if (redis->zone->sh->mirror.nwanted) {
        ngx_push_redis_lead_wake(redis);
    }

    n = (redis->nfollowed + NGX_PUSH_REDIS_CHECK - 1) / NGX_PUSH_REDIS_CHECK;

    while (n-- && !ngx_queue_empty(&redis->all)) {
        q = ngx_queue_head(&redis->all);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&redis->all, q);

        ngx_push_redis_follow_check(ngx_queue_data(q, ngx_push_redis_follow_t,
                                                   queue));
    }
}


static void
ngx_push_redis_follow_check(ngx_push_redis_follow_t *f)
{
    ngx_push_mirrored_t  state;

    if (!f->subscribed) {
        return;
    }

    if (ngx_push_mirror_state(f->redis->zone, &f->node.str, &state) == NGX_OK
        && state.listeners)
    {
        f->unused = 0;

    } else if (f->unused == 0) {
        f->unused = ngx_time();
    }

    if (f->unused && ngx_time() - f->unused >= NGX_PUSH_REDIS_LINGER) {
        ngx_push_mirror_forget(f->redis->zone, &f->node.str);
        ngx_push_redis_unfollow(f);
        return;
    }

    if (f->read == NULL && !f->waiting) {
        ngx_push_redis_read_soon(f);
    }
}


/* called under the zone's lock: nothing here may take it */

static void
ngx_push_redis_follow(void *data, ngx_str_t *name)
{
    ngx_push_redis_t *redis = data;

    uint32_t                  hash;
    ngx_push_redis_follow_t  *f;

    hash = ngx_crc32_long(name->data, name->len);

    f = (ngx_push_redis_follow_t *) ngx_str_rbtree_lookup(&redis->tree, name,
                                                          hash);
    if (f) {

        /* the zone has lost it meanwhile, or somebody doubts what it has */

        if (f->read) {
            f->again = 1;

        } else if (f->subscribed && !f->waiting) {
            f->waiting = 1;
            ngx_queue_insert_tail(&redis->unread, &f->unread);
        }

        return;
    }

    f = ngx_calloc(sizeof(ngx_push_redis_follow_t) + name->len,
                   ngx_cycle->log);
    if (f == NULL) {
        return;
    }

    f->redis = redis;
    f->node.node.key = hash;
    f->node.str.len = name->len;
    f->node.str.data = (u_char *) (f + 1);
    ngx_memcpy(f->node.str.data, name->data, name->len);

    if (ngx_push_redis_subscribe(f, "SUBSCRIBE", 9) != NGX_OK) {
        ngx_free(f);
        return;
    }

    ngx_rbtree_insert(&redis->tree, &f->node.node);
    ngx_queue_insert_tail(&redis->all, &f->queue);
    redis->nfollowed++;
}


void
ngx_push_redis_unfollow(ngx_push_redis_follow_t *f)
{
    (void) ngx_push_redis_subscribe(f, "UNSUBSCRIBE", 11);

    ngx_push_redis_follow_free(f);
}


static void
ngx_push_redis_follow_free(ngx_push_redis_follow_t *f)
{
    ngx_push_redis_read_cancel(f);

    ngx_rbtree_delete(&f->redis->tree, &f->node.node);
    ngx_queue_remove(&f->queue);
    f->redis->nfollowed--;

    ngx_free(f);
}


static ngx_int_t
ngx_push_redis_subscribe(ngx_push_redis_follow_t *f, char *command,
    size_t len)
{
    size_t                     lens[2];
    ngx_int_t                  rc;
    ngx_str_t                  key;
    ngx_pool_t                *pool;
    const char                *argv[2];
    ngx_push_redis_command_t   c;

    pool = ngx_create_pool(NGX_MIN_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_push_redis_key(f->redis, pool, NGX_PUSH_REDIS_CHANNEL,
                            &f->node.str, &key);

    if (rc == NGX_OK) {
        argv[0] = command;
        lens[0] = len;
        argv[1] = (const char *) key.data;
        lens[1] = key.len;

        c.argc = 2;
        c.argv = argv;
        c.lens = lens;
        c.handler = NULL;
        c.data = NULL;

        rc = ngx_push_redis_send(&f->redis->channels, &c);
    }

    ngx_destroy_pool(pool);

    return rc;
}
