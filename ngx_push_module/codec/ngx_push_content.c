
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_content.h"


static ngx_uint_t ngx_push_content_token(ngx_str_t *s);
static ngx_uint_t ngx_push_content_is_tchar(u_char ch);
static ngx_uint_t ngx_push_content_is(ngx_str_t *s, char *word);
static ngx_uint_t ngx_push_content_json_subtype(ngx_str_t *subtype);


ngx_int_t
ngx_push_content_split(ngx_str_t *value, ngx_str_t *type,
    ngx_str_t *subtype)
{
    size_t  i, n;

    for (n = 0; n < value->len && value->data[n] != ';'; n++) { /* void */ }

    while (n && (value->data[n - 1] == ' ' || value->data[n - 1] == '\t')) {
        n--;
    }

    for (i = 0; i < n && value->data[i] != '/'; i++) { /* void */ }

    if (i == n) {
        return NGX_DECLINED;
    }

    type->data = value->data;
    type->len = i;

    subtype->data = value->data + i + 1;
    subtype->len = n - i - 1;

    if (!ngx_push_content_token(type) || !ngx_push_content_token(subtype)) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_push_content_is_text(ngx_str_t *content_type)
{
    ngx_str_t  type, subtype;

    if (content_type->len == 0) {
        return 1;
    }

    if (ngx_push_content_split(content_type, &type, &subtype) != NGX_OK) {
        return 0;
    }

    if (ngx_push_content_is(&type, "text")
        || ngx_push_content_json_subtype(&subtype)
        || ngx_push_content_is(&subtype, "xml"))
    {
        return 1;
    }

    return ngx_push_content_is(&type, "application")
           && ngx_push_content_is(&subtype, "x-www-form-urlencoded");
}


ngx_uint_t
ngx_push_content_is_json(ngx_str_t *content_type)
{
    ngx_str_t  type, subtype;

    if (ngx_push_content_split(content_type, &type, &subtype) != NGX_OK) {
        return 0;
    }

    return ngx_push_content_json_subtype(&subtype);
}


static ngx_uint_t
ngx_push_content_json_subtype(ngx_str_t *subtype)
{
    size_t     len;
    ngx_str_t  tail;

    if (ngx_push_content_is(subtype, "json")) {
        return 1;
    }

    /* a structured syntax suffix (RFC 6839, 3.1) ends some name */

    len = sizeof("+json") - 1;

    if (subtype->len <= len) {
        return 0;
    }

    tail.data = subtype->data + subtype->len - len;
    tail.len = len;

    return ngx_push_content_is(&tail, "+json");
}


static ngx_uint_t
ngx_push_content_is(ngx_str_t *s, char *word)
{
    size_t  len;

    len = ngx_strlen(word);

    return s->len == len
           && ngx_strncasecmp(s->data, (u_char *) word, len) == 0;
}


static ngx_uint_t
ngx_push_content_token(ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (!ngx_push_content_is_tchar(s->data[i])) {
            return 0;
        }
    }

    return s->len != 0;
}


/* RFC 9110, 5.6.2 */

static ngx_uint_t
ngx_push_content_is_tchar(u_char ch)
{
    u_char  c;

    c = ch | 0x20;

    if ((c >= 'a' && c <= 'z') || (ch >= '0' && ch <= '9')) {
        return 1;
    }

    return ch != '\0' && ngx_strchr("!#$%&'*+-.^_`|~", ch) != NULL;
}
