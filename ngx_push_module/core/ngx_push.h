
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
#define NGX_PUSH_LAYOUT        1
#endif

#define NGX_PUSH_EPOCH_LEN     8
#define NGX_PUSH_SEQ_LEN       14
#define NGX_PUSH_ID_LEN        (NGX_PUSH_EPOCH_LEN + 1 + NGX_PUSH_SEQ_LEN)

#define NGX_PUSH_BRIEF         0xffffffff

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

/* what a subscription is told */
#define NGX_PUSH_MESSAGES      0
#define NGX_PUSH_OVERRUN       1
#define NGX_PUSH_DELETED       2
#define NGX_PUSH_ENDED         3
#define NGX_PUSH_LOST          4
#define NGX_PUSH_NOTHING       5             /* if it asks for it */

/* how a join found its starting point */
#define NGX_PUSH_COMPLETE      0
#define NGX_PUSH_EXPIRED       1
#define NGX_PUSH_EVICTED       2
#define NGX_PUSH_UNKNOWN       3


typedef struct ngx_push_zone_s          ngx_push_zone_t;
typedef struct ngx_push_hub_s           ngx_push_hub_t;
typedef struct ngx_push_message_s       ngx_push_message_t;
typedef struct ngx_push_group_s         ngx_push_group_t;
typedef struct ngx_push_subscription_s  ngx_push_subscription_t;


typedef struct {
    uint64_t                  epoch;
    uint64_t                  seq;
} ngx_push_id_t;


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
    ngx_push_id_t             id;            /* seq 0: no message */
} ngx_push_target_t;


/*
 * A publish.  "bytes" is the event rendered as one HTTP/1.1 chunk, with
 * NGX_PUSH_ID_LEN bytes left blank at "id", then, if the payload does not
 * stand in it as it is, the payload once more.
 */

typedef struct {
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

    ngx_push_rules_t         *rules;
    ngx_push_target_t        *targets;
    ngx_uint_t                ntargets;
} ngx_push_publish_t;


typedef struct {
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
    ngx_uint_t                n;
    ngx_push_message_t       *messages[NGX_PUSH_MAX_BATCH];
    unsigned                  replay:1;
    unsigned                  complete:1;    /* up to the log's end */
    unsigned                  sealed:1;      /* nothing comes after "to" */
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

/*
 * Publishes to all targets or to none.  NGX_OK: each target tells what
 * became of it; NGX_DECLINED: nothing was published, at least one target
 * tells why.
 */

ngx_int_t ngx_push_publish(ngx_push_zone_t *zone, ngx_push_publish_t *p);

/* NGX_OK or NGX_DECLINED: no such channel */

ngx_int_t ngx_push_channel_info(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_info_t *info);
ngx_int_t ngx_push_channel_delete(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_uint_t *subscribers);

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
