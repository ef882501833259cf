
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_HEADER_H_INCLUDED_
#define _NGX_PUSH_HEADER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Values of the request headers of a publish.  Each function returns
 * NGX_OK, or NGX_DECLINED for a value to be refused.
 */


#define NGX_PUSH_EVENT_MAX  255
#define NGX_PUSH_TOPIC_MAX  64
#define NGX_PUSH_TTL_MAX    2147483647


/*
 * An event's name: 1 to NGX_PUSH_EVENT_MAX bytes of UTF-8 without CR, LF
 * and NUL, not one of ours, which begin with "push.".
 */
ngx_int_t ngx_push_header_event(ngx_str_t *v);

/* A collapse key: 1 to NGX_PUSH_TOPIC_MAX of [A-Za-z0-9._:-]. */
ngx_int_t ngx_push_header_topic(ngx_str_t *v);

/* 1*DIGIT (RFC 8030, 5.2); what is too large becomes NGX_PUSH_TTL_MAX. */
ngx_int_t ngx_push_header_ttl(ngx_str_t *v, uint32_t *seconds);

/* "true" or "false", also as a structured boolean (RFC 8941, 3.3.6). */
ngx_int_t ngx_push_header_flag(ngx_str_t *v, ngx_uint_t *on);

/*
 * Takes off a pair of double quotes if there is one.  Declined: a quote
 * inside or without its pair, a control character.  out may be empty and
 * may be v.
 */
ngx_int_t ngx_push_header_unquote(ngx_str_t *v, ngx_str_t *out);

/*
 * One entity tag (RFC 9110, 8.8.3), quoted or not, without its quotes, or
 * the wildcard "*".  Only '"*"', a tag like any other, keeps the quotes,
 * so as not to be taken for the wildcard.  Declined: a weak tag, which
 * no If-Match can match, an empty one, a list.  out may be v.
 */
ngx_int_t ngx_push_header_etag(ngx_str_t *v, ngx_str_t *out);

/*
 * Whether a list of entity tags, as of If-None-Match, has this one: weak or
 * not (RFC 9110, 13.1.2), quoted or not.
 */
ngx_uint_t ngx_push_header_has_etag(ngx_str_t *v, ngx_str_t *tag);


#endif /* _NGX_PUSH_HEADER_H_INCLUDED_ */
