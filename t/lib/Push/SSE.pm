package Push::SSE;

# A subscriber by Server-Sent Events, with the parser of the standard.
#
#   my $c = Push::SSE->new($port, '/sub?channel=a', headers => { ... });
#   $c->wait_events(3);
#   is($c->events->[0]{data}, '...');
#
# An event has: event ("message" unless named), data, id (undef if this event
# brought none), last_id (as a browser has it), retry (if it came with it).
# Options besides those of Push::Client: on_event, called with client and
# event; keep => 0 counts events and keeps only the last one.

use strict;
use warnings;

use parent 'Push::Client';


sub new {
    my ($class, $port, $path, %opt) = @_;

    my $headers = $opt{headers} // {};
    my @headers = ref $headers eq 'HASH' ? %$headers : @$headers;

    unless (grep { /\Aaccept\z/i } @headers) {
        unshift @headers, Accept => 'text/event-stream';
    }

    my $self = $class->SUPER::new($port, $path, %opt, headers => \@headers);

    return $self;
}


sub _body {
    my ($self, $bytes) = @_;

    my $sse = $self->{sse} //= { text => '', fresh => 1 };

    $sse->{text} .= $bytes;

    if ($sse->{fresh} && length $sse->{text} >= 3) {
        $sse->{text} =~ s/\A\xEF\xBB\xBF//;
        $sse->{fresh} = 0;
    }

    # a CR at the very end may be half of a CRLF
    my $last = 0;

    while ($sse->{text} =~ /\G([^\r\n]*)(?:\r\n|\n|\r(?!\z))/gc) {
        $last = pos $sse->{text};
        $self->_line($sse, $1);
    }

    substr $sse->{text}, 0, $last, '';
}


sub _line {
    my ($self, $sse, $line) = @_;

    if ($line eq '') {
        $self->_dispatch($sse);
        return;
    }

    if ($line =~ /\A:/) {
        push @{ $self->{comments} }, substr $line, 1;
        return;
    }

    my ($field, $value) = $line =~ /\A([^:]*)(?:: ?(.*))?\z/s;
    $value //= '';

    if ($field eq 'data') {
        $sse->{data} = defined $sse->{data} ? "$sse->{data}\n$value" : $value;

    } elsif ($field eq 'event') {
        $sse->{event} = $value;

    } elsif ($field eq 'id') {

        if ($value !~ /\0/) {
            $sse->{id} = $value;
            $sse->{next_id} = $value;
        }

    } elsif ($field eq 'retry') {

        if ($value =~ /\A\d+\z/) {
            $sse->{retry} = $value;
            $self->{retry} = $value;
        }

    } else {
        push @{ $self->{unknown} }, $line;
    }
}


sub _dispatch {
    my ($self, $sse) = @_;

    $self->{last_id} = $sse->{next_id} if defined $sse->{next_id};

    if (defined $sse->{data}) {
        my %event = (
            event => length($sse->{event} // '') ? $sse->{event} : 'message',
            data => $sse->{data}, id => $sse->{id},
            last_id => $self->{last_id}, retry => $sse->{retry},
        );

        $self->{count}++;
        $self->{messages}++ unless $event{event} =~ /\Apush\./;

        if ($self->{opt}{keep} // 1) {
            push @{ $self->{events} }, \%event;

        } else {
            $self->{events} = [ \%event ];
        }

        $self->{opt}{on_event}->($self, \%event) if $self->{opt}{on_event};
    }

    delete @$sse{qw(data event id retry)};
}


sub events   { $_[0]{events} // [] }
sub last_id  { $_[0]{last_id} }
sub retry    { $_[0]{retry} }
sub comments { $_[0]{comments} // [] }

# lines that are no field of the standard
sub unknown  { $_[0]{unknown} // [] }

# how many came: all, and those that are messages
sub count    { $_[0]{count} // 0 }
sub received { $_[0]{messages} // 0 }


# events that are messages, not ours ("push.subscribed" and the like)

sub messages {
    my ($self) = @_;
    return [ grep { $_->{event} !~ /\Apush\./ } @{ $self->events } ];
}


sub data { return [ map { $_->{data} } @{ $_[0]->messages } ] }


# the first event of that name, or undef

sub event {
    my ($self, $name) = @_;
    return (grep { $_->{event} eq $name } @{ $self->events })[0];
}


sub wait_events {
    my ($self, $n, $timeout) = @_;
    return $self->_wait(sub { $_[0]->count >= $n }, "$n events", $timeout);
}


sub wait_messages {
    my ($self, $n, $timeout) = @_;
    return $self->_wait(sub { $_[0]->received >= $n }, "$n messages", $timeout);
}


sub wait_event {
    my ($self, $name, $timeout) = @_;
    return $self->_wait(sub { $_[0]->event($name) }, $name, $timeout);
}


sub wait_subscribed { $_[0]->wait_event('push.subscribed', $_[1]) }


1;
