
/*
 * Copyright (C) The ngx_push_module authors
 *
 * Commands: what jansson says of the same text is what is read from it, and
 * what is passed on as JSON is the same value on one line.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>

#include "ngx_push_command.h"


#define FLAGS  (JSON_DECODE_ANY|JSON_DECODE_INT_AS_REAL|JSON_ALLOW_NUL)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void check(json_t *object, ngx_push_command_t *cmd, ngx_int_t rc);
static void check_ref(json_t *ref, ngx_push_command_t *cmd, ngx_int_t rc);
static ngx_int_t expected(json_t *object, ngx_uint_t *type);
static void is_string(json_t *value, ngx_str_t *s);
static void is_json(json_t *value, ngx_str_t *s);


static const char  *names[] = { "subscribe", "unsubscribe", "publish", "ping" };


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char              *copy;
    json_t              *object;
    ngx_int_t            rc;
    ngx_str_t            text;
    ngx_push_command_t   cmd;

    static ngx_log_t    log;
    static ngx_cycle_t  cycle;

    cycle.log = &log;
    ngx_cycle = &cycle;

    object = NULL;

    if (memchr(data, '\0', size) == NULL) {
        object = json_loadb((char *) data, size, FLAGS|JSON_REJECT_DUPLICATES,
                            NULL);
    }

    copy = malloc(size + 1);
    if (copy == NULL) {
        abort();
    }

    memcpy(copy, data, size);

    text.data = copy;
    text.len = size;

    rc = ngx_push_command_parse(&text, &cmd);

    /* the values are not in the text */

    free(copy);

    if ((rc != NGX_OK && rc != NGX_DECLINED)
        || (rc == NGX_DECLINED) != (cmd.cause != NULL))
    {
        abort();
    }

    if (json_is_object(object)) {
        check(object, &cmd, rc);

    } else if (rc == NGX_OK || cmd.ref.len) {
        abort();
    }

    ngx_push_command_free(&cmd);
    json_decref(object);

    return 0;
}


static void
check(json_t *object, ngx_push_command_t *cmd, ngx_int_t rc)
{
    json_t      *data;
    ngx_uint_t   type;

    check_ref(json_object_get(object, "ref"), cmd, rc);

    if (expected(object, &type) != NGX_OK) {

        if (rc == NGX_OK) {
            abort();
        }

        return;
    }

    /* all is good but "ref" */

    if (rc != NGX_OK) {

        if (cmd->ref.len || json_object_get(object, "ref") == NULL) {
            abort();
        }

        return;
    }

    if (cmd->type != type) {
        abort();
    }

    is_string(type == NGX_PUSH_COMMAND_PING
              ? NULL : json_object_get(object, names[type]), &cmd->channel);
    is_string(type == NGX_PUSH_COMMAND_SUBSCRIBE
              ? json_object_get(object, "since") : NULL, &cmd->since);
    is_string(type == NGX_PUSH_COMMAND_PUBLISH
              ? json_object_get(object, "event") : NULL, &cmd->event);

    data = type == NGX_PUSH_COMMAND_PUBLISH
           ? json_object_get(object, "data") : NULL;

    if (cmd->json) {
        is_json(data, &cmd->data);

    } else {
        is_string(data, &cmd->data);
    }
}


static void
check_ref(json_t *ref, ngx_push_command_t *cmd, ngx_int_t rc)
{
    if (cmd->ref.len == 0) {

        if (ref && rc == NGX_OK) {
            abort();
        }

        return;
    }

    if (cmd->ref.len > 128 || (!json_is_string(ref) && !json_is_real(ref))) {
        abort();
    }

    is_json(ref, &cmd->ref);
}


static ngx_int_t
expected(json_t *object, ngx_uint_t *type)
{
    json_t      *value;
    ngx_uint_t   i, n;

    n = 0;

    for (i = 0; i < 4; i++) {
        if (json_object_get(object, names[i])) {
            *type = i;
            n++;
        }
    }

    if (n != 1) {
        return NGX_DECLINED;
    }

    if (*type == NGX_PUSH_COMMAND_PING) {
        return NGX_OK;
    }

    if (!json_is_string(json_object_get(object, names[*type]))) {
        return NGX_DECLINED;
    }

    value = NULL;

    if (*type == NGX_PUSH_COMMAND_SUBSCRIBE) {
        value = json_object_get(object, "since");
    }

    if (*type == NGX_PUSH_COMMAND_PUBLISH) {
        value = json_object_get(object, "event");

        if (json_object_get(object, "data") == NULL) {
            return NGX_DECLINED;
        }
    }

    return (value == NULL || json_is_string(value)) ? NGX_OK : NGX_DECLINED;
}


static void
is_string(json_t *value, ngx_str_t *s)
{
    if (value == NULL) {

        if (s->len) {
            abort();
        }

        return;
    }

    if (!json_is_string(value) || json_string_length(value) != s->len
        || memcmp(json_string_value(value), s->data, s->len) != 0)
    {
        abort();
    }
}


static void
is_json(json_t *value, ngx_str_t *s)
{
    size_t   i;
    json_t  *is;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < ' ') {
            abort();
        }
    }

    is = json_loadb((char *) s->data, s->len, FLAGS, NULL);

    if (is == NULL || !json_equal(is, value)) {
        abort();
    }

    json_decref(is);
}
