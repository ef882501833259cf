package Push::Writer;

# A publisher: one request after the other on a connection kept alive, while
# the other clients of the process go on.
#
#   Push::Writer->new($n, next => sub { return { method => 'POST', ... } });
#
# "next" returns a request: method, path, body, headers, and done, which is
# called with the request and the answer (a Push::HTTP response), or without
# one if none came; or a number: seconds to wait before it is asked again; or
# undef: that was all.

use strict;
use warnings;

use EV;
use Push::HTTP;
use Scalar::Util qw(weaken);


sub new {
    my ($class, $port, %opt) = @_;

    my $self = bless {
        %opt, port => ref $port ? $port->port : $port, requests => 0,
    }, $class;

    $self->_soon(0);

    return $self;
}


# nothing is under way, nothing will be
sub idle { return !$_[0]{request} && !$_[0]{timer} }

# finishes what is under way
sub stop { $_[0]{stopped} = 1; delete $_[0]{timer} unless $_[0]{request} }


sub _soon {
    my ($self, $delay) = @_;

    weaken(my $weak = $self);
    $self->{timer} = EV::timer($delay, 0, sub { $weak->_next });
}


sub _next {
    my ($self) = @_;

    delete $self->{timer};
    return if $self->{stopped};

    my $request = $self->{next}->() // return;

    return $self->_soon($request) unless ref $request;

    $self->{request} = $request;
    $self->{requests}++;

    my %opt = (method => $request->{method} // 'POST',
               headers => $request->{headers} // {}, body => $request->{body});

    my $r = $self->{r};

    if ($r && !$r->closed && $r->ended && ($self->{keepalive} // 1)) {
        $self->{r} = $r->again($request->{path}, %opt,
                               on_data => $r->{on_data});
        return;
    }

    weaken(my $weak = $self);

    $self->{r} = Push::HTTP::Response->new($self->{port}, $request->{path},
        %opt, on_data => sub { $weak->_look if $weak });
}


sub _look {
    my ($self) = @_;

    my $r = $self->{r} or return;
    my $request = $self->{request} or return;

    return unless $r->ended || $r->closed;

    delete $self->{request};
    $request->{done}->($request, $r->ended ? $r : undef) if $request->{done};

    # not from inside of its parser
    $self->_soon(0);
}


1;
