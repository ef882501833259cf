
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include "ngx_push_origin.h"


static void test_parse(void);
static void test_parse_bytes(void);
static void test_self(void);
static void test_match(void);
static void test_pattern(void);
static void test_prefixes(void);


int
main(void)
{
    test_parse();
    test_parse_bytes();
    test_self();
    test_match();
    test_pattern();
    test_prefixes();

    return done();
}


static void
test_parse(void)
{
    size_t      i;
    ngx_int_t   rc;
    ngx_str_t   scheme, host;
    in_port_t   port;

    static const struct {
        const char  *origin;
        const char  *scheme;
        const char  *host;
        in_port_t    port;
    } v[] = {
        { "https://a.example", "https", "a.example", 0 },
        { "http://a.example:8443", "http", "a.example", 8443 },
        { "HTTPS://A.Example:443", "HTTPS", "A.Example", 443 },
        { "http://localhost:1", "http", "localhost", 1 },
        { "http://127.0.0.1:65535", "http", "127.0.0.1", 65535 },
        { "http://[::1]", "http", "[::1]", 0 },
        { "http://[2001:db8::A]:8080", "http", "[2001:db8::A]", 8080 },
        { "http://[::ffff:1.2.3.4]", "http", "[::ffff:1.2.3.4]", 0 },
        { "chrome-extension://abcdef", "chrome-extension", "abcdef", 0 },
        { "a+b.c-1://x_y-z", "a+b.c-1", "x_y-z", 0 },
        { "http://a.example.", "http", "a.example.", 0 },
        { "http://a:00080", "http", "a", 80 },
        { "", NULL, NULL, 0 },
        { "null", NULL, NULL, 0 },
        { "https://", NULL, NULL, 0 },
        { "file://", NULL, NULL, 0 },
        { "://a", NULL, NULL, 0 },
        { "a.example", NULL, NULL, 0 },
        { "https:/a.example", NULL, NULL, 0 },
        { "https:a.example", NULL, NULL, 0 },
        { "//a.example", NULL, NULL, 0 },
        { "1http://a", NULL, NULL, 0 },
        { "ht_tp://a", NULL, NULL, 0 },
        { "https://a.example/", NULL, NULL, 0 },
        { "https://a.example/path", NULL, NULL, 0 },
        { "https://a.example?x", NULL, NULL, 0 },
        { "https://a.example#x", NULL, NULL, 0 },
        { "https://user@a.example", NULL, NULL, 0 },
        { "https://user:1@a.example", NULL, NULL, 0 },
        { "https://a.example:", NULL, NULL, 0 },
        { "https://a.example:0", NULL, NULL, 0 },
        { "https://a.example:65536", NULL, NULL, 0 },
        { "https://a.example:99999999999999999999", NULL, NULL, 0 },
        { "https://a.example:80x", NULL, NULL, 0 },
        { "https://a.example:-1", NULL, NULL, 0 },
        { "https://a.example:+80", NULL, NULL, 0 },
        { "https://a.example:80:80", NULL, NULL, 0 },
        { "https://a.example https://b.example", NULL, NULL, 0 },
        { "https://a.example, https://b.example", NULL, NULL, 0 },
        { " https://a.example", NULL, NULL, 0 },
        { "https://a.example ", NULL, NULL, 0 },
        { "https://:80", NULL, NULL, 0 },
        { "https://.example", NULL, NULL, 0 },
        { "https://a..example", NULL, NULL, 0 },
        { "https://*.example", NULL, NULL, 0 },
        { "https://a%2eexample", NULL, NULL, 0 },
        { "https://\xc3\xa9.example", NULL, NULL, 0 },
        { "https://[]", NULL, NULL, 0 },
        { "https://[::1", NULL, NULL, 0 },
        { "https://[::1]x", NULL, NULL, 0 },
        { "https://[::g]", NULL, NULL, 0 },
        { "https://[fe80::1%25eth0]", NULL, NULL, 0 },
        { "https://::1", NULL, NULL, 0 },
        { "https://a]:80", NULL, NULL, 0 },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        port = 7;
        rc = ngx_push_origin_parse(codec_str(v[i].origin,
                                             strlen(v[i].origin)),
                                   &scheme, &host, &port);

        is_int(rc, v[i].scheme ? NGX_OK : NGX_DECLINED, "\"%s\"",
               v[i].origin);

        if (rc == NGX_OK && v[i].scheme) {
            is_str(&scheme, v[i].scheme, "its scheme");
            is_str(&host, v[i].host, "its host");
            is_int(port, v[i].port, "its port");
        }
    }
}


static void
test_parse_bytes(void)
{
    int         ch, good;
    char        buf[] = "http://xyz";
    size_t      i, bad;
    ngx_str_t   scheme, host;
    in_port_t   port;

    bad = 0;

    for (ch = 0; ch < 256; ch++) {
        good = (ch != '\0'
                && strchr("abcdefghijklmnopqrstuvwxyz0123456789_-"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ", ch) != NULL);

        for (i = 7; i < 10; i++) {
            memcpy(buf, "http://xyz", 10);
            buf[i] = ch;
            bad += ((ngx_push_origin_parse(codec_str(buf, 10), &scheme, &host,
                                           &port)
                     == NGX_OK)
                    != (good || (ch == '.' && i > 7)));
        }
    }

    is_int(bad, 0, "every byte of a host");
}


static void
test_self(void)
{
    size_t      i;
    ngx_str_t  *origin, *host;

    static const struct {
        const char  *origin;
        const char  *host;
        ngx_int_t    rc;
    } v[] = {
        { "https://a.example", "a.example", NGX_OK },
        { "http://a.example", "a.example", NGX_OK },
        { "https://A.example", "a.EXAMPLE", NGX_OK },
        { "https://a.example", "a.example:443", NGX_OK },
        { "https://a.example", "a.example:80", NGX_OK },
        { "http://a.example:80", "a.example", NGX_OK },
        { "https://a.example:443", "a.example:80", NGX_OK },
        { "http://a.example:8080", "a.example:8080", NGX_OK },
        { "http://[::1]:8080", "[::1]:8080", NGX_OK },
        { "http://[::1]", "[::1]", NGX_OK },
        { "http://a.example:8080", "a.example", NGX_DECLINED },
        { "http://a.example", "a.example:8080", NGX_DECLINED },
        { "http://a.example:8080", "a.example:8081", NGX_DECLINED },
        { "http://a.example", "b.example", NGX_DECLINED },
        { "http://a.example", "a.example.evil", NGX_DECLINED },
        { "http://a.example.evil", "a.example", NGX_DECLINED },
        { "http://x.a.example", "a.example", NGX_DECLINED },
        { "null", "a.example", NGX_DECLINED },
        { "null", "null", NGX_DECLINED },
        { "http://a.example", "", NGX_DECLINED },
        { "", "a.example", NGX_DECLINED },
        { "", "", NGX_DECLINED },
        { "http://a.example", "a.example:", NGX_DECLINED },
        { "http://a.example", "a.example:x", NGX_DECLINED },
        { "http://a.example", "a.example/", NGX_DECLINED },
        { "http://a.example", "http://a.example", NGX_DECLINED },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        origin = codec_str(v[i].origin, strlen(v[i].origin));
        host = codec_str(v[i].host, strlen(v[i].host));

        is_int(ngx_push_origin_is_self(origin, host), v[i].rc,
               "\"%s\" at \"%s\"", v[i].origin, v[i].host);
    }
}


static void
test_match(void)
{
    size_t      i;
    ngx_str_t  *pattern, *origin;

    static const struct {
        const char  *pattern;
        const char  *origin;
        ngx_int_t    rc;
    } v[] = {
        { "https://a.example", "https://a.example", NGX_OK },
        { "https://a.example", "HTTPS://A.EXAMPLE", NGX_OK },
        { "https://a.example", "https://a.example:443", NGX_OK },
        { "https://a.example:443", "https://a.example", NGX_OK },
        { "http://a.example:80", "http://a.example", NGX_OK },
        { "http://a.example:8080", "http://a.example:8080", NGX_OK },
        { "http://[::1]:3000", "http://[::1]:3000", NGX_OK },
        { "capacitor://localhost", "capacitor://localhost", NGX_OK },
        { "null", "null", NGX_OK },
        { "https://a.example", "http://a.example", NGX_DECLINED },
        { "https://a.example", "https://a.example:80", NGX_DECLINED },
        { "http://a.example", "http://a.example:443", NGX_DECLINED },
        { "https://a.example", "https://b.example", NGX_DECLINED },
        { "https://a.example", "https://x.a.example", NGX_DECLINED },
        { "https://a.example", "https://a.example.evil", NGX_DECLINED },
        { "https://a.example", "https://a.example.", NGX_DECLINED },
        { "https://a.example", "https://a.example/", NGX_DECLINED },
        { "https://a.example", "null", NGX_DECLINED },
        { "null", "https://a.example", NGX_DECLINED },
        { "null", "NULL", NGX_DECLINED },
        { "null", "", NGX_DECLINED },
        { "", "", NGX_DECLINED },
        { "a.example", "https://a.example", NGX_DECLINED },

        { "https://*.example.com", "https://a.example.com", NGX_OK },
        { "https://*.example.com", "https://b.a.example.com", NGX_OK },
        { "https://*.example.com", "https://A.Example.COM:443", NGX_OK },
        { "https://*.example.com:8443", "https://a.example.com:8443",
          NGX_OK },
        { "https://*.example.com", "https://example.com", NGX_DECLINED },
        { "https://*.example.com", "https://aexample.com", NGX_DECLINED },
        { "https://*.example.com", "https://evilexample.com", NGX_DECLINED },
        { "https://*.example.com", "https://.example.com", NGX_DECLINED },
        { "https://*.example.com", "https://a..example.com", NGX_DECLINED },
        { "https://*.example.com", "https://..example.com", NGX_DECLINED },
        { "https://*.example.com", "http://a.example.com", NGX_DECLINED },
        { "https://*.example.com", "https://a.example.com:8443",
          NGX_DECLINED },
        { "https://*.example.com", "https://a.example.com.evil",
          NGX_DECLINED },
        { "https://*.example.com", "https://evil/.example.com",
          NGX_DECLINED },
        { "https://*.example.com", "https://evil@a.example.com",
          NGX_DECLINED },
        { "https://*.example.com", "https://*.example.com", NGX_DECLINED },
        { "https://*.example.com", "null", NGX_DECLINED },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        pattern = codec_str(v[i].pattern, strlen(v[i].pattern));
        origin = codec_str(v[i].origin, strlen(v[i].origin));

        is_int(ngx_push_origin_match(pattern, origin), v[i].rc,
               "\"%s\" and \"%s\"", v[i].pattern, v[i].origin);
    }
}


static void
test_pattern(void)
{
    size_t  i;

    static const struct {
        const char  *pattern;
        ngx_int_t    rc;
    } v[] = {
        { "https://a.example", NGX_OK },
        { "https://*.example.com:8443", NGX_OK },
        { "https://[::1]:8443", NGX_OK },
        { "null", NGX_OK },
        { "", NGX_DECLINED },
        { "*", NGX_DECLINED },
        { "self", NGX_DECLINED },
        { "a.example", NGX_DECLINED },
        { "*.example.com", NGX_DECLINED },
        { "*://a.example", NGX_DECLINED },
        { "https://*", NGX_DECLINED },
        { "https://*.", NGX_DECLINED },
        { "https://*.*.example", NGX_DECLINED },
        { "https://a.*.example", NGX_DECLINED },
        { "https://*a.example", NGX_DECLINED },
        { "https://*..example", NGX_DECLINED },
        { "https://*.[::1]", NGX_DECLINED },
        { "https://*.example/", NGX_DECLINED },
        { "https://a.example:*", NGX_DECLINED },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        is_int(ngx_push_origin_pattern(codec_str(v[i].pattern,
                                                 strlen(v[i].pattern))),
               v[i].rc, "pattern \"%s\"", v[i].pattern);
    }
}


static void
test_prefixes(void)
{
    size_t      i, bad;
    ngx_str_t  *pattern;

    static const char  origin[] = "https://b.a.example.com:8443";

    bad = 0;
    pattern = S("https://*.example.com:8443");

    for (i = 0; i < sizeof(origin) - 1; i++) {
        bad += (ngx_push_origin_match(pattern, codec_str(origin, i))
                != NGX_DECLINED);
        bad += (ngx_push_origin_is_self(codec_str(origin, i),
                                        S("b.a.example.com:8443"))
                != NGX_DECLINED);
        bad += (ngx_push_origin_is_self(codec_str(origin, sizeof(origin) - 1),
                                        codec_str(origin + 8, i))
                == NGX_OK) != (i == sizeof(origin) - 9);
        if (i == sizeof(origin) - 9) {
            break;
        }
    }

    for ( /* void */ ; i < sizeof(origin) - 1; i++) {
        bad += (ngx_push_origin_match(pattern, codec_str(origin, i))
                != NGX_DECLINED);
    }

    is_int(bad, 0, "no beginning of an origin will do");
    is_int(ngx_push_origin_match(pattern,
                                 codec_str(origin, sizeof(origin) - 1)),
           NGX_OK, "all of it does");
}
