
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_block.h"


#define NGX_PUSH_BLOCK_MAGIC   0x707573ULL
#define NGX_PUSH_BLOCK_MIN     2             /* units */
#define NGX_PUSH_BLOCK_TRIES   8

#define ngx_push_block_tag(units, type)                                      \
    (NGX_PUSH_BLOCK_MAGIC << 40 | (uint64_t) (type) << 32 | (units))


/* a free block: "link" is the next of its list */

typedef struct {
    ngx_push_block_t  block;
    uint32_t          back;
} ngx_push_free_t;


static ngx_uint_t ngx_push_block_list(uint32_t units);
static ngx_push_block_t *ngx_push_block_find(ngx_push_arena_t *arena,
    uint32_t units);
static void *ngx_push_block_take(ngx_push_arena_t *arena, ngx_push_block_t *b,
    uint32_t units);
static void ngx_push_block_tell(ngx_push_block_t *b, uint32_t units,
    ngx_push_block_e type);
static void ngx_push_block_link(ngx_push_arena_t *arena, ngx_push_block_t *b);
static void ngx_push_block_unlink(ngx_push_arena_t *arena,
    ngx_push_block_t *b);
static ngx_push_block_t *ngx_push_block_merge(ngx_push_arena_t *arena,
    ngx_push_block_t *b);


void
ngx_push_arena_init(ngx_push_arena_t *arena, u_char *start, u_char *end)
{
    uint32_t           units;
    ngx_push_block_t  *b;

    /* also over a broken one, where the bounds come out as they were */

    arena->first = (start - (u_char *) arena + NGX_PUSH_UNIT - 1)
                   / NGX_PUSH_UNIT;
    arena->end = (end - (u_char *) arena) / NGX_PUSH_UNIT - 1;

    ngx_memzero(arena->map, sizeof(arena->map));
    ngx_memzero(arena->lists, sizeof(arena->lists));
    ngx_memzero(arena->units, sizeof(arena->units));

    units = arena->end - arena->first;

    b = ngx_push_at(arena, arena->end);
    b->prev = units;
    b->link = 0;
    ngx_push_block_tell(b, 1, NGX_PUSH_BLOCK_END);

    b = ngx_push_at(arena, arena->first);
    b->prev = 0;
    ngx_push_block_tell(b, units, NGX_PUSH_BLOCK_FREE);

    arena->units[NGX_PUSH_BLOCK_FREE] = units;
    ngx_push_block_link(arena, b);
}


void *
ngx_push_block_alloc(ngx_push_arena_t *arena, size_t size)
{
    uint32_t           units;
    ngx_push_block_t  *b;

    if (size / NGX_PUSH_UNIT >= arena->end) {
        return NULL;
    }

    units = (size + NGX_PUSH_UNIT - 1) / NGX_PUSH_UNIT;
    units = ngx_max(units, NGX_PUSH_BLOCK_MIN);

    b = ngx_push_block_find(arena, units);
    if (b == NULL) {
        return NULL;
    }

    return ngx_push_block_take(arena, b, units);
}


void *
ngx_push_block_alloc_most(ngx_push_arena_t *arena, size_t size, size_t min)
{
    uint32_t           units;
    ngx_uint_t         i;
    ngx_push_block_t  *b;

    b = ngx_push_block_alloc(arena, size);
    if (b != NULL) {
        return b;
    }

    i = NGX_PUSH_BLOCK_LISTS;

    while (i-- > 0) {

        if (arena->lists[i] == 0) {
            continue;
        }

        b = ngx_push_at(arena, arena->lists[i]);

        if (ngx_push_block_size(b) < min) {
            return NULL;
        }

        units = (size + NGX_PUSH_UNIT - 1) / NGX_PUSH_UNIT;
        units = ngx_min(units, ngx_push_block_units(b));

        return ngx_push_block_take(arena, b, units);
    }

    return NULL;
}


void
ngx_push_block_set_type(ngx_push_arena_t *arena, void *block,
    ngx_push_block_e type)
{
    uint32_t           units;
    ngx_push_block_t  *b;

    b = block;
    units = ngx_push_block_units(b);

    arena->units[ngx_push_block_type(b)] -= units;
    arena->units[type] += units;

    ngx_push_block_tell(b, units, type);
}


void
ngx_push_block_free(ngx_push_arena_t *arena, void *block)
{
    ngx_push_block_set_type(arena, block, NGX_PUSH_BLOCK_FREE);

    ngx_push_block_link(arena, ngx_push_block_merge(arena, block));
}


ngx_push_block_t *
ngx_push_arena_check(ngx_push_arena_t *arena)
{
    uint32_t           offset, units;
    ngx_uint_t         type;
    ngx_push_block_t  *b;

    offset = arena->first;

    for ( ;; ) {
        b = ngx_push_at(arena, offset);

        units = ngx_push_block_units(b);
        type = ngx_push_block_type(b);

        if (b->tag >> 40 != NGX_PUSH_BLOCK_MAGIC || type == 0) {
            return NULL;
        }

        if (offset == arena->end) {
            break;
        }

        if (type >= NGX_PUSH_BLOCK_END
            || units == 0
            || units > arena->end - offset)
        {
            return NULL;
        }

        offset += units;
    }

    if (type != NGX_PUSH_BLOCK_END) {
        return NULL;
    }

    return ngx_push_at(arena, arena->first);
}


void
ngx_push_block_drop(ngx_push_block_t *b)
{
    ngx_push_block_tell(b, ngx_push_block_units(b), NGX_PUSH_BLOCK_FREE);
}


void
ngx_push_arena_rebuild(ngx_push_arena_t *arena)
{
    uint32_t           prev;
    ngx_push_block_t  *b, *next;

    ngx_memzero(arena->map, sizeof(arena->map));
    ngx_memzero(arena->lists, sizeof(arena->lists));
    ngx_memzero(arena->units, sizeof(arena->units));

    prev = 0;
    b = ngx_push_at(arena, arena->first);

    while (ngx_push_block_type(b) != NGX_PUSH_BLOCK_END) {

        b->prev = prev;

        if (ngx_push_block_type(b) == NGX_PUSH_BLOCK_FREE) {

            next = ngx_push_block_next(b);

            while (ngx_push_block_type(next) == NGX_PUSH_BLOCK_FREE) {
                ngx_push_block_tell(b, ngx_push_block_units(b)
                                       + ngx_push_block_units(next),
                                    NGX_PUSH_BLOCK_FREE);

                next = ngx_push_block_next(b);
            }

            ngx_push_block_link(arena, b);
        }

        prev = ngx_push_block_units(b);
        arena->units[ngx_push_block_type(b)] += prev;

        b = ngx_push_block_next(b);
    }

    b->prev = prev;
}


/*
 * Small blocks have a list for each size, larger ones four lists for each
 * power of two.
 */

static ngx_uint_t
ngx_push_block_list(uint32_t units)
{
    ngx_uint_t  bit;

    if (units < 32) {
        return units;
    }

    bit = 31 - __builtin_clz(units);

    return ngx_min(32 + (bit - 5) * 4 + ((units >> (bit - 2)) & 3),
                   NGX_PUSH_BLOCK_LISTS - 1);
}


static ngx_push_block_t *
ngx_push_block_find(ngx_push_arena_t *arena, uint32_t units)
{
    uint32_t           offset;
    uint64_t           map;
    ngx_uint_t         i, list, tries;
    ngx_push_block_t  *b;

    list = ngx_push_block_list(units);
    tries = (units < 32) ? 1 : NGX_PUSH_BLOCK_TRIES;

    for (offset = arena->lists[list]; offset && tries--; offset = b->link) {
        b = ngx_push_at(arena, offset);

        if (ngx_push_block_units(b) >= units) {
            return b;
        }
    }

    /* in any list above, each block is large enough */

    for (i = (list + 1) / 64; i < NGX_PUSH_BLOCK_LISTS / 64; i++) {
        map = arena->map[i];

        if (i == (list + 1) / 64) {
            map &= ~(uint64_t) 0 << ((list + 1) & 63);
        }

        if (map) {
            return ngx_push_at(arena,
                               arena->lists[i * 64 + __builtin_ctzll(map)]);
        }
    }

    return NULL;
}


static void *
ngx_push_block_take(ngx_push_arena_t *arena, ngx_push_block_t *b,
    uint32_t units)
{
    uint32_t           rest;
    ngx_push_block_t  *next;

    ngx_push_block_unlink(arena, b);

    rest = ngx_push_block_units(b) - units;

    if (rest < NGX_PUSH_BLOCK_MIN) {
        ngx_push_block_set_type(arena, b, NGX_PUSH_BLOCK_RESERVED);
        return b;
    }

    /* the rest becomes a block before this one lets go of it */

    next = (ngx_push_block_t *) ((u_char *) b + (size_t) units
                                                * NGX_PUSH_UNIT);
    next->prev = units;
    ngx_push_block_tell(next, rest, NGX_PUSH_BLOCK_FREE);
    ngx_push_block_tell(b, units, NGX_PUSH_BLOCK_RESERVED);

    ngx_push_block_next(next)->prev = rest;
    ngx_push_block_link(arena, next);

    arena->units[NGX_PUSH_BLOCK_FREE] -= units;
    arena->units[NGX_PUSH_BLOCK_RESERVED] += units;

    return b;
}


static void
ngx_push_block_tell(ngx_push_block_t *b, uint32_t units,
    ngx_push_block_e type)
{
    ngx_memory_barrier();

    *(volatile uint64_t *) &b->tag = ngx_push_block_tag(units, type);

    ngx_memory_barrier();
}


static void
ngx_push_block_link(ngx_push_arena_t *arena, ngx_push_block_t *b)
{
    uint32_t          offset;
    ngx_uint_t        list;
    ngx_push_free_t  *f, *next;

    f = (ngx_push_free_t *) b;
    offset = ngx_push_offset(arena, b);
    list = ngx_push_block_list(ngx_push_block_units(b));

    f->back = 0;
    b->link = arena->lists[list];

    if (b->link) {
        next = ngx_push_at(arena, b->link);
        next->back = offset;
    }

    arena->lists[list] = offset;
    arena->map[list / 64] |= (uint64_t) 1 << (list & 63);
}


static void
ngx_push_block_unlink(ngx_push_arena_t *arena, ngx_push_block_t *b)
{
    ngx_uint_t         list;
    ngx_push_free_t   *f, *next;
    ngx_push_block_t  *back;

    f = (ngx_push_free_t *) b;

    if (b->link) {
        next = ngx_push_at(arena, b->link);
        next->back = f->back;
    }

    if (f->back) {
        back = ngx_push_at(arena, f->back);
        back->link = b->link;
        return;
    }

    list = ngx_push_block_list(ngx_push_block_units(b));
    arena->lists[list] = b->link;

    if (b->link == 0) {
        arena->map[list / 64] &= ~((uint64_t) 1 << (list & 63));
    }
}


/* b is free and on no list: joins it with its free neighbours */

static ngx_push_block_t *
ngx_push_block_merge(ngx_push_arena_t *arena, ngx_push_block_t *b)
{
    ngx_push_block_t  *next, *prev;

    next = ngx_push_block_next(b);

    if (ngx_push_block_type(next) == NGX_PUSH_BLOCK_FREE) {
        ngx_push_block_unlink(arena, next);
        ngx_push_block_tell(b, ngx_push_block_units(b)
                               + ngx_push_block_units(next),
                            NGX_PUSH_BLOCK_FREE);
    }

    if (b->prev) {
        prev = (ngx_push_block_t *) ((u_char *) b - (size_t) b->prev
                                                    * NGX_PUSH_UNIT);

        if (ngx_push_block_type(prev) == NGX_PUSH_BLOCK_FREE) {
            ngx_push_block_unlink(arena, prev);
            ngx_push_block_tell(prev, ngx_push_block_units(prev)
                                      + ngx_push_block_units(b),
                                NGX_PUSH_BLOCK_FREE);
            b = prev;
        }
    }

    ngx_push_block_next(b)->prev = ngx_push_block_units(b);

    return b;
}
