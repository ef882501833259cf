
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_client.h"


/*
 * A worker that is to exit ends its clients one by one, evenly over the
 * window.  The timer is not cancelable: it keeps the worker until the last
 * client has read its last words.
 */


#define NGX_HTTP_PUSH_DRAIN_STEP  20


static void ngx_http_push_drain_begin(ngx_uint_t late);
static void ngx_http_push_drain_step(ngx_event_t *ev);
static ngx_uint_t ngx_http_push_drain_now(ngx_http_push_client_t *client);
static ngx_uint_t ngx_http_push_drain_late(ngx_http_push_client_t *client);


static ngx_event_t  ngx_http_push_drain;
static ngx_msec_t   ngx_http_push_drain_start;
static ngx_uint_t   ngx_http_push_drain_done;
static ngx_uint_t   ngx_http_push_drain_on;


void
ngx_http_push_drain_init(ngx_cycle_t *cycle)
{
    ngx_http_push_drain.handler = ngx_http_push_drain_step;
    ngx_http_push_drain.data = cycle;
    ngx_http_push_drain.log = cycle->log;

    ngx_push_hub_on_exit(ngx_http_push_drain_begin);
}


ngx_uint_t
ngx_http_push_draining(void)
{
    return ngx_http_push_drain_on || ngx_exiting;
}


ngx_uint_t
ngx_http_push_has_room(void)
{
    return !ngx_http_push_draining()
           && ngx_cycle->free_connection_n >= ngx_cycle->connection_n / 16;
}


static void
ngx_http_push_drain_begin(ngx_uint_t late)
{
    if (late) {
        ngx_http_push_wheel_walk(ngx_http_push_drain_late);
        return;
    }

    /* what is published from now on goes to another zone: end these now */

    ngx_http_push_wheel_walk(ngx_http_push_drain_now);

    if (ngx_http_push_drain_on) {
        return;
    }

    ngx_http_push_drain_on = 1;
    ngx_http_push_drain_start = ngx_current_msec;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "push: draining %ui subscribers over %M ms",
                  ngx_http_push_active_clients(),
                  ngx_http_push_drain_window((ngx_cycle_t *) ngx_cycle));

    ngx_http_push_drain_step(&ngx_http_push_drain);
}


/* the share of clients that is ended is that of the window that has gone */

static void
ngx_http_push_drain_step(ngx_event_t *ev)
{
    ngx_uint_t               all, done;
    ngx_msec_t               gone, window;
    ngx_http_push_client_t  *client;

    if (ngx_http_push_clients() == 0) {
        return;
    }

    window = ngx_http_push_drain_window((ngx_cycle_t *) ngx_cycle);
    gone = ngx_current_msec - ngx_http_push_drain_start;

    all = ngx_http_push_drain_done + ngx_http_push_active_clients();
    done = (gone < window) ? (ngx_uint_t) ((uint64_t) all * gone / window)
                           : all;

    while (ngx_http_push_drain_done < done) {
        client = ngx_http_push_wheel_next();

        if (client == NULL) {
            break;
        }

        ngx_http_push_drain_done++;
        client->transport->reconnect(client);
    }

    if (ngx_http_push_clients()) {
        ngx_add_timer(ev, NGX_HTTP_PUSH_DRAIN_STEP);
    }
}


static ngx_uint_t
ngx_http_push_drain_now(ngx_http_push_client_t *client)
{
    if (!ngx_push_zone_superseded(client->conf->zone)) {
        return 0;
    }

    client->transport->reconnect(client);

    return 1;
}


/*
 * NGINX is about to close all connections of this worker.  Clients that own
 * theirs hear of it; for the others it is now or never.
 */

static ngx_uint_t
ngx_http_push_drain_late(ngx_http_push_client_t *client)
{
    if (client->request == NULL) {
        return 0;
    }

    client->transport->reconnect(client);

    return 1;
}
