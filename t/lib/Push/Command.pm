package Push::Command;

# Another program, as a child whose output goes to files.

use strict;
use warnings;

use File::Temp;
use POSIX qw(WNOHANG);
use Push::Client;

my %running;


sub new {
    my ($class, @command) = @_;

    my $self = bless {
        name => "@command", out => File::Temp->new, err => File::Temp->new,
    }, $class;

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $self->{out}->filename;
        open STDERR, '>', $self->{err}->filename;
        { no warnings 'exec'; exec @command }
        print STDERR "$command[0]: $!\n";
        POSIX::_exit(127);
    }

    $self->{pid} = $pid;
    $running{$pid} = 1;

    return $self;
}


sub pid { $_[0]{pid} }
sub out { return _slurp($_[0]{out}->filename) }
sub err { return _slurp($_[0]{err}->filename) }

# its exit code; undef while it runs; 128 and the signal when killed

sub code {
    my ($self) = @_;

    unless (defined $self->{code}) {
        my $pid = waitpid $self->{pid}, WNOHANG;

        if ($pid) {
            # -1: it was waited for by stop_all()
            $self->{code} = $pid == -1 ? 255
                            : $? & 127 ? 128 + ($? & 127) : $? >> 8;
            delete $running{$self->{pid}};
        }
    }

    return $self->{code};
}


sub _slurp {
    open my $fh, '<:raw', $_[0] or return '';
    local $/;
    return scalar(<$fh>) // '';
}


# until it has ended; then true

sub wait {
    my ($self, $timeout) = @_;
    return Push::Client->run_until(sub { defined $self->code },
                                   $timeout // 60, "the end of $self->{name}");
}


# until its output matches

sub wait_out {
    my ($self, $re, $timeout) = @_;

    return Push::Client->run_until(sub { $self->out =~ $re }, $timeout,
                                   "$re from $self->{name}");
}


sub stop {
    my ($self, $signal) = @_;

    return 1 if defined $self->code;

    kill $signal // 'TERM' => $self->{pid};
    return $self->wait(10);
}


sub stop_all {
    for my $pid (keys %running) {
        kill KILL => $pid;
        waitpid $pid, 0;
        delete $running{$pid};
    }
}


1;
