
/*
 * Copyright (C) The ngx_push_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_push_redis_connection.h"


/* TLS to Redis by NGINX's OpenSSL, with the name and the CA checked */


#if (NGX_SSL)

static void ngx_push_redis_tls_done(ngx_connection_t *pc);
static ngx_int_t ngx_push_redis_tls_check(ngx_push_redis_connection_t *c,
    ngx_ssl_conn_t *ssl);
static ngx_int_t ngx_push_redis_tls_check_name(ngx_push_redis_connection_t *c);


void
ngx_push_redis_tls(ngx_push_redis_connection_t *c)
{
    ngx_ssl_conn_t         *ssl;
    ngx_connection_t       *pc;
    ngx_push_redis_node_t  *node;

    pc = c->peer.connection;
    node = c->node;

    if (ngx_ssl_create_connection(c->conf->ssl, pc, NGX_SSL_CLIENT)
        != NGX_OK)
    {
        ngx_push_redis_drop(c, NULL);
        return;
    }

    ssl = pc->ssl->connection;

    /* what was not written at once may be somewhere else the next time */

    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE
                      |SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    /* RFC 6066, 3: no literal addresses */

    if (ngx_push_redis_is_address(node) != NGX_OK
        && SSL_set_tlsext_host_name(ssl, (char *) node->host.data) == 0)
    {
        ngx_push_redis_drop(c, "the host cannot be a name for TLS");
        return;
    }

    if (ngx_ssl_handshake(pc) == NGX_AGAIN) {
        pc->ssl->handler = ngx_push_redis_tls_done;
        return;
    }

    ngx_push_redis_tls_done(pc);
}


static void
ngx_push_redis_tls_done(ngx_connection_t *pc)
{
    ngx_push_redis_connection_t  *c;

    c = pc->data;

    if (!pc->ssl->handshaked) {
        ngx_push_redis_drop(c, NULL);
        return;
    }

    if (c->conf->verify
        && ngx_push_redis_tls_check(c, pc->ssl->connection) != NGX_OK)
    {
        return;
    }

    ngx_push_redis_handshake(c);
}


/* drops the connection if the certificate is not good */

static ngx_int_t
ngx_push_redis_tls_check(ngx_push_redis_connection_t *c,
    ngx_ssl_conn_t *ssl)
{
    long  rc;

    rc = SSL_get_verify_result(ssl);

    if (rc != X509_V_OK) {
        ngx_push_redis_drop(c, "its certificate is not trusted (%l: %s), see "
                            "\"ca\" and \"verify\" of push_redis",
                            rc, X509_verify_cert_error_string(rc));
        return NGX_ERROR;
    }

    if (ngx_push_redis_tls_check_name(c) != NGX_OK) {
        ngx_push_redis_drop(c, "its certificate is not for \"%V\"",
                            &c->node->host);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_push_redis_tls_check_name(ngx_push_redis_connection_t *c)
{
    int                     rc;
    ngx_connection_t       *pc;
    ngx_push_redis_node_t  *node;
    X509                   *cert;

    pc = c->peer.connection;
    node = c->node;

    if (ngx_push_redis_is_address(node) != NGX_OK) {
        return ngx_ssl_check_host(pc, &node->host);
    }

    cert = SSL_get_peer_certificate(pc->ssl->connection);
    if (cert == NULL) {
        return NGX_ERROR;
    }

    rc = X509_check_ip_asc(cert, (char *) node->host.data, 0);

    X509_free(cert);

    return (rc == 1) ? NGX_OK : NGX_ERROR;
}

#else


void
ngx_push_redis_tls(ngx_push_redis_connection_t *c)
{
    ngx_push_redis_drop(c, "this NGINX has no TLS");
}

#endif
