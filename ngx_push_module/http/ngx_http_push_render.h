
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_HTTP_PUSH_RENDER_H_INCLUDED_
#define _NGX_HTTP_PUSH_RENDER_H_INCLUDED_


#include "ngx_http_push_client.h"


/*
 * Messages of a batch in one form, one behind the other in one piece of
 * memory, made on first need, once for all subscribers of the worker.
 */


typedef enum {
    NGX_HTTP_PUSH_KIND_SSE = 0,              /* as stored */
    NGX_HTTP_PUSH_KIND_SSE_JSON,
    NGX_HTTP_PUSH_KIND_NDJSON,
    NGX_HTTP_PUSH_KIND_FRAME,                /* WebSocket: the body */
    NGX_HTTP_PUSH_KIND_FRAME_JSON,
    NGX_HTTP_PUSH_KINDS
} ngx_http_push_kind_e;


/* how it is framed: chunked or not, or compressed with a window or not */

#define NGX_HTTP_PUSH_VARIANTS  8

#define ngx_http_push_is_frame(kind)  ((kind) >= NGX_HTTP_PUSH_KIND_FRAME)


typedef struct {
    ngx_push_batch_t  *batch;
    uint64_t           serial;
    u_char            *start;
    u_char            *ends[NGX_PUSH_MAX_BATCH];
    u_char            *buf;
    size_t             size;
} ngx_http_push_rendering_t;


/* NULL: no memory */

ngx_http_push_rendering_t *ngx_http_push_render_batch(
    ngx_http_push_subscription_t *s, ngx_push_batch_t *b, ngx_uint_t kind,
    ngx_uint_t variant);

/*
 * The same from message i on for one client of several channels, with its
 * position after each; good until the next call.  "q" is its request if it
 * has channels whose gaps were not told, else NULL.  NULL: no memory.
 */

ngx_http_push_rendering_t *ngx_http_push_splice(
    ngx_http_push_subscription_t *s, ngx_push_batch_t *b, ngx_uint_t i,
    ngx_uint_t kind, ngx_http_push_request_t *q);

/* makes room in "buf"; what was there is lost.  NGX_OK or NGX_ERROR */

ngx_int_t ngx_http_push_render_room(ngx_http_push_rendering_t *d,
    size_t size);

/*
 * Puts a chunk's head and end around the piece that has been written with
 * room for the head before it, from "p" on.  Returns the new end.
 */

u_char *ngx_http_push_render_chunk(u_char *p, u_char *last);

/* the same with the head of a text frame */

u_char *ngx_http_push_render_frame(u_char *p, u_char *last,
    ngx_uint_t opcode);

/* room before a piece that is to be framed, and behind it */

#define NGX_HTTP_PUSH_FRAME_ROOM  32

void ngx_http_push_render_exit(void);
void ngx_http_push_splice_exit(void);


#endif /* _NGX_HTTP_PUSH_RENDER_H_INCLUDED_ */
