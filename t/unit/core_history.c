
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "core_check.h"


#define HISTORY_MESSAGES  3000


/* the plainest history there can be */

typedef struct {
    uint64_t     time;
    uint64_t     expires;
    size_t       size;
    ngx_uint_t   topic;
    unsigned     kept:1;
} history_message_t;


static ngx_push_zone_t    *zone;
static history_message_t   history_model[HISTORY_MESSAGES];
static uint64_t            history_lost;     /* highest, by the rules */


static ngx_push_channel_t *
channel(void)
{
    return core_channel(zone, "a");
}


/* what a join at this point would find */

static ngx_push_start_t
start_at(ngx_push_at_e at, uint64_t epoch, uint64_t seq)
{
    ngx_push_start_t  start;

    ngx_memzero(&start, sizeof(ngx_push_start_t));

    start.at = at;
    start.id.epoch = epoch;
    start.id.seq = seq;
    start.n = seq;

    ngx_push_history_start(zone->sh, channel(), &start);

    return start;
}


static void
is_start(ngx_push_at_e at, uint64_t epoch, uint64_t seq, uint64_t want,
    ngx_uint_t found, const char *name)
{
    ngx_push_start_t  start;

    start = start_at(at, epoch, seq);

    is_int(start.start.seq, want, "%s: start", name);
    is_int(start.found, found, "%s: found", name);
}


static void
say(size_t size, ngx_uint_t ttl, const char *topic)
{
    core_say_t  s;

    ngx_memzero(&s, sizeof(core_say_t));
    s.size = size;
    s.ttl = ttl;
    s.topic = topic;

    core_publish(zone, "a", &s);
}


static void
rules(ngx_uint_t count, uint64_t ttl, size_t max_size)
{
    core_rules.count = count;
    core_rules.ttl = ttl;
    core_rules.max_size = max_size;
}


static void
test_count(void)
{
    uint64_t    epoch;
    ngx_uint_t  n;

    zone = core_zone(256 * 1024, 2);
    rules(5, 0, 0);

    for (n = 0; n < 8; n++) {
        say(10, 0, NULL);
    }

    epoch = channel()->epoch;

    is_int(channel()->kept, 5, "five of eight are kept");
    is_int(ngx_push_history_oldest(zone->sh, channel()), 4, "from the fourth");

    is_start(NGX_PUSH_AT_LATEST, 0, 0, 8, NGX_PUSH_COMPLETE, "latest");
    is_start(NGX_PUSH_AT_EARLIEST, 0, 0, 3, NGX_PUSH_COMPLETE, "earliest");
    is_start(NGX_PUSH_AT_LAST, 0, 2, 6, NGX_PUSH_COMPLETE, "last:2");
    is_start(NGX_PUSH_AT_LAST, 0, 5, 3, NGX_PUSH_COMPLETE, "last:5");
    is_start(NGX_PUSH_AT_LAST, 0, 50, 3, NGX_PUSH_COMPLETE, "last:50");
    is_start(NGX_PUSH_AT_LAST, 0, 0, 8, NGX_PUSH_COMPLETE, "last:0");
    is_start(NGX_PUSH_AT_ID, epoch, 8, 8, NGX_PUSH_COMPLETE, "the last id");
    is_start(NGX_PUSH_AT_ID, epoch, 5, 5, NGX_PUSH_COMPLETE, "an id");
    is_start(NGX_PUSH_AT_ID, epoch, 3, 3, NGX_PUSH_COMPLETE,
             "just before the oldest");
    is_start(NGX_PUSH_AT_ID, epoch, 2, 3, NGX_PUSH_EXPIRED, "one too old");
    is_start(NGX_PUSH_AT_ID, epoch, 0, 3, NGX_PUSH_EXPIRED, "zero");
    is_start(NGX_PUSH_AT_ID, epoch, 9, 3, NGX_PUSH_UNKNOWN,
             "a number not given");
    is_start(NGX_PUSH_AT_ID, epoch + 1, 5, 3, NGX_PUSH_UNKNOWN,
             "another life");
    is_start(NGX_PUSH_AT_LOST, 0, 0, 3, NGX_PUSH_UNKNOWN, "malformed");

    rules(2, 0, 0);
    say(10, 0, NULL);
    is_int(channel()->kept, 2, "a change of rules trims at the next publish");

    rules(0, 0, 0);
    say(10, 0, NULL);
    is_int(channel()->kept, 0, "history off");
    is_int(channel()->log.n, 0, "nobody listens: nothing is in the log");
    is_int(zone->sh->arena.units[NGX_PUSH_BLOCK_RING], 0, "nor a ring");
    is_start(NGX_PUSH_AT_EARLIEST, 0, 0, 10, NGX_PUSH_COMPLETE, "earliest");
    is_start(NGX_PUSH_AT_ID, epoch, 9, 10, NGX_PUSH_EXPIRED, "an id");

    core_is_whole(zone, "whole");
    core_zone_free(zone);
}


static void
test_size_and_age(void)
{
    uint64_t  epoch;

    zone = core_zone(256 * 1024, 2);
    rules(100, 0, 1000);

    say(400, 0, NULL);
    say(400, 0, NULL);
    say(300, 0, NULL);
    is_int(channel()->kept, 2, "max_size: 700 of 1000 bytes");

    say(1000, 0, NULL);
    is_int(channel()->kept, 1, "just as large as allowed");

    say(1001, 0, NULL);
    is_int(channel()->kept, 0, "larger than all that is allowed");

    rules(100, 60000, 0);
    say(10, 0, NULL);
    core_advance(30000);
    say(10, 0, NULL);
    core_advance(29999);
    ngx_push_history_trim(zone->sh, channel(), ngx_push_now());
    is_int(channel()->kept, 2, "a millisecond before its age");

    core_advance(1);
    ngx_push_history_trim(zone->sh, channel(), ngx_push_now());
    is_int(channel()->kept, 1, "at its age");

    epoch = channel()->epoch;
    is_start(NGX_PUSH_AT_ID, epoch, 5, 6, NGX_PUSH_EXPIRED, "older than that");
    is_start(NGX_PUSH_AT_ID, epoch, 6, 6, NGX_PUSH_COMPLETE, "not older");

    core_is_whole(zone, "whole");
    core_zone_free(zone);
}


static void
test_covered(void)
{
    uint64_t  epoch;

    zone = core_zone(256 * 1024, 2);
    rules(100, 0, 0);

    say(10, 0, NULL);
    say(10, 1, NULL);
    is_int(channel()->kept, 1, "TTL 0 is not kept");

    say(10, 11, NULL);
    say(10, 0, "t");
    say(10, 0, "u");
    say(10, 0, "t");
    is_int(channel()->kept, 4, "a newer message of the topic");

    epoch = channel()->epoch;
    is_start(NGX_PUSH_AT_ID, epoch, 1, 1, NGX_PUSH_COMPLETE,
             "neither is a gap");

    core_advance(9999);
    ngx_push_history_trim(zone->sh, channel(), ngx_push_now());
    is_int(channel()->kept, 4, "before its own TTL");

    core_advance(1);
    ngx_push_history_trim(zone->sh, channel(), ngx_push_now());
    is_int(channel()->kept, 3, "at its own TTL");
    is_start(NGX_PUSH_AT_ID, epoch, 0, 0, NGX_PUSH_COMPLETE,
             "nor is that a gap");
    is_start(NGX_PUSH_AT_LAST, 0, 2, 4, NGX_PUSH_COMPLETE,
             "last:2 counts what is kept");

    say(10, 1, "u");
    is_int(channel()->kept, 2, "TTL 0 replaces, and is not kept");
    is_int(ngx_push_history_oldest(zone->sh, channel()), 1, "the oldest");

    core_is_whole(zone, "whole");
    core_zone_free(zone);
}


static void
test_evicted(void)
{
    uint64_t    epoch;
    ngx_uint_t  n;

    zone = core_zone(256 * 1024, 2);
    rules(10, 0, 0);

    for (n = 0; n < 12; n++) {
        say(10, 0, n % 3 ? NULL : "t");
    }

    epoch = channel()->epoch;

    is_int(channel()->kept, 9, "twelve, less three of a topic");
    is_int(ngx_push_history_evict(zone->sh), NGX_OK, "evict");
    is_int(channel()->evicted, 2, "the oldest there was");

    is_start(NGX_PUSH_AT_ID, epoch, 1, 2, NGX_PUSH_EVICTED, "evicted");
    is_start(NGX_PUSH_AT_ID, epoch, 2, 2, NGX_PUSH_COMPLETE,
             "what follows is all there");

    while (ngx_push_history_evict(zone->sh) == NGX_OK) { /* void */ }

    is_start(NGX_PUSH_AT_ID, epoch, 5, 12, NGX_PUSH_EVICTED, "all evicted");
    is_start(NGX_PUSH_AT_ID, epoch, 12, 12, NGX_PUSH_COMPLETE, "the last");

    core_zone_free(zone);
}


static uint64_t
model_publish(uint64_t last, core_say_t *s)
{
    uint64_t            n, now, oldest;
    ngx_uint_t          kept;
    size_t              size;
    history_message_t  *m;

    now = ngx_push_now();

    m = &history_model[++last];
    m->time = now;
    m->size = s->size;
    m->topic = s->topic ? s->topic[0] : 0;
    m->expires = s->ttl ? now + (s->ttl - 1) * 1000 : (uint64_t) -1;
    m->kept = 1;

    for (n = 1; n <= last; n++) {
        if ((n < last && m->topic && history_model[n].topic == m->topic)
            || history_model[n].expires <= now)
        {
            history_model[n].kept = 0;
        }
    }

    for ( ;; ) {
        kept = 0;
        size = 0;
        oldest = 0;

        for (n = last; n > 0; n--) {
            if (history_model[n].kept) {
                oldest = n;
                kept++;
                size += history_model[n].size;
            }
        }

        if (oldest == 0
            || (kept <= core_rules.count
                && (core_rules.max_size == 0 || size <= core_rules.max_size)
                && (core_rules.ttl == 0
                    || history_model[oldest].time + core_rules.ttl > now)))
        {
            return last;
        }

        history_model[oldest].kept = 0;
        history_lost = oldest;
    }
}


static int
model_same(uint64_t last)
{
    uint64_t             n, seq;
    ngx_uint_t           i;
    ngx_push_start_t     start;
    ngx_push_channel_t  *ch;

    ch = channel();
    i = 0;

    for (n = 1; n <= last; n++) {
        seq = (i < ch->log.n) ? ngx_push_log_at(zone->sh, &ch->log, i)->seq
                              : 0;

        if (history_model[n].kept != (seq == n)) {
            printf("#   %llu is %skept\n", (unsigned long long) n,
                   history_model[n].kept ? "not " : "");
            return 0;
        }

        i += (seq == n);
    }

    n = core_random(last + 1);
    start = start_at(NGX_PUSH_AT_ID, ch->epoch, n);

    if (start.start.seq != ngx_max(n, history_lost)
        || (start.found == NGX_PUSH_COMPLETE) != (n >= history_lost))
    {
        printf("#   from %llu: starts at %llu, lost to %llu\n",
               (unsigned long long) n, (unsigned long long) start.start.seq,
               (unsigned long long) history_lost);
        return 0;
    }

    return 1;
}


static void
test_random(ngx_uint_t run)
{
    char        topic[2];
    uint64_t    last;
    ngx_uint_t  n, same;
    core_say_t  s;

    zone = core_zone(1024 * 1024, 2);
    ngx_memzero(history_model, sizeof(history_model));
    history_lost = 0;

    topic[1] = '\0';
    last = 0;
    same = 1;

    for (n = 0; n < HISTORY_MESSAGES - 1 && same; n++) {

        if (core_random(50) == 0) {
            rules(core_random(4) ? core_random(120) : 0,
                  core_random(3) ? 0 : core_random(60000),
                  core_random(3) ? 0 : core_random(20000));
        }

        core_advance(core_random(4) ? 0 : core_random(2000));

        ngx_memzero(&s, sizeof(core_say_t));
        s.size = core_random(500);
        s.ttl = core_random(3) ? 0 : core_random(20);

        if (core_random(3) == 0) {
            topic[0] = 'a' + core_random(20);
            s.topic = topic;
        }

        core_publish(zone, "a", &s);
        last = model_publish(last, &s);

        same = model_same(last);

        if (same && n % 10 == 0) {
            same = core_check(zone);
        }
    }

    ok(same, "as the model has it, run %lu, %lu messages",
       (unsigned long) run, (unsigned long) n);

    core_is_whole(zone, "whole");
    core_zone_free(zone);
}


int
main(void)
{
    ngx_uint_t  n;

    core_init();
    core_seed();

    test_count();
    test_size_and_age();
    test_covered();
    test_evicted();

    for (n = 0; n < 5; n++) {
        test_random(n);
    }

    return done();
}
