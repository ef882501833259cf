package Push::Client;

# One client connection that waits: a streamed HTTP response, read when it
# comes.  All clients of a process share one loop, so thousands are cheap.
# Push::SSE adds the format of an event stream.

use strict;
use warnings;

use EV;
use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use Socket qw(:all);
use IO::Socket;
use List::Util qw(max);
use Scalar::Util qw(weaken);
use Test::More ();

our %all;

my $connected = 0;

# EV's own handler would take the exit codes of children from those who wait
$SIG{CHLD} = 'DEFAULT';


# Push::Client->new($port, $path, option => value ...)
#
#   headers   hash or array of request headers
#   method    GET
#   body      of the request
#   http10    speak HTTP/1.0
#   tls       1, or arguments of IO::Socket::SSL
#   rcvbuf    bytes of SO_RCVBUF, to be a slow reader
#   source    address to connect from, 127.0.0.1
#   host      address to connect to, 127.0.0.1
#   request   the bytes to send instead of a request made of the above
#   on_data   called with the client when something has come
#   paused    do not read yet
#   reads     at most so many in one turn, 16

sub new {
    my ($class, $port, $path, %opt) = @_;

    $port = $port->port if ref $port;

    my $self = bless {
        port => $port, path => $path, in => '', body => '', state => 'head',
        headers => {}, opened => EV::time, on_data => $opt{on_data},
        opt => \%opt, serial => ++$connected, requests => 1,
    }, $class;

    $self->{fh} = $self->_connect($opt{host} // '127.0.0.1', $port, \%opt);
    $self->{fd} = fileno $self->{fh};
    $self->{fh}->blocking(0);
    $self->_write($opt{request} // $self->_request($path, \%opt));

    weaken(my $weak = $self);
    $self->{io} = EV::io($self->{fd}, EV::READ, sub { $weak->_readable });
    $self->{io}->stop if $opt{paused};

    $all{$self->{serial}} = $self;
    weaken($all{$self->{serial}});

    return $self;
}


sub _connect {
    my ($self, $host, $port, $opt) = @_;

    socket(my $fh, AF_INET, SOCK_STREAM, 0) or die "socket: $!";

    if ($opt->{rcvbuf}) {
        setsockopt($fh, SOL_SOCKET, SO_RCVBUF, $opt->{rcvbuf}) or die $!;
    }

    if ($opt->{source}) {
        bind($fh, pack_sockaddr_in(0, inet_aton($opt->{source}))) or die $!;
    }

    setsockopt($fh, IPPROTO_TCP, TCP_NODELAY, 1);

    connect($fh, pack_sockaddr_in($port, inet_aton($host)))
        or die "connect to $host:$port: $!";

    bless $fh, 'IO::Socket';

    return $fh unless $opt->{tls};

    require IO::Socket::SSL;

    # one context for all: to make one takes longer than a handshake
    our $context //= IO::Socket::SSL::SSL_Context->new(SSL_verify_mode => 0);

    return IO::Socket::SSL->start_SSL($fh, Timeout => 20,
        SSL_hostname => 'localhost',
        ref $opt->{tls} ? (SSL_verify_mode => 0, %{ $opt->{tls} })
                        : (SSL_reuse_ctx => $context))
        || die "TLS: $IO::Socket::SSL::SSL_ERROR";
}


sub _request {
    my ($self, $path, $opt) = @_;

    my $version = $opt->{http10} ? '1.0' : '1.1';
    my $method = $opt->{method} // 'GET';
    my @headers = ref $opt->{headers} eq 'HASH' ? %{ $opt->{headers} }
                                                : @{ $opt->{headers} // [] };
    my $text = "$method $path HTTP/$version\r\n";

    my %given = map { lc($headers[2 * $_]) => 1 } 0 .. @headers / 2 - 1;

    $text .= "Host: localhost\r\n" unless exists $given{host};

    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\r\n";
    }

    if (defined $opt->{body}) {
        $text .= 'Content-Length: ' . length($opt->{body}) . "\r\n";
    }

    return "$text\r\n" . ($opt->{body} // '');
}


# all of it; a server that does not read for half a minute has failed

sub _write {
    my ($self, $bytes) = @_;

    while (length $bytes) {
        my $n = $self->{fh}->syswrite($bytes);

        if (defined $n) {
            substr $bytes, 0, $n, '';
            next;
        }

        return unless $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR;

        vec(my $fds = '', $self->{fd}, 1) = 1;
        select(undef, $fds, undef, 30)
            or die "$self->{path}: the server does not read";
    }
}


sub _readable {
    my ($self) = @_;
    my $again = 0;

    while (!$self->{closed}) {
        my $n = $self->{fh}->sysread(my $bytes, 65536);

        if (!defined $n) {
            last if $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR;
            $self->_finish('reset');
            last;
        }

        if ($n == 0) {
            $self->_finish($self->{ended} || $self->{state} eq 'until_close'
                           ? 'clean' : 'cut');
            last;
        }

        $self->{received} += $n;
        $self->{in} .= $bytes;
        $self->_parse;

        # a busy stream must not keep the others from being read
        last if $n < 65536 && !$self->{opt}{tls}
                || ++$again >= ($self->{opt}{reads} // 16);
    }

    $self->{on_data}->($self) if $self->{on_data};
}


# the end of the connection: "clean" when the response was complete

sub _finish {
    my ($self, $how) = @_;

    return if $self->{closed};

    $self->{closed} = $how;
    $self->{closed_at} = EV::time;
    delete $self->{io};
    CORE::close(delete $self->{fh}) if $self->{fh};
    delete $all{$self->{serial}};
}


sub _parse {
    my ($self) = @_;

    if ($self->{state} eq 'head') {

        while ($self->{in} =~ s/\A(.*?)\r\n\r\n//s) {
            my ($line, @lines) = split /\r\n/, $1;

            ($self->{version}, $self->{status}, $self->{reason})
                = $line =~ m{\AHTTP/([\d.]+) (\d{3}) ?(.*)};

            $self->{headers} = {};

            for (@lines) {
                my ($name, $value) = /\A([^:]+):\s*(.*?)\s*\z/ or next;
                my $h = \$self->{headers}{lc $name};
                $$h = defined $$h ? "$$h, $value" : $value;
            }

            next if $self->{status} =~ /\A1/ && $self->{status} != 101;

            $self->{head_at} = EV::time;
            $self->_head;
            last;
        }

        return if $self->{state} eq 'head';
    }

    if ($self->{state} eq 'chunked') {
        $self->_parse_chunks;

    } elsif ($self->{state} eq 'length') {
        my $bytes = substr $self->{in}, 0, $self->{left}, '';
        $self->{left} -= length $bytes;
        $self->_body($bytes) if length $bytes;
        $self->_end if $self->{left} == 0;

    } elsif (length $self->{in}) {
        my $bytes = $self->{in};
        $self->{in} = '';
        $self->_body($bytes);
    }
}


sub _head {
    my ($self) = @_;
    my $h = $self->{headers};

    if (($self->{opt}{method} // '') eq 'HEAD' || $self->{status} =~ /\A[23]04/)
    {
        $self->{state} = 'length';
        $self->{left} = 0;

    } elsif (($h->{'transfer-encoding'} // '') eq 'chunked') {
        $self->{state} = 'chunked';

    } elsif (defined $h->{'content-length'}) {
        $self->{state} = 'length';
        $self->{left} = $h->{'content-length'};

    } else {
        $self->{state} = 'until_close';
    }
}


sub _parse_chunks {
    my ($self) = @_;

    for ( ;; ) {

        if (!$self->{left}) {
            return unless $self->{in} =~ s/\A([0-9a-fA-F]+)\r\n//;

            $self->{left} = hex $1;

            if ($self->{left} == 0) {
                $self->{in} =~ s/\A\r\n//;
                return $self->_end;
            }

            $self->{left} += 2;
        }

        return unless length $self->{in};

        my $bytes = substr $self->{in}, 0, $self->{left}, '';
        my $over = length($bytes) - max(0, $self->{left} - 2);

        $self->{left} -= length $bytes;

        if ($over > 0) {
            my $tail = substr $bytes, -$over, $over, '';

            $self->{bad} = "chunk without its end" if "\r\n" !~ /\Q$tail\E/;
        }

        $self->_body($bytes) if length $bytes;
    }
}


sub _body {
    my ($self, $bytes) = @_;
    $self->{body} .= $bytes;
}


# the response is complete; the connection may live on

sub _end {
    my ($self) = @_;

    $self->{ended} = 1;
    $self->{ended_at} //= EV::time;
    $self->{in} = '' if $self->{in} eq "\r\n";
}


# what is known of it

sub status  { $_[0]{status} }
sub header  { $_[0]{headers}{lc $_[1]} }
sub headers { $_[0]{headers} }
sub body    { $_[0]{body} }

# the response is complete, the connection open or not
sub ended   { $_[0]{ended} }

# "clean" the response was complete, "cut" closed in its middle, "reset"
sub closed  { $_[0]{closed} }


# what it does

sub pause  { $_[0]{io}->stop if $_[0]{io} }
sub resume { $_[0]{io}->start if $_[0]{io} }

sub close {
    my ($self) = @_;
    $self->_finish('here') unless $self->{closed};
}

sub reset {
    my ($self) = @_;

    if ($self->{fh}) {
        setsockopt($self->{fh}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
    }

    $self->close;
}

# write more bytes, for what is not plain HTTP
sub send {
    my ($self, $bytes) = @_;

    $self->_write($bytes);
}

sub DESTROY {
    my ($self) = @_;

    return if ${^GLOBAL_PHASE} eq 'DESTRUCT';
    $self->close;
}


sub wait_head   { $_[0]->_wait(sub { $_[0]{head_at} }, 'a response', $_[1]) }
sub wait_end    { $_[0]->_wait(sub { $_[0]{ended} }, 'the end', $_[1]) }
sub wait_closed { $_[0]->_wait(sub { $_[0]{closed} }, 'the close', $_[1], 1) }

sub wait_body {
    my ($self, $re, $timeout) = @_;
    return $self->_wait(sub { $_[0]{body} =~ $re }, "$re", $timeout);
}


# a closed connection brings nothing more, so there is nothing to wait for

sub _wait {
    my ($self, $cond, $what, $timeout, $quiet) = @_;
    my $fact;

    Push::Client->run_until(sub {
        return ($fact = $cond->($self)) || $self->{closed};
    }, $timeout, "$self->{path}: $what");

    if (!$fact && $self->{closed}) {
        Test::More::diag("closed ($self->{closed}) while waiting for "
                         . "$self->{path}: $what");
    }

    return $fact;
}


# drives all clients of the process until the condition holds

sub run_until {
    my ($class, $cond, $timeout, $what) = @_;

    $timeout //= 30;

    my $expired = 0;
    my $timer = EV::timer($timeout, 0, sub { $expired = 1 });

    EV::now_update;
    $timer->set($timeout, 0);

    # conditions may look at files and processes, not only at clients
    my $tick = EV::timer(0.02, 0.02, sub { });

    for ( ;; ) {
        my $fact = $cond->();
        return $fact if $fact;
        last if $expired;
        EV::run(EV::RUN_ONCE);
    }

    my ($package, $file, $line) = caller;
    Test::More::diag("timeout of ${timeout}s waiting for "
                     . ($what // "line $line of $file"));

    return;
}


# for a test that something does not happen

sub run_for {
    my ($class, $seconds) = @_;
    my $end = EV::time + $seconds;

    $class->run_until(sub { EV::time >= $end }, $seconds + 30);
}


sub close_all {
    $_->close for grep { defined } values %all;
}


1;
