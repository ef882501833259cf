
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_SHARED_H_INCLUDED_
#define _NGX_PUSH_SHARED_H_INCLUDED_


#include "ngx_push.h"
#include "ngx_push_block.h"
#include "ngx_push_message.h"


/*
 * What lies in the zone, on one page.  Offsets are of blocks, 0 is none.
 * No field points into a worker's memory or to code.  Fields marked [d] are
 * derived: recovery makes them anew from the blocks.
 */


#define NGX_PUSH_MAGIC         0x68737570
#define NGX_PUSH_MAX_BELLS     512
#define NGX_PUSH_GAUGES        8
#define NGX_PUSH_WANTED        64

#define NGX_PUSH_KEY_AGE       (5 * 60 * 1000)
#define NGX_PUSH_KEY_SHARE     8             /* of the arena, at most 1/8 */


/* counters; each only grows */

typedef enum {
    NGX_PUSH_STAT_PUBLISHED = 0,
    NGX_PUSH_STAT_REPEATED,
    NGX_PUSH_STAT_REFUSED,
    NGX_PUSH_STAT_DELIVERED,
    NGX_PUSH_STAT_JOINED,
    NGX_PUSH_STAT_GAPS,
    NGX_PUSH_STAT_OVERRUN,
    NGX_PUSH_STAT_EVICTED,
    NGX_PUSH_STAT_EVICTED_KEYS,
    NGX_PUSH_STAT_EVICTED_CHANNELS,
    NGX_PUSH_STAT_DELETED,
    NGX_PUSH_STAT_SWEPT,
    NGX_PUSH_STAT_RECOVERED,
    NGX_PUSH_STAT_TURNS,
    NGX_PUSH_STAT_HOLES,
    NGX_PUSH_STAT_REWOUND,
    NGX_PUSH_STATS
} ngx_push_stat_e;


typedef struct {
    uint32_t              message;
    uint32_t              topic;             /* hash, 0: none */
} ngx_push_slot_t;


typedef struct {
    ngx_push_block_t      block;             /* link: the channel */
    ngx_push_slot_t       slots[];
} ngx_push_ring_t;


typedef struct {
    uint32_t              ring;
    uint32_t              size;              /* slots, a power of two */
    uint32_t              first;             /* [d] */
    uint32_t              n;                 /* [d] */
    uint32_t              behind;            /* [d] first ones, not KEPT */
} ngx_push_log_t;


typedef struct {
    ngx_push_block_t      block;             /* link: [d] next of bucket */

    uint64_t              epoch;
    uint64_t              last;              /* number of the last message */
    uint64_t              floor;             /* highest number lost */
    uint64_t              overrun;           /* highest lost to live readers */
    uint64_t              trimmed;           /* highest out of the history */
    uint64_t              evicted;           /* highest lost to a full zone */
    uint64_t              cleaned;           /* [d] below, all are KEPT */
    uint64_t              deleted;           /* epoch of the life before */

    uint64_t              created;
    uint64_t              last_publish;
    uint64_t              touched;           /* when it was last in use */
    uint64_t              expiry;            /* [d] of the next own TTL */

    ngx_push_log_t        log;

    uint32_t              kept;              /* [d] messages in history */
    uint64_t              kept_size;         /* [d] their payload */
    uint64_t              loose_size;        /* [d] payload of the others */

    uint64_t              ttl;               /* the rules */
    uint64_t              idle;
    uint32_t              count;
    uint32_t              max_size;
    uint32_t              backlog;

    uint32_t              listeners;         /* [d] */
    uint32_t              older;             /* [d] in an idle queue */
    uint32_t              newer;
    uint32_t              hash;
    uint16_t              pinned;            /* [d] */
    uint8_t               sealed;
    uint8_t               known;             /* its id, to a subscriber */
    uint8_t               mirrored;          /* it was read once */
    uint8_t               idling;            /* [d] 1 + the idle queue */
    uint8_t               name_len;
    u_char                name[];            /* then, in a mirror, lineage */
} ngx_push_channel_t;


/* of a channel whose numbers are given elsewhere */

typedef struct {
    ngx_push_term_t       terms[NGX_PUSH_TERMS]; /* before, newest first */
    uint32_t              synced;            /* read in this turn; 0: never */
    uint32_t              asked;             /* readings that have begun */
    uint32_t              read;              /* of these, the last to end */
    uint32_t              doubted;           /* one as late as this is due */
} ngx_push_lineage_t;


/* one worker on one channel */

typedef struct {
    ngx_push_block_t      block;             /* link: [d] next of channel */
    uint64_t              passed;            /* what all its readers have */
    uint32_t              channel;
    uint32_t              back;              /* [d] previous of channel */
    uint32_t              bell_next;         /* [d] */
    uint32_t              bell_prev;         /* [d] */
    uint32_t              ready_next;        /* [d] */
    uint32_t              slot;              /* known to the worker alone */
    uint32_t              subscribers;
    uint16_t              bell;
    uint8_t               ready;             /* [d] */
} ngx_push_listener_t;


/* an idempotency key and the answer given for it */

typedef struct {
    ngx_push_block_t      block;             /* link: [d] next of bucket */
    u_char                hash[16];
    uint64_t              time;
    ngx_push_id_t         id;
    uint32_t              newer;             /* [d] */
    uint32_t              channel;
    uint32_t              subscribers;
    uint32_t              seals;             /* without a message */
} ngx_push_key_t;


typedef struct {
    ngx_pid_t             pid;               /* 0: free */
    uint64_t              start;             /* of the process, in ticks */

    uint32_t              rung;
    uint32_t              ready;             /* [d] */
    uint32_t              listeners;         /* [d] */

    uint32_t              nheld;
    uint32_t              held[NGX_PUSH_MAX_BATCH];

    uint32_t              gauges[NGX_PUSH_GAUGES];
} ngx_push_bell_t;


/* channels out of use */

typedef struct {
    uint32_t              oldest;
    uint32_t              newest;
} ngx_push_idle_t;


/*
 * Which worker follows the backplane for all.  A channel is current if it
 * was read in this turn; a turn ends with the connection.
 */

typedef struct {
    ngx_uint_t            on;                /* 0: all logs are its own */
    ngx_pid_t             leader;            /* 0: none */
    uint32_t              bell;              /* of the leader */
    uint32_t              turn;
    uint32_t              up;                /* it hears the backplane */
    uint64_t              heard;             /* its own voice, ms */
    uint32_t              nwanted;           /* more than there is room: all */
    uint32_t              wanted[NGX_PUSH_WANTED];  /* buckets */
} ngx_push_mirror_t;


typedef struct {

    /* this much is the same in every layout */

    uint32_t              magic;
    uint32_t              layout;
    ngx_atomic_t          superseded;
    uint32_t              nfds;
    int                   fds[NGX_PUSH_MAX_BELLS];

    ngx_atomic_t          writer;            /* pid, while locked */
    uint32_t              generation;        /* how often all was lost */
    uint32_t              nbells;
    uint32_t              bells;             /* bytes from here */
    uint64_t              size;

    uint64_t              epoch_base;
    uint64_t              epoch_n;
    u_char                secret[16];

    uint32_t              buckets;           /* bytes from here */
    uint32_t              bucket_mask;
    uint32_t              keys;              /* bytes from here */
    uint32_t              key_mask;

    uint32_t              nchannels;         /* [d] */
    uint32_t              nmessages;         /* [d] */
    uint64_t              bytes;             /* [d] payload of messages */

    uint32_t              oldest;            /* [d] all messages in logs */
    uint32_t              newest;
    ngx_push_idle_t       idle[2];           /* [d] without, with a life */
    uint32_t              key_oldest;        /* [d] */
    uint32_t              key_newest;

    ngx_push_mirror_t     mirror;

    uint32_t              sweep;             /* bucket */
    uint64_t              swept;             /* when */
    uint64_t              warned;

    uint64_t              stats[NGX_PUSH_STATS];

    ngx_push_arena_t      arena;
} ngx_push_shared_t;


#define ngx_push_ptr(sh, offset)    ngx_push_at(&(sh)->arena, offset)
#define ngx_push_ref(sh, block)     ngx_push_offset(&(sh)->arena, block)

#define ngx_push_lineage(ch)                                                 \
    ((ngx_push_lineage_t *) ngx_align_ptr((ch)->name + (ch)->name_len,       \
                                          sizeof(uint64_t)))

#define ngx_push_buckets(sh)                                                 \
    ((uint32_t *) ((u_char *) (sh) + (sh)->buckets))

#define ngx_push_keys(sh)                                                    \
    ((uint32_t *) ((u_char *) (sh) + (sh)->keys))

#define ngx_push_bells(sh)                                                   \
    ((ngx_push_bell_t *) ((u_char *) (sh) + (sh)->bells))


/* which bells to ring once the lock is given back */

typedef struct {
    uint64_t              map[NGX_PUSH_MAX_BELLS / 64];
    ngx_uint_t            n;
} ngx_push_chime_t;


#endif /* _NGX_PUSH_SHARED_H_INCLUDED_ */
