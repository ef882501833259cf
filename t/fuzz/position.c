
/*
 * Copyright (C) The ngx_push_module authors
 *
 * Where to start: everything is one of the kinds, with what belongs to it.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_position.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_int_t            rc;
    ngx_str_t            value;
    ngx_push_position_t  p;

    value.data = (u_char *) data;
    value.len = size;

    rc = ngx_push_position_parse(&value, &p);

    if ((rc == NGX_OK) != (p.type < NGX_PUSH_START_MALFORMED)
        || (rc == NGX_DECLINED) != (p.type == NGX_PUSH_START_MALFORMED)
        || (p.type == NGX_PUSH_START_LAST) != (p.n != 0)
        || (p.type == NGX_PUSH_START_ID) != (p.id.len != 0)
        || p.n > NGX_PUSH_POSITION_LAST_MAX)
    {
        abort();
    }

    if (p.type == NGX_PUSH_START_ID
        && (p.id.data != data || p.id.len != size || size > NGX_PUSH_POSITION_ID_MAX
            || memchr(data, ':', size) != NULL
            || memchr(data, '\n', size) != NULL
            || memchr(data, '\0', size) != NULL))
    {
        abort();
    }

    return 0;
}
