#!/usr/bin/perl

# How a WebSocket ends: its channel is over, its reader is slow, its worker
# drains, it is too much, it is dead, it closes; and that nothing is left of it.

use strict;
use warnings;

use EV;
use List::Util qw(max min sum);

use Push::Test;
use Push::WebSocket;
use Push::Ways;

my $asan = $ENV{PUSH_ASAN} || $ENV{PUSH_COVER};

my $http = <<'E2';
    push_zone push 32m;
    push_retry 700ms 900ms;
    push_drain_window 2s;
    limit_conn_zone $server_port zone=conns:1m;
E2

my $locations = <<'E2';
    push_history 10;
    push_backlog 32k;

    location = /pub { push_publish $arg_channel; }
    location = /many { push_backlog 1m; push_publish $arg_channel; }
    location = /sub { push_subscribe $arg_channel; }
    location = /json { push_format json; push_subscribe $arg_channel; }
    location = /close { push_slow_reader close; push_subscribe $arg_channel; }
    location = /close_json { push_slow_reader close; push_format json;
                             push_subscribe $arg_channel; }
    location = /limit_conn { limit_conn conns 10000;
                             push_subscribe $arg_channel; }
    location = /echo { push_client_publish on; push_subscribe $arg_channel; }
    location = /beat { push_heartbeat 1s; push_subscribe $arg_channel; }
    location = /age { push_max_age 1s jitter=0%; push_subscribe $arg_channel; }
    location = /timeout { send_timeout 1s; push_subscribe $arg_channel; }
    location = /status { push_status; }
    location = /basic { access_log off; stub_status; }
E2

my $retry = qr/retry=[789]\d\d/;
my @upgraded = (not => [ 'http10', 'http2' ]);

sub part {
    my ($name, $code) = @_;
    subtest $name => sub { $code->(); finish_servers() };
}

sub nginx_of {
    return ways_nginx(locations => $locations, http => $http, @_);
}

sub publish {
    my ($n, $channel, $body, %opt) = @_;

    my $r = $n->publish(($opt{path} // '/pub') . "?channel=$channel", $body,
                        headers => $opt{headers} // {});
    $r->status == 201 or fail('published: ' . $r->status);

    return $r->json->{id};
}

# of the four ways; handshakes of TLS take their time
sub one_of {
    my ($i, @ways) = @_;
    return $ways[$i % 10 > 7 ? 2 + $i % 2 : $i % 2];
}

sub subscribers { return $_[0]->get('/status')->json->{subscribers} }

sub all_of {
    my ($code, @c) = @_;
    return wait_for(sub { !grep { !$code->($_) } @c }, 20, 'all of them');
}

sub open_all {
    my (@c) = @_;
    ok(all_of(sub { $_[0]->is_open }, @c), scalar(@c) . ' subscribers');
    return @c;
}

# each has closed with this code, and by the rules

sub is_closed {
    my ($what, $code, $why, @c) = @_;

    all_of(sub { $_[0]->closed }, @c);

    is(scalar(grep { ($_->code // 0) != $code } @c), 0, "$what: $code")
        or diag(join ' ', map { $_->code // 'none' } @c);
    is(scalar(grep { ($_->why // '') !~ /\A$why\z/ } @c), 0, "$what: why")
        or diag(join ' ', map { $_->why // 'none' } @c);
    is_clean($what, @c);
}

sub is_clean {
    my ($what, @c) = @_;

    is(scalar(grep { $_->closed ne 'clean' || $_->bad } @c), 0,
       "$what: all ends are clean")
        or diag(join ' ', map { $_->closed . ($_->bad // '') } @c);
}

# the same where nobody may be left to read the answer of the client

sub is_told {
    my ($what, $code, $why, @c) = @_;

    all_of(sub { $_[0]->closed }, @c);
    is(scalar(grep { ($_->code // 0) != $code || $_->why !~ /\A$why\z/
                     || $_->bad } @c), 0, "$what: $code")
        or diag(join ' ', map { $_->code // 'none' } @c);
}


# the channel is over

for_workers(1, 2, sub {
    my $n = nginx_of(workers => $_[0]);

    for_ways($n, sub {
        my ($way, $channel) = @_;

        for my $how ('deleted', 'ended') {
            my ($one, $two) = map { "$channel-$how-$_" } 1, 2;

            my @raw = map { ws($way, "$_?channel=$one") } '/sub', '/limit_conn';
            my @json = map { ws($way, "$_?channel=$one") } '/json';
            my $both = ws($way, "/sub?channel=$one,$two");
            my $both_json = ws($way, "/json?channel=$one,$two");

            open_all(@raw, @json, $both, $both_json);
            publish($n, $one, 'x');

            my $over = sub {
                my ($channel) = @_;

                $how eq 'deleted'
                    ? $n->delete("/pub?channel=$channel")
                    : publish($n, $channel, 'last',
                              headers => { 'Push-End' => 'true' });
            };

            all_of(sub { $_[0]->count }, @raw, @json, $both, $both_json);
            $over->($one);

            is_closed("$how, raw", 1000, qr//, @raw);
            is_closed("$how, json", 1000, qr//, @json);

            my @got = $how eq 'ended' ? ('x', 'last') : 'x';
            is_deeply($raw[0]->data, \@got, 'all messages came before');
            is_deeply($json[0]->objects->[-1],
                      { type => 'closed', channel => $one, reason => $how },
                      'json: a word of it before');

            # of two it is the last one that counts

            ok($both_json->wait_object(type => 'closed', channel => $one),
               'one of two: json is told');
            publish($n, $two, 'goes on');
            all_of(sub { $_[0]->data->[-1] =~ /goes on/ }, $both, $both_json);
            is($both->code, undef, 'one of two: raw goes on');
            $over->($two);
            is_closed('the other one', 1000, qr//, $both, $both_json);
        }

        # who comes later to a sealed one gets what is kept, and its end

        my $late = ws($way, "/sub?channel=$channel-ended-1&since=earliest");
        is_closed('late', 1000, qr//, $late);
        is_deeply($late->data, [ 'x', 'last' ], 'with all messages');

        is(subscribers($n)->{total}, 0, 'nobody is left');
    }, @upgraded);
});


# the close handshake, and all else that takes its time: of every way at once

for_workers(1, 2, sub {
    my $n = nginx_of(workers => $_[0]);
    my @ways = all_ways($n, @upgraded);
    my (%c, %name);

    my $each = sub {
        my ($name, $path, %opt) = @_;

        $c{$name} = [ map {
            ws($_, "$path?channel=$name", %opt)
        } @ways ];
    };

    # by the client: the server answers and ends, once

    open_all(@{ $each->('bye', '/sub') }, @{ $each->('more', '/sub') });
    $_->bye(4321, 'some reason') for @{ $c{bye} };
    is_closed('by the client', 4321, qr//, @{ $c{bye} });

    $_->send($_->frame(CLOSE, '') . 'x' x 200_000) for @{ $c{more} };
    is_closed('with something after it', 1005, qr//, @{ $c{more} });

    # what is broken ends it too, without an answer

    open_all(@{ $each->('broken', '/sub', answer => 0) });
    my $broken = EV::time;
    $_->put(3, '') for @{ $c{broken} };
    is_closed('broken', 1002, qr/.+/, @{ $c{broken} });
    cmp_ok(max(map { $_->{closed_at} } @{ $c{broken} }) - $broken, '<', 3,
           'at once');

    # by the server: who answers is free at once, others have some seconds

    $each->('answers', '/sub');
    $each->('wrong', '/sub', answer => 0);
    $each->('gone', '/sub', answer => 0);
    $each->('silent', '/sub', answer => 0);
    $each->('talks', '/sub', answer => 0);

    # pings: answered, not answered, another sign of life; ages; no progress

    $each->('beat', '/beat');
    $each->('dead', '/beat', pong => 0);
    $each->('alive', '/beat', pong => 0);
    $each->('age', '/age');
    $each->('age_json', '/age', headers => { }, protocol => 'push.json');

    my $opened = EV::time;
    open_all(map { @$_ } @c{qw(answers wrong gone silent talks beat dead alive
                               age age_json)});

    my $alive = EV::timer(0.3, 0.3, sub { $_->pong('') for @{ $c{alive} } });
    my @over = map { @{ $c{$_} } } qw(answers wrong gone silent talks);
    my $at = EV::time;

    $n->delete("/pub?channel=$_") for qw(answers wrong gone silent talks);
    all_of(sub { $_[0]->ended }, @over);
    is(scalar(grep { $_->code != 1000 } @over), 0, 'all are told');

    for (@{ $c{talks} }) {
        $_->text('x');
        $_->ping('x');
    }

    $_->send('x' x 100) for @{ $c{wrong} };
    $_->reset for @{ $c{gone} };

    is_closed('an answer', 1000, qr//, @{ $c{answers} });
    is_closed('nonsense', 1000, qr//, @{ $c{wrong} });
    cmp_ok(max(map { $_->{closed_at} } @{ $c{answers} }, @{ $c{wrong} }) - $at,
           '<', 3, 'end it at once');
    is(scalar(grep { $_->closed } @{ $c{silent} }, @{ $c{talks} }), 0,
       'others are waited for');

    is_closed('age', 1012, $retry, @{ $c{age} });
    is_closed('age, push.json', 1012, $retry, @{ $c{age_json} });

    for (@{ $c{age_json} }) {
        my $last = $_->objects->[-1];
        is($last->{type}, 'reconnect', 'a word of it before');
        is($last->{id}, $_->objects->[0]{id}, 'with the position');
    }

    ok(all_of(sub { $_[0]->closed }, @{ $c{dead} }), 'no pong: closed');
    is(scalar(grep { defined $_->code || @{ $_->pings } != 2 } @{ $c{dead} }),
       0, 'without a word, after two pings');
    cmp_ok(min(map { $_->{closed_at} } @{ $c{dead} }) - $opened, '>', 1.9,
           'not too soon');

    my @slow = (@{ $c{silent} }, @{ $c{talks} });

    is_closed('no answer', 1000, qr//, @slow);
    cmp_ok(min(map { $_->{closed_at} } @slow) - $at, '>', 3, 'some seconds');
    cmp_ok(max(map { $_->{closed_at} } @slow) - $at, '<', 10, 'no more');
    is(scalar(map { @{ $_->pongs } } @slow), 0,
       'nothing follows a close frame');

    my @beat = (@{ $c{beat} }, @{ $c{alive} });

    ok(all_of(sub { @{ $_[0]->pings } >= 3 }, @beat), 'pings');
    is(scalar(grep { $_->closed } @beat), 0, 'those who answer stay');
    is_deeply([ grep { length } map { @{ $_->pings } } @beat ], [],
              'pings are empty');
    is(subscribers($n)->{websocket}, scalar @beat, 'nobody else is left');
});


# a reader that is slow

for_workers(1, 2, sub {
    my $n = nginx_of(workers => $_[0], listen => 'sndbuf=8k');

    for_ways($n, sub {
        my ($way, $channel) = @_;
        my %c = map {
            $_ => ws($way, "/$_?channel=$channel", rcvbuf => 4096)
        } qw(sub json close close_json limit_conn);

        open_all(values %c);
        $_->pause for values %c;

        my @ids = (undef);
        push @ids, publish($n, $channel, sprintf '%04d%s', $_, 'x' x 4000)
            for 1 .. 80;

        $_->resume for values %c;

        is_closed('gap, raw', 4200, qr/$retry since=[\w.-]+/,
                  @c{qw(sub limit_conn)});
        is_closed('close', 4200, $retry, @c{qw(close close_json)});

        # where it was cut the next one goes on

        for my $c (@c{qw(sub limit_conn)}) {
            my $last = $c->count;

            is(scalar(grep { $c->data->[$_ - 1] !~ /\A0*${_}x/ } 1 .. $last), 0,
               'what came is in order');

            my ($i, $next) = ($last, $c);

            # cut while messages still came, it may find another gap

            for (1 .. 10) {
                my ($since) = $next->why =~ /since=(.*)/ or last;
                my ($to) = grep { $ids[$_] eq $since } 1 .. 80;

                ok(defined $to && $to > $i && $to < 80, "on from $i to $to")
                    or last;

                $i = $to;
                $next = ws($way, "/sub?channel=$channel&since=$since");
                $next->_wait(sub { $_[0]->count == 80 - $i || $_[0]->ended },
                             'the rest');
                last unless $next->ended;
            }

            is_deeply([ map { substr $_, 0, 4 } @{ $next->data } ],
                      [ map { sprintf '%04d', $_ } $i + 1 .. 80 ],
                      'exactly the rest');
            $next->close;
        }

        # as envelopes it goes on by itself

        my $c = $c{json};
        ok(wait_for(sub {
            ($c->objects->[-1]{id} // '') eq $ids[80] || $c->closed;
        }), 'json gets to the end');

        my $next = 1;
        my $wrong = 0;

        for my $o (@{ $c->objects }) {
            if ($o->{type} eq 'gap') {
                $wrong++ if $o->{reason} ne 'overrun'
                            || $o->{requested} ne ($ids[$next - 1] // '');
                ($next) = map { $_ + 1 } grep { $ids[$_] eq $o->{id} } 1 .. 80;

            } else {
                $wrong++ if $o->{id} ne $ids[$next++];
            }
        }

        is($wrong, 0, 'gaps are told in their place');
        cmp_ok(scalar(grep { $_->{type} eq 'gap' } @{ $c->objects }), '>', 0,
               'there is one');
        $c->close;
    }, @upgraded);

    # those that take nothing at all

    my @c = map { ws($_, '/timeout?channel=t', rcvbuf => 4096) }
            all_ways($n, @upgraded);
    open_all(@c);
    $_->pause for @c;
    publish($n, 't', 'x' x 60_000) for 1 .. 3;

    ok(wait_for(sub { subscribers($n)->{total} == 0 }), 'send_timeout');
});


# a worker that drains

sub drained_evenly {
    my ($workers) = @_;
    my $n = nginx_of(workers => $workers);
    my @ways = all_ways($n, @upgraded);

    my @raw = map { ws(one_of($_, @ways), '/sub?channel=a') } 1 .. 180;
    my @json = map { ws(one_of($_, @ways), '/json?channel=a') } 1 .. 60;

    open_all(@raw, @json);
    my $id = publish($n, 'a', 'x');
    all_of(sub { $_[0]->count }, @raw, @json);

    ok($n->reload, 'reload');
    is_closed('raw', 1012, $retry, @raw);
    is_closed('json', 1012, $retry, @json);

    is(scalar(grep { my $o = $_->objects->[-1]; $o->{type} ne 'reconnect'
                     || $o->{id} ne $id || $o->{retry} !~ /\A[789]\d\d\z/ }
              @json), 0, 'json: all are told, with the last id');

    # from the first one on: a reload takes its time

    my $from = min map { $_->{ended_at} } @raw, @json;
    my @quarters = (0) x 4;
    $quarters[min 3, max 0, int(4 * ($_->{ended_at} - $from) / 2)]++
        for @raw, @json;
    note("@quarters in the quarters of the window");

    ok($n->wait_old_workers(10), 'the old workers go');
    is(subscribers($n)->{total}, 0, 'nobody is left');
    finish_servers();

    return !grep { $_ < 15 } @quarters;
}

for_workers(1, 2, sub {
    my ($workers) = @_;
    my $even;

    for (1 .. 3) {
        last if $even = drained_evenly($workers);
    }

    ok($even, 'evenly');
});


for my $how (qw(QUIT TERM)) {
    part "SIG$how" => sub {
        my $n = nginx_of(workers => 2, http => $how eq 'TERM'
            ? $http =~ s/window 2s/window 60s/r : $http);
        my @c = map {
            my $way = $_;
            map { ws($way, "$_?channel=a", tls => $way->is_tls) }
                ('/sub', '/json', '/limit_conn') x 5;
        } all_ways($n, @upgraded);

        open_all(@c);
        publish($n, 'a', 'x');
        all_of(sub { $_[0]->count }, @c);
        $n->signal($how);
        is_told('all', 1012, $retry, @c);
        is_clean('all', @c) if $how eq 'QUIT';
        is(scalar(grep { $_->count != ($_->{path} =~ /json/ ? 2 : 1) } @c), 0,
           'and json in words');
    };
}


part 'worker_shutdown_timeout before the window is over' => sub {
    my $n = nginx_of(workers => 1, http => $http =~ s/window 2s/window 60s/r,
                     main => 'worker_shutdown_timeout 1s;');
    my (@own, @kept);

    for my $way (all_ways($n, @upgraded)) {
        push @{ $way->is_kept ? \@kept : \@own },
            map { ws($way, '/sub?channel=a') } 1 .. 5;
    }

    open_all(@own, @kept);
    ok($n->reload, 'reload');
    is_closed('own', 1012, $retry, @own);

    # the requests of these are terminated, maybe before the answer is read

    is_told('kept', 1012, $retry, @kept);
    ok($n->wait_old_workers(10), 'the old worker goes');
};


# clients that come back: each gets every message once

for_workers(1, 2, sub {
    my $n = nginx_of(workers => $_[0]);
    my @ways = all_ways($n, @upgraded);
    my @got;
    my @id;
    my $sent = 0;

    my $again;
    my @c;

    $again = sub {
        my ($i) = @_;
        my $since = defined $id[$i] ? "&since=$id[$i]" : '';

        $c[$i] = ws(one_of($i, @ways), "/json?channel=a$since", keep => 0,
                    on_message => sub {
            my $o = decode_json($_[1]{data});

            $id[$i] = $o->{id} if defined $o->{id};
            push @{ $got[$i] }, $o->{type} eq 'message' ? $o->{data}
                : $o->{type} eq 'gap' ? 'gap' : ();
        });
    };

    $again->($_) for 0 .. 39;
    open_all(@c);

    my $back = EV::timer(0.01, 0.01, sub {
        for (0 .. 39) {
            $again->($_) if $c[$_]->closed && $sent < 100;
        }
    });

    publish($n, 'a', ++$sent, path => '/many');
    all_of(sub { $_[0]->count }, @c);
    kill HUP => $n->pid;

    while ($sent < 80) {
        publish($n, 'a', ++$sent, path => '/many');
        run_for(0.02);

        # some lose their connection besides
        $c[rand 40]->reset if $sent % 5 == 0;
    }

    wait_for(sub { !$n->old_workers }, 20, 'the old workers');
    ok(wait_for(sub {
        return !grep { ($got[$_][-1] // 0) ne '80' } 0 .. 39;
    }), 'all get to the end');

    is(scalar(grep { "@{ $got[$_] }" ne join ' ', 1 .. 80 } 0 .. 39), 0,
       'each message once, in order')
        or diag((grep { $_ ne join ' ', 1 .. 80 } map { "@$_" } @got)[0]);
    undef $back;
});


# too many

part 'too few connections are free' => sub {
    my $n = nginx_of(workers => 1, events => 'worker_connections 64;');
    my @c;

    for (1 .. 64) {
        my $c = ws($n, '/sub?channel=a');
        $c->wait_open or last;
        $c->ping('in?');
        $c->_wait(sub { @{ $_[0]->pongs } || $_[0]->ended }, 'a sign');

        if ($c->ended) {
            is_closed('one too many', 1013, $retry, $c);
            last;
        }

        push @c, $c;
    }

    cmp_ok(scalar @c, '>', 30, scalar(@c) . ' before');
    cmp_ok(scalar @c, '<', 61, 'some connections stay free');
    is(scalar(grep { $_->closed } @c), 0, 'they stay');
    is(subscribers($n)->{websocket}, scalar @c, 'and count, nobody else');

    my $json = ws($n, '/sub?channel=a', protocol => 'push.json');
    is_closed('push.json', 1013, $retry, $json);

    (shift @c)->close for 1 .. 4;
    wait_for(sub { subscribers($n)->{websocket} == @c });
    my $c = ws($n, '/sub?channel=a');
    $c->wait_open;
    publish($n, 'a', 'x');
    ok($c->wait_messages(1), 'room again');
};


part 'the zone holds no more' => sub {
    my $n = nginx_of(workers => 1,
                     http => $http =~ s/push 32m/push 256k/r);
    my @c;

    for my $i (1 .. 3000) {
        my $c = ws($n, '/sub?channel=' . 'x' x 200 . $i);
        $c->wait_open or last;
        $c->ping('in?');
        $c->_wait(sub { @{ $_[0]->pongs } || $_[0]->ended }, 'a sign');

        if ($c->ended) {
            is_closed('one too many', 1013, $retry, $c);
            last;
        }

        push @c, $c;
    }

    cmp_ok(scalar @c, '>', 50, scalar(@c) . ' before');
    is(subscribers($n)->{websocket}, scalar @c, 'these count, nobody else');
    is(scalar(grep { $_->closed } @c), 0, 'and stay');
};


# connections that break off in any moment leave nothing behind

sub memory {
    my ($n) = @_;
    return sum map {
        (Push::Nginx::_slurp("/proc/$_/status") // '')
            =~ /^RssAnon:\s+(\d+)/m ? $1 : 0
    } $n->workers;
}

sub connections {
    my ($n) = @_;
    return $n->get('/basic')->body =~ /Active connections: (\d+)/ ? $1 : -1;
}

for_workers(1, 2, sub {
    my $n = nginx_of(workers => $_[0], listen => 'sndbuf=16k');
    my @ways = all_ways($n, @upgraded);
    my $half = Push::WebSocket->frame(TEXT, 'x' x 60_000);
    my @memory;

    seed();

    for my $round (1 .. 4) {
        my @c = map {
            ws(one_of($_, @ways), (qw(/echo /sub /json /limit_conn))[rand 4]
               . '?channel=' . join(',', map { 'a' . int rand 20 } 0 .. rand 3),
               rcvbuf => 8192, $_ % 3 ? () : (deflate => 1),
               $_ % 5 ? () : (protocol => 'push.json'))
        } 1 .. 200;

        open_all(@c);

        for my $c (@c) {
            my $what = rand;

            $c->pause if rand() < 0.3;

            $what < 0.2 ? $c->send(substr $half, 0, 1 + rand 50_000)
            : $what < 0.4 ? $c->put(TEXT, 'part', fin => 0)
            : $what < 0.5 ? $c->put(PING, 'x' x rand 126)
            : $what < 0.6 ? $c->bye(1000)
            : $what < 0.7 ? $c->send(join '', map { chr rand 256 } 1 .. 50)
            : undef;
        }

        publish($n, "a$_", 'x' x 20_000) for 0 .. 19;
        $n->delete('/pub?channel=a' . int rand 20) for 1 .. 3;

        rand() < 0.5 ? $_->reset : $_->close for @c;

        ok(wait_for(sub { subscribers($n)->{total} == 0 }), 'no subscriber');
        ok(wait_for(sub { connections($n) == 1 }), 'no connection');
        push @memory, memory($n);
    }

    my $status = $n->get('/status')->json;
    is_deeply($status->{subscribers}, { %{ $status->{subscribers} },
              map { $_ => 0 } keys %{ $status->{subscribers} } },
              'all gauges are zero');
    note("memory @memory KiB");

  SKIP: {
        skip 'memory of an instrumented build', 1 if $asan;
        cmp_ok($memory[3], '<', $memory[1] + 1024, 'memory does not grow');
    }
});

done_testing;
