
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include "sse_reader.h"
#include "ngx_push_sse.h"


#define ID  "3f2a91c0-00000000000042"


static const char *forge(ngx_str_t *event, ngx_str_t *body, size_t id_len,
    ngx_uint_t binary);
static const char *check_layout(ngx_push_sse_event_t *e,
    ngx_push_sse_layout_t *l, u_char *p);
static const char *check_stream(ngx_push_sse_event_t *e,
    ngx_push_sse_layout_t *l, u_char *p);
static size_t expected(u_char *dst, ngx_push_sse_event_t *e);
static void test_bytes(void);
static void test_bodies(void);
static void test_every_byte(void);
static void test_random(void);
static size_t random_body(char *p);
static void test_where(void);
static void test_control(void);
static void test_chunk_head(void);


int
main(void)
{
    codec_seed();

    test_bytes();
    test_bodies();
    test_every_byte();
    test_random();
    test_where();
    test_control();
    test_chunk_head();

    return done();
}


/*
 * Writes an event, reads it back by the standard's rules and says what is
 * wrong, or NULL.
 */

static const char *
forge(ngx_str_t *event, ngx_str_t *body, size_t id_len, ngx_uint_t binary)
{
    u_char                 *p, *end;
    const char             *wrong;
    ngx_push_sse_event_t    e;
    ngx_push_sse_layout_t   l;

    memset(&e, 0, sizeof(e));
    e.event = *event;
    e.body = *body;
    e.id_len = id_len;
    e.binary = binary;

    ngx_push_sse_measure(&e, &l);

    p = malloc(l.size);
    if (p == NULL) {
        exit(2);
    }

    memset(p, 0xdd, l.size);
    end = ngx_push_sse_render(p, &e, &l);

    wrong = (end != p + l.size) ? "size" : check_layout(&e, &l, p);

    if (wrong == NULL) {
        wrong = check_stream(&e, &l, p);
    }

    free(p);

    return wrong;
}


static const char *
check_layout(ngx_push_sse_event_t *e, ngx_push_sse_layout_t *l, u_char *p)
{
    char    *end;
    size_t   i;

    if (strtoul((char *) p, &end, 16) != l->event
        || end != (char *) p + l->head - 2
        || memcmp(end, "\r\n", 2) != 0)
    {
        return "head of the chunk";
    }

    if (memcmp(p + l->head + l->event - 1, "\n\r\n", 3) != 0) {
        return "end of the chunk";
    }

    if (l->body + e->body.len > l->size
        || (e->body.len && memcmp(p + l->body, e->body.data, e->body.len)))
    {
        return "the raw body";
    }

    if (e->id_len == 0) {
        return l->id ? "an id where none is" : NULL;
    }

    if (l->id < l->head + 4 || memcmp(p + l->id - 4, "id: ", 4) != 0
        || p[l->id + e->id_len] != '\n')
    {
        return "the place of the id";
    }

    for (i = 0; i < e->id_len; i++) {
        if (p[l->id + i] != ' ') {
            return "the id is not blank";
        }
    }

    return NULL;
}


static const char *
check_stream(ngx_push_sse_event_t *e, ngx_push_sse_layout_t *l, u_char *p)
{
    u_char              *stream, *s, *want;
    size_t               len;
    const char          *wrong;
    sse_reader_t         r;
    sse_reader_event_t  *got;

    static const char  before[] = "retry: 1000\n\n";
    static const char  after[] = "data: next\n\n";

    memset(p + l->id, '7', e->id_len);

    stream = malloc(sizeof(before) + sizeof(after) + l->event);
    want = malloc(e->body.len * 2 + 8);
    if (stream == NULL || want == NULL) {
        exit(2);
    }

    s = ngx_cpymem(stream, before, sizeof(before) - 1);
    s = ngx_cpymem(s, p + l->head, l->event);
    s = ngx_cpymem(s, after, sizeof(after) - 1);

    sse_reader_read(&r, stream, s - stream);

    len = expected(want, e);
    got = r.events;
    wrong = NULL;

    if (r.nevents != 2 || r.retries != 1 || r.unknown) {
        wrong = "number of events and fields";

    } else if (!sse_reader_is(&got->type, e->event.data, e->event.len)) {
        wrong = "type";

    } else if (got->id.len != e->id_len) {
        wrong = "id";

    } else if (!sse_reader_is(&got->data, want, len)) {
        wrong = "data";

    } else if (got[1].type.len || !sse_reader_is(&got[1].data, "next", 4)) {
        wrong = "the next event";
    }

    sse_reader_free(&r);
    free(stream);
    free(want);

    return wrong;
}


static size_t
expected(u_char *dst, ngx_push_sse_event_t *e)
{
    ngx_str_t  base64;

    if (e->binary) {
        base64.data = dst;
        ngx_encode_base64(&base64, &e->body);

        return base64.len;
    }

    return sse_reader_lines(dst, e->body.data, e->body.len);
}


/* the stored form, byte for byte */

static void
test_bytes(void)
{
    size_t                  i;
    u_char                 *end;
    u_char                  buf[256];
    ngx_str_t               got;
    ngx_push_sse_event_t    e;
    ngx_push_sse_layout_t   l;

    static const struct {
        const char  *event;
        const char  *body;
        size_t       id_len;
        unsigned     binary;
        const char  *bytes;
        size_t       at;
    } v[] = {
        { "", "hello", 4, 0,
          "16\r\nid:     \ndata: hello\n\n\r\n", 19 },
        { "", "hello", 0, 0, "d\r\ndata: hello\n\n\r\n", 9 },
        { "move", "a", 2, 0,
          "1c\r\nid:   \nevent: move\ndata: a\n\n\r\n", 29 },
        { "", "", 0, 0, "8\r\ndata: \n\n\r\n", 9 },
        { "", "a\nb", 0, 0, "11\r\ndata: a\ndata: b\n\n\r\na\nb", 23 },
        { "", "a\r\n", 0, 0, "10\r\ndata: a\ndata: \n\n\r\na\r\n", 22 },
        { "", "\n", 0, 0, "f\r\ndata: \ndata: \n\n\r\n\n", 20 },
        { "", "\xff\n", 0, 1, "c\r\ndata: /wo=\n\n\r\n\xff\n", 17 },
        { "x", "", 0, 1, "11\r\nevent: x\ndata: \n\n\r\n", 23 },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        memset(&e, 0, sizeof(e));
        e.event = *codec_str(v[i].event, strlen(v[i].event));
        e.body = *codec_str(v[i].body, strlen(v[i].body));
        e.id_len = v[i].id_len;
        e.binary = v[i].binary;

        ngx_push_sse_measure(&e, &l);
        end = ngx_push_sse_render(buf, &e, &l);

        got.data = buf;
        got.len = end - buf;

        is_str(&got, v[i].bytes, "bytes of event %lu", (unsigned long) i);
        is_int(l.size, got.len, "its size");
        is_int(l.body, v[i].at, "where its body is");
    }
}


static void
test_bodies(void)
{
    size_t       i;
    ngx_str_t   *none, *event, *body;
    const char  *wrong;

    static const ngx_str_t  bodies[] = {
        ngx_null_string,
        ngx_string("one line"),
        ngx_string(" leading space"),
        ngx_string("  two"),
        ngx_string(": a comment"),
        ngx_string("\n"),
        ngx_string("\r"),
        ngx_string("\r\n"),
        ngx_string("\n\n"),
        ngx_string("\r\r"),
        ngx_string("\n\r"),
        ngx_string("\r\n\r\n"),
        ngx_string("\r\r\n"),
        ngx_string("a\n"),
        ngx_string("a\r"),
        ngx_string("a\r\n"),
        ngx_string("\na"),
        ngx_string("x\nid: 1\nevent: push.closed\ndata: y"),
        ngx_string("x\rid: 1\revent: push.closed\rdata: y"),
        ngx_string("x\r\nid: 1\r\nevent: push.gap\r\nretry: 1"),
        ngx_string("x\n\ndata: second\n\n"),
        ngx_string("x\r\rdata: second\r\r"),
        ngx_string("x\r\n\r\nid: 1\r\ndata: second\r\n\r\n"),
        ngx_string("x\0\nid: 1\0y"),
        ngx_string("\0"),
        ngx_string("\0\0\n\0"),
        ngx_string("\xef\xbb\xbf" "after a byte order mark"),
        ngx_string("\xef\xbb\xbf"),
        ngx_string("a\n\xef\xbb\xbf" "data: b\n\xef\xbb\xbf"),
        ngx_string("\xe2\x80\xa8\xe2\x80\xa9\xc2\x85\x0b\x0c"),
        ngx_string("cut short \xe2\x82"),
        ngx_string("\xe2\x82\n\xf0\x9f\r\nid: 1"),
        ngx_string("\xff\xfe\x00\x0a\x00"),
        ngx_string("0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
    };

    none = codec_str("", 0);
    event = S("news");

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        body = codec_str((char *) bodies[i].data, bodies[i].len);

        wrong = forge(none, body, 0, 0);

        if (wrong == NULL) {
            wrong = forge(event, body, sizeof(ID) - 1, 0);
        }

        if (wrong == NULL) {
            wrong = forge(event, body, sizeof(ID) - 1, 1);
        }

        ok(wrong == NULL, "body %lu%s%s", (unsigned long) i,
           wrong ? ": " : "", wrong ? wrong : "");
    }
}


static void
test_every_byte(void)
{
    int         ch;
    char        buf[4];
    size_t      i, bad;
    ngx_str_t  *none;

    bad = 0;
    none = codec_str("", 0);

    for (ch = 0; ch < 256; ch++) {
        for (i = 0; i < 3; i++) {
            memcpy(buf, "id:", 3);
            buf[i] = ch;
            bad += (forge(none, codec_str(buf, 3), 1, 0) != NULL);
            bad += (forge(none, codec_str(buf, i + 1), 1, 1) != NULL);
        }

        buf[0] = ch;
        bad += (forge(none, codec_str(buf, 1), 0, 0) != NULL);
    }

    is_int(bad, 0, "every byte at every place of a body");

    bad = 0;

    for (i = 0; i < 300; i++) {
        bad += (forge(none, codec_fill('x', i), 0, 0) != NULL);
        bad += (forge(none, codec_fill('\n', i), 3, 0) != NULL);
        bad += (forge(none, codec_fill('\r', i), 3, 0) != NULL);
        bad += (forge(codec_fill('e', i), codec_fill('\0', i), i, 1) != NULL);
    }

    is_int(bad, 0, "every length");
    ok(forge(none, codec_fill('x', 65536), 23, 0) == NULL, "64 KiB");
    ok(forge(none, codec_fill('\r', 65536), 23, 0) == NULL, "64 KiB of CR");
}


static size_t
random_body(char *p)
{
    char    *s;
    size_t   i, n;

    static const char  *words[] = {
        "\n", "\r", "\r\n", "\n\n", "data:", "data: ", "id: 9", "event: x",
        "retry: 1", ":", " ", "\xef\xbb\xbf", "\xe2\x80\xa8", "text",
        "\xf0\x9f\x98\x80", "\xc3", "\xff", "\r\n0\r\n\r\n"
    };

    s = p;
    n = codec_random(12);

    for (i = 0; i < n; i++) {

        switch (codec_random(8)) {

        case 0:
            *s++ = '\0';
            break;

        case 1:
            *s++ = codec_random(256);
            break;

        default:
            s = stpcpy(s, words[codec_random(sizeof(words)
                                             / sizeof(words[0]))]);
        }
    }

    return s - p;
}


static void
test_random(void)
{
    char        body[256], event[32];
    size_t      i, j, len, n, bad;
    ngx_str_t  *e;

    bad = 0;

    for (i = 0; i < 20000; i++) {
        len = random_body(body);
        n = codec_random(4) ? 0 : codec_random(20);

        for (j = 0; j < n; j++) {
            event[j] = ' ' + codec_random(224);
        }

        e = codec_str(event, n);
        bad += (forge(e, codec_str(body, len), codec_random(130),
                      codec_random(4) == 0)
                != NULL);
    }

    is_int(bad, 0, "random events");
}


/* a body is stored twice only where its line does not hold it */

static void
test_where(void)
{
    ngx_push_sse_event_t   e;
    ngx_push_sse_layout_t  l;

    memset(&e, 0, sizeof(e));

    e.body = *S("no break");
    ngx_push_sse_measure(&e, &l);
    is_int(l.size, l.head + l.event + 2, "a line is stored once");

    e.body = *S("a\rb");
    ngx_push_sse_measure(&e, &l);
    is_int(l.size, l.head + l.event + 2 + 3, "lines are stored twice");
    is_int(l.body, l.size - 3, "the second time at the end");

    e.body = *S("abc");
    e.binary = 1;
    ngx_push_sse_measure(&e, &l);
    is_int(l.size, l.head + l.event + 2 + 3, "and so is base64");
}


static void
test_control(void)
{
    u_char      buf[256];
    ngx_str_t   event = ngx_string("push.gap"), id = ngx_string(ID), got;
    ngx_str_t   data = ngx_string("{\"reason\":\"expired\"}");
    ngx_str_t   empty = ngx_null_string;

    got.data = buf;

    got.len = ngx_push_sse_control(buf, &event, &id, &data) - buf;
    is_str(&got, "event: push.gap\nid: " ID "\n"
           "data: {\"reason\":\"expired\"}\n\n", "a control event");
    is_int(ngx_push_sse_control_size(&event, &id, &data), got.len, "its size");

    got.len = ngx_push_sse_control(buf, &event, NULL, &data) - buf;
    is_str(&got, "event: push.gap\ndata: {\"reason\":\"expired\"}\n\n",
           "without an id");
    is_int(ngx_push_sse_control_size(&event, NULL, &data), got.len,
           "its size");

    got.len = ngx_push_sse_control(buf, &event, &empty, &data) - buf;
    is_str(&got, "event: push.gap\nid: \ndata: {\"reason\":\"expired\"}\n\n",
           "with an empty id, which resets the client's");
    is_int(ngx_push_sse_control_size(&event, &empty, &data), got.len,
           "its size");
}


static void
test_chunk_head(void)
{
    char        want[32];
    size_t      i, n, bad;
    u_char      buf[NGX_PUSH_CHUNK_HEAD];

    bad = 0;
    n = 1;

    for (i = 0; i < 4096 + 64; i++) {
        n = (i < 4096) ? i : (n << 1) | 1;

        sprintf(want, "%zx\r\n", n);
        bad += (ngx_push_chunk_head(buf, n) != strlen(want)
                || memcmp(buf, want, strlen(want)) != 0);
    }

    is_int(bad, 0, "heads of chunks");
    is_int(ngx_push_chunk_head(buf, (size_t) -1), NGX_PUSH_CHUNK_HEAD,
           "the largest fills the room");
}
