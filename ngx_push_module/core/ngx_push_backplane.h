
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_BACKPLANE_H_INCLUDED_
#define _NGX_PUSH_BACKPLANE_H_INCLUDED_


#include "ngx_push.h"


/*
 * The way to other pods.  "publish" has the answers of
 * ngx_push_channel_publish(), which is what a zone without other pods uses.
 */

typedef struct {
    const char  *name;
    ngx_int_t  (*publish)(ngx_push_zone_t *zone, ngx_push_publish_t *p);
} ngx_push_backplane_t;


extern const ngx_push_backplane_t  ngx_push_backplane_null;


#endif /* _NGX_PUSH_BACKPLANE_H_INCLUDED_ */
