
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_hub.h"
#include "ngx_push_history.h"
#include "ngx_push_log.h"


/* what the pump takes out of a log at once, and for whom it is */


static void ngx_push_batch_fill(ngx_push_hub_t *hub, ngx_push_channel_t *ch,
    ngx_push_subscription_t *s);


uint64_t
ngx_push_batch_floor(ngx_push_channel_t *ch, ngx_push_subscription_t *s)
{
    return (s->cursor < s->joined) ? ch->floor
                                   : ngx_max(ch->floor, ch->overrun);
}


void
ngx_push_batch_take(ngx_push_hub_t *hub, ngx_push_group_t *g)
{
    ngx_push_batch_t         *b;
    ngx_push_channel_t       *ch;
    ngx_push_subscription_t  *s;

    b = &hub->batch;
    ch = g->channel;
    s = ngx_queue_data(ngx_queue_head(&g->waiting), ngx_push_subscription_t,
                       queue);

    b->zone = hub->zone;
    b->serial++;
    b->epoch = ch->epoch;
    b->replay = (s->cursor < s->joined);
    b->floor = ngx_push_batch_floor(ch, s);
    b->last = ch->last;
    b->oldest = ngx_push_history_oldest(hub->zone->sh, ch);
    b->from = ngx_max(s->cursor, b->floor);
    b->to = b->from;
    b->top = 0;
    b->n = 0;
    b->complete = 0;
    b->sealed = 0;
    b->beyond = (s->epoch == ch->epoch && s->cursor > ch->last);
    b->was = s->epoch;
    b->terms = NULL;

    if (ch->mirrored) {
        b->terms = b->copy;
        b->base = ngx_max(ch->floor, ch->trimmed);
        b->deleted = ch->deleted;
        ngx_memcpy(b->copy, ngx_push_lineage(ch)->terms, sizeof(b->copy));

        if (s->epoch != ch->epoch) {
            (void) ngx_push_batch_turn(b, s);
        }
    }

    if (s->epoch == ch->epoch
        && s->cursor >= b->floor
        && s->cursor <= ch->last)
    {
        ngx_push_batch_fill(hub, ch, s);
    }
}


static void
ngx_push_batch_fill(ngx_push_hub_t *hub, ngx_push_channel_t *ch,
    ngx_push_subscription_t *s)
{
    size_t               size;
    uint64_t             end;
    ngx_uint_t           i;
    ngx_push_batch_t    *b;
    ngx_push_shared_t   *sh;
    ngx_push_message_t  *m;

    b = &hub->batch;
    sh = hub->zone->sh;

    end = b->replay ? s->joined : ch->last;

    size = 0;
    i = ngx_push_log_after(sh, &ch->log, b->from);

    for ( /* void */ ; i < ch->log.n; i++) {
        m = ngx_push_log_at(sh, &ch->log, i);

        if (m->seq > end) {
            break;
        }

        if (b->replay && m->flags & NGX_PUSH_MESSAGE_COVERED) {
            continue;
        }

        if (b->n == NGX_PUSH_MAX_BATCH
            || (b->n && size + m->size > NGX_PUSH_BATCH_SIZE))
        {
            return;
        }

        ngx_push_history_hold(sh, hub->bell, m);

        b->messages[b->n++] = m;
        b->top = m->seq;
        b->to = m->seq;
        size += m->size;
    }

    b->to = end;
    b->complete = (end == ch->last);
    b->sealed = (b->complete && ch->sealed);
}


ngx_int_t
ngx_push_batch_turn(ngx_push_batch_t *b, ngx_push_subscription_t *s)
{
    ngx_uint_t  i;

    if (b->terms == NULL
        || (b->deleted && ((s->epoch ^ b->deleted) & NGX_PUSH_LIFE) == 0))
    {
        return NGX_PUSH_DELETED;
    }

    b->next = b->base;

    if ((s->epoch ^ b->epoch) & NGX_PUSH_LIFE) {
        return NGX_PUSH_REPLACED;
    }

    for (i = 0; i < NGX_PUSH_TERMS && b->terms[i].epoch; i++) {

        if (b->terms[i].epoch != s->epoch) {
            continue;
        }

        if (s->cursor > b->terms[i].end) {
            b->next = ngx_max(b->terms[i].end, b->base);
            return NGX_PUSH_FORKED;
        }

        s->epoch = b->epoch;
        return NGX_OK;
    }

    return NGX_PUSH_FORKED;
}
