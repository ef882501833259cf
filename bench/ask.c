
/*
 * Copyright (C) The ngx_push_module authors
 */

/*
 * How many subscribers the server says a channel has, asked until it is all of
 * them: some ways of subscribing do not tell the client when it stands.
 */


#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>


static int bench_ask_connect(void);
static int bench_ask_until(int fd, const char *path, uint32_t due);
static int bench_ask_once(int fd, const char *path, uint32_t *n);
static char *bench_ask_body(char *head, size_t len);


/* 0 when all are there */

int
bench_ask(void)
{
    int               fd, rc;
    char              path[512];
    uint32_t          i;
    bench_options_t  *o;

    o = &bench_options;

    if (o->transport >= BENCH_NOTHING
        || (!o->foreign && o->transport != BENCH_WEBSOCKET
            && o->transport != BENCH_POLL))
    {
        return 0;
    }

    fd = bench_ask_connect();

    if (fd == -1) {
        return 2;
    }

    rc = 0;

    if (o->total) {
        rc = bench_ask_until(fd, o->total, o->subscribers);
    }

    for (i = 0; rc == 0 && !o->total && i < o->channels && i < o->subscribers;
         i++)
    {
        snprintf(path, sizeof(path), "%s%s%u", o->publish, o->prefix, i);
        rc = bench_ask_until(fd, path, bench_channel_subscribers(i));
    }

    close(fd);

    return rc ? 2 : 0;
}


static int
bench_ask_connect(void)
{
    int                 fd;
    struct timeval      tv;
    struct sockaddr_in  sin;

    fd = socket(AF_INET, SOCK_STREAM, 0);

    tv.tv_sec = bench_options.patience;
    tv.tv_usec = 0;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr = bench_options.host;
    sin.sin_port = htons(bench_options.port);

    if (fd == -1
        || connect(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1)
    {
        perror("asking: connect");
        return -1;
    }

    return fd;
}


static int
bench_ask_until(int fd, const char *path, uint32_t due)
{
    uint32_t  n;
    uint64_t  until;

    n = 0;
    until = bench_now() + (uint64_t) bench_options.patience * 1000000000;

    for ( ;; ) {

        if (bench_ask_once(fd, path, &n) == -1) {
            fprintf(stderr, "no answer from %s\n", path);
            return -1;
        }

        if (n == due) {
            return 0;
        }

        if (bench_now() > until) {
            fprintf(stderr, "%s: %u subscribers where %u are due\n", path, n,
                    due);
            return -1;
        }

        usleep(5000);
    }
}


static int
bench_ask_once(int fd, const char *path, uint32_t *n)
{
    int      len;
    char     buf[4096];
    char    *body, *s;
    size_t   got;
    ssize_t  rc;

    len = snprintf(buf, sizeof(buf), "GET %s HTTP/1.1\r\nHost: bench\r\n"
                   "Accept: application/json\r\n\r\n", path);

    if (send(fd, buf, len, MSG_NOSIGNAL) != len) {
        return -1;
    }

    got = 0;

    do {
        rc = recv(fd, buf + got, sizeof(buf) - 1 - got, 0);

        if (rc <= 0) {
            return -1;
        }

        got += rc;
        buf[got] = '\0';
        body = bench_ask_body(buf, got);

    } while (body == NULL);

    s = strstr(body, "subscribers");
    *n = s ? strtoul(s + strcspn(s, "0123456789"), NULL, 10) : 0;

    return 0;
}


/* when all of it is there */

static char *
bench_ask_body(char *head, size_t len)
{
    char  *body, *length;

    body = strstr(head, "\r\n\r\n");
    length = strcasestr(head, "\r\nContent-Length:");

    if (body == NULL || length == NULL) {
        return NULL;
    }

    body += 4;

    return len >= body - head + strtoul(length + 17, NULL, 10) ? body : NULL;
}
