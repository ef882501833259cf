package Push::Transports::WebSocket;

# By WebSocket, of any of its three kinds: see Push::Transports.

use strict;
use warnings;

use parent 'Push::WebSocket';

use Scalar::Util qw(weaken);


sub start {
    my ($class, $reader, $position) = @_;

    my $transport = $reader->transport;
    my %args = $transport eq 'json' ? (format => 'json') : ();

    $reader->{greeted} = {};
    $reader->forget if $transport eq 'raw';

    my $self = $class->new($reader->{port},
        Push::Transports::path_of($reader, $position, %args), keep => 0,
        protocol => $transport eq 'push.json' ? $transport : undef,
        deflate => $reader->{deflate},
        on_message => sub { $_[0]->comes($_[1]) },
        Push::Transports::client_of($reader));

    $self->{reader} = $reader;
    weaken($self->{reader});

    return $self;
}


sub _head {
    my ($self) = @_;
    my $reader = $self->{reader};

    $self->SUPER::_head;

    return $reader->odd('status ' . $self->status) if !$self->is_open;

    if ($reader->transport ne 'push.json') {
        $reader->note(open => live => 1);
        $reader->stands;

    } elsif (!$reader->set) {
        $reader->stands;
    }
}


sub comes {
    my ($self, $m) = @_;
    my $reader = $self->{reader} or return;

    return $reader->message($m->{data}, Push::Transports::one_of($reader))
        if $reader->is_blind;

    Push::Transports::object($reader, Push::Transports::decode($m->{data}));
}


sub look {
    my ($self) = @_;
    my $reader = $self->{reader} or return;

    return if !$self->closed || $self != ($reader->{client} // 0);

    my $code = $self->code;

    $reader->odd($self->bad) if $self->bad;

    if (!defined $code) {
        return $reader->gone($self->closed);
    }

    if ($code == 1000) {
        $reader->note('all_closed');

    } elsif ($code == 4200 && $reader->is_blind) {
        my ($since) = $self->why =~ / since=(\S+)/;

        $reader->note(cut => position => $since,
                      Push::Transports::one_of($reader));
        $reader->forget unless defined $since;

    } elsif ($code == 1013 && $reader->{refusable}) {
        $reader->note(refused => status => $code);

    } elsif ($code != 1012) {
        $reader->odd("closed with $code " . $self->why);
    }

    $reader->gone($self->closed);
}


# Commands of push.json.  A channel that is under way is left alone.

sub ask {
    my ($self, $channel, $since) = @_;
    my $reader = $self->{reader};

    return 0 if $self->{asked}{$channel}++;

    $reader->{channels}{$channel} = 1;
    $reader->note(ask => channel => $channel, requested => $since);
    $self->command({ subscribe => $channel, ref => 1,
                     defined $since ? (since => $since) : () });

    return 1;
}

sub leave {
    my ($self, $channel) = @_;

    return 0 if $self->{asked}{$channel}++;

    $self->command({ unsubscribe => $channel, ref => 1 });

    return 1;
}

# done is called with the reply, or without one when none has come

sub say {
    my ($self, $channel, $data, $done) = @_;
    my $ref = ++$self->{refs};

    $self->{said}{"p$ref"} = $done;
    $self->command({ publish => $channel, data => $data, ref => "p$ref" });
}


sub reply {
    my ($self, $o) = @_;
    my $reader = $self->{reader};
    my $ref = $o->{ref} // '';

    if (my $done = delete $self->{said}{$ref}) {
        $done->($o);

    } elsif ($o->{type} eq 'unsubscribed') {
        delete $self->{asked}{ $o->{channel} };
        $reader->note(unsubscribed => channel => $o->{channel}, id => $o->{id});
        $reader->quits($o->{channel});

    } elsif ($o->{type} ne 'error' || ($o->{status} // 0) != 404) {
        $reader->odd('reply ' . join ' ', map { "$_=" . ($o->{$_} // 'null') }
                                          sort keys %$o);
    }
}


sub _finish {
    my ($self, $how) = @_;

    $self->SUPER::_finish($how);
    $_->() for values %{ delete $self->{said} // {} };
}


1;
