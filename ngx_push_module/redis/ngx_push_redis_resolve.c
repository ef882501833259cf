
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_push_redis_connection.h"


/*
 * The addresses of an attempt.  With a resolver the name is looked up anew
 * each time, since it may have moved to another server; what was known
 * before serves while that fails.
 */


static void ngx_push_redis_resolved(ngx_resolver_ctx_t *ctx);
static ngx_addr_t *ngx_push_redis_resolve_copy(ngx_push_redis_connection_t *c,
    ngx_resolver_ctx_t *ctx);
static void ngx_push_redis_resolve_known(ngx_push_redis_connection_t *c,
    const char *cause);


void
ngx_push_redis_resolve(ngx_push_redis_connection_t *c)
{
    ngx_resolver_ctx_t     *ctx;
    ngx_push_redis_conf_t  *conf;

    conf = c->conf;

    /* names alone are looked up */

    if (conf->resolver == NULL || c->node->host.len == 0
        || ngx_push_redis_is_address(c->node) == NGX_OK)
    {
        ngx_push_redis_resolve_known(c, c->sentinel
                                     ? "a sentinel names it, and there is no "
                                       "\"resolver\" in http {}"
                                     : "was not found when NGINX started, and "
                                       "there is no \"resolver\" in http {}");
        return;
    }

    ctx = ngx_resolve_start(conf->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_push_redis_resolve_known(c, "cannot be looked up");
        return;
    }

    ctx->name = c->node->host;
    ctx->handler = ngx_push_redis_resolved;
    ctx->data = c;
    ctx->timeout = conf->resolver_timeout;
    ctx->cancelable = 1;

    c->resolving = ctx;

    /* on errors the context is gone; the handler may run before it returns */

    if (ngx_resolve_name(ctx) != NGX_OK) {
        c->resolving = NULL;
        ngx_push_redis_resolve_known(c, "cannot be looked up");
    }
}


void
ngx_push_redis_resolve_cancel(ngx_push_redis_connection_t *c)
{
    if (c->resolving) {
        ngx_resolve_name_done(c->resolving);
        c->resolving = NULL;
    }
}


ngx_int_t
ngx_push_redis_is_address(ngx_push_redis_node_t *node)
{
    if (node->literal
        || ngx_inet_addr(node->host.data, node->host.len) != INADDR_NONE)
    {
        return NGX_OK;
    }

    return NGX_DECLINED;
}


static void
ngx_push_redis_resolved(ngx_resolver_ctx_t *ctx)
{
    const char                   *cause;
    ngx_addr_t                   *addrs;
    ngx_push_redis_connection_t  *c;

    c = ctx->data;
    cause = NULL;

    if (ctx->state) {
        cause = ngx_resolver_strerror(ctx->state);

    } else {
        addrs = ngx_push_redis_resolve_copy(c, ctx);

        if (addrs) {

            if (c->resolved) {
                ngx_free(c->resolved);
            }

            c->resolved = addrs;
            c->addrs = addrs;
            c->naddrs = ctx->naddrs;

        } else {
            cause = "no memory";
        }
    }

    c->resolving = NULL;
    ngx_resolve_name_done(ctx);

    if (cause) {
        ngx_push_redis_resolve_known(c, cause);
        return;
    }

    ngx_push_redis_try(c);
}


static ngx_addr_t *
ngx_push_redis_resolve_copy(ngx_push_redis_connection_t *c,
    ngx_resolver_ctx_t *ctx)
{
    u_char           *p;
    ngx_uint_t        i, n;
    ngx_addr_t       *addrs;
    ngx_sockaddr_t   *sa;

    n = ctx->naddrs;

    p = ngx_alloc(n * (sizeof(ngx_addr_t) + sizeof(ngx_sockaddr_t)
                       + NGX_SOCKADDR_STRLEN),
                  c->log);
    if (p == NULL) {
        return NULL;
    }

    addrs = (ngx_addr_t *) p;
    sa = (ngx_sockaddr_t *) (addrs + n);
    p = (u_char *) (sa + n);

    for (i = 0; i < n; i++) {
        ngx_memcpy(&sa[i], ctx->addrs[i].sockaddr, ctx->addrs[i].socklen);

        ngx_inet_set_port(&sa[i].sockaddr, c->node->port);

        addrs[i].sockaddr = &sa[i].sockaddr;
        addrs[i].socklen = ctx->addrs[i].socklen;
        addrs[i].name.data = p;
        addrs[i].name.len = ngx_sock_ntop(&sa[i].sockaddr, addrs[i].socklen,
                                          p, NGX_SOCKADDR_STRLEN, 1);
        p += NGX_SOCKADDR_STRLEN;
    }

    return addrs;
}


/* goes on with the addresses of the last time, or of the start */

static void
ngx_push_redis_resolve_known(ngx_push_redis_connection_t *c,
    const char *cause)
{
    if (c->naddrs == 0) {
        c->addrs = c->node->addrs;
        c->naddrs = c->node->naddrs;
    }

    if (c->naddrs == 0) {
        ngx_push_redis_drop(c, "host \"%V\": %s", &c->node->host, cause);
        return;
    }

    ngx_push_redis_try(c);
}
