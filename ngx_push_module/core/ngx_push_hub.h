
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_HUB_H_INCLUDED_
#define _NGX_PUSH_HUB_H_INCLUDED_


#include <ngx_event.h>

#include "ngx_push_zone.h"


/*
 * The hub: all that one worker reads from one zone.  Its subscriptions of
 * a channel are a group, which has one listener in the zone.  A subscription
 * is "waiting" when it lacks messages, "served" when it has them all, and
 * "away" while its client cannot take more.  Those that are away hold back
 * what the listener has passed, up to the backlog; "low" is the lowest of
 * their cursors, if it is known.
 */

struct ngx_push_group_s {
    ngx_queue_t           queue;             /* of groups with waiting ones */
    ngx_queue_t           waiting;
    ngx_queue_t           served;
    ngx_queue_t           away;
    uint64_t              low;
    ngx_push_hub_t       *hub;
    ngx_push_listener_t  *listener;
    ngx_push_channel_t   *channel;
    uint32_t              subscriptions;
    uint32_t              slot;
    uint16_t              held;              /* by loops that call outward */
    unsigned              queued:1;
    unsigned              low_known:1;
};


struct ngx_push_hub_s {
    ngx_push_zone_t      *zone;
    ngx_push_bell_t      *bell;              /* NULL: there was none */
    ngx_uint_t            number;            /* of the bell */
    uint32_t              generation;

    ngx_push_group_t    **groups;            /* by slot; a free one holds */
    ngx_uint_t            ngroups;           /* the next, shifted, with 1 */
    uintptr_t             free;
    ngx_push_group_t     *spare;

    ngx_queue_t           work;
    ngx_push_group_t     *current;
    ngx_push_batch_t      batch;
    uint64_t              delivered;

    ngx_event_t           pump;
    ngx_event_t           tick;
    ngx_connection_t     *connection;        /* of the bell */
};


ngx_int_t ngx_push_hub_start(ngx_push_zone_t *zone);
void ngx_push_hub_stop(ngx_push_hub_t *hub);

void ngx_push_hub_pump(ngx_event_t *ev);

/*
 * The zone's lock.  NGX_DECLINED: it is held, but the zone was lost, and all
 * subscriptions and groups with it.
 */

ngx_int_t ngx_push_hub_lock(ngx_push_hub_t *hub);

/* makes the pump look at the group */

void ngx_push_hub_queue_group(ngx_push_hub_t *hub, ngx_push_group_t *g);

/* the subscription, which is in no queue, waits for ngx_push_hub_resume() */

void ngx_push_hub_put_away(ngx_push_group_t *g, ngx_push_subscription_t *s);

/* under the lock */

void ngx_push_hub_drop_group(ngx_push_hub_t *hub, ngx_push_group_t *g);


#endif /* _NGX_PUSH_HUB_H_INCLUDED_ */
