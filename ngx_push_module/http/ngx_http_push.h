
/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_HTTP_PUSH_H_INCLUDED_
#define _NGX_HTTP_PUSH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_push.h"


/* what the files of the edge share */


#define NGX_HTTP_PUSH_VERSION  "0.1.0"


/* gauges of a worker; those of transports come first */

typedef enum {
    NGX_HTTP_PUSH_SSE = 0,
    NGX_HTTP_PUSH_WEBSOCKET,
    NGX_HTTP_PUSH_NDJSON,
    NGX_HTTP_PUSH_POLL,
    NGX_HTTP_PUSH_TRANSPORTS
} ngx_http_push_transport_e;


/* by ngx_http_push_transport_e, as users write them */

extern ngx_str_t  ngx_http_push_transport_names[];


/* the location's part that more than one module needs */

typedef struct {
    ngx_push_zone_t           *zone;
    ngx_array_t               *publish_to;   /* NULL: no push_publish */
    ngx_array_t               *subscribe_to; /* NULL: no push_subscribe */
    ngx_http_handler_pt        publish;
    ngx_http_handler_pt        subscribe;
    ngx_http_complex_value_t  *user;
    unsigned                   zoned:1;      /* it needs a zone */
} ngx_http_push_loc_conf_t;


/* what is known of a request, for variables and logs */

typedef struct {
    ngx_array_t               *channels;     /* of ngx_str_t */
    ngx_push_id_t              id;           /* last sent or published */
    ngx_uint_t                 subscribers;
    ngx_str_t                  transport;
    unsigned                   has_id:1;
    unsigned                   published:1;
} ngx_http_push_ctx_t;


extern ngx_module_t  ngx_http_push_module;


/* module */

/* the context of the request, made if there is none; NULL: no memory */

ngx_http_push_ctx_t *ngx_http_push_get_ctx(ngx_http_request_t *r);

/* makes the location one of ours; both handlers share one entry point */

void ngx_http_push_set_handler(ngx_conf_t *cf);

/* says that the directive now read has an invalid value */

char *ngx_http_push_bad_value(ngx_conf_t *cf, ngx_str_t *value);

/* as ngx_conf_set_enum_slot(), and names the directive */

char *ngx_http_push_enum_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

ngx_msec_t ngx_http_push_drain_window(ngx_cycle_t *cycle);

/* variables */

ngx_int_t ngx_http_push_add_variables(ngx_conf_t *cf);

/* who the client is, as push_user says; NGX_OK or NGX_ERROR */

ngx_int_t ngx_http_push_user(ngx_http_request_t *r, ngx_str_t *user);

/* channels */

/* reads the arguments of a directive: ngx_array_t of expressions */

char *ngx_http_push_channels_slot(ngx_conf_t *cf, ngx_array_t **exprs);

/*
 * The channels that the expressions name now, each once.  NGX_OK, NGX_ERROR
 * (no memory), or NGX_DECLINED: a bad name, an empty variable, too many; the
 * cause is logged and "cause" says it for the client, unless "cause" is NULL.
 * With "optional" set an argument that is one empty variable names none.
 */

ngx_int_t ngx_http_push_channels(ngx_http_request_t *r, ngx_array_t *exprs,
    ngx_uint_t optional, ngx_array_t **channels, char **cause);

/* answer */

/*
 * Sends a problem document (RFC 9457) of type urn:ngx-push:problem:<slug>
 * and returns what a content handler returns.  "more" is further members,
 * ",\"name\":value", or NULL.
 */

ngx_int_t ngx_http_push_problem(ngx_http_request_t *r, ngx_uint_t status,
    char *slug, char *detail, ngx_str_t *more);

/* sends "body" as the whole answer; for HEAD the headers alone */

ngx_int_t ngx_http_push_answer(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body);

/*
 * Sets the headers of a stream that nothing may change or delay: 200, this
 * type, nothing for a filter to work on.  NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_push_stream(ngx_http_request_t *r, ngx_str_t *type);

/* the document alone; NULL: no memory */

ngx_str_t *ngx_http_push_problem_body(ngx_http_request_t *r,
    ngx_uint_t status, char *slug, char *detail, ngx_str_t *more);

/* what a status is called */

ngx_str_t *ngx_http_push_title(ngx_uint_t status);

/* 503 with Retry-After, for subscribers that know statuses */

ngx_int_t ngx_http_push_unavailable(ngx_http_request_t *r);

/* 503 with Retry-After: the backplane did not answer */

ngx_int_t ngx_http_push_away(ngx_http_request_t *r, ngx_str_t *more);

/* 400 for a position that is malformed */

ngx_int_t ngx_http_push_bad_position(ngx_http_request_t *r);

/* 405 with Allow */

ngx_int_t ngx_http_push_not_allowed(ngx_http_request_t *r, char *methods);

/* sets a response header; the value must live as long as the request */

ngx_int_t ngx_http_push_header(ngx_http_request_t *r, char *name,
    ngx_str_t *value);

/* the first header of this name; NULL: none */

ngx_table_elt_t *ngx_http_push_response_header(ngx_http_request_t *r,
    char *name);
ngx_str_t *ngx_http_push_request_header(ngx_http_request_t *r, char *name);

/* all of this name as one list (RFC 9110, 5.3); NULL: none, or no memory */

ngx_str_t *ngx_http_push_request_list(ngx_http_request_t *r, char *name);

/* origin */

/*
 * Checks the Origin of a request and adds the CORS headers of the answer.
 * NGX_OK, or what the content handler is to return: an answer was sent.
 */

ngx_int_t ngx_http_push_origin(ngx_http_request_t *r);

/* answers OPTIONS: "methods" as in Allow */

ngx_int_t ngx_http_push_preflight(ngx_http_request_t *r, char *methods);

/* adds the CORS headers if the Origin is allowed; NGX_OK or NGX_ERROR */

ngx_int_t ngx_http_push_cors(ngx_http_request_t *r);

/* error filter */

/* 1: the cleanup only marks a request of ours and waits for nothing */

ngx_uint_t ngx_http_push_is_marker(ngx_pool_cleanup_t *cln);

/* subscribe */

/* 1: the client of this push_subscribe location speaks SSE */

ngx_uint_t ngx_http_push_wants_sse(ngx_http_request_t *r);

/* a retry time in ms of this location, at random within push_retry */

ngx_msec_t ngx_http_push_retry(ngx_http_request_t *r);

/*
 * NGX_OK: the position of the request's subscriber, NGX_DECLINED: it has
 * none, NGX_ERROR
 */

ngx_int_t ngx_http_push_subscriber_position(ngx_http_request_t *r,
    ngx_str_t *value);

/* output */

/* past the filters that could change a body, to those that frame it */

ngx_int_t ngx_http_push_output(ngx_http_request_t *r, ngx_chain_t *in);


#endif /* _NGX_HTTP_PUSH_H_INCLUDED_ */
