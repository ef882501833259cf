package Push::Curl;

# A subscriber by Server-Sent Events over HTTP/2, by way of curl: as Push::SSE,
# but what comes is looked at only when it is asked for.

use strict;
use warnings;

use parent 'Push::SSE';

use EV;
use File::Temp;
use Push::Command;


# options: headers, tls, method HEAD, curl (more arguments)

sub new {
    my ($class, $port, $path, %opt) = @_;

    $port = $port->port if ref $port;

    my $headers = $opt{headers} // {};
    my @headers = ref $headers eq 'HASH' ? %$headers : @$headers;

    unless (grep { /\Aaccept\z/i } @headers) {
        unshift @headers, Accept => 'text/event-stream';
    }

    my $self = bless {
        path => $path, body => '', headers => {}, opt => \%opt, taken => 0,
        opened => EV::time, head => File::Temp->new, all => '',
    }, $class;

    my @fields;

    while (my ($name, $value) = splice @headers, 0, 2) {
        push @fields, '-H', length $value ? "$name: $value" : "$name;";
    }

    $self->{command} = Push::Command->new('curl', '-sSN', '-g',
        $opt{tls} ? ('-k', '--http2') : '--http2-prior-knowledge',
        ($opt{method} // '') eq 'HEAD' ? '-I' : (),
        '-D', $self->{head}->filename, @fields, @{ $opt{curl} // [] },
        ($opt{tls} ? 'https' : 'http') . "://127.0.0.1:$port$path");

    return $self;
}


sub poll {
    my ($self) = @_;

    return $self if $self->{closed};

    # looked at before the output, which is complete then
    my $code = $self->{command}->code;

    $self->_poll_head;

    my $out = $self->{opt}{method} ? '' : $self->{command}->out;

    if (length $out > $self->{taken}) {
        my $bytes = substr $out, $self->{taken};

        $self->{taken} = length $out;
        $self->{received} = length $out;
        $self->{all} .= $bytes;
        $self->_body($bytes);
    }

    if (defined $code) {
        $self->{closed_at} = EV::time;
        $self->{ended} = $code == 0;
        $self->{closed} = $code == 0 ? 'clean' : 'cut';
    }

    return $self;
}


sub _poll_head {
    my ($self) = @_;

    return if $self->{head_at};

    my $head = Push::Command::_slurp($self->{head}->filename);

    my ($status, $lines) = $head =~ m{\AHTTP/2 (\d+).*?\r\n(.*)\r\n\r\n}s
        or return;

    $self->{status} = $status;
    $self->{head_at} = EV::time;

    for (split /\r\n/, $lines) {
        my ($name, $value) = /\A([^:]+): (.*)\z/ or next;
        my $h = \$self->{headers}{lc $name};
        $$h = defined $$h ? "$$h, $value" : $value;
    }
}


sub _wait {
    my ($self, $cond, @rest) = @_;
    return $self->SUPER::_wait(sub { $cond->($_[0]->poll) }, @rest);
}


sub events   { $_[0]->poll->SUPER::events }
sub count    { $_[0]->poll->SUPER::count }
sub received { $_[0]->poll->SUPER::received }
sub comments { $_[0]->poll->SUPER::comments }
sub last_id  { $_[0]->poll->SUPER::last_id }
sub closed   { $_[0]->poll->{closed} }
sub ended    { $_[0]->poll->{ended} }


sub close {
    my ($self) = @_;

    return if $self->{closed};

    $self->{command}->stop('KILL');
    $self->{closed} = 'here';
}

sub reset { $_[0]->close }

sub pause  { kill STOP => $_[0]{command}->pid }
sub resume { kill CONT => $_[0]{command}->pid }


1;
