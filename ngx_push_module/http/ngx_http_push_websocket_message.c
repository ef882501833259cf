
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_websocket.h"
#include "ngx_push_deflate.h"
#include "ngx_push_utf8.h"


/* messages that a WebSocket client sends: put together, and published */


#define NGX_HTTP_PUSH_MESSAGE  512           /* the least that is allocated */


static ngx_uint_t ngx_http_push_input_is_wanted(
    ngx_http_push_client_t *client);
static ngx_int_t ngx_http_push_input_keep(ngx_http_push_input_t *in,
    ngx_str_t *piece);
static ngx_int_t ngx_http_push_input_inflate(ngx_http_push_client_t *client,
    ngx_str_t *message);
static ngx_int_t ngx_http_push_input_message(ngx_http_push_client_t *client,
    ngx_str_t *message);
static void ngx_http_push_input_later(ngx_http_push_client_t *client,
    ngx_http_push_said_t *said, ngx_int_t rc);
static ngx_int_t ngx_http_push_input_published(
    ngx_http_push_client_t *client, ngx_http_push_said_t *said,
    ngx_int_t rc);
static ngx_int_t ngx_http_push_input_publish(ngx_http_push_client_t *client,
    ngx_str_t *message);


ngx_int_t
ngx_http_push_input_data(ngx_http_push_client_t *client, ngx_str_t *piece,
    ngx_uint_t end)
{
    ngx_int_t               rc;
    ngx_str_t               message;
    ngx_http_push_input_t  *in;

    in = client->state;

    if (!ngx_http_push_input_is_wanted(client)) {
        return ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_POLICY,
                                        "publishing is not allowed");
    }

    if (client->protocol && in->frames.opcode == NGX_PUSH_WEBSOCKET_BINARY) {
        return ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_DATA,
                                        "a command is text");
    }

    if (!in->frames.compressed
        && in->frames.size > ngx_http_push_input_limit(client))
    {
        return ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_LARGE,
                                        "message too large");
    }

    if (ngx_http_push_input_keep(in, piece) != NGX_OK) {
        return ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_ERROR,
                                        "no memory");
    }

    if (!end) {
        return NGX_OK;
    }

    message.data = in->message;
    message.len = in->len;

    in->message = NULL;
    in->len = 0;
    in->size = 0;

    rc = NGX_OK;

    if (in->frames.compressed) {
        rc = ngx_http_push_input_inflate(client, &message);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_push_input_message(client, &message);
    }

    ngx_free(message.data);

    return rc;
}


/* before anything of it is kept */

static ngx_uint_t
ngx_http_push_input_is_wanted(ngx_http_push_client_t *client)
{
    ngx_str_t                      channel;
    ngx_http_push_subscription_t  *s;

    if (client->protocol) {
        return 1;
    }

    if (ngx_http_push_rights(client) == NULL) {
        return 0;
    }

    for (s = ngx_http_push_first(client); s; s = s->next) {

        if (!ngx_http_push_is_joined(s)) {
            continue;
        }

        ngx_push_hub_channel(&s->base, &channel);

        if (!ngx_http_push_may_publish(client, &channel)) {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_push_input_keep(ngx_http_push_input_t *in, ngx_str_t *piece)
{
    size_t   size;
    u_char  *p;

    if (in->len + piece->len > in->size || in->message == NULL) {

        /* no frame is copied again for each piece, no message for each frame */

        size = ngx_max(in->len + piece->len + (size_t) in->frames.left,
                       ngx_min(in->size * 2, in->frames.limit));
        size = ngx_max(size, NGX_HTTP_PUSH_MESSAGE);

        p = ngx_alloc(size, ngx_cycle->log);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(p, in->message ? in->message : p, in->len);
        ngx_free(in->message);

        in->message = p;
        in->size = size;
    }

    ngx_memcpy(in->message + in->len, piece->data, piece->len);
    in->len += piece->len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_push_input_inflate(ngx_http_push_client_t *client,
    ngx_str_t *message)
{
    ngx_int_t               rc;
    ngx_str_t               plain;
    ngx_http_push_input_t  *in;

    in = client->state;

    rc = ngx_push_inflate(message, ngx_http_push_input_limit(client), &plain);

    switch (rc) {

    case NGX_OK:
        ngx_free(message->data);
        *message = plain;

        if (in->frames.text
            && ngx_push_utf8_valid(plain.data, plain.len) != NGX_OK)
        {
            return ngx_http_push_input_fail(client,
                                            NGX_HTTP_PUSH_CLOSE_INVALID,
                                            "text is not UTF-8");
        }

        return NGX_OK;

    case NGX_DECLINED:
        return ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_LARGE,
                                        "message too large");

    case NGX_ABORT:
        return ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_INVALID,
                                        "broken compression");

    default:
        return ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_ERROR,
                                        "no memory");
    }
}


static ngx_int_t
ngx_http_push_input_message(ngx_http_push_client_t *client,
    ngx_str_t *message)
{
    return client->protocol ? ngx_http_push_command(client, message)
                            : ngx_http_push_input_publish(client, message);
}


/* to all channels of the location that are left */

static ngx_int_t
ngx_http_push_input_publish(ngx_http_push_client_t *client,
    ngx_str_t *message)
{
    ngx_int_t                      rc;
    ngx_push_target_t             *target;
    ngx_http_push_said_t           said;
    ngx_http_push_input_t         *in;
    ngx_http_push_subscription_t  *s;

    in = client->state;

    ngx_memzero(&said, sizeof(ngx_http_push_said_t));

    said.body = *message;

    if (!in->frames.text) {
        ngx_str_set(&said.content_type, "application/octet-stream");
    }

    target = ngx_alloc(client->channels * sizeof(ngx_push_target_t),
                       ngx_cycle->log);
    if (target == NULL) {
        return ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_ERROR,
                                        "no memory");
    }

    said.targets = target;

    for (s = ngx_http_push_first(client); s; s = s->next) {
        if (ngx_http_push_is_joined(s)) {
            ngx_push_hub_channel(&s->base, &target[said.ntargets++].channel);
        }
    }

    said.done = ngx_http_push_input_later;

    rc = ngx_http_push_say(client, &said);
    rc = ngx_http_push_input_published(client, &said, rc);

    ngx_free(target);

    return rc;
}


static void
ngx_http_push_input_later(ngx_http_push_client_t *client,
    ngx_http_push_said_t *said, ngx_int_t rc)
{
    if (client && !client->ending) {
        (void) ngx_http_push_input_published(client, said, rc);
    }
}


static ngx_int_t
ngx_http_push_input_published(ngx_http_push_client_t *client,
    ngx_http_push_said_t *said, ngx_int_t rc)
{
    ngx_uint_t  i;

    for (i = 0; rc == NGX_DECLINED && i < said->ntargets; i++) {
        if (said->targets[i].outcome == NGX_PUSH_SEALED) {
            rc = NGX_ABORT;
        }
    }

    switch (rc) {

    case NGX_OK:
    case NGX_AGAIN:
        return NGX_OK;

    case NGX_ABORT:
        return ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_POLICY,
                                        "the channel has ended");

    case NGX_DECLINED:
        ngx_http_push_websocket_retry(client, NGX_HTTP_PUSH_CLOSE_LATER, 0);
        return NGX_DONE;

    default:
        return ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_ERROR,
                                        "no memory");
    }
}
