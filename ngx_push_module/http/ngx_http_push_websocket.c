
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_websocket.h"
#include "ngx_http_push_render.h"
#include "ngx_push_json.h"


/* what is sent over a WebSocket: messages, notices, pings and the end */


#define NGX_HTTP_PUSH_PINGS    2             /* that may stay unanswered */
#define NGX_HTTP_PUSH_REASON   123


static ngx_int_t ngx_http_push_websocket_messages(
    ngx_http_push_subscription_t *s, ngx_push_batch_t *b);
static ngx_int_t ngx_http_push_websocket_gap(ngx_http_push_subscription_t *s,
    ngx_http_push_gap_t *gap);
static ngx_int_t ngx_http_push_websocket_closed(
    ngx_http_push_subscription_t *s, ngx_str_t *channel, char *reason,
    ngx_uint_t last);
static void ngx_http_push_websocket_reconnect(
    ngx_http_push_client_t *client);
static void ngx_http_push_websocket_cut(ngx_http_push_client_t *client);
static ngx_int_t ngx_http_push_websocket_heartbeat(
    ngx_http_push_client_t *client);
static void ngx_http_push_websocket_end(ngx_http_push_client_t *client,
    u_char *p, u_char *last, ngx_uint_t code);


const ngx_http_push_transport_t  ngx_http_push_websocket = {
    ngx_string("websocket"),
    NGX_HTTP_PUSH_WEBSOCKET,
    ngx_http_push_websocket_messages,
    ngx_http_push_websocket_gap,
    ngx_http_push_websocket_closed,
    ngx_http_push_websocket_reconnect,
    ngx_http_push_websocket_cut,
    ngx_http_push_websocket_heartbeat,
    ngx_http_push_websocket_readable,
    NULL,                                  /* finished */
    NULL,                                  /* let go */
    NULL,                                  /* nothing */
    ngx_http_push_websocket_release
};


static ngx_int_t
ngx_http_push_websocket_messages(ngx_http_push_subscription_t *s,
    ngx_push_batch_t *b)
{
    return ngx_http_push_deliver_messages(s, b,
                           s->client->json ? NGX_HTTP_PUSH_KIND_FRAME_JSON
                                           : NGX_HTTP_PUSH_KIND_FRAME);
}


static ngx_int_t
ngx_http_push_websocket_gap(ngx_http_push_subscription_t *s,
    ngx_http_push_gap_t *gap)
{
    u_char                  *p, *last;
    size_t                   room;
    ngx_int_t                rc;
    ngx_str_t                position;
    ngx_http_push_client_t  *client;

    client = s->client;

    if (!client->json) {
        ngx_http_push_websocket_retry(client, NGX_HTTP_PUSH_CLOSE_GAP, 1);
        return NGX_DONE;
    }

    room = ngx_http_push_position_size(client);

    p = ngx_alloc(NGX_HTTP_PUSH_FRAME_ROOM + ngx_http_push_gap_size(gap)
                  + 2 * room, ngx_cycle->log);

    if (p == NULL) {
        ngx_http_push_client_close(client);
        return NGX_DONE;
    }

    ngx_http_push_several(p, client, &position);

    last = ngx_http_push_json_gap(p + room + NGX_HTTP_PUSH_FRAME_ROOM, gap,
                                  &position);

    rc = ngx_http_push_websocket_send(client, p + room, last);

    ngx_free(p);

    return rc;
}


static ngx_int_t
ngx_http_push_websocket_closed(ngx_http_push_subscription_t *s,
    ngx_str_t *channel, char *reason, ngx_uint_t last)
{
    u_char                  *p, *end;
    ngx_int_t                rc;
    ngx_http_push_client_t  *client;

    client = s->client;

    if (!client->json && !last) {
        return NGX_OK;
    }

    p = ngx_alloc(2 * NGX_HTTP_PUSH_FRAME_ROOM + NGX_HTTP_PUSH_NOTICE_SIZE
                  + ngx_push_json_string_size(channel), ngx_cycle->log);

    if (p == NULL) {
        ngx_http_push_client_close(client);
        return NGX_DONE;
    }

    end = ngx_http_push_json_closed(p + NGX_HTTP_PUSH_FRAME_ROOM, channel,
                                    reason);
    rc = NGX_DONE;

    if (last) {
        ngx_http_push_websocket_end(client, p, client->json ? end : NULL,
                                    NGX_HTTP_PUSH_CLOSE_NORMAL);

    } else {
        rc = ngx_http_push_websocket_send(client, p, end);
    }

    ngx_free(p);

    return rc;
}


static void
ngx_http_push_websocket_reconnect(ngx_http_push_client_t *client)
{
    u_char  *p, *last;

    if (!client->json) {
        ngx_http_push_websocket_retry(client, NGX_HTTP_PUSH_CLOSE_RESTART, 0);
        return;
    }

    p = ngx_alloc(2 * NGX_HTTP_PUSH_FRAME_ROOM + NGX_HTTP_PUSH_NOTICE_SIZE
                  + ngx_http_push_position_size(client), ngx_cycle->log);

    if (p == NULL) {
        ngx_http_push_client_close(client);
        return;
    }

    last = ngx_http_push_json_reconnect(p + NGX_HTTP_PUSH_FRAME_ROOM, client);

    ngx_http_push_websocket_end(client, p, last, NGX_HTTP_PUSH_CLOSE_RESTART);

    ngx_free(p);
}


static void
ngx_http_push_websocket_cut(ngx_http_push_client_t *client)
{
    ngx_http_push_websocket_retry(client, NGX_HTTP_PUSH_CLOSE_GAP, 0);
}


/* whatever comes in is an answer */

static ngx_int_t
ngx_http_push_websocket_heartbeat(ngx_http_push_client_t *client)
{
    ngx_str_t  ping = ngx_string("\x89\0");

    if (client->pings == NGX_HTTP_PUSH_PINGS) {
        ngx_log_error(NGX_LOG_INFO, client->connection->log, 0,
                      "push: client answers no ping");

        ngx_http_push_client_close(client);
        return NGX_DONE;
    }

    client->pings++;

    return ngx_http_push_client_write(client, &ping);
}


ngx_int_t
ngx_http_push_websocket_send(ngx_http_push_client_t *client, u_char *p,
    u_char *last)
{
    ngx_str_t  bytes;

    bytes.data = p + NGX_HTTP_PUSH_FRAME_ROOM - NGX_PUSH_WEBSOCKET_HEAD;
    bytes.len = ngx_http_push_render_frame(bytes.data, last,
                                           NGX_PUSH_WEBSOCKET_TEXT)
                - bytes.data;

    return ngx_http_push_client_write(client, &bytes);
}


/* a notice as above, unless "last" is NULL, and the end in one write */

static void
ngx_http_push_websocket_end(ngx_http_push_client_t *client, u_char *p,
    u_char *last, ngx_uint_t code)
{
    u_char     *frame, reason[sizeof("retry=") + NGX_INT64_LEN];
    ngx_str_t   bytes, why;

    bytes.data = p + NGX_HTTP_PUSH_FRAME_ROOM - NGX_PUSH_WEBSOCKET_HEAD;

    frame = last ? ngx_http_push_render_frame(bytes.data, last,
                                              NGX_PUSH_WEBSOCKET_TEXT)
                 : bytes.data;

    why.data = reason;
    why.len = 0;

    if (code != NGX_HTTP_PUSH_CLOSE_NORMAL) {
        why.len = ngx_sprintf(reason, "retry=%M",
                              ngx_http_push_random_retry(client->conf))
                  - reason;
    }

    bytes.len = ngx_push_websocket_close(frame, code, &why) - bytes.data;

    client->handshake = 1;
    ngx_http_push_client_end(client, &bytes);
}


void
ngx_http_push_websocket_close(ngx_http_push_client_t *client, ngx_uint_t code,
    ngx_str_t *reason)
{
    u_char                  buf[NGX_PUSH_WEBSOCKET_HEAD
                                + NGX_HTTP_PUSH_CONTROL];
    ngx_str_t               bytes;
    ngx_http_push_input_t  *in;

    in = client->state;

    bytes.data = buf;
    bytes.len = ngx_push_websocket_close(buf, code, reason) - buf;

    client->handshake = (in == NULL || !in->last);
    ngx_http_push_client_end(client, &bytes);
}


void
ngx_http_push_websocket_retry(ngx_http_push_client_t *client, ngx_uint_t code,
    ngx_uint_t since)
{
    u_char     *p, buf[NGX_HTTP_PUSH_REASON];
    size_t      len;
    ngx_str_t   reason;

    p = ngx_sprintf(buf, "retry=%M", ngx_http_push_random_retry(client->conf));

    len = sizeof(" since=") - 1 + ngx_http_push_position_size(client);

    if (since && client->channels
        && (size_t) (p - buf) + len <= NGX_HTTP_PUSH_REASON)
    {
        p = ngx_cpymem(p, " since=", sizeof(" since=") - 1);
        p = ngx_http_push_position(p, client, NULL, 0);
    }

    reason.data = buf;
    reason.len = p - buf;

    ngx_http_push_websocket_close(client, code, &reason);
}
