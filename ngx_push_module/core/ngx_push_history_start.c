
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_history.h"
#include "ngx_push_log.h"


/* where a reader begins: from what it asks for to a number of the log */


static uint64_t ngx_push_history_back(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch, uint64_t seq, ngx_uint_t n);
static ngx_int_t ngx_push_history_after(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch, ngx_push_start_t *start, uint64_t floor);
static void ngx_push_history_pick(ngx_push_channel_t *ch,
    ngx_push_start_t *start);
static ngx_int_t ngx_push_history_find(ngx_push_channel_t *ch,
    ngx_push_start_t *start, uint64_t *end);
static void ngx_push_history_lost(ngx_push_channel_t *ch,
    ngx_push_start_t *start);
static ngx_uint_t ngx_push_history_is_epoch(ngx_push_start_t *start,
    uint64_t epoch, uint64_t mask);
static ngx_uint_t ngx_push_history_is_read(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch, uint64_t seq);


void
ngx_push_history_start(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_start_t *start)
{
    uint64_t  floor, end;

    floor = ngx_max(ch->floor, ch->trimmed);

    start->found = NGX_PUSH_COMPLETE;
    start->start.epoch = ch->epoch;
    start->start.seq = ch->last;
    start->oldest.epoch = ch->epoch;
    start->oldest.seq = ngx_push_history_oldest(sh, ch);
    start->over = 0;

    switch (start->at) {

    case NGX_PUSH_AT_LATEST:
        break;

    case NGX_PUSH_AT_EARLIEST:
        start->start.seq = floor;
        break;

    case NGX_PUSH_AT_LAST:
        start->start.seq = ngx_push_history_back(sh, ch, ch->last, start->n);
        break;

    case NGX_PUSH_AT_BEFORE:

        ngx_push_history_pick(ch, start);

        if (ngx_push_history_find(ch, start, &end) != NGX_OK) {
            start->found = NGX_PUSH_UNKNOWN;
            start->id = start->start;
            start->id.seq++;
        }

        start->start.seq = start->id.seq ? ngx_push_history_back(sh, ch,
                                               start->id.seq - 1, start->n)
                                         : floor;
        break;

    case NGX_PUSH_AT_ID:

        if (ngx_push_history_after(sh, ch, start, floor) == NGX_OK) {
            break;
        }

        ngx_push_history_lost(ch, start);

        /* fall through */

    case NGX_PUSH_AT_LOST:
        start->found = NGX_PUSH_UNKNOWN;
        start->start.seq = floor;
        break;
    }
}


/* NGX_DECLINED: the id is of another life */

static ngx_int_t
ngx_push_history_after(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_start_t *start, uint64_t floor)
{
    uint64_t  end;

    ngx_push_history_pick(ch, start);

    switch (ngx_push_history_find(ch, start, &end)) {

    case NGX_OK:
        start->start.seq = start->id.seq;

        if (start->id.seq < floor) {
            start->start.seq = floor;
            start->found = (start->id.seq < ch->evicted)
                           ? NGX_PUSH_EVICTED : NGX_PUSH_EXPIRED;
            return NGX_OK;
        }

        start->over = ch->sealed
                      && ngx_push_history_is_read(sh, ch, start->id.seq);

        return NGX_OK;

    case NGX_DECLINED:

        /* it goes back to where both still had the same */

        start->found = NGX_PUSH_DIVERGED;
        start->start.seq = ngx_max(end, floor);

        return NGX_OK;

    default:
        return NGX_DECLINED;
    }
}


/* the number that the newest n kept ones up to "seq" begin after */

static uint64_t
ngx_push_history_back(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint64_t seq, ngx_uint_t n)
{
    uint64_t             floor;
    ngx_uint_t           i;
    ngx_push_message_t  *m;

    floor = ngx_max(ch->floor, ch->trimmed);
    i = ngx_push_log_after(sh, &ch->log, seq);

    while (i > ch->log.behind && n) {
        m = ngx_push_log_at(sh, &ch->log, --i);

        if (m->flags & NGX_PUSH_MESSAGE_KEPT) {
            seq = m->seq - 1;
            n--;
        }
    }

    return n ? floor : ngx_max(seq, floor);
}


/* the id of this life, if "id" is one of several */

static void
ngx_push_history_pick(ngx_push_channel_t *ch, ngx_push_start_t *start)
{
    uint64_t    end;
    ngx_uint_t  i;

    for (i = 0; i < start->more; i++) {
        start->id = start->ids[i];

        if (ngx_push_history_find(ch, start, &end) != NGX_ERROR) {
            break;
        }
    }
}


/*
 * NGX_OK: a place in this log; NGX_DECLINED: one in this life, in a term
 * that ended at "end" without it; NGX_ERROR: of another life.
 */

static ngx_int_t
ngx_push_history_find(ngx_push_channel_t *ch, ngx_push_start_t *start,
    uint64_t *end)
{
    ngx_uint_t        i;
    ngx_push_term_t  *terms;

    *end = ch->last;

    if (ngx_push_history_is_epoch(start, ch->epoch, (uint64_t) -1)) {

        if (start->id.seq <= ch->last) {
            return NGX_OK;
        }

        return ch->mirrored ? NGX_DECLINED : NGX_ERROR;
    }

    if (!ch->mirrored
        || !ngx_push_history_is_epoch(start, ch->epoch, NGX_PUSH_LIFE))
    {
        return NGX_ERROR;
    }

    terms = ngx_push_lineage(ch)->terms;

    for (i = 0; i < NGX_PUSH_TERMS && terms[i].epoch; i++) {

        if (ngx_push_history_is_epoch(start, terms[i].epoch, (uint64_t) -1)) {
            *end = terms[i].end;
            return (start->id.seq <= *end) ? NGX_OK : NGX_DECLINED;
        }
    }

    *end = 0;

    return NGX_DECLINED;
}


/* another life: it may be that of which the deletion is to be told */

static void
ngx_push_history_lost(ngx_push_channel_t *ch, ngx_push_start_t *start)
{
    start->over = ch->deleted && ch->last == 0 && !ch->sealed
                  && ngx_push_history_is_epoch(start, ch->deleted,
                                               ch->mirrored ? NGX_PUSH_LIFE
                                                         : (uint64_t) -1);
}


static ngx_uint_t
ngx_push_history_is_epoch(ngx_push_start_t *start, uint64_t epoch,
    uint64_t mask)
{
    if (start->brief) {
        mask &= NGX_PUSH_BRIEF;
    }

    return ((start->id.epoch ^ epoch) & mask) == 0;
}


uint64_t
ngx_push_terms_epoch(ngx_push_term_t *terms, uint64_t epoch, uint64_t seq)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PUSH_TERMS && terms[i].epoch; i++) {

        if (seq > terms[i].end) {
            break;
        }

        epoch = terms[i].epoch;
    }

    return epoch;
}


/* whether a replay from here has no message */

static ngx_uint_t
ngx_push_history_is_read(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint64_t seq)
{
    ngx_uint_t           i;
    ngx_push_message_t  *m;

    i = ngx_push_log_after(sh, &ch->log, seq);

    for ( /* void */ ; i < ch->log.n; i++) {
        m = ngx_push_log_at(sh, &ch->log, i);

        if (!(m->flags & NGX_PUSH_MESSAGE_COVERED)) {
            return 0;
        }
    }

    return 1;
}
