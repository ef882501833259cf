
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "core_check.h"


#define BLOCK_SLOTS  2000


/* what the test believes is taken */

typedef struct {
    u_char   *block;
    size_t    size;                          /* asked for */
    u_char    mark;
} block_shadow_t;


static u_char            *block_memory;
static ngx_push_arena_t  *block_arena;
static block_shadow_t     block_shadow[BLOCK_SLOTS];


static void
block_open(size_t size)
{
    block_memory = mmap(NULL, size, PROT_READ|PROT_WRITE,
                        MAP_ANON|MAP_SHARED, -1, 0);
    block_arena = (ngx_push_arena_t *) block_memory;

    ngx_push_arena_init(block_arena,
                        block_memory + sizeof(ngx_push_arena_t),
                        block_memory + size);
    ngx_memzero(block_shadow, sizeof(block_shadow));
}


static uint32_t
block_free_units(void)
{
    return block_arena->units[NGX_PUSH_BLOCK_FREE];
}


static void
block_is_whole(const char *name)
{
    if (!ok(core_check_arena(block_arena), "%s", name)) {
        printf("#   %s\n", core_why);
    }
}


static ngx_uint_t
block_take(block_shadow_t *s, size_t size)
{
    s->block = ngx_push_block_alloc(block_arena, size);

    if (s->block == NULL) {
        return 0;
    }

    s->size = size;
    s->mark = core_random(256);

    ngx_memset(s->block + sizeof(ngx_push_block_t), s->mark,
               size - sizeof(ngx_push_block_t));
    ngx_push_block_set_type(block_arena, s->block, NGX_PUSH_BLOCK_MESSAGE);

    return 1;
}


/* 0: somebody else wrote to it */

static ngx_uint_t
block_give(block_shadow_t *s)
{
    size_t      i;
    ngx_uint_t  whole;

    whole = ngx_push_block_size((ngx_push_block_t *) s->block) >= s->size;

    for (i = sizeof(ngx_push_block_t); i < s->size; i++) {
        whole &= (s->block[i] == s->mark);
    }

    ngx_push_block_free(block_arena, s->block);
    s->block = NULL;

    return whole;
}


static void
test_simple(void)
{
    void        *a, *b, *c;
    uint32_t     units;
    ngx_uint_t   i;

    block_open(64 * 1024);
    units = block_free_units();

    ok(ngx_push_arena_check(block_arena) != NULL, "a new arena");

    a = ngx_push_block_alloc(block_arena, 100);
    b = ngx_push_block_alloc(block_arena, 100);
    c = ngx_push_block_alloc(block_arena, 100);

    is_int(block_free_units(), units - 21, "three blocks of 7 units");

    ngx_push_block_free(block_arena, a);
    ngx_push_block_free(block_arena, c);
    ngx_push_block_free(block_arena, b);

    is_int(block_free_units(), units, "given back in another order");
    block_is_whole("one piece again");

    ok(ngx_push_block_alloc(block_arena, 64 * 1024) == NULL, "too large");
    ok(ngx_push_block_alloc(block_arena, (size_t) -1) == NULL, "much");
    ok(ngx_push_block_alloc(block_arena, (size_t) units * 16 + 1) == NULL,
       "a byte more than there is");

    a = ngx_push_block_alloc(block_arena, (size_t) units * 16);
    ok(a != NULL && block_free_units() == 0, "all there is");
    ok(ngx_push_block_alloc(block_arena, 16) == NULL, "nothing is left");
    ok(ngx_push_block_alloc_most(block_arena, 16, 16) == NULL,
       "nor of any size");
    ngx_push_block_free(block_arena, a);

    for (i = 0; ngx_push_block_alloc(block_arena, 16); i++) { /* void */ }

    is_int(i, units / 2, "a block has two units at least");
    block_is_whole("full");

    ngx_push_arena_rebuild(block_arena);
    is_int(block_free_units(), 0, "taken stays taken");

    for (a = ngx_push_arena_check(block_arena);
         ngx_push_block_type((ngx_push_block_t *) a) != NGX_PUSH_BLOCK_END;
         a = ngx_push_block_next((ngx_push_block_t *) a))
    {
        ngx_push_block_drop(a);
    }

    ngx_push_arena_rebuild(block_arena);
    is_int(block_free_units(), units, "dropped and rebuilt");
    block_is_whole("whole");

    munmap(block_memory, 64 * 1024);
}


static void
test_broken(void)
{
    uint64_t           tag;
    ngx_uint_t         i, found, bits;
    ngx_push_block_t  *b;

    block_open(64 * 1024);

    b = ngx_push_block_alloc(block_arena, 4000);
    (void) ngx_push_block_alloc(block_arena, 4000);

    tag = b->tag;
    found = 0;
    bits = 0;

    for (i = 0; i < 64; i++) {
        b->tag = tag ^ ((uint64_t) 1 << i);

        /* another valid type is no matter of the row */

        if (b->tag >> 40 == tag >> 40 && (uint32_t) b->tag == (uint32_t) tag
            && ngx_push_block_type(b) < NGX_PUSH_BLOCK_END
            && ngx_push_block_type(b) != 0)
        {
            continue;
        }

        bits++;
        found += (ngx_push_arena_check(block_arena) == NULL);
    }

    is_int(found, bits, "each flipped bit in a size or magic is found");

    b->tag = tag;
    ok(ngx_push_arena_check(block_arena) != NULL, "and whole again");

    b->tag = tag + 1;
    block_arena->first++;
    ok(ngx_push_arena_check(block_arena) == NULL, "a row that starts wrong");

    munmap(block_memory, 64 * 1024);
}


static void
test_random(void)
{
    size_t       size;
    uint32_t     units;
    ngx_uint_t   i, n, whole, taken, refused;

    block_open(512 * 1024);
    units = block_free_units();

    whole = 1;
    taken = 0;
    refused = 0;

    for (n = 0; n < 200000 && whole; n++) {
        i = core_random(BLOCK_SLOTS);

        if (block_shadow[i].block) {
            whole &= block_give(&block_shadow[i]);
            continue;
        }

        size = 16 + (core_random(8) ? core_random(400) : core_random(20000));

        if (block_take(&block_shadow[i], size)) {
            taken++;

        } else {
            refused++;
        }

        if (n % 500 == 0) {
            whole &= core_check_arena(block_arena);
        }
    }

    ok(whole, "random: %lu taken, %lu refused", (unsigned long) taken,
       (unsigned long) refused);

    for (i = 0; i < BLOCK_SLOTS; i++) {
        if (block_shadow[i].block) {
            whole &= block_give(&block_shadow[i]);
        }
    }

    ok(whole, "all blocks were as they were left");
    block_is_whole("given back in any order");
    is_int(block_free_units(), units, "nothing is lost");

    munmap(block_memory, 512 * 1024);
}


/* what a message costs more than its own bytes and its head */

static void
test_rounding(void)
{
    size_t               room, most;
    uint32_t             units, free_units;
    ngx_uint_t           n, bad;
    core_say_t           say;
    ngx_push_zone_t     *zone;
    ngx_push_publish_t   p;

    zone = core_zone(8 * 1024 * 1024, 2);
    free_units = core_free_units(zone->sh);

    ngx_memzero(&say, sizeof(core_say_t));
    bad = 0;
    most = 0;

    for (say.size = 16; say.size <= 65536;
         say.size += 1 + say.size / 64 + core_random(16))
    {
        units = core_free_units(zone->sh);
        room = 0;

        core_render(&p, &say);

        for (n = 0; n < 8 && ngx_push_message_create(&zone->sh->arena, &p);
             n++)
        {
            room += ngx_push_message_room(&p);
        }

        free(p.bytes.data);

        units = (units - core_free_units(zone->sh)) * NGX_PUSH_UNIT;
        bad += (units * 100 > room * 115);
        most = ngx_max(most, units * 1000 / room);

        ngx_push_shared_recover(zone->sh);
    }

    ok(bad == 0, "rounding costs at most 15%% (%lu.%lu%%)",
       (unsigned long) (most - 1000) / 10, (unsigned long) most % 10);
    is_int(core_free_units(zone->sh), free_units, "all given back");

    core_zone_free(zone);
}


/*
 * Days of a full zone in short: mixed sizes, the oldest history goes.  What
 * it holds must not decay, neither in bytes nor in messages.
 */

static void
test_decay(void)
{
    char              name[8];
    double            share, early, late, least;
    uint32_t          units;
    core_say_t        say;
    ngx_uint_t        n, full;
    ngx_push_zone_t  *zone;

    zone = core_zone(1024 * 1024, 2);
    units = core_free_units(zone->sh);

    unit_log.log_level = NGX_LOG_ERR;

    ngx_memzero(&say, sizeof(core_say_t));
    core_rules.count = 1000;

    early = 0;
    late = 0;
    least = 1;
    full = 0;

    for (n = 0; n < 400000; n++) {
        ngx_sprintf((u_char *) name, "c%uD%Z", core_random(50));

        switch (core_random(10)) {
        case 0:
            say.size = core_random(60000);
            break;
        case 1:
        case 2:
            say.size = core_random(4000);
            break;
        default:
            say.size = core_random(300);
        }

        full += (core_publish(zone, name, &say) != NGX_PUSH_CREATED);

        if (n % 100 == 0) {
            core_advance(100);
        }

        if (n < 1000) {
            continue;
        }

        share = 1 - (double) core_free_units(zone->sh) / core_units(zone->sh);
        least = ngx_min(least, share);

        if (n < 21000) {
            early += share / 20000;

        } else if (n >= 380000) {
            late += share / 20000;
        }

        if (n % 20000 == 0 && !core_check(zone)) {
            break;
        }
    }

    core_is_whole(zone, "a zone long full");
    is_int(full, 0, "all messages had room");
    ok(late > early - 0.02, "filled to %.3f early and %.3f late, least %.3f",
       early, late, least);

    while (ngx_push_channel_make_room(zone->sh) == NGX_OK) { /* void */ }

    is_int(core_free_units(zone->sh), units, "all units are free again");

    core_rules.count = 100;
    core_zone_free(zone);
}


int
main(void)
{
    core_init();
    core_seed();

    test_simple();
    test_broken();
    test_random();
    test_rounding();
    test_decay();

    return done();
}
