
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_HTTP_PUSH_ERROR_H_INCLUDED_
#define _NGX_HTTP_PUSH_ERROR_H_INCLUDED_


#include "ngx_http_push.h"


/*
 * An error of a location of ours that is answered in another way.  In a
 * push_subscribe location there is one of these from the beginning, since
 * an error_page takes the request to another location.
 */

typedef struct {
    void       **loc_conf;                   /* NULL: it went elsewhere */
    ngx_str_t    args;
    ngx_str_t    body;                       /* what is sent */
    unsigned     ready:1;
    unsigned     sent:1;
    unsigned     retry:1;                    /* no filter may change it */
} ngx_http_push_error_t;


/* change the headers of the response and set the body; NGX_OK, NGX_ERROR */

ngx_int_t ngx_http_push_error_to_retry(ngx_http_request_t *r,
    ngx_http_push_error_t *e);
ngx_int_t ngx_http_push_error_to_problem(ngx_http_request_t *r,
    ngx_http_push_error_t *e);


#endif /* _NGX_HTTP_PUSH_ERROR_H_INCLUDED_ */
