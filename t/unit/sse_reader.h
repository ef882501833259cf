
/*
 * Copyright (C) The ngx_push_module authors
 *
 * A reader of event streams, written from the WHATWG HTML standard, 9.2.5
 * and 9.2.6, and from nothing of ours: the other side of our writer.
 * Bytes stay bytes: to replace malformed UTF-8 never makes or takes away
 * a line break.
 */


#ifndef _SSE_READER_H_INCLUDED_
#define _SSE_READER_H_INCLUDED_


#include <stdlib.h>
#include <string.h>


#define SSE_READER_EVENTS  8


typedef struct {
    unsigned char  *data;
    size_t          len;
    size_t          room;
} sse_reader_str_t;


typedef struct {
    sse_reader_str_t  type;       /* empty: "message" */
    sse_reader_str_t  data;
    sse_reader_str_t  id;         /* the last id at that moment */
} sse_reader_event_t;


typedef struct {
    sse_reader_event_t  events[SSE_READER_EVENTS];
    size_t              nevents;  /* may be more than are kept */
    size_t              unknown;  /* fields that are to be ignored */
    size_t              retries;
    sse_reader_str_t    type;
    sse_reader_str_t    data;
    sse_reader_str_t    id;
} sse_reader_t;


static void
sse_reader_add(sse_reader_str_t *s, const unsigned char *p, size_t len)
{
    unsigned char  *data;

    if (len == 0) {
        return;
    }

    if (s->room - s->len < len) {
        s->room = (s->len + len) * 2;

        data = realloc(s->data, s->room);
        if (data == NULL) {
            abort();
        }

        s->data = data;
    }

    memcpy(s->data + s->len, p, len);
    s->len += len;
}


static void
sse_reader_clear(sse_reader_str_t *s)
{
    free(s->data);
    s->data = NULL;
    s->len = 0;
    s->room = 0;
}


static void
sse_reader_set(sse_reader_str_t *s, const unsigned char *p, size_t len)
{
    sse_reader_clear(s);
    sse_reader_add(s, p, len);
}


static int
sse_reader_is(sse_reader_str_t *s, const void *p, size_t len)
{
    return s->len == len && (len == 0 || memcmp(s->data, p, len) == 0);
}


static void
sse_reader_dispatch(sse_reader_t *r)
{
    sse_reader_event_t  *e;

    if (r->data.len == 0) {
        sse_reader_clear(&r->type);
        return;
    }

    /* the line feed of the last line is not part of the data */

    r->data.len--;

    if (r->nevents < SSE_READER_EVENTS) {
        e = &r->events[r->nevents];
        sse_reader_set(&e->type, r->type.data, r->type.len);
        sse_reader_set(&e->data, r->data.data, r->data.len);
        sse_reader_set(&e->id, r->id.data, r->id.len);
    }

    r->nevents++;

    sse_reader_clear(&r->type);
    sse_reader_clear(&r->data);
}


static void
sse_reader_field(sse_reader_t *r, const unsigned char *name, size_t len,
    const unsigned char *value, size_t n)
{
    if (len == 5 && memcmp(name, "event", 5) == 0) {
        sse_reader_set(&r->type, value, n);

    } else if (len == 4 && memcmp(name, "data", 4) == 0) {
        sse_reader_add(&r->data, value, n);
        sse_reader_add(&r->data, (const unsigned char *) "\n", 1);

    } else if (len == 2 && memcmp(name, "id", 2) == 0) {

        if (n == 0 || memchr(value, '\0', n) == NULL) {
            sse_reader_set(&r->id, value, n);
        }

    } else if (len == 5 && memcmp(name, "retry", 5) == 0) {
        r->retries++;

    } else {
        r->unknown++;
    }
}


static void
sse_reader_line(sse_reader_t *r, const unsigned char *p, size_t len)
{
    size_t                n, skip;
    const unsigned char  *colon;

    if (len == 0) {
        sse_reader_dispatch(r);
        return;
    }

    if (p[0] == ':') {
        return;
    }

    colon = memchr(p, ':', len);

    if (colon == NULL) {
        sse_reader_field(r, p, len, p + len, 0);
        return;
    }

    n = colon - p;
    skip = n + 1;

    if (skip < len && p[skip] == ' ') {
        skip++;
    }

    sse_reader_field(r, p, n, p + skip, len - skip);
}


/* What is left after the last line break is dropped, as at a disconnect. */

static void
sse_reader_read(sse_reader_t *r, const unsigned char *p, size_t len)
{
    size_t  i, start;

    memset(r, 0, sizeof(sse_reader_t));

    start = 0;

    if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
        start = 3;
    }

    for (i = start; i < len; i++) {

        if (p[i] != '\n' && p[i] != '\r') {
            continue;
        }

        sse_reader_line(r, p + start, i - start);

        if (p[i] == '\r' && i + 1 < len && p[i + 1] == '\n') {
            i++;
        }

        start = i + 1;
    }
}


static void
sse_reader_free(sse_reader_t *r)
{
    size_t  i;

    for (i = 0; i < SSE_READER_EVENTS; i++) {
        sse_reader_clear(&r->events[i].type);
        sse_reader_clear(&r->events[i].data);
        sse_reader_clear(&r->events[i].id);
    }

    sse_reader_clear(&r->type);
    sse_reader_clear(&r->data);
    sse_reader_clear(&r->id);
}


/*
 * What a text is after the way there and back: each CR, LF and CRLF is a
 * line feed.  dst has room for len bytes.
 */

static size_t
sse_reader_lines(unsigned char *dst, const unsigned char *p, size_t len)
{
    size_t  i, n;

    n = 0;

    for (i = 0; i < len; i++) {

        if (p[i] != '\r') {
            dst[n++] = p[i];

        } else if (i + 1 == len || p[i + 1] != '\n') {
            dst[n++] = '\n';
        }
    }

    return n;
}


#endif /* _SSE_READER_H_INCLUDED_ */
