
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_ENVELOPE_H_INCLUDED_
#define _NGX_PUSH_ENVELOPE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_content.h"


/*
 * The envelope: a message as one line of JSON.
 */


/* empty strings are left out, the body apart */

typedef struct {
    ngx_str_t  channel;
    ngx_str_t  id;
    ngx_str_t  position;
    ngx_str_t  event;
    ngx_str_t  topic;
    ngx_str_t  user;
    ngx_str_t  content_type;
    ngx_str_t  body;
    uint64_t   time;          /* milliseconds since 1970 */
    unsigned   text:1;        /* the body is valid UTF-8 and text */
} ngx_push_envelope_t;


/* An upper bound of what ngx_push_envelope() writes. */
size_t ngx_push_envelope_size(ngx_push_envelope_t *e);

/*
 * Writes the envelope, without a line break at its end, and returns its
 * end.  The body is "data" if it is text: a JSON value if the content
 * type is JSON and the body is valid, else a string.  Otherwise it is
 * "data_base64".
 */
u_char *ngx_push_envelope(u_char *p, ngx_push_envelope_t *e);


#endif /* _NGX_PUSH_ENVELOPE_H_INCLUDED_ */
