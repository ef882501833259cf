
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_HTTP_PUSH_SSE_H_INCLUDED_
#define _NGX_HTTP_PUSH_SSE_H_INCLUDED_


#include "ngx_http_push.h"


/* returns what a content handler returns */

ngx_int_t ngx_http_push_sse_handler(ngx_http_request_t *r,
    ngx_http_push_ctx_t *ctx, ngx_str_t *channel);

/* gives back what the worker keeps for rendering */

void ngx_http_push_sse_exit(void);


#endif /* _NGX_HTTP_PUSH_SSE_H_INCLUDED_ */
