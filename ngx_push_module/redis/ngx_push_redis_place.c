
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_redis_sentinel.h"


/* a place as a sentinel names it: an address, or a name for the resolver */


static ngx_int_t ngx_push_redis_place_address(ngx_push_redis_place_t *place);


ngx_int_t
ngx_push_redis_place_set(ngx_push_redis_place_t *place, ngx_str_t *host,
    ngx_str_t *port)
{
    ngx_int_t  n;

    n = ngx_atoi(port->data, port->len);

    if (n < 1 || n > 65535
        || host->len == 0 || host->len > NGX_PUSH_REDIS_HOST_LEN
        || ngx_strlchr(host->data, host->data + host->len, '\0'))
    {
        return NGX_DECLINED;
    }

    ngx_memzero(place, sizeof(ngx_push_redis_place_t));

    ngx_memcpy(place->host, host->data, host->len);

    place->node.host.data = place->host;
    place->node.host.len = host->len;
    place->node.port = (in_port_t) n;

    if (ngx_push_redis_place_address(place) == NGX_OK) {
        ngx_inet_set_port(&place->sockaddr.sockaddr, place->node.port);

        place->node.naddrs = 1;
    }

    ngx_sprintf(place->text, place->node.literal ? "[%V]:%i%Z" : "%V:%i%Z",
                &place->node.host, n);

    return NGX_OK;
}


/* NGX_DECLINED: it is a name */

static ngx_int_t
ngx_push_redis_place_address(ngx_push_redis_place_t *place)
{
    in_addr_t             addr;
    ngx_str_t            *host;
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    host = &place->node.host;
    addr = ngx_inet_addr(host->data, host->len);

    if (addr != INADDR_NONE) {
        sin = &place->sockaddr.sockaddr_in;

        sin->sin_family = AF_INET;
        sin->sin_addr.s_addr = addr;

        place->addr.socklen = sizeof(struct sockaddr_in);

        return NGX_OK;
    }

#if (NGX_HAVE_INET6)

    sin6 = &place->sockaddr.sockaddr_in6;

    if (ngx_inet6_addr(host->data, host->len, sin6->sin6_addr.s6_addr)
        == NGX_OK)
    {
        sin6->sin6_family = AF_INET6;

        place->addr.socklen = sizeof(struct sockaddr_in6);
        place->node.literal = 1;

        return NGX_OK;
    }

#endif

    return NGX_DECLINED;
}


void
ngx_push_redis_place_copy(ngx_push_redis_place_t *to,
    ngx_push_redis_place_t *from)
{
    *to = *from;

    to->node.host.data = to->host;

    if (to->node.naddrs) {
        to->node.addrs = &to->addr;

        to->addr.sockaddr = &to->sockaddr.sockaddr;
        to->addr.name.data = to->text;
        to->addr.name.len = ngx_strlen(to->text);
    }
}


ngx_uint_t
ngx_push_redis_place_same(ngx_push_redis_place_t *one,
    ngx_push_redis_place_t *two)
{
    return one->node.port == two->node.port
           && ngx_strcmp(one->host, two->host) == 0;
}
