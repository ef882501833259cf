#!/usr/bin/perl

# Every program of docs/clients.md is run, against the configuration that it
# shows: it hears, comes back after a reload, hears each message once, ends.

use strict;
use warnings;

use File::Copy qw(copy);

use Push::Test;

# By section, language and number there.  Subscribers say what they can do:
#
#   comes_back  after a reload, with each message once
#   ends        by itself, when the channel is sealed; or what it says then
#   event       hears an event of this name, and what it says of {"temp":21.5}
#   gap         what it says when a channel has a new life
#
# "says" is a program that publishes, and what has to be in its output.

my $resumes = { comes_back => 1 };

my %programs = (
    'push.js html 1' => { comes_back => 1, ends => qr/^news: ended$/m,
                          event => ['any', qr/^\S.*$/m] },
    'push.js html 2' => { says => [qr/^chat:7: hello$/m, qr/^published \S+$/m,
                                   qr/^staff: 403 Forbidden$/m] },
    'push.js js 1' => $resumes,
    'push.js js 2' => { comes_back => 1, ends => 1 },
    'EventSource html 1' => { comes_back => 1, ends => qr/^ended$/m,
                              event => ['reading', qr/^21\.5$/m] },
    'WebSocket in a page html 1' => $resumes,
    'WebSocket in a page html 2' => $resumes,
    'WebSocket in a page html 3' => { says => [qr/^chat:7: hello$/m] },
    'fetch-event-source html 1' => { comes_back => 1, ends => qr/^status 204$/m,
                                     event => ['any', qr/"temp"/] },
    'Node js 1' => { comes_back => 1, ends => 1 },
    'Node js 2' => $resumes,
    'Node js 3' => { comes_back => 1, ends => 1 },
    'curl sh 1' => { publishes => qr/^hello from curl$/ },
    'curl sh 2' => {},
    'curl sh 3' => {},
    'curl sh 4' => $resumes,
    'Python python 1' => { comes_back => 1, ends => 1,
                           event => ['any', qr/"temp"/] },
    'Python python 2' => { comes_back => 1, ends => 1 },
    'Python python 3' => { publishes => qr/^\{"temp": 21\.5\}$/ },
    'Go go 1' => { comes_back => 1, ends => 1, only_with => 'go' },
    'PHP php 1' => { publishes => qr/^\{"temp":21\.5\}$/,
                     only_with => 'php' },
);

my ($conf, %code) = read_document();

is_deeply([ sort keys %code ], [ sort keys %programs ],
          'every program of the document is known here');

for my $name (sort keys %code) {
    my $program = $programs{$name};

    subtest $name => sub {
        plan(skip_all => "no $program->{only_with}")
            if $program->{only_with} && !has_command($program->{only_with});

        my $n = server();
        my $c = start($n, $name);

        $program->{publishes} ? publishes($n, $c, $program)
            : $program->{says} ? says($c, $program)
                               : listens($n, $c, $program);
        finish_servers();
    };
}


# the configuration, and the programs: by section, language, number

sub read_document {
    my ($section, $lang, $conf, %n, %code);

    open my $in, '<:raw', "$root/docs/clients.md" or die "clients.md: $!";

    while (<$in>) {
        if (!$lang && /\A## (.*)/) {
            $section = $1;

        } elsif ($lang && /\A```/) {
            $lang = undef;

        } elsif (/\A```(\w+)/) {
            $lang = $1;
            $n{"$section $lang"}++;

        } elsif ($lang && $lang eq 'nginx') {
            $conf .= $_;

        } elsif ($lang) {
            $code{"$section $lang " . $n{"$section $lang"}} .= $_;
        }
    }

    return ($conf, %code);
}


sub server {
    my $n = nginx(workers => 2, conf => <<C);
        push_drain_window 1s;
        push_retry 20ms 100ms;

        types {
            text/html html;
            text/javascript js;
        }

        server {
            listen 127.0.0.1:%%PORT%%;
            location / { root html; }
            location = /favicon.ico { return 204; }
            location /esm/ { root html; try_files \$uri \$uri.js =404; }
            $conf
        }
C

    my $html = $n->prefix . '/html';

    mkdir "$html/esm";
    copy($_, "$html/esm") for glob "$root/t/js/node_modules/\@microsoft"
                                   . '/fetch-event-source/lib/esm/*.js';
    copy("$root/clients/push.js", $html);

    symlink "$root/clients/push.js", $n->prefix . '/push.js';
    symlink "$root/t/js/node_modules", $n->prefix . '/node_modules';

    return $n;
}


# a program, on its way

sub start {
    my ($n, $name) = @_;

    my $text = $code{$name} =~ s/\blocalhost:8080\b/'127.0.0.1:' . $n->port/ger;
    my ($lang) = $name =~ /(\w+) \d+\z/;
    my $in = $n->prefix;

    my %with = (
        html => ['html/page.html', 'node', "$root/t/js/docs-page.js",
                 'http://127.0.0.1:' . $n->port . '/page.html'],
        js => ['program.mjs', 'node', "$in/program.mjs"],
        sh => ['program.sh', 'bash', "$in/program.sh"],
        python => ['program.py', 'python3', "$in/program.py"],
        go => ['program.go', 'go', 'run', "$in/program.go"],
        php => ['program.php', 'php', "$in/program.php"],
    );

    my ($file, @command) = @{ $with{$lang} };

    $text =~ s{'\@microsoft/fetch-event-source'}{'/esm/index.js'};
    $n->write_file($file, $text);

    # where a package of node is looked for
    return start_command('env', "-C$in", @command);
}


sub subscribers {
    my ($n) = @_;
    my $r = $n->get('/pub?channel=news');

    return $r->status == 200 ? $r->json->{subscribers} : 0;
}


sub listens {
    my ($n, $c, $program) = @_;
    my $count = sub { return scalar(() = $c->out =~ /\b$_[0]\b/g) };

    ok(wait_for(sub { subscribers($n) == 1 }, 60, 'a subscriber'),
       'subscribes') or diag($c->out . $c->err);
    $n->publish('/pub?channel=news', 'first');
    ok($c->wait_out(qr/\bfirst\b/), 'hears');

    if (my $event = $program->{event}) {
        $n->publish('/pub?channel=news', '{"temp":21.5}',
                    headers => { 'Push-Event' => $event->[0],
                                 'Content-Type' => 'application/json' });
        ok($c->wait_out($event->[1]), 'an event with a name');
    }

    if ($program->{comes_back}) {
        $n->reload;
        $n->wait_old_workers;
        ok(wait_for(sub { subscribers($n) == 1 }, 60, 'a subscriber'),
           'comes back');
        $n->publish('/pub?channel=news', 'second');
        ok($c->wait_out(qr/\bsecond\b/), 'hears again');
        is_deeply([ map { $count->($_) } qw(first second) ], [1, 1],
                  'each message once');
    }

    if (my $how = $program->{ends}) {
        $n->publish('/pub?channel=news', 'third',
                    headers => { 'Push-End' => 'true' });
        ok($c->wait_out(qr/\bthird\b/), 'the last one');
        ok(ref $how ? $c->wait_out($how) : $c->wait(30), 'the end');
        ok(wait_for(sub { subscribers($n) == 0 }, 30), 'nobody listens');
        is($count->('third'), 1, 'the last one once');
    }

    unlike($c->out, qr/^error: /m, 'no error');
    $c->stop;
}


sub publishes {
    my ($n, $c, $program) = @_;
    my $listener = $n->sse('/sub?channel=news&since=earliest');

    ok($listener->wait_messages(1), 'published') or diag($c->err);
    like($listener->data->[0], $program->{publishes}, 'what was meant');
    ok($c->wait(30), 'ends');
    is($c->code, 0, 'well') or diag($c->err);
    like($c->out, qr/[\w.-]{8}-\d{14}/, 'and knows the id');
}


sub says {
    my ($c, $program) = @_;

    ok($c->wait_out($_), "says $_") for @{ $program->{says} };
    unlike($c->out, qr/^error: /m, 'no error');
    $c->stop;
}


done_testing;
