
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_redis_backplane.h"
#include "ngx_push_history.h"


/*
 * A message of the leader to itself, by the way of all messages.  Both
 * connections may be well and yet lead to different servers, or to one that
 * forwards nothing: then nothing is heard, and nothing else would tell.
 */


#define NGX_PUSH_REDIS_CANARY_EVERY  3000    /* ms */
#define NGX_PUSH_REDIS_CANARY_DEAD   10000


void
ngx_push_redis_canary_start(ngx_push_redis_t *redis)
{
    size_t                     lens[2];
    const char                *argv[2];
    ngx_push_redis_command_t   c;

    redis->canary.data = redis->canary_name;
    redis->canary.len = ngx_snprintf(redis->canary_name,
                                     NGX_PUSH_REDIS_CANARY_LEN,
                                     "%V:{0}:%c:%06xD%06xD%P",
                                     &redis->conf->prefix,
                                     NGX_PUSH_REDIS_CANARY,
                                     ngx_push_redis_life(),
                                     ngx_push_redis_life(), ngx_pid)
                        - redis->canary_name;

    argv[0] = "SUBSCRIBE";
    lens[0] = 9;
    argv[1] = (const char *) redis->canary.data;
    lens[1] = redis->canary.len;

    c.argc = 2;
    c.argv = argv;
    c.lens = lens;
    c.handler = NULL;
    c.data = NULL;

    (void) ngx_push_redis_send(&redis->channels, &c);

    redis->canary_sent = ngx_current_msec;
    redis->canary_heard = ngx_current_msec;
}


void
ngx_push_redis_canary_tick(ngx_push_redis_t *redis)
{
    size_t                     lens[3];
    const char                *argv[3];
    ngx_push_redis_command_t   c;

    if (!redis->commands.ready) {

        /* it has another way to be noticed */

        redis->canary_heard = ngx_current_msec;
        return;
    }

    if (ngx_current_msec - redis->canary_heard > NGX_PUSH_REDIS_CANARY_DEAD) {
        ngx_push_redis_drop(&redis->channels, "it forwards nothing of what "
                            "is published on the other connection");
        ngx_push_redis_drop(&redis->commands, "what is published on it is "
                            "not heard on the other connection");
        return;
    }

    if (ngx_current_msec - redis->canary_sent < NGX_PUSH_REDIS_CANARY_EVERY) {
        return;
    }

    argv[0] = "PUBLISH";
    lens[0] = 7;
    argv[1] = (const char *) redis->canary.data;
    lens[1] = redis->canary.len;
    argv[2] = "1";
    lens[2] = 1;

    c.argc = 3;
    c.argv = argv;
    c.lens = lens;
    c.handler = NULL;
    c.data = NULL;

    (void) ngx_push_redis_send(&redis->commands, &c);

    redis->canary_sent = ngx_current_msec;
}


ngx_uint_t
ngx_push_redis_canary_is(ngx_push_redis_t *redis, redisReply *channel)
{
    if (channel->type != REDIS_REPLY_STRING
        || (size_t) channel->len != redis->canary.len
        || ngx_memcmp(channel->str, redis->canary.data, channel->len) != 0)
    {
        return 0;
    }

    redis->canary_heard = ngx_current_msec;
    redis->zone->sh->mirror.heard = ngx_push_now();

    return 1;
}
