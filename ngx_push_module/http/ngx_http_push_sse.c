
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_notice.h"
#include "ngx_http_push_render.h"
#include "ngx_push_json.h"


/* Server-Sent Events (WHATWG HTML, 9.2) */


static ngx_uint_t ngx_http_push_sse_is_over(ngx_http_push_request_t *q);
static ngx_int_t ngx_http_push_sse_refuse(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_sse_welcome(ngx_http_push_client_t *client,
    ngx_http_push_request_t *q, ngx_str_t *first);
static size_t ngx_http_push_sse_welcome_size(ngx_http_push_client_t *client,
    ngx_http_push_request_t *q);
static u_char *ngx_http_push_sse_subscribed(u_char *p,
    ngx_http_push_client_t *client, ngx_http_push_request_t *q);
static ngx_int_t ngx_http_push_sse_messages(ngx_http_push_subscription_t *s,
    ngx_push_batch_t *b);
static ngx_int_t ngx_http_push_sse_gap(ngx_http_push_subscription_t *s,
    ngx_http_push_gap_t *gap);
static u_char *ngx_http_push_sse_put_gap(u_char *p,
    ngx_http_push_client_t *client, ngx_http_push_request_t *q,
    ngx_uint_t told, ngx_http_push_gap_t *gap);
static ngx_int_t ngx_http_push_sse_closed(ngx_http_push_subscription_t *s,
    ngx_str_t *channel, char *reason, ngx_uint_t last);
static void ngx_http_push_sse_reconnect(ngx_http_push_client_t *client);
static ngx_int_t ngx_http_push_sse_heartbeat(ngx_http_push_client_t *client);


static const ngx_http_push_transport_t  ngx_http_push_sse = {
    ngx_string("sse"),
    NGX_HTTP_PUSH_SSE,
    ngx_http_push_sse_messages,
    ngx_http_push_sse_gap,
    ngx_http_push_sse_closed,
    ngx_http_push_sse_reconnect,
    NULL,                                  /* cut */
    ngx_http_push_sse_heartbeat,
    NULL,                                  /* readable */
    NULL,                                  /* finished */
    NULL,                                  /* let go */
    NULL,                                  /* nothing */
    NULL                                   /* release */
};


static ngx_str_t  ngx_http_push_sse_type = ngx_string("text/event-stream");


ngx_int_t
ngx_http_push_sse_handler(ngx_http_request_t *r, ngx_http_push_ctx_t *ctx)
{
    ngx_int_t                rc;
    ngx_str_t                first;
    ngx_http_push_client_t  *client;
    ngx_http_push_request_t  q;

    ctx->transport = ngx_http_push_sse.name;

    if (!ngx_http_push_has_room()) {
        return ngx_http_push_sse_refuse(r);
    }

    client = ngx_http_push_client_create(r, &ngx_http_push_sse);
    if (client == NULL) {
        return ngx_http_push_sse_refuse(r);
    }

    q.channels = ctx->channels;

    if (ngx_http_push_read_request(r, client->conf, &q) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method == NGX_HTTP_HEAD) {
        r->header_only = 1;

        rc = ngx_http_push_stream(r, &ngx_http_push_sse_type);
        return (rc == NGX_OK) ? ngx_http_send_header(r) : rc;
    }

    rc = ngx_http_push_join(client, &q);

    if (rc != NGX_OK) {
        return ngx_http_push_sse_refuse(r);
    }

    ctx->id = q.starts[0].start;
    ctx->has_id = 1;

    if (ngx_http_push_sse_is_over(&q)) {

        /* a browser stops for good */

        ngx_http_push_leave(client);

        return NGX_HTTP_NO_CONTENT;
    }

    if (ngx_http_push_sse_welcome(client, &q, &first) != NGX_OK
        || ngx_http_push_stream(r, &ngx_http_push_sse_type) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_push_client_start(client, &first);
}


/* a reconnect to channels of which none has anything left */

static ngx_uint_t
ngx_http_push_sse_is_over(ngx_http_push_request_t *q)
{
    ngx_uint_t  i;

    for (i = 0; i < q->channels->nelts; i++) {
        if (q->starts[i].at != NGX_PUSH_AT_ID || !q->starts[i].over) {
            return 0;
        }
    }

    return 1;
}


/* a browser never comes back after 503: it is told when to come */

static ngx_int_t
ngx_http_push_sse_refuse(ngx_http_request_t *r)
{
    u_char       *p;
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    p = ngx_pnalloc(r->pool, sizeof("retry: \n\n") + NGX_INT64_LEN);
    b = ngx_calloc_buf(r->pool);

    if (p == NULL
        || b == NULL
        || ngx_http_push_stream(r, &ngx_http_push_sse_type) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->pos = p;
    b->last = ngx_sprintf(p, "retry: %M\n\n", ngx_http_push_retry(r));
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    r->headers_out.content_length_n = b->last - b->pos;
    r->keepalive = 0;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_push_output(r, &out);
}


/* retry, push.subscribed and, if it must be, push.gap */

static ngx_int_t
ngx_http_push_sse_welcome(ngx_http_push_client_t *client,
    ngx_http_push_request_t *q, ngx_str_t *first)
{
    u_char               *p;
    ngx_uint_t            i;
    ngx_http_push_gap_t   gap;

    p = ngx_pnalloc(client->request->pool,
                    ngx_http_push_sse_welcome_size(client, q));
    if (p == NULL) {
        return NGX_ERROR;
    }

    first->data = p;

    p = ngx_http_push_sse_subscribed(p, client, q);

    for (i = 0; i < q->channels->nelts; i++) {

        if (ngx_http_push_start_gap(q, i, &gap)) {
            (void) ngx_http_push_gap_size(&gap);
            p = ngx_http_push_sse_put_gap(p, client, q, i + 1, &gap);
        }
    }

    first->len = p - first->data;

    return NGX_OK;
}


static size_t
ngx_http_push_sse_welcome_size(ngx_http_push_client_t *client,
    ngx_http_push_request_t *q)
{
    size_t                size, position;
    ngx_str_t            *name;
    ngx_uint_t            i;
    ngx_http_push_gap_t   gap;

    name = q->channels->elts;
    position = ngx_http_push_position_size(client);
    size = NGX_HTTP_PUSH_NOTICE_SIZE + position;

    for (i = 0; i < q->channels->nelts; i++) {
        size += sizeof("{\"channel\":,\"id\":\"\"},") + NGX_PUSH_ID_LEN
                + ngx_push_json_string_size(&name[i]);

        if (ngx_http_push_start_gap(q, i, &gap)) {
            size += ngx_http_push_gap_size(&gap) + position;
        }
    }

    return size;
}


/* without a position where it is not the one that was asked for */

static u_char *
ngx_http_push_sse_subscribed(u_char *p, ngx_http_push_client_t *client,
    ngx_http_push_request_t *q)
{
    ngx_str_t         *name;
    ngx_uint_t         i, lost;
    ngx_push_start_t  *start;

    lost = 0;

    for (i = 0; i < q->channels->nelts; i++) {
        lost |= (q->starts[i].found != NGX_PUSH_COMPLETE);
    }

    p = ngx_sprintf(p, "retry: %M\nevent: push.subscribed\n",
                    ngx_http_push_random_retry(client->conf));

    if (!lost) {
        p = ngx_cpymem(p, "id: ", sizeof("id: ") - 1);
        p = ngx_http_push_position(p, client, NULL, 0);
        *p++ = LF;
    }

    p = ngx_cpymem(p, "data: {\"channels\":[",
                   sizeof("data: {\"channels\":[") - 1);

    name = q->channels->elts;

    for (i = 0; i < q->channels->nelts; i++) {
        start = &q->starts[i];

        if (i) {
            *p++ = ',';
        }

        p = ngx_cpymem(p, "{\"channel\":", sizeof("{\"channel\":") - 1);
        p = ngx_push_json_string(p, &name[i]);
        *p++ = ',';
        p = ngx_http_push_put_id(p, "id",
                                 (start->found == NGX_PUSH_COMPLETE)
                                 ? &start->start : NULL);
        *p++ = '}';
    }

    return ngx_cpymem(p, "]}\n\n", sizeof("]}\n\n") - 1);
}


static ngx_int_t
ngx_http_push_sse_messages(ngx_http_push_subscription_t *s,
    ngx_push_batch_t *b)
{
    return ngx_http_push_deliver_messages(s, b,
                           s->client->json ? NGX_HTTP_PUSH_KIND_SSE_JSON
                                           : NGX_HTTP_PUSH_KIND_SSE);
}


static ngx_int_t
ngx_http_push_sse_gap(ngx_http_push_subscription_t *s,
    ngx_http_push_gap_t *gap)
{
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   bytes;

    p = ngx_alloc(ngx_http_push_gap_size(gap)
                  + ngx_http_push_position_size(s->client), ngx_cycle->log);

    if (p == NULL) {
        ngx_http_push_client_close(s->client);
        return NGX_DONE;
    }

    bytes.data = p;
    bytes.len = ngx_http_push_sse_put_gap(p, s->client, NULL, 0, gap) - p;

    rc = ngx_http_push_client_write(s->client, &bytes);

    ngx_free(p);

    return rc;
}


/* the position after the gap comes with the notice, never without it */

static u_char *
ngx_http_push_sse_put_gap(u_char *p, ngx_http_push_client_t *client,
    ngx_http_push_request_t *q, ngx_uint_t told, ngx_http_push_gap_t *gap)
{
    p = ngx_cpymem(p, "event: push.gap\nid: ",
                   sizeof("event: push.gap\nid: ") - 1);
    p = ngx_http_push_position(p, client, q, told);
    p = ngx_cpymem(p, "\ndata: {", sizeof("\ndata: {") - 1);
    p = ngx_http_push_put_gap(p, gap);

    return ngx_cpymem(p, "}\n\n", sizeof("}\n\n") - 1);
}


static ngx_int_t
ngx_http_push_sse_closed(ngx_http_push_subscription_t *s, ngx_str_t *channel,
    char *reason, ngx_uint_t last)
{
    u_char     *p, *end;
    ngx_int_t   rc;
    ngx_str_t   bytes;

    p = ngx_alloc(NGX_HTTP_PUSH_NOTICE_SIZE
                  + ngx_push_json_string_size(channel), ngx_cycle->log);

    if (p == NULL) {
        ngx_http_push_client_close(s->client);
        return NGX_DONE;
    }

    end = ngx_cpymem(p, "event: push.closed\ndata: {\"channel\":",
                     sizeof("event: push.closed\ndata: {\"channel\":") - 1);
    end = ngx_push_json_string(end, channel);
    end = ngx_sprintf(end, ",\"reason\":\"%s\"}\n\n", reason);

    bytes.data = p;
    bytes.len = end - p;

    rc = NGX_DONE;

    if (last) {
        ngx_http_push_client_end(s->client, &bytes);

    } else {
        rc = ngx_http_push_client_write(s->client, &bytes);
    }

    ngx_free(p);

    return rc;
}


static void
ngx_http_push_sse_reconnect(ngx_http_push_client_t *client)
{
    u_char      *p;
    ngx_str_t    bytes;
    ngx_uint_t   retry;

    bytes.data = ngx_alloc(NGX_HTTP_PUSH_NOTICE_SIZE
                           + ngx_http_push_position_size(client),
                           ngx_cycle->log);

    if (bytes.data == NULL) {
        ngx_http_push_client_close(client);
        return;
    }

    retry = ngx_http_push_random_retry(client->conf);

    p = ngx_sprintf(bytes.data, "retry: %ui\nevent: push.reconnect\nid: ",
                    retry);
    p = ngx_http_push_position(p, client, NULL, 0);
    p = ngx_sprintf(p, "\ndata: {\"retry\":%ui}\n\n", retry);

    bytes.len = p - bytes.data;

    ngx_http_push_client_end(client, &bytes);

    ngx_free(bytes.data);
}


static ngx_int_t
ngx_http_push_sse_heartbeat(ngx_http_push_client_t *client)
{
    ngx_str_t  comment = ngx_string(":\n");

    return ngx_http_push_client_write(client, &comment);
}
