
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_sha1.h>

#include "ngx_push_utf8.h"
#include "ngx_push_websocket.h"


/* RFC 6455, 1.3 */
#define NGX_PUSH_WEBSOCKET_GUID  "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

#define NGX_PUSH_WEBSOCKET_FIN      0x80
#define NGX_PUSH_WEBSOCKET_RSV      0x70
#define NGX_PUSH_WEBSOCKET_OPCODE   0x0f
#define NGX_PUSH_WEBSOCKET_CONTROL  0x08
#define NGX_PUSH_WEBSOCKET_MASKED   0x80

/* the most that a control frame holds; more has one of these and a length */
#define NGX_PUSH_WEBSOCKET_SMALL    125
#define NGX_PUSH_WEBSOCKET_LEN16    126
#define NGX_PUSH_WEBSOCKET_LEN64    127


typedef struct {
    u_char   low;
    u_char   high;
    uint8_t  next;
} ngx_push_websocket_utf8_t;


static ngx_int_t ngx_push_websocket_read_head(ngx_push_websocket_t *ws,
    u_char **pos, u_char *last);
static void ngx_push_websocket_first(ngx_push_websocket_t *ws, u_char ch);
static void ngx_push_websocket_length(ngx_push_websocket_t *ws,
    uint64_t least);
static void ngx_push_websocket_unmask(ngx_push_websocket_t *ws, u_char *p,
    size_t len);
static ngx_int_t ngx_push_websocket_text(ngx_push_websocket_t *ws, u_char *p,
    size_t len);
static ngx_uint_t ngx_push_websocket_lead(u_char ch);


/*
 * What may follow inside a character, by ws->utf8.  Overlong forms, surrogates
 * and what is above U+10FFFF show in the second byte (RFC 3629, 4).
 */

static ngx_push_websocket_utf8_t  ngx_push_websocket_utf8[] = {
    { 0x00, 0x00, 0 },
    { 0x80, 0xbf, 0 },      /* 1 to 3: so many bytes are missing */
    { 0x80, 0xbf, 1 },
    { 0x80, 0xbf, 2 },
    { 0xa0, 0xbf, 1 },      /* 4: after e0 */
    { 0x80, 0x9f, 1 },      /* 5: after ed */
    { 0x90, 0xbf, 2 },      /* 6: after f0 */
    { 0x80, 0x8f, 2 }       /* 7: after f4 */
};


ngx_int_t
ngx_push_websocket_read(ngx_push_websocket_t *ws, u_char **pos, u_char *last,
    ngx_str_t *piece, ngx_uint_t *end)
{
    size_t     n;
    ngx_int_t  rc;

    if (!ws->payload) {
        rc = ngx_push_websocket_read_head(ws, pos, last);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    n = (size_t) ngx_min((uint64_t) (last - *pos), ws->left);

    /* a frame without payload ends with its head */

    if (n == 0 && ws->left) {
        return NGX_AGAIN;
    }

    piece->data = *pos;
    piece->len = n;
    *end = 0;

    ngx_push_websocket_unmask(ws, *pos, n);

    *pos += n;
    ws->left -= n;

    if (ws->opcode == NGX_PUSH_WEBSOCKET_TEXT && !ws->compressed
        && ngx_push_websocket_text(ws, piece->data, n) != NGX_OK)
    {
        ws->close = NGX_PUSH_WEBSOCKET_BAD_DATA;
        return NGX_ERROR;
    }

    if (ws->left) {
        return NGX_OK;
    }

    ws->at = 0;
    ws->payload = 0;
    *end = ws->fin;

    if (ws->fin && !(ws->opcode & NGX_PUSH_WEBSOCKET_CONTROL)) {
        ws->message = 0;

        if (ws->utf8) {
            ws->close = NGX_PUSH_WEBSOCKET_BAD_DATA;
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* NGX_OK: the head is complete; NGX_AGAIN; NGX_ERROR. */

static ngx_int_t
ngx_push_websocket_read_head(ngx_push_websocket_t *ws, u_char **pos,
    u_char *last)
{
    u_char  *p;

    enum {
        sw_first = 0,
        sw_length,
        sw_length16,
        sw_length64,
        sw_mask
    };

    for (p = *pos; p < last && !ws->payload && !ws->close; p++) {

        switch (ws->state) {

        case sw_first:
            ngx_push_websocket_first(ws, *p);
            ws->state = sw_length;
            break;

        case sw_length:
            ws->left = *p & ~NGX_PUSH_WEBSOCKET_MASKED;

            if (!(*p & NGX_PUSH_WEBSOCKET_MASKED)
                || ((ws->opcode & NGX_PUSH_WEBSOCKET_CONTROL)
                    && ws->left > NGX_PUSH_WEBSOCKET_SMALL))
            {
                ws->close = NGX_PUSH_WEBSOCKET_PROTOCOL_ERROR;
                break;
            }

            if (ws->left <= NGX_PUSH_WEBSOCKET_SMALL) {
                ws->state = sw_mask;
                ngx_push_websocket_length(ws, 0);
                break;
            }

            ws->state = (ws->left == NGX_PUSH_WEBSOCKET_LEN16) ? sw_length16
                                                               : sw_length64;
            ws->left = 0;
            break;

        case sw_length16:
            ws->left = (ws->left << 8) | *p;

            if (++ws->at == 2) {
                ws->at = 0;
                ws->state = sw_mask;
                ngx_push_websocket_length(ws, NGX_PUSH_WEBSOCKET_SMALL + 1);
            }

            break;

        case sw_length64:
            ws->left = (ws->left << 8) | *p;

            if (++ws->at == 8) {
                ws->at = 0;
                ws->state = sw_mask;
                ngx_push_websocket_length(ws, 65536);
            }

            break;

        case sw_mask:
            ws->mask[ws->at++] = *p;

            if (ws->at == 4) {
                ws->at = 0;
                ws->state = sw_first;
                ws->payload = 1;
            }

            break;
        }
    }

    *pos = p;

    if (ws->close) {
        return NGX_ERROR;
    }

    return ws->payload ? NGX_OK : NGX_AGAIN;
}


/* RFC 6455, 5.2 and 5.4 */

static void
ngx_push_websocket_first(ngx_push_websocket_t *ws, u_char ch)
{
    ngx_uint_t  opcode, rsv, begins, allowed;

    opcode = ch & NGX_PUSH_WEBSOCKET_OPCODE;
    rsv = ch & NGX_PUSH_WEBSOCKET_RSV;

    ws->fin = (ch & NGX_PUSH_WEBSOCKET_FIN) ? 1 : 0;
    ws->opcode = (uint8_t) opcode;

    if (opcode & NGX_PUSH_WEBSOCKET_CONTROL) {

        if (opcode > NGX_PUSH_WEBSOCKET_PONG || rsv || !ws->fin) {
            ws->close = NGX_PUSH_WEBSOCKET_PROTOCOL_ERROR;
        }

        return;
    }

    /* only the first frame says that a message is compressed, RFC 7692, 6 */

    begins = (opcode != NGX_PUSH_WEBSOCKET_CONTINUATION);
    allowed = (ws->deflate && begins) ? NGX_PUSH_WEBSOCKET_RSV1 : 0;

    if (opcode > NGX_PUSH_WEBSOCKET_BINARY || (rsv & ~allowed)
        || begins == ws->message)
    {
        ws->close = NGX_PUSH_WEBSOCKET_PROTOCOL_ERROR;
        return;
    }

    if (begins) {
        ws->message = 1;
        ws->size = 0;
        ws->text = (opcode == NGX_PUSH_WEBSOCKET_TEXT);
        ws->compressed = (rsv != 0);
    }

    ws->opcode = ws->text ? NGX_PUSH_WEBSOCKET_TEXT
                          : NGX_PUSH_WEBSOCKET_BINARY;
}


/* The length is known; one in so many bytes is at least "least". */

static void
ngx_push_websocket_length(ngx_push_websocket_t *ws, uint64_t least)
{
    if (ws->left < least || (ws->left >> 63)) {
        ws->close = NGX_PUSH_WEBSOCKET_PROTOCOL_ERROR;
        return;
    }

    if (ws->opcode & NGX_PUSH_WEBSOCKET_CONTROL) {
        return;
    }

    if (ws->left > ws->limit || ws->size > ws->limit - ws->left) {
        ws->close = NGX_PUSH_WEBSOCKET_TOO_BIG;
        return;
    }

    ws->size += ws->left;
}


static void
ngx_push_websocket_unmask(ngx_push_websocket_t *ws, u_char *p, size_t len)
{
    u_char    key[8];
    size_t    i;
    uint64_t  word, mask;

    for (i = 0; i < sizeof(key); i++) {
        key[i] = ws->mask[(ws->at + i) % 4];
    }

    ngx_memcpy(&mask, key, sizeof(mask));

    ws->at = (ws->at + len) % 4;

    while (len >= sizeof(word)) {
        ngx_memcpy(&word, p, sizeof(word));
        word ^= mask;
        ngx_memcpy(p, &word, sizeof(word));

        p += sizeof(word);
        len -= sizeof(word);
    }

    for (i = 0; i < len; i++) {
        p[i] ^= key[i];
    }
}


/* NGX_OK if it may still become UTF-8, else NGX_DECLINED. */

static ngx_int_t
ngx_push_websocket_text(ngx_push_websocket_t *ws, u_char *p, size_t len)
{
    u_char                     *last;
    ngx_push_websocket_utf8_t  *t;

    last = p + len;

    while (p < last) {

        if (ws->utf8 == 0) {
            p = ngx_push_utf8_run(p, last);

            if (p == last) {
                break;
            }

            /* the run has ended at it, so it is a lead or nothing good */

            ws->utf8 = (uint8_t) ngx_push_websocket_lead(*p++);

            if (ws->utf8 == 0) {
                return NGX_DECLINED;
            }

            continue;
        }

        t = &ngx_push_websocket_utf8[ws->utf8];

        if (*p < t->low || *p > t->high) {
            return NGX_DECLINED;
        }

        ws->utf8 = t->next;
        p++;
    }

    return NGX_OK;
}


/* The state after the first byte of a character, 0 if it cannot be one. */

static ngx_uint_t
ngx_push_websocket_lead(u_char ch)
{
    if (ch < 0xc2 || ch > 0xf4) {
        return 0;
    }

    return (ch < 0xe0) ? 1
           : (ch == 0xe0) ? 4
           : (ch == 0xed) ? 5
           : (ch < 0xf0) ? 2
           : (ch == 0xf0) ? 6
           : (ch < 0xf4) ? 3 : 7;
}


ngx_uint_t
ngx_push_websocket_close_code(ngx_str_t *payload, ngx_uint_t *bad)
{
    ngx_uint_t  code;

    *bad = 0;

    if (payload->len == 0) {
        return NGX_PUSH_WEBSOCKET_NO_CODE;
    }

    code = (payload->len == 1) ? 0
           : ((ngx_uint_t) payload->data[0] << 8) | payload->data[1];

    /* RFC 6455, 7.4, and those registered since, 1012 to 1014 */

    if (code < 1000 || (code > 1003 && code < 1007)
        || (code > 1014 && code < 3000) || code > 4999)
    {
        *bad = 1;
        return NGX_PUSH_WEBSOCKET_PROTOCOL_ERROR;
    }

    if (ngx_push_utf8_valid(payload->data + 2, payload->len - 2) != NGX_OK) {
        *bad = 1;
        return NGX_PUSH_WEBSOCKET_BAD_DATA;
    }

    return code;
}


u_char *
ngx_push_websocket_head(u_char *p, ngx_uint_t opcode, size_t len)
{
    size_t  n;

    *p++ = (u_char) (NGX_PUSH_WEBSOCKET_FIN | opcode);

    if (len <= NGX_PUSH_WEBSOCKET_SMALL) {
        *p++ = (u_char) len;
        return p;
    }

    n = (len <= 65535) ? 2 : 8;
    *p++ = (n == 2) ? NGX_PUSH_WEBSOCKET_LEN16 : NGX_PUSH_WEBSOCKET_LEN64;

    while (n--) {
        *p++ = (u_char) ((uint64_t) len >> (8 * n));
    }

    return p;
}


u_char *
ngx_push_websocket_close(u_char *p, ngx_uint_t code, ngx_str_t *reason)
{
    size_t  n;

    if (code == NGX_PUSH_WEBSOCKET_NO_CODE) {
        return ngx_push_websocket_head(p, NGX_PUSH_WEBSOCKET_CLOSE, 0);
    }

    n = ngx_min(reason->len, NGX_PUSH_WEBSOCKET_SMALL - 2);

    if (n) {
        n = ngx_push_utf8_run(reason->data, reason->data + n) - reason->data;
    }

    p = ngx_push_websocket_head(p, NGX_PUSH_WEBSOCKET_CLOSE, n + 2);
    *p++ = (u_char) (code >> 8);
    *p++ = (u_char) code;

    return n ? ngx_cpymem(p, reason->data, n) : p;
}


ngx_int_t
ngx_push_websocket_key(ngx_str_t *key)
{
    u_char     bytes[ngx_base64_decoded_length(24)];
    ngx_str_t  decoded;

    /* NGINX ignores what follows the first "=" */

    if (key->len != 24 || key->data[23] != '=') {
        return NGX_DECLINED;
    }

    decoded.data = bytes;

    if (ngx_decode_base64(&decoded, key) != NGX_OK || decoded.len != 16) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


u_char *
ngx_push_websocket_accept(u_char *p, ngx_str_t *key)
{
    u_char      digest[20];
    ngx_str_t   src, dst;
    ngx_sha1_t  sha1;

    ngx_sha1_init(&sha1);
    ngx_sha1_update(&sha1, key->data, key->len);
    ngx_sha1_update(&sha1, NGX_PUSH_WEBSOCKET_GUID,
                    sizeof(NGX_PUSH_WEBSOCKET_GUID) - 1);
    ngx_sha1_final(digest, &sha1);

    src.data = digest;
    src.len = sizeof(digest);
    dst.data = p;

    ngx_encode_base64(&dst, &src);

    return p + dst.len;
}
