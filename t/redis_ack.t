#!/usr/bin/perl

# push_redis_ack: a publish is created when so many replicas have it, else
# only accepted, which it tells; subscribers do not wait for that.

use strict;
use warnings;

use Push::Pods;
use Push::Redis;
use Push::Test;

sub ack { return (more => "push_redis_ack $_[0];") }

sub pair {
    my $master = Push::Redis->new;
    my $replica = Push::Redis->new(replica_of => $master);

    $replica->wait_synced;
    return ($master, $replica);
}

sub calls {
    my ($redis) = @_;
    my $stats = $redis->info('commandstats')->{cmdstat_wait} // '';

    return $stats =~ /^calls=(\d+)/ ? $1 : 0;
}

# a publish that runs on

sub start_publish {
    my ($n, $channel) = @_;

    return start_curl('-w', ' %{http_code}', '-d', 'x',
                      'http://127.0.0.1:' . $n->port . "/pub?channel=$channel");
}


for_workers(1, 3, sub {
    my ($master, $replica) = pair();
    my ($a, $b) = pods($master, 2, workers => $_[0],
                       ack('replicated 1 800ms'));
    my $c = $b->sse('/sub?channel=x');

    $c->wait_subscribed;

    my $r = $a->publish('/pub?channel=x', 1);
    is($r->status, 201, 'one has it');
    ok(!exists $r->json->{replicated}, 'it is not told how many');
    is(calls($master), 1, 'it was asked for');

    is($a->publish('/pub?channel=x', 2, headers =>
                    { 'If-None-Match' => '*' })->status, 412, 'what is refused');
    is(calls($master), 1, 'is not asked for');

    # nobody has it

    $replica->pause;

    my $curl = start_publish($a, 'x');
    ok($c->wait_messages(2), 'it is delivered');
    $curl->wait;
    my ($json, $status) = $curl->out =~ /(.*) (\d+)\z/s;
    is($status, 202, 'then it is accepted');
    is(decode_json($json)->{replicated}, 0, 'by no replica');

    my $key = { 'Idempotency-Key' => 'k' };
    $r = $a->publish('/pub?channel=x', 3, headers => $key);
    is($r->status, 202, 'with a key');
    $r = $b->publish('/pub?channel=x', 3, headers => $key);
    is($r->status, 200, 'and once more');
    ok(!exists $r->json->{replicated}, 'nothing was published');

    # several channels

    $r = $b->publish('/pub?channel=x,y', 4);
    is($r->status, 202, 'both are');
    is_deeply([ map { $_->{replicated} } @{ $r->json } ], [ 0, 0 ], 'each');
    $b->publish('/pub?channel=y', '', headers => { 'Push-End' => 'true' });
    $r = $a->publish('/pub?channel=x,y', 5);
    is($r->status, 207, 'one is');
    is_deeply([ map { [ @$_{qw(channel status replicated)} ] } @{ $r->json } ],
              [ [ 'x', 202, 0 ], [ 'y', 409, undef ] ], 'the other has ended');

    # many at once wait together

    my $before = calls($master);
    my @many = map { start_publish($a, "m$_") } 1 .. 20;
    $_->wait for @many;
    is(scalar(grep { $_->out =~ /"replicated":0\} 202\z/ } @many), 20,
       'all are told');
    cmp_ok(calls($master) - $before, '<=', 3 * $_[0], 'for all together');

    # it goes on

    $replica->resume;
    $replica->wait_synced;
    is($a->publish('/pub?channel=x', 6)->status, 201, 'it has it again');
    ok(wait_for(sub { $c->data->[-1] eq '6' }), 'it comes');
    is_deeply($c->data, [ 1, 'x', 3, 4, 5, 6 ], 'each once');
});


# more than there are, and a connection that is lost meanwhile

for_workers(1, 2, sub {
    my ($master, $replica) = pair();
    my $n = pod($master, workers => $_[0], ack('replicated 2 1500ms'));

    my $r = $n->publish('/pub?channel=x', 1);
    is($r->status, 202, 'one of two');
    is($r->json->{replicated}, 1, 'is told');
    ok($n->wait_log(qr/\[warn\] .* has fewer replicas \(1\) than .* \(2\)/),
       'there is a warning');
    is(scalar($n->log_lines(qr/fewer replicas/)), 1, 'one');

    my $curl = start_publish($n, 'x');
    ok(wait_for(sub {
        $master->command(qw(CLIENT LIST TYPE normal)) =~ / flags=b .* cmd=wait /;
    }), 'it waits');
    $master->command(qw(CLIENT KILL TYPE normal));
    $curl->wait;
    like($curl->out, qr/"replicated":0\} 202\z/, 'nothing is known');

    wait_up($n);
    is($n->get('/pub?channel=x')->json->{messages}, 2, 'it was published');
});


# a user who may not ask

for_workers(1, 2, sub {
    my $redis = Push::Redis->new(conf => 'user push on >pw ~* &* +@all -wait');
    my $n = pod($redis, workers => $_[0], ack('replicated 1 1500ms'),
                url => 'redis://push:pw@127.0.0.1:' . $redis->port);
    my $r = $n->publish('/pub?channel=x', 1);

    is($r->status, 202, 'nothing is known');
    is($r->json->{replicated}, 0, 'so none is told');
    ok($n->wait_log(qr/redis refused WAIT: NOPERM/), 'the log says why');
});


# the default

for_workers(1, 2, sub {
    my ($master, $replica) = pair();
    my @pods = (pod($master, workers => $_[0]),
                pod($master, workers => $_[0], ack('accepted')));

    $replica->pause;
    is($_->publish('/pub?channel=x', 1)->status, 201, 'nobody waits') for @pods;
    is(calls($master), 0, 'nor asks');
});

done_testing;
