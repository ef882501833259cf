package Push::Transports::NDJSON;

# By a stream of JSON objects: see Push::Transports.

use strict;
use warnings;

use parent 'Push::Client';

use Scalar::Util qw(weaken);


sub start {
    my ($class, $reader, $position) = @_;

    $reader->{greeted} = {};

    my $self = $class->new($reader->{port},
        Push::Transports::path_of($reader, $position),
        Push::Transports::client_of($reader, Accept => 'application/x-ndjson'));

    $self->{reader} = $reader;
    weaken($self->{reader});
    $self->{rest} = '';

    return $self;
}


sub _body {
    my ($self, $bytes) = @_;
    my $reader = $self->{reader} or return;
    my @lines = split /\n/, $self->{rest} . $bytes, -1;

    $self->{rest} = pop @lines;

    for my $line (grep { length } @lines) {
        Push::Transports::object($reader, Push::Transports::decode($line));
    }
}


# nothing but what is known
sub reply { $_[0]{reader}->odd("a line of type $_[1]{type}") }


sub look {
    my ($self) = @_;
    my $reader = $self->{reader} or return;

    my $status = $self->status // 200;

    # a refusal may leave the connection open
    return unless $self->closed || $self->ended && $status != 200;
    return if $self != ($reader->{client} // 0);

    if ($status == 503) {
        $reader->note(refused => status => $status);

    } elsif ($status != 200) {
        $reader->odd("status $status");
    }

    $reader->gone($self->closed || 'clean');
}


1;
