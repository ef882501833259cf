#!/usr/bin/perl

# A stream of JSON objects, one a line.

use strict;
use warnings;

use EV;
use MIME::Base64 qw(encode_base64);

use Push::Answer;
use Push::NDJSON;
use Push::Test;
use Push::Ways;

my $n;

my $locations = <<'E2';
    push_history 1000;
    push_retry 700ms 900ms;

    location = /pub { push_max_message_size 1m; push_publish $arg_channel; }
    location = /few { push_history 2; push_publish $arg_channel; }
    location = /sub { push_subscribe $arg_channel; }
    location = /beat { push_heartbeat 1s; push_subscribe $arg_channel; }
    location = /old { push_max_age 1s jitter=0%; push_subscribe $arg_channel; }
    location = /last2 { push_start last:2; push_subscribe $arg_channel; }
    location = /status { push_status; }
    location = /basic { access_log off; stub_status; }

    location = /filters {
        gzip on; gzip_min_length 0; gzip_types *;
        sub_filter_types *; sub_filter subscribed XX;
        ssi on; ssi_types *;
        addition_types *; add_before_body /before;
        charset utf-8; source_charset koi8-r; charset_types *;
        add_header X-Ours yes;
        push_subscribe $arg_channel;
    }
    location = /before { return 200 before; }
E2

my $http = <<'E2';
    push_zone push 16m;
    push_drain_window 1s;
    charset_map koi8-r utf-8 { 65 C385; }
E2

my $id = qr/\A[\w.]{8}-\d{14}\z/;

sub start {
    $n = ways_nginx(locations => $locations, http => $http, @_);
}

sub publish {
    my ($channel, $body, %headers) = @_;
    my $path = delete $headers{path} // '/pub';

    my $r = $n->publish("$path?channel=$channel", $body, headers => \%headers);
    is($r->status, 201, 'published') or diag($r->body);

    return $r->json->{id};
}

sub subscribers {
    my ($channel) = @_;
    my $r = $n->get("/pub?channel=$channel");
    return $r->status == 200 ? $r->json->{subscribers} : 0;
}

# types of lines in their order

sub types { return join ' ', map { $_->{type} } @{ $_[0]->lines } }

# the end of its answer, and that it is proper

sub ends {
    my ($c, $what) = @_;

    wait_for(sub { $c->ended || $c->closed }, 20, $what);
    ok($c->ended || $c->closed eq 'clean', "$what: a proper end");
    is_deeply($c->broken, [], "$what: all lines are objects");
    is($c->{rest}, '', "$what: and whole");
    ok(!$c->{bad}, "$what: framing");
}


for_workers(1, 4, sub {
    my ($workers) = @_;

    start(workers => $workers);

    for_ways($n, sub {
        my ($way, $channel) = @_;

        my $first;
        my $c = ndjson($way, "/sub?channel=$channel", on_data => sub {
            $first //= $_[0]{all};
        });

        ok($c->wait_subscribed, 'subscribed');
        is($c->status, 200, 'status');
        is($c->header('content-type'), 'application/x-ndjson', 'Content-Type');
        is($c->header('cache-control'), 'no-store, no-transform',
           'Cache-Control');
        is($c->header('x-accel-buffering'), 'no', 'X-Accel-Buffering');
        is($c->header('vary'), 'Origin, Accept', 'Vary');
        is($c->header('content-length'), undef, 'no length');
        is($c->header('transfer-encoding'),
           $way->is_http2 || $way->is_http10 ? undef : 'chunked', 'framing');
        is($c->header('connection'), $way->is_http2 ? undef : 'close',
           'the stream ends the connection');

        my $zero = $c->lines->[0]{id};
        like($zero, $id, 'a position');
        is($c->{all}, qq({"type":"subscribed","channel":"$channel",)
                      . qq("id":"$zero"}\n), 'one line');
        is($first, $c->{all}, 'in one write') unless $way->is_http2;

        my $binary = join '', map { chr } 0 .. 255;

        my @ids = (
            publish($channel, "a\nb\r\n\"\\\x{c3}\x{a9}", Topic => 't.1',
                    'Content-Type' => 'text/plain', 'Push-Event' => 'e'),
            publish($channel, '{"a": [1, 2.50, null]}',
                    'Content-Type' => 'application/json'),
            publish($channel, '{"a":', 'Content-Type' => 'application/json'),
            publish($channel, $binary, 'Content-Type' => 'image/png'),
            publish($channel, "\xff", 'Content-Type' => 'text/plain'),
            publish($channel, ''),
            publish($channel, "{\"type\":\"gap\"}\n{\"type\":\"closed\"}\n"),
            publish($channel, 'z' x 70_000),
        );

        my @want = (
            { event => 'e', topic => 't.1', content_type => 'text/plain',
              data => "a\nb\r\n\"\\\x{e9}" },
            { content_type => 'application/json',
              data => { a => [ 1, 2.5, undef ] } },
            { content_type => 'application/json', data => '{"a":' },
            { content_type => 'image/png',
              data_base64 => encode_base64($binary, '') },
            { content_type => 'text/plain', data_base64 => '/w==' },
            { data => '' },
            { data => "{\"type\":\"gap\"}\n{\"type\":\"closed\"}\n" },
            { data => 'z' x 70_000 },
        );

        # live, and as a replay

        my $d = ndjson($way, "/sub?channel=$channel&since=$zero");

        for my $s ($c, $d) {
            my $what = $s == $c ? 'live' : 'replay';

            ok($s->wait_messages(8), "$what: all");

            my @got = map { { %$_ } } @{ $s->messages };

            like($_->{time}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/,
                 "$what: time") for @got;
            delete $_->{time} for @got;

            is_deeply(\@got, [ map { { type => 'message', id => $ids[$_],
                                       channel => $channel, %{ $want[$_] } } }
                               0 .. $#want ], "$what: envelopes");
            is(types($s), 'subscribed' . ' message' x 8,
               "$what: nothing else, nothing forged");
        }

        like($c->{all}, qr/2\.50/, 'JSON as it was written');
        unlike($c->{all}, qr/\}\s*\n\s*\n/, 'no blank line between them');

        # from where

        for ([ "since=$ids[5]", 6 ], [ 'since=last:2', 6 ],
             [ 'since=latest', 8 ], [ '', 6, '/last2' ],
             [ '', 7, '/sub', 'Last-Event-ID' => $ids[6] ])
        {
            my ($args, $from, $path, @headers) = @$_;
            $path //= '/sub';

            my $e = ndjson($way, "$path?channel=$channel&$args",
                           headers => \@headers);
            $e->wait_subscribed;
            $e->wait_messages(8 - $from);
            is_deeply([ map { $_->{id} } @{ $e->messages } ],
                      [ @ids[$from .. 7] ], "$path $args @headers");
            is($e->lines->[0]{id}, $ids[$from - 1], 'its position');
            $e->close;
        }

        # the end

        publish($channel, 'last', 'Push-End' => 'true');

        for my $s ($c, $d) {
            ends($s, 'sealed');
            is_deeply($s->lines->[-1], { type => 'closed', reason => 'ended',
                      channel => $channel }, 'closed');
            is($s->lines->[-2]{data}, 'last', 'after the last message');
        }

        my $e = ndjson($way, "/sub?channel=$channel&since=$ids[7]");
        ends($e, 'sealed already');
        is(types($e), 'subscribed message closed', 'the rest, and the end');
        is(subscribers($channel), 0, 'nobody is left');

        # deleted

        publish("${channel}d", 1);
        $e = ndjson($way, "/sub?channel=${channel}d");
        $e->wait_subscribed;
        is($n->delete("/pub?channel=${channel}d")->json->{subscribers}, 1,
           'deleted');
        ends($e, 'deleted');
        is_deeply($e->lines->[-1], { type => 'closed', reason => 'deleted',
                  channel => "${channel}d" }, 'closed');
    }, $workers == 1 ? (not => 'kept') : ());
});


# gaps

start(workers => 2);

for_ways($n, sub {
    my ($way, $channel) = @_;

    my @ids = map { publish($channel, $_) } 1 .. 3;
    push @ids, map { publish($channel, $_, path => '/few') } 4 .. 6;

    my $c = ndjson($way, "/sub?channel=$channel&since=$ids[0]");

    $c->wait_messages(2);
    is(types($c), 'subscribed gap message message', 'the gap comes first');
    is_deeply($c->lines->[0], { type => 'subscribed', channel => $channel,
              id => undef }, 'no position before it');
    is_deeply($c->lines->[1], { type => 'gap', channel => $channel,
              requested => $ids[0], oldest => $ids[4], reason => 'expired',
              id => $ids[3] }, 'the position is in the notice');
    is_deeply($c->data, [ 5, 6 ], 'then all that is kept');

    # on from the notice

    $c = ndjson($way, "/sub?channel=$channel&since=$ids[3]");
    $c->wait_messages(2);
    is(types($c), 'subscribed message message', 'no gap behind it');

    $n->delete("/pub?channel=$channel");
    publish($channel, 'new');
    $c = ndjson($way, "/sub?channel=$channel&since=$ids[5]");
    $c->wait_messages(1);
    is($c->lines->[1]{reason}, 'unknown', 'another life');

    # what cannot be understood is an error here

    for my $bad ('!', 'nonsense', 'x' x 300, '.AAAA', 'last:x',
                 substr $ids[0], 1)
    {
        $c = $way->sse("/sub?channel=$channel&since=$bad",
                       headers => [ Accept => 'application/x-ndjson' ]);
        wait_for(sub { $c->ended || $c->closed });
        is($c->status, 400, 'malformed: ' . substr $bad, 0, 20);
        is(decode_json($c->{all})->{type}, 'urn:ngx-push:problem:bad-position',
           'the cause');
    }
});


# silence, on all ways at the same time

{
    my @c = map { ndjson($_, '/beat?channel=' . $_->channel) } all_ways($n);

    $_->wait_subscribed for @c;
    ok(wait_for(sub { !grep { $_->blank < 2 } @c }), 'blank lines');

    my @ways = all_ways($n);
    publish($_->{lines}[0]{channel}, 'x') for @c;
    $_->wait_messages(1) for @c;
    is(scalar(grep { @{ $_->broken } || types($_) ne 'subscribed message' }
              @c), 0, 'and nothing else is changed');
    $_->close for @c;
    ok(wait_for(sub { $n->get('/status')->json->{subscribers}{total} == 0 }),
       'all are gone');
}

# age

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $last = publish($channel, 1);
    my $c = ndjson($way, "/old?channel=$channel");
    ends($c, 'too old');
    is_deeply({ %{ $c->lines->[-1] }, retry => 0 }, { type => 'reconnect',
              id => $last, retry => 0 }, 'told to come back');
    my $ms = $c->lines->[-1]{retry};
    ok($ms >= 700 && $ms <= 900, 'when: push_retry');
}, only => 'tls');


# filters leave it alone

{
    my $c = ndjson($n, '/filters?channel=f', headers => {
        'Accept-Encoding' => 'gzip' });
    $c->wait_subscribed;
    publish('f', 'subscribed Ae <!--# echo var="uri" -->');
    $c->wait_messages(1);
    is($c->data->[0], 'subscribed Ae <!--# echo var="uri" -->', 'unchanged');
    is($c->header('content-encoding'), undef, 'not compressed');
    is($c->header('content-type'), 'application/x-ndjson', 'its type');
    is($c->header('x-ours'), 'yes', 'but headers are added');
    $c->close;
}

# its request is let go

{
    my @c = map { ndjson($n, '/sub?channel=own') } 1 .. 20;
    $_->wait_subscribed for @c;

    unless (($ENV{PUSH_HIBERNATE} // '') eq 'off') {
        ok(wait_for(sub { $n->get('/basic')->body =~ /Writing: 1 / }),
           'hibernates');
    }

    is_deeply($n->get('/status')->json->{subscribers},
              { sse => 0, websocket => 0, ndjson => 20, poll => 0,
                total => 20 }, 'counted as what it is');
    $_->reset for @c[0 .. 9];
    $_->close for @c[10 .. 19];
    ok(wait_for(sub { subscribers('own') == 0 }), 'all are gone');
}


# who reads slowly has all, whole; or is told what it has missed

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $c = ndjson($way, "/sub?channel=$channel", rcvbuf => 4096);
    $c->wait_subscribed;
    $c->pause;

    my @want = map { "$_:" . 'w' x 30_000 } 1 .. 30;

    publish($channel, $_) for @want;
    $c->resume;
    $c->wait_messages(30);

    ok("@{ $c->data }" eq "@want", 'all of it');
    is_deeply($c->broken, [], 'all lines are objects');
    ok(!$c->{bad}, 'framing');
    $c->close;
}, not => 'http2');

{
    my $slow = nginx(workers => 2, conf => <<'E2');
        push_zone push 16m;
        push_backlog 64k;
        push_history 3;

        server {
            listen 127.0.0.1:%%PORT%% sndbuf=8k;
            location = /pub { push_publish $arg_channel; }
            location = /sub { push_subscribe $arg_channel; }
            location = /close { push_slow_reader close;
                                push_subscribe $arg_channel; }
        }
E2

    my $c = ndjson($slow, '/sub?channel=a', rcvbuf => 4096);
    my $d = ndjson($slow, '/close?channel=a', rcvbuf => 4096);

    for ($c, $d) {
        $_->wait_subscribed;
        $_->pause;
    }

    my $keep = Push::HTTP->new($slow->port);
    my @ids = map { $keep->request(POST => '/pub?channel=a',
                    body => "$_:" . 'v' x 30_000)->json->{id} } 1 .. 40;

    $_->resume for $c, $d;
    $c->wait_of('gap');
    wait_for(sub { @{ $c->data } && $c->data->[-1] =~ /\A40:/ });

    my $gap = $c->of('gap')->[0];
    my ($before) = grep { $c->lines->[$_]{type} eq 'gap' }
                   0 .. $#{ $c->lines };

    is($gap->{reason}, 'overrun', 'overrun');
    is($gap->{requested}, $c->lines->[$before - 1]{id},
       'from the last that it has');
    is($gap->{oldest}, $ids[37], 'to what is kept');
    is($gap->{id}, $ids[36], 'the position behind it');
    is_deeply([ map { $_->{id} } @{ $c->messages }[-3 .. -1] ],
              [ @ids[37 .. 39] ], 'then the rest');
    is_deeply($c->broken, [], 'between lines');

    ends($d, 'push_slow_reader close');
    is($d->lines->[-1]{type}, 'reconnect', 'told to come back');
    is($d->lines->[-1]{id}, $d->lines->[-2]{id}, 'with the last it has');
}


# a worker that ends

for my $how (qw(reload QUIT TERM)) {
    start(workers => 2);

    my $first = publish('drain', 0);
    my @ways = map { my $way = $_; map { $way } 1 .. ($way->is_http2 ? 2 : 20) }
               all_ways($n);
    my @c = map { ndjson($_, '/sub?channel=drain') } @ways;

    $_->wait_subscribed for @c;

    my $last = publish('drain', 1);
    $_->wait_messages(1) for @c;

    $how eq 'reload' ? $n->reload : $n->signal($how);

    ok(wait_for(sub { !grep { !($_->ended || $_->closed) } @c }, 20),
       "$how: all end");
    is(scalar(grep { types($_) ne 'subscribed message reconnect' } @c), 0,
       "$how: all are told")
        or diag(join "\n", map { types($_) } @c);
    is(scalar(grep { $_->lines->[-1]{id} ne $last } @c), 0,
       "$how: with the last id");
    is(scalar(grep { my $ms = $_->lines->[-1]{retry};
                     $ms < 700 || $ms > 900 } @c), 0, "$how: and when");
    is(scalar(grep { !$_->ended && $_->closed ne 'clean' } @c), 0,
       "$how: a proper end");

    if ($how eq 'reload') {
        my @at = sort { $a <=> $b } map { $_->{ended_at} // () } @c;
        cmp_ok($at[-1] - $at[0], '>', 0.5, 'over the window');
        ok($n->wait_old_workers(10), 'the old workers go');

        my $next = publish('drain', 2);
        my $c = ndjson($n, "/sub?channel=drain&since=$last");
        $c->wait_messages(1);
        is_deeply([ map { $_->{id} } @{ $c->messages } ], [$next],
                  'exactly the rest, from a new one');
        $c->close;
    }

    finish_servers();
}

# a worker that is killed

{
    start(workers => 4);

    my @c = map { ndjson($n, '/sub?channel=kill') } 1 .. 40;
    $_->wait_subscribed for @c;

    ok($n->kill_worker(($n->workers)[0]) && $n->wait_workers, 'kill -9');

    # those of the dead one have all heard of it

    my @left;

    ok(wait_for(sub {
        @left = grep { !$_->closed } @c;
        return @left == $n->get('/status')->json->{subscribers}{total};
    }), 'only those that are left are counted');

    publish('kill', 'x');
    $_->wait_messages(1) for @left;
    is(scalar(grep { "@{ $_->data }" ne 'x' } @left), 0,
       'all others have what comes');
    finish_servers();
}


# no room

{
    $n = nginx(workers => 1, events => 'worker_connections 64;',
               allow => [qr/worker_connections are not enough/],
               conf => <<'E2');
        push_retry 2s 3s;
        server {
            listen 127.0.0.1:%%PORT%%;
            location = /sub { push_subscribe $arg_channel; }
        }
E2

    my @c;

    for (1 .. 70) {
        my $c = ndjson($n, '/sub?channel=a');
        $c->wait_head;
        last if $c->status != 200;
        push @c, $c;
    }

    cmp_ok(scalar @c, '>', 40, 'many are served');
    cmp_ok(scalar @c, '<', 61, 'until few connections are left');

    my $r = $n->get('/sub?channel=a', headers => {
        Accept => 'application/x-ndjson' });
    is($r->status, 503, 'then they are refused');
    is($r->json->{type}, 'urn:ngx-push:problem:unavailable', 'the cause');
    like($r->header('retry-after'), qr/\A[23]\z/, 'Retry-After');
}

done_testing;
