
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_publish.h"
#include "ngx_push_json.h"


/* the answer to a publish */


#define NGX_HTTP_PUSH_MULTI_STATUS  207


static ngx_uint_t ngx_http_push_outcome_status(ngx_push_publish_t *publish,
    ngx_push_target_t *t);
static ngx_uint_t ngx_http_push_published_status(ngx_push_publish_t *p);
static u_char *ngx_http_push_published_object(u_char *p,
    ngx_push_publish_t *publish, ngx_push_target_t *t, ngx_uint_t status);
static ngx_int_t ngx_http_push_refused(ngx_http_request_t *r,
    ngx_push_target_t *t);
static ngx_int_t ngx_http_push_refuse(ngx_http_request_t *r,
    ngx_push_target_t *t, ngx_str_t *more);


ngx_int_t
ngx_http_push_published(ngx_http_request_t *r, ngx_http_push_ctx_t *ctx,
    ngx_push_publish_t *publish, ngx_int_t rc)
{
    u_char             *p;
    size_t              len;
    ngx_str_t           body, type = ngx_string("application/json");
    ngx_uint_t          i, status;
    ngx_push_target_t  *t;

    t = publish->targets;

    /* the first channel that stood in the way says why */

    for (i = 0; i < publish->ntargets; i++) {
        if (t[i].outcome > NGX_PUSH_REPEATED
            && (rc != NGX_OK || publish->ntargets == 1))
        {
            return ngx_http_push_refused(r, &t[i]);
        }
    }

    status = ngx_http_push_published_status(publish);
    len = sizeof("[]");

    for (i = 0; i < publish->ntargets; i++) {
        len += sizeof("{\"channel\":,\"status\":000,\"id\":\"\","
                      "\"subscribers\":,\"nodes\":,\"replicated\":},")
               + ngx_push_json_string_size(&t[i].channel) + NGX_PUSH_ID_LEN
               + 3 * NGX_INT_T_LEN;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = p;

    for (i = 0; i < publish->ntargets; i++) {
        *p++ = i ? ',' : '[';

        p = ngx_http_push_published_object(p, publish, &t[i], status);

        ctx->subscribers += t[i].subscribers;
    }

    *p++ = ']';
    body.len = p - body.data;

    ctx->published = 1;
    ctx->id = t[publish->ntargets - 1].id;
    ctx->has_id = (ctx->id.seq != 0);

    if (publish->ntargets == 1) {
        body.data++;
        body.len -= 2;

        if (ctx->has_id && ngx_http_push_etag(r, &ctx->id) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_push_answer(r, status, &type, &body);
}


/* RFC 4918, 11.1: when channels differ, each tells its own */

static ngx_uint_t
ngx_http_push_published_status(ngx_push_publish_t *p)
{
    ngx_uint_t  i, status;

    status = NGX_HTTP_OK;

    for (i = 0; i < p->ntargets; i++) {

        if (p->targets[i].outcome > NGX_PUSH_REPEATED) {
            return NGX_HTTP_PUSH_MULTI_STATUS;
        }

        if (p->targets[i].outcome == NGX_PUSH_CREATED) {
            status = p->lacking ? NGX_HTTP_ACCEPTED : NGX_HTTP_CREATED;
        }
    }

    return status;
}


static u_char *
ngx_http_push_published_object(u_char *p, ngx_push_publish_t *publish,
    ngx_push_target_t *t, ngx_uint_t status)
{
    u_char  id[NGX_PUSH_ID_LEN];

    p = ngx_cpymem(p, "{\"channel\":", sizeof("{\"channel\":") - 1);
    p = ngx_push_json_string(p, &t->channel);

    if (status == NGX_HTTP_PUSH_MULTI_STATUS) {
        p = ngx_sprintf(p, ",\"status\":%ui",
                        ngx_http_push_outcome_status(publish, t));
    }

    if (t->id.seq) {
        ngx_push_id_format(id, &t->id);
        p = ngx_sprintf(p, ",\"id\":\"%*s\"", (size_t) NGX_PUSH_ID_LEN, id);

    } else {
        p = ngx_cpymem(p, ",\"id\":null", sizeof(",\"id\":null") - 1);
    }

    p = ngx_sprintf(p, ",\"subscribers\":%ui", t->subscribers);

    if (t->nodes) {
        p = ngx_sprintf(p, ",\"nodes\":%ui", t->nodes);
    }

    if (publish->lacking && t->outcome == NGX_PUSH_CREATED) {
        p = ngx_sprintf(p, ",\"replicated\":%ui", publish->replicated);
    }

    *p++ = '}';

    return p;
}


static ngx_uint_t
ngx_http_push_outcome_status(ngx_push_publish_t *publish,
    ngx_push_target_t *t)
{
    switch (t->outcome) {

    case NGX_PUSH_CREATED:
        return publish->lacking ? NGX_HTTP_ACCEPTED : NGX_HTTP_CREATED;

    case NGX_PUSH_REPEATED:
        return NGX_HTTP_OK;

    case NGX_PUSH_SEALED:
        return NGX_HTTP_CONFLICT;

    case NGX_PUSH_UNMATCHED:
        return NGX_HTTP_PRECONDITION_FAILED;

    case NGX_PUSH_FULL:
        return NGX_HTTP_INSUFFICIENT_STORAGE;

    default: /* NGX_PUSH_AWAY */
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }
}


static ngx_int_t
ngx_http_push_refused(ngx_http_request_t *r, ngx_push_target_t *t)
{
    u_char     *last, id[NGX_PUSH_ID_LEN];
    ngx_str_t   more;

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
            last = ngx_cpymem(last, ",\"id\":null",
                              sizeof(",\"id\":null") - 1);
        }
    }

    more.len = last - more.data;

    return ngx_http_push_refuse(r, t, &more);
}


static ngx_int_t
ngx_http_push_refuse(ngx_http_request_t *r, ngx_push_target_t *t,
    ngx_str_t *more)
{
    switch (t->outcome) {

    case NGX_PUSH_SEALED:
        return ngx_http_push_problem(r, NGX_HTTP_CONFLICT, "channel-sealed",
                                     "the channel has ended", more);

    case NGX_PUSH_UNMATCHED:
        return ngx_http_push_problem(r, NGX_HTTP_PRECONDITION_FAILED,
                                     "precondition-failed",
                                     "the channel's last id is another",
                                     more);

    case NGX_PUSH_FULL:
        return ngx_http_push_problem(r, NGX_HTTP_INSUFFICIENT_STORAGE,
                                     "zone-full",
                                     "the message does not fit into the zone",
                                     more);

    default: /* NGX_PUSH_AWAY */
        return ngx_http_push_away(r, more);
    }
}
