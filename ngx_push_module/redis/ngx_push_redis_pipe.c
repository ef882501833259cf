
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_push_redis_connection.h"


/* commands out; what waits for an answer stands in the same order */


#define NGX_PUSH_REDIS_OUT_MIN    (16 * 1024)
#define NGX_PUSH_REDIS_OUT_KEEP   (256 * 1024)
#define NGX_PUSH_REDIS_OUT_MAX    (16 * 1024 * 1024)
#define NGX_PUSH_REDIS_RING_MIN   64

/* of a number with its mark and the end of its line, at most */
#define NGX_PUSH_REDIS_LENGTH     (1 + NGX_SIZE_T_LEN + 2)


static ngx_int_t ngx_push_redis_pipe_append(ngx_push_redis_connection_t *c,
    ngx_push_redis_command_t *command);
static u_char *ngx_push_redis_pipe_number(u_char *p, u_char mark, size_t n);
static ngx_int_t ngx_push_redis_pipe_reserve(ngx_push_redis_connection_t *c,
    size_t len);
static ngx_int_t ngx_push_redis_pipe_expect(ngx_push_redis_connection_t *c);
static void ngx_push_redis_pipe_flush(ngx_event_t *ev);
static void ngx_push_redis_pipe_writable(ngx_event_t *wev);
static void ngx_push_redis_pipe_write(ngx_push_redis_connection_t *c);


ngx_int_t
ngx_push_redis_pipe_open(ngx_push_redis_connection_t *c)
{
    ngx_connection_t  *pc;

    c->reader = redisReaderCreate();
    if (c->reader == NULL) {
        return NGX_ERROR;
    }

    c->flush.handler = ngx_push_redis_pipe_flush;
    c->flush.data = c;
    c->flush.log = c->log;

    pc = c->peer.connection;

    pc->read->handler = ngx_push_redis_pipe_readable;
    pc->write->handler = ngx_push_redis_pipe_writable;

    /* what came together with the end of the connecting is not told again */

    if (pc->read->ready) {
        ngx_post_event(pc->read, &ngx_posted_events);
    }

    return NGX_OK;
}


void
ngx_push_redis_pipe_close(ngx_push_redis_connection_t *c)
{
    if (c->flush.posted) {
        ngx_delete_posted_event(&c->flush);
    }

    if (c->reader) {
        redisReaderFree(c->reader);
        c->reader = NULL;
    }

    if (c->out) {
        ngx_free(c->out);
        c->out = NULL;
    }

    c->out_size = 0;
    c->out_pos = 0;
    c->out_last = 0;
}


/* handlers may queue new commands meanwhile: the ring is no longer c's */

void
ngx_push_redis_pipe_lost(ngx_push_redis_connection_t *c,
    ngx_push_redis_ring_t *ring)
{
    ngx_push_redis_pending_t  *p;

    while (ring->n) {
        p = &ring->elts[ring->first];

        ring->first = (ring->first + 1) & (ring->size - 1);
        ring->n--;

        if (p->handler) {
            p->handler(c, NULL, p->data);
        }
    }

    if (ring->elts) {
        ngx_free(ring->elts);
    }
}


ngx_int_t
ngx_push_redis_send(ngx_push_redis_connection_t *c,
    ngx_push_redis_command_t *command)
{
    if (!c->ready) {
        return NGX_DECLINED;
    }

    return ngx_push_redis_queue(c, command);
}


ngx_int_t
ngx_push_redis_queue(ngx_push_redis_connection_t *c,
    ngx_push_redis_command_t *command)
{
    ngx_int_t                  rc;
    ngx_push_redis_pending_t  *p;

    /* subscriptions are confirmed, not answered */

    if (!(c->ready && c->message)
        && ngx_push_redis_pipe_expect(c) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_push_redis_pipe_append(c, command);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_post_event(&c->flush, &ngx_posted_events);

    if (c->ready && c->message) {
        return NGX_OK;
    }

    p = &c->pending.elts[(c->pending.first + c->pending.n)
                         & (c->pending.size - 1)];

    p->handler = command->handler;
    p->data = command->data;
    p->sent = ngx_current_msec;

    c->pending.n++;

    /* a worker that is to go stays until there is an answer */

    c->timer.cancelable = !c->ready;

    if (!c->timer.timer_set) {
        ngx_add_timer(&c->timer, c->conf->timeout);
    }

    return NGX_OK;
}


/*
 * An array of its arguments, written where it is sent from: hiredis would
 * print each of them into memory of its own, at half the price of a publish.
 */

static ngx_int_t
ngx_push_redis_pipe_append(ngx_push_redis_connection_t *c,
    ngx_push_redis_command_t *command)
{
    size_t       len, waiting;
    u_char      *p;
    ngx_uint_t   i;

    len = NGX_PUSH_REDIS_LENGTH;

    for (i = 0; i < command->argc; i++) {
        len += NGX_PUSH_REDIS_LENGTH + command->lens[i] + 2;
    }

    waiting = c->out_last - c->out_pos;

    /* a single command may be of any size */

    if (waiting && waiting + len > NGX_PUSH_REDIS_OUT_MAX) {
        return NGX_BUSY;
    }

    if (c->out_size - c->out_last < len
        && ngx_push_redis_pipe_reserve(c, len) != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_push_redis_pipe_number(c->out + c->out_last, '*', command->argc);

    for (i = 0; i < command->argc; i++) {
        p = ngx_push_redis_pipe_number(p, '$', command->lens[i]);
        p = ngx_cpymem(p, command->argv[i], command->lens[i]);
        *p++ = CR;
        *p++ = LF;
    }

    c->out_last = p - c->out;

    return NGX_OK;
}


static u_char *
ngx_push_redis_pipe_number(u_char *p, u_char mark, size_t n)
{
    size_t  ten;

    *p++ = mark;

    for (ten = 1; n / ten >= 10; ten *= 10) { /* void */ }

    for ( /* void */ ; ten; ten /= 10) {
        *p++ = (u_char) ('0' + n / ten % 10);
    }

    *p++ = CR;
    *p++ = LF;

    return p;
}


/* TLS lets what waits move, see ngx_push_redis_tls() */

static ngx_int_t
ngx_push_redis_pipe_reserve(ngx_push_redis_connection_t *c, size_t len)
{
    size_t   size, waiting;
    u_char  *out;

    waiting = c->out_last - c->out_pos;

    if (c->out_pos >= c->out_size / 2 && c->out_size - waiting >= len) {
        ngx_memmove(c->out, c->out + c->out_pos, waiting);

        c->out_pos = 0;
        c->out_last = waiting;

        return NGX_OK;
    }

    size = ngx_max(c->out_size, NGX_PUSH_REDIS_OUT_MIN);

    while (size - waiting < len) {
        size *= 2;
    }

    out = ngx_alloc(size, c->log);
    if (out == NULL) {
        return NGX_ERROR;
    }

    if (c->out) {
        ngx_memcpy(out, c->out + c->out_pos, waiting);
        ngx_free(c->out);
    }

    c->out = out;
    c->out_size = size;
    c->out_pos = 0;
    c->out_last = waiting;

    return NGX_OK;
}


/* room for one more that waits */

static ngx_int_t
ngx_push_redis_pipe_expect(ngx_push_redis_connection_t *c)
{
    ngx_uint_t                 size, i;
    ngx_push_redis_ring_t     *ring;
    ngx_push_redis_pending_t  *elts;

    ring = &c->pending;

    if (ring->n < ring->size) {
        return NGX_OK;
    }

    size = ring->size ? ring->size * 2 : NGX_PUSH_REDIS_RING_MIN;

    elts = ngx_alloc(size * sizeof(ngx_push_redis_pending_t), c->log);
    if (elts == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < ring->n; i++) {
        elts[i] = ring->elts[(ring->first + i) & (ring->size - 1)];
    }

    if (ring->elts) {
        ngx_free(ring->elts);
    }

    ring->elts = elts;
    ring->size = size;
    ring->first = 0;

    return NGX_OK;
}


static void
ngx_push_redis_pipe_flush(ngx_event_t *ev)
{
    ngx_push_redis_pipe_write(ev->data);
}


static void
ngx_push_redis_pipe_writable(ngx_event_t *wev)
{
    ngx_connection_t  *pc;

    pc = wev->data;

    ngx_push_redis_pipe_write(pc->data);
}


static void
ngx_push_redis_pipe_write(ngx_push_redis_connection_t *c)
{
    ssize_t            n;
    ngx_connection_t  *pc;

    pc = c->peer.connection;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, c->log, 0,
                   "push redis write %uz of \"%V\"",
                   c->out_last - c->out_pos, &c->conf->name);

    while (c->out_pos < c->out_last) {

        n = pc->send(pc, c->out + c->out_pos, c->out_last - c->out_pos);

        if (n == NGX_ERROR) {
            ngx_push_redis_drop(c, NULL);
            return;
        }

        if (n <= 0) {
            break;
        }

        c->out_pos += n;
    }

    if (c->out_pos == c->out_last) {
        c->out_pos = 0;
        c->out_last = 0;

        if (c->out_size > NGX_PUSH_REDIS_OUT_KEEP) {
            ngx_free(c->out);

            c->out = NULL;
            c->out_size = 0;
        }
    }

    if (ngx_handle_write_event(pc->write, 0) != NGX_OK) {
        ngx_push_redis_drop(c, NULL);
    }
}
