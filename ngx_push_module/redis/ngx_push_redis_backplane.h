
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_REDIS_BACKPLANE_H_INCLUDED_
#define _NGX_PUSH_REDIS_BACKPLANE_H_INCLUDED_


#include "ngx_push_entry.h"
#include "ngx_push_mirror.h"
#include "ngx_push_redis.h"
#include "ngx_push_redis_script.h"
#include "ngx_push_redis_sentinel.h"


/* what the files of the backplane share */


#define NGX_PUSH_REDIS_PARTITIONS  256
#define NGX_PUSH_REDIS_NUMBER_LEN  20        /* of 64 bits */
#define NGX_PUSH_REDIS_MAX_ARGS    24
#define NGX_PUSH_REDIS_CANARY_LEN  320


/* which part of what is kept of a channel a key names */

#define NGX_PUSH_REDIS_META        'm'
#define NGX_PUSH_REDIS_STREAM      's'
#define NGX_PUSH_REDIS_TOPICS      't'
#define NGX_PUSH_REDIS_SENT        'i'       /* idempotency keys */
#define NGX_PUSH_REDIS_CHANNEL     'c'       /* of PUBLISH */
#define NGX_PUSH_REDIS_CANARY      'h'       /* the same, of a leader */


/* of a channel that nothing was published to, in milliseconds */

#define NGX_PUSH_REDIS_IDLE        (60 * 60 * 1000)


/* what a reading answers, in this order */

#define NGX_PUSH_REDIS_READ_LIFE       0
#define NGX_PUSH_REDIS_READ_TERM       1     /* the present one */
#define NGX_PUSH_REDIS_READ_LAST       2
#define NGX_PUSH_REDIS_READ_LAST_TERM  3     /* of the last message */
#define NGX_PUSH_REDIS_READ_FLOOR      4
#define NGX_PUSH_REDIS_READ_SEALED     5
#define NGX_PUSH_REDIS_READ_CREATED    6
#define NGX_PUSH_REDIS_READ_PUBLISHED  7
#define NGX_PUSH_REDIS_READ_DELETED    8     /* the life before */
#define NGX_PUSH_REDIS_READ_KEPT       9
#define NGX_PUSH_REDIS_READ_BYTES      10
#define NGX_PUSH_REDIS_READ_OLDEST     11
#define NGX_PUSH_REDIS_READ_NOW        12
#define NGX_PUSH_REDIS_READ_TERMS      13    /* term, its first number, ... */
#define NGX_PUSH_REDIS_READ_ENTRIES    14    /* number, term, time, blob, ... */


typedef struct ngx_push_redis_s         ngx_push_redis_t;
typedef struct ngx_push_redis_call_s    ngx_push_redis_call_t;
typedef struct ngx_push_redis_follow_s  ngx_push_redis_follow_t;


/* "reply" is an array, or NULL: there is no answer, or only an error */

typedef void (*ngx_push_redis_call_pt)(ngx_push_redis_call_t *call,
    redisReply *reply);


/*
 * A script that runs.  It and its arguments stay until the handler was
 * called: Redis may have forgotten the script, which is then sent whole.
 */

struct ngx_push_redis_call_s {
    ngx_push_redis_t          *redis;
    ngx_push_redis_script_t   *script;
    ngx_pool_t                *pool;
    ngx_uint_t                 nkeys;
    ngx_uint_t                 argc;
    const char                *argv[NGX_PUSH_REDIS_MAX_ARGS];
    size_t                     lens[NGX_PUSH_REDIS_MAX_ARGS];
    ngx_push_redis_call_pt     handler;
    void                      *data;
    unsigned                   whole:1;
};


/* what there is of it in one worker */

struct ngx_push_redis_s {
    ngx_push_zone_t              *zone;
    ngx_push_redis_conf_t        *conf;
    ngx_push_redis_connection_t   commands;
    ngx_push_redis_connection_t   channels;  /* the leader's */
    ngx_push_redis_sentinel_t     finder;    /* of the master for both */

    /* publishes that WAIT was sent for, or is to be sent */

    ngx_queue_t                   asked;
    ngx_queue_t                   unsure;

    /* the leader's: what it follows */

    ngx_rbtree_t                  tree;
    ngx_rbtree_node_t             sentinel;
    ngx_queue_t                   all;       /* the one to look at first */
    ngx_queue_t                   unread;
    ngx_uint_t                    nfollowed;
    ngx_uint_t                    nreading;
    uint32_t                      turn;
    ngx_uint_t                    bucket;    /* up to here all is looked at */
    ngx_event_t                   scan;

    uint32_t                      advised;   /* the term that was looked at */

    ngx_str_t                     canary;
    ngx_msec_t                    canary_sent;
    ngx_msec_t                    canary_heard;
    u_char                        canary_name[NGX_PUSH_REDIS_CANARY_LEN];

    unsigned                      leading:1;
    unsigned                      leaving:1;
    unsigned                      unsaved:1; /* there is no append-only file */
};


/* a publish that is done when replicas have it, or the time is over */

typedef struct {
    ngx_queue_t                queue;
    ngx_push_publish_t        *publish;
} ngx_push_redis_ack_t;

void ngx_push_redis_ack(ngx_push_redis_t *redis, ngx_push_redis_ack_t *ack);

/* a script with its keys and arguments; NGX_ERROR: no memory */

ngx_int_t ngx_push_redis_call_key(ngx_push_redis_call_t *call,
    u_char part, ngx_str_t *channel);
void ngx_push_redis_call_str(ngx_push_redis_call_t *call, ngx_str_t *value);
ngx_int_t ngx_push_redis_call_number(ngx_push_redis_call_t *call,
    uint64_t value);

/*
 * Sends it.  NGX_OK: the handler is called later; otherwise it is not.
 */

ngx_int_t ngx_push_redis_call(ngx_push_redis_call_t *call);

/* <prefix>:{<partition>}:<part>:<channel>; NGX_ERROR: no memory */

ngx_int_t ngx_push_redis_key(ngx_push_redis_t *redis, ngx_pool_t *pool,
    u_char part, ngx_str_t *channel, ngx_str_t *key);

#define ngx_push_redis_partition(channel)                                    \
    ((ngx_uint_t) ngx_crc32_long((channel)->data, (channel)->len)            \
     & (NGX_PUSH_REDIS_PARTITIONS - 1))

/* a nonce for the life of a channel that is new */

uint32_t ngx_push_redis_life(void);

/* numbers of a reply; 0: there is none at this place */

uint64_t ngx_push_redis_number(redisReply *reply, ngx_uint_t i);

ngx_int_t ngx_push_redis_publish(ngx_push_zone_t *zone,
    ngx_push_publish_t *p);
ngx_int_t ngx_push_redis_inquire(ngx_push_zone_t *zone,
    ngx_push_inquiry_t *q);

/*
 * A message, as another pod has packed it, becomes a publish for one target,
 * "rules" included.  NGX_OK; NGX_ERROR: no memory; NGX_DECLINED: it cannot
 * be read, which is logged.
 */

ngx_int_t ngx_push_redis_unpack(ngx_pool_t *pool, ngx_str_t *blob,
    ngx_push_publish_t *p, ngx_push_target_t *target);

/* the leader: begins and ends, every second, and when channels are wanted */

void ngx_push_redis_lead(ngx_push_redis_t *redis);
void ngx_push_redis_unlead(ngx_push_redis_t *redis);
void ngx_push_redis_lead_tick(ngx_push_redis_t *redis);
void ngx_push_redis_lead_wake(ngx_push_redis_t *redis);

/* warns of what in the configuration of Redis loses messages */

void ngx_push_redis_advise(ngx_push_redis_t *redis);

/* whether what the leader publishes comes back to it; 1: this is it */

void ngx_push_redis_canary_start(ngx_push_redis_t *redis);
void ngx_push_redis_canary_tick(ngx_push_redis_t *redis);
ngx_uint_t ngx_push_redis_canary_is(ngx_push_redis_t *redis,
    redisReply *channel);

/* what comes on the connection for channels */

void ngx_push_redis_heard(ngx_push_redis_connection_t *c, redisReply *reply);

/* reading what is kept of a channel */

typedef struct ngx_push_redis_read_s  ngx_push_redis_read_t;


/* a channel that the leader follows */

struct ngx_push_redis_follow_s {
    ngx_str_node_t             node;
    ngx_queue_t                queue;
    ngx_queue_t                unread;
    ngx_push_redis_t          *redis;
    ngx_push_redis_read_t     *read;         /* that runs, or NULL */
    uint64_t                   heard;        /* the highest number */
    time_t                     unused;       /* since, 0: it is in use */
    unsigned                   subscribed:1;
    unsigned                   waiting:1;    /* is in "unread" */
    unsigned                   again:1;      /* once it is read */
};

void ngx_push_redis_read_soon(ngx_push_redis_follow_t *f);
void ngx_push_redis_read_some(ngx_push_redis_t *redis);
void ngx_push_redis_read_cancel(ngx_push_redis_follow_t *f);

/* the zone no longer knows the channel, or nobody listens any more */

void ngx_push_redis_unfollow(ngx_push_redis_follow_t *f);


#endif /* _NGX_PUSH_REDIS_BACKPLANE_H_INCLUDED_ */
