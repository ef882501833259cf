
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include "ngx_push_content.h"


#define BINARY  0
#define TEXT    1
#define JSON    2


static void test_kinds(void);
static void test_split(void);
static void test_bytes(void);


int
main(void)
{
    test_kinds();
    test_split();
    test_bytes();

    return done();
}


static void
test_kinds(void)
{
    size_t      i;
    ngx_str_t  *s;

    static const struct {
        const char  *value;
        int          kind;
    } v[] = {
        { "", TEXT },
        { "text/plain", TEXT },
        { "TEXT/Plain; charset=utf-8", TEXT },
        { "text/html;charset=\"a;b/c\"", TEXT },
        { "text/x", TEXT },
        { "application/xml", TEXT },
        { "image/XML", TEXT },
        { "application/x-www-form-urlencoded", TEXT },
        { "Application/X-WWW-Form-Urlencoded ; q=1", TEXT },
        { "application/json", JSON },
        { "APPLICATION/JSON", JSON },
        { "application/json;charset=utf-8", JSON },
        { "application/json \t; charset=utf-8", JSON },
        { "text/json", JSON },
        { "application/problem+json", JSON },
        { "application/vnd.api+JSON; version=1", JSON },
        { "application/octet-stream", BINARY },
        { "image/png", BINARY },
        { "image/svg+xml", BINARY },
        { "application/json5", BINARY },
        { "application/xjson", BINARY },
        { "application/jsonx", BINARY },
        { "application/x-ndjson", BINARY },
        { "application/+json", BINARY },
        { "application/octet-stream; x=/json", BINARY },
        { "multipart/form-data; boundary=+json", BINARY },
        { "text", BINARY },
        { "text/", BINARY },
        { "/json", BINARY },
        { "json", BINARY },
        { "/", BINARY },
        { ";", BINARY },
        { " ", BINARY },
        { "text/plain, image/png", BINARY },
        { "te xt/plain", BINARY },
        { "text/plain/x", BINARY },
        { "application/x-www-form-urlencode", BINARY },
        { "x/x-www-form-urlencoded", BINARY },
        { "textual/plain", BINARY },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        s = codec_str(v[i].value, strlen(v[i].value));
        is_int(ngx_push_content_is_text(s), v[i].kind != BINARY,
               "\"%s\": text", v[i].value);
        is_int(ngx_push_content_is_json(s), v[i].kind == JSON,
               "\"%s\": JSON", v[i].value);
    }
}


static void
test_split(void)
{
    size_t     i;
    ngx_str_t  type, subtype;

    static const char  value[] = "text/event-stream";

    is_int(ngx_push_content_split(S("Text/*;q=1"), &type, &subtype), NGX_OK,
           "a range");
    is_str(&type, "Text", "its type");
    is_str(&subtype, "*", "its subtype");

    for (i = 0; i < sizeof(value); i++) {
        is_int(ngx_push_content_split(codec_str(value, i), &type, &subtype),
               i > 5 ? NGX_OK : NGX_DECLINED, "the first %lu bytes",
               (unsigned long) i);
    }
}


static void
test_bytes(void)
{
    int         ch, token;
    char        buf[5];
    size_t      i, bad;
    ngx_str_t   type, subtype;

    bad = 0;

    for (ch = 0; ch < 256; ch++) {
        token = (ch > ' ' && ch < 0x7f
                 && strchr("\"(),/:;<=>?@[\\]{}", ch) == NULL);

        for (i = 0; i < 5; i++) {

            if (i == 2 || (i > 2 && (ch == ';' || ch == ' ' || ch == '\t'))) {
                continue;
            }

            memcpy(buf, "ab/cd", 5);
            buf[i] = ch;

            bad += ((ngx_push_content_split(codec_str(buf, 5), &type, &subtype)
                     == NGX_OK)
                    != token);
        }
    }

    is_int(bad, 0, "every byte of a token");
}
