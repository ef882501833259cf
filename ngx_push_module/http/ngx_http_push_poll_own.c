
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_poll.h"


/*
 * A poll that waits without its request.  The head of its answer is what the
 * filters make of a 200 now, less what differs at the end; heads that are
 * alike are one.  When all is written the connection goes back to NGINX, as
 * one that has served a request.
 */


#define NGX_HTTP_PUSH_HEADS     64
#define NGX_HTTP_PUSH_HEAD_MAX  32768

#define NGX_HTTP_PUSH_200       "HTTP/1.1 200 OK" CRLF
#define NGX_HTTP_PUSH_304       "HTTP/1.1 304 Not Modified" CRLF


struct ngx_http_push_head_s {
    ngx_http_push_head_t  *next;
    uint32_t               hash;
    uint32_t               len;
    ngx_uint_t             refs;
    unsigned               keepalive:1;
    u_char                 data[1];
};


static ngx_int_t ngx_http_push_head_capture(ngx_http_request_t *r,
    ngx_str_t *text);
static ngx_chain_t *ngx_http_push_head_take(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);
static void ngx_http_push_head_strip(ngx_str_t *text);
static ngx_http_push_head_t *ngx_http_push_head_find(ngx_str_t *text,
    ngx_uint_t keepalive);
static ngx_int_t ngx_http_push_poll_accept(ngx_connection_t *c);
static void ngx_http_push_poll_keep(ngx_connection_t *c,
    ngx_uint_t keepalive);


static ngx_http_push_head_t  *ngx_http_push_heads[NGX_HTTP_PUSH_HEADS];
static u_char                 ngx_http_push_head_buf[NGX_HTTP_PUSH_HEAD_MAX];
static size_t                 ngx_http_push_head_len;


ngx_int_t
ngx_http_push_poll_let_go(ngx_http_push_client_t *client)
{
    ngx_str_t              text;
    ngx_connection_t      *c;
    ngx_http_request_t    *r;
    ngx_http_push_poll_t  *poll;

    poll = client->state;
    r = client->request;
    c = client->connection;

    /*
     * The next request is here already, or the address is not the peer's, or
     * what NGINX keeps of the connection cannot be given back and made anew.
     */

    if (r->header_in->pos < r->header_in->last
        || c->proxy_protocol
        || (c->ssl == NULL && c->pool->cleanup))
    {
        return NGX_DECLINED;
    }

    if (ngx_http_push_head_capture(r, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_push_head_strip(&text);

    poll->head = ngx_http_push_head_find(&text, r->keepalive);

    if (c->ssl) {
        poll->http[0] = r->http_connection;
    }

    return poll->head ? NGX_OK : NGX_ERROR;
}


/* the head as it would be sent, with nothing sent */

static ngx_int_t
ngx_http_push_head_capture(ngx_http_request_t *r, ngx_str_t *text)
{
    ngx_int_t              rc;
    ngx_str_t              cache = ngx_string("no-store");
    ngx_table_elt_t        h;
    ngx_connection_t      *c;
    ngx_send_chain_pt      send_chain;

    if (ngx_http_push_response_header(r, "Cache-Control") == NULL
        && ngx_http_push_header(r, "Cache-Control", &cache) != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.content_length_n = 0;

    /* the body goes past the filters: what has an encoding they let be */

    ngx_memzero(&h, sizeof(ngx_table_elt_t));
    ngx_str_set(&h.key, "Content-Encoding");
    ngx_str_set(&h.value, "identity");

    r->headers_out.content_encoding = &h;

    c = r->connection;

    ngx_http_push_head_len = 0;

    send_chain = c->send_chain;
    c->send_chain = ngx_http_push_head_take;

    rc = ngx_http_send_header(r);

    c->send_chain = send_chain;
    r->headers_out.content_encoding = NULL;

    if (r->out) {
        (void) ngx_http_push_head_take(c, r->out, 0);
        r->out = NULL;
    }

    c->buffered &= ~NGX_HTTP_WRITE_BUFFERED;

    if (rc == NGX_ERROR || ngx_http_push_head_len == NGX_HTTP_PUSH_HEAD_MAX) {
        return NGX_ERROR;
    }

    text->data = ngx_http_push_head_buf;
    text->len = ngx_http_push_head_len;

    return NGX_OK;
}


static ngx_chain_t *
ngx_http_push_head_take(ngx_connection_t *c, ngx_chain_t *in, off_t limit)
{
    size_t  n;

    for ( /* void */ ; in; in = in->next) {
        n = ngx_min((size_t) (in->buf->last - in->buf->pos),
                    NGX_HTTP_PUSH_HEAD_MAX - ngx_http_push_head_len);

        ngx_memcpy(ngx_http_push_head_buf + ngx_http_push_head_len,
                   in->buf->pos, n);

        ngx_http_push_head_len += n;
        in->buf->pos = in->buf->last;
    }

    return NULL;
}


/* without the status line, and the lines that are made at the end */

static void
ngx_http_push_head_strip(ngx_str_t *text)
{
    u_char  *p, *end, *last, *dst;

    last = text->data + text->len;
    p = ngx_strlchr(text->data, last, LF);
    dst = text->data;

    for (p = p ? p + 1 : last; p < last; p = end) {
        end = ngx_strlchr(p, last, LF);
        end = end ? end + 1 : last;

        if (end - p <= 2
            || ngx_strncasecmp(p, (u_char *) "Date:", 5) == 0
            || ngx_strncasecmp(p, (u_char *) "Content-Length:", 15) == 0
            || ngx_strncasecmp(p, (u_char *) "Transfer-Encoding:", 18) == 0)
        {
            continue;
        }

        dst = ngx_movemem(dst, p, end - p);
    }

    text->len = dst - text->data;
}


static ngx_http_push_head_t *
ngx_http_push_head_find(ngx_str_t *text, ngx_uint_t keepalive)
{
    uint32_t               hash;
    ngx_http_push_head_t  *head, **bucket;

    hash = ngx_murmur_hash2(text->data, text->len);
    bucket = &ngx_http_push_heads[hash % NGX_HTTP_PUSH_HEADS];

    for (head = *bucket; head; head = head->next) {

        if (head->hash == hash
            && head->len == text->len
            && head->keepalive == keepalive
            && ngx_memcmp(head->data, text->data, text->len) == 0)
        {
            head->refs++;
            return head;
        }
    }

    head = ngx_alloc(offsetof(ngx_http_push_head_t, data) + text->len,
                     ngx_cycle->log);
    if (head == NULL) {
        return NULL;
    }

    head->hash = hash;
    head->len = text->len;
    head->refs = 1;
    head->keepalive = keepalive;
    ngx_memcpy(head->data, text->data, text->len);

    head->next = *bucket;
    *bucket = head;

    return head;
}


void
ngx_http_push_head_free(ngx_http_push_head_t *head)
{
    ngx_http_push_head_t  **link;

    if (head == NULL || --head->refs) {
        return;
    }

    link = &ngx_http_push_heads[head->hash % NGX_HTTP_PUSH_HEADS];

    while (*link != head) {
        link = &(*link)->next;
    }

    *link = head->next;

    ngx_free(head);
}


size_t
ngx_http_push_head_size(ngx_http_push_head_t *head, ngx_str_t *etag)
{
    return sizeof(NGX_HTTP_PUSH_304 "Date: " CRLF "ETag: " CRLF
                  "Content-Length: " CRLF CRLF)
           + ngx_cached_http_time.len + head->len + etag->len
           + NGX_SIZE_T_LEN;
}


u_char *
ngx_http_push_head_put(u_char *p, ngx_http_push_head_t *head,
    ngx_uint_t status, ngx_str_t *etag, size_t len)
{
    if (status == NGX_HTTP_OK) {
        p = ngx_cpymem(p, NGX_HTTP_PUSH_200, sizeof(NGX_HTTP_PUSH_200) - 1);
        p = ngx_sprintf(p, "Content-Length: %uz" CRLF, len);

    } else {
        p = ngx_cpymem(p, NGX_HTTP_PUSH_304, sizeof(NGX_HTTP_PUSH_304) - 1);
    }

    p = ngx_sprintf(p, "Date: %V" CRLF "ETag: %V" CRLF, &ngx_cached_http_time,
                    etag);
    p = ngx_cpymem(p, head->data, head->len);

    return ngx_cpymem(p, CRLF, 2);
}


void
ngx_http_push_poll_finished(ngx_http_push_client_t *client)
{
    ngx_uint_t              keepalive;
    ngx_connection_t       *c;
    ngx_http_push_poll_t   *poll;
    ngx_http_connection_t  *hc;

    c = client->connection;
    poll = client->state;

    hc = c->ssl ? poll->http[0] : NULL;
    keepalive = poll->head->keepalive;

    ngx_http_push_client_free(client);

    if (hc) {
        c->data = hc;

    } else if (ngx_http_push_poll_accept(c) != NGX_OK) {
        ngx_http_push_own_close(c);
        return;
    }

    ngx_http_push_poll_keep(c, keepalive);
}


/* what NGINX keeps of a connection it has accepted */

static ngx_int_t
ngx_http_push_poll_accept(ngx_connection_t *c)
{
    socklen_t         len;
    ngx_log_t        *log;
    ngx_uint_t        ready;
    ngx_sockaddr_t    sa;
    ngx_listening_t  *ls;

    ls = c->listening;
    len = sizeof(ngx_sockaddr_t);

    if (getpeername(c->fd, &sa.sockaddr, &len) == -1) {
        return NGX_ERROR;
    }

    c->pool = ngx_create_pool(ls->pool_size, &ls->log);
    if (c->pool == NULL) {
        return NGX_ERROR;
    }

    log = ngx_palloc(c->pool, sizeof(ngx_log_t));
    c->sockaddr = ngx_palloc(c->pool, len);

    if (log == NULL || c->sockaddr == NULL) {
        return NGX_ERROR;
    }

    *log = ls->log;
    log->data = NULL;
    log->handler = NULL;

    c->log = log;
    c->pool->log = log;
    c->read->log = log;
    c->write->log = log;

    ngx_memcpy(c->sockaddr, &sa, len);
    c->socklen = len;
    c->local_sockaddr = ls->sockaddr;
    c->local_socklen = ls->socklen;

    if (ls->addr_ntop) {
        c->addr_text.data = ngx_pnalloc(c->pool, ls->addr_text_max_len);
        if (c->addr_text.data == NULL) {
            return NGX_ERROR;
        }

        c->addr_text.len = ngx_sock_ntop(c->sockaddr, c->socklen,
                                         c->addr_text.data,
                                         ls->addr_text_max_len, 0);
    }

    /* what has come in waits for its turn of the event loop */

    ready = c->read->ready;
    c->read->ready = 0;

    ls->handler(c);

    if (c->destroyed) {
        return NGX_OK;
    }

    c->read->ready = ready;

    return NGX_OK;
}


/* a request that is done, so that all after it is as NGINX does it */

static void
ngx_http_push_poll_keep(ngx_connection_t *c, ngx_uint_t keepalive)
{
    ngx_http_request_t        *r;
    ngx_http_connection_t     *hc;
    ngx_http_core_srv_conf_t  *cscf;

    if (c->destroyed) {
        return;
    }

    hc = c->data;
    cscf = ngx_http_get_module_srv_conf(hc->conf_ctx, ngx_http_core_module);

    c->buffer = ngx_create_temp_buf(c->pool, cscf->client_header_buffer_size);

    r = c->buffer ? ngx_http_create_request(c) : NULL;

    if (r == NULL) {
        ngx_http_close_connection(c);
        return;
    }

    /* it was none, and is not to be counted */

    c->requests--;

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_requests, -1);
#endif

    c->data = r;
    c->sent = 0;

    r->http_connection = hc;
    r->keepalive = keepalive;
    r->logged = 1;

    ngx_http_finalize_request(r, NGX_DONE);
}
