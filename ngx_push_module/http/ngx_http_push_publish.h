
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_HTTP_PUSH_PUBLISH_H_INCLUDED_
#define _NGX_HTTP_PUSH_PUBLISH_H_INCLUDED_


#include "ngx_http_push.h"


typedef struct {
    ngx_push_rules_t   rules;
    size_t             max_size;
    size_t             backlog;
    ngx_msec_t         idle;
} ngx_http_push_publish_conf_t;


extern ngx_module_t  ngx_http_push_publish_module;


/* each returns what a content handler returns */

ngx_int_t ngx_http_push_publish_request(ngx_http_request_t *r,
    ngx_http_push_ctx_t *ctx);
ngx_int_t ngx_http_push_info(ngx_http_request_t *r,
    ngx_http_push_ctx_t *ctx);
ngx_int_t ngx_http_push_delete(ngx_http_request_t *r,
    ngx_http_push_ctx_t *ctx);

/* the answer to a publish, "rc" being what it came to */

ngx_int_t ngx_http_push_published(ngx_http_request_t *r,
    ngx_http_push_ctx_t *ctx, ngx_push_publish_t *publish, ngx_int_t rc);

/* renders the body of a publish; NGX_ERROR: no memory */

ngx_int_t ngx_http_push_prepare(ngx_pool_t *pool, ngx_push_publish_t *p,
    ngx_str_t *body);

/*
 * The body in one piece, without a copy where it lies in one already.
 * NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_push_read_body(ngx_http_request_t *r, ngx_str_t *body);

/* reads the request headers of a publish; NULL, or what is wrong */

char *ngx_http_push_publish_headers(ngx_http_request_t *r,
    ngx_push_publish_t *p);

/* adds ETag: "<id>"; NGX_ERROR: no memory */

ngx_int_t ngx_http_push_etag(ngx_http_request_t *r, ngx_push_id_t *id);


#endif /* _NGX_HTTP_PUSH_PUBLISH_H_INCLUDED_ */
