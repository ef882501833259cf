package Push::Oracle::Pods;

# A Push::Oracle for several pods with one Redis, whose master may be lost with
# what it had: a number may then be given again, in another term, and who had
# the first one is to be told.
#
#   my $o = Push::Oracle::Pods->new(lossy => { few => 1 });
#   $o->lineage->learn($redis);
#
# lossy: channels of which not all is kept.  $o->happens('data') says what may
# be a cause of gaps: "data" all was lost, "term" there is another master.

use strict;
use warnings;

use parent 'Push::Oracle';

use EV;
use Push::Lineage;
use Push::Oracle::PodsWalk;
use Push::Position qw(id_of);

# how many terms a pod remembers
use constant TERMS => 5;


sub new {
    my ($class, %opt) = @_;

    return $class->SUPER::new(lossy => {}, %opt, happened => {}, at => {},
                              lineage => Push::Lineage->new);
}


sub lineage { $_[0]{lineage} }
sub happens { $_[0]{happened}{ $_[1] }++ }


# whether there was a cause for a gap behind this place

sub explains {
    my ($self, $channel, $reason, $place) = @_;
    my $happened = $self->{happened};

    return $self->{lossy}{$channel} if $reason =~ /\A(?:expired|overrun)\z/;
    return $happened->{data} if $reason eq 'unknown';
    return 0 if $reason ne 'diverged' || !$place;
    return ($happened->{term} // 0) >= TERMS
           || $self->{lineage}->is_lost($channel, @$place);
}


# there was no answer: it may exist

sub unanswered {
    my ($self, $p) = @_;

    $p->{vague} = 1;
    push @{ $self->{vague}{ $p->{channel} } }, $p
        if defined $p->{ttl} || defined $p->{topic};
}


# an epoch is a life and a term; which of all terms has it, is clear at the end

sub _number {
    my ($self, $p, $who, $epoch, $seq, $id) = @_;
    my ($life, $term) = life_of($epoch);

    $p->{sights}{"$life $term $seq"} //= [ $life, $term, $seq, $who ];
    $self->{lineage}->seen($p->{channel}, $life, $term, $seq) if defined $id;

    return 1;
}

sub life_of { return ($_[0] >> 16, $_[0] & 0xffff) }


# places of all messages, each in its true term

sub settle {
    my ($self) = @_;

    return if $self->{settled}++;

    push @{ $self->{errors} }, $self->{lineage}->errors;

    for my $n (sort { $a <=> $b } keys %{ $self->{published} }) {
        my $p = $self->{published}{$n};

        for my $sight (sort { $a->[2] <=> $b->[2] } values %{ $p->{sights} }) {
            $self->_settle($p, @$sight);
        }

        my @places = sort { $a->[2] <=> $b->[2] } values %{ $p->{places} };

        while (my $place = shift @places) {
            $self->_again($p, $place, $_) for @places;
        }
    }
}


sub _settle {
    my ($self, $p, $life, $term, $seq, $who) = @_;
    my $channel = $p->{channel};
    my $true = $self->{lineage}->term_at($channel, $life, $term, $seq);

    return unless defined $true;

    my $place = \$self->{at}{$channel}{$life}{$seq}{$true};

    if ($$place && $$place != $p) {
        return $self->wrong("$channel: number $seq of term $true, life $life "
            . "is of two messages: $$place->{n} and $p->{n}, by $who");
    }

    $$place = $p;
    $p->{places}{"$life $true $seq"} = [ $life, $true, $seq ];
    $self->{topics}{$channel}{ $p->{topic} }{"$life $seq"} = 1
        if defined $p->{topic};
}


# A message may have been lost with a master, and published once more with its
# Idempotency-Key; in one log it stands once.

sub _again {
    my ($self, $p, $a, $b) = @_;

    return if defined $p->{key} && !$self->follows($p->{channel}, $a, $b);

    $self->wrong("$p->{channel}: message $p->{n} has two places: @$a and @$b");
}


# whether the log with the second place has the first one too; undef: unknown

sub follows {
    my ($self, $channel, $a, $b) = @_;

    return 0 if $a->[0] != $b->[0] || $a->[2] > $b->[2];

    my ($from, $to) = map {
        $self->{lineage}->term_at($channel, $a->[0], $_->[1], $a->[2])
    } $a, $b;

    return undef unless defined $from && defined $to;
    return $from == $to;
}


# whether the number may be missing in the log with this term

sub may_miss {
    my ($self, $channel, $place, $at) = @_;
    my ($life, $term, $seq) = @$place;
    my $true = $self->{lineage}->term_at($channel, $life, $term, $seq);

    return 1 unless defined $true;

    my $p = $self->{at}{$channel}{$life}{$seq}{$true};
    my @vague = @{ $self->{vague}{$channel} // [] };

    return scalar @vague unless $p;
    return 1 if defined $p->{ttl} && $p->{sent} + $p->{ttl} <= $at + 1;
    return 0 unless defined $p->{topic};
    return 1 if grep { ($_->{topic} // '') eq $p->{topic} } @vague;

    for (keys %{ $self->{topics}{$channel}{ $p->{topic} } }) {
        my ($of, $n) = split;
        return 1 if $of == $life && $n > $seq;
    }

    return 0;
}


sub errors {
    my ($self) = @_;

    $self->settle;
    return @{ $self->{errors} };
}


sub check {
    my ($self, $reader) = @_;

    $self->settle;

    return map { "$reader->{name}: $_" }
           map { Push::Oracle::PodsWalk->new($self, $_)->over($reader->{log}) }
           sort keys %{ $reader->{channels} };
}


# how many messages have a place

sub count {
    my ($self) = @_;
    return scalar grep { $_->{sights} } values %{ $self->{published} };
}


1;
