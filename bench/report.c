
/*
 * Copyright (C) The ngx_push_module authors
 */

/* The sums of all processes, as lines of a name and a number. */


#include "bench.h"

#include <stdio.h>
#include <string.h>
#include <time.h>


static void bench_report_rates(bench_measures_t *m);
static void bench_report_server(bench_measures_t *m);
static void bench_report_times(const char *name, bench_histogram_t *h);
static double bench_histogram_at(bench_histogram_t *h, double share);
static void bench_histogram_sum(bench_histogram_t *sum, bench_histogram_t *h);


static const char  *bench_report_faults[] = {
    "lost", "repeated", "corrupt", "unannounced", "cut", "refused", "answers"
};


uint64_t
bench_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


/* of one counter, over all processes of subscribers */

uint64_t
bench_sum(size_t offset)
{
    char      *p;
    uint32_t   i;
    uint64_t   sum;

    sum = 0;

    for (i = 0; i < bench_options.processes; i++) {
        p = (char *) &bench_shared->process[i] + offset;
        sum += *(_Atomic uint64_t *) p;
    }

    return sum;
}


void
bench_histogram_add(bench_histogram_t *h, uint64_t ns)
{
    int       power;
    uint64_t  i;

    i = ns;

    if (ns >= 32) {
        power = 63 - __builtin_clzll(ns);
        i = (uint64_t) (power - 4) * 32 + (ns >> (power - 5) & 31);
    }

    h->n++;
    h->count[i < BENCH_BUCKETS ? i : BENCH_BUCKETS - 1]++;

    if (ns > h->max) {
        h->max = ns;
    }
}


/* returns the number of violations */

int
bench_report(bench_measures_t *m)
{
    int                i;
    uint32_t           k;
    uint64_t           n, total, reconnects, gaps, missing, bytes;
    bench_histogram_t  sum;

    reconnects = 0;
    gaps = 0;
    bytes = 0;
    total = 0;
    missing = bench_sum(offsetof(bench_counts_t, missing));
    memset(&sum, 0, sizeof(sum));

    for (k = 0; k < bench_options.processes; k++) {
        reconnects += bench_shared->process[k].reconnects;
        gaps += bench_shared->process[k].gaps;
        bytes += bench_shared->process[k].bytes;
        bench_histogram_sum(&sum, &bench_shared->process[k].latency);
    }

    bench_report_rates(m);
    bench_report_times("latency", &sum);
    bench_report_times("answer", &bench_shared->answers);

    printf("received_bytes %" PRIu64 "\n", bytes);
    printf("reconnects %" PRIu64 "\n", reconnects);
    printf("retries %" PRIu64 "\n", bench_shared->retries);
    printf("gaps %" PRIu64 "\n", gaps);
    printf("announced %" PRIu64 "\n", missing);

    for (i = 0; i < BENCH_FAULTS; i++) {
        n = bench_shared->faults[i];

        for (k = 0; k < bench_options.processes; k++) {
            n += bench_shared->process[k].faults[i];
        }

        printf("%s %" PRIu64 "\n", bench_report_faults[i], n);
        total += n;
    }

    printf("violations %" PRIu64 "\n", total);

    return total != 0;
}


static void
bench_report_rates(bench_measures_t *m)
{
    double    seconds, published;
    uint32_t  k;
    uint64_t  deliveries, last;

    deliveries = bench_sum(offsetof(bench_counts_t, received));
    last = bench_shared->last;

    for (k = 0; k < bench_options.processes; k++) {
        if (bench_shared->process[k].last > last) {
            last = bench_shared->process[k].last;
        }
    }

    seconds = m->start && last > m->start ? (last - m->start) / 1e9 : 0;
    published = (bench_shared->last - bench_shared->first) / 1e9;

    printf("subscribers %u\n", bench_options.subscribers);
    printf("channels %u\n", bench_options.channels);
    printf("published %" PRIu64 "\n", bench_shared->published);
    printf("deliveries %" PRIu64 "\n", deliveries);
    printf("visits %u\n", bench_options.visits);
    printf("seconds %.3f\n", seconds);

    if (seconds > 0) {
        printf("deliveries_per_second %.0f\n", deliveries / seconds);
    }

    if (published > 0) {
        printf("publishes_per_second %.0f\n",
               bench_shared->published / published);
    }

    bench_report_server(m);
}


/* workers that came or went in between cannot be compared */

static void
bench_report_server(bench_measures_t *m)
{
    double  cpu, ticks, user;

    if (m->before.workers && m->before.pids == m->after.pids) {
        cpu = m->after.cpu - m->before.cpu;
        ticks = m->after.ticks - m->before.ticks;
        user = ticks > 0 ? (m->after.user_ticks - m->before.user_ticks) / ticks
                         : 0;

        printf("server_cpu_ms %.1f\n", cpu / 1e6);
        printf("server_user_share %.3f\n", user);
        printf("memory_growth_bytes %.0f\n",
               (double) m->after.memory - m->before.memory);

        if (bench_options.visits) {
            printf("server_us_per_visit %.3f\n",
                   cpu / 1e3 / bench_options.visits);

        } else if (m->deliveries) {
            printf("server_us_per_delivery %.3f\n", cpu / 1e3 / m->deliveries);

        } else if (bench_shared->published) {
            printf("server_us_per_publish %.3f\n",
                   cpu / 1e3 / bench_shared->published);
        }
    }

    if (bench_options.subscribers == 0 || m->stand.workers == 0
        || m->fresh.pids != m->stand.pids)
    {
        return;
    }

    printf("connect_seconds %.3f\n", m->connect / 1e9);
    printf("bytes_per_subscriber %.0f\n",
           ((double) m->stand.memory - m->fresh.memory)
           / bench_options.subscribers);

    if (m->idle.pids == m->stand.pids) {
        printf("idle_cpu_percent %.3f\n", (m->idle.cpu - m->stand.cpu) / 1e7
               / bench_options.idle);
    }
}


static void
bench_report_times(const char *name, bench_histogram_t *h)
{
    if (h->n) {
        printf("%s_p50_ms %.3f\n", name, bench_histogram_at(h, 0.5));
        printf("%s_p99_ms %.3f\n", name, bench_histogram_at(h, 0.99));
        printf("%s_max_ms %.3f\n", name, h->max / 1e6);
    }
}


/* in ms */

static double
bench_histogram_at(bench_histogram_t *h, double share)
{
    int       power;
    uint64_t  i, n;

    n = 0;

    for (i = 0; i < BENCH_BUCKETS - 1; i++) {
        n += h->count[i];

        if (n >= share * h->n) {
            break;
        }
    }

    if (i < 32) {
        return i / 1e6;
    }

    power = i / 32 + 4;

    return (double) ((32 + i % 32) << (power - 5)) / 1e6;
}


static void
bench_histogram_sum(bench_histogram_t *sum, bench_histogram_t *h)
{
    int  i;

    sum->n += h->n;
    sum->max = h->max > sum->max ? h->max : sum->max;

    for (i = 0; i < BENCH_BUCKETS; i++) {
        sum->count[i] += h->count[i];
    }
}
