
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_RECOVERY_H_INCLUDED_
#define _NGX_PUSH_RECOVERY_H_INCLUDED_


#include "ngx_push_shared.h"


/*
 * Puts a list of messages, by "next", and one of keys, by "newer", into the
 * order they came in, and back to where they belong.
 */

void ngx_push_recovery_logs(ngx_push_shared_t *sh, uint32_t list);
void ngx_push_recovery_keys(ngx_push_shared_t *sh, uint32_t list);

/* the block, NULL: it is none of this type */

void *ngx_push_recovery_get(ngx_push_shared_t *sh, uint32_t offset,
    ngx_push_block_e type);


#endif /* _NGX_PUSH_RECOVERY_H_INCLUDED_ */
