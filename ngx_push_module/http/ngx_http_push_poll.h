
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_HTTP_PUSH_POLL_H_INCLUDED_
#define _NGX_HTTP_PUSH_POLL_H_INCLUDED_


#include "ngx_http_push_notice.h"


/*
 * Pages of history and long polling.  A poll is a client that collects what
 * the hub has for it and answers once: at once, or after the first message.
 * Its request is let go while it waits, and the head of its answer, as the
 * filters of its location make it, is kept: one copy for all that are alike.
 */


typedef struct ngx_http_push_head_s  ngx_http_push_head_t;


/* what has been written of the answer's lists */

typedef struct {
    u_char                   *data;
    size_t                    len;
    size_t                    size;
} ngx_http_push_text_t;


/* what an answer is made from; a client that waits has none */

typedef struct {
    ngx_http_push_request_t  *request;       /* NULL: it is let go */
    ngx_http_push_text_t      messages;
    ngx_http_push_text_t      gap;           /* at most one */
    ngx_http_push_text_t      closed;
    uint64_t                  before;        /* 0: to the end */
    uint64_t                  first;         /* of the messages, 0: none */
    ngx_uint_t                count;
    ngx_uint_t                pending;       /* channels to hear from */
} ngx_http_push_page_t;


typedef struct {
    ngx_http_push_page_t     *page;
    ngx_http_push_head_t     *head;          /* NULL: the filters make it */
    uint32_t                  timeout;       /* seconds to wait, 0: not */
    uint16_t                  limit;
    unsigned                  waiting:1;
    unsigned                  matching:1;    /* If-None-Match is its start */
    unsigned                  backward:1;    /* messages before an id */
    ngx_http_connection_t    *http[];        /* one, if there is TLS */
} ngx_http_push_poll_t;


extern const ngx_http_push_transport_t  ngx_http_push_poll;


/* the one gap of an answer; NGX_OK or NGX_ERROR */

ngx_int_t ngx_http_push_poll_put_gap(ngx_http_push_page_t *page,
    ngx_http_push_gap_t *gap);

/* answers with what is there; the client must not be used any more */

void ngx_http_push_poll_answer(ngx_http_push_client_t *client);

/* makes room for so many bytes more; NGX_OK or NGX_ERROR */

ngx_int_t ngx_http_push_text_add(ngx_http_push_text_t *text, size_t size);

/* of the transport: letting go, and back to NGINX when all is written */

ngx_int_t ngx_http_push_poll_let_go(ngx_http_push_client_t *client);
void ngx_http_push_poll_finished(ngx_http_push_client_t *client);

/* the page, made anew after a wait; NULL: no memory */

ngx_http_push_page_t *ngx_http_push_poll_page(ngx_http_push_client_t *client);
void ngx_http_push_poll_free_page(ngx_http_push_poll_t *poll);

/* the head of an answer of "len" bytes; returns its end */

u_char *ngx_http_push_head_put(u_char *p, ngx_http_push_head_t *head,
    ngx_uint_t status, ngx_str_t *etag, size_t len);
size_t ngx_http_push_head_size(ngx_http_push_head_t *head, ngx_str_t *etag);
void ngx_http_push_head_free(ngx_http_push_head_t *head);


#endif /* _NGX_HTTP_PUSH_POLL_H_INCLUDED_ */
