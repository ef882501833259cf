#!/usr/bin/perl

# Server-Sent Events: headers, the first write, messages in every format.

use strict;
use warnings;

use MIME::Base64 qw(encode_base64);

use Push::Test;
use Push::Ways;

my $n;

my $locations = <<'E2';
    push_retry 700ms 900ms;
    push_history 1000;

    location = /pub { push_max_message_size 1m; push_publish $arg_channel; }
    location = /sub { push_subscribe $arg_channel; }
    location = /json { push_subscribe $arg_channel; push_format json; }
    location = /both { push_publish $arg_channel; push_subscribe $arg_channel; }
E2

my $id = qr/[A-Za-z0-9._-]+/;

sub publish {
    my ($channel, $body, %headers) = @_;

    my $r = $n->publish("/pub?channel=$channel", $body, headers => \%headers);
    is($r->status, 201, 'published') or diag($r->body);

    return $r->json->{id};
}

# what is in the stream after push.subscribed

sub rest { return ($_[0]{all} =~ s/\A.*?\n\n//sr) }

for_workers(1, 2, 4, sub {
    $n = ways_nginx(locations => $locations, workers => $_[0]);

    for_ways($n, sub {
        my ($way, $channel) = @_;

        my $first;
        my $c = $way->sse("/sub?channel=$channel", on_data => sub {
            $first //= $_[0]{all};
        });

        ok($c->wait_subscribed, 'subscribed');
        is($c->status, 200, 'status');
        is($c->header('content-type'), 'text/event-stream', 'Content-Type');
        is($c->header('cache-control'), 'no-store, no-transform',
           'Cache-Control');
        is($c->header('x-accel-buffering'), 'no', 'X-Accel-Buffering');
        is($c->header('vary'), 'Origin, Accept', 'Vary');
        is($c->header('content-length'), undef, 'no length');
        is($c->header('content-encoding'), undef, 'no encoding');
        is($c->header('connection'), $way->is_http2 ? undef : 'close',
           'the stream ends the connection');
        is($c->header('transfer-encoding'),
           $way->is_http2 || $way->is_http10 ? undef : 'chunked', 'framing');

        my $e = $c->events->[0];
        like($e->{id}, qr/\A$id\z/, 'a position');
        is_deeply(decode_json($e->{data}),
                  { channels => [ { channel => $channel, id => $e->{id} } ] },
                  'of the channel');
        like($c->{all}, qr/\A retry:[ ]\d+\n event:[ ]push.subscribed\n
                           id:[ ]$id\n data:[ ][^\n]+\n\n \z/x, 'no more');
        is($first, $c->{all}, 'in one write') unless $way->is_http2;

        # messages

        my @ids = map { publish($channel, "m$_") } 1 .. 3;
        push @ids, publish($channel, 'four', 'Push-Event' => "\xc3\xa9v\xc3\xa9");

        ok($c->wait_messages(4), 'messages');
        is(rest($c), "id: $ids[0]\ndata: m1\n\nid: $ids[1]\ndata: m2\n\n"
                     . "id: $ids[2]\ndata: m3\n\n"
                     . "id: $ids[3]\nevent: \xc3\xa9v\xc3\xa9\ndata: four\n\n",
           'each with its id, and nothing else');
        is(scalar(grep { $ids[$_] le $ids[$_ - 1] } 1 .. 3), 0, 'ids grow');
        isnt($e->{id}, $ids[0], 'the position is before the first');

        # the position is where the subscriber starts, not a later one

        $c = $way->sse("/sub?channel=$channel&since=$ids[1]");
        ok($c->wait_messages(2), 'what follows an id');
        is($c->events->[0]{id}, $ids[1], 'the position is that id');
        is_deeply($c->data, [ 'm3', 'four' ], 'exactly the rest');

        $c = $way->sse("/sub?channel=$channel");
        $c->wait_subscribed;
        is($c->events->[0]{id}, $ids[3], 'latest: the last id');
    });
});

$n = ways_nginx(locations => $locations, workers => 2);

# bodies that must not become fields

my @bodies = (
    "a\nb", "a\rb", "a\r\nb", "a\n\rb", "a\n", "\na", "\n", "\r", "\r\n",
    "\n\n", "a\r\n\r\nb\n", "a\n\nevent: push.gap\nid: 0\ndata: forged\n\n",
    "x\r\rid: 1\rretry: 1", ' lead', '  two', ':c', 'data: x', "\xEF\xBB\xBFbom",
    "nul\0nul", "\x{e2}\x{80}\x{a8}", 'trail ',
);

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $c = $way->sse("/sub?channel=$channel");
    $c->wait_subscribed;

    my @ids = map { publish($channel, $_) } @bodies;
    publish($channel, 'last');

    $c->wait_messages(@bodies + 1);

    is_deeply($c->data, [ (map { s/\r\n?/\n/gr } @bodies), 'last' ],
              'lines survive, as LF');
    is_deeply([ map { $_->{id} } @{ $c->messages }[0 .. $#ids] ], \@ids,
              'ids are ours');
    is_deeply([ grep { $_->{event} ne 'message' } @{ $c->messages } ], [],
              'no event was forged');
    is_deeply($c->unknown, [], 'nothing that is no field');
    is($c->event('push.gap'), undef, 'no gap was forged');
});

# empty, binary, big

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $c = $way->sse("/sub?channel=$channel");
    $c->wait_subscribed;

    my $binary = join '', map { chr } 0 .. 255;
    my $big = join '', map { sprintf "%07d\n", $_ } 1 .. 20_000;

    publish($channel, '');
    publish($channel, '', 'Push-Event' => 'e');
    publish($channel, $binary, 'Content-Type' => 'application/octet-stream',
            'Push-Event' => 'bin');
    publish($channel, "\xff\xfe");
    publish($channel, '', 'Content-Type' => 'image/png');
    publish($channel, 'x' x 65_536);
    publish($channel, $big);
    publish($channel, 'y' x 1_000_000);
    publish($channel, 'last');

    $c->wait_messages(9);

    my @m = @{ $c->messages };

    is($m[0]{data}, '', 'empty');
    is($m[1]{data} . $m[1]{event}, 'e', 'empty, with a name');
    is($m[2]{data}, encode_base64($binary, ''), 'binary');
    is($m[2]{event}, 'bin', 'with its name');
    is($m[3]{data}, encode_base64("\xff\xfe", ''), 'text that is none');
    is($m[4]{data}, '', 'empty binary');
    ok($m[5]{data} eq 'x' x 65_536, '64 KiB');
    ok("$m[6]{data}" eq $big, '160,000 bytes in lines');
    ok($m[7]{data} eq 'y' x 1_000_000, 'a million bytes');
    is($m[8]{data}, 'last', 'and what follows');
    ok(!$c->{bad}, 'framing');

    # once more, as a replay

    $c = $way->sse("/sub?channel=$channel&since=earliest");
    $c->wait_messages(9);
    is_deeply([ map { [ @$_{qw(event data id)} ] } @{ $c->messages } ],
              [ map { [ @$_{qw(event data id)} ] } @m ], 'the same again');
});

# envelopes

for_ways($n, sub {
    my ($way, $channel) = @_;

    my @c = map { $way->sse("$_=$channel") } '/json?channel',
        '/sub?format=json&channel', '/json?format=json&channel';
    my $raw = $way->sse("/json?format=raw&channel=$channel");

    $_->wait_subscribed for @c, $raw;

    my @ids = (
        publish($channel, "a\n\"b\"\\\x{c3}\x{a9}\x01", 'Push-Event' => 'ev',
                Topic => 't.1'),
        publish($channel, '{"a":[1,2.50,null]}',
                'Content-Type' => 'application/json'),
        publish($channel, '{"a":', 'Content-Type' => 'application/json'),
        publish($channel, '[1]', 'Content-Type' => 'application/x+json'),
        publish($channel, "\0\xff", 'Content-Type' => 'image/png'),
        publish($channel, '', 'Content-Type' => 'text/plain'),
        publish($channel, "1 \n", 'Content-Type' => 'application/json'),
    );

    my @want = (
        { event => 'ev', topic => 't.1', data => "a\n\"b\"\\\x{e9}\x01" },
        { content_type => 'application/json',
          data => { a => [ 1, 2.5, undef ] } },
        { content_type => 'application/json', data => '{"a":' },
        { content_type => 'application/x+json', data => [1] },
        { content_type => 'image/png', data_base64 => 'AP8=' },
        { content_type => 'text/plain', data => '' },
        { content_type => 'application/json', data => 1 },
    );

    $want[$_]{id} = $ids[$_] for 0 .. $#ids;

    for my $c (@c) {
        $c->wait_messages(7);

        my @got = map { decode_json($_->{data}) } @{ $c->messages };

        like($_->{time}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/,
             'time') for @got;
        delete $_->{time} for @got;

        is_deeply(\@got, [ map { { type => 'message', channel => $channel,
                                   %$_ } } @want ], 'envelopes');
        is_deeply([ map { $_->{id} } @{ $c->messages } ], \@ids, 'ids');
        is($c->messages->[0]{event}, 'ev', 'the name stays');
        is($c->events->[0]{event}, 'push.subscribed', 'after push.subscribed');
    }

    is(scalar(() = $c[0]{all} =~ /\[1,2\.50,null\]/g), 1,
       'JSON as it was written');

    $raw->wait_messages(7);
    is($raw->data->[1], '{"a":[1,2.50,null]}', 'raw if it is asked for');
});

# the transport is chosen

{
    my @accept = (
        [ 'text/event-stream' => 200 ], [ '*/*' => 200 ], [ '' => 200 ],
        [ 'text/*' => 200 ], [ 'application/json' => 200 ],
        [ 'application/json;q=0.5, text/event-stream' => 200 ],
        [ 'text/event-stream;q=0' => 406 ], [ 'image/png' => 406 ],
        [ 'application/x-ndjson' => 200 ],
    );

    for (@accept) {
        my ($accept, $status) = @$_;

        my $r = $n->http(HEAD => '/sub?channel=a',
                         headers => { Accept => $accept });
        is($r->status, $status, "Accept: $accept");
        is($r->header('vary'), 'Origin, Accept', 'Vary');
    }

    my $r = $n->http(HEAD => '/sub?channel=a');
    is($r->status, 200, 'no Accept');

    $r = $n->get('/sub?channel=a', headers => { Accept => 'image/png' });
    is($r->json->{type}, 'urn:ngx-push:problem:not-acceptable', '406: why');

    is($n->http(HEAD => '/sub?channel=a&transport=sse',
                headers => { Accept => 'image/png' })->status,
       200, 'transport overrides Accept');
    is($n->http(HEAD => '/sub?channel=a&transport=nonsense')->status, 406,
       'one that does not exist');

    for my $method (qw(POST PUT DELETE PATCH)) {
        $r = $n->http($method => '/sub?channel=a');
        is($r->status, 405, $method);
        is($r->header('allow'), 'GET, HEAD, OPTIONS', 'Allow');
    }

    $r = $n->get('/sub?channel=');
    is($r->status, 400, 'no channel');
    is($n->get("/sub?channel=a\%01b")->status, 400, 'a bad name');
    is($n->http(HEAD => '/both?channel=a')->status, 200, 'both: HEAD');
    is($n->publish('/both?channel=both', 'x')->status, 201, 'both: POST');
}

# HEAD: the headers, and the end

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $c = $way->sse("/sub?channel=$channel", method => 'HEAD');
    ok($c->wait_end, 'complete');
    is($c->status, 200, 'status');
    is($c->header('content-type'), 'text/event-stream', 'type');
    is($c->header('cache-control'), 'no-store, no-transform', 'cache');
    is($n->get("/pub?channel=$channel")->status, 404, 'no one subscribes');
});

done_testing;
