
/*
 * Copyright (C) The ngx_push_module authors
 */

/* The main process: options, the order of things, and the verdict. */


#include "bench.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>


static void bench_parse(int argc, char **argv);
static void bench_option(const char *name, const char *value);
static uint64_t bench_number(const char *name, const char *value,
    uint64_t max);
static void bench_size(const char *value);
static void bench_plant(const char *value);
static void bench_limits(void);
static void bench_start(void);
static void bench_child(uint32_t index);
static int bench_live(bench_measures_t *m);
static int bench_replay(bench_measures_t *m);
static int bench_seal(void);
static int bench_wait(int (*done)(void), const char *what);
static uint64_t bench_progress(void);
static int bench_hopeless(void);
static int bench_all_connected(void);
static int bench_all_published(void);
static int bench_all_received(void);
static int bench_all_ended(void);
static int bench_stop(void);
static void bench_kill(void);


static const char  bench_usage[] =
"push-bench --port=N [option ...]: publishes, subscribes, verifies\n"
"\n"
"  --host=127.0.0.1     an IPv4 address\n"
"  --publish=/pub?channel=, --subscribe=/sub?channel=\n"
"  --prefix=bench-PID-  of the names of channels\n"
"  --subscribers=1000   over all channels; 0: publish only\n"
"  --channels=1\n"
"  --messages=1000      for each channel\n"
"  --size=64            of a body, or 64-4096\n"
"  --lines              bodies of several lines\n"
"  --publishers=1       connections that publish\n"
"  --window=1           messages in flight: published, but not with everyone;\n"
"                       0: as fast as it goes\n"
"  --rate=N             instead: messages a second\n"
"  --replay             publish all, then subscribe with since=earliest\n"
"  --churn=N            hang up after 1 to N messages, resume by the last id\n"
"  --reconnect          the server may end connections (reload, kill)\n"
"  --gaps               gap notices may come\n"
"  --keys               Idempotency-Key, and publish again without an answer\n"
"  --master=PID         of the NGINX to measure\n"
"  --seed=N, --patience=20 (seconds without progress)\n"
"  --plant=lost|last|twice|corrupt: do wrong, to see that it is found\n"
"\n"
"Exits 0 if every subscriber got every message once, in order and whole; 1 if\n"
"not; 2 if it could not find out.\n";


static struct option  bench_long[] = {
    { "host", required_argument, NULL, 0 },
    { "port", required_argument, NULL, 0 },
    { "publish", required_argument, NULL, 0 },
    { "subscribe", required_argument, NULL, 0 },
    { "prefix", required_argument, NULL, 0 },
    { "subscribers", required_argument, NULL, 0 },
    { "channels", required_argument, NULL, 0 },
    { "messages", required_argument, NULL, 0 },
    { "size", required_argument, NULL, 0 },
    { "lines", no_argument, NULL, 0 },
    { "publishers", required_argument, NULL, 0 },
    { "window", required_argument, NULL, 0 },
    { "rate", required_argument, NULL, 0 },
    { "replay", no_argument, NULL, 0 },
    { "churn", required_argument, NULL, 0 },
    { "reconnect", no_argument, NULL, 0 },
    { "gaps", no_argument, NULL, 0 },
    { "keys", no_argument, NULL, 0 },
    { "master", required_argument, NULL, 0 },
    { "seed", required_argument, NULL, 0 },
    { "patience", required_argument, NULL, 0 },
    { "plant", required_argument, NULL, 0 },
    { NULL, 0, NULL, 0 }
};


bench_options_t   bench_options;
bench_shared_t   *bench_shared;
int               bench_wake;

static pid_t      bench_children[BENCH_PROCESSES + 1];


int
main(int argc, char **argv)
{
    int               status;
    bench_measures_t  m;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);

    bench_parse(argc, argv);
    bench_limits();
    bench_message_init();

    memset(&m, 0, sizeof(m));
    bench_server(&m.fresh);
    bench_start();

    status = bench_options.replay ? bench_replay(&m) : bench_live(&m);
    status |= bench_seal();
    status |= bench_stop();

    return bench_report(&m) ? 1 : status;
}


static void
bench_parse(int argc, char **argv)
{
    int               i;
    static char       prefix[32];
    bench_options_t  *o;

    o = &bench_options;

    snprintf(prefix, sizeof(prefix), "bench-%d-", (int) getpid());

    o->host.s_addr = htonl(INADDR_LOOPBACK);
    o->publish = "/pub?channel=";
    o->subscribe = "/sub?channel=";
    o->prefix = prefix;
    o->subscribers = 1000;
    o->channels = 1;
    o->messages = 1000;
    o->publishers = 1;
    o->min_size = 64;
    o->max_size = 64;
    o->window = 1;
    o->patience = 20;

    while (getopt_long(argc, argv, "", bench_long, &i) == 0) {
        bench_option(bench_long[i].name, optarg);
    }

    if (optind != argc || o->port == 0) {
        fputs(bench_usage, stderr);
        exit(2);
    }
}


static void
bench_option(const char *name, const char *value)
{
    size_t            i;
    bench_options_t  *o;

    o = &bench_options;

    const struct {
        const char  *name;
        uint32_t    *value;
        uint32_t     min;
    } numbers[] = {
        { "subscribers", &o->subscribers, 0 },
        { "channels", &o->channels, 1 },
        { "messages", &o->messages, 1 },
        { "publishers", &o->publishers, 1 },
        { "window", &o->window, 0 },
        { "churn", &o->churn, 1 }
    };

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
    }
}
