package Push::Transports::SSE;

# By Server-Sent Events, raw or with envelopes: see Push::Transports.

use strict;
use warnings;

use parent 'Push::SSE';

use MIME::Base64 qw(decode_base64);
use Scalar::Util qw(weaken);


sub start {
    my ($class, $reader, $position) = @_;

    my %args = $reader->transport eq 'sse.json' ? (format => 'json') : ();
    my @headers;

    # a header, as EventSource does, or a query, as those who replace it do

    if (!defined $position) {
        $args{since} = $reader->{start} if $reader->{start} ne 'latest';

    } elsif ($reader->{set} && rand() < 0.3) {
        $args{lastEventId} = $position;

    } else {
        @headers = ('Last-Event-ID' => $position);
        $args{since} = $reader->{start} if $reader->{start} ne 'latest';
    }

    my $self = $class->new($reader->{port},
        Push::Transports::query($reader->{path}, %args), keep => 0,
        on_event => sub { $_[0]->comes($_[1]) },
        Push::Transports::client_of($reader, @headers));

    $self->{reader} = $reader;
    weaken($self->{reader});

    return $self;
}


sub comes {
    my ($self, $e) = @_;

    my $reader = $self->{reader} or return;
    my $name = $e->{event};
    my @set = $reader->set;
    my @one = Push::Transports::one_of($reader);
    my %own = @set < 2 ? (@one, id => $e->{id}) : ();

    if ($name eq 'push.subscribed') {
        my $last = $e->{id};

        if (@set < 2) {
            $reader->note(subscribed => %own);

        } else {
            my @told = @{ Push::Transports::decode($e->{data})->{channels} };

            $reader->odd("told of other channels: $e->{data}")
                if "@{[ map { $_->{channel} } @told ]}" ne "@set";

            $reader->note(subscribed => %$_,
                          $_ == $told[-1] ? (position => $e->{id}) : ())
                for @told;
        }

        $reader->stands;

    } elsif ($name eq 'push.gap') {
        my $gap = Push::Transports::decode($e->{data});

        $reader->note(gap => reason => $gap->{reason},
                      requested => $gap->{requested}, position => $e->{id},
                      @set ? (channel => $gap->{channel}) : (), %own);

    } elsif ($name eq 'push.closed') {
        my $closed = Push::Transports::decode($e->{data});

        $reader->note(closed => reason => $closed->{reason},
                      @set ? (channel => $closed->{channel}) : ());

    } elsif ($name eq 'push.reconnect') {
        $reader->note(reconnect => id => $e->{id}, position => $e->{id},
                      retry => $e->{retry}, @one);

    } else {
        $self->brings($e, @set < 2 ? %own : (position => $e->{id}));
    }
}


sub brings {
    my ($self, $e, %what) = @_;
    my $reader = $self->{reader};

    if ($reader->transport ne 'sse.json') {

        # binary ones come as base64, which has no colon
        my $data = $e->{data} =~ /:/ ? $e->{data} : decode_base64($e->{data});

        return $reader->message($data, %what);
    }

    my $envelope = Push::Transports::decode($e->{data});

    $reader->odd("position of $envelope->{id}")
        if ($envelope->{position} // $envelope->{id}) ne ($e->{id} // '');

    $reader->message(Push::Transports::data_of($envelope), %what,
                     id => $envelope->{id}, channel => $envelope->{channel});
}


# is the connection at its end?

sub look {
    my ($self) = @_;
    my $reader = $self->{reader} or return;

    return unless $self->closed || $self->ended;
    return if $self != ($reader->{client} // 0);

    # once all is read, the server closes too; wait for how it does

    return if $self->{ended} && !$self->closed && ($self->status // 0) == 200;

    if (($self->status // 0) == 204) {
        $reader->note('stop');
        $reader->forget;

    } elsif (defined $self->status && !$reader->{on}) {
        $reader->note(refused => status => $self->status);
    }

    $reader->gone($self->closed || 'clean');
}


1;
