
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_entry.h"


#define NGX_PUSH_ENTRY_VERSION       1
#define NGX_PUSH_ENTRY_HEAD_VERSION  '1'

#define NGX_PUSH_ENTRY_TEXT          0x01
#define NGX_PUSH_ENTRY_LAST          0x02

/* what stands before the words */
#define NGX_PUSH_ENTRY_FIXED         42

/* lives and terms: 24 bits; numbers: 14 digits, as in a public id */
#define NGX_PUSH_ENTRY_LIFE_MAX      0xffffff
#define NGX_PUSH_ENTRY_SEQ_MAX       99999999999999ULL


static u_char *ngx_push_entry_copy(u_char *p, ngx_str_t *s);
static u_char *ngx_push_entry_put(u_char *p, uint64_t value, ngx_uint_t n);
static uint64_t ngx_push_entry_get(u_char **p, ngx_uint_t n);
static u_char *ngx_push_entry_word(u_char *p, ngx_str_t *word, size_t len);
static u_char *ngx_push_entry_number(u_char *p, u_char *last, u_char end,
    uint64_t *value);


size_t
ngx_push_entry_size(ngx_push_entry_t *e)
{
    return NGX_PUSH_ENTRY_FIXED + e->content_type.len + e->event.len
           + e->topic.len + e->user.len + e->body.len;
}


u_char *
ngx_push_entry_write(u_char *p, ngx_push_entry_t *e)
{
    *p++ = NGX_PUSH_ENTRY_VERSION;
    *p++ = (e->text ? NGX_PUSH_ENTRY_TEXT : 0)
           | (e->end ? NGX_PUSH_ENTRY_LAST : 0);

    p = ngx_push_entry_put(p, e->ttl, 4);
    p = ngx_push_entry_put(p, e->count, 4);
    p = ngx_push_entry_put(p, e->rules_ttl, 8);
    p = ngx_push_entry_put(p, e->max_size, 4);
    p = ngx_push_entry_put(p, e->idle, 8);
    p = ngx_push_entry_put(p, e->backlog, 4);

    *p++ = (u_char) e->content_type.len;
    *p++ = (u_char) e->event.len;
    *p++ = (u_char) e->topic.len;
    *p++ = (u_char) e->user.len;

    p = ngx_push_entry_put(p, e->body.len, 4);

    p = ngx_push_entry_copy(p, &e->content_type);
    p = ngx_push_entry_copy(p, &e->event);
    p = ngx_push_entry_copy(p, &e->topic);
    p = ngx_push_entry_copy(p, &e->user);

    return ngx_push_entry_copy(p, &e->body);
}


/* an empty string may have no address */

static u_char *
ngx_push_entry_copy(u_char *p, ngx_str_t *s)
{
    return s->len ? ngx_cpymem(p, s->data, s->len) : p;
}


static u_char *
ngx_push_entry_put(u_char *p, uint64_t value, ngx_uint_t n)
{
    while (n--) {
        *p++ = (u_char) (value >> (8 * n));
    }

    return p;
}


ngx_int_t
ngx_push_entry_read(ngx_str_t *bytes, ngx_push_entry_t *e)
{
    u_char  *p, *len;
    size_t   body;

    if (bytes->len == 0) {
        return NGX_ERROR;
    }

    p = bytes->data;

    if (*p++ != NGX_PUSH_ENTRY_VERSION) {
        return NGX_DECLINED;
    }

    if (bytes->len < NGX_PUSH_ENTRY_FIXED
        || *p & ~(NGX_PUSH_ENTRY_TEXT|NGX_PUSH_ENTRY_LAST))
    {
        return NGX_ERROR;
    }

    e->text = (*p & NGX_PUSH_ENTRY_TEXT) ? 1 : 0;
    e->end = (*p & NGX_PUSH_ENTRY_LAST) ? 1 : 0;
    p++;

    e->ttl = (uint32_t) ngx_push_entry_get(&p, 4);
    e->count = (uint32_t) ngx_push_entry_get(&p, 4);
    e->rules_ttl = ngx_push_entry_get(&p, 8);
    e->max_size = (uint32_t) ngx_push_entry_get(&p, 4);
    e->idle = ngx_push_entry_get(&p, 8);
    e->backlog = (uint32_t) ngx_push_entry_get(&p, 4);

    len = p;
    p += 4;

    body = (size_t) ngx_push_entry_get(&p, 4);

    /* in 64 bits it cannot overflow */

    if ((uint64_t) len[0] + len[1] + len[2] + len[3] + body
        != bytes->len - NGX_PUSH_ENTRY_FIXED)
    {
        return NGX_ERROR;
    }

    p = ngx_push_entry_word(p, &e->content_type, len[0]);
    p = ngx_push_entry_word(p, &e->event, len[1]);
    p = ngx_push_entry_word(p, &e->topic, len[2]);
    p = ngx_push_entry_word(p, &e->user, len[3]);
    (void) ngx_push_entry_word(p, &e->body, body);

    return NGX_OK;
}


static uint64_t
ngx_push_entry_get(u_char **p, ngx_uint_t n)
{
    uint64_t  value;

    value = 0;

    while (n--) {
        value = value << 8 | *(*p)++;
    }

    return value;
}


static u_char *
ngx_push_entry_word(u_char *p, ngx_str_t *word, size_t len)
{
    word->data = p;
    word->len = len;

    return p + len;
}


ngx_int_t
ngx_push_entry_head(ngx_str_t *payload, ngx_push_entry_head_t *head)
{
    u_char    *p, *last;
    uint64_t   life, term;

    if (payload->len == 0) {
        return NGX_ERROR;
    }

    p = payload->data;
    last = p + payload->len;

    if (*p++ != NGX_PUSH_ENTRY_HEAD_VERSION) {
        return NGX_DECLINED;
    }

    if (last - p < 2) {
        return NGX_ERROR;
    }

    head->type = *p++;

    if ((head->type != NGX_PUSH_ENTRY_MESSAGE
         && head->type != NGX_PUSH_ENTRY_END
         && head->type != NGX_PUSH_ENTRY_DELETED)
        || *p++ != ' ')
    {
        return NGX_ERROR;
    }

    p = ngx_push_entry_number(p, last, ' ', &life);
    p = ngx_push_entry_number(p, last, ' ', &term);
    p = ngx_push_entry_number(p, last, ' ', &head->began);
    p = ngx_push_entry_number(p, last, ' ', &head->seq);
    p = ngx_push_entry_number(p, last, LF, &head->time);

    if (p == NULL
        || life == 0 || life > NGX_PUSH_ENTRY_LIFE_MAX
        || term == 0 || term > NGX_PUSH_ENTRY_LIFE_MAX)
    {
        return NGX_ERROR;
    }

    head->life = (uint32_t) life;
    head->term = (uint32_t) term;
    head->blob.data = p;
    head->blob.len = last - p;

    return NGX_OK;
}


/* one form only: without zeros before it; NULL, given or returned: none */

static u_char *
ngx_push_entry_number(u_char *p, u_char *last, u_char end, uint64_t *value)
{
    u_char  *first;

    *value = 0;

    if (p == NULL) {
        return NULL;
    }

    for (first = p; p < last && *p >= '0' && *p <= '9'; p++) {
        *value = *value * 10 + (*p - '0');

        if (*value > NGX_PUSH_ENTRY_SEQ_MAX) {
            return NULL;
        }
    }

    if (p == first || (*first == '0' && p - first > 1)
        || p == last || *p != end)
    {
        return NULL;
    }

    return p + 1;
}
