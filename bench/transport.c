
/*
 * Copyright (C) The ngx_push_module authors
 */

/* What is asked for, and whether that is what was got. */


#include "bench.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>


#define BENCH_UPGRADE                                                         \
    "Connection: Upgrade\r\nUpgrade: websocket\r\n"                           \
    "Sec-WebSocket-Version: 13\r\n"                                           \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* of that key */
#define BENCH_ACCEPT                                                          \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define BENCH_DEFLATE                                                         \
    "Sec-WebSocket-Extensions: permessage-deflate; "                          \
    "server_no_context_takeover; client_no_context_takeover\r\n"


static const char *bench_transport_since(bench_client_t *c);


/* in the order of bench_transport_e */

bench_transport_t  bench_transports[] = {
    { "sse", "Accept: text/event-stream\r\n",
      200, "text/event-stream", bench_sse_read },
    { "websocket", BENCH_UPGRADE,
      101, BENCH_ACCEPT, bench_websocket_read },
    { "push.json", BENCH_UPGRADE "Sec-WebSocket-Protocol: push.json\r\n",
      101, "Sec-WebSocket-Protocol: push.json", bench_websocket_read },
    { "ndjson", "Accept: application/x-ndjson\r\n",
      200, "application/x-ndjson", bench_ndjson_read },
    { "poll", "Accept: application/json\r\n",
      200, "application/json", bench_poll_read },
    { "none", "", 0, "", NULL },
    { "held", "", 0, "", NULL },
    { NULL, NULL, 0, NULL, NULL }
};


int
bench_transport_request(bench_client_t *c)
{
    int               n, header, wait;
    char              path[512], request[1024];
    const char       *since;
    bench_options_t  *o;

    o = &bench_options;
    since = bench_transport_since(c);

    /* a browser cannot send headers with the others */
    header = c->id[0] && !o->http2
             && (o->transport == BENCH_SSE || o->transport == BENCH_NDJSON);

    snprintf(path, sizeof(path), "%s%s%u%s%s", o->subscribe, o->prefix,
             c->channel, since[0] && !header ? "&since=" : "",
             header ? "" : since);

    if (o->http2) {
        return bench_http2_request(c, path);
    }

    /* the first poll is answered at once, which tells where it stands */
    wait = o->transport == BENCH_POLL && c->id[0];

    n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: bench\r\n"
                 "%s%s%s%s%s%s\r\n", path,
                 bench_transports[o->transport].headers,
                 o->deflate ? BENCH_DEFLATE : "",
                 wait ? "Prefer: wait=30\r\n" : "",
                 header ? "Last-Event-ID: " : "", header ? since : "",
                 header ? "\r\n" : "");

    return bench_connect_send(c, request, n);
}


static const char *
bench_transport_since(bench_client_t *c)
{
    if (c->id[0]) {
        return c->id;
    }

    if (bench_options.replay) {
        return "earliest";
    }

    return bench_options.transport == BENCH_POLL ? "latest" : "";
}


int
bench_transport_accept(bench_process_t *p, bench_client_t *c, int status,
    const char *head)
{
    bench_transport_t  *t;

    t = &bench_transports[bench_options.transport];

    if (status != t->status || strcasestr(head, t->type) == NULL) {
        bench_fault(p, c, BENCH_REFUSED, 1, head);
        return -1;
    }

    if (bench_options.deflate) {
        c->deflated = strcasestr(head, "permessage-deflate") != NULL;

        if (!c->deflated
            || strcasestr(head, "server_no_context_takeover") == NULL)
        {
            bench_fault(p, c, BENCH_REFUSED, 1, "permessage-deflate");
            return -1;
        }
    }

    /* nothing more is said of the start */

    if (bench_options.foreign || bench_options.transport == BENCH_WEBSOCKET) {
        c->subscribed = 1;
    }

    return 0;
}
