
/*
 * Copyright (C) The ngx_push_module authors
 *
 * Accept: one of what is allowed or nothing, and never what cannot have
 * been meant.  Content types ride along.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_accept.h"
#include "ngx_push_content.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void check_excluded(ngx_str_t *s);
static void check_content(ngx_str_t *s);
static ngx_uint_t has_json_name(ngx_str_t *subtype);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t   s;
    ngx_uint_t  allowed, got, all;

    s.data = (u_char *) data;
    s.len = size;

    all = ngx_push_accept_best(&s, 7);

    for (allowed = 0; allowed < 8; allowed++) {
        got = ngx_push_accept_best(&s, allowed);

        if ((got & ~allowed) || (got & (got - 1))) {
            abort();
        }

        /* what is best of all is best among fewer */

        if ((all & allowed) && got != all) {
            abort();
        }

        if (all == 0 && got) {
            abort();
        }
    }

    check_excluded(&s);
    check_content(&s);

    return 0;
}


/* no wildcard takes back what the exact types have refused */

static void
check_excluded(ngx_str_t *s)
{
    char       *text;
    ngx_str_t   accept;

    static const char  refused[] =
        "text/event-stream;q=0,application/x-ndjson;q=0,application/json;q=0,";

    text = malloc(sizeof(refused) + s->len);
    if (text == NULL) {
        abort();
    }

    memcpy(text, refused, sizeof(refused) - 1);
    memcpy(text + sizeof(refused) - 1, s->data, s->len);
    text[sizeof(refused) - 1 + s->len] = '\0';

    accept.data = (u_char *) text;
    accept.len = sizeof(refused) - 1 + s->len;

    if (memchr(s->data, '\0', s->len) == NULL
        && strcasestr(text + sizeof(refused) - 1, "json") == NULL
        && strcasestr(text + sizeof(refused) - 1, "stream") == NULL
        && ngx_push_accept_best(&accept, 7))
    {
        abort();
    }

    free(text);
}


static void
check_content(ngx_str_t *s)
{
    ngx_str_t  type, subtype;

    if (ngx_push_content_is_json(s) && !ngx_push_content_is_text(s)) {
        abort();
    }

    if (ngx_push_content_split(s, &type, &subtype) != NGX_OK) {

        if (s->len && ngx_push_content_is_text(s)) {
            abort();
        }

        return;
    }

    if (type.len == 0 || subtype.len == 0
        || type.data != s->data || type.data[type.len] != '/'
        || subtype.data != type.data + type.len + 1
        || subtype.data + subtype.len > s->data + s->len
        || ngx_push_content_is_json(s) != has_json_name(&subtype))
    {
        abort();
    }
}


static ngx_uint_t
has_json_name(ngx_str_t *subtype)
{
    size_t  n;

    n = subtype->len;

    return n >= 4 && strncasecmp((char *) subtype->data + n - 4, "json", 4) == 0
           && (n == 4 || (n > 5 && subtype->data[n - 5] == '+'));
}
