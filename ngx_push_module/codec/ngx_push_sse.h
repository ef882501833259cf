
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_SSE_H_INCLUDED_
#define _NGX_PUSH_SSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Server-sent events (WHATWG HTML, 9.2) in the form in which a message is
 * stored: one event as one chunk of HTTP/1.1 (RFC 9112, 7.1).
 *
 *     <hex>CRLF id: <id>LF event: <name>LF data: <line>LF LF CRLF [body]
 */


/* room for the largest "<hex>CRLF" */
#define NGX_PUSH_CHUNK_HEAD  (sizeof(size_t) * 2 + 2)


typedef struct {
    ngx_str_t  event;     /* name, or empty; checked by the caller */
    ngx_str_t  body;      /* payload */
    size_t     id_len;    /* bytes of id to leave blank, 0: no id line */
    unsigned   binary:1;  /* data is base64 of the body */
} ngx_push_sse_event_t;


typedef struct {
    size_t     size;      /* all bytes */
    size_t     head;      /* bytes of "<hex>CRLF" */
    size_t     event;     /* bytes of the event; then "CRLF" */
    size_t     id;        /* where the blank id begins; 0: no id */
    size_t     body;      /* where the payload begins, body.len bytes */
} ngx_push_sse_layout_t;


/*
 * Says where everything of e goes.  Offsets count from the first byte.
 * A text body without a line break is found inside its data line; any
 * other body stands once more, raw, behind the chunk.
 */
void ngx_push_sse_measure(ngx_push_sse_event_t *e,
    ngx_push_sse_layout_t *l);

/*
 * Writes exactly l->size bytes, the id as spaces, and returns their end.
 * l comes from ngx_push_sse_measure() of the same e.  A reader gets back
 * the body with each CR, LF and CRLF as one LF, or its base64.  e->event
 * must have passed ngx_push_header_event(): it is copied as it is.
 */
u_char *ngx_push_sse_render(u_char *p, ngx_push_sse_event_t *e,
    ngx_push_sse_layout_t *l);

/*
 * An event of our own, without a chunk around it:
 *
 *     event: <event>LF [id: <id>LF] data: <data>LF LF
 *
 * No id line if id is NULL.  None of the values has a line break.
 */
size_t ngx_push_sse_control_size(ngx_str_t *event, ngx_str_t *id,
    ngx_str_t *data);
u_char *ngx_push_sse_control(u_char *p, ngx_str_t *event, ngx_str_t *id,
    ngx_str_t *data);

/*
 * Writes the head of a chunk of len bytes, "<hex>CRLF", and returns how
 * long it is: at most NGX_PUSH_CHUNK_HEAD.  After the bytes comes CRLF.
 * A chunk of 0 bytes ends the body: never wrap an empty piece.
 */
size_t ngx_push_chunk_head(u_char *p, size_t len);


#endif /* _NGX_PUSH_SSE_H_INCLUDED_ */
