
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_history.h"
#include "ngx_push_log.h"


/* what goes out of a log: by a newer message, by age, by the rules */


/* messages a millisecond */
#define NGX_PUSH_EXPIRE_PACE  256


static void ngx_push_history_collapse(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch);
static void ngx_push_history_expire(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch, uint64_t now);
static void ngx_push_history_limit(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch, uint64_t now);
static void ngx_push_history_clean(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch);
static uint64_t ngx_push_history_passed(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch);


void
ngx_push_history_complete(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint64_t now)
{
    if (ch->log.n) {
        ngx_push_history_collapse(sh, ch);
    }

    ngx_push_history_trim(sh, ch, now);
}


void
ngx_push_history_trim(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint64_t now)
{
    if (ch->expiry && ch->expiry <= now) {
        ngx_push_history_expire(sh, ch, now);
    }

    ngx_push_history_limit(sh, ch, now);

    if (ch->cleaned < ch->last) {
        ngx_push_history_clean(sh, ch);
    }

    ngx_push_log_shrink(sh, ch);
}


/* RFC 8030, 5.4: only the newest message of a topic is kept */

static void
ngx_push_history_collapse(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    uint32_t             topic;
    ngx_str_t            word, name;
    ngx_uint_t           i;
    ngx_push_slot_t     *slot;
    ngx_push_message_t  *m, *old;

    m = ngx_push_log_at(sh, &ch->log, ch->log.n - 1);

    if (m->topic == 0 || m->seq != ch->last) {
        return;
    }

    ngx_push_message_words(m, &word, &word, &name, &word);
    topic = ngx_push_log_topic(&name);

    for (i = ch->log.n - 1; i-- > 0; /* void */ ) {
        slot = ngx_push_log_slot(sh, &ch->log, i);

        if (slot->topic != topic) {
            continue;
        }

        old = ngx_push_ptr(sh, slot->message);

        if (!(old->flags & NGX_PUSH_MESSAGE_KEPT)
            || !ngx_push_message_has_topic(old, &name))
        {
            continue;
        }

        old->flags |= NGX_PUSH_MESSAGE_COVERED;
        ngx_push_history_loosen(ch, old);

        if (old->seq <= ch->cleaned) {
            slot->message = 0;
            ngx_push_log_close(sh, &ch->log, i, i + 1);
            ngx_push_history_remove(sh, ch, old, 0);
        }

        return;
    }
}


/* messages that outlived their own TTL */

static void
ngx_push_history_expire(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint64_t now)
{
    uint64_t             next;
    ngx_uint_t           i, n;
    ngx_push_message_t  *m;

    next = 0;
    n = ch->log.n;

    for (i = 0; i < n; i++) {
        m = ngx_push_log_at(sh, &ch->log, i);

        if (!(m->flags & NGX_PUSH_MESSAGE_KEPT)
            || m->ttl == NGX_PUSH_NO_TTL)
        {
            continue;
        }

        if (ngx_push_message_expires(m) > now) {

            if (next == 0 || ngx_push_message_expires(m) < next) {
                next = ngx_push_message_expires(m);
            }

            continue;
        }

        m->flags |= NGX_PUSH_MESSAGE_COVERED;
        ngx_push_history_loosen(ch, m);

        if (m->seq <= ch->cleaned) {
            ngx_push_log_slot(sh, &ch->log, i)->message = 0;
            ngx_push_history_remove(sh, ch, m, 0);
        }
    }

    ngx_push_log_close(sh, &ch->log, 0, n);

    /* a long log is not gone through at each publish */

    if (next) {
        next = ngx_max(next, now + n / NGX_PUSH_EXPIRE_PACE);
    }

    ch->expiry = next;
}


static void
ngx_push_history_limit(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint64_t now)
{
    ngx_push_log_t      *log;
    ngx_push_message_t  *m;

    log = &ch->log;

    while (ngx_push_history_oldest(sh, ch)) {

        m = ngx_push_log_at(sh, log, log->behind);

        if (ch->kept <= ch->count
            && (ch->max_size == 0 || ch->kept_size <= ch->max_size)
            && (ch->ttl == 0 || m->time + ch->ttl > now))
        {
            break;
        }

        ch->trimmed = m->seq;
        ngx_memory_barrier();

        ngx_push_history_loosen(ch, m);

        if (m->seq > ch->cleaned) {
            continue;
        }

        ngx_push_log_slot(sh, log, log->behind)->message = 0;
        ngx_push_log_close(sh, log, log->behind, log->behind + 1);
        ngx_push_history_remove(sh, ch, m, 1);
    }
}


/*
 * Removes what is loose and passed by all, and then, the oldest first, what
 * is more than the backlog.
 */

static void
ngx_push_history_clean(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    uint64_t             passed;
    ngx_uint_t           i, j;
    ngx_push_message_t  *m;

    passed = ngx_push_history_passed(sh, ch);

    if (passed <= ch->cleaned && ch->loose_size <= ch->backlog) {
        return;
    }

    i = ngx_push_log_after(sh, &ch->log, ch->cleaned);

    for (j = i; j < ch->log.n; j++) {
        m = ngx_push_log_at(sh, &ch->log, j);

        /* the newest one has its chance, however large it is */

        if (m->seq > passed
            && (ch->loose_size <= ch->backlog || m->seq == ch->last))
        {
            break;
        }

        if (m->flags & NGX_PUSH_MESSAGE_KEPT) {

            /* whoever reads live still lacks it, unless a later one goes */

            continue;
        }

        ch->cleaned = m->seq;

        if (m->seq > passed) {
            ch->overrun = ngx_max(ch->overrun, m->seq);
            ngx_memory_barrier();

            sh->stats[NGX_PUSH_STAT_OVERRUN]++;
        }

        ngx_push_log_slot(sh, &ch->log, j)->message = 0;
        ngx_push_history_remove(sh, ch, m,
                                !(m->flags & NGX_PUSH_MESSAGE_COVERED));
    }

    if (j > i) {
        ngx_push_log_close(sh, &ch->log, i, j);
    }

    ch->cleaned = ngx_max(ch->cleaned, passed);
}


static uint64_t
ngx_push_history_passed(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    uint32_t              offset;
    uint64_t              passed;
    ngx_push_listener_t  *l;

    passed = ch->last;

    for (offset = ch->listeners; offset; offset = l->block.link) {
        l = ngx_push_ptr(sh, offset);
        passed = ngx_min(passed, l->passed);
    }

    return passed;
}
