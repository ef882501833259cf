
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_MESSAGE_H_INCLUDED_
#define _NGX_PUSH_MESSAGE_H_INCLUDED_


#include "ngx_push.h"
#include "ngx_push_block.h"


/*
 * One message: its words (content type, event, topic, user), then its
 * bytes, which may go on in further blocks.  Nothing of it changes once it
 * is in a log but "refs", the links and the flags IN_LOG, KEPT and COVERED.
 */


#define NGX_PUSH_MESSAGE_TEXT     0x01
#define NGX_PUSH_MESSAGE_IN_LOG   0x02
#define NGX_PUSH_MESSAGE_KEPT     0x04       /* a resume may get it */
#define NGX_PUSH_MESSAGE_COVERED  0x08       /* may go without a gap */
#define NGX_PUSH_MESSAGE_LAST     0x10       /* seals its channel */


struct ngx_push_message_s {
    ngx_push_block_t  block;                 /* link: the channel */
    uint64_t          seq;
    uint64_t          time;                  /* ms since 1970, UTC */
    uint32_t          ttl;                   /* seconds, its own */
    uint32_t          refs;
    uint32_t          next;                  /* in the zone's history */
    uint32_t          prev;
    uint32_t          part;                  /* the next block of bytes */
    uint32_t          size;                  /* bytes */
    uint32_t          event_size;
    uint32_t          body;                  /* where it begins in bytes */
    uint32_t          body_size;
    uint8_t           flags;
    uint8_t           head;                  /* length of the chunk's head */
    uint8_t           content_type;          /* lengths of the words */
    uint8_t           event;
    uint8_t           topic;
    uint8_t           user;
    u_char            data[];
};


typedef struct {
    ngx_push_block_t  block;                 /* link: the next part */
    uint32_t          owner;
    u_char            data[];
} ngx_push_part_t;


#define ngx_push_message_expires(m)                                          \
    ((m)->time + (uint64_t) (m)->ttl * 1000)


/*
 * All but seq, time, channel and the id in the bytes is set.  NULL: no room;
 * to make some, and try again, is the caller's.
 */

ngx_push_message_t *ngx_push_message_create(ngx_push_arena_t *arena,
    ngx_push_publish_t *p);
void ngx_push_message_destroy(ngx_push_arena_t *arena, ngx_push_message_t *m);

/* the zone it would take, all in one piece */

size_t ngx_push_message_room(ngx_push_publish_t *p);

/* writes the id into the place left for it */

void ngx_push_message_identify(ngx_push_message_t *m, size_t id,
    ngx_push_id_t *value);

/*
 * The bytes in one piece: where they lie, or, if they are in several
 * blocks, copied to "buf" of m->size bytes.
 */

u_char *ngx_push_message_bytes(ngx_push_arena_t *arena, ngx_push_message_t *m,
    u_char *buf);
ngx_uint_t ngx_push_message_is_whole(ngx_push_message_t *m);

/* the same place may be given for words that are not asked for */

void ngx_push_message_words(ngx_push_message_t *m, ngx_str_t *content_type,
    ngx_str_t *event, ngx_str_t *topic, ngx_str_t *user);
ngx_uint_t ngx_push_message_has_topic(ngx_push_message_t *m,
    ngx_str_t *topic);


#endif /* _NGX_PUSH_MESSAGE_H_INCLUDED_ */
