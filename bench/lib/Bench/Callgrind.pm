package Bench::Callgrind;

# What a server executes for a delivery or a publish, without any noise: user
# instructions and calls of functions, counted by callgrind in two runs that
# differ in length alone.  The difference is what the work costs.

use strict;
use warnings;

use Bench::Server;


# count(option => value ...): { instructions, calls => { function => n } } of
# the messages by which the runs differ
#
#   kind      of the server, push
#   options   of push-bench, but --messages
#   few, many messages of the two runs, 20 and 120
#   workers   processes, all of them counted; else one process is all
#   others    those of Bench::Server

sub count {
    my (%opt) = @_;

    $opt{$_->[0]} //= $_->[1] for [few => 20], [many => 120], [kind => 'push'];

    my ($few, $many) = map { _run(\%opt, $_) } @opt{qw(few many)};
    my %calls = map { $_ => $many->{calls}{$_} - ($few->{calls}{$_} // 0) }
                keys %{ $many->{calls} };

    return { calls => \%calls,
             instructions => $many->{instructions} - $few->{instructions} };
}


sub _run {
    my ($opt, $messages) = @_;

    my @wrapper = ('valgrind', '-q', '--tool=callgrind', '--trace-children=yes',
                   '--callgrind-out-file=%q{CALLGRIND_OUT}/out.%p');
    local $ENV{CALLGRIND_OUT} = File::Temp::tempdir('push-callgrind-XXXXXX',
                                                    TMPDIR => 1, CLEANUP => 1);

    # workers, who are not root, write there, too
    chmod 0777, $ENV{CALLGRIND_OUT};

    my $server = Bench::Server->start($opt->{kind}, %$opt,
                                      single => !$opt->{workers},
                                      workers => $opt->{workers} // 1,
                                      wrapper => \@wrapper);

    # one connection after the other: in no run two of them come together
    my @command = ("$Bench::Server::root/build/bench/push-bench",
                   grep({ !/^--master/ } $server->arguments),
                   @{ $opt->{options} }, "--messages=$messages",
                   qw(--opening=1 --patience=300));

    my $said = `@command 2>&1`;
    my $good = $? == 0;

    $server->stop or $good = 0;
    die "push-bench: $said" unless $good;

    my %sum = (instructions => 0, calls => {});
    _add(\%sum, $_) for glob "$ENV{CALLGRIND_OUT}/out.*";

    return \%sum;
}


# calls of the function "name" and of its recursions "name'2" are one

sub _add {
    my ($sum, $file) = @_;
    my (%names, $called);

    open my $in, '<', $file or die "$file: $!\n";

    while (<$in>) {
        if (/^c?fn=\((\d+)\)(?: (.*?)(?:'\d+)?)?$/) {
            $names{$1} = $2 if defined $2;
            $called = $names{$1};

        } elsif (/^calls=(\d+)/) {
            $sum->{calls}{$called} += $1;

        } elsif (/^totals: (\d+)/) {
            $sum->{instructions} += $1;
        }
    }
}


1;
