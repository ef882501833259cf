#!/usr/bin/perl

# Errors of push_subscribe locations that error_page takes elsewhere: it is
# still the client of that location, and if it speaks SSE it is to come back.

use strict;
use warnings;

use Push::Answer;
use Push::Test;

my $conf = <<'E2';
    push_retry 2s 3s;

    server {
        listen 127.0.0.1:%%PORT%%;
        error_page 500 502 503 504 /50x.html;
        error_page 403 /403.html;
        root %%PREFIX%%/html;

        location = /sub { set $c $arg_code; include codes; push_subscribe c; }
        location = /pub { set $c $arg_code; include codes; push_publish c; }
        location = /both { set $c $arg_code; include codes;
                           push_publish c; push_subscribe c; }
        location = /50x.html { expires 1h; etag on; add_header X-Page yes;
                               gzip_static on; }

        location = /moved { push_subscribe c; rewrite ^ /elsewhere last; }
        location = /elsewhere { return 503; }

        location = /named { push_retry 7s; push_allow_origin https://a.example;
                            error_page 503 @down; error_page 502 = @down;
                            error_page 500 =200 @up; error_page 504 @proxy;
                            error_page 429 = @proxy;
                            set $c $arg_code; include codes;
                            push_subscribe c; }
        location @down { push_retry 60s; return 503 "down"; }
        location @up { return 200 "up"; }
        location @proxy { proxy_pass http://127.0.0.1:%%PORT2%%; }

        location = /missing { error_page 503 /nowhere.html;
                              set $c $arg_code; include codes;
                              push_subscribe c; }
        location = /away { error_page 503 http://other.example/;
                           set $c $arg_code; include codes;
                           push_subscribe c; }
        location = /cycle { error_page 503 /cycle; recursive_error_pages on;
                            if ($http_x_code = 503) { return 503; }
                            push_subscribe c; }
        location = /into { error_page 503 /cycle; return 503; }
    }

    # a page of another server, longer than all buffers

    server {
        listen 127.0.0.1:%%PORT2%%;
        root %%PREFIX%%/html;

        location / {
            error_page 503 /long.html;
            add_header Retry-After 120 always;
            add_header Cache-Control "public, max-age=60" always;
            add_header Access-Control-Allow-Origin "*" always;
            return 503;
        }

        location = /long.html { add_header Cache-Control public always;
                                add_header ETag x always;
                                add_header Vary Cookie always;
                                add_header Access-Control-Allow-Origin "*"
                                           always; }
    }
E2

my $codes = join '', map { "if (\$c = $_) { return $_; }\n" }
    403, 429, 500, 502 .. 504;

$conf =~ s/include codes;/$codes/g;

my @SSE = (Accept => 'text/event-stream');

for_workers(1, 4, sub {
    my $n = nginx(conf => $conf, start => 0, workers => $_[0]);

    $n->write_file('html/50x.html', "<html>a page for people</html>\n" x 100);
    $n->write_file('html/50x.html.gz', 'not really gzip');
    $n->write_file('html/403.html', "<html>forbidden</html>\n");
    $n->write_file('html/long.html', '<html>' . 'long ' x 400_000);
    $n->start;

    is_retry($n->get("/sub?code=$_"), "a file for $_", cache => 1)
        for 500, 502, 503, 504;
    is_retry($n->get('/sub?code=503', headers => { @SSE,
        Range => 'bytes=0-3', 'If-Modified-Since' =>
        'Sat, 01 Jan 2050 00:00:00 GMT', 'Accept-Encoding' => 'gzip',
        'If-None-Match' => '*' }), 'a range of it', cache => 1);
    is_retry($n->http(HEAD => '/sub?code=503'), 'HEAD', cache => 1);
    is_retry($n->get('/sub?code=429'), 'no page for this one');
    is_retry($n->get('/both?code=503'), 'both', cache => 1);

    like($n->get('/sub?code=503')->header('cache-control'),
         qr/\Ano-store, no-transform\b/, 'expires does not win');

    is_retry($n->get('/sub?code=503&transport=sse',
        headers => { Accept => 'text/html' }), 'by the query', cache => 1);

    for (['/sub?code=503', 'GET', Accept => 'text/html'],
         ['/pub?code=503', 'POST', @SSE], ['/both?code=503', 'POST', @SSE])
    {
        my ($path, $method, @headers) = @$_;
        my $r = $n->http($method => $path, headers => { @headers });
        is($r->status, 503, "$method $path");
        like($r->body, qr/a page for people/, 'the page of the user');
    }

    my $r = $n->get('/sub?code=403', headers => { @SSE });
    is($r->status, 403, '403 with a page');
    like($r->body, qr/forbidden/, 'stays');

    $r = $n->get('/moved', headers => { @SSE });
    is($r->status, 503, 'an error elsewhere');
    like($r->body, qr/a page for people/, 'is no business of ours');

    is_retry($n->get("/named?code=$_"), "named, $_",
             retry => [7000, 7000])
        for 502, 503, 504, 429;

    $r = $n->get('/named?code=500');
    is($r->status, 200, '=200');
    is($r->body, 'up', 'is an answer');

    $r = $n->get('/named?code=504', headers => { @SSE,
                 Origin => 'https://a.example' });
    is($r->header('access-control-allow-origin'), 'https://a.example',
       'the origins of the first location, once');
    is($r->header('vary'), 'Origin, Accept, Cookie', 'one Vary');

    is($n->get('/missing?code=503')->status, 404, 'no such page');
    is($n->get('/away?code=503')->status, 302, 'to another host');
    is_retry($n->get('/cycle', headers => { @SSE, 'X-Code' => 503 }),
             'a cycle');

    my $c = $n->sse('/into');
    ok($c->wait_subscribed, 'an error that leads to a subscription');
    is($c->status, 200, 'is none any more');
    $c->close;

    my $keep = Push::HTTP->new($n->port);
    is_retry($keep->request(GET => "/named?code=504", headers => { @SSE }),
             "keep-alive $_", retry => [7000, 7000]) for 1 .. 3;
    is($keep->{r}{requests}, 3, 'on one connection');
});

done_testing;
