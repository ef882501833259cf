package Push::Oracle;

# What was published, by the answers to the publishers, and whether what a
# subscriber was given (see Push::Reader) agrees with it: each message exactly
# once, whole and in order, or a notice at exactly the place where some are
# missing.
#
#   my $o = Push::Oracle->new(history => { news => 20 });
#   my $p = $o->publish('news', ttl => 0, size => 300);
#   ... $o->body($p) is sent, and then perhaps ...
#   $o->answered($p, $id);
#   is_deeply([ $o->check($reader) ], []);

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use EV;
use List::Util qw(max);

# how far a cached clock of NGINX may be behind, in seconds
use constant SLACK => 1;


# history: how many messages a channel keeps, where that is to be judged

sub new {
    my ($class, %opt) = @_;

    return bless { history => {}, %opt, published => {}, ids => {},
                   lives => {}, deletes => {}, errors => [], last => 0 },
           $class;
}


# a message that is about to be sent; ttl, topic, end as in its headers

sub publish {
    my ($self, $channel, %opt) = @_;

    my $n = ++$self->{last};

    $self->{seals}{$channel} = 1 if $opt{end};
    delete $self->{silent};

    my $p = { size => 20, %opt, n => $n, channel => $channel,
              sent => EV::time };

    return $self->{published}{$n} = $p;
}


# its number, a checksum, and what the checksum is of

sub body {
    my ($self, $p) = @_;

    unless (defined $p->{body}) {
        my $text = substr "$p->{channel}:$p->{n} " . "lorem ipsum\n" x
                   ($p->{size} / 12 + 1), 0, $p->{size};

        $text =~ s/\n\z/./;
        $p->{body} = join ':', $p->{n}, substr(md5_hex($text), 0, 12), $text;
    }

    return $p->{body};
}


# the publisher knows its id

sub answered {
    my ($self, $p, $id) = @_;

    $p->{answered} = EV::time;
    $self->_number($p, $id, 'an answer');
}


# it was refused, and so does not exist

sub refused {
    my ($self, $p) = @_;

    delete $self->{published}{$p->{n}};
    delete $self->{silent};
}


# a delete of the channel is about to be sent

sub delete {
    my ($self, $channel) = @_;
    push @{ $self->{deletes}{$channel} }, EV::time;
}


# a message came; false and an error unless it is whole and has one id

sub received {
    my ($self, $channel, $id, $data) = @_;

    my ($n, $sum, $text) = split /:/, $data, 3;
    my $p = $self->{published}{$n // ''};

    if (!$p || $p->{channel} ne $channel) {
        return $self->_error("$channel: $id was not published: "
                             . substr $data, 0, 40);
    }

    if (!defined $text || length $text != $p->{size}
        || substr(md5_hex($text), 0, 12) ne $sum)
    {
        return $self->_error("$channel: $id is damaged: "
                             . length($text // '') . " of $p->{size} bytes");
    }

    return $self->_number($p, $id, 'a subscriber');
}


sub _error {
    my ($self, $error) = @_;
    push @{ $self->{errors} }, $error;
    return 0;
}


# one message has one id, and an id is of one message

sub _number {
    my ($self, $p, $id, $who) = @_;

    my ($epoch, $seq) = _split($id);
    my $old = $self->{ids}{$id // ''};

    if (!defined $epoch) {
        return $self->_error("$p->{channel}: no id: " . ($id // 'undef'));
    }

    if ($old && $old != $p) {
        return $self->_error("$p->{channel}: $id is of two messages: "
                             . "$old->{n} and $p->{n}, by $who");
    }

    if (defined $p->{id} && $p->{id} ne $id) {
        return $self->_error("$p->{channel}: message $p->{n} has two ids: "
                             . "$p->{id} and $id, by $who");
    }

    return 1 if defined $p->{id};

    my $life = $self->{lives}{$p->{channel}}{$epoch} //= { max => 0 };

    delete $self->{silent};

    $p->{id} = $id;
    $p->{seq} = $seq;
    $self->{ids}{$id} = $p;
    $life->{known}{$seq} = $p;
    $life->{max} = max($life->{max}, $seq);

    return 1;
}


# (epoch, number) of an id

sub _split { return ($_[0] // '') =~ /\A([\w.]{8})-0*(\d{1,14})\z/ }


# all that is wrong but for what check() says of each subscriber

sub errors {
    my ($self) = @_;
    my @errors = @{ $self->{errors} };

    # a number that nobody knows is of a publish that was never answered

    for my $channel (keys %{ $self->{lives} }) {
        my $unknown = 0;

        for my $life (values %{ $self->{lives}{$channel} }) {
            $unknown += $life->{max} - keys %{ $life->{known} };
        }

        my $silent = @{ $self->_silent($channel) };

        if ($unknown > $silent) {
            push @errors, "$channel: $unknown numbers are of no message, "
                          . "$silent publishes were not answered";
        }
    }

    return @errors;
}


# publishes that were not answered and came to nobody

sub _silent {
    my ($self, $channel) = @_;

    unless ($self->{silent}) {
        push @{ $self->{silent}{ $_->{channel} } }, $_
            for grep { !defined $_->{id} } values %{ $self->{published} };
    }

    return $self->{silent}{$channel} // [];
}


# how many messages are known to exist

sub count { return scalar keys %{ $_[0]{ids} } }


# what is wrong with the record of a subscriber

sub check {
    my ($self, $reader) = @_;

    my $walk = {
        oracle => $self, channel => $reader->{channel}, errors => [],
        lives => $self->{lives}{ $reader->{channel} } // {},
    };

    for my $entry (@{ $reader->{log} }) {
        my $method = "_at_$entry->{what}";
        $self->$method($walk, $entry);
        $walk->{position} = $entry->{id} if defined $entry->{id};
    }

    return map { "$reader->{name}: $_" } @{ $walk->{errors} };
}


sub _wrong {
    my ($walk, $entry, $error) = @_;
    push @{ $walk->{errors} }, sprintf '%s (%s %s)', $error, $entry->{what},
                                       $entry->{id} // '';
}


sub _at_connect {
    my ($self, $w, $e) = @_;

    delete @$w{qw(subscribed awaits_gap over)};
    $w->{connect} = $e;

    # without an id it begins anew

    if (!defined $e->{requested}) {
        delete @$w{qw(epoch seq)};

    } elsif ($e->{requested} ne ($w->{position} // '')) {
        _wrong($w, $e, "asks for $e->{requested}, has "
                       . ($w->{position} // 'nothing'));
    }
}


sub _at_subscribed {
    my ($self, $w, $e) = @_;

    $w->{subscribed} = $e->{at};

    if (!defined $e->{id}) {
        $w->{awaits_gap} = 1;
        return;
    }

    my $requested = $w->{connect}{requested};
    my ($epoch, $seq) = _split($e->{id});

    if (defined $requested) {
        return if $requested eq $e->{id};
        return _wrong($w, $e, "asked for $requested");
    }

    @$w{qw(epoch seq)} = ($epoch, $seq);
    $self->_justified($w, $e, $seq) if $w->{connect}{start} eq 'earliest';

    return unless $w->{connect}{start} eq 'latest';

    # it is behind all that was answered before, before all sent later

    for my $p (values %{ ($w->{lives}{$epoch} // {})->{known} // {} }) {

        if ($p->{seq} > $seq && ($p->{answered} // 1e99) < $w->{connect}{at}
            || $p->{seq} <= $seq && $p->{sent} > $e->{at})
        {
            _wrong($w, $e, "the latest? of $p->{id}");
        }
    }
}


# a history that keeps n was cut at a number that n have followed

sub _justified {
    my ($self, $w, $e, $seq) = @_;

    my $n = $self->{history}{ $w->{channel} } or return;
    my ($epoch) = _split($e->{id});
    my $last = ($w->{lives}{$epoch} // {})->{max} // 0;

    if ($seq && $last < $seq + $n - @{ $self->_silent($w->{channel}) }) {
        _wrong($w, $e, "only $last were published, $n are kept");
    }
}


sub _at_gap {
    my ($self, $w, $e) = @_;

    my ($epoch, $seq) = _split($e->{id});
    my $same = defined $w->{epoch} && $epoch eq $w->{epoch};
    my $start = delete $w->{awaits_gap};

    if ($start && $e->{requested} ne ($w->{connect}{requested} // '')) {
        _wrong($w, $e, "requested: $e->{requested}");
    }

    if ($start ? $e->{reason} eq 'overrun' : $e->{reason} ne 'overrun') {
        _wrong($w, $e, "reason $e->{reason} here");
    }

    if ($e->{reason} eq 'unknown' ? $same : !$same) {
        _wrong($w, $e, "reason $e->{reason} after life "
                       . ($w->{epoch} // 'none'));
    }

    if ($e->{reason} eq 'unknown' && !$self->{deletes}{ $w->{channel} }
        && !$self->{forgets})
    {
        _wrong($w, $e, 'nobody has deleted the channel');
    }

    if ($same && $seq <= $w->{seq}) {
        _wrong($w, $e, "a gap of nothing after $w->{seq}");
    }

    if ($e->{reason} eq 'expired' || $e->{reason} eq 'unknown') {
        $self->_justified($w, $e, $seq);
    }

    @$w{qw(epoch seq)} = ($epoch, $seq);
}


sub _at_message {
    my ($self, $w, $e) = @_;
    my ($epoch, $seq) = _split($e->{id});

    if (!defined $w->{subscribed} || $w->{awaits_gap} || $w->{over}) {
        _wrong($w, $e, 'a message here');
    }

    if ($epoch ne ($w->{epoch} // '')) {
        _wrong($w, $e, 'of another life, without a notice');

    } elsif ($seq <= $w->{seq}) {
        _wrong($w, $e, "again, or out of order, after $w->{seq}");

    } else {
        $self->_complete($w, $e, $w->{seq} + 1, $seq - 1);
    }

    @$w{qw(epoch seq)} = ($epoch, $seq);
}


# all known numbers from $from to $to may be missing

sub _complete {
    my ($self, $w, $e, $from, $to) = @_;

    return if $from > $to;

    my $known = ($w->{lives}{ $w->{epoch} } // {})->{known} // {};

    for my $seq ($from .. $to) {
        my $p = $known->{$seq} or next;
        next if $self->_may_miss($w, $e, $p, $seq);

        _wrong($w, $e, "$p->{id} is missing: message $p->{n}");
    }
}


sub _may_miss {
    my ($self, $w, $e, $p, $seq) = @_;

    # a live one is delivered whatever becomes of it in the history

    return 0 if defined $w->{subscribed} && $p->{sent} > $w->{subscribed};

    if (defined $p->{ttl}) {
        return 1 if $p->{sent} + $p->{ttl} <= $e->{at} + SLACK;
    }

    return 0 unless defined $p->{topic};

    # is there a newer one with its topic?

    return 1 if grep { ($_->{topic} // '') eq $p->{topic} }
                @{ $self->_silent($w->{channel}) };

    my $life = $w->{lives}{ $w->{epoch} };

    for my $n ($seq + 1 .. $life->{max}) {
        my $topic = ($life->{known}{$n} // next)->{topic} // next;
        return 1 if $topic eq $p->{topic};
    }

    return 0;
}


sub _at_closed {
    my ($self, $w, $e) = @_;

    $w->{over} = 1;

    if ($e->{reason} eq 'ended') {
        $self->_all_read($w, $e);

        if (!$self->{seals}{ $w->{channel} }) {
            _wrong($w, $e, 'nobody has sealed the channel');
        }

    } elsif (!$self->{deletes}{ $w->{channel} }) {
        _wrong($w, $e, 'nobody has deleted the channel');
    }
}


sub _all_read {
    my ($self, $w, $e) = @_;
    my $life = $w->{lives}{ $w->{epoch} // '' } or return;

    $self->_complete($w, $e, $w->{seq} + 1, $life->{max});
}


# 204: the channel was sealed and all is read, or it was deleted

sub _at_stop {
    my ($self, $w, $e) = @_;

    $w->{over} = 1;

    if (!defined $w->{connect}{requested}) {
        _wrong($w, $e, 'told to stop, but it has asked for nothing');

    } elsif (!$self->{deletes}{ $w->{channel} }) {
        $self->_all_read($w, $e);
    }
}


sub _at_reconnect {
    my ($self, $w, $e) = @_;
    my ($epoch, $seq) = _split($e->{id});

    $w->{over} = 1;

    if ($epoch ne ($w->{epoch} // '') || $seq < $w->{seq}) {
        return _wrong($w, $e, "its position is $w->{seq}");
    }

    $self->_complete($w, $e, $w->{seq} + 1, $seq);
    $w->{seq} = $seq;
}


# refused: 200 and retry, nothing else

sub _at_refused { }


sub _at_end {
    my ($self, $w, $e) = @_;

    if (($w->{over} || 0) && $e->{how} ne 'clean' && $e->{how} ne 'here'
        && !$self->{kills})
    {
        _wrong($w, $e, "$e->{how} after its last words");
    }
}


1;
