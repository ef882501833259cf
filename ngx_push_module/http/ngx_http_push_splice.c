
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_push_render.h"
#include "ngx_push_json.h"
#include "ngx_push_message.h"
#include "ngx_push_sse.h"
#include "ngx_push_websocket.h"


/*
 * Messages for a client of several channels: what is made once for all, with
 * the client's own position put in.
 */


#define NGX_HTTP_PUSH_ID_LINE    (sizeof("id: \n") - 1 + NGX_PUSH_ID_LEN)

#define NGX_HTTP_PUSH_POSITION   sizeof(",\"position\":\"\"")


typedef struct {
    ngx_str_t    position;
    ngx_str_t    piece;
    size_t       offset;         /* in an envelope, where it is put in */
    ngx_uint_t   kind;
} ngx_http_push_splice_t;


static size_t ngx_http_push_splice_offset(ngx_str_t *channel);
static u_char *ngx_http_push_splice_inner(u_char *p,
    ngx_http_push_splice_t *sp, ngx_push_message_t *m);
static u_char *ngx_http_push_splice_envelope(u_char *p,
    ngx_http_push_splice_t *sp, ngx_str_t *envelope);


static ngx_http_push_rendering_t  ngx_http_push_spliced;


ngx_http_push_rendering_t *
ngx_http_push_splice(ngx_http_push_subscription_t *s, ngx_push_batch_t *b,
    ngx_uint_t i, ngx_uint_t kind, ngx_http_push_request_t *q)
{
    size_t                      position, room;
    u_char                     *p, *from, *last;
    uint64_t                    cursor;
    ngx_str_t                   channel;
    ngx_uint_t                  form;
    ngx_http_push_splice_t      sp;
    ngx_http_push_rendering_t  *d, *made;

    ngx_push_hub_channel(&s->base, &channel);

    form = (kind == NGX_HTTP_PUSH_KIND_FRAME_JSON) ? NGX_HTTP_PUSH_KIND_NDJSON
                                                   : kind;

    made = ngx_http_push_render_batch(s, b, form, 0);
    if (made == NULL) {
        return NULL;
    }

    d = &ngx_http_push_spliced;
    from = i ? made->ends[i - 1] : made->start;

    position = ngx_http_push_position_size(s->client);
    room = 2 * (position + NGX_HTTP_PUSH_POSITION) + NGX_HTTP_PUSH_FRAME_ROOM;

    if (ngx_http_push_render_room(d, made->ends[b->n - 1] - from
                                     + room * (b->n - i) + position)
        != NGX_OK)
    {
        return NULL;
    }

    sp.kind = kind;
    sp.offset = ngx_http_push_splice_offset(&channel);
    sp.position.data = d->buf;

    cursor = s->base.cursor;

    p = d->buf + position;
    d->start = p;

    for ( /* void */ ; i < b->n; i++) {
        s->base.cursor = b->messages[i]->seq;

        sp.position.len = ngx_http_push_position(sp.position.data, s->client,
                                                 q, q ? q->told : 0)
                          - sp.position.data;

        sp.piece.data = from;
        sp.piece.len = made->ends[i] - from;
        from = made->ends[i];

        if (kind == NGX_HTTP_PUSH_KIND_FRAME_JSON) {
            last = ngx_http_push_splice_inner(p + NGX_PUSH_WEBSOCKET_HEAD,
                                              &sp, b->messages[i]);
            p = ngx_http_push_render_frame(p, last, NGX_PUSH_WEBSOCKET_TEXT);

        } else if (s->client->chunked && s->client->direct) {
            last = ngx_http_push_splice_inner(p + NGX_PUSH_CHUNK_HEAD, &sp,
                                              b->messages[i]);
            p = ngx_http_push_render_chunk(p, last);

        } else {
            p = ngx_http_push_splice_inner(p, &sp, b->messages[i]);
        }

        d->ends[i] = p;
    }

    s->base.cursor = cursor;

    return d;
}


void
ngx_http_push_splice_exit(void)
{
    ngx_free(ngx_http_push_spliced.buf);
    ngx_http_push_spliced.buf = NULL;
    ngx_http_push_spliced.size = 0;
}


/* behind the message's own id */

static size_t
ngx_http_push_splice_offset(ngx_str_t *channel)
{
    return sizeof("{\"type\":\"message\",\"channel\":,\"id\":\"\"") - 1
           + ngx_push_json_string_size(channel) + NGX_PUSH_ID_LEN;
}


static u_char *
ngx_http_push_splice_inner(u_char *p, ngx_http_push_splice_t *sp,
    ngx_push_message_t *m)
{
    size_t     n;
    ngx_str_t  event, envelope, piece;

    piece = sp->piece;

    switch (sp->kind) {

    case NGX_HTTP_PUSH_KIND_FRAME_JSON:
        piece.len--;
        return ngx_http_push_splice_envelope(p, sp, &piece);

    case NGX_HTTP_PUSH_KIND_NDJSON:
        return ngx_http_push_splice_envelope(p, sp, &piece);
    }

    p = ngx_cpymem(p, "id: ", sizeof("id: ") - 1);
    p = ngx_cpymem(p, sp->position.data, sp->position.len);
    *p++ = LF;

    piece.data += NGX_HTTP_PUSH_ID_LINE;
    piece.len -= NGX_HTTP_PUSH_ID_LINE;

    if (sp->kind == NGX_HTTP_PUSH_KIND_SSE) {
        return ngx_cpymem(p, piece.data, piece.len);
    }

    ngx_push_message_words(m, &envelope, &event, &envelope, &envelope);

    n = sizeof("data: ") - 1;

    if (event.len) {
        n += sizeof("event: \n") - 1 + event.len;
    }

    p = ngx_cpymem(p, piece.data, n);

    envelope.data = piece.data + n;
    envelope.len = piece.len - n;

    return ngx_http_push_splice_envelope(p, sp, &envelope);
}


static u_char *
ngx_http_push_splice_envelope(u_char *p, ngx_http_push_splice_t *sp,
    ngx_str_t *envelope)
{
    p = ngx_cpymem(p, envelope->data, sp->offset);
    p = ngx_cpymem(p, ",\"position\":\"", sizeof(",\"position\":\"") - 1);
    p = ngx_cpymem(p, sp->position.data, sp->position.len);
    *p++ = '"';

    return ngx_cpymem(p, envelope->data + sp->offset,
                      envelope->len - sp->offset);
}
