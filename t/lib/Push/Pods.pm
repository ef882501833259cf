package Push::Pods;

# Several NGINX with the module on one Redis: pods.
#
#   my $redis = Push::Redis->new;
#   my @pods = pods($redis, 2, workers => 2);

use strict;
use warnings;

use Exporter 'import';
use Push::Client;
use Push::Nginx;

our @EXPORT = qw(pods pod backplane wait_up wait_down);

my $conf = <<'E';
    push_redis %s;
    push_drain_window 1s;
    push_retry 100ms 200ms;

    server {
        listen 127.0.0.1:%%%%PORT%%%% sndbuf=32k;

        push_client_subscribe **;
        push_client_publish **;

        location = /pub { push_publish $arg_channel; }
        location = /few { push_publish $arg_channel; push_history 3; }
        location = /brief { push_publish $arg_channel; push_history 100 2s; }
        location = /none { push_publish $arg_channel; push_history off; }
        location = /long { push_publish $arg_channel; push_history 10000; }
        location = /sub { push_subscribe $arg_channel; }
        location = /earliest {
            push_subscribe $arg_channel;
            push_start earliest;
        }
        location = /status { push_status; }
    }
E


# pod($redis, workers => 2, redis => 'more parameters', more => 'lines in
# http', url => 'another URL'): started, and up unless up => 0

sub pod {
    my ($redis, %opt) = @_;

    my $url = delete $opt{url} // 'redis://127.0.0.1:' . $redis->port;
    my $parameters = delete $opt{redis} // '';
    my $more = delete $opt{more} // '';
    my $up = delete $opt{up} // 1;

    my $n = Push::Nginx->new(conf => sprintf($conf, "$url $parameters") . $more,
                             %opt);

    wait_up($n) if $up;

    return $n;
}

sub pods {
    my ($redis, $count, %opt) = @_;
    return map { pod($redis, %opt) } 1 .. $count;
}


# what the status says of it

sub backplane {
    my ($n) = @_;
    return $n->get('/status')->json->{zones}[0]{backplane};
}

# it hears Redis, and its workers get answers

sub wait_up {
    my ($n, $timeout) = @_;
    my $good = 0;

    return Push::Client->run_until(sub {
        my $ok = backplane($n)->{up}
                 && $n->get('/pub?channel=wait_up')->status == 404;

        return ($good = $ok ? $good + 1 : 0) >= 8 * $n->{workers};
    }, $timeout // 20, 'the backplane to be up');
}

sub wait_down {
    my ($n, $timeout) = @_;

    return Push::Client->run_until(sub { !backplane($n)->{up} },
                                   $timeout // 20, 'the backplane to be down');
}


1;
