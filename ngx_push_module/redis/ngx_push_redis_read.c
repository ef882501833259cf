
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_redis_backplane.h"


/*
 * Reading, one way for all: what a channel had before somebody listened,
 * what is missing in the row of its messages, and whether anything is.
 */


#define NGX_PUSH_REDIS_READS   64            /* at the same time */
#define NGX_PUSH_REDIS_BATCH   256           /* entries */
#define NGX_PUSH_REDIS_BYTES   (1024 * 1024)


/* "follow" NULL: nobody wants it any more; "asked": what the zone had then */

struct ngx_push_redis_read_s {
    ngx_push_redis_call_t      call;
    ngx_push_redis_follow_t   *follow;
    ngx_push_mirrored_t        asked;
    uint64_t                   heard;        /* by then */
};


static void ngx_push_redis_read_start(ngx_push_redis_follow_t *f);
static ngx_int_t ngx_push_redis_read_call(ngx_push_redis_read_t *read);
static void ngx_push_redis_read_reply(ngx_push_redis_call_t *call,
    redisReply *reply);
static void ngx_push_redis_read_end(ngx_push_redis_follow_t *f,
    uint64_t heard, ngx_uint_t again);
static ngx_int_t ngx_push_redis_read_entries(ngx_push_redis_read_t *read,
    redisReply *reply);
static ngx_int_t ngx_push_redis_read_take(ngx_push_redis_read_t *read,
    redisReply *entries);
static void ngx_push_redis_read_copy(redisReply *reply,
    ngx_push_copy_t *copy);


void
ngx_push_redis_read_soon(ngx_push_redis_follow_t *f)
{
    if (f->read) {
        f->again = 1;
        return;
    }

    if (!f->waiting) {
        f->waiting = 1;
        ngx_queue_insert_tail(&f->redis->unread, &f->unread);
    }

    ngx_push_redis_read_some(f->redis);
}


void
ngx_push_redis_read_some(ngx_push_redis_t *redis)
{
    ngx_queue_t  *q;

    while (redis->commands.ready
           && redis->nreading < NGX_PUSH_REDIS_READS
           && !ngx_queue_empty(&redis->unread))
    {
        q = ngx_queue_head(&redis->unread);

        ngx_push_redis_read_start(ngx_queue_data(q, ngx_push_redis_follow_t,
                                                 unread));
    }
}


void
ngx_push_redis_read_cancel(ngx_push_redis_follow_t *f)
{
    if (f->waiting) {
        f->waiting = 0;
        ngx_queue_remove(&f->unread);
    }

    if (f->read) {
        f->read->follow = NULL;
        f->read = NULL;
    }
}


static void
ngx_push_redis_read_start(ngx_push_redis_follow_t *f)
{
    ngx_pool_t             *pool;
    ngx_push_redis_read_t  *read;

    f->waiting = 0;
    ngx_queue_remove(&f->unread);

    pool = ngx_create_pool(NGX_MIN_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return;
    }

    read = ngx_pcalloc(pool, sizeof(ngx_push_redis_read_t));

    if (read) {
        read->follow = f;
        read->call.redis = f->redis;
        read->call.pool = pool;

        if (ngx_push_redis_read_call(read) == NGX_OK) {
            f->read = read;
            f->redis->nreading++;
            return;
        }
    }

    /* the tick looks at it again */

    ngx_destroy_pool(pool);
}


static ngx_int_t
ngx_push_redis_read_call(ngx_push_redis_read_t *read)
{
    ngx_str_t              *channel;
    ngx_push_redis_call_t  *call;

    call = &read->call;
    channel = &read->follow->node.str;

    call->script = &ngx_push_redis_script_read;
    call->handler = ngx_push_redis_read_reply;
    call->data = read;
    call->nkeys = 3;
    call->argc = 0;

    (void) ngx_push_mirror_ask(call->redis->zone, channel, &read->asked);
    read->heard = read->follow->heard;

    if (ngx_push_redis_call_key(call, NGX_PUSH_REDIS_META, channel) != NGX_OK
        || ngx_push_redis_call_key(call, NGX_PUSH_REDIS_STREAM, channel)
           != NGX_OK
        || ngx_push_redis_call_key(call, NGX_PUSH_REDIS_TOPICS, channel)
           != NGX_OK
        || ngx_push_redis_call_number(call, call->redis->commands.term)
           != NGX_OK
        || ngx_push_redis_call_number(call, ngx_push_redis_life()) != NGX_OK
        || ngx_push_redis_call_number(call, read->asked.last) != NGX_OK
        || ngx_push_redis_call_number(call, NGX_PUSH_REDIS_BATCH) != NGX_OK
        || ngx_push_redis_call_number(call, NGX_PUSH_REDIS_BYTES) != NGX_OK
        || ngx_push_redis_call_number(call, NGX_PUSH_REDIS_IDLE) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_push_redis_call(call);
}


static void
ngx_push_redis_read_reply(ngx_push_redis_call_t *call, redisReply *reply)
{
    ngx_int_t                 rc;
    ngx_push_redis_t         *redis;
    ngx_push_redis_read_t    *read;
    ngx_push_redis_follow_t  *f;

    read = call->data;
    redis = call->redis;
    f = read->follow;

    redis->nreading--;

    if (f) {
        f->read = NULL;

        rc = NGX_ERROR;

        if (reply
            && reply->type == REDIS_REPLY_ARRAY
            && reply->elements > NGX_PUSH_REDIS_READ_ENTRIES)
        {
            rc = ngx_push_redis_read_entries(read, reply);
        }

        switch (rc) {

        case NGX_OK:
            ngx_push_redis_read_end(f, read->heard, 0);
            break;

        case NGX_AGAIN:
            ngx_push_redis_read_end(f, read->heard, 1);
            break;

        case NGX_DECLINED:
            ngx_push_redis_unfollow(f);
            break;

        default:

            /* with the next connection; else the tick looks at it again */

            if (!redis->commands.ready) {
                ngx_push_redis_read_soon(f);
            }
        }
    }

    ngx_destroy_pool(call->pool);

    ngx_push_redis_read_some(redis);
}


/*
 * What was heard meanwhile may be more than what was read.  What was heard
 * before, and is not in it, is there no more.
 */

static void
ngx_push_redis_read_end(ngx_push_redis_follow_t *f, uint64_t heard,
    ngx_uint_t again)
{
    ngx_push_mirrored_t  state;

    if (!again && f->heard > heard) {
        (void) ngx_push_mirror_state(f->redis->zone, &f->node.str, &state);

        again = (state.last < f->heard);
    }

    if (!again) {
        f->heard = 0;
    }

    if (again || f->again) {
        f->again = 0;
        ngx_push_redis_read_soon(f);
    }
}


/* NGX_AGAIN: there is more; NGX_DECLINED: the zone has let the channel go */

static ngx_int_t
ngx_push_redis_read_entries(ngx_push_redis_read_t *read, redisReply *reply)
{
    ngx_int_t         rc;
    ngx_str_t        *channel;
    redisReply       *entries;
    ngx_push_zone_t  *zone;
    ngx_push_copy_t   copy;

    zone = read->call.redis->zone;
    channel = &read->follow->node.str;

    ngx_push_redis_read_copy(reply, &copy);

    copy.asked_epoch = read->asked.epoch;
    copy.asked_last = read->asked.last;
    copy.asked = read->asked.asked;

    rc = ngx_push_mirror_begin(zone, channel, &copy);

    if (rc != NGX_OK) {
        return rc;
    }

    entries = reply->element[NGX_PUSH_REDIS_READ_ENTRIES];

    if (entries->type == REDIS_REPLY_ARRAY && entries->elements >= 4) {
        rc = ngx_push_redis_read_take(read, entries);

        if (rc != NGX_OK) {
            return rc;
        }

        if (ngx_push_redis_number(entries, entries->elements - 4)
            < copy.last)
        {
            return NGX_AGAIN;
        }
    }

    return ngx_push_mirror_finish(zone, channel, &copy);
}


/* one that cannot be read is passed over as one that was lost */

static ngx_int_t
ngx_push_redis_read_take(ngx_push_redis_read_t *read, redisReply *entries)
{
    ngx_int_t            rc;
    ngx_str_t            blob;
    ngx_uint_t           i;
    ngx_pool_t          *pool;
    redisReply          *element;
    ngx_push_zone_t     *zone;
    ngx_push_target_t    target;
    ngx_push_publish_t   p;

    zone = read->call.redis->zone;
    rc = NGX_OK;

    ngx_memzero(&target, sizeof(ngx_push_target_t));
    target.channel = read->follow->node.str;

    for (i = 0; rc == NGX_OK && i + 3 < entries->elements; i += 4) {
        element = entries->element[i + 3];

        if (element->type != REDIS_REPLY_STRING) {
            return NGX_ERROR;
        }

        blob.data = (u_char *) element->str;
        blob.len = element->len;

        pool = ngx_create_pool(NGX_MIN_POOL_SIZE, ngx_cycle->log);
        if (pool == NULL) {
            return NGX_ERROR;
        }

        rc = ngx_push_redis_unpack(pool, &blob, &p, &target);

        if (rc == NGX_OK) {
            p.time = ngx_push_redis_number(entries, i + 2);
            rc = ngx_push_mirror_fill(zone, &p,
                                      ngx_push_redis_number(entries, i));

        } else if (rc == NGX_DECLINED) {
            rc = ngx_push_mirror_lose(zone, &target.channel,
                                      ngx_push_redis_number(entries, i));
        }

        ngx_destroy_pool(pool);
    }

    return rc;
}


static void
ngx_push_redis_read_copy(redisReply *reply, ngx_push_copy_t *copy)
{
    uint32_t      life, term;
    uint64_t      began;
    ngx_int_t     i;
    ngx_uint_t    n;
    redisReply   *terms;

    ngx_memzero(copy, sizeof(ngx_push_copy_t));

    life = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_LIFE);
    term = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_TERM);

    copy->epoch = ngx_push_epoch(life, term);
    copy->last = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_LAST);
    copy->floor = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_FLOOR);
    copy->sealed = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_SEALED);
    copy->created = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_CREATED);
    copy->last_publish = ngx_push_redis_number(reply,
                                               NGX_PUSH_REDIS_READ_PUBLISHED);

    life = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_DELETED);
    copy->deleted = life ? ngx_push_epoch(life, term) : 0;

    /* each ends where the next one began */

    life = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_LIFE);
    terms = reply->element[NGX_PUSH_REDIS_READ_TERMS];

    if (terms->type != REDIS_REPLY_ARRAY || terms->elements < 2) {
        return;
    }

    began = ngx_push_redis_number(terms, terms->elements - 1);
    n = 0;

    for (i = terms->elements - 4; i >= 0 && n < NGX_PUSH_TERMS; i -= 2) {
        term = ngx_push_redis_number(terms, i);

        copy->terms[n].epoch = ngx_push_epoch(life, term);
        copy->terms[n].end = began - 1;
        n++;

        began = ngx_push_redis_number(terms, i + 1);
    }
}
