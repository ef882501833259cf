
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_push_hub.h"
#include "ngx_push_publish.h"
#include "ngx_push_bell.h"
#include "ngx_push_channel.h"
#include "ngx_push_history.h"
#include "ngx_push_key.h"
#include "ngx_push_log.h"


/* what a publish has in hand for one channel until all is sure */

typedef struct {
    ngx_push_channel_t  *channel;
    ngx_push_message_t  *message;
    ngx_push_key_t      *key;
    u_char               hash[16];
} ngx_push_hand_t;


static void ngx_push_publish_check(ngx_push_shared_t *sh,
    ngx_push_publish_t *p, ngx_push_target_t *t, ngx_push_hand_t *h);
static ngx_int_t ngx_push_publish_prepare(ngx_push_shared_t *sh,
    ngx_push_publish_t *p, ngx_push_target_t *t, ngx_push_hand_t *h);
static ngx_int_t ngx_push_publish_fits(ngx_push_shared_t *sh,
    ngx_push_publish_t *p);
static void ngx_push_publish_undo(ngx_push_shared_t *sh, ngx_push_hand_t *h);
static void ngx_push_publish_commit(ngx_push_shared_t *sh,
    ngx_push_publish_t *p, ngx_push_target_t *t, ngx_push_hand_t *h);
static ngx_int_t ngx_push_publish_locked(ngx_push_shared_t *sh,
    ngx_push_publish_t *p, ngx_push_hand_t *hands, ngx_push_chime_t *chime);
static void ngx_push_publish_ring(ngx_push_zone_t *zone,
    ngx_push_chime_t *chime);


const ngx_push_backplane_t  ngx_push_backplane_null = {
    "none",
    ngx_push_channel_publish,
    ngx_push_channel_inquire,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL
};


ngx_int_t
ngx_push_publish(ngx_push_zone_t *zone, ngx_push_publish_t *p)
{
    return zone->backplane->publish(zone, p);
}


/* all that can fail comes first, for all channels; then all of it is done */

ngx_int_t
ngx_push_channel_publish(ngx_push_zone_t *zone, ngx_push_publish_t *p)
{
    uint64_t            evicted;
    ngx_int_t           rc;
    ngx_push_hand_t     hands[NGX_PUSH_MAX_TARGETS];
    ngx_push_chime_t    chime;
    ngx_push_shared_t  *sh;

    sh = zone->sh;

    ngx_memzero(&chime, sizeof(ngx_push_chime_t));

    ngx_push_zone_lock(zone);

    evicted = sh->stats[NGX_PUSH_STAT_EVICTED];

    rc = ngx_push_publish_locked(sh, p, hands, &chime);

    evicted = sh->stats[NGX_PUSH_STAT_EVICTED] - evicted;

    ngx_push_zone_unlock(zone);

    ngx_push_publish_ring(zone, &chime);

    if (evicted) {
        ngx_push_zone_warn(zone);
    }

    return rc;
}


/* a worker needs no bell to hear of what it has published itself */

static void
ngx_push_publish_ring(ngx_push_zone_t *zone, ngx_push_chime_t *chime)
{
    uint64_t         bit;
    ngx_push_hub_t  *hub;

    hub = zone->hub;

    if (hub && hub->bell) {
        bit = (uint64_t) 1 << (hub->number & 63);

        if (chime->map[hub->number / 64] & bit) {
            chime->map[hub->number / 64] &= ~bit;
            chime->n--;

            if (!hub->pump.posted) {
                ngx_post_event(&hub->pump, &ngx_posted_events);
            }
        }
    }

    ngx_push_bell_ring(zone->sh, chime);
}


static ngx_int_t
ngx_push_publish_locked(ngx_push_shared_t *sh, ngx_push_publish_t *p,
    ngx_push_hand_t *hands, ngx_push_chime_t *chime)
{
    ngx_int_t           rc;
    ngx_uint_t          i;
    ngx_push_target_t  *t;

    rc = NGX_OK;
    t = p->targets;

    for (i = 0; i < p->ntargets; i++) {
        ngx_push_publish_check(sh, p, &t[i], &hands[i]);

        if (t[i].outcome > NGX_PUSH_REPEATED) {
            rc = NGX_DECLINED;
        }
    }

    if (rc == NGX_OK) {
        rc = ngx_push_publish_fits(sh, p);
    }

    for (i = 0; rc == NGX_OK && i < p->ntargets; i++) {
        if (t[i].outcome == NGX_PUSH_CREATED) {
            rc = ngx_push_publish_prepare(sh, p, &t[i], &hands[i]);
        }
    }

    if (rc != NGX_OK) {
        sh->stats[NGX_PUSH_STAT_REFUSED]++;
    }

    for (i = 0; i < p->ntargets; i++) {

        if (rc != NGX_OK) {
            ngx_push_publish_undo(sh, &hands[i]);
            continue;
        }

        if (t[i].outcome == NGX_PUSH_REPEATED) {
            sh->stats[NGX_PUSH_STAT_REPEATED]++;
            ngx_push_publish_undo(sh, &hands[i]);
            continue;
        }

        ngx_push_publish_commit(sh, p, &t[i], &hands[i]);
        ngx_push_channel_call(sh, hands[i].channel, chime);
        ngx_push_channel_unpin(sh, hands[i].channel);
    }

    return rc;
}


/* the key is looked at before the conditions; nothing is changed here */

static void
ngx_push_publish_check(ngx_push_shared_t *sh, ngx_push_publish_t *p,
    ngx_push_target_t *t, ngx_push_hand_t *h)
{
    ngx_push_key_t      *key;
    ngx_push_channel_t  *ch;

    h->message = NULL;
    h->key = NULL;

    ch = ngx_push_channel_find(sh, &t->channel);
    h->channel = ch;

    t->outcome = NGX_PUSH_CREATED;
    t->subscribers = 0;
    t->nodes = 0;
    t->id.epoch = 0;
    t->id.seq = 0;

    if (ch) {
        ngx_push_channel_pin(sh, ch);

        t->id.epoch = ch->epoch;
        t->id.seq = ch->last;
    }

    if (p->key.len) {
        ngx_push_key_hash(sh, &t->channel, &p->key, h->hash);

        key = ngx_push_key_find(sh, h->hash);

        if (key) {
            t->outcome = NGX_PUSH_REPEATED;
            t->id = key->id;
            t->subscribers = key->subscribers;
            return;
        }
    }

    if (ch && ch->sealed) {
        t->outcome = NGX_PUSH_SEALED;
        return;
    }

    if ((p->first && t->id.seq != 0)
        || (p->some && t->id.seq == 0)
        || (p->matching && (t->id.seq == 0
                            || t->id.seq != p->match.seq
                            || t->id.epoch != p->match.epoch)))
    {
        t->outcome = NGX_PUSH_UNMATCHED;
    }
}


/* nothing is thrown out for what will not fit even then */

static ngx_int_t
ngx_push_publish_fits(ngx_push_shared_t *sh, ngx_push_publish_t *p)
{
    size_t             most, room;
    ngx_uint_t         i;
    ngx_push_arena_t  *arena;

    if (p->empty) {
        return NGX_OK;
    }

    arena = &sh->arena;

    most = (size_t) (arena->units[NGX_PUSH_BLOCK_FREE]
                     + arena->units[NGX_PUSH_BLOCK_MESSAGE]
                     + arena->units[NGX_PUSH_BLOCK_PART]
                     + arena->units[NGX_PUSH_BLOCK_RING])
           * NGX_PUSH_UNIT;

    room = 0;

    for (i = 0; i < p->ntargets; i++) {
        if (p->targets[i].outcome == NGX_PUSH_CREATED) {
            room += ngx_push_message_room(p);
        }
    }

    if (room <= most) {
        return NGX_OK;
    }

    for (i = 0; i < p->ntargets; i++) {
        if (p->targets[i].outcome == NGX_PUSH_CREATED) {
            p->targets[i].outcome = NGX_PUSH_FULL;
        }
    }

    return NGX_DECLINED;
}


/* takes all the room there will be need of */

static ngx_int_t
ngx_push_publish_prepare(ngx_push_shared_t *sh, ngx_push_publish_t *p,
    ngx_push_target_t *t, ngx_push_hand_t *h)
{
    t->outcome = NGX_PUSH_FULL;

    if (h->channel == NULL) {
        h->channel = ngx_push_channel_create(sh, &t->channel);
        if (h->channel == NULL) {
            return NGX_DECLINED;
        }

        ngx_push_channel_pin(sh, h->channel);
    }

    if (p->key.len) {

        for ( ;; ) {
            h->key = ngx_push_key_create(sh, h->hash);

            if (h->key) {
                break;
            }

            if (ngx_push_channel_make_room(sh) != NGX_OK) {
                return NGX_DECLINED;
            }
        }
    }

    if (!p->empty) {
        h->message = ngx_push_publish_message(sh, p);
        if (h->message == NULL) {
            return NGX_DECLINED;
        }

        while (ngx_push_log_reserve(sh, h->channel) != NGX_OK) {
            if (ngx_push_channel_make_room(sh) != NGX_OK) {
                return NGX_DECLINED;
            }
        }
    }

    t->outcome = NGX_PUSH_CREATED;

    return NGX_OK;
}


ngx_push_message_t *
ngx_push_publish_message(ngx_push_shared_t *sh, ngx_push_publish_t *p)
{
    ngx_push_message_t  *m;

    for ( ;; ) {
        m = ngx_push_message_create(&sh->arena, p);

        if (m) {
            return m;
        }

        if (ngx_push_channel_make_room(sh) != NGX_OK) {
            return NULL;
        }
    }
}


static void
ngx_push_publish_undo(ngx_push_shared_t *sh, ngx_push_hand_t *h)
{
    if (h->message) {
        ngx_push_message_destroy(&sh->arena, h->message);
    }

    if (h->key) {
        ngx_push_block_free(&sh->arena, h->key);
    }

    if (h->channel) {
        ngx_push_channel_unpin(sh, h->channel);
    }
}


/*
 * The key goes first: if its publisher is killed before the message is in
 * the log, recovery finds a key for a number that was never given.
 */

static void
ngx_push_publish_commit(ngx_push_shared_t *sh, ngx_push_publish_t *p,
    ngx_push_target_t *t, ngx_push_hand_t *h)
{
    ngx_push_key_t      *key;
    ngx_push_channel_t  *ch;

    ch = h->channel;
    key = h->key;

    ngx_push_channel_rules(ch, p->rules);

    t->id.epoch = ch->epoch;
    t->id.seq = ch->last + (p->empty ? 0 : 1);
    t->subscribers = ngx_push_channel_subscribers(sh, ch);

    if (key) {
        key->id = t->id;
        key->channel = ngx_push_ref(sh, ch);
        key->subscribers = t->subscribers;
        key->seals = p->end && p->empty;

        ngx_push_key_add(sh, key);
    }

    if (p->empty) {
        ch->sealed |= p->end;
        return;
    }

    ngx_push_history_append(sh, ch, h->message, p, t->id.seq);
    sh->stats[NGX_PUSH_STAT_PUBLISHED]++;
}


void
ngx_push_channel_rules(ngx_push_channel_t *ch, ngx_push_rules_t *rules)
{
    ch->ttl = rules->ttl;
    ch->idle = rules->idle;
    ch->count = ngx_min(rules->count, 0xffffffff);
    ch->max_size = ngx_min(rules->max_size, 0xffffffff);
    ch->backlog = ngx_min(rules->backlog, 0xffffffff);
}
