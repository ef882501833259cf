
/*
 * Copyright (C) The ngx_push_module authors
 *
 * core_check(): all that must be true of a zone that nobody has locked.
 */


#ifndef _CORE_CHECK_H_INCLUDED_
#define _CORE_CHECK_H_INCLUDED_


#include "core.h"


static char        core_why[256];
static ngx_uint_t  core_checks;


#define core_need(cond, ...)                                                  \
    core_checks++;                                                            \
    if (!(cond)) {                                                            \
        snprintf(core_why, sizeof(core_why), __VA_ARGS__);                    \
        return 0;                                                             \
    }

#define core_each(sh, b)                                                      \
    for (b = ngx_push_ptr(sh, (sh)->arena.first);                             \
         ngx_push_block_type(b) != NGX_PUSH_BLOCK_END;                        \
         b = ngx_push_block_next(b))


/* that of a message; terms that are forgotten have left it in its bytes */

UNIT_UNUSED static uint64_t
core_epoch(ngx_push_arena_t *arena, ngx_push_channel_t *ch,
    ngx_push_message_t *m)
{
    u_char           *buf;
    ngx_str_t         text;
    ngx_push_id_t     id;
    ngx_push_term_t  *terms;

    if (!ch->mirrored) {
        return ch->epoch;
    }

    terms = ngx_push_lineage(ch)->terms;

    if (terms[NGX_PUSH_TERMS - 1].epoch == 0
        || m->seq > terms[NGX_PUSH_TERMS - 1].end)
    {
        return ngx_push_terms_epoch(terms, ch->epoch, m->seq);
    }

    buf = malloc(m->size);
    text.data = ngx_push_message_bytes(arena, m, buf) + 11;
    text.len = NGX_PUSH_ID_LEN;

    if (ngx_push_id_parse(&text, &id) != NGX_OK
        || (id.epoch ^ ch->epoch) & NGX_PUSH_LIFE)
    {
        id.epoch = 0;
    }

    free(buf);

    return id.epoch;
}


/* the row of blocks, the free lists and the sums */

UNIT_UNUSED static int
core_check_arena(ngx_push_arena_t *arena)
{
    uint32_t           offset, prev, back, units[NGX_PUSH_BLOCK_TYPES];
    ngx_uint_t         i, type, last, nfree, nlisted;
    ngx_push_block_t  *b;

    core_need(ngx_push_arena_check(arena) != NULL, "broken row");

    ngx_memzero(units, sizeof(units));
    prev = 0;
    last = 0;
    nfree = 0;

    for (offset = arena->first; offset != arena->end;
         offset += ngx_push_block_units(b))
    {
        b = ngx_push_at(arena, offset);
        type = ngx_push_block_type(b);

        core_need(b->prev == prev, "block %u: prev is %u, not %u", offset,
                  b->prev, prev);
        core_need(type != NGX_PUSH_BLOCK_FREE || last != NGX_PUSH_BLOCK_FREE,
                  "block %u: two free ones in a row", offset);

        units[type] += ngx_push_block_units(b);
        nfree += (type == NGX_PUSH_BLOCK_FREE);
        prev = ngx_push_block_units(b);
        last = type;
    }

    b = ngx_push_at(arena, arena->end);
    core_need(b->prev == prev, "end: prev is %u, not %u", b->prev, prev);

    for (i = 0; i < NGX_PUSH_BLOCK_TYPES; i++) {
        core_need(units[i] == arena->units[i], "type %lu: %u units, not %u",
                  (unsigned long) i, arena->units[i], units[i]);
    }

    nlisted = 0;

    for (i = 0; i < NGX_PUSH_BLOCK_LISTS; i++) {
        back = 0;

        core_need(!arena->lists[i] == !(arena->map[i / 64] >> (i & 63) & 1),
                  "list %lu: map bit", (unsigned long) i);

        for (offset = arena->lists[i]; offset; offset = b->link) {
            b = ngx_push_at(arena, offset);

            core_need(ngx_push_block_type(b) == NGX_PUSH_BLOCK_FREE,
                      "list %lu: block %u is not free", (unsigned long) i,
                      offset);
            core_need(*(uint32_t *) (b + 1) == back, "list %lu: back of %u",
                      (unsigned long) i, offset);
            core_need(++nlisted <= nfree, "free lists: too many");

            back = offset;
        }
    }

    core_need(nlisted == nfree, "free lists: %lu of %lu",
              (unsigned long) nlisted, (unsigned long) nfree);

    return 1;
}


UNIT_UNUSED static int
core_check_listeners(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    uint32_t              offset, back;
    ngx_push_listener_t  *l;

    back = 0;

    for (offset = ch->listeners; offset; offset = l->block.link) {
        l = ngx_push_ptr(sh, offset);

        core_need(ngx_push_block_type(&l->block) == NGX_PUSH_BLOCK_LISTENER,
                  "listener: type");
        core_need(l->back == back, "listener: back");
        core_need(l->channel == ngx_push_ref(sh, ch), "listener: channel");
        core_need(l->bell < sh->nbells && ngx_push_bells(sh)[l->bell].pid,
                  "listener: bell %u", l->bell);
        core_need(l->passed <= ch->last, "listener: passed %llu of %llu",
                  (unsigned long long) l->passed,
                  (unsigned long long) ch->last);

        back = offset;
    }

    return 1;
}


/* no other message of the topic of this one is kept */

UNIT_UNUSED static int
core_check_topic(ngx_push_shared_t *sh, ngx_push_channel_t *ch, ngx_uint_t i)
{
    ngx_str_t            word, topic;
    ngx_push_message_t  *m;

    m = ngx_push_log_at(sh, &ch->log, i);

    if (m->topic == 0 || !(m->flags & NGX_PUSH_MESSAGE_KEPT)) {
        return 1;
    }

    ngx_push_message_words(m, &word, &word, &topic, &word);

    while (i-- > 0) {
        m = ngx_push_log_at(sh, &ch->log, i);

        if (m->flags & NGX_PUSH_MESSAGE_KEPT
            && ngx_push_message_has_topic(m, &topic))
        {
            return 0;
        }
    }

    return 1;
}


/* what the log of a channel says of itself, against its messages */

UNIT_UNUSED static int
core_check_log(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    uint64_t             seq, kept_size, loose_size, expiry;
    ngx_str_t            word, topic;
    ngx_uint_t           i, kept;
    ngx_push_ring_t     *ring;
    ngx_push_slot_t     *slot;
    ngx_push_message_t  *m;

    core_need(ch->log.n <= ch->log.size, "log: n %u of %u", ch->log.n,
              ch->log.size);
    core_need(!ch->log.ring == !ch->log.size, "log: ring without size");

    if (ch->log.ring) {
        ring = ngx_push_ptr(sh, ch->log.ring);
        core_need(ngx_push_block_type(&ring->block) == NGX_PUSH_BLOCK_RING
                  && ring->block.link == ngx_push_ref(sh, ch), "log: ring");
        core_need((u_char *) &ring->slots[ch->log.size]
                  <= (u_char *) ngx_push_block_next(&ring->block),
                  "log: ring is too small");
    }

    seq = 0;
    kept = 0;
    kept_size = 0;
    loose_size = 0;
    expiry = 0;

    for (i = 0; i < ch->log.n; i++) {
        slot = ngx_push_log_slot(sh, &ch->log, i);
        m = ngx_push_ptr(sh, slot->message);

        core_need(slot->message
                  && ngx_push_block_type(&m->block) == NGX_PUSH_BLOCK_MESSAGE
                  && m->block.link == ngx_push_ref(sh, ch)
                  && m->flags & NGX_PUSH_MESSAGE_IN_LOG, "log: slot %lu",
                  (unsigned long) i);
        core_need(m->seq > seq && m->seq <= ch->last, "log: number");
        core_need(core_message(&sh->arena, m,
                               core_epoch(&sh->arena, ch, m)),
                  "message is broken");

        seq = m->seq;
        ngx_push_message_words(m, &word, &word, &topic, &word);
        core_need(slot->topic
                  == (topic.len ? ngx_push_log_topic(&topic) : 0),
                  "log: topic");

        core_need(core_check_topic(sh, ch, i), "log: a topic is kept twice");

        if (!(m->flags & NGX_PUSH_MESSAGE_KEPT)) {
            core_need(seq > ch->cleaned, "log: %llu is loose, cleaned %llu",
                      (unsigned long long) seq,
                      (unsigned long long) ch->cleaned);
            core_need(m->flags & NGX_PUSH_MESSAGE_COVERED
                      || seq <= ch->trimmed, "log: loose for no reason");
            loose_size += m->body_size;
            continue;
        }

        core_need(i >= ch->log.behind, "log: behind");

        kept++;
        kept_size += m->body_size;

        if (m->ttl != NGX_PUSH_NO_TTL
            && (expiry == 0 || ngx_push_message_expires(m) < expiry))
        {
            expiry = ngx_push_message_expires(m);
        }
    }

    core_need(ch->kept == kept && ch->kept_size == kept_size,
              "kept: %u, not %lu", ch->kept, (unsigned long) kept);
    core_need(ch->loose_size == loose_size, "loose: %llu, not %llu",
              (unsigned long long) ch->loose_size,
              (unsigned long long) loose_size);
    core_need(expiry == 0
              || (ch->expiry && (ch->expiry <= expiry || ch->log.n >= 200)),
              "log: expiry");
    core_need(ch->log.behind <= ch->log.n, "log: behind its end");

    return 1;
}


UNIT_UNUSED static int
core_check_channels(ngx_push_shared_t *sh)
{
    uint32_t             offset, back;
    ngx_uint_t           i, n, idle;
    ngx_push_block_t    *b;
    ngx_push_channel_t  *ch;

    n = 0;
    idle = 0;

    for (i = 0; i <= sh->bucket_mask; i++) {
        offset = ngx_push_buckets(sh)[i];

        for ( /* void */ ; offset; offset = ch->block.link) {
            ch = ngx_push_ptr(sh, offset);

            core_need(ngx_push_block_type(&ch->block)
                      == NGX_PUSH_BLOCK_CHANNEL, "channel: type");
            core_need((ch->hash & sh->bucket_mask) == i, "channel: bucket");
            core_need(ch->pinned == 0, "channel: pinned");
            core_need(ch->floor <= ch->last && ch->trimmed <= ch->last
                      && ch->cleaned <= ch->last && ch->overrun <= ch->last,
                      "channel: floor");
            core_need(!(ch->idling && (ch->listeners || ch->log.n)),
                      "channel: idles in use");
            core_need(ch->idling || ch->listeners || ch->log.n,
                      "channel: of no use");
            core_need(++n <= sh->nchannels, "channels: too many");

            idle += !!ch->idling;

            if (!core_check_listeners(sh, ch) || !core_check_log(sh, ch)) {
                return 0;
            }
        }
    }

    core_need(n == sh->nchannels, "channels: %lu, not %u", (unsigned long) n,
              sh->nchannels);

    core_each(sh, b) {
        n -= (ngx_push_block_type(b) == NGX_PUSH_BLOCK_CHANNEL);
    }

    core_need(n == 0, "channels: not in the tables");

    for (i = 0; i < 2; i++) {
        back = 0;

        for (offset = sh->idle[i].oldest; offset; offset = ch->newer) {
            ch = ngx_push_ptr(sh, offset);

            core_need(ch->idling == i + 1 && ch->older == back,
                      "idle queue");
            core_need(i == (ngx_push_channel_lives(ch) || ch->deleted),
                      "idle queue: the other one");
            core_need(idle-- > 0, "idle queue: too many");
            back = offset;
        }

        core_need(sh->idle[i].newest == back, "idle queue: newest");
    }

    core_need(idle == 0, "idle queue: not all");

    return 1;
}


/* the zone's queue of messages, and who holds those out of it */

UNIT_UNUSED static int
core_check_messages(ngx_push_shared_t *sh)
{
    uint32_t             offset, back, parts;
    uint64_t             bytes;
    ngx_uint_t           i, j, n, refs;
    ngx_push_bell_t     *bell;
    ngx_push_block_t    *b;
    ngx_push_part_t     *part;
    ngx_push_message_t  *m;

    n = 0;
    back = 0;
    bytes = 0;

    for (offset = sh->oldest; offset; offset = m->next) {
        m = ngx_push_ptr(sh, offset);

        core_need(ngx_push_block_type(&m->block) == NGX_PUSH_BLOCK_MESSAGE
                  && m->flags & NGX_PUSH_MESSAGE_IN_LOG, "queue: type");
        core_need(m->prev == back, "queue: prev");
        core_need(++n <= sh->nmessages, "queue: too many");

        bytes += m->body_size;
        back = offset;
    }

    core_need(sh->newest == back, "queue: newest");
    core_need(n == sh->nmessages && bytes == sh->bytes, "queue: sums");

    bell = ngx_push_bells(sh);
    parts = 0;

    core_each(sh, b) {
        core_need(ngx_push_block_type(b) != NGX_PUSH_BLOCK_RESERVED,
                  "a reserved block");

        parts += (ngx_push_block_type(b) == NGX_PUSH_BLOCK_PART);

        if (ngx_push_block_type(b) != NGX_PUSH_BLOCK_MESSAGE) {
            continue;
        }

        m = (ngx_push_message_t *) b;
        refs = 0;

        for (i = 0; i < sh->nbells; i++) {
            for (j = 0; j < bell[i].nheld; j++) {
                refs += (bell[i].held[j] == ngx_push_ref(sh, m));
            }
        }

        core_need(m->refs == refs, "message: %u references, not %lu",
                  m->refs, (unsigned long) refs);
        core_need(refs || m->flags & NGX_PUSH_MESSAGE_IN_LOG,
                  "message: of no use");

        n -= !!(m->flags & NGX_PUSH_MESSAGE_IN_LOG);

        for (offset = m->part; offset; offset = part->block.link) {
            part = ngx_push_ptr(sh, offset);
            core_need(ngx_push_block_type(&part->block)
                      == NGX_PUSH_BLOCK_PART, "message: part");
            parts--;
        }
    }

    core_need(n == 0, "messages: not in the queue");
    core_need(parts == 0, "parts: %d of nothing", (int) parts);

    return 1;
}


UNIT_UNUSED static int
core_check_bells(ngx_push_shared_t *sh)
{
    uint32_t              offset, back;
    ngx_uint_t            i, n, ready;
    ngx_push_bell_t      *bell;
    ngx_push_block_t     *b;
    ngx_push_listener_t  *l;

    n = 0;

    for (i = 0; i < sh->nbells; i++) {
        bell = &ngx_push_bells(sh)[i];

        core_need(bell->pid || (bell->listeners == 0 && bell->nheld == 0),
                  "bell %lu: free and in use", (unsigned long) i);

        back = 0;
        ready = 0;

        for (offset = bell->listeners; offset; offset = l->bell_next) {
            l = ngx_push_ptr(sh, offset);

            core_need(l->bell == i && l->bell_prev == back, "bell: listener");
            back = offset;
            ready += l->ready;
            n++;
        }

        for (offset = bell->ready; offset; offset = l->ready_next) {
            l = ngx_push_ptr(sh, offset);

            core_need(l->bell == i && l->ready, "bell: ready");
            core_need(ready-- > 0, "bell: too many are ready");
        }

        core_need(ready == 0, "bell: not all that are ready");
    }

    core_each(sh, b) {
        n -= (ngx_push_block_type(b) == NGX_PUSH_BLOCK_LISTENER);
    }

    core_need(n == 0, "listeners: not on their bells");

    return 1;
}


UNIT_UNUSED static int
core_check_keys(ngx_push_shared_t *sh)
{
    uint32_t           offset;
    uint64_t           time;
    ngx_uint_t         i, n, queued;
    ngx_push_key_t    *key;
    ngx_push_block_t  *b;

    n = 0;

    for (i = 0; i <= sh->key_mask; i++) {
        offset = ngx_push_keys(sh)[i];

        for ( /* void */ ; offset; offset = key->block.link) {
            key = ngx_push_ptr(sh, offset);
            core_need(ngx_push_block_type(&key->block) == NGX_PUSH_BLOCK_KEY,
                      "key: type");
            n++;
        }
    }

    queued = 0;
    time = 0;

    for (offset = sh->key_oldest; offset; offset = key->newer) {
        key = ngx_push_ptr(sh, offset);

        core_need(key->time + 1000 >= time, "key: order");
        core_need(key->newer || sh->key_newest == offset, "key: newest");
        core_need(++queued <= n, "keys: too many");
        time = key->time;
    }

    core_need(queued == n, "keys: not all in the queue");

    core_each(sh, b) {
        n -= (ngx_push_block_type(b) == NGX_PUSH_BLOCK_KEY);
    }

    core_need(n == 0, "keys: not in the table");

    return 1;
}


/* 0: core_why says what is wrong */

UNIT_UNUSED static int
core_check(ngx_push_zone_t *zone)
{
    ngx_push_shared_t  *sh;

    sh = zone->sh;
    core_why[0] = '\0';

    core_need(sh->writer == 0, "locked");

    return core_check_arena(&sh->arena)
           && core_check_channels(sh)
           && core_check_messages(sh)
           && core_check_bells(sh)
           && core_check_keys(sh);
}


#define core_is_whole(zone, ...)                                              \
    if (!ok(core_check(zone), __VA_ARGS__)) {                                 \
        printf("#   %s\n", core_why);                                         \
    }


#endif /* _CORE_CHECK_H_INCLUDED_ */
