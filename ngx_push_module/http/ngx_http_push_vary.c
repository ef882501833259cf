
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_origin.h"


/*
 * One Vary header for an answer of ours, whoever else has something to say
 * in it: the filter of this file stands below gzip.
 */


static ngx_int_t ngx_http_push_vary_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_vary_join(ngx_pool_t *pool, ngx_str_t *all,
    ngx_str_t *value);
static ngx_uint_t ngx_http_push_vary_has(ngx_str_t *all, ngx_str_t *word);
static ngx_uint_t ngx_http_push_vary_next(ngx_str_t *list, ngx_str_t *word);


static ngx_http_output_header_filter_pt  ngx_http_push_vary_next_filter;


static ngx_str_t  ngx_http_push_vary_origin = ngx_string("Origin");
static ngx_str_t  ngx_http_push_vary_accept = ngx_string("Origin, Accept");
static ngx_str_t  ngx_http_push_vary_encoding = ngx_string("Accept-Encoding");


ngx_int_t
ngx_http_push_vary_init(ngx_conf_t *cf)
{
    ngx_http_push_vary_next_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_push_vary_filter;

    return NGX_OK;
}


void
ngx_http_push_vary(ngx_http_request_t *r)
{
    ngx_str_t                 *vary;
    ngx_http_push_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_push_module);

    vary = plcf->subscribe_to ? &ngx_http_push_vary_accept
                              : &ngx_http_push_vary_origin;

    ngx_http_set_ctx(r, vary, ngx_http_push_origin_module);
}


static ngx_int_t
ngx_http_push_vary_filter(ngx_http_request_t *r)
{
    ngx_str_t                 *vary, all;
    ngx_table_elt_t           *h;
#if (NGX_HTTP_GZIP)
    ngx_http_core_loc_conf_t  *clcf;
#endif

    vary = ngx_http_get_module_ctx(r, ngx_http_push_origin_module);

    if (vary == NULL || r != r->main) {
        return ngx_http_push_vary_next_filter(r);
    }

    all = *vary;

    for ( ;; ) {
        h = ngx_http_push_response_header(r, "Vary");
        if (h == NULL) {
            break;
        }

        if (ngx_http_push_vary_join(r->pool, &all, &h->value) != NGX_OK) {
            return NGX_ERROR;
        }

        h->hash = 0;
    }

#if (NGX_HTTP_GZIP)

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->gzip_vary && clcf->gzip_vary
        && ngx_http_push_vary_join(r->pool, &all,
                                   &ngx_http_push_vary_encoding)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->gzip_vary = 0;

#endif

    if (ngx_http_push_header(r, "Vary", &all) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_push_vary_next_filter(r);
}


/* adds those words of a value that are not there yet */

static ngx_int_t
ngx_http_push_vary_join(ngx_pool_t *pool, ngx_str_t *all, ngx_str_t *value)
{
    u_char     *p;
    ngx_str_t   list, word;

    list = *value;

    while (ngx_http_push_vary_next(&list, &word)) {

        if (ngx_http_push_vary_has(all, &word)) {
            continue;
        }

        p = ngx_pnalloc(pool, all->len + 2 + word.len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(p, all->data, all->len);
        ngx_memcpy(p + all->len, ", ", 2);
        ngx_memcpy(p + all->len + 2, word.data, word.len);

        all->data = p;
        all->len += 2 + word.len;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_push_vary_has(ngx_str_t *all, ngx_str_t *word)
{
    ngx_str_t  list, one;

    list = *all;

    while (ngx_http_push_vary_next(&list, &one)) {
        if (one.len == word->len
            && ngx_strncasecmp(one.data, word->data, one.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* takes the next word off the list; 0: there is none */

static ngx_uint_t
ngx_http_push_vary_next(ngx_str_t *list, ngx_str_t *word)
{
    u_char  *p, *last;

    p = list->data;
    last = p + list->len;

    while (p < last && (*p == ',' || *p == ' ' || *p == '\t')) {
        p++;
    }

    word->data = p;

    while (p < last && *p != ',' && *p != ' ' && *p != '\t') {
        p++;
    }

    word->len = p - word->data;

    list->data = p;
    list->len = last - p;

    return word->len != 0;
}
