
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_push_redis_sentinel.h"


/*
 * The sentinels are asked one after the other until one of them names the
 * master.  It is then asked again at each connect, and every now and then;
 * in between it tells of a switch.
 */


static ngx_int_t ngx_push_redis_sentinel_greet(
    ngx_push_redis_connection_t *c);
static void ngx_push_redis_sentinel_up(ngx_push_redis_connection_t *c);
static void ngx_push_redis_sentinel_down(ngx_push_redis_connection_t *c,
    ngx_str_t *why);
static void ngx_push_redis_sentinel_tick(ngx_event_t *ev);
static void ngx_push_redis_sentinel_late(ngx_event_t *ev);
static ngx_int_t ngx_push_redis_sentinel_query(ngx_push_redis_sentinel_t *s);
static void ngx_push_redis_sentinel_answer(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);
static void ngx_push_redis_sentinel_confirmed(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);
static void ngx_push_redis_sentinel_heard(ngx_push_redis_connection_t *c,
    redisReply *reply);
static void ngx_push_redis_sentinel_told(ngx_push_redis_sentinel_t *s,
    ngx_push_redis_place_t *place);
static void ngx_push_redis_sentinel_switch(ngx_push_redis_sentinel_t *s,
    ngx_push_redis_place_t *place);
static void ngx_push_redis_sentinel_serve(ngx_push_redis_sentinel_t *s);


void
ngx_push_redis_sentinel_start(ngx_push_redis_sentinel_t *s)
{
    s->why.data = s->cause;

    s->timer.handler = ngx_push_redis_sentinel_tick;
    s->timer.data = s;
    s->timer.log = ngx_cycle->log;
    s->timer.cancelable = 1;

    s->connection.conf = s->conf;
    s->connection.log = ngx_cycle->log;
    s->connection.data = s;
    s->connection.greet = ngx_push_redis_sentinel_greet;
    s->connection.beside = ngx_push_redis_sentinel_heard;
    s->connection.up = ngx_push_redis_sentinel_up;
    s->connection.down = ngx_push_redis_sentinel_down;

    /* not all workers with the same one */

    s->connection.nth = ngx_random() % s->conf->url.nnodes;

    ngx_push_redis_connect(&s->connection);
}


void
ngx_push_redis_sentinel_stop(ngx_push_redis_sentinel_t *s)
{
    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    ngx_push_redis_close(&s->connection);
}


/* it is up when it has named a master and tells of switches */

static ngx_int_t
ngx_push_redis_sentinel_greet(ngx_push_redis_connection_t *c)
{
    ngx_push_redis_sentinel_t  *s;

    s = c->data;
    s->asking = 0;

    return ngx_push_redis_sentinel_query(s);
}


static void
ngx_push_redis_sentinel_up(ngx_push_redis_connection_t *c)
{
    ngx_push_redis_sentinel_t  *s;

    s = c->data;
    s->why.len = 0;

    ngx_add_timer(&s->timer, s->conf->timeout);
}


static void
ngx_push_redis_sentinel_down(ngx_push_redis_connection_t *c, ngx_str_t *why)
{
    ngx_push_redis_sentinel_t  *s;

    s = c->data;

    ngx_memcpy(s->cause, why->data, why->len);
    s->why.len = why->len;

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }
}


/* shows as well whether it lives */

static void
ngx_push_redis_sentinel_tick(ngx_event_t *ev)
{
    ngx_push_redis_sentinel_t  *s;

    s = ev->data;

    ngx_add_timer(ev, s->conf->timeout);

    if (ngx_push_redis_sentinel_query(s) != NGX_OK) {
        ngx_push_redis_drop(&s->connection, "no memory");
    }
}


void
ngx_push_redis_sentinel_ask(ngx_push_redis_connection_t *c)
{
    ngx_push_redis_sentinel_t  *s;

    s = c->sentinel;

    c->timer.handler = ngx_push_redis_sentinel_late;
    c->tried = c->naddrs;

    ngx_add_timer(&c->timer, c->conf->connect_timeout);

    if (s->connection.ready && ngx_push_redis_sentinel_query(s) != NGX_OK) {
        ngx_push_redis_drop(&s->connection, "no memory");
    }
}


static void
ngx_push_redis_sentinel_late(ngx_event_t *ev)
{
    ngx_str_t                     none = ngx_string("none has answered yet");
    ngx_push_redis_sentinel_t    *s;
    ngx_push_redis_connection_t  *c;

    c = ev->data;
    s = c->sentinel;

    ngx_push_redis_drop(c, "no sentinel says where the master \"%V\" is: %V",
                        &c->conf->url.master, s->why.len ? &s->why : &none);
}


/* while it is subscribed a sentinel takes no other commands */

static ngx_int_t
ngx_push_redis_sentinel_query(ngx_push_redis_sentinel_t *s)
{
    const char                   *unsubscribe[2], *get[3], *subscribe[2];
    ngx_push_redis_connection_t  *c;

    c = &s->connection;

    if (s->asking) {
        return NGX_OK;
    }

    unsubscribe[0] = "UNSUBSCRIBE";
    unsubscribe[1] = "+switch-master";

    get[0] = "SENTINEL";
    get[1] = "GET-MASTER-ADDR-BY-NAME";
    get[2] = (const char *) s->conf->url.master.data;

    subscribe[0] = "SUBSCRIBE";
    subscribe[1] = "+switch-master";

    if (c->ready
        && ngx_push_redis_say(c, unsubscribe, 2, NULL) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_push_redis_say(c, get, 3, ngx_push_redis_sentinel_answer)
        != NGX_OK
        || ngx_push_redis_say(c, subscribe, 2,
                              ngx_push_redis_sentinel_confirmed)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    s->asking = 1;

    return NGX_OK;
}


static void
ngx_push_redis_sentinel_answer(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data)
{
    ngx_str_t                   host, port;
    ngx_push_redis_place_t      place;
    ngx_push_redis_sentinel_t  *s;

    s = c->data;
    s->asking = 0;

    if (reply == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_NIL) {
        ngx_push_redis_drop(c, "the sentinel %V knows no master \"%V\", see "
                            "the URL of push_redis", c->peer.name,
                            &c->conf->url.master);
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_push_redis_drop(c, "%V answers SENTINEL with \"%*s\"",
                            c->peer.name, (size_t) reply->len, reply->str);
        return;
    }

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
        && reply->element[0]->type == REDIS_REPLY_STRING
        && reply->element[1]->type == REDIS_REPLY_STRING)
    {
        host.data = (u_char *) reply->element[0]->str;
        host.len = reply->element[0]->len;
        port.data = (u_char *) reply->element[1]->str;
        port.len = reply->element[1]->len;

        if (ngx_push_redis_place_set(&place, &host, &port) == NGX_OK) {
            ngx_push_redis_sentinel_told(s, &place);
            return;
        }
    }

    ngx_push_redis_drop(c, "the sentinel %V names no address", c->peer.name);
}


static void
ngx_push_redis_sentinel_confirmed(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data)
{
    if (reply == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_push_redis_drop(c, "%V answers SUBSCRIBE with \"%*s\"",
                            c->peer.name, (size_t) reply->len, reply->str);
        return;
    }

    if (!c->ready) {
        ngx_push_redis_ready(c);
    }
}


/* of any master: its name, the old host and port, the new ones */

static void
ngx_push_redis_sentinel_heard(ngx_push_redis_connection_t *c,
    redisReply *reply)
{
    u_char                     *p, *last, *end;
    ngx_str_t                   word[5];
    ngx_uint_t                  n;
    ngx_push_redis_place_t      place;
    ngx_push_redis_sentinel_t  *s;

    s = c->data;

    if (reply->element[2]->type != REDIS_REPLY_STRING) {
        return;
    }

    p = (u_char *) reply->element[2]->str;
    last = p + reply->element[2]->len;

    for (n = 0; n < 5 && p <= last; n++) {
        end = ngx_strlchr(p, last, ' ');
        end = (end == NULL) ? last : end;

        word[n].data = p;
        word[n].len = end - p;

        p = end + 1;
    }

    if (n < 5
        || word[0].len != s->conf->url.master.len
        || ngx_strncmp(word[0].data, s->conf->url.master.data, word[0].len)
           != 0
        || ngx_push_redis_place_set(&place, &word[3], &word[4]) != NGX_OK)
    {
        return;
    }

    ngx_push_redis_sentinel_switch(s, &place);
}


/*
 * A sentinel that was away may name the master of long ago: while there is
 * one that works, another sentinel, if there is one, must agree.
 */

static void
ngx_push_redis_sentinel_told(ngx_push_redis_sentinel_t *s,
    ngx_push_redis_place_t *place)
{
    ngx_push_redis_connection_t  *c;

    c = &s->connection;

    if (!ngx_push_redis_place_same(place, &s->master)
        && !ngx_push_redis_place_same(place, &s->other)
        && (s->users[0]->ready || s->users[1]->ready))
    {
        ngx_push_redis_place_copy(&s->other, place);

        ngx_log_error(NGX_LOG_WARN, c->log, 0,
                      "redis \"%V\": the sentinel %V names the master %s, "
                      "but %s is in use and answers; another one is asked",
                      &s->conf->name, c->peer.name, place->text,
                      s->master.text);

        ngx_push_redis_drop(c, "%V names another master", c->peer.name);
        return;
    }

    ngx_push_redis_sentinel_switch(s, place);
}


static void
ngx_push_redis_sentinel_switch(ngx_push_redis_sentinel_t *s,
    ngx_push_redis_place_t *place)
{
    ngx_uint_t                    i;
    ngx_push_redis_connection_t  *c;

    s->other.node.port = 0;

    if (ngx_push_redis_place_same(place, &s->master)) {
        ngx_push_redis_sentinel_serve(s);
        return;
    }

    c = &s->connection;

    if (s->master.node.port) {
        ngx_log_error(NGX_LOG_NOTICE, c->log, 0,
                      "redis \"%V\": the master is now %s, it was %s, says "
                      "the sentinel %V", &s->conf->name, place->text,
                      s->master.text, c->peer.name);

    } else {
        ngx_log_error(NGX_LOG_NOTICE, c->log, 0,
                      "redis \"%V\": the master is %s, says the sentinel %V",
                      &s->conf->name, place->text, c->peer.name);
    }

    for (i = 0; i < 2; i++) {
        c = s->users[i];

        if (c->active && c->timer.handler != ngx_push_redis_sentinel_late) {
            c->tried = c->naddrs;

            ngx_push_redis_drop(c, "the master is now %s", place->text);
            ngx_push_redis_hurry(c);
        }
    }

    ngx_push_redis_place_copy(&s->master, place);
    ngx_push_redis_sentinel_serve(s);
}


/* those that wait for it */

static void
ngx_push_redis_sentinel_serve(ngx_push_redis_sentinel_t *s)
{
    ngx_uint_t                    i;
    ngx_push_redis_connection_t  *c;

    for (i = 0; i < 2; i++) {
        c = s->users[i];

        if (c->active && c->timer.handler == ngx_push_redis_sentinel_late) {
            ngx_push_redis_place(c, &s->master.node);
        }
    }
}
