
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_HISTORY_H_INCLUDED_
#define _NGX_PUSH_HISTORY_H_INCLUDED_


#include "ngx_push_shared.h"


/*
 * What a log keeps.  A message is KEPT while it belongs to the history that
 * a resume may get; a loose one stays only until all listening workers have
 * passed it, or until there is more of it than the backlog.  "floor" is the
 * highest number removed for any reason but its own TTL or a newer message
 * of its topic: a reader below it is in a gap.  "overrun" is the highest
 * number removed before all workers had passed it, for whatever reason: it
 * is a gap for those who read live, while a replay does without the latter.
 *
 * All calls need the lock.
 */


/*
 * Gives the message its number, which is above all others, its time and its
 * id; the log has room reserved.
 */

void ngx_push_history_append(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_message_t *m, ngx_push_publish_t *p, uint64_t seq);

/* takes back all above the number: they were never to be */

void ngx_push_history_rewind(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint64_t seq);

/* what is still to be done once the newest message is in the log */

void ngx_push_history_complete(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint64_t now);

/* applies rules, ages and what the workers have passed */

void ngx_push_history_trim(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint64_t now);

/* removes the oldest message of the zone; NGX_DECLINED: there is none */

ngx_int_t ngx_push_history_evict(ngx_push_shared_t *sh);

/* removes all messages, as the end of a life */

void ngx_push_history_clear(ngx_push_shared_t *sh, ngx_push_channel_t *ch);

void ngx_push_history_start(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_start_t *start);

/* number of the oldest kept message, 0: none */

uint64_t ngx_push_history_oldest(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch);

void ngx_push_history_hold(ngx_push_shared_t *sh, ngx_push_bell_t *bell,
    ngx_push_message_t *m);
void ngx_push_history_release(ngx_push_shared_t *sh, ngx_push_bell_t *bell);

/* for trimming: takes it out of the history, out of all; its slot is closed */

void ngx_push_history_loosen(ngx_push_channel_t *ch, ngx_push_message_t *m);
void ngx_push_history_remove(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_message_t *m, ngx_uint_t lost);

/* for recovery: puts a message that was in the log into it again */

void ngx_push_history_restore(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_message_t *m);

uint64_t ngx_push_now(void);


#endif /* _NGX_PUSH_HISTORY_H_INCLUDED_ */
