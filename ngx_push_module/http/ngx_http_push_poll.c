
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_poll.h"
#include "ngx_http_push_render.h"
#include "ngx_push_json.h"
#include "ngx_push_message.h"


/* what the hub has for a poll, until there is all for its answer */


static ngx_int_t ngx_http_push_poll_messages(ngx_http_push_subscription_t *s,
    ngx_push_batch_t *b);
static ngx_int_t ngx_http_push_poll_collect(ngx_http_push_subscription_t *s,
    ngx_push_batch_t *b, ngx_http_push_rendering_t *d, u_char *start);
static ngx_int_t ngx_http_push_poll_add(ngx_http_push_page_t *page,
    u_char *p, u_char *last);
static ngx_int_t ngx_http_push_poll_nothing(ngx_http_push_subscription_t *s);
static ngx_int_t ngx_http_push_poll_gap(ngx_http_push_subscription_t *s,
    ngx_http_push_gap_t *gap);
static ngx_int_t ngx_http_push_poll_closed(ngx_http_push_subscription_t *s,
    ngx_str_t *channel, char *reason, ngx_uint_t last);
static ngx_int_t ngx_http_push_poll_settle(ngx_http_push_client_t *client);
static void ngx_http_push_poll_readable(ngx_http_push_client_t *client);
static void ngx_http_push_poll_release(ngx_http_push_client_t *client);


const ngx_http_push_transport_t  ngx_http_push_poll = {
    ngx_string("poll"),
    NGX_HTTP_PUSH_POLL,
    ngx_http_push_poll_messages,
    ngx_http_push_poll_gap,
    ngx_http_push_poll_closed,
    ngx_http_push_poll_answer,             /* reconnect */
    NULL,                                  /* cut */
    NULL,                                  /* heartbeat */
    ngx_http_push_poll_readable,
    ngx_http_push_poll_finished,
    ngx_http_push_poll_let_go,
    ngx_http_push_poll_nothing,
    ngx_http_push_poll_release
};


static ngx_int_t
ngx_http_push_poll_messages(ngx_http_push_subscription_t *s,
    ngx_push_batch_t *b)
{
    u_char                     *start;
    ngx_uint_t                  i;
    ngx_http_push_poll_t       *poll;
    ngx_http_push_rendering_t  *d;

    poll = s->client->state;

    if (poll->matching && poll->timeout == 0) {

        if (!b->replay) {

            /* newer than its tag: for the next one */

            ngx_http_push_poll_answer(s->client);
            return NGX_DONE;
        }

        s->base.cursor = b->to;

        return (b->complete && !b->sealed) ? ngx_http_push_poll_nothing(s)
                                           : NGX_OK;
    }

    for (i = 0; i < b->n && b->messages[i]->seq <= s->base.cursor; i++) {
        /* void */
    }

    if (s->client->channels > 1) {
        d = ngx_http_push_splice(s, b, i, NGX_HTTP_PUSH_KIND_NDJSON,
                                 poll->page ? poll->page->request : NULL);
        start = d ? d->start : NULL;

    } else {
        d = ngx_http_push_render_batch(s, b, NGX_HTTP_PUSH_KIND_NDJSON, 0);
        start = (d && i) ? d->ends[i - 1] : (d ? d->start : NULL);
    }

    if (d == NULL || ngx_http_push_poll_page(s->client) == NULL) {
        ngx_http_push_client_close(s->client);
        return NGX_DONE;
    }

    return ngx_http_push_poll_collect(s, b, d, start);
}


/* from the message on that begins at "start", as many as there is room for */

static ngx_int_t
ngx_http_push_poll_collect(ngx_http_push_subscription_t *s,
    ngx_push_batch_t *b, ngx_http_push_rendering_t *d, u_char *start)
{
    ngx_uint_t             i, full;
    ngx_http_push_page_t  *page;
    ngx_http_push_poll_t  *poll;

    poll = s->client->state;
    page = poll->page;
    full = 0;

    for (i = 0; i < b->n; i++) {

        if (b->messages[i]->seq <= s->base.cursor) {
            continue;
        }

        full = (page->count == poll->limit
                || (page->before && b->messages[i]->seq >= page->before));

        if (full) {
            break;
        }

        if (ngx_http_push_poll_add(page, start, d->ends[i]) != NGX_OK) {
            ngx_http_push_client_close(s->client);
            return NGX_DONE;
        }

        if (page->first == 0) {
            page->first = b->messages[i]->seq;
        }

        start = d->ends[i];
        s->base.cursor = b->messages[i]->seq;
    }

    if (!full) {
        s->base.cursor = b->to;
    }

    if (full || poll->waiting) {
        ngx_http_push_poll_answer(s->client);
        return NGX_DONE;
    }

    if (!b->complete || b->sealed) {
        return NGX_OK;
    }

    return ngx_http_push_poll_nothing(s);
}


/* a line, without its end */

static ngx_int_t
ngx_http_push_poll_add(ngx_http_push_page_t *page, u_char *p, u_char *last)
{
    size_t                 len;
    ngx_http_push_text_t  *text;

    text = &page->messages;
    len = last - p - 1;

    if (ngx_http_push_text_add(text, len + 1) != NGX_OK) {
        return NGX_ERROR;
    }

    if (page->count) {
        text->data[text->len++] = ',';
    }

    ngx_memcpy(text->data + text->len, p, len);

    text->len += len;
    page->count++;

    return NGX_OK;
}


/* it has all of this channel */

static ngx_int_t
ngx_http_push_poll_nothing(ngx_http_push_subscription_t *s)
{
    ngx_http_push_poll_t  *poll;

    poll = s->client->state;

    s->base.asking = 0;
    poll->page->pending--;

    return ngx_http_push_poll_settle(s->client);
}


static ngx_int_t
ngx_http_push_poll_gap(ngx_http_push_subscription_t *s,
    ngx_http_push_gap_t *gap)
{
    ngx_push_id_t          cursor;
    ngx_http_push_page_t  *page;

    page = ngx_http_push_poll_page(s->client);

    if (page && page->gap.len
        && ngx_push_id_parse(&gap->requested, &cursor) == NGX_OK)
    {
        /* that of another one is told first: the next poll finds this again */

        s->base.cursor = cursor.seq;

    } else if (page == NULL
               || ngx_http_push_poll_put_gap(page, gap) != NGX_OK)
    {
        ngx_http_push_client_close(s->client);
        return NGX_DONE;
    }

    ngx_http_push_poll_answer(s->client);

    return NGX_DONE;
}


ngx_int_t
ngx_http_push_poll_put_gap(ngx_http_push_page_t *page,
    ngx_http_push_gap_t *gap)
{
    u_char                *p;
    ngx_http_push_text_t  *text;

    text = &page->gap;

    if (ngx_http_push_text_add(text, ngx_http_push_gap_size(gap)) != NGX_OK) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(text->data, ",\"gap\":{", sizeof(",\"gap\":{") - 1);
    p = ngx_http_push_put_gap(p, gap);
    *p++ = ',';
    p = ngx_http_push_put_id(p, "id", &gap->id);
    *p++ = '}';

    text->len = p - text->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_push_poll_closed(ngx_http_push_subscription_t *s,
    ngx_str_t *channel, char *reason, ngx_uint_t last)
{
    u_char                *p;
    ngx_http_push_page_t  *page;
    ngx_http_push_text_t  *text;
    ngx_http_push_poll_t  *poll;

    poll = s->client->state;
    page = ngx_http_push_poll_page(s->client);

    if (page == NULL
        || ngx_http_push_text_add(&page->closed, NGX_HTTP_PUSH_NOTICE_SIZE
                                         + ngx_push_json_string_size(channel))
           != NGX_OK)
    {
        ngx_http_push_client_close(s->client);
        return NGX_DONE;
    }

    text = &page->closed;

    p = text->data + text->len;
    p = ngx_sprintf(p, "%s{\"channel\":", text->len ? "," : "");
    p = ngx_push_json_string(p, channel);
    p = ngx_sprintf(p, ",\"reason\":\"%s\"}", reason);

    text->len = p - text->data;

    if (s->base.asking) {
        s->base.asking = 0;
        page->pending--;
    }

    if (last || poll->waiting) {
        ngx_http_push_poll_answer(s->client);
        return NGX_DONE;
    }

    return ngx_http_push_poll_settle(s->client);
}


/*
 * Once all channels have been heard: an answer, or patience.  What was over
 * before the wait is no news.
 */

static ngx_int_t
ngx_http_push_poll_settle(ngx_http_push_client_t *client)
{
    uint32_t               ends;
    ngx_http_push_page_t  *page;
    ngx_http_push_poll_t  *poll;

    poll = client->state;
    page = poll->page;

    if (page->pending) {
        return NGX_OK;
    }

    if (page->count || page->gap.len || poll->timeout == 0) {
        ngx_http_push_poll_answer(client);
        return NGX_DONE;
    }

    ngx_http_push_poll_free_page(poll);
    poll->waiting = 1;

    ends = ngx_http_push_seconds() + poll->timeout + 1;

    if (client->ends == 0 || (int32_t) (ends - client->ends) < 0) {
        client->ends = ends;
    }

    client->started = ngx_http_push_seconds();

    ngx_http_push_client_stay(client);

    return NGX_OK;
}


/* a request that comes too early stays where it is */

static void
ngx_http_push_poll_readable(ngx_http_push_client_t *client)
{
    char               buf[1];
    ssize_t            n;
    ngx_connection_t  *c;

    c = client->connection;

    /* a request, or the last words of TLS, may lie before the end */

    if (c->read->pending_eof) {
        ngx_http_push_client_close(client);
        return;
    }

#if (NGX_HTTP_SSL)
    if (c->ssl) {
        return;
    }
#endif

    n = recv(c->fd, buf, 1, MSG_PEEK);

    if (n == 0 || (n == -1 && ngx_socket_errno != NGX_EAGAIN)) {
        ngx_http_push_client_close(client);
        return;
    }

    if (n == 1 && ngx_event_flags & NGX_USE_LEVEL_EVENT && c->read->active
        && ngx_del_event(c->read, NGX_READ_EVENT, 0) != NGX_OK)
    {
        ngx_http_push_client_close(client);
    }
}


ngx_http_push_page_t *
ngx_http_push_poll_page(ngx_http_push_client_t *client)
{
    ngx_http_push_poll_t  *poll;

    poll = client->state;

    if (poll->page == NULL) {
        poll->page = ngx_alloc(sizeof(ngx_http_push_page_t), ngx_cycle->log);

        if (poll->page) {
            ngx_memzero(poll->page, sizeof(ngx_http_push_page_t));
        }
    }

    return poll->page;
}


void
ngx_http_push_poll_free_page(ngx_http_push_poll_t *poll)
{
    if (poll->page) {
        ngx_free(poll->page->messages.data);
        ngx_free(poll->page->gap.data);
        ngx_free(poll->page->closed.data);
        ngx_free(poll->page);

        poll->page = NULL;
    }
}


static void
ngx_http_push_poll_release(ngx_http_push_client_t *client)
{
    ngx_http_push_poll_t  *poll;

    poll = client->state;

    if (poll) {
        ngx_http_push_head_free(poll->head);
        ngx_http_push_poll_free_page(poll);
        ngx_free(poll);

        client->state = NULL;
    }
}
