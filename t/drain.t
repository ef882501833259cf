#!/usr/bin/perl

# The end of a worker: each subscriber is told, at its own moment, by words
# that come whole; and the worker goes by itself.

use strict;
use warnings;

use EV;
use List::Util qw(min);
use Push::Reader;
use Push::Test;
use Push::Writer;

my $http2 = Push::Nginx::listen_http2('127.0.0.1:%%PORT3%%');

sub conf {
    my ($window) = @_;

    return <<"E";
    push_zone push 8m;
    push_drain_window $window;
    ssl_certificate %%CERT%%;
    ssl_certificate_key %%KEY%%;

    server {
        listen 127.0.0.1:%%PORT%% sndbuf=32k;
        listen 127.0.0.1:%%PORT2%% ssl;

        location = /pub {
            push_publish \$arg_channel;
            push_max_message_size 1m;
        }
        location = /sub { push_subscribe \$arg_channel; }
        location = /kept { push_subscribe \$arg_channel; push_hibernate off; }
        location = /status { push_status; }
    }

    server {
        $http2
        location = /sub { push_subscribe \$arg_channel; }
    }
E
}

sub part {
    my ($name, $code) = @_;
    subtest $name => sub { $code->(); finish_servers() };
}

sub publish {
    my ($n, $body) = @_;
    return $n->publish('/pub?channel=a', $body)->json->{id};
}

sub readers {
    my ($n, $count, %opt) = @_;

    my @readers = map {
        Push::Reader->new($opt{port} // $n, '/sub?channel=a', channel => 'a',
                          delay => undef, %opt)
    } 1 .. $count;

    ok(wait_for(sub { !grep { !$_->is_on } @readers }, 30, 'all are there'),
       "$count subscribers");

    return @readers;
}

sub all_gone {
    my ($seconds, @readers) = @_;
    return wait_for(sub { !grep { $_->client } @readers }, $seconds,
                    'the end of all');
}

# how each was ended

sub last_words {
    my ($id, @readers) = @_;
    my @count = map { scalar $_->told('reconnect') } @readers;
    my @words = map { $_->told('reconnect') } @readers;

    is(scalar(grep { $_ != 1 } @count), 0, 'each is told to reconnect, once');
    is(scalar(grep { $_->{id} ne $id } @words), 0, 'each with its last id');
    is(scalar(grep { !defined $_->{retry} || $_->{retry} < 1000
                     || $_->{retry} > 5000 } @words), 0, 'and when');
    is(scalar(grep { $_->{how} ne 'clean' } map { $_->told('end') } @readers),
       0, 'and all ends are clean');
}


# A message goes with the end of some, and before that of others.  True if
# the quarters of the window had their share; a busy machine may spoil that.

sub drained_evenly {
    my ($workers) = @_;
    my $n = nginx(conf => conf('3s'), workers => $workers);
    my @readers = readers($n, 2000);

    my $sent = 0;
    my $writer = Push::Writer->new($n, next => sub {
        return if $sent == -1;
        return 0.2 if $sent++ % 2;
        return { path => '/pub?channel=a', body => $sent };
    });

    ok($n->reload, 'reload');
    ok(all_gone(20, @readers), 'all are ended');
    $sent = -1;

    # from the first end on: how long a reload takes is not the question

    my @ends = map { ($_->told('end'))[0]{at} } @readers;
    my $from = min @ends;
    my @quarters = (0) x 4;

    $quarters[min 3, int(4 * ($_ - $from) / 3)]++ for @ends;
    note("@quarters in the quarters of the window");

    my @ids = map { join ' ', map { $_->{id} } $_->told('message') } @readers;
    my ($longest) = sort { length $b <=> length $a } @ids;
    is(scalar(grep { index $longest, $_ } @ids), 0, 'each has all up to its end');
    is(scalar(grep { ($_->told('reconnect'))[0]{id}
                     ne (($_->told('message'))[-1]
                         // ($_->told('subscribed'))[0])->{id} } @readers), 0,
       'and its last id is that of its last message');
    is(scalar(grep { $_->{how} ne 'clean' } map { $_->told('end') } @readers),
       0, 'all ends are clean');
    is(scalar(grep { $_->told('reconnect') != 1 } @readers), 0, 'each once');

    my $gone = EV::time;
    ok($n->wait_old_workers(10), 'the old workers go');
    cmp_ok(EV::time - $gone, '<', 4, 'without lingering');
    ok(wait_for(sub {
        $n->get('/status')->json->{subscribers}{total} == 0;
    }), 'nobody is left');
    finish_servers();

    return !grep { $_ < 200 || $_ > 800 } @quarters;
}

for_workers(1, 2, sub {
    my ($workers) = @_;
    my $even;

    for (1 .. 6) {
        last if $even = drained_evenly($workers);
    }

    ok($even, 'evenly');
});


part 'every transport and kind of connection' => sub {
    for my $how (qw(reload QUIT TERM)) {
        my $n = nginx(conf => conf('1s'), workers => 2);
        my @readers = map { readers($n, 10, %$_) }
            { }, { tls => 1, port => $n->port(2) },
            { headers => { Connection => 'close' } };

        push @readers, map {
            Push::Reader->new($n, '/kept?channel=a', channel => 'a',
                              delay => undef)
        } 1 .. 10;

        my @curl = map {
            start_curl('--http2-prior-knowledge', '--max-time', 30,
                       'http://127.0.0.1:' . $n->port(3) . '/sub?channel=a')
        } 1 .. 5;

        wait_for(sub { !grep { !$_->is_on } @readers }, 10, 'all are there');
        $_->wait_out(qr/push\.subscribed/) for @curl;

        my $id = publish($n, 'x');
        my $words = qr/retry: \d+\nevent: push.reconnect\nid: \Q$id\E\n/;

        wait_for(sub { !grep { !$_->received } @readers }, 10, 'a message');
        $_->wait_out(qr/data: x/) for @curl;

        $how eq 'reload' ? $n->reload : $n->signal($how);

        ok(all_gone(5, @readers), "$how: all are ended");
        last_words($id, @readers);

        $_->wait(10) for @curl;
        is_deeply([ map { $_->code } @curl ], [ (0) x 5 ], 'HTTP/2: complete');
        is(scalar(grep { $_->out =~ $words } @curl), 5, 'with the same words');

        ok($n->wait_old_workers, 'the old workers go') if $how eq 'reload';
        finish_servers();
    }
};


part 'SIGQUIT drains as a reload does' => sub {
    my $n = nginx(conf => conf('2s'), workers => 2);
    my @readers = readers($n, 400);
    my $id = publish($n, 'x');
    wait_for(sub { !grep { !$_->received } @readers }, 10, 'a message');

    my $from = EV::time;
    $n->signal('QUIT');
    ok(all_gone(10, @readers), 'all are ended');
    last_words($id, @readers);

    my @halves = (0, 0);
    $halves[($_->told('end'))[0]{at} - $from > 1]++ for @readers;
    note("@halves in the halves of the window");
    ok($halves[0] > 100 && $halves[1] > 100, 'evenly');
};


part 'SIGTERM has no window' => sub {
    my $n = nginx(conf => conf('60s'), workers => 2);
    my @readers = readers($n, 400);
    my $id = publish($n, 'x');
    wait_for(sub { !grep { !$_->received } @readers }, 10, 'a message');

    my $from = EV::time;
    $n->signal('TERM');
    ok(all_gone(5, @readers), 'all are ended');
    last_words($id, @readers);
};


part 'worker_shutdown_timeout before the window is over' => sub {
    my $n = nginx(conf => conf('60s'), workers => 1,
                  main => 'worker_shutdown_timeout 1s;');

    my @readers = readers($n, 50);
    push @readers, map {
        Push::Reader->new($n, '/kept?channel=a', channel => 'a',
                          delay => undef)
    } 1 .. 10;
    my $curl = start_curl('--http2-prior-knowledge', '--max-time', 30,
                       'http://127.0.0.1:' . $n->port(3) . '/sub?channel=a');

    wait_for(sub { !grep { !$_->is_on } @readers }, 10, 'all are there');
    $curl->wait_out(qr/push\.subscribed/);

    my $id = publish($n, 'x');
    wait_for(sub { !grep { !$_->received } @readers }, 10, 'a message');
    $curl->wait_out(qr/data: x/);

    ok($n->reload, 'reload');
    ok(all_gone(5, @readers), 'all are ended');
    last_words($id, @readers);
    ok($curl->wait(10), 'HTTP/2 too');
    like($curl->out, qr/push.reconnect\nid: \Q$id\E\ndata: \S+\n\n\z/,
         'with last words');
    ok($n->wait_old_workers(10), 'the old worker goes');
};


part 'a single process' => sub {
    for my $signal (qw(QUIT TERM)) {
        my $n = nginx(conf => conf('60s'), main => 'master_process off;');
        my @readers = readers($n, 20);
        my $id = publish($n, 'x');

        ok(wait_for(sub { !grep { !$_->received } @readers }), 'delivers');
        is($n->get('/status')->json->{subscribers}{total}, 20, 'counts');

        $n->signal($signal);
        ok(all_gone(5, @readers), "$signal: all are ended");
        last_words($id, @readers);
        ok($n->finish, 'clean end');
    }
};


# the reset that answers unread input would take the last event away

part 'those who send while they are ended' => sub {
    for my $how (qw(reload TERM)) {
        my $n = nginx(conf => conf('1s'), workers => 1);
        my @readers = readers($n, 20);
        my $id = publish($n, 'x');
        my $timer = EV::timer(0, 0.01, sub {
            $_->client && $_->client->send('y' x 100) for @readers;
        });

        wait_for(sub { !grep { !$_->received } @readers }, 10, 'a message');
        $how eq 'reload' ? $n->reload : $n->signal($how);
        ok(all_gone(10, @readers), "$how: all are ended");

        last_words($id, @readers) if $how eq 'reload';
        is(scalar(grep { !$_->told('reconnect') } @readers), 0, 'all are told');
        finish_servers();
    }
};


# what a slow reader has begun it gets to its end, and then the last words

part 'slow readers' => sub {
    my $n = nginx(conf => conf('1s'), workers => 1);
    my @readers = readers($n, 4, rcvbuf => 4096);

    $_->pause for @readers[0 .. 2];
    my $id = publish($n, 'z' x 800_000);
    ok(wait_for(sub { $readers[3]->received }), 'who reads has it');
    ok($n->reload, 'reload');

    # the pace of the kernel's buffers
    ok(wait_for(sub { $readers[3]->told('end') }), 'and is ended');
    $_->resume for @readers[0, 1];

    ok(all_gone(20, @readers[0, 1]), 'who goes on reading is, too');
    is_deeply([ map { $_->received } @readers[0, 1] ], [1, 1], 'and has it');
    last_words($id, @readers[0, 1, 3]);

    # a request that is kept ends as NGINX ends it, after its send_timeout
    my $patience = ($ENV{PUSH_HIBERNATE} // '') eq 'off' ? 80 : 20;

    ok($n->wait_old_workers($patience), 'who does not read holds nobody up');
};

done_testing;
