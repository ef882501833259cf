#!/usr/bin/perl

# Several channels in one subscription: compound positions that resume exactly
# after any interleaving, on every transport that has ids.

use strict;
use warnings;

use List::Util qw(shuffle sum0 uniq);

use Push::NDJSON;
use Push::Poll;
use Push::Position;
use Push::Test;
use Push::WebSocket;

my $conf = <<'C';
    push_zone push 16m;
    push_drain_window 1s;
    push_history 1000;
    push_poll_timeout 20s;

    server {
        listen 127.0.0.1:%%PORT%% sndbuf=16k;
        large_client_header_buffers 4 32k;

        location = /pub { push_publish $arg_channel; }
        location = /few { push_publish $arg_channel; push_history 2; }
        location = /age { push_publish $arg_channel; push_history 9 300ms; }
        location = /sub { push_subscribe $arg_channel; }
        location = /earliest { push_start earliest;
                               push_subscribe $arg_channel; }
        location = /status { push_status; }
    }
C

seed();

my ($n, $keep, %next);

sub start {
    $n = nginx(conf => $conf, @_);
    $keep = Push::HTTP->new($n->port);
    %next = ();
}

# publishes the next message of a channel, "<channel>:<number>"

sub say_in {
    my ($channel, $path) = @_;

    $path //= '/pub';

    my $body = "$channel:" . ++$next{$channel};
    my $r = $keep->request(POST => "$path?channel=$channel", body => $body);

    $r->status == 201 or fail('published: ' . $r->status);
    return $r->json->{id};
}

sub seal {
    my ($channel) = @_;
    is($n->publish("/pub?channel=$channel", '', headers => {
        'Push-End' => 'true' })->status, 201, "$channel is sealed");
}

sub remove {
    my ($channel) = @_;
    is($n->delete("/pub?channel=$channel")->status, 200,
       "$channel is deleted");
}

sub subscribers {
    my ($channel) = @_;
    my $r = $n->get("/pub?channel=$channel");
    return $r->status == 200 ? $r->json->{subscribers} : 0;
}


# A stream by one of the ways, and what it has been told: objects as those of
# JSON, "position" being that of the client whatever it is called.

my @streams = ('sse', 'sse json', 'ndjson', 'websocket', 'push.json');

sub stream {
    my ($way, $path, %opt) = @_;

    return $n->sse($path . ($way eq 'sse' ? '' : '&format=json'), %opt)
        if $way =~ /\Asse/;
    return ndjson($n, $path, %opt) if $way eq 'ndjson';
    return ws($n, "$path&format=json", %opt) if $way eq 'websocket';
    return ws($n, $path, %opt, protocol => 'push.json');
}

sub told {
    my ($c) = @_;
    my $have = $c->{told} //= [];

    # each is looked at once

    my @new = $c->isa('Push::SSE')
        ? map { of_event($_) } @{ $c->events }[@$have .. $c->count - 1]
        : $c->can('lines') ? @{ $c->lines }[@$have .. $#{ $c->lines }]
        : map { decode_json($_->{data}) }
          @{ $c->messages }[@$have .. $c->count - 1];

    push @$have, map { { %$_, position => $_->{position} // $_->{id} } } @new;

    return @$have;
}

sub of_event {
    my ($e) = @_;
    my ($type) = $e->{event} =~ /\Apush\.(.*)/;
    my $data = $e->{data} =~ /\A\{/ ? decode_json($e->{data}) : {};
    my $body = $data->{data} // $e->{data};
    my ($channel) = $body =~ /\A([^:]*):/;

    return { %$data, type => $type, position => $e->{id} } if $type;
    return { type => 'message', channel => $channel, data => $body,
             position => $e->{id} };
}

sub told_of { my ($c, $type) = @_; grep { $_->{type} eq $type } told($c) }

sub wait_told {
    my ($c, $type, $count) = @_;

    return wait_for(sub { $c->closed || told_of($c, $type) >= $count }, 30,
                    "$count of $type");
}

# it has all that was there when it came, and gets what comes now

sub wait_on {
    my ($c) = @_;

    return wait_for(sub { $c->{status} || $c->closed }) && $c->status == 200
           ? wait_told($c, subscribed => 1) : $c->wait_open;
}

# [ position, data ] of so many messages from there on

sub messages {
    my ($way, $path, $count) = @_;

    if ($way eq 'poll') {
        my ($since) = $path =~ s/&since=([^&]+)// ? $1 : undef;

        return map { [ $_->{position} // $_->{id}, $_->{data} ] }
               walk($n, $path, since => $since);
    }

    my $c = stream($way, $path);

    $count ? wait_told($c, message => $count) : wait_on($c);
    my @all = map { [ @$_{qw(position data)} ] } told_of($c, 'message');

    $way =~ /web|push/ ? $c->bye(1000)->wait_closed : $c->close;

    return @all;
}

# the same messages, in the order of each channel

sub by_channel {
    my %by;
    push @{ $by{ (split /:/)[0] } }, $_ for @_;
    return \%by;
}

sub same { is_deeply(by_channel(@{ $_[0] }), by_channel(@{ $_[1] }), $_[2]) }


for_workers(1, 4, sub {
    my ($workers) = @_;

    start(workers => $workers);

    for my $way (@streams, 'poll') {
        for my $count (1, 2, 5, 8, 100, 255) {
            next if $count > 8 && $workers == 1 && $way !~ /ndjson|poll/;

            my $p = "$way-$count-" =~ s/\W/-/gr;
            my @channels = map { "$p$_" } 1 .. $count;
            my $list = sub { '/sub?channel=' . join ',', @_ };
            my $what = "$way, $count channels";

            say_in($channels[rand @channels]) for 1 .. 40;

            my @all = messages($way, $list->(@channels) . '&since=earliest',
                               40);
            my @data = map { $_->[1] } @all;
            my @want = map { my $c = $_; map { "$c:$_" } 1 .. $next{$c} // 0 }
                       @channels;

            same(\@data, \@want, "$what: all, in order");

            # from any place on exactly the rest, in any order of channels

            for my $at (0, int rand 39, 38, 39) {
                my @more = messages($way, $list->(shuffle @channels)
                                    . "&since=$all[$at][0]", 39 - $at);

                same([ map { $_->[1] } @more ], [ @data[$at + 1 .. 39] ],
                     "$what: from $at exactly the rest");
            }

            next unless $count > 1;

            my ($longest) = sort { $b <=> $a } map { length $_->[0] } @all;
            like($all[-1][0], qr/\A\.[A-Za-z0-9_-]+\z/, "$what: a position");
            cmp_ok($longest, '<=', 128, "$what: its length") if $count <= 8;
        }
    }

    is($n->get('/sub?channel=' . join(',', 1 .. 256), headers => [
        Accept => $_ ])->status, 400, "256 channels, $_")
        for 'text/event-stream', 'application/json', 'application/x-ndjson';

    my $c = ws($n, '/sub?channel=' . join ',', 1 .. 256);
    $c->wait_end;
    is($c->status, 400, '256 channels, websocket');

    # twice is once

    $c = ndjson($n, '/sub?channel=t1,t2,t1');
    $c->wait_subscribed(2);
    say_in($_) for qw(t1 t2);
    $c->wait_messages(2);
    is(scalar @{ $c->lines }, 4, 'a channel named twice counts once');
    is(subscribers('t1'), 1, 'everywhere');
    $c->close;
});


# each position of a stream, by all that take one

start(workers => 2);

for my $way (@streams, 'poll') {
    my @channels = map { "$way$_" =~ s/\W//gr } 'a' .. 'f';
    my $path = '/sub?channel=' . join ',', @channels;
    my ($c, @all);

    if ($way eq 'poll') {
        say_in($channels[rand @channels]) for 1 .. 40;
        @all = messages($way, "$path&since=earliest");

    } else {
        $c = stream($way, $path);
        wait_on($c);
        say_in($channels[rand @channels]) for 1 .. 40;
        wait_told($c, message => 40);
        @all = map { [ @$_{qw(position data)} ] } told_of($c, 'message');
    }

    my @wrong;

    for my $at (0 .. 39) {
        my @set = shuffle @channels;
        my @rest = map { $_->[1] } @all[$at + 1 .. 39];

        # by pages: all, and a part of them

        splice @set, 1 + rand(@set - 1) if $at % 2;

        my %in = map { $_ => 1 } @set;
        my @want = grep { $in{ (split /:/)[0] } } @rest;
        my @got = map { $_->{data} } walk($n, '/sub?channel='
                  . join(',', @set), since => $all[$at][0]);

        push @wrong, $at if json(by_channel(@got))
                                    ne json(by_channel(@want));
    }

    is("@wrong", '', "$way: all positions are exact");

    # and the streams from a page's

    next if $way ne 'poll';

    for my $other (@streams) {
        my @more = messages($other, "$path&since=$all[20][0]", 19);
        same([ map { $_->[1] } @more ], [ map { $_->[1] } @all[21 .. 39] ],
             "$other: from the position of a page");
    }
}

# those that it does not know start as the request does

{
    say_in($_) for qw(u v u v w w);
    my $c = stream('sse', '/sub?channel=u,v');
    wait_on($c);
    my $position = ($c->events)->[0]{id};

    $c->close;
    say_in($_) for qw(u v w);

    for my $way (@streams) {
        my $d = stream($way, "/sub?channel=w,v,u&since=$position");
        wait_told($d, message => 2);
        say_in('w');
        wait_told($d, message => 3);
        is_deeply(by_channel(map { $_->{data} } told_of($d, 'message')),
                  by_channel('u:3', 'v:3', "w:$next{w}"),
                  "$way: one more channel begins with what comes");
        is(scalar told_of($d, 'gap'), 0, 'which is no gap');
        $d->close;

        $d = stream($way, "/earliest?channel=w,v,u&since=$position");
        wait_told($d, message => 2 + $next{w});
        is_deeply(by_channel(map { $_->{data} } told_of($d, 'message')),
                  by_channel('u:3', 'v:3', map { "w:$_" } 1 .. $next{w}),
                  "$way: or as push_start says");
        $d->close;
    }

    same([ map { $_->{data} } walk($n, '/sub?channel=w,v,u',
                                   since => $position) ],
         [ 'u:3', 'v:3', map { "w:$_" } 1 .. $next{w} ],
         'pages: with all of its history');

    my $p = start_poll($n, '/sub?channel=w,v2', since => $position,
                       wait => 20);
    wait_for(sub { subscribers('v2') == 1 });
    say_in('v2');
    $p->wait_end;
    is_deeply(data_of($p), ['v2:1'], 'a wait: with what comes');
}

# names that have the same hash

{
    my (%names, @pair);

    for (my $i = 0; !@pair; $i++) {
        my $hash = Push::Position::_hash("name$i");
        @pair = ($names{$hash}, "name$i") if $names{$hash};
        $names{$hash} = "name$i";
    }

    note("@pair");
    say_in($_) for @pair, @pair, $pair[0], 'other';

    my $c = ndjson($n, "/sub?channel=$pair[0],$pair[1],other&since=last:1");
    $c->wait_messages(3);
    my $position = $c->lines->[-1]{position};

    $c->close;
    say_in($_) for $pair[1], $pair[0], $pair[1], 'other';

    for my $set ([@pair], [ reverse @pair ], [ 'other', @pair ]) {
        my @want = ("$pair[0]:4", "$pair[1]:3", "$pair[1]:4",
                    @$set > 2 ? 'other:2' : ());

        same([ map { $_->{data} } walk($n, '/sub?channel=' . join(',', @$set),
                                       since => $position) ],
             \@want, "the same hash: @$set");
    }
}


# positions that are none

{
    my $id = say_in('x');
    say_in('y');

    for my $way (@streams) {
        my $c = stream($way, "/sub?channel=x,y&since=$id");

        if ($way !~ /\Asse/) {
            wait_for(sub { $c->ended || $c->closed });
            is($c->status, 400, "$way: an id of one message names no channel");
            next;
        }

        wait_told($c, message => 2);
        is_deeply([ map { "$_->{channel} $_->{reason}" } told_of($c, 'gap') ],
                  [ 'x malformed', 'y malformed' ], "$way: a gap in each");
        same([ map { $_->{data} } told_of($c, 'message') ],
             [ 'x:1', 'y:1' ], 'then all that is kept');
        $c->close;
    }

    is(page($n, '/sub?channel=x,y', since => $id)->status, 400, 'pages: 400');

    # one that was changed on its way

    my $good = page($n, '/sub?channel=x,y')->json->{next};
    my %count;

    for (1 .. 150) {
        my $bad = $good;
        my @digits = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_', '.');

        substr $bad, rand length $bad, 1, $digits[rand @digits]
            for 0 .. rand 3;
        $bad = substr $bad, 0, 1 + rand length $bad if rand() < 0.3;
        $bad .= $digits[rand @digits] if rand() < 0.3;

        my $r = page($n, '/sub?channel=x,y', since => $bad);

        $count{ $r->status }++;
        $count{'without a word'}++ if $r->status == 200 && !$r->json->{gap}
            && @{ $r->json->{messages} } == 0 && $bad ne $good
            && !same_place($bad, $good);
    }

    note(join ', ', map { "$_: $count{$_}" } sort keys %count);
    is_deeply([ grep { !/\A(?:200|400)\z/ } keys %count ], [],
              'changed positions: refused or understood')
        or diag(json(\%count));
}

# what differs in the channels that are asked for

sub same_place {
    my ($a, $b) = map { Push::Position->parse($_) } @_;

    return $a && $b && !grep { "@{[ $a->of($_) ]}" ne "@{[ $b->of($_) ]}" }
                       qw(x y);
}


# gaps in several: each notice has a position that keeps what is not told yet

for_workers(1, 2, sub {
    start(workers => $_[0]);

    for my $way (@streams) {
        my @channels = map { "$way$_" =~ s/\W//gr } 1 .. 4;
        my $path = '/sub?channel=' . join ',', @channels;

        say_in($_) for @channels;

        my $c = stream($way, "$path&since=earliest");
        wait_told($c, message => 4);
        my $old = (told($c))[-1]{position};
        $c->close;

        # the last one has lost nothing

        say_in($_, '/few') for (@channels[0 .. 2]) x 5;
        say_in($channels[3]);

        my $since = $old;

        for my $gaps (3, 2, 1, 0) {
            $c = stream($way, "$path&since=$since");
            wait_told($c, message => 7);

            my @gaps = told_of($c, 'gap');

            is(join(' ', map { "$_->{channel} $_->{reason}" } @gaps),
               join(' ', map { "$_ expired" } @channels[3 - $gaps .. 2]),
               "$way: $gaps gaps are left to be told");
            same([ map { $_->{data} } told_of($c, 'message') ],
                 [ "$channels[3]:2", map { ("$_:5", "$_:6") }
                   @channels[0 .. 2] ], "$way: and what is kept");
            unlike(join(' ', map { $_->{type} } told($c)), qr/message.*gap/,
                   "$way: notices first");
            $c->close;

            # cut off behind the first notice

            $since = $gaps[0]{position} if @gaps;
        }
    }
});


# one of several is deleted, another one is sealed

for_workers(1, 2, sub {
    start(workers => $_[0]);

    for my $way (@streams, 'raw') {
        my ($gone, $over, $last) = map { "$way$_" =~ s/\W//gr } 1 .. 3;
        my $path = "/sub?channel=$gone,$over,$last";

        say_in($_) for $gone, $over, $last;

        my $c = $way eq 'raw' ? ws($n, $path) : stream($way, $path);
        $way eq 'raw' ? $c->wait_open : wait_on($c);
        wait_for(sub { subscribers($last) == 1 });

        remove($gone);
        seal($over);
        say_in($last);

        if ($way eq 'raw') {
            $c->wait_messages(1);
            is_deeply($c->data, ["$last:2"], 'raw: goes on');
            is($c->ended, undef, 'raw: open');

        } else {
            wait_told($c, closed => 2);
            wait_told($c, message => 1);

            is(join(' ', sort map { "$_->{channel} $_->{reason}" }
                         told_of($c, 'closed')),
               "$gone deleted $over ended", "$way: told of both");
            is_deeply([ map { $_->{data} } told_of($c, 'message') ],
                      ["$last:2"], "$way: goes on");
        }

        is(subscribers($over), 0, "$way: nobody is in it any more");

        # a new life is for who subscribes to it anew

        $next{$gone} = 0;
        say_in($gone);
        say_in($last);
        seal($last);
        ok($c->wait_end, "$way: ends with the last one");

        my @data = $way eq 'raw' ? @{ $c->data }
                                 : map { $_->{data} } told_of($c, 'message');

        is_deeply(\@data, [ "$last:2", "$last:3" ], "$way: nothing of it");
        is($c->code, 1000, "$way: by 1000") if $c->can('code');
        is(join(' ', map { $_->{channel} } (told_of($c, 'closed'))[2]),
           $last, "$way: told of the last") unless $way eq 'raw';

        next unless $way eq 'sse';

        # a browser that comes back with its last id

        my $id = $c->last_id;

        is($n->get("/sub?channel=$over,$last", headers => {
            'Last-Event-ID' => $id })->status, 204, 'all sealed: it stops');

        my $e = stream('sse', '/sub?channel=z1,z2');
        wait_on($e);
        say_in($_) for qw(z1 z2);
        wait_told($e, message => 2);
        remove('z1');
        seal('z2');
        $e->wait_end;
        is($n->get('/sub?channel=z2,z1', headers => {
            'Last-Event-ID' => $e->last_id })->status, 204,
           'sealed or deleted: it stops');

        my $d = stream('sse', "/sub?channel=$over,other&since=$id");
        wait_told($d, closed => 1);
        say_in('other');
        wait_told($d, message => 1);
        is_deeply([ map { $_->{data} } told_of($d, 'message') ],
                  ["other:$next{other}"], 'one is open: it goes on');
        $d->close;
    }

    # while a poll waits

    say_in($_) for qw(p1 p2 p3);
    my $next = page($n, '/sub?channel=p1,p2,p3')->json->{next};
    my $wait = sub {
        my $p = start_poll($n, '/sub?channel=p1,p2,p3', since => $next,
                           wait => 20);
        wait_for(sub { subscribers('p3') == 1 });
        return $p;
    };

    my $p = $wait->();
    is(page($n, '/sub?channel=p1,p2,p3', since => $next, etag => $next)
       ->status, 304, 'nothing new in several');

    remove('p1');
    ok($p->wait_end, 'deleted: answered');
    is_deeply($p->json->{closed}, [ { channel => 'p1', reason => 'deleted' } ],
              'which one');
    is($p->json->{ended}, undef, 'but not all');
    $next = $p->json->{next};

    # what was over is no news: it waits again, and does not spin

    my $again = page($n, '/sub?channel=p2,p3', since => $next);
    is_deeply($again->json->{messages}, [], 'nothing new');
    seal('p2');

    my $q = start_poll($n, '/sub?channel=p2,p3', since => $next, wait => 20);
    wait_for(sub { subscribers('p3') == 1 });
    say_in('p3');
    ok($q->wait_end, 'a message of what is left');
    is_deeply(data_of($q), ['p3:2'], 'is the answer');
    $next = $q->json->{next};

    $q = start_poll($n, '/sub?channel=p2,p3', since => $next, wait => 20);
    wait_for(sub { subscribers('p3') == 1 });
    seal('p3');
    ok($q->wait_end, 'the last is sealed: answered');
    is($q->json->{ended}, JSON::PP::true, 'ended');

    my $r = page($n, '/sub?channel=p2,p3', since => $q->json->{next},
                 wait => 20);
    is_deeply([ sort map { "$_->{channel} $_->{reason}" }
                @{ $r->json->{closed} } ], [ 'p2 ended', 'p3 ended' ],
              'and so for the next poll');
    is($r->json->{ended}, JSON::PP::true, 'ended');
});


# what is old in one is no matter of another

start(workers => 2);

for my $way (@streams, 'poll') {
    my ($old, $new) = map { "$way$_" =~ s/\W//gr } 1, 2;
    my $path = "/sub?channel=$old,$new";
    my $since = page($n, $path)->json->{next};

    say_in($old, '/age') for 1 .. 3;
    say_in($new) for 1 .. 3;
    wait_for(sub { !$n->get("/pub?channel=$old")->json->{messages} });

    if ($way eq 'poll') {
        my $r = page($n, $path, since => $since)->json;
        is("$r->{gap}{channel} $r->{gap}{reason}", "$old expired",
           "$way: told of the one");
        is_deeply([ map { $_->{data} } @{ $r->{messages} } ],
                  [ map { "$new:$_" } 1 .. 3 ], "$way: and has the other");
        next;
    }

    my $c = stream($way, "$path&since=$since");
    wait_told($c, message => 3);
    is(join(' ', map { "$_->{channel} $_->{reason}" } told_of($c, 'gap')),
       "$old expired", "$way: told of the one");
    is_deeply([ map { $_->{data} } told_of($c, 'message') ],
              [ map { "$new:$_" } 1 .. 3 ], "$way: and has the other");
    $c->close;
}


# one publish to several

{
    my $c = stream('push.json', '/sub?channel=m1,m2,m3');
    wait_told($c, subscribed => 3);

    my $r = $n->publish('/pub?channel=m3,m1,m2', 'to all');
    wait_told($c, message => 3);
    is_deeply({ map { $_->{channel} => $_->{id} } told_of($c, 'message') },
              { map { $_->{channel} => $_->{id} } @{ $r->json } },
              'a publish to three: the ids of its answer');
    $c->close;
}


# A client that reads slowly has all of each channel, in order; and where its
# channels go on without it, it is told of each.

my $slow = <<'C';
    push_zone push 32m;

    server {
        listen 127.0.0.1:%%PORT%% sndbuf=8k;
        location = /all { push_history 1000; push_backlog 8m;
                          push_publish $arg_channel; }
        location = /few { push_history 3; push_backlog 20k;
                          push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
    }
C

for_workers(1, 2, sub {
    $n = nginx(conf => $slow, workers => $_[0]);
    $keep = Push::HTTP->new($n->port);

    for my $way ('sse', 'ndjson', 'websocket', 'push.json') {
        my @channels = map { "$way$_" =~ s/\W//gr } 1 .. 20;
        my $path = '/sub?channel=' . join ',', @channels;
        my $c = stream($way, $path, rcvbuf => 4096);

        wait_on($c);
        wait_for(sub { $n->get("/all?channel=$channels[19]")->status == 200 });
        $c->pause;

        my @want;

        for my $i (1 .. 8) {
            for my $channel (@channels) {
                my $body = "$channel:$i:" . 's' x 2000;

                $keep->request(POST => "/all?channel=$channel",
                               body => $body);
                push @want, $body;
            }
        }

        $c->resume;
        wait_told($c, message => 160);
        same([ map { $_->{data} } told_of($c, 'message') ], \@want,
             "$way: all of 20 channels");
        is(scalar told_of($c, 'gap'), 0, "$way: without a gap");
        ok(!$c->{bad}, "$way: framing");
        $c->close;
    }

    for my $way ('sse', 'ndjson', 'push.json') {
        my @channels = map { "few$way$_" =~ s/\W//gr } 1 .. 20;
        my $path = '/sub?channel=' . join ',', @channels;
        my $c = stream($way, $path, rcvbuf => 4096);

        wait_on($c);
        wait_for(sub { $n->get("/few?channel=$channels[19]")->status == 200 });
        $c->pause;

        my %ids;

        for my $i (1 .. 30) {
            for my $channel (@channels) {
                push @{ $ids{$channel} }, $keep->request(
                    POST => "/few?channel=$channel",
                    body => "$channel:$i:" . 's' x 2000)->json->{id};
            }
        }

        $c->resume;
        wait_for(sub {
            my %last = map { $_->{channel} => $_->{data} }
                       told_of($c, 'message');
            return !grep { ($last{$_} // '') !~ /:30:/ } @channels;
        }, 30, 'the last of each');

        # what comes is next in its channel, or a notice stands before it

        my (%has, @wrong);
        my $gaps = 0;

        for my $t (told($c)) {
            next unless $t->{type} =~ /gap|message/;

            my $channel = $t->{channel};
            my $of = Push::Position->parse($t->{position});
            my ($epoch, $seq) = $of->of($channel);
            my $has = $has{$channel} // 0;

            if ($t->{type} eq 'gap') {
                $gaps++;
                push @wrong, "gap to $seq after $has" if $seq <= $has;

            } else {
                my ($number) = $t->{data} =~ /:(\d+):/;
                push @wrong, "$seq is $number after $has"
                    if $seq != $has + 1 || $number != $seq;
            }

            $has{$channel} = $seq;
        }

        is("@wrong", '', "$way: complete, or told at the place");
        cmp_ok($gaps, '>', 10, "$way: overtaken in many");
        is(sum0(map { $has{$_} == 30 } @channels), 20, "$way: up to the end");
        $c->close;
    }
});


# over a reload and the end of a worker

for_workers(1, 4, sub {
    start(workers => $_[0]);

    my @channels = map { "r$_" } 1 .. 5;
    my $path = '/sub?channel=' . join ',', @channels;

    for my $how (qw(reload kill)) {
        my %c = map { my $c = stream($_, $path); ($_ => $c) } @streams;

        wait_on($_) for values %c;
        wait_for(sub { subscribers('r5') == @streams });

        say_in($channels[rand @channels]) for 1 .. 10;
        wait_told($c{$_}, message => 10) for @streams;

        if ($how eq 'reload') {
            ok($n->reload, 'reload');
            ok(wait_for(sub { !grep { !$_->ended && !$_->closed } values %c }),
               'all are told to come back');
            is(scalar(grep { !told_of($_, 'reconnect') } values %c), 0,
               'in words');

        } else {
            ok($n->kill_worker($_), 'kill -9') for $n->workers;
            ok(wait_for(sub { !grep { !$_->closed } values %c }), 'cut off');
            ok($n->wait_workers, 'others come');
        }

        $keep = Push::HTTP->new($n->port);
        my %before = %next;
        say_in($channels[rand @channels]) for 1 .. 10;

        my @want = map { my $c = $_; map { "$c:$_" }
                         ($before{$c} // 0) + 1 .. $next{$c} // 0 } @channels;

        for my $way (@streams) {
            my $position = (told($c{$way}))[-1]{position};
            my @more = messages($way, "$path&since=$position", 10);

            same([ map { $_->[1] } @more ], \@want,
                 "$way, $how: exactly the rest");
        }
    }

    ok($n->wait_old_workers, 'old workers go');
    ok(wait_for(sub { $n->get('/status')->json->{subscribers}{total} == 0 }),
       'nobody is counted');
});

done_testing;
