
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_reply.h"
#include "ngx_http_push_later.h"
#include "ngx_push_compound.h"


/* subscribing by a command, which may have to wait for the channel */


/* a subscribe that waits until its channel may be joined */

typedef struct {
    ngx_http_push_later_t   later;
    ngx_http_push_reply_t   reply;
    ngx_push_waiter_t       waiter;
    ngx_push_start_t        start;
    ngx_event_t             timer;
} ngx_http_push_asked_t;


static ngx_int_t ngx_http_push_command_open(ngx_http_push_reply_t *reply);
static void ngx_http_push_command_start(ngx_http_push_asked_t *asked,
    ngx_push_command_t *cmd);
static void ngx_http_push_command_opened(ngx_push_waiter_t *w, ngx_int_t rc);
static void ngx_http_push_command_late(ngx_event_t *ev);
static void ngx_http_push_command_drop(ngx_http_push_later_t *later);
static void ngx_http_push_command_free(ngx_http_push_asked_t *asked);
static ngx_int_t ngx_http_push_command_join(ngx_http_push_reply_t *reply,
    ngx_pool_t *pool);
static ngx_int_t ngx_http_push_command_joined(ngx_http_push_reply_t *reply,
    ngx_http_push_subscription_t *s, ngx_http_push_request_t *q);
static void ngx_http_push_command_forget(ngx_http_push_client_t *client,
    ngx_str_t *channel);


/* one that is subscribed already stays as it is */

ngx_int_t
ngx_http_push_command_subscribe(ngx_http_push_reply_t *reply)
{
    ngx_int_t                      rc;
    ngx_pool_t                    *pool;
    ngx_push_id_t                  id;
    ngx_http_push_client_t        *client;
    ngx_http_push_subscription_t  *s;

    client = reply->client;

    if (!ngx_http_push_may_subscribe(client, &reply->cmd.channel)) {
        return ngx_http_push_reply_error(reply, NGX_HTTP_FORBIDDEN,
                                         "subscribing is not allowed");
    }

    s = ngx_http_push_find(client, &reply->cmd.channel);

    if (s) {
        id.epoch = s->base.epoch;
        id.seq = s->base.cursor;
        reply->id = &id;

        return ngx_http_push_reply(reply, "subscribed");
    }

    ngx_http_push_command_forget(client, &reply->cmd.channel);

    if (client->channels == NGX_PUSH_MAX_TARGETS) {
        return ngx_http_push_reply_error(reply, NGX_HTTP_BAD_REQUEST,
                                         "more than 255 channels");
    }

    if (ngx_push_zone_mirrors(client->conf->zone) && !reply->kept) {
        rc = ngx_http_push_command_open(reply);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    pool = ngx_create_pool(NGX_MIN_POOL_SIZE, client->connection->log);
    if (pool == NULL) {
        return ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_ERROR,
                                        "no memory");
    }

    rc = ngx_http_push_command_join(reply, pool);

    ngx_destroy_pool(pool);

    return rc;
}


/* NGX_OK: it may be joined now, or never; NGX_AGAIN: it will be, later */

static ngx_int_t
ngx_http_push_command_open(ngx_http_push_reply_t *reply)
{
    ngx_int_t               rc;
    ngx_push_hub_t         *hub;
    ngx_http_push_asked_t  *asked;

    hub = ngx_push_hub(reply->client->conf->zone);
    asked = ngx_calloc(sizeof(ngx_http_push_asked_t), ngx_cycle->log);

    if (hub == NULL || asked == NULL) {
        ngx_free(asked);
        return NGX_OK;
    }

    asked->waiter.ready = ngx_http_push_command_opened;
    asked->waiter.data = asked;

    if (reply->cmd.since.len) {
        ngx_http_push_command_start(asked, &reply->cmd);
    }

    rc = ngx_push_hub_open(hub, &asked->waiter, &reply->cmd.channel);

    if (rc != NGX_AGAIN) {
        ngx_free(asked);
        return NGX_OK;
    }

    asked->timer.handler = ngx_http_push_command_late;
    asked->timer.data = asked;
    asked->timer.log = ngx_cycle->log;
    asked->timer.cancelable = 1;
    ngx_add_timer(&asked->timer,
                  ngx_http_push_open_time(reply->client->conf->zone));

    reply->kept = 1;
    asked->reply = *reply;

    asked->later.drop = ngx_http_push_command_drop;
    ngx_http_push_later_add(reply->client, &asked->later);

    return NGX_AGAIN;
}


/* where it is to begin, unless that is one of several places */

static void
ngx_http_push_command_start(ngx_http_push_asked_t *asked,
    ngx_push_command_t *cmd)
{
    ngx_pool_t               *pool;
    ngx_array_t               channels;
    ngx_http_push_request_t   q;

    pool = ngx_create_pool(NGX_MIN_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return;
    }

    channels.elts = &cmd->channel;
    channels.nelts = 1;

    q.channels = &channels;
    q.starts = &asked->start;

    if (ngx_http_push_set_starts(pool, &cmd->since, &q) == NGX_OK
        && asked->start.more == 0)
    {
        asked->waiter.start = &asked->start;
    }

    ngx_destroy_pool(pool);
}


static void
ngx_http_push_command_opened(ngx_push_waiter_t *w, ngx_int_t rc)
{
    ngx_http_push_asked_t   *asked;
    ngx_http_push_client_t  *client;

    asked = w->data;
    client = asked->later.client;

    /* what follows may be the end of the client */

    ngx_http_push_later_remove(&asked->later);

    if (!client->ending) {
        (void) ngx_http_push_command_subscribe(&asked->reply);
    }

    ngx_http_push_command_free(asked);
}


static void
ngx_http_push_command_late(ngx_event_t *ev)
{
    ngx_http_push_asked_t  *asked;

    asked = ev->data;

    ngx_push_hub_cancel(&asked->waiter);
    ngx_http_push_command_opened(&asked->waiter, NGX_ERROR);
}


static void
ngx_http_push_command_drop(ngx_http_push_later_t *later)
{
    ngx_http_push_later_remove(later);

    ngx_http_push_command_free((ngx_http_push_asked_t *) later);
}


static void
ngx_http_push_command_free(ngx_http_push_asked_t *asked)
{
    ngx_push_hub_cancel(&asked->waiter);

    if (asked->timer.timer_set) {
        ngx_del_timer(&asked->timer);
    }

    ngx_push_command_free(&asked->reply.cmd);
    ngx_free(asked);
}


ngx_uint_t
ngx_http_push_command_give_up(ngx_http_push_reply_t *reply)
{
    ngx_str_t              *channel;
    ngx_uint_t              found;
    ngx_http_push_later_t  *later, *next;

    found = 0;

    for (later = ngx_http_push_later_next(reply->client, NULL);
         later;
         later = next)
    {
        next = ngx_http_push_later_next(reply->client, later);

        if (later->drop != ngx_http_push_command_drop) {
            continue;
        }

        channel = &((ngx_http_push_asked_t *) later)->reply.cmd.channel;

        if (channel->len == reply->cmd.channel.len
            && ngx_memcmp(channel->data, reply->cmd.channel.data,
                          channel->len)
               == 0)
        {
            ngx_http_push_command_drop(later);
            found = 1;
        }
    }

    return found;
}


static ngx_int_t
ngx_http_push_command_join(ngx_http_push_reply_t *reply, ngx_pool_t *pool)
{
    ngx_int_t                      rc;
    ngx_array_t                    channels;
    ngx_push_start_t               start;
    ngx_http_push_request_t        q;
    ngx_http_push_subscription_t  *s;

    channels.elts = &reply->cmd.channel;
    channels.nelts = 1;

    q.channels = &channels;
    q.starts = &start;
    q.requested = reply->cmd.since;
    q.malformed = 0;

    start = reply->client->conf->start;
    rc = NGX_OK;

    if (q.requested.len) {
        rc = ngx_http_push_set_starts(pool, &q.requested, &q);
    }

    if (rc == NGX_DECLINED) {
        return ngx_http_push_reply_error(reply, NGX_HTTP_BAD_REQUEST,
                                         "the position to start from is "
                                         "malformed");
    }

    if (rc == NGX_OK) {
        rc = ngx_http_push_join_one(reply->client, &reply->cmd.channel,
                                    &start, &s);
    }

    if (rc != NGX_OK) {
        rc = ngx_http_push_reply_error(reply, NGX_HTTP_SERVICE_UNAVAILABLE,
                                       "not available now, try again later");

        return (rc == NGX_OK) ? ngx_http_push_resume(reply->client) : rc;
    }

    return ngx_http_push_command_joined(reply, s, &q);
}


/* the reply first, then the gap, then messages */

static ngx_int_t
ngx_http_push_command_joined(ngx_http_push_reply_t *reply,
    ngx_http_push_subscription_t *s, ngx_http_push_request_t *q)
{
    ngx_int_t             rc;
    ngx_uint_t            lost;
    ngx_http_push_gap_t   gap;

    lost = ngx_http_push_start_gap(q, 0, &gap);
    reply->id = lost ? NULL : &q->starts[0].start;

    rc = ngx_http_push_reply(reply, "subscribed");

    if (rc != NGX_DONE && lost) {
        rc = reply->client->transport->gap(s, &gap);
    }

    return (rc == NGX_OK) ? ngx_http_push_resume(reply->client) : rc;
}


/* the position in a channel that is over, and begins again */

static void
ngx_http_push_command_forget(ngx_http_push_client_t *client,
    ngx_str_t *channel)
{
    uint32_t                       hash;
    ngx_http_push_subscription_t  *s;

    hash = ngx_push_compound_hash(channel);

    for (s = ngx_http_push_first(client); s; s = s->next) {

        if (!ngx_http_push_is_joined(s) && ngx_http_push_hash(s) == hash) {
            ngx_http_push_drop(s);
            return;
        }
    }
}
