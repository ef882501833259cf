#!/usr/bin/perl

# Errors that other modules make in front of our handlers: an overload is a
# retry for a client that speaks SSE, a page of NGINX is a problem document.

use strict;
use warnings;

use Push::Answer;
use Push::Test;

my $conf = <<'E2';
    limit_req_zone $arg_key zone=req:1m rate=1r/m;
    limit_conn_zone $arg_key zone=conn:1m;
    push_retry 2s 3s;
    charset_map koi8-r utf-8 { 65 C385; }

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% ssl %%H2%%;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%KEY%%;

        location = /req/sub { limit_req zone=req; push_subscribe $arg_channel; }
        location = /req/pub { limit_req zone=req; push_publish $arg_channel; }
        location = /req/429 { limit_req zone=req; limit_req_status 429;
                              push_subscribe $arg_channel;
                              push_publish $arg_channel; }
        location = /conn/sub { limit_conn conn 1; push_subscribe $arg_channel; }
        location = /conn/pub { limit_conn conn 1; push_publish $arg_channel; }

        location = /auth/sub { auth_request /auth; push_subscribe c; }
        location = /auth/pub { auth_request /auth; push_publish c; }

        location = /auth {
            internal;
            if ($http_x_code = 401) { return 401; }
            if ($http_x_code = 403) { return 403; }
            if ($http_x_code = 429) { return 429; }
            if ($http_x_code = 500) { return 500; }
            if ($http_x_code = 502) { return 502; }
            if ($http_x_code = 503) { return 503; }
            if ($http_x_code = 504) { proxy_pass http://127.0.0.1:%%PORT9%%; }
            if ($http_x_code = 200) { return 200; }
        }

        location = /return/sub { set $c $arg_code; include codes;
                                 push_subscribe c; }
        location = /return/pub { set $c $arg_code; include codes;
                                 push_publish c; }
        location = /return/both { set $c $arg_code; include codes;
                                  push_publish c; push_subscribe c; }
        location = /text/sub { push_subscribe c; return 503 "a text"; }
        location = /text/pub { push_publish c;
                               default_type text/html; return 503 "a text"; }

        location = /deny/sub { deny all; push_subscribe c; }
        location = /deny/pub { deny all; push_publish c; }
        location = /basic/sub { auth_basic r; auth_basic_user_file users;
                                push_subscribe c; }
        location = /basic/pub { auth_basic r; auth_basic_user_file users;
                                push_publish c; }
        location = /big/pub { client_max_body_size 10; push_publish c; }
        location = /big/sub { client_max_body_size 10; push_subscribe c; }
        location = /inside { internal; push_publish c; }
        location = /except { limit_except POST { deny all; } push_publish c; }
        location = /any { satisfy any; deny all; auth_basic r;
                          auth_basic_user_file users; push_publish c; }

        location = /origin { push_allow_origin https://a.example;
                             limit_req zone=req; push_subscribe c;
                             push_publish c; }
        location = /retry { push_retry 7s; limit_req zone=req;
                            push_subscribe c; }
        location = /never { push_retry 60s;
                            if ($arg_a) { set $b 1; }
                            return 503; push_subscribe c; }
        location = /moved { push_subscribe c; rewrite ^ /elsewhere last; }
        location = /elsewhere { return 503; }
        location = /plain { return 503; }

        location = /ok/sub { push_subscribe $arg_channel; }
        location = /ok/pub { push_publish $arg_channel; }

        location /filters/ {
            gzip on; gzip_vary on; gzip_min_length 1; gzip_types *;
            gzip_http_version 1.0;
            sub_filter_types *; sub_filter_once off; sub_filter e XX;
            addition_types *; add_before_body /before; add_after_body /before;
            ssi on; ssi_types *;
            charset utf-8; source_charset koi8-r; charset_types *;
            override_charset on;
            add_header X-Ours yes; add_header X-Always yes always;

            location = /filters/sub { limit_req zone=req; push_subscribe c; }
            location = /filters/pub { limit_req zone=req; push_publish c; }
        }

        location = /before { return 200 "before"; }
    }
E2

my $codes = join '', map { "if (\$c = $_) { return $_; }\n" }
    400, 401, 403, 404, 405, 406, 409, 410, 413, 418, 429, 500 .. 505, 507;

$conf =~ s/include codes;/$codes/g;

if (Push::Nginx::version() >= 1_025_001) {
    $conf =~ s/%%H2%%//;
    $conf =~ s/^(\s*)(ssl_certificate )/$1http2 on; $2/m;
}

$conf =~ s/%%H2%%/http2/;

my @SSE = (Accept => 'text/event-stream');

my ($n, $key);

sub start {
    my (%opt) = @_;

    $n = nginx(conf => $conf, start => 0, %opt);
    $n->write_file('users', "u:{PLAIN}p
");
    $n->start;
}

# a key whose limit is used up: the first request is let in
sub used_up {
    my ($path, %opt) = @_;

    $key = 'k' . ++(our $serial);
    $n->http($opt{method} // 'HEAD' => "$path?channel=c&key=$key",
             body => $opt{body}, headers => { @SSE, %{ $opt{headers} // {} } });

    return "$path?channel=c&key=$key";
}

for_workers(1, 4, sub {
    start(workers => $_[0]);

    subtest 'limit_req' => sub {
        is_retry($n->get(used_up('/req/sub'), headers => { @SSE }), 'SSE');
        is_retry($n->get(used_up('/req/429'), headers => { @SSE }), '429');
        is_retry($n->get(used_up('/req/sub')), 'no Accept');
        is_retry($n->get(used_up('/req/sub'), headers => { Accept => '*/*' }),
                 'any');
        is_retry($n->get(used_up('/req/sub') . '&transport=sse',
                 headers => { Accept => 'text/html' }), 'by the query');
        is_retry($n->http(HEAD => used_up('/req/sub')), 'HEAD');
        is_retry($n->get(used_up('/req/sub'), http10 => 1), 'HTTP/1.0');

        is_problem($n->get(used_up('/req/sub'),
            headers => { Accept => 'text/html' }), 'another client', 503,
            'unavailable');
        is_problem($n->get(used_up('/req/429'),
            headers => { Accept => 'application/json' }), '429', 429,
            'limit-reached');
        is_problem($n->publish(used_up('/req/pub', method => 'POST',
            body => 'x'), 'x'), 'publish', 503, 'unavailable');
        is_problem($n->publish(used_up('/req/429'), 'x',
            headers => { @SSE }), 'publish in a location of both', 429,
            'limit-reached');

        my %seen;
        my $path = used_up('/req/sub');
        $seen{ is_retry($n->get($path), 'once more') }++ for 1 .. 20;
        ok(keys %seen > 5, 'the time is random');

        is_retry($n->get(used_up('/retry')), 'push_retry',
                 retry => [7000, 7000]);
    };

    subtest 'limit_conn' => sub {
        my $c = $n->sse('/conn/sub?channel=c&key=x');
        $c->wait_subscribed;

        is_retry($n->get('/conn/sub?channel=c&key=x'), 'SSE');
        is_problem($n->publish('/conn/pub?channel=c&key=x', 'x'), 'publish',
                   503, 'unavailable');

        is($n->publish('/conn/pub?channel=c&key=y', 'still there')->status,
           201, 'another one may');
        ok($c->wait_messages(1), 'the subscriber is there');
        $c->close;

        ok(wait_for(sub {
            my $r = $n->sse('/conn/sub?channel=c&key=x');
            my $in = wait_for(sub { $r->event('push.subscribed')
                                    || $r->ended && 'no' });
            $r->close;
            return $in ne 'no';
        }), 'when it has gone the next is let in');
    };

    subtest 'auth_request' => sub {
        my $ask = sub {
            my ($method, $path, $code) = @_;
            return $n->http($method => $path, body => 'x',
                            headers => { @SSE, 'X-Code' => $code });
        };

        for my $code (429, 500, 502, 503, 504) {
            is_retry($ask->(GET => '/auth/sub', $code), "it says $code");
            is_problem($ask->(POST => '/auth/pub', $code), "it says $code",
                       500, 'internal-error');
        }

        for (['/auth/sub', 'GET'], ['/auth/pub', 'POST']) {
            my ($path, $method) = @$_;
            is_problem($ask->($method, $path, 401), $path, 401, 'unauthorized');
            is_problem($ask->($method, $path, 403), $path, 403, 'forbidden');
        }

        is($ask->(POST => '/auth/pub', 200)->status, 201, 'let in');
    };

    subtest 'access' => sub {
        for my $case (['/deny/sub', 'GET', 403, 'forbidden'],
                      ['/deny/pub', 'POST', 403, 'forbidden'],
                      ['/basic/sub', 'GET', 401, 'unauthorized'],
                      ['/basic/pub', 'POST', 401, 'unauthorized'],
                      ['/inside', 'POST', 404, 'not-found'],
                      ['/except', 'PUT', 403, 'forbidden'],
                      ['/any', 'POST', 401, 'unauthorized'])
        {
            my ($path, $method, $status, $slug) = @$case;
            my $r = $n->http($method => $path, headers => { @SSE },
                             $method eq 'GET' ? () : (body => 'x'));

            is_problem($r, $path, $status, $slug);
            is($r->header('www-authenticate'),
               $status == 401 ? 'Basic realm="r"' : undef,
               "$path: WWW-Authenticate");
            is_problem($n->http(HEAD => $path), "HEAD $path", $status, $slug)
                unless $method eq 'POST' && $path eq '/any';
        }

        my @user = (headers => { Authorization => 'Basic dTpw' });
        is($n->publish('/basic/pub', 'x', @user)->status, 201, 'let in');
        is($n->publish('/any', 'x', @user)->status, 201, 'any: let in');

        is_problem($n->publish('/big/pub', 'x' x 11), 'Content-Length', 413,
                   'message-too-large');
        is_problem($n->http(GET => '/big/sub', body => 'x' x 11), 'a subscriber',
                   413, 'message-too-large');
        is_problem(raw($n->port, "POST /big/pub HTTP/1.1\r\nHost: l\r\n"
            . "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n"
            . 'x' x 255 . "\r\n0\r\n\r\n", method => 'POST'), 'chunks', 413,
            'message-too-large');
        is($n->publish('/big/pub', 'x' x 10)->status, 201, 'not too large');
    };

    subtest 'NGINX itself' => sub {
        is_retry($n->get("/return/sub?code=$_"), "return $_")
            for 429, 500, 502, 503, 504;
        is_retry($n->get("/return/both?code=$_"), "both: return $_")
            for 429, 500, 502, 503, 504;
        is_retry($n->get('/text/sub'), 'return with a text');
        is_retry($n->get("/never$_"), "with if$_", retry => [60000, 60000])
            for '', '?a=1';

        my %slugs = (400 => 'bad-request', 401 => 'unauthorized',
            403 => 'forbidden', 404 => 'not-found', 405 => 'method-not-allowed',
            406 => 'not-acceptable', 409 => 'bad-request', 410 => 'bad-request',
            413 => 'message-too-large', 418 => 'bad-request',
            429 => 'limit-reached', 503 => 'unavailable');

        for my $code (sort keys %slugs, 500, 501, 502, 504, 505, 507) {
            my $slug = $slugs{$code} // 'internal-error';

            is_problem($n->publish("/return/pub?code=$code", 'x'),
                       "publish, return $code", $code, $slug);
            is_problem($n->publish("/return/both?code=$code", 'x',
                headers => { @SSE }), "both, return $code", $code, $slug);
            is_problem($n->get("/return/sub?code=$code",
                headers => { Accept => 'text/html' }),
                "subscribe, return $code", $code, $slug);
            is_problem($n->get("/return/sub?code=$code"),
                "SSE, return $code", $code, $slug)
                unless $code =~ /429|50[0234]/;
        }

        my $r = $n->publish('/text/pub', 'x');
        is($r->status, 503, 'a text of the configuration');
        is($r->body, 'a text', 'stays what it is');

        $r = $n->get('/plain', headers => { @SSE });
        is($r->status, 503, 'another location');
        like($r->body, qr/<html>/, 'stays what it is');

        $r = $n->get('/moved', headers => { @SSE });
        is($r->status, 503, 'a rewrite to another location');
        like($r->body, qr/<html>/, 'is no business of ours');
    };

    subtest 'origins' => sub {
        my @a = (headers => { @SSE, Origin => 'https://a.example' });
        my @b = (headers => { @SSE, Origin => 'https://b.example' });
        my $path = used_up('/origin');

        my $r = $n->get($path, @a);
        is_retry($r, 'allowed');
        is($r->header('access-control-allow-origin'), 'https://a.example',
           'CORS');
        is($r->header('access-control-allow-credentials'), 'true',
           'credentials');

        $r = $n->get($path, @b);
        is_retry($r, 'not allowed');
        is($r->header('access-control-allow-origin'), undef, 'no CORS');

        $r = $n->publish($path, 'x', @a);
        is_problem($r, 'publish', 503, 'unavailable');
        is($r->header('access-control-allow-origin'), 'https://a.example',
           'CORS');
        like($r->header('access-control-expose-headers'), qr/Retry-After/,
             'a page may read Retry-After');

        $r = $n->publish('/deny/pub', 'x', @a);
        is($r->header('access-control-allow-origin'), undef, 'no CORS');
        is($r->header('vary'), 'Origin', 'Vary');
    };

    subtest 'filters' => sub {
        my @gzip = (headers => { @SSE, 'Accept-Encoding' => 'gzip' });
        my $path = used_up('/filters/sub');

        for my $http10 (0, 1) {
            my $r = $n->get($path, @gzip, http10 => $http10);
            is_retry($r, 'SSE', chunked => 1, http10 => $http10);
            is($r->header('x-ours'), 'yes', 'add_header');
        }

        my $r = $n->publish(used_up('/filters/pub', method => 'POST',
                            body => 'x'), 'x');
        is($r->status, 503, 'problem');
        is($r->header('x-ours'), undef, 'add_header of errors');
        is($r->header('x-always'), 'yes', 'always');
    };

    subtest 'HTTP/2' => sub {
        my $url = 'https://localhost:' . $n->port(2);
        my $get = sub {
            return curl('--http2', '-k', '-i', '-H',
                        'Accept: text/event-stream', @_)->{out};
        };

        my $path = used_up('/req/sub');
        my $out = $get->("$url$path");
        like($out, qr{\AHTTP/2 200}, 'SSE: 200');
        like($out, qr{^content-type: text/event-stream\r$}m, 'SSE: type');
        like($out, qr{^content-length: 13\r$}m, 'SSE: length');
        like($out, qr{^cache-control: no-store, no-transform\r$}m,
             'SSE: not cached');
        like($out, qr{\r\n\r\nretry: (?:2\d\d\d|3000)\n\n\z}, 'SSE: body');
        like($get->('-I', "$url$path"), qr{\AHTTP/2 200 .*\r\n\r\n\z}s, 'HEAD');
        like($get->("$url/deny/sub"),
             qr{\AHTTP/2 403 .*\r\n\r\n\{"type":"urn:.*:forbidden".*\}\z}s,
             'deny');
        like($get->('-d', 'x' x 100_000, "$url/deny/pub"),
             qr{\AHTTP/2 403 .*forbidden".*\}\z}s, 'deny with a body');
        like($get->('-H', 'X-Code: 503', "$url/auth/sub"), qr/\r\n\r\nretry: \d+\n\n\z/,
             'auth_request');

        my $both = curl('--http2', '-k', "$url$path", "$url$path");
        like($both->{out}, qr/\A(retry: \d+\n\n){2}\z/, 'one connection');
    };

    subtest 'bodies and connections' => sub {
        my $keep = Push::HTTP->new($n->port);
        my $path = used_up('/req/pub', method => 'POST', body => 'x');

        for my $size (1, 60_000, 0, 900_000, 7) {
            is_problem($keep->request(POST => $path, body => 'x' x $size),
                       "$size bytes", 503, 'unavailable');
        }

        is($keep->{r}{requests}, 5, 'one connection');

        $path = used_up('/req/sub');
        $keep = Push::HTTP->new($n->port);
        is_retry($keep->request(GET => $path, headers => { @SSE }), "get $_")
            for 1 .. 5;
        is($keep->{r}{requests}, 5, 'one connection');

        my $c = sse($n->port, $path);
        $c->wait_end;
        is_deeply($c->events, [], 'an event stream without an event');
        is_deeply($c->unknown, [], 'and without anything else');
        is($c->status, 200, 'that is 200');
    };

    subtest 'the logs' => sub {
        $n->get('/return/sub?code=502&log=me', headers => { @SSE });

        like(($n->log_lines(qr/502 becomes a retry/))[0], qr/\[info\]/,
             'the cause is logged');
        ok(wait_for(sub { $n->access_log =~ m{log=me HTTP/1.1" 200 } }),
           'the status is what was sent');

        $n->publish('/deny/pub?log=me', 'x');
        ok(wait_for(sub { $n->access_log =~ m{log=me HTTP/1.1" 403 } }),
           'as of a problem');
    };

    subtest 'our own answers' => sub {
        my $r = $n->publish('/ok/pub?channel=', 'x');
        is_problem($r, 'a bad channel', 400, 'bad-channel');
        is_problem($n->get('/ok/pub?channel=none'), 'unknown', 404,
                   'unknown-channel');

        my $c = $n->sse('/ok/sub?channel=c');
        ok($c->wait_subscribed, 'a subscriber is not touched');
        $c->close;
    };
});

done_testing;
