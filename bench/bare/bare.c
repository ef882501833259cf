
/*
 * Copyright (C) The ngx_push_module authors
 */

/* bare PORT WORKERS: the processes, and the events of one. */


#include "bare.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>


#define BARE_EVENTS  512
#define BARE_TITLE   "bare: worker process"


static void bare_master(void);
static void bare_end(int signo);
static void bare_start(int port, char **argv);
static void bare_title(char **argv);
static int bare_listen(int port);
static void bare_run(int listener);
static void bare_event(int fd, uint32_t events);
static void bare_accept(int listener);
static void bare_add(int fd);


bare_shared_t  *bare_shared;
bare_conn_t    *bare_conns;
uint32_t        bare_worker;
uint32_t        bare_workers;
int             bare_wakes[BARE_WORKERS];

static int      bare_ep;
static rlim_t   bare_files;
static pid_t    bare_pids[BARE_WORKERS];


int
main(int argc, char **argv)
{
    int            port;
    struct rlimit  limit;

    port = argc == 3 ? atoi(argv[1]) : 0;
    bare_workers = argc == 3 ? atoi(argv[2]) : 0;

    if (port == 0 || bare_workers == 0 || bare_workers > BARE_WORKERS) {
        fprintf(stderr, "bare PORT WORKERS\n");
        return 2;
    }

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    bare_files = limit.rlim_cur;

    signal(SIGPIPE, SIG_IGN);
    bare_start(port, argv);
    bare_master();

    return 0;
}


/* lives until a signal ends it, and its workers before it */

static void
bare_master(void)
{
    uint32_t          i;
    struct sigaction  sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = bare_end;
    sigaction(SIGTERM, &sa, NULL);

    while (wait(NULL) > 0) {
        /* none should go */
    }

    for (i = 0; i < bare_workers; i++) {
        kill(bare_pids[i], SIGTERM);
    }

    while (wait(NULL) > 0) {
        /* void */
    }
}


/* ends the wait */

static void
bare_end(int signo)
{
    (void) signo;
}


static void
bare_start(int port, char **argv)
{
    int       listener;
    uint32_t  i;

    bare_shared = mmap(NULL, sizeof(bare_shared_t), PROT_READ|PROT_WRITE,
                       MAP_SHARED|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

    if (bare_shared == MAP_FAILED) {
        perror("shared memory");
        exit(2);
    }

    for (i = 0; i < bare_workers; i++) {
        bare_wakes[i] = eventfd(0, EFD_NONBLOCK);
    }

    for (i = 0; i < bare_workers; i++) {
        listener = bare_listen(port);

        bare_pids[i] = fork();

        if (bare_pids[i]) {
            close(listener);
            continue;
        }

        prctl(PR_SET_PDEATHSIG, SIGTERM);
        bare_title(argv);
        bare_worker = i;
        bare_run(listener);
    }
}


/* push-bench knows workers by what they call themselves */

static void
bare_title(char **argv)
{
    size_t  room;

    room = argv[2] + strlen(argv[2]) - argv[0];

    if (room >= sizeof(BARE_TITLE)) {
        memset(argv[0], 0, room);
        memcpy(argv[0], BARE_TITLE, sizeof(BARE_TITLE));
    }
}


/* a listening socket of its own for each worker, so that none is in the way of another */

static int
bare_listen(int port)
{
    int                 fd, on;
    struct sockaddr_in  sin;

    on = 1;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (bind(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || listen(fd, 4096) == -1)
    {
        perror("listen");
        exit(2);
    }

    return fd;
}


static void
bare_run(int listener)
{
    int                 i, n;
    struct epoll_event  events[BARE_EVENTS];

    bare_ep = epoll_create1(0);
    bare_conns = calloc(bare_files, sizeof(bare_conn_t));

    if (bare_ep == -1 || bare_conns == NULL) {
        abort();
    }

    bare_add(listener);
    bare_add(bare_wakes[bare_worker]);

    for ( ;; ) {
        n = epoll_wait(bare_ep, events, BARE_EVENTS,
                       bare_message_sleep() ? -1 : 0);

        bare_shared->queues[bare_worker].asleep = 0;

        for (i = 0; i < n; i++) {

            if (events[i].data.fd == listener) {
                bare_accept(listener);

            } else {
                bare_event(events[i].data.fd, events[i].events);
            }
        }

        bare_message_take();
    }
}


static void
bare_event(int fd, uint32_t events)
{
    uint64_t  ticks;

    if (fd == bare_wakes[bare_worker]) {
        (void) !read(fd, &ticks, sizeof(ticks));
        return;
    }

    if (!bare_conns[fd].open) {
        return;
    }

    if (events & EPOLLOUT) {
        bare_send_rest(fd);
    }

    if (events & ~EPOLLOUT) {
        bare_http_read(fd);
    }
}


static void
bare_accept(int listener)
{
    int  fd, on;

    on = 1;

    for ( ;; ) {
        fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

        if (fd == -1) {
            return;
        }

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        memset(&bare_conns[fd], 0, sizeof(bare_conn_t));
        bare_conns[fd].open = 1;
        bare_add(fd);
    }
}


static void
bare_add(int fd)
{
    struct epoll_event  ee;

    ee.events = EPOLLIN | EPOLLRDHUP;
    ee.data.fd = fd;

    if (epoll_ctl(bare_ep, EPOLL_CTL_ADD, fd, &ee) == -1) {
        perror("epoll_ctl");
        exit(2);
    }
}


void
bare_writable(int fd, int on)
{
    struct epoll_event  ee;

    ee.events = EPOLLIN | EPOLLRDHUP | (on ? EPOLLOUT : 0);
    ee.data.fd = fd;
    epoll_ctl(bare_ep, EPOLL_CTL_MOD, fd, &ee);
}


void
bare_close(int fd)
{
    bare_conn_t  *c;

    c = &bare_conns[fd];

    if (c->subscribed) {
        bare_channel_leave(fd);
    }

    free(c->kept);
    c->kept = NULL;
    c->open = 0;

    close(fd);
}
