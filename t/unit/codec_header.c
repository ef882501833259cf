
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include "ngx_push_header.h"


static void test_event(void);
static void test_topic(void);
static void test_ttl(void);
static void test_flag(void);
static void test_unquote(void);
static void test_etag(void);
static void test_has_etag(void);


int
main(void)
{
    test_event();
    test_topic();
    test_ttl();
    test_flag();
    test_unquote();
    test_etag();
    test_has_etag();

    return done();
}


static void
test_event(void)
{
    int         ch;
    char        buf[3];
    size_t      i, bad;
    ngx_int_t   want;

    is_int(ngx_push_header_event(S("move")), NGX_OK, "an event");
    is_int(ngx_push_header_event(S("\xe6\x96\xb0 x:y")), NGX_OK, "in UTF-8");
    is_int(ngx_push_header_event(S("push")), NGX_OK, "push");
    is_int(ngx_push_header_event(S("pushed.x")), NGX_OK, "pushed.x");
    is_int(ngx_push_header_event(S("Push.x")), NGX_OK, "Push.x");
    is_int(ngx_push_header_event(S("a.push.")), NGX_OK, "a.push.");
    is_int(ngx_push_header_event(S("push.")), NGX_DECLINED, "push.");
    is_int(ngx_push_header_event(S("push.gap")), NGX_DECLINED, "push.gap");
    is_int(ngx_push_header_event(codec_str("", 0)), NGX_DECLINED, "empty");
    is_int(ngx_push_header_event(codec_fill('x', 255)), NGX_OK, "255 bytes");
    is_int(ngx_push_header_event(codec_fill('x', 256)), NGX_DECLINED,
           "256 bytes");
    is_int(ngx_push_header_event(S("a\xc3")), NGX_DECLINED, "cut short");
    is_int(ngx_push_header_event(S("x\ndata: forged")), NGX_DECLINED, "LF");
    is_int(ngx_push_header_event(S("x\rdata: forged")), NGX_DECLINED, "CR");
    is_int(ngx_push_header_event(S("x\0")), NGX_DECLINED, "NUL");

    bad = 0;

    for (ch = 0; ch < 256; ch++) {
        want = (ch >= 0x80 || ch == '\r' || ch == '\n' || ch == '\0')
               ? NGX_DECLINED : NGX_OK;

        for (i = 0; i < 3; i++) {
            memcpy(buf, "xyz", 3);
            buf[i] = ch;
            bad += (ngx_push_header_event(codec_str(buf, 3)) != want);
        }
    }

    is_int(bad, 0, "every byte of an event");
}


static void
test_topic(void)
{
    int     ch, good;
    char    buf[3];
    size_t  i, bad;

    is_int(ngx_push_header_topic(S("price:EUR_USD.1-x")), NGX_OK, "a topic");
    is_int(ngx_push_header_topic(codec_str("", 0)), NGX_DECLINED, "empty");
    is_int(ngx_push_header_topic(codec_fill('t', 64)), NGX_OK, "64 bytes");
    is_int(ngx_push_header_topic(codec_fill('t', 65)), NGX_DECLINED,
           "65 bytes");

    bad = 0;

    for (ch = 0; ch < 256; ch++) {
        good = (ch != '\0'
                && strchr("abcdefghijklmnopqrstuvwxyz0123456789._:-"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ", ch) != NULL);

        for (i = 0; i < 3; i++) {
            memcpy(buf, "xyz", 3);
            buf[i] = ch;
            bad += ((ngx_push_header_topic(codec_str(buf, 3)) == NGX_OK)
                    != good);
        }
    }

    is_int(bad, 0, "every byte of a topic");
}


static void
test_ttl(void)
{
    size_t     i;
    uint32_t   n;
    ngx_str_t  digits = ngx_string("0");

    static const struct {
        const char  *value;
        ngx_int_t    rc;
        uint32_t     n;
    } v[] = {
        { "0", NGX_OK, 0 },
        { "1", NGX_OK, 1 },
        { "0060", NGX_OK, 60 },
        { "2147483646", NGX_OK, 2147483646 },
        { "2147483647", NGX_OK, 2147483647 },
        { "2147483648", NGX_OK, 2147483647 },
        { "4294967297", NGX_OK, 2147483647 },
        { "18446744073709551617", NGX_OK, 2147483647 },
        { "999999999999999999999999999999", NGX_OK, 2147483647 },
        { "", NGX_DECLINED, 7 },
        { "-1", NGX_DECLINED, 7 },
        { "+1", NGX_DECLINED, 7 },
        { " 1", NGX_DECLINED, 7 },
        { "1 ", NGX_DECLINED, 7 },
        { "1.5", NGX_DECLINED, 7 },
        { "1m", NGX_DECLINED, 7 },
        { "0x1", NGX_DECLINED, 7 },
        { "99999999999999999999999x", NGX_DECLINED, 7 },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        n = 7;
        is_int(ngx_push_header_ttl(codec_str(v[i].value, strlen(v[i].value)),
                                   &n),
               v[i].rc, "TTL \"%s\"", v[i].value);
        is_int(n, v[i].n, "its seconds");
    }

    is_int(ngx_push_header_ttl(&digits, &n), NGX_OK, "TTL 0 is a TTL");
}


static void
test_flag(void)
{
    size_t      i;
    ngx_uint_t  on;

    static const struct {
        const char  *value;
        ngx_int_t    rc;
        ngx_uint_t   on;
    } v[] = {
        { "true", NGX_OK, 1 },
        { "?1", NGX_OK, 1 },
        { "false", NGX_OK, 0 },
        { "?0", NGX_OK, 0 },
        { "", NGX_DECLINED, 7 },
        { "?", NGX_DECLINED, 7 },
        { "1", NGX_DECLINED, 7 },
        { "yes", NGX_DECLINED, 7 },
        { "True", NGX_DECLINED, 7 },
        { "tru", NGX_DECLINED, 7 },
        { "truee", NGX_DECLINED, 7 },
        { "true, true", NGX_DECLINED, 7 },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        on = 7;
        is_int(ngx_push_header_flag(codec_str(v[i].value, strlen(v[i].value)),
                                    &on),
               v[i].rc, "flag \"%s\"", v[i].value);
        is_int(on, v[i].on, "its value");
    }
}


static void
test_unquote(void)
{
    size_t     i;
    ngx_int_t  rc;
    ngx_str_t  out;

    static const struct {
        const char  *value;
        const char  *want;
    } v[] = {
        { "key", "key" },
        { "\"key\"", "key" },
        { "\"a b, c\"", "a b, c" },
        { "", "" },
        { "\"\"", "" },
        { "\\", "\\" },
        { "\xff", "\xff" },
        { "\"", NULL },
        { "\"\"\"", NULL },
        { "\"a", NULL },
        { "a\"", NULL },
        { "a\"b", NULL },
        { "\"a\"b\"", NULL },
        { "\"a\", \"b\"", NULL },
        { "\"a\\\"b\"", NULL },
        { "a\tb", NULL },
        { "\"a\n\"", NULL },
        { "a\x7f", NULL },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        rc = ngx_push_header_unquote(codec_str(v[i].value,
                                               strlen(v[i].value)), &out);

        is_int(rc, v[i].want ? NGX_OK : NGX_DECLINED, "unquote %lu",
               (unsigned long) i);

        if (rc == NGX_OK && v[i].want) {
            is_str(&out, v[i].want, "what is inside");
        }
    }

    is_int(ngx_push_header_unquote(S("a\0b"), &out), NGX_DECLINED, "NUL");

    out = *S("\"same\"");
    is_int(ngx_push_header_unquote(&out, &out), NGX_OK, "into itself");
    is_str(&out, "same", "what is inside");
}


static void
test_etag(void)
{
    size_t     i;
    ngx_int_t  rc;
    ngx_str_t  out;

    static const struct {
        const char  *value;
        const char  *want;
    } v[] = {
        { "3f2a-42", "3f2a-42" },
        { "\"3f2a-42\"", "3f2a-42" },
        { "*", "*" },
        { "\"*\"", "\"*\"" },
        { "\"a\xffz!\"", "a\xffz!" },
        { "W/\"3f2a-42\"", NULL },
        { "W/3f2a-42", NULL },
        { "W/", NULL },
        { "", NULL },
        { "\"\"", NULL },
        { "\"a\", \"b\"", NULL },
        { "\"a\",\"b\"", NULL },
        { "a, b", NULL },
        { "*, \"a\"", NULL },
        { "\"a b\"", NULL },
        { "\"a", NULL },
        { "a\"", NULL },
        { "\"", NULL },
        { "a\rb", NULL },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        rc = ngx_push_header_etag(codec_str(v[i].value, strlen(v[i].value)),
                                  &out);

        is_int(rc, v[i].want ? NGX_OK : NGX_DECLINED, "tag %lu",
               (unsigned long) i);

        if (rc == NGX_OK && v[i].want) {
            is_str(&out, v[i].want, "its value");
        }
    }

    out = *S("\"same\"");
    is_int(ngx_push_header_etag(&out, &out), NGX_OK, "into itself");
    is_str(&out, "same", "its value");
}


static void
test_has_etag(void)
{
    size_t      i, n;
    ngx_str_t   v, tag;

    static const struct {
        const char  *value;
        ngx_uint_t   want;
    } lists[] = {
        { "\"3f2a-42\"", 1 },
        { "3f2a-42", 1 },
        { "W/\"3f2a-42\"", 1 },
        { "\"a\", \"3f2a-42\"", 1 },
        { "\"3f2a-42\",\"a\"", 1 },
        { " \t\"a\" ,\tW/\"3f2a-42\" , \"b\"", 1 },
        { ",,\"3f2a-42\",", 1 },
        { "\"a,b\",\"3f2a-42\"", 1 },
        { "\"a\"junk, \"3f2a-42\"", 1 },
        { "W/W/\"3f2a-42\"", 0 },
        { "w/\"3f2a-42\"", 0 },
        { "\"3f2a-4\"", 0 },
        { "\"3f2a-42x\"", 0 },
        { "\"x3f2a-42\"", 0 },
        { "\"3f2a-42", 0 },
        { "\"a\" \"3f2a-42\"", 0 },
        { "\"x,3f2a-42\"", 0 },
        { "*", 0 },
        { "\"\"", 0 },
        { "\"", 0 },
        { "W/", 0 },
        { "W", 0 },
        { "", 0 },
        { ",", 0 },
    };

    tag = *S("3f2a-42");

    for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        v = *codec_str(lists[i].value, strlen(lists[i].value));

        is_int(ngx_push_header_has_etag(&v, &tag), lists[i].want, "list %lu",
               (unsigned long) i);

        /* whatever of it is left out, it reads no further */

        for (n = 0; n < v.len; n++) {
            (void) ngx_push_header_has_etag(codec_str(lists[i].value, n),
                                            &tag);
        }
    }
}
