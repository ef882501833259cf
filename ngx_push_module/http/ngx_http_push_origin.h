
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_HTTP_PUSH_ORIGIN_H_INCLUDED_
#define _NGX_HTTP_PUSH_ORIGIN_H_INCLUDED_


#include "ngx_http_push.h"


/* what push_allow_origin of a location says about a request */


typedef struct {
    ngx_str_t   origin;                      /* what the client sent */
    ngx_str_t   host;                        /* what it is compared with */
    ngx_str_t   allowed;                     /* the directive */
    unsigned    present:1;
    unsigned    any:1;                       /* all are, without credentials */
} ngx_http_push_origin_t;


extern ngx_module_t  ngx_http_push_origin_module;


/* NGX_OK: allowed, as is a request without an Origin; NGX_DECLINED */

ngx_int_t ngx_http_push_origin_check(ngx_http_request_t *r,
    ngx_http_push_origin_t *o);

/* the answer is to tell what it depends on; the filter that does it */

void ngx_http_push_vary(ngx_http_request_t *r);
ngx_int_t ngx_http_push_vary_init(ngx_conf_t *cf);


#endif /* _NGX_HTTP_PUSH_ORIGIN_H_INCLUDED_ */
