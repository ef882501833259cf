
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_push_redis_connection.h"


/*
 * What the log is told: one line for each change of state.  What NGINX says
 * of the connection is not logged but becomes the cause of its loss.
 */


/* in seconds */

#define NGX_PUSH_REDIS_WARN  60


static const char *ngx_push_redis_report_kind(ngx_push_redis_connection_t *c);
static void ngx_push_redis_report_said(ngx_log_t *log, ngx_uint_t level,
    u_char *buf, size_t len);


void
ngx_push_redis_report_init(ngx_push_redis_connection_t *c)
{
    c->warned = 0;
    c->why.data = c->cause;
    c->why.len = 0;

    c->peer_log = *c->log;
    c->peer_log.handler = NULL;
    c->peer_log.action = NULL;
    c->peer_log.writer = ngx_push_redis_report_said;
    c->peer_log.wdata = c;
    c->peer_log.next = NULL;

    ngx_push_redis_report_listen(c, 0);
}


/* what the closing may say is no cause */

void
ngx_push_redis_report_listen(ngx_push_redis_connection_t *c, ngx_uint_t on)
{
    c->peer_log.log_level = on ? NGX_LOG_INFO : NGX_LOG_ALERT;
}


void
ngx_push_redis_report_up(ngx_push_redis_connection_t *c)
{
    c->warned = 0;

    if (c->greet) {
        ngx_log_error(NGX_LOG_NOTICE, c->log, 0,
                      "redis \"%V\" listens to the sentinel %V",
                      &c->conf->name, c->peer.name);
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, c->log, 0,
                  "redis \"%V\" is up for %s: %V, version %ui.%ui.%ui, "
                  "term %06xD",
                  &c->conf->name, ngx_push_redis_report_kind(c), c->peer.name,
                  c->version / 10000, c->version / 100 % 100,
                  c->version % 100, c->term);
}


/* at once if it was up or never tried, else once a minute */

void
ngx_push_redis_report_down(ngx_push_redis_connection_t *c, ngx_uint_t lost)
{
    if (!lost && c->warned && ngx_time() - c->warned < NGX_PUSH_REDIS_WARN) {
        return;
    }

    c->warned = ngx_time();

    ngx_log_error(NGX_LOG_WARN, c->log, 0,
                  "redis \"%V\" is %s for %s: %V; it is tried again until "
                  "it is up",
                  &c->conf->name, lost ? "lost" : "down",
                  ngx_push_redis_report_kind(c), &c->why);
}


static const char *
ngx_push_redis_report_kind(ngx_push_redis_connection_t *c)
{
    if (c->greet) {
        return "sentinels";
    }

    return c->message ? "subscriptions" : "commands";
}


/* a line of the log without the time, the level and the numbers before it */

static void
ngx_push_redis_report_said(ngx_log_t *log, ngx_uint_t level, u_char *buf,
    size_t len)
{
    u_char                       *p, *last;
    ngx_push_redis_connection_t  *c;

    c = log->wdata;

    last = buf + len;

    p = ngx_strnstr(buf, "#", len);
    p = (p == NULL) ? buf : ngx_strlchr(p, last, ' ');
    p = (p == NULL) ? buf : p + 1;

    if (p < last && *p == '*') {
        p = ngx_strlchr(p, last, ' ');
        p = (p == NULL) ? buf : p + 1;
    }

    while (last > p && last[-1] <= 0x20) {
        last--;
    }

    len = ngx_min((size_t) (last - p), (size_t) NGX_PUSH_REDIS_CAUSE_LEN);

    if (log->log_level != NGX_LOG_ALERT) {
        ngx_memcpy(c->cause, p, len);
        c->why.len = len;
    }

    if (level <= NGX_LOG_ALERT) {
        ngx_log_error(level, c->log, 0, "redis \"%V\": %*s",
                      &c->conf->name, len, p);
    }
}
