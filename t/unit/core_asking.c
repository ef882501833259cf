
/*
 * Copyright (C) The ngx_push_module authors
 *
 * NGX_PUSH_NOTHING: who asks is told once, when it has all there is.
 */


#include "core_check.h"


#define ASKING_READERS  5


typedef struct {
    ngx_push_subscription_t  s;
    ngx_uint_t               got;
    ngx_uint_t               nothing;
    ngx_uint_t               complete;       /* batches that said so */
    ngx_uint_t               early;          /* of "nothing", as it was got */
    ngx_uint_t               told;           /* the last other notice */
    ngx_uint_t               leaves;         /* when it is told */
    ngx_uint_t               blocked;
} asking_reader_t;


static ngx_push_zone_t  *zone, *one, *two;
static asking_reader_t   readers[ASKING_READERS];


static void leave_all(void);


static ngx_int_t
deliver(ngx_push_subscription_t *s, ngx_push_batch_t *b, ngx_uint_t what)
{
    ngx_uint_t        i;
    asking_reader_t  *r;

    r = (asking_reader_t *) s;

    switch (what) {

    case NGX_PUSH_NOTHING:
        r->nothing++;
        r->early = r->got;

        if (!b->complete || s->cursor != b->last) {
            r->early = (ngx_uint_t) -1;
        }

        if (r->leaves == 1) {
            ngx_push_hub_leave(s);
            return NGX_DONE;
        }

        if (r->leaves == 2) {
            leave_all();
            return NGX_DONE;
        }

        return NGX_OK;

    case NGX_PUSH_MESSAGES:

        if (r->blocked) {
            return NGX_AGAIN;
        }

        for (i = 0; i < b->n; i++) {
            r->got += (b->messages[i]->seq > s->cursor);
        }

        r->complete += b->complete;

        return NGX_OK;

    default:
        r->told = what;
        return NGX_OK;
    }
}


static void
leave_all(void)
{
    ngx_uint_t  i;

    for (i = 0; i < ASKING_READERS; i++) {
        if (readers[i].s.group) {
            ngx_push_hub_leave(&readers[i].s);
        }
    }
}


static asking_reader_t *
join(ngx_uint_t i, const char *channel, ngx_push_at_e at)
{
    ngx_str_t          name;
    asking_reader_t   *r;
    ngx_push_start_t   start;

    r = &readers[i];

    ngx_memzero(r, sizeof(asking_reader_t));
    ngx_memzero(&start, sizeof(ngx_push_start_t));

    start.at = at;
    name = core_str(channel);

    r->s.deliver = deliver;
    r->s.asking = 1;

    if (ngx_push_hub_join(one->hub, &r->s, &name, &start) != NGX_OK) {
        ok(0, "join");
    }

    return r;
}


static void
say(ngx_uint_t n, ngx_uint_t ttl)
{
    core_say_t  s;

    ngx_memzero(&s, sizeof(core_say_t));
    s.size = 10;
    s.ttl = ttl;

    while (n--) {
        core_publish(two, "a", &s);
    }
}


static void
seal(const char *channel)
{
    core_say_t  s;

    ngx_memzero(&s, sizeof(core_say_t));
    s.end = 1;
    s.empty = 1;

    core_publish(two, channel, &s);
}


/* a turn of the loop; the tick looks even if nobody rings */

static void
pump(void)
{
    ngx_uint_t  i;

    for (i = 0; i < 3; i++) {

        if (one->hub->pump.posted) {
            ngx_delete_posted_event(&one->hub->pump);
        }

        ngx_push_hub_pump(&one->hub->pump);
    }
}


static void
resume(asking_reader_t *r)
{
    is_int(ngx_push_hub_resume(&r->s), NGX_OK, "resume");
}


static void
set_up(void)
{
    core_rules.count = 1000;
    core_rules.ttl = 0;

    zone = core_zone(512 * 1024, 2);
    one = core_worker(zone);
    two = core_worker(zone);
}


static void
tear_down(const char *name)
{
    leave_all();
    pump();
    core_is_whole(zone, "whole: %s", name);

    core_stop(one);
    core_stop(two);
    core_zone_free(zone);
}


static void
test_once(void)
{
    asking_reader_t  *r;

    set_up();

    r = join(0, "a", NGX_PUSH_AT_LATEST);
    pump();
    is_int(r->nothing, 0, "not before it is resumed");

    resume(r);
    pump();
    is_int(r->nothing, 1, "an empty channel: nothing");
    is_int(r->s.asking, 0, "it asks no more");
    is_int(r->early, 0, "it had nothing");

    pump();
    resume(r);
    pump();
    is_int(r->nothing, 1, "told once");

    say(3, 0);
    pump();
    ok(r->got == 3 && r->nothing == 1, "messages without it");

    r->s.asking = 1;
    resume(r);
    pump();
    is_int(r->nothing, 2, "who asks again is told again");
    is_int(r->early, 3, "it has all");

    r = join(1, "a", NGX_PUSH_AT_LATEST);
    resume(r);
    pump();
    ok(r->got == 0 && r->nothing == 1, "nothing after the latest");

    r = join(2, "a", NGX_PUSH_AT_LATEST);
    r->s.asking = 0;
    resume(r);
    pump();
    is_int(r->nothing, 0, "who does not ask is not told");

    tear_down("once");
}


static void
test_messages(void)
{
    asking_reader_t  *r, *q;

    set_up();
    say(10, 0);

    r = join(0, "a", NGX_PUSH_AT_EARLIEST);
    resume(r);
    pump();
    ok(r->got == 10 && r->complete == 1 && r->nothing == 0,
       "messages up to the end say it themselves");

    /* and so it may take back its question, or be told when it is next woken */

    resume(r);
    pump();
    ok(r->nothing == 1 && r->early == 10, "then, after all");

    say(200, 0);
    r = join(1, "a", NGX_PUSH_AT_EARLIEST);
    resume(r);
    pump();
    ok(r->got == 210 && r->complete == 1 && r->nothing == 0,
       "not between batches");

    /* two of which one stands where the other's batch ends */

    r = join(2, "a", NGX_PUSH_AT_EARLIEST);
    q = join(3, "a", NGX_PUSH_AT_LATEST);
    r->s.cursor = 200;
    resume(r);
    resume(q);
    pump();
    ok(r->got == 10 && r->nothing == 0, "one gets messages");
    ok(q->got == 0 && q->nothing == 1, "the other nothing");

    tear_down("messages");
}


/* what a replay does without is nothing */

static void
test_covered(void)
{
    asking_reader_t  *r;

    set_up();

    say(5, 2);
    core_advance(1500);

    r = join(0, "a", NGX_PUSH_AT_EARLIEST);
    resume(r);
    pump();
    ok(r->got == 0 && r->nothing == 1, "expired ones");
    is_int(r->s.cursor, 5, "it is past them");

    say(5, 1);
    pump();
    is_int(r->got, 5, "live ones of no age come");

    r = join(1, "a", NGX_PUSH_AT_EARLIEST);
    resume(r);
    pump();
    ok(r->got == 0 && r->nothing == 1, "and are no replay");

    tear_down("covered");
}


/* a replay that ends below what has come meanwhile is not the end */

static void
test_between(void)
{
    asking_reader_t  *r;

    set_up();
    say(3, 2);
    core_advance(1500);

    r = join(0, "a", NGX_PUSH_AT_EARLIEST);
    say(4, 0);
    resume(r);
    pump();
    ok(r->got == 4 && r->complete == 1 && r->nothing == 0,
       "an empty replay, then live ones");

    r = join(1, "a", NGX_PUSH_AT_LATEST);
    say(1, 0);
    resume(r);
    pump();
    ok(r->got == 1 && r->complete == 1 && r->nothing == 0,
       "what came between join and resume");

    tear_down("between");
}


static void
test_blocked(void)
{
    asking_reader_t  *r;

    set_up();
    say(3, 0);

    r = join(0, "a", NGX_PUSH_AT_EARLIEST);
    r->blocked = 1;
    resume(r);
    pump();
    pump();
    ok(r->got == 0 && r->nothing == 0, "a blocked one is told nothing");

    r->blocked = 0;
    resume(r);
    pump();
    ok(r->got == 3 && r->nothing == 0, "it gets its messages");

    tear_down("blocked");
}


/* an end is another answer */

static void
test_ends(void)
{
    ngx_str_t         name;
    ngx_uint_t        n;
    asking_reader_t  *r, *q;

    set_up();
    say(3, 0);
    seal("a");
    seal("b");

    r = join(0, "a", NGX_PUSH_AT_EARLIEST);
    q = join(1, "b", NGX_PUSH_AT_LATEST);
    resume(r);
    resume(q);
    pump();
    ok(r->got == 3 && r->told == NGX_PUSH_ENDED && r->nothing == 0,
       "sealed: the rest, and its end");
    ok(q->got == 0 && q->told == NGX_PUSH_ENDED && q->nothing == 0,
       "sealed: its end");

    r = join(2, "c", NGX_PUSH_AT_LATEST);
    name = core_str("c");
    (void) ngx_push_channel_delete(two, &name, &n);
    resume(r);
    pump();
    ok(r->told == NGX_PUSH_DELETED && r->nothing == 0, "deleted");

    core_rules.backlog = 100;
    core_rules.count = 0;
    r = join(3, "d", NGX_PUSH_AT_LATEST);

    for (n = 0; n < 5; n++) {
        core_publish(two, "d", NULL);
    }

    resume(r);
    pump();
    ok(r->told == NGX_PUSH_OVERRUN && r->got == 1 && r->nothing == 0,
       "overrun, and then the rest");

    core_rules.backlog = 1 << 20;
    tear_down("ends");
}


/* whoever is told may go, and take others along */

static void
test_leaves(void)
{
    ngx_uint_t  i;

    set_up();

    for (i = 0; i < ASKING_READERS; i++) {
        resume(join(i, &"a\0b"[2 * (i % 2)], NGX_PUSH_AT_LATEST));
    }

    readers[1].leaves = 1;
    pump();
    ok(readers[1].s.group == NULL, "one leaves");

    for (i = 0; i < ASKING_READERS; i++) {
        is_int(readers[i].nothing, 1, "reader %lu is told",
               (unsigned long) i);
    }

    leave_all();

    for (i = 0; i < ASKING_READERS; i++) {
        resume(join(i, &"a\0b"[2 * (i % 2)], NGX_PUSH_AT_LATEST));
    }

    readers[2].leaves = 2;
    pump();
    ok(readers[0].nothing == 1 && readers[2].nothing == 1,
       "the first two of one channel are told");
    is_int(readers[4].nothing, 0, "the third has left with them");

    for (i = 0; i < ASKING_READERS; i++) {
        ok(readers[i].s.group == NULL, "reader %lu has left",
           (unsigned long) i);
    }

    ok(core_channel(zone, "a") == NULL || !core_channel(zone, "a")->listeners,
       "nobody listens");

    tear_down("leaves");
}


int
main(void)
{
    core_init();

    test_once();
    test_messages();
    test_covered();
    test_between();
    test_blocked();
    test_ends();
    test_leaves();

    return done();
}
