
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_sse.h"


#define ngx_push_sse_put(p, s)  ngx_cpymem(p, s, sizeof(s) - 1)

/* "data: " and LF */
#define NGX_PUSH_SSE_DATA  (sizeof("data: \n") - 1)

#define NGX_PUSH_SSE_ONES  0x0101010101010101ULL


static size_t ngx_push_sse_data_size(ngx_push_sse_event_t *e);
static u_char *ngx_push_sse_data(u_char *p, ngx_push_sse_event_t *e);
static size_t ngx_push_sse_lines_size(ngx_str_t *body);
static u_char *ngx_push_sse_lines(u_char *p, ngx_str_t *body);
static u_char *ngx_push_sse_base64(u_char *p, ngx_str_t *body);
static u_char *ngx_push_sse_line(u_char *p, u_char *last, u_char **next);
static ngx_uint_t ngx_push_sse_one_line(ngx_str_t *body);
static u_char *ngx_push_sse_value(u_char *p, ngx_str_t *value);


void
ngx_push_sse_measure(ngx_push_sse_event_t *e, ngx_push_sse_layout_t *l)
{
    u_char      head[NGX_PUSH_CHUNK_HEAD];
    size_t      n;
    ngx_uint_t  whole;

    n = 0;

    if (e->id_len) {
        n += sizeof("id: \n") - 1 + e->id_len;
    }

    if (e->event.len) {
        n += sizeof("event: \n") - 1 + e->event.len;
    }

    whole = !e->binary && ngx_push_sse_one_line(&e->body);

    l->event = n + sizeof("\n") - 1
               + (whole ? NGX_PUSH_SSE_DATA + e->body.len
                        : ngx_push_sse_data_size(e));
    l->head = ngx_push_chunk_head(head, l->event);
    l->id = e->id_len ? l->head + sizeof("id: ") - 1 : 0;
    l->size = l->head + l->event + sizeof(CRLF) - 1;

    if (whole) {
        l->body = l->head + n + sizeof("data: ") - 1;
        return;
    }

    l->body = l->size;
    l->size += e->body.len;
}


u_char *
ngx_push_sse_render(u_char *p, ngx_push_sse_event_t *e,
    ngx_push_sse_layout_t *l)
{
    u_char  *start;

    start = p;

    p += ngx_push_chunk_head(p, l->event);

    if (e->id_len) {
        p = ngx_push_sse_put(p, "id: ");
        ngx_memset(p, ' ', e->id_len);
        p += e->id_len;
        *p++ = LF;
    }

    if (e->event.len) {
        p = ngx_push_sse_put(p, "event: ");
        p = ngx_push_sse_value(p, &e->event);
    }

    if (l->body < l->head + l->event) {
        p = ngx_push_sse_put(p, "data: ");
        p = ngx_push_sse_value(p, &e->body);

    } else {
        p = ngx_push_sse_data(p, e);
    }

    *p++ = LF;
    p = ngx_push_sse_put(p, CRLF);

    if (p == start + l->body && e->body.len) {
        p = ngx_cpymem(p, e->body.data, e->body.len);
    }

    return p;
}


static size_t
ngx_push_sse_data_size(ngx_push_sse_event_t *e)
{
    if (e->binary) {
        return NGX_PUSH_SSE_DATA + ngx_base64_encoded_length(e->body.len);
    }

    return ngx_push_sse_lines_size(&e->body);
}


/*
 * A body always makes a data line: an event without one is never
 * dispatched (WHATWG HTML, 9.2.6), while an empty line dispatches "".
 */

static u_char *
ngx_push_sse_data(u_char *p, ngx_push_sse_event_t *e)
{
    if (e->body.len == 0) {
        return ngx_push_sse_put(p, "data: \n");
    }

    if (e->binary) {
        return ngx_push_sse_base64(p, &e->body);
    }

    return ngx_push_sse_lines(p, &e->body);
}


static size_t
ngx_push_sse_lines_size(ngx_str_t *body)
{
    size_t   size;
    u_char  *p, *next, *last;

    if (body->len == 0) {
        return NGX_PUSH_SSE_DATA;
    }

    size = 0;
    next = body->data;
    last = body->data + body->len;

    do {
        p = next;
        size += NGX_PUSH_SSE_DATA + (ngx_push_sse_line(p, last, &next) - p);

    } while (next != NULL);

    return size;
}


static u_char *
ngx_push_sse_lines(u_char *p, ngx_str_t *body)
{
    u_char  *line, *end, *next, *last;

    next = body->data;
    last = body->data + body->len;

    do {
        line = next;
        end = ngx_push_sse_line(line, last, &next);

        p = ngx_push_sse_put(p, "data: ");
        p = ngx_cpymem(p, line, end - line);
        *p++ = LF;

    } while (next != NULL);

    return p;
}


static u_char *
ngx_push_sse_base64(u_char *p, ngx_str_t *body)
{
    ngx_str_t  data;

    p = ngx_push_sse_put(p, "data: ");

    data.data = p;
    ngx_encode_base64(&data, body);

    p += data.len;
    *p++ = LF;

    return p;
}


/*
 * Returns the end of the line at p and sets next to the following one;
 * to NULL if there is none.  A break at the very end has an empty line
 * after it, so that the break survives.
 */

static u_char *
ngx_push_sse_line(u_char *p, u_char *last, u_char **next)
{
    u_char    *end;
    uint64_t   lf, cr;

    /* a word at a time: subtracting 1 borrows from a byte that is 0 */

    for ( /* void */ ; last - p >= 8; p += 8) {
        ngx_memcpy(&lf, p, 8);

        cr = lf ^ NGX_PUSH_SSE_ONES * CR;
        lf = lf ^ NGX_PUSH_SSE_ONES * LF;

        if ((((lf - NGX_PUSH_SSE_ONES) & ~lf)
             | ((cr - NGX_PUSH_SSE_ONES) & ~cr)) & NGX_PUSH_SSE_ONES << 7)
        {
            break;
        }
    }

    while (p < last && *p != LF && *p != CR) {
        p++;
    }

    end = p;

    if (p == last) {
        *next = NULL;
        return end;
    }

    if (*p == CR && p + 1 < last && p[1] == LF) {
        p++;
    }

    *next = p + 1;

    return end;
}


static ngx_uint_t
ngx_push_sse_one_line(ngx_str_t *body)
{
    if (body->len == 0) {
        return 1;
    }

    return memchr(body->data, LF, body->len) == NULL
           && memchr(body->data, CR, body->len) == NULL;
}


size_t
ngx_push_sse_control_size(ngx_str_t *event, ngx_str_t *id, ngx_str_t *data)
{
    size_t  size;

    size = sizeof("event: \ndata: \n\n") - 1 + event->len + data->len;

    if (id != NULL) {
        size += sizeof("id: \n") - 1 + id->len;
    }

    return size;
}


u_char *
ngx_push_sse_control(u_char *p, ngx_str_t *event, ngx_str_t *id,
    ngx_str_t *data)
{
    p = ngx_push_sse_put(p, "event: ");
    p = ngx_push_sse_value(p, event);

    if (id != NULL) {
        p = ngx_push_sse_put(p, "id: ");
        p = ngx_push_sse_value(p, id);
    }

    p = ngx_push_sse_put(p, "data: ");
    p = ngx_push_sse_value(p, data);
    *p++ = LF;

    return p;
}


/* The value of a field and the end of its line. */

static u_char *
ngx_push_sse_value(u_char *p, ngx_str_t *value)
{
    if (value->len) {
        p = ngx_cpymem(p, value->data, value->len);
    }

    *p++ = LF;

    return p;
}


size_t
ngx_push_chunk_head(u_char *p, size_t len)
{
    return ngx_sprintf(p, "%xz" CRLF, len) - p;
}
