
/*
 * Copyright (C) The ngx_push_module authors
 */

/* What the workers of the NGINX under test have used so far. */


#include "bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


static pid_t bench_server_parent(const char *pid, uint64_t *user,
    uint64_t *system);
static uint64_t bench_server_cpu(const char *pid);
static uint64_t bench_server_memory(const char *pid);
static size_t bench_server_file(const char *pid, const char *name, char *buf,
    size_t size);


void
bench_server(bench_server_t *s)
{
    DIR            *proc;
    char            title[256];
    uint64_t        user, sys, users, systems;
    struct dirent  *de;

    memset(s, 0, sizeof(bench_server_t));
    users = 0;
    systems = 0;

    if (bench_options.master == 0) {
        return;
    }

    proc = opendir("/proc");

    if (proc == NULL) {
        return;
    }

    while ((de = readdir(proc)) != NULL) {

        if (de->d_name[0] < '1' || de->d_name[0] > '9'
            || bench_server_parent(de->d_name, &user, &sys)
               != (pid_t) bench_options.master)
        {
            continue;
        }

        bench_server_file(de->d_name, "cmdline", title, sizeof(title));

        if (strstr(title, "worker process") == NULL) {
            continue;
        }

        s->workers++;
        s->pids += strtoul(de->d_name, NULL, 10);
        s->cpu += bench_server_cpu(de->d_name);
        s->memory += bench_server_memory(de->d_name);
        users += user;
        systems += sys;
    }

    closedir(proc);

    s->user_ticks = users;
    s->ticks = users + systems;

    if (s->cpu == 0) {
        s->cpu = s->ticks * 1000000000 / sysconf(_SC_CLK_TCK);
    }
}


static pid_t
bench_server_parent(const char *pid, uint64_t *user, uint64_t *system)
{
    int    parent;
    char  *p, buf[1024];

    bench_server_file(pid, "stat", buf, sizeof(buf));

    /* the name in parentheses may hold anything */
    p = strrchr(buf, ')');

    if (p == NULL
        || sscanf(p, ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %"
                  SCNu64 " %" SCNu64, &parent, user, system) != 3)
    {
        return -1;
    }

    return parent;
}


/* in ns; not every kernel has it */

static uint64_t
bench_server_cpu(const char *pid)
{
    char  buf[256];

    bench_server_file(pid, "schedstat", buf, sizeof(buf));

    return strtoull(buf, NULL, 10);
}


static uint64_t
bench_server_memory(const char *pid)
{
    char  *p, buf[4096];

    bench_server_file(pid, "smaps_rollup", buf, sizeof(buf));
    p = strstr(buf, "\nPss:");

    return p ? strtoull(p + 5, NULL, 10) * 1024 : 0;
}


static size_t
bench_server_file(const char *pid, const char *name, char *buf, size_t size)
{
    char    path[300];
    FILE   *f;
    size_t  n;

    n = 0;
    snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
    f = fopen(path, "r");

    if (f) {
        n = fread(buf, 1, size - 1, f);
        fclose(f);
    }

    buf[n] = '\0';

    return n;
}
