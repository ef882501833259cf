#!/usr/bin/perl

# Redis by way of sentinels: the master is found, and followed wherever it
# goes; subscribers stay, and what is lost with an old master is told.

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();
use Push::Pods;
use Push::Redis;
use Push::Test;

sub numbers { return join ' ', map { /-0*(\d+)\z/ ? $1 : '?' } @_ }

sub reasons {
    return join ' ', map { decode_json($_->{data})->{reason} }
        grep { $_->{event} eq 'push.gap' } @{ $_[0]->events };
}

sub url {
    my $auth = ref $_[0] ? '' : shift;
    return "sentinel://$auth" . join(',', map { '127.0.0.1:' . $_->port } @_)
           . '/main';
}

# a master, a replica that has all, three sentinels that know each other

sub group {
    my (%opt) = @_;
    my $master = Push::Redis->new(%opt);
    my $replica = Push::Redis->new(%opt, replica_of => $master);
    my @sentinels = map { Push::Redis->new(sentinel_of => $master) } 1 .. 3;

    $replica->wait_synced;
    $_->wait_watching(2, 1) for @sentinels;

    return ($master, $replica, @sentinels);
}

sub sentinel_pods {
    my ($workers, $url, %opt) = @_;
    return map { pod(undef, url => $url, workers => $workers, %opt) } 1, 2;
}

sub promoted {
    my ($redis) = @_;

    return wait_for(sub { $redis->command('ROLE')->[0] eq 'master' }, 30);
}

# each pod has taken the other for its master

sub followed {
    my ($redis, @pods) = @_;
    my $port = $redis->port;

    ok(wait_for(sub {
        @pods == grep {
            $_->log_lines(qr/master is now 127\.0\.0\.1:$port,/)
                == $_->{workers};
        } @pods;
    }, 30), 'each worker has followed');
    wait_up($_, 30) for @pods;
}


# the master is killed

for_workers(1, 3, sub {
    my ($master, $replica, @sentinels) = group();
    my ($a, $b) = sentinel_pods($_[0], url(@sentinels));
    my @c = map { $_->sse('/sub?channel=x') } $a, $b;

    $_->wait_subscribed for @c;
    $a->publish('/pub?channel=x', $_) for 1 .. 3;
    $_->wait_messages(3) for @c;
    $replica->wait_synced;

    $master->kill;
    promoted($replica);
    followed($replica, $a, $b);

    is(numbers($b->publish('/pub?channel=x', 4)->json->{id}), 4, 'it goes on');
    ok($_->wait_messages(4), 'it comes') for @c;
    is_deeply($_->data, [ 1 .. 4 ], 'nothing is missing') for @c;
    is(scalar(grep { $_->closed } @c), 0, 'nobody was cut off');
    is(join('', map { reasons($_) } @c), '', 'nothing to be told');

    return if $_[0] == 1;

    # the old one comes back; after ten seconds it is a replica of the new one

    $master->start;
    ok(wait_for(sub { $master->command('ROLE')->[0] eq 'slave' }, 30),
       'the old master is a replica');
    is(numbers($a->publish('/pub?channel=x', 5)->json->{id}), 5,
       'that changes nothing');
    ok($_->wait_messages(5), 'it comes') for @c;
});


# the master is replaced while it works

for_workers(1, 3, sub {
    my ($master, $replica, @sentinels) = group();
    my ($a, $b) = sentinel_pods($_[0], url(@sentinels));
    my @c = map { $_->sse('/sub?channel=x') } $a, $b;

    $_->wait_subscribed for @c;
    $b->publish('/pub?channel=x', $_) for 1 .. 3;
    ok($_->wait_messages(3), 'all have come') for @c;
    $replica->wait_synced;

    ok(wait_for(sub {
        eval { $sentinels[0]->command(qw(SENTINEL FAILOVER main)) };
    }, 30), 'a failover is asked for');
    promoted($replica);
    followed($replica, $a, $b);

    $a->publish('/pub?channel=x', 4);
    ok($_->wait_messages(4), 'it goes on') for @c;
    is_deeply($_->data, [ 1 .. 4 ], 'nothing is missing') for @c;
    is(join('', map { reasons($_) } @c), '', 'nothing to be told');
    is(scalar(grep { $_->closed } @c), 0, 'nobody was cut off');
});


# what the new master never got

for_workers(1, 2, sub {
    my ($master, $replica, @sentinels) = group();
    my ($a, $b) = sentinel_pods($_[0], url(@sentinels));
    my @c = map { $_->sse('/sub?channel=x') } $a, $b;

    $_->wait_subscribed for @c;
    my @id = map { $a->publish('/pub?channel=x', $_)->json->{id} } 1 .. 3;
    $replica->wait_synced;

    # the link is closed, and the replica does not see it yet

    $replica->pause;
    $master->command(qw(CLIENT KILL TYPE replica));

    push @id, map { $a->publish('/pub?channel=x', "lost $_")->json->{id} } 4, 5;
    ok($_->wait_messages(5), 'all have come') for @c;

    $master->kill;
    $replica->resume;
    promoted($replica);
    followed($replica, $a, $b);

    is(numbers($b->publish('/pub?channel=x', 'new 4')->json->{id}), 4,
       'the number is given again');
    ok($_->wait_messages(6, 30), 'it comes') for @c;
    is($_->data->[5], 'new 4', 'to all') for @c;
    is(reasons($_), 'diverged', 'after they were told') for @c;

    my $c = $b->sse('/sub?channel=x', headers => { 'Last-Event-ID' => $id[4] });

    $c->wait_messages(1);
    is(reasons($c), 'diverged', 'and who comes back with a lost id');
});


# the old master answers pods and nobody else: they leave it all the same

for_workers(1, 3, sub {
    my $user = 'user push on >secret ~* &* +@all';
    my ($master, $replica, @sentinels) = group(conf => $user);

    # not asked for long: it is the word of a switch that counts

    my ($a, $b) = sentinel_pods($_[0], url('push:secret@', @sentinels),
                                redis => 'timeout=60s');
    my @c = map { $_->sse('/sub?channel=x') } $a, $b;

    $_->wait_subscribed for @c;
    $a->publish('/pub?channel=x', $_) for 1 .. 3;
    $_->wait_messages(3) for @c;
    $replica->wait_synced;

    my $own = $master->connect(user => 'push', password => 'secret');

    $own->command(qw(ACL SETUSER default off));
    $own->command(qw(CLIENT KILL USER default));

    promoted($replica);
    followed($replica, $a, $b);

    is($own->command('ROLE')->[0], 'master', 'the old one takes itself for it');
    is(scalar(() = $own->command(qw(CLIENT LIST)) =~ / user=push /g), 1,
       'and is left alone');
    is(numbers($b->publish('/pub?channel=x', 4)->json->{id}), 4, 'it goes on');
    ok($_->wait_messages(4), 'it comes') for @c;
    is_deeply($_->data, [ 1 .. 4 ], 'nothing is missing') for @c;
    is(join('', map { reasons($_) } @c), '', 'nothing to be told');
});


# no sentinel, one of three, one that knows something else

for_workers(1, 3, sub {
    my $redis = Push::Redis->new;
    my @sentinels = map {
        Push::Redis->new(sentinel_of => $redis, start => 0)
    } 1 .. 3;
    my $n = pod(undef, url => url(@sentinels), workers => $_[0], up => 0,
                redis => 'connect_timeout=500ms timeout=500ms');

    ok($n->wait_log(qr/down for sentinels: .*refused/), 'it is said');
    ok($n->wait_log(qr/down for commands: no sentinel says where .*refused/),
       'and why');
    is($n->publish('/pub?channel=x', 1)->status, 503, 'a publish is refused');

    my $c = $n->sse('/sub?channel=x');
    $c->wait_end;
    ok($c->retry, 'come again');

    $sentinels[1]->start;
    wait_up($n, 30);
    is($n->publish('/pub?channel=x', 1)->status, 201, 'one is enough');

    # it stands still: another one is found

    $sentinels[2]->start;
    $sentinels[1]->pause;
    my $port = $sentinels[2]->port;
    ok(wait_for(sub {
        $n->log_lines(qr/listens to the sentinel 127\.0\.0\.1:$port/)
            >= $n->{workers};
    }, 30), 'one that answers');
    is($n->publish('/pub?channel=x', 1)->status, 201, 'nothing has stopped');
    $sentinels[1]->kill;
    $sentinels[1]->start;

    # another one under the same name

    my $other = Push::Redis->new;
    $sentinels[0]{sentinel_of} = $other;
    $sentinels[0]->start;

    ok(wait_for(sub {
        $_->command(qw(CLIENT KILL TYPE pubsub)) for @sentinels[1, 2];
        $n->log_lines(qr/but \S+ is in use and answers/);
    }, 30), 'it is told another');
    ok(wait_for(sub {
        $n->log_lines(qr/listens to the sentinel/)
            > $n->log_lines(qr/lost for sentinels/);
    }, 30), 'and asks on');
    is($n->publish('/pub?channel=y', 1)->status, 201, 'it goes on');
    is($other->command('DBSIZE'), 0, 'as before');
    is(scalar($n->log_lines(qr/the master is now/)), 0, 'it has not moved');

    # when all of them name it, it is so

    for (@sentinels[1, 2]) {
        $_->command(qw(SENTINEL REMOVE main));
        $_->command(qw(SENTINEL MONITOR main 127.0.0.1), $other->port, 2);
    }

    followed($other, $n);
    is($n->publish('/pub?channel=y', 1)->status, 201, 'it goes on there');
    cmp_ok($other->command('DBSIZE'), '>', 0, 'indeed');
});


# TLS to the master

for_workers(1, 2, sub {
    my $files = Push::Nginx->new(start => 0, conf => '');
    my ($cert, $key) = map { $files->expand("%%$_%%") } qw(CERT KEY);
    my $tls = "tls-cert-file $cert\ntls-key-file $key\n"
              . "tls-ca-cert-file $cert\ntls-auth-clients no";
    my $redis = Push::Redis->new(start => 0);

    $redis->{conf} = "port 0\ntls-port " . $redis->port . "\n$tls";
    $redis->start;

    my $sentinel = Push::Redis->new(sentinel_of => $redis,
                                    conf => "$tls\ntls-replication yes");
    my %opt = (url => url($sentinel), workers => $_[0]);

    wait_for(sub {
        my %is = @{ $sentinel->command(qw(SENTINEL MASTER main)) };
        $is{flags} eq 'master';
    });

    my $n = pod(undef, %opt, redis => "tls=on ca=$cert");
    is($n->publish('/pub?channel=x', 1)->status, 201, 'published over TLS');

    $n = pod(undef, %opt, redis => 'tls=on', up => 0);
    ok($n->wait_log(qr/down for commands: its certificate is not trusted/),
       'not trusted');

    $n = pod(undef, %opt, up => 0);
    ok($n->wait_log(qr/down for commands: /), 'not without');
    is($n->publish('/pub?channel=x', 1)->status, 503, 'a publish is refused');
});


# names, that the resolver finds

sub name_server {
    my $socket = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1')
        or die "socket: $!";
    my $parent = $$;
    my $pid = fork // die "fork: $!";

    return ($pid, $socket->sockport) if $pid;

    while (getppid() == $parent) {
        vec(my $in = '', fileno $socket, 1) = 1;
        next unless select $in, undef, undef, 1;
        next unless $socket->recv(my $query, 512);

        # RFC 1035, 4.1: the question, and 127.0.0.1 for all of them

        my ($question) = substr($query, 12) =~ /\A((?:[^\0][\0-\xff]*?)?\0.{4})/s;

        $socket->send(substr($query, 0, 2)
                      . pack('n5', 0x8180, 1, 1, 0, 0) . $question
                      . pack('nnnNnC4', 0xc00c, 1, 1, 60, 4, 127, 0, 0, 1));
    }

    POSIX::_exit(0);
}

for_workers(1, 2, sub {
    my ($pid, $port) = name_server();
    my $redis = Push::Redis->new;
    my $sentinel = Push::Redis->new(sentinel_of => $redis, host => 'localhost');
    my %opt = (workers => $_[0],
               url => 'sentinel://127.0.0.1:1,one.invalid:' . $sentinel->port
                      . '/main');
    my $n = pod(undef, %opt,
                more => "resolver 127.0.0.1:$port ipv6=off;");

    is($n->publish('/pub?channel=x', 1)->status, 201, 'names are found');
    ok($n->wait_log(qr/the master is localhost:/), 'also that of the master');

    $n = pod(undef, %opt, url => url($sentinel), up => 0);
    ok($n->wait_log(qr/host "localhost": a sentinel names it, and there is no/),
       'without a resolver it is said');
    is($n->publish('/pub?channel=x', 1)->status, 503, 'a publish is refused');

    kill KILL => $pid;
    waitpid $pid, 0;
});


# a name that they do not know, and a password

for_workers(1, 2, sub {
    my $redis = Push::Redis->new;
    my $sentinel = Push::Redis->new(sentinel_of => $redis);
    my $url = url($sentinel);

    my $n = pod(undef, url => $url =~ s/main\z/mian/r, up => 0,
                redis => 'connect_timeout=500ms', workers => $_[0]);

    ok($n->wait_log(qr/down for sentinels: .* knows no master "mian"/),
       'it is said');
    ok($n->wait_log(qr/no sentinel says where .* knows no master/),
       'once more for commands');
    is($n->publish('/pub?channel=x', 1)->status, 503, 'a publish is refused');

    # a password of their own

    my $closed = Push::Redis->new(sentinel_of => $redis,
                                  conf => 'requirepass hunter2');
    my %opt = (url => url(':other@', $closed), up => 0, workers => $_[0]);

    $n = pod(undef, %opt);
    ok($n->wait_log(qr/down for sentinels: .*NOAUTH/), 'it needs a password');
    like($n->error_log, qr{"sentinel://127}, 'the log has no secret');
    unlike($n->error_log, qr/other/, 'none at all');

    $n = Push::Nginx->new(start => 0, conf => '');
    $n->write_file('wrong', "hunter3\n");
    $n->write_file('right', "hunter2\n");

    my $file = 'sentinel_password_file=' . $n->prefix;
    my $wrong = pod(undef, %opt, redis => "$file/wrong");

    ok($wrong->wait_log(qr/down for sentinels: .*WRONGPASS/), 'a wrong one');
    unlike($wrong->error_log, qr/hunter/, 'is not told');

    $redis->command(qw(CONFIG SET requirepass other));
    my $right = pod(undef, %opt, redis => "$file/right");

    wait_up($right);
    is($right->publish('/pub?channel=x', 1)->status, 201,
       'the one in the URL is for the master');
});

done_testing;
