
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "unit.h"
#include "ngx_push_redis_url.h"


/* URLs of Redis, good ones, bad ones, cut anywhere */


static void good(char *text, char *want);
static void bad(char *text, char *cause);
static void cut(char *text);
static void long_name(void);
static ngx_int_t parse(char *text, size_t len, ngx_push_redis_url_t *url,
    char **cause);


int
main(void)
{
    size_t  i;
    char    path[160], want[200];

    unit_init();

    /* as host|master|path|port|db|user|password|flags */

    good("redis://h", "h|||6379|0||-|");
    good("redis://h/", "h|||6379|0||-|");
    good("REDIS://h", "h|||6379|0||-|");
    good("redis://h:1", "h|||1|0||-|");
    good("redis://h:65535/15", "h|||65535|15||-|");
    good("redis://h/65535", "h|||6379|65535||-|");
    good("rediss://a-b.c_d.example:7000/1", "a-b.c_d.example|||7000|1||-|t");
    good("redis://127.0.0.1:6380", "127.0.0.1|||6380|0||-|");
    good("redis://[::1]", "::1|||6379|0||-|6");
    good("rediss://[2001:db8::1]:7/3", "2001:db8::1|||7|3||-|t6");
    good("redis://[::ffff:1.2.3.4]:7", "::ffff:1.2.3.4|||7|0||-|6");

    good("redis://u:p@h", "h|||6379|0|u|p|");
    good("redis://:p@h", "h|||6379|0||p|");
    good("redis://u@h", "h|||6379|0|u|-|");
    good("redis://u:@h", "h|||6379|0|u||");
    good("redis://@h", "h|||6379|0||-|");
    good("redis://u:p:q@h:1/2", "h|||1|2|u|p:q|");
    good("redis://u%3a%40:%2F%25%2f@h", "h|||6379|0|u:@|/%/|");
    good("redis://u:p@q@h", "h|||6379|0|u|p@q|");
    good("redis://u:p/q@h/1", "h|||6379|1|u|p/q|");
    good("rediss://:[@[::1]:7", "::1|||7|0||[|t6");

    good("unix:/a", "||/a|0|0||-|");
    good("unix:/run/redis.sock?db=7", "||/run/redis.sock|0|7||-|");
    good("unix:///run/r", "||/run/r|0|0||-|");
    good("unix://u:p@/r?db=1", "||/r|0|1|u|p|");
    good("unix://:p@/r", "||/r|0|0||p|");
    good("unix:/a%20b%3f", "||/a b?|0|0||-|");
    good("UNIX:/a:b", "||/a:b|0|0||-|");

    /* the hosts and ports of sentinels one after the other */

    good("sentinel://h/m", "h|m||26379|0||-|");
    good("SENTINEL://h:1/m", "h|m||1|0||-|");
    good("sentinel://h1,h2:7,[::1],[::2]:8/my-Master_1.x/15",
         "h1,h2,::1,::2|my-Master_1.x||26379,7,26379,8|15||-|");
    good("sentinel://h,h/m/", "h,h|m||26379,26379|0||-|");
    good("sentinel://u:p@h,127.0.0.1:1/m/2",
         "h,127.0.0.1|m||26379,1|2|u|p|");
    good("sentinel://:p,q/r@h,g/m", "h,g|m||26379,26379|0||p,q/r|");
    good("sentinel://[::1],h/6379", "::1,h|6379||26379,26379|0||-|6");

    bad("sentinel://", "name of the master");
    bad("sentinel://h", "name of the master");
    bad("sentinel://h,g", "name of the master");
    bad("sentinel://h/", "name of the master");
    bad("sentinel://h//1", "name of the master");
    bad("sentinel://h/a%41", "name of the master");
    bad("sentinel://h/a,b", "name of the master");
    bad("sentinel://h/m?db=1", "name of the master");
    bad("sentinel:///m", "without a host");
    bad("sentinel://,/m", "without a host");
    bad("sentinel://h,/m", "without a host");
    bad("sentinel://,h/m", "without a host");
    bad("sentinel://h,,g/m", "without a host");
    bad("sentinel://u:p@/m", "without a host");
    bad("sentinel://h,:1/m", "without a host");
    bad("sentinel://h,g:0/m", "port");
    bad("sentinel://h:1;g:2/m", "port");
    bad("sentinel://h,[::1/m", "IPv6");
    bad("sentinel://h,g+/m", "malformed host");
    bad("sentinel://h/m/x", "database");
    bad("sentinel://h/m/1/2", "database");
    bad("sentinel://h/m/65536", "database");
    bad("sentinel://%@h/m", "hexadecimal");

    bad("", "needs a URL");
    bad("h", "needs a URL");
    bad("127.0.0.1:6379", "needs a URL");
    bad("http://h", "needs a URL");
    bad("redis:h", "needs a URL");
    bad("redis:/h", "needs a URL");
    bad("redissss://h", "needs a URL");
    bad("/run/redis.sock", "needs a URL");
    bad("sentinel:h/name", "needs a URL");
    bad("sentinels://h/name", "needs a URL");

    bad("redis://", "without a host");
    bad("redis:///1", "without a host");
    bad("redis://:1", "without a host");
    bad("redis://u:p@", "without a host");
    bad("redis://u:p@/1", "without a host");

    bad("redis://h:", "port");
    bad("redis://h:0", "port");
    bad("redis://h:65536", "port");
    bad("redis://h:000001", "port");
    bad("redis://h:x", "port");
    bad("redis://h:-1", "port");
    bad("redis://h:1:2", "port");
    bad("redis://[::1]x", "port");
    bad("redis://[::1]:", "port");

    bad("redis://h/x", "database");
    bad("redis://h/-1", "database");
    bad("redis://h/65536", "database");
    bad("redis://h/1/2", "database");
    bad("redis://h/1?db=2", "database");
    bad("redis://:p/q", "database");

    bad("redis://h,g", "host");
    bad("redis://h?db=1", "host");
    bad("redis://h%41", "host");
    bad("redis://::1", "without a host");
    bad("redis://[", "IPv6");
    bad("redis://[]", "IPv6");
    bad("redis://[::1", "IPv6");
    bad("redis://[1.2.3.4]", "IPv6");
    bad("redis://[::1%eth0]", "IPv6");
    bad("redis://h h", "space");
    bad("redis://h\n", "space");
    bad("redis://\x7f", "space");

    bad("redis://u:%@h", "hexadecimal");
    bad("redis://u:%4@h", "hexadecimal");
    bad("redis://u:%zz@h", "hexadecimal");
    bad("redis://%:p@h", "hexadecimal");
    bad("unix://u:%g0@/a", "hexadecimal");

    bad("unix:", "absolute path");
    bad("unix:a", "absolute path");
    bad("unix://", "absolute path");
    bad("unix://u:p@", "absolute path");
    bad("unix://u:p@a", "absolute path");
    bad("unix://host/a", "absolute path");
    bad("unix:?db=1", "absolute path");
    bad("unix:/a?", "db=");
    bad("unix:/a?db", "db=");
    bad("unix:/a?db=", "db=");
    bad("unix:/a?db=x", "db=");
    bad("unix:/a?db=1&x=1", "db=");
    bad("unix:/a?x=1", "db=");
    bad("unix:/a%", "%");
    bad("unix:/a%00b", "%");

    /* a socket's name ends in a zero byte */

    strcpy(path, "unix:/");
    strcpy(want, "||/");

    for (i = 0; i < sizeof(((struct sockaddr_un *) NULL)->sun_path) - 2; i++) {
        strcat(path, "x");
        strcat(want, "x");
    }

    strcat(want, "|0|0||-|");
    good(path, want);

    strcat(path, "x");
    bad(path, "too long");

    cut("rediss://user:pa%25ss@host.example:6380/12");
    cut("redis://u:%41@[2001:db8::7]:6380/12");
    cut("unix://u%2f:p%40@/run/redis%20x.sock?db=12");
    cut("sentinel://u:p%40@h,[::1]:7,g:8/name/12");

    long_name();

    return done();
}


static void
good(char *text, char *want)
{
    char                   got[512], hosts[128], ports[64], *cause, *comma;
    ngx_int_t              rc;
    ngx_uint_t             i;
    ngx_push_redis_url_t   url;

    cause = "";
    rc = parse(text, strlen(text), &url, &cause);

    if (!is_int(rc, NGX_OK, "good: %s", text)) {
        printf("# %s\n", cause);
        return;
    }

    hosts[0] = '\0';
    ports[0] = '\0';

    for (i = 0; i < url.nnodes; i++) {
        comma = i ? "," : "";

        snprintf(hosts + strlen(hosts), sizeof(hosts) - strlen(hosts),
                 "%s%.*s", comma, (int) url.nodes[i].host.len,
                 url.nodes[i].host.data);
        snprintf(ports + strlen(ports), sizeof(ports) - strlen(ports),
                 "%s%u", comma, (unsigned) url.nodes[i].port);
    }

    snprintf(got, sizeof(got), "%s|%.*s|%.*s|%s|%u|%.*s|%s|%s%s", hosts,
             (int) url.master.len, url.master.data,
             (int) url.path.len, url.path.data, ports,
             (unsigned) url.db, (int) url.user.len, url.user.data,
             url.password.data ? (char *) url.password.data : "-",
             url.tls ? "t" : "", url.nodes[0].literal ? "6" : "");

    if (!ok(strcmp(got, want) == 0, "parts of %s", text)) {
        printf("#   got      %s\n#   expected %s\n", got, want);
    }
}


static void
bad(char *text, char *cause)
{
    char                  *said;
    ngx_int_t              rc;
    ngx_push_redis_url_t   url;

    said = "";
    rc = parse(text, strlen(text), &url, &said);

    is_int(rc, NGX_DECLINED, "bad: %s", text);

    if (!ok(strstr(said, cause) != NULL, "cause of %s", text)) {
        printf("#   said %s\n", said);
    }
}


/* reads nothing behind its end, and has a cause for all that it refuses */

static void
cut(char *text)
{
    char                  *said;
    size_t                 len;
    ngx_int_t              rc;
    ngx_uint_t             causes;
    ngx_push_redis_url_t   url;

    causes = 0;

    for (len = 0; len <= strlen(text); len++) {
        said = NULL;
        rc = parse(text, len, &url, &said);

        if (rc == NGX_OK ? said == NULL : rc == NGX_DECLINED && said) {
            causes++;
        }
    }

    is_int(causes, len, "cut anywhere: %s", text);
}


/* of a master */

static void
long_name(void)
{
    char                   text[300], *said;
    ngx_push_redis_url_t   url;

    strcpy(text, "sentinel://h/");
    memset(text + 13, 'm', 256);

    text[13 + 255] = '\0';
    is_int(parse(text, 13 + 255, &url, &said), NGX_OK, "a long name");
    is_int(url.master.len, 255, "all of it");

    text[13 + 255] = 'm';
    text[13 + 256] = '\0';
    bad(text, "name of the master");
}


/* from memory that ends with the text */

static ngx_int_t
parse(char *text, size_t len, ngx_push_redis_url_t *url, char **cause)
{
    ngx_int_t  rc;
    ngx_str_t  s;

    s.len = len;
    s.data = malloc(len ? len : 1);

    if (s.data == NULL) {
        exit(2);
    }

    memcpy(s.data, text, len);

    rc = ngx_push_redis_url_parse(unit_pool, &s, url, cause);

    free(s.data);

    return rc;
}
