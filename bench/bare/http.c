
/*
 * Copyright (C) The ngx_push_module authors
 */

/* What push-bench says, and what it wants to hear. */


#include "bare.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>


#define BARE_SSE                                                              \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"                  \
    "Cache-Control: no-store\r\nConnection: close\r\n"                        \
    "Transfer-Encoding: chunked\r\n\r\n"


static size_t bare_http_request(int fd, char *p, size_t len);
static void bare_http_subscribe(int fd, uint32_t channel, const char *head);
static void bare_http_upgrade(int fd, const char *key);
static void bare_http_publish(int fd, uint32_t channel, const char *body,
    size_t len);
static void bare_http_answer(int fd, const char *status, uint32_t channel);
static void bare_http_keep(int fd, const char *p, size_t len);


static char  bare_buffer[BARE_BUFFER + 1];


void
bare_http_read(int fd)
{
    size_t        len, n;
    ssize_t       got;
    bare_conn_t  *c;

    c = &bare_conns[fd];
    len = 0;

    if (!c->subscribed && c->kept) {
        len = c->len;
        memcpy(bare_buffer, c->kept, len);
    }

    got = recv(fd, bare_buffer + len, BARE_BUFFER - len, 0);

    if (got == -1 && errno == EAGAIN) {
        return;
    }

    if (got <= 0) {
        bare_close(fd);
        return;
    }

    if (c->subscribed) {
        /* a pong, or a close, which is followed by the end */
        return;
    }

    free(c->kept);
    c->kept = NULL;
    len += got;
    n = 0;

    while (n < len && c->open && !c->subscribed) {
        got = bare_http_request(fd, bare_buffer + n, len - n);

        if (got == 0) {
            bare_http_keep(fd, bare_buffer + n, len - n);
            return;
        }

        n += got;
    }
}


/* the length of the request; 0 if it is not all there */

static size_t
bare_http_request(int fd, char *p, size_t len)
{
    char      *end, *name, *length;
    size_t     n, body;
    uint32_t   channel;

    p[len] = '\0';
    end = memmem(p, len, "\r\n\r\n", 4);

    if (end == NULL) {
        return 0;
    }

    end += 4;
    n = end - p;
    body = 0;

    if (p[0] == 'P') {
        length = strcasestr(p, "\r\nContent-Length:");
        body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;

        if (len < n + body) {
            return 0;
        }
    }

    name = memmem(p, n, "channel=", 8);

    if (name == NULL) {
        bare_close(fd);
        return n;
    }

    name += 8;
    channel = bare_channel(name, strcspn(name, "& "));

    if (p[0] == 'P') {
        bare_http_publish(fd, channel, end, body);

    } else if (strncmp(p, "GET /pub", 8) == 0) {
        bare_http_answer(fd, "200 OK", channel);

    } else {
        end[-1] = '\0';
        bare_http_subscribe(fd, channel, p);
    }

    return n + body;
}


static void
bare_http_subscribe(int fd, uint32_t channel, const char *head)
{
    char  *key;

    key = strcasestr(head, "\r\nSec-WebSocket-Key: ");

    if (key) {
        bare_conns[fd].websocket = 1;
        bare_http_upgrade(fd, key + 21);

    } else {
        bare_send(fd, BARE_SSE, sizeof(BARE_SSE) - 1);
    }

    if (bare_conns[fd].open) {
        bare_channel_join(fd, channel);
    }
}


static void
bare_http_upgrade(int fd, const char *key)
{
    int     n;
    char    text[128], answer[256], accept[64];
    u_char  digest[SHA_DIGEST_LENGTH];

    n = snprintf(text, sizeof(text),
                 "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    SHA1((u_char *) text, n, digest);
    EVP_EncodeBlock((u_char *) accept, digest, sizeof(digest));

    n = snprintf(answer, sizeof(answer),
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                 accept);

    bare_send(fd, answer, n);
}


static void
bare_http_publish(int fd, uint32_t channel, const char *body, size_t len)
{
    bare_message_t  *m;

    m = bare_message(channel, body, len);

    bare_http_answer(fd, "201 Created", channel);
    bare_message_post(m);
}


static void
bare_http_answer(int fd, const char *status, uint32_t channel)
{
    int   n, len;
    char  body[64], answer[256];

    len = snprintf(body, sizeof(body), "{\"subscribers\":%u}\n",
                   bare_channel_subscribers(channel));
    n = snprintf(answer, sizeof(answer), "HTTP/1.1 %s\r\n"
                 "Content-Type: application/json\r\nContent-Length: %d\r\n"
                 "\r\n%s", status, len, body);

    bare_send(fd, answer, n);
}


/* a part of a request that waits for the rest of it */

static void
bare_http_keep(int fd, const char *p, size_t len)
{
    bare_conn_t  *c;

    c = &bare_conns[fd];
    c->kept = malloc(len);

    if (c->kept == NULL || len == BARE_BUFFER) {
        bare_close(fd);
        return;
    }

    memcpy(c->kept, p, len);
    c->len = len;
}


void
bare_send(int fd, const char *p, size_t len)
{
    ssize_t       n;
    bare_conn_t  *c;

    c = &bare_conns[fd];
    n = 0;

    if (!c->subscribed || c->kept == NULL) {
        n = send(fd, p, len, MSG_NOSIGNAL);

        if (n == (ssize_t) len) {
            return;
        }

        if (n == -1 && errno != EAGAIN) {
            /* the end of the connection is seen by who reads */
            return;
        }

        n = n == -1 ? 0 : n;
        c->len = 0;
        bare_writable(fd, 1);
    }

    c->kept = realloc(c->kept, c->len + len - n);

    if (c->kept == NULL) {
        abort();
    }

    memcpy(c->kept + c->len, p + n, len - n);
    c->len += len - n;
}


void
bare_send_rest(int fd)
{
    ssize_t       n;
    bare_conn_t  *c;

    c = &bare_conns[fd];
    n = send(fd, c->kept, c->len, MSG_NOSIGNAL);

    if (n <= 0) {
        return;
    }

    c->len -= n;
    memmove(c->kept, c->kept + n, c->len);

    if (c->len == 0) {
        free(c->kept);
        c->kept = NULL;
        bare_writable(fd, 0);
    }
}
