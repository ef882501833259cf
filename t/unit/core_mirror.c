
/*
 * Copyright (C) The ngx_push_module authors
 *
 * Logs that are written elsewhere: reading them, following them, terms that
 * lose what they had, other lives, who leads, and who waits.
 */


#include "core_check.h"
#include "ngx_push_mirror.h"


#define MIRROR_TOLD  64


/* a subscription that notes what it is given: numbers, or minus what */

typedef struct {
    ngx_push_subscription_t  s;
    long long                told[MIRROR_TOLD];
    ngx_uint_t               n;
    uint64_t                 next;           /* of the last gap */
} mirror_reader_t;


static ngx_push_zone_t   *zone, *one, *two;
static ngx_uint_t         woken;
static ngx_push_waiter_t *waited;
static ngx_int_t          waited_rc;
static ngx_uint_t         again, missing;


static void
mirror_wake(ngx_push_zone_t *z)
{
    woken += (z != NULL);
}


static const ngx_push_backplane_t  mirror_backplane = {
    "test", NULL, NULL, NULL, NULL, NULL, NULL, mirror_wake
};


static void
run(ngx_push_zone_t *worker)
{
    ngx_push_hub_pump(&worker->hub->pump);

    while (worker->hub->pump.posted || worker->hub->open.posted) {

        if (worker->hub->open.posted) {
            ngx_delete_posted_event(&worker->hub->open);
            ngx_push_hub_opened(&worker->hub->open);
        }

        if (worker->hub->pump.posted) {
            ngx_delete_posted_event(&worker->hub->pump);
            ngx_push_hub_pump(&worker->hub->pump);
        }
    }
}


static ngx_int_t
mirror_deliver(ngx_push_subscription_t *s, ngx_push_batch_t *b,
    ngx_uint_t what)
{
    ngx_uint_t        i;
    mirror_reader_t  *r;

    r = (mirror_reader_t *) s;

    if (what == NGX_PUSH_MESSAGES) {

        for (i = 0; i < b->n; i++) {
            if (b->messages[i]->seq > s->cursor) {
                r->told[r->n++ % MIRROR_TOLD] = b->messages[i]->seq;
            }
        }

        return NGX_OK;
    }

    r->told[r->n++ % MIRROR_TOLD] = -(long long) what;

    if (what <= NGX_PUSH_REPLACED) {
        r->next = b->next;
        return NGX_OK;
    }

    ngx_push_hub_leave(s);

    return NGX_DONE;
}


static ngx_int_t
join_at(ngx_push_zone_t *worker, mirror_reader_t *r, ngx_push_start_t *start)
{
    ngx_int_t  rc;
    ngx_str_t  name;

    ngx_memzero(r, sizeof(mirror_reader_t));
    r->s.deliver = mirror_deliver;
    name = core_str("a");

    rc = ngx_push_hub_join(worker->hub, &r->s, &name, start);

    if (rc == NGX_OK) {
        (void) ngx_push_hub_resume(&r->s);
        run(worker);
    }

    return rc;
}


/* with an id of this epoch; epoch 0: the latest */

static ngx_uint_t
join(ngx_push_zone_t *worker, mirror_reader_t *r, uint64_t epoch,
    uint64_t seq)
{
    ngx_push_start_t  start;

    ngx_memzero(&start, sizeof(ngx_push_start_t));
    start.at = epoch ? NGX_PUSH_AT_ID : NGX_PUSH_AT_LATEST;
    start.id.epoch = epoch;
    start.id.seq = seq;

    if (join_at(worker, r, &start) != NGX_OK) {
        return 100;
    }

    r->next = start.start.seq;

    return start.found;
}


/* what it was given, as words */

static const char *
told(mirror_reader_t *r)
{
    char              *p;
    ngx_uint_t         i;
    static char        text[MIRROR_TOLD * 22];

    p = text;
    *p = '\0';

    for (i = 0; i < r->n && i < MIRROR_TOLD; i++) {
        p += sprintf(p, "%s%lld", i ? " " : "", r->told[i]);
    }

    r->n = 0;

    return text;
}


static void
is_told(mirror_reader_t *r, const char *want, const char *name)
{
    const char  *got;

    got = told(r);

    ok(strcmp(got, want) == 0, "%s: %s (%s)", name, want, got);
}


static ngx_push_copy_t
copy_of(uint64_t epoch, uint64_t last, uint64_t floor)
{
    ngx_push_copy_t      copy;
    ngx_push_channel_t  *ch;

    ngx_memzero(&copy, sizeof(ngx_push_copy_t));

    copy.epoch = epoch;
    copy.last = last;
    copy.floor = floor;

    ch = core_channel(zone, "a");

    if (ch && ch->mirrored) {
        copy.asked_epoch = ch->epoch;
        copy.asked_last = ch->last;
    }

    return copy;
}


/* where the log has gone back, what was read begins too late: once more */

static ngx_int_t
begin(ngx_str_t *name, ngx_push_copy_t *copy)
{
    ngx_int_t            rc;
    ngx_push_channel_t  *ch;

    rc = ngx_push_mirror_begin(zone, name, copy);

    if (rc == NGX_AGAIN) {
        again++;

        ch = core_channel(zone, "a");
        copy->asked_epoch = ch->epoch;
        copy->asked_last = ch->last;

        rc = ngx_push_mirror_begin(zone, name, copy);
    }

    return rc;
}


/* reads all of it, as a leader would; from and to: what is kept */

static void
read_all(ngx_push_copy_t *copy, uint64_t from, uint64_t to)
{
    uint64_t            seq;
    ngx_str_t           name;
    core_say_t          say;
    ngx_push_target_t   target;
    ngx_push_publish_t  p;

    name = core_str("a");

    is_int(begin(&name, copy), NGX_OK, "begin");

    for (seq = from; from && seq <= to; seq++) {
        ngx_memzero(&say, sizeof(core_say_t));
        ngx_memzero(&target, sizeof(ngx_push_target_t));
        say.size = 10;
        target.channel = name;

        core_render(&p, &say);
        p.targets = &target;
        p.ntargets = 1;
        p.time = ngx_push_now();

        (void) ngx_push_mirror_fill(zone, &p, seq);
        free(p.bytes.data);
    }

    is_int(ngx_push_mirror_finish(zone, &name, copy), NGX_OK, "finish");
}


static ngx_int_t
hear(uint64_t epoch, uint64_t began, uint64_t seq, ngx_uint_t own)
{
    ngx_int_t           rc;
    core_say_t          say;
    ngx_push_place_t    place;
    ngx_push_target_t   target;
    ngx_push_publish_t  p;

    ngx_memzero(&say, sizeof(core_say_t));
    ngx_memzero(&target, sizeof(ngx_push_target_t));
    say.size = 10;
    target.channel = core_str("a");

    core_render(&p, &say);
    p.targets = &target;
    p.ntargets = 1;

    place.epoch = epoch;
    place.began = began;
    place.seq = seq;
    place.time = ngx_push_now();

    rc = ngx_push_mirror_append(zone, &p, &place, own);

    free(p.bytes.data);
    run(one);
    run(two);

    return rc;
}


static void
waiter_ready(ngx_push_waiter_t *w, ngx_int_t rc)
{
    waited = w;
    waited_rc = rc;
}


static void
miss(void *data, ngx_str_t *name)
{
    missing++;
}


static void
set_up(void)
{
    zone = core_zone(512 * 1024, 4);
    zone->backplane = &mirror_backplane;
    zone->sh->mirror.on = 1;
    one = core_worker(zone);
    two = core_worker(zone);

    zone->hub = one->hub;
    is_int(ngx_push_mirror_lead(zone), NGX_OK, "one leads");
    ngx_push_mirror_turn(zone, 1);
}


static void
tear_down(const char *name)
{
    core_is_whole(zone, "whole: %s", name);

    zone->hub = NULL;
    core_stop(one);
    core_stop(two);
    core_zone_free(zone);
}


/* somebody waits for the channel: it is in the zone */

static ngx_push_channel_t *
known(void)
{
    ngx_str_t                 name;
    static ngx_push_waiter_t  w;

    name = core_str("a");
    w.ready = waiter_ready;

    is_int(ngx_push_hub_open(two->hub, &w, &name), NGX_AGAIN, "wanted");

    return core_channel(zone, "a");
}


#define L1T1  ngx_push_epoch(0x123456, 0xabcdef)
#define L1T2  ngx_push_epoch(0x123456, 0x000001)
#define L1T3  ngx_push_epoch(0x123456, 0x800000)
#define L2T3  ngx_push_epoch(0x654321, 0x800000)


static void
test_epoch(void)
{
    is_int(ngx_push_epoch_life(L1T1), 0x123456, "life");
    is_int(ngx_push_epoch_term(L1T1), 0xabcdef, "term");
    is_int(L1T1 >> 48, 0, "48 bits");
    ok(((L1T1 ^ L1T2) & NGX_PUSH_LIFE) == 0, "one life");
    ok(((L1T3 ^ L2T3) & NGX_PUSH_LIFE) != 0, "another");
    ok(((L1T1 ^ L1T2) & NGX_PUSH_BRIEF) != 0, "terms differ in a brief id");
    ok(((L1T3 ^ L2T3) & NGX_PUSH_BRIEF) != 0, "so do lives");
}


/* nobody joins what was not read; who waits is told when it was */

static void
test_waiting(void)
{
    ngx_str_t          name;
    mirror_reader_t    r;
    ngx_push_copy_t    copy;
    ngx_push_waiter_t  w, v;

    set_up();
    name = core_str("a");
    ngx_memzero(&w, sizeof(ngx_push_waiter_t));
    w.ready = waiter_ready;
    v = w;

    is_int(join(one, &r, 0, 0), 100, "not read: not joined");

    is_int(ngx_push_hub_open(two->hub, &w, &name), NGX_AGAIN, "it waits");
    is_int(ngx_push_hub_open(one->hub, &v, &name), NGX_AGAIN, "here too");
    ok(zone->sh->mirror.nwanted > 0, "the leader is asked");
    ngx_push_hub_cancel(&v);

    copy = copy_of(L1T1, 5, 2);
    read_all(&copy, 3, 5);
    run(one);
    ok(waited == NULL, "who has given up is not told");
    run(two);
    ok(waited == &w && waited_rc == NGX_OK, "who waits is");
    is_int(core_channel(zone, "a")->listeners, 0, "nobody is left on it");

    is_int(ngx_push_hub_open(two->hub, &w, &name), NGX_OK, "now it is current");
    is_int(join(two, &r, L1T1, 3), NGX_PUSH_COMPLETE, "joined");
    is_told(&r, "4 5", "what was read");

    ngx_push_mirror_turn(zone, 0);
    is_int(join(one, &r, 0, 0), 100, "deaf: not joined");
    is_int(ngx_push_hub_open(one->hub, &w, &name), NGX_AGAIN, "it waits again");
    ngx_push_hub_cancel(&w);

    tear_down("waiting");
}


/* an id that is not in the log may be of one that is ahead of it */

static void
test_doubt(void)
{
    ngx_str_t            name;
    ngx_push_copy_t      copy;
    ngx_push_start_t     start;
    ngx_push_waiter_t    w, v;
    ngx_push_mirrored_t  before, state;

    set_up();
    name = core_str("a");
    ngx_memzero(&start, sizeof(ngx_push_start_t));
    ngx_memzero(&w, sizeof(ngx_push_waiter_t));
    start.at = NGX_PUSH_AT_ID;
    w.ready = waiter_ready;
    w.start = &start;
    waited = NULL;

    (void) known();
    copy = copy_of(L1T1, 5, 0);
    read_all(&copy, 1, 5);
    run(two);
    waited = NULL;

    start.id.epoch = L1T1;
    start.id.seq = 5;
    is_int(ngx_push_hub_open(two->hub, &w, &name), NGX_OK, "in the log");

    start.id.seq = 6;
    is_int(ngx_push_mirror_ask(zone, &name, &before), NGX_OK, "a reading");
    is_int(ngx_push_hub_open(two->hub, &w, &name), NGX_AGAIN, "ahead of it");
    missing = 0;
    ngx_push_mirror_missing(zone, core_channel(zone, "a")->hash, miss, NULL);
    is_int(missing, 1, "it is to be read");

    copy = copy_of(L1T1, 5, 0);
    copy.asked = before.asked;
    read_all(&copy, 0, 0);
    run(two);
    ok(waited == NULL, "what began before is not enough");

    is_int(ngx_push_mirror_ask(zone, &name, &state), NGX_OK, "another one");
    ngx_push_mirror_missing(zone, core_channel(zone, "a")->hash, miss, NULL);
    is_int(missing, 1, "once is enough");
    v = w;
    start.id.epoch = L1T2;
    is_int(ngx_push_hub_open(two->hub, &v, &name), NGX_AGAIN, "of a new term");

    copy = copy_of(L1T1, 6, 0);
    copy.asked = state.asked;
    read_all(&copy, 6, 6);
    run(two);
    ok(waited == &w && waited_rc == NGX_OK, "what began later is");

    (void) ngx_push_mirror_ask(zone, &name, &state);
    copy = copy_of(L1T1, 6, 0);
    copy.asked = state.asked;
    read_all(&copy, 0, 0);
    run(two);
    ok(waited == &v && waited_rc == NGX_OK, "even if it is not found");

    tear_down("doubt");
}


/* next, seen, missing; own ones are never more than the next */

static void
test_following(void)
{
    ngx_str_t        name;
    mirror_reader_t  r, s;
    ngx_push_copy_t  copy;

    set_up();
    name = core_str("a");

    is_int(hear(L1T1, 1, 1, 0), NGX_DECLINED, "unknown");

    (void) known();
    is_int(hear(L1T1, 1, 1, 0), NGX_DECLINED, "not current");

    copy = copy_of(L1T1, 0, 0);
    read_all(&copy, 0, 0);
    is_int(join(one, &r, 0, 0), NGX_PUSH_COMPLETE, "joined");

    is_int(hear(L1T1, 1, 1, 0), NGX_OK, "next");
    is_int(hear(L1T1, 1, 1, 0), NGX_DONE, "seen");
    is_int(hear(L1T1, 1, 2, 1), NGX_OK, "own");
    is_int(hear(L1T1, 1, 2, 0), NGX_DONE, "and its echo");
    is_int(hear(L1T1, 1, 4, 1), NGX_AGAIN, "own, but not the next");
    is_int(hear(L1T1, 1, 5, 0), NGX_AGAIN, "a hole");
    is_told(&r, "1 2", "in order");

    copy = copy_of(L1T1, 5, 0);
    read_all(&copy, 3, 5);
    run(one);
    is_told(&r, "3 4 5", "what was missing");

    /* numbers that are not kept are no gap, what was trimmed is one */

    copy = copy_of(L1T1, 8, 0);
    read_all(&copy, 7, 7);
    run(one);
    is_told(&r, "7", "6 and 8 were not to be kept");
    is_int(core_channel(zone, "a")->last, 8, "but were given");

    copy = copy_of(L1T1, 20, 15);
    read_all(&copy, 16, 20);
    run(one);
    is_told(&r, "-1 16 17 18 19 20", "up to 15 all was lost");
    is_int(r.next, 15, "where it goes on");
    is_int(join(two, &s, L1T1, 12), NGX_PUSH_EXPIRED, "an id before that");

    /* an answer that is older than what was heard changes nothing */

    copy = copy_of(L1T1, 20, 15);
    is_int(hear(L1T1, 1, 21, 0), NGX_OK, "heard meanwhile");
    read_all(&copy, 0, 0);
    run(one);
    is_told(&r, "21", "nothing is taken back");

    is_int(hear(L1T2, 22, 22, 0), NGX_OK, "another master goes on");
    copy = copy_of(L1T1, 21, 15);
    copy.asked_epoch = L1T1;
    is_int(ngx_push_mirror_begin(zone, &name, &copy), NGX_AGAIN,
           "an answer from before it is not taken");
    is_told(&r, "22", "without a notice");

    is_int(hear(L1T1, 1, 23, 1), NGX_DONE, "own, of the old master");
    is_int(hear(L1T3, 22, 23, 0), NGX_AGAIN, "a term that began elsewhere");
    is_int(hear(L2T3, 1, 1, 0), NGX_AGAIN, "another life must be read");

    tear_down("following");
}


static void
add_term(ngx_push_copy_t *copy, ngx_uint_t i, uint64_t epoch, uint64_t end)
{
    copy->terms[i].epoch = epoch;
    copy->terms[i].end = end;
}


/* a failover that has lost 4 and 5 */

static void
test_terms(void)
{
    mirror_reader_t  r, s, t;
    ngx_push_copy_t  copy;

    set_up();
    (void) known();

    copy = copy_of(L1T1, 5, 0);
    read_all(&copy, 1, 5);
    is_int(join(one, &r, 0, 0), NGX_PUSH_COMPLETE, "one who has all");
    is_int(join(two, &s, 0, 0), NGX_PUSH_COMPLETE, "another");
    is_int(hear(L1T1, 1, 6, 0), NGX_OK, "6");
    is_told(&r, "6", "live");
    is_told(&s, "6", "live");

    /* the new master knows no more of it yet */

    is_int(again, 0, "nothing was read twice");
    copy = copy_of(L1T1, 3, 0);
    read_all(&copy, 0, 0);
    is_int(again, 1, "what was asked for began behind it");
    run(one);
    run(two);
    is_told(&r, "-2", "taken back: told at once");
    is_int(r.next, 3, "where both had the same");
    is_told(&s, "-2", "both are");

    is_int(hear(L1T2, 4, 4, 0), NGX_OK, "the number is given again");
    is_told(&r, "4", "and goes to all");
    is_told(&s, "4", "on each worker");

    is_int(join(one, &t, L1T1, 3), NGX_PUSH_COMPLETE, "an id that lasts");
    is_told(&t, "4", "what follows it");
    is_int(join(one, &t, L1T1, 4), NGX_PUSH_DIVERGED, "one that was lost");
    is_int(t.next, 3, "goes back");
    is_told(&t, "4", "to what is there");
    is_int(join(one, &t, L1T2, 4), NGX_PUSH_COMPLETE, "one of the new term");
    is_told(&t, "", "has all");
    is_int(join(one, &t, L1T2, 7), NGX_PUSH_DIVERGED, "beyond the last");
    is_int(join(one, &t, L1T3, 2), NGX_PUSH_DIVERGED, "of no known term");
    is_int(join(one, &t, L2T3, 2), NGX_PUSH_UNKNOWN, "of no known life");

    is_int(ngx_push_terms_epoch(ngx_push_lineage(core_channel(zone, "a"))->terms, L1T2, 3)
           == L1T1, 1, "3 is of the old term");
    is_int(ngx_push_terms_epoch(ngx_push_lineage(core_channel(zone, "a"))->terms, L1T2, 4)
           == L1T2, 1, "4 is of the new one");

    /* two failovers at once: the second has lost 4, and gave it again */

    copy = copy_of(L1T3, 6, 0);
    add_term(&copy, 0, L1T2, 3);
    add_term(&copy, 1, L1T1, 3);
    read_all(&copy, 4, 6);
    run(one);
    run(two);
    is_told(&r, "-2 4 5 6", "told, and given what is there");
    is_int(join(two, &t, L1T2, 4), NGX_PUSH_DIVERGED, "by its id as well");

    /* a term that only this zone has seen */

    copy = copy_of(L1T2, 5, 0);
    add_term(&copy, 0, L1T1, 3);
    read_all(&copy, 4, 5);
    run(one);
    is_told(&r, "-2 1 2 3 4 5", "nothing is known of it: all that is there");
    is_int(core_channel(zone, "a")->last, 5, "the log goes on");

    tear_down("terms");
}


static void
test_lives(void)
{
    ngx_str_t        name;
    mirror_reader_t  r, s;
    ngx_push_copy_t  copy;

    set_up();
    name = core_str("a");
    (void) known();

    copy = copy_of(L1T1, 3, 0);
    read_all(&copy, 1, 3);
    is_int(join(one, &r, 0, 0), NGX_PUSH_COMPLETE, "joined");

    /* all was lost */

    copy = copy_of(L2T3, 2, 0);
    read_all(&copy, 1, 2);
    run(one);
    is_told(&r, "-3 1 2", "another life: told, and all that is there");
    is_int(join(one, &s, L1T1, 2), NGX_PUSH_UNKNOWN, "an old id");
    is_told(&s, "1 2", "all that is there");

    /* deleted, while it was heard */

    is_int(ngx_push_mirror_delete(zone, &name, L1T2), NGX_OK, "deleted");
    run(one);
    is_told(&r, "-4", "told so");
    is_told(&s, "-4", "all are");
    is_int(ngx_push_mirror_delete(zone, &name, L1T2), NGX_OK, "once");

    /* and while it was not */

    is_int(join(two, &r, 0, 0), NGX_PUSH_COMPLETE, "joined again");
    ngx_push_mirror_turn(zone, 1);
    copy = copy_of(L2T3, 0, 0);
    copy.deleted = L1T3;
    read_all(&copy, 0, 0);
    run(two);
    is_told(&r, "-4", "told when it is read");

    tear_down("lives");
}


static void
test_leader(void)
{
    ngx_push_bell_t  *bells;

    set_up();
    bells = ngx_push_bells(zone->sh);

    is_int(ngx_push_mirror_leads(zone), 1, "it knows");

    /* another process has it now, and lives */

    zone->sh->mirror.leader = getppid();
    bells[zone->sh->mirror.bell].pid = getppid();
    bells[zone->sh->mirror.bell].start = 0;
    is_int(ngx_push_mirror_leads(zone), 0, "no longer");

    /* it dies */

    bells[zone->sh->mirror.bell].pid = 0;
    zone->hub = two->hub;
    is_int(ngx_push_mirror_lead(zone), NGX_OK, "the other takes over");
    is_int(zone->sh->mirror.bell, two->hub->number, "with its bell");
    is_int(zone->sh->mirror.up, 0, "and hears nothing yet");
    bells[one->hub->number].pid = ngx_pid;

    ngx_push_mirror_resign(zone);
    is_int(zone->sh->mirror.leader, 0, "nobody");
    ok(zone->sh->mirror.nwanted > NGX_PUSH_WANTED, "all is to be looked at");

    tear_down("leader");
}


/* random terms, lost tails and lives: the zone stays whole, readers ordered */

static void
test_random(void)
{
    uint64_t             epoch, last;
    ngx_str_t            name;
    ngx_uint_t           i, n, lost, bad;
    ngx_push_copy_t      copy;
    mirror_reader_t      r;
    ngx_push_channel_t  *ch;

    set_up();
    name = core_str("a");
    ch = known();

    epoch = L1T1;
    last = 0;
    bad = 0;

    copy = copy_of(epoch, 0, 0);
    read_all(&copy, 0, 0);
    is_int(join(one, &r, 0, 0), NGX_PUSH_COMPLETE, "joined");

    for (i = 0; i < 3000; i++) {
        n = core_random(100);

        if (n < 85) {
            last++;
            (void) hear(epoch, 1, last, core_random(2));

        } else if (n < 95) {

            /* a failover with a tail of up to three */

            copy = copy_of(epoch, last, 0);
            lost = core_random(4);
            copy.last -= ngx_min(last - ngx_push_lineage(ch)->terms[0].end, lost);
            last = copy.last;
            ngx_memcpy(copy.terms, ngx_push_lineage(ch)->terms,
                       sizeof(copy.terms));
            (void) ngx_push_mirror_begin(zone, &name, &copy);
            (void) ngx_push_mirror_finish(zone, &name, &copy);
            run(one);

            if (core_random(2)) {
                epoch = ngx_push_epoch(ngx_push_epoch_life(epoch),
                                       1 + core_random(0xffffff));
                last++;
                (void) hear(epoch, last, last, 0);
            }

        } else if (n < 97) {
            epoch = ngx_push_epoch(1 + core_random(0xffffff), 1 + i);
            last = 0;
            copy = copy_of(epoch, 0, 0);
            (void) ngx_push_mirror_begin(zone, &name, &copy);
            (void) ngx_push_mirror_finish(zone, &name, &copy);
            run(one);

        } else {
            core_advance(core_random(1000));
        }

        bad += (ch->last != last || r.s.cursor != last
                || (r.s.epoch ^ epoch) & NGX_PUSH_LIFE);
        r.n = 0;
    }

    is_int(bad, 0, "the zone and its reader are where the backplane is");

    tear_down("random");
}


int
main(void)
{
    core_seed();
    core_init();

    test_epoch();
    test_waiting();
    test_doubt();
    test_following();
    test_terms();
    test_lives();
    test_leader();
    test_random();

    return done();
}
