#!/usr/bin/perl

# Publishing: every method, every answer, one channel and several.

use strict;
use warnings;

use Push::Test;

my $id = qr/[A-Za-z0-9._-]{23}/;
my $time = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;
my $methods = 'GET, HEAD, POST, PUT, DELETE, OPTIONS';

my $conf = <<'E';
    limit_req_zone $server_port zone=limit:64k rate=1r/m;

    server {
        listen 127.0.0.1:%%PORT%%;

        location = /pub { push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
        location = /both {
            push_publish $arg_channel;
            push_subscribe $arg_channel;
        }

        location = /readers {
            limit_except GET { allow 127.0.0.2; deny all; }
            push_publish $arg_channel;
            push_subscribe $arg_channel;
            push_history 1;
        }

        location = /three { push_publish one "two" $arg_channel; }
        location = /small {
            push_publish $arg_channel;
            push_max_message_size 100;
        }

        location = /deny { deny all; push_publish $arg_channel; }
        location = /auth {
            auth_basic x;
            auth_basic_user_file %%PREFIX%%/nobody;
            push_publish $arg_channel;
        }
        location = /limit {
            limit_req zone=limit;
            limit_req_status 429;
            push_publish $arg_channel;
        }
        location = /limit503 {
            limit_req zone=limit;
            push_publish $arg_channel;
        }
        location = /broken {
            auth_request /nothing;
            push_publish $arg_channel;
        }
    }
E

my $n;

sub publish { return $n->publish("/pub?channel=$_[0]", @_[1 .. $#_]) }
sub info    { return $n->get("/pub?channel=$_[0]") }

# all that is kept, as a late subscriber gets it

sub kept {
    my ($channel) = @_;
    my $count = (info($channel)->json // {})->{messages} // 0;
    my $c = $n->sse("/sub?channel=$channel&since=earliest");

    $c->wait_subscribed;
    $c->wait_messages($count);
    $c->close;

    return $c->data;
}

# an answer to a publish: status, type, members, ETag

sub published {
    my ($r, $channel, $subscribers, $what, $status) = @_;
    my $json = $r->json;

    is($r->status, $status // 201, "$what: status");
    is($r->header('content-type'), 'application/json', "$what: type");
    is($r->header('cache-control'), 'no-store', "$what: not to be cached");
    like($json->{id} // '', qr/\A$id\z/, "$what: id");
    is($r->body, "{\"channel\":\"$channel\",\"id\":\"$json->{id}\","
                 . "\"subscribers\":$subscribers}", "$what: body");
    is($r->header('etag'), "\"$json->{id}\"", "$what: ETag");

    return $json->{id};
}

sub problem {
    my ($r, $status, $title, $slug, $detail, $more) = @_;

    is($r->status, $status, "$slug: status");
    is($r->header('content-type'), 'application/problem+json', "$slug: type");
    is($r->header('cache-control'), 'no-store', "$slug: not to be cached");
    is($r->header('etag'), undef, "$slug: no ETag");
    is($r->body, "{\"type\":\"urn:ngx-push:problem:$slug\","
                 . "\"title\":\"$title\",\"status\":$status,"
                 . "\"detail\":\"$detail\"" . ($more // '') . '}',
       "$slug: document");
    is($r->header('content-length'), length $r->body, "$slug: length");
}

sub seq { return $_[0] =~ /-(\d+)\z/ ? $1 + 0 : -1 }

for_workers(1, 2, 4, sub {
    my ($workers) = @_;

    $n = nginx(conf => $conf, workers => $workers);
    $n->write_file('nobody', '');

    subtest 'POST and PUT' => sub {
        my $first = published(publish('a', 'one'), 'a', 0, 'unknown channel');
        my $second = published($n->http(PUT => '/pub?channel=a', body => 'two'),
                               'a', 0, 'PUT');
        my $third = published(publish('a', ''), 'a', 0, 'empty body');
        my $fourth = published(raw($n->port, "POST /pub?channel=a HTTP/1.1\r\n"
            . "Host: localhost\r\nConnection: close\r\n\r\n"), 'a', 0,
            'no length at all');

        is_deeply([ map { seq($_) } $first, $second, $third, $fourth ],
                  [ 1 .. 4 ], 'numbers grow by one');
        is_deeply(kept('a'), [ 'one', 'two', '', '' ], 'all are kept');

        my $r = raw($n->port, "POST /pub?channel=old HTTP/1.0\r\n"
                    . "Content-Length: 2\r\n\r\nhi");
        published($r, 'old', 0, 'HTTP/1.0');
        is_deeply(kept('old'), ['hi'], 'its body');
    };

    subtest 'subscribers are counted over all workers' => sub {
        my @clients = map { $n->sse('/sub?channel=many') } 1 .. 5 * $workers;
        $_->wait_subscribed for @clients;

        my $all = @clients;

        my $id = published(publish('many', 'x'), 'many', $all, 'POST');
        is(info('many')->json->{subscribers}, $all, 'GET');

        $_->wait_messages(1) for @clients;
        is_deeply([ map { $_->data->[0] . $_->last_id } @clients ],
                  [ ("x$id") x $all ], 'each has it, with its id');

        $_->close for @clients[0 .. 4];
        ok(wait_for(sub {
            info('many')->json->{subscribers} == $all - 5
        }), 'those that went are not counted');
    };

    subtest 'GET and HEAD' => sub {
        my $before = time;
        my $first = publish('info', 'abc')->json->{id};
        my $last = publish('info', 'defgh')->json->{id};
        my $r = info('info');

        is($r->status, 200, 'status');
        is($r->header('content-type'), 'application/json', 'type');
        is($r->header('etag'), "\"$last\"", 'ETag');
        like($r->body, qr/\A\{"channel":"info","id":"\Q$last\E",
             "oldest":"\Q$first\E","messages":2,"bytes":8,"subscribers":0,
             "created":"$time","last_publish":"$time","ended":false\}\z/x,
             'members in their order');

        my $json = $r->json;
        ok($json->{created} le $json->{last_publish}, 'created comes first');

        my @t = gmtime $before;
        my $then = sprintf '%d-%02d-%02dT%02d:%02d:%02d', $t[5] + 1900,
                           $t[4] + 1, @t[3, 2, 1, 0];
        ok($json->{created} ge $then, "it is UTC, and now: $json->{created}");

        my $head = $n->http(HEAD => '/pub?channel=info');
        is($head->status, 200, 'HEAD');
        is($head->body, '', 'no body');
        is_deeply([ map { $head->header($_) }
                    qw(content-type content-length etag) ],
                  [ map { $r->header($_) }
                    qw(content-type content-length etag) ], 'same headers');

        problem(info('never'), 404, 'Not Found', 'unknown-channel',
                'there is no such channel');

        $head = $n->http(HEAD => '/pub?channel=never');
        is($head->status, 404, 'HEAD of an unknown one');
        is($head->body, '', 'no body');

        for my $header ('If-None-Match', 'If-Match') {
            for my $value ("\"$last\"", '*', '"x"') {
                is($n->get('/pub?channel=info',
                           headers => { $header => $value })->status, 200,
                   "$header: $value does not matter to GET");
            }
        }

        my $c = $n->sse('/sub?channel=listened');
        $c->wait_subscribed;
        $json = info('listened')->json;
        is_deeply([ @$json{qw(id oldest messages bytes subscribers
                              last_publish)} ],
                  [ undef, undef, 0, 0, 1, undef ],
                  'a subscriber makes a channel, with nothing in it');
        is(info('listened')->header('etag'), undef, 'no id, no ETag');
        like(info('listened')->body, qr/"id":null,"oldest":null,.*
             "last_publish":null,"ended":false/x, 'null');
        $c->close;
    };

    subtest 'DELETE' => sub {
        publish('gone', $_) for 1 .. 3;

        my @clients = map { $n->sse('/sub?channel=gone') } 1 .. 5;
        $_->wait_subscribed for @clients;

        my $r = $n->delete('/pub?channel=gone');
        is($r->status, 200, 'status');
        is($r->header('content-type'), 'application/json', 'type');
        is($r->body, '{"channel":"gone","subscribers":5}', 'body');
        is($r->header('etag'), undef, 'no ETag');

        for my $c (@clients) {
            $c->wait_end;
            is($c->event('push.closed')->{data},
               '{"channel":"gone","reason":"deleted"}', 'told');
            ok($c->ended, 'ended');
        }

        ok(wait_for(sub { info('gone')->status == 404 }), 'unknown then');
        problem($n->delete('/pub?channel=gone'), 404, 'Not Found',
                'unknown-channel', 'there is no such channel');
        problem($n->delete('/pub?channel=never'), 404, 'Not Found',
                'unknown-channel', 'there is no such channel');

        my $again = publish('gone', 'x')->json->{id};
        is(info('gone')->json->{messages}, 1, 'a new life');
        is_deeply(kept('gone'), ['x'], 'and nothing of the old one');
    };

    subtest 'delete and publish in the same moment' => sub {
        my $keep = Push::HTTP->new($n->port);
        my $first = $keep->request(POST => '/pub?channel=d', body => 'old')
            ->json->{id};
        $keep->request(DELETE => '/pub?channel=d');
        my $second = $keep->request(POST => '/pub?channel=d', body => 'new')
            ->json->{id};

        isnt($first, $second, 'no id comes twice');

        my $c = $n->sse("/sub?channel=d&since=$first");
        $c->wait_messages(1);

        my $gap = decode_json($c->event('push.gap')->{data});
        is_deeply($gap, { channel => 'd', requested => $first,
                          oldest => $second, reason => 'unknown' }, 'told');
        is_deeply($c->data, ['new'], 'and what there is');
        is_deeply([ map { $_->{event} } @{ $c->events } ],
                  [ 'push.subscribed', 'push.gap', 'message' ],
                  'in this order');
        $c->close;
    };

    subtest 'OPTIONS' => sub {
        my $r = $n->http(OPTIONS => '/pub?channel=o');

        is($r->status, 204, 'status');
        is($r->body, '', 'no body');
        is($r->header('allow'), $methods, 'Allow');
        is($n->http(OPTIONS => '/pub')->status, 204, 'no channel is needed');
        is(info('o')->status, 404, 'nothing is made');
    };

    subtest 'other methods' => sub {
        for my $method (qw(PATCH MKCOL COPY MOVE PROPFIND LOCK UNLOCK
                           PROPPATCH)) {
            my $r = $n->http($method => '/pub?channel=never', body => 'x');

            problem($r, 405, 'Method Not Allowed', 'method-not-allowed',
                    'the method is not one of those in Allow');
            is($r->header('allow'), $methods, "$method: Allow");
        }

        my $r = $n->http(FOO => '/pub?channel=never');
        ok($r->status == 405 || $r->status == 501, 'unknown method');
        is(info('never')->status, 404, 'no effect');
    };

    subtest 'several channels' => sub {
        my $c = $n->sse('/sub?channel=m2');
        $c->wait_subscribed;

        publish('m1', 'before');

        my $r = publish('m1,m2,m3', 'all');
        my @ids = map { $_->{id} } @{ $r->json };

        is($r->status, 201, 'status');
        is($r->body, '[' . join(',', map {
            "{\"channel\":\"m$_\",\"id\":\"$ids[$_ - 1]\",\"subscribers\":"
            . ($_ == 2 ? 1 : 0) . '}' } 1 .. 3) . ']', 'an array, in order');
        is($r->header('etag'), undef, 'no ETag');
        is_deeply([ map { seq($_) } @ids ], [ 2, 1, 1 ], 'numbers');

        $c->wait_messages(1);
        is_deeply($c->data, ['all'], 'a subscriber of one of them');
        is($c->last_id, $ids[1], 'with its id');

        is_deeply([ map { kept("m$_") } 1 .. 3 ],
                  [ [ 'before', 'all' ], ['all'], ['all'] ], 'kept in each');

        is_deeply([ map { $_->{channel} } @{ publish('x,y,x,y', '')->json } ],
                  [ 'x', 'y' ], 'named twice counts once');
        is(publish('x,x', '')->json->{channel}, 'x',
           'one name twice is one channel');

        $r = $n->publish('/three?channel=m4,m5', 'x');
        is_deeply([ map { $_->{channel} } @{ $r->json } ],
                  [qw(one two m4 m5)], 'several arguments');

        $r = $n->get('/pub?channel=m1,never,m3');
        is($r->status, 200, 'GET');
        is_deeply([ map { $_ && "$_->{channel} $_->{messages}" }
                    @{ $r->json } ], [ 'm1 2', undef, 'm3 1' ],
                  'null for the unknown one');
        is($r->header('etag'), undef, 'no ETag');
        problem($n->get('/pub?channel=never,nope'), 404, 'Not Found',
                'unknown-channel', 'there is no such channel');

        $r = $n->delete('/pub?channel=never,m1,m2');
        is($r->status, 200, 'DELETE');
        is($r->body, '[null,{"channel":"m1","subscribers":0},'
                     . '{"channel":"m2","subscribers":1}]', 'array');
        $c->wait_event('push.closed');
        is(info('m1')->status, 404, 'deleted');
        problem($n->delete('/pub?channel=never,m1'), 404, 'Not Found',
                'unknown-channel', 'there is no such channel');
        is(info('m3')->json->{messages}, 1, 'no other one');
    };

    subtest 'all or none' => sub {
        publish('end', 'x', headers => { 'Push-End' => 'true' });
        publish('one', 'x');

        my $before = info('one')->body;

        problem(publish('one,new,end', 'y'), 409, 'Conflict', 'channel-sealed',
                'the channel has ended', ',"channel":"end"');
        problem($n->publish('/small?channel=one,new', 'y' x 101), 413,
                'Content Too Large', 'message-too-large',
                'the message is larger than push_max_message_size');
        problem(publish('one,new,bad%25', 'y'), 400, 'Bad Request',
                'bad-channel', 'bad channel name');
        problem(publish('new,one', 'y', headers => { 'If-None-Match' => '*' }),
                412, 'Precondition Failed', 'precondition-failed',
                "the channel's last id is another",
                ",\"channel\":\"one\",\"id\":\"" . info('one')->json->{id}
                . '"');
        problem(publish('one,new', 'y', headers => { 'If-Match' => 'x' }),
                400, 'Bad Request', 'bad-header',
                'If-Match needs a single channel');

        is(info('one')->body, $before, 'the first has no message more');
        is(info('new')->status, 404, 'the second does not exist');
    };

    subtest 'problems' => sub {
        problem($n->publish('/pub', 'x'), 400, 'Bad Request', 'bad-channel',
                'no channel is named');
        problem(publish('p', 'x', headers => { TTL => 'soon' }), 400,
                'Bad Request', 'bad-header', 'TTL is not a number of seconds');
        problem($n->publish('/deny?channel=p', 'x'), 403, 'Forbidden',
                'forbidden', 'this client is not let in');

        my $r = $n->publish('/auth?channel=p', 'x');
        problem($r, 401, 'Unauthorized', 'unauthorized',
                'credentials are needed');
        is($r->header('www-authenticate'), 'Basic realm="x"', 'and the way');

        problem(publish('p', 'x', headers => { Origin => 'http://evil' }),
                403, 'Forbidden', 'origin-not-allowed',
                $n->publish('/pub?channel=p', 'x',
                            headers => { Origin => 'http://evil' })
                    ->json->{detail});

        is($n->publish('/limit?channel=q', 'x')->status, 201, 'limit: once');

        for (['/limit', 429, 'Too Many Requests', 'limit-reached',
              'too many requests, try again later'],
             ['/limit503', 503, 'Service Unavailable', 'unavailable',
              'not available now, try again later'])
        {
            my ($path, @rest) = @$_;
            $r = $n->publish("$path?channel=p", 'x');
            problem($r, @rest);
            like($r->header('retry-after') // '', qr/\A\d+\z/, 'Retry-After');
        }

        problem($n->publish('/broken?channel=p', 'x'), 500,
                'Internal Server Error', 'internal-error',
                'the request failed');

        is(info('p')->status, 404, 'none had an effect');
    };

    subtest 'both directives in one location' => sub {
        published($n->publish('/both?channel=b', 'one'), 'b', 0, 'POST');
        published($n->http(PUT => '/both?channel=b', body => 'two'), 'b', 0,
                  'PUT');

        my $c = $n->sse('/both?channel=b&since=earliest');
        $c->wait_messages(2);
        is_deeply($c->data, [qw(one two)], 'GET subscribes');

        my $head = $n->http(HEAD => '/both?channel=b');
        is($head->status, 200, 'HEAD');
        is($head->header('content-type'), 'text/event-stream', 'subscribes');

        is($n->http(OPTIONS => '/both?channel=b')->header('allow'), $methods,
           'OPTIONS');
        is($n->http(PATCH => '/both?channel=b')->header('allow'), $methods,
           'PATCH');

        is($n->delete('/both?channel=b')->body,
           '{"channel":"b","subscribers":1}', 'DELETE');
        $c->wait_event('push.closed');
        ok($c->event('push.closed'), 'and the subscriber is told');
    };
});

subtest 'limit_except: who may publish where all may subscribe' => sub {
    $n = nginx(conf => $conf);
    $n->write_file('nobody', '');

    is($n->publish('/readers?channel=r', 'x')->status, 403, 'not from here');
    is($n->http($_ => '/readers?channel=r')->status, 403, $_)
        for qw(PUT DELETE);

    my $c = $n->sse('/readers?channel=r');
    $c->wait_subscribed;

    for my $i (1 .. 3) {
        is($n->publish('/readers?channel=r', "m$i", source => '127.0.0.2')
               ->status, 201, 'but from there');
    }

    $c->wait_messages(3);
    is_deeply($c->data, [qw(m1 m2 m3)], 'all may subscribe');
    is(info('r')->json->{messages}, 1, 'with the rules of the location');
    is($n->http(DELETE => '/readers?channel=r', source => '127.0.0.2')->status,
       200, 'DELETE');
};

subtest 'a zone that is full' => sub {
    $n = nginx(conf => <<'E');
        push_zone tiny 128k;
        push_max_message_size 1m;

        server {
            listen 127.0.0.1:%%PORT%%;
            location = /pub { push_publish $arg_channel; }
            location = /sub { push_subscribe $arg_channel; }
        }
E

    publish('keep', 'x');
    my $before = info('keep')->body;

    for (1, 2) {
        problem(publish('big', 'x' x 200_000), 507, 'Insufficient Storage',
                'zone-full', 'the message does not fit into the zone',
                ',"channel":"big"');
    }

    is(info('keep')->body, $before, 'nothing is thrown out in vain');
    is(info('big')->status, 404, 'nothing is made');

    # alone it fits, twice it does not: none of them

    my $size = 45_000;
    is(publish('alone', 'x' x $size)->status, 201, 'alone');
    is($n->delete('/pub?channel=alone')->status, 200, 'deleted');

    my $several = join ',', map { "s$_" } 1 .. 5;
    is(publish($several, 'x' x $size)->status, 507, 'several times');
    is($n->get("/pub?channel=$several")->status, 404, 'in none');
    is(info('keep')->body, $before, 'the rest as it was');

    # and the oldest goes for what fits

    is(publish('alone', 'x' x $size)->status, 201, 'again') for 1 .. 4;
    is_deeply([ map { length } @{ kept('alone') } ],
              [ ($size) x info('alone')->json->{messages} ],
              'what is kept is whole');
    is(info('keep')->json->{messages}, 0, 'the oldest history went first');
    is($n->log_lines(qr/zone "tiny" is full: history evicted before its age/),
       1, 'one warning');
};

done_testing;
