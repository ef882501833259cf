
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_render.h"
#include "ngx_push_message.h"


/* what the hub has for a subscription, on its way to a transport */


ngx_int_t
ngx_http_push_deliver(ngx_push_subscription_t *base, ngx_push_batch_t *b,
    ngx_uint_t what)
{
    ngx_http_push_client_t        *client;
    ngx_http_push_subscription_t  *s;

    s = (ngx_http_push_subscription_t *) base;
    client = s->client;

    if (what > NGX_PUSH_REPLACED) {
        return ngx_http_push_incident(s, what);
    }

    /* nothing may come in between what is begun and its end */

    if (client->blocked) {
        return NGX_AGAIN;
    }

    return (what == NGX_PUSH_MESSAGES) ? client->transport->messages(s, b)
                                       : ngx_http_push_lost(s, b, what);
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
    i = 0;

    if (s->base.cursor != b->from) {
        while (i < n && b->messages[i]->seq <= s->base.cursor) {
            i++;
        }
    }

    if (client->channels > 1 && kind != NGX_HTTP_PUSH_KIND_FRAME) {
        d = ngx_http_push_splice(s, b, i, kind, NULL);
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
