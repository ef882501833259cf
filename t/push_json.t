#!/usr/bin/perl

# The sub-protocol push.json: commands and their replies.

use strict;
use warnings;

use Socket qw(SOL_SOCKET SO_SNDBUF);

use Push::Test;
use Push::WebSocket;
use Push::Ways;

my $conf = <<'C';
    push_drain_window 1s;
    push_max_message_size 4k;

    map $arg_user $who { default $arg_user; }

    server {
        listen 127.0.0.1:%%PORT%%;

        location = /pub { push_publish $arg_channel; }
        location = /short { push_publish $arg_channel; push_history 2; }

        location = /sub {
            push_subscribe $arg_channel;
            push_user $who;
            push_client_subscribe chat:** room/*;
            push_client_publish chat:*;
        }

        location = /own {
            push_subscribe $arg_channel;
            push_client_publish on;
        }

        location = /plain { push_subscribe $arg_channel; }
    }
C


sub open_at {
    my ($n, $path) = @_;
    my $c = ws($n, $path, protocol => 'push.json');
    ok($c->wait_open, "open $path");
    return $c;
}


# what comes back for a command with this ref

my $ref = 0;

sub ask {
    my ($c, %command) = @_;
    my $id = ++$ref;

    $c->command({ %command, ref => $id });

    my $found = sub {
        return (grep { ($_->{ref} // '') eq $id } @{ objects($c) })[0];
    };

    wait_for(sub { $found->() });
    return $found->() // {};
}

# all that has come, each decoded once

sub objects {
    my ($c) = @_;
    my $have = $c->{decoded} //= [];

    push @$have, decode_json($_->{data})
        for @{ $c->messages }[@$have .. $c->count - 1];

    return $have;
}

sub of {
    my ($c, $type) = @_;
    return grep { $_->{type} eq $type } @{ objects($c) };
}


for_workers(1, 2, sub {
    my $n = nginx(conf => $conf, workers => $_[0]);

    # it may begin without a channel

    my $c = open_at($n, '/sub?channel=&user=ann');
    is(ask($c, ping => 1)->{type}, 'pong', 'pong');
    is(scalar of($c, 'subscribed'), 0, 'no channel yet');

    my $r = ask($c, subscribe => 'chat:1');
    is_deeply([ @$r{qw(type channel)} ], [qw(subscribed chat:1)], 'subscribed');
    like($r->{id}, qr/-0{14}\z/, 'with its position');

    $r = ask($c, publish => 'chat:1', data => { a => [1, 2] }, event => 'e');
    is($r->{type}, 'published', 'published');
    ok(wait_for(sub { of($c, 'message') }), 'and received');
    my ($m) = of($c, 'message');
    is($m->{id}, $r->{id}, 'the same id');
    is_deeply([ @$m{qw(channel event user content_type)} ],
              [qw(chat:1 e ann application/json)], 'what it says');
    is_deeply($m->{data}, { a => [1, 2] }, 'JSON');

    ask($c, publish => 'chat:1', data => 'text', user => 'forged');
    ok(wait_for(sub { of($c, 'message') == 2 }), 'the next');
    $m = (of($c, 'message'))[1];
    is_deeply([ @$m{qw(data user)} ], [qw(text ann)], 'text, and its user');
    ok(!exists $m->{content_type}, 'without a type');

    # refusals

    for ([ { publish => 'other', data => 1 }, 403 ],
         [ { publish => 'chat:a:b', data => 1 }, 403 ],
         [ { publish => 'room/1', data => 1 }, 403 ],
         [ { subscribe => 'other' }, 403 ],
         [ { subscribe => 'room/1/2' }, 403 ],
         [ { subscribe => "chat:\x01" }, 400 ],
         [ { subscribe => 'chat:1,chat:2' }, 400 ],
         [ { subscribe => 'chat:2', since => '!' }, 400 ],
         [ { unsubscribe => 'chat:9' }, 404 ],
         [ { publish => 'chat:1' }, 400 ],
         [ { publish => 'chat:1', data => 1, event => 'push.x' }, 400 ],
         [ { publish => 'chat:1', data => 'x' x 4097 }, 413 ],
         [ { subscribe => 'chat:1', publish => 'chat:1', data => 1 }, 400 ],
         [ { nothing => 1 }, 400 ])
    {
        my ($command, $status) = @$_;
        my $r = ask($c, %$command);
        is($r->{type}, 'error', join ' ', %$command ? (sort keys %$command) : ());
        is($r->{status}, $status, "status $status");
        ok(length $r->{title}, 'title');
    }

    $c->text($_) for 'nonsense', '[]', '"x"', '';
    ok(wait_for(sub { grep({ !exists $_->{ref} } of($c, 'error')) == 4 }),
       'no command at all');

    # a ref comes back as it was written

    $c->text('{"ping":1,"ref":"a\u00e9 \"b\""}');
    ok(wait_for(sub { grep { ($_->{ref} // '') eq "a\x{e9} \"b\"" }
                      of($c, 'pong') }), 'a string');
    $c->text('{"ping":1,"ref":1.50e1}');
    ok(wait_for(sub { grep { $_->{data} =~ /"ref":1\.50e1\}/ }
                      @{ $c->messages } }), 'a number');

    # several, and no more of one

    $r = ask($c, subscribe => 'room/1');
    is($r->{type}, 'subscribed', 'another channel');
    like($r->{position}, qr/\A\.[\w-]+\z/, 'the position of both');
    $n->publish('/pub?channel=room/1', 'r1');
    ok(wait_for(sub { grep { $_->{channel} eq 'room/1' } of($c, 'message') }),
       'its messages');
    is(ask($c, unsubscribe => 'room/1')->{type}, 'unsubscribed', 'unsubscribed');
    $n->publish('/pub?channel=room/1', 'r2');
    ask($c, publish => 'chat:1', data => 'mark');
    ok(wait_for(sub { grep { ($_->{data} // '') eq 'mark' } of($c, 'message') }),
       'goes on');
    is(scalar(grep { $_->{channel} eq 'room/1' } of($c, 'message')), 1,
       'nothing more of that');
    is(ask($c, subscribe => 'chat:1')->{type}, 'subscribed', 'once more');

    # a channel that ends leaves the connection

    is($n->http('DELETE', '/pub?channel=chat:1')->status, 200, 'deleted');
    ok(wait_for(sub { of($c, 'closed') }), 'closed');
    is(ask($c, ping => 1)->{type}, 'pong', 'still open');
    is(ask($c, subscribe => 'chat:1')->{type}, 'subscribed', 'its new life');
    is($c->bye(1000)->wait_closed, 'clean', 'the end');
});


for_workers(1, 2, sub {
    my $n = nginx(conf => $conf, workers => $_[0]);

    # reply, gap, messages

    my @ids = map { $n->publish('/pub?channel=chat:g', "m$_")->json->{id} } 1 .. 3;
    $n->publish('/short?channel=chat:g', "m$_") for 4 .. 6;

    my $c = open_at($n, '/sub?channel=');
    my $r = ask($c, subscribe => 'chat:g', since => $ids[0]);
    is($r->{id}, undef, 'no position before the gap');
    ok(wait_for(sub { of($c, 'message') == 2 }), 'what is kept');
    my @types = map { $_->{type} } @{ objects($c) };
    is_deeply(\@types, [qw(subscribed gap message message)], 'in order');
    my ($gap) = of($c, 'gap');
    is_deeply([ @$gap{qw(channel reason requested)} ],
              [ 'chat:g', 'expired', $ids[0] ], 'the gap');

    # the position of several serves for each of them

    ask($c, subscribe => 'chat:h');
    ask($c, publish => 'chat:h', data => 1);
    ok(wait_for(sub { grep { $_->{channel} eq 'chat:h' } of($c, 'message') }),
       'a message with a position');
    my $position = (of($c, 'message'))[-1]{position};
    ask($c, publish => 'chat:g', data => 'after');
    my $d = open_at($n, '/sub?channel=');
    is(ask($d, subscribe => 'chat:g', since => $position)->{type},
       'subscribed', 'since a compound id');
    ok(wait_for(sub { of($d, 'message') }), 'the rest');
    is_deeply([ map { $_->{data} } of($d, 'message') ], ['after'], 'exactly');

    # what a location does not allow

    my $own = open_at($n, '/own?channel=a,b');
    ok(wait_for(sub { of($own, 'subscribed') == 2 }), 'its channels');
    is(ask($own, publish => 'a', data => 1)->{type}, 'published', 'its own');
    is(ask($own, publish => 'c', data => 1)->{status}, 403, 'not another');
    is(ask($own, subscribe => 'c')->{status}, 403, 'no other channel');

    my $plain = open_at($n, '/plain?channel=a');
    is(ask($plain, publish => 'a', data => 1)->{status}, 403, 'neither here');
    is($n->get('/plain?channel=')->status, 400, 'no channel is an error');

    # sealed

    $n->publish('/pub?channel=chat:s', '', headers => { 'Push-End' => 'true' });
    is(ask($c, publish => 'chat:s', data => 1)->{status}, 409, 'sealed');

    # 255 channels

    my $many = open_at($n, '/sub?channel=');
    $many->command({ subscribe => "chat:$_" }) for 1 .. 255;
    ok(wait_for(sub { of($many, 'subscribed') == 255 }), '255 channels');
    is(ask($many, subscribe => 'chat:256')->{status}, 400, 'and no more');

    # a thousand commands in one write, answered in their order

    my $fast = open_at($n, '/sub?channel=chat:f');
    $fast->send(join '', map { $fast->message(TEXT, qq({"ping":1,"ref":"p$_"})) }
                         1 .. 1000);
    ok(wait_for(sub { of($fast, 'pong') == 1000 }), 'a thousand at once');
    is_deeply([ map { $_->{ref} } of($fast, 'pong') ],
              [ map { "p$_" } 1 .. 1000 ], 'in order');

    # over a reload

    ok($n->reload, 'reload');
    ok($fast->wait_end, 'ended');
    my ($told) = of($fast, 'reconnect');
    ok($told && $told->{retry}, 'told when to come back');
    like($told->{id}, qr/\A[\w.-]{23}\z/, 'and from where');
    is($fast->code, 1012, 'restart');
});



# one client that sends text, and the objects that come back for it

sub said {
    my ($c, $text, $count) = @_;
    my $before = @{ objects($c) };

    $c->text($text);
    $count //= 1;

    wait_for(sub { @{ objects($c) } >= $before + $count || $c->closed }, 10,
             substr $text, 0, 40);

    my @all = @{ objects($c) };
    return @all[$before .. $#all];
}

my $sub = <<'C';
    location = /pub { push_publish $arg_channel; }
    location = /few { push_publish $arg_channel; push_history 2; }
    location = /status { push_status; }

    location = /sub {
        push_subscribe $arg_channel;
        push_user $arg_user;
        push_client_subscribe **;
        push_client_publish **;
    }

    location = /limit {
        limit_conn conns 1000;
        push_subscribe $arg_channel;
        push_user $arg_user;
        push_client_subscribe **;
        push_client_publish **;
    }

    location = /patterns {
        push_subscribe $arg_channel;
        push_client_subscribe exact a:* b.*.c d/** e:f:**;
        push_client_publish x:**;
    }

    location = /other { push_subscribe "user:$arg_u";
                        push_client_subscribe **; }
    location = /none { push_subscribe $arg_channel; push_client_publish **; }
    location = /basic { auth_basic r; auth_basic_user_file users;
                        push_subscribe $arg_channel; push_client_publish on; }
    location = /earliest { push_start earliest; push_subscribe $arg_channel;
                           push_client_subscribe **; }
    location = /old { push_max_age 1s jitter=0%; push_subscribe $arg_channel;
                      push_client_subscribe **; }
C

my $http = <<'C';
    push_zone push 8m;
    push_drain_window 1s;
    push_max_message_size 4k;
    limit_conn_zone $server_port zone=conns:1m;
C

my @each = ([ '/sub', 'plain', 1 ], [ '/sub', 'kept', 2 ],
            [ '/limit', 'limit_conn', 1 ], [ '/sub', 'TLS', 3, 1 ],
            [ '/sub', 'TLS, kept', 4, 1 ]);

sub start {
    my (%opt) = @_;
    my $n = ways_nginx(locations => $sub, http => $http, start => 0, %opt);

    $n->write_file('users', "ann:{PLAIN}p\n");
    $n->start;

    return $n;
}


# what every way of a connection has

for_workers(1, 4, sub {
    my $n = start(workers => $_[0]);

    for my $case (@each) {
        my ($path, $what, $port, $tls) = @$case;
        my $name = $what =~ s/\W//gr;

        my $c = ws($n->port($port), "$path?channel=$name.1,$name.2&user=ann",
                   protocol => 'push.json', tls => $tls);

        ok($c->wait_open, "$what: open");
        is($c->header('sec-websocket-protocol'), 'push.json', 'the protocol');
        $c->wait_messages(2);

        my @hello = @{ objects($c) };

        is_deeply([ map { [ @$_{qw(type channel)} ] } @hello ],
                  [ map { [ 'subscribed', "$name.$_" ] } 1, 2 ],
                  "$what: a reply for each of its channels");
        ok(!grep({ exists $_->{ref} } @hello), 'without a ref');
        like($hello[1]{position}, qr/\A\.[\w-]+\z/, 'the last has the position');
        is($hello[0]{position}, undef, 'only that');

        my $r = ask($c, subscribe => "$name.3");
        like($r->{id}, qr/-0{14}\z/, "$what: a third");
        is(scalar keys %$r, 5, 'type, channel, id, position, ref');

        $r = ask($c, publish => "$name.3", data => 'three', event => 'e');
        is(scalar keys %$r, 4, 'published: type, channel, id, ref');

        my $m = $c->wait_object(type => 'message', channel => "$name.3");
        is_deeply([ @$m{qw(id data event user)} ],
                  [ $r->{id}, 'three', 'e', 'ann' ], "$what: a message");

        $n->publish("/pub?channel=$name.1", 'one');
        ok($c->wait_object(type => 'message', channel => "$name.1"),
           "$what: of another publisher");

        is(ask($c, unsubscribe => "$name.1")->{type}, 'unsubscribed',
           "$what: unsubscribed");
        $n->publish("/pub?channel=$name.1", 'no more');
        ask($c, publish => "$name.2", data => 'mark');
        ok($c->wait_object(data => 'mark'), "$what: another goes on");
        is(scalar(grep { ($_->{data} // '') eq 'no more' } @{ objects($c) }), 0,
           "$what: the first does not");

        is($c->bye(1000)->wait_closed, 'clean', "$what: the end");
        is($c->bad, undef, "$what: all frames are good");
        ok(wait_for(sub { $n->get('/status')->json->{subscribers}{total} == 0 }),
           "$what: nobody is left");
    }

    # one in a list; one of many; none

    for my $case ([ 'chat, push.json', 'push.json' ], [ 'chat', undef ],
                  [ 'push.json,x', 'push.json' ], [ 'Push.JSON', undef ],
                  [ 'push.jsonx', undef ], [ 'xpush.json', undef ])
    {
        my ($offer, $want) = @$case;
        my $c = ws($n, '/sub?channel=p', protocol => $offer);

        $c->wait_open;
        is($c->header('sec-websocket-protocol'), $want, "offer: $offer");
        $c->close;
    }

    my $c = ws($n, '/sub?channel=p', headers => [
        'Sec-WebSocket-Protocol' => 'chat',
        'Sec-WebSocket-Protocol' => 'push.json' ]);
    $c->wait_open;
    is($c->header('sec-websocket-protocol'), 'push.json', 'in two headers');
    $c->close;

    # no channel, where that may be

    $c = ws($n, '/sub?channel=', protocol => 'push.json');
    ok($c->wait_open, 'none to begin with');
    $c->close;

    for my $case ([ '/sub', 'raw' ], [ '/none', 'no client_subscribe',
                  protocol => 'push.json' ],
                  [ '/other', 'not one variable', protocol => 'push.json' ],
                  [ '/sub', 'format=json', args => '&format=json' ])
    {
        my ($path, $what, %opt) = @$case;
        my $c = ws($n, "$path?channel=" . (delete $opt{args} // ''), %opt);

        $c->wait_end;
        is($c->status, 400, "no channel, $what: refused");
    }

    # who the user is

    $c = ws($n, '/basic?channel=u', protocol => 'push.json',
            headers => { Authorization => 'Basic YW5uOnA=' });
    $c->wait_messages(1);
    said($c, '{"publish":"u","data":1,"user":"eve"}', 2);
    is($c->wait_object(type => 'message')->{user}, 'ann', '$remote_user');
    $c->close;

    $c = ws($n, '/sub?channel=u2', protocol => 'push.json');
    $c->wait_messages(1);
    said($c, '{"publish":"u2","data":1,"user":"eve"}', 2);
    ok(!exists $c->wait_object(type => 'message')->{user}, 'nobody');
    $c->close;

    $c = ws($n, '/sub?channel=u3&user=' . 'u' x 255, protocol => 'push.json');
    ok($c->wait_open, 'a long name');
    $c->close;
    $c = ws($n, '/sub?channel=u3&user=' . 'u' x 256, protocol => 'push.json');
    $c->wait_end;
    is($c->status, 400, 'one too long');
});


# commands as they may and may not be written

for_workers(1, 2, sub {
    my $n = start(workers => $_[0]);
    my $c = ws($n, '/sub?channel=&user=ann', protocol => 'push.json');

    $c->wait_open;

    # a ref comes back as it was written

    for my $ref ('1', '0', '-1', '1.50', '1e3', '-0.0e+2', '12345678901234567890',
                 '340282366920938463463374607431768211456', '"a"', '""',
                 '"\\u00e9"', '"\\ud83d\\ude00"', "\"\xc3\xa9\"", '"a\\"b\\\\"',
                 '"]},{["', '"\\/"', '1E-9', '"' . 'r' x 62 . '"')
    {
        for my $command ('"ping":1', '"subscribe":"r"', '"publish":"r","data":1',
                         '"unsubscribe":"r"', '"unsubscribe":"r"')
        {
            my ($r) = grep { $_->{data} =~ /"ref"/ } do {
                my $before = $c->count;
                $c->text("{$command, \"ref\" : $ref }");
                wait_for(sub { grep { $_->{data} =~ /"ref"/ }
                    @{ $c->messages }[$before .. $c->count - 1] }, 10, $ref);
                @{ $c->messages }[$before .. $c->count - 1];
            };

            like($r->{data}, qr/,"ref":\Q$ref\E[,}]/, "$command, ref $ref")
                or last;
        }
    }

    for my $ref ('null', 'true', '[]', '{}', '[1]', '"' . 'r' x 300 . '"') {
        my ($r) = said($c, "{\"ping\":1,\"ref\":$ref}");
        is($r->{status}, 400, 'ref ' . substr $ref, 0, 10);
        ok(!exists $r->{ref}, 'which is not sent back');
    }

    # what is no command

    for my $bad (
        '', ' ', 'x', '1', '"ping"', 'null', '[]', '[{"ping":1}]', '{', '{}',
        '{"ping":1', '{"ping":1}}', '{"ping":1}{"ping":1}', "{'ping':1}",
        '{"ping":1,}', '{"ping":01}', '{"Ping":1}', '{"ref":1}',
        "{\"ping\":1}\0", "{\"ping\0\":1}", '{"ping":"\\ud800"}',
        '{"ping":"\\x"}', "{\"ping\":\"\x01\"}", '{"ping":1,"ping":2}',
        '{"ping":1,"subscribe":"a"}', '{"subscribe":1}', '{"subscribe":null}',
        '{"subscribe":["a"]}', '{"subscribe":""}', '{"subscribe":"a,b"}',
        '{"subscribe":"a%20b"}', '{"subscribe":"\\u0000"}',
        '{"subscribe":"\\u0007"}', '{"subscribe":"' . 'n' x 251 . '"}',
        '{"subscribe":"a","since":1}', '{"subscribe":"a","since":"!"}',
        '{"subscribe":"a","since":"last:x"}', '{"subscribe":"a","since":null}',
        '{"unsubscribe":2}', '{"publish":3,"data":1}', '{"publish":"a"}',
        '{"publish":"a","data":}', '{"publish":"","data":1}',
        '{"publish":"a","data":1,"event":2}',
        '{"publish":"a","data":1,"event":"push.x"}',
        '{"publish":"a","data":1,"event":"a\\nb"}',
        '{"publish":"a","data":1,"event":"\\u0000"}',
        '{"publish":"a","data":1,"event":"' . 'e' x 256 . '"}',
        '{"publish":"a","data":"\\udc00"}', "\xEF\xBB\xBF{\"ping\":1}",
        '[' x 2000, '{"ping":' . '[' x 2200 . ']' x 2200 . '}',

        # more than a number can be, to the library that reads it
        '{"ping":1E400}', '{"publish":"a","data":1e999}',
    ) {
        my ($r) = said($c, $bad);
        my $what = substr $bad, 0, 60;

        $what =~ s/[^ -~]/./g;
        is_deeply([ @$r{qw(type status)} ], [ 'error', 400 ], "400: $what");
        ok(length $r->{title} && length $r->{detail}, 'in words');
    }

    # and what is one, however it looks

    for my $good ('{"ping":null}', '{"ping":{"a":[1]}}',
                  " \t\r\n{ \"ping\"\n:\t1 }\n", '{"p\\u0069ng":1}',
                  '{"ping":1,"unknown":{"ping":2}}',
                  '{"ping":123456789012345678901234567890}')
    {
        my ($r) = said($c, $good);
        is($r->{type}, 'pong', 'good: ' . $good =~ s/\s/ /gr);
    }

    is($c->closed, undef, 'mistakes do not end it');

    # other frames

    my $d = ws($n, '/sub?channel=f', protocol => 'push.json', deflate => 1);
    $d->wait_messages(1);
    $d->send($d->message(TEXT, '{"ping":1,"ref":"in parts"}', fragment => 3,
                         deflate => 0));
    ok($d->wait_object(ref => 'in parts'), 'a command in parts');
    $d->text('{"ping":1,"ref":"compressed"}');
    ok($d->wait_object(ref => 'compressed'), 'compressed');
    $d->chop($d->message(TEXT, '{"ping":1,"ref":"by bytes"}'), 1);
    ok($d->wait_object(ref => 'by bytes'), 'byte by byte');
    $d->binary('{"ping":1}');
    is($d->wait_code, 1003, 'binary');

    $d = ws($n, '/sub?channel=f', protocol => 'push.json');
    $d->wait_messages(1);
    $d->text("{\"ping\":\"\xff\"}");
    is($d->wait_code, 1007, 'no UTF-8');

    $d = ws($n, '/sub?channel=f', protocol => 'push.json');
    $d->wait_messages(1);
    $d->text('{"ping":"' . 'x' x 6000 . '"}');
    is($d->wait_code, 1009, 'larger than any command may be');

    # what is published is what was sent

    my $e = ws($n, '/sub?channel=data', protocol => 'push.json');
    $e->wait_messages(1);

    for my $case (
        [ '"text"', '"text"' ], [ '""', '""' ], [ '1', 1, 1 ],
        [ '1.50', '1.50', 1 ], [ '1e300', '1e300', 1 ],
        [ '123456789012345678901', '123456789012345678901', 1 ],
        [ 'null', 'null', 1 ], [ 'true', 'true', 1 ],
        [ '{ "b": [ 1.0, {"c" : "\\u00e9"} ] }', '{"b":[1.0,{"c":"\\u00e9"}]}',
          1 ],
        [ '[]', '[]', 1 ], [ '"\\u00e9\\n\\ud83d\\ude00"',
          "\"\xc3\xa9\\n\xf0\x9f\x98\x80\"" ],
        [ "\"\\\"}\"", "\"\\\"}\"" ],
    ) {
        my ($data, $want, $json) = @$case;
        my $before = $e->count;

        said($c, "{\"publish\":\"data\",\"data\":$data}");
        $e->wait_messages($before + 1);

        my $text = $e->messages->[-1]{data};

        is(objects($e)->[-1]{content_type}, $json ? 'application/json' : undef,
           "data $data: its type");
        like($text, qr/,"data":\Q$want\E\}\z/, "data $data: as it was");
    }

    # up to the size that a message may have

    my ($r) = said($c, '{"publish":"size","data":"' . 'x' x 4096 . '"}');
    is($r->{type}, 'published', 'push_max_message_size');
    ($r) = said($c, '{"publish":"size","data":"' . 'x' x 4097 . '"}');
    is($r->{status}, 413, 'a byte more');
    ($r) = said($c, '{"publish":"size","data":"' . '\\u00e9' x 700 . '"}');
    is($r->{type}, 'published', 'of what it stands for');
});


# which channels

for_workers(1, 2, sub {
    my $n = start(workers => $_[0]);
    my $c = ws($n, '/patterns?channel=own', protocol => 'push.json');

    $c->wait_messages(1);

    my %may = map { $_ => 1 } qw(exact a:b b.x.c d/e d/e/f d/e:f.g e:f:g
                                 e:f:g:h);

    for my $channel (sort keys %may, qw(exac exactly a a: a:b:c ab b.c b.x.d
        b.x.y.c b:x:c d d/ e:f e:f: e:g:f A:b x:y own2))
    {
        my $r = ask($c, subscribe => $channel);
        is($r->{type} eq 'subscribed' ? 1 : $r->{status},
           $may{$channel} ? 1 : 403, "subscribe $channel");
    }

    is(ask($c, subscribe => 'own')->{status}, 403,
       'its own channel is no pattern');
    is(ask($c, publish => $_, data => 1)->{type}, 'published', "publish $_")
        for 'x:y', 'x:y:z';
    is(ask($c, publish => $_, data => 1)->{status}, 403, "not $_")
        for 'x', 'own', 'a:b', 'y:x';

    # a refusal has no effect

    is($n->get('/pub?channel=y:x')->status, 404, 'nothing was published');
    is($n->get('/pub?channel=x')->status, 404, 'nor anywhere else');
});


# where a subscription starts, and the order of what it gets

for_workers(1, 4, sub {
    my $n = start(workers => $_[0]);
    my @ids = map { $n->publish('/pub?channel=s', $_)->json->{id} } 1 .. 5;
    my $c = ws($n, '/sub?channel=', protocol => 'push.json');
    my $d = ws($n, '/earliest?channel=', protocol => 'push.json');

    $_->wait_open for $c, $d;

    for my $case ([ undef, 5 ], [ 'latest', 5 ], [ 'earliest', 0 ],
                  [ 'last:2', 3 ], [ $ids[1], 2 ], [ $ids[4], 5 ], [ '', 5 ])
    {
        my ($since, $from) = @$case;
        my $before = @{ objects($c) };
        my $r = ask($c, subscribe => 's', defined $since ? (since => $since)
                                                         : ());
        my $what = 'since ' . ($since // 'nothing');

        $n->publish('/pub?channel=other', 'x');
        is($r->{id}, $from ? $ids[$from - 1] : $ids[0] =~ s/1\z/0/r,
           "$what: the position it starts from");
        wait_for(sub { @{ objects($c) } >= $before + 1 + 5 - $from });

        my @got = @{ objects($c) };
        @got = @got[$before .. $#got];

        is_deeply([ map { $_->{id} } @got[1 .. $#got] ], [ @ids[$from .. 4] ],
                  "$what: what follows it");
        is(ask($c, unsubscribe => 's')->{id}, $ids[4],
           "$what: unsubscribed at the end");
    }

    ask($d, subscribe => 's');
    wait_for(sub { of($d, 'message') == 5 });
    is(scalar(of($d, 'message')), 5, 'push_start');

    # what was unsubscribed in mid-replay goes on exactly there

    $n->publish('/pub?channel=long', "m$_ " . 'l' x 2000) for 1 .. 60;
    my $e = ws($n, '/sub?channel=', protocol => 'push.json');
    $e->wait_open;
    $e->send($e->message(TEXT, '{"subscribe":"long","since":"earliest"}')
             . $e->message(TEXT, '{"unsubscribe":"long","ref":"u"}'));
    my $u = $e->wait_object(ref => 'u');
    my @got = map { $_->{id} } of($e, 'message');
    is(objects($e)->[-1]{type}, 'unsubscribed', 'nothing comes behind it');
    is($u->{id}, $got[-1] // $u->{id}, 'its position is that of the last');
    ask($e, subscribe => 'long', since => $u->{id});
    wait_for(sub { of($e, 'message') == 60 });
    is_deeply([ map { $_->{data} =~ /\Am(\d+)/ } of($e, 'message') ],
              [ 1 .. 60 ], 'each once, in order');

    # a gap

    $n->publish('/few?channel=s', $_) for 6 .. 9;
    (my $other = $ids[0]) =~ s/\A.{8}/AAAAAAAA/;

    for my $case ([ $ids[0], 'expired' ], [ $other, 'unknown' ]) {
        my ($since, $reason) = @$case;
        my $before = @{ objects($c) };

        $c->command({ subscribe => 's', since => $since, ref => $reason });
        wait_for(sub { @{ objects($c) } >= $before + 4 });

        my @got = @{ objects($c) }[$before .. $before + 3];

        is(join(' ', map { $_->{type} } @got), 'subscribed gap message message',
           "$reason: reply, gap, messages");
        ok(exists $got[0]{id} && !defined $got[0]{id}, 'no position before it');
        is_deeply([ @{ $got[1] }{qw(channel requested reason oldest)} ],
                  [ 's', $since, $reason, $got[2]{id} ], 'the notice');
        is_deeply([ map { $_->{data} } @got[2, 3] ], [ 8, 9 ], 'what is kept');
        ask($c, unsubscribe => 's');
    }

    # sealed, and once more

    $n->publish('/pub?channel=s', 'end', headers => { 'Push-End' => 'true' });

    for (1, 2) {
        my $before = @{ objects($c) };

        $c->command({ subscribe => 's', since => 'last:1' });
        wait_for(sub { @{ objects($c) } >= $before + 3 });
        is(join(' ', map { $_->{type} } @{ objects($c) }[$before .. $before + 2]),
           'subscribed message closed', 'sealed: the rest, and the end');
        is(objects($c)->[-1]{reason}, 'ended', 'by its reason');
    }

    is(ask($c, unsubscribe => 's')->{status}, 404, 'there is nothing to leave');
    is(ask($c, publish => 's', data => 1)->{status}, 409, 'nor to say');
    is(ask($c, ping => 1)->{type}, 'pong', 'but it stays');

    # by age

    my $old = ws($n, '/old?channel=s2', protocol => 'push.json');
    is($old->wait_code, 1012, 'push_max_age');
    is(objects($old)->[-1]{type}, 'reconnect', 'in words');
    like($old->why, qr/\Aretry=\d+\z/, 'and when');
});


# Two clients talk: each message has the id of its reply, and all see it in the
# same order.

for_workers(1, 4, sub {
    my $n = start(workers => $_[0]);

    my @c = map { ws($n, "/sub?channel=talk&user=u$_", protocol => 'push.json') }
            1 .. 4;
    $_->wait_messages(1) for @c;

    for my $i (1 .. 50) {
        $_->text(qq({"publish":"talk","data":$i,"ref":$i})) for @c;
    }

    wait_for(sub { !grep { of($_, 'message') < 200 || of($_, 'published') < 50 }
                   @c });

    my @orders = map { join ' ', map { $_->{id} } of($_, 'message') } @c;

    is(scalar(grep { $_ ne $orders[0] } @orders), 0, 'one order for all');
    is(scalar(() = $orders[0] =~ /-/g), 200, 'of all');

    for my $k (1 .. 4) {
        my $c = $c[$k - 1];
        my %mine = map { $_->{id} => $_->{data} }
                   grep { $_->{user} eq "u$k" } of($c, 'message');

        is_deeply({ map { $_->{id} => $_->{ref} } of($c, 'published') }, \%mine,
                  "u$k: the ids are those that subscribers see");
        is_deeply([ map { $_->{ref} } of($c, 'published') ], [ 1 .. 50 ],
                  "u$k: answered in order");
    }
});


# as many channels as there may be, and places that come free

{
    my $n = start(workers => 2);
    my $c = ws($n, '/sub?channel=own', protocol => 'push.json');

    $c->wait_messages(1);
    $c->send(join '', map { $c->message(TEXT, qq({"subscribe":"c$_"})) }
                      1 .. 254);
    wait_for(sub { of($c, 'subscribed') == 255 });
    is(ask($c, subscribe => 'more')->{status}, 400, '255 with its own');
    is(ask($c, subscribe => 'c7')->{type}, 'subscribed', 'one of them again');
    ask($c, unsubscribe => 'c8');
    is(ask($c, subscribe => 'more')->{type}, 'subscribed', 'one has left');
    is(ask($c, subscribe => 'c8')->{status}, 400, 'and so it cannot come back');

    $n->publish("/pub?channel=$_", "in $_") for 'own', 'c1', 'c254', 'more',
                                                'c8';
    wait_for(sub { of($c, 'message') == 4 });
    is(join(' ', sort map { $_->{data} } of($c, 'message')),
       'in c1 in c254 in more in own', 'each gets its messages');

    # over their position

    my ($m) = (of($c, 'message'))[-1];
    ok(length $m->{position} > 1000, 'one position of all');

    $c->close;
    ok(wait_for(sub { $n->get('/status')->json->{subscribers}{total} == 0 }),
       'nobody is left');
    is($n->get('/status')->json->{zones}[0]{bytes}{listeners}, 0,
       'and nothing of 255 channels');
}


# who sends and does not read costs no more than what is on its way

{
    my $n = start(workers => 1, listen => 'sndbuf=8k rcvbuf=8k');
    my ($worker) = $n->workers;
    my $rss = sub {
        return +(Push::Nginx::_slurp("/proc/$worker/status")
                 =~ /^RssAnon:\s+(\d+) kB/m)[0];
    };

    for my $case (@each) {
        my ($path, $what, $port, $tls) = @$case;
        my $c = ws($n->port($port), "$path?channel=flood",
                   protocol => 'push.json', tls => $tls, rcvbuf => 4096);

        $c->wait_messages(1);
        $c->pause;

        # the kernel takes little, so what is taken is taken by the worker

        setsockopt($c->{fh}, SOL_SOCKET, SO_SNDBUF, 8192) or die "$!";

        my $count = 40_000;
        my $before = $rss->();

        $c->send(join '', map { $c->frame(TEXT, qq({"ping":1,"ref":$_}),
                                          mask => "\1\2\3\4") } 1 .. $count);

        # until the server takes no more of it

        my ($last, $same) = (-1, 0);

        wait_for(sub {
            my $now = $c->unsent;
            $same = $now == $last ? $same + 1 : 0;
            $last = $now;
            return $same > 30 || !$now;
        }, 30, 'the server to stop reading');

        cmp_ok($c->unsent, '>', 500_000,
               "$what: it is not listened to any more");
        note("$what: " . ($rss->() - $before) . ' kB, unsent '
             . $c->unsent . ' of ' . $count * 30);

        unless ($ENV{PUSH_ASAN} || $ENV{PUSH_COVER}) {
            cmp_ok($rss->() - $before, '<', 1024, "$what: bounded");
        }

        is($n->get('/status')->json->{subscribers}{total}, 1,
           "$what: others are served");

        $c->resume;
        wait_for(sub { $c->count == $count + 1 || $c->closed }, 120, 'all');
        is($c->count, $count + 1, "$what: when it reads, all are answered");
        like($c->messages->[-1]{data}, qr/"ref":$count\}/, "$what: in order");
        is($c->bad, undef, "$what: good frames");
        $c->close;
        wait_for(sub { $n->get('/status')->json->{subscribers}{total} == 0 });
    }
}


# where there is no room

subtest 'a full zone' => sub {
    my $n = nginx(workers => 1, allow => [qr/is full/], conf => <<'C');
        push_zone push 128k;
        push_max_message_size 1m;

        server {
            listen 127.0.0.1:%%PORT%%;
            location = /sub {
                push_subscribe $arg_channel;
                push_client_subscribe **;
                push_client_publish **;
            }
        }
C

    my $c = ws($n, '/sub?channel=a', protocol => 'push.json');
    $c->wait_messages(1);
    is(ask($c, publish => 'a', data => 'x' x 300_000)->{status}, 507,
       'what cannot fit');
    is(ask($c, publish => 'a', data => 'x')->{type}, 'published', 'what can');

    my $i = 0;
    my @more = map { ws($n, '/sub?channel=', protocol => 'push.json') } 1 .. 9;

    $_->wait_open for @more;

    for my $m (@more) {
        $m->send(join '', map { $m->message(TEXT, '{"subscribe":"'
            . ++$i . '-' . 'c' x 200 . '"}') } 1 .. 250);
        wait_for(sub { $m->count == 250 });
        last if of($m, 'error');
    }

    my ($error) = map { of($_, 'error') } @more;
    is($error->{status}, 503, 'one channel more than it holds');
    is(ask($c, ping => 1)->{type}, 'pong', 'the others stay');
};


done_testing;
