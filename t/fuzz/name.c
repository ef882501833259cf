
/*
 * Copyright (C) The ngx_push_module authors
 *
 * A list of channels: what is taken for a name is one, by the words of
 * the interface, and its parts make up the list.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_name.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void check(ngx_str_t *name);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char     *p;
    ngx_str_t   list, name;

    list.data = (u_char *) data;
    list.len = size;

    check(&list);

    p = (u_char *) data;

    while (ngx_push_name_next(&list, &name) == NGX_OK) {
        check(&name);

        /* a name begins behind the comma after the one before it */

        if (name.data != p || memchr(p, ',', name.len) != NULL) {
            abort();
        }

        p += name.len;

        if (p == data + size) {
            break;
        }

        if (*p != ',') {
            abort();
        }

        /* only the last comma stays, to be an empty name */

        p += (p + 1 < data + size || name.len == 0);
    }

    if (p != data + size || ngx_push_name_next(&list, &name) != NGX_DONE) {
        abort();
    }

    return 0;
}


static void
check(ngx_str_t *name)
{
    size_t  i;
    u_char  ch;

    if (ngx_push_name_check(name) != NGX_OK) {
        return;
    }

    if (name->len == 0 || name->len > 250) {
        abort();
    }

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if (ch < 0x20 || ch == 0x7f || ch == ',' || ch == '%' || ch == 0xc0
            || ch == 0xc1 || ch > 0xf4)
        {
            abort();
        }

        if (ch == 0xc2 && (i + 1 == name->len || name->data[i + 1] < 0xa0)) {
            abort();
        }
    }
}
