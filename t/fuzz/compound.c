
/*
 * Copyright (C) The ngx_push_module authors
 *
 * Compound ids: what is accepted is written again byte for byte; any values
 * are read as they were written.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_compound.h"


#define MAX  255


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void check_text(ngx_str_t *s);
static void check_values(const uint8_t *data, size_t size);
static void format(ngx_push_compound_t *c, ngx_uint_t n, ngx_str_t *s);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t  s;

    s.data = (u_char *) data;
    s.len = size;

    check_text(&s);
    check_values(data, size);

    return 0;
}


static void
check_text(ngx_str_t *s)
{
    ngx_int_t            n, i;
    ngx_str_t            again;
    ngx_push_compound_t  c[MAX];

    n = ngx_push_compound_parse(s, c, MAX);

    if (n == NGX_DECLINED) {
        return;
    }

    if (n < 1 || n > MAX || s->data[0] != '.') {
        abort();
    }

    for (i = 0; i < n; i++) {
        if (c[i].hash >> 20 || c[i].seq >> 56) {
            abort();
        }
    }

    format(c, n, &again);

    if (again.len != s->len || memcmp(again.data, s->data, s->len) != 0) {
        abort();
    }

    free(again.data);

    if (ngx_push_compound_parse(s, c, n - 1) != NGX_DECLINED) {
        abort();
    }
}


static void
check_values(const uint8_t *data, size_t size)
{
    uint64_t             word[2];
    ngx_str_t            s;
    ngx_int_t            n, i;
    ngx_push_compound_t  c[MAX], got[MAX];

    for (n = 0; n < MAX && size >= sizeof(word); n++) {
        memcpy(word, data, sizeof(word));
        data += sizeof(word);
        size -= sizeof(word);

        c[n].seq = (word[0] >> 8) >> (word[0] & 0x3f);
        c[n].hash = (uint32_t) word[1] & 0xfffff;
        c[n].epoch = (uint32_t) (word[1] >> 32);
    }

    if (n == 0) {
        return;
    }

    format(c, n, &s);

    if (ngx_push_compound_parse(&s, got, MAX) != n) {
        abort();
    }

    for (i = 0; i < n; i++) {
        if (got[i].hash != c[i].hash || got[i].epoch != c[i].epoch
            || got[i].seq != c[i].seq)
        {
            abort();
        }
    }

    free(s.data);
}


static void
format(ngx_push_compound_t *c, ngx_uint_t n, ngx_str_t *s)
{
    ngx_uint_t                  i;
    ngx_push_compound_writer_t  w;

    s->data = malloc(ngx_push_compound_size(n));
    if (s->data == NULL) {
        abort();
    }

    memset(&w, 0, sizeof(w));
    w.p = s->data;

    for (i = 0; i < n; i++) {
        ngx_push_compound_add(&w, &c[i]);
    }

    s->len = ngx_push_compound_end(&w) - s->data;
}
