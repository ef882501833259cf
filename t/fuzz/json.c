
/*
 * Copyright (C) The ngx_push_module authors
 *
 * Any bytes make a JSON string; what is a JSON value stays the same value
 * on one line; an envelope around either is one line of JSON.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>

#include "ngx_push_envelope.h"
#include "ngx_push_json.h"
#include "ngx_push_utf8.h"


#define FLAGS  (JSON_DECODE_ANY|JSON_DECODE_INT_AS_REAL|JSON_ALLOW_NUL)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void check_string(ngx_str_t *s);
static void check_compact(ngx_str_t *s);
static void check_envelope(ngx_str_t *s, char *content_type);
static void one_line(u_char *p, size_t len);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t  s;

    s.data = (u_char *) data;
    s.len = size;

    check_string(&s);

    if (ngx_push_json_valid(s.data, s.len) == NGX_OK) {
        check_compact(&s);
    }

    check_envelope(&s, "application/json");
    check_envelope(&s, "text/plain");

    return 0;
}


static void
one_line(u_char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (p[i] < ' ') {
            abort();
        }
    }
}


static void
check_string(ngx_str_t *s)
{
    u_char  *p;
    size_t   len;
    json_t  *value;

    len = ngx_push_json_string_size(s);

    p = malloc(len);
    if (p == NULL || ngx_push_json_string(p, s) != p + len) {
        abort();
    }

    one_line(p, len);

    value = json_loadb((char *) p, len, FLAGS, NULL);
    if (!json_is_string(value)) {
        abort();
    }

    if (ngx_push_utf8_valid(s->data, s->len) == NGX_OK
        && (json_string_length(value) != s->len
            || memcmp(json_string_value(value), s->data, s->len) != 0))
    {
        abort();
    }

    json_decref(value);
    free(p);
}


static void
check_compact(ngx_str_t *s)
{
    u_char  *p, *last;
    json_t  *was, *is;

    p = malloc(s->len);
    if (p == NULL) {
        abort();
    }

    last = ngx_push_json_compact(p, s->data, s->len);
    one_line(p, last - p);

    was = json_loadb((char *) s->data, s->len, FLAGS, NULL);
    is = json_loadb((char *) p, last - p, FLAGS, NULL);

    if (is == NULL || !json_equal(was, is)
        || ngx_push_json_compact(p, p, last - p) != last)
    {
        abort();
    }

    json_decref(was);
    json_decref(is);
    free(p);
}


static void
check_envelope(ngx_str_t *s, char *content_type)
{
    u_char               *p, *last;
    size_t                size;
    json_t               *value;
    ngx_push_envelope_t   e;

    memset(&e, 0, sizeof(e));
    e.channel = *s;
    e.event = *s;
    e.body = *s;
    e.content_type.data = (u_char *) content_type;
    e.content_type.len = strlen(content_type);
    e.text = ngx_push_utf8_valid(s->data, s->len) == NGX_OK;

    size = ngx_push_envelope_size(&e);

    p = malloc(size);
    if (p == NULL) {
        abort();
    }

    last = ngx_push_envelope(p, &e);

    if (last > p + size) {
        abort();
    }

    one_line(p, last - p);

    value = json_loadb((char *) p, last - p, FLAGS, NULL);

    /* a body of just less than jansson's depth is too deep for it inside */

    if (!json_is_object(value) && size < 2048) {
        abort();
    }

    if (value && !json_object_get(value, e.text ? "data" : "data_base64")) {
        abort();
    }

    json_decref(value);
    free(p);
}
