
/*
 * Copyright (C) The ngx_push_module authors
 *
 * Ids: what is accepted is written again byte for byte, and nothing else is.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char         buf[NGX_PUSH_ID_LEN];
    ngx_str_t      s;
    ngx_push_id_t  id;

    s.data = (u_char *) data;
    s.len = size;

    if (ngx_push_id_parse(&s, &id) != NGX_OK) {
        return 0;
    }

    if (size != NGX_PUSH_ID_LEN
        || ngx_push_id_format(buf, &id) != buf + NGX_PUSH_ID_LEN
        || memcmp(buf, data, size) != 0)
    {
        abort();
    }

    return 0;
}
