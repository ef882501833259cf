
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_WEBSOCKET_H_INCLUDED_
#define _NGX_PUSH_WEBSOCKET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Frames of WebSocket (RFC 6455, 5), as a server reads and writes them.
 */


#define NGX_PUSH_WEBSOCKET_CONTINUATION  0x0
#define NGX_PUSH_WEBSOCKET_TEXT          0x1
#define NGX_PUSH_WEBSOCKET_BINARY        0x2
#define NGX_PUSH_WEBSOCKET_CLOSE         0x8
#define NGX_PUSH_WEBSOCKET_PING          0x9
#define NGX_PUSH_WEBSOCKET_PONG          0xa

/* codes that come from here, RFC 6455, 7.4.1; no frame holds 1005 */
#define NGX_PUSH_WEBSOCKET_PROTOCOL_ERROR  1002
#define NGX_PUSH_WEBSOCKET_NO_CODE         1005
#define NGX_PUSH_WEBSOCKET_BAD_DATA        1007
#define NGX_PUSH_WEBSOCKET_TOO_BIG         1009

/* the longest head of a frame that a server sends, and its longest close */
#define NGX_PUSH_WEBSOCKET_HEAD          10
#define NGX_PUSH_WEBSOCKET_CLOSE_FRAME   127

/* Sec-WebSocket-Accept, base64 of SHA-1 */
#define NGX_PUSH_WEBSOCKET_ACCEPT        28


/*
 * What is known of the frames read so far.  Zeroed memory with "limit" and
 * "deflate" set is a fresh one.  Each idle subscriber keeps one.
 */

typedef struct {
    uint64_t   left;           /* payload of this frame still to come */
    uint64_t   size;           /* payload of this message so far */
    size_t     limit;          /* bytes of a message, as they are sent */
    u_char     mask[4];
    uint8_t    at;             /* in the length or in the mask */
    uint8_t    state;          /* in the head */
    uint8_t    opcode;         /* of this frame, a message's own or control */
    uint8_t    utf8;           /* state of the check, 0: between characters */
    uint16_t   close;          /* after NGX_ERROR: 1002, 1007 or 1009 */
    unsigned   deflate:1;      /* permessage-deflate was negotiated */
    unsigned   message:1;      /* a message has begun and not ended */
    unsigned   text:1;         /* that message is text */
    unsigned   compressed:1;   /* that message is compressed (RSV1) */
    unsigned   fin:1;          /* this frame is the last of its message */
    unsigned   payload:1;      /* the head is complete */
} ngx_push_websocket_t;


/*
 * Reads on from *pos.
 *
 * NGX_OK: "piece" is a part of the payload of a frame of ws->opcode
 * (TEXT or BINARY also for their continuations; CLOSE, PING, PONG), unmasked
 * in place, maybe empty; with "end" set it is the last one of its message or
 * control frame.  ws->compressed belongs to TEXT and BINARY only.
 *
 * NGX_AGAIN: all is read, *pos is last.
 *
 * NGX_ERROR: the connection is to be closed with ws->close: 1002 for what
 * RFC 6455 forbids; 1007 for uncompressed text that is not UTF-8, as soon as
 * it is seen, so that what was good before it may not have come as a piece;
 * 1009 for a message larger than ws->limit, when its head is read, before any
 * of that frame's payload.  It must not be called again.
 *
 * What follows a close frame is read like the rest; RFC 6455, 5.5.1, lets the
 * caller ignore it.
 */

ngx_int_t ngx_push_websocket_read(ngx_push_websocket_t *ws, u_char **pos,
    u_char *last, ngx_str_t *piece, ngx_uint_t *end);

/*
 * The payload of a close frame: its code, 1005 if it has none; or 1002 for a
 * payload of one byte or a code that must not be sent, 1007 for a reason that
 * is not UTF-8.  "bad" says that it is one of these two.
 */

ngx_uint_t ngx_push_websocket_close_code(ngx_str_t *payload, ngx_uint_t *bad);

/*
 * Writes the head of an unmasked frame with FIN; "opcode" may have the bit
 * NGX_PUSH_WEBSOCKET_RSV1.  Returns its end, at most NGX_PUSH_WEBSOCKET_HEAD
 * bytes on.
 */

#define NGX_PUSH_WEBSOCKET_RSV1          0x40

u_char *ngx_push_websocket_head(u_char *p, ngx_uint_t opcode, size_t len);

/*
 * Writes a close frame with a reason of at most 123 bytes, which is cut
 * between characters if it is longer, and before what is not UTF-8.  With the
 * code 1005, which must not be sent, the frame is empty.  Returns the end, at
 * most NGX_PUSH_WEBSOCKET_CLOSE_FRAME bytes on.
 */

u_char *ngx_push_websocket_close(u_char *p, ngx_uint_t code,
    ngx_str_t *reason);

/*
 * NGX_OK if it is a Sec-WebSocket-Key: base64 of 16 bytes; else NGX_DECLINED.
 */

ngx_int_t ngx_push_websocket_key(ngx_str_t *key);

/*
 * Writes NGX_PUSH_WEBSOCKET_ACCEPT bytes for a key that is good (RFC 6455,
 * 4.2.2), returns the end.
 */

u_char *ngx_push_websocket_accept(u_char *p, ngx_str_t *key);


#endif /* _NGX_PUSH_WEBSOCKET_H_INCLUDED_ */
