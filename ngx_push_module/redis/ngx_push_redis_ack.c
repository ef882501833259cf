
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_redis_backplane.h"


/*
 * push_redis_ack replicated: when the scripts of a publish have run, WAIT on
 * the same connection tells how many replicas have what it wrote.  Redis does
 * nothing else for this connection meanwhile, so one WAIT runs at a time, and
 * serves all that was published before it.
 */


static void ngx_push_redis_ack_wait(ngx_push_redis_t *redis);
static void ngx_push_redis_ack_reply(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);
static void ngx_push_redis_ack_give(ngx_queue_t *queue, ngx_uint_t replicas,
    ngx_uint_t wanted);


void
ngx_push_redis_ack(ngx_push_redis_t *redis, ngx_push_redis_ack_t *ack)
{
    ngx_queue_insert_tail(&redis->unsure, &ack->queue);

    if (ngx_queue_empty(&redis->asked)) {
        ngx_push_redis_ack_wait(redis);
    }
}


static void
ngx_push_redis_ack_wait(ngx_push_redis_t *redis)
{
    u_char        n[NGX_INT_T_LEN + 1], ms[NGX_INT_T_LEN + 1];
    const char   *argv[3];
    ngx_queue_t   lost;

    ngx_sprintf(n, "%ui%Z", redis->conf->replicas);
    ngx_sprintf(ms, "%M%Z", redis->conf->replicated_timeout);

    argv[0] = "WAIT";
    argv[1] = (const char *) n;
    argv[2] = (const char *) ms;

    /* another connection than that of the script would know nothing of it */

    if (redis->commands.ready
        && ngx_push_redis_say(&redis->commands, argv, 3,
                              ngx_push_redis_ack_reply)
           == NGX_OK)
    {
        ngx_queue_add(&redis->asked, &redis->unsure);
        ngx_queue_init(&redis->unsure);
        return;
    }

    ngx_queue_init(&lost);
    ngx_queue_add(&lost, &redis->unsure);
    ngx_queue_init(&redis->unsure);

    ngx_push_redis_ack_give(&lost, 0, redis->conf->replicas);
}


static void
ngx_push_redis_ack_reply(ngx_push_redis_connection_t *c, redisReply *reply,
    void *data)
{
    ngx_uint_t         replicas;
    ngx_queue_t        done;
    ngx_push_redis_t  *redis;

    redis = c->data;
    replicas = 0;

    if (reply && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0) {
        replicas = (ngx_uint_t) reply->integer;

    } else if (reply && reply->type == REDIS_REPLY_ERROR) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "push: zone \"%V\": redis refused WAIT: %*s",
                      ngx_push_zone_name(redis->zone),
                      (size_t) reply->len, reply->str);
    }

    ngx_queue_init(&done);
    ngx_queue_add(&done, &redis->asked);
    ngx_queue_init(&redis->asked);

    if (!ngx_queue_empty(&redis->unsure)) {
        ngx_push_redis_ack_wait(redis);
    }

    ngx_push_redis_ack_give(&done, replicas, redis->conf->replicas);
}


static void
ngx_push_redis_ack_give(ngx_queue_t *queue, ngx_uint_t replicas,
    ngx_uint_t wanted)
{
    ngx_queue_t           *q;
    ngx_push_publish_t    *p;
    ngx_push_redis_ack_t  *ack;

    while (!ngx_queue_empty(queue)) {
        q = ngx_queue_head(queue);
        ngx_queue_remove(q);

        ack = ngx_queue_data(q, ngx_push_redis_ack_t, queue);
        p = ack->publish;

        p->replicated = replicas;
        p->lacking = (replicas < wanted);

        p->done(p, NGX_OK);
    }
}
