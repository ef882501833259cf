
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
    unsigned              held:8;            /* by loops that call outward */
    unsigned              nwaiters:20;       /* with those being told */
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
    ngx_queue_t           waiters;           /* until a log is current */
    ngx_queue_t           opened;            /* those that are to hear */
    ngx_push_group_t     *current;
    ngx_push_batch_t      batch;
    uint64_t              delivered;

    ngx_event_t           pump;
    ngx_event_t           open;
    ngx_event_t           tick;
    ngx_connection_t     *connection;        /* of the bell */
};


ngx_int_t ngx_push_hub_start(ngx_push_zone_t *zone);
void ngx_push_hub_stop(ngx_push_hub_t *hub);

void ngx_push_hub_pump(ngx_event_t *ev);

/* fills the hub's batch with what the first who waits in the group lacks */

void ngx_push_batch_take(ngx_push_hub_t *hub, ngx_push_group_t *g);

/*
 * For a subscription of another epoch.  NGX_OK: its place is one in this as
 * well; else what it is to be told, and b->next is where it goes on.
 */

ngx_int_t ngx_push_batch_turn(ngx_push_batch_t *b,
    ngx_push_subscription_t *s);

/* below it, a subscription has lost something */

uint64_t ngx_push_batch_floor(ngx_push_channel_t *ch,
    ngx_push_subscription_t *s);

/*
 * The zone's lock.  NGX_DECLINED: it is held, but the zone was lost, and all
 * subscriptions and groups with it.
 */

ngx_int_t ngx_push_hub_lock(ngx_push_hub_t *hub);

/* makes the pump look at the group */

void ngx_push_hub_queue_group(ngx_push_hub_t *hub, ngx_push_group_t *g);

/* the subscription, which is in no queue, waits for ngx_push_hub_resume() */

void ngx_push_hub_put_away(ngx_push_group_t *g, ngx_push_subscription_t *s);

/* nobody is in it any more */

#define ngx_push_hub_is_idle(g)                                              \
    ((g)->subscriptions == 0 && (g)->nwaiters == 0)

/* under the lock */

void ngx_push_hub_drop_group(ngx_push_hub_t *hub, ngx_push_group_t *g);

/* the group of a channel, made if there is none; NULL: no room */

ngx_push_group_t *ngx_push_hub_group(ngx_push_hub_t *hub,
    ngx_push_channel_t *ch);

/*
 * Takes the lock with memory for one more group in hand.  NGX_ERROR: no
 * memory, and no lock.
 */

ngx_int_t ngx_push_hub_lock_spare(ngx_push_hub_t *hub);

/* waiters: those of a group are to be told that its log is current, or lost */

void ngx_push_hub_check_waiters(ngx_push_hub_t *hub, ngx_push_group_t *g);
void ngx_push_hub_lose_waiters(ngx_push_hub_t *hub, ngx_push_group_t *g);
void ngx_push_hub_opened(ngx_event_t *ev);


#endif /* _NGX_PUSH_HUB_H_INCLUDED_ */
