
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_push_hub.h"
#include "ngx_push_bell.h"
#include "ngx_push_channel.h"
#include "ngx_push_history.h"
#include "ngx_push_mirror.h"


/*
 * Waiting for a channel whose log is elsewhere.  A waiter keeps a listener
 * on the channel, as a subscription does: it is what the mirror sees, and
 * what it rings when the log is current.
 */


static ngx_int_t ngx_push_waiter_join(ngx_push_hub_t *hub,
    ngx_push_waiter_t *w, ngx_str_t *name, ngx_push_chime_t *chime);
static ngx_uint_t ngx_push_waiter_may_join(ngx_push_hub_t *hub,
    ngx_push_waiter_t *w, ngx_push_channel_t *ch);
static void ngx_push_waiter_move(ngx_queue_t *from, ngx_push_group_t *g,
    ngx_queue_t *to);
static void ngx_push_waiter_tell(ngx_push_hub_t *hub, ngx_queue_t *queue,
    ngx_int_t rc);
static void ngx_push_waiter_done(ngx_push_hub_t *hub, ngx_push_waiter_t *w);


ngx_uint_t
ngx_push_zone_mirrors(ngx_push_zone_t *zone)
{
    return zone->backplane->wake != NULL;
}


ngx_uint_t
ngx_push_zone_is_deaf(ngx_push_zone_t *zone)
{
    return !zone->sh->mirror.up;
}


ngx_int_t
ngx_push_hub_open(ngx_push_hub_t *hub, ngx_push_waiter_t *w, ngx_str_t *name)
{
    ngx_int_t         rc;
    ngx_push_chime_t  chime;

    w->group = NULL;
    w->hub = hub;

    if (!ngx_push_zone_mirrors(hub->zone)) {
        return NGX_OK;
    }

    ngx_memzero(&chime, sizeof(ngx_push_chime_t));

    if (ngx_push_hub_lock_spare(hub) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_push_waiter_join(hub, w, name, &chime);

    ngx_push_zone_unlock(hub->zone);

    ngx_push_bell_ring(hub->zone->sh, &chime);

    return rc;
}


static ngx_int_t
ngx_push_waiter_join(ngx_push_hub_t *hub, ngx_push_waiter_t *w,
    ngx_str_t *name, ngx_push_chime_t *chime)
{
    ngx_push_group_t    *g;
    ngx_push_shared_t   *sh;
    ngx_push_channel_t  *ch;

    sh = hub->zone->sh;

    ch = ngx_push_channel_find(sh, name);

    if (ch == NULL) {
        ch = ngx_push_channel_create(sh, name);
        if (ch == NULL) {
            return NGX_ERROR;
        }
    }

    w->since = ngx_push_lineage(ch)->asked;

    if (ngx_push_waiter_may_join(hub, w, ch)) {
        return NGX_OK;
    }

    ngx_push_channel_pin(sh, ch);

    g = ngx_push_hub_group(hub, ch);

    ngx_push_channel_unpin(sh, ch);

    if (g == NULL) {
        return NGX_ERROR;
    }

    w->group = g;
    g->nwaiters++;
    ngx_queue_insert_tail(&hub->waiters, &w->queue);

    ngx_push_mirror_want(sh, ch, chime);

    return NGX_AGAIN;
}


/*
 * A place that is not in the log, or in none of its terms, may be one that is
 * not yet known here: only a reading that has begun since then can tell.
 */

static ngx_uint_t
ngx_push_waiter_may_join(ngx_push_hub_t *hub, ngx_push_waiter_t *w,
    ngx_push_channel_t *ch)
{
    ngx_push_start_t     start;
    ngx_push_lineage_t  *lineage;

    if (!ngx_push_mirror_is_current(hub->zone, ch)) {
        return 0;
    }

    lineage = ngx_push_lineage(ch);

    if (w->start == NULL
        || w->start->at != NGX_PUSH_AT_ID
        || (int32_t) (lineage->read - w->since) > 0)
    {
        return 1;
    }

    start = *w->start;

    ngx_push_history_start(hub->zone->sh, ch, &start);

    if (start.found != NGX_PUSH_DIVERGED && start.found != NGX_PUSH_UNKNOWN) {
        return 1;
    }

    if ((int32_t) (w->since + 1 - lineage->doubted) > 0) {
        lineage->doubted = w->since + 1;
    }

    return 0;
}


void
ngx_push_hub_cancel(ngx_push_waiter_t *w)
{
    ngx_push_hub_t    *hub;
    ngx_push_group_t  *g;

    g = w->group;
    hub = w->hub;

    if (g == NULL) {
        return;
    }

    ngx_queue_remove(&w->queue);

    ngx_push_waiter_done(hub, w);
}


/* the group stays until they have joined, or have gone */

void
ngx_push_hub_check_waiters(ngx_push_hub_t *hub, ngx_push_group_t *g)
{
    ngx_queue_t        *q, *next;
    ngx_push_waiter_t  *w;

    for (q = ngx_queue_head(&hub->waiters);
         q != ngx_queue_sentinel(&hub->waiters);
         q = next)
    {
        next = ngx_queue_next(q);
        w = ngx_queue_data(q, ngx_push_waiter_t, queue);

        if (w->group == g && ngx_push_waiter_may_join(hub, w, g->channel)) {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&hub->opened, q);
        }
    }

    if (!ngx_queue_empty(&hub->opened) && !hub->open.posted) {
        ngx_post_event(&hub->open, &ngx_posted_events);
    }
}


void
ngx_push_hub_opened(ngx_event_t *ev)
{
    ngx_push_hub_t  *hub;

    hub = ev->data;

    ngx_push_waiter_tell(hub, &hub->opened, NGX_OK);
}


void
ngx_push_hub_lose_waiters(ngx_push_hub_t *hub, ngx_push_group_t *g)
{
    ngx_queue_t  lost;

    ngx_queue_init(&lost);

    ngx_push_waiter_move(&hub->waiters, g, &lost);
    ngx_push_waiter_tell(hub, &lost, NGX_ERROR);
}


static void
ngx_push_waiter_move(ngx_queue_t *from, ngx_push_group_t *g, ngx_queue_t *to)
{
    ngx_queue_t        *q, *next;
    ngx_push_waiter_t  *w;

    for (q = ngx_queue_head(from); q != ngx_queue_sentinel(from); q = next) {
        next = ngx_queue_next(q);
        w = ngx_queue_data(q, ngx_push_waiter_t, queue);

        if (w->group == g) {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(to, q);
        }
    }
}


static void
ngx_push_waiter_tell(ngx_push_hub_t *hub, ngx_queue_t *queue, ngx_int_t rc)
{
    ngx_queue_t        *q;
    ngx_push_group_t   *g;
    ngx_push_waiter_t  *w, held;

    while (!ngx_queue_empty(queue)) {
        q = ngx_queue_head(queue);
        ngx_queue_remove(q);

        w = ngx_queue_data(q, ngx_push_waiter_t, queue);
        g = w->group;

        /* it is gone once it was told */

        held.group = g;
        w->group = NULL;

        w->ready(w, rc);

        ngx_push_waiter_done(hub, &held);
    }
}


static void
ngx_push_waiter_done(ngx_push_hub_t *hub, ngx_push_waiter_t *w)
{
    ngx_push_group_t  *g;

    g = w->group;

    w->group = NULL;
    g->nwaiters--;

    if (g->held || !ngx_push_hub_is_idle(g)) {
        return;
    }

    if (ngx_push_hub_lock(hub) == NGX_OK) {
        ngx_push_hub_drop_group(hub, g);
    }

    ngx_push_zone_unlock(hub->zone);
}
