
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "core_check.h"


int
main(void)
{
    ngx_push_zone_t *zone;

    core_init();
    zone = core_zone(256 * 1024, 2);

    is_int(core_publish(zone, "a", NULL), NGX_PUSH_CREATED, "created");
    core_is_whole(zone, "whole");

    return done();
}
