
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_BELL_H_INCLUDED_
#define _NGX_PUSH_BELL_H_INCLUDED_


#include "ngx_push_shared.h"


/*
 * A bell wakes one worker.  It carries no data: the worker looks at what is
 * ready.  All calls but ngx_push_bell_ring() need the lock.
 */


#define NGX_PUSH_NO_BELL  ((ngx_uint_t) -1)


/* a free bell for this process, first one with an eventfd */

ngx_uint_t ngx_push_bell_claim(ngx_push_shared_t *sh);

/* whether its owner is gone; pids are reused, so the start time counts too */

ngx_uint_t ngx_push_bell_is_orphan(ngx_push_bell_t *bell);

/* queues the listener for its worker; the worker is to be rung once */

void ngx_push_bell_ready(ngx_push_shared_t *sh, ngx_push_listener_t *l,
    ngx_push_chime_t *chime);
ngx_push_listener_t *ngx_push_bell_next_ready(ngx_push_shared_t *sh,
    ngx_push_bell_t *bell);

void ngx_push_bell_attach(ngx_push_shared_t *sh, ngx_push_listener_t *l);
void ngx_push_bell_detach(ngx_push_shared_t *sh, ngx_push_listener_t *l);

void ngx_push_bell_ring(ngx_push_shared_t *sh, ngx_push_chime_t *chime);


#endif /* _NGX_PUSH_BELL_H_INCLUDED_ */
