
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_redis_conf.h"


/* what may follow the URL */


#define NGX_PUSH_REDIS_PREFIX  64


typedef struct {
    ngx_str_t     name;
    size_t        offset;
    ngx_int_t   (*set)(ngx_str_t *value, void *field);
} ngx_push_redis_parameter_t;


static size_t ngx_push_redis_parameter_word(ngx_str_t *arg);
static ngx_int_t ngx_push_redis_set_text(ngx_str_t *value, void *field);
static ngx_int_t ngx_push_redis_set_prefix(ngx_str_t *value, void *field);
static ngx_int_t ngx_push_redis_set_time(ngx_str_t *value, void *field);
static ngx_int_t ngx_push_redis_set_flag(ngx_str_t *value, void *field);


static ngx_push_redis_parameter_t  ngx_push_redis_parameters[] = {

    { ngx_string("zone"),
      offsetof(ngx_push_redis_conf_t, zone),
      ngx_push_redis_set_text },

    { ngx_string("prefix"),
      offsetof(ngx_push_redis_conf_t, prefix),
      ngx_push_redis_set_prefix },

    { ngx_string("connect_timeout"),
      offsetof(ngx_push_redis_conf_t, connect_timeout),
      ngx_push_redis_set_time },

    { ngx_string("timeout"),
      offsetof(ngx_push_redis_conf_t, timeout),
      ngx_push_redis_set_time },

    { ngx_string("password_file"),
      offsetof(ngx_push_redis_conf_t, password_file),
      ngx_push_redis_set_text },

    { ngx_string("sentinel_password_file"),
      offsetof(ngx_push_redis_conf_t, sentinel_password_file),
      ngx_push_redis_set_text },

    { ngx_string("tls"),
      offsetof(ngx_push_redis_conf_t, tls),
      ngx_push_redis_set_flag },

    { ngx_string("ca"),
      offsetof(ngx_push_redis_conf_t, ca),
      ngx_push_redis_set_text },

    { ngx_string("cert"),
      offsetof(ngx_push_redis_conf_t, cert),
      ngx_push_redis_set_text },

    { ngx_string("key"),
      offsetof(ngx_push_redis_conf_t, key),
      ngx_push_redis_set_text },

    { ngx_string("verify"),
      offsetof(ngx_push_redis_conf_t, verify),
      ngx_push_redis_set_flag },

    { ngx_null_string, 0, NULL }
};


char *
ngx_push_redis_conf_parameter(ngx_conf_t *cf, ngx_push_redis_conf_t *conf,
    ngx_str_t *arg)
{
    ngx_str_t                    name, value;
    ngx_uint_t                   i, bit;
    ngx_push_redis_parameter_t  *p;

    name.data = arg->data;
    name.len = ngx_push_redis_parameter_word(arg);

    if (name.len == 0) {

        /* maybe it is a part of a secret */

        return "has a parameter that is not of the form name=value";
    }

    value.data = arg->data + name.len + 1;
    value.len = arg->len - name.len - 1;

    for (i = 0; ngx_push_redis_parameters[i].name.len; i++) {
        p = &ngx_push_redis_parameters[i];

        if (p->name.len != name.len
            || ngx_strncmp(p->name.data, name.data, name.len) != 0)
        {
            continue;
        }

        bit = (ngx_uint_t) 1 << i;

        if (conf->seen & bit) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"push_redis\" has the parameter \"%V\" twice",
                               &name);
            return NGX_CONF_ERROR;
        }

        conf->seen |= bit;

        if (p->set(&value, (u_char *) conf + p->offset) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"push_redis\" has an invalid value \"%V\"",
                               arg);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"push_redis\" has an unknown parameter \"%V\"",
                       &name);

    return NGX_CONF_ERROR;
}


/* the length of the word before "=", 0 if there is no such */

static size_t
ngx_push_redis_parameter_word(ngx_str_t *arg)
{
    size_t  i;
    u_char  ch;

    for (i = 0; i < arg->len; i++) {
        ch = arg->data[i];

        if (ch == '=') {
            return i;
        }

        if (!((ch >= 'a' && ch <= 'z') || ch == '_')) {
            break;
        }
    }

    return 0;
}


static ngx_int_t
ngx_push_redis_set_text(ngx_str_t *value, void *field)
{
    ngx_str_t *text = field;

    if (value->len == 0) {
        return NGX_DECLINED;
    }

    *text = *value;

    return NGX_OK;
}


/* a brace would take the place of the one that names the partition */

static ngx_int_t
ngx_push_redis_set_prefix(ngx_str_t *value, void *field)
{
    size_t  i;
    u_char  ch;

    if (value->len > NGX_PUSH_REDIS_PREFIX) {
        return NGX_DECLINED;
    }

    for (i = 0; i < value->len; i++) {
        ch = value->data[i];

        if (ch <= 0x20 || ch >= 0x7f || ngx_strchr("{}*?[]\\", ch)) {
            return NGX_DECLINED;
        }
    }

    return ngx_push_redis_set_text(value, field);
}


static ngx_int_t
ngx_push_redis_set_time(ngx_str_t *value, void *field)
{
    ngx_int_t    ms;
    ngx_msec_t  *time = field;

    ms = ngx_parse_time(value, 0);

    if (ms == NGX_ERROR || ms == 0) {
        return NGX_DECLINED;
    }

    *time = ms;

    return NGX_OK;
}


static ngx_int_t
ngx_push_redis_set_flag(ngx_str_t *value, void *field)
{
    ngx_flag_t *flag = field;

    if (value->len == 2 && ngx_strncmp(value->data, "on", 2) == 0) {
        *flag = 1;
        return NGX_OK;
    }

    if (value->len == 3 && ngx_strncmp(value->data, "off", 3) == 0) {
        *flag = 0;
        return NGX_OK;
    }

    return NGX_DECLINED;
}
