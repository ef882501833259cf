
/*
 * Copyright (C) The ngx_push_module authors
 */


#include "codec.h"
#include <jansson.h>
#include "ngx_push_command.h"


/* the same tokens twice: with white space, as a client sends, and without */

typedef struct {
    char     sent[65536];
    char     flat[65536];
    size_t   nsent;
    size_t   nflat;
} text_t;


static const char  *types[] = { "subscribe", "unsubscribe", "publish", "ping" };


static ngx_str_t *parse(ngx_str_t *text);
static char *show(char *p, const char *name, ngx_str_t *s);
static void test_commands(void);
static void test_declined(void);
static void test_ref(void);
static void test_bad_ref(void);
static void test_tree(void);
static void test_deep(void);
static void test_prefixes(void);
static void test_changed(void);
static void test_random(void);
static int random_command(text_t *t);
static size_t random_order(uint8_t *order, ngx_uint_t type);
static void random_member(text_t *t, ngx_uint_t which, ngx_uint_t type,
    ngx_push_command_t *want);
static void random_data(text_t *t, ngx_push_command_t *want);
static void random_value(text_t *t, ngx_uint_t depth);
static ngx_str_t random_string(text_t *t);
static void name(text_t *t, const char *s);
static void token(text_t *t, const char *s, size_t len);
static void space(text_t *t);
static int same(ngx_str_t *a, ngx_str_t *b);


int
main(void)
{
    unit_init();
    codec_seed();

    test_commands();
    test_declined();
    test_ref();
    test_bad_ref();
    test_tree();
    test_deep();
    test_prefixes();
    test_changed();
    test_random();

    return done();
}


/* a command in words; NUL is shown as "~" */

static ngx_str_t *
parse(ngx_str_t *text)
{
    char                 buf[8192], *p;
    size_t               i;
    ngx_int_t            rc;
    ngx_push_command_t   cmd;

    memset(&cmd, 0xdd, sizeof(cmd));

    rc = ngx_push_command_parse(text, &cmd);

    if (rc == NGX_OK) {
        p = stpcpy(buf, types[cmd.type]);
        p = show(p, "channel", &cmd.channel);
        p = show(p, "since", &cmd.since);
        p = show(p, "event", &cmd.event);

        if (cmd.type == NGX_PUSH_COMMAND_PUBLISH) {
            p = stpcpy(p, cmd.json ? " json" : " text");
            p = show(p, "data", &cmd.data);
        }

    } else {
        p = stpcpy(buf, rc == NGX_DECLINED ? "declined: " : "error: ");
        p = stpcpy(p, cmd.cause ? cmd.cause : "no cause");
    }

    p = show(p, "ref", &cmd.ref);

    ngx_push_command_free(&cmd);

    for (i = 0; buf + i < p; i++) {
        if (buf[i] == '\0') {
            buf[i] = '~';
        }
    }

    return codec_str(buf, p - buf);
}


static char *
show(char *p, const char *what, ngx_str_t *s)
{
    if (s->len == 0) {
        return p;
    }

    p += sprintf(p, " %s=", what);
    memcpy(p, s->data, s->len);

    return p + s->len;
}


static void
test_commands(void)
{
    size_t      i;
    ngx_str_t  *text;

    static const struct {
        const char  *text;
        const char  *want;
    } v[] = {
        { "{\"subscribe\":\"chat:7\",\"since\":\"3f2a91c0-01\",\"ref\":1}",
          "subscribe channel=chat:7 since=3f2a91c0-01 ref=1" },
        { "{\"subscribe\":\"chat:7\"}", "subscribe channel=chat:7" },
        { "{\"subscribe\":\"a\",\"since\":\"\"}", "subscribe channel=a" },
        { "{\"unsubscribe\":\"chat:7\",\"ref\":2}",
          "unsubscribe channel=chat:7 ref=2" },
        { "{\"publish\":\"a\",\"data\":\"x\",\"event\":\"e\",\"ref\":3}",
          "publish channel=a event=e text data=x ref=3" },
        { "{\"ping\":1,\"ref\":4}", "ping ref=4" },
        { "{\"ping\":null}", "ping" },
        { "{\"ping\":{\"ref\":1}}", "ping" },
        { "{\"ping\":\"subscribe\"}", "ping" },

        { "{\"publish\":\"a\",\"data\":null}",
          "publish channel=a json data=null" },
        { "{\"publish\":\"a\",\"data\":false}",
          "publish channel=a json data=false" },
        { "{\"publish\":\"a\",\"data\":\"\"}", "publish channel=a text" },
        { "{\"publish\":\"a\",\"event\":\"\",\"data\":0}",
          "publish channel=a json data=0" },
        { "{\"publish\":\"a\",\"data\":1.10e+02}",
          "publish channel=a json data=1.10e+02" },
        { "{\"publish\":\"a\",\"data\":-0}",
          "publish channel=a json data=-0" },
        { "{\"publish\":\"a\",\"data\":123456789012345678901234567890}",
          "publish channel=a json data=123456789012345678901234567890" },
        { "{\"publish\":\"a\",\"data\":{}}", "publish channel=a json data={}" },
        { "{\"publish\":\"a\",\"data\":[{\"b\":\"]}\\\"\"},[[]]],\"x\":1}",
          "publish channel=a json data=[{\"b\":\"]}\\\"\"},[[]]]" },
        { "{\"publish\":\"a\",\"data\":\" b\\n\\u00e9\\\\ \\ud83d\\ude00\"}",
          "publish channel=a text data= b\n\xc3\xa9\\ \xf0\x9f\x98\x80" },
        { "{\"publish\":\"a\",\"data\":[\" \\u00e9\\/\"]}",
          "publish channel=a json data=[\" \\u00e9\\/\"]" },
        { " {\t\"data\" : [ 1 ,\r\n{ \"a b\" : 2 } ] , \"publish\" : \"a\" }\n",
          "publish channel=a json data=[1,{\"a b\":2}]" },

        { "{\"x\":{\"data\":1,\"ref\":2},\"publish\":\"a\",\"data\":[3]}",
          "publish channel=a json data=[3]" },
        { "{\"x\":\"\\\"data\\\":1,\\\\\",\"publish\":\"a\",\"data\":[3]}",
          "publish channel=a json data=[3]" },
        { "{\"data\\u0000x\":1,\"ping\":1}",
          "declined: not a JSON object" },
        { "{\"dat\":1,\"datas\":2,\"\":3,\"publish\":\"a\",\"data\":4}",
          "publish channel=a json data=4" },
        { "{\"\\u0064at\\u0061\":[5],\"publish\":\"a\",\"\\u0072ef\":6}",
          "publish channel=a json data=[5] ref=6" },
        { "{\"\\n0064ata\":1,\"publish\":\"a\",\"data\":2}",
          "publish channel=a json data=2" },
        { "{\"\\\\u0064ata\":1,\"d\\bata\":2,\"publish\":\"a\",\"data\":3}",
          "publish channel=a json data=3" },
        { "{\"\\u0064\\u0061\\u0074\\u0061\\u0061\":1,\"publish\":\"a\","
          "\"data\":{\"b\":2}}", "publish channel=a json data={\"b\":2}" },
        { "{\"pu\\u0062lish\":\"\\u0061\",\"data\":true}",
          "publish channel=a json data=true" },

        { "{\"subscribe\":\"\"}", "subscribe" },
        { "{\"subscribe\":\"a\\u0000b\",\"since\":\"\\u0000\"}",
          "subscribe channel=a~b since=~" },
        { "{\"publish\":\"a\",\"data\":\"\\u0000b\\u0000\"}",
          "publish channel=a text data=~b~" },
        { "{\"Subscribe\":\"a\",\"ping\":1}", "ping" },
        { "{\"subscribe\":\"a\",\"data\":{},\"event\":5}",
          "subscribe channel=a" },
        { "{\"publish\":\"a\",\"data\":1,\"since\":5}",
          "publish channel=a json data=1" },
        { "{\"unsubscribe\":\"a\",\"since\":5}", "unsubscribe channel=a" },
        { "{\"ping\":1,\"since\":5,\"event\":5}", "ping" },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        text = codec_str(v[i].text, strlen(v[i].text));
        is_str(parse(text), v[i].want, "command %lu", (unsigned long) i);
    }
}


static void
test_declined(void)
{
    size_t     i;
    ngx_str_t  s;

    static const struct {
        ngx_str_t    text;
        const char  *want;
    } v[] = {
        { ngx_null_string, "not a JSON object" },
        { ngx_string(" "), "not a JSON object" },
        { ngx_string("null"), "not a JSON object" },
        { ngx_string("1"), "not a JSON object" },
        { ngx_string("\"ping\""), "not a JSON object" },
        { ngx_string("[]"), "not a JSON object" },
        { ngx_string("[{\"ping\":1}]"), "not a JSON object" },
        { ngx_string("{\"ping\":1}{\"ping\":1}"), "not a JSON object" },
        { ngx_string("{\"ping\":1} x"), "not a JSON object" },
        { ngx_string("{\"ping\":1},"), "not a JSON object" },
        { ngx_string("{\"ping\":1,}"), "not a JSON object" },
        { ngx_string("{ping:1}"), "not a JSON object" },
        { ngx_string("{'ping':1}"), "not a JSON object" },
        { ngx_string("{\"ping\" 1}"), "not a JSON object" },
        { ngx_string("{\"ping\":01}"), "not a JSON object" },
        { ngx_string("{\"ping\":1e999}"), "not a JSON object" },
        { ngx_string("{\"ping\":NaN}"), "not a JSON object" },
        { ngx_string("{\"ping\":1\0}"), "not a JSON object" },
        { ngx_string("{\"ping\":1}\0"), "not a JSON object" },
        { ngx_string("{\"ping\":\"\0\"}"), "not a JSON object" },
        { ngx_string("{\"ping\":\"\n\"}"), "not a JSON object" },
        { ngx_string("{\"ping\":\"\xff\"}"), "not a JSON object" },
        { ngx_string("{\"ping\":\"\\ud800\"}"), "not a JSON object" },
        { ngx_string("{\"\xc0\xb0\":1,\"ping\":1}"), "not a JSON object" },
        { ngx_string("\xef\xbb\xbf{\"ping\":1}"), "not a JSON object" },
        { ngx_string("{\"ping\":1/**/}"), "not a JSON object" },
        { ngx_string("{\"ping\":1,\"ping\":2}"), "a member occurs twice" },
        { ngx_string("{\"ping\":1,\"p\\u0069ng\":2}"),
          "a member occurs twice" },
        { ngx_string("{\"publish\":\"a\",\"data\":{\"b\":1,\"b\":2}}"),
          "a member occurs twice" },
        { ngx_string("{\"ref\":1,\"ref\":2,\"ping\":1}"),
          "a member occurs twice" },
        { ngx_string("{}"), "no command" },
        { ngx_string("{\"data\":\"a\"}"), "no command" },
        { ngx_string("{\"PING\":1}"), "no command" },
        { ngx_string("{\"ref\":7,\"x\":{\"ping\":1}}"), "no command ref=7" },
        { ngx_string("{\"ping\":1,\"subscribe\":\"a\"}"),
          "more than one command" },
        { ngx_string("{\"subscribe\":\"a\",\"unsubscribe\":\"a\",\"ref\":7}"),
          "more than one command ref=7" },
        { ngx_string("{\"publish\":\"a\",\"data\":1,\"ping\":null}"),
          "more than one command" },
        { ngx_string("{\"subscribe\":1,\"ref\":7}"),
          "the channel is not a string ref=7" },
        { ngx_string("{\"subscribe\":null}"), "the channel is not a string" },
        { ngx_string("{\"subscribe\":[\"a\",\"b\"]}"),
          "the channel is not a string" },
        { ngx_string("{\"unsubscribe\":true}"),
          "the channel is not a string" },
        { ngx_string("{\"publish\":{},\"data\":1}"),
          "the channel is not a string" },
        { ngx_string("{\"publish\":\"a\",\"ref\":7}"), "no \"data\" ref=7" },
        { ngx_string("{\"publish\":\"a\",\"Data\":1,\"x\":{\"data\":1}}"),
          "no \"data\"" },
        { ngx_string("{\"publish\":\"a\",\"data\":1,\"event\":1}"),
          "\"event\" is not a string" },
        { ngx_string("{\"publish\":\"a\",\"data\":1,\"event\":null}"),
          "\"event\" is not a string" },
        { ngx_string("{\"subscribe\":\"a\",\"since\":1,\"ref\":\"r\"}"),
          "\"since\" is not a string ref=\"r\"" },
        { ngx_string("{\"subscribe\":\"a\",\"since\":null}"),
          "\"since\" is not a string" },
    };

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        s = *parse(codec_str((char *) v[i].text.data, v[i].text.len));

        if (!ok(s.len > 10 && memcmp(s.data, "declined: ", 10) == 0,
                "text %lu is declined", (unsigned long) i))
        {
            continue;
        }

        s.data += 10;
        s.len -= 10;
        is_str(&s, v[i].want, "its cause");
    }
}


static void
test_ref(void)
{
    char         buf[512], *p;
    size_t       i, j;
    const char  *want;

    static const char  *forms[] = {
        "{\"ref\":%s,\"ping\":1}", "{\"ping\":1,\"ref\":%s}",
        "{\"r\":[1,2],\"ref\" :\t %s \r\n, \"ping\":1}",
        "{\"ping\":{\"ref\":{}},\"\\u0072\\u0065\\u0066\":%s\n}"
    };

    static const char  *refs[] = {
        "0", "-0", "1.0", "1e5", "0.10E-007", "12345678901234567890123",
        "\"\"", "\"a\"", "\" a  b \"", "\"\\u0061\\\"\\\\\"", "\"\\\\\"",
        "\"}\"", "\"\\u0000\"", "\"\xe6\x96\xb0\"", "\"],:\\\",\"",
    };

    for (i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
        for (j = 0; j < sizeof(forms) / sizeof(forms[0]); j++) {
            p = strstr(forms[j], "%s");
            p = buf + sprintf(buf, "%.*s%s%s", (int) (p - forms[j]), forms[j],
                              refs[i], p + 2);
            want = (char *) parse(codec_str(buf, p - buf))->data;

            ok(strncmp(want, "ping ref=", 9) == 0
               && strncmp(want + 9, refs[i], strlen(refs[i])) == 0,
               "%s as it is written, form %lu", refs[i], (unsigned long) j);
        }
    }
}


static void
test_bad_ref(void)
{
    char    buf[512];
    size_t  i, len;

    static const char  *refs[] = { "null", "true", "false", "{}", "[]", "[1]" };

    for (i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
        len = sprintf(buf, "{\"ref\":%s,\"ping\":1}", refs[i]);
        is_str(parse(codec_str(buf, len)),
               "declined: \"ref\" is not a string or a number", "ref %s",
               refs[i]);
    }

    len = sprintf(buf, "{\"ref\":\"%0126d\",\"ping\":1}", 0);
    is_int(parse(codec_str(buf, len))->len, 9 + 128, "a ref of 128 bytes");

    len = sprintf(buf, "{\"ref\":\"%0127d\",\"ping\":1}", 0);
    is_str(parse(codec_str(buf, len)), "declined: \"ref\" is too long",
           "of 129 bytes");

    len = sprintf(buf, "{\"ref\":1%0127d,\"ping\":1}", 0);
    is_int(parse(codec_str(buf, len))->len, 9 + 128, "128 digits");

    len = sprintf(buf, "{\"ref\":1%0128d,\"ping\":1}", 0);
    is_str(parse(codec_str(buf, len)), "declined: \"ref\" is too long",
           "129 digits");

    len = sprintf(buf, "{\"ref\": \t\n1%0127d \n,\"ping\":1}", 0);
    is_int(parse(codec_str(buf, len))->len, 9 + 128,
           "white space is not counted");
}


/* the values outlive the text; it is not written to */

static void
test_tree(void)
{
    ngx_str_t           *text;
    ngx_push_command_t   cmd;

    static const char  s[] = "{\"publish\":\"chat:7\", \"data\":[1, \"x\"],"
                             "\"event\":\"e\", \"ref\": \"r\" }";

    text = codec_str(s, sizeof(s) - 1);

    is_int(ngx_push_command_parse(text, &cmd), NGX_OK, "a command");
    ok(memcmp(text->data, s, text->len) == 0, "the text is as it was");

    memset(text->data, 0xdd, text->len);

    is_str(&cmd.channel, "chat:7", "the channel without the text");
    is_str(&cmd.event, "e", "the event");
    is_str(&cmd.data, "[1,\"x\"]", "the data");
    is_str(&cmd.ref, "\"r\"", "the ref");

    ngx_push_command_free(&cmd);
    ok(cmd.tree == NULL, "freed");

    ngx_push_command_free(&cmd);
    ok(cmd.tree == NULL, "twice");
}


static void
test_deep(void)
{
    char                *buf, *p;
    size_t               i, n;
    ngx_push_command_t   cmd;

    static const size_t  depths[] = { 2000, 3000, 500000 };

    for (i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
        n = depths[i];
        buf = malloc(2 * n + 64);
        if (buf == NULL) {
            exit(2);
        }

        p = stpcpy(buf, "{\"publish\":\"a\",\"data\":");
        memset(p, '[', n);
        memset(p + n, ']', n);
        strcpy(p + 2 * n, ",\"ref\":1}");

        is_int(ngx_push_command_parse(codec_str(buf, strlen(buf)), &cmd),
               n > 2048 ? NGX_DECLINED : NGX_OK, "%lu levels",
               (unsigned long) n);
        is_int(cmd.data.len, n > 2048 ? 0 : 2 * n, "its data");

        ngx_push_command_free(&cmd);
        free(buf);
    }
}


static const char  sample[] =
    "{\"publish\":\"a\",\"\\u0064ata\":[1.5e3,\"\\\"\\ud83d\\ude00\",{\"b\":"
    "null}],\"event\":\"e\\\\\",\"ref\":\"\\u0031\"}";


static void
test_prefixes(void)
{
    size_t      i, bad;
    ngx_str_t  *s;

    bad = 0;

    for (i = 0; i < sizeof(sample) - 1; i++) {
        s = parse(codec_str(sample, i));
        bad += (s->len != sizeof("declined: not a JSON object") - 1);
    }

    is_int(bad, 0, "no beginning of a command is one");
    is_str(parse(codec_str(sample, i)), "publish channel=a event=e\\ json "
           "data=[1.5e3,\"\\\"\\ud83d\\ude00\",{\"b\":null}] "
           "ref=\"\\u0031\"", "all of it is");
}


/* whatever it has become: what is passed on as JSON is JSON */

static void
test_changed(void)
{
    int                  ch;
    size_t               at, bad, good;
    json_t              *data, *ref;
    ngx_str_t           *s;
    ngx_push_command_t   cmd;

    bad = 0;
    good = 0;

    for (at = 0; at < sizeof(sample) - 1; at++) {
        for (ch = 0; ch < 256; ch++) {
            s = codec_str(sample, sizeof(sample) - 1);
            s->data[at] = ch;

            if (ngx_push_command_parse(s, &cmd) == NGX_OK && cmd.json) {
                good++;
                data = json_loadb((char *) cmd.data.data, cmd.data.len,
                                  JSON_DECODE_ANY|JSON_ALLOW_NUL, NULL);
                bad += (data == NULL);
                json_decref(data);
            }

            if (cmd.ref.len) {
                ref = json_loadb((char *) cmd.ref.data, cmd.ref.len,
                                 JSON_DECODE_ANY|JSON_ALLOW_NUL, NULL);
                bad += !(json_is_string(ref) || json_is_number(ref));
                json_decref(ref);
            }

            ngx_push_command_free(&cmd);
        }
    }

    is_int(bad, 0, "every byte at every place");
    ok(good > 1000, "%lu of them are commands", (unsigned long) good);
}


static void
test_random(void)
{
    size_t         i, bad;
    static text_t  t;

    bad = 0;

    for (i = 0; i < 20000 && bad < 5; i++) {

        if (!random_command(&t)) {
            bad++;
            printf("# %.*s\n", (int) t.nflat, t.flat);
        }
    }

    is_int(bad, 0, "random commands are read as they were meant");
}


/* 1 if it was read as it was meant */

static int
random_command(text_t *t)
{
    int                 good;
    size_t              i, n;
    uint8_t             order[8];
    ngx_int_t           rc;
    ngx_uint_t          type;
    ngx_push_command_t  want, got;

    memset(&want, 0, sizeof(want));
    t->nsent = 0;
    t->nflat = 0;

    type = codec_random(4);
    n = random_order(order, type);

    space(t);
    token(t, "{", 1);

    for (i = 0; i < n; i++) {

        if (i) {
            token(t, ",", 1);
        }

        random_member(t, order[i], type, &want);
    }

    token(t, "}", 1);

    rc = ngx_push_command_parse(codec_str(t->sent, t->nsent), &got);

    good = (rc == NGX_OK && got.type == type && got.json == want.json
            && same(&got.channel, &want.channel)
            && same(&got.since, &want.since) && same(&got.event, &want.event)
            && same(&got.data, &want.data) && same(&got.ref, &want.ref));

    ngx_push_command_free(&got);

    return good;
}


/* the command, "ref", "data", "since", "event" and two unknown members */

static size_t
random_order(uint8_t *order, ngx_uint_t type)
{
    size_t   i, j, n;
    uint8_t  which;

    n = 0;

    for (which = 0; which < 7; which++) {

        if (which == 0 || codec_random(2)
            || (which == 2 && type == NGX_PUSH_COMMAND_PUBLISH))
        {
            order[n++] = which;
        }
    }

    for (i = n - 1; i > 0; i--) {
        j = codec_random(i + 1);
        which = order[i];
        order[i] = order[j];
        order[j] = which;
    }

    return n;
}


static void
random_member(text_t *t, ngx_uint_t which, ngx_uint_t type,
    ngx_push_command_t *want)
{
    size_t     start;
    ngx_str_t  s;

    static const char  *names[] = {
        NULL, "ref", "data", "since", "event", "refs", "dat"
    };

    name(t, which ? names[which] : types[type]);
    start = t->nflat;

    switch (which) {

    case 0:
        if (type == NGX_PUSH_COMMAND_PING) {
            random_value(t, 2);

        } else {
            want->channel = random_string(t);
        }

        break;

    case 1:
        if (codec_random(2)) {
            token(t, "-12345678901234567890.50E+3", 27);

        } else {
            random_string(t);
        }

        want->ref.data = (u_char *) &t->flat[start];
        want->ref.len = t->nflat - start;
        break;

    case 2:
        random_data(t, type == NGX_PUSH_COMMAND_PUBLISH ? want : NULL);
        break;

    case 3:
    case 4:
        s = random_string(t);

        if (which == 3 && type == NGX_PUSH_COMMAND_SUBSCRIBE) {
            want->since = s;

        } else if (which == 4 && type == NGX_PUSH_COMMAND_PUBLISH) {
            want->event = s;
        }

        break;

    default:
        random_value(t, 3);
    }
}


static void
random_data(text_t *t, ngx_push_command_t *want)
{
    size_t     start;
    ngx_str_t  s;

    start = t->nflat;

    if (codec_random(2)) {
        s = random_string(t);

        if (want) {
            want->data = s;
        }

        return;
    }

    if (codec_random(2)) {
        token(t, "[", 1);
        random_value(t, 3);
        token(t, "]", 1);

    } else {
        token(t, "-0.50e007", 9);
    }

    if (want) {
        want->json = 1;
        want->data.data = (u_char *) &t->flat[start];
        want->data.len = t->nflat - start;
    }
}


static void
random_value(text_t *t, ngx_uint_t depth)
{
    char         key[16];
    size_t       i, n;
    ngx_uint_t   object;
    const char  *atom;

    static const char  *atoms[] = {
        "1", "-0.5e3", "true", "null", "12345678901234567890123"
    };

    if (depth == 0 || codec_random(3) == 0) {

        if (codec_random(2)) {
            random_string(t);
            return;
        }

        atom = atoms[codec_random(sizeof(atoms) / sizeof(atoms[0]))];
        token(t, atom, strlen(atom));
        return;
    }

    object = codec_random(2);
    token(t, object ? "{" : "[", 1);

    n = codec_random(4);

    for (i = 0; i < n; i++) {

        if (i) {
            token(t, ",", 1);
        }

        if (object) {
            sprintf(key, "%s%lu", codec_random(2) ? "ref" : "",
                    (unsigned long) i);
            name(t, key);
        }

        random_value(t, depth - 1);
    }

    token(t, object ? "}" : "]", 1);
}


/* writes it and returns what it stands for */

static ngx_str_t
random_string(text_t *t)
{
    char        buf[128], decoded[64];
    size_t      i, k, n, len;
    ngx_str_t  *s;

    static const struct {
        const char  *written;
        ngx_str_t    s;
    } v[] = {
        { "a", ngx_string("a") },
        { " ", ngx_string(" ") },
        { "\\\"", ngx_string("\"") },
        { "\\\\", ngx_string("\\") },
        { "\\/", ngx_string("/") },
        { "\\n", ngx_string("\n") },
        { "\\u0000", ngx_string("\0") },
        { "\\u0022", ngx_string("\"") },
        { "\\u00E9", ngx_string("\xc3\xa9") },
        { "\xc3\xa9", ngx_string("\xc3\xa9") },
        { "\\ud83d\\ude00", ngx_string("\xf0\x9f\x98\x80") },
        { "}", ngx_string("}") },
        { "[", ngx_string("[") },
        { ",", ngx_string(",") },
        { ":", ngx_string(":") },
    };

    n = codec_random(8);
    len = 0;
    k = 0;
    buf[k++] = '"';

    while (n--) {
        i = codec_random(sizeof(v) / sizeof(v[0]));
        k = stpcpy(buf + k, v[i].written) - buf;
        memcpy(decoded + len, v[i].s.data, v[i].s.len);
        len += v[i].s.len;
    }

    buf[k++] = '"';
    token(t, buf, k);

    s = codec_str(decoded, len);

    return *s;
}


/* of a member: some letters as escapes */

static void
name(text_t *t, const char *s)
{
    char  buf[128], *p;

    p = buf;
    *p++ = '"';

    for ( /* void */ ; *s; s++) {

        if (codec_random(8) == 0) {
            p += sprintf(p, codec_random(2) ? "\\u%04x" : "\\u%04X", *s);

        } else {
            *p++ = *s;
        }
    }

    *p++ = '"';

    token(t, buf, p - buf);
    token(t, ":", 1);
}


static void
token(text_t *t, const char *s, size_t len)
{
    if (t->nsent + len + 64 > sizeof(t->sent)) {
        exit(2);
    }

    memcpy(t->sent + t->nsent, s, len);
    t->nsent += len;

    memcpy(t->flat + t->nflat, s, len);
    t->nflat += len;

    space(t);
}


static void
space(text_t *t)
{
    while (t->nsent < sizeof(t->sent) && codec_random(4) == 0) {
        t->sent[t->nsent++] = " \t\r\n"[codec_random(4)];
    }
}


static int
same(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}
