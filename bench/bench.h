
/*
 * Copyright (C) The ngx_push_module authors
 */

/*
 * A load client that believes nothing.  Processes of subscribers, one process
 * of publishers, and a main process that says when; what they know of each
 * other stands in shared memory.  Every message carries its channel, number,
 * time and a pattern, and every subscriber checks every message: once, in
 * order, whole.
 */


#ifndef _BENCH_H_INCLUDED_
#define _BENCH_H_INCLUDED_


#define _GNU_SOURCE

#include <inttypes.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>


/* connections of one process: descriptors are limited */
#define BENCH_CLIENTS    19000

#define BENCH_PROCESSES  64

#define BENCH_ID         64


typedef enum {
    BENCH_LOST = 0,      /* a number left out, without a word */
    BENCH_REPEATED,      /* a number that was there before */
    BENCH_CORRUPT,       /* not the bytes that were published */
    BENCH_GAP,           /* a gap notice that was not told to expect */
    BENCH_CUT,           /* an end of the stream that was none */
    BENCH_REFUSED,       /* a status that was not due */
    BENCH_ANSWER,        /* a publish answered wrongly */
    BENCH_FAULTS
} bench_fault_e;


typedef enum {
    BENCH_PLANT_NONE = 0,
    BENCH_PLANT_LOST,    /* a number in the middle is never published */
    BENCH_PLANT_LAST,    /* nor is the last one */
    BENCH_PLANT_TWICE,   /* one is published twice */
    BENCH_PLANT_CORRUPT  /* one byte is another */
} bench_plant_e;


typedef struct {
    struct in_addr   host;
    uint32_t         port;
    const char      *publish;     /* path, up to the name of the channel */
    const char      *subscribe;
    const char      *prefix;      /* of the names of channels */

    uint32_t         subscribers;
    uint32_t         channels;
    uint32_t         messages;    /* of each channel */
    uint32_t         publishers;
    uint32_t         processes;
    size_t           min_size;
    size_t           max_size;

    uint32_t         window;      /* messages in flight, or */
    uint32_t         rate;        /* messages a second */
    uint32_t         hold;        /* after so many of a channel wait for USR1 */

    uint32_t         churn;       /* messages per connection, at most */
    uint32_t         master;      /* the pid of NGINX */
    uint32_t         seed;
    uint32_t         patience;    /* seconds without any progress */
    bench_plant_e    plant;

    uint32_t         replay;      /* publish first, then subscribe */
    uint32_t         reconnect;   /* the server may end connections */
    uint32_t         gaps;        /* gap notices may come */
    uint32_t         lines;       /* bodies of several lines */
    uint32_t         keys;        /* Idempotency-Key; then retry */
} bench_options_t;


/* 32 buckets for each power of two of nanoseconds */

#define BENCH_BUCKETS  (60 * 32)

typedef struct {
    uint64_t         n;
    uint64_t         max;
    uint64_t         count[BENCH_BUCKETS];
} bench_histogram_t;


/* what one process of subscribers tells; only it writes */

typedef struct {
    _Atomic uint64_t   connected;    /* subscribers that once stood */
    _Atomic uint64_t   received;     /* messages, good or bad */
    _Atomic uint64_t   missing;      /* left out by a gap notice */
    _Atomic uint64_t   complete;     /* subscribers that have the last one */
    _Atomic uint64_t   ended;        /* those that were told the end */
    _Atomic uint64_t   last;         /* when the last message came */
    uint64_t           gaps;
    uint64_t           reconnects;
    uint64_t           bytes;
    uint64_t           faults[BENCH_FAULTS];
    bench_histogram_t  latency;
} bench_counts_t;


typedef struct {
    _Atomic int        connect;      /* orders of the main process */
    _Atomic int        publish;
    _Atomic int        seal;
    _Atomic int        stop;
    _Atomic int        go;           /* the signal has come */

    _Atomic int        waiting;      /* the publisher wants to be woken */
    _Atomic uint64_t   published;
    _Atomic uint64_t   expected;     /* what these are in deliveries */
    _Atomic int        held;         /* the publisher waits for the signal */
    _Atomic int        done;         /* the publisher has published all */
    _Atomic int        sealed;
    _Atomic uint64_t   first;        /* when it began */
    _Atomic uint64_t   last;
    uint64_t           retries;
    bench_histogram_t  answers;
    uint64_t           faults[BENCH_FAULTS];

    bench_counts_t     process[BENCH_PROCESSES];
} bench_shared_t;


/* the connection of a subscriber; it may be its tenth one */

typedef struct {
    int              fd;
    uint32_t         channel;
    uint32_t         next;        /* the number that is due */
    uint32_t         left;        /* messages until it hangs up */

    uint32_t         kept_len;    /* the part of a line that has come */
    char            *kept;

    uint64_t         chunk;       /* what is left of it */

    uint64_t         time;        /* of the message that is being read */
    uint32_t         number;
    uint32_t         offset;
    uint32_t         size;

    unsigned         chunk_state:3;
    unsigned         event:3;

    unsigned         known:1;     /* it has stood once */
    unsigned         gap:1;       /* announced, its message is to come */
    unsigned         over:1;      /* there is nothing more to come */

    /* of this connection */

    unsigned         opening:1;   /* the subscription does not stand yet */
    unsigned         body:1;      /* the head is read */
    unsigned         chunked:1;
    unsigned         subscribed:1;
    unsigned         handed:1;    /* push.reconnect has come */
    unsigned         closed:1;    /* push.closed has come */
    unsigned         whole:1;     /* the response is complete */
    unsigned         broken:1;    /* it makes no sense */
    unsigned         drop:1;      /* it hangs up now */

    /* of the event that is being read */

    unsigned         fresh_id:1;
    unsigned         corrupt:1;

    char             id[BENCH_ID];
} bench_client_t;


/* one process of subscribers */

typedef struct {
    uint32_t         index;
    uint32_t         n;
    uint32_t         opening;     /* connections that do not stand yet */
    uint32_t         next;        /* the first that was never opened */
    uint32_t         told;        /* faults that were described */
    int              ep;
    uint64_t         now;
    uint64_t         random;
    bench_client_t  *clients;
    bench_counts_t  *counts;

    uint64_t         received;    /* not yet in counts */
    uint64_t         missing;
    uint64_t         complete;

    uint32_t        *back;        /* a ring of those to connect again */
    uint32_t         back_first;
    uint32_t         back_n;
    uint64_t        *back_at;
} bench_process_t;


extern bench_options_t   bench_options;
extern bench_shared_t   *bench_shared;
extern int               bench_wake;


/* options.c */

void bench_parse(int argc, char **argv);

/* message.c */

void bench_message_init(void);
size_t bench_message_size(uint32_t channel, uint32_t number);
void bench_message_write(char *p, uint32_t channel, uint32_t number,
    uint64_t time);
void bench_message_line(bench_client_t *c, const char *p, size_t len);
uint32_t bench_channel_subscribers(uint32_t channel);

/* stream.c */

void bench_stream_reset(bench_client_t *c);
void bench_stream_read(bench_process_t *p, bench_client_t *c, char *buf,
    size_t len);
void bench_fault(bench_process_t *p, bench_client_t *c, bench_fault_e fault,
    uint64_t n, const char *what);

/* subscriber.c */

void bench_subscribe(uint32_t index);

/* publisher.c */

void bench_publish(void);

/* server.c */

typedef struct {
    uint32_t         workers;
    uint64_t         pids;        /* their sum: are they the same? */
    uint64_t         cpu;         /* ns */
    uint64_t         ticks;       /* the same, less exact */
    uint64_t         user_ticks;
    uint64_t         memory;      /* bytes, PSS */
} bench_server_t;

void bench_server(bench_server_t *s);

/* report.c */

typedef struct {
    bench_server_t   fresh;       /* before the first subscriber */
    bench_server_t   idle;        /* all stand, nothing was published */
    bench_server_t   before;      /* the part that is measured */
    bench_server_t   after;
    uint64_t         start;
} bench_measures_t;

uint64_t bench_now(void);
uint64_t bench_sum(size_t offset);
void bench_histogram_add(bench_histogram_t *h, uint64_t ns);
int bench_report(bench_measures_t *m);


#endif /* _BENCH_H_INCLUDED_ */
