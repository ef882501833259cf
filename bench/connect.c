
/*
 * Copyright (C) The ngx_push_module authors
 */

/* The connection of a subscriber: where from, where to, in clear or by TLS. */


#include "bench.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>


#define BENCH_SLOW_BUFFER  16384


static uint32_t bench_connect_port(void);
static void bench_connect_from(bench_process_t *p, int fd);
static void bench_connect_tls(bench_client_t *c);


static SSL_CTX  *bench_connect_ctx;


/* 0, or -1 if it has failed already */

int
bench_connect(bench_process_t *p, bench_client_t *c)
{
    int                 size;
    struct sockaddr_in  sin;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (c->fd == -1) {
        perror("socket");
        exit(2);
    }

    if (c->slow) {
        size = BENCH_SLOW_BUFFER;
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    }

    bench_connect_from(p, c->fd);

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr = bench_options.host;
    sin.sin_port = htons(bench_connect_port());

    if (connect(c->fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        && errno != EINPROGRESS)
    {
        close(c->fd);
        c->fd = -1;
        return -1;
    }

    if (bench_options.tls) {
        bench_connect_tls(c);
    }

    return 0;
}


static uint32_t
bench_connect_port(void)
{
    if (bench_options.tls) {
        return bench_options.tls;
    }

    return bench_options.http2 ? bench_options.http2 : bench_options.port;
}


/* ports are per address of the source, and the loopback has many */

static void
bench_connect_from(bench_process_t *p, int fd)
{
    int                 on;
    struct sockaddr_in  sin;

    if (ntohl(bench_options.host.s_addr) >> 24 != 127) {
        return;
    }

    on = 1;
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(0x7f010001 + p->index * bench_options.sources
                                + p->opened++ % bench_options.sources);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));

    if (bind(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1) {
        perror("bind");
        exit(2);
    }
}


/* the certificate is that of a test: nothing to verify */

static void
bench_connect_tls(bench_client_t *c)
{
    if (bench_connect_ctx == NULL) {
        bench_connect_ctx = SSL_CTX_new(TLS_client_method());

        if (bench_connect_ctx == NULL) {
            abort();
        }

        SSL_CTX_set_mode(bench_connect_ctx, SSL_MODE_RELEASE_BUFFERS);
    }

    c->tls = SSL_new(bench_connect_ctx);

    if (c->tls == NULL || SSL_set_fd(c->tls, c->fd) != 1) {
        abort();
    }

    SSL_set_connect_state(c->tls);
    c->shaking = 1;
}


/* 1 when the handshake is over, 0 if it must wait for more, -1 if it failed */

int
bench_connect_shake(bench_client_t *c)
{
    int  n;

    n = SSL_do_handshake(c->tls);

    if (n == 1) {
        c->shaking = 0;
        return 1;
    }

    n = SSL_get_error(c->tls, n);

    /* what is written here is small: a fresh connection takes it */

    return n == SSL_ERROR_WANT_READ ? 0 : -1;
}


void
bench_connect_close(bench_client_t *c)
{
    SSL_free(c->tls);
    c->tls = NULL;
    c->shaking = 0;

    close(c->fd);
    c->fd = -1;
}


/* as recv() does it: 0 at the end, -1 and EAGAIN when there is no more */

ssize_t
bench_connect_recv(bench_client_t *c, char *buf, size_t size)
{
    int  n;

    if (c->tls == NULL) {
        return recv(c->fd, buf, size, 0);
    }

    n = SSL_read(c->tls, buf, size < INT32_MAX ? size : INT32_MAX);

    if (n > 0) {
        return n;
    }

    if (SSL_get_error(c->tls, n) == SSL_ERROR_WANT_READ) {
        errno = EAGAIN;
        return -1;
    }

    return 0;
}


/* all of it or nothing; a connection takes so little at once */

int
bench_connect_send(bench_client_t *c, const char *buf, size_t len)
{
    if (c->tls) {
        return SSL_write(c->tls, buf, len) == (int) len ? 0 : -1;
    }

    return send(c->fd, buf, len, MSG_NOSIGNAL) == (ssize_t) len ? 0 : -1;
}
