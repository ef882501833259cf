package Push::Reader;

# A subscriber as a browser is one: it comes back by itself, with the last
# position it has.  It keeps a record of all it was given, for Push::Oracle to
# judge.
#
#   my $reader = Push::Reader->new($n, '/sub?channel=a', channel => 'a',
#                                  oracle => $oracle);
#
#   my $reader = Push::Reader->new($n, undef, oracle => $oracle, vary => sub {
#       return (transport => 'poll', channels => [ 'a', 'b' ],
#               path => '/sub?channel=a,b');
#   });
#
# Options: start (what the query asks for, "latest"), delay (a number or code:
# seconds before it comes back; undef: it does not), name, keep (0: counts
# only), on_message (called with reader and id), transport ("sse", see
# Push::Transports), vary (called before each connection: its options anew),
# refusable (1: a WebSocket may be told to come again later); those of
# Push::Client.

use strict;
use warnings;

use EV;
use Push::Client;
use Push::Position qw(id_of);
use Push::Transports;
use Scalar::Util qw(weaken);
use Test::More ();

my $made = 0;


sub new {
    my ($class, $port, $path, %opt) = @_;

    my $self = bless {
        delay => 0.05, start => 'latest', keep => 1, transport => 'sse', %opt,
        path => $path, port => ref $port ? $port->port : $port, log => [],
        received => 0, connects => 0, made => ++$made, ids => {},
    }, $class;

    $self->{channels} = {} if $opt{vary};
    $self->{name} //= "reader $made" . ($opt{channel} ? " of $opt{channel}"
                                                      : '');
    $self->connect;

    return $self;
}


# what it has been told, one after the other
sub log { $_[0]{log} }

# messages, connections so far
sub received { $_[0]{received} }
sub connects { $_[0]{connects} }

# the present connection, if there is one: see Push::Client
sub client { $_[0]{client} }

# it stands: all that comes now comes to it
sub is_on { $_[0]{client} && $_[0]{on} }

# the position that it would come back with
sub last_id { $_[0]{last_id} }
sub status  { $_[0]{client} && $_[0]{client}->status }

# what the present connection is made by, and its channels
sub transport { $_[0]{transport} }
sub set { @{ $_[0]{set} // [] } }

# entries of its record: "gap", "closed", "reconnect", "end" ...
sub told { my ($self, $what) = @_; grep { $_->{what} eq $what } @{ $self->{log} } }


# whether it has the message of this id and number, or a later one

sub has {
    my ($self, $channel, $id, $n) = @_;
    my @place;

    if ($self->is_blind) {
        my $last = $self->{ids}{$channel} // '';
        my $p = $self->{oracle} && $self->{oracle}{published}{$last};

        return $last eq $n unless $p && defined $p->{seq};

        @place = @$p{qw(epoch seq)};

    } else {
        my $p = Push::Position->parse($self->{last_id}) or return 0;

        return 0 if !$p->is_compound && ($self->{last_of} // '') ne $channel;

        @place = $p->of($channel);
    }

    my @want = id_of($id);

    return @place && @want && $place[0] == $want[0] && $place[1] >= $want[1];
}

# without ids
sub is_blind { return $_[0]{transport} eq 'raw' }


sub connect {
    my ($self) = @_;

    delete $self->{timer};
    return if $self->{stopped};

    if ($self->{vary}) {
        my %as = $self->{vary}->($self);

        $self->{set} = delete $as{channels};
        %$self = (%$self, %as);
        $self->{channels}{$_} = 1 for $self->set;
    }

    $self->{connects}++;
    $self->{on} = 0;

    my $asked = $self->_requested;

    $self->note(connect => requested => $asked, start => $self->{start},
                malformed => $self->{malformed}, transport => $self->{transport},
                $self->{set} ? (channels => [ $self->set ]) : ());

    delete $self->{kept} if $self->{transport} ne 'poll';
    $self->{client} = Push::Transports->start($self, $asked);
}


# A message's own id is good for its channel alone.  With others it is not
# understood, which only one who hears of it by an event may ask for.

sub _requested {
    my ($self) = @_;

    $self->{malformed} = 0;
    return $self->{last_id} if !defined $self->{last_id} || !$self->{set};

    my @set = $self->set;

    if (defined $self->{last_of} && "@set" ne $self->{last_of}) {

        if ($self->{transport} eq 'sse' && @set > 1 && rand() < 0.3) {
            $self->{malformed} = 1;

        } else {
            $self->forget;
        }
    }

    return $self->{last_id};
}


# begins anew next time

sub forget { delete @{ $_[0] }{qw(last_id last_of)} }


# an entry of the record, and what it says of the position

sub note {
    my ($self, $what, %entry) = @_;

    delete $entry{$_} for grep { !defined $entry{$_} } keys %entry;

    my ($id, $position) = @entry{qw(id position)};
    my $channel = $entry{channel} // $self->{channel};

    $position //= $id if $self->set < 2 && $what ne 'unsubscribed';

    if (defined $position) {
        my @own = id_of($position);

        $self->{last_id} = $position;
        $self->{last_of} = @own ? $channel : undef;
    }

    $self->{ids}{$channel} = $id // $entry{n}
        if defined $channel && defined($id // $entry{n});

    push @{ $self->{log} }, { what => $what, at => EV::time, %entry }
        if $what ne 'message' || $self->{keep};
}


# A message: id and position may be unknown, then the body says which it is.

sub message {
    my ($self, $data, %entry) = @_;
    my $o = $self->{oracle};

    $self->{received}++;
    $entry{channel} //= $self->{channel};

    if ($o) {
        my $p = $o->got($entry{channel}, $data);
        my $place = $entry{id} // $entry{position};

        return if !$p;

        $entry{channel} = $p->{channel};

        if (defined $place) {
            my $parsed = Push::Position->parse($place);
            my @place = $parsed ? $parsed->of($p->{channel}) : ();

            @place ? $o->numbered($p, @place, $entry{id})
                   : $o->wrong("$self->{name}: no place in $place");

        } else {
            $entry{n} = $p->{n};
        }
    }

    $self->note(message => %entry);
    $self->{on_message}->($self, $entry{id}) if $self->{on_message};
}


# all channels are there

sub stands { $_[0]{on} = 1 }


# one more, one less

sub joins {
    my ($self, $channel) = @_;

    push @{ $self->{set} }, $channel
        unless grep { $_ eq $channel } $self->set;
}

sub quits {
    my ($self, $channel) = @_;
    $self->{set} = [ grep { $_ ne $channel } $self->set ];
}


# something that no transport should say

sub odd {
    my ($self, $what) = @_;

    $self->{oracle} ? $self->{oracle}->wrong("$self->{name}: $what")
                    : push @{ $self->{odd} }, $what;
}


# the connection is at its end, or about to be

sub gone {
    my ($self, $how) = @_;

    my $c = delete $self->{client} or return;

    $self->{on} = 0;
    $self->note(end => how => $how, ended => $c->{ended});

    # its parser may be at work just now
    my $closing = EV::timer(0, 0, sub { $c->close; undef $c });
    $self->{closing} = $closing;

    $self->_again;
}


# a poll is answered, its connection may be used for the next one

sub next {
    my ($self, $over) = @_;
    my $c = delete $self->{client};

    $self->{on} = 0;
    $self->{kept} = $c unless $c->closed;
    $self->_again($over ? undef : 0);
}


sub _again {
    my ($self, $delay) = @_;

    $delay //= ref $self->{delay} ? $self->{delay}->() : $self->{delay};

    return if $self->{stopped} || !defined $delay;

    weaken(my $weak = $self);
    $self->{timer} = EV::timer($delay, 0, sub { $weak->connect });
}


# loses its connection, now

sub drop {
    my ($self) = @_;
    my $c = $self->{client} or return;

    delete $self->{kept};
    $c->close;
    delete $self->{client};
    $self->{on} = 0;
    $self->note(end => how => 'here');
    $self->_again;
}


sub pause  { $_[0]{client}->pause if $_[0]{client} }
sub resume { $_[0]{client}->resume if $_[0]{client} }


# One more message of each channel for all of these readers, when they stand:
# what it returns, as channel => [ id, number of the message ], each must come
# to have.  Who had to come back meanwhile may begin behind it, so there is
# another one.  True, or it says who lacks what.

sub all_have {
    my ($class, $publish, @readers) = @_;

    for (1 .. 20) {
        my $on = Push::Client->run_until(sub { !grep { !$_->is_on } @readers },
                                         60, 'all subscribers');
        my %connects = map { $_ => $_->connects } @readers;
        my %last = $publish->();
        my @all = grep { $on } @readers;

        $on &&= Push::Client->run_until(sub {
            $_->resume for @all;
            @all = grep { $_->_lacks(\%last)
                          && $_->_stays($connects{$_}) } @all;
            return !@all;
        }, 60, 'the last message');

        my @lack = grep { !$_->is_on || $_->_lacks(\%last) } @readers;

        return 1 if $on && !@lack;
        next if $on;

        Test::More::diag(map { "$_->{name}: $_->{transport} "
                               . ($_->is_on ? 'on' : 'off') . ' lacks '
                               . join(' ', $_->_lacks(\%last)) . "\n" } @lack);
        return 0;
    }

    return 0;
}


# a poll that asks again does not begin anew

sub _stays {
    my ($self, $connects) = @_;
    return $self->{transport} eq 'poll' || $self->{connects} == $connects;
}

sub _lacks {
    my ($self, $last) = @_;

    return grep { !$self->has($_, @{ $last->{$_} }) }
           $self->{set} ? $self->set : $self->{channel};
}


# for good

sub stop {
    my ($self) = @_;

    $self->{stopped} = 1;
    delete $self->{timer};
    $self->drop;
}


1;
