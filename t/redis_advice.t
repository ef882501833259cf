#!/usr/bin/perl

# What in the configuration of Redis loses messages is said at start, by one
# worker of a pod, once for each server; nothing is said of what is good.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Push::Pods;
use Push::Redis;
use Push::Test;

my $append = 'appendonly yes';
my $limit = 'client-output-buffer-limit pubsub';
my $good = "$append\n$limit 256mb 64mb 60";

my %says = (
    memory => qr/gives up channels .* is "(\S+)", set "noeviction"/,
    save => qr/loses all channels when it restarts: .* set "appendonly yes"/,
    limit => qr/cuts off who is (\d+) bytes behind/,
    version => qr/is of version (\S+): push_redis is made for 6\.2/,
);

sub redis { return Push::Redis->new(conf => $_[0]) }

# a pod of it says this and nothing else, when all has been asked for

sub advice {
    my ($workers, $redis, $says, %opt) = @_;
    my $n = pod($redis, workers => $workers, %opt);
    my $asked = sub {
        return ($redis->info('commandstats')->{'cmdstat_config|get'} // '')
               =~ /^calls=(\d+),.*rejected_calls=(\d+)/ && $1 + $2 >= 2;
    };

    ok(wait_for($asked), "all is asked for: $says");
    wait_up($n);

    my @lines = $n->log_lines(qr/\[warn\] .*redis "/);
    my @names = split ' ', $says;

    is(scalar($n->log_lines($says{$_})), 1, "once: $_") for @names;
    is(scalar(@lines), scalar(@names), 'nothing else') or diag(@lines);

    return $n;
}


for_workers(1, 3, sub {
    my ($workers) = @_;
    my $redis = redis('');
    my $n = advice($workers, $redis, 'save limit');

    like(($n->log_lines($says{limit}))[0], qr/ 33554432 /, 'the limit');

    # the same server again

    $redis->command(qw(CLIENT KILL TYPE normal));
    ok(wait_for(sub { $n->log_lines(qr/up for commands/) == 2 * $workers }),
       'each is connected anew');
    wait_up($n);
    is(scalar($n->log_lines($says{limit})), 1, 'not with each connection');

    # another server

    $redis->restart;
    wait_up($n);
    ok(wait_for(sub { $n->log_lines($says{limit}) == 2 }), 'with each server');
    is(scalar($n->log_lines($says{save})), 2, 'all of it');

    # good ones, and others

    advice($workers, redis($_), '')
        for $good, "$good\nmaxmemory-policy allkeys-lru",
            "$good\nmaxmemory 100mb", "$limit 256mb 64mb 60\nsave 100 1",
            "$append\n$limit 64mb 0 0", "$append\n$limit 0 0 0";

    advice($workers, redis("$limit 256mb 64mb 60"), 'save');
    advice($workers, redis("$append\n$limit 63mb 0 0"), 'limit');

    for my $policy (qw(allkeys-lru allkeys-random volatile-ttl)) {
        $n = advice($workers, redis("$good\nmaxmemory 100mb\n"
                                    . "maxmemory-policy $policy"), 'memory');
        like(($n->log_lines($says{memory}))[0], qr/"\Q$policy\E"/, $policy);
    }
});


# a user who may not ask for the configuration

for_workers(1, 2, sub {
    my $redis = redis("maxmemory 100mb\nmaxmemory-policy allkeys-lfu\n"
                      . 'user push on >pw ~* &* +@all -config');

    advice($_[0], $redis, 'memory',
           url => 'redis://push:pw@127.0.0.1:' . $redis->port);
});


# a version of long ago, told by something between them

sub between {
    my ($redis) = @_;
    my $listen = IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1')
        or die "listen: $!";
    my $parent = $$;
    my $pid = fork // die "fork: $!";

    return ($pid, $listen->sockport) if $pid;

    my $all = IO::Select->new($listen);
    my %peer;

    while (getppid() == $parent) {
        for my $from ($all->can_read(1)) {
            my $to = $peer{$from};

            if ($from == $listen) {
                my $client = $listen->accept;
                my $server = IO::Socket::INET->new(
                    PeerAddr => '127.0.0.1', PeerPort => $redis->port);

                $peer{$client} = $server;
                $peer{$server} = $client;
                $all->add($client, $server);

            } elsif ($to && sysread $from, my $bytes, 65536) {
                $bytes =~ s/(redis_version):\d\.\d\.\d\d/$1:6.0.16/;
                syswrite $to, $bytes;

            } elsif ($to) {
                $all->remove($from, $to);
                delete @peer{$from, $to};
                close $_ for $from, $to;
            }
        }
    }

    POSIX::_exit(0);
}

for_workers(1, 2, sub {
    my $redis = redis($good);
    my ($pid, $port) = between($redis);
    my $n = advice($_[0], $redis, 'version', url => "redis://127.0.0.1:$port");

    like(($n->log_lines($says{version}))[0], qr/ 6\.0\.16: /, 'its version');
    kill KILL => $pid;
    waitpid $pid, 0;
});

done_testing;
