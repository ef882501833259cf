
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_client.h"


/* one client, from its creation to its end */


#define NGX_HTTP_PUSH_FAR  3600              /* seconds */


static void ngx_http_push_client_flush(ngx_http_request_t *r);
static uint32_t ngx_http_push_at_least(ngx_msec_t ms);
static uint32_t ngx_http_push_at_most(ngx_msec_t ms);
static uint32_t ngx_http_push_sooner(uint32_t a, uint32_t b);
static void ngx_http_push_client_written(ngx_http_push_client_t *client);


static ngx_uint_t  ngx_http_push_nclients;


ngx_http_push_client_t *
ngx_http_push_client_create(ngx_http_request_t *r,
    const ngx_http_push_transport_t *transport)
{
    uint32_t                 now, age, jitter;
    ngx_pool_cleanup_t      *cln;
    ngx_http_push_client_t  *client;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    client = ngx_alloc(sizeof(ngx_http_push_client_t), r->connection->log);
    if (client == NULL) {
        return NULL;
    }

    ngx_memzero(client, sizeof(ngx_http_push_client_t));

    cln->handler = ngx_http_push_client_cleanup;
    cln->data = client;

    ngx_http_set_ctx(r, client, ngx_http_push_subscribe_module);

    now = ngx_http_push_seconds();

    client->connection = r->connection;
    client->request = r;
    client->conf = ngx_http_get_module_loc_conf(r,
                                               ngx_http_push_subscribe_module);
    client->transport = transport;
    client->started = now;
    client->written = now;
    client->progress = now;
    ngx_queue_init(&client->queue);

    if (client->conf->max_age) {
        age = ngx_http_push_at_least(client->conf->max_age);
        jitter = age * client->conf->max_age_jitter / 100;

        client->ends = now + age - jitter + ngx_random() % (2 * jitter + 1);
    }

    ngx_http_push_nclients++;

    return client;
}


ngx_int_t
ngx_http_push_client_start(ngx_http_push_client_t *client, ngx_str_t *first)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = client->request;

    /* nothing may change or delay the stream, and it ends the connection */

    r->keepalive = 0;
    r->limit_rate = 0;
    r->limit_rate_set = 1;

    ngx_http_clear_content_length(r);

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    client->chunked = r->chunked;

    if (ngx_http_push_unfinished_add(client, first->data, first->len, 0, 0)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->main->count++;
    ngx_http_push_client_stay(client);

    return NGX_DONE;
}


void
ngx_http_push_client_stay(ngx_http_push_client_t *client)
{
    ngx_http_request_t  *r;

    r = client->request;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_push_client_flush;

    client->adopting = 1;
    ngx_http_push_adopt(client);
}


void
ngx_http_push_client_end(ngx_http_push_client_t *client, ngx_str_t *bytes)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = client->request;
    c = client->connection;

    ngx_http_push_leave(client);
    client->ending = 1;

    rc = ngx_http_push_unfinished_add(client, bytes->data, bytes->len, 0, 1);

    if (rc != NGX_OK) {
        ngx_http_push_client_close(client);
        return;
    }

    if (!client->direct) {

        /* NGINX sends what is left, and the pool's cleanup frees the client */

        ngx_queue_remove(&client->queue);
        ngx_queue_init(&client->queue);

        ngx_http_finalize_request(r, NGX_OK);
        ngx_http_run_posted_requests(c);
        return;
    }

    ngx_http_push_wheel_linger(client);

    if (c->read->ready) {

        /* what the client has sent was left where it was */

        ngx_post_event(c->read, &ngx_posted_next_events);
    }

    switch (ngx_http_push_unfinished_send(client)) {

    case NGX_OK:
        ngx_http_push_client_written(client);
        break;

    case NGX_AGAIN:
        client->blocked = 1;
        client->progress = ngx_http_push_seconds();

        if (ngx_handle_write_event(c->write, 0) == NGX_OK) {
            break;
        }

        /* fall through */

    default:
        ngx_http_push_client_close(client);
    }
}


void
ngx_http_push_client_close(ngx_http_push_client_t *client)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = client->request;
    c = client->connection;

    ngx_http_push_leave(client);

    ngx_queue_remove(&client->queue);
    ngx_queue_init(&client->queue);

    if (r) {
        ngx_http_finalize_request(r, NGX_ERROR);
        ngx_http_run_posted_requests(c);
        return;
    }

    ngx_http_push_client_free(client);
    ngx_http_push_own_close(c);
}


void
ngx_http_push_client_due(ngx_http_push_client_t *client)
{
    uint32_t                         now, timeout;
    ngx_http_push_subscribe_conf_t  *conf;

    now = ngx_http_push_seconds();
    conf = client->conf;

    if (client->ending) {

        if (client->unfinished
            && now - client->progress < NGX_HTTP_PUSH_LINGER)
        {
            ngx_http_push_wheel_linger(client);
            return;
        }

        ngx_http_push_client_close(client);
        return;
    }

    timeout = ngx_http_push_at_least(conf->send_timeout);

    if (client->blocked && now - client->progress >= timeout) {
        ngx_log_error(NGX_LOG_INFO, client->connection->log, 0,
                      "push: client took nothing for send_timeout");

        client->connection->timedout = 1;

        if (client->request == NULL && conf->reset_timedout) {
            ngx_http_push_own_reset(client->connection);
        }

        ngx_http_push_client_close(client);
        return;
    }

    if (client->ends && (int32_t) (client->ends - now) <= 0) {
        client->transport->reconnect(client);
        return;
    }

    if (conf->heartbeat
        && client->transport->heartbeat
        && !client->blocked
        && now - client->written >= ngx_http_push_at_most(conf->heartbeat)
        && client->transport->heartbeat(client) == NGX_DONE)
    {
        return;
    }

    ngx_http_push_client_schedule(client);
}


void
ngx_http_push_client_schedule(ngx_http_push_client_t *client)
{
    uint32_t                         due, next;
    ngx_http_push_subscribe_conf_t  *conf;

    conf = client->conf;

    due = client->ends ? client->ends
                       : ngx_http_push_seconds() + NGX_HTTP_PUSH_FAR;

    if (client->blocked) {
        next = client->progress + ngx_http_push_at_least(conf->send_timeout);
        due = ngx_http_push_sooner(due, next);

    } else if (conf->heartbeat && client->transport->heartbeat) {
        next = client->written + ngx_http_push_at_most(conf->heartbeat);
        due = ngx_http_push_sooner(due, next);
    }

    client->due = due;
    ngx_http_push_wheel_add(client);
}


ngx_uint_t
ngx_http_push_clients(void)
{
    return ngx_http_push_nclients;
}


/* the request ends first: the client aborted, or its last words are out */

void
ngx_http_push_client_cleanup(void *data)
{
    ngx_http_push_client_t  *client = data;

    if (client->request == NULL) {
        return;
    }

    ngx_http_push_leave(client);
    ngx_http_push_client_free(client);
}


/* the request's write event, for as long as the client has a request */

static void
ngx_http_push_client_flush(ngx_http_request_t *r)
{
    ngx_http_push_client_t  *client;

    client = ngx_http_get_module_ctx(r, ngx_http_push_subscribe_module);

    ngx_http_push_client_writable(client);
}


void
ngx_http_push_client_writable(ngx_http_push_client_t *client)
{
    ngx_int_t  rc;

    rc = ngx_http_push_unfinished_send(client);

    if (rc == NGX_ERROR) {
        ngx_http_push_client_close(client);
        return;
    }

    if (client->adopting) {
        ngx_http_push_adopt(client);
        return;
    }

    if (ngx_handle_write_event(client->connection->write, 0) != NGX_OK) {
        ngx_http_push_client_close(client);
        return;
    }

    if (rc == NGX_AGAIN) {
        return;
    }

    if (client->ending) {
        ngx_http_push_client_written(client);
        return;
    }

    if (client->blocked) {
        client->blocked = 0;
        ngx_http_push_client_schedule(client);
        ngx_http_push_client_listen(client);
        (void) ngx_http_push_resume(client);
    }
}


/* the last words are out */

static void
ngx_http_push_client_written(ngx_http_push_client_t *client)
{
    client->blocked = 0;

    if (client->transport->finished) {
        client->transport->finished(client);

    } else if (!client->handshake) {
        ngx_http_push_own_shut(client);
    }
}


/* from any moment of one second to the beginning of another */

static uint32_t
ngx_http_push_at_least(ngx_msec_t ms)
{
    return ms / 1000 + 1;
}


static uint32_t
ngx_http_push_at_most(ngx_msec_t ms)
{
    return (ms + 999) / 1000;
}


/* either may be past already */

static uint32_t
ngx_http_push_sooner(uint32_t a, uint32_t b)
{
    return ((int32_t) (a - b) < 0) ? a : b;
}


void
ngx_http_push_client_free(ngx_http_push_client_t *client)
{
    ngx_queue_remove(&client->queue);

    while (client->channels) {
        ngx_http_push_drop(ngx_http_push_first(client));
    }

    if (client->transport->release) {
        client->transport->release(client);
    }

    ngx_http_push_unfinished_free(client);
    ngx_http_push_nclients--;

    ngx_free(client);
}
