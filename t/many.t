#!/usr/bin/perl

# Several channels in one subscription: compound positions that resume exactly
# after any interleaving, on every transport that has ids.

use strict;
use warnings;

use Push::Test;
use Push::NDJSON;
use Push::Poll;
use Push::WebSocket;

my $conf = <<'C';
    push_drain_window 1s;

    server {
        listen 127.0.0.1:%%PORT%%;
        large_client_header_buffers 4 32k;

        location = /pub { push_publish $arg_channel; }
        location = /short { push_publish $arg_channel; push_history 2; }
        location = /sub { push_subscribe $arg_channel; }
    }
C

my $seed = seed();
srand $seed;


# publishes the next message of a channel, "<channel>:<number>"

my %next;

sub say_in {
    my ($n, $channel, $path) = @_;
    my $body = "$channel:" . ++$next{$channel};

    return $n->publish(($path // '/pub') . "?channel=$channel", $body)
             ->json->{id};
}


# [position, data] of all messages of a reader by each way, and how to begin

my %read = (
    sse => sub {
        my ($n, $path, $count) = @_;
        my $c = $n->sse($path);
        $c->wait_messages($count);
        my @all = map { [ $_->{id}, $_->{data} ] } @{ $c->messages };
        $c->close;
        return @all;
    },
    ndjson => sub {
        my ($n, $path, $count) = @_;
        my $c = ndjson($n, $path);
        $c->wait_messages($count);
        my @all = map { [ $_->{position} // $_->{id}, $_->{data} ] }
                  @{ $c->messages };
        $c->close;
        return @all;
    },
    poll => sub {
        my ($n, $path) = @_;
        my ($since) = $path =~ /since=([^&]+)/;
        $path =~ s/&since=[^&]+//;
        return map { [ $_->{position} // $_->{id}, $_->{data} ] }
               walk($n, $path, since => $since);
    },
    'push.json' => sub {
        my ($n, $path, $count) = @_;
        my $c = ws($n, $path, protocol => 'push.json');
        $c->wait_open;
        wait_for(sub { grep({ $_->{type} eq 'message' } @{ $c->objects })
                       >= $count });
        my @all = map { [ $_->{position} // $_->{id}, $_->{data} ] }
                  grep { $_->{type} eq 'message' } @{ $c->objects };
        $c->bye(1000);
        return @all;
    },
);


# in the order of each channel, everything once

sub is_complete {
    my ($got, $want, $what) = @_;
    my (%got, %want);

    push @{ $got{ (split /:/)[0] } }, $_ for @$got;
    push @{ $want{ (split /:/)[0] } }, $_ for @$want;
    is_deeply(\%got, \%want, $what);
}


for_workers(1, 2, sub {
    my ($workers) = @_;
    my $n = nginx(conf => $conf, workers => $workers);

    for my $way (sort keys %read) {
        for my $count (1, 2, 5, 20) {
            my $p = "$way$workers-$count-" =~ s/\W/-/gr;
            my @channels = map { "$p$_" } 1 .. $count;
            my $path = '/sub?channel=' . join ',', @channels;

            say_in($n, $channels[rand @channels]) for 1 .. 30;

            my @all = $read{$way}->($n, "$path&since=earliest", 30);
            my @data = map { $_->[1] } @all;
            my @want = map { my $c = $_; map { "$c:$_" } 1 .. $next{$c} // 0 }
                       @channels;

            is_complete(\@data, \@want, "$way, $count channels: all");

            # from any place on exactly the rest, in any order of channels

            my $at = int rand 29;
            my $rest = '/sub?channel=' . join ',', reverse @channels;
            my @more = $read{$way}->($n, "$rest&since=$all[$at][0]",
                                     29 - $at);
            is_complete([ map { $_->[1] } @more ], [ @data[$at + 1 .. 29] ],
                        "$way, $count channels: from $at the rest");

            cmp_ok(length $all[-1][0], '<=', 128, 'length') if $count <= 8;
        }
    }

    # a subset, and a channel that the position does not know

    say_in($n, $_) for qw(x y z x y z);
    my $c = $n->sse('/sub?channel=x,y,z&since=earliest');
    $c->wait_messages(6);
    my $position = $c->last_id;
    $c->close;

    say_in($n, $_) for qw(x y z w);
    my $d = $n->sse('/sub?channel=z,w', headers => { 'Last-Event-ID' => $position });
    $d->wait_messages(1);
    say_in($n, 'w');
    $d->wait_messages(2);
    is_deeply($d->data, [ 'z:3', "w:$next{w}" ],
              'a subset resumes, an unknown channel begins now');
    $d->close;

    # an id of one message names no channel

    my $id = say_in($n, 'x');
    $c = $n->sse("/sub?channel=x,y&lastEventId=$id");
    $c->wait_event('push.gap');
    is($c->event('push.gap')->{json}{reason}
       // ($c->event('push.gap')->{data} =~ /"reason":"(\w+)"/)[0],
       'malformed', 'SSE: malformed');
    $c->close;
    is($n->get("/sub?channel=x,y&since=$id",
               headers => { Accept => "application/$_" })->status, 400, "$_: 400")
        for qw(json x-ndjson);
    is($n->get('/sub?channel=' . join ',', 1 .. 256)->status, 400,
       '256 channels');

    $c = ndjson($n, '/sub?channel=' . join ',', 1 .. 255);
    $c->wait_subscribed(255);
    is(scalar @{ $c->of('subscribed') }, 255, '255 channels');
    $c->close;

    %next = ();
});


for_workers(1, 2, sub {
    my $n = nginx(conf => $conf, workers => $_[0]);
    my $data = sub { ($_[0]{data} =~ /"reason":"(\w+)"/)[0] };

    # two gaps: after the first notice the second is still to be told

    my @old = map { say_in($n, $_) } qw(g1 g2);
    my $c = $n->sse('/sub?channel=g1,g2&since=earliest');
    $c->wait_messages(2);
    my $old = $c->last_id;
    $c->close;

    say_in($n, $_, '/short') for map { ('g1', 'g2') } 1 .. 5;

    $c = $n->sse('/sub?channel=g1,g2', headers => { 'Last-Event-ID' => $old });
    wait_for(sub { grep({ $_->{event} eq 'push.gap' } @{ $c->events }) == 2 });
    my @gaps = grep { $_->{event} eq 'push.gap' } @{ $c->events };
    is_deeply([ map { $data->($_) } @gaps ], [qw(expired expired)],
              'a gap in each');
    $c->wait_messages(4);
    $c->close;

    my $d = $n->sse('/sub?channel=g1,g2',
                    headers => { 'Last-Event-ID' => $gaps[0]{id} });
    $d->wait_messages(4);
    my @again = grep { $_->{event} eq 'push.gap' } @{ $d->events };
    is(scalar @again, 1, 'a drop between them: the second is told again');
    like($again[0]{data}, qr/"channel":"g2"/, 'of its channel');
    is(scalar @{ $d->data }, 4, 'and all that is kept');
    $d->close;

    # one of several is deleted, one is sealed

    my %c = (sse => $n->sse('/sub?channel=e1,e2,e3'),
             ndjson => ndjson($n, '/sub?channel=e1,e2,e3'));
    $c{sse}->wait_subscribed;
    $c{ndjson}->wait_subscribed(3);

    is($n->http('DELETE', '/pub?channel=e1')->status, 200, 'deleted');
    is($n->publish('/pub?channel=e2', 'last',
                   headers => { 'Push-End' => 'true' })->status, 201, 'sealed');
    $n->publish('/pub?channel=e3', 'goes on');

    for my $way (sort keys %c) {
        $c{$way}->wait_messages(2);
        is_deeply([ sort @{ $c{$way}->data } ], [ 'goes on', 'last' ],
                  "$way: the others go on");
        ok(!$c{$way}->closed, "$way: open");
    }

    my $position = $c{sse}->last_id;
    $n->publish('/pub?channel=e3', '', headers => { 'Push-End' => 'true' });
    ok($c{$_}->wait_end, "$_: ends with the last channel") for sort keys %c;
    is(scalar @{ $c{ndjson}->of('closed') }, 3, 'each was told');

    is($n->get('/sub?channel=e2,e3',
               headers => { 'Last-Event-ID' => $position })->status, 204,
       'all sealed: a browser stops');
    my $page = page($n, '/sub?channel=e2,e3', since => $position)->json;
    ok($page->{ended}, 'poll: ended');

    # over a reload

    $c = $n->sse('/sub?channel=r1,r2');
    $c->wait_subscribed;
    say_in($n, $_) for qw(r1 r2 r1);
    $c->wait_messages(3);
    ok($n->reload, 'reload');
    ok($c->wait_end, 'told to come back');
    say_in($n, $_) for qw(r2 r1);
    $d = $n->sse('/sub?channel=r1,r2',
                 headers => { 'Last-Event-ID' => $c->last_id });
    $d->wait_messages(2);
    is_complete($d->data, [qw(r1:3 r2:2)], 'exactly the rest');
    $d->close;

    %next = ();
});


done_testing;
