
/*
 * Copyright (C) The ngx_push_module authors
 */

/* What happens in which order; where the measured part begins and ends. */


#include "bench.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>


/* seconds in which what is too much would still come */
#define BENCH_QUIET  0.3


static int bench_scenario_live(bench_measures_t *m);
static int bench_scenario_idle(bench_measures_t *m);
static int bench_scenario_replay(bench_measures_t *m);
static int bench_scenario_visits(bench_measures_t *m);
static void bench_scenario_begin(bench_measures_t *m);
static void bench_scenario_end(bench_measures_t *m);
static int bench_scenario_seal(void);
static int bench_wait(int (*done)(void), const char *what);
static int bench_pause(double seconds);
static int bench_hopeless(void);
static int bench_all_connected(void);
static int bench_all_published(void);
static int bench_all_received(void);
static int bench_all_visited(void);
static int bench_all_ended(void);


int
bench_scenario(bench_measures_t *m)
{
    int  status;

    if (bench_options.visits) {
        return bench_scenario_visits(m);
    }

    status = bench_options.replay ? bench_scenario_replay(m)
                                  : bench_scenario_live(m);

    if (status) {
        return status;
    }

    if (bench_options.foreign || bench_options.transport >= BENCH_NOTHING) {
        return bench_pause(BENCH_QUIET);
    }

    return bench_scenario_seal();
}


static int
bench_scenario_live(bench_measures_t *m)
{
    m->connect = bench_now();
    bench_shared->connect = 1;

    if (bench_wait(bench_all_connected, "all to be subscribed")
        || bench_ask())
    {
        return 2;
    }

    m->connect = bench_now() - m->connect;

    /* the server may still be at it where it says nothing */

    if (bench_options.transport >= BENCH_NOTHING && bench_pause(BENCH_QUIET)) {
        return 2;
    }

    bench_server(&m->stand);

    if (bench_options.idle && bench_scenario_idle(m)) {
        return 2;
    }

    bench_scenario_begin(m);
    bench_shared->publish = 1;

    if (bench_wait(bench_all_published, "the answers to all publishes")
        || bench_wait(bench_all_received, "all messages at all subscribers"))
    {
        return 2;
    }

    bench_scenario_end(m);

    bench_shared->resume = 1;

    return 0;
}


static int
bench_scenario_idle(bench_measures_t *m)
{
    if (bench_pause(bench_options.idle)) {
        return 2;
    }

    bench_server(&m->idle);

    return 0;
}


static int
bench_scenario_replay(bench_measures_t *m)
{
    bench_shared->publish = 1;

    if (bench_wait(bench_all_published, "the answers to all publishes")) {
        return 2;
    }

    bench_scenario_begin(m);
    bench_shared->connect = 1;

    if (bench_wait(bench_all_received, "all messages at all subscribers")) {
        return 2;
    }

    bench_scenario_end(m);

    return 0;
}


static int
bench_scenario_visits(bench_measures_t *m)
{
    bench_scenario_begin(m);
    bench_shared->connect = 1;

    if (bench_wait(bench_all_visited, "all visits")) {
        return 2;
    }

    /* the last ones have left, but the server may not know it yet */

    if (bench_pause(BENCH_QUIET)) {
        return 2;
    }

    bench_scenario_end(m);

    return 0;
}


static void
bench_scenario_begin(bench_measures_t *m)
{
    bench_server(&m->before);
    m->start = bench_now();
}


static void
bench_scenario_end(bench_measures_t *m)
{
    bench_server(&m->after);
    m->deliveries = bench_sum(offsetof(bench_counts_t, received));
}


/* the channels end: whatever would still come, comes before that */

static int
bench_scenario_seal(void)
{
    bench_shared->seal = 1;

    return bench_wait(bench_all_ended, "all to be told the end");
}


static int
bench_wait(int (*done)(void), const char *what)
{
    uint64_t  now, patience, progress, since, so_far;

    patience = (uint64_t) bench_options.patience * 1000000000;
    since = bench_now();
    so_far = 0;

    while (!done()) {

        if (bench_died(WNOHANG)) {
            fprintf(stderr, "a process died, waiting for %s\n", what);
            return 2;
        }

        if (bench_hopeless()) {
            return 2;
        }

        now = bench_now();
        progress = bench_sum(offsetof(bench_counts_t, connected))
                   + bench_sum(offsetof(bench_counts_t, received))
                   + bench_sum(offsetof(bench_counts_t, missing))
                   + bench_sum(offsetof(bench_counts_t, ended))
                   + bench_sum(offsetof(bench_counts_t, visits))
                   + bench_shared->published + bench_shared->sealed;

        if (progress != so_far || bench_shared->held) {
            so_far = progress;
            since = now;
        }

        if (now - since > patience) {
            fprintf(stderr, "no progress, waiting for %s\n", what);
            return 2;
        }

        usleep(2000);
    }

    return 0;
}


/* nothing is awaited; but nobody may die meanwhile */

static int
bench_pause(double seconds)
{
    uint64_t  end;

    end = bench_now() + (uint64_t) (seconds * 1e9);

    while (bench_now() < end) {

        if (bench_died(WNOHANG) || bench_hopeless()) {
            return 2;
        }

        usleep(20000);
    }

    return 0;
}


/* after these nothing good can come */

static int
bench_hopeless(void)
{
    uint32_t  i;

    for (i = 0; i < bench_options.processes; i++) {
        if (bench_shared->process[i].faults[BENCH_CUT]
            || bench_shared->process[i].faults[BENCH_REFUSED])
        {
            return 1;
        }
    }

    return bench_shared->faults[BENCH_ANSWER] != 0;
}


static int
bench_all_connected(void)
{
    return bench_sum(offsetof(bench_counts_t, connected))
           == bench_options.subscribers;
}


static int
bench_all_published(void)
{
    return bench_shared->done;
}


static int
bench_all_received(void)
{
    return bench_sum(offsetof(bench_counts_t, received))
           + bench_sum(offsetof(bench_counts_t, missing))
           >= bench_shared->expected;
}


static int
bench_all_visited(void)
{
    return bench_sum(offsetof(bench_counts_t, visits))
           == bench_options.visits;
}


static int
bench_all_ended(void)
{
    return bench_shared->sealed
           && bench_sum(offsetof(bench_counts_t, ended))
              == bench_options.subscribers;
}
