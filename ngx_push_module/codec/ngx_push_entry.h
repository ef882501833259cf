
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_ENTRY_H_INCLUDED_
#define _NGX_PUSH_ENTRY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * A message on its way to other pods, and what stands before it when Redis
 * announces it.  The message, numbers in network order:
 *
 *     1 version, 1 flags (1 text, 2 end), 4 ttl; rules: 4 count, 8 ttl,
 *     4 max_size, 8 idle, 4 backlog; 1 length of each: content type, event,
 *     topic, user; 4 length of the body; the words, the body
 *
 * The announcement, numbers in decimal:
 *
 *     "1" type " " life " " term " " began " " seq " " time LF message
 */


#define NGX_PUSH_ENTRY_NO_TTL   0xffffffff

#define NGX_PUSH_ENTRY_MESSAGE  'm'
#define NGX_PUSH_ENTRY_END      'e'      /* sealed without a message */
#define NGX_PUSH_ENTRY_DELETED  'd'      /* the blob: the life that ended */


typedef struct {
    ngx_str_t   content_type;    /* words: at most 255 bytes */
    ngx_str_t   event;
    ngx_str_t   topic;
    ngx_str_t   user;
    ngx_str_t   body;            /* less than 4 GiB */

    /* rules of where it was published; times in ms */

    uint64_t    rules_ttl;
    uint64_t    idle;
    uint32_t    count;
    uint32_t    max_size;
    uint32_t    backlog;

    uint32_t    ttl;             /* seconds */

    unsigned    text:1;
    unsigned    end:1;
} ngx_push_entry_t;


typedef struct {
    ngx_str_t   blob;
    uint64_t    began;           /* the first number of the term */
    uint64_t    seq;
    uint64_t    time;            /* ms since 1970, UTC */
    uint32_t    life;            /* both 1 to 2^24 - 1 */
    uint32_t    term;
    u_char      type;
} ngx_push_entry_head_t;


size_t ngx_push_entry_size(ngx_push_entry_t *e);
u_char *ngx_push_entry_write(u_char *p, ngx_push_entry_t *e);

/*
 * Strings point into what is read.  NGX_OK; NGX_DECLINED: another version;
 * NGX_ERROR: damaged.
 */

ngx_int_t ngx_push_entry_read(ngx_str_t *bytes, ngx_push_entry_t *e);
ngx_int_t ngx_push_entry_head(ngx_str_t *payload,
    ngx_push_entry_head_t *head);


#endif /* _NGX_PUSH_ENTRY_H_INCLUDED_ */
