
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_websocket.h"
#include "ngx_http_push_later.h"
#include "ngx_http_push_publish.h"


/* what a WebSocket client publishes, which may outlive it */


typedef struct {
    ngx_http_push_later_t   later;
    ngx_push_publish_t      publish;
    ngx_http_push_said_t    said;
    ngx_pool_t             *pool;
} ngx_http_push_speech_t;


static ngx_int_t ngx_http_push_speak(ngx_http_push_client_t *client,
    ngx_http_push_speech_t *speech);
static ngx_int_t ngx_http_push_speech_words(ngx_http_push_speech_t *speech,
    ngx_str_t *user);
static ngx_int_t ngx_http_push_speech_word(ngx_pool_t *pool,
    ngx_str_t *word);
static void ngx_http_push_spoken(ngx_push_publish_t *p, ngx_int_t rc);


ngx_int_t
ngx_http_push_say(ngx_http_push_client_t *client, ngx_http_push_said_t *said)
{
    ngx_int_t                rc;
    ngx_uint_t               i;
    ngx_pool_t              *pool;
    ngx_http_push_speech_t  *speech;

    pool = ngx_create_pool(NGX_MIN_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    speech = ngx_pcalloc(pool, sizeof(ngx_http_push_speech_t));

    if (speech == NULL) {
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    speech->pool = pool;
    speech->said = *said;

    rc = ngx_http_push_speak(client, speech);

    if (rc == NGX_AGAIN) {
        return rc;
    }

    for (i = 0; i < said->ntargets; i++) {
        said->targets[i].outcome = speech->said.targets[i].outcome;
        said->targets[i].id = speech->said.targets[i].id;
    }

    ngx_destroy_pool(pool);

    return rc;
}


static ngx_int_t
ngx_http_push_speak(ngx_http_push_client_t *client,
    ngx_http_push_speech_t *speech)
{
    ngx_int_t                rc;
    ngx_push_target_t       *targets;
    ngx_push_publish_t      *p;
    ngx_http_push_said_t    *said;
    ngx_http_push_rights_t  *rights;

    p = &speech->publish;
    said = &speech->said;
    rights = ngx_http_push_rights(client);

    targets = ngx_palloc(speech->pool,
                         said->ntargets * sizeof(ngx_push_target_t));
    if (targets == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(targets, said->targets,
               said->ntargets * sizeof(ngx_push_target_t));
    said->targets = targets;

    p->ttl = NGX_PUSH_NO_TTL;
    p->rules = client->conf->rules;
    p->targets = targets;
    p->ntargets = said->ntargets;
    p->pool = speech->pool;
    p->done = ngx_http_push_spoken;
    p->data = speech;

    if (ngx_http_push_speech_words(speech, &rights->user) != NGX_OK
        || ngx_http_push_prepare(speech->pool, p, &said->body) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_push_publish(client->conf->zone, p);

    if (rc == NGX_AGAIN) {
        ngx_http_push_later_add(client, &speech->later);
    }

    return rc;
}


/* these lie in what may be gone before the answer comes */

static ngx_int_t
ngx_http_push_speech_words(ngx_http_push_speech_t *speech, ngx_str_t *user)
{
    ngx_uint_t           i;
    ngx_push_publish_t  *p;

    p = &speech->publish;
    p->content_type = speech->said.content_type;
    p->event = speech->said.event;
    p->user = *user;

    for (i = 0; i < p->ntargets; i++) {
        if (ngx_http_push_speech_word(speech->pool, &p->targets[i].channel)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ngx_http_push_speech_word(speech->pool, &p->content_type) != NGX_OK
        || ngx_http_push_speech_word(speech->pool, &p->event) != NGX_OK
        || ngx_http_push_speech_word(speech->pool, &p->user) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_push_speech_word(ngx_pool_t *pool, ngx_str_t *word)
{
    u_char  *p;

    if (word->len == 0) {
        return NGX_OK;
    }

    p = ngx_pstrdup(pool, word);
    if (p == NULL) {
        return NGX_ERROR;
    }

    word->data = p;

    return NGX_OK;
}


static void
ngx_http_push_spoken(ngx_push_publish_t *p, ngx_int_t rc)
{
    ngx_uint_t               i;
    ngx_http_push_said_t    *said;
    ngx_http_push_speech_t  *speech;

    speech = p->data;
    said = &speech->said;

    for (i = 0; i < said->ntargets; i++) {
        if (said->targets[i].outcome > NGX_PUSH_REPEATED) {
            rc = NGX_DECLINED;
        }
    }

    ngx_http_push_later_remove(&speech->later);

    said->done(speech->later.client, said, rc);

    ngx_destroy_pool(speech->pool);
}
