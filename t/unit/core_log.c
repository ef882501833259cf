
/*
 * Copyright (C) The ngx_push_module authors
 *
 * The ring of a log alone, with numbers missing anywhere, against an array.
 */


#include "core_check.h"


#define LOG_MESSAGES  4000


static ngx_push_zone_t     *zone;
static ngx_push_channel_t  *ch;
static uint64_t             log_model[LOG_MESSAGES];
static ngx_uint_t           log_n;
static ngx_uint_t           log_behind;


static ngx_push_message_t *
message(uint64_t seq)
{
    core_say_t           say;
    ngx_push_publish_t   p;
    ngx_push_message_t  *m;

    ngx_memzero(&say, sizeof(core_say_t));
    core_render(&p, &say);

    m = ngx_push_message_create(&zone->sh->arena, &p);
    m->seq = seq;

    free(p.bytes.data);

    return m;
}


static int
same(uint64_t last)
{
    uint64_t    seq;
    ngx_uint_t  i, want;

    if (ch->log.n != log_n || ch->log.behind != log_behind) {
        return 0;
    }

    for (i = 0; i < log_n; i++) {
        if (ngx_push_log_at(zone->sh, &ch->log, i)->seq != log_model[i]) {
            return 0;
        }
    }

    for (i = 0; i < 10; i++) {
        seq = i ? core_random(last + 2) : last;

        for (want = 0; want < log_n && log_model[want] <= seq; want++) {
            /* void */
        }

        if (ngx_push_log_after(zone->sh, &ch->log, seq) != want) {
            return 0;
        }
    }

    return 1;
}


/* takes some of [i, j) out */

static void
take_out(ngx_uint_t i, ngx_uint_t j, ngx_uint_t share)
{
    ngx_uint_t           r, w, out;
    ngx_push_message_t  *m;

    w = i;
    out = 0;

    for (r = i; r < j; r++) {

        if (core_random(100) >= share) {
            log_model[w++] = log_model[r];
            continue;
        }

        out += (r < log_behind);

        m = ngx_push_log_at(zone->sh, &ch->log, r);
        ngx_push_log_slot(zone->sh, &ch->log, r)->message = 0;
        ngx_push_message_destroy(&zone->sh->arena, m);
    }

    for (r = j; r < log_n; r++) {
        log_model[w++] = log_model[r];
    }

    log_n = w;
    log_behind -= out;

    ngx_push_log_close(zone->sh, &ch->log, i, j);
}


static void
test_random(void)
{
    uint32_t    size;
    uint64_t    last;
    ngx_str_t   name;
    ngx_uint_t  i, j, n, good, rings;

    zone = core_zone(4 * 1024 * 1024, 2);
    name = core_str("a");
    ch = ngx_push_channel_create(zone->sh, &name);

    last = 0;
    good = 1;
    rings = 0;

    for (n = 0; n < 60000 && good; n++) {
        size = ch->log.size;

        if (size && n % 64 == 0) {

            /* the same place, just before it wraps around */

            ch->log.first |= ~(size - 1);
        }

        switch (core_random(8)) {

        case 0:
            if (log_n) {
                i = core_random(log_n);
                take_out(i, i + 1, 100);
            }

            break;

        case 1:
            if (log_n && core_random(4) == 0) {
                i = core_random(log_n);
                j = i + core_random(log_n - i) + 1;
                take_out(i, j, core_random(101));
            }

            break;

        case 2:
            if (log_n) {
                take_out(0, 1, 100);
            }

            break;

        case 3:
            log_behind = log_n ? core_random(log_n) : 0;
            ch->log.behind = log_behind;
            break;

        case 4:
            if (core_random(2000) == 0) {
                take_out(0, log_n, 99);
            }

            ngx_push_log_shrink(zone->sh, ch);
            break;

        default:
            if (log_n == LOG_MESSAGES
                || ngx_push_log_reserve(zone->sh, ch) != NGX_OK)
            {
                break;
            }

            last += core_random(4) ? 1 : core_random(10) + 1;
            ngx_push_log_push(zone->sh, &ch->log, message(last));
            log_model[log_n++] = last;
        }

        rings += (size != ch->log.size);

        good = (n % 8) || same(last);
    }

    ok(good, "as an array has it, %lu steps, %lu rings", (unsigned long) n,
       (unsigned long) rings);

    take_out(0, log_n, 100);
    ngx_push_log_shrink(zone->sh, ch);
    is_int(zone->sh->arena.units[NGX_PUSH_BLOCK_RING], 0, "no ring is left");
    is_int(zone->sh->arena.units[NGX_PUSH_BLOCK_RESERVED], 0,
           "no message is left");

    core_zone_free(zone);
}


int
main(void)
{
    core_init();
    core_seed();

    test_random();

    return done();
}
