
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_zone.h"
#include "ngx_push_bell.h"
#include "ngx_push_channel.h"
#include "ngx_push_history.h"
#include "ngx_push_recovery.h"
#include "ngx_push_log.h"


/*
 * Recovery: a worker died with the lock.  Nothing is trusted but the blocks
 * and what is not marked [d] in ngx_push_shared.h; all the rest is made from
 * them.  It can be killed itself at any point and begun again.
 */


static void ngx_push_recovery_empty(ngx_push_shared_t *sh);
static void ngx_push_recovery_reset(ngx_push_shared_t *sh);
static void ngx_push_recovery_bells(ngx_push_shared_t *sh);
static void ngx_push_recovery_first(ngx_push_shared_t *sh,
    ngx_push_block_t *b);
static void ngx_push_recovery_channel(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch);
static uint32_t ngx_push_recovery_links(ngx_push_shared_t *sh,
    ngx_push_block_t *b);
static void ngx_push_recovery_listener(ngx_push_shared_t *sh,
    ngx_push_listener_t *l);
static void ngx_push_recovery_references(ngx_push_shared_t *sh);
static void ngx_push_recovery_parts(ngx_push_shared_t *sh,
    ngx_push_message_t *m);
static void ngx_push_recovery_drop(ngx_push_shared_t *sh);
static void ngx_push_recovery_finish(ngx_push_shared_t *sh);

#define ngx_push_recovery_each(sh, b)                                        \
    for (b = ngx_push_ptr(sh, (sh)->arena.first);                            \
         ngx_push_block_type(b) != NGX_PUSH_BLOCK_END;                       \
         b = ngx_push_block_next(b))


void
ngx_push_shared_recover(ngx_push_shared_t *sh)
{
    uint32_t           messages;
    ngx_push_block_t  *b;

    sh->writer = ngx_pid;
    sh->stats[NGX_PUSH_STAT_RECOVERED]++;

    if (ngx_push_arena_check(&sh->arena) == NULL) {
        ngx_push_recovery_reset(sh);
        return;
    }

    ngx_push_recovery_empty(sh);
    ngx_push_recovery_bells(sh);

    ngx_push_recovery_each(sh, b) {
        ngx_push_recovery_first(sh, b);
    }

    messages = 0;

    ngx_push_recovery_each(sh, b) {

        if (ngx_push_recovery_links(sh, b)) {
            ((ngx_push_message_t *) b)->next = messages;
            messages = ngx_push_ref(sh, b);
        }
    }

    ngx_push_recovery_references(sh);
    ngx_push_recovery_logs(sh, messages);
    ngx_push_recovery_drop(sh);
    ngx_push_recovery_finish(sh);
}


static void
ngx_push_recovery_empty(ngx_push_shared_t *sh)
{
    ngx_memzero(ngx_push_buckets(sh),
                (sh->bucket_mask + 1) * sizeof(uint32_t));
    ngx_memzero(ngx_push_keys(sh), (sh->key_mask + 1) * sizeof(uint32_t));

    sh->nchannels = 0;
    sh->nmessages = 0;
    sh->bytes = 0;
    sh->oldest = 0;
    sh->newest = 0;
    ngx_memzero(sh->idle, sizeof(sh->idle));
    sh->key_oldest = 0;
    sh->key_newest = 0;
}


/* a broken row of blocks: all lives end, and all workers are told */

static void
ngx_push_recovery_reset(ngx_push_shared_t *sh)
{
    ngx_uint_t  i;

    sh->generation++;

    ngx_push_recovery_empty(sh);

    for (i = 0; i < sh->nbells; i++) {
        ngx_push_bells(sh)[i].ready = 0;
        ngx_push_bells(sh)[i].listeners = 0;
        ngx_push_bells(sh)[i].nheld = 0;
    }

    ngx_push_arena_init(&sh->arena,
                        (u_char *) ngx_push_keys(sh)
                        + (sh->key_mask + 1) * sizeof(uint32_t),
                        (u_char *) sh + sh->size);
}


static void
ngx_push_recovery_bells(ngx_push_shared_t *sh)
{
    ngx_uint_t        i;
    ngx_push_bell_t  *bell;

    for (i = 0; i < sh->nbells; i++) {
        bell = &ngx_push_bells(sh)[i];

        bell->ready = 0;
        bell->listeners = 0;

        if (bell->pid && ngx_push_bell_is_orphan(bell)) {
            bell->nheld = 0;
            ngx_memzero(bell->gauges, sizeof(bell->gauges));
            bell->pid = 0;
        }
    }
}


/* what every other step counts on: derived fields empty, tables filled */

static void
ngx_push_recovery_first(ngx_push_shared_t *sh, ngx_push_block_t *b)
{
    ngx_push_part_t     *part;
    ngx_push_message_t  *m;

    switch (ngx_push_block_type(b)) {

    case NGX_PUSH_BLOCK_RESERVED:
        ngx_push_block_drop(b);
        break;

    case NGX_PUSH_BLOCK_CHANNEL:
        ngx_push_recovery_channel(sh, (ngx_push_channel_t *) b);
        break;

    case NGX_PUSH_BLOCK_MESSAGE:
        m = (ngx_push_message_t *) b;
        m->refs = 0;
        break;

    case NGX_PUSH_BLOCK_PART:
        part = (ngx_push_part_t *) b;
        part->owner = 0;
        break;
    }
}


static void
ngx_push_recovery_channel(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    size_t            room;
    ngx_push_ring_t  *ring;

    ch->log.first = 0;
    ch->log.n = 0;
    ch->log.behind = 0;
    ch->log.size = 0;

    ring = ngx_push_recovery_get(sh, ch->log.ring, NGX_PUSH_BLOCK_RING);

    if (ring == NULL) {
        ch->log.ring = 0;

    } else {
        room = (ngx_push_block_size(&ring->block)
                - offsetof(ngx_push_ring_t, slots))
               / sizeof(ngx_push_slot_t);

        for (ch->log.size = 1; ch->log.size <= room / 2; ch->log.size *= 2) {
            /* void */
        }
    }

    ch->kept = 0;
    ch->kept_size = 0;
    ch->loose_size = 0;
    ch->cleaned = 0;
    ch->expiry = 0;
    ch->listeners = 0;
    ch->pinned = 0;
    ch->idling = 0;

    ngx_push_channel_restore(sh, ch);
}


/* 1: a message of a log; the rest is linked or dropped here */

static uint32_t
ngx_push_recovery_links(ngx_push_shared_t *sh, ngx_push_block_t *b)
{
    ngx_push_channel_t  *ch;
    ngx_push_message_t  *m;

    switch (ngx_push_block_type(b)) {

    case NGX_PUSH_BLOCK_LISTENER:
        ngx_push_recovery_listener(sh, (ngx_push_listener_t *) b);
        break;

    case NGX_PUSH_BLOCK_RING:
        ch = ngx_push_recovery_get(sh, b->link, NGX_PUSH_BLOCK_CHANNEL);

        if (ch == NULL || ch->log.ring != ngx_push_ref(sh, b)) {
            ngx_push_block_drop(b);
        }

        break;

    case NGX_PUSH_BLOCK_MESSAGE:
        m = (ngx_push_message_t *) b;

        if (!(m->flags & NGX_PUSH_MESSAGE_IN_LOG)) {
            break;
        }

        ch = ngx_push_recovery_get(sh, b->link, NGX_PUSH_BLOCK_CHANNEL);

        if (ch != NULL) {
            return 1;
        }

        m->flags &= ~NGX_PUSH_MESSAGE_IN_LOG;
        break;
    }

    return 0;
}


static void
ngx_push_recovery_listener(ngx_push_shared_t *sh, ngx_push_listener_t *l)
{
    ngx_push_channel_t  *ch;

    l->ready = 0;

    ch = ngx_push_recovery_get(sh, l->channel, NGX_PUSH_BLOCK_CHANNEL);

    if (ch == NULL
        || l->bell >= sh->nbells
        || ngx_push_bells(sh)[l->bell].pid == 0)
    {
        ngx_push_block_drop(&l->block);
        return;
    }

    ngx_push_channel_attach(sh, ch, l);
}


/* what the living hold */

static void
ngx_push_recovery_references(ngx_push_shared_t *sh)
{
    ngx_uint_t           i, n;
    ngx_push_bell_t     *bell;
    ngx_push_message_t  *m;

    for (i = 0; i < sh->nbells; i++) {
        bell = &ngx_push_bells(sh)[i];

        for (n = 0; n < bell->nheld; n++) {
            m = ngx_push_recovery_get(sh, bell->held[n],
                                      NGX_PUSH_BLOCK_MESSAGE);
            if (m != NULL) {
                m->refs++;
            }
        }
    }
}


static void
ngx_push_recovery_parts(ngx_push_shared_t *sh, ngx_push_message_t *m)
{
    uint32_t          offset;
    ngx_push_part_t  *part;

    for (offset = m->part; offset; offset = part->block.link) {
        part = ngx_push_recovery_get(sh, offset, NGX_PUSH_BLOCK_PART);

        if (part == NULL) {
            return;
        }

        part->owner = ngx_push_ref(sh, m);
    }
}


/* gives back what nobody has */

static void
ngx_push_recovery_drop(ngx_push_shared_t *sh)
{
    uint32_t             keys;
    ngx_push_part_t     *part;
    ngx_push_block_t    *b;
    ngx_push_message_t  *m;

    keys = 0;

    ngx_push_recovery_each(sh, b) {

        switch (ngx_push_block_type(b)) {

        case NGX_PUSH_BLOCK_MESSAGE:
            m = (ngx_push_message_t *) b;

            if (m->refs || m->flags & NGX_PUSH_MESSAGE_IN_LOG) {
                ngx_push_recovery_parts(sh, m);

            } else {
                ngx_push_block_drop(b);
            }

            break;

        case NGX_PUSH_BLOCK_KEY:
            ((ngx_push_key_t *) b)->newer = keys;
            keys = ngx_push_ref(sh, b);
            break;
        }
    }

    ngx_push_recovery_keys(sh, keys);

    ngx_push_recovery_each(sh, b) {

        if (ngx_push_block_type(b) == NGX_PUSH_BLOCK_PART) {
            part = (ngx_push_part_t *) b;

            if (part->owner == 0) {
                ngx_push_block_drop(b);
            }
        }
    }

    ngx_push_arena_rebuild(&sh->arena);
}


/* what depends on age, and all live workers to work */

static void
ngx_push_recovery_finish(ngx_push_shared_t *sh)
{
    uint64_t             now;
    ngx_uint_t           i;
    ngx_push_block_t    *b;
    ngx_push_chime_t     chime;
    ngx_push_channel_t  *ch;

    ngx_memzero(&chime, sizeof(ngx_push_chime_t));

    for (i = 0; i < sh->nbells; i++) {
        ngx_push_bells(sh)[i].rung = 0;
    }

    now = ngx_push_now();

    /* no copy of a log is trusted until it was compared */

    sh->mirror.turn++;
    sh->mirror.up = 0;

    ngx_push_recovery_each(sh, b) {

        if (ngx_push_block_type(b) != NGX_PUSH_BLOCK_CHANNEL) {
            continue;
        }

        ch = (ngx_push_channel_t *) b;

        if (ch->deleted == ch->epoch) {
            ngx_push_channel_renew(sh, ch, 0);
        }

        ngx_push_history_complete(sh, ch, now);
        ngx_push_channel_call(sh, ch, &chime);

        /* if it goes, its head still says where the next block begins */

        ngx_push_channel_settle(sh, ch);
    }

    ngx_push_bell_ring(sh, &chime);
}
