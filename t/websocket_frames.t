#!/usr/bin/perl

# The cases of the Autobahn test suite by their numbers, groups 1 to 7, 9 and
# 10: a client that may publish to its own channel is its own echo.  What
# "strict" means there is what is asked for here.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use EV;
use POSIX ();

use Push::Test;
use Push::WebSocket;
use Push::Ways;

my $locations = <<'E2';
    push_client_publish on;
    push_history off;
    push_backlog 32m;
    push_heartbeat 100s;

    location = /echo { push_subscribe $arg_channel; }
    location = /large { push_max_message_size 16m; push_subscribe $arg_channel; }
E2

my $cases = 0;
my ($n, $way, $barrier);

sub connect_to {
    my ($path, %opt) = @_;
    my $c = ws($way, "$path?channel=case" . ++$cases, %opt);

    $c->wait_open or fail('handshake');

    return $c;
}


# the server has seen all that was sent before, if it has only one worker

sub settle {
    for (1 .. 2) {
        my $pongs = @{ $barrier->pongs };
        $barrier->ping('here');
        $barrier->wait_pongs($pongs + 1);
    }
}


# long payloads are compared by their sums

sub brief {
    my ($data) = @_;
    return length $data > 200 ? length($data) . ' ' . md5_hex($data) : $data;
}


# case_of($number, $what, code => ..., events => [...], sub { my ($c) = @_ });
# with a code it is the server that ends the connection, at once

sub case_of {
    my $send = pop;
    my ($number, $what, %want) = @_;

    my @events = @{ $want{events} // [] };
    my $c = connect_to($want{path} // '/echo', %{ $want{opt} // {} });

    $send->($c);

    if (!$want{code}) {
        $c->wait_events(scalar @events, $want{timeout});
        $c->bye(1000);
    }

    $c->wait_closed($want{timeout});

    is_deeply([ map({ [ $_->[0], brief($_->[1]) ] } @{ $c->events }),
                $c->code, $c->closed, $c->bad ],
              [ map({ [ $_->[0], brief($_->[1]) ] } @events),
                $want{code} // 1000, 'clean', undef ],
              "Case $number: $what");
}


# a message that is to come back

sub echo_of {
    my $send = pop;
    my ($number, $what, $type, $data, %want) = @_;
    case_of($number, $what, events => [ [ $type, $data ] ], %want, $send);
}


sub group_1 {
    my @sizes = (0, 125, 126, 127, 128, 65_535, 65_536);

    for ([ 1, TEXT, 'text', '*' ], [ 2, BINARY, 'binary', "\xfe" ]) {
        my ($group, $opcode, $type, $byte) = @$_;

        for my $i (0 .. 6) {
            echo_of("1.$group." . ($i + 1), "$type of $sizes[$i] bytes", $type,
                    $byte x $sizes[$i], sub {
                $_[0]->put($opcode, $byte x $sizes[$i]);
            });
        }

        echo_of("1.$group.8", "$type in pieces of 997", $type, $byte x 65_536,
                sub {
            $_[0]->chop($_[0]->frame($opcode, $byte x 65_536), 997);
        });
    }
}


sub group_2 {
    my @payloads = ('', 'Hello, world!', "\x00\xff\xfe\xfd\xfc\xfb\x00\xff",
                    "\xfe" x 125);

    for my $i (0 .. 3) {
        case_of('2.' . ($i + 1), 'ping', events => [ [ pong => $payloads[$i] ] ],
                sub { $_[0]->ping($payloads[$i]) });
    }

    case_of('2.5', 'ping of 126 bytes', code => 1002,
            sub { $_[0]->ping("\xfe" x 126) });
    case_of('2.6', 'ping byte by byte', events => [ [ pong => "\xfe" x 125 ] ],
            sub { $_[0]->chop($_[0]->frame(PING, "\xfe" x 125), 1) });
    case_of('2.7', 'pong nobody asked for', sub { $_[0]->pong('') });
    case_of('2.8', 'the same with a payload', sub { $_[0]->pong('unasked') });
    case_of('2.9', 'and then a ping', events => [ [ pong => 'asked' ] ], sub {
        $_[0]->pong('unasked');
        $_[0]->ping('asked');
    });

    my @ten = map { [ pong => "payload-$_" ] } 0 .. 9;

    case_of('2.10', 'ten pings', events => \@ten,
            sub { my ($c) = @_; $c->ping($_->[1]) for @ten });
    case_of('2.11', 'ten pings byte by byte', events => \@ten, sub {
        my ($c) = @_;
        $c->chop($c->frame(PING, $_->[1]), 1) for @ten;
    });
}


sub group_3 {
    my @hello = ([ text => 'Hello, world!' ]);

    case_of('3.1', 'reserved bits 1', code => 1002,
            sub { $_[0]->put(TEXT, 'Hello, world!', rsv => 0x10) });

    for ([ 2, 0x20, 0 ], [ 3, 0x30, 0 ], [ 4, 0x40, 1 ]) {
        my ($i, $rsv, $chop) = @$_;

        case_of("3.$i", "reserved bits $i after a message, and a ping",
                code => 1002, events => \@hello, sub {
            my ($c) = @_;
            my @frames = ($c->frame(TEXT, 'Hello, world!'),
                          $c->frame(TEXT, 'Hello, world!', rsv => $rsv),
                          $c->frame(PING, ''));

            $chop ? $c->chop(join('', @frames), 1) : $c->send(join '', @frames);
        });
    }

    case_of('3.5', 'reserved bits 5 of a binary frame', code => 1002,
            sub { $_[0]->put(BINARY, "\x00\xff\xfe", rsv => 0x50) });
    case_of('3.6', 'reserved bits 6 of a ping', code => 1002,
            sub { $_[0]->ping('Hello, world!', rsv => 0x60) });
    case_of('3.7', 'reserved bits 7 of a close frame', code => 1002,
            sub { $_[0]->put(CLOSE, pack('n', 1000), rsv => 0x70) });
}


sub group_4 {
    for my $group (1, 2) {
        my $first = $group == 1 ? 3 : 11;

        for my $i (1 .. 5) {
            my $opcode = $first + $i - 1;
            my $payload = $i % 2 && $i < 5 ? '' : 'reserved opcode payload';

            if ($i < 3) {
                case_of("4.$group.$i", "opcode $opcode", code => 1002,
                        sub { $_[0]->put($opcode, $payload) });
                next;
            }

            case_of("4.$group.$i", "opcode $opcode after a message, and a ping",
                    code => 1002, events => [ [ text => 'Hello, world!' ] ],
                    sub {
                my ($c) = @_;
                my $bytes = $c->frame(TEXT, 'Hello, world!')
                            . $c->frame($opcode, $payload) . $c->frame(PING, '');

                $i == 5 ? $c->chop($bytes, 1) : $c->send($bytes);
            });
        }
    }
}


sub group_5 {
    my ($one, $two) = ('fragment1', 'fragment2');
    my $both = $one . $two;

    # frames in one write, one for each, byte by byte

    my @writes = (
        sub { my $c = shift; $c->send(join '', @_) },
        sub { my $c = shift; $c->send($_) for @_ },
        sub { my $c = shift; $c->chop(join('', @_), 1) },
    );

    case_of('5.1', 'ping in two parts', code => 1002, sub {
        $_[0]->ping($one, fin => 0);
        $_[0]->put(CONTINUATION, $two);
    });
    case_of('5.2', 'pong in two parts', code => 1002, sub {
        $_[0]->pong($one, fin => 0);
        $_[0]->put(CONTINUATION, $two);
    });

    for my $i (0 .. 2) {
        echo_of('5.' . (3 + $i), 'text in two parts', text => $both, sub {
            my ($c) = @_;
            $writes[$i]->($c, $c->frame(TEXT, $one, fin => 0),
                          $c->frame(CONTINUATION, $two));
        });

        case_of('5.' . (6 + $i), 'and a ping between them',
                events => [ [ pong => 'pongme!' ], [ text => $both ] ], sub {
            my ($c) = @_;
            $writes[$i]->($c, $c->frame(TEXT, $one, fin => 0),
                          $c->frame(PING, 'pongme!'),
                          $c->frame(CONTINUATION, $two));
        });

        for my $fin (1, 0) {
            case_of('5.' . ($fin ? 9 + $i : 12 + $i), "continuation of nothing, "
                    . "FIN $fin", code => 1002, sub {
                my ($c) = @_;
                $writes[$i]->($c, $c->frame(CONTINUATION, 'nothing',
                                            fin => $fin),
                              $c->frame(TEXT, 'Hello, world!'));
            });
        }
    }

    case_of('5.15', 'continuation of nothing after a message', code => 1002,
            events => [ [ text => $both ] ], sub {
        my ($c) = @_;
        $c->send($c->frame(TEXT, $one, fin => 0)
                 . $c->frame(CONTINUATION, $two)
                 . $c->frame(CONTINUATION, 'fragment3', fin => 0)
                 . $c->frame(TEXT, 'fragment4'));
    });

    for ([ 16, 0 ], [ 17, 1 ]) {
        my ($i, $fin) = @$_;

        case_of("5.$i", "twice: continuation of nothing, FIN $fin, and a text",
                code => 1002, sub {
            my ($c) = @_;

            for (1 .. 2) {
                $c->put(CONTINUATION, $one, fin => $fin);
                $c->put(TEXT, $two, fin => 0);
                $c->put(CONTINUATION, $two);
            }
        });
    }

    case_of('5.18', 'a text in a text', code => 1002, sub {
        my ($c) = @_;
        $c->send($c->frame(TEXT, $one, fin => 0) . $c->frame(TEXT, $two));
    });

    for my $i (0, 1) {
        case_of('5.' . (19 + $i), 'text in five parts, with pings and a stop',
                events => [ [ pong => 'pongme 1!' ], [ pong => 'pongme 2!' ],
                            [ text => join '', map { "fragment$_" } 1 .. 5 ] ],
                sub {
            my ($c) = @_;
            my $write = $writes[$i];

            $write->($c, $c->frame(TEXT, 'fragment1', fin => 0),
                     $c->frame(CONTINUATION, 'fragment2', fin => 0),
                     $c->frame(PING, 'pongme 1!'));
            $c->wait_pongs(1);
            $write->($c, $c->frame(CONTINUATION, 'fragment3', fin => 0),
                     $c->frame(CONTINUATION, 'fragment4', fin => 0),
                     $c->frame(PING, 'pongme 2!'),
                     $c->frame(CONTINUATION, 'fragment5'));
        });
    }
}


# UTF-8

my $kosme = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
my $german = "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4"
             . "\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!";

# by number: what it is about, texts that are good, texts that are not; in
# hexadecimal, in the order of their numbers ("!" before one that is not)

my %utf8 = (
    5 => [ 'valid', '68656c6c6f24776f726c64 68656c6c6fc2a2776f726c64'
           . ' 68656c6c6fe282ac776f726c64 68656c6c6ff0a4ada2776f726c64 '
           . unpack 'H*', $kosme ],
    6 => [ 'prefixes', join ' ', map {
           ($_ =~ /\A(?:2|5|7|9|11)\z/ ? '' : '!')
           . unpack 'H*', substr $kosme, 0, $_ } 1 .. 11 ],
    7 => [ 'first of its length', '00 c280 e0a080 f0908080' ],
    8 => [ 'first of 5 or 6', '!f888808080 !fc8480808080' ],
    9 => [ 'last of its length', '7f dfbf efbfbf f48fbfbf' ],
    10 => [ 'last of 4, 5 or 6', '!f7bfbfbf !fbbfbfbfbf !fdbfbfbfbfbf' ],
    11 => [ 'boundaries', 'ed9fbf ee8080 efbfbd f48fbfbf !f4908080' ],
    12 => [ 'continuations alone', join ' ', map({ '!' . $_ } '80', 'bf',
            map({ '80bf' x int($_ / 2) . '80' x ($_ % 2) } 2 .. 6),
            join '', map { sprintf '%02x', $_ } 0x80 .. 0xbe) ],
    13 => [ 'starts alone', join ' ', map {
            my ($from, $to) = @$_;
            '!' . join '', map { sprintf '%02x20', $_ } $from .. $to }
            [ 0xc0, 0xde ], [ 0xe0, 0xee ], [ 0xf0, 0xf6 ], [ 0xf8, 0xfa ],
            [ 0xfc, 0xfc ] ],
    14 => [ 'the last byte is missing', '!c0 !e080 !f08080 !f8808080'
            . ' !fc80808080 !df !efbf !f7bfbf !fbbfbfbf !fdbfbfbfbf' ],
    15 => [ 'all of these', '!c0e080f08080f8808080fc80808080'
            . 'dfefbff7bfbffbbfbfbffdbfbfbfbf' ],
    16 => [ 'impossible bytes', '!fe !ff !fefeffff' ],
    17 => [ 'overlong "/"', '!c0af !e080af !f08080af !f8808080af'
            . ' !fc80808080af' ],
    18 => [ 'largest overlong', '!c1bf !e09fbf !f08fbfbf !f887bfbfbf'
            . ' !fc83bfbfbfbf' ],
    19 => [ 'overlong NUL', '!c080 !e08080 !f0808080 !f880808080'
            . ' !fc8080808080' ],
    20 => [ 'surrogates', '!eda080 !edadbf !edae80 !edafbf !edb080 !edbe80'
            . ' !edbfbf' ],
    21 => [ 'pairs of them', join ' ', map {
            my $high = $_; map { "!$high$_" } 'edb080', 'edbfbf' }
            'eda080', 'edadbf', 'edae80', 'edafbf' ],
    22 => [ 'no characters', join ' ', 'efbfbe', 'efbfbf', map {
            my $lead = $_; map { ("${lead}bfbe", "${lead}bfbf") }
            grep { $_ ne 'f08f' && $_ !~ /f4[9ab]/ } $lead }
            map { my $one = $_; map { "$one${_}f" } 8, 9, 'a', 'b' }
            'f0' .. 'f4' ],
    23 => [ 'specials', 'efbfb9 efbfba efbfbb efbfbc efbfbd efbfbe efbfbf' ],
);

# how many there are
my %numbers = (5 => 5, 6 => 11, 7 => 4, 8 => 2, 9 => 4, 10 => 3, 11 => 5,
               12 => 8, 13 => 5, 14 => 10, 15 => 1, 16 => 3, 17 => 5, 18 => 5,
               19 => 5, 20 => 7, 21 => 8, 22 => 34, 23 => 7);

sub group_6 {
    echo_of('6.1.1', 'empty text', text => '', sub { $_[0]->put(TEXT, '') });

    for ([ 2, '' ], [ 3, 'middle frame payload' ]) {
        my ($i, $middle) = @$_;

        echo_of("6.1.$i", 'in three parts, "' . $middle . '" in the middle',
                text => $middle, sub {
            my ($c) = @_;
            $c->put(TEXT, '', fin => 0);
            $c->put(CONTINUATION, $middle, fin => 0);
            $c->put(CONTINUATION, '');
        });
    }

    echo_of('6.2.1', 'valid', text => $german, sub { $_[0]->text($german) });
    echo_of('6.2.2', 'parts of whole characters', text => $german, sub {
        $_[0]->text($german, fragment => 13);
    });
    echo_of('6.2.3', 'parts of a byte', text => $german, sub {
        $_[0]->text($german, fragment => 1);
    });
    echo_of('6.2.4', 'the same', text => $kosme, sub {
        $_[0]->text($kosme, fragment => 1);
    });

    my $bad = "$kosme\xed\xa0\x80edited";

    case_of('6.3.1', 'invalid', code => 1007, sub { $_[0]->text($bad) });
    case_of('6.3.2', 'invalid, parts of a byte', code => 1007, sub {
        $_[0]->text($bad, fragment => 1);
    });

    # the server does not wait for the rest of what is bad already

    my $large = "$kosme\xf4\x90\x80\x80edited";

    for ([ 1, 11, 4 ], [ 2, 12, 1 ]) {
        my ($i, $good, $then) = @$_;

        case_of("6.4.$i", 'fails as soon as it can, in frames', code => 1007,
                events => [ [ pong => 'still here' ] ], sub {
            my ($c) = @_;
            $c->put(TEXT, substr($large, 0, $good), fin => 0);
            $c->ping('still here');
            $c->wait_pongs(1);
            settle();
            ok(!$c->ended, "Case 6.4.$i: not too soon");
            $c->put(CONTINUATION, substr($large, $good, $then), fin => 0);
        });

        $i += 2;

        case_of("6.4.$i", 'and in a frame', code => 1007, sub {
            my ($c) = @_;
            my $bytes = $c->frame(TEXT, $large);
            my $head = length($bytes) - length $large;

            $c->send(substr $bytes, 0, $head + $good);
            settle();
            ok(!$c->ended, "Case 6.4.$i: not too soon");
            $c->send(substr $bytes, $head + $good, $then);
        });
    }

    for my $group (5 .. 23) {
        my ($what, $list) = @{ $utf8{$group} };
        my $i = 0;

        for (split ' ', $list) {
            my ($invalid, $hex) = /\A(!?)(.*)\z/;
            my $text = pack 'H*', $hex;

            $i++;
            $invalid ? case_of("6.$group.$i", "$what, $hex", code => 1007,
                               sub { $_[0]->put(TEXT, $text) })
                     : echo_of("6.$group.$i", "$what, $hex", text => $text,
                               sub { $_[0]->put(TEXT, $text) });
        }

        is($i, $numbers{$group}, "Cases 6.$group: all of them");
    }
}


# a close frame of the client: what comes back, and nothing after it

sub close_of {
    my ($number, $what, $payload, $code) = @_;
    case_of($number, $what, code => $code, sub { $_[0]->put(CLOSE, $payload) });
}

sub group_7 {
    my $hello = 'Hello World!';

    case_of('7.1.1', 'a message and close', events => [ [ text => $hello ] ],
            code => 1000, sub {
        my ($c) = @_;
        $c->send($c->message(TEXT, $hello) . $c->frame(CLOSE, pack 'n', 1000));
    });
    case_of('7.1.2', 'close twice', code => 1000, sub {
        my ($c) = @_;
        $c->send($c->frame(CLOSE, pack 'n', 1000) x 2);
    });
    case_of('7.1.3', 'a ping after close', code => 1000, sub {
        my ($c) = @_;
        $c->send($c->frame(CLOSE, pack 'n', 1000) . $c->frame(PING, ''));
    });
    case_of('7.1.4', 'a message after close', code => 1000, sub {
        my ($c) = @_;
        $c->send($c->frame(CLOSE, pack 'n', 1000) . $c->message(TEXT, $hello));
    });
    case_of('7.1.5', 'close in the middle of a message', code => 1000, sub {
        my ($c) = @_;
        $c->put(TEXT, 'fragment1', fin => 0);
        $c->bye(1000);
        $c->put(CONTINUATION, 'fragment2');
    });
    # what is said is up to the server: here it is, if the close frame does
    # not find it writing still

    {
        my $large = 'BAsd7&jh' x 32_768;
        my $c = connect_to('/large');

        $c->send($c->message(TEXT, $large) . $c->message(TEXT, $hello)
                 . $c->frame(CLOSE, pack 'n', 1000) . $c->frame(PING, ''));
        $c->wait_closed;

        my $n = $c->count;
        is_deeply([ map({ brief($_) } @{ $c->data }), $c->code, $c->closed,
                    $c->bad ],
                  [ map({ brief($_) } ($large, $hello)[0 .. $n - 1]), 1000,
                    'clean', undef ],
                  "Case 7.1.6: 256 KiB, a message, close and ping: $n came");
    }

    my $normal = pack 'n', 1000;

    close_of('7.3.1', 'empty', '', 1005);
    close_of('7.3.2', 'one byte', 'a', 1002);
    close_of('7.3.3', 'a code', $normal, 1000);
    close_of('7.3.4', 'a code and a reason', $normal . $hello, 1000);
    close_of('7.3.5', 'the longest reason', $normal . '*' x 123, 1000);
    close_of('7.3.6', 'a longer one', $normal . '*' x 124, 1002);
    close_of('7.5.1', 'a reason that is not UTF-8',
             "$normal$kosme\xed\xa0\x80edited", 1007);

    my @good = (1000 .. 1003, 1007 .. 1011, 3000, 3999, 4000, 4999);
    my @bad = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999);

    close_of("7.7.$_", "code $good[$_ - 1]", pack('n', $good[$_ - 1]),
             $good[$_ - 1]) for 1 .. @good;
    close_of("7.9.$_", "code $bad[$_ - 1]", pack('n', $bad[$_ - 1]), 1002)
        for 1 .. @bad;

    # registered since the suite took them for bad ones
    close_of("7.7, code $_", 'registered', pack('n', $_), $_) for 1012 .. 1014;
    close_of('7.9, code 1015', 'never in a frame', pack('n', 1015), 1002);

    close_of('7.13.1', 'code 5000', pack('n', 5000), 1002);
    close_of('7.13.2', 'code 65536, which is sent as 65535', pack('n', 65_535),
             1002);
}


# sizes and pieces; every round trip takes its time, so that the thousand of
# them of each case 9.7 and 9.8 are 200 here

sub group_9 {
    my @large = (path => '/large', timeout => 60);

    for ([ 0, TEXT, 'text', '*' ], [ 1, BINARY, 'binary', "\xfe" ]) {
        my ($odd, $opcode, $type, $byte) = @$_;
        my $i = 0;

        for my $size (map { $_ * 1024 } 64, 256, 1024, 4096, 8192, 16_384) {
            echo_of('9.' . (1 + $odd) . '.' . ++$i, "$type of $size bytes",
                    $type, $byte x $size, @large, sub {
                $_[0]->put($opcode, $byte x $size);
            });
        }

        my $data = $byte x (4 << 20);
        my $before = computed();
        $i = 0;

        for my $size (64, 256, map { $_ * 1024 } 1, 4, 16, 64, 256, 1024, 4096)
        {
            echo_of('9.' . (3 + $odd) . '.' . ++$i, "4 MiB in frames of $size",
                    $type, $data, @large, sub {
                $_[0]->send($_[0]->message($opcode, $data, fragment => $size));
            });
        }

        # a message is not copied again for each of its frames
        cmp_ok(computed() - $before, '<', 5, 'Cases 9.' . (3 + $odd)
               . ': seconds');

        $data = $byte x (1 << 20);
        $i = 0;

        for my $size (64, 128, 256, 512, 1024, 2048) {
            echo_of('9.' . (5 + $odd) . '.' . ++$i, "1 MiB in pieces of $size",
                    $type, $data, @large, sub {
                $_[0]->chop($_[0]->frame($opcode, $data), $size);
            });
        }

        $i = 0;

        for my $size (0, 16, 64, 256, 1024, 4096) {
            my @all = map { [ $type => $byte x $size ] } 1 .. 200;

            case_of('9.' . (7 + $odd) . '.' . ++$i, "200 times $size bytes",
                    events => \@all, @large, sub {
                my ($c) = @_;

                for my $k (1 .. 200) {
                    $c->put($opcode, $byte x $size);
                    $c->wait_messages($k) or last;
                }
            });
        }
    }
}


# seconds that workers have computed

sub computed {
    my $sum = 0;

    for my $pid ($n->workers) {
        my $stat = Push::Nginx::_slurp("/proc/$pid/stat") // next;
        my ($user, $system) = $stat =~ /\) (?:\S+ ){11}(\d+) (\d+)/;
        $sum += ($user + $system) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
    }

    return $sum;
}


sub group_10 {
    echo_of('10.1.1', 'in frames of 1,300', text => '*' x 65_536, sub {
        $_[0]->text('*' x 65_536, fragment => 1300);
    });
}


# what the suite does not look at: masks, lengths, codes, sequences at random

sub group_more {
    my $hello = 'Hello, world!';

    for (
        [ 'not masked', [ TEXT, $hello, mask => 0 ] ],
        [ 'a ping that is not masked', [ PING, '', mask => 0 ] ],
        [ 'a close frame that is not masked', [ CLOSE, '', mask => 0 ] ],
        [ '5 in two bytes', [ TEXT, 'hello', form => 2 ] ],
        [ '125 in two bytes', [ TEXT, 'x' x 125, form => 2 ] ],
        [ '126 in eight bytes', [ TEXT, 'x' x 126, form => 8 ] ],
        [ '65,535 in eight bytes', [ TEXT, 'x' x 65_535, form => 8 ] ],
        [ 'the highest bit', [ TEXT, '', form => 8, len => 1 << 63 ] ],
        [ 'a ping of two bytes of length', [ PING, 'x', form => 2 ] ],
    ) {
        my ($what, $frame) = @$_;

        case_of('lengths and masks', $what, code => 1002,
                sub { $_[0]->put(@$frame) });
    }

    for my $mask ("\0\0\0\0", "\xff\xff\xff\xff", "\x01\x80\x7f\xfe") {
        echo_of('mask', unpack('H*', $mask), text => $hello x 9,
                sub { $_[0]->put(TEXT, $hello x 9, mask => $mask) });
    }

    # messages of random kinds, frames and pieces, with pings in between

    for my $round (1 .. 5) {
        my (@messages, @pongs, $bytes);

        for my $i (1 .. 20) {
            my ($type, $opcode) = rand() < 0.5 ? ('text', TEXT)
                                               : ('binary', BINARY);
            my $data = $type eq 'text' ? $german x rand 30
                : join '', map { chr rand 256 } 0 .. rand 2000;
            my $size = 1 + int rand(rand() < 0.5 ? 3 : 1000);

            push @messages, [ $type, $data ];

            for (my $at = 0; ; $at += $size) {
                my $last = $at + $size >= length $data;

                $bytes .= Push::WebSocket->frame($at ? CONTINUATION : $opcode,
                            substr($data, $at, $size), fin => $last);
                last if $last;
                next if rand() < 0.9;

                push @pongs, "$i $at";
                $bytes .= Push::WebSocket->frame(PING, $pongs[-1]);
            }
        }

        my $c = connect_to('/echo');
        my $at = 0;

        while ($at < length $bytes) {
            my $size = 1 + int rand(rand() < 0.5 ? 10 : 5000);
            $c->send(substr $bytes, $at, $size);
            $at += $size;
        }

        $c->wait_messages(20);
        $c->wait_pongs(scalar @pongs);
        is_deeply([ [ map { [ @$_{qw(text data)} ] } @{ $c->messages } ],
                    $c->pongs, $c->bad ],
                  [ [ map { [ $_->[0] eq 'text' ? 1 : 0, $_->[1] ] } @messages ],
                    \@pongs, undef ], "random messages, round $round");
        $c->close;
    }

    # random bytes: it goes on waiting for more, or ends as is allowed

    my @c = map { connect_to('/echo') } 1 .. 60;
    my @odd;

    for my $c (@c) {
        $c->send(join '', map { chr rand 256 } 0 .. rand 200);
        $c->send($c->frame(TEXT, $hello));
        $c->send("\0" x 70_000) if rand() < 0.5;
    }

    settle();

    for my $c (@c) {
        push @odd, ($c->code // 'none') . ' ' . ($c->bad // '')
            if $c->bad || $c->ended && $c->code !~ /\A(?:100[0279]|1005)\z/;
        $c->close;
    }

    is_deeply(\@odd, [], 'random bytes');
}


sub groups_of {
    my ($n, @groups) = @_;
    my @ways = all_ways($n, not => [ 'http10', 'http2' ]);

    for my $i (0 .. $#ways) {
        $way = $ways[$i];

        subtest $way->name => sub {
            $barrier = ws($way, '/echo?channel=barrier');
            $barrier->wait_open;
            $_->() for @groups;
        };
    }
}

for_workers(1, 2, sub {
    $n = ways_nginx(locations => $locations, workers => $_[0],
                    http => 'push_zone push 128m;');

    seed();
    groups_of($n, \&group_1, \&group_2, \&group_3, \&group_4, \&group_5,
              \&group_6, \&group_7, \&group_10, \&group_more);
});

for_workers(2, sub {
    $n = ways_nginx(locations => $locations, workers => $_[0],
                    http => 'push_zone push 128m;');
    ($way) = all_ways($n);
    group_9();
});

done_testing;
