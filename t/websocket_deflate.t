#!/usr/bin/perl

# permessage-deflate (RFC 7692): what is agreed on, the cases of the Autobahn
# test suite's groups 12 and 13, and what is broken, too large, or shared.

use strict;
use warnings;

use Compress::Raw::Zlib;
use EV;

use Push::Test;
use Push::WebSocket;
use Push::Ways;

my $asan = $ENV{PUSH_ASAN} || $ENV{PUSH_COVER};

my $http = 'push_zone push 64m;';

my $locations = <<'E2';
    push_client_publish on;
    push_history off;
    push_backlog 16m;
    push_max_message_size 128k;

    location = /pub { push_publish $arg_channel; }
    location = /sub { push_subscribe $arg_channel; }
    location = /json { push_format json; push_subscribe $arg_channel; }
    location = /large { push_max_message_size 16m;
                        push_subscribe $arg_channel; }
    location = /small { push_max_message_size 64k;
                        push_subscribe $arg_channel; }
    location = /status { push_status; }
E2

my @upgraded = (not => [ 'http10', 'http2' ]);
my $channels = 0;
my $n;

my $none = 'permessage-deflate; server_no_context_takeover; '
           . 'client_no_context_takeover';

seed();

sub connect_to {
    my ($where, $path, %opt) = @_;
    my $c = ws($where, "$path?channel=deflate" . ++$channels, deflate => 1,
               %opt);

    $c->wait_open or fail('handshake');

    return $c;
}

sub publish {
    my ($channel, $body, %headers) = @_;
    my $r = $n->publish("/pub?channel=$channel", $body, headers => \%headers);
    $r->status == 201 or fail('published: ' . $r->status);
    return $r->json->{id};
}

sub random_bytes { return join '', map { chr rand 256 } 1 .. $_[0] }

# a text that gets smaller, but not by too much
sub words {
    my ($size) = @_;
    my $text = '';

    $text .= join(' ', map { chr(97 + rand 26) x (1 + rand 3) } 1 .. 12)
             . sprintf(', %d. ', rand 1e9) while length $text < $size;

    return substr $text, 0, $size;
}


# what is agreed on

my @offers = (
    [ 'permessage-deflate' => $none ],
    [ 'permessage-deflate; client_max_window_bits'
      => "$none; client_max_window_bits=15" ],
    [ 'permessage-deflate; client_max_window_bits=10'
      => "$none; client_max_window_bits=10" ],
    [ 'permessage-deflate; client_max_window_bits=8'
      => "$none; client_max_window_bits=8" ],
    [ 'permessage-deflate;client_no_context_takeover' => $none ],
    [ 'permessage-deflate ; server_no_context_takeover' => $none ],
    [ 'permessage-deflate; server_max_window_bits="12"'
      => "$none; server_max_window_bits=12" ],
    [ 'permessage-deflate; server_max_window_bits=9; client_max_window_bits'
      => "$none; server_max_window_bits=9; client_max_window_bits=15" ],
    map({ [ "permessage-deflate; server_max_window_bits=$_"
            => "$none; server_max_window_bits=$_" ] } 9 .. 15),

    # the first one that will do
    [ 'x-other, permessage-deflate' => $none ],
    [ 'permessage-deflate; server_max_window_bits=8, permessage-deflate'
      => $none ],
    [ 'permessage-deflate; new_parameter, permessage-deflate; '
      . 'server_max_window_bits=11' => "$none; server_max_window_bits=11" ],
    [ 'permessage-deflate; server_max_window_bits=10, permessage-deflate'
      => "$none; server_max_window_bits=10" ],

    # none will
    map({ [ $_ => undef ] }
        'x-webkit-deflate-frame', 'Permessage-Deflate', 'permessage-deflat',
        'permessage-deflate; server_max_window_bits=8',
        'permessage-deflate; server_max_window_bits=16',
        'permessage-deflate; server_max_window_bits=09',
        'permessage-deflate; server_max_window_bits',
        'permessage-deflate; server_max_window_bits=9; server_max_window_bits=9',
        'permessage-deflate; client_max_window_bits=7',
        'permessage-deflate; client_max_window_bits=16',
        'permessage-deflate; client_max_window_bits=',
        'permessage-deflate; client_no_context_takeover=1',
        'permessage-deflate; server_no_context_takeover=true',
        'permessage-deflate; client_no_context_takeover; '
        . 'client_no_context_takeover',
        'permessage-deflate; new_parameter', 'permessage-deflate=1', ',', ''),
);

for_workers(1, 2, sub {
    $n = ways_nginx(locations => $locations, http => $http, workers => $_[0]);

    for_ways($n, sub {
        my ($way, $channel) = @_;
        my $text = words(3000);

        for (@offers) {
            my ($offer, $answer) = @$_;
            my $c = connect_to($way, '/sub', deflate => $offer);

            is($c->header('sec-websocket-extensions'), $answer, $offer);

            $c->text($text);
            $c->wait_messages(1);
            is_deeply([ $c->data, $c->messages->[0]{compressed}, $c->bad ],
                      [ [ $text ], defined $answer ? 1 : 0, undef ],
                      'which counts');
            $c->close;
        }
    }, @upgraded);

    my $c = connect_to($n, '/sub', deflate => undef, headers => [
        'Sec-WebSocket-Extensions' => 'x-other',
        'Sec-WebSocket-Extensions' => 'permessage-deflate; '
                                      . 'server_max_window_bits=10' ]);
    is($c->header('sec-websocket-extensions'),
       "$none; server_max_window_bits=10", 'in lines of their own');
});


# Groups 12 and 13 send a thousand messages of each size, one when the other
# has come back; here it is five of each, and two of the large ones.  Their
# data are files; here they are made of the same kind.

my @sizes = (
    map({ [ $_ ] } 16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536,
        131_072),
    map({ [ $_, 256 ] } 8192, 16_384, 32_768, 65_536, 131_072),
    map({ [ 131_072, $_ ] } 1024, 4096, 32_768),
);

my %made = (
    json => sub {
        return json({ id => int rand 1e6, name => words(20), tags =>
                      [ map { int rand 100 } 1 .. 5 ], ok => \1 }) . ",\n";
    },
    picture => sub { return chr(rand 256) x 3 . random_bytes(40) },
    verse => sub { return ucfirst(words(30)) . "\n" },
    page => sub { return '<p class="c' . int(rand 9) . '">' . words(60)
                         . "</p>\n" },
    paper => sub { return random_bytes(1000) . 'endstream endobj ' },
);

my %data;

sub data_of {
    my ($kind) = @_;

    return $data{$kind} //= do {
        my $data = '';
        $data .= $made{$kind}->() while length $data < 260_000;
        $data;
    };
}

sub group_of {
    my ($group, $data, $binary, %opt) = @_;
    my $at = 0;

    for my $i (1 .. @sizes) {
        my ($size, $fragment) = @{ $sizes[$i - 1] };
        my $c = connect_to($opt{way}, '/sub', deflate => $opt{offer} // 1);
        my $wrong = 0;
        my $compressed = 0;

        for my $k (1 .. ($size < 65_536 ? 5 : 2)) {
            my $message = substr $data, $at, $size;

            $at = ($at + 1777) % (length($data) - 131_072);

            $c->send($c->message($binary ? BINARY : TEXT, $message,
                                 fragment => $fragment // 1 << 20));
            $c->wait_messages($k) or last;

            my $m = $c->messages->[-1];

            $compressed += $m->{compressed};
            $wrong++ if $m->{data} ne $message || $m->{text} == $binary;
        }

        $c->bye(1000)->wait_closed;
        is_deeply([ $wrong, $c->code, $c->closed, $c->bad ],
                  [ 0, 1000, 'clean', undef ],
                  "Case $group.$i: $size bytes, "
                  . ($fragment ? "in frames of $fragment" : 'one frame'));

        next if $opt{any};
        is($compressed > 0, $size > 64, "Case $group.$i: compressed or not")
            if $size != 64;
    }
}

for_workers(1, 2, sub {
    $n = ways_nginx(locations => $locations, http => $http, workers => $_[0]);

    my @ways = all_ways($n, @upgraded);
    my @groups = ([ json => 0 ], [ picture => 1 ], [ verse => 1 ],
                  [ page => 0 ], [ paper => 1 ]);

    for my $i (1 .. 5) {
        my ($kind, $binary) = @{ $groups[$i - 1] };

        group_of("12.$i", data_of($kind), $binary, way => $ways[$i % 4],
                 any => scalar $kind =~ /p/);
    }

    # by what the client offers: no context, bits of the server's window.
    # Eight bits, which once stood for nine here, are what zlib cannot write.

    my $may = 'client_no_context_takeover; client_max_window_bits';
    my @params = ('', 'server_no_context_takeover', 'server_max_window_bits=9',
        'server_max_window_bits=15',
        'server_no_context_takeover; server_max_window_bits=9',
        'server_no_context_takeover; server_max_window_bits=15');
    my @offers = map { "permessage-deflate; $may" . ($_ && "; $_") } @params;

    push @offers, join ', ', @offers[4, 1, 0];

    group_of("13.$_", data_of('json'), 0, way => $ways[$_ % 4],
             offer => $offers[$_ - 1]) for 1 .. 7;
});

$n = ways_nginx(locations => $locations, http => $http, workers => 2);


# the client of these tests sees when a window is too large

{
    my $c = connect_to($n, '/sub',
                       deflate => 'permessage-deflate; server_max_window_bits=9');
    my $far = random_bytes(1200) x 2;
    my %m = (data => $c->deflated($far, bits => 15));

    $c->_inflate(\%m);
    like($c->bad, qr/compression/, 'a window that is too large is seen');

    # 9 bits are kept, with what would be found further back

    $c = connect_to($n, '/sub', deflate => 'permessage-deflate; '
                    . "client_max_window_bits; server_max_window_bits=$_")
        and do {
            $c->binary($far . 'x' x 5000);
            $c->wait_messages(1);
            is_deeply([ @{ $c->data }, $c->bad ], [ $far . 'x' x 5000, undef ],
                      "window of $_ bits");
        } for 9 .. 15;
}


# forms of a compressed message that RFC 7692 shows, 7.2.3, and others

for_ways($n, sub {
    my ($way) = @_;

    for (
        [ 'one block', 'f248cdc9c90700', 'Hello' ],
        [ 'in two frames', 'f248cd,c9c90700', 'Hello' ],
        [ 'in seven', 'f2,48,cd,c9,c9,07,00', 'Hello' ],
        [ 'with empty ones', ',f248cdc9c90700,,', 'Hello' ],
        [ 'not compressed', '000500faff48656c6c6f00', 'Hello' ],
        [ 'BFINAL set', 'f348cdc9c9070000', 'Hello' ],
        [ 'two blocks', 'f24805000000ffffcac9c90700', 'Hello' ],
        [ 'empty', '00', '' ], [ 'empty, another way', '0200', '' ],
        [ 'empty, in two frames', ',00', '' ],
    ) {
        my ($what, $hex, $data) = @$_;
        my $c = connect_to($way, '/sub');
        my @parts = map { pack 'H*', $_ } split /,/, $hex, -1;

        $c->put($_ ? CONTINUATION : TEXT, $parts[$_], fin => $_ == $#parts,
                rsv => $_ ? 0 : 0x40) for 0 .. $#parts;
        $c->wait_messages(1);
        is_deeply([ @{ $c->data }, $c->bad ], [ $data, undef ], $what);
        $c->close;
    }

    # compressed or not is up to each message; control frames go in between

    my $c = connect_to($way, '/sub');
    my @all = map { words(rand 3000) } 1 .. 60;

    for (@all) {
        my @frames = $c->message(TEXT, $_, deflate => rand() < 0.5,
                                 fragment => 1 + int rand 2000);
        $c->send(@frames);
        $c->ping('') if rand() < 0.3;
    }

    $c->put(TEXT, substr($c->deflated('a b c'), 0, 2), rsv => 0x40, fin => 0);
    $c->ping('between');
    $c->put(CONTINUATION, substr $c->deflated('a b c'), 2);

    $c->wait_messages(61);
    is_deeply([ $c->data, $c->bad ], [ [ @all, 'a b c' ], undef ], 'mixed');
    is($c->pongs->[-1], 'between', 'a ping in a compressed message');
}, @upgraded);


# what is not allowed

for_ways($n, sub {
    my ($way) = @_;
    my $hello = pack 'H*', 'f248cdc9c90700';
    my $text = words(3000);
    my $whole = Push::WebSocket->deflated($text);

    my $z = Compress::Raw::Zlib::Deflate->new(-WindowBits => -15,
                                              -AppendOutput => 1);
    my @context = map {
        $z->deflate($text, my $out = '');
        $z->flush($out, Z_SYNC_FLUSH);
        substr $out, 0, -4;
    } 1, 2;

    for (
        [ 'not asked for', 1002, { deflate => undef },
          [ TEXT, $hello, rsv => 0x40 ] ],
        [ 'said twice', 1002, {}, [ TEXT, $hello, rsv => 0x40, fin => 0 ],
          [ CONTINUATION, $hello, rsv => 0x40 ] ],
        [ 'said late', 1002, {}, [ TEXT, 'x', fin => 0 ],
          [ CONTINUATION, $hello, rsv => 0x40 ] ],
        [ 'a ping', 1002, {}, [ PING, $hello, rsv => 0x40 ] ],
        [ 'a close frame', 1002, {}, [ CLOSE, $hello, rsv => 0x40 ] ],
        [ 'RSV2', 1002, {}, [ TEXT, $hello, rsv => 0x20 ] ],
        [ 'RSV1 and RSV3', 1002, {}, [ TEXT, $hello, rsv => 0x50 ] ],
        [ 'no deflate', 1007, {}, [ BINARY, "\xff" x 30, rsv => 0x40 ] ],
        [ 'plain text', 1007, {}, [ TEXT, 'Hello, world!', rsv => 0x40 ] ],
        [ 'cut', 1007, {},
          [ TEXT, substr($whole, 0, length($whole) / 2), rsv => 0x40 ] ],
        [ 'something after it', 1007, {},
          [ TEXT, pack('H*', 'f348cdc9c90700') . "\xff\xff", rsv => 0x40 ] ],
        [ 'a context it has not', 1007, {}, [ TEXT, $context[0], rsv => 0x40 ],
          [ TEXT, $context[1], rsv => 0x40 ] ],
        [ 'text that is not UTF-8', 1007, {},
          [ TEXT, Push::WebSocket->deflated("a\xff"), rsv => 0x40 ] ],
        [ 'a character that is cut', 1007, {},
          [ TEXT, Push::WebSocket->deflated("a\xc3"), rsv => 0x40 ] ],
    ) {
        my ($what, $code, $opt, @frames) = @$_;
        my $c = connect_to($way, '/sub', %$opt);

        $c->put(@$_) for @frames;
        is($c->wait_code, $code, $what);
        is($c->wait_closed, 'clean', 'the end');
    }

    # anything at all, and a good one with a byte of it changed

    my @odd;

    for my $i (0 .. 39) {
        my $c = connect_to($way, '/sub');
        my $bytes = $i < 20 ? random_bytes(1 + rand 300) : $whole;

        substr $bytes, rand length $bytes, 1, chr rand 256;
        $c->put(BINARY, $bytes, rsv => 0x40);
        $c->_wait(sub { $_[0]->count || $_[0]->ended }, 'one or the other');

        push @odd, $c->code // 'none' if !$c->count && ($c->code // 0) != 1007;
        $c->close;
    }

    is_deeply(\@odd, [], 'taken, or 1007');
}, @upgraded);


# sizes: those that count are those of the message

for_workers(1, 2, sub {
    $n = ways_nginx(locations => $locations, http => $http, workers => $_[0]);

    my $memory = sub {
        my $sum = 0;

        for my $pid ($n->workers) {
            my $status = Push::Nginx::_slurp("/proc/$pid/status") // '';
            $sum += $1 if $status =~ /^RssAnon:\s+(\d+) kB/m;
        }

        return $sum;
    };

    # what is repeated; what no compression makes smaller

    for (
        [ 'zeros', 65_536, "\0" x 65_536, undef ],
        [ 'one more', 65_537, "\0" x 65_537, 1009 ],
        [ 'random', 65_536, random_bytes(65_536), undef ],
        [ 'one more', 65_537, random_bytes(65_537), 1009 ],
    ) {
        my ($what, $size, $data, $code) = @$_;

        for my $deflate (1, 0) {
            my $c = connect_to($n, '/small');

            $c->send($c->message(BINARY, $data, deflate => $deflate));
            $c->_wait(sub { $_[0]->count || $_[0]->ended }, 'one or the other');
            is($c->code, $code, "$what: $size, deflate $deflate");
            ok($c->data->[0] eq $data, 'back') if !$code;
            $c->close;
        }
    }

    my $before = $memory->();

    for my $way (all_ways($n, @upgraded)) {
        my $bomb = Push::WebSocket->deflated("\0" x 60_000_000);

        for my $fragment (length $bomb, 1000) {
            my $c = connect_to($way, '/small');

            $c->wait_open;

            for (my $at = 0; $at < length $bomb; $at += $fragment) {
                $c->put($at ? CONTINUATION : BINARY,
                        substr($bomb, $at, $fragment), rsv => $at ? 0 : 0x40,
                        fin => $at + $fragment >= length $bomb);
            }

            is($c->wait_code, 1009, $way->name . ': ' . length($bomb)
               . " bytes that are sixty million, in parts of $fragment");
            is($c->wait_closed, 'clean', 'the end');
        }
    }

  SKIP: {
        skip 'memory of an instrumented build', 1 if $asan;
        my $more = $memory->() - $before;

        note("$more KiB more");
        cmp_ok($more, '<', 2048, 'memory');
    }
});


# what many get: each kind is made once for all

for_workers(1, 2, sub {
    $n = ways_nginx(locations => $locations, http => $http, workers => $_[0]);

    my @ways = all_ways($n, @upgraded);
    my $offer = 'permessage-deflate; server_max_window_bits=';
    my $text = words(600) x 20;

    for my $path ('/sub', '/json') {
        my @c = map {
            my $deflate = $_;
            map { ws($_, "$path?channel=all", deflate => $deflate) } @ways, @ways
        } undef, 'permessage-deflate', map { $offer . $_ } 9 .. 14;

        my $protocol = ws($n, "$path?channel=all", deflate => 1,
                          protocol => 'push.json');
        $_->wait_open for @c, $protocol;

        my @bodies = ($text, 'small', '', random_bytes(1000), 'x' x 63,
                      'x' x 64, words(5000), $text . 'z');

        publish('all', $_, 'Content-Type' => /[^ -~]/ ? 'image/png'
                           : 'text/plain') for @bodies;
        $_->wait_messages(scalar @bodies) for @c;

        my (%wire, @wrong);

        for my $c (@c) {
            my @got = $path eq '/sub' ? @{ $c->data }
                : map { $_->{data} // 'binary' } @{ $c->objects };
            my @want = map { $path eq '/sub' || !/[^ -~]/ ? $_ : 'binary' }
                       @bodies;

            push @wrong, $c->{opt}{deflate} // 'none'
                if "@got" ne "@want" || $c->bad;
            push @{ $wire{$c->{opt}{deflate} // ''} },
                join ',', map { $_->{wire} // '-' } @{ $c->messages };
        }

        is_deeply(\@wrong, [], "$path: all have the same");

        for my $deflate (sort keys %wire) {
            my %kinds = map { $_ => 1 } @{ $wire{$deflate} };
            is(scalar keys %kinds, 1, "in the same bytes: $deflate");
        }

        isnt($wire{"${offer}9"}[0], $wire{"${offer}14"}[0],
             'not those of another window');

        my $with = (grep { ($_->{opt}{deflate} // '') eq 'permessage-deflate' }
                    @c)[0];
        is_deeply([ map { $_->{compressed} } @{ $with->messages } ],
                  [ $path eq '/sub' ? (1, 0, 0, 0, 0, 1, 1, 1) : (1) x 8 ],
                  'small and random ones are as they were');
        cmp_ok($with->bytes, '<', 0.7 * $c[0]->bytes, 'smaller');

        # commands and replies

        $protocol->wait_messages(1 + @bodies);
        $protocol->command({ ping => 1, ref => 'x' x 100 });
        ok($protocol->wait_object(type => 'pong', ref => 'x' x 100),
           'a command that is compressed');
        is($protocol->bad, undef, 'nothing wrong');

        Push::Client->close_all;
        wait_for(sub { $n->get('/status')->json->{subscribers}{total} == 0 });
    }

    # over a reload

    my $c = connect_to($n, '/sub');
    my $text2 = words(2000);
    ok($n->reload, 'reload');
    $c->text($text2);
    $c->wait_messages(1);
    is_deeply([ @{ $c->data }, $c->bad ], [ $text2, undef ],
              'an old worker goes on');
});

done_testing;
