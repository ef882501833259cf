
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_message.h"


#define NGX_PUSH_MESSAGE_HEAD  offsetof(ngx_push_message_t, data)
#define NGX_PUSH_PART_HEAD     offsetof(ngx_push_part_t, data)

/* smaller pieces would cost more in heads than they bring */
#define NGX_PUSH_PART_MIN      512


static ngx_push_message_t *ngx_push_message_alloc(ngx_push_arena_t *arena,
    ngx_push_publish_t *p);
static ngx_int_t ngx_push_message_alloc_parts(ngx_push_arena_t *arena,
    ngx_push_message_t *m, size_t size);
static u_char *ngx_push_message_word(u_char *p, ngx_str_t *word);
static void ngx_push_message_fill(ngx_push_arena_t *arena,
    ngx_push_message_t *m, ngx_str_t *bytes);
static size_t ngx_push_message_first(ngx_push_message_t *m);
static size_t ngx_push_message_words_size(ngx_push_message_t *m);


ngx_push_message_t *
ngx_push_message_create(ngx_push_arena_t *arena, ngx_push_publish_t *p)
{
    u_char              *w;
    ngx_push_message_t  *m;

    m = ngx_push_message_alloc(arena, p);
    if (m == NULL) {
        return NULL;
    }

    m->refs = 0;
    m->ttl = p->ttl;
    m->size = p->bytes.len;
    m->event_size = p->event_size;
    m->body = p->body;
    m->body_size = p->body_size;
    m->flags = p->text ? NGX_PUSH_MESSAGE_TEXT : 0;
    m->head = p->head;

    m->content_type = p->content_type.len;
    m->event = p->event.len;
    m->topic = p->topic.len;
    m->user = p->user.len;

    w = m->data;
    w = ngx_push_message_word(w, &p->content_type);
    w = ngx_push_message_word(w, &p->event);
    w = ngx_push_message_word(w, &p->topic);
    (void) ngx_push_message_word(w, &p->user);

    ngx_push_message_fill(arena, m, &p->bytes);

    return m;
}


void
ngx_push_message_destroy(ngx_push_arena_t *arena, ngx_push_message_t *m)
{
    uint32_t          part;
    ngx_push_part_t  *q;

    part = m->part;

    ngx_push_block_free(arena, m);

    while (part) {
        q = ngx_push_at(arena, part);
        part = q->block.link;

        ngx_push_block_free(arena, q);
    }
}


size_t
ngx_push_message_room(ngx_push_publish_t *p)
{
    return NGX_PUSH_MESSAGE_HEAD + p->content_type.len + p->event.len
           + p->topic.len + p->user.len + p->bytes.len;
}


void
ngx_push_message_identify(ngx_push_message_t *m, size_t id,
    ngx_push_id_t *value)
{
    ngx_push_id_format(m->data + ngx_push_message_words_size(m) + id, value);
}


u_char *
ngx_push_message_bytes(ngx_push_arena_t *arena, ngx_push_message_t *m,
    u_char *buf)
{
    size_t            n, left;
    u_char           *p, *first;
    uint32_t          part;
    ngx_push_part_t  *q;

    first = m->data + ngx_push_message_words_size(m);

    if (m->part == 0) {
        return first;
    }

    n = ngx_push_message_first(m);
    p = ngx_cpymem(buf, first, n);
    left = m->size - n;

    for (part = m->part; part && left; part = q->block.link) {
        q = ngx_push_at(arena, part);

        n = ngx_min(left, ngx_push_block_size(&q->block)
                          - NGX_PUSH_PART_HEAD);
        p = ngx_cpymem(p, q->data, n);
        left -= n;
    }

    return buf;
}


ngx_uint_t
ngx_push_message_is_whole(ngx_push_message_t *m)
{
    return m->part == 0;
}


void
ngx_push_message_words(ngx_push_message_t *m, ngx_str_t *content_type,
    ngx_str_t *event, ngx_str_t *topic, ngx_str_t *user)
{
    u_char  *p;

    p = m->data;

    content_type->len = m->content_type;
    content_type->data = p;
    p += m->content_type;

    event->len = m->event;
    event->data = p;
    p += m->event;

    topic->len = m->topic;
    topic->data = p;
    p += m->topic;

    user->len = m->user;
    user->data = p;
}


ngx_uint_t
ngx_push_message_has_topic(ngx_push_message_t *m, ngx_str_t *topic)
{
    return m->topic == topic->len
           && ngx_memcmp(m->data + m->content_type + m->event, topic->data,
                         topic->len)
              == 0;
}


static ngx_push_message_t *
ngx_push_message_alloc(ngx_push_arena_t *arena, ngx_push_publish_t *p)
{
    size_t               size, words, first;
    ngx_push_message_t  *m;

    size = ngx_push_message_room(p);

    m = ngx_push_block_alloc(arena, size);
    if (m != NULL) {
        m->part = 0;
        return m;
    }

    words = size - p->bytes.len;
    first = ngx_max(words + p->id + NGX_PUSH_ID_LEN, NGX_PUSH_PART_MIN);

    if (size <= first) {
        return NULL;
    }

    m = ngx_push_block_alloc_most(arena, size, first);
    if (m == NULL) {
        return NULL;
    }

    m->part = 0;
    first = ngx_push_block_size(&m->block);

    if (first < size
        && ngx_push_message_alloc_parts(arena, m, size - first) != NGX_OK)
    {
        ngx_push_message_destroy(arena, m);
        return NULL;
    }

    return m;
}


static ngx_int_t
ngx_push_message_alloc_parts(ngx_push_arena_t *arena, ngx_push_message_t *m,
    size_t size)
{
    size_t            n;
    uint32_t         *link;
    ngx_push_part_t  *q;

    link = &m->part;

    while (size) {
        n = size + NGX_PUSH_PART_HEAD;

        q = ngx_push_block_alloc_most(arena, n,
                                      ngx_min(n, NGX_PUSH_PART_MIN));
        if (q == NULL) {
            return NGX_DECLINED;
        }

        q->owner = ngx_push_offset(arena, m);
        q->block.link = 0;

        ngx_push_block_set_type(arena, q, NGX_PUSH_BLOCK_PART);

        *link = ngx_push_offset(arena, q);
        link = &q->block.link;

        size -= ngx_min(size, ngx_push_block_size(&q->block)
                              - NGX_PUSH_PART_HEAD);
    }

    return NGX_OK;
}


/* a word that is not there has no address */

static u_char *
ngx_push_message_word(u_char *p, ngx_str_t *word)
{
    return word->len ? ngx_cpymem(p, word->data, word->len) : p;
}


static void
ngx_push_message_fill(ngx_push_arena_t *arena, ngx_push_message_t *m,
    ngx_str_t *bytes)
{
    size_t            n, left;
    u_char           *p;
    uint32_t          part;
    ngx_push_part_t  *q;

    p = bytes->data;
    left = bytes->len;

    n = ngx_push_message_first(m);
    ngx_memcpy(m->data + ngx_push_message_words_size(m), p, n);

    for (part = m->part; part; part = q->block.link) {
        q = ngx_push_at(arena, part);

        p += n;
        left -= n;

        n = ngx_min(left, ngx_push_block_size(&q->block)
                          - NGX_PUSH_PART_HEAD);
        ngx_memcpy(q->data, p, n);
    }
}


/* how many of its bytes are in the message's own block */

static size_t
ngx_push_message_first(ngx_push_message_t *m)
{
    size_t  room;

    room = ngx_push_block_size(&m->block) - NGX_PUSH_MESSAGE_HEAD
           - ngx_push_message_words_size(m);

    return ngx_min(room, m->size);
}


static size_t
ngx_push_message_words_size(ngx_push_message_t *m)
{
    return m->content_type + m->event + m->topic + m->user;
}
