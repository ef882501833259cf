#!/usr/bin/perl

# What a channel keeps: by count, age and size, by the rules of the last
# publish; and how long it is remembered.

use strict;
use warnings;

use Push::Test;

my $conf = <<'E';
    push_channel_idle 1d;

    server {
        listen 127.0.0.1:%%PORT%%;

        location = /sub { push_subscribe $arg_channel; }

        location = /default { push_publish $arg_channel; }
        location = /five    { push_publish $arg_channel; push_history 5; }
        location = /two     { push_publish $arg_channel; push_history 2 1h; }
        location = /off     { push_publish $arg_channel; push_history off; }
        location = /second  { push_publish $arg_channel; push_history 100 1s; }
        location = /hour    { push_publish $arg_channel; push_history 100 1h; }
        location = /forever {
            push_publish $arg_channel;
            push_history 100 forever;
        }
        location = /size {
            push_publish $arg_channel;
            push_history 100 max_size=100;
        }
        location = /all {
            push_publish $arg_channel;
            push_history 3 1h max_size=50;
        }
        location = /idle0 {
            push_publish $arg_channel;
            push_history off;
            push_channel_idle 0;
        }
        location = /idle {
            push_publish $arg_channel;
            push_history 1 10s;
            push_channel_idle 30s;
        }
        location = /own-rules {
            push_publish $arg_channel;
            push_subscribe $arg_channel;
            push_history 5;
        }
        location = /sub1 { push_subscribe $arg_channel; push_history 1; }
    }
E

my $n;

sub publish {
    my ($path, $body, %headers) = @_;
    return $n->publish($path, $body, headers => \%headers)->json->{id};
}

sub info { return $n->get("/default?channel=$_[0]")->json }

sub subscribe {
    my ($channel, $query) = @_;
    my $c = $n->sse("/sub?channel=$channel" . ($query ? "&$query" : ''));

    $c->wait_subscribed;

    return $c;
}

# all that is kept

sub kept {
    my ($channel) = @_;
    my $info = info($channel) or return [];
    my $c = subscribe($channel, 'since=earliest');

    $c->wait_messages($info->{messages});
    $c->close;

    return $c->data;
}

sub gap { return decode_json($_[0]->event('push.gap')->{data}) }

for_workers(1, 4, sub {
    $n = nginx(conf => $conf, workers => $_[0]);

    subtest 'count' => sub {
        my @ids = map { publish('/five?channel=c', "m$_") } 1 .. 7;
        my $info = info('c');

        is($info->{messages}, 5, 'count');
        is($info->{bytes}, 10, 'bytes');
        is($info->{oldest}, $ids[2], 'oldest');
        is($info->{id}, $ids[6], 'last');
        is_deeply(kept('c'), [qw(m3 m4 m5 m6 m7)], 'the newest');

        my $c = subscribe('c', 'since=last:2');
        $c->wait_messages(2);
        is_deeply($c->data, [qw(m6 m7)], 'last:2');

        $c = subscribe('c', 'since=last:100');
        $c->wait_messages(5);
        is_deeply($c->data, [qw(m3 m4 m5 m6 m7)], 'last:100');

        for my $i (0 .. 6) {
            $c = subscribe('c', "since=$ids[$i]");
            $c->wait_messages($i > 0 ? 6 - $i : 5) if $i < 6;
            is(!!$c->event('push.gap'), $i < 1, "from m@{[ $i + 1 ]}: gap");
            is_deeply($c->data,
                      [ map { "m$_" } ($i > 0 ? $i + 2 : 3) .. 7 ], 'rest');
        }

        is_deeply(gap(subscribe('c', "since=$ids[0]")),
                  { channel => 'c', requested => $ids[0], oldest => $ids[2],
                    reason => 'expired' }, 'told');
    };

    subtest 'off' => sub {
        my $c = subscribe('off');
        my @ids = map { publish('/off?channel=off', "m$_") } 1 .. 20;

        $c->wait_messages(20);
        is_deeply($c->data, [ map { "m$_" } 1 .. 20 ], 'live: all');
        is($c->last_id, $ids[19], 'with ids');

        my $info = info('off');
        is($info->{messages}, 0, 'nothing is kept');
        is($info->{oldest}, undef, 'none is the oldest');
        is($info->{id}, $ids[19], 'but the number is known');
        is_deeply(kept('off'), [], 'late: none');
        $c->close;

        $c = subscribe('off', "since=$ids[19]");
        is($c->event('push.gap'), undef, 'with the last id: up to date');
        publish('/off?channel=off', 'next');
        $c->wait_messages(1);
        is_deeply($c->data, ['next'], 'and goes on');

        is(gap(subscribe('off', "since=$ids[18]"))->{reason}, 'expired',
           'with another: told');
    };

    subtest 'max_size' => sub {
        publish('/size?channel=s', $_ x 30) for 'a' .. 'e';
        is_deeply(kept('s'), [ map { $_ x 30 } 'c' .. 'e' ], 'what fits');
        is(info('s')->{bytes}, 90, 'bytes');

        publish('/size?channel=s', 'f' x 10);
        is(info('s')->{bytes}, 100, 'exactly');
        publish('/size?channel=s', 'g');
        is(info('s')->{bytes}, 71, 'one more');
        is_deeply(kept('s'), [ 'd' x 30, 'e' x 30, 'f' x 10, 'g' ],
                  'the oldest went');

        publish('/size?channel=s', '') for 1 .. 10;
        is(info('s')->{messages}, 14, 'empty ones cost nothing');

        my $c = subscribe('s');
        publish('/size?channel=s', 'h' x 101);
        $c->wait_messages(1);
        is(length $c->data->[0], 101, 'one that is larger: live');
        is(info('s')->{messages}, 0, 'and not kept');

        publish('/all?channel=a', $_ x 20) for 'a' .. 'c';
        is_deeply(kept('a'), [ map { $_ x 20 } qw(b c) ], 'size first');
        publish('/all?channel=a', $_) for 'd' .. 'g';
        is_deeply(kept('a'), [qw(e f g)], 'count first');
    };

    subtest 'age' => sub {
        publish('/second?channel=t', $_) for 1 .. 3;
        my $first = info('t')->{oldest};
        publish('/hour?channel=u', 'one', TTL => 1);
        publish('/hour?channel=u', 'two');
        publish('/hour?channel=u', 'three', TTL => 1);
        publish('/hour?channel=u', 'four', TTL => 3600);
        publish('/second?channel=v', 'x', TTL => 3600);

        ok(wait_for(sub { info('t')->{messages} == 0 }), 'gone after its age');
        is_deeply(kept('t'), [], 'nothing then');
        is(gap(subscribe('t', "since=$first"))->{reason}, 'expired', 'told');

        ok(wait_for(sub { info('u')->{messages} == 2 }), 'after their TTL');
        is_deeply(kept('u'), [qw(two four)], 'in the middle too');
        is(subscribe('u', 'since=' . info('u')->{oldest})->event('push.gap'),
           undef, 'that is no gap');

        ok(wait_for(sub { info('v')->{messages} == 0 }),
           'a TTL does not make it longer');
    };

    subtest 'the rules are those of the publish' => sub {
        publish('/default?channel=r', "m$_") for 1 .. 10;
        is(info('r')->{messages}, 10, 'ten');

        publish('/five?channel=r', 'm11');
        is_deeply(kept('r'), [ map { "m$_" } 7 .. 11 ],
                  'another location, other rules: at its publish');
        publish('/two?channel=r', 'm12');
        is_deeply(kept('r'), [qw(m11 m12)], 'and again');
        publish('/default?channel=r', "m$_") for 13 .. 15;
        is_deeply(kept('r'), [ map { "m$_" } 11 .. 15 ], 'more from now on');
        publish('/size?channel=r', 'x' x 99);
        is_deeply(kept('r'), [ 'x' x 99 ], 'size');
        publish('/off?channel=r', 'live');
        is(info('r')->{messages}, 0, 'off');

        # neither changes the channel of the other

        publish('/default?channel=r1', "m$_") for 1 .. 10;
        publish('/two?channel=r2', "m$_") for 1 .. 10;
        publish('/default?channel=r1', 'x', TTL => 0);
        publish('/default?channel=r3', 'x', TTL => 1);
        is_deeply([ map { info($_)->{messages} } qw(r1 r2) ], [ 10, 2 ],
                  'other channels');

        # those of a subscribe location do not matter

        my $c = $n->sse('/sub1?channel=r1&since=earliest');
        $c->wait_messages(10);
        is(info('r1')->{messages}, 10, 'a subscriber changes nothing');

        publish('/own-rules?channel=r4', "m$_") for 1 .. 10;
        is(info('r4')->{messages}, 5, 'both directives in one location');
    };

    subtest 'other rules after a reload' => sub {
        my @ids = map { publish('/default?channel=l', "m$_") } 1 .. 10;
        my $other = $conf =~ s/(\/default \{.*?\$arg_channel;)/
                               $1 push_history 3;/r;

        ok($n->reload(conf => $other), 'reload');
        is(info('l')->{messages}, 10, 'not at once');

        my $next = publish('/default?channel=l', 'm11');
        is_deeply(kept('l'), [qw(m9 m10 m11)], 'at the next publish');
        is($next, $ids[9] =~ s/10\z/11/r, 'which has the next number');

        ok($n->reload(conf => $conf), 'and back');
        publish('/default?channel=l', 'm12');
        is_deeply(kept('l'), [qw(m9 m10 m11 m12)], 'more again');
    };

    subtest 'no id comes twice' => sub {
        my %seen;

        for my $round (1 .. 20) {
            $seen{publish('/default?channel=n', 'x')}++ for 1 .. 3;
            $n->delete('/default?channel=n');
            publish('/default?channel=n', '', 'Push-End' => 'true')
                if $round % 5 == 0;
            $n->delete('/default?channel=n');
        }

        is_deeply([ grep { $_ > 1 } values %seen ], [], 'after a DELETE');
        is(scalar(keys %seen), 60, 'all of them');
    };
});

# time travel

SKIP: {
    my ($lib) = glob '/usr/lib/*/faketime/libfaketime.so.1';

    skip 'needs libfaketime', 1 unless $lib;
    skip 'AddressSanitizer has to be loaded first', 1 if $ENV{PUSH_ASAN};

    $n = nginx(conf => $conf, workers => 2, start => 0);

    # a new name at once, so that no half of it is read
    my $travel = sub {
        $n->write_file('next', "$_[0]\n");
        rename $n->prefix . '/next', $n->prefix . '/now';
    };

    $travel->('+0');
    $n->{env} = { LD_PRELOAD => $lib, FAKETIME_NO_CACHE => 1,
                  FAKETIME_TIMESTAMP_FILE => $n->prefix . '/now',
                  FAKETIME_DONT_FAKE_MONOTONIC => 1 };
    $n->configure;
    $n->start;

    publish('/default?channel=d', 'x');
    publish('/hour?channel=h', 'x');
    publish('/forever?channel=f', 'kept');
    publish('/forever?channel=f', 'not', TTL => 86400);
    publish('/five?channel=five', 'x');

    $travel->('+595');
    is(info('d')->{messages}, 1, 'ten minutes by default: before');
    is(info('five')->{messages}, 1, 'or if only the count is given');
    $travel->('+605');
    is(info('d')->{messages}, 0, 'after');
    is(info('five')->{messages}, 0, 'after');
    is(info('h')->{messages}, 1, 'an hour: before');
    $travel->('+3605');
    is(info('h')->{messages}, 0, 'after');
    is(info('f')->{messages}, 2, 'a day: before');
    $travel->('+86405');
    is_deeply(kept('f'), ['kept'], 'after');
    $travel->('+' . 20 * 365 * 86400);
    is_deeply(kept('f'), ['kept'], 'forever');
}

# Time that runs: a minute in half a second, as seen by those whom requests
# keep awake.  Channels are looked at once a minute.

SKIP: {
    my ($lib) = glob '/usr/lib/*/faketime/libfaketime.so.1';

    skip 'needs libfaketime', 1 unless $lib;
    skip 'AddressSanitizer has to be loaded first', 1 if $ENV{PUSH_ASAN};

    $n = nginx(conf => $conf, workers => 1,
               env => { LD_PRELOAD => $lib, FAKETIME => '+0 x120' });

    my $forgotten = sub {
        my ($channel) = @_;
        my $keep = Push::HTTP->new($n->port);

        return wait_for(sub {
            $keep->request(GET => "/default?channel=$channel")->status == 404;
        });
    };

    my $c = subscribe('listened');
    my $listened = publish('/idle?channel=listened', 'x');
    my $day = publish('/off?channel=day', 'x');
    my $zero = publish('/idle0?channel=zero', 'x');
    my $id = publish('/idle?channel=i', 'x');

    ok($forgotten->('zero'), 'no idle time: forgotten');
    ok($forgotten->('i'), 'idle: forgotten');
    is(info('listened')->{id}, $listened, 'not if somebody listens');
    is(info('day')->{id}, $day, 'not before its time');
    is(subscribe('day', "since=$day")->event('push.gap'), undef,
       'so that who comes back is up to date');

    my $again = publish('/idle?channel=i', 'y');
    isnt($again, $id, 'no id comes twice');
    is(gap(subscribe('i', "since=$id"))->{reason}, 'unknown',
       'an id of the life that was forgotten');

    $c->close;
    ok($forgotten->('listened'), 'forgotten when nobody listens any more');
}

done_testing;
