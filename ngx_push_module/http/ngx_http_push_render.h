
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_HTTP_PUSH_RENDER_H_INCLUDED_
#define _NGX_HTTP_PUSH_RENDER_H_INCLUDED_


#include "ngx_http_push.h"


/*
 * Messages of a batch in one form, one behind the other in one piece of
 * memory, made on first need, once for all subscribers of the worker.
 */


typedef enum {
    NGX_HTTP_PUSH_FORM_SSE = 0,              /* as stored */
    NGX_HTTP_PUSH_FORM_SSE_CHUNKED,
    NGX_HTTP_PUSH_FORM_SSE_JSON,
    NGX_HTTP_PUSH_FORM_SSE_JSON_CHUNKED,
    NGX_HTTP_PUSH_FORMS
} ngx_http_push_form_e;


typedef struct {
    ngx_push_batch_t  *batch;
    uint64_t           serial;
    u_char            *start;
    u_char            *ends[NGX_PUSH_MAX_BATCH];
    u_char            *buf;
    size_t             size;
} ngx_http_push_rendering_t;


/* NULL: no memory */

ngx_http_push_rendering_t *ngx_http_push_render_batch(ngx_push_batch_t *b,
    ngx_http_push_form_e form, ngx_str_t *channel);
void ngx_http_push_render_exit(void);


#endif /* _NGX_HTTP_PUSH_RENDER_H_INCLUDED_ */
