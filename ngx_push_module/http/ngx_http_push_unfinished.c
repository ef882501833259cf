
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_client.h"
#include "ngx_push_sse.h"


/*
 * What a client has been given and its socket, or the filters of its
 * request, have not yet taken.
 */


struct ngx_http_push_unfinished_s {
    ngx_http_push_unfinished_t  *next;
    ngx_buf_t                    buf;
    u_char                      *seen;      /* of buf.pos, a progress */
    u_char                       data[1];
};


static ngx_int_t ngx_http_push_unfinished_own(ngx_http_push_client_t *client);
static ngx_int_t ngx_http_push_unfinished_kept(ngx_http_push_client_t *client);
static void ngx_http_push_unfinished_drop(ngx_http_push_client_t *client);


static ngx_buf_t  ngx_http_push_flush;


/* "framed": as it is; "last": and then the end of the body */

ngx_int_t
ngx_http_push_unfinished_add(ngx_http_push_client_t *client, u_char *p,
    size_t len, ngx_uint_t framed, ngx_uint_t last)
{
    u_char                       *end;
    ngx_uint_t                    chunked;
    ngx_chain_t                   out;
    ngx_http_push_unfinished_t   *u, **next;

    u = ngx_alloc(offsetof(ngx_http_push_unfinished_t, data) + len
                  + NGX_PUSH_CHUNK_HEAD + sizeof("\r\n0\r\n\r\n"),
                  ngx_cycle->log);
    if (u == NULL) {
        return NGX_ERROR;
    }

    chunked = client->chunked && client->direct;
    end = u->data;

    if (len && chunked && !framed) {
        end += ngx_push_chunk_head(end, len);
        end = ngx_cpymem(end, p, len);
        *end++ = CR; *end++ = LF;

    } else if (len) {
        end = ngx_cpymem(end, p, len);
    }

    if (last && chunked) {
        end = ngx_cpymem(end, "0\r\n\r\n", sizeof("0\r\n\r\n") - 1);
    }

    ngx_memzero(&u->buf, sizeof(ngx_buf_t));

    u->next = NULL;
    u->seen = u->data;
    u->buf.pos = u->data;
    u->buf.last = end;
    u->buf.start = u->data;
    u->buf.end = end;
    u->buf.memory = (end > u->data);
    u->buf.flush = 1;

    if (last && !client->direct) {
        u->buf.last_buf = 1;
    }

    for (next = &client->unfinished; *next; next = &(*next)->next) {
        /* void */
    }

    *next = u;

    if (client->direct) {
        return NGX_OK;
    }

    /* the filters queue it themselves */

    out.buf = &u->buf;
    out.next = NULL;

    return (ngx_http_push_output(client->request, &out) == NGX_ERROR)
           ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_http_push_unfinished_send(ngx_http_push_client_t *client)
{
    return client->direct ? ngx_http_push_unfinished_own(client)
                          : ngx_http_push_unfinished_kept(client);
}


void
ngx_http_push_unfinished_free(ngx_http_push_client_t *client)
{
    while (client->unfinished) {
        ngx_http_push_unfinished_drop(client);
    }
}


static ngx_int_t
ngx_http_push_unfinished_own(ngx_http_push_client_t *client)
{
    ssize_t            n;
    ngx_buf_t         *b;
    ngx_connection_t  *c;

    c = client->connection;

    while (client->unfinished) {
        b = &client->unfinished->buf;

        n = ngx_http_push_send(c, b->pos, b->last - b->pos);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (n > 0) {
            client->progress = ngx_http_push_seconds();
            b->pos += n;
        }

        if (b->pos < b->last) {
            return NGX_AGAIN;
        }

        ngx_http_push_unfinished_drop(client);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_push_unfinished_kept(ngx_http_push_client_t *client)
{
    ngx_chain_t                  out, *in;
    ngx_http_request_t          *r;
    ngx_http_push_unfinished_t  *u;

    r = client->request;

    if (r->out || r->connection->buffered) {

        /* a filter that frames has to see what it is to forget */

        ngx_http_push_flush.flush = 1;

        out.buf = &ngx_http_push_flush;
        out.next = NULL;

        in = (r->http_version == NGX_HTTP_VERSION_20) ? NULL : &out;

        if (ngx_http_push_output(r, in) == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    while (client->unfinished) {
        u = client->unfinished;

        if (u->seen != u->buf.pos) {
            u->seen = u->buf.pos;
            client->progress = ngx_http_push_seconds();
        }

        if (u->buf.pos < u->buf.last) {
            return NGX_AGAIN;
        }

        ngx_http_push_unfinished_drop(client);
    }

    return (r->out || r->connection->buffered) ? NGX_AGAIN : NGX_OK;
}


static void
ngx_http_push_unfinished_drop(ngx_http_push_client_t *client)
{
    ngx_http_push_unfinished_t  *u;

    u = client->unfinished;
    client->unfinished = u->next;

    ngx_free(u);
}
