
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_redis_backplane.h"
#include "ngx_push_sse.h"


/* messages of other pods */


static ngx_int_t ngx_push_redis_unpack_rules(ngx_pool_t *pool,
    ngx_push_entry_t *entry, ngx_push_publish_t *p);
static ngx_int_t ngx_push_redis_render(ngx_pool_t *pool,
    ngx_push_entry_t *entry, ngx_push_publish_t *p);


ngx_int_t
ngx_push_redis_unpack(ngx_pool_t *pool, ngx_str_t *blob,
    ngx_push_publish_t *p, ngx_push_target_t *target)
{
    ngx_push_entry_t  entry;

    switch (ngx_push_entry_read(blob, &entry)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "push: a message of \"%V\" in redis has a format that "
                      "this version does not know, another pod runs a newer "
                      "one", &target->channel);
        return NGX_DECLINED;

    default:
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "push: a message of \"%V\" in redis is damaged",
                      &target->channel);
        return NGX_DECLINED;
    }

    ngx_memzero(p, sizeof(ngx_push_publish_t));

    p->targets = target;
    p->ntargets = 1;
    p->content_type = entry.content_type;
    p->event = entry.event;
    p->topic = entry.topic;
    p->user = entry.user;
    p->ttl = entry.ttl;
    p->text = entry.text;
    p->end = entry.end;

    if (ngx_push_redis_unpack_rules(pool, &entry, p) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_push_redis_render(pool, &entry, p);
}


static ngx_int_t
ngx_push_redis_unpack_rules(ngx_pool_t *pool, ngx_push_entry_t *entry,
    ngx_push_publish_t *p)
{
    p->rules = ngx_palloc(pool, sizeof(ngx_push_rules_t));
    if (p->rules == NULL) {
        return NGX_ERROR;
    }

    p->rules->ttl = entry->rules_ttl;
    p->rules->idle = entry->idle;
    p->rules->count = entry->count;
    p->rules->max_size = entry->max_size;
    p->rules->backlog = entry->backlog;

    return NGX_OK;
}


static ngx_int_t
ngx_push_redis_render(ngx_pool_t *pool, ngx_push_entry_t *entry,
    ngx_push_publish_t *p)
{
    ngx_push_sse_event_t   event;
    ngx_push_sse_layout_t  layout;

    event.event = entry->event;
    event.body = entry->body;
    event.id_len = NGX_PUSH_ID_LEN;
    event.binary = !entry->text;

    ngx_push_sse_measure(&event, &layout);

    p->bytes.len = layout.size;
    p->bytes.data = ngx_pnalloc(pool, layout.size);
    if (p->bytes.data == NULL) {
        return NGX_ERROR;
    }

    ngx_push_sse_render(p->bytes.data, &event, &layout);

    p->head = layout.head;
    p->event_size = layout.event;
    p->id = layout.id;
    p->body = layout.body;
    p->body_size = entry->body.len;

    return NGX_OK;
}
