
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_publish.h"
#include "ngx_push_content.h"
#include "ngx_push_sse.h"
#include "ngx_push_utf8.h"


/* POST and PUT: from the request to the core */


typedef struct {
    ngx_push_publish_t    publish;
    ngx_http_push_ctx_t  *ctx;
} ngx_http_push_post_t;


static ngx_int_t ngx_http_push_publish_targets(ngx_http_request_t *r,
    ngx_http_push_post_t *post);
static void ngx_http_push_publish_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_publish_body(ngx_http_request_t *r);
static void ngx_http_push_publish_done(ngx_push_publish_t *p, ngx_int_t rc);
static ngx_int_t ngx_http_push_too_large(ngx_http_request_t *r);


ngx_int_t
ngx_http_push_publish_request(ngx_http_request_t *r, ngx_http_push_ctx_t *ctx)
{
    char                          *bad;
    ngx_int_t                      rc;
    ngx_http_push_post_t          *post;
    ngx_http_push_publish_conf_t  *pcf;

    post = ngx_pcalloc(r->pool, sizeof(ngx_http_push_post_t));
    if (post == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_set_ctx(r, post, ngx_http_push_publish_module);

    pcf = ngx_http_get_module_loc_conf(r, ngx_http_push_publish_module);

    post->ctx = ctx;
    post->publish.rules = &pcf->rules;

    if (ngx_http_push_publish_targets(r, post) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    bad = ngx_http_push_publish_headers(r, &post->publish);

    if (bad) {
        return ngx_http_push_problem(r, NGX_HTTP_BAD_REQUEST, "bad-header",
                                     bad, NULL);
    }

    if (r->headers_in.content_length_n > (off_t) pcf->max_size) {
        return ngx_http_push_too_large(r);
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r,
                                          ngx_http_push_publish_body_handler);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


static ngx_int_t
ngx_http_push_publish_targets(ngx_http_request_t *r,
    ngx_http_push_post_t *post)
{
    ngx_str_t           *name;
    ngx_uint_t           i;
    ngx_push_publish_t  *p;

    p = &post->publish;

    p->ntargets = post->ctx->channels->nelts;
    p->targets = ngx_palloc(r->pool, p->ntargets * sizeof(ngx_push_target_t));
    if (p->targets == NULL) {
        return NGX_ERROR;
    }

    name = post->ctx->channels->elts;

    for (i = 0; i < p->ntargets; i++) {
        p->targets[i].channel = name[i];
    }

    return NGX_OK;
}


static void
ngx_http_push_publish_body_handler(ngx_http_request_t *r)
{
    ngx_http_finalize_request(r, ngx_http_push_publish_body(r));
}


static ngx_int_t
ngx_http_push_publish_body(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_str_t                      body;
    ngx_push_publish_t            *p;
    ngx_http_push_post_t          *post;
    ngx_http_push_loc_conf_t      *plcf;
    ngx_http_push_publish_conf_t  *pcf;

    post = ngx_http_get_module_ctx(r, ngx_http_push_publish_module);
    p = &post->publish;

    pcf = ngx_http_get_module_loc_conf(r, ngx_http_push_publish_module);

    rc = ngx_http_push_read_body(r, &body);

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (body.len > pcf->max_size) {
        return ngx_http_push_too_large(r);
    }

    p->empty = (p->end && body.len == 0);

    if (!p->empty && ngx_http_push_prepare(r->pool, p, &body) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_push_module);

    p->pool = r->pool;
    p->done = ngx_http_push_publish_done;
    p->data = r;

    rc = ngx_push_publish(plcf->zone, p);

    switch (rc) {

    case NGX_AGAIN:
        r->main->count++;
        return NGX_DONE;

    case NGX_ERROR:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;

    default:
        return ngx_http_push_published(r, post->ctx, p, rc);
    }
}


static void
ngx_http_push_publish_done(ngx_push_publish_t *p, ngx_int_t rc)
{
    ngx_connection_t      *c;
    ngx_http_request_t    *r;
    ngx_http_push_post_t  *post;

    r = p->data;
    c = r->connection;
    post = ngx_http_get_module_ctx(r, ngx_http_push_publish_module);

    ngx_http_finalize_request(r, ngx_http_push_published(r, post->ctx, p, rc));
    ngx_http_run_posted_requests(c);
}


ngx_int_t
ngx_http_push_prepare(ngx_pool_t *pool, ngx_push_publish_t *p,
    ngx_str_t *body)
{
    ngx_push_sse_event_t   event;
    ngx_push_sse_layout_t  layout;

    p->text = ngx_push_content_is_text(&p->content_type)
              && ngx_push_utf8_valid(body->data, body->len) == NGX_OK;

    event.event = p->event;
    event.body = *body;
    event.id_len = NGX_PUSH_ID_LEN;
    event.binary = !p->text;

    ngx_push_sse_measure(&event, &layout);

    p->bytes.len = layout.size;
    p->bytes.data = ngx_pnalloc(pool, layout.size);
    if (p->bytes.data == NULL) {
        return NGX_ERROR;
    }

    ngx_push_sse_render(p->bytes.data, &event, &layout);

    p->head = layout.head;
    p->event_size = layout.event;
    p->id = layout.id;
    p->body = layout.body;
    p->body_size = body->len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_push_too_large(ngx_http_request_t *r)
{
    return ngx_http_push_problem(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                 "message-too-large",
                                 "the message is larger than "
                                 "push_max_message_size", NULL);
}
