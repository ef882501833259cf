
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "core.h"


static ngx_int_t
parse(const char *s, ngx_push_id_t *id)
{
    ngx_str_t  str;

    str = core_str(s);

    return ngx_push_id_parse(&str, id);
}


static void
test_format(void)
{
    u_char         buf[NGX_PUSH_ID_LEN + 1];
    ngx_str_t      s;
    ngx_push_id_t  id;

    id.epoch = 0;
    id.seq = 0;

    s.data = buf;
    s.len = ngx_push_id_format(buf, &id) - buf;
    is_str(&s, "AAAAAAAA-00000000000000", "zero");

    id.epoch = 0xffffffffffffULL;
    id.seq = 99999999999999ULL;

    s.len = ngx_push_id_format(buf, &id) - buf;
    is_str(&s, "________-99999999999999", "the greatest");

    id.epoch = 0x0123456789abULL;
    id.seq = 42;

    s.len = ngx_push_id_format(buf, &id) - buf;
    is_str(&s, "ASNFZ4mr-00000000000042", "some id");
    is_int(s.len, NGX_PUSH_ID_LEN, "its length");
}


static void
test_parse(void)
{
    ngx_push_id_t  id;

    is_int(parse("ASNFZ4mr-00000000000042", &id), NGX_OK, "some id");
    ok(id.epoch == 0x0123456789abULL && id.seq == 42, "its value");

    is_int(parse("", &id), NGX_DECLINED, "empty");
    is_int(parse("ASNFZ4mr-0000000000042", &id), NGX_DECLINED, "short");
    is_int(parse("ASNFZ4mr-000000000000042", &id), NGX_DECLINED, "long");
    is_int(parse("ASNFZ4mr_00000000000042", &id), NGX_DECLINED, "no dash");
    is_int(parse("ASNF-4mr-00000000000042", &id), NGX_DECLINED,
           "a dash in the epoch");
    is_int(parse("ASNFZ4mr-0000000000004a", &id), NGX_DECLINED,
           "a letter in the number");
    is_int(parse("ASNFZ4mr-000000000000-1", &id), NGX_DECLINED, "a sign");
    is_int(parse("ASNFZ4mr- 0000000000042", &id), NGX_DECLINED, "a space");
    is_int(parse("ASNF\xc3\xa4mr-00000000000042", &id), NGX_DECLINED,
           "no ASCII");
}


static void
test_random(void)
{
    u_char         buf[NGX_PUSH_ID_LEN];
    ngx_str_t      s;
    ngx_uint_t     i, n, same;
    ngx_push_id_t  id, back;

    s.data = buf;
    s.len = NGX_PUSH_ID_LEN;

    for (same = 0, n = 0; n < 20000; n++) {
        id.epoch = ((uint64_t) core_random(1 << 24) << 24)
                   | core_random(1 << 24);
        id.seq = (uint64_t) core_random(100000000) * 1000000
                 + core_random(1000000);

        ngx_push_id_format(buf, &id);

        same += ngx_push_id_parse(&s, &back) == NGX_OK
                && back.epoch == id.epoch && back.seq == id.seq;
    }

    is_int(same, n, "format and parse are inverse");

    for (n = 0, i = 0; i < 256; i++) {
        ngx_memcpy(buf, "AAAAAAAA-00000000000000", NGX_PUSH_ID_LEN);
        buf[3] = i;
        n += (ngx_push_id_parse(&s, &back) == NGX_OK);
    }

    is_int(n, 64, "64 digits of an epoch");
}


int
main(void)
{
    core_init();
    core_seed();

    test_format();
    test_parse();
    test_random();

    return done();
}
