
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_client.h"


/*
 * Owning the connection.  NGINX's request costs 6 to 10 KB for as long as a
 * subscriber stays; after the headers nothing needs it, so it is let go, as
 * a keep-alive connection lets go of its request, and the connection's
 * handlers become ours.
 */


#define NGX_HTTP_PUSH_DISCARD  4096


static ngx_int_t ngx_http_push_adopt_client(ngx_http_push_client_t *client);
static void ngx_http_push_adopt_handler(ngx_event_t *ev);
static ngx_uint_t ngx_http_push_is_held(ngx_http_request_t *r);
static void ngx_http_push_own_pool(ngx_connection_t *c,
    ngx_http_connection_t *hc);
static void ngx_http_push_own_read(ngx_event_t *rev);
static void ngx_http_push_own_write(ngx_event_t *wev);


static ngx_queue_t   ngx_http_push_adoptees;
static ngx_event_t   ngx_http_push_adopt_event;
static ngx_uint_t    ngx_http_push_realip;   /* its index of contexts */


ngx_int_t
ngx_http_push_adopt_init(ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    ngx_queue_init(&ngx_http_push_adoptees);

    ngx_http_push_adopt_event.handler = ngx_http_push_adopt_handler;
    ngx_http_push_adopt_event.log = cycle->log;

    ngx_http_push_realip = NGX_MODULE_UNSET_INDEX;

    for (i = 0; cycle->modules[i]; i++) {
        if (ngx_strcmp(cycle->modules[i]->name, "ngx_http_realip_module") == 0)
        {
            ngx_http_push_realip = cycle->modules[i]->ctx_index;
        }
    }

    return NGX_OK;
}


/* never inside of the content handler, whose caller still uses the request */

void
ngx_http_push_adopt(ngx_http_push_client_t *client)
{
    ngx_queue_remove(&client->queue);
    ngx_queue_insert_tail(&ngx_http_push_adoptees, &client->queue);

    if (!ngx_http_push_adopt_event.posted) {
        ngx_post_event(&ngx_http_push_adopt_event, &ngx_posted_events);
    }
}


void
ngx_http_push_adopt_again(void)
{
    if (!ngx_queue_empty(&ngx_http_push_adoptees)
        && !ngx_http_push_adopt_event.posted)
    {
        ngx_post_event(&ngx_http_push_adopt_event, &ngx_posted_events);
    }
}


static void
ngx_http_push_adopt_handler(ngx_event_t *ev)
{
    ngx_queue_t              all, *q;
    ngx_http_push_client_t  *client;

    ngx_queue_init(&all);

    if (!ngx_queue_empty(&ngx_http_push_adoptees)) {
        ngx_queue_add(&all, &ngx_http_push_adoptees);
        ngx_queue_init(&ngx_http_push_adoptees);
    }

    while (!ngx_queue_empty(&all)) {
        q = ngx_queue_head(&all);
        client = ngx_queue_data(q, ngx_http_push_client_t, queue);

        ngx_queue_remove(q);
        ngx_queue_init(q);

        if (ngx_http_push_adopt_client(client) == NGX_AGAIN) {
            ngx_queue_insert_tail(&ngx_http_push_adoptees, q);
        }
    }
}


/* NGX_AGAIN: to be looked at again, with a write event or with the tick */

static ngx_int_t
ngx_http_push_adopt_client(ngx_http_push_client_t *client)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = client->request;

    rc = ngx_http_push_unfinished_send(client);

    if (rc == NGX_OK && (r->main->count != 1 || r->main->blocked)) {
        rc = NGX_AGAIN;
    }

    if (rc == NGX_AGAIN
        && ngx_handle_write_event(client->connection->write, 0) == NGX_OK
        && (ngx_http_push_seconds() - client->started)
           <= client->conf->send_timeout / 1000)
    {
        return NGX_AGAIN;
    }

    if (rc != NGX_OK
        || (ngx_http_push_can_own(client)
            && ngx_http_push_own(client) != NGX_OK))
    {
        ngx_http_push_client_close(client);
        return NGX_DONE;
    }

    client->adopting = 0;

    ngx_http_push_client_schedule(client);
    ngx_push_hub_resume(&client->subscription);

    return NGX_OK;
}


ngx_uint_t
ngx_http_push_can_own(ngx_http_push_client_t *client)
{
    ngx_http_request_t  *r;

    r = client->request;

    return client->conf->hibernate
           && r == r->main
           && r->http_version <= NGX_HTTP_VERSION_11
#if (NGX_HTTP_V2)
           && r->stream == NULL
#endif
           && r->postponed == NULL
           && r->posted_requests == NULL
           && !ngx_http_push_is_held(r);
}


/*
 * Whether a module other than us would have something to do when the request
 * ends.  What realip does then is to put the address back.
 */

static ngx_uint_t
ngx_http_push_is_held(ngx_http_request_t *r)
{
    ngx_http_cleanup_t  *hcln;
    ngx_pool_cleanup_t  *cln;

    for (hcln = r->cleanup; hcln; hcln = hcln->next) {
        if (hcln->handler) {
            return 1;
        }
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == NULL
            || cln->handler == ngx_http_push_client_cleanup
            || ngx_http_push_is_marker(cln)
            || (ngx_http_push_realip != NGX_MODULE_UNSET_INDEX
                && cln->data == r->ctx[ngx_http_push_realip]))
        {
            continue;
        }

        return 1;
    }

    return 0;
}


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

    ngx_http_push_own_pool(c, hc);

    (void) ngx_tcp_nodelay(c);

#if (NGX_HTTP_SSL)
    if (c->ssl) {
        SSL_set_mode(c->ssl->connection, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
#endif

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
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
ngx_http_push_own_pool(ngx_connection_t *c, ngx_http_connection_t *hc)
{
    ngx_buf_t    *b;
    ngx_pool_t   *pool;
    ngx_chain_t  *cl;

    if (c->ssl == NULL && c->pool->cleanup == NULL) {
        pool = c->pool;

        c->log = ngx_cycle->log;
        c->read->log = ngx_cycle->log;
        c->write->log = ngx_cycle->log;

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
}


/* what an SSE client sends after its request has no meaning */

static void
ngx_http_push_own_read(ngx_event_t *rev)
{
    u_char                   buf[NGX_HTTP_PUSH_DISCARD];
    ssize_t                  n;
    ngx_connection_t        *c;
    ngx_http_push_client_t  *client;

    c = rev->data;
    client = c->data;

    if (c->close) {

        /* the time for a graceful shutdown is over */

        if (!client->ending) {
            c->error = 0;
            client->transport->reconnect(client);

        } else {
            ngx_http_push_client_close(client);
        }

        return;
    }

    do {
        n = c->recv(c, buf, NGX_HTTP_PUSH_DISCARD);
    } while (n > 0);

    if (n == NGX_AGAIN && ngx_handle_read_event(rev, 0) == NGX_OK) {
        return;
    }

    ngx_http_push_client_close(client);
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
    ngx_connection_t  *c;

    c = client->connection;
    client->blocked = 0;

#if (NGX_HTTP_SSL)
    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;

        if (ngx_ssl_shutdown(c) == NGX_AGAIN || c->ssl) {
            ngx_http_push_client_close(client);
            return;
        }

        c->recv = ngx_recv;
        c->send = ngx_send;

        c->read->handler = ngx_http_push_own_read;
        c->write->handler = ngx_http_push_own_write;
    }
#endif

    if (ngx_shutdown_socket(c->fd, NGX_WRITE_SHUTDOWN) == -1) {
        ngx_http_push_client_close(client);
    }
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
