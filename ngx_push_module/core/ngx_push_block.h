
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_BLOCK_H_INCLUDED_
#define _NGX_PUSH_BLOCK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The zone's allocator.  The arena is a row of blocks without a hole; a
 * block says its own size and type in one word, which is written by one
 * store.  So the row can be walked at any moment, also when a worker was
 * killed in the middle of an allocation, and all the rest (free lists, the
 * way back, the sums) is made anew from the walk.
 *
 * Blocks are named by their distance from the arena in units of 16 bytes;
 * 0 is no block.  All calls need the zone's lock.
 */


#define NGX_PUSH_UNIT           16
#define NGX_PUSH_BLOCK_LISTS    128

typedef enum {
    NGX_PUSH_BLOCK_FREE = 1,
    NGX_PUSH_BLOCK_RESERVED,                 /* taken, not yet anything */
    NGX_PUSH_BLOCK_CHANNEL,
    NGX_PUSH_BLOCK_RING,
    NGX_PUSH_BLOCK_MESSAGE,
    NGX_PUSH_BLOCK_PART,
    NGX_PUSH_BLOCK_LISTENER,
    NGX_PUSH_BLOCK_KEY,
    NGX_PUSH_BLOCK_END,
    NGX_PUSH_BLOCK_TYPES
} ngx_push_block_e;


typedef struct {
    uint64_t    tag;                         /* magic, type, size */
    uint32_t    prev;                        /* size of the block before */
    uint32_t    link;                        /* for the block's user */
} ngx_push_block_t;


typedef struct {
    uint64_t    map[NGX_PUSH_BLOCK_LISTS / 64];
    uint32_t    lists[NGX_PUSH_BLOCK_LISTS];
    uint32_t    first;
    uint32_t    end;
    uint32_t    units[NGX_PUSH_BLOCK_TYPES]; /* by type */
} ngx_push_arena_t;


#define ngx_push_at(arena, offset)                                           \
    ((void *) ((u_char *) (arena) + (size_t) (offset) * NGX_PUSH_UNIT))

#define ngx_push_offset(arena, block)                                        \
    ((uint32_t) (((u_char *) (block) - (u_char *) (arena)) / NGX_PUSH_UNIT))

#define ngx_push_block_units(b)   ((uint32_t) (b)->tag)
#define ngx_push_block_type(b)    ((ngx_uint_t) ((b)->tag >> 32) & 0xff)

#define ngx_push_block_size(b)                                               \
    ((size_t) ngx_push_block_units(b) * NGX_PUSH_UNIT)

#define ngx_push_block_next(b)                                               \
    ((ngx_push_block_t *) ((u_char *) (b) + ngx_push_block_size(b)))


/* makes one free block of all between start and end, less the end mark */

void ngx_push_arena_init(ngx_push_arena_t *arena, u_char *start, u_char *end);

/*
 * Size in bytes with the block's head.  The block is RESERVED until it is
 * complete and its type is set: what is reserved when its maker dies is
 * free again.  NULL: there is no such room in one piece.
 */

void *ngx_push_block_alloc(ngx_push_arena_t *arena, size_t size);

/* the largest there is, but at most "size" bytes, and at least "min" */

void *ngx_push_block_alloc_most(ngx_push_arena_t *arena, size_t size,
    size_t min);
void ngx_push_block_set_type(ngx_push_arena_t *arena, void *block,
    ngx_push_block_e type);
void ngx_push_block_free(ngx_push_arena_t *arena, void *block);

/* the first block; NULL: the row is broken, nothing in it can be trusted */

ngx_push_block_t *ngx_push_arena_check(ngx_push_arena_t *arena);

/* for recovery: to be freed by ngx_push_arena_rebuild(), which is next */

void ngx_push_block_drop(ngx_push_block_t *b);
void ngx_push_arena_rebuild(ngx_push_arena_t *arena);


#endif /* _NGX_PUSH_BLOCK_H_INCLUDED_ */
