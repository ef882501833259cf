
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_md5.h>

#include "ngx_push_redis_backplane.h"


/* publishing: one script for each channel, which stands alone */


/* what the script is asked to do, letters of one argument */
#define NGX_PUSH_REDIS_FLAGS  8


typedef struct {
    ngx_push_publish_t        *publish;
    ngx_uint_t                 pending;
    ngx_uint_t                 created;
    ngx_str_t                  blob;
    ngx_push_redis_ack_t       ack;
} ngx_push_redis_post_t;


typedef struct {
    ngx_push_redis_call_t      call;
    ngx_push_redis_post_t     *post;
    ngx_push_target_t         *target;
} ngx_push_redis_letter_t;


static ngx_int_t ngx_push_redis_pack(ngx_push_redis_post_t *post);
static ngx_int_t ngx_push_redis_letter(ngx_push_redis_letter_t *letter);
static ngx_int_t ngx_push_redis_sent_key(ngx_push_redis_letter_t *letter);
static ngx_int_t ngx_push_redis_letter_args(ngx_push_redis_letter_t *letter);
static ngx_int_t ngx_push_redis_letter_flags(ngx_push_redis_call_t *call,
    ngx_push_publish_t *p);
static void ngx_push_redis_published(ngx_push_redis_call_t *call,
    redisReply *reply);
static void ngx_push_redis_accept(ngx_push_redis_letter_t *letter,
    redisReply *reply);


ngx_int_t
ngx_push_redis_publish(ngx_push_zone_t *zone, ngx_push_publish_t *p)
{
    ngx_uint_t                i;
    ngx_push_redis_post_t    *post;
    ngx_push_redis_letter_t  *letter;

    post = ngx_pcalloc(p->pool, sizeof(ngx_push_redis_post_t));
    letter = ngx_pcalloc(p->pool,
                         p->ntargets * sizeof(ngx_push_redis_letter_t));

    if (post == NULL || letter == NULL) {
        return NGX_ERROR;
    }

    post->publish = p;

    if (!p->empty && ngx_push_redis_pack(post) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < p->ntargets; i++) {
        p->targets[i].outcome = NGX_PUSH_AWAY;
        p->targets[i].subscribers = 0;
        p->targets[i].nodes = 0;
        p->targets[i].id.epoch = 0;
        p->targets[i].id.seq = 0;

        letter[i].post = post;
        letter[i].target = &p->targets[i];
        letter[i].call.redis = zone->peer;
        letter[i].call.pool = p->pool;

        if (ngx_push_redis_letter(&letter[i]) == NGX_OK) {
            post->pending++;
        }
    }

    return post->pending ? NGX_AGAIN : NGX_DECLINED;
}


/* the message as all pods get it, but for its number */

static ngx_int_t
ngx_push_redis_pack(ngx_push_redis_post_t *post)
{
    ngx_push_entry_t     entry;
    ngx_push_publish_t  *p;

    p = post->publish;

    ngx_memzero(&entry, sizeof(ngx_push_entry_t));

    entry.content_type = p->content_type;
    entry.event = p->event;
    entry.topic = p->topic;
    entry.user = p->user;
    entry.body.data = p->bytes.data + p->body;
    entry.body.len = p->body_size;
    entry.ttl = p->ttl;
    entry.text = p->text;
    entry.end = p->end;

    entry.rules_ttl = p->rules->ttl;
    entry.idle = p->rules->idle;
    entry.count = ngx_min(p->rules->count, 0xffffffff);
    entry.max_size = ngx_min(p->rules->max_size, 0xffffffff);
    entry.backlog = ngx_min(p->rules->backlog, 0xffffffff);

    post->blob.len = ngx_push_entry_size(&entry);
    post->blob.data = ngx_pnalloc(p->pool, post->blob.len);
    if (post->blob.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_push_entry_write(post->blob.data, &entry);

    return NGX_OK;
}


static ngx_int_t
ngx_push_redis_letter(ngx_push_redis_letter_t *letter)
{
    ngx_str_t              *channel;
    ngx_push_redis_call_t  *call;

    call = &letter->call;
    channel = &letter->target->channel;

    call->script = &ngx_push_redis_script_publish;
    call->handler = ngx_push_redis_published;
    call->data = letter;
    call->nkeys = 4;

    if (ngx_push_redis_call_key(call, NGX_PUSH_REDIS_META, channel) != NGX_OK
        || ngx_push_redis_call_key(call, NGX_PUSH_REDIS_STREAM, channel)
           != NGX_OK
        || ngx_push_redis_call_key(call, NGX_PUSH_REDIS_TOPICS, channel)
           != NGX_OK
        || ngx_push_redis_sent_key(letter) != NGX_OK
        || ngx_push_redis_call_key(call, NGX_PUSH_REDIS_CHANNEL, channel)
           != NGX_OK
        || ngx_push_redis_letter_args(letter) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_push_redis_call(call);
}


/* in the partition of its channel, whatever the publisher has called it */

static ngx_int_t
ngx_push_redis_sent_key(ngx_push_redis_letter_t *letter)
{
    u_char                  hash[16], hex[32];
    ngx_md5_t               md5;
    ngx_str_t               key, *channel, *sent;
    ngx_push_redis_call_t  *call;

    call = &letter->call;
    channel = &letter->target->channel;
    sent = &letter->post->publish->key;

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, channel->data, channel->len);
    ngx_md5_update(&md5, "", 1);
    ngx_md5_update(&md5, sent->data, sent->len);
    ngx_md5_final(hash, &md5);

    (void) ngx_hex_dump(hex, hash, sizeof(hash));

    key.data = ngx_pnalloc(call->pool, call->redis->conf->prefix.len
                                       + sizeof(":{255}:i:") + sizeof(hex));
    if (key.data == NULL) {
        return NGX_ERROR;
    }

    key.len = ngx_sprintf(key.data, "%V:{%ui}:%c:%*s",
                          &call->redis->conf->prefix,
                          ngx_push_redis_partition(channel),
                          NGX_PUSH_REDIS_SENT, sizeof(hex), hex)
              - key.data;

    ngx_push_redis_call_str(call, &key);

    return NGX_OK;
}


static ngx_int_t
ngx_push_redis_letter_args(ngx_push_redis_letter_t *letter)
{
    ngx_str_t               none = ngx_string("-1");
    ngx_push_publish_t     *p;
    ngx_push_redis_call_t  *call;

    p = letter->post->publish;
    call = &letter->call;

    if (ngx_push_redis_call_number(call, call->redis->commands.term) != NGX_OK
        || ngx_push_redis_call_number(call, ngx_push_redis_life()) != NGX_OK
        || ngx_push_redis_letter_flags(call, p) != NGX_OK
        || ngx_push_redis_call_number(call,
                                      ngx_push_epoch_life(p->match.epoch))
           != NGX_OK
        || ngx_push_redis_call_number(call,
                                      ngx_push_epoch_term(p->match.epoch))
           != NGX_OK
        || ngx_push_redis_call_number(call, p->match.seq) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (p->ttl == NGX_PUSH_NO_TTL) {
        ngx_push_redis_call_str(call, &none);

    } else if (ngx_push_redis_call_number(call, p->ttl) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_push_redis_call_str(call, &p->topic);

    if (ngx_push_redis_call_number(call, p->body_size) != NGX_OK
        || ngx_push_redis_call_number(call, p->rules->count) != NGX_OK
        || ngx_push_redis_call_number(call, p->rules->ttl) != NGX_OK
        || ngx_push_redis_call_number(call, p->rules->max_size) != NGX_OK
        || ngx_push_redis_call_number(call, p->rules->idle) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_push_redis_call_str(call, &letter->post->blob);

    return NGX_OK;
}


static ngx_int_t
ngx_push_redis_letter_flags(ngx_push_redis_call_t *call,
    ngx_push_publish_t *p)
{
    u_char     *f;
    ngx_str_t   flags;

    f = ngx_pnalloc(call->pool, NGX_PUSH_REDIS_FLAGS);
    if (f == NULL) {
        return NGX_ERROR;
    }

    flags.data = f;

    if (p->key.len) {
        *f++ = 'k';
    }

    if (p->matching) {
        *f++ = 'm';
    }

    if (p->some) {
        *f++ = 's';
    }

    if (p->first) {
        *f++ = 'f';
    }

    if (p->end) {
        *f++ = 'e';
    }

    if (p->empty) {
        *f++ = 'n';
    }

    if (p->ttl == 0) {
        *f++ = '0';
    }

    flags.len = f - flags.data;

    ngx_push_redis_call_str(call, &flags);

    return NGX_OK;
}


static void
ngx_push_redis_published(ngx_push_redis_call_t *call, redisReply *reply)
{
    ngx_push_redis_t         *redis;
    ngx_push_redis_post_t    *post;
    ngx_push_redis_letter_t  *letter;

    redis = call->redis;
    letter = call->data;
    post = letter->post;

    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements >= 7) {
        ngx_push_redis_accept(letter, reply);
    }

    if (--post->pending) {
        return;
    }

    if (redis->conf->replicas && post->created) {
        post->ack.publish = post->publish;
        ngx_push_redis_ack(redis, &post->ack);
        return;
    }

    post->publish->done(post->publish, NGX_OK);
}


/*
 * Who listens here need not wait until it comes back: if it is the next, it
 * is appended at once, and the echo is known by its number.
 */

static void
ngx_push_redis_accept(ngx_push_redis_letter_t *letter, redisReply *reply)
{
    uint32_t             life, term;
    ngx_push_zone_t     *zone;
    ngx_push_place_t     place;
    ngx_push_target_t   *t;
    ngx_push_publish_t   one;

    t = letter->target;
    zone = letter->call.redis->zone;

    t->outcome = ngx_min(ngx_push_redis_number(reply, 0), NGX_PUSH_UNMATCHED);

    life = ngx_push_redis_number(reply, 1);
    term = ngx_push_redis_number(reply, 2);

    t->id.epoch = ngx_push_epoch(life, term);
    t->id.seq = ngx_push_redis_number(reply, 3);
    t->nodes = ngx_push_redis_number(reply, 4);

    if (t->outcome == NGX_PUSH_CREATED) {
        letter->post->created++;
    }

    if (t->outcome != NGX_PUSH_CREATED || letter->post->publish->empty) {
        t->subscribers = ngx_push_mirror_subscribers(zone, &t->channel);
        return;
    }

    place.epoch = t->id.epoch;
    place.seq = t->id.seq;
    place.time = ngx_push_redis_number(reply, 5);
    place.began = ngx_push_redis_number(reply, 6);

    one = *letter->post->publish;
    one.targets = t;
    one.ntargets = 1;

    (void) ngx_push_mirror_append(zone, &one, &place, 1);
}
