#!/usr/bin/perl

# Streams among what else NGINX does: filters, limits, logs, requests before
# and bytes behind, a server with no room left.

use strict;
use warnings;

use Push::Test;
use Push::Ways;

my $n;

my $locations = <<'E2';
    push_retry 700ms 900ms;

    location = /pub { push_publish $arg_channel; }
    location = /sub { push_subscribe $arg_channel; }
    location = /text { return 200 "text\n"; }
    location = /file { root html; sendfile on; tcp_nopush on; try_files /f =404; }

    location = /filters {
        gzip on;
        gzip_types *;
        gzip_min_length 1;
        gzip_vary on;
        gunzip on;
        sub_filter_types *;
        sub_filter_once off;
        sub_filter e E;
        sub_filter data: DATA;
        ssi on;
        ssi_types *;
        add_before_body /text;
        add_after_body /text;
        addition_types *;
        charset utf-8;
        charset_types *;
        output_buffers 1 64;
        postpone_output 100000;
        push_subscribe $arg_channel;
    }

    location = /slow { limit_rate 10; limit_rate_after 1;
                       push_subscribe $arg_channel; }
    location = /plain { chunked_transfer_encoding off;
                        push_subscribe $arg_channel; }
    location = /ssi { ssi on; ssi_types *; default_type text/plain;
                      return 200 '<!--# include virtual="/sub?channel=a" -->'; }
    location = /ask { push_subscribe a; }
    location = /auth { auth_request /ask; root html; try_files /f =404; }
    location = /log {
        access_log logs/push.log push;
        push_subscribe $arg_channel;
    }
E2

my $http = 'log_format push "$request_uri $status $push_channels $push_id '
           . '$push_transport";';

sub publish {
    my ($channel, $body, %headers) = @_;
    my $r = $n->publish("/pub?channel=$channel", $body, headers => \%headers);
    is($r->status, 201, 'published') or diag($r->body);
    return $r->json->{id};
}

sub subscribers {
    my ($channel) = @_;
    my $r = $n->get("/pub?channel=$channel");
    return $r->status == 200 ? $r->json->{subscribers} : 0;
}

sub empty_stream {
    my ($r, $what) = @_;

    is($r->status, 200, "$what: 200");
    is($r->header('content-type'), 'text/event-stream', "$what: a stream");
    is($r->header('cache-control'), 'no-store, no-transform',
       "$what: not cached");
    is($r->header('content-encoding'), undef, "$what: as it is");
    like($r->{all} // $r->body, qr/\Aretry: [789]\d\d\n\n\z/, "$what: retry");
    ok(!$r->closed || $r->closed eq 'clean', "$what: a proper end");
}

for_workers(1, 4, sub {
    $n = ways_nginx(locations => $locations, http => $http, workers => $_[0]);
    $n->write_file('html/f', 'f' x 100_000);

    my $log = '';

    for_ways($n, sub {
        my ($way, $channel) = @_;

        # nothing touches the stream or holds it back

        my $c = $way->sse("/filters?channel=$channel",
                          headers => { 'Accept-Encoding' => 'gzip, br' });
        $c->wait_subscribed;

        is($c->header('content-encoding'), undef, 'no encoding');
        like($c->header('content-type'), qr{\Atext/event-stream\b}, 'type');
        is($c->header('vary'), 'Origin, Accept', 'Vary');

        my $id = publish($channel, "e data: <!--# echo -->\xd0\x96");
        $c->wait_messages(1);
        is($c->{all} =~ s/\A.*?\n\n//sr,
           "id: $id\ndata: e data: <!--# echo -->\xd0\x96\n\n", 'no filter');

        my $slow = $way->sse("/slow?channel=$channel");
        $slow->wait_subscribed;
        publish($channel, 'x' x 65_000);
        ok($slow->wait_messages(1, 20), 'no limit of the rate');

        my $plain = $way->sse("/plain?channel=$channel");
        $plain->wait_subscribed;
        is($plain->header('transfer-encoding'), undef, 'not chunked');
        publish($channel, 'y');
        $plain->wait_messages(1);
        is_deeply($plain->data, ['y'], 'all the same');

        $_->close for $c, $slow, $plain;

        # the logs

        $c = $way->sse("/log?channel=$channel");
        $c->wait_subscribed;
        my $first = $c->events->[0]{id};

        wait_for(sub { subscribers($channel) == 1 });
        $log .= "/log?channel=$channel 200 $channel $first sse\n"
            unless $way->is_kept;
        is($n->read_file('logs/push.log'), $log,
           $way->is_kept ? 'not logged before its end' : 'logged at its start');

        $id = publish($channel, 'logged');
        $c->wait_messages(1);
        $c->close;

        ok($n->wait_log(qr/\[info\].*push: sse .* "$channel" left .*id $id/),
           'its end is a line');

        $log .= "/log?channel=$channel 200 $channel $id sse\n" if $way->is_kept;
        ok(wait_for(sub { $n->read_file('logs/push.log') eq $log }),
           $way->is_kept ? 'logged at its end' : 'only once');
    });

    # bytes before and behind

    for_ways($n, sub {
        my ($way, $channel) = @_;

        my $head = "Host: localhost\r\n";
        my $sub = "GET /sub?channel=$channel HTTP/1.1\r\n${head}"
                  . "Accept: text/event-stream\r\n";
        my $n_requests = 0;

        for (
            [ 'a request behind' => "$sub\r\nGET /text HTTP/1.1\r\n$head\r\n" ],
            [ 'many bytes behind' => "$sub\r\n" . 'x' x 5000 ],
            [ 'large headers' => "${sub}X-A: " . 'a' x 6000 . "\r\nX-B: "
                                 . 'b' x 6000 . "\r\n\r\nrest" ],
            [ 'a body' => "${sub}Content-Length: 5\r\n\r\nabcde" ],
            [ 'a body in chunks', "${sub}Transfer-Encoding: chunked\r\n\r\n"
                                  . "3\r\nabc\r\n0\r\n\r\n" ],
            [ 'a body that comes later' => "${sub}Content-Length: 5\r\n\r\nab",
              'cde' ],
            [ 'only LF' => $sub =~ s/\r//gr . "\n" ],
        ) {
            my ($what, $request, $later) = @$_;

            my $c = $way->sse('', request => $request);
            $c->wait_subscribed;
            $c->send($later) if $later;

            my $m = 'm' . ++$n_requests;
            publish($channel, $m);
            $c->wait_messages(1);
            is_deeply($c->data, [$m], $what);

            $c->close;
            ok(wait_for(sub { !subscribers($channel) }), "$what: it left");
        }

        # a connection that served others before

        my $c = $way->sse('', request => "GET /text HTTP/1.1\r\n$head\r\n"
                          . "GET /file HTTP/1.1\r\n$head\r\n"
                          . "HEAD /sub?channel=x HTTP/1.1\r\n$head\r\n$sub\r\n");

        wait_for(sub { length($c->body . $c->{in}) > 100_000
                       && ($c->{all} . $c->{in}) =~ /push.subscribed.*\n\n/s });
        my $id = publish($channel, 'late');
        ok(wait_for(sub { ($c->{all} . $c->{in}) =~ /\Qid: $id\E\ndata: late/ }),
           'after others on its connection');

        $n->delete("/pub?channel=$channel");
        $c->wait_closed;
        like($c->{all} . $c->{in}, qr/push.closed/, 'its end');
    }, not => [ 'http2', 'http10' ]);
});

$n = ways_nginx(locations => $locations, http => $http, workers => 2);

# a stream is no part of something else

{
    my $r = $n->get('/ssi');
    is($r->body =~ /retry|event:/, '', 'not included');
    is($n->get('/auth')->status, 500, 'no one to ask');
    is(scalar(() = $n->log_lines(qr/a stream cannot be a part/)), 2, 'logged');
    is(subscribers('a'), 0, 'nobody subscribes');
}

# a reader that stops and goes on; poll, where it is built in, tells again and
# again what was not heeded

for my $method (qw(epoll poll)) {
    my %opt = (locations => $locations, http => $http, workers => 1,
               events => "use $method; worker_connections 512;");

    next unless Push::Nginx->check(events => $opt{events});

    my $m = ways_nginx(%opt);

    for_ways($m, sub {
        my ($way, $channel) = @_;

        my $slow = $way->sse("/sub?channel=$channel", rcvbuf => 4096);
        my $c = $way->sse("/sub?channel=$channel");
        $_->wait_subscribed for $c, $slow;
        $slow->pause unless $way->is_http2;

        $m->publish("/pub?channel=$channel", 'x' x 60_000) for 1 .. 100;

        $c->wait_messages(100);
        is($c->received, 100, 'messages');

        $slow->resume unless $way->is_http2;
        wait_for(sub { $slow->event('push.gap') || $slow->received == 100 });
        wait_for(sub { $slow->last_id eq $c->last_id });
        ok(1, 'the slow one too');

        my $ticks = sub {
            my @stat = split / /, Push::Nginx::_slurp('/proc/'
                                                . ($m->workers)[0] . '/stat');
            return $stat[13] + $stat[14];
        };

        my $before = $ticks->();
        run_for(0.2);
        cmp_ok($ticks->() - $before, '<', 10, 'and nothing spins');
    });
}

# signs of life go on after a pause that was longer than they are apart

{
    my $m = nginx(conf => <<'E2');
        server {
            listen 127.0.0.1:%%PORT%% sndbuf=4k;
            push_history off;
            location = /pub { push_publish $arg_channel; }
            location = /sub { push_heartbeat 1s; push_subscribe $arg_channel; }
        }
E2

    my $c = $m->sse('/sub?channel=a', rcvbuf => 4096);
    $c->wait_subscribed;
    $c->pause;

    $m->publish('/pub?channel=a', 'x' x 60_000) for 1 .. 10;
    run_for(2.2);
    my $before = @{ $c->comments };

    $c->resume;
    $c->wait_messages(10);
    ok(wait_for(sub { @{ $c->comments } >= $before + 2 }, 10), 'they go on');
    is(scalar(grep { $_ ne '' } @{ $c->comments }), 0, 'as they were');
    is_deeply($c->unknown, [], 'nothing else');
    ok(!$c->{bad}, 'framing');
}

# few connections are free

{
    my $m = ways_nginx(locations => $locations, http => $http, workers => 1,
                       events => 'worker_connections 96;');

    my @c;

    for (1 .. 120) {
        my $c = $m->sse('/sub?channel=full');
        $c->wait_head;
        wait_for(sub { $c->event('push.subscribed') || $c->closed });
        last if !$c->event('push.subscribed');
        push @c, $c;
    }

    cmp_ok(scalar @c, '>', 60, 'many find a place');
    cmp_ok(scalar @c, '<', 96, 'but not all');

    for my $way (all_ways($m)) {
        my $c = $way->sse('/sub?channel=full');
        wait_for(sub { $c->ended || $c->closed });
        empty_stream($c, $way->name);
    }

    my $c = $m->sse('/filters?channel=full',
                    headers => { 'Accept-Encoding' => 'gzip' });
    $c->wait_closed;
    is(scalar $c->retry, ($c->{all} // '') =~ /(\d+)/ ? $1 : $c->retry,
       'through filters');
    is($c->header('content-encoding'), undef, 'as it is');

    is($m->publish('/pub?channel=full', 'x')->status, 201, 'still publishes');
    ok(wait_for(sub { !grep { $_->received < 1 } @c }), 'to all of them');

    $_->close for @c;
    $c = undef;
    ok(wait_for(sub { $m->get('/pub?channel=full')->json->{subscribers} == 0 }),
       'all go');
    $c = $m->sse('/sub?channel=full');
    ok($c->wait_subscribed, 'and there is room again');
}

# the zone is full

{
    my $m = ways_nginx(locations => $locations, workers => 2,
                       http => "$http push_zone tiny 128k;");
    my @c;

    for (1 .. 4000) {
        my $c = $m->sse("/sub?channel=$_" . 'c' x 200);
        $c->wait_head;
        wait_for(sub { $c->event('push.subscribed') || $c->closed });
        last if !$c->event('push.subscribed');
        push @c, $c;
    }

    cmp_ok(scalar @c, '>', 50, 'many channels');
    cmp_ok(scalar @c, '<', 4000, 'until the zone is full');

    for my $way (all_ways($m)) {
        my $c = $way->sse('/sub?channel=' . 'd' x 240);
        wait_for(sub { $c->ended || $c->closed });
        empty_stream($c, $way->name);
    }

    $_->close for @c[0 .. 9];
    my $c;
    ok(wait_for(sub {
        $c = $m->sse('/sub?channel=again');
        wait_for(sub { $c->event('push.subscribed') || $c->closed });
        return $c->event('push.subscribed');
    }), 'and there is room again');
}

done_testing;
