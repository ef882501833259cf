#!/usr/bin/perl

# Redis, pods, workers and links fail: no subscriber is cut off for it, and
# none misses anything without being told.

use strict;
use warnings;

use Push::Pods;
use Push::Poll;
use Push::Proxy;
use Push::Redis;
use Push::Test;
use Push::WebSocket;
use Push::Ways;

sub numbers { return join ' ', map { /-0*(\d+)\z/ ? $1 : '?' } @_ }
sub ids { return map { $_->{id} } @{ $_[0]->messages } }

sub reasons {
    return join ' ', map { decode_json($_->{data})->{reason} }
        grep { $_->{event} eq 'push.gap' } @{ $_[0]->events };
}


# Redis is away: who is there stays, and has what came meanwhile

for_workers(1, 3, sub {
    my $redis = Push::Redis->new(persist => 1);
    my ($a, $b) = pods($redis, 2, workers => $_[0]);
    my @c = map { $_->sse('/sub?channel=x') } $a, $b;

    $_->wait_subscribed for @c;
    $a->publish('/pub?channel=x', $_) for 1 .. 3;
    $_->wait_messages(3) for @c;

    $redis->kill;
    wait_down($_) for $a, $b;

    my $r = $a->publish('/pub?channel=x', 'lost');
    is($r->status, 503, 'a publish is refused');
    ok($r->header('Retry-After'), 'for the moment');
    like($r->json->{type}, qr/:backplane-unavailable\z/, 'and why');
    is($a->get('/pub?channel=x')->status, 503, 'so is what is asked');
    is($a->delete('/pub?channel=x')->status, 503, 'and a delete');

    my $c = $b->sse('/sub?channel=x');
    $c->wait_end;
    is($c->status, 200, 'a new subscriber');
    ok($c->retry, 'is told when to come again');
    is($b->get('/sub?channel=x', headers => { Accept => 'application/json' })
         ->status, 503, 'a poll is told too');

    my $ws = ws($a, '/sub?channel=x');
    is($ws->wait_code, 1013, 'and a WebSocket');

    $redis->start;
    wait_up($_) for $a, $b;

    is(numbers($b->publish('/pub?channel=x', 4)->json->{id}), 4, 'it goes on');
    $_->wait_messages(4) for @c;
    is_deeply($_->data, [ 1 .. 4 ], 'nothing is missing') for @c;
    is(scalar(grep { $_->closed } @c), 0, 'nobody was cut off');
    is(join('', map { reasons($_) } @c), '', 'nothing to be told');
});


# what is published while this pod does not hear Redis

for_workers(1, 2, sub {
    my $redis = Push::Redis->new;
    my ($a, $b) = pods($redis, 2, workers => $_[0]);
    my @c = map { $_->sse('/sub?channel=x') } $a, $b;

    $_->wait_subscribed for @c;

    for my $round (1 .. 10) {
        $redis->command('CLIENT', 'KILL', 'TYPE', 'pubsub');
        $a->publish('/pub?channel=x', "$round.$_") for 1 .. 5;
    }

    ok($_->wait_messages(50, 30), 'all have come') for @c;
    is_deeply($_->data, [ map { my $r = $_; map { "$r.$_" } 1 .. 5 } 1 .. 10 ],
              'each once, in order') for @c;
    is(join('', map { reasons($_) } @c), '', 'without a gap');

    wait_up($_) for $a, $b;
    $redis->command('SCRIPT', 'FLUSH');
    is($b->publish('/pub?channel=x', 'flushed')->status, 201,
       'scripts that Redis has forgotten');
    $_->wait_messages(51) for @c;
    is($_->data->[50], 'flushed', 'it comes') for @c;
});


# all is lost: another life, and everyone is told

for_workers(1, 2, sub {
    my $redis = Push::Redis->new;
    my ($a, $b) = pods($redis, 2, workers => $_[0]);
    my @c = map { $_->sse('/sub?channel=x') } $a, $b;

    $_->wait_subscribed for @c;
    my @old = map { $a->publish('/pub?channel=x', "old $_")->json->{id} } 1 .. 3;
    $_->wait_messages(3) for @c;

    $redis->restart('KILL');
    wait_up($_, 30) for $a, $b;

    is(numbers($b->publish('/pub?channel=x', 'new')->json->{id}), 1,
       'numbers begin anew');
    ok($_->wait_messages(4, 30), 'it comes') for @c;
    is_deeply($_->data, [ 'old 1', 'old 2', 'old 3', 'new' ], 'once') for @c;
    is(reasons($_), 'unknown', 'after a notice') for @c;

    my $c = $a->sse('/sub?channel=x', headers => { 'Last-Event-ID' => $old[1] });
    $c->wait_messages(1);
    is(reasons($c), 'unknown', 'an old id is of another life');
    is_deeply($c->data, ['new'], 'and all that is kept follows');
});


# a failover that loses the last messages

for_workers(1, 2, sub {
    my $redis = Push::Redis->new;
    my $second = Push::Redis->new(replica_of => $redis);
    my $port = $redis->port;

    my ($a, $b) = pods($redis, 2, workers => $_[0]);
    my @c = map { $_->sse('/sub?channel=x') } $a, $b;

    $_->wait_subscribed for @c;
    my @id = map { $a->publish('/pub?channel=x', $_)->json->{id} } 1 .. 3;
    $second->wait_synced;
    $second->follow(undef);

    push @id, map { $a->publish('/pub?channel=x', "lost $_")->json->{id} } 4, 5;
    $_->wait_messages(5) for @c;

    # the new master comes to where the old one was

    $redis->kill;
    wait_down($_) for $a, $b;
    $second->command('CONFIG', 'SET', 'port', $port);
    wait_up($_, 30) for $a, $b;

    is(numbers($b->publish('/pub?channel=x', 'new 4')->json->{id}), 4,
       'the number is given again');
    ok($_->wait_messages(6, 30), 'it comes') for @c;
    is($_->data->[5], 'new 4', 'to all') for @c;
    is(reasons($_), 'diverged', 'after they were told') for @c;
    like(($c[0]->event('push.gap') // {})->{id} // '', qr/-0{13}3\z/,
         'where both have the same');

    for my $case ([ $id[2], '', 'new 4' ], [ $id[3], 'diverged', 'new 4' ],
                  [ $id[4], 'diverged', 'new 4' ], [ $id[0], '', 2, 3, 'new 4' ])
    {
        my ($id, $reason, @data) = @$case;

        for my $n ($a, $b) {
            my $c = $n->sse('/sub?channel=x',
                            headers => { 'Last-Event-ID' => $id });
            $c->wait_messages(scalar @data);
            is(reasons($c), $reason, "resumed from $id");
            is_deeply($c->data, \@data, 'what follows');
        }
    }
});


# a pod comes back late: what it has is of another log, which is longer

for_workers(1, 2, sub {
    for my $tail (0, 1) {
        my $redis = Push::Redis->new;
        my $second = Push::Redis->new;
        my $proxy = Push::Proxy->new($redis->port);
        my ($a) = pods($redis, 1, workers => $_[0]);
        my $b = pod($redis, workers => $_[0],
                    url => 'redis://127.0.0.1:' . $proxy->port);
        my $c = $b->sse('/sub?channel=x');
        my $port = $redis->port;

        $c->wait_subscribed;
        $a->publish('/pub?channel=x', $_) for 1 .. 3;

        if ($tail) {
            $second->follow($redis);
            $second->wait_synced;
            $second->follow(undef);
        }

        $a->publish('/pub?channel=x', $_) for qw(lost lost);
        $c->wait_messages(5);

        $redis->kill;
        wait_down($_) for $a, $b;
        $proxy->target(1);
        $second->command('CONFIG', 'SET', 'port', $port);
        wait_up($a);

        my @new = map { "new $_" } 1 .. 8;
        $a->publish('/pub?channel=x', $_) for @new;
        $proxy->target($port);
        wait_up($b);

        ok($c->wait_messages(13, 10), 'all have come');
        is_deeply([ @{ $c->data }[5 .. 12] ], \@new, 'all of the new log');
        is(reasons($c), $tail ? 'diverged' : 'unknown', 'after a notice');
    }
});


# an id from a pod that is ahead is none of a log that has diverged

for_workers(1, 2, sub {
    my $redis = Push::Redis->new;
    my $proxy = Push::Proxy->new($redis->port);
    my ($a) = pods($redis, 1, workers => $_[0]);
    my $b = pod($redis, workers => $_[0], redis => 'timeout=10s',
                url => 'redis://127.0.0.1:' . $proxy->port);
    my $c = $b->sse('/sub?channel=x');

    $c->wait_subscribed;
    my $id = $a->publish('/pub?channel=x', 1)->json->{id};
    $c->wait_messages(1);

    for (1, 2) {
        $proxy->delay(0.7);
        $id = $a->publish('/pub?channel=x', 'next')->json->{id};

        my $d = $b->sse('/sub?channel=x', headers => { 'Last-Event-ID' => $id });
        $d->wait_subscribed;
        $proxy->heal;
        is($d->event('push.subscribed')->{id}, $id, 'resumed');

        my $next = $a->publish('/pub?channel=x', 'last')->json->{id};
        $d->wait_messages(1);
        is($d->last_id, $next, 'what follows');
        is(reasons($d), '', 'nothing to be told');
    }

    my $json = ws($b, '/sub?channel=', protocol => 'push.json');

    $json->wait_open;
    $proxy->delay(0.7);
    $id = $a->publish('/pub?channel=x', 'next')->json->{id};
    $json->command({ subscribe => 'x', since => $id, ref => 's' });
    is($json->wait_object(ref => 's')->{id}, $id, 'the same by a command');
});


# workers die, and pods are reloaded

for_workers(1, 3, sub {
    my $redis = Push::Redis->new;
    my ($a, $b) = pods($redis, 2, workers => $_[0]);
    my @c = map { $b->sse('/sub?channel=x') } 1 .. 6;
    my (@before, $last);

    my $publish = sub { $a->publish('/pub?channel=x', ++$last) for 1 .. 5 };

    $_->wait_subscribed for @c;

    for my $round (qw(kill reload kill)) {
        my $leader = backplane($b)->{leader};

        $publish->();
        $round eq 'reload' ? $b->reload : $b->kill_worker($leader);
        $publish->();

        ok(wait_for(sub { backplane($b)->{up}
                          && backplane($b)->{leader} != $leader }, 20),
           "$round: another worker follows Redis");

        $publish->();

        # those who were cut off come back

        ok(wait_for(sub {
            for my $i (0 .. $#c) {
                next if !$c[$i]->ended && !$c[$i]->closed;

                push @{ $before[$i] }, @{ $c[$i]->data };
                $c[$i] = $b->sse('/sub?channel=x', headers =>
                                 { 'Last-Event-ID' => $c[$i]->last_id });
            }

            return @c == grep {
                @{ $before[$_] // [] } + @{ $c[$_]->data } >= $last
            } 0 .. $#c;
        }, 30), "$round: all have all");
    }

    is(join(' ', @{ $before[$_] // [] }, @{ $c[$_]->data }),
       join(' ', 1 .. $last), 'each once, in order') for 0 .. $#c;
});


# push_redis comes and goes by a reload: logs of another hand are other logs

for_workers(1, 2, sub {
    my $redis = Push::Redis->new;
    my ($a, $b) = pods($redis, 2, workers => $_[0]);
    my $conf = $b->{conf};

    my $id = $a->publish('/pub?channel=x', 'by Redis')->json->{id};
    my $c = $b->sse('/sub?channel=x');
    $c->wait_subscribed;

    $b->reload(conf => $conf =~ s/push_redis .*//r);
    $c->wait_end;
    is(backplane($b)->{name}, 'none', 'it stands alone');

    my $own = $b->publish('/pub?channel=x', 'alone')->json->{id};
    is(numbers($own), 1, 'its own numbers');
    $c = $b->sse('/sub?channel=x', headers => { 'Last-Event-ID' => $id });
    $c->wait_messages(1);
    is(reasons($c), 'unknown', 'which are not those of Redis');

    $b->reload(conf => $conf);
    wait_up($b);
    $c->wait_end;

    for my $case ([ $own, 'unknown', 'by Redis' ], [ $id, '', 'again' ]) {
        my ($since, $reason, $data) = @$case;
        $c = $b->sse('/sub?channel=x', headers => { 'Last-Event-ID' => $since });
        $a->publish('/pub?channel=x', 'again') if $reason eq '';
        $c->wait_messages(1);
        is(reasons($c), $reason, "resumed from $since");
        is($c->data->[0], $data, 'what follows');
    }
});


# a worker that is to go waits for the answer to what it has published

for_workers(1, 2, sub {
    my $redis = Push::Redis->new;
    my $proxy = Push::Proxy->new($redis->port);
    my $n = pod($redis, workers => $_[0], redis => 'timeout=10s',
                url => 'redis://127.0.0.1:' . $proxy->port);

    $proxy->delay(1);

    my $r = Push::HTTP::Response->new($n, '/pub?channel=x', method => 'POST',
                                      body => 'on its way');

    ok(wait_for(sub { $proxy->holds(qr/on its way/) }, 20), 'it is on its way');
    $n->reload;
    $r->wait_end(20);
    is($r->status, 201, 'and is answered');
    ok($n->wait_old_workers(20), 'then the worker goes');
});


# Redis is full, and Redis stands still

for_workers(1, 2, sub {
    my $redis = Push::Redis->new;
    my ($a, $b) = pods($redis, 2, workers => $_[0], redis => 'timeout=500ms');
    my $c = $b->sse('/sub?channel=x');

    $c->wait_subscribed;
    $a->publish('/pub?channel=x', 1);

    $redis->command('CONFIG', 'SET', 'maxmemory', 1);
    is($a->publish('/pub?channel=x', 'full')->status, 503, 'Redis is full');
    $redis->command('CONFIG', 'SET', 'maxmemory', 0);
    is(numbers($a->publish('/pub?channel=x', 2)->json->{id}), 2,
       'nothing was half done');

    $redis->pause;
    is($a->publish('/pub?channel=x', 'perhaps')->status, 503, 'no answer');
    ok(wait_for(sub { !backplane($b)->{up} }, 20), 'it is noticed');
    $redis->resume;
    wait_up($_, 30) for $a, $b;

    is($a->publish('/pub?channel=x', 'last')->status, 201, 'it is published');
    ok(wait_for(sub { ($c->data->[-1] // '') eq 'last' }, 20), 'it goes on');
    is_deeply([ grep { $_ ne 'perhaps' } @{ $c->data } ], [ 1, 2, 'last' ],
              'nothing is missing');
    is(reasons($c), '', 'nothing to be told');
});

done_testing;
