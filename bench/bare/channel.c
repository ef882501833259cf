
/*
 * Copyright (C) The ngx_push_module authors
 */

/* The table of channels of all workers, and this worker's subscribers. */


#include "bare.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>


typedef struct {
    uint32_t   n;
    uint32_t   room;
    int       *fds;
} bare_list_t;


static uint32_t bare_channel_make(const char *name, size_t len, uint32_t i);


static bare_list_t  *bare_lists;


/* the number of a channel; it exists from now on */

uint32_t
bare_channel(const char *name, size_t len)
{
    char      *has;
    size_t     k;
    uint32_t   i, number;

    len = len < BARE_NAME ? len : BARE_NAME - 1;
    i = 2166136261u;

    for (k = 0; k < len; k++) {
        i = (i ^ (u_char) name[k]) * 16777619;
    }

    for (i %= BARE_CHANNELS; /* void */ ; i = (i + 1) % BARE_CHANNELS) {
        number = bare_shared->table[i];

        if (number == 0) {
            number = bare_channel_make(name, len, i);
        }

        has = bare_shared->channels[number].name;

        if (memcmp(has, name, len) == 0 && has[len] == '\0') {
            return number;
        }
    }
}


/* the number that has this place from now on; another may have been faster */

static uint32_t
bare_channel_make(const char *name, size_t len, uint32_t i)
{
    uint32_t  number;

    while (atomic_exchange(&bare_shared->lock, 1)) {
        sched_yield();
    }

    number = bare_shared->table[i];

    if (number == 0) {

        if (bare_shared->n == BARE_CHANNELS / 2) {
            abort();
        }

        number = ++bare_shared->n;
        memcpy(bare_shared->channels[number].name, name, len);
        bare_shared->table[i] = number;
    }

    bare_shared->lock = 0;

    return number;
}


uint32_t
bare_channel_subscribers(uint32_t channel)
{
    uint32_t  i, n;

    n = 0;

    for (i = 0; i < bare_workers; i++) {
        n += bare_shared->channels[channel].subscribers[i];
    }

    return n;
}


void
bare_channel_join(int fd, uint32_t channel)
{
    bare_conn_t  *c;
    bare_list_t  *l;

    if (bare_lists == NULL) {
        bare_lists = calloc(BARE_CHANNELS, sizeof(bare_list_t));
    }

    c = &bare_conns[fd];
    l = &bare_lists[channel];

    if (l->n == l->room) {
        l->room = l->room ? l->room * 2 : 1;
        l->fds = realloc(l->fds, l->room * sizeof(int));

        if (l->fds == NULL) {
            abort();
        }
    }

    c->subscribed = 1;
    c->channel = channel;
    c->place = l->n;
    l->fds[l->n++] = fd;

    bare_shared->channels[channel].subscribers[bare_worker]++;
}


void
bare_channel_leave(int fd)
{
    int           last;
    bare_conn_t  *c;
    bare_list_t  *l;

    c = &bare_conns[fd];
    l = &bare_lists[c->channel];

    last = l->fds[--l->n];
    l->fds[c->place] = last;
    bare_conns[last].place = c->place;
    c->subscribed = 0;

    bare_shared->channels[c->channel].subscribers[bare_worker]--;
}


/* the whole of it: one send() for each */

void
bare_channel_deliver(bare_message_t *m)
{
    char         *event, *frame;
    uint32_t      i;
    bare_list_t  *l;

    if (bare_lists == NULL) {
        return;
    }

    l = &bare_lists[m->channel];
    event = (char *) (m + 1);
    frame = event + m->event;

    for (i = l->n; i-- > 0; /* void */) {

        if (bare_conns[l->fds[i]].websocket) {
            bare_send(l->fds[i], frame, m->frame);

        } else {
            bare_send(l->fds[i], event, m->event);
        }
    }
}
