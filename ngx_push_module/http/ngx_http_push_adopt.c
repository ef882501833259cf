
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_client.h"


/*
 * NGINX's request costs 6 to 10 KB for as long as a subscriber stays.  After
 * the headers nothing needs it, so it is let go; unless somebody else does
 * need it, and then it is kept.
 */


#define NGX_HTTP_PUSH_HELD  2                /* seconds to wait for others */


static void ngx_http_push_adopt_handler(ngx_event_t *ev);
static ngx_int_t ngx_http_push_adopt_client(ngx_http_push_client_t *client);
static ngx_int_t ngx_http_push_adopt_wait(ngx_http_push_client_t *client);
static void ngx_http_push_adopt_keep(ngx_http_push_client_t *client);
static ngx_int_t ngx_http_push_adopt_can_own(ngx_http_push_client_t *client);
static ngx_uint_t ngx_http_push_is_busy(ngx_http_request_t *r);
static ngx_uint_t ngx_http_push_is_held(ngx_http_request_t *r);


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
    ngx_int_t  rc;

    rc = ngx_http_push_adopt_wait(client);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_push_adopt_can_own(client);

        if (rc == NGX_OK) {
            rc = ngx_http_push_own(client);

        } else if (rc == NGX_DECLINED) {
            ngx_http_push_adopt_keep(client);
            rc = NGX_OK;
        }
    }

    if (rc != NGX_OK) {
        ngx_http_push_client_close(client);
        return NGX_DONE;
    }

    client->adopting = 0;

    ngx_http_push_client_schedule(client);

    if (client->upgraded && client->state) {

        /* frames came with the handshake, or it has to end at once */

        ngx_post_event(client->connection->read, &ngx_posted_events);
    }

    (void) ngx_http_push_resume(client);

    return NGX_OK;
}


/* until the headers are out, and for a while until nobody else is busy */

static ngx_int_t
ngx_http_push_adopt_wait(ngx_http_push_client_t *client)
{
    uint32_t             waited;
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = client->request;

    waited = ngx_http_push_seconds() - client->started;

    rc = ngx_http_push_unfinished_send(client);

    if (rc == NGX_OK
        && (r->discard_body
            || (ngx_http_push_is_busy(r) && waited < NGX_HTTP_PUSH_HELD)))
    {
        rc = NGX_AGAIN;
    }

    if (rc == NGX_AGAIN
        && (waited > client->conf->send_timeout / 1000
            || ngx_handle_write_event(client->connection->write, 0) != NGX_OK))
    {
        rc = NGX_ERROR;
    }

    return rc;
}


/* NGX_DECLINED: the request has to be kept */

static ngx_int_t
ngx_http_push_adopt_can_own(ngx_http_push_client_t *client)
{
    ngx_http_request_t  *r;

    r = client->request;

    if (!client->conf->hibernate
        || ngx_http_push_is_busy(r)
        || r->http_version > NGX_HTTP_VERSION_11
#if (NGX_HTTP_V2)
        || r->stream
#endif
        || ngx_http_push_is_held(r))
    {
        return NGX_DECLINED;
    }

    return client->transport->let_go ? client->transport->let_go(client)
                                     : NGX_OK;
}


/* the body of a request that was discarded has left no reader behind */

static void
ngx_http_push_adopt_keep(ngx_http_push_client_t *client)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    c = client->connection;
    r = client->request;

    if (r->http_version > NGX_HTTP_VERSION_11) {
        return;
    }

    (void) ngx_tcp_nodelay(c);

    r->read_event_handler = ngx_http_test_reading;

    if (client->upgraded) {
        client->direct = 1;
        r->read_event_handler = ngx_http_push_client_input;
        ngx_http_push_own_ssl(c);
    }

    ngx_post_event(c->read, &ngx_posted_events);
}


static ngx_uint_t
ngx_http_push_is_busy(ngx_http_request_t *r)
{
    return r->count != 1
           || r->blocked
           || r->postponed
           || r->posted_requests;
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
