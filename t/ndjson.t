#!/usr/bin/perl

# A stream of JSON objects, one a line.

use strict;
use warnings;

use Push::Test;
use Push::NDJSON;

my $conf = <<'C';
    push_drain_window 1s;

    server {
        listen 127.0.0.1:%%PORT%%;

        location = /pub { push_publish $arg_channel; }
        location = /short { push_publish $arg_channel; push_history 2; }
        location = /sub { push_subscribe $arg_channel; push_heartbeat 1s; }
        location = /kept { push_subscribe $arg_channel; push_hibernate off; }
    }
C


for_workers(1, 2, sub {
    my $n = nginx(conf => $conf, workers => $_[0]);

    for my $case ([ 'HTTP/1.1', '/sub' ], [ 'kept', '/kept' ],
                  [ 'HTTP/1.0', '/sub', http10 => 1 ])
    {
        my ($what, $path, %opt) = @$case;
        my $channel = $what =~ s/\W/-/gr;
        my $pub = "/pub?channel=$channel";
        my $c = ndjson($n, "$path?channel=$channel", %opt);

        $c->wait_subscribed;
        is($c->header('content-type'), 'application/x-ndjson', "$what: type");
        is($c->header('vary'), 'Origin, Accept', 'Vary');
        is($c->lines->[0]{channel}, $channel, 'subscribed');

        my $id = $n->publish($pub, "a\nb", headers => {
            'Content-Type' => 'text/plain', 'Push-Event' => 'e',
            Topic => 't' })->json->{id};
        $n->publish($pub, '{"a": [1, 2]}',
                    headers => { 'Content-Type' => 'application/json' });
        $n->publish($pub, "\xFF\x00", headers => {
            'Content-Type' => 'application/octet-stream' });
        $n->publish($pub, '');
        $c->wait_messages(4);

        my @m = @{ $c->messages };
        is_deeply([ @{ $m[0] }{qw(id event topic content_type data)} ],
                  [ $id, 'e', 't', 'text/plain', "a\nb" ], 'text');
        is_deeply($m[1]{data}, { a => [1, 2] }, 'JSON');
        is($m[2]{data_base64}, '/wA=', 'binary');
        is($m[3]{data}, '', 'empty');
        ok(!exists $m[0]{position}, 'one channel needs no position');

        my $d = ndjson($n, "$path?channel=$channel&since=$id", %opt);
        $d->wait_messages(3);
        is(scalar @{ $d->messages }, 3, 'the rest');
        $d->close;

        is($n->publish($pub, 'last', headers => { 'Push-End' => 'true' })
             ->status, 201, 'sealed');
        ok($opt{http10} ? $c->wait_closed : $c->wait_end, 'ends');
        is_deeply($c->lines->[-1], { type => 'closed', reason => 'ended',
                                     channel => $channel }, 'and says why');
        is_deeply($c->broken, [], 'all lines are objects');
    }

    # gaps, and positions that are none

    my @ids = map { $n->publish('/pub?channel=g', $_)->json->{id} } 1 .. 3;
    $n->publish('/short?channel=g', $_) for 4 .. 6;

    my $c = ndjson($n, "/sub?channel=g&since=$ids[0]");
    $c->wait_messages(2);
    is_deeply([ map { $_->{type} } @{ $c->lines } ],
              [qw(subscribed gap message message)], 'a gap comes first');
    is($c->lines->[0]{id}, undef, 'no position before it');
    is_deeply([ @{ $c->lines->[1] }{qw(reason requested)} ],
              [ 'expired', $ids[0] ], 'what it is');

    # silence

    ok(wait_for(sub { $c->blank >= 2 }), 'blank lines');
    $c->close;

    is($n->get('/sub?channel=g&since=!', headers => {
           Accept => 'application/x-ndjson' })->json->{type},
       'urn:ngx-push:problem:bad-position', 'a malformed position');

    # over a reload

    $c = ndjson($n, '/sub?channel=r');
    $c->wait_subscribed;
    my $id = $n->publish('/pub?channel=r', 1)->json->{id};
    $c->wait_messages(1);
    ok($n->reload, 'reload');
    ok($c->wait_end, 'ended');
    my $told = $c->lines->[-1];
    is_deeply([ @$told{qw(type id)} ], [ 'reconnect', $id ], 'told');
    ok($told->{retry} >= 1000 && $told->{retry} <= 5000, 'when');

    $n->publish('/pub?channel=r', 2);
    $c = ndjson($n, "/sub?channel=r&since=$id");
    $c->wait_messages(1);
    is_deeply($c->data, [2], 'exactly the rest');
    $c->close;
});


done_testing;
