#!/usr/bin/perl

# Where a subscriber starts, what it is told when that is lost, and that it
# can be cut off anywhere and go on without a hole.

use strict;
use warnings;

use Push::Test;
use Push::Ways;

my $n;

my $locations = <<'E2';
    push_history 5;

    location = /pub { push_publish $arg_channel; }
    location = /sub { push_subscribe $arg_channel; }
    location = /earliest { push_start earliest; push_subscribe $arg_channel; }
    location = /last2 { push_start last:2; push_subscribe $arg_channel; }
    location = /short { push_history 1000 300ms; push_publish $arg_channel; }
    location = /big { push_history 1000; push_max_message_size 1m;
                      push_publish $arg_channel; }
    location = /gone { push_history off; push_publish $arg_channel; }
E2

sub publish {
    my ($channel, $body, %opt) = @_;
    my $path = delete $opt{path} // '/pub';

    my $r = $n->publish("$path?channel=$channel", $body, headers => \%opt);
    is($r->status, 201, 'published') or diag($r->body);

    return $r->json->{id};
}

sub remove {
    my ($channel) = @_;
    is($n->delete("/pub?channel=$channel")->status, 200, 'deleted');
}

# until the response is complete, and no more

sub is_over {
    my ($c, $what, $status) = @_;

    wait_for(sub { $c->ended || $c->closed }, 30, $what);
    ok($c->ended || $c->closed eq 'clean', "$what: it ends");
    is($c->status, $status, "$what: status");
}

# subscribes, publishes one more, and tells the messages before that one

sub history {
    my ($way, $channel, $path, %opt) = @_;
    our $more;

    my $c = $way->sse($path, %opt);
    $c->wait_subscribed or return ['no answer'];

    my $end = 'end' . ++$more;
    publish($channel, $end);
    wait_for(sub { $c->events->[-1]{data} eq $end }, 10, $path);

    my @data = @{ $c->data };
    pop @data;

    return wantarray ? (\@data, $c) : \@data;
}

# one that is told of a gap: everything about that

sub gap {
    my ($way, $channel, $path, $reason, %want) = @_;

    my $c = $way->sse($path);
    $c->wait_event('push.gap') or return $c;

    my ($hello, $gap) = @{ $c->events };

    is($hello->{event}, 'push.subscribed', 'first push.subscribed');
    is($hello->{id}, undef, 'without an id');
    is_deeply(decode_json($hello->{data}),
              { channels => [ { channel => $channel, id => undef } ] },
              'and no position');
    is($gap->{event}, 'push.gap', 'then the gap');
    is_deeply(decode_json($gap->{data}),
              { channel => $channel, requested => $want{requested},
                oldest => $want{oldest}, reason => $reason }, $reason);
    like($gap->{id}, qr/\A[\w.-]+\z/, 'the position is in the notice');
    is($gap->{id}, $want{id}, 'the one before what is kept') if $want{id};

    return $c;
}

for_workers(1, 4, sub {
    $n = ways_nginx(locations => $locations, workers => $_[0]);

    for_ways($n, sub {
        my ($way, $channel) = @_;

        my @ids = map { publish($channel, $_) } 1 .. 5;

        is_deeply(scalar history($way, $channel, "/sub?channel=$channel"), [],
                  'latest by default');

        @ids = (@ids[1 .. 4], 0);
        push @ids, publish($channel, 6);

        my $i = $ids[1];
        my $hex = join '', map { sprintf '%%%02x', ord } split //, $i;

        for (
            [ 'the header', '', 'Last-Event-ID' => $i ],
            [ 'lastEventId', "lastEventId=$i" ],
            [ 'last_event_id', "last_event_id=$i" ],
            [ 'since', "since=$i" ],
            [ 'lastEventId, encoded', "lastEventId=$hex" ],
            [ 'last_event_id, encoded', "last_event_id=$hex" ],
            [ 'since, encoded', "since=$hex" ],
            [ 'the header before all', 'lastEventId=latest&since=latest',
              'last-event-id' => $i ],
            [ 'lastEventId before others',
              "since=latest&last_event_id=latest&lastEventId=$i" ],
            [ 'last_event_id before since', "since=latest&last_event_id=$i" ],
            [ 'empty ones are none', "lastEventId=&since=$i",
              'Last-Event-ID' => '' ],
        ) {
            my ($name, $args, @headers) = @$_;
            my $c = $way->sse("/sub?channel=$channel&$args",
                              headers => \@headers);

            $c->wait_messages(4);
            is_deeply($c->data, [ 4, 5, 'end' . our $more, 6 ], $name);
            is($c->events->[0]{id}, $i, "$name: position");
        }

        my @all = (5, "end$main::more", 6);
        push @all, map { publish($channel, $_) ? $_ : () } 7, 8;

        for (
            [ '/sub' => 'since=earliest' => [ @all ] ],
            [ '/sub' => 'since=latest' => [] ],
            [ '/sub' => 'since=last:2' => [ 7, 8 ] ],
            [ '/sub' => 'since=last%3A1' => [8] ],
            [ '/sub' => 'since=last:100' => [ @all ] ],
            [ '/earliest' => '' => [ @all ] ],
            [ '/earliest' => 'since=latest' => [] ],
            [ '/last2' => '' => [ 7, 8 ] ],
            [ '/last2' => 'since=earliest' => [ @all ] ],
        ) {
            my ($path, $args, $want) = @$_;
            my $c = $way->sse("$path?channel=$channel&$args");

            $c->wait_subscribed;
            $c->wait_messages(scalar @$want);
            is_deeply($c->data, $want, "$path $args");
            is($c->event('push.gap'), undef, 'no gap');
        }
    });
});

$n = ways_nginx(locations => $locations, workers => 4);

# gaps

for_ways($n, sub {
    my ($way, $channel) = @_;

    my @ids = map { publish($channel, $_) } 1 .. 8;
    my %want = (requested => $ids[0], oldest => $ids[3], id => $ids[2]);
    my $path = "/sub?channel=$channel&since";

    my $c = gap($way, $channel, "$path=$ids[0]", 'expired', %want);
    $c->wait_messages(5);
    is_deeply($c->data, [ 4 .. 8 ], 'then all that is kept');

    # cut between the notice and the first message: the rest, without a hole

    my $gap = $c->event('push.gap')->{id};
    is_deeply(scalar history($way, $channel, "$path=$gap"), [ 4 .. 8 ],
              'what follows the notice');

    # the id before the oldest is in no gap

    @ids = map { publish($channel, $_) } 1 .. 8;
    $c = $way->sse("$path=$ids[2]");
    $c->wait_messages(5);
    is($c->event('push.gap'), undef, 'nothing is missing');

    # another life

    remove($channel);
    $ids[8] = publish($channel, 'new');
    isnt(substr($ids[8], 0, 8), substr($ids[7], 0, 8), 'a new life');

    $c = gap($way, $channel, "$path=$ids[7]", 'unknown',
             requested => $ids[7], oldest => $ids[8]);
    $c->wait_messages(1);
    is_deeply($c->data, ['new'], 'unknown: all that is kept');

    # no ids of ours

    for (
        [ 'nonsense' ], [ 'x' x 256 ], [ '%22%5C%0A%00' => qq("\\\n\0) ],
        [ substr($ids[8], 0, 22) ], [ "$ids[8]0" ],
        [ 'last:', ], [ 'last:-1' ], [ 'last:x' ], [ 'Earliest' ], [ '%zz' ],
    ) {
        my ($value, $requested) = @$_;

        $c = gap($way, $channel, "$path=$value", 'malformed',
                 requested => $requested // $value, oldest => $ids[8]);
        $c->wait_messages(1);
        is_deeply($c->data, ['new'], "malformed: all that is kept");
    }

    $c = $way->sse("$path=" . 'y' x 3000);
    $c->wait_event('push.gap');
    is(decode_json($c->event('push.gap')->{data})->{requested}, 'y' x 256,
       'a long one is not sent back in full');

    # an id of this life that was not given yet

    (my $future = $ids[8]) =~ s/.\z/9/;
    gap($way, $channel, "$path=$future", 'unknown', requested => $future,
        oldest => $ids[8]);
});

# of a deleted life, of a sealed channel

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $path = "/sub?channel=$channel&since";
    my $id = publish($channel, 1);

    remove($channel);

    my $c = $way->sse("$path=$id");
    is_over($c, 'deleted', 204);
    is($c->{all} // '', '', 'without a body');
    is($n->get("/pub?channel=$channel")->status, 404, 'it left');

    $c = $way->sse("/sub?channel=$channel");
    ok($c->wait_subscribed, 'without an id it waits');

    my $new = publish($channel, 2);
    $c->wait_messages(1);

    $c = gap($way, $channel, "$path=$id", 'unknown', requested => $id,
             oldest => $new);
    $c->wait_messages(1);
    is_deeply($c->data, [2], 'what was published since');

    # sealed

    my $last = publish($channel, 3, 'Push-End' => 'true');

    for my $start ($new, 'earliest', 'latest') {
        $c = $way->sse("$path=$start");
        is_over($c, "sealed, from $start", 200);

        my ($closed) = grep { $_->{event} eq 'push.closed' } @{ $c->events };
        is_deeply(decode_json($closed->{data}),
                  { channel => $channel, reason => 'ended' }, 'push.closed');
        is($closed->{id}, undef, 'no id of its own');
        is($c->last_id, $last, 'the last id is that of the last message');
        is_deeply($c->data, $start eq 'latest' ? []
                            : $start eq 'earliest' ? [ 2, 3 ] : [3],
                  'after the rest');
    }

    $c = $way->sse("$path=$last");
    is_over($c, 'from its last id', 204);
});

# a browser stops after a sealed channel even if it can get the last id no more

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $id = publish($channel, 1);
    publish($channel, 2, TTL => 0, 'Push-End' => 'true');

    my $c = $way->sse("/sub?channel=$channel&since=$id");
    is_over($c, 'nothing will come', 204);
}, not => 'kept');

# numbers that are missing without a gap: TTL and Topic

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $path = "/sub?channel=$channel&since";
    my $id = publish($channel, 1);

    publish($channel, 'live', TTL => 0);
    publish($channel, 'a', Topic => 't');
    publish($channel, 'b', Topic => 't');
    publish($channel, 'brief', TTL => 1);

    my $c = $way->sse("$path=$id");
    $c->wait_messages(2);
    is_deeply($c->data, [ 'b', 'brief' ], 'collapsed and not replayed');
    is($c->event('push.gap'), undef, 'without a gap');

    wait_for(sub { $n->get("/pub?channel=$channel")->json->{messages} == 2 });
    is_deeply(scalar history($way, $channel, "$path=$id"), ['b'], 'expired');
}, not => 'kept');

# the age of history

for_ways($n, sub {
    my ($way, $channel) = @_;

    my @ids = map { publish($channel, $_, path => '/short') } 1, 2;
    wait_for(sub { !$n->get("/pub?channel=$channel")->json->{messages} });

    my $c = gap($way, $channel, "/sub?channel=$channel&since=$ids[0]",
                'expired', requested => $ids[0], oldest => undef,
                id => $ids[1]);
    my $id = publish($channel, 3);
    $c->wait_messages(1);
    is_deeply($c->data, [3], 'then what comes');

    $c = $way->sse("/sub?channel=$channel&since=$ids[1]");
    $c->wait_messages(1);
    is($c->event('push.gap'), undef, 'all was read: no gap');

    $id = publish($channel, 4, path => '/gone');
    gap($way, $channel, "/sub?channel=$channel&since=$ids[1]", 'expired',
        requested => $ids[1], oldest => undef, id => $id);
}, not => 'kept');

# cut off in mid-replay, anywhere: it goes on from there

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $size = $way->is_http2 ? 60_000 : 30_000;
    my @want = map { $_ . 'x' x $size } 1 .. 60;

    publish($channel, $_, path => '/big') for @want;

    my @got;
    my $c = $way->sse("/sub?channel=$channel&since=earliest");
    my $cuts = 0;

    for ( ;; ) {
        $c->wait_messages(1);
        wait_for(sub { rand() < 0.2 || $c->received == 60 });
        $c->close;

        push @got, @{ $c->data };
        last if @got >= 60 || ++$cuts > 200;

        my $id = $c->last_id;
        $c = $way->sse("/sub?channel=$channel", rcvbuf => 8192,
                       headers => { 'Last-Event-ID' => $id });
        $c->wait_subscribed;
        is($c->events->[0]{id}, $id, 'from the last id') or last;
    }

    ok("@got" eq "@want", 'each once, in order, after cuts');
});

done_testing;
