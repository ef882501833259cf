
/*
 * Copyright (C) The ngx_push_module authors
 *
 * A worker is killed at every store it makes into the zone, for each kind of
 * work.  Another one, which reads from the zone all the while, then takes
 * the lock, and finds the zone whole: nothing that was answered is lost
 * without a word, no number is given twice, and nothing is left over.
 */


#include "core_check.h"
#include "crash.h"
#include <sys/wait.h>


#define CRASH_ZONE      (128 * 1024)
#define CRASH_CHANNELS  6
#define CRASH_LOG       128
#define CRASH_READERS   3                    /* on a, b, c */
#define CRASH_DIED      7
#define CRASH_MANY        1000000
#define CRASH_RECOVERIES  150


/* a channel as it was answered for, before the work that is cut short */

typedef struct {
    const char              *name;
    uint64_t                 epoch;          /* 0: there is none */
    uint64_t                 last;
    uint64_t                 serials[CRASH_LOG];
    ngx_uint_t               sealed;
} crash_channel_t;


typedef struct {
    const char              *name;
    void                   (*prepare)(void);
    void                   (*work)(void);

    /* what the work may do to channels, by their first letters */

    const char              *publishes;
    const char              *deletes;
    unsigned                 keyed:1;

    ngx_uint_t               points;         /* stores that it makes */
} crash_case_t;


typedef struct {
    ngx_push_subscription_t  s;
    const char              *channel;
    uint64_t                 has;
    ngx_uint_t               closed;
} crash_reader_t;


/* what a child leaves to its parent */

typedef struct {
    ngx_uint_t               done;
    ngx_uint_t               left;           /* stores that were not made */
    ngx_uint_t               outcome;
    char                     why[256];
} crash_note_t;


static ngx_push_zone_t   *crash_zone, *crash_a, *crash_b;
static u_char            *crash_first, *crash_last;
static u_char            *crash_image;
static uint32_t           crash_units;
static uint64_t           crash_serial;      /* of the work */
static crash_channel_t    crash_channels[CRASH_CHANNELS];
static crash_reader_t     crash_readers[CRASH_READERS];
static crash_reader_t     crash_others[8];   /* of the one that dies */
static crash_note_t      *crash_note;
static crash_case_t      *crash_case;

static ngx_uint_t         crash_points, crash_left;


#define crash_need(cond, ...)                                                 \
    if (!(cond)) {                                                            \
        snprintf(crash_note->why, sizeof(crash_note->why), __VA_ARGS__);      \
        _exit(1);                                                             \
    }


static void
crash_store(void *addr, size_t size)
{
    (void) size;

    if ((u_char *) addr < crash_first || (u_char *) addr >= crash_last) {
        return;
    }

    if (--crash_left == 0) {
        _exit(CRASH_DIED);
    }
}


/* the readers: those of the living one must not miss anything */

static ngx_int_t
crash_deliver(ngx_push_subscription_t *s, ngx_push_batch_t *b,
    ngx_uint_t what)
{
    ngx_uint_t       i;
    crash_reader_t  *r;

    r = (crash_reader_t *) s;

    switch (what) {

    case NGX_PUSH_MESSAGES:
        break;

    case NGX_PUSH_OVERRUN:
        r->has = b->floor;
        return NGX_OK;

    default:
        r->closed = what;
        ngx_push_hub_leave(s);
        return NGX_DONE;
    }

    for (i = 0; i < b->n; i++) {

        if (b->messages[i]->seq <= s->cursor) {
            continue;
        }

        crash_need(b->messages[i]->seq == r->has + 1,
                   "%s: %llu after %llu", r->channel,
                   (unsigned long long) b->messages[i]->seq,
                   (unsigned long long) r->has);
        crash_need(core_message(&b->zone->sh->arena, b->messages[i],
                                b->epoch), "a message is broken");

        r->has = b->messages[i]->seq;
    }

    return NGX_OK;
}


static void
crash_join(ngx_push_zone_t *worker, crash_reader_t *r, const char *channel)
{
    ngx_str_t         name;
    ngx_push_start_t  start;

    ngx_memzero(r, sizeof(crash_reader_t));
    ngx_memzero(&start, sizeof(ngx_push_start_t));

    name = core_str(channel);

    r->channel = channel;
    r->s.deliver = crash_deliver;

    if (ngx_push_hub_join(worker->hub, &r->s, &name, &start) == NGX_OK) {
        r->has = r->s.cursor;
        ngx_push_hub_resume(&r->s);
    }
}


static void
crash_pump(ngx_push_zone_t *worker)
{
    ngx_push_hub_pump(&worker->hub->pump);
}


static ngx_uint_t
crash_say(const char *channel, size_t size, const char *topic,
    const char *key)
{
    core_say_t  say;

    ngx_memzero(&say, sizeof(core_say_t));

    say.size = size;
    say.topic = topic;
    say.key = key;

    return core_publish(crash_b, channel, &say);
}


/* preparations; a, b and c have readers, d to f have none */

static void
crash_some(void)
{
    crash_say("a", 100, NULL, NULL);
    crash_say("a", 100, "t", NULL);
    crash_say("a", 700, NULL, "old");
    crash_say("b", 50, "u", NULL);
    crash_say("d", 50, NULL, "old");
    crash_say("d", 60, "t", NULL);
    crash_pump(crash_a);
    crash_pump(crash_b);
}


static void
crash_joined(void)
{
    crash_join(crash_b, &crash_others[0], "a");
    crash_join(crash_b, &crash_others[1], "a");
    crash_join(crash_b, &crash_others[2], "e");
    crash_some();
}


static void
crash_unread(void)
{
    crash_joined();
    crash_say("a", 100, NULL, NULL);
    crash_say("a", 100, "t", NULL);
    crash_say("e", 100, NULL, NULL);
}


static void
crash_fill(void)
{
    ngx_uint_t  n;

    crash_joined();

    for (n = 0; n < 300; n++) {
        crash_say("f", 900, NULL, NULL);
        crash_pump(crash_a);
    }
}


static void
crash_fragments(void)
{
    crash_joined();

    while (core_free_units(crash_zone->sh) > 200) {
        crash_say("e", 600, NULL, NULL);
        crash_say("d", 600, NULL, NULL);
        crash_pump(crash_a);
        crash_pump(crash_b);
    }

    core_rules.count = 3;
    crash_say("e", 10, NULL, NULL);
    core_rules.count = 100;
}


static void
crash_long(void)
{
    ngx_uint_t  n;

    crash_joined();

    for (n = 0; n < 40; n++) {
        crash_say("a", 40, n % 5 ? NULL : "t", NULL);
    }

    crash_pump(crash_a);
    crash_pump(crash_b);
}


static void
crash_dead(void)
{
    ngx_pid_t        pid;
    ngx_push_hub_t  *hub;

    crash_unread();

    pid = fork();

    if (pid == 0) {
        _exit(0);
    }

    waitpid(pid, NULL, 0);

    hub = crash_b->hub;
    hub->bell->gauges[1] = 5;
    hub->bell->pid = pid;

    /* it held a message, which has left the log since */

    ngx_push_history_hold(crash_zone->sh, hub->bell,
                          ngx_push_ptr(crash_zone->sh,
                                       crash_zone->sh->oldest));
    (void) ngx_push_history_evict(crash_zone->sh);

    core_advance(1000);
}


static void
crash_broken(void)
{
    ngx_push_block_t  *b;

    crash_joined();

    b = ngx_push_ptr(crash_zone->sh, crash_zone->sh->arena.first);
    b->tag ^= 1;

    crash_zone->sh->writer = 1;
}


/* what is cut short */

static void
crash_create(void)
{
    crash_say("new", 200, "t", "key");
}


static void
crash_append(void)
{
    crash_say("a", 200, NULL, "key");
}


static void
crash_collapse(void)
{
    crash_say("a", 200, "t", "key");
}


static void
crash_trim(void)
{
    core_rules.count = 2;
    crash_say("a", 200, NULL, NULL);
}


static void
crash_live(void)
{
    core_say_t  say;

    ngx_memzero(&say, sizeof(core_say_t));
    say.size = 100;
    say.ttl = 1;

    core_publish(crash_b, "a", &say);
}


static void
crash_no_history(void)
{
    core_rules.count = 0;
    core_rules.backlog = 150;
    crash_say("a", 100, NULL, NULL);
    crash_say("a", 100, NULL, NULL);
}


static void
crash_expired(void)
{
    core_advance(700000);
    crash_say("a", 100, NULL, NULL);
}


static void
crash_large(void)
{
    crash_say("a", 20000, NULL, "key");
}


static void
crash_many(void)
{
    ngx_uint_t         i;
    core_say_t         say;
    ngx_push_target_t  targets[4];

    ngx_memzero(&say, sizeof(core_say_t));
    ngx_memzero(targets, sizeof(targets));

    for (i = 0; i < 4; i++) {
        targets[i].channel = core_str(&"a\0b\0d\0n"[2 * i]);
    }

    say.size = 300;
    say.key = "key";
    say.topic = "t";

    (void) core_publish_to(crash_b, targets, 4, &say);
}


static void
crash_seal(void)
{
    core_say_t  say;

    ngx_memzero(&say, sizeof(core_say_t));
    say.size = 30;
    say.end = 1;
    say.key = "key";

    core_publish(crash_b, "a", &say);
}


static void
crash_seal_empty(void)
{
    core_say_t  say;

    ngx_memzero(&say, sizeof(core_say_t));
    say.end = 1;
    say.empty = 1;
    say.key = "key";

    core_publish(crash_b, "a", &say);
}


static void
crash_delete(void)
{
    ngx_str_t   name;
    ngx_uint_t  n;

    name = core_str("a");
    (void) ngx_push_channel_delete(crash_b, &name, &n);
}


static void
crash_join_new(void)
{
    crash_join(crash_b, &crash_others[5], "new");
}


static void
crash_join_old(void)
{
    crash_join(crash_b, &crash_others[5], "b");
}


static void
crash_leave(void)
{
    ngx_push_hub_leave(&crash_others[2].s);
    ngx_push_hub_leave(&crash_others[0].s);
    ngx_push_hub_leave(&crash_others[1].s);
}


static void
crash_pumped(void)
{
    crash_pump(crash_b);
}


static void
crash_tick(void)
{
    core_advance(360000);
    ngx_push_zone_tick(crash_b);
}


static void
crash_idle(void)
{
    ngx_uint_t  n;

    for (n = 0; n < 70; n++) {
        core_advance(3600000);
        ngx_push_zone_tick(crash_b);
    }
}


static void
crash_stop(void)
{
    core_stop(crash_b);
}


static void
crash_start(void)
{
    (void) core_worker(crash_zone);
}


static void
crash_recover(void)
{
    ngx_push_zone_lock(crash_b);
    ngx_push_zone_unlock(crash_b);
}


static crash_case_t  crash_cases[] = {
    { "create", crash_some, crash_create, "n", "", 1, 0 },
    { "append", crash_joined, crash_append, "a", "", 1, 0 },
    { "append to a short ring", crash_unread, crash_append, "a", "", 1, 0 },
    { "collapse", crash_joined, crash_collapse, "a", "", 1, 0 },
    { "collapse unread", crash_unread, crash_collapse, "a", "", 1, 0 },
    { "trim", crash_joined, crash_trim, "a", "", 0, 0 },
    { "trim a long log", crash_long, crash_trim, "a", "", 0, 0 },
    { "live only", crash_joined, crash_live, "a", "", 0, 0 },
    { "no history", crash_unread, crash_no_history, "aa", "", 0, 0 },
    { "expire", crash_joined, crash_expired, "a", "", 0, 0 },
    { "evict", crash_fill, crash_large, "a", "", 1, 0 },
    { "spanning", crash_fragments, crash_large, "a", "", 1, 0 },
    { "several channels", crash_joined, crash_many, "abdn", "", 1, 0 },
    { "several, full", crash_fill, crash_many, "abdn", "", 1, 0 },
    { "seal", crash_joined, crash_seal, "a", "", 1, 0 },
    { "seal, empty", crash_joined, crash_seal_empty, "", "", 1, 0 },
    { "delete", crash_unread, crash_delete, "", "a", 0, 0 },
    { "join a new channel", crash_some, crash_join_new, "", "", 0, 0 },
    { "join", crash_some, crash_join_old, "", "", 0, 0 },
    { "join, full", crash_fill, crash_join_new, "", "", 0, 0 },
    { "leave", crash_unread, crash_leave, "", "", 0, 0 },
    { "pump", crash_unread, crash_pumped, "", "", 0, 0 },
    { "tick", crash_unread, crash_tick, "", "", 0, 0 },
    { "idle channels", crash_some, crash_idle, "", "abcdef", 0, 0 },
    { "sweep", crash_dead, crash_tick, "", "", 0, 0 },
    { "stop", crash_unread, crash_stop, "", "", 0, 0 },
    { "start", crash_some, crash_start, "", "", 0, 0 },
    { "reset", crash_broken, crash_recover, "", "", 0, 0 },
};


/* the state that was answered for */

static void
crash_remember(void)
{
    ngx_uint_t           i, n;
    crash_channel_t     *c;
    ngx_push_channel_t  *ch;
    ngx_push_message_t  *m;
    static const char   *names[] = { "a", "b", "c", "d", "e", "f" };

    for (i = 0; i < CRASH_CHANNELS; i++) {
        c = &crash_channels[i];
        ngx_memzero(c, sizeof(crash_channel_t));

        c->name = names[i];
        ch = core_channel(crash_zone, c->name);

        if (ch == NULL) {
            continue;
        }

        c->epoch = ch->epoch;
        c->last = ch->last;
        c->sealed = ch->sealed;

        for (n = 0; n < ch->log.n; n++) {
            m = ngx_push_log_at(crash_zone->sh, &ch->log, n);

            if (m->flags & NGX_PUSH_MESSAGE_KEPT && m->seq < CRASH_LOG) {
                c->serials[m->seq] = core_message(&crash_zone->sh->arena, m,
                                                  ch->epoch);
            }
        }
    }

    crash_serial = core_serial + 1;
}


/* after recovery: channel by channel, against what was remembered */

static void
crash_check_channel(crash_channel_t *c)
{
    uint64_t             seq, serial, floor;
    ngx_uint_t           n, found;
    const char          *p;
    ngx_push_channel_t  *ch;
    ngx_push_message_t  *m;

    ch = core_channel(crash_zone, c->name);

    if (c->epoch == 0 || strchr(crash_case->deletes, c->name[0])) {
        return;
    }

    crash_need(ch != NULL, "channel %s is lost", c->name);
    crash_need(ch->epoch == c->epoch, "channel %s has another life", c->name);

    n = 0;

    for (p = crash_case->publishes; *p; p++) {
        n += (*p == c->name[0]);
    }

    crash_need(ch->last >= c->last && ch->last <= c->last + n,
               "channel %s: last %llu, was %llu", c->name,
               (unsigned long long) ch->last, (unsigned long long) c->last);

    floor = ngx_max(ch->floor, ch->trimmed);

    for (n = 0; n < ch->log.n; n++) {
        m = ngx_push_log_at(crash_zone->sh, &ch->log, n);
        serial = core_message(&crash_zone->sh->arena, m, ch->epoch);

        crash_need(m->seq <= c->last || serial >= crash_serial,
                   "channel %s: %llu is nothing published", c->name,
                   (unsigned long long) m->seq);
    }

    for (seq = 1; seq <= c->last && seq < CRASH_LOG; seq++) {
        n = ngx_push_log_after(crash_zone->sh, &ch->log, seq - 1);
        found = 0;

        if (n < ch->log.n) {
            m = ngx_push_log_at(crash_zone->sh, &ch->log, n);
            found = m->seq == seq
                    && core_message(&crash_zone->sh->arena, m, ch->epoch)
                       == c->serials[seq];
        }

        /* the second of "a" and of "d" may be collapsed */

        crash_need(found || c->serials[seq] == 0 || seq <= floor
                   || seq % 5 == 2 || strstr(crash_case->name, "several"),
                   "channel %s: %llu is lost", c->name,
                   (unsigned long long) seq);
    }
}


/* a key that is found answers for a number that was given, and only once */

static void
crash_check_key(void)
{
    uint64_t             last;
    ngx_uint_t           n, outcome;
    core_say_t           say;
    ngx_push_channel_t  *ch;
    char                 name[2];

    name[0] = crash_case->publishes[0] ? crash_case->publishes[0] : 'a';
    name[1] = '\0';

    if (strcmp(crash_case->name, "create") == 0) {
        return;
    }

    ch = core_channel(crash_zone, name);
    last = ch ? ch->last : 0;

    ngx_memzero(&say, sizeof(core_say_t));
    say.size = 10;
    say.key = "key";
    say.end = (strncmp(crash_case->name, "seal", 4) == 0);
    say.empty = (strcmp(crash_case->name, "seal, empty") == 0);

    outcome = core_publish(crash_a, name, &say);

    crash_need(outcome != NGX_PUSH_CREATED || !crash_note->done,
               "answered, and its key is lost");

    for (n = 0; n < CRASH_CHANNELS; n++) {
        if (crash_channels[n].name[0] != name[0]
            || outcome != NGX_PUSH_REPEATED)
        {
            continue;
        }

        crash_need(core_target.id.seq <= last,
                   "a key for number %llu that was never given",
                   (unsigned long long) core_target.id.seq);
        crash_need(say.empty || last == crash_channels[n].last + 1,
                   "a key without its message");
        crash_need(!say.end || core_channel(crash_zone, name)->sealed,
                   "a key for a seal that is not there");
    }
}


/* the living one's readers, and new messages for them */

static void
crash_check_readers(void)
{
    uint64_t             epoch, last;
    ngx_uint_t           i, sealed;
    crash_reader_t      *r;
    ngx_push_channel_t  *ch;

    for (i = 0; i < CRASH_CHANNELS; i++) {
        ch = core_channel(crash_zone, crash_channels[i].name);
        last = ch ? ch->last : 0;
        epoch = ch ? ch->epoch : 0;
        sealed = ch && ch->sealed;

        core_publish_size(crash_a, crash_channels[i].name, 77);

        crash_need(core_target.outcome == (sealed ? NGX_PUSH_SEALED
                                                  : NGX_PUSH_CREATED)
                   || core_target.outcome == NGX_PUSH_FULL,
                   "channel %s: publish is %lu", crash_channels[i].name,
                   (unsigned long) core_target.outcome);
        crash_need(core_target.outcome != NGX_PUSH_CREATED
                   || (core_target.id.seq == last + 1
                       && (epoch == 0 || core_target.id.epoch == epoch)),
                   "channel %s: a number is given twice",
                   crash_channels[i].name);
    }

    for (i = 0; i < 10; i++) {
        crash_pump(crash_a);
    }

    for (i = 0; i < CRASH_READERS; i++) {
        r = &crash_readers[i];
        ch = core_channel(crash_zone, r->channel);

        if (r->closed) {
            crash_need(r->closed != NGX_PUSH_LOST, "the zone is lost");
            continue;
        }

        crash_need(ch && r->has == ch->last, "a reader of %s stays at %llu",
                   r->channel, (unsigned long long) r->has);
        crash_need(r->s.group->listener->subscribers == 1,
                   "subscribers of %s", r->channel);
    }
}


/* when all are gone, nothing is left */

static void
crash_check_rest(void)
{
    ngx_uint_t  i;

    for (i = 0; i < CRASH_READERS; i++) {
        if (crash_readers[i].closed == 0) {
            ngx_push_hub_leave(&crash_readers[i].s);
        }
    }

    crash_need(core_check(crash_zone), "all left: %s", core_why);

    while (ngx_push_channel_make_room(crash_zone->sh) == NGX_OK) {
        /* void */
    }

    core_advance(NGX_PUSH_KEY_AGE);
    ngx_push_key_expire(crash_zone->sh);

    crash_need(core_check(crash_zone), "all gone: %s", core_why);
    crash_need(core_free_units(crash_zone->sh) == crash_units,
               "%u units free of %u", core_free_units(crash_zone->sh),
               crash_units);
}


static void
crash_check(ngx_uint_t lost)
{
    ngx_uint_t        i;
    ngx_push_bell_t  *bell;

    ngx_push_zone_lock(crash_a);
    ngx_push_zone_unlock(crash_a);

    crash_need(core_check(crash_zone), "%s", core_why);
    crash_need(crash_zone->sh->generation == 0, "the zone was reset");

    for (i = 0; i < CRASH_CHANNELS; i++) {
        crash_check_channel(&crash_channels[i]);
    }

    ngx_push_zone_tick(crash_a);

    bell = ngx_push_bells(crash_zone->sh);

    for (i = 0; i < crash_zone->sh->nbells; i++) {
        crash_need(bell[i].pid == 0 || bell[i].pid == getppid(),
                   "bell %lu is still owned", (unsigned long) i);
        crash_need(bell[i].pid || (bell[i].gauges[1] == 0
                                   && bell[i].nheld == 0),
                   "bell %lu has a gauge", (unsigned long) i);
    }

    if (crash_case->keyed && !lost) {
        crash_check_key();
    }

    crash_check_readers();

    crash_need(core_check(crash_zone), "after publishing: %s", core_why);

    crash_check_rest();
    _exit(0);
}


/* as the worker that is killed at its n-th store */

static ngx_pid_t
crash_run(void (*work)(void), ngx_uint_t n)
{
    int         status;
    ngx_pid_t   pid;

    crash_note->done = 0;

    pid = fork();

    if (pid == 0) {
        ngx_pid = getpid();

        if (crash_b->hub->bell->pid == getppid()) {
            crash_b->hub->bell->pid = ngx_pid;
            crash_b->hub->bell->start = 0;
        }

        alarm(10);

        crash_left = n;
        crash_hook = crash_store;
        work();
        crash_hook = NULL;

        crash_note->left = crash_left;
        crash_note->done = 1;
        _exit(0);
    }

    waitpid(pid, &status, 0);

    if (!WIFEXITED(status) || (WEXITSTATUS(status) != CRASH_DIED
                               && WEXITSTATUS(status) != 0))
    {
        snprintf(crash_note->why, sizeof(crash_note->why),
                 "the worker itself failed: %x", status);
    }

    /* what the master does */

    ngx_shmtx_force_unlock(&crash_zone->pool->mutex, pid);

    return pid;
}


/* a row of blocks that is broken: all is lost, and all are told */

static void
crash_check_reset(void)
{
    ngx_uint_t  i;

    ngx_push_zone_lock(crash_a);
    ngx_push_zone_unlock(crash_a);

    crash_need(core_check(crash_zone), "%s", core_why);
    crash_need(crash_zone->sh->generation > 0, "the zone was not reset");
    crash_need(core_free_units(crash_zone->sh) == crash_units,
               "%u units free of %u", core_free_units(crash_zone->sh),
               crash_units);

    crash_pump(crash_a);
    ngx_push_zone_tick(crash_a);

    for (i = 0; i < CRASH_READERS; i++) {
        crash_need(crash_readers[i].closed == NGX_PUSH_LOST,
                   "a reader of %s is not told", crash_readers[i].channel);
    }

    for (i = 0; i < CRASH_CHANNELS; i++) {
        crash_need(core_publish(crash_a, crash_channels[i].name, NULL)
                   == NGX_PUSH_CREATED, "publish");
        crash_need(core_target.id.seq == 1
                   && core_target.id.epoch != crash_channels[i].epoch,
                   "a life goes on");
    }

    crash_need(core_check(crash_zone), "after publishing: %s", core_why);
    _exit(0);
}


static int
crash_checked(ngx_uint_t lost)
{
    int         status;
    ngx_pid_t   pid;

    if (crash_note->why[0]) {
        return 0;
    }

    pid = fork();

    if (pid == 0) {
        alarm(10);

        if (crash_case->work == crash_recover) {
            crash_check_reset();
        }

        crash_check(lost);
    }

    waitpid(pid, &status, 0);

    if (status == 0) {
        return 1;
    }

    if (crash_note->why[0] == '\0') {
        snprintf(crash_note->why, sizeof(crash_note->why),
                 "the check failed: %x", status);
    }

    return 0;
}


static void
crash_set_up(crash_case_t *c)
{
    ngx_uint_t  i;

    crash_case = c;
    crash_note->why[0] = '\0';

    core_rules.count = 100;
    core_rules.backlog = 1 << 20;

    crash_zone = core_zone(CRASH_ZONE, 2);
    crash_units = core_free_units(crash_zone->sh);
    crash_first = crash_zone->shm_zone->shm.addr;
    crash_last = crash_first + CRASH_ZONE;

    crash_a = core_worker(crash_zone);
    crash_b = core_worker(crash_zone);

    for (i = 0; i < CRASH_READERS; i++) {
        crash_join(crash_a, &crash_readers[i], &"a\0b\0c"[2 * i]);
    }

    c->prepare();
    crash_remember();

    ngx_memcpy(crash_image, crash_first, CRASH_ZONE);
}


static void
crash_restore(void)
{
    ngx_memcpy(crash_first, crash_image, CRASH_ZONE);
}


static void
crash_clear(void)
{
    crash_restore();
    core_stop(crash_a);
    core_stop(crash_b);
    core_zone_free(crash_zone);
}


/* every store of the work */

static void
crash_walk(crash_case_t *c)
{
    ngx_uint_t  n;

    crash_set_up(c);

    for (n = 1; /* void */ ; n++) {
        crash_restore();
        crash_run(c->work, n);

        if (!crash_checked(0) || crash_note->done) {
            break;
        }
    }

    if (!ok(crash_note->why[0] == '\0', "%s: %lu points", c->name,
            (unsigned long) n))
    {
        printf("#   at point %lu: %s\n", (unsigned long) n, crash_note->why);
    }

    c->points = n;
    crash_points += n;
    crash_clear();
}


/* any store of the work, and then any of the recovery */

static void
crash_walk_recovery(crash_case_t *c)
{
    ngx_uint_t  i, n, m;

    crash_set_up(c);

    n = 0;
    m = 0;

    for (i = 0; i < CRASH_RECOVERIES; i++) {

        n = 1 + core_random(c->points);

        crash_restore();
        crash_run(c->work, n);

        /* how many there are */

        crash_run(crash_recover, CRASH_MANY);
        m = 1 + core_random(CRASH_MANY - crash_note->left);

        crash_restore();
        crash_run(c->work, n);
        crash_run(crash_recover, m);

        if (!crash_checked(1)) {
            break;
        }
    }

    if (!ok(crash_note->why[0] == '\0', "recovery after %s", c->name)) {
        printf("#   at point %lu, then %lu: %s\n", (unsigned long) n,
               (unsigned long) m, crash_note->why);
    }

    crash_points += i;
    crash_clear();
}


int
main(void)
{
    ngx_uint_t  i, partial;

    core_init();
    core_seed();

    unit_log.log_level = NGX_LOG_EMERG;

    crash_note = mmap(NULL, sizeof(crash_note_t), PROT_READ|PROT_WRITE,
                      MAP_ANON|MAP_SHARED, -1, 0);
    crash_image = malloc(CRASH_ZONE);

    for (partial = 0; partial < 2; partial++) {
        crash_partial = partial;

        for (i = 0; i < sizeof(crash_cases) / sizeof(crash_cases[0]); i++) {
            crash_walk(&crash_cases[i]);
        }
    }

    for (i = 0; i < sizeof(crash_cases) / sizeof(crash_cases[0]); i++) {
        crash_walk_recovery(&crash_cases[i]);
    }

    printf("# %lu points\n", (unsigned long) crash_points);

    free(crash_image);

    return done();
}
