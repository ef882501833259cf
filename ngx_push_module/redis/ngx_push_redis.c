
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/random.h>

#include "ngx_push_redis_backplane.h"


/* the backplane: one for each zone that has it */


static ngx_int_t ngx_push_redis_start(ngx_push_zone_t *zone);
static void ngx_push_redis_leave(ngx_push_zone_t *zone);
static void ngx_push_redis_stop(ngx_push_zone_t *zone);
static void ngx_push_redis_tick(ngx_push_zone_t *zone);
static void ngx_push_redis_wake(ngx_push_zone_t *zone);
static void ngx_push_redis_up(ngx_push_redis_connection_t *c);


static const ngx_push_backplane_t  ngx_push_redis_backplane = {
    "redis",
    ngx_push_redis_publish,
    ngx_push_redis_inquire,
    ngx_push_redis_start,
    ngx_push_redis_leave,
    ngx_push_redis_stop,
    ngx_push_redis_tick,
    ngx_push_redis_wake
};


ngx_int_t
ngx_push_redis_add(ngx_conf_t *cf, ngx_push_zone_t *zone,
    ngx_push_redis_conf_t *conf)
{
    ngx_push_redis_t  *redis;

    redis = ngx_pcalloc(cf->pool, sizeof(ngx_push_redis_t));
    if (redis == NULL) {
        return NGX_ERROR;
    }

    ngx_push_redis_script_init();

    redis->zone = zone;
    redis->conf = conf;

    ngx_push_zone_mirror(zone, &ngx_push_redis_backplane, redis);

    return NGX_OK;
}


static ngx_int_t
ngx_push_redis_start(ngx_push_zone_t *zone)
{
    ngx_push_redis_t  *redis;

    redis = zone->peer;

    ngx_queue_init(&redis->asked);
    ngx_queue_init(&redis->unsure);

    redis->commands.conf = redis->conf;
    redis->commands.log = ngx_cycle->log;
    redis->commands.data = redis;
    redis->commands.up = ngx_push_redis_up;

    if (redis->conf->sentinels) {
        redis->finder.conf = redis->conf->sentinels;
        redis->finder.users[0] = &redis->commands;
        redis->finder.users[1] = &redis->channels;
        redis->commands.sentinel = &redis->finder;
        redis->channels.sentinel = &redis->finder;

        ngx_push_redis_sentinel_start(&redis->finder);
    }

    ngx_push_redis_connect(&redis->commands);

    /* the first who is here leads */

    ngx_push_redis_tick(zone);

    return NGX_OK;
}


/* a worker that is to go leads no more, but publishes until it is gone */

static void
ngx_push_redis_leave(ngx_push_zone_t *zone)
{
    ngx_push_redis_t  *redis;

    redis = zone->peer;
    redis->leaving = 1;

    ngx_push_redis_unlead(redis);
}


static void
ngx_push_redis_stop(ngx_push_zone_t *zone)
{
    ngx_push_redis_t  *redis;

    redis = zone->peer;

    ngx_push_redis_leave(zone);
    ngx_push_redis_close(&redis->commands);

    if (redis->conf->sentinels) {
        ngx_push_redis_sentinel_stop(&redis->finder);
    }
}


static void
ngx_push_redis_tick(ngx_push_zone_t *zone)
{
    ngx_push_redis_t  *redis;

    redis = zone->peer;

    if (redis->leaving) {
        return;
    }

    if (ngx_push_mirror_lead(zone) == NGX_OK) {
        ngx_push_redis_lead(redis);
        ngx_push_redis_lead_tick(redis);

    } else if (redis->leading) {
        ngx_push_redis_unlead(redis);
    }
}


static void
ngx_push_redis_wake(ngx_push_zone_t *zone)
{
    ngx_push_redis_t  *redis;

    redis = zone->peer;

    if (!redis->leading) {
        ngx_push_redis_tick(zone);
    }

    if (redis->leading) {
        ngx_push_redis_lead_wake(redis);
    }
}


static void
ngx_push_redis_up(ngx_push_redis_connection_t *c)
{
    ngx_push_redis_t  *redis;

    redis = c->data;

    if (redis->leading) {
        ngx_push_redis_advise(redis);
        ngx_push_redis_read_some(redis);
    }
}


uint32_t
ngx_push_redis_life(void)
{
    uint32_t  life;

    life = 0;

    if (getrandom(&life, sizeof(life), GRND_NONBLOCK) == -1) {
        life = ngx_random();
    }

    life &= 0xffffff;

    return life ? life : 1;
}
