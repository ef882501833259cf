
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_client.h"
#include "ngx_push_compound.h"


/* the channels of a client, and its position in all of them */


static ngx_http_push_subscription_t *ngx_http_push_subscription(
    ngx_http_push_client_t *client);
static void ngx_http_push_add(ngx_http_push_client_t *client,
    ngx_http_push_subscription_t *s);
static void ngx_http_push_log_end(ngx_http_push_client_t *client);
static void ngx_http_push_compound_start(ngx_push_compound_t *c,
    ngx_push_start_t *start);


static ngx_uint_t  ngx_http_push_nactive;


ngx_int_t
ngx_http_push_join(ngx_http_push_client_t *client, ngx_http_push_request_t *q)
{
    ngx_int_t                      rc;
    ngx_str_t                     *name;
    ngx_uint_t                     i;
    ngx_push_hub_t                *hub;
    ngx_http_push_subscription_t  *s;

    hub = ngx_push_hub(client->conf->zone);

    if (hub == NULL) {
        return NGX_DECLINED;
    }

    client->json = (q->format == NGX_HTTP_PUSH_FORMAT_JSON);
    client->active = 1;

    ngx_http_push_nactive++;
    ngx_push_hub_gauge(hub, client->transport->gauge, 1);

    name = q->channels->elts;

    for (i = 0; i < q->channels->nelts; i++) {
        rc = ngx_http_push_join_one(client, &name[i], &q->starts[i], &s);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_push_join_one(ngx_http_push_client_t *client, ngx_str_t *channel,
    ngx_push_start_t *start, ngx_http_push_subscription_t **sp)
{
    ngx_int_t                      rc;
    ngx_push_hub_t                *hub;
    ngx_http_push_subscription_t  *s;

    hub = ngx_push_hub(client->conf->zone);

    if (hub == NULL) {
        return NGX_DECLINED;
    }

    s = ngx_http_push_subscription(client);
    if (s == NULL) {
        return NGX_ERROR;
    }

    s->base.deliver = ngx_http_push_deliver;

    client->joining = 1;

    rc = ngx_push_hub_join(hub, &s->base, channel, start);

    client->joining = 0;

    if (rc != NGX_OK) {

        if (s != &client->first) {
            ngx_free(s);
        }

        return rc;
    }

    ngx_http_push_hash(s) = ngx_push_compound_hash(channel);
    ngx_http_push_add(client, s);

    *sp = s;

    return NGX_OK;
}


/* most clients have one channel, which lies in the client itself */

static ngx_http_push_subscription_t *
ngx_http_push_subscription(ngx_http_push_client_t *client)
{
    ngx_http_push_subscription_t  *s;

    if (client->first.client == NULL) {
        return &client->first;
    }

    s = ngx_alloc(sizeof(ngx_http_push_subscription_t),
                  client->connection->log);

    if (s) {
        ngx_memzero(s, sizeof(ngx_http_push_subscription_t));
    }

    return s;
}


static void
ngx_http_push_add(ngx_http_push_client_t *client,
    ngx_http_push_subscription_t *s)
{
    ngx_http_push_subscription_t  *last;

    s->client = client;
    client->channels++;

    if (s == &client->first) {
        return;
    }

    for (last = &client->first; last->next; last = last->next) {
        /* void */
    }

    last->next = s;
}


void
ngx_http_push_drop(ngx_http_push_subscription_t *s)
{
    ngx_http_push_client_t        *client;
    ngx_http_push_subscription_t  *before;

    client = s->client;
    client->channels--;

    if (ngx_http_push_is_joined(s) && ngx_push_hub(client->conf->zone)) {
        ngx_push_hub_leave(&s->base);
    }

    if (s == &client->first) {
        s->client = NULL;
        return;
    }

    for (before = &client->first; before->next != s; before = before->next) {
        /* void */
    }

    before->next = s->next;

    ngx_free(s);
}


ngx_int_t
ngx_http_push_resume(ngx_http_push_client_t *client)
{
    ngx_http_push_subscription_t  *s, *next;

    for (s = ngx_http_push_first(client); s; s = next) {
        next = s->next;

        if (!ngx_http_push_is_joined(s) || !s->base.away) {
            continue;
        }

        if (ngx_push_hub_resume(&s->base) == NGX_DONE) {
            return NGX_DONE;
        }
    }

    return NGX_OK;
}


void
ngx_http_push_leave(ngx_http_push_client_t *client)
{
    ngx_push_hub_t                *hub;
    ngx_http_push_subscription_t  *s;

    if (!client->active) {
        return;
    }

    client->active = 0;
    ngx_http_push_nactive--;

    if (client->asking) {
        ngx_http_push_later_leave(client);
    }

    hub = ngx_push_hub(client->conf->zone);

    if (hub == NULL) {

        /* the worker exits, and its part of the zone is given back */

        return;
    }

    ngx_http_push_log_end(client);

    for (s = ngx_http_push_first(client); s; s = s->next) {

        if (ngx_http_push_is_joined(s)) {
            ngx_push_hub_leave(&s->base);
        }
    }

    ngx_push_hub_gauge(hub, client->transport->gauge, -1);
}


static void
ngx_http_push_log_end(ngx_http_push_client_t *client)
{
    u_char                        *p, id[NGX_PUSH_ID_LEN];
    ngx_str_t                      channel;
    ngx_http_push_subscription_t  *s;

    if (client->connection->log->log_level < NGX_LOG_INFO) {
        return;
    }

    ngx_str_null(&channel);
    p = id;

    if (client->channels == 1) {
        s = ngx_http_push_first(client);
        p = ngx_http_push_position(id, client, NULL, 0);

        if (ngx_http_push_is_joined(s)) {
            ngx_push_hub_channel(&s->base, &channel);
        }
    }

    ngx_log_error(NGX_LOG_INFO, client->connection->log, 0,
                  "push: %V subscriber of \"%V\" left after %ui s, "
                  "last id %*s, channels: %ui",
                  &client->transport->name, &channel,
                  (ngx_uint_t) (ngx_http_push_seconds() - client->started),
                  (size_t) (p - id), id, (ngx_uint_t) client->channels);
}


ngx_http_push_subscription_t *
ngx_http_push_find(ngx_http_push_client_t *client, ngx_str_t *channel)
{
    uint32_t                       hash;
    ngx_str_t                      name;
    ngx_http_push_subscription_t  *s;

    hash = ngx_push_compound_hash(channel);

    for (s = ngx_http_push_first(client); s; s = s->next) {

        if (!ngx_http_push_is_joined(s) || ngx_http_push_hash(s) != hash) {
            continue;
        }

        ngx_push_hub_channel(&s->base, &name);

        if (name.len == channel->len
            && ngx_memcmp(name.data, channel->data, name.len) == 0)
        {
            return s;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_push_joined(ngx_http_push_client_t *client)
{
    ngx_uint_t                     n;
    ngx_http_push_subscription_t  *s;

    n = 0;

    for (s = ngx_http_push_first(client); s; s = s->next) {
        n += ngx_http_push_is_joined(s);
    }

    return n;
}


ngx_uint_t
ngx_http_push_active_clients(void)
{
    return ngx_http_push_nactive;
}


size_t
ngx_http_push_position_size(ngx_http_push_client_t *client)
{
    return (client->channels > 1) ? ngx_push_compound_size(client->channels)
                                  : NGX_PUSH_ID_LEN;
}


u_char *
ngx_http_push_position(u_char *p, ngx_http_push_client_t *client,
    ngx_http_push_request_t *q, ngx_uint_t told)
{
    ngx_uint_t                     i;
    ngx_push_id_t                  id;
    ngx_push_compound_t            c;
    ngx_push_compound_writer_t     w;
    ngx_http_push_subscription_t  *s;

    s = ngx_http_push_first(client);

    if (client->channels == 1) {
        id.epoch = s->base.epoch;
        id.seq = s->base.cursor;

        return ngx_push_id_format(p, &id);
    }

    if (s == NULL) {
        return p;
    }

    ngx_memzero(&w, sizeof(ngx_push_compound_writer_t));
    w.p = p;

    for (i = 0; s; s = s->next, i++) {
        c.hash = ngx_http_push_hash(s);
        c.epoch = s->base.epoch & NGX_PUSH_BRIEF;
        c.seq = s->base.cursor;

        if (q && i >= told) {
            ngx_http_push_compound_start(&c, &q->starts[i]);
        }

        ngx_push_compound_add(&w, &c);
    }

    return ngx_push_compound_end(&w);
}


ngx_int_t
ngx_http_push_subscriber_position(ngx_http_request_t *r, ngx_str_t *value)
{
    ngx_http_push_client_t  *client;

    client = ngx_http_get_module_ctx(r->main, ngx_http_push_subscribe_module);

    if (client == NULL || client->channels == 0) {
        return NGX_DECLINED;
    }

    value->data = ngx_pnalloc(r->pool, ngx_http_push_position_size(client));
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    value->len = ngx_http_push_position(value->data, client, NULL, 0)
                 - value->data;

    return NGX_OK;
}


/* a start that was not found stays what it was asked to be */

static void
ngx_http_push_compound_start(ngx_push_compound_t *c, ngx_push_start_t *start)
{
    if (start->found == NGX_PUSH_COMPLETE) {
        return;
    }

    c->epoch = 0;
    c->seq = 0;

    if (start->at == NGX_PUSH_AT_ID) {
        c->epoch = start->id.epoch & NGX_PUSH_BRIEF;
        c->seq = start->id.seq;
    }
}
