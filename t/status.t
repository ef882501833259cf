#!/usr/bin/perl

# push_status: numbers that are exact when nothing goes on.

use strict;
use warnings;

use Push::NDJSON;
use Push::Poll;
use Push::Test;
use Push::WebSocket;

my $conf = <<'E2';
    push_zone one 4m;
    push_zone two 2m;

    server {
        listen 127.0.0.1:%%PORT%%;

        location = /pub { push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
        location = /pub2 { push_use_zone two; push_publish $arg_channel; }
        location = /sub2 { push_use_zone two; push_subscribe $arg_channel; }
        location = /status { push_status; }

        location = /small {
            push_max_message_size 1k;
            push_publish $arg_channel;
        }
    }
E2

sub status {
    my ($n, $zone) = @_;
    my $all = $n->get('/status')->json;
    return defined $zone ? $all->{zones}[$zone] : $all;
}

sub total {
    my ($zone) = @_;
    my $sum = 0;
    $sum += $_ for values %{ $zone->{bytes} };
    return $sum;
}

# of SSE alone; the other transports have a subtest of their own

sub by_transport {
    my ($sse) = @_;
    return { sse => $sse, websocket => 0, ndjson => 0, poll => 0,
             total => $sse };
}

my @counters = qw(published repeated refused delivered joined gaps overrun
                  evicted evicted_keys evicted_channels deleted swept
                  recovered
    backplane_connects backplane_holes backplane_rewinds);

for_workers(1, 4, sub {
    my ($workers) = @_;
    my $n = nginx(conf => $conf, workers => $workers);

    my $r = $n->get('/status');
    is($r->status, 200, 'status');
    is($r->header('content-type'), 'application/json', 'type');
    is($r->header('cache-control'), 'no-store', 'not cached');

    my $all = $r->json;
    like($all->{version}, qr/\A\d+\.\d+\.\d+\z/, 'version');
    is($all->{workers}, $workers, 'workers');
    is_deeply($all->{subscribers}, by_transport(0), 'no subscriber');
    is_deeply([ map { $_->{name} } @{ $all->{zones} } ], [qw(one two)],
              'zones in the order of the configuration');

    my ($one, $two) = @{ $all->{zones} };

    is($one->{size}, 4 << 20, 'size');
    is($two->{size}, 2 << 20, 'of the other');
    is_deeply([ sort keys %{ $one->{counters} } ], [ sort @counters ],
              'counters');
    is_deeply([ grep { $_ } values %{ $one->{counters} } ], [], 'all are 0');
    is_deeply([ sort { $a <=> $b } map { $_->{pid} } @{ $one->{workers} } ],
              [ $n->workers ], 'pids');
    is(@{ $two->{workers} }, $workers, 'of the other zone');
    is($one->{channels} + $one->{messages} + $one->{payload_bytes}, 0,
       'nothing in it');
    ok(!$one->{superseded}, 'of this configuration');
    is_deeply($one->{backplane}, { name => 'none' }, 'no other pods');
    is(total($_), $_->{size}, "$_->{name}: every byte has a use")
        for $one, $two;

    my $fresh = $one->{bytes};

    # subscribers and messages

    my @clients = map { $n->sse("/sub?channel=a" . $_ % 2) } 1 .. 20;
    push @clients, map { $n->sse('/sub2?channel=a') } 1 .. 5;
    $_->wait_subscribed for @clients;

    is_deeply(status($n)->{subscribers}, by_transport(25),
              'subscribers of all zones');
    is_deeply(status($n, 0)->{subscribers}, by_transport(20), 'of one');
    is_deeply(status($n, 1)->{subscribers}, by_transport(5), 'of two');

    my $sum = 0;
    $sum += $_->{subscribers} for @{ status($n, 0)->{workers} };
    is($sum, 20, 'the workers hold them');
    is_deeply([ grep { $_->{transports}{sse} != $_->{subscribers} }
                @{ status($n, 0)->{workers} } ], [], 'by transport');

    is($n->publish('/pub?channel=a0', 'x' x 100)->status, 201, 'publish')
        for 1 .. 3;
    $n->publish('/pub?channel=a1', 'y' x 10, headers => {
        'Idempotency-Key' => 'k' }) for 1 .. 2;
    $n->publish('/pub2?channel=a', 'z');

    $_->wait_messages(3) for @clients[1, 3, 5, 7, 9, 11, 13, 15, 17, 19];
    $_->wait_messages(1) for @clients[0, 2, 4, 6, 8, 10, 12, 14, 16, 18],
                             @clients[20 .. 24];

    wait_for(sub { status($n, 0)->{counters}{delivered} == 40 }, 5,
             'the counter of deliveries');

    $one = status($n, 0);
    is($one->{counters}{published}, 4, 'published');
    is($one->{counters}{repeated}, 1, 'repeated');
    is($one->{counters}{delivered}, 40, 'delivered: 10 x 3 + 10 x 1');
    is($one->{counters}{joined}, 20, 'joined');
    is($one->{channels}, 2, 'channels');
    is($one->{messages}, 4, 'messages');
    is($one->{payload_bytes}, 310, 'payload');
    ok($one->{bytes}{$_} > 0, "bytes: $_")
        for qw(channels messages rings listeners keys fixed free);
    is($one->{bytes}{reserved}, 0, 'nothing half made');
    is(total($one), $one->{size}, 'every byte has a use');

    # what goes away is not counted

    $_->close for @clients[0 .. 9];
    ok(wait_for(sub { status($n, 0)->{subscribers}{total} == 10 }),
       'subscribers that leave');
    $_->close for @clients;
    ok(wait_for(sub { status($n)->{subscribers}{total} == 0 }), 'all of them');
    is(status($n, 0)->{bytes}{listeners}, 0, 'and their listeners');

    is($n->delete('/pub?channel=a0')->status, 200, 'delete');
    is(status($n, 0)->{counters}{deleted}, 1, 'deleted');
    is(status($n, 0)->{messages}, 1, 'one message is left');

    # refused

    is($n->publish('/pub?channel=a0', 'x', headers => {
        'If-Match' => 'other' })->status, 412, 'a condition that fails');
    is(status($n, 0)->{counters}{refused}, 1, 'refused');

    # a gap

    my $id = $n->publish('/pub?channel=g', 'x')->json->{id};
    $n->delete('/pub?channel=g');
    $n->publish('/pub?channel=g', 'y');
    my $c = $n->sse("/sub?channel=g&since=$id");
    $c->wait_event('push.gap');
    is(status($n, 0)->{counters}{gaps}, 1, 'gaps');
    $c->close;
});

for_workers(1, 4, sub {
    my ($workers) = @_;
    my $n = nginx(conf => $conf, workers => $workers);

    $n->publish('/pub?channel=a', "message $_") for 1 .. 5;
    my $before = status($n, 0);
    my @old = $n->workers;

    ok($n->reload, 'reload');
    ok($n->wait_old_workers, 'old workers go');

    my $after = status($n, 0);
    is_deeply($after->{counters}, $before->{counters}, 'counters stay');
    is_deeply($after->{bytes}, $before->{bytes}, 'bytes stay');
    is($after->{messages}, 5, 'messages stay');
    is_deeply([ sort { $a <=> $b } map { $_->{pid} } @{ $after->{workers} } ],
              [ $n->workers ], 'the workers are the new ones');

    my @clients = map { $n->sse('/sub?channel=a') } 1 .. 8 * $workers;
    $_->wait_subscribed for @clients;

    ok($n->kill_worker(($n->workers)[0]), 'kill -9');
    ok($n->wait_workers, 'another worker comes');
    ok(wait_for(sub { status($n, 0)->{counters}{swept} == 1 }), 'swept');

    my $left = grep { !$_->closed } @clients;
    is(status($n, 0)->{subscribers}{total}, $left, 'its subscribers are gone');
    is_deeply([ sort { $a <=> $b }
                map { $_->{pid} } @{ status($n, 0)->{workers} } ],
              [ $n->workers ], 'so is its pid');
});

# each subscriber is counted as what it is, until it has gone

for_workers(1, 4, sub {
    my ($workers) = @_;
    my $n = nginx(conf => $conf, workers => $workers);
    my %count = (sse => 5, websocket => 4, ndjson => 3, poll => 2, total => 14);

    my %c = (
        sse => [ map { $n->sse('/sub?channel=a,b') } 1 .. 5 ],
        websocket => [ map { ws($n, '/sub?channel=a,b') } 1 .. 4 ],
        ndjson => [ map { ndjson($n, '/sub?channel=a,b') } 1 .. 3 ],
        poll => [ map { start_poll($n, '/sub?channel=a,b', wait => 20) }
                  1 .. 2 ],
    );

    ok(wait_for(sub { status($n, 0)->{subscribers}{total} == 14 }), 'all');
    is_deeply(status($n, 0)->{subscribers}, \%count, 'of a zone');
    is_deeply(status($n)->{subscribers}, \%count, 'of all');
    is(status($n, 0)->{counters}{joined}, 28, 'each has two channels');

    my %sum;

    for my $worker (@{ status($n, 0)->{workers} }) {
        $sum{$_} += $worker->{transports}{$_} for keys %{ $worker->{transports} };
        $sum{total} += $worker->{subscribers};
    }

    is_deeply(\%sum, \%count, 'the workers hold them');

    for my $name (qw(poll ndjson websocket sse)) {
        $_->close for @{ $c{$name} };
        $count{total} -= $count{$name};
        $count{$name} = 0;

        ok(wait_for(sub { status($n, 0)->{subscribers}{total}
                          == $count{total} }), "$name: gone");
        is_deeply(status($n, 0)->{subscribers}, \%count, "$name: not others");
    }

    is(status($n, 0)->{bytes}{listeners}, 0, 'and nothing is left of them');
});

subtest 'requests' => sub {
    my $n = nginx(conf => $conf);

    my $r = $n->http(HEAD => '/status');
    is($r->status, 200, 'HEAD');
    ok($r->header('content-length') > 100, 'its length');
    is($r->body, '', 'no body');

    for my $method (qw(POST PUT DELETE OPTIONS)) {
        $r = $n->http($method => '/status', body => 'x');
        is($r->status, 405, $method);
        is($r->header('allow'), 'GET, HEAD', 'Allow');
        is($r->header('content-type'), 'application/problem+json', 'type');
        is($r->json->{type}, 'urn:ngx-push:problem:method-not-allowed', 'slug');
    }

    my $keep = Push::HTTP->new($n->port);
    $keep->request(GET => '/status');
    is($keep->request(GET => '/status')->json->{workers}, 1, 'keep-alive');
    is($keep->{r}{requests}, 2, 'on one connection');

    is($n->get('/status', http10 => 1)->json->{workers}, 1, 'HTTP/1.0');
};

subtest 'a zone of its own making' => sub {
    my $n = nginx(conf => <<'E2');
        server {
            listen 127.0.0.1:%%PORT%%;
            location = /status { push_status; }
        }
E2

    my $all = $n->get('/status')->json;
    is(@{ $all->{zones} }, 1, 'one zone');
    is($all->{zones}[0]{name}, 'push', 'its name');
    is($all->{zones}[0]{size}, 32 << 20, 'its size');
};

subtest 'a name that JSON must escape' => sub {
    my $n = nginx(conf => <<'E2');
        push_zone 'a"b\\c' 1m;
        server {
            listen 127.0.0.1:%%PORT%%;
            location = /status { push_status; }
        }
E2

    is(status($n, 0)->{name}, 'a"b\\c', 'name');
};

subtest 'configuration' => sub {
    my ($good, $said) = Push::Nginx->check(conf => <<'E2');
        server { location / { push_status on; } }
E2
    ok(!$good, 'no argument');
    like($said, qr/"push_status"/, 'which directive');

    ($good, $said) = Push::Nginx->check(conf => 'push_status;');
    ok(!$good, 'only in a location');
    like($said, qr/"push_status" directive is not allowed here/, 'why');
};

done_testing;
