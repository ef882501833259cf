
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_ZONE_H_INCLUDED_
#define _NGX_PUSH_ZONE_H_INCLUDED_


#include "ngx_push_backplane.h"
#include "ngx_push_shared.h"


/*
 * One zone of one configuration.  NGINX keeps the memory over a reload, as
 * long as name, size and layout stay; this handle is made anew.
 */

struct ngx_push_zone_s {
    ngx_push_shared_t          *sh;
    ngx_slab_pool_t            *pool;
    ngx_shm_zone_t             *shm_zone;
    ngx_cycle_t                *cycle;       /* of the configuration */
    ngx_push_hub_t             *hub;         /* of this worker */
    const ngx_push_backplane_t *backplane;
    void                       *peer;        /* the backplane's own */
};


/*
 * The one lock.  Whoever finds that its last holder died inside makes the
 * zone whole again before going on.
 */

void ngx_push_zone_lock(ngx_push_zone_t *zone);
void ngx_push_zone_unlock(ngx_push_zone_t *zone);

ngx_push_zone_t *ngx_push_zone_create(ngx_conf_t *cf, ngx_array_t *zones,
    ngx_str_t *name, size_t size);

/*
 * Puts a zone behind a backplane, once all of the configuration is read.  A
 * zone whose logs are written elsewhere is another than one of the same name
 * whose logs are its own.
 */

void ngx_push_zone_mirror(ngx_push_zone_t *zone,
    const ngx_push_backplane_t *backplane, void *peer);

/* by the master: the bells of new zones, the mark on those left behind */

ngx_int_t ngx_push_zone_open(ngx_cycle_t *cycle, ngx_array_t *zones);

/* every tick of every worker: dead owners, old keys, channels out of use */

void ngx_push_zone_tick(ngx_push_zone_t *zone);

/* gives back all that the owner of a bell has held */

void ngx_push_zone_sweep(ngx_push_shared_t *sh, ngx_push_bell_t *bell);

/* says once a minute that history was evicted before its age */

void ngx_push_zone_warn(ngx_push_zone_t *zone);

/* lays out a fresh zone; NGX_ERROR: too small */

ngx_int_t ngx_push_shared_init(ngx_push_shared_t *sh, size_t size,
    ngx_uint_t nfds);

/* under the lock: makes the zone whole after its writer died */

void ngx_push_shared_recover(ngx_push_shared_t *sh);


#endif /* _NGX_PUSH_ZONE_H_INCLUDED_ */
