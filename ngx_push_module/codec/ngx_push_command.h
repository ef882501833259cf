
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_COMMAND_H_INCLUDED_
#define _NGX_PUSH_COMMAND_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Commands of a push.json client: one JSON object a frame.
 */


/* bytes of a "ref", as it is written */
#define NGX_PUSH_COMMAND_REF_MAX  128


typedef enum {
    NGX_PUSH_COMMAND_SUBSCRIBE = 0,
    NGX_PUSH_COMMAND_UNSUBSCRIBE,
    NGX_PUSH_COMMAND_PUBLISH,
    NGX_PUSH_COMMAND_PING
} ngx_push_command_e;


typedef struct {
    ngx_uint_t   type;
    ngx_str_t    channel;      /* as it is named, not yet checked */
    ngx_str_t    since;        /* of a subscribe; empty: none */
    ngx_str_t    event;        /* of a publish; empty: none */
    ngx_str_t    data;         /* of a publish: text, or JSON, one line */
    ngx_str_t    ref;          /* as JSON; empty: none */
    char        *cause;        /* after NGX_DECLINED: what is wrong */
    unsigned     json:1;       /* data is JSON, not text */
    void        *tree;         /* what the values lie in */
} ngx_push_command_t;


/*
 * Reads one command.  NGX_OK, or NGX_DECLINED: it is no JSON object, names no
 * command or several, has a value of a wrong type, or a member twice in any
 * object; "ref" is set if there is a good one and the text is an object.
 * Members that the command does not have are not looked at.  In both cases
 * ngx_push_command_free() is to be called; until then the values are good,
 * also without the text.  NGX_ERROR: no memory, and nothing to free.
 *
 * Strings are decoded and may hold NUL; JSON data and "ref" are what the
 * client wrote, without the white space between the tokens.
 */

ngx_int_t ngx_push_command_parse(ngx_str_t *text, ngx_push_command_t *cmd);
void ngx_push_command_free(ngx_push_command_t *cmd);


#endif /* _NGX_PUSH_COMMAND_H_INCLUDED_ */
