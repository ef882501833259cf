#!/usr/bin/perl

# A pod that stands still while its numbers are given again, after a Redis
# that came back without its data, or a failover that lost the last messages:
# what the others have published meanwhile is there when it goes on, all of it.

use strict;
use warnings;

use Push::Pods;
use Push::Redis;
use Push::Test;

unless (-x $Push::Redis::redis) {
    plan(skip_all => "no $Push::Redis::redis");
}


sub reasons {
    return join ' ', map { decode_json($_->{data})->{reason} }
        grep { $_->{event} eq 'push.gap' } @{ $_[0]->events };
}

sub pause { kill STOP => $_[0]->workers }
sub go_on { kill CONT => $_[0]->workers }

# fewer, as many and more than there were before

my @counts = (1, 5, 8);


for_workers(1, 2, sub {
    for my $count (@counts) {
        my $redis = Push::Redis->new;
        my ($a, $b) = pods($redis, 2, workers => $_[0]);
        my @c = map { $_->sse('/sub?channel=x') } $a, $b;

        $_->wait_subscribed for @c;
        $a->publish('/pub?channel=x', "old $_") for 1 .. 5;
        $_->wait_messages(5) for @c;

        pause($b);
        $redis->restart('KILL');
        wait_up($a, 30);

        my @new = map { "new $_" } 1 .. $count;

        is($a->publish('/pub?channel=x', $_)->status, 201, $_) for @new;
        go_on($b);

        for (@c) {
            ok($_->wait_messages(5 + $count, 10), "another life of $count");
            is_deeply([ @{ $_->data }[5 .. $#{ $_->data }] ], \@new,
                      'all of it, in order');
            is(reasons($_), 'unknown', 'after a notice');
            $_->close;
        }

        $_->finish for $a, $b;
    }
});


for_workers(1, 2, sub {
    for my $count (@counts) {
        my $redis = Push::Redis->new;
        my $second = Push::Redis->new(replica_of => $redis);
        my ($a, $b) = pods($redis, 2, workers => $_[0]);
        my @c = map { $_->sse('/sub?channel=x') } $a, $b;

        $_->wait_subscribed for @c;
        $a->publish('/pub?channel=x', $_) for 1 .. 3;
        $second->wait_synced;
        $second->follow(undef);

        $a->publish('/pub?channel=x', "lost $_") for 4, 5;
        $_->wait_messages(5) for @c;

        pause($b);
        $redis->kill;
        wait_down($a);
        $second->command('CONFIG', 'SET', 'port', $redis->port);
        wait_up($a, 30);

        my @new = map { "new $_" } 1 .. $count;

        is($a->publish('/pub?channel=x', $_)->status, 201, $_) for @new;
        go_on($b);

        for (@c) {
            ok($_->wait_messages(5 + $count, 10), "another term of $count");
            is_deeply([ @{ $_->data }[5 .. $#{ $_->data }] ], \@new,
                      'all of it, in order');
            is(reasons($_), 'diverged', 'after a notice');
            $_->close;
        }

        $_->finish for $a, $b;
    }
});

done_testing;
