#!/usr/bin/perl

# The core property over several pods: whatever happens to them, to Redis and
# to what is between, a subscriber has each message exactly once and in the
# one order, or is told at exactly the place where some are missing.
#
# PUSH_ROUNDS=n makes n rounds, each with a seed of its own; PUSH_SEED=n is
# that of the first one, and repeats its random choices (not the times at which
# the kernel makes things happen).

use strict;
use warnings;

use EV;
use File::Path qw(remove_tree);
use JSON::PP ();
use List::Util qw(shuffle sum0);
use Push::Oracle::Pods;
use Push::Pods;
use Push::Proxy;
use Push::Reader;
use Push::Redis;
use Push::Test;
use Push::Writer;

my $rounds = $ENV{PUSH_ROUNDS} // 2;

# each channel by the location that its messages are published to

my %place = (long => '/long', more => '/long', mixed => '/long', few => '/few',
             none => '/none');
my %lossy = (few => 1, none => 1);

my @channels = sort keys %place;
my @transports = qw(sse sse sse.json ndjson poll json push.json sse);


# the checker sees what it is there for

my @digits = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '.', '_');

# an id as the module writes it: 24 bits of life and of term

sub id {
    my ($life, $term, $seq) = @_;
    my $epoch = $life << 16 | $term;
    my $text = join '', map { $digits[$epoch >> 6 * $_ & 63] } reverse 0 .. 7;

    return sprintf '%s-%014d', $text, $seq;
}

# term 1 has 1 to 5, of which 4 and 5 were lost; term 2 began at 4, and term 3
# went on from 5, but was lost

sub told {
    my ($entries, %opt) = @_;

    my $o = Push::Oracle::Pods->new(lossy => { a => $opt{lossy} });
    my %at = (t => [ 7, 1, 2 ], l3 => [ 7, 3, 3 ], map({ $_ => [ 7, 1, $_ ] } 1, 3, 4, 5),
              map { ("n$_" => [ 7, 2, $_ ], "x$_" => [ 8, 9, $_ ]) } 1 .. 6);

    for my $name (1, 't', 3 .. 5, qw(n4 n5 n6 x1)) {
        $o->answered($o->publish('a', $name eq 't' ? (ttl => 0) : ()),
                     id(@{ $at{$name} }));
    }

    $o->lineage->note('a', 7, 1, 1, 2, 4);
    $o->lineage->note('a', 7, 1, 1, 3, 6);
    $o->lineage->cut('a', 7, 1, 3) unless $opt{whole};
    $o->happens($_) for @{ $opt{happened} // [] };
    $_->{sent} = 1 for values %{ $o->{published} };

    my @log = map { my ($what, $id, %more) = @$_;
        $more{requested} = id(@{ $at{ $more{requested} } })
            if defined $more{requested} && $what eq 'connect';

        { what => $what, at => 10, channel => 'a', start => 'latest', %more,
          defined $id ? (id => id(@{ $at{$id} })) : () };
    } @$entries;

    return join ' ', $o->errors, $o->check({ name => 'x', log => \@log,
                                             channels => { a => 1 } });
}

subtest 'the checker' => sub {
    my @start = ([ connect => undef, requested => 1 ], [ subscribed => 1 ]);
    my @fork = ([ message => 't' ], map { [ message => $_ ] } 3 .. 5);
    my @new = map { [ message => "n$_" ] } 4 .. 6;
    my @gap = ([ gap => 3, reason => 'diverged' ]);
    my @all = (happened => [ 'data' ]);

    is(told([ @start, @fork ]), '', 'the first log');
    is(told([ @start, @fork[0, 1], @new ]), '', 'the second one');
    is(told([ @start, $fork[1], @new ]), '', 'without what is not kept');
    is(told([ @start, @fork, @gap, @new ]), '', 'one after the other');
    is(told([ @start, @fork[0, 1], [ end => undef ],
              [ connect => undef, requested => 3 ], [ subscribed => 'n3' ],
              @new ]), '', 'another name of the same place');
    is(told([ @start, @fork, [ end => undef ],
              [ connect => undef, requested => 5 ], ['subscribed'],
              @gap, @new ]), '', 'told at the start');
    is(told([ [ connect => undef, requested => 'l3' ], ['subscribed'], @gap,
              @new ]), '', 'told after a term that was lost');
    is(told([ @start, @fork, [ gap => 'x1', reason => 'unknown' ] ], @all), '',
       'another life');
    is(told([ @start, [ gap => 3, reason => 'expired' ], @new ], lossy => 1), '',
       'not all is kept');

    like(told([ @start, @new ]), qr/3 of 7 2 is missing/, 'a hole');
    like(told([ @start, @fork[0, 2] ]), qr/3 of 7 1 is missing/, 'in a term');
    like(told([ @start, @fork[0, 1], @new[0, 2] ]), qr/5 of 7 2 is missing/,
         'in the next one');
    like(told([ @start, @fork[0, 1, 1] ]), qr/again/, 'twice');
    like(told([ @start, @fork[0, 2, 1] ]), qr/is missing.*order/, 'disorder');
    like(told([ @start, @fork[0 .. 2], $new[1] ]), qr/7 1 4 is not in the log/,
         'silently after a number that was given again');
    like(told([ @start, @fork, $new[2] ]), qr/7 1 5 is not in the log/,
         'as one more');
    like(told([ @start, @fork, $new[0] ]), qr/order/, 'silently the other log');
    like(told([ @start, @fork, @gap, @new ], whole => 1),
         qr/reason diverged here/, 'diverged from nothing');
    like(told([ @start, @fork[0, 1], @gap, @new ]), qr/reason diverged here/,
         'diverged with nothing but what is there');
    like(told([ @start, @fork, @gap, $new[1] ]), qr/4 of 7 2 is missing/,
         'a hole after a gap');
    like(told([ @start, @fork, [ message => 'x1' ] ]), qr/of another life/,
         'silently another life');
    like(told([ @start, [ gap => 'x1', reason => 'unknown' ] ]),
         qr/reason unknown here/, 'unknown, with all there');
    like(told([ @start, [ gap => 't', reason => 'unknown' ] ], @all),
         qr/after life 7/, 'unknown, in the same life');
    like(told([ @start, [ gap => 3, reason => 'expired' ] ]),
         qr/reason expired here/, 'not kept, where all is kept');
    like(told([ @start, @fork[0, 1], [ gap => 3, reason => 'expired' ] ],
              lossy => 1), qr/a gap of nothing/, 'a gap of nothing');
    like(told([ @start, @fork[0, 1], [ end => undef ],
                [ connect => undef, requested => 3 ], [ subscribed => 1 ] ]),
         qr/asked for 7 1 3/, 'a start elsewhere');
    like(told([ @start, @fork[0, 1], [ end => undef ],
                [ connect => undef, requested => 3 ], ['subscribed'], @new ]),
         qr/a message here/, 'a gap that was not told');
    like(told([ @start, $fork[0], [ reconnect => undef, position => id(7, 1, 3)
              ] ]), qr/3 of 7 1 is missing/, 'a position that skips');
    like(told([ @start, [ closed => undef, reason => 'deleted' ] ]),
         qr/nobody/, 'closed by nobody');

    my $o = Push::Oracle::Pods->new;
    my ($p, $q, $k) = map { $o->publish('a', key => $_) } undef, undef, 'k';

    $o->answered($p, id(7, 1, 1));
    $o->answered($q, id(7, 1, 1));
    $o->answered($p, id(7, 1, 2));
    $o->answered($k, id(7, 1, 4));
    $o->answered($k, id(7, 2, 4));
    $o->answered($k, id(7, 2, 5));
    $o->lineage->note('a', 7, 1, 1, 2, 4);
    $o->lineage->note('a', 7, 2, 5);

    my $errors = join ' ', $o->errors;

    like($errors, qr/number 1 .* is of two messages: 1 and 2/, 'one place');
    like($errors, qr/message 1 has two places: 7 1 1 and 7 1 2/, 'two places');
    like($errors, qr/message 3 has two places: 7 2 4 and 7 2 5/, 'with a key');
    unlike($errors, qr/7 1 4/, 'but not after it was lost');
    like($errors, qr/term 2 began at 4 and at 5/, 'a term that began twice');
};


# what publishers do

sub next_request {
    my ($w, $writer) = @_;

    return $w->{stop} ? undef : 0.01 if $w->{stop} || rand() < 0.4;

    my $n = live($w);

    if ($n->port != $writer->{port}) {
        delete $writer->{r};
        $writer->{port} = $n->port;
    }

    my $p = shift @{ $w->{again} };

    if (!$p) {
        my $channel = $channels[rand @channels];
        my %what = (size => int 20 + rand 200);

        if ($channel eq 'mixed') {
            $what{ttl} = 0 if rand() < 0.3;
            $what{topic} = 'T' . int rand 5 if rand() < 0.4;
        }

        $what{key} = 'k' . $w->{o}{last} if rand() < 0.4;
        $p = $w->{o}->publish($channel, %what);
    }

    return publish($w, $p);
}

sub publish {
    my ($w, $p) = @_;
    my %headers;

    $headers{TTL} = $p->{ttl} if defined $p->{ttl};
    $headers{Topic} = $p->{topic} if defined $p->{topic};
    $headers{'Idempotency-Key'} = $p->{key} if defined $p->{key};

    $w->{did}{publish}++;

    return { path => "$place{ $p->{channel} }?channel=$p->{channel}",
             headers => \%headers, body => $w->{o}->body($p),
             done => sub { published($w, $p, $_[1]) } };
}

# without an answer, or with a bad one, it may have been published or not

sub published {
    my ($w, $p, $r) = @_;
    my $status = $r ? $r->status : 'none';

    if ($status =~ /\A20[01]\z/) {
        $w->{did}{repeat}++ if $status == 200;
        $w->{odd}{'200 without a key'}++ if $status == 200 && !$p->{key};

        return $w->{o}->answered($p, $r->json->{id});
    }

    $w->{did}{"answer $status"}++;
    $w->{odd}{"publish: $status"}++ if $status !~ /\A(?:none|503)\z/;
    $w->{o}->unanswered($p);
    push @{ $w->{again} }, $p if defined $p->{key};
}


# what subscribers do: each has its channels, and comes back to any pod

sub live {
    my ($w) = @_;
    my @live = grep { $_ } @{ $w->{pods} };

    return $live[rand @live];
}

sub varies {
    my ($w, $i) = @_;
    my $dice = rand;
    my @set = (shuffle @channels)[0 .. ($dice < 0.4 ? 0 : $dice < 0.7 ? 1
                                        : $dice < 0.9 ? 2 : $#channels)];
    my $start = rand() < 0.5 ? 'earliest' : 'latest';
    my $transport = $transports[$i % @transports];

    return sub {
        $transport = $transports[rand @transports]
            if $transport ne 'poll' && rand() < 0.1;

        return (transport => $transport, port => live($w)->port,
                channels => [ @set ], start => $start,
                path => '/sub?channel=' . join ',', @set);
    };
}


# what goes wrong

sub pod_of {
    my ($w, $i) = @_;

    return $w->{pods}[$i] = pod($w->{redis}, workers => $w->{workers}, up => 0,
        url => 'redis://127.0.0.1:' . $w->{proxies}[$i]->port,
        redis => 'timeout=400ms connect_timeout=400ms');
}

sub kill_worker {
    my ($n, $pid) = @_;

    $n->{killed}{$pid} = 'KILL';
    kill KILL => $pid;
}

# what Redis has now may be gone soon

sub another_master {
    my ($w, @why) = @_;

    $w->{o}->lineage->learn($w->{redis});
    $w->{o}->happens($_) for 'term', @why;
}

# a replica takes the place of its master, and may have less

sub promote {
    my ($w, $late) = @_;
    my $second = Push::Redis->new(replica_of => $w->{redis}, persist => 1);

    $second->wait_synced;

    if ($late) {
        $second->follow(undef);
        run_for(rand 0.5);
    }

    another_master($w);
    $w->{redis}->finish;
    run_for(rand 0.5);
    $second->follow(undef) unless $late;
    $w->{o}->lineage->learn($second, 1);

    $w->{redis} = $second;
    $_->target($second->port) for @{ $w->{proxies} };
}

sub restart {
    my ($w, $wipe) = @_;

    another_master($w, $wipe ? 'data' : ());
    $w->{redis}->kill;
    remove_tree($w->{redis}->dir . '/appendonlydir') if $wipe;
    run_for(rand 0.5);
    $w->{redis}->start;
}

# a proxy has something for a while

sub for_a_while {
    my ($w, $what, @more) = @_;
    my $proxy = $w->{proxies}[ rand @{ $w->{proxies} } ];

    $proxy->$what(@more);
    $w->{heal}{$proxy} = EV::timer(0.1 + rand 1.5, 0, sub { $proxy->heal });
}

my %fault = (
    worker => sub {
        my $n = live($_[0]);
        my @workers = ($n->workers, $n->old_workers);

        kill_worker($n, $workers[rand @workers]) if @workers;
    },

    leader => sub {
        my $n = live($_[0]);
        my $pid = (eval { backplane($n) } // {})->{leader};

        kill_worker($n, $pid) if $pid;
    },

    reload => sub { live($_[0])->signal('HUP') },

    # others go on meanwhile, and it wakes up with what is no longer true

    freeze => sub {
        my ($w) = @_;
        my $n = live($w);
        my @workers = ($n->workers, $n->old_workers);
        my $pid = $workers[rand @workers] // return;

        kill STOP => $pid;
        $w->{frozen}{$pid} = EV::timer(0.2 + rand 2, 0, sub {
            kill CONT => $pid;
            delete $w->{frozen}{$pid};
        });
    },

    pod => sub {
        my ($w) = @_;
        my $i = int rand @{ $w->{pods} };
        my $n = $w->{pods}[$i];

        $w->{pods}[$i] = undef;
        ok($n->crash, 'a pod is gone');
        ok($n->finish, 'clean log');
        run_for(rand 0.3);
        pod_of($w, $i);
    },

    restart => sub { restart($_[0]) },
    wipe => sub { restart($_[0], 1) },
    promote => sub { promote($_[0]) },
    'promote late' => sub { promote($_[0], 1) },

    pause => sub {
        my ($w) = @_;

        $w->{redis}->pause;
        run_for(0.1 + rand 1);
        $w->{redis}->resume;
    },

    full => sub {
        my ($w) = @_;

        $w->{redis}->command('CONFIG', 'SET', 'maxmemory', 1);
        run_for(rand 0.5);
        $w->{redis}->command('CONFIG', 'SET', 'maxmemory', 0);
    },

    'kill pubsub' => sub {
        $_[0]{redis}->command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    },

    'kill all' => sub {
        $_[0]{redis}->command('CLIENT', 'KILL', 'TYPE', $_)
            for qw(pubsub normal);
    },

    flush => sub { $_[0]{redis}->command('SCRIPT', 'FLUSH') },

    cut => sub {
        my ($w) = @_;
        $w->{proxies}[ rand @{ $w->{proxies} } ]->cut(int rand 400);
    },

    delay => sub { for_a_while($_[0], delay => 0.02 + rand 0.3) },
    silence => sub { for_a_while($_[0], 'silence') },
);


# a last message on each channel, which all must come to

sub last_ones {
    my ($w) = @_;
    my $o = $w->{o};
    my %last;

    for my $channel (@channels) {

        for (1 .. 100) {
            my $p = $o->publish($channel);
            my $r = live($w)->publish("$place{$channel}?channel=$channel",
                                      $o->body($p));

            if (($r->status // 0) == 201) {
                $last{$channel} = [ $r->json->{id}, $p->{n} ];
                $o->answered($p, $r->json->{id});
                last;
            }

            $o->unanswered($p);
            run_for(0.1);
        }
    }

    return %last;
}

# what is kept of a channel, by pages

sub kept {
    my ($n, $channel) = @_;
    my ($since, @ids) = 'earliest';

    for ( ;; ) {
        my $r = $n->get("/sub?channel=$channel&limit=1000&since=$since",
                        headers => { Accept => 'application/json' });
        my $page = $r->json;

        return 'status ' . $r->status unless $r->status == 200;
        return join ' ', @ids unless @{ $page->{messages} };

        push @ids, map { $_->{id} } @{ $page->{messages} };
        $since = $page->{next};
    }
}


sub run_round {
    my ($seed, $pods, $workers, @faults) = @_;

    note("PUSH_SEED=$seed: $pods pods, workers: $workers");

    my $o = Push::Oracle::Pods->new(lossy => \%lossy);
    my $w = { o => $o, workers => $workers, did => {}, odd => {}, again => [],
              redis => Push::Redis->new(persist => 1) };

    $w->{proxies} = [ map { Push::Proxy->new($w->{redis}->port) } 1 .. $pods ];
    pod_of($w, $_) for 0 .. $pods - 1;
    wait_up($_) for @{ $w->{pods} };

    my @readers = map {
        Push::Reader->new(live($w), undef, oracle => $o, refusable => 1,
                          delay => sub { rand 0.2 }, vary => varies($w, $_))
    } 0 .. 19;

    my @writers = map {
        my $writer;
        $writer = Push::Writer->new(live($w), next => sub {
            return next_request($w, $writer);
        });
    } 1 .. 4;

    my $drops = EV::timer(0.05, 0.05, sub {
        return if rand() < 0.5;
        $w->{did}{drop}++;
        $readers[rand @readers]->drop;
    });

    for my $fault (@faults) {
        run_for(0.1 + rand 0.5);
        note("fault: $fault");
        $fault{$fault}->($w);
        $w->{did}{$fault}++;
    }

    run_for(0.1 + rand 0.6);

    # all is well again

    undef $drops;
    delete $w->{heal};
    kill CONT => keys %{ delete $w->{frozen} // {} };
    $_->heal for @{ $w->{proxies} };
    $w->{stop} = 1;

    ok(wait_for(sub { !grep { !$_->idle } @writers }, 30), 'publishers are done');
    ok(wait_up($_, 60), 'a pod is up') for @{ $w->{pods} };
    ok(Push::Reader->all_have(sub { last_ones($w) }, @readers),
       'the last message is with all');

    for my $channel (qw(long more few)) {
        my ($most, @more) = sort { length $b <=> length $a }
            map { kept($_, $channel) } @{ $w->{pods} };

        unlike($most, qr/status/, "$channel can be read");

        # when a log goes back, what a pod had let go does not come back

        for my $kept (@more) {
            is($kept, $lossy{$channel} ? substr $most, -length $kept : $most,
               "the same of $channel on each pod");
        }
    }

    $o->lineage->learn($w->{redis});
    is_deeply($w->{odd}, {}, 'answers');

    my @errors = ($o->errors, map { $o->check($_) } @readers);
    is(join("\n", @errors[0 .. ($#errors < 9 ? $#errors : 9)]), '', 'records');

    my %told;
    $told{$_}++ for map { $_->{reason} } map { $_->told('gap') } @readers;

    for my $what (qw(reconnect refused)) {
        $told{$what} = sum0 map { scalar $_->told($what) } @readers;
    }

    my $got = sum0 map { $_->received } @readers;

    note($o->count . " messages, $got received; ",
         join ', ', map { "$_ $w->{did}{$_}" } sort keys %{ $w->{did} });
    note('told: ', join ', ', map { "$_ $told{$_}" } sort keys %told);
    cmp_ok($got, '>', $o->count, 'much has happened');

    if (!Test::More->builder->is_passing) {
        my ($n) = @{ $w->{pods} };

        $n->write_file('records.json', JSON::PP->new->canonical->encode({
            lineage => $o->lineage->{of}, published => $o->{published},
            readers => { map { $_->{name} => [ map { my %e = %$_;
                delete $e{parsed}; \%e } @{ $_->{log} } ] } @readers } }));
    }

    $_->stop for @readers;
    finish_servers();
    $w->{redis}->finish;
}


# each round has all faults, two pods or three, one worker or more

my $seed = seed();

for my $of ($seed .. $seed + $rounds - 1) {
    srand $of;
    subtest "seed $of" => sub {
        run_round($of, 2 + $of % 2, 1 + int rand 3, shuffle sort keys %fault);
    };
}

done_testing;
