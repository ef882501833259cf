
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include "ngx_push_websocket.h"


#define ROOM  70000

/* a mask that leaves the payload readable */
#define M     "\0\0\0\0"


/* what was read: "T(text)", "B(binary)", "C()", "P()", "O(pong)"; ~: RSV1 */

typedef struct {
    size_t      ndone;
    size_t      nmessage;
    size_t      ncontrol;
    ngx_int_t   rc;
    ngx_uint_t  close;
    char        done[ROOM];
    char        message[ROOM];     /* of one that has not ended */
    char        control[ROOM];
} trace_t;

typedef struct {
    u_char      data[ROOM];
    size_t      len;
    size_t      limit;
    ngx_uint_t  deflate;
} stream_t;

typedef struct {
    size_t             head;
    uint64_t           size;
    ngx_uint_t         op;
    ngx_uint_t         fin;
    ngx_uint_t         message;    /* the opcode of the one that is open */
    ngx_uint_t         compressed;
    unsigned __int128  total;
} frame_t;

typedef struct {
    const char  *name;
    ngx_str_t    raw;
    ngx_uint_t   deflate;
    const char  *want;
    ngx_uint_t   close;
    size_t       used;      /* bytes until it was closed */
} case_t;


static void clear(trace_t *t);
static void add(trace_t *t, ngx_uint_t opcode, u_char *p, size_t len);
static void end(trace_t *t, ngx_uint_t opcode, ngx_uint_t compressed);
static ngx_int_t feed(ngx_push_websocket_t *ws, trace_t *t, const u_char *p,
    size_t len);
static void reference(trace_t *t, stream_t *s, size_t len);
static ngx_uint_t reference_head(stream_t *s, frame_t *f, u_char *p,
    uint64_t left);
static ngx_int_t reference_text(char *p, size_t len);
static ngx_uint_t reference_char(u_char *p, size_t n);
static size_t encode(u_char *p, uint32_t ch);
static ngx_uint_t differs(trace_t *got, trace_t *want);
static size_t read_cut(stream_t *s, size_t at, size_t step);
static size_t put_frame(u_char *p, ngx_uint_t first, const u_char *payload,
    size_t len);
static size_t random_payload(u_char *p, size_t len, ngx_uint_t text,
    ngx_uint_t fin);
static void random_stream(stream_t *s);
static void random_damage(stream_t *s);
static void test_cases(void);
static size_t bytes_used(stream_t *s);
static void test_first_bytes(void);
static void test_lengths(void);
static void test_masks(void);
static void test_overflow(void);
static void test_random(void);
static void test_close_code(void);
static void test_close(void);
static void test_head(void);
static void test_key(void);


static trace_t   got, want;
static stream_t  stream;

/* what is left of the last character of a random text */

static struct {
    u_char  data[4];
    size_t  next;
    size_t  len;
} letters;


/* what a stream of at most 100 bytes a message is read as */

static const case_t  cases[] = {
    { "RFC 6455, 5.7", ngx_string("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d"
      "\x51\x58"), 0, "T(Hello)", 0, 0 },
    { "two messages", ngx_string("\x81\x82" M "ab\x82\x81" M "\xff"), 0,
      "T(ab)B(\xff)", 0, 0 },
    { "empty", ngx_string("\x81\x80" M "\x82\x80" M "\x89\x80" M), 0,
      "T()B()P()", 0, 0 },
    { "fragments", ngx_string("\x01\x83" M "Hel\x80\x82" M "lo"), 0,
      "T(Hello)", 0, 0 },
    { "empty fragments", ngx_string("\x01\x80" M "\x00\x80" M "\x00\x81"
      M "a\x80\x80" M), 0, "T(a)", 0, 0 },
    { "fragments of binary", ngx_string("\x02\x81" M "\xc3\x00\x81" M
      "\xc3\x80\x81" M "\xc3"), 0, "B(\xc3\xc3\xc3)", 0, 0 },
    { "control frames between fragments", ngx_string("\x01\x81" M "a"
      "\x89\x82" M "\xff\xfe\x00\x81" M "b\x8a\x80" M "\x8a\x81" M "q"
      "\x80\x81" M "c\x88\x82" M "\x03\xe8"), 0,
      "P(\xff\xfe)O()O(q)T(abc)C(\x03\xe8)", 0, 0 },
    { "a character over frames", ngx_string("\x01\x81" M "\xf0\x89\x81" M
      "\xf0\x00\x82" M "\x9f\x98\x00\x80" M "\x80\x81" M "\x80"), 0,
      "P(\xf0)T(\xf0\x9f\x98\x80)", 0, 0 },
    { "the edges of UTF-8", ngx_string("\x81\x99" M "\xc2\x80\xdf\xbf\xe0"
      "\xa0\x80\xed\x9f\xbf\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"
      "abcd"), 0, "T(\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xef\xbf"
      "\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" "abcd)", 0, 0 },
    { "compressed", ngx_string("\xc1\x82" M "\xff\xfe\xc2\x81" M "\xff"),
      1, "T~(\xff\xfe)B~(\xff)", 0, 0 },
    { "compressed fragments", ngx_string("\x41\x81" M "\xff\x89\x80" M
      "\x00\x81" M "\xfe\x80\x80" M), 1, "P()T~(\xff\xfe)", 0, 0 },
    { "compressed and not", ngx_string("\xc1\x81" M "\xff\x81\x81" M "a"
      "\xc2\x81" M "b\x82\x81" M "c"), 1, "T~(\xff)T(a)B~(b)B(c)", 0, 0 },
    { "not compressed, not UTF-8", ngx_string("\xc1\x81" M "\xff\x81\x81"
      M "\xff"), 1, "T~(\xff)", 1007, 14 },

    { "no mask", ngx_string("\x81\x05Hello"), 0, "", 1002, 2 },
    { "no mask, empty", ngx_string("\x82\x00"), 0, "", 1002, 2 },
    { "ping without mask", ngx_string("\x89\x00"), 0, "", 1002, 2 },
    { "RSV1", ngx_string("\xc1\x81" M "a"), 0, "", 1002, 1 },
    { "RSV2", ngx_string("\xa1\x81" M "a"), 1, "", 1002, 1 },
    { "RSV3", ngx_string("\x91\x81" M "a"), 1, "", 1002, 1 },
    { "RSV1 on a continuation", ngx_string("\x41\x81" M "a\xc0\x81" M
      "b"), 1, "", 1002, 8 },
    { "RSV1 on a ping", ngx_string("\xc9\x80" M), 1, "", 1002, 1 },
    { "RSV1 on a close", ngx_string("\xc8\x80" M), 1, "", 1002, 1 },
    { "opcode 3", ngx_string("\x83\x80" M), 1, "", 1002, 1 },
    { "opcode 7", ngx_string("\x07\x80" M), 1, "", 1002, 1 },
    { "opcode 11", ngx_string("\x8b\x80" M), 1, "", 1002, 1 },
    { "opcode 15", ngx_string("\x8f\x80" M), 1, "", 1002, 1 },
    { "a ping in fragments", ngx_string("\x09\x81" M "a\x80\x81" M "b"),
      0, "", 1002, 1 },
    { "a close in fragments", ngx_string("\x08\x80" M), 0, "", 1002, 1 },
    { "a long ping", ngx_string("\x89\xfe\x00\x7e" M), 0, "", 1002, 2 },
    { "a longer ping", ngx_string("\x89\xff"), 0, "", 1002, 2 },
    { "125 in 16 bits", ngx_string("\x82\xfe\x00\x7d" M), 0, "", 1002,
      4 },
    { "0 in 16 bits", ngx_string("\x82\xfe\x00\x00" M), 0, "", 1002, 4 },
    { "65535 in 64 bits", ngx_string("\x82\xff\0\0\0\0\0\0\xff\xff" M), 0,
      "", 1002, 10 },
    { "1 in 64 bits", ngx_string("\x82\xff\0\0\0\0\0\0\0\x01" M), 0, "",
      1002, 10 },
    { "the top bit", ngx_string("\x82\xff\x80\0\0\0\0\0\0\0" M), 0, "",
      1002, 10 },
    { "all bits", ngx_string("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
      0, "", 1002, 10 },
    { "all but the top bit", ngx_string("\x82\xff\x7f\xff\xff\xff\xff\xff"
      "\xff\xff"), 0, "", 1009, 10 },
    { "no start", ngx_string("\x80\x81" M "a"), 0, "", 1002, 1 },
    { "no start after an end", ngx_string("\x01\x80" M "\x80\x80" M "\x80"
      "\x80" M), 0, "T()", 1002, 13 },
    { "no start after a whole one", ngx_string("\x81\x80" M "\x89\x80" M
      "\x00\x80" M), 0, "T()P()", 1002, 13 },
    { "a start inside", ngx_string("\x01\x81" M "a\x81\x81" M "b"), 0, "",
      1002, 8 },
    { "another start inside", ngx_string("\x02\x80" M "\x89\x80" M "\x01"
      "\x80" M), 0, "P()", 1002, 13 },

    { "101 of 100 bytes", ngx_string("\x82\xe5" M "a"), 0, "", 1009, 2 },
    { "126 of 100 bytes", ngx_string("\x81\xfe\0\x7e" M), 0, "", 1009, 4 },
    { "65536 of 100 bytes", ngx_string("\x81\xff\0\0\0\0\0\x01\0\0" M), 0,
      "", 1009, 10 },
    { "101 compressed", ngx_string("\xc2\xe5" M "a"), 1, "", 1009, 2 },
    { "fragments, too many", ngx_string("\x02\x82" M "ab\x89\x82" M "cd"
      "\x00\x81" M "e\x80\xe2" M "f"), 0, "P(cd)", 1009, 25 },
    { "a ping is no part of it", ngx_string("\x89\xfd" M "0123456789"
      "01234567890123456789012345678901234567890123456789012345678901234"
      "56789012345678901234567890123456789012345678901234"), 0,
      "P(0123456789012345678901234567890123456789012345678901234567890123"
      "4567890123456789012345678901234567890123456789012345678901234)", 0,
      0 },

    { "no UTF-8", ngx_string("\x81\x82" M "a\xff"), 0, "", 1007, 8 },
    { "as soon as it is seen", ngx_string("\x81\xe4" M "a\xc0"), 0, "",
      1007, 8 },
    { "continuation first", ngx_string("\x81\x81" M "\x80"), 0, "", 1007,
      7 },
    { "overlong, 2", ngx_string("\x81\x82" M "\xc1\xbf"), 0, "", 1007, 7 },
    { "overlong, 3", ngx_string("\x81\x83" M "\xe0\x9f\xbf"), 0, "", 1007,
      8 },
    { "overlong, 4", ngx_string("\x81\x84" M "\xf0\x8f\xbf\xbf"), 0, "",
      1007, 8 },
    { "a surrogate", ngx_string("\x81\x83" M "\xed\xa0\x80"), 0, "", 1007,
      8 },
    { "U+110000", ngx_string("\x81\x84" M "\xf4\x90\x80\x80"), 0, "",
      1007, 8 },
    { "f5", ngx_string("\x81\x84" M "\xf5\x80\x80\x80"), 0, "", 1007, 7 },
    { "two leads", ngx_string("\x81\x83" M "\xe2\x82\xe2"), 0, "", 1007,
      9 },
    { "bad over frames", ngx_string("\x01\x82" M "a\xed\x89\x80" M "\x00"
      "\x80" M "\x80\x82" M "\xa0\x80"), 0, "P()", 1007, 27 },
    { "cut at the end", ngx_string("\x81\x83" M "a\xe2\x82"), 0, "", 1007,
      9 },
    { "cut at an empty end", ngx_string("\x01\x81" M "\xc3\x80\x80" M), 0,
      "", 1007, 13 },
    { "cut, not yet ended", ngx_string("\x01\x83" M "a\xe2\x82\x00\x80" M),
      0, "", 0, 0 },
};


int
main(void)
{
    codec_seed();

    ok(sizeof(ngx_push_websocket_t) <= 40, "the reader is small");

    test_cases();
    test_first_bytes();
    test_lengths();
    test_masks();
    test_overflow();
    test_random();
    test_close_code();
    test_close();
    test_head();
    test_key();

    return done();
}


static void
clear(trace_t *t)
{
    t->rc = NGX_AGAIN;
    t->close = 0;
    t->ndone = t->nmessage = t->ncontrol = 0;
    t->done[0] = '\0';
}


static void
add(trace_t *t, ngx_uint_t opcode, u_char *p, size_t len)
{
    if (opcode & 8) {
        memcpy(t->control + t->ncontrol, p, len);
        t->ncontrol += len;
        return;
    }

    memcpy(t->message + t->nmessage, p, len);
    t->nmessage += len;
}


static void
end(trace_t *t, ngx_uint_t opcode, ngx_uint_t compressed)
{
    char    *buf;
    size_t  *n;

    buf = (opcode & 8) ? t->control : t->message;
    n = (opcode & 8) ? &t->ncontrol : &t->nmessage;

    t->ndone += sprintf(t->done + t->ndone, "%c%s(", "?TB?????CPO"[opcode],
                        compressed && !(opcode & 8) ? "~" : "");
    memcpy(t->done + t->ndone, buf, *n);
    t->ndone += *n;
    t->done[t->ndone++] = ')';
    t->done[t->ndone] = '\0';
    *n = 0;
}


/* from memory of exactly that size */

static ngx_int_t
feed(ngx_push_websocket_t *ws, trace_t *t, const u_char *p, size_t len)
{
    u_char      *buf, *pos;
    ngx_str_t    piece;
    ngx_uint_t   last;

    if (t->rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    buf = malloc(len);
    if (buf == NULL && len) {
        exit(2);
    }

    if (len) {
        memcpy(buf, p, len);
    }

    pos = buf;

    for ( ;; ) {
        t->rc = ngx_push_websocket_read(ws, &pos, buf + len, &piece,
                                       &last);

        if (t->rc != NGX_OK) {
            break;
        }

        add(t, ws->opcode, piece.data, piece.len);

        if (last) {
            end(t, ws->opcode, ws->compressed);
        }
    }

    t->close = ws->close;

    if (t->rc == NGX_AGAIN && pos != buf + len) {
        t->rc = NGX_ABORT;
    }

    free(buf);

    return t->rc;
}


/* the first len bytes of a stream, decoded anew and with all at hand */

static void
reference(trace_t *t, stream_t *s, size_t len)
{
    size_t     at, i, n;
    u_char    *p;
    frame_t    f;
    uint64_t   left;

    clear(t);
    memset(&f, 0, sizeof(f));

    for (at = 0; at < len; at += f.head + f.size) {
        p = s->data + at;
        left = len - at;
        t->close = reference_head(s, &f, p, left);

        if (t->close || left < f.head) {
            break;
        }

        n = ngx_min(f.size, left - f.head);

        for (i = 0; i < n; i++) {
            p[f.head + i] ^= p[f.head - 4 + i % 4];
        }

        add(t, f.op ? f.op : f.message, p + f.head, n);

        for (i = 0; i < n; i++) {
            p[f.head + i] ^= p[f.head - 4 + i % 4];
        }

        f.fin = f.fin && n == f.size;

        if (f.op < 8 && f.message == 1 && !f.compressed
            && reference_text(t->message, t->nmessage) > !f.fin)
        {
            t->close = 1007;
            break;
        }

        if (n < f.size) {
            break;
        }

        if (f.fin) {
            end(t, f.op ? f.op : f.message, f.compressed);
            f.message = (f.op < 8) ? 0 : f.message;
        }
    }

    t->rc = t->close ? NGX_ERROR : NGX_AGAIN;
}


/* as much of a head as there is; a close code, or 0 */

static ngx_uint_t
reference_head(stream_t *s, frame_t *f, u_char *p, uint64_t left)
{
    size_t      i, n;
    ngx_uint_t  rsv;

    f->op = p[0] % 16;
    f->fin = p[0] / 128;
    rsv = p[0] / 16 % 8;

    if ((f->op > 2 && f->op < 8) || f->op > 10 || (f->op > 2 && !f->fin)
        || (rsv && (rsv != 4 || !s->deflate || f->op < 1 || f->op > 2))
        || (f->op < 3 && (f->op == 0) != (f->message != 0)))
    {
        return 1002;
    }

    if (f->op == 1 || f->op == 2) {
        f->message = f->op;
        f->compressed = (rsv == 4);
        f->total = 0;
    }

    f->head = 6;

    if (left < 2) {
        return 0;
    }

    if (p[1] < 128 || (f->op > 2 && p[1] > 253)) {
        return 1002;
    }

    n = (p[1] == 254) ? 2 : (p[1] == 255) ? 8 : 0;
    f->head += n;
    f->size = n ? 0 : p[1] - 128;

    if (left < 2 + n) {
        return 0;
    }

    for (i = 0; i < n; i++) {
        f->size = f->size * 256 + p[2 + i];
    }

    if ((n == 2 && f->size < 126) || (n == 8 && f->size < 65536)
        || f->size > INT64_MAX)
    {
        return 1002;
    }

    f->total += (f->op < 8) ? f->size : 0;

    return (f->op < 8 && f->total > s->limit) ? 1009 : 0;
}


/* 0: UTF-8, 1: the last character is cut, 2: hopeless */

static ngx_int_t
reference_text(char *text, size_t len)
{
    size_t   i, n, fill;
    u_char  *p, buf[4];

    for (i = 0; i < len; i += n) {
        p = (u_char *) text + i;
        n = (*p < 0x80) ? 1 : (*p < 0xe0) ? 2 : (*p < 0xf0) ? 3 : 4;

        if (i + n <= len) {
            if (!reference_char(p, n)) {
                return 2;
            }

            continue;
        }

        for (fill = 0x80; fill < 0xc0; fill++) {
            memset(buf, fill, 4);
            memcpy(buf, p, len - i);

            if (reference_char(buf, n)) {
                return 1;
            }
        }

        return 2;
    }

    return 0;
}


/* a character is what it becomes when it is encoded again */

static ngx_uint_t
reference_char(u_char *p, size_t n)
{
    size_t    i;
    u_char    buf[4];
    uint32_t  ch;

    ch = (n == 1) ? p[0] : p[0] & (0x7f >> n);

    for (i = 1; i < n; i++) {
        ch = (ch << 6) | (p[i] & 0x3f);
    }

    return ch <= 0x10ffff && (ch < 0xd800 || ch > 0xdfff)
           && encode(buf, ch) == n && memcmp(p, buf, n) == 0;
}


static size_t
encode(u_char *p, uint32_t ch)
{
    size_t  i, n;

    n = (ch < 0x80) ? 1 : (ch < 0x800) ? 2 : (ch < 0x10000) ? 3 : 4;

    for (i = n - 1; i > 0; i--) {
        p[i] = 0x80 | (ch & 0x3f);
        ch >>= 6;
    }

    p[0] = (n == 1) ? ch : ((0xf00 >> n) & 0xff) | ch;

    return n;
}


/* of text that turns out bad, less may have come */

static ngx_uint_t
differs(trace_t *a, trace_t *b)
{
    return a->rc != b->rc || a->close != b->close || a->ndone != b->ndone
           || memcmp(a->done, b->done, a->ndone) != 0
           || a->ncontrol != b->ncontrol
           || memcmp(a->control, b->control, a->ncontrol) != 0
           || (a->close == 1007 ? a->nmessage > b->nmessage
                                : a->nmessage != b->nmessage)
           || memcmp(a->message, b->message, a->nmessage) != 0;
}


/*
 * Cuts at "at" and then every "step" bytes, 0: at random; compares at each
 * cut.  Returns the number of differences.
 */

static size_t
read_cut(stream_t *s, size_t at, size_t step)
{
    size_t                from, bad;
    ngx_push_websocket_t  ws;

    memset(&ws, 0, sizeof(ws));
    ws.limit = s->limit;
    ws.deflate = s->deflate;

    clear(&got);
    bad = 0;

    for (from = 0; /* void */ ; at += step ? step : 1 + codec_random(40)) {
        at = ngx_min(at, s->len);
        feed(&ws, &got, s->data + from, at - from);
        reference(&want, s, at);
        bad += differs(&got, &want);
        from = at;

        if (at == s->len) {
            return bad;
        }
    }
}


static size_t
put_frame(u_char *p, ngx_uint_t first, const u_char *payload, size_t len)
{
    size_t  i, n, head;

    n = (len < 126) ? 0 : (len < 65536) ? 2 : 8;
    p[0] = first;
    p[1] = 128 + ((n == 0) ? len : (n == 2) ? 126 : 127);
    head = 6 + n;

    for (i = 0; i < n; i++) {
        p[2 + i] = (uint64_t) len >> (8 * (n - 1 - i));
    }

    for (i = 0; i < 4; i++) {
        p[head - 4 + i] = codec_random(256);
    }

    for (i = 0; i < len; i++) {
        p[head + i] = payload[i] ^ p[head - 4 + i % 4];
    }

    return head + len;
}


static void
test_cases(void)
{
    size_t         i, at, bad, used;
    const case_t  *c;

    stream.limit = 100;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        c = &cases[i];
        stream.deflate = c->deflate;
        stream.len = c->raw.len;
        memcpy(stream.data, c->raw.data, stream.len);

        bad = 0;

        for (at = 0; at <= stream.len; at++) {
            bad += read_cut(&stream, at, stream.len);
            bad += (strcmp(got.done, c->want) || got.close != c->close);
        }

        bad += read_cut(&stream, 1, 1);
        bad += (strcmp(got.done, c->want) || got.close != c->close);

        used = bytes_used(&stream);
        bad += (c->close && used != c->used);

        if (!is_int(bad, 0, "%s", c->name)) {
            printf("#   %s, %lu, after %lu\n", got.done,
                   (unsigned long) got.close, (unsigned long) used);
        }
    }
}


/* fed byte by byte, until there is an error */

static size_t
bytes_used(stream_t *s)
{
    size_t                used;
    ngx_push_websocket_t  ws;

    clear(&got);
    memset(&ws, 0, sizeof(ws));
    ws.limit = s->limit;
    ws.deflate = s->deflate;

    for (used = 0; used < s->len; used++) {

        if (feed(&ws, &got, s->data + used, 1) == NGX_ERROR) {
            return used + 1;
        }
    }

    return used;
}


/* every first byte, at the start and inside of a message */

static void
test_first_bytes(void)
{
    int         ch;
    size_t      i, bad, taken;

    static const struct {
        const char  *before;
        size_t       len;
        ngx_uint_t   deflate;
        size_t       taken;
    } v[] = {
        { "", 0, 0, 7 },                        /* 4 of data, 3 of control */
        { "", 0, 1, 11 },                       /* and 4 with RSV1 */
        { "\x02\x81" M "a", 7, 0, 5 },          /* 2 that continue */
        { "\x42\x81" M "a", 7, 1, 5 },
    };

    stream.limit = 100;

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        stream.deflate = v[i].deflate;
        stream.len = v[i].len + 6;
        bad = 0;
        taken = 0;

        for (ch = 0; ch < 256; ch++) {
            memcpy(stream.data, v[i].before, v[i].len);
            (void) put_frame(stream.data + v[i].len, ch, NULL, 0);

            bad += read_cut(&stream, v[i].len, 1);
            taken += (got.rc == NGX_AGAIN);
        }

        is_int(bad, 0, "first bytes %lu", (unsigned long) i);
        is_int(taken, v[i].taken, "those taken");
    }
}


/* each border, exact and one over the limit, cut at every byte */

static void
test_lengths(void)
{
    size_t         i, j, at, bad, len;
    static char    expected[ROOM];
    static u_char  payload[ROOM];

    static const size_t  lengths[] = {
        0, 1, 7, 8, 9, 125, 126, 127, 128, 65535, 65536, 65537
    };

    stream.deflate = 0;

    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        len = lengths[i];

        for (j = 0; j < len; j++) {
            payload[j] = codec_random(256);
        }

        stream.len = put_frame(stream.data, 0x82, payload, len);
        memcpy(expected, "B(", 2);
        memcpy(expected + 2, payload, len);
        expected[len + 2] = ')';

        stream.limit = len;
        bad = 0;

        for (at = 0; at <= stream.len; at++) {
            bad += read_cut(&stream, at, stream.len);
            bad += (got.ndone != len + 3
                    || memcmp(got.done, expected, len + 3) != 0);

            /* in the middle of much there is little to see */

            if (len > 1000 && at > 64 && at + 64 < stream.len) {
                at = ngx_min(at + 520, stream.len - 64);
            }
        }

        is_int(bad, 0, "%lu bytes", (unsigned long) len);

        if (len) {
            stream.limit = len - 1;
            bad = read_cut(&stream, 1, stream.len);
            is_int(got.close + bad, 1009, "one too many");
            is_int(got.ndone + got.nmessage, 0, "none was read");
        }
    }
}


/* words and what is left of them, from any place in mask and memory */

static void
test_masks(void)
{
    u_char                buf[128], *p, *pos;
    size_t                i, len, place, first, bad;
    ngx_str_t             piece;
    ngx_uint_t            last;
    ngx_push_websocket_t  ws;

    bad = 0;

    for (len = 0; len < 80; len++) {
        for (place = 0; place < 8; place++) {
            for (first = 0; first <= len && first < 12; first++) {
                memset(&ws, 0, sizeof(ws));
                ws.limit = len;

                for (i = 0; i < len; i++) {
                    stream.data[i] = codec_random(256);
                }

                p = buf + place;
                pos = p;
                memset(buf, 0xdd, sizeof(buf));
                (void) put_frame(p, 0x82, stream.data, len);

                if (first) {
                    (void) ngx_push_websocket_read(&ws, &pos, p + 6 + first,
                                                   &piece, &last);
                    bad += (piece.data != p + 6 || piece.len != first);
                }

                if (first < len || first == 0) {
                    bad += (ngx_push_websocket_read(&ws, &pos, p + 6 + len,
                                                    &piece, &last) != NGX_OK);
                }

                bad += (!last || pos != p + 6 + len || pos[0] != 0xdd
                        || memcmp(p + 6, stream.data, len) != 0);
            }
        }
    }

    is_int(bad, 0, "masks");
}


/* no sum of lengths wraps around */

static void
test_overflow(void)
{
    size_t                i;
    ngx_push_websocket_t  ws;

    static const uint64_t  sizes[] = { (1ULL << 63) - 4, (1ULL << 63) - 3 };

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        clear(&got);
        memset(&ws, 0, sizeof(ws));
        ws.limit = (size_t) -1;
        feed(&ws, &got, (u_char *) "\x02\x80" M, 6);

        ws.size = sizes[i];
        feed(&ws, &got, (u_char *) "\x00\x84" M "abcd", 10);
        is_int(got.rc, NGX_AGAIN, "a little more");

        feed(&ws, &got, (u_char *) "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
             10);
        is_int(got.close, i ? 1009 : 0, "2^63 - 1 more");
    }

    clear(&got);
    memset(&ws, 0, sizeof(ws));
    ws.limit = 10;
    feed(&ws, &got, (u_char *) "\x02\x85" M "abcde", 11);
    ws.limit = 3;
    feed(&ws, &got, (u_char *) "\x80\x81" M "f", 7);
    is_int(got.close, 1009, "a limit that was lowered");
}


/* a part of a text may end inside a character, its last part does not */

static size_t
random_payload(u_char *p, size_t len, ngx_uint_t text, ngx_uint_t fin)
{
    size_t    i;
    uint32_t  ch;

    for (i = 0; i < len || (text && fin && letters.next < letters.len); i++) {

        if (!text) {
            p[i] = codec_random(256);
            continue;
        }

        if (letters.next == letters.len) {
            ch = codec_random(codec_random(2) ? 0x80 : 0x110000);
            ch = (ch >= 0xd800 && ch <= 0xdfff) ? 'x' : ch;
            letters.len = encode(letters.data, ch);
            letters.next = 0;
        }

        p[i] = letters.data[letters.next++];
    }

    return i;
}


/* nothing in it is wrong; its last message may have no end */

static void
random_stream(stream_t *s)
{
    size_t      n, len;
    u_char      payload[512];
    ngx_uint_t  fin, first, text;

    s->len = 0;
    s->deflate = codec_random(2);
    s->limit = codec_random(3) ? 100000 : codec_random(150);

    letters.next = letters.len = 0;
    text = 0;
    fin = 1;

    for (n = 1 + codec_random(8); n > 0; n--) {

        if (codec_random(4) == 0) {
            len = random_payload(payload, codec_random(126), 0, 1);
            s->len += put_frame(s->data + s->len, 0x88 + codec_random(3),
                                payload, len);
            continue;
        }

        first = 0;

        if (fin) {
            text = (codec_random(3) != 0);
            first = text ? 1 : 2;
            first |= (s->deflate && codec_random(4) == 0) ? 0x40 : 0;
        }

        fin = codec_random(2);
        len = codec_random(codec_random(8) ? 30 : 300);
        len = random_payload(payload, len, text, fin);
        s->len += put_frame(s->data + s->len, first | (fin << 7), payload,
                            len);
    }
}


static void
random_damage(stream_t *s)
{
    size_t  i, n;

    n = codec_random(s->len);

    switch (codec_random(5)) {

    case 0:
        s->data[n] ^= 1 << codec_random(8);
        break;

    case 1:
        s->data[n] = codec_random(256);
        break;

    case 2:
        memmove(s->data + n, s->data + n + 1, --s->len - n);
        break;

    case 3:
        memmove(s->data + n + 1, s->data + n, s->len++ - n);
        break;

    default:
        /* noise, with a good beginning half of the time */

        for (i = codec_random(2) ? 2 : 0; i < s->len; i++) {
            s->data[i] = codec_random(256);
        }
    }
}


static void
test_random(void)
{
    size_t  i, n, bad, refused, good, protocol, data, big;

    bad = refused = good = protocol = data = big = 0;

    for (i = 0; i < 10000; i++) {
        random_stream(&stream);

        n = codec_random(4);

        if (n == 0 && stream.limit == 100000) {
            bad += read_cut(&stream, 0, 0);
            refused += (got.rc != NGX_AGAIN);
            continue;
        }

        while (n--) {
            random_damage(&stream);
        }

        bad += read_cut(&stream, codec_random(stream.len), 0);

        good += (got.close == 0 && got.ndone != 0);
        protocol += (got.close == 1002 && got.ndone != 0);
        data += (got.close == 1007);
        big += (got.close == 1009);
    }

    is_int(bad, 0, "random streams are read as by the reference");
    is_int(refused, 0, "none is refused that nothing was done to");
    ok(good > 200 && protocol > 200 && data > 200 && big > 200,
       "the others end in every way: %lu, %lu, %lu, %lu",
       (unsigned long) good, (unsigned long) protocol, (unsigned long) data,
       (unsigned long) big);
}


static void
test_close_code(void)
{
    size_t      i, n;
    u_char      buf[2];
    ngx_str_t   payload;
    ngx_uint_t  bad, code;

    static const struct {
        ngx_str_t   payload;
        ngx_uint_t  code;
        ngx_uint_t  bad;
    } v[] = {
        { ngx_null_string, 1005, 0 },
        { ngx_string("\x03"), 1002, 1 },
        { ngx_string("\x03\xe8"), 1000, 0 },
        { ngx_string("\x03\xe8" "bye \xe2\x82\xac"), 1000, 0 },
        { ngx_string("\x03\xe8\xe2\x82"), 1007, 1 },
        { ngx_string("\x03\xed\xff"), 1002, 1 },
        { ngx_string("\0\0"), 1002, 1 },
        { ngx_string("\x03\xe7"), 1002, 1 },        /* 999 */
        { ngx_string("\x03\xeb"), 1003, 0 },
        { ngx_string("\x03\xec"), 1002, 1 },        /* 1004 to 1006 */
        { ngx_string("\x03\xed"), 1002, 1 },
        { ngx_string("\x03\xee"), 1002, 1 },
        { ngx_string("\x03\xef"), 1007, 0 },
        { ngx_string("\x03\xf3"), 1011, 0 },
        { ngx_string("\x03\xf6"), 1014, 0 },
        { ngx_string("\x03\xf7"), 1002, 1 },        /* 1015 */
        { ngx_string("\x0b\xb7"), 1002, 1 },        /* 2999 */
        { ngx_string("\x0b\xb8"), 3000, 0 },
        { ngx_string("\x13\x87"), 4999, 0 },
        { ngx_string("\x13\x88"), 1002, 1 },        /* 5000 */
        { ngx_string("\xff\xff"), 1002, 1 },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        bad = 7;
        code = ngx_push_websocket_close_code(
                   codec_str((char *) v[i].payload.data, v[i].payload.len),
                   &bad);
        is_int(code, v[i].code, "code of close %lu", (unsigned long) i);
        is_int(bad, v[i].bad, "close %lu", (unsigned long) i);
    }

    n = 0;

    payload.data = buf;
    payload.len = 2;

    for (i = 0; i < 65536; i++) {
        buf[0] = i >> 8;
        buf[1] = i & 0xff;
        code = ngx_push_websocket_close_code(&payload, &bad);
        n += (!bad && code == i);
    }

    is_int(n, 4 + 8 + 2000, "all codes that may come");
}


static void
test_close(void)
{
    u_char      *p;
    size_t       i, len;
    ngx_str_t   *reason;

    static const struct {
        size_t       fill;
        const char  *tail;
        size_t       len;
    } v[] = {
        { 0, "", 0 },
        { 0, "retry=5", 7 },
        { 123, "", 123 },
        { 124, "", 123 },
        { 1000, "", 123 },
        { 121, "\xc3\xa9", 123 },
        { 122, "\xc3\xa9", 122 },
        { 120, "\xf0\x9f\x98\x80", 120 },
        { 119, "\xf0\x9f\x98\x80", 123 },
        { 3, "\xff" "abc", 3 },
        { 3, "\xe2\x82", 3 },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        len = v[i].fill + strlen(v[i].tail);
        reason = codec_fill('a', len);

        if (len) {
            memcpy(reason->data + v[i].fill, v[i].tail, strlen(v[i].tail));
        }

        p = malloc(4 + v[i].len);
        if (p == NULL) {
            exit(2);
        }

        is_int(ngx_push_websocket_close(p, 4200, reason) - p, 4 + v[i].len,
               "size of reason %lu", (unsigned long) i);
        ok(p[0] == 0x88 && p[1] == v[i].len + 2 && p[2] == 0x10
           && p[3] == 0x68, "its head and code");

        ok(v[i].len == 0 || memcmp(p + 4, reason->data, v[i].len) == 0,
           "the reason");

        free(p);
    }

    p = malloc(2);
    if (p == NULL) {
        exit(2);
    }

    is_int(ngx_push_websocket_close(p, 1005, S("lost")) - p, 2, "no code");
    ok(p[0] == 0x88 && p[1] == 0, "an empty frame");
    free(p);
}


static void
test_head(void)
{
    u_char  *p;
    size_t   i;

    static const struct {
        ngx_uint_t  opcode;
        size_t      len;
        ngx_str_t   want;
    } v[] = {
        { 0x1, 0, ngx_string("\x81\x00") },
        { 0x2, 5, ngx_string("\x82\x05") },
        { 0x9, 125, ngx_string("\x89\x7d") },
        { 0x1, 126, ngx_string("\x81\x7e\x00\x7e") },
        { 0x1, 127, ngx_string("\x81\x7e\x00\x7f") },
        { 0x41, 256, ngx_string("\xc1\x7e\x01\x00") },
        { 0x2, 65535, ngx_string("\x82\x7e\xff\xff") },
        { 0x42, 65536, ngx_string("\xc2\x7f\0\0\0\0\0\x01\0\0") },
#if (NGX_PTR_SIZE == 8)
        { 0x2, 0x123456789a, ngx_string("\x82\x7f\0\0\0\x12\x34\x56\x78"
          "\x9a") },
#endif
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        p = malloc(v[i].want.len);
        if (p == NULL) {
            exit(2);
        }

        is_int(ngx_push_websocket_head(p, v[i].opcode, v[i].len) - p,
               v[i].want.len, "size of head %lu", (unsigned long) i);
        ok(memcmp(p, v[i].want.data, v[i].want.len) == 0, "its bytes");
        free(p);
    }
}


static void
test_key(void)
{
    size_t      i;
    ngx_str_t   accept;

    static const struct {
        const char  *key;
        ngx_int_t    rc;
    } v[] = {
        { "dGhlIHNhbXBsZSBub25jZQ==", NGX_OK },
        { "AAAAAAAAAAAAAAAAAAAAAA==", NGX_OK },
        { "+/+/+/+/+/+/+/+/+/+/+w==", NGX_OK },
        { "", NGX_DECLINED },
        { "==", NGX_DECLINED },
        { "dGhlIHNhbXBsZSBub25jZQ", NGX_DECLINED },
        { "dGhlIHNhbXBsZSBub25jZQ=", NGX_DECLINED },
        { "dGhlIHNhbXBsZSBub25jZQ===", NGX_DECLINED },
        { "dGhlIHNhbXBsZSBub25jZQ=A", NGX_DECLINED },
        { "dGhlIHNhbXBsZSBub25jZQA=", NGX_DECLINED },
        { "dGhlIHNhbXBsZSBub25jZQAA", NGX_DECLINED },
        { "dGhlIHNhbXBsZSBub25jZ===", NGX_DECLINED },
        { "dGhlIHNhbXBsZSBub25j====", NGX_DECLINED },
        { "dGhlIHNhbXBs=SBub25jZQ==", NGX_DECLINED },
        { "dGhlIHNhbXBsZSBub25jZ ==", NGX_DECLINED },
        { " dGhlIHNhbXBsZSBub25jZQ==", NGX_DECLINED },
        { "-_-_-_-_-_-_-_-_-_-_-w==", NGX_DECLINED },
        { "========================", NGX_DECLINED },
        { "dGhlIHNhbXBsZSBub25jZSBtb3Jl", NGX_DECLINED },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        is_int(ngx_push_websocket_key(codec_str(v[i].key, strlen(v[i].key))),
               v[i].rc, "key %lu", (unsigned long) i);
    }

    /* RFC 6455, 1.3 */

    accept = *codec_fill('x', NGX_PUSH_WEBSOCKET_ACCEPT);
    is_int(ngx_push_websocket_accept(accept.data,
                                     S("dGhlIHNhbXBsZSBub25jZQ=="))
           - accept.data, NGX_PUSH_WEBSOCKET_ACCEPT, "size of the answer");
    is_str(&accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "the answer");
}
