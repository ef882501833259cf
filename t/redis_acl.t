#!/usr/bin/perl

# A user of Redis who may do exactly what the documents say, over TCP, TLS and
# a socket: all of it works, and Redis refuses nothing.  What is wrong with a
# password or a certificate is refused, said in the log, and costs only that.

use strict;
use warnings;

use Push::Docs;
use Push::Pods;
use Push::Redis;
use Push::Test;

unless (-x $Push::Redis::redis) {
    plan(skip_all => "no $Push::Redis::redis");
}


# what is said in three places is the same: the document, the example, and the
# scripts with what the connection itself needs

sub rules { return grep { /\A'?[+~&@]|\A'?all/ } split ' ', $_[0] }

my @rules = rules(slurp('docs/redis.md') =~ /^user push on (.*)$/m);

my @example = map { s/'//gr } rules(
    slurp('conf-examples/redis.conf') =~ /ACL SETUSER push reset on (.*?stream')/s);

my ($scripts) = slurp('ngx_push_module/redis/ngx_push_redis_script.c')
    =~ /The rights that they need:(.*?)\*\//s;

sub sorted { return join ' ', sort @_ }

is(sorted(@example), sorted(@rules), 'the example has what the document has');
is(sorted(@rules), sorted(rules($scripts =~ s/<prefix>/push/gr),
                          qw(+ping +subscribe +unsubscribe)),
   'which is what the source has');


my $password = 's3cret:%/@';
my $escaped = 's3cret%3A%25%2F%40';

sub user {
    my ($redis) = @_;

    $redis->command('ACL', 'SETUSER', 'push', 'reset', 'on', ">$password",
                    @rules);
    return $redis;
}


# all that a pod does, on several of them

my $more = <<'CONF';
    server {
        listen 127.0.0.1:%%PORT2%%;
        location / { push_publish $arg_channel; push_history 10 forever; }
    }
CONF

sub all_works {
    my ($redis, %opt) = @_;

    my ($a, $b) = pods($redis, 2, workers => 2, more => $more, %opt);
    my @c = map { $_->sse('/sub?channel=x') } $a, $b;

    ok($_->wait_subscribed, 'subscribe') for @c;

    my @id = map {
        my $topic = 't' . $_ % 2;
        $a->publish('/few?channel=x', $_, headers =>
                    { Topic => $topic, TTL => 60 })->json->{id};
    } 1 .. 4;

    ok($_->wait_messages(4), 'publish') for @c;

    my $key = { 'Idempotency-Key' => 'k' };

    is($a->publish('/pub?channel=x', 'once', headers => $key)->status, 201,
       'with a key');
    is($b->publish('/pub?channel=x', 'once', headers => $key)->status, 200,
       'and again');
    is($b->publish('/pub?channel=y', 'x', headers => { TTL => 1 })->status, 201,
       'for a second');

    for my $port (2, 1, 2) {
        is($b->publish('/pub?channel=z', 'x', port => $b->port($port))->status,
           201, 'for ever, or not');
        $redis->command('SCRIPT', 'FLUSH');
    }

    is($b->get('/pub?channel=x')->json->{messages}, 3, 'look');

    my ($c) = pods($redis, 1, more => $more, %opt);
    my $d = $c->sse('/sub?channel=x', headers => { 'Last-Event-ID' => $id[1] });

    ok($d->wait_messages(3), 'resume elsewhere');
    is_deeply($d->data, [ 3, 4, 'once' ], 'with what was missed');

    ok(wait_for(sub { $b->get('/pub?channel=y')->json->{messages} == 0 }),
       'its second is over');

    is($b->publish('/pub?channel=z', '', headers => { 'Push-End' => 'true' })
        ->status, 201, 'seal');
    is($b->delete('/pub?channel=x')->status, 200, 'delete');
    ok($_->wait_end, 'all are told') for @c, $d;

    # a topic that is gone, more than is kept, a history that is gone

    is($a->publish('/pub?channel=o', 'x', headers => { Topic => 't', TTL => $_ })
        ->status, 201, 'a topic') for 60, 0;

    $a->publish('/few?channel=t', $_) for 1 .. 5;
    $redis->command('DEL', grep { /:s:t\z/ } @{ $redis->command('KEYS', '*') });
    is($a->publish('/few?channel=t', 'x')->status, 201, 'it goes on');

    # all rights were needed; the last one is, half a minute after the last
    # subscriber of a channel has gone

    my $calls = $redis->command('INFO', 'commandstats');

    for my $name (map { s/\A\+//r } grep { /\A\+/ && $_ ne '+unsubscribe' } @rules)
    {
        like($calls, qr/^cmdstat_\Q$name\E:calls=[1-9]/m, "$name was called");
    }

    is($redis->command('ACL', 'DRYRUN', 'push', 'UNSUBSCRIBE', 'x'), 'OK',
       'unsubscribe');

    # its configuration is asked for, but not needed

    my @refused = grep {
        my %entry = @$_;
        $entry{object} ne 'config|get';
    } @{ $redis->command('ACL', 'LOG') };

    is_deeply(\@refused, [], 'Redis refused nothing else');
    is(scalar(map { $_->log_lines(qr/NOPERM|refused/) } $a, $b, $c), 0,
       'and no log says so');

    finish_servers();
}


subtest 'TCP' => sub {
    my $redis = user(Push::Redis->new);

    all_works($redis, url => "redis://push:$escaped\@127.0.0.1:" . $redis->port);
};


subtest 'a socket' => sub {
    my $redis = user(Push::Redis->new);
    my $dir = $redis->dir;

    # workers are another user
    chmod 0755, $dir;
    chmod 0777, $redis->socket;

    all_works($redis, url => "unix://push:$escaped\@" . $redis->socket);
};


# Refused: the log says why, publishers and subscribers are told to come
# again, and what is wrong can be put right without NGINX.

sub refused {
    my ($what, $redis, $re, %opt) = @_;
    my $n = pod($redis, up => 0, %opt);

    my $kind = qr/(?:commands|subscriptions)/;
    my $tried = qr/; it is tried again until it is up$/;

    ok($n->wait_log(qr/\[warn\] .* is down for $kind: $re.*$tried/),
       "$what: the log says why")
        or diag(map { "$_\n" } $n->log_lines(qr/redis/));

    my $r = $n->publish('/pub?channel=x', 'x');

    is($r->status, 503, "$what: publish");
    like($r->json->{type}, qr/:backplane-unavailable\z/, "$what: its type");
    is($n->get('/status')->status, 200, "$what: the pod is up");
    unlike($n->error_log, qr/s3cret|wr0ng/, "$what: no secret in the log");

    return $n;
}


subtest 'a database of its own' => sub {
    my $redis = user(Push::Redis->new);
    my $url = "redis://push:$escaped\@127.0.0.1:" . $redis->port . '/3';
    my $n = refused('SELECT', $redis, qr/it answers SELECT with "NOPERM/,
                    url => $url);

    $redis->command('ACL', 'SETUSER', 'push', '+select');
    ok(wait_up($n, 30), 'with this right it goes');
    is($n->publish('/pub?channel=x', 'x')->status, 201, 'publish');
    is_deeply($redis->command('KEYS', '*'), [], 'not into the first one');
    finish_servers();
};


subtest 'passwords' => sub {
    my $redis = user(Push::Redis->new);
    my $at = '127.0.0.1:' . $redis->port;
    my $wrong = qr/user or password is wrong \(WRONGPASS\), see push_redis/;

    refused('unknown user', $redis, $wrong,
            url => "redis://nobody:wr0ng\@$at");

    my $n = refused('bad password', $redis, $wrong,
                    url => "redis://push:wr0ng\@$at");

    my $c = $n->sse('/sub?channel=x');
    ok($c->wait_end, 'a subscriber');
    ok($c->retry, 'is told to come again');
    is($c->status, 200, 'as a browser understands it');

    $redis->command('ACL', 'SETUSER', 'push', '>wr0ng');
    ok(wait_up($n, 30), 'put right, it goes on by itself');
    is($n->publish('/pub?channel=x', 'x')->status, 201, 'publish');
    finish_servers();

    # the default user may do nothing without one

    my $closed = Push::Redis->new;

    $closed->command('CONFIG', 'SET', 'requirepass', 'wr0ng');
    refused('no password', $closed, qr/it answers INFO with "NOAUTH/,
            url => 'redis://127.0.0.1:' . $closed->port);
    finish_servers();
};


subtest 'keys of somebody else' => sub {
    my $redis = user(Push::Redis->new);
    my $url = "redis://push:$escaped\@127.0.0.1:" . $redis->port;
    my $n = pod($redis, up => 0, url => $url, redis => 'prefix=other');

    ok(wait_for(sub { backplane($n)->{up} }), 'it is connected');
    is($n->publish('/pub?channel=x', 'x')->status, 503, 'a publish');
    ok($n->wait_log(qr/\[error\] .* redis refused the script publish: NOPERM/),
       'the log says why') or diag($n->error_log);

    my $c = $n->sse('/sub?channel=x');
    ok($c->wait_end, 'a subscriber');
    ok($c->retry, 'is told to come again');
    is($c->event('push.subscribed'), undef, 'and nothing else');
    finish_servers();
};


# certificates: an authority, and what it signs

sub openssl {
    my $r = command('openssl', @_);
    die $r->{err} if $r->{code};
}

my @key = qw(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes);

sub authority {
    my ($dir, $name) = @_;

    openssl('req', '-x509', @key, '-days', 30, '-subj', "/CN=$name",
            '-keyout', "$dir/$name.key", '-out', "$dir/$name.crt");
}

sub signed {
    my ($dir, $ca, $name, $for) = @_;

    open my $out, '>', "$dir/$name.ext" or die "$name.ext: $!";
    print $out "subjectAltName=$for\n";
    close $out;

    openssl('req', @key, '-subj', "/CN=$name", '-keyout', "$dir/$name.key",
            '-out', "$dir/$name.csr");
    openssl('x509', '-req', '-in', "$dir/$name.csr", '-days', 30,
            '-CA', "$dir/$ca.crt", '-CAkey', "$dir/$ca.key",
            '-CAcreateserial', '-extfile', "$dir/$name.ext",
            '-out', "$dir/$name.crt");
}


subtest 'TLS' => sub {
    my $redis = Push::Redis->new(start => 0);
    my $dir = $redis->dir;
    my $port = Push::Nginx::free_port();

    authority($dir, 'ca');
    authority($dir, 'other');
    signed($dir, 'ca', 'redis', 'DNS:localhost,IP:127.0.0.1');
    signed($dir, 'ca', 'elsewhere', 'DNS:elsewhere.example');
    signed($dir, 'ca', 'client', 'DNS:client');

    $redis->{conf} = <<"CONF";
tls-port $port
tls-cert-file $dir/redis.crt
tls-key-file $dir/redis.key
tls-ca-cert-file $dir/ca.crt
tls-auth-clients yes
CONF
    $redis->start;
    user($redis);

    my $url = "rediss://push:$escaped\@localhost:$port";
    my $address = $url =~ s/localhost/127.0.0.1/r;
    my $ca = "ca=$dir/ca.crt";
    my $own = "cert=$dir/client.crt key=$dir/client.key";

    all_works($redis, url => $url, redis => "$ca verify=on $own");

    ok(pod($redis, url => $address, redis => "$ca $own"),
       'an address that the certificate names');
    ok(pod($redis, url => $url, redis => "verify=off $own"), 'not verified');

    my $untrusted = qr/its certificate is not trusted \(\d+: .*\), see "ca"/;

    refused('wrong CA', $redis, $untrusted, url => $url,
            redis => "ca=$dir/other.crt $own");
    refused('the CAs of the system', $redis, $untrusted, url => $url,
            redis => $own);
    refused('no certificate of its own', $redis, qr/\S/, url => $url,
            redis => $ca);
    refused('bad password', $redis, qr/user or password is wrong/,
            url => "rediss://push:wr0ng\@localhost:$port",
            redis => "$ca $own");
    refused('no TLS there', $redis, qr/\S/, redis => $ca,
            url => 'rediss://127.0.0.1:' . $redis->port);
    refused('TLS there', $redis, qr/\S/, url => "redis://127.0.0.1:$port");
    finish_servers();

    # the certificate of another host

    my $show = sub {
        $redis->command('CONFIG', 'SET', 'tls-cert-file', "$dir/$_[0].crt",
                        'tls-key-file', "$dir/$_[0].key");
    };

    $show->('elsewhere');

    my $n = refused('wrong name', $redis,
                    qr/its certificate is not for "localhost"/,
                    url => $url, redis => "$ca $own");

    refused('wrong address', $redis,
            qr/its certificate is not for "127\.0\.0\.1"/,
            url => $address, redis => "$ca $own");

    $show->('redis');
    ok(wait_up($n, 30), 'put right, it goes on by itself');
    is($n->publish('/pub?channel=x', 'x')->status, 201, 'publish');
    finish_servers();
};


done_testing;
