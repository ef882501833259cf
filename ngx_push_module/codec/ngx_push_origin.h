
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_ORIGIN_H_INCLUDED_
#define _NGX_PUSH_ORIGIN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The Origin header (RFC 6454, 7) against what a location allows.
 */


/*
 * Takes scheme "://" host [":" port] apart.  An IPv6 host keeps its
 * brackets; port is 0 where there is none.  NGX_DECLINED for anything
 * else, "null" and a list included.
 */
ngx_int_t ngx_push_origin_parse(ngx_str_t *origin, ngx_str_t *scheme,
    ngx_str_t *host, in_port_t *port);

/*
 * NGX_OK if the origin is the host that the request was sent to, as its
 * Host header says: the same name, in any case, and the same port, where
 * none, 80 and 443 are equal, since TLS often ends before us.  Schemes
 * are not compared.  Else NGX_DECLINED.
 */
ngx_int_t ngx_push_origin_is_self(ngx_str_t *origin, ngx_str_t *host);

/*
 * NGX_OK if this can be matched: an origin, one whose host begins with
 * "*.", or "null".  Else NGX_DECLINED.
 */
ngx_int_t ngx_push_origin_pattern(ngx_str_t *pattern);

/*
 * NGX_OK if the pattern covers the origin: the same scheme and host, in
 * any case, and the same port, the scheme's own being optional.  A "*."
 * stands for one or more labels, so not for the bare domain.  "null" is
 * matched by "null" alone.  Else NGX_DECLINED.
 */
ngx_int_t ngx_push_origin_match(ngx_str_t *pattern, ngx_str_t *origin);


#endif /* _NGX_PUSH_ORIGIN_H_INCLUDED_ */
