#!/usr/bin/perl

# Several pods with one Redis behave as one: what is published to any of them
# is delivered by all, with the same ids, in the same order.

use strict;
use warnings;

use Push::NDJSON;
use Push::Pods;
use Push::Poll;
use Push::Redis;
use Push::Test;
use Push::WebSocket;
use Push::Ways;


# the numbers of ids

sub numbers { return join ' ', map { /-0*(\d+)\z/ ? $1 : '?' } @_ }

sub ids { return map { $_->{id} } @{ $_[0]->messages } }

sub of { return grep { $_->{type} eq 'message' } @{ $_[0]->objects } }


# publish anywhere, subscribe anywhere

for_workers(1, 3, sub {
    my $redis = Push::Redis->new;
    my ($a, $b) = pods($redis, 2, workers => $_[0]);
    my @c = map { $_->sse('/sub?channel=x') } $a, $b, $a, $b;

    $_->wait_subscribed for @c;
    is($_->event('push.subscribed')->{id}, $c[0]->event('push.subscribed')->{id},
       'all begin at the same place') for @c[1 .. 3];

    my @answers;

    for my $i (1 .. 20) {
        my $r = ($i % 2 ? $a : $b)->publish('/pub?channel=x', "m$i",
                                            headers => { 'Push-Event' => 'e' });
        is($r->status, 201, "201 to $i");
        push @answers, $r->json;
    }

    is(numbers(map { $_->{id} } @answers), join(' ', 1 .. 20), 'one order');
    is_deeply([ map { $_->{nodes} } @answers ], [ (2) x 20 ], 'nodes');
    is_deeply([ map { $_->{subscribers} } @answers ], [ (2) x 20 ],
              'subscribers of this node');

    for my $c (@c) {
        ok($c->wait_messages(20), 'all have come');
        is_deeply($c->data, [ map { "m$_" } 1 .. 20 ], 'in order');
        is_deeply([ ids($c) ], [ map { $_->{id} } @answers ],
                  'with the ids that the publishers were told');
        is($c->messages->[0]{event}, 'e', 'and their event');
    }

    my @keys = @{ $redis->command('PUBSUB', 'CHANNELS', '*:c:x') };
    is_deeply($redis->command('PUBSUB', 'NUMSUB', @keys), [ $keys[0], 2 ],
              'a pod subscribes once');

    # what is known of it

    my ($i, $j) = map { $_->get('/pub?channel=x')->json } $a, $b;

    is($i->{messages}, 20, 'messages');
    is($i->{bytes}, 9 * 2 + 11 * 3, 'bytes');
    is($i->{id}, $answers[19]{id}, 'the last');
    is($i->{oldest}, $answers[0]{id}, 'the oldest');
    is_deeply($j, $i, 'the same everywhere');
    is($a->get('/pub?channel=unknown')->status, 404, 'unknown');

    # resumed elsewhere

    my $c = $b->sse('/sub?channel=x',
                    headers => { 'Last-Event-ID' => $answers[4]{id} });
    $c->wait_messages(15);
    is_deeply([ ids($c) ], [ map { $_->{id} } @answers[5 .. 19] ],
              'resumed on another pod');
    ok(!$c->event('push.gap'), 'without a gap');
    $c->close;

    my ($d) = pods($redis, 1, workers => $_[0]);

    for my $case ([ '/earliest?channel=x', 1 ],
                  [ '/sub?channel=x&since=last:3', 18 ],
                  [ "/sub?channel=x&since=$answers[9]{id}", 11 ])
    {
        $c = $d->sse($case->[0]);
        $c->wait_messages(21 - $case->[1]);
        is(numbers(ids($c)), join(' ', $case->[1] .. 20),
           "$case->[0] on a pod that is new");
        $c->close;
    }

    is($d->get('/sub?channel=x&limit=7',
               headers => { Accept => 'application/json' })
         ->json->{messages}[6]{id}, $answers[6]{id}, 'a page');

    # deleted and sealed

    ok($b->delete('/pub?channel=x')->json->{subscribers} >= 2, 'deleted');

    for (@c) {
        $_->wait_end;
        is_deeply(decode_json($_->event('push.closed')->{data}),
                  { channel => 'x', reason => 'deleted' }, 'told on each pod');
    }

    $c = $a->sse('/sub?channel=x',
                 headers => { 'Last-Event-ID' => $answers[19]{id} });
    $c->wait_head;
    is($c->status, 204, 'its last id is that of a deleted channel');

    my $r = $a->publish('/pub?channel=x', 'again');
    is(numbers($r->json->{id}), '1', 'a new life');
    isnt(substr($r->json->{id}, 0, 8), substr($answers[0]{id}, 0, 8),
         'of another epoch');

    $c = $b->sse('/earliest?channel=x');
    $c->wait_messages(1);
    $a->publish('/pub?channel=x', 'end', headers => { 'Push-End' => 'true' });
    $c->wait_end;
    is_deeply($c->data, [qw(again end)], 'sealed: all of it');
    like($c->event('push.closed')->{data}, qr/"ended"/, 'and the end');
    is($b->publish('/pub?channel=x', 'no')->status, 409, 'sealed on each');

    $c = $b->sse('/sub?channel=y');
    $c->wait_subscribed;
    $a->publish('/pub?channel=y', '', headers => { 'Push-End' => 'true' });
    $c->wait_end;
    like($c->event('push.closed')->{data}, qr/"ended"/,
         'sealed without a message');
});


# conditions, keys, topics and ages hold for all pods

for_workers(1, 2, sub {
    my $redis = Push::Redis->new;
    my ($a, $b) = pods($redis, 2, workers => $_[0]);
    my $key = { 'Idempotency-Key' => '"k1"' };

    my $r = $a->publish('/pub?channel=k', 'once', headers => $key);
    my $s = $b->publish('/pub?channel=k', 'twice', headers => $key);

    is($r->status, 201, 'the first');
    is($s->status, 200, 'the same again, elsewhere');
    is($s->json->{id}, $r->json->{id}, 'is answered as the first');
    is($b->publish('/pub?channel=k2', 'x', headers => $key)->status, 201,
       'another channel');

    my $id = $r->json->{id};

    $s = $b->publish('/pub?channel=k', '2', headers => { 'If-Match' => "\"$id\"" });
    is($s->status, 201, 'If-Match');
    $s = $a->publish('/pub?channel=k', '3', headers => { 'If-Match' => $id });
    is($s->status, 412, 'no match any more');
    is(numbers($s->json->{id}), '2', 'with the present id');
    is($a->publish('/pub?channel=k', 'x', headers =>
                    { 'If-None-Match' => '*' })->status, 412, 'it has one');
    is($a->publish('/pub?channel=k3', 'x', headers =>
                    { 'If-None-Match' => '*' })->status, 201, 'it has none');

    # one of several is sealed: each tells its own

    $a->publish('/pub?channel=s', '', headers => { 'Push-End' => 'true' });
    $r = $b->publish('/pub?channel=s,t', 'both');
    is($r->status, 207, '207 Multi-Status');
    is_deeply([ map { [ @$_{qw(channel status)} ] } @{ $r->json } ],
              [ [ s => 409 ], [ t => 201 ] ], 'a status for each');
    is($b->publish('/pub?channel=t,u', 'both')->status, 201, 'all are created');

    # a newer message of a topic, and what is not kept

    my $c = $a->sse('/sub?channel=o');
    $c->wait_subscribed;
    my $start = $c->event('push.subscribed')->{id};

    $b->publish('/pub?channel=o', $_, headers => { Topic => 'T' }) for 1 .. 3;
    $b->publish('/pub?channel=o', 'brief', headers => { TTL => 0 });
    $b->publish('/pub?channel=o', 'last');
    $c->wait_messages(5);
    is_deeply($c->data, [qw(1 2 3 brief last)], 'live, all of them');

    my ($d) = pods($redis, 1);

    for my $n ($a, $b, $d) {
        $c = $n->sse('/sub?channel=o', headers => { 'Last-Event-ID' => $start });
        $c->wait_messages(2);
        is_deeply($c->data, [qw(3 last)], 'then only what is left');
        ok(!$c->event('push.gap'), 'and that is no gap');
    }

    # by count, and by age

    my @id = map { $a->publish('/few?channel=c', $_)->json->{id} } 1 .. 5;

    for my $n ($b, $d) {
        $c = $n->sse('/sub?channel=c', headers => { 'Last-Event-ID' => $id[0] });
        $c->wait_messages(3);
        is_deeply($c->data, [ 3, 4, 5 ], 'what is kept');
        like($c->event('push.gap')->{data}, qr/"expired"/, 'after a gap');
    }

    @id = map { $a->publish('/brief?channel=b', $_)->json->{id} } 1 .. 3;
    ok(wait_for(sub { $a->get('/pub?channel=b')->json->{messages} == 0 }, 20),
       'by age');
    $c = $b->sse('/sub?channel=b', headers => { 'Last-Event-ID' => $id[0] });
    $c->wait_event('push.gap');
    like($c->event('push.gap')->{data}, qr/"expired"/, 'after a gap as well');
});


# all transports, several channels, and what clients publish

for_workers(1, 3, sub {
    my $redis = Push::Redis->new;
    my ($a, $b) = pods($redis, 2, workers => $_[0]);
    my @names = map { "n$_" } 1 .. 5;
    my $all = join ',', @names;

    my $sse = $a->sse("/sub?channel=$all");
    my $lines = ndjson($b, "/sub?channel=$all");
    my $raw = ws($a, "/sub?channel=$all");
    my $json = ws($b, '/sub?channel=', protocol => 'push.json');

    $sse->wait_subscribed;
    $raw->wait_open;
    $json->wait_open;
    $lines->wait_subscribed(5);

    $json->command({ subscribe => $_, ref => $_ }) for @names;
    ok($json->wait_object(ref => $_), "subscribed to $_") for @names;

    $json->command({ publish => 'n2', data => { a => 1 }, ref => 'p' });
    my $p = $json->wait_object(ref => 'p');
    is($p->{type}, 'published', 'a client has published');
    ok($sse->wait_messages(1), 'it comes');
    $raw->text('to all');

    ok($sse->wait_messages(6), 'SSE on the other pod');
    ok($raw->wait_messages(6), 'its own frame comes back');
    ok(wait_for(sub { of($json) == 6 }), 'push.json');
    ok($lines->wait_messages(6), 'NDJSON');
    is($sse->messages->[0]{data}, '{"a":1}', 'as it was sent');

    # resumed with a compound id, elsewhere

    $a->publish("/pub?channel=$_", "more $_") for @names;
    my $c = $b->sse("/sub?channel=$all", headers =>
                    { 'Last-Event-ID' => $sse->messages->[5]{id} });
    $c->wait_messages(5);
    is(join(' ', sort @{ $c->data }), join(' ', map { "more $_" } @names),
       'a compound id is good on each pod');

    # polls

    my $wait = start_curl('-H', 'Accept: application/json',
        '-H', 'Prefer: wait=20',
        'http://127.0.0.1:' . $b->port . '/sub?channel=poll');
    ok(wait_for(sub { $b->get('/status')->json->{subscribers}{poll} == 1 }),
       'a poll waits');
    $a->publish('/pub?channel=poll', 'come');
    $wait->wait;
    is(decode_json($wait->out)->{messages}[0]{data}, 'come', 'and is answered');

    # unsubscribed again

    $json->command({ unsubscribe => 'n1', ref => 'u' });
    is($json->wait_object(ref => 'u')->{type}, 'unsubscribed', 'unsubscribed');
    $json->command({ subscribe => 'n9', ref => 'x' });
    $json->command({ unsubscribe => 'n9', ref => 'y' });
    is(($json->wait_object(ref => 'y') // {})->{type}, 'unsubscribed',
       'given up at once');
});


# the leader hears its own voice

for_workers(1, 2, sub {
    my $redis = Push::Redis->new;
    my ($a) = pods($redis, 1, workers => $_[0]);
    my $first;

    ok(wait_for(sub { $first = backplane($a)->{heard} }, 20), 'heard');
    ok(wait_for(sub { backplane($a)->{heard} gt $first }, 20), 'and again');

    # a server that forwards nothing to it is no good one

    my $connects = sub {
        $a->get('/status')->json->{zones}[0]{counters}{backplane_connects};
    };
    my $before = $connects->();

    $redis->command('ACL', 'SETUSER', 'default', 'resetchannels');
    ok(wait_for(sub { !backplane($a)->{up} || $connects->() > $before }, 40),
       'without it, the connections are made again');
    ok($a->wait_log(qr/forwards nothing|NOPERM|no permissions/), 'it is logged');
    $redis->command('ACL', 'SETUSER', 'default', 'allchannels');
    ok(wait_up($a, 40), 'it is well again');
});


# many who come at once cost Redis what one costs

for_workers(1, 2, sub {
    my $redis = Push::Redis->new;
    my ($a) = pods($redis, 1, workers => $_[0]);

    $a->publish('/pub?channel=storm', $_) for 1 .. 20;

    my $calls = sub {
        my $stats = $redis->info('commandstats');
        return ($stats->{cmdstat_evalsha} // '') =~ /calls=(\d+)/ ? $1 : 0;
    };

    my $before = $calls->();
    my @c = map { $a->sse('/earliest?channel=storm', keep => 0) } 1 .. 300;

    wait_for(sub { 300 == grep { $_->received >= 20 } @c }, 20);
    is(scalar(grep { $_->received == 20 } @c), 300, 'all have all');
    cmp_ok($calls->() - $before, '<', 30, 'from the zone');
});

done_testing;
