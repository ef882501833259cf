#!/usr/bin/perl

# util/lint and util/include-graph: clean code passes, each planted fault is
# found.

use strict;
use warnings;

use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Push::Test;

my $header = <<'C';

/*
 * Copyright (C) The ngx_push_module authors
 */


#ifndef _NGX_PUSH_H_INCLUDED_
#define _NGX_PUSH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    ngx_str_t   name;
} ngx_push_thing_t;


ngx_int_t ngx_push_find(ngx_push_thing_t *things, ngx_uint_t n);


#endif /* _NGX_PUSH_H_INCLUDED_ */
C

my $source = <<'C';

/*
 * Copyright (C) The ngx_push_module authors
 */


#include "ngx_push.h"


#define NGX_PUSH_THINGS  2


static ngx_uint_t ngx_push_is_it(ngx_push_thing_t *thing);


static ngx_str_t  ngx_push_words[] = {
    ngx_string("if (x) // no comment"),
    ngx_string("\t")
};


/*
 * what it does
 */

ngx_int_t
ngx_push_find(ngx_push_thing_t *things, ngx_uint_t n)
{
    ngx_uint_t         i;
    ngx_push_thing_t  *thing;

    for ( /* void */ ; n; n--) {
        thing = &things[n];

        if (ngx_push_is_it(thing)
            && thing->name.len)
        {
            return NGX_OK;

        } else if (n == 5) {
            i = 1;
            (void) i;
        }
    }

    do {
        n--;
    } while (n);

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_push_is_it(ngx_push_thing_t *thing)
{
    return thing->name.data == ngx_push_words[0].data;
}
C

my $c = 'ngx_push_module/core/ngx_push_thing.c';
my %clean = ('ngx_push_module/core/ngx_push.h' => $header, $c => $source);


sub lint {
    my (%files) = @_;
    my $dir = tempdir(CLEANUP => 1);

    for my $name (keys %files) {
        make_path("$dir/" . $name =~ s{[^/]*$}{}r);
        open my $out, '>', "$dir/$name" or die "$name: $!";
        print $out $files{$name};
        close $out;
    }

    my $said = `$root/util/lint $dir 2>&1`;

    return ($? == 0, $said);
}

my ($good, $said) = lint(%clean);
ok($good, 'clean code') or diag($said);

# what is replaced in the clean source, by what, what lint says

my @faults = (
    ['return NGX_OK;', 'return NGX_OK; ', 'space at the end'],
    ['return NGX_OK;', "return\tNGX_OK;", 'tab'],
    ['return NGX_OK;', 'return NGX_OK; // ok', 'comments are'],
    ['return NGX_OK;', 'return NGX_OK;' . ' ' x 60 . ';', '8\d columns'],
    ['return NGX_OK;', 'return NGX_OK; /* TO' . 'DO */', 'left over'],
    ["data;\n}\n", "data;\n}", 'no newline'],
    ["data;\n}\n", "data;\n}\n\n", 'empty lines at the end'],
    ["\n\n        } else", "\n        } else", 'empty line before "} else"'],
    ["}\n    }\n\n    do", "}\n    }\n    do", 'empty line after the brace'],
    ['for ( /* void */ ; n; n--)', 'for (;;)', 'for \( ;; \)'],
    ['for (', 'for(', 'space after the keyword'],
    ["len)\n        {", 'len) {', 'wrapped condition stands alone'],
    ['if (n == 5) {', "if (n == 5)\n        {", 'on the line of the cond'],
    ["if (n == 5) {\n            i = 1;\n            (void) i;\n        }",
     "if (n == 5)\n            i = 1;", 'without braces'],
    ["NGX_DECLINED;\n}\n\n\n", "NGX_DECLINED;\n}\n\n", 'two empty lines'],
    ["};\n\n\n/*", "};\n\n/*", 'two empty lines'],
    ["};\n\n\n/*", "};\n\n\n\n/*", 'three empty lines'],
    ["ngx_int_t\nngx_push_find", 'ngx_int_t ngx_push_find', 'return type on'],
    ["*thing)\n{", '*thing) {', 'line of its own'],
    ["static ngx_uint_t ngx_push_is_it(ngx_push_thing_t *thing);\n", '',
     'no prototype'],
    ['ngx_push_is_it(ngx_push_thing_t *thing);', 'ngx_push_is_it(ngx_str_t);',
     'names its arguments'],
    ["ngx_int_t\nngx_push_find", "ngx_int_t\nngx_push_other", 'no prototype'],
    ["ngx_int_t\nngx_push_find", "ngx_int_t\nfind", 'names begin with'],
    ['ngx_uint_t n)', 'int a, int b, int d, int e, ngx_uint_t n)',
     '6 arguments'],
    ["    do {", "    i = 1;\n" x 80 . '    do {', '\d lines'],
    ["static ngx_str_t", "\n" . "/* x */\n" x 500 . 'static ngx_str_t',
     'over 500'],
    ['        thing = &things', "        thing = NULL;\n"
     . "        ngx_int_t  x = 1;\n        thing = &things", 'mid-block'],
    ['ngx_uint_t         i;', 'ngx_uint_t  i;', 'one column'],
    ["    ngx_uint_t         i;\n    ngx_push_thing_t  *thing;",
     "    ngx_push_thing_t  *thing;\n    ngx_uint_t         i;",
     'shortest type first'],
    ['            i = 1;', "            if (n) {\n                if (i) {\n"
     . "                    i = 1;\n                }\n            }",
     'levels'],
    ['#define NGX_PUSH_THINGS', '#define THINGS', 'macros begin'],
    ['Copyright (C)', '(C)', 'copyright comment'],
    ['static ngx_str_t  ngx_push_words', 'ngx_module_t ngx_push_x = {' . "\n};"
     . "\n\n\nstatic ngx_str_t  ngx_push_words", 'named ..._module.c'],
    ['#include "ngx_push.h"', "#include \"ngx_push.h\"\n#include <ngx_http.h>",
     'belongs to http/'],
    ['#include "ngx_push.h"', "#include \"ngx_push.h\"\n#include <hiredis.h>",
     'belongs to redis/'],
    ['#include "ngx_push.h"', "#include \"ngx_push.h\"\n#include <jansson.h>",
     'core/ includes NGINX only'],
);

for my $fault (@faults) {
    my ($old, $new, $want) = @$fault;

    my $text = $source;
    my $at = index $text, $old;

    die "not there: $old" if $at < 0;
    substr $text, $at, length $old, $new;

    ($good, $said) = lint(%clean, $c => $text);
    ok(!$good, "found: $want");
    like($said, qr/$want/, 'and said') or diag($said);
}

# what needs more than one file

my $comment = "\n/*\n * Copyright (C) The ngx_push_module authors\n */\n\n\n";

sub header_of {
    my ($name, @includes) = @_;
    my $guard = '_' . uc($name =~ s/\W/_/gr) . '_INCLUDED_';

    return "$comment#ifndef $guard\n#define $guard\n\n\n"
           . join('', map { "#include \"$_\"\n" } 'ngx_core.h', @includes)
           . "\n\n#endif /* $guard */\n";
}

sub tree {
    my (%includes) = @_;

    return %clean, map {
        my ($name) = m{([^/]+)$};
        ("ngx_push_module/$_" => header_of($name, @{ $includes{$_} }));
    } keys %includes;
}

my @trees = (
    [{ 'core/ngx_push_log.h' => ['ngx_push_block.h'],
       'core/ngx_push_block.h' => ['ngx_push.h'],
       'codec/ngx_push_a.h' => ['ngx_push_b.h'], 'codec/ngx_push_b.h' => [],
       'http/ngx_http_push_c.h' => ['ngx_push_a.h', 'ngx_push_log.h'] }, ''],
    [{ 'core/ngx_push_log.h' => [],
       'core/ngx_push_block.h' => ['ngx_push_log.h'] }, 'stands above'],
    [{ 'core/ngx_push_new.h' => [] }, 'give it its place'],
    [{ 'codec/ngx_push_a.h' => ['ngx_push_b.h'],
       'codec/ngx_push_b.h' => ['ngx_push_a.h'] }, 'cycle: .*a.h -> .*b.h'],
    [{ 'codec/ngx_push_a.h' => ['ngx_push.h'] }, 'codec/ must not include core/'],
    [{ 'core/ngx_push_log.h' => ['ngx_http_push_c.h'],
       'http/ngx_http_push_c.h' => [] }, 'core/ must not include http/'],
    [{ 'http/ngx_push_c.h' => [] }, 'in http/ begins with ngx_http_push_'],
    [{ 'tools/ngx_push_c.h' => [] }, 'no such layer'],
    [{ 'redis/ngx_push_redis.h' => [],
       'http/ngx_http_push_a.h' => ['ngx_push_redis.h'],
       'http/ngx_http_push_b.h' => ['ngx_push_redis.h'] }, 'only one file'],
);

for my $tree (@trees) {
    my ($includes, $want) = @$tree;

    ($good, $said) = lint(tree(%$includes));

    if ($want eq '') {
        ok($good, 'layers') or diag($said);

    } else {
        ok(!$good, "found: $want");
        like($said, qr/$want/, 'and said');
    }
}

my $table = $source =~ s/static ngx_str_t  ngx_push_words.*?\};\n/<<'C'/sre;
static ngx_command_t  ngx_push_commands[] = {

    { ngx_string("push_wonder"),
      0, NULL, 0, 0, NULL },

    ngx_null_command
};
C

$table =~ s/ngx_push_words\[0\]\.data/NULL/;

my %documented = (%clean, $c => $table,
                  'docs/directives.md' => "## push_wonder\n",
                  't/wonder.t' => "push_wonder\n");

($good, $said) = lint(%documented);
ok($good, 'a directive documented and tested') or diag($said);

($good, $said) = lint(%documented, 'docs/directives.md' => "push_wonder\n");
like($said, qr/push_wonder has no heading/, 'found: not documented');

($good, $said) = lint(%documented, 't/wonder.t' => "push_wonderful\n");
like($said, qr/push_wonder is in no test/, 'found: not tested');

done_testing;
