package Push::Lineage;

# The terms of channels, as Redis has noted them: each began at a number, and
# goes on from another one, or from nothing.  With that it can be said whether
# a message is in the same log as another one, or was lost with a master.
#
#   my $lineage = Push::Lineage->new;
#   $lineage->learn($redis);
#   $lineage->learn($promoted, 1);
#   $lineage->term_at('news', $life, $term, $seq);
#
# The second one says that what this server does not have is lost.
#
# A life and a term are the low 16 bits of each: those that a compound id has.

use strict;
use warnings;

use List::Util qw(min);


sub new {
    my ($class) = @_;
    return bless { of => {}, least => {}, cuts => {}, errors => [] }, $class;
}


# all that this server has of all channels

sub learn {
    my ($self, $redis, $lost) = @_;
    my @keys = sort @{ $redis->command('KEYS', '*:{*}:m:*') };

    for my $key (@keys) {
        my ($channel) = $key =~ /:m:(.*)\z/s;
        my ($life, $log, $terms) = map { [ split ' ', $_ // '' ] }
            @{ $redis->command('HMGET', $key, qw(life log terms)) };

        next unless @$life && @$terms;

        my (undef, @terms) = @$terms;

        $self->note($channel, $life->[0], @terms);
        $self->cut($channel, $life->[0], $terms[-2], $log->[0]) if $lost;
    }
}


# of this life, only the log of this term up to this number is left

sub cut {
    my ($self, $channel, $life, $term, $last) = @_;

    push @{ $self->{cuts}{$channel}{ $life & 0xffff } },
        [ $term & 0xffff, $last ];
}


# Whether the place was ever lost, or the term that it is named by: that this
# term began behind the place, nobody knows who has not seen it.

sub is_lost {
    my ($self, $channel, $life, $term, $seq) = @_;
    my $true = $self->term_at($channel, $life, $term, $seq) // return 1;

    return grep {
        my ($left, $last) = @$_;

        $seq > $last
            || !$self->_has($channel, $life, $left, $term)
            || ($self->term_at($channel, $life, $left, $seq) // -1) != $true;
    } @{ $self->{cuts}{$channel}{$life} // [] };
}

sub _has {
    my ($self, $channel, $life, $left, $term) = @_;
    my $of = $self->{of}{$channel}{$life};

    $left = ($of->{$left} // {})->{before}
        while defined $left && $left != $term;

    return defined $left;
}


# a life and its terms: each with its first number, the oldest first

sub note {
    my ($self, $channel, $life, @terms) = @_;
    my $of = $self->{of}{$channel}{ $life & 0xffff } //= {};
    my $before;

    while (my ($term, $began) = splice @terms, 0, 2) {
        my $new = { began => $began, before => $before };

        $term &= 0xffff;

        my $old = $of->{$term} //= $new;

        push @{ $self->{errors} }, "$channel: term $term began at "
                                   . "$old->{began} and at $began"
            if $old->{began} != $began;

        # an old list may know more of what was before
        $old->{before} //= $before;
        $before = $term;
    }
}

sub errors { return @{ $_[0]{errors} } }


# somebody has seen a message of this term

sub seen {
    my ($self, $channel, $life, $term, $seq) = @_;
    my $least = \$self->{least}{$channel}{$life}{$term};

    $$least = min($seq, $$least // $seq);
}


# Of which term the number is in the log that has the term given; undef:
# nobody knows, because nobody has looked while it lasted.

sub term_at {
    my ($self, $channel, $life, $term, $seq) = @_;
    my $of = $self->{of}{$channel}{$life} // {};

    for ( ;; ) {
        my $begun = $of->{$term};
        my $began = $begun ? $begun->{began}
                           : $self->{least}{$channel}{$life}{$term};

        return $term if !defined $began || $seq >= $began;

        $term = ($begun // return)->{before} // return;
    }
}


1;
