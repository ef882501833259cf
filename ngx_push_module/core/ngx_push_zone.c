
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/eventfd.h>

#include "ngx_push_zone.h"
#include "ngx_push_bell.h"
#include "ngx_push_channel.h"
#include "ngx_push_history.h"
#include "ngx_push_key.h"


#define NGX_PUSH_ZONE_MIN       (128 * 1024)
#define NGX_PUSH_BELLS_MIN      16
#define NGX_PUSH_BELLS_FACTOR   4

#define NGX_PUSH_LOCK_SPIN      1024
#define NGX_PUSH_LOCK_YIELDS    256

#define NGX_PUSH_SWEEP_TIME     60           /* seconds for all channels */
#define NGX_PUSH_SWEEP_BUCKETS  256          /* under one lock */
#define NGX_PUSH_WARN_TIME      (60 * 1000)


/* another layout is another tag: NGINX then makes a fresh zone */

#define ngx_push_zone_tag                                                    \
    ((void *) ((u_char *) &ngx_core_module + NGX_PUSH_LAYOUT))

#define ngx_push_zone_mirror_tag                                             \
    ((void *) ((u_char *) &ngx_core_module + 100 + NGX_PUSH_LAYOUT))

#define ngx_push_zone_is_ours(shm_zone)                                      \
    ((u_char *) (shm_zone)->tag > (u_char *) &ngx_core_module                \
     && (u_char *) (shm_zone)->tag < (u_char *) (&ngx_core_module + 1))


static ngx_uint_t ngx_push_zone_holder_died(ngx_push_shared_t *sh,
    ngx_pid_t holder);
static ngx_int_t ngx_push_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_push_shared_t *ngx_push_zone_layout(ngx_push_zone_t *zone);
static ngx_int_t ngx_push_zone_open_bells(ngx_push_shared_t *sh,
    ngx_log_t *log);
static void ngx_push_zone_supersede(ngx_cycle_t *cycle);
static ngx_uint_t ngx_push_zone_is_in(ngx_cycle_t *cycle, u_char *addr);
static void ngx_push_zone_sweep_dead(ngx_push_zone_t *zone);


/*
 * The zone of this name in the list of a configuration, made if there is
 * none yet; size 0: none is asked for.  NULL: an error, which is logged.
 */

ngx_push_zone_t *
ngx_push_zone_create(ngx_conf_t *cf, ngx_array_t *zones, ngx_str_t *name,
    size_t size)
{
    ngx_shm_zone_t    *shm_zone;
    ngx_push_zone_t   *zone, **zp;

    if (size && size < NGX_PUSH_ZONE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "push zone \"%V\" is too small, "
                           "\"push_zone\" takes at least 128k", name);
        return NULL;
    }

    shm_zone = ngx_shared_memory_add(cf, name, size, ngx_push_zone_tag);
    if (shm_zone == NULL) {
        return NULL;
    }

    if (shm_zone->data) {
        return shm_zone->data;
    }

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_push_zone_t));
    if (zone == NULL) {
        return NULL;
    }

    zone->shm_zone = shm_zone;
    zone->cycle = cf->cycle;
    zone->backplane = &ngx_push_backplane_null;

    shm_zone->init = ngx_push_zone_init;
    shm_zone->data = zone;

    zp = ngx_array_push(zones);
    if (zp == NULL) {
        return NULL;
    }

    *zp = zone;

    return zone;
}


void
ngx_push_zone_mirror(ngx_push_zone_t *zone,
    const ngx_push_backplane_t *backplane, void *peer)
{
    zone->backplane = backplane;
    zone->peer = peer;

    zone->shm_zone->tag = ngx_push_zone_mirror_tag;
}


ngx_str_t *
ngx_push_zone_name(ngx_push_zone_t *zone)
{
    return &zone->shm_zone->shm.name;
}


ngx_uint_t
ngx_push_zone_superseded(ngx_push_zone_t *zone)
{
    return zone->sh->superseded;
}


/*
 * A spinlock, as NGINX has it without semaphores, but one that outlives the
 * death of its holder also where no master looks after it: in a zone that
 * is no longer of the master's cycle, or when the master is gone.
 */

void
ngx_push_zone_lock(ngx_push_zone_t *zone)
{
    ngx_pid_t     holder;
    ngx_uint_t    i, n;
    ngx_shmtx_t  *mutex;

    mutex = &zone->pool->mutex;

    for (n = 1; !ngx_shmtx_trylock(mutex); n++) {

        for (i = 0; i < NGX_PUSH_LOCK_SPIN && *mutex->lock; i++) {
            ngx_cpu_pause();
        }

        if (*mutex->lock == 0) {
            continue;
        }

        ngx_sched_yield();

        if (n % NGX_PUSH_LOCK_YIELDS) {
            continue;
        }

        holder = *mutex->lock;

        if (holder && ngx_push_zone_holder_died(zone->sh, holder)) {
            (void) ngx_shmtx_force_unlock(mutex, holder);
        }
    }

    if (zone->sh->writer) {
        ngx_push_shared_recover(zone->sh);
    }

    zone->sh->writer = ngx_pid;
    ngx_memory_barrier();
}


/* a zombie is dead, and so is one whose pid another process has by now */

static ngx_uint_t
ngx_push_zone_holder_died(ngx_push_shared_t *sh, ngx_pid_t holder)
{
    ngx_uint_t        i;
    ngx_push_bell_t  *bell, other;

    bell = ngx_push_bells(sh);

    for (i = 0; i < sh->nbells; i++) {
        if (bell[i].pid == holder) {
            return ngx_push_bell_is_orphan(&bell[i]);
        }
    }

    other.pid = holder;
    other.start = 0;

    return ngx_push_bell_is_orphan(&other);
}


void
ngx_push_zone_unlock(ngx_push_zone_t *zone)
{
    ngx_memory_barrier();
    zone->sh->writer = 0;

    ngx_shmtx_unlock(&zone->pool->mutex);
}


ngx_int_t
ngx_push_zone_open(ngx_cycle_t *cycle, ngx_array_t *zones)
{
    ngx_uint_t         i;
    ngx_push_zone_t  **zp;

    zp = zones->elts;

    for (i = 0; i < zones->nelts; i++) {
        if (ngx_push_zone_open_bells(zp[i]->sh, cycle->log) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_push_zone_supersede(cycle);

    return NGX_OK;
}


void
ngx_push_zone_tick(ngx_push_zone_t *zone)
{
    uint64_t            now;
    ngx_uint_t          n;
    ngx_push_shared_t  *sh;

    sh = zone->sh;

    ngx_push_zone_sweep_dead(zone);

    /* one worker a second, whichever comes first */

    now = ngx_push_now();

    if (sh->swept / 1000 == now / 1000) {
        return;
    }

    sh->swept = now;

    n = (sh->bucket_mask + 1) / NGX_PUSH_SWEEP_TIME + 1;

    while (n) {
        ngx_push_zone_lock(zone);

        ngx_push_key_expire(sh);
        ngx_push_channel_sweep(sh, ngx_min(n, NGX_PUSH_SWEEP_BUCKETS));

        ngx_push_zone_unlock(zone);

        n -= ngx_min(n, NGX_PUSH_SWEEP_BUCKETS);
    }
}


void
ngx_push_zone_sweep(ngx_push_shared_t *sh, ngx_push_bell_t *bell)
{
    ngx_push_history_release(sh, bell);

    bell->ready = 0;

    while (bell->listeners) {
        ngx_push_channel_unlisten(sh, ngx_push_ptr(sh, bell->listeners));
    }

    ngx_memzero(bell->gauges, sizeof(bell->gauges));

    bell->pid = 0;
}


void
ngx_push_zone_warn(ngx_push_zone_t *zone)
{
    uint64_t  now;

    now = ngx_push_now();

    if (zone->sh->warned + NGX_PUSH_WARN_TIME > now) {
        return;
    }

    zone->sh->warned = now;

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "zone \"%V\" is full: history evicted before its age, "
                  "raise push_zone", ngx_push_zone_name(zone));
}


static ngx_int_t
ngx_push_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_push_zone_t  *zone;

    zone = shm_zone->data;
    zone->pool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (data || shm_zone->shm.exists) {

        /* the old handle may be of another build: it is not looked into */

        zone->sh = zone->pool->data;
        return NGX_OK;
    }

    zone->sh = ngx_push_zone_layout(zone);

    return (zone->sh != NULL) ? NGX_OK : NGX_ERROR;
}


/* NGINX's slab gives all it has in one piece, and nothing ever after */

static ngx_push_shared_t *
ngx_push_zone_layout(ngx_push_zone_t *zone)
{
    size_t              size;
    ngx_uint_t          nbells;
    ngx_core_conf_t    *ccf;
    ngx_push_shared_t  *sh;

    ccf = (ngx_core_conf_t *) ngx_get_conf(zone->cycle->conf_ctx,
                                           ngx_core_module);

    nbells = ngx_max(ccf->worker_processes * NGX_PUSH_BELLS_FACTOR,
                     NGX_PUSH_BELLS_MIN);

    size = zone->pool->pfree * ngx_pagesize;

    sh = ngx_slab_alloc(zone->pool, size);

    if (sh == NULL
        || ngx_push_shared_init(sh, size,
                                ngx_min(nbells, NGX_PUSH_MAX_BELLS))
           != NGX_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, zone->cycle->log, 0,
                      "push zone \"%V\" is too small for %ui workers",
                      ngx_push_zone_name(zone), ccf->worker_processes);
        return NULL;
    }

    sh->mirror.on = (zone->backplane->wake != NULL);

    zone->pool->data = sh;

    return sh;
}


static ngx_int_t
ngx_push_zone_open_bells(ngx_push_shared_t *sh, ngx_log_t *log)
{
    int         fd;
    ngx_uint_t  i;

    for (i = 0; i < sh->nfds; i++) {

        if (sh->fds[i] != -1) {
            continue;
        }

        fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

        if (fd == -1) {
            ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "eventfd() failed");
            return NGX_ERROR;
        }

        sh->fds[i] = fd;
    }

    return NGX_OK;
}


/*
 * Zones of the old cycle that are not in the new one: of another size or
 * layout, or no longer configured.  Their workers have the bells already;
 * the master lets go of its own.
 */

static void
ngx_push_zone_supersede(ngx_cycle_t *cycle)
{
    ngx_uint_t          i, n;
    ngx_cycle_t        *old;
    ngx_shm_zone_t     *shm_zone;
    ngx_list_part_t    *part;
    ngx_slab_pool_t    *pool;
    ngx_push_shared_t  *sh;

    old = cycle->old_cycle;

    if (old == NULL || old->conf_ctx == NULL) {
        return;
    }

    for (part = &old->shared_memory.part; part; part = part->next) {
        shm_zone = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (!ngx_push_zone_is_ours(&shm_zone[i])
                || ngx_push_zone_is_in(cycle, shm_zone[i].shm.addr))
            {
                continue;
            }

            pool = (ngx_slab_pool_t *) shm_zone[i].shm.addr;
            sh = pool->data;

            sh->superseded = 1;

            for (n = 0; n < sh->nfds; n++) {
                (void) ngx_close_file(sh->fds[n]);
            }
        }
    }
}


static ngx_uint_t
ngx_push_zone_is_in(ngx_cycle_t *cycle, u_char *addr)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *shm_zone;
    ngx_list_part_t  *part;

    for (part = &cycle->shared_memory.part; part; part = part->next) {
        shm_zone = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (shm_zone[i].shm.addr == addr) {
                return 1;
            }
        }
    }

    return 0;
}


static void
ngx_push_zone_sweep_dead(ngx_push_zone_t *zone)
{
    ngx_pid_t           pid;
    ngx_uint_t          i;
    ngx_push_bell_t    *bell;
    ngx_push_shared_t  *sh;

    sh = zone->sh;
    bell = ngx_push_bells(sh);

    for (i = 0; i < sh->nbells; i++) {

        pid = bell[i].pid;

        if (pid == 0 || pid == ngx_pid || !ngx_push_bell_is_orphan(&bell[i])) {
            continue;
        }

        ngx_push_zone_lock(zone);

        if (bell[i].pid == pid && ngx_push_bell_is_orphan(&bell[i])) {
            ngx_push_zone_sweep(sh, &bell[i]);
            sh->stats[NGX_PUSH_STAT_SWEPT]++;
        }

        ngx_push_zone_unlock(zone);

        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "push: zone \"%V\" swept after process %P",
                      ngx_push_zone_name(zone), pid);
    }
}
