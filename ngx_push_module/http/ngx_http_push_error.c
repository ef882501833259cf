
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_error.h"


/* what an error is answered with instead */


#define NGX_HTTP_PUSH_RETRY_SIZE  (sizeof("retry: \n\n") + NGX_INT64_LEN)


typedef struct {
    ngx_uint_t   status;
    char        *slug;
    char        *detail;
} ngx_http_push_error_page_t;


static void ngx_http_push_error_clear(ngx_http_request_t *r);
static ngx_http_push_error_page_t *ngx_http_push_error_page(
    ngx_uint_t status);


static ngx_http_push_error_page_t  ngx_http_push_error_pages[] = {
    { 401, "unauthorized", "credentials are needed" },
    { 403, "forbidden", "this client is not let in" },
    { 404, "not-found", "there is nothing here" },
    { 405, "method-not-allowed", "the method is not allowed" },
    { 406, "not-acceptable", "there is no acceptable representation" },
    { 413, "message-too-large", "the body of the request is too large" },
    { 429, "limit-reached", "too many requests, try again later" },
    { 503, "unavailable", "not available now, try again later" },
    { 0, NULL, NULL }
};


static ngx_http_push_error_page_t  ngx_http_push_error_4xx = {
    0, "bad-request", "the request cannot be served"
};

static ngx_http_push_error_page_t  ngx_http_push_error_5xx = {
    0, "internal-error", "the request failed"
};


/* headers that belong to the answer that is not sent */

static char  *ngx_http_push_error_headers[] = {
    "Content-Length", "Content-Encoding", "Content-Disposition",
    "Content-Language", "Content-Range", "Accept-Ranges", "ETag",
    "Last-Modified", "Cache-Control", "Expires", "Location", "Refresh",
    "Retry-After", NULL
};


ngx_int_t
ngx_http_push_error_to_retry(ngx_http_request_t *r, ngx_http_push_error_t *e)
{
    ngx_str_t  type = ngx_string("text/event-stream");

    e->body.data = ngx_pnalloc(r->pool, NGX_HTTP_PUSH_RETRY_SIZE);
    if (e->body.data == NULL) {
        return NGX_ERROR;
    }

    e->body.len = ngx_sprintf(e->body.data, "retry: %M\n\n",
                              ngx_http_push_retry(r))
                  - e->body.data;
    e->retry = 1;
    e->ready = 1;

    ngx_http_push_error_clear(r);

    r->headers_out.status_line.len = 0;

    if (ngx_http_push_stream(r, &type) != NGX_OK) {
        return NGX_ERROR;
    }

    r->headers_out.content_length_n = e->body.len;

    return ngx_http_push_cors(r);
}


ngx_int_t
ngx_http_push_error_to_problem(ngx_http_request_t *r,
    ngx_http_push_error_t *e)
{
    ngx_str_t                   *body, second = ngx_string("1");
    ngx_str_t                    cache = ngx_string("no-store");
    ngx_uint_t                   status;
    ngx_http_push_error_page_t  *page;

    status = r->headers_out.status;
    page = ngx_http_push_error_page(status);

    body = ngx_http_push_problem_body(r, status, page->slug, page->detail,
                                      NULL);
    if (body == NULL) {
        return NGX_ERROR;
    }

    e->body = *body;
    e->ready = 1;

    ngx_str_set(&r->headers_out.content_type, "application/problem+json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.content_length_n = body->len;

    if (status == NGX_HTTP_TOO_MANY_REQUESTS
        || status == NGX_HTTP_SERVICE_UNAVAILABLE)
    {
        if (ngx_http_push_response_header(r, "Retry-After") == NULL
            && ngx_http_push_header(r, "Retry-After", &second) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ngx_http_push_header(r, "Cache-Control", &cache) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_push_cors(r);
}


static void
ngx_http_push_error_clear(ngx_http_request_t *r)
{
    char             **name;
    ngx_table_elt_t   *h;

    for (name = ngx_http_push_error_headers; *name; name++) {

        for ( ;; ) {
            h = ngx_http_push_response_header(r, *name);
            if (h == NULL) {
                break;
            }

            h->hash = 0;
        }
    }

    r->headers_out.content_length = NULL;
    r->headers_out.content_range = NULL;
    r->headers_out.accept_ranges = NULL;
    r->headers_out.last_modified = NULL;
    r->headers_out.last_modified_time = -1;
    r->headers_out.etag = NULL;
    r->headers_out.location = NULL;
    r->headers_out.refresh = NULL;
    r->headers_out.expires = NULL;

    r->expect_trailers = 0;
}


static ngx_http_push_error_page_t *
ngx_http_push_error_page(ngx_uint_t status)
{
    ngx_http_push_error_page_t  *page;

    for (page = ngx_http_push_error_pages; page->status; page++) {
        if (page->status == status) {
            return page;
        }
    }

    return (status < NGX_HTTP_INTERNAL_SERVER_ERROR)
           ? &ngx_http_push_error_4xx : &ngx_http_push_error_5xx;
}
