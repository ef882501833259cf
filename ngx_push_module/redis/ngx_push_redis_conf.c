
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
static char *ngx_push_redis_conf_read(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *password);
static char *ngx_push_redis_conf_sentinels(ngx_conf_t *cf,
    ngx_push_redis_conf_t *conf);
static char *ngx_push_redis_conf_name(ngx_conf_t *cf,
    ngx_push_redis_conf_t *conf);
static u_char *ngx_push_redis_conf_node(u_char *p,
    ngx_push_redis_node_t *node);
static char *ngx_push_redis_conf_address(ngx_conf_t *cf,
    ngx_push_redis_conf_t *conf, ngx_push_redis_node_t *node);
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
    conf->tls = NGX_CONF_UNSET;
}


char *
ngx_push_redis_conf_complete(ngx_conf_t *cf, ngx_push_redis_conf_t *conf)
{
    char        *rv;
    ngx_uint_t   i;

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

    for (i = 0; i < conf->url.nnodes; i++) {
        rv = ngx_push_redis_conf_address(cf, conf, &conf->url.nodes[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return ngx_push_redis_conf_sentinels(cf, conf);
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

        return ngx_push_redis_conf_read(cf, &conf->password_file,
                                        &url->password);
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
ngx_push_redis_conf_read(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *password)
{
    u_char    *buf;
    ssize_t    n;
    ngx_fd_t   fd;

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
        return "has a file for a password that is too large";
    }

    while (n && (buf[n - 1] == LF || buf[n - 1] == CR)) {
        n--;
    }

    if (n == 0) {
        return "has a file for a password without a password";
    }

    buf[n] = '\0';

    password->data = buf;
    password->len = n;

    return NGX_CONF_OK;
}


/*
 * The sentinels have users and passwords of their own, as with other
 * clients: those of the URL are the master's, and so is TLS.
 */

static char *
ngx_push_redis_conf_sentinels(ngx_conf_t *cf, ngx_push_redis_conf_t *conf)
{
    ngx_push_redis_conf_t  *s;

    if (!conf->url.sentinels) {
        return conf->sentinel_password_file.len
               ? "has a \"sentinel_password_file\" and a URL without sentinels"
               : NGX_CONF_OK;
    }

    s = ngx_palloc(cf->pool, sizeof(ngx_push_redis_conf_t));
    if (s == NULL) {
        return NGX_CONF_ERROR;
    }

    *s = *conf;

    ngx_str_null(&s->url.user);
    ngx_str_null(&s->url.password);

    s->url.db = 0;
    s->url.tls = 0;

    conf->sentinels = s;

    if (conf->sentinel_password_file.len) {
        return ngx_push_redis_conf_read(cf, &conf->sentinel_password_file,
                                        &s->url.password);
    }

    return NGX_CONF_OK;
}


/* the URL as logs show it */

static char *
ngx_push_redis_conf_name(ngx_conf_t *cf, ngx_push_redis_conf_t *conf)
{
    size_t                 len;
    u_char                *p;
    ngx_uint_t             i;
    ngx_push_redis_url_t  *url;

    url = &conf->url;

    len = sizeof("sentinel:///65535?db=") + url->master.len + url->path.len;

    for (i = 0; i < url->nnodes; i++) {
        len += sizeof(",[]:65535") + url->nodes[i].host.len;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    conf->name.data = p;

    if (url->path.len) {
        p = ngx_sprintf(p, "unix:%V", &url->path);

    } else {
        p = ngx_sprintf(p, "%s://", url->sentinels ? "sentinel"
                                   : url->tls ? "rediss" : "redis");

        for (i = 0; i < url->nnodes; i++) {

            if (i) {
                *p++ = ',';
            }

            p = ngx_push_redis_conf_node(p, &url->nodes[i]);
        }
    }

    if (url->sentinels) {
        p = ngx_sprintf(p, "/%V", &url->master);
    }

    if (url->db) {
        p = ngx_sprintf(p, url->path.len ? "?db=%ui" : "/%ui", url->db);
    }

    conf->name.len = p - conf->name.data;

    return NGX_CONF_OK;
}


static u_char *
ngx_push_redis_conf_node(u_char *p, ngx_push_redis_node_t *node)
{
    return ngx_sprintf(p, node->literal ? "[%V]:%ui" : "%V:%ui", &node->host,
                       (ngx_uint_t) node->port);
}


static char *
ngx_push_redis_conf_address(ngx_conf_t *cf, ngx_push_redis_conf_t *conf,
    ngx_push_redis_node_t *node)
{
    u_char                *p;
    ngx_url_t              u;
    ngx_push_redis_url_t  *url;

    url = &conf->url;

    p = ngx_pnalloc(cf->pool, sizeof("unix:[]:65535") + node->host.len
                              + url->path.len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url.data = p;

    if (url->path.len) {
        p = ngx_sprintf(p, "unix:%V", &url->path);

    } else {
        p = ngx_push_redis_conf_node(p, node);
    }

    *p = '\0';

    u.url.len = p - u.url.data;

    if (ngx_parse_url(cf->pool, &u) == NGX_OK) {
        node->addrs = u.addrs;
        node->naddrs = u.naddrs;
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
                       &node->host);

    return NGX_CONF_OK;
}


static char *
ngx_push_redis_conf_tls(ngx_conf_t *cf, ngx_push_redis_conf_t *conf)
{
    if (conf->tls != NGX_CONF_UNSET) {

        if (!conf->url.sentinels) {
            return "has \"tls\", which is for sentinels, and a URL without: "
                   "write \"rediss://\"";
        }

        conf->url.tls = conf->tls;
    }

    if (!conf->url.tls) {

        if (conf->ca.len || conf->cert.len || conf->key.len
            || conf->verify != NGX_CONF_UNSET)
        {
            return "has a parameter for TLS and a URL without: write "
                   "\"rediss://\", or \"tls=on\" with sentinels";
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

    return "needs TLS for its URL, but this NGINX has none";

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
