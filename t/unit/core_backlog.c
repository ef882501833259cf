
/*
 * Copyright (C) The ngx_push_module authors
 *
 * Slow readers: what is kept for them behind the history, and for how long.
 */


#include "core_check.h"


typedef struct {
    ngx_push_subscription_t  s;
    ngx_uint_t               got;
    ngx_uint_t               overruns;
    ngx_uint_t               ended;
    ngx_uint_t               calls;
    uint64_t                 floor;
    unsigned                 blocked:1;
} backlog_reader_t;


static ngx_push_zone_t  *zone, *one, *two;


static ngx_int_t
deliver(ngx_push_subscription_t *s, ngx_push_batch_t *b, ngx_uint_t what)
{
    ngx_uint_t         i;
    backlog_reader_t  *r;

    r = (backlog_reader_t *) s;
    r->calls++;

    if (r->blocked) {
        return NGX_AGAIN;
    }

    switch (what) {

    case NGX_PUSH_MESSAGES:
        break;

    case NGX_PUSH_OVERRUN:
        r->overruns++;
        r->floor = b->floor;
        return NGX_OK;

    default:
        r->ended = what;
        return NGX_OK;
    }

    for (i = 0; i < b->n; i++) {
        r->got += (b->messages[i]->seq > s->cursor);
    }

    return NGX_OK;
}


static ngx_push_start_t
join(ngx_push_zone_t *worker, backlog_reader_t *r, ngx_push_at_e at,
    uint64_t seq)
{
    ngx_str_t         name;
    ngx_push_start_t  start;

    ngx_memzero(r, sizeof(backlog_reader_t));
    ngx_memzero(&start, sizeof(ngx_push_start_t));

    name = core_str("a");
    r->s.deliver = deliver;
    start.at = at;
    start.id.seq = seq;
    start.n = seq;

    if (core_channel(zone, "a")) {
        start.id.epoch = core_channel(zone, "a")->epoch;
    }

    is_int(ngx_push_hub_join(worker->hub, &r->s, &name, &start), NGX_OK,
           "join");

    return start;
}


static void
pump(ngx_push_zone_t *worker)
{
    if (worker->hub->pump.posted) {
        ngx_delete_posted_event(&worker->hub->pump);
    }

    ngx_push_hub_pump(&worker->hub->pump);
}


static void
say(ngx_uint_t n, ngx_uint_t ttl)
{
    core_say_t  s;

    ngx_memzero(&s, sizeof(core_say_t));
    s.size = 100;
    s.ttl = ttl;

    while (n--) {
        core_publish(zone, "a", &s);
    }
}


static void
set_up(ngx_uint_t count, size_t backlog)
{
    core_rules.count = count;
    core_rules.backlog = backlog;

    zone = core_zone(512 * 1024, 2);
    one = core_worker(zone);
    two = core_worker(zone);
}


static void
tear_down(const char *name)
{
    core_is_whole(zone, "whole: %s", name);

    core_stop(one);
    core_stop(two);

    core_is_whole(zone, "whole, stopped: %s", name);
    core_zone_free(zone);
}


/* history off: a worker that is late still gets all, up to the backlog */

static void
test_late_worker(void)
{
    backlog_reader_t  r, q;

    set_up(0, 1000);

    join(one, &r, NGX_PUSH_AT_LATEST, 0);
    join(two, &q, NGX_PUSH_AT_LATEST, 0);
    ngx_push_hub_resume(&r.s);
    ngx_push_hub_resume(&q.s);
    pump(one);
    pump(two);

    say(10, 0);
    is_int(core_channel(zone, "a")->kept, 0, "there is no history");
    is_int(core_channel(zone, "a")->loose_size, 1000, "a backlog");

    pump(one);
    is_int(core_channel(zone, "a")->loose_size, 1000, "for the other one");
    pump(two);
    ok(r.got == 10 && q.got == 10 && r.overruns + q.overruns == 0,
       "both have all");
    is_int(core_channel(zone, "a")->log.n, 0, "nothing is left");

    say(13, 0);
    pump(two);
    is_int(q.overruns, 1, "three more than the backlog");
    is_int(q.floor, 13, "just these");
    is_int(q.got, 20, "and then the rest");

    say(1, 0);
    pump(one);
    ok(r.overruns == 1 && r.floor == 14 && r.got == 20, "the late one");

    say(4, 1);
    pump(two);
    pump(one);
    ok(r.got == 24 && q.got == 25, "TTL 0 is delivered live");

    ngx_push_hub_leave(&r.s);
    ngx_push_hub_leave(&q.s);

    tear_down("a late worker");
}


/* a reader whose socket is full for a moment */

static void
test_blocked(void)
{
    ngx_uint_t        n;
    backlog_reader_t  r, q;

    set_up(0, 1000);

    join(one, &r, NGX_PUSH_AT_LATEST, 0);
    join(one, &q, NGX_PUSH_AT_LATEST, 0);
    ngx_push_hub_resume(&r.s);
    ngx_push_hub_resume(&q.s);
    pump(one);

    r.blocked = 1;
    say(1, 0);
    pump(one);

    for (n = 0; n < 4; n++) {
        say(1, 0);
        say(1, 1);
        pump(one);
    }

    is_int(q.got, 9, "the other one has all");
    is_int(core_channel(zone, "a")->log.n, 9, "all is kept for the slow one");
    is_int(r.calls, 1, "which costs nothing meanwhile");

    r.blocked = 0;
    ngx_push_hub_resume(&r.s);
    pump(one);
    ok(r.got == 9 && r.overruns == 0, "it has all, live ones too");
    is_int(core_channel(zone, "a")->log.n, 0, "nothing is left");

    r.blocked = 1;
    say(1, 0);
    pump(one);
    say(15, 0);
    pump(one);

    is_int(core_channel(zone, "a")->log.n, 0,
           "a reader that is overrun holds nothing back");

    say(5, 0);
    pump(one);

    r.blocked = 0;
    ngx_push_hub_resume(&r.s);
    pump(one);
    ok(r.overruns == 1 && r.floor == 30, "told, up to where it is");

    say(1, 0);
    pump(one);
    ok(r.got == 10 && r.overruns == 1, "and it goes on");

    r.blocked = 1;
    say(3, 0);
    pump(one);
    is_int(core_channel(zone, "a")->log.n, 3, "held back again");

    ngx_push_hub_leave(&r.s);
    ok(one->hub->pump.posted, "its leaving is news");
    pump(one);
    is_int(core_channel(zone, "a")->log.n, 0, "nothing is left");

    ngx_push_hub_leave(&q.s);
    tear_down("blocked");
}


/* between join and resume, and while it replays, nothing goes */

static void
test_joining(void)
{
    backlog_reader_t  r, q;
    ngx_push_start_t  start;

    set_up(5, 2000);

    join(one, &q, NGX_PUSH_AT_LATEST, 0);
    ngx_push_hub_resume(&q.s);
    say(8, 0);
    say(2, 1);
    pump(one);

    start = join(one, &r, NGX_PUSH_AT_EARLIEST, 0);
    is_int(start.start.seq, 3, "earliest");

    say(4, 0);
    say(2, 1);
    pump(one);
    pump(one);
    is_int(q.got, 16, "the other one has all");

    ngx_push_hub_resume(&r.s);
    pump(one);
    ok(r.got == 11 && r.overruns == 0,
       "history as it was at the join, then what came");

    ngx_push_hub_leave(&r.s);
    start = join(one, &r, NGX_PUSH_AT_ID, 6);
    is_int(start.found, NGX_PUSH_EXPIRED, "an old id");
    is_int(start.start.seq, 7, "where the history begins");
    ngx_push_hub_resume(&r.s);
    pump(one);
    is_int(r.got, 5, "less what was only live");

    ngx_push_hub_leave(&r.s);
    ngx_push_hub_leave(&q.s);
    tear_down("joining");
}


/* only live messages are lost to the backlog: no gap for a resume */

static void
test_overrun_live_only(void)
{
    backlog_reader_t  r, q;
    ngx_push_start_t  start;

    set_up(10, 500);

    join(one, &r, NGX_PUSH_AT_LATEST, 0);
    ngx_push_hub_resume(&r.s);
    pump(one);

    say(2, 0);
    say(10, 1);
    say(1, 0);

    start = join(two, &q, NGX_PUSH_AT_ID, 0);
    is_int(start.found, NGX_PUSH_COMPLETE, "all that was to be kept is there");
    ngx_push_hub_resume(&q.s);
    pump(two);
    ok(q.got == 3 && q.overruns == 0, "as a replay shows");

    pump(one);
    ok(r.overruns == 1 && r.floor == 7, "but the live reader was overrun");
    is_int(r.got, 1, "what is kept follows, what was only live does not");

    ngx_push_hub_leave(&r.s);
    ngx_push_hub_leave(&q.s);
    tear_down("live only");
}


/* many to write to, many to read: slices, and an end to each */

static void
test_slices(void)
{
    ngx_uint_t         i, n;
    backlog_reader_t  *r;

    set_up(1000, 1 << 20);
    say(200, 0);

    r = calloc(1000, sizeof(backlog_reader_t));

    for (i = 0; i < 1000; i++) {
        ngx_str_t         name;
        ngx_push_start_t  start;

        ngx_memzero(&start, sizeof(ngx_push_start_t));
        start.at = i % 3 ? NGX_PUSH_AT_LAST : NGX_PUSH_AT_LATEST;
        start.n = i % 200;
        name = core_str("a");
        r[i].s.deliver = deliver;

        (void) ngx_push_hub_join(one->hub, &r[i].s, &name, &start);
        ngx_push_hub_resume(&r[i].s);
    }

    say(1, 0);

    for (n = 0; n < 100; n++) {
        pump(one);

        if (ngx_queue_empty(&one->hub->work)) {
            break;
        }
    }

    ok(n > 2 && n < 20, "in %lu slices", (unsigned long) n + 1);
    is_int(ngx_push_bells(zone->sh)[one->hub->number].rung, 0,
           "the bell is silent");

    n = 0;

    for (i = 0; i < 1000; i++) {
        n += (r[i].got == 1 + (i % 3 ? i % 200 : 0) && r[i].overruns == 0);
    }

    is_int(n, 1000, "each has what it asked for");

    is_int(zone->sh->nmessages, 201, "messages");

    for (i = 0; i < 1000; i++) {
        ngx_push_hub_leave(&r[i].s);
    }

    free(r);
    tear_down("slices");
}


/* a reader that stays after its end is left alone */

static void
test_ends(void)
{
    ngx_str_t         name;
    core_say_t        s;
    ngx_uint_t        n, calls;
    backlog_reader_t  r, q;

    set_up(10, 1000);

    join(one, &r, NGX_PUSH_AT_LATEST, 0);
    ngx_push_hub_resume(&r.s);
    pump(one);

    ngx_memzero(&s, sizeof(core_say_t));
    s.size = 10;
    s.end = 1;
    core_publish(zone, "a", &s);
    pump(one);

    ok(r.got == 1 && r.ended == NGX_PUSH_ENDED, "sealed, all read");

    join(one, &q, NGX_PUSH_AT_EARLIEST, 0);
    ngx_push_hub_resume(&q.s);
    pump(one);
    ok(q.got == 1 && q.ended == NGX_PUSH_ENDED, "who comes later as well");

    calls = r.calls + q.calls;

    name = core_str("a");
    is_int(ngx_push_channel_delete(zone, &name, &n), NGX_OK, "delete");
    is_int(n, 2, "two subscribers");
    say(3, 0);
    pump(one);
    is_int(r.calls + q.calls, calls, "who was told is not told again");

    ngx_push_hub_leave(&r.s);
    ngx_push_hub_leave(&q.s);

    join(one, &r, NGX_PUSH_AT_LATEST, 0);
    ngx_push_hub_resume(&r.s);
    pump(one);
    (void) ngx_push_channel_delete(zone, &name, &n);
    say(2, 0);
    pump(one);
    ok(r.ended == NGX_PUSH_DELETED && r.got == 0, "deleted, told first");

    ngx_push_hub_leave(&r.s);
    tear_down("ends");
}


/*
 * The newest message alone is larger than the backlog, and something older is
 * kept: a newer one of its topic, by a publisher who allows for more, must not
 * take it from who reads live.
 */

static void
test_kept_ahead(void)
{
    core_say_t        s;
    ngx_push_rules_t  rules;
    backlog_reader_t  r;

    set_up(100, 1000);

    rules = core_rules;
    rules.backlog = 10000;

    (void) join(one, &r, NGX_PUSH_AT_LATEST, 0);
    (void) ngx_push_hub_resume(&r.s);
    pump(one);

    ngx_memzero(&s, sizeof(core_say_t));
    s.size = 100;
    s.topic = "t";
    core_publish(zone, "a", &s);

    s.topic = NULL;
    s.ttl = 1;
    s.size = 2000;
    core_publish(zone, "a", &s);

    s.topic = "t";
    s.ttl = 0;
    s.size = 100;
    s.rules = &rules;
    core_publish(zone, "a", &s);

    pump(one);
    is_int(r.got + 100 * r.overruns, 3, "all three, live");

    ngx_push_hub_leave(&r.s);
    tear_down("kept ahead");
}


int
main(void)
{
    core_init();

    test_late_worker();
    test_blocked();
    test_joining();
    test_overrun_live_only();
    test_kept_ahead();
    test_slices();
    test_ends();

    return done();
}
