package Bench::Redis;

# A redis-server of the bench's own, on a port of 127.0.0.1 and a unix socket,
# that writes nothing to a disk.  It ends when nobody has it any more.

use strict;
use warnings;

use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Time::HiRes qw(sleep);

our $redis = $ENV{PUSH_REDIS} // '/usr/bin/redis-server';


sub start {
    my ($class) = @_;

    my $self = bless {
        dir => tempdir('push-bench-XXXXXX', TMPDIR => 1), owner => $$,
        port => Bench::Server::free_port(),
    }, $class;

    chmod 0755, $self->{dir};
    $self->{pid} = fork // die "fork: $!";

    if ($self->{pid} == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$self->{dir}/log";
        open STDERR, '>&', \*STDOUT;
        { no warnings 'exec';
          exec $redis, '--bind', '127.0.0.1', '--port', $self->{port}, '--save',
               '', '--appendonly', 'no', '--dir', $self->{dir},
               '--unixsocket', $self->path, '--unixsocketperm', '777' }
        print "$redis: $!\n";
        POSIX::_exit(127);
    }

    for (1 .. 500) {
        return $self if eval { $self->command('PING') =~ /^\+PONG/ };
        sleep 0.02;
    }

    die "$redis did not start:\n", `cat $self->{dir}/log`;
}


sub port { $_[0]{port} }
sub path { "$_[0]{dir}/redis.sock" }


# its answer to a command of one word or some: a line, or a bulk

sub command {
    my ($self, @words) = @_;

    $self->{socket} //= IO::Socket::INET->new("127.0.0.1:$self->{port}")
        or die "no connection: $!\n";
    print { $self->{socket} } "@words\r\n";

    my $answer = readline($self->{socket}) // die "no answer\n";

    read $self->{socket}, $answer, $1 + 2 if $answer =~ /^\$(\d+)/;

    return $answer;
}


# what it has used and sent so far: ns of CPU, bytes

sub used {
    my ($self) = @_;
    my ($bytes) = $self->command('INFO', 'stats')
                  =~ /^total_net_output_bytes:(\d+)/m;

    open my $in, '<', "/proc/$self->{pid}/schedstat" or die "schedstat: $!\n";

    return { cpu => (split ' ', <$in>)[0], bytes => $bytes };
}


sub DESTROY {
    my ($self) = @_;

    return if $$ != $self->{owner};

    local ($?, $!);

    kill TERM => $self->{pid};
    waitpid $self->{pid}, 0;
    remove_tree($self->{dir});
}


1;
