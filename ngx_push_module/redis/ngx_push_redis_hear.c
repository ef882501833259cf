
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_redis_backplane.h"


/* what the leader hears of the channels that it follows */


static ngx_push_redis_follow_t *ngx_push_redis_follow_find(
    ngx_push_redis_t *redis, redisReply *channel);
static void ngx_push_redis_hear(ngx_push_redis_follow_t *f,
    redisReply *payload);
static ngx_int_t ngx_push_redis_hear_message(ngx_push_redis_follow_t *f,
    ngx_push_entry_head_t *head, ngx_push_place_t *place);


/* confirmations and messages: kind, channel, count or payload */

void
ngx_push_redis_heard(ngx_push_redis_connection_t *c, redisReply *reply)
{
    redisReply               *kind;
    ngx_push_redis_follow_t  *f;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3) {
        return;
    }

    if (ngx_push_redis_canary_is(c->data, reply->element[1])) {
        return;
    }

    kind = reply->element[0];
    f = ngx_push_redis_follow_find(c->data, reply->element[1]);

    if (f == NULL || kind->type != REDIS_REPLY_STRING) {
        return;
    }

    if (kind->len == 9 && ngx_memcmp(kind->str, "subscribe", 9) == 0) {

        /* all that is published from now on is heard: now it can be read */

        f->subscribed = 1;
        ngx_push_redis_read_soon(f);

    } else if (kind->len == 7 && ngx_memcmp(kind->str, "message", 7) == 0) {

        if (f->subscribed) {
            ngx_push_redis_hear(f, reply->element[2]);
        }
    }
}


static ngx_push_redis_follow_t *
ngx_push_redis_follow_find(ngx_push_redis_t *redis, redisReply *channel)
{
    size_t      skip;
    u_char     *p;
    ngx_str_t   name;

    if (channel->type != REDIS_REPLY_STRING) {
        return NULL;
    }

    /* <prefix>:{<partition>}:c:<name> */

    skip = redis->conf->prefix.len + 1;

    if ((size_t) channel->len <= skip) {
        return NULL;
    }

    p = ngx_strlchr((u_char *) channel->str + skip,
                    (u_char *) channel->str + channel->len, '}');

    if (p == NULL) {
        return NULL;
    }

    name.data = p + 4;
    name.len = (u_char *) channel->str + channel->len - name.data;

    return (ngx_push_redis_follow_t *) ngx_str_rbtree_lookup(&redis->tree,
                               &name, ngx_crc32_long(name.data, name.len));
}


static void
ngx_push_redis_hear(ngx_push_redis_follow_t *f, redisReply *payload)
{
    ngx_int_t              rc;
    ngx_str_t              text;
    ngx_push_zone_t       *zone;
    ngx_push_place_t       place;
    ngx_push_entry_head_t  head;

    if (payload->type != REDIS_REPLY_STRING) {
        return;
    }

    zone = f->redis->zone;
    text.data = (u_char *) payload->str;
    text.len = payload->len;

    rc = ngx_push_entry_head(&text, &head);

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "push: what was published to \"%V\" in redis is %s",
                      &f->node.str, (rc == NGX_DECLINED)
                      ? "of a format that this version does not know"
                      : "damaged");
        return;
    }

    place.epoch = ngx_push_epoch(head.life, head.term);
    place.began = head.began;
    place.seq = head.seq;
    place.time = head.time;

    switch (head.type) {

    case 'm':
        rc = ngx_push_redis_hear_message(f, &head, &place);
        break;

    case 'e':
        rc = ngx_push_mirror_seal(zone, &f->node.str, &place);
        break;

    default: /* 'd' */
        rc = ngx_push_mirror_delete(zone, &f->node.str, place.epoch);
    }

    switch (rc) {

    case NGX_DECLINED:

        /* it is being read, or is to be */

        f->heard = ngx_max(f->heard, head.seq);
        f->again = (f->read != NULL);
        break;

    case NGX_AGAIN:
        f->heard = ngx_max(f->heard, head.seq);
        ngx_push_redis_read_soon(f);
        break;

    default:
        break;
    }
}


static ngx_int_t
ngx_push_redis_hear_message(ngx_push_redis_follow_t *f,
    ngx_push_entry_head_t *head, ngx_push_place_t *place)
{
    ngx_int_t            rc;
    ngx_pool_t          *pool;
    ngx_push_zone_t     *zone;
    ngx_push_target_t    target;
    ngx_push_publish_t   p;

    zone = f->redis->zone;

    /* an echo of what was published here is most often there already */

    rc = ngx_push_mirror_expects(zone, &f->node.str, place);

    if (rc != NGX_OK) {
        return rc;
    }

    pool = ngx_create_pool(NGX_MIN_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_AGAIN;
    }

    ngx_memzero(&target, sizeof(ngx_push_target_t));
    target.channel = f->node.str;

    rc = ngx_push_redis_unpack(pool, &head->blob, &p, &target);

    if (rc == NGX_OK) {
        rc = ngx_push_mirror_append(zone, &p, place, 0);

    } else if (rc == NGX_DECLINED) {
        rc = ngx_push_mirror_lose(zone, &f->node.str, place->seq);

    } else {
        rc = NGX_AGAIN;
    }

    ngx_destroy_pool(pool);

    return rc;
}
