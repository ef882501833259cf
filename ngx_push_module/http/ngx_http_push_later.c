
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_later.h"


/*
 * All of a worker in one queue: it is short, and a client needs no room for
 * its part of it.
 */

static ngx_queue_t  ngx_http_push_laters;


void
ngx_http_push_later_add(ngx_http_push_client_t *client,
    ngx_http_push_later_t *later)
{
    if (ngx_http_push_laters.next == NULL) {
        ngx_queue_init(&ngx_http_push_laters);
    }

    later->client = client;
    client->asking = 1;

    ngx_queue_insert_tail(&ngx_http_push_laters, &later->queue);
}


void
ngx_http_push_later_remove(ngx_http_push_later_t *later)
{
    ngx_queue_remove(&later->queue);
}


ngx_http_push_later_t *
ngx_http_push_later_next(ngx_http_push_client_t *client,
    ngx_http_push_later_t *later)
{
    ngx_queue_t            *q;
    ngx_http_push_later_t  *next;

    if (!client->asking) {
        return NULL;
    }

    for (q = later ? ngx_queue_next(&later->queue)
                   : ngx_queue_head(&ngx_http_push_laters);
         q != ngx_queue_sentinel(&ngx_http_push_laters);
         q = ngx_queue_next(q))
    {
        next = ngx_queue_data(q, ngx_http_push_later_t, queue);

        if (next->client == client) {
            return next;
        }
    }

    return NULL;
}


void
ngx_http_push_later_leave(ngx_http_push_client_t *client)
{
    ngx_http_push_later_t  *later, *next;

    for (later = ngx_http_push_later_next(client, NULL); later; later = next) {
        next = ngx_http_push_later_next(client, later);

        later->client = NULL;

        if (later->drop) {
            later->drop(later);
        }
    }

    client->asking = 0;
}
