
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_subscribe.h"


/*
 * Before a request may join channels behind a backplane, the zone's logs of
 * them must be current.  The request waits for that, and is then handled as
 * any other; if it has waited for too long, it is refused when it joins.
 */


typedef struct {
    ngx_http_request_t          *request;
    ngx_http_push_ctx_t         *ctx;
    ngx_http_push_transport_pt   handler;
    ngx_pool_cleanup_t          *cleanup;
    ngx_event_t                  timer;
    ngx_push_waiter_t           *waiters;
    ngx_push_start_t            *starts;
    ngx_uint_t                   n;
    ngx_uint_t                   pending;
} ngx_http_push_open_t;


static ngx_int_t ngx_http_push_open_all(ngx_http_push_open_t *o);
static void ngx_http_push_open_ready(ngx_push_waiter_t *w, ngx_int_t rc);
static void ngx_http_push_open_late(ngx_event_t *ev);
static void ngx_http_push_open_done(ngx_http_push_open_t *o);
static void ngx_http_push_open_cleanup(void *data);


ngx_int_t
ngx_http_push_open(ngx_http_request_t *r, ngx_http_push_ctx_t *ctx,
    ngx_http_push_transport_pt handler)
{
    ngx_http_push_open_t            *o;
    ngx_http_push_request_t          q;
    ngx_http_push_loc_conf_t        *plcf;
    ngx_http_push_subscribe_conf_t  *conf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_push_module);
    conf = ngx_http_get_module_loc_conf(r, ngx_http_push_subscribe_module);

    if (!ngx_push_zone_mirrors(plcf->zone)
        || ngx_push_hub(plcf->zone) == NULL
        || ctx->channels->nelts == 0)
    {
        return handler(r, ctx);
    }

    o = ngx_pcalloc(r->pool, sizeof(ngx_http_push_open_t));
    if (o == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    o->waiters = ngx_pcalloc(r->pool, ctx->channels->nelts
                                      * sizeof(ngx_push_waiter_t));
    o->cleanup = ngx_pool_cleanup_add(r->pool, 0);
    q.channels = ctx->channels;

    if (o->waiters == NULL
        || o->cleanup == NULL
        || ngx_http_push_read_request(r, conf, &q) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    o->request = r;
    o->ctx = ctx;
    o->handler = handler;
    o->starts = q.starts;
    o->n = ctx->channels->nelts;

    o->cleanup->handler = ngx_http_push_open_cleanup;
    o->cleanup->data = o;

    if (ngx_http_push_open_all(o) == NGX_OK) {
        ngx_http_push_open_cleanup(o);

        return handler(r, ctx);
    }

    o->timer.handler = ngx_http_push_open_late;
    o->timer.data = o;
    o->timer.log = r->connection->log;
    ngx_add_timer(&o->timer, ngx_http_push_open_time(plcf->zone));

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    r->main->count++;

    return NGX_DONE;
}


/* NGX_OK: there is nothing to wait for, or no use in it */

static ngx_int_t
ngx_http_push_open_all(ngx_http_push_open_t *o)
{
    ngx_int_t                  rc;
    ngx_str_t                 *name;
    ngx_uint_t                 i;
    ngx_http_push_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(o->request, ngx_http_push_module);
    name = o->ctx->channels->elts;

    for (i = 0; i < o->n; i++) {
        o->waiters[i].ready = ngx_http_push_open_ready;
        o->waiters[i].data = o;
        o->waiters[i].start = &o->starts[i];

        rc = ngx_push_hub_open(ngx_push_hub(plcf->zone), &o->waiters[i],
                               &name[i]);

        if (rc == NGX_ERROR) {
            return NGX_OK;
        }

        if (rc == NGX_AGAIN) {
            o->pending++;
        }
    }

    return o->pending ? NGX_AGAIN : NGX_OK;
}


/* one that is lost fails when it is joined */

static void
ngx_http_push_open_ready(ngx_push_waiter_t *w, ngx_int_t rc)
{
    ngx_http_push_open_t  *o;

    o = w->data;

    if (--o->pending == 0) {
        ngx_http_push_open_done(o);
    }
}


static void
ngx_http_push_open_late(ngx_event_t *ev)
{
    ngx_http_push_open_done(ev->data);
}


static void
ngx_http_push_open_done(ngx_http_push_open_t *o)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = o->request;
    c = r->connection;

    ngx_http_push_open_cleanup(o);

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_finalize_request(r, o->handler(r, o->ctx));
    ngx_http_run_posted_requests(c);
}


/* a cleanup without a handler holds no request back, see adopt */

static void
ngx_http_push_open_cleanup(void *data)
{
    ngx_uint_t             i;
    ngx_http_push_open_t  *o;

    o = data;
    o->cleanup->handler = NULL;

    for (i = 0; i < o->n; i++) {
        ngx_push_hub_cancel(&o->waiters[i]);
    }

    if (o->timer.timer_set) {
        ngx_del_timer(&o->timer);
    }
}
