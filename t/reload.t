#!/usr/bin/perl

# Reload: channels, ids, history and counters stay, nobody misses anything;
# many generations at once; a reload that fails; zones that come and go.

use strict;
use warnings;

use EV;
use List::Util qw(max);
use Push::Oracle;
use Push::Reader;
use Push::Test;
use Push::Writer;

my $locations = <<'E';
    server {
        listen 127.0.0.1:%%PORT%%;

        location = /pub { push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
        location = /status { push_status; }
    }
E

sub conf {
    my ($window, $zone) = @_;
    $zone //= 'push 4m';
    return "push_zone $zone; push_drain_window $window; $locations";
}

sub status { return $_[0]->get('/status')->json->{zones}[$_[1] // 0] }


sub part {
    my ($name, $code) = @_;
    subtest $name => sub { $code->(); finish_servers() };
}


# the ids of n messages, whose bodies are their numbers from $from

sub publish {
    my ($n, $from, $to) = @_;
    return map { $n->publish('/pub?channel=a', $_)->json->{id} } $from .. $to;
}

sub info { return $_[0]->get('/pub?channel=a')->json }

sub resume {
    my ($n, $id) = @_;
    return $n->sse('/sub?channel=a', headers => { 'Last-Event-ID' => $id });
}


for_workers(1, 4, sub {
    my ($workers) = @_;
    my $n = nginx(conf => conf('1s'), workers => $workers);

    my @id = publish($n, 1, 5);
    $n->publish('/pub?channel=a', 'x', headers => { 'Idempotency-Key' => 'k' });

    my ($before, $status) = (info($n), status($n));

    ok($n->reload, 'reload');
    is_deeply(info($n), $before, 'the channel is as it was');

    my $after = status($n);
    is_deeply($after->{counters}, $status->{counters}, 'so are the counters');
    is_deeply([ @$after{qw(channels messages payload_bytes)} ],
              [ @$status{qw(channels messages payload_bytes)} ], 'and its use');

    my $c = resume($n, $id[0]);
    ok($c->wait_messages(5), 'resumed from the first id');
    is_deeply($c->data, [ 2 .. 5, 'x' ], 'exactly the rest');
    is($c->event('push.gap'), undef, 'no gap');

    my $r = $n->publish('/pub?channel=a', 'x',
                        headers => { 'Idempotency-Key' => 'k' });
    is($r->status, 200, 'a key from before');
    is($r->json->{id}, $before->{id}, 'and its answer');

    $r = $n->publish('/pub?channel=a', 'next',
                     headers => { 'If-Match' => "\"$before->{id}\"" });
    is($r->status, 201, 'the same id is the last one');
    like($r->json->{id}, qr/-0+7\z/, 'the next number');
    ok($c->wait_messages(6), 'it comes');

    ok($n->reload, 'again');
    $c = resume($n, $r->json->{id});
    ok($c->wait_subscribed, 'resumed from the last id');
    publish($n, 8, 8);
    ok($c->wait_messages(1), 'a message');
    is_deeply($c->data, [8], 'is the first');
});


# old workers deliver while they drain, each subscriber is ended once

for_workers(1, 2, 4, sub {
    my ($workers) = @_;
    my $n = nginx(conf => conf('2s'), workers => $workers);
    my $o = Push::Oracle->new;
    my $stop;

    my @readers = map {
        Push::Reader->new($n, '/sub?channel=a', channel => 'a', oracle => $o)
    } 1 .. 60;

    wait_for(sub { !grep { !$_->is_on } @readers }, 10, 'all are there');

    my @writers = map { Push::Writer->new($n, next => sub {
        return if $stop;

        my $p = $o->publish('a', size => 30);
        return { path => '/pub?channel=a', body => $o->body($p), done => sub {
            my (undef, $r) = @_;
            $o->answered($p, $r->json->{id}) if $r;
        } };
    }) } 1 .. 2;

    my %live;
    $_->{on_message} = sub { $live{$_[0]}++ if $_[0]->connects == 1 }
        for @readers;

    ok($n->reload, 'reload');
    %live = ();
    ok(wait_for(sub { keys %live >= 20 }), 'old workers go on delivering');
    ok($n->wait_old_workers, 'the old workers go');

    $stop = 1;
    wait_for(sub { !grep { !$_->idle } @writers }, 10, 'the last answer');

    my ($last) = sort { $b cmp $a } keys %{ $o->{ids} };
    ok(wait_for(sub { !grep { $_->last_id ne $last } @readers }), 'all have all')
        or diag map { $_->{name} . ' ' . $_->last_id . "\n" } @readers;

    is(join("\n", $o->errors, map { $o->check($_) } @readers), '', 'records');
    is_deeply([ map { scalar $_->told('reconnect') } @readers ], [ (1) x 60 ],
              'each was ended once');
    is_deeply([ grep { $_->{how} ne 'clean' } map { $_->told('end') } @readers ],
              [], 'cleanly');
    ok(wait_for(sub { status($n)->{subscribers}{total} == 60 }), 'and counted');
    note($o->count . ' messages');
});


# a worker that finds no bell works without, and takes one when it can

part 'more generations than bells' => sub {
    my $n = nginx(conf => conf('60s'), workers => 1);
    my @c;

    my $more = sub {
        for my $i (1 .. $_[0]) {
            push @c, $n->sse('/sub?channel=a');
            $c[-1]->wait_subscribed;
            $n->reload or last;
        }
    };

    # 16 bells with a descriptor, as many without, which ring by the tick

    $more->(20);
    is(scalar(my @old = $n->old_workers), 20, 'generations');
    publish($n, 1, 3);
    ok(wait_for(sub { !grep { $_->received < 3 } @c }, 10, 'deliveries'),
       'all generations deliver');
    is(status($n)->{subscribers}{total}, 20, 'all are counted');

    $more->(12);

    my $refused = $n->sse('/sub?channel=a');
    ok($refused->wait_closed, 'no place for another worker');
    is($refused->status, 200, 'its subscribers are told');
    ok($refused->retry >= 1000, 'to come back');
    is($n->publish('/pub?channel=a', 4)->status, 201, 'it publishes');
    ok(wait_for(sub { !grep { ($_->data->[-1] // '') ne 4 } @c }), 'to all');

    ok($n->kill_worker($_, 'TERM'), 'an old one goes') for ($n->old_workers)[0];

    my $c;
    ok(wait_for(sub {
        $c = $n->sse('/sub?channel=a');
        $c->wait_head;
        wait_for(sub { $c->closed || $c->event('push.subscribed') });
        return $c->event('push.subscribed');
    }, 10, 'a place'), 'its place is taken');

    publish($n, 5, 5);
    ok($c->wait_messages(1), 'by one that delivers');
    is($c->data->[0], 5, 'what comes');
    # one by one: what does not end within a second or two, NGINX kills
    $n->kill_worker($_, 'TERM') for $n->old_workers;
};


part 'a reload that fails' => sub {
    my $n = nginx(conf => conf('1s'), workers => 2);
    my @workers = $n->workers;
    my @id = publish($n, 1, 3);
    my $c = resume($n, $id[0]);
    $c->wait_messages(2);

    my ($before, $status) = (info($n), status($n));

    my $unchanged = sub {
        my ($what) = @_;

        is_deeply([ $n->workers ], \@workers, "$what: the same workers");
        is_deeply(info($n), $before, 'channel');
        is_deeply(status($n)->{counters}, $status->{counters}, 'counters');

        my $sent = $c->received;
        ($before->{id}) = publish($n, $sent, $sent);
        ok($c->wait_messages($sent + 1), 'goes on');
        is($c->count, $sent + 2, 'nothing else was sent');
        ($before, $status) = (info($n), status($n));
    };

    $n->allow(qr/\[emerg\]/);
    $n->configure(conf => conf('1s') . 'nonsense on;');
    $n->signal('HUP');
    ok($n->wait_log(qr/unknown directive "nonsense"/), 'bad configuration');
    $unchanged->('unknown directive');

    $n->configure(conf => conf('1s', 'push 100k'));
    $n->signal('HUP');
    ok($n->wait_log(qr/push zone "push" is too small/), 'a zone too small');
    $unchanged->('zone too small');

    my $other = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1);
    my $port = $other->sockport;

    for my $zone ('push 4m', 'push 8m') {
        $n->configure(conf => conf('1s', $zone)
                      . "server { listen 127.0.0.1:$port; }");
        $n->signal('HUP');
        ok(wait_for(sub {
            2 * @{[ $n->log_lines(qr/still could not bind/) ]}
            >= ($zone =~ /8/ ? 4 : 2);
        }), "a port in use, $zone");
        $unchanged->('port in use');
    }

    $n->configure(conf => conf('1s'));
    ok($n->reload, 'a good one');
    is_deeply(info($n), $before, 'still the same channel');
};


# another zone: those who read from the one before are told at once

sub left_behind {
    my ($before, $after, $seconds) = @_;

    my $n = nginx(conf => conf('60s', $before), workers => 2);
    my @id = publish($n, 1, 3);
    my @readers = map {
        Push::Reader->new($n, '/sub?channel=a', channel => 'a', delay => undef)
    } 1 .. 50;

    wait_for(sub { !grep { !$_->is_on } @readers }, 10, 'all are there');

    ok($n->reload(conf => $after), 'reload');

    ok(wait_for(sub { !grep { !$_->told('end') } @readers }, $seconds,
                'the end of all'), 'all are ended at once');
    is_deeply([ map { map { $_->{id} } $_->told('reconnect') } @readers ],
              [ ($id[2]) x 50 ], 'each is told its position');
    is_deeply([ grep { $_->{how} ne 'clean' } map { $_->told('end') } @readers ],
              [], 'cleanly');
    ok($n->wait_old_workers(10), 'the old workers go');

    return ($n, $id[2]);
}

part 'a zone of another size, of another name' => sub {
    for my $zone ('push 8m', 'other 4m') {
        my ($n, $id) = left_behind('push 4m', conf('60s', $zone), 5);

        is($n->get('/pub?channel=a')->status, 404, "$zone: a fresh zone");
        is(status($n)->{superseded}, 0, 'in use');

        my $c = resume($n, $id);
        ok($c->wait_event('push.gap'), 'a gap');
        is(decode_json($c->event('push.gap')->{data})->{reason}, 'unknown',
           'that is told');
        publish($n, 1, 1);
        ok($c->wait_messages(1), 'and goes on');
        is(status($n)->{subscribers}{total}, 1, 'and is counted');
    }
};

part 'no zone any more' => sub {
    my ($n) = left_behind('push 4m', 'server { listen 127.0.0.1:%%PORT%%; }', 5);
    is($n->get('/sub?channel=a')->status, 404, 'not there');
};

part 'one of two zones' => sub {
    my $two = <<'E';
        push_zone other %%SIZE%%;
        server {
            listen 127.0.0.1:%%PORT2%%;
            push_use_zone other;
            location = /pub { push_publish $arg_channel; }
            location = /sub { push_subscribe $arg_channel; }
        }
E

    my $n = nginx(conf => conf('4s') . $two =~ s/%%SIZE%%/1m/r, workers => 2);
    my @readers = map {
        Push::Reader->new($n->port($_), '/sub?channel=a', channel => 'a',
                          delay => undef)
    } (1) x 20, (2) x 20;

    wait_for(sub { !grep { !$_->is_on } @readers }, 10, 'all are there');
    my $at = EV::time;
    ok($n->reload(conf => conf('4s') . $two =~ s/%%SIZE%%/2m/r), 'reload');

    ok(wait_for(sub { !grep { !$_->told('end') } @readers[20 .. 39] }, 3),
       'of the zone that changed: at once');
    my $left = grep { !$_->told('end') } @readers[0 .. 19];
    cmp_ok($left, '>', 0, 'of the other: in its time');
    ok(wait_for(sub { !grep { !$_->told('end') } @readers }, 10), 'all');

    my $last = max map { ($_->told('end'))[0]{at} } @readers[0 .. 19];
    cmp_ok($last - $at, '>', 2, 'the last one late');
    is_deeply([ grep { $_->{how} ne 'clean' } map { $_->told('end') } @readers ],
              [], 'cleanly');
};

part 'nothing is left open by the master' => sub {
    my $n = nginx(conf => conf('1s'), workers => 1);
    my $fds;

    for my $size (4, 8, 4, 8, 4) {
        ok($n->reload(conf => conf('1s', "push ${size}m")), "reload, ${size}m");
        ok($n->wait_old_workers, 'old workers go');
        $fds //= $n->fds($n->pid);

        # it hears of their end a little later
        ok(wait_for(sub { $n->fds($n->pid) <= $fds }), "$fds descriptors");
    }

    cmp_ok($n->fds(($n->workers)[0]), '<=', $fds + 5, 'a worker has no more');
};

done_testing;
