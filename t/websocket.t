#!/usr/bin/perl

# WebSocket: the handshake, messages in raw mode and as envelopes, where they
# start, and what a client publishes.  How it ends is in websocket_end.t.

use strict;
use warnings;

use EV;
use Push::Answer;
use Push::Test;
use Push::WebSocket;
use Push::Ways;

my $http = <<'E2';
    push_zone push 32m;
    push_retry 700ms 900ms;
    limit_conn_zone $server_port zone=conns:1m;
    log_format push '$uri $status $push_transport $push_channels $push_id';
E2

my $locations = <<'E2';
    access_log logs/access.log push;
    push_user $arg_user;

    location = /pub { push_publish $arg_channel; }
    location = /sub { push_subscribe $arg_channel; }
    location = /both { push_publish $arg_channel; push_subscribe $arg_channel; }
    location = /early { push_start earliest; push_subscribe $arg_channel; }
    location = /last { push_start last:2; push_subscribe $arg_channel; }
    location = /json { push_format json; push_subscribe $arg_channel; }
    location = /short { push_history 3; push_publish $arg_channel; }
    location = /limit_conn { limit_conn conns 1000;
                             push_subscribe $arg_channel; }
    location = /only { push_transports websocket;
                       push_subscribe $arg_channel; }
    location = /never { push_transports sse ndjson poll;
                        push_subscribe $arg_channel; }
    location = /any { push_allow_origin *; push_subscribe $arg_channel; }
    location = /headers { add_header X-Own $push_transport always;
                          push_subscribe $arg_channel; }

    location = /echo { push_client_publish on; push_subscribe $arg_channel; }
    location = /limit_echo { limit_conn conns 1000; push_client_publish on;
                             push_subscribe $arg_channel; }
    location = /rooms { push_client_publish room:* "news";
                        push_subscribe $arg_channel; }
    location = /off { push_client_publish off; push_subscribe $arg_channel; }
    location = /small { push_client_publish on; push_max_message_size 1k;
                        push_subscribe $arg_channel; }
    location = /status { push_status; }
E2

my $n;
my @upgraded = (not => [ 'http10', 'http2' ]);

sub publish {
    my ($channel, $body, %headers) = @_;

    my $path = delete $headers{path} // '/pub';
    my $r = $n->publish("$path?channel=$channel", $body, headers => \%headers);

    $r->status == 201 or fail('published: ' . $r->status . $r->body);

    return $r->json->{id};
}

sub subscribers {
    my ($channel) = @_;
    my $r = $n->get("/pub?channel=$channel");
    return $r->status == 200 ? $r->json->{subscribers} : 0;
}

# how many messages a channel has had
sub published {
    my ($channel) = @_;
    my $r = $n->get("/pub?channel=$channel");
    return $r->status == 200 && ($r->json->{id} // '') =~ /(\d+)\z/ ? $1 : 0;
}

sub part {
    my ($name, $code) = @_;
    subtest $name => sub { $code->() };
}

# nothing has come but this, and nothing was wrong

sub is_data {
    my ($c, $data, $what) = @_;

    $c->wait_messages(scalar @$data) if @$data;
    is_deeply([ @{ $c->data }, $c->bad ], [ @$data, undef ], $what);
}


# the handshake

my %good = (
    'nothing special' => [ ],
    'words in any case' => [ Upgrade => 'WebSocket', Connection => 'uPGRADE' ],
    'lists' => [ Upgrade => 'foo/2 ,websocket', Connection => 'close, Upgrade' ],
    'lists the other way' => [ Upgrade => "websocket\t, foo",
                               Connection => 'Upgrade,keep-alive' ],
    'lines of their own' => [ Upgrade => 'foo', Upgrade => 'websocket',
                              Connection => 'keep-alive',
                              Connection => 'Upgrade' ],
    'no body, in words' => [ 'Content-Length' => 0 ],
    'Accept says nothing' => [ Accept => 'image/png' ],
    'an Origin of its own' => [ Origin => 'http://localhost' ],
);

my %bad = (
    'no key' => [ 'Sec-WebSocket-Key' => undef ],
    'an empty key' => [ 'Sec-WebSocket-Key' => '' ],
    'a key of 15 bytes' => [ 'Sec-WebSocket-Key' => 'AAAAAAAAAAAAAAAAAAAA' ],
    'a key of 17 bytes' => [ 'Sec-WebSocket-Key'
                             => 'AAAAAAAAAAAAAAAAAAAAAAA=' ],
    'a key not in base64' => [ 'Sec-WebSocket-Key'
                               => '!!!!!!!!!!!!!!!!!!!!!!==' ],
    'no version' => [ 'Sec-WebSocket-Version' => undef ],
    'version 8' => [ 'Sec-WebSocket-Version' => 8 ],
    'version 14' => [ 'Sec-WebSocket-Version' => 14 ],
    'version 130' => [ 'Sec-WebSocket-Version' => 130 ],
    'no Connection' => [ Connection => undef ],
    'another Connection' => [ Connection => 'keep-alive' ],
    'a Connection that is like it' => [ Connection => 'Upgraded' ],
);

for_workers(1, 2, sub {
    $n = ways_nginx(locations => $locations, http => $http,
                    workers => $_[0]);

    for_ways($n, sub {
        my ($way, $channel) = @_;

        for my $what (sort keys %good) {
            my $c = ws($way, "/sub?channel=$channel", headers => $good{$what});

            ok($c->wait_open, $what);
            is($c->header('sec-websocket-protocol'), undef, 'no sub-protocol');
            is($c->header('sec-websocket-extensions'), undef, 'no extension');
            is(subscribers($channel), 1, 'subscribed');

            publish($channel, $what);
            is_data($c, [ $what ], 'a message');

            $c->bye(1000);
            is($c->wait_closed, 'clean', 'the end');
            is($c->code, 1000, 'and its code');
        }

        for my $what (sort keys %bad) {
            my $c = ws($way, "/sub?channel=$channel", headers => $bad{$what},
                       method => 'GET');
            $c->wait_end;
            is_problem($c, $what, 400, 'bad-handshake');
            is($c->header('sec-websocket-version'), 13, 'what would do');
            is($c->header('upgrade'), undef, 'no upgrade');
        }

        is(subscribers($channel), 0, 'nobody is left');
    }, @upgraded);
});

$n = ways_nginx(locations => $locations, http => $http, workers => 2);

part 'the handshake, more of it' => sub {
    my $c = ws($n, '/sub?channel=a', headers => [
        'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==' ]);
    $c->wait_head;
    is($c->header('sec-websocket-accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
       'the example of RFC 6455');
    is($c->header('connection'), 'upgrade', 'Connection');
    is($c->header('upgrade'), 'websocket', 'Upgrade');
    is($c->header('transfer-encoding'), undef, 'no framing');
    is($c->header('content-length'), undef, 'no length');
    is($c->header('content-type'), undef, 'no type');
    is($c->header('vary'), 'Origin, Accept', 'Vary');
    $c->close;

    $c = ws($n, '/headers?channel=a');
    ok($c->wait_open, 'with headers of the location');
    is($c->header('x-own'), 'websocket', 'variables in them');
    $c->close;

    # methods and bodies

    for (
        [ 'POST', 405, 'method-not-allowed' ],
        [ 'PUT', 405, 'method-not-allowed' ],
        [ 'HEAD', 400, 'bad-handshake' ],
    ) {
        my ($method, $status, $slug) = @$_;

        $c = ws($n, '/sub?channel=a', method => $method);
        $c->wait_end;
        is_problem($c, $method, $status, $slug);
    }

    for (
        [ 'a body', 'abc', 'Content-Length' => 3 ],
        [ 'a body that is missing', '', 'Content-Length' => 3 ],
        [ 'a body in chunks', "3\r\nabc\r\n0\r\n\r\n",
          'Transfer-Encoding' => 'chunked' ],
        [ 'no chunk', "0\r\n\r\n", 'Transfer-Encoding' => 'chunked' ],
    ) {
        my ($what, $bytes, @headers) = @$_;

        $c = ws($n, '/sub?channel=a', headers => \@headers, first => $bytes,
                method => 'GET');
        $c->wait_head;
        $c->send('abc') if $bytes eq '';
        $c->wait_end;
        is_problem($c, $what, 400, 'bad-handshake');
    }

    # what is wrong in the request itself

    for (
        [ 'no channel', '/sub', 'bad-channel' ],
        [ 'an empty one', '/sub?channel=', 'bad-channel' ],
        [ 'a bad one', '/sub?channel=a%01b', 'bad-channel' ],
        [ 'a malformed position', '/sub?channel=a&since=!', 'bad-position' ],
        [ 'an id of one for several', '/sub?channel=a,b&since='
          . publish('a', 'x'), 'bad-position' ],
        [ 'a long name', '/echo?channel=a&user=' . 'x' x 256, 'bad-handshake' ],
    ) {
        my ($what, $path, $slug) = @$_;

        $c = ws($n, $path, method => 'GET');
        $c->wait_end;
        is_problem($c, $what, 400, $slug);
    }

    # one that is read only as far as that

    $c = ws($n, '/sub?channel=a', http10 => 1);
    $c->wait_head;
    is($c->status, 200, 'HTTP/1.0: no upgrade');
    is($c->header('content-type'), 'text/event-stream', 'but events');
    $c->close;

    for my $way (all_ways($n, only => 'http2')) {
        my $c = $way->sse('/sub?channel=a');
        ok($c->wait_subscribed, $way->name . ': events');
    }

    ok(wait_for(sub { subscribers('a') == 0 }), 'nobody is left');
};

part 'Origin' => sub {
    for (
        [ '/sub', 'http://elsewhere.example', 403 ], [ '/sub', 'null', 403 ],
        [ '/sub', 'http://localhost', 101 ], [ '/sub', 'https://localhost', 101 ],
        [ '/any', 'http://elsewhere.example', 101 ],
    ) {
        my ($path, $origin, $status) = @$_;

        my $c = ws($n, "$path?channel=origin", headers => [ Origin => $origin ],
                   method => 'GET');
        $c->wait_head;
        is($c->status, $status, "$path: $origin");

        if ($status == 403) {
            $c->wait_end;
            is_problem($c, $origin, 403, 'origin-not-allowed');
        }

        $c->close;
    }
};

part 'push_transports and transport' => sub {
    my $c = ws($n, '/only?channel=a');
    ok($c->wait_open, 'only WebSocket');
    $c->close;

    for my $path ('/only?channel=a', '/sub?channel=a&transport=websocket') {
        my $r = $n->get($path);
        is_problem($r, "$path without Upgrade", 426, 'upgrade-required');
        is($r->header('upgrade'), 'websocket', 'to what');
    }

    $c = ws($n, '/only?channel=a', http10 => 1, method => 'GET');
    $c->wait_end;
    is($c->status, 426, 'HTTP/1.0');

    for my $path ('/never?channel=a', '/never?channel=a&transport=websocket',
                  '/only?channel=a&transport=sse',
                  '/sub?channel=a&transport=nonsense')
    {
        $c = ws($n, $path, method => 'GET');
        $c->wait_end;
        is_problem($c, $path, 406, 'not-acceptable');
    }

    $c = ws($n, '/sub?channel=a&transport=sse');
    $c->wait_head;
    is($c->status, 200, 'transport=sse overrides Upgrade');
    $c->close;

    $c = ws($n, '/sub?channel=a&transport=websocket');
    ok($c->wait_open, 'transport=websocket with Upgrade');
    $c->close;

    $c = ws($n, '/both?channel=a');
    ok($c->wait_open, 'beside push_publish');
    $c->close;
};

part 'sub-protocol' => sub {
    for (
        [ 'push.json' => 'push.json' ], [ 'a, push.json ,b' => 'push.json' ],
        [ 'chat' => undef ], [ 'PUSH.JSON' => undef ], [ '' => undef ],
        [ 'push.jsonx, xpush.json' => undef ],
    ) {
        my ($offer, $answer) = @$_;
        my $c = ws($n, '/sub?channel=a', protocol => $offer);

        ok($c->wait_open, "offer of \"$offer\"");
        is($c->header('sec-websocket-protocol'), $answer, 'the answer');
        publish('a', 'x');
        $c->wait_messages($answer ? 2 : 1);
        is($c->messages->[-1]{data} eq 'x' ? undef : 'push.json', $answer,
           'which counts');
        $c->close;
    }

    my $c = ws($n, '/sub?channel=a', headers => [
        'Sec-WebSocket-Protocol' => 'chat',
        'Sec-WebSocket-Protocol' => 'push.json' ]);
    ok($c->wait_open, 'in lines of their own');
    is($c->header('sec-websocket-protocol'), 'push.json', 'the answer');
    $c->close;
};


# messages

my @messages = (
    [ '', undef, 1 ], [ 'x', undef, 1 ], [ 'x', 'text/plain', 1 ],
    [ "\xc3\xa9\n\r\n", 'text/plain; charset=utf-8', 1 ],
    [ '{"a":1}', 'application/json', 1 ], [ '{', 'Application/JSON', 1 ],
    [ '[]', 'application/activity+json; a=b', 1 ],
    [ '<a/>', 'application/xml', 1 ], [ '<a/>', 'text/xml', 1 ],
    [ 'a=b', 'application/x-www-form-urlencoded', 1 ],
    [ 'ascii', 'application/octet-stream', 0 ], [ '', 'image/png', 0 ],
    [ "\xff", undef, 0 ], [ "a\xc3", 'text/plain', 0 ],
    [ "\xed\xa0\x80", 'application/json', 0 ], [ 'x', 'nonsense', 0 ],
    [ 'x' x 125, undef, 1 ], [ 'x' x 126, undef, 1 ], [ 'y' x 65_535, undef, 1 ],
    [ 'z' x 65_536, undef, 1 ], [ "\xfe" x 65_536, 'video/mp4', 0 ],
    [ 'last', undef, 1 ],
);

for_workers(1, 4, sub {
    $n = ways_nginx(locations => $locations, http => $http, workers => $_[0]);

    for_ways($n, sub {
        my ($way, $channel) = @_;

        my @c = (ws($way, "/sub?channel=$channel"),
                 ws($way, "/limit_conn?channel=$channel"));
        my $reloaded = ws($way, "/sub?channel=$channel");
        $_->wait_open for @c, $reloaded;

        my @ids = map {
            publish($channel, $_->[0],
                    defined $_->[1] ? ('Content-Type' => $_->[1]) : ())
        } @messages;

        for my $c (@c) {
            is_data($c, [ map { $_->[0] } @messages ], 'bodies, in order');
            is_deeply([ map { $_->{text} } @{ $c->messages } ],
                      [ map { $_->[2] } @messages ], 'text or binary');
            is(scalar(grep { $_->{frames} != 1 || $_->{compressed} }
                      @{ $c->messages }), 0, 'each in a frame');
        }

        # where it starts

        my @last = map { $_->[0] } @messages[-2, -1];

        is_data(ws($way, "/sub?channel=$channel&since=$ids[-3]"), \@last,
                'since an id');
        is_data(ws($way, "/sub?channel=$channel&since=last:2"), \@last,
                'since last:2');
        is_data(ws($way, "/sub?channel=$channel&since=last%3A2"), \@last,
                'percent-encoded');
        is_data(ws($way, "/last?channel=$channel"), \@last, 'push_start last:2');
        is_data(ws($way, "/early?channel=$channel"),
                [ map { $_->[0] } @messages ], 'push_start earliest');
        is_data(ws($way, "/early?channel=$channel&since=$ids[-3]"), \@last,
                'since overrides push_start');
        is_data(ws($way, "/sub?channel=$channel", headers => [
                   'Last-Event-ID' => $ids[-3] ]), \@last, 'Last-Event-ID');

        my $c = ws($way, "/sub?channel=$channel&since=$ids[-1]");
        ok($c->wait_open, 'since the last one');
        publish($channel, 'new');
        is_data($c, [ 'new' ], 'only what is new');

        # envelopes

        for my $path ('/json?channel', '/sub?format=json&channel') {
            my $c = ws($way, "$path=$channel&since=$ids[2]");
            $c->wait_messages(@messages - 2);
            my $e = $c->objects->[0];
            is_deeply([ @$e{qw(type channel id data)} ],
                      [ 'message', $channel, $ids[3], "\x{e9}\n\r\n" ],
                      'an envelope');
            is(scalar(grep { !$_->{text} } @{ $c->messages }), 0, 'all are text');
            is_deeply([ map { $_->{id} } @{ $c->objects }[0 .. $#ids - 3] ],
                      [ @ids[3 .. $#ids] ], 'ids');
            is($c->bad, undef, 'nothing wrong');
        }

        $c = ws($way, "/json?format=raw&channel=$channel&since=last:1");
        is_data($c, [ 'new' ], 'raw if it is asked for');
    }, @upgraded);

    # over a reload, who is there hears of the end, and who comes goes on

    my $old = ws($n, '/sub?channel=reload');
    $old->wait_open;
    publish('reload', 'one');
    is_data($old, [ 'one' ], 'before the reload');
    ok($n->reload, 'reload');
    publish('reload', 'two');
    is_data($old, [ 'one', 'two' ], 'an old worker goes on');
    is_data(ws($n, '/sub?channel=reload&since=earliest'), [ 'one', 'two' ],
            'a new one has all');
});

$n = ways_nginx(locations => $locations, http => $http, workers => 2);


# a gap where it starts: what there is in it leads on to the rest

for_ways($n, sub {
    my ($way, $channel) = @_;
    my @ids = map { publish($channel, "m$_", path => '/short') } 1 .. 6;

    for my $since ($ids[0], $ids[0] =~ s/\A./_/r =~ s/_/B/r) {
        my $c = ws($way, "/sub?channel=$channel&since=$since");

        ok($c->wait_open, 'opens');
        is($c->wait_code, 4200, 'a gap');
        is_deeply($c->data, [], 'before any message');
        is($c->wait_closed, 'clean', 'the end');

        my ($retry, $id) = $c->why =~ /\Aretry=(\d+) since=([\w.-]+)\z/;
        ok(defined $retry && $retry >= 700 && $retry <= 900, 'when to come back')
            or diag($c->why);
        is_data(ws($way, "/sub?channel=$channel&since=$id"),
                [ 'm4', 'm5', 'm6' ], 'and from where');
    }

    # as an envelope

    my $c = ws($way, "/json?channel=$channel&since=$ids[0]");
    $c->wait_messages(4);
    my ($gap, @rest) = @{ $c->objects };
    is_deeply($gap, { type => 'gap', channel => $channel, reason => 'expired',
                      requested => $ids[0], oldest => $ids[3],
                      id => $ids[2] }, 'a gap in words');
    is_deeply([ map { $_->{data} } @rest ], [ 'm4', 'm5', 'm6' ],
              'and all that is kept');

    # of two channels one has a gap: the position is one of both

    my @others = map { publish("$channel-2", "n$_") } 1 .. 3;
    my $both = ws($way, "/json?channel=$channel,$channel-2&since=earliest");
    $both->wait_messages(6);
    my $position = $both->objects->[-1]{position};

    publish($channel, "m$_", path => '/short') for 7 .. 10;
    publish("$channel-2", 'n4');

    my $raw = ws($way, "/sub?channel=$channel,$channel-2&since=$position");
    is($raw->wait_code, 4200, 'a gap in one of two');
    my ($since) = $raw->why =~ / since=(\S+)\z/;

    $raw = ws($way, "/sub?channel=$channel-2,$channel&since=$since");
    $raw->wait_messages(4);
    is_deeply([ sort @{ $raw->data } ], [ 'm10', 'm8', 'm9', 'n4' ],
              'the rest of both');

    # of so many the position does not fit

    my $list = join ',', $channel, map { "$channel-$_" } 3 .. 20;
    $raw = ws($way, "/sub?channel=$list&since=$position");
    is($raw->wait_code, 4200, 'a gap in one of twenty');
    like($raw->why, qr/\Aretry=\d+\z/, 'no room for a position');
}, @upgraded);


# frames that come with the handshake, and in pieces

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $bytes = join '', map { Push::WebSocket->frame(@$_) }
        [ TEXT, 'one' ], [ PING, 'here' ], [ TEXT, 'tw', fin => 0 ],
        [ CONTINUATION, 'o' ], [ BINARY, 'three' ];

    for my $path ('/echo', '/limit_echo') {
        my $c = ws($way, "$path?channel=$channel", first => $bytes);
        is_data($c, [ 'one', 'two', 'three' ], 'with the handshake');
        is_deeply($c->pongs, [ 'here' ], 'a ping too');
        is($c->bye(1000)->wait_closed, 'clean', 'the end');

        # as many as a request may be long

        my $many = join '', map { Push::WebSocket->frame(TEXT, $_) } 1 .. 100;
        $c = ws($way, "$path?channel=$channel", first => $many);
        is_data($c, [ 1 .. 100 ], 'a hundred');

        # a close frame

        $c = ws($way, "$path?channel=$channel",
                first => Push::WebSocket->frame(CLOSE, pack 'n', 3000));
        is($c->wait_closed, 'clean', 'closed with the handshake');
        is($c->code, 3000, 'and answered');

        # what is wrong

        $c = ws($way, "$path?channel=$channel",
                first => Push::WebSocket->frame(3, ''));
        is($c->wait_closed, 'clean', 'wrong from the beginning');
        is($c->code, 1002, 'and so refused');

        # cut at any byte: the first part with the handshake, the rest later

        my @cut = map {
            my $at = $_;
            my $c = ws($way, "$path?channel=$channel-$at",
                       first => substr $bytes, 0, $at);
            [ $at, $c ];
        } 0 .. length $bytes;

        $_->[1]->wait_open for @cut;
        $_->[1]->send(substr $bytes, $_->[0]) for @cut;
        $_->[1]->wait_messages(3) for @cut;

        is(scalar(grep { "@{ $_->[1]->data }" ne 'one two three'
                         || "@{ $_->[1]->pongs }" ne 'here' } @cut), 0,
           'in two parts, cut anywhere');
        $_->[1]->close for @cut;

        # byte by byte

        $c = ws($way, "$path?channel=$channel");
        $c->wait_open;
        $c->chop($bytes, 1);
        is_data($c, [ 'one', 'two', 'three' ], 'byte by byte');
    }

    ok(wait_for(sub { subscribers("$channel-0") == 0 }), 'nobody is left');
}, @upgraded);


# what a client publishes

for_workers(1, 2, sub {
    $n = ways_nginx(locations => $locations, http => $http, workers => $_[0]);

    for_ways($n, sub {
        my ($way, $channel) = @_;
        my $json = ws($way, "/json?channel=$channel");
        $json->wait_open;

        # not allowed: not even an empty one

        for my $path ('/sub', '/off') {
            for (
                [ 'a text', [ TEXT, 'no' ] ], [ 'an empty one', [ TEXT, '' ] ],
                [ 'a binary one', [ BINARY, "\0" ] ],
                [ 'a part', [ TEXT, 'n', fin => 0 ] ],
            ) {
                my ($what, $frame) = @$_;
                my $c = ws($way, "$path?channel=$channel");

                $c->wait_open;
                $c->put(@$frame);
                is($c->wait_code, 1008, "$path: $what");
                is($c->wait_closed, 'clean', 'the end');
                unlike($c->why, qr/retry/, 'for good');
            }

            my $c = ws($way, "$path?channel=$channel");
            $c->wait_open;
            $c->pong('allowed');
            $c->ping('allowed');
            ok($c->wait_pongs(1), "$path: a ping may come");
            $c->close;
        }

        # to its own channel

        my $c = ws($way, "/echo?channel=$channel&user=ann");
        $c->wait_open;
        $c->text('hello');
        $c->binary("\0\xff");
        $c->text('{"user":"mallory"}');
        is_data($c, [ 'hello', "\0\xff", '{"user":"mallory"}' ], 'back');
        is_deeply([ map { $_->{text} } @{ $c->messages } ], [ 1, 0, 1 ],
                  'text or binary');

        $json->wait_messages(3);
        my @e = @{ $json->objects };
        is_deeply([ map { $_->{user} } @e ], [ 'ann', 'ann', 'ann' ],
                  'who it was is known');
        is_deeply([ map { $_->{data} // $_->{data_base64} } @e ],
                  [ 'hello', 'AP8=', '{"user":"mallory"}' ],
                  'whatever the client says');
        is($e[0]{content_type}, undef, 'a text has no type');
        is($e[1]{content_type}, 'application/octet-stream', 'binary has one');

        # one without a name; what an HTTP client says is not who it is

        $c->close;
        $c = ws($way, "/echo?channel=$channel");
        $c->wait_open;
        $c->text('nobody');
        publish($channel, 'http', 'X-User' => 'ann');
        $json->wait_messages(5);
        is_deeply([ map { $_->{user} } @{ $json->objects }[3, 4] ],
                  [ undef, undef ], 'no name');

        # several channels: to all of them

        $c->close;
        my ($one, $two) = ("$channel-1", "$channel-2");
        $c = ws($way, "/echo?channel=$one,$two");
        $c->wait_open;
        $c->text('both');
        is_data($c, [ 'both', 'both' ], 'to both');
        is_data(ws($way, "/sub?channel=$_&since=earliest"), [ 'both' ],
                "in $_") for $one, $two;

        # patterns: all of its channels have to match

        $c = ws($way, "/rooms?channel=room:$channel,news");
        $c->wait_open;
        $c->text('in');
        ok($c->wait_messages(2), 'patterns that match');
        $c->close;

        for my $list ("room:$channel,$channel", "room:a:$channel", 'news:x') {
            $c = ws($way, "/rooms?channel=$list");
            $c->wait_open;
            $c->text('out');
            is($c->wait_code, 1008, "no pattern for $list");
        }

        is_deeply($n->get("/pub?channel=room:$channel")->json->{messages}, 1,
                  'nothing of that is published');

        # the size, before any of the payload has come

        for (
            [ 'a frame', Push::WebSocket->frame(TEXT, '', len => 1025) ],
            [ 'a large one', Push::WebSocket->frame(BINARY, '',
                                                    len => 2 ** 62) ],
            [ 'the second frame', Push::WebSocket->frame(TEXT, 'x' x 1000,
                                                         fin => 0)
              . Push::WebSocket->frame(CONTINUATION, '', len => 25) ],
        ) {
            my ($what, $bytes) = @$_;

            $c = ws($way, "/small?channel=$channel-small");
            $c->wait_open;
            $c->send($bytes);
            is($c->wait_code, 1009, "$what is too large");
            is($c->wait_closed, 'clean', 'the end');
        }

        $c = ws($way, "/small?channel=$channel-small");
        $c->wait_open;
        $c->text('x' x 1024);
        $c->text('y' x 1024, fragment => 100);
        is_data($c, [ 'x' x 1024, 'y' x 1024 ], 'the largest');

        # with all of it on the way, the code still comes

        $c = ws($way, "/small?channel=$channel-small", answer => 0);
        $c->wait_open;
        $c->pause;
        $c->send(Push::WebSocket->frame(TEXT, 'x' x 3_000_000));
        wait_for(sub { $n->log_lines(qr/closed with 1009/) });
        $c->resume;
        is($c->wait_closed, 'clean', 'three million bytes after it');
        is($c->code, 1009, 'and the code');

        # a channel that is sealed for others

        $c = ws($way, "/echo?channel=$one,$two");
        $c->wait_open;
        publish($two, 'end', 'Push-End' => 'true');
        ok($c->wait_messages(1), 'the last of one');
        $c->text('one is left');
        $c->wait_messages(2);
        is_deeply([ map { $_->{data} } @{ $c->messages } ],
                  [ 'end', 'one is left' ], 'to the one that is left');
    }, @upgraded);
});


# a zone that is too small for a message

part 'no room' => sub {
    my $n = nginx(conf => <<'E');
    push_zone push 256k;
    push_max_message_size 1m;
    push_retry 700ms 900ms;
    server {
        listen 127.0.0.1:%%PORT%%;
        location = /echo { push_client_publish on;
                           push_subscribe $arg_channel; }
    }
E

    my $c = ws($n, '/echo?channel=a');
    $c->wait_open;
    $c->text('x' x 500_000);
    is($c->wait_code, 1013, 'try again later');
    like($c->why, qr/\Aretry=[789]\d\d\z/, 'and when');
};


# a message that is larger than history and backlog: who listens gets it

part 'larger than the backlog' => sub {
    $n = ways_nginx(http => $http, workers => 2, locations => <<'E');
    push_max_message_size 4m;
    push_backlog 64k;
    push_history off;
    location = /pub { push_publish $arg_channel; }
    location = /echo { push_client_publish on; push_subscribe $arg_channel; }
E

    for_ways($n, sub {
        my ($way, $channel) = @_;
        my @c = map { ws($way, "/echo?channel=$channel") } 1 .. 2;
        $_->wait_open for @c;

        for my $i (1 .. 3) {
            my $body = $i x 900_000;

            $i == 2 ? $c[0]->text($body) : publish($channel, $body);
            $_->wait_messages($i) for @c;
            is(scalar(grep { $_->count == $i && $_->data->[-1] eq $body } @c),
               2, "message $i");
        }
    }, @upgraded);
};


# one that hears itself and does not read is not listened to; when it reads, it
# gets all of it

for_workers(1, 2, sub {
    $n = ways_nginx(locations => $locations, http => $http, workers => $_[0],
                    listen => 'sndbuf=16k rcvbuf=16k');

    for_ways($n, sub {
        my ($way, $channel) = @_;

        for my $i (0 .. 2) {
            my $c = ws($way, "/echo?channel=$channel", rcvbuf => 8192);

            $c->wait_open;
            $c->pause;
            $c->text("$_ " . 'x' x 10_000) for 1 .. 400;

            # what was published at first is all, however often one looks

            my ($then, $now) = (-1, 0);

            ok(wait_for(sub {
                ($then, $now) = ($now, published($channel));
                run_for(0.05);
                return $then == $now;
            }), 'nothing more is taken');
            cmp_ok($now - 400 * $i, '<', 200, 'and most of it was not');

            $c->resume;
            $c->wait_messages(400, 20);
            is($c->code, undef, 'it does not fall behind');
            is(scalar(grep { $c->data->[$_] !~ /\A\Q${\ ($_ + 1)}\E / }
                      0 .. $c->count - 1), 0, 'in order');
            is($c->count, 400, 'all of it');
            is($c->bye(1000)->wait_closed, 'clean', 'the end');
        }
    }, @upgraded);
});


# logs

part 'logs and variables' => sub {
    $n = ways_nginx(locations => $locations, http => $http, workers => 1);

    for_ways($n, sub {
        my ($way, $channel) = @_;
        my $line = sub {
            return (grep { / \Q$channel\E / } split /\n/, $n->access_log)[-1]
                   // '';
        };

        my $first = publish($channel, 'x');
        my $published = "/pub 201 - $channel $first";
        wait_for(sub { $line->() eq $published });

        my $c = ws($way, "/sub?channel=$channel");
        $c->wait_open;
        my $second = publish($channel, 'y');
        $c->wait_messages(1);
        $c->bye(1000)->wait_closed;

        my $id = $way->is_kept ? $second : $first;

        ok(wait_for(sub {
            return $n->access_log =~ /^\/sub 101 websocket \Q$channel $id\E$/m;
        }), 'a line') or diag($n->access_log);

        is(scalar(() = $n->access_log =~ /^\/sub \d+ \S+ \Q$channel\E /mg), 1,
           'only one');
        ok(wait_for(sub {
            return $n->log_lines(qr/push:\ websocket\ subscriber\ of
                                   \ "$channel"\ left\ after\ \d+\ s,
                                   \ last\ id\ \Q$second\E/x);
        }), 'a line of the end');
    }, @upgraded);

    is($n->get('/status')->json->{subscribers}{total}, 0, 'nobody is left');
};

done_testing;
