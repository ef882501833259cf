
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_HTTP_PUSH_CLIENT_H_INCLUDED_
#define _NGX_HTTP_PUSH_CLIENT_H_INCLUDED_


#include "ngx_http_push_subscribe.h"


/*
 * One subscriber's connection after its headers are out.  If nothing else
 * needs the request, the request is let go and the connection is the
 * client's own; otherwise (HTTP/2, HTTP/3, another module's cleanup,
 * push_hibernate off) the request stays.  A client is "direct" when what it
 * is sent goes straight to the connection: always when it owns that, and
 * over WebSocket; else the request's filters frame it.
 *
 * There is one unfinished write: what the socket did not take of a message
 * that was begun.  It goes out before anything else.
 */


/* seconds without progress at the end of a stream, until it is closed */
#define NGX_HTTP_PUSH_LINGER  5


typedef struct ngx_http_push_client_s       ngx_http_push_client_t;
typedef struct ngx_http_push_unfinished_s   ngx_http_push_unfinished_t;
typedef struct ngx_http_push_subscription_s ngx_http_push_subscription_t;


/* one channel of a client; one that is over keeps only its position */

struct ngx_http_push_subscription_s {
    ngx_push_subscription_t         base;
    ngx_http_push_client_t         *client;
    ngx_http_push_subscription_t   *next;
};


/* its place in a position: the hash of its channel's name */

#define ngx_http_push_hash(s)       (s)->base.tag

#define ngx_http_push_is_joined(s)  ((s)->base.group != NULL)


/* what a subscriber is told about messages that it does not get */

typedef struct {
    ngx_str_t                       channel;
    ngx_str_t                       requested;
    ngx_push_id_t                   oldest;  /* seq 0: no history */
    ngx_push_id_t                   id;      /* where it goes on */
    char                           *reason;
} ngx_http_push_gap_t;


/*
 * Those that write return what ngx_http_push_client_write() does, or NGX_DONE
 * if the client is gone.
 */

typedef struct {
    ngx_str_t                   name;
    ngx_uint_t                  gauge;

    ngx_int_t                 (*messages)(ngx_http_push_subscription_t *s,
                                    ngx_push_batch_t *b);
    ngx_int_t                 (*gap)(ngx_http_push_subscription_t *s,
                                    ngx_http_push_gap_t *gap);

    /* deleted or ended; "last": no channel is left, which ends the client */

    ngx_int_t                 (*closed)(ngx_http_push_subscription_t *s,
                                    ngx_str_t *channel, char *reason,
                                    ngx_uint_t last);

    /* the last words to a client that is to come back */

    void                      (*reconnect)(ngx_http_push_client_t *client);

    /* to one that was too slow; NULL: as "reconnect" */

    void                      (*cut)(ngx_http_push_client_t *client);

    /* a sign of life; NULL: there is none */

    ngx_int_t                 (*heartbeat)(ngx_http_push_client_t *client);

    /* these may be NULL: something has come in; all is written at the end */

    void                      (*readable)(ngx_http_push_client_t *client);
    void                      (*finished)(ngx_http_push_client_t *client);

    /* before the request is let go; NGX_DECLINED: it has to be kept */

    ngx_int_t                 (*let_go)(ngx_http_push_client_t *client);

    /* it has all there is; only if its subscriptions ask */

    ngx_int_t                 (*nothing)(ngx_http_push_subscription_t *s);

    /* frees client->state */

    void                      (*release)(ngx_http_push_client_t *client);
} ngx_http_push_transport_t;


struct ngx_http_push_client_s {
    ngx_queue_t                     queue;   /* of the wheel, or as below */
    ngx_connection_t               *connection;
    ngx_http_request_t             *request; /* NULL: let go */
    ngx_http_push_subscribe_conf_t *conf;
    const ngx_http_push_transport_t
                                   *transport;
    ngx_http_push_unfinished_t     *unfinished;
    void                           *state;   /* of the transport */

    uint32_t                        due;     /* seconds, monotonic */
    uint32_t                        written;
    uint32_t                        progress;
    uint32_t                        ends;    /* 0: never */
    uint32_t                        started;

    unsigned                        chunked:1;
    unsigned                        json:1;
    unsigned                        direct:1;
    unsigned                        upgraded:1;
    unsigned                        active:1;
    unsigned                        adopting:1;
    unsigned                        joining:1;
    unsigned                        blocked:1;
    unsigned                        ending:1;
    unsigned                        handshake:1; /* of the end: see below */
    unsigned                        protocol:1;  /* push.json */
    unsigned                        commands:1;  /* channels come and go */
    unsigned                        asking:1;    /* is answered later */
    unsigned                        window:4;    /* deflate, 0: none */
    unsigned                        pings:2;     /* not answered */
    unsigned                        channels:9;  /* subscriptions */

    ngx_http_push_subscription_t    first;
};


/* without a client of its own the first one is not in use */

#define ngx_http_push_first(c)                                               \
    ((c)->first.client ? &(c)->first : (c)->first.next)


/* a client of this request, which frees it if it ends first */

ngx_http_push_client_t *ngx_http_push_client_create(ngx_http_request_t *r,
    const ngx_http_push_transport_t *transport);

/*
 * Sends headers and the first bytes; from the next turn on the client gets
 * what it has joined.  Returns what the content handler returns.
 */

ngx_int_t ngx_http_push_client_start(ngx_http_push_client_t *client,
    ngx_str_t *first);

/*
 * Keeps the request of this client, which has begun to answer or is to wait,
 * beyond the content handler, until it can be let go.
 */

void ngx_http_push_client_stay(ngx_http_push_client_t *client);

/*
 * Writes bytes of the body, which are framed here.  NGX_OK; NGX_AGAIN: all
 * is taken, but the client is blocked now and will be resumed; NGX_DONE: the
 * client is gone.
 */

ngx_int_t ngx_http_push_client_write(ngx_http_push_client_t *client,
    ngx_str_t *bytes);

/*
 * Writes n pieces, framed already, that lie one behind the other from
 * "start" and stop at "ends": as many as the client takes, the last one
 * begun being finished later.  "begun" says how many.  Returns as above.
 */

ngx_int_t ngx_http_push_client_write_pieces(ngx_http_push_client_t *client,
    u_char *start, u_char **ends, ngx_uint_t n, ngx_uint_t *begun);

/*
 * Leaves, writes these last bytes and ends the body; the connection closes
 * when the client has read them, with "handshake" set when it has answered.
 * The client must not be used any more.
 */

void ngx_http_push_client_end(ngx_http_push_client_t *client,
    ngx_str_t *bytes);
void ngx_http_push_client_close(ngx_http_push_client_t *client);

/* without a word: only the memory */

void ngx_http_push_client_free(ngx_http_push_client_t *client);

/* when its time has come: heartbeat, age, stalled write, end */

void ngx_http_push_client_due(ngx_http_push_client_t *client);

/* puts it into the wheel for what comes next */

void ngx_http_push_client_schedule(ngx_http_push_client_t *client);

/* all of this worker, and those that are not about to end */

ngx_uint_t ngx_http_push_clients(void);
ngx_uint_t ngx_http_push_active_clients(void);

/* what the connection takes of it at once, maybe nothing; or NGX_ERROR */

ssize_t ngx_http_push_send(ngx_connection_t *c, u_char *p, size_t size);

/* unfinished writes */

ngx_int_t ngx_http_push_unfinished_add(ngx_http_push_client_t *client,
    u_char *p, size_t len, ngx_uint_t framed, ngx_uint_t last);

/* NGX_OK: nothing is left, NGX_AGAIN, or NGX_ERROR: the connection is broken */

ngx_int_t ngx_http_push_unfinished_send(ngx_http_push_client_t *client);
void ngx_http_push_unfinished_free(ngx_http_push_client_t *client);

/* the connection takes more; something came in */

void ngx_http_push_client_writable(ngx_http_push_client_t *client);
void ngx_http_push_client_readable(ngx_http_push_client_t *client);

/*
 * A client that is blocked may not be listened to.  What it lacks goes out in
 * this turn, what it has sent comes in with the next one: otherwise one that
 * hears itself would fall behind with every turn.
 */

void ngx_http_push_client_listen(ngx_http_push_client_t *client);

/* the request's read event, once its client is direct */

void ngx_http_push_client_input(ngx_http_request_t *r);

/* subscriptions */

/*
 * Joins all channels of a request.  NGX_OK, NGX_DECLINED: the zone cannot
 * hold it, NGX_ERROR: no memory.  The client counts from now on.
 */

ngx_int_t ngx_http_push_join(ngx_http_push_client_t *client,
    ngx_http_push_request_t *q);

/* one more; "s" is set after NGX_OK, and returns are as above */

ngx_int_t ngx_http_push_join_one(ngx_http_push_client_t *client,
    ngx_str_t *channel, ngx_push_start_t *start,
    ngx_http_push_subscription_t **s);

/* from now on it gets what it lacks; NGX_OK, or NGX_DONE: the client is gone */

ngx_int_t ngx_http_push_resume(ngx_http_push_client_t *client);

/* leaves the channel, and forgets about it */

void ngx_http_push_drop(ngx_http_push_subscription_t *s);

/* leaves all channels, the client is active no more */

void ngx_http_push_leave(ngx_http_push_client_t *client);

/* the one of this channel, joined; NULL: there is none */

ngx_http_push_subscription_t *ngx_http_push_find(
    ngx_http_push_client_t *client, ngx_str_t *channel);

/* subscriptions that are not over */

ngx_uint_t ngx_http_push_joined(ngx_http_push_client_t *client);

/*
 * The position of a client: the id that all of it resumes from.  Of a
 * request, the channels from "told" on whose start is a gap stand where they
 * were asked to start, since that gap has not been told.
 */

size_t ngx_http_push_position_size(ngx_http_push_client_t *client);
u_char *ngx_http_push_position(u_char *p, ngx_http_push_client_t *client,
    ngx_http_push_request_t *q, ngx_uint_t told);

/* what it has asked for, and is not yet answered, is for nobody */

void ngx_http_push_later_leave(ngx_http_push_client_t *client);

/* delivery */

ngx_int_t ngx_http_push_deliver(ngx_push_subscription_t *s,
    ngx_push_batch_t *b, ngx_uint_t what);

ngx_int_t ngx_http_push_lost(ngx_http_push_subscription_t *s,
    ngx_push_batch_t *b, ngx_uint_t what);
ngx_int_t ngx_http_push_incident(ngx_http_push_subscription_t *s,
    ngx_uint_t what);

/* "messages" of transports that are streams, in the form of "kind" */

ngx_int_t ngx_http_push_deliver_messages(ngx_http_push_subscription_t *s,
    ngx_push_batch_t *b, ngx_uint_t kind);

/* the gap that a start is, if it is one; 0: it is none */

ngx_uint_t ngx_http_push_start_gap(ngx_http_push_request_t *q, ngx_uint_t i,
    ngx_http_push_gap_t *gap);

/* a connection of one's own: letting go of the request, and the end */

ngx_int_t ngx_http_push_own(ngx_http_push_client_t *client);

/* what TLS did not take may be offered again from another place */

void ngx_http_push_own_ssl(ngx_connection_t *c);
void ngx_http_push_own_shut(ngx_http_push_client_t *client);
void ngx_http_push_own_close(ngx_connection_t *c);

/* its close is a reset: what it has not taken goes nowhere */

void ngx_http_push_own_reset(ngx_connection_t *c);

/* the pool cleanup of a request that has a client */

void ngx_http_push_client_cleanup(void *data);

/* adoption: once the request can be let go, or must be kept */

ngx_int_t ngx_http_push_adopt_init(ngx_cycle_t *cycle);
void ngx_http_push_adopt(ngx_http_push_client_t *client);
void ngx_http_push_adopt_again(void);

/* the wheel */

void ngx_http_push_wheel_init(ngx_cycle_t *cycle);
void ngx_http_push_wheel_add(ngx_http_push_client_t *client);
void ngx_http_push_wheel_linger(ngx_http_push_client_t *client);
void ngx_http_push_wheel_close(void);

/* some client that is not ending, NULL: there is none */

ngx_http_push_client_t *ngx_http_push_wheel_next(void);

/* calls the handler for each of them; it returns 1 if it has ended it */

void ngx_http_push_wheel_walk(
    ngx_uint_t (*handler)(ngx_http_push_client_t *client));
uint32_t ngx_http_push_seconds(void);

/* drain */

void ngx_http_push_drain_init(ngx_cycle_t *cycle);
ngx_uint_t ngx_http_push_draining(void);

/* whether there is room for another; 0: too few connections are free */

ngx_uint_t ngx_http_push_has_room(void);


#endif /* _NGX_HTTP_PUSH_CLIENT_H_INCLUDED_ */
