
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_error.h"


/*
 * Errors of locations of ours, whoever made them.  For a client that speaks
 * SSE, which would never come back after one, an overload becomes an empty
 * stream with the time to come back after.  The pages that NGINX makes for
 * browsers become problem documents.
 *
 * The filter stands where the answer of any handler passes, below the one
 * that reads files and above those that add headers.
 */


static ngx_int_t ngx_http_push_error_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_push_error_mark(ngx_http_request_t *r);
static ngx_uint_t ngx_http_push_error_is_subscriber(ngx_http_request_t *r);
static ngx_http_push_error_t *ngx_http_push_error_marker(ngx_pool_t *pool);
static ngx_http_push_error_t *ngx_http_push_error_create(
    ngx_http_request_t *r);
static void ngx_http_push_error_cleanup(void *data);
static ngx_int_t ngx_http_push_error_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_error_retry(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_error_problem(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_error_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);


static ngx_http_module_t  ngx_http_push_error_filter_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_push_error_init,              /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_push_error_filter_module = {
    NGX_MODULE_V1,
    &ngx_http_push_error_filter_module_ctx, /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_output_header_filter_pt  ngx_http_push_error_next_header;
static ngx_http_output_body_filter_pt    ngx_http_push_error_next_body;


ngx_uint_t
ngx_http_push_is_marker(ngx_pool_cleanup_t *cln)
{
    return cln->handler == ngx_http_push_error_cleanup;
}


static ngx_int_t
ngx_http_push_error_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_push_error_mark;

    ngx_http_push_error_next_header = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_push_error_header_filter;

    ngx_http_push_error_next_body = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_push_error_body_filter;

    return NGX_OK;
}


/*
 * The context is lost in a redirection by error_page, the cleanup is not.
 * With a context it is a rewrite that took the request elsewhere, and what
 * happens there is none of our business.
 */

static ngx_int_t
ngx_http_push_error_mark(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_push_error_t  *e;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    if (!ngx_http_push_error_is_subscriber(r)) {
        e = ngx_http_get_module_ctx(r, ngx_http_push_error_filter_module);

        if (e) {
            e->loc_conf = NULL;
        }

        return NGX_DECLINED;
    }

    e = ngx_http_push_error_marker(r->pool);

    if (e == NULL) {
        cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_push_error_t));
        if (cln == NULL) {
            return NGX_ERROR;
        }

        cln->handler = ngx_http_push_error_cleanup;

        e = cln->data;
        ngx_memzero(e, sizeof(ngx_http_push_error_t));
    }

    e->loc_conf = r->loc_conf;
    e->args = r->args;

    ngx_http_set_ctx(r, e, ngx_http_push_error_filter_module);

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_http_push_error_is_subscriber(ngx_http_request_t *r)
{
    ngx_http_push_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_push_module);

    return plcf->subscribe_to && r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD);
}


static ngx_http_push_error_t *
ngx_http_push_error_marker(ngx_pool_t *pool)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = pool->cleanup; cln; cln = cln->next) {
        if (ngx_http_push_is_marker(cln)) {
            return cln->data;
        }
    }

    return NULL;
}


static ngx_http_push_error_t *
ngx_http_push_error_create(ngx_http_request_t *r)
{
    ngx_http_push_error_t  *e;

    e = ngx_pcalloc(r->pool, sizeof(ngx_http_push_error_t));
    if (e == NULL) {
        return NULL;
    }

    e->loc_conf = r->loc_conf;
    e->args = r->args;

    ngx_http_set_ctx(r, e, ngx_http_push_error_filter_module);

    return e;
}


static void
ngx_http_push_error_cleanup(void *data)
{
    /* void */
}


static ngx_int_t
ngx_http_push_error_header_filter(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (r->headers_out.status < NGX_HTTP_BAD_REQUEST || r != r->main) {
        return ngx_http_push_error_next_header(r);
    }

    rc = ngx_http_push_error_retry(r);

    if (rc == NGX_DECLINED) {
        rc = ngx_http_push_error_problem(r);
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    return ngx_http_push_error_next_header(r);
}


/* NGX_DECLINED: another status, another location, another client */

static ngx_int_t
ngx_http_push_error_retry(ngx_http_request_t *r)
{
    void                   **loc_conf;
    ngx_int_t                rc;
    ngx_str_t                args;
    ngx_http_push_error_t   *e;

    switch (r->headers_out.status) {

    case NGX_HTTP_TOO_MANY_REQUESTS:
    case NGX_HTTP_INTERNAL_SERVER_ERROR:
    case NGX_HTTP_BAD_GATEWAY:
    case NGX_HTTP_SERVICE_UNAVAILABLE:
    case NGX_HTTP_GATEWAY_TIME_OUT:
        break;

    default:
        return NGX_DECLINED;
    }

    e = ngx_http_push_error_marker(r->pool);

    /* it may have failed before its location's phases began */

    if (e == NULL && ngx_http_push_error_is_subscriber(r)) {
        e = ngx_http_push_error_create(r);
        if (e == NULL) {
            return NGX_ERROR;
        }
    }

    if (e == NULL || e->loc_conf == NULL) {
        return NGX_DECLINED;
    }

    /* as it was in the location that the client has asked */

    loc_conf = r->loc_conf;
    args = r->args;

    r->loc_conf = e->loc_conf;
    r->args = e->args;

    rc = NGX_DECLINED;

    if (ngx_http_push_wants_sse(r)) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "push: %ui becomes a retry, the client speaks SSE",
                      r->headers_out.status);

        ngx_http_set_ctx(r, e, ngx_http_push_error_filter_module);
        rc = ngx_http_push_error_to_retry(r, e);
    }

    r->loc_conf = loc_conf;
    r->args = args;

    return rc;
}


/* pages of NGX_HTTP_..., with or without a text; not what error_page found */

static ngx_int_t
ngx_http_push_error_problem(ngx_http_request_t *r)
{
    ngx_http_push_error_t     *e;
    ngx_http_push_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_push_module);

    if (plcf->publish_to == NULL && plcf->subscribe_to == NULL) {
        return NGX_DECLINED;
    }

    if (r->err_status == 0
        || (r->headers_out.content_type.len
            && (r->headers_out.content_type.len != sizeof("text/html") - 1
                || ngx_strncmp(r->headers_out.content_type.data, "text/html",
                               sizeof("text/html") - 1)
                   != 0)))
    {
        return NGX_DECLINED;
    }

    e = ngx_http_get_module_ctx(r, ngx_http_push_error_filter_module);

    if (e == NULL) {
        e = ngx_http_push_error_create(r);
        if (e == NULL) {
            return NGX_ERROR;
        }
    }

    return ngx_http_push_error_to_problem(r, e);
}


static ngx_int_t
ngx_http_push_error_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t              *b;
    ngx_chain_t             out;
    ngx_http_push_error_t  *e;

    e = ngx_http_get_module_ctx(r, ngx_http_push_error_filter_module);

    if (e == NULL || !e->ready || r != r->main || in == NULL) {
        return ngx_http_push_error_next_body(r, in);
    }

    /* the body of the error goes nowhere */

    for ( /* void */ ; in; in = in->next) {
        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }

    if (e->sent) {
        return ngx_http_push_error_next_body(r, NULL);
    }

    e->sent = 1;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = e->body.data;
    b->last = e->body.data + e->body.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return e->retry ? ngx_http_push_output(r, &out)
                    : ngx_http_push_error_next_body(r, &out);
}
