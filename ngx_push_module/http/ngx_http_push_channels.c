
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push.h"
#include "ngx_push_name.h"


/*
 * Channel names from the arguments of push_publish and push_subscribe.  An
 * argument is kept in pieces, so that what a variable brings can be told
 * from what the configuration says.
 */


typedef struct {
    ngx_http_complex_value_t   value;
    ngx_str_t                  text;         /* as configured */
    unsigned                   variable:1;
    unsigned                   encoded:1;    /* $arg_*: not yet decoded */
} ngx_http_push_piece_t;


typedef struct {
    ngx_http_push_piece_t     *pieces;
    ngx_uint_t                 npieces;
} ngx_http_push_expr_t;


static char *ngx_http_push_compile(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_push_expr_t *expr);
static size_t ngx_http_push_piece_len(ngx_str_t *value, ngx_uint_t variable);
static char *ngx_http_push_compile_piece(ngx_conf_t *cf,
    ngx_http_push_piece_t *piece);
static ngx_uint_t ngx_http_push_is_empty(ngx_http_request_t *r,
    ngx_http_push_piece_t *piece);
static ngx_int_t ngx_http_push_eval_list(ngx_http_request_t *r,
    ngx_http_push_piece_t *piece, ngx_array_t *channels, char **cause);
static ngx_int_t ngx_http_push_eval_name(ngx_http_request_t *r,
    ngx_http_push_expr_t *expr, ngx_array_t *channels, char **cause);
static ngx_int_t ngx_http_push_eval_piece(ngx_http_request_t *r,
    ngx_http_push_piece_t *piece, ngx_str_t *value, char **cause);
static ngx_int_t ngx_http_push_decode(ngx_http_request_t *r,
    ngx_http_push_piece_t *piece, ngx_str_t *value, char **cause);
static ngx_int_t ngx_http_push_add_name(ngx_http_request_t *r,
    ngx_str_t *name, ngx_array_t *channels, char **cause);
static ngx_int_t ngx_http_push_refuse(ngx_http_request_t *r, char *why,
    char **cause);


char *
ngx_http_push_channels_slot(ngx_conf_t *cf, ngx_array_t **exprs)
{
    char                  *rv;
    ngx_str_t             *value;
    ngx_uint_t             i;
    ngx_http_push_expr_t  *expr;

    if (*exprs) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts - 1 > NGX_PUSH_MAX_TARGETS) {
        return "has more than 255 arguments";
    }

    *exprs = ngx_array_create(cf->pool, cf->args->nelts - 1,
                              sizeof(ngx_http_push_expr_t));
    if (*exprs == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        expr = ngx_array_push(*exprs);
        if (expr == NULL) {
            return NGX_CONF_ERROR;
        }

        rv = ngx_http_push_compile(cf, &value[i], expr);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_push_channels(ngx_http_request_t *r, ngx_array_t *exprs,
    ngx_uint_t optional, ngx_array_t **channels, char **cause)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    ngx_array_t           *list;
    ngx_http_push_expr_t  *expr;

    list = ngx_array_create(r->pool, exprs->nelts, sizeof(ngx_str_t));
    if (list == NULL) {
        return NGX_ERROR;
    }

    expr = exprs->elts;

    for (i = 0; i < exprs->nelts; i++) {

        if (expr[i].npieces == 1 && expr[i].pieces[0].variable) {

            if (optional && ngx_http_push_is_empty(r, expr[i].pieces)) {
                continue;
            }

            rc = ngx_http_push_eval_list(r, expr[i].pieces, list, cause);

        } else {
            rc = ngx_http_push_eval_name(r, &expr[i], list, cause);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    *channels = list;

    return NGX_OK;
}


static char *
ngx_http_push_compile(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_push_expr_t *expr)
{
    char                   *rv;
    size_t                  len;
    ngx_str_t               rest;
    ngx_array_t             pieces;
    ngx_http_push_piece_t  *piece;

    if (value->len == 0) {
        return "has an empty argument";
    }

    if (ngx_array_init(&pieces, cf->pool, 2, sizeof(ngx_http_push_piece_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    rest = *value;

    while (rest.len) {

        piece = ngx_array_push(&pieces);
        if (piece == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(piece, sizeof(ngx_http_push_piece_t));

        piece->variable = (rest.data[0] == '$');
        len = ngx_http_push_piece_len(&rest, piece->variable);

        piece->text.data = rest.data;
        piece->text.len = len;

        rest.data += len;
        rest.len -= len;

        rv = ngx_http_push_compile_piece(cf, piece);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    expr->pieces = pieces.elts;
    expr->npieces = pieces.nelts;

    return NGX_CONF_OK;
}


/* "$name", "${name}", "$1", or the text up to the next "$" */

static size_t
ngx_http_push_piece_len(ngx_str_t *value, ngx_uint_t variable)
{
    u_char  ch;
    size_t  i;

    if (!variable) {
        for (i = 1; i < value->len && value->data[i] != '$'; i++) {
            /* void */
        }

        return i;
    }

    if (value->len > 1 && value->data[1] >= '1' && value->data[1] <= '9') {
        return 2;
    }

    if (value->len > 1 && value->data[1] == '{') {
        for (i = 2; i < value->len; i++) {
            if (value->data[i] == '}') {
                return i + 1;
            }
        }

        return value->len;
    }

    for (i = 1; i < value->len; i++) {
        ch = value->data[i];

        if (!((ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z')
              || (ch >= '0' && ch <= '9') || ch == '_'))
        {
            break;
        }
    }

    return i;
}


static char *
ngx_http_push_compile_piece(ngx_conf_t *cf, ngx_http_push_piece_t *piece)
{
    u_char                            *name;
    size_t                             len;
    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;

    if (!piece->variable) {

        if (ngx_push_name_check(&piece->text) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" has \"%V\", which cannot be part of "
                               "a channel name",
                               &value[0], &piece->text);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    name = piece->text.data + 1;
    len = piece->text.len - 1;

    if (len && name[0] == '{') {
        len -= (name[len - 1] == '}') ? 2 : len;
        name++;
    }

    if (len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid variable \"%V\"",
                           &value[0], &piece->text);
        return NGX_CONF_ERROR;
    }

    piece->encoded = (len > 4
                      && ngx_strncasecmp(name, (u_char *) "arg_", 4) == 0);

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &piece->text;
    ccv.complex_value = &piece->value;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_http_push_is_empty(ngx_http_request_t *r, ngx_http_push_piece_t *piece)
{
    ngx_str_t  value;

    return ngx_http_complex_value(r, &piece->value, &value) == NGX_OK
           && value.len == 0;
}


/* exactly one variable: it may hold several names */

static ngx_int_t
ngx_http_push_eval_list(ngx_http_request_t *r, ngx_http_push_piece_t *piece,
    ngx_array_t *channels, char **cause)
{
    ngx_int_t  rc;
    ngx_str_t  list, name;

    rc = ngx_http_push_eval_piece(r, piece, &list, cause);

    if (rc == NGX_OK) {

        /* before it is divided: URLSearchParams sends "," as "%2C" */

        rc = ngx_http_push_decode(r, piece, &list, cause);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    while (ngx_push_name_next(&list, &name) == NGX_OK) {

        rc = ngx_http_push_add_name(r, &name, channels, cause);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_push_eval_name(ngx_http_request_t *r, ngx_http_push_expr_t *expr,
    ngx_array_t *channels, char **cause)
{
    u_char                 *p;
    size_t                  len;
    ngx_int_t               rc;
    ngx_str_t              *values, name;
    ngx_uint_t              i;
    ngx_http_push_piece_t  *piece;

    values = ngx_palloc(r->pool, expr->npieces * sizeof(ngx_str_t));
    if (values == NULL) {
        return NGX_ERROR;
    }

    len = 0;

    for (i = 0; i < expr->npieces; i++) {
        piece = &expr->pieces[i];

        if (!piece->variable) {
            values[i] = piece->text;
            len += values[i].len;
            continue;
        }

        rc = ngx_http_push_eval_piece(r, piece, &values[i], cause);

        if (rc == NGX_OK) {
            rc = ngx_http_push_decode(r, piece, &values[i], cause);
        }

        if (rc != NGX_OK) {
            return rc;
        }

        len += values[i].len;
    }

    name.len = len;
    name.data = ngx_pnalloc(r->pool, len);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    p = name.data;

    for (i = 0; i < expr->npieces; i++) {
        p = ngx_cpymem(p, values[i].data, values[i].len);
    }

    return ngx_http_push_add_name(r, &name, channels, cause);
}


static ngx_int_t
ngx_http_push_eval_piece(ngx_http_request_t *r, ngx_http_push_piece_t *piece,
    ngx_str_t *value, char **cause)
{
    if (ngx_http_complex_value(r, &piece->value, value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value->len) {
        return NGX_OK;
    }

    if (cause) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "push: variable \"%V\" is empty, no channel is named",
                      &piece->text);
        *cause = "no channel is named";
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_push_decode(ngx_http_request_t *r, ngx_http_push_piece_t *piece,
    ngx_str_t *value, char **cause)
{
    u_char  *dst;

    if (!piece->encoded || ngx_strlchr(value->data, value->data + value->len,
                                       '%')
                           == NULL)
    {
        return NGX_OK;
    }

    dst = ngx_pnalloc(r->pool, value->len);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    if (ngx_push_percent_decode(dst, value, value) != NGX_OK) {
        return ngx_http_push_refuse(r, "bad percent-encoding", cause);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_push_add_name(ngx_http_request_t *r, ngx_str_t *name,
    ngx_array_t *channels, char **cause)
{
    ngx_str_t   *known;
    ngx_uint_t   i;

    if (ngx_push_name_check(name) != NGX_OK) {
        return ngx_http_push_refuse(r, "bad channel name", cause);
    }

    known = channels->elts;

    for (i = 0; i < channels->nelts; i++) {
        if (known[i].len == name->len
            && ngx_memcmp(known[i].data, name->data, name->len) == 0)
        {
            return NGX_OK;
        }
    }

    if (channels->nelts == NGX_PUSH_MAX_TARGETS) {
        return ngx_http_push_refuse(r, "more than 255 channels", cause);
    }

    known = ngx_array_push(channels);
    if (known == NULL) {
        return NGX_ERROR;
    }

    *known = *name;

    return NGX_OK;
}


static ngx_int_t
ngx_http_push_refuse(ngx_http_request_t *r, char *why, char **cause)
{
    if (cause) {

        /* not the name: it may hold a line break, the log has the request */

        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0, "push: %s", why);
        *cause = why;
    }

    return NGX_DECLINED;
}
