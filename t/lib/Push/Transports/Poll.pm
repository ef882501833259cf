package Push::Transports::Poll;

# By pages and long polls, each a connection in the record of the reader: see
# Push::Transports.

use strict;
use warnings;

use Push::HTTP;

use parent -norequire, 'Push::HTTP::Response';

use Scalar::Util qw(weaken);


# over the connection that has answered the last one, if there is one

sub start {
    my ($class, $reader, $position) = @_;

    my %args = $reader->{limit} ? (limit => $reader->{limit}) : ();
    my $path = Push::Transports::path_of($reader, $position, %args);
    my %opt = Push::Transports::client_of($reader,
        Accept => 'application/json',
        defined $position ? (Prefer => 'wait=20') : (),
        defined $position && $reader->{etag}
            ? ('If-None-Match' => qq("$position")) : ());

    my $self = delete $reader->{kept};

    if ($self && !$self->closed && $self->{port} == $reader->{port}
        && ($self->header('connection') // '') ne 'close')
    {
        $self->again($path, %opt, method => 'GET');

    } else {
        $self->close if $self;
        $self = $class->new($reader->{port}, $path, %opt);
    }

    $self->{reader} = $reader;
    weaken($self->{reader});

    $reader->note(open => live => 0);
    $reader->stands if defined $position;

    return $self;
}


sub look {
    my ($self) = @_;
    my $reader = $self->{reader} or return;

    return if $self != ($reader->{client} // 0);

    if (!$self->ended) {
        return $self->closed ? $reader->gone($self->closed) : ();
    }

    my $over;

    if ($self->status == 200) {
        $over = $self->answer($self->json);

    } elsif ($self->status == 503) {

        # of a worker that drains
        $reader->note(refused => status => 503);
        $over = 1;

    } elsif ($self->status != 304) {
        $reader->odd('status ' . $self->status . ': ' . $self->body);
    }

    # the next one is not asked for from inside of this one's parser

    $reader->next($over);
}


# a gap at the start is behind no message, one in mid-stream is the end

sub answer {
    my ($self, $page) = @_;

    my $reader = $self->{reader};
    my @gap = map { +{ %$_{qw(channel id reason requested)} } }
              $page->{gap} // ();
    my $late = @gap && $gap[0]{reason} eq 'overrun';

    $reader->note(gap => %$_) for $late ? () : @gap;

    for my $m (@{ $page->{messages} }) {
        $reader->message(Push::Transports::data_of($m),
                         %$m{qw(channel id position)});
    }

    $reader->note(gap => %$_) for $late ? @gap : ();
    $reader->note(closed => %$_{qw(channel reason)})
        for @{ $page->{closed} // [] };
    $reader->note(page => position => $page->{next},
                  Push::Transports::one_of($reader));
    $reader->note('all_closed') if $page->{ended};

    return $page->{ended};
}


1;
