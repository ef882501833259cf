#!/usr/bin/perl

# What a delivery and a publish cost, in figures without noise: instructions,
# system calls, locks, wake-ups, allocations, bytes of the zone.

use strict;
use warnings;

use Push::Test;

use lib "$Push::Test::root/bench/lib";

use Bench::Callgrind;

if ($ENV{PUSH_ASAN} || $ENV{PUSH_COVER}) {
    plan(skip_all => 'the cost of another build says nothing');
}

unless (has_command('valgrind')) {
    plan(skip_all => 'no valgrind');
}

my $make = command('make', '-s', '-C', $root, 'bench-build');
is($make->{code}, 0, 'built') or diag($make->{err});

my $publishes = 200;

sub count {
    my $c = eval { Bench::Callgrind::count(few => 20, many => 20 + $publishes,
                                           @_) };

    ok($c, 'counted') or diag($@);
    return $c;
}


# calls of some functions for each publish

sub calls {
    my ($count, @names) = @_;
    my $n = 0;

    $n += $count->{calls}{$_} // 0 for @names;
    return $n / $publishes;
}

my @send = qw(send sendto sendmsg writev);
my @others = qw(read write recv recvfrom recvmsg epoll_wait epoll_ctl accept4
                close open pwrite pread unlink);
my @lock = qw(ngx_shmtx_lock ngx_shmtx_trylock);
my @malloc = qw(malloc calloc realloc posix_memalign);


# [name, subscribers, the most instructions for a delivery with its share of
# the publish, options]

my @ways = (
    ['SSE', 1000, 300],
    ['WebSocket', 1000, 300, '--transport=websocket'],
    ['SSE, 16 KiB', 200, 1500, '--size=16384'],
);

for (@ways) {
    my ($name, $subscribers, $most, @options) = @$_;

    subtest $name => sub {
        my $c = count(options => ["--subscribers=$subscribers", @options])
            or return;
        my $per = $c->{instructions} / $publishes / $subscribers;

        cmp_ok(sprintf('%.0f', $per), '<=', $most, 'instructions');

        # the answer is one more, and where it is large, the body's end
        cmp_ok(calls($c, @send), '>=', $subscribers, 'one call sends a delivery');
        cmp_ok(calls($c, @send), '<=', $subscribers + 2.5, 'and no more');

        # a request, a bell, and the turns of NGINX's loop for them and the
        # slices of deliveries
        cmp_ok(calls($c, @others), '<=', 10 + 2 * int($subscribers / 256),
               'other system calls of a publish');

        # of each slice of deliveries, too, and of the ticks meanwhile
        cmp_ok(calls($c, @lock), '<=', 12 + 2 * int($subscribers / 256),
               'locks of a publish');
        cmp_ok(calls($c, @malloc), '<=', 10, 'allocations, none for a delivery');
    };
}


subtest 'workers and subscribers' => sub {
    for my $workers (1, 3) {
        for my $n (3, 90) {
            my $what = "$workers workers, $n subscribers";
            my $c = count(workers => $workers,
                          options => ["--subscribers=$n"]) or next;

            # a publish, and a pass of each worker
            cmp_ok(calls($c, @lock), '<=', 2 + 4 * $workers, "$what: locks");

            # bells
            cmp_ok(calls($c, 'write'), '<=', $workers + 0.1,
                   "$what: wake-ups");
            cmp_ok(calls($c, @send), '>=', $n, "$what: all of it is counted");
            cmp_ok(calls($c, @send), '<=', $n + 1.1, "$what: one call each");
        }
    }
};


# the zone: what push_status says it is used for

my $n = nginx(conf => <<'C');
    push_zone push 64m;
    push_history 2000 1h;

    server {
        listen 127.0.0.1:%%PORT%%;
        client_body_buffer_size 128k;

        location = /pub { push_publish $arg_channel; push_max_message_size 1m; }
        location = /status { push_status; }
    }
C

sub zone { return $n->get('/status')->json->{zones}[0] }


# bytes of the zone for each of some publishes

sub cost {
    my ($count, $body, $channel, %headers) = @_;

    $n->publish($channel->(0), $body, headers => \%headers);
    my $before = zone()->{bytes}{free};
    $n->publish($channel->($_), $body, headers => \%headers) for 1 .. $count;

    return ($before - zone()->{bytes}{free}) / $count;
}


subtest 'zone' => sub {
    for my $size (0, 16, 100, 1000, 4000, 10000, 40000, 65536) {
        my $body = 'x' x $size;
        my $cost = cost(200, $body, sub { "/pub?channel=size$size" });

        # at most 120 bytes beside the payload, and 15 % for rounding
        cmp_ok(sprintf('%.0f', $cost), '<=', ($size + 120) * 1.15,
               "$size B: bytes");
    }

    my $lines = cost(200, "0123456789\n" x 100, sub { '/pub?channel=lines' });
    cmp_ok(sprintf('%.0f', $lines), '<=', (2 * 1100 + 6 * 100 + 120) * 1.15,
           'lines: twice the payload');

    my $idle = cost(500, 'x', sub { "/pub?channel=idle$_[0]" }, TTL => 0);
    cmp_ok(sprintf('%.0f', $idle), '<=', 400, 'an idle channel');
};


done_testing;
