
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_PUBLISH_H_INCLUDED_
#define _NGX_PUSH_PUBLISH_H_INCLUDED_


#include "ngx_push.h"


/* to the channels of this zone, as the null backplane does at once */

ngx_int_t ngx_push_channel_publish(ngx_push_zone_t *zone,
    ngx_push_publish_t *p);


#endif /* _NGX_PUSH_PUBLISH_H_INCLUDED_ */
