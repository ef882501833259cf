#!/usr/bin/perl

# One location, many transports: which one a request gets, and what it is told
# when it can get none.

use strict;
use warnings;

use Push::Answer;
use Push::Test;
use Push::Ways;

my $locations = <<'E2';
    add_header X-Transport $push_transport always;
    limit_req_status 429;

    location = /pub { push_publish $arg_channel; }
    location = /sub { push_subscribe $arg_channel; }
    location = /both { push_subscribe $arg_channel; push_publish $arg_channel; }

    location = /sse { push_transports sse; push_subscribe c; }
    location = /websocket { push_transports websocket; push_subscribe c; }
    location = /ndjson { push_transports ndjson; push_subscribe c; }
    location = /poll { push_transports poll; push_subscribe c; }
    location = /streams { push_transports ndjson sse; push_subscribe c; }
    location = /rest { push_transports poll websocket ndjson;
                       push_subscribe c; }

    location = /req/503 { limit_req zone=req; limit_req_status 503;
                          push_subscribe c; }
    location = /req/429 { limit_req zone=req; push_subscribe c; }
    location = /req/rest { limit_req zone=req; push_subscribe c;
                           push_transports poll ndjson websocket; }
    location = /return/503 { push_subscribe c; return 503; }
    location = /return/502 { push_subscribe c; return 502; }
    location = /auth { auth_request /no; push_subscribe c; }
    location = /no { internal; return 504; }

    location = /before { addition_types *; add_before_body /part;
                         default_type text/plain; return 200 "after"; }
    location = /asks { auth_request /part; push_publish c; }
    location = /part { internal; push_subscribe part; }

    location = /app { proxy_pass http://127.0.0.1:%%PORT%%/inside; }
    location = /inside { add_header X-Accel-Redirect /internal?channel=$arg_a;
                         return 200; }
    location = /internal { internal; push_subscribe $arg_channel; }
E2

my $http = 'limit_req_zone $arg_key zone=req:1m rate=1r/m;';

my @upgrade = (Upgrade => 'websocket', Connection => 'Upgrade',
               'Sec-WebSocket-Version' => 13,
               'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==');

my %types = (sse => 'text/event-stream', ndjson => 'application/x-ndjson',
             poll => 'application/json');

my ($n, $key);

sub subscribers {
    my ($channel) = @_;
    my $r = $n->get("/pub?channel=$channel");
    return $r->status == 200 ? $r->json->{subscribers} : 0;
}

# (the transport it gets, or the status of the refusal; the answer)

sub got {
    my ($path, @headers) = @_;

    my $r = Push::HTTP::Response->new($n->port, $path, headers => \@headers);
    $r->wait_head;

    my $got = $r->status == 200 || $r->status == 101
              ? $r->header('x-transport') : $r->status;

    # what the header says, the rest of the answer does, too

    if ($types{$got}) {
        is($r->header('content-type'), $types{$got}, "$got: its type");

    } elsif ($got eq 'websocket') {
        is($r->status, 101, 'switching protocols');

    } else {
        $r->wait_end;
        is($r->header('content-type'), 'application/problem+json',
           "$got: a problem");
    }

    is($r->header('vary'), 'Origin, Accept', 'Vary') unless $r->status == 101;
    $r->close;

    return wantarray ? ($got, $r) : $got;
}


my $sse = 'text/event-stream';
my $lines = 'application/x-ndjson';
my $page = 'application/json';

my @accept = (
    [ undef, 'sse' ], [ '', 'sse' ], [ '*/*', 'sse' ], [ '*', 'sse' ],
    [ $sse, 'sse' ], [ $lines, 'ndjson' ], [ $page, 'poll' ],
    [ 'text/*', 'sse' ], [ 'Application/JSON', 'poll' ],
    [ "$page; charset=utf-8", 'poll' ],

    # order, where nothing else decides
    [ "$page, $sse", 'poll' ], [ "$sse, $page", 'sse' ],
    [ "$lines,$page,$sse", 'ndjson' ], [ "$page,$lines,$sse", 'poll' ],
    [ "image/png, $page", 'poll' ], [ "$page, */*", 'poll' ],

    # quality
    [ "$page;q=0.9, $lines;q=0.95, $sse;q=0.1", 'ndjson' ],
    [ "$sse;q=0.1, $page;q=0.2", 'poll' ],
    [ "$page;q=0.001, $sse;q=0", 'poll' ],
    [ "*/*;q=0.1, $page", 'poll' ], [ "$page;q=0.1, */*", 'sse' ],
    [ "$page;q=0.1, */*;q=0.2, $sse;q=0.05", 'ndjson' ],
    [ "$page ; q=0.5 ,$lines ;\tq=0.6", 'ndjson' ],
    [ "$page;q=0.500, $sse;q=0.5", 'poll' ],
    [ "$page;Q=0.5, $sse;q=0.4", 'poll' ],
    [ "$page;x=\"a,$sse;q=1\";q=0.3, $lines;q=0.2", 'poll' ],
    [ "text/html, image/gif, *; q=.2, */*; q=.2", 'sse' ],

    # excluded
    [ "$sse;q=0", 406 ], [ 'image/png', 406 ], [ 'text/plain', 406 ],
    [ "$sse;q=0, $lines;q=0, $page;q=0, */*", 406 ], [ '*/*;q=0', 406 ],
    [ "$sse;q=0, */*", 'ndjson' ], [ "$sse;q=0.0, $lines;q=0.000, */*", 'poll' ],
    [ "*/*;q=0, $page", 'poll' ], [ "text/*;q=0, */*;q=0.1", 'ndjson' ],
    [ "text/*, $sse;q=0", 406 ], [ 'application/xhtml+xml, image/webp', 406 ],
    [ 'image/png, */*;q=0.01', 'sse' ],
);

for_workers(1, 4, sub {
    $n = ways_nginx(locations => $locations, http => $http, workers => $_[0],
                    allow => [qr/part of another response/]);

    subtest 'Accept' => sub {
        for (@accept) {
            my ($accept, $want) = @$_;

            is(got('/sub?channel=a', defined $accept ? (Accept => $accept) : ()),
               $want, 'Accept: ' . ($accept // 'none'));
        }

        is(got('/sub?channel=a', Accept => "$page;q=0.1",
               Accept => "$lines;q=0.2"), 'ndjson', 'two lines are one list');
    };

    subtest 'transport' => sub {
        for my $name (qw(sse ndjson poll)) {
            is(got("/sub?channel=a&transport=$name", Accept => $_), $name,
               "$name, Accept: $_") for '*/*', 'image/png', $lines, "$sse;q=0";
            is(got("/sub?channel=a&transport=$name", @upgrade), $name,
               "$name, for an upgrade, too");
        }

        is(got('/sub?channel=a', @upgrade), 'websocket', 'an upgrade');
        is(got('/sub?channel=a', @upgrade, Accept => $page), 'websocket',
           'counts more than Accept');
        is(got('/sub?channel=a', @upgrade, Accept => 'image/png'), 'websocket',
           'whatever that is');
        is(got('/sub?channel=a&transport=websocket', @upgrade), 'websocket',
           'asked for twice');
        is(got('/sub?channel=a', @upgrade[2 .. $#upgrade], Upgrade => 'h2c'),
           'sse', 'an upgrade to something else');

        is(got("/sub?channel=a&transport=$_", Accept => $sse), 406, "no $_")
            for qw(SSE nonsense ss ssee longpoll);

        my ($status, $r) = got('/sub?channel=a&transport=websocket');
        is($status, 426, 'a WebSocket without an upgrade');
        is($r->header('upgrade'), 'websocket', 'Upgrade');
        is($r->json->{type}, 'urn:ngx-push:problem:upgrade-required', 'slug');
    };

    subtest 'push_transports' => sub {
        my %want = (
            '/sse'       => [qw(sse   406 406 406       sse)],
            '/websocket' => [qw(426   426 426 websocket 426)],
            '/ndjson'    => [qw(406   ndjson 406 406    ndjson)],
            '/poll'      => [qw(406   406 poll 406      poll)],
            '/streams'   => [qw(sse   ndjson 406 406    sse)],
            '/rest'      => [qw(406   ndjson poll websocket ndjson)],
        );

        for my $path (sort keys %want) {
            my @got = ((map { scalar got($path, Accept => $_) }
                        $sse, $lines, $page), scalar got($path, @upgrade),
                       scalar got($path));

            is("@got", "@{ $want{$path} }", "$path: by headers");

            is(got("$path?transport=$_"), $want{$path}[ {sse => 0, ndjson => 1,
                poll => 2}->{$_} ] =~ /\A\d/ ? 406 : $_, "$path: by ?$_")
                for qw(sse ndjson poll);
            is(got("$path?transport=websocket", @upgrade),
               $want{$path}[3] eq 'websocket' ? 'websocket' : 406,
               "$path: by ?websocket");
        }

        my ($status, $r) = got('/websocket');
        is($r->header('upgrade'), 'websocket', '426: Upgrade');
        is($r->json->{status}, 426, 'in the document');

        ($status, $r) = got('/sse', Accept => $page);
        is($r->json->{type}, 'urn:ngx-push:problem:not-acceptable', '406: slug');
        is($r->header('upgrade'), undef, '406: no Upgrade');
    };

    subtest 'methods' => sub {
        my @each = ([ Accept => $sse ], [ Accept => $lines ],
                    [ Accept => $page ], [ Accept => $page,
                      Prefer => 'wait=20' ], [@upgrade]);

        for my $headers (@each) {
            my $name = "@$headers[0, 1, 2 .. ($#$headers < 3 ? $#$headers : 3)]";

            for my $method (qw(POST PUT DELETE PATCH MKCOL)) {
                my $r = $n->http($method => '/sub?channel=m',
                                 headers => $headers);

                is_problem($r, "$method, $name", 405, 'method-not-allowed');
                is($r->header('allow'), 'GET, HEAD, OPTIONS', 'Allow');
            }

            my $r = $n->http(OPTIONS => '/sub?channel=m', headers => $headers);
            is($r->status, 204, "OPTIONS, $name");

            next if $headers->[0] eq 'Upgrade';

            $r = $n->http(HEAD => '/sub?channel=m', headers => $headers);
            is($r->status, 200, "HEAD, $name");
            is($r->header('content-type'), $headers->[1], 'type');
            is($r->header('vary'), 'Origin, Accept', 'Vary');
            like($r->header('cache-control'), qr/\Ano-store/, 'not cached');
            is($r->body, '', 'no body');
        }

        is($n->http(HEAD => '/sub?channel=m', headers => \@upgrade)->status,
           400, 'HEAD cannot be upgraded');
        is($n->get("/pub?channel=m")->status, 404, 'nobody was there');

        is($n->http(HEAD => '/sub?channel=m&since=x', headers => [
            Accept => $_ ])->status, $_ eq $sse ? 200 : 400, "HEAD, $_, a bad id")
            for $sse, $lines, $page;

        is($n->publish('/both?channel=b', 'x', headers => { Accept => $page })
           ->status, 201, 'in a location of both POST publishes');
        is($n->http(HEAD => '/both?channel=b', headers => { Accept => $page })
           ->status, 200, 'and HEAD subscribes');
    };

    # what a browser gives up for is told to no client that speaks SSE; all
    # others are told the truth

    subtest 'overload' => sub {
        my $used = sub {
            my ($path) = @_;
            $key = 'k' . ++(our $serial);
            $n->http(HEAD => "$path?key=$key", headers => [ Accept => '*/*' ]);
            return "$path?key=$key";
        };

        for my $status (503, 429) {
            my $path = "/req/$status";
            my $slug = $status == 503 ? 'unavailable' : 'limit-reached';

            is_retry($n->get($used->($path), headers => [ Accept => $_ ]),
                     "$status, $_", retry => [1000, 5000])
                for $sse, '*/*', "$page;q=0.5, $sse";
            is_retry($n->get($used->($path) . '&transport=sse',
                             headers => [ Accept => $page, @upgrade ]),
                     "$status, ?transport=sse", retry => [1000, 5000]);

            is_problem($n->get($used->($path), headers => [ Accept => $_ ]),
                       "$status, $_", $status, $slug)
                for $lines, $page, "$sse;q=0.1, $page", "$sse;q=0, */*";
            is_problem($n->get($used->($path), headers => [
                Accept => $page, Prefer => 'wait=9' ]), "$status, a wait",
                $status, $slug);
            is_problem($n->get($used->($path) . "&transport=$_",
                headers => [ Accept => $sse ]), "$status, ?$_", $status, $slug)
                for qw(ndjson poll);
            is_problem($n->get($used->($path), headers => [ @upgrade,
                Accept => $_ ]), "$status, an upgrade", $status, $slug)
                for $sse, '*/*';
        }

        is_problem($n->get($used->('/req/rest'), headers => [ Accept => $_ ]),
                   "without SSE, $_", 429, 'limit-reached') for '*/*', $page;

        is_retry($n->get("/return/$_", headers => [ Accept => $sse ]),
                 "return $_, SSE", retry => [1000, 5000]) for 503, 502;
        is($n->get("/return/$_", headers => [ Accept => $lines ])->status, $_,
           "return $_, NDJSON") for 503, 502;
        is_retry($n->get('/auth'), 'auth_request', retry => [1000, 5000]);
        is_problem($n->get('/auth', headers => [ Accept => $page ]),
                   'auth_request, a page', 500, 'internal-error');
    };

    # a part of another response can be none of ours

    subtest 'subrequests' => sub {
        my $r = $n->get('/before', headers => [ Accept => $page ]);
        unlike($r->body, qr/messages/, 'no page in a page');

        is($n->publish('/asks', 'x', headers => { Accept => $page })->status,
           500, 'a subscriber answers no auth_request');
        is(scalar($n->log_lines(qr/cannot be a part of another response/)), 2,
           'why, in the log');
        is(subscribers('part'), 0, 'nobody is left');
    };

    # an application lets a client in, and NGINX goes on from there

    subtest 'X-Accel-Redirect' => sub {
        for my $accept ($sse, $lines) {
            my $r = Push::HTTP::Response->new($n->port, '/app?a=x',
                        headers => [ Accept => $accept ]);

            $r->wait_head;
            is($r->header('content-type'), $accept, $accept);
            $r->wait_body(qr/subscribed/);
            is($n->publish('/pub?channel=x', "for $accept")->status, 201,
               'published');
            ok($r->wait_body(qr/for \Q$accept\E/), 'a message');
        }

        is(scalar got('/app?a=x', @upgrade), 'websocket', 'websocket');

        my $p = Push::HTTP::Response->new($n->port, '/app?a=y', headers => [
            Accept => $page, Prefer => 'wait=20' ]);
        ok(wait_for(sub { subscribers('y') == 1 }), 'a poll waits');
        $n->publish('/pub?channel=y', 'for the poll');
        ok($p->wait_end, 'it is answered');
        is($p->json->{messages}[0]{data}, 'for the poll', 'with the message');
        is($p->header('x-accel-redirect'), undef, 'and nothing of the app');
    };
});


# the same over all ways to a client

$n = ways_nginx(locations => $locations, http => $http);

for_ways($n, sub {
    my ($way, $channel) = @_;

    for my $case ([ '/sub', $sse, 200, $sse ], [ '/sub', $lines, 200, $lines ],
                  [ '/sub', $page, 200, $page ], [ '/sub', '*/*', 200, $sse ],
                  [ '/sub', 'image/png', 406 ], [ '/poll', $sse, 406 ],
                  [ '/poll', '*/*', 200, $page ], [ '/websocket', $sse, 426 ])
    {
        my ($path, $accept, $status, $type) = @$case;

        my $c = $way->sse("$path?channel=$channel", method => 'HEAD',
                          headers => [ Accept => $accept ]);

        ok($c->wait_head, "$path, $accept: an answer");
        is($c->status, $status, "$path, $accept: $status");
        is($c->header('content-type'), $type // 'application/problem+json',
           'type');
        is($c->header('vary'), 'Origin, Accept', 'Vary');
        is($c->header('upgrade'), $way->is_http2 || $status != 426 ? undef
                                                                : 'websocket',
           'Upgrade, where there is one');
    }

    # nothing is upgraded where that cannot be

    my $c = $way->sse("/sub?channel=$channel", headers => [
        @upgrade, Accept => $sse ]) unless $way->is_http2;

    if ($c) {
        $c->wait_head;
        is($c->status, $way->is_http10 ? 200 : 101, 'an upgrade');
    }
});

done_testing;
