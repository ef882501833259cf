#!/usr/bin/perl

# clients/push.js, the client of this project, in node and in Chromium, against
# NGINX; t/client_mock.t has it against servers that do worse.

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

    map "$request_method $http_authorization$arg_token" $stranger {
        default 1;
        "GET Bearer new" 0;
        "GET new" 0;
        "OPTIONS " 0;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%%;
        keepalive_timeout 5s;

        location / { default_type text/html; return 200 "<!doctype html>"; }
        location = /favicon.ico { return 204; }
        location = /push.js { root html; }

        location = /pub { push_publish $arg_channel; }
        location = /short { push_publish $arg_channel; push_history 3; }
        location = /off { push_publish $arg_channel; push_history off; }
        location = /sub { push_subscribe $arg_channel; }
        location = /slow { push_subscribe $arg_channel; push_retry 60s; }
        location = /status { push_status; }
        location = /nothing { return 404; }

        location = /guarded {
            if ($stranger) {
                return 401;
            }

            push_subscribe $arg_channel;
            push_allow_origin self http://127.0.0.1:%%PORT%%;
        }

        location = /live {
            push_subscribe $arg_channel;
            push_client_subscribe live:*;
            push_client_publish live:*;
        }
    }
C


for (['push-client.js', part => 'sse'],
     ['push-client.js', part => 'push.json', library => 'ws'],
     ['push-client.js', part => 'push.json', library => 'undici'],
     ['push-channels.js', part => 'sse'],
     ['push-channels.js', part => 'push.json', library => 'ws'])
{
    my ($script, @more) = @$_;
    my $n = server();

    node_ok($script, port => $n->port, pid => $n->pid, @more);
}

for my $part ('sse', 'push.json') {
    my $n = server();

    node_ok('push-browser.js', port => $n->port, pid => $n->pid, part => $part,
            elsewhere => $n->port(2));
}


sub server {
    my $n = nginx(conf => $conf, workers => 2,
                  allow => [qr/exited on signal 9/, qr/was locked by/]);

    copy("$root/clients/push.js", $n->prefix . '/html') or die "push.js: $!";

    return $n;
}


done_testing;
