
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_hub.h"
#include "ngx_push_bell.h"
#include "ngx_push_channel.h"
#include "ngx_push_mirror.h"


/* who reads the backplane for all workers, and what it is to read */


static ngx_push_channel_t *ngx_push_leader_look(ngx_push_zone_t *zone,
    ngx_str_t *name, ngx_push_mirrored_t *state);
static ngx_uint_t ngx_push_leader_misses(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch);
static ngx_uint_t ngx_push_leader_lives(ngx_push_shared_t *sh);
static void ngx_push_leader_turn(ngx_push_shared_t *sh, ngx_uint_t up);


ngx_int_t
ngx_push_mirror_lead(ngx_push_zone_t *zone)
{
    ngx_int_t           rc;
    ngx_push_mirror_t  *mirror;

    mirror = &zone->sh->mirror;

    if (mirror->leader == ngx_pid) {
        return NGX_OK;
    }

    if (zone->hub == NULL || ngx_push_leader_lives(zone->sh)) {
        return NGX_DECLINED;
    }

    rc = NGX_DECLINED;

    ngx_push_zone_lock(zone);

    if (!ngx_push_leader_lives(zone->sh)) {
        ngx_push_leader_turn(zone->sh, 0);

        mirror->bell = zone->hub->number;
        mirror->leader = ngx_pid;
        rc = NGX_OK;
    }

    ngx_push_zone_unlock(zone);

    return rc;
}


ngx_uint_t
ngx_push_mirror_leads(ngx_push_zone_t *zone)
{
    return zone->sh->mirror.leader == ngx_pid;
}


/* any other worker may have it at once */

void
ngx_push_mirror_resign(ngx_push_zone_t *zone)
{
    ngx_uint_t          i;
    ngx_push_bell_t    *bell;
    ngx_push_chime_t    chime;
    ngx_push_shared_t  *sh;

    sh = zone->sh;
    bell = ngx_push_bells(sh);

    ngx_memzero(&chime, sizeof(ngx_push_chime_t));

    ngx_push_zone_lock(zone);

    if (sh->mirror.leader == ngx_pid) {
        ngx_push_leader_turn(sh, 0);

        sh->mirror.leader = 0;
        sh->mirror.nwanted = NGX_PUSH_WANTED + 1;

        for (i = 0; i < sh->nbells; i++) {

            if (bell[i].pid && bell[i].pid != ngx_pid) {
                chime.map[i / 64] |= (uint64_t) 1 << i % 64;
                chime.n++;
            }
        }
    }

    ngx_push_zone_unlock(zone);

    ngx_push_bell_ring(sh, &chime);
}


void
ngx_push_mirror_turn(ngx_push_zone_t *zone, ngx_uint_t up)
{
    ngx_push_zone_lock(zone);

    if (zone->sh->mirror.leader == ngx_pid) {
        ngx_push_leader_turn(zone->sh, up);
    }

    ngx_push_zone_unlock(zone);
}


void
ngx_push_mirror_want(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_chime_t *chime)
{
    ngx_push_bell_t    *bell;
    ngx_push_mirror_t  *mirror;

    mirror = &sh->mirror;

    if (mirror->nwanted < NGX_PUSH_WANTED) {
        mirror->wanted[mirror->nwanted] = ch->hash & sh->bucket_mask;
    }

    mirror->nwanted = ngx_min(mirror->nwanted, NGX_PUSH_WANTED) + 1;

    if (mirror->leader == 0) {
        return;
    }

    bell = &ngx_push_bells(sh)[mirror->bell];

    if (bell->pid == mirror->leader) {
        chime->map[mirror->bell / 64] |= (uint64_t) 1 << mirror->bell % 64;
        chime->n++;
    }
}


ngx_int_t
ngx_push_mirror_wanted(ngx_push_zone_t *zone, uint32_t *buckets,
    ngx_uint_t *n)
{
    ngx_push_mirror_t  *mirror;

    mirror = &zone->sh->mirror;

    ngx_push_zone_lock(zone);

    *n = mirror->nwanted;
    mirror->nwanted = 0;
    ngx_memcpy(buckets, mirror->wanted, sizeof(mirror->wanted));

    ngx_push_zone_unlock(zone);

    return (*n > NGX_PUSH_WANTED) ? NGX_DONE : NGX_OK;
}


void
ngx_push_mirror_missing(ngx_push_zone_t *zone, ngx_uint_t bucket,
    ngx_push_mirror_pt handler, void *data)
{
    uint32_t             offset;
    ngx_str_t            name;
    ngx_push_shared_t   *sh;
    ngx_push_channel_t  *ch;

    sh = zone->sh;

    ngx_push_zone_lock(zone);

    offset = ngx_push_buckets(sh)[bucket & sh->bucket_mask];

    for ( /* void */ ; offset; offset = ch->block.link) {
        ch = ngx_push_ptr(sh, offset);

        if (ch->listeners && ngx_push_leader_misses(sh, ch)) {
            name.len = ch->name_len;
            name.data = ch->name;

            handler(data, &name);
        }
    }

    ngx_push_zone_unlock(zone);
}


static ngx_uint_t
ngx_push_leader_misses(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    ngx_push_lineage_t  *lineage;

    lineage = ngx_push_lineage(ch);

    return lineage->synced != sh->mirror.turn
           || (int32_t) (lineage->doubted - lineage->asked) > 0;
}


ngx_int_t
ngx_push_mirror_state(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_mirrored_t *state)
{
    ngx_int_t  rc;

    ngx_push_zone_lock(zone);

    rc = ngx_push_leader_look(zone, name, state) ? NGX_OK : NGX_DECLINED;

    ngx_push_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_push_mirror_ask(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_mirrored_t *state)
{
    ngx_push_channel_t  *ch;

    ngx_push_zone_lock(zone);

    ch = ngx_push_leader_look(zone, name, state);

    if (ch) {
        state->asked = ++ngx_push_lineage(ch)->asked;
    }

    ngx_push_zone_unlock(zone);

    return ch ? NGX_OK : NGX_DECLINED;
}


static ngx_push_channel_t *
ngx_push_leader_look(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_mirrored_t *state)
{
    ngx_push_channel_t  *ch;

    ngx_memzero(state, sizeof(ngx_push_mirrored_t));

    ch = ngx_push_channel_find(zone->sh, name);

    if (ch) {
        state->epoch = ch->mirrored ? ch->epoch : 0;
        state->last = ch->mirrored ? ch->last : 0;
        state->listeners = (ch->listeners != 0);
        state->current = ngx_push_mirror_is_current(zone, ch);
    }

    return ch;
}


void
ngx_push_mirror_forget(ngx_push_zone_t *zone, ngx_str_t *name)
{
    ngx_push_channel_t  *ch;

    ngx_push_zone_lock(zone);

    ch = ngx_push_channel_find(zone->sh, name);

    if (ch) {
        ngx_push_lineage(ch)->synced = 0;
    }

    ngx_push_zone_unlock(zone);
}


ngx_uint_t
ngx_push_mirror_subscribers(ngx_push_zone_t *zone, ngx_str_t *name)
{
    ngx_uint_t           n;
    ngx_push_channel_t  *ch;

    ngx_push_zone_lock(zone);

    ch = ngx_push_channel_find(zone->sh, name);
    n = ch ? ngx_push_channel_subscribers(zone->sh, ch) : 0;

    ngx_push_zone_unlock(zone);

    return n;
}


static ngx_uint_t
ngx_push_leader_lives(ngx_push_shared_t *sh)
{
    ngx_push_bell_t    *bell;
    ngx_push_mirror_t  *mirror;

    mirror = &sh->mirror;

    if (mirror->leader == 0 || mirror->bell >= sh->nbells) {
        return 0;
    }

    bell = &ngx_push_bells(sh)[mirror->bell];

    return bell->pid == mirror->leader && !ngx_push_bell_is_orphan(bell);
}


/* 0 is the turn of a channel that was never read */

static void
ngx_push_leader_turn(ngx_push_shared_t *sh, ngx_uint_t up)
{
    sh->mirror.turn++;

    if (sh->mirror.turn == 0) {
        sh->mirror.turn = 1;
    }

    sh->mirror.up = up;
    sh->stats[NGX_PUSH_STAT_TURNS] += up;
}
