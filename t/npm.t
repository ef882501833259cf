#!/usr/bin/perl

# Client libraries from npm: live, over a reload, gaps, ends.

use strict;
use warnings;

use File::Copy qw(copy);

use Push::Node;
use Push::Test;

my $conf = <<'C';
    push_drain_window 1s;
    push_retry 20ms 100ms;
    push_history 1000;

    types {
        text/html html;
        text/javascript js;
    }

    server {
        listen 127.0.0.1:%%PORT%%;

        location / { default_type text/html; return 200 "<!doctype html>"; }
        location = /favicon.ico { return 204; }
        location /esm/ { root html; try_files $uri $uri.js =404; }

        location = /pub { push_publish $arg_channel; }
        location = /short { push_publish $arg_channel; push_history 3; }
        location = /off { push_publish $arg_channel; push_history off; }
        location = /sub { push_subscribe $arg_channel; }
        location = /nothing { return 404; }

        location = /live {
            push_subscribe $arg_channel;
            push_client_subscribe live:*;
            push_client_publish live:*;
        }
    }
C

my $modules = "$root/t/js/node_modules";

for (['eventsource-node.js', part => 'eventsource'],
     ['eventsource-node.js', part => 'undici'],
     ['fetch-event-source-browser.js'],
     ['polyfill-browser.js'])
{
    my ($script, %args) = @$_;
    my $n = server();

    node_ok($script, port => $n->port, pid => $n->pid, %args);

    for my $reason (qw(ended deleted)) {
        my $line = qr{"GET /sub\?channel=$reason\S* \S+" (\d+)};
        is_deeply([ $n->access_log =~ /$line/g ], [200, 204],
                  "$script: $reason: came back once, and no more");
    }
}

for my $part ('ws', 'undici') {
    my $n = server();

    node_ok('websocket-node.js', port => $n->port, pid => $n->pid,
            part => $part);
}


sub server {
    my $n = nginx(conf => $conf, workers => 2);

    mkdir $n->prefix . '/html/esm';
    copy($_, $n->prefix . '/html/esm')
        for glob("$modules/\@microsoft/fetch-event-source/lib/esm/*.js"),
            "$modules/event-source-polyfill/src/eventsource.js";

    return $n;
}


done_testing;
