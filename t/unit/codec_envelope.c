
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include <jansson.h>
#include "ngx_push_envelope.h"
#include "ngx_push_utf8.h"


#define HEAD  "{\"type\":\"message\",\"channel\":\"news\",\"id\":\"e-1\""
#define TIME  ",\"time\":\"2026-01-02T03:04:05.678Z\""


static ngx_str_t write_envelope(ngx_push_envelope_t *e);
static void start(ngx_push_envelope_t *e);
static void is_envelope(ngx_push_envelope_t *e, const char *want,
    const char *name);
static void test_members(void);
static void test_data(void);
static void test_random(void);
static int same(json_t *envelope, ngx_push_envelope_t *e);
static int same_member(json_t *envelope, const char *name, ngx_str_t *value);


int
main(void)
{
    codec_seed();

    test_members();
    test_data();
    test_random();

    return done();
}


/* in memory of the size that was announced */

static ngx_str_t
write_envelope(ngx_push_envelope_t *e)
{
    size_t     size;
    ngx_str_t  out;

    size = ngx_push_envelope_size(e);
    out.data = malloc(size);

    if (out.data == NULL) {
        exit(2);
    }

    out.len = ngx_push_envelope(out.data, e) - out.data;

    if (out.len > size) {
        printf("Bail out! an envelope is longer than announced\n");
        exit(2);
    }

    return out;
}


static void
start(ngx_push_envelope_t *e)
{
    memset(e, 0, sizeof(ngx_push_envelope_t));
    ngx_str_set(&e->channel, "news");
    ngx_str_set(&e->id, "e-1");
    e->time = 1767323045678ULL;
    e->text = 1;
}


static void
is_envelope(ngx_push_envelope_t *e, const char *want, const char *name)
{
    ngx_str_t  got;

    got = write_envelope(e);
    is_str(&got, want, "%s", name);
    free(got.data);
}


static void
test_members(void)
{
    ngx_push_envelope_t  e;

    start(&e);
    is_envelope(&e, HEAD TIME ",\"data\":\"\"}", "as few members as possible");

    ngx_str_set(&e.position, "c.1");
    ngx_str_set(&e.event, "move \"x\"");
    ngx_str_set(&e.topic, "t:1");
    ngx_str_set(&e.user, "alice\n");
    ngx_str_set(&e.content_type, "text/plain");
    ngx_str_set(&e.body, "hello");

    is_envelope(&e, HEAD ",\"position\":\"c.1\",\"event\":\"move \\\"x\\\"\""
                ",\"topic\":\"t:1\",\"user\":\"alice\\n\"" TIME
                ",\"content_type\":\"text/plain\",\"data\":\"hello\"}",
                "all members, in order");
}


static void
test_data(void)
{
    ngx_push_envelope_t  e;

    start(&e);
    ngx_str_set(&e.body, "{ \"a\": [1, 2],\n\"b\": \"x y\" }");
    is_envelope(&e, HEAD TIME
                ",\"data\":\"{ \\\"a\\\": [1, 2],\\n"
                "\\\"b\\\": \\\"x y\\\" }\"}",
                "JSON without its type is a string");

    ngx_str_set(&e.content_type, "application/json; charset=utf-8");
    is_envelope(&e, HEAD TIME
                ",\"content_type\":\"application/json; charset=utf-8\""
                ",\"data\":{\"a\":[1,2],\"b\":\"x y\"}}",
                "JSON with its type is a value, on one line");

    ngx_str_set(&e.content_type, "a/b+json");
    ngx_str_set(&e.body, " 12345678901234567890 ");
    is_envelope(&e, HEAD TIME ",\"content_type\":\"a/b+json\""
                ",\"data\":12345678901234567890}", "a number keeps its digits");

    ngx_str_set(&e.body, "{\"a\":}");
    is_envelope(&e, HEAD TIME ",\"content_type\":\"a/b+json\""
                ",\"data\":\"{\\\"a\\\":}\"}", "what is no JSON is a string");

    ngx_str_null(&e.body);
    is_envelope(&e, HEAD TIME ",\"content_type\":\"a/b+json\",\"data\":\"\"}",
                "and so is nothing");

    ngx_str_set(&e.body, "1");
    e.text = 0;
    is_envelope(&e, HEAD TIME ",\"content_type\":\"a/b+json\""
                ",\"data_base64\":\"MQ==\"}", "what is no text is base64");

    ngx_str_null(&e.body);
    is_envelope(&e, HEAD TIME ",\"content_type\":\"a/b+json\""
                ",\"data_base64\":\"\"}", "also nothing");

    start(&e);
    ngx_str_set(&e.body, "a\r\nb");
    is_envelope(&e, HEAD TIME ",\"data\":\"a\\r\\nb\"}",
                "a string keeps its line breaks");
}


static int
same_member(json_t *envelope, const char *name, ngx_str_t *value)
{
    json_t  *member;

    member = json_object_get(envelope, name);

    if (value->len == 0) {
        return member == NULL;
    }

    return json_is_string(member)
           && json_string_length(member) == value->len
           && memcmp(json_string_value(member), value->data, value->len) == 0;
}


static int
same(json_t *envelope, ngx_push_envelope_t *e)
{
    u_char      base64[512];
    json_t     *data;
    ngx_str_t   want;

    if (!same_member(envelope, "channel", &e->channel)
        || !same_member(envelope, "id", &e->id)
        || !same_member(envelope, "position", &e->position)
        || !same_member(envelope, "event", &e->event)
        || !same_member(envelope, "topic", &e->topic)
        || !same_member(envelope, "user", &e->user)
        || !same_member(envelope, "content_type", &e->content_type))
    {
        return 0;
    }

    data = json_object_get(envelope, "data");

    if (!e->text) {
        want.data = base64;
        want.len = 0;

        if (e->body.len) {
            ngx_encode_base64(&want, &e->body);
        }

        data = json_object_get(envelope, "data_base64");

        return json_object_get(envelope, "data") == NULL
               && json_is_string(data)
               && json_string_length(data) == want.len
               && memcmp(json_string_value(data), base64, want.len) == 0;
    }

    return json_is_string(data)
           && json_object_get(envelope, "data_base64") == NULL
           && json_string_length(data) == e->body.len
           && memcmp(json_string_value(data), e->body.data ? e->body.data
                                                  : (u_char *) "",
                     e->body.len) == 0;
}


/* whatever the values hold, the envelope is one line of JSON with them */

static void
test_random(void)
{
    char                  buf[128];
    size_t                i, j, k, len, bad, texts;
    json_t               *envelope;
    ngx_str_t            *values[8], got;
    ngx_push_envelope_t   e;

    values[0] = &e.channel;
    values[1] = &e.id;
    values[2] = &e.position;
    values[3] = &e.event;
    values[4] = &e.topic;
    values[5] = &e.user;
    values[6] = &e.content_type;
    values[7] = &e.body;

    bad = 0;
    texts = 0;

    for (i = 0; i < 5000; i++) {
        memset(&e, 0, sizeof(e));

        for (j = 0; j < 8; j++) {
            len = codec_random(3) ? codec_random(sizeof(buf)) : 0;

            for (k = 0; k < len; k++) {
                buf[k] = codec_random(j == 7 && (i & 1) ? 256 : 128);
            }

            *values[j] = *codec_str(buf, len);
        }

        e.time = i;
        e.text = ngx_push_utf8_valid(e.body.data, e.body.len) == NGX_OK;
        texts += e.text;

        got = write_envelope(&e);
        envelope = json_loadb((char *) got.data, got.len, JSON_ALLOW_NUL, NULL);

        bad += (envelope == NULL || !same(envelope, &e));
        bad += (memchr(got.data, '\n', got.len) != NULL
                || memchr(got.data, '\r', got.len) != NULL);

        json_decref(envelope);
        free(got.data);
    }

    is_int(bad, 0, "random envelopes");
    ok(texts > 2000 && texts < 4800, "with text and without");
}
