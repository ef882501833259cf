#!/usr/bin/perl

# docs/http.md is true: each of its commands, against the examples that have
# the location, brings what is shown.  Scripts there are JavaScript, links of
# all documents lead somewhere, and no file of the source is forgotten.

use strict;
use warnings;

use Push::Docs;
use Push::Test;


subtest 'how outputs are compared' => sub {
    my $shown = '{"id":"abcdefgh-00000000000001","at":"2026-01-02T03:04:05.678Z"}'
                . "\nretry: 17\n\nid: abcdefgh-00000000000002\n"
                . "id: .AAAAAAAAAAAAAAAAAAAA\n";
    my $good = $shown =~ s/abcdefgh/12-4_6.8/gr =~ s/2026/2031/r
                      =~ s/17/8000/r =~ s/\.A/.z/r;

    ok(same_output($good, $shown, {}), 'the same');
    ok(!same_output($good =~ s/1"/2"/r, $shown, {}), 'another number');
    ok(!same_output($good =~ s/12-4/xxxx/r, $shown, {}), 'another life');
    ok(!same_output("$good\nx", $shown, {}), 'more');
    ok(!same_output($good =~ s/\d+Z/Z/r, $shown, {}), 'not a time');
    ok(!same_output($good =~ s/A\n/\n/r, $shown, {}), 'a shorter position');
    ok(!same_output($good =~ s/8000/soon/r, $shown, {}), 'not a number');
    ok(!same_output('', $shown, {}), 'nothing');
    ok(!same_output('304', '200', {}), 'another status');
    ok(same_output("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\nx",
                   "HTTP/1.1 200 OK\nC: d\n\nx\n", {}), 'some of the headers');
    ok(!same_output("HTTP/1.1 200 OK\r\nA: b\r\n\r\nx",
                    "HTTP/1.1 200 OK\nC: d\n\nx\n", {}), 'a header is missing');

    my %known = (abcdefgh => '87654321');

    ok(!same_output($good, $shown, \%known), 'a life that is known');
    ok(!same_output($good, $shown, { '.AAAAAAAAAAAAAAAAAAAA' => '.x' }),
       'a position that is known');
};


# Each command runs against all examples at the same time: those that show a
# stream take as long as curl does.  What stands behind a name and a password
# is in one of them only.

my @commands = shown('docs/http.md');
my @servers = map {
    { name => $_, nginx => example($_), known => {},
      conf => slurp("conf-examples/$_.conf") }
} qw(minimal demo chat);

cmp_ok(scalar @commands, '>', 40, 'commands');

for (@commands) {
    my ($line, $command, $shown) = @$_;

    my ($path) = $command =~ m{localhost:8080(/[^?'/]+)};
    my $private = $command =~ /--auth | -u /;

    my @own = grep {
        $private == ($_->{name} eq 'chat')
            && $_->{conf} =~ /location (?:=|~ \^)\s*\Q$path\E\b/
    } @servers;

    my @running = map {
        run_shown($_->{nginx}->port, $command, $shown, $_->{known})
    } @own;

    ok(scalar @own, "line $line: $command");

    for my $server (@own) {
        my ($good, $got) = (shift @running)->();

        ok($good, $server->{name}) or diag("shown:\n$shown\ngot:\n$got");
    }
}


for my $file ('docs/http.md', 'README.md') {
    subtest "scripts in $file" => sub {
        for (blocks($file, 'js')) {
            my ($line, $text) = @$_;
            my $script = File::Temp->new(SUFFIX => '.mjs');

            print $script $text;
            close $script;

            my $r = command('node', '--check', $script->filename);
            is($r->{code}, 0, "line $line") or diag($r->{err});
        }
    };
}


# Whatever a document points at is there: the file, and the heading in it, by
# the name that it gets when it is shown.

sub headings {
    my ($file) = @_;
    my $text = slurp($file) =~ s/^```.*?^```//gmsr;

    return map { s/[^\w\- ]//gr =~ tr/ /-/r } map { lc }
           $text =~ /^#+ (.*)/mg;
}

for my $file (map { s{\A\Q$root/}{}r } glob "$root/docs/*.md $root/README.md") {
    subtest "links in $file" => sub {
        my $text = slurp($file) =~ s/^```.*?^```//gmsr;
        my ($folder) = $file =~ m{\A(.*/)?};
        my %seen;

        for my $link (grep { !/\A\w+:/ } $text =~ /\]\(([^)]*)\)/g) {
            next if $seen{$link}++;

            my ($path, $heading) = split /#/, $link;
            my $to = length $path ? ($folder // '') . $path : $file;

            $to =~ s{[^/]+/\.\./}{};

            my $there = -e "$root/$to";

            $there = grep { $_ eq $heading } headings($to)
                if $there && defined $heading;

            ok($there, $link);
        }

        ok(1, 'all of them');
    };
}

# Each file of the source has its place in the list of docs/architecture.md.

subtest 'files' => sub {
    my ($list) = slurp('docs/architecture.md') =~ /^## The files.*?\n(.*)/ms;
    my %listed = map { s/\A(?:ngx_push)?_|\.[ch]\z//gr => 1 }
                 $list =~ /`([\w.]+)`/g;

    for (map { m{/ngx_(?:http_)?push_(\w+)\.c\z} }
         glob "$root/ngx_push_module/*/*.c")
    {
        ok($listed{$_}, $_);
    }
};


done_testing;
