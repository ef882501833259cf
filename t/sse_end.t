#!/usr/bin/perl

# The life of a stream after its beginning: signs of life, ages, the ends.

use strict;
use warnings;

use EV;
use List::Util qw(max min uniq);

use Push::Test;
use Push::Ways;

my $n;

my $locations = <<'E2';
    location = /pub { push_publish $arg_channel; }
    location = /sub { push_subscribe $arg_channel; }
    location = /beat { push_heartbeat 1s; push_subscribe $arg_channel; }
    location = /silent { push_heartbeat 0; push_subscribe $arg_channel; }
    location = /old { push_max_age 1s jitter=0%; push_subscribe $arg_channel; }
    location = /spread { push_max_age 2s jitter=50%;
                         push_subscribe $arg_channel; }
    location = /retry { push_retry 1500ms 1600ms; push_subscribe $arg_channel; }
    location = /retry1 { push_retry 2s; push_subscribe $arg_channel; }
    location = /basic { stub_status; }
E2

sub publish {
    my ($channel, $body, %headers) = @_;
    my $r = $n->publish("/pub?channel=$channel", $body, headers => \%headers);
    is($r->status, 201, 'published') or diag($r->body);
    return $r->json->{id};
}

sub subscribers {
    my ($channel) = @_;
    my $r = $n->get("/pub?channel=$channel");
    return $r->status == 200 ? $r->json->{subscribers} : 0;
}

sub closed { $_[0]->closed || '' }

for_workers(1, 4, sub {
    $n = ways_nginx(locations => $locations, workers => $_[0]);

    # signs of life, and old age, all at once

    my @ways = all_ways($n);
    my @ids = map { publish($_->channel, 'before') } @ways;

    my @beat = map { $_->sse('/beat?channel=' . $_->channel) } @ways;
    my @silent = map { $_->sse('/silent?channel=' . $_->channel) } @ways;
    my @old = map { $_->sse('/old?since=earliest&channel=' . $_->channel) }
              @ways;
    my @spread = map { $n->sse('/spread?channel=x') } 1 .. 30;

    $_->wait_subscribed for @silent;

    ok(wait_for(sub { !grep { @{ $_->comments } < 2 } @beat }), 'heartbeats');

    for my $i (0 .. $#ways) {
        publish($ways[$i]->channel, 'after');
        $beat[$i]->wait_messages(1);

        like($beat[$i]{all}, qr/\}\n\n(?::\n){2,}id: \S+\ndata: after\n\n(:\n)*\z/,
             $ways[$i]->name . ': a comment line, no blank one');
        is($beat[$i]->count, 2, 'and no event');
        is_deeply($silent[$i]->comments, [], 'none if there is to be none');
    }

    ok(wait_for(sub { !grep { closed($_) ne 'clean' } @old }), 'old ones end');

    for my $i (0 .. $#ways) {
        my $c = $old[$i];
        my $e = $c->events->[-1];

        is($e->{event}, 'push.reconnect', $ways[$i]->name . ': told to come back');
        is($e->{id}, $c->messages->[-1]{id}, 'to its last id');
        is(decode_json($e->{data})->{retry}, $e->{retry}, 'and when');
        ok($e->{retry} >= 1000 && $e->{retry} <= 5000, 'as by default');
        ok($c->ended, 'a proper end') unless $ways[$i]->is_http10;
    }

    ok(wait_for(sub { !grep { !$_->closed } @spread }), 'those with a jitter');
    my @ages = map { $_->{closed_at} - $_->{opened} } @spread;
    cmp_ok(max(@ages) - min(@ages), '>', 0.5, 'not all at once');
    cmp_ok(min(@ages), '>', 0.5, 'none too early');

    # the time to come back after

    my @c = map { $n->sse('/retry?channel=x') } 1 .. 40;
    $_->wait_subscribed for @c;
    is(scalar(grep { $_->retry < 1500 || $_->retry > 1600 } @c), 0, 'bounds');
    cmp_ok(scalar(uniq map { $_->retry } @c), '>', 5, 'at random');

    my $c = $n->sse('/retry1?channel=x');
    $c->wait_subscribed;
    is($c->retry, 2000, 'one value');
    $_->close for @c, $c;
});

$n = ways_nginx(locations => $locations, workers => 4);

for_ways($n, sub {
    my ($way, $channel) = @_;

    # deleted

    my @c = map { $way->sse("/sub?channel=$channel") } 1 .. 4;
    $_->wait_subscribed for @c;

    my $id = publish($channel, 'x');
    $_->wait_messages(1) for @c;

    my $r = $n->delete("/pub?channel=$channel");
    is_deeply($r->json, { channel => $channel, subscribers => 4 }, 'delete');

    for my $c (@c) {
        ok($c->wait_closed, 'it ends');
        is($c->closed, 'clean', 'properly');
        is_deeply(decode_json($c->events->[-1]{data}),
                  { channel => $channel, reason => 'deleted' }, 'deleted');
        is($c->events->[-1]{event}, 'push.closed', 'push.closed');
        is($c->last_id, $id, 'without an id');
    }

    ok(wait_for(sub { !subscribers($channel) }), 'none is left');

    # sealed

    @c = map { $way->sse("/sub?channel=$channel") } 1 .. 2;
    $_->wait_subscribed for @c;

    publish($channel, 'y');
    $id = publish($channel, 'z', 'Push-End' => 'true');

    for my $c (@c) {
        ok($c->wait_closed, 'it ends');
        is($c->closed, 'clean', 'properly');
        is_deeply($c->data, [ 'y', 'z' ], 'after the last message');
        is_deeply(decode_json($c->events->[-1]{data}),
                  { channel => $channel, reason => 'ended' }, 'ended');
        is($c->last_id, $id, 'the last id');
    }

    ok(wait_for(sub { !subscribers($channel) }), 'none is left');
});

# what clients do

for_ways($n, sub {
    my ($way, $channel) = @_;

    my ($half, $reset, $gone, $stays) = map {
        $way->sse("/sub?channel=$channel") } 1 .. 4;

    $_->wait_subscribed for $half, $reset, $gone, $stays;
    is(subscribers($channel), 4, 'all are counted');

    shutdown $half->{fh}, 1;
    $half->wait_closed;
    isnt($half->closed, 'clean', 'half a close') unless $way->is_http10;
    ok(wait_for(sub { subscribers($channel) == 3 }), 'is a close');

    $reset->reset;
    ok(wait_for(sub { subscribers($channel) == 2 }), 'a reset');

    $gone->close;
    ok(wait_for(sub { subscribers($channel) == 1 }), 'a close');

    # more bytes than a request, and at the end they must not be a reset

    $stays->send('GET /pub?channel=x HTTP/1.1' . "\r\n" x 2);
    $stays->send('x' x 1000);
    publish($channel, 'm');
    $stays->wait_messages(1);
    $stays->send('x' x 1_000_000) unless $way->is_kept;

    publish($channel, 'last', 'Push-End' => 'true');
    $stays->wait_closed;
    is($stays->closed, 'clean', 'what it sends has no meaning');
    is_deeply($stays->data, [ 'm', 'last' ], 'it lost nothing');
    is($stays->events->[-1]{event}, 'push.closed', 'up to the end');
}, not => 'http2');

# HTTP/2: one stream ends, the connection and the others do not

{
    my @urls = map { 'https://127.0.0.1:' . $n->port(6) . "/sub?channel=h$_" }
               1 .. 3;
    my $c = start_curl('-k', '--http2', '-Z', @urls);

    ok(wait_for(sub { !grep { subscribers("h$_") != 1 } 1 .. 3 }),
       'three streams');
    $n->delete('/pub?channel=h1');
    ok(wait_for(sub { !subscribers('h1') }), 'one ends');
    publish("h$_", "m$_") for 2, 3;
    ok($c->wait_out(qr/data: m2/) && $c->wait_out(qr/data: m3/), 'the others');

    $c->stop;
    ok(wait_for(sub { !subscribers('h2') && !subscribers('h3') }), 'all gone');
}

# the numbers of NGINX itself

{
    my $status = sub {
        my ($active, $reading, $writing, $waiting)
            = $n->get('/basic')->body =~ /ions: (\d+).*Reading: (\d+) W.* (\d+) W.* (\d+)/s;
        return "$active $reading $writing $waiting";
    };

    ok(wait_for(sub { $status->() eq '1 0 1 0' }), 'nobody there');

    for my $way (all_ways($n, not => 'http2')) {
        my @c = map { $way->sse('/sub?channel=count') } 1 .. 25;

        $_->wait_subscribed for @c;

        my $kept = $way->is_kept ? 26 : 1;
        ok(wait_for(sub { $status->() eq "26 0 $kept 0" }),
           $way->name . ': 25 subscribers');

        $_->close for @c[0 .. 9];
        $_->reset for @c[10 .. 19];
        ok(wait_for(sub { subscribers('count') == 5 }), '5 are left');

        $n->delete('/pub?channel=count');
        $_->wait_closed for @c[20 .. 24];
        ok(wait_for(sub { $status->() eq '1 0 1 0' }), 'none is left');
    }
}

done_testing;
