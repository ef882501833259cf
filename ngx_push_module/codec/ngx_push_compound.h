
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_COMPOUND_H_INCLUDED_
#define _NGX_PUSH_COMPOUND_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Compound ids: positions in several channels as one opaque word.
 *
 *     "." then bits, six a byte of A-Z a-z 0-9 - _, for each channel:
 *     20 hash of its name, 32 the low bits of its epoch, 3 n, 8n (n = 1..7,
 *     0 for no bits) its number; zero bits fill up the last byte
 *
 * So eight channels with numbers below 2^40 take at most 128 bytes.  The
 * same values in the same order have one form only.
 */


#define NGX_PUSH_COMPOUND_CHANNEL_MAX  19     /* bytes, for one of many */


typedef struct {
    uint64_t   seq;            /* below 2^56 */
    uint32_t   hash;
    uint32_t   epoch;
} ngx_push_compound_t;


/* writes one; zeroed memory with "p" set is a fresh one */

typedef struct {
    u_char    *p;
    uint64_t   bits;
    uint32_t   nbits;
    uint32_t   n;
} ngx_push_compound_writer_t;


/* of a channel's name, 20 bits; two names may share one */

uint32_t ngx_push_compound_hash(ngx_str_t *name);

/* room for n channels, an upper bound */

#define ngx_push_compound_size(n)                                             \
    (1 + (size_t) (n) * NGX_PUSH_COMPOUND_CHANNEL_MAX)

void ngx_push_compound_add(ngx_push_compound_writer_t *w,
    ngx_push_compound_t *c);

/* returns the end; nothing is written for no channels */

u_char *ngx_push_compound_end(ngx_push_compound_writer_t *w);

/* whether it looks like one: whether it begins with a "." */

ngx_uint_t ngx_push_compound_is(ngx_str_t *s);

/*
 * Reads at most "max" channels into "c".  Returns how many, at least one;
 * NGX_DECLINED: it is not one, or has more, and "c" holds anything.
 */

ngx_int_t ngx_push_compound_parse(ngx_str_t *s, ngx_push_compound_t *c,
    ngx_uint_t max);


#endif /* _NGX_PUSH_COMPOUND_H_INCLUDED_ */
