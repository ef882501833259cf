
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_history.h"
#include "ngx_push_log.h"


static uint64_t ngx_push_history_back(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch, uint64_t seq, ngx_uint_t n);
static ngx_uint_t ngx_push_history_is_known(ngx_push_channel_t *ch,
    ngx_push_start_t *start);
static ngx_uint_t ngx_push_history_is_life(ngx_push_start_t *start,
    uint64_t epoch);
static ngx_uint_t ngx_push_history_is_read(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch, uint64_t seq);
static void ngx_push_history_link(ngx_push_shared_t *sh,
    ngx_push_message_t *m);
static void ngx_push_history_unlink(ngx_push_shared_t *sh,
    ngx_push_message_t *m);


void
ngx_push_history_append(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_message_t *m, ngx_push_publish_t *p)
{
    uint64_t       now;
    ngx_push_id_t  id;

    now = ngx_push_now();

    id.epoch = ch->epoch;
    id.seq = ch->last + 1;

    m->seq = id.seq;
    m->time = ngx_max(now, ch->last_publish);
    m->block.link = ngx_push_ref(sh, ch);

    ngx_push_message_identify(m, p->id, &id);

    m->flags |= (m->ttl == 0) ? NGX_PUSH_MESSAGE_COVERED
                              : NGX_PUSH_MESSAGE_KEPT;

    if (p->end) {
        m->flags |= NGX_PUSH_MESSAGE_LAST;
    }

    ngx_push_block_set_type(&sh->arena, m, NGX_PUSH_BLOCK_MESSAGE);

    /* from here on recovery finds it: the number is given */

    m->flags |= NGX_PUSH_MESSAGE_IN_LOG;
    ngx_memory_barrier();

    ch->last = m->seq;
    ch->last_publish = m->time;
    ch->sealed = p->end;

    ngx_push_history_restore(sh, ch, m);
    ngx_push_history_complete(sh, ch, now);
}


void
ngx_push_history_restore(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_message_t *m)
{
    ngx_push_log_push(sh, &ch->log, m);
    ngx_push_history_link(sh, m);

    if (!(m->flags & NGX_PUSH_MESSAGE_KEPT)) {
        ch->loose_size += m->body_size;
        return;
    }

    ch->kept++;
    ch->kept_size += m->body_size;

    if (m->ttl != NGX_PUSH_NO_TTL
        && (ch->expiry == 0 || ngx_push_message_expires(m) < ch->expiry))
    {
        ch->expiry = ngx_push_message_expires(m);
    }
}


ngx_int_t
ngx_push_history_evict(ngx_push_shared_t *sh)
{
    ngx_uint_t           i;
    ngx_push_message_t  *m;
    ngx_push_channel_t  *ch;

    if (sh->oldest == 0) {
        return NGX_DECLINED;
    }

    m = ngx_push_ptr(sh, sh->oldest);
    ch = ngx_push_ptr(sh, m->block.link);

    ch->evicted = ngx_max(ch->evicted, m->seq);
    i = ngx_push_log_after(sh, &ch->log, m->seq - 1);

    ngx_push_log_slot(sh, &ch->log, i)->message = 0;
    ngx_push_log_close(sh, &ch->log, i, i + 1);

    ngx_push_history_remove(sh, ch, m, 1);
    ngx_push_log_shrink(sh, ch);

    sh->stats[NGX_PUSH_STAT_EVICTED]++;

    return NGX_OK;
}


void
ngx_push_history_clear(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    ngx_push_message_t  *m;

    while (ch->log.n) {
        m = ngx_push_log_at(sh, &ch->log, 0);

        ngx_push_log_slot(sh, &ch->log, 0)->message = 0;
        ngx_push_log_close(sh, &ch->log, 0, 1);

        ngx_push_history_remove(sh, ch, m, 1);
    }

    ch->expiry = 0;

    ngx_push_log_shrink(sh, ch);
}


void
ngx_push_history_start(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_start_t *start)
{
    uint64_t  floor;

    floor = ngx_max(ch->floor, ch->trimmed);

    start->found = NGX_PUSH_COMPLETE;
    start->start.epoch = ch->epoch;
    start->start.seq = ch->last;
    start->oldest.epoch = ch->epoch;
    start->oldest.seq = ngx_push_history_oldest(sh, ch);
    start->over = 0;

    switch (start->at) {

    case NGX_PUSH_AT_LATEST:
        break;

    case NGX_PUSH_AT_EARLIEST:
        start->start.seq = floor;
        break;

    case NGX_PUSH_AT_LAST:
        start->start.seq = ngx_push_history_back(sh, ch, ch->last, start->n);
        break;

    case NGX_PUSH_AT_BEFORE:

        if (!ngx_push_history_is_known(ch, start)) {
            start->found = NGX_PUSH_UNKNOWN;
            start->id = start->start;
            start->id.seq++;
        }

        start->start.seq = start->id.seq ? ngx_push_history_back(sh, ch,
                                               start->id.seq - 1, start->n)
                                         : floor;
        break;

    case NGX_PUSH_AT_ID:

        if (ngx_push_history_is_known(ch, start)) {
            start->start.seq = start->id.seq;

            if (start->id.seq < floor) {
                start->start.seq = floor;
                start->found = (start->id.seq < ch->evicted)
                               ? NGX_PUSH_EVICTED : NGX_PUSH_EXPIRED;
                break;
            }

            start->over = ch->sealed
                          && ngx_push_history_is_read(sh, ch, start->id.seq);
            break;
        }

        start->over = ch->deleted && ch->last == 0 && !ch->sealed
                      && ngx_push_history_is_life(start, ch->deleted);

        /* fall through */

    case NGX_PUSH_AT_LOST:
        start->found = NGX_PUSH_UNKNOWN;
        start->start.seq = floor;
        break;
    }
}


/* the number that the newest n kept ones up to "seq" begin after */

static uint64_t
ngx_push_history_back(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint64_t seq, ngx_uint_t n)
{
    uint64_t             floor;
    ngx_uint_t           i;
    ngx_push_message_t  *m;

    floor = ngx_max(ch->floor, ch->trimmed);
    i = ngx_push_log_after(sh, &ch->log, seq);

    while (i > ch->log.behind && n) {
        m = ngx_push_log_at(sh, &ch->log, --i);

        if (m->flags & NGX_PUSH_MESSAGE_KEPT) {
            seq = m->seq - 1;
            n--;
        }
    }

    return n ? floor : ngx_max(seq, floor);
}


/* an id of this life; that of another, if "id" is one of several */

static ngx_uint_t
ngx_push_history_is_known(ngx_push_channel_t *ch, ngx_push_start_t *start)
{
    ngx_uint_t  i;

    for (i = 0; i < start->more; i++) {

        if (((start->ids[i].epoch ^ ch->epoch) & NGX_PUSH_BRIEF) == 0) {
            start->id = start->ids[i];
            break;
        }
    }

    return ngx_push_history_is_life(start, ch->epoch)
           && start->id.seq <= ch->last;
}


static ngx_uint_t
ngx_push_history_is_life(ngx_push_start_t *start, uint64_t epoch)
{
    epoch ^= start->id.epoch;

    return (start->brief ? epoch & NGX_PUSH_BRIEF : epoch) == 0;
}


/* whether a replay from here has no message */

static ngx_uint_t
ngx_push_history_is_read(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint64_t seq)
{
    ngx_uint_t           i;
    ngx_push_message_t  *m;

    i = ngx_push_log_after(sh, &ch->log, seq);

    for ( /* void */ ; i < ch->log.n; i++) {
        m = ngx_push_log_at(sh, &ch->log, i);

        if (!(m->flags & NGX_PUSH_MESSAGE_COVERED)) {
            return 0;
        }
    }

    return 1;
}


uint64_t
ngx_push_history_oldest(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    if (ch->kept == 0) {
        return 0;
    }

    while (!(ngx_push_log_at(sh, &ch->log, ch->log.behind)->flags
             & NGX_PUSH_MESSAGE_KEPT))
    {
        ch->log.behind++;
    }

    return ngx_push_log_at(sh, &ch->log, ch->log.behind)->seq;
}


void
ngx_push_history_hold(ngx_push_shared_t *sh, ngx_push_bell_t *bell,
    ngx_push_message_t *m)
{
    bell->held[bell->nheld] = ngx_push_ref(sh, m);
    bell->nheld++;
    m->refs++;
}


void
ngx_push_history_release(ngx_push_shared_t *sh, ngx_push_bell_t *bell)
{
    ngx_push_message_t  *m;

    while (bell->nheld) {
        m = ngx_push_ptr(sh, bell->held[--bell->nheld]);

        if (--m->refs == 0 && !(m->flags & NGX_PUSH_MESSAGE_IN_LOG)) {
            ngx_push_message_destroy(&sh->arena, m);
        }
    }
}


uint64_t
ngx_push_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;
}


/* the zone's queue of all messages in logs, the oldest first */

static void
ngx_push_history_link(ngx_push_shared_t *sh, ngx_push_message_t *m)
{
    uint32_t             offset;
    ngx_push_message_t  *newest;

    offset = ngx_push_ref(sh, m);

    m->next = 0;
    m->prev = sh->newest;

    if (sh->newest) {
        newest = ngx_push_ptr(sh, sh->newest);
        newest->next = offset;

    } else {
        sh->oldest = offset;
    }

    sh->newest = offset;

    sh->nmessages++;
    sh->bytes += m->body_size;
}


static void
ngx_push_history_unlink(ngx_push_shared_t *sh, ngx_push_message_t *m)
{
    ngx_push_message_t  *n;

    if (m->next) {
        n = ngx_push_ptr(sh, m->next);
        n->prev = m->prev;

    } else {
        sh->newest = m->prev;
    }

    if (m->prev) {
        n = ngx_push_ptr(sh, m->prev);
        n->next = m->next;

    } else {
        sh->oldest = m->next;
    }

    sh->nmessages--;
    sh->bytes -= m->body_size;
}


void
ngx_push_history_loosen(ngx_push_channel_t *ch, ngx_push_message_t *m)
{
    m->flags &= ~NGX_PUSH_MESSAGE_KEPT;

    ch->kept--;
    ch->kept_size -= m->body_size;
    ch->loose_size += m->body_size;
}


/* its slot is closed already; what is lost raises the floor first */

void
ngx_push_history_remove(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_message_t *m, ngx_uint_t lost)
{
    if (lost) {
        ch->floor = ngx_max(ch->floor, m->seq);
        ngx_memory_barrier();
    }

    if (m->flags & NGX_PUSH_MESSAGE_KEPT) {
        ngx_push_history_loosen(ch, m);
    }

    ch->loose_size -= m->body_size;

    ngx_push_history_unlink(sh, m);

    m->flags &= ~NGX_PUSH_MESSAGE_IN_LOG;

    if (m->refs == 0) {
        ngx_push_message_destroy(&sh->arena, m);
    }
}
