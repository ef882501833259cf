
/*
 * Copyright (C) The ngx_push_module authors
 */

/* One response: its head, and the bytes of its body, whatever they mean. */


#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>


enum {
    sw_chunk_size = 0,
    sw_chunk_extension,
    sw_chunk_data,
    sw_chunk_data_end,
    sw_chunk_trailer,
    sw_chunk_end,
    sw_chunk_broken
};


static char *bench_http_head(bench_process_t *p, bench_client_t *c,
    char *buf, size_t len);
static void bench_http_length(bench_client_t *c, const char *head);
static char *bench_http_body(bench_process_t *p, bench_client_t *c, char *buf,
    char *last);
static char *bench_http_chunks(bench_client_t *c, char *p, char *last);
static int bench_http_chunk_size(bench_client_t *c, char ch);
static void bench_http_keep(bench_client_t *c, const char *p, size_t len);


void
bench_http_reset(bench_client_t *c)
{
    free(c->kept);

    c->kept = NULL;
    c->kept_len = 0;
    c->rest = 0;
    c->state = sw_chunk_size;
    c->event = 0;
    c->offset = 0;

    /* HTTP/2 has frames from the beginning */
    c->body = bench_options.http2 != 0;
    c->chunked = 0;
    c->deflated = 0;
    c->subscribed = 0;
    c->handed = 0;
    c->closed = 0;
    c->whole = 0;
    c->broken = 0;
    c->drop = 0;
    c->fresh_id = 0;
    c->corrupt = 0;
}


/*
 * The first kept_len bytes of the buffer are those that were kept, the others
 * have just come.  Text is unchunked in place.
 */

void
bench_http_read(bench_process_t *p, bench_client_t *c, char *buf, size_t len)
{
    char  *start, *last;

    start = buf + c->kept_len;
    last = buf + len;

    free(c->kept);
    c->kept = NULL;
    c->kept_len = 0;

    if (!c->body) {
        buf = bench_http_head(p, c, buf, len);
        start = buf;

        if (buf == NULL) {
            return;
        }
    }

    p->counts->bytes += last - start;
    last = bench_http_body(p, c, start, last);

    buf = bench_transports[bench_options.transport].read(p, c, buf, last);

    if (c->drop) {
        return;
    }

    if (c->chunked && c->state == sw_chunk_broken) {
        bench_fault(p, c, BENCH_CORRUPT, 1, "chunk");
        c->broken = 1;
        return;
    }

    bench_http_keep(c, buf, last - buf);
}


/* where the body begins, or NULL */

static char *
bench_http_head(bench_process_t *p, bench_client_t *c, char *buf, size_t len)
{
    int   status;
    char  *end;

    end = memmem(buf, len, "\r\n\r\n", 4);

    if (end == NULL) {
        bench_http_keep(c, buf, len);
        return NULL;
    }

    *end = '\0';
    status = 0;
    sscanf(buf, "HTTP/1.%*c %d", &status);

    c->body = 1;

    if (status == 204 && c->id[0] && c->next > bench_options.messages) {
        /* the end of a sealed channel, to one that has all of it */
        c->closed = 1;
        c->whole = 1;
        return NULL;
    }

    if (bench_transport_accept(p, c, status, buf) == -1) {
        c->broken = 1;
        return NULL;
    }

    /* what follows a 101 is no body, whatever its headers say */

    if (status != 101) {
        bench_http_length(c, buf);
    }

    return end + 4;
}


/* a body without a length lasts as long as the connection */

static void
bench_http_length(bench_client_t *c, const char *head)
{
    char  *length;

    c->chunked = strcasestr(head, "\r\nTransfer-Encoding: chunked") != NULL;
    length = strcasestr(head, "\r\nContent-Length:");

    c->rest = length && !c->chunked ? strtoull(length + 17, NULL, 10) : 0;
    c->sized = length && !c->chunked;
    c->whole = c->sized && c->rest == 0;
}


/* returns the end of what came of it */

static char *
bench_http_body(bench_process_t *p, bench_client_t *c, char *buf, char *last)
{
    if (bench_options.http2) {
        return bench_http2_read(p, c, buf, last);
    }

    if (c->chunked) {
        return bench_http_chunks(c, buf, last);
    }

    if (c->sized) {

        if ((uint64_t) (last - buf) > c->rest) {
            bench_fault(p, c, BENCH_CORRUPT, 1, "longer than its length");
            c->broken = 1;
            return buf + c->rest;
        }

        c->rest -= last - buf;
        c->whole = c->rest == 0;
    }

    return last;
}


/* puts together the data of chunks; returns the end of it */

static char *
bench_http_chunks(bench_client_t *c, char *p, char *last)
{
    char    *dst;
    size_t   n;

    dst = p;

    while (p < last) {

        if (c->state != sw_chunk_data) {

            if (bench_http_chunk_size(c, *p++) == -1) {
                c->state = sw_chunk_broken;
                break;
            }

            continue;
        }

        n = last - p;
        n = n < c->rest ? n : c->rest;

        memmove(dst, p, n);

        dst += n;
        p += n;
        c->rest -= n;

        if (c->rest == 0) {
            c->state = sw_chunk_data_end;
        }
    }

    return dst;
}


static int
bench_http_chunk_size(bench_client_t *c, char ch)
{
    static const char  digits[] = "0123456789abcdef";

    const char        *digit;

    switch (c->state) {

    case sw_chunk_size:

        if (ch == '\r') {
            c->state = sw_chunk_extension;
            return 0;
        }

        digit = ch ? strchr(digits, ch | 0x20) : NULL;

        if (digit == NULL || c->rest >> 32) {
            return -1;
        }

        c->rest = c->rest << 4 | (digit - digits);
        return 0;

    case sw_chunk_extension:
        c->state = c->rest ? sw_chunk_data : sw_chunk_trailer;
        return ch == '\n' ? 0 : -1;

    case sw_chunk_data_end:

        if (ch == '\n') {
            c->state = sw_chunk_size;
            return 0;
        }

        return ch == '\r' ? 0 : -1;

    case sw_chunk_trailer:

        if (ch == '\n') {
            c->state = sw_chunk_end;
            c->whole = 1;
            return 0;
        }

        return ch == '\r' ? 0 : -1;

    default:
        return -1;
    }
}


static void
bench_http_keep(bench_client_t *c, const char *p, size_t len)
{
    if (len == 0) {
        return;
    }

    c->kept = malloc(len);

    if (c->kept == NULL) {
        abort();
    }

    memcpy(c->kept, p, len);
    c->kept_len = len;
}
