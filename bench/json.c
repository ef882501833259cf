
/*
 * Copyright (C) The ngx_push_module authors
 */

/* JSON, just enough to take an envelope apart; strings are decoded in place. */


#include "bench.h"

#include <string.h>


static char *bench_json_space(char *p, char *last);
static char *bench_json_string_end(char *p, char *last);
static char *bench_json_nested_end(char *p, char *last);
static char *bench_json_escape(char *p, char *last, char **dst);
static int bench_json_hex(const char *p, uint32_t *value);


/*
 * The next value of an array, or of an object with its name; "rest" begins
 * behind the opening bracket, or behind the value before.  Returns 1 if there
 * is one, 0 at the closing bracket, -1 if it makes no sense.
 */

int
bench_json_next(bench_text_t *rest, bench_text_t *name, bench_text_t *value)
{
    char  *p, *last;

    last = rest->p + rest->len;
    p = bench_json_space(rest->p, last);

    if (p < last && *p == ',') {
        p = bench_json_space(p + 1, last);
    }

    if (p == last) {
        return -1;
    }

    if (*p == (name ? '}' : ']')) {
        return 0;
    }

    if (name) {
        name->p = p;
        p = bench_json_value(p, last);

        if (p == NULL) {
            return -1;
        }

        name->len = p - name->p;
        p = bench_json_space(p, last);

        if (bench_json_string(name) == -1 || p == last || *p != ':') {
            return -1;
        }

        p++;
    }

    value->p = bench_json_space(p, last);
    p = bench_json_value(value->p, last);

    if (p == NULL) {
        return -1;
    }

    value->len = p - value->p;
    rest->p = p;
    rest->len = last - p;

    return 1;
}


/* the end of a value, or NULL */

char *
bench_json_value(char *p, char *last)
{
    char  *start;

    if (p == last) {
        return NULL;
    }

    if (*p == '"') {
        return bench_json_string_end(p, last);
    }

    if (*p == '{' || *p == '[') {
        return bench_json_nested_end(p, last);
    }

    start = p;

    while (p < last && strchr(",]} \n\r\t", *p) == NULL) {
        p++;
    }

    return p == start ? NULL : p;
}


static char *
bench_json_space(char *p, char *last)
{
    while (p < last && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
    }

    return p;
}


static char *
bench_json_string_end(char *p, char *last)
{
    for (p++; p < last; p++) {

        if (*p == '"') {
            return p + 1;
        }

        if (*p == '\\') {
            p++;
        }
    }

    return NULL;
}


static char *
bench_json_nested_end(char *p, char *last)
{
    int  depth;

    depth = 0;

    while (p < last) {

        if (*p == '"') {
            p = bench_json_string_end(p, last);

            if (p == NULL) {
                return NULL;
            }

            continue;
        }

        depth += *p == '{' || *p == '[';
        depth -= *p == '}' || *p == ']';
        p++;

        if (depth == 0) {
            return p;
        }
    }

    return NULL;
}


/* what a string means, in its own place; -1 if it is none */

int
bench_json_string(bench_text_t *t)
{
    char  *p, *dst, *last;

    if (t->len < 2 || t->p[0] != '"') {
        return -1;
    }

    p = t->p + 1;
    last = t->p + t->len - 1;
    t->p = p;
    dst = p;

    while (p < last) {

        if (*p != '\\') {
            *dst++ = *p++;
            continue;
        }

        p = bench_json_escape(p + 1, last, &dst);

        if (p == NULL) {
            return -1;
        }
    }

    t->len = dst - t->p;

    return 0;
}


/* our bodies are ASCII: whatever \u stands for beyond it is not theirs */

static char *
bench_json_escape(char *p, char *last, char **dst)
{
    uint32_t           value;
    const char        *at;
    static const char  from[] = "\"\\/bfnrt";
    static const char  to[] = "\"\\/\b\f\n\r\t";

    if (p == last) {
        return NULL;
    }

    at = strchr(from, *p);

    if (at) {
        *(*dst)++ = to[at - from];
        return p + 1;
    }

    if (*p != 'u' || last - p < 5 || bench_json_hex(p + 1, &value) == -1) {
        return NULL;
    }

    *(*dst)++ = value < 0x80 ? value : '?';

    return p + 5;
}


static int
bench_json_hex(const char *p, uint32_t *value)
{
    int                i;
    const char        *digit;
    static const char  digits[] = "0123456789abcdef";

    *value = 0;

    for (i = 0; i < 4; i++) {
        digit = strchr(digits, p[i] >= 'A' && p[i] <= 'F' ? p[i] | 0x20 : p[i]);

        if (digit == NULL || *digit == '\0') {
            return -1;
        }

        *value = *value << 4 | (digit - digits);
    }

    return 0;
}


int
bench_json_is(bench_text_t *t, const char *word)
{
    return t->len == strlen(word) && memcmp(t->p, word, t->len) == 0;
}
