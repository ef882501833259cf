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
    location = /status { push_status; }
E2

my $http = <<'E2';
    push_zone push 16m;
    push_drain_window 1s;
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


for_workers(1, 4, sub {
    my ($workers) = @_;
    my @few = $workers == 1 ? (not => 'kept') : ();

    start(workers => $workers);

    for_ways($n, sub {
        my ($way, $channel) = @_;

        my $path = "/sub?channel=$channel";
        # the first message is the answer

        my $zero = page($way, $path)->json->{next};
        my $p = start_poll($way, $path, since => $zero, wait => 20);
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

        $p = page($way, $path, since => $zero, wait => 20);
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
        my $last = $p->json->{next};

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
    }, @few);

    # the time is over: all at the same time

    my @brief;

    for my $way (all_ways($n, @few)) {
        my $channel = $way->channel;
        my $next = page($way, "/sub?channel=$channel")->json->{next};

        push @brief, map {
            my $p = start_poll($way, "/brief?channel=$channel",
                               since => $next, wait => 20, etag => $_);
            %$p = (%$p, name => $way->name, next => $next, etag => $_);
            $p;
        } undef, $next;
    }

    for my $p (@brief) {
        my ($name, $next) = @$p{qw(name next)};

        ok($p->wait_end, "$name: push_poll_timeout");
        cmp_ok(($p->{ended_at} // $p->{closed_at}) - $p->{opened}, '>', 0.9,
               "$name: after that time");
        is($p->header('etag'), qq("$next"), "$name: ETag");
        is($p->status, $p->{etag} ? 304 : 200, "$name: status");

        if ($p->{etag}) {
            is($p->body, '', "$name: no body");

        } else {
            is_deeply($p->json, { messages => [], next => $next },
                      "$name: nothing");
        }
    }
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



# told of a gap at once, also in mid-wait: the worker that holds it cannot run
# while others publish more than is kept

{
    $n = nginx(workers => 2, conf => <<'E2');
        push_zone push 4m;
        push_backlog 0;
        server {
            listen 127.0.0.1:%%PORT%%;
            location = /pub { push_history 2; push_publish $arg_channel;
                              add_header X-Worker $pid; }
            location = /sub { push_subscribe $arg_channel; }
            location = /status { push_status; }
        }
E2

    my $id = publish('a', 0);
    my $p = start_poll($n, '/sub?channel=a', since => $id, wait => 20);

    waiting('a', 1);

    my ($holder) = map { $_->{pid} } grep { $_->{subscribers} }
                   @{ $n->get('/status')->json->{zones}[0]{workers} };

    # a publisher whose connection is with the other one

    my $keep;

    for (1 .. 200) {
        $keep = Push::HTTP->new($n->port);
        last if $keep->request(GET => '/pub?channel=a')->header('x-worker')
                != $holder;
    }

    kill STOP => $holder;
    my @ids = map { $keep->request(POST => '/pub?channel=a', body => $_)
                    ->json->{id} } 1 .. 8;
    kill CONT => $holder;

    ok($p->wait_end, 'overtaken: answered');
    is_deeply($p->json->{gap}, { channel => 'a', requested => $id,
              oldest => $ids[6], reason => 'overrun', id => $ids[5] },
              'by a gap');
    is_deeply($p->json->{messages}, [], 'alone');
    is($p->json->{next}, $ids[5], 'and the position behind it');
    is_deeply(data_of(page($n, '/sub?channel=a', since => $ids[5])), [ 7, 8 ],
              'then the rest');
}


# a worker that ends answers all, each at its own moment

for my $how (qw(reload QUIT TERM)) {
    start(workers => 2);

    for my $port (1 .. 6) {
        $n->port($port);
    }

    my $id = publish('drain', 0);
    my @ways = map { my $way = $_; map { $way } 1 .. ($way->is_http2 ? 2 : 20) }
               all_ways($n);
    my @p = map { start_poll($_, '/sub?channel=drain', since => $id,
                             wait => 20) } @ways;
    ok(waiting('drain', scalar @p), "$how: all wait");

    my $from = EV::time;

    $how eq 'reload' ? $n->reload : $n->signal($how);
    ok(wait_for(sub { !grep { !$_->ended } @p }, 15, 'answers'),
       "$how: all are answered")
        or diag(join ' ', map { $_->closed // '-' } @p);

    is(scalar(grep { ($_->status // 0) != 200 } @p), 0, "$how: by 200");
    is(scalar(grep { my $d = $_->json // {}; ($d->{next} // '') ne $id
                     || @{ $d->{messages} } || $d->{ended} || $d->{gap} }
              @p), 0, "$how: an empty list, and the same position");

    if ($how eq 'reload') {
        my @at = sort { $a <=> $b } map { $_->{ended_at} - $from }
                 grep { $_->{ended_at} } @p;

        cmp_ok($at[-1] - $at[0], '>', 0.5, 'over the window');
        ok($n->wait_old_workers(10), 'the old workers go');

        my $next = publish('drain', 1);
        my $r = page($n, '/sub?channel=drain', since => $id, wait => 20);
        is_deeply(ids_of($r), [$next], 'on with a new one');
        is($n->get('/status')->json->{subscribers}{total}, 0,
           'nobody is counted');
    }

    finish_servers();
}


# whatever becomes of their workers, who goes on polling has each message once

for_workers(1, 2, 4, sub {
    start(workers => $_[0]);

    my $first = publish('loop', 'first');
    my %ids;
    my $sent = 0;
    my $stop = 0;
    my @again;

    my $writer = Push::Writer->new($n, next => sub {
        my $body = shift @again;

        unless (defined $body) {
            return if $stop;
            return 0.003 if $sent > 200 && $sent % 3 == 0 && rand() < 0.6;
            $body = ++$sent;
        }

        # a worker that is killed may have published without an answer

        return { path => '/pub?channel=loop', body => $body,
                 headers => { 'Idempotency-Key' => "k$body" }, done => sub {
            my ($request, $r) = @_;
            $r && $r->status =~ /\A20[01]\z/ ? $ids{ $r->json->{id} } = $body
                                             : push @again, $body;
        } };
    });

    my @loops = map { Push::Poll::Loop->new($n, '/sub?channel=loop',
        since => $first, %$_) }
        {}, {}, { limit => 1 }, { etag => 1 }, { wait => 1 },
        { tls => 1, port => $n->port(3) }, { tls => 1, port => $n->port(4) },
        { port => $n->port(2) };

    run_for(0.5);
    ok($n->reload, 'reload');
    run_for(0.5);
    ok($n->kill_worker(($n->workers)[0]), 'kill -9');
    ok($n->wait_workers, 'another worker');
    run_for(0.5);

    $stop = 1;
    ok(wait_for(sub { $writer->idle && !@again }), 'the publisher is done');
    publish('loop', 'last');

    ok(wait_for(sub { !grep { !@{ $_->got } || $_->got->[-1]{data} ne 'last' }
                      @loops }), 'all come to the end');

    my @order = ((map { $ids{$_} } sort keys %ids), 'last');

    for my $loop (@loops) {
        is(join(' ', map { $_->{data} } @{ $loop->got }), "@order",
           'each once, in order');
        is_deeply([ map { $_->{what} } @{ $loop->{told} } ], [],
                  'and nothing else');
    }

    note(@order . ' messages, polls: ' . join ' ', map { $_->polls } @loops);
    cmp_ok($loops[0]->polls, '>', $loops[0]->connects,
           'several polls on a connection');

    $_->stop for @loops;
    ok($n->wait_old_workers, 'old workers go');
    ok(wait_for(sub { $n->get('/status')->json->{subscribers}{total} == 0 }),
       'nobody is left');
});


# when there is no room

subtest 'overload' => sub {
    $n = nginx(workers => 1, allow => [qr/worker_connections are not enough/],
               events => 'worker_connections 64;', conf => <<'E2');
        push_retry 2s 3s;
        server {
            listen 127.0.0.1:%%PORT%%;
            location = /pub { push_publish $arg_channel; }
            location = /sub { push_subscribe $arg_channel; }
        }
E2

    my ($r, @p);

    for (1 .. 90) {
        my $p = start_poll($n, '/sub?channel=a', wait => 20);
        wait_for(sub { $p->ended || $p->closed || subscribers('a') == @p + 1 });

        if ($p->ended) {
            $r = $p;
            last;
        }

        # one whose request has not come yet is closed by NGINX itself

        push @p, $p unless $p->closed;
    }

    cmp_ok(scalar @p, '>', 40, 'many wait');
    cmp_ok(scalar @p, '<', 61, 'not all that there are connections for');
    ok($r, 'one is answered') or return;

    is($r->status, 503, 'then they are refused');
    is($r->header('content-type'), 'application/problem+json', 'a problem');
    is($r->json->{type}, 'urn:ngx-push:problem:unavailable', 'slug');
    like($r->header('retry-after'), qr/\A[23]\z/, 'Retry-After');

    is(publish('a', 'x') =~ /\A[\w.]{8}-/, 1, 'publishers get in');
    ok(wait_for(sub { !grep { !$_->ended } @p }), 'who waits is served');
};

subtest 'a zone that can hold no more' => sub {
    $n = nginx(workers => 1, allow => [qr/is full/], conf => <<'E2');
        push_zone push 128k;
        server {
            listen 127.0.0.1:%%PORT%%;
            location = /pub { push_publish $arg_channel; }
            location = /sub { push_subscribe $arg_channel; }
            location = /status { push_status; }
        }
E2

    my @p;
    my $name = 'c' x 100;

    # a channel for each, until one is refused

    for my $i (1 .. 40) {
        push @p, map { start_poll($n, "/sub?channel=$name-$i-$_", wait => 20) }
                 1 .. 50;

        wait_for(sub {
            @p == $n->get('/status')->json->{subscribers}{total}
                  + grep { $_->ended } @p;
        });

        last if grep { $_->ended } @p;
    }

    my ($refused) = grep { $_->ended } @p;

    is($refused && $refused->status, 503, 'refused');
    like($refused->header('retry-after'), qr/\A[1-5]\z/, 'Retry-After');
    $_->close for @p;
};

done_testing;
