
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_POSITION_H_INCLUDED_
#define _NGX_PUSH_POSITION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Where a subscription starts, as a client or a configuration says it.
 */


/* the longest id that is looked at */
#define NGX_PUSH_POSITION_ID_MAX  5120

/* more than any channel keeps: a larger "last:N" is this one */
#define NGX_PUSH_POSITION_LAST_MAX  1000000000


typedef enum {
    NGX_PUSH_START_LATEST = 0,
    NGX_PUSH_START_EARLIEST,
    NGX_PUSH_START_LAST,
    NGX_PUSH_START_ID,
    NGX_PUSH_START_MALFORMED
} ngx_push_start_e;


typedef struct {
    ngx_uint_t  type;         /* ngx_push_start_e */
    uint64_t    n;            /* of NGX_PUSH_START_LAST, not 0 */
    ngx_str_t   id;           /* of NGX_PUSH_START_ID */
} ngx_push_position_t;


/*
 * Reads "earliest", "latest", "last:N" ("last:0" is "latest") or an id,
 * 1 to NGX_PUSH_POSITION_ID_MAX bytes of [A-Za-z0-9._-]; what the id says
 * is not looked at, and it points into the value.  NGX_OK, else
 * NGX_DECLINED with the type NGX_PUSH_START_MALFORMED.
 */
ngx_int_t ngx_push_position_parse(ngx_str_t *value, ngx_push_position_t *p);


#endif /* _NGX_PUSH_POSITION_H_INCLUDED_ */
