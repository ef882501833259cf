
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_client.h"


/*
 * One timer for all clients of a worker: a wheel of a slot a second, where
 * each client hangs in the slot of its next due time.
 */


#define NGX_HTTP_PUSH_SLOTS  64


static void ngx_http_push_wheel_tick(ngx_event_t *ev);
static void ngx_http_push_wheel_turn(ngx_queue_t *slot, uint32_t now);
static void ngx_http_push_wheel_linger_out(uint32_t now);


static ngx_queue_t  ngx_http_push_slots[NGX_HTTP_PUSH_SLOTS];
static ngx_queue_t  ngx_http_push_lingering;
static ngx_event_t  ngx_http_push_wheel;
static uint32_t     ngx_http_push_wheel_now;


void
ngx_http_push_wheel_init(ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_PUSH_SLOTS; i++) {
        ngx_queue_init(&ngx_http_push_slots[i]);
    }

    ngx_queue_init(&ngx_http_push_lingering);

    ngx_http_push_wheel_now = ngx_http_push_seconds();

    ngx_http_push_wheel.handler = ngx_http_push_wheel_tick;
    ngx_http_push_wheel.data = cycle;
    ngx_http_push_wheel.log = cycle->log;
    ngx_http_push_wheel.cancelable = 1;

    ngx_add_timer(&ngx_http_push_wheel, 1000);
}


uint32_t
ngx_http_push_seconds(void)
{
    return ngx_current_msec / 1000;
}


/* a due time that is past comes with the next tick */

void
ngx_http_push_wheel_add(ngx_http_push_client_t *client)
{
    uint32_t  due;

    due = ngx_max(client->due, ngx_http_push_wheel_now + 1);

    ngx_queue_remove(&client->queue);
    ngx_queue_insert_tail(&ngx_http_push_slots[due % NGX_HTTP_PUSH_SLOTS],
                          &client->queue);
}


void
ngx_http_push_wheel_linger(ngx_http_push_client_t *client)
{
    client->due = ngx_http_push_seconds() + NGX_HTTP_PUSH_LINGER;

    ngx_queue_remove(&client->queue);
    ngx_queue_insert_tail(&ngx_http_push_lingering, &client->queue);
}


ngx_http_push_client_t *
ngx_http_push_wheel_next(void)
{
    ngx_uint_t         i;
    ngx_queue_t       *q;
    static ngx_uint_t  slot;

    for (i = 0; i < NGX_HTTP_PUSH_SLOTS; i++) {
        slot = (slot + 1) % NGX_HTTP_PUSH_SLOTS;

        if (!ngx_queue_empty(&ngx_http_push_slots[slot])) {
            q = ngx_queue_head(&ngx_http_push_slots[slot]);
            return ngx_queue_data(q, ngx_http_push_client_t, queue);
        }
    }

    return NULL;
}


void
ngx_http_push_wheel_walk(ngx_uint_t (*handler)(ngx_http_push_client_t *client))
{
    ngx_uint_t               i;
    ngx_queue_t              all, *q;
    ngx_http_push_client_t  *client;

    ngx_queue_init(&all);

    for (i = 0; i < NGX_HTTP_PUSH_SLOTS; i++) {
        if (!ngx_queue_empty(&ngx_http_push_slots[i])) {
            ngx_queue_add(&all, &ngx_http_push_slots[i]);
            ngx_queue_init(&ngx_http_push_slots[i]);
        }
    }

    while (!ngx_queue_empty(&all)) {
        q = ngx_queue_head(&all);
        client = ngx_queue_data(q, ngx_http_push_client_t, queue);

        if (!handler(client)) {
            ngx_http_push_wheel_add(client);
        }
    }
}


/* without waiting any longer */

void
ngx_http_push_wheel_close(void)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&ngx_http_push_lingering)) {
        q = ngx_queue_head(&ngx_http_push_lingering);
        ngx_http_push_client_close(ngx_queue_data(q, ngx_http_push_client_t,
                                                  queue));
    }
}


static void
ngx_http_push_wheel_tick(ngx_event_t *ev)
{
    uint32_t    now;
    ngx_uint_t  n;

    now = ngx_http_push_seconds();

    n = ngx_min(now - ngx_http_push_wheel_now, NGX_HTTP_PUSH_SLOTS);

    ngx_http_push_wheel_now = now;

    while (n--) {
        ngx_http_push_wheel_turn(
                   &ngx_http_push_slots[(now - n) % NGX_HTTP_PUSH_SLOTS], now);
    }

    ngx_http_push_wheel_linger_out(now);
    ngx_http_push_adopt_again();

    ngx_add_timer(ev, 1000);
}


static void
ngx_http_push_wheel_turn(ngx_queue_t *slot, uint32_t now)
{
    ngx_queue_t              all, *q;
    ngx_http_push_client_t  *client;

    if (ngx_queue_empty(slot)) {
        return;
    }

    /* those that stay come back into a slot, maybe this one */

    ngx_queue_init(&all);
    ngx_queue_add(&all, slot);
    ngx_queue_init(slot);

    while (!ngx_queue_empty(&all)) {
        q = ngx_queue_head(&all);
        client = ngx_queue_data(q, ngx_http_push_client_t, queue);

        if ((int32_t) (client->due - now) > 0) {
            ngx_http_push_wheel_add(client);
            continue;
        }

        ngx_http_push_client_due(client);
    }
}


static void
ngx_http_push_wheel_linger_out(uint32_t now)
{
    ngx_queue_t             *q;
    ngx_http_push_client_t  *client;

    while (!ngx_queue_empty(&ngx_http_push_lingering)) {
        q = ngx_queue_head(&ngx_http_push_lingering);
        client = ngx_queue_data(q, ngx_http_push_client_t, queue);

        if ((int32_t) (client->due - now) > 0) {
            return;
        }

        ngx_http_push_client_due(client);
    }
}
