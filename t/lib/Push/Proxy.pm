package Push::Proxy;

# A TCP proxy in the process of the test: what is between a pod and Redis, and
# what may go wrong there.
#
#   my $proxy = Push::Proxy->new($redis->port);
#   ... connect to $proxy->port ...
#   $proxy->delay(0.2);
#
# It lives as long as the object, and works while the loop of EV runs.

use strict;
use warnings;

use EV;
use Errno qw(EAGAIN EINPROGRESS EINTR EWOULDBLOCK);
use Push::Nginx;
use Scalar::Util qw(weaken);
use Socket qw(:all);


sub new {
    my ($class, $target) = @_;

    my $self = bless {
        target => $target, port => Push::Nginx::free_port(), links => {},
        made => 0, delay => 0, silent => 0,
    }, $class;

    socket(my $fh, AF_INET, SOCK_STREAM, 0) or die "socket: $!";
    setsockopt($fh, SOL_SOCKET, SO_REUSEADDR, 1);
    bind($fh, pack_sockaddr_in($self->{port}, INADDR_LOOPBACK))
        or die "bind: $!";
    listen($fh, 128) or die "listen: $!";
    _unblock($fh);

    weaken(my $weak = $self);
    $self->{fh} = $fh;
    $self->{io} = EV::io(fileno $fh, EV::READ, sub { $weak->_accept });

    return $self;
}


sub port  { $_[0]{port} }
sub links { return scalar keys %{ $_[0]{links} } }


# where new connections go to

sub target { $_[0]{target} = $_[1] }


# All that comes is held for so many seconds, in both directions.  What is
# under way already comes first.

sub delay { $_[0]{delay} = $_[1] }


# whether such bytes are held just now

sub holds {
    my ($self, $re) = @_;

    return scalar grep { $_->[1] =~ $re }
        map { @{ $_->{near}{queue} }, @{ $_->{far}{queue} } }
        values %{ $self->{links} };
}


# From now on nothing passes, though all stays open; the connections that
# there are then stay so for ever, new ones until it is healed.

sub silence {
    my ($self) = @_;

    $self->{silent} = 1;
    $_->{silent} = 1 for values %{ $self->{links} };
}


sub heal { @{ $_[0] }{qw(delay silent)} = (0, 0) }


# The next answer on each connection is passed up to so many bytes, and then
# the connection is closed; 0: at once.

sub cut {
    my ($self, $bytes) = @_;

    for my $link (values %{ $self->{links} }) {
        $bytes ? $link->{left} = $bytes : $self->_close($link);
    }
}


sub _unblock { $_[0]->blocking(0) if bless $_[0], 'IO::Socket' }


sub _accept {
    my ($self) = @_;

    while (accept my $near, $self->{fh}) {
        socket(my $far, AF_INET, SOCK_STREAM, 0) or die "socket: $!";
        _unblock($_) for $near, $far;

        my $link = { number => ++$self->{made}, silent => $self->{silent},
                     near => { fh => $near, queue => [], out => '' },
                     far => { fh => $far, queue => [], out => '' } };

        # what is refused is noticed when it is read
        connect($far, pack_sockaddr_in($self->{target}, INADDR_LOOPBACK))
            or $! == EINPROGRESS or next;

        for my $side (qw(near far)) {
            setsockopt($link->{$side}{fh}, IPPROTO_TCP, TCP_NODELAY, 1);
            $self->_watch($link, $side);
        }

        $self->{links}{ $link->{number} } = $link;
    }
}


sub _watch {
    my ($self, $link, $side) = @_;

    weaken(my $weak = $self);
    weaken(my $of = $link);

    my $fd = fileno $link->{$side}{fh};

    $link->{$side}{read} = EV::io($fd, EV::READ, sub {
        $weak->_read($of, $side);
    });
    $link->{$side}{write} = EV::io($fd, EV::WRITE, sub {
        $weak->_write($of, $side);
    });
}


sub _close {
    my ($self, $link) = @_;

    delete $self->{links}{ $link->{number} };

    for my $side (@$link{qw(near far)}) {
        delete @$side{qw(read write timer)};
        delete $side->{fh};
    }
}


# what comes from one side goes to the other, when its time has come

sub _read {
    my ($self, $link, $side) = @_;

    my $to = $link->{$side eq 'near' ? 'far' : 'near'};
    my $n = sysread $link->{$side}{fh}, my $bytes, 65536;

    if (!defined $n) {
        return if $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR;
        return $self->_close($link);
    }

    return if $link->{silent} && $n;

    push @{ $to->{queue} }, [ EV::now + $self->{delay}, $bytes ];
    $self->_due($link, $side eq 'near' ? 'far' : 'near');

    delete $link->{$side}{read} if $n == 0;
}


# an empty string is the end

sub _due {
    my ($self, $link, $side) = @_;
    my $to = $link->{$side};

    delete $to->{timer};

    while (my $first = $to->{queue}[0]) {
        my $wait = $first->[0] - EV::now;

        if ($wait > 0) {
            weaken(my $weak = $self);
            weaken(my $of = $link);
            $to->{timer} = EV::timer($wait, 0, sub { $weak->_due($of, $side) });
            last;
        }

        shift @{ $to->{queue} };
        return if $link->{silent};

        $to->{ended} = 1 if $first->[1] eq '';
        $to->{out} .= $first->[1];

        if ($side eq 'near' && defined $link->{left}) {
            $link->{left} -= length $first->[1];

            if ($link->{left} <= 0) {
                substr $to->{out}, length($to->{out}) + $link->{left},
                       -$link->{left}, '';
                $to->{ended} = 1;
                @{ $to->{queue} } = ();
            }
        }
    }

    $self->_write($link, $side);
}


sub _write {
    my ($self, $link, $side) = @_;
    my $to = $link->{$side};

    while (length $to->{out}) {
        my $n = syswrite $to->{fh}, $to->{out};

        if (!defined $n) {

            if ($! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR) {
                $to->{write}->start;
                return;
            }

            return $self->_close($link);
        }

        substr $to->{out}, 0, $n, '';
    }

    $to->{write}->stop;

    $self->_close($link) if $to->{ended};
}


1;
