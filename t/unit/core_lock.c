
/*
 * Copyright (C) The ngx_push_module authors
 *
 * The lock of a zone whose holder died, without a master to give it back.
 */


#include "core_check.h"
#include <sys/wait.h>
#include <signal.h>


static ngx_push_zone_t  *zone;


/* a worker that takes the lock and does not give it back of itself */

static pid_t
holder(ngx_uint_t lives)
{
    int        status[2];
    char       ready;
    pid_t      pid;
    ngx_int_t  n;

    if (pipe(status) == -1) {
        exit(2);
    }

    pid = fork();

    if (pid == 0) {
        ngx_pid = getpid();

        ngx_push_zone_lock(zone);
        n = write(status[1], "r", 1);

        if (lives) {
            usleep(300000);
            ngx_push_zone_unlock(zone);
            pause();
        }

        _exit(n != 1);
    }

    n = read(status[0], &ready, 1);
    is_int(n, 1, "somebody holds the lock");

    close(status[0]);
    close(status[1]);

    return pid;
}


static void
take(uint64_t recovered, const char *what)
{
    zone->sh->stats[NGX_PUSH_STAT_RECOVERED] = 0;

    alarm(20);
    ngx_push_zone_lock(zone);
    alarm(0);

    is_int(zone->sh->stats[NGX_PUSH_STAT_RECOVERED], recovered, "%s", what);

    ngx_push_zone_unlock(zone);
}


int
main(void)
{
    pid_t             pid;
    ngx_push_bell_t  *bell;

    core_init();

    zone = core_zone(256 * 1024, 4);
    bell = ngx_push_bells(zone->sh);

    pid = holder(0);
    waitpid(pid, NULL, 0);
    take(1, "one that is gone");

    pid = holder(0);
    take(1, "one whose parent has not looked after it");
    waitpid(pid, NULL, 0);

    pid = holder(1);
    take(0, "one that lives is waited for");

    /* its pid, but it began at another time than the worker that had it */

    bell[2].pid = pid;
    bell[2].start = 1;

    *zone->pool->mutex.lock = pid;
    zone->sh->writer = pid;
    take(1, "a pid that is another's by now");

    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);

    ngx_memzero(&bell[2], sizeof(ngx_push_bell_t));
    core_is_whole(zone, "whole");
    core_zone_free(zone);

    return done();
}
