
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_REDIS_SENTINEL_H_INCLUDED_
#define _NGX_PUSH_REDIS_SENTINEL_H_INCLUDED_


#include "ngx_push_redis_connection.h"


/*
 * Where the master is.  Each worker has a connection to one of the sentinels,
 * asks it, and hears of every switch: so none of them stays with a master
 * that was replaced but still answers, whoever leads, and whether there is a
 * leader.
 */


#define NGX_PUSH_REDIS_HOST_LEN  255


/* host:port, and what is needed to connect to it */

typedef struct {
    ngx_push_redis_node_t         node;      /* port 0: not known */
    ngx_addr_t                    addr;
    ngx_sockaddr_t                sockaddr;
    u_char                        host[NGX_PUSH_REDIS_HOST_LEN + 1];
    u_char                        text[NGX_PUSH_REDIS_HOST_LEN
                                       + sizeof("[]:65535")];
} ngx_push_redis_place_t;


/* the caller zeroes it and sets the first fields */

struct ngx_push_redis_sentinel_s {
    ngx_push_redis_conf_t        *conf;
    ngx_push_redis_connection_t  *users[2];

    ngx_push_redis_connection_t   connection;
    ngx_push_redis_place_t        master;
    ngx_push_redis_place_t        other;     /* that one sentinel named */
    ngx_event_t                   timer;
    ngx_str_t                     why;       /* none of them answers */
    u_char                        cause[NGX_PUSH_REDIS_CAUSE_LEN];
    unsigned                      asking:1;
};


void ngx_push_redis_sentinel_start(ngx_push_redis_sentinel_t *s);
void ngx_push_redis_sentinel_stop(ngx_push_redis_sentinel_t *s);

/* NGX_OK, or NGX_DECLINED: it is no place */

ngx_int_t ngx_push_redis_place_set(ngx_push_redis_place_t *place,
    ngx_str_t *host, ngx_str_t *port);
void ngx_push_redis_place_copy(ngx_push_redis_place_t *to,
    ngx_push_redis_place_t *from);
ngx_uint_t ngx_push_redis_place_same(ngx_push_redis_place_t *one,
    ngx_push_redis_place_t *two);


#endif /* _NGX_PUSH_REDIS_SENTINEL_H_INCLUDED_ */
