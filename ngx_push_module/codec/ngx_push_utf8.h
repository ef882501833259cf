
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_UTF8_H_INCLUDED_
#define _NGX_PUSH_UTF8_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Strict UTF-8 (RFC 3629).
 */


/*
 * NGX_OK if the bytes are well-formed UTF-8, else NGX_DECLINED: no
 * overlong form, no surrogate, nothing above U+10FFFF, nothing cut short.
 * The empty string is valid.
 */
ngx_int_t ngx_push_utf8_valid(u_char *p, size_t len);

/*
 * The end of the longest well-formed text that begins at p; p itself if
 * no character begins there.
 */
u_char *ngx_push_utf8_run(u_char *p, u_char *last);


#endif /* _NGX_PUSH_UTF8_H_INCLUDED_ */
