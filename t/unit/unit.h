
/*
 * Copyright (C) The ngx_push_module authors
 *
 * What every unit test needs: TAP, and enough of NGINX's start-up for its
 * pools, time, logs and shared zones to work without a server.
 */


#ifndef _UNIT_H_INCLUDED_
#define _UNIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/mman.h>


#define UNIT_UNUSED  __attribute__((unused))


static ngx_uint_t       unit_tests;
static ngx_uint_t       unit_failures;
static ngx_log_t        unit_log;
static ngx_open_file_t  unit_log_file;
static ngx_pool_t      *unit_pool;


/* NGINX allocates room for its process title and never frees it */

void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));


#define ok(cond, ...)                                                         \
    unit_ok((cond) ? 1 : 0, __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, ...)                                                \
    unit_is_int((int64_t) (got), (int64_t) (want), __FILE__, __LINE__,        \
                __VA_ARGS__)
#define is_str(got, want, ...)                                                \
    unit_is_str((got), (want), __FILE__, __LINE__, __VA_ARGS__)


/* one test; the name is a printf() format */

UNIT_UNUSED __attribute__((format(printf, 4, 5)))
static int
unit_ok(int passed, const char *file, int line, const char *fmt, ...)
{
    va_list  args;

    unit_tests++;
    printf("%sok %lu - ", passed ? "" : "not ", (unsigned long) unit_tests);

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    printf("\n");

    if (!passed) {
        unit_failures++;
        printf("#   failed at %s line %d\n", file, line);
    }

    fflush(stdout);

    return passed;
}


UNIT_UNUSED __attribute__((format(printf, 5, 6)))
static int
unit_is_int(int64_t got, int64_t want, const char *file, int line,
    const char *fmt, ...)
{
    char     name[256];
    va_list  args;

    va_start(args, fmt);
    vsnprintf(name, sizeof(name), fmt, args);
    va_end(args);

    if (!unit_ok(got == want, file, line, "%s", name)) {
        printf("#   got %lld, expected %lld\n", (long long) got,
               (long long) want);
        fflush(stdout);
        return 0;
    }

    return 1;
}


/* got is an ngx_str_t *, want a C string */

UNIT_UNUSED __attribute__((format(printf, 5, 6)))
static int
unit_is_str(ngx_str_t *got, const char *want, const char *file, int line,
    const char *fmt, ...)
{
    char     name[256];
    size_t   len;
    va_list  args;

    va_start(args, fmt);
    vsnprintf(name, sizeof(name), fmt, args);
    va_end(args);

    len = strlen(want);

    if (!unit_ok(got->len == len
                 && (len == 0 || memcmp(got->data, want, len) == 0),
                 file, line, "%s", name))
    {
        printf("#   got      '%.*s'\n#   expected '%s'\n", (int) got->len,
               (char *) got->data, want);
        fflush(stdout);
        return 0;
    }

    return 1;
}


/*
 * Starts as much of NGINX as works without a configuration.  Afterwards
 * ngx_cycle has a pool and a log (standard error, at level "warn"), and
 * unit_pool and &unit_log are for the test's own use.
 */

UNIT_UNUSED static void
unit_init(void)
{
    ngx_int_t           rc;
    static char        *argv[] = { "unit", NULL };
    static ngx_cycle_t  cycle;

    setvbuf(stdout, NULL, _IOLBF, 0);

    ngx_pid = ngx_getpid();
    ngx_parent = ngx_getppid();

    unit_log_file.fd = ngx_stderr;
    unit_log.file = &unit_log_file;
    unit_log.log_level = NGX_LOG_WARN;

    if (ngx_strerror_init() != NGX_OK) {
        exit(2);
    }

    ngx_time_init();
    ngx_log_init((u_char *) "", (u_char *) "");

    cycle.log = &unit_log;
    ngx_cycle = &cycle;

    if (__lsan_disable) {
        __lsan_disable();
    }

    ngx_os_argv = argv;
    rc = ngx_os_init(&unit_log);

    if (rc == NGX_OK) {
        rc = ngx_crc32_table_init();
    }

    if (__lsan_enable) {
        __lsan_enable();
    }

    if (rc != NGX_OK) {
        exit(2);
    }

    ngx_slab_sizes_init();

    cycle.pool = ngx_create_pool(NGX_CYCLE_POOL_SIZE, &unit_log);
    unit_pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, &unit_log);

    if (cycle.pool == NULL || unit_pool == NULL) {
        exit(2);
    }

    ngx_queue_init(&ngx_posted_accept_events);
    ngx_queue_init(&ngx_posted_next_events);
    ngx_queue_init(&ngx_posted_events);
    (void) ngx_event_timer_init(&unit_log);
}


/*
 * A zone as NGINX would make it: shared with children, its slab pool ready,
 * zone->init not called.  Not freed but by unit_zone_free().
 */

UNIT_UNUSED static ngx_shm_zone_t *
unit_zone(size_t size)
{
    u_char           *addr;
    ngx_shm_zone_t   *zone;
    ngx_slab_pool_t  *sp;

    zone = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_shm_zone_t));
    addr = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_ANON|MAP_SHARED, -1, 0);

    if (zone == NULL || addr == MAP_FAILED) {
        exit(2);
    }

    ngx_str_set(&zone->shm.name, "unit");
    zone->shm.addr = addr;
    zone->shm.size = size;
    zone->shm.log = &unit_log;

    sp = (ngx_slab_pool_t *) addr;
    sp->end = addr + size;
    sp->min_shift = 3;
    sp->addr = addr;

    if (ngx_shmtx_create(&sp->mutex, &sp->lock, NULL) != NGX_OK) {
        exit(2);
    }

    ngx_slab_init(sp);

    return zone;
}


UNIT_UNUSED static void
unit_zone_free(ngx_shm_zone_t *zone)
{
    munmap(zone->shm.addr, zone->shm.size);
}


/* return done() from main() */

UNIT_UNUSED static int
done(void)
{
    if (unit_pool) {
        ngx_destroy_pool(unit_pool);
        ngx_destroy_pool(ngx_cycle->pool);
    }

    printf("1..%lu\n", (unsigned long) unit_tests);

    return unit_failures ? 1 : 0;
}


#endif /* _UNIT_H_INCLUDED_ */
