
/*
 * Copyright (C) The ngx_push_module authors
 *
 * What the tests of codec/ share: values in memory of exactly their size,
 * so that AddressSanitizer sees a read past their end, and random numbers
 * that can be repeated.
 */


#ifndef _CODEC_H_INCLUDED_
#define _CODEC_H_INCLUDED_


#include "unit.h"


#define S(s)  codec_str(s, sizeof(s) - 1)


static uint64_t  codec_random_state;


/* kept to the end of the test; a string of no bytes has no address */

UNIT_UNUSED static ngx_str_t *
codec_str(const char *s, size_t len)
{
    struct kept {
        struct kept   *next;
        ngx_str_t      str;
    };

    struct kept         *k;
    static struct kept  *all;

    k = malloc(sizeof(struct kept));
    if (k == NULL) {
        exit(2);
    }

    k->next = all;
    all = k;

    k->str.len = len;
    k->str.data = NULL;

    if (len) {
        k->str.data = malloc(len);
        if (k->str.data == NULL) {
            exit(2);
        }

        memcpy(k->str.data, s, len);
    }

    return &k->str;
}


/* n times the same byte */

UNIT_UNUSED static ngx_str_t *
codec_fill(int ch, size_t n)
{
    char       *s;
    ngx_str_t  *str;

    s = malloc(n + 1);
    if (s == NULL) {
        exit(2);
    }

    memset(s, ch, n);
    str = codec_str(s, n);
    free(s);

    return str;
}


/* SEED repeats a run */

UNIT_UNUSED static void
codec_seed(void)
{
    char      *seed;
    uint64_t   n;

    seed = getenv("SEED");
    n = seed ? strtoull(seed, NULL, 10)
             : (uint64_t) time(NULL) * 1000003 + (uint64_t) getpid();

    printf("# SEED=%llu\n", (unsigned long long) n);

    codec_random_state = n * 2 + 1;
}


/* 0 to n - 1 (xorshift64*) */

UNIT_UNUSED static uint32_t
codec_random(uint32_t n)
{
    codec_random_state ^= codec_random_state >> 12;
    codec_random_state ^= codec_random_state << 25;
    codec_random_state ^= codec_random_state >> 27;

    return (uint32_t) ((codec_random_state * 0x2545f4914f6cdd1dULL) >> 32) % n;
}


#endif /* _CODEC_H_INCLUDED_ */
