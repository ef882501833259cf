package Bench::Server;

# The servers that are measured: "push" is ours, "bare" is bench/bare, "nchan"
# is Debian's libnginx-mod-nchan.  Each is started afresh, on a port of its own.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use Bench::Redis;
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep);

our $root = abs_path(dirname(__FILE__) . '/../../..');

our $nginx  = $ENV{PUSH_NGINX}  // '/usr/sbin/nginx';
our $module = $ENV{PUSH_MODULE} // "$root/build/ngx_push_module.so";
our $bare   = "$root/build/bench/bare";

my @running;


# Bench::Server->start($kind, option => value ...)
#
#   workers      2
#   connections  of each worker, 16000
#   history      100 10m
#   zone         256m
#   tls, http2   also listen that way (push)
#   redis        1: behind a Redis of its own (push, nchan)
#   unix         by its unix socket (push)
#   pods         2: there is another one on that Redis, and who publishes does
#                it there
#   single       in one process: no workers
#   wrapper      a command to run it with

sub start {
    my ($class, $kind, %opt) = @_;

    my $self = bless {
        kind => $kind, workers => 2, connections => 16000, history => '100 10m',
        zone => '256m', wrapper => [], %opt,
        prefix => tempdir('push-bench-XXXXXX', TMPDIR => 1), owner => $$,
    }, $class;

    chmod 0755, $self->{prefix};
    mkdir "$self->{prefix}/$_" for qw(logs temp);

    $self->{redis} = Bench::Redis->start if ($self->{redis} // 0) eq '1';
    $self->{$_} = free_port() for qw(port tls_port http2_port);
    $self->{pid} = $self->_run;
    push @running, $self;
    $self->_wait;
    $self->_wait_redis if $self->{redis};

    $self->{other} = $class->start($kind, %opt, pods => 1,
                                   redis => $self->{redis})
        if ($self->{pods} // 1) > 1;

    return $self;
}


sub pid { $_[0]{pid} }
sub port { $_[0]{port} }
sub redis { $_[0]{redis} }

# --tls and --http2 get their ports

sub options {
    my ($self, @options) = @_;

    s/^--(tls|http2)$/"--$1=" . $self->{"$1_port"}/e for @options;

    return @options;
}
sub prefix { $_[0]{prefix} }


# the arguments of push-bench that depend on the server

sub arguments {
    my ($self) = @_;

    return ("--port=$self->{port}", "--master=$self->{pid}",
            $self->{other} ? '--publish-port=' . $self->{other}->port : (),
            $self->{kind} eq 'push' ? () : '--foreign',
            $self->{kind} eq 'nchan' ? '--total=/total' : ());
}


sub free_port {
    for (1 .. 1000) {
        my $port = 12000 + int rand 18000;

        return $port if IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                            LocalPort => $port, Listen => 1, ReuseAddr => 1);
    }

    die "no free port\n";
}


sub _run {
    my ($self) = @_;
    my @command = ($bare, $self->{port}, $self->{workers});

    if ($self->{kind} ne 'bare') {
        open my $conf, '>', "$self->{prefix}/nginx.conf" or die $!;
        print $conf $self->_conf;
        close $conf;

        @command = ($nginx, '-p', "$self->{prefix}/", '-c', 'nginx.conf', '-e',
                    'logs/error.log');
    }

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$self->{prefix}/said";
        open STDERR, '>&', \*STDOUT;
        exec @{ $self->{wrapper} }, @command or POSIX::_exit(127);
    }

    return $pid;
}


sub _conf {
    my ($self) = @_;
    my %locations = (push => \&_push_locations, nchan => \&_nchan_locations);
    my ($so, $http, $locations) = $locations{ $self->{kind} }->($self);
    my $processes = $self->{single} ? 'master_process off;'
                                    : "worker_processes $self->{workers};";
    my $reuse = $self->{single} ? '' : 'reuseport';
    my $temp = join "\n", map { "    ${_}_temp_path temp/$_;" }
               qw(client_body proxy fastcgi uwsgi scgi);

    return <<"EOT";
load_module $so;
$processes
daemon off;
pid logs/nginx.pid;
error_log logs/error.log notice;

events {
    worker_connections $self->{connections};
}

http {
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    client_header_timeout 3600s;
    client_body_buffer_size 128k;
$temp
$http

    server {
        listen 127.0.0.1:$self->{port} $reuse backlog=4096;
$self->{server}
$locations
    }
}
EOT
}


sub _push_locations {
    my ($self) = @_;

    my $redis = !$self->{redis} ? ''
                : $self->{unix} ? 'push_redis unix:' . $self->{redis}->path . ';'
                : 'push_redis redis://127.0.0.1:' . $self->{redis}->port . ';';

    $self->{server} = ($self->{tls} ? $self->_tls : '')
                      . ($self->{http2} ? $self->_http2 : '');

    # /held: what NGINX itself keeps for a request that waits
    return $module, <<"HTTP", <<"LOCATIONS";
    push_zone push $self->{zone};
    push_history $self->{history};
    $redis
    limit_req_zone \$host zone=held:1m rate=1r/m;
HTTP
        location = /pub { push_publish \$arg_channel; }
        location = /sub { push_subscribe \$arg_channel; }
        location = /status { push_status; }
        location = /held { limit_req zone=held burst=1000000;
                            limit_req_log_level info; }
LOCATIONS
}


sub _nchan_locations {
    my ($self) = @_;
    my ($count, $age) = split ' ', $self->{history};
    my ($upstream, $pass) = ('', '');

    if ($self->{redis}) {
        $upstream = 'upstream redis { nchan_redis_server redis://127.0.0.1:'
                    . $self->{redis}->port . '; }';
        $pass = 'nchan_redis_pass redis;';
    }

    $self->{server} = '';

    return nchan(), <<"HTTP", <<'LOCATIONS' =~ s/%REDIS%/$pass/gr;
    $upstream
    nchan_shared_memory_size 512m;
    nchan_message_buffer_length $count;
    nchan_message_timeout $age;
HTTP
        location = /pub {
            nchan_publisher;
            nchan_channel_id $arg_channel;
            %REDIS%
        }
        location = /sub {
            nchan_subscriber eventsource websocket;
            nchan_channel_id $arg_channel;
            nchan_subscriber_first_message newest;
            %REDIS%
        }
        location = /total { nchan_stub_status; }
        location = /replay {
            nchan_subscriber eventsource websocket;
            nchan_channel_id $arg_channel;
            nchan_subscriber_first_message oldest;
            %REDIS%
        }
LOCATIONS
}


# the module of Debian's package, installed or only taken apart

sub nchan {
    my $name = 'ngx_nchan_module.so';
    my $dir = "$root/build/bench/nchan";

    for ("/usr/lib/nginx/modules/$name", "$dir/usr/lib/nginx/modules/$name") {
        return $_ if -e;
    }

    mkdir $dir;
    system("cd $dir && apt-get -qq download libnginx-mod-nchan 2> log"
           . " && dpkg-deb -x *.deb . && rm -f *.deb") == 0 or return;

    return "$dir/usr/lib/nginx/modules/$name";
}


sub _tls {
    my ($self) = @_;
    my ($cert, $key) = map { "$self->{prefix}/localhost.$_" } qw(crt key);

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
           . " -nodes -days 30 -subj /CN=localhost -keyout $key -out $cert"
           . " 2> $self->{prefix}/openssl.log") == 0 or die "openssl failed\n";

    return <<"EOT";
        listen 127.0.0.1:$self->{tls_port} ssl reuseport backlog=4096;
        ssl_certificate $cert;
        ssl_certificate_key $key;
        ssl_session_tickets off;
EOT
}


sub _http2 {
    my ($self) = @_;
    my ($major, $minor, $patch) = `$nginx -v 2>&1` =~ /(\d+)\.(\d+)\.(\d+)/;
    my $new = $major * 1_000_000 + $minor * 1_000 + $patch >= 1_025_001;

    return "        listen 127.0.0.1:$self->{http2_port} reuseport backlog=4096"
           . ($new ? ";\n        http2 on;\n" : " http2;\n");
}


sub _wait {
    my ($self) = @_;

    # under a wrapper they cannot say what they are
    my $workers = $self->{single} || @{ $self->{wrapper} } ? 0
                                                           : $self->{workers};

    for (1 .. 3000) {
        return if $self->_workers >= $workers && IO::Socket::INET->new("127.0.0.1:$self->{port}");
        last if waitpid $self->{pid}, WNOHANG;
        sleep 0.02;
    }

    my $said = `cat $self->{prefix}/said $self->{prefix}/logs/error.log 2>&1`;
    die "$self->{kind} did not start:\n$said\n";
}


# until each worker has published, which it cannot before Redis is there for it;
# of the channel nothing is told

sub _wait_redis {
    my ($self) = @_;
    my $good = 0;

    for (1 .. 1000) {
        my $s = IO::Socket::INET->new("127.0.0.1:$self->{port}") or next;

        print $s "POST /pub?channel=up HTTP/1.0\r\nContent-Length: 2\r\n\r\nup";

        my $status = <$s> // '';

        $good = $status =~ m{^HTTP/1\.1 20} ? $good + 1 : 0;
        return if $good >= 16 * $self->{workers};
        sleep 0.02 unless $good;
    }

    die "$self->{kind}: no Redis\n";
}


# those that call themselves so, which they do when they are ready

sub _workers {
    my ($self) = @_;
    my @pids = split ' ', _slurp("/proc/$self->{pid}/task/$self->{pid}/children");

    return scalar grep { _slurp("/proc/$_/cmdline") =~ /worker process/ } @pids;
}


sub _slurp {
    open my $in, '<', $_[0] or return '';
    local $/;
    return scalar(<$in>) // '';
}


# false if it complained

sub stop {
    my ($self, $signal) = @_;

    @running = grep { $_ != $self } @running;

    my $good = !$self->{other} || $self->{other}->stop($signal);

    kill $signal // 'TERM' => $self->{pid};
    waitpid $self->{pid}, 0;

    # the other one may need it longer: it ends with who has started it
    delete $self->{redis};

    my @lines = grep { /\[(?:alert|emerg)\]/ }
                split /\n/, `cat $self->{prefix}/logs/error.log 2>/dev/null`;

    remove_tree($self->{prefix});

    if (@lines && $self->{kind} eq 'push') {
        print STDERR map { "$_\n" } @lines > 5 ? @lines[0 .. 4] : @lines;
        return 0;
    }

    return $good;
}


END {
    my $status = $?;

    for my $server (grep { $_->{owner} == $$ } @running) {
        $server->stop;
    }

    $? = $status;
}


1;
