
/*
 * Copyright (C) The ngx_push_module authors
 */

/* A process of subscribers: connecting, reading, hanging up, coming back. */


#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>


#define BENCH_BUFFER   (256 * 1024)
#define BENCH_EVENTS   512
#define BENCH_OPENING  128

/* ns until a connection that was ended is made again */
#define BENCH_BACK     5000000


static void bench_subscribe_init(bench_process_t *p, uint32_t index);
static void bench_subscribe_open_some(bench_process_t *p);
static void bench_subscribe_open(bench_process_t *p, bench_client_t *c);
static int bench_subscribe_socket(bench_process_t *p);
static void bench_subscribe_event(bench_process_t *p, bench_client_t *c,
    uint32_t events);
static int bench_subscribe_request(bench_process_t *p, bench_client_t *c);
static void bench_subscribe_read(bench_process_t *p, bench_client_t *c);
static size_t bench_subscribe_room(bench_client_t *c);
static void bench_subscribe_stands(bench_process_t *p, bench_client_t *c);
static void bench_subscribe_close(bench_process_t *p, bench_client_t *c);
static void bench_subscribe_back(bench_process_t *p, bench_client_t *c);
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

    while (!bench_shared->stop) {
        p.now = bench_now();
        bench_subscribe_open_some(&p);

        n = epoll_wait(p.ep, events, BENCH_EVENTS, 5);

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
    p->random = (o->seed + index + 1) * 0x9e3779b97f4a7c15 | 1;
    p->counts = &bench_shared->process[index];
    p->ep = epoll_create1(0);

    p->clients = calloc(p->n + 1, sizeof(bench_client_t));
    p->back = calloc(p->n + 1, sizeof(uint32_t));
    p->back_at = calloc(p->n + 1, sizeof(uint64_t));

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
        c->next = 1;
    }
}


/* new ones, and those whose time to come back has come */

static void
bench_subscribe_open_some(bench_process_t *p)
{
    uint32_t  i;

    while (p->back_n && p->back_at[p->back_first] <= p->now) {
        i = p->back[p->back_first];
        p->back_first = (p->back_first + 1) % (p->n + 1);
        p->back_n--;

        bench_subscribe_open(p, &p->clients[i]);
    }

    while (p->opening < BENCH_OPENING && p->next < p->n) {
        bench_subscribe_open(p, &p->clients[p->next++]);
    }
}


static void
bench_subscribe_open(bench_process_t *p, bench_client_t *c)
{
    struct epoll_event  ee;

    bench_stream_reset(c);

    c->fd = bench_subscribe_socket(p);

    if (c->fd == -1) {
        bench_subscribe_back(p, c);
        return;
    }

    c->opening = 1;
    p->opening++;

    ee.events = EPOLLOUT;
    ee.data.ptr = c;

    if (epoll_ctl(p->ep, EPOLL_CTL_ADD, c->fd, &ee) == -1) {
        perror("epoll_ctl");
        exit(2);
    }
}


static int
bench_subscribe_socket(bench_process_t *p)
{
    int                 fd, on;
    struct sockaddr_in  sin;

    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (fd == -1) {
        perror("socket");
        exit(2);
    }

    on = 1;
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;

    /* ports are per address of the source, and the loopback has many */

    if (ntohl(bench_options.host.s_addr) >> 24 == 127) {
        sin.sin_addr.s_addr = htonl(0x7f010001 + p->index);
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));

        if (bind(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1) {
            perror("bind");
            exit(2);
        }
    }

    sin.sin_addr = bench_options.host;
    sin.sin_port = htons(bench_options.port);

    if (connect(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        && errno != EINPROGRESS)
    {
        close(fd);
        return -1;
    }

    return fd;
}


static void
bench_subscribe_event(bench_process_t *p, bench_client_t *c, uint32_t events)
{
    struct epoll_event  ee;

    if (c->fd == -1) {
        return;
    }

    if (events & EPOLLOUT) {

        if (bench_subscribe_request(p, c) == -1) {
            bench_subscribe_close(p, c);
            return;
        }

        ee.events = EPOLLIN | EPOLLRDHUP;
        ee.data.ptr = c;
        epoll_ctl(p->ep, EPOLL_CTL_MOD, c->fd, &ee);

        return;
    }

    bench_subscribe_read(p, c);
}


static int
bench_subscribe_request(bench_process_t *p, bench_client_t *c)
{
    int               n;
    char              request[1024];
    bench_options_t  *o;

    o = &bench_options;

    n = snprintf(request, sizeof(request),
                 "GET %s%s%u%s HTTP/1.1\r\nHost: bench\r\n"
                 "Accept: text/event-stream\r\n%s%s%s\r\n",
                 o->subscribe, o->prefix, c->channel,
                 o->replay && c->id[0] == '\0' ? "&since=earliest" : "",
                 c->id[0] ? "Last-Event-ID: " : "", c->id,
                 c->id[0] ? "\r\n" : "");

    if (o->churn) {
        c->left = 1 + bench_subscribe_random(p) % o->churn;
    }

    /* a fresh connection takes so little at once, or none at all */

    return send(c->fd, request, n, MSG_NOSIGNAL) == n ? 0 : -1;
}


static void
bench_subscribe_read(bench_process_t *p, bench_client_t *c)
{
    size_t   room;
    ssize_t  n;

    do {
        room = bench_subscribe_room(c);
        n = recv(c->fd, bench_buffer + c->kept_len, room, 0);

        if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }

        if (n <= 0) {
            bench_subscribe_close(p, c);
            return;
        }

        p->now = bench_now();

        bench_stream_read(p, c, bench_buffer, c->kept_len + n);

        if (c->opening && c->subscribed) {
            bench_subscribe_stands(p, c);
        }

        if (c->drop || c->whole || c->broken) {
            bench_subscribe_close(p, c);
            return;
        }

    } while ((size_t) n == room);
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
}


/* the end of a connection: of all, or to come back, or it must not be */

static void
bench_subscribe_close(bench_process_t *p, bench_client_t *c)
{
    uint32_t  rest;

    close(c->fd);
    c->fd = -1;

    if (c->opening) {
        c->opening = 0;
        p->opening--;
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

    if (!c->broken && (c->drop || bench_options.reconnect)) {
        p->counts->reconnects++;
        bench_subscribe_back(p, c);
        return;
    }

    if (!c->broken) {
        bench_fault(p, c, BENCH_CUT, 1, "connection");
    }

    c->over = 1;
}


static void
bench_subscribe_back(bench_process_t *p, bench_client_t *c)
{
    uint32_t  i;

    i = (p->back_first + p->back_n++) % (p->n + 1);

    p->back[i] = c - p->clients;
    p->back_at[i] = p->now + BENCH_BACK;
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
    p->counts->complete += p->complete;
    p->counts->last = bench_now();

    p->received = 0;
    p->missing = 0;
    p->complete = 0;

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
