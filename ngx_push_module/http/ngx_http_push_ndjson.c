
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_notice.h"
#include "ngx_http_push_render.h"
#include "ngx_push_json.h"


/* a stream of JSON objects, one a line */


static u_char *ngx_http_push_ndjson_put(u_char *p, u_char *last);
static ngx_int_t ngx_http_push_ndjson_messages(
    ngx_http_push_subscription_t *s, ngx_push_batch_t *b);
static ngx_int_t ngx_http_push_ndjson_gap(ngx_http_push_subscription_t *s,
    ngx_http_push_gap_t *gap);
static ngx_int_t ngx_http_push_ndjson_closed(ngx_http_push_subscription_t *s,
    ngx_str_t *channel, char *reason, ngx_uint_t last);
static void ngx_http_push_ndjson_reconnect(ngx_http_push_client_t *client);
static ngx_int_t ngx_http_push_ndjson_heartbeat(
    ngx_http_push_client_t *client);


static const ngx_http_push_transport_t  ngx_http_push_ndjson = {
    ngx_string("ndjson"),
    NGX_HTTP_PUSH_NDJSON,
    ngx_http_push_ndjson_messages,
    ngx_http_push_ndjson_gap,
    ngx_http_push_ndjson_closed,
    ngx_http_push_ndjson_reconnect,
    NULL,                                  /* cut */
    ngx_http_push_ndjson_heartbeat,
    NULL,                                  /* readable */
    NULL,                                  /* finished */
    NULL,                                  /* let go */
    NULL,                                  /* nothing */
    NULL                                   /* release */
};


static ngx_str_t  ngx_http_push_ndjson_type =
    ngx_string("application/x-ndjson");


ngx_int_t
ngx_http_push_ndjson_handler(ngx_http_request_t *r, ngx_http_push_ctx_t *ctx)
{
    ngx_int_t                rc;
    ngx_str_t                first;
    ngx_http_push_client_t  *client;
    ngx_http_push_request_t  q;

    ctx->transport = ngx_http_push_ndjson.name;

    if (!ngx_http_push_has_room()) {
        return ngx_http_push_unavailable(r);
    }

    client = ngx_http_push_client_create(r, &ngx_http_push_ndjson);
    if (client == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    q.channels = ctx->channels;
    q.greet = 1;

    if (ngx_http_push_read_request(r, client->conf, &q) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (q.malformed) {
        return ngx_http_push_bad_position(r);
    }

    if (r->method == NGX_HTTP_HEAD) {
        r->header_only = 1;

        rc = ngx_http_push_stream(r, &ngx_http_push_ndjson_type);
        return (rc == NGX_OK) ? ngx_http_send_header(r) : rc;
    }

    rc = ngx_http_push_join(client, &q);

    if (rc == NGX_DECLINED) {
        return ngx_http_push_unavailable(r);
    }

    ctx->id = q.starts[0].start;
    ctx->has_id = 1;

    if (rc != NGX_OK
        || ngx_http_push_json_welcome(client, &q, ngx_http_push_ndjson_put,
                                      &first)
           != NGX_OK
        || ngx_http_push_stream(r, &ngx_http_push_ndjson_type) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_push_client_start(client, &first);
}


/* closes up what was left for framing */

static u_char *
ngx_http_push_ndjson_put(u_char *p, u_char *last)
{
    *last++ = LF;

    return ngx_movemem(p, p + NGX_HTTP_PUSH_FRAME_ROOM,
                       last - p - NGX_HTTP_PUSH_FRAME_ROOM);
}


static ngx_int_t
ngx_http_push_ndjson_messages(ngx_http_push_subscription_t *s,
    ngx_push_batch_t *b)
{
    return ngx_http_push_deliver_messages(s, b, NGX_HTTP_PUSH_KIND_NDJSON);
}


static ngx_int_t
ngx_http_push_ndjson_gap(ngx_http_push_subscription_t *s,
    ngx_http_push_gap_t *gap)
{
    u_char     *p;
    size_t      room;
    ngx_int_t   rc;
    ngx_str_t   bytes, position;

    room = ngx_http_push_position_size(s->client);

    p = ngx_alloc(ngx_http_push_gap_size(gap) + 2 * room, ngx_cycle->log);

    if (p == NULL) {
        ngx_http_push_client_close(s->client);
        return NGX_DONE;
    }

    ngx_http_push_several(p, s->client, &position);

    bytes.data = p + room;

    p = ngx_http_push_json_gap(bytes.data, gap, &position);
    *p++ = LF;

    bytes.len = p - bytes.data;

    rc = ngx_http_push_client_write(s->client, &bytes);

    ngx_free(bytes.data - room);

    return rc;
}


static ngx_int_t
ngx_http_push_ndjson_closed(ngx_http_push_subscription_t *s,
    ngx_str_t *channel, char *reason, ngx_uint_t last)
{
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   bytes;

    bytes.data = ngx_alloc(NGX_HTTP_PUSH_NOTICE_SIZE
                           + ngx_push_json_string_size(channel),
                           ngx_cycle->log);

    if (bytes.data == NULL) {
        ngx_http_push_client_close(s->client);
        return NGX_DONE;
    }

    p = ngx_http_push_json_closed(bytes.data, channel, reason);
    *p++ = LF;

    bytes.len = p - bytes.data;
    rc = NGX_DONE;

    if (last) {
        ngx_http_push_client_end(s->client, &bytes);

    } else {
        rc = ngx_http_push_client_write(s->client, &bytes);
    }

    ngx_free(bytes.data);

    return rc;
}


static void
ngx_http_push_ndjson_reconnect(ngx_http_push_client_t *client)
{
    u_char     *p;
    ngx_str_t   bytes;

    bytes.data = ngx_alloc(NGX_HTTP_PUSH_NOTICE_SIZE
                           + ngx_http_push_position_size(client),
                           ngx_cycle->log);

    if (bytes.data == NULL) {
        ngx_http_push_client_close(client);
        return;
    }

    p = ngx_http_push_json_reconnect(bytes.data, client);
    *p++ = LF;

    bytes.len = p - bytes.data;

    ngx_http_push_client_end(client, &bytes);

    ngx_free(bytes.data);
}


static ngx_int_t
ngx_http_push_ndjson_heartbeat(ngx_http_push_client_t *client)
{
    ngx_str_t  blank = ngx_string("\n");

    return ngx_http_push_client_write(client, &blank);
}
