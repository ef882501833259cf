package Push::Oracle::PodsWalk;

# One subscriber of pods and one channel: goes through its record as
# Push::Oracle::Walk does, with places that have a life and a term.

use strict;
use warnings;

use Push::Position qw(id_of);


sub new {
    my ($class, $oracle, $channel) = @_;

    return bless { oracle => $oracle, channel => $channel, errors => [] },
           $class;
}


# what is wrong with it

sub over {
    my ($self, $log) = @_;

    for my $e (@$log) {

        if (!defined $e->{channel} || $e->{channel} eq $self->{channel}) {
            my $method = $self->can("_at_$e->{what}");
            $self->$method($e) if $method;
        }

        if (defined $e->{position} && $self->{open}) {
            $self->_position($e);
        }
    }

    return @{ $self->{errors} };
}


sub _wrong {
    my ($self, $e, $error) = @_;

    push @{ $self->{errors} }, sprintf '%s: %s (%s %s)', $self->{channel},
        $error, $e->{what}, $e->{id} // $e->{position} // $e->{n} // '';
}


# what an entry says of this channel: [ life, term, number ], or undef

sub _place {
    my ($self, $e) = @_;
    my ($epoch, $seq) = defined $e->{id} ? id_of($e->{id}) : ();

    return [ Push::Oracle::Pods::life_of($epoch), $seq ] if defined $epoch;
    return $self->_of($e, 'position');
}

sub _of {
    my ($self, $e, $field) = @_;
    my $p = $e->{parsed}{$field} //= Push::Position->parse($e->{$field}) // '';

    return if !$p || !$p->is_compound
                     && ($e->{channel} // $self->{channel}) ne $self->{channel};

    my ($epoch, $seq) = $p->of($self->{channel});

    return unless defined $seq;
    return [ Push::Oracle::Pods::life_of($epoch), $seq ];
}


# from one place to another, or to just before it

sub _goes {
    my ($self, $e, $to, $but) = @_;
    my $from = $self->{place};
    my ($o, $channel) = @$self{qw(oracle channel)};

    $self->{place} = $to;

    return if !$from;
    return $self->_wrong($e, "of another life than @$from, without a notice")
        if $from->[0] != $to->[0];
    return $self->_wrong($e, "again, or out of order, after @$from")
        if $to->[2] < $from->[2] + $but;
    return $self->_wrong($e, "@$from is not in the log of @$to, without a notice")
        unless $o->follows($channel, $from, $to) // 1;

    for my $seq ($from->[2] + 1 .. $to->[2] - $but) {
        next if $o->may_miss($channel, [ @$to[0, 1], $seq ], $e->{at});

        $self->_wrong($e, "$seq of @$to[0, 1] is missing after @$from");
    }
}


sub _same {
    my ($self, $a, $b) = @_;

    return $a->[2] == $b->[2]
           && ($self->{oracle}->follows($self->{channel}, $a, $b) // 1);
}


# A connection: requested (a position), start (where it begins without one).

sub _at_connect {
    my ($self, $e) = @_;

    my $place = $self->_of($e, 'requested');
    my $has = $self->{place};

    delete @$self{qw(awaits_gap open place)};
    $self->{connect} = $e;

    $self->_wrong($e, "asks for @$place, has @$has")
        if $place && $has && !$self->_same($has, $place);

    $self->{place} = $self->{requested} = $place;
}


# a transport without a word of greeting

sub _at_open { $_[0]{open} = 1 }


sub _at_subscribed {
    my ($self, $e) = @_;
    my $place = defined $e->{id} ? $self->_place($e) : undef;

    $self->{open} = 1;

    if (!$place) {
        $self->{awaits_gap} = 1;
        return;
    }

    if (my $asked = $self->{requested}) {
        return if $self->_same($asked, $place);
        return $self->_wrong($e, "asked for @$asked");
    }

    $self->{place} = $place;
    $self->_latest($e) if $self->{connect}{start} eq 'latest';
}


# it is behind nothing that was published later

sub _latest {
    my ($self, $e) = @_;
    my ($life, $term, $last) = @{ $self->{place} };
    my $at = $self->{oracle}{at}{ $self->{channel} }{$life};

    for my $seq (1 .. $last) {
        my $p = ($at->{$seq} // next)->{$term} // next;

        $self->_wrong($e, "begins behind $seq, message $p->{n}")
            if $p->{sent} > $e->{at};
    }
}


sub _at_gap {
    my ($self, $e) = @_;
    my $place = $self->_place($e);
    my ($epoch, $seq) = id_of($e->{requested});

    # in mid-stream, it says where the subscriber stood: what was not kept may
    # have been passed over

    if (defined $seq && $self->{place} && !$self->{awaits_gap}) {
        $self->_goes($e, [ Push::Oracle::Pods::life_of($epoch), $seq ], 0);
    }

    my $has = $self->{place};

    delete $self->{awaits_gap};

    $self->_wrong($e, 'a gap here') unless $self->{open};

    if (!$place) {
        delete $self->{place};
        return $self->_wrong($e, 'a gap without a place');
    }

    $self->_wrong($e, "reason $e->{reason} here")
        unless $self->{oracle}->explains($self->{channel}, $e->{reason}, $has);

    $self->_wrong($e, "a gap of nothing after @$has")
        if $has && $e->{reason} !~ /\A(?:unknown|diverged)\z/
           && $has->[2] >= $place->[2];

    $self->_wrong($e, "reason $e->{reason} after life $has->[0]")
        if $has && ($has->[0] == $place->[0]) == ($e->{reason} eq 'unknown');

    $self->{place} = $place;
}


sub _at_message {
    my ($self, $e) = @_;
    my $place = $self->_place($e);

    return $self->_wrong($e, 'a message without a place') unless $place;

    $self->_wrong($e, 'a message here')
        if !$self->{open} || $self->{awaits_gap};

    $self->_goes($e, $place, 1);
}


# what the position of the whole connection says of this channel

sub _position {
    my ($self, $e) = @_;
    my $place = $self->_of($e, 'position');

    # until the gap is told it stands where it was asked to start

    if ($self->{awaits_gap} || ($e->{channel} // '') eq $self->{channel}
        && $e->{what} =~ /\A(?:message|gap|subscribed)\z/ && !$place)
    {
        return;
    }

    return $self->_wrong($e, 'the position lacks it') unless $place;

    $self->_goes($e, $place, 0);
}


sub _at_closed { $_[0]->_wrong($_[1], 'nobody has ended the channel') }
sub _at_stop   { $_[0]->_wrong($_[1], 'told to stop') }
sub _at_cut    { $_[0]->_wrong($_[1], 'cut off') }
sub _at_end    { delete $_[0]{open} }


1;
