
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_NAME_H_INCLUDED_
#define _NGX_PUSH_NAME_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Names of channels as they come from a configuration or a URL.
 */


#define NGX_PUSH_NAME_MAX  250


/*
 * NGX_OK if this may name a channel: 1 to NGX_PUSH_NAME_MAX bytes of
 * UTF-8 without control characters (C0, DEL, C1), "," and "%"; else
 * NGX_DECLINED.
 */
ngx_int_t ngx_push_name_check(ngx_str_t *name);

/*
 * Decodes src (RFC 3986, 2.1) once into dst, which has room for src->len
 * bytes and may be src->data, and sets out.  "+" stays a "+".  A "%"
 * without two hex digits: NGX_DECLINED, and out is not set.
 */
ngx_int_t ngx_push_percent_decode(u_char *dst, ngx_str_t *src,
    ngx_str_t *out);

/*
 * Takes the next name off the front of a list divided by ",": NGX_OK, or
 * NGX_DONE when the list is empty.  Names are not checked; where the list
 * has an empty element, also a last one, an empty name is returned, which
 * the caller has to refuse.
 */
ngx_int_t ngx_push_name_next(ngx_str_t *list, ngx_str_t *name);


#endif /* _NGX_PUSH_NAME_H_INCLUDED_ */
