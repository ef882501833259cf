
/*
 * Copyright (C) The ngx_push_module authors
 *
 * An event, read back by the standard's rules, is that event and no other,
 * whatever its body holds.  The first bytes of the input say what kind it
 * is: flags, the length of the id, the length of the name.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "sse_reader.h"
#include "ngx_push_header.h"
#include "ngx_push_sse.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void check(ngx_push_sse_event_t *e);
static void check_stream(ngx_push_sse_event_t *e, u_char *p, size_t len);
static size_t expected(u_char *dst, ngx_push_sse_event_t *e);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_push_sse_event_t  e;

    if (size < 3) {
        return 0;
    }

    memset(&e, 0, sizeof(e));
    e.binary = data[0] & 1;
    e.id_len = data[1];

    e.event.len = ngx_min(data[2], size - 3);
    e.event.data = (u_char *) data + 3;

    e.body.data = e.event.data + e.event.len;
    e.body.len = size - 3 - e.event.len;

    if (e.event.len && ngx_push_header_event(&e.event) != NGX_OK) {
        return 0;
    }

    check(&e);

    return 0;
}


static void
check(ngx_push_sse_event_t *e)
{
    u_char                 *p;
    ngx_push_sse_layout_t   l;

    ngx_push_sse_measure(e, &l);

    p = malloc(l.size);
    if (p == NULL) {
        abort();
    }

    if (ngx_push_sse_render(p, e, &l) != p + l.size
        || strtoul((char *) p, NULL, 16) != l.event
        || p[l.head - 1] != '\n'
        || memcmp(p + l.head + l.event, "\r\n", 2) != 0
        || l.body + e->body.len > l.size
        || memcmp(p + l.body, e->body.data, e->body.len) != 0)
    {
        abort();
    }

    memset(p + l.id, '7', e->id_len);
    check_stream(e, p + l.head, l.event);

    free(p);
}


static void
check_stream(ngx_push_sse_event_t *e, u_char *p, size_t len)
{
    size_t         n;
    u_char        *want;
    sse_reader_t   r;

    want = malloc(e->body.len * 2 + 4);
    if (want == NULL) {
        abort();
    }

    n = expected(want, e);

    /* in a stream something always stands before an event */

    if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
        abort();
    }

    sse_reader_read(&r, p, len);

    if (r.nevents != 1 || r.retries || r.unknown || r.data.len || r.type.len
        || r.events[0].id.len != e->id_len
        || !sse_reader_is(&r.events[0].type, e->event.data, e->event.len)
        || !sse_reader_is(&r.events[0].data, want, n))
    {
        abort();
    }

    sse_reader_free(&r);
    free(want);
}


static size_t
expected(u_char *dst, ngx_push_sse_event_t *e)
{
    ngx_str_t  base64;

    if (e->binary) {
        base64.data = dst;
        ngx_encode_base64(&base64, &e->body);

        return base64.len;
    }

    return sse_reader_lines(dst, e->body.data, e->body.len);
}
