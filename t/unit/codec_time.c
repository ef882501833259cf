
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include "ngx_push_time.h"


static void is_time(uint64_t ms, const char *want);
static void test_random(void);


int
main(void)
{
    codec_seed();

    is_time(0, "1970-01-01T00:00:00.000Z");
    is_time(1, "1970-01-01T00:00:00.001Z");
    is_time(999, "1970-01-01T00:00:00.999Z");
    is_time(1767323045678ULL, "2026-01-02T03:04:05.678Z");
    is_time(951825599999ULL, "2000-02-29T11:59:59.999Z");
    is_time(4102444799999ULL, "2099-12-31T23:59:59.999Z");
    is_time(2147483648000ULL, "2038-01-19T03:14:08.000Z");
    is_time(253402300799999ULL, "9999-12-31T23:59:59.999Z");
    is_time(253402300800000ULL, "9999-12-31T23:59:59.999Z");
    is_time(UINT64_MAX, "9999-12-31T23:59:59.999Z");

    test_random();

    return done();
}


static void
is_time(uint64_t ms, const char *want)
{
    u_char     buf[NGX_PUSH_TIME_LEN];
    ngx_str_t  got;

    got.data = buf;
    got.len = ngx_push_time_rfc3339(buf, ms) - buf;

    is_str(&got, want, "%llu is %s", (unsigned long long) ms, want);
}


/* against the C library */

static void
test_random(void)
{
    char       want[64];
    size_t     i, n, bad;
    time_t     t;
    u_char     buf[NGX_PUSH_TIME_LEN];
    uint64_t   ms;
    struct tm  tm;

    bad = 0;

    for (i = 0; i < 50000; i++) {
        ms = (((uint64_t) codec_random(UINT32_MAX) << 32)
              | codec_random(UINT32_MAX)) % 253402300800000ULL;
        t = (time_t) (ms / 1000);

        gmtime_r(&t, &tm);
        n = strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
        sprintf(want + n, ".%03dZ", (int) (ms % 1000));

        bad += (ngx_push_time_rfc3339(buf, ms) != buf + NGX_PUSH_TIME_LEN
                || memcmp(buf, want, NGX_PUSH_TIME_LEN) != 0);
    }

    is_int(bad, 0, "random times");
}
