package Push::Nginx;

# An NGINX of the test's own: own folder, own ports, started in the foreground
# as a child, watched, stopped, and its log read for what must not be there.

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path);
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use Push::Client;
use Push::HTTP;
use Test::More ();

our $root = abs_path(dirname(__FILE__) . '/../../..');

our $nginx  = $ENV{PUSH_NGINX}  // '/usr/sbin/nginx';
our $module = $ENV{PUSH_MODULE} // "$root/build/ngx_push_module.so";

# those not yet finished with
our @running;

# what no test may find in a log
our $bad = qr/\[(?:alert|emerg)\]|exited\ on\ signal|Sanitizer|runtime\ error:
              |exited\ with\ code\ [1-9]|AddressSan|LeakSan/x;

my @port_locks;


# Push::Nginx->new(conf => ..., option => value ...)
#
#   conf      what stands in http {}; or a whole nginx.conf, if it has "http {"
#   workers   1
#   main      more lines for the main level
#   events    more lines for events {}; worker_connections is 4096 unless here
#   env       hash: environment of NGINX, also let through to its workers
#   module    0: do not load the module; or the path of another one
#   log       level of the error log, "info"; PUSH_LOG overrides it
#   allow     patterns of log lines that are no failure
#   start     0: do not start it yet
#
# PUSH_HIBERNATE=off is "push_hibernate off" for all that has none of its own.
#
# In all of the text %%PORT%%, %%PORT2%% ... are free ports, %%PREFIX%% is the
# folder, %%CERT%% and %%KEY%% a certificate for localhost.

sub new {
    my ($class, %opt) = @_;

    my $self = bless {
        workers => 1, %opt, ports => [], killed => {}, pids => {},
        allow => [ @{ $opt{allow} // [] } ],
        prefix => tempdir('push-test-XXXXXX', TMPDIR => 1),
    }, $class;

    chmod 0755, $self->{prefix};
    mkdir "$self->{prefix}/$_" or die "mkdir: $!" for qw(logs temp html);

    $self->configure;
    push @running, $self;
    $self->start if $opt{start} // 1;

    return $self;
}


sub prefix { $_[0]{prefix} }
sub pid    { $_[0]{pid} }

# the n-th port, from 1; the same number is always the same port

sub port {
    my ($self, $n) = @_;

    return $self->{ports}[($n || 1) - 1] //= free_port();
}


# A port that no other test has and nothing listens on, below those that the
# kernel gives to outgoing connections.  It stays ours until the test ends.

sub free_port {
    my $dir = File::Spec->tmpdir . '/push-test-ports';

    mkdir $dir;
    chmod 01777, $dir;

    for (1 .. 2000) {
        my $port = 12000 + int rand 18000;

        open my $lock, '>>', "$dir/$port" or next;
        flock $lock, LOCK_EX | LOCK_NB or next;

        my $probe = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                        LocalPort => $port, Listen => 1, ReuseAddr => 1)
            or next;

        push @port_locks, $lock;

        return $port;
    }

    die 'no free port';
}


# writes nginx.conf; the options given replace those of new()

sub configure {
    my ($self, %opt) = @_;

    %$self = (%$self, %opt);

    my $text = $self->_text;
    $self->write_file('nginx.conf', $text);
}


sub _text {
    my ($self) = @_;
    my $conf = $self->{conf} // '';

    if ($conf =~ /^\s*http\s*\{/m) {
        my $hibernate = hibernate($conf =~ s/\bhttp\s*\{//r);

        return $self->expand($conf =~ s/\bhttp\s*\{\K/ $hibernate/r);
    }

    my $main = $self->{main} // '';
    my $events = $self->{events} // '';
    my $http = $self->expand($conf);
    my $level = $ENV{PUSH_LOG} // $self->{log} // 'info';
    my @env = sort keys %{ $self->{env} // {} };

    if ($ENV{PUSH_ASAN} || $ENV{PUSH_COVER}) {
        # workers leave reports, which go into a folder of root
        $main = "user root;\n$main" if $> == 0 && $main !~ /^\s*user\s/m;
    }

    if ($main !~ /^\s*worker_processes\s/m) {
        $main = "worker_processes $self->{workers};\n$main";
    }

    if ($events !~ /worker_connections/) {
        $events = "worker_connections 4096;\n$events";
    }

    for my $so ($self->{module} // $module) {
        $main = "load_module $so;\n$main" if $so;
    }

    my $temp = join '', map { "${_}_temp_path temp/$_;\n" }
        grep { $http !~ /\b${_}_temp_path\b/ }
        qw(client_body proxy fastcgi uwsgi scgi);

    my $log = $http =~ /^\s*access_log\s/m ? '' : "access_log logs/access.log;";
    my $hibernate = $self->{module} // $module ? hibernate($http) : '';

    return $self->expand(<<EOT);
daemon off;
pid logs/nginx.pid;
error_log logs/error.log $level;
@{[ join "\n", map { "env $_;" } @env ]}
$main

events {
$events
}

http {
$temp
$log
$hibernate
$http
}
EOT
}


# what PUSH_HIBERNATE adds to the lines of http {}, of those that use us

sub hibernate {
    my ($http) = @_;
    my $value = $ENV{PUSH_HIBERNATE} or return '';

    $http =~ s/#.*//g;
    return '' unless $http =~ /\bpush_/;

    1 while $http =~ s/\{[^{}]*\}//g;

    return $http =~ /\bpush_hibernate\b/ ? '' : "push_hibernate $value;";
}


sub expand {
    my ($self, $text) = @_;

    $text =~ s/%%PORT(\d*)%%/$self->port($1)/ge;
    $text =~ s/%%PREFIX%%/$self->{prefix}/g;
    $text =~ s/%%(CERT|KEY)%%/$self->certificate($1)/ge;

    return $text;
}


sub certificate {
    my ($self, $which) = @_;
    my ($cert, $key) = map { "$self->{prefix}/localhost.$_" } qw(crt key);

    unless (-e $cert) {
        system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
               . " -nodes -days 30 -subj /CN=localhost"
               . " -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
               . " -keyout $key -out $cert 2> $self->{prefix}/openssl.log") == 0
            or die "openssl failed";
        chmod 0644, $key;
    }

    return $which eq 'KEY' ? $key : $cert;
}


# files in the folder

sub write_file {
    my ($self, $name, $text) = @_;

    open my $fh, '>:raw', "$self->{prefix}/$name" or croak "$name: $!";
    print $fh $text;
    close $fh or croak "$name: $!";
}


sub read_file {
    my ($self, $name) = @_;

    open my $fh, '<:raw', "$self->{prefix}/$name" or return '';
    local $/;

    return scalar(<$fh>) // '';
}


sub error_log  { $_[0]->read_file('logs/error.log') }
sub access_log { $_[0]->read_file('logs/access.log') }

# lines of the error log that match

sub log_lines {
    my ($self, $re) = @_;
    return grep { $_ =~ $re } split /\n/, $self->error_log;
}


# The NGINX under test as one number, 1022001; and the lines that make a
# server listen by HTTP/2, which differ by version.

sub version {
    our $version //= do {
        my ($v) = `$nginx -v 2>&1` =~ m{nginx/([\d.]+)} or die "$nginx: $!";
        my @v = split /\./, $v;
        $v[0] * 1_000_000 + $v[1] * 1_000 + $v[2];
    };
}


sub listen_http2 {
    my ($listen) = @_;

    return version() >= 1_025_001 ? "listen $listen; http2 on;"
                                  : "listen $listen http2;";
}


# nginx -t: in list context (whether it is good, what it said)

sub check {
    my ($class, %opt) = @_;
    my $self = ref $class ? $class : $class->new(%opt, start => 0);

    $self->configure(%opt) if ref $class;

    my $pid = $self->_exec(["-t", "-e", "stderr"], 'check');
    waitpid $pid, 0;

    my $good = $? == 0;
    my $said = $self->read_file('check');

    if (my @reports = $self->_scan_files) {
        $good = 0;
        $said .= join "\n", @reports;
    }

    unless (ref $class) {
        @running = grep { $_ != $self } @running;
        remove_tree($self->{prefix}) unless $ENV{PUSH_LEAVE};
    }

    return wantarray ? ($good, $said) : $good;
}


sub _exec {
    my ($self, $args, $out) = @_;

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        # when the test is killed, so is its NGINX
        syscall(157, 1, POSIX::SIGTERM()) if (POSIX::uname())[4] eq 'x86_64';

        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{prefix}/$out";
        open STDERR, '>&', \*STDOUT;
        chdir $self->{prefix};

        if ($ENV{PUSH_ASAN}) {
            # a configuration that is only tested is left to the system
            my $leaks = @$args ? 0 : 1;

            $ENV{ASAN_OPTIONS} = "detect_leaks=$leaks:detect_odr_violation=0:"
                                 . "log_path=$self->{prefix}/san";
            $ENV{UBSAN_OPTIONS} = 'print_stacktrace=1';
            $ENV{LSAN_OPTIONS} = "suppressions=$root/t/lib/lsan.supp:"
                                 . "print_suppressions=0";
        }

        %ENV = (%ENV, %{ $self->{env} // {} });

        exec $nginx, '-p', "$self->{prefix}/", '-c', 'nginx.conf',
             grep({ $_ eq '-e' } @$args) ? () : ('-e', 'logs/error.log'),
             @$args
            or do { print "exec $nginx: $!\n"; POSIX::_exit(127) };
    }

    return $pid;
}


sub start {
    my ($self) = @_;

    for ($self->{module} // $module) {
        if ($_ && !-e $_) {
            Test::More::BAIL_OUT("no $_: run \"make\" first");
        }
    }

    $self->{pid} = $self->_exec([], 'stderr');

    my $up = Push::Client->run_until(sub {
        return 1 if waitpid($self->{pid}, WNOHANG) == $self->{pid};
        return $self->_up || $self->_scan_files;
    }, 60, 'the start of NGINX');

    unless ($up && $self->_up && !$self->_scan_files) {
        my $said = $self->read_file('stderr') . $self->error_log;

        $self->{failed} = 1;
        croak "NGINX did not start in $self->{prefix}:\n$said";
    }

    return $self;
}


sub _up {
    my ($self) = @_;

    return 0 unless -s "$self->{prefix}/logs/nginx.pid";
    return $self->workers >= $self->_wanted;
}


# how many workers the configuration asks for

sub _wanted {
    my ($self) = @_;
    my $text = $self->read_file('nginx.conf');

    # in a single process the master is the worker
    return 0 if $text =~ /^\s*master_process\s+off\s*;/m;
    return $1 if $text =~ /\bworker_processes\s+(\d+)/;
    return 1;
}


# Children by what they call themselves: a worker takes its name when its
# modules are ready, and another when it is told to shut down.

sub _children {
    my ($self, $name) = @_;
    my @pids;

    opendir my $proc, '/proc' or die;

    for my $pid (grep { /\A\d+\z/ } readdir $proc) {
        my $stat = _slurp("/proc/$pid/stat") // next;
        my ($state, $ppid) = $stat =~ /\) (\S) (\d+)/ or next;
        my ($start) = $stat =~ /\) (?:\S+ ){19}(\d+)/;

        next unless $ppid == $self->{pid} && $state ne 'Z';

        my $title = (_slurp("/proc/$pid/cmdline") // '') =~ s/[\0 ]+\z//r;

        $self->{pids}{$pid} = $start;
        push @pids, $pid if $title =~ $name;
    }

    @pids = sort { $a <=> $b } @pids;

    return @pids;
}


sub _slurp {
    open my $fh, '<', $_[0] or return;
    local $/;
    return scalar <$fh>;
}


# the pids of the workers of the present generation, and of those that drain

sub workers     { $_[0]->_children(qr/\Anginx: worker process\z/) }
sub old_workers { $_[0]->_children(qr/\Anginx: worker process is shutting/) }


# whether the process runs; one that began at another time is not the same

sub _alive {
    my ($pid, $start) = @_;
    my $stat = _slurp("/proc/$pid/stat") // '';

    return 0 unless $stat =~ /\) [^Z] (?:\S+ ){18}(\d+)/;
    return !defined $start || $start == $1;
}


# those of its processes that run

sub _running {
    my ($self) = @_;
    return grep { _alive($_, $self->{pids}{$_}) } keys %{ $self->{pids} };
}


# Reload, and wait until a new generation of workers stands and no worker of
# the one before still takes connections.  Options are those of configure().

sub reload {
    my ($self, %opt) = @_;

    $self->configure(%opt) if %opt;

    my %before = map { $_ => 1 } $self->workers;

    kill HUP => $self->{pid} or croak "reload: $!";

    return Push::Client->run_until(sub {
        my @now = $self->workers;

        return !(grep { $before{$_} } @now) && @now >= $self->_wanted;
    }, 60, 'a new generation of workers');
}


# a signal to a worker, after which it must go; its own last words in the log
# are no failure

sub kill_worker {
    my ($self, $pid, $signal) = @_;

    $self->{killed}{$pid} = $signal //= 'KILL';
    kill $signal => $pid or croak "kill $pid: $!";

    return Push::Client->run_until(sub { !_alive($pid) }, 30,
                                   "the end of worker $pid");
}


# until there are so many workers, the full number by default

sub wait_workers {
    my ($self, $n) = @_;

    $n //= $self->_wanted;

    return Push::Client->run_until(sub { $self->workers == $n }, 60,
                                   "$n workers");
}


# until the workers of earlier generations are gone

sub wait_old_workers {
    my ($self, $timeout) = @_;

    return Push::Client->run_until(sub { !$self->old_workers }, $timeout // 60,
                                   'the end of old workers');
}


# until the error log has a line

sub wait_log {
    my ($self, $re, $timeout) = @_;

    return Push::Client->run_until(sub { ($self->log_lines($re))[0] },
                                   $timeout, "$re in the error log");
}


sub allow {
    my ($self, @patterns) = @_;
    push @{ $self->{allow} }, @patterns;
}


sub signal {
    my ($self, $signal) = @_;
    kill $signal => $self->{pid} or croak "$signal: $!";
}


# Stops it ("QUIT") and waits until all its processes are gone; false if that
# took force.

sub stop {
    my ($self, $signal, $timeout) = @_;
    my $pid = $self->{pid} or return 1;

    $self->_children(qr/./);
    kill $signal // 'QUIT' => $pid;

    my $gone = Push::Client->run_until(sub {
        $self->{exited} ||= waitpid($pid, WNOHANG) != 0;
        return $self->{exited} && !$self->_running;
    }, $timeout // 60, 'the end of NGINX');

    unless ($gone) {
        Test::More::diag(map { "  $_ " . (_slurp("/proc/$_/cmdline") // '')
                               . "\n" }
                         $pid, $self->_running);
        kill KILL => $pid, $self->_running;
        waitpid $pid, 0;
    }

    delete @$self{qw(pid exited)};
    $self->{pids} = {};

    return $gone;
}


# Kills all its processes, as they die with their machine.  The master stands
# still first: it would start others.

sub crash {
    my ($self) = @_;

    $self->signal('STOP');
    kill KILL => $self->_children(qr/./);

    return $self->stop('KILL');
}


# the lines that must not be there

sub scan {
    my ($self) = @_;
    my @found;

    my $killed = join '|', keys %{ $self->{killed} };
    my @allow = @{ $self->{allow} };

    if ($killed) {
        push @allow,
            qr/process (?:$killed) exited (?:on signal|with code)/,
            qr/shared memory zone ".*" was locked by (?:$killed)\b/;
    }

    for my $line (split /\n/, $self->error_log . $self->read_file('stderr')) {
        next unless $line =~ $bad;
        next if $line =~ /\[debug\]/;
        next if grep { $line =~ $_ } @allow;
        push @found, $line;
    }

    push @found, $self->_scan_files;

    return @found;
}


sub _scan_files {
    my ($self) = @_;

    return map { s{.*/}{}r . ":\n" . (_slurp($_) // '') }
           grep { -s } glob "$self->{prefix}/san.*";
}


# stops it, judges its log, removes its folder unless something is wrong

sub finish {
    my ($self, %opt) = @_;

    @running = grep { $_ != $self } @running;

    my $failed = $self->{failed};
    my $gone = $self->stop;
    my @found = $self->scan;

    $failed ||= !$gone || @found || $opt{failed};

    if ($failed) {
        my @lines = @found > 20 ? @found[0 .. 19] : @found;

        Test::More::diag(join "\n", 'NGINX logged:', @lines) if @lines;
        Test::More::diag("left in place: $self->{prefix}");

    } elsif ($ENV{PUSH_LEAVE}) {
        Test::More::diag("left in place: $self->{prefix}");

    } else {
        remove_tree($self->{prefix});
    }

    return $gone && !@found && !$self->{failed};
}


# short forms of requests to it

sub http {
    my ($self, $method, $path, %opt) = @_;
    return Push::HTTP::http($opt{port} // $self->port, $method, $path, %opt);
}

sub get    { my $self = shift; $self->http('GET', @_) }
sub delete { my $self = shift; $self->http('DELETE', @_) }

sub publish {
    my ($self, $path, $body, %opt) = @_;
    return $self->http('POST', $path, %opt, body => $body // '');
}

sub sse {
    my ($self, $path, %opt) = @_;

    require Push::SSE;
    return Push::SSE->new($opt{port} // $self->port, $path, %opt);
}


# what a process holds

sub rss {
    my ($self, $pid) = @_;
    return +((_slurp("/proc/$pid/status") // '') =~ /^VmRSS:\s+(\d+)/m)[0];
}

sub fds {
    my ($self, $pid) = @_;
    return scalar(() = glob "/proc/$pid/fd/*");
}


1;
