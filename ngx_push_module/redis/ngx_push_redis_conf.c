
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_redis_conf.h"


#define NGX_PUSH_REDIS_SECRET  4096
#define NGX_PUSH_REDIS_DEPTH   9


static char *ngx_push_redis_conf_password(ngx_conf_t *cf,
    ngx_push_redis_conf_t *conf);
static char *ngx_push_redis_conf_read(ngx_conf_t *cf,
    ngx_push_redis_conf_t *conf);
static char *ngx_push_redis_conf_name(ngx_conf_t *cf,
    ngx_push_redis_conf_t *conf);
static char *ngx_push_redis_conf_address(ngx_conf_t *cf,
    ngx_push_redis_conf_t *conf);
static char *ngx_push_redis_conf_tls(ngx_conf_t *cf,
    ngx_push_redis_conf_t *conf);
#if (NGX_SSL)
static char *ngx_push_redis_conf_context(ngx_conf_t *cf,
    ngx_push_redis_conf_t *conf);
static char *ngx_push_redis_conf_failed(ngx_conf_t *cf, char *parameter,
    ngx_str_t *value);
#endif


void
ngx_push_redis_conf_init(ngx_push_redis_conf_t *conf)
{
    ngx_str_set(&conf->prefix, "push");

    conf->connect_timeout = 2000;
    conf->timeout = 2000;
    conf->verify = NGX_CONF_UNSET;
}


char *
ngx_push_redis_conf_complete(ngx_conf_t *cf, ngx_push_redis_conf_t *conf)
{
    char  *rv;

    rv = ngx_push_redis_conf_password(cf, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_push_redis_conf_name(cf, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_push_redis_conf_tls(cf, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_push_redis_conf_address(cf, conf);
}


static char *
ngx_push_redis_conf_password(ngx_conf_t *cf, ngx_push_redis_conf_t *conf)
{
    ngx_push_redis_url_t  *url;

    url = &conf->url;

    if (conf->password_file.len) {

        if (url->password.data) {
            return "has a password in its URL and a \"password_file\"";
        }

        return ngx_push_redis_conf_read(cf, conf);
    }

    if (url->user.len && url->password.data == NULL) {
        return "has a URL with a user but no password: write "
               "\"user:password@\", or \":password@\" if there is no user, or "
               "name a \"password_file\"";
    }

    return NGX_CONF_OK;
}


/* without the ends of lines behind it */

static char *
ngx_push_redis_conf_read(ngx_conf_t *cf, ngx_push_redis_conf_t *conf)
{
    u_char     *buf;
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_str_t  *name;

    name = &conf->password_file;

    buf = ngx_pnalloc(cf->pool, NGX_PUSH_REDIS_SECRET + 1);
    if (buf == NULL || ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"push_redis\" cannot open the file \"%V\"", name);
        return NGX_CONF_ERROR;
    }

    n = ngx_read_fd(fd, buf, NGX_PUSH_REDIS_SECRET + 1);

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"push_redis\" cannot read the file \"%V\"", name);
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, cf->log, ngx_errno,
                      ngx_close_file_n " \"%V\" failed", name);
    }

    if (n == -1) {
        return NGX_CONF_ERROR;
    }

    if (n > NGX_PUSH_REDIS_SECRET) {
        return "has a \"password_file\" that is too large";
    }

    while (n && (buf[n - 1] == LF || buf[n - 1] == CR)) {
        n--;
    }

    if (n == 0) {
        return "has a \"password_file\" without a password";
    }

    buf[n] = '\0';

    conf->url.password.data = buf;
    conf->url.password.len = n;

    return NGX_CONF_OK;
}


/* the URL as logs show it */

static char *
ngx_push_redis_conf_name(ngx_conf_t *cf, ngx_push_redis_conf_t *conf)
{
    u_char                *p;
    ngx_push_redis_url_t  *url;

    url = &conf->url;

    p = ngx_pnalloc(cf->pool, sizeof("rediss://[]:65535/65535?db=")
                              + url->host.len + url->path.len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    conf->name.data = p;

    if (url->path.len) {
        p = ngx_sprintf(p, "unix:%V", &url->path);

    } else {
        p = ngx_sprintf(p, url->literal ? "%s[%V]:%ui" : "%s%V:%ui",
                        url->tls ? "rediss://" : "redis://", &url->host,
                        (ngx_uint_t) url->port);
    }

    if (url->db) {
        p = ngx_sprintf(p, url->path.len ? "?db=%ui" : "/%ui", url->db);
    }

    conf->name.len = p - conf->name.data;

    return NGX_CONF_OK;
}


static char *
ngx_push_redis_conf_address(ngx_conf_t *cf, ngx_push_redis_conf_t *conf)
{
    u_char                *p;
    ngx_url_t              u;
    ngx_push_redis_url_t  *url;

    url = &conf->url;

    p = ngx_pnalloc(cf->pool, sizeof("unix:[]:65535") + url->host.len
                              + url->path.len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url.data = p;

    if (url->path.len) {
        p = ngx_sprintf(p, "unix:%V", &url->path);

    } else {
        p = ngx_sprintf(p, url->literal ? "[%V]:%ui" : "%V:%ui", &url->host,
                        (ngx_uint_t) url->port);
    }

    *p = '\0';

    u.url.len = p - u.url.data;

    if (ngx_parse_url(cf->pool, &u) == NGX_OK) {
        conf->addrs = u.addrs;
        conf->naddrs = u.naddrs;
        return NGX_CONF_OK;
    }

    if (u.err == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_strcmp(u.err, "host not found") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"push_redis\" has a bad address: %s in \"%V\"",
                           u.err, &u.url);
        return NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "\"push_redis\" cannot find the host \"%V\" now "
                       "(it is looked up later if http {} has a "
                       "\"resolver\")",
                       &url->host);

    return NGX_CONF_OK;
}


static char *
ngx_push_redis_conf_tls(ngx_conf_t *cf, ngx_push_redis_conf_t *conf)
{
    if (!conf->url.tls) {

        if (conf->ca.len || conf->cert.len || conf->key.len
            || conf->verify != NGX_CONF_UNSET)
        {
            return "has a parameter for TLS and a URL without: write "
                   "\"rediss://\"";
        }

        return NGX_CONF_OK;
    }

    if ((conf->cert.len == 0) != (conf->key.len == 0)) {
        return "has one of \"cert\" and \"key\" without the other";
    }

    if (conf->verify == NGX_CONF_UNSET) {
        conf->verify = 1;
    }

    if (!conf->verify && conf->ca.len) {
        return "has \"ca\" together with \"verify=off\"";
    }

#if (NGX_SSL)

    return ngx_push_redis_conf_context(cf, conf);

#else

    return "has a \"rediss://\" URL, but this NGINX has no TLS";

#endif
}


#if (NGX_SSL)


static char *
ngx_push_redis_conf_context(ngx_conf_t *cf, ngx_push_redis_conf_t *conf)
{
    ngx_ssl_t           *ssl;
    ngx_pool_cleanup_t  *cln;

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (ssl == NULL) {
        return NGX_CONF_ERROR;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(ssl);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (conf->cert.len
        && ngx_ssl_certificate(cf, ssl, &conf->cert, &conf->key, NULL)
           != NGX_OK)
    {
        return ngx_push_redis_conf_failed(cf, "cert", &conf->cert);
    }

    if (conf->verify
        && ngx_ssl_trusted_certificate(cf, ssl, &conf->ca,
                                       NGX_PUSH_REDIS_DEPTH)
           != NGX_OK)
    {
        return ngx_push_redis_conf_failed(cf, "ca", &conf->ca);
    }

    if (conf->verify && conf->ca.len == 0
        && SSL_CTX_set_default_verify_paths(ssl->ctx) == 0)
    {
        return "cannot use the system's certificates, name a \"ca\"";
    }

    conf->ssl = ssl;

    return NGX_CONF_OK;
}


static char *
ngx_push_redis_conf_failed(ngx_conf_t *cf, char *parameter, ngx_str_t *value)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"push_redis\" cannot use \"%s=%V\"", parameter,
                       value);

    return NGX_CONF_ERROR;
}

#endif
