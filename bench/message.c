
/*
 * Copyright (C) The ngx_push_module authors
 */

/*
 * The body of a message: channel, number, time and size in hexadecimal, then
 * a stretch of a table that begins at a place given by channel and number.
 */


#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define BENCH_HEAD    (sizeof("00000000 00000000 0000000000000000 00000000 ") \
                       - 1)
#define BENCH_STARTS  4096


static const char *bench_message_filler(uint32_t channel, uint32_t number);
static uint32_t bench_channel_share(uint32_t channel, uint32_t n);
static int bench_message_head(bench_client_t *c, const char *p);
static int bench_message_hex(const char **p, int digits, uint64_t *value);


static char  *bench_table;


void
bench_message_init(void)
{
    size_t    i, n;
    uint32_t  x;

    n = bench_options.max_size + BENCH_STARTS;
    bench_table = malloc(n);

    if (bench_table == NULL) {
        abort();
    }

    x = 1;

    for (i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        bench_table[i] = '!' + (x >> 16) % 94;

        if (bench_options.lines && (x >> 8) % 61 == 0) {
            bench_table[i] = '\n';
        }
    }

    if (bench_options.min_size < BENCH_HEAD) {
        bench_options.min_size = BENCH_HEAD;
    }

    if (bench_options.max_size < bench_options.min_size) {
        bench_options.max_size = bench_options.min_size;
    }
}


static const char *
bench_message_filler(uint32_t channel, uint32_t number)
{
    uint32_t  h;

    h = (channel * 0x9e3779b1 ^ number) * 0x85ebca6b;

    return bench_table + (h >> 20) % BENCH_STARTS;
}


size_t
bench_message_size(uint32_t channel, uint32_t number)
{
    size_t    range;
    uint64_t  h;

    range = bench_options.max_size - bench_options.min_size + 1;
    h = ((uint64_t) channel << 32 | number) * 0x9e3779b97f4a7c15;

    return bench_options.min_size + (h >> 32) % range;
}


void
bench_message_write(char *p, uint32_t channel, uint32_t number, uint64_t time)
{
    size_t  size;
    char    head[BENCH_HEAD + 1];

    size = bench_message_size(channel, number);

    snprintf(head, sizeof(head), "%08x %08x %016" PRIx64 " %08x ", channel,
             number, time, (unsigned) size);

    memcpy(p, head, BENCH_HEAD);
    memcpy(p + BENCH_HEAD, bench_message_filler(channel, number),
           size - BENCH_HEAD);
}


/* the next line of a body, without its end */

void
bench_message_line(bench_client_t *c, const char *p, size_t len)
{
    const char  *filler;

    if (c->corrupt) {
        return;
    }

    if (c->offset == 0) {

        if (len < BENCH_HEAD || bench_message_head(c, p) == -1) {
            c->corrupt = 1;
            return;
        }

        c->offset = BENCH_HEAD;
        p += BENCH_HEAD;
        len -= BENCH_HEAD;
        filler = bench_message_filler(c->channel, c->number);

    } else {
        filler = bench_message_filler(c->channel, c->number);

        /* the end of the line before */

        if (c->offset >= c->size || filler[c->offset - BENCH_HEAD] != '\n') {
            c->corrupt = 1;
            return;
        }

        c->offset++;
    }

    if (len > c->size - c->offset
        || memcmp(p, filler + c->offset - BENCH_HEAD, len) != 0)
    {
        c->corrupt = 1;
        return;
    }

    c->offset += len;
}


/* all of it at once */

void
bench_message_body(bench_client_t *c, const char *p, size_t len)
{
    const char  *end;

    for ( ;; ) {
        end = memchr(p, '\n', len);

        if (end == NULL) {
            bench_message_line(c, p, len);
            return;
        }

        bench_message_line(c, p, end - p);

        len -= end + 1 - p;
        p = end + 1;
    }
}


static int
bench_message_head(bench_client_t *c, const char *p)
{
    uint64_t  channel, number, time, size;

    if (bench_message_hex(&p, 8, &channel) == -1
        || bench_message_hex(&p, 8, &number) == -1
        || bench_message_hex(&p, 16, &time) == -1
        || bench_message_hex(&p, 8, &size) == -1)
    {
        return -1;
    }

    if (channel != c->channel
        || size != bench_message_size(c->channel, number))
    {
        return -1;
    }

    c->number = number;
    c->time = time;
    c->size = size;

    return 0;
}


static int
bench_message_hex(const char **p, int digits, uint64_t *value)
{
    int       i;
    char      ch;
    uint64_t  v;

    v = 0;

    for (i = 0; i < digits; i++) {
        ch = *(*p)++;

        if (ch >= '0' && ch <= '9') {
            v = v << 4 | (ch - '0');

        } else if (ch >= 'a' && ch <= 'f') {
            v = v << 4 | (ch - 'a' + 10);

        } else {
            return -1;
        }
    }

    *value = v;

    return *(*p)++ == ' ' ? 0 : -1;
}


uint32_t
bench_channel_subscribers(uint32_t channel)
{
    return bench_channel_share(channel, bench_options.subscribers);
}


/* the slow ones are the first ones, so they are spread as all are */

uint32_t
bench_channel_readers(uint32_t channel)
{
    return bench_channel_subscribers(channel)
           - bench_channel_share(channel, bench_options.slow);
}


static uint32_t
bench_channel_share(uint32_t channel, uint32_t n)
{
    return n / bench_options.channels + (channel < n % bench_options.channels);
}
