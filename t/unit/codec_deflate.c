
/*
 * Copyright (C) The ngx_push_module authors
 *
 * The other side of a connection is zlib as the test uses it itself: it
 * reads what we write and writes what we read.
 */


#include "codec.h"
#include <sanitizer/allocator_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <zlib.h>
#include "ngx_push_deflate.h"


#define PMD     "permessage-deflate"
#define ANSWER  PMD "; server_no_context_takeover; client_no_context_takeover"
#define BITS    "; client_max_window_bits="
#define OURS    "; server_max_window_bits="

#define ROOM    (16 * 1024 * 1024)
#define KINDS   5


const char *__asan_default_options(void);
static void body(size_t len, ngx_uint_t kind);
static void squeeze(int window, int level, int strategy);
static ngx_uint_t expand(ngx_str_t *src, int window);
static ngx_int_t inflated(ngx_str_t *src, size_t limit, ngx_str_t *want);
static ngx_int_t deflated(ngx_uint_t window);
static void test_negotiation(void);
static void test_negotiation_broken(void);
static void test_examples(void);
static void test_out(void);
static void test_smaller(void);
static void test_in(void);
static void test_limits(void);
static void test_bombs(void);
static void test_no_memory(void);
static void test_cut(void);
static void test_flipped(void);
static void test_state(void);
static void test_exit(void);


/* a text, the same compressed, and what a client has read */

static ngx_str_t   plain, packed, result;
static u_char      room[3][ROOM];

/* the largest allocation since "watched" was set */

static size_t      largest;
static ngx_uint_t  watched;


int
main(void)
{
    plain.data = room[0];
    packed.data = room[1];
    result.data = room[2];

    unit_init();
    codec_seed();

    test_negotiation();
    test_negotiation_broken();
    test_examples();
    test_out();
    test_smaller();
    test_in();
    test_limits();
    test_bombs();
    test_no_memory();
    test_cut();
    test_flipped();
    test_state();
    test_exit();

    return done();
}


/* above a megabyte there is no memory */

const char *
__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=1";
}


void
__sanitizer_malloc_hook(const volatile void *p, size_t size)
{
    if (watched) {
        largest = ngx_max(largest, size);
    }
}


/* plain: random bytes, one byte, few bytes, JSON, far repetitions */

static void
body(size_t len, ngx_uint_t kind)
{
    char     json[32];
    size_t   i, n;
    u_char  *p;

    p = plain.data;
    plain.len = len;

    for (i = 0; i < len; i += n) {
        n = 1;

        switch (kind) {

        case 0:
            p[i] = (u_char) codec_random(256);
            break;

        case 1:
            p[i] = 'z';
            break;

        case 2:
            p[i] = "etaoin "[codec_random(7)];
            break;

        case 3:
            n = sprintf(json, "{\"id\":%u,\"on\":true},", codec_random(1000));
            n = ngx_min(n, len - i);
            memcpy(p + i, json, n);
            break;

        default:
            p[i] = (i < 20000) ? (u_char) codec_random(256) : p[i - 20000];
        }
    }
}


/* plain to packed, as clients may do it: in pieces, now and then flushed */

static void
squeeze(int window, int level, int strategy)
{
    int       memory;
    size_t    n, done;
    z_stream  z;

    static const int  flushes[] = {
        Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_PARTIAL_FLUSH, Z_BLOCK
    };

    memset(&z, 0, sizeof(z));
    z.next_out = packed.data;
    z.avail_out = ROOM;

    /* the best level with all memory, for bombs */

    memory = (level == 9) ? 9 : 1 + codec_random(9);

    if (deflateInit2(&z, level, Z_DEFLATED, -window, memory, strategy) != Z_OK)
    {
        exit(2);
    }

    for (done = 0; done < plain.len; done += n) {
        n = 1 + codec_random((uint32_t) plain.len);
        n = ngx_min(n, plain.len - done);

        z.next_in = plain.data + done;
        z.avail_in = (uInt) n;

        (void) deflate(&z, flushes[codec_random(5)]);
    }

    /* the last one flushed, if not by a piece, or finished */

    if (codec_random(4)) {
        (void) deflate(&z, Z_FULL_FLUSH);
        packed.len = z.total_out - 4;

    } else {
        (void) deflate(&z, Z_FINISH);
        packed.len = z.total_out;
    }

    deflateEnd(&z);
}


/*
 * A client with a window of so many bits, which only byte by byte is not
 * larger; result is what it could read, 1 means all of the message.
 */

static ngx_uint_t
expand(ngx_str_t *src, int window)
{
    int        rc;
    z_stream   z;

    memset(&z, 0, sizeof(z));

    if (inflateInit2(&z, -window) != Z_OK) {
        exit(2);
    }

    memcpy(result.data, src->data, src->len);
    memcpy(result.data + src->len, "\0\0\xff\xff", 4);

    z.next_in = result.data;
    z.avail_in = (uInt) src->len + 4;

    result.len = 0;

    do {
        z.next_out = result.data + ROOM / 2 + result.len;
        z.avail_out = (result.len < ROOM / 2);
        rc = inflate(&z, Z_SYNC_FLUSH);
        result.len = z.next_out - result.data - ROOM / 2;

        if (rc == Z_STREAM_END && z.avail_in) {
            rc = inflateReset(&z);
        }

    } while (rc == Z_OK);

    inflateEnd(&z);
    memmove(result.data, result.data + ROOM / 2, result.len);

    return z.avail_in == 0 && rc != Z_DATA_ERROR;
}


/* what ngx_push_inflate() returns, or 1 for what it must not do */

static ngx_int_t
inflated(ngx_str_t *src, size_t limit, ngx_str_t *want)
{
    ngx_int_t  rc;
    ngx_str_t  exact, got;

    exact.len = src->len;
    exact.data = malloc(src->len);
    memcpy(exact.data, src->data, src->len);

    got.data = src->data;
    got.len = 77;

    rc = ngx_push_inflate(&exact, limit, &got);

    free(exact.data);

    if (rc != NGX_OK) {
        return (got.data != src->data || got.len != 77) ? 1 : rc;
    }

    if (got.data == NULL || got.len > limit || got.len != want->len
        || memcmp(got.data, want->data, want->len) != 0)
    {
        rc = 1;
    }

    ngx_free(got.data);

    return rc;
}


/* plain to packed by ngx_push_deflate(), 1 if it is not plain to a client */

static ngx_int_t
deflated(ngx_uint_t window)
{
    ngx_int_t  rc;
    ngx_str_t  exact, got;

    exact.data = malloc(plain.len);
    exact.len = plain.len;
    memcpy(exact.data, plain.data, plain.len);

    got.data = malloc(ngx_push_deflate_bound(plain.len));

    rc = ngx_push_deflate(&exact, window, &got);

    if (rc == NGX_OK) {
        packed.len = got.len;
        memcpy(packed.data, got.data, got.len);

        rc = (got.len >= plain.len || !expand(&got, (int) window)
              || result.len != plain.len
              || memcmp(result.data, plain.data, plain.len) != 0);
    }

    free(exact.data);
    free(got.data);

    return rc;
}


static void
test_negotiation(void)
{
    u_char                   *p, answer[NGX_PUSH_DEFLATE_ANSWER];
    size_t                    i;
    ngx_int_t                 rc;
    ngx_str_t                 got;
    ngx_push_deflate_offer_t  offer;

    static const struct {
        const char  *value;
        const char  *want;        /* NULL: declined */
        ngx_uint_t   window;
    } v[] = {

        /* Chromium; Firefox; Safari and ws; websockets of Python */

        { PMD "; client_max_window_bits", ANSWER BITS "15", 15 },
        { PMD, ANSWER, 15 },
        { PMD "; client_max_window_bits; server_max_window_bits=12",
          ANSWER OURS "12" BITS "15", 12 },

        /* autobahn, and its ways of the test suite */

        { PMD "; client_no_context_takeover; client_max_window_bits",
          ANSWER BITS "15", 15 },
        { PMD "; server_no_context_takeover; client_no_context_takeover",
          ANSWER, 15 },
        { PMD "; client_max_window_bits; server_no_context_takeover; "
          "server_max_window_bits=9", ANSWER OURS "9" BITS "15", 9 },
        { PMD "; server_max_window_bits=8, " PMD, ANSWER, 15 },
        { PMD "; server_max_window_bits=8", NULL, 0 },

        /* RFC 7692, 5.1 and 7.1.3 */

        { PMD "; client_max_window_bits; server_max_window_bits=10, " PMD
          "; client_max_window_bits", ANSWER OURS "10" BITS "15", 10 },
        { PMD "; use_y, " PMD, ANSWER, 15 },

        { PMD "; client_max_window_bits=8", ANSWER BITS "8", 15 },
        { PMD "; client_max_window_bits=\"1\\3\"", ANSWER BITS "13", 15 },
        { PMD "; server_max_window_bits=\"11\"", ANSWER OURS "11", 11 },
        { PMD "; server_max_window_bits=15", ANSWER OURS "15", 15 },
        { "\t" PMD "\t;client_max_window_bits = 10 ,", ANSWER BITS "10", 15 },
        { ",, ," PMD ",", ANSWER, 15 },
        { "x-webkit-deflate-frame, " PMD, ANSWER, 15 },
        { "mux; max-channels=4; p=\"a, " PMD "; \\\", x\"," PMD, ANSWER, 15 },
        { PMD "=1, " PMD, ANSWER, 15 },
        { PMD "; client_max_window_bits; client_max_window_bits, " PMD
          "; server_max_window_bits=14", ANSWER OURS "14", 14 },

        { "", NULL, 0 },
        { " ", NULL, 0 },
        { ",", NULL, 0 },
        { ";", NULL, 0 },
        { "=", NULL, 0 },
        { "permessage-deflat", NULL, 0 },
        { "permessage-deflatee", NULL, 0 },
        { "Permessage-Deflate", NULL, 0 },
        { "\"" PMD "\"", NULL, 0 },
        { "permessage-bzip2", NULL, 0 },
        { "permessage deflate", NULL, 0 },
        { "x; " PMD, NULL, 0 },
        { "x=" PMD, NULL, 0 },
        { "x=\", " PMD, NULL, 0 },
        { "x=\"\\\", " PMD, NULL, 0 },
        { PMD "=", NULL, 0 },
        { PMD "=client_max_window_bits", NULL, 0 },
        { PMD ";", NULL, 0 },
        { PMD ";;client_max_window_bits", NULL, 0 },
        { PMD "; client_max_window_bits;", NULL, 0 },
        { PMD " client_max_window_bits", NULL, 0 },
        { PMD "; unknown", NULL, 0 },
        { PMD "; =10", NULL, 0 },
        { PMD "; Client_max_window_bits", NULL, 0 },
        { PMD "; server_no_context_takeover=1", NULL, 0 },
        { PMD "; server_no_context_takeover=", NULL, 0 },
        { PMD "; client_no_context_takeover=\"\"", NULL, 0 },
        { PMD "; server_no_context_takeover; server_no_context_takeover",
          NULL, 0 },
        { PMD "; client_no_context_takeover; client_no_context_takeover",
          NULL, 0 },
        { PMD "; server_max_window_bits=9; server_max_window_bits=9",
          NULL, 0 },
        { PMD "; client_max_window_bits=9=server_no_context_takeover",
          NULL, 0 },
        { PMD "; server_max_window_bits", NULL, 0 },
    };

    static const char  *bad[] = {
        "", "0", "7", "8x", "09", "16", "010", "015", "-9", "+9", " 1 0", "1e1",
        "100", "18446744073709551625", "4294967305", "\"\"", "\"", "\"9",
        "9\"", "\"9\\\"", "\"\\\"", "\"09\"", "\"16\"", "\" 9\"", "'9'", "\\9",
        "10.", "0x9"
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        memset(&offer, 0xff, sizeof(offer));

        rc = ngx_push_deflate_negotiate(codec_str(v[i].value,
                                                  strlen(v[i].value)), &offer);
        p = (rc == NGX_OK) ? ngx_push_deflate_answer(answer, &offer) : answer;

        got.data = answer;
        got.len = p - answer;

        is_str(&got, v[i].want ? v[i].want : "", "\"%s\"", v[i].value);
        ok(rc == (v[i].want ? NGX_OK : NGX_DECLINED)
           && offer.window == v[i].window, "its window is %lu",
           (unsigned long) v[i].window);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        p = ngx_sprintf(room[0], PMD "; client_max_window_bits=%s", bad[i]);
        is_int(ngx_push_deflate_negotiate(codec_str((char *) room[0],
                                                    p - room[0]), &offer),
               NGX_DECLINED, "bits of the client: %s", bad[i]);

        p = ngx_sprintf(room[0], PMD "; server_max_window_bits=%s", bad[i]);
        is_int(ngx_push_deflate_negotiate(codec_str((char *) room[0],
                                                    p - room[0]), &offer),
               NGX_DECLINED, "bits of the server: %s", bad[i]);
    }
}


/* beginnings of a value, and such with other bytes in it */

static void
test_negotiation_broken(void)
{
    size_t                     i, n, bad, accepted;
    u_char                     answer[NGX_PUSH_DEFLATE_ANSWER];
    ngx_str_t                  value, *exact;
    ngx_push_deflate_offer_t   offer;

    static char  text[] = "x; y=\"\\\"\", " PMD
        "; server_max_window_bits=\"10\"; client_max_window_bits , " PMD;

    bad = 0;
    accepted = 0;

    for (i = 0; i < 5000; i++) {
        value.len = (i < sizeof(text)) ? i : codec_random(sizeof(text));
        value.data = room[0];
        memcpy(room[0], text, sizeof(text));

        for (n = codec_random(3); n && i >= sizeof(text); n--) {
            value.data[codec_random(sizeof(text))] =
                                      ",;=\"\\ 1\0x\t"[codec_random(10)];
        }

        exact = codec_str((char *) value.data, value.len);

        if (ngx_push_deflate_negotiate(exact, &offer) == NGX_DECLINED) {
            bad += (offer.window != 0);
            continue;
        }

        accepted++;
        n = ngx_push_deflate_answer(answer, &offer) - answer;
        bad += (n > sizeof(answer) || offer.window < 9 || offer.window > 15
                || offer.client_window < 8 || offer.client_window > 15);
    }

    is_int(bad, 0, "broken values");
    ok(accepted > 100 && accepted < 4900, "some of them were accepted");
}


/* RFC 7692, 7.2.3, and what is close to it */

static void
test_examples(void)
{
    size_t     i;
    ngx_str_t  want;

    static const struct {
        const char  *name;
        const char  *want;        /* NULL: broken */
        ngx_str_t    in;
    } v[] = {
        { "7.2.3.1", "Hello", ngx_string("\xf2\x48\xcd\xc9\xc9\x07\x00") },
        { "7.2.3.2, it needs the message before", NULL,
          ngx_string("\xf2\x00\x11\x00\x00") },
        { "7.2.3.3, no compression", "Hello",
          ngx_string("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00") },
        { "7.2.3.4, a final block", "Hello",
          ngx_string("\xf3\x48\xcd\xc9\xc9\x07\x00\x00") },
        { "7.2.3.5, two blocks", "Hello",
          ngx_string("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00") },
        { "7.2.3.6, empty", "", ngx_string("\x00") },
        { "a final block alone", "Hello",
          ngx_string("\xf3\x48\xcd\xc9\xc9\x07\x00") },
        { "an empty final block for the tail", "Hello",
          ngx_string("\xf2\x48\xcd\xc9\xc9\x07\x04") },
        { "blocks after a final block", "HelloHello",
          ngx_string("\xf3\x48\xcd\xc9\xc9\x07\x00"
                     "\xf2\x48\xcd\xc9\xc9\x07\x00") },
        { "two final blocks", "HelloHello",
          ngx_string("\xf3\x48\xcd\xc9\xc9\x07\x00"
                     "\xf3\x48\xcd\xc9\xc9\x07\x00") },
        { "nothing", NULL, ngx_string("") },
        { "the tail left on", NULL,
          ngx_string("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff") },
        { "a cut final block", NULL, ngx_string("\xf3\x48\xcd\xc9\xc9\x07") },
        { "a cut block, the tail would be its text", NULL,
          ngx_string("\x00\x05\x00\xfa\xff\x48") },
        { "junk after a final block", NULL,
          ngx_string("\xf3\x48\xcd\xc9\xc9\x07\x00junk") },
        { "no such block", NULL, ngx_string("\x06") },
        { "wrong length", NULL, ngx_string("\x00\x05\x00\xfa\xfeHello\x00") },
        { "plain text", NULL, ngx_string("Hello, world") },
        { "a header of zlib", NULL,
          ngx_string("\x78\x9c\xf2\x48\xcd\xc9\xc9\x07\x00") },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        want.data = (u_char *) v[i].want;
        want.len = want.data ? strlen(v[i].want) : 0;

        is_int(inflated((ngx_str_t *) &v[i].in, 10, &want),
               v[i].want ? NGX_OK : NGX_ABORT, "%s", v[i].name);
    }
}


/* every window, all kinds of text: it is smaller, and that text again */

static void
test_out(void)
{
    size_t      i, bad;
    ngx_int_t   rc, want;
    ngx_uint_t  window, kind;

    static const size_t  lens[] = {
        0, 1, 2, 5, 63, 64, 65, 100, 255, 256, 257, 1000, 1023, 1024, 1025,
        4096, 16384, 32767, 32768, 33000, 65535, 65536, 70000
    };

    for (window = NGX_PUSH_DEFLATE_MIN; window <= NGX_PUSH_DEFLATE_MAX;
         window++)
    {
        bad = 0;

        for (i = 0; i < sizeof(lens) / sizeof(lens[0]) * KINDS; i++) {
            kind = i % KINDS;
            body(lens[i / KINDS], kind);

            rc = deflated(window);

            /* of what is far away only the largest window knows */

            want = (plain.len < 32000 || (kind == 4 && window == 15)
                    || kind == 1 || kind == 2 || kind == 3)
                   ? NGX_OK : NGX_DECLINED;

            if (kind == 0 || (kind == 4 && plain.len < 20000)
                || plain.len <= 5)
            {
                want = NGX_DECLINED;
            }

            if (plain.len > 5 && plain.len < 100 && rc == NGX_DECLINED) {
                continue;
            }

            bad += (rc != want);

            if (rc == NGX_OK) {
                bad += (inflated(&packed, plain.len, &plain) != NGX_OK);
                bad += (inflated(&packed, plain.len - 1, &plain)
                        != NGX_DECLINED);
            }
        }

        is_int(bad, 0, "with a window of %lu bits", (unsigned long) window);
    }

    body(70000, 4);
    is_int(deflated(15), NGX_OK, "repeated from afar");
    is_int(expand(&packed, 14), 0, "which a smaller window cannot read");
}


/* so short a text is the same to all levels that look ahead */

static void
test_smaller(void)
{
    size_t     i, n, bad, equal, less;
    z_stream   z;
    ngx_int_t  rc;

    bad = 0;
    equal = 0;
    less = 0;

    memset(&z, 0, sizeof(z));

    if (deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        exit(2);
    }

    for (i = 0; i < 3000; i++) {
        body(1 + codec_random(60), 2);

        z.next_in = plain.data;
        z.avail_in = (uInt) plain.len;
        z.next_out = result.data;
        z.avail_out = ROOM;
        (void) deflate(&z, Z_SYNC_FLUSH);
        n = z.total_out - 4;
        (void) deflateReset(&z);

        rc = deflated(15);

        bad += (rc != ((n < plain.len) ? NGX_OK : NGX_DECLINED)
                || (rc == NGX_OK && packed.len != n));
        equal += (n == plain.len);
        less += (n == plain.len - 1);
    }

    deflateEnd(&z);

    is_int(bad, 0, "compressed if that is smaller");
    ok(equal && less, "by one byte %lu times, by none %lu times",
       (unsigned long) less, (unsigned long) equal);
}


/* whatever a client's zlib writes, and its exact size as a limit */

static void
test_in(void)
{
    size_t  i, bad;

    bad = 0;

    for (i = 0; i < 500; i++) {
        body(codec_random(codec_random(4) ? 3000 : 70000),
             codec_random(KINDS));
        squeeze(9 + codec_random(7), codec_random(10), codec_random(5));

        bad += (inflated(&packed, plain.len, &plain) != NGX_OK);
        bad += (plain.len && inflated(&packed, plain.len - 1, &plain)
                             != NGX_DECLINED);
    }

    is_int(bad, 0, "what zlib writes, of any level, window and strategy");
}


static void
test_limits(void)
{
    size_t  i, len, bad;

    static const size_t  lens[] = {
        0, 1, 63, 64, 65, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025,
        2047, 2048, 2049, 65535, 65536, 65537, 700000
    };

    for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        len = lens[i];
        body(len, 1);
        squeeze(15, 6, Z_DEFAULT_STRATEGY);

        bad = (inflated(&packed, len, &plain) != NGX_OK);
        bad += (inflated(&packed, len + 1, &plain) != NGX_OK);
        bad += (len && inflated(&packed, len - 1, &plain) != NGX_DECLINED);
        bad += (len && inflated(&packed, 0, &plain) != NGX_DECLINED);
        bad += (inflated(&packed, (size_t) -1, &plain) != NGX_OK);

        is_int(bad, 0, "limits around %lu", (unsigned long) len);
    }
}


static void
test_bombs(void)
{
    size_t  i, limit;

    static const size_t  limits[] = { 0, 1, 1000, 65536, 1000000 };

    body(ROOM / 2, 1);
    squeeze(15, 9, Z_DEFAULT_STRATEGY);

    ok(packed.len * 900 < plain.len, "a bomb of %lu bytes",
       (unsigned long) packed.len);

    for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        limit = limits[i];

        largest = 0;
        watched = 1;

        is_int(inflated(&packed, limit, &plain), NGX_DECLINED,
               "declined at %lu", (unsigned long) limit);

        watched = 0;

        /* the copy of the message and zlib's window of its own are there */

        ok(largest <= ngx_max(limit + 1, 32768), "%lu bytes at most",
           (unsigned long) largest);
    }

    for (i = 0; i < 60000; i += 2) {
        packed.data[i] = 0x03;
        packed.data[i + 1] = 0x00;
    }

    packed.len = i;
    plain.len = 0;

    is_int(inflated(&packed, 10, &plain), NGX_OK, "many final blocks");
}


static void
test_no_memory(void)
{
    int  null;

    null = open("/dev/null", O_WRONLY);

    body(ROOM / 2, 1);
    squeeze(15, 9, Z_DEFAULT_STRATEGY);

    __sanitizer_set_report_fd((void *) (intptr_t) null);
    unit_log.log_level = NGX_LOG_STDERR;

    is_int(inflated(&packed, ROOM, &plain), NGX_ERROR, "no memory");

    unit_log.log_level = NGX_LOG_WARN;
    __sanitizer_set_report_fd((void *) 2);
    close(null);

    body(1000, 3);
    is_int(deflated(15), NGX_OK, "compressed after it");
    is_int(inflated(&packed, 1000, &plain), NGX_OK, "and read");
}


/* without blocks that are stored no beginning is a message */

static void
test_cut(void)
{
    size_t  i, len, bad, whole;

    static const size_t  lens[] = { 64, 100, 1000, 20000 };

    for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        body(lens[i], 2 + (i & 1));
        bad = (deflated(15) != NGX_OK);
        whole = packed.len;

        for (len = 0; len < whole; len++) {
            packed.len = len;
            bad += (inflated(&packed, plain.len, &plain) != NGX_ABORT);
        }

        is_int(bad, 0, "cut anywhere, %lu bytes", (unsigned long) whole);
    }
}


/* what can be read of broken streams is what zlib reads of them */

static void
test_flipped(void)
{
    size_t     i, n, bad, limit;
    ngx_int_t  rc;
    size_t     seen[3];

    bad = 0;
    memset(seen, 0, sizeof(seen));

    for (i = 0; i < 5000; i++) {
        body(codec_random(1000), codec_random(KINDS));
        squeeze(9 + codec_random(7), codec_random(10), codec_random(5));

        for (n = codec_random(4); n && packed.len; n--) {
            packed.data[codec_random(packed.len)] ^= 1 << codec_random(8);
        }

        if (codec_random(3) == 0) {
            packed.len = codec_random(packed.len + 1);
        }

        limit = codec_random(2) ? codec_random(1000) : 100000;
        (void) expand(&packed, 15);

        rc = inflated(&packed, limit, &result);

        bad += (rc != NGX_OK && rc != NGX_DECLINED && rc != NGX_ABORT);
        seen[0] += (rc == NGX_OK);
        seen[1] += (rc == NGX_DECLINED);
        seen[2] += (rc == NGX_ABORT);
    }

    is_int(bad, 0, "flipped bits: %lu read, %lu too large, %lu broken",
           (unsigned long) seen[0], (unsigned long) seen[1],
           (unsigned long) seen[2]);
    ok(seen[0] && seen[1] && seen[2], "each of them happened");
}


/* messages know nothing of each other */

static void
test_state(void)
{
    size_t      i, len, bad;
    ngx_str_t  *text, *first;

    static ngx_str_t  hello = ngx_string("\xf2\x48\xcd\xc9\xc9\x07\x00");
    static ngx_str_t  again = ngx_string("\xf2\x00\x11\x00\x00");
    static ngx_str_t  want = ngx_string("Hello");

    body(3000, 3);
    text = codec_str((char *) plain.data, plain.len);

    bad = (deflated(12) != NGX_OK);
    first = codec_str((char *) packed.data, packed.len);

    for (i = 0; i < 200; i++) {

        /* all, also what is given up in the middle */

        len = codec_random(5000);
        body(len, codec_random(KINDS));
        bad += (deflated(12) == 1);

        squeeze(15, 6, Z_DEFAULT_STRATEGY);
        packed.len = codec_random(packed.len + 1);
        (void) inflated(&packed, codec_random(5000), &plain);

        if (i == 100) {
            ngx_push_deflate_exit();
            ngx_push_deflate_exit();
        }

        plain.len = text->len;
        memcpy(plain.data, text->data, text->len);

        bad += (deflated(12) != NGX_OK || packed.len != first->len
                || memcmp(packed.data, first->data, first->len) != 0);
        bad += (inflated(first, 3000, text) != NGX_OK);
        bad += (inflated(&hello, 5, &want) != NGX_OK);
        bad += (inflated(&again, 5, &want) != NGX_ABORT);
    }

    is_int(bad, 0, "nothing is carried over");
}


static void
test_exit(void)
{
    size_t      before, full;
    ngx_uint_t  window;

    static ngx_str_t  hello = ngx_string("\xf2\x48\xcd\xc9\xc9\x07\x00");
    static ngx_str_t  want = ngx_string("Hello");

    ngx_push_deflate_exit();
    before = __sanitizer_get_current_allocated_bytes();

    (void) inflated(&hello, 5, &want);
    full = __sanitizer_get_current_allocated_bytes();
    ok(full > before, "a stream to read is kept");

    body(100, 1);

    for (window = NGX_PUSH_DEFLATE_MIN; window <= NGX_PUSH_DEFLATE_MAX;
         window++)
    {
        (void) deflated(window);
        ok(full < __sanitizer_get_current_allocated_bytes(),
           "one to write %lu bits", (unsigned long) window);

        full = __sanitizer_get_current_allocated_bytes();
        (void) deflated(window);
        is_int(__sanitizer_get_current_allocated_bytes(), full,
               "only one");
    }

    ngx_push_deflate_exit();
    is_int(__sanitizer_get_current_allocated_bytes(), before, "all given back");
}
