
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_REDIS_URL_H_INCLUDED_
#define _NGX_PUSH_REDIS_URL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Where a Redis is:
 *
 *     redis://[user[:password]@]host[:port][/db]
 *     rediss://[user[:password]@]host[:port][/db]       the same over TLS
 *     unix:[//[user[:password]@]]/path[?db=db]
 *     sentinel://[user[:password]@]host[:port],.../name[/db]
 *
 * User, password and path may have %XX.
 */


#define NGX_PUSH_REDIS_PORT           6379
#define NGX_PUSH_REDIS_SENTINEL_PORT  26379
#define NGX_PUSH_REDIS_MAX_DB         65535
#define NGX_PUSH_REDIS_MAX_NAME       255


typedef struct {
    ngx_str_t               host;      /* an IPv6 address has no brackets */
    ngx_addr_t             *addrs;     /* as found at start */
    ngx_uint_t              naddrs;
    in_port_t               port;
    unsigned                literal:1; /* an IPv6 address */
} ngx_push_redis_node_t;


typedef struct {
    ngx_push_redis_node_t  *nodes;     /* Redis itself, or the sentinels */
    ngx_uint_t              nnodes;
    ngx_str_t               master;    /* what the sentinels call it */
    ngx_str_t               path;      /* of a socket; its node has no host */
    ngx_str_t               user;      /* empty: the default one */
    ngx_str_t               password;  /* data NULL: none */
    ngx_uint_t              db;
    unsigned                tls:1;
    unsigned                sentinels:1;
} ngx_push_redis_url_t;


/*
 * Takes a URL apart; what it finds is copied to the pool, with a zero byte
 * behind it.  NGX_OK, NGX_ERROR: no memory, NGX_DECLINED: not such a URL;
 * then "cause" says why and has no part of it, since a password that is not
 * escaped may stand anywhere.
 */
ngx_int_t ngx_push_redis_url_parse(ngx_pool_t *pool, ngx_str_t *text,
    ngx_push_redis_url_t *url, char **cause);


#endif /* _NGX_PUSH_REDIS_URL_H_INCLUDED_ */
