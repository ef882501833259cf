
/*
 * Copyright (C) The ngx_push_module authors
 */

/* The main process: it starts the others, and has the last word. */


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
static int bench_stop(void);


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

    status = bench_scenario(&m);
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


/* whether a child has ended in another way than it should */

int
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
