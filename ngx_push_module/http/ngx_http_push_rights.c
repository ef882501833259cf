
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_websocket.h"
#include "ngx_push_pattern.h"


/* which channels a WebSocket client may name */


#define NGX_HTTP_PUSH_USER_MAX  255


static ngx_uint_t ngx_http_push_matches(ngx_array_t *patterns,
    ngx_str_t *channel);


/* one piece of memory; NGX_DECLINED: the user's name is too long */

ngx_int_t
ngx_http_push_rights_create(ngx_http_push_client_t *client,
    ngx_http_push_request_t *q)
{
    u_char                          *p;
    size_t                           size;
    ngx_str_t                        user, *name;
    ngx_uint_t                       i, n;
    ngx_http_push_input_t           *in;
    ngx_http_push_rights_t          *rights;
    ngx_http_push_subscribe_conf_t  *conf;

    conf = client->conf;

    if (!conf->client_publish_own
        && (conf->client_publish == NULL || conf->client_publish->nelts == 0))
    {
        return NGX_OK;
    }

    if (ngx_http_push_user(client->request, &user) != NGX_OK) {
        return NGX_ERROR;
    }

    if (user.len > NGX_HTTP_PUSH_USER_MAX) {
        return NGX_DECLINED;
    }

    name = q->channels->elts;
    n = q->channels->nelts;
    size = sizeof(ngx_http_push_rights_t) + n * sizeof(ngx_str_t) + user.len;

    for (i = 0; i < n; i++) {
        size += name[i].len;
    }

    rights = ngx_alloc(size, client->connection->log);
    if (rights == NULL) {
        return NGX_ERROR;
    }

    rights->own = (ngx_str_t *) (rights + 1);
    rights->nown = n;

    p = (u_char *) (rights->own + n);

    for (i = 0; i < n; i++) {
        rights->own[i].data = p;
        rights->own[i].len = name[i].len;
        p = ngx_cpymem(p, name[i].data, name[i].len);
    }

    rights->user.data = p;
    rights->user.len = user.len;

    if (user.len) {
        ngx_memcpy(p, user.data, user.len);
    }

    in = ngx_http_push_websocket_input(client);
    if (in == NULL) {
        ngx_free(rights);
        return NGX_ERROR;
    }

    in->rights = rights;

    return NGX_OK;
}


ngx_uint_t
ngx_http_push_may_publish(ngx_http_push_client_t *client, ngx_str_t *channel)
{
    ngx_uint_t               i;
    ngx_http_push_rights_t  *rights;

    rights = ngx_http_push_rights(client);

    if (rights == NULL) {
        return 0;
    }

    if (!client->conf->client_publish_own) {
        return ngx_http_push_matches(client->conf->client_publish, channel);
    }

    for (i = 0; i < rights->nown; i++) {

        if (rights->own[i].len == channel->len
            && ngx_memcmp(rights->own[i].data, channel->data, channel->len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_push_may_subscribe(ngx_http_push_client_t *client,
    ngx_str_t *channel)
{
    return client->commands
           && ngx_http_push_matches(client->conf->client_subscribe, channel);
}


static ngx_uint_t
ngx_http_push_matches(ngx_array_t *patterns, ngx_str_t *channel)
{
    ngx_str_t   *pattern;
    ngx_uint_t   i;

    pattern = patterns->elts;

    for (i = 0; i < patterns->nelts; i++) {
        if (ngx_push_pattern_match(&pattern[i], channel)) {
            return 1;
        }
    }

    return 0;
}
