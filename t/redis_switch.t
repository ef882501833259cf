#!/usr/bin/perl

# A zone that has channels of its own is given a Redis by a reload, then another
# prefix, then none again: what is there then is another life, whoever was there
# is told, and nothing of before is taken for it.

use strict;
use warnings;

use Push::Pods;
use Push::Redis;
use Push::Test;

unless (-x $Push::Redis::redis) {
    plan(skip_all => "no $Push::Redis::redis");
}


my $conf = <<'CONF';
    push_drain_window 1s;
    push_retry 100ms 200ms;

    server {
        listen 127.0.0.1:%%PORT%%;

        location = /pub { push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
        location = /status { push_status; }
    }
CONF

sub reasons {
    return join ' ', map { decode_json($_->{data})->{reason} }
        grep { $_->{event} eq 'push.gap' } @{ $_[0]->events };
}


for_workers(1, 2, sub {
    my $redis = Push::Redis->new;
    my $n = nginx(conf => $conf, workers => $_[0]);
    my $line = 'push_redis redis://127.0.0.1:' . $redis->port;
    my @old = map { $n->publish('/pub?channel=x', "old $_")->json->{id} } 1 .. 5;

    $n->publish('/pub?channel=sealed', '', headers => { 'Push-End' => 'true' });

    for my $prefix (qw(push other none)) {
        my $c = $n->sse('/sub?channel=x');

        ok($c->wait_subscribed, "$prefix: a subscriber of before");

        if ($prefix eq 'none') {
            $n->reload(conf => $conf);

        } else {
            $n->reload(conf => "$line prefix=$prefix;\n$conf");
            wait_up($n);
        }

        # the first numbers are given again

        my @id = map { $n->publish('/pub?channel=x', "$prefix $_")->json->{id} }
                 1 .. 2;

        my $first = $n->sse('/sub?channel=x&since=earliest');

        ok($first->wait_messages(2), 'what was published');
        push @id, $n->publish('/pub?channel=x', "$prefix 3")->json->{id};
        ok($first->wait_messages(3), 'and live');
        is_deeply($first->data, [ map { "$prefix $_" } 1 .. 3 ],
                  'and nothing of before');
        is_deeply([ map { $_->{id} } @{ $first->messages } ], \@id,
                  'with its ids');
        is(reasons($first), '', 'without a gap');

        for my $id (@old) {
            my $d = $n->sse('/sub?channel=x', headers => { 'Last-Event-ID' => $id });

            ok($d->wait_messages(3, 10), 'who has an old id gets it too');
            is(reasons($d), 'unknown', 'after it was told');
            $d->close;
        }

        is($n->publish('/pub?channel=sealed', 'x')->status, 201,
           'what was sealed is not');

        my $sealed = $n->sse('/sub?channel=sealed&since=earliest');

        ok($sealed->wait_messages(1, 10), 'and has a message');

        # who was there comes back with the last id it was sent

        ok($c->wait_end, 'the one of before has to come again');

        my $last = $c->last_id;
        my $known = grep { $_ eq $last } @id;

        $n->publish('/pub?channel=x', "$prefix 4");
        $c = $n->sse('/sub?channel=x', headers => { 'Last-Event-ID' => $last });
        ok(wait_for(sub { ($c->data->[-1] // '') eq "$prefix 4" }), 'does so');
        is(reasons($c), $known ? '' : 'unknown', 'and goes on, or is told');
        @old = @id;
        $_->close for $first, $c, $sealed;
    }
});

done_testing;
