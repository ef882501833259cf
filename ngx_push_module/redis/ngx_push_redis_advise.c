
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_redis_backplane.h"


/*
 * Warnings of what in Redis's own configuration loses messages.  The leader
 * looks, once for each server that it gets; what its user may not see is not
 * told.
 */


#define NGX_PUSH_REDIS_OLDEST  60200        /* 6.2 */
#define NGX_PUSH_REDIS_BEHIND  (64 * 1024 * 1024)


static void ngx_push_redis_advise_memory(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);
static void ngx_push_redis_advise_append(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);
static void ngx_push_redis_advise_save(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);
static void ngx_push_redis_advise_limit(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);
static void ngx_push_redis_advise_replicas(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);
static ngx_int_t ngx_push_redis_advise_setting(redisReply *reply,
    ngx_str_t *value);


void
ngx_push_redis_advise(ngx_push_redis_t *redis)
{
    static const char            *memory[] = { "INFO", "memory" };
    static const char            *persistence[] = { "INFO", "persistence" };
    static const char            *replication[] = { "INFO", "replication" };
    static const char            *save[] = { "CONFIG", "GET", "save" };
    static const char            *limit[] = { "CONFIG", "GET",
                                              "client-output-buffer-limit" };
    ngx_push_redis_connection_t  *c;

    c = &redis->commands;

    if (!c->ready || redis->advised == c->term) {
        return;
    }

    redis->advised = c->term;
    redis->unsaved = 0;

    if (c->version && c->version < NGX_PUSH_REDIS_OLDEST) {
        ngx_log_error(NGX_LOG_WARN, c->log, 0,
                      "redis \"%V\" is of version %ui.%ui.%ui: push_redis is "
                      "made for 6.2 and later, upgrade it", &c->conf->name,
                      c->version / 10000, c->version / 100 % 100,
                      c->version % 100);
    }

    (void) ngx_push_redis_say(c, memory, 2, ngx_push_redis_advise_memory);
    (void) ngx_push_redis_say(c, persistence, 2, ngx_push_redis_advise_append);
    (void) ngx_push_redis_say(c, save, 3, ngx_push_redis_advise_save);
    (void) ngx_push_redis_say(c, limit, 3, ngx_push_redis_advise_limit);

    if (redis->conf->replicas) {
        (void) ngx_push_redis_say(c, replication, 2,
                                  ngx_push_redis_advise_replicas);
    }
}


/* nearly all keys have an age, so "volatile-..." takes them as well */

static void
ngx_push_redis_advise_memory(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data)
{
    ngx_str_t  most, policy;

    if (reply == NULL || reply->type != REDIS_REPLY_STRING
        || ngx_push_redis_field(reply, "maxmemory:", &most) != NGX_OK
        || ngx_push_redis_field(reply, "maxmemory_policy:", &policy) != NGX_OK)
    {
        return;
    }

    if ((most.len == 1 && most.data[0] == '0')
        || (policy.len == sizeof("noeviction") - 1
            && ngx_strncmp(policy.data, "noeviction", policy.len) == 0))
    {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, c->log, 0,
                  "redis \"%V\" gives up channels when its memory is full: "
                  "its maxmemory-policy is \"%V\", set \"noeviction\"",
                  &c->conf->name, &policy);
}


static void
ngx_push_redis_advise_append(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data)
{
    ngx_str_t          enabled;
    ngx_push_redis_t  *redis;

    redis = c->data;

    if (reply && reply->type == REDIS_REPLY_STRING
        && ngx_push_redis_field(reply, "aof_enabled:", &enabled) == NGX_OK)
    {
        redis->unsaved = (enabled.len == 1 && enabled.data[0] == '0');
    }
}


static void
ngx_push_redis_advise_save(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data)
{
    ngx_str_t          save;
    ngx_push_redis_t  *redis;

    redis = c->data;

    if (!redis->unsaved
        || ngx_push_redis_advise_setting(reply, &save) != NGX_OK
        || save.len)
    {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, c->log, 0,
                  "redis \"%V\" loses all channels when it restarts: it has "
                  "neither \"appendonly\" nor \"save\", set \"appendonly yes\"",
                  &c->conf->name);
}


/* "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60" */

static void
ngx_push_redis_advise_limit(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data)
{
    off_t      hard;
    u_char    *p, *last;
    ngx_str_t  limits;

    if (ngx_push_redis_advise_setting(reply, &limits) != NGX_OK) {
        return;
    }

    last = limits.data + limits.len;
    p = ngx_strnstr(limits.data, "pubsub ", limits.len);

    if (p == NULL) {
        return;
    }

    p += sizeof("pubsub ") - 1;
    last = ngx_strlchr(p, last, ' ');

    hard = last ? ngx_atoof(p, last - p) : 0;

    /* 0: there is no limit */

    if (hard <= 0 || hard >= NGX_PUSH_REDIS_BEHIND) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, c->log, 0,
                  "redis \"%V\" cuts off who is %O bytes behind, which a "
                  "burst may come to: set \"client-output-buffer-limit "
                  "pubsub 256mb 64mb 60\"", &c->conf->name, hard);
}


static void
ngx_push_redis_advise_replicas(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data)
{
    ngx_int_t          n;
    ngx_str_t          replicas;
    ngx_push_redis_t  *redis;

    redis = c->data;

    if (reply == NULL || reply->type != REDIS_REPLY_STRING
        || ngx_push_redis_field(reply, "connected_slaves:", &replicas)
           != NGX_OK)
    {
        return;
    }

    n = ngx_atoi(replicas.data, replicas.len);

    if (n == NGX_ERROR || (ngx_uint_t) n >= redis->conf->replicas) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, c->log, 0,
                  "redis \"%V\" has fewer replicas (%i) than push_redis_ack "
                  "waits for (%ui): each publish takes all of its time",
                  &c->conf->name, n, redis->conf->replicas);
}


/* name and value; NGX_DECLINED: it is not there, or not for this user */

static ngx_int_t
ngx_push_redis_advise_setting(redisReply *reply, ngx_str_t *value)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != 2
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        return NGX_DECLINED;
    }

    value->data = (u_char *) reply->element[1]->str;
    value->len = reply->element[1]->len;

    return NGX_OK;
}
