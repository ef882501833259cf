
/*
 * Copyright (C) The ngx_push_module authors
 */

/*
 * The process of publishers: connections that are kept, one publish at a time
 * on each.
 */


#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>


#define BENCH_ANSWER_SIZE  4096


typedef struct {
    int            fd;
    uint64_t       asked;    /* when */
    unsigned       busy:1;
    unsigned       twice:1;
    size_t         out_len;
    size_t         out_sent;
    char          *out;
    size_t         in_len;
    char           in[BENCH_ANSWER_SIZE];
    bench_task_t   task;     /* what is under way */
} bench_publisher_t;


static void bench_publish_init(void);
static void bench_publish_connect(bench_publisher_t *p);
static void bench_publish_run(uint64_t total);
static int bench_publish_next(bench_publisher_t *p, uint64_t total);
static int bench_publish_near(void);
static void bench_publish_request(bench_publisher_t *p);
static void bench_publish_write(bench_publisher_t *p);
static void bench_publish_read(bench_publisher_t *p);
static void bench_publish_answer(bench_publisher_t *p, size_t head);
static void bench_publish_told(bench_publisher_t *p, const char *body);
static void bench_publish_lost(bench_publisher_t *p);


static int                 bench_publish_ep;
static int                 bench_publish_timer;
static bench_publisher_t  *bench_publishers;


void
bench_publish(void)
{
    bench_publish_init();

    while (!bench_shared->publish && !bench_shared->stop) {
        usleep(1000);
    }

    bench_schedule_init(bench_publish_timer);
    bench_shared->first = bench_now();
    bench_publish_run(bench_options.messages);
    bench_shared->last = bench_now();
    bench_shared->done = 1;

    while (!bench_shared->seal && !bench_shared->stop) {
        usleep(1000);
    }

    if (bench_shared->seal) {
        bench_publish_run((uint64_t) bench_options.messages + 1);
        bench_shared->sealed = 1;
    }

    while (!bench_shared->stop) {
        usleep(1000);
    }
}


static void
bench_publish_init(void)
{
    uint32_t             i;
    bench_options_t     *o;
    bench_publisher_t   *p;
    struct epoll_event   ee;

    o = &bench_options;
    bench_publish_ep = epoll_create1(0);
    bench_publish_timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    bench_publishers = calloc(o->publishers, sizeof(bench_publisher_t));

    if (bench_publish_ep == -1 || bench_publish_timer == -1
        || bench_publishers == NULL)
    {
        perror("publishers");
        exit(2);
    }

    ee.events = EPOLLIN;
    ee.data.ptr = NULL;
    epoll_ctl(bench_publish_ep, EPOLL_CTL_ADD, bench_wake, &ee);
    epoll_ctl(bench_publish_ep, EPOLL_CTL_ADD, bench_publish_timer, &ee);

    for (i = 0; i < o->publishers; i++) {
        p = &bench_publishers[i];

        p->task.index = i;
        p->out = malloc(o->max_size + 512);

        if (p->out == NULL) {
            abort();
        }

        bench_publish_connect(p);
    }
}


static void
bench_publish_connect(bench_publisher_t *p)
{
    int                 on;
    struct sockaddr_in  sin;
    struct epoll_event  ee;

    on = 1;
    p->fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr = bench_options.host;
    sin.sin_port = htons(bench_options.publish_port
                         ? bench_options.publish_port : bench_options.port);

    if (p->fd == -1
        || connect(p->fd, (struct sockaddr *) &sin, sizeof(sin)) == -1)
    {
        perror("publisher: connect");
        exit(2);
    }

    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(p->fd, F_SETFL, O_NONBLOCK);

    ee.events = EPOLLIN | EPOLLOUT | EPOLLET;
    ee.data.ptr = p;
    epoll_ctl(bench_publish_ep, EPOLL_CTL_ADD, p->fd, &ee);
}


/* until so many messages of each channel are published */

static void
bench_publish_run(uint64_t total)
{
    int                  i, n, open;
    uint32_t             k;
    uint64_t             ticks;
    bench_publisher_t   *p;
    struct epoll_event   events[256];

    for ( ;; ) {
        open = 0;

        for (k = 0; k < bench_options.publishers; k++) {
            open |= bench_publish_next(&bench_publishers[k], total);
        }

        if (!open || bench_shared->stop) {
            return;
        }

        n = epoll_wait(bench_publish_ep, events, 256, 100);

        for (i = 0; i < n; i++) {
            p = events[i].data.ptr;

            if (p == NULL) {
                (void) !read(bench_wake, &ticks, sizeof(ticks));
                (void) !read(bench_publish_timer, &ticks, sizeof(ticks));
                continue;
            }

            if (events[i].events & EPOLLOUT) {
                bench_publish_write(p);
            }

            if (events[i].events & ~EPOLLOUT) {
                bench_publish_read(p);
            }
        }
    }
}


/* the next message of this connection if it may go; 0 when all are done */

static int
bench_publish_next(bench_publisher_t *p, uint64_t total)
{
    int  rc;

    while (!p->busy) {

        if (bench_options.unordered && !bench_publish_near()) {
            return 1;
        }

        rc = bench_schedule_next(&p->task, total);

        if (rc != 1) {
            return rc == 0;
        }

        p->twice = bench_options.plant == BENCH_PLANT_TWICE
                   && p->task.number == bench_options.messages / 2 + 1;

        bench_publish_request(p);
    }

    return 1;
}


/* whether no other one is so far behind that subscribers lose sight of it */

static int
bench_publish_near(void)
{
    uint32_t            i;
    uint64_t            message;
    bench_publisher_t  *other;

    message = bench_schedule_message();

    for (i = 0; i < bench_options.publishers; i++) {
        other = &bench_publishers[i];

        if (other->busy && message > other->task.message + BENCH_AHEAD / 2) {
            return 0;
        }
    }

    return 1;
}


static void
bench_publish_request(bench_publisher_t *p)
{
    int               n;
    char              key[64];
    size_t            size;
    bench_task_t     *t;
    bench_options_t  *o;

    o = &bench_options;
    t = &p->task;
    key[0] = '\0';

    if (o->keys) {
        snprintf(key, sizeof(key), "Idempotency-Key: %u%s\r\n", t->number,
                 p->twice ? "-a" : "");
    }

    size = t->number ? bench_message_size(t->channel, t->number) : 0;

    n = snprintf(p->out, 512, "POST %s%s%u HTTP/1.1\r\nHost: bench\r\n"
                 "Content-Type: text/plain\r\n%s%sContent-Length: %zu\r\n\r\n",
                 o->publish, o->prefix, t->channel, key,
                 t->number ? "" : "Push-End: true\r\n", size);

    if (t->number) {
        bench_message_write(p->out + n, t->channel, t->number, t->time);
        bench_shared->expected += bench_channel_readers(t->channel);

        if (o->plant == BENCH_PLANT_CORRUPT
            && t->number == o->messages / 2 + 1)
        {
            p->out[n + size - 1] ^= 1;
        }
    }

    p->out_len = n + size;
    p->out_sent = 0;
    p->in_len = 0;
    p->busy = 1;
    p->asked = bench_now();

    bench_publish_write(p);
}


static void
bench_publish_write(bench_publisher_t *p)
{
    ssize_t  n;

    while (p->out_sent < p->out_len) {
        n = send(p->fd, p->out + p->out_sent, p->out_len - p->out_sent,
                 MSG_NOSIGNAL);

        if (n == -1) {
            /* the end of the connection is seen by who reads */
            return;
        }

        p->out_sent += n;
    }
}


static void
bench_publish_read(bench_publisher_t *p)
{
    char     *end, *length;
    ssize_t   n;

    for ( ;; ) {
        n = recv(p->fd, p->in + p->in_len, sizeof(p->in) - 1 - p->in_len, 0);

        if (n == -1 && errno == EAGAIN) {
            return;
        }

        if (n <= 0) {
            bench_publish_lost(p);
            return;
        }

        p->in_len += n;
        p->in[p->in_len] = '\0';

        end = strstr(p->in, "\r\n\r\n");
        length = strcasestr(p->in, "\r\nContent-Length:");

        if (end && length
            && p->in_len >= end + 4 - p->in + strtoul(length + 17, NULL, 10))
        {
            bench_publish_answer(p, end + 4 - p->in);
        }
    }
}


static void
bench_publish_answer(bench_publisher_t *p, size_t head)
{
    if (!p->busy || strncmp(p->in, "HTTP/1.1 20", 11) != 0) {
        bench_fault(NULL, NULL, BENCH_ANSWER, 1, p->in);
    }

    p->in_len = 0;
    p->busy = 0;

    if (strcasestr(p->in, "\r\nConnection: close\r\n")) {
        bench_publish_lost(p);
    }

    if (p->task.number == 0) {
        return;
    }

    bench_shared->published++;
    bench_histogram_add(&bench_shared->answers, bench_now() - p->asked);

    bench_publish_told(p, p->in + head);

    if (p->twice) {
        p->twice = 0;
        p->task.time = bench_now();
        bench_publish_request(p);
    }
}


/* the number of subscribers, where it is certain */

static void
bench_publish_told(bench_publisher_t *p, const char *body)
{
    uint32_t          due, told;
    const char       *s;
    bench_options_t  *o;

    o = &bench_options;

    if (o->churn || o->reconnect || o->foreign || o->slow || o->publish_port
        || o->transport == BENCH_POLL)
    {
        return;
    }

    due = o->replay ? 0 : bench_channel_subscribers(p->task.channel);
    s = strstr(body, "\"subscribers\":");
    told = s ? strtoul(s + 14, NULL, 10) : UINT32_MAX;

    if (told != due) {
        bench_fault(NULL, NULL, BENCH_ANSWER, 1, body);
    }
}


/* the connection is gone; what was under way is sent again if that is safe */

static void
bench_publish_lost(bench_publisher_t *p)
{
    close(p->fd);
    bench_publish_connect(p);

    p->in_len = 0;

    if (!p->busy) {
        return;
    }

    if (!bench_options.keys) {
        bench_fault(NULL, NULL, BENCH_ANSWER, 1, "none");
        p->busy = 0;
        return;
    }

    bench_shared->retries++;
    p->out_sent = 0;
    bench_publish_write(p);
}
