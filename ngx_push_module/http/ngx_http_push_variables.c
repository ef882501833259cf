
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push.h"


/* $push_* */


#define NGX_HTTP_PUSH_VAR_ID           0
#define NGX_HTTP_PUSH_VAR_TRANSPORT    1
#define NGX_HTTP_PUSH_VAR_SUBSCRIBERS  2


static ngx_int_t ngx_http_push_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_push_channels_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_array_t *ngx_http_push_channels_now(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_user_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_push_set_variable(ngx_http_variable_value_t *v,
    ngx_str_t *value);
static ngx_http_request_t *ngx_http_push_meant(ngx_http_request_t *r);


static ngx_http_variable_t  ngx_http_push_vars[] = {

    { ngx_string("push_channels"), NULL, ngx_http_push_channels_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("push_id"), NULL, ngx_http_push_variable,
      NGX_HTTP_PUSH_VAR_ID, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("push_transport"), NULL, ngx_http_push_variable,
      NGX_HTTP_PUSH_VAR_TRANSPORT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("push_subscribers"), NULL, ngx_http_push_variable,
      NGX_HTTP_PUSH_VAR_SUBSCRIBERS, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("push_user"), NULL, ngx_http_push_user_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_push_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *v, *var;

    for (v = ngx_http_push_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_push_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_int_t             rc;
    ngx_str_t             value;
    ngx_http_push_ctx_t  *ctx;

    ngx_str_null(&value);

    ctx = ngx_http_get_module_ctx(ngx_http_push_meant(r),
                                  ngx_http_push_module);

    if (ctx == NULL) {
        return ngx_http_push_set_variable(v, &value);
    }

    if (data == NGX_HTTP_PUSH_VAR_TRANSPORT) {
        return ngx_http_push_set_variable(v, &ctx->transport);
    }

    if (data == NGX_HTTP_PUSH_VAR_ID && ctx->has_id) {
        rc = ngx_http_push_subscriber_position(r, &value);

        if (rc != NGX_DECLINED) {
            return (rc == NGX_OK) ? ngx_http_push_set_variable(v, &value) : rc;
        }
    }

    value.data = ngx_pnalloc(r->pool, ngx_max(NGX_PUSH_ID_LEN,
                                              NGX_INT_T_LEN));
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    if (data == NGX_HTTP_PUSH_VAR_ID && ctx->has_id) {
        value.len = ngx_push_id_format(value.data, &ctx->id) - value.data;
    }

    if (data == NGX_HTTP_PUSH_VAR_SUBSCRIBERS && ctx->published) {
        value.len = ngx_sprintf(value.data, "%ui", ctx->subscribers)
                    - value.data;
    }

    return ngx_http_push_set_variable(v, &value);
}


static ngx_int_t
ngx_http_push_channels_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char       *p;
    size_t        len;
    ngx_str_t    *name, value;
    ngx_uint_t    i;
    ngx_array_t  *channels;

    ngx_str_null(&value);

    channels = ngx_http_push_channels_now(ngx_http_push_meant(r));

    if (channels == NULL) {
        return ngx_http_push_set_variable(v, &value);
    }

    name = channels->elts;
    len = 0;

    for (i = 0; i < channels->nelts; i++) {
        len += name[i].len + 1;
    }

    if (len) {
        value.data = ngx_pnalloc(r->pool, len);
        if (value.data == NULL) {
            return NGX_ERROR;
        }

        p = value.data;

        for (i = 0; i < channels->nelts; i++) {
            p = ngx_cpymem(p, name[i].data, name[i].len);
            *p++ = ',';
        }

        value.len = len - 1;
    }

    return ngx_http_push_set_variable(v, &value);
}


/*
 * The list of the content phase; asked for before it, one that is made and
 * not kept.  NULL: there is none.
 */

static ngx_array_t *
ngx_http_push_channels_now(ngx_http_request_t *r)
{
    ngx_array_t               *channels, *exprs;
    ngx_http_push_ctx_t       *ctx;
    ngx_http_push_loc_conf_t  *plcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_push_module);

    if (ctx && ctx->channels) {
        return ctx->channels;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_push_module);

    exprs = plcf->publish_to;

    if (exprs == NULL
        || (plcf->subscribe_to
            && r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)))
    {
        exprs = plcf->subscribe_to;
    }

    if (exprs == NULL
        || ngx_http_push_channels(r, exprs, 1, &channels, NULL) != NGX_OK)
    {
        return NULL;
    }

    return channels;
}


static ngx_int_t
ngx_http_push_user_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t  value;

    if (ngx_http_push_user(ngx_http_push_meant(r), &value) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_push_set_variable(v, &value);
}


ngx_int_t
ngx_http_push_user(ngx_http_request_t *r, ngx_str_t *user)
{
    ngx_http_push_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_push_module);

    if (plcf->user) {
        return ngx_http_complex_value(r, plcf->user, user);
    }

    /* as $remote_user */

    ngx_str_null(user);

    if (ngx_http_auth_basic_user(r) == NGX_OK) {
        *user = r->headers_in.user;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_push_set_variable(ngx_http_variable_value_t *v, ngx_str_t *value)
{
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = (value->len == 0);
    v->len = value->len;
    v->data = value->data;

    return NGX_OK;
}


/* in subrequests, the main request, unless only the subrequest is ours */

static ngx_http_request_t *
ngx_http_push_meant(ngx_http_request_t *r)
{
    ngx_http_push_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r->main, ngx_http_push_module);

    return (plcf->publish_to || plcf->subscribe_to) ? r->main : r;
}
