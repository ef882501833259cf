
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_render.h"
#include "ngx_push_message.h"
#include "ngx_push_name.h"


/* what the hub has for a subscription, on its way to a transport */


static ngx_int_t ngx_http_push_deliver_overrun(
    ngx_http_push_subscription_t *s, ngx_push_batch_t *b);
static ngx_int_t ngx_http_push_deliver_cut(ngx_http_push_client_t *client);
static ngx_int_t ngx_http_push_deliver_closed(
    ngx_http_push_subscription_t *s, char *reason);


ngx_int_t
ngx_http_push_deliver(ngx_push_subscription_t *base, ngx_push_batch_t *b,
    ngx_uint_t what)
{
    ngx_int_t                      rc;
    ngx_http_push_client_t        *client;
    ngx_http_push_subscription_t  *s;

    s = (ngx_http_push_subscription_t *) base;
    client = s->client;

    switch (what) {

    case NGX_PUSH_MESSAGES:
    case NGX_PUSH_OVERRUN:

        /* nothing may come in between what is begun and its end */

        if (client->blocked) {
            rc = NGX_AGAIN;

        } else if (what == NGX_PUSH_OVERRUN) {
            rc = ngx_http_push_deliver_overrun(s, b);

        } else {
            rc = client->transport->messages(s, b);
        }

        if (rc == NGX_AGAIN) {
            s->away = 1;
        }

        return rc;

    case NGX_PUSH_DELETED:
        return ngx_http_push_deliver_closed(s, "deleted");

    case NGX_PUSH_ENDED:
        return ngx_http_push_deliver_closed(s, "ended");

    case NGX_PUSH_NOTHING:
        return client->transport->nothing(s);

    default: /* NGX_PUSH_LOST */
        client->transport->reconnect(client);
        return NGX_DONE;
    }
}


ngx_int_t
ngx_http_push_deliver_messages(ngx_http_push_subscription_t *s,
    ngx_push_batch_t *b, ngx_uint_t kind)
{
    u_char                     *start;
    ngx_int_t                   rc;
    ngx_uint_t                  i, n, begun, variant;
    ngx_http_push_client_t     *client;
    ngx_http_push_rendering_t  *d;

    client = s->client;
    n = b->n;

    for (i = 0; i < n && b->messages[i]->seq <= s->base.cursor; i++) {
        /* void */
    }

    if (client->channels > 1 && kind != NGX_HTTP_PUSH_KIND_FRAME) {
        d = ngx_http_push_splice(s, b, i, kind);
        start = d ? d->start : NULL;

    } else {
        variant = ngx_http_push_is_frame(kind)
                  ? client->window : (client->chunked && client->direct);

        d = ngx_http_push_render_batch(s, b, kind, variant);
        start = (d && i) ? d->ends[i - 1] : (d ? d->start : NULL);
    }

    if (d == NULL) {
        ngx_http_push_client_close(client);
        return NGX_DONE;
    }

    rc = ngx_http_push_client_write_pieces(client, start, &d->ends[i], n - i,
                                           &begun);

    if (rc == NGX_AGAIN && begun) {
        s->base.cursor = (i + begun == n) ? b->to
                                          : b->messages[i + begun - 1]->seq;
    }

    return rc;
}


static ngx_int_t
ngx_http_push_deliver_overrun(ngx_http_push_subscription_t *s,
    ngx_push_batch_t *b)
{
    u_char                requested[NGX_PUSH_ID_LEN];
    ngx_push_id_t         cursor;
    ngx_http_push_gap_t   gap;

    if (s->client->conf->slow_reader == NGX_HTTP_PUSH_SLOW_CLOSE) {
        return ngx_http_push_deliver_cut(s->client);
    }

    cursor.epoch = b->epoch;
    cursor.seq = s->base.cursor;

    gap.requested.data = requested;
    gap.requested.len = ngx_push_id_format(requested, &cursor) - requested;

    gap.oldest.epoch = b->epoch;
    gap.oldest.seq = b->oldest;
    gap.id.epoch = b->epoch;
    gap.id.seq = b->floor;
    gap.reason = "overrun";

    ngx_push_hub_channel(&s->base, &gap.channel);

    /* the notice has the position after the gap */

    s->base.cursor = b->floor;

    return s->client->transport->gap(s, &gap);
}


static ngx_int_t
ngx_http_push_deliver_cut(ngx_http_push_client_t *client)
{
    if (client->transport->cut) {
        client->transport->cut(client);

    } else {
        client->transport->reconnect(client);
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_http_push_deliver_closed(ngx_http_push_subscription_t *s, char *reason)
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

    s->joined = 0;
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

    static char  *reasons[] = { "", "expired", "evicted", "unknown" };

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
