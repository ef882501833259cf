
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_REDIS_CONNECTION_H_INCLUDED_
#define _NGX_PUSH_REDIS_CONNECTION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>
#include <hiredis/hiredis.h>

#include "ngx_push_redis_conf.h"


/*
 * One connection of one worker to Redis, made again whenever it is lost.
 * NGINX moves the bytes, hiredis reads answers.
 *
 * There are two kinds.  One for commands has no "message" handler, and every
 * command gets its answer.  One for subscriptions has one, which gets all
 * that arrives: confirmations, messages and errors; it keeps itself alive by
 * PING.
 *
 * A user of Redis needs the commands INFO and PING for this, and SELECT if
 * the URL names a database.
 *
 * A connection to the sentinels is of the first kind, says something else in
 * the beginning, and gets messages between its answers.  The others ask it
 * where the master is, each time that they are made.
 */


#define NGX_PUSH_REDIS_CAUSE_LEN  255


typedef struct ngx_push_redis_connection_s  ngx_push_redis_connection_t;
typedef struct ngx_push_redis_sentinel_s    ngx_push_redis_sentinel_t;


typedef void (*ngx_push_redis_up_pt)(ngx_push_redis_connection_t *c);
typedef void (*ngx_push_redis_down_pt)(ngx_push_redis_connection_t *c,
    ngx_str_t *why);
typedef void (*ngx_push_redis_message_pt)(ngx_push_redis_connection_t *c,
    redisReply *reply);
typedef ngx_int_t (*ngx_push_redis_greet_pt)(ngx_push_redis_connection_t *c);

/*
 * The answer, or NULL: the connection was lost, or closed, before there was
 * one.  It is freed after the call.
 */

typedef void (*ngx_push_redis_reply_pt)(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);


typedef struct {
    ngx_uint_t                    argc;
    const char                  **argv;
    const size_t                 *lens;
    ngx_push_redis_reply_pt       handler;
    void                         *data;      /* of the handler */
} ngx_push_redis_command_t;


/* commands that wait for their answers, a ring */

typedef struct {
    ngx_push_redis_reply_pt       handler;
    void                         *data;
    ngx_msec_t                    sent;
} ngx_push_redis_pending_t;


typedef struct {
    ngx_push_redis_pending_t     *elts;
    ngx_uint_t                    size;      /* a power of two */
    ngx_uint_t                    first;
    ngx_uint_t                    n;
} ngx_push_redis_ring_t;


/*
 * The caller zeroes it and sets the first fields.  It may call anything from
 * any handler, but must not free it there.
 */

struct ngx_push_redis_connection_s {
    ngx_push_redis_conf_t        *conf;
    ngx_log_t                    *log;
    void                         *data;

    /* each may be NULL */

    /* the handshake is done: the fields below are of this server */
    ngx_push_redis_up_pt          up;

    /* the connection was lost or an attempt to make one failed */
    ngx_push_redis_down_pt        down;

    ngx_push_redis_message_pt     message;

    /* to a sentinel: what it says first, NGX_OK or NGX_ERROR: no memory */
    ngx_push_redis_greet_pt       greet;
    ngx_push_redis_message_pt     beside;

    /* who knows the address, or NULL: it is in the URL */
    ngx_push_redis_sentinel_t    *sentinel;

    uint32_t                      term;      /* 24 bits, never 0 */
    ngx_uint_t                    version;   /* 7.0.15 is 70015 */
    unsigned                      ready:1;   /* it is up */
    unsigned                      master:1;

    /* its own */

    unsigned                      active:1;  /* between connect and close */
    unsigned                      heard:1;   /* since the last PING */
    unsigned                      overdue:1;
    unsigned                      pinged:1;

    ngx_peer_connection_t         peer;
    ngx_log_t                     peer_log;
    ngx_event_t                   timer;
    ngx_event_t                   flush;
    ngx_resolver_ctx_t           *resolving;

    ngx_push_redis_node_t        *node;
    ngx_uint_t                    nth;       /* of the nodes in the URL */
    ngx_uint_t                    asked;     /* of them, in this attempt */

    ngx_addr_t                   *addrs;
    ngx_addr_t                   *resolved;  /* addrs, if they are ours */
    ngx_uint_t                    naddrs;
    ngx_uint_t                    current;
    ngx_uint_t                    tried;

    redisReader                  *reader;
    ngx_push_redis_ring_t         pending;
    u_char                       *out;       /* not yet sent */
    size_t                        out_size;
    size_t                        out_pos;
    size_t                        out_last;

    ngx_uint_t                    generation;
    ngx_uint_t                    attempts;
    ngx_msec_t                    since;     /* it went up */
    ngx_msec_t                    answered;  /* the last time */
    time_t                        warned;
    ngx_str_t                     why;
    u_char                        cause[NGX_PUSH_REDIS_CAUSE_LEN + 1];
};


/*
 * Connects and keeps trying for ever; nothing is called before this returns.
 */
void ngx_push_redis_connect(ngx_push_redis_connection_t *c);

/*
 * Ends it.  Commands that wait get NULL; "down" is not called.  It may be
 * connected again.
 */
void ngx_push_redis_close(ngx_push_redis_connection_t *c);

/*
 * Takes it down for a reason of the caller, such as an answer READONLY; it
 * is made again as after any loss.  Without a format the reason is what
 * NGINX last said of it.
 */
void ngx_cdecl ngx_push_redis_drop(ngx_push_redis_connection_t *c,
    const char *fmt, ...);

/* does not wait any longer before it is made again */

void ngx_push_redis_hurry(ngx_push_redis_connection_t *c);

/*
 * Queues a command; nothing of it is needed afterwards but "data".  What is
 * queued within one turn of the event loop is written at once.  On a
 * connection for subscriptions there is no handler; on one for commands it
 * may be NULL, for an answer of no interest.
 *
 * NGX_OK: the handler will be called, once; NGX_DECLINED: it is not up;
 * NGX_BUSY: too much waits to be written; NGX_ERROR: no memory.
 */
ngx_int_t ngx_push_redis_send(ngx_push_redis_connection_t *c,
    ngx_push_redis_command_t *command);


/* between the files of the connection */

/* the addresses to try; calls ngx_push_redis_try() or ngx_push_redis_drop() */

void ngx_push_redis_resolve(ngx_push_redis_connection_t *c);
void ngx_push_redis_resolve_cancel(ngx_push_redis_connection_t *c);
void ngx_push_redis_try(ngx_push_redis_connection_t *c);

/* NGX_OK, or NGX_DECLINED: the host is a name */

ngx_int_t ngx_push_redis_is_address(ngx_push_redis_node_t *node);

/*
 * The node, from a sentinel; it calls ngx_push_redis_place() or
 * ngx_push_redis_drop().
 */

void ngx_push_redis_sentinel_ask(ngx_push_redis_connection_t *c);
void ngx_push_redis_place(ngx_push_redis_connection_t *c,
    ngx_push_redis_node_t *node);

/* TLS; calls ngx_push_redis_handshake() or ngx_push_redis_drop() */

void ngx_push_redis_tls(ngx_push_redis_connection_t *c);

/* AUTH, SELECT, INFO and PING; calls ngx_push_redis_ready() in the end */

void ngx_push_redis_handshake(ngx_push_redis_connection_t *c);
ngx_int_t ngx_push_redis_say(ngx_push_redis_connection_t *c,
    const char **argv, ngx_uint_t argc, ngx_push_redis_reply_pt handler);
void ngx_push_redis_ready(ngx_push_redis_connection_t *c);

/* the rest of the line that begins with the name, or NGX_DECLINED */

ngx_int_t ngx_push_redis_field(redisReply *info, const char *name,
    ngx_str_t *value);

/* watches what is up; it must have no timer */

void ngx_push_redis_alive(ngx_push_redis_connection_t *c);

/* the bytes both ways */

ngx_int_t ngx_push_redis_pipe_open(ngx_push_redis_connection_t *c);
void ngx_push_redis_pipe_close(ngx_push_redis_connection_t *c);
void ngx_push_redis_pipe_lost(ngx_push_redis_connection_t *c,
    ngx_push_redis_ring_t *ring);
void ngx_push_redis_pipe_readable(ngx_event_t *rev);

/* as ngx_push_redis_send(), before it is up too */

ngx_int_t ngx_push_redis_queue(ngx_push_redis_connection_t *c,
    ngx_push_redis_command_t *command);

/* the log; "lost": it was up */

void ngx_push_redis_report_init(ngx_push_redis_connection_t *c);
void ngx_push_redis_report_listen(ngx_push_redis_connection_t *c,
    ngx_uint_t on);
void ngx_push_redis_report_up(ngx_push_redis_connection_t *c);
void ngx_push_redis_report_down(ngx_push_redis_connection_t *c,
    ngx_uint_t lost);


#endif /* _NGX_PUSH_REDIS_CONNECTION_H_INCLUDED_ */
