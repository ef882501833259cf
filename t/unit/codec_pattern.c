
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include <regex.h>
#include "ngx_push_pattern.h"


static void test_check(void);
static void test_check_bytes(void);
static void test_match(void);
static void test_long(void);
static void test_random(void);
static size_t random_pattern(char *p);
static size_t random_name(char *p, ngx_str_t *pattern);
static size_t random_segment(char *p);
static int by_regex(ngx_str_t *pattern, ngx_str_t *name);


int
main(void)
{
    codec_seed();

    test_check();
    test_check_bytes();
    test_match();
    test_long();
    test_random();

    return done();
}


static void
test_check(void)
{
    size_t     i;
    ngx_str_t  empty = ngx_null_string;

    static const struct {
        const char  *pattern;
        ngx_int_t    rc;
    } v[] = {
        { "news", NGX_OK },
        { "*", NGX_OK },
        { "**", NGX_OK },
        { "chat:*", NGX_OK },
        { "chat:**", NGX_OK },
        { "*:chat", NGX_OK },
        { "*:*.*/*", NGX_OK },
        { "a.*/**", NGX_OK },
        { "*:**", NGX_OK },
        { "a::b", NGX_OK },
        { ":", NGX_OK },
        { "a:", NGX_OK },
        { ":**", NGX_OK },
        { "*:", NGX_OK },
        { "\xe6\x96\xb0:*", NGX_OK },
        { "", NGX_DECLINED },
        { "***", NGX_DECLINED },
        { "a*", NGX_DECLINED },
        { "*a", NGX_DECLINED },
        { "a*b", NGX_DECLINED },
        { "a**", NGX_DECLINED },
        { "**a", NGX_DECLINED },
        { "*a*", NGX_DECLINED },
        { "a:b*", NGX_DECLINED },
        { "a:*b:c", NGX_DECLINED },
        { "a:b**", NGX_DECLINED },
        { "a:***", NGX_DECLINED },
        { "**:a", NGX_DECLINED },
        { "a:**:b", NGX_DECLINED },
        { "a:**:", NGX_DECLINED },
        { "**:**", NGX_DECLINED },
        { "a,b", NGX_DECLINED },
        { "a%2a", NGX_DECLINED },
        { "*:\x7f", NGX_DECLINED },
        { "\xff:*", NGX_DECLINED },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        is_int(ngx_push_pattern_check(codec_str(v[i].pattern,
                                                strlen(v[i].pattern))),
               v[i].rc, "\"%s\", %s", v[i].pattern,
               v[i].rc == NGX_OK ? "a pattern" : "no pattern");
    }

    is_int(ngx_push_pattern_check(&empty), NGX_DECLINED, "nothing");
    is_int(ngx_push_pattern_check(codec_fill(':', 250)), NGX_OK, "250 bytes");
    is_int(ngx_push_pattern_check(codec_fill(':', 251)), NGX_DECLINED,
           "251 bytes");
    is_int(ngx_push_pattern_check(S("a\0b")), NGX_DECLINED, "NUL");
    is_int(ngx_push_pattern_check(S("a\nb")), NGX_DECLINED, "LF");
}


/* next to a "*" nothing but a divider */

static void
test_check_bytes(void)
{
    int        ch;
    char       buf[3];
    size_t     bad;
    ngx_int_t  want;

    bad = 0;

    for (ch = 0; ch < 256; ch++) {
        want = (ch == ':' || ch == '.' || ch == '/') ? NGX_OK : NGX_DECLINED;

        buf[0] = '*';
        buf[1] = ch;
        buf[2] = '*';
        bad += (ngx_push_pattern_check(codec_str(buf, 3)) != want);

        bad += (ngx_push_pattern_check(codec_str(buf, 2))
                != (ch == '*' ? NGX_OK : want));
        bad += (ngx_push_pattern_check(codec_str(buf + 1, 2))
                != (ch == '*' ? NGX_OK : want));
    }

    is_int(bad, 0, "every byte before, behind and between");
}


static void
test_match(void)
{
    size_t     i;
    ngx_str_t  empty = ngx_null_string;

    static const struct {
        const char  *pattern;
        const char  *name;
        int          want;
    } v[] = {
        { "news", "news", 1 },
        { "news", "new", 0 },
        { "news", "newss", 0 },
        { "news", "News", 0 },
        { "news", "news:1", 0 },
        { "*", "news", 1 },
        { "*", "*", 1 },
        { "*", "news:1", 0 },
        { "*", "news.1", 0 },
        { "*", "news/1", 0 },
        { "*", "news:", 0 },
        { "*", ":", 0 },
        { "*", "a b-c_d", 1 },
        { "*", "\xe6\x96\xb0", 1 },
        { "chat:*", "chat:7", 1 },
        { "chat:*", "chat:", 0 },
        { "chat:*", "chat", 0 },
        { "chat:*", "chat:7:x", 0 },
        { "chat:*", "chat:7.x", 0 },
        { "chat:*", "chat:7/", 0 },
        { "chat:*", "chat.7", 0 },
        { "chat:*", "chat/7", 0 },
        { "chat:*", "xchat:7", 0 },
        { "chat:*", "chat::", 0 },
        { "chat:*:in", "chat:7:in", 1 },
        { "chat:*:in", "chat::in", 0 },
        { "chat:*:in", "chat:7:x:in", 0 },
        { "chat:*:in", "chat:7:inn", 0 },
        { "chat:*:in", "chat:7:i", 0 },
        { "*:*", "a:b", 1 },
        { "*:*", "a:b:c", 0 },
        { "*:*", "a.b", 0 },
        { "*.*/*", "a.b/c", 1 },
        { "*:", "a:", 1 },
        { "*:", "a", 0 },
        { "a::*", "a::b", 1 },
        { "a::*", "a:b:c", 0 },
        { "**", "a", 1 },
        { "**", "a:b.c/d", 1 },
        { "**", ":", 1 },
        { "**", "**", 1 },
        { "chat:**", "chat:7", 1 },
        { "chat:**", "chat:7:x", 1 },
        { "chat:**", "chat:7/x.y", 1 },
        { "chat:**", "chat::", 1 },
        { "chat:**", "chat:", 0 },
        { "chat:**", "chat", 0 },
        { "chat:**", "chat.7", 0 },
        { "chat:**", "chats:7", 0 },
        { "*:**", "a:b:c", 1 },
        { "*:**", "a:b", 1 },
        { "*:**", "a:", 0 },
        { "*:**", ":b", 0 },
        { "*:**", "a.b:c", 0 },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        is_int(ngx_push_pattern_match(codec_str(v[i].pattern,
                                                strlen(v[i].pattern)),
                                      codec_str(v[i].name,
                                                strlen(v[i].name))),
               v[i].want, "\"%s\" %s \"%s\"", v[i].pattern,
               v[i].want ? "names" : "does not name", v[i].name);
    }

    is_int(ngx_push_pattern_match(S("*"), &empty), 0, "\"*\" and nothing");
    is_int(ngx_push_pattern_match(S("**"), &empty), 0, "\"**\" and nothing");
    is_int(ngx_push_pattern_match(S("**"), codec_fill('x', 250)), 1,
           "the longest name");
}


/* much longer than any name: more than linear time would not end */

static void
test_long(void)
{
    size_t      i, n;
    ngx_str_t  *pattern, *name;

    n = 2 * 1024 * 1024;
    pattern = codec_fill(':', n);
    name = codec_fill('a', n);

    for (i = 0; i < n; i += 2) {
        pattern->data[i] = '*';
        name->data[i + 1] = ':';
    }

    is_int(ngx_push_pattern_match(pattern, name), 1, "a million segments");

    name->data[n - 1] = '.';
    is_int(ngx_push_pattern_match(pattern, name), 0, "the last one differs");
}


static void
test_random(void)
{
    int         want;
    char        buf[1024];
    size_t      i, len, bad, matches, others;
    ngx_str_t  *pattern, *name;

    bad = 0;
    matches = 0;
    others = 0;

    for (i = 0; i < 20000; i++) {
        len = random_pattern(buf);
        pattern = codec_str(buf, len);

        len = random_name(buf, pattern);
        name = codec_str(buf, len);

        if (ngx_push_pattern_check(pattern) != NGX_OK) {
            bad++;
            continue;
        }

        want = by_regex(pattern, name);
        bad += ((int) ngx_push_pattern_match(pattern, name) != want);

        if (want) {
            matches++;

        } else {
            others++;
        }
    }

    is_int(bad, 0, "as a regular expression does");
    ok(matches > 1000 && others > 1000, "%lu did match, %lu did not",
       (unsigned long) matches, (unsigned long) others);
}


static size_t
random_pattern(char *p)
{
    char    *start;
    size_t   i, n;

    start = p;
    n = 1 + codec_random(5);

    for (i = 0; i < n; i++) {

        if (i) {
            *p++ = ":./"[codec_random(3)];
        }

        if (codec_random(2)) {
            *p++ = '*';

            if (i == n - 1 && codec_random(2)) {
                *p++ = '*';
            }

            continue;
        }

        p += random_segment(p);
    }

    if (p == start) {
        *p++ = 'a';
    }

    return p - start;
}


/* mostly one that the pattern names, or one byte away from that */

static size_t
random_name(char *p, ngx_str_t *pattern)
{
    char    *start;
    size_t   i, n;

    start = p;

    for (i = 0; i < pattern->len; i++) {

        if (pattern->data[i] != '*') {
            *p++ = (char) pattern->data[i];
            continue;
        }

        p += random_segment(p);

        if (i && pattern->data[i - 1] == '*' && codec_random(2)) {
            *p++ = ":./"[codec_random(3)];
            p += random_segment(p);
        }
    }

    n = p - start;

    if (n && codec_random(3) == 0) {
        start[codec_random(n)] = "ab:./*"[codec_random(6)];
    }

    if (n && codec_random(8) == 0) {
        n--;
    }

    return n;
}


/* seldom empty */

static size_t
random_segment(char *p)
{
    size_t  i, n;

    static const char  chars[] = "abA0-_ +?()[]{}|^$\\";

    if (codec_random(16) == 0) {
        return 0;
    }

    n = 1 + codec_random(3);

    for (i = 0; i < n; i++) {

        if (codec_random(8) == 0) {
            memcpy(p + i, "\xc3\xa9", 2);
            i++;
            n++;
            continue;
        }

        p[i] = chars[codec_random(sizeof(chars) - 1)];
    }

    return n;
}


static int
by_regex(ngx_str_t *pattern, ngx_str_t *name)
{
    int       rc;
    char      expr[4096], text[1024], *p;
    size_t    i;
    regex_t   re;

    p = stpcpy(expr, "^");

    for (i = 0; i < pattern->len; i++) {

        if (pattern->data[i] != '*') {

            if (ispunct(pattern->data[i])) {
                *p++ = '\\';
            }

            *p++ = (char) pattern->data[i];
            continue;
        }

        if (i + 1 < pattern->len && pattern->data[i + 1] == '*') {
            p = stpcpy(p, ".+");
            i++;
            continue;
        }

        p = stpcpy(p, "[^:./]+");
    }

    strcpy(p, "$");

    if (name->len) {
        memcpy(text, name->data, name->len);
    }

    text[name->len] = '\0';

    if (regcomp(&re, expr, REG_EXTENDED|REG_NOSUB) != 0) {
        exit(2);
    }

    rc = regexec(&re, text, 0, NULL, 0);
    regfree(&re);

    return rc == 0;
}
