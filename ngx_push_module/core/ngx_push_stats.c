
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_stats.h"


/* what the status of a zone is made of */


static void ngx_push_stats_copy(ngx_push_shared_t *sh,
    ngx_push_stats_t *stats);


ngx_int_t
ngx_push_zone_stats(ngx_push_zone_t *zone, ngx_push_stats_t *stats,
    ngx_pool_t *pool)
{
    stats->workers = ngx_palloc(pool, zone->sh->nbells
                                      * sizeof(ngx_push_worker_stats_t));
    if (stats->workers == NULL) {
        return NGX_ERROR;
    }

    stats->size = zone->shm_zone->shm.size;
    stats->backplane = zone->backplane->name;
    stats->mirrors = ngx_push_zone_mirrors(zone);

    ngx_push_zone_lock(zone);

    ngx_push_stats_copy(zone->sh, stats);

    ngx_push_zone_unlock(zone);

    return NGX_OK;
}


static void
ngx_push_stats_copy(ngx_push_shared_t *sh, ngx_push_stats_t *stats)
{
    ngx_uint_t                i;
    ngx_push_bell_t          *bell;
    ngx_push_worker_stats_t  *w;

    for (i = 0; i < NGX_PUSH_BLOCK_TYPES; i++) {
        stats->bytes[i] = (size_t) sh->arena.units[i] * NGX_PUSH_UNIT;
    }

    ngx_memcpy(stats->counters, sh->stats, sizeof(sh->stats));

    stats->channels = sh->nchannels;
    stats->messages = sh->nmessages;
    stats->payload = sh->bytes;
    stats->superseded = (sh->superseded != 0);
    stats->leader = sh->mirror.leader;
    stats->up = sh->mirror.up;
    stats->heard = sh->mirror.heard;

    /* a bell without an owner counts nothing */

    bell = ngx_push_bells(sh);
    w = stats->workers;

    for (i = 0; i < sh->nbells; i++) {

        if (bell[i].pid == 0) {
            continue;
        }

        w->pid = bell[i].pid;
        ngx_memcpy(w->gauges, bell[i].gauges, sizeof(w->gauges));
        w++;
    }

    stats->nworkers = w - stats->workers;
}
