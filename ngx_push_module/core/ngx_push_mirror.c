
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_mirror.h"
#include "ngx_push_bell.h"
#include "ngx_push_channel.h"
#include "ngx_push_history.h"
#include "ngx_push_log.h"
#include "ngx_push_publish.h"


/* messages and states of logs that are written elsewhere */


static ngx_push_channel_t *ngx_push_mirror_open(ngx_push_zone_t *zone,
    ngx_str_t *name);
static void ngx_push_mirror_close(ngx_push_zone_t *zone,
    ngx_push_channel_t *ch);
static void ngx_push_mirror_to_terms(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch, ngx_push_copy_t *copy);
static uint64_t ngx_push_mirror_common(ngx_push_channel_t *ch,
    ngx_push_copy_t *copy);
static uint64_t ngx_push_mirror_end(ngx_push_copy_t *copy, uint64_t epoch);
static ngx_int_t ngx_push_mirror_check(ngx_push_zone_t *zone,
    ngx_push_channel_t *ch, ngx_push_place_t *place, ngx_uint_t own);
static void ngx_push_mirror_enter(ngx_push_channel_t *ch, uint64_t epoch);
static void ngx_push_mirror_skip(ngx_push_channel_t *ch, uint64_t seq);
static void ngx_push_mirror_add(ngx_push_zone_t *zone,
    ngx_push_channel_t *ch, ngx_push_publish_t *p, uint64_t seq);


ngx_int_t
ngx_push_mirror_begin(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_copy_t *copy)
{
    ngx_int_t            rc;
    ngx_push_channel_t  *ch;

    rc = NGX_DECLINED;
    ch = ngx_push_mirror_open(zone, name);

    if (ch && ch->mirrored && ch->epoch != copy->asked_epoch) {
        rc = NGX_AGAIN;

    } else if (ch) {
        ngx_push_mirror_to_terms(zone->sh, ch, copy);

        /* what was read follows on what was here then */

        rc = (ch->last < copy->asked_last) ? NGX_AGAIN : NGX_OK;
    }

    ngx_push_mirror_close(zone, ch);

    return rc;
}


ngx_int_t
ngx_push_mirror_lose(ngx_push_zone_t *zone, ngx_str_t *name, uint64_t seq)
{
    ngx_push_channel_t  *ch;

    ch = ngx_push_mirror_open(zone, name);

    if (ch && seq > ch->last) {
        ngx_push_mirror_skip(ch, seq);
    }

    ngx_push_mirror_close(zone, ch);

    return ch ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_push_mirror_fill(ngx_push_zone_t *zone, ngx_push_publish_t *p,
    uint64_t seq)
{
    ngx_push_channel_t  *ch;

    ch = ngx_push_mirror_open(zone, &p->targets[0].channel);

    if (ch && seq > ch->last) {
        ngx_push_mirror_add(zone, ch, p, seq);
    }

    ngx_push_mirror_close(zone, ch);

    return ch ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_push_mirror_finish(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_copy_t *copy)
{
    ngx_push_channel_t  *ch;

    ch = ngx_push_mirror_open(zone, name);

    if (ch && ch->epoch == copy->epoch) {

        /* the newest may have been collapsed, or live but for a moment */

        ch->last = ngx_max(ch->last, copy->last);
        ch->last_publish = ngx_max(ch->last_publish, copy->last_publish);
        ch->created = copy->created;
        ch->sealed |= copy->sealed;
        ngx_push_lineage(ch)->synced = zone->sh->mirror.turn;
        ngx_push_lineage(ch)->read = copy->asked;
    }

    ngx_push_mirror_close(zone, ch);

    return ch ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_push_mirror_expects(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_place_t *place)
{
    ngx_int_t            rc;
    ngx_push_channel_t  *ch;

    ngx_push_zone_lock(zone);

    ch = ngx_push_channel_find(zone->sh, name);
    rc = ch ? ngx_push_mirror_check(zone, ch, place, 0) : NGX_DECLINED;

    if (rc == NGX_AGAIN) {
        zone->sh->stats[NGX_PUSH_STAT_HOLES]++;
    }

    ngx_push_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_push_mirror_append(ngx_push_zone_t *zone, ngx_push_publish_t *p,
    ngx_push_place_t *place, ngx_uint_t own)
{
    ngx_int_t            rc;
    ngx_push_target_t   *t;
    ngx_push_channel_t  *ch;

    rc = NGX_DECLINED;
    t = p->targets;
    p->time = place->time;

    ch = ngx_push_mirror_open(zone, &t->channel);

    if (ch) {
        t->subscribers = ngx_push_channel_subscribers(zone->sh, ch);
        rc = ngx_push_mirror_check(zone, ch, place, own);
    }

    if (rc == NGX_OK) {
        ngx_push_mirror_enter(ch, place->epoch);
        ngx_push_mirror_add(zone, ch, p, place->seq);
    }

    ngx_push_mirror_close(zone, ch);

    return rc;
}


ngx_int_t
ngx_push_mirror_seal(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_place_t *place)
{
    ngx_int_t            rc;
    ngx_push_place_t     next;
    ngx_push_channel_t  *ch;

    rc = NGX_DECLINED;
    next = *place;
    next.seq++;

    ch = ngx_push_mirror_open(zone, name);

    if (ch) {
        rc = ngx_push_mirror_check(zone, ch, &next, 0);
    }

    if (rc == NGX_OK) {
        ngx_push_mirror_enter(ch, place->epoch);
        ch->sealed = 1;
    }

    ngx_push_mirror_close(zone, ch);

    return rc;
}


ngx_int_t
ngx_push_mirror_delete(ngx_push_zone_t *zone, ngx_str_t *name,
    uint64_t epoch)
{
    ngx_int_t            rc;
    ngx_push_channel_t  *ch;

    rc = NGX_DECLINED;

    ch = ngx_push_mirror_open(zone, name);

    if (ch && ngx_push_mirror_is_current(zone, ch)) {
        rc = NGX_OK;

        if ((ch->epoch ^ epoch) & NGX_PUSH_LIFE) {
            ngx_push_channel_renew(zone->sh, ch, epoch);
            zone->sh->stats[NGX_PUSH_STAT_DELETED]++;
        }
    }

    ngx_push_mirror_close(zone, ch);

    return rc;
}


/* with the lock, whatever it returns; the channel is pinned */

static ngx_push_channel_t *
ngx_push_mirror_open(ngx_push_zone_t *zone, ngx_str_t *name)
{
    ngx_push_channel_t  *ch;

    ngx_push_zone_lock(zone);

    ch = ngx_push_channel_find(zone->sh, name);

    if (ch) {
        ngx_push_channel_pin(zone->sh, ch);
    }

    return ch;
}


/* all who listen look at it */

static void
ngx_push_mirror_close(ngx_push_zone_t *zone, ngx_push_channel_t *ch)
{
    ngx_push_chime_t  chime;

    ngx_memzero(&chime, sizeof(ngx_push_chime_t));

    if (ch) {
        ngx_push_channel_call(zone->sh, ch, &chime);
        ngx_push_channel_unpin(zone->sh, ch);
    }

    ngx_push_zone_unlock(zone);

    ngx_push_bell_ring(zone->sh, &chime);
}


/* takes back what is in no term of the copy, and begins what is new in it */

static void
ngx_push_mirror_to_terms(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_copy_t *copy)
{
    uint64_t  common;

    if (!ch->mirrored) {

        /* nobody has an id of it yet */

        ch->mirrored = 1;
        ch->epoch = copy->epoch;
        ch->deleted = copy->deleted;

    } else if ((ch->epoch ^ copy->epoch) & NGX_PUSH_LIFE) {

        ngx_push_channel_renew(sh, ch, copy->epoch);
        ch->deleted = copy->deleted;

    } else {
        common = ngx_push_mirror_common(ch, copy);

        if (common < ch->last) {
            ngx_push_history_rewind(sh, ch, common);
            sh->stats[NGX_PUSH_STAT_REWOUND]++;
        }
    }

    ngx_memcpy(ngx_push_lineage(ch)->terms, copy->terms,
               sizeof(copy->terms));
    ch->epoch = copy->epoch;

    if (copy->floor > ch->last) {

        /* between what is here and what is there, something is lost */

        ngx_push_history_clear(sh, ch);

        ch->floor = copy->floor;
        ch->last = copy->floor;
    }
}


/* the last number that both logs have from the same hand */

static uint64_t
ngx_push_mirror_common(ngx_push_channel_t *ch, ngx_push_copy_t *copy)
{
    uint64_t          common, end;
    ngx_uint_t        i;
    ngx_push_term_t  *terms;

    if (copy->epoch == ch->epoch && copy->last >= copy->asked_last) {

        /* what is beyond it here was heard after it was asked for */

        return ch->last;
    }

    common = ngx_min(ch->last, ngx_push_mirror_end(copy, ch->epoch));

    terms = ngx_push_lineage(ch)->terms;

    for (i = 0; i < NGX_PUSH_TERMS && terms[i].epoch; i++) {
        end = ngx_push_mirror_end(copy, terms[i].epoch);
        common = ngx_max(common, ngx_min(end, terms[i].end));
    }

    return common;
}


static uint64_t
ngx_push_mirror_end(ngx_push_copy_t *copy, uint64_t epoch)
{
    ngx_uint_t  i;

    if (copy->epoch == epoch) {
        return copy->last;
    }

    for (i = 0; i < NGX_PUSH_TERMS && copy->terms[i].epoch; i++) {
        if (copy->terms[i].epoch == epoch) {
            return copy->terms[i].end;
        }
    }

    return 0;
}


/*
 * Whether the message is the next one.  A term that is new here is known to
 * have begun at "began": one term before it may have been missed, which only
 * a reading can tell.
 */

static ngx_int_t
ngx_push_mirror_check(ngx_push_zone_t *zone, ngx_push_channel_t *ch,
    ngx_push_place_t *place, ngx_uint_t own)
{
    if (!ngx_push_mirror_is_current(zone, ch)) {
        return NGX_DECLINED;
    }

    if (ch->epoch != place->epoch) {

        if (own) {
            return NGX_DONE;
        }

        if ((ch->epoch ^ place->epoch) & NGX_PUSH_LIFE
            || place->began != place->seq
            || ch->last + 1 != place->seq)
        {
            return NGX_AGAIN;
        }
    }

    if (place->seq <= ch->last) {
        return NGX_DONE;
    }

    return (place->seq == ch->last + 1) ? NGX_OK : NGX_AGAIN;
}


/* the term that lasted ends with what is here */

static void
ngx_push_mirror_enter(ngx_push_channel_t *ch, uint64_t epoch)
{
    ngx_push_term_t  *terms;

    if (ch->epoch == epoch) {
        return;
    }

    terms = ngx_push_lineage(ch)->terms;

    ngx_memmove(&terms[1], &terms[0],
                (NGX_PUSH_TERMS - 1) * sizeof(ngx_push_term_t));

    terms[0].epoch = ch->epoch;
    terms[0].end = ch->last;
    ch->epoch = epoch;
}


static void
ngx_push_mirror_skip(ngx_push_channel_t *ch, uint64_t seq)
{
    ch->floor = seq;
    ngx_memory_barrier();

    ch->last = seq;
}


/* what the zone cannot hold is lost to all who read here, and they are told */

static void
ngx_push_mirror_add(ngx_push_zone_t *zone, ngx_push_channel_t *ch,
    ngx_push_publish_t *p, uint64_t seq)
{
    uint64_t             evicted;
    ngx_push_shared_t   *sh;
    ngx_push_message_t  *m;

    sh = zone->sh;
    evicted = sh->stats[NGX_PUSH_STAT_EVICTED];

    ngx_push_channel_rules(ch, p->rules);

    m = ngx_push_publish_message(sh, p);

    while (m && ngx_push_log_reserve(sh, ch) != NGX_OK) {

        if (ngx_push_channel_make_room(sh) != NGX_OK) {
            ngx_push_message_destroy(&sh->arena, m);
            m = NULL;
        }
    }

    if (m) {
        ngx_push_history_append(sh, ch, m, p, seq);

    } else {
        ngx_push_mirror_skip(ch, seq);
        ch->evicted = seq;
        ch->sealed = p->end;
    }

    if (sh->stats[NGX_PUSH_STAT_EVICTED] != evicted || m == NULL) {
        ngx_push_zone_warn(zone);
    }
}
