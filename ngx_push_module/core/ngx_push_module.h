
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_MODULE_H_INCLUDED_
#define _NGX_PUSH_MODULE_H_INCLUDED_


#include "ngx_push.h"


extern ngx_module_t  ngx_push_module;


/* all zones of a configuration, ngx_push_zone_t * */

ngx_array_t *ngx_push_module_zones(ngx_cycle_t *cycle);


#endif /* _NGX_PUSH_MODULE_H_INCLUDED_ */
