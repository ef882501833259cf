
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_websocket.h"
#include "ngx_http_push_render.h"
#include "ngx_push_deflate.h"


/* the opening handshake (RFC 6455, 4.2; RFC 7692, 7) */


static char *ngx_http_push_websocket_check(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_websocket_bad(ngx_http_request_t *r,
    char *cause);
static ngx_int_t ngx_http_push_websocket_subscribe(
    ngx_http_push_client_t *client, ngx_http_push_request_t *q,
    ngx_str_t *first);
static ngx_int_t ngx_http_push_websocket_refuse(
    ngx_http_push_client_t *client, ngx_uint_t code);
static u_char *ngx_http_push_websocket_put(u_char *p, u_char *last);
static ngx_uint_t ngx_http_push_websocket_lost(ngx_http_push_request_t *q);
static ngx_int_t ngx_http_push_websocket_early(
    ngx_http_push_client_t *client);
static ngx_uint_t ngx_http_push_is_protocol(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_websocket_headers(
    ngx_http_push_client_t *client);
static ngx_int_t ngx_http_push_websocket_extensions(
    ngx_http_push_client_t *client);


ngx_int_t
ngx_http_push_websocket_handler(ngx_http_request_t *r,
    ngx_http_push_ctx_t *ctx)
{
    char                    *cause;
    ngx_int_t                rc;
    ngx_str_t                first;
    ngx_http_push_client_t  *client;
    ngx_http_push_request_t  q;

    ctx->transport = ngx_http_push_websocket.name;

    cause = ngx_http_push_websocket_check(r);

    if (cause) {
        return ngx_http_push_websocket_bad(r, cause);
    }

    client = ngx_http_push_client_create(r, &ngx_http_push_websocket);
    if (client == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    client->upgraded = 1;
    client->protocol = ngx_http_push_is_protocol(r);
    client->commands = client->protocol
                       && ngx_http_push_has_commands(r, client->conf);

    q.channels = ctx->channels;
    q.greet = client->protocol;

    if (ngx_http_push_read_request(r, client->conf, &q) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (q.malformed) {
        return ngx_http_push_bad_position(r);
    }

    if (client->protocol) {
        q.format = NGX_HTTP_PUSH_FORMAT_JSON;
    }

    rc = ngx_http_push_rights_create(client, &q);

    if (rc == NGX_DECLINED) {
        return ngx_http_push_websocket_bad(r, "the user's name is too long");
    }

    if (rc != NGX_OK
        || ngx_http_push_websocket_early(client) != NGX_OK
        || ngx_http_push_websocket_headers(client) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_push_websocket_subscribe(client, &q, &first);

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (q.channels->nelts) {
        ctx->id = q.starts[0].start;
        ctx->has_id = 1;
    }

    return ngx_http_push_client_start(client, &first);
}


static char *
ngx_http_push_websocket_check(ngx_http_request_t *r)
{
    ngx_str_t        *version, *key;
    ngx_table_elt_t  *length;

    if (r->method != NGX_HTTP_GET) {
        return "a WebSocket begins with GET";
    }

    /* the body may have been discarded already, and its length with it */

    length = r->headers_in.content_length;

    if (r->headers_in.chunked
        || (length && ngx_atoof(length->value.data, length->value.len) != 0))
    {
        return "a WebSocket begins without a body";
    }

    if (!ngx_http_push_lists(r, "Connection", "Upgrade", 0)) {
        return "Connection does not name Upgrade";
    }

    version = ngx_http_push_request_header(r, "Sec-WebSocket-Version");

    if (version == NULL || version->len != 2
        || ngx_strncmp(version->data, "13", 2) != 0)
    {
        return "Sec-WebSocket-Version is not 13";
    }

    key = ngx_http_push_request_header(r, "Sec-WebSocket-Key");

    if (key == NULL || ngx_push_websocket_key(key) != NGX_OK) {
        return "Sec-WebSocket-Key is not the base64 of 16 bytes";
    }

    return NULL;
}


static ngx_int_t
ngx_http_push_websocket_bad(ngx_http_request_t *r, char *cause)
{
    ngx_str_t  value = ngx_string("13");

    if (ngx_http_push_header(r, "Sec-WebSocket-Version", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_push_problem(r, NGX_HTTP_BAD_REQUEST, "bad-handshake",
                                 cause, NULL);
}


/* what cannot be is told by a close frame, as soon as there are frames */

static ngx_int_t
ngx_http_push_websocket_subscribe(ngx_http_push_client_t *client,
    ngx_http_push_request_t *q, ngx_str_t *first)
{
    ngx_int_t  rc;

    ngx_str_null(first);

    if (ngx_http_push_draining()) {
        return ngx_http_push_websocket_refuse(client,
                                              NGX_HTTP_PUSH_CLOSE_RESTART);
    }

    if (!ngx_http_push_has_room()) {
        return ngx_http_push_websocket_refuse(client,
                                              NGX_HTTP_PUSH_CLOSE_LATER);
    }

    rc = ngx_http_push_join(client, q);

    if (rc == NGX_DECLINED) {
        return ngx_http_push_websocket_refuse(client,
                                              NGX_HTTP_PUSH_CLOSE_LATER);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    if (client->json) {
        return ngx_http_push_json_welcome(client, q,
                                          ngx_http_push_websocket_put, first);
    }

    if (ngx_http_push_websocket_lost(q)) {
        return ngx_http_push_websocket_refuse(client, NGX_HTTP_PUSH_CLOSE_GAP);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_push_websocket_refuse(ngx_http_push_client_t *client,
    ngx_uint_t code)
{
    ngx_http_push_input_t         *in;
    ngx_http_push_subscription_t  *s;

    in = ngx_http_push_websocket_input(client);
    if (in == NULL) {
        return NGX_ERROR;
    }

    in->refuse = code;

    /* what it has joined gives it nothing */

    for (s = ngx_http_push_first(client); s; s = s->next) {
        s->base.away = 0;
    }

    return NGX_OK;
}


static u_char *
ngx_http_push_websocket_put(u_char *p, u_char *last)
{
    u_char  *from, *end;

    from = p + NGX_HTTP_PUSH_FRAME_ROOM - NGX_PUSH_WEBSOCKET_HEAD;
    end = ngx_http_push_render_frame(from, last, NGX_PUSH_WEBSOCKET_TEXT);

    return ngx_movemem(p, from, end - from);
}


static ngx_uint_t
ngx_http_push_websocket_lost(ngx_http_push_request_t *q)
{
    ngx_uint_t  i;

    for (i = 0; i < q->channels->nelts; i++) {
        if (q->starts[i].found != NGX_PUSH_COMPLETE) {
            return 1;
        }
    }

    return 0;
}


/* frames that came with the handshake, or before its answer */

static ngx_int_t
ngx_http_push_websocket_early(ngx_http_push_client_t *client)
{
    size_t                  len;
    ngx_buf_t              *b;
    ngx_http_push_input_t  *in;

    b = client->request->header_in;
    len = b->last - b->pos;

    if (len == 0) {
        return NGX_OK;
    }

    in = ngx_http_push_websocket_input(client);
    if (in == NULL) {
        return NGX_ERROR;
    }

    in->early.data = ngx_alloc(len, client->connection->log);
    if (in->early.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(in->early.data, b->pos, len);
    in->early.len = len;

    b->pos = b->last;

    return NGX_OK;
}


ngx_uint_t
ngx_http_push_has_commands(ngx_http_request_t *r,
    ngx_http_push_subscribe_conf_t *conf)
{
    return conf->client_subscribe
           && conf->client_subscribe->nelts
           && ngx_http_push_is_protocol(r);
}


static ngx_uint_t
ngx_http_push_is_protocol(ngx_http_request_t *r)
{
    return ngx_http_push_lists(r, "Sec-WebSocket-Protocol", "push.json", 1);
}


static ngx_int_t
ngx_http_push_websocket_headers(ngx_http_push_client_t *client)
{
    ngx_str_t            value, *key;
    ngx_http_request_t  *r;

    r = client->request;

    key = ngx_http_push_request_header(r, "Sec-WebSocket-Key");

    value.len = NGX_PUSH_WEBSOCKET_ACCEPT;
    value.data = ngx_pnalloc(r->pool, NGX_PUSH_WEBSOCKET_ACCEPT);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    ngx_push_websocket_accept(value.data, key);

    r->err_status = 0;
    r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
    ngx_str_set(&r->headers_out.status_line, "101 Switching Protocols");

    if (ngx_http_push_header(r, "Sec-WebSocket-Accept", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&value, "websocket");

    if (ngx_http_push_header(r, "Upgrade", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&value, "push.json");

    if (client->protocol
        && ngx_http_push_header(r, "Sec-WebSocket-Protocol", &value) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_push_websocket_extensions(client);
}


/* of several header lines the first that can be accepted */

static ngx_int_t
ngx_http_push_websocket_extensions(ngx_http_push_client_t *client)
{
    ngx_str_t                  value, name;
    ngx_uint_t                 i;
    ngx_list_part_t           *part;
    ngx_table_elt_t           *h;
    ngx_http_request_t        *r;
    ngx_push_deflate_offer_t   offer;

    ngx_str_set(&name, "Sec-WebSocket-Extensions");

    r = client->request;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts && !client->window; i++) {

            if (h[i].key.len == name.len
                && ngx_strncasecmp(h[i].key.data, name.data, name.len) == 0
                && ngx_push_deflate_negotiate(&h[i].value, &offer) == NGX_OK)
            {
                client->window = offer.window - NGX_PUSH_DEFLATE_MIN + 1;
            }
        }
    }

    if (!client->window) {
        return NGX_OK;
    }

    value.data = ngx_pnalloc(r->pool, NGX_PUSH_DEFLATE_ANSWER);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_push_deflate_answer(value.data, &offer) - value.data;

    return ngx_http_push_header(r, "Sec-WebSocket-Extensions", &value);
}
