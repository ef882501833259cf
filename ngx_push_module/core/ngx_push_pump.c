
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_push_hub.h"
#include "ngx_push_bell.h"
#include "ngx_push_history.h"
#include "ngx_push_log.h"


/*
 * The pump: replay, live delivery and catching up, all by one loop.  It
 * takes messages after the cursor of the first subscription that waits, and
 * hands them to all that stand where these messages begin.
 */


/* a place in this log: of its epoch, or of a term of the same life */

#define ngx_push_pump_is_of(ch, s)                                           \
    ((s)->epoch == (ch)->epoch                                               \
     || ((ch)->mirrored                                                      \
         && (((s)->epoch ^ (ch)->epoch) & NGX_PUSH_LIFE) == 0                \
         && (s)->cursor <= (ch)->last))

/* writes in one turn of the event loop */
#define NGX_PUSH_SLICE  256


static void ngx_push_pump_collect(ngx_push_hub_t *hub);
static ngx_push_group_t *ngx_push_pump_next(ngx_push_hub_t *hub);
static void ngx_push_pump_pass(ngx_push_hub_t *hub, ngx_push_group_t *g);
static void ngx_push_pump_low(ngx_push_group_t *g);
static ngx_uint_t ngx_push_pump_serve(ngx_push_hub_t *hub,
    ngx_push_group_t *g, ngx_uint_t budget);
static ngx_int_t ngx_push_pump_what(ngx_push_batch_t *b,
    ngx_push_subscription_t *s);
static void ngx_push_pump_deliver(ngx_push_hub_t *hub, ngx_push_group_t *g,
    ngx_push_subscription_t *s, ngx_uint_t what);
static void ngx_push_pump_count(ngx_push_hub_t *hub, uint64_t from,
    uint64_t to);


void
ngx_push_hub_pump(ngx_event_t *ev)
{
    ngx_uint_t         budget;
    ngx_push_hub_t    *hub;
    ngx_push_group_t  *g;

    hub = ev->data;
    budget = NGX_PUSH_SLICE;

    if (hub->current) {

        /* called from inside a delivery: the outer one goes on */

        return;
    }

    (void) ngx_push_hub_lock(hub);

    for ( ;; ) {
        ngx_push_pump_collect(hub);

        g = ngx_push_pump_next(hub);

        if (g == NULL || budget == 0) {
            break;
        }

        ngx_push_batch_take(hub, g);

        ngx_push_zone_unlock(hub->zone);

        hub->current = g;
        g->held++;

        budget -= ngx_push_pump_serve(hub, g, budget);

        if (ngx_push_hub_lock(hub) == NGX_OK) {
            ngx_push_history_release(hub->zone->sh, hub->bell);
        }

        hub->current = NULL;
        g->held--;

        if (ngx_push_hub_is_idle(g)) {
            ngx_push_hub_drop_group(hub, g);
        }
    }

    hub->zone->sh->stats[NGX_PUSH_STAT_DELIVERED] += hub->delivered;
    hub->delivered = 0;

    if (g == NULL) {
        hub->bell->rung = 0;
    }

    ngx_push_zone_unlock(hub->zone);

    if (g && !hub->pump.posted) {
        ngx_post_event(&hub->pump, &ngx_posted_next_events);
    }
}


/* all that have been served lack something where there is news */

static void
ngx_push_pump_collect(ngx_push_hub_t *hub)
{
    ngx_push_group_t     *g;
    ngx_push_listener_t  *l;

    for ( ;; ) {
        l = ngx_push_bell_next_ready(hub->zone->sh, hub->bell);

        if (l == NULL) {
            return;
        }

        g = hub->groups[l->slot];

        if (g->nwaiters) {
            ngx_push_hub_check_waiters(hub, g);
        }

        if (!ngx_queue_empty(&g->served)) {
            ngx_queue_add(&g->waiting, &g->served);
            ngx_queue_init(&g->served);
        }

        if (!g->queued) {
            g->queued = 1;
            ngx_queue_insert_tail(&hub->work, &g->queue);
        }
    }
}


/* a group where someone waits; those without have passed the log's end */

static ngx_push_group_t *
ngx_push_pump_next(ngx_push_hub_t *hub)
{
    ngx_queue_t         *q;
    ngx_push_group_t    *g;

    while (!ngx_queue_empty(&hub->work)) {
        q = ngx_queue_head(&hub->work);
        g = ngx_queue_data(q, ngx_push_group_t, queue);

        ngx_queue_remove(q);

        if (!ngx_queue_empty(&g->waiting)) {
            ngx_queue_insert_tail(&hub->work, q);
            return g;
        }

        g->queued = 0;

        if (g->channel && g->listener->passed < g->channel->last) {
            ngx_push_pump_pass(hub, g);
        }
    }

    return NULL;
}


static void
ngx_push_pump_pass(ngx_push_hub_t *hub, ngx_push_group_t *g)
{
    uint64_t             passed;
    ngx_push_channel_t  *ch;

    ch = g->channel;

    if (!g->low_known || g->low < ngx_max(ch->floor, ch->overrun)) {
        ngx_push_pump_low(g);
    }

    passed = ngx_min(ch->last, g->low);

    if (g->listener->passed < passed) {
        g->listener->passed = passed;
        ngx_push_history_trim(hub->zone->sh, ch, ngx_push_now());
    }
}


/* those whose next messages are lost already hold nothing back */

static void
ngx_push_pump_low(ngx_push_group_t *g)
{
    ngx_queue_t              *q;
    ngx_push_channel_t       *ch;
    ngx_push_subscription_t  *s;

    ch = g->channel;

    g->low = (uint64_t) -1;
    g->low_known = 1;

    for (q = ngx_queue_head(&g->away);
         q != ngx_queue_sentinel(&g->away);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_push_subscription_t, queue);

        if (ngx_push_pump_is_of(ch, s)
            && s->cursor >= ngx_push_batch_floor(ch, s))
        {
            g->low = ngx_min(g->low, s->cursor);
        }
    }
}


static ngx_uint_t
ngx_push_pump_serve(ngx_push_hub_t *hub, ngx_push_group_t *g,
    ngx_uint_t budget)
{
    ngx_int_t                 what;
    ngx_uint_t                n;
    ngx_queue_t              *q;
    ngx_push_batch_t         *b;
    ngx_push_subscription_t  *s;

    b = &hub->batch;

    for (n = 0; n < budget && !ngx_queue_empty(&g->waiting); /* void */ ) {
        q = ngx_queue_head(&g->waiting);
        s = ngx_queue_data(q, ngx_push_subscription_t, queue);

        what = ngx_push_pump_what(b, s);

        if (what == NGX_DECLINED) {
            break;
        }

        ngx_queue_remove(q);
        ngx_queue_init(q);

        if (what == NGX_DONE) {
            s->cursor = b->to;
            ngx_queue_insert_tail(b->complete ? &g->served : &g->waiting, q);

            if (b->complete && s->asking) {
                s->asking = 0;
                (void) s->deliver(s, b, NGX_PUSH_NOTHING);
                n++;
            }

            continue;
        }

        ngx_push_pump_deliver(hub, g, s, what);
        n++;
    }

    return n;
}


/* NGX_DECLINED: another batch is for it, NGX_DONE: it has all of this one */

static ngx_int_t
ngx_push_pump_what(ngx_push_batch_t *b, ngx_push_subscription_t *s)
{
    ngx_int_t  rc;

    /* one that has joined meanwhile may be ahead of what was taken */

    if (s->epoch != b->epoch) {

        if (s->epoch != b->was) {
            return NGX_DECLINED;
        }

        rc = ngx_push_batch_turn(b, s);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (s->cursor > b->last) {

        if (!b->beyond) {
            return NGX_DECLINED;
        }

        b->beyond = 0;
        b->next = b->last;

        return NGX_PUSH_FORKED;
    }

    if ((s->cursor < s->joined) != b->replay) {
        return NGX_DECLINED;
    }

    /* most are live and stand where the batch begins */

    if (s->cursor == b->from && b->top > s->cursor && !b->replay) {
        return NGX_PUSH_MESSAGES;
    }

    if (s->cursor < b->floor) {
        b->next = b->floor;
        return NGX_PUSH_OVERRUN;
    }

    if (s->cursor < b->from
        || s->cursor > b->to
        || (s->cursor == b->to && !b->complete)
        || (b->replay && b->to > s->joined))
    {
        return NGX_DECLINED;
    }

    if (b->top > s->cursor) {
        return NGX_PUSH_MESSAGES;
    }

    return b->sealed ? NGX_PUSH_ENDED : NGX_DONE;
}


static void
ngx_push_pump_deliver(ngx_push_hub_t *hub, ngx_push_group_t *g,
    ngx_push_subscription_t *s, ngx_uint_t what)
{
    uint64_t           cursor;
    ngx_int_t          rc;
    ngx_uint_t         gap;
    ngx_queue_t       *queue;
    ngx_push_batch_t  *b;

    b = &hub->batch;
    cursor = s->cursor;
    gap = (what >= NGX_PUSH_OVERRUN && what <= NGX_PUSH_REPLACED);

    rc = s->deliver(s, b, what);

    if (rc == NGX_DONE) {
        return;
    }

    if (rc == NGX_OK && g->channel == NULL) {

        /* the zone was lost while it stood in no queue */

        (void) s->deliver(s, NULL, NGX_PUSH_LOST);
        return;
    }

    if (gap
        && (rc == NGX_OK
            || (s->epoch == b->epoch && s->cursor == b->next)))
    {
        /* what is left up to here is no longer live */

        s->epoch = b->epoch;
        s->cursor = b->next;
        s->joined = b->last;
    }

    if (rc == NGX_AGAIN) {
        ngx_push_pump_count(hub, cursor, s->cursor);

        if (ngx_queue_empty(&s->queue)) {
            ngx_push_hub_put_away(g, s);
        }

        return;
    }

    if (!ngx_queue_empty(&s->queue)) {
        ngx_queue_remove(&s->queue);
        ngx_queue_init(&s->queue);
    }

    if (gap) {
        ngx_queue_insert_head(&g->waiting, &s->queue);
        return;
    }

    if (what != NGX_PUSH_MESSAGES) {

        /* nothing is to come; it will leave */

        return;
    }

    s->cursor = b->to;

    if (cursor == b->from) {
        hub->delivered += b->n;

    } else {
        ngx_push_pump_count(hub, cursor, b->to);
    }

    queue = (b->complete && !b->sealed) ? &g->served : &g->waiting;

    ngx_queue_insert_tail(queue, &s->queue);
}


static void
ngx_push_pump_count(ngx_push_hub_t *hub, uint64_t from, uint64_t to)
{
    ngx_uint_t         i;
    ngx_push_batch_t  *b;

    b = &hub->batch;

    for (i = b->n; i-- > 0 && b->messages[i]->seq > from; /* void */ ) {
        hub->delivered += (b->messages[i]->seq <= to);
    }
}
