
/*
 * Copyright (C) The ngx_push_module authors
 */

/* What a subscriber makes of a message: it is due, whole, and not the first. */


#include "bench.h"

#include <stdio.h>
#include <string.h>


static void bench_delivery_message(bench_process_t *p, bench_client_t *c);
static void bench_delivery_next(bench_client_t *c);
static int bench_delivery_ahead(bench_client_t *c);
static void bench_delivery_received(bench_process_t *p, bench_client_t *c);


static const char  *bench_fault_names[] = {
    "lost", "repeated", "corrupt", "gap", "cut", "refused", "answer"
};


/* the message that was read is complete */

void
bench_delivery(bench_process_t *p, bench_client_t *c)
{
    p->received++;

    bench_delivery_message(p, c);

    c->offset = 0;
    c->corrupt = 0;
    c->fresh_id = 0;
}


static void
bench_delivery_message(bench_process_t *p, bench_client_t *c)
{
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

    if (bench_options.unordered && c->number != c->next) {

        if (bench_delivery_ahead(c)) {
            bench_fault(p, c, BENCH_REPEATED, 1, "number");
            return;
        }

    } else if (c->gap) {
        p->missing += c->number - c->next;

        if (c->number == c->next) {
            bench_fault(p, c, BENCH_GAP, 1, "nothing is missing");
        }

        c->gap = 0;
        bench_delivery_next(c);

    } else {

        if (c->number > c->next) {
            bench_fault(p, c, BENCH_LOST, c->number - c->next, "number");
        }

        bench_delivery_next(c);
    }

    bench_delivery_received(p, c);
}


/* what is due now; some that follow may be there already */

static void
bench_delivery_next(bench_client_t *c)
{
    int  came;

    c->next = c->number + 1;

    do {
        came = c->ahead & 1;
        c->ahead >>= 1;
        c->next += came;
    } while (came);
}


/* returns whether it had come before */

static int
bench_delivery_ahead(bench_client_t *c)
{
    uint64_t  bit;

    if (c->number - c->next > BENCH_AHEAD) {
        /* it is counted as lost when the end comes */
        return 0;
    }

    bit = (uint64_t) 1 << (c->number - c->next - 1);

    if (c->ahead & bit) {
        return 1;
    }

    c->ahead |= bit;

    return 0;
}


static void
bench_delivery_received(bench_process_t *p, bench_client_t *c)
{
    if (!bench_options.replay) {
        bench_histogram_add(&p->counts->latency, p->now - c->time);
    }

    if (c->left && --c->left == 0) {
        c->drop = 1;
    }
}


/* what is missing is known when the next message comes, or the end */

void
bench_delivery_gap(bench_process_t *p, bench_client_t *c)
{
    p->counts->gaps++;
    c->gap = 1;

    if (!bench_options.gaps && !c->slow) {
        bench_fault(p, c, BENCH_GAP, 1, "notice");
    }
}


void
bench_delivery_id(bench_process_t *p, bench_client_t *c, const char *id,
    size_t len)
{
    if (len >= BENCH_ID) {
        bench_fault(p, c, BENCH_CORRUPT, 1, "long id");
        return;
    }

    c->fresh_id = len != strlen(c->id) || memcmp(c->id, id, len) != 0;
    memcpy(c->id, id, len);
    c->id[len] = '\0';
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
