#!/usr/bin/perl

# A zone that is full: the oldest history goes first, live delivery goes on,
# and only what cannot fit at all is refused.

use strict;
use warnings;

use EV;
use Push::Oracle;
use Push::Reader;
use Push::Test;
use Push::Writer;

sub conf {
    my ($size) = @_;

    return <<"E";
    push_zone push $size;
    push_history 100000 forever;
    push_max_message_size 4m;
    client_max_body_size 4m;

    server {
        listen 127.0.0.1:%%PORT%%;

        location = /pub { push_publish \$arg_channel; }
        location = /off { push_publish \$arg_channel; push_history off; }
        location = /sub { push_subscribe \$arg_channel; }
        location = /status { push_status; }
    }
E
}

sub part {
    my ($name, $code) = @_;
    subtest $name => sub { $code->(); finish_servers() };
}

sub zone { return $_[0]->get('/status')->json->{zones}[0] }

sub publish {
    my ($n, $channel, $body, $path) = @_;
    return $n->publish(($path // '/pub') . "?channel=$channel", $body);
}

sub info { return $_[0]->get("/pub?channel=$_[1]") }

my $full = qr/zone "push" is full: history evicted before its age, raise push_zone/;


for my $size ('256k', '1m') {
    part "$size: the oldest goes first" => sub {
        my $n = nginx(conf => conf($size), workers => 2);
        my $keep = Push::HTTP->new($n->port);
        my $o = Push::Oracle->new;
        my @channels = 'a' .. 'e';
        my (@sent, @odd);

        my @readers = map {
            Push::Reader->new($n, "/sub?channel=$_", channel => $_,
                              oracle => $o)
        } @channels;

        wait_for(sub { !grep { !$_->is_on } @readers }, 10, 'all are there');

        my $delivered = sub {
            my $got = 0;
            $got += $_->received for @readers;
            return $got == @sent;
        };

        for my $i (1 .. 700) {
            my $p = $o->publish($channels[rand @channels],
                size => int rand(rand() < 0.9 ? 2000 : 25000));
            my $r = $keep->request(POST => "/pub?channel=$p->{channel}",
                                   body => $o->body($p));
            push @odd, $r->status if $r->status != 201;
            $o->answered($p, $r->json->{id}) if $r->status == 201;
            push @sent, $p;

            # no more on its way than the zone holds, however slow a worker is
            $i % 5 || wait_for($delivered) || last;
        }

        is_deeply(\@odd, [], 'all are taken');
        ok(wait_for($delivered), 'and delivered');
        is(join("\n", $o->errors, map { $o->check($_) } @readers), '',
           'each to each, without a gap');
        is(scalar(grep { $_->told('gap') || $_->connects > 1 } @readers), 0,
           'and without an end');

        my $zone = zone($n);
        is($zone->{counters}{evicted}, @sent - $zone->{messages},
           "$zone->{counters}{evicted} went, $zone->{messages} are left");
        cmp_ok($zone->{counters}{evicted}, '>', 50, 'many');
        is($zone->{counters}{evicted_channels}, 0, 'no channel went');
        is(scalar(my @lines = $n->log_lines($full)), 1, 'one warning');

        # what is left is the newest of all, whatever its channel

        my @left = @sent[@sent - $zone->{messages} .. $#sent];

        for my $channel (@channels) {
            my @ids = map { $_->{id} } grep { $_->{channel} eq $channel } @left;
            my $c = $n->sse("/sub?channel=$channel&since=earliest");

            ok($c->wait_messages(scalar @ids), "$channel: history");
            is_deeply([ map { $_->{id} } @{ $c->messages } ], \@ids,
                      'is the newest');
            is(info($n, $channel)->json->{oldest}, $ids[0], 'as it says');

            # a position before that

            my ($first) = map { $_->{id} }
                          grep { $_->{channel} eq $channel } @sent;
            $c = $n->sse("/sub?channel=$channel",
                         headers => { 'Last-Event-ID' => $first });
            ok($c->wait_messages(scalar @ids), 'resumed');
            my $gap = decode_json($c->event('push.gap')->{data});
            is_deeply([ @$gap{qw(reason requested oldest)} ],
                      [ 'evicted', $first, $ids[0] ], 'after a gap');
            is_deeply([ map { $_->{id} } @{ $c->messages } ], \@ids, 'the rest');
        }
    };
}


part 'what cannot fit at all' => sub {
    my $n = nginx(conf => conf('512k'));
    my $c = $n->sse('/sub?channel=a');
    $c->wait_subscribed;

    is(publish($n, 'a', $_)->status, 201, 'publish') for 1 .. 5;
    my ($zone, $info) = (zone($n), info($n, 'a')->json);

    my $r = publish($n, 'a', 'x' x 600_000);
    is($r->status, 507, 'larger than the zone');
    is($r->header('content-type'), 'application/problem+json', 'a problem');
    like($r->json->{type}, qr/\Aurn:ngx-push:problem:[a-z-]+\z/, 'with a name');
    is($r->json->{status}, 507, 'and its status');
    is_deeply(info($n, 'a')->json, $info, 'nothing has changed');
    is(zone($n)->{counters}{evicted}, 0, 'nothing went for it');
    is(zone($n)->{counters}{refused}, 1, 'it is counted');
    is_deeply(zone($n)->{bytes}, $zone->{bytes}, 'and no byte is lost');

    $r = publish($n, 'a', 'x' x 200_000);
    is($r->status, 201, 'half of it fits');
    $r = publish($n, 'a', 'y' x 300_000);
    is($r->status, 201, 'so does this, in the place of that');
    ok($c->wait_messages(7), 'and both are delivered');
    is(length $c->data->[6], 300_000, 'whole');

    is(publish($n, "$_", 'z')->status, 201, 'and others') for 'a' .. 'e';
    ok($c->wait_messages(8), 'are');
};


part 'channels without listeners and history go last' => sub {
    my $n = nginx(conf => conf('256k'));
    my $id = publish($n, 'quiet', 'x', '/off')->json->{id};
    my $keep = Push::HTTP->new($n->port);

    $keep->request(POST => '/pub?channel=a', body => 'x' x 2000) for 1 .. 400;
    cmp_ok(zone($n)->{counters}{evicted}, '>', 200, 'much has gone');
    is(zone($n)->{counters}{evicted_channels}, 0, 'but no channel');
    is(info($n, 'quiet')->json->{id}, $id, 'this one knows its last number');

    my $n_quiet = 0;
    my $name = 'q' x 200;

    while (zone($n)->{counters}{evicted_channels} == 0 && $n_quiet < 2000) {
        $keep->request(POST => "/off?channel=$name" . ++$n_quiet, body => 'x')
            for 1 .. 20;
    }

    cmp_ok($n_quiet, '>', 200, "$n_quiet fill the zone");
    is(info($n, 'quiet')->status, 404, 'the oldest of them goes');
    is(info($n, "$name$n_quiet")->status, 200, 'not the newest');

    my $c = $n->sse('/sub?channel=quiet', headers => { 'Last-Event-ID' => $id });
    ok($c->wait_event('push.gap'), 'resumed: a gap');
    is(decode_json($c->event('push.gap')->{data})->{reason}, 'unknown',
       'that is told');
    is(publish($n, 'quiet', 'y')->status, 201, 'publish');
    ok($c->wait_messages(1), 'it comes');
};


# channels with subscribers never go

part 'no room for another subscriber' => sub {
    my $n = nginx(conf => conf('128k'));
    my $name = 's' x 230;
    my (@c, $refused);

    for my $i (1 .. 1000) {
        my $c = $n->sse("/sub?channel=$name$i");
        $c->wait_head;
        wait_for(sub { $c->closed || $c->event('push.subscribed') }, 10);

        if ($c->closed) {
            $refused = $c;
            last;
        }

        push @c, $c;
    }

    cmp_ok(scalar @c, '>', 20, @c . ' subscribers');
    ok($refused, 'and no more') or return;
    is($refused->status, 200, 'who is told');
    is($refused->closed, 'clean', 'to the end');
    is($refused->count, 0, 'nothing but');
    cmp_ok($refused->retry, '>=', 1000, 'when to come back');
    is(zone($n)->{subscribers}{total}, @c, 'and is not counted');

    is(publish($n, 'other', 'x' x 100_000)->status, 507, 'no place for a message');

    (shift @c)->close for 1 .. @c / 2;
    ok(wait_for(sub { zone($n)->{subscribers}{total} == @c }), 'half of them go');

    my $c = $n->sse("/sub?channel=new");
    ok($c->wait_subscribed, 'another may come');
    is(publish($n, 'new', 'x')->status, 201, 'publish');
    ok($c->wait_messages(1), 'it comes');
    is(publish($n, $name . @c, 'x')->status, 201, 'publish to others');
};


# all at once, and long enough for every order of sizes

for_workers(1, 4, sub {
    my ($workers) = @_;
    my $n = nginx(conf => conf('1m') . 'push_drain_window 1s;',
                  workers => $workers);
    my $o = Push::Oracle->new(forgets => 1);
    my (%odd, $stop);

    my @readers = map {
        my $channel = 'c' . $_ % 6;
        Push::Reader->new($n, "/sub?channel=$channel", channel => $channel,
                          oracle => $o, delay => sub { rand 0.5 },
                          start => $_ % 2 ? 'latest' : 'earliest')
    } 1 .. 24;

    my @writers = map { Push::Writer->new($n, next => sub {
        return if $stop;

        my $dice = rand;
        my $p = $o->publish('c' . int rand 6, size => int(
            $dice < 0.7 ? rand 500 : $dice < 0.95 ? rand 8000 : rand 60000));

        return { path => "/pub?channel=$p->{channel}", body => $o->body($p),
                 done => sub {
            my (undef, $r) = @_;
            $r && $r->status == 201 ? $o->answered($p, $r->json->{id})
                                    : $odd{$r ? $r->status : 'none'}++;
        } };
    }) } 1 .. 4;

    my $end = EV::time + 4;

    while (EV::time < $end) {
        run_for(rand 0.05);
        $readers[rand @readers]->drop;
        $readers[rand @readers]->pause;
        $readers[rand @readers]->resume for 1 .. 2;
    }

    $stop = 1;
    ok(wait_for(sub { $_->resume for @readers; !grep { !$_->idle } @writers }),
       'publishers are done');
    is_deeply(\%odd, {}, 'nothing was refused');

    my %last = map { my $p = $o->publish($_); $_ => [ $p,
        publish($n, $_, $o->body($p))->json->{id} ] } map { "c$_" } 0 .. 5;
    $o->answered(@$_) for values %last;

    ok(wait_for(sub {
        $_->resume for @readers;
        !grep { !$_->is_on || $_->last_id ne $last{ $_->{channel} }[1] }
             @readers;
    }), 'all have the last message');

    my @errors = ($o->errors, map { $o->check($_) } @readers);
    is(join("\n", @errors[0 .. ($#errors < 9 ? $#errors : 9)]), '', 'records');

    my $zone = zone($n);
    my %told;
    $told{$_}++ for map { $_->{reason} } map { $_->told('gap') } @readers;
    note($o->count . " messages, $zone->{counters}{evicted} evicted, "
         . join ', ', map { "$_ $told{$_}" } sort keys %told);
    is(scalar(my @lines = $n->log_lines($full)), 1, 'one warning');

    # and it is as good as new

    $_->stop for @readers;
    ok(wait_for(sub { zone($n)->{subscribers}{total} == 0 }), 'all have left');
    $n->delete('/pub?channel=' . join ',', map { "c$_" } 0 .. 5);
    is(publish($n, 'one', 'x' x 700_000)->status, 201, 'one that takes most of it');
    is(zone($n)->{messages}, 1, 'is all there is');
});

done_testing;
