
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_push_hub.h"
#include "ngx_push_channel.h"
#include "ngx_push_history.h"
#include "ngx_push_mirror.h"


/* joining and leaving: a worker's subscriptions of one channel */


#define NGX_PUSH_GROUPS_MIN  64


static void ngx_push_group_take_out(ngx_push_group_t *g,
    ngx_push_subscription_t *s);
static ngx_int_t ngx_push_group_reserve(ngx_push_hub_t *hub);
static ngx_int_t ngx_push_group_join(ngx_push_hub_t *hub,
    ngx_push_subscription_t *s, ngx_push_channel_t *ch,
    ngx_push_start_t *start);
static ngx_push_group_t *ngx_push_group_create(ngx_push_hub_t *hub,
    ngx_push_channel_t *ch);


ngx_int_t
ngx_push_hub_join(ngx_push_hub_t *hub, ngx_push_subscription_t *s,
    ngx_str_t *name, ngx_push_start_t *start)
{
    ngx_int_t            rc;
    ngx_push_shared_t   *sh;
    ngx_push_channel_t  *ch;

    sh = hub->zone->sh;
    rc = NGX_DECLINED;

    if (ngx_push_hub_lock_spare(hub) != NGX_OK) {
        return NGX_ERROR;
    }

    ch = ngx_push_channel_find(sh, name);

    if (ch == NULL) {
        ch = ngx_push_channel_create(sh, name);
    }

    if (ch) {
        ngx_push_channel_pin(sh, ch);
        ngx_push_history_trim(sh, ch, ngx_push_now());

        if (ngx_push_mirror_is_current(hub->zone, ch)) {
            rc = ngx_push_group_join(hub, s, ch, start);
        }

        ngx_push_channel_unpin(sh, ch);
    }

    ngx_push_zone_unlock(hub->zone);

    return rc;
}


ngx_int_t
ngx_push_hub_lock_spare(ngx_push_hub_t *hub)
{
    for ( ;; ) {

        if (ngx_push_group_reserve(hub) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_push_hub_lock(hub) == NGX_OK) {
            return NGX_OK;
        }

        /* those who were told may have joined again */

        ngx_push_zone_unlock(hub->zone);
    }
}


ngx_int_t
ngx_push_hub_resume(ngx_push_subscription_t *s)
{
    ngx_push_hub_t    *hub;
    ngx_push_group_t  *g;

    g = s->group;
    hub = g->hub;

    if (g->channel == NULL) {
        return s->deliver(s, NULL, NGX_PUSH_LOST);
    }

    ngx_push_group_take_out(g, s);
    ngx_queue_insert_tail(&g->waiting, &s->queue);
    s->away = 0;

    ngx_push_hub_queue_group(hub, g);

    return NGX_OK;
}


void
ngx_push_hub_leave(ngx_push_subscription_t *s)
{
    ngx_push_hub_t    *hub;
    ngx_push_group_t  *g;

    g = s->group;
    hub = g->hub;

    ngx_push_group_take_out(g, s);

    s->group = NULL;
    g->subscriptions--;

    if (g->listener && hub->generation == hub->zone->sh->generation) {

        /* this worker alone writes it */

        g->listener->subscribers--;
    }

    if (g->held) {
        return;
    }

    if (!ngx_push_hub_is_idle(g)) {

        if (!g->low_known) {
            ngx_push_hub_queue_group(hub, g);
        }

        return;
    }

    /* all groups without subscriptions go with a zone that is lost */

    if (ngx_push_hub_lock(hub) == NGX_OK) {
        ngx_push_hub_drop_group(hub, g);
    }

    ngx_push_zone_unlock(hub->zone);
}


void
ngx_push_hub_queue_group(ngx_push_hub_t *hub, ngx_push_group_t *g)
{
    if (!g->queued) {
        g->queued = 1;
        ngx_queue_insert_tail(&hub->work, &g->queue);
    }

    if (!hub->pump.posted) {
        ngx_post_event(&hub->pump, &ngx_posted_events);
    }
}


void
ngx_push_hub_put_away(ngx_push_group_t *g, ngx_push_subscription_t *s)
{
    ngx_queue_insert_tail(&g->away, &s->queue);
    s->away = 1;

    g->low = ngx_min(g->low, s->cursor);
}


void
ngx_push_hub_channel(ngx_push_subscription_t *s, ngx_str_t *name)
{
    ngx_push_channel_t  *ch;

    ch = s->group->channel;

    ngx_str_null(name);

    if (ch) {
        name->len = ch->name_len;
        name->data = ch->name;
    }
}


void
ngx_push_hub_drop_group(ngx_push_hub_t *hub, ngx_push_group_t *g)
{
    if (g->listener) {
        ngx_push_channel_unlisten(hub->zone->sh, g->listener);
    }

    if (g->queued) {
        ngx_queue_remove(&g->queue);
    }

    hub->groups[g->slot] = (ngx_push_group_t *) hub->free;
    hub->free = (uintptr_t) g->slot << 1 | 1;

    ngx_free(g);
}


static void
ngx_push_group_take_out(ngx_push_group_t *g, ngx_push_subscription_t *s)
{
    ngx_queue_remove(&s->queue);
    ngx_queue_init(&s->queue);

    if (s->cursor == g->low) {
        g->low_known = 0;
    }
}


/* memory for one more group, and a slot for it */

static ngx_int_t
ngx_push_group_reserve(ngx_push_hub_t *hub)
{
    ngx_uint_t          i, n;
    ngx_push_group_t  **groups;

    if (hub->spare == NULL) {
        hub->spare = ngx_alloc(sizeof(ngx_push_group_t), ngx_cycle->log);
        if (hub->spare == NULL) {
            return NGX_ERROR;
        }
    }

    if (hub->free) {
        return NGX_OK;
    }

    n = ngx_max(hub->ngroups * 2, NGX_PUSH_GROUPS_MIN);

    groups = ngx_alloc(n * sizeof(ngx_push_group_t *), ngx_cycle->log);
    if (groups == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < hub->ngroups; i++) {
        groups[i] = hub->groups[i];
    }

    for (i = n; i-- > hub->ngroups; /* void */ ) {
        groups[i] = (ngx_push_group_t *) hub->free;
        hub->free = (uintptr_t) i << 1 | 1;
    }

    if (hub->groups) {
        ngx_free(hub->groups);
    }

    hub->groups = groups;
    hub->ngroups = n;

    return NGX_OK;
}


static ngx_int_t
ngx_push_group_join(ngx_push_hub_t *hub, ngx_push_subscription_t *s,
    ngx_push_channel_t *ch, ngx_push_start_t *start)
{
    ngx_push_group_t     *g;
    ngx_push_shared_t    *sh;
    ngx_push_listener_t  *l;

    sh = hub->zone->sh;

    g = ngx_push_hub_group(hub, ch);
    if (g == NULL) {
        return NGX_DECLINED;
    }

    l = g->listener;

    ngx_push_history_start(sh, ch, start);

    s->group = g;
    s->epoch = start->start.epoch;
    s->cursor = start->start.seq;
    s->joined = ch->last;
    ngx_push_hub_put_away(g, s);

    g->subscriptions++;
    l->subscribers++;

    /* what it is to get must not be cleaned away before it had its turn */

    l->passed = ngx_min(l->passed, s->cursor);
    ch->cleaned = ngx_min(ch->cleaned, s->cursor);

    sh->stats[NGX_PUSH_STAT_JOINED]++;

    if (start->found != NGX_PUSH_COMPLETE) {
        sh->stats[NGX_PUSH_STAT_GAPS]++;
    }

    return NGX_OK;
}


ngx_push_group_t *
ngx_push_hub_group(ngx_push_hub_t *hub, ngx_push_channel_t *ch)
{
    ngx_push_listener_t  *l;

    l = ngx_push_channel_listener(hub->zone->sh, ch, hub->number);

    return l ? hub->groups[l->slot] : ngx_push_group_create(hub, ch);
}


static ngx_push_group_t *
ngx_push_group_create(ngx_push_hub_t *hub, ngx_push_channel_t *ch)
{
    ngx_push_group_t     *g;
    ngx_push_listener_t  *l;

    l = ngx_push_channel_listen(hub->zone->sh, ch, hub->number);
    if (l == NULL) {
        return NULL;
    }

    g = hub->spare;
    hub->spare = NULL;

    g->hub = hub;
    g->listener = l;
    g->channel = ch;
    g->subscriptions = 0;
    g->held = 0;
    g->queued = 0;
    g->low_known = 0;
    g->low = 0;
    ngx_queue_init(&g->waiting);
    ngx_queue_init(&g->served);
    ngx_queue_init(&g->away);
    g->nwaiters = 0;

    g->slot = hub->free >> 1;
    l->slot = g->slot;

    hub->free = (uintptr_t) hub->groups[g->slot];
    hub->groups[g->slot] = g;

    return g;
}
