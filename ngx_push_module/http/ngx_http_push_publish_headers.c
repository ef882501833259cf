
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_publish.h"
#include "ngx_push_header.h"
#include "ngx_push_utf8.h"


/* the request headers of a publish */


#define NGX_HTTP_PUSH_WORD_MAX  255
#define NGX_HTTP_PUSH_KEY_MAX   128

#define ngx_http_push_field(name, handler)                                   \
    { ngx_string(name), handler, name " is there twice" }


/* NULL, or what is wrong */

typedef char *(*ngx_http_push_field_pt)(ngx_push_publish_t *p,
    ngx_str_t *value);


typedef struct {
    ngx_str_t                name;
    ngx_http_push_field_pt   handler;
    char                    *twice;
} ngx_http_push_field_t;


static ngx_uint_t ngx_http_push_field_index(ngx_str_t *name);
static char *ngx_http_push_content_type(ngx_push_publish_t *p,
    ngx_str_t *value);
static char *ngx_http_push_event(ngx_push_publish_t *p, ngx_str_t *value);
static char *ngx_http_push_ttl(ngx_push_publish_t *p, ngx_str_t *value);
static char *ngx_http_push_topic(ngx_push_publish_t *p, ngx_str_t *value);
static char *ngx_http_push_end(ngx_push_publish_t *p, ngx_str_t *value);
static char *ngx_http_push_key(ngx_push_publish_t *p, ngx_str_t *value);
static char *ngx_http_push_if_match(ngx_push_publish_t *p, ngx_str_t *value);
static char *ngx_http_push_if_none_match(ngx_push_publish_t *p,
    ngx_str_t *value);


static ngx_http_push_field_t  ngx_http_push_fields[] = {
    ngx_http_push_field("Content-Type", ngx_http_push_content_type),
    ngx_http_push_field("Push-Event", ngx_http_push_event),
    ngx_http_push_field("TTL", ngx_http_push_ttl),
    ngx_http_push_field("Topic", ngx_http_push_topic),
    ngx_http_push_field("Push-End", ngx_http_push_end),
    ngx_http_push_field("Idempotency-Key", ngx_http_push_key),
    ngx_http_push_field("If-Match", ngx_http_push_if_match),
    ngx_http_push_field("If-None-Match", ngx_http_push_if_none_match),
    { ngx_null_string, NULL, NULL }
};


char *
ngx_http_push_publish_headers(ngx_http_request_t *r, ngx_push_publish_t *p)
{
    char             *bad;
    ngx_uint_t        i, n, seen;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    p->ttl = NGX_PUSH_NO_TTL;
    seen = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            n = ngx_http_push_field_index(&h[i].key);

            if (h[i].hash == 0 || ngx_http_push_fields[n].handler == NULL) {
                continue;
            }

            if (seen & ((ngx_uint_t) 1 << n)) {
                return ngx_http_push_fields[n].twice;
            }

            seen |= (ngx_uint_t) 1 << n;

            bad = ngx_http_push_fields[n].handler(p, &h[i].value);

            if (bad) {
                return bad;
            }
        }
    }

    return NULL;
}


/* of another header, the place of the end */

static ngx_uint_t
ngx_http_push_field_index(ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_http_push_field_t  *field;

    field = ngx_http_push_fields;

    for (i = 0; field[i].handler; i++) {
        if (field[i].name.len == name->len
            && ngx_strncasecmp(field[i].name.data, name->data, name->len)
               == 0)
        {
            break;
        }
    }

    return i;
}


static char *
ngx_http_push_content_type(ngx_push_publish_t *p, ngx_str_t *value)
{
    if (value->len > NGX_HTTP_PUSH_WORD_MAX
        || ngx_push_utf8_valid(value->data, value->len) != NGX_OK)
    {
        return "Content-Type is not valid";
    }

    p->content_type = *value;

    return NULL;
}


static char *
ngx_http_push_event(ngx_push_publish_t *p, ngx_str_t *value)
{
    if (ngx_push_header_event(value) != NGX_OK) {
        return "Push-Event is not valid";
    }

    p->event = *value;

    return NULL;
}


static char *
ngx_http_push_ttl(ngx_push_publish_t *p, ngx_str_t *value)
{
    if (ngx_push_header_ttl(value, &p->ttl) != NGX_OK) {
        return "TTL is not a number of seconds";
    }

    return NULL;
}


static char *
ngx_http_push_topic(ngx_push_publish_t *p, ngx_str_t *value)
{
    if (ngx_push_header_topic(value) != NGX_OK) {
        return "Topic is not valid";
    }

    p->topic = *value;

    return NULL;
}


static char *
ngx_http_push_end(ngx_push_publish_t *p, ngx_str_t *value)
{
    ngx_uint_t  end;

    if (ngx_push_header_flag(value, &end) != NGX_OK) {
        return "Push-End is neither true nor false";
    }

    p->end = end;

    return NULL;
}


static char *
ngx_http_push_key(ngx_push_publish_t *p, ngx_str_t *value)
{
    if (ngx_push_header_unquote(value, &p->key) != NGX_OK
        || p->key.len == 0
        || p->key.len > NGX_HTTP_PUSH_KEY_MAX)
    {
        return "Idempotency-Key is not valid";
    }

    return NULL;
}


static char *
ngx_http_push_if_match(ngx_push_publish_t *p, ngx_str_t *value)
{
    ngx_str_t  tag;

    if (p->ntargets > 1) {
        return "If-Match needs a single channel";
    }

    if (ngx_push_header_etag(value, &tag) != NGX_OK) {
        return "If-Match is not an id";
    }

    if (tag.len == 1 && tag.data[0] == '*') {
        p->some = 1;
        return NULL;
    }

    p->matching = 1;

    /* an id that is not one of ours matches nothing: no number is 0 */

    if (ngx_push_id_parse(&tag, &p->match) != NGX_OK) {
        p->match.seq = 0;
    }

    return NULL;
}


static char *
ngx_http_push_if_none_match(ngx_push_publish_t *p, ngx_str_t *value)
{
    if (value->len != 1 || value->data[0] != '*') {
        return "If-None-Match of a publish can only be *";
    }

    p->first = 1;

    return NULL;
}
