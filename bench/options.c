
/*
 * Copyright (C) The ngx_push_module authors
 */

/* The command line. */


#include "bench.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


typedef struct {
    const char      *name;
    uint32_t        *value;
    uint32_t         min;
    uint32_t         max;
} bench_number_t;


static int bench_option(const char *name, size_t len, const char *value);
static void bench_consistent(void);
static int bench_word(const char *name, const char *value);
static int bench_number(const char *value, uint32_t min, uint32_t max,
    uint32_t *number);
static int bench_is(const char *name, size_t len, const char *option);


static const char  bench_usage[] =
"push-bench --port=N [--OPTION[=VALUE] ...]: publishes, subscribes, verifies\n"
"\n"
"  --host=127.0.0.1     an IPv4 address\n"
"  --publish-port=N     publish there, at another server than that of --port\n"
"  --publish=/pub?channel=, --subscribe=/sub?channel=\n"
"  --prefix=bench-PID-  of the names of channels\n"
"  --transport=sse      websocket, push.json, ndjson, poll; none: connect and\n"
"                       ask for nothing; held: ask, and wait for no answer\n"
"  --tls=PORT           subscribe there, by TLS; publish at --port\n"
"  --http2=PORT         subscribe there, by HTTP/2 without TLS\n"
"  --deflate            WebSocket: permessage-deflate\n"
"  --foreign            the server is another one: no counts, no seals\n"
"  --total=PATH         where it tells the number of all its subscribers\n"
"\n"
"  --subscribers=1000   over all channels; 0: publish only\n"
"  --channels=1\n"
"  --messages=1000      for each channel\n"
"  --size=64            of a body, or 64-4096\n"
"  --lines              bodies of several lines\n"
"  --publishers=1       connections that publish\n"
"  --unordered          several of them may publish to a channel at a time\n"
"  --window=1           messages in flight: published, but not with everyone;\n"
"                       0: as fast as it goes\n"
"  --rate=N             instead: messages a second\n"
"  --hold=N             after N messages of each channel publish no more until\n"
"                       a SIGUSR1 comes\n"
"\n"
"  --replay             publish all, then subscribe with since=earliest\n"
"  --idle=SECONDS       wait so long before publishing\n"
"  --slow=N             subscribers that do not read until all others are done\n"
"  --visits=N           instead of messages: so often connect, subscribe and\n"
"                       leave, --rate=N a second, --subscribers=N at a time\n"
"  --churn=N            hang up after 1 to N messages, resume by the last id\n"
"  --reconnect          the server may end connections (reload, kill)\n"
"  --gaps               gap notices may come\n"
"  --keys               Idempotency-Key, and publish again without an answer\n"
"\n"
"  --master=PID         of the server to measure\n"
"  --processes=N        of subscribers, or as many as descriptors demand\n"
"  --sources=N          addresses that each connects from\n"
"  --opening=128        connections that each opens at a time\n"
"  --seed=N, --patience=20 (seconds without progress)\n"
"  --plant=lost|last|twice|corrupt: do wrong, to see that it is found\n"
"\n"
"Exits 0 if every subscriber got every message once, in order and whole; 1 if\n"
"not; 2 if it could not find out.\n";


bench_options_t   bench_options = {
    .publish = "/pub?channel=",
    .subscribe = "/sub?channel=",
    .subscribers = 1000,
    .channels = 1,
    .messages = 1000,
    .publishers = 1,
    .min_size = 64,
    .max_size = 64,
    .window = 1,
    .opening = 128,
    .sources = 1,
    .patience = 20
};

static bench_number_t  bench_numbers[] = {
    { "port", &bench_options.port, 1, 65535 },
    { "publish-port", &bench_options.publish_port, 1, 65535 },
    { "subscribers", &bench_options.subscribers, 0,
                     BENCH_PROCESSES * BENCH_CLIENTS },
    { "channels", &bench_options.channels, 1, 10000000 },
    { "messages", &bench_options.messages, 0, 100000000 },
    { "publishers", &bench_options.publishers, 1, 1000 },
    { "processes", &bench_options.processes, 1, BENCH_PROCESSES },
    { "window", &bench_options.window, 0, 1000000 },
    { "rate", &bench_options.rate, 1, 10000000 },
    { "hold", &bench_options.hold, 1, 100000000 },
    { "tls", &bench_options.tls, 1, 65535 },
    { "http2", &bench_options.http2, 1, 65535 },
    { "churn", &bench_options.churn, 1, 1000000 },
    { "visits", &bench_options.visits, 1, 100000000 },
    { "opening", &bench_options.opening, 1, BENCH_CLIENTS },
    { "idle", &bench_options.idle, 1, 100000 },
    { "slow", &bench_options.slow, 1, BENCH_PROCESSES * BENCH_CLIENTS },
    { "sources", &bench_options.sources, 1, 1000 },
    { "master", &bench_options.master, 1, INT32_MAX },
    { "seed", &bench_options.seed, 0, UINT32_MAX },
    { "patience", &bench_options.patience, 1, 3600 },
    { "replay", &bench_options.replay, 0, 0 },
    { "reconnect", &bench_options.reconnect, 0, 0 },
    { "gaps", &bench_options.gaps, 0, 0 },
    { "lines", &bench_options.lines, 0, 0 },
    { "keys", &bench_options.keys, 0, 0 },
    { "unordered", &bench_options.unordered, 0, 0 },
    { "deflate", &bench_options.deflate, 0, 0 },
    { "foreign", &bench_options.foreign, 0, 0 },
    { NULL, NULL, 0, 0 }
};

/* in the order of bench_plant_e */
static const char  *bench_plants[] = {
    "none", "lost", "last", "twice", "corrupt"
};


void
bench_parse(int argc, char **argv)
{
    int                i;
    size_t             len;
    const char        *name, *value;
    static char        prefix[32];

    snprintf(prefix, sizeof(prefix), "bench-%d-", (int) getpid());

    bench_options.prefix = prefix;
    bench_options.host.s_addr = htonl(INADDR_LOOPBACK);

    for (i = 1; i < argc; i++) {

        if (strcmp(argv[i], "--help") == 0) {
            fputs(bench_usage, stdout);
            exit(0);
        }

        name = strncmp(argv[i], "--", 2) == 0 ? argv[i] + 2 : "";
        len = strcspn(name, "=");
        value = name[len] ? name + len + 1 : NULL;

        if (bench_option(name, len, value) == -1) {
            fprintf(stderr, "bad option: %s\n\n%s", argv[i], bench_usage);
            exit(2);
        }
    }

    if (bench_options.port == 0) {
        fprintf(stderr, "--port is missing\n\n%s", bench_usage);
        exit(2);
    }

    bench_consistent();
}


/* what cannot be had together, and what follows from something else */

static void
bench_consistent(void)
{
    bench_options_t  *o;

    o = &bench_options;

    if ((o->transport == BENCH_WEBSOCKET && (o->churn || o->reconnect))
        || (o->unordered && (o->gaps || o->slow || o->replay))
        || (o->deflate && o->transport != BENCH_WEBSOCKET
            && o->transport != BENCH_PUSH_JSON)
        || (o->http2 && (o->tls || (o->transport != BENCH_SSE
                                    && o->transport != BENCH_NDJSON
                                    && o->transport != BENCH_HELD)))
        || o->slow > o->subscribers)
    {
        fprintf(stderr, "these do not go together: --transport=websocket (it "
                "has no ids) and --churn\nor --reconnect; --unordered and "
                "--gaps, --slow or --replay; --deflate or --http2 and\n"
                "another transport; --slow and fewer --subscribers\n\n%s",
                bench_usage);
        exit(2);
    }

    if (o->publishers > o->channels && !o->unordered) {
        o->publishers = o->channels;
    }

    if (o->visits || o->transport >= BENCH_NOTHING) {
        o->messages = 0;
    }

    if (o->visits && o->subscribers > o->visits) {
        o->subscribers = o->visits;
    }
}


static int
bench_option(const char *name, size_t len, const char *value)
{
    uint32_t         min, max;
    const char      *dash;
    bench_number_t  *n;

    for (n = bench_numbers; n->name; n++) {

        if (!bench_is(name, len, n->name)) {
            continue;
        }

        if (n->max == 0) {
            *n->value = 1;
            return value ? -1 : 0;
        }

        return bench_number(value, n->min, n->max, n->value);
    }

    if (value == NULL) {
        return -1;
    }

    if (!bench_is(name, len, "size")) {
        return bench_word(name, value);
    }

    dash = strchr(value, '-');

    if (bench_number(value, 0, 1 << 26, &min) == -1
        || bench_number(dash ? dash + 1 : value, 0, 1 << 26, &max) == -1)
    {
        return -1;
    }

    bench_options.min_size = min;
    bench_options.max_size = max;

    return 0;
}


static int
bench_word(const char *name, const char *value)
{
    size_t  i, len;

    len = value - 1 - name;

    if (bench_is(name, len, "publish")) {
        bench_options.publish = value;

    } else if (bench_is(name, len, "subscribe")) {
        bench_options.subscribe = value;

    } else if (bench_is(name, len, "total")) {
        bench_options.total = value;

    } else if (bench_is(name, len, "prefix")) {
        bench_options.prefix = value;

    } else if (bench_is(name, len, "host")) {
        return inet_aton(value, &bench_options.host) ? 0 : -1;

    } else if (bench_is(name, len, "transport")) {

        for (i = 0; bench_transports[i].name; i++) {
            if (strcmp(value, bench_transports[i].name) == 0) {
                bench_options.transport = i;
                return 0;
            }
        }

        return -1;

    } else if (bench_is(name, len, "plant")) {

        for (i = 0; i < sizeof(bench_plants) / sizeof(bench_plants[0]); i++) {
            if (strcmp(value, bench_plants[i]) == 0) {
                bench_options.plant = i;
                return 0;
            }
        }

        return -1;

    } else {
        return -1;
    }

    return 0;
}


/* digits, to the end or to a dash */

static int
bench_number(const char *value, uint32_t min, uint32_t max, uint32_t *number)
{
    char           *end;
    unsigned long   n;

    if (value == NULL || value[0] < '0' || value[0] > '9') {
        return -1;
    }

    n = strtoul(value, &end, 10);
    *number = n;

    return (*end == '\0' || *end == '-') && n >= min && n <= max ? 0 : -1;
}


static int
bench_is(const char *name, size_t len, const char *option)
{
    return len == strlen(option) && memcmp(name, option, len) == 0;
}
