
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


static ngx_int_t ngx_http_push_client_rest(ngx_http_push_client_t *client,
    u_char *start, size_t sent, u_char **ends, ngx_uint_t *begun);
static ngx_int_t ngx_http_push_client_records(
    ngx_http_push_client_t *client, u_char *start, u_char **ends,
    ngx_uint_t n, ngx_uint_t *begun);
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
    size_t             size;
    ssize_t            sent;
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = client->connection;
    size = ends[n - 1] - start;

    if (!client->direct) {
        *begun = n;

        rc = ngx_http_push_unfinished_add(client, start, size, 1, 0);

        if (rc == NGX_OK) {
            rc = ngx_http_push_unfinished_send(client);
        }

        return ngx_http_push_client_flow(client, rc);
    }

    if (c->ssl) {
        return ngx_http_push_client_records(client, start, ends, n, begun);
    }

    sent = c->send(c, start, size);

    /* nearly always */

    if (sent == (ssize_t) size) {
        client->written = ngx_http_push_seconds();
        return NGX_OK;
    }

    if (sent == NGX_ERROR) {
        return ngx_http_push_client_flow(client, NGX_ERROR);
    }

    return ngx_http_push_client_rest(client, start, ngx_max(sent, 0), ends,
                                     begun);
}


/* the piece that was begun goes on later, those after it are not taken */

static ngx_int_t
ngx_http_push_client_rest(ngx_http_push_client_t *client, u_char *start,
    size_t sent, u_char **ends, ngx_uint_t *begun)
{
    u_char      *p;
    ngx_int_t    rc;
    ngx_uint_t   i;

    p = start + sent;

    for (i = 0; ends[i] <= p; i++) { /* void */ }

    *begun = i;
    rc = NGX_AGAIN;

    if (p > (i ? ends[i - 1] : start)) {
        *begun = i + 1;

        if (ngx_http_push_unfinished_add(client, p, ends[i] - p, 1, 0)
            != NGX_OK)
        {
            rc = NGX_ERROR;
        }
    }

    return ngx_http_push_client_flow(client, rc);
}


/* what was offered to TLS has to be offered again, all of a record */

static ngx_int_t
ngx_http_push_client_records(ngx_http_push_client_t *client, u_char *start,
    u_char **ends, ngx_uint_t n, ngx_uint_t *begun)
{
    u_char      *end;
    ssize_t      sent;
    ngx_int_t    rc;
    ngx_uint_t   i;

    for (i = 0; i < n; start = end) {

        for (end = ends[i++];
             i < n && ends[i] - start <= NGX_HTTP_PUSH_RECORD;
             i++)
        {
            end = ends[i];
        }

        sent = ngx_http_push_send(client->connection, start, end - start);

        if (sent == end - start) {
            continue;
        }

        *begun = i;
        rc = NGX_AGAIN;

        if (sent == NGX_ERROR
            || ngx_http_push_unfinished_add(client, start + sent,
                                            end - start - sent, 1, 0)
               != NGX_OK)
        {
            rc = NGX_ERROR;
        }

        return ngx_http_push_client_flow(client, rc);
    }

    *begun = n;

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
