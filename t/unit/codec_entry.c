
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include "ngx_push_entry.h"


#define FIXED  42


static ngx_str_t *format(ngx_push_entry_t *e);
static int same(ngx_push_entry_t *a, ngx_push_entry_t *b);
static int same_str(ngx_str_t *a, ngx_str_t *b);
static void random_str(ngx_str_t *s, uint32_t max);
static void random_entry(ngx_push_entry_t *e);
static void test_known(void);
static void test_random(void);
static void test_cut(void);
static void test_damaged(void);
static void test_head(void);
static void test_head_cut(void);
static void test_head_refused(void);


int
main(void)
{
    codec_seed();

    test_known();
    test_random();
    test_cut();
    test_damaged();
    test_head();
    test_head_cut();
    test_head_refused();

    return done();
}


static ngx_str_t *
format(ngx_push_entry_t *e)
{
    u_char     *p;
    size_t      size;
    ngx_str_t  *s;

    size = ngx_push_entry_size(e);

    p = malloc(size);
    if (p == NULL) {
        exit(2);
    }

    if (ngx_push_entry_write(p, e) != p + size) {
        exit(2);
    }

    s = codec_str((char *) p, size);
    free(p);

    return s;
}


static int
same(ngx_push_entry_t *a, ngx_push_entry_t *b)
{
    return same_str(&a->content_type, &b->content_type)
           && same_str(&a->event, &b->event)
           && same_str(&a->topic, &b->topic)
           && same_str(&a->user, &b->user)
           && same_str(&a->body, &b->body)
           && a->rules_ttl == b->rules_ttl
           && a->idle == b->idle
           && a->count == b->count
           && a->max_size == b->max_size
           && a->backlog == b->backlog
           && a->ttl == b->ttl
           && a->text == b->text
           && a->end == b->end;
}


static int
same_str(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


static void
random_str(ngx_str_t *s, uint32_t max)
{
    size_t  i;

    *s = *codec_fill('x', codec_random(4) ? codec_random(max + 1) : 0);

    for (i = 0; i < s->len; i++) {
        s->data[i] = (u_char) codec_random(256);
    }
}


static void
random_entry(ngx_push_entry_t *e)
{
    memset(e, 0, sizeof(*e));

    random_str(&e->content_type, 255);
    random_str(&e->event, 255);
    random_str(&e->topic, 255);
    random_str(&e->user, 255);
    random_str(&e->body, 2000);

    e->rules_ttl = (uint64_t) codec_random(UINT32_MAX) << codec_random(33);
    e->idle = (uint64_t) codec_random(UINT32_MAX) << codec_random(33);
    e->count = codec_random(UINT32_MAX);
    e->max_size = codec_random(UINT32_MAX);
    e->backlog = codec_random(UINT32_MAX);
    e->ttl = codec_random(2) ? NGX_PUSH_ENTRY_NO_TTL
                             : codec_random(UINT32_MAX);
    e->text = codec_random(2);
    e->end = codec_random(2);
}


static void
test_known(void)
{
    ngx_str_t         *s;
    ngx_push_entry_t   e, got;

    static const char  known[] =
        "\x01\x01" "\xff\xff\xff\xff"
        "\x00\x00\x00\x64" "\x00\x00\x00\x00\x00\x36\xee\x80"
        "\x00\x01\x00\x00" "\x00\x00\x00\x01\x02\x03\x04\x05"
        "\x00\x10\x00\x00" "\x04\x02\x01\x03" "\x00\x00\x00\x05"
        "a/bc" "ev" "t" "usr" "hello";

    memset(&e, 0, sizeof(e));
    ngx_str_set(&e.content_type, "a/bc");
    ngx_str_set(&e.event, "ev");
    ngx_str_set(&e.topic, "t");
    ngx_str_set(&e.user, "usr");
    ngx_str_set(&e.body, "hello");
    e.ttl = NGX_PUSH_ENTRY_NO_TTL;
    e.count = 100;
    e.rules_ttl = 3600000;
    e.max_size = 65536;
    e.idle = 0x102030405;
    e.backlog = 1048576;
    e.text = 1;

    s = format(&e);

    ok(s->len == sizeof(known) - 1 && memcmp(s->data, known, s->len) == 0,
       "a message as it is written");

    memset(&got, 0xdd, sizeof(got));
    is_int(ngx_push_entry_read(s, &got), NGX_OK, "and read");
    ok(same(&e, &got), "the same");
    ok(got.body.data == s->data + s->len - 5, "strings point into it");

    memset(&e, 0, sizeof(e));
    e.end = 1;
    s = format(&e);

    is_int(s->len, FIXED, "an empty one");
    is_int(s->data[1], 2, "that ends the channel");
    is_int(ngx_push_entry_read(s, &got), NGX_OK, "is read");
    ok(same(&e, &got), "the same");
}


static void
test_random(void)
{
    ngx_uint_t        i, bad;
    ngx_push_entry_t  e, got;

    bad = 0;

    for (i = 0; i < 1000; i++) {
        random_entry(&e);
        memset(&got, 0xdd, sizeof(got));

        bad += (ngx_push_entry_read(format(&e), &got) != NGX_OK
                || !same(&e, &got));
    }

    is_int(bad, 0, "1000 random messages");
}


static void
test_cut(void)
{
    size_t            len, bad;
    ngx_str_t        *s, *more;
    ngx_push_entry_t  e, got;

    random_entry(&e);
    s = format(&e);
    bad = 0;

    for (len = 0; len < s->len; len++) {
        bad += (ngx_push_entry_read(codec_str((char *) s->data, len), &got)
                != NGX_ERROR);
    }

    is_int(bad, 0, "cut anywhere: damaged");

    more = codec_fill(0, s->len + 1);
    memcpy(more->data, s->data, s->len);
    is_int(ngx_push_entry_read(more, &got), NGX_ERROR, "a byte too many");
}


static void
test_damaged(void)
{
    int               ch;
    size_t            at, bad;
    u_char            was;
    ngx_str_t        *s;
    ngx_push_entry_t  e, got;

    random_entry(&e);
    s = format(&e);
    bad = 0;

    for (ch = 0; ch < 256; ch++) {
        s->data[0] = ch;
        bad += (ngx_push_entry_read(s, &got)
                != (ch == 1 ? NGX_OK : NGX_DECLINED));
    }

    is_int(bad, 0, "any other version is declined");

    s->data[0] = 2;
    is_int(ngx_push_entry_read(codec_str((char *) s->data, 1), &got),
           NGX_DECLINED, "of any length");

    s->data[0] = 1;
    bad = 0;

    for (ch = 0; ch < 256; ch++) {
        s->data[1] = ch;
        bad += (ngx_push_entry_read(s, &got) != (ch < 4 ? NGX_OK : NGX_ERROR));
    }

    is_int(bad, 0, "an unknown flag: damaged");

    s->data[1] = 0;
    bad = 0;

    for (at = FIXED - 8; at < FIXED; at++) {
        was = s->data[at];

        for (ch = 0; ch < 256; ch++) {
            s->data[at] = ch;
            bad += (ngx_push_entry_read(s, &got)
                    != (ch == was ? NGX_OK : NGX_ERROR));
        }

        s->data[at] = was;
    }

    is_int(bad, 0, "any other length: damaged");
}


static void
test_head(void)
{
    ngx_str_t              *s;
    ngx_push_entry_head_t   h;

    s = S("1m 16777215 1 7 99999999999999 1790000000000\nblob\n1");
    memset(&h, 0xdd, sizeof(h));

    is_int(ngx_push_entry_head(s, &h), NGX_OK, "a message is announced");
    is_int(h.type, NGX_PUSH_ENTRY_MESSAGE, "type");
    is_int(h.life, 16777215, "life");
    is_int(h.term, 1, "term");
    is_int(h.began, 7, "first number of the term");
    is_int(h.seq, 99999999999999, "number");
    is_int(h.time, 1790000000000, "time");
    is_str(&h.blob, "blob\n1", "blob");
    ok(h.blob.data == s->data + 45, "in its place");

    s = S("1e 1 16777215 1 0 0\n");
    is_int(ngx_push_entry_head(s, &h), NGX_OK, "an end is announced");
    is_int(h.type, NGX_PUSH_ENTRY_END, "type");
    is_int(h.term, 16777215, "term");
    is_int(h.seq, 0, "number");
    is_int(h.blob.len, 0, "no blob");

    is_int(ngx_push_entry_head(S("1d 5 6 1 0 9\n4"), &h), NGX_OK,
           "a deletion is announced");
    is_int(h.type, NGX_PUSH_ENTRY_DELETED, "type");
    is_str(&h.blob, "4", "the life that ended");
}


static void
test_head_cut(void)
{
    size_t                  len, bad;
    ngx_str_t              *s;
    ngx_push_entry_head_t   h;

    s = S("1m 1234 567 89 1011 1213\n");
    bad = 0;

    for (len = 0; len < s->len; len++) {
        bad += (ngx_push_entry_head(codec_str((char *) s->data, len), &h)
                != NGX_ERROR);
    }

    is_int(bad, 0, "cut anywhere: damaged");
}


static void
test_head_refused(void)
{
    size_t                  i;
    ngx_push_entry_head_t   h;

    static const struct {
        const char  *text;
        ngx_int_t    rc;
    } v[] = {
        { "2", NGX_DECLINED },
        { "2m 1 1 1 1 1\n", NGX_DECLINED },
        { "x", NGX_DECLINED },
        { " 1m 1 1 1 1 1\n", NGX_DECLINED },
        { "1x 1 1 1 1 1\n", NGX_ERROR },
        { "1m1 1 1 1 1\n", NGX_ERROR },
        { "1m  1 1 1 1 1\n", NGX_ERROR },
        { "1m 0 1 1 1 1\n", NGX_ERROR },
        { "1m 1 0 1 1 1\n", NGX_ERROR },
        { "1m 16777216 1 1 1 1\n", NGX_ERROR },
        { "1m 1 16777216 1 1 1\n", NGX_ERROR },
        { "1m 18446744073709551617 1 1 1 1\n", NGX_ERROR },
        { "1m 1 1 1 100000000000000 1\n", NGX_ERROR },
        { "1m 1 1 1 18446744073709551617 1\n", NGX_ERROR },
        { "1m 1 1 1 1 18446744073709551617\n", NGX_ERROR },
        { "1m 01 1 1 1 1\n", NGX_ERROR },
        { "1m 1 1 1 00 1\n", NGX_ERROR },
        { "1m 1 1 -1 1 1\n", NGX_ERROR },
        { "1m 1 1 1 1 1e3\n", NGX_ERROR },
        { "1m 1 1 1 1\n", NGX_ERROR },
        { "1m 1 1 1 1 1 1\n", NGX_ERROR },
        { "1m 1 1 1 1 1\r\n", NGX_ERROR },
        { "1m 1 1 1 1 \n", NGX_ERROR },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        is_int(ngx_push_entry_head(codec_str(v[i].text, strlen(v[i].text)),
                                   &h),
               v[i].rc, "refused, %lu", (unsigned long) i);
    }
}
