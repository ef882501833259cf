
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_PATTERN_H_INCLUDED_
#define _NGX_PUSH_PATTERN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Patterns of channel names: segments divided by ":", "." or "/", where "*"
 * is any one segment, not empty, and "**" at the end is the rest, whatever
 * it is, but not empty.  Dividers stand for themselves.
 */


/*
 * NGX_OK if it may be used as a pattern; NGX_DECLINED: empty, longer than
 * a name may be, with a character no name may have, "**" not at the end, or
 * a "*" inside of a segment.
 */

ngx_int_t ngx_push_pattern_check(ngx_str_t *pattern);

/*
 * 1 if a pattern that was checked names the channel, else 0; in linear time.
 * Whether it may be a channel's name at all is not looked at.
 */

ngx_uint_t ngx_push_pattern_match(ngx_str_t *pattern, ngx_str_t *name);


#endif /* _NGX_PUSH_PATTERN_H_INCLUDED_ */
