
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_module.h"
#include "ngx_push_zone.h"
#include "ngx_push_hub.h"


/* the core module: opens the zones, starts and stops a hub for each */


static void *ngx_push_module_create_conf(ngx_cycle_t *cycle);
static ngx_int_t ngx_push_module_init(ngx_cycle_t *cycle);
static ngx_int_t ngx_push_module_init_process(ngx_cycle_t *cycle);
static void ngx_push_module_exit_process(ngx_cycle_t *cycle);


static ngx_core_module_t  ngx_push_module_ctx = {
    ngx_string("push"),
    ngx_push_module_create_conf,
    NULL
};


ngx_module_t  ngx_push_module = {
    NGX_MODULE_V1,
    &ngx_push_module_ctx,                  /* module context */
    NULL,                                  /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_push_module_init,                  /* init module */
    ngx_push_module_init_process,          /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_push_module_exit_process,          /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_array_t *
ngx_push_module_zones(ngx_cycle_t *cycle)
{
    return (ngx_array_t *) ngx_get_conf(cycle->conf_ctx, ngx_push_module);
}


ngx_push_zone_t *
ngx_push_zone_add(ngx_conf_t *cf, ngx_str_t *name, size_t size)
{
    return ngx_push_zone_create(cf, ngx_push_module_zones(cf->cycle), name,
                                size);
}


static void *
ngx_push_module_create_conf(ngx_cycle_t *cycle)
{
    return ngx_array_create(cycle->pool, 2, sizeof(ngx_push_zone_t *));
}


static ngx_int_t
ngx_push_module_init(ngx_cycle_t *cycle)
{
    return ngx_push_zone_open(cycle, ngx_push_module_zones(cycle));
}


static ngx_int_t
ngx_push_module_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t         i;
    ngx_array_t       *zones;
    ngx_push_zone_t  **zp;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    zones = ngx_push_module_zones(cycle);
    zp = zones->elts;

    for (i = 0; i < zones->nelts; i++) {
        if (ngx_push_hub_start(zp[i]) != NGX_OK) {
            return NGX_ERROR;
        }

        if (zp[i]->backplane->start
            && zp[i]->backplane->start(zp[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_push_module_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t         i;
    ngx_array_t       *zones;
    ngx_push_zone_t  **zp;

    zones = ngx_push_module_zones(cycle);
    zp = zones->elts;

    for (i = 0; i < zones->nelts; i++) {
        if (zp[i]->backplane->stop) {
            zp[i]->backplane->stop(zp[i]);
        }

        if (zp[i]->hub) {
            ngx_push_hub_stop(zp[i]->hub);
        }
    }
}
