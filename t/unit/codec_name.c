
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include "ngx_push_name.h"


static void test_check(void);
static void test_check_bytes(void);
static void test_decode(void);
static void test_decode_bytes(void);
static void test_next(void);
static size_t names(const char *list, char *out);


int
main(void)
{
    test_check();
    test_check_bytes();
    test_decode();
    test_decode_bytes();
    test_next();

    return done();
}


static void
test_check(void)
{
    ngx_str_t  empty = ngx_null_string;

    is_int(ngx_push_name_check(S("news")), NGX_OK, "a name");
    is_int(ngx_push_name_check(S("a")), NGX_OK, "of one byte");
    is_int(ngx_push_name_check(S("\xe6\x96\xb0")), NGX_OK, "in UTF-8");
    is_int(ngx_push_name_check(S("tenant1:a b/c?d=e&f+g#h\"'\\")), NGX_OK,
           "with signs and a space");
    is_int(ngx_push_name_check(S("\xc2\xa0")), NGX_OK, "U+00A0 is no control");
    is_int(ngx_push_name_check(S("a\xc3\x80")), NGX_OK,
           "0x80 after another first byte");

    is_int(ngx_push_name_check(&empty), NGX_DECLINED, "empty");
    is_int(ngx_push_name_check(codec_fill('x', 250)), NGX_OK, "250 bytes");
    is_int(ngx_push_name_check(codec_fill('x', 251)), NGX_DECLINED,
           "251 bytes");
    is_int(ngx_push_name_check(S("a,b")), NGX_DECLINED, "a comma");
    is_int(ngx_push_name_check(S("a%62")), NGX_DECLINED, "a percent sign");
    is_int(ngx_push_name_check(S("a\0b")), NGX_DECLINED, "NUL");
    is_int(ngx_push_name_check(S("a\nb")), NGX_DECLINED, "LF");
    is_int(ngx_push_name_check(S("a\x7f")), NGX_DECLINED, "DEL");
    is_int(ngx_push_name_check(S("a\xc2\x80")), NGX_DECLINED, "U+0080");
    is_int(ngx_push_name_check(S("\xc2\x9f")), NGX_DECLINED, "U+009F");
    is_int(ngx_push_name_check(S("\xff")), NGX_DECLINED, "not UTF-8");
    is_int(ngx_push_name_check(S("abc\xc2")), NGX_DECLINED,
           "UTF-8 cut short");
    is_int(ngx_push_name_check(S("\xed\xa0\x80")), NGX_DECLINED,
           "a surrogate");
}


static void
test_check_bytes(void)
{
    int         ch;
    char        buf[3];
    size_t      i, bad;
    ngx_int_t   want;

    bad = 0;

    for (ch = 0; ch < 256; ch++) {
        want = (ch < 0x20 || ch >= 0x7f || ch == ',' || ch == '%')
               ? NGX_DECLINED : NGX_OK;

        for (i = 0; i < 3; i++) {
            memcpy(buf, "xyz", 3);
            buf[i] = ch;
            bad += (ngx_push_name_check(codec_str(buf, 3)) != want);
        }
    }

    is_int(bad, 0, "every byte at the beginning, inside and at the end");
}


static void
test_decode(void)
{
    u_char      dst[64];
    size_t      i;
    ngx_str_t  *s, out;

    static const struct {
        const char  *src;
        const char  *want;
    } v[] = {
        { "news", "news" },
        { "%E6%96%B0", "\xe6\x96\xb0" },
        { "%e6%96%b0x", "\xe6\x96\xb0x" },
        { "a+b", "a+b" },
        { "%2B", "+" },
        { "%2541", "%41" },
        { "a%2Cb", "a,b" },
        { "%", NULL },
        { "%4", NULL },
        { "a%4", NULL },
        { "%4g", NULL },
        { "%g4", NULL },
        { "%%41", NULL },
        { "% 41", NULL },
        { "%-1", NULL },
        { "%0x41", NULL },
        { "ok%41%", NULL },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        s = codec_str(v[i].src, strlen(v[i].src));

        if (v[i].want == NULL) {
            is_int(ngx_push_percent_decode(dst, s, &out), NGX_DECLINED,
                   "\"%s\" is malformed", v[i].src);
            continue;
        }

        is_int(ngx_push_percent_decode(dst, s, &out), NGX_OK, "decode %s",
               v[i].src);
        is_str(&out, v[i].want, "to the right bytes");
    }

    out = *S("a%41%42");
    is_int(ngx_push_percent_decode(out.data, &out, &out), NGX_OK, "in place");
    is_str(&out, "aAB", "to the same bytes");

    /* what stands behind the value is not part of it */

    for (i = 0; i < 6; i++) {
        out = *S("%41%42");
        out.len = i;
        is_int(ngx_push_percent_decode(dst, &out, &out),
               i % 3 ? NGX_DECLINED : NGX_OK, "the first %lu bytes",
               (unsigned long) i);
    }

    ngx_str_null(&out);
    is_int(ngx_push_percent_decode(dst, &out, &out), NGX_OK, "empty");
    is_int(out.len, 0, "stays empty");
}


static void
test_decode_bytes(void)
{
    int         ch;
    char        buf[4];
    u_char      dst[3];
    size_t      bad;
    ngx_str_t   out;

    bad = 0;

    for (ch = 0; ch < 256; ch++) {
        sprintf(buf, (ch & 1) ? "%%%02x" : "%%%02X", (unsigned) ch);
        bad += (ngx_push_percent_decode(dst, codec_str(buf, 3), &out) != NGX_OK
                || out.len != 1 || out.data[0] != ch);

        if (ch != '%') {
            buf[0] = ch;
            bad += (ngx_push_percent_decode(dst, codec_str(buf, 1), &out)
                    != NGX_OK
                    || out.len != 1 || out.data[0] != ch);
        }
    }

    is_int(bad, 0, "every byte, encoded and as it is");
}


/* "[a][b]": what a list holds */

static size_t
names(const char *list, char *out)
{
    size_t     n;
    ngx_str_t  rest, name;

    rest = *codec_str(list, strlen(list));

    for (n = 0; ngx_push_name_next(&rest, &name) == NGX_OK; n++) {
        out += sprintf(out, "[%.*s]", (int) name.len, (char *) name.data);
    }

    *out = '\0';

    return n;
}


static void
test_next(void)
{
    char       out[64];
    size_t     i;
    ngx_str_t  list = ngx_null_string, name;

    static const struct {
        const char  *list;
        const char  *names;
    } v[] = {
        { "", "" },
        { "a", "[a]" },
        { "a,b", "[a][b]" },
        { "one,two,three", "[one][two][three]" },
        { " a, b", "[ a][ b]" },
        { "a,", "[a][]" },
        { ",a", "[][a]" },
        { "a,,b", "[a][][b]" },
        { ",", "[]" },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        names(v[i].list, out);
        ok(strcmp(out, v[i].names) == 0, "\"%s\" is %s, not %s", v[i].list,
           v[i].names, out);
    }

    is_int(ngx_push_name_next(&list, &name), NGX_DONE, "no list");
    ok(names(",,,", out) >= 1 && names("a,,", out) >= 2,
       "commas in a row end, and show an empty name");
}
