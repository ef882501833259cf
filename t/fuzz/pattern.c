
/*
 * Copyright (C) The ngx_push_module authors
 *
 * A pattern, LF and a name: a pattern is a name, too, and what it names is
 * what comparing segment by segment says.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_name.h"
#include "ngx_push_pattern.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static ngx_uint_t next(ngx_str_t *list, ngx_str_t *segment, u_char *divider);
static ngx_uint_t expected(ngx_str_t pattern, ngx_str_t name);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char     *p;
    ngx_uint_t  got;
    ngx_str_t   pattern, name, all = ngx_string("**");

    p = memchr(data, '\n', size);

    pattern.data = (u_char *) data;
    pattern.len = p ? (size_t) (p - data) : size;

    name.data = p ? p + 1 : (u_char *) data;
    name.len = p ? size - pattern.len - 1 : size;

    got = ngx_push_pattern_match(&pattern, &name);

    if (got > 1 || ngx_push_pattern_match(&all, &name) != (name.len != 0)) {
        abort();
    }

    if (ngx_push_pattern_check(&pattern) != NGX_OK) {
        return 0;
    }

    if (ngx_push_name_check(&pattern) != NGX_OK
        || got != expected(pattern, name))
    {
        abort();
    }

    /* it names itself */

    if (!ngx_push_pattern_match(&pattern, &pattern)) {
        abort();
    }

    return 0;
}


static ngx_uint_t
expected(ngx_str_t pattern, ngx_str_t name)
{
    u_char      p_divider, n_divider;
    ngx_str_t   p, n;
    ngx_uint_t  p_more, n_more;

    do {
        if (pattern.len == 2 && memcmp(pattern.data, "**", 2) == 0) {
            return name.len != 0;
        }

        p_more = next(&pattern, &p, &p_divider);
        n_more = next(&name, &n, &n_divider);

        if (p_more != n_more || p_divider != n_divider) {
            return 0;
        }

        if (p.len == 1 && p.data[0] == '*') {

            if (n.len == 0) {
                return 0;
            }

            continue;
        }

        if (p.len != n.len || memcmp(p.data, n.data, p.len) != 0) {
            return 0;
        }

    } while (p_more);

    return 1;
}


/* 1: a divider was behind it, and so is one more */

static ngx_uint_t
next(ngx_str_t *list, ngx_str_t *segment, u_char *divider)
{
    size_t  n;

    for (n = 0; n < list->len; n++) {
        if (strchr(":./", list->data[n]) != NULL && list->data[n]) {
            break;
        }
    }

    segment->data = list->data;
    segment->len = n;

    if (n == list->len) {
        *divider = '\0';
        return 0;
    }

    *divider = list->data[n];
    list->data += n + 1;
    list->len -= n + 1;

    return 1;
}
