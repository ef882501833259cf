
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_publish.h"


/* the body of a publish, from memory or a temporary file */


static ngx_int_t ngx_http_push_copy_body(ngx_http_request_t *r,
    ngx_str_t *body);


ngx_int_t
ngx_http_push_read_body(ngx_http_request_t *r, ngx_str_t *body)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    ngx_str_null(body);

    if (r->request_body == NULL) {
        return NGX_OK;
    }

    cl = r->request_body->bufs;

    if (cl && cl->next == NULL && !cl->buf->in_file) {
        b = cl->buf;

        body->data = b->pos;
        body->len = b->last - b->pos;

        return NGX_OK;
    }

    for ( /* void */ ; cl; cl = cl->next) {
        b = cl->buf;
        body->len += b->in_file ? (size_t) (b->file_last - b->file_pos)
                                : (size_t) (b->last - b->pos);
    }

    return body->len ? ngx_http_push_copy_body(r, body) : NGX_OK;
}


static ngx_int_t
ngx_http_push_copy_body(ngx_http_request_t *r, ngx_str_t *body)
{
    u_char       *p;
    size_t        size;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    body->data = ngx_pnalloc(r->pool, body->len);
    if (body->data == NULL) {
        return NGX_ERROR;
    }

    p = body->data;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (!b->in_file) {

            /* the last one may be empty, and nowhere */

            if (b->last != b->pos) {
                p = ngx_cpymem(p, b->pos, b->last - b->pos);
            }

            continue;
        }

        size = b->file_last - b->file_pos;

        n = ngx_read_file(b->file, p, size, b->file_pos);

        if (n != (ssize_t) size) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "push: the body of a publish could not be read");
            return NGX_ERROR;
        }

        p += n;
    }

    return NGX_OK;
}
