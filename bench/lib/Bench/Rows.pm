package Bench::Rows;

# What is run, and which figures of it are shown beside which goals.

use strict;
use warnings;

our (%runs, @rows);

my @order;


# run(name, [options of push-bench], option => value ...)
#
#   servers   those that can do it: push bare nchan
#   full      only among the long runs
#   hidden    only by its name
#   rounds    at most so many
#   nchan     options for nchan instead
#   others    those of Bench::Server

sub run {
    my ($name, $options, %opt) = @_;

    $runs{$name} = { name => $name, options => $options,
                     servers => [qw(push bare nchan)], %opt };
    push @order, $name;
}

sub all { return grep { !$_->{hidden} } map { $runs{$_} } @order }


# row(text, run, figure, goals ...): a goal says what our figure may be at
# most: a number, times that of a server, times ours in another run, or so much
# more than that

sub row {
    my ($text, $run, $figure, @goals) = @_;

    push @rows, { text => $text, run => $run, figure => $figure,
                  goals => \@goals };
}

sub most        { return { most => $_[0] } }
sub most_times  { return { most => $_[0], server => $_[1] } }
sub most_of_run { return { most => $_[0], run => $_[1] } }
sub most_beyond { return { most => $_[0], run => $_[1], beyond => 1 } }


my $cpu = 'server_us_per_delivery';
my $memory = 'bytes_per_subscriber';
my %ways = (sse => 'SSE', websocket => 'WebSocket', poll => 'waiting poll');

# strict: the next message when all have the last one

for my $way (qw(sse websocket)) {
    for my $n (1000, 10000) {
        for my $size (64, 1024) {
            my $name = join '-', 'fan-out', $way, $n, $size;

            run($name, ["--transport=$way", "--subscribers=$n", "--size=$size",
                        '--messages=' . 400_000 / $n],
                full => $n == 10000 && $size == 1024);
            row("fan-out, $ways{$way}, $n, $size B: us", $name, $cpu,
                most_times(1.10, 'bare'));
        }
    }
}

run('fan-out-16k', [qw(--subscribers=1000 --size=16384 --messages=100)]);
row('fan-out, SSE, 1000, 16 KiB: us', 'fan-out-16k', $cpu,
    most_times(1.10, 'bare'));

row('answer to the publisher, 10000 SSE: ms', 'fan-out-sse-10000-64',
    'answer_p50_ms', most(1));

# a busy channel

for my $way (qw(sse websocket)) {
    run("busy-$way", ["--transport=$way", qw(--subscribers=10000 --messages=160
                      --publishers=16 --unordered --window=16)],
        full => $way ne 'sse');
    row("16 in flight, $ways{$way}, 10000: us", "busy-$way", $cpu,
        most_times(0.30, 'bare'), most_times(0.20, 'nchan'));
}

run('channels', [qw(--subscribers=10000 --channels=10000 --messages=5
                    --publishers=4 --window=16)]);
row('10000 channels x 1: us, with the publish', 'channels', $cpu,
    most_times(1.25, 'bare'), most_times(0.70, 'nchan'));

run('publish', [qw(--subscribers=0 --channels=1000 --messages=200
                   --publishers=4 --window=0)], history => '1000 10m');
row('publish only, 1000 channels: us', 'publish', 'server_us_per_publish',
    most_times(1.40, 'bare'), most_times(0.40, 'nchan'));

run('visits', [qw(--visits=8000 --subscribers=64 --rate=4000 --sources=16)]);
row('connect, subscribe, leave: us', 'visits', 'server_us_per_visit',
    most_times(1.35, 'bare'));

my @replay = qw(--subscribers=2000 --messages=100 --replay);

run('replay', \@replay, servers => [qw(push nchan)],
    nchan => [@replay, '--subscribe=/replay?channel=']);
row('replay of 100 to a newcomer: us/message', 'replay', $cpu, most(1.0));

# memory, and what idling costs

my @idle = qw(--subscribers=20000 --messages=0);

for my $way (qw(sse websocket poll)) {
    run("idle-$way", ["--transport=$way", @idle], rounds => 1,
        servers => $way eq 'poll' ? ['push'] : [qw(push bare nchan)]);
    row("20000 idle, $ways{$way}: B each", "idle-$way", $memory, most(300));
}

# a hash table is made for the size of its zone: here that of the default
run('idle-channels', [@idle, '--channels=20000'], rounds => 1, zone => '32m');
row('20000 idle, a channel each: B each', 'idle-channels', $memory, most(700));

run('tls-none', [qw(--transport=none --tls), @idle], servers => ['push'],
    tls => 1, rounds => 1, full => 1);
run('tls-sse', ['--tls', @idle], servers => ['push'], tls => 1, rounds => 1,
    full => 1);
row('20000 idle, SSE by TLS: B each', 'tls-sse', $memory,
    most_beyond(900, 'tls-none'));

for my $way (qw(held sse)) {
    run("http2-$way", ["--transport=$way", '--http2', @idle,
                       $way eq 'held' ? '--subscribe=/held?channel=' : ()],
        servers => ['push'], http2 => 1, rounds => 1, full => 1);
}

row('20000 idle, SSE by HTTP/2: B each', 'http2-sse', $memory,
    most_beyond(1024, 'http2-held'));

run('fan-out-http2', [qw(--http2 --subscribers=1000 --messages=400)],
    servers => ['push'], http2 => 1, full => 1);
row('fan-out, SSE by HTTP/2, 1000, 64 B: us', 'fan-out-http2', $cpu,
    most_of_run(2, 'fan-out-sse-1000-64'));

run('idle-cpu', [qw(--subscribers=19000 --messages=0 --idle=55)],
    servers => ['push'], rounds => 1, full => 1);
row('19000 idle, heartbeats of 25 s: % of a core', 'idle-cpu',
    'idle_cpu_percent', most(1));

# readers that do not read

my @stalled = qw(--size=16384 --messages=3000);

run('stalled-none', [@stalled, '--subscribers=50'], servers => ['push'],
    full => 1);
run('stalled', [@stalled, qw(--subscribers=60 --slow=10)],
    servers => ['push'], full => 1);
row('10 of 60 stalled, 16 KiB: us', 'stalled', $cpu,
    most_of_run(1.10, 'stalled-none'));
row('10 of 60 stalled, 16 KiB: memory grows by, B', 'stalled',
    'memory_growth_bytes', most(8_000_000));

# behind Redis: beside the same without it

my @redis = (servers => [qw(push nchan)], redis => 1);
my $redis_cpu = 'redis_us_per_publish';
my $redis_bytes = 'redis_bytes_per_publish';

run('redis-publish', $runs{publish}{options}, @redis, history => '1000 10m');
row('Redis: publish only, 1000 channels: us', 'redis-publish',
    'server_us_per_publish', most_of_run(2, 'publish'));
row('  of Redis itself: us', 'redis-publish', $redis_cpu, most(50));

run('redis-publish-unix', $runs{publish}{options}, @redis, unix => 1,
    servers => ['push'], history => '1000 10m', full => 1);
row('  by a unix socket: us', 'redis-publish-unix', 'server_us_per_publish',
    most_of_run(2, 'publish'));

# busy, with what waits at the pod and at Redis: what a core of Redis can do

my @busy = qw(--subscribers=0 --channels=1000 --messages=200 --publishers=64
              --window=0);

run('publish-64', \@busy, servers => [qw(push nchan)], history => '1000 10m');
row('publish only, by 64 publishers: us', 'publish-64',
    'server_us_per_publish');
run('redis-publish-64', \@busy, @redis, history => '1000 10m');
row('Redis: the same by 64 publishers: us', 'redis-publish-64',
    'server_us_per_publish', most_of_run(2, 'publish-64'));
row('  of Redis itself: us', 'redis-publish-64', $redis_cpu, most(50));

run('redis-fan-out', $runs{'fan-out-sse-1000-64'}{options}, @redis);
row('Redis: fan-out, SSE, 1000, 64 B: us', 'redis-fan-out', $cpu,
    most_of_run(1.10, 'fan-out-sse-1000-64'));

run('redis-pods', $runs{'fan-out-sse-1000-64'}{options}, @redis, pods => 2);
row('  published at another pod: us', 'redis-pods', $cpu,
    most_of_run(1.10, 'fan-out-sse-1000-64'));
row('  latency, p50: ms', 'redis-pods', 'latency_p50_ms');

# what Redis sends: for each message the same, whoever listens

for ([1, 10], [4, 10], [1, 1000], [4, 1000]) {
    my ($workers, $n) = @$_;

    run("redis-egress-$workers-$n", ["--subscribers=$n", '--messages=400'],
        @redis, workers => $workers, full => 1);
    row("Redis sends, $workers workers, $n SSE: B/message",
        "redis-egress-$workers-$n", $redis_bytes,
        $workers + $n > 11 ? most_of_run(1.10, 'redis-egress-1-10') : ());
}

# what the test of the driver runs

run('smoke', [qw(--subscribers=20 --messages=100)], hidden => 1);
row('a few: us', 'smoke', $cpu, most_times(1000, 'bare'));

run('smoke-redis', [qw(--subscribers=20 --messages=100)], @redis, pods => 2,
    hidden => 1);
row('a few at two pods: us of Redis', 'smoke-redis', $redis_cpu, most(100_000));

# compressed once for all

my @deflate = qw(--transport=websocket --subscribers=1000 --size=1024
                 --messages=400);

run('deflate', [@deflate, '--deflate'], servers => ['push'], full => 1);
row('compressed WebSocket, 1000, 1 KiB: us', 'deflate', $cpu,
    most_of_run(1.10, 'fan-out-websocket-1000-1024'));


1;
