
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include <jansson.h>
#include "ngx_push_json.h"


static ngx_str_t string(ngx_str_t *s);
static int decodes_to(ngx_str_t *text, const void *want, size_t len);
static void test_string(void);
static void test_string_bytes(void);
static void test_string_random(void);
static void test_valid(void);
static void test_depth(void);
static void test_prefixes(void);
static void test_compact(void);
static void test_compact_random(void);
static void random_value(char **p, ngx_uint_t depth);
static void random_space(char **p);


int
main(void)
{
    codec_seed();

    test_string();
    test_string_bytes();
    test_string_random();
    test_valid();
    test_depth();
    test_prefixes();
    test_compact();
    test_compact_random();

    return done();
}


/* s as JSON in memory of the size that was announced */

static ngx_str_t
string(ngx_str_t *s)
{
    ngx_str_t  out;

    out.len = ngx_push_json_string_size(s);
    out.data = malloc(out.len);

    if (out.data == NULL
        || ngx_push_json_string(out.data, s) != out.data + out.len)
    {
        printf("Bail out! the size of a string is wrong\n");
        exit(2);
    }

    return out;
}


static int
decodes_to(ngx_str_t *text, const void *want, size_t len)
{
    int      same;
    json_t  *value;

    value = json_loadb((char *) text->data, text->len,
                       JSON_DECODE_ANY|JSON_ALLOW_NUL, NULL);

    same = (value != NULL && json_is_string(value)
            && json_string_length(value) == len
            && memcmp(json_string_value(value), want, len) == 0);

    json_decref(value);

    return same;
}


static void
test_string(void)
{
    size_t     i;
    ngx_str_t  got;

    static const struct {
        ngx_str_t    s;
        const char  *want;
    } v[] = {
        { ngx_null_string, "\"\"" },
        { ngx_string("news"), "\"news\"" },
        { ngx_string("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"" },
        { ngx_string("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\"" },
        { ngx_string("\xe6\x96\xb0"), "\"\xe6\x96\xb0\"" },
        { ngx_string("\x7f"), "\"\x7f\"" },
        { ngx_string("\xff"), "\"\xef\xbf\xbd\"" },
        { ngx_string("a\xffz"), "\"a\xef\xbf\xbdz\"" },
        { ngx_string("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
        { ngx_string("\xc3\"\n"), "\"\xef\xbf\xbd\\\"\\n\"" },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        got = string(codec_str((char *) v[i].s.data, v[i].s.len));
        is_str(&got, v[i].want, "string %lu", (unsigned long) i);
        free(got.data);
    }
}


static void
test_string_bytes(void)
{
    int         ch;
    char        buf[3], want[8];
    size_t      i, bad, len;
    ngx_str_t   got;

    bad = 0;

    for (ch = 0; ch < 256; ch++) {
        for (i = 0; i < 3; i++) {
            memcpy(buf, "xyz", 3);
            buf[i] = ch;

            len = 3;
            memcpy(want, buf, 3);

            if (ch >= 0x80) {
                len = 5;
                memcpy(want, buf, i);
                memcpy(want + i, "\xef\xbf\xbd", 3);
                memcpy(want + i + 3, buf + i + 1, 2 - i);
            }

            got = string(codec_str(buf, 3));
            bad += !decodes_to(&got, want, len);
            bad += (memchr(got.data, '\n', got.len) != NULL
                    || memchr(got.data, '\r', got.len) != NULL);
            free(got.data);
        }
    }

    is_int(bad, 0, "every byte in a string");
}


static void
test_string_random(void)
{
    char       buf[32];
    size_t     i, j, len, bad;
    json_t    *value;
    ngx_str_t  got;

    bad = 0;

    for (i = 0; i < 20000; i++) {
        len = codec_random(sizeof(buf));

        for (j = 0; j < len; j++) {
            buf[j] = codec_random(codec_random(2) ? 256 : 128);
        }

        got = string(codec_str(buf, len));
        value = json_loadb((char *) got.data, got.len,
                           JSON_DECODE_ANY|JSON_ALLOW_NUL, NULL);
        bad += !json_is_string(value);
        json_decref(value);
        free(got.data);
    }

    is_int(bad, 0, "strings of random bytes are JSON");
}


static void
test_valid(void)
{
    size_t      i;
    ngx_str_t  *s;

    static const struct {
        ngx_str_t   text;
        ngx_int_t   rc;
    } v[] = {
        { ngx_string("{}"), NGX_OK },
        { ngx_string("[]"), NGX_OK },
        { ngx_string("0"), NGX_OK },
        { ngx_string("-1.5e+3"), NGX_OK },
        { ngx_string("true"), NGX_OK },
        { ngx_string("null"), NGX_OK },
        { ngx_string("\"\""), NGX_OK },
        { ngx_string(" \t\r\n{ \"a\" : [ 1 , 2 ] } \n"), NGX_OK },
        { ngx_string("123456789012345678901234567890"), NGX_OK },
        { ngx_string("[-123456789012345678901234567890]"), NGX_OK },
        { ngx_string("\"\\u0000\""), NGX_OK },
        { ngx_string("\"\\ud83d\\ude00\""), NGX_OK },
        { ngx_string("{\"a\":1,\"a\":2}"), NGX_OK },
        { ngx_string("\"\xe6\x96\xb0\""), NGX_OK },
        { ngx_null_string, NGX_DECLINED },
        { ngx_string(" "), NGX_DECLINED },
        { ngx_string("{"), NGX_DECLINED },
        { ngx_string("[1,]"), NGX_DECLINED },
        { ngx_string("{\"a\":1,}"), NGX_DECLINED },
        { ngx_string("{a:1}"), NGX_DECLINED },
        { ngx_string("'a'"), NGX_DECLINED },
        { ngx_string("01"), NGX_DECLINED },
        { ngx_string("+1"), NGX_DECLINED },
        { ngx_string(".5"), NGX_DECLINED },
        { ngx_string("1."), NGX_DECLINED },
        { ngx_string("NaN"), NGX_DECLINED },
        { ngx_string("True"), NGX_DECLINED },
        { ngx_string("1 2"), NGX_DECLINED },
        { ngx_string("{} {}"), NGX_DECLINED },
        { ngx_string("\"a\nb\""), NGX_DECLINED },
        { ngx_string("\"\x01\""), NGX_DECLINED },
        { ngx_string("\"\\x\""), NGX_DECLINED },
        { ngx_string("\"\\u12\""), NGX_DECLINED },
        { ngx_string("\"\\ud800\""), NGX_DECLINED },
        { ngx_string("\"\xff\""), NGX_DECLINED },
        { ngx_string("\"\xed\xa0\x80\""), NGX_DECLINED },
        { ngx_string("\xef\xbb\xbf{}"), NGX_DECLINED },
        { ngx_string("1\0"), NGX_DECLINED },
        { ngx_string("[1\0,2]"), NGX_DECLINED },
        { ngx_string("\0" "1"), NGX_DECLINED },
        { ngx_string("true\0"), NGX_DECLINED },
        { ngx_string("\"\0\""), NGX_DECLINED },
        { ngx_string("// x\n1"), NGX_DECLINED },
        { ngx_string("1e999"), NGX_DECLINED },
        { ngx_string("{\"\\u0000\":1}"), NGX_DECLINED },
        { ngx_string("\f1"), NGX_DECLINED },
        { ngx_string("\v1"), NGX_DECLINED },
        { ngx_string("\xc2\xa0" "1"), NGX_DECLINED },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        s = codec_str((char *) v[i].text.data, v[i].text.len);
        is_int(ngx_push_json_valid(s->data, s->len), v[i].rc, "text %lu, %s",
               (unsigned long) i, v[i].rc == NGX_OK ? "JSON" : "not JSON");
    }
}


static void
test_depth(void)
{
    char    *buf;
    size_t   i, n;

    static const size_t  depths[] = { 100, 2000, 3000, 1000000 };

    for (i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
        n = depths[i];
        buf = malloc(2 * n);
        if (buf == NULL) {
            exit(2);
        }

        memset(buf, '[', n);
        memset(buf + n, ']', n);

        is_int(ngx_push_json_valid((u_char *) buf, 2 * n),
               n > 2048 ? NGX_DECLINED : NGX_OK, "%lu levels",
               (unsigned long) n);
        free(buf);
    }
}


static void
test_prefixes(void)
{
    size_t      i, bad;
    ngx_str_t  *s;

    static const char  text[] =
        "{\"a\\n\":[1.5e3,\"\\ud83d\\ude00\",true,{\"b\":null}]}";

    bad = 0;

    for (i = 0; i < sizeof(text) - 1; i++) {
        s = codec_str(text, i);
        bad += (ngx_push_json_valid(s->data, s->len) != NGX_DECLINED);
    }

    is_int(bad, 0, "no beginning of a text is JSON");

    s = codec_str(text, i);
    is_int(ngx_push_json_valid(s->data, s->len), NGX_OK, "all of it is");
}


static void
test_compact(void)
{
    size_t      i;
    u_char      dst[64];
    ngx_str_t   got, *s;

    static const struct {
        const char  *text;
        const char  *want;
    } v[] = {
        { " 1 ", "1" },
        { "{ \"a b\" :\t[ 1,\r\n2 ] }\n", "{\"a b\":[1,2]}" },
        { "\" \\\" \\\\\" ", "\" \\\" \\\\\"" },
        { "[\"\\\\\" , \"\\\"\" , \" \"]", "[\"\\\\\",\"\\\"\",\" \"]" },
        { "12345678901234567890.10e+007", "12345678901234567890.10e+007" },
        { "\"\\u0020\\n\"", "\"\\u0020\\n\"" },
        { "", "" },
        { "\"cut \\", "\"cut \\" },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        s = codec_str(v[i].text, strlen(v[i].text));
        got.data = dst;
        got.len = ngx_push_json_compact(dst, s->data, s->len) - dst;
        is_str(&got, v[i].want, "compact %lu", (unsigned long) i);
    }

    got = *S("[ 1 , 2 ]");
    got.len = ngx_push_json_compact(got.data, got.data, got.len) - got.data;
    is_str(&got, "[1,2]", "in place");
}


static void
random_space(char **p)
{
    while (codec_random(3) == 0) {
        *(*p)++ = " \t\r\n"[codec_random(4)];
    }
}


static void
random_value(char **p, ngx_uint_t depth)
{
    size_t      i, n;
    ngx_uint_t  object;

    static const char  *atoms[] = {
        "1", "-0.5e3", "true", "null", "\"\"", "\" a  b \"", "\"\\\"\"",
        "\"\\\\\"", "\"\\\\\\\" \"", "\"[ 1 , 2 ]\"", "12345678901234567890"
    };

    random_space(p);

    if (depth == 0 || codec_random(3) == 0) {
        n = codec_random(sizeof(atoms) / sizeof(atoms[0]));
        *p = stpcpy(*p, atoms[n]);
        random_space(p);
        return;
    }

    object = codec_random(2);
    *(*p)++ = object ? '{' : '[';
    random_space(p);

    n = codec_random(4);

    for (i = 0; i < n; i++) {

        if (object) {
            *p += sprintf(*p, "\" k%lu\\\\\"", (unsigned long) i);
            random_space(p);
            *(*p)++ = ':';
        }

        random_value(p, depth - 1);
        *(*p)++ = ',';
    }

    if (n) {
        (*p)--;
    }

    *(*p)++ = object ? '}' : ']';
    random_space(p);
}


/* the same value, and on one line */

static void
test_compact_random(void)
{
    char    *p, *end;
    size_t   i, j, bad;
    json_t  *was, *is;

    static char  text[65536], out[65536];

    bad = 0;

    for (i = 0; i < 3000; i++) {
        p = text;
        random_value(&p, 4);

        if (ngx_push_json_valid((u_char *) text, p - text) != NGX_OK) {
            bad++;
            continue;
        }

        end = (char *) ngx_push_json_compact((u_char *) out, (u_char *) text,
                                             p - text);

        was = json_loadb(text, p - text,
                         JSON_DECODE_ANY|JSON_DECODE_INT_AS_REAL, NULL);
        is = json_loadb(out, end - out,
                        JSON_DECODE_ANY|JSON_DECODE_INT_AS_REAL, NULL);

        bad += !json_equal(was, is);

        for (j = 0; j < (size_t) (end - out); j++) {
            bad += (out[j] == '\n' || out[j] == '\r' || out[j] == '\t');
        }

        json_decref(was);
        json_decref(is);
    }

    is_int(bad, 0, "random values stay what they are");
}
