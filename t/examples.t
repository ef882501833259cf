#!/usr/bin/perl

# What is shown to users works: every configuration of conf-examples/, the
# README's first steps, and every configuration in the documentation.  The
# commands of docs/http.md are in docs_http.t.

use strict;
use warnings;

use MIME::Base64 qw(encode_base64);

use Push::Docs;
use Push::Pods;
use Push::Redis;
use Push::Test;
use Push::WebSocket;

my %tested;


sub is_published {
    my ($r, $channel, $what) = @_;

    is($r->status, 201, "$what: status");
    is($r->json->{channel}, $channel, "$what: channel");
}


subtest 'minimal' => sub {
    my $n = example('minimal');
    my $c = start_curl('http://localhost:' . $n->port . '/sub?channel=news');

    ok($c->wait_out(qr/^event: push\.subscribed$/m), 'curl subscribes');

    my $r = curl('-d', 'hello',
                 'http://localhost:' . $n->port . '/pub?channel=news');
    is(decode_json($r->{out})->{subscribers}, 1, 'curl publishes');
    ok($c->wait_out(qr/^data: hello$/m), 'and the message arrives');
    is($n->publish('/pub?channel=news', 'x', source => '127.0.0.2')->status,
       403, 'somebody else may not');
    is($n->http(HEAD => '/sub?channel=news', source => '127.0.0.2')->status,
       200, 'but may listen');

    my ($shown) = slurp('README.md') =~ /```nginx\n(load_module.*?)```/s;
    is($shown, slurp('conf-examples/minimal.conf') =~ s/\A(?:#.*\n|\n)*//r,
       'it is what README.md shows');

    finish_servers();
};
$tested{minimal} = 1;


subtest 'demo' => sub {
    my $n = example('demo');

    for (['/', 'text/html'], ['/demo.js', 'text/javascript'],
         ['/demo.css', 'text/css'], ['/icon.svg', 'image/svg+xml'])
    {
        my $r = $n->get($_->[0]);
        is($r->status, 200, $_->[0]);
        is($r->header('content-type'), $_->[1], 'its type');
        like($r->header('content-security-policy'), qr/default-src 'self'/,
             'its policy');
    }

    my $c = $n->sse('/sub?channel=a');
    ok($c->wait_subscribed, 'subscribe');
    is_published($n->publish('/pub?channel=a', 'x'), 'a', 'publish');
    ok($c->wait_messages(1), 'it arrives');
    is($n->get('/status')->json->{subscribers}{total}, 1, 'status');
    is($n->get('/where')->body, $n->prefix . '/demo', 'where');

    is_deeply([ grep { !m{/(?:modules|demo|clients|certs|logs|temp|html)\z|\.conf\z
                          |_temp\z|/stderr\z|/check\z}x } glob $n->prefix . '/*' ],
              [], 'nothing else is written');

    finish_servers();
};
$tested{demo} = 1;


subtest 'private-publish' => sub {
    my $n = example('private-publish');
    my $c = $n->sse('/sub?channel=a');

    ok($c->wait_subscribed, 'everybody may subscribe');
    is($n->publish('/pub?channel=a', 'x')->status, 404, 'but not publish');
    is_published($n->publish('/pub?channel=a', 'y', port => $n->port(2)),
                 'a', 'on the private side');
    ok($c->wait_messages(1), 'it arrives');
    is_deeply($c->data, ['y'], 'and nothing else');
    is($n->publish('/pub?channel=b', 'x' x 200_000, port => $n->port(2))
        ->status, 201, 'a large message');
    is($n->get('/status', port => $n->port(2))->json->{zones}[0]{size},
       64 << 20, 'status');

    for (['https://www.example.com', 200], ['https://a.example.com', 200],
         ['http://localhost', 200, Host => 'localhost'],
         ['https://example.org', 403], ['http://www.example.com', 403])
    {
        my ($origin, $status, @more) = @$_;
        is($n->http(HEAD => '/sub?channel=a',
                    headers => [ Origin => $origin, @more ])->status,
           $status, $origin);
    }

    finish_servers();
};
$tested{'private-publish'} = 1;


subtest 'tls-http2' => sub {

    my $n = example('tls-http2', before => sub {
        my ($n) = @_;
        in_comment($n, 'tls-http2', qr/openssl/);
        chmod 0644, $n->prefix . '/certs/server.key';
    });

    my $url = 'https://localhost:' . $n->port;
    my @curl = ('--cacert', $n->prefix . '/certs/server.crt', '--http2');

    # several subscriptions are streams of one connection

    my $c = start_curl(@curl, '--parallel', '--parallel-immediate',
                       map { "$url/sub?channel=$_" } 'a' .. 'h');

    ok(wait_for(sub { (() = $c->out =~ /push\.subscribed/g) == 8 }),
       'eight subscriptions');

    my $r = curl(@curl, '-d', 'hello', '-w', '\n%{http_version}',
                 "$url/pub?channel=c");
    like($r->{out}, qr/"subscribers":1\}\n2\z/, 'publish, HTTP/2');
    ok($c->wait_out(qr/^data: hello$/m), 'it arrives');

    $r = curl(@curl, '-sN', '-m', 2, '-o', '/dev/null',
              '-w', '%{http_code} %{http_version} %{content_type}',
              "$url/sub?channel=c");
    is($r->{out}, '200 2 text/event-stream', 'subscribe, HTTP/2');

    is($n->publish('/pub?channel=c', 'x', tls => 1)->status, 201,
       'HTTP/1.1 as well');

    my $w = ws($n, '/sub?channel=c&since=last:1', tls => 1);

    ok($w->wait_messages(1), 'a WebSocket as well');
    is_deeply($w->data, ['x'], 'and its message');

    finish_servers();
};
$tested{'tls-http2'} = 1;


subtest 'zones' => sub {
    my $n = example('zones');

    my $messages = sub {
        my ($path, $count) = @_;
        my $c = $n->sse($path);
        $c->wait_messages($count) if $count;
        $c->wait_subscribed;
        return $c->data;
    };

    $n->publish('/chat/pub?room=a', "chat $_") for 1 .. 3;
    $n->publish('/quotes/pub?symbol=a', "quote $_") for 1 .. 3;

    is_deeply($messages->('/chat/sub?room=a', 3),
              [ map { "chat $_" } 1 .. 3 ], 'all of a room');
    is_deeply($messages->('/quotes/sub?symbol=a', 1), ['quote 3'],
              'the last quote');
    is($n->publish('/quotes/pub?symbol=room:a', 'x')->json->{subscribers}, 0,
       'the same name in two zones is two channels');
    is($n->publish('/quotes/pub?symbol=b', 'x' x 1025)->status, 413,
       'a quote is short');
    is($n->publish('/chat/pub?room=a,b', 'x')->status, 400,
       'one room at a time');

    my $status = $n->get('/status')->json;
    is_deeply([ map { "$_->{name} $_->{size}" } @{ $status->{zones} } ],
              [ 'chat ' . (32 << 20), 'quotes ' . (8 << 20) ], 'status');

    finish_servers();
};
$tested{zones} = 1;


subtest 'chat' => sub {
    my $n = example('chat', before => sub {
        my ($n) = @_;
        my $users = $n->read_file('users');

        $n->write_file('users', $users . $users =~ s/\Aada/bob/r);
    });

    my $login = sub {
        return { Authorization => 'Basic ' . encode_base64("$_[0]:secret", '') };
    };

    my $enter = sub {
        my $c = ws($n, '/chat', protocol => 'push.json',
                   headers => $login->($_[0]));

        is($c->wait_object(type => 'subscribed')->{channel}, "user:$_[0]",
           "$_[0] begins with an inbox");
        return $c;
    };

    my $stranger = ws($n, '/chat', protocol => 'push.json');

    $stranger->wait_head;
    is($stranger->status, 401, 'no password, no chat');

    my ($ada, $bob) = map { $enter->($_) } qw(ada bob);

    for ($ada, $bob) {
        $_->command({ subscribe => 'room:1' });
        ok($_->wait_object(type => 'subscribed', channel => 'room:1'),
           'enters a room');
    }

    $ada->command({ publish => 'room:1', data => 'hello', user => 'bob',
                    ref => 1 });
    ok($ada->wait_object(type => 'published', ref => 1), 'ada writes');

    for ($ada, $bob) {
        my $m = $_->wait_object(type => 'message', channel => 'room:1');
        is_deeply([ @$m{qw(data user)} ], ['hello', 'ada'],
                  'it comes, with her name');
    }

    $ada->command({ publish => 'user:bob', data => 'only for you' });
    is($bob->wait_object(channel => 'user:bob', type => 'message')->{data},
       'only for you', 'to an inbox');

    $ada->command({ subscribe => 'user:bob', ref => 2 });
    is($ada->wait_object(ref => 2)->{status}, 403, 'which only bob reads');

    $ada->command({ publish => 'other', data => 1, ref => 3 });
    is($ada->wait_object(ref => 3)->{status}, 403, 'nothing else to write to');

    $ada->command({ unsubscribe => 'room:1' });
    ok($ada->wait_object(type => 'unsubscribed'), 'ada leaves');

    is_published($n->publish('/pub?channel=room:1', 'from the application'),
                 'room:1', 'the application');
    is($bob->wait_object(data => 'from the application')->{user}, undef,
       'has no name');
    is($n->publish('/pub?channel=room:1', 'x', source => '127.0.0.2')->status,
       403, 'not from elsewhere');

    is($ada->count, 8, 'what ada got') or diag(join "\n", @{ $ada->data });
    is($ada->bye(1000)->wait_code, 1000, 'and she goes');

    # back, from the beginning

    $ada = $enter->('ada');
    $ada->command({ subscribe => 'room:1', since => 'earliest' });
    ok($ada->wait_object(data => 'from the application'), 'all is there');

    my $page = $n->get('/history/room:1?limit=1&before='
                       . $ada->objects->[-1]{id}, headers => $login->('ada'));

    is_deeply([ map { $_->{data} } @{ $page->json->{messages} } ], ['hello'],
              'a page of what was before');
    is($n->get('/history/user:bob', headers => $login->('ada'))->status, 404,
       'not of an inbox');
    is($n->get('/history/room:1')->status, 401, 'not without a password');

    my $c = $n->sse('/read/room:1', headers => $login->('bob'));

    ok($c->wait_messages(2), 'to read along');
    is(decode_json($c->data->[0])->{user}, 'ada', 'in envelopes');

    finish_servers();
};
$tested{chat} = 1;


# The commands in its comment make the user of Redis and the file with the
# password, and with these the pods are one.

sub pod_of_example {
    my ($redis) = @_;
    my $port = $redis->port;

    return example('redis',
        edit => sub { $_[0] =~ s/:6379\b/:$port/r },
        before => sub { in_comment($_[0], 'redis', qr/umask/) });
}


subtest 'redis' => sub {
    my $redis = Push::Redis->new;
    my ($acl) = slurp('conf-examples/redis.conf')
                    =~ /^#     (redis-cli ACL (?:.*\\\n)*.*)/m;

    $acl =~ s/\\\n#//g;
    $acl =~ s/redis-cli/'redis-cli -p ' . $redis->port/e;

    my $r = command('sh', '-c', $acl);
    is($r->{out}, "OK\n", "its command: $acl") or diag($r->{err});

    my ($a, $b) = map { pod_of_example($redis) } 1, 2;

    wait_up($_) for $a, $b;

    my @c = map { $_->sse('/sub?channel=a') } $a, $b;

    ok($_->wait_subscribed, 'subscribe') for @c;
    is_published($a->publish('/pub?channel=a', 'x'), 'a', 'publish');
    ok($_->wait_messages(1), 'it arrives everywhere') for @c;
    is($a->get('/status')->json->{zones}[0]{backplane}{name}, 'redis',
       'status');
    is($a->publish('/pub?channel=a', 'x', source => '127.0.0.2')->status, 403,
       'not from elsewhere');
    is(scalar(grep { my %e = @$_; $e{object} ne 'config|get' }
              @{ $redis->command('ACL', 'LOG') }), 0,
       'and Redis refused nothing that is needed');

    finish_servers();
};
$tested{redis} = 1;


subtest 'balancer' => sub {
    my $redis = Push::Redis->new;
    my ($a, $b) = pods($redis, 2);
    my %port = (8081 => $a->port, 8082 => $b->port);

    my $n = example('balancer', edit => sub {
        $_[0] =~ s/(server +127\.0\.0\.1:)(\d+)/$1$port{$2}/gr;
    });

    my @c = map { $n->sse('/sub?channel=a') } 1 .. 4;
    my $w = ws($n, '/sub?channel=a', protocol => 'push.json');

    ok($_->wait_subscribed, 'event streams') for @c;
    ok($w->wait_object(type => 'subscribed'), 'a WebSocket');

    my $poll = start_curl('-H', 'Accept: application/json', '-H',
                          'Prefer: wait=20',
                          'http://127.0.0.1:' . $n->port . '/sub?channel=a');

    my $spread = sub {
        return map { $_->get('/status')->json->{subscribers}{total} } $a, $b;
    };

    ok(wait_for(sub { my ($i, $j) = $spread->(); $i + $j == 6 }),
       'and a poll that waits');
    is_deeply([ $spread->() ], [ 3, 3 ], 'half of them on each pod');

    is($n->publish('/pub?channel=a', 'x')->json->{nodes}, 2, 'publish');
    ok($_->wait_messages(1), 'event stream: it comes') for @c;
    ok($w->wait_object(data => 'x'), 'WebSocket: it comes');
    ok($poll->wait, 'poll: it comes');
    is(decode_json($poll->out)->{messages}[0]{data}, 'x', 'and is it');

    my $own = ws($n, '/sub?channel=a', headers => { Origin => 'http://localhost' });
    is($own->wait_open, 1, 'its own page is let in');

    # a pod that is gone

    $b->stop('TERM');

    is($n->publish('/pub?channel=a', 'y')->status, 201, 'the other one serves')
        for 1 .. 4;
    ok(wait_for(sub { 2 == grep { $_->ended || $_->closed } @c }),
       'who was there loses the connection');

    for my $c (grep { $_->ended || $_->closed } @c) {
        $c = $n->sse('/sub?channel=a', headers => { 'Last-Event-ID' =>
                                                    $c->messages->[0]{id} });
        ok($c->wait_messages(4), 'and resumes on the other one');
        ok(!$c->event('push.gap'), 'without a gap');
    }

    finish_servers();
};
$tested{balancer} = 1;


is_deeply([ sort keys %tested ],
          [ sort map { m{([^/]+)\.conf\z} } glob "$root/conf-examples/*.conf" ],
          'every file of conf-examples/ has a test');


subtest 'the commands in README.md' => sub {
    my $n = example('minimal');
    my $port = $n->port;
    my ($sub, $pub, @more) = map { s/localhost:8080/localhost:$port/r }
        slurp('README.md') =~ /^    (curl [^\n]*'http:[^\n]*)$/mg;

    is(scalar @more, 3, 'commands');

    my $c = start_command('sh', '-c', "exec $sub");
    ok($c->wait_out(qr/push\.subscribed/), $sub);
    is(decode_json(command('sh', '-c', $pub)->{out})->{subscribers}, 1, $pub);
    ok($c->wait_out(qr/^data: hello$/m), 'it arrives');

    my ($lines, $page, $poll) = @more;

    $lines = start_command('sh', '-c', "exec $lines");
    ok($lines->wait_out(qr/"subscribed"/), $more[0]);

    $page = decode_json(command('sh', '-c', $page)->{out});
    is_deeply([ map { $_->{data} } @{ $page->{messages} } ], ['hello'],
              $more[1]);

    $poll = start_command('sh', '-c', "exec $poll");
    ok(wait_for(sub {
        $n->get('/pub?channel=news')->json->{subscribers} == 3;
    }), 'a poll waits');

    command('sh', '-c', $pub);
    ok($lines->wait_out(qr/"data":"hello"/), 'a line comes');
    ok($poll->wait, $more[2]);
    is(decode_json($poll->out)->{messages}[0]{data}, 'hello',
       'and the answer of the poll');

    finish_servers();
};


# Configurations in the text: put where they belong, nginx -t takes them.

for my $file (map { s{\A\Q$root/}{}r } glob "$root/docs/*.md $root/README.md") {
    my @blocks = blocks($file, 'nginx') or next;

    subtest "configurations in $file" => sub {
        for (@blocks) {
            my ($line, $text) = @$_;
            my $more = $text =~ /push_use_zone\s+(\w+)/
                           && $text !~ /push_zone\s+$1\s/
                       ? "push_zone push 1m; push_zone $1 1m;" : '';
            my @alternatives;

            $more .= 'upstream backend { server 127.0.0.1:1; }'
                if $text =~ m{//backend;};
            $more .= 'map $http_upgrade $connection_upgrade { default upgrade; }'
                if $text =~ /\$connection_upgrade;/;
            $text =~ s/^\s*\.\.\.\n//gm;

            # files of the reader's; a key is good for any secret
            $text =~ s/\b(ca|cert)=[^\s;]+/$1=%%CERT%%/g;
            $text =~ s/\b(key|\w*password_file)=[^\s;]+/$1=%%KEY%%/g;

            if ($text =~ /^\s*location\b/m && $text !~ /^\s*server\b/m) {
                @alternatives = ("$more server { listen 127.0.0.1:%%PORT%%;
                                  location = /who { return 204; } $text }");

            } elsif ($text =~ /\{/) {
                $text =~ s/^load_module.*//m;
                $text =~ s/\blisten 8080/listen 127.0.0.1:%%PORT%%/;
                $text =~ s/\A.*?http \{(.*)\}\s*\z/$1/s;
                @alternatives = ($text);

            } else {
                # statements, perhaps of one directive in several forms
                @alternatives = $text =~ /^(\S.*?;)\s*(?:#.*)?$/gms;
            }

            for my $conf (@alternatives) {
                my ($good, $said) = Push::Nginx->check(conf => $conf);
                ok($good, "line $line") or diag("$conf\n$said");
            }
        }
    };
}


# NGINX as a proxy, as docs/troubleshooting.md has it: everything gets through.

subtest 'through a proxy' => sub {
    my ($map, $location) = map {
        my $re = $_;
        grep { $_ =~ $re } map { $_->[1] }
            blocks('docs/troubleshooting.md', 'nginx')
    } qr/map \$http_upgrade/, qr/Connection \$connection_upgrade;/;

    my $n = nginx(conf => <<"C");
        $map
        upstream backend { server 127.0.0.1:%%PORT2%%; keepalive 4; }

        server { listen 127.0.0.1:%%PORT%%; $location }

        server {
            listen 127.0.0.1:%%PORT2%%;
            location = /pub { push_publish \$arg_channel; }
            location = /sub { push_subscribe \$arg_channel; }
        }
C

    my $w = ws($n, '/sub?channel=a', protocol => 'push.json');
    my $c = $n->sse('/sub?channel=a');

    ok($w->wait_object(type => 'subscribed'), 'WebSocket');
    ok($c->wait_subscribed, 'event stream');

    my $poll = start_curl('-H', 'Accept: application/json', '-H',
                          'Prefer: wait=20',
                          'http://localhost:' . $n->port . '/sub?channel=a');

    ok(wait_for(sub {
        $n->get('/pub?channel=a', port => $n->port(2))->json->{subscribers}
            == 3;
    }), 'and a poll wait');

    $n->publish('/pub?channel=a', 'x', port => $n->port(2));

    ok($w->wait_object(data => 'x'), 'WebSocket: it comes');
    ok($c->wait_messages(1), 'event stream: it comes');
    ok($poll->wait, 'poll: it comes');
    is(decode_json($poll->out)->{messages}[0]{data}, 'x', 'and is it');

    is(ws($n, '/sub?channel=a', headers => { Origin => 'http://localhost' })
        ->wait_open, 1, 'its own page is let in');

    finish_servers();
};


done_testing;
