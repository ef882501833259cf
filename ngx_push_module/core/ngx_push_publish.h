
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_PUBLISH_H_INCLUDED_
#define _NGX_PUSH_PUBLISH_H_INCLUDED_


#include "ngx_push_shared.h"


/* to the channels of this zone, as the null backplane does at once */

ngx_int_t ngx_push_channel_publish(ngx_push_zone_t *zone,
    ngx_push_publish_t *p);
ngx_int_t ngx_push_channel_inquire(ngx_push_zone_t *zone,
    ngx_push_inquiry_t *q);

/* under the lock: makes room for it; NULL: there is none to be made */

ngx_push_message_t *ngx_push_publish_message(ngx_push_shared_t *sh,
    ngx_push_publish_t *p);

void ngx_push_channel_rules(ngx_push_channel_t *ch, ngx_push_rules_t *rules);


#endif /* _NGX_PUSH_PUBLISH_H_INCLUDED_ */
