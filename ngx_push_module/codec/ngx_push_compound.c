
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_compound.h"


#define NGX_PUSH_COMPOUND_BYTE      6         /* bits a byte stands for */
#define NGX_PUSH_COMPOUND_HASH      20
#define NGX_PUSH_COMPOUND_EPOCH     32
#define NGX_PUSH_COMPOUND_LEN       3
#define NGX_PUSH_COMPOUND_LEN_MAX   7

#define ngx_push_compound_mask(n)  (((uint64_t) 1 << (n)) - 1)


/* between two numbers less than a byte's worth of bits is kept */

typedef struct {
    u_char    *p;
    u_char    *last;
    uint64_t   bits;
    uint32_t   nbits;
} ngx_push_compound_reader_t;


static void ngx_push_compound_put(ngx_push_compound_writer_t *w,
    uint64_t value, uint32_t n);
static ngx_int_t ngx_push_compound_read(ngx_push_compound_reader_t *rd,
    ngx_push_compound_t *c);
static ngx_int_t ngx_push_compound_get(ngx_push_compound_reader_t *rd,
    uint32_t n, uint64_t *value);
static ngx_int_t ngx_push_compound_digit(u_char ch);


static const u_char  ngx_push_compound_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";


uint32_t
ngx_push_compound_hash(ngx_str_t *name)
{
    return ngx_murmur_hash2(name->data, name->len)
           & ngx_push_compound_mask(NGX_PUSH_COMPOUND_HASH);
}


void
ngx_push_compound_add(ngx_push_compound_writer_t *w, ngx_push_compound_t *c)
{
    uint32_t  len;

    if (w->n++ == 0) {
        *w->p++ = '.';
    }

    for (len = 0; len < NGX_PUSH_COMPOUND_LEN_MAX && c->seq >> (8 * len);
         len++)
    {
        /* void */
    }

    ngx_push_compound_put(w, c->hash, NGX_PUSH_COMPOUND_HASH);
    ngx_push_compound_put(w, c->epoch, NGX_PUSH_COMPOUND_EPOCH);
    ngx_push_compound_put(w, len, NGX_PUSH_COMPOUND_LEN);
    ngx_push_compound_put(w, c->seq, 8 * len);
}


/* n is at most 56: with the bits of a begun byte it fits */

static void
ngx_push_compound_put(ngx_push_compound_writer_t *w, uint64_t value,
    uint32_t n)
{
    w->bits = (w->bits << n) | (value & ngx_push_compound_mask(n));
    w->nbits += n;

    while (w->nbits >= NGX_PUSH_COMPOUND_BYTE) {
        w->nbits -= NGX_PUSH_COMPOUND_BYTE;
        *w->p++ = ngx_push_compound_digits[(w->bits >> w->nbits) & 0x3f];
    }
}


u_char *
ngx_push_compound_end(ngx_push_compound_writer_t *w)
{
    if (w->nbits) {
        ngx_push_compound_put(w, 0, NGX_PUSH_COMPOUND_BYTE - w->nbits);
    }

    return w->p;
}


ngx_uint_t
ngx_push_compound_is(ngx_str_t *s)
{
    return s->len != 0 && s->data[0] == '.';
}


ngx_int_t
ngx_push_compound_parse(ngx_str_t *s, ngx_push_compound_t *c, ngx_uint_t max)
{
    ngx_uint_t                  n;
    ngx_push_compound_reader_t  rd;

    if (!ngx_push_compound_is(s)) {
        return NGX_DECLINED;
    }

    rd.p = s->data + 1;
    rd.last = s->data + s->len;
    rd.bits = 0;
    rd.nbits = 0;

    n = 0;

    do {
        if (n == max || ngx_push_compound_read(&rd, &c[n]) != NGX_OK) {
            return NGX_DECLINED;
        }

        n++;

    } while (rd.p < rd.last);

    /* what fills up the last byte */

    if (rd.bits & ngx_push_compound_mask(rd.nbits)) {
        return NGX_DECLINED;
    }

    return n;
}


static ngx_int_t
ngx_push_compound_read(ngx_push_compound_reader_t *rd, ngx_push_compound_t *c)
{
    uint64_t  hash, epoch, len;

    if (ngx_push_compound_get(rd, NGX_PUSH_COMPOUND_HASH, &hash) != NGX_OK
        || ngx_push_compound_get(rd, NGX_PUSH_COMPOUND_EPOCH, &epoch)
           != NGX_OK
        || ngx_push_compound_get(rd, NGX_PUSH_COMPOUND_LEN, &len) != NGX_OK
        || ngx_push_compound_get(rd, 8 * (uint32_t) len, &c->seq) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    /* a number has one form only: none of its bytes could be left out */

    if (len && c->seq >> (8 * (len - 1)) == 0) {
        return NGX_DECLINED;
    }

    c->hash = (uint32_t) hash;
    c->epoch = (uint32_t) epoch;

    return NGX_OK;
}


static ngx_int_t
ngx_push_compound_get(ngx_push_compound_reader_t *rd, uint32_t n,
    uint64_t *value)
{
    ngx_int_t  digit;

    while (rd->nbits < n) {

        if (rd->p == rd->last) {
            return NGX_DECLINED;
        }

        digit = ngx_push_compound_digit(*rd->p++);
        if (digit == NGX_DECLINED) {
            return NGX_DECLINED;
        }

        rd->bits = (rd->bits << NGX_PUSH_COMPOUND_BYTE) | (uint64_t) digit;
        rd->nbits += NGX_PUSH_COMPOUND_BYTE;
    }

    rd->nbits -= n;
    *value = (rd->bits >> rd->nbits) & ngx_push_compound_mask(n);

    return NGX_OK;
}


static ngx_int_t
ngx_push_compound_digit(u_char ch)
{
    if (ch >= 'A' && ch <= 'Z') {
        return ch - 'A';
    }

    if (ch >= 'a' && ch <= 'z') {
        return ch - 'a' + 26;
    }

    if (ch >= '0' && ch <= '9') {
        return ch - '0' + 52;
    }

    switch (ch) {

    case '-':
        return 62;

    case '_':
        return 63;
    }

    return NGX_DECLINED;
}
