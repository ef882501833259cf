
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_CONTENT_H_INCLUDED_
#define _NGX_PUSH_CONTENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Content types (RFC 9110, 8.3): what may be shown as text.
 */


/*
 * Splits "type/subtype", what follows a ";" apart, into its two tokens.
 * NGX_DECLINED if it is no media type; a "*" is a token.
 */
ngx_int_t ngx_push_content_split(ngx_str_t *value, ngx_str_t *type,
    ngx_str_t *subtype);

/*
 * 1 for the type text, for any subtype json, +json and xml, for
 * application/x-www-form-urlencoded and for an empty value; else 0.
 * Whether the body is valid UTF-8 is for the caller to see.
 */
ngx_uint_t ngx_push_content_is_text(ngx_str_t *content_type);

/* 1 for any subtype json and +json, else 0 */
ngx_uint_t ngx_push_content_is_json(ngx_str_t *content_type);


#endif /* _NGX_PUSH_CONTENT_H_INCLUDED_ */
