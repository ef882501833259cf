
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_log.h"


#define NGX_PUSH_LOG_MIN  4


static ngx_int_t ngx_push_log_resize(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch, uint32_t size);


ngx_push_slot_t *
ngx_push_log_slot(ngx_push_shared_t *sh, ngx_push_log_t *log, ngx_uint_t i)
{
    ngx_push_ring_t  *ring;

    ring = ngx_push_ptr(sh, log->ring);

    return &ring->slots[(log->first + i) & (log->size - 1)];
}


ngx_push_message_t *
ngx_push_log_at(ngx_push_shared_t *sh, ngx_push_log_t *log, ngx_uint_t i)
{
    return ngx_push_ptr(sh, ngx_push_log_slot(sh, log, i)->message);
}


ngx_uint_t
ngx_push_log_after(ngx_push_shared_t *sh, ngx_push_log_t *log, uint64_t seq)
{
    uint64_t    newest, found;
    ngx_uint_t  i, low, high;

    low = 0;
    high = log->n;

    if (high == 0) {
        return 0;
    }

    newest = ngx_push_log_at(sh, log, high - 1)->seq;

    if (newest <= seq) {
        return high;
    }

    /* where it stands if no number is missing, else by halves */

    i = (newest - seq <= high) ? high - (newest - seq) : 0;

    while (low < high) {
        found = ngx_push_log_at(sh, log, i)->seq;

        if (found > seq) {
            high = i;

            if (i > low && ngx_push_log_at(sh, log, i - 1)->seq <= seq) {
                break;
            }

        } else {
            low = i + 1;
        }

        i = low + (high - low) / 2;
    }

    return high;
}


ngx_int_t
ngx_push_log_reserve(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    if (ch->log.n < ch->log.size) {
        return NGX_OK;
    }

    return ngx_push_log_resize(sh, ch, ch->log.size ? ch->log.size * 2
                                                    : NGX_PUSH_LOG_MIN);
}


void
ngx_push_log_push(ngx_push_shared_t *sh, ngx_push_log_t *log,
    ngx_push_message_t *m)
{
    ngx_str_t         word, topic;
    ngx_push_slot_t  *slot;

    slot = ngx_push_log_slot(sh, log, log->n);

    slot->topic = 0;
    slot->message = ngx_push_ref(sh, m);

    if (m->topic) {
        ngx_push_message_words(m, &word, &word, &topic, &word);
        slot->topic = ngx_push_log_topic(&topic);
    }

    log->n++;
}


void
ngx_push_log_close(ngx_push_shared_t *sh, ngx_push_log_t *log, ngx_uint_t i,
    ngx_uint_t j)
{
    ngx_uint_t  r, w, out;

    if (i == 0 && j == 1 && ngx_push_log_slot(sh, log, 0)->message == 0) {

        /* the usual case: the oldest goes */

        log->first++;
        log->n--;
        log->behind -= (log->behind > 0);
        return;
    }

    w = i;
    out = 0;

    for (r = i; r < j; r++) {
        if (ngx_push_log_slot(sh, log, r)->message) {
            *ngx_push_log_slot(sh, log, w++) = *ngx_push_log_slot(sh, log, r);

        } else if (r < log->behind) {
            out++;
        }
    }

    log->behind -= out;
    out = j - w;

    if (out == 0) {
        return;
    }

    if (w < log->n - j) {

        while (w-- > 0) {
            *ngx_push_log_slot(sh, log, w + out) =
                                              *ngx_push_log_slot(sh, log, w);
        }

        log->first += out;

    } else {

        for (r = j; r < log->n; r++) {
            *ngx_push_log_slot(sh, log, w++) = *ngx_push_log_slot(sh, log, r);
        }
    }

    log->n -= out;
}


void
ngx_push_log_shrink(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    uint32_t         ring;
    ngx_push_log_t  *log;

    log = &ch->log;

    if (ch->pinned) {

        /* a slot may be reserved */

        return;
    }

    if (log->n == 0 && log->ring) {
        ring = log->ring;

        log->ring = 0;
        log->size = 0;
        log->first = 0;

        ngx_push_block_free(&sh->arena, ngx_push_ptr(sh, ring));
        return;
    }

    if (log->size > NGX_PUSH_LOG_MIN * 4 && log->n < log->size / 8) {
        (void) ngx_push_log_resize(sh, ch, log->size / 4);
    }
}


uint32_t
ngx_push_log_topic(ngx_str_t *topic)
{
    uint32_t  hash;

    hash = ngx_murmur_hash2(topic->data, topic->len);

    return hash ? hash : 1;
}


static ngx_int_t
ngx_push_log_resize(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint32_t size)
{
    uint32_t          old;
    ngx_uint_t        i;
    ngx_push_log_t   *log;
    ngx_push_ring_t  *ring;

    log = &ch->log;

    ring = ngx_push_block_alloc(&sh->arena,
                                offsetof(ngx_push_ring_t, slots)
                                + (size_t) size * sizeof(ngx_push_slot_t));
    if (ring == NULL) {
        return NGX_DECLINED;
    }

    for (i = 0; i < log->n; i++) {
        ring->slots[i] = *ngx_push_log_slot(sh, log, i);
    }

    ring->block.link = ngx_push_ref(sh, ch);
    ngx_push_block_set_type(&sh->arena, ring, NGX_PUSH_BLOCK_RING);

    old = log->ring;

    log->first = 0;
    log->size = size;
    log->ring = ngx_push_ref(sh, ring);

    if (old) {
        ngx_push_block_free(&sh->arena, ngx_push_ptr(sh, old));
    }

    return NGX_OK;
}
