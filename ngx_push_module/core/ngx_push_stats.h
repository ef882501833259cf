
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_STATS_H_INCLUDED_
#define _NGX_PUSH_STATS_H_INCLUDED_


#include "ngx_push_zone.h"


/* the numbers of a zone at one moment */


typedef struct {
    ngx_pid_t               pid;
    uint32_t                gauges[NGX_PUSH_GAUGES];
} ngx_push_worker_stats_t;


typedef struct {
    size_t                   size;           /* as configured */
    size_t                   bytes[NGX_PUSH_BLOCK_TYPES];
    ngx_uint_t               channels;
    ngx_uint_t               messages;
    uint64_t                 payload;        /* bytes of messages */
    uint64_t                 counters[NGX_PUSH_STATS];
    ngx_push_worker_stats_t *workers;
    ngx_uint_t               nworkers;
    const char              *backplane;      /* its name */
    ngx_pid_t                leader;         /* who follows it, 0: none */
    uint64_t                 heard;          /* ms since 1970, 0: never */
    unsigned                 superseded:1;
    unsigned                 mirrors:1;      /* other pods are behind it */
    unsigned                 up:1;           /* it is heard */
} ngx_push_stats_t;


/* copies them under the lock; NGX_OK or NGX_ERROR: no memory */

ngx_int_t ngx_push_zone_stats(ngx_push_zone_t *zone, ngx_push_stats_t *stats,
    ngx_pool_t *pool);


#endif /* _NGX_PUSH_STATS_H_INCLUDED_ */
