
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_recovery.h"
#include "ngx_push_history.h"
#include "ngx_push_key.h"


/* the part of recovery where the order matters */


static uint32_t ngx_push_recovery_sort(ngx_push_shared_t *sh, uint32_t list);
static uint32_t ngx_push_recovery_merge(ngx_push_shared_t *sh, uint32_t a,
    uint32_t b);
static void ngx_push_recovery_key(ngx_push_shared_t *sh, ngx_push_key_t *key);


void
ngx_push_recovery_logs(ngx_push_shared_t *sh, uint32_t list)
{
    ngx_push_channel_t  *ch;
    ngx_push_message_t  *m;

    list = ngx_push_recovery_sort(sh, list);

    while (list) {
        m = ngx_push_ptr(sh, list);
        list = m->next;

        ch = ngx_push_ptr(sh, m->block.link);

        ch->last = ngx_max(ch->last, m->seq);
        ch->last_publish = ngx_max(ch->last_publish, m->time);

        if (m->flags & NGX_PUSH_MESSAGE_LAST) {
            ch->sealed = 1;
        }

        if (ch->log.n == ch->log.size) {
            ch->floor = ngx_max(ch->floor, m->seq);
        }

        if (m->seq <= ch->floor) {

            /* its remover was about to let it go */

            m->flags &= ~NGX_PUSH_MESSAGE_IN_LOG;
            continue;
        }

        ngx_push_history_restore(sh, ch, m);
    }
}


/* exact to a second, which is enough for what lives five minutes */

void
ngx_push_recovery_keys(ngx_push_shared_t *sh, uint32_t list)
{
    uint32_t         next, ages[NGX_PUSH_KEY_AGE / 1000 + 1];
    uint64_t         now, age;
    ngx_uint_t       i;
    ngx_push_key_t  *key;

    ngx_memzero(ages, sizeof(ages));
    now = ngx_push_now();

    for ( /* void */ ; list; list = next) {
        key = ngx_push_ptr(sh, list);
        next = key->newer;

        age = now / 1000 - ngx_min(key->time / 1000, now / 1000);
        i = ngx_min(age, NGX_PUSH_KEY_AGE / 1000);

        key->newer = ages[i];
        ages[i] = list;
    }

    for (i = NGX_PUSH_KEY_AGE / 1000 + 1; i-- > 0; /* void */ ) {

        for (list = ages[i]; list; list = next) {
            key = ngx_push_ptr(sh, list);
            next = key->newer;

            ngx_push_recovery_key(sh, key);
        }
    }
}


void *
ngx_push_recovery_get(ngx_push_shared_t *sh, uint32_t offset,
    ngx_push_block_e type)
{
    ngx_push_block_t  *b;

    if (offset < sh->arena.first || offset >= sh->arena.end) {
        return NULL;
    }

    b = ngx_push_ptr(sh, offset);

    return (ngx_push_block_type(b) == type) ? b : NULL;
}


/* a list of messages by time and number: the order they came in */

static uint32_t
ngx_push_recovery_sort(ngx_push_shared_t *sh, uint32_t list)
{
    uint32_t             runs[32], next;
    ngx_uint_t           i;
    ngx_push_message_t  *m;

    ngx_memzero(runs, sizeof(runs));

    /* runs[i] has 2^i messages or none, as the digits of a counter */

    while (list) {
        m = ngx_push_ptr(sh, list);
        next = m->next;
        m->next = 0;

        for (i = 0; runs[i]; i++) {
            list = ngx_push_recovery_merge(sh, runs[i], list);
            runs[i] = 0;
        }

        runs[i] = list;
        list = next;
    }

    for (i = 0; i < 32; i++) {
        list = ngx_push_recovery_merge(sh, runs[i], list);
    }

    return list;
}


static uint32_t
ngx_push_recovery_merge(ngx_push_shared_t *sh, uint32_t a, uint32_t b)
{
    uint32_t             list, *link;
    ngx_push_message_t  *m, *n;

    link = &list;

    while (a && b) {
        m = ngx_push_ptr(sh, a);
        n = ngx_push_ptr(sh, b);

        if (m->time < n->time || (m->time == n->time && m->seq < n->seq)) {
            *link = a;
            link = &m->next;
            a = m->next;

        } else {
            *link = b;
            link = &n->next;
            b = n->next;
        }
    }

    *link = a ? a : b;

    return list;
}


/* a key is written before the message that it answers for */

static void
ngx_push_recovery_key(ngx_push_shared_t *sh, ngx_push_key_t *key)
{
    ngx_push_channel_t  *ch;

    ch = ngx_push_recovery_get(sh, key->channel, NGX_PUSH_BLOCK_CHANNEL);

    if (ch != NULL
        && ch->epoch == key->id.epoch
        && ch->last < key->id.seq)
    {
        ngx_push_block_drop(&key->block);
        return;
    }

    if (ch != NULL && ch->epoch == key->id.epoch && key->seals) {
        ch->sealed = 1;
    }

    ngx_push_key_restore(sh, key);
}
