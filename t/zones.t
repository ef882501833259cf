#!/usr/bin/perl

# Several zones in one NGINX: each location has one, and what is in one is in
# no other.

use strict;
use warnings;

use Push::Test;

my $locations = <<'E';
        location = /pub { push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
        location = /status { push_status; }
E

# "one" is the default, "two" that of a server, "three" that of a location

my $conf = <<"E";
    push_zone one 2m;
    push_zone two 1m;
    push_zone three 256k;
    push_history 1000;

    server {
        listen 127.0.0.1:%%PORT1%%;
        $locations
    }

    server {
        listen 127.0.0.1:%%PORT2%%;
        push_use_zone two;
        $locations

        location /three/ {
            push_use_zone three;

            location = /three/pub { push_publish \$arg_channel; }
            location = /three/sub { push_subscribe \$arg_channel; }
        }

        location = /back/sub { push_use_zone one; push_subscribe \$arg_channel; }
    }
E

my %at = (one => [ 1, '' ], two => [ 2, '' ], three => [ 2, '/three' ]);

sub part {
    my ($name, $code) = @_;
    subtest $name => sub { $code->(); finish_servers() };
}

sub subscriber {
    my ($n, $zone, %opt) = @_;
    my ($port, $prefix) = @{ $at{$zone} };

    my $c = $n->sse("$prefix/sub?channel=a", port => $n->port($port), %opt);
    $c->wait_subscribed;

    return $c;
}

sub request {
    my ($n, $zone, $method, %opt) = @_;
    my ($port, $prefix) = @{ $at{$zone} };

    return $n->http($method, "$prefix/pub?channel=a", port => $n->port($port),
                    %opt);
}

sub publish { return request($_[0], $_[1], POST => body => $_[2]) }

sub zones {
    return map { $_->{name} => $_ } @{ $_[0]->get('/status')->json->{zones} };
}


for_workers(1, 4, sub {
    my ($workers) = @_;
    my $n = nginx(conf => $conf, workers => $workers);
    my %c = map { $_ => subscriber($n, $_) } keys %at;
    my %id;

    for my $round (1 .. 3) {
        for my $zone (sort keys %at) {
            my $r = publish($n, $zone, "$zone $round");

            is($r->status, 201, "$zone: publish");
            is($r->json->{subscribers}, 1, 'its own subscriber only');
            like($id{$zone} = $r->json->{id}, qr/-0*$round\z/, 'its own numbers');
        }
    }

    for my $zone (sort keys %at) {
        ok($c{$zone}->wait_messages(3), "$zone: messages");
        is_deeply($c{$zone}->data, [ map { "$zone $_" } 1 .. 3 ], 'its own');
    }

    my %epochs = map { /(.*)-/ => 1 } values %id;
    is(keys %epochs, 3, 'a life of its own for each');

    # a position of another zone is of another life

    my $c = subscriber($n, 'two', headers => { 'Last-Event-ID' => $id{one} });
    is(decode_json($c->event('push.gap')->{data})->{reason}, 'unknown',
       'a position of another zone');
    $c->close;

    # the same zone by another way

    $c = $n->sse('/back/sub?channel=a&since=earliest', port => $n->port(2));
    ok($c->wait_messages(3), 'one zone in two servers');
    is($c->data->[0], 'one 1', 'is the same');
    $c->close;

    # numbers

    wait_for(sub { my %z = zones($n); $z{two}{subscribers}{total} == 1
                   && $z{one}{subscribers}{total} == 1 }, 10, 'the count');

    my %zone = zones($n);
    is_deeply([ sort keys %zone ], [ sort keys %at ], 'names');
    is_deeply([ map { $zone{$_}{size} } qw(one two three) ],
              [ 2 << 20, 1 << 20, 256 << 10 ], 'sizes');

    for (qw(one two three)) {
        is($zone{$_}{channels}, 1, "$_: channels");
        is($zone{$_}{counters}{published}, 3, 'published');
        is($zone{$_}{subscribers}{total}, 1, 'subscribers');
    }

    # a delete

    is(request($n, 'two', 'DELETE')->json->{subscribers}, 1, 'delete');
    ok($c{two}->wait_event('push.closed'), 'told to its subscriber');
    is(request($n, 'one', 'GET')->json->{messages}, 3, 'and nothing to others');
    publish($n, $_, 'last') for qw(one three);
    ok($c{$_}->wait_messages(4), "$_ goes on") for qw(one three);
    is($c{one}->event('push.closed'), undef, 'nothing was said to others');

    # one that is full

    my $keep = Push::HTTP->new($n->port(2));
    $keep->request(POST => '/three/pub?channel=b', body => 'x' x 10_000)
        for 1 .. 50;

    %zone = zones($n);
    cmp_ok($zone{three}{counters}{evicted}, '>', 10, 'one zone is full');
    is($zone{$_}{counters}{evicted}, 0, "not $_") for qw(one two);
    is(request($n, 'one', 'GET')->json->{messages}, 4, 'its history is there');
});


part 'over a reload, zones may come and go' => sub {
    my $n = nginx(conf => $conf . 'push_drain_window 1s;', workers => 2);
    my $id = publish($n, 'one', 'x')->json->{id};
    publish($n, 'two', 'y');

    my $more = $conf =~ s/push_zone two 1m;/push_zone four 1m; push_zone two 1m;/r;
    ok($n->reload(conf => $more . 'push_drain_window 1s;'), 'one more');

    is(request($n, 'one', 'GET')->json->{id}, $id, 'the others are the same');
    is(request($n, 'two', 'GET')->json->{messages}, 1, 'all of them');

    my %zone = zones($n);
    is_deeply([ sort keys %zone ], [qw(four one three two)], 'names');

    ok($n->reload(conf => $conf . 'push_drain_window 1s;'), 'one less');
    is(request($n, 'one', 'GET')->json->{id}, $id, 'still the same');

    my $c = subscriber($n, 'one', headers => { 'Last-Event-ID' => $id });
    publish($n, 'one', 'z');
    ok($c->wait_messages(1), 'delivers');
};


part 'a zone that nobody has named' => sub {
    my $n = nginx(conf => "server { listen 127.0.0.1:%%PORT%%; $locations }");
    my %zone = zones($n);

    is_deeply([ map { @$_{qw(name size)} } values %zone ], [ 'push', 32 << 20 ],
              'push, 32m');
    my $c = $n->sse('/sub?channel=a');
    $c->wait_subscribed;
    $n->publish('/pub?channel=a', 'x');
    ok($c->wait_messages(1), 'works');
};


part 'what the configuration may not say' => sub {
    my $server = "server { listen 127.0.0.1:%%PORT%%; $locations }";

    for ([ 'push_zone a 1m; push_use_zone b;', qr/"b"/ ],
         [ 'push_zone a;', qr/number of arguments/ ],
         [ 'push_zone a 1x;', qr/"1x"/ ],
         [ 'push_zone a 1m; push_zone a 2m;', qr/"a"/ ],
         [ 'push_zone a 64k;', qr/"a" is too small/ ])
    {
        my ($text, $why) = @$_;
        my ($good, $said) = Push::Nginx->check(conf => "$text $server");

        ok(!$good, $text);
        like($said, $why, 'and why');
    }
};

done_testing;
