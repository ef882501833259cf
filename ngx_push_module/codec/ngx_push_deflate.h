
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_DEFLATE_H_INCLUDED_
#define _NGX_PUSH_DEFLATE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * permessage-deflate (RFC 7692) without context takeover: its negotiation,
 * and messages in and out.
 */


/* window sizes in bits that zlib can write */
#define NGX_PUSH_DEFLATE_MIN   9
#define NGX_PUSH_DEFLATE_MAX   15

/* room for the longest answer */
#define NGX_PUSH_DEFLATE_ANSWER  160


typedef struct {
    uint8_t   window;        /* ours, in bits; 0: not negotiated */
    uint8_t   client_window; /* that of the client */
    unsigned  client_bits:1; /* the client lets us limit its window */
    unsigned  server_bits:1; /* the client has asked to limit ours */
} ngx_push_deflate_offer_t;


/*
 * Reads one value of Sec-WebSocket-Extensions.  NGX_OK: "offer" is the first
 * one in it that can be accepted; NGX_DECLINED: there is none, which is no
 * error, and "offer" is zeroed.  Offers with an unknown, repeated or wrong
 * parameter are passed over, and those that want a window that zlib cannot
 * write (8 bits).
 */

ngx_int_t ngx_push_deflate_negotiate(ngx_str_t *value,
    ngx_push_deflate_offer_t *offer);

/* the answer's value; returns the end */

u_char *ngx_push_deflate_answer(u_char *p, ngx_push_deflate_offer_t *offer);

/* the most that ngx_push_deflate() writes for len bytes */

size_t ngx_push_deflate_bound(size_t len);

/*
 * Compresses a message with a window of so many bits, as in an offer, and
 * sets dst->len to what was written to dst->data, without the last four
 * bytes, which are always the same (RFC 7692, 7.2.1).  NGX_OK; NGX_DECLINED:
 * it would not be smaller, is to be sent as it is; NGX_ERROR: no memory.
 * Whatever it returns, dst->data may have been written to.
 */

ngx_int_t ngx_push_deflate(ngx_str_t *src, ngx_uint_t window,
    ngx_str_t *dst);

/*
 * Decompresses a message that has come whole.  NGX_OK: dst->data was
 * allocated, even for an empty message, and is to be freed by ngx_free(),
 * dst->len is at most "limit"; NGX_DECLINED: it is larger than "limit" or
 * half a gigabyte, and was given up as soon as that was seen, with limit + 1
 * bytes of it at most; NGX_ABORT: it is broken or cut; NGX_ERROR: no memory.
 * Without NGX_OK "dst" is left alone.
 */

ngx_int_t ngx_push_inflate(ngx_str_t *src, size_t limit, ngx_str_t *dst);

/* gives back what the process keeps for these, which may go on after it */

void ngx_push_deflate_exit(void);


#endif /* _NGX_PUSH_DEFLATE_H_INCLUDED_ */
