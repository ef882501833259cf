
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_channel.h"
#include "ngx_push_bell.h"
#include "ngx_push_history.h"
#include "ngx_push_log.h"


/* an odd factor: no epoch comes twice in a zone's life */
#define NGX_PUSH_EPOCH_STEP   0x9e3779b97f4bULL
#define NGX_PUSH_EPOCH_MASK   0xffffffffffffULL

#define ngx_push_channel_hash(name)                                          \
    ngx_murmur_hash2((name)->data, (name)->len)

/* until a publish brings its rules */
#define NGX_PUSH_CHANNEL_IDLE  (60 * 60 * 1000)


static uint64_t ngx_push_channel_epoch(ngx_push_shared_t *sh);
static void ngx_push_channel_drop(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch);
static void ngx_push_channel_rest(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch);
static void ngx_push_channel_wake(ngx_push_shared_t *sh,
    ngx_push_channel_t *ch);
static ngx_uint_t ngx_push_channel_in_use(ngx_push_channel_t *ch);


ngx_push_channel_t *
ngx_push_channel_find(ngx_push_shared_t *sh, ngx_str_t *name)
{
    uint32_t             hash, offset;
    ngx_push_channel_t  *ch;

    hash = ngx_push_channel_hash(name);

    offset = ngx_push_buckets(sh)[hash & sh->bucket_mask];

    for ( /* void */ ; offset; offset = ch->block.link) {
        ch = ngx_push_ptr(sh, offset);

        if (ch->hash == hash
            && ch->name_len == name->len
            && ngx_memcmp(ch->name, name->data, name->len) == 0)
        {
            return ch;
        }
    }

    return NULL;
}


ngx_push_channel_t *
ngx_push_channel_create(ngx_push_shared_t *sh, ngx_str_t *name)
{
    size_t               size;
    ngx_push_channel_t  *ch;

    size = offsetof(ngx_push_channel_t, name) + name->len;

    if (sh->mirror.on) {
        size = ngx_align(size, sizeof(uint64_t)) + sizeof(ngx_push_lineage_t);
    }

    for ( ;; ) {
        ch = ngx_push_block_alloc(&sh->arena, size);

        if (ch != NULL) {
            break;
        }

        if (ngx_push_channel_make_room(sh) != NGX_OK) {
            return NULL;
        }
    }

    ngx_memzero((u_char *) ch + sizeof(ngx_push_block_t),
                size - sizeof(ngx_push_block_t));

    ch->epoch = ngx_push_channel_epoch(sh);
    ch->created = ngx_push_now();
    ch->touched = ch->created;
    ch->idle = NGX_PUSH_CHANNEL_IDLE;
    ch->hash = ngx_push_channel_hash(name);

    ch->name_len = name->len;
    ngx_memcpy(ch->name, name->data, name->len);

    ngx_push_block_set_type(&sh->arena, ch, NGX_PUSH_BLOCK_CHANNEL);

    ngx_push_channel_restore(sh, ch);

    return ch;
}


void
ngx_push_channel_restore(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    uint32_t  *bucket;

    bucket = &ngx_push_buckets(sh)[ch->hash & sh->bucket_mask];

    ch->block.link = *bucket;
    *bucket = ngx_push_ref(sh, ch);

    sh->nchannels++;
}


void
ngx_push_channel_pin(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    ch->pinned++;
    ngx_push_channel_wake(sh, ch);
}


void
ngx_push_channel_unpin(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    ch->pinned--;

    ngx_push_log_shrink(sh, ch);
    ngx_push_channel_settle(sh, ch);
}


void
ngx_push_channel_settle(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    if (ngx_push_channel_in_use(ch)) {
        ngx_push_channel_wake(sh, ch);
        return;
    }

    if (ngx_push_channel_lives(ch) || ch->deleted || ch->known) {
        ngx_push_channel_rest(sh, ch);
        return;
    }

    ngx_push_channel_drop(sh, ch);
}


/*
 * "deleted" is the mark that a new life is to begin: if this is cut short,
 * recovery calls it again.  The new epoch comes last.
 */

void
ngx_push_channel_renew(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    uint64_t epoch)
{
    uint32_t              offset;
    ngx_push_listener_t  *l;

    ngx_push_history_clear(sh, ch);

    ch->deleted = ch->epoch;
    ngx_memory_barrier();

    ch->last = 0;
    ch->floor = 0;
    ch->overrun = 0;
    ch->trimmed = 0;
    ch->evicted = 0;
    ch->cleaned = 0;
    ch->sealed = 0;
    ch->last_publish = 0;
    ch->created = ngx_push_now();

    if (ch->mirrored) {
        ngx_memzero(ngx_push_lineage(ch)->terms,
                    NGX_PUSH_TERMS * sizeof(ngx_push_term_t));
    }

    for (offset = ch->listeners; offset; offset = l->block.link) {
        l = ngx_push_ptr(sh, offset);
        l->passed = 0;
    }

    ngx_memory_barrier();

    ch->epoch = epoch ? epoch : ngx_push_channel_epoch(sh);
}


ngx_push_listener_t *
ngx_push_channel_listener(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_uint_t bell)
{
    uint32_t              offset;
    ngx_push_listener_t  *l;

    for (offset = ch->listeners; offset; offset = l->block.link) {
        l = ngx_push_ptr(sh, offset);

        if (l->bell == bell) {
            return l;
        }
    }

    return NULL;
}


ngx_push_listener_t *
ngx_push_channel_listen(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_uint_t bell)
{
    ngx_push_listener_t  *l;

    for ( ;; ) {
        l = ngx_push_block_alloc(&sh->arena, sizeof(ngx_push_listener_t));

        if (l != NULL) {
            break;
        }

        if (ngx_push_channel_make_room(sh) != NGX_OK) {
            return NULL;
        }
    }

    l->bell = bell;
    l->channel = ngx_push_ref(sh, ch);
    l->passed = ch->last;
    l->subscribers = 0;
    l->ready = 0;

    ch->known = 1;

    ngx_push_block_set_type(&sh->arena, l, NGX_PUSH_BLOCK_LISTENER);

    ngx_push_channel_attach(sh, ch, l);

    return l;
}


void
ngx_push_channel_attach(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_listener_t *l)
{
    ngx_push_listener_t  *next;

    l->back = 0;
    l->block.link = ch->listeners;

    if (ch->listeners) {
        next = ngx_push_ptr(sh, ch->listeners);
        next->back = ngx_push_ref(sh, l);
    }

    ch->listeners = ngx_push_ref(sh, l);

    ngx_push_bell_attach(sh, l);
}


void
ngx_push_channel_unlisten(ngx_push_shared_t *sh, ngx_push_listener_t *l)
{
    ngx_push_channel_t   *ch;
    ngx_push_listener_t  *n;

    ch = ngx_push_ptr(sh, l->channel);

    if (l->block.link) {
        n = ngx_push_ptr(sh, l->block.link);
        n->back = l->back;
    }

    if (l->back) {
        n = ngx_push_ptr(sh, l->back);
        n->block.link = l->block.link;

    } else {
        ch->listeners = l->block.link;
    }

    ngx_push_bell_detach(sh, l);
    ngx_push_block_free(&sh->arena, l);

    ngx_push_history_trim(sh, ch, ngx_push_now());
    ngx_push_channel_settle(sh, ch);
}


void
ngx_push_channel_call(ngx_push_shared_t *sh, ngx_push_channel_t *ch,
    ngx_push_chime_t *chime)
{
    uint32_t              offset;
    ngx_push_listener_t  *l;

    for (offset = ch->listeners; offset; offset = l->block.link) {
        l = ngx_push_ptr(sh, offset);
        ngx_push_bell_ready(sh, l, chime);
    }
}


ngx_uint_t
ngx_push_channel_subscribers(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    uint32_t              offset;
    ngx_uint_t            n;
    ngx_push_listener_t  *l;

    n = 0;

    for (offset = ch->listeners; offset; offset = l->block.link) {
        l = ngx_push_ptr(sh, offset);
        n += l->subscribers;
    }

    return n;
}


ngx_int_t
ngx_push_channel_make_room(ngx_push_shared_t *sh)
{
    uint32_t             idle;
    ngx_push_channel_t  *ch;
    ngx_push_message_t  *m;

    idle = sh->idle[0].oldest;

    if (sh->oldest && !idle) {
        m = ngx_push_ptr(sh, sh->oldest);
        ch = ngx_push_ptr(sh, m->block.link);

        (void) ngx_push_history_evict(sh);

        ngx_push_channel_settle(sh, ch);

        return NGX_OK;
    }

    if (!idle) {
        idle = sh->idle[1].oldest;
    }

    if (!idle) {
        return NGX_DECLINED;
    }

    ngx_push_channel_drop(sh, ngx_push_ptr(sh, idle));
    sh->stats[NGX_PUSH_STAT_EVICTED_CHANNELS]++;

    return NGX_OK;
}


void
ngx_push_channel_sweep(ngx_push_shared_t *sh, ngx_uint_t n)
{
    uint32_t             offset;
    uint64_t             now;
    ngx_push_channel_t  *ch;

    now = ngx_push_now();

    for ( /* void */ ; n; n--) {

        sh->sweep = (sh->sweep + 1) & sh->bucket_mask;
        offset = ngx_push_buckets(sh)[sh->sweep];

        while (offset) {
            ch = ngx_push_ptr(sh, offset);
            offset = ch->block.link;

            if (!ch->idling) {
                ngx_push_history_trim(sh, ch, now);
                ngx_push_channel_settle(sh, ch);

            } else if (ch->touched + ch->idle <= now) {
                ngx_push_channel_drop(sh, ch);
            }
        }
    }
}


static void
ngx_push_channel_drop(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    uint32_t            *link, offset;
    ngx_push_channel_t  *n;

    ngx_push_channel_wake(sh, ch);

    offset = ngx_push_ref(sh, ch);
    link = &ngx_push_buckets(sh)[ch->hash & sh->bucket_mask];

    while (*link != offset) {
        n = ngx_push_ptr(sh, *link);
        link = &n->block.link;
    }

    *link = ch->block.link;
    sh->nchannels--;

    ngx_push_block_free(&sh->arena, ch);
}


/* the queues of channels out of use, the longest first */

static void
ngx_push_channel_rest(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    uint32_t             offset;
    ngx_uint_t           i;
    ngx_push_channel_t  *newest;

    if (ch->idling) {
        return;
    }

    offset = ngx_push_ref(sh, ch);
    i = ngx_push_channel_lives(ch) || ch->deleted;

    ch->idling = i + 1;
    ch->touched = ngx_push_now();
    ch->newer = 0;
    ch->older = sh->idle[i].newest;

    if (ch->older) {
        newest = ngx_push_ptr(sh, ch->older);
        newest->newer = offset;

    } else {
        sh->idle[i].oldest = offset;
    }

    sh->idle[i].newest = offset;
}


static void
ngx_push_channel_wake(ngx_push_shared_t *sh, ngx_push_channel_t *ch)
{
    ngx_uint_t           i;
    ngx_push_channel_t  *n;

    if (!ch->idling) {
        return;
    }

    i = ch->idling - 1;
    ch->idling = 0;

    if (ch->older) {
        n = ngx_push_ptr(sh, ch->older);
        n->newer = ch->newer;

    } else {
        sh->idle[i].oldest = ch->newer;
    }

    if (ch->newer) {
        n = ngx_push_ptr(sh, ch->newer);
        n->older = ch->older;

    } else {
        sh->idle[i].newest = ch->older;
    }
}


static ngx_uint_t
ngx_push_channel_in_use(ngx_push_channel_t *ch)
{
    return ch->listeners || ch->log.n || ch->pinned;
}


static uint64_t
ngx_push_channel_epoch(ngx_push_shared_t *sh)
{
    uint64_t  n;

    n = ++sh->epoch_n;
    ngx_memory_barrier();

    return (sh->epoch_base + n * NGX_PUSH_EPOCH_STEP) & NGX_PUSH_EPOCH_MASK;
}
