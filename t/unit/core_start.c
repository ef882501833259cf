
/*
 * Copyright (C) The ngx_push_module authors
 *
 * Where a subscription starts: the newest n, those before an id, and ids
 * with half an epoch, of which several may be meant.
 */


#include "core_check.h"


#define START_MESSAGES  300
#define START_IDS       6


static ngx_push_zone_t  *zone;


static ngx_push_channel_t *
channel(void)
{
    return core_channel(zone, "a");
}


static ngx_push_start_t
find(ngx_push_at_e at, uint64_t epoch, uint64_t seq, ngx_uint_t n,
    ngx_uint_t brief)
{
    ngx_push_start_t  start;

    ngx_memzero(&start, sizeof(ngx_push_start_t));

    start.at = at;
    start.id.epoch = epoch;
    start.id.seq = seq;
    start.n = n;
    start.brief = brief;

    ngx_push_history_start(zone->sh, channel(), &start);

    return start;
}


static void
is_before(uint64_t seq, ngx_uint_t n, uint64_t want, const char *name)
{
    ngx_push_start_t  start;

    start = find(NGX_PUSH_AT_BEFORE, channel()->epoch, seq, n, 0);

    is_int(start.start.seq, want, "%s: start", name);
    is_int(start.found, NGX_PUSH_COMPLETE, "%s: found", name);
    is_int(start.id.seq, seq, "%s: the id stays", name);
}


static void
say(ngx_uint_t n, ngx_uint_t ttl, const char *topic)
{
    core_say_t  s;

    ngx_memzero(&s, sizeof(core_say_t));
    s.size = 10;
    s.ttl = ttl;
    s.topic = topic;

    while (n--) {
        core_publish(zone, "a", &s);
    }
}


static void
set_up(ngx_uint_t count)
{
    core_rules.count = count;
    core_rules.ttl = 0;
    core_rules.max_size = 0;

    zone = core_zone(256 * 1024, 2);
}


static void
tear_down(const char *name)
{
    core_is_whole(zone, "whole: %s", name);
    core_zone_free(zone);
}


/* eight messages, of which 4 to 8 are kept */

static void
test_before(void)
{
    uint64_t          epoch;
    ngx_push_start_t  start;

    set_up(5);
    say(8, 0, NULL);
    epoch = channel()->epoch;

    is_before(8, 2, 5, "two before the last");
    is_before(8, 4, 3, "all before the last");
    is_before(8, 100, 3, "more than there are");
    is_before(6, 1, 4, "one before another");
    is_before(5, 1, 3, "just the oldest");
    is_before(8, 0, 7, "none");
    is_before(4, 3, 3, "nothing is before the oldest");
    is_before(2, 3, 3, "nor before one that is gone");
    is_before(1, 3, 3, "nor before the first");
    is_before(0, 3, 3, "nor before all");

    start = find(NGX_PUSH_AT_BEFORE, epoch, 9, 2, 0);
    is_int(start.found, NGX_PUSH_UNKNOWN, "a number not given");
    is_int(start.start.seq, 6, "the newest two");
    is_int(start.id.seq, 9, "before what would come");
    ok(start.id.epoch == epoch && start.start.epoch == epoch, "of this life");

    start = find(NGX_PUSH_AT_BEFORE, epoch + 1, 5, 2, 0);
    is_int(start.found, NGX_PUSH_UNKNOWN, "another life");
    is_int(start.start.seq, 6, "the newest two");
    is_int(start.id.seq, 9, "before what would come");
    ok(start.id.epoch == epoch, "of this life");

    start = find(NGX_PUSH_AT_BEFORE, epoch & NGX_PUSH_BRIEF, 7, 2, 1);
    is_int(start.found, NGX_PUSH_COMPLETE, "a brief id");
    is_int(start.start.seq, 4, "two before it");

    tear_down("before");
}


/* numbers that are missing are not counted */

static void
test_holes(void)
{
    set_up(100);

    say(1, 0, NULL);
    say(1, 11, NULL);
    say(1, 0, "t");
    say(3, 1, NULL);
    say(1, 0, NULL);
    say(1, 0, "t");
    say(1, 0, NULL);
    core_advance(20000);
    ngx_push_history_trim(zone->sh, channel(), ngx_push_now());

    is_int(channel()->kept, 4, "1, 7, 8 and 9 are left");

    is_before(9, 1, 7, "one before the last");
    is_before(9, 2, 6, "two");
    is_before(8, 1, 6, "one before the topic's last");
    is_before(7, 1, 0, "one over all the holes");
    is_before(5, 1, 0, "before a number that is missing");
    is_before(2, 1, 0, "just the first");
    is_before(1, 1, 0, "nothing, and nothing was lost");

    is_int(find(NGX_PUSH_AT_LAST, 0, 0, 3, 0).start.seq, 6, "last:3");
    is_int(find(NGX_PUSH_AT_LAST, 0, 0, 4, 0).start.seq, 0, "last:4");
    is_int(find(NGX_PUSH_AT_LAST, 0, 0, 5, 0).start.seq, 0, "last:5");

    while (ngx_push_history_evict(zone->sh) == NGX_OK && channel()->kept > 2) {
        /* void */
    }

    is_before(9, 5, channel()->floor, "where the history was cut");

    tear_down("holes");
}


/* what is only in the backlog of a worker is not history */

static void
test_backlog(void)
{
    ngx_str_t                name;
    ngx_push_start_t         start;
    ngx_push_zone_t         *worker;
    ngx_push_subscription_t  s;

    set_up(3);
    worker = core_worker(zone);

    ngx_memzero(&start, sizeof(ngx_push_start_t));
    ngx_memzero(&s, sizeof(ngx_push_subscription_t));
    name = core_str("a");

    is_int(ngx_push_hub_join(worker->hub, &s, &name, &start), NGX_OK, "join");

    say(8, 0, NULL);
    is_int(channel()->log.n, 8, "all are in the log");
    is_int(channel()->kept, 3, "three are history");

    is_before(8, 5, 5, "before the last");
    is_before(7, 1, 5, "one");
    is_before(4, 5, 5, "before the history");
    is_int(find(NGX_PUSH_AT_LAST, 0, 0, 5, 0).start.seq, 5, "last:5");
    is_int(find(NGX_PUSH_AT_LAST, 0, 0, 2, 0).start.seq, 6, "last:2");
    is_int(find(NGX_PUSH_AT_EARLIEST, 0, 0, 0, 0).start.seq, 5, "earliest");

    ngx_push_hub_leave(&s);
    core_stop(worker);
    tear_down("backlog");
}


static void
test_brief(void)
{
    uint64_t          epoch, low, high;
    ngx_str_t         name;
    ngx_uint_t        n;
    core_say_t        s;
    ngx_push_start_t  start;

    set_up(5);
    say(8, 0, NULL);

    epoch = channel()->epoch;
    low = epoch & NGX_PUSH_BRIEF;
    high = (uint64_t) NGX_PUSH_BRIEF + 1;

    start = find(NGX_PUSH_AT_ID, low, 6, 0, 1);
    is_int(start.found, NGX_PUSH_COMPLETE, "half an epoch");
    is_int(start.start.seq, 6, "and its number");
    ok(start.start.epoch == epoch, "the start has the whole of it");

    start = find(NGX_PUSH_AT_ID, low, 2, 0, 1);
    is_int(start.found, NGX_PUSH_EXPIRED, "too old");
    is_int(start.start.seq, 3, "from the oldest on");

    start = find(NGX_PUSH_AT_ID, low, 9, 0, 1);
    is_int(start.found, NGX_PUSH_UNKNOWN, "a number not given");

    start = find(NGX_PUSH_AT_ID, low ^ 1, 6, 0, 1);
    is_int(start.found, NGX_PUSH_UNKNOWN, "another life");

    start = find(NGX_PUSH_AT_ID, low, 6, 0, 0);
    is_int(start.found, low == epoch ? NGX_PUSH_COMPLETE : NGX_PUSH_UNKNOWN,
           "half an epoch is not a whole one");

    start = find(NGX_PUSH_AT_ID, epoch ^ high, 6, 0, 0);
    is_int(start.found, NGX_PUSH_UNKNOWN, "the upper half counts");

    start = find(NGX_PUSH_AT_ID, epoch ^ high, 6, 0, 1);
    is_int(start.found, NGX_PUSH_COMPLETE, "but not of a brief one");
    is_int(start.over, 0, "there is more");

    /* sealed, deleted, begun anew */

    ngx_memzero(&s, sizeof(core_say_t));
    s.end = 1;
    core_publish(zone, "a", &s);

    is_int(find(NGX_PUSH_AT_ID, low, 9, 0, 1).over, 1, "sealed, all read");
    is_int(find(NGX_PUSH_AT_ID, low, 8, 0, 1).over, 0, "sealed, not all read");
    is_int(find(NGX_PUSH_AT_ID, low ^ 1, 9, 0, 1).over, 0,
           "sealed, another life");

    name = core_str("a");
    is_int(ngx_push_channel_delete(zone, &name, &n), NGX_OK, "delete");

    start = find(NGX_PUSH_AT_ID, low, 9, 0, 1);
    is_int(start.found, NGX_PUSH_UNKNOWN, "deleted");
    is_int(start.over, 1, "and nothing came since");

    is_int(find(NGX_PUSH_AT_ID, low ^ 1, 9, 0, 1).over, 0,
           "not the life that was deleted");
    is_int(find(NGX_PUSH_AT_ID, epoch ^ high, 9, 0, 0).over,
           0, "nor with another upper half");
    is_int(find(NGX_PUSH_AT_ID, epoch, 9, 0, 0).over, 1, "the whole of it");
    is_int(find(NGX_PUSH_AT_LOST, 0, 0, 0, 0).over, 0, "a malformed one");

    say(1, 0, NULL);
    start = find(NGX_PUSH_AT_ID, low, 9, 0, 1);
    is_int(start.found, NGX_PUSH_UNKNOWN, "deleted");
    is_int(start.over, 0, "and something came since");

    tear_down("brief");
}


/* of a channel that was never deleted, no half epoch is a deleted one */

static void
test_never_deleted(void)
{
    ngx_str_t                name;
    ngx_push_start_t         start;
    ngx_push_zone_t         *worker;
    ngx_push_subscription_t  s;

    set_up(5);
    worker = core_worker(zone);

    ngx_memzero(&start, sizeof(ngx_push_start_t));
    ngx_memzero(&s, sizeof(ngx_push_subscription_t));
    name = core_str("a");

    is_int(ngx_push_hub_join(worker->hub, &s, &name, &start), NGX_OK, "join");

    is_int(find(NGX_PUSH_AT_ID, 0, 1, 0, 1).over, 0, "nothing is over");
    is_int(find(NGX_PUSH_AT_ID, 0, 1, 0, 0).over, 0, "nor so");

    say(1, 0, NULL);
    is_int(find(NGX_PUSH_AT_ID, 0, 1, 0, 1).over, 0, "nor with a message");

    ngx_push_hub_leave(&s);
    core_stop(worker);
    tear_down("never deleted");
}


/* positions of names with the same hash: the life says which one is meant */

static void
test_several(void)
{
    uint64_t          low;
    ngx_uint_t        i, n;
    ngx_push_id_t     ids[START_IDS];
    ngx_push_start_t  start;

    set_up(5);
    say(8, 0, NULL);

    low = channel()->epoch & NGX_PUSH_BRIEF;

    for (n = 2; n <= START_IDS; n++) {

        for (i = 0; i <= n; i++) {
            ngx_uint_t  k;

            for (k = 0; k < n; k++) {
                ids[k].epoch = (k == i) ? low : (low ^ (k + 1));
                ids[k].seq = k + 3;
            }

            ngx_memzero(&start, sizeof(ngx_push_start_t));
            start.at = NGX_PUSH_AT_ID;
            start.brief = 1;
            start.ids = ids;
            start.more = n;
            start.id = ids[n - 1];

            ngx_push_history_start(zone->sh, channel(), &start);

            if (i < n) {
                ok(start.found == NGX_PUSH_COMPLETE
                   && start.start.seq == i + 3 && start.id.seq == i + 3
                   && start.id.epoch == low,
                   "the %lu. of %lu", (unsigned long) i + 1,
                   (unsigned long) n);

            } else {
                ok(start.found == NGX_PUSH_UNKNOWN && start.start.seq == 3,
                   "none of %lu", (unsigned long) n);
            }
        }
    }

    tear_down("several");
}


/* as one walks back page by page: each message once, the newest first */

static void
walk_back(ngx_uint_t n, uint64_t *kept, ngx_uint_t count)
{
    uint64_t          before;
    ngx_uint_t        i, got, pages;
    ngx_push_start_t  start;

    before = channel()->last + 1;
    start = find(NGX_PUSH_AT_LAST, 0, 0, n, 0);
    pages = 0;

    while (count) {
        got = 0;

        for (i = count; i > 0 && kept[i - 1] > start.start.seq; i--) {
            got += (kept[i - 1] < before);
        }

        if (got != ngx_min(n, count) || ++pages > START_MESSAGES) {
            break;
        }

        count -= got;
        before = kept[count];

        start = find(NGX_PUSH_AT_BEFORE, channel()->epoch, before, n, 0);
    }

    if (!ok(count == 0, "pages of %lu: all", (unsigned long) n)) {
        printf("#   %lu are left, before %llu, page %lu\n",
               (unsigned long) count, (unsigned long long) before,
               (unsigned long) pages);
    }

    ok(start.start.seq + 1 >= before
       || start.start.seq == ngx_max(channel()->floor, channel()->trimmed),
       "and then nothing");
}


static void
test_random(void)
{
    char                 topic[2];
    uint64_t             kept[START_MESSAGES];
    ngx_uint_t           i, n;
    ngx_push_message_t  *m;

    set_up(100 + core_random(200));

    topic[1] = '\0';

    for (i = 0; i < START_MESSAGES; i++) {
        topic[0] = 'a' + core_random(9);

        say(1, core_random(4) ? 0 : core_random(40),
            core_random(5) ? NULL : topic);

        core_advance(core_random(300));
    }

    ngx_push_history_trim(zone->sh, channel(), ngx_push_now());

    n = 0;

    for (i = 0; i < channel()->log.n; i++) {
        m = ngx_push_log_at(zone->sh, &channel()->log, i);

        if (m->flags & NGX_PUSH_MESSAGE_KEPT) {
            kept[n++] = m->seq;
        }
    }

    ok(n > 50, "%lu are kept", (unsigned long) n);

    walk_back(1, kept, n);
    walk_back(2 + core_random(10), kept, n);
    walk_back(n, kept, n);
    walk_back(n + 10, kept, n);

    tear_down("random");
}


int
main(void)
{
    ngx_uint_t  n;

    core_init();
    core_seed();

    test_before();
    test_holes();
    test_backlog();
    test_brief();
    test_never_deleted();
    test_several();

    for (n = 0; n < 10; n++) {
        test_random();
    }

    return done();
}
