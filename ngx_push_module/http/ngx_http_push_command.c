
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_reply.h"
#include "ngx_push_header.h"
#include "ngx_push_name.h"


/* commands of a push.json client */


static ngx_int_t ngx_http_push_command_run(ngx_http_push_reply_t *reply);
static ngx_int_t ngx_http_push_command_unsubscribe(
    ngx_http_push_reply_t *reply);
static ngx_int_t ngx_http_push_command_publish(ngx_http_push_reply_t *reply);
static ngx_int_t ngx_http_push_command_outcome(ngx_http_push_reply_t *reply,
    ngx_push_target_t *target);
static ngx_int_t ngx_http_push_command_said(ngx_http_push_reply_t *reply,
    ngx_push_target_t *target, ngx_int_t rc);
static void ngx_http_push_command_published(ngx_http_push_client_t *client,
    ngx_http_push_said_t *said, ngx_int_t rc);


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

    if (rc != NGX_AGAIN || !reply.kept) {
        ngx_push_command_free(&reply.cmd);
    }

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


static ngx_int_t
ngx_http_push_command_unsubscribe(ngx_http_push_reply_t *reply)
{
    ngx_push_id_t                  id;
    ngx_http_push_subscription_t  *s;

    s = ngx_http_push_find(reply->client, &reply->cmd.channel);

    if (ngx_http_push_command_give_up(reply) && s == NULL) {
        return ngx_http_push_reply(reply, "unsubscribed");
    }

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
    ngx_int_t                 rc;
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

    said.done = ngx_http_push_command_published;
    said.data = ngx_alloc(sizeof(ngx_http_push_reply_t), ngx_cycle->log);

    if (said.data == NULL) {
        return ngx_http_push_reply_error(reply,
                                         NGX_HTTP_INTERNAL_SERVER_ERROR,
                                         "no memory");
    }

    *(ngx_http_push_reply_t *) said.data = *reply;

    rc = ngx_http_push_say(client, &said);

    if (rc == NGX_AGAIN) {
        reply->kept = 1;
        return NGX_AGAIN;
    }

    ngx_free(said.data);

    return ngx_http_push_command_said(reply, &target, rc);
}


static void
ngx_http_push_command_published(ngx_http_push_client_t *client,
    ngx_http_push_said_t *said, ngx_int_t rc)
{
    ngx_http_push_reply_t  *reply;

    reply = said->data;

    if (client && !client->ending) {
        (void) ngx_http_push_command_said(reply, said->targets, rc);
    }

    ngx_push_command_free(&reply->cmd);
    ngx_free(reply);
}


static ngx_int_t
ngx_http_push_command_said(ngx_http_push_reply_t *reply,
    ngx_push_target_t *target, ngx_int_t rc)
{
    switch (rc) {

    case NGX_OK:
        reply->id = &target->id;
        return ngx_http_push_reply(reply, "published");

    case NGX_DECLINED:
        return ngx_http_push_command_outcome(reply, target);

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

    if (target->outcome == NGX_PUSH_AWAY) {
        return ngx_http_push_reply_error(reply, NGX_HTTP_SERVICE_UNAVAILABLE,
                                         "the backplane did not answer");
    }

    return ngx_http_push_reply_error(reply, NGX_HTTP_INSUFFICIENT_STORAGE,
                                     "the message does not fit into the zone");
}
