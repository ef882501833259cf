#!/usr/bin/perl

# The core property: whatever happens, a subscriber has each message exactly
# once, whole and in order, or is told at exactly the place where some are
# missing.
#
# PUSH_SEED=n repeats the random choices of a run (not the times at which the
# kernel makes things happen), PUSH_ROUNDS=n makes each part n times as long.

use strict;
use warnings;

use EV;
use JSON::PP ();
use List::Util qw(sum0);
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


# the checker sees what it is there for

sub told {
    my ($entries, %opt) = @_;

    my $o = Push::Oracle->new(history => { a => 2 });
    my @p = map { $o->publish('a') } 1 .. 6;
    my @t = map { $o->publish('a', ttl => 0) } 7;
    my %id = map { $_ => sprintf 'AAAAAAAA-%014d', $_ } 0 .. 9;
    my $at = $p[0]{sent};

    $_->{sent} = $at for @p, @t;
    $o->answered($p[$_ - 1], $id{$_}) for 1 .. 6;
    $o->answered($t[0], $id{7});
    $o->delete('a') if $opt{deleted};
    $o->publish('a', end => 1) if $opt{sealed};

    my @log = map { my ($what, $id, @more) = @$_;
                    { what => $what, at => $at + 1, start => 'latest', @more,
                      defined $id ? (id => $id{$id} // $id) : () } } @$entries;

    $_->{requested} = $id{$_->{requested}} for grep { $_->{requested} } @log;

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
    like(told([ @start, @all[0, 1], [ reconnect => 3 ] ]), qr/missing/,
         'a position that skips');
    like(told([ @start, @all[0, 1], [ reconnect => 1 ] ]), qr/position is 2/,
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

    ok($o->received('a', 'AAAAAAAA-00000000000001', $body), 'whole');
    ok(!$o->received('a', 'AAAAAAAA-00000000000002', $body), 'of two ids');
    ok(!$o->received('a', 'AAAAAAAA-00000000000001', $o->body($q)), 'two of one');
    ok(!$o->received('b', 'AAAAAAAA-00000000000001', $body), 'elsewhere');
    ok(!$o->received('a', 'AAAAAAAA-00000000000003', $body =~ s/.\z/x/r), 'damage');
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

    my $channel = (keys %history)[rand keys %history];

    if ($channel eq 'short' && rand() < 0.04) {
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

    $what{end} = 1 if $channel eq 'short' && rand() < 0.03;
    $what{key} = 'k' . $o->{last} if rand() < 0.3;

    return publish($o, $state, $o->publish($channel, %what, size => size($channel)));
}

sub publish {
    my ($o, $state, $p) = @_;

    my %headers = ('Content-Type' => 'text/plain');

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

sub readers {
    my ($n, $o) = @_;
    my @readers;

    for my $channel (sort keys %history) {
        for my $i (0 .. 5) {
            my @start = ('latest', 'earliest', 'last:3');

            push @readers, Push::Reader->new($i == 5 ? $n->port(2) : $n,
                ($i == 4 ? '/kept' : '/sub') . "?channel=$channel",
                channel => $channel, oracle => $o, start => $start[$i % 3],
                tls => $i == 5, rcvbuf => $i % 2 ? 4096 : undef,
                delay => sub { rand 0.2 });
        }
    }

    return @readers;
}

sub random_event {
    my ($n, $state, @readers) = @_;
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
}


# a last message on each channel, which all must come to

sub finish_channel {
    my ($n, $o, $channel) = @_;

    for (1 .. 3) {
        my $p = $o->publish($channel);
        my $r = $n->publish("/$channel", $o->body($p));

        if ($r->status == 201) {
            $o->answered($p, $r->json->{id});
            return $r->json->{id};
        }

        $o->refused($p);
        $o->delete($channel);
        $n->delete("/$channel");
    }

    return 'none';
}

sub run_all {
    my ($workers) = @_;

    my $n = nginx(conf => $conf, workers => $workers);
    my $o = Push::Oracle->new(history => \%history, kills => 1);
    my $state = { did => {}, odd => {}, again => [] };

    my @readers = readers($n, $o);
    my @writers = map { Push::Writer->new($n, keepalive => $_ % 2, next => sub {
        my $p = shift @{ $state->{again} };
        return $p ? publish($o, $state, $p) : next_request($o, $state);
    }) } 1 .. 4;

    my $end = EV::time + $seconds;

    while (EV::time < $end) {
        run_for(rand 0.06);
        random_event($n, $state, @readers);
    }

    # quiet again

    $state->{stop} = 1;
    $_->resume for @readers;

    ok(wait_for(sub { $_->resume for @readers; !grep { !$_->idle } @writers }),
       'publishers are done');
    ok($n->wait_workers && $n->wait_old_workers, 'workers are there');

    my %last = map { $_ => finish_channel($n, $o, $_) } sort keys %history;

    ok(wait_for(sub {
        $_->resume for @readers;
        !grep { !$_->is_on || ($_->last_id // '') ne $last{ $_->{channel} } }
             @readers;
    }, 30, 'the last message'), 'the last message is with all')
        or diag(map { "$_->{name}: " . ($_->last_id // 'none') . "\n" }
                grep { !$_->is_on || $_->last_id ne $last{ $_->{channel} } }
                @readers);

    is_deeply($state->{odd}, {}, 'answers');

    my @errors = ($o->errors, map { $o->check($_) } @readers);
    is(join("\n", @errors[0 .. ($#errors < 9 ? $#errors : 9)]), '', 'records');

    ok(wait_for(sub {
        $n->get('/status')->json->{subscribers}{total} == @readers;
    }, 10, 'the count'), 'subscribers are counted');

    my %told;
    $told{$_}++ for map { $_->{reason} } map { $_->told('gap') } @readers;
    $told{$_}++ for map { $_->{reason} } map { $_->told('closed') } @readers;
    $told{reconnect} = sum0 map { scalar $_->told('reconnect') } @readers;
    $told{stop} = sum0 map { scalar $_->told('stop') } @readers;
    my $got = sum0 map { $_->received } @readers;

    note($o->count . " messages, $got received; ",
         join ', ', map { "$_ $state->{did}{$_}" } sort keys %{ $state->{did} });
    note(join ', ', map { "$_ $told{$_}" } sort keys %told);
    ok($got > $o->count && $told{expired} && $told{unknown},
       'much has happened');

    if (@errors) {
        $n->write_file('records.json', JSON::PP->new->canonical->encode(
            { map { $_->{name} => $_->{log} } @readers }));
    }
}

seed();
for_workers(1, 2, 4, \&run_all);
done_testing;
