
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "core_check.h"


static ngx_push_zone_t  *zone;


static ngx_uint_t
say(const char *channel, const char *key)
{
    core_say_t  s;

    ngx_memzero(&s, sizeof(core_say_t));
    s.key = key;

    return core_publish(zone, channel, &s);
}


static void
test_hash(void)
{
    u_char      a[16], b[16];
    ngx_str_t   x, y;

    zone = core_zone(256 * 1024, 2);

    x = core_str("ab");
    y = core_str("c");
    ngx_push_key_hash(zone->sh, &x, &y, a);

    x = core_str("a");
    y = core_str("bc");
    ngx_push_key_hash(zone->sh, &x, &y, b);

    ok(ngx_memcmp(a, b, 16) != 0, "channel and key do not run together");

    zone->sh->secret[0] ^= 1;
    ngx_push_key_hash(zone->sh, &x, &y, a);
    ok(ngx_memcmp(a, b, 16) != 0, "the secret counts");

    core_zone_free(zone);
}


static void
test_share(void)
{
    char        key[16];
    uint32_t    most;
    ngx_uint_t  n, repeated;

    zone = core_zone(256 * 1024, 2);
    most = 0;

    for (n = 0; n < 3000; n++) {
        ngx_sprintf((u_char *) key, "k%ui%Z", n);
        (void) say("a", key);
        most = ngx_max(most, zone->sh->arena.units[NGX_PUSH_BLOCK_KEY]);
    }

    ok(most <= core_units(zone->sh) / 8, "%u of %u units", most,
       core_units(zone->sh));
    ok(most > core_units(zone->sh) / 9, "an eighth, nearly");

    repeated = 0;

    for (n = 2999; n > 0; n--) {
        ngx_sprintf((u_char *) key, "k%ui%Z", n);

        if (say("a", key) != NGX_PUSH_REPEATED) {
            break;
        }

        repeated++;
    }

    ok(repeated > 300 && repeated < 1000, "the newest are known");
    is_int(zone->sh->stats[NGX_PUSH_STAT_EVICTED_KEYS], 3000 - repeated + 1,
           "the others are counted");
    core_is_whole(zone, "whole: an eighth");

    core_advance(NGX_PUSH_KEY_AGE);
    ngx_push_key_expire(zone->sh);
    is_int(zone->sh->arena.units[NGX_PUSH_BLOCK_KEY], 0, "all expire");
    core_is_whole(zone, "whole: none");

    core_zone_free(zone);
}


static void
test_order(void)
{
    char        key[16];
    uint32_t    units;
    ngx_uint_t  n, i, same;

    zone = core_zone(256 * 1024, 2);

    /* freed in between, so that their places are not in their order */

    for (n = 0; n < 600; n++) {
        ngx_sprintf((u_char *) key, "k%ui%Z", n);
        (void) say("a", key);
        core_advance(1000);
        ngx_push_key_expire(zone->sh);
    }

    units = zone->sh->arena.units[NGX_PUSH_BLOCK_KEY];
    ngx_push_shared_recover(zone->sh);
    zone->sh->writer = 0;
    core_is_whole(zone, "recovered");
    is_int(zone->sh->arena.units[NGX_PUSH_BLOCK_KEY], units, "keys");

    same = 1;

    for (i = 0; i < 299; i++) {
        core_advance(1000);
        ngx_push_key_expire(zone->sh);
        n = zone->sh->arena.units[NGX_PUSH_BLOCK_KEY] * 299 / units;
        same &= (n + 3 + i >= 298 && n + i <= 300);
    }

    ok(same, "they expire one after another");

    core_zone_free(zone);
}


int
main(void)
{
    core_init();

    test_hash();
    test_share();
    test_order();

    return done();
}
