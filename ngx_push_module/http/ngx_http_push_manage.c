
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_publish.h"
#include "ngx_push_json.h"
#include "ngx_push_time.h"


/* GET, HEAD and DELETE at a push_publish location */


#define NGX_HTTP_PUSH_INFO_SIZE  512         /* an object, but for its name */


static ngx_int_t ngx_http_push_inquire(ngx_http_request_t *r,
    ngx_http_push_ctx_t *ctx, ngx_uint_t remove);
static void ngx_http_push_inquired(ngx_push_inquiry_t *q, ngx_int_t rc);
static ngx_int_t ngx_http_push_inquiry_answer(ngx_http_request_t *r,
    ngx_push_inquiry_t *q, ngx_int_t rc);
static u_char *ngx_http_push_info_object(u_char *p, ngx_str_t *name,
    ngx_push_info_t *info);
static u_char *ngx_http_push_id_member(u_char *p, char *name,
    ngx_push_id_t *id);
static u_char *ngx_http_push_time_member(u_char *p, char *name, uint64_t ms);
static u_char *ngx_http_push_open_list(ngx_http_request_t *r,
    ngx_array_t *channels);
static ngx_int_t ngx_http_push_send_list(ngx_http_request_t *r,
    ngx_array_t *channels, u_char *start, u_char *end, ngx_uint_t known);


ngx_int_t
ngx_http_push_info(ngx_http_request_t *r, ngx_http_push_ctx_t *ctx)
{
    return ngx_http_push_inquire(r, ctx, 0);
}


ngx_int_t
ngx_http_push_delete(ngx_http_request_t *r, ngx_http_push_ctx_t *ctx)
{
    return ngx_http_push_inquire(r, ctx, 1);
}


static ngx_int_t
ngx_http_push_inquire(ngx_http_request_t *r, ngx_http_push_ctx_t *ctx,
    ngx_uint_t remove)
{
    ngx_int_t                  rc;
    ngx_str_t                 *name;
    ngx_uint_t                 i;
    ngx_push_inquiry_t        *q;
    ngx_http_push_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_push_module);

    q = ngx_pcalloc(r->pool, sizeof(ngx_push_inquiry_t));
    if (q == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    q->n = ctx->channels->nelts;
    q->channels = ngx_pcalloc(r->pool, q->n * sizeof(ngx_push_info_t));
    if (q->channels == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    name = ctx->channels->elts;

    for (i = 0; i < q->n; i++) {
        q->channels[i].channel = name[i];
    }

    q->remove = remove;
    q->pool = r->pool;
    q->done = ngx_http_push_inquired;
    q->data = r;

    rc = ngx_push_inquire(plcf->zone, q);

    if (rc == NGX_AGAIN) {
        r->main->count++;
        return NGX_DONE;
    }

    return ngx_http_push_inquiry_answer(r, q, rc);
}


static void
ngx_http_push_inquired(ngx_push_inquiry_t *q, ngx_int_t rc)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = q->data;
    c = r->connection;

    ngx_http_finalize_request(r, ngx_http_push_inquiry_answer(r, q, rc));
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_push_inquiry_answer(ngx_http_request_t *r, ngx_push_inquiry_t *q,
    ngx_int_t rc)
{
    u_char               *p, *start;
    ngx_uint_t            i, known;
    ngx_push_info_t      *info;
    ngx_http_push_ctx_t  *ctx;

    if (rc != NGX_OK) {
        return ngx_http_push_away(r, NULL);
    }

    ctx = ngx_http_push_get_ctx(r);
    start = ngx_http_push_open_list(r, ctx->channels);

    if (start == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = start;
    known = 0;

    for (i = 0; i < q->n; i++) {
        info = &q->channels[i];
        *p++ = i ? ',' : '[';

        if (!info->known) {
            p = ngx_cpymem(p, "null", 4);
            continue;
        }

        known++;
        ctx->subscribers += info->subscribers;

        if (q->remove) {
            p = ngx_cpymem(p, "{\"channel\":", sizeof("{\"channel\":") - 1);
            p = ngx_push_json_string(p, &info->channel);
            p = ngx_sprintf(p, ",\"subscribers\":%ui}", info->subscribers);
            continue;
        }

        p = ngx_http_push_info_object(p, &info->channel, info);

        ctx->id = info->last;
        ctx->has_id = (info->last.seq != 0);
    }

    ctx->published = 1;

    if (q->n == 1
        && ctx->has_id
        && ngx_http_push_etag(r, &ctx->id) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_push_send_list(r, ctx->channels, start, p, known);
}


ngx_int_t
ngx_http_push_etag(ngx_http_request_t *r, ngx_push_id_t *id)
{
    u_char     *p;
    ngx_str_t   value;

    p = ngx_pnalloc(r->pool, NGX_PUSH_ID_LEN + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;
    value.len = NGX_PUSH_ID_LEN + 2;

    *p++ = '"';
    p = ngx_push_id_format(p, id);
    *p = '"';

    return ngx_http_push_header(r, "ETag", &value);
}


static u_char *
ngx_http_push_info_object(u_char *p, ngx_str_t *name, ngx_push_info_t *info)
{
    p = ngx_cpymem(p, "{\"channel\":", sizeof("{\"channel\":") - 1);
    p = ngx_push_json_string(p, name);

    p = ngx_http_push_id_member(p, "id", &info->last);
    p = ngx_http_push_id_member(p, "oldest", &info->oldest);

    p = ngx_sprintf(p, ",\"messages\":%ui,\"bytes\":%uL,\"subscribers\":%ui",
                    info->messages, info->bytes, info->subscribers);

    p = ngx_http_push_time_member(p, "created", info->created);
    p = ngx_http_push_time_member(p, "last_publish", info->last_publish);

    return ngx_sprintf(p, ",\"ended\":%s}", info->ended ? "true" : "false");
}


static u_char *
ngx_http_push_id_member(u_char *p, char *name, ngx_push_id_t *id)
{
    p = ngx_sprintf(p, ",\"%s\":", name);

    if (id->seq == 0) {
        return ngx_cpymem(p, "null", 4);
    }

    *p++ = '"';
    p = ngx_push_id_format(p, id);
    *p++ = '"';

    return p;
}


static u_char *
ngx_http_push_time_member(u_char *p, char *name, uint64_t ms)
{
    p = ngx_sprintf(p, ",\"%s\":", name);

    if (ms == 0) {
        return ngx_cpymem(p, "null", 4);
    }

    *p++ = '"';
    p = ngx_push_time_rfc3339(p, ms);
    *p++ = '"';

    return p;
}


/* room for an object of each channel */

static u_char *
ngx_http_push_open_list(ngx_http_request_t *r, ngx_array_t *channels)
{
    size_t       len;
    ngx_str_t   *name;
    ngx_uint_t   i;

    name = channels->elts;
    len = 2;

    for (i = 0; i < channels->nelts; i++) {
        len += ngx_push_json_string_size(&name[i]) + NGX_HTTP_PUSH_INFO_SIZE;
    }

    return ngx_pnalloc(r->pool, len);
}


/* one channel is answered without a list around it */

static ngx_int_t
ngx_http_push_send_list(ngx_http_request_t *r, ngx_array_t *channels,
    u_char *start, u_char *end, ngx_uint_t known)
{
    ngx_str_t  body, type = ngx_string("application/json");

    if (known == 0) {
        return ngx_http_push_problem(r, NGX_HTTP_NOT_FOUND, "unknown-channel",
                                     "there is no such channel", NULL);
    }

    if (channels->nelts == 1) {
        body.data = start + 1;
        body.len = end - body.data;

    } else {
        *end++ = ']';
        body.data = start;
        body.len = end - start;
    }

    return ngx_http_push_answer(r, NGX_HTTP_OK, &type, &body);
}
