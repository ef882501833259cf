
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push.h"
#include "ngx_push_json.h"


/* short answers in JSON, and headers of requests and responses */


typedef struct {
    ngx_uint_t   status;
    ngx_str_t    title;
} ngx_http_push_title_t;


static ngx_int_t ngx_http_push_later(ngx_http_request_t *r, char *slug,
    char *detail, ngx_str_t *more);
static ngx_str_t *ngx_http_push_join_values(ngx_pool_t *pool, ngx_str_t *a,
    ngx_str_t *b);
static ngx_table_elt_t *ngx_http_push_find_header(ngx_list_t *headers,
    u_char *name, size_t len);


/* RFC 9110, 15; RFC 6585; RFC 4918 */

static ngx_http_push_title_t  ngx_http_push_titles[] = {
    { 400, ngx_string("Bad Request") },
    { 401, ngx_string("Unauthorized") },
    { 403, ngx_string("Forbidden") },
    { 404, ngx_string("Not Found") },
    { 405, ngx_string("Method Not Allowed") },
    { 406, ngx_string("Not Acceptable") },
    { 409, ngx_string("Conflict") },
    { 411, ngx_string("Length Required") },
    { 412, ngx_string("Precondition Failed") },
    { 413, ngx_string("Content Too Large") },
    { 414, ngx_string("URI Too Long") },
    { 415, ngx_string("Unsupported Media Type") },
    { 421, ngx_string("Misdirected Request") },
    { 426, ngx_string("Upgrade Required") },
    { 429, ngx_string("Too Many Requests") },
    { 500, ngx_string("Internal Server Error") },
    { 501, ngx_string("Not Implemented") },
    { 502, ngx_string("Bad Gateway") },
    { 503, ngx_string("Service Unavailable") },
    { 504, ngx_string("Gateway Timeout") },
    { 507, ngx_string("Insufficient Storage") },
    { 0, ngx_string("Error") }
};


ngx_int_t
ngx_http_push_problem(ngx_http_request_t *r, ngx_uint_t status, char *slug,
    char *detail, ngx_str_t *more)
{
    ngx_str_t  *body, type = ngx_string("application/problem+json");

    body = ngx_http_push_problem_body(r, status, slug, detail, more);
    if (body == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* a body that is not wanted is not asked for */

    r->expect_tested = 1;

    if (status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {
        r->keepalive = 0;
    }

    return ngx_http_push_answer(r, status, &type, body);
}


ngx_str_t *
ngx_http_push_problem_body(ngx_http_request_t *r, ngx_uint_t status,
    char *slug, char *detail, ngx_str_t *more)
{
    u_char     *p;
    size_t      len;
    ngx_str_t  *body, *title, text;

    text.data = (u_char *) detail;
    text.len = ngx_strlen(detail);

    title = ngx_http_push_title(status);

    len = sizeof("{\"type\":\"urn:ngx-push:problem:\",\"title\":\"\","
                 "\"status\":,\"detail\":}") - 1
          + ngx_strlen(slug) + title->len + NGX_INT_T_LEN
          + ngx_push_json_string_size(&text) + (more ? more->len : 0);

    body = ngx_palloc(r->pool, sizeof(ngx_str_t));
    if (body == NULL) {
        return NULL;
    }

    body->data = ngx_pnalloc(r->pool, len);
    if (body->data == NULL) {
        return NULL;
    }

    p = ngx_sprintf(body->data, "{\"type\":\"urn:ngx-push:problem:%s\","
                    "\"title\":\"%V\",\"status\":%ui,\"detail\":",
                    slug, title, status);

    p = ngx_push_json_string(p, &text);

    if (more) {
        p = ngx_cpymem(p, more->data, more->len);
    }

    *p++ = '}';
    body->len = p - body->data;

    return body;
}


ngx_int_t
ngx_http_push_answer(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body)
{
    ngx_int_t    rc;
    ngx_str_t    value = ngx_string("no-store");
    ngx_buf_t   *b;
    ngx_chain_t  out;

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }

    if (ngx_http_push_response_header(r, "Cache-Control") == NULL
        && ngx_http_push_header(r, "Cache-Control", &value) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.content_length_n = body->len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


ngx_int_t
ngx_http_push_stream(ngx_http_request_t *r, ngx_str_t *type)
{
    ngx_str_t         cache = ngx_string("no-store, no-transform");
    ngx_str_t         buffering = ngx_string("no");
    ngx_table_elt_t  *h;

    /*
     * Filters that compress, or change the charset, let go of what has an
     * encoding, also of this one, which is in no list and never sent.
     */

    h = ngx_pcalloc(r->pool, sizeof(ngx_table_elt_t));
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&h->key, "Content-Encoding");
    ngx_str_set(&h->value, "identity");

    /* an error_page that leads here is an error no more */

    r->err_status = 0;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_encoding = h;
    r->allow_ranges = 0;

    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;

    if (ngx_http_push_header(r, "Cache-Control", &cache) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_push_header(r, "X-Accel-Buffering", &buffering);
}


ngx_int_t
ngx_http_push_unavailable(ngx_http_request_t *r)
{
    return ngx_http_push_later(r, "unavailable",
                               "not available now, try again later", NULL);
}


ngx_int_t
ngx_http_push_away(ngx_http_request_t *r, ngx_str_t *more)
{
    return ngx_http_push_later(r, "backplane-unavailable",
                               "the backplane did not answer: what was asked "
                               "for may have been done all the same", more);
}


static ngx_int_t
ngx_http_push_later(ngx_http_request_t *r, char *slug, char *detail,
    ngx_str_t *more)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (value.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%M",
                            (ngx_http_push_retry(r) + 999) / 1000)
                - value.data;

    if (ngx_http_push_header(r, "Retry-After", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_push_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE, slug,
                                 detail, more);
}


ngx_int_t
ngx_http_push_bad_position(ngx_http_request_t *r)
{
    return ngx_http_push_problem(r, NGX_HTTP_BAD_REQUEST, "bad-position",
                                 "the position to start from is malformed",
                                 NULL);
}


ngx_int_t
ngx_http_push_not_allowed(ngx_http_request_t *r, char *methods)
{
    ngx_str_t  value;

    value.data = (u_char *) methods;
    value.len = ngx_strlen(methods);

    if (ngx_http_push_header(r, "Allow", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_push_problem(r, NGX_HTTP_NOT_ALLOWED,
                                 "method-not-allowed",
                                 "the method is not one of those in Allow",
                                 NULL);
}


ngx_int_t
ngx_http_push_header(ngx_http_request_t *r, char *name, ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_http_push_response_header(r, name);

    if (h == NULL) {
        h = ngx_list_push(&r->headers_out.headers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        h->hash = 1;
        h->key.data = (u_char *) name;
        h->key.len = ngx_strlen(name);
        h->lowcase_key = NULL;

#if (nginx_version >= 1023000)
        h->next = NULL;
#endif
    }

    h->value = *value;

    return NGX_OK;
}


ngx_table_elt_t *
ngx_http_push_response_header(ngx_http_request_t *r, char *name)
{
    return ngx_http_push_find_header(&r->headers_out.headers, (u_char *) name,
                                     ngx_strlen(name));
}


ngx_str_t *
ngx_http_push_request_header(ngx_http_request_t *r, char *name)
{
    ngx_table_elt_t  *h;

    h = ngx_http_push_find_header(&r->headers_in.headers, (u_char *) name,
                                  ngx_strlen(name));

    return h ? &h->value : NULL;
}


ngx_str_t *
ngx_http_push_request_list(ngx_http_request_t *r, char *name)
{
    size_t            len;
    ngx_str_t        *list;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    list = NULL;
    len = ngx_strlen(name);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len != len
                || ngx_strncasecmp(h[i].key.data, (u_char *) name, len) != 0)
            {
                continue;
            }

            list = list ? ngx_http_push_join_values(r->pool, list, &h[i].value)
                        : &h[i].value;

            if (list == NULL) {
                return NULL;
            }
        }
    }

    return list;
}


static ngx_str_t *
ngx_http_push_join_values(ngx_pool_t *pool, ngx_str_t *a, ngx_str_t *b)
{
    u_char     *p;
    ngx_str_t  *all;

    all = ngx_palloc(pool, sizeof(ngx_str_t));
    if (all == NULL) {
        return NULL;
    }

    all->len = a->len + 1 + b->len;

    p = ngx_pnalloc(pool, all->len);
    if (p == NULL) {
        return NULL;
    }

    all->data = p;

    p = ngx_cpymem(p, a->data, a->len);
    *p++ = ',';
    ngx_memcpy(p, b->data, b->len);

    return all;
}


ngx_str_t *
ngx_http_push_title(ngx_uint_t status)
{
    ngx_http_push_title_t  *t;

    for (t = ngx_http_push_titles; t->status; t++) {
        if (t->status == status) {
            break;
        }
    }

    return &t->title;
}


static ngx_table_elt_t *
ngx_http_push_find_header(ngx_list_t *headers, u_char *name, size_t len)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &headers->part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash
                && h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, name, len) == 0)
            {
                return &h[i];
            }
        }
    }

    return NULL;
}
