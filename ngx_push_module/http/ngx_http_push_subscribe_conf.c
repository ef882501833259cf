
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_subscribe.h"
#include "ngx_push_pattern.h"


/* directives of push_subscribe that take more than a plain value */


static char *ngx_http_push_patterns(ngx_conf_t *cf, ngx_array_t **patterns);


/* earliest | latest | last:N */

char *
ngx_http_push_start_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_push_subscribe_conf_t *scf = conf;

    ngx_str_t            *value;
    ngx_push_position_t   position;

    if (scf->start_set) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_push_position_parse(&value[1], &position) != NGX_OK
        || position.type == NGX_PUSH_START_ID)
    {
        return ngx_http_push_bad_value(cf, &value[1]);
    }

    scf->start_set = 1;
    (void) ngx_http_push_set_start(&position, &scf->start);

    return NGX_CONF_OK;
}


/* min [max] */

char *
ngx_http_push_retry_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_push_subscribe_conf_t *scf = conf;

    ngx_int_t   min, max;
    ngx_str_t  *value, *last;

    if (scf->retry_min != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;
    last = &value[cf->args->nelts - 1];

    min = ngx_parse_time(&value[1], 0);

    if (min == NGX_ERROR) {
        return ngx_http_push_bad_value(cf, &value[1]);
    }

    max = ngx_parse_time(last, 0);

    if (max == NGX_ERROR || max < min) {
        return ngx_http_push_bad_value(cf, last);
    }

    scf->retry_min = min;
    scf->retry_max = max;

    return NGX_CONF_OK;
}


/* off | time [jitter=percent%] */

char *
ngx_http_push_max_age_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_push_subscribe_conf_t *scf = conf;

    ngx_int_t   n;
    ngx_str_t  *value, *jitter;

    if (scf->max_age != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;
    jitter = &value[cf->args->nelts - 1];

    if (ngx_strcmp(value[1].data, "off") == 0) {
        n = 0;

    } else {
        n = ngx_parse_time(&value[1], 0);

        if (n == NGX_ERROR || n < 1000) {
            return ngx_http_push_bad_value(cf, &value[1]);
        }
    }

    scf->max_age = n;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (n == 0
        || jitter->len < sizeof("jitter=0%") - 1
        || ngx_strncmp(jitter->data, "jitter=", 7) != 0
        || jitter->data[jitter->len - 1] != '%')
    {
        return ngx_http_push_bad_value(cf, jitter);
    }

    n = ngx_atoi(jitter->data + 7, jitter->len - 8);

    if (n == NGX_ERROR || n > 100) {
        return ngx_http_push_bad_value(cf, jitter);
    }

    scf->max_age_jitter = n;

    return NGX_CONF_OK;
}


/* names of transports */

char *
ngx_http_push_transports_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_push_subscribe_conf_t *scf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i, j;

    if (scf->transports) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        for (j = 0; j < NGX_HTTP_PUSH_TRANSPORTS; j++) {
            if (ngx_strcmp(value[i].data,
                           ngx_http_push_transport_names[j].data)
                == 0)
            {
                break;
            }
        }

        if (j == NGX_HTTP_PUSH_TRANSPORTS) {
            return ngx_http_push_bad_value(cf, &value[i]);
        }

        scf->transports |= ngx_http_push_bit(j);
    }

    return NGX_CONF_OK;
}


/* off | on | pattern... */

char *
ngx_http_push_client_publish_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_push_subscribe_conf_t *scf = conf;

    ngx_str_t  *value;

    if (scf->client_publish) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "on") == 0) {
        scf->client_publish_own = 1;
    }

    return ngx_http_push_patterns(cf, &scf->client_publish);
}


/* off | pattern... */

char *
ngx_http_push_client_subscribe_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_push_subscribe_conf_t *scf = conf;

    ngx_str_t  *value;

    if (scf->client_subscribe) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "on") == 0) {
        return ngx_http_push_bad_value(cf, &value[1]);
    }

    return ngx_http_push_patterns(cf, &scf->client_subscribe);
}


/* "on" and "off" stand alone, and are no patterns */

static char *
ngx_http_push_patterns(ngx_conf_t *cf, ngx_array_t **patterns)
{
    ngx_str_t   *value, *pattern;
    ngx_uint_t   i;

    *patterns = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                 sizeof(ngx_str_t));
    if (*patterns == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "on") == 0
            || ngx_strcmp(value[i].data, "off") == 0)
        {
            if (cf->args->nelts == 2) {
                return NGX_CONF_OK;
            }

            return ngx_http_push_bad_value(cf, &value[i]);
        }

        if (ngx_push_pattern_check(&value[i]) != NGX_OK) {
            return ngx_http_push_bad_value(cf, &value[i]);
        }

        pattern = ngx_array_push(*patterns);
        if (pattern == NULL) {
            return NGX_CONF_ERROR;
        }

        *pattern = value[i];
    }

    return NGX_CONF_OK;
}
