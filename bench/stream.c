
/*
 * Copyright (C) The ngx_push_module authors
 */

/* One response: its head, its chunks, the events in them, and their truth. */


#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>


enum {
    sw_chunk_size = 0,
    sw_chunk_extension,
    sw_chunk_data,
    sw_chunk_data_end,
    sw_chunk_trailer,
    sw_chunk_end,
    sw_chunk_broken
};

enum {
    BENCH_EVENT_MESSAGE = 0,
    BENCH_EVENT_SUBSCRIBED,
    BENCH_EVENT_GAP,
    BENCH_EVENT_RECONNECT,
    BENCH_EVENT_CLOSED,
    BENCH_EVENT_OTHER
};


static char *bench_stream_head(bench_process_t *p, bench_client_t *c,
    char *buf, size_t len);
static char *bench_stream_chunks(bench_client_t *c, char *p, char *last);
static int bench_stream_chunk_size(bench_client_t *c, char ch);
static void bench_stream_line(bench_process_t *p, bench_client_t *c,
    const char *line, size_t len);
static int bench_stream_event(const char *name, size_t len);
static void bench_stream_dispatch(bench_process_t *p, bench_client_t *c);
static void bench_stream_message(bench_process_t *p, bench_client_t *c);
static void bench_stream_received(bench_process_t *p, bench_client_t *c);
static void bench_stream_keep(bench_client_t *c, const char *p, size_t len);


static const char  *bench_fault_names[] = {
    "lost", "repeated", "corrupt", "gap", "cut", "refused", "answer"
};


void
bench_stream_reset(bench_client_t *c)
{
    free(c->kept);

    c->kept = NULL;
    c->kept_len = 0;
    c->chunk = 0;
    c->chunk_state = sw_chunk_size;
    c->event = BENCH_EVENT_MESSAGE;
    c->offset = 0;

    c->body = 0;
    c->chunked = 0;
    c->subscribed = 0;
    c->handed = 0;
    c->closed = 0;
    c->whole = 0;
    c->broken = 0;
    c->drop = 0;
    c->fresh_id = 0;
    c->corrupt = 0;
}


/*
 * The first kept_len bytes of the buffer are those that were kept, the others
 * have just come.  Text is unchunked in place.
 */

void
bench_stream_read(bench_process_t *p, bench_client_t *c, char *buf, size_t len)
{
    char  *start, *last, *end;

    start = buf + c->kept_len;
    last = buf + len;

    free(c->kept);
    c->kept = NULL;
    c->kept_len = 0;

    if (!c->body) {
        buf = bench_stream_head(p, c, buf, len);
        start = buf;

        if (buf == NULL) {
            return;
        }
    }

    p->counts->bytes += last - start;
    last = c->chunked ? bench_stream_chunks(c, start, last) : last;

    for ( ;; ) {
        end = memchr(buf, '\n', last - buf);

        if (end == NULL) {
            break;
        }

        bench_stream_line(p, c, buf, end - buf);
        buf = end + 1;

        if (c->drop) {
            return;
        }
    }

    if (c->chunk_state == sw_chunk_broken) {
        bench_fault(p, c, BENCH_CORRUPT, 1, "chunk");
        c->broken = 1;
        return;
    }

    bench_stream_keep(c, buf, last - buf);
}


/* where the body begins, or NULL */

static char *
bench_stream_head(bench_process_t *p, bench_client_t *c, char *buf, size_t len)
{
    int   status;
    char  *end;

    end = memmem(buf, len, "\r\n\r\n", 4);

    if (end == NULL) {
        bench_stream_keep(c, buf, len);
        return NULL;
    }

    *end = '\0';
    status = 0;
    sscanf(buf, "HTTP/1.%*c %d", &status);

    c->body = 1;

    if (status == 204 && c->id[0] && c->next > bench_options.messages) {
        /* the end of a sealed channel, to one that has all of it */
        c->closed = 1;
        c->whole = 1;
        return NULL;
    }

    if (status != 200 || strcasestr(buf, "text/event-stream") == NULL) {
        bench_fault(p, c, BENCH_REFUSED, 1, buf);
        c->broken = 1;
        return NULL;
    }

    c->chunked = strcasestr(buf, "Transfer-Encoding: chunked") != NULL;

    return end + 4;
}


/* puts together the data of chunks; returns the end of it */

static char *
bench_stream_chunks(bench_client_t *c, char *p, char *last)
{
    char    *dst;
    size_t   n;

    dst = p;

    while (p < last) {

        if (c->chunk_state != sw_chunk_data) {

            if (bench_stream_chunk_size(c, *p++) == -1) {
                c->chunk_state = sw_chunk_broken;
                break;
            }

            continue;
        }

        n = last - p;
        n = n < c->chunk ? n : c->chunk;

        memmove(dst, p, n);

        dst += n;
        p += n;
        c->chunk -= n;

        if (c->chunk == 0) {
            c->chunk_state = sw_chunk_data_end;
        }
    }

    return dst;
}


static int
bench_stream_chunk_size(bench_client_t *c, char ch)
{
    static const char  digits[] = "0123456789abcdef";

    const char        *digit;

    switch (c->chunk_state) {

    case sw_chunk_size:

        if (ch == '\r') {
            c->chunk_state = sw_chunk_extension;
            return 0;
        }

        digit = ch ? strchr(digits, ch | 0x20) : NULL;

        if (digit == NULL || c->chunk >> 32) {
            return -1;
        }

        c->chunk = c->chunk << 4 | (digit - digits);
        return 0;

    case sw_chunk_extension:
        c->chunk_state = c->chunk ? sw_chunk_data : sw_chunk_trailer;
        return ch == '\n' ? 0 : -1;

    case sw_chunk_data_end:

        if (ch == '\n') {
            c->chunk_state = sw_chunk_size;
            return 0;
        }

        return ch == '\r' ? 0 : -1;

    case sw_chunk_trailer:

        if (ch == '\n') {
            c->chunk_state = sw_chunk_end;
            c->whole = 1;
            return 0;
        }

        return ch == '\r' ? 0 : -1;

    default:
        return -1;
    }
}


static void
bench_stream_line(bench_process_t *p, bench_client_t *c, const char *line,
    size_t len)
{
    size_t       name_len;
    const char  *value;

    if (len == 0) {
        bench_stream_dispatch(p, c);
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

        if (len >= BENCH_ID) {
            bench_fault(p, c, BENCH_CORRUPT, 1, "long id");
            return;
        }

        c->fresh_id = len != strlen(c->id) || memcmp(c->id, value, len) != 0;
        memcpy(c->id, value, len);
        c->id[len] = '\0';

    } else if (name_len == 5 && memcmp(line, "event", 5) == 0) {
        c->event = bench_stream_event(value, len);

    } else if (name_len && (name_len != 5 || memcmp(line, "retry", 5) != 0)) {
        bench_fault(p, c, BENCH_CORRUPT, 1, "unknown field");
    }
}


static int
bench_stream_event(const char *name, size_t len)
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
bench_stream_dispatch(bench_process_t *p, bench_client_t *c)
{
    switch (c->offset || c->corrupt ? c->event : BENCH_EVENT_OTHER) {

    case BENCH_EVENT_MESSAGE:
        bench_stream_message(p, c);
        break;

    case BENCH_EVENT_SUBSCRIBED:
        c->subscribed = 1;
        break;

    case BENCH_EVENT_GAP:
        p->counts->gaps++;
        c->gap = 1;

        if (!bench_options.gaps) {
            bench_fault(p, c, BENCH_GAP, 1, "notice");
        }

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


static void
bench_stream_message(bench_process_t *p, bench_client_t *c)
{
    p->received++;

    if (c->corrupt || c->offset != c->size || !c->fresh_id) {
        bench_fault(p, c, BENCH_CORRUPT, 1, c->fresh_id ? "body" : "no new id");

        /* its number may be right, and is taken once */

        if (c->offset == 0 || c->number != c->next) {
            return;
        }
    }

    if (c->number < c->next) {
        bench_fault(p, c, BENCH_REPEATED, 1, "number");
        return;
    }

    if (c->gap) {
        p->missing += c->number - c->next;

        if (c->number == c->next) {
            bench_fault(p, c, BENCH_GAP, 1, "nothing is missing");
        }

        c->gap = 0;

    } else if (c->number > c->next) {
        bench_fault(p, c, BENCH_LOST, c->number - c->next, "number");
    }

    bench_stream_received(p, c);
}


static void
bench_stream_received(bench_process_t *p, bench_client_t *c)
{
    c->next = c->number + 1;

    if (!bench_options.replay) {
        bench_histogram_add(&p->counts->latency, p->now - c->time);
    }

    if (c->next > bench_options.messages) {
        p->complete++;
    }

    if (c->left && --c->left == 0) {
        c->drop = 1;
    }
}


static void
bench_stream_keep(bench_client_t *c, const char *p, size_t len)
{
    if (len == 0) {
        return;
    }

    c->kept = malloc(len);

    if (c->kept == NULL) {
        abort();
    }

    memcpy(c->kept, p, len);
    c->kept_len = len;
}


/* counts it, and describes the first ones; of the publisher without "p" */

void
bench_fault(bench_process_t *p, bench_client_t *c, bench_fault_e fault,
    uint64_t n, const char *what)
{
    static uint32_t  told;

    if (p == NULL) {
        bench_shared->faults[fault] += n;

        if (told++ < 5) {
            fprintf(stderr, "publisher: %s: %.200s\n", bench_fault_names[fault],
                    what);
        }

        return;
    }

    p->counts->faults[fault] += n;

    if (p->told++ < 5) {
        fprintf(stderr, "channel %u: %s: %.200s, number %u where %u is due, "
                "last id \"%s\"\n", c->channel, bench_fault_names[fault], what,
                c->number, c->next, c->id);
    }
}
