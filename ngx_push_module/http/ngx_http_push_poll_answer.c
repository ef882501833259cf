
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_poll.h"


/* the answer of a poll: one JSON object */


#define NGX_HTTP_PUSH_MEMBERS                                                \
    sizeof("{\"messages\":[],\"next\":\"\",\"prev\":\"\",\"closed\":[],"     \
           "\"ended\":true}")


static ngx_int_t ngx_http_push_poll_body(ngx_http_push_client_t *client,
    ngx_str_t *etag, ngx_http_push_text_t *body);
static void ngx_http_push_poll_next(ngx_http_push_client_t *client,
    ngx_str_t *etag);
static u_char *ngx_http_push_poll_prev(u_char *p,
    ngx_http_push_client_t *client);
static void ngx_http_push_poll_send(ngx_http_push_client_t *client,
    ngx_str_t *etag, ngx_http_push_text_t *body);
static void ngx_http_push_poll_write(ngx_http_push_client_t *client,
    ngx_str_t *etag, ngx_http_push_text_t *body);
static ngx_int_t ngx_http_push_poll_respond(ngx_http_request_t *r,
    ngx_str_t *etag, ngx_http_push_text_t *body);


void
ngx_http_push_poll_answer(ngx_http_push_client_t *client)
{
    ngx_str_t              etag;
    ngx_http_push_page_t  *page;
    ngx_http_push_poll_t  *poll;
    ngx_http_push_text_t   body;

    poll = client->state;
    page = ngx_http_push_poll_page(client);

    ngx_memzero(&body, sizeof(ngx_http_push_text_t));

    etag.data = ngx_alloc(ngx_http_push_position_size(client)
                          + sizeof("\"\""), ngx_cycle->log);

    if (page == NULL || etag.data == NULL) {
        goto failed;
    }

    ngx_http_push_poll_next(client, &etag);

    /* without a body nothing has changed */

    if (!poll->matching || page->count || page->gap.len || page->closed.len) {

        if (ngx_http_push_poll_body(client, &etag, &body) != NGX_OK) {
            goto failed;
        }
    }

    if (client->request) {
        ngx_http_push_poll_send(client, &etag, &body);

    } else {
        ngx_http_push_poll_write(client, &etag, &body);
    }

    ngx_free(etag.data);
    ngx_free(body.data);

    return;

failed:

    ngx_free(etag.data);
    ngx_free(body.data);

    ngx_http_push_client_close(client);
}


/* the position after this answer, as an entity tag */

static void
ngx_http_push_poll_next(ngx_http_push_client_t *client, ngx_str_t *etag)
{
    u_char                *p;
    ngx_push_id_t          id;
    ngx_http_push_page_t  *page;
    ngx_http_push_poll_t  *poll;

    poll = client->state;
    page = poll->page;

    p = etag->data;
    *p++ = '"';

    if (poll->backward) {
        id.epoch = ngx_http_push_first(client)->base.epoch;
        id.seq = page->before ? page->before - 1 : 0;
        p = ngx_push_id_format(p, &id);

    } else {
        p = ngx_http_push_position(p, client, page->request,
                                   page->request ? page->request->told : 0);
    }

    *p++ = '"';
    etag->len = p - etag->data;
}


static ngx_int_t
ngx_http_push_poll_body(ngx_http_push_client_t *client, ngx_str_t *etag,
    ngx_http_push_text_t *body)
{
    u_char                *p;
    ngx_http_push_page_t  *page;
    ngx_http_push_poll_t  *poll;

    poll = client->state;
    page = poll->page;

    if (ngx_http_push_text_add(body, NGX_HTTP_PUSH_MEMBERS
                                     + page->messages.len + etag->len
                                     + NGX_PUSH_ID_LEN + page->gap.len
                                     + page->closed.len)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_sprintf(body->data, "{\"messages\":[");
    p = ngx_cpymem(p, page->messages.data ? page->messages.data : p,
                   page->messages.len);
    p = ngx_sprintf(p, "],\"next\":%V", etag);

    if (poll->backward) {
        p = ngx_http_push_poll_prev(p, client);
    }

    p = ngx_cpymem(p, page->gap.data ? page->gap.data : p, page->gap.len);

    if (page->closed.len) {
        p = ngx_cpymem(p, ",\"closed\":[", sizeof(",\"closed\":[") - 1);
        p = ngx_cpymem(p, page->closed.data, page->closed.len);
        *p++ = ']';
    }

    if (client->channels && ngx_http_push_joined(client) == 0) {
        p = ngx_cpymem(p, ",\"ended\":true", sizeof(",\"ended\":true") - 1);
    }

    *p++ = '}';
    body->len = p - body->data;

    return NGX_OK;
}


/* what the page before this one ends before */

static u_char *
ngx_http_push_poll_prev(u_char *p, ngx_http_push_client_t *client)
{
    ngx_push_id_t          id;
    ngx_http_push_page_t  *page;

    page = ((ngx_http_push_poll_t *) client->state)->page;

    id.epoch = ngx_http_push_first(client)->base.epoch;
    id.seq = page->first;

    *p++ = ',';

    return ngx_http_push_put_id(p, "prev", page->first ? &id : NULL);
}


/* by way of the filters, as any other answer */

static void
ngx_http_push_poll_send(ngx_http_push_client_t *client, ngx_str_t *etag,
    ngx_http_push_text_t *body)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = client->request;
    c = client->connection;

    ngx_http_push_leave(client);
    client->ending = 1;

    ngx_queue_remove(&client->queue);
    ngx_queue_init(&client->queue);

    rc = ngx_http_push_poll_respond(r, etag, body);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_push_poll_respond(ngx_http_request_t *r, ngx_str_t *etag,
    ngx_http_push_text_t *body)
{
    u_char     *p;
    ngx_str_t   type = ngx_string("application/json"), value, text;

    p = ngx_pnalloc(r->pool, etag->len + body->len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    value.data = p;
    value.len = etag->len;

    p = ngx_cpymem(p, etag->data, etag->len);

    text.data = p;
    text.len = body->len;

    ngx_memcpy(p, body->data ? body->data : p, body->len);

    if (ngx_http_push_header(r, "ETag", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (body->len) {
        return ngx_http_push_answer(r, NGX_HTTP_OK, &type, &text);
    }

    r->headers_out.status = NGX_HTTP_NOT_MODIFIED;
    r->header_only = 1;

    return ngx_http_send_header(r);
}


/* straight to the connection; the head was made before the wait */

static void
ngx_http_push_poll_write(ngx_http_push_client_t *client, ngx_str_t *etag,
    ngx_http_push_text_t *body)
{
    u_char                *p;
    ngx_str_t              bytes;
    ngx_http_push_poll_t  *poll;

    poll = client->state;

    bytes.data = ngx_alloc(ngx_http_push_head_size(poll->head, etag)
                           + body->len, ngx_cycle->log);
    if (bytes.data == NULL) {
        ngx_http_push_client_close(client);
        return;
    }

    p = ngx_http_push_head_put(bytes.data, poll->head,
                               body->len ? NGX_HTTP_OK
                                         : NGX_HTTP_NOT_MODIFIED,
                               etag, body->len);

    p = ngx_cpymem(p, body->data ? body->data : p, body->len);
    bytes.len = p - bytes.data;

    ngx_http_push_client_end(client, &bytes);

    ngx_free(bytes.data);
}


ngx_int_t
ngx_http_push_text_add(ngx_http_push_text_t *text, size_t size)
{
    size_t   room;
    u_char  *p;

    if (text->len + size <= text->size) {
        return NGX_OK;
    }

    room = ngx_max(text->size * 2, text->len + size);

    p = ngx_alloc(room, ngx_cycle->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, text->data ? text->data : p, text->len);
    ngx_free(text->data);

    text->data = p;
    text->size = room;

    return NGX_OK;
}
