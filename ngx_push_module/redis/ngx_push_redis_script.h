
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_REDIS_SCRIPT_H_INCLUDED_
#define _NGX_PUSH_REDIS_SCRIPT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * What Redis does for us, each in one step: publish, read, delete.  The keys
 * of all are metadata, stream, topics.  A nonce is a life for a channel that
 * has none, a term names a master; both 1 to 2^24 - 1.
 *
 * publish: a fourth key for the idempotency key, and
 *
 *     1 pub/sub channel, 2 term, 3 nonce, 4 flags, 5 life, 6 term, 7 number
 *     of If-Match, 8 own TTL in seconds or -1, 9 topic, 10 size of the body,
 *     history: 11 messages, 12 ms, 13 bytes, 14 idle ms, 15 blob
 *
 *     flags: k with an idempotency key, m If-Match, s If-Match: *,
 *     f If-None-Match: *, e seals, n without a message, 0 own TTL is 0
 *
 *     {outcome, life, term, number, nodes, time, first number of the term};
 *     outcome: 0 created, 1 repeated (then the rest is the first answer),
 *     2 sealed, 3 unmatched (then the rest is of the last message)
 *
 * read:
 *
 *     1 term, 2 nonce or nothing, 3 number to read after, at most 4 entries
 *     with 5 bytes of blobs, but one entry in any case, unless it is 0 of
 *     them; 6 idle ms of a channel that is made
 *
 *     nothing: no such channel; else {life, last term, last number, term of
 *     the last message, floor, sealed, created, last publish, life that was
 *     deleted, messages, bytes, oldest number, now, {term, first number,
 *     ...}, {number, term, time, blob, ...}}
 *
 * delete:
 *
 *     1 pub/sub channel, 2 term, 3 nonce, 4 idle ms
 *
 *     nothing: no such channel; else {1, nodes, life}
 */

typedef struct {
    const char  *name;
    ngx_str_t    text;
    u_char       sha1[40];       /* hex, as EVALSHA takes it */
} ngx_push_redis_script_t;


extern ngx_push_redis_script_t  ngx_push_redis_script_publish;
extern ngx_push_redis_script_t  ngx_push_redis_script_read;
extern ngx_push_redis_script_t  ngx_push_redis_script_delete;


/* once, before any of them is used */

void ngx_push_redis_script_init(void);


#endif /* _NGX_PUSH_REDIS_SCRIPT_H_INCLUDED_ */
