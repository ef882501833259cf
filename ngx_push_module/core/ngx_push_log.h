
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_LOG_H_INCLUDED_
#define _NGX_PUSH_LOG_H_INCLUDED_


#include "ngx_push_shared.h"


/*
 * The ring of a channel's messages in the order of their numbers.  Numbers
 * may be missing: collapsed, expired or never kept.
 */


ngx_push_message_t *ngx_push_log_at(ngx_push_shared_t *sh, ngx_push_log_t *log,
    ngx_uint_t i);

/* index of the first message with a number above seq, log->n: none */

ngx_uint_t ngx_push_log_after(ngx_push_shared_t *sh, ngx_push_log_t *log,
    uint64_t seq);

/* makes room for one more; NGX_DECLINED: the zone has none */

ngx_int_t ngx_push_log_reserve(ngx_push_shared_t *sh, ngx_push_channel_t *ch);
void ngx_push_log_push(ngx_push_shared_t *sh, ngx_push_log_t *log,
    ngx_push_message_t *m);

/* takes out the slots [i, j) that hold 0, all of them inside the log */

void ngx_push_log_close(ngx_push_shared_t *sh, ngx_push_log_t *log,
    ngx_uint_t i, ngx_uint_t j);

/* gives back what a shorter log does not need */

void ngx_push_log_shrink(ngx_push_shared_t *sh, ngx_push_channel_t *ch);

ngx_push_slot_t *ngx_push_log_slot(ngx_push_shared_t *sh, ngx_push_log_t *log,
    ngx_uint_t i);
uint32_t ngx_push_log_topic(ngx_str_t *topic);


#endif /* _NGX_PUSH_LOG_H_INCLUDED_ */
