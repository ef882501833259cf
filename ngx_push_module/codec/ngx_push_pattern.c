
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_name.h"
#include "ngx_push_pattern.h"


static u_char *ngx_push_pattern_segment(u_char *p, u_char *last);


ngx_int_t
ngx_push_pattern_check(ngx_str_t *pattern)
{
    size_t   len;
    u_char  *p, *end, *last;

    if (ngx_push_name_check(pattern) != NGX_OK) {
        return NGX_DECLINED;
    }

    last = pattern->data + pattern->len;

    p = pattern->data;

    for ( ;; ) {
        end = ngx_push_pattern_segment(p, last);
        len = end - p;

        if (memchr(p, '*', len) != NULL && len != 1) {

            if (len != 2 || p[0] != p[1] || end != last) {
                return NGX_DECLINED;
            }
        }

        if (end == last) {
            return NGX_OK;
        }

        p = end + 1;
    }
}


/* a "*" begins a segment and fills it, so there is nothing to go back to */

ngx_uint_t
ngx_push_pattern_match(ngx_str_t *pattern, ngx_str_t *name)
{
    u_char  *p, *s, *end, *last, *name_last;

    if (pattern->len == 0 || name->len == 0) {
        return 0;
    }

    p = pattern->data;
    last = pattern->data + pattern->len;

    s = name->data;
    name_last = name->data + name->len;

    while (p < last && s < name_last) {

        if (*p == '*') {

            if (p + 1 < last && p[1] == '*') {
                return 1;
            }

            end = ngx_push_pattern_segment(s, name_last);

            if (end == s) {
                return 0;
            }

            p++;
            s = end;

            continue;
        }

        if (*p++ != *s++) {
            return 0;
        }
    }

    return p == last && s == name_last;
}


/* returns its end: a divider or the end of all */

static u_char *
ngx_push_pattern_segment(u_char *p, u_char *last)
{
    while (p < last && *p != ':' && *p != '.' && *p != '/') {
        p++;
    }

    return p;
}
