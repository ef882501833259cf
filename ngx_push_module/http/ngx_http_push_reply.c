
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_reply.h"
#include "ngx_http_push_render.h"
#include "ngx_push_json.h"


/* replies to the commands of a push.json client */


static u_char *ngx_http_push_reply_ref(u_char *p,
    ngx_http_push_reply_t *reply);


/* a pong names no channel */

ngx_int_t
ngx_http_push_reply(ngx_http_push_reply_t *reply, char *type)
{
    u_char                  *p, *last;
    size_t                   room;
    ngx_int_t                rc;
    ngx_str_t                position;
    ngx_http_push_client_t  *client;

    client = reply->client;
    room = ngx_http_push_position_size(client);

    p = ngx_alloc(NGX_HTTP_PUSH_FRAME_ROOM + NGX_HTTP_PUSH_NOTICE_SIZE
                  + ngx_push_json_string_size(&reply->cmd.channel)
                  + reply->cmd.ref.len + 2 * room, ngx_cycle->log);
    if (p == NULL) {
        return ngx_http_push_input_fail(client, NGX_HTTP_PUSH_CLOSE_ERROR,
                                        "no memory");
    }

    last = ngx_sprintf(p + room + NGX_HTTP_PUSH_FRAME_ROOM,
                       "{\"type\":\"%s\"", type);

    if (reply->cmd.type != NGX_PUSH_COMMAND_PING) {
        last = ngx_cpymem(last, ",\"channel\":",
                          sizeof(",\"channel\":") - 1);
        last = ngx_push_json_string(last, &reply->cmd.channel);
        *last++ = ',';
        last = ngx_http_push_put_id(last, "id", reply->id);
    }

    if (reply->cmd.type == NGX_PUSH_COMMAND_SUBSCRIBE && reply->id) {
        ngx_http_push_several(p, client, &position);

        if (position.len) {
            last = ngx_sprintf(last, ",\"position\":\"%V\"", &position);
        }
    }

    last = ngx_http_push_reply_ref(last, reply);
    *last++ = '}';

    rc = ngx_http_push_websocket_send(client, p + room, last);

    ngx_free(p);

    return rc;
}


ngx_int_t
ngx_http_push_reply_error(ngx_http_push_reply_t *reply, ngx_uint_t status,
    char *detail)
{
    u_char     *p, *last;
    ngx_int_t   rc;
    ngx_str_t   text;

    text.data = (u_char *) detail;
    text.len = ngx_strlen(detail);

    p = ngx_alloc(NGX_HTTP_PUSH_FRAME_ROOM + NGX_HTTP_PUSH_NOTICE_SIZE
                  + ngx_push_json_string_size(&text) + reply->cmd.ref.len,
                  ngx_cycle->log);
    if (p == NULL) {
        return ngx_http_push_input_fail(reply->client,
                                        NGX_HTTP_PUSH_CLOSE_ERROR,
                                        "no memory");
    }

    last = ngx_cpymem(p + NGX_HTTP_PUSH_FRAME_ROOM, "{\"type\":\"error\"",
                      sizeof("{\"type\":\"error\"") - 1);
    last = ngx_http_push_reply_ref(last, reply);
    last = ngx_sprintf(last, ",\"status\":%ui,\"title\":\"%V\",\"detail\":",
                       status, ngx_http_push_title(status));
    last = ngx_push_json_string(last, &text);
    *last++ = '}';

    rc = ngx_http_push_websocket_send(reply->client, p, last);

    ngx_free(p);

    return rc;
}


static u_char *
ngx_http_push_reply_ref(u_char *p, ngx_http_push_reply_t *reply)
{
    return reply->cmd.ref.len ? ngx_sprintf(p, ",\"ref\":%V", &reply->cmd.ref)
                              : p;
}
