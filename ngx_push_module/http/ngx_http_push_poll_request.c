
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_poll.h"
#include "ngx_push_compound.h"
#include "ngx_push_header.h"


/* a poll, from its request to what it asks the hub for */


#define NGX_HTTP_PUSH_LIMIT      100
#define NGX_HTTP_PUSH_LIMIT_MAX  1000


static char *ngx_http_push_poll_read(ngx_http_request_t *r,
    ngx_http_push_client_t *client);
static char *ngx_http_push_poll_limit(ngx_http_request_t *r,
    ngx_http_push_poll_t *poll);
static char *ngx_http_push_poll_before(ngx_http_request_t *r,
    ngx_http_push_poll_t *poll);
static uint32_t ngx_http_push_poll_prefer(ngx_http_request_t *r);
static ngx_int_t ngx_http_push_poll_wait(u_char *p, u_char *last,
    uint32_t *seconds);
static u_char *ngx_http_push_poll_space(u_char *p, u_char *last);
static ngx_int_t ngx_http_push_poll_begin(ngx_http_request_t *r,
    ngx_http_push_client_t *client);
static void ngx_http_push_poll_ask(ngx_http_push_client_t *client);
static ngx_uint_t ngx_http_push_poll_is_same(ngx_http_request_t *r,
    ngx_http_push_client_t *client);


ngx_int_t
ngx_http_push_poll_handler(ngx_http_request_t *r, ngx_http_push_ctx_t *ctx)
{
    char                     *bad;
    size_t                    size;
    ngx_int_t                 rc;
    ngx_http_push_poll_t     *poll;
    ngx_http_push_client_t   *client;
    ngx_http_push_request_t  *q;

    ctx->transport = ngx_http_push_poll.name;

    if (!ngx_http_push_has_room()) {
        return ngx_http_push_unavailable(r);
    }

    q = ngx_pcalloc(r->pool, sizeof(ngx_http_push_request_t));
    client = ngx_http_push_client_create(r, &ngx_http_push_poll);

    if (q == NULL || client == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    size = sizeof(ngx_http_push_poll_t)
           + (r->connection->ssl ? sizeof(ngx_http_connection_t *) : 0);

    poll = ngx_alloc(size, r->connection->log);
    if (poll == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(poll, size);

    client->state = poll;
    q->channels = ctx->channels;

    if (ngx_http_push_poll_page(client) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    poll->page->request = q;

    if (ngx_http_push_read_request(r, client->conf, q) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (q->malformed) {
        return ngx_http_push_bad_position(r);
    }

    bad = ngx_http_push_poll_read(r, client);

    if (bad) {
        return ngx_http_push_problem(r, NGX_HTTP_BAD_REQUEST, "bad-request",
                                     bad, NULL);
    }

    rc = ngx_http_push_join(client, q);

    if (rc == NGX_DECLINED) {
        return ngx_http_push_unavailable(r);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->id = q->starts[0].start;
    ctx->has_id = 1;

    return ngx_http_push_poll_begin(r, client);
}


static char *
ngx_http_push_poll_read(ngx_http_request_t *r, ngx_http_push_client_t *client)
{
    char                     *bad;
    uint32_t                  most;
    ngx_uint_t                i;
    ngx_http_push_poll_t     *poll;
    ngx_http_push_request_t  *q;

    poll = client->state;
    q = poll->page->request;

    bad = ngx_http_push_poll_limit(r, poll);

    if (bad) {
        return bad;
    }

    bad = ngx_http_push_poll_before(r, poll);

    if (bad || poll->backward) {
        return bad;
    }

    most = (client->conf->poll_timeout + 999) / 1000;

    poll->timeout = ngx_min(ngx_http_push_poll_prefer(r), most);

    if (r->method == NGX_HTTP_HEAD) {
        poll->timeout = 0;
    }

    if (poll->timeout
        || client->conf->start_set
        || (q->requested.len && !ngx_push_compound_is(&q->requested)))
    {
        return NULL;
    }

    /* channels that no position is known of */

    for (i = 0; i < q->channels->nelts; i++) {
        if (q->starts[i].at == NGX_PUSH_AT_LATEST) {
            q->starts[i].at = NGX_PUSH_AT_EARLIEST;
        }
    }

    return NULL;
}


static char *
ngx_http_push_poll_limit(ngx_http_request_t *r, ngx_http_push_poll_t *poll)
{
    ngx_int_t  n;
    ngx_str_t  arg;

    poll->limit = NGX_HTTP_PUSH_LIMIT;

    if (ngx_http_arg(r, (u_char *) "limit", 5, &arg) != NGX_OK) {
        return NULL;
    }

    n = ngx_atoi(arg.data, arg.len);

    if (n == NGX_ERROR || n == 0 || n > NGX_HTTP_PUSH_LIMIT_MAX) {
        return "limit is not between 1 and 1000";
    }

    poll->limit = n;

    return NULL;
}


static char *
ngx_http_push_poll_before(ngx_http_request_t *r, ngx_http_push_poll_t *poll)
{
    ngx_str_t                 id, name = ngx_string("before");
    ngx_http_push_request_t  *q;

    if (ngx_http_push_arg(r, &name, &id) != NGX_OK) {
        return NULL;
    }

    q = poll->page->request;

    if (q->requested.len) {
        return "before and a position to start from exclude each other";
    }

    if (q->channels->nelts != 1) {
        return "before takes the id of a message, so one channel";
    }

    if (ngx_http_push_set_starts(r->pool, &id, q) != NGX_OK
        || q->starts[0].at != NGX_PUSH_AT_ID)
    {
        return "before is not an id";
    }

    q->requested = id;
    q->starts[0].at = NGX_PUSH_AT_BEFORE;
    q->starts[0].n = poll->limit;

    poll->backward = 1;

    return NULL;
}


/* wait=seconds among the preferences (RFC 7240, 4.3); 0: none */

static uint32_t
ngx_http_push_poll_prefer(ngx_http_request_t *r)
{
    u_char      *p, *end, *last;
    uint32_t     seconds;
    ngx_str_t   *value;
    ngx_uint_t   quoted;

    value = ngx_http_push_request_list(r, "Prefer");

    if (value == NULL) {
        return 0;
    }

    last = value->data + value->len;

    for (p = value->data; p < last; p = end + 1) {
        quoted = 0;

        for (end = p; end < last && (quoted || *end != ','); end++) {

            if (*end == '"') {
                quoted = !quoted;

            } else if (quoted && *end == '\\' && end + 1 < last) {
                end++;
            }
        }

        if (ngx_http_push_poll_wait(p, end, &seconds) == NGX_OK) {
            return seconds;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_push_poll_wait(u_char *p, u_char *last, uint32_t *seconds)
{
    u_char      *start;
    uint64_t     n;
    ngx_uint_t   quoted;

    p = ngx_http_push_poll_space(p, last);

    if (last - p < 4 || ngx_strncasecmp(p, (u_char *) "wait", 4) != 0) {
        return NGX_DECLINED;
    }

    p = ngx_http_push_poll_space(p + 4, last);

    if (p == last || *p++ != '=') {
        return NGX_DECLINED;
    }

    p = ngx_http_push_poll_space(p, last);

    quoted = (p < last && *p == '"');
    p += quoted;

    n = 0;

    for (start = p; p < last && *p >= '0' && *p <= '9'; p++) {
        n = ngx_min(n * 10 + (*p - '0'), NGX_MAX_INT32_VALUE);
    }

    if (p == start || (quoted && (p == last || *p++ != '"'))) {
        return NGX_DECLINED;
    }

    p = ngx_http_push_poll_space(p, last);

    *seconds = n;

    return (p == last || *p == ';') ? NGX_OK : NGX_DECLINED;
}


static u_char *
ngx_http_push_poll_space(u_char *p, u_char *last)
{
    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    return p;
}


static ngx_int_t
ngx_http_push_poll_begin(ngx_http_request_t *r,
    ngx_http_push_client_t *client)
{
    ngx_uint_t                i, n;
    ngx_http_push_gap_t       gap;
    ngx_http_push_page_t     *page;
    ngx_http_push_poll_t     *poll;

    poll = client->state;
    page = poll->page;
    n = page->request->channels->nelts;

    /* one gap an answer: the others keep their place until it is their turn */

    for (i = 0; i < n; i++) {

        if (ngx_http_push_start_gap(page->request, i, &gap)) {

            if (ngx_http_push_poll_put_gap(page, &gap) != NGX_OK) {
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }

            break;
        }
    }

    page->request->told = ngx_min(i + 1, n);

    if (poll->backward) {

        /* before the first there is as little as before all */

        page->before = ngx_max(page->request->starts[0].id.seq, 1);
    }

    r->main->count++;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    poll->matching = (i == n && ngx_http_push_poll_is_same(r, client));

    ngx_http_push_poll_ask(client);
    (void) ngx_http_push_resume(client);

    return NGX_DONE;
}


/* each channel is to say when it has no more; not those with another gap */

static void
ngx_http_push_poll_ask(ngx_http_push_client_t *client)
{
    ngx_uint_t                     i;
    ngx_http_push_page_t          *page;
    ngx_http_push_subscription_t  *s;

    page = ((ngx_http_push_poll_t *) client->state)->page;

    for (s = ngx_http_push_first(client), i = 0; s; s = s->next, i++) {

        if (i >= page->request->told
            && page->request->starts[i].found != NGX_PUSH_COMPLETE)
        {
            s->base.away = 0;
            continue;
        }

        s->base.asking = 1;
        page->pending++;
    }
}


/*
 * Whether the answer would be what the client has: it names the last position,
 * and the page goes to the end.  In one channel it has what is between, too,
 * unless it is to wait for what comes after its start.
 */

static ngx_uint_t
ngx_http_push_poll_is_same(ngx_http_request_t *r,
    ngx_http_push_client_t *client)
{
    uint64_t                       cursor;
    ngx_str_t                     *value, tag;
    ngx_http_push_poll_t          *poll;
    ngx_http_push_subscription_t  *s;

    poll = client->state;
    value = ngx_http_push_request_list(r, "If-None-Match");

    if (value == NULL || poll->backward) {
        return 0;
    }

    for (s = ngx_http_push_first(client); s; s = s->next) {

        if (s->base.cursor != s->base.joined
            && (client->channels > 1
                || poll->timeout
                || s->base.joined - s->base.cursor > poll->limit))
        {
            return 0;
        }
    }

    tag.data = ngx_pnalloc(r->pool, ngx_http_push_position_size(client));
    if (tag.data == NULL) {
        return 0;
    }

    s = ngx_http_push_first(client);
    cursor = s->base.cursor;

    s->base.cursor = s->base.joined;
    tag.len = ngx_http_push_position(tag.data, client, NULL, 0) - tag.data;
    s->base.cursor = cursor;

    return ngx_push_header_has_etag(value, &tag);
}
