
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_client.h"
#include "ngx_push_name.h"


/* what the hub has for a subscription instead of messages */


static ngx_int_t ngx_http_push_cut(ngx_http_push_client_t *client);
static ngx_int_t ngx_http_push_closed(ngx_http_push_subscription_t *s,
    char *reason);


ngx_int_t
ngx_http_push_incident(ngx_http_push_subscription_t *s, ngx_uint_t what)
{
    switch (what) {

    case NGX_PUSH_DELETED:
        return ngx_http_push_closed(s, "deleted");

    case NGX_PUSH_ENDED:
        return ngx_http_push_closed(s, "ended");

    case NGX_PUSH_NOTHING:
        return s->client->transport->nothing(s);

    default: /* NGX_PUSH_LOST */

        if (s->client->joining) {

            /* it is told when it is resumed */

            s->base.away = 1;

        } else if (s->client->active) {

            /* else it is about to leave, and this is no news */

            s->client->transport->reconnect(s->client);
        }

        return NGX_DONE;
    }
}


ngx_int_t
ngx_http_push_lost(ngx_http_push_subscription_t *s, ngx_push_batch_t *b,
    ngx_uint_t what)
{
    u_char                requested[NGX_PUSH_ID_LEN];
    ngx_push_id_t         cursor;
    ngx_http_push_gap_t   gap;

    if (what == NGX_PUSH_OVERRUN
        && s->client->conf->slow_reader == NGX_HTTP_PUSH_SLOW_CLOSE)
    {
        return ngx_http_push_cut(s->client);
    }

    cursor.epoch = s->base.epoch;
    cursor.seq = s->base.cursor;

    gap.requested.data = requested;
    gap.requested.len = ngx_push_id_format(requested, &cursor) - requested;

    gap.oldest.epoch = b->epoch;
    gap.oldest.seq = b->oldest;
    gap.id.epoch = b->epoch;
    gap.id.seq = b->next;
    gap.reason = (what == NGX_PUSH_OVERRUN) ? "overrun"
                 : (what == NGX_PUSH_FORKED) ? "diverged" : "unknown";

    ngx_push_hub_channel(&s->base, &gap.channel);

    /* the notice has the position after the gap */

    s->base.epoch = b->epoch;
    s->base.cursor = b->next;

    return s->client->transport->gap(s, &gap);
}


static ngx_int_t
ngx_http_push_cut(ngx_http_push_client_t *client)
{
    if (client->transport->cut) {
        client->transport->cut(client);

    } else {
        client->transport->reconnect(client);
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_http_push_closed(ngx_http_push_subscription_t *s, char *reason)
{
    u_char                   name[NGX_PUSH_NAME_MAX];
    ngx_str_t                channel;
    ngx_uint_t               last;
    ngx_http_push_client_t  *client;

    client = s->client;

    /* its name goes with the last who listens */

    ngx_push_hub_channel(&s->base, &channel);
    ngx_memcpy(name, channel.data, channel.len);
    channel.data = name;

    ngx_push_hub_leave(&s->base);

    last = (!client->commands && ngx_http_push_joined(client) == 0);

    (void) client->transport->closed(s, &channel, reason, last);

    return NGX_DONE;
}


ngx_uint_t
ngx_http_push_start_gap(ngx_http_push_request_t *q, ngx_uint_t i,
    ngx_http_push_gap_t *gap)
{
    ngx_str_t         *name;
    ngx_push_start_t  *start;

    static char  *reasons[] = { "", "expired", "evicted", "unknown",
                                "diverged" };

    start = &q->starts[i];

    if (start->found == NGX_PUSH_COMPLETE) {
        return 0;
    }

    name = q->channels->elts;

    gap->channel = name[i];
    gap->requested = q->requested;
    gap->oldest = start->oldest;
    gap->id = start->start;
    gap->reason = q->malformed ? "malformed" : reasons[start->found];

    return 1;
}
