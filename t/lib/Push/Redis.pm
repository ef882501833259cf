package Push::Redis;

# A redis-server of the test's own, on a unix socket in its own folder and on
# a port of 127.0.0.1; PUSH_REDIS is another program, as valkey-server.  All
# are stopped, by their pids, when the test ends.

use strict;
use warnings;

use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use POSIX qw(WNOHANG);
use Push::Client;
use Push::Nginx;
use Push::Redis::Connection;

our $redis = $ENV{PUSH_REDIS} // '/usr/bin/redis-server';

# those not yet finished with
my @running;
my $owner = $$;


# Push::Redis->new(option => value ...)
#
#   conf        lines for redis.conf
#   persist     1: an append-only file, synced at each write
#   replica_of  another one
#   sentinel_of one that it watches under the name "main", as a sentinel of
#               "quorum" (2); "host" (127.0.0.1) is what it calls it
#   start       0: do not start it yet

sub new {
    my ($class, %opt) = @_;

    my $self = bless {
        conf => '', %opt, dir => tempdir('push-redis-XXXXXX', TMPDIR => 1),
        port => Push::Nginx::free_port(),
    }, $class;

    push @running, $self;
    $self->start if $opt{start} // 1;

    return $self;
}


sub pid    { $_[0]{pid} }
sub port   { $_[0]{port} }
sub dir    { $_[0]{dir} }
sub socket { "$_[0]{dir}/redis.sock" }


# started: it answers and has its data

sub start {
    my ($self) = @_;

    die 'it runs' if $self->{pid};

    return $self->_wait_started($self->_sentinel) if $self->{sentinel_of};

    my $append = $self->{persist} ? 'yes' : 'no';
    my $of = $self->{replica_of};
    my $lines = $of ? 'replicaof 127.0.0.1 ' . $of->port : '';

    return $self->_wait_started(<<"END");
save ""
appendonly $append
appendfsync always
repl-diskless-sync-delay 0
$lines
END
}


sub _sentinel {
    my ($self) = @_;
    my $port = $self->{sentinel_of}->port;
    my $quorum = $self->{quorum} // 2;
    my $host = $self->{host} // '127.0.0.1';

    return <<"END";
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel monitor main $host $port $quorum
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 1000
END
}


sub _wait_started {
    my ($self, $lines) = @_;

    open my $out, '>', "$self->{dir}/redis.conf" or die "redis.conf: $!";
    print $out <<"END";
port $self->{port}
bind 127.0.0.1
unixsocket $self->{dir}/redis.sock
dir $self->{dir}
logfile $self->{dir}/log
daemonize no
$lines
$self->{conf}
END
    close $out;

    $self->{pid} = $self->_exec;

    return Push::Client->run_until(sub {
        die "$redis ended:\n" . $self->log if $self->ended;

        return eval { $self->command('PING') eq 'PONG' } || $@ =~ /NOAUTH/;
    }, 20, "$redis to start");
}


sub _exec {
    my ($self) = @_;
    my @mode = $self->{sentinel_of} ? '--sentinel' : ();
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        # when the test is killed, so is its server
        syscall(157, 1, POSIX::SIGKILL()) if (POSIX::uname())[4] eq 'x86_64';

        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/out";
        open STDERR, '>&', \*STDOUT;
        { no warnings 'exec'; exec $redis, "$self->{dir}/redis.conf", @mode }
        print "$redis: $!\n";
        POSIX::_exit(127);
    }

    return $pid;
}


sub log {
    my ($self) = @_;
    my $text = '';

    for my $name (qw(out log)) {
        open my $in, '<:raw', "$self->{dir}/$name" or next;
        local $/;
        $text .= <$in> // '';
    }

    return $text;
}


# whether its process is no more

sub ended {
    my ($self) = @_;

    if ($self->{pid} && waitpid($self->{pid}, WNOHANG)) {
        delete $self->{pid};
        delete $self->{connection};
    }

    return !$self->{pid};
}


sub signal {
    my ($self, $signal) = @_;
    return $self->{pid} && CORE::kill($signal => $self->{pid});
}


# by SIGTERM, by SIGKILL: then its process is gone

sub stop { return $_[0]->_end('TERM') }
sub kill { return $_[0]->_end('KILL') }

sub _end {
    my ($self, $signal) = @_;

    $self->signal($signal);
    $self->signal('CONT');

    return Push::Client->run_until(sub { $self->ended }, 20,
                                   "the end of $redis");
}


# stands still with all its connections open, and goes on

sub pause  { return $_[0]->signal('STOP') }
sub resume { return $_[0]->signal('CONT') }


# 'KILL' or 'TERM' (the default); without "persist" its data is gone

sub restart {
    my ($self, $signal) = @_;

    $self->_end($signal // 'TERM');
    return $self->start;
}


# a connection of its own; user => , password => ; see Push::Redis::Connection

sub connect {
    my ($self, %opt) = @_;
    return Push::Redis::Connection->new($self->socket, %opt);
}


# the answer to a command, on one connection that is kept; dies of an error

sub command {
    my ($self, @command) = @_;

    my $kept = delete $self->{connection};
    my $c = $kept // $self->connect;
    my $answer = eval { $c->command(@command) };
    my $error = $@;

    # sentinels close the connections of others as well
    return $self->command(@command)
        if $kept && $c->closed && $error =~ /\A(?:write|closed)/;

    # it is kept unless it is broken
    $self->{connection} = $c unless $c->closed;
    die $error if $error;

    return $answer;
}


# a section of INFO as a hash

sub info {
    my ($self, $section) = @_;
    my $text = $self->command('INFO', $section // 'server');

    return { $text =~ /^([^:#\s]+):(.*?)\r?$/gm };
}


# makes it a replica of another one, or a master if there is none

sub follow {
    my ($self, $of) = @_;

    $self->{replica_of} = $of;
    $self->command('REPLICAOF', $of ? ('127.0.0.1', $of->port)
                                    : ('NO', 'ONE'));
}


# a replica: until it has all that its master has now

sub wait_synced {
    my ($self, $timeout) = @_;
    my $of = $self->{replica_of};

    return Push::Client->run_until(sub {
        my $info = $self->info('replication');

        return ($info->{master_link_status} // '') eq 'up'
               && $info->{slave_repl_offset}
                  >= $of->info('replication')->{master_repl_offset};
    }, $timeout // 20, 'the replica to have all');
}


# a sentinel: until it knows the others and the replicas of its master

sub wait_watching {
    my ($self, $others, $replicas) = @_;

    return Push::Client->run_until(sub {
        my %is = @{ $self->command(qw(SENTINEL MASTER main)) };

        return $is{'num-other-sentinels'} == $others
               && $is{'num-slaves'} == $replicas && $is{flags} eq 'master';
    }, 20, 'the sentinel to know all');
}


sub finish {
    my ($self) = @_;

    $self->_end('KILL') if $self->{pid};
    @running = grep { $_ != $self } @running;
    remove_tree($self->{dir});
}


sub finish_all {
    my @all = @running;

    $_->finish for @all;
}


END {
    if ($$ == $owner) {
        my $code = $?;

        finish_all();
        $? = $code;
    }
}


1;
