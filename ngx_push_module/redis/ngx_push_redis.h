
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_REDIS_H_INCLUDED_
#define _NGX_PUSH_REDIS_H_INCLUDED_


#include "ngx_push_zone.h"
#include "ngx_push_redis_connection.h"


/*
 * The backplane of a zone, with Redis.  Every worker has a connection for
 * commands, by which it publishes and asks.  The leader has one more, by
 * which it hears of all channels that somebody in this zone listens to.
 */

ngx_int_t ngx_push_redis_add(ngx_conf_t *cf, ngx_push_zone_t *zone,
    ngx_push_redis_conf_t *conf);


#endif /* _NGX_PUSH_REDIS_H_INCLUDED_ */
