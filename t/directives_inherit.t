#!/usr/bin/perl

# Directives are inherited from http, server and location; what holds where
# nothing is said.

use strict;
use warnings;

use Push::Poll;
use Push::Test;
use Push::WebSocket;

# the default is a part of it
delete $ENV{PUSH_HIBERNATE};

# each level has its own value of everything that can be seen from outside;
# $1 is what a test asks for

my %values = (
    http     => { history => 2, size => 20, retry => 2000, start => 'last:1',
                  format => 'json', user => 'of-http', zone => 'zone1',
                  max_age => '2s', hibernate => 'off' },
    server   => { history => 3, size => 30, retry => 3000, start => 'last:2',
                  format => 'raw', user => 'of-server', zone => 'zone2',
                  max_age => '1h', hibernate => 'on' },
    location => { history => 4, size => 40, retry => 4000, start => 'earliest',
                  format => 'json', user => 'of-location', zone => 'zone3',
                  max_age => 'off', hibernate => 'off' },
);

sub lines {
    my $v = $values{$_[0]};

    return "push_history $v->{history}; push_max_message_size $v->{size};"
           . "push_retry $v->{retry}ms; push_start $v->{start};"
           . "push_format $v->{format}; push_user $v->{user};"
           . "push_use_zone $v->{zone}; push_max_age $v->{max_age};"
           . "push_hibernate $v->{hibernate};";
}

my $locations = <<'E';
        location = /pub { push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
E

my $conf = <<"E";
    push_zone zone0 1m;
    push_zone zone1 1m;
    push_zone zone2 1m;
    push_zone zone3 1m;

    log_format push '\$uri \$server_port [\$push_user]';
    access_log logs/access.log push;

    @{[ lines('http') ]}

    server {
        listen 127.0.0.1:%%PORT%%;
        $locations
        location = /zone0 { push_use_zone zone0; push_publish \$arg_channel; }
        location = /zone1 { push_use_zone zone1; push_publish \$arg_channel; }
        location = /zone2 { push_use_zone zone2; push_publish \$arg_channel; }
        location = /zone3 { push_use_zone zone3; push_publish \$arg_channel; }
    }
    server {
        listen 127.0.0.1:%%PORT2%%;
        @{[ lines('server') ]}
        $locations

        location /in {
            @{[ lines('location') ]}

            location = /in/pub { push_publish \$arg_channel; }
            location = /in/sub { push_subscribe \$arg_channel; }

            location = /in/if {
                push_publish \$arg_channel;
                if (\$arg_a) { set \$b 1; }
            }
            location = /in/ifsub {
                if (\$arg_a) { set \$b 1; }
                push_subscribe \$arg_channel;
            }
        }
    }
E

for_workers(1, 4, sub {
    my $n = nginx(conf => $conf, workers => $_[0]);
    my $i = 0;

    for (['http', 1, '/pub', '/sub'], ['server', 2, '/pub', '/sub'],
         ['location', 2, '/in/pub', '/in/sub'],
         ['location', 2, '/in/if', '/in/ifsub'],
         ['location', 2, '/in/if', '/in/ifsub', '&a=1'])
    {
        my ($level, $server, $pub, $sub, $args) = @$_;
        my %v = %{ $values{$level} };
        my $port = $n->port($server);
        my $query = '?channel=c' . ++$i . ($args // '');

        my @r = map { $n->publish("$pub$query", "m$_", port => $port) } 1 .. 9;
        is(scalar(grep { $_->status == 201 } @r), 9, "$level: published");

        my $info = $n->get("/$v{zone}$query");
        is($info->status, 200, "$level: push_use_zone");
        is($info->json->{messages}, $v{history}, "$level: push_history");
        is_deeply([ map { $n->get("/$_$query")->status }
                    grep { $_ ne $v{zone} } map { "zone$_" } 0 .. 3 ],
                  [ (404) x 3 ], 'in no other');

        is_deeply([ map { $n->publish("$pub$query", 'x' x $_, port => $port)
                              ->status } $v{size}, $v{size} + 1 ],
                  [ 201, 413 ], "$level: push_max_message_size");

        my $messages = { 'last:1' => 1, 'last:2' => 2,
                         earliest => $v{history} }->{$v{start}};
        my $c = $n->sse("$sub$query", port => $port);

        $c->wait_messages($messages);
        is($c->received, $messages, "$level: push_start");
        is($c->retry, $v{retry}, "$level: push_retry");
        is($c->data->[-1] =~ /\A\{/ ? 'json' : 'raw', $v{format},
           "$level: push_format");

        # the line in the log comes with the start, or with the end

        my $line = qr/^\Q$sub\E $port \[\Q$v{user}\E\]$/m;

        if ($v{hibernate} eq 'on') {
            ok(wait_for(sub { $n->access_log =~ $line }),
               "$level: push_hibernate on");

        } else {
            unlike($n->access_log, $line, "$level: push_hibernate off");
        }

        if ($v{max_age} eq '2s') {
            $c->wait_closed;
            ok($c->event('push.reconnect'), "$level: push_max_age");

        } else {
            ok(!$c->closed, "$level: push_max_age");
            $c->close;
        }

        ok(wait_for(sub { $n->access_log =~ $line }), "$level: push_user");
        $n->write_file('logs/access.log', '');
    }
});

# the same for what a client may ask for, and what it may do

subtest 'transports and rights' => sub {
    my $n = nginx(conf => <<'E');
        push_transports ndjson poll websocket;
        push_poll_timeout 20s;
        push_client_publish on;
        push_client_subscribe h:*;

        server {
            listen 127.0.0.1:%%PORT%%;
            location = /pub { push_publish $arg_channel; }
            location = /sub { push_subscribe $arg_channel; }
        }
        server {
            listen 127.0.0.1:%%PORT2%%;
            push_transports sse websocket poll;
            push_poll_timeout 0;
            push_client_publish s:**;
            push_client_subscribe s:*;
            location = /sub { push_subscribe $arg_channel; }

            location /in {
                push_transports websocket poll;
                push_poll_timeout 30s;
                push_client_publish off;
                push_client_subscribe off;

                location = /in/sub { push_subscribe $arg_channel; }
                location = /in/if {
                    push_subscribe $arg_channel;
                    if ($arg_a) { set $b 1; }
                }
            }
        }
E

    # HEAD by SSE, NDJSON and pages; whether a poll waits; which channels may
    # be published to and subscribed

    my %want = (
        http     => [ '406 200 200', 1, 'own', 'h:x' ],
        server   => [ '200 406 200', 0, 's:x s:x:y', 's:x' ],
        location => [ '406 406 200', 1, '', '' ],
    );

    for (['http', 1, '/sub'], ['server', 2, '/sub'],
         ['location', 2, '/in/sub'], ['location', 2, '/in/if'],
         ['location', 2, '/in/if', '&a=1'])
    {
        my ($level, $server, $path, $args) = @$_;
        my ($transports, $waits, $publish, $subscribe) = @{ $want{$level} };
        my $port = $n->port($server);
        my $what = "$level, $path" . ($args //= '');

        is(join(' ', map { $n->http(HEAD => "$path?channel=own$args",
               port => $port, headers => [ Accept => $_ ])->status }
               qw(text/event-stream application/x-ndjson application/json)),
           $transports, "$what: push_transports");

        my $name = 'wait' . ++(our $waits_of);
        my $p = start_poll($port, "$path?channel=$name$args", wait => 20);
        ok(wait_for(sub {
            my $info = $n->get("/pub?channel=$name");
            return $p->ended || $info->status == 200
                                && $info->json->{subscribers};
        }), "$what: a poll");
        is($p->ended ? 0 : 1, $waits, "$what: push_poll_timeout");
        $p->close;

        my $c = ws($port, "$path?channel=own$args", protocol => 'push.json');
        my @channels = qw(own h:x s:x s:x:y);

        $c->wait_messages(1);
        $c->command({ publish => $_, data => 1, ref => "p $_" }) for @channels;
        $c->command({ subscribe => $_, ref => "s $_" }) for @channels;
        $c->command({ ping => 1, ref => 'end' });
        $c->wait_object(ref => 'end');

        my %may;
        $_->{type} =~ /published|subscribed/ and $_->{ref}
            and $may{$_->{ref}} = 1 for @{ $c->objects };

        is(join(' ', grep { $may{"p $_"} } @channels), $publish,
           "$what: push_client_publish");
        is(join(' ', grep { $may{"s $_"} } @channels), $subscribe,
           "$what: push_client_subscribe");
        $c->close;
    }
};

subtest 'by default' => sub {
    my $n = nginx(conf => <<'E');
        log_format push '$uri [$push_user]';
        access_log logs/access.log push;

        server {
            listen 127.0.0.1:%%PORT%%;
            location = /pub { push_publish $arg_channel; }
            location = /sub { push_subscribe $arg_channel; }
            location = /status { push_status; }
        }
E

    my $zones = $n->get('/status')->json->{zones};
    is_deeply([ map { "$_->{name} $_->{size}" } @$zones ],
              [ 'push ' . (32 << 20) ], 'push_zone push 32m');

    $n->publish('/pub?channel=a', "m$_") for 1 .. 101;
    is($n->get('/pub?channel=a')->json->{messages}, 100, 'push_history 100');

    is($n->publish('/pub?channel=b', 'x' x 65536)->status, 201,
       'push_max_message_size 64k');
    is($n->publish('/pub?channel=b', 'x' x 65537)->status, 413, 'and no more');

    my @c = map { $n->sse('/sub?channel=a') } 1 .. 50;
    $_->wait_subscribed for @c;
    my @retry = sort { $a <=> $b } map { $_->retry } @c;

    ok($retry[0] >= 1000 && $retry[-1] <= 5000,
       "push_retry 1s 5s: @retry[0, -1]");
    ok($retry[0] < $retry[-1], 'at random');

    $n->publish('/pub?channel=a', 'next');
    $_->wait_messages(1) for @c;
    is_deeply([ map { @{ $_->data } } @c ], [ ('next') x 50 ],
              'push_start latest, push_format raw');

    ok(wait_for(sub {
        my @lines = $n->access_log =~ m{^/sub \[-\]$}mg;
        return @lines == 50;
    }), 'push_hibernate on, push_user is empty');

    $n->get('/pub?channel=a',
            headers => { Authorization => 'Basic YWxpY2U6c2VjcmV0' });
    ok(wait_for(sub { $n->access_log =~ m{^/pub \[alice\]$}m }),
       'push_user $remote_user');

    for my $type (qw(text/event-stream application/x-ndjson application/json)) {
        is($n->http(HEAD => '/sub?channel=a', headers => [ Accept => $type ])
           ->header('content-type'), $type, "push_transports: $type");
    }

    my $c = ws($n, '/sub?channel=a', protocol => 'push.json');
    ok($c->wait_open, 'push_transports: websocket');
    $c->command({ publish => 'a', data => 1, ref => 'p' });
    $c->command({ subscribe => 'b', ref => 's' });
    is($c->wait_object(ref => $_)->{status}, 403,
       $_ eq 'p' ? 'push_client_publish off' : 'push_client_subscribe off')
        for 'p', 's';
};

done_testing;
