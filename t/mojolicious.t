#!/usr/bin/perl

# Mojolicious, a client in Perl with a WebSocket and a stream of its own.

use strict;
use warnings;

use Mojo::IOLoop;
use Mojo::UserAgent;

use Push::Test;

my $conf = <<'C';
    push_drain_window 1s;

    server {
        listen 127.0.0.1:%%PORT%%;

        location = /pub { push_publish $arg_channel; }

        location = /sub {
            push_subscribe $arg_channel;
            push_client_publish on;
            push_client_subscribe chat:*;
        }
    }
C


# runs the loop until the condition holds

sub until_true {
    my ($what, $condition) = @_;
    my $timeout = 0;
    my $timer = Mojo::IOLoop->timer(30 => sub { $timeout = 1 });

    Mojo::IOLoop->one_tick until $condition->() || $timeout;
    Mojo::IOLoop->remove($timer);
    ok(!$timeout, $what);
}


for_workers(1, 2, sub {
    my $n = nginx(conf => $conf, workers => $_[0]);
    my $url = '127.0.0.1:' . $n->port;
    my $ua = Mojo::UserAgent->new(inactivity_timeout => 0);

    # raw, compressed: 16 KiB of one letter are few bytes on the wire

    my (@got, @end, $raw);
    my $long = 'x' x 16384;

    $ua->websocket("ws://$url/sub?channel=raw",
                   { 'Sec-WebSocket-Extensions' => 'permessage-deflate' }, sub {
        my (undef, $tx) = @_;
        ok($tx->is_websocket, 'a WebSocket');
        ok($tx->compressed, 'compressed');
        $tx->on(text => sub { push @got, $_[1] });
        $tx->on(binary => sub { push @got, "binary $_[1]" });
        $tx->on(finish => sub { shift; @end = @_ });
        $raw = $tx;
    });
    until_true('open', sub { $raw });

    $raw->send({ text => $long });
    $raw->send({ binary => "\x00\xFF" });
    until_true('its own messages', sub { @got == 2 });
    is_deeply(\@got, [ $long, "binary \x00\xFF" ], 'text and binary');

    # push.json

    my (@said, $json);

    $ua->websocket("ws://$url/sub?channel=", ['push.json'], sub {
        my (undef, $tx) = @_;
        is($tx->protocol, 'push.json', 'the sub-protocol');
        $tx->on(json => sub { push @said, $_[1] });
        $json = $tx;
    });
    until_true('open', sub { $json });

    $json->send({ json => { subscribe => 'chat:1', ref => 1 } });
    until_true('subscribed', sub { @said == 1 });
    is_deeply([ @{ $said[0] }{qw(type channel ref)} ],
              [ 'subscribed', 'chat:1', 1 ], 'the reply');
    $n->publish('/pub?channel=chat:1', 'hello');
    until_true('a message', sub { @said == 2 });
    is($said[1]{data}, 'hello', 'which it is');

    # an event stream

    my $stream = '';
    my $tx = $ua->build_tx(GET => "http://$url/sub?channel=sse",
                           { Accept => 'text/event-stream' });
    my $over;

    $tx->res->content->unsubscribe('read')->on(read => sub { $stream .= $_[1] });
    $ua->start($tx, sub { $over = 1 });
    until_true('subscribed', sub { $stream =~ /push\.subscribed/ });
    $n->publish('/pub?channel=sse', "two\nlines");
    until_true('the event', sub { $stream =~ /data: two\ndata: lines\n\n/ });

    # all are told of a reload

    ok($n->reload, 'reload');
    until_true('all are ended', sub { @end && $over && $json->is_finished });
    is($end[0], 1012, 'restart');
    like($end[1], qr/\Aretry=\d+\z/, 'and when to come back');
    is($said[-1]{type}, 'reconnect', 'in words');
    like($stream, qr/event: push\.reconnect/, 'as an event');
});


done_testing;
