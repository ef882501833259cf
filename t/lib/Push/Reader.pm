package Push::Reader;

# A subscriber as a browser is one: it comes back by itself, with the last id
# it has.  It keeps a record of all it was given, for Push::Oracle to judge.
#
#   my $reader = Push::Reader->new($n, '/sub?channel=a', channel => 'a',
#                                  oracle => $oracle);
#
# Options: start (what the query asks for, "latest"), delay (a number or code:
# seconds before it comes back; undef: it does not), name, keep (0: counts
# only), on_message (called with reader and id); those of Push::Client.

use strict;
use warnings;

use EV;
use JSON::PP ();
use Push::SSE;
use Scalar::Util qw(weaken);

my $json = JSON::PP->new->utf8;
my $made = 0;


sub new {
    my ($class, $port, $path, %opt) = @_;

    my $self = bless {
        delay => 0.05, start => 'latest', keep => 1, %opt,
        path => $path, port => ref $port ? $port->port : $port, log => [],
        received => 0, connects => 0, made => ++$made,
    }, $class;

    $self->{name} //= "reader $made of $self->{channel}";
    $self->connect;

    return $self;
}


# what it has been told, one after the other
sub log { $_[0]{log} }

# messages, connections so far
sub received { $_[0]{received} }
sub connects { $_[0]{connects} }

# the present connection, if there is one: see Push::SSE
sub client { $_[0]{client} }

# it stands: all that comes now comes to it
sub is_on { $_[0]{client} && $_[0]{on} }

sub last_id { $_[0]{last_id} }
sub status  { $_[0]{client} && $_[0]{client}->status }

# entries of its record: "gap", "closed", "reconnect", "end" ...
sub told { my ($self, $what) = @_; grep { $_->{what} eq $what } @{ $self->{log} } }


sub connect {
    my ($self) = @_;

    delete $self->{timer};
    return if $self->{stopped};

    $self->{connects}++;
    $self->{on} = 0;
    $self->_note(connect => requested => $self->{last_id},
                 start => $self->{start});

    my %headers = (%{ $self->{headers} // {} },
                   defined $self->{last_id}
                   ? ('Last-Event-ID' => $self->{last_id}) : ());

    my $path = $self->{path};
    my $glue = $path =~ /\?/ ? '&' : '?';

    $path .= "${glue}since=$self->{start}" if $self->{start} ne 'latest';

    weaken(my $weak = $self);

    $self->{client} = Push::SSE->new($self->{port}, $path,
        headers => \%headers, keep => 0, tls => $self->{tls},
        rcvbuf => $self->{rcvbuf},
        on_event => sub { $weak->_event(@_) if $weak },
        on_data => sub { $weak->_look(@_) if $weak });
}


sub _note {
    my ($self, $what, %entry) = @_;

    push @{ $self->{log} }, { what => $what, at => EV::time, %entry };
}


sub _event {
    my ($self, $c, $e) = @_;
    my $name = $e->{event};

    $self->{last_id} = $e->{id} if defined $e->{id};

    if ($name eq 'push.subscribed') {
        $self->{on} = 1;
        $self->_note(subscribed => id => $e->{id});

    } elsif ($name eq 'push.gap') {
        my $gap = $json->decode($e->{data});
        $self->_note(gap => id => $e->{id}, reason => $gap->{reason},
                     requested => $gap->{requested});

    } elsif ($name eq 'push.closed') {
        $self->_note(closed => reason => $json->decode($e->{data})->{reason});

    } elsif ($name eq 'push.reconnect') {
        $self->_note(reconnect => id => $e->{id}, retry => $e->{retry});

    } else {
        $self->{received}++;
        $self->_note(message => id => $e->{id}) if $self->{keep};

        if ($self->{oracle}) {
            $self->{oracle}->received($self->{channel}, $e->{id}, $e->{data});
        }

        $self->{on_message}->($self, $e->{id}) if $self->{on_message};
    }
}


# is the connection at its end?

sub _look {
    my ($self, $c) = @_;

    return unless $c->closed || $c->ended;
    return if $c != ($self->{client} // 0);

    # once all is read, the server closes too; wait for how it does

    return if $c->{ended} && !$c->closed && ($c->status // 0) == 200;

    if (($c->status // 0) == 204) {
        $self->_note('stop');
        delete $self->{last_id};

    } elsif (defined $c->status && !$self->{on}) {
        $self->_note(refused => status => $c->status);
    }

    $self->_gone($c->closed || 'clean');
}


sub _gone {
    my ($self, $how) = @_;

    my $c = delete $self->{client};

    $self->{on} = 0;
    $self->_note(end => how => $how, ended => $c->{ended});

    # its parser may be at work just now
    my $closing = EV::timer(0, 0, sub { $c->close; undef $c });
    $self->{closing} = $closing;

    $self->_again;
}


sub _again {
    my ($self) = @_;

    my $delay = ref $self->{delay} ? $self->{delay}->() : $self->{delay};

    return if $self->{stopped} || !defined $delay;

    weaken(my $weak = $self);
    $self->{timer} = EV::timer($delay, 0, sub { $weak->connect });
}


# loses its connection, now

sub drop {
    my ($self) = @_;
    my $c = $self->{client} or return;

    $c->close;
    delete $self->{client};
    $self->{on} = 0;
    $self->_note(end => how => 'here');
    $self->_again;
}


sub pause  { $_[0]{client}->pause if $_[0]{client} }
sub resume { $_[0]{client}->resume if $_[0]{client} }


# for good

sub stop {
    my ($self) = @_;

    $self->{stopped} = 1;
    delete $self->{timer};
    $self->drop;
}


1;
