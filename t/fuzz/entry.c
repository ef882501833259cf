
/*
 * Copyright (C) The ngx_push_module authors
 *
 * Entries and the heads of announcements: what is accepted is written again
 * byte for byte.  What follows an accepted head is read as an entry, too.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_entry.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void check_entry(ngx_str_t *s);
static void check_head(ngx_str_t *s);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t  s;

    s.data = (u_char *) data;
    s.len = size;

    check_entry(&s);
    check_head(&s);

    return 0;
}


static void
check_entry(ngx_str_t *s)
{
    u_char            *p;
    ngx_int_t          rc;
    ngx_push_entry_t   e;

    rc = ngx_push_entry_read(s, &e);

    if (rc != NGX_OK) {
        if ((rc == NGX_DECLINED) != (s->len && s->data[0] != 1)) {
            abort();
        }

        return;
    }

    if (ngx_push_entry_size(&e) != s->len) {
        abort();
    }

    p = malloc(s->len);
    if (p == NULL) {
        abort();
    }

    if (ngx_push_entry_write(p, &e) != p + s->len
        || memcmp(p, s->data, s->len) != 0)
    {
        abort();
    }

    free(p);
}


static void
check_head(ngx_str_t *s)
{
    int                     n;
    char                    buf[256];
    ngx_int_t               rc;
    ngx_push_entry_head_t   h;

    rc = ngx_push_entry_head(s, &h);

    if (rc != NGX_OK) {
        if ((rc == NGX_DECLINED) != (s->len && s->data[0] != '1')) {
            abort();
        }

        return;
    }

    n = snprintf(buf, sizeof(buf), "1%c %u %u %llu %llu %llu\n", h.type,
                 h.life, h.term, (unsigned long long) h.began,
                 (unsigned long long) h.seq, (unsigned long long) h.time);

    if ((size_t) n + h.blob.len != s->len
        || h.blob.data != s->data + n
        || memcmp(s->data, buf, n) != 0)
    {
        abort();
    }

    check_entry(&h.blob);
}
