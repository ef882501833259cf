
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_bell.h"


#define NGX_PUSH_STAT_START   20             /* fields after the name */
#define NGX_PUSH_STAT_SIZE    1024


static ngx_int_t ngx_push_process_start(ngx_pid_t pid, uint64_t *start);


ngx_uint_t
ngx_push_bell_claim(ngx_push_shared_t *sh)
{
    uint64_t          start;
    ngx_uint_t        i;
    ngx_push_bell_t  *bell;

    if (ngx_push_process_start(ngx_pid, &start) != NGX_OK) {
        start = 0;
    }

    bell = ngx_push_bells(sh);

    for (i = 0; i < sh->nbells; i++) {

        if (bell[i].pid) {
            continue;
        }

        bell[i].rung = 0;
        bell[i].ready = 0;
        bell[i].listeners = 0;
        bell[i].nheld = 0;
        ngx_memzero(bell[i].gauges, sizeof(bell[i].gauges));

        bell[i].start = start;
        ngx_memory_barrier();
        bell[i].pid = ngx_pid;

        return i;
    }

    return NGX_PUSH_NO_BELL;
}


ngx_uint_t
ngx_push_bell_is_orphan(ngx_push_bell_t *bell)
{
    uint64_t  start;

    switch (ngx_push_process_start(bell->pid, &start)) {

    case NGX_OK:
        return bell->start != 0 && start != bell->start;

    case NGX_DECLINED:
        return 1;

    default:

        /* no /proc here */

        return kill(bell->pid, 0) == -1 && ngx_errno == ESRCH;
    }
}


void
ngx_push_bell_ready(ngx_push_shared_t *sh, ngx_push_listener_t *l,
    ngx_push_chime_t *chime)
{
    ngx_push_bell_t  *bell;

    if (l->ready) {
        return;
    }

    bell = &ngx_push_bells(sh)[l->bell];

    l->ready_next = bell->ready;
    l->ready = 1;
    bell->ready = ngx_push_ref(sh, l);

    if (bell->rung) {
        return;
    }

    bell->rung = 1;

    chime->map[l->bell / 64] |= (uint64_t) 1 << (l->bell & 63);
    chime->n++;
}


ngx_push_listener_t *
ngx_push_bell_next_ready(ngx_push_shared_t *sh, ngx_push_bell_t *bell)
{
    ngx_push_listener_t  *l;

    if (bell->ready == 0) {
        return NULL;
    }

    l = ngx_push_ptr(sh, bell->ready);

    bell->ready = l->ready_next;
    l->ready = 0;

    return l;
}


void
ngx_push_bell_attach(ngx_push_shared_t *sh, ngx_push_listener_t *l)
{
    uint32_t              offset;
    ngx_push_bell_t      *bell;
    ngx_push_listener_t  *next;

    bell = &ngx_push_bells(sh)[l->bell];
    offset = ngx_push_ref(sh, l);

    l->bell_prev = 0;
    l->bell_next = bell->listeners;

    if (l->bell_next) {
        next = ngx_push_ptr(sh, l->bell_next);
        next->bell_prev = offset;
    }

    bell->listeners = offset;
}


void
ngx_push_bell_detach(ngx_push_shared_t *sh, ngx_push_listener_t *l)
{
    uint32_t             *link;
    ngx_push_bell_t      *bell;
    ngx_push_listener_t  *n;

    bell = &ngx_push_bells(sh)[l->bell];

    if (l->bell_next) {
        n = ngx_push_ptr(sh, l->bell_next);
        n->bell_prev = l->bell_prev;
    }

    if (l->bell_prev) {
        n = ngx_push_ptr(sh, l->bell_prev);
        n->bell_next = l->bell_next;

    } else {
        bell->listeners = l->bell_next;
    }

    if (!l->ready) {
        return;
    }

    for (link = &bell->ready; *link; link = &n->ready_next) {
        n = ngx_push_ptr(sh, *link);

        if (n == l) {
            *link = l->ready_next;
            break;
        }
    }

    l->ready = 0;
}


void
ngx_push_bell_ring(ngx_push_shared_t *sh, ngx_push_chime_t *chime)
{
    uint64_t    map, one;
    ngx_uint_t  i, bell;

    if (chime->n == 0) {
        return;
    }

    one = 1;

    for (i = 0; i < NGX_PUSH_MAX_BELLS / 64; i++) {

        for (map = chime->map[i]; map; map &= map - 1) {
            bell = i * 64 + __builtin_ctzll(map);

            if (bell >= sh->nfds || sh->fds[bell] == -1) {
                continue;
            }

            /* a full counter is a bell that rings; the tick covers others */

            (void) ! write(sh->fds[bell], &one, sizeof(uint64_t));
        }
    }
}


/*
 * proc(5): "pid (name) state ..." in /proc/[pid]/stat, where the name may
 * hold any byte.  NGX_DECLINED: no such process, or it is a zombie.
 */

static ngx_int_t
ngx_push_process_start(ngx_pid_t pid, uint64_t *start)
{
    int         fd;
    u_char     *p, *last, path[sizeof("/proc//stat") + NGX_INT64_LEN];
    u_char      buf[NGX_PUSH_STAT_SIZE];
    ssize_t     n;
    ngx_uint_t  field;

    ngx_sprintf(path, "/proc/%P/stat%Z", pid);

    fd = ngx_open_file(path, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == -1) {
        if (ngx_errno != NGX_ENOENT || kill(pid, 0) == 0) {
            return NGX_ERROR;
        }

        return NGX_DECLINED;
    }

    n = ngx_read_fd(fd, buf, NGX_PUSH_STAT_SIZE);
    (void) ngx_close_file(fd);

    if (n <= 0) {
        return NGX_DECLINED;
    }

    last = buf + n;
    p = last;

    while (p > buf && p[-1] != ')') {
        p--;
    }

    if (last - p < 2 || p[1] == 'Z' || p[1] == 'X') {
        return NGX_DECLINED;
    }

    for (field = 0; p < last && field < NGX_PUSH_STAT_START; p++) {
        field += (*p == ' ');
    }

    for (*start = 0; p < last && *p >= '0' && *p <= '9'; p++) {
        *start = *start * 10 + (*p - '0');
    }

    return NGX_OK;
}
