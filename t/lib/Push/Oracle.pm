package Push::Oracle;

# What was published, by the answers to the publishers, and whether what a
# subscriber was given (see Push::Reader) agrees with it: each message exactly
# once, whole and in order, or a notice at exactly the place where some are
# missing.  Push::Oracle::Walk judges a subscriber, channel by channel.
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
use Push::Oracle::Walk;
use Push::Position qw(id_of);


# history: how many messages a channel keeps, where that is to be judged

sub new {
    my ($class, %opt) = @_;

    return bless { history => {}, %opt, published => {}, ids => {},
                   places => {}, lives => {}, deletes => {}, errors => [],
                   last => 0 }, $class;
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

    if (my @place = id_of($id)) {
        return $self->_number($p, 'an answer', @place, $id);
    }

    return $self->_error("$p->{channel}: no id: " . ($id // 'undef'));
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

    my $p = $self->got($channel, $data) // return 0;

    if (my @place = id_of($id)) {
        return $self->numbered($p, @place, $id);
    }

    return $self->_error("$channel: no id: " . ($id // 'undef'));
}


# the one whose body this is, or undef and an error

sub got {
    my ($self, $channel, $data) = @_;

    my ($n, $sum, $text) = split /:/, $data, 3;
    my $p = $self->{published}{$n // ''};

    if (!$p || defined $channel && $p->{channel} ne $channel) {
        $self->_error(($channel // 'a channel') . ': nobody has published: '
                      . substr $data, 0, 40);
        return;
    }

    if (!defined $text || length $text != $p->{size}
        || substr(md5_hex($text), 0, 12) ne $sum)
    {
        $self->_error("$p->{channel}: message $n is damaged: "
                      . length($text // '') . " of $p->{size} bytes");
        return;
    }

    return $p;
}


# a subscriber was told where it stands: epoch and number, perhaps its id

sub numbered {
    my ($self, $p, @place) = @_;
    return $self->_number($p, 'a subscriber', @place);
}


# what else somebody has seen go wrong

sub wrong { return $_[0]->_error($_[1]) }

sub _error {
    my ($self, $error) = @_;
    push @{ $self->{errors} }, $error;
    return 0;
}


# one message has one place, and a place is of one message

sub _number {
    my ($self, $p, $who, $epoch, $seq, $id) = @_;

    my $place = "$epoch-$seq";
    my $old = $self->{places}{$place};

    if ($old && $old != $p) {
        return $self->_error("$p->{channel}: $place is of two messages: "
                             . "$old->{n} and $p->{n}, by $who");
    }

    if (defined $p->{place} && $p->{place} ne $place) {
        return $self->_error("$p->{channel}: message $p->{n} has two ids: "
                             . "$p->{place} and $place, by $who");
    }

    if (defined $id) {
        $p->{id} = $id;
        $self->{ids}{$id} = $p;
    }

    return 1 if defined $p->{place};

    my $life = $self->{lives}{$p->{channel}}{$epoch} //= { max => 0 };

    delete $self->{silent};

    @$p{qw(place epoch seq)} = ($place, $epoch, $seq);
    $self->{places}{$place} = $p;
    $life->{known}{$seq} = $p;
    $life->{max} = max($life->{max}, $seq);

    return 1;
}


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

        my $silent = @{ $self->silent($channel) };

        if ($unknown > $silent) {
            push @errors, "$channel: $unknown numbers are of no message, "
                          . "$silent publishes were not answered";
        }
    }

    return @errors;
}


# publishes that were not answered and came to nobody who knows their ids

sub silent {
    my ($self, $channel) = @_;

    unless ($self->{silent}) {
        push @{ $self->{silent}{ $_->{channel} } }, $_
            for grep { !defined $_->{place} } values %{ $self->{published} };
    }

    return $self->{silent}{$channel} // [];
}


# a life of a channel: its highest number, and messages by their numbers

sub life {
    my ($self, $channel, $epoch) = @_;

    return $self->{lives}{$channel}{$epoch // ''} // { max => 0, known => {} };
}


# how many messages are known to exist

sub count { return scalar keys %{ $_[0]{places} } }


# what is wrong with the record of a subscriber

sub check {
    my ($self, $reader) = @_;

    return map { "$reader->{name}: $_" }
           map { Push::Oracle::Walk->new($self, $_)->over($reader->{log}) }
           $reader->{channels} ? sort keys %{ $reader->{channels} }
                               : $reader->{channel};
}


1;
