#!/usr/bin/perl

# The request headers of a publish: names, ages, topics, ends, keys and
# conditions.

use strict;
use warnings;

use Push::Test;

my $conf = <<'E';
    server {
        listen 127.0.0.1:%%PORT%%;
        large_client_header_buffers 4 32k;

        location = /pub { push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
        location = /json {
            push_format json;
            push_subscribe $arg_channel;
        }
    }
E

my $n;

sub publish {
    my ($channel, $body, %headers) = @_;
    return $n->publish("/pub?channel=$channel", $body, headers => \%headers);
}

sub info  { return $n->get("/pub?channel=$_[0]")->json }
sub count { return info($_[0])->{messages} }

# events of those that are kept

sub kept {
    my ($channel, %query) = @_;
    my $query = join '', map { "&$_=$query{$_}" } keys %query;
    my $count = count($channel);
    my $c = $n->sse("/sub?channel=$channel"
                    . ($query || '&since=earliest'));

    $c->wait_subscribed;
    $c->wait_messages($count) if !%query;
    $c->close;

    return $c;
}

sub slug { return ($_[0]->json->{type} // '') =~ s/.*://r }

sub refused {
    my ($r, $detail, $what) = @_;

    is($r->status, 400, "$what: refused");
    is(slug($r), 'bad-header', "$what: slug");
    like($r->json->{detail}, qr/\A\Q$detail\E/, "$what: detail");
}

for_workers(1, 4, sub {
    $n = nginx(conf => $conf, workers => $_[0]);

    subtest 'Push-Event' => sub {
        my @good = ('a', 'push', 'Push.x', 'xpush.', 'two words', 'a:b',
                    "\xE6\x96\xB0", 'x' x 255, "\xE6\x96\xB0" x 85, 'retry',
                    'id: 1', 'message', "tab\there", "esc\x1b");

        for my $event (@good) {
            is(publish('event', 'x', 'Push-Event' => $event)->status, 201,
               "event \"$event\"") or diag($event);
        }

        is_deeply([ map { $_->{event} } @{ kept('event')->messages } ],
                  \@good, 'all come as they were sent');
        is_deeply(kept('event')->unknown, [], 'and nothing else');

        publish('none', 'x');
        is(kept('none')->messages->[0]{event}, 'message', 'none');

        refused(publish('never', 'x', 'Push-Event' => $_),
                'Push-Event is not valid', "event \"$_\"")
            for '', 'push.', 'push.gap', 'x' x 256, "\xFF", "a\xE6\x96",
                "\xC0\x80", "\xED\xA0\x80";
    };

    subtest 'Content-Type' => sub {
        my %data = (
            'text/plain' => 'data', 'text/html; charset=utf-8' => 'data',
            'application/json' => 'data', 'application/ld+json' => 'data',
            'image/svg+xml' => 'data_base64', 'application/xml' => 'data',
            'application/x-www-form-urlencoded' => 'data',
            'application/octet-stream' => 'data_base64', '' => 'data',
        );

        for my $type (sort keys %data) {
            publish('type', '{"a":1}',
                    $type ne '' ? ('Content-Type' => $type) : ());

            my $c = $n->sse('/json?channel=type&since=last:1');
            $c->wait_messages(1);
            $c->close;

            my $json = decode_json($c->data->[0]);
            is($json->{content_type}, $type ne '' ? $type : undef,
               "\"$type\": kept with the message");
            ok(exists $json->{$data{$type}}, "\"$type\": $data{$type}");
        }

        is(publish('type', 'x', 'Content-Type' => 'x' x 255)->status, 201,
           'long');
        refused(publish('never', 'x', 'Content-Type' => $_),
                'Content-Type is not valid', substr($_, 0, 10))
            for 'x' x 256, "text/\xFF";
    };

    subtest 'TTL' => sub {
        my $c = $n->sse('/sub?channel=ttl');
        $c->wait_subscribed;

        my $before = publish('ttl', 'kept')->json->{id};
        publish('ttl', 'live', TTL => 0);
        publish('ttl', 'also kept', TTL => 100);

        $c->wait_messages(3);
        is_deeply($c->data, [ 'kept', 'live', 'also kept' ],
                  'who is connected gets all');
        $c->close;

        is(count('ttl'), 2, '0 is not kept');
        is_deeply(kept('ttl')->data, [ 'kept', 'also kept' ], 'nor replayed');

        my $late = $n->sse("/sub?channel=ttl&since=$before");
        $late->wait_messages(1);
        is_deeply([ map { $_->{event} } @{ $late->events } ],
                  [qw(push.subscribed message)], 'which is no gap');

        my $id = publish('only', 'live', TTL => 0)->json->{id};
        my $info = info('only');
        is($info->{id}, $id, 'it has its number');
        is($info->{oldest}, undef, 'and no place in the history');

        is(publish('ttl', 'x', TTL => $_)->status, 201, "TTL $_")
            for 1, '007', 4294967296, '9' x 40;
        refused(publish('never', 'x', TTL => $_), 'TTL is not a number',
                "TTL \"$_\"") for '', '-1', '1.5', '1s', 'forever', '+1',
                                  '0x1', '1 2';
    };

    subtest 'Topic' => sub {
        my $c = $n->sse('/sub?channel=topic');
        $c->wait_subscribed;

        my $first = publish('topic', 'a1', Topic => 'a')->json->{id};
        publish('topic', 'b1', Topic => 'b');
        publish('topic', 'plain');
        publish('topic', 'a2', Topic => 'a');
        publish('topic', 'A1', Topic => 'A');
        publish('topic', 'a3', Topic => 'a');

        $c->wait_messages(6);
        is_deeply($c->data, [qw(a1 b1 plain a2 A1 a3)],
                  'who is connected gets all');

        is_deeply(kept('topic')->data, [qw(b1 plain A1 a3)],
                  'the newest of each is kept');
        is(count('topic'), 4, 'count');

        my $late = $n->sse("/sub?channel=topic&since=$first");
        $late->wait_messages(4);
        is_deeply($late->data, [qw(b1 plain A1 a3)], 'resumed');
        is($late->event('push.gap'), undef, 'which is no gap');

        is(publish('topics', 'x', Topic => $_)->status, 201, "topic $_")
            for 'a' x 64, 'AZaz09._:-', '0';
        refused(publish('never', 'x', Topic => $_), 'Topic is not valid',
                "topic \"$_\"")
            for '', 'a' x 65, 'a b', 'a/b', "\xE6\x96\xB0", 'a,b', '"a"',
                '[', '@', '`';
    };

    subtest 'Push-End' => sub {
        my @c = map { $n->sse("/sub?channel=$_") } qw(end bare);
        $_->wait_subscribed for @c;

        is(publish('end', 'one', 'Push-End' => 'false')->status, 201, 'false');
        ok(!info('end')->{ended}, 'goes on');

        my $r = publish('end', 'two', 'Push-End' => 'true');
        my $id = $r->json->{id};
        is($r->status, 201, 'true, with a body');
        is($r->header('etag'), "\"$id\"", 'its ETag');

        $c[0]->wait_end;
        is_deeply($c[0]->data, [qw(one two)], 'subscribers get the rest');
        is($c[0]->events->[-1]{event}, 'push.closed', 'and then the end');
        is($c[0]->events->[-1]{data}, '{"channel":"end","reason":"ended"}',
           'reason');

        my $info = info('end');
        is($info->{ended}, JSON::PP::true(), 'ended');
        is($info->{messages}, 2, 'history stays');
        is($info->{id}, $id, 'last id');

        for my $end ('true', 'false') {
            for my $body ('', 'more') {
                $r = publish('end', $body, 'Push-End' => $end);
                is($r->status, 409, "afterwards, $end, \"$body\": 409");
                is(slug($r), 'channel-sealed', 'slug');
            }
        }

        is(count('end'), 2, 'nothing was added');

        my $late = $n->sse('/sub?channel=end&since=earliest');
        $late->wait_end;
        is_deeply($late->data, [qw(one two)], 'late: everything');
        ok($late->event('push.closed'), 'and the end');
        is($n->get("/sub?channel=end&since=$id")->status, 204,
           'all read: no more to come');

        # without a message

        my $last = publish('bare', 'one')->json->{id};
        $r = publish('bare', '', 'Push-End' => 'true');
        is($r->status, 201, 'without a body');
        is($r->json->{id}, $last, 'there is no message');
        is(count('bare'), 1, 'none at all');
        $c[1]->wait_end;
        is_deeply($c[1]->data, ['one'], 'nor at subscribers');
        ok($c[1]->event('push.closed'), 'told');

        $r = publish('empty', '', 'Push-End' => 'true');
        is($r->status, 201, 'a channel nobody knew');
        is($r->body, '{"channel":"empty","id":null,"subscribers":0}', 'body');
        is($r->header('etag'), undef, 'no ETag');
        is(info('empty')->{id}, undef, 'no id');
        ok(info('empty')->{ended}, 'ended');
        is(publish('empty', 'x')->status, 409, 'sealed');

        # deleted, it begins anew

        $n->delete('/pub?channel=end');
        is(publish('end', 'x')->status, 201, 'deleted: a new life');
        ok(!info('end')->{ended}, 'which goes on');

        is(publish('bool', 'x', 'Push-End' => '?0')->status, 201, '?0');
        is(publish('bool', 'x', 'Push-End' => '?1')->status, 201, '?1');
        is(publish('bool', 'x')->status, 409, 'is true');

        refused(publish('never', 'x', 'Push-End' => $_),
                'Push-End is neither true nor false', "\"$_\"")
            for '', 'yes', '1', 'TRUE', 'true ,true';
    };

    subtest 'Idempotency-Key' => sub {
        my $first = publish('key', 'one', 'Idempotency-Key' => 'k1');
        is($first->status, 201, 'first');

        my $c = $n->sse('/sub?channel=key');
        $c->wait_subscribed;

        for ('k1', '"k1"') {
            my $r = publish('key', 'other', 'Idempotency-Key' => $_);
            is($r->status, 200, "again: $_");
            is($r->body, $first->body, 'the first answer');
            is($r->header('etag'), $first->header('etag'), 'with its ETag');
        }

        is(count('key'), 1, 'nothing was published');

        is(publish('key', 'two', 'Idempotency-Key' => 'k2')->status, 201,
           'another key');
        is(publish('other', 'x', 'Idempotency-Key' => 'k1')->status, 201,
           'another channel');
        is(publish('key', 'x', 'Idempotency-Key' => 'K1')->status, 201,
           'another case');

        $c->wait_messages(2);
        is_deeply($c->data, [qw(two x)], 'subscribers get no repeats');
        $c->close;

        # before the conditions, and before the end

        my $id = info('key')->{id};
        is(publish('key', 'three', 'Idempotency-Key' => 'k3',
                   'If-Match' => $id)->status, 201, 'with a condition');
        is(publish('key', 'three', 'Idempotency-Key' => 'k3',
                   'If-Match' => $id)->status, 200, 'which holds no more');
        is(publish('key', 'x', 'Idempotency-Key' => 'k4',
                   'If-Match' => $id)->status, 412, 'a new key does not help');
        is(publish('key', 'x', 'Idempotency-Key' => 'k4')->status, 201,
           'and was not taken by the refusal');
        is(publish('new', 'x', 'Idempotency-Key' => 'k',
                   'If-None-Match' => '*')->status, 201, 'If-None-Match');
        is(publish('new', 'x', 'Idempotency-Key' => 'k',
                   'If-None-Match' => '*')->status, 200, 'again');

        for my $body ('last', '') {
            my $channel = "seal$body";
            my %end = ('Push-End' => 'true', 'Idempotency-Key' => 'e');

            is(publish($channel, $body, %end)->status, 201, 'sealed');
            is(publish($channel, $body, %end)->status, 200, 'sealed again');
            is(publish($channel, $body)->status, 409, 'without the key: 409');
        }

        # several channels: each for itself

        publish('k-a', 'x', 'Idempotency-Key' => 'multi');
        my $r = publish('k-a,k-b', 'x', 'Idempotency-Key' => 'multi');
        is($r->status, 201, 'one of two is new');
        is_deeply([ map { count("k-$_") } qw(a b) ], [ 1, 1 ], 'one each');
        my $again = publish('k-a,k-b', 'x', 'Idempotency-Key' => 'multi');
        is($again->status, 200, 'both again');
        is($again->body, $r->body, 'the same answer');

        # a key belongs to the name, not to one life of the channel

        $n->delete('/pub?channel=key');
        is(publish('key', 'one', 'Idempotency-Key' => 'k1')->body,
           $first->body, 'a late repeat does not revive what was deleted');
        is($n->get('/pub?channel=key')->status, 404, 'it stays deleted');

        is(publish('keys', 'x', 'Idempotency-Key' => $_)->status, 201,
           "key \"$_\"") for 'a' x 128, '"' . 'b' x 128 . '"', 'a b', ',',
                             "\xE6\x96\xB0", '550e8400-e29b-41d4-a716';
        refused(publish('never', 'x', 'Idempotency-Key' => $_),
                'Idempotency-Key is not valid', "key \"$_\"")
            for '', '""', 'a' x 129, '"a', 'a"', 'a"b', "a\x1b", "a\tb";
    };

    subtest 'If-Match' => sub {
        my $first = publish('match', 'one')->json->{id};

        for my $value ($first, "\"$first\"") {
            my $last = info('match')->{id};
            my $r = publish('match', 'x',
                            'If-Match' => $value =~ s/\Q$first/$last/r);
            is($r->status, 201, "holds: $value");
        }

        my $last = info('match')->{id};

        for my $value ($first, "\"$first\"", 'x', '"x"', '"*"',
                       $last =~ s/-.*/-/r, "${last}0",
                       $last =~ s/\d\z/9/r)
        {
            my $r = publish('match', 'x', 'If-Match' => $value);

            is($r->status, 412, "does not hold: $value");
            is(slug($r), 'precondition-failed', 'slug');
            is($r->json->{id}, $last, 'the present id');
            is($r->json->{channel}, 'match', 'of the channel');
        }

        is(count('match'), 3, 'no effect');

        my $r = publish('unknown', 'x', 'If-Match' => $last);
        is($r->status, 412, 'unknown channel');
        like($r->body, qr/"id":null\}\z/, 'no id');
        is($n->get('/pub?channel=unknown')->status, 404, 'it is not made');

        $n->delete('/pub?channel=match');
        is(publish('match', 'x', 'If-Match' => $last)->status, 412,
           'an id of a former life');
        my $again = publish('match', 'x')->json->{id};
        is($again =~ s/.*-//r, $first =~ s/.*-//r, 'the same number');
        is(publish('match', 'x', 'If-Match' => $first)->status, 412,
           'is not the same id');

        refused(publish('never', 'x', 'If-Match' => $_), 'If-Match is not',
                "If-Match \"$_\"")
            for '', '""', "\"$last\", \"x\"", "W/\"$last\"", '"x', 'a b';
        refused(publish('never,x', 'x', 'If-Match' => $last),
                'If-Match needs a single channel', 'several channels');

        is(publish('unsealed', '', 'Push-End' => 'true', 'If-Match' => $last)
               ->status, 412, 'sealing on a condition');
        is($n->get('/pub?channel=unsealed')->status, 404, 'which did not hold');
    };

    subtest 'If-Match: *' => sub {
        is(publish('any', 'x', 'If-Match' => '*')->status, 412, 'no message');
        is($n->get('/pub?channel=any')->status, 404, 'no effect');
        publish('any', 'x');
        is(publish('any', 'x', 'If-Match' => '*')->status, 201, 'some message');
        is(publish('any,any2', 'x', 'If-Match' => '*')->status, 400,
           'several channels');
    };

    subtest 'If-None-Match' => sub {
        is(publish('first', 'x', 'If-None-Match' => '*')->status, 201,
           'no message');

        my $r = publish('first', 'x', 'If-None-Match' => '*');
        is($r->status, 412, 'a message');
        is($r->json->{id}, info('first')->{id}, 'the present id');

        my $c = $n->sse('/sub?channel=listened');
        $c->wait_subscribed;
        is(publish('listened', 'x', 'If-None-Match' => '*')->status, 201,
           'a subscriber does not make it begin');
        $c->close;

        publish('ttl0', 'x', TTL => 0);
        is(publish('ttl0', 'x', 'If-None-Match' => '*')->status, 412,
           'one that is not kept was there nevertheless');

        $n->delete('/pub?channel=first');
        is(publish('first', 'x', 'If-None-Match' => '*')->status, 201,
           'a new life');

        $r = publish('first,second', 'x', 'If-None-Match' => '*');
        is($r->status, 412, 'several channels');
        is($n->get('/pub?channel=second')->status, 404, 'none');
        is(publish('second,third', 'x', 'If-None-Match' => '*')->status, 201,
           'both are new');

        refused(publish('never', 'x', 'If-None-Match' => $_),
                'If-None-Match of a publish can only be *', "\"$_\"")
            for '', '"*"', '"x"', 'x', '*, *', '**';
    };

    subtest 'twice' => sub {
        for my $name ('Content-Type', 'Push-Event', 'TTL', 'Topic',
                      'Push-End', 'Idempotency-Key', 'If-Match',
                      'If-None-Match')
        {
            my $value = { 'TTL' => 1, 'Push-End' => 'true',
                          'If-None-Match' => '*' }->{$name} // 'x';
            my $r = $n->publish('/pub?channel=never', 'x', headers =>
                                [ $name => $value, lc $name => $value ]);

            if ($name =~ /\AIf-/) {
                # NGINX may have refused it, before any location
                is($r->status, 400, $name);

            } else {
                refused($r, "$name is there twice", $name);
            }
        }
    };

    is($n->get('/pub?channel=never')->status, 404,
       'what was refused had no effect');
});

# time travel

SKIP: {
    my ($lib) = glob '/usr/lib/*/faketime/libfaketime.so.1';

    skip 'needs libfaketime', 1 unless $lib;
    skip 'AddressSanitizer has to be loaded first', 1 if $ENV{PUSH_ASAN};

    $n = nginx(conf => $conf, workers => 2, start => 0);
    my $file = $n->prefix . '/now';

    # a new name at once, so that no half of it is read
    my $travel = sub {
        $n->write_file('next', "$_[0]\n");
        rename $n->prefix . '/next', $file;
    };

    $travel->('+0');
    $n->{env} = { LD_PRELOAD => $lib, FAKETIME_TIMESTAMP_FILE => $file,
                  FAKETIME_NO_CACHE => 1, FAKETIME_DONT_FAKE_MONOTONIC => 1 };
    $n->configure;
    $n->start;

    my %key = ('Idempotency-Key' => 'k');
    my $first = publish('key', 'x', %key);

    is($first->status, 201, 'key: first');
    $travel->('+295');
    is(publish('key', 'x', %key)->status, 200, 'known for five minutes');
    $travel->('+301');
    my $second = publish('key', 'x', %key);
    is($second->status, 201, 'and no longer');
    isnt($second->json->{id}, $first->json->{id}, 'another message');
    is(publish('key', 'x', %key)->body, $second->body, 'which it is known for');
}

done_testing;
