#!/usr/bin/perl

# Pages of history: what is in one, walking through them in both directions,
# and that none says too little.

use strict;
use warnings;

use MIME::Base64 qw(encode_base64);

use Push::Answer;
use Push::Poll;
use Push::Test;
use Push::Ways;
use Push::Writer;

my $n;

my $locations = <<'E2';
    push_history 2000;

    location = /pub { push_max_message_size 1m; push_publish $arg_channel; }
    location = /few { push_history 5; push_publish $arg_channel; }
    location = /short { push_history 1000 300ms; push_publish $arg_channel; }
    location = /off { push_history off; push_publish $arg_channel; }
    location = /sub { push_subscribe $arg_channel; }
    location = /latest { push_start latest; push_subscribe $arg_channel; }
    location = /last2 { push_start last:2; push_subscribe $arg_channel; }
    location = /earliest { push_start earliest; push_subscribe $arg_channel; }
    location = /status { push_status; }
E2

my $http = 'push_zone push 16m;';

sub publish {
    my ($channel, $body, %headers) = @_;
    my $path = delete $headers{path} // '/pub';

    my $r = $n->publish("$path?channel=$channel", $body, headers => \%headers);
    $r->status == 201 or fail("$path: " . $r->status . ' ' . $r->body);

    return $r->json->{id};
}

# many at once, by a connection kept alive

sub publish_all {
    my ($channel, @bodies) = @_;
    my $keep = Push::HTTP->new($n->port);

    my @ids = map { $keep->request(POST => "/pub?channel=$channel",
                                   body => $_)->json->{id} } @bodies;

    is(scalar(grep { defined } @ids), scalar @bodies, 'published');

    return @ids;
}

# a page with all that every page has

sub whole {
    my ($where, $path, %opt) = @_;
    my $what = join ' ', $path, map { "$_=" . ($opt{$_} // '') } sort keys %opt;
    my $r = page($where, $path, %opt);

    is($r->status, 200, "$what: 200") or diag($r->body);
    is($r->header('content-type'), 'application/json', 'type');
    is($r->header('cache-control'), 'no-store', 'not stored');
    is($r->header('vary'), 'Origin, Accept', 'Vary');
    is($r->header('etag'), '"' . $r->json->{next} . '"', 'ETag: the next id');
    is($r->header('content-length'), length $r->body, 'length');

    my %members = map { $_ => 1 } keys %{ $r->json };
    delete @members{qw(messages next prev gap closed ended)};
    is_deeply(\%members, {}, 'nothing else is in it');

    return $r;
}


for_workers(1, 4, sub {
    my ($workers) = @_;
    my @few = $workers == 1 ? (not => 'kept') : ();

    $n = ways_nginx(locations => $locations, http => $http,
                    workers => $workers);

    for_ways($n, sub {
        my ($way, $channel) = @_;

        my $path = "/sub?channel=$channel";
        my $binary = join '', map { chr } 0 .. 255;

        # nobody has published yet

        my $r = whole($way, $path);
        is_deeply($r->json->{messages}, [], 'no messages');
        my $zero = $r->json->{next};

        my @sent = (
            [ 'one' ], [ "two\nlines", 'Push-Event' => "\xc3\xa9v",
                         Topic => 't.1' ],
            [ '{"a":[1,2.50,null]}', 'Content-Type' => 'application/json' ],
            [ $binary, 'Content-Type' => 'image/png' ],
            [ '', 'Content-Type' => 'text/plain' ], [ 'x' x 65_536 ],
        );

        my @ids = map { publish($channel, @$_) } @sent;

        my @want = (
            { data => 'one' },
            { data => "two\nlines", event => "\x{e9}v", topic => 't.1' },
            { data => { a => [ 1, 2.5, undef ] },
              content_type => 'application/json' },
            { data_base64 => encode_base64($binary, ''),
              content_type => 'image/png' },
            { data => '', content_type => 'text/plain' },
            { data => 'x' x 65_536 },
        );

        $r = whole($way, $path);

        my @got = @{ $r->json->{messages} };

        like($_->{time}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/,
             'time') for @got;
        delete $_->{time} for @got;

        is_deeply(\@got, [ map { { type => 'message', channel => $channel,
                                   id => $ids[$_], %{ $want[$_] } } }
                           0 .. $#want ], 'envelopes');
        is($r->json->{next}, $ids[-1], 'next is the last id');
        like($r->body, qr/2\.50/, 'JSON as it was written');

        # from where

        for (
            [ since => $zero, 0 ], [ since => $ids[0], 1 ],
            [ since => $ids[4], 5 ], [ since => $ids[5], 6 ],
            [ since => 'earliest', 0 ], [ since => 'latest', 6 ],
            [ since => 'last:2', 4 ], [ since => 'last%3a1', 5 ],
            [ since => 'last:100', 0 ], [ since => 'last:0', 6 ],
            [ since => '', 0 ],
        ) {
            my ($name, $value, $from) = @$_;

            $r = whole($way, $path, $name => $value);
            is_deeply(ids_of($r), [ @ids[$from .. 5] ], "$name=$value");
            is($r->json->{next}, $ids[5], 'next');
            is($r->json->{gap}, undef, 'no gap');
        }

        for (
            [ '', { 'Last-Event-ID' => $ids[4] }, 5 ],
            [ "&lastEventId=$ids[3]", {}, 4 ],
            [ "&last_event_id=$ids[2]&since=latest", {}, 3 ],
        ) {
            my ($args, $headers, $from) = @$_;

            is_deeply(ids_of(page($way, "$path$args", headers => $headers)),
                      [ @ids[$from .. 5] ], "position by " . ($args
                                                             || 'header'));
        }

        is_deeply(ids_of(page($way, "/latest?channel=$channel")), [],
                  'push_start latest');
        is_deeply(ids_of(page($way, "/last2?channel=$channel")),
                  [ @ids[4, 5] ], 'push_start last:2');
        is_deeply(ids_of(page($way, "/earliest?channel=$channel")), \@ids,
                  'push_start earliest');
        is_deeply(ids_of(page($way, "/latest?channel=$channel",
                              since => $ids[4])), [ $ids[5] ],
                  'the request counts more');

        is($n->get("/pub?channel=$channel")->json->{subscribers}, 0,
           'nobody is left');
    }, @few);
});


# limits, and walking

$n = ways_nginx(locations => $locations, http => $http, workers => 2);

{
    my @ids = publish_all('many', map { "m$_" } 1 .. 1050);
    my @all = map { "m$_" } 1 .. 1050;

    is(@{ whole($n, '/sub?channel=many')->json->{messages} }, 100,
       '100 by default');

    for my $limit (1, 2, 64, 65, 100, 1000) {
        my $r = whole($n, '/sub?channel=many', limit => $limit);

        is_deeply(data_of($r), [ @all[0 .. $limit - 1] ], "limit $limit");
        is($r->json->{next}, $ids[$limit - 1], 'next');

        $r = whole($n, '/sub?channel=many', limit => $limit,
                   since => $ids[1050 - $limit - 1]);
        is_deeply(data_of($r), [ @all[1050 - $limit .. 1049] ],
                  "the last $limit");
    }

    for my $bad (0, 1001, -1, 'x', '', '1.5', '1x', '%201', '%31', '9' x 30) {
        is_problem(page($n, '/sub?channel=many', limit => $bad), "limit=$bad",
                   400, 'bad-request');
    }

    for my $limit (7, 100, 1000) {
        my @got = walk($n, '/sub?channel=many', limit => $limit);
        is_deeply([ map { $_->{data} } @got ], \@all,
                  "pages of $limit: each once, in order");
    }

    my @got = walk($n, '/sub?channel=many', limit => 1, since => $ids[1000]);
    is_deeply([ map { $_->{data} } @got ], [ @all[1001 .. 1049] ],
              'one by one');

    my $r = whole($n, '/sub?channel=many', since => $ids[-1]);
    is($r->json->{next}, $ids[-1], 'nothing new: the same position');
    is_deeply([ sort keys %{ $r->json } ], [ 'messages', 'next' ],
              'and nothing else');

    # malformed

    for my $bad ('nonsense', 'x' x 300, substr($ids[0], 1), "$ids[0]0",
                 'last:', 'last:x', 'Earliest', '.AAAA', '%zz', '%00')
    {
        my $what = substr $bad, 0, 20;
        is_problem(page($n, '/sub?channel=many', since => $bad), "since=$what",
                   400, 'bad-position');
        is_problem(page($n, '/sub?channel=many', since => $bad, wait => 20),
                   "since=$what, a wait", 400, 'bad-position');
    }

    is_problem(page($n, '/sub?channel='), 'no channel', 400, 'bad-channel');
}

# big ones, in as many pages as it takes

{
    my @bodies = map { "$_:" . 'b' x 150_000 } 1 .. 7;
    publish_all('big', @bodies);

    for my $limit (1, 5, 100) {
        my @got = map { $_->{data} } walk($n, '/sub?channel=big',
                                          limit => $limit);
        ok("@got" eq "@bodies", "big messages, limit $limit");
    }
}

# while others publish

for_workers(1, 4, sub {
    $n = ways_nginx(locations => $locations, http => $http, workers => $_[0]);

    my $sent = 0;
    my %ids;

    my @writers = map { Push::Writer->new($n, next => sub {
        return if $sent >= 600;
        my $body = ++$sent;
        return { path => '/pub?channel=live', body => $body,
                 done => sub { $ids{ $_[1]->json->{id} } = $body } };
    }) } 1 .. 3;

    my @walkers = map { { since => 'earliest', got => [], limit => $_,
                          keep => Push::HTTP->new($n->port) } } 1, 10, 500;

    for (1 .. 5000) {
        my @left = grep { @{ $_->{got} } < 600 } @walkers or last;

        for my $w (@left) {
            my ($path, %opt) = poll_request('/sub?channel=live',
                since => $w->{since}, limit => $w->{limit});
            my $page = $w->{keep}->request(GET => $path, %opt)->json;

            push @{ $w->{got} }, @{ $page->{messages} };
            $w->{since} = $page->{next};
            $w->{gaps}++ if $page->{gap};
        }
    }

    ok(wait_for(sub { keys %ids == 600 }), 'all answers are there');

    my @order = map { $ids{$_} } sort keys %ids;

    for my $w (@walkers) {
        is_deeply([ map { $_->{data} } @{ $w->{got} } ], \@order,
                  "limit $w->{limit}: each once, in order");
        is($w->{gaps}, undef, 'no gap');
    }
});


# what is missing is said

$n = ways_nginx(locations => $locations, http => $http, workers => 4);

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $path = "/sub?channel=$channel";
    my @ids = map { publish($channel, $_, path => '/few') } 1 .. 8;

    # older than history

    my $r = whole($way, $path, since => $ids[0]);
    is_deeply($r->json->{gap}, { channel => $channel, requested => $ids[0],
              oldest => $ids[3], reason => 'expired', id => $ids[2] },
              'expired');
    is_deeply(data_of($r), [ 4 .. 8 ], 'then all that is kept');
    is($r->json->{next}, $ids[7], 'and the position behind it');

    $r = whole($way, $path, since => $ids[0], limit => 2);
    is($r->json->{gap}{id}, $ids[2], 'a short page with a gap');
    is_deeply(data_of($r), [ 4, 5 ], 'has the oldest');
    $r = whole($way, $path, since => $r->json->{next}, limit => 2);
    is_deeply([ data_of($r), $r->json->{gap} ], [ [ 6, 7 ], undef ],
              'and the next one has none');

    is(whole($way, $path, since => $ids[2])->json->{gap}, undef,
       'the one before the oldest is in no gap');
    is(whole($way, $path)->json->{gap}, undef, 'nor is the earliest');
    is(whole($way, $path, since => 'last:100')->json->{gap}, undef,
       'nor are the last ones');

    # a wait does not hold it back

    $r = whole($way, $path, since => $ids[0], wait => 30);
    is($r->json->{gap}{reason}, 'expired', 'a poll is told at once');

    # another life

    is($n->delete("/pub?channel=$channel")->status, 200, 'deleted');

    $r = whole($way, $path, since => $ids[7]);
    is($r->json->{gap}{reason}, 'unknown', 'of a deleted life');
    is($r->json->{gap}{oldest}, undef, 'of which there is nothing');
    is_deeply($r->json->{messages}, [], 'and there is no other yet');

    my $new = publish($channel, 'new');

    $r = whole($way, $path, since => $ids[7]);
    is_deeply({ %{ $r->json->{gap} }, id => 0 }, { channel => $channel,
              requested => $ids[7], oldest => $new, reason => 'unknown',
              id => 0 }, 'unknown');
    is_deeply(data_of($r), ['new'], 'and all that is kept');
    is_deeply(data_of(whole($way, $path, since => $r->json->{gap}{id})),
              ['new'], 'what follows the notice');

    (my $future = $new) =~ s/.\z/9/;
    is(whole($way, $path, since => $future)->json->{gap}{reason}, 'unknown',
       'an id that was not given yet');

    # the position of a channel that has nothing is good later on

    my $next = whole($way, "/sub?channel=${channel}e")->json->{next};
    publish("${channel}e", $_) for 1 .. 3;
    $r = whole($way, "/sub?channel=${channel}e", since => $next);
    is_deeply(data_of($r), [ 1 .. 3 ], 'from before the first message');
    is($r->json->{gap}, undef, 'without a gap');

    # gone by age, and never kept

    my @old = map { publish("${channel}s", $_, path => '/short') } 1, 2;
    wait_for(sub { !$n->get("/pub?channel=${channel}s")->json->{messages} });

    $r = whole($way, "/sub?channel=${channel}s", since => $old[0]);
    is_deeply($r->json->{gap}, { channel => "${channel}s",
              requested => $old[0], oldest => undef, reason => 'expired',
              id => $old[1] }, 'by age');
    is($r->json->{next}, $old[1], 'the position is behind it');
    is(whole($way, "/sub?channel=${channel}s", since => $old[1])->json->{gap},
       undef, 'all was read: no gap');

    my $id = publish("${channel}s", 3, path => '/off');
    is(whole($way, "/sub?channel=${channel}s", since => $old[1])
       ->json->{gap}{id}, $id, 'without a history');
}, not => [qw(kept)]);

# cut short for lack of space

{
    my $large = $n;

    $n = ways_nginx(locations => $locations, http => 'push_zone push 256k;');

    my $first = publish('a', 'x' x 1000);
    publish('b', 'y' x 10_000) for 1 .. 30;

    my $r = whole($n, '/sub?channel=a', since => $first);
    is($r->json->{gap}, undef, 'the last id has lost nothing');

    publish('a', 'z' x 1000);
    publish('b', 'y' x 10_000) for 1 .. 30;
    $r = whole($n, '/sub?channel=a', since => $first);
    is($r->json->{gap}{reason}, 'evicted', 'evicted');

    $n = $large;
}


# back from an id, over the whole history

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $path = "/sub?channel=$channel";
    my @ids = publish_all($channel, 1 .. 150);

    my $r = whole($way, $path, before => $ids[99], limit => 5);
    is_deeply(data_of($r), [ 95 .. 99 ], 'the five before it');
    is($r->json->{prev}, $ids[94], 'prev: the first of them');
    is($r->json->{next}, $ids[98], 'next: just before the id');

    for my $limit (1, 13, 64, 100, 1000) {
        next if $limit == 1 && $way->is_http2;

        my @got;
        my $before = $ids[-1];

        for (1 .. 200) {
            $r = page($way, $path, before => $before, limit => $limit);
            unshift @got, @{ data_of($r) };
            $before = $r->json->{prev} // last;
        }

        is_deeply(\@got, [ 1 .. 149 ], "back by $limit: all, once, in order");
        is_deeply($r->json->{messages}, [], 'and then nothing');
        is_deeply($r->json->{gap}, undef, 'the end of history is no gap');
    }

    # and forward again, from next

    $r = whole($way, $path, before => $ids[10], limit => 3);
    is_deeply(data_of(whole($way, $path, since => $r->json->{next},
                            limit => 2)), [ 11, 12 ], 'on from next');

    # the first one, and one that is not there any more

    $r = whole($way, $path, before => $ids[0]);
    is_deeply([ @{ $r->json }{qw(messages prev)} ], [ [], undef ],
              'before the first');
    is(whole($way, $path, before => $ids[1])->json->{prev}, $ids[0],
       'before the second');

    # it never waits, and never says that nothing has changed

    $r = whole($way, $path, before => $ids[5], limit => 2, wait => 30,
               etag => $ids[4]);
    is_deeply(data_of($r), [ 4, 5 ], 'at once');

    # an id of another life: told, and the newest

    (my $other = $ids[0]) =~ s/\A.{8}/AAAAAAAA/;
    $r = whole($way, $path, before => $other, limit => 3);
    is($r->json->{gap}{reason}, 'unknown', 'of another life');
    is_deeply(data_of($r), [ 148 .. 150 ], 'the newest');
}, not => 'kept');

{
    my $id = publish('back', 1);

    for my $bad (qw(earliest latest last:3 nonsense .AAAA %zz)) {
        is_problem(page($n, '/sub?channel=back', before => $bad),
                   "before=$bad", 400, 'bad-request');
    }

    is_problem(page($n, '/sub?channel=back', before => $id, since => $_),
               "before and since=$_", 400, 'bad-request') for $id, 'latest';
    is_problem(page($n, '/sub?channel=back', before => $id,
                    headers => { 'Last-Event-ID' => $id }),
               'before and Last-Event-ID', 400, 'bad-request');
    is_problem(page($n, '/sub?channel=back,forth', before => $id),
               'before, of several', 400, 'bad-request');
    is(page($n, '/sub?channel=back', before => '')->status, 200,
       'an empty one is none');
    is(scalar @{ page($n, '/latest?channel=back', before => $id)
                 ->json->{messages} }, 0, 'push_start has no say');
}

# over holes: messages that replaced others, and those that had their time

for my $limit (1, 2, 3, 50) {
    my $channel = "holes$limit";
    my @want;

    for my $i (1 .. 40) {
        if ($i % 5 == 1) {
            publish($channel, $i, Topic => 't' . int($i / 10));

        } elsif ($i % 5 == 3) {
            publish($channel, $i, TTL => 0);

        } elsif ($i % 5 == 4) {
            publish($channel, $i, TTL => 1);

        } else {
            push @want, $i;
            publish($channel, $i);
        }
    }

    # of a topic the last one is left: 6, 16, 26, 36
    @want = sort { $a <=> $b } @want, map { 10 * $_ + 6 } 0 .. 3;

    wait_for(sub { $n->get("/pub?channel=$channel")->json->{messages}
                   == @want }, 10, 'the end of their time');

    my $last = publish($channel, 'end');
    my ($before, @got) = $last;

    for (1 .. 50) {
        my $r = page($n, "/sub?channel=$channel", before => $before,
                     limit => $limit);
        unshift @got, @{ data_of($r) };
        $before = $r->json->{prev} // last;
    }

    is_deeply(\@got, \@want, "back over holes by $limit");

    @got = map { $_->{data} } walk($n, "/sub?channel=$channel",
                                   limit => $limit);
    is_deeply(\@got, [ @want, 'end' ], "forward over holes by $limit");
}


# what has not changed is not sent again

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $path = "/sub?channel=$channel";
    my @ids = map { publish($channel, $_) } 1 .. 3;

    for my $since (undef, $ids[0], $ids[2], 'earliest', 'latest', 'last:2') {
        my $what = 'since ' . ($since // 'the beginning');
        my $r = page($way, $path, etag => $ids[2], since => $since);

        is($r->status, 304, "$what: nothing new");
        is($r->body, '', 'no body');
        is($r->header('etag'), qq("$ids[2]"), 'ETag');
        is($r->header('vary'), 'Origin, Accept', 'Vary');
        is($r->header('content-length'), undef, 'no length');
    }

    my $r = whole($way, $path, etag => $ids[1]);
    is_deeply(data_of($r), [ 1 .. 3 ], 'an older one: all of the page');

    $r = whole($way, $path, etag => $ids[2], limit => 2);
    is_deeply(data_of($r), [ 1, 2 ], 'a page that does not go to the end');

    (my $other = $ids[2]) =~ s/\A.{8}/AAAAAAAA/;
    is(page($way, $path, etag => $other)->status, 200, 'of another life');

    for my $value ("W/\"$ids[2]\"", "\"x\", \"$ids[2]\"",
                   "\"$ids[2]\",\"y\"", " W/\"$ids[1]\" ,\tW/\"$ids[2]\"")
    {
        is(page($way, $path, headers => { 'If-None-Match' => $value })->status,
           304, "If-None-Match: $value");
    }

    for my $value ("\"$ids[2]", "\"x$ids[2]\"", '""', '"*"', "W/\"$ids[1]\"",
                   "\"a $ids[2]\"")
    {
        is(page($way, $path, headers => { 'If-None-Match' => $value })->status,
           200, "If-None-Match: $value");
    }

    # a gap is news, and so is an end

    publish($channel, $_, path => '/few') for 4 .. 12;
    my $last = publish($channel, 13, path => '/few');
    $r = whole($way, $path, since => $ids[0], etag => $last);
    is($r->json->{gap}{reason}, 'expired', 'a gap is told all the same');

    is($n->publish("/pub?channel=$channel", '', headers => {
        'Push-End' => 'true' })->status, 201, 'sealed without a message');
    $r = whole($way, $path, since => $last, etag => $last);
    is($r->json->{ended}, JSON::PP::true, 'so is the end');
    $r = whole($way, $path, etag => $last);
    is($r->json->{ended}, JSON::PP::true, 'from the beginning, too');
}, not => 'kept');

# HEAD is the page without its body

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $id = publish($channel, 'x');
    my $length = length page($way, "/sub?channel=$channel")->body;
    my $c = start_poll($way, "/sub?channel=$channel", method => 'HEAD',
                       wait => 30);

    ok($c->wait_end, 'it ends');
    is($c->status, 200, 'status');
    is($c->header('content-type'), 'application/json', 'type');

    # a wait that nobody reads the answer of is none

    my $got = $c->header('content-length');
    ok(!defined $got || $got == $length, 'no length that is not true');
    is($n->get("/pub?channel=$channel")->json->{subscribers}, 0,
       'nobody is left');
});


# the end

for_ways($n, sub {
    my ($way, $channel) = @_;

    my $path = "/sub?channel=$channel";
    my @ids = map { publish($channel, $_) } 1 .. 5;
    is(whole($way, $path)->json->{ended}, undef, 'not yet');

    push @ids, publish($channel, 6, 'Push-End' => 'true');

    my $r = whole($way, $path, since => $ids[2]);
    is_deeply(data_of($r), [ 4 .. 6 ], 'the rest');
    is($r->json->{ended}, JSON::PP::true, 'and the end');
    is($r->json->{next}, $ids[5], 'next');

    $r = whole($way, $path, limit => 5);
    is_deeply(data_of($r), [ 1 .. 5 ], 'a page before the end');
    is($r->json->{ended}, undef, 'does not tell it');

    for my $wait (undef, 30) {
        $r = whole($way, $path, since => $ids[5], wait => $wait);
        is_deeply([ @{ $r->json }{qw(messages ended)} ],
                  [ [], JSON::PP::true ], 'all was read: the end again');
        is($r->json->{next}, $ids[5], 'next stays');
    }

    is_deeply(data_of(whole($way, $path, before => $ids[2])), [ 1, 2 ],
              'what was is there to be read');
});


# over a reload: the same positions

for_workers(1, 4, sub {
    $n = ways_nginx(locations => $locations, http => $http, workers => $_[0]);

    my @ids = map { publish('r', $_) } 1 .. 5;
    my $next = page($n, '/sub?channel=r', limit => 2)->json->{next};

    ok($n->reload, 'reload');
    publish('r', 6);

    is_deeply([ map { $_->{data} } walk($n, '/sub?channel=r', since => $next) ],
              [ 3 .. 6 ], 'goes on where it was');
    is(page($n, '/sub?channel=r', etag => $ids[4])->status, 200, 'no 304');
    is_deeply(data_of(page($n, '/sub?channel=r', before => $ids[3])),
              [ 1 .. 3 ], 'back, too');

    ok($n->kill_worker(($n->workers)[0]) && $n->wait_workers, 'kill -9');
    is_deeply([ map { $_->{data} } walk($n, '/sub?channel=r', since => $next) ],
              [ 3 .. 6 ], 'goes on where it was');
    is($n->get('/status')->json->{subscribers}{total}, 0, 'nobody is counted');
});

done_testing;
