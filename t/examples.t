#!/usr/bin/perl

# What is shown to users works: every configuration of conf-examples/, every
# "$ " command of docs/http.md with the output shown there, the README's first
# steps, and every configuration in the documentation.

use strict;
use warnings;

use File::Copy qw(copy);
use POSIX ();

use Push::Test;

sub slurp {
    open my $in, '<:raw', "$root/$_[0]" or die "$_[0]: $!";
    local $/;
    return scalar <$in>;
}


# A server with an example's configuration.  What is changed: the ports, and
# that it stays in the foreground; "more" goes to the beginning of http {}, for
# those that leave logs and folders to the NGINX they are for.

sub example {
    my ($name, %opt) = @_;
    my $text = slurp("conf-examples/$name.conf");

    my $ports = 0;

    $text =~ s{^(\s*listen\s+)(?:127\.0\.0\.1:)?\d+}
              { $1 . '127.0.0.1:%%PORT' . ++$ports . '%%' }gme;
    $text =~ s/\bhttp \{/http { $opt{more}/ if $opt{more};

    my $main = "daemon off;\n";

    $main .= "user root;\n" if $> == 0 && ($ENV{PUSH_ASAN} || $ENV{PUSH_COVER});
    $main .= "pid logs/nginx.pid;\n" if $text !~ /^pid\s/m;

    my $n = nginx(conf => $main . $text, start => 0);

    mkdir $n->prefix . "/$_" for qw(modules demo certs);
    copy($_, $n->prefix . '/demo') for glob "$root/demo/*";
    symlink $Push::Nginx::module, $n->prefix . '/modules/ngx_push_module.so';
    $opt{before}->($n) if $opt{before};

    my ($good, $said) = $n->check;
    ok($good, "$name.conf: nginx -t") or diag($said);
    unlike($said, qr/warn/, 'no warning')
        unless $name eq 'tls-http2' && Push::Nginx::version() >= 1_025_001;

    $n->start;

    return $n;
}

# for an example that leaves these to the NGINX it is for
my $private = 'access_log logs/access.log; ' . join ' ',
    map { "${_}_temp_path temp/$_;" } qw(client_body proxy fastcgi uwsgi scgi);

my %tested;


sub is_published {
    my ($r, $channel, $what) = @_;

    is($r->status, 201, "$what: status");
    is($r->json->{channel}, $channel, "$what: channel");
}


subtest 'minimal' => sub {
    my $n = example('minimal', more => $private);
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

    is_deeply([ grep { !m{/(?:modules|demo|certs|logs|temp|html)\z|\.conf\z
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

    # by the command in its comment

    my ($command) = slurp('conf-examples/tls-http2.conf')
        =~ /^#     (openssl (?:.*\\\n)*.*)/m;

    $command =~ s/\\\n#//g;

    my $n = example('tls-http2', before => sub {
        my ($n) = @_;
        my $r = command('sh', '-c', "cd '" . $n->prefix . "' && $command");
        is($r->{code}, 0, 'its openssl command') or diag($r->{err});
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


is_deeply([ sort keys %tested ],
          [ sort map { m{([^/]+)\.conf\z} } glob "$root/conf-examples/*.conf" ],
          'every file of conf-examples/ has a test');


# The commands of a document: [ line, command, output ], from its "sh" blocks.

sub commands {
    my ($file) = @_;
    my ($inside, @all);
    my $n = 0;

    for (split /\n/, slurp($file)) {
        $n++;

        if (/\A```(\w*)/) {
            $inside = !$inside && $1 eq 'sh';

        } elsif ($inside && /\A\$ (.*)/) {
            push @all, [ $n, $1, '' ];

        } elsif ($inside) {
            $all[-1][2] .= "$_\n";
        }
    }

    return @all;
}


# What is shown as a pattern: the lives of channels and times are others, but
# what was one life there has to be one here; numbers of messages stay.

sub same_output {
    my ($got, $shown, $lives) = @_;

    if ($shown =~ m{\AHTTP/}) {
        # of the headers only some are shown

        my ($head, $body) = split /\n\n/, $shown, 2;
        my ($got_head, $got_body) = split /\r\n\r\n/, $got, 2;

        for my $line (split /\n/, $head) {
            return 0 unless grep { same_text($_, $line, $lives) }
                            split /\r\n/, $got_head // '';
        }

        ($got, $shown) = ($got_body // '', $body);
    }

    # a body brings no end of line
    $shown =~ s/\n\z// if $got !~ /\n\z/;

    return same_text($got, $shown, $lives);
}

sub same_text {
    my ($got, $shown, $lives) = @_;

    my $id = qr/[\w.-]{8}-\d{14}/;
    my $time = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;

    my $pattern = join '', map {
        /\A$id\z/ ? '[\w.-]{8}' . quotemeta(substr $_, 8)
                  : /\A$time\z/ ? $time : /\Aretry: / ? 'retry: \d+'
                                        : quotemeta
    } split /($id|$time|^retry: \d+$)/m, $shown;

    return 0 unless $got =~ /\A$pattern\z/;

    my @lives = ($got =~ /$id/g);

    for ($shown =~ /$id/g) {
        my $life = substr shift @lives, 0, 8;
        return 0 if ($lives->{substr $_, 0, 8} //= $life) ne $life;
    }

    return 1;
}


subtest 'how outputs are compared' => sub {
    my $shown = '{"id":"abcdefgh-00000000000001","at":"2026-01-02T03:04:05.678Z"}'
                . "\nretry: 17\n\nid: abcdefgh-00000000000002\n";
    my $good = $shown =~ s/abcdefgh/12-4_6.8/gr =~ s/2026/2031/r =~ s/17/8000/r;

    ok(same_output($good, $shown, {}), 'the same');
    ok(!same_output($good =~ s/1"/2"/r, $shown, {}), 'another number');
    ok(!same_output($good =~ s/12-4/xxxx/r, $shown, {}), 'another life');
    ok(!same_output("$good\nx", $shown, {}), 'more');
    ok(!same_output($good =~ s/\d+Z/Z/r, $shown, {}), 'not a time');
    ok(!same_output('', $shown, {}), 'nothing');
    ok(same_output("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\nx",
                   "HTTP/1.1 200 OK\nC: d\n\nx\n", {}), 'some of the headers');
    ok(!same_output("HTTP/1.1 200 OK\r\nA: b\r\n\r\nx",
                    "HTTP/1.1 200 OK\nC: d\n\nx\n", {}), 'a header is missing');
};


for my $name (qw(minimal demo)) {
    subtest "docs/http.md, with $name.conf" => sub {
        my $n = example($name, more => $name eq 'minimal' ? $private : '');
        my @commands = commands('docs/http.md');
        my %lives;

        cmp_ok(scalar @commands, '>', 15, 'commands');

        for (@commands) {
            my ($line, $command, $shown) = @$_;
            my $port = $n->port;

            is(scalar($command =~ s/localhost:8080/localhost:$port/g), 1,
               "line $line: talks to the server");

            my $r = command('sh', '-c', $command);

            ok(same_output($r->{out}, $shown, \%lives), "line $line: $command")
                or diag("shown:\n$shown\ngot:\n$r->{out}$r->{err}");
        }

        finish_servers();
    };
}


subtest 'the commands in README.md' => sub {
    my $n = example('minimal', more => $private);
    my $port = $n->port;
    my ($sub, $pub) = slurp('README.md')
        =~ /^    (curl -N '[^']+')\n.*?^    (curl -d [^\n]*)\n/ms;

    s/localhost:8080/localhost:$port/ or die for $sub, $pub;

    my $c = start_command('sh', '-c', "exec $sub");
    ok($c->wait_out(qr/push\.subscribed/), $sub);
    is(decode_json(command('sh', '-c', $pub)->{out})->{subscribers}, 1, $pub);
    ok($c->wait_out(qr/^data: hello$/m), 'it arrives');
};


# Configurations in the text: put where they belong, nginx -t takes them.

sub blocks {
    my ($file) = @_;
    my (@all, $block, $start);
    my $n = 0;

    for (split /\n/, slurp($file)) {
        $n++;

        if (/\A\s*```/) {
            push @all, [ $start, $block ] if defined $block;
            $block = /nginx\z/ ? '' : undef;
            $start = $n + 1;

        } elsif (defined $block) {
            $block .= "$_\n";
        }
    }

    return @all;
}

for my $file (map { s{\A\Q$root/}{}r } glob "$root/docs/*.md $root/README.md") {
    my @blocks = blocks($file) or next;

    subtest "configurations in $file" => sub {
        for (@blocks) {
            my ($line, $text) = @$_;
            my $more = $text =~ /push_use_zone\s+(\w+)/
                           && $text !~ /push_zone\s+$1\s/
                       ? "push_zone push 1m; push_zone $1 1m;" : '';
            my @alternatives;

            $more .= 'upstream backend { server 127.0.0.1:1; }'
                if $text =~ m{//backend;};
            $text =~ s/^\s*\.\.\.\n//gm;

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


done_testing;
