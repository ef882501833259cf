
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include "ngx_push_utf8.h"


static int reference(u_char *p, size_t len);
static size_t encode(u_char *p, uint32_t ch);
static void test_vectors(void);
static void test_characters(void);
static void test_short_strings(void);
static void test_positions(void);
static void test_random(void);
static void test_run(void);


int
main(void)
{
    codec_seed();

    test_vectors();
    test_characters();
    test_short_strings();
    test_positions();
    test_random();
    test_run();

    return done();
}


/* decodes the bits and looks at the value: another way than ours */

static int
reference(u_char *p, size_t len)
{
    size_t    i, j, n;
    uint32_t  ch, least;

    for (i = 0; i < len; i += n) {

        if (p[i] < 0x80) {
            n = 1;
            continue;
        }

        if ((p[i] & 0xe0) == 0xc0) {
            n = 2;
            ch = p[i] & 0x1f;
            least = 0x80;

        } else if ((p[i] & 0xf0) == 0xe0) {
            n = 3;
            ch = p[i] & 0x0f;
            least = 0x800;

        } else if ((p[i] & 0xf8) == 0xf0) {
            n = 4;
            ch = p[i] & 0x07;
            least = 0x10000;

        } else {
            return 0;
        }

        if (i + n > len) {
            return 0;
        }

        for (j = 1; j < n; j++) {
            if ((p[i + j] & 0xc0) != 0x80) {
                return 0;
            }

            ch = (ch << 6) | (p[i + j] & 0x3f);
        }

        if (ch < least || ch > 0x10ffff || (ch >= 0xd800 && ch <= 0xdfff)) {
            return 0;
        }
    }

    return 1;
}


static size_t
encode(u_char *p, uint32_t ch)
{
    if (ch < 0x80) {
        p[0] = ch;
        return 1;
    }

    if (ch < 0x800) {
        p[0] = 0xc0 | (ch >> 6);
        p[1] = 0x80 | (ch & 0x3f);
        return 2;
    }

    if (ch < 0x10000) {
        p[0] = 0xe0 | (ch >> 12);
        p[1] = 0x80 | ((ch >> 6) & 0x3f);
        p[2] = 0x80 | (ch & 0x3f);
        return 3;
    }

    p[0] = 0xf0 | (ch >> 18);
    p[1] = 0x80 | ((ch >> 12) & 0x3f);
    p[2] = 0x80 | ((ch >> 6) & 0x3f);
    p[3] = 0x80 | (ch & 0x3f);

    return 4;
}


static void
test_vectors(void)
{
    size_t      i;
    ngx_str_t  *s;

    static const struct {
        const char  *text;
        ngx_int_t    rc;
    } v[] = {
        { "", NGX_OK },
        { "plain", NGX_OK },
        { "\xe6\x96\xb0\xe9\x97\xbb", NGX_OK },
        { "\xf0\x9f\x98\x80", NGX_OK },
        { "\xef\xbb\xbf", NGX_OK },
        { "\xed\x9f\xbf", NGX_OK },
        { "\xee\x80\x80", NGX_OK },
        { "\xf4\x8f\xbf\xbf", NGX_OK },
        { "\xc0\x80", NGX_DECLINED },
        { "\xc1\xbf", NGX_DECLINED },
        { "\xe0\x80\xaf", NGX_DECLINED },
        { "\xe0\x9f\xbf", NGX_DECLINED },
        { "\xf0\x80\x80\xaf", NGX_DECLINED },
        { "\xf0\x8f\xbf\xbf", NGX_DECLINED },
        { "\xed\xa0\x80", NGX_DECLINED },
        { "\xed\xbf\xbf", NGX_DECLINED },
        { "\xed\xa0\xbd\xed\xb8\x80", NGX_DECLINED },
        { "\xf4\x90\x80\x80", NGX_DECLINED },
        { "\xf5\x80\x80\x80", NGX_DECLINED },
        { "\xf8\x88\x80\x80\x80", NGX_DECLINED },
        { "\x80", NGX_DECLINED },
        { "\xbf", NGX_DECLINED },
        { "\xff", NGX_DECLINED },
        { "\xfe", NGX_DECLINED },
        { "ok \xe2\x82", NGX_DECLINED },
        { "\xe2\x28\xa1", NGX_DECLINED },
        { "12345678\xc3", NGX_DECLINED },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        s = codec_str(v[i].text, strlen(v[i].text));
        is_int(ngx_push_utf8_valid(s->data, s->len), v[i].rc, "vector %lu",
               (unsigned long) i);
    }

    s = S("a\0b");
    is_int(ngx_push_utf8_valid(s->data, s->len), NGX_OK, "NUL is a character");
}


static void
test_characters(void)
{
    u_char      buf[4];
    size_t      len, cut, bad;
    uint32_t    ch;
    ngx_int_t   want;

    bad = 0;

    for (ch = 0; ch < 0x1fffff; ch++) {
        len = encode(buf, ch);
        want = (ch > 0x10ffff || (ch >= 0xd800 && ch <= 0xdfff))
               ? NGX_DECLINED : NGX_OK;

        bad += (ngx_push_utf8_valid(buf, len) != want);

        for (cut = 1; cut < len; cut++) {
            bad += (ngx_push_utf8_valid(buf, cut) != NGX_DECLINED);
        }
    }

    is_int(bad, 0, "every code point, whole and cut short");
}


static void
test_short_strings(void)
{
    u_char    buf[4];
    size_t    bad, k;
    uint32_t  i;

    static const u_char  tail[] = {
        0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xff
    };

    bad = 0;

    for (i = 0; i < 256; i++) {
        buf[0] = i;
        bad += ((ngx_push_utf8_valid(buf, 1) == NGX_OK) != reference(buf, 1));
    }

    is_int(bad, 0, "every string of one byte");

    for (i = 0; i < 65536; i++) {
        buf[0] = i >> 8;
        buf[1] = i & 0xff;
        bad += ((ngx_push_utf8_valid(buf, 2) == NGX_OK) != reference(buf, 2));

        for (k = 0; k < sizeof(tail) * sizeof(tail); k++) {
            buf[2] = tail[k / sizeof(tail)];
            buf[3] = tail[k % sizeof(tail)];

            bad += ((ngx_push_utf8_valid(buf, 3) == NGX_OK)
                    != reference(buf, 3));
            bad += ((ngx_push_utf8_valid(buf, 4) == NGX_OK)
                    != reference(buf, 4));
        }
    }

    is_int(bad, 0, "two bytes, and those with every kind of third and fourth");
}


/* the words of eight bytes must not hide what stands in or across them */

static void
test_positions(void)
{
    u_char      buf[64];
    size_t      at, tail, bad;
    ngx_str_t  *s;

    bad = 0;

    for (at = 0; at < 24; at++) {
        for (tail = 0; tail < 24; tail++) {
            memset(buf, 'x', sizeof(buf));

            memcpy(buf + at, "\xf0\x9f\x98\x80", 4);
            s = codec_str((char *) buf, at + 4 + tail);
            bad += (ngx_push_utf8_valid(s->data, s->len) != NGX_OK);

            buf[at + 2] = 'x';
            s = codec_str((char *) buf, at + 4 + tail);
            bad += (ngx_push_utf8_valid(s->data, s->len) != NGX_DECLINED);
        }
    }

    is_int(bad, 0, "a character and a broken one at every place");
}


static void
test_random(void)
{
    u_char      buf[40];
    size_t      i, j, len, bad, valid;
    ngx_str_t  *s;

    bad = 0;
    valid = 0;

    for (i = 0; i < 20000; i++) {
        len = 0;

        for (j = codec_random(9); j > 0; j--) {
            len += encode(buf + len, codec_random(4) ? codec_random(0x80)
                                                     : codec_random(0x110800));
        }

        if (len && codec_random(3) == 0) {
            buf[codec_random(len)] = codec_random(256);
        }

        s = codec_str((char *) buf, len);
        bad += ((ngx_push_utf8_valid(s->data, s->len) == NGX_OK)
                != reference(buf, len));
        valid += reference(buf, len);
    }

    is_int(bad, 0, "random strings");
    ok(valid > 2000 && valid < 20000, "of both kinds");
}


static void
test_run(void)
{
    ngx_str_t  *s;

    s = S("abc\xe2\x82\xac\xe2\x82 more");
    is_int(ngx_push_utf8_run(s->data, s->data + s->len) - s->data, 6,
           "a run ends before a character that is cut short");
    is_int(ngx_push_utf8_run(s->data + 6, s->data + s->len) - s->data, 6,
           "a run of nothing");
    is_int(ngx_push_utf8_run(s->data + 8, s->data + s->len) - s->data, 13,
           "a run to the end");
}
