
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/eventfd.h>

#include "ngx_push_hub.h"
#include "ngx_push_bell.h"
#include "ngx_push_channel.h"


#define NGX_PUSH_TICK  1000

/* the last free slot holds nothing */

#define ngx_push_hub_is_group(g)  ((g) != NULL && !((uintptr_t) (g) & 1))


static ngx_int_t ngx_push_hub_claim(ngx_push_hub_t *hub);
static ngx_int_t ngx_push_hub_listen(ngx_push_hub_t *hub);
static void ngx_push_hub_rung(ngx_event_t *rev);
static void ngx_push_hub_tick(ngx_event_t *ev);
static void ngx_push_hub_lost(ngx_push_hub_t *hub);
static void ngx_push_hub_lose(ngx_push_group_t *g, ngx_queue_t *queue);


static ngx_push_exit_pt  ngx_push_hub_exit_handler;


ngx_int_t
ngx_push_hub_start(ngx_push_zone_t *zone)
{
    ngx_push_hub_t  *hub;

    hub = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_push_hub_t));
    if (hub == NULL) {
        return NGX_ERROR;
    }

    hub->zone = zone;
    hub->generation = zone->sh->generation;
    ngx_queue_init(&hub->work);
    ngx_queue_init(&hub->waiters);
    ngx_queue_init(&hub->opened);

    hub->open.handler = ngx_push_hub_opened;
    hub->open.data = hub;
    hub->open.log = ngx_cycle->log;

    hub->pump.handler = ngx_push_hub_pump;
    hub->pump.data = hub;
    hub->pump.log = ngx_cycle->log;

    hub->tick.handler = ngx_push_hub_tick;
    hub->tick.data = hub;
    hub->tick.log = ngx_cycle->log;
    hub->tick.cancelable = 1;

    switch (ngx_push_hub_claim(hub)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "zone \"%V\" has no place for another worker, this one "
                      "takes no subscribers until an old one has gone",
                      ngx_push_zone_name(zone));
        break;

    default:
        return NGX_ERROR;
    }

    ngx_add_timer(&hub->tick, NGX_PUSH_TICK);

    return NGX_OK;
}


void
ngx_push_hub_stop(ngx_push_hub_t *hub)
{
    int                fd;
    ngx_uint_t         i;
    ngx_push_group_t  *g;

    hub->zone->hub = NULL;

    ngx_push_zone_lock(hub->zone);

    if (hub->generation == hub->zone->sh->generation) {
        ngx_push_zone_sweep(hub->zone->sh, hub->bell);
    }

    hub->bell->pid = 0;

    ngx_push_zone_unlock(hub->zone);

    for (i = 0; i < hub->ngroups; i++) {
        g = hub->groups[i];

        if (ngx_push_hub_is_group(g)) {
            ngx_free(g);
        }
    }

    ngx_free(hub->groups);
    ngx_free(hub->spare);

    if (hub->tick.timer_set) {
        ngx_del_timer(&hub->tick);
    }

    if (hub->open.posted) {
        ngx_delete_posted_event(&hub->open);
    }

    fd = hub->connection->fd;

    ngx_free_connection(hub->connection);
    hub->connection->fd = (ngx_socket_t) -1;

    (void) ngx_close_file(fd);
}


ngx_push_hub_t *
ngx_push_hub(ngx_push_zone_t *zone)
{
    return zone->hub;
}


void
ngx_push_hub_gauge(ngx_push_hub_t *hub, ngx_uint_t gauge, ngx_int_t n)
{
    /* this worker alone writes it */

    hub->bell->gauges[gauge] += n;
}


void
ngx_push_hub_on_exit(ngx_push_exit_pt handler)
{
    ngx_push_hub_exit_handler = handler;
}


ngx_int_t
ngx_push_hub_lock(ngx_push_hub_t *hub)
{
    ngx_push_zone_lock(hub->zone);

    if (hub->generation == hub->zone->sh->generation) {
        return NGX_OK;
    }

    hub->generation = hub->zone->sh->generation;

    ngx_push_zone_unlock(hub->zone);

    ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                  "zone \"%V\" was damaged and begins anew, "
                  "all its subscribers are to reconnect",
                  ngx_push_zone_name(hub->zone));

    ngx_push_hub_lost(hub);

    ngx_push_zone_lock(hub->zone);

    return NGX_DECLINED;
}


/* NGX_DECLINED: all bells are taken */

static ngx_int_t
ngx_push_hub_claim(ngx_push_hub_t *hub)
{
    ngx_push_zone_t  *zone;

    zone = hub->zone;

    /* bells of the dead first: maybe none but them is left */

    ngx_push_zone_tick(zone);

    ngx_push_zone_lock(zone);
    hub->number = ngx_push_bell_claim(zone->sh);
    ngx_push_zone_unlock(zone);

    if (hub->number == NGX_PUSH_NO_BELL) {
        return NGX_DECLINED;
    }

    hub->bell = &ngx_push_bells(zone->sh)[hub->number];

    if (ngx_push_hub_listen(hub) != NGX_OK) {
        hub->bell->pid = 0;
        hub->bell = NULL;
        return NGX_ERROR;
    }

    zone->hub = hub;

    return NGX_OK;
}


/*
 * An idle connection of NGINX on an eventfd: idle, so that its handler hears
 * of a graceful exit.  A bell without an eventfd gets one that never rings.
 */

static ngx_int_t
ngx_push_hub_listen(ngx_push_hub_t *hub)
{
    int                 fd;
    ngx_connection_t   *c;
    ngx_push_shared_t  *sh;

    sh = hub->zone->sh;

    if (hub->number < sh->nfds) {
        fd = sh->fds[hub->number];

    } else {
        fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

        if (fd == -1) {
            ngx_log_error(NGX_LOG_EMERG, ngx_cycle->log, ngx_errno,
                          "eventfd() failed");
            return NGX_ERROR;
        }
    }

    c = ngx_get_connection(fd, ngx_cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = hub;
    c->idle = 1;
    c->log = ngx_cycle->log;

    c->read->handler = ngx_push_hub_rung;
    c->read->log = ngx_cycle->log;
    c->write->log = ngx_cycle->log;

    hub->connection = c;

    return ngx_add_event(c->read, NGX_READ_EVENT, NGX_CLEAR_EVENT);
}


static void
ngx_push_hub_rung(ngx_event_t *rev)
{
    uint64_t           n;
    ngx_uint_t         late;
    ngx_push_hub_t    *hub;
    ngx_connection_t  *c;

    c = rev->data;

    if (c->close) {
        late = c->error;

        c->close = 0;
        c->error = 0;

        hub = c->data;

        if (hub->zone->backplane->leave) {
            hub->zone->backplane->leave(hub->zone);
        }

        if (ngx_push_hub_exit_handler) {
            ngx_push_hub_exit_handler(late);
        }

        return;
    }

    (void) ! read(c->fd, &n, sizeof(uint64_t));

    hub = c->data;

    ngx_push_hub_pump(&hub->pump);

    if (hub->zone->sh->mirror.nwanted && hub->zone->backplane->wake) {
        hub->zone->backplane->wake(hub->zone);
    }
}


static void
ngx_push_hub_tick(ngx_event_t *ev)
{
    ngx_push_hub_t  *hub;

    hub = ev->data;

    ngx_push_zone_tick(hub->zone);

    if (hub->bell == NULL && ngx_push_hub_claim(hub) != NGX_OK) {
        ngx_add_timer(ev, NGX_PUSH_TICK);
        return;
    }

    if (hub->bell->ready || hub->generation != hub->zone->sh->generation) {
        ngx_push_hub_pump(&hub->pump);
    }

    if (hub->zone->backplane->tick) {
        hub->zone->backplane->tick(hub->zone);
    }

    if (ngx_push_zone_superseded(hub->zone) && ngx_push_hub_exit_handler) {
        ngx_push_hub_exit_handler(0);
    }

    ngx_add_timer(ev, NGX_PUSH_TICK);
}


static void
ngx_push_hub_lost(ngx_push_hub_t *hub)
{
    ngx_uint_t         i;
    ngx_push_group_t  *g;

    for (i = 0; i < hub->ngroups; i++) {
        g = hub->groups[i];

        if (ngx_push_hub_is_group(g)) {
            g->listener = NULL;
            g->channel = NULL;
        }
    }

    for (i = 0; i < hub->ngroups; i++) {
        g = hub->groups[i];

        if (!ngx_push_hub_is_group(g) || g->channel) {

            /* none, or one that somebody has joined meanwhile */

            continue;
        }

        g->held++;

        ngx_push_hub_lose(g, &g->waiting);
        ngx_push_hub_lose(g, &g->served);
        ngx_push_hub_lose_waiters(hub, g);

        g->held--;

        if (ngx_push_hub_is_idle(g) && g->held == 0) {
            ngx_push_hub_drop_group(hub, g);
        }
    }
}


static void
ngx_push_hub_lose(ngx_push_group_t *g, ngx_queue_t *queue)
{
    ngx_queue_t              *q;
    ngx_push_subscription_t  *s;

    while (!ngx_queue_empty(queue)) {
        q = ngx_queue_head(queue);
        ngx_queue_remove(q);
        ngx_queue_init(q);

        s = ngx_queue_data(q, ngx_push_subscription_t, queue);

        (void) s->deliver(s, NULL, NGX_PUSH_LOST);
    }
}
