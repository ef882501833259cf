
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_HTTP_PUSH_WEBSOCKET_H_INCLUDED_
#define _NGX_HTTP_PUSH_WEBSOCKET_H_INCLUDED_


#include "ngx_http_push_notice.h"
#include "ngx_push_websocket.h"


/*
 * WebSocket (RFC 6455): the handshake, what is sent, what comes in, and the
 * commands in it.
 */


#define NGX_HTTP_PUSH_CLOSE_NORMAL   1000
#define NGX_HTTP_PUSH_CLOSE_DATA     1003
#define NGX_HTTP_PUSH_CLOSE_INVALID  1007
#define NGX_HTTP_PUSH_CLOSE_POLICY   1008
#define NGX_HTTP_PUSH_CLOSE_LARGE    1009
#define NGX_HTTP_PUSH_CLOSE_ERROR    1011
#define NGX_HTTP_PUSH_CLOSE_RESTART  1012
#define NGX_HTTP_PUSH_CLOSE_LATER    1013
#define NGX_HTTP_PUSH_CLOSE_GAP      4200

/* the most that a control frame holds */
#define NGX_HTTP_PUSH_CONTROL        125


/* who a client is that may publish, and its location's own channels */

typedef struct {
    ngx_str_t              user;
    ngx_str_t             *own;
    ngx_uint_t             nown;
} ngx_http_push_rights_t;


/*
 * What is coming in, and the rights: a client that may not publish has none of
 * it between two frames.
 */

typedef struct {
    ngx_push_websocket_t     frames;
    ngx_http_push_rights_t  *rights;         /* to publish; NULL: none */
    ngx_str_t                early;          /* came with the handshake */
    u_char                  *message;
    size_t                   len;
    size_t                   size;
    uint16_t                 refuse;         /* code of a close that retries */
    uint16_t                 answer;         /* and of one in the next turn */
    char                    *why;
    unsigned                 last:1;         /* nothing more counts */
    uint8_t                  ncontrol;
    u_char                   control[NGX_HTTP_PUSH_CONTROL];
} ngx_http_push_input_t;


extern const ngx_http_push_transport_t  ngx_http_push_websocket;


/* the state for what comes in, made on first need; NULL: no memory */

ngx_http_push_input_t *ngx_http_push_websocket_input(
    ngx_http_push_client_t *client);
void ngx_http_push_websocket_readable(ngx_http_push_client_t *client);
void ngx_http_push_websocket_release(ngx_http_push_client_t *client);

/* the bytes of a message, at most */

size_t ngx_http_push_input_limit(ngx_http_push_client_t *client);

/*
 * A part of a message, and with "end" its last.  NGX_OK, or NGX_DONE: the
 * client is gone or ending.
 */

ngx_int_t ngx_http_push_input_data(ngx_http_push_client_t *client,
    ngx_str_t *piece, ngx_uint_t end);

/*
 * Closes for what the client has done wrong, in the next turn, so that what
 * it has published before comes back to it; NGX_DONE.
 */

ngx_int_t ngx_http_push_input_fail(ngx_http_push_client_t *client,
    ngx_uint_t code, char *why);

/*
 * Sends a frame whose payload has been written with NGX_HTTP_PUSH_FRAME_ROOM
 * bytes before it, from "p" on.  Returns as ngx_http_push_client_write().
 */

ngx_int_t ngx_http_push_websocket_send(ngx_http_push_client_t *client,
    u_char *p, u_char *last);

/* begins a closing handshake; the client must not be used any more */

void ngx_http_push_websocket_close(ngx_http_push_client_t *client,
    ngx_uint_t code, ngx_str_t *reason);

/* the same with "retry=<ms>" as its reason, and since=<position> */

void ngx_http_push_websocket_retry(ngx_http_push_client_t *client,
    ngx_uint_t code, ngx_uint_t since);

/* a message of a push.json client; NGX_OK, or NGX_DONE: the client is gone */

ngx_int_t ngx_http_push_command(ngx_http_push_client_t *client,
    ngx_str_t *text);

/*
 * What a client publishes.  NGX_OK, NGX_DECLINED: refused, as the outcomes of
 * the targets tell; NGX_ERROR: no memory; NGX_AGAIN: "done" is called later
 * with what it came to, and with no client if that has gone meanwhile.
 */

typedef struct ngx_http_push_said_s  ngx_http_push_said_t;

struct ngx_http_push_said_s {
    ngx_str_t              body;
    ngx_str_t              content_type;
    ngx_str_t              event;
    ngx_push_target_t     *targets;
    ngx_uint_t             ntargets;
    void                 (*done)(ngx_http_push_client_t *client,
                                 ngx_http_push_said_t *said, ngx_int_t rc);
    void                  *data;
};

ngx_int_t ngx_http_push_say(ngx_http_push_client_t *client,
    ngx_http_push_said_t *said);

/* rights */

#define ngx_http_push_rights(client)                                         \
    ((client)->state ? ((ngx_http_push_input_t *) (client)->state)->rights   \
                     : NULL)

ngx_int_t ngx_http_push_rights_create(ngx_http_push_client_t *client,
    ngx_http_push_request_t *q);
ngx_uint_t ngx_http_push_may_publish(ngx_http_push_client_t *client,
    ngx_str_t *channel);
ngx_uint_t ngx_http_push_may_subscribe(ngx_http_push_client_t *client,
    ngx_str_t *channel);


#endif /* _NGX_HTTP_PUSH_WEBSOCKET_H_INCLUDED_ */
