
/*
 * Copyright (C) The ngx_push_module authors
 */

/* The main process: the order of things, and the verdict. */


#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>


static void bench_processes(void);
static void bench_start(void);
static void bench_go(int signo);
static void bench_child(uint32_t index);
static int bench_live(bench_measures_t *m);
static int bench_replay(bench_measures_t *m);
static int bench_seal(void);
static int bench_stop(void);
static int bench_wait(int (*done)(void), const char *what);
static int bench_died(int options);
static int bench_hopeless(void);
static int bench_all_connected(void);
static int bench_all_published(void);
static int bench_all_received(void);
static int bench_all_ended(void);


bench_shared_t   *bench_shared;
int               bench_wake;

static uint32_t    bench_children_n;
static pid_t       bench_children[BENCH_PROCESSES + 1];


int
main(int argc, char **argv)
{
    int               status;
    bench_measures_t  m;

    signal(SIGPIPE, SIG_IGN);

    bench_parse(argc, argv);
    bench_processes();
    bench_message_init();

    memset(&m, 0, sizeof(m));
    bench_server(&m.fresh);
    bench_start();

    status = bench_options.replay ? bench_replay(&m) : bench_live(&m);

    if (status == 0) {
        status = bench_seal();
    }

    status |= bench_stop();

    return bench_report(&m) ? 1 : status;
}


/* as many as the limit of descriptors demands */

static void
bench_processes(void)
{
    uint32_t       most, need;
    struct rlimit  limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }

    most = limit.rlim_cur > BENCH_CLIENTS + 64 ? BENCH_CLIENTS
                                               : limit.rlim_cur - 64;
    need = (bench_options.subscribers + most - 1) / most;

    if (bench_options.processes < need) {
        bench_options.processes = need ? need : 1;
    }

    if (bench_options.processes == 0) {
        bench_options.processes = 1;
    }

    if (need > BENCH_PROCESSES) {
        fprintf(stderr, "%u processes, of %u connections each, would be "
                "needed\n", need, most);
        exit(2);
    }
}


static void
bench_start(void)
{
    uint32_t  i;

    bench_shared = mmap(NULL, sizeof(bench_shared_t), PROT_READ|PROT_WRITE,
                        MAP_SHARED|MAP_ANONYMOUS, -1, 0);
    bench_wake = eventfd(0, EFD_NONBLOCK);

    if (bench_shared == MAP_FAILED || bench_wake == -1) {
        perror("shared memory");
        exit(2);
    }

    if (bench_options.hold) {
        signal(SIGUSR1, bench_go);
    }

    for (i = 0; i <= bench_options.processes; i++) {
        bench_child(i);
    }
}


/* what is held goes on */

static void
bench_go(int signo)
{
    uint64_t  one;

    (void) signo;

    one = 1;
    bench_shared->go = 1;
    (void) !write(bench_wake, &one, sizeof(one));
}


/* the last one publishes */

static void
bench_child(uint32_t index)
{
    pid_t  pid, parent;

    fflush(stdout);

    parent = getpid();
    pid = fork();

    if (pid == -1) {
        perror("fork");
        exit(2);
    }

    if (pid) {
        bench_children[bench_children_n++] = pid;
        return;
    }

    prctl(PR_SET_PDEATHSIG, SIGKILL);

    if (getppid() != parent) {
        _exit(2);
    }

    if (index < bench_options.processes) {
        bench_subscribe(index);

    } else {
        bench_publish();
    }

    exit(0);
}


static int
bench_live(bench_measures_t *m)
{
    bench_shared->connect = 1;

    if (bench_wait(bench_all_connected, "all to be subscribed")) {
        return 2;
    }

    bench_server(&m->idle);
    bench_server(&m->before);
    m->start = bench_now();

    bench_shared->publish = 1;

    if (bench_wait(bench_all_published, "the answers to all publishes")
        || bench_wait(bench_all_received, "all messages at all subscribers"))
    {
        return 2;
    }

    bench_server(&m->after);

    return 0;
}


static int
bench_replay(bench_measures_t *m)
{
    bench_shared->publish = 1;

    if (bench_wait(bench_all_published, "the answers to all publishes")) {
        return 2;
    }

    bench_server(&m->before);
    m->start = bench_now();

    bench_shared->connect = 1;

    if (bench_wait(bench_all_received, "all messages at all subscribers")) {
        return 2;
    }

    bench_server(&m->after);

    return 0;
}


/* the channels end: whatever would still come, comes before that */

static int
bench_seal(void)
{
    bench_shared->seal = 1;

    return bench_wait(bench_all_ended, "all to be told the end");
}


static int
bench_stop(void)
{
    int  status;

    bench_shared->stop = 1;
    status = 0;

    while (bench_children_n) {
        status |= bench_died(0);
    }

    return status;
}


static int
bench_wait(int (*done)(void), const char *what)
{
    uint64_t  now, patience, progress, since, so_far;

    patience = (uint64_t) bench_options.patience * 1000000000;
    since = bench_now();
    so_far = 0;

    while (!done()) {

        if (bench_died(WNOHANG)) {
            fprintf(stderr, "a process died, waiting for %s\n", what);
            return 2;
        }

        if (bench_hopeless()) {
            return 2;
        }

        now = bench_now();
        progress = bench_sum(offsetof(bench_counts_t, connected))
                   + bench_sum(offsetof(bench_counts_t, received))
                   + bench_sum(offsetof(bench_counts_t, missing))
                   + bench_sum(offsetof(bench_counts_t, ended))
                   + bench_shared->published + bench_shared->sealed;

        if (progress != so_far || bench_shared->held) {
            so_far = progress;
            since = now;
        }

        if (now - since > patience) {
            fprintf(stderr, "no progress, waiting for %s\n", what);
            return 2;
        }

        usleep(2000);
    }

    return 0;
}


/* whether a child has ended in another way than it should */

static int
bench_died(int options)
{
    int       status;
    pid_t     pid;
    uint32_t  i;

    pid = waitpid(-1, &status, options);

    for (i = 0; i < bench_children_n; i++) {

        if (bench_children[i] == pid) {
            bench_children[i] = bench_children[--bench_children_n];
            return status ? 2 : 0;
        }
    }

    return 0;
}


/* after these nothing good can come */

static int
bench_hopeless(void)
{
    uint32_t  i;

    for (i = 0; i < bench_options.processes; i++) {
        if (bench_shared->process[i].faults[BENCH_CUT]
            || bench_shared->process[i].faults[BENCH_REFUSED])
        {
            return 1;
        }
    }

    return bench_shared->faults[BENCH_ANSWER] != 0;
}


static int
bench_all_connected(void)
{
    return bench_sum(offsetof(bench_counts_t, connected))
           == bench_options.subscribers;
}


static int
bench_all_published(void)
{
    return bench_shared->done;
}


static int
bench_all_received(void)
{
    return bench_sum(offsetof(bench_counts_t, received))
           + bench_sum(offsetof(bench_counts_t, missing))
           >= bench_shared->expected;
}


static int
bench_all_ended(void)
{
    return bench_shared->sealed
           && bench_sum(offsetof(bench_counts_t, ended))
              == bench_options.subscribers;
}
