#!/usr/bin/perl

# The debug log: each step says something, and nothing it looks at is missing.

use strict;
use warnings;

use Push::Test;

for_workers(1, 2, sub {
    my ($w) = @_;

    my $n = nginx(workers => $w, log => 'debug', conf => <<'CONF');
        push_drain_window 1s;
        server {
            listen 127.0.0.1:%%PORT%%;
            location = /pub { push_publish $arg_channel; }
            location = /sub { push_subscribe $arg_channel; push_heartbeat 1s; }
        }
CONF

    my $c = $n->sse('/sub?channel=a');

    ok($c->wait_subscribed, 'subscribed');
    is($n->publish('/pub?channel=a', 'one')->status, 201, 'published');
    ok($c->wait_messages(1), 'delivered');
    ok(wait_for(sub { $c->comments }, 30, 'a heartbeat'), 'a heartbeat');

    $n->reload;

    ok($c->wait_event('push.reconnect'), 'drained');
    ok($c->wait_end, 'ended');
    ok($n->wait_old_workers, 'the old workers are gone');

    my $d = $n->sse('/sub?channel=a&since=earliest');

    ok($d->wait_messages(1), 'history is there');
});

done_testing;
