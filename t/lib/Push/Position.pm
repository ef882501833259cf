package Push::Position;

# What a position says, read by other means than the module's own: the id of
# a message, or a compound id of several channels.
#
#   my $p = Push::Position->parse('news', $id);
#   my ($epoch, $seq) = $p->of('news');
#
# Of an epoch only the lower 32 bits are looked at: a compound id has no more.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(id_of);

my @of_id = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '.', '_');
my @of_compound = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_');

my %of_id = map { $of_id[$_] => $_ } 0 .. 63;
my %bits = map { $of_compound[$_] => sprintf '%06b', $_ } 0 .. 63;
my %hash;


# (epoch, number) of a message's id

sub id_of {
    my ($epoch, $seq) = ($_[0] // '') =~ /\A([\w.]{8})-(\d{14})\z/
        or return;
    my $n = 0;

    $n = $n * 64 + $of_id{$_} for split //, $epoch;

    return ($n & 0xffffffff, 0 + $seq);
}


# undef: it is neither; what a message's id stands for, only the caller knows

sub parse {
    my ($class, $text) = @_;

    if (my @id = id_of($text)) {
        return bless { id => \@id }, $class;
    }

    return unless ($text // '') =~ /\A\.([\w-]+)\z/;

    my $bits = join '', map { $bits{$_} } split //, $1;
    my $at = 0;
    my %in;

    while (length($bits) - $at >= 55) {
        my $hash = _take($bits, \$at, 20);
        my $epoch = _take($bits, \$at, 32);
        my $seq = _take($bits, \$at, 8 * _take($bits, \$at, 3)) // return;

        $in{$hash} = [ $epoch, $seq ];
    }

    return if length($bits) - $at > 5 || substr($bits, $at) =~ /1/;

    return bless { in => \%in }, $class;
}


sub _take {
    my ($bits, $at, $n) = @_;

    return if $$at + $n > length $bits;

    my $value = substr $bits, $$at, $n;
    $$at += $n;

    no warnings 'portable';
    return oct "0b0$value";
}


# (epoch, number) in this channel, or nothing

sub of {
    my ($self, $channel) = @_;

    return @{ $self->{id} } if $self->{id};
    return @{ $self->{in}{ $hash{$channel} //= _hash($channel) } // [] };
}

sub is_compound { return !$_[0]{id} }
sub channels    { return scalar keys %{ $_[0]{in} // {} } }


# 20 bits of MurmurHash2

sub _hash {
    my ($name) = @_;
    my $times = sub { return $_[0] * 0x5bd1e995 & 0xffffffff };

    use integer;

    my $h = length $name;

    while (length $name >= 4) {
        my $k = $times->(unpack 'V', substr $name, 0, 4, '');

        $k = $times->($k ^ $k >> 24);
        $h = $times->($h) ^ $k;
    }

    if (length $name) {
        $h = $times->($h ^ unpack 'V', $name . "\0" x (4 - length $name));
    }

    $h = $times->($h ^ $h >> 13);

    return ($h ^ $h >> 15) & 0xfffff;
}


1;
