
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_client.h"


/* writing to a client: straight to its connection, if it owns that */


/* one TLS record */
#define NGX_HTTP_PUSH_RECORD  16384


static ngx_uint_t ngx_http_push_client_group(ngx_http_push_client_t *client,
    u_char *start, u_char **ends, ngx_uint_t i, ngx_uint_t n);
static ngx_int_t ngx_http_push_client_flow(ngx_http_push_client_t *client,
    ngx_int_t rc);


ngx_int_t
ngx_http_push_client_write(ngx_http_push_client_t *client, ngx_str_t *bytes)
{
    ngx_int_t  rc;

    rc = ngx_http_push_unfinished_add(client, bytes->data, bytes->len, 0, 0);

    if (rc == NGX_OK) {
        rc = ngx_http_push_unfinished_send(client);
    }

    return ngx_http_push_client_flow(client, rc);
}


ngx_int_t
ngx_http_push_client_write_pieces(ngx_http_push_client_t *client,
    u_char *start, u_char **ends, ngx_uint_t n, ngx_uint_t *begun)
{
    u_char            *p, *end;
    ssize_t            sent;
    ngx_int_t          rc;
    ngx_uint_t         last;
    ngx_connection_t  *c;

    c = client->connection;
    p = start;
    *begun = 0;

    if (!client->direct) {
        *begun = n;

        rc = ngx_http_push_unfinished_add(client, start, ends[n - 1] - start,
                                          1, 0);
        if (rc == NGX_OK) {
            rc = ngx_http_push_unfinished_send(client);
        }

        return ngx_http_push_client_flow(client, rc);
    }

    while (*begun < n) {
        last = ngx_http_push_client_group(client, p, ends, *begun, n);
        end = ends[last];

        sent = ngx_http_push_send(c, p, end - p);

        if (sent == NGX_ERROR) {
            return ngx_http_push_client_flow(client, NGX_ERROR);
        }

        p += sent;

        while (*begun <= last && ends[*begun] <= p) {
            (*begun)++;
        }

        if (p == end) {
            continue;
        }

        if (c->ssl) {

            /* what was offered has to be offered again */

            *begun = last + 1;

        } else if (p > (*begun ? ends[*begun - 1] : start)) {
            end = ends[(*begun)++];

        } else {
            return ngx_http_push_client_flow(client, NGX_AGAIN);
        }

        rc = ngx_http_push_unfinished_add(client, p, end - p, 1, 0);

        return ngx_http_push_client_flow(client, (rc == NGX_OK) ? NGX_AGAIN
                                                                : rc);
    }

    return ngx_http_push_client_flow(client, NGX_OK);
}


/*
 * TLS takes a write whole or not at all, and wants it again when it did not:
 * record by record the progress is seen, and what comes again is the same.
 */

ssize_t
ngx_http_push_send(ngx_connection_t *c, u_char *p, size_t size)
{
    size_t   part, sent;
    ssize_t  n;

    sent = 0;

    while (sent < size) {
        part = size - sent;

        if (c->ssl) {
            part = ngx_min(part, NGX_HTTP_PUSH_RECORD);
        }

        n = c->send(c, p + sent, part);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (n > 0) {
            sent += n;
        }

        if (n < (ssize_t) part) {
            break;
        }
    }

    return sent;
}


/* after a write: notes when it was, closes what is broken */

static ngx_int_t
ngx_http_push_client_flow(ngx_http_push_client_t *client, ngx_int_t rc)
{
    switch (rc) {

    case NGX_OK:
        client->written = ngx_http_push_seconds();
        return NGX_OK;

    case NGX_AGAIN:
        client->blocked = 1;
        client->written = ngx_http_push_seconds();
        client->progress = client->written;
        ngx_http_push_client_schedule(client);

        if (ngx_handle_write_event(client->connection->write, 0) == NGX_OK) {
            return NGX_AGAIN;
        }

        /* fall through */

    default:
        ngx_http_push_client_close(client);
        return NGX_DONE;
    }
}


/* the last piece to go out with piece i in one write, of TLS in one record */

static ngx_uint_t
ngx_http_push_client_group(ngx_http_push_client_t *client, u_char *start,
    u_char **ends, ngx_uint_t i, ngx_uint_t n)
{
    if (client->connection->ssl == NULL) {
        return n - 1;
    }

    while (i + 1 < n && ends[i + 1] - start <= NGX_HTTP_PUSH_RECORD) {
        i++;
    }

    return i;
}
