
/*
 * Copyright (C) The ngx_push_module authors
 */

/*
 * One stream on a connection of HTTP/2 without TLS: a request, and the data of
 * its answer.  The windows are as large as can be, so they need no care.
 */


#include "bench.h"

#include <string.h>


#define BENCH_PREFACE  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* windows of 2^31 - 1, for the stream and for the connection */

#define BENCH_SETTINGS                                                        \
    "\0\0\6\4\0\0\0\0\0" "\0\4\177\377\377\377"                               \
    "\0\0\4\10\0\0\0\0\0" "\177\376\377\377"

#define BENCH_ACK  "\0\0\0\4\1\0\0\0\0"


enum {
    BENCH_H2_DATA = 0,
    BENCH_H2_HEADERS = 1,
    BENCH_H2_RESET = 3,
    BENCH_H2_SETTINGS = 4,
    BENCH_H2_GOAWAY = 7
};

enum {
    BENCH_H2_END_STREAM = 1,
    BENCH_H2_ACK = 1,
    BENCH_H2_END_HEADERS = 4
};


static size_t bench_http2_field(char *p, int name, const char *value);
static char *bench_http2_head(bench_process_t *p, bench_client_t *c,
    char *buf, char *last);
static void bench_http2_end(bench_client_t *c);
static void bench_http2_frame(bench_process_t *p, bench_client_t *c,
    const char *first);
static void bench_http2_status(bench_process_t *p, bench_client_t *c,
    unsigned field);


int
bench_http2_request(bench_client_t *c, const char *path)
{
    char    buf[1024];
    char   *p, *frame;
    size_t  len;

    p = buf;

    memcpy(p, BENCH_PREFACE, sizeof(BENCH_PREFACE) - 1);
    p += sizeof(BENCH_PREFACE) - 1;

    memcpy(p, BENCH_SETTINGS, sizeof(BENCH_SETTINGS) - 1);
    p += sizeof(BENCH_SETTINGS) - 1;

    frame = p;
    p += 9;

    /* names by their places in the static table */

    *p++ = (char) 0x82;                        /* :method GET */
    *p++ = (char) 0x86;                        /* :scheme http */
    p += bench_http2_field(p, 1, "bench");     /* :authority */
    p += bench_http2_field(p, 4, path);        /* :path */
    p += bench_http2_field(p, 19,              /* accept */
                           bench_options.transport == BENCH_NDJSON
                           ? "application/x-ndjson" : "text/event-stream");

    len = p - frame - 9;

    memset(frame, 0, 9);
    frame[1] = len >> 8;
    frame[2] = len;
    frame[3] = BENCH_H2_HEADERS;
    frame[4] = BENCH_H2_END_HEADERS | BENCH_H2_END_STREAM;
    frame[8] = 1;

    return bench_connect_send(c, buf, p - buf);
}


/* a literal that is not to be kept; lengths below 127 + 128 */

static size_t
bench_http2_field(char *p, int name, const char *value)
{
    char    *start;
    size_t   len;

    start = p;
    len = strlen(value);
    len = len < 254 ? len : 254;

    if (name < 15) {
        *p++ = name;

    } else {
        *p++ = 15;
        *p++ = name - 15;
    }

    if (len < 127) {
        *p++ = len;

    } else {
        *p++ = 127;
        *p++ = len - 127;
    }

    memcpy(p, value, len);

    return p + len - start;
}


/* puts together what is data; returns the end of it */

char *
bench_http2_read(bench_process_t *p, bench_client_t *c, char *buf, char *last)
{
    char    *dst;
    size_t   n;

    dst = buf;

    while (buf < last && !c->broken) {

        if (c->state < 9) {
            buf = bench_http2_head(p, c, buf, last);
            continue;
        }

        n = last - buf;
        n = n < c->rest ? n : c->rest;

        if (c->frame[3] == BENCH_H2_DATA) {
            memmove(dst, buf, n);
            dst += n;

        } else if (!c->seen) {
            c->seen = 1;
            bench_http2_frame(p, c, buf);
        }

        buf += n;
        c->rest -= n;

        if (c->rest == 0) {
            bench_http2_end(c);
        }
    }

    return dst;
}


/* nine bytes, as they come */

static char *
bench_http2_head(bench_process_t *p, bench_client_t *c, char *buf, char *last)
{
    while (buf < last && c->state < 9) {
        c->frame[c->state++] = *buf++;
    }

    if (c->state < 9) {
        return buf;
    }

    c->rest = c->frame[0] << 16 | c->frame[1] << 8 | c->frame[2];

    c->seen = 0;

    if (c->rest == 0) {
        bench_http2_frame(p, c, NULL);
        bench_http2_end(c);
    }

    return buf;
}


static void
bench_http2_end(bench_client_t *c)
{
    c->state = 0;

    if (c->frame[3] == BENCH_H2_DATA && (c->frame[4] & BENCH_H2_END_STREAM)) {
        c->whole = 1;
    }
}


/* a frame that is no data, at its beginning */

static void
bench_http2_frame(bench_process_t *p, bench_client_t *c, const char *first)
{
    switch (c->frame[3]) {

    case BENCH_H2_SETTINGS:

        if (!(c->frame[4] & BENCH_H2_ACK)
            && bench_connect_send(c, BENCH_ACK, sizeof(BENCH_ACK) - 1) == -1)
        {
            c->broken = 1;
        }

        break;

    case BENCH_H2_HEADERS:

        bench_http2_status(p, c, first ? (u_char) *first : 0);
        break;

    case BENCH_H2_RESET:
    case BENCH_H2_GOAWAY:
        c->handed = 1;
        break;

    default:
        break;
    }
}


/* the status has a place in the static table: 200 and 204 */

static void
bench_http2_status(bench_process_t *p, bench_client_t *c, unsigned field)
{
    if (field == 0x89 && c->id[0] && c->next > bench_options.messages) {
        c->closed = 1;
        c->whole = 1;
        return;
    }

    if (field != 0x88) {
        bench_fault(p, c, BENCH_REFUSED, 1, "not the status 200");
        c->broken = 1;
    }
}
