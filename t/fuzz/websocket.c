
/*
 * Copyright (C) The ngx_push_module authors
 *
 * Frames read at once and in pieces are the same messages, and what is read
 * keeps the rules.  The first bytes of the input say how it is cut, whether
 * compression was negotiated, and the limit.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_utf8.h"
#include "ngx_push_websocket.h"


/* of what the limit is a multiple */
#define UNIT  16


typedef struct {
    u_char      *data;
    size_t       len;
} text_t;

typedef struct {
    text_t       ended;            /* opcode, length, payload of each */
    text_t       message;          /* of one that has not ended */
    text_t       control;
    size_t       limit;
    ngx_int_t    rc;
    ngx_uint_t   close;
    ngx_uint_t   deflate;
} result_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void read_all(result_t *r, const uint8_t *data, size_t size,
    uint32_t cuts);
static void feed(result_t *r, ngx_push_websocket_t *ws, const uint8_t *data,
    size_t size);
static void take(result_t *r, ngx_push_websocket_t *ws, ngx_str_t *piece,
    ngx_uint_t end);
static void check_ended(result_t *r, ngx_push_websocket_t *ws, text_t *t);
static void check_close(text_t *t);
static void append(text_t *t, const void *p, size_t len);
static void compare(result_t *a, result_t *b);
static void release(result_t *r);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t   cuts;
    result_t   whole, cut;
    ngx_str_t  key;

    if (size < 4) {
        return 0;
    }

    memset(&whole, 0, sizeof(whole));
    whole.deflate = data[0] & 1;
    whole.limit = (data[0] & 2) ? (size_t) -1 : data[1] * (size_t) UNIT;
    cut = whole;

    cuts = (data[2] << 8 | data[3]) * 2 + 1;
    data += 4;
    size -= 4;

    read_all(&whole, data, size, 0);
    read_all(&cut, data, size, cuts);
    compare(&whole, &cut);

    release(&whole);
    release(&cut);

    key.data = (u_char *) data;
    key.len = size;

    if (ngx_push_websocket_key(&key) == NGX_OK && size != 24) {
        abort();
    }

    return 0;
}


/* cuts: 0 for none, else where a sequence of random numbers begins */

static void
read_all(result_t *r, const uint8_t *data, size_t size, uint32_t cuts)
{
    size_t                n;
    ngx_push_websocket_t  ws;

    memset(&ws, 0, sizeof(ws));
    ws.limit = r->limit;
    ws.deflate = r->deflate;

    r->rc = NGX_AGAIN;

    while (size && r->rc == NGX_AGAIN) {
        n = size;

        if (cuts) {
            cuts = cuts * 1664525 + 1013904223;
            n = 1 + (cuts >> 24) % ((cuts & 0x10000) ? 4 : 64);
            n = ngx_min(n, size);
        }

        feed(r, &ws, data, n);

        data += n;
        size -= n;
    }

    r->close = ws.close;

    if ((r->rc == NGX_ERROR) != (r->close != 0)) {
        abort();
    }
}


static void
feed(result_t *r, ngx_push_websocket_t *ws, const uint8_t *data, size_t size)
{
    u_char      *buf, *pos, *last;
    ngx_str_t    piece;
    ngx_uint_t   end;

    buf = malloc(size);
    if (buf == NULL) {
        abort();
    }

    memcpy(buf, data, size);
    pos = buf;
    last = buf + size;

    for ( ;; ) {
        r->rc = ngx_push_websocket_read(ws, &pos, last, &piece, &end);

        if (pos > last || (r->rc == NGX_AGAIN && pos != last)) {
            abort();
        }

        if (r->rc != NGX_OK) {
            break;
        }

        if (piece.data < buf || piece.data + piece.len != pos) {
            abort();
        }

        take(r, ws, &piece, end);
    }

    free(buf);
}


static void
take(result_t *r, ngx_push_websocket_t *ws, ngx_str_t *piece, ngx_uint_t end)
{
    u_char   kind[2];
    text_t  *t;

    t = (ws->opcode & 8) ? &r->control : &r->message;
    append(t, piece->data, piece->len);

    if (t->len > ((ws->opcode & 8) ? 125 : r->limit)) {
        abort();
    }

    if (!end) {
        return;
    }

    check_ended(r, ws, t);

    kind[0] = ws->opcode;
    kind[1] = (ws->opcode & 8) ? 0 : ws->compressed;

    append(&r->ended, kind, sizeof(kind));
    append(&r->ended, &t->len, sizeof(t->len));
    append(&r->ended, t->data, t->len);
    t->len = 0;
}


static void
check_ended(result_t *r, ngx_push_websocket_t *ws, text_t *t)
{
    switch (ws->opcode) {

    case NGX_PUSH_WEBSOCKET_TEXT:
    case NGX_PUSH_WEBSOCKET_BINARY:
        if (ws->compressed && !r->deflate) {
            abort();
        }

        if (ws->opcode == NGX_PUSH_WEBSOCKET_TEXT && !ws->compressed
            && ngx_push_utf8_valid(t->data, t->len) != NGX_OK)
        {
            abort();
        }

        break;

    case NGX_PUSH_WEBSOCKET_CLOSE:
        check_close(t);
        break;

    case NGX_PUSH_WEBSOCKET_PING:
    case NGX_PUSH_WEBSOCKET_PONG:
        break;

    default:
        abort();
    }
}


/* a good close can be answered with itself */

static void
check_close(text_t *t)
{
    u_char       buf[NGX_PUSH_WEBSOCKET_CLOSE_FRAME], *last;
    ngx_str_t    payload, reason;
    ngx_uint_t   code, bad;

    payload.data = t->data;
    payload.len = t->len;

    code = ngx_push_websocket_close_code(&payload, &bad);

    if (bad) {
        if (code != 1002 && code != 1007) {
            abort();
        }

        return;
    }

    reason.len = t->len ? t->len - 2 : 0;
    reason.data = t->len ? t->data + 2 : NULL;

    last = ngx_push_websocket_close(buf, code, &reason);

    if (buf[0] != 0x88 || buf[1] != t->len || last != buf + 2 + t->len
        || (t->len && memcmp(buf + 2, t->data, t->len) != 0))
    {
        abort();
    }
}


static void
append(text_t *t, const void *p, size_t len)
{
    if (len == 0) {
        return;
    }

    t->data = realloc(t->data, t->len + len);
    if (t->data == NULL) {
        abort();
    }

    memcpy(t->data + t->len, p, len);
    t->len += len;
}


/* of text that turns out bad, more or less may have come before */

static void
compare(result_t *a, result_t *b)
{
    size_t  n;

    n = ngx_min(a->message.len, b->message.len);

    if (a->rc != b->rc || a->close != b->close
        || a->ended.len != b->ended.len
        || a->control.len != b->control.len
        || (a->message.len != b->message.len && a->close != 1007))
    {
        abort();
    }

    if ((a->ended.len
         && memcmp(a->ended.data, b->ended.data, a->ended.len) != 0)
        || (a->control.len
            && memcmp(a->control.data, b->control.data, a->control.len) != 0)
        || (n && memcmp(a->message.data, b->message.data, n) != 0))
    {
        abort();
    }
}


static void
release(result_t *r)
{
    free(r->ended.data);
    free(r->message.data);
    free(r->control.data);
}
