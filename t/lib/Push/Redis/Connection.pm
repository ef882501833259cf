package Push::Redis::Connection;

# A connection to Redis as RESP2 has it.  It waits for its answers, and
# nothing else goes on meanwhile.

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use Time::HiRes qw(time);


# user and password: for AUTH

sub new {
    my ($class, $path, %opt) = @_;

    my $socket = IO::Socket::UNIX->new(Peer => $path)
        or die "$path: $!\n";

    my $self = bless { socket => $socket, in => '' }, $class;

    $self->command('AUTH', $opt{user}, $opt{password}) if $opt{user};

    return $self;
}


sub closed { return !$_[0]{socket} }
sub close  { delete $_[0]{socket} }


# arrays are references, nothing is undef; dies of an error

sub command {
    my ($self, @command) = @_;

    $self->send(@command);
    return $self->answer;
}


# many at once, each a reference: their answers; an error is its text

sub pipeline {
    my ($self, @commands) = @_;

    $self->send(@$_) for @commands;
    return map { my $a = eval { $self->answer }; $@ || $a } @commands;
}


sub send {
    my ($self, @command) = @_;

    my $text = join '', '*' . @command . "\r\n",
                    map { '$' . length($_) . "\r\n$_\r\n" } @command;
    my $socket = $self->{socket} or die "closed\n";

    while (length $text) {
        my $n = syswrite $socket, $text;

        unless (defined $n) {
            $self->close;
            die "write: $!\n";
        }

        substr $text, 0, $n, '';
    }
}


# the next answer, or what comes by a subscription; dies after "timeout"

sub answer {
    my ($self, $timeout) = @_;
    my $end = time + ($timeout // 20);

    for ( ;; ) {
        my $at = 0;
        my @value = $self->_parse(\$at);

        if (@value) {
            substr $self->{in}, 0, $at, '';
            die "$value[0]{error}\n" if ref $value[0] eq 'HASH';
            return $value[0];
        }

        $self->_read($end);
    }
}


# whether there is anything to be read

sub readable {
    my ($self, $timeout) = @_;

    return 1 if length $self->{in};
    return IO::Select->new($self->{socket})->can_read($timeout // 0) ? 1 : 0;
}


sub _read {
    my ($self, $end) = @_;
    my $socket = $self->{socket} or die "closed\n";
    my $left = $end - time;

    if ($left <= 0 || !IO::Select->new($socket)->can_read($left)) {
        # what comes now would be the answer to something else
        $self->close;
        die "no answer\n";
    }

    unless (sysread $socket, $self->{in}, 65536, length $self->{in}) {
        $self->close;
        die "closed\n";
    }
}


# one value from "at" on, which moves on; nothing: not all of it is there

sub _parse {
    my ($self, $at) = @_;

    pos($self->{in}) = $$at;
    $self->{in} =~ /\G([-+:\$*])([^\r]*)\r\n/gc or return;

    my ($type, $text) = ($1, $2);
    $$at = pos $self->{in};

    return { error => $text } if $type eq '-';
    return $text if $type eq '+';
    return $text + 0 if $type eq ':';
    return undef if $text == -1;

    if ($type eq '$') {
        return if length $self->{in} < $$at + $text + 2;

        my $value = substr $self->{in}, $$at, $text;

        $$at += $text + 2;
        return $value;
    }

    my @values;

    for (1 .. $text) {
        my @value = $self->_parse($at) or return;
        push @values, @value;
    }

    return \@values;
}


1;
