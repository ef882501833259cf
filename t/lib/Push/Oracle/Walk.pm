package Push::Oracle::Walk;

# One subscriber and one channel: goes through the record, and knows at each
# entry what the subscriber has.
#
# An entry has: what, at (time), and as the case may be channel (the only one
# it is about; without it, it is about all), id (a position in that channel),
# position (in all channels of the connection) and those named below.

use strict;
use warnings;

use List::Util qw(max);
use Push::Position qw(id_of);

# how far a cached clock of NGINX may be behind, in seconds
use constant SLACK => 1;


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
            my $method = "_at_$e->{what}";
            $self->$method($e);
        }

        if (defined $e->{position} && $self->{in} && $e->{what} ne 'ask') {
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


sub _life { return $_[0]{oracle}->life($_[0]{channel}, $_[0]{epoch}) }
sub _deletes { return $_[0]{oracle}{deletes}{ $_[0]{channel} } }


# what an entry says of this channel: (epoch, number)

sub _place {
    my ($self, $e) = @_;

    return id_of($e->{id}) if defined $e->{id};
    return $self->_of($e, 'position');
}


sub _of {
    my ($self, $e, $field) = @_;

    my $p = $e->{parsed}{$field} //= Push::Position->parse($e->{$field}) // '';

    return if !$p || !$p->is_compound
                     && ($e->{channel} // $self->{channel}) ne $self->{channel};
    return $p->of($self->{channel});
}


# A connection: channels (of it, if the subscriber has several), requested (a
# position), start (where it begins without one), malformed.

sub _at_connect {
    my ($self, $e) = @_;

    delete @$self{qw(subscribed awaits_gap may_gap over open told)};

    $self->{connect} = $e;
    $self->{in} = !$e->{channels}
                  || grep { $_ eq $self->{channel} } @{ $e->{channels} };
    $self->{start} = defined $e->{requested} ? 'latest' : $e->{start};

    my @place = $self->{in} && !$e->{malformed} ? $self->_of($e, 'requested')
                                                : ();
    $self->_begins_at($e, @place);
}


# without a place it begins anew

sub _begins_at {
    my ($self, $e, @place) = @_;

    if (@place && defined $self->{epoch} && "@place" ne "@$self{qw(epoch seq)}")
    {
        $self->_wrong($e, "asks for @place, has @$self{qw(epoch seq)}");
    }

    delete @$self{qw(epoch seq)};
    @$self{qw(epoch seq)} = @place if @place;
    $self->{requested} = @place ? [ @place ] : undef;
}


# a channel is to join those of the connection; "requested" as above

sub _at_ask {
    my ($self, $e) = @_;

    delete @$self{qw(subscribed awaits_gap may_gap over open epoch seq told)};

    $self->{connect} = $e;
    $self->{in} = 0;
    $self->{start} = 'latest';
    $self->_begins_at($e, $self->_of($e, 'requested'));
}


# a transport without a word of greeting; "live": what comes now, comes

sub _at_open {
    my ($self, $e) = @_;

    return unless $self->{in};

    $self->{open} = 1;
    $self->{may_gap} = $self->{requested} ? 1 : 0;
    $self->{subscribed} = $e->{at} if $e->{live};
}


sub _at_subscribed {
    my ($self, $e) = @_;

    $self->{open} = 1;
    $self->{in} = 1;
    $self->{subscribed} = $e->{at};

    my @place = id_of($e->{id});

    if (!@place) {
        $self->{awaits_gap} = 1;
        return;
    }

    if ($self->{requested}) {
        return if "@place" eq "@{ $self->{requested} }";
        return $self->_wrong($e, "asked for @{ $self->{requested} }");
    }

    $self->_starts($e, @place);
}


# where it stands is known for the first time

sub _starts {
    my ($self, $e, $epoch, $seq) = @_;

    @$self{qw(epoch seq)} = ($epoch, $seq);
    $self->_justified($e, $seq)
        if $self->{start} eq 'earliest' && $e->{what} eq 'subscribed';

    return if $self->{start} ne 'latest';

    # it is behind all that was answered before, before all sent later

    my $by = $self->{subscribed} // $e->{at};

    for my $p (values %{ $self->_life->{known} // {} }) {

        if ($p->{seq} > $seq
                && ($p->{answered} // 1e99) < $self->{connect}{at}
            || $p->{seq} <= $seq && $p->{sent} > $by)
        {
            $self->_wrong($e, "the latest? of $p->{place}");
        }
    }
}


# a history that keeps n was cut at a number that n have followed

sub _justified {
    my ($self, $e, $seq) = @_;

    my $n = $self->{oracle}{history}{ $self->{channel} } or return;
    my $last = $self->_life->{max};

    if ($seq && $last < $seq + $n
                        - @{ $self->{oracle}->silent($self->{channel}) })
    {
        $self->_wrong($e, "only $last were published, $n are kept");
    }
}


sub _at_gap {
    my ($self, $e) = @_;

    my ($epoch, $seq) = $self->_place($e);
    my $same = defined $self->{epoch} && $epoch == $self->{epoch};
    my $early = delete $self->{may_gap} && $e->{reason} ne 'overrun';
    my $start = delete $self->{awaits_gap} || $early;

    if (!$self->{open}) {
        $self->_wrong($e, 'a gap here');
    }

    if ($start) {
        my $asked = substr $self->{connect}{requested} // '', 0, 256;

        $self->_wrong($e, "requested: $e->{requested}")
            if $e->{requested} ne $asked;

    } elsif (my @place = id_of($e->{requested})) {
        $self->_reaches($e, @place);
    }

    if ($start ? $e->{reason} eq 'overrun' : $e->{reason} ne 'overrun') {
        $self->_wrong($e, "reason $e->{reason} here");
    }

    my $lost = $e->{reason} =~ /\A(?:unknown|malformed)\z/;

    if ($lost ? $same : !$same) {
        $self->_wrong($e, "reason $e->{reason} after life "
                          . ($self->{epoch} // 'none'));
    }

    if ($e->{reason} eq 'unknown' && $self->{epoch} && !$self->_deletes
        && !$self->{oracle}{forgets}
        || $e->{reason} eq 'malformed' && !$self->{connect}{malformed})
    {
        $self->_wrong($e, 'nobody has deleted the channel');
    }

    if ($same && $seq <= $self->{seq}) {
        $self->_wrong($e, "a gap of nothing after $self->{seq}");
    }

    @$self{qw(epoch seq)} = ($epoch, $seq);
    $self->_justified($e, $seq) if $lost || $e->{reason} eq 'expired';
}


# The end of a connection without ids: what a gap is, and where, only the
# position says.

sub _at_cut {
    my ($self, $e) = @_;

    return unless $self->{in};

    my ($epoch, $seq) = $self->_place($e) or return;

    if (defined $self->{epoch} && $epoch == $self->{epoch}
        && $seq < $self->{seq})
    {
        $self->_wrong($e, "its position is $self->{seq}");
    }

    @$self{qw(epoch seq)} = ($epoch, $seq);
    delete $self->{open};
}


# n: which one it is, if it has neither id nor position

sub _at_message {
    my ($self, $e) = @_;

    if (!$self->{open} || $self->{awaits_gap} || $self->{over}) {
        $self->_wrong($e, 'a message here');
    }

    my ($epoch, $seq) = $self->_place($e);

    if (!defined $epoch) {
        my $p = $self->{oracle}{published}{ $e->{n} // '' };

        # nobody knows its id
        return if !$p || !defined $p->{seq};

        ($epoch, $seq) = @$p{qw(epoch seq)};
    }

    delete $self->{may_gap};

    if (!defined $self->{epoch} && $self->{open}) {
        $self->_starts($e, $epoch, $seq - 1);
    }

    if ($epoch != ($self->{epoch} // -1)) {
        $self->_wrong($e, 'of another life, without a notice');

    } elsif ($seq <= $self->{seq}) {
        $self->_wrong($e, "again, or out of order, after $self->{seq}");

    } else {
        $self->_complete($e, $self->{seq} + 1, $seq - 1);
    }

    @$self{qw(epoch seq)} = ($epoch, $seq);
}


# all known numbers from $from to $to may be missing

sub _complete {
    my ($self, $e, $from, $to) = @_;

    return if $from > $to;

    my $known = $self->_life->{known};

    for my $seq ($from .. $to) {
        my $p = $known->{$seq} or next;
        next if $self->_may_miss($e, $p, $seq);

        $self->_wrong($e, "$p->{place} is missing: message $p->{n}");
    }
}


sub _may_miss {
    my ($self, $e, $p, $seq) = @_;

    # a live one is delivered whatever becomes of it in the history

    return 0 if defined $self->{subscribed} && $p->{sent} > $self->{subscribed};

    if (defined $p->{ttl}) {
        return 1 if $p->{sent} + $p->{ttl} <= $e->{at} + SLACK;
    }

    return 0 unless defined $p->{topic};

    # is there a newer one with its topic?

    return 1 if grep { ($_->{topic} // '') eq $p->{topic} }
                @{ $self->{oracle}->silent($self->{channel}) };

    my $life = $self->_life;

    for my $n ($seq + 1 .. $life->{max}) {
        my $topic = ($life->{known}{$n} // next)->{topic} // next;
        return 1 if $topic eq $p->{topic};
    }

    return 0;
}


# it is said to have all up to here

sub _reaches {
    my ($self, $e, $epoch, $seq) = @_;

    if (!defined $self->{epoch}) {
        return $self->_starts($e, $epoch, $seq);
    }

    if ($epoch != $self->{epoch} || $seq < $self->{seq}) {
        return $self->_wrong($e, "its position is $self->{seq}, not $seq");
    }

    $self->_complete($e, $self->{seq} + 1, $seq);
    $self->{seq} = $seq;
}


# what the position of the whole connection says of this channel

sub _position {
    my ($self, $e) = @_;

    return if !$self->{open} && !$self->{over};

    my @place = $self->_of($e, 'position');

    if (!@place) {
        $self->_wrong($e, 'the position lacks it')
            if !defined $e->{channel} || $e->{channel} eq $self->{channel}
               || Push::Position->parse($e->{position})->is_compound;
        return;
    }

    # a gap that was not told yet: it stands where it was asked to start

    if ($self->{awaits_gap}) {
        my @asked = @{ $self->{requested} // [ 0, 0 ] };

        $self->_wrong($e, "asked for @asked, stands at @place")
            if "@place" ne "@asked";
        return;
    }

    $self->_reaches($e, @place);
}


sub _at_closed {
    my ($self, $e) = @_;

    return unless $self->{in};

    $self->{over} = 1;
    delete $self->{open};

    if ($e->{reason} eq 'ended') {
        $self->_all_read($e);

        if (!$self->{oracle}{seals}{ $self->{channel} }) {
            $self->_wrong($e, 'nobody has sealed the channel');
        }

    } elsif (!$self->_deletes) {
        $self->_wrong($e, 'nobody has deleted the channel');
    }
}


sub _all_read {
    my ($self, $e) = @_;

    return unless defined $self->{epoch};
    $self->_complete($e, $self->{seq} + 1, $self->_life->{max});
}


# told that all channels are over, but not why

sub _at_all_closed {
    my ($self, $e) = @_;

    return if !$self->{in} || $self->{over};

    $self->{over} = 1;
    delete $self->{open};

    if (!$self->_deletes) {
        $self->_all_read($e);
        $self->_wrong($e, 'nobody has sealed the channel')
            if !$self->{oracle}{seals}{ $self->{channel} };
    }
}


sub _at_unsubscribed {
    my ($self, $e) = @_;

    $self->_reaches($e, $self->_place($e));

    delete @$self{qw(open epoch seq)};
    $self->{in} = 0;
}


# 204: the channel was sealed and all is read, or it was deleted

sub _at_stop {
    my ($self, $e) = @_;

    return unless $self->{in};

    $self->{over} = 1;

    if (!defined $self->{connect}{requested}) {
        $self->_wrong($e, 'told to stop, but it has asked for nothing');

    } elsif (!$self->_deletes) {
        $self->_all_read($e);
    }
}


# its position comes next

sub _at_reconnect { $_[0]{told} = 1 }

# the same in a page of history
sub _at_page { }

# refused: 200 and retry, nothing else
sub _at_refused { }


sub _at_end {
    my ($self, $e) = @_;

    if (($self->{over} || $self->{told}) && $e->{how} ne 'clean'
        && $e->{how} ne 'here' && !$self->{oracle}{kills})
    {
        $self->_wrong($e, "$e->{how} after its last words");
    }

    delete $self->{open};
}


# nothing is under way any more: it has all that was answered by now

sub _at_finish {
    my ($self, $e) = @_;

    return unless $self->{open};

    my @due = grep { $_->{channel} eq $self->{channel}
                     && ($_->{answered} // 1e99) < $e->{at} }
              values %{ $self->{oracle}{published} };

    if (defined $self->{epoch}) {
        my $last = max(0, map { $_->{seq} }
                          grep { $_->{epoch} == $self->{epoch} } @due);

        return $self->_complete($e, $self->{seq} + 1, $last);
    }

    for my $p (grep { $_->{sent} > ($self->{subscribed} // 1e99) } @due) {
        $self->_wrong($e, "message $p->{n} did not come");
    }
}


1;
