
/*
 * Copyright (C) The ngx_push_module authors
 *
 * The core property: what a subscriber is told is complete and in order, or
 * it is told where something is missing.  Several workers on one zone, each
 * with readers that are quick, slow, or gone in the middle of a delivery.
 * Some are the channels of one client, which leaves all of them together.
 */


#include "core_check.h"


#define HUB_CHANNELS     4
#define HUB_WORKERS      4
#define HUB_READERS      40
#define HUB_MESSAGES     100000              /* of one life of a channel */


/* what was published: the model */

typedef struct {
    uint64_t                 serial;
    uint64_t                 expires;
    uint64_t                 newer;          /* of its topic, 0: none */
    ngx_uint_t               topic;
    ngx_uint_t               live;           /* TTL 0 */
} hub_message_t;


typedef struct {
    const char              *name;
    uint64_t                 epoch;
    uint64_t                 last;
    ngx_uint_t               sealed;
    hub_message_t           *messages;
} hub_channel_t;


typedef struct hub_reader_s  hub_reader_t;


struct hub_reader_s {
    ngx_push_subscription_t  s;
    hub_reader_t            *next;           /* of its client, in a ring */
    ngx_push_zone_t         *worker;
    hub_channel_t           *channel;
    uint64_t                 has;            /* number of the last */
    uint64_t                 told;           /* the floor */
    ngx_uint_t               slow;           /* percent of blocked writes */
    ngx_uint_t               gone;           /* percent of leaving */
    unsigned                 here:1;
    unsigned                 away:1;
    unsigned                 asks:1;         /* and was not told of nothing */
    unsigned                 complete:1;     /* but that it has all */
};


static hub_channel_t     hub_channels[HUB_CHANNELS];
static hub_reader_t      hub_readers[HUB_READERS];
static ngx_push_zone_t  *hub_workers[HUB_WORKERS];
static uint64_t          hub_got, hub_overrun, hub_joins, hub_gaps;
static uint64_t          hub_blocked, hub_replayed, hub_deleted, hub_ended;
static uint64_t          hub_nothing, hub_together;
static char              hub_error[256];


#define hub_fail(...)                                                         \
    if (hub_error[0] == '\0') {                                               \
        snprintf(hub_error, sizeof(hub_error), __VA_ARGS__);                  \
    }


static uint64_t
hub_now(void)
{
    return ngx_push_now();
}


/* whether a replay may do without it */

static int
hub_covered(hub_message_t *m)
{
    return m->newer || m->expires <= hub_now();
}


/* all between what the reader has and "seq" must be accounted for */

static void
hub_skip(hub_reader_t *r, uint64_t seq)
{
    uint64_t  n;

    for (n = ngx_max(r->has, r->told) + 1; n < seq; n++) {

        if (n <= r->s.joined && hub_covered(&r->channel->messages[n])) {
            continue;
        }

        hub_fail("%s: %llu is missing: has %llu, told %llu, joined %llu, "
                 "gets %llu", r->channel->name, (unsigned long long) n,
                 (unsigned long long) r->has, (unsigned long long) r->told,
                 (unsigned long long) r->s.joined, (unsigned long long) seq);
        return;
    }
}


static void
hub_leave(hub_reader_t *r)
{
    r->here = 0;
    r->away = 0;
    ngx_push_hub_leave(&r->s);
}


/* with all channels of its client */

static void
hub_leave_client(hub_reader_t *r)
{
    ngx_uint_t     n;
    hub_reader_t  *next;

    n = 0;
    next = r;

    do {
        if (next->here) {
            hub_leave(next);
            n++;
        }

        next = next->next;

    } while (next != r);

    hub_together += (n > 1);
}


static void hub_join(hub_reader_t *r);
static void hub_delete(ngx_push_zone_t *zone, hub_channel_t *ch);


static ngx_int_t
hub_told(hub_reader_t *r, ngx_push_batch_t *b, ngx_uint_t what)
{
    switch (what) {

    case NGX_PUSH_OVERRUN:
        hub_overrun++;

        if (b->floor <= r->has || b->floor > r->channel->last) {
            hub_fail("%s: overrun to %llu, has %llu", r->channel->name,
                     (unsigned long long) b->floor,
                     (unsigned long long) r->has);
        }

        r->told = b->floor;

        if (core_random(100) < r->slow) {
            r->s.cursor = core_random(2) ? r->s.cursor : b->floor;
            r->told = r->s.cursor;
            r->away = 1;
            return NGX_AGAIN;
        }

        return NGX_OK;

    case NGX_PUSH_NOTHING:
        hub_nothing++;

        if (!r->asks || r->s.asking) {
            hub_fail("%s: told of nothing, unasked", r->channel->name);
        }

        if (r->s.cursor != b->last || !b->complete || b->sealed) {
            hub_fail("%s: nothing after %llu, but %llu is there",
                     r->channel->name, (unsigned long long) r->s.cursor,
                     (unsigned long long) b->last);
        }

        hub_skip(r, b->last + 1);
        r->has = ngx_max(r->has, b->last);
        r->asks = 0;

        return NGX_OK;

    case NGX_PUSH_DELETED:
        hub_deleted++;

        if (r->s.epoch == r->channel->epoch) {
            hub_fail("%s: deleted, but it lives", r->channel->name);
        }

        hub_leave(r);

        return NGX_DONE;

    default:
        hub_ended++;

        if (!r->channel->sealed) {
            hub_fail("%s: ended, but not sealed", r->channel->name);
        }

        hub_skip(r, r->channel->last + 1);
        hub_leave(r);

        return NGX_DONE;
    }
}


static ngx_int_t
hub_deliver(ngx_push_subscription_t *s, ngx_push_batch_t *b, ngx_uint_t what)
{
    ngx_uint_t           i;
    hub_reader_t        *r, *other;
    ngx_push_message_t  *m;

    r = (hub_reader_t *) s;

    if (core_random(100) < r->gone) {

        /* it goes, and takes another with it, and its client */

        other = &hub_readers[core_random(HUB_READERS)];

        if (other != r && other->here && other->worker == r->worker) {
            hub_leave(other);
        }

        if (core_random(2)) {
            hub_leave_client(r);

        } else {
            hub_leave(r);
        }

        if (core_random(2)) {
            hub_join(r);
        }

        if (core_random(2) && !r->next->here) {
            hub_join(r->next);
        }

        return NGX_DONE;
    }

    if (what != NGX_PUSH_MESSAGES) {
        return hub_told(r, b, what);
    }

    for (i = 0; i < b->n; i++) {
        m = b->messages[i];

        if (m->seq <= s->cursor) {
            continue;
        }

        if (core_random(100) < r->slow) {
            hub_blocked++;
            s->cursor = r->has;
            r->away = 1;

            if (core_random(10) == 0) {
                r->away = 0;
                ngx_push_hub_resume(s);
            }

            return NGX_AGAIN;
        }

        hub_skip(r, m->seq);

        if (m->seq > r->channel->last
            || core_message(&r->worker->sh->arena, m, b->epoch)
               != r->channel->messages[m->seq].serial)
        {
            hub_fail("%s: message %llu is not what was published",
                     r->channel->name, (unsigned long long) m->seq);
        }

        hub_replayed += (m->seq <= s->joined);
        hub_got++;

        r->has = m->seq;
        s->cursor = m->seq;
    }

    hub_skip(r, b->to + 1);
    r->has = b->to;

    r->complete |= b->complete;

    if (b->complete && core_random(2)) {

        /* that is an answer */

        r->asks = 0;
        s->asking = 0;
    }

    return NGX_OK;
}


/* without readers, it may have been dropped from a full zone */

static void
hub_reborn(hub_channel_t *ch, uint64_t epoch)
{
    ngx_uint_t  i;

    if (epoch == ch->epoch) {
        return;
    }

    for (i = 0; i < HUB_READERS; i++) {
        if (hub_readers[i].here && hub_readers[i].channel == ch) {
            hub_fail("%s: dropped while it was read", ch->name);
            return;
        }
    }

    ch->epoch = epoch;
    ch->last = 0;
    ch->sealed = 0;
}


/* from anywhere; what is missing then must be said, and only then */

static void
hub_join(hub_reader_t *r)
{
    uint64_t          n, from;
    ngx_int_t         rc;
    ngx_str_t         name;
    hub_channel_t    *ch;
    ngx_push_start_t  start;

    ch = r->channel;
    name = core_str(ch->name);

    ngx_memzero(&start, sizeof(ngx_push_start_t));
    ngx_memzero(&r->s, sizeof(ngx_push_subscription_t));

    start.at = core_random(6);
    start.id.epoch = ch->epoch;
    start.id.seq = core_random(ch->last + 1);
    start.n = core_random(20);

    r->s.deliver = hub_deliver;
    r->complete = 0;
    r->asks = (core_random(3) == 0);
    r->s.asking = r->asks;

    rc = ngx_push_hub_join(r->worker->hub, &r->s, &name, &start);

    if (rc != NGX_OK) {
        hub_fail("join: %ld", (long) rc);
        return;
    }

    hub_joins++;
    hub_reborn(ch, r->s.epoch);

    r->here = 1;
    r->away = 1;
    r->has = r->s.cursor;
    r->told = r->s.cursor;

    if (r->s.epoch != ch->epoch || r->s.joined != ch->last) {
        hub_fail("%s: joined another life", ch->name);
    }

    if (start.found != NGX_PUSH_COMPLETE) {
        hub_gaps++;
    }

    if (start.at == NGX_PUSH_AT_ID && start.id.epoch == ch->epoch) {
        from = r->s.cursor;

        if (start.found == NGX_PUSH_COMPLETE && from != start.id.seq) {
            hub_fail("%s: starts elsewhere without a gap", ch->name);
        }

        for (n = start.id.seq + 1; n <= from; n++) {
            if (!ch->messages[n].live) {
                return;
            }
        }

        if (from != start.id.seq) {
            hub_fail("%s: a gap without a loss", ch->name);
        }
    }
}


static void
hub_publish(ngx_push_zone_t *zone)
{
    char               topic[8];
    uint64_t           n;
    core_say_t         say;
    hub_channel_t     *ch;
    hub_message_t     *m;
    ngx_push_rules_t   rules;

    ch = &hub_channels[core_random(HUB_CHANNELS)];

    ngx_memzero(&say, sizeof(core_say_t));

    rules.ttl = core_random(3) ? 5000 : 0;
    rules.idle = 60000;
    rules.max_size = core_random(4) ? 0 : 3000;
    rules.count = (ch == hub_channels) ? 0 : core_random(30);
    rules.backlog = 2000 + core_random(5000);

    say.rules = &rules;
    say.size = core_random(40) ? core_random(300) : core_random(9000);

    if (core_random(3) == 0) {
        say.ttl = 1 + core_random(4);
    }

    if (core_random(3) == 0) {
        ngx_sprintf((u_char *) topic, "t%uD%Z", core_random(5));
        say.topic = topic;
    }

    say.end = (core_random(300) == 0);

    switch (core_publish(zone, ch->name, &say)) {

    case NGX_PUSH_CREATED:
        break;

    case NGX_PUSH_SEALED:
        if (!ch->sealed) {
            hub_fail("%s is sealed", ch->name);
        }

        if (core_random(20) == 0) {
            hub_delete(zone, ch);
        }

        return;

    case NGX_PUSH_FULL:
        return;

    default:
        hub_fail("%s: outcome %lu", ch->name,
                 (unsigned long) core_target.outcome);
        return;
    }

    hub_reborn(ch, core_target.id.epoch);

    if (core_target.id.seq != ++ch->last
        || core_target.id.epoch != ch->epoch
        || ch->sealed)
    {
        hub_fail("%s: number %llu, not %llu", ch->name,
                 (unsigned long long) core_target.id.seq,
                 (unsigned long long) ch->last);
        return;
    }

    ch->sealed = say.end;

    m = &ch->messages[ch->last];
    m->serial = core_serial;
    m->newer = 0;
    m->live = (say.ttl == 1);
    m->topic = say.topic ? topic[1] : 0;
    m->expires = say.ttl ? hub_now() + (say.ttl - 1) * 1000 : (uint64_t) -1;

    for (n = ch->last; m->topic && --n > 0; /* void */ ) {
        if (ch->messages[n].topic == m->topic) {
            ch->messages[n].newer = ch->last;
            break;
        }
    }
}


static void
hub_delete(ngx_push_zone_t *zone, hub_channel_t *ch)
{
    ngx_str_t         name;
    ngx_int_t         rc;
    ngx_uint_t        n, subscribers;
    ngx_push_info_t   info;

    name = core_str(ch->name);

    subscribers = 0;
    rc = ngx_push_channel_delete(zone, &name, &n);

    for (n = HUB_READERS; n-- > 0; /* void */ ) {
        subscribers += hub_readers[n].here && hub_readers[n].channel == ch;
    }

    if (rc != NGX_OK) {
        if (ch->last || subscribers) {
            hub_fail("%s: not deleted", ch->name);
        }

        return;
    }

    if (ngx_push_channel_info(zone, &name, &info) == NGX_OK) {
        if (info.last.epoch == ch->epoch || info.last.seq != 0) {
            hub_fail("%s: deleted and not renewed", ch->name);
        }

        ch->epoch = info.last.epoch;

    } else {
        ch->epoch = core_channel(zone, ch->name)->epoch;
    }

    ch->last = 0;
    ch->sealed = 0;
}


/* one worker's turn of the event loop, or a part of it */

static void
hub_turn(ngx_push_zone_t *worker)
{
    uint64_t         n;
    ngx_push_hub_t  *hub;

    hub = worker->hub;

    (void) ! read(hub->connection->fd, &n, sizeof(uint64_t));

    if (hub->pump.posted) {
        ngx_delete_posted_event(&hub->pump);
    }

    ngx_push_hub_pump(&hub->pump);
}


static void
hub_reader_turn(hub_reader_t *r)
{
    if (!r->here) {
        hub_join(r);

        if (core_random(3)) {
            r->away = 0;
            ngx_push_hub_resume(&r->s);
        }

    } else if (core_random(12) == 0) {

        if (core_random(2)) {
            hub_leave_client(r);

        } else {
            hub_leave(r);
        }

    } else if (r->away) {
        r->away = 0;
        ngx_push_hub_resume(&r->s);
    }
}


static void
hub_turns(ngx_uint_t n)
{
    ngx_uint_t     i;
    hub_reader_t  *r;

    while (n--) {

        for (i = 0; i < HUB_READERS; i++) {
            r = &hub_readers[i];
            r->slow = 0;
            r->gone = 0;

            if (r->here && r->away) {
                r->away = 0;
                ngx_push_hub_resume(&r->s);
            }
        }

        for (i = 0; i < HUB_WORKERS; i++) {
            hub_turn(hub_workers[i]);
        }
    }
}


/* at the end all that stayed have everything, and are told so if they ask */

static void
hub_quiet(void)
{
    ngx_uint_t     i;
    hub_reader_t  *r;

    hub_turns(200);

    for (i = 0; i < HUB_READERS; i++) {
        r = &hub_readers[i];

        if (r->here && r->s.cursor != r->channel->last) {
            hub_fail("%s: a reader stays at %llu of %llu", r->channel->name,
                     (unsigned long long) r->s.cursor,
                     (unsigned long long) r->channel->last);
        }

        if (r->here && r->asks && !r->complete) {
            hub_fail("%s: a reader was never answered", r->channel->name);
        }

        if (r->here) {
            r->asks = 1;
            r->s.asking = 1;
            ngx_push_hub_resume(&r->s);
        }
    }

    hub_turns(10);

    for (i = 0; i < HUB_READERS; i++) {
        r = &hub_readers[i];

        if (r->here && r->asks) {
            hub_fail("%s: a reader is not answered", r->channel->name);
        }
    }
}


static void
hub_random(size_t size, ngx_uint_t steps, ngx_uint_t sweep)
{
    uint32_t            units;
    ngx_uint_t          i, n;
    ngx_push_zone_t    *zone;

    hub_error[0] = '\0';
    hub_got = hub_overrun = hub_joins = hub_gaps = 0;
    hub_blocked = hub_replayed = hub_deleted = hub_ended = 0;
    hub_nothing = hub_together = 0;

    zone = core_zone(size, 4);
    units = core_free_units(zone->sh);

    for (i = 0; i < HUB_WORKERS; i++) {
        hub_workers[i] = core_worker(zone);
    }

    for (i = 0; i < HUB_CHANNELS; i++) {
        hub_channels[i].name = &"a\0b\0c\0d"[2 * i];
        hub_channels[i].last = 0;
        hub_channels[i].epoch = 0;
        hub_channels[i].sealed = 0;
    }

    for (i = 0; i < HUB_READERS; i++) {
        ngx_memzero(&hub_readers[i], sizeof(hub_reader_t));
        hub_readers[i].worker = hub_workers[i % HUB_WORKERS];
        hub_readers[i].channel = &hub_channels[core_random(HUB_CHANNELS)];
        hub_readers[i].slow = core_random(3) ? core_random(4)
                                             : core_random(100);
        hub_readers[i].gone = core_random(3);
        hub_readers[i].next = &hub_readers[i];

        if (i >= HUB_WORKERS && core_random(3)) {

            /* of one client with the one before it in its worker */

            hub_readers[i].next = hub_readers[i - HUB_WORKERS].next;
            hub_readers[i - HUB_WORKERS].next = &hub_readers[i];
        }
    }

    for (n = 0; n < steps && hub_error[0] == '\0'; n++) {

        i = core_random(100);

        if (i < 40) {
            hub_publish(hub_workers[core_random(HUB_WORKERS)]);

        } else if (i < 70) {
            hub_turn(hub_workers[core_random(HUB_WORKERS)]);

        } else if (i < 98) {
            hub_reader_turn(&hub_readers[core_random(HUB_READERS)]);

        } else {
            core_advance(core_random(1000));

            if (core_random(20) == 0) {
                hub_delete(hub_workers[core_random(HUB_WORKERS)],
                           &hub_channels[core_random(HUB_CHANNELS)]);
            }

            if (sweep && core_random(5) == 0) {
                ngx_push_zone_tick(hub_workers[core_random(HUB_WORKERS)]);
            }
        }

        if (n % 16 == 0 && !core_check(zone)) {
            hub_fail("after %lu: %s", (unsigned long) n, core_why);
        }
    }

    hub_quiet();

    if (!ok(hub_error[0] == '\0', "the core property, zone of %luk, %lu steps",
            (unsigned long) size / 1024, (unsigned long) n))
    {
        printf("#   %s\n", hub_error);
    }

    printf("# got %lu, replayed %lu, joins %lu, gaps %lu, blocked %lu, "
           "overrun %lu, deleted %lu, ended %lu, nothing %lu, together %lu\n",
           hub_got, hub_replayed, hub_joins, hub_gaps, hub_blocked,
           hub_overrun, hub_deleted, hub_ended, hub_nothing, hub_together);

    for (i = 0; i < HUB_READERS; i++) {
        if (hub_readers[i].here) {
            hub_leave(&hub_readers[i]);
        }
    }

    core_is_whole(zone, "whole, all left");

    for (i = 0; i < HUB_WORKERS; i++) {
        core_stop(hub_workers[i]);
    }

    while (ngx_push_channel_make_room(zone->sh) == NGX_OK) { /* void */ }

    core_is_whole(zone, "whole, all stopped");
    is_int(core_free_units(zone->sh), units, "all units are free again");

    core_zone_free(zone);
}


int
main(void)
{
    ngx_uint_t  i;

    core_init();
    core_seed();

    for (i = 0; i < HUB_CHANNELS; i++) {
        hub_channels[i].messages = calloc(HUB_MESSAGES,
                                          sizeof(hub_message_t));
    }

    hub_random(1024 * 1024, 100000, 1);
    hub_random(128 * 1024, 100000, 1);
    hub_random(1024 * 1024, 100000, 0);

    for (i = 0; i < HUB_CHANNELS; i++) {
        free(hub_channels[i].messages);
    }

    return done();
}
