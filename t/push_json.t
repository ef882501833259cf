#!/usr/bin/perl

# The sub-protocol push.json: commands and their replies.

use strict;
use warnings;

use Push::Test;
use Push::WebSocket;

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
        return (grep { ($_->{ref} // '') eq $id } @{ $c->objects })[0];
    };

    wait_for(sub { $found->() });
    return $found->() // {};
}

sub of {
    my ($c, $type) = @_;
    return grep { $_->{type} eq $type } @{ $c->objects };
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
    my @types = map { $_->{type} } @{ $c->objects };
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


done_testing;
