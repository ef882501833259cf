#!/usr/bin/perl

# An idle subscriber costs its connection and little more; where somebody
# else needs the request it is kept, and all goes on as before.

use strict;
use warnings;

use IO::Socket::INET;

use Push::Test;

my $asan = $ENV{PUSH_ASAN} || $ENV{PUSH_COVER};

my $conf = <<'E2';
    limit_conn_zone $server_port zone=conns:1m;
    error_log logs/error.log notice;
    log_format address "$remote_addr";

    push_zone push 4m;
    push_hibernate %%HIBERNATE%%;

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% ssl;
        listen 127.0.0.1:%%PORT3%% proxy_protocol;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%KEY%%;

        location = /pub { push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
        location = /basic { access_log off; stub_status; }

        location = /limit_conn {
            limit_conn conns 1000;
            push_subscribe $arg_channel;
        }

        location = /auth {
            auth_request /yes;
            auth_request_set $who $upstream_http_x_who;
            add_header X-Who $who;
            push_subscribe $arg_channel;
        }
        location = /yes { internal; proxy_pass http://127.0.0.1:%%PORT%%/who; }
        location = /who { add_header X-Who me; return 204; }

        location = /auth_return { auth_request /ok; push_subscribe $arg_channel; }
        location = /ok { internal; return 204; }

        location = /realip {
            set_real_ip_from 127.0.0.1;
            real_ip_header X-Real-IP;
            access_log logs/address.log address;
            push_subscribe $arg_channel;
        }

        location = /proxied {
            set_real_ip_from 127.0.0.1;
            real_ip_header proxy_protocol;
            access_log logs/address.log address;
            push_subscribe $arg_channel;
        }

        location = /headers {
            add_header X-A b;
            expires -1;
            set $v $arg_channel;
            if ($arg_channel = no) { return 404; }
            push_subscribe $v;
        }

        location = /mirror { mirror /mirrored; push_subscribe $arg_channel; }
        location = /mirrored { internal;
                               proxy_pass http://127.0.0.1:%%PORT%%/who; }

        location = /mirror_slow { mirror /silent; push_subscribe $arg_channel; }
        location = /silent { internal; proxy_pass http://127.0.0.1:%%PORT4%%; }

        location = /off { push_hibernate off; push_subscribe $arg_channel; }
    }
E2

sub conf { return $conf =~ s/%%HIBERNATE%%/$_[0]/r }

sub memory {
    my ($n) = @_;
    my $sum = 0;

    for my $pid ($n->workers) {
        my $status = Push::Nginx::_slurp("/proc/$pid/status");
        $sum += $1 if $status =~ /^RssAnon:\s+(\d+) kB/m;
    }

    return $sum * 1024;
}

# requests that NGINX holds, but for the one that asks

sub requests {
    my ($n) = @_;
    return $n->get('/basic')->body =~ /Writing: (\d+)/ ? $1 - 1 : -1;
}

sub subscribers {
    my ($n, $channel) = @_;
    my $r = $n->get("/pub?channel=$channel");
    return $r->status == 200 ? $r->json->{subscribers} : 0;
}


# what a subscriber costs: beside one that was there before

sub cost {
    my ($what, $hibernate, $count, %opt) = @_;

    my $n = nginx(conf => conf($hibernate), workers => 1);
    my $port = $opt{tls} ? $n->port(2) : $n->port;

    my $one = sse($port, '/sub?channel=a', %opt);
    $one->wait_subscribed;

    my $before = memory($n);

    my @c = map { sse($port, '/sub?channel=a', keep => 0, %opt) } 1 .. $count;
    $_->wait_subscribed for @c;

    is(subscribers($n, 'a'), $count + 1, "$what: $count subscribers");
    is(requests($n), $hibernate eq 'on' ? 0 : $count + 1, "$what: requests");

    my $bytes = (memory($n) - $before) / $count;

    $n->publish('/pub?channel=a', 'x' x 1000);
    $_->wait_messages(1) for @c;
    is(scalar(grep { $_->received != 1 } @c), 0, "$what: a message for each");

    my $after = (memory($n) - $before) / $count;

    note(sprintf '%s: %d bytes each, %d after a message', $what, $bytes,
         $after);

    $_->close for @c, $one;
    ok(wait_for(sub { subscribers($n, 'a') == 0 }), "$what: all gone");
    ok($n->finish, "$what: clean end");

    return $bytes > $after ? $bytes : $after;
}

SKIP: {
    skip 'memory of an instrumented build', 1 if $asan;

    cmp_ok(cost('hibernated', 'on', 2000), '<', 1024, 'less than 1 KiB each');
    cmp_ok(cost('kept', 'off', 500), '>', 4096, 'a request costs more');

    my $tls = cost('TLS, hibernated', 'on', 200, tls => 1);
    my $kept = cost('TLS, kept', 'off', 200, tls => 1);

    cmp_ok($kept - $tls, '>', 10_000, 'TLS: request and buffer are let go');
}


# what holds a request, and what does not

for_workers(1, 4, sub {
    my $n = nginx(conf => conf('on'), workers => $_[0]);

    for (
        [ '/sub', 0 ], [ '/headers', 0 ], [ '/auth', 0 ], [ '/auth_return', 0 ],
        [ '/realip', 0, headers => { 'X-Real-IP' => '192.0.2.7' } ],
        [ '/mirror', 0 ], [ '/limit_conn', 1 ], [ '/off', 1 ],
        [ '/proxied', 0, port => $n->port(3), proxy => 1 ],
        [ '/sub', 0, port => $n->port(2), tls => 1 ],
        [ '/limit_conn', 1, port => $n->port(2), tls => 1 ],
        [ '/auth', 0, port => $n->port(2), tls => 1 ],
        [ '/realip', 0, port => $n->port(2), tls => 1,
          headers => { 'X-Real-IP' => '192.0.2.7' } ],
    ) {
        my ($path, $kept, %opt) = @$_;
        my $channel = 'c' . substr $path, 1;
        my $name = $path . ($opt{tls} ? ' over TLS' : '');

        if (delete $opt{proxy}) {
            $opt{request} = "PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n"
                            . "GET $path?channel=$channel HTTP/1.1\r\n"
                            . "Host: a\r\n\r\n";
        }

        my @c = map { $n->sse("$path?channel=$channel", %opt) } 1 .. 5;
        $_->wait_subscribed for @c;

        is($c[0]->status, 200, "$name: 200");
        ok(wait_for(sub { requests($n) == 5 * $kept }, 10),
           "$name: " . ($kept ? 'kept' : 'let go'));

        $n->publish("/pub?channel=$channel", $_) for 1 .. 3;
        $_->wait_messages(3) for @c;
        is_deeply([ map { @{ $_->data } } @c ], [ (1, 2, 3) x 5 ],
                  "$name: messages");

        $c[0]->close;
        $c[1]->reset;
        ok(wait_for(sub { subscribers($n, $channel) == 3 }), "$name: 3 are left");

        $n->delete("/pub?channel=$channel");
        $_->wait_closed for @c;
        is(scalar(grep { $_->closed ne 'clean' } @c[2 .. 4]), 0, "$name: ends");
        ok(wait_for(sub {
            requests($n) == 0 && subscribers($n, $channel) == 0
        }), "$name: nothing is left");
    }

    my $logged = sub { $n->read_file('logs/address.log') };

    wait_for(sub { $logged->() =~ tr/\n// == 15 });
    is($logged->(), "192.0.2.7\n" x 15,
       'the address of the client is in the log');

    # somebody who is busy with the request for long does not hold the stream

    my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8,
                                       LocalPort => $n->port(4));
    my $c = $n->sse('/mirror_slow?channel=slow');
    $c->wait_subscribed;
    $n->publish('/pub?channel=slow', 'x');
    ok($c->wait_messages(1, 10), 'delivered though the mirror is not done');

    $n->publish('/pub?channel=slow', 'y');
    ok($c->wait_messages(2), 'and more');
    $c->close;
    ok(wait_for(sub { subscribers($n, 'slow') == 0 }), 'gone');
});

done_testing;
