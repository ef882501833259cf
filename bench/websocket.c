
/*
 * Copyright (C) The ngx_push_module authors
 */

/* Frames of RFC 6455, and the messages of RFC 7692, as a client gets them. */


#include "bench.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>


#define BENCH_INFLATED  (1 << 20)


enum {
    BENCH_FRAME_TEXT = 1,
    BENCH_FRAME_CLOSE = 8,
    BENCH_FRAME_PING = 9,
    BENCH_FRAME_PONG = 10
};


static char *bench_frame(char *p, char *last, bench_text_t *t);
static void bench_frame_data(bench_process_t *p, bench_client_t *c,
    unsigned head, bench_text_t *t);
static int bench_frame_inflate(bench_text_t *t);
static void bench_frame_control(bench_process_t *p, bench_client_t *c,
    unsigned head, bench_text_t *t);
static void bench_frame_close(bench_process_t *p, bench_client_t *c,
    bench_text_t *t);
static void bench_frame_since(bench_client_t *c, bench_text_t *t);
static void bench_frame_send(bench_client_t *c, unsigned opcode,
    const char *p, size_t len);


char *
bench_websocket_read(bench_process_t *p, bench_client_t *c, char *buf,
    char *last)
{
    char          *next;
    unsigned       head;
    bench_text_t   t;

    while (!c->drop && !c->whole && !c->broken) {

        next = bench_frame(buf, last, &t);

        if (next == NULL) {
            break;
        }

        head = (u_char) buf[0];

        if (buf[1] & 0x80) {
            bench_fault(p, c, BENCH_CORRUPT, 1, "a masked frame");
            c->broken = 1;

        } else if (head & 0x08) {
            bench_frame_control(p, c, head, &t);

        } else {
            bench_frame_data(p, c, head, &t);
        }

        buf = next;
    }

    return buf;
}


/* the end of the frame if all of it is there */

static char *
bench_frame(char *p, char *last, bench_text_t *t)
{
    size_t     n;
    uint16_t   len16;
    uint64_t   len;

    if (last - p < 2) {
        return NULL;
    }

    len = p[1] & 0x7f;
    n = len < 126 ? 2 : len == 126 ? 4 : 10;

    if ((size_t) (last - p) < n) {
        return NULL;
    }

    if (n == 4) {
        memcpy(&len16, p + 2, sizeof(len16));
        len = ntohs(len16);

    } else if (n == 10) {
        memcpy(&len, p + 2, sizeof(len));
        len = be64toh(len);
    }

    if ((uint64_t) (last - p) - n < len) {
        return NULL;
    }

    t->p = p + n;
    t->len = len;

    return t->p + len;
}


/* a message is one frame of text here */

static void
bench_frame_data(bench_process_t *p, bench_client_t *c, unsigned head,
    bench_text_t *t)
{
    if ((head & ~0x40u) != (0x80 | BENCH_FRAME_TEXT)
        || ((head & 0x40)
            && (!c->deflated || bench_frame_inflate(t) == -1)))
    {
        bench_fault(p, c, BENCH_CORRUPT, 1, "frame");
        c->broken = 1;
        return;
    }

    if (bench_options.transport == BENCH_PUSH_JSON) {
        bench_envelope(p, c, t);
        return;
    }

    /* there are no ids: nothing to compare */
    c->fresh_id = 1;

    bench_message_body(c, t->p, t->len);
    bench_delivery(p, c);
}


/* each message stands alone: the server keeps no context */

static int
bench_frame_inflate(bench_text_t *t)
{
    static char     *out;
    static z_stream  z;

    if (out == NULL) {
        out = malloc(BENCH_INFLATED);

        if (out == NULL || inflateInit2(&z, -15) != Z_OK) {
            abort();
        }
    }

    inflateReset(&z);

    z.next_in = (u_char *) t->p;
    z.avail_in = t->len;
    z.next_out = (u_char *) out;
    z.avail_out = BENCH_INFLATED;

    if (inflate(&z, Z_SYNC_FLUSH) != Z_OK || z.avail_in) {
        return -1;
    }

    /* the four bytes that every message leaves out */

    z.next_in = (u_char *) "\0\0\377\377";
    z.avail_in = 4;

    if (inflate(&z, Z_SYNC_FLUSH) == Z_DATA_ERROR || z.avail_in) {
        return -1;
    }

    t->p = out;
    t->len = BENCH_INFLATED - z.avail_out;

    return 0;
}


static void
bench_frame_control(bench_process_t *p, bench_client_t *c, unsigned head,
    bench_text_t *t)
{
    switch (head) {

    case 0x80 | BENCH_FRAME_PING:
        bench_frame_send(c, BENCH_FRAME_PONG, t->p, t->len);
        break;

    case 0x80 | BENCH_FRAME_PONG:
        break;

    case 0x80 | BENCH_FRAME_CLOSE:
        bench_frame_close(p, c, t);
        break;

    default:
        bench_fault(p, c, BENCH_CORRUPT, 1, "control frame");
        c->broken = 1;
    }
}


static void
bench_frame_close(bench_process_t *p, bench_client_t *c, bench_text_t *t)
{
    char      what[160];
    unsigned  code;

    code = t->len < 2 ? 1005 : (u_char) t->p[0] << 8 | (u_char) t->p[1];
    c->whole = 1;

    switch (code) {

    case 1000:
        c->closed = 1;
        break;

    case 4200:
        bench_frame_since(c, t);
        bench_delivery_gap(p, c);
        c->handed = 1;
        break;

    case 1001:
    case 1012:
    case 1013:
        c->handed = 1;
        break;

    default:
        snprintf(what, sizeof(what), "close %u %.*s", code,
                 t->len > 2 ? (int) t->len - 2 : 0, t->p + 2);
        bench_fault(p, c, BENCH_REFUSED, 1, what);
        c->broken = 1;
    }

    bench_frame_send(c, BENCH_FRAME_CLOSE, t->p, t->len < 2 ? 0 : 2);
}


/* where to go on after a gap: "... since=<id>" */

static void
bench_frame_since(bench_client_t *c, bench_text_t *t)
{
    char    *p, *last;
    size_t   len;

    last = t->p + t->len;
    p = memmem(t->p, t->len, "since=", 6);

    if (p == NULL) {
        return;
    }

    p += 6;
    len = 0;

    while (p + len < last && p[len] > ' ' && len < BENCH_ID - 1) {
        len++;
    }

    memcpy(c->id, p, len);
    c->id[len] = '\0';
}


/* what a client sends is masked; a mask of zeroes is one */

static void
bench_frame_send(bench_client_t *c, unsigned opcode, const char *p, size_t len)
{
    char  frame[6 + 125];

    frame[0] = 0x80 | opcode;
    frame[1] = 0x80 | len;
    memset(frame + 2, 0, 4);
    memcpy(frame + 6, p, len);

    bench_connect_send(c, frame, 6 + len);
}
