
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_envelope.h"
#include "ngx_push_json.h"
#include "ngx_push_time.h"


#define ngx_push_envelope_put(p, s)  ngx_cpymem(p, s, sizeof(s) - 1)

#define ngx_push_envelope_member(name, field)                                 \
    { ngx_string(",\"" name "\":"), offsetof(ngx_push_envelope_t, field) }

#define NGX_PUSH_ENVELOPE_TYPE    "{\"type\":\"message\""
#define NGX_PUSH_ENVELOPE_TIME    ",\"time\":\""
#define NGX_PUSH_ENVELOPE_DATA    ",\"data\":"
#define NGX_PUSH_ENVELOPE_BASE64  ",\"data_base64\":\""


typedef struct {
    ngx_str_t   name;
    ngx_uint_t  offset;
} ngx_push_envelope_member_t;


static size_t ngx_push_envelope_member_size(ngx_push_envelope_t *e,
    ngx_push_envelope_member_t *m);
static u_char *ngx_push_envelope_put_member(u_char *p,
    ngx_push_envelope_t *e, ngx_push_envelope_member_t *m);
static u_char *ngx_push_envelope_data(u_char *p, ngx_push_envelope_t *e);
static u_char *ngx_push_envelope_base64(u_char *p, ngx_str_t *body);


static ngx_push_envelope_member_t  ngx_push_envelope_members[] = {
    ngx_push_envelope_member("channel", channel),
    ngx_push_envelope_member("id", id),
    ngx_push_envelope_member("position", position),
    ngx_push_envelope_member("event", event),
    ngx_push_envelope_member("topic", topic),
    ngx_push_envelope_member("user", user),
    { ngx_null_string, 0 }
};


static ngx_push_envelope_member_t  ngx_push_envelope_content_type =
    ngx_push_envelope_member("content_type", content_type);


size_t
ngx_push_envelope_size(ngx_push_envelope_t *e)
{
    size_t                       size;
    ngx_push_envelope_member_t  *m;

    size = sizeof(NGX_PUSH_ENVELOPE_TYPE) - 1
           + sizeof(NGX_PUSH_ENVELOPE_TIME "\"") - 1 + NGX_PUSH_TIME_LEN
           + sizeof("}") - 1;

    for (m = ngx_push_envelope_members; m->name.len; m++) {
        size += ngx_push_envelope_member_size(e, m);
    }

    size += ngx_push_envelope_member_size(e, &ngx_push_envelope_content_type);

    if (!e->text) {
        return size + sizeof(NGX_PUSH_ENVELOPE_BASE64 "\"") - 1
               + ngx_base64_encoded_length(e->body.len);
    }

    /* a JSON value is shorter as it is than as a string */

    return size + sizeof(NGX_PUSH_ENVELOPE_DATA) - 1
           + ngx_push_json_string_size(&e->body);
}


u_char *
ngx_push_envelope(u_char *p, ngx_push_envelope_t *e)
{
    ngx_push_envelope_member_t  *m;

    p = ngx_push_envelope_put(p, NGX_PUSH_ENVELOPE_TYPE);

    for (m = ngx_push_envelope_members; m->name.len; m++) {
        p = ngx_push_envelope_put_member(p, e, m);
    }

    p = ngx_push_envelope_put(p, NGX_PUSH_ENVELOPE_TIME);
    p = ngx_push_time_rfc3339(p, e->time);
    *p++ = '"';

    p = ngx_push_envelope_put_member(p, e, &ngx_push_envelope_content_type);

    if (e->text) {
        p = ngx_push_envelope_data(p, e);

    } else {
        p = ngx_push_envelope_base64(p, &e->body);
    }

    *p++ = '}';

    return p;
}


static size_t
ngx_push_envelope_member_size(ngx_push_envelope_t *e,
    ngx_push_envelope_member_t *m)
{
    ngx_str_t  *value;

    value = (ngx_str_t *) ((u_char *) e + m->offset);

    if (value->len == 0) {
        return 0;
    }

    return m->name.len + ngx_push_json_string_size(value);
}


static u_char *
ngx_push_envelope_put_member(u_char *p, ngx_push_envelope_t *e,
    ngx_push_envelope_member_t *m)
{
    ngx_str_t  *value;

    value = (ngx_str_t *) ((u_char *) e + m->offset);

    if (value->len == 0) {
        return p;
    }

    p = ngx_cpymem(p, m->name.data, m->name.len);

    return ngx_push_json_string(p, value);
}


static u_char *
ngx_push_envelope_data(u_char *p, ngx_push_envelope_t *e)
{
    p = ngx_push_envelope_put(p, NGX_PUSH_ENVELOPE_DATA);

    if (ngx_push_content_is_json(&e->content_type)
        && ngx_push_json_valid(e->body.data, e->body.len) == NGX_OK)
    {
        return ngx_push_json_compact(p, e->body.data, e->body.len);
    }

    return ngx_push_json_string(p, &e->body);
}


static u_char *
ngx_push_envelope_base64(u_char *p, ngx_str_t *body)
{
    ngx_str_t  data;

    p = ngx_push_envelope_put(p, NGX_PUSH_ENVELOPE_BASE64);

    if (body->len) {
        data.data = p;
        ngx_encode_base64(&data, body);
        p += data.len;
    }

    *p++ = '"';

    return p;
}
