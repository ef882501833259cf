#!/usr/bin/perl

# push_redis: what is taken, and for each mistake the cause, the directive and
# its place; no secret is told.  No Redis is needed for that.

use strict;
use warnings;

use Push::Test;

my $n = Push::Nginx->new(start => 0, conf => '',
                         allow => [qr/emerg/, qr/cannot find the host/]);
my $prefix = $n->prefix;

sub file {
    my ($name, $text) = @_;

    $n->write_file($name, $text);
    return "$prefix/$name";
}

my $secret = file('secret', "se cret%41\n");
my $empty = file('empty', "\r\n\n");
my $large = file('large', 'x' x 4097);
my $junk = file('junk', "no certificate\n");
my ($cert, $key) = map { $n->expand("%%$_%%") } qw(CERT KEY);

my $end = 'server { listen 127.0.0.1:1; location / { push_publish a; } }';

# (whether it is good, what is said, the line of the directive)

sub check {
    my ($text, $before, $after) = @_;

    unlink "$prefix/check";

    my ($good, $said) = $n->check(conf => join "\n", $before // '', $text,
                                               $after // $end);
    my @lines = split /\n/, $n->read_file('nginx.conf');
    my ($line) = grep { $lines[$_ - 1] eq $text } 1 .. @lines;

    return ($good, $said, $line);
}

sub good {
    my ($value, $before, $after) = @_;
    my ($good, $said) = check("push_redis $value;", $before, $after);

    ok($good, "good: $value") or diag($said);
    unlike($said, qr/warn|emerg/, "$value: nothing is said");
}

sub bad {
    my ($value, $cause, $before, $after) = @_;
    my ($good, $said, $line) = check("push_redis $value;", $before, $after);
    my $error = join ' ', $said =~ /\[emerg\] (.*)/g;
    my $what = substr $value, 0, 60;

    ok(!$good, "bad: $what");
    like($error, qr/$cause/, "$what: cause");
    like($error, qr/"push_redis"/, "$what: directive");
    like($error, qr/ in \S+nginx\.conf:$line\b/, "$what: place");
    unlike($said, qr/se.?cret%|hunter2/, "$what: no secret");
}


subtest 'good ones' => sub {
    good($_) for (
        'redis://127.0.0.1', 'redis://127.0.0.1:6380/15', 'redis://[::1]:7',
        'redis://user:p%40ss@127.0.0.1', 'redis://:pass@127.0.0.1/0',
        'redis://127.0.0.1/', 'redis://localhost',
        'unix:/run/redis.sock', 'unix:///run/redis.sock',
        'unix:/run/redis.sock?db=2', 'unix://u:p@/run/redis.sock?db=2',
        'redis://127.0.0.1 prefix=a:b', 'redis://127.0.0.1 prefix=' . 'x' x 64,
        'redis://127.0.0.1 connect_timeout=100ms timeout=5s',
        "redis://127.0.0.1 password_file=$secret",
        'redis://127.0.0.1 password_file=secret',
        "redis://user\@127.0.0.1 password_file=$secret",
        'rediss://127.0.0.1', 'rediss://localhost:6380 verify=off',
        "rediss://127.0.0.1 verify=on ca=$cert",
        "rediss://127.0.0.1 ca=$cert cert=$cert key=$key",
        'sentinel://127.0.0.1/main', 'sentinel://localhost:1,[::1]:2/a.b/3',
        "sentinel://u\@127.0.0.1/main password_file=$secret",
        "sentinel://127.0.0.1/main sentinel_password_file=$secret",
        'sentinel://127.0.0.1/main tls=off',
        "sentinel://127.0.0.1/main tls=on ca=$cert cert=$cert key=$key",
    );
};


subtest 'URLs' => sub {
    bad('', 'invalid number of arguments');
    bad('""', 'needs a URL');
    bad('127.0.0.1:6379', 'needs a URL that begins with "redis://"');
    bad('http://127.0.0.1', 'needs a URL');
    bad('sentinel://127.0.0.1', 'needs the name of the master');
    bad('sentinel://a,b,c/na%20me', 'needs the name of the master');
    bad('sentinel://:hunter2%@a,b/name', 'two hexadecimal digits');
    bad('sentinel://127.0.0.1,,127.0.0.2/name', 'without a host');
    bad('sentinel://:hunter2@127.0.0.1,/name', 'without a host');
    bad('sentinel://127.0.0.1:0/name', 'port is not a number from 1 to 65535');
    bad('sentinel://127.0.0.1/name/x', 'more than the name of the master');
    bad('sentinel://hunter2@127.0.0.1/name', 'a user but no password');
    bad('redis://', 'without a host');
    bad('redis://127.0.0.1:0', 'port is not a number from 1 to 65535');
    bad('redis://127.0.0.1/x', 'not the number of a database');
    bad('redis://127.0.0.1/70000', 'not the number of a database');
    bad('redis://127.0.0.1?db=1', 'malformed host');
    bad('redis://[::1', 'malformed IPv6 address');
    bad('redis://:hunter2/@', 'without a host');
    bad('redis://:hunter2%@127.0.0.1', 'two hexadecimal digits');
    bad('redis://hunter2@127.0.0.1', 'a user but no password');
    bad('"redis://:hunter2 @127.0.0.1"', 'a space');
    bad('redis://:hunter2:127.0.0.1', 'without a host');
    bad('redis://hunter2/127.0.0.1', 'not the number of a database');
    bad('unix:run/redis.sock', 'without an absolute path');
    bad('unix:/run/redis.sock?x=1', 'something else than "db="');
    bad('unix:/' . 'x' x 120, 'too long for a socket');
};


subtest 'parameters' => sub {
    my $url = 'redis://127.0.0.1';

    bad("$url hunter2", 'not of the form name=value');
    bad("$url \"\"", 'not of the form name=value');
    bad("$url =1", 'not of the form name=value');
    bad("$url Hunter=hunter2", 'not of the form name=value');
    bad("$url password=hunter2", 'unknown parameter "password"');
    bad("$url db=1", 'unknown parameter "db"');
    bad("$url timeout=1s timeout=1s", 'parameter "timeout" twice');

    bad("$url $_=", "invalid value \"$_=\"")
        for qw(zone prefix connect_timeout timeout password_file ca cert key
               verify tls sentinel_password_file);
    bad("$url $_", 'invalid value')
        for qw(timeout=0 timeout=x timeout=-1 connect_timeout=0
               connect_timeout=1x);
    bad("$url \"prefix=$_\"", 'invalid value')
        for 'a{b', 'a}', 'a b', 'a*', "\xE6\x96\xB0", 'x' x 65;
};


subtest 'passwords from files' => sub {
    my $url = 'redis://127.0.0.1';

    bad("$url password_file=$prefix/none", 'cannot open the file.*No such');
    bad("$url password_file=$prefix", 'cannot read the file.*directory');
    bad("$url password_file=$empty", 'without a password');
    bad("$url password_file=$large", 'too large');
    bad("$url sentinel_password_file=$secret", 'a URL without sentinels');
    bad("sentinel://127.0.0.1/main sentinel_password_file=$_->[0]", $_->[1])
        for [ "$prefix/none", 'cannot open the file' ],
            [ $empty, 'without a password' ], [ $large, 'too large' ];
    bad("redis://:hunter2\@127.0.0.1 password_file=$secret",
        'a password in its URL and a "password_file"');
};


subtest 'TLS' => sub {
    my $url = 'rediss://127.0.0.1';

    bad("redis://127.0.0.1 $_", 'a parameter for TLS and a URL without')
        for "ca=$cert", "cert=$cert key=$key", 'verify=on', 'verify=off';
    bad("unix:/run/redis.sock ca=$cert", 'a URL without');
    bad("$_ tls=on", 'for sentinels, and a URL without')
        for $url, 'redis://127.0.0.1', 'unix:/run/redis.sock';
    bad("sentinel://127.0.0.1/main ca=$cert", '"tls=on" with sentinels');
    bad("sentinel://127.0.0.1/main tls=off verify=on",
        '"tls=on" with sentinels');
    bad("$url verify=maybe", 'invalid value "verify=maybe"');
    bad("$url cert=$cert", 'one of "cert" and "key" without the other');
    bad("$url key=$key", 'one of "cert" and "key" without the other');
    bad("$url verify=off ca=$cert", '"ca" together with "verify=off"');
    bad("$url ca=$prefix/none", 'cannot use "ca=');
    bad("$url ca=$junk", 'cannot use "ca=');
    bad("$url cert=$junk key=$key", 'cannot use "cert=');
    bad("$url cert=$cert key=$junk", 'cannot use "cert=');
};


subtest 'zones' => sub {
    my $zones = "push_zone one 1m;\npush_zone two 1m;";

    good('redis://127.0.0.1', $zones);
    good('redis://127.0.0.1 zone=two', $zones);
    good('redis://127.0.0.1 zone=two', '', "$zones\n$end");
    good('redis://127.0.0.1', "$zones\npush_redis redis://[::1] zone=two;");
    bad('redis://127.0.0.1 zone=three', 'unknown zone "three"', $zones);
    bad('redis://127.0.0.1', 'duplicate for the zone "one"',
        "$zones\npush_redis redis://[::1];");
    bad('redis://127.0.0.1 zone=one', 'duplicate for the zone "one"',
        "$zones\npush_redis redis://[::1];");

    my ($good, $said) = check('push_redis redis://127.0.0.1;', '',
                              'server { listen 127.0.0.1:1; }');

    ok($good, 'without any zone');
    like($said, qr/\[warn\] \S+ "push_redis" is of no use/, 'it is said');
};


subtest 'push_redis_ack' => sub {
    my $redis = 'push_redis redis://127.0.0.1;';

    for my $value ('accepted', 'replicated 1 100ms', 'replicated 100 1999ms') {
        for my $text ("push_redis_ack $value; $redis",
                      "$redis push_redis_ack $value;")
        {
            my ($good, $said) = check($text);

            ok($good, "good: $text") or diag($said);
            unlike($said, qr/warn|emerg/, 'nothing is said');
        }
    }

    for ([ '', 'invalid number of arguments' ],
         [ 'all', 'takes "accepted", or "replicated"' ],
         [ 'replicated', 'takes "accepted", or "replicated"' ],
         [ 'accepted 1 1s', 'takes "accepted", or "replicated"' ],
         [ 'replicated 1', 'invalid number of arguments' ],
         [ 'replicated 0 1s', 'invalid number of replicas "0"' ],
         [ 'replicated 101 1s', 'invalid number of replicas "101"' ],
         [ 'replicated x 1s', 'invalid number of replicas "x"' ],
         [ 'replicated 1 x', 'invalid time "x"' ],
         [ 'replicated 1 0', 'invalid time "0"' ],
         [ 'replicated 1 2s', 'needs a "timeout" above the time' ],
         [ 'accepted; push_redis_ack accepted', 'is duplicate' ])
    {
        my ($good, $said) = check("$redis push_redis_ack $_->[0];");

        ok(!$good, "bad: $_->[0]");
        like($said, qr/\[emerg\] .*$_->[1].* in \S+:\d+$/m, 'cause and place');
        like($said, qr/\[emerg\] .*"push_redis_ack"/, 'directive');
    }

    bad('redis://127.0.0.1 timeout=1s', 'needs a "timeout" above the time',
        'push_redis_ack replicated 1 1s;');
};


subtest 'places' => sub {
    bad('redis://127.0.0.1', 'directive is not allowed here',
        'server { listen 127.0.0.1:2;', "}\n$end");
    bad('redis://127.0.0.1', 'directive is not allowed here',
        'server { listen 127.0.0.1:2; location / {', "} }\n$end");
};


subtest 'a name that is not found' => sub {
    for my $url ('redis://nowhere.invalid',
                 'sentinel://127.0.0.1,nowhere.invalid/main')
    {
        my ($good, $said, $line) = check("push_redis $url;");

        ok($good, 'is no failure');
        like($said, qr/\[warn\] \S+ "push_redis" cannot find .*:$line$/m,
             'but said');
        like($said, qr/the host "nowhere\.invalid" now/, 'which one');
    }
};


done_testing;
