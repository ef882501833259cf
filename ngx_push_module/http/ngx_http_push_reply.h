
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_HTTP_PUSH_REPLY_H_INCLUDED_
#define _NGX_HTTP_PUSH_REPLY_H_INCLUDED_


#include "ngx_http_push_websocket.h"
#include "ngx_push_command.h"


/* a command, and what it is answered with */

typedef struct {
    ngx_http_push_client_t  *client;
    ngx_push_command_t       cmd;
    ngx_push_id_t           *id;             /* NULL: null */
    unsigned                 kept:1;         /* the answer comes later */
} ngx_http_push_reply_t;


/* both return as ngx_http_push_client_write() */

ngx_int_t ngx_http_push_reply(ngx_http_push_reply_t *reply, char *type);
ngx_int_t ngx_http_push_reply_error(ngx_http_push_reply_t *reply,
    ngx_uint_t status, char *detail);


/* as ngx_http_push_command(); NGX_AGAIN: it is answered later */

ngx_int_t ngx_http_push_command_subscribe(ngx_http_push_reply_t *reply);

/* one that waits is answered no more; 1: there was one of this channel */

ngx_uint_t ngx_http_push_command_give_up(ngx_http_push_reply_t *reply);


#endif /* _NGX_HTTP_PUSH_REPLY_H_INCLUDED_ */
