
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_push_render.h"
#include "ngx_push_deflate.h"
#include "ngx_push_envelope.h"
#include "ngx_push_message.h"
#include "ngx_push_sse.h"
#include "ngx_push_websocket.h"
#include "ngx_push_zone.h"


/* what is around the envelope in an event, but for id and name */
#define NGX_HTTP_PUSH_EVENT_ROOM  sizeof("id: \nevent: \ndata: \n\n")

/* smaller messages are not worth the while */
#define NGX_HTTP_PUSH_DEFLATE_MIN  64


typedef struct {
    ngx_push_batch_t     *batch;
    ngx_push_envelope_t   envelope;
    ngx_uint_t            kind;
    ngx_uint_t            variant;
    u_char               *copy;      /* room for one message's bytes */
    u_char               *plain;     /* and for one that is not compressed */
} ngx_http_push_render_t;


static ngx_http_push_rendering_t *ngx_http_push_render_form(
    ngx_http_push_subscription_t *s, ngx_push_batch_t *b, ngx_uint_t form);
static ngx_int_t ngx_http_push_render_stored(ngx_http_push_rendering_t *d,
    ngx_push_batch_t *b, ngx_uint_t chunked);
static ngx_int_t ngx_http_push_render_made(ngx_http_push_rendering_t *d,
    ngx_http_push_render_t *rd);
static size_t ngx_http_push_render_size(ngx_http_push_render_t *rd,
    ngx_push_message_t *m);
static u_char *ngx_http_push_render_one(u_char *p, ngx_http_push_render_t *rd,
    ngx_push_message_t *m);
static u_char *ngx_http_push_render_inner(u_char *p,
    ngx_http_push_render_t *rd, ngx_push_message_t *m);
static u_char *ngx_http_push_render_deflated(u_char *p,
    ngx_http_push_render_t *rd, ngx_push_message_t *m, ngx_uint_t opcode);
static void ngx_http_push_render_envelope(ngx_http_push_render_t *rd,
    ngx_push_message_t *m);


static ngx_http_push_rendering_t
    ngx_http_push_forms[NGX_HTTP_PUSH_KINDS * NGX_HTTP_PUSH_VARIANTS];


ngx_http_push_rendering_t *
ngx_http_push_render_batch(ngx_http_push_subscription_t *s,
    ngx_push_batch_t *b, ngx_uint_t kind, ngx_uint_t variant)
{
    ngx_uint_t                  form;
    ngx_http_push_rendering_t  *d;

    form = kind * NGX_HTTP_PUSH_VARIANTS + variant;
    d = &ngx_http_push_forms[form];

    if (d->serial == b->serial && d->batch == b) {
        return d;
    }

    return ngx_http_push_render_form(s, b, form);
}


static ngx_http_push_rendering_t *
ngx_http_push_render_form(ngx_http_push_subscription_t *s,
    ngx_push_batch_t *b, ngx_uint_t form)
{
    u_char                      id[NGX_PUSH_ID_LEN];
    ngx_int_t                   rc;
    ngx_uint_t                  kind, variant;
    ngx_http_push_render_t      rd;
    ngx_http_push_rendering_t  *d;

    kind = form / NGX_HTTP_PUSH_VARIANTS;
    variant = form % NGX_HTTP_PUSH_VARIANTS;

    d = &ngx_http_push_forms[form];
    d->batch = NULL;

    if (kind == NGX_HTTP_PUSH_KIND_SSE) {
        rc = ngx_http_push_render_stored(d, b, variant);

    } else {
        ngx_memzero(&rd, sizeof(ngx_http_push_render_t));

        rd.batch = b;
        rd.kind = kind;
        rd.variant = variant;
        rd.envelope.id.data = id;
        ngx_push_hub_channel(&s->base, &rd.envelope.channel);

        rc = ngx_http_push_render_made(d, &rd);
    }

    if (rc != NGX_OK) {
        return NULL;
    }

    d->batch = b;
    d->serial = b->serial;

    return d;
}


void
ngx_http_push_render_exit(void)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_PUSH_KINDS * NGX_HTTP_PUSH_VARIANTS; i++) {
        ngx_free(ngx_http_push_forms[i].buf);
        ngx_http_push_forms[i].buf = NULL;
        ngx_http_push_forms[i].size = 0;
    }

    ngx_http_push_splice_exit();
    ngx_push_deflate_exit();
}


/* a single message in one block is sent from where it lies */

static ngx_int_t
ngx_http_push_render_stored(ngx_http_push_rendering_t *d, ngx_push_batch_t *b,
    ngx_uint_t chunked)
{
    u_char              *p, *bytes;
    size_t               size, head, len;
    ngx_uint_t           i;
    ngx_push_arena_t    *arena;
    ngx_push_message_t  *m;

    arena = &b->zone->sh->arena;
    size = 0;

    if (b->n > 1 || !ngx_push_message_is_whole(b->messages[0])) {
        for (i = 0; i < b->n; i++) {
            size += b->messages[i]->size;
        }
    }

    if (ngx_http_push_render_room(d, size) != NGX_OK) {
        return NGX_ERROR;
    }

    p = d->buf;

    for (i = 0; i < b->n; i++) {
        m = b->messages[i];

        head = chunked ? 0 : m->head;
        len = chunked ? m->head + m->event_size + 2 : m->event_size;

        bytes = ngx_push_message_bytes(arena, m, p) + head;

        if (size == 0) {
            d->start = bytes;
            d->ends[0] = bytes + len;
            return NGX_OK;
        }

        ngx_memmove(p, bytes, len);
        p += len;
        d->ends[i] = p;
    }

    d->start = d->buf;

    return NGX_OK;
}


static ngx_int_t
ngx_http_push_render_made(ngx_http_push_rendering_t *d,
    ngx_http_push_render_t *rd)
{
    u_char            *p;
    size_t             size, one, most, largest;
    ngx_uint_t         i;
    ngx_push_batch_t  *b;

    b = rd->batch;
    largest = 0;

    for (i = 0; i < b->n; i++) {
        largest = ngx_max(largest, b->messages[i]->size);
    }

    /* room for a message in several blocks, here and behind what is made */

    if (ngx_http_push_render_room(d, largest) != NGX_OK) {
        return NGX_ERROR;
    }

    rd->copy = d->buf;
    size = 0;
    most = 0;

    for (i = 0; i < b->n; i++) {
        one = ngx_http_push_render_size(rd, b->messages[i]);
        most = ngx_max(most, one);

        if (rd->variant && ngx_http_push_is_frame(rd->kind)) {
            one = ngx_push_deflate_bound(one);
        }

        size += one + NGX_HTTP_PUSH_FRAME_ROOM;
    }

    if (ngx_http_push_render_room(d, size + largest + most) != NGX_OK) {
        return NGX_ERROR;
    }

    p = d->buf;
    rd->copy = d->buf + size;
    rd->plain = rd->copy + largest;

    for (i = 0; i < b->n; i++) {
        p = ngx_http_push_render_one(p, rd, b->messages[i]);
        d->ends[i] = p;
    }

    d->start = d->buf;

    return NGX_OK;
}


/* an upper bound, without framing */

static size_t
ngx_http_push_render_size(ngx_http_push_render_t *rd, ngx_push_message_t *m)
{
    if (rd->kind == NGX_HTTP_PUSH_KIND_FRAME) {
        return m->body_size;
    }

    ngx_http_push_render_envelope(rd, m);

    return ngx_push_envelope_size(&rd->envelope) + NGX_HTTP_PUSH_EVENT_ROOM
           + rd->envelope.id.len + rd->envelope.event.len;
}


static u_char *
ngx_http_push_render_one(u_char *p, ngx_http_push_render_t *rd,
    ngx_push_message_t *m)
{
    u_char      *last;
    ngx_uint_t   opcode;

    if (!ngx_http_push_is_frame(rd->kind)) {

        if (!rd->variant) {
            return ngx_http_push_render_inner(p, rd, m);
        }

        last = ngx_http_push_render_inner(p + NGX_PUSH_CHUNK_HEAD, rd, m);

        return ngx_http_push_render_chunk(p, last);
    }

    opcode = NGX_PUSH_WEBSOCKET_TEXT;

    if (rd->kind == NGX_HTTP_PUSH_KIND_FRAME
        && !(m->flags & NGX_PUSH_MESSAGE_TEXT))
    {
        opcode = NGX_PUSH_WEBSOCKET_BINARY;
    }

    if (rd->variant) {
        return ngx_http_push_render_deflated(p, rd, m, opcode);
    }

    last = ngx_http_push_render_inner(p + NGX_PUSH_WEBSOCKET_HEAD, rd, m);

    return ngx_http_push_render_frame(p, last, opcode);
}


static u_char *
ngx_http_push_render_inner(u_char *p, ngx_http_push_render_t *rd,
    ngx_push_message_t *m)
{
    ngx_push_envelope_t  *e;

    if (rd->kind == NGX_HTTP_PUSH_KIND_FRAME) {
        return ngx_cpymem(p, ngx_push_message_bytes(&rd->batch->zone->sh->arena,
                                                    m, rd->copy)
                             + m->body,
                          m->body_size);
    }

    ngx_http_push_render_envelope(rd, m);

    e = &rd->envelope;

    if (rd->kind != NGX_HTTP_PUSH_KIND_SSE_JSON) {
        p = ngx_push_envelope(p, e);

        if (rd->kind == NGX_HTTP_PUSH_KIND_NDJSON) {
            *p++ = LF;
        }

        return p;
    }

    p = ngx_sprintf(p, "id: %V\n", &e->id);

    if (e->event.len) {
        p = ngx_sprintf(p, "event: %V\n", &e->event);
    }

    p = ngx_cpymem(p, "data: ", sizeof("data: ") - 1);
    p = ngx_push_envelope(p, e);

    return ngx_cpymem(p, "\n\n", 2);
}


/* what does not become smaller goes as it is */

static u_char *
ngx_http_push_render_deflated(u_char *p, ngx_http_push_render_t *rd,
    ngx_push_message_t *m, ngx_uint_t opcode)
{
    ngx_str_t  src, dst;

    src.data = rd->plain;
    src.len = ngx_http_push_render_inner(rd->plain, rd, m) - rd->plain;

    dst.data = p + NGX_PUSH_WEBSOCKET_HEAD;

    if (src.len >= NGX_HTTP_PUSH_DEFLATE_MIN
        && ngx_push_deflate(&src, rd->variant + NGX_PUSH_DEFLATE_MIN - 1, &dst)
           == NGX_OK)
    {
        return ngx_http_push_render_frame(p, dst.data + dst.len,
                                          opcode | NGX_PUSH_WEBSOCKET_RSV1);
    }

    p = ngx_push_websocket_head(p, opcode, src.len);

    return ngx_cpymem(p, src.data, src.len);
}


/* channel and room for the id are set */

static void
ngx_http_push_render_envelope(ngx_http_push_render_t *rd,
    ngx_push_message_t *m)
{
    ngx_push_id_t         value;
    ngx_push_envelope_t  *e;

    e = &rd->envelope;

    value.epoch = rd->batch->epoch;
    value.seq = m->seq;

    if (rd->batch->terms) {
        value.epoch = ngx_push_terms_epoch(rd->batch->terms, value.epoch,
                                           value.seq);
    }

    e->id.len = ngx_push_id_format(e->id.data, &value) - e->id.data;
    e->time = m->time;
    e->text = (m->flags & NGX_PUSH_MESSAGE_TEXT) != 0;
    e->body.len = m->body_size;
    e->body.data = ngx_push_message_bytes(&rd->batch->zone->sh->arena, m,
                                          rd->copy)
                   + m->body;

    ngx_push_message_words(m, &e->content_type, &e->event, &e->topic,
                           &e->user);
}


u_char *
ngx_http_push_render_chunk(u_char *p, u_char *last)
{
    size_t   head, len;
    u_char  *start;

    start = p + NGX_PUSH_CHUNK_HEAD;
    len = last - start;

    head = ngx_push_chunk_head(p, len);
    ngx_memmove(p + head, start, len);

    return ngx_cpymem(p + head + len, "\r\n", 2);
}


u_char *
ngx_http_push_render_frame(u_char *p, u_char *last, ngx_uint_t opcode)
{
    size_t   len;
    u_char  *start;

    start = p + NGX_PUSH_WEBSOCKET_HEAD;
    len = last - start;

    p = ngx_push_websocket_head(p, opcode, len);
    ngx_memmove(p, start, len);

    return p + len;
}


ngx_int_t
ngx_http_push_render_room(ngx_http_push_rendering_t *d, size_t size)
{
    if (size <= d->size) {
        return NGX_OK;
    }

    ngx_free(d->buf);

    d->size = 0;
    d->batch = NULL;

    d->buf = ngx_alloc(size, ngx_cycle->log);
    if (d->buf == NULL) {
        return NGX_ERROR;
    }

    d->size = size;

    return NGX_OK;
}
