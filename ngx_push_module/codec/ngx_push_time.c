
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_time.h"


/* 9999-12-31T23:59:59.999Z: later years need five digits */
#define NGX_PUSH_TIME_LAST  253402300799999ULL


u_char *
ngx_push_time_rfc3339(u_char *p, uint64_t ms)
{
    ngx_tm_t  tm;

    ms = ngx_min(ms, NGX_PUSH_TIME_LAST);

    ngx_gmtime((time_t) (ms / 1000), &tm);

    return ngx_sprintf(p, "%4d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                       tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                       tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec,
                       (int) (ms % 1000));
}
