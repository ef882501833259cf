
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

/* messages that may overtake the one that is due */
#define BENCH_AHEAD      64


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
    BENCH_SSE = 0,
    BENCH_WEBSOCKET,
    BENCH_PUSH_JSON,     /* the sub-protocol, by WebSocket */
    BENCH_NDJSON,
    BENCH_POLL,
    BENCH_NOTHING,       /* connect, and ask for nothing */
    BENCH_HELD           /* ask, and wait for no answer */
} bench_transport_e;


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
    uint32_t         publish_port;   /* another server, or 0 */
    const char      *publish;     /* path, up to the name of the channel */
    const char      *subscribe;
    const char      *prefix;      /* of the names of channels */
    const char      *total;       /* path, where all subscribers are counted */
    uint32_t         transport;   /* bench_transport_e */
    uint32_t         tls;         /* the port for subscribers, by TLS */
    uint32_t         http2;       /* or by HTTP/2 in clear */

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
    uint32_t         visits;      /* come, subscribe, leave; so often */
    uint32_t         opening;     /* connections under way at a time */
    uint32_t         idle;        /* seconds between connecting and publishing */
    uint32_t         slow;        /* subscribers that do not read */
    uint32_t         sources;     /* addresses of a process to connect from */
    uint32_t         master;      /* the pid of NGINX */
    uint32_t         seed;
    uint32_t         patience;    /* seconds without any progress */
    bench_plant_e    plant;

    uint32_t         replay;      /* publish first, then subscribe */
    uint32_t         reconnect;   /* the server may end connections */
    uint32_t         gaps;        /* gap notices may come */
    uint32_t         lines;       /* bodies of several lines */
    uint32_t         keys;        /* Idempotency-Key; then retry */
    uint32_t         unordered;   /* several publishers for a channel */
    uint32_t         deflate;     /* offer permessage-deflate */
    uint32_t         foreign;     /* not our server: no ids, counts, seals */
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
    _Atomic uint64_t   ended;        /* those that were told the end */
    _Atomic uint64_t   visits;       /* those that are over */
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
    _Atomic int        resume;       /* the slow ones read */
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
    uint64_t         ahead;       /* those after it that have come, as bits */
    void            *tls;

    uint32_t         kept_len;    /* the part of a line or frame that has come */
    char            *kept;

    uint64_t         rest;        /* of the chunk, frame or body */
    u_char           frame[9];    /* the head of a frame of HTTP/2 */

    uint64_t         time;        /* of the message that is being read */
    uint32_t         number;
    uint32_t         offset;
    uint32_t         size;

    unsigned         state:4;     /* of chunks and frames */
    unsigned         event:3;

    unsigned         known:1;     /* it has stood once */
    unsigned         gap:1;       /* announced, its message is to come */
    unsigned         over:1;      /* there is nothing more to come */
    unsigned         slow:1;      /* it does not read until it is told */

    /* of this connection */

    unsigned         opening:1;   /* the subscription does not stand yet */
    unsigned         shaking:1;   /* the TLS handshake is not over */
    unsigned         body:1;      /* the head is read */
    unsigned         chunked:1;
    unsigned         sized:1;     /* the length of the body is known */
    unsigned         seen:1;      /* the frame was looked at */
    unsigned         deflated:1;
    unsigned         subscribed:1;
    unsigned         handed:1;    /* it is told to come back */
    unsigned         closed:1;    /* it is told the end */
    unsigned         whole:1;     /* the response is complete */
    unsigned         broken:1;    /* it makes no sense */
    unsigned         drop:1;      /* it hangs up now */

    /* of the message that is being read */

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

    uint64_t         opened;      /* connections so far */
    uint64_t         visits;      /* to be made */
    uint64_t         begun;
    uint64_t         start;
    unsigned         slow:1;      /* some do not read now */

    uint32_t        *back;        /* a ring of those to connect again */
    uint32_t         back_first;
    uint32_t         back_n;
    uint64_t        *back_at;
} bench_process_t;


typedef struct {
    const char        *name;
    const char        *headers;   /* of the request */
    int                status;    /* of the answer */
    const char        *type;      /* a word of its head */

    /* takes what it can of a body, and returns where it stopped */

    char            *(*read)(bench_process_t *p, bench_client_t *c, char *buf,
                             char *last);
} bench_transport_t;


/* a part of a text */

typedef struct {
    char             *p;
    size_t            len;
} bench_text_t;


/* what is the next publish of a connection */

typedef struct {
    uint32_t          index;      /* of the connection */
    uint64_t          next;       /* of its messages, and then of its seals */
    uint64_t          message;    /* from 0 */
    uint32_t          channel;
    uint32_t          number;     /* 0: a seal */
    uint64_t          time;
} bench_task_t;


typedef struct {
    uint32_t          workers;
    uint64_t          pids;       /* their sum: are they the same? */
    uint64_t          cpu;        /* ns */
    uint64_t          ticks;      /* the same, less exact */
    uint64_t          user_ticks;
    uint64_t          memory;     /* bytes, PSS */
} bench_server_t;


typedef struct {
    bench_server_t    fresh;      /* before the first subscriber */
    bench_server_t    stand;      /* all stand, nothing was published */
    bench_server_t    idle;       /* after some time of that */
    bench_server_t    before;     /* the part that is measured */
    bench_server_t    after;
    uint64_t          connect;    /* ns until all stand */
    uint64_t          start;
    uint64_t          deliveries;
} bench_measures_t;


extern bench_options_t    bench_options;
extern bench_shared_t    *bench_shared;
extern int                bench_wake;
extern bench_transport_t  bench_transports[];


/* options.c */

void bench_parse(int argc, char **argv);

/* message.c */

void bench_message_init(void);
size_t bench_message_size(uint32_t channel, uint32_t number);
void bench_message_write(char *p, uint32_t channel, uint32_t number,
    uint64_t time);
void bench_message_line(bench_client_t *c, const char *p, size_t len);
void bench_message_body(bench_client_t *c, const char *p, size_t len);
uint32_t bench_channel_subscribers(uint32_t channel);
uint32_t bench_channel_readers(uint32_t channel);

/* delivery.c */

void bench_delivery(bench_process_t *p, bench_client_t *c);
void bench_delivery_gap(bench_process_t *p, bench_client_t *c);
void bench_delivery_id(bench_process_t *p, bench_client_t *c, const char *id,
    size_t len);
void bench_fault(bench_process_t *p, bench_client_t *c, bench_fault_e fault,
    uint64_t n, const char *what);

/* transport.c */

int bench_transport_request(bench_client_t *c);
int bench_transport_accept(bench_process_t *p, bench_client_t *c, int status,
    const char *head);

/* http.c */

void bench_http_reset(bench_client_t *c);
void bench_http_read(bench_process_t *p, bench_client_t *c, char *buf,
    size_t len);

/* http2.c */

int bench_http2_request(bench_client_t *c, const char *path);
char *bench_http2_read(bench_process_t *p, bench_client_t *c, char *buf,
    char *last);

/* sse.c */

char *bench_sse_read(bench_process_t *p, bench_client_t *c, char *buf,
    char *last);

/* websocket.c */

char *bench_websocket_read(bench_process_t *p, bench_client_t *c, char *buf,
    char *last);

/* envelope.c */

void bench_envelope(bench_process_t *p, bench_client_t *c, bench_text_t *t);
char *bench_ndjson_read(bench_process_t *p, bench_client_t *c, char *buf,
    char *last);
char *bench_poll_read(bench_process_t *p, bench_client_t *c, char *buf,
    char *last);

/* json.c */

int bench_json_next(bench_text_t *rest, bench_text_t *name,
    bench_text_t *value);
char *bench_json_value(char *p, char *last);
int bench_json_string(bench_text_t *t);
int bench_json_is(bench_text_t *t, const char *word);

/* connect.c */

int bench_connect(bench_process_t *p, bench_client_t *c);
int bench_connect_shake(bench_client_t *c);
void bench_connect_close(bench_client_t *c);
ssize_t bench_connect_recv(bench_client_t *c, char *buf, size_t size);
int bench_connect_send(bench_client_t *c, const char *buf, size_t len);

/* arrival.c */

void bench_arrival_some(bench_process_t *p);
void bench_arrival_again(bench_process_t *p, bench_client_t *c);
int bench_arrival_visited(bench_process_t *p, bench_client_t *c);

/* subscriber.c */

void bench_subscribe(uint32_t index);
int bench_subscribe_listen(bench_process_t *p, bench_client_t *c, int op,
    uint32_t events);

/* schedule.c */

void bench_schedule_init(int timer);
int bench_schedule_next(bench_task_t *t, uint64_t total);
uint64_t bench_schedule_message(void);

/* publisher.c */

void bench_publish(void);

/* bench.c */

int bench_died(int options);

/* scenario.c */

int bench_scenario(bench_measures_t *m);

/* ask.c */

int bench_ask(void);

/* server.c */

void bench_server(bench_server_t *s);

/* report.c */

uint64_t bench_now(void);
uint64_t bench_sum(size_t offset);
void bench_histogram_add(bench_histogram_t *h, uint64_t ns);
int bench_report(bench_measures_t *m);


#endif /* _BENCH_H_INCLUDED_ */
