
/*
 * Copyright (C) The ngx_push_module authors
 */

/* An event stream, line by line. */


#include "bench.h"

#include <string.h>


enum {
    BENCH_EVENT_MESSAGE = 0,
    BENCH_EVENT_SUBSCRIBED,
    BENCH_EVENT_GAP,
    BENCH_EVENT_RECONNECT,
    BENCH_EVENT_CLOSED,
    BENCH_EVENT_OTHER
};


static void bench_sse_line(bench_process_t *p, bench_client_t *c,
    const char *line, size_t len);
static int bench_sse_event(const char *name, size_t len);
static void bench_sse_dispatch(bench_process_t *p, bench_client_t *c);


char *
bench_sse_read(bench_process_t *p, bench_client_t *c, char *buf, char *last)
{
    char  *end;

    for ( ;; ) {
        end = memchr(buf, '\n', last - buf);

        if (end == NULL || c->drop) {
            return buf;
        }

        bench_sse_line(p, c, buf, end - buf);
        buf = end + 1;
    }
}


static void
bench_sse_line(bench_process_t *p, bench_client_t *c, const char *line,
    size_t len)
{
    size_t       name_len;
    const char  *value;

    if (len == 0) {
        bench_sse_dispatch(p, c);
        return;
    }

    value = memchr(line, ':', len);

    if (value == NULL) {
        bench_fault(p, c, BENCH_CORRUPT, 1, "line without a field");
        return;
    }

    name_len = value - line;
    value++;
    len -= name_len + 1;

    if (len && *value == ' ') {
        value++;
        len--;
    }

    if (name_len == 4 && memcmp(line, "data", 4) == 0) {

        if (c->event == BENCH_EVENT_MESSAGE) {
            bench_message_line(c, value, len);

        } else {
            c->offset = 1;
        }

    } else if (name_len == 2 && memcmp(line, "id", 2) == 0) {
        bench_delivery_id(p, c, value, len);

    } else if (name_len == 5 && memcmp(line, "event", 5) == 0) {
        c->event = bench_sse_event(value, len);

    } else if (name_len && (name_len != 5 || memcmp(line, "retry", 5) != 0)) {
        bench_fault(p, c, BENCH_CORRUPT, 1, "unknown field");
    }
}


static int
bench_sse_event(const char *name, size_t len)
{
    int  i;

    static const char  *names[] = {
        "message", "push.subscribed", "push.gap", "push.reconnect",
        "push.closed"
    };

    for (i = 0; i < BENCH_EVENT_OTHER; i++) {
        if (len == strlen(names[i]) && memcmp(name, names[i], len) == 0) {
            return i;
        }
    }

    return BENCH_EVENT_OTHER;
}


static void
bench_sse_dispatch(bench_process_t *p, bench_client_t *c)
{
    switch (c->offset || c->corrupt ? c->event : BENCH_EVENT_OTHER) {

    case BENCH_EVENT_MESSAGE:
        bench_delivery(p, c);
        break;

    case BENCH_EVENT_SUBSCRIBED:
        c->subscribed = 1;
        break;

    case BENCH_EVENT_GAP:
        bench_delivery_gap(p, c);
        break;

    case BENCH_EVENT_RECONNECT:
        c->handed = 1;
        break;

    case BENCH_EVENT_CLOSED:
        c->closed = 1;
        break;

    default:
        /* retry alone */
        break;
    }

    c->event = BENCH_EVENT_MESSAGE;
    c->offset = 0;
    c->corrupt = 0;
    c->fresh_id = 0;
}
