
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_push_redis_connection.h"


/* answers in, each to the oldest command that waits */


#define NGX_PUSH_REDIS_IN_MAX     (256 * 1024 * 1024)
#define NGX_PUSH_REDIS_READ_SIZE  (32 * 1024)
#define NGX_PUSH_REDIS_READS      32
#define NGX_PUSH_REDIS_RING_KEEP  4096


static ngx_int_t ngx_push_redis_answer_parse(ngx_push_redis_connection_t *c,
    size_t len);
static void ngx_push_redis_answer_give(ngx_push_redis_connection_t *c,
    redisReply *reply);
static ngx_uint_t ngx_push_redis_answer_is_pong(redisReply *reply);
static ngx_uint_t ngx_push_redis_answer_is_message(redisReply *reply);


static u_char  ngx_push_redis_input[NGX_PUSH_REDIS_READ_SIZE];


void
ngx_push_redis_pipe_readable(ngx_event_t *rev)
{
    ssize_t                       n;
    ngx_uint_t                    i;
    ngx_connection_t             *pc;
    ngx_push_redis_connection_t  *c;

    pc = rev->data;
    c = pc->data;

    for (i = 0; i < NGX_PUSH_REDIS_READS; i++) {

        n = pc->recv(pc, ngx_push_redis_input, NGX_PUSH_REDIS_READ_SIZE);

        if (n == NGX_AGAIN) {

            if (ngx_handle_read_event(rev, 0) != NGX_OK) {
                ngx_push_redis_drop(c, NULL);
            }

            return;
        }

        if (n == NGX_ERROR) {
            ngx_push_redis_drop(c, NULL);
            return;
        }

        if (n == 0) {
            ngx_push_redis_drop(c, "it closed the connection");
            return;
        }

        c->heard = 1;
        c->overdue = 0;

        if (ngx_push_redis_answer_parse(c, n) != NGX_OK) {
            return;
        }
    }

    /* others have their turn first */

    ngx_post_event(rev, &ngx_posted_next_events);
}


/* NGX_OK, or NGX_DONE: the connection is not the same any more */

static ngx_int_t
ngx_push_redis_answer_parse(ngx_push_redis_connection_t *c, size_t len)
{
    void        *reply;
    ngx_uint_t   generation;

    if (redisReaderFeed(c->reader, (char *) ngx_push_redis_input, len)
        != REDIS_OK)
    {
        ngx_push_redis_drop(c, "no memory for an answer");
        return NGX_DONE;
    }

    generation = c->generation;

    for ( ;; ) {

        if (redisReaderGetReply(c->reader, &reply) != REDIS_OK) {
            ngx_push_redis_drop(c, "it does not speak Redis's protocol: %s",
                                c->reader->errstr);
            return NGX_DONE;
        }

        if (reply == NULL) {
            break;
        }

        ngx_push_redis_answer_give(c, reply);

        freeReplyObject(reply);

        if (c->generation != generation) {
            return NGX_DONE;
        }
    }

    if (c->reader->len > NGX_PUSH_REDIS_IN_MAX) {
        ngx_push_redis_drop(c, "an answer is longer than %uz bytes",
                            (size_t) NGX_PUSH_REDIS_IN_MAX);
        return NGX_DONE;
    }

    return NGX_OK;
}


static void
ngx_push_redis_answer_give(ngx_push_redis_connection_t *c, redisReply *reply)
{
    ngx_push_redis_ring_t     *ring;
    ngx_push_redis_pending_t   p;

    if (c->ready && c->message) {

        if (!ngx_push_redis_answer_is_pong(reply)) {
            c->message(c, reply);
        }

        return;
    }

    if (c->beside && ngx_push_redis_answer_is_message(reply)) {
        c->beside(c, reply);
        return;
    }

    ring = &c->pending;

    if (ring->n == 0) {

        /* it says why before it closes the connection */

        ngx_push_redis_drop(c, "it sent what nothing asked for: %*s",
                            reply->str ? (size_t) reply->len : 0,
                            reply->str ? reply->str : "");
        return;
    }

    c->answered = ngx_current_msec;

    p = ring->elts[ring->first];

    ring->first = (ring->first + 1) & (ring->size - 1);
    ring->n--;

    if (ring->n == 0) {
        c->timer.cancelable = 1;

        if (ring->size > NGX_PUSH_REDIS_RING_KEEP) {
            ngx_free(ring->elts);
            ngx_memzero(ring, sizeof(ngx_push_redis_ring_t));
        }
    }

    if (p.handler) {
        p.handler(c, reply, p.data);
    }
}


/* a status, or, while there are subscriptions, an array */

static ngx_uint_t
ngx_push_redis_answer_is_pong(redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
        reply = reply->element[0];
    }

    return (reply->type == REDIS_REPLY_STATUS
            || reply->type == REDIS_REPLY_STRING)
           && reply->len == 4
           && ngx_strncasecmp((u_char *) reply->str, (u_char *) "pong", 4)
              == 0;
}


static ngx_uint_t
ngx_push_redis_answer_is_message(redisReply *reply)
{
    redisReply  *kind;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) {
        return 0;
    }

    kind = reply->element[0];

    return kind->type == REDIS_REPLY_STRING && kind->len == 7
           && ngx_memcmp(kind->str, "message", 7) == 0;
}
