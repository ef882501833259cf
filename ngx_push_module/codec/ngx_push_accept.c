
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_accept.h"
#include "ngx_push_content.h"


#define NGX_PUSH_ACCEPT_TYPES  3


typedef struct {
    ngx_uint_t  bit;
    ngx_str_t   type;
    ngx_str_t   subtype;
} ngx_push_accept_type_t;


/* one element: a media range and what it is worth, 0 to 1000 */

typedef struct {
    ngx_str_t   type;
    ngx_str_t   subtype;
    ngx_uint_t  q;
    ngx_uint_t  order;
} ngx_push_accept_range_t;


/* the range that decides about a type */

typedef struct {
    ngx_uint_t  precision;    /* 0: there is none */
    ngx_uint_t  q;
    ngx_uint_t  order;
} ngx_push_accept_choice_t;


static ngx_uint_t ngx_push_accept_list(ngx_str_t *accept,
    ngx_push_accept_choice_t *choices);
static ngx_int_t ngx_push_accept_next(ngx_str_t *list, u_char divider,
    ngx_str_t *element);
static ngx_int_t ngx_push_accept_range(ngx_str_t *element,
    ngx_push_accept_range_t *range);
static ngx_int_t ngx_push_accept_q(u_char *p, u_char *last);
static void ngx_push_accept_apply(ngx_push_accept_choice_t *choices,
    ngx_push_accept_range_t *range);
static ngx_uint_t ngx_push_accept_precision(ngx_push_accept_range_t *range,
    ngx_push_accept_type_t *type);
static ngx_uint_t ngx_push_accept_pick(ngx_push_accept_choice_t *choices,
    ngx_uint_t allowed);


/* what ngx_push_accept_best() can return, our preference first */

static ngx_push_accept_type_t  ngx_push_accept_types[] = {

    { NGX_PUSH_ACCEPT_SSE,
      ngx_string("text"),
      ngx_string("event-stream") },

    { NGX_PUSH_ACCEPT_NDJSON,
      ngx_string("application"),
      ngx_string("x-ndjson") },

    { NGX_PUSH_ACCEPT_JSON,
      ngx_string("application"),
      ngx_string("json") }
};


ngx_uint_t
ngx_push_accept_best(ngx_str_t *accept, ngx_uint_t allowed)
{
    ngx_str_t                 any;
    ngx_push_accept_choice_t  choices[NGX_PUSH_ACCEPT_TYPES];

    ngx_memzero(choices, sizeof(choices));

    if (accept == NULL || ngx_push_accept_list(accept, choices) == 0) {
        ngx_str_set(&any, "*/*");
        (void) ngx_push_accept_list(&any, choices);
    }

    return ngx_push_accept_pick(choices, allowed);
}


/* Returns the number of well-formed elements. */

static ngx_uint_t
ngx_push_accept_list(ngx_str_t *accept, ngx_push_accept_choice_t *choices)
{
    ngx_str_t                list, element;
    ngx_push_accept_range_t  range;

    list = *accept;
    range.order = 0;

    while (ngx_push_accept_next(&list, ',', &element) == NGX_OK) {

        if (ngx_push_accept_range(&element, &range) == NGX_OK) {
            ngx_push_accept_apply(choices, &range);
            range.order++;
        }
    }

    return range.order;
}


/*
 * Takes what stands before the next divider off the front of the list,
 * without the white space around it: NGX_OK, or NGX_DONE.  A divider in
 * a quoted string (RFC 9110, 5.6.4) is none.
 */

static ngx_int_t
ngx_push_accept_next(ngx_str_t *list, u_char divider, ngx_str_t *element)
{
    u_char      ch;
    size_t      i;
    ngx_uint_t  quoted;

    if (list->len == 0) {
        return NGX_DONE;
    }

    quoted = 0;

    for (i = 0; i < list->len; i++) {
        ch = list->data[i];

        if (ch == '"') {
            quoted = !quoted;

        } else if (ch == '\\' && quoted && i + 1 < list->len) {
            i++;

        } else if (ch == divider && !quoted) {
            break;
        }
    }

    element->data = list->data;
    element->len = i;

    i += (i < list->len);

    list->data += i;
    list->len -= i;

    while (element->len
           && (element->data[0] == ' ' || element->data[0] == '\t'))
    {
        element->data++;
        element->len--;
    }

    while (element->len
           && (element->data[element->len - 1] == ' '
               || element->data[element->len - 1] == '\t'))
    {
        element->len--;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_push_accept_range(ngx_str_t *element, ngx_push_accept_range_t *range)
{
    ngx_int_t  q;
    ngx_str_t  list, part;

    list = *element;

    if (ngx_push_accept_next(&list, ';', &part) != NGX_OK) {
        return NGX_DECLINED;
    }

    /* Java's HttpURLConnection says "*; q=.2" */

    if (part.len == 1 && part.data[0] == '*') {
        range->type = part;
        range->subtype = part;

    } else if (ngx_push_content_split(&part, &range->type, &range->subtype)
               != NGX_OK)
    {
        return NGX_DECLINED;
    }

    range->q = 1000;

    while (ngx_push_accept_next(&list, ';', &part) == NGX_OK) {

        if (part.len < 2 || (part.data[0] | 0x20) != 'q'
            || part.data[1] != '=')
        {
            continue;
        }

        q = ngx_push_accept_q(part.data + 2, part.data + part.len);
        if (q == NGX_ERROR) {
            return NGX_DECLINED;
        }

        range->q = q;
        break;
    }

    return NGX_OK;
}


/* RFC 9110, 12.4.2, but ".2" will do, and digits after the third */

static ngx_int_t
ngx_push_accept_q(u_char *p, u_char *last)
{
    ngx_int_t  q, scale;

    q = 0;

    if (p < last && (*p == '0' || *p == '1')) {
        q = (*p++ - '0') * 1000;

        if (p == last) {
            return q;
        }

    } else if (last - p < 2) {
        return NGX_ERROR;
    }

    if (*p++ != '.') {
        return NGX_ERROR;
    }

    for (scale = 100; p < last; p++, scale /= 10) {

        if (*p < '0' || *p > '9') {
            return NGX_ERROR;
        }

        q += (*p - '0') * scale;
    }

    return (q > 1000) ? NGX_ERROR : q;
}


static void
ngx_push_accept_apply(ngx_push_accept_choice_t *choices,
    ngx_push_accept_range_t *range)
{
    ngx_uint_t                 i, precision;
    ngx_push_accept_choice_t  *choice;

    for (i = 0; i < NGX_PUSH_ACCEPT_TYPES; i++) {
        choice = &choices[i];
        precision = ngx_push_accept_precision(range,
                                              &ngx_push_accept_types[i]);

        if (precision == 0 || precision < choice->precision) {
            continue;
        }

        if (precision > choice->precision || range->q > choice->q) {
            choice->precision = precision;
            choice->q = range->q;
            choice->order = range->order;
        }
    }
}


/* RFC 9110, 12.5.1: the most specific range counts; 0 is no match. */

static ngx_uint_t
ngx_push_accept_precision(ngx_push_accept_range_t *range,
    ngx_push_accept_type_t *type)
{
    ngx_uint_t  any;

    any = (range->subtype.len == 1 && range->subtype.data[0] == '*');

    if (any && range->type.len == 1 && range->type.data[0] == '*') {
        return 1;
    }

    if (range->type.len != type->type.len
        || ngx_strncasecmp(range->type.data, type->type.data, type->type.len)
           != 0)
    {
        return 0;
    }

    if (any) {
        return 2;
    }

    if (range->subtype.len != type->subtype.len
        || ngx_strncasecmp(range->subtype.data, type->subtype.data,
                           type->subtype.len)
           != 0)
    {
        return 0;
    }

    return 3;
}


static ngx_uint_t
ngx_push_accept_pick(ngx_push_accept_choice_t *choices, ngx_uint_t allowed)
{
    ngx_uint_t                 i, bit;
    ngx_push_accept_choice_t  *choice, *best;

    bit = 0;
    best = NULL;

    for (i = 0; i < NGX_PUSH_ACCEPT_TYPES; i++) {
        choice = &choices[i];

        if (!(ngx_push_accept_types[i].bit & allowed) || choice->q == 0) {
            continue;
        }

        if (best == NULL || choice->q > best->q
            || (choice->q == best->q && choice->order < best->order))
        {
            best = choice;
            bit = ngx_push_accept_types[i].bit;
        }
    }

    return bit;
}
