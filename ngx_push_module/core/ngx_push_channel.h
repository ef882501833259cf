
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_CHANNEL_H_INCLUDED_
#define _NGX_PUSH_CHANNEL_H_INCLUDED_


#include "ngx_push_shared.h"


/*
 * The channels of a zone and who listens to them.  A channel stays for as
 * long as it has a message, a listener or a life to remember: the last for
 * its idle time after the last use.  All calls need the lock.
 */


/* a life that is worth remembering: it has given numbers, or it is sealed */

#define ngx_push_channel_lives(ch)  ((ch)->last || (ch)->sealed)


ngx_push_channel_t *ngx_push_channel_find(ngx_push_shared_t *sh,
    ngx_str_t *name);

/* NULL: the zone has no room, even without any history */

ngx_push_channel_t *ngx_push_channel_create(ngx_push_shared_t *sh,
    ngx_str_t *name);

/* a pinned channel is neither dropped nor evicted */

void ngx_push_channel_pin(ngx_push_shared_t *sh, ngx_push_channel_t *ch);
void ngx_push_channel_unpin(ngx_push_shared_t *sh, ngx_push_channel_t *ch);

/* to be called when it may have come out of use, or into use again */

void ngx_push_channel_settle(ngx_push_shared_t *sh, ngx_push_channel_t *ch);

/* ends this life and begins another, of an epoch that is given, or of any */

void ngx_push_channel_renew(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint64_t epoch);

ngx_push_listener_t *ngx_push_channel_listener(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch, ngx_uint_t bell);
ngx_push_listener_t *ngx_push_channel_listen(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch, ngx_uint_t bell);
void ngx_push_channel_attach(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_listener_t *l);
void ngx_push_channel_unlisten(ngx_push_shared_t *sh, ngx_push_listener_t *l);
void ngx_push_channel_call(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_chime_t *chime);
ngx_uint_t ngx_push_channel_subscribers(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch);

/*
 * Room for an allocation that has just failed: channels that nothing was
 * published to and nobody reads go first, then the oldest message of the
 * zone, then the channel longest out of use.  NGX_DECLINED: none left.
 */

ngx_int_t ngx_push_channel_make_room(ngx_push_shared_t *sh);

/* drops what is out of date in the next n buckets */

void ngx_push_channel_sweep(ngx_push_shared_t *sh, ngx_uint_t n);

/* for recovery */

void ngx_push_channel_restore(ngx_push_shared_t *sh, ngx_push_channel_t *ch);


#endif /* _NGX_PUSH_CHANNEL_H_INCLUDED_ */
