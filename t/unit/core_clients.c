
/*
 * Copyright (C) The ngx_push_module authors
 *
 * Clients with several channels: one that goes leaves all of them at once,
 * from inside of whatever it is told about one of them.
 */


#include "core_check.h"


#define CLIENTS          24
#define CLIENT_CHANNELS  6
#define CLIENT_NAMES     "a\0b\0c\0d\0e\0f\0g\0h"

#define client_name(i)   (&CLIENT_NAMES[2 * (i)])


typedef struct client_s  client_t;


typedef struct {
    ngx_push_subscription_t  s;
    client_t                *client;
    ngx_uint_t               channel;
    ngx_uint_t               got;
    ngx_uint_t               missed;         /* overruns, and where it began */
    unsigned                 joined:1;
    unsigned                 away:1;
} client_sub_t;


struct client_s {
    ngx_push_zone_t         *worker;
    ngx_uint_t               n;
    client_sub_t             subs[CLIENT_CHANNELS];
    ngx_uint_t               goes;           /* 1 + what it goes at */
    ngx_uint_t               lives;          /* grows as it goes */
    ngx_uint_t               lost;
    ngx_uint_t               told[NGX_PUSH_NOTHING + 1];
    ngx_uint_t               blocked;        /* percent */
    client_t                *takes;          /* goes with it */
    unsigned                 active:1;
    unsigned                 returns:1;      /* joins again at once */
    unsigned                 breaks:1;       /* the zone, when it gets some */
};


static ngx_push_zone_t  *zone, *one, *two;
static client_t          clients[CLIENTS];
static char              client_error[128];


#define client_fail(...)                                                      \
    if (client_error[0] == '\0') {                                            \
        snprintf(client_error, sizeof(client_error), __VA_ARGS__);            \
    }


static void client_join(client_t *c);


/* as a transport does: one subscription after the other */

static void
client_leave(client_t *c)
{
    ngx_uint_t  i;

    if (!c->active) {
        return;
    }

    c->active = 0;
    c->lives++;

    for (i = 0; i < c->n; i++) {

        if (c->subs[i].joined) {
            c->subs[i].joined = 0;
            ngx_push_hub_leave(&c->subs[i].s);
        }
    }
}


static void
client_go(client_t *c)
{
    client_t  *other;

    other = c->takes;
    c->takes = NULL;

    client_leave(c);

    if (other) {
        client_leave(other);
    }

    if (c->returns) {
        client_join(c);
    }
}


/* somebody wrote where he should not, and somebody died with the lock */

static void
break_zone(void)
{
    ngx_push_block_t  *b;

    b = ngx_push_ptr(zone->sh, zone->sh->arena.first);
    b->tag += 3;

    zone->sh->writer = 1;
}


static ngx_int_t
deliver(ngx_push_subscription_t *s, ngx_push_batch_t *b, ngx_uint_t what)
{
    client_t      *c;
    ngx_uint_t     i, lives;
    client_sub_t  *sub;

    sub = (client_sub_t *) s;
    c = sub->client;
    lives = c->lives;

    c->told[what]++;

    if (what == NGX_PUSH_LOST) {

        if (!c->active) {

            /* it is about to leave this one too */

            return NGX_DONE;
        }

        c->lost++;
        client_go(c);

        return NGX_DONE;
    }

    if (!c->active || !sub->joined) {
        client_fail("who has left is told %lu", (unsigned long) what);
    }

    if (c->breaks && what == NGX_PUSH_MESSAGES) {
        c->breaks = 0;
        break_zone();

        /* the lock is taken, and all is found out */

        if (c->takes) {
            client_leave(c->takes);
            c->takes = NULL;
        }

        if (c->lives != lives) {

            /* it was told by way of another of its channels */

            return NGX_DONE;
        }
    }

    if (c->goes == what + 1) {
        c->goes = 0;
        client_go(c);
        return NGX_DONE;
    }

    switch (what) {

    case NGX_PUSH_MESSAGES:

        if (core_random(100) < c->blocked) {
            sub->away = 1;
            return NGX_AGAIN;
        }

        for (i = 0; i < b->n; i++) {
            sub->got += (b->messages[i]->seq > s->cursor);
        }

        return NGX_OK;

    case NGX_PUSH_DELETED:
    case NGX_PUSH_ENDED:

        sub->joined = 0;
        ngx_push_hub_leave(s);

        return NGX_DONE;

    case NGX_PUSH_OVERRUN:
        sub->missed += b->floor - s->cursor;

        /* fall through */

    default:
        return NGX_OK;
    }
}


static void
client_join(client_t *c)
{
    ngx_str_t         name;
    ngx_uint_t        i;
    client_sub_t     *sub;
    ngx_push_start_t  start;

    for (i = 0; i < c->n; i++) {
        sub = &c->subs[i];

        ngx_memzero(&sub->s, sizeof(ngx_push_subscription_t));
        ngx_memzero(&start, sizeof(ngx_push_start_t));

        sub->client = c;
        sub->s.deliver = deliver;
        sub->s.asking = (core_random(2) == 0);
        sub->got = 0;

        name = core_str(client_name(sub->channel));

        if (ngx_push_hub_join(c->worker->hub, &sub->s, &name, &start)
            != NGX_OK)
        {
            client_fail("join");
            return;
        }

        sub->joined = 1;
        sub->away = 1;
        sub->missed = sub->s.cursor;
    }

    c->active = 1;
}


static ngx_int_t
client_resume(client_t *c)
{
    ngx_uint_t     i;
    client_sub_t  *sub;

    for (i = 0; i < c->n && c->active; i++) {
        sub = &c->subs[i];

        if (!sub->joined || !sub->away) {
            continue;
        }

        sub->away = 0;

        if (ngx_push_hub_resume(&sub->s) == NGX_DONE) {
            return NGX_DONE;
        }
    }

    return NGX_OK;
}


/* a client of the first n channels, beginning with one of them */

static client_t *
client_make(ngx_uint_t i, ngx_push_zone_t *worker, ngx_uint_t first,
    ngx_uint_t n)
{
    client_t    *c;
    ngx_uint_t   k;

    c = &clients[i];

    ngx_memzero(c, sizeof(client_t));

    c->worker = worker;
    c->n = n;

    for (k = 0; k < n; k++) {
        c->subs[k].channel = (first + k) % n;
    }

    client_join(c);

    return c;
}


static void
turn(ngx_push_zone_t *worker)
{
    ngx_uint_t  i;

    for (i = 0; i < 3; i++) {

        if (worker->hub->pump.posted) {
            ngx_delete_posted_event(&worker->hub->pump);
        }

        ngx_push_hub_pump(&worker->hub->pump);
    }
}


static ngx_uint_t
groups(ngx_push_zone_t *worker)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < worker->hub->ngroups; i++) {
        n += !((uintptr_t) worker->hub->groups[i] & 1)
             && worker->hub->groups[i] != NULL;
    }

    return n;
}


static ngx_uint_t
listeners(void)
{
    ngx_uint_t           n, i;
    ngx_push_channel_t  *ch;

    for (n = 0, i = 0; i < 8; i++) {
        ch = core_channel(zone, client_name(i));
        n += (ch && ch->listeners);
    }

    return n;
}


static void
set_up(void)
{
    core_rules.count = 0;
    core_rules.backlog = 1000;

    client_error[0] = '\0';

    zone = core_zone(256 * 1024, 2);
    one = core_worker(zone);
    two = core_worker(zone);
}


static void
tear_down(const char *name)
{
    ngx_uint_t  i;

    for (i = 0; i < CLIENTS; i++) {
        client_leave(&clients[i]);
    }

    turn(one);
    turn(two);

    if (!ok(client_error[0] == '\0', "as it must be: %s", name)) {
        printf("#   %s\n", client_error);
    }

    core_is_whole(zone, "whole: %s", name);
    is_int(groups(one) + groups(two), 0, "no group is left: %s", name);
    is_int(listeners(), 0, "nor a listener: %s", name);

    core_stop(one);
    core_stop(two);
    core_zone_free(zone);
}


static void
end(const char *channel)
{
    core_say_t  say;

    ngx_memzero(&say, sizeof(core_say_t));
    say.end = 1;
    say.empty = 1;

    core_publish(two, channel, &say);
}


/* two clients with three channels; the first goes when it is told "what" */

static void
test_leaves(ngx_uint_t what, ngx_uint_t returns, const char *word)
{
    ngx_str_t   name;
    ngx_uint_t  i, n;
    client_t   *c, *d;

    set_up();

    c = client_make(0, one, what % 3, 3);
    d = client_make(1, one, 0, 3);
    c->goes = what + 1;
    c->returns = returns;
    c->subs[1].s.asking = (what == NGX_PUSH_NOTHING);

    if (what == NGX_PUSH_NOTHING) {
        c->subs[0].s.asking = 0;
        c->subs[2].s.asking = 0;
    }

    if (what != NGX_PUSH_OVERRUN) {
        client_resume(c);
        client_resume(d);
        turn(one);
    }

    name = core_str("b");

    switch (what) {

    case NGX_PUSH_MESSAGES:
        core_publish(two, "b", NULL);
        break;

    case NGX_PUSH_OVERRUN:
        for (i = 0; i < 20; i++) {
            core_publish(two, "b", NULL);
        }

        client_resume(c);
        client_resume(d);
        break;

    case NGX_PUSH_DELETED:
        (void) ngx_push_channel_delete(two, &name, &n);
        break;

    case NGX_PUSH_ENDED:
        end("b");
        break;
    }

    turn(one);

    is_int(c->goes, 0, "%s: it goes", word);
    is_int(c->active, returns, "%s: as it should", word);
    is_int(c->told[what], 1, "%s: told once", word);
    is_int(core_channel(zone, "a")->listeners != 0, 1,
           "%s: the other one stays", word);
    is_int(d->lost, 0, "%s: unharmed", word);

    if (returns) {
        client_resume(c);
        turn(one);
    }

    core_publish(two, "c", NULL);
    turn(one);
    is_int(d->subs[2].got, 1, "%s: it gets what comes", word);
    is_int(c->subs[(5 - what % 3) % 3].got, returns, "%s: the first", word);

    client_leave(d);

    /* what is sealed is over for all who come */

    n = returns ? (what == NGX_PUSH_ENDED ? 2 : 3) : 0;
    is_int(groups(one), n, "%s: groups", word);

    tear_down(word);
}


/* the last one of all groups leaves from within one */

static void
test_alone(void)
{
    ngx_uint_t   i;
    client_t    *c;

    for (i = 0; i < 4; i++) {
        set_up();

        c = client_make(0, one, 0, 4);
        client_resume(c);
        turn(one);
        is_int(groups(one), 4, "four groups");

        c->goes = NGX_PUSH_MESSAGES + 1;
        core_publish(two, client_name(i), NULL);
        turn(one);

        ok(!c->active && groups(one) == 0, "none, from within the %lu.",
           (unsigned long) i + 1);

        tear_down("alone");
    }
}


/* a resume in a zone that was lost */

static void
test_resume_lost(void)
{
    client_t    *c, *d;
    ngx_uint_t   i;

    for (i = 0; i < 2; i++) {
        set_up();

        c = client_make(0, one, 0, 3);
        d = client_make(1, one, 1, 3);
        c->returns = i;
        client_resume(d);
        turn(one);

        break_zone();
        turn(one);

        is_int(d->lost, 1, "who waits is told");
        is_int(c->lost, 0, "who is away is not, yet");

        is_int(client_resume(c), NGX_DONE, "it is when it comes back");
        is_int(c->lost, 1, "once");
        is_int(c->active, i, "and has left");
        is_int(groups(one), i ? 3 : 0, "groups");

        if (i) {
            is_int(client_resume(c), NGX_OK, "a resume as any other");
            core_publish(two, "c", NULL);
            turn(one);
            is_int(c->subs[2].got, 1, "it gets what comes");
        }

        tear_down("resume");
    }
}


/* that the zone is lost is found out inside of a delivery */

static void
test_lost_inside(ngx_uint_t n, ngx_uint_t goes, ngx_uint_t blocked,
    const char *word)
{
    client_t  *c, *d, *e;

    set_up();

    c = client_make(0, one, 0, n);
    d = client_make(1, one, 1, 3);
    e = client_make(2, one, 0, 1);

    /* the last one of its channel takes the lock when it leaves */

    client_leave(e);
    e->subs[0].channel = 6;
    client_join(e);

    client_resume(c);
    client_resume(d);
    client_resume(e);
    turn(one);

    c->breaks = 1;
    c->takes = e;
    c->goes = goes ? NGX_PUSH_MESSAGES + 1 : 0;
    c->blocked = blocked;

    core_publish(two, "a", NULL);
    turn(one);

    is_int(d->lost, 1, "%s: the other one is told", word);

    if (c->active && blocked) {
        is_int(c->lost, 0, "%s: not who cannot take it", word);
        is_int(client_resume(c), NGX_DONE, "%s: until it can", word);
    }

    is_int(c->lost, n == 1 && goes ? 0 : 1, "%s: the one itself", word);
    is_int(c->active, 0, "%s: it has left", word);
    is_int(groups(one), 0, "%s: no group is left", word);

    client_join(d);
    client_resume(d);
    core_publish(two, "b", NULL);
    turn(one);
    is_int(d->subs[0].got, 1, "%s: all goes on", word);

    tear_down(word);
}


static void
random_client(ngx_uint_t i)
{
    client_t    *c;
    ngx_uint_t   k, n;

    c = &clients[i];
    n = 1 + core_random(CLIENT_CHANNELS);

    ngx_memzero(c, sizeof(client_t));

    c->worker = (i % 2) ? two : one;
    c->n = n;
    c->returns = core_random(2);
    c->blocked = core_random(3) ? 0 : core_random(60);

    k = core_random(8);

    for (n = 0; n < c->n; n++) {
        c->subs[n].channel = (k + n) % 8;
    }

    client_join(c);
}


static void
random_step(void)
{
    client_t    *c, *d;
    ngx_str_t    name;
    ngx_uint_t   n;

    c = &clients[core_random(CLIENTS)];
    n = core_random(100);

    if (n < 40) {
        core_publish(core_random(2) ? one : two, client_name(core_random(8)),
                     NULL);

    } else if (n < 60) {
        turn(core_random(2) ? one : two);

    } else if (n < 80) {

        if (c->active) {
            client_resume(c);
        }

    } else if (n < 90) {
        d = &clients[core_random(CLIENTS)];
        c->goes = 1 + core_random(6);
        c->takes = (d->worker == c->worker && d != c) ? d : NULL;

    } else if (n < 95) {
        client_leave(c);
        random_client(c - clients);

    } else if (n < 98) {
        name = core_str(client_name(core_random(8)));

        if (core_random(2)) {
            end((char *) name.data);
        }

        (void) ngx_push_channel_delete(one, &name, &n);

    } else if (core_random(6) == 0) {
        break_zone();

    } else {
        c->breaks = 1;
    }
}


/* all who stay get what is published at the end */

static void
test_random(ngx_uint_t run)
{
    ngx_uint_t     i, k, late;
    client_t      *c;
    client_sub_t  *sub;

    set_up();

    for (i = 0; i < CLIENTS; i++) {
        random_client(i);
    }

    for (i = 0; i < 3000 && client_error[0] == '\0'; i++) {
        random_step();

        if (i % 16 == 0 && zone->sh->writer == 0 && !core_check(zone)) {
            client_fail("after %lu: %s", (unsigned long) i, core_why);
        }
    }

    for (i = 0; i < CLIENTS; i++) {
        clients[i].goes = 0;
        clients[i].takes = NULL;
        clients[i].breaks = 0;
        clients[i].blocked = 0;
    }

    for (i = 0; i < 20; i++) {
        for (k = 0; k < CLIENTS; k++) {
            if (clients[k].active) {
                client_resume(&clients[k]);
            }
        }

        turn(one);
        turn(two);
    }

    for (i = 0; i < 8; i++) {
        core_publish(one, client_name(i), NULL);
    }

    turn(one);
    turn(two);

    late = 0;

    for (i = 0; i < CLIENTS; i++) {
        c = &clients[i];

        for (k = 0; c->active && k < c->n; k++) {
            sub = &c->subs[k];

            late += sub->joined
                    && sub->s.cursor
                       != core_channel(zone, client_name(sub->channel))->last;
            late += sub->joined && sub->got + sub->missed != sub->s.cursor;
        }
    }

    is_int(late, 0, "run %lu: all have all", (unsigned long) run);

    tear_down("random");
}


int
main(void)
{
    ngx_uint_t  n;

    core_init();
    core_seed();

    unit_log.log_level = NGX_LOG_EMERG;

    for (n = 0; n < 2; n++) {
        test_leaves(NGX_PUSH_MESSAGES, n, "messages");
        test_leaves(NGX_PUSH_OVERRUN, n, "overrun");
        test_leaves(NGX_PUSH_DELETED, n, "deleted");
        test_leaves(NGX_PUSH_ENDED, n, "ended");
        test_leaves(NGX_PUSH_NOTHING, n, "nothing");
    }

    test_alone();
    test_resume_lost();

    test_lost_inside(1, 1, 0, "one that goes");
    test_lost_inside(1, 0, 0, "one that stays");
    test_lost_inside(1, 0, 100, "one that is blocked");
    test_lost_inside(3, 1, 0, "several, going");
    test_lost_inside(3, 0, 0, "several, staying");
    test_lost_inside(3, 0, 100, "several, blocked");

    for (n = 0; n < 20; n++) {
        test_random(n);
    }

    return done();
}
