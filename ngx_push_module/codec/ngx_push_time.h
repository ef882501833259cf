
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_TIME_H_INCLUDED_
#define _NGX_PUSH_TIME_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Time as text (RFC 3339).
 */


#define NGX_PUSH_TIME_LEN  (sizeof("2026-01-02T03:04:05.678Z") - 1)


/*
 * Writes ms, milliseconds since 1970, as NGX_PUSH_TIME_LEN bytes in UTC
 * and returns their end.  What is later than the year 9999 becomes its
 * last moment.
 */
u_char *ngx_push_time_rfc3339(u_char *p, uint64_t ms);


#endif /* _NGX_PUSH_TIME_H_INCLUDED_ */
