
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_redis_backplane.h"


/* scripts, their keys and arguments, and their replies */


static void ngx_push_redis_call_reply(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);
static ngx_uint_t ngx_push_redis_is_error(redisReply *reply, char *name);
static void ngx_push_redis_call_failed(ngx_push_redis_call_t *call,
    redisReply *reply);


ngx_int_t
ngx_push_redis_key(ngx_push_redis_t *redis, ngx_pool_t *pool, u_char part,
    ngx_str_t *channel, ngx_str_t *key)
{
    key->data = ngx_pnalloc(pool, redis->conf->prefix.len + channel->len
                                  + sizeof(":{255}:m:"));
    if (key->data == NULL) {
        return NGX_ERROR;
    }

    key->len = ngx_sprintf(key->data, "%V:{%ui}:%c:%V", &redis->conf->prefix,
                           ngx_push_redis_partition(channel), part, channel)
               - key->data;

    return NGX_OK;
}


ngx_int_t
ngx_push_redis_call_key(ngx_push_redis_call_t *call, u_char part,
    ngx_str_t *channel)
{
    ngx_str_t  key;

    if (ngx_push_redis_key(call->redis, call->pool, part, channel, &key)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_push_redis_call_str(call, &key);

    return NGX_OK;
}


void
ngx_push_redis_call_str(ngx_push_redis_call_t *call, ngx_str_t *value)
{
    call->argv[call->argc] = value->len ? (const char *) value->data : "";
    call->lens[call->argc] = value->len;
    call->argc++;
}


ngx_int_t
ngx_push_redis_call_number(ngx_push_redis_call_t *call, uint64_t value)
{
    ngx_str_t  text;

    text.data = ngx_pnalloc(call->pool, NGX_PUSH_REDIS_NUMBER_LEN);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    text.len = ngx_sprintf(text.data, "%uL", value) - text.data;

    ngx_push_redis_call_str(call, &text);

    return NGX_OK;
}


ngx_int_t
ngx_push_redis_call(ngx_push_redis_call_t *call)
{
    size_t                     lens[NGX_PUSH_REDIS_MAX_ARGS + 3];
    u_char                     nkeys[NGX_INT_T_LEN];
    const char                *argv[NGX_PUSH_REDIS_MAX_ARGS + 3];
    ngx_push_redis_command_t   command;

    argv[0] = call->whole ? "EVAL" : "EVALSHA";
    lens[0] = call->whole ? 4 : 7;

    argv[1] = call->whole ? (const char *) call->script->text.data
                          : (const char *) call->script->sha1;
    lens[1] = call->whole ? call->script->text.len
                          : sizeof(call->script->sha1);

    argv[2] = (const char *) nkeys;
    lens[2] = ngx_sprintf(nkeys, "%ui", call->nkeys) - nkeys;

    ngx_memcpy(&argv[3], call->argv, call->argc * sizeof(char *));
    ngx_memcpy(&lens[3], call->lens, call->argc * sizeof(size_t));

    command.argc = call->argc + 3;
    command.argv = argv;
    command.lens = lens;
    command.handler = ngx_push_redis_call_reply;
    command.data = call;

    return ngx_push_redis_send(&call->redis->commands, &command);
}


static void
ngx_push_redis_call_reply(ngx_push_redis_connection_t *c, redisReply *reply,
    void *data)
{
    ngx_push_redis_call_t *call = data;

    if (reply && reply->type == REDIS_REPLY_ERROR) {

        if (ngx_push_redis_is_error(reply, "NOSCRIPT") && !call->whole) {
            call->whole = 1;

            if (ngx_push_redis_call(call) == NGX_OK) {
                return;
            }
        }

        ngx_push_redis_call_failed(call, reply);
        reply = NULL;
    }

    call->handler(call, reply);
}


/* a server that has become a replica is not the one to talk to */

static void
ngx_push_redis_call_failed(ngx_push_redis_call_t *call, redisReply *reply)
{
    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "push: zone \"%V\": redis refused the script %s: %*s",
                  ngx_push_zone_name(call->redis->zone), call->script->name,
                  reply->len, reply->str);

    if (ngx_push_redis_is_error(reply, "READONLY")
        || ngx_push_redis_is_error(reply, "MASTERDOWN"))
    {
        ngx_push_redis_drop(&call->redis->commands,
                            "it is no master any more");

        if (call->redis->leading) {
            ngx_push_redis_drop(&call->redis->channels,
                                "it is no master any more");
        }
    }
}


/* hiredis 1.2 says that the error's name and text are one string */

static ngx_uint_t
ngx_push_redis_is_error(redisReply *reply, char *name)
{
    size_t  len;

    len = ngx_strlen(name);

    return (size_t) reply->len >= len
           && ngx_strncmp(reply->str, name, len) == 0;
}


uint64_t
ngx_push_redis_number(redisReply *reply, ngx_uint_t i)
{
    redisReply  *element;

    if (reply->type != REDIS_REPLY_ARRAY || i >= reply->elements) {
        return 0;
    }

    element = reply->element[i];

    switch (element->type) {

    case REDIS_REPLY_INTEGER:
        return (element->integer > 0) ? element->integer : 0;

    case REDIS_REPLY_STRING:
        return strtoull(element->str, NULL, 10);

    default:
        return 0;
    }
}
