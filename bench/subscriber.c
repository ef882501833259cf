
/*
 * Copyright (C) The ngx_push_module authors
 */

/* A process of subscribers: connecting, reading, hanging up, coming back. */


#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>


#define BENCH_BUFFER   (256 * 1024)
#define BENCH_EVENTS   512


static void bench_subscribe_init(bench_process_t *p, uint32_t index);
static void bench_subscribe_resume(bench_process_t *p);
static void bench_subscribe_event(bench_process_t *p, bench_client_t *c,
    uint32_t events);
static void bench_subscribe_request(bench_process_t *p, bench_client_t *c);
static void bench_subscribe_read(bench_process_t *p, bench_client_t *c);
static size_t bench_subscribe_room(bench_client_t *c);
static void bench_subscribe_stands(bench_process_t *p, bench_client_t *c);
static void bench_subscribe_close(bench_process_t *p, bench_client_t *c);
static void bench_subscribe_count(bench_process_t *p);
static void bench_subscribe_finish(bench_process_t *p);
static uint64_t bench_subscribe_random(bench_process_t *p);


static char   *bench_buffer;
static size_t  bench_buffer_size;


void
bench_subscribe(uint32_t index)
{
    int                 i, n;
    bench_process_t     p;
    struct epoll_event  events[BENCH_EVENTS];

    bench_subscribe_init(&p, index);

    while (!bench_shared->connect && !bench_shared->stop) {
        usleep(1000);
    }

    p.start = bench_now();

    while (!bench_shared->stop) {
        p.now = bench_now();
        bench_arrival_some(&p);

        if (bench_shared->resume) {
            bench_subscribe_resume(&p);
        }

        /* more often only while connections are to be made */
        n = epoll_wait(p.ep, events, BENCH_EVENTS,
                       p.back_n || p.next < p.n ? 5 : 20);

        p.now = bench_now();

        for (i = 0; i < n; i++) {
            bench_subscribe_event(&p, events[i].data.ptr, events[i].events);
        }

        bench_subscribe_count(&p);
    }

    bench_subscribe_finish(&p);
}


static void
bench_subscribe_init(bench_process_t *p, uint32_t index)
{
    uint32_t          i;
    bench_client_t   *c;
    bench_options_t  *o;

    o = &bench_options;

    memset(p, 0, sizeof(bench_process_t));

    p->index = index;
    p->n = o->subscribers / o->processes
           + (index < o->subscribers % o->processes);
    p->slow = o->slow != 0;
    p->visits = o->visits / o->processes
                + (index < o->visits % o->processes);
    p->random = (o->seed + index + 1) * 0x9e3779b97f4a7c15 | 1;
    p->counts = &bench_shared->process[index];
    p->ep = epoll_create1(0);

    p->clients = calloc(p->n + 1, sizeof(bench_client_t));
    p->back = calloc(p->n + 1, sizeof(uint32_t));
    p->back_at = calloc(p->n + 1, sizeof(uint64_t));
    p->begun = p->n;

    bench_buffer_size = BENCH_BUFFER;
    bench_buffer = malloc(bench_buffer_size);

    if (p->ep == -1 || p->clients == NULL || p->back == NULL
        || p->back_at == NULL || bench_buffer == NULL)
    {
        perror("subscribers");
        exit(2);
    }

    for (i = 0; i < p->n; i++) {
        c = &p->clients[i];

        c->fd = -1;
        c->channel = (i * o->processes + index) % o->channels;
        c->slow = i * o->processes + index < o->slow;
        c->next = 1;
    }
}


int
bench_subscribe_listen(bench_process_t *p, bench_client_t *c, int op,
    uint32_t events)
{
    struct epoll_event  ee;

    ee.events = events;
    ee.data.ptr = c;

    return epoll_ctl(p->ep, op, c->fd, &ee);
}


static void
bench_subscribe_event(bench_process_t *p, bench_client_t *c, uint32_t events)
{
    int  rc;

    if (c->fd == -1) {
        return;
    }

    if ((events & EPOLLOUT) == 0 && !c->shaking) {
        bench_subscribe_read(p, c);
        return;
    }

    if (events & EPOLLOUT) {
        bench_subscribe_listen(p, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP);
    }

    if (c->shaking) {
        rc = bench_connect_shake(c);

        if (rc == -1) {
            bench_subscribe_close(p, c);
        }

        if (rc != 1) {
            return;
        }
    }

    bench_subscribe_request(p, c);
}


static void
bench_subscribe_request(bench_process_t *p, bench_client_t *c)
{
    uint32_t  churn;

    churn = bench_options.churn;

    if (churn && c->left == 0) {
        c->left = 1 + bench_subscribe_random(p) % churn;
    }

    if (bench_options.transport != BENCH_NOTHING
        && bench_transport_request(c) == -1)
    {
        bench_subscribe_close(p, c);
        return;
    }

    if (bench_options.transport >= BENCH_NOTHING) {
        bench_subscribe_stands(p, c);

        if (c->drop) {
            bench_subscribe_close(p, c);
        }
    }
}


static void
bench_subscribe_read(bench_process_t *p, bench_client_t *c)
{
    size_t   room;
    ssize_t  n;

    do {
        room = bench_subscribe_room(c);
        n = bench_connect_recv(c, bench_buffer + c->kept_len, room);

        if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }

        if (n <= 0) {
            bench_subscribe_close(p, c);
            return;
        }

        if (bench_options.transport >= BENCH_NOTHING) {
            /* whatever it is, it was not asked for */
            return;
        }

        p->now = bench_now();

        bench_http_read(p, c, bench_buffer, c->kept_len + n);

        if (c->opening && c->subscribed) {
            bench_subscribe_stands(p, c);
        }

        if (c->whole && bench_options.transport == BENCH_POLL && !c->closed
            && !c->drop && !c->broken)
        {
            bench_http_reset(c);
            bench_subscribe_request(p, c);
            return;
        }

        if (c->drop || c->whole || c->broken) {
            bench_subscribe_close(p, c);
            return;
        }

        /* decrypted bytes wake nobody */

    } while ((size_t) n == room || c->tls);
}


/* puts what was kept into the buffer; returns the room behind it */

static size_t
bench_subscribe_room(bench_client_t *c)
{
    char  *grown;

    if (bench_buffer_size - c->kept_len < BENCH_BUFFER / 2) {
        grown = realloc(bench_buffer, bench_buffer_size * 2);

        if (grown == NULL) {
            abort();
        }

        bench_buffer = grown;
        bench_buffer_size *= 2;
    }

    if (c->kept_len) {
        memcpy(bench_buffer, c->kept, c->kept_len);
    }

    return bench_buffer_size - c->kept_len;
}


static void
bench_subscribe_stands(bench_process_t *p, bench_client_t *c)
{
    c->opening = 0;
    p->opening--;

    if (!c->known) {
        c->known = 1;
        p->counts->connected++;
    }

    if (bench_options.visits) {
        c->drop = 1;

    } else if (c->slow && p->slow) {
        bench_subscribe_listen(p, c, EPOLL_CTL_MOD, 0);
    }
}


/* the slow ones take what there is, as the others do */

static void
bench_subscribe_resume(bench_process_t *p)
{
    uint32_t         i;
    bench_client_t  *c;

    for (i = 0; p->slow && i < p->n; i++) {
        c = &p->clients[i];

        if (c->slow && c->fd != -1) {
            bench_subscribe_listen(p, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP);
        }
    }

    p->slow = 0;
}


/* the end of a connection: of all, or to come back, or it must not be */

static void
bench_subscribe_close(bench_process_t *p, bench_client_t *c)
{
    uint32_t  rest;

    bench_connect_close(c);

    if (c->opening) {
        c->opening = 0;
        p->opening--;
    }

    if (bench_options.visits && bench_arrival_visited(p, c)) {
        return;
    }

    if (c->closed) {
        rest = bench_options.messages - (c->next - 1);

        if (rest && c->gap) {
            p->missing += rest;

        } else if (rest) {
            bench_fault(p, c, BENCH_LOST, rest, "the end");
        }

        if (!c->whole) {
            bench_fault(p, c, BENCH_CUT, 1, "closed, but in mid-response");
        }

        c->over = 1;
        p->counts->ended++;

        return;
    }

    if (c->handed && !c->whole) {
        bench_fault(p, c, BENCH_CUT, 1, "handed over, but in mid-response");
    }

    if (!c->broken
        && (c->drop || bench_options.reconnect || (c->slow && c->handed)))
    {
        p->counts->reconnects++;
        bench_arrival_again(p, c);
        return;
    }

    if (!c->broken) {
        bench_fault(p, c, BENCH_CUT, 1, "connection");
    }

    c->over = 1;
}


/* tells the others, once for all that came together */

static void
bench_subscribe_count(bench_process_t *p)
{
    uint64_t  one;

    if (p->received == 0 && p->missing == 0) {
        return;
    }

    p->counts->received += p->received;
    p->counts->missing += p->missing;
    p->counts->last = bench_now();

    p->received = 0;
    p->missing = 0;

    if (bench_shared->waiting) {
        one = 1;
        (void) !write(bench_wake, &one, sizeof(one));
    }
}


static void
bench_subscribe_finish(bench_process_t *p)
{
    uint32_t         i, rest;
    bench_client_t  *c;

    for (i = 0; i < p->n; i++) {
        c = &p->clients[i];
        rest = bench_options.messages - (c->next - 1);

        if (c->over || (rest == 0 && !bench_shared->seal)) {
            continue;
        }

        if (rest) {
            bench_fault(p, c, BENCH_LOST, rest, "nothing came any more");

        } else {
            bench_fault(p, c, BENCH_CUT, 1, "was not told the end");
        }
    }
}


/* xorshift */

static uint64_t
bench_subscribe_random(bench_process_t *p)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;

    return p->random;
}
