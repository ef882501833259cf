#!/usr/bin/perl

# The harness itself, with a plain NGINX: a test that cannot fail proves
# nothing.

use strict;
use warnings;

use Push::Test;

my $conf = <<'E';
    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% ssl;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%KEY%%;

        location / { return 200 "hello\n"; }
        location /json { return 200 '{"a":[1,2]}'; }
        location /events {
            default_type text/event-stream;
            return 200 ":c\nid: 1\ndata: a\ndata: b\n\ndata:c\n\n";
        }
    }
E

sub plain { return nginx(conf => $conf, module => 0, @_) }

subtest 'start, request, stop' => sub {
    my $n = plain(workers => 2);

    is(scalar $n->workers, 2, 'workers');

    my $r = $n->get('/', headers => { 'X-A' => 'b' });
    is($r->status, 200, 'status');
    is($r->body, "hello\n", 'body');
    like($r->header('content-type'), qr{text/plain}, 'header');

    is_deeply($n->get('/json')->json, { a => [1, 2] }, 'json');
    is($n->http(HEAD => '/')->body, '', 'HEAD');
    is($n->get('/', port => $n->port(2), tls => 1)->status, 200, 'TLS');

    my $keep = Push::HTTP->new($n->port);
    my @r = map { $keep->request(GET => $_) } '/', '/json';
    is($r[0]->body . $r[1]->body, "hello\n" . '{"a":[1,2]}', 'keep-alive');
    is($keep->{r}{requests}, 2, 'on one connection');

    like(raw($n->port, "GET / HTTP/1.0\r\n\r\n")->body, qr/hello/, 'raw');
    is(curl('http://127.0.0.1:' . $n->port . '/')->{out}, "hello\n", 'curl');
    is(command('sh', '-c', 'echo x; echo y >&2; exit 3')->{code}, 3, 'command');

    my $sleep = start_command('sh', '-c', 'echo up; exec sleep 1000');
    ok($sleep->wait_out(qr/up/), 'in the background');
    ok($sleep->stop, 'stopped');
    is($sleep->code, 143, 'by a signal');

    like($n->access_log, qr{"GET /json HTTP/1.1" 200}, 'access log');

    my $master = $n->pid;
    my @workers = $n->workers;

    ok($n->finish, 'clean end');
    is(scalar(grep { -d "/proc/$_" } $master, @workers), 0, 'nothing runs');
    ok(!-e $n->prefix, 'nothing left');
};

subtest 'reload, kill' => sub {
    my $n = plain(workers => 2);
    my @before = $n->workers;

    ok($n->reload(conf => $conf =~ s/hello/hi/r), 'reload');
    is($n->get('/')->body, "hi\n", 'new configuration');

    my @after = $n->workers;
    is(scalar(grep { my $p = $_; grep { $_ == $p } @before } @after), 0,
       'new workers');

    ok($n->wait_old_workers, 'the old ones go');
    ok($n->kill_worker($after[0]), 'kill -9');
    ok($n->wait_workers, 'and another comes');
    ok($n->wait_log(qr/exited on signal 9/), 'which is in the log');
    is_deeply([ $n->scan ], [], 'and no failure, since the test did it');
    ok($n->finish, 'clean end');

    $n = plain();
    kill KILL => my $pid = ($n->workers)[0];
    $n->wait_log(qr/$pid exited on signal 9/);
    is(scalar(my @found = $n->scan), 1, 'a worker that dies by itself is one');
    $n->allow(qr/exited on signal 9/);
    ok($n->finish, 'unless it was allowed');
};

subtest 'a bad log is a failure' => sub {
    for my $line ('2026/01/01 00:00:00 [alert] 1#1: planted',
                  '2026/01/01 00:00:00 [emerg] 1#1: planted',
                  'x.c:1:2: runtime error: planted',
                  'ERROR: AddressSanitizer: planted',
                  'worker process 1 exited with code 2')
    {
        my $n = plain(start => 0);
        $n->write_file('logs/error.log', "fine\n$line\nfine\n");
        is_deeply([ $n->scan ], [$line], $line);
        $n->write_file('logs/error.log', '');
        $n->write_file('san.17', 'planted');
        is_deeply([ $n->scan ], ["san.17:\nplanted"], 'a report');
        unlink $n->prefix . '/san.17';
        ok($n->finish, 'clean');
    }
};

subtest 'a test that fails to look is a failure too' => sub {
    my $script = <<'E';
        use Push::Test;
        my $n = nginx(module => 0, conf => "server {
            listen 127.0.0.1:%%PORT%%; }");
        open my $log, ">>", $n->prefix . "/logs/error.log";
        print $log "[alert] planted\n";
        close $log;
        print "# folder ", $n->prefix, " pid ", $n->pid, "\n";
        ok(1);
E

    for my $end ('done_testing;', 'die "planted";', 'exit 0;') {
        my $out = `$^X -I$root/t/lib -e '$script $end' 2>&1`;
        isnt($?, 0, "fails: $end");
        like($out, qr/left in place: \S+/, 'says where');

        my ($folder, $pid) = $out =~ /# folder (\S+) pid (\d+)/;
        ok(-d $folder, 'leaves it');
        ok(!-d "/proc/$pid", 'but no process');
        system 'rm', '-rf', $folder if $folder =~ m{/push-test-};
    }
};

subtest 'configuration test' => sub {
    my ($good, $said) = Push::Nginx->check(module => 0, conf => 'nonsense on;');
    ok(!$good, 'bad');
    like($said, qr/unknown directive "nonsense" in .*nginx\.conf:\d+/, 'why');
    ok(scalar Push::Nginx->check(module => 0, conf => $conf), 'good');
};

subtest 'event stream' => sub {
    my $n = plain();
    my $c = $n->sse('/events');

    ok($c->wait_events(2), 'events');
    is_deeply($c->data, [ "a\nb", 'c' ], 'data');
    is($c->last_id, 1, 'id');
    is_deeply($c->comments, ['c'], 'comment');
    is($c->events->[1]{id}, undef, 'no id of its own');
    is($c->events->[1]{last_id}, 1, 'but the last one');
    ok($c->ended, 'complete');

    my @all = map { $n->sse('/events', keep => 0) } 1 .. 2000;
    ok(wait_for(sub { !grep { $_->count < 2 } @all }), '2,000 clients');
};

subtest 'any cut of the bytes gives the same events' => sub {
    my $text = "\xEF\xBB\xBFretry: 5\nid: 7\r\nevent: x\rdata: 1\r\ndata\n\n"
               . "id\ndata:  two\n\n:\nevent: nothing\n\nbogus\ndata: 3\n\n"
               . "data: lost";
    my $body = join '', map { sprintf "%x\r\n%s\r\n", length, $_ }
                        $text =~ /.{1,5}/gs;
    my $bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}0"
                . "\r\n\r\n";

    for my $size (1, 2, 3, 7, 1000) {
        my $c = bless { in => '', state => 'head', opt => {} }, 'Push::SSE';

        for my $piece ($bytes =~ /.{1,$size}/gs) {
            $c->{in} .= $piece;
            $c->_parse;
        }

        is_deeply([ map { [ @$_{qw(event data id last_id retry)} ] }
                    @{ $c->events } ],
                  [ [ 'x', "1\n", 7, 7, 5 ], [ 'message', ' two', '', '', undef ],
                    [ 'message', '3', undef, '', undef ] ], "$size at a time");
        is_deeply($c->unknown, ['bogus'], 'not a field');
        ok($c->ended && !$c->{bad}, 'complete');
        $c->{closed} = 1;
    }
};

for_workers(1, 2, sub {
    my ($n) = @_;
    is(scalar(my @w = plain(workers => $n)->workers), $n, 'workers');
});

done_testing;
