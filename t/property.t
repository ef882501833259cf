#!/usr/bin/perl

# The core property: whatever happens, a subscriber has each message exactly
# once, whole and in order, or is told at exactly the place where some are
# missing.  Subscribers change transports and channels as they come back.
#
# PUSH_SEED=n repeats the random choices of a run (not the times at which the
# kernel makes things happen), PUSH_ROUNDS=n makes each part n times as long.

use strict;
use warnings;

use EV;
use JSON::PP ();
use List::Util qw(shuffle sum0);
use Push::Oracle;
use Push::Reader;
use Push::Test;
use Push::Writer;

my $seconds = 7 * ($ENV{PUSH_ROUNDS} || 1);

my $conf = <<'E';
    push_zone push 16m;
    push_drain_window 1s;
    ssl_certificate %%CERT%%;
    ssl_certificate_key %%KEY%%;

    server {
        listen 127.0.0.1:%%PORT%% sndbuf=16k;
        listen 127.0.0.1:%%PORT2%% ssl sndbuf=16k;

        push_max_message_size 1m;
        push_client_subscribe **;
        push_client_publish **;

        # what subscribers publish cuts no history short
        push_history 1000;

        location = /plain { push_publish plain; push_history 20; }
        location = /small {
            push_publish small;
            push_history 5;
            push_backlog 16k;
        }
        location = /long { push_publish long; push_history 1000; }
        location = /off { push_publish off; push_history off; }
        location = /mixed { push_publish mixed; push_history 50; }
        location = /short { push_publish short; push_history 20; }

        location = /sub { push_subscribe $arg_channel; }
        location = /kept { push_subscribe $arg_channel; push_hibernate off; }
        location = /status { push_status; }
    }
E

my %history = (plain => 20, small => 5, long => 1000, off => 0, mixed => 50,
               short => 20);
my @channels = sort keys %history;
my @transports = qw(sse sse.json ndjson poll raw json push.json);


# the checker sees what it is there for

sub told {
    my ($entries, %opt) = @_;

    my $o = Push::Oracle->new(history => { a => 2 });
    my @p = map { $o->publish('a') } 1 .. 6;
    my @t = map { $o->publish('a', ttl => 0) } 7;
    my %id = map { $_ => sprintf 'AAAAAAAB-%014d', $_ } 0 .. 9;
    my $at = $p[0]{sent};

    $_->{sent} = $at for @p, @t;
    $o->answered($p[$_ - 1], $id{$_}) for 1 .. 6;
    $o->answered($t[0], $id{7});
    $o->delete('a') if $opt{deleted};
    $o->publish('a', end => 1) if $opt{sealed};

    my @log = map { my ($what, $id, @more) = @$_;
                    { what => $what, at => $at + 1, start => 'latest', @more,
                      defined $id ? (id => $id{$id} // $id) : () } } @$entries;

    for my $e (@log) {
        defined $e->{$_} and $e->{$_} = $id{ $e->{$_} } // $e->{$_}
            for qw(requested position);
    }

    my @errors = ($o->errors, $o->check({ name => 'x', channel => 'a',
                                          log => \@log }));
    return "@errors";
}

subtest 'the checker' => sub {
    my @start = ([ connect => undef, at => 0 ], [ subscribed => 0 ]);
    my @all = map { [ message => $_ ] } 1 .. 6;
    my @again = ([ end => undef, how => 'cut' ],
                 [ connect => undef, requested => 3 ]);

    is(told([ @start, @all, [ message => 7 ] ]), '', 'all');
    is(told([ @start, @all ]), '', 'a drop at the end');
    is(told([ @start, @all[0 .. 2], @again, [ subscribed => 3 ],
              @all[3 .. 5] ]), '', 'in two parts');
    is(told([ @start, @all[0 .. 2], @again, ['subscribed'],
              [ gap => 4, reason => 'expired', requested => 3 ],
              @all[4 .. 5] ]), '', 'a gap that was told');

    like(told([ @start, @all[0, 1, 3] ]), qr/-0*3 is missing/, 'a hole');
    like(told([ @start, @all[0, 1, 1] ]), qr/again/, 'twice');
    like(told([ @start, @all[0, 2, 1] ]), qr/is missing.*order/, 'disorder');
    like(told([ @start, @all[0 .. 2], @again, [ subscribed => 4 ],
                @all[4, 5] ]), qr/asked for/, 'a start elsewhere');
    like(told([ @start, @all[0 .. 2], @again, [ subscribed => 3 ],
                @all[4, 5] ]), qr/missing/, 'a hole after a start');
    like(told([ @start, @all[0 .. 2], @again, ['subscribed'], $all[4] ]),
         qr/a message here/, 'a gap that was not told');
    like(told([ @start, @all[0 .. 2], @again, ['subscribed'],
                [ gap => 4, reason => 'expired', requested => 3 ],
                $all[5] ]), qr/-0*5 is missing/, 'a gap that is too short');
    like(told([ @start, @all[0 .. 2], @again, ['subscribed'],
                [ gap => 3, reason => 'expired', requested => 3 ] ]),
         qr/a gap of nothing/, 'a gap of nothing');
    like(told([ @start, @all[0 .. 2], @again, ['subscribed'],
                [ gap => 6, reason => 'expired', requested => 3 ] ]),
         qr/only 7 were published, 2 are kept/, 'a gap that is too long');
    like(told([ @start, [ gap => 4, reason => 'expired', requested => 0 ] ]),
         qr/reason expired here/, 'a gap in mid-stream');
    like(told([ @start, @all[0, 1], [ reconnect => undef, position => 3 ] ]), qr/missing/,
         'a position that skips');
    like(told([ @start, @all[0, 1], [ reconnect => undef, position => 1 ] ]), qr/position is 2/,
         'a position that goes back');
    like(told([ @start, [ message => 'BBBBBBBB-00000000000001' ] ]),
         qr/another life/, 'another life');
    like(told([ @start, [ closed => undef, reason => 'deleted' ] ]),
         qr/nobody/, 'a delete by nobody');
    is(told([ @start, [ closed => undef, reason => 'deleted' ] ],
            deleted => 1), '', 'by somebody');
    like(told([ @start, @all[0 .. 4], [ closed => undef, reason => 'ended' ] ],
              sealed => 1), qr/-0*6 is missing/, 'an end before the end');
    like(told([ [ connect => undef, at => 1e12 ], [ subscribed => 3 ] ]),
         qr/the latest/, 'an old start');

    my $o = Push::Oracle->new;
    my ($p, $q) = map { $o->publish('a') } 1, 2;
    my $body = $o->body($p);

    ok($o->received('a', 'AAAAAAAB-00000000000001', $body), 'whole');
    ok(!$o->received('a', 'AAAAAAAB-00000000000002', $body), 'of two ids');
    ok(!$o->received('a', 'AAAAAAAB-00000000000001', $o->body($q)), 'two of one');
    ok(!$o->received('b', 'AAAAAAAB-00000000000001', $body), 'elsewhere');
    ok(!$o->received('a', 'AAAAAAAB-00000000000003', $body =~ s/.\z/x/r), 'damage');
    is(scalar(my @found = $o->errors), 4, 'all are noted');
};


# what publishers do

sub size {
    my ($channel) = @_;
    my $dice = rand;

    return int 2000 + rand 10000 if $channel eq 'small';
    return int($dice < 0.9 ? rand 300 : $dice < 0.99 ? rand 20000 : rand 60000);
}

sub next_request {
    my ($o, $state) = @_;

    return $state->{stop} ? undef : 0.01 if $state->{stop} || rand() < 0.1;

    my $channel = $state->{delete} ? 'short' : $channels[rand @channels];

    if ($channel eq 'short' && (rand() < 0.04 || delete $state->{delete})) {
        $o->delete($channel);
        $state->{did}{delete}++;
        return { method => 'DELETE', path => "/$channel", done => sub {
            my ($request, $r) = @_;
            $state->{odd}{"delete: " . $r->status}++
                if $r && $r->status !~ /\A(?:200|404)\z/;
        } };
    }

    my %what;

    if ($channel eq 'mixed') {
        $what{topic} = 'T' . int rand 5 if rand() < 0.4;
        $what{ttl} = int rand 3 if rand() < 0.3;
    }

    $what{binary} = rand() < 0.1;
    $what{end} = 1 if $channel eq 'short' && rand() < 0.03;
    $what{key} = 'k' . $o->{last} if rand() < 0.3;

    return publish($o, $state, $o->publish($channel, %what, size => size($channel)));
}

sub publish {
    my ($o, $state, $p) = @_;

    my %headers = ('Content-Type' => $p->{binary} ? 'application/octet-stream'
                                                  : 'text/plain');

    $headers{TTL} = $p->{ttl} if defined $p->{ttl};
    $headers{Topic} = $p->{topic} if defined $p->{topic};
    $headers{'Push-End'} = 'true' if $p->{end};
    $headers{'Idempotency-Key'} = $p->{key} if defined $p->{key};

    $state->{did}{publish}++;

    return { path => "/$p->{channel}", headers => \%headers,
             body => $o->body($p), done => sub {
        my ($request, $r) = @_;

        if (!$r) {
            $state->{did}{silence}++;
            push @{ $state->{again} }, $p if defined $p->{key};

        } elsif ($r->status =~ /\A20[01]\z/) {
            $state->{did}{repeat}++ if $r->status == 200;
            $o->answered($p, $r->json->{id});

        } elsif ($r->status == 409) {
            $o->refused($p);
            $state->{sealed} = 1;

        } else {
            $state->{odd}{'publish: ' . $r->status}++;
        }
    } };
}


# what subscribers do

sub some_channels {
    my $dice = rand;
    my $n = $dice < 0.4 ? 1 : $dice < 0.7 ? 2 : $dice < 0.9 ? 3 : @channels;

    return (shuffle @channels)[0 .. $n - 1];
}

sub varies {
    my ($n, $state, $i) = @_;
    my (%as, @set);

    return sub {

        if (!@set || !$state->{quiet}) {
            @set = some_channels() if !@set || rand() < 0.2;

            $as{transport} = !%as ? $transports[$i % @transports]
                : rand() < ($as{transport} eq 'poll' ? 0.05 : 0.3)
                ? $transports[rand @transports] : $as{transport};

            # a poll may go on over the same connection

            if (!$as{place} || $as{transport} ne 'poll' || rand() < 0.1) {
                $as{tls} = rand() < 0.15;
                $as{port} = $n->port($as{tls} ? 2 : 1);
                $as{place} = rand() < 0.2 ? '/kept' : '/sub';
            }

            $as{start} = qw(latest latest earliest last:3)[rand 4];
            $as{rcvbuf} = rand() < 0.5 ? 4096 : undef;
            $as{deflate} = rand() < 0.3;
            $as{limit} = rand() < 0.5 ? 1 + int rand 10 : undef;
            $as{etag} = rand() < 0.3;
        }

        $as{path} = "$as{place}?channel=" . join ',', @set;
        $state->{as}{ $as{transport} }++;
        $state->{as}{several}++ if @set > 1;

        return (%as, channels => [ @set ]);
    };
}

sub readers {
    my ($n, $o, $state) = @_;

    return map {
        Push::Reader->new($n, undef, oracle => $o, delay => sub { rand 0.2 },
                          vary => varies($n, $state, $_))
    } 0 .. 35;
}


# a client of push.json has channels that come and go, and publishes

sub converse {
    my ($o, $state, $reader) = @_;

    return if $reader->transport ne 'push.json' || !$reader->is_on;

    my $channel = $channels[rand @channels];
    my $has = grep { $_ eq $channel } $reader->set;
    my $dice = rand;

    if ($dice < 0.3) {
        my $since = $reader->{ids}{$channel} // '';

        return if $has || !$reader->client->ask($channel,
            $since =~ /-/ && rand() < 0.7 ? $since : undef);
        $state->{did}{subscribe}++;

    } elsif ($dice < 0.5) {
        return if !$has || $reader->set < 2 || !$reader->client->leave($channel);
        $state->{did}{unsubscribe}++;

    } elsif ($dice < 0.6) {
        my $p = $o->publish($channel, size => size($channel));

        $state->{did}{say}++;
        $state->{saying}++;
        $reader->client->say($channel, $o->body($p), sub {
            my ($reply) = @_;

            $state->{saying}--;
            return if !$reply;
            return $o->answered($p, $reply->{id})
                if $reply->{type} eq 'published';
            return $o->refused($p) if ($reply->{status} // 0) == 409;

            $state->{odd}{"say: $reply->{type} " . ($reply->{status} // '')}++;
        });
    }
}

sub random_event {
    my ($n, $o, $state, @readers) = @_;
    my $dice = rand;

    if ($dice < 0.04) {
        my @workers = ($n->workers, $n->old_workers);
        my $pid = $workers[rand @workers] // return;

        $n->{killed}{$pid} = 'KILL';
        kill KILL => $pid;
        $state->{did}{kill}++;

    } elsif ($dice < 0.06) {
        $n->signal('HUP');
        $state->{did}{reload}++;

    } elsif ($dice < 0.5) {
        $readers[rand @readers]->drop;
        $state->{did}{drop}++;

    } elsif ($dice < 0.75) {
        $readers[rand @readers]->pause;
        $state->{did}{pause}++;

    } else {
        $readers[rand @readers]->resume;
    }

    converse($o, $state, $readers[rand @readers]) for 1 .. 10;
}


# a last message on each channel, which all must come to

sub last_ones {
    my ($n, $o) = @_;
    my %last;

    for my $channel (@channels) {
        my $p = $o->publish($channel);
        my $r = $n->publish("/$channel", $o->body($p));
        my $id = ($r->json // {})->{id};

        $o->answered($p, $id);
        $last{$channel} = [ $id, $p->{n} ];
    }

    return %last;
}

sub finish_all {
    my ($n, $o, @readers) = @_;

    # what was sealed begins anew, and so do those who were told

    if ($n->get('/short')->json->{ended}) {
        $o->delete('short');
        $n->delete('/short');
    }

    for my $reader (@readers) {
        $reader->drop if grep { $_ eq 'short' } $reader->set;
    }

    return Push::Reader->all_have(sub { last_ones($n, $o) }, @readers);
}

# all that is worth a look

sub much {
    my ($o, @readers) = @_;
    my %why = map { $_->{reason} => 1 } map { $_->told('gap') } @readers;

    return $why{expired} && $why{unknown}
           && $o->count < sum0 map { $_->received } @readers;
}

sub run_all {
    my ($workers) = @_;

    my $n = nginx(conf => $conf, workers => $workers);
    my $o = Push::Oracle->new(history => \%history, kills => 1);
    my $state = { did => {}, odd => {}, again => [], as => {} };

    my @readers = readers($n, $o, $state);
    my @writers = map { Push::Writer->new($n, keepalive => $_ % 2, next => sub {
        my $p = shift @{ $state->{again} };
        return $p ? publish($o, $state, $p) : next_request($o, $state);
    }) } 1 .. 4;

    my $begin = EV::time;
    my $much = 0;

    # on a busy machine it takes longer until enough has happened

    while (!$much || EV::time < $begin + $seconds) {
        run_for(rand 0.06);
        random_event($n, $o, $state, @readers);

        $much ||= much($o, @readers) || EV::time > $begin + 10 * $seconds
            if EV::time > $begin + $seconds;

        if (!$state->{did}{delete} && EV::time > $begin + $seconds / 2) {
            $state->{delete} = 1;
        }
    }

    # quiet again

    $state->{stop} = $state->{quiet} = 1;
    $_->resume for @readers;

    ok(wait_for(sub {
        $_->resume for @readers;
        !$state->{saying} && !grep { !$_->idle } @writers;
    }), 'publishers are done');
    ok($n->wait_workers && $n->wait_old_workers, 'workers are there');
    ok(finish_all($n, $o, @readers), 'the last message is with all');

    $_->note('finish') for @readers;

    is_deeply($state->{odd}, {}, 'answers');

    my @errors = ($o->errors, map { $o->check($_) } @readers);
    is(join("\n", @errors[0 .. ($#errors < 9 ? $#errors : 9)]), '', 'records');

    my %on;
    $on{$_}++ for map { $_->set } @readers;

    ok(wait_for(sub {
        !grep { $n->get("/$_")->json->{subscribers} != ($on{$_} // 0) }
              @channels;
    }, 10, 'the counts'), 'subscribers are counted');

    my %told;
    $told{$_}++ for map { $_->{reason} } map { $_->told('gap') } @readers;
    $told{$_}++ for map { $_->{reason} } map { $_->told('closed') } @readers;
    $told{reconnect} = sum0 map { scalar $_->told('reconnect') } @readers;
    $told{cut} = sum0 map { scalar $_->told('cut') } @readers;
    $told{stop} = sum0 map { scalar $_->told('stop') } @readers;
    my $got = sum0 map { $_->received } @readers;

    note($o->count . " messages, $got received; ",
         join ', ', map { "$_ $state->{did}{$_}" } sort keys %{ $state->{did} });
    note(join ', ', map { "$_ $told{$_}" } sort keys %told);
    note('connections: ', join ', ', map { "$_ $state->{as}{$_}" }
                                     sort keys %{ $state->{as} });
    ok(much($o, @readers), 'much has happened');

    if (@errors) {
        $n->write_file('records.json', JSON::PP->new->canonical->encode(
            { map { $_->{name} => [ map { my %e = %$_; delete $e{parsed}; \%e }
                                    @{ $_->{log} } ] } @readers }));
    }
}

seed();
for_workers(1, 2, 4, \&run_all);
done_testing;
