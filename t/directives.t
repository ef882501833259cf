#!/usr/bin/perl

# Every directive: values that are good and bad, where it may stand, twice,
# what is inherited and by default.

use strict;
use warnings;

use Push::Test;

# lines of nginx.conf are counted
delete $ENV{PUSH_HIBERNATE};

# "levels": http, server, location; the first good value is the one tried at
# each of them; bad ones come with their cause

my %directives = (
    push_zone => {
        levels => 'h',
        good => [ 'z 1m', 'z 128k', '"a b" 1m', 'z 8M', 'z 131072' ],
        bad => {
            'z' => 'invalid number of arguments',
            'z 1m 2m' => 'invalid number of arguments',
            'z 0' => '"0"', 'z x' => '"x"', 'z -1' => '"-1"',
            'z 1t' => '"1t"', 'z ""' => '""', '"" 1m' => 'empty zone name',
            'z 127k' => 'too small', 'z 99999999999999999999' => '"9+"',
        },
        again => 'twice',
    },
    push_use_zone => {
        levels => 'hsl',
        good => ['one'],
        bad => { '' => 'invalid number of arguments', '""' => 'unknown zone',
                 'nowhere' => 'unknown zone "nowhere"',
                 'one two' => 'invalid number of arguments' },
    },
    push_publish => {
        levels => 'l',
        good => [ '$arg_channel', 'a', 'a b c', '"$arg_a:$1"', '${arg_a}x',
                  "\xE6\x96\xB0", join ' ', map { "c$_" } 1 .. 255 ],
        bad => {
            '' => 'invalid number of arguments', '""' => 'empty argument',
            'a ""' => 'empty argument', 'a,b' => '"a,b", which cannot be part',
            '"a%20b"' => '"a%20b", which cannot',
            '"a$arg_b,c"' => '",c", which cannot',
            "\"a\tb\"" => 'cannot be part', "\xFF" => 'cannot be part',
            'x' x 251 => 'cannot be part',
            '$nowhere' => 'unknown "nowhere" variable',
            '"a$"' => 'invalid variable "\$"', '"a$-b"' => 'variable "\$"',
            '"${arg_a"' => 'invalid variable "\$\{arg_a"',
            '"${}"' => 'invalid variable "\$\{\}"',
            '"a${"' => 'invalid variable "\$\{"',
            join(' ', map { "c$_" } 1 .. 256) => 'more than 255 arguments',
        },
    },
    push_transports => {
        levels => 'hsl',
        good => [ 'sse', 'websocket', 'ndjson poll',
                  'sse websocket ndjson poll' ],
        bad => {
            '' => 'invalid number of arguments',
            'http' => 'invalid value "http"',
            'sse SSE' => 'invalid value "SSE"',
            '""' => 'invalid value ""', 'all' => 'invalid value "all"',
            'off' => 'invalid value "off"', 'ws' => 'invalid value "ws"',
            'sse,ndjson' => 'invalid value "sse,ndjson"',
            'ndjson "" poll' => 'invalid value ""',
        },
    },
    push_poll_timeout => {
        levels => 'hsl',
        good => [ '30s', '1m', '500ms', '0', '60' ],
        bad => {
            '' => 'invalid number of arguments', 'x' => 'invalid value',
            '1s 2s' => 'invalid number of arguments',
            '-1' => 'invalid value', 'off' => 'invalid value',
            '1x' => 'invalid value',
        },
    },
    push_client_publish => {
        levels => 'hsl',
        good => [ 'off', 'on', 'chat:*', 'chat:** room/*', '**', '*', 'a',
                  'a.*/b:**', "\xE6\x96\xB0:*", 'x' x 250 ],
        bad => {
            '' => 'invalid number of arguments',
            'on off' => 'invalid value "on"',
            'on chat:*' => 'invalid value "on"',
            'chat:* on' => 'invalid value "on"',
            'chat:* off' => 'invalid value "off"',
            'off off' => 'invalid value "off"',
            'a**' => 'invalid value "a\*\*"',
            '*a' => 'invalid value "\*a"', 'a:***' => 'invalid value',
            '**:a' => 'invalid value "\*\*:a"',
            'a:**:b' => 'invalid value "a:\*\*:b"',
            'good:* a%20b' => 'invalid value "a%20b"',
            'a,b' => 'invalid value "a,b"', '""' => 'invalid value ""',
            "\xFF" => 'invalid value', 'x' x 251 => 'invalid value',
        },
    },
    push_client_subscribe => {
        levels => 'hsl',
        good => [ 'off', 'chat:*', 'chat:** room/*', '**', 'a' ],
        bad => {
            '' => 'invalid number of arguments', 'on' => 'invalid value "on"',
            'chat:* off' => 'invalid value "off"',
            'off chat:*' => 'invalid value "off"',
            'chat:* on' => 'invalid value "on"',
            'a*' => 'invalid value "a\*"', '**.a' => 'invalid value',
            'a,b' => 'invalid value "a,b"', '""' => 'invalid value ""',
            'x' x 251 => 'invalid value',
        },
    },
    push_subscribe => {
        levels => 'l',
        good => [ '$arg_channel', 'a' ],
        bad => {
            '' => 'invalid number of arguments', '""' => 'empty argument',
            'a,b' => '"a,b", which cannot be part',
            '$nowhere' => 'unknown "nowhere" variable',
        },
    },
    push_history => {
        levels => 'hsl',
        good => [ '10', 'off', '1 1s', '1 forever', '1 1h max_size=1m',
                  '1 max_size=1', '1 forever max_size=10k', '1 500ms',
                  '1000000' ],
        bad => {
            '' => 'invalid number of arguments', '0' => '"0"', 'x' => '"x"',
            '-1' => '"-1"', '10 1s max_size=1 x' =>
                'invalid number of arguments',
            'off 1s' => '"1s"', '10 0' => '"0"', '10 x' => '"x"',
            '10 -1s' => '"-1s"', '10 1s 1s' => '"1s"',
            '10 max_size=' => '"max_size="', '10 max_size=0' => '"max_size=0"',
            '10 max_size=x' => '"max_size=x"', '10 1s max_size=-1' =>
                '"max_size=-1"',
            '10 max_size=1 1s' => '"1s"',
            '10 max_size=1 max_size=2' => '"max_size=2"',
            '99999999999' => '"99999999999"', '10 forever 1s' => '"1s"',
            '1.5' => '"1.5"', '10 ""' => '""',
        },
    },
    push_start => {
        levels => 'hsl',
        good => [ 'earliest', 'latest', 'last:1', 'last:1000' ],
        bad => { '' => 'invalid number of arguments', 'first' => '"first"',
                 'last:' => '"last:"', 'last:x' => '"last:x"',
                 'last:-1' => '"last:-1"', '""' => '""',
                 'aaaaaaaa-00000000000001' => '"aaaaaaaa-0+1"',
                 'earliest latest' => 'invalid number of arguments' },
    },
    push_format => {
        levels => 'hsl',
        good => [ 'json', 'raw' ],
        bad => { '' => 'invalid number of arguments', 'xml' => '"xml"',
                 '""' => '""', 'raw json' => 'invalid number of arguments' },
    },
    push_max_message_size => {
        levels => 'hsl',
        good => [ '1k', '1', '64m', '65536' ],
        bad => { '' => 'invalid number of arguments', '0' => '"0"|between',
                 'x' => 'invalid value', '-1' => 'invalid value',
                 '65m' => 'between', '1 2' => 'invalid number of arguments',
                 '""' => 'invalid value|between' },
    },
    push_heartbeat => {
        levels => 'hsl',
        good => [ '10s', '1s', '500ms', '0' ],
        bad => { '' => 'invalid number of arguments', 'x' => 'invalid value',
                 '-1' => 'invalid value', 'off' => 'invalid value',
                 '1s 2s' => 'invalid number of arguments' },
    },
    push_retry => {
        levels => 'hsl',
        good => [ '1s', '1s 1s', '500ms 10s', '1s 1m' ],
        bad => { '' => 'invalid number of arguments', 'x' => '"x"',
                 '1s x' => '"x"', '2s 1s' => '"1s"', '-1' => '"-1"',
                 '1s 2s 3s' => 'invalid number of arguments' },
    },
    push_max_age => {
        levels => 'hsl',
        good => [ '1h', 'off', '1s', '1h jitter=0%', '1h jitter=100%' ],
        bad => { '' => 'invalid number of arguments', 'x' => '"x"',
                 '0' => '"0"', '999ms' => '"999ms"', '1h x' => '"x"',
                 '1h jitter=' => '"jitter="', '1h jitter=%' => '"jitter=%"',
                 '1h jitter=20' => '"jitter=20"',
                 '1h jitter=101%' => '"jitter=101%"',
                 '1h jitter=-1%' => '"jitter=-1%"',
                 'off jitter=20%' => '"jitter=20%"',
                 '1h jitter=1% x' => 'invalid number of arguments' },
    },
    push_slow_reader => {
        levels => 'hsl',
        good => [ 'close', 'gap' ],
        bad => { '' => 'invalid number of arguments', 'kill' => '"kill"',
                 '""' => '""', 'gap close' => 'invalid number of arguments' },
    },
    push_backlog => {
        levels => 'hsl',
        good => [ '2m', '0', '64k' ],
        bad => { '' => 'invalid number of arguments', 'x' => 'invalid value',
                 '-1' => 'invalid value',
                 '1 2' => 'invalid number of arguments' },
    },
    push_channel_idle => {
        levels => 'hsl',
        good => [ '10m', '0', '1d' ],
        bad => { '' => 'invalid number of arguments', 'x' => 'invalid value',
                 '-1' => 'invalid value',
                 '1 2' => 'invalid number of arguments' },
    },
    push_hibernate => {
        levels => 'hsl',
        good => [ 'off', 'on' ],
        bad => { '' => 'invalid number of arguments', 'maybe' => '"maybe"',
                 'on off' => 'invalid number of arguments' },
    },
    push_status => {
        levels => 'l',
        good => [''],
        bad => { 'on' => 'invalid number of arguments' },
    },
    push_allow_origin => {
        levels => 'hsl',
        good => [ 'self', '*', 'https://a.example null' ],
        bad => { '' => 'invalid number of arguments', 'a.example' =>
                 '"a.example"' },
    },
    push_user => {
        levels => 'hsl',
        good => [ '$arg_user', 'x' ],
        bad => { '' => 'invalid number of arguments',
                 '$nowhere' => 'unknown "nowhere" variable',
                 'a b' => 'invalid number of arguments' },
    },
    push_redis => {
        levels => 'h',
        good => [ 'redis://127.0.0.1', 'unix:/tmp/redis.sock zone=one',
                  'redis://127.0.0.1:6380/2 prefix=a timeout=1s' ],
        bad => { '' => 'invalid number of arguments',
                 'http://127.0.0.1' => '"push_redis"',
                 'redis://127.0.0.1 zone=two' => 'unknown zone "two"',
                 'redis://127.0.0.1 timeout=x' => 'invalid value "timeout=x"' },
    },
    push_redis_ack => {
        levels => 'h',
        good => [ 'accepted', 'replicated 1 100ms', 'replicated 100 1s' ],
        bad => { '' => 'invalid number of arguments', 'all' => 'takes "accept',
                 'replicated 1' => 'invalid number of arguments',
                 'replicated 0 1s' => 'invalid number of replicas "0"',
                 'replicated 1 x' => 'invalid time "x"' },
    },
    push_drain_window => {
        levels => 'h',
        good => [ '10s', '1s', '0', '500ms' ],
        bad => { '' => 'invalid number of arguments', 'x' => 'invalid value',
                 '-1' => 'invalid value',
                 '1s 2s' => 'invalid number of arguments' },
    },
);

my %levels = (
    h => sub { "push_zone one 1m;\n$_[0]\nserver { listen 127.0.0.1:1; }" },
    s => sub { "push_zone one 1m;\nserver { listen 127.0.0.1:1;\n$_[0]\n}" },
    l => sub { "push_zone one 1m;\nserver { listen 127.0.0.1:1;\n"
               . "location ~ (.*) {\n$_[0]\n}\n}" },
    i => sub { "push_zone one 1m;\nserver { listen 127.0.0.1:1;\n"
               . "location / {\nif (\$arg_a) {\n$_[0]\n}\n}\n}" },
);

my $n = Push::Nginx->new(start => 0, conf => '', allow => [qr/emerg/]);

# whether it is good, what is said, the line on which the directive stands

sub check {
    my ($level, $text) = @_;

    unlink $n->prefix . '/check';

    my ($good, $said) = $n->check(conf => $levels{$level}->($text));
    my @lines = split /\n/, $n->read_file('nginx.conf');
    my ($line) = grep { $lines[$_ - 1] eq $text } 1 .. @lines;

    return ($good, $said, $line);
}

sub good {
    my ($level, $text) = @_;
    my ($good, $said) = check($level, $text);

    ok($good, "good at $level: " . substr $text, 0, 60) or diag($said);
}

sub bad {
    my ($level, $name, $text, $cause) = @_;
    my ($good, $said, $line) = check($level, $text);
    my ($error) = $said =~ /\[emerg\] (.*)/;
    my $what = substr $text, 0, 60;

    $error //= '';

    ok(!$good, "bad at $level: $what");
    like($error, qr/$cause/, "$what: cause");

    # a variable may be defined later on: NGINX looks at the end
    return if $cause =~ /"nowhere" variable/;

    like($error, qr/"\$?$name"/, "$what: directive");
    like($error, qr/ in \S+nginx\.conf:$line\b/, "$what: place");
}

# none is forgotten

my %known = map { $_ => 1 }
    map { /ngx_command_t\s+\w+\[\] = \{(.*?)ngx_null_command/s
          ? $1 =~ /ngx_string\("(push_\w+)"\)/g : () }
    map { open my $in, '<', $_ or die; local $/; scalar <$in> }
    glob "$root/ngx_push_module/http/*.c";

is_deeply([ sort keys %directives ], [ sort keys %known ],
          'all directives are here');

for my $name (sort keys %directives) {
    my $d = $directives{$name};
    my $first = $d->{good}[0];
    my ($level) = $d->{levels} =~ /(.)\z/;

    subtest $name => sub {
        good($level, "$name $_;") for @{ $d->{good} };

        for my $value (sort keys %{ $d->{bad} }) {
            my $text = length $value ? "$name $value;" : "$name;";
            bad($level, $name, $text, $d->{bad}{$value});
        }

        for my $where ('h', 's', 'l', 'i') {
            if (index($d->{levels}, $where) >= 0) {
                good($where, "$name $first;");

            } else {
                bad($where, $name, "$name $first;",
                    'directive is not allowed here');
            }
        }

        bad($level, $name, "$name $first; $name $first;",
            $d->{again} // 'is duplicate') if $name ne 'push_status';
    };
}

# taken by an older module

my @taken = qw(push_subscriber push_publisher push_subscriber_timeout
    push_store_messages push_max_reserved_memory push_message_timeout
    push_max_message_buffer_length push_message_buffer_length
    push_authorized_channels_only push_channel_group
    push_max_channel_id_length push_max_channel_subscribers
    push_channel_timeout push_min_message_buffer_length
    push_subscriber_concurrency);

is_deeply([ grep { $known{$_} } @taken ], [], 'no name of another module');
is_deeply([ grep { /\Apush_stream_/ } keys %known ], [], 'nor of a third');

subtest 'zones' => sub {
    bad('h', 'push_zone', 'push_zone one 2m;', 'twice');
    bad('h', 'push_use_zone', 'push_use_zone two;', 'unknown zone "two"');

    my ($good) = check('s', 'push_use_zone later; } push_zone later 1m; '
                            . 'server { listen 127.0.0.1:2;');
    ok($good, 'a zone may come after its use');

    good('h', 'server { location / { push_publish a; push_subscribe a; } }');
    good('h', 'server { location / { push_publish a; '
              . 'location /in { push_subscribe a; } } }');
};

done_testing;
