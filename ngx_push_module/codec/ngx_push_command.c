
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <jansson.h>

#include "ngx_push_command.h"
#include "ngx_push_json.h"


/*
 * jansson knows the types and decodes strings, but a number goes through it
 * changed: what is passed on as JSON is taken from the text.
 */

typedef struct {
    json_t     *object;
    ngx_str_t   text;          /* behind it, without white space */
} ngx_push_command_tree_t;


static ngx_int_t ngx_push_command_load(ngx_str_t *text, json_t **object,
    char **cause);
static ngx_push_command_tree_t *ngx_push_command_tree(json_t *object,
    ngx_str_t *text);
static ngx_int_t ngx_push_command_ref(ngx_push_command_tree_t *tree,
    ngx_push_command_t *cmd);
static ngx_int_t ngx_push_command_name(json_t *object,
    ngx_push_command_t *cmd);
static ngx_int_t ngx_push_command_publish(ngx_push_command_tree_t *tree,
    ngx_push_command_t *cmd);
static ngx_int_t ngx_push_command_string(json_t *value, ngx_str_t *s);
static ngx_int_t ngx_push_command_raw(ngx_str_t *text, char *name,
    ngx_str_t *value);
static u_char *ngx_push_command_skip(u_char *p, u_char *last);
static ngx_uint_t ngx_push_command_is(u_char *p, u_char *last, char *name);


/* in the order of ngx_push_command_e */

static char  *ngx_push_command_names[] = {
    "subscribe",
    "unsubscribe",
    "publish",
    "ping",
    NULL
};


ngx_int_t
ngx_push_command_parse(ngx_str_t *text, ngx_push_command_t *cmd)
{
    json_t                   *object, *value;
    ngx_int_t                 rc;
    ngx_push_command_tree_t  *tree;

    ngx_memzero(cmd, sizeof(ngx_push_command_t));

    rc = ngx_push_command_load(text, &object, &cmd->cause);
    if (rc != NGX_OK) {
        return rc;
    }

    tree = ngx_push_command_tree(object, text);
    if (tree == NULL) {
        json_decref(object);
        return NGX_ERROR;
    }

    cmd->tree = tree;

    if (ngx_push_command_ref(tree, cmd) != NGX_OK
        || ngx_push_command_name(object, cmd) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (cmd->type == NGX_PUSH_COMMAND_PUBLISH) {
        return ngx_push_command_publish(tree, cmd);
    }

    value = json_object_get(object, "since");

    if (cmd->type == NGX_PUSH_COMMAND_SUBSCRIBE
        && value != NULL
        && ngx_push_command_string(value, &cmd->since) != NGX_OK)
    {
        cmd->cause = "\"since\" is not a string";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


void
ngx_push_command_free(ngx_push_command_t *cmd)
{
    ngx_push_command_tree_t  *tree;

    tree = cmd->tree;

    if (tree == NULL) {
        return;
    }

    json_decref(tree->object);
    ngx_free(tree);

    cmd->tree = NULL;
}


static ngx_int_t
ngx_push_command_load(ngx_str_t *text, json_t **object, char **cause)
{
    json_t        *value;
    json_error_t   error;

    *cause = "not a JSON object";

    /* jansson drops a NUL after a number; no JSON text has one */

    if (text->len == 0 || memchr(text->data, '\0', text->len) != NULL) {
        return NGX_DECLINED;
    }

    /* as reals, since an integer of more than 64 bits is good JSON, too */

    value = json_loadb((char *) text->data, text->len,
                       JSON_REJECT_DUPLICATES|JSON_DECODE_INT_AS_REAL
                       |JSON_ALLOW_NUL,
                       &error);

    if (json_is_object(value)) {
        *object = value;
        *cause = NULL;
        return NGX_OK;
    }

    if (value) {
        json_decref(value);
        return NGX_DECLINED;
    }

    switch (json_error_code(&error)) {

    case json_error_out_of_memory:
        ngx_log_error(NGX_LOG_EMERG, ngx_cycle->log, 0,
                      "push no memory to read a command");
        return NGX_ERROR;

    case json_error_duplicate_key:
        *cause = "a member occurs twice";
        break;

    default:
        break;
    }

    return NGX_DECLINED;
}


static ngx_push_command_tree_t *
ngx_push_command_tree(json_t *object, ngx_str_t *text)
{
    u_char                   *last;
    ngx_push_command_tree_t  *tree;

    tree = ngx_alloc(sizeof(ngx_push_command_tree_t) + text->len,
                     ngx_cycle->log);
    if (tree == NULL) {
        return NULL;
    }

    tree->object = object;
    tree->text.data = (u_char *) (tree + 1);

    last = ngx_push_json_compact(tree->text.data, text->data, text->len);
    tree->text.len = last - tree->text.data;

    return tree;
}


/* first of all, so that also a refusal can name it */

static ngx_int_t
ngx_push_command_ref(ngx_push_command_tree_t *tree, ngx_push_command_t *cmd)
{
    json_t     *value;
    ngx_str_t   ref;

    value = json_object_get(tree->object, "ref");

    if (value == NULL) {
        return NGX_OK;
    }

    if ((!json_is_string(value) && !json_is_number(value))
        || ngx_push_command_raw(&tree->text, "ref", &ref) != NGX_OK)
    {
        cmd->cause = "\"ref\" is not a string or a number";
        return NGX_DECLINED;
    }

    if (ref.len > NGX_PUSH_COMMAND_REF_MAX) {
        cmd->cause = "\"ref\" is too long";
        return NGX_DECLINED;
    }

    cmd->ref = ref;

    return NGX_OK;
}


static ngx_int_t
ngx_push_command_name(json_t *object, ngx_push_command_t *cmd)
{
    json_t      *value, *found;
    ngx_uint_t   i;

    found = NULL;

    for (i = 0; ngx_push_command_names[i]; i++) {
        value = json_object_get(object, ngx_push_command_names[i]);

        if (value == NULL) {
            continue;
        }

        if (found) {
            cmd->cause = "more than one command";
            return NGX_DECLINED;
        }

        found = value;
        cmd->type = i;
    }

    if (found == NULL) {
        cmd->cause = "no command";
        return NGX_DECLINED;
    }

    if (cmd->type != NGX_PUSH_COMMAND_PING
        && ngx_push_command_string(found, &cmd->channel) != NGX_OK)
    {
        cmd->cause = "the channel is not a string";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_push_command_publish(ngx_push_command_tree_t *tree,
    ngx_push_command_t *cmd)
{
    json_t  *event, *data;

    event = json_object_get(tree->object, "event");

    if (event && ngx_push_command_string(event, &cmd->event) != NGX_OK) {
        cmd->cause = "\"event\" is not a string";
        return NGX_DECLINED;
    }

    data = json_object_get(tree->object, "data");

    if (data && ngx_push_command_string(data, &cmd->data) == NGX_OK) {
        return NGX_OK;
    }

    if (ngx_push_command_raw(&tree->text, "data", &cmd->data) != NGX_OK) {
        cmd->cause = "no \"data\"";
        return NGX_DECLINED;
    }

    cmd->json = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_push_command_string(json_t *value, ngx_str_t *s)
{
    if (!json_is_string(value)) {
        return NGX_DECLINED;
    }

    s->data = (u_char *) json_string_value(value);
    s->len = json_string_length(value);

    return NGX_OK;
}


/* the text of a member; that of the object is good and without white space */

static ngx_int_t
ngx_push_command_raw(ngx_str_t *text, char *name, ngx_str_t *value)
{
    u_char      *p, *key, *last;
    ngx_uint_t   found;

    last = text->data + text->len;
    p = text->data + 1;

    while (p < last && *p == '"') {
        key = p + 1;
        p = ngx_push_command_skip(p, last);
        found = ngx_push_command_is(key, p - 1, name);

        if (p == last) {
            break;
        }

        value->data = ++p;
        p = ngx_push_command_skip(p, last);

        if (found) {
            value->len = p - value->data;
            return NGX_OK;
        }

        if (p < last) {
            p++;
        }
    }

    return NGX_DECLINED;
}


/* returns what follows the value: ":", "," or the end of what it is in */

static u_char *
ngx_push_command_skip(u_char *p, u_char *last)
{
    ngx_uint_t  depth, quoted;

    depth = 0;
    quoted = 0;

    for ( /* void */ ; p < last; p++) {

        if (quoted) {

            if (*p == '\\' && p + 1 < last) {
                p++;

            } else if (*p == '"') {
                quoted = 0;
            }

            continue;
        }

        switch (*p) {

        case '"':
            quoted = 1;
            break;

        case '{':
        case '[':
            depth++;
            break;

        case '}':
        case ']':
            if (depth == 0) {
                return p;
            }

            depth--;
            break;

        case ':':
        case ',':
            if (depth == 0) {
                return p;
            }

            break;
        }
    }

    return p;
}


/* any of its letters may be written as an escape, but only as "\u" */

static ngx_uint_t
ngx_push_command_is(u_char *p, u_char *last, char *name)
{
    for ( /* void */ ; *name; name++) {

        if (p >= last) {
            return 0;
        }

        if (*p != '\\') {

            if (*p++ != (u_char) *name) {
                return 0;
            }

            continue;
        }

        if (last - p < 6 || p[1] != 'u' || ngx_hextoi(p + 2, 4) != *name) {
            return 0;
        }

        p += 6;
    }

    return p == last;
}
