
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_client.h"


/*
 * A connection of one's own: its request is let go, as a keep-alive
 * connection lets go of it, and its handlers are ours.
 */


static ngx_int_t ngx_http_push_own_events(ngx_connection_t *c);
static void ngx_http_push_own_pool(ngx_connection_t *c,
    ngx_http_connection_t *hc, ngx_log_t *log);
static void ngx_http_push_own_read(ngx_event_t *rev);
static void ngx_http_push_own_write(ngx_event_t *wev);


ngx_int_t
ngx_http_push_own(ngx_http_push_client_t *client)
{
    ngx_connection_t       *c;
    ngx_http_request_t     *r;
    ngx_http_connection_t  *hc;

    r = client->request;
    c = client->connection;
    hc = r->http_connection;

    client->request = NULL;
    client->direct = 1;

    ngx_http_free_request(r, 0);

    c->destroyed = 0;
    c->data = client;
    c->sent = 0;

    c->read->handler = ngx_http_push_own_read;
    c->write->handler = ngx_http_push_own_write;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    ngx_http_push_own_pool(c, hc, client->conf->log);

    if (c->tcp_nopush == NGX_TCP_NOPUSH_SET) {

        /* a file before, in a pipeline */

        (void) ngx_tcp_push(c->fd);
        c->tcp_nopush = NGX_TCP_NOPUSH_UNSET;
    }

    (void) ngx_tcp_nodelay(c);

    ngx_http_push_own_ssl(c);

    return ngx_http_push_own_events(c);
}


void
ngx_http_push_own_ssl(ngx_connection_t *c)
{
#if (NGX_HTTP_SSL)
    if (c->ssl) {
        SSL_set_mode(c->ssl->connection, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
#endif
}


static ngx_int_t
ngx_http_push_own_events(ngx_connection_t *c)
{
    if (ngx_handle_read_event(c->read, 0) != NGX_OK
        || ngx_handle_write_event(c->write, 0) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);
    }

    return NGX_OK;
}


/*
 * Without TLS nothing that lies in the connection's pool is needed any more
 * once the logs and the addresses are elsewhere.
 */

static void
ngx_http_push_own_pool(ngx_connection_t *c, ngx_http_connection_t *hc,
    ngx_log_t *log)
{
    ngx_buf_t    *b;
    ngx_pool_t   *pool;
    ngx_chain_t  *cl;

    if (c->ssl == NULL && c->pool->cleanup == NULL) {
        pool = c->pool;

        c->log = log;
        c->read->log = log;
        c->write->log = log;

        c->pool = NULL;
        c->buffer = NULL;
        c->sockaddr = NULL;
        c->socklen = 0;
        c->local_sockaddr = NULL;
        c->local_socklen = 0;
        c->proxy_protocol = NULL;
        ngx_str_null(&c->addr_text);

        ngx_destroy_pool(pool);
        return;
    }

    c->log->action = "pushing";

    b = c->buffer;

    if (b && ngx_pfree(c->pool, b->start) == NGX_OK) {
        b->pos = NULL;
        b->last = NULL;
        b->start = NULL;
        b->end = NULL;
    }

    for (cl = hc->free; cl; cl = cl->next) {
        (void) ngx_pfree(c->pool, cl->buf->start);
    }

    for (cl = hc->busy; cl; cl = cl->next) {
        (void) ngx_pfree(c->pool, cl->buf->start);
    }

    hc->free = NULL;
    hc->busy = NULL;
    hc->nbusy = 0;

#if (NGX_HTTP_SSL)
    if (c->ssl) {
        ngx_ssl_free_buffer(c);
    }
#endif
}


static void
ngx_http_push_own_read(ngx_event_t *rev)
{
    ngx_connection_t        *c;
    ngx_http_push_client_t  *client;

    c = rev->data;
    client = c->data;

    if (!c->close) {
        ngx_http_push_client_readable(client);
        return;
    }

    /* the time for a graceful shutdown is over */

    if (!client->ending) {

        /* what the client still sends is read as ever */

        c->close = 0;
        c->error = 0;

        client->transport->reconnect(client);

    } else {
        ngx_http_push_client_close(client);
    }
}


static void
ngx_http_push_own_write(ngx_event_t *wev)
{
    ngx_connection_t  *c;

    c = wev->data;

    ngx_http_push_client_writable(c->data);
}


/*
 * All is written: no more will come, but what the client may still send has
 * to be read, or the reset that answers it would take the last event away.
 */

void
ngx_http_push_own_shut(ngx_http_push_client_t *client)
{
    ngx_connection_t     *c;
#if (NGX_HTTP_SSL)
    ngx_event_handler_pt  read, write;
#endif

    c = client->connection;

#if (NGX_HTTP_SSL)
    if (c->ssl) {
        read = c->read->handler;
        write = c->write->handler;

        c->ssl->no_wait_shutdown = 1;

        if (ngx_ssl_shutdown(c) == NGX_AGAIN || c->ssl) {
            ngx_http_push_client_close(client);
            return;
        }

        c->recv = ngx_recv;
        c->send = ngx_send;

        c->read->handler = read;
        c->write->handler = write;
    }
#endif

    if (ngx_shutdown_socket(c->fd, NGX_WRITE_SHUTDOWN) == -1
        || ngx_http_push_own_events(c) != NGX_OK)
    {
        ngx_http_push_client_close(client);
        return;
    }

    ngx_http_push_wheel_linger(client);
}


void
ngx_http_push_own_close(ngx_connection_t *c)
{
    if (c->pool == NULL) {
        c->pool = ngx_create_pool(NGX_MIN_POOL_SIZE, c->log);

        if (c->pool == NULL) {
            ngx_close_connection(c);
            return;
        }
    }

    ngx_http_close_connection(c);
}


void
ngx_http_push_own_reset(ngx_connection_t *c)
{
    struct linger  linger;

    linger.l_onoff = 1;
    linger.l_linger = 0;

    if (setsockopt(c->fd, SOL_SOCKET, SO_LINGER, (const void *) &linger,
                   sizeof(struct linger))
        == -1)
    {
        ngx_log_error(NGX_LOG_ALERT, c->log, ngx_socket_errno,
                      "setsockopt(SO_LINGER) failed");
    }
}
