
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_websocket.h"
#include "ngx_http_push_render.h"
#include "ngx_push_command.h"
#include "ngx_push_compound.h"
#include "ngx_push_header.h"
#include "ngx_push_json.h"
#include "ngx_push_name.h"


/* commands of a push.json client, and their replies */


typedef struct {
    ngx_http_push_client_t  *client;
    ngx_push_command_t       cmd;
    ngx_push_id_t           *id;             /* NULL: null */
    ngx_str_t                position;       /* empty: none */
} ngx_http_push_reply_t;


static ngx_int_t ngx_http_push_command_run(ngx_http_push_reply_t *reply);
static ngx_int_t ngx_http_push_command_subscribe(
    ngx_http_push_reply_t *reply);
static ngx_int_t ngx_http_push_command_join(ngx_http_push_reply_t *reply,
    ngx_pool_t *pool);
static ngx_int_t ngx_http_push_command_joined(ngx_http_push_reply_t *reply,
    ngx_http_push_subscription_t *s, ngx_http_push_request_t *q);
static void ngx_http_push_command_forget(ngx_http_push_client_t *client,
    ngx_str_t *channel);
static ngx_int_t ngx_http_push_command_unsubscribe(
    ngx_http_push_reply_t *reply);
static ngx_int_t ngx_http_push_command_publish(ngx_http_push_reply_t *reply);
static ngx_int_t ngx_http_push_command_outcome(ngx_http_push_reply_t *reply,
    ngx_push_target_t *target);
static ngx_int_t ngx_http_push_reply(ngx_http_push_reply_t *reply,
    char *type);
static ngx_int_t ngx_http_push_reply_error(ngx_http_push_reply_t *reply,
    ngx_uint_t status, char *detail);
static u_char *ngx_http_push_reply_ref(u_char *p,
    ngx_http_push_reply_t *reply);


ngx_int_t
ngx_http_push_command(ngx_http_push_client_t *client, ngx_str_t *text)
{
    ngx_int_t              rc;
    ngx_http_push_reply_t  reply;

    ngx_memzero(&reply, sizeof(ngx_http_push_reply_t));

    reply.client = client;

    rc = ngx_push_command_parse(text, &reply.cmd);

    switch (rc) {

    case NGX_OK:
        rc = ngx_http_push_command_run(&reply);
        break;

    case NGX_DECLINED:
        rc = ngx_http_push_reply_error(&reply, NGX_HTTP_BAD_REQUEST,
                                       reply.cmd.cause);
        break;

    default:
        rc = ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_ERROR,
                                      "no memory");
    }

    ngx_push_command_free(&reply.cmd);

    return (rc == NGX_DONE) ? NGX_DONE : NGX_OK;
}


static ngx_int_t
ngx_http_push_command_run(ngx_http_push_reply_t *reply)
{
    ngx_str_t  *channel;

    channel = &reply->cmd.channel;

    if (reply->cmd.type == NGX_PUSH_COMMAND_PING) {
        return ngx_http_push_reply(reply, "pong");
    }

    if (ngx_push_name_check(channel) != NGX_OK) {
        return ngx_http_push_reply_error(reply, NGX_HTTP_BAD_REQUEST,
                                         "bad channel name");
    }

    switch (reply->cmd.type) {

    case NGX_PUSH_COMMAND_SUBSCRIBE:
        return ngx_http_push_command_subscribe(reply);

    case NGX_PUSH_COMMAND_UNSUBSCRIBE:
        return ngx_http_push_command_unsubscribe(reply);

    default: /* NGX_PUSH_COMMAND_PUBLISH */
        return ngx_http_push_command_publish(reply);
    }
}


/* one that is subscribed already stays as it is */

static ngx_int_t
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

    pool = ngx_create_pool(NGX_MIN_POOL_SIZE, client->connection->log);
    if (pool == NULL) {
        return ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_ERROR,
                                        "no memory");
    }

    rc = ngx_http_push_command_join(reply, pool);

    ngx_destroy_pool(pool);

    return rc;
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


static ngx_int_t
ngx_http_push_command_unsubscribe(ngx_http_push_reply_t *reply)
{
    ngx_push_id_t                  id;
    ngx_http_push_subscription_t  *s;

    s = ngx_http_push_find(reply->client, &reply->cmd.channel);

    if (s == NULL) {
        return ngx_http_push_reply_error(reply, NGX_HTTP_NOT_FOUND,
                                         "the channel is not subscribed");
    }

    id.epoch = s->base.epoch;
    id.seq = s->base.cursor;

    ngx_http_push_drop(s);

    reply->id = &id;

    return ngx_http_push_reply(reply, "unsubscribed");
}


static ngx_int_t
ngx_http_push_command_publish(ngx_http_push_reply_t *reply)
{
    ngx_push_target_t         target;
    ngx_push_command_t       *cmd;
    ngx_http_push_said_t      said;
    ngx_http_push_client_t   *client;

    cmd = &reply->cmd;
    client = reply->client;

    if (!ngx_http_push_may_publish(client, &cmd->channel)) {
        return ngx_http_push_reply_error(reply, NGX_HTTP_FORBIDDEN,
                                         "publishing is not allowed");
    }

    if (cmd->event.len && ngx_push_header_event(&cmd->event) != NGX_OK) {
        return ngx_http_push_reply_error(reply, NGX_HTTP_BAD_REQUEST,
                                         "bad event name");
    }

    if (cmd->data.len > client->conf->max_message) {
        return ngx_http_push_reply_error(reply,
                                         NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                         "the message is larger than "
                                         "push_max_message_size");
    }

    ngx_memzero(&said, sizeof(ngx_http_push_said_t));
    ngx_memzero(&target, sizeof(ngx_push_target_t));

    target.channel = cmd->channel;

    said.body = cmd->data;
    said.event = cmd->event;
    said.targets = &target;
    said.ntargets = 1;

    if (cmd->json) {
        ngx_str_set(&said.content_type, "application/json");
    }

    switch (ngx_http_push_say(client, &said)) {

    case NGX_OK:
        reply->id = &target.id;
        return ngx_http_push_reply(reply, "published");

    case NGX_DECLINED:
        return ngx_http_push_command_outcome(reply, &target);

    default:
        return ngx_http_push_reply_error(reply,
                                         NGX_HTTP_INTERNAL_SERVER_ERROR,
                                         "no memory");
    }
}


static ngx_int_t
ngx_http_push_command_outcome(ngx_http_push_reply_t *reply,
    ngx_push_target_t *target)
{
    if (target->outcome == NGX_PUSH_SEALED) {
        return ngx_http_push_reply_error(reply, NGX_HTTP_CONFLICT,
                                         "the channel has ended");
    }

    return ngx_http_push_reply_error(reply, NGX_HTTP_INSUFFICIENT_STORAGE,
                                     "the message does not fit into the zone");
}


/* a pong names no channel */

static ngx_int_t
ngx_http_push_reply(ngx_http_push_reply_t *reply, char *type)
{
    u_char                  *p, *last;
    size_t                   room;
    ngx_int_t                rc;
    ngx_str_t                position;
    ngx_http_push_client_t  *client;

    client = reply->client;
    room = ngx_http_push_position_size(client);

    p = ngx_alloc(NGX_HTTP_PUSH_FRAME_ROOM + NGX_HTTP_PUSH_NOTICE_SIZE
                  + ngx_push_json_string_size(&reply->cmd.channel)
                  + reply->cmd.ref.len + 2 * room, ngx_cycle->log);
    if (p == NULL) {
        return ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_ERROR,
                                        "no memory");
    }

    last = ngx_sprintf(p + room + NGX_HTTP_PUSH_FRAME_ROOM,
                       "{\"type\":\"%s\"", type);

    if (reply->cmd.type != NGX_PUSH_COMMAND_PING) {
        last = ngx_cpymem(last, ",\"channel\":",
                          sizeof(",\"channel\":") - 1);
        last = ngx_push_json_string(last, &reply->cmd.channel);
        *last++ = ',';
        last = ngx_http_push_put_id(last, "id", reply->id);
    }

    if (reply->cmd.type == NGX_PUSH_COMMAND_SUBSCRIBE && reply->id) {
        ngx_http_push_several(p, client, &position);

        if (position.len) {
            last = ngx_sprintf(last, ",\"position\":\"%V\"", &position);
        }
    }

    last = ngx_http_push_reply_ref(last, reply);
    *last++ = '}';

    rc = ngx_http_push_websocket_send(client, p + room, last);

    ngx_free(p);

    return rc;
}


static ngx_int_t
ngx_http_push_reply_error(ngx_http_push_reply_t *reply, ngx_uint_t status,
    char *detail)
{
    u_char     *p, *last;
    ngx_int_t   rc;
    ngx_str_t   text;

    text.data = (u_char *) detail;
    text.len = ngx_strlen(detail);

    p = ngx_alloc(NGX_HTTP_PUSH_FRAME_ROOM + NGX_HTTP_PUSH_NOTICE_SIZE
                  + ngx_push_json_string_size(&text) + reply->cmd.ref.len,
                  ngx_cycle->log);
    if (p == NULL) {
        return ngx_http_push_input_fail(reply->client,
                                        NGX_HTTP_PUSH_CLOSE_ERROR,
                                        "no memory");
    }

    last = ngx_cpymem(p + NGX_HTTP_PUSH_FRAME_ROOM, "{\"type\":\"error\"",
                      sizeof("{\"type\":\"error\"") - 1);
    last = ngx_http_push_reply_ref(last, reply);
    last = ngx_sprintf(last, ",\"status\":%ui,\"title\":\"%V\",\"detail\":",
                       status, ngx_http_push_title(status));
    last = ngx_push_json_string(last, &text);
    *last++ = '}';

    rc = ngx_http_push_websocket_send(reply->client, p, last);

    ngx_free(p);

    return rc;
}


static u_char *
ngx_http_push_reply_ref(u_char *p, ngx_http_push_reply_t *reply)
{
    return reply->cmd.ref.len ? ngx_sprintf(p, ",\"ref\":%V", &reply->cmd.ref)
                              : p;
}
