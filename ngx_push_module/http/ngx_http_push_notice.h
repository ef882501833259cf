
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_HTTP_PUSH_NOTICE_H_INCLUDED_
#define _NGX_HTTP_PUSH_NOTICE_H_INCLUDED_


#include "ngx_http_push_client.h"


/*
 * What a subscriber is told besides messages, as JSON.  Each function writes
 * from p on and returns the end; the room it needs is that of its _SIZE, and
 * of the strings in it as ngx_push_json_string_size() says.
 */


#define NGX_HTTP_PUSH_NOTICE_SIZE  256

/* what a client has sent is repeated to it up to this length */
#define NGX_HTTP_PUSH_REQUESTED    256


/* members of an object: "channel", "requested", "oldest", "reason" */

size_t ngx_http_push_gap_size(ngx_http_push_gap_t *gap);
u_char *ngx_http_push_put_gap(u_char *p, ngx_http_push_gap_t *gap);

/* a member with an id, or null */

u_char *ngx_http_push_put_id(u_char *p, char *name, ngx_push_id_t *id);

/*
 * Objects for clients that take JSON.  "position" is an empty string where
 * a client has one channel.
 */

u_char *ngx_http_push_json_subscribed(u_char *p, ngx_str_t *channel,
    ngx_push_id_t *id, ngx_str_t *position);
u_char *ngx_http_push_json_gap(u_char *p, ngx_http_push_gap_t *gap,
    ngx_str_t *position);
u_char *ngx_http_push_json_closed(u_char *p, ngx_str_t *channel,
    char *reason);

/* with a retry time, and the position, for which there must be room */

u_char *ngx_http_push_json_reconnect(u_char *p,
    ngx_http_push_client_t *client);


/* the position of a client of several channels; else an empty string */

void ngx_http_push_several(u_char *p, ngx_http_push_client_t *client,
    ngx_str_t *position);


/*
 * What a client that takes JSON is told first: "subscribed" for each of its
 * channels, if the request is to be greeted, then the gaps.  Each object is
 * handed to "put" with NGX_HTTP_PUSH_FRAME_ROOM bytes before it and behind
 * it, which returns the end of what is to be sent.  NGX_OK or NGX_ERROR;
 * "first" is in the pool.
 */

typedef u_char *(*ngx_http_push_put_pt)(u_char *p, u_char *last);

ngx_int_t ngx_http_push_json_welcome(ngx_http_push_client_t *client,
    ngx_http_push_request_t *q, ngx_http_push_put_pt put, ngx_str_t *first);


#endif /* _NGX_HTTP_PUSH_NOTICE_H_INCLUDED_ */
