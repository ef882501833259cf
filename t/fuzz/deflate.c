
/*
 * Copyright (C) The ngx_push_module authors
 *
 * The first byte of the input is a limit and a window.  The others are what
 * a client sends compressed, what is to be compressed for it, and an offer.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_deflate.h"


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void check_inflate(ngx_str_t *s, size_t limit);
static void check_deflate(ngx_str_t *s, ngx_uint_t window);
static void check_negotiate(ngx_str_t *s);


/* with level 0 nothing is logged */

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static ngx_log_t    log;
    static ngx_cycle_t  cycle;

    cycle.log = &log;
    ngx_cycle = &cycle;

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t  s;

    if (size == 0) {
        return 0;
    }

    s.data = (u_char *) data + 1;
    s.len = size - 1;

    check_inflate(&s, data[0] * data[0]);
    check_deflate(&s, NGX_PUSH_DEFLATE_MIN + data[0] % 7);
    check_negotiate(&s);

    return 0;
}


/* the same, whatever was before, and an exact limit */

static void
check_inflate(ngx_str_t *s, size_t limit)
{
    ngx_int_t  rc;
    ngx_str_t  text, again;

    rc = ngx_push_inflate(s, limit, &text);

    if (rc != NGX_OK) {

        if (rc != NGX_DECLINED && rc != NGX_ABORT) {
            abort();
        }

        /* what is broken early is so with room for more */

        if (rc == NGX_ABORT
            && ngx_push_inflate(s, limit + 1000, &text) != NGX_ABORT)
        {
            abort();
        }

        return;
    }

    if (text.len > limit
        || ngx_push_inflate(s, text.len, &again) != NGX_OK
        || again.len != text.len
        || memcmp(again.data, text.data, text.len) != 0)
    {
        abort();
    }

    ngx_free(again.data);

    if (text.len
        && ngx_push_inflate(s, text.len - 1, &again) != NGX_DECLINED)
    {
        abort();
    }

    check_deflate(&text, NGX_PUSH_DEFLATE_MAX);
    ngx_free(text.data);
}


static void
check_deflate(ngx_str_t *s, ngx_uint_t window)
{
    ngx_int_t  rc;
    ngx_str_t  packed, text;

    packed.data = malloc(ngx_push_deflate_bound(s->len));
    if (packed.data == NULL) {
        abort();
    }

    rc = ngx_push_deflate(s, window, &packed);

    if (rc == NGX_OK) {

        if (packed.len >= s->len
            || ngx_push_inflate(&packed, s->len, &text) != NGX_OK
            || text.len != s->len
            || memcmp(text.data, s->data, s->len) != 0)
        {
            abort();
        }

        ngx_free(text.data);

    } else if (rc != NGX_DECLINED) {
        abort();
    }

    free(packed.data);
}


/* what we answer could be offered, with the same meaning */

static void
check_negotiate(ngx_str_t *s)
{
    u_char                    answer[NGX_PUSH_DEFLATE_ANSWER];
    ngx_str_t                 value;
    ngx_push_deflate_offer_t  offer, again;

    if (ngx_push_deflate_negotiate(s, &offer) != NGX_OK) {
        return;
    }

    value.data = answer;
    value.len = ngx_push_deflate_answer(answer, &offer) - answer;

    if (offer.window < NGX_PUSH_DEFLATE_MIN
        || offer.window > NGX_PUSH_DEFLATE_MAX
        || value.len > sizeof(answer)
        || ngx_push_deflate_negotiate(&value, &again) != NGX_OK
        || again.window != offer.window
        || again.client_window != offer.client_window
        || again.server_bits != offer.server_bits
        || again.client_bits != offer.client_bits)
    {
        abort();
    }
}
