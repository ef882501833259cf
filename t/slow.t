#!/usr/bin/perl

# Readers that do not read: they cost what idle ones cost, nobody else feels
# them, and what they get in the end is complete or has its gap in the place.

use strict;
use warnings;

use EV;

use Push::Test;
use Push::Ways;

my $asan = $ENV{PUSH_ASAN} || $ENV{PUSH_COVER};

my $locations = <<'E2';
    push_history 10;
    push_backlog 32k;

    location = /pub { push_publish $arg_channel; }
    location = /sub { push_subscribe $arg_channel; }
    location = /beat { push_heartbeat 1s; push_subscribe $arg_channel; }
    location = /close { push_slow_reader close; push_subscribe $arg_channel; }
    location = /timeout { send_timeout 1s; push_subscribe $arg_channel; }
    location = /reset { send_timeout 1s; reset_timedout_connection on;
                        push_subscribe $arg_channel; }
    location = /many { push_backlog 1m; push_publish $arg_channel; }
    location = /status { push_status; }
E2

sub nginx_of {
    return ways_nginx(locations => $locations, listen => 'sndbuf=8k', @_);
}

sub publish {
    my ($n, $channel, $body, %opt) = @_;
    my $r = $n->publish(($opt{path} // '/pub') . "?channel=$channel", $body);
    $r->status == 201 or fail('published: ' . $r->status);
    return $r->json->{id};
}

sub subscribers {
    my ($n, $channel) = @_;
    my $r = $n->get("/pub?channel=$channel");
    return $r->status == 200 ? $r->json->{subscribers} : 0;
}

sub memory {
    my ($n) = @_;
    my $sum = 0;

    for my $pid ($n->workers) {
        my $status = Push::Nginx::_slurp("/proc/$pid/status");
        $sum += $1 if $status =~ /^RssAnon:\s+(\d+) kB/m;
    }

    return $sum * 1024;
}

# how a record of numbered messages goes: undef if it is complete and in
# order, but for gaps that are told in their place

sub holes {
    my ($c, $ids, $from, $to) = @_;
    my $next = $from;

    for my $e (@{ $c->events }) {

        if ($e->{event} eq 'push.gap') {
            my $gap = decode_json($e->{data});
            my ($at) = grep { $ids->[$_] eq $e->{id} } 0 .. $#$ids;
            my ($oldest) = grep { $ids->[$_] eq $gap->{oldest} } 0 .. $#$ids;

            return "gap asked for $gap->{requested}"
                if $gap->{requested} ne ($ids->[$next - 1] // '');
            return "gap is $gap->{reason}" if $gap->{reason} ne 'overrun';
            return 'gap of nothing' if !defined $at || $at < $next;

            $next = $at + 1;

        } elsif ($e->{event} eq 'message') {
            my ($i) = $e->{data} =~ /\A(\d+)/;

            return "$i for $next" if $i != $next;
            return "id of $i" if $e->{id} ne $ids->[$i];
            $next++;
        }
    }

    return $next == $to + 1 ? undef : "ends at $next";
}


# 200 that never read among 2,000

for_workers(1, 4, sub {
    my ($workers) = @_;
    my $n = nginx_of(workers => $workers);
    my $zone = sub { $n->get('/status')->json->{zones}[0]{bytes} };

    my $first = publish($n, 'news', '0');
    my @fast = map { $n->sse('/sub?channel=news', keep => 0, on_event => sub {
        my ($c, $e) = @_;
        return if $e->{event} ne 'message';
        $c->{wrong}++ if substr($e->{data}, 0, 4) != ++$c->{number};
    }) } 1 .. 1800;
    my @slow = map { $n->sse('/sub?channel=news', rcvbuf => 4096) } 1 .. 200;
    my $other = $n->sse('/sub?channel=other');

    $_->wait_subscribed for @fast, @slow, $other;
    $_->pause for @slow;

    my $before = memory($n);
    my @ids = ($first);

    for my $i (1 .. 60) {
        push @ids, publish($n, 'news', sprintf '%04d%s', $i, 'x' x 2000);
        publish($n, 'other', $i) if $i % 4 == 0;
    }

    ok(wait_for(sub { !grep { $_->received < 60 } @fast }),
       'the others get everything');
    is(scalar(grep { $_->{wrong} || $_->event('push.gap') } @fast), 0,
       'once, in order, without a gap');
    is($other->wait_messages(15) && $other->received, 15, 'another channel');

    my $grown = memory($n) - $before;
    note("workers' memory: $grown bytes more");
    cmp_ok($grown, '<', 200 * 8192, 'at most a few KiB for each slow one')
        unless $asan;

    my $bytes = $zone->();
    note("zone: $bytes->{messages} bytes of messages");
    cmp_ok($bytes->{messages}, '<', 100 * 1024, 'the zone keeps the backlog');
    is(subscribers($n, 'news'), 2000, 'nobody was cut off');

    # then they read

    $_->resume for @slow;
    ok(wait_for(sub { !grep { $_->last_id ne $ids[60] } @slow }), 'slow ones');

    my @holes = grep { defined } map { holes($_, \@ids, 1, 60) } @slow;
    is_deeply(\@holes, [], 'complete but for the gaps they were told of');
    cmp_ok(scalar(grep { $_->event('push.gap') } @slow), '>', 100, 'overrun');

    # and are as the others

    push @ids, publish($n, 'news', '0061 last');
    ok(wait_for(sub { !grep { $_->last_id ne $ids[61] } @slow, @fast }),
       'all get the next');

    my $counters = $n->get('/status')->json->{zones}[0]{counters};
    cmp_ok($counters->{overrun}, '>', 0, 'counted');

    $_->close for @fast, @slow, $other;
    ok(wait_for(sub { subscribers($n, 'news') == 0 }), 'all gone');
    ok(wait_for(sub { $zone->()->{messages} < 40 * 1024 }),
       'and only the history is left');
});


my $n = nginx_of(workers => 2);

# a stop in the middle of a message, by all at the same time

{
    my @ways = all_ways($n);
    my @c = map { $_->sse('/beat?channel=' . $_->channel, rcvbuf => 4096) }
            @ways;
    my @want = map { "$_ " . join '', map { chr 97 + $_ % 26 } 1 .. 65_000 }
               1 .. 3;

    my $all = sub {
        for my $way (@ways) {
            publish($n, $way->channel, $_, path => '/many') for @_;
        }
    };
    my $exact = sub {
        my ($i, $what) = @_;
        my $got = join ' ', @{ $c[$i]->data };
        ok($got eq "@want", $ways[$i]->name . ": $what");
    };

    $_->wait_subscribed for @c;
    $_->pause for @c;
    $all->(@want);
    run_for(1.2);

    $_->resume for @c;
    $_->wait_messages(1) for @c;
    push @want, 'between';
    $all->('between');

    for my $i (0 .. $#c) {
        $c[$i]->wait_messages(4);
        $exact->($i, 'exact');
        is($c[$i]->event('push.gap'), undef, 'no gap');
        is_deeply($c[$i]->unknown, [], 'nothing in between');
        ok(!$c[$i]{bad}, 'framing');
    }

    # once more: what was held back is forgotten

    $_->pause for @c;
    push @want, 'z' x 65_000, 'after';
    $all->(@want[-2, -1]);
    run_for(0.1);
    $_->resume for @c;
    $_->wait_messages(6) for @c;
    $exact->($_, 'exact again') for 0 .. $#c;

    # stopped, and the channel is deleted

    $_->pause for @c;
    $all->('y' x 65_000);
    run_for(0.1);
    $n->delete('/pub?channel=' . $_->channel) for @ways;
    run_for(0.1);

    for my $i (0 .. $#c) {
        $c[$i]->resume;
        $c[$i]->wait_closed;

        is($c[$i]->closed, 'clean', $ways[$i]->name . ': a proper end');
        is($c[$i]->events->[-1]{event}, 'push.closed', 'with the last word');

        my @data = @{ $c[$i]->data };
        ok(@data == 6 || $data[6] eq 'y' x 65_000, 'behind a whole message');
    }
}

# overrun, or closed

for_ways($n, sub {
    my ($way, $channel) = @_;

    # one the socket of which takes all but a few bytes is no slow reader

    my @ids = publish($n, $channel, '0');
    my $size = $way->is_http2 ? 30_000 : 4000;

    my $gap = $way->sse("/sub?channel=$channel", rcvbuf => 4096);
    my $close = $way->sse("/close?channel=$channel", rcvbuf => 4096);

    for my $c ($gap, $close) {
        $c->wait_subscribed;
        $c->pause;
    }

    push @ids, map { publish($n, $channel, $_ . ' ' . 'x' x $size) } 1 .. 60;

    $gap->resume;
    ok(wait_for(sub { ($gap->last_id // '') eq $ids[60] }), 'up to the last');
    is(holes($gap, \@ids, 1, 60), undef, 'the gap is in its place');

    my @gaps = grep { $_->{event} eq 'push.gap' } @{ $gap->events };
    cmp_ok(scalar @gaps, '>=', 1, 'there is one');
    my $kept = grep { $_->{data} =~ /\A(?:5[1-9]|60) /a } @{ $gap->messages };
    is($kept, 10, 'all that history has was sent');

    $close->resume;
    $close->wait_closed;
    is($close->closed, 'clean', 'or closed: a proper end');
    is($close->event('push.gap'), undef, 'without a gap');

    my $e = $close->events->[-1];
    is($e->{event}, 'push.reconnect', 'push.reconnect');
    is($e->{id}, $close->messages->[-1]{id} // $ids[0], 'from the last id');

    my $c = $way->sse("/sub?channel=$channel&since=$e->{id}");
    $c->wait_messages(10);
    is(decode_json($c->event('push.gap')->{data})->{reason}, 'expired',
       'and then the gap is told');
    $_->close for $c, $gap;
});

# a socket that takes nothing is closed

{
    my @c;

    for my $way (all_ways($n)) {
        for my $path ('/timeout', '/reset') {
            my $c = $way->sse("$path?channel=stuck", rcvbuf => 4096);
            $c->wait_subscribed;
            $c->{name} = $way->name . " $path";
            $c->{way} = $way;
            push @c, $c;
        }
    }

    $_->pause for @c;

    my $idle = $n->sse('/timeout?channel=stuck');
    $idle->wait_subscribed;

    publish($n, 'stuck', 'x' x 65_000) for 1 .. 10;
    is(subscribers($n, 'stuck'), @c + 1, 'all are there');
    ok(wait_for(sub { subscribers($n, 'stuck') == 1 }), 'and then one');

    my $lines = $n->log_lines(qr/push: client took nothing for send_timeout/);
    is($lines, scalar @c, 'which the log says');

    for my $c (@c) {
        $c->resume;
        $c->wait_closed;
        isnt($c->closed, 'clean', "$c->{name}: not a proper end")
            unless $c->{way}->is_http10;
        is($c->closed, 'reset', "$c->{name}: a reset")
            if $c->{path} =~ /reset/ && !$c->{way}->is_http2;
    }

    $idle->wait_messages(10);
    is($idle->received, 10, 'the one that reads stays');
    run_for(1.5);
    ok(!$idle->closed, 'also when there is nothing to send');
}

# what a kept request costs does not grow with what it is sent

SKIP: {
    skip 'memory of an instrumented build', 1 if $asan;

    my $m = nginx_of(workers => 1);
    my @c = map { $_->sse('/sub?channel=long', keep => 0) }
            all_ways($m, only => 'kept');

    $_->wait_subscribed for @c;

    my $send = sub {
        our $sent += 500;

        # NGINX ends a connection after keepalive_requests, 1000 of them

        my $keep = Push::HTTP->new($m->port);
        $keep->request(POST => '/many?channel=long', body => 'x' x 500)
            for 1 .. 500;
        $_->wait_messages($sent) for @c;
    };

    $send->();
    my $before = memory($m);

    $send->() for 1 .. 4;
    cmp_ok(memory($m) - $before, '<', 300_000, 'no growth');
}

done_testing;
