package Push::WebSocket;

# A WebSocket client (RFC 6455, RFC 7692) made to send anything, also what is
# forbidden, in pieces of any size, and to judge all that the server sends.
#
#   my $c = ws($n, '/sub?channel=a', protocol => 'push.json');
#   $c->wait_open;
#   $c->text('hello');
#   $c->wait_messages(1);
#   is($c->messages->[0]{data}, 'hello');
#   is($c->bye(1000)->wait_closed, 'clean');
#
# Options besides those of Push::Client:
#
#   headers     array or hash; one of the handshake's own is replaced, and with
#               undef it is left out
#   protocol    Sec-WebSocket-Protocol
#   deflate     1, or what Sec-WebSocket-Extensions offers
#   first       bytes that go out in the same write as the handshake
#   pong        0: answer no ping
#   answer      0: answer no close frame
#   keep        0: count messages and keep only the last one
#   on_message  called with client and message
#
# A message has: text (1 or 0), data, frames (how many it came in), compressed
# and then wire, its bytes as they came.  closed() is "clean" when the server
# has sent a close frame before the end.

use strict;
use warnings;

use parent qw(Push::Client Exporter);

use Compress::Raw::Zlib;
use Digest::SHA qw(sha1_base64);
use EV;
use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Scalar::Util qw(weaken);

our @EXPORT = qw(ws CONTINUATION TEXT BINARY CLOSE PING PONG);

use constant {
    CONTINUATION => 0, TEXT => 1, BINARY => 2, CLOSE => 8, PING => 9,
    PONG => 10,
};

my $json = JSON::PP->new->utf8->allow_nonref->canonical;


# ws($port_or_nginx, $path, ...); ws($way, $path, ...) for one of Push::Ways

sub ws {
    my ($where, $path, %opt) = @_;

    $opt{tls} //= 1 if ref $where && $where->can('is_tls') && $where->is_tls;

    return __PACKAGE__->new($where, $path, %opt);
}


sub new {
    my ($class, $port, $path, %opt) = @_;

    my $key = encode_base64(join('', map { chr rand 256 } 1 .. 16), '');
    my $offer = $opt{deflate};

    $offer = 'permessage-deflate; client_max_window_bits'
        if defined $offer && $offer eq '1';

    my @headers = (
        Host => 'localhost', Upgrade => 'websocket', Connection => 'Upgrade',
        'Sec-WebSocket-Version' => 13, 'Sec-WebSocket-Key' => $key,
        defined $opt{protocol}
            ? ('Sec-WebSocket-Protocol' => $opt{protocol}) : (),
        defined $offer ? ('Sec-WebSocket-Extensions' => $offer) : (),
    );

    my @given = ref $opt{headers} eq 'HASH' ? %{ $opt{headers} }
                                            : @{ $opt{headers} // [] };
    my %given = map { lc($given[2 * $_]) => 1 } 0 .. @given / 2 - 1;
    my @all;

    while (my ($name, $value) = splice @headers, 0, 2) {
        push @all, $name, $value unless $given{lc $name};
    }

    while (my ($name, $value) = splice @given, 0, 2) {
        push @all, $name, $value if defined $value;
    }

    my $request = $opt{request}
        // $class->_request($path, { %opt, headers => \@all })
           . ($opt{first} // '');

    my $self = $class->SUPER::new(ref $port ? $port->port : $port, $path,
                                  %opt, request => $request);

    $self->{key} = $key;

    return $self;
}


# the response

sub _head {
    my ($self) = @_;

    return $self->SUPER::_head if $self->{status} != 101;

    $self->{state} = 'frames';
    $self->{frames} = '';

    my $answer = $self->header('sec-websocket-extensions') or return;

    my ($name, @parameters) = split /\s*;\s*/, $answer;

    $self->{bad} //= "extension $name" if $name ne 'permessage-deflate';
    $self->{deflate} = { map { /\A(.*?)(?:=(.*))?\z/ ? ($1 => $2) : () }
                         @parameters };
}


# upgraded, and by the right words

sub is_open {
    my ($self) = @_;

    return ($self->{status} // 0) == 101
        && ($self->header('upgrade') // '') =~ /\Awebsocket\z/i
        && ($self->header('connection') // '') =~ /\Aupgrade\z/i
        && ($self->header('sec-websocket-accept') // '')
            eq sha1_base64($self->{key}
                           . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11') . '=';
}

sub wait_open { $_[0]->wait_head($_[1]) && $_[0]->is_open }


# what comes

sub _body {
    my ($self, $bytes) = @_;

    return $self->SUPER::_body($bytes) if $self->{state} ne 'frames';

    $self->{frames} .= $bytes;

    while (length $self->{frames} >= 2) {
        my ($first, $len) = unpack 'CC', $self->{frames};
        my $head = 2;

        $self->{bad} //= 'masked' if $len & 0x80;
        $len &= 0x7f;

        if ($len > 125) {
            $head = $len == 126 ? 4 : 10;
            return if length $self->{frames} < $head;

            my $least = $len == 126 ? 126 : 65536;

            $len = unpack $len == 126 ? 'x2n' : 'x2Q>', $self->{frames};
            $self->{bad} //= "length $len in $head bytes" if $len < $least;
        }

        return if length $self->{frames} < $head + $len;

        my $payload = substr $self->{frames}, $head, $len;

        substr $self->{frames}, 0, $head + $len, '';
        $self->{bytes} += $head + $len;
        $self->_frame($first & 0x80, $first & 0x70, $first & 0x0f, $payload);
    }
}


sub _frame {
    my ($self, $fin, $rsv, $opcode, $payload) = @_;

    if ($self->{ended}) {
        $self->{bad} //= 'a frame after the close frame';

    } elsif ($opcode >= CLOSE) {
        $self->{bad} //= "control frame $opcode with reserved bits or in parts"
            if $rsv || !$fin || length $payload > 125;
        $self->_control($opcode, $payload);

    } else {
        $self->_data($fin, $rsv, $opcode, $payload);
    }
}


sub _control {
    my ($self, $opcode, $payload) = @_;

    if ($opcode == PING) {
        push @{ $self->{pings} }, $payload;
        $self->pong($payload) if $self->{opt}{pong} // 1;

    } elsif ($opcode == PONG) {
        push @{ $self->{pongs} }, $payload;
        push @{ $self->{events} }, [ pong => $payload ];

    } elsif ($opcode == CLOSE) {
        $self->{bad} //= 'close with one byte' if length $payload == 1;
        $self->{ended} = 1;
        $self->{ended_at} = EV::time;

        ($self->{code}, $self->{why}) = length $payload > 1
            ? unpack 'n a*', $payload : (1005, '');

        $self->{bad} //= 'the reason is not UTF-8' if !_utf8($self->{why});
        $self->bye($self->{code}) if $self->{opt}{answer} // 1;

    } else {
        $self->{bad} //= "opcode $opcode";
    }
}


sub _data {
    my ($self, $fin, $rsv, $opcode, $payload) = @_;
    my $m = $self->{begun};

    if (!$m == !$opcode || $opcode > BINARY || $rsv & 0x30
        || $rsv && (!$self->{deflate} || !$opcode))
    {
        $self->{bad} //= "frame with opcode $opcode, reserved bits $rsv, in the "
                         . ($m ? 'middle' : 'beginning') . ' of a message';
        return;
    }

    $m //= $self->{begun} = {
        text => $opcode == TEXT ? 1 : 0, compressed => $rsv ? 1 : 0,
        data => '', frames => 0, at => EV::time,
    };

    $m->{data} .= $payload;
    $m->{frames}++;

    return unless $fin;

    delete $self->{begun};
    $self->_inflate($m) if $m->{compressed};
    $self->{bad} //= 'text is not UTF-8' if $m->{text} && !_utf8($m->{data});

    $self->{count}++;
    $self->{messages} = [] unless $self->{opt}{keep} // 1;
    push @{ $self->{messages} }, $m;
    push @{ $self->{events} }, [ $m->{text} ? 'text' : 'binary', $m->{data} ]
        if $self->{opt}{keep} // 1;
    $self->{opt}{on_message}->($self, $m) if $self->{opt}{on_message};
}


# as RFC 3629 has it, which Perl's own is not

sub _utf8 {
    my ($copy) = @_;

    return utf8::decode($copy)
           && $copy !~ /[\x{d800}-\x{dfff}\x{110000}-\x{7fffffff}]/;
}


# With no more of a window than was agreed on: zlib looks further back only
# into what it has written in the same call, so it gets little room.

sub _inflate {
    my ($self, $m) = @_;
    my $p = $self->{deflate};
    my $bits = $p->{server_max_window_bits} // 15;

    my $z = exists $p->{server_no_context_takeover} ? undef : $self->{inflate};

    $z //= Compress::Raw::Zlib::Inflate->new(-WindowBits => -$bits,
               -Bufsize => $bits < 15 ? 256 : 1 << 18,
               $bits < 15 ? (-LimitOutput => 1) : ());
    $self->{inflate} = $z;

    my $in = $m->{data} . "\0\0\xff\xff";
    my ($status, $out) = (Z_OK, '');

    # again for what had no room, which is what a used scalar has

    while ($status == Z_OK || $status == Z_BUF_ERROR) {
        undef my $piece;
        $status = $z->inflate($in, $piece);
        $out .= $piece;
        last if $piece eq '' && $in eq '';
    }

    $self->{bad} //= "compression: $status"
        if $status != Z_OK && $status != Z_BUF_ERROR || length $in;

    $m->{wire} = $m->{data};
    $m->{data} = $out;
}


# what is known of it

# the body of a response that refuses, decoded
sub json { return eval { $json->decode($_[0]{body}) } }

sub messages { $_[0]{messages} // [] }
sub data     { return [ map { $_->{data} } @{ $_[0]->messages } ] }
sub objects  { return [ map { $json->decode($_) } @{ $_[0]->data } ] }
sub count    { $_[0]{count} // 0 }
sub pings    { $_[0]{pings} // [] }
sub pongs    { $_[0]{pongs} // [] }

# messages and pongs in their order: [ text => ... ], [ pong => ... ]
sub events   { $_[0]{events} // [] }

# of the close frame: 1005 if it has no code; undef if there was none
sub code     { $_[0]{code} }
sub why      { $_[0]{why} }

# what was wrong with what the server has sent, first of all
sub bad      { $_[0]{bad} }

# parameters of the extension that was agreed on; undef: none
sub deflate  { $_[0]{deflate} }

# bytes that it has received in frames
sub bytes    { $_[0]{bytes} // 0 }


sub wait_messages {
    my ($self, $n, $timeout) = @_;
    return $self->_wait(sub { $_[0]->count >= $n }, "$n messages", $timeout);
}

sub wait_pongs {
    my ($self, $n, $timeout) = @_;
    return $self->_wait(sub { @{ $_[0]->pongs } >= $n }, "$n pongs", $timeout);
}

sub wait_events {
    my ($self, $n, $timeout) = @_;
    return $self->_wait(sub { @{ $_[0]->events } >= $n }, "$n events",
                        $timeout);
}

sub wait_pings {
    my ($self, $n, $timeout) = @_;
    return $self->_wait(sub { @{ $_[0]->pings } >= $n }, "$n pings", $timeout);
}

# the first object that has all these values: wait_object(type => 'gap')

sub wait_object {
    my ($self, %want) = @_;

    return $self->_wait(sub {
        for my $o (@{ $_[0]->objects }) {
            return $o if !grep { ($o->{$_} // '') ne $want{$_} } keys %want;
        }
        return;
    }, $json->encode(\%want));
}


# the code of its close frame

sub wait_code { $_[0]->wait_end($_[1]) && $_[0]->code }


# frame($opcode, $payload, option => value ...): bytes
#
#   fin    0: not the last of its message
#   rsv    reserved bits, 0x40 is RSV1
#   mask   four bytes; 0: not masked
#   form   how many bytes the length takes: 1, 2 or 8
#   len    the length to claim

sub frame {
    my ($self, $opcode, $payload, %opt) = @_;

    my $len = $opt{len} // length $payload;
    my $mask = $opt{mask} // pack 'N', int rand 2 ** 32;
    my $form = $opt{form} // ($len < 126 ? 1 : $len < 65536 ? 2 : 8);
    my $masked = $mask eq '0' ? 0 : 0x80;

    my $first = ($opt{fin} // 1 ? 0x80 : 0) | ($opt{rsv} // 0) | $opcode;

    my $head = $form == 1 ? pack('CC', $first, $masked | $len)
             : $form == 2 ? pack('CCn', $first, $masked | 126, $len)
                          : pack('CCQ>', $first, $masked | 127, $len);

    return $head . $payload unless $masked;

    my $n = length $payload;

    return $head . $mask . ("$payload" ^ substr $mask x ($n / 4 + 1), 0, $n);
}


# message($opcode, $data, option => value ...): bytes of its frames
#
#   fragment  bytes of a frame, at most
#   deflate   0: not compressed though that was agreed on

sub message {
    my ($self, $opcode, $data, %opt) = @_;
    my $rsv = 0;

    if ($self->{deflate} && ($opt{deflate} // 1)) {
        $data = $self->deflated($data);
        $rsv = 0x40;
    }

    my $size = $opt{fragment} // length $data;
    my $bytes = '';

    for (my $at = 0; ; $at += $size) {
        my $last = $at + $size >= length $data;

        $bytes .= $self->frame($opcode, substr($data, $at, $size),
                               fin => $last, rsv => $rsv);
        return $bytes if $last;

        $opcode = CONTINUATION;
        $rsv = 0;
    }
}


# compressed as the answer to the handshake allows

sub deflated {
    my ($self, $data, %opt) = @_;

    my $agreed = ref $self ? $self->{deflate} : undef;
    my $bits = $opt{bits} // $agreed->{client_max_window_bits} // 15;
    # zlib writes no window of 8 bits: then it looks back to nothing
    my $z = Compress::Raw::Zlib::Deflate->new(-AppendOutput => 1,
                -WindowBits => -($bits < 9 ? 9 : $bits),
                -Strategy => $bits < 9 ? Z_HUFFMAN_ONLY : Z_DEFAULT_STRATEGY);

    $z->deflate($data, my $out = '');
    $z->flush($out, Z_SYNC_FLUSH);

    # without 00 00 ff ff
    return substr $out, 0, -4;
}


sub text   { my $self = shift; $self->send($self->message(TEXT, @_)) }
sub binary { my $self = shift; $self->send($self->message(BINARY, @_)) }
sub ping   { my $self = shift; $self->send($self->frame(PING, @_)) }
sub pong   { my $self = shift; $self->send($self->frame(PONG, @_)) }

# any frame: $c->put(TEXT, 'x', fin => 0)
sub put    { my $self = shift; $self->send($self->frame(@_)) }

# an object as a text message
sub command { $_[0]->text($json->encode($_[1])) }

# a close frame; without a code it is empty
sub bye {
    my ($self, $code, $reason) = @_;

    $self->put(CLOSE, !defined $code || $code == 1005 ? ''
                      : pack('n', $code) . ($reason // ''));
    return $self;
}


# in pieces of so many bytes, each in a write of its own

sub chop {
    my ($self, $bytes, $size) = @_;

    for (my $at = 0; $at < length $bytes; $at += $size) {
        $self->send(substr $bytes, $at, $size);
    }
}


# What the server does not take waits, and what it sends is read meanwhile.

sub send {
    my ($self, $bytes) = @_;

    $self->{out} = '' unless defined $self->{out};
    $self->{out} .= $bytes;
    $self->_drain unless $self->{out_io};
}

# bytes that the server has not taken yet
sub unsent { length($_[0]{out} // '') }


sub _drain {
    my ($self) = @_;

    while (length $self->{out} && $self->{fh}) {
        my $n = $self->{fh}->syswrite($self->{out}, 1 << 20);

        if (defined $n) {
            substr $self->{out}, 0, $n, '';
            next;
        }

        next if $! == EINTR;
        last unless $! == EAGAIN || $! == EWOULDBLOCK;

        weaken(my $weak = $self);
        $self->{out_io} //= EV::io($self->{fd}, EV::WRITE,
                                   sub { $weak->_drain });
        return;
    }

    delete $self->{out_io};
    $self->{out} = '';
}


sub _finish {
    my ($self, $how) = @_;

    delete $self->{out_io};
    $self->SUPER::_finish($how);
}


1;
