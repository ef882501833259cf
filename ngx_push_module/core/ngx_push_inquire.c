
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_zone.h"
#include "ngx_push_publish.h"
#include "ngx_push_bell.h"
#include "ngx_push_channel.h"
#include "ngx_push_history.h"


/* what is known of channels, and their end by a publisher's wish */


ngx_int_t
ngx_push_inquire(ngx_push_zone_t *zone, ngx_push_inquiry_t *q)
{
    return zone->backplane->inquire(zone, q);
}


ngx_int_t
ngx_push_channel_inquire(ngx_push_zone_t *zone, ngx_push_inquiry_t *q)
{
    ngx_int_t         rc;
    ngx_uint_t        i;
    ngx_push_info_t  *info;

    for (i = 0; i < q->n; i++) {
        info = &q->channels[i];

        rc = q->remove ? ngx_push_channel_delete(zone, &info->channel,
                                                 &info->subscribers)
                       : ngx_push_channel_info(zone, &info->channel, info);

        info->known = (rc == NGX_OK);
    }

    return NGX_OK;
}


ngx_int_t
ngx_push_channel_info(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_push_info_t *info)
{
    ngx_int_t            rc;
    ngx_push_shared_t   *sh;
    ngx_push_channel_t  *ch;

    sh = zone->sh;
    rc = NGX_DECLINED;

    ngx_push_zone_lock(zone);

    ch = ngx_push_channel_find(sh, name);

    if (ch && (ngx_push_channel_lives(ch) || ch->listeners)) {

        ngx_push_history_trim(sh, ch, ngx_push_now());

        info->last.epoch = ch->epoch;
        info->last.seq = ch->last;
        info->oldest.epoch = ch->epoch;
        info->oldest.seq = ngx_push_history_oldest(sh, ch);
        info->messages = ch->kept;
        info->bytes = ch->kept_size;
        info->subscribers = ngx_push_channel_subscribers(sh, ch);
        info->created = ch->created;
        info->last_publish = ch->last_publish;
        info->ended = ch->sealed;

        ngx_push_channel_settle(sh, ch);

        rc = NGX_OK;
    }

    ngx_push_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_push_channel_delete(ngx_push_zone_t *zone, ngx_str_t *name,
    ngx_uint_t *subscribers)
{
    ngx_int_t            rc;
    ngx_push_chime_t     chime;
    ngx_push_shared_t   *sh;
    ngx_push_channel_t  *ch;

    sh = zone->sh;
    rc = NGX_DECLINED;

    ngx_memzero(&chime, sizeof(ngx_push_chime_t));

    ngx_push_zone_lock(zone);

    ch = ngx_push_channel_find(sh, name);

    if (ch && (ngx_push_channel_lives(ch) || ch->listeners)) {

        *subscribers = ngx_push_channel_subscribers(sh, ch);

        ngx_push_channel_renew(sh, ch, 0);
        ngx_push_channel_call(sh, ch, &chime);
        ngx_push_channel_settle(sh, ch);

        sh->stats[NGX_PUSH_STAT_DELETED]++;

        rc = NGX_OK;
    }

    ngx_push_zone_unlock(zone);

    ngx_push_bell_ring(sh, &chime);

    return rc;
}
