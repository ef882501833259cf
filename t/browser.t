#!/usr/bin/perl

# A real browser: EventSource in Chromium, pages of other origins, and the
# page of the demo.  Screenshots go to build/screenshots.

use strict;
use warnings;

use File::Copy qw(copy);
use File::Path qw(make_path);

use Push::Node;
use Push::Test;

my $conf = <<'C';
    push_drain_window 1s;
    push_retry 20ms 100ms;
    push_history 1000;

    server {
        listen 127.0.0.1:%%PORT%%;
        keepalive_timeout 5s;

        location / { return 200 "<!doctype html><title>test</title>"; }
        location = /favicon.ico { return 204; }

        location = /pub { push_publish $arg_channel; }
        location = /short { push_publish $arg_channel; push_history 3; }
        location = /off { push_publish $arg_channel; push_history off; }
        location = /sub { push_subscribe $arg_channel; }
        location = /status { push_status; }

        location = /user {
            push_subscribe user-$cookie_uid;
            push_allow_origin http://127.0.0.1:%%PORT2%%;
        }

        location = /listed {
            push_publish $arg_channel;
            push_allow_origin self http://127.0.0.1:%%PORT2%%;
        }

        location = /anyone {
            push_subscribe $arg_channel;
            push_allow_origin *;
        }
    }

    server {
        listen 127.0.0.1:%%PORT2%%;
        listen 127.0.0.1:%%PORT3%%;

        location / { return 200 "<!doctype html><title>other</title>"; }
        location = /favicon.ico { return 204; }
    }

    default_type text/html;
C

for_workers(1, 2, sub {
    my ($workers) = @_;
    my $n = nginx(conf => $conf, workers => $workers,
                  allow => [qr/exited on signal 9/, qr/was locked by/]);

    node_ok('eventsource-browser.js', port => $n->port, pid => $n->pid);
});

subtest 'origins' => sub {
    my $n = nginx(conf => $conf, workers => 2);

    node_ok('origins-browser.js', port => $n->port, pid => $n->pid,
            listed => $n->port(2), unlisted => $n->port(3));
};

# "live" shows what a reload does to two workers; the rest also with one

for (['live', 2], ['chat', 1, 2], ['answer', 1, 2]) {
    my ($part, @workers) = @$_;

    for_workers(@workers, sub { demo($part, @_) });
}


sub demo {
    my ($part, $workers) = @_;
    my $n = nginx(conf => demo_conf($workers), start => 0,
                  allow => [qr/exited on signal 9/, qr/was locked by/]);

    for my $dir (qw(demo clients)) {
        mkdir $n->prefix . "/$dir" or die "$dir: $!";
        copy($_, $n->prefix . "/$dir") or die "$_: $!"
            for glob "$root/$dir/*";
    }

    mkdir $n->prefix . '/modules' or die "modules: $!";
    symlink $Push::Nginx::module, $n->prefix . '/modules/ngx_push_module.so';
    make_path("$root/build/screenshots");
    $n->start;

    node_ok('demo-browser.js', port => $n->port, pid => $n->pid,
            part => $part, seed => seed(),
            screenshots => "$root/build/screenshots");
}


# what ./run starts, in the foreground, on a port of ours, and quicker

sub demo_conf {
    my ($workers) = @_;

    open my $in, '<', "$root/conf-examples/demo.conf" or die $!;
    local $/;

    my $text = <$in>;

    $text =~ s/^( *listen +)8080;/${1}127.0.0.1:%%PORT%%;/m or die 'no listen';
    $text =~ s/^(worker_processes +)2;/$1$workers;/m or die 'no workers';
    $text =~ s/^( *push_drain_window +)5s;/${1}1s;/m or die 'no window';

    my $user = $> == 0 && ($ENV{PUSH_ASAN} || $ENV{PUSH_COVER})
               ? "user root;\n" : '';

    return "daemon off;\n$user$text";
}


done_testing;
