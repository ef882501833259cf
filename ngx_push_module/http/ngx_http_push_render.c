
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_push_render.h"
#include "ngx_push_envelope.h"
#include "ngx_push_message.h"
#include "ngx_push_sse.h"
#include "ngx_push_zone.h"


/* an event and a chunk around what is counted apart */
#define NGX_HTTP_PUSH_EVENT_ROOM                                             \
    (NGX_PUSH_CHUNK_HEAD + sizeof("id: \nevent: \ndata: \n\n\r\n"))


static ngx_int_t ngx_http_push_render_stored(ngx_http_push_rendering_t *d,
    ngx_push_batch_t *b, ngx_uint_t chunked);
static ngx_int_t ngx_http_push_render_json(ngx_http_push_rendering_t *d,
    ngx_push_batch_t *b, ngx_uint_t chunked, ngx_str_t *channel);
static void ngx_http_push_render_envelope(ngx_push_envelope_t *e,
    ngx_push_batch_t *b, ngx_push_message_t *m, u_char *copy);
static u_char *ngx_http_push_render_event(u_char *p, ngx_push_envelope_t *e,
    ngx_uint_t chunked);
static ngx_int_t ngx_http_push_render_room(ngx_http_push_rendering_t *d,
    size_t size);


static ngx_http_push_rendering_t  ngx_http_push_forms[NGX_HTTP_PUSH_FORMS];


ngx_http_push_rendering_t *
ngx_http_push_render_batch(ngx_push_batch_t *b, ngx_http_push_form_e form,
    ngx_str_t *channel)
{
    ngx_int_t                   rc;
    ngx_http_push_rendering_t  *d;

    d = &ngx_http_push_forms[form];

    if (d->batch == b && d->serial == b->serial) {
        return d;
    }

    switch (form) {

    case NGX_HTTP_PUSH_FORM_SSE:
    case NGX_HTTP_PUSH_FORM_SSE_CHUNKED:
        rc = ngx_http_push_render_stored(d, b,
                                     form == NGX_HTTP_PUSH_FORM_SSE_CHUNKED);
        break;

    default:
        rc = ngx_http_push_render_json(d, b,
                                 form == NGX_HTTP_PUSH_FORM_SSE_JSON_CHUNKED,
                                 channel);
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

    for (i = 0; i < NGX_HTTP_PUSH_FORMS; i++) {
        ngx_free(ngx_http_push_forms[i].buf);
        ngx_http_push_forms[i].buf = NULL;
        ngx_http_push_forms[i].size = 0;
    }
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
ngx_http_push_render_json(ngx_http_push_rendering_t *d, ngx_push_batch_t *b,
    ngx_uint_t chunked, ngx_str_t *channel)
{
    u_char               *p, *copy, id[NGX_PUSH_ID_LEN];
    size_t                size, most;
    ngx_uint_t            i;
    ngx_push_envelope_t   e;

    ngx_memzero(&e, sizeof(ngx_push_envelope_t));

    e.channel = *channel;
    e.id.data = id;

    most = 0;

    for (i = 0; i < b->n; i++) {
        most = ngx_max(most, b->messages[i]->size);
    }

    /* room for a message in several blocks, here and behind what is made */

    if (ngx_http_push_render_room(d, most) != NGX_OK) {
        return NGX_ERROR;
    }

    size = 0;

    for (i = 0; i < b->n; i++) {
        ngx_http_push_render_envelope(&e, b, b->messages[i], d->buf);

        size += ngx_push_envelope_size(&e) + NGX_HTTP_PUSH_EVENT_ROOM
                + e.id.len + e.event.len;
    }

    if (ngx_http_push_render_room(d, size + most) != NGX_OK) {
        return NGX_ERROR;
    }

    p = d->buf;
    copy = d->buf + size;

    for (i = 0; i < b->n; i++) {
        ngx_http_push_render_envelope(&e, b, b->messages[i], copy);

        p = ngx_http_push_render_event(p, &e, chunked);
        d->ends[i] = p;
    }

    d->start = d->buf;

    return NGX_OK;
}


/* channel and room for the id are set; "copy" has room for the bytes */

static void
ngx_http_push_render_envelope(ngx_push_envelope_t *e, ngx_push_batch_t *b,
    ngx_push_message_t *m, u_char *copy)
{
    ngx_push_id_t  value;

    value.epoch = b->epoch;
    value.seq = m->seq;

    e->id.len = ngx_push_id_format(e->id.data, &value) - e->id.data;
    e->time = m->time;
    e->text = (m->flags & NGX_PUSH_MESSAGE_TEXT) != 0;
    e->body.len = m->body_size;
    e->body.data = ngx_push_message_bytes(&b->zone->sh->arena, m, copy)
                   + m->body;

    ngx_push_message_words(m, &e->content_type, &e->event, &e->topic,
                           &e->user);
}


static u_char *
ngx_http_push_render_event(u_char *p, ngx_push_envelope_t *e,
    ngx_uint_t chunked)
{
    size_t   head;
    u_char  *start, *last;

    /* the chunk's head is as long as the length it says */

    start = chunked ? p + NGX_PUSH_CHUNK_HEAD : p;

    last = ngx_sprintf(start, "id: %V\n", &e->id);

    if (e->event.len) {
        last = ngx_sprintf(last, "event: %V\n", &e->event);
    }

    last = ngx_cpymem(last, "data: ", sizeof("data: ") - 1);
    last = ngx_push_envelope(last, e);
    last = ngx_cpymem(last, "\n\n", 2);

    if (!chunked) {
        return last;
    }

    head = ngx_push_chunk_head(p, last - start);

    ngx_memmove(p + head, start, last - start);
    last -= start - (p + head);

    return ngx_cpymem(last, "\r\n", 2);
}


static ngx_int_t
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
