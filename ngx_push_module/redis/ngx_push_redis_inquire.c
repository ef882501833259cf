
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_redis_backplane.h"


/* what Redis knows of channels, and their deletion */


typedef struct {
    ngx_push_redis_call_t   call;
    ngx_push_inquiry_t     *inquiry;
    ngx_push_info_t        *info;
} ngx_push_redis_question_t;


static ngx_int_t ngx_push_redis_ask(ngx_push_redis_question_t *question);
static ngx_int_t ngx_push_redis_ask_info(ngx_push_redis_call_t *call);
static ngx_int_t ngx_push_redis_ask_delete(ngx_push_redis_call_t *call,
    ngx_str_t *channel);
static void ngx_push_redis_answered(ngx_push_redis_call_t *call,
    redisReply *reply);
static void ngx_push_redis_know(ngx_push_info_t *info, redisReply *reply);


ngx_int_t
ngx_push_redis_inquire(ngx_push_zone_t *zone, ngx_push_inquiry_t *q)
{
    ngx_uint_t                  i;
    ngx_push_redis_question_t  *question;

    question = ngx_pcalloc(q->pool, q->n * sizeof(ngx_push_redis_question_t));
    if (question == NULL) {
        return NGX_ERROR;
    }

    q->pending = 0;
    q->failed = 0;

    for (i = 0; i < q->n; i++) {
        q->channels[i].known = 0;

        question[i].inquiry = q;
        question[i].info = &q->channels[i];
        question[i].call.redis = zone->peer;
        question[i].call.pool = q->pool;

        if (ngx_push_redis_ask(&question[i]) == NGX_OK) {
            q->pending++;

        } else {
            q->failed = 1;
        }
    }

    return q->pending ? NGX_AGAIN : NGX_ERROR;
}


static ngx_int_t
ngx_push_redis_ask(ngx_push_redis_question_t *question)
{
    ngx_int_t               rc;
    ngx_str_t              *channel;
    ngx_push_redis_call_t  *call;

    call = &question->call;
    channel = &question->info->channel;

    call->handler = ngx_push_redis_answered;
    call->data = question;

    /* once it is deleted, they are about to go */

    question->info->subscribers = ngx_push_mirror_subscribers(
                                           call->redis->zone, channel);

    if (ngx_push_redis_call_key(call, NGX_PUSH_REDIS_META, channel) != NGX_OK
        || ngx_push_redis_call_key(call, NGX_PUSH_REDIS_STREAM, channel)
           != NGX_OK
        || ngx_push_redis_call_key(call, NGX_PUSH_REDIS_TOPICS, channel)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->nkeys = 3;

    rc = question->inquiry->remove ? ngx_push_redis_ask_delete(call, channel)
                                   : ngx_push_redis_ask_info(call);

    return (rc == NGX_OK) ? ngx_push_redis_call(call) : rc;
}


/* a reading of no entries, which makes no channel */

static ngx_int_t
ngx_push_redis_ask_info(ngx_push_redis_call_t *call)
{
    ngx_str_t  none = ngx_null_string;

    call->script = &ngx_push_redis_script_read;

    if (ngx_push_redis_call_number(call, call->redis->commands.term)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_push_redis_call_str(call, &none);

    if (ngx_push_redis_call_number(call, 0) != NGX_OK
        || ngx_push_redis_call_number(call, 0) != NGX_OK
        || ngx_push_redis_call_number(call, 0) != NGX_OK
        || ngx_push_redis_call_number(call, 0) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_push_redis_ask_delete(ngx_push_redis_call_t *call, ngx_str_t *channel)
{
    call->script = &ngx_push_redis_script_delete;

    if (ngx_push_redis_call_key(call, NGX_PUSH_REDIS_CHANNEL, channel)
           != NGX_OK
        || ngx_push_redis_call_number(call, call->redis->commands.term)
           != NGX_OK
        || ngx_push_redis_call_number(call, ngx_push_redis_life()) != NGX_OK
        || ngx_push_redis_call_number(call, NGX_PUSH_REDIS_IDLE) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_push_redis_answered(ngx_push_redis_call_t *call, redisReply *reply)
{
    ngx_push_info_t            *info;
    ngx_push_inquiry_t         *q;
    ngx_push_redis_question_t  *question;

    question = call->data;
    q = question->inquiry;
    info = question->info;

    if (reply == NULL) {
        q->failed = 1;

    } else if (reply->type == REDIS_REPLY_ARRAY) {
        info->known = 1;

        if (!q->remove) {
            ngx_push_redis_know(info, reply);
        }
    }

    if (--q->pending == 0) {
        q->done(q, q->failed ? NGX_ERROR : NGX_OK);
    }
}


/* what a reading says before the entries */

static void
ngx_push_redis_know(ngx_push_info_t *info, redisReply *reply)
{
    uint32_t  life, term;

    life = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_LIFE);
    term = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_LAST_TERM);

    info->last.epoch = ngx_push_epoch(life, term);
    info->last.seq = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_LAST);

    info->oldest.epoch = info->last.epoch;
    info->oldest.seq = ngx_push_redis_number(reply,
                                             NGX_PUSH_REDIS_READ_OLDEST);

    info->messages = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_KEPT);
    info->bytes = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_BYTES);
    info->created = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_CREATED);
    info->last_publish = ngx_push_redis_number(reply,
                                               NGX_PUSH_REDIS_READ_PUBLISHED);
    info->ended = ngx_push_redis_number(reply, NGX_PUSH_REDIS_READ_SEALED);
}
