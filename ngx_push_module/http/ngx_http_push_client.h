
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
 * push_hibernate off) the request stays and its filters frame what is sent.
 *
 * There is one unfinished write: what the socket did not take of a message
 * that was begun.  It goes out before anything else.
 */


/* seconds without progress at the end of a stream, until it is closed */
#define NGX_HTTP_PUSH_LINGER  5


typedef struct ngx_http_push_client_s     ngx_http_push_client_t;
typedef struct ngx_http_push_unfinished_s ngx_http_push_unfinished_t;


typedef struct {
    ngx_str_t                   name;
    ngx_uint_t                  gauge;

    /* a sign of life, without framing */

    ngx_str_t                   heartbeat;

    ngx_push_deliver_pt         deliver;

    /* the last words to a client that is to come back */

    void                      (*reconnect)(ngx_http_push_client_t *client);
} ngx_http_push_transport_t;


struct ngx_http_push_client_s {
    ngx_queue_t                     queue;   /* of the wheel, or as below */
    ngx_connection_t               *connection;
    ngx_http_request_t             *request; /* NULL: let go */
    ngx_http_push_subscribe_conf_t *conf;
    const ngx_http_push_transport_t
                                   *transport;
    ngx_http_push_unfinished_t     *unfinished;

    uint32_t                        due;     /* seconds, monotonic */
    uint32_t                        written;
    uint32_t                        progress;
    uint32_t                        ends;    /* 0: never */
    uint32_t                        started;

    unsigned                        chunked:1;
    unsigned                        json:1;
    unsigned                        joined:1;
    unsigned                        adopting:1;
    unsigned                        blocked:1;
    unsigned                        ending:1;

    ngx_push_subscription_t         subscription;
};


#define ngx_http_push_client(s)                                              \
    ((ngx_http_push_client_t *) ((u_char *) (s)                              \
                        - offsetof(ngx_http_push_client_t, subscription)))


/* a client of this request, which frees it if it ends first */

ngx_http_push_client_t *ngx_http_push_client_create(ngx_http_request_t *r,
    const ngx_http_push_transport_t *transport);

/* as ngx_push_hub_join(); the client is counted from now on */

ngx_int_t ngx_http_push_client_join(ngx_http_push_client_t *client,
    ngx_http_push_request_t *q);

/*
 * Sends headers and the first bytes; from the next turn on the client gets
 * what it has joined.  Returns what the content handler returns.
 */

ngx_int_t ngx_http_push_client_start(ngx_http_push_client_t *client,
    ngx_str_t *first);

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
 * when the client has read them.  The client must not be used any more.
 */

void ngx_http_push_client_end(ngx_http_push_client_t *client,
    ngx_str_t *bytes);
void ngx_http_push_client_close(ngx_http_push_client_t *client);

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

/* the connection takes more */

void ngx_http_push_client_writable(ngx_http_push_client_t *client);

/* a connection of one's own: letting go of the request, and the end */

ngx_int_t ngx_http_push_own(ngx_http_push_client_t *client);
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


#endif /* _NGX_HTTP_PUSH_CLIENT_H_INCLUDED_ */
