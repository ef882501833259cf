
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <zlib.h>

#include "ngx_push_deflate.h"


/*
 * Of 16 KiB of JSON level 1 leaves 34.8% in 113 us, 4 31.5% in 174 us, 5
 * 30.1% in 218 us, 6 29.7% in 287 us; of 1 KiB 45.3% (16 us), 43.2% (18 us),
 * 42.9% (19 us), 42.9% (19 us); from 64 to 256 bytes they are much the same.
 * A message is compressed once for all its subscribers: size counts for more
 * than time, but the worker waits.
 */

#define NGX_PUSH_DEFLATE_LEVEL     5
#define NGX_PUSH_DEFLATE_MEMORY    8
#define NGX_PUSH_DEFLATE_SMALLEST  8    /* window (RFC 7692, 7.1.2) */
#define NGX_PUSH_DEFLATE_TAIL      4    /* 00 00 ff ff (RFC 7692, 7.2.1) */
#define NGX_PUSH_DEFLATE_BORDER    128  /* data_type: between two blocks */

/* zlib counts in 32 bits */
#define NGX_PUSH_DEFLATE_SIZE      (NGX_MAX_INT32_VALUE / 4)

#define ngx_push_deflate_is(v, s)                                             \
    ((v)->len == sizeof(s) - 1                                                \
     && ngx_strncmp((v)->data, s, sizeof(s) - 1) == 0)


/* a message on its way out of its stream */

typedef struct {
    u_char    *data;
    size_t     len;
    size_t     size;      /* of data */
    size_t     next;      /* size when that is full */
    size_t     limit;
    z_stream  *z;
} ngx_push_inflate_t;


static ngx_int_t ngx_push_deflate_offer(ngx_str_t *list,
    ngx_push_deflate_offer_t *offer);
static u_char ngx_push_deflate_word(ngx_str_t *list, ngx_str_t *word);
static ngx_uint_t ngx_push_deflate_parameter(ngx_str_t *name,
    ngx_str_t *value, ngx_push_deflate_offer_t *offer);
static ngx_uint_t ngx_push_deflate_bits(ngx_str_t *value);
static z_stream *ngx_push_deflate_stream(ngx_uint_t window);
static ngx_int_t ngx_push_inflate_piece(ngx_push_inflate_t *in,
    ngx_str_t *piece);
static ngx_int_t ngx_push_inflate_tail(ngx_push_inflate_t *in);
static ngx_int_t ngx_push_inflate_grow(ngx_push_inflate_t *in);


/*
 * Made on first need: the first one reads, with the largest window, which
 * will do for all; those after it write, one for a window size.
 */

static z_stream  ngx_push_deflate_streams[NGX_PUSH_DEFLATE_MAX
                                          - NGX_PUSH_DEFLATE_MIN + 2];


ngx_int_t
ngx_push_deflate_negotiate(ngx_str_t *value, ngx_push_deflate_offer_t *offer)
{
    ngx_str_t  list;

    list = *value;

    while (list.len) {

        if (ngx_push_deflate_offer(&list, offer) == NGX_OK) {
            return NGX_OK;
        }
    }

    ngx_memzero(offer, sizeof(ngx_push_deflate_offer_t));

    return NGX_DECLINED;
}


/* Takes an extension with its parameters (RFC 6455, 9.1) off the list. */

static ngx_int_t
ngx_push_deflate_offer(ngx_str_t *list, ngx_push_deflate_offer_t *offer)
{
    u_char      ch;
    ngx_str_t   name, value;
    ngx_uint_t  seen, parameter, good;

    ngx_memzero(offer, sizeof(ngx_push_deflate_offer_t));
    offer->window = NGX_PUSH_DEFLATE_MAX;
    offer->client_window = NGX_PUSH_DEFLATE_MAX;

    /* in lower case only, so that the client knows its words in the answer */

    ch = ngx_push_deflate_word(list, &name);
    good = (ch != '=' && ngx_push_deflate_is(&name, "permessage-deflate"));
    seen = 0;

    while (ch != ',') {
        ch = ngx_push_deflate_word(list, &name);
        ngx_str_null(&value);

        if (ch == '=') {
            ch = ngx_push_deflate_word(list, &value);
        }

        parameter = ngx_push_deflate_parameter(&name, &value, offer);

        if (parameter == 0 || (seen & parameter) || ch == '=') {
            good = 0;
        }

        seen |= parameter;
    }

    return good ? NGX_OK : NGX_DECLINED;
}


/*
 * Takes what stands before the next divider, which is none in a quoted
 * string, off the list.  Returns the divider, a comma also at the end.
 */

static u_char
ngx_push_deflate_word(ngx_str_t *list, ngx_str_t *word)
{
    u_char       ch, *p, *start, *last;
    ngx_uint_t   quoted;

    quoted = 0;
    start = list->data;
    last = start + list->len;

    for (p = start; p < last; p++) {

        if (*p == '"') {
            quoted = !quoted;

        } else if (quoted) {
            p += (*p == '\\' && p + 1 < last);

        } else if (*p == ',' || *p == ';' || *p == '=') {
            break;
        }
    }

    ch = (p < last) ? *p : ',';
    list->data = (p < last) ? p + 1 : p;
    list->len = last - list->data;

    while (start < p && (*start == ' ' || *start == '\t')) {
        start++;
    }

    while (start < p && (p[-1] == ' ' || p[-1] == '\t')) {
        p--;
    }

    word->data = start;
    word->len = p - start;

    return ch;
}


/*
 * Reads a parameter (RFC 7692, 7.1), value->data is NULL if it has none.
 * Returns a bit that stands for it, or 0 if it is a bad one.
 */

static ngx_uint_t
ngx_push_deflate_parameter(ngx_str_t *name, ngx_str_t *value,
    ngx_push_deflate_offer_t *offer)
{
    ngx_uint_t  bits;

    bits = value->data ? ngx_push_deflate_bits(value) : NGX_PUSH_DEFLATE_MAX;

    if (ngx_push_deflate_is(name, "server_no_context_takeover")) {
        return value->data ? 0 : 1;
    }

    if (ngx_push_deflate_is(name, "client_no_context_takeover")) {
        return value->data ? 0 : 2;
    }

    if (ngx_push_deflate_is(name, "server_max_window_bits")) {
        offer->server_bits = 1;
        offer->window = (uint8_t) bits;

        return (value->data && bits >= NGX_PUSH_DEFLATE_MIN) ? 4 : 0;
    }

    if (ngx_push_deflate_is(name, "client_max_window_bits")) {
        offer->client_bits = 1;
        offer->client_window = (uint8_t) bits;

        return (bits >= NGX_PUSH_DEFLATE_SMALLEST) ? 8 : 0;
    }

    return 0;
}


/* 1 to NGX_PUSH_DEFLATE_MAX without leading zeros, maybe quoted; else 0 */

static ngx_uint_t
ngx_push_deflate_bits(ngx_str_t *value)
{
    u_char      *p, *last;
    ngx_uint_t   n, quoted;

    p = value->data;
    last = value->data + value->len;

    quoted = (value->len >= 2 && p[0] == '"' && last[-1] == '"');
    p += quoted;
    last -= quoted;

    for (n = 0; p < last && n <= NGX_PUSH_DEFLATE_MAX; p++) {

        if (quoted && *p == '\\' && p + 1 < last) {
            p++;
        }

        if (*p < (n ? '0' : '1') || *p > '9') {
            return 0;
        }

        n = n * 10 + (*p - '0');
    }

    return (n <= NGX_PUSH_DEFLATE_MAX) ? n : 0;
}


u_char *
ngx_push_deflate_answer(u_char *p, ngx_push_deflate_offer_t *offer)
{
    p = ngx_sprintf(p, "permessage-deflate; server_no_context_takeover"
                       "; client_no_context_takeover");

    if (offer->server_bits) {
        p = ngx_sprintf(p, "; server_max_window_bits=%ui",
                        (ngx_uint_t) offer->window);
    }

    if (offer->client_bits) {
        p = ngx_sprintf(p, "; client_max_window_bits=%ui",
                        (ngx_uint_t) offer->client_window);
    }

    return p;
}


/* A message that takes all of it, with the tail, has not become smaller. */

size_t
ngx_push_deflate_bound(size_t len)
{
    return len + NGX_PUSH_DEFLATE_TAIL;
}


ngx_int_t
ngx_push_deflate(ngx_str_t *src, ngx_uint_t window, ngx_str_t *dst)
{
    z_stream  *z;

    if (src->len == 0 || src->len > NGX_PUSH_DEFLATE_SIZE) {
        return NGX_DECLINED;
    }

    z = ngx_push_deflate_stream(window);
    if (z == NULL) {
        return NGX_ERROR;
    }

    z->next_in = src->data;
    z->avail_in = (uInt) src->len;
    z->next_out = dst->data;
    z->avail_out = (uInt) ngx_push_deflate_bound(src->len);

    /* the flush is complete only if some room is left */

    if (deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_out == 0) {
        return NGX_DECLINED;
    }

    dst->len = z->next_out - dst->data - NGX_PUSH_DEFLATE_TAIL;

    return NGX_OK;
}


/* a stream at its beginning, to write such a window, or with 0 to read all */

static z_stream *
ngx_push_deflate_stream(ngx_uint_t window)
{
    int        rc;
    z_stream  *z;

    if (window == 0) {
        z = ngx_push_deflate_streams;
        rc = z->state ? inflateReset(z)
                      : inflateInit2(z, -NGX_PUSH_DEFLATE_MAX);

    } else {
        z = &ngx_push_deflate_streams[1 + window - NGX_PUSH_DEFLATE_MIN];
        rc = z->state ? deflateReset(z)
                      : deflateInit2(z, NGX_PUSH_DEFLATE_LEVEL, Z_DEFLATED,
                                     -(int) window, NGX_PUSH_DEFLATE_MEMORY,
                                     Z_DEFAULT_STRATEGY);
    }

    if (rc != Z_OK) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "zlib failed: %d, window %ui", rc, window);
        return NULL;
    }

    return z;
}


ngx_int_t
ngx_push_inflate(ngx_str_t *src, size_t limit, ngx_str_t *dst)
{
    ngx_int_t           rc;
    ngx_push_inflate_t  in;

    if (src->len > NGX_PUSH_DEFLATE_SIZE) {
        return NGX_DECLINED;
    }

    ngx_memzero(&in, sizeof(ngx_push_inflate_t));
    in.limit = ngx_min(limit, NGX_PUSH_DEFLATE_SIZE);
    in.next = ngx_max(src->len * 4, 256);

    in.z = ngx_push_deflate_stream(0);
    if (in.z == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_push_inflate_piece(&in, src);

    if (rc == NGX_OK) {
        rc = ngx_push_inflate_tail(&in);
    }

    if (rc != NGX_DONE) {
        ngx_free(in.data);
        return rc;
    }

    dst->data = in.data;
    dst->len = in.len;

    return NGX_OK;
}


/*
 * Returns NGX_OK: all of the piece is read; NGX_DONE: and it has ended with
 * a final block, after which nothing is missing; NGX_DECLINED, NGX_ABORT,
 * NGX_ERROR as ngx_push_inflate().
 */

static ngx_int_t
ngx_push_inflate_piece(ngx_push_inflate_t *in, ngx_str_t *piece)
{
    int        rc;
    z_stream  *z;

    z = in->z;
    z->next_in = piece->data;
    z->avail_in = (uInt) piece->len;

    do {
        if (in->len == in->size && ngx_push_inflate_grow(in) != NGX_OK) {
            return NGX_ERROR;
        }

        z->next_out = in->data + in->len;
        z->avail_out = (uInt) (in->size - in->len);

        rc = inflate(z, Z_SYNC_FLUSH);

        in->len = in->size - z->avail_out;

        if (in->len > in->limit) {
            return NGX_DECLINED;
        }

        if (rc == Z_STREAM_END && z->avail_in == 0) {
            return NGX_DONE;
        }

        /* the next block begins at the next byte (RFC 7692, 7.2.1) */

        if (rc == Z_STREAM_END) {
            rc = inflateReset(z);
        }

        if (rc == Z_MEM_ERROR) {
            ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0, "inflate() failed");
            return NGX_ERROR;
        }

        if (rc != Z_OK && rc != Z_BUF_ERROR) {
            return NGX_ABORT;
        }

        /* zlib stops only where it lacks input or room */

    } while (z->avail_in || z->avail_out == 0);

    return NGX_OK;
}


/*
 * The tail that the client has taken off (RFC 7692, 7.2.2) is the length of
 * an empty block.  Read as anything else it shows that the message was cut.
 */

static ngx_int_t
ngx_push_inflate_tail(ngx_push_inflate_t *in)
{
    size_t     len;
    ngx_int_t  rc;
    ngx_str_t  tail;

    len = in->len;
    ngx_str_set(&tail, "\x00\x00\xff\xff");

    rc = ngx_push_inflate_piece(in, &tail);

    if (rc == NGX_OK && in->z->data_type == NGX_PUSH_DEFLATE_BORDER) {
        rc = NGX_DONE;
    }

    return (rc == NGX_OK || in->len != len) ? NGX_ABORT : rc;
}


/* The room never exceeds limit + 1, a message that fills it is too large. */

static ngx_int_t
ngx_push_inflate_grow(ngx_push_inflate_t *in)
{
    size_t   size;
    u_char  *data;

    size = ngx_min(in->next, in->limit + 1);

    data = ngx_alloc(size, ngx_cycle->log);
    if (data == NULL) {
        return NGX_ERROR;
    }

    if (in->len) {
        ngx_memcpy(data, in->data, in->len);
        ngx_free(in->data);
    }

    in->data = data;
    in->size = size;
    in->next = size * 2;

    return NGX_OK;
}


void
ngx_push_deflate_exit(void)
{
    ngx_uint_t  i;

    (void) inflateEnd(&ngx_push_deflate_streams[0]);

    for (i = NGX_PUSH_DEFLATE_MAX - NGX_PUSH_DEFLATE_MIN + 1; i; i--) {
        (void) deflateEnd(&ngx_push_deflate_streams[i]);
    }
}
