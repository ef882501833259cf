
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include "ngx_push_compound.h"


#define DIGITS                                                                \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

#define MAX      255
#define SEQ_MAX  (((uint64_t) 1 << 56) - 1)


static ngx_str_t *format(const ngx_push_compound_t *c, ngx_uint_t n);
static int parses_to(ngx_str_t *s, const ngx_push_compound_t *c,
    ngx_uint_t n);
static int canonical(ngx_str_t *s);
static void random_channel(ngx_push_compound_t *c);
static void test_hash(void);
static void test_known(void);
static void test_empty(void);
static void test_seq(void);
static void test_sizes(void);
static void test_max(void);
static void test_declined(void);
static void test_random(void);
static void test_truncated(void);
static void test_changed(void);


int
main(void)
{
    codec_seed();

    test_hash();
    test_known();
    test_empty();
    test_seq();
    test_sizes();
    test_max();
    test_declined();
    test_random();
    test_truncated();
    test_changed();

    return done();
}


static ngx_str_t *
format(const ngx_push_compound_t *c, ngx_uint_t n)
{
    u_char                      *buf;
    ngx_str_t                   *s;
    ngx_uint_t                   i;
    ngx_push_compound_t          one;
    ngx_push_compound_writer_t   w;

    buf = malloc(ngx_push_compound_size(n));
    if (buf == NULL) {
        exit(2);
    }

    memset(&w, 0, sizeof(w));
    w.p = buf;

    for (i = 0; i < n; i++) {
        one = c[i];
        ngx_push_compound_add(&w, &one);
    }

    s = codec_str((char *) buf, ngx_push_compound_end(&w) - buf);
    free(buf);

    return s;
}


static int
parses_to(ngx_str_t *s, const ngx_push_compound_t *c, ngx_uint_t n)
{
    ngx_uint_t           i;
    ngx_push_compound_t  got[MAX];

    memset(got, 0xdd, sizeof(got));

    if (ngx_push_compound_parse(s, got, MAX) != (ngx_int_t) n) {
        return 0;
    }

    for (i = 0; i < n; i++) {
        if (got[i].hash != c[i].hash || got[i].epoch != c[i].epoch
            || got[i].seq != c[i].seq)
        {
            return 0;
        }
    }

    return 1;
}


/* declined, or what is read from it is written as it was */

static int
canonical(ngx_str_t *s)
{
    ngx_int_t            n;
    ngx_str_t           *again;
    ngx_push_compound_t  c[MAX];

    n = ngx_push_compound_parse(s, c, MAX);

    if (n == NGX_DECLINED) {
        return 1;
    }

    if (n < 1 || n > MAX) {
        return 0;
    }

    again = format(c, n);

    return again->len == s->len && memcmp(again->data, s->data, s->len) == 0;
}


/* numbers of every length */

static void
random_channel(ngx_push_compound_t *c)
{
    c->hash = codec_random(1 << 20);
    c->epoch = codec_random(UINT32_MAX);
    c->seq = (uint64_t) codec_random(UINT32_MAX) << 32
             | codec_random(UINT32_MAX);
    c->seq >>= 8 + codec_random(56);
}


static void
test_hash(void)
{
    ngx_str_t  empty = ngx_null_string;

    is_int(ngx_push_compound_hash(S("news")), 0xf79cd, "hash of \"news\"");
    is_int(ngx_push_compound_hash(S("a")), 0x85f5e, "of one byte");
    is_int(ngx_push_compound_hash(S("chat:7")), 0x01cbd, "of six");
    is_int(ngx_push_compound_hash(S("\xe6\x96\xb0")), 0xd9ef7, "of UTF-8");
    is_int(ngx_push_compound_hash(&empty), 0, "of nothing");
}


static void
test_known(void)
{
    ngx_str_t            *s;
    ngx_push_compound_t   c[2];

    static const ngx_push_compound_t  zero;

    is_str(format(&zero, 1), ".AAAAAAAAAA", "all zero");
    ok(parses_to(S(".AAAAAAAAAA"), &zero, 1), "and back");

    c[0].hash = 0x12345;
    c[0].epoch = 0x3f2a91c0;
    c[0].seq = 42;

    s = format(c, 1);
    is_str(s, ".EjRT8qkcAlQ", "one channel");
    ok(parses_to(s, c, 1), "and back");

    c[1].hash = 0xabcde;
    c[1].epoch = 0x01020304;
    c[1].seq = 0x10000;

    s = format(c, 2);
    is_str(s, ".EjRT8qkcAlVXm8AgQGCMBAAA", "two channels");
    ok(parses_to(s, c, 2), "and back");

    c[1].hash = 0xfffabcde;
    is_str(format(c, 2), ".EjRT8qkcAlVXm8AgQGCMBAAA",
           "20 bits of the hash are taken");

    c[0].hash = 0xfffff;
    c[0].epoch = 0xffffffff;
    c[0].seq = SEQ_MAX;

    s = format(c, 1);
    is_str(s, ".__________________4", "the largest");
    ok(parses_to(s, c, 1), "and back");
}


static void
test_empty(void)
{
    u_char                      buf[1];
    ngx_str_t                   empty = ngx_null_string;
    ngx_push_compound_writer_t  w;

    memset(&w, 0, sizeof(w));
    w.p = buf;

    ok(ngx_push_compound_end(&w) == buf, "no channels, no bytes");

    is_int(ngx_push_compound_is(&empty), 0, "an empty word is none");
    is_int(ngx_push_compound_is(S(".")), 1, "it begins with a dot");
    is_int(ngx_push_compound_is(S("3f2a91c0-00000000000042")), 0,
           "a message's id does not");
}


static void
test_seq(void)
{
    size_t               i, size;
    ngx_str_t           *s;
    ngx_push_compound_t  c[3];

    static const struct {
        uint64_t   seq;
        size_t     bytes;
    } v[] = {
        { 0, 0 },
        { 1, 1 },
        { 255, 1 },
        { 256, 2 },
        { 65535, 2 },
        { 65536, 3 },
        { ((uint64_t) 1 << 32) - 1, 4 },
        { (uint64_t) 1 << 32, 5 },
        { ((uint64_t) 1 << 40) - 1, 5 },
        { (uint64_t) 1 << 40, 6 },
        { (uint64_t) 1 << 48, 7 },
        { SEQ_MAX, 7 },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        random_channel(&c[0]);
        random_channel(&c[1]);
        random_channel(&c[2]);
        c[0].seq = v[i].seq;
        c[1].seq = v[i].seq;
        c[2].seq = v[i].seq;

        s = format(c, 1);
        size = 1 + (55 + 8 * v[i].bytes + 5) / 6;
        is_int(s->len, size, "number %llu, length",
               (unsigned long long) v[i].seq);
        ok(parses_to(s, c, 1), "and back");
        ok(parses_to(format(c, 3), c, 3), "three of them");
    }
}


static void
test_sizes(void)
{
    size_t               i;
    ngx_str_t           *s;
    ngx_push_compound_t  c[MAX];

    for (i = 0; i < MAX; i++) {
        c[i].hash = 0xfffff;
        c[i].epoch = 0xffffffff;
        c[i].seq = ((uint64_t) 1 << 40) - 1;
    }

    s = format(c, 8);
    ok(s->len <= 128, "eight channels below 2^40, at most 128 bytes");
    ok(parses_to(s, c, 8), "and back");

    is_int(format(c, MAX)->len, 4039, "255 channels below 2^40");

    for (i = 0; i < MAX; i++) {
        c[i].seq = SEQ_MAX;
        s = format(c, i + 1);

        if (s->len > ngx_push_compound_size(i + 1) || !parses_to(s, c, i + 1)) {
            break;
        }
    }

    is_int(i, MAX, "the longest of 1 to 255 channels have room");

    is_int(s->len, 4719, "255 channels at most");
}


static void
test_max(void)
{
    ngx_str_t            *s;
    ngx_push_compound_t   c[3], *got;

    random_channel(&c[0]);
    random_channel(&c[1]);
    random_channel(&c[2]);
    s = format(c, 3);

    got = malloc(2 * sizeof(ngx_push_compound_t));
    if (got == NULL) {
        exit(2);
    }

    is_int(ngx_push_compound_parse(s, got, 2), NGX_DECLINED,
           "three channels in the place of two");
    is_int(ngx_push_compound_parse(s, NULL, 0), NGX_DECLINED,
           "in the place of none");
    is_int(ngx_push_compound_parse(format(c, 2), got, 2), 2,
           "two in the place of two");

    free(got);
}


static void
test_declined(void)
{
    size_t               i;
    ngx_str_t           *s;
    ngx_push_compound_t  c[MAX];

    static const struct {
        const char  *text;
        const char  *name;
    } v[] = {
        { "", "nothing" },
        { ".", "no channels" },
        { "AAAAAAAAAA", "no dot" },
        { "3f2a91c0-00000000000042", "a message's id" },
        { ".AAAAAAAAA", "cut short" },
        { ".AAAAAAAAAB", "a last bit" },
        { ".AAAAAAAAAQ", "another last bit" },
        { ".AAAAAAAAAAA", "a byte too many" },
        { ".AAAAAAAAAAAAAAAAAA", "half a channel too many" },
        { ".AAAAAAAAAg", "a length without its number" },
        { ".AAAAAAAAAgA", "number 0 in a byte" },
        { ".AAAAAAAABAAQ", "number 8 in two bytes" },
        { ".AAAAAAAA+A", "a plus sign" },
        { ".AAAAAAAA/A", "a slash" },
        { ".AAAAAAAA.A", "a dot" },
        { ".AAAAAAAAAA==", "base64 filled up" },
        { " .AAAAAAAAAA", "a space before it" },
        { ".AAAAAAAAAA ", "a space after it" },
        { "..AAAAAAAAAA", "two dots" },
    };

    is_int(ngx_push_compound_parse(S(".AAAAAAAAAgI"), c, MAX), 1,
           "number 1 in a byte");
    is_int(ngx_push_compound_parse(S(".AAAAAAAABAIA"), c, MAX), 1,
           "number 256 in two bytes");

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        s = codec_str(v[i].text, strlen(v[i].text));
        is_int(ngx_push_compound_parse(s, c, MAX), NGX_DECLINED, "%s",
               v[i].name);
    }
}


static void
test_random(void)
{
    size_t               i, n, bad;
    ngx_uint_t           round;
    ngx_push_compound_t  c[MAX];

    bad = 0;

    for (round = 0; round < 4; round++) {
        for (n = 1; n <= MAX; n++) {

            for (i = 0; i < n; i++) {
                random_channel(&c[i]);
            }

            bad += !parses_to(format(c, n), c, n);
        }
    }

    is_int(bad, 0, "1 to 255 random channels, and back");
}


/* a cut between two channels fits if what is left of the next one is 0 */

static void
test_truncated(void)
{
    size_t               i, n, len, bad;
    ngx_int_t            rc;
    ngx_str_t           *s, *cut;
    ngx_uint_t           round;
    ngx_push_compound_t  c[16], got[MAX];

    bad = 0;

    for (round = 0; round < 200; round++) {
        n = 1 + codec_random(16);

        for (i = 0; i < n; i++) {
            random_channel(&c[i]);
        }

        s = format(c, n);

        for (len = 0; len < s->len; len++) {
            cut = codec_str((char *) s->data, len);
            rc = ngx_push_compound_parse(cut, got, MAX);

            if (rc != NGX_DECLINED) {
                bad += (rc >= (ngx_int_t) n || !parses_to(cut, c, rc)
                        || !canonical(cut));
            }
        }
    }

    is_int(bad, 0, "cut anywhere: declined, or only the first channels");
}


static void
test_changed(void)
{
    int                  ch;
    u_char               was;
    size_t               i, at, bad, wrong;
    ngx_str_t           *s;
    ngx_uint_t           round;
    ngx_push_compound_t  c[4], got[MAX];

    bad = 0;
    wrong = 0;

    for (round = 0; round < 8; round++) {

        for (i = 0; i < 4; i++) {
            random_channel(&c[i]);
        }

        s = format(c, 1 + round % 4);

        for (at = 0; at < s->len; at++) {
            was = s->data[at];

            for (ch = 0; ch < 256; ch++) {
                s->data[at] = ch;
                bad += !canonical(s);

                if (at && (ch == '\0' || strchr(DIGITS, ch) == NULL)) {
                    wrong += (ngx_push_compound_parse(s, got, MAX)
                              != NGX_DECLINED);
                }
            }

            s->data[at] = was;
        }
    }

    is_int(bad, 0, "every byte at every place: declined, or canonical");
    is_int(wrong, 0, "no byte but the 64 is taken");
}
