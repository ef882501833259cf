
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_publish.h"
#include "ngx_push_content.h"
#include "ngx_push_json.h"
#include "ngx_push_sse.h"
#include "ngx_push_utf8.h"


/* POST and PUT: from the request to the core, and the answer */


typedef struct {
    ngx_push_publish_t    publish;
    ngx_http_push_ctx_t  *ctx;
} ngx_http_push_post_t;


static ngx_int_t ngx_http_push_publish_targets(ngx_http_request_t *r,
    ngx_http_push_post_t *post);
static void ngx_http_push_publish_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_publish_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_publish_answer(ngx_http_request_t *r,
    ngx_http_push_post_t *post);
static ngx_int_t ngx_http_push_publish_refused(ngx_http_request_t *r,
    ngx_push_publish_t *p);
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

    if (ngx_push_publish(plcf->zone, p) != NGX_OK) {
        return ngx_http_push_publish_refused(r, p);
    }

    return ngx_http_push_publish_answer(r, post);
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
ngx_http_push_publish_answer(ngx_http_request_t *r,
    ngx_http_push_post_t *post)
{
    u_char               *p, id[NGX_PUSH_ID_LEN];
    size_t                len;
    ngx_str_t             body, type = ngx_string("application/json");
    ngx_uint_t            i, status;
    ngx_push_target_t    *t;
    ngx_http_push_ctx_t  *ctx;

    ctx = post->ctx;
    t = post->publish.targets;
    len = sizeof("[]");
    status = NGX_HTTP_OK;

    for (i = 0; i < post->publish.ntargets; i++) {
        len += sizeof("{\"channel\":,\"id\":\"\",\"subscribers\":},")
               + ngx_push_json_string_size(&t[i].channel) + NGX_PUSH_ID_LEN
               + NGX_INT_T_LEN;

        if (t[i].outcome == NGX_PUSH_CREATED) {
            status = NGX_HTTP_CREATED;
        }
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = p;

    for (i = 0; i < post->publish.ntargets; i++) {
        *p++ = i ? ',' : '[';

        p = ngx_cpymem(p, "{\"channel\":", sizeof("{\"channel\":") - 1);
        p = ngx_push_json_string(p, &t[i].channel);

        if (t[i].id.seq) {
            ngx_push_id_format(id, &t[i].id);
            p = ngx_sprintf(p, ",\"id\":\"%*s\"", (size_t) NGX_PUSH_ID_LEN,
                            id);

        } else {
            p = ngx_cpymem(p, ",\"id\":null", sizeof(",\"id\":null") - 1);
        }

        p = ngx_sprintf(p, ",\"subscribers\":%ui}", t[i].subscribers);

        ctx->subscribers += t[i].subscribers;
    }

    *p++ = ']';
    body.len = p - body.data;

    ctx->published = 1;
    ctx->id = t[post->publish.ntargets - 1].id;
    ctx->has_id = (ctx->id.seq != 0);

    if (post->publish.ntargets == 1) {
        body.data++;
        body.len -= 2;

        if (ctx->has_id && ngx_http_push_etag(r, &ctx->id) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_push_answer(r, status, &type, &body);
}


/* the first channel that stood in the way says why */

static ngx_int_t
ngx_http_push_publish_refused(ngx_http_request_t *r, ngx_push_publish_t *p)
{
    u_char             *last, id[NGX_PUSH_ID_LEN];
    ngx_str_t           more;
    ngx_push_target_t  *t;

    for (t = p->targets; t->outcome <= NGX_PUSH_REPEATED; t++) {
        /* void */
    }

    more.data = ngx_pnalloc(r->pool,
                            sizeof(",\"channel\":,\"id\":\"\"")
                            + ngx_push_json_string_size(&t->channel)
                            + NGX_PUSH_ID_LEN);
    if (more.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    last = ngx_cpymem(more.data, ",\"channel\":",
                      sizeof(",\"channel\":") - 1);
    last = ngx_push_json_string(last, &t->channel);

    if (t->outcome == NGX_PUSH_UNMATCHED) {
        if (t->id.seq) {
            ngx_push_id_format(id, &t->id);
            last = ngx_sprintf(last, ",\"id\":\"%*s\"",
                               (size_t) NGX_PUSH_ID_LEN, id);

        } else {
            last = ngx_cpymem(last, ",\"id\":null", sizeof(",\"id\":null") - 1);
        }
    }

    more.len = last - more.data;

    switch (t->outcome) {

    case NGX_PUSH_SEALED:
        return ngx_http_push_problem(r, NGX_HTTP_CONFLICT, "channel-sealed",
                                     "the channel has ended", &more);

    case NGX_PUSH_UNMATCHED:
        return ngx_http_push_problem(r, NGX_HTTP_PRECONDITION_FAILED,
                                     "precondition-failed",
                                     "the channel's last id is another",
                                     &more);

    default: /* NGX_PUSH_FULL */
        return ngx_http_push_problem(r, NGX_HTTP_INSUFFICIENT_STORAGE,
                                     "zone-full",
                                     "the message does not fit into the zone",
                                     &more);
    }
}


static ngx_int_t
ngx_http_push_too_large(ngx_http_request_t *r)
{
    return ngx_http_push_problem(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                 "message-too-large",
                                 "the message is larger than "
                                 "push_max_message_size", NULL);
}
