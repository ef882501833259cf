#!/usr/bin/perl

# Long polling: when a poll waits and when it is answered, with what, and that
# a connection that has waited is like any other of NGINX afterwards.

use strict;
use warnings;

use EV;
use Push::Answer;
use Push::Poll;
use Push::Test;
use Push::Ways;
use Push::Writer;

my $n;

my $locations = <<'E2';
    push_history 2000;
    push_poll_timeout 20s;

    location = /pub { push_publish $arg_channel; }
    location = /few { push_history 5; push_publish $arg_channel; }
    location = /sub { push_subscribe $arg_channel; }
    location = /earliest { push_start earliest; push_subscribe $arg_channel; }
    location = /brief { push_poll_timeout 1s; push_subscribe $arg_channel; }
    location = /never { push_poll_timeout 0; push_subscribe $arg_channel; }
    location = /old { push_max_age 1s jitter=0%; push_subscribe $arg_channel; }
    location = /off { push_hibernate off; push_subscribe $arg_channel; }
    location = /limit { limit_conn conns 1000; push_subscribe $arg_channel; }
    location = /status { push_status; }
    location = /basic { access_log off; stub_status; }
    location = /who { return 200 "$remote_addr:$remote_port $server_port"; }
    location = /echo { proxy_pass http://127.0.0.1:%%PORT%%/who; }
E2

my $http = <<'E2';
    push_zone push 16m;
    push_drain_window 1s;
    limit_conn_zone $server_port zone=conns:1m;
E2

sub start {
    $n = ways_nginx(locations => $locations, http => $http, @_);
}

sub publish {
    my ($channel, $body, %headers) = @_;
    my $path = delete $headers{path} // '/pub';

    my $r = $n->publish("$path?channel=$channel", $body, headers => \%headers);
    $r->status == 201 or fail("$path: " . $r->status . ' ' . $r->body);

    return $r->json->{id};
}

sub subscribers {
    my ($channel) = @_;
    my $r = $n->get("/pub?channel=$channel");
    return $r->status == 200 ? $r->json->{subscribers} : 0;
}

# so many wait

sub waiting {
    my ($channel, $count) = @_;
    return wait_for(sub { subscribers($channel) == $count }, 10,
                    "$count that wait");
}

# numbers of stub_status, without the request that asks

sub basic {
    my %b;

    my $text = $n->get('/basic')->body;
    @b{qw(accepts handled requests)} = $text =~ /^ (\d+) (\d+) (\d+)/m;
    @b{qw(active reading writing waiting)} = $text =~
        /connections: (\d+).*Reading: (\d+) Writing: (\d+) Waiting: (\d+)/s;
    $b{active}--;
    $b{writing}--;

    return \%b;
}


for_workers(1, 4, sub {
    my ($workers) = @_;

    start(workers => $workers);

    for_ways($n, sub {
        my ($way, $channel) = @_;

        my $path = "/sub?channel=$channel";
        my $next = page($way, $path)->json->{next};

        # the first message is the answer

        my $p = start_poll($way, $path, since => $next, wait => 20);
        ok(waiting($channel, 1), 'it waits');

        my $id = publish($channel, 'one', 'Push-Event' => 'e');
        my $sent = EV::time;

        ok($p->wait_end(10), 'answered');
        cmp_ok(EV::time - $sent, '<', 5, 'at once');
        is($p->status, 200, 'status');
        is($p->header('content-type'), 'application/json', 'type');
        is($p->header('cache-control'), 'no-store', 'not stored');
        is($p->header('vary'), 'Origin, Accept', 'Vary');
        is($p->header('etag'), qq("$id"), 'ETag');
        is($p->header('content-length'), length $p->body, 'length');
        is($p->header('transfer-encoding'), undef, 'no other framing');

        my $doc = $p->json;
        my $time = delete $doc->{messages}[0]{time};

        like($time, qr/\A\d{4}-.*Z\z/, 'time');
        is_deeply($doc, { next => $id, messages => [ { type => 'message',
                  channel => $channel, id => $id, event => 'e',
                  data => 'one' } ] }, 'the message, and no more');
        ok(waiting($channel, 0), 'nobody is left');

        # what is there is not waited for

        $p = page($way, $path, since => $next, wait => 20);
        is_deeply(ids_of($p), [$id], 'history first');

        # without a start it is from now on

        $p = start_poll($way, $path, wait => 20);
        ok(waiting($channel, 1), 'it waits for what comes');
        publish($channel, 'two');
        $p->wait_end;
        is_deeply(data_of($p), ['two'], 'only that');
        is_deeply(data_of(page($way, "/earliest?channel=$channel",
                               wait => 20)), [ 'one', 'two' ],
                  'unless push_start says else');

        # the time is over

        my $last = $p->json->{next};

        for my $etag (undef, $last) {
            my $from = EV::time;
            my $r = page($way, "/brief?channel=$channel", since => $last,
                         wait => 20, etag => $etag);
            my $took = EV::time - $from;

            cmp_ok($took, '>', 0.9, 'push_poll_timeout');
            is($r->status, $etag ? 304 : 200, 'status');
            is($r->header('etag'), qq("$last"), 'ETag');

            if ($etag) {
                is($r->body, '', 'no body');

            } else {
                is_deeply($r->json, { messages => [], next => $last },
                          'nothing');
            }
        }

        # a tag that is that of the start: whatever comes is news

        $p = start_poll($way, $path, since => $last, wait => 20,
                        etag => $last);
        ok(waiting($channel, 1), 'nothing new: it waits');
        publish($channel, 'three');
        $p->wait_end;
        is($p->status, 200, 'a page');
        is_deeply(data_of($p), ['three'], 'with what came');

        # who goes away is not counted

        my @p = map { start_poll($way, $path, wait => 20) } 1 .. 3;
        ok(waiting($channel, 3), 'three');
        $p[0]->close;
        $p[1]->reset;
        ok(waiting($channel, 1), 'one is left');
        $p[2]->close;
        ok(waiting($channel, 0), 'none');

        # the end, while it waits

        for my $how (qw(seal empty delete)) {
            my $c = "$channel$how";
            my $id = publish($c, 1);
            my $p = start_poll($way, "/sub?channel=$c", since => $id,
                               wait => 20, etag => $id);

            waiting($c, 1);
            $n->http(delete => "/pub?channel=$c") if $how eq 'delete';
            publish($c, 2, 'Push-End' => 'true') if $how eq 'seal';
            $n->publish("/pub?channel=$c", '', headers => {
                'Push-End' => 'true' }) if $how eq 'empty';
            $n->delete("/pub?channel=$c") if $how eq 'delete';

            ok($p->wait_end(10), "$how: answered");
            is($p->status, 200, "$how: 200");
            is_deeply(data_of($p), $how eq 'seal' ? [2] : [],
                      "$how: messages");

            # a last message is one answer, the end behind it the next

            $p = page($way, "/sub?channel=$c", since => $p->json->{next},
                      wait => 20) if $how eq 'seal';
            is($p->json->{ended}, JSON::PP::true, "$how: ended");
            ok(waiting($c, 0), "$how: nobody is left");
        }
    }, $workers == 1 ? (not => 'kept') : ());
});


start(workers => 2);

# Prefer, in its forms

{
    my @waits = ('wait=20', 'WAIT=20', 'respond-async, wait=20',
                 'wait=20, respond-async', 'wait=20; x=y', "a=b;c=d,\twait=20",
                 'wait=99999999999999999999', 'handling=lenient,wait=20',
                 'wait = 20', 'wait="20"');
    my @not = ('wait=0', 'wait=', 'wait', 'wait=x', 'wait=-1', 'await=20',
               'respond-async', 'waiting=20', '', 'x="wait=20"',
               'a="b, wait=20"', 'a="\\", wait=20"', 'a;wait=20', 'wait=20x',
               'wait="20', 'wait=2 0', 'wait==20', 'wait=0, wait=20');

    for my $i (0 .. $#waits) {
        my $p = start_poll($n, "/sub?channel=w$i",
                           headers => { Prefer => $waits[$i] });
        ok(waiting("w$i", 1), "Prefer: $waits[$i]: it waits");
        publish("w$i", 'x');
        ok($p->wait_end, 'answered');
    }

    for my $prefer (@not) {
        my $p = start_poll($n, '/sub?channel=n', headers => {
            Prefer => $prefer });
        ok($p->wait_end(5), "Prefer: $prefer: no wait");
        is_deeply(data_of($p), [], 'empty');
    }

    my $p = start_poll($n, '/sub?channel=two', headers => [
        Prefer => 'respond-async', Prefer => 'wait=20' ]);
    ok(waiting('two', 1), 'in the second of two headers');
    $p->close;

    ok(start_poll($n, '/never?channel=n', wait => 20)->wait_end(5),
       'push_poll_timeout 0');

    my $from = EV::time;
    $p = start_poll($n, '/sub?channel=n', wait => 1);
    ok($p->wait_end, 'a wait of a second');
    my $took = EV::time - $from;
    ok($took >= 0.9 && $took < 8, 'takes about that') or diag($took);

    $from = EV::time;
    $p = start_poll($n, '/old?channel=n', wait => 20);
    ok($p->wait_end, 'push_max_age');
    cmp_ok(EV::time - $from, '<', 8, 'ends it sooner');
    is_deeply($p->json->{messages}, [], 'with an empty list');
}


# a poll after the other on one connection

sub keeps {
    my ($what, $path, %opt) = @_;
    my $channel = delete $opt{channel};
    my $p;

    my $c = "$path?channel=$channel";
    my $next = page($n, "/sub?channel=$channel")->json->{next};

    for my $i (1 .. 20) {
        my ($path, %all) = poll_request($c, %opt, since => $next, wait => 20);

        $p = $p ? $p->again($path, %all, method => 'GET')
                : start_poll($n, $c, %opt, since => $next, wait => 20);

        waiting($channel, 1) or last;
        publish($channel, $i);
        $p->wait_end or last;
        is("@{ data_of($p) }", $i, "$what: message $i") or last;
        $next = $p->json->{next};

        # anything else in between, too

        if ($i % 4 == 0) {
            my ($who) = $p->again($i % 8 ? '/who' : '/echo', method => 'GET',
                                  headers => []);
            $who->wait_end or last;
            push @{ $p->{who} }, $who->body if $i % 8;
        }
    }

    is($p->{requests}, 25, "$what: one connection");
    is(scalar(keys %{ { map { $_ => 1 } @{ $p->{who} } } }), 1,
       "$what: of one client") or diag("@{ $p->{who} }");
    like($p->{who}[0], qr/\A127\.0\.0\.1:\d{2,5} \d+\z/, "$what: its address");

    return $p;
}

for_workers(1, 4, sub {
    start(workers => $_[0]);

    my @kept = (
        keeps('hibernated', '/sub', channel => 'k1'),
        keeps('push_hibernate off', '/off', channel => 'k2'),
        keeps('limit_conn', '/limit', channel => 'k3'),
        keeps('TLS', '/sub', channel => 'k4', tls => 1, port => $n->port(3)),
        keeps('TLS, kept', '/off', channel => 'k5', tls => 1,
              port => $n->port(4)),
        keeps('HTTP/1.0', '/sub', channel => 'k6', http10 => 1,
              headers => { Connection => 'keep-alive' }),
    );

    # these are idle connections like any others, when it comes to a reload

    ok($n->reload, 'reload');
    ok($n->wait_old_workers(5), 'they keep no old worker');
    ok(wait_for(sub { !grep { !$_->closed } @kept }), 'they are closed');
});

# who does not want it is not kept

start(workers => 1);

for my $case ([ 'Connection: close', headers => { Connection => 'close' } ],
              [ 'HTTP/1.0', http10 => 1 ])
{
    my ($what, %opt) = @$case;
    my $p = start_poll($n, '/sub?channel=close', wait => 20, %opt);

    waiting('close', 1);
    publish('close', 'x');
    ok($p->wait_closed, "$what: closed");
    is($p->closed, 'clean', "$what: after a whole answer");
    is($p->header('connection'), 'close', "$what: it is said");
}

# what NGINX counts

{
    my $before = basic();
    my @p = map { start_poll($n, '/sub?channel=count', wait => 20) } 1 .. 10;

    waiting('count', 10);
    my $asked = basic();
    is($asked->{active} - $before->{active}, 10, 'connections');
    is($asked->{writing}, 0, 'no requests');

    publish('count', 'x');
    $_->wait_end for @p;

    ok(wait_for(sub { basic()->{waiting} == 10 }, 5, 'idle connections'),
       'idle connections');
    $asked = basic();
    is($asked->{active} - $before->{active}, 10, 'connections stay');
    is($asked->{reading} + $asked->{writing}, 0, 'no request is left');
    is($asked->{accepts}, $asked->{handled}, 'all accepted are handled');

    my $r = basic();
    my ($path, %all) = poll_request('/sub?channel=count', wait => 20,
                                    since => 'latest');
    for (1 .. 5) {
        $p[0]->again($path, %all, method => 'GET');
        waiting('count', 1);
        publish('count', 'y');
        $p[0]->wait_end;
    }

    # all other requests have a connection of their own

    my $s = basic();
    is(($s->{requests} - $r->{requests}) - ($s->{accepts} - $r->{accepts}), 5,
       'a poll is one request');

    $_->close for @p;
    ok(wait_for(sub { basic()->{active} == $before->{active} }),
       'all connections are gone');
}

# limits for what is kept alive

{
    my $n2 = nginx(conf => <<'E2');
        keepalive_requests 10;
        server {
            listen 127.0.0.1:%%PORT%%;
            keepalive_timeout 1s;
            location = /pub { push_publish $arg_channel; }
            location = /sub { push_subscribe $arg_channel; }
            location = /not { keepalive_timeout 0;
                              push_subscribe $arg_channel; }
        }
E2

    my $one = sub {
        my ($p, $path) = @_;
        my ($c, %all) = poll_request("$path?channel=a", wait => 20);

        $p = $p ? $p->again($c, %all, method => 'GET')
                : start_poll($n2, "$path?channel=a", wait => 20);
        wait_for(sub { $n2->get('/pub?channel=a')->status == 200
            && $n2->get('/pub?channel=a')->json->{subscribers} == 1 });
        $n2->publish('/pub?channel=a', 'x');
        $p->wait_end;
        return $p;
    };

    my $p;
    my $count = 0;

    while ($count < 20 && (!$p || ($p->header('connection') // '')
                                  ne 'close'))
    {
        $p = $one->($p, '/sub');
        $count++;
    }

    is($count, 10, 'keepalive_requests');
    ok($p->wait_closed, 'and it closes');

    $p = $one->(undef, '/sub');
    is($p->header('connection'), 'keep-alive', 'kept alive');
    ok($p->wait_closed(10), 'keepalive_timeout');

    $p = $one->(undef, '/not');
    is($p->header('connection'), 'close', 'keepalive_timeout 0');
    ok($p->wait_closed(10), 'closes');
}


# requests that come before the answer of the one before

for_workers(1, 2, sub {
    start(workers => $_[0]);

    my $request = sub {
        my ($channel, $more) = @_;
        return "GET /sub?channel=$channel HTTP/1.1\r\nHost: l\r\n"
               . "Accept: application/json\r\nPrefer: wait=20\r\n"
               . ($more // '') . "\r\n";
    };

    for my $case ([ 'plain', 1 ], [ 'kept', 2 ], [ 'TLS', 3, 1 ]) {
        my ($what, $port, $tls) = @$case;
        my @opt = (port => $n->port($port), tls => $tls);

        # in one packet, later, in pieces, large

        for my $how ('with it', 'after it', 'in pieces', 'large',
                     'half of it')
        {
            my $c = "$what-$how" =~ s/\W+/_/gr;
            my $big = 'X-A: ' . 'x' x 3000 . "\r\n";
            my $second = $request->("${c}2", $how eq 'large' ? $big : '');
            my $third = "GET /who HTTP/1.1\r\nHost: l\r\n\r\n";
            my $first = $request->("${c}1");

            my $p = Push::HTTP::Response->new($n->port($port), $c,
                tls => $tls, request => $first . ($how eq 'with it'
                                                  ? $second . $third : ''));
            ok(waiting("${c}1", 1), "$what, $how: the first waits");

            if ($how eq 'after it' || $how eq 'large') {
                $p->send($second . $third);

            } elsif ($how eq 'half of it') {
                $p->send(substr $second, 0, 20, '');

            } elsif ($how eq 'in pieces') {
                for (split /(?<=\G.{30})/s, $second) {
                    $p->send($_);
                    $n->get('/who');
                }
            }

            is(subscribers("${c}2"), 0, "$what, $how: the second has to wait");
            publish("${c}1", 'for the first');

            # answers one behind the other are more than Push::Client reads

            my $all = sub { $p->{seen} = ($p->{seen} // '') . $p->{body}
                            if 0; return $p->{body} . $p->{in} };

            ok($p->wait_end, "$what, $how: the first is answered");
            is_deeply(data_of(bless $p, 'Push::HTTP::Response'),
                      ['for the first'], 'with its message');

            my $rest = $p->{in};

            %$p = (%$p, in => $rest, body => '', state => 'head',
                   headers => {}, method => 'GET');
            delete @$p{qw(ended ended_at head_at status left)};

            $p->send($second) if $how eq 'half of it';
            $p->send($third) if $how eq 'half of it' || $how eq 'in pieces';

            ok(waiting("${c}2", 1), "$what, $how: now the second waits");
            publish("${c}2", 'for the second');
            ok($p->wait_end, "$what, $how: the second is answered");
            is_deeply(data_of($p), ['for the second'], 'with its message');

            $rest = $p->{in};
            %$p = (%$p, in => $rest, body => '', state => 'head',
                   headers => {});
            delete @$p{qw(ended ended_at head_at status left)};
            $p->_parse if length $rest;
            ok($p->wait_end, "$what, $how: the third is answered");
            like($p->body, qr/\A127\.0\.0\.1:/, 'as usual');
            $p->close;
        }
    }

    # who has sent more and goes away is gone all the same

    for my $case ([ 'plain', 1 ], [ 'kept', 2 ], [ 'TLS', 3, 1 ],
                  [ 'TLS, kept', 4, 1 ])
    {
        my ($what, $port, $tls) = @$case;
        my $c = "gone$port";

        for my $how (qw(close reset)) {
            my $p = Push::HTTP::Response->new($n->port($port), $c,
                tls => $tls, request => $request->($c));
            waiting($c, 1);
            $p->send($request->($c));
            run_for(0.05);
            $p->$how;
            ok(waiting($c, 0), "$what: $how after an early request");
        }
    }
});

done_testing;
