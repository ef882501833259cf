
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_history.h"
#include "ngx_push_log.h"


static void ngx_push_history_link(ngx_push_shared_t *sh,
    ngx_push_message_t *m);
static void ngx_push_history_unlink(ngx_push_shared_t *sh,
    ngx_push_message_t *m);


void
ngx_push_history_append(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_message_t *m, ngx_push_publish_t *p, uint64_t seq)
{
    uint64_t       now;
    ngx_push_id_t  id;

    now = ngx_push_now();

    id.epoch = ch->epoch;
    id.seq = seq;

    if (ch->mirrored) {
        id.epoch = ngx_push_terms_epoch(ngx_push_lineage(ch)->terms, id.epoch,
                                        seq);
    }

    m->seq = seq;
    m->time = p->time ? p->time : now;
    m->time = ngx_max(m->time, ch->last_publish);
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


/* "last" goes first: what is cut short is seen as a hole, and read again */

void
ngx_push_history_rewind(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint64_t seq)
{
    uint32_t              offset;
    ngx_uint_t            i;
    ngx_push_message_t   *m;
    ngx_push_listener_t  *l;

    ch->last = seq;
    ch->sealed = 0;
    ngx_memory_barrier();

    while (ch->log.n) {
        i = ch->log.n - 1;
        m = ngx_push_log_at(sh, &ch->log, i);

        if (m->seq <= seq) {
            break;
        }

        ngx_push_log_slot(sh, &ch->log, i)->message = 0;
        ngx_push_log_close(sh, &ch->log, i, i + 1);
        ngx_push_history_remove(sh, ch, m, 0);
    }

    ch->floor = ngx_min(ch->floor, seq);
    ch->overrun = ngx_min(ch->overrun, seq);
    ch->trimmed = ngx_min(ch->trimmed, seq);
    ch->evicted = ngx_min(ch->evicted, seq);
    ch->cleaned = ngx_min(ch->cleaned, seq);

    for (offset = ch->listeners; offset; offset = l->block.link) {
        l = ngx_push_ptr(sh, offset);
        l->passed = ngx_min(l->passed, seq);
    }

    ngx_push_log_shrink(sh, ch);
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
