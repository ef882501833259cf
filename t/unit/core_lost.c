
/*
 * Copyright (C) The ngx_push_module authors
 *
 * A zone whose row of blocks is broken begins anew; all who read from it are
 * told, whatever they do then.
 */


#include "core_check.h"


#define LOST_READERS  60


typedef struct {
    ngx_push_subscription_t  s;
    const char              *channel;
    ngx_uint_t               lost;
    ngx_uint_t               got;
    ngx_uint_t               then;           /* 0 leaves, 1 joins again */
    unsigned                 here:1;
    unsigned                 blocked:1;
} lost_reader_t;


static ngx_push_zone_t  *zone, *one, *two;
static lost_reader_t     lost_readers[LOST_READERS];


static void join(ngx_push_zone_t *worker, lost_reader_t *r);


static ngx_int_t
deliver(ngx_push_subscription_t *s, ngx_push_batch_t *b, ngx_uint_t what)
{
    ngx_uint_t      i;
    lost_reader_t  *r, *other;

    r = (lost_reader_t *) s;

    if (what == NGX_PUSH_LOST) {
        r->lost++;
        r->here = 0;
        ngx_push_hub_leave(s);

        /* a client may have several subscriptions */

        other = &lost_readers[core_random(LOST_READERS)];

        if (other->here && other != r && core_random(3) == 0
            && (other - lost_readers) % 2 == (r - lost_readers) % 2)
        {
            other->here = 0;
            other->lost++;
            ngx_push_hub_leave(&other->s);
        }

        if (r->then) {
            join((r - lost_readers) % 2 ? two : one, r);
            ngx_push_hub_resume(&r->s);
        }

        return NGX_DONE;
    }

    if (r->blocked) {
        return NGX_AGAIN;
    }

    for (i = 0; i < b->n; i++) {
        r->got += (b->messages[i]->seq > s->cursor);
    }

    return NGX_OK;
}


static void
join(ngx_push_zone_t *worker, lost_reader_t *r)
{
    ngx_str_t         name;
    ngx_push_start_t  start;

    ngx_memzero(&start, sizeof(ngx_push_start_t));
    ngx_memzero(&r->s, sizeof(ngx_push_subscription_t));

    name = core_str(r->channel);
    r->s.deliver = deliver;
    r->here = (ngx_push_hub_join(worker->hub, &r->s, &name, &start)
               == NGX_OK);
}


/* somebody wrote where he should not, and somebody died with the lock */

static void
break_zone(void)
{
    ngx_push_block_t  *b;

    b = ngx_push_ptr(zone->sh, zone->sh->arena.first);
    b->tag += 3;

    zone->sh->writer = 1;
}


static void
turn(ngx_push_zone_t *worker)
{
    if (worker->hub->pump.posted) {
        ngx_delete_posted_event(&worker->hub->pump);
    }

    ngx_push_hub_pump(&worker->hub->pump);
}


static void
test_run(ngx_uint_t run)
{
    uint32_t        units;
    ngx_uint_t      i, n, told;
    lost_reader_t  *r;

    zone = core_zone(256 * 1024, 2);
    units = core_free_units(zone->sh);

    one = core_worker(zone);
    two = core_worker(zone);

    ngx_memzero(lost_readers, sizeof(lost_readers));

    for (i = 0; i < LOST_READERS; i++) {
        r = &lost_readers[i];
        r->channel = &"a\0b\0c\0d\0e\0f"[2 * core_random(6)];
        r->then = core_random(2);
        r->blocked = (core_random(4) == 0);

        join(i % 2 ? two : one, r);

        if (core_random(5)) {
            ngx_push_hub_resume(&r->s);
        }
    }

    for (i = 0; i < 20; i++) {
        core_publish(one, &"a\0b\0c\0d\0e\0f"[2 * core_random(6)], NULL);

        if (core_random(3) == 0) {
            turn(core_random(2) ? one : two);
        }
    }

    break_zone();

    /* whoever is first to see it, doing whatever */

    switch (run % 4) {
    case 0:
        turn(one);
        break;
    case 1:
        lost_readers[0].here = 0;
        lost_readers[0].lost = 1;
        ngx_push_hub_leave(&lost_readers[0].s);
        break;
    case 2:
        core_publish(two, "a", NULL);
        break;
    case 3:
        lost_readers[1].here = 0;
        lost_readers[1].lost = 1;
        ngx_push_hub_leave(&lost_readers[1].s);
        join(two, &lost_readers[1]);
        ngx_push_hub_resume(&lost_readers[1].s);
        break;
    }

    turn(two);
    turn(one);

    told = 0;

    for (i = 0; i < LOST_READERS; i++) {
        r = &lost_readers[i];

        if (r->here && r->lost == 0) {

            /* it was away, and is told when it comes back */

            r->blocked = 0;
            ngx_push_hub_resume(&r->s);
        }

        told += (r->lost > 0);
    }

    is_int(told, LOST_READERS, "run %lu: all are told",
           (unsigned long) run);
    core_is_whole(zone, "whole");

    for (i = 0; i < LOST_READERS; i++) {
        lost_readers[i].got = 0;
        lost_readers[i].blocked = 0;
    }

    turn(one);
    turn(two);

    for (i = 0; i < 6; i++) {
        core_publish(one, &"a\0b\0c\0d\0e\0f"[2 * i], NULL);
    }

    turn(one);
    turn(two);

    for (n = 0, i = 0; i < LOST_READERS; i++) {
        n += (lost_readers[i].here && lost_readers[i].got != 1);
    }

    is_int(n, 0, "those who joined again read on");

    for (i = 0; i < LOST_READERS; i++) {
        if (lost_readers[i].here) {
            ngx_push_hub_leave(&lost_readers[i].s);
        }
    }

    core_stop(one);
    core_stop(two);

    while (ngx_push_channel_make_room(zone->sh) == NGX_OK) { /* void */ }

    core_is_whole(zone, "whole, all left");
    is_int(core_free_units(zone->sh), units, "all units are free again");

    core_zone_free(zone);
}


int
main(void)
{
    ngx_uint_t  n;

    core_init();
    core_seed();

    unit_log.log_level = NGX_LOG_EMERG;

    for (n = 0; n < 40; n++) {
        test_run(n);
    }

    return done();
}
