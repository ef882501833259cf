
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_websocket.h"


/* what comes in over a WebSocket, and what its control frames are answered */


#define NGX_HTTP_PUSH_INPUT    16384
#define NGX_HTTP_PUSH_READS    16            /* in one turn */

/* room for a command around what it publishes */
#define NGX_HTTP_PUSH_COMMAND  1024

/* stored blocks of deflate, even in small pieces: one byte in so many */
#define NGX_HTTP_PUSH_GROWTH   16


static void ngx_http_push_input_flow(ngx_http_push_client_t *client);
static ngx_int_t ngx_http_push_input_bytes(ngx_http_push_client_t *client,
    u_char *p, u_char *last);
static ngx_int_t ngx_http_push_input_piece(ngx_http_push_client_t *client,
    ngx_str_t *piece, ngx_uint_t end);
static ngx_int_t ngx_http_push_input_control(ngx_http_push_client_t *client,
    ngx_str_t *piece, ngx_uint_t end);
static ngx_int_t ngx_http_push_input_close(ngx_http_push_client_t *client,
    ngx_str_t *payload);
static ngx_int_t ngx_http_push_input_pong(ngx_http_push_client_t *client,
    ngx_str_t *payload);
static ngx_int_t ngx_http_push_input_end(ngx_http_push_client_t *client,
    ngx_uint_t code, char *why);
static void ngx_http_push_input_answer(ngx_http_push_client_t *client);
static void ngx_http_push_input_over(ngx_http_push_client_t *client);


static u_char  ngx_http_push_input_buf[NGX_HTTP_PUSH_INPUT];


ngx_http_push_input_t *
ngx_http_push_websocket_input(ngx_http_push_client_t *client)
{
    ngx_http_push_input_t  *in;

    if (client->state) {
        return client->state;
    }

    in = ngx_alloc(sizeof(ngx_http_push_input_t), client->connection->log);
    if (in == NULL) {
        return NULL;
    }

    ngx_memzero(in, sizeof(ngx_http_push_input_t));

    client->state = in;

    return in;
}


size_t
ngx_http_push_input_limit(ngx_http_push_client_t *client)
{
    return client->conf->max_message
           + (client->protocol ? NGX_HTTP_PUSH_COMMAND : 0);
}


void
ngx_http_push_websocket_release(ngx_http_push_client_t *client)
{
    ngx_http_push_input_t  *in;

    in = client->state;

    if (in) {
        ngx_free(in->early.data);
        ngx_free(in->message);
        ngx_free(in->rights);
        ngx_free(in);

        client->state = NULL;
    }
}


void
ngx_http_push_websocket_readable(ngx_http_push_client_t *client)
{
    ngx_str_t               early;
    ngx_uint_t              code;
    ngx_http_push_input_t  *in;

    in = client->state;

    if (in && in->answer) {

        /* something came in before the event that was posted for this */

        if (!client->connection->read->posted) {
            ngx_http_push_input_answer(client);
        }

        return;
    }

    if (in && in->refuse) {
        code = in->refuse;
        in->refuse = 0;

        ngx_http_push_websocket_retry(client, code,
                                      code == NGX_HTTP_PUSH_CLOSE_GAP);
        return;
    }

    if (in && in->early.len) {
        early = in->early;
        ngx_str_null(&in->early);

        if (ngx_http_push_input_bytes(client, early.data,
                                      early.data + early.len)
            != NGX_OK)
        {
            ngx_free(early.data);
            return;
        }

        ngx_free(early.data);
    }

    ngx_http_push_input_flow(client);
}


/* who does not take what it is sent is not listened to */

static void
ngx_http_push_input_flow(ngx_http_push_client_t *client)
{
    ssize_t                 n;
    ngx_uint_t              reads;
    ngx_connection_t       *c;
    ngx_http_push_input_t  *in;

    c = client->connection;

    for (reads = 0; reads < NGX_HTTP_PUSH_READS; reads++) {

        if (client->blocked && !client->ending) {
            return;
        }

        n = c->recv(c, ngx_http_push_input_buf, NGX_HTTP_PUSH_INPUT);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n <= 0) {
            ngx_http_push_client_close(client);
            return;
        }

        client->pings = 0;

        if (ngx_http_push_input_bytes(client, ngx_http_push_input_buf,
                                      ngx_http_push_input_buf + n)
            != NGX_OK)
        {
            return;
        }
    }

    in = client->state;

    if (in && in->frames.state == 0 && !in->frames.payload
        && !in->frames.message && in->rights == NULL)
    {
        ngx_free(in->message);
        ngx_free(in);
        client->state = NULL;
    }

    if (reads == NGX_HTTP_PUSH_READS) {
        ngx_post_event(c->read, &ngx_posted_next_events);
        return;
    }

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_http_push_client_close(client);
    }
}


/* NGX_OK, or NGX_DONE: the client is gone, or reads no more */

static ngx_int_t
ngx_http_push_input_bytes(ngx_http_push_client_t *client, u_char *p,
    u_char *last)
{
    ngx_int_t               rc;
    ngx_str_t               piece;
    ngx_uint_t              end;
    ngx_http_push_input_t  *in;

    in = ngx_http_push_websocket_input(client);
    if (in == NULL) {
        ngx_http_push_client_close(client);
        return NGX_DONE;
    }

    /* it may have been made before the extensions were agreed on */

    in->frames.deflate = (client->window != 0);
    in->frames.limit = ngx_http_push_input_limit(client);

    if (in->frames.deflate) {

        /* what cannot be compressed becomes a little larger */

        in->frames.limit += in->frames.limit / NGX_HTTP_PUSH_GROWTH
                            + NGX_HTTP_PUSH_GROWTH;
    }

    for ( ;; ) {
        rc = ngx_push_websocket_read(&in->frames, &p, last, &piece, &end);

        if (rc == NGX_AGAIN) {
            return NGX_OK;
        }

        if (rc == NGX_ERROR) {

            /* what follows cannot be understood */

            in->last = 1;

            return ngx_http_push_input_fail(client, in->frames.close,
                                            "broken frame");
        }

        if (ngx_http_push_input_piece(client, &piece, end) != NGX_OK) {
            return NGX_DONE;
        }
    }
}


static ngx_int_t
ngx_http_push_input_piece(ngx_http_push_client_t *client, ngx_str_t *piece,
    ngx_uint_t end)
{
    ngx_http_push_input_t  *in;

    in = client->state;

    if (in->frames.opcode >= NGX_PUSH_WEBSOCKET_CLOSE) {
        return ngx_http_push_input_control(client, piece, end);
    }

    /* after our close frame nothing else counts */

    return client->ending ? NGX_OK
                          : ngx_http_push_input_data(client, piece, end);
}


static ngx_int_t
ngx_http_push_input_control(ngx_http_push_client_t *client, ngx_str_t *piece,
    ngx_uint_t end)
{
    ngx_str_t               payload;
    ngx_http_push_input_t  *in;

    in = client->state;

    ngx_memcpy(in->control + in->ncontrol, piece->data, piece->len);
    in->ncontrol += piece->len;

    if (!end) {
        return NGX_OK;
    }

    payload.data = in->control;
    payload.len = in->ncontrol;

    in->ncontrol = 0;

    switch (in->frames.opcode) {

    case NGX_PUSH_WEBSOCKET_CLOSE:
        return ngx_http_push_input_close(client, &payload);

    case NGX_PUSH_WEBSOCKET_PING:
        return client->ending ? NGX_OK
                              : ngx_http_push_input_pong(client, &payload);

    default: /* NGX_PUSH_WEBSOCKET_PONG */
        return NGX_OK;
    }
}


/* it is answered with its own code, unless it is itself an answer */

static ngx_int_t
ngx_http_push_input_close(ngx_http_push_client_t *client, ngx_str_t *payload)
{
    ngx_uint_t              code, bad;
    ngx_http_push_input_t  *in;

    in = client->state;
    in->last = 1;

    code = ngx_push_websocket_close_code(payload, &bad);

    return ngx_http_push_input_end(client, code, "");
}


static ngx_int_t
ngx_http_push_input_pong(ngx_http_push_client_t *client, ngx_str_t *payload)
{
    u_char     *p, buf[NGX_PUSH_WEBSOCKET_HEAD + NGX_HTTP_PUSH_CONTROL];
    ngx_str_t   bytes;

    p = ngx_push_websocket_head(buf, NGX_PUSH_WEBSOCKET_PONG, payload->len);
    p = ngx_cpymem(p, payload->data, payload->len);

    bytes.data = buf;
    bytes.len = p - buf;

    return (ngx_http_push_client_write(client, &bytes) == NGX_DONE) ? NGX_DONE
                                                                     : NGX_OK;
}


ngx_int_t
ngx_http_push_input_fail(ngx_http_push_client_t *client, ngx_uint_t code,
    char *why)
{
    ngx_log_error(NGX_LOG_INFO, client->connection->log, 0,
                  "push: WebSocket closed with %ui, %s", code, why);

    return ngx_http_push_input_end(client, code, why);
}


/* after our close frame nothing has to be answered */

static ngx_int_t
ngx_http_push_input_end(ngx_http_push_client_t *client, ngx_uint_t code,
    char *why)
{
    ngx_http_push_input_t  *in;

    if (client->ending) {
        ngx_http_push_input_over(client);
        return NGX_DONE;
    }

    in = client->state;

    in->answer = code;
    in->why = why;

    ngx_post_event(client->connection->read, &ngx_posted_next_events);

    return NGX_DONE;
}


static void
ngx_http_push_input_answer(ngx_http_push_client_t *client)
{
    ngx_str_t               reason;
    ngx_uint_t              code;
    ngx_http_push_input_t  *in;

    if (client->ending) {
        ngx_http_push_input_over(client);
        return;
    }

    in = client->state;

    reason.data = (u_char *) in->why;
    reason.len = ngx_strlen(in->why);

    code = in->answer;
    in->answer = 0;

    ngx_http_push_websocket_close(client, code, &reason);
}


/* all is said, once the last words are out */

static void
ngx_http_push_input_over(ngx_http_push_client_t *client)
{
    client->handshake = 0;

    if (client->unfinished == NULL) {
        ngx_http_push_own_shut(client);
    }
}
