
/*
 * Copyright (C) The ngx_push_module authors
 */

/* Which message is the next, and when it may go. */


#include "bench.h"

#include <string.h>
#include <sys/timerfd.h>


static int bench_schedule_place(bench_task_t *t, uint64_t total);
static int bench_schedule_hold(uint64_t message);
static int bench_schedule_planted(bench_task_t *t);
static int bench_schedule_due(bench_task_t *t, uint64_t n);
static void bench_schedule_wait(uint64_t time);


static int       bench_schedule_timer;
static uint64_t  bench_schedule_start;
static uint64_t  bench_schedule_held;   /* since when */
static uint64_t  bench_schedule_n;      /* if any connection takes the next */


void
bench_schedule_init(int timer)
{
    bench_schedule_timer = timer;
    bench_schedule_start = bench_now();
}


/*
 * The next message of this connection: 1 if it may go, 0 if not yet, -1 when
 * so many of each channel are published.  Then come the seals.
 */

int
bench_schedule_next(bench_task_t *t, uint64_t total)
{
    uint64_t  message, n;

    do {
        if (bench_schedule_place(t, total) == -1) {
            return -1;
        }

        message = t->message;

        if (bench_schedule_hold(message)) {
            return 0;
        }

        n = message * bench_options.channels + t->channel;
        t->number = message < bench_options.messages ? message + 1 : 0;
        t->time = 0;

        if (t->number && !bench_schedule_due(t, n)) {
            return 0;
        }

        t->next++;
        bench_schedule_n++;

    } while (bench_schedule_planted(t));

    return 1;
}


/* the next one, where any connection takes it */

uint64_t
bench_schedule_message(void)
{
    return bench_schedule_n / bench_options.channels;
}


/* a channel belongs to one connection, unless they share all */

static int
bench_schedule_place(bench_task_t *t, uint64_t total)
{
    uint32_t          own;
    bench_options_t  *o;

    o = &bench_options;

    if (o->unordered) {
        t->message = bench_schedule_message();
        t->channel = bench_schedule_n % o->channels;

    } else {
        own = (o->channels - t->index - 1) / o->publishers + 1;
        t->message = t->next / own;
        t->channel = t->index + t->next % own * o->publishers;
    }

    return t->message < total ? 0 : -1;
}


/* what follows the hold is due as much later as it lasted */

static int
bench_schedule_hold(uint64_t message)
{
    if (bench_options.hold == 0 || message < bench_options.hold) {
        return 0;
    }

    if (!bench_shared->go) {

        if (!bench_shared->held) {
            bench_schedule_held = bench_now();
            bench_shared->held = 1;
        }

        return 1;
    }

    if (bench_shared->held) {
        bench_schedule_start += bench_now() - bench_schedule_held;
        bench_shared->held = 0;
    }

    return 0;
}


static int
bench_schedule_planted(bench_task_t *t)
{
    bench_options_t  *o;

    o = &bench_options;

    return (o->plant == BENCH_PLANT_LOST && t->number == o->messages / 2 + 1)
           || (o->plant == BENCH_PLANT_LAST && t->number
               && t->number == o->messages);
}


/* may the n-th message go?  Its time is when it was due, not when it goes */

static int
bench_schedule_due(bench_task_t *t, uint64_t n)
{
    uint64_t          due, got;
    bench_options_t  *o;

    o = &bench_options;
    t->time = bench_now();

    if (o->rate) {
        due = bench_schedule_start + n * 1000000000 / o->rate;

        if (due > t->time) {
            bench_schedule_wait(due);
            return 0;
        }

        t->time = due;
        return 1;
    }

    if (o->replay || o->window == 0) {
        return 1;
    }

    /* asked to be woken first, and looked then: no wake-up can be missed */

    bench_shared->waiting = 1;

    got = bench_sum(offsetof(bench_counts_t, received))
          + bench_sum(offsetof(bench_counts_t, missing));

    if (bench_shared->expected
        > got + (uint64_t) (o->window - 1) * bench_channel_readers(t->channel))
    {
        return 0;
    }

    bench_shared->waiting = 0;

    return 1;
}


static void
bench_schedule_wait(uint64_t time)
{
    struct itimerspec  it;

    memset(&it, 0, sizeof(it));
    it.it_value.tv_sec = time / 1000000000;
    it.it_value.tv_nsec = time % 1000000000;

    timerfd_settime(bench_schedule_timer, TFD_TIMER_ABSTIME, &it, NULL);
}
