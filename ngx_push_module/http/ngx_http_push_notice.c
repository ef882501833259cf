
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_notice.h"
#include "ngx_http_push_render.h"
#include "ngx_push_json.h"


#define ngx_http_push_put(p, s)  ngx_cpymem(p, s, sizeof(s) - 1)


static u_char *ngx_http_push_put_position(u_char *p, ngx_str_t *position);
static size_t ngx_http_push_welcome_size(ngx_http_push_client_t *client,
    ngx_http_push_request_t *q);


size_t
ngx_http_push_gap_size(ngx_http_push_gap_t *gap)
{
    gap->requested.len = ngx_min(gap->requested.len, NGX_HTTP_PUSH_REQUESTED);

    return NGX_HTTP_PUSH_NOTICE_SIZE
           + ngx_push_json_string_size(&gap->channel)
           + ngx_push_json_string_size(&gap->requested);
}


u_char *
ngx_http_push_put_gap(u_char *p, ngx_http_push_gap_t *gap)
{
    p = ngx_http_push_put(p, "\"channel\":");
    p = ngx_push_json_string(p, &gap->channel);
    p = ngx_http_push_put(p, ",\"requested\":");
    p = ngx_push_json_string(p, &gap->requested);
    *p++ = ',';
    p = ngx_http_push_put_id(p, "oldest",
                             gap->oldest.seq ? &gap->oldest : NULL);

    return ngx_sprintf(p, ",\"reason\":\"%s\"", gap->reason);
}


u_char *
ngx_http_push_put_id(u_char *p, char *name, ngx_push_id_t *id)
{
    if (id == NULL) {
        return ngx_sprintf(p, "\"%s\":null", name);
    }

    p = ngx_sprintf(p, "\"%s\":\"", name);
    p = ngx_push_id_format(p, id);
    *p++ = '"';

    return p;
}


static u_char *
ngx_http_push_put_position(u_char *p, ngx_str_t *position)
{
    return position->len ? ngx_sprintf(p, ",\"position\":\"%V\"", position)
                         : p;
}


u_char *
ngx_http_push_json_subscribed(u_char *p, ngx_str_t *channel,
    ngx_push_id_t *id, ngx_str_t *position)
{
    p = ngx_http_push_put(p, "{\"type\":\"subscribed\",\"channel\":");
    p = ngx_push_json_string(p, channel);
    *p++ = ',';
    p = ngx_http_push_put_id(p, "id", id);
    p = ngx_http_push_put_position(p, position);
    *p++ = '}';

    return p;
}


u_char *
ngx_http_push_json_gap(u_char *p, ngx_http_push_gap_t *gap,
    ngx_str_t *position)
{
    p = ngx_http_push_put(p, "{\"type\":\"gap\",");
    p = ngx_http_push_put_gap(p, gap);
    *p++ = ',';
    p = ngx_http_push_put_id(p, "id", &gap->id);
    p = ngx_http_push_put_position(p, position);
    *p++ = '}';

    return p;
}


u_char *
ngx_http_push_json_closed(u_char *p, ngx_str_t *channel, char *reason)
{
    p = ngx_http_push_put(p, "{\"type\":\"closed\",\"channel\":");
    p = ngx_push_json_string(p, channel);

    return ngx_sprintf(p, ",\"reason\":\"%s\"}", reason);
}


u_char *
ngx_http_push_json_reconnect(u_char *p, ngx_http_push_client_t *client)
{
    p = ngx_sprintf(p, "{\"type\":\"reconnect\",\"retry\":%M",
                    ngx_http_push_random_retry(client->conf));

    if (client->channels) {
        p = ngx_sprintf(p, ",\"%s\":\"",
                        (client->channels > 1) ? "position" : "id");
        p = ngx_http_push_position(p, client, NULL, 0);
        *p++ = '"';
    }

    *p++ = '}';

    return p;
}


void
ngx_http_push_several(u_char *p, ngx_http_push_client_t *client,
    ngx_str_t *position)
{
    position->data = p;
    position->len = 0;

    if (client->channels > 1) {
        position->len = ngx_http_push_position(p, client, NULL, 0) - p;
    }
}


/* the position of all channels stands with the last of them */

ngx_int_t
ngx_http_push_json_welcome(ngx_http_push_client_t *client,
    ngx_http_push_request_t *q, ngx_http_push_put_pt put, ngx_str_t *first)
{
    u_char               *p, *last;
    ngx_str_t            *name, position, none;
    ngx_uint_t            i, n;
    ngx_http_push_gap_t   gap;

    ngx_str_null(&none);

    position.len = ngx_http_push_position_size(client);

    p = ngx_pnalloc(client->request->pool,
                    position.len + ngx_http_push_welcome_size(client, q));
    if (p == NULL) {
        return NGX_ERROR;
    }

    position.data = p;
    p += position.len;
    first->data = p;

    name = q->channels->elts;
    n = q->channels->nelts;
    position.len = 0;

    for (i = 0; i < n && q->greet; i++) {

        if (n > 1 && i + 1 == n) {
            position.len = ngx_http_push_position(position.data, client, q, 0)
                           - position.data;
        }

        last = ngx_http_push_json_subscribed(p + NGX_HTTP_PUSH_FRAME_ROOM,
                       &name[i],
                       (q->starts[i].found == NGX_PUSH_COMPLETE)
                       ? &q->starts[i].start : NULL,
                       (i + 1 == n) ? &position : &none);

        p = put(p, last);
    }

    for (i = 0; i < n; i++) {

        if (!ngx_http_push_start_gap(q, i, &gap)) {
            continue;
        }

        (void) ngx_http_push_gap_size(&gap);

        if (n > 1) {
            position.len = ngx_http_push_position(position.data, client, q,
                                                  i + 1)
                           - position.data;
        }

        last = ngx_http_push_json_gap(p + NGX_HTTP_PUSH_FRAME_ROOM, &gap,
                                      &position);
        p = put(p, last);
    }

    first->len = p - first->data;

    return NGX_OK;
}


static size_t
ngx_http_push_welcome_size(ngx_http_push_client_t *client,
    ngx_http_push_request_t *q)
{
    size_t                size;
    ngx_str_t            *name;
    ngx_uint_t            i;
    ngx_http_push_gap_t   gap;

    name = q->channels->elts;
    size = ngx_http_push_position_size(client);

    for (i = 0; i < q->channels->nelts; i++) {
        size += NGX_HTTP_PUSH_NOTICE_SIZE + 2 * NGX_HTTP_PUSH_FRAME_ROOM
                + ngx_push_json_string_size(&name[i]);

        if (ngx_http_push_start_gap(q, i, &gap)) {
            size += ngx_http_push_gap_size(&gap) + 2 * NGX_HTTP_PUSH_FRAME_ROOM
                    + ngx_http_push_position_size(client);
        }
    }

    return size;
}
