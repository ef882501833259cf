
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_HTTP_PUSH_LATER_H_INCLUDED_
#define _NGX_HTTP_PUSH_LATER_H_INCLUDED_


#include "ngx_http_push_client.h"


/*
 * What a client has asked for and is answered later, since the answer is to
 * come from a backplane.  A client that goes is forgotten, and "drop" is
 * called for what it has asked; what was published goes on without it.
 */

typedef struct ngx_http_push_later_s  ngx_http_push_later_t;

struct ngx_http_push_later_s {
    ngx_queue_t               queue;
    ngx_http_push_client_t   *client;        /* NULL: gone */
    void                    (*drop)(ngx_http_push_later_t *later);
};


void ngx_http_push_later_add(ngx_http_push_client_t *client,
    ngx_http_push_later_t *later);
void ngx_http_push_later_remove(ngx_http_push_later_t *later);

/* the next of this client after "later", or the first; NULL: none */

ngx_http_push_later_t *ngx_http_push_later_next(
    ngx_http_push_client_t *client, ngx_http_push_later_t *later);


#endif /* _NGX_HTTP_PUSH_LATER_H_INCLUDED_ */
