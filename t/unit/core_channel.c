
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "core_check.h"


#define CHANNEL_LIVES  5000


static ngx_push_zone_t          *zone, *worker;
static ngx_push_subscription_t   channel_reader;


static ngx_int_t
deliver(ngx_push_subscription_t *s, ngx_push_batch_t *b, ngx_uint_t what)
{
    return (s && b && what == NGX_PUSH_MESSAGES) ? NGX_OK : NGX_OK;
}


static ngx_push_start_t
join(const char *channel, ngx_push_at_e at, ngx_push_id_t *id)
{
    ngx_str_t         name;
    ngx_push_start_t  start;

    ngx_memzero(&start, sizeof(ngx_push_start_t));
    ngx_memzero(&channel_reader, sizeof(ngx_push_subscription_t));

    start.at = at;

    if (id) {
        start.id = *id;
    }

    name = core_str(channel);
    channel_reader.deliver = deliver;

    is_int(ngx_push_hub_join(worker->hub, &channel_reader, &name, &start),
           NGX_OK, "join %s", channel);

    return start;
}


static void
set_up(void)
{
    zone = core_zone(256 * 1024, 2);
    worker = core_worker(zone);
}


static void
tear_down(const char *name)
{
    core_stop(worker);
    core_is_whole(zone, "whole: %s", name);
    core_zone_free(zone);
}


static void
sweep(void)
{
    ngx_uint_t  n;

    for (n = 0; n < 128; n++) {
        core_advance(1000);
        ngx_push_zone_tick(worker);
    }
}


static void
test_idle(void)
{
    uint64_t        epoch;
    ngx_str_t       name;
    ngx_push_id_t   id;
    ngx_push_start_t  start;

    set_up();
    core_rules.idle = 600000;
    core_rules.ttl = 60000;

    core_publish(zone, "a", NULL);
    epoch = core_target.id.epoch;
    id = core_target.id;
    sweep();
    ok(core_channel(zone, "a") != NULL, "out of use, and remembered");
    is_int(core_channel(zone, "a")->log.n, 0, "without its history");
    is_int(zone->sh->nmessages, 0, "which is gone");

    core_publish(zone, "a", NULL);
    ok(core_target.id.epoch == epoch && core_target.id.seq == 2,
       "its numbers go on");

    core_advance(600000);
    sweep();
    ok(core_channel(zone, "a"), "its idle time begins with its last use");
    core_advance(600000);
    sweep();
    ok(core_channel(zone, "a") == NULL, "forgotten after it");

    core_publish(zone, "a", NULL);
    ok(core_target.id.epoch != epoch && core_target.id.seq == 1, "a new life");

    start = join("a", NGX_PUSH_AT_ID, &id);
    is_int(start.found, NGX_PUSH_UNKNOWN, "an id of the old one");
    ngx_push_hub_leave(&channel_reader);

    /* nothing was published: the id a subscriber was given stays good */

    start = join("b", NGX_PUSH_AT_LATEST, NULL);
    id = start.start;
    name.len = 0;
    ngx_push_hub_channel(&channel_reader, &name);
    is_str(&name, "b", "the channel of a subscription");
    ngx_push_hub_leave(&channel_reader);
    ok(core_channel(zone, "b") != NULL, "known to somebody");
    start = join("b", NGX_PUSH_AT_ID, &id);
    is_int(start.found, NGX_PUSH_COMPLETE, "its id is good");
    ngx_push_hub_leave(&channel_reader);

    while (ngx_push_block_alloc(&zone->sh->arena, 1000)) { /* void */ }

    is_int(ngx_push_channel_make_room(zone->sh), NGX_OK, "a full zone");
    ok(core_channel(zone, "b") == NULL && core_channel(zone, "a")->kept == 1,
       "what was never published to goes before any history");

    ngx_push_shared_recover(zone->sh);
    zone->sh->writer = 0;

    tear_down("idle");
}


static void
test_delete(void)
{
    ngx_str_t         name;
    ngx_uint_t        n;
    ngx_push_id_t     id;
    ngx_push_start_t  start;

    set_up();
    core_rules.ttl = 0;

    core_publish(zone, "a", NULL);
    core_publish(zone, "a", NULL);
    id = core_target.id;
    id.seq = 1;

    name = core_str("a");
    is_int(ngx_push_channel_delete(zone, &name, &n), NGX_OK, "delete");
    is_int(zone->sh->nmessages, 0, "its history is gone");

    start = join("a", NGX_PUSH_AT_ID, &id);
    ok(start.found == NGX_PUSH_UNKNOWN && start.over == 1,
       "an id of the deleted life: all is over");
    ngx_push_hub_leave(&channel_reader);

    core_publish(zone, "a", NULL);
    ok(core_target.id.epoch != id.epoch && core_target.id.seq == 1,
       "published to in the same second");

    start = join("a", NGX_PUSH_AT_ID, &id);
    ok(start.found == NGX_PUSH_UNKNOWN && start.over == 0
       && start.start.seq == 0, "told, then the second message");
    ngx_push_hub_leave(&channel_reader);

    tear_down("delete");
}


static int
compare(const void *a, const void *b)
{
    uint64_t  m, n;

    m = *(uint64_t *) a;
    n = *(uint64_t *) b;

    return (m > n) - (m < n);
}


static void
test_epochs(void)
{
    char         name[8];
    ngx_str_t    s;
    ngx_uint_t   i, n, same, dropped;
    uint64_t    *epochs;

    set_up();

    epochs = calloc(CHANNEL_LIVES, sizeof(uint64_t));
    dropped = 0;

    for (i = 0; i < CHANNEL_LIVES; i++) {
        ngx_sprintf((u_char *) name, "c%uD%Z", core_random(20));
        s = core_str(name);

        if (core_channel(zone, name)) {

            if (core_random(2)) {
                (void) ngx_push_channel_delete(zone, &s, &n);

            } else {
                while (core_channel(zone, name)
                       && ngx_push_channel_make_room(zone->sh) == NGX_OK)
                {
                    /* void */
                }

                dropped++;
            }
        }

        core_publish(zone, name, NULL);
        epochs[i] = core_target.id.epoch;
    }

    qsort(epochs, CHANNEL_LIVES, sizeof(uint64_t), compare);

    for (same = 0, i = 1; i < CHANNEL_LIVES; i++) {
        same += (epochs[i] == epochs[i - 1]);
    }

    is_int(same, 0, "no epoch comes twice, %lu lives, %lu dropped",
           (unsigned long) CHANNEL_LIVES, (unsigned long) dropped);
    ok(epochs[CHANNEL_LIVES - 1] >> 48 == 0, "of 48 bits");

    free(epochs);
    tear_down("epochs");
}


/* names of one bucket, of all lengths */

static void
test_names(void)
{
    u_char               buf[250];
    ngx_str_t            name;
    ngx_uint_t           n, found;
    ngx_push_channel_t  *ch;

    zone = core_zone(1024 * 1024, 2);
    ngx_memset(buf, 'n', sizeof(buf));
    name.data = buf;
    found = 0;

    for (name.len = 1; name.len <= 250; name.len++) {
        ch = ngx_push_channel_create(zone->sh, &name);
        ngx_push_channel_pin(zone->sh, ch);
    }

    for (name.len = 1; name.len <= 250; name.len++) {
        ch = ngx_push_channel_find(zone->sh, &name);
        found += (ch && ch->name_len == name.len);
    }

    is_int(found, 250, "names of every length");
    is_int(zone->sh->nchannels, 250, "channels");

    for (n = 0, name.len = 1; name.len <= 250; name.len++) {
        ch = ngx_push_channel_find(zone->sh, &name);
        ngx_push_channel_unpin(zone->sh, ch);
        n += (ngx_push_channel_find(zone->sh, &name) == NULL);
    }

    is_int(n, 250, "not used, not kept");
    is_int(zone->sh->nchannels, 0, "channels");

    core_is_whole(zone, "whole: names");
    core_zone_free(zone);
}


/* workers: bells, listeners, what a stopped one leaves */

static void
test_listeners(void)
{
    ngx_uint_t        i, n;
    ngx_str_t         name;
    ngx_push_zone_t  *workers[8];
    ngx_push_info_t   info;
    ngx_push_start_t  start;
    ngx_push_subscription_t  s[32];

    zone = core_zone(256 * 1024, 4);
    name = core_str("a");

    for (i = 0; i < 8; i++) {
        workers[i] = core_worker(zone);
    }

    is_int(ngx_push_bell_claim(zone->sh), NGX_PUSH_NO_BELL,
           "eight bells for four eventfds");

    for (i = 0; i < 32; i++) {
        ngx_memzero(&start, sizeof(ngx_push_start_t));
        ngx_memzero(&s[i], sizeof(ngx_push_subscription_t));
        s[i].deliver = deliver;
        (void) ngx_push_hub_join(workers[i % 8]->hub, &s[i], &name, &start);
    }

    core_publish(zone, "a", NULL);
    is_int(core_target.subscribers, 32, "all are counted");

    n = 0;

    for (i = 0; i < 8; i++) {
        n += (workers[i]->hub->bell->rung && workers[i]->hub->bell->ready);
    }

    is_int(n, 8, "each worker is rung");

    ngx_push_hub_gauge(workers[3]->hub, 2, 7);
    is_int(workers[3]->hub->bell->gauges[2], 7, "a gauge");
    ngx_push_hub_leave(&s[0]);
    (void) ngx_push_channel_info(zone, &name, &info);
    is_int(info.subscribers, 31, "one left");

    for (i = 0; i < 8; i++) {
        n = workers[i]->hub->number;
        core_stop(workers[i]);
        core_is_whole(zone, "worker %lu stopped", (unsigned long) i);
        is_int(ngx_push_bells(zone->sh)[n].gauges[2], 0, "no gauges");
        (void) ngx_push_channel_info(zone, &name, &info);
        is_int(info.subscribers, 28 - 4 * i, "subscribers left");
    }

    core_zone_free(zone);
}


static void
test_many_bells(void)
{
    ngx_push_zone_t  *many;

    many = core_zone(2 * 1024 * 1024, NGX_PUSH_MAX_BELLS);

    is_int(many->sh->nbells, NGX_PUSH_MAX_BELLS, "not more than a chime has");

    core_zone_free(many);
}


int
main(void)
{
    core_init();
    core_seed();

    test_idle();
    test_delete();
    test_epochs();
    test_names();
    test_listeners();
    test_many_bells();

    return done();
}
