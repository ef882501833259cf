
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_client.h"


/* reading from a client, once its request has been read */


#define NGX_HTTP_PUSH_DISCARD  4096
#define NGX_HTTP_PUSH_READS    16            /* in one turn */


void
ngx_http_push_client_input(ngx_http_request_t *r)
{
    ngx_http_push_client_t  *client;

    client = ngx_http_get_module_ctx(r, ngx_http_push_subscribe_module);

    ngx_http_push_client_readable(client);
}


/* what a client sends after its request has no meaning for most transports */

void
ngx_http_push_client_readable(ngx_http_push_client_t *client)
{
    u_char             buf[NGX_HTTP_PUSH_DISCARD];
    ssize_t            n;
    ngx_uint_t         reads;
    ngx_event_t       *rev;
    ngx_connection_t  *c;

    if (client->transport->readable
        && (!client->ending || client->handshake))
    {
        client->transport->readable(client);
        return;
    }

    c = client->connection;
    rev = c->read;
    reads = 0;

    do {
        n = c->recv(c, buf, NGX_HTTP_PUSH_DISCARD);
    } while (n > 0 && ++reads < NGX_HTTP_PUSH_READS);

    if (n > 0) {

        /* one that never stops must not keep the others waiting */

        ngx_post_event(rev, &ngx_posted_next_events);
        return;
    }

    if (n == NGX_AGAIN && ngx_handle_read_event(rev, 0) == NGX_OK) {
        return;
    }

    ngx_http_push_client_close(client);
}


void
ngx_http_push_client_listen(ngx_http_push_client_t *client)
{
    ngx_event_t  *rev;

    rev = client->connection->read;

    if (client->transport->readable == NULL || !rev->ready) {
        return;
    }

    if (rev->posted) {
        ngx_delete_posted_event(rev);
    }

    ngx_post_event(rev, &ngx_posted_next_events);
}
