
/*
 * Copyright (C) The ngx_push_module authors
 */

/* A message with its ready bytes, and its way to the other workers. */


#include "bare.h"

#include <arpa/inet.h>
#include <endian.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


/* what a publish costs that is kept: the copy */
#define BARE_HISTORY  (64 << 20)


static size_t bare_message_event(char *p, uint32_t seq, const char *body,
    size_t len);
static size_t bare_message_frame(char *p, const char *body, size_t len);
static void bare_message_keep(bare_message_t *m);
static void bare_message_queue(bare_message_t *m, uint32_t worker);


static bare_message_t  *bare_built;
static size_t           bare_built_size;
static char            *bare_taken;


/* its event as a chunk, and its frame; good until the next one is made */

bare_message_t *
bare_message(uint32_t channel, const char *body, size_t len)
{
    char            *p;
    size_t           size;
    bare_message_t  *m;

    /* at worst every byte is a line of its own */
    size = sizeof(bare_message_t) + len * 9 + 256;

    if (size > bare_built_size) {
        free(bare_built);
        bare_built = malloc(size);
        bare_built_size = size;

        if (bare_built == NULL) {
            abort();
        }
    }

    m = bare_built;
    p = (char *) (m + 1);

    m->channel = channel;
    m->event = bare_message_event(p, ++bare_shared->channels[channel].seq,
                                  body, len);
    m->frame = bare_message_frame(p + m->event, body, len);
    m->size = (sizeof(bare_message_t) + m->event + m->frame + 15) & ~15u;

    return m;
}


static size_t
bare_message_event(char *p, uint32_t seq, const char *body, size_t len)
{
    int          n;
    char         head[16];
    char        *dst;
    size_t       line;
    const char  *last, *end;

    /* the size of the chunk is known at the end; it has eight digits */
    dst = p + 10;
    dst += sprintf(dst, "id: 0123456789abcdef-%08x\n", seq);
    last = body + len;

    for ( ;; ) {
        end = memchr(body, '\n', last - body);
        line = (end ? end : last) - body;

        memcpy(dst, "data: ", 6);
        memcpy(dst + 6, body, line);
        dst[6 + line] = '\n';
        dst += 7 + line;

        if (end == NULL) {
            break;
        }

        body = end + 1;
    }

    *dst++ = '\n';

    n = snprintf(head, sizeof(head), "%08x\r\n", (unsigned) (dst - p - 10));
    memcpy(p, head, n);
    memcpy(dst, "\r\n", 2);

    return dst + 2 - p;
}


static size_t
bare_message_frame(char *p, const char *body, size_t len)
{
    size_t     n;
    uint16_t   len16;
    uint64_t   len64;

    p[0] = (char) 0x81;

    if (len < 126) {
        p[1] = len;
        n = 2;

    } else if (len < 65536) {
        p[1] = 126;
        len16 = htons(len);
        memcpy(p + 2, &len16, sizeof(len16));
        n = 4;

    } else {
        p[1] = 127;
        len64 = htobe64(len);
        memcpy(p + 2, &len64, sizeof(len64));
        n = 10;
    }

    memcpy(p + n, body, len);

    return n + len;
}


/* to all workers that have subscribers; the own ones get it at once */

void
bare_message_post(bare_message_t *m)
{
    uint32_t         i;
    bare_channel_t  *ch;

    ch = &bare_shared->channels[m->channel];
    bare_message_keep(m);

    for (i = 0; i < bare_workers; i++) {
        if (i != bare_worker && ch->subscribers[i]) {
            bare_message_queue(m, i);
        }
    }

    if (ch->subscribers[bare_worker]) {
        bare_channel_deliver(m);
    }
}


static void
bare_message_keep(bare_message_t *m)
{
    static char    *history;
    static size_t   at;

    if (history == NULL) {
        history = malloc(BARE_HISTORY);

        if (history == NULL) {
            abort();
        }
    }

    if (at + m->size > BARE_HISTORY) {
        at = 0;
    }

    memcpy(history + at, m, m->event + sizeof(bare_message_t));
    at += m->size;
}


static void
bare_message_queue(bare_message_t *m, uint32_t worker)
{
    uint64_t       one;
    bare_queue_t  *q;

    q = &bare_shared->queues[worker];

    for ( ;; ) {

        while (atomic_exchange(&q->lock, 1)) {
            sched_yield();
        }

        if (q->len + m->size <= BARE_QUEUE) {
            break;
        }

        /* that worker may wait for room at ours */

        q->lock = 0;
        bare_message_take();
        sched_yield();
    }

    memcpy(q->data + q->len, m, sizeof(bare_message_t) + m->event + m->frame);
    q->len += m->size;
    q->lock = 0;

    if (atomic_exchange(&q->asleep, 0)) {
        one = 1;
        (void) !write(bare_wakes[worker], &one, sizeof(one));
    }
}


/* delivers what the others have left */

void
bare_message_take(void)
{
    size_t           at, len;
    bare_queue_t    *q;
    bare_message_t  *m;

    q = &bare_shared->queues[bare_worker];

    if (q->len == 0) {
        return;
    }

    if (bare_taken == NULL) {
        bare_taken = malloc(BARE_QUEUE);

        if (bare_taken == NULL) {
            abort();
        }
    }

    while (atomic_exchange(&q->lock, 1)) {
        sched_yield();
    }

    len = q->len;
    memcpy(bare_taken, q->data, len);
    q->len = 0;
    q->lock = 0;

    for (at = 0; at < len; at += m->size) {
        m = (bare_message_t *) (bare_taken + at);
        bare_channel_deliver(m);
    }
}


/* whether there is nothing to do; who comes from now on rings */

int
bare_message_sleep(void)
{
    bare_queue_t  *q;

    q = &bare_shared->queues[bare_worker];
    atomic_store(&q->asleep, 1);

    if (*(volatile size_t *) &q->len) {
        atomic_store(&q->asleep, 0);
        return 0;
    }

    return 1;
}
