
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_MIRROR_H_INCLUDED_
#define _NGX_PUSH_MIRROR_H_INCLUDED_


#include "ngx_push_zone.h"


/*
 * Logs that are written elsewhere.  A backplane numbers the messages, and a
 * zone behind it has a copy of each channel that somebody here listens to.
 * One worker, the leader, reads the backplane for all.  What it has read in
 * one turn, which is the life of its connection, is current; only what is
 * current may be joined, and only to that may anybody else append what was
 * published from here.
 */


/* where a message stands among all others of its channel */

typedef struct {
    uint64_t          epoch;                 /* of the present term */
    uint64_t          began;                 /* the term's first number */
    uint64_t          seq;
    uint64_t          time;                  /* ms since 1970, UTC */
} ngx_push_place_t;


/* what the backplane has of a channel */

typedef struct {
    ngx_push_term_t   terms[NGX_PUSH_TERMS]; /* before, newest first */
    uint64_t          epoch;
    uint64_t          last;
    uint64_t          floor;
    uint64_t          deleted;               /* epoch of the life before */
    uint64_t          created;
    uint64_t          last_publish;
    uint64_t          asked_epoch;           /* of the zone, at that time */
    uint64_t          asked_last;
    uint32_t          asked;                 /* which reading it is */
    unsigned          sealed:1;
} ngx_push_copy_t;


/* what this zone has of it */

typedef struct {
    uint64_t          epoch;
    uint64_t          last;
    ngx_uint_t        listeners;
    uint32_t          asked;                 /* which reading begins */
    unsigned          current:1;
} ngx_push_mirrored_t;


#define ngx_push_mirror_is_current(zone, ch)                                 \
    ((zone)->backplane->wake == NULL                                         \
     || ((zone)->sh->mirror.up                                               \
         && ngx_push_lineage(ch)->synced == (zone)->sh->mirror.turn))


/*
 * The worker with this hub is the leader now, or it already was: NGX_OK.
 * NGX_DECLINED: another one is, and it is alive.
 */

ngx_int_t ngx_push_mirror_lead(ngx_push_zone_t *zone);
ngx_uint_t ngx_push_mirror_leads(ngx_push_zone_t *zone);

/* by the leader: it no longer is */

void ngx_push_mirror_resign(ngx_push_zone_t *zone);

/* by the leader: a new turn, in which nothing is current yet; "up": it hears */

void ngx_push_mirror_turn(ngx_push_zone_t *zone, ngx_uint_t up);

/* under the lock: the leader is asked to look at the channel */

void ngx_push_mirror_want(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_chime_t *chime);

/*
 * By the leader: calls "handler" for each channel of a bucket that somebody
 * listens to and that is not current, or doubted.  The name is good for the
 * call, which must not lock.
 */

typedef void (*ngx_push_mirror_pt)(void *data, ngx_str_t *name);

void ngx_push_mirror_missing(ngx_push_zone_t *zone, ngx_uint_t bucket,
    ngx_push_mirror_pt handler, void *data);

/* buckets that are wanted, emptied; the number of them, or all: NGX_DONE */

ngx_int_t ngx_push_mirror_wanted(ngx_push_zone_t *zone, uint32_t *buckets,
    ngx_uint_t *n);

/* NGX_DECLINED: the zone does not know it */

ngx_int_t ngx_push_mirror_state(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_mirrored_t *state);

/* the same, and a reading begins */

ngx_int_t ngx_push_mirror_ask(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_mirrored_t *state);

/*
 * The channel is to be as the backplane has it: another life, another term,
 * a shorter log.  What follows is appended by ngx_push_mirror_fill(), and
 * ngx_push_mirror_finish() makes it current.  NGX_OK; NGX_DECLINED: it is
 * gone; NGX_AGAIN: it has gone on since, or back to before what was asked
 * for, and must be read again.
 */

ngx_int_t ngx_push_mirror_begin(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_copy_t *copy);
ngx_int_t ngx_push_mirror_fill(ngx_push_zone_t *zone, ngx_push_publish_t *p,
    uint64_t seq);
ngx_int_t ngx_push_mirror_finish(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_copy_t *copy);

/* a message that was numbered but cannot be had */

ngx_int_t ngx_push_mirror_lose(ngx_push_zone_t *zone, ngx_str_t *name,
    uint64_t seq);

/*
 * A message from the backplane, or one that was published from here and has
 * got its number ("own"); the first call only tells what the second would
 * do.  NGX_OK: appended; NGX_DONE: it was there already, or is not for this
 * log; NGX_AGAIN: something before it is missing; NGX_DECLINED: the channel
 * is not current.
 */

ngx_int_t ngx_push_mirror_expects(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_place_t *place);
ngx_int_t ngx_push_mirror_append(ngx_push_zone_t *zone,
    ngx_push_publish_t *p, ngx_push_place_t *place, ngx_uint_t own);

/* sealed without a message, and deleted: the answers are the same */

ngx_int_t ngx_push_mirror_seal(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_place_t *place);
ngx_int_t ngx_push_mirror_delete(ngx_push_zone_t *zone, ngx_str_t *name,
    uint64_t epoch);

/* by the leader: nothing of it is heard any more */

void ngx_push_mirror_forget(ngx_push_zone_t *zone, ngx_str_t *name);

/* how many listen here */

ngx_uint_t ngx_push_mirror_subscribers(ngx_push_zone_t *zone,
    ngx_str_t *name);


#endif /* _NGX_PUSH_MIRROR_H_INCLUDED_ */
