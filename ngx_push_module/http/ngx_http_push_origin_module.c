
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_push_origin.h"
#include "ngx_push_origin.h"


/* push_allow_origin: which web pages are let in */


typedef struct {
    ngx_str_t                     text;      /* as configured, for the log */
    ngx_array_t                   patterns;  /* of ngx_str_t */
#if (NGX_PCRE)
    ngx_array_t                   regexes;   /* of ngx_regex_elt_t */
#endif
    unsigned                      self:1;
    unsigned                      any:1;
} ngx_http_push_origin_rules_t;


typedef struct {
    ngx_http_push_origin_rules_t *rules;
} ngx_http_push_origin_conf_t;


static void *ngx_http_push_origin_create_conf(ngx_conf_t *cf);
static char *ngx_http_push_origin_merge_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_push_origin_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_push_origin_init_rules(ngx_conf_t *cf,
    ngx_http_push_origin_rules_t *rules);
static char *ngx_http_push_origin_value(ngx_conf_t *cf,
    ngx_http_push_origin_rules_t *rules, ngx_str_t *value);
static char *ngx_http_push_origin_regex(ngx_conf_t *cf,
    ngx_http_push_origin_rules_t *rules, ngx_str_t *value);
static char *ngx_http_push_origin_bad(ngx_conf_t *cf, ngx_str_t *value,
    char *cause);
static ngx_uint_t ngx_http_push_origin_find(ngx_http_request_t *r,
    ngx_str_t *origin);
static void ngx_http_push_origin_host(ngx_http_request_t *r, ngx_str_t *host);
static ngx_int_t ngx_http_push_origin_listed(ngx_http_request_t *r,
    ngx_http_push_origin_rules_t *rules, ngx_str_t *origin);


static ngx_command_t  ngx_http_push_origin_commands[] = {

    { ngx_string("push_allow_origin"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_push_origin_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_push_origin_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_push_vary_init,               /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_push_origin_create_conf,      /* create location configuration */
    ngx_http_push_origin_merge_conf        /* merge location configuration */
};


ngx_module_t  ngx_http_push_origin_module = {
    NGX_MODULE_V1,
    &ngx_http_push_origin_module_ctx,      /* module context */
    ngx_http_push_origin_commands,         /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_str_t  ngx_http_push_origin_default = ngx_string("self");


ngx_int_t
ngx_http_push_origin_check(ngx_http_request_t *r, ngx_http_push_origin_t *o)
{
    ngx_uint_t                     n;
    ngx_http_push_origin_conf_t   *conf;
    ngx_http_push_origin_rules_t  *rules;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_push_origin_module);
    rules = conf->rules;

    n = ngx_http_push_origin_find(r, &o->origin);

    o->present = (n != 0);
    o->any = rules->any;
    o->allowed = rules->text;

    if (n == 0) {
        return NGX_OK;
    }

    ngx_http_push_origin_host(r, &o->host);

    /* a browser sends one */

    if (n > 1) {
        return NGX_DECLINED;
    }

    if (rules->any
        || (rules->self
            && ngx_push_origin_is_self(&o->origin, &o->host) == NGX_OK))
    {
        return NGX_OK;
    }

    return ngx_http_push_origin_listed(r, rules, &o->origin);
}


static void *
ngx_http_push_origin_create_conf(ngx_conf_t *cf)
{
    ngx_http_push_origin_conf_t  *conf;

    conf = ngx_palloc(cf->pool, sizeof(ngx_http_push_origin_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->rules = NGX_CONF_UNSET_PTR;

    return conf;
}


static char *
ngx_http_push_origin_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_push_origin_conf_t *prev = parent;
    ngx_http_push_origin_conf_t *conf = child;

    ngx_http_push_origin_rules_t  *rules;

    if (prev->rules == NGX_CONF_UNSET_PTR) {
        rules = ngx_pcalloc(cf->pool, sizeof(ngx_http_push_origin_rules_t));
        if (rules == NULL) {
            return NGX_CONF_ERROR;
        }

        rules->text = ngx_http_push_origin_default;
        rules->self = 1;

        prev->rules = rules;
    }

    ngx_conf_merge_ptr_value(conf->rules, prev->rules, NULL);

    return NGX_CONF_OK;
}


static char *
ngx_http_push_origin_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_push_origin_conf_t *ocf = conf;

    char                          *rv;
    ngx_str_t                     *value;
    ngx_uint_t                     i;
    ngx_http_push_origin_rules_t  *rules;

    if (ocf->rules != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    rules = ngx_pcalloc(cf->pool, sizeof(ngx_http_push_origin_rules_t));
    if (rules == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_push_origin_init_rules(cf, rules) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        rv = ngx_http_push_origin_value(cf, rules, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    ocf->rules = rules;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_push_origin_init_rules(ngx_conf_t *cf,
    ngx_http_push_origin_rules_t *rules)
{
    u_char      *p;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        rules->text.len += value[i].len + 1;
    }

    p = ngx_pnalloc(cf->pool, rules->text.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    rules->text.data = p;
    rules->text.len--;

    for (i = 1; i < cf->args->nelts; i++) {
        p = ngx_cpymem(p, value[i].data, value[i].len);
        *p++ = ' ';
    }

#if (NGX_PCRE)

    if (ngx_array_init(&rules->regexes, cf->pool, 1, sizeof(ngx_regex_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

#endif

    return ngx_array_init(&rules->patterns, cf->pool, 2, sizeof(ngx_str_t));
}


static char *
ngx_http_push_origin_value(ngx_conf_t *cf,
    ngx_http_push_origin_rules_t *rules, ngx_str_t *value)
{
    ngx_str_t  *pattern;

    if (ngx_strcmp(value->data, "*") == 0) {

        if (cf->args->nelts > 2) {
            return ngx_http_push_origin_bad(cf, value,
                                            "it leaves nothing to add");
        }

        rules->any = 1;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value->data, "self") == 0) {
        rules->self = 1;
        return NGX_CONF_OK;
    }

    if (value->len && value->data[0] == '~') {
        return ngx_http_push_origin_regex(cf, rules, value);
    }

    if (ngx_push_origin_pattern(value) != NGX_OK) {
        return ngx_http_push_origin_bad(cf, value,
                            "an origin looks like \"https://example.com\"");
    }

    pattern = ngx_array_push(&rules->patterns);
    if (pattern == NULL) {
        return NGX_CONF_ERROR;
    }

    *pattern = *value;

    return NGX_CONF_OK;
}


static char *
ngx_http_push_origin_regex(ngx_conf_t *cf,
    ngx_http_push_origin_rules_t *rules, ngx_str_t *value)
{
#if (NGX_PCRE)

    u_char                errstr[NGX_MAX_CONF_ERRSTR];
    ngx_regex_elt_t      *re;
    ngx_regex_compile_t   rc;

    ngx_memzero(&rc, sizeof(ngx_regex_compile_t));

    rc.pattern.data = value->data + 1;
    rc.pattern.len = value->len - 1;
    rc.pool = cf->pool;
    rc.options = NGX_REGEX_CASELESS;
    rc.err.data = errstr;
    rc.err.len = NGX_MAX_CONF_ERRSTR;

    if (rc.pattern.len == 0) {
        return ngx_http_push_origin_bad(cf, value, "the regex is empty");
    }

    if (ngx_regex_compile(&rc) != NGX_OK) {
        errstr[ngx_min(rc.err.len, NGX_MAX_CONF_ERRSTR - 1)] = '\0';
        return ngx_http_push_origin_bad(cf, value, (char *) errstr);
    }

    re = ngx_array_push(&rules->regexes);
    if (re == NULL) {
        return NGX_CONF_ERROR;
    }

    re->regex = rc.regex;
    re->name = value->data;

    return NGX_CONF_OK;

#else

    return ngx_http_push_origin_bad(cf, value,
                                    "a regex needs NGINX with PCRE");

#endif
}


static char *
ngx_http_push_origin_bad(ngx_conf_t *cf, ngx_str_t *value, char *cause)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"push_allow_origin\" has an invalid value \"%V\", %s",
                       value, cause);

    return NGX_CONF_ERROR;
}


/* how many there are, and the first of them */

static ngx_uint_t
ngx_http_push_origin_find(ngx_http_request_t *r, ngx_str_t *origin)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    n = 0;
    ngx_str_null(origin);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len != sizeof("Origin") - 1
                || ngx_strncasecmp(h[i].key.data, (u_char *) "Origin",
                                   sizeof("Origin") - 1)
                   != 0)
            {
                continue;
            }

            if (n++ == 0) {
                *origin = h[i].value;
            }
        }
    }

    return n;
}


/* with its port, which NGINX does not keep; HTTP/3 may have no header */

static void
ngx_http_push_origin_host(ngx_http_request_t *r, ngx_str_t *host)
{
    if (r->headers_in.host) {
        *host = r->headers_in.host->value;

    } else if (r->host_start && r->host_end) {
        host->data = r->host_start;
        host->len = r->host_end - r->host_start;

    } else {
        *host = r->headers_in.server;
    }
}


static ngx_int_t
ngx_http_push_origin_listed(ngx_http_request_t *r,
    ngx_http_push_origin_rules_t *rules, ngx_str_t *origin)
{
    in_port_t    port;
    ngx_str_t   *pattern, scheme, host;
    ngx_uint_t   i;

    pattern = rules->patterns.elts;

    for (i = 0; i < rules->patterns.nelts; i++) {
        if (ngx_push_origin_match(&pattern[i], origin) == NGX_OK) {
            return NGX_OK;
        }
    }

    /* a regex is asked for origins only, not for "null" or anything else */

    if (ngx_push_origin_parse(origin, &scheme, &host, &port) != NGX_OK) {
        return NGX_DECLINED;
    }

#if (NGX_PCRE)

    if (rules->regexes.nelts
        && ngx_regex_exec_array(&rules->regexes, origin, r->connection->log)
           == NGX_OK)
    {
        return NGX_OK;
    }

#endif

    return NGX_DECLINED;
}
