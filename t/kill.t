#!/usr/bin/perl

# kill -9: it costs the subscribers of that worker a reconnect, and nothing
# else, whatever transport they came by.  PUSH_KILLS=n, 200 by default, are spread over the numbers of workers.

use strict;
use warnings;

use EV;
use List::Util qw(sum0);
use Push::Oracle;
use Push::Reader;
use Push::Test;
use Push::Writer;

my $kills = $ENV{PUSH_KILLS} || 200;

# a long message for many channels: the lock is held for most of the time

my $many = join ' ', map { "m$_" } 1 .. 150;

my $conf = <<"E";
    push_zone push 32m;
    push_drain_window 1s;
    push_history 20;

    server {
        listen 127.0.0.1:%%PORT%%;

        location = /pub { push_publish \$arg_channel; }
        location = /many { push_publish $many; push_history off; }
        location = /sub { push_subscribe \$arg_channel; }
        location = /status { push_status; }
    }
E

sub part {
    my ($name, $code) = @_;
    subtest $name => sub { $code->(); finish_servers() };
}

sub status { return $_[0]->get('/status')->json->{zones}[0] }

my @channels = map { "c$_" } 0 .. 3;
my @transports = qw(sse raw push.json poll ndjson sse.json json);

sub readers {
    my ($n, $o, $count) = @_;

    my @readers = map {
        my $channel = $channels[$_ % @channels];

        Push::Reader->new($n, "/sub?channel=$channel", channel => $channel,
                          oracle => $o, delay => sub { rand 0.1 },
                          transport => $transports[$_ % @transports])
    } 1 .. $count;

    ok(wait_for(sub { !grep { !$_->is_on } @readers }, 30, 'all are there'),
       "$count subscribers");

    return @readers;
}


# a storm of publishes until it is called; then the last answers are waited for

sub storm {
    my ($n, $o, $count) = @_;
    my $stop;

    my @writers = map { Push::Writer->new($n, next => sub {
        return if $stop;

        my $channel = $channels[rand @channels];
        my $p = $o->publish($channel, size => int rand 2000);

        return { path => "/pub?channel=$channel", body => $o->body($p),
                 done => sub {
            my (undef, $r) = @_;
            $o->answered($p, $r->json->{id}) if $r;
        } };
    }) } 1 .. $count;

    # these ask faster than we do

    $n->write_file('long', 'x' x 40_000);
    my @floods = map {
        start_curl('-o', '/dev/null', '--data-binary', '@' . $n->prefix
                   . '/long', 'http://127.0.0.1:' . $n->port
                   . '/many?[1-1000000]')
    } 1 .. 2;

    return sub {
        $stop = 1;
        $_->stop for @floods;
        wait_for(sub { !grep { !$_->idle } @writers }, 20, 'the last answer');
    };
}


# one more message for each channel, which comes to all; then all is judged

sub judge {
    my ($n, $o, @readers) = @_;

    ok(Push::Reader->all_have(sub {
        my %last;

        for my $channel (@channels) {
            my $p = $o->publish($channel);
            my $r = $n->publish("/pub?channel=$channel", $o->body($p));

            is($r->status, 201, "$channel is usable");
            $o->answered($p, $r->json->{id});
            $last{$channel} = [ $r->json->{id}, $p->{n} ];
        }

        return %last;
    }, @readers), 'all have all');

    $_->note('finish') for @readers;

    my @errors = ($o->errors, map { $o->check($_) } @readers);
    is(join("\n", @errors[0 .. ($#errors < 9 ? $#errors : 9)]), '', 'records');
}


# all that is in the zone goes out of it: what remains is always the same

sub empty {
    my ($n, @readers) = @_;

    $_->stop for @readers;
    ok(wait_for(sub {
        !grep { $n->get("/pub?channel=$_")->json->{subscribers} } @channels;
    }, 10, 'no subscriber'), 'all subscribers have left');

    my $all = join ',', @channels, split ' ', $many;
    $n->delete("/pub?channel=$all");

    my $status = status($n);
    is($status->{messages}, 0, 'no message');
    is($status->{subscribers}{total}, 0, 'no subscriber');

    return $status->{bytes};
}


my %share = (1 => 0.2, 2 => 0.3, 4 => 0.5);

for_workers(1, 2, 4, sub {
    my ($workers) = @_;
    my $n = nginx(conf => $conf, workers => $workers);
    my $o = Push::Oracle->new(kills => 1, history => { c1 => 20 });

    my @readers = readers($n, $o, 4);
    $n->publish('/many', 'x');
    $n->publish("/pub?channel=$_", 'x') for @channels;
    my $bytes = empty($n, @readers);

    $o = Push::Oracle->new(kills => 1, forgets => 1);
    @readers = readers($n, $o, 40);
    my $stop = storm($n, $o, 4);

    my $killed = 0;
    my $end = $kills * ($share{$workers} // 0.5);

    while ($killed < $end) {
        run_for(0.02 + rand 0.1);

        my @workers = $n->workers or next;
        my $pid = $workers[rand @workers];

        $n->{killed}{$pid} = 'KILL';
        kill KILL => $pid;
        $killed++;
    }

    ok($stop->(), 'publishers are done');
    ok($n->wait_workers, 'workers are there');
    judge($n, $o, @readers);

    my $status = status($n);
    note("$killed killed, " . $o->count . ' messages, '
         . join ', ', map { "$_ $status->{counters}{$_}" }
                      qw(swept recovered gaps delivered));

    ok(wait_for(sub { status($n)->{subscribers}{total} == 40 }, 10),
       'subscribers are counted');
    is(sum0(map { $n->get("/pub?channel=$_")->json->{subscribers} } @channels),
       40, 'by channel, too');
    ok(wait_for(sub { @{ status($n)->{workers} } == $workers }, 10),
       'no place is taken by the dead');
    is(scalar(my @no = $n->log_lines(qr/no place/)), 0, 'nor was it ever');
    is_deeply(empty($n, @readers), $bytes, 'every byte is given back');
});


part 'those of other workers notice nothing' => sub {
    my $n = nginx(conf => $conf, workers => 4);
    my $o = Push::Oracle->new;
    my @readers = readers($n, $o, 100);

    for my $round (1 .. 3) {
        ok(wait_for(sub { status($n)->{subscribers}{total} == 100 }), 'all');

        my %held = map { $_->{pid} => $_->{subscribers} }
                   @{ status($n)->{workers} };
        my ($pid) = sort { $held{$b} <=> $held{$a} } $n->workers;
        my $ends = sub { sum0 map { scalar $_->told('end') } @readers };
        my $before = $ends->();

        ok($n->kill_worker($pid), "a worker of $held{$pid} is killed");
        ok(wait_for(sub { $ends->() >= $before + $held{$pid}
                          && !grep { !$_->is_on } @readers }), 'they come back');
        ok($n->wait_workers, 'another worker');
        judge($n, $o, @readers);
        is($ends->() - $before, $held{$pid}, 'and nobody else had to');
    }

    ok(wait_for(sub { status($n)->{subscribers}{total} == 100 }), 'counted');
};


# who takes a lock whose holder is dead needs no master for it

part 'a master that stands still' => sub {
    my $n = nginx(conf => $conf, workers => 8);
    my $o = Push::Oracle->new(kills => 1, forgets => 1);
    my @readers = readers($n, $o, 40);
    my $stop = storm($n, $o, 4);
    my @workers = $n->workers;

    $n->signal('STOP');

    for my $pid (@workers[0 .. 5]) {
        run_for(0.2);
        $n->{killed}{$pid} = 'KILL';
        kill KILL => $pid;
    }

    run_for(0.2);
    ok($stop->(), 'publishers are done');
    judge($n, $o, @readers);
    note('recovered: ' . status($n)->{counters}{recovered});

    $n->signal('CONT');
    ok($n->wait_workers, 'all workers');
    ok(wait_for(sub { status($n)->{subscribers}{total} == 40 }), 'counted');
    judge($n, $o, @readers);
};


part 'a master that is killed' => sub {
    my $n = nginx(conf => $conf, workers => 6);
    my $o = Push::Oracle->new(kills => 1, forgets => 1);
    my @readers = readers($n, $o, 40);
    my $stop = storm($n, $o, 4);
    my @workers = $n->workers;

    kill KILL => $n->pid;
    ok(wait_for(sub { waitpid $n->pid, 1 }), 'it is');

    for my $pid (@workers[0 .. 3]) {
        run_for(0.2);
        $n->{killed}{$pid} = 'KILL';
        kill KILL => $pid;
    }

    run_for(0.2);
    ok($stop->(), 'publishers are done');
    judge($n, $o, @readers);

    my $status = status($n);
    note("recovered: $status->{counters}{recovered}");
    ok(wait_for(sub { status($n)->{subscribers}{total} == 40 }), 'counted');
    is_deeply([ sort map { $_->{pid} } @{ status($n)->{workers} } ],
              [ sort @workers[4, 5] ], 'who is alive');

    $_->stop for @readers;
    kill TERM => @workers[4, 5];
    ok(wait_for(sub { !grep { -d "/proc/$_" } @workers[4, 5] }), 'the rest go');
};

done_testing;
