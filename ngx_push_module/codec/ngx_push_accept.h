
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_ACCEPT_H_INCLUDED_
#define _NGX_PUSH_ACCEPT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The choice of a representation by the Accept header (RFC 9110, 12.5.1).
 */


#define NGX_PUSH_ACCEPT_SSE     1
#define NGX_PUSH_ACCEPT_NDJSON  2
#define NGX_PUSH_ACCEPT_JSON    4


/*
 * Returns the one of the allowed bits that the client likes best, or 0 if
 * it accepts none of them: the highest "q" wins, then the client's order,
 * then ours, as above.  The most specific range decides a type's "q", 0
 * excludes it.  Malformed elements are skipped; without any element the
 * client takes what there is.  accept may be NULL.
 */
ngx_uint_t ngx_push_accept_best(ngx_str_t *accept, ngx_uint_t allowed);


#endif /* _NGX_PUSH_ACCEPT_H_INCLUDED_ */
