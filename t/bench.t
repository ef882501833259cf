#!/usr/bin/perl

# The load client of bench/: it finds nothing wrong where nothing is wrong, and
# it finds what was planted.

use strict;
use warnings;

use File::Temp ();

use Push::Test;

my $conf = <<'C';
    push_drain_window 1s;
    push_history 2000;

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% ssl;
        %%HTTP2%%

        ssl_certificate %%CERT%%;
        ssl_certificate_key %%KEY%%;

        location = /pub { push_publish $arg_channel; }
        location = /short { push_publish $arg_channel; push_history 5; }
        location = /sub { push_subscribe $arg_channel; }
    }
C

$conf =~ s/%%HTTP2%%/Push::Nginx::listen_http2('127.0.0.1:%%PORT3%%')/e;

my $make = command('make', '-s', '-C', $root, 'bench-build');
is($make->{code}, 0, 'built') or diag($make->{err});

my $bench = "$root/build/bench/push-bench";


# bench($nginx, options): its lines as a hash, and "code" and "err"

sub arguments {
    my ($n, @options) = @_;
    return ($bench, '--port=' . $n->port, '--master=' . $n->pid, @options);
}

sub results {
    my ($code, $out, $err) = @_;
    return { (map { split / /, $_, 2 } split /\n/, $out),
             code => $code, err => $err };
}

sub bench {
    my $c = command(arguments(@_));
    return results(@$c{qw(code out err)});
}


my @kinds = qw(lost repeated corrupt unannounced cut refused answers);

sub is_clean {
    my ($r, $deliveries, $what) = @_;

    subtest $what => sub {
        is($r->{code}, 0, 'exit code');
        is($r->{err}, '', 'nothing said');
        is($r->{deliveries}, $deliveries, 'deliveries');
        is($r->{violations}, 0, 'violations');
        is($r->{$_}, 0, $_) for @kinds;
    };
}


for_workers(1, 2, sub {
    my ($workers) = @_;
    my $n = nginx(conf => $conf, workers => $workers);
    my $r = bench($n, qw(--subscribers=200 --messages=200));

    is_clean($r, 40000, '200 subscribers, 200 messages');
    is($r->{published}, 200, 'published');
    is($r->{announced} + $r->{gaps} + $r->{reconnects}, 0, 'no incident');
    cmp_ok($r->{$_}, '>', 0, $_)
        for qw(seconds deliveries_per_second publishes_per_second
               server_us_per_delivery latency_p50_ms latency_p99_ms
               answer_p50_ms);
    ok(exists $r->{bytes_per_subscriber}, 'memory');
    cmp_ok($r->{latency_p50_ms}, '<=', $r->{latency_p99_ms}, 'p50, p99');
    cmp_ok($r->{latency_p99_ms}, '<=', $r->{latency_max_ms} * 1.04, 'max');

    is_clean(bench($n, qw(--subscribers=101 --channels=7 --messages=40
                          --size=48-5000 --lines --publishers=3 --window=9
                          --processes=3)),
             101 * 40, 'sizes, lines, channels, processes');

    is_clean(bench($n, qw(--subscribers=5 --messages=10 --size=65000)),
             50, 'large messages');

    is_clean(bench($n, qw(--subscribers=20 --channels=3 --messages=30
                          --rate=1000)), 600, 'a rate');

    is_clean(bench($n, qw(--subscribers=100 --channels=2 --messages=100
                          --replay --size=48-3000)), 10000, 'replay');

    $r = bench($n, qw(--subscribers=0 --channels=5 --messages=50 --window=0));
    is_clean($r, 0, 'publish only');
    cmp_ok($r->{server_us_per_publish}, '>', 0, 'its price');
});


for_workers(1, 2, sub {
    my ($workers) = @_;
    my $n = nginx(conf => $conf, workers => $workers);
    my @some = qw(--subscribers=31 --channels=3 --messages=40 --size=48-3000
                  --lines);

    for my $way (qw(websocket push.json ndjson poll)) {
        my @options = (@some, "--transport=$way");

        is_clean(bench($n, @options, '--window=4'), 1240, $way);
        is_clean(bench($n, @options, '--replay'), 1240, "$way: replay");

        next if $way eq 'websocket';

        my $r = bench($n, @options, qw(--rate=300 --churn=7),
                      '--seed=' . seed());
        is_clean($r, 1240, "$way: hanging up and resuming");
        cmp_ok($r->{reconnects}, '>=', 100, 'which they did');
    }

    my $tls = '--tls=' . $n->port(2);
    my $http2 = '--http2=' . $n->port(3);

    is_clean(bench($n, @some, $tls), 1240, 'TLS');
    is_clean(bench($n, @some, $tls, '--transport=websocket'), 1240,
             'WebSocket by TLS');
    is_clean(bench($n, @some, $http2), 1240, 'HTTP/2');
    is_clean(bench($n, @some, $http2, qw(--rate=300 --churn=7)), 1240,
             'HTTP/2: hanging up and resuming');

    my @large = qw(--transport=websocket --subscribers=10 --messages=20
                   --size=3000);
    my $plain = bench($n, @large);
    my $deflated = bench($n, @large, '--deflate');

    is_clean($plain, 200, 'WebSocket');
    is_clean($deflated, 200, 'compressed');
    cmp_ok($deflated->{received_bytes}, '<', 0.95 * $plain->{received_bytes},
           'it is less');

    is_clean(bench($n, qw(--subscribers=20 --channels=2 --messages=100
                          --publishers=9 --unordered --window=12)),
             2000, 'several publishers for a channel');

    my @slow = qw(--subscribers=20 --slow=5 --messages=300 --size=16000);
    my $r = bench($n, @slow);
    is_clean($r, 6000, 'some do not read until the others are done');

    $r = bench($n, @slow, '--publish=/short?channel=');
    is($r->{code}, 0, 'they are told of a gap: exit code');
    cmp_ok($r->{gaps}, '>', 0, 'gaps');
    is($r->{deliveries} + $r->{announced}, 6000, 'the sum is right');

    $r = bench($n, qw(--visits=300 --subscribers=10 --sources=3 --rate=3000));
    is_clean($r, 0, 'visits');
    is($r->{visits}, 300, 'so many');
    cmp_ok($r->{server_us_per_visit}, '>', 0, 'their price');

    $r = bench($n, qw(--subscribers=100 --messages=2 --idle=1));
    is_clean($r, 200, 'idle for a while');
    ok(exists $r->{idle_cpu_percent}, 'its price');

    for my $way (qw(none held)) {
        $r = bench($n, "--transport=$way", '--subscribers=50');
        is($r->{code}, 0, "$way: exit code");
        ok(exists $r->{bytes_per_subscriber}, 'memory');
    }
});


for_workers(1, 2, sub {
    my ($workers) = @_;
    my $n = nginx(conf => $conf, workers => $workers);
    my $r = bench($n, qw(--subscribers=50 --channels=3 --messages=100 --rate=300
                      --churn=9), '--seed=' . seed());
    is_clean($r, 5000, 'hanging up and resuming');
    cmp_ok($r->{reconnects}, '>=', 500, 'which they did');

    my $c = start_command(arguments($n, qw(--subscribers=60 --channels=2
                --messages=1500 --rate=1000 --hold=1000 --reconnect --keys
                --prefix=r)));
    my $published = sub {
        my $r = $n->get('/pub?channel=r0')->json or return 0;
        return ($r->{id} // '') =~ /-(\d+)\z/ && $1;
    };

    ok(wait_for(sub { $published->() > 100 }), 'under way');
    ok($n->reload, 'reload');
    ok($n->wait_old_workers, 'old workers go');
    ok($n->kill_worker(($n->workers)[0]), 'kill -9');
    ok($n->wait_workers, 'a new worker');
    cmp_ok($published->(), '<=', 1000, 'some messages are held');
    ok(!defined $c->code && kill(USR1 => $c->pid), 'they may go');
    ok($c->wait, 'its end');

    $r = results($c->code, $c->out, $c->err);
    is_clean($r, 90000, 'over a reload and the death of a worker');
    cmp_ok($r->{reconnects}, '>=', 60, 'all came back');
});


subtest 'what was planted is found' => sub {
    my $n = nginx(conf => $conf, workers => 2);

    for (['lost', 'lost'], ['last', 'lost'], ['twice', 'repeated'],
         ['corrupt', 'corrupt'])
    {
        my ($plant, $kind) = @$_;
        my $r = bench($n, qw(--subscribers=30 --messages=20),
                      "--plant=$plant");

        is($r->{code}, 1, "$plant: exit code");
        is($r->{$kind}, 30, "each subscriber found it");
        is($r->{violations}, 30, 'and nothing else');
        like($r->{err}, qr/^channel 0: $kind: /, 'described');
    }

    for my $way (qw(websocket push.json ndjson poll)) {
        for (['lost', 'lost'], ['twice', 'repeated'], ['corrupt', 'corrupt']) {
            my ($plant, $kind) = @$_;
            my $r = bench($n, qw(--subscribers=30 --messages=20),
                          "--plant=$plant", "--transport=$way");

            is($r->{$kind}, 30, "$plant: each $way found it");
            is($r->{violations}, 30, 'and nothing else');
        }
    }

    my @churn = qw(--subscribers=20 --messages=3000 --window=0 --churn=3
                   --publish=/short?channel=);
    my $r = bench($n, @churn);
    is($r->{code}, 1, 'gaps that nobody told of: exit code');
    cmp_ok($r->{unannounced}, '>', 0, 'found');
    is($r->{lost}, 0, 'but nothing lost without a word');
    is($r->{violations}, $r->{unannounced}, 'and nothing else');

    $r = bench($n, @churn, '--gaps');
    is($r->{code}, 0, 'gaps that were told: exit code');
    cmp_ok($r->{gaps}, '>', 0, 'gaps');
    cmp_ok($r->{announced}, '>', 0, 'messages');
    is($r->{deliveries} + $r->{announced}, 60000, 'the sum is right');

    my $c = start_command(arguments($n, qw(--subscribers=20 --messages=100000
                                           --rate=1000)));
    ok(wait_for(sub { $n->get('/pub?channel=bench-' . $c->pid . '-0')->status
                      == 200 }), 'under way');
    ok($n->kill_worker($_), 'kill -9') for $n->workers;
    ok($c->wait, 'it ends');
    $r = results($c->code, $c->out, $c->err);
    is($r->{code}, 1, 'connections that are cut: exit code');
    cmp_ok($r->{cut}, '>', 0, 'found');

    $r = bench($n, qw(--subscribers=2 --messages=2 --subscribe=/none?));
    is($r->{code}, 1, 'no such location: exit code');
    cmp_ok($r->{refused}, '>', 0, 'found');

    $r = bench($n, qw(--subscribers=2 --messages=2 --publish=/none?));
    is($r->{code}, 1, 'nowhere to publish: exit code');
    cmp_ok($r->{answers}, '>', 0, 'found');
};


subtest 'the bare server' => sub {
    for my $workers (1, 3) {
        my $port = Push::Nginx::free_port();
        my $c = start_command("$root/build/bench/bare", $port, $workers);
        my @some = ("--port=$port", '--master=' . $c->pid, qw(--foreign --lines
                    --subscribers=31 --channels=3 --messages=40 --size=48-9000
                    --patience=5));

        wait_for(sub { IO::Socket::INET->new("127.0.0.1:$port") });

        for my $way (qw(sse websocket)) {
            my $r = command($bench, @some, "--transport=$way");
            is_clean(results(@$r{qw(code out err)}), 1240,
                     "$workers workers, $way");

            $r = command($bench, @some, "--transport=$way", '--plant=lost');
            is($r->{code}, 1, 'what was planted is found');
        }

        my $r = command($bench, @some, qw(--visits=300));
        is_clean(results(@$r{qw(code out err)}), 0, 'visits');

        ok($c->stop, 'it ends');
        is($c->code, 0, 'exit code');
    }
};


subtest 'the driver' => sub {
    plan(skip_all => 'it measures no such build') if $ENV{PUSH_ASAN};

    my $figures = File::Temp->new;

    local $ENV{ROUNDS} = 2;
    local $ENV{SERVERS} = 'push bare';
    local $ENV{OUT} = $figures->filename;

    my $r = command("$root/bench/run", qw(smoke smoke-redis));
    is($r->{code}, 0, 'exit code') or diag($r->{err});
    like($r->{out}, qr/^a few: us +[\d.]+ +[\d.]+ +- +[\d.]+ x bare/m, 'a row');

    like(join('', <$figures>),
         qr/\Asmoke\tpush\tserver_us_per_delivery(?:\t[\d.]+){3}\t2$/m,
         'in numbers, too');

    seek $figures, 0, 0;
    like(join('', <$figures>),
         qr/^smoke-redis\tpush\tredis_us_per_publish(?:\t[\d.]+){3}\t2$/m,
         'behind Redis, at two pods');

    $r = command("$root/bench/run", 'nonsense');
    cmp_ok($r->{code}, '>', 0, 'no such run');
    like($r->{err}, qr/there are: fan-out/, 'says which there are');
};


subtest 'the zone' => sub {
    plan(skip_all => 'it measures no such build') if $ENV{PUSH_ASAN};

    my $r = command("$root/bench/zone");
    is($r->{code}, 0, 'exit code') or diag($r->{err});
    unlike($r->{out}, qr/MISS/, 'all goals are met');
};


# what is drawn is what was measured

is(command("$root/util/chart", "$root/bench/figures")->{out},
   command('cat', "$root/docs/performance.svg")->{out}, 'the chart');


subtest 'command line' => sub {
    for (['--port'], ['--port=0'], ['--port=x'], ['--port=99999'], ['port=1'],
         ['--port=1', '--lines=1'], ['--port=1', '--plant=x'], [],
         ['--port=1', '--nonsense'], ['--port=1', '--transport=x'],
         [qw(--port=1 --transport=websocket --churn=3)],
         [qw(--port=1 --deflate)], [qw(--port=1 --slow=9 --subscribers=3)],
         [qw(--port=1 --http2=2 --transport=poll)])
    {
        my $r = command($bench, @$_);
        is($r->{code}, 2, "bad: @$_");
        like($r->{err}, qr/--port.*--window=/s, 'says how');
    }

    is(command($bench, '--help')->{code}, 0, 'help');
};


done_testing;
