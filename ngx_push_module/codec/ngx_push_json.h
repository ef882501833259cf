
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_JSON_H_INCLUDED_
#define _NGX_PUSH_JSON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * JSON text (RFC 8259): strings to write, values to pass on.
 */


/*
 * s as a JSON string: its exact size, and the string itself; quotes are
 * included.  Control characters are escaped, a byte that is not part of
 * a UTF-8 character becomes U+FFFD.  Returns the end.
 */
size_t ngx_push_json_string_size(ngx_str_t *s);
u_char *ngx_push_json_string(u_char *p, ngx_str_t *s);

/*
 * NGX_OK if the bytes are one JSON value of any kind, with or without
 * white space around it; else NGX_DECLINED.  Declined are also values
 * that jansson cannot hold: nested deeper than 2048, a real number out of
 * range, a lone surrogate or, in a member's name, NUL.
 */
ngx_int_t ngx_push_json_valid(u_char *p, size_t len);

/*
 * Copies a value that ngx_push_json_valid() has accepted without the white
 * space between its tokens, so without line breaks.  dst has room for len
 * bytes and may be p.  Numbers and strings stay as they are written.
 * Returns the end.
 */
u_char *ngx_push_json_compact(u_char *dst, u_char *p, size_t len);


#endif /* _NGX_PUSH_JSON_H_INCLUDED_ */
