
/*
 * Copyright (C) The ngx_push_module authors
 */

/* Who connects when: all in the beginning, some again, and visitors. */


#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>


/* ns until a connection that was ended is made again */
#define BENCH_BACK  5000000


static void bench_arrival(bench_process_t *p, bench_client_t *c);
static void bench_arrival_at(bench_process_t *p, bench_client_t *c,
    uint64_t when);


/* new ones, and those whose time to come back has come */

void
bench_arrival_some(bench_process_t *p)
{
    uint32_t  i;

    while (p->back_n && p->back_at[p->back_first] <= p->now) {
        i = p->back[p->back_first];
        p->back_first = (p->back_first + 1) % (p->n + 1);
        p->back_n--;

        bench_arrival(p, &p->clients[i]);
    }

    while (p->opening < bench_options.opening && p->next < p->n) {
        bench_arrival(p, &p->clients[p->next++]);
    }
}


static void
bench_arrival(bench_process_t *p, bench_client_t *c)
{
    bench_http_reset(c);

    if (bench_connect(p, c) == -1) {
        bench_arrival_again(p, c);
        return;
    }

    c->opening = 1;
    p->opening++;

    if (bench_subscribe_listen(p, c, EPOLL_CTL_ADD, EPOLLOUT) == -1) {
        perror("epoll_ctl");
        exit(2);
    }
}


/* whether the end was that of a visit: then there is another one */

int
bench_arrival_visited(bench_process_t *p, bench_client_t *c)
{
    uint64_t  when;

    if (!c->drop || c->broken) {
        return 0;
    }

    c->over = 1;
    p->counts->visits++;

    if (p->begun >= p->visits) {
        return 1;
    }

    when = p->now;

    if (bench_options.rate) {
        when = p->start + p->begun * bench_options.processes * 1000000000
                          / bench_options.rate;
    }

    p->begun++;
    bench_arrival_at(p, c, when);

    return 1;
}


/* a connection that was ended is made again */

void
bench_arrival_again(bench_process_t *p, bench_client_t *c)
{
    bench_arrival_at(p, c, p->now + BENCH_BACK);
}


/* times do not go back: the first in the ring is the first that is due */

static void
bench_arrival_at(bench_process_t *p, bench_client_t *c, uint64_t when)
{
    uint32_t  i;

    i = (p->back_first + p->back_n++) % (p->n + 1);

    p->back[i] = c - p->clients;
    p->back_at[i] = when;
}
