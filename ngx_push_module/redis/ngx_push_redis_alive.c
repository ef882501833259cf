
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_push_redis_connection.h"


/* whether a connection that is up still answers */


#define NGX_PUSH_REDIS_GRACE  50


static void ngx_push_redis_alive_check(ngx_event_t *ev);
static void ngx_push_redis_alive_tick(ngx_event_t *ev);
static ngx_uint_t ngx_push_redis_alive_overdue(
    ngx_push_redis_connection_t *c);
static void ngx_push_redis_alive_ping(ngx_push_redis_connection_t *c);


void
ngx_push_redis_alive(ngx_push_redis_connection_t *c)
{
    c->answered = ngx_current_msec;
    c->heard = 1;
    c->overdue = 0;
    c->pinged = 0;

    if (c->message) {
        c->timer.handler = ngx_push_redis_alive_tick;
        ngx_add_timer(&c->timer, c->conf->timeout);
        return;
    }

    /* it starts with the first command */

    c->timer.handler = ngx_push_redis_alive_check;
}


/*
 * For commands: whether the oldest waits and nothing is answered.  A long
 * queue that Redis works off is no reason to lose all of it.
 */

static void
ngx_push_redis_alive_check(ngx_event_t *ev)
{
    ngx_msec_t                    since;
    ngx_msec_int_t                left;
    ngx_push_redis_pending_t     *p;
    ngx_push_redis_connection_t  *c;

    c = ev->data;

    if (c->pending.n == 0) {
        return;
    }

    p = &c->pending.elts[c->pending.first];

    since = ((ngx_msec_int_t) (c->answered - p->sent) > 0) ? c->answered
                                                           : p->sent;

    left = (ngx_msec_int_t) (since + c->conf->timeout - ngx_current_msec);

    if (left > 0) {
        ngx_add_timer(ev, left);
        return;
    }

    if (ngx_push_redis_alive_overdue(c)) {
        ngx_push_redis_drop(c, "no answer within %M ms (\"timeout\" of "
                            "push_redis)", c->conf->timeout);
    }
}


/* for subscriptions: whether there was anything since the last PING */

static void
ngx_push_redis_alive_tick(ngx_event_t *ev)
{
    ngx_push_redis_connection_t  *c;

    c = ev->data;

    if (c->pinged && !c->heard) {

        if (ngx_push_redis_alive_overdue(c)) {
            ngx_push_redis_drop(c, "no answer to PING within %M ms "
                                "(\"timeout\" of push_redis)",
                                c->conf->timeout);
        }

        return;
    }

    ngx_push_redis_alive_ping(c);
}


/*
 * If it was this worker that was held up, the answer is here already and is
 * read first.
 */

static ngx_uint_t
ngx_push_redis_alive_overdue(ngx_push_redis_connection_t *c)
{
    if (c->overdue) {
        return 1;
    }

    c->overdue = 1;

    ngx_add_timer(&c->timer, NGX_PUSH_REDIS_GRACE);

    return 0;
}


static void
ngx_push_redis_alive_ping(ngx_push_redis_connection_t *c)
{
    static const size_t       lens[] = { 4 };
    static const char        *argv[] = { "PING" };
    ngx_push_redis_command_t  ping;

    ngx_memzero(&ping, sizeof(ngx_push_redis_command_t));

    ping.argc = 1;
    ping.argv = argv;
    ping.lens = lens;

    c->heard = 0;
    c->overdue = 0;
    c->pinged = 1;

    /* if there is no room, what is before it shows as well what lives */

    (void) ngx_push_redis_queue(c, &ping);

    ngx_add_timer(&c->timer, c->conf->timeout);
}
