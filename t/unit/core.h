
/*
 * Copyright (C) The ngx_push_module authors
 *
 * What the tests of core/ share: a zone with several simulated workers in
 * one process, time that the test moves, publishes whose bytes can be told
 * again from their event's name, and a check of all that a zone promises.
 */


#ifndef _CORE_H_INCLUDED_
#define _CORE_H_INCLUDED_


#include "unit.h"
#include "ngx_push_zone.h"
#include "ngx_push_hub.h"
#include "ngx_push_module.h"
#include "ngx_push_bell.h"
#include "ngx_push_channel.h"
#include "ngx_push_history.h"
#include "ngx_push_key.h"
#include "ngx_push_log.h"


#define CORE_CONNECTIONS  64

#define core_units(sh)                                                        \
    ((sh)->arena.end - (sh)->arena.first)
#define core_free_units(sh)                                                   \
    ((sh)->arena.units[NGX_PUSH_BLOCK_FREE])


/* what a test says of a publish; all zeros is a plain message */

typedef struct {
    size_t             size;                 /* of the body */
    const char        *topic;
    const char        *key;
    ngx_uint_t         ttl;                  /* seconds + 1, 0: none */
    unsigned           end:1;
    unsigned           empty:1;
    unsigned           first:1;
    ngx_push_id_t     *match;
    ngx_push_rules_t  *rules;
} core_say_t;


static ngx_time_t        core_clock;
static uint64_t          core_random_state;
static uint64_t          core_serial;
static ngx_push_rules_t  core_rules = { 600000, 3600000, 0, 1 << 20, 100 };
static ngx_push_publish_t  core_last;        /* of core_publish_to() */
static ngx_push_target_t   core_target;      /* of core_publish() */


ngx_array_t *
ngx_push_module_zones(ngx_cycle_t *cycle)
{
    (void) cycle;

    return NULL;
}


UNIT_UNUSED static void
core_advance(uint64_t ms)
{
    ms += (uint64_t) core_clock.sec * 1000 + core_clock.msec;

    core_clock.sec = ms / 1000;
    core_clock.msec = ms % 1000;

    ngx_cached_time = &core_clock;
}


UNIT_UNUSED static uint32_t
core_random(uint32_t n)
{
    core_random_state ^= core_random_state << 13;
    core_random_state ^= core_random_state >> 7;
    core_random_state ^= core_random_state << 17;

    return (core_random_state >> 16) % n;
}


/* PUSH_SEED=n repeats a run */

UNIT_UNUSED static void
core_seed(void)
{
    char  *seed;

    seed = getenv("PUSH_SEED");

    core_random_state = seed ? strtoull(seed, NULL, 10)
                             : (uint64_t) time(NULL) * 1000003 + getpid();

    printf("# PUSH_SEED=%llu\n", (unsigned long long) core_random_state);
}


UNIT_UNUSED static ngx_int_t
core_add_event(ngx_event_t *ev, ngx_int_t event, ngx_uint_t flags)
{
    ev->active = 1;

    return (event && flags) ? NGX_OK : NGX_OK;
}


UNIT_UNUSED static void
core_init(void)
{
    ngx_int_t                n;
    ngx_connection_t        *c;
    static ngx_event_t       events[2 * CORE_CONNECTIONS];
    static ngx_connection_t  connections[CORE_CONNECTIONS];

    unit_init();

    for (n = CORE_CONNECTIONS, c = NULL; n--; /* void */ ) {
        connections[n].data = c;
        connections[n].read = &events[2 * n];
        connections[n].write = &events[2 * n + 1];
        connections[n].fd = (ngx_socket_t) -1;
        c = &connections[n];
    }

    ngx_cycle->connections = connections;
    ngx_cycle->connection_n = CORE_CONNECTIONS;
    ngx_cycle->free_connections = c;
    ngx_cycle->free_connection_n = CORE_CONNECTIONS;
    ngx_queue_init((ngx_queue_t *) &ngx_cycle->reusable_connections_queue);

    ngx_event_actions.add = core_add_event;

    core_clock.sec = 1800000000;
    core_advance(0);
}


/* a zone of this size, and a handle on it */

UNIT_UNUSED static ngx_push_zone_t *
core_zone(size_t size, ngx_uint_t nbells)
{
    ngx_push_zone_t  *zone;

    zone = calloc(1, sizeof(ngx_push_zone_t));

    zone->shm_zone = unit_zone(size);
    zone->pool = (ngx_slab_pool_t *) zone->shm_zone->shm.addr;
    zone->backplane = &ngx_push_backplane_null;

    size = zone->pool->pfree * ngx_pagesize;

    zone->sh = ngx_slab_alloc(zone->pool, size);

    if (zone->sh == NULL
        || ngx_push_shared_init(zone->sh, size, nbells) != NGX_OK)
    {
        printf("Bail out! no zone\n");
        exit(2);
    }

    zone->pool->data = zone->sh;

    return zone;
}


/* another worker on it */

UNIT_UNUSED static ngx_push_zone_t *
core_worker(ngx_push_zone_t *zone)
{
    ngx_push_zone_t  *worker;

    worker = calloc(1, sizeof(ngx_push_zone_t));
    *worker = *zone;
    worker->hub = NULL;

    if (ngx_push_hub_start(worker) != NGX_OK || worker->hub == NULL) {
        printf("Bail out! no worker\n");
        exit(2);
    }

    return worker;
}


UNIT_UNUSED static void
core_stop(ngx_push_zone_t *worker)
{
    ngx_push_hub_t  *hub;

    hub = worker->hub;

    ngx_push_hub_stop(hub);

    if (hub->pump.posted) {
        ngx_delete_posted_event(&hub->pump);
    }

    free(worker);
}


UNIT_UNUSED static void
core_zone_free(ngx_push_zone_t *zone)
{
    unit_zone_free(zone->shm_zone);
    free(zone);
}


UNIT_UNUSED static ngx_str_t
core_str(const char *s)
{
    ngx_str_t  str;

    str.data = (u_char *) s;
    str.len = s ? strlen(s) : 0;

    return str;
}


#define core_byte(n, i)  (((n) * 31 + (i) * 7 + ((i) >> 8) + 1) & 0xff)


/* as the HTTP layer would render it; freed by core_unrender() */

UNIT_UNUSED static void
core_render(ngx_push_publish_t *p, core_say_t *say)
{
    u_char          *b;
    size_t           i;
    static u_char    name[32];
    static u_char    type[] = "text/plain";

    ngx_memzero(p, sizeof(ngx_push_publish_t));

    core_serial++;

    b = malloc(64 + say->size);

    p->bytes.data = b;
    b = ngx_cpymem(b, "12345\r\nid: ", 11);
    p->head = 7;
    p->id = b - p->bytes.data;
    b += NGX_PUSH_ID_LEN;
    b = ngx_cpymem(b, "\ndata: ", 7);
    p->body = b - p->bytes.data;
    p->body_size = say->size;

    for (i = 0; i < say->size; i++) {
        *b++ = core_byte(core_serial, i);
    }

    b = ngx_cpymem(b, "\n\n", 2);
    p->event_size = b - p->bytes.data - p->head;
    b = ngx_cpymem(b, "\r\n", 2);
    p->bytes.len = b - p->bytes.data;

    p->content_type.data = type;
    p->content_type.len = core_serial % 3 ? sizeof(type) - 1 : 0;
    p->event.data = name;
    p->event.len = ngx_sprintf(name, "%uL", core_serial) - name;

    p->topic = core_str(say->topic);
    p->key = core_str(say->key);
    p->ttl = say->ttl ? say->ttl - 1 : NGX_PUSH_NO_TTL;
    p->end = say->end;
    p->empty = say->empty;
    p->first = say->first;
    p->rules = say->rules ? say->rules : &core_rules;

    if (say->match) {
        p->matching = 1;
        p->match = *say->match;
    }
}


UNIT_UNUSED static ngx_int_t
core_publish_to(ngx_push_zone_t *zone, ngx_push_target_t *targets,
    ngx_uint_t n, core_say_t *say)
{
    ngx_int_t    rc;
    core_say_t   plain;

    if (say == NULL) {
        ngx_memzero(&plain, sizeof(core_say_t));
        plain.size = 100;
        say = &plain;
    }

    core_render(&core_last, say);

    core_last.targets = targets;
    core_last.ntargets = n;

    rc = ngx_push_publish(zone, &core_last);

    free(core_last.bytes.data);

    return rc;
}


/* the outcome; core_target has the rest */

UNIT_UNUSED static ngx_uint_t
core_publish(ngx_push_zone_t *zone, const char *channel, core_say_t *say)
{
    ngx_memzero(&core_target, sizeof(ngx_push_target_t));
    core_target.channel = core_str(channel);

    (void) core_publish_to(zone, &core_target, 1, say);

    return core_target.outcome;
}


UNIT_UNUSED static ngx_uint_t
core_publish_size(ngx_push_zone_t *zone, const char *channel, size_t size)
{
    core_say_t  say;

    ngx_memzero(&say, sizeof(core_say_t));
    say.size = size;

    return core_publish(zone, channel, &say);
}


UNIT_UNUSED static ngx_push_channel_t *
core_channel(ngx_push_zone_t *zone, const char *name)
{
    ngx_str_t  s;

    s = core_str(name);

    return ngx_push_channel_find(zone->sh, &s);
}


/* the serial number of a message that is whole, 0: it is not */

UNIT_UNUSED static uint64_t
core_message(ngx_push_arena_t *arena, ngx_push_message_t *m, uint64_t epoch)
{
    u_char         *p, *buf, id[NGX_PUSH_ID_LEN];
    size_t          i;
    uint64_t        n;
    ngx_str_t       type, event, topic, user;
    ngx_push_id_t   value;

    ngx_push_message_words(m, &type, &event, &topic, &user);

    for (n = 0, i = 0; i < event.len; i++) {
        n = n * 10 + event.data[i] - '0';
    }

    buf = malloc(m->size + 1);
    p = ngx_push_message_bytes(arena, m, buf);

    value.epoch = epoch;
    value.seq = m->seq;
    ngx_push_id_format(id, &value);

    if (m->head != 7
        || m->size != m->body + m->body_size + 4
        || m->event_size != m->size - 9
        || ngx_memcmp(p, "12345\r\nid: ", 11) != 0
        || ngx_memcmp(p + 11, id, NGX_PUSH_ID_LEN) != 0
        || ngx_memcmp(p + m->size - 4, "\n\n\r\n", 4) != 0)
    {
        n = 0;
    }

    for (i = 0; n && i < m->body_size; i++) {
        if (p[m->body + i] != core_byte(n, i)) {
            n = 0;
        }
    }

    free(buf);

    return n;
}


#endif /* _CORE_H_INCLUDED_ */
