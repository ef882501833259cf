
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "core_check.h"


static ngx_push_zone_t  *zone;


static void
open_zone(size_t size)
{
    zone = core_zone(size, 2);
}


static void
close_zone(const char *name)
{
    core_is_whole(zone, "whole: %s", name);
    core_zone_free(zone);
}


static void
targets_of(ngx_push_target_t *t, ngx_uint_t n, const char *names)
{
    ngx_memzero(t, n * sizeof(ngx_push_target_t));

    while (n--) {
        t[n].channel.data = (u_char *) &names[n];
        t[n].channel.len = 1;
    }
}


static void
test_one(void)
{
    ngx_str_t        name;
    core_say_t       say;
    ngx_push_id_t    id;
    ngx_push_info_t  info;

    open_zone(256 * 1024);
    name = core_str("a");

    is_int(ngx_push_channel_info(zone, &name, &info), NGX_DECLINED,
           "an unknown channel");
    is_int(core_publish_size(zone, "a", 100), NGX_PUSH_CREATED, "the first");
    is_int(core_target.id.seq, 1, "its number");
    is_int(core_target.subscribers, 0, "no subscribers");

    id = core_target.id;
    core_advance(1234);

    is_int(core_publish_size(zone, "a", 0), NGX_PUSH_CREATED, "an empty one");
    is_int(core_target.id.seq, 2, "its number");
    ok(core_target.id.epoch == id.epoch, "the same life");

    is_int(ngx_push_channel_info(zone, &name, &info), NGX_OK, "info");
    ok(info.last.seq == 2 && info.oldest.seq == 1 && info.messages == 2
       && info.bytes == 100 && !info.ended, "what it says");
    is_int(info.last_publish - info.created, 1234, "and when");

    ngx_memzero(&say, sizeof(core_say_t));
    say.first = 1;
    is_int(core_publish(zone, "a", &say), NGX_PUSH_UNMATCHED,
           "If-None-Match: *");
    is_int(core_target.id.seq, 2, "the present id is told");
    is_int(core_publish(zone, "b", &say), NGX_PUSH_CREATED,
           "where there is no message");

    say.first = 0;
    say.match = &id;
    is_int(core_publish(zone, "a", &say), NGX_PUSH_UNMATCHED,
           "If-Match of an old id");
    id.seq = 2;
    is_int(core_publish(zone, "a", &say), NGX_PUSH_CREATED,
           "If-Match of the last id");
    id.seq = 0;
    is_int(core_publish(zone, "c", &say), NGX_PUSH_UNMATCHED,
           "If-Match where there is no message");
    ok(core_channel(zone, "c") == NULL, "a refused publish makes no channel");

    close_zone("one channel");
}


static void
test_seal(void)
{
    ngx_str_t         name;
    core_say_t        say;
    ngx_uint_t        n;
    ngx_push_info_t   info;

    open_zone(256 * 1024);

    ngx_memzero(&say, sizeof(core_say_t));
    say.size = 10;
    say.end = 1;

    is_int(core_publish(zone, "a", &say), NGX_PUSH_CREATED, "the last one");
    is_int(core_publish(zone, "a", NULL), NGX_PUSH_SEALED, "sealed");
    is_int(core_publish(zone, "a", &say), NGX_PUSH_SEALED, "and not twice");

    say.empty = 1;
    is_int(core_publish(zone, "b", &say), NGX_PUSH_CREATED,
           "sealed without a message");
    is_int(core_target.id.seq, 0, "no number is given");
    is_int(core_publish(zone, "b", NULL), NGX_PUSH_SEALED, "sealed");

    name = core_str("b");
    is_int(ngx_push_channel_info(zone, &name, &info), NGX_OK, "it is known");
    ok(info.ended && info.messages == 0, "as ended");

    is_int(ngx_push_channel_delete(zone, &name, &n), NGX_OK, "delete");
    is_int(ngx_push_channel_info(zone, &name, &info), NGX_DECLINED, "gone");
    is_int(ngx_push_channel_delete(zone, &name, &n), NGX_DECLINED,
           "it is not there to be deleted twice");
    is_int(core_publish(zone, "b", NULL), NGX_PUSH_CREATED, "a new life");
    is_int(core_target.id.seq, 1, "from the first number");

    close_zone("sealed");
}


static void
test_keys(void)
{
    core_say_t     say;
    ngx_push_id_t  id;

    open_zone(256 * 1024);

    ngx_memzero(&say, sizeof(core_say_t));
    say.size = 10;
    say.key = "k1";

    is_int(core_publish(zone, "a", &say), NGX_PUSH_CREATED, "with a key");
    id = core_target.id;
    is_int(core_publish(zone, "a", NULL), NGX_PUSH_CREATED, "another");

    is_int(core_publish(zone, "a", &say), NGX_PUSH_REPEATED, "repeated");
    ok(core_target.id.seq == id.seq && core_target.id.epoch == id.epoch,
       "the first answer");
    is_int(core_channel(zone, "a")->last, 2, "nothing is published");

    say.first = 1;
    is_int(core_publish(zone, "a", &say), NGX_PUSH_REPEATED,
           "the key goes before a condition");
    say.first = 0;
    say.end = 1;
    is_int(core_publish(zone, "a", &say), NGX_PUSH_REPEATED, "and an end");
    say.end = 0;
    is_int(core_publish(zone, "b", &say), NGX_PUSH_CREATED,
           "the same key on another channel");
    say.key = "k2";
    is_int(core_publish(zone, "a", &say), NGX_PUSH_CREATED, "another key");

    say.key = "k1";
    core_advance(NGX_PUSH_KEY_AGE - 1);
    is_int(core_publish(zone, "a", &say), NGX_PUSH_REPEATED,
           "for nearly five minutes");
    core_advance(1);
    is_int(core_publish(zone, "a", &say), NGX_PUSH_CREATED, "no longer");
    is_int(core_publish(zone, "a", &say), NGX_PUSH_REPEATED, "a new one");

    ngx_push_key_expire(zone->sh);
    close_zone("keys");
}


static void
test_several(void)
{
    uint32_t           units;
    ngx_uint_t         i;
    core_say_t         say;
    ngx_push_target_t  t[4];

    open_zone(256 * 1024);

    ngx_memzero(&say, sizeof(core_say_t));
    say.size = 50;

    targets_of(t, 3, "abc");
    is_int(core_publish_to(zone, t, 3, &say), NGX_OK, "three channels");
    ok(t[0].id.seq == 1 && t[1].id.seq == 1 && t[2].id.seq == 1, "each one");

    say.end = 1;
    (void) core_publish(zone, "b", &say);
    say.end = 0;
    units = core_free_units(zone->sh);

    targets_of(t, 4, "abcd");
    is_int(core_publish_to(zone, t, 4, &say), NGX_DECLINED, "one is sealed");
    is_int(t[1].outcome, NGX_PUSH_SEALED, "which one");
    is_int(core_channel(zone, "a")->last, 1, "nothing in the first");
    ok(core_channel(zone, "d") == NULL, "nor a new channel");
    is_int(core_free_units(zone->sh), units, "all space is given back");
    core_is_whole(zone, "one is sealed");

    say.key = "k";
    (void) core_publish(zone, "c", &say);
    targets_of(t, 3, "acd");
    is_int(core_publish_to(zone, t, 3, &say), NGX_OK, "one is repeated");
    ok(t[0].outcome == NGX_PUSH_CREATED && t[1].outcome == NGX_PUSH_REPEATED
       && t[2].outcome == NGX_PUSH_CREATED, "which one");
    is_int(core_publish_to(zone, t, 3, &say), NGX_OK, "all are");

    for (i = 0; i < 3; i++) {
        is_int(t[i].outcome, NGX_PUSH_REPEATED, "channel %lu",
               (unsigned long) i);
    }

    close_zone("several");
}


/* a ring that a publish counts on must not go with its last message */

static void
test_evicting(void)
{
    ngx_uint_t         i, n;
    core_say_t         say;
    ngx_push_target_t  t[20];

    open_zone(256 * 1024);

    ngx_memzero(&say, sizeof(core_say_t));
    core_rules.count = 4;

    for (n = 0; n < 300; n++) {
        targets_of(t, 20, "abcdefghijklmnopqrst");
        say.size = core_random(4000);

        if (core_publish_to(zone, t, 1 + core_random(20), &say) != NGX_OK) {
            break;
        }

        if (!core_check(zone)) {
            break;
        }
    }

    if (!ok(n == 300, "several channels, from a full zone")) {
        printf("#   %lu: %s\n", (unsigned long) n, core_why);
    }

    n = 0;

    for (i = 0; i < 20; i++) {
        n += t[i].id.seq > 1;
    }

    ok(zone->sh->stats[NGX_PUSH_STAT_EVICTED] > 0, "history was evicted");

    core_rules.count = 100;
    close_zone("evicting");
}


static void
test_full(void)
{
    char               name[8];
    uint32_t           units, messages;
    ngx_uint_t         n;
    core_say_t         say;
    ngx_push_target_t  t[10];

    open_zone(256 * 1024);

    ngx_memzero(&say, sizeof(core_say_t));
    say.size = 100;

    for (n = 0; n < 20; n++) {
        core_publish(zone, "a", &say);
    }

    units = core_free_units(zone->sh);
    messages = zone->sh->nmessages;

    say.size = 300000;
    is_int(core_publish(zone, "a", &say), NGX_PUSH_FULL,
           "larger than the zone");
    is_int(core_publish(zone, "new", &say), NGX_PUSH_FULL, "a new channel");
    is_int(core_free_units(zone->sh), units, "all space is given back");

    say.size = 60000;
    targets_of(t, 10, "abcdefghij");
    is_int(core_publish_to(zone, t, 10, &say), NGX_DECLINED,
           "too much for several channels");
    is_int(zone->sh->nmessages, messages, "no history was evicted for it");
    is_int(core_free_units(zone->sh), units, "all space is given back");

    say.size = 130000;
    is_int(core_publish(zone, "a", &say), NGX_PUSH_CREATED, "what just fits");
    core_is_whole(zone, "it fits");

    /* idle channels go for new ones, keys stay */

    say.size = 0;
    say.end = 1;
    say.empty = 1;

    for (n = 0; n < 3000; n++) {
        ngx_sprintf((u_char *) name, "c%ui%Z", n);

        if (core_publish(zone, name, &say) != NGX_PUSH_CREATED) {
            break;
        }
    }

    is_int(n, 3000, "many channels");
    ok(zone->sh->stats[NGX_PUSH_STAT_EVICTED_CHANNELS] > 0,
       "the longest out of use went");
    ok(core_channel(zone, "c0") == NULL && core_channel(zone, "c2999"),
       "which ones");

    close_zone("full");
}


/* random publishes, all or none: space and numbers come out exactly */

static void
test_random(void)
{
    char               key[16];
    uint32_t           units;
    uint64_t           last[8];
    ngx_int_t          rc;
    ngx_uint_t         i, n, same, count;
    core_say_t         say;
    ngx_push_target_t  t[8];

    open_zone(128 * 1024);

    units = core_free_units(zone->sh);
    same = 1;

    for (n = 0; n < 5000 && same; n++) {
        ngx_memzero(&say, sizeof(core_say_t));
        say.size = core_random(10) ? core_random(600) : core_random(90000);
        say.first = (core_random(20) == 0);

        if (core_random(3) == 0) {
            ngx_sprintf((u_char *) key, "k%uD%Z", core_random(200));
            say.key = key;
        }

        count = 1 + core_random(8);
        targets_of(t, count, "abcdefgh");

        for (i = 0; i < count; i++) {
            last[i] = 0;

            if (ngx_push_channel_find(zone->sh, &t[i].channel)) {
                last[i] = ngx_push_channel_find(zone->sh,
                                                &t[i].channel)->last;
            }
        }

        rc = core_publish_to(zone, t, count, &say);

        for (i = 0; i < count; i++) {
            if (rc == NGX_OK && t[i].outcome == NGX_PUSH_CREATED) {
                same &= (t[i].id.seq == last[i] + 1);
            }
        }

        same &= core_check(zone);
        core_advance(core_random(2000));
        ngx_push_key_expire(zone->sh);
    }

    if (!ok(same, "random publishes, %lu", (unsigned long) n)) {
        printf("#   %s\n", core_why);
    }

    while (ngx_push_channel_make_room(zone->sh) == NGX_OK) { /* void */ }

    core_advance(NGX_PUSH_KEY_AGE);
    ngx_push_key_expire(zone->sh);

    is_int(core_free_units(zone->sh), units, "all units are free again");

    close_zone("random");
}


int
main(void)
{
    core_init();
    core_seed();

    unit_log.log_level = NGX_LOG_ERR;

    test_one();
    test_seal();
    test_keys();
    test_several();
    test_evicting();
    test_full();
    test_random();

    return done();
}
