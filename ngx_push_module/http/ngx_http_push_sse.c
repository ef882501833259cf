
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_client.h"
#include "ngx_http_push_render.h"
#include "ngx_http_push_sse.h"
#include "ngx_push_json.h"
#include "ngx_push_message.h"
#include "ngx_push_sse.h"


/* Server-Sent Events (WHATWG HTML, 9.2) */


#define NGX_HTTP_PUSH_REQUESTED_MAX  256
#define NGX_HTTP_PUSH_NOTICE_ROOM    256     /* but for name and position */


typedef struct {
    ngx_str_t       channel;
    ngx_str_t       requested;
    ngx_push_id_t   oldest;                  /* seq 0: no history */
    ngx_push_id_t   position;                /* where it goes on */
    char           *reason;
} ngx_http_push_sse_gap_t;


static ngx_int_t ngx_http_push_sse_refuse(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_sse_welcome(ngx_http_request_t *r,
    ngx_http_push_client_t *client, ngx_http_push_request_t *q,
    ngx_str_t *first);
static ngx_int_t ngx_http_push_sse_deliver(ngx_push_subscription_t *s,
    ngx_push_batch_t *b, ngx_uint_t what);
static ngx_int_t ngx_http_push_sse_messages(ngx_http_push_client_t *client,
    ngx_push_batch_t *b);
static ngx_int_t ngx_http_push_sse_overrun(ngx_http_push_client_t *client,
    ngx_push_batch_t *b);
static u_char *ngx_http_push_sse_gap(u_char *p,
    ngx_http_push_sse_gap_t *gap);
static ngx_int_t ngx_http_push_sse_closed(ngx_http_push_client_t *client,
    char *reason);
static void ngx_http_push_sse_reconnect(ngx_http_push_client_t *client);


static const ngx_http_push_transport_t  ngx_http_push_sse = {
    ngx_string("sse"),
    NGX_HTTP_PUSH_SSE,
    ngx_string(":\n"),
    ngx_http_push_sse_deliver,
    ngx_http_push_sse_reconnect
};


static ngx_str_t  ngx_http_push_sse_type = ngx_string("text/event-stream");


ngx_int_t
ngx_http_push_sse_handler(ngx_http_request_t *r, ngx_http_push_ctx_t *ctx,
    ngx_str_t *channel)
{
    ngx_int_t                rc;
    ngx_str_t                first;
    ngx_http_push_client_t  *client;
    ngx_http_push_request_t  q;

    ctx->transport = ngx_http_push_sse.name;

    if (ngx_http_push_draining()
        || ngx_cycle->free_connection_n < ngx_cycle->connection_n / 16)
    {
        return ngx_http_push_sse_refuse(r);
    }

    client = ngx_http_push_client_create(r, &ngx_http_push_sse);
    if (client == NULL) {
        return ngx_http_push_sse_refuse(r);
    }

    q.channel = *channel;

    if (ngx_http_push_read_request(r, client->conf, &q) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method == NGX_HTTP_HEAD) {
        r->header_only = 1;

        rc = ngx_http_push_stream(r, &ngx_http_push_sse_type);
        return (rc == NGX_OK) ? ngx_http_send_header(r) : rc;
    }

    rc = ngx_http_push_client_join(client, &q);

    if (rc != NGX_OK) {
        return ngx_http_push_sse_refuse(r);
    }

    ctx->id = q.start.start;
    ctx->has_id = 1;

    if (q.start.at == NGX_PUSH_AT_ID && q.start.over) {

        /* a browser stops for good */

        return NGX_HTTP_NO_CONTENT;
    }

    if (ngx_http_push_sse_welcome(r, client, &q, &first) != NGX_OK
        || ngx_http_push_stream(r, &ngx_http_push_sse_type) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_push_client_start(client, &first);
}


void
ngx_http_push_sse_exit(void)
{
    ngx_http_push_render_exit();
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
ngx_http_push_sse_welcome(ngx_http_request_t *r,
    ngx_http_push_client_t *client, ngx_http_push_request_t *q,
    ngx_str_t *first)
{
    size_t                    size;
    u_char                   *p;
    ngx_uint_t                lost;
    ngx_http_push_sse_gap_t   gap;

    static char  *reasons[] = { "", "expired", "evicted", "unknown" };

    lost = (q->start.found != NGX_PUSH_COMPLETE);

    size = 2 * (NGX_HTTP_PUSH_NOTICE_ROOM
                + ngx_push_json_string_size(&q->channel));

    if (lost) {
        q->requested.len = ngx_min(q->requested.len,
                                   NGX_HTTP_PUSH_REQUESTED_MAX);
        size += ngx_push_json_string_size(&q->requested);
    }

    p = ngx_pnalloc(r->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    first->data = p;

    p = ngx_sprintf(p, "retry: %M\nevent: push.subscribed\n",
                    ngx_http_push_random_retry(client->conf));

    if (!lost) {
        p = ngx_cpymem(p, "id: ", 4);
        p = ngx_push_id_format(p, &q->start.start);
        *p++ = LF;
    }

    p = ngx_cpymem(p, "data: {\"channels\":[{\"channel\":",
                   sizeof("data: {\"channels\":[{\"channel\":") - 1);
    p = ngx_push_json_string(p, &q->channel);

    if (lost) {
        p = ngx_cpymem(p, ",\"id\":null", sizeof(",\"id\":null") - 1);

    } else {
        p = ngx_cpymem(p, ",\"id\":\"", sizeof(",\"id\":\"") - 1);
        p = ngx_push_id_format(p, &q->start.start);
        *p++ = '"';
    }

    p = ngx_cpymem(p, "}]}\n\n", sizeof("}]}\n\n") - 1);

    if (lost) {
        gap.channel = q->channel;
        gap.requested = q->requested;
        gap.oldest = q->start.oldest;
        gap.position = q->start.start;
        gap.reason = q->malformed ? "malformed" : reasons[q->start.found];

        p = ngx_http_push_sse_gap(p, &gap);
    }

    first->len = p - first->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_push_sse_deliver(ngx_push_subscription_t *s, ngx_push_batch_t *b,
    ngx_uint_t what)
{
    ngx_http_push_client_t  *client;

    client = ngx_http_push_client(s);

    if (client->blocked
        && (what == NGX_PUSH_MESSAGES || what == NGX_PUSH_OVERRUN))
    {
        /* a sign of life is on its way, nothing may come in between */

        return NGX_AGAIN;
    }

    switch (what) {

    case NGX_PUSH_MESSAGES:
        return ngx_http_push_sse_messages(client, b);

    case NGX_PUSH_OVERRUN:
        return ngx_http_push_sse_overrun(client, b);

    case NGX_PUSH_DELETED:
        return ngx_http_push_sse_closed(client, "deleted");

    case NGX_PUSH_ENDED:
        return ngx_http_push_sse_closed(client, "ended");

    default: /* NGX_PUSH_LOST */
        ngx_http_push_sse_reconnect(client);
        return NGX_DONE;
    }
}


static ngx_int_t
ngx_http_push_sse_messages(ngx_http_push_client_t *client,
    ngx_push_batch_t *b)
{
    u_char                     *start;
    ngx_int_t                   rc;
    ngx_str_t                   channel;
    ngx_uint_t                  i, n, begun;
    ngx_http_push_form_e        form;
    ngx_push_subscription_t    *s;
    ngx_http_push_rendering_t  *d;

    s = &client->subscription;

    form = client->json ? NGX_HTTP_PUSH_FORM_SSE_JSON
                        : NGX_HTTP_PUSH_FORM_SSE;

    if (client->chunked && client->request == NULL) {
        form++;
    }

    ngx_push_hub_channel(s, &channel);

    d = ngx_http_push_render_batch(b, form, &channel);

    if (d == NULL) {
        ngx_http_push_client_close(client);
        return NGX_DONE;
    }

    n = b->n;

    for (i = 0; i < n && b->messages[i]->seq <= s->cursor; i++) { /* void */ }

    start = i ? d->ends[i - 1] : d->start;

    rc = ngx_http_push_client_write_pieces(client, start, &d->ends[i], n - i,
                                           &begun);

    if (rc == NGX_AGAIN && begun) {
        s->cursor = (i + begun == n) ? b->to
                                     : b->messages[i + begun - 1]->seq;
    }

    return rc;
}


static ngx_int_t
ngx_http_push_sse_overrun(ngx_http_push_client_t *client, ngx_push_batch_t *b)
{
    u_char                   *p, requested[NGX_PUSH_ID_LEN];
    ngx_int_t                 rc;
    ngx_str_t                 bytes;
    ngx_push_id_t             cursor;
    ngx_http_push_sse_gap_t   gap;

    if (client->conf->slow_reader == NGX_HTTP_PUSH_SLOW_CLOSE) {
        ngx_http_push_sse_reconnect(client);
        return NGX_DONE;
    }

    cursor.epoch = b->epoch;
    cursor.seq = client->subscription.cursor;

    gap.requested.data = requested;
    gap.requested.len = ngx_push_id_format(requested, &cursor) - requested;

    gap.oldest.epoch = b->epoch;
    gap.oldest.seq = b->oldest;
    gap.position.epoch = b->epoch;
    gap.position.seq = b->floor;
    gap.reason = "overrun";

    ngx_push_hub_channel(&client->subscription, &gap.channel);

    p = ngx_alloc(NGX_HTTP_PUSH_NOTICE_ROOM
                  + ngx_push_json_string_size(&gap.channel),
                  ngx_cycle->log);

    if (p == NULL) {
        ngx_http_push_client_close(client);
        return NGX_DONE;
    }

    bytes.data = p;
    bytes.len = ngx_http_push_sse_gap(p, &gap) - p;

    rc = ngx_http_push_client_write(client, &bytes);

    ngx_free(p);

    if (rc == NGX_AGAIN) {
        client->subscription.cursor = b->floor;
    }

    return rc;
}


/* the position after the gap comes with the notice, never without it */

static u_char *
ngx_http_push_sse_gap(u_char *p, ngx_http_push_sse_gap_t *gap)
{
    p = ngx_cpymem(p, "event: push.gap\nid: ",
                   sizeof("event: push.gap\nid: ") - 1);
    p = ngx_push_id_format(p, &gap->position);

    p = ngx_cpymem(p, "\ndata: {\"channel\":",
                   sizeof("\ndata: {\"channel\":") - 1);
    p = ngx_push_json_string(p, &gap->channel);

    p = ngx_cpymem(p, ",\"requested\":", sizeof(",\"requested\":") - 1);
    p = ngx_push_json_string(p, &gap->requested);

    if (gap->oldest.seq) {
        p = ngx_cpymem(p, ",\"oldest\":\"", sizeof(",\"oldest\":\"") - 1);
        p = ngx_push_id_format(p, &gap->oldest);
        *p++ = '"';

    } else {
        p = ngx_cpymem(p, ",\"oldest\":null", sizeof(",\"oldest\":null") - 1);
    }

    return ngx_sprintf(p, ",\"reason\":\"%s\"}\n\n", gap->reason);
}


static ngx_int_t
ngx_http_push_sse_closed(ngx_http_push_client_t *client, char *reason)
{
    u_char     *p, *last;
    ngx_str_t   channel, bytes;

    ngx_push_hub_channel(&client->subscription, &channel);

    p = ngx_alloc(NGX_HTTP_PUSH_NOTICE_ROOM
                  + ngx_push_json_string_size(&channel),
                  ngx_cycle->log);

    if (p == NULL) {
        ngx_http_push_client_close(client);
        return NGX_DONE;
    }

    last = ngx_cpymem(p, "event: push.closed\ndata: {\"channel\":",
                      sizeof("event: push.closed\ndata: {\"channel\":") - 1);
    last = ngx_push_json_string(last, &channel);
    last = ngx_sprintf(last, ",\"reason\":\"%s\"}\n\n", reason);

    bytes.data = p;
    bytes.len = last - p;

    ngx_http_push_client_end(client, &bytes);

    ngx_free(p);

    return NGX_DONE;
}


static void
ngx_http_push_sse_reconnect(ngx_http_push_client_t *client)
{
    u_char         *p, buf[NGX_HTTP_PUSH_NOTICE_ROOM];
    ngx_str_t       bytes;
    ngx_uint_t      retry;
    ngx_push_id_t   id;

    retry = ngx_http_push_random_retry(client->conf);

    id.epoch = client->subscription.epoch;
    id.seq = client->subscription.cursor;

    p = ngx_sprintf(buf, "retry: %ui\nevent: push.reconnect\nid: ", retry);
    p = ngx_push_id_format(p, &id);
    p = ngx_sprintf(p, "\ndata: {\"retry\":%ui}\n\n", retry);

    bytes.data = buf;
    bytes.len = p - buf;

    ngx_http_push_client_end(client, &bytes);
}
