
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_push_redis_url.h"


static ngx_int_t ngx_push_redis_url_server(ngx_pool_t *pool, ngx_str_t *rest,
    ngx_push_redis_url_t *url, char **cause);
static ngx_int_t ngx_push_redis_url_master(ngx_pool_t *pool, ngx_str_t *path,
    ngx_push_redis_url_t *url, char **cause);
static ngx_int_t ngx_push_redis_url_nodes(ngx_pool_t *pool, ngx_str_t *text,
    ngx_push_redis_url_t *url, char **cause);
static ngx_int_t ngx_push_redis_url_host(ngx_pool_t *pool, ngx_str_t *text,
    ngx_push_redis_node_t *node, char **cause);
static ngx_uint_t ngx_push_redis_url_word(u_char ch);
static ngx_int_t ngx_push_redis_url_literal(ngx_str_t *text, ngx_str_t *host,
    ngx_str_t *rest);
static ngx_int_t ngx_push_redis_url_socket(ngx_pool_t *pool, ngx_str_t *rest,
    ngx_push_redis_url_t *url, char **cause);
static ngx_int_t ngx_push_redis_url_user(ngx_pool_t *pool, ngx_str_t *rest,
    ngx_push_redis_url_t *url, char **cause);
static ngx_int_t ngx_push_redis_url_db(ngx_str_t *text,
    ngx_push_redis_url_t *url);
static ngx_int_t ngx_push_redis_url_decode(ngx_pool_t *pool, ngx_str_t *text,
    ngx_str_t *decoded);
static ngx_uint_t ngx_push_redis_url_skip(ngx_str_t *text, char *prefix);


ngx_int_t
ngx_push_redis_url_parse(ngx_pool_t *pool, ngx_str_t *text,
    ngx_push_redis_url_t *url, char **cause)
{
    ngx_str_t   rest;
    ngx_uint_t  i;

    for (i = 0; i < text->len; i++) {

        if (text->data[i] <= 0x20 || text->data[i] == 0x7f) {
            *cause = "has a space or a control character in its URL";
            return NGX_DECLINED;
        }
    }

    ngx_memzero(url, sizeof(ngx_push_redis_url_t));

    rest = *text;

    if (ngx_push_redis_url_skip(&rest, "unix:")) {
        return ngx_push_redis_url_socket(pool, &rest, url, cause);
    }

    if (ngx_push_redis_url_skip(&rest, "redis://")) {
        return ngx_push_redis_url_server(pool, &rest, url, cause);
    }

    if (ngx_push_redis_url_skip(&rest, "rediss://")) {
        url->tls = 1;
        return ngx_push_redis_url_server(pool, &rest, url, cause);
    }

    if (ngx_push_redis_url_skip(&rest, "sentinel://")) {
        url->sentinels = 1;
        return ngx_push_redis_url_server(pool, &rest, url, cause);
    }

    *cause = "needs a URL that begins with \"redis://\", \"rediss://\", "
             "\"sentinel://\" or \"unix:\"";

    return NGX_DECLINED;
}


static ngx_int_t
ngx_push_redis_url_server(ngx_pool_t *pool, ngx_str_t *rest,
    ngx_push_redis_url_t *url, char **cause)
{
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   path, host;

    rc = ngx_push_redis_url_user(pool, rest, url, cause);
    if (rc != NGX_OK) {
        return rc;
    }

    host = *rest;
    ngx_str_null(&path);

    p = ngx_strlchr(rest->data, rest->data + rest->len, '/');

    if (p) {
        host.len = p - rest->data;

        path.data = p + 1;
        path.len = rest->len - host.len - 1;
    }

    if (url->sentinels) {
        rc = ngx_push_redis_url_master(pool, &path, url, cause);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (path.len && ngx_push_redis_url_db(&path, url) != NGX_OK) {
        *cause = url->sentinels
                 ? "has a URL whose path has more than the name of the master "
                   "and the number of a database"
                 : "has a URL whose path is not the number of a database "
                   "(escape \"/\" in a password as %2F)";
        return NGX_DECLINED;
    }

    return ngx_push_redis_url_nodes(pool, &host, url, cause);
}


/* steps over a name, of what the sentinels take for one */

static ngx_int_t
ngx_push_redis_url_master(ngx_pool_t *pool, ngx_str_t *path,
    ngx_push_redis_url_t *url, char **cause)
{
    size_t     i;
    ngx_str_t  name;

    for (i = 0; i < path->len && ngx_push_redis_url_word(path->data[i]); i++) {
        /* void */
    }

    if (i == 0 || i > NGX_PUSH_REDIS_MAX_NAME
        || (i < path->len && path->data[i] != '/'))
    {
        *cause = "needs the name of the master in its URL, as in "
                 "\"sentinel://host,host/name\"";
        return NGX_DECLINED;
    }

    name.data = path->data;
    name.len = i;

    i = ngx_min(i + 1, path->len);

    path->data += i;
    path->len -= i;

    return ngx_push_redis_url_decode(pool, &name, &url->master);
}


/* one host, or those of sentinels with commas between them */

static ngx_int_t
ngx_push_redis_url_nodes(ngx_pool_t *pool, ngx_str_t *text,
    ngx_push_redis_url_t *url, char **cause)
{
    u_char                 *p, *last;
    ngx_int_t               rc;
    ngx_str_t               host;
    ngx_uint_t              n;
    ngx_push_redis_node_t  *node;

    last = text->data + text->len;
    n = 1;

    for (p = text->data; p < last; p++) {
        n += (url->sentinels && *p == ',');
    }

    node = ngx_pcalloc(pool, n * sizeof(ngx_push_redis_node_t));
    if (node == NULL) {
        return NGX_ERROR;
    }

    url->nodes = node;
    url->nnodes = n;

    for (host.data = text->data; n; host.data = p + 1, n--) {
        p = (n > 1) ? ngx_strlchr(host.data, last, ',') : last;
        host.len = p - host.data;

        node->port = url->sentinels ? NGX_PUSH_REDIS_SENTINEL_PORT
                                    : NGX_PUSH_REDIS_PORT;

        rc = ngx_push_redis_url_host(pool, &host, node++, cause);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_push_redis_url_host(ngx_pool_t *pool, ngx_str_t *text,
    ngx_push_redis_node_t *node, char **cause)
{
    ngx_int_t   port;
    ngx_str_t   host, rest;
    ngx_uint_t  i;

    if (text->len && text->data[0] == '[') {

        if (ngx_push_redis_url_literal(text, &host, &rest) != NGX_OK) {
            *cause = "has a URL with a malformed IPv6 address";
            return NGX_DECLINED;
        }

        node->literal = 1;

    } else {

        for (i = 0; i < text->len && text->data[i] != ':'; i++) {

            if (!ngx_push_redis_url_word(text->data[i])) {
                *cause = "has a URL with a malformed host";
                return NGX_DECLINED;
            }
        }

        host.data = text->data;
        host.len = i;

        rest.data = text->data + i;
        rest.len = text->len - i;
    }

    if (host.len == 0 || host.len > 255) {
        *cause = "has a URL without a host";
        return NGX_DECLINED;
    }

    if (rest.len) {
        port = (rest.data[0] == ':' && rest.len <= sizeof(":65535") - 1)
               ? ngx_atoi(rest.data + 1, rest.len - 1) : NGX_ERROR;

        if (port < 1 || port > 65535) {
            *cause = "has a URL whose port is not a number from 1 to 65535";
            return NGX_DECLINED;
        }

        node->port = (in_port_t) port;
    }

    return ngx_push_redis_url_decode(pool, &host, &node->host);
}


/* what hosts and names of masters consist of */

static ngx_uint_t
ngx_push_redis_url_word(u_char ch)
{
    u_char  c;

    c = ch | 0x20;

    return (c >= 'a' && c <= 'z') || (ch >= '0' && ch <= '9')
           || ch == '.' || ch == '-' || ch == '_';
}


static ngx_int_t
ngx_push_redis_url_literal(ngx_str_t *text, ngx_str_t *host, ngx_str_t *rest)
{
    u_char  *p, addr[16];

    p = ngx_strlchr(text->data, text->data + text->len, ']');
    if (p == NULL) {
        return NGX_DECLINED;
    }

    host->data = text->data + 1;
    host->len = p - host->data;

    rest->data = p + 1;
    rest->len = text->data + text->len - rest->data;

    if (host->len == 0) {
        return NGX_DECLINED;
    }

    return ngx_inet6_addr(host->data, host->len, addr);
}


static ngx_int_t
ngx_push_redis_url_socket(ngx_pool_t *pool, ngx_str_t *rest,
    ngx_push_redis_url_t *url, char **cause)
{
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   path, db;

    if (ngx_push_redis_url_skip(rest, "//")) {

        rc = ngx_push_redis_url_user(pool, rest, url, cause);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    path = *rest;

    p = ngx_strlchr(rest->data, rest->data + rest->len, '?');

    if (p) {
        path.len = p - rest->data;

        db.data = p + 1;
        db.len = rest->len - path.len - 1;

        if (!ngx_push_redis_url_skip(&db, "db=")
            || ngx_push_redis_url_db(&db, url) != NGX_OK)
        {
            *cause = "has a URL with something else than \"db=\" and a number "
                     "after \"?\"";
            return NGX_DECLINED;
        }
    }

    if (path.len == 0 || path.data[0] != '/') {
        *cause = "has a \"unix:\" URL without an absolute path";
        return NGX_DECLINED;
    }

    url->nnodes = 1;
    url->nodes = ngx_pcalloc(pool, sizeof(ngx_push_redis_node_t));
    if (url->nodes == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_push_redis_url_decode(pool, &path, &url->path);

    if (rc == NGX_DECLINED
        || (rc == NGX_OK
            && ngx_strlen(url->path.data) != url->path.len))
    {
        *cause = "has a URL whose path has a bad \"%\"";
        return NGX_DECLINED;
    }

    if (rc == NGX_OK
        && url->path.len >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
    {
        *cause = "has a URL whose path is too long for a socket";
        return NGX_DECLINED;
    }

    return rc;
}


/* what stands before "@"; the last one, in case that others are not escaped */

static ngx_int_t
ngx_push_redis_url_user(ngx_pool_t *pool, ngx_str_t *rest,
    ngx_push_redis_url_t *url, char **cause)
{
    u_char     *p, *last, *at;
    ngx_int_t   rc;
    ngx_str_t   user, password;

    at = NULL;
    last = rest->data + rest->len;

    for (p = rest->data; p < last; p++) {

        if (*p == '@') {
            at = p;
        }
    }

    if (at == NULL) {
        return NGX_OK;
    }

    user.data = rest->data;
    user.len = at - rest->data;

    rest->data = at + 1;
    rest->len = last - rest->data;

    ngx_str_null(&password);

    p = ngx_strlchr(user.data, at, ':');

    if (p) {
        password.data = p + 1;
        password.len = at - password.data;

        user.len = p - user.data;
    }

    rc = ngx_push_redis_url_decode(pool, &user, &url->user);

    if (rc == NGX_OK && password.data) {
        rc = ngx_push_redis_url_decode(pool, &password, &url->password);
    }

    if (rc == NGX_DECLINED) {
        *cause = "has a URL whose user or password has a \"%\" without two "
                 "hexadecimal digits (escape \"%\" as %25)";
    }

    return rc;
}


static ngx_int_t
ngx_push_redis_url_db(ngx_str_t *text, ngx_push_redis_url_t *url)
{
    ngx_int_t  n;

    if (text->len == 0 || text->len > sizeof("65535") - 1) {
        return NGX_DECLINED;
    }

    n = ngx_atoi(text->data, text->len);

    if (n < 0 || n > NGX_PUSH_REDIS_MAX_DB) {
        return NGX_DECLINED;
    }

    url->db = n;

    return NGX_OK;
}


static ngx_int_t
ngx_push_redis_url_decode(ngx_pool_t *pool, ngx_str_t *text,
    ngx_str_t *decoded)
{
    u_char     *p;
    size_t      i;
    ngx_int_t   n;

    p = ngx_pnalloc(pool, text->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    decoded->data = p;

    for (i = 0; i < text->len; i++) {

        if (text->data[i] != '%') {
            *p++ = text->data[i];
            continue;
        }

        if (text->len - i < 3) {
            return NGX_DECLINED;
        }

        n = ngx_hextoi(text->data + i + 1, 2);
        if (n == NGX_ERROR) {
            return NGX_DECLINED;
        }

        *p++ = (u_char) n;
        i += 2;
    }

    *p = '\0';

    decoded->len = p - decoded->data;

    return NGX_OK;
}


/* steps over the prefix, in any case; 1: it was there */

static ngx_uint_t
ngx_push_redis_url_skip(ngx_str_t *text, char *prefix)
{
    size_t  len;

    len = ngx_strlen(prefix);

    if (text->len < len
        || ngx_strncasecmp(text->data, (u_char *) prefix, len) != 0)
    {
        return 0;
    }

    text->data += len;
    text->len -= len;

    return 1;
}
