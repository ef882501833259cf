
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_BACKPLANE_H_INCLUDED_
#define _NGX_PUSH_BACKPLANE_H_INCLUDED_


#include "ngx_push.h"


/*
 * The way to other pods.  "publish" and "inquire" have the answers of
 * ngx_push_publish() and ngx_push_inquire(); a zone without other pods does
 * both by itself, and has none of the rest.  "start" and "stop" are called
 * in a worker that has its hub, "leave" when it is to exit gracefully,
 * "tick" every second, and "wake" in the worker that leads when channels
 * are wanted.
 */

typedef struct {
    const char  *name;
    ngx_int_t  (*publish)(ngx_push_zone_t *zone, ngx_push_publish_t *p);
    ngx_int_t  (*inquire)(ngx_push_zone_t *zone, ngx_push_inquiry_t *q);
    ngx_int_t  (*start)(ngx_push_zone_t *zone);
    void       (*leave)(ngx_push_zone_t *zone);
    void       (*stop)(ngx_push_zone_t *zone);
    void       (*tick)(ngx_push_zone_t *zone);
    void       (*wake)(ngx_push_zone_t *zone);
} ngx_push_backplane_t;


extern const ngx_push_backplane_t  ngx_push_backplane_null;


#endif /* _NGX_PUSH_BACKPLANE_H_INCLUDED_ */
