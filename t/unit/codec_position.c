
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include "ngx_push_position.h"


static void test_words(void);
static void test_ids(void);
static void test_prefixes(void);


int
main(void)
{
    test_words();
    test_ids();
    test_prefixes();

    return done();
}


static void
test_words(void)
{
    size_t               i;
    ngx_int_t            rc;
    ngx_push_position_t  p;

    static const struct {
        const char  *value;
        ngx_uint_t   type;
        uint64_t     n;
    } v[] = {
        { "latest", NGX_PUSH_START_LATEST, 0 },
        { "earliest", NGX_PUSH_START_EARLIEST, 0 },
        { "last:1", NGX_PUSH_START_LAST, 1 },
        { "last:100", NGX_PUSH_START_LAST, 100 },
        { "last:0100", NGX_PUSH_START_LAST, 100 },
        { "last:1000000000", NGX_PUSH_START_LAST, 1000000000 },
        { "last:1000000001", NGX_PUSH_START_LAST, 1000000000 },
        { "last:18446744073709551616", NGX_PUSH_START_LAST, 1000000000 },
        { "last:99999999999999999999999999", NGX_PUSH_START_LAST,
          1000000000 },
        { "last:0", NGX_PUSH_START_LATEST, 0 },
        { "last:000", NGX_PUSH_START_LATEST, 0 },
        { "last:", NGX_PUSH_START_MALFORMED, 0 },
        { "last:-1", NGX_PUSH_START_MALFORMED, 0 },
        { "last:+1", NGX_PUSH_START_MALFORMED, 0 },
        { "last: 1", NGX_PUSH_START_MALFORMED, 0 },
        { "last:1x", NGX_PUSH_START_MALFORMED, 0 },
        { "last:0x10", NGX_PUSH_START_MALFORMED, 0 },
        { "last:1,2", NGX_PUSH_START_MALFORMED, 0 },
        { "LAST:1", NGX_PUSH_START_MALFORMED, 0 },
        { "", NGX_PUSH_START_MALFORMED, 0 },
        { " latest", NGX_PUSH_START_MALFORMED, 0 },
        { "latest ", NGX_PUSH_START_MALFORMED, 0 },
        { "a/b", NGX_PUSH_START_MALFORMED, 0 },
        { "a%20b", NGX_PUSH_START_MALFORMED, 0 },
        { "\xe6\x96\xb0", NGX_PUSH_START_MALFORMED, 0 },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        memset(&p, 0xdd, sizeof(p));

        rc = ngx_push_position_parse(codec_str(v[i].value,
                                               strlen(v[i].value)), &p);

        is_int(rc, v[i].type == NGX_PUSH_START_MALFORMED ? NGX_DECLINED
                                                         : NGX_OK,
               "\"%s\"", v[i].value);
        is_int(p.type, v[i].type, "its type");
        is_int(p.n, v[i].n, "its number");
        is_int(p.id.len, 0, "no id");
    }
}


static void
test_ids(void)
{
    int                  ch, good;
    char                 buf[3];
    size_t               i, bad;
    ngx_str_t           *s;
    ngx_push_position_t  p;

    static const char  *ids[] = {
        "3f2a91c0-00000000000042", "a", "-", "._-", "0", "last", "last-1",
        "latest1", "latestt", "early", "Latest", "lates", "EARLIEST",
        "c.8f3kQ_x-9.AAAA"
    };

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        s = codec_str(ids[i], strlen(ids[i]));
        is_int(ngx_push_position_parse(s, &p), NGX_OK, "%s", ids[i]);
        is_int(p.type, NGX_PUSH_START_ID, "is an id");
        is_str(&p.id, ids[i], "as it is");
    }

    is_int(ngx_push_position_parse(codec_fill('a', 5120), &p), NGX_OK,
           "5120 bytes");
    is_int(ngx_push_position_parse(codec_fill('a', 5121), &p), NGX_DECLINED,
           "5121 bytes");

    bad = 0;

    for (ch = 0; ch < 256; ch++) {
        good = (ch != '\0'
                && strchr("abcdefghijklmnopqrstuvwxyz0123456789._-"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ", ch) != NULL);

        for (i = 0; i < 3; i++) {
            memcpy(buf, "xyz", 3);
            buf[i] = ch;
            bad += ((ngx_push_position_parse(codec_str(buf, 3), &p) == NGX_OK)
                    != good);
        }
    }

    is_int(bad, 0, "every byte at the beginning, inside and at the end");
}


/* what is cut short is an id, malformed or a smaller number; never more */

static void
test_prefixes(void)
{
    size_t               i;
    ngx_push_position_t  p;

    static const char  value[] = "last:123";

    for (i = 0; i < sizeof(value) - 1; i++) {
        (void) ngx_push_position_parse(codec_str(value, i), &p);
        is_int(p.type, (i == 0 || i == 5) ? NGX_PUSH_START_MALFORMED
                       : (i < 5) ? NGX_PUSH_START_ID : NGX_PUSH_START_LAST,
               "\"%.*s\"", (int) i, value);
    }
}
