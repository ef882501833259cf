#!/usr/bin/perl

# Origins: who is let in, what a page is told, one Vary.

use strict;
use warnings;

use IO::Socket::INET;
use Push::Test;

my $allowed = 'Authorization, Content-Type, Cache-Control, Last-Event-ID, '
              . 'Prefer, If-Match, If-None-Match, Idempotency-Key, TTL, '
              . 'Topic, Push-Event, Push-End';
my $exposed = 'ETag, Retry-After, RateLimit, RateLimit-Policy';

my $conf = <<'E2';
    gzip on;
    gzip_vary on;
    gzip_min_length 1;
    gzip_types *;

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% ssl %%H2%%;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%KEY%%;

        location = /pub { push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
        location = /both { push_publish $arg_channel;
                           push_subscribe $arg_channel; }

        location /list/ {
            push_allow_origin https://app.example.com http://[::1]:8080
                https://*.example.org "~^https?://[a-z]{3}\.example\.net$";

            location = /list/pub { push_publish $arg_channel; }
            location = /list/sub { push_subscribe $arg_channel; }
        }

        location = /self-and { push_publish $arg_channel;
                               push_allow_origin self https://x.example; }
        location = /null { push_publish $arg_channel;
                           push_allow_origin null; }
        location = /any { push_publish $arg_channel; push_allow_origin *; }
        location = /any-sub { push_subscribe $arg_channel;
                              push_allow_origin *; }
        location = /all { push_publish $arg_channel; push_allow_origin ~.; }

        location = /vary {
            push_subscribe $arg_channel;
            add_header Vary "Cookie, origin";
            add_header Vary X-Thing always;
        }
    }
E2

# curl and NGINX on HTTP/2
sub listener {
    my ($text) = @_;

    if (Push::Nginx::version() >= 1_025_001) {
        $text =~ s/%%H2%%//;
        $text =~ s/^(\s*)(ssl_certificate )/$1http2 on; $2/m;
    }

    return $text =~ s/%%H2%%/http2/r;
}

$conf = listener($conf);

my $n;

sub publish {
    my ($path, $origin, %opt) = @_;
    my @origin = ref $origin ? @$origin : defined $origin ? $origin : ();

    return $n->publish("$path?channel=" . ($opt{channel} // 'c'), 'x',
        headers => [ Host => $opt{host} // 'www.example.com',
                     map({ (Origin => $_) } @origin) ]);
}

sub subscribe {
    my ($path, $origin, %opt) = @_;

    return $n->http(HEAD => "$path?channel=c", headers => [
        Accept => 'text/event-stream', Host => $opt{host} // 'www.example.com',
        defined $origin ? (Origin => $origin) : () ]);
}

sub refused {
    my ($r, $what) = @_;

    is($r->status, 403, "$what: 403");
    is($r->header('access-control-allow-origin'), undef, "$what: no CORS");
    is($r->header('content-type'), 'application/problem+json',
       "$what: a problem") if $r->body;
    is($r->json->{type}, 'urn:ngx-push:problem:origin-not-allowed',
       "$what: slug") if $r->body;
}

sub welcome {
    my ($r, $what, $origin) = @_;

    is($r->status, $r->{opt}{method} eq 'HEAD' ? 200 : 201, "$what: let in");
    is($r->header('access-control-allow-origin'), $origin, "$what: CORS");
    is($r->header('access-control-allow-credentials'),
       defined $origin && $origin ne '*' ? 'true' : undef,
       "$what: credentials");
    is($r->header('access-control-expose-headers'),
       defined $origin ? $exposed : undef, "$what: exposed");
}

sub messages {
    my ($channel) = @_;
    my $r = $n->get("/pub?channel=$channel");
    return $r->status == 404 ? 0 : $r->json->{messages};
}

for_workers(1, 4, sub {
    $n = nginx(conf => $conf, workers => $_[0]);

    subtest 'self' => sub {
        my $o = 'https://www.example.com';

        welcome(publish('/pub'), 'no Origin');
        welcome(subscribe('/sub'), 'no Origin, SSE');
        welcome(publish('/pub', $o), 'own page', $o);
        welcome(subscribe('/sub', $o), 'own page, SSE', $o);
        welcome(publish('/pub', 'http://www.example.com'), 'other scheme',
                'http://www.example.com');
        welcome(publish('/pub', "$o:443"), 'port 443', "$o:443");
        welcome(publish('/pub', $o, host => 'WWW.example.com:80'),
                'port 80, other case', $o);
        welcome(publish('/pub', "$o:8443", host => 'www.example.com:8443'),
                'port', "$o:8443");
        welcome(publish('/pub', 'http://[::1]:81', host => '[::1]:81'), 'IPv6',
                'http://[::1]:81');

        refused(publish('/pub', $_, channel => 'never'), $_)
            for 'https://evil.example', 'https://example.com',
                'https://www.example.com.evil.example', 'null', 'NULL', '',
                'https://www.example.com:8443', 'https://www.example.com/',
                'https://u@www.example.com', 'https://', 'www.example.com',
                'https://www.example.com, https://www.example.com',
                'file://', 'https://evil.example#@www.example.com';
        refused(publish('/pub', "$o:80", host => 'www.example.com:8080'),
                'another port');
        refused(subscribe('/sub', 'https://evil.example'), 'SSE');
        refused(publish('/pub', [$o, $o]), 'two headers');
        refused(publish('/any', [$o, $o]), 'two headers are never right');

        is(messages('never'), 0, 'a refused publish has no effect');

        for my $method (qw(PUT DELETE GET)) {
            refused($n->http($method => '/pub?channel=c',
                headers => { Origin => 'https://evil.example' }), $method);
        }

        ok(messages('c') > 0, 'nothing was deleted');
    };

    subtest 'the log' => sub {
        publish('/list/pub', 'https://log.example', host => 'me.example:81');

        my ($line) = $n->log_lines(qr/push: origin .*log\.example/);
        like($line, qr/\[warn\]/, 'level');
        like($line, qr{origin "https://log\.example"}, 'the origin');
        like($line, qr{host: "me\.example:81"}, 'the host');
        like($line, qr{push_allow_origin: https://app\.example\.com http},
             'the directive');

        publish('/pub', 'https://log2.example');
        like(($n->log_lines(qr/push: origin .*log2\.example/))[0],
             qr{push_allow_origin: self,}, 'by default');
    };

    subtest 'lists' => sub {
        welcome(publish('/list/pub', $_), $_, $_)
            for 'https://app.example.com', 'https://app.example.com:443',
                'https://a.example.org', 'https://a.b.example.org',
                'http://[::1]:8080', 'HTTPS://APP.example.com',
                'http://abc.example.net', 'https://XYZ.example.net';
        welcome(subscribe('/list/sub', 'https://a.example.org'), 'SSE',
                'https://a.example.org');
        welcome(publish('/list/pub'), 'no Origin');

        refused(publish('/list/pub', $_), $_)
            for 'http://app.example.com', 'https://example.org',
                'https://aexample.org', 'https://a.example.org:444',
                'https://www.example.com', 'https://abcd.example.net',
                'https://abc.example.net:1', 'null', 'https://.example.org';

        welcome(publish('/self-and', $_), $_, $_)
            for 'https://x.example', 'http://www.example.com';
        refused(publish('/self-and', 'https://y.example'), 'neither');

        welcome(publish('/null', 'null'), 'null', 'null');
        refused(publish('/null', 'https://www.example.com'), 'not listed');

        welcome(publish('/all', 'https://anyone.example'), 'regex for all',
                'https://anyone.example');
        refused(publish('/all', 'null'), 'but null is not one');
        refused(publish('/all', 'garbage'), 'nor is garbage');

        welcome(publish('/any', $_), "anyone: $_", '*')
            for 'https://anyone.example', 'null';
        welcome(subscribe('/any-sub', 'https://anyone.example'), 'anyone, SSE',
                '*');
        welcome(publish('/any'), 'anyone, no Origin');
    };

    subtest 'preflight' => sub {
        for my $case ([ '/pub', 'GET, HEAD, POST, PUT, DELETE, OPTIONS' ],
                      [ '/sub', 'GET, HEAD, OPTIONS' ],
                      [ '/both', 'GET, HEAD, POST, PUT, DELETE, OPTIONS' ])
        {
            my ($path, $methods) = @$case;
            my @ask = (Host => 'www.example.com',
                       'Access-Control-Request-Method' => 'POST',
                       'Access-Control-Request-Headers' => 'ttl,push-event');
            my $r = $n->http(OPTIONS => "$path?channel=c", headers => [ @ask,
                Origin => 'https://www.example.com' ]);

            is($r->status, 204, "$path: preflight");
            is($r->header('access-control-allow-origin'),
               'https://www.example.com', 'origin');
            is($r->header('access-control-allow-credentials'), 'true',
               'credentials');
            is($r->header('access-control-allow-methods'), $methods, 'methods');
            is($r->header('allow'), $methods, 'Allow');
            is($r->header('access-control-allow-headers'), $allowed, 'headers');
            like($r->header('access-control-max-age'), qr/\A\d{3,5}\z/, 'age');
            is($r->header('content-length'), undef, 'no length');
            is($r->header('transfer-encoding'), undef, 'no chunks');
            like($r->header('vary'), qr/\AOrigin\b/, 'Vary');
            is($r->body, '', 'no body');

            refused($n->http(OPTIONS => "$path?channel=c", headers => [ @ask,
                Origin => 'https://evil.example' ]), "$path: preflight");

            is($n->http(OPTIONS => "$path?channel=c")->status, 204,
               "$path: OPTIONS without Origin");
        }

        my $keep = Push::HTTP->new($n->port);
        is($keep->request(OPTIONS => '/pub')->status, 204, 'keep-alive: first');
        is($keep->request(OPTIONS => '/pub', body => 'xyz')->status, 204,
           'a body');
        is($keep->request(OPTIONS => '/pub')->status, 204, 'and on');
        is($keep->{r}{requests}, 3, 'all on one connection');

        my $r = $n->http(PATCH => '/sub?channel=c', headers => {
            Origin => 'https://www.example.com', Host => 'www.example.com' });
        is($r->status, 405, 'another method');
        is($r->header('allow'), 'GET, HEAD, OPTIONS', 'Allow');
        is($r->header('access-control-allow-origin'),
           'https://www.example.com', 'a page may read why');
    };

    subtest 'errors' => sub {
        my $r = publish('/pub', 'https://www.example.com', channel => '');

        is($r->status, 400, 'a bad name');
        is($r->header('access-control-allow-origin'),
           'https://www.example.com', 'a page may read why');
        is($r->header('access-control-expose-headers'), $exposed, 'exposed');
    };

    subtest 'Vary' => sub {
        my $lines = sub {
            my ($method, $path, @headers) = @_;
            my $bytes = "$method $path HTTP/1.1\r\nHost: www.example.com\r\n"
                        . "Connection: close\r\n"
                        . join('', map { "$_\r\n" } @headers) . "\r\n";
            my $r = Push::HTTP::Response->new($n->port, 'raw',
                        request => $bytes);
            my $all = '';

            # the head as it came
            local *Push::Client::_parse = sub { $all .= $_[0]{in};
                                                $_[0]{in} = '' };
            wait_for(sub { $all =~ /\r\n\r\n/ }, 5, "the head of $path");
            $r->close;

            return [ $all =~ /^Vary: (.*?)\r$/mig ];
        };

        no warnings 'redefine';

        my @gzip = ('Accept-Encoding: gzip');

        is_deeply($lines->('GET', '/pub?channel=c'),
                  ['Origin, Accept-Encoding'], 'info, with that of gzip');
        is_deeply($lines->('GET', '/pub?channel=c', @gzip),
                  ['Origin, Accept-Encoding'], 'info in gzip');
        is_deeply($lines->('POST', '/pub?channel=c'), ['Origin'], 'publish');
        is_deeply($lines->('POST', '/pub?channel='), ['Origin'], 'problem');
        is_deeply($lines->('GET', '/pub?channel=unknown', @gzip),
                  ['Origin, Accept-Encoding'], 'not found, in gzip');
        is_deeply($lines->('OPTIONS', '/sub'), ['Origin, Accept'], 'preflight');
        is_deeply($lines->('GET', '/pub?channel=c', 'Origin: https://x.y'),
                  ['Origin, Accept-Encoding'], 'refused');

        for my $origin ('', 'Origin: https://www.example.com') {
            is_deeply($lines->('GET', '/sub?channel=c', @gzip,
                               $origin ? $origin : ()),
                      ['Origin, Accept'], 'SSE');
        }

        is_deeply($lines->('GET', '/sub?channel=c', 'Accept: image/png'),
                  ['Origin, Accept'], 'not acceptable');
        is_deeply($lines->('GET', '/sub?channel='), ['Origin, Accept'],
                  'problem of a subscription');

        is_deeply($lines->('GET', '/vary?channel=c'),
                  ['Origin, Accept, Cookie, X-Thing'],
                  'one line with add_header too, each word once');
        is_deeply($lines->('GET', '/vary?channel='),
                  ['Origin, Accept, X-Thing'], 'of an error');
        is_deeply($lines->('GET', '/none'), ['Accept-Encoding'],
                  'elsewhere it is not touched');
    };

    subtest 'HTTP/2' => sub {
        my $port = $n->port(2);
        my $url = "https://localhost:$port";
        my @curl = ('--http2', '-k', '-i', '-d', 'x');

        my $own = curl(@curl, '-H', "Origin: $url", "$url/pub?channel=c");
        like($own->{out}, qr{\AHTTP/2 201}, 'own page');
        like($own->{out}, qr{^access-control-allow-origin: \Q$url\E\r}m, 'CORS');
        is_deeply([ $own->{out} =~ /^vary: (.*?)\r$/mg ], ['Origin'], 'Vary');

        my $evil = curl(@curl, '-H', 'Origin: https://evil.example',
                        "$url/pub?channel=never");
        like($evil->{out}, qr{\AHTTP/2 403.*origin-not-allowed}s, 'another');
        is(messages('never'), 0, 'no effect');

        my $flight = curl('--http2', '-k', '-i', '-X', 'OPTIONS', '-H',
                          "Origin: $url", "$url/sub?channel=c");
        like($flight->{out}, qr{\AHTTP/2 204.*access-control-max-age: \d+}s,
             'preflight');

        my $gzip = curl('--http2', '-k', '-i', '--compressed',
                        "$url/pub?channel=c");
        is_deeply([ $gzip->{out} =~ /^vary: (.*?)\r$/mg ],
                  ['Origin, Accept-Encoding'], 'one Vary');
    };
});

subtest 'inheritance' => sub {
    $n = nginx(conf => <<'E2');
        push_allow_origin https://http.example;
        server {
            listen 127.0.0.1:%%PORT%%;
            location = /pub { push_publish c; }
        }
        server {
            listen 127.0.0.1:%%PORT2%%;
            push_allow_origin https://server.example;
            location = /pub { push_publish c; }
            location /in {
                push_allow_origin https://location.example;
                location = /in/pub { push_publish c; }
                location = /in/if { push_publish c; if ($arg_a) { set $b 1; } }
            }
        }
E2

    for (['/pub', 1, 'http'], ['/pub', 2, 'server'], ['/in/pub', 2, 'location'],
         ['/in/if', 2, 'location'], ['/in/if?a=1', 2, 'location'])
    {
        my ($path, $port, $right) = @$_;

        for my $level (qw(http server location)) {
            is($n->publish($path, 'x', port => $n->port($port),
                           headers => { Origin => "https://$level.example" })
                   ->status, $level eq $right ? 201 : 403,
               "$path of server $port: $level");
        }
    }
};

subtest 'no Host' => sub {
    $n = nginx(conf => $conf);

    like(raw($n->port, "POST /pub?channel=c HTTP/1.0\r\n"
             . "Origin: http://localhost\r\nContent-Length: 0\r\n\r\n")->status,
         qr/\A403\z/, 'then no page is our own');
    is(raw($n->port, "POST /pub?channel=c HTTP/1.0\r\nContent-Length: 0\r\n"
           . "\r\n")->status, 201, 'but there may be no page');
    is(raw($n->port, "POST http://a.example/pub?channel=c HTTP/1.0\r\n"
           . "Origin: http://a.example\r\nContent-Length: 0\r\n\r\n")
           ->status, 201, 'the host of the request line');
};

subtest 'refused with a body' => sub {
    $n = nginx(conf => $conf);
    my $keep = Push::HTTP->new($n->port);

    for my $size (0, 10, 60_000, 5) {
        my $r = $keep->request(POST => '/pub?channel=never', body => 'x' x $size,
                               headers => { Origin => 'https://evil.example' });
        is($r->status, 403, "$size bytes");
    }

    is($keep->request(POST => '/pub?channel=c', body => 'x')->status, 201,
       'the connection lives on');
    is($keep->{r}{requests}, 5, 'all on one');
    is(messages('never'), 0, 'no effect');

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->port);
    print $s "POST /pub?channel=never HTTP/1.1\r\nHost: localhost\r\n"
             . "Origin: https://evil.example\r\nExpect: 100-continue\r\n"
             . "Content-Length: 100000\r\n\r\n";
    sysread $s, my $bytes, 65536;
    like($bytes, qr{\AHTTP/1\.1 403}, 'the body is not asked for');
    close $s;
};

subtest 'configuration' => sub {
    my %cases = (
        'push_allow_origin;' => qr/invalid number of arguments/,
        'push_allow_origin example.com;' => qr/"example\.com"/,
        'push_allow_origin https://example.com/;'
            => qr{"https://example\.com/"},
        'push_allow_origin https://*;' => qr{"https://\*"},
        'push_allow_origin https://a.*.com;' => qr{"https://a\.\*\.com"},
        'push_allow_origin https://example.com:0;' => qr/"https:/,
        'push_allow_origin "";' => qr/""/,
        'push_allow_origin *.example.com;' => qr/"\*\.example\.com"/,
        'push_allow_origin * self;' => qr/"\*"/,
        'push_allow_origin https://a.example *;' => qr/"\*"/,
        'push_allow_origin ~;' => qr/"~"/,
        'push_allow_origin "~a(b";' => qr/"~a\(b"/,
        'push_allow_origin self; push_allow_origin self;' => qr/is duplicate/,
    );

    for my $line (sort keys %cases) {
        my ($good, $said) = Push::Nginx->check(conf => "server { $line }");
        ok(!$good, $line);
        like($said, qr/"push_allow_origin".*$cases{$line}.*in .*nginx\.conf:\d+|
                       $cases{$line}.*"push_allow_origin".*nginx\.conf:\d+/x,
             'directive, value, place') or diag($said);
    }

    for my $line ('self', '*', 'null', 'http://localhost:3000', 'self null',
                  'https://*.example.com:8443', '~^https://x$',
                  'chrome-extension://abc')
    {
        ok(scalar Push::Nginx->check(
            conf => "server { push_allow_origin $line; }"), $line);
    }
};

done_testing;
