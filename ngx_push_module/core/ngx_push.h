
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_H_INCLUDED_
#define _NGX_PUSH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The shared words: what a channel, a message and a subscription are to
 * those who use the core, and the calls they make.
 *
 * A channel is a log of immutable messages in the zone.  A reader is a
 * cursor: the number of the last message it has.  An epoch names one life
 * of a log, so that a number of another life is recognised.
 */


/* raise when anything that lies in the zone changes its form */
#ifndef NGX_PUSH_LAYOUT
#define NGX_PUSH_LAYOUT        2
#endif

#define NGX_PUSH_EPOCH_LEN     8
#define NGX_PUSH_SEQ_LEN       14
#define NGX_PUSH_ID_LEN        (NGX_PUSH_EPOCH_LEN + 1 + NGX_PUSH_SEQ_LEN)

#define NGX_PUSH_BRIEF         0xffffffff

/*
 * Where a backplane gives the numbers, an epoch is made of a life and of a
 * term, which says who gave them.  Both have 24 bits; the low 16 of each are
 * among those that a brief id has.
 */

#define NGX_PUSH_LIFE          0xff00ffff0000ULL
#define NGX_PUSH_TERMS         4             /* remembered: those before */

#define ngx_push_epoch(life, term)                                           \
    ((uint64_t) ((life) >> 16) << 40 | (uint64_t) ((term) >> 16) << 32       \
     | ((life) & 0xffff) << 16 | ((term) & 0xffff))

#define ngx_push_epoch_life(epoch)                                           \
    ((uint32_t) ((epoch) >> 24 & 0xff0000) | ((uint32_t) (epoch) >> 16))

#define ngx_push_epoch_term(epoch)                                           \
    ((uint32_t) ((epoch) >> 16 & 0xff0000) | ((uint32_t) (epoch) & 0xffff))

#define NGX_PUSH_MAX_TARGETS   255
#define NGX_PUSH_MAX_BATCH     64
#define NGX_PUSH_BATCH_SIZE    (256 * 1024)
#define NGX_PUSH_NO_TTL        0xffffffff

/* what became of a publish to one channel */
#define NGX_PUSH_CREATED       0
#define NGX_PUSH_REPEATED      1
#define NGX_PUSH_SEALED        2
#define NGX_PUSH_UNMATCHED     3
#define NGX_PUSH_FULL          4
#define NGX_PUSH_AWAY          5             /* no answer from a backplane */

/* what a subscription is told */
#define NGX_PUSH_MESSAGES      0
#define NGX_PUSH_OVERRUN       1             /* gaps: these three */
#define NGX_PUSH_FORKED        2             /* what it has was taken back */
#define NGX_PUSH_REPLACED      3             /* another life, undeleted */
#define NGX_PUSH_DELETED       4
#define NGX_PUSH_ENDED         5
#define NGX_PUSH_LOST          6
#define NGX_PUSH_NOTHING       7             /* if it asks for it */

/* how a join found its starting point */
#define NGX_PUSH_COMPLETE      0
#define NGX_PUSH_EXPIRED       1
#define NGX_PUSH_EVICTED       2
#define NGX_PUSH_UNKNOWN       3
#define NGX_PUSH_DIVERGED      4


typedef struct ngx_push_zone_s          ngx_push_zone_t;
typedef struct ngx_push_hub_s           ngx_push_hub_t;
typedef struct ngx_push_message_s       ngx_push_message_t;
typedef struct ngx_push_group_s         ngx_push_group_t;
typedef struct ngx_push_subscription_s  ngx_push_subscription_t;
typedef struct ngx_push_publish_s       ngx_push_publish_t;
typedef struct ngx_push_inquiry_s       ngx_push_inquiry_t;
typedef struct ngx_push_waiter_s        ngx_push_waiter_t;


typedef void (*ngx_push_done_pt)(ngx_push_publish_t *p, ngx_int_t rc);


typedef struct {
    uint64_t                  epoch;
    uint64_t                  seq;
} ngx_push_id_t;


/* a term of the life that lasts, and the last number of it that counts */

typedef struct {
    uint64_t                  epoch;         /* 0: none */
    uint64_t                  end;
} ngx_push_term_t;


/* what a channel keeps; times in milliseconds, 0: forever */

typedef struct {
    uint64_t                  ttl;
    uint64_t                  idle;
    size_t                    max_size;      /* payload bytes, 0: no limit */
    size_t                    backlog;       /* payload bytes */
    ngx_uint_t                count;         /* messages, 0: no history */
} ngx_push_rules_t;


/* one channel of a publish, and what became of it there */

typedef struct {
    ngx_str_t                 channel;
    ngx_uint_t                outcome;
    ngx_uint_t                subscribers;   /* on this node, all workers */
    ngx_uint_t                nodes;         /* that listen; no backplane: 0 */
    ngx_push_id_t             id;            /* seq 0: no message */
} ngx_push_target_t;


/*
 * A publish.  "bytes" is the event rendered as one HTTP/1.1 chunk, with
 * NGX_PUSH_ID_LEN bytes left blank at "id", then, if the payload does not
 * stand in it as it is, the payload once more.
 */

struct ngx_push_publish_s {
    ngx_str_t                 bytes;
    size_t                    head;          /* chunk size line */
    size_t                    event_size;    /* event, without the chunk */
    size_t                    id;
    size_t                    body;
    size_t                    body_size;

    ngx_str_t                 content_type;  /* each at most 255 bytes */
    ngx_str_t                 event;
    ngx_str_t                 topic;
    ngx_str_t                 user;

    ngx_str_t                 key;           /* Idempotency-Key */
    ngx_push_id_t             match;         /* If-Match */
    uint32_t                  ttl;           /* seconds or NGX_PUSH_NO_TTL */

    unsigned                  text:1;
    unsigned                  matching:1;    /* "match" is set */
    unsigned                  some:1;        /* If-Match: * */
    unsigned                  first:1;       /* If-None-Match: * */
    unsigned                  end:1;         /* seal the channel */
    unsigned                  empty:1;       /* seal without a message */
    unsigned                  lacking:1;     /* fewer copies than asked for */

    ngx_uint_t                replicated;    /* copies, then */
    uint64_t                  time;          /* given elsewhere, 0: now */

    ngx_push_rules_t         *rules;
    ngx_push_target_t        *targets;
    ngx_uint_t                ntargets;

    ngx_pool_t               *pool;          /* lives until it is done */
    ngx_push_done_pt          done;          /* see ngx_push_publish() */
    void                     *data;
};


typedef struct {
    ngx_str_t                 channel;
    ngx_uint_t                known;
    ngx_push_id_t             last;          /* seq 0: nothing published */
    ngx_push_id_t             oldest;        /* seq 0: no history */
    ngx_uint_t                messages;
    uint64_t                  bytes;
    ngx_uint_t                subscribers;
    uint64_t                  created;       /* ms since 1970, UTC */
    uint64_t                  last_publish;
    unsigned                  ended:1;
} ngx_push_info_t;


/* where a subscription starts, and what was found there */

typedef enum {
    NGX_PUSH_AT_LATEST = 0,
    NGX_PUSH_AT_EARLIEST,
    NGX_PUSH_AT_LAST,                        /* the newest "n" */
    NGX_PUSH_AT_ID,
    NGX_PUSH_AT_BEFORE,                      /* the newest "n" before "id" */
    NGX_PUSH_AT_LOST                         /* a position not understood */
} ngx_push_at_e;


/*
 * A brief id has only the low NGX_PUSH_BRIEF bits of its epoch.  Where it is
 * not known which of several ids is meant, "more" of them lie behind "ids",
 * and that of this life of the channel is taken.
 */

typedef struct {
    ngx_push_at_e             at;
    ngx_push_id_t             id;
    ngx_push_id_t            *ids;
    ngx_uint_t                more;
    ngx_uint_t                n;
    unsigned                  brief:1;

    ngx_uint_t                found;         /* NGX_PUSH_COMPLETE, ... */
    ngx_push_id_t             start;
    ngx_push_id_t             oldest;        /* seq 0: no history */
    unsigned                  over:1;        /* sealed or deleted, all read */
} ngx_push_start_t;


/*
 * Messages after a cursor, taken together.  They are held for as long as
 * the delivery runs and must not be kept.  "serial" differs for each batch
 * of a worker, so that what is rendered once can be found again.
 */

typedef struct {
    ngx_push_zone_t          *zone;
    uint64_t                  serial;
    uint64_t                  epoch;
    uint64_t                  from;
    uint64_t                  to;
    uint64_t                  floor;
    uint64_t                  top;           /* of the last message here */
    uint64_t                  last;          /* of the log */
    uint64_t                  oldest;        /* 0: no history */
    uint64_t                  next;          /* after a gap, goes on here */
    uint64_t                  base;          /* of the history */
    uint64_t                  deleted;       /* epoch of the life before */
    uint64_t                  was;           /* epoch of the first who waits */
    ngx_push_term_t          *terms;         /* NULL: it knows none */
    ngx_push_term_t           copy[NGX_PUSH_TERMS];
    ngx_uint_t                n;
    ngx_push_message_t       *messages[NGX_PUSH_MAX_BATCH];
    unsigned                  replay:1;
    unsigned                  complete:1;    /* up to the log's end */
    unsigned                  sealed:1;      /* nothing comes after "to" */
    unsigned                  beyond:1;      /* he is beyond the log's end */
} ngx_push_batch_t;


/*
 * NGX_OK: all of it is taken.  NGX_AGAIN: the subscription has set its
 * cursor to the last message that it has begun, and calls
 * ngx_push_hub_resume() when it can go on.  NGX_DONE: it has left.
 *
 * NGX_PUSH_NOTHING says once, to a subscription that asks for it, that it has
 * all there is; a batch of messages that is "complete" says so too.
 */

typedef ngx_int_t (*ngx_push_deliver_pt)(ngx_push_subscription_t *s,
    ngx_push_batch_t *b, ngx_uint_t what);


struct ngx_push_subscription_s {
    ngx_queue_t               queue;
    ngx_push_group_t         *group;
    ngx_push_deliver_pt       deliver;
    uint64_t                  epoch;
    uint64_t                  cursor;
    uint64_t                  joined;        /* up to here it is a replay */
    uint32_t                  tag;           /* its owner's, as it likes */
    unsigned                  asking:1;      /* for NGX_PUSH_NOTHING */
    unsigned                  away:1;        /* for ngx_push_hub_resume() */
};


/* ids: <epoch>-<seq>, always NGX_PUSH_ID_LEN bytes of [A-Za-z0-9._-] */

u_char *ngx_push_id_format(u_char *p, ngx_push_id_t *id);
ngx_int_t ngx_push_id_parse(ngx_str_t *s, ngx_push_id_t *id);

/* zones */

ngx_push_zone_t *ngx_push_zone_add(ngx_conf_t *cf, ngx_str_t *name,
    size_t size);
ngx_str_t *ngx_push_zone_name(ngx_push_zone_t *zone);
ngx_uint_t ngx_push_zone_superseded(ngx_push_zone_t *zone);

/* the epoch that the number has in a channel with these terms */

uint64_t ngx_push_terms_epoch(ngx_push_term_t *terms, uint64_t epoch,
    uint64_t seq);

/*
 * Publishes to all targets or to none.  NGX_OK: each target tells what
 * became of it; NGX_DECLINED: nothing was published, at least one target
 * tells why.  Behind a backplane each target stands alone, and the answer
 * is NGX_AGAIN: p->done() is called later with NGX_OK, and until then all
 * that is in "p" stays where it is.
 */

ngx_int_t ngx_push_publish(ngx_push_zone_t *zone, ngx_push_publish_t *p);

/*
 * Fills in what is known of the channels named, after deleting them if
 * "remove" is set.  NGX_OK; NGX_AGAIN: q->done() is called later, with
 * NGX_OK, or NGX_ERROR if there was no answer.
 */

struct ngx_push_inquiry_s {
    ngx_push_info_t          *channels;
    ngx_uint_t                n;
    ngx_pool_t               *pool;          /* lives until it is done */
    void                    (*done)(ngx_push_inquiry_t *q, ngx_int_t rc);
    void                     *data;
    ngx_uint_t                pending;       /* for the backplane */
    unsigned                  remove:1;
    unsigned                  failed:1;
};

ngx_int_t ngx_push_inquire(ngx_push_zone_t *zone, ngx_push_inquiry_t *q);

/* the same, of what this zone has; NGX_OK or NGX_DECLINED: no such channel */

ngx_int_t ngx_push_channel_info(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_info_t *info);
ngx_int_t ngx_push_channel_delete(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_uint_t *subscribers);

/* 1: channels are to be opened before they are joined; it may take long */

ngx_uint_t ngx_push_zone_mirrors(ngx_push_zone_t *zone);
ngx_uint_t ngx_push_zone_is_deaf(ngx_push_zone_t *zone);

/*
 * Waits until the zone's log of a channel is what the backplane has.
 * NGX_OK: it is so; NGX_AGAIN: w->ready() is called once, when it is, or,
 * with NGX_ERROR, when the zone was lost; NGX_ERROR: no memory, or no room.
 * Who no longer waits calls ngx_push_hub_cancel().
 *
 * A place that is not in the log may come from a node that is ahead of this
 * one: with "start" set, the log must have been read after that was asked.
 */

struct ngx_push_waiter_s {
    ngx_queue_t               queue;
    ngx_push_group_t         *group;         /* NULL: does not wait */
    ngx_push_hub_t           *hub;
    ngx_push_start_t         *start;         /* or NULL */
    uint32_t                  since;         /* the reading of that moment */
    void                    (*ready)(ngx_push_waiter_t *w, ngx_int_t rc);
    void                     *data;
};

ngx_int_t ngx_push_hub_open(ngx_push_hub_t *hub, ngx_push_waiter_t *w,
    ngx_str_t *name);
void ngx_push_hub_cancel(ngx_push_waiter_t *w);

/*
 * Joins a channel.  The subscription is counted at once and gets nothing
 * until ngx_push_hub_resume().  NGX_OK, NGX_DECLINED: the zone cannot hold
 * it, NGX_ERROR: no memory.  A resume returns NGX_OK, or NGX_DONE if it has
 * left, since the zone was lost.
 */

ngx_push_hub_t *ngx_push_hub(ngx_push_zone_t *zone);
ngx_int_t ngx_push_hub_join(ngx_push_hub_t *hub, ngx_push_subscription_t *s,
    ngx_str_t *name, ngx_push_start_t *start);
ngx_int_t ngx_push_hub_resume(ngx_push_subscription_t *s);
void ngx_push_hub_leave(ngx_push_subscription_t *s);
void ngx_push_hub_channel(ngx_push_subscription_t *s, ngx_str_t *name);

/* sets a gauge of this worker, as the status of the zone sums them up */

void ngx_push_hub_gauge(ngx_push_hub_t *hub, ngx_uint_t gauge, ngx_int_t n);

/*
 * Called when this worker is to exit gracefully, once more when the time for
 * that is over ("late"), and at each tick while it still reads from a zone
 * that was superseded.
 */

typedef void (*ngx_push_exit_pt)(ngx_uint_t late);

void ngx_push_hub_on_exit(ngx_push_exit_pt handler);


#endif /* _NGX_PUSH_H_INCLUDED_ */
