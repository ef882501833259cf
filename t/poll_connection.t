#!/usr/bin/perl

# The connection of a poll: while it waits it costs little, and afterwards it
# is like any other that NGINX keeps alive.

use strict;
use warnings;

use EV;
use Push::Poll;
use Push::Test;
use Push::Ways;

# it is about connections that are given back; /off is beside them
delete $ENV{PUSH_HIBERNATE};

my $instrumented = $ENV{PUSH_ASAN} || $ENV{PUSH_COVER};

my $n;

my $locations = <<'E2';
    push_poll_timeout 20s;

    location = /pub { push_publish $arg_channel; }
    location = /sub { push_subscribe $arg_channel; }
    location = /off { push_hibernate off; push_subscribe $arg_channel; }
    location = /limit { limit_conn conns 1000; push_subscribe $arg_channel; }
    location = /basic { access_log off; stub_status; }
    location = /who { return 200 "$remote_addr:$remote_port"; }
    location = /echo { proxy_pass http://127.0.0.1:%%PORT%%/who; }
E2

my $http = <<'E2';
    push_zone push 8m;
    push_drain_window 1s;
    limit_conn_zone $server_port zone=conns:1m;
E2

sub start {
    $n = ways_nginx(locations => $locations, http => $http, @_);
}

sub publish {
    my ($channel, $body) = @_;
    my $r = $n->publish("/pub?channel=$channel", $body);

    $r->status == 201 or fail('publish: ' . $r->status . ' ' . $r->body);
    return $r->json->{id};
}

sub subscribers {
    my ($channel) = @_;
    my $r = $n->get("/pub?channel=$channel");
    return $r->status == 200 ? $r->json->{subscribers} : 0;
}

# so many wait

sub waiting {
    my ($channel, $count) = @_;
    return wait_for(sub { subscribers($channel) == $count }, 10,
                    "$count that wait");
}

# numbers of stub_status, without the request that asks

sub basic {
    my %b;

    my $text = $n->get('/basic')->body;
    @b{qw(accepts handled requests)} = $text =~ /^ (\d+) (\d+) (\d+)/m;
    @b{qw(active reading writing waiting)} = $text =~
        /connections: (\d+).*Reading: (\d+) Writing: (\d+) Waiting: (\d+)/s;
    $b{active}--;
    $b{writing}--;

    return \%b;
}


# a poll after the other on one connection

sub keeps {
    my ($what, $path, %opt) = @_;
    my $channel = delete $opt{channel};
    my $p;

    my $c = "$path?channel=$channel";
    my $next = page($n, "/sub?channel=$channel")->json->{next};

    for my $i (1 .. 20) {
        my ($path, %all) = poll_request($c, %opt, since => $next, wait => 20);

        $p = $p ? $p->again($path, %all, method => 'GET')
                : start_poll($n, $c, %opt, since => $next, wait => 20);

        waiting($channel, 1) or last;
        publish($channel, $i);
        $p->wait_end or last;
        is("@{ data_of($p) }", $i, "$what: message $i") or last;
        $next = $p->json->{next};

        # anything else in between, too

        if ($i % 4 == 0) {
            my ($who) = $p->again($i % 8 ? '/who' : '/echo', method => 'GET',
                                  headers => []);
            $who->wait_end or last;
            push @{ $p->{who} }, $who->body if $i % 8;
        }
    }

    is($p->{requests}, 25, "$what: one connection");
    is(scalar(keys %{ { map { $_ => 1 } @{ $p->{who} } } }), 1,
       "$what: of one client") or diag("@{ $p->{who} }");
    like($p->{who}[0], qr/\A127\.0\.0\.1:\d{2,5}\z/, "$what: its address");

    return $p;
}

for_workers(1, 4, sub {
    start(workers => $_[0]);

    my @kept = (
        keeps('hibernated', '/sub', channel => 'k1'),
        keeps('push_hibernate off', '/off', channel => 'k2'),
        keeps('limit_conn', '/limit', channel => 'k3'),
        keeps('TLS', '/sub', channel => 'k4', tls => 1, port => $n->port(3)),
        keeps('TLS, kept', '/off', channel => 'k5', tls => 1,
              port => $n->port(4)),
        keeps('HTTP/1.0', '/sub', channel => 'k6', http10 => 1,
              headers => { Connection => 'keep-alive' }),
    );

    # these are idle connections like any others, when it comes to a reload

    ok($n->reload, 'reload');
    ok($n->wait_old_workers(5), 'they keep no old worker');
    ok(wait_for(sub { !grep { !$_->closed } @kept }), 'they are closed');
});

# who does not want it is not kept

start(workers => 1);

for my $case ([ 'Connection: close', headers => { Connection => 'close' } ],
              [ 'HTTP/1.0', http10 => 1 ])
{
    my ($what, %opt) = @$case;
    my $p = start_poll($n, '/sub?channel=close', wait => 20, %opt);

    waiting('close', 1);
    publish('close', 'x');
    ok($p->wait_closed, "$what: closed");
    is($p->closed, 'clean', "$what: after a whole answer");
    is($p->header('connection'), 'close', "$what: it is said");
}

# what NGINX counts

{
    my $before = basic();
    my @p = map { start_poll($n, '/sub?channel=count', wait => 20) } 1 .. 10;

    waiting('count', 10);
    my $asked = basic();
    is($asked->{active} - $before->{active}, 10, 'connections');
    is($asked->{writing}, 0, 'no requests');

    publish('count', 'x');
    $_->wait_end for @p;

    ok(wait_for(sub { basic()->{waiting} == 10 }, 5, 'idle connections'),
       'idle connections');
    $asked = basic();
    is($asked->{active} - $before->{active}, 10, 'connections stay');
    is($asked->{reading} + $asked->{writing}, 0, 'no request is left');
    is($asked->{accepts}, $asked->{handled}, 'all accepted are handled');

    my $r = basic();
    my ($path, %all) = poll_request('/sub?channel=count', wait => 20,
                                    since => 'latest');
    for (1 .. 5) {
        $p[0]->again($path, %all, method => 'GET');
        waiting('count', 1);
        publish('count', 'y');
        $p[0]->wait_end;
    }

    # all other requests have a connection of their own

    my $s = basic();
    is(($s->{requests} - $r->{requests}) - ($s->{accepts} - $r->{accepts}), 5,
       'a poll is one request');

    $_->close for @p;
    ok(wait_for(sub { basic()->{active} == $before->{active} }),
       'all connections are gone');
}

# limits for what is kept alive

{
    my $n2 = nginx(conf => <<'E2');
        keepalive_requests 10;
        server {
            listen 127.0.0.1:%%PORT%%;
            keepalive_timeout 1s;
            location = /pub { push_publish $arg_channel; }
            location = /sub { push_subscribe $arg_channel; }
            location = /not { keepalive_timeout 0;
                              push_subscribe $arg_channel; }
        }
E2

    my $one = sub {
        my ($p, $path) = @_;
        my ($c, %all) = poll_request("$path?channel=a", wait => 20);

        $p = $p ? $p->again($c, %all, method => 'GET')
                : start_poll($n2, "$path?channel=a", wait => 20);
        wait_for(sub { $n2->get('/pub?channel=a')->status == 200
            && $n2->get('/pub?channel=a')->json->{subscribers} == 1 });
        $n2->publish('/pub?channel=a', 'x');
        $p->wait_end;
        return $p;
    };

    my $p;
    my $count = 0;

    while ($count < 20 && (!$p || ($p->header('connection') // '')
                                  ne 'close'))
    {
        $p = $one->($p, '/sub');
        $count++;
    }

    is($count, 10, 'keepalive_requests');
    ok($p->wait_closed, 'and it closes');

    $p = $one->(undef, '/sub');
    is($p->header('connection'), 'keep-alive', 'kept alive');
    ok($p->wait_closed(10), 'keepalive_timeout');

    $p = $one->(undef, '/not');
    is($p->header('connection'), 'close', 'keepalive_timeout 0');
    ok($p->wait_closed(10), 'closes');
}


# requests that come before the answer of the one before

sub request {
    my ($channel, $more) = @_;

    return "GET /sub?channel=$channel HTTP/1.1\r\nHost: l\r\n"
           . "Accept: application/json\r\nPrefer: wait=20\r\n"
           . ($more // '') . "\r\n";
}

sub early {
    my ($what, $how, $port, $tls) = @_;

    my $c = "$what-$how" =~ s/\W+/_/gr;
    my $first = request("${c}1");
    my $second = request("${c}2", $how eq 'large' ? 'X: ' . 'x' x 3000 . "\r\n"
                                                  : '');
    my $third = "GET /who HTTP/1.1\r\nHost: l\r\n\r\n";
    my @late;

    my $p = Push::Poll::Response->new($n->port($port), $c, tls => $tls,
        request => $how eq 'with it' ? $first . $second . $third : $first);

    ok(waiting("${c}1", 1), 'the first waits');

    if ($how eq 'after it' || $how eq 'large') {
        $p->send($second . $third);

    } elsif ($how eq 'half of it') {
        $p->send(substr $second, 0, 20);
        @late = (substr($second, 20), $third);

    } elsif ($how eq 'in pieces') {

        for (unpack '(a30)*', $second . $third) {
            $p->send($_);
            $n->get('/who');
        }
    }

    is(subscribers("${c}2"), 0, 'the second has to wait for it');
    publish("${c}1", 'for the first');
    ok($p->wait_end, 'the first is answered');
    is_deeply(data_of($p), ['for the first'], 'with its message');

    $p->next_answer;
    $p->send($_) for @late;

    ok(waiting("${c}2", 1), 'now the second waits');
    publish("${c}2", 'for the second');
    ok($p->wait_end, 'the second is answered');
    is_deeply(data_of($p), ['for the second'], 'with its message');

    ok($p->next_answer->wait_end, 'the third is answered');
    like($p->body, qr/\A127\.0\.0\.1:/, 'as usual');
    $p->close;
}

my @connections = ([ 'plain', 1 ], [ 'kept', 2 ], [ 'TLS', 3, 1 ],
                   [ 'TLS, kept', 4, 1 ]);

for_workers(1, 2, sub {
    start(workers => $_[0]);

    for (@connections) {
        my ($what, $port, $tls) = @$_;

        for my $how ('with it', 'after it', 'in pieces', 'large',
                     'half of it')
        {
            subtest "$what, $how" => sub { early($what, $how, $port, $tls) };
        }

        # who has sent more and goes away is gone all the same

        for my $how (qw(close reset)) {
            my $c = "gone-$port-$how";
            my $p = Push::Poll::Response->new($n->port($port), $c,
                        tls => $tls, request => request($c));

            waiting($c, 1);
            $p->send(request($c));
            $n->get('/who');
            $p->$how;
            ok(waiting($c, 0), "$what: $how after an early request");
        }
    }
});


# The head of an answer is made before the wait; it must be what it would have
# been.

sub head_of {
    my ($p) = @_;
    my %h = %{ $p->headers };

    delete @h{qw(date etag content-length)};
    return \%h;
}

my $heads = <<'E2';
    log_format all '$request_uri $status $push_transport $push_channels';
    gzip_vary on;
    push_poll_timeout 20s;
    charset_map koi8-r utf-8 { C1 D0B0; }

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% ssl;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%KEY%%;
        root html;

        location = /pub { push_publish $arg_channel; }

        location /h/ {
            push_subscribe $arg_channel;

            location = /h/plain { push_subscribe $arg_channel; }
            location = /h/headers {
                add_header X-Each "$arg_each $http_x_sent";
                add_header X-Channels $push_channels;
                add_header X-Transport $push_transport always;
                add_header X-Empty "";
                add_header Cache-Control private;
                push_subscribe $arg_channel;
            }
            location = /h/origin {
                push_allow_origin https://a.example https://*.b.example;
                push_subscribe $arg_channel;
            }
            location = /h/any { push_allow_origin *;
                                push_subscribe $arg_channel; }
            location = /h/expires { expires epoch;
                                    push_subscribe $arg_channel; }
            location = /h/gzip { gzip on; gzip_types *; gzip_min_length 0;
                                 push_subscribe $arg_channel; }
            location = /h/sub { sub_filter_types *; sub_filter a b;
                                push_subscribe $arg_channel; }
            location = /h/ssi { ssi on; ssi_types *;
                                push_subscribe $arg_channel; }
            location = /h/addition { addition_types *; add_after_body /after;
                                     push_subscribe $arg_channel; }
            location = /h/charset { charset utf-8; charset_types *;
                                    push_subscribe $arg_channel; }
            location = /h/recode { charset utf-8; source_charset koi8-r;
                                   charset_types *;
                                   push_subscribe $arg_channel; }
            location = /h/tokens { server_tokens off; keepalive_timeout 30s 7s;
                                   push_subscribe $arg_channel; }
            location = /h/close { keepalive_timeout 0;
                                  push_subscribe $arg_channel; }
            location = /h/auth { auth_request /yes;
                                 auth_request_set $who $upstream_http_x_who;
                                 add_header X-Who $who;
                                 push_subscribe $arg_channel; }
        }

        location = /yes { internal;
                          proxy_pass http://127.0.0.1:%%PORT%%/name; }
        location = /name { add_header X-Who "it's me"; return 204; }
        location = /after { return 200 ""; }
    }
E2

for_workers(1, 2, sub {
    $n = nginx(conf => $heads, workers => $_[0]);

    my @origin = map { (Origin => $_) } 'https://a.example';

    for my $case (
        [ 'plain' ], [ 'headers', 'X-Sent' => 'x y' ], [ 'origin', @origin ],
        [ 'origin', Origin => 'https://c.b.example' ], [ 'origin' ],
        [ 'any', @origin ], [ 'expires' ],
        [ 'gzip' ], [ 'sub' ], [ 'ssi' ], [ 'addition' ], [ 'charset' ],
        [ 'recode' ], [ 'tokens' ], [ 'close' ], [ 'auth' ],
    ) {
        my ($name, @headers) = @$case;
        my $what = @headers ? "$name, @headers" : $name;
        my $path = "/h/$name?channel=h$name";

        # one that has to wait, and one that has not

        my @opt = (headers => \@headers, since => 'latest');
        my $p = start_poll($n, $path, @opt, wait => 20);
        my $t = start_poll($n, $path, @opt, wait => 20, tls => 1,
                           port => $n->port(2));

        ok(waiting("h$name", 2), "$what: they wait");
        my $id = publish("h$name", 'a < b');
        $_->wait_end for $p, $t;

        my $now = start_poll($n, $path, headers => \@headers,
                             since => 'last:1');
        $now->wait_end;

        for my $waited ($p, $t) {
            my $way = $waited == $p ? $what : "$what, TLS";
            my ($a, $b) = (head_of($waited), head_of($now));

            # filters that change bodies have no say in what is written past
            # them, as in a stream, and so it does not say it was changed

            delete $b->{'transfer-encoding'};
            delete @$_{'vary'} for $name eq 'gzip' ? ($a, $b) : ();
            delete @$_{'content-type'} for $name eq 'recode' ? ($a, $b) : ();

            is_deeply($a, $b, "$way: the same head");
            is($waited->header('etag'), qq("$id"), "$way: ETag");
            is($waited->header('content-length'), length $waited->body,
               "$way: length");
            like($waited->header('date'), qr/ GMT\z/, "$way: Date");
            is_deeply(data_of($waited), ['a < b'], "$way: its body");
        }
    }

    # what is not asked for compressed is; an answer that waits is not

    my $p = start_poll($n, '/h/gzip?channel=z', wait => 20,
                       headers => { 'Accept-Encoding' => 'gzip' });
    waiting('z', 1);
    publish('z', 'compressible' x 100);
    $p->wait_end;
    is($p->header('content-encoding'), undef, 'not compressed');
    is_deeply(data_of($p), [ 'compressible' x 100 ], 'and so it says');

    # each its own

    my @p = map { start_poll($n, "/h/headers?channel=each&each=$_",
                  wait => 20, headers => { 'X-Sent' => "s$_" }) } 1 .. 150;
    my @same = map { start_poll($n, "/h/plain?channel=each", wait => 20) }
               1 .. 50;

    waiting('each', 200);
    publish('each', 'x');
    $_->wait_end for @p, @same;

    is(scalar(grep { $p[$_ - 1]->header('x-each') ne "$_ s$_" }
              1 .. 150), 0, 'variables are those of each request');
    is(scalar(grep { $_->header('x-channels') ne 'each'
                     || $_->header('x-transport') ne 'poll' } @p), 0,
       'ours, too');
    is(scalar(grep { defined $_->header('x-each') } @same), 0,
       'and others have none');
    is(scalar(grep { data_of($_)->[0] ne 'x' } @p, @same), 0, 'all have it');

    # over HTTP/1.0, as HTTP/1.0

    my $q = start_poll($n, '/h/plain?channel=old', wait => 20, http10 => 1);
    waiting('old', 1);
    publish('old', 'x');
    ok($q->wait_closed, 'HTTP/1.0: closed');
    is($q->header('connection'), 'close', 'as it says');

    # nothing unchanged has a body

    my $id = publish('same', 'x');
    $q = start_poll($n, '/h/headers?channel=same', since => $id, wait => 1,
                    etag => $id, headers => { 'X-Sent' => 'y' });
    ok($q->wait_end, 'a wait for nothing');
    is($q->status, 304, 'not modified');
    is($q->{reason}, 'Not Modified', 'in words');
    is($q->header('content-length'), undef, 'no length');
    is($q->header('x-transport'), 'poll', 'headers of the location');
    is($q->again("/pub?channel=same", method => 'GET')->wait_end && $q->status,
       200, 'and the next answer is in its place');
});


# who asked, when, and how it went: the log

for_workers(1, 2, sub {
    $n = nginx(workers => $_[0], conf => <<'E2');
        log_format all '$status $request_method $push_transport '
                       '$push_channels $remote_addr $arg_n';
        access_log logs/polls.log all;
        push_poll_timeout 20s;

        server {
            listen 127.0.0.1:%%PORT%%;
            location = /pub { access_log off; push_publish $arg_channel; }
            location = /sub { push_subscribe $arg_channel; }
            location = /off { push_hibernate off; push_subscribe $arg_channel; }
        }
E2

    for my $path ('/sub', '/off') {
        my $p = start_poll($n, "$path?channel=log&n=1$path", wait => 20);
        waiting('log', 1);
        publish('log', 'x');
        $p->wait_end;

        my ($again, %opt) = poll_request("$path?channel=log&n=2$path",
                                         since => 'latest', wait => 20);
        $p->again($again, %opt, method => 'GET');
        waiting('log', 1);
        publish('log', 'x');
        $p->wait_end;
        page($n, "$path?channel=log&n=3$path");
        page($n, "$path?channel=log&limit=0&n=4$path");
    }

    wait_for(sub { 8 == (() = $n->read_file('logs/polls.log') =~ /\n/g) });

    is_deeply([ sort split /\n/, $n->read_file('logs/polls.log') ],
              [ sort map { my $p = $_;
                ((map { "200 GET poll log 127.0.0.1 $_$p" } 1 .. 3),
                 "400 GET poll log 127.0.0.1 4$p") } '/sub', '/off' ],
              'one line for each');

    ok($n->wait_log(qr/poll subscriber of "log" left after \d+ s, last id [\w.]+-\d+/),
       'and the end of a wait, at info');
});


# other kinds of listening

SKIP: {
    my $six = eval { require IO::Socket::IP;
                     IO::Socket::IP->new(LocalHost => '::1', Listen => 1) };

    $n = nginx(workers => 1, conf => <<'E2' =~ s/%%SIX%%/$six ? '' : '#'/er);
        push_poll_timeout 20s;

        server {
            listen 127.0.0.1:%%PORT%%;
            listen 127.0.0.1:%%PORT2%% proxy_protocol;
            listen unix:%%PREFIX%%/sock;
            %%SIX%% listen [::1]:%%PORT3%%;

            location = /pub { push_publish $arg_channel; }
            location = /sub { push_subscribe $arg_channel; }
            location = /who { return 200 "$remote_addr\n"; }

            location = /real {
                set_real_ip_from 127.0.0.1;
                real_ip_header X-Real-IP;
                push_subscribe $arg_channel;
            }
        }
E2

    my @json = ('-H', 'Accept: application/json', '-H', 'Prefer: wait=20');

    for my $case ([ unix => '', '--unix-socket', $n->prefix . '/sock',
                    'http://localhost' ],
                  $six ? [ IPv6 => '::1', '-g', 'http://[::1]:' . $n->port(3) ]
                       : ())
    {
        my ($name, $address, @args) = @$case;
        my $url = pop @args;
        my $c = start_curl(@args, @json, "$url/sub?channel=$name",
                           '--next', '-sS', @args, "$url/who",
                           '--next', '-sS', @args, @json,
                           "$url/sub?channel=$name&since=earliest");

        ok(waiting($name, 1), "$name: it waits");
        publish($name, "over $name");
        ok($c->wait(20), "$name: all is answered");
        like($c->out, qr/"over $name".*?\}(?:unix:|\Q$address\E)\n\{.*"over $name"/s,
             "$name: before and after") or diag($c->out . $c->err);
    }

    # an address that a proxy has told

    my $hello = "PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n";
    my $get = "GET /sub?channel=proxy HTTP/1.1\r\nHost: l\r\n"
              . "Accept: application/json\r\nPrefer: wait=20\r\n\r\n";
    my $p = Push::Poll::Response->new($n->port(2), 'proxy',
                                      request => $hello . $get);

    waiting('proxy', 1);
    publish('proxy', 'x');
    ok($p->wait_end, 'proxy_protocol');
    is_deeply(data_of($p), ['x'], 'its message');
    $p->again('/who', method => 'GET')->wait_end;
    is($p->body, "127.0.0.1\n", 'and goes on');

    $p = start_poll($n, '/real?channel=real', wait => 20,
                    headers => { 'X-Real-IP' => '192.0.2.7' });
    waiting('real', 1);
    publish('real', 'x');
    ok($p->wait_end, 'realip');
    $p->again('/who', method => 'GET')->wait_end;
    is($p->body, "127.0.0.1\n", 'only for that request');
}


# what one that waits costs

sub memory {
    my $sum = 0;

    for my $pid ($n->workers) {
        my $status = Push::Nginx::_slurp("/proc/$pid/status");
        $sum += $1 if $status =~ /^RssAnon:\s+(\d+) kB/m;
    }

    return $sum * 1024;
}

SKIP: {
    skip 'memory of an instrumented build', 1 if $instrumented;

    $n = nginx(workers => 1, conf => <<'E2');
        error_log logs/error.log notice;
        push_zone push 4m;
        push_poll_timeout 60s;

        server {
            listen 127.0.0.1:%%PORT%%;
            keepalive_timeout 60s;
            location = /pub { push_publish $arg_channel; }
            location = /sub { push_subscribe $arg_channel; }
            location = /basic { access_log off; stub_status; }
        }
E2

    my $one = start_poll($n, '/sub?channel=memory', wait => 60);
    waiting('memory', 1);

    my $before = memory();
    my @p = map { start_poll($n, '/sub?channel=memory', wait => 60) } 1 .. 2000;

    ok(waiting('memory', 2001), '2,000 wait');
    is(basic()->{writing}, 0, 'without requests');

    my $each = (memory() - $before) / 2000;
    note(sprintf '%d bytes each', $each);
    cmp_ok($each, '<', 1024, 'less than 1 KiB each');

    publish('memory', 'x' x 1000);
    ok(wait_for(sub { !grep { !$_->ended } $one, @p }), 'all are answered');
    is(scalar(grep { $_->status != 200 || length data_of($_)->[0] != 1000 } @p),
       0, 'with the message');
    ok(wait_for(sub { basic()->{waiting} == 2001 }), 'and idle');

    note(sprintf '%d bytes each when idle', (memory() - $before) / 2000);

    # over the same connections again

    my ($path, %opt) = poll_request('/sub?channel=memory', since => 'latest',
                                    wait => 60);

    for my $round (1 .. 2) {
        $_->again($path, %opt, method => 'GET') for $one, @p;
        ok(waiting('memory', 2001), "2,000 wait, round $round");
        publish('memory', 'y' x 1000);
        ok(wait_for(sub { !grep { !$_->ended } $one, @p }), 'all are answered');
    }

    ok($n->reload, 'reload');
    ok($n->wait_old_workers(5), 'idle connections keep no worker');
    ok(wait_for(sub { !grep { !$_->closed } @p }), 'they are closed');
}

done_testing;
