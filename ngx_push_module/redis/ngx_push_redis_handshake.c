
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_push_redis_connection.h"


/*
 * What is said first: AUTH, SELECT, INFO and PING, all sent at once.  The
 * PING comes last, since a Redis that is loading answers INFO but not PING.
 */


#define NGX_PUSH_REDIS_TERM_DIGITS  6


static ngx_int_t ngx_push_redis_say_auth(ngx_push_redis_connection_t *c);
static ngx_int_t ngx_push_redis_say_select(ngx_push_redis_connection_t *c);
static void ngx_push_redis_on_auth(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);
static void ngx_push_redis_on_select(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);
static void ngx_push_redis_on_server(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);
static void ngx_push_redis_on_replication(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);
static void ngx_push_redis_on_ping(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data);
static ngx_int_t ngx_push_redis_refused(ngx_push_redis_connection_t *c,
    redisReply *reply, const char *command);
static ngx_uint_t ngx_push_redis_version(ngx_str_t *text);
static uint32_t ngx_push_redis_term(ngx_str_t *replid);


void
ngx_push_redis_handshake(ngx_push_redis_connection_t *c)
{
    static const char  *server[] = { "INFO", "server" };
    static const char  *replication[] = { "INFO", "replication" };
    static const char  *ping[] = { "PING" };

    c->term = 0;
    c->version = 0;
    c->master = 0;

    if (c->greet) {

        if (ngx_push_redis_pipe_open(c) != NGX_OK
            || ngx_push_redis_say_auth(c) != NGX_OK
            || c->greet(c) != NGX_OK)
        {
            ngx_push_redis_drop(c, "no memory");
        }

        return;
    }

    if (ngx_push_redis_pipe_open(c) != NGX_OK
        || ngx_push_redis_say_auth(c) != NGX_OK
        || ngx_push_redis_say_select(c) != NGX_OK
        || ngx_push_redis_say(c, server, 2, ngx_push_redis_on_server)
           != NGX_OK
        || ngx_push_redis_say(c, replication, 2,
                              ngx_push_redis_on_replication)
           != NGX_OK
        || ngx_push_redis_say(c, ping, 1, ngx_push_redis_on_ping) != NGX_OK)
    {
        ngx_push_redis_drop(c, "no memory");
    }
}


static ngx_int_t
ngx_push_redis_say_auth(ngx_push_redis_connection_t *c)
{
    size_t                     lens[3];
    ngx_uint_t                 n;
    const char                *argv[3];
    ngx_push_redis_url_t      *url;
    ngx_push_redis_command_t   command;

    url = &c->conf->url;

    if (url->password.data == NULL) {
        return NGX_OK;
    }

    n = 0;

    argv[n] = "AUTH";
    lens[n++] = 4;

    if (url->user.len) {
        argv[n] = (char *) url->user.data;
        lens[n++] = url->user.len;
    }

    argv[n] = (char *) url->password.data;
    lens[n++] = url->password.len;

    command.argc = n;
    command.argv = argv;
    command.lens = lens;
    command.handler = ngx_push_redis_on_auth;
    command.data = NULL;

    return ngx_push_redis_queue(c, &command);
}


static ngx_int_t
ngx_push_redis_say_select(ngx_push_redis_connection_t *c)
{
    u_char       db[NGX_INT_T_LEN + 1];
    const char  *argv[] = { "SELECT", (char *) db };

    if (c->conf->url.db == 0) {
        return NGX_OK;
    }

    ngx_sprintf(db, "%ui%Z", c->conf->url.db);

    return ngx_push_redis_say(c, argv, 2, ngx_push_redis_on_select);
}


/* at most three words */

ngx_int_t
ngx_push_redis_say(ngx_push_redis_connection_t *c, const char **argv,
    ngx_uint_t argc, ngx_push_redis_reply_pt handler)
{
    size_t                    lens[3];
    ngx_uint_t                i;
    ngx_push_redis_command_t  command;

    for (i = 0; i < argc; i++) {
        lens[i] = ngx_strlen(argv[i]);
    }

    command.argc = argc;
    command.argv = argv;
    command.lens = lens;
    command.handler = handler;
    command.data = NULL;

    return ngx_push_redis_queue(c, &command);
}


static void
ngx_push_redis_on_auth(ngx_push_redis_connection_t *c, redisReply *reply,
    void *data)
{
    size_t  n;

    if (reply == NULL || reply->type != REDIS_REPLY_ERROR) {
        return;
    }

    /* the first word alone: some errors repeat what they were sent */

    for (n = 0; n < (size_t) reply->len; n++) {

        if (reply->str[n] == ' ') {
            break;
        }
    }

    if (n == sizeof("WRONGPASS") - 1
        && ngx_strncmp(reply->str, "WRONGPASS", n) == 0)
    {
        ngx_push_redis_drop(c, "user or password is wrong (WRONGPASS), see "
                            "push_redis and the ACL of Redis");
        return;
    }

    ngx_push_redis_drop(c, "AUTH was refused (%*s), maybe Redis has no such "
                        "password set", n, reply->str);
}


static void
ngx_push_redis_on_select(ngx_push_redis_connection_t *c, redisReply *reply,
    void *data)
{
    (void) ngx_push_redis_refused(c, reply, "SELECT");
}


static void
ngx_push_redis_on_server(ngx_push_redis_connection_t *c, redisReply *reply,
    void *data)
{
    ngx_str_t  version;

    if (ngx_push_redis_refused(c, reply, "INFO") != NGX_OK) {
        return;
    }

    if (ngx_push_redis_field(reply, "redis_version:", &version) == NGX_OK) {
        c->version = ngx_push_redis_version(&version);
    }
}


static void
ngx_push_redis_on_replication(ngx_push_redis_connection_t *c,
    redisReply *reply, void *data)
{
    ngx_str_t  role, replid, host, port;

    if (ngx_push_redis_refused(c, reply, "INFO") != NGX_OK) {
        return;
    }

    if (ngx_push_redis_field(reply, "role:", &role) != NGX_OK
        || ngx_push_redis_field(reply, "master_replid:", &replid) != NGX_OK)
    {
        ngx_push_redis_drop(c, "it does not say its role, is it a Redis?");
        return;
    }

    c->master = (role.len == 6 && ngx_strncmp(role.data, "master", 6) == 0);
    c->term = ngx_push_redis_term(&replid);

    if (c->master) {
        return;
    }

    if (ngx_push_redis_field(reply, "master_host:", &host) != NGX_OK
        || ngx_push_redis_field(reply, "master_port:", &port) != NGX_OK)
    {
        ngx_str_set(&host, "another");
        ngx_str_set(&port, "?");
    }

    ngx_push_redis_drop(c, "it is a replica (of %V:%V), push_redis needs the "
                        "master", &host, &port);
}


static void
ngx_push_redis_on_ping(ngx_push_redis_connection_t *c, redisReply *reply,
    void *data)
{
    if (ngx_push_redis_refused(c, reply, "PING") == NGX_OK) {
        ngx_push_redis_ready(c);
    }
}


/* NGX_OK, or NGX_DECLINED: there is no answer, or it took the connection */

static ngx_int_t
ngx_push_redis_refused(ngx_push_redis_connection_t *c, redisReply *reply,
    const char *command)
{
    if (reply == NULL) {
        return NGX_DECLINED;
    }

    if (reply->type == REDIS_REPLY_STRING
        || reply->type == REDIS_REPLY_STATUS)
    {
        return NGX_OK;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_push_redis_drop(c, "it answers %s with \"%*s\"", command,
                            (size_t) reply->len, reply->str);

    } else {
        ngx_push_redis_drop(c, "it answers %s with something else than text",
                            command);
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_push_redis_field(redisReply *info, const char *name, ngx_str_t *value)
{
    size_t   len;
    u_char  *p, *last, *end;

    len = ngx_strlen(name);

    p = (u_char *) info->str;
    last = p + info->len;

    while (p < last) {

        end = ngx_strlchr(p, last, '\n');
        end = (end == NULL) ? last : end;

        if ((size_t) (end - p) >= len
            && ngx_strncmp(p, (u_char *) name, len) == 0)
        {
            value->data = p + len;
            value->len = end - value->data;

            if (value->len && value->data[value->len - 1] == '\r') {
                value->len--;
            }

            return NGX_OK;
        }

        p = end + 1;
    }

    return NGX_DECLINED;
}


/* 7.0.15: 70015 */

static ngx_uint_t
ngx_push_redis_version(ngx_str_t *text)
{
    size_t      i;
    ngx_uint_t  part[3], n;

    ngx_memzero(part, sizeof(part));

    n = 0;

    for (i = 0; i < text->len && n < 3; i++) {

        if (text->data[i] == '.') {
            n++;
            continue;
        }

        if (text->data[i] < '0' || text->data[i] > '9') {
            break;
        }

        part[n] = ngx_min(part[n] * 10 + (text->data[i] - '0'), 99);
    }

    return part[0] * 10000 + part[1] * 100 + part[2];
}


/* the first six digits that are not all 0 */

static uint32_t
ngx_push_redis_term(ngx_str_t *replid)
{
    size_t     i;
    ngx_int_t  n;

    for (i = 0; i + NGX_PUSH_REDIS_TERM_DIGITS <= replid->len;
         i += NGX_PUSH_REDIS_TERM_DIGITS)
    {
        n = ngx_hextoi(replid->data + i, NGX_PUSH_REDIS_TERM_DIGITS);

        if (n > 0) {
            return (uint32_t) n;
        }
    }

    return 1;
}
