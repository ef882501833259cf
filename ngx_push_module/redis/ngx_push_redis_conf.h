
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_REDIS_CONF_H_INCLUDED_
#define _NGX_PUSH_REDIS_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_redis_url.h"


/* one push_redis; its strings end in a zero byte */

typedef struct ngx_push_redis_conf_s  ngx_push_redis_conf_t;


struct ngx_push_redis_conf_s {
    ngx_push_redis_url_t   url;
    ngx_str_t              name;             /* the URL without secrets */
    ngx_str_t              zone;             /* empty: the first one */
    ngx_str_t              prefix;
    ngx_str_t              password_file;
    ngx_str_t              sentinel_password_file;
    ngx_str_t              ca;
    ngx_str_t              cert;
    ngx_str_t              key;
    ngx_flag_t             verify;
    ngx_flag_t             tls;
    ngx_uint_t             seen;             /* parameters, as bits */

    /* how the sentinels are asked, or NULL: there are none */
    ngx_push_redis_conf_t *sentinels;

    ngx_uint_t             replicas;         /* to wait for, or 0 */
    ngx_msec_t             replicated_timeout;
    ngx_msec_t             connect_timeout;
    ngx_msec_t             timeout;
    ngx_resolver_t        *resolver;         /* NULL: found at start alone */
    ngx_msec_t             resolver_timeout;
#if (NGX_SSL)
    ngx_ssl_t             *ssl;              /* with url.tls */
#endif
};


/* sets what holds unless a parameter says otherwise */

void ngx_push_redis_conf_init(ngx_push_redis_conf_t *conf);

/* reads one parameter; returns what the handler of a directive does */

char *ngx_push_redis_conf_parameter(ngx_conf_t *cf,
    ngx_push_redis_conf_t *conf, ngx_str_t *arg);

/*
 * With the URL and all parameters set: reads the password, finds addresses,
 * makes the TLS context.  Returns as well what a handler does.
 */

char *ngx_push_redis_conf_complete(ngx_conf_t *cf,
    ngx_push_redis_conf_t *conf);


#endif /* _NGX_PUSH_REDIS_CONF_H_INCLUDED_ */
