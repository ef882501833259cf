
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "ngx_push_redis_connection.h"


/* the life of a connection: made, up, lost, made again */


#define NGX_PUSH_REDIS_BACKOFF_MIN  100
#define NGX_PUSH_REDIS_BACKOFF_MAX  5000
#define NGX_PUSH_REDIS_STABLE       10000


static void ngx_push_redis_retry(ngx_event_t *ev);
static void ngx_push_redis_begin(ngx_event_t *ev);
static void ngx_push_redis_next(ngx_event_t *ev);
static void ngx_push_redis_forget(ngx_push_redis_connection_t *c);
static void ngx_push_redis_connecting(ngx_event_t *ev);
static void ngx_push_redis_connected(ngx_push_redis_connection_t *c);
static void ngx_push_redis_unconnected(ngx_event_t *ev);
static void ngx_push_redis_release(ngx_push_redis_connection_t *c);
static void ngx_push_redis_lost(ngx_push_redis_connection_t *c);
static ngx_int_t ngx_push_redis_another(ngx_push_redis_connection_t *c);
static void ngx_push_redis_wait(ngx_push_redis_connection_t *c);


void
ngx_push_redis_connect(ngx_push_redis_connection_t *c)
{
    if (c->active) {
        return;
    }

    c->active = 1;
    c->attempts = 0;

    ngx_push_redis_report_init(c);

    c->timer.handler = ngx_push_redis_retry;
    c->timer.data = c;
    c->timer.log = c->log;
    c->timer.cancelable = 1;

    ngx_add_timer(&c->timer, 1);
}


void
ngx_push_redis_close(ngx_push_redis_connection_t *c)
{
    ngx_push_redis_ring_t  ring;

    if (!c->active) {
        return;
    }

    c->active = 0;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, c->log, 0, "push redis close \"%V\"",
                   &c->conf->name);

    ngx_push_redis_forget(c);

    ring = c->pending;

    ngx_push_redis_release(c);
    ngx_push_redis_pipe_lost(c, &ring);
}


void ngx_cdecl
ngx_push_redis_drop(ngx_push_redis_connection_t *c, const char *fmt, ...)
{
    va_list  args;

    if (!c->active || c->timer.handler == ngx_push_redis_retry) {
        return;
    }

    if (fmt) {
        va_start(args, fmt);
        c->why.len = ngx_vslprintf(c->cause,
                                   c->cause + NGX_PUSH_REDIS_CAUSE_LEN,
                                   fmt, args)
                     - c->cause;
        va_end(args);

    } else if (c->why.len == 0) {
        c->why.len = ngx_sprintf(c->cause, "the connection failed")
                     - c->cause;
    }

    ngx_push_redis_lost(c);
}


void
ngx_push_redis_hurry(ngx_push_redis_connection_t *c)
{
    if (!c->active || c->timer.handler != ngx_push_redis_retry) {
        return;
    }

    c->attempts = 0;

    ngx_add_timer(&c->timer, 1 + ngx_random() % NGX_PUSH_REDIS_BACKOFF_MIN);
}


/* an attempt: all nodes of the URL, all addresses of each in turn */

static void
ngx_push_redis_retry(ngx_event_t *ev)
{
    ngx_push_redis_connection_t  *c;

    c = ev->data;

    c->attempts++;
    c->asked = 0;

    ngx_push_redis_begin(ev);
}


static void
ngx_push_redis_begin(ngx_event_t *ev)
{
    ngx_push_redis_connection_t  *c;

    c = ev->data;

    c->tried = 0;
    c->why.len = 0;

    c->timer.handler = ngx_push_redis_unconnected;

    if (c->sentinel) {
        ngx_push_redis_sentinel_ask(c);
        return;
    }

    ngx_push_redis_place(c, &c->conf->url.nodes[c->nth]);
}


void
ngx_push_redis_place(ngx_push_redis_connection_t *c,
    ngx_push_redis_node_t *node)
{
    c->timer.handler = ngx_push_redis_unconnected;

    if (c->timer.timer_set) {
        ngx_del_timer(&c->timer);
    }

    if (c->sentinel || c->node != node) {
        ngx_push_redis_forget(c);
    }

    c->node = node;

    ngx_push_redis_resolve(c);
}


static void
ngx_push_redis_forget(ngx_push_redis_connection_t *c)
{
    if (c->resolved) {
        ngx_free(c->resolved);
        c->resolved = NULL;
    }

    c->addrs = NULL;
    c->naddrs = 0;
}


static void
ngx_push_redis_next(ngx_event_t *ev)
{
    ngx_push_redis_try(ev->data);
}


void
ngx_push_redis_try(ngx_push_redis_connection_t *c)
{
    ngx_int_t          rc;
    ngx_addr_t        *addr;
    ngx_connection_t  *pc;

    c->current %= c->naddrs;
    addr = &c->addrs[c->current];

    ngx_memzero(&c->peer, sizeof(ngx_peer_connection_t));

    c->peer.sockaddr = addr->sockaddr;
    c->peer.socklen = addr->socklen;
    c->peer.name = &addr->name;
    c->peer.get = ngx_event_get_peer;
    c->peer.log = &c->peer_log;
    c->peer.log_error = NGX_ERROR_ERR;
    c->peer.so_keepalive = (addr->sockaddr->sa_family != AF_UNIX);

    ngx_push_redis_report_listen(c, 1);

    c->timer.handler = ngx_push_redis_unconnected;

    rc = ngx_event_connect_peer(&c->peer);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        c->peer.connection = NULL;
        ngx_push_redis_drop(c, NULL);
        return;
    }

    pc = c->peer.connection;

    pc->data = c;
    pc->log = &c->peer_log;
    pc->read->handler = ngx_push_redis_connecting;
    pc->write->handler = ngx_push_redis_connecting;

    ngx_add_timer(&c->timer, c->conf->connect_timeout);

    pc->pool = ngx_create_pool(256, c->log);
    if (pc->pool == NULL) {
        ngx_push_redis_drop(c, "no memory");
        return;
    }

    if (rc == NGX_OK) {
        ngx_push_redis_connected(c);
    }
}


static void
ngx_push_redis_connecting(ngx_event_t *ev)
{
    int                           err;
    socklen_t                     len;
    ngx_connection_t             *pc;
    ngx_push_redis_connection_t  *c;

    pc = ev->data;
    c = pc->data;

    err = 0;
    len = sizeof(int);

    if (getsockopt(pc->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_log_error(NGX_LOG_ERR, pc->log, err, "connect() to %V failed",
                      c->peer.name);
        ngx_push_redis_drop(c, NULL);
        return;
    }

    ngx_push_redis_connected(c);
}


static void
ngx_push_redis_connected(ngx_push_redis_connection_t *c)
{
    ngx_connection_t  *pc;

    pc = c->peer.connection;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, c->log, 0, "push redis connected %V",
                   c->peer.name);

    if (c->peer.sockaddr->sa_family != AF_UNIX
        && ngx_tcp_nodelay(pc) != NGX_OK)
    {
        ngx_push_redis_drop(c, NULL);
        return;
    }

    if (c->conf->url.tls) {
        ngx_push_redis_tls(c);
        return;
    }

    ngx_push_redis_handshake(c);
}


static void
ngx_push_redis_unconnected(ngx_event_t *ev)
{
    ngx_push_redis_connection_t  *c;

    c = ev->data;

    ngx_push_redis_drop(c, "%V is not ready within %M ms "
                        "(\"connect_timeout\" of push_redis)",
                        c->peer.name, c->conf->connect_timeout);
}


void
ngx_push_redis_ready(ngx_push_redis_connection_t *c)
{
    ngx_push_redis_report_up(c);

    if (c->timer.timer_set) {
        ngx_del_timer(&c->timer);
    }

    c->ready = 1;
    c->since = ngx_current_msec;
    c->why.len = 0;

    ngx_push_redis_alive(c);

    if (c->up) {
        c->up(c);
    }
}


/* gives back all but the addresses; what was pending is the caller's */

static void
ngx_push_redis_release(ngx_push_redis_connection_t *c)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *pc;

    c->generation++;
    c->ready = 0;
    c->overdue = 0;

    ngx_push_redis_report_listen(c, 0);

    ngx_memzero(&c->pending, sizeof(ngx_push_redis_ring_t));

    ngx_push_redis_resolve_cancel(c);
    ngx_push_redis_pipe_close(c);

    if (c->timer.timer_set) {
        ngx_del_timer(&c->timer);
    }

    c->timer.cancelable = 1;

    pc = c->peer.connection;

    if (pc == NULL) {
        return;
    }

    c->peer.connection = NULL;

#if (NGX_SSL)

    if (pc->ssl) {
        pc->ssl->no_wait_shutdown = 1;
        pc->ssl->no_send_shutdown = 1;

        (void) ngx_ssl_shutdown(pc);
    }

#endif

    pool = pc->pool;

    ngx_close_connection(pc);

    if (pool) {
        ngx_destroy_pool(pool);
    }
}


static void
ngx_push_redis_lost(ngx_push_redis_connection_t *c)
{
    ngx_uint_t             lost, generation;
    ngx_push_redis_ring_t  ring;

    lost = c->ready;
    ring = c->pending;

    ngx_push_redis_release(c);

    generation = c->generation;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, c->log, 0,
                   "push redis lost \"%V\": %V", &c->conf->name, &c->why);

    if (lost) {
        ngx_push_redis_report_down(c, 1);

        if (ngx_current_msec - c->since > NGX_PUSH_REDIS_STABLE) {
            c->attempts = 1;
            c->asked = 0;
        }

    } else {
        c->current++;

        if (++c->tried < c->naddrs) {
            c->timer.handler = ngx_push_redis_next;
            ngx_add_timer(&c->timer, 1);

            ngx_push_redis_pipe_lost(c, &ring);
            return;
        }

        if (c->sentinel || c->asked + 1 >= c->conf->url.nnodes) {
            ngx_push_redis_report_down(c, 0);
        }
    }

    if (ngx_push_redis_another(c) == NGX_OK) {
        c->timer.handler = ngx_push_redis_begin;
        ngx_add_timer(&c->timer, 1);

    } else {
        ngx_push_redis_wait(c);
    }

    ngx_push_redis_pipe_lost(c, &ring);

    if (c->down && c->active && c->generation == generation) {
        c->down(c, &c->why);
    }
}


/* the next one is to be asked; NGX_DECLINED: that was the last */

static ngx_int_t
ngx_push_redis_another(ngx_push_redis_connection_t *c)
{
    if (c->sentinel) {
        return NGX_DECLINED;
    }

    c->nth = (c->nth + 1) % c->conf->url.nnodes;

    return (++c->asked < c->conf->url.nnodes) ? NGX_OK : NGX_DECLINED;
}


static void
ngx_push_redis_wait(ngx_push_redis_connection_t *c)
{
    ngx_msec_t  most;

    most = NGX_PUSH_REDIS_BACKOFF_MAX;

    if (c->attempts < 8) {
        most = ngx_min(most, (ngx_msec_t) NGX_PUSH_REDIS_BACKOFF_MIN
                             << c->attempts);
    }

    /* between half of it and all of it */

    c->timer.handler = ngx_push_redis_retry;

    ngx_add_timer(&c->timer, most / 2 + ngx_random() % (most / 2 + 1));
}
