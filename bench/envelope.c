
/*
 * Copyright (C) The ngx_push_module authors
 */

/* Envelopes: one a line, one a frame, or a page of them. */


#include "bench.h"

#include <stdio.h>
#include <string.h>


typedef struct {
    bench_text_t   type;
    bench_text_t   channel;
    bench_text_t   id;
    bench_text_t   data;
    bench_text_t   messages;
    bench_text_t   gap;
    bench_text_t   ended;
} bench_envelope_t;


static int bench_envelope_parse(bench_text_t *t, bench_envelope_t *e);
static void bench_envelope_message(bench_process_t *p, bench_client_t *c,
    bench_envelope_t *e);
static int bench_envelope_channel(bench_client_t *c, bench_text_t *t);
static void bench_envelope_page(bench_process_t *p, bench_client_t *c,
    bench_text_t *t);


/* one object, without what stands around it */

void
bench_envelope(bench_process_t *p, bench_client_t *c, bench_text_t *t)
{
    bench_envelope_t  e;

    if (bench_envelope_parse(t, &e) == -1) {
        bench_fault(p, c, BENCH_CORRUPT, 1, "JSON");
        return;
    }

    if (bench_json_is(&e.type, "message")) {
        bench_envelope_message(p, c, &e);

    } else if (bench_json_is(&e.type, "subscribed")) {

        if (bench_json_string(&e.id) == 0) {
            bench_delivery_id(p, c, e.id.p, e.id.len);
            c->fresh_id = 0;
        }

        c->subscribed = 1;

    } else if (bench_json_is(&e.type, "gap")) {
        bench_delivery_gap(p, c);

    } else if (bench_json_is(&e.type, "closed")) {
        c->closed = 1;

    } else if (bench_json_is(&e.type, "reconnect")) {
        c->handed = 1;

    } else {
        bench_fault(p, c, BENCH_CORRUPT, 1, "an unknown envelope");
    }
}


static int
bench_envelope_parse(bench_text_t *t, bench_envelope_t *e)
{
    int            i, rc;
    bench_text_t   rest, name, value;

    struct {
        const char    *name;
        bench_text_t  *value;
    } members[] = {
        { "type", &e->type }, { "channel", &e->channel }, { "id", &e->id },
        { "data", &e->data }, { "messages", &e->messages },
        { "next", &e->id }, { "gap", &e->gap }, { "ended", &e->ended },
        { NULL, NULL }
    };

    memset(e, 0, sizeof(bench_envelope_t));

    if (t->len == 0 || t->p[0] != '{') {
        return -1;
    }

    rest.p = t->p + 1;
    rest.len = t->len - 1;

    while ((rc = bench_json_next(&rest, &name, &value)) == 1) {

        for (i = 0; members[i].name; i++) {
            if (bench_json_is(&name, members[i].name)) {
                *members[i].value = value;
            }
        }
    }

    if (e->type.len) {
        return bench_json_string(&e->type) == -1 ? -1 : rc;
    }

    return rc;
}


static void
bench_envelope_message(bench_process_t *p, bench_client_t *c,
    bench_envelope_t *e)
{
    if (bench_json_string(&e->id) == 0) {
        bench_delivery_id(p, c, e->id.p, e->id.len);
    }

    if (bench_json_string(&e->data) == -1
        || bench_json_string(&e->channel) == -1
        || !bench_envelope_channel(c, &e->channel))
    {
        c->corrupt = 1;

    } else {
        bench_message_body(c, e->data.p, e->data.len);
    }

    bench_delivery(p, c);
}


static int
bench_envelope_channel(bench_client_t *c, bench_text_t *t)
{
    char  name[256];

    snprintf(name, sizeof(name), "%s%u", bench_options.prefix, c->channel);

    return bench_json_is(t, name);
}


char *
bench_ndjson_read(bench_process_t *p, bench_client_t *c, char *buf, char *last)
{
    char          *end;
    bench_text_t   t;

    for ( ;; ) {
        end = memchr(buf, '\n', last - buf);

        if (end == NULL || c->drop) {
            return buf;
        }

        t.p = buf;
        t.len = end - buf;
        buf = end + 1;

        /* an empty one is a heartbeat */

        if (t.len) {
            bench_envelope(p, c, &t);
        }
    }
}


/* a page is read when all of it is there */

char *
bench_poll_read(bench_process_t *p, bench_client_t *c, char *buf, char *last)
{
    bench_text_t  t;

    if (!c->whole) {
        return buf;
    }

    t.p = buf;
    t.len = last - buf;

    bench_envelope_page(p, c, &t);

    return last;
}


static void
bench_envelope_page(bench_process_t *p, bench_client_t *c, bench_text_t *t)
{
    bench_text_t      rest, one;
    bench_envelope_t  page;

    if (bench_envelope_parse(t, &page) == -1 || page.messages.len == 0) {
        bench_fault(p, c, BENCH_CORRUPT, 1, "page");
        c->broken = 1;
        return;
    }

    if (page.gap.len) {
        bench_delivery_gap(p, c);
    }

    rest.p = page.messages.p + 1;
    rest.len = page.messages.len - 1;

    while (bench_json_next(&rest, NULL, &one) == 1) {
        bench_envelope(p, c, &one);
    }

    if (bench_json_string(&page.id) == 0) {
        bench_delivery_id(p, c, page.id.p, page.id.len);
        c->fresh_id = 0;
    }

    c->subscribed = 1;
    c->closed = bench_json_is(&page.ended, "true");
}
