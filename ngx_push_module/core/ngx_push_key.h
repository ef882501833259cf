
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_KEY_H_INCLUDED_
#define _NGX_PUSH_KEY_H_INCLUDED_


#include "ngx_push_shared.h"


/*
 * Idempotency keys: what was answered to a publish that may be repeated.
 * A key is kept for five minutes as a hash of channel and key, in at most
 * an eighth of the zone.  All calls need the lock.
 */


void ngx_push_key_hash(ngx_push_shared_t *sh, ngx_str_t *channel,
    ngx_str_t *key, u_char *hash);
ngx_push_key_t *ngx_push_key_find(ngx_push_shared_t *sh, u_char *hash);

/* NULL: no room; complete, but for the answer */

ngx_push_key_t *ngx_push_key_create(ngx_push_shared_t *sh, u_char *hash);
void ngx_push_key_expire(ngx_push_shared_t *sh);

/* makes it known */

void ngx_push_key_add(ngx_push_shared_t *sh, ngx_push_key_t *key);
void ngx_push_key_restore(ngx_push_shared_t *sh, ngx_push_key_t *key);


#endif /* _NGX_PUSH_KEY_H_INCLUDED_ */
