
/*
 * Copyright (C) The ngx_push_module authors
 */

/*
 * The limit to measure against: a server that does one send() for each
 * subscriber and message, and else as little as a server of several processes
 * can do.  It speaks just enough HTTP for push-bench; it has no history, no
 * limits and no manners.
 */


#ifndef _BARE_H_INCLUDED_
#define _BARE_H_INCLUDED_


#define _GNU_SOURCE

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>


#define BARE_WORKERS   64
#define BARE_CHANNELS  (1 << 18)
#define BARE_NAME      64
#define BARE_QUEUE     (8 << 20)
#define BARE_BUFFER    (1 << 20)


/* shared by all workers; its place in the list is its number */

typedef struct {
    char               name[BARE_NAME];
    _Atomic uint32_t   seq;
    _Atomic uint16_t   subscribers[BARE_WORKERS];
} bare_channel_t;


/* a message on its way to another worker, followed by its bytes */

typedef struct {
    uint32_t           channel;
    uint32_t           event;       /* length of its event, as a chunk */
    uint32_t           frame;       /* length of its frame */
    uint32_t           size;        /* of all, so that the next is aligned */
} bare_message_t;


/* what others have for a worker */

typedef struct {
    _Atomic int        lock;
    _Atomic int        asleep;
    size_t             len;
    char               data[BARE_QUEUE];
} bare_queue_t;


typedef struct {
    _Atomic int        lock;
    uint32_t           n;
    _Atomic uint32_t   table[BARE_CHANNELS];     /* hash to number */
    bare_channel_t     channels[BARE_CHANNELS];  /* from 1 */
    bare_queue_t       queues[BARE_WORKERS];
} bare_shared_t;


/* a connection; its place in the table is its descriptor */

typedef struct {
    uint32_t           channel;
    uint32_t           place;       /* in the list of the channel */
    uint32_t           len;         /* kept of a request, or still to be sent */
    unsigned           open:1;
    unsigned           subscribed:1;
    unsigned           websocket:1;
    char              *kept;
} bare_conn_t;


extern bare_shared_t  *bare_shared;
extern bare_conn_t    *bare_conns;
extern uint32_t        bare_worker;
extern uint32_t        bare_workers;
extern int             bare_wakes[BARE_WORKERS];


/* bare.c */

void bare_close(int fd);
void bare_writable(int fd, int on);

/* channel.c */

uint32_t bare_channel(const char *name, size_t len);
uint32_t bare_channel_subscribers(uint32_t channel);
void bare_channel_join(int fd, uint32_t channel);
void bare_channel_leave(int fd);
void bare_channel_deliver(bare_message_t *m);

/* message.c */

bare_message_t *bare_message(uint32_t channel, const char *body, size_t len);
void bare_message_post(bare_message_t *m);
void bare_message_take(void);
int bare_message_sleep(void);

/* http.c */

void bare_http_read(int fd);
void bare_send(int fd, const char *p, size_t len);
void bare_send_rest(int fd);


#endif /* _BARE_H_INCLUDED_ */
