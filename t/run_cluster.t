#!/usr/bin/perl

# ./run cluster: two pods, their Redis and a balancer come up, work as it
# says, and all of it is gone afterwards, whatever was done to them.

use strict;
use warnings;

use IO::Socket::INET;
use Push::Poll;
use Push::Redis;
use Push::Test;
use Push::WebSocket;

plan(skip_all => 'it starts the NGINX that is installed')
    if $ENV{PUSH_ASAN} || $ENV{PUSH_COVER};
plan(skip_all => "no $Push::Redis::redis") unless -x $Push::Redis::redis;

# it is a make of its own

delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};


# four in a row, which neither the harness nor the kernel gives to others

sub is_free {
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $_[0],
                                 Listen => 1, ReuseAddr => 1);
}

sub ports {
    for (1 .. 100) {
        my $first = 30000 + 4 * int rand 690;

        return $first if 4 == grep { is_free($_) } $first .. $first + 3;
    }

    die 'no free ports';
}


sub is_open {
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $_[0]);
}

sub slurp {
    open my $in, '<', $_[0] or return '';
    local $/;
    return <$in> // '';
}


my $port = ports();
my ($first, $second) = ($port + 1, $port + 2);
my $run = start_command('env', "PORT=$port", "$root/run", 'cluster');

wait_for(sub { defined $run->code || $run->out =~ /stop +Ctrl-C/ }, 120);
is($run->code, undef, 'it runs') or diag($run->out . $run->err);

my $said = $run->out;
my ($folder) = $said =~ m{tail -f (\S+)/pod};
my ($pod) = $said =~ /kill -TERM (\d+)/;
my ($redis) = $said =~ /kill -STOP (\d+)/;

ok(-d "$folder/$_", $_) for qw(redis pod1 pod2 balancer);

sub publish {
    my ($at, $text, %headers) = @_;
    return http($at, POST => '/pub?channel=news', body => $text,
                headers => \%headers);
}


# what it says to do

for ([ listen => $first ], [ publish => $second ], [ look => $first ]) {
    my ($what, $at) = @$_;
    like($said, qr{^  $what +curl .*http://localhost:$at/}m, $what);
}

is(http($_, GET => '/')->header('content-type'), 'text/html',
   "a page on port $_") for $port, $first, $second;

ok(wait_for(sub { 2 == grep {
    http($_, GET => '/status')->json->{zones}[0]{backplane}{up}
} $first, $second }), 'both pods hear Redis');

my ($c, $d) = map { sse($_, '/sub?channel=news') } $first, $second;
my $w = ws($port, '/chat?room=a', protocol => 'push.json');

ok($_->wait_subscribed, 'listen') for $c, $d;
ok($w->wait_object(type => 'subscribed'), 'a WebSocket by the balancer');

is(publish($_, "by $_")->status, 201, "publish on port $_")
    for $port, $first, $second;
ok($_->wait_messages(3), 'all have it') for $c, $d;
is_deeply($c->data, $d->data, 'in the same order');


# Redis stands still and goes on, and a pod ends

kill STOP => $redis;
is(publish($first, 'no')->status, 503, 'Redis stands still');
kill CONT => $redis;

ok(wait_for(sub { publish($port, 'again')->status == 201 }), 'it goes on');
ok(wait_for(sub { http($_, GET => '/status')->json->{zones}[0]{backplane}{up} }),
   "and is heard on port $_") for $first, $second;

kill TERM => $pod;
$d->wait_closed;
ok(wait_for(sub { !is_open($second) }), 'a pod is gone');
ok(wait_for(sub { publish($port, 'one pod')->status == 201 }),
   'the other one is enough');
ok(wait_for(sub { grep { $_ eq 'one pod' } @{ $c->data } }), 'who listens there');


# what is hard to get rid of: workers without a master, a Redis that is stopped

my ($master) = map { /\A(\d+)/ } slurp("$folder/pod1/logs/nginx.pid");
kill KILL => $master;
kill STOP => $redis;


# a second one finds its ports taken

my $r = command('env', "PORT=$first", "$root/run", 'cluster');
is($r->{code}, 1, 'no second one');
like($r->{err}, qr/^port $first is taken: PORT=/, 'and why');


# Ctrl-C

my %group = map { $_ => 1 } $redis, $pod, $master,
    map { /\A(\d+)/ } slurp("$folder/balancer/logs/nginx.pid");

# of process groups that are its own

sub left {
    return grep { $group{ (split ' ', slurp("$_/stat") =~ s/.*\)//sr)[2] // '' } }
           glob '/proc/[0-9]*';
}

cmp_ok(scalar(left()), '>=', 6, 'workers, Redis and the balancer run');
ok($run->stop('INT'), 'Ctrl-C');
is($run->code, 0, 'is no failure');
is_deeply([ left() ], [], 'nothing runs');
ok(!-e $folder, 'nothing is left');
is(scalar(grep { is_free($_) } $port .. $port + 3), 4, 'the ports are free');

done_testing;
