
/*
 * Copyright (C) The ngx_push_module authors
 *
 * Percent-decoding: the result never grows, decoding in place is the
 * same, and what is encoded again decodes to the same bytes.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_name.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void round_trip(ngx_str_t *s);
static void in_place(ngx_str_t *src, ngx_str_t *want);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char     *dst;
    ngx_str_t   src, out;

    src.data = (u_char *) data;
    src.len = size;

    dst = malloc(size);
    if (size && dst == NULL) {
        abort();
    }

    round_trip(&src);

    if (ngx_push_percent_decode(dst, &src, &out) == NGX_OK) {

        if (out.data != dst || out.len > size || (size - out.len) % 2) {
            abort();
        }

        if (memchr(data, '%', size) == NULL
            && (out.len != size || memcmp(dst, data, size) != 0))
        {
            abort();
        }

        in_place(&src, &out);

    } else if (memchr(data, '%', size) == NULL) {
        abort();
    }

    free(dst);

    return 0;
}


static void
in_place(ngx_str_t *src, ngx_str_t *want)
{
    ngx_str_t  s, out;

    s.len = src->len;
    s.data = malloc(s.len + 1);
    if (s.data == NULL) {
        abort();
    }

    memcpy(s.data, src->data, s.len);

    if (ngx_push_percent_decode(s.data, &s, &out) != NGX_OK
        || out.len != want->len
        || memcmp(out.data, want->data, want->len) != 0)
    {
        abort();
    }

    free(s.data);
}


static void
round_trip(ngx_str_t *s)
{
    size_t     i;
    ngx_str_t  encoded, out;

    encoded.len = s->len * 3;
    encoded.data = malloc(encoded.len + 1);
    if (encoded.data == NULL) {
        abort();
    }

    for (i = 0; i < s->len; i++) {
        sprintf((char *) encoded.data + i * 3, (i & 1) ? "%%%02x" : "%%%02X",
                s->data[i]);
    }

    if (ngx_push_percent_decode(encoded.data, &encoded, &out) != NGX_OK
        || out.len != s->len
        || memcmp(out.data, s->data, s->len) != 0)
    {
        abort();
    }

    free(encoded.data);
}
