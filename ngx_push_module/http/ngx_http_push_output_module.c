
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push.h"


/*
 * The way past the filters that could change a body (gzip, sub_filter) to
 * those that frame it.  This module installs no filter: it stands in the
 * list of modules where what it finds on top is the first to frame.
 */


static ngx_int_t ngx_http_push_output_init(ngx_conf_t *cf);


static ngx_http_module_t  ngx_http_push_output_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_push_output_init,             /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_push_output_module = {
    NGX_MODULE_V1,
    &ngx_http_push_output_module_ctx,      /* module context */
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


static ngx_http_output_body_filter_pt  ngx_http_push_framing_filter;


ngx_int_t
ngx_http_push_output(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_int_t  rc;

    rc = ngx_http_push_framing_filter(r, in);

    if (rc == NGX_ERROR) {
        r->connection->error = 1;
    }

    return rc;
}


static ngx_int_t
ngx_http_push_output_init(ngx_conf_t *cf)
{
    ngx_http_push_framing_filter = ngx_http_top_body_filter;

    return NGX_OK;
}
