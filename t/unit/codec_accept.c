
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include "ngx_push_accept.h"


#define SSE     NGX_PUSH_ACCEPT_SSE
#define NDJSON  NGX_PUSH_ACCEPT_NDJSON
#define JSON    NGX_PUSH_ACCEPT_JSON
#define ALL     (SSE|NDJSON|JSON)


static void test_vectors(void);
static void test_q(void);
static void test_allowed(void);
static void test_prefixes(void);
static void test_random(void);


int
main(void)
{
    codec_seed();

    test_vectors();
    test_q();
    test_allowed();
    test_prefixes();
    test_random();

    return done();
}


static void
test_vectors(void)
{
    size_t  i;

    static const struct {
        const char  *accept;
        ngx_uint_t   allowed;
        ngx_uint_t   want;
    } v[] = {
        { "", ALL, SSE },
        { "*/*", ALL, SSE },
        { "text/event-stream", ALL, SSE },
        { "Text/Event-Stream", ALL, SSE },
        { "text/event-stream;charset=utf-8", ALL, SSE },
        { "application/x-ndjson", ALL, NDJSON },
        { "application/json", ALL, JSON },
        { "text/*", ALL, SSE },
        { "application/*", ALL, NDJSON },
        { "text/html", ALL, 0 },
        { "text/html,application/xhtml+xml,*/*;q=0.8", ALL, SSE },
        { "application/json, text/plain, */*", ALL, JSON },
        { "*/*, application/json", ALL, SSE },
        { "application/json, text/event-stream", ALL, JSON },
        { "text/event-stream, application/json", ALL, SSE },
        { "application/json;q=0.5, text/event-stream", ALL, SSE },
        { "text/event-stream;q=0.5, application/json;q=0.9", ALL, JSON },
        { "text/event-stream;q=0, */*", ALL, NDJSON },
        { "text/*;q=0, */*;q=0.1", ALL, NDJSON },
        { "*/*;q=0", ALL, 0 },
        { "*/*, application/x-ndjson;q=0, text/event-stream;q=0", ALL, JSON },
        { "text/event-stream;q=0", ALL, 0 },
        { "application/*;q=0.2, application/json;q=0.9, */*;q=0.1", ALL,
          JSON },
        { "*/*;q=0.9, text/event-stream;q=0.1", ALL, NDJSON },
        { "text/*;q=0.3, text/event-stream;q=0.7, application/json;q=0.5",
          ALL, SSE },
        { "application/json;q=0.1, application/json;q=0.8, "
          "text/event-stream;q=0.5", ALL, JSON },
        { "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", ALL, SSE },
        { "*", ALL, SSE },
        { "application/json ; q=1 , text/event-stream ; q=0.9", ALL, JSON },
        { "application/json;v=\"a,b;q=0\", text/html", ALL, JSON },
        { "text/html;v=\",application/json,\"", ALL, 0 },
        { "application/json;v=\";q=0;\"", ALL, JSON },
        { "text/html, *;q=0.2", ALL, SSE },
        { "application/json;v=\"\\\",text/event-stream\"", ALL, JSON },
        { "application/json;Q=0.1,text/event-stream;q=0.2", ALL, SSE },
        { "application/json;x=1;q=0.1;y=2,text/event-stream;q=0.2", ALL, SSE },
        { ",, ,application/json,,", ALL, JSON },
        { ", ,", ALL, SSE },
        { "\tapplication/json\t,text/html", ALL, JSON },
        { "application/jsonp", ALL, 0 },
        { "application/jso", ALL, 0 },
        { "xtext/event-stream", ALL, 0 },
        { "*/json, text/html", ALL, 0 },
        { "nonsense, application/json", ALL, JSON },
        { "nonsense", ALL, SSE },
        { "a b/c, /, text/, ;q=1", ALL, SSE },
        { "application/json", SSE, 0 },
        { "application/json", SSE|NDJSON, 0 },
        { "*/*", NDJSON|JSON, NDJSON },
        { "*/*", JSON, JSON },
        { "", JSON, JSON },
        { "", NDJSON|JSON, NDJSON },
        { "", 0, 0 },
        { "*/*", 0, 0 },
        { "text/*, application/json;q=0.1", JSON, JSON },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        is_int(ngx_push_accept_best(codec_str(v[i].accept,
                                              strlen(v[i].accept)),
                                    v[i].allowed),
               v[i].want, "\"%s\" of %lu", v[i].accept,
               (unsigned long) v[i].allowed);
    }

    is_int(ngx_push_accept_best(NULL, ALL), SSE, "no header");
    is_int(ngx_push_accept_best(S("text/event-stream\0"), ALL), SSE,
           "a lone malformed element is no wish");
    is_int(ngx_push_accept_best(S("application/json, text/event-stream\0"),
                                SSE), 0, "NUL does not end a type");
}


static void
test_q(void)
{
    char    buf[64];
    size_t  i;

    static const struct {
        const char  *q;
        ngx_uint_t   want;        /* JSON: it is more than 0.500 */
    } v[] = {
        { "1", JSON },
        { "1.", JSON },
        { "1.000", JSON },
        { "0.501", JSON },
        { "0.5009", SSE },
        { "0.51", JSON },
        { "0.6", JSON },
        { ".6", JSON },
        { "0.6000000", JSON },
        { "0.500", SSE },
        { "0.499", SSE },
        { "0.09", SSE },
        { "0", SSE },
        { "0.", SSE },
        { "0.000", SSE },
        { "1.001", SSE },
        { "1.5", SSE },
        { "2", SSE },
        { "9", SSE },
        { "", SSE },
        { ".", SSE },
        { "-1", SSE },
        { "1x", SSE },
        { "0x1", SSE },
        { "0.9x", SSE },
        { "0.9.9", SSE },
        { "10", SSE },
        { "\"1\"", SSE },
        { " 1", SSE },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        sprintf(buf, "text/event-stream;q=0.5,application/json;q=%s", v[i].q);
        is_int(ngx_push_accept_best(codec_str(buf, strlen(buf)), ALL),
               v[i].want, "q=%s against 0.5", v[i].q);
    }
}


static void
test_allowed(void)
{
    size_t      i, bad;
    ngx_uint_t  allowed, got;

    static const char  *accepts[] = {
        "", "*/*", "application/*", "application/json", "text/*", "x/y"
    };

    bad = 0;

    for (allowed = 0; allowed < 16; allowed++) {
        for (i = 0; i < sizeof(accepts) / sizeof(accepts[0]); i++) {
            got = ngx_push_accept_best(codec_str(accepts[i],
                                                 strlen(accepts[i])), allowed);
            bad += (got & ~(allowed & ALL)) != 0;
            bad += (got & (got - 1)) != 0;
        }
    }

    is_int(bad, 0, "one of the allowed or none");
}


static void
test_prefixes(void)
{
    size_t      i, bad;
    ngx_uint_t  got;

    static const char  accept[] =
        "text/html;p=\"a,\\\"b;\";q=0.1 , application/json;q=0.9,*/*;q=0.001";

    bad = 0;

    for (i = 0; i < sizeof(accept); i++) {
        got = ngx_push_accept_best(codec_str(accept, i), ALL);
        bad += (got != 0 && got != SSE && got != JSON);
    }

    is_int(bad, 0, "every beginning of a header");
    is_int(ngx_push_accept_best(codec_str(accept, sizeof(accept) - 1), ALL),
           JSON, "all of it");
}


/*
 * Lists of exact types with different weights: the answer is plain to see.
 */

static void
test_random(void)
{
    char        buf[256], *p;
    size_t      i, j, n, bad;
    ngx_uint_t  q[3], t, best, bit;

    static const char  *types[] = {
        "text/event-stream", "application/x-ndjson", "application/json"
    };

    bad = 0;

    for (i = 0; i < 5000; i++) {
        p = buf;
        bit = 0;
        best = 0;
        memset(q, 0, sizeof(q));

        n = 1 + codec_random(4);

        for (j = 0; j < n; j++) {
            t = codec_random(3);

            if (q[t]) {
                continue;
            }

            q[t] = 1 + codec_random(999);
            p += sprintf(p, "%s%s;q=0.%03lu", p == buf ? "" : ",", types[t],
                         (unsigned long) q[t]);

            if (q[t] > best) {
                best = q[t];
                bit = 1 << t;
            }
        }

        bad += (ngx_push_accept_best(codec_str(buf, p - buf), ALL) != bit);
    }

    is_int(bad, 0, "random weights");
}
