#!/usr/bin/perl

# Bodies of a publish: in memory and in files, in one piece and in many, by
# length and in chunks, too large, broken off; one connection for several.

use strict;
use warnings;

use IO::Socket::INET;
use MIME::Base64;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Push::Test;

my $conf = <<'E';
    push_zone big 64m;
    push_history 100 10m;
    push_max_message_size 8m;
    client_max_body_size 16m;

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% ssl %%H2%%;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%KEY%%;

        location = /pub { push_publish $arg_channel; }
        location = /tiny {
            client_body_buffer_size 16;
            push_publish $arg_channel;
        }
        location = /file {
            client_body_in_file_only clean;
            push_publish $arg_channel;
        }
        location = /single {
            client_body_in_single_buffer on;
            push_publish $arg_channel;
        }
        location = /small {
            push_max_message_size 100;
            push_publish $arg_channel;
        }
        location = /smaller {
            client_max_body_size 50;
            push_max_message_size 100;
            push_publish $arg_channel;
        }
        location = /default-size {
            push_max_message_size 64k;
            push_publish $arg_channel;
        }
        location = /sub { push_subscribe $arg_channel; }
        location = /mirrored {
            mirror /copy;
            client_body_buffer_size 16;
            push_publish main;
        }
        location = /copy { internal; push_publish copy; }

        location /app { proxy_pass http://127.0.0.1:%%PORT3%%; }
        location = /app-tiny {
            client_body_buffer_size 16;
            proxy_pass http://127.0.0.1:%%PORT3%%;
        }
        location @publish { push_publish app; }
        location = /info { internal; push_publish app; }
    }

    server {
        listen 127.0.0.1:%%PORT3%%;
        location / { add_header X-Accel-Redirect @publish; return 200; }
        location = /app/info {
            add_header X-Accel-Redirect /info;
            return 200;
        }
    }
E

# HTTP/2 is part of "listen" or a line of its own
if (Push::Nginx::version() >= 1_025_001) {
    $conf =~ s/ %%H2%%;/; http2 on;/;
} else {
    $conf =~ s/%%H2%%/http2/;
}

my $n;

sub info { return $n->get("/pub?channel=$_[0]") }

# what a subscriber gets for the last message of a channel; binary bodies
# come as base64

sub last_body {
    my ($channel) = @_;
    my $c = $n->sse("/sub?channel=$channel&since=last:1");

    $c->wait_messages(1);
    $c->close;

    return $c->data->[0];
}

# bytes to a server, all that comes back until it closes

sub connection {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                PeerPort => $_[0] // $n->port, Timeout => 30) or die $!;

    setsockopt($s, IPPROTO_TCP, TCP_NODELAY, 1);

    return $s;
}

sub until_close {
    my ($s) = @_;
    my $all = '';

    local $SIG{ALRM} = sub { die "no end: $all" };
    alarm 60;
    while (sysread $s, my $bytes, 65536) { $all .= $bytes }
    alarm 0;

    return $all;
}

# until the bytes match

sub read_until {
    my ($s, $re) = @_;
    my $all = '';

    local $SIG{ALRM} = sub { die "no $re: $all" };
    alarm 60;
    while ($all !~ $re && sysread $s, my $bytes, 65536) { $all .= $bytes }
    alarm 0;

    return $all;
}

# responses in a row: [status, headers, body]

sub responses {
    my ($bytes) = @_;
    my @all;

    while ($bytes =~ s{\AHTTP/1\.1 (\d+)[^\r]*\r\n(.*?)\r\n\r\n}{}s) {
        my ($status, $head) = ($1, $2);
        my ($length) = $head =~ /^Content-Length: (\d+)/mi;

        push @all, [ $status, $head, substr $bytes, 0, $length // 0, '' ];
    }

    is($bytes, '', 'nothing else');

    return @all;
}

sub head {
    my ($path, @headers) = @_;
    return "POST $path HTTP/1.1\r\nHost: localhost\r\n"
           . join('', map { "$_\r\n" } @headers) . "\r\n";
}

sub chunked {
    my ($size, $body) = @_;
    return join('', map { sprintf "%x\r\n%s\r\n", length, $_ }
                    $body =~ /.{1,$size}/gs) . "0\r\n\r\n";
}

sub noise {
    my ($length) = @_;
    return join '', map { chr int rand 256 } 1 .. $length;
}

seed();

my @binary = ('Content-Type' => 'application/octet-stream');

for_workers(1, 4, sub {
    $n = nginx(conf => $conf, workers => $_[0]);

    my $pattern = noise(4096);

    for my $size (0, 1, 15, 16, 17, 500, 1023, 4096, 16383, 16384, 16385,
                  65536, 1 << 20)
    {
        my $body = substr $pattern x (1 + $size / 4096), 0, $size;
        my $base64 = encode_base64($body, '');
        my @paths = $size > 65536 ? qw(/tiny) : qw(/pub /tiny /file /single);
        my @headers = (@binary, Connection => 'close');
        my $c = $n->sse("/sub?channel=s$size");
        my $bad = 0;

        $c->wait_subscribed;

        for my $path (@paths) {
            my $url = "$path?channel=s$size";
            my @lines = map { "$headers[2 * $_]: $headers[2 * $_ + 1]" } 0, 1;

            $bad++ if $n->publish($url, $body, headers => {@binary})->status
                      != 201;
            $bad++ if raw($n->port, head($url, @lines,
                              'Transfer-Encoding: chunked')
                          . chunked(7000, $body))->status != 201;
        }

        is($bad, 0, "$size bytes: published");

        my $late = $n->sse("/sub?channel=s$size&since=earliest");

        for ($c, $late) {
            $_->wait_messages(2 * @paths);
            $_->close;
            is(scalar(grep { $_ eq $base64 } @{ $_->data }), 2 * @paths,
               "$size bytes: the same at a subscriber");
        }

        is(info("s$size")->json->{bytes}, $size * 2 * @paths,
           "$size bytes: counted");
    }
});

$n = nginx(conf => $conf);

subtest 'a byte at a time' => sub {
    my $body = "first line\nsecond \xE6\x96\xB0\n";

    for my $how ('length', 'chunks') {
        my $s = connection();
        my $bytes = $how eq 'length'
            ? head("/tiny?channel=slow", 'Content-Length: ' . length $body,
                   'Connection: close') . $body
            : head("/tiny?channel=slow", 'Transfer-Encoding: chunked',
                   'Connection: close') . chunked(3, $body);

        for my $byte (split //, $bytes) {
            syswrite $s, $byte;
            select undef, undef, undef, 0.0005;
        }

        my ($r) = responses(until_close($s));
        is($r->[0], 201, "$how: status");
        is(last_body('slow'), $body, "$how: body");
    }

    is(info('slow')->json->{messages}, 2, 'one message each');
};

subtest 'Expect: 100-continue' => sub {
    my $s = connection();
    syswrite $s, head('/pub?channel=e', 'Expect: 100-continue',
                      'Content-Length: 5', 'Connection: close');
    is(read_until($s, qr/\r\n\r\n/), "HTTP/1.1 100 Continue\r\n\r\n", 'go on');
    is(info('e')->status, 404, 'nothing yet');
    syswrite $s, 'hello';
    my ($r) = responses(until_close($s));
    is($r->[0], 201, 'then 201');
    is(last_body('e'), 'hello', 'body');

    # what is refused by its head is refused at once

    my %cases = (
        413 => [ '/small?channel=e', 'Content-Length: 101' ],
        400 => [ '/pub?channel=', 'Content-Length: 5' ],
        405 => [ '/pub?channel=e', 'Content-Length: 5' ],
        403 => [ '/pub?channel=e', 'Content-Length: 5', 'Origin: http://x' ],
    );

    for my $status (sort keys %cases) {
        my ($path, @headers) = @{ $cases{$status} };
        my $head = head($path, @headers, 'Expect: 100-continue');

        $head =~ s/\APOST/PATCH/ if $status == 405;

        $s = connection();
        syswrite $s, $head;
        my $all = read_until($s, qr/\}\z/);
        like($all, qr{\AHTTP/1\.1 $status .*application/problem\+json}s,
             "$status before the body");
        unlike($all, qr/100 Continue/, 'which is not asked for');
        close $s;
    }

    is(info('e')->json->{messages}, 1, 'no effect');
};

subtest 'too large' => sub {
    my $like = qr{urn:ngx-push:problem:message-too-large};

    is($n->publish('/small?channel=l', 'x' x 100)->status, 201, 'at the limit');

    my $r = $n->publish('/small?channel=l', 'x' x 101);
    is($r->status, 413, 'over the limit');
    like($r->json->{type}, $like, 'problem');

    for my $size (99, 100, 101, 5000) {
        my $want = $size > 100 ? 413 : 201;

        $r = raw($n->port, head('/small?channel=l', 'Connection: close',
                                'Transfer-Encoding: chunked')
                           . chunked(30, 'x' x $size));
        is($r->status, $want, "chunked: $size");
        like($r->json->{type}, $like, 'problem') if $want == 413;
    }

    is(info('l')->json->{messages}, 3, 'only what fits');

    for my $size (51, 101) {
        $r = $n->publish('/smaller?channel=n', 'x' x $size);
        is($r->status, 413, "NGINX's own limit: $size");
        like($r->json->{type}, $like, 'problem');

        $r = raw($n->port, head('/smaller?channel=n', 'Connection: close',
                                'Transfer-Encoding: chunked')
                           . chunked(30, 'x' x $size));
        is($r->status, 413, "NGINX's own limit, chunked: $size");
        like($r->json->{type}, $like, 'problem');
    }

    is(info('n')->status, 404, 'no effect');

    for my $size (65536, 65537) {
        is($n->publish('/default-size?channel=d', 'x' x $size)->status,
           $size > 65536 ? 413 : 201, "64k: $size");
    }

    # a client that goes on sending sees the answer, not a reset

    my $body = 'x' x 2_000_000;
    my $seen = 0;

    for (1 .. 5) {
        my $s = connection();
        syswrite $s, head('/small?channel=l', 'Content-Length: 2000000');
        my $sent = 0;

        while ($sent < length $body) {
            $sent += syswrite($s, $body, 100_000, $sent) // last;
        }

        $seen++ if until_close($s) =~ /\AHTTP\S+ 413 .*message-too-large/s;
    }

    is($seen, 5, 'the answer is seen by a client that goes on sending');
};

subtest 'broken' => sub {
    my %cases = (
        'bad chunk size' => "zz\r\nhello\r\n0\r\n\r\n",
        'chunk too long' => "5\r\nhello world\r\n0\r\n\r\n",
        'huge chunk' => "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    );

    for my $what (sort keys %cases) {
        my $s = connection();
        syswrite $s, head('/pub?channel=broken', 'Transfer-Encoding: chunked',
                          'Connection: close') . $cases{$what};
        like(until_close($s), qr{\AHTTP/1\.1 4\d\d .*problem\+json}s, $what);
    }

    # the client goes in mid-body

    for my $path (qw(/pub /tiny)) {
        for my $head (['Content-Length: 100'], ['Transfer-Encoding: chunked'])
        {
            my $lines = () = $n->log_lines(qr/prematurely closed/);
            my $s = connection();
            syswrite $s, head("$path?channel=broken", @$head)
                         . ($head->[0] =~ /chunked/ ? "64\r\n" : '')
                         . 'x' x 50;
            close $s;
            ok(wait_for(sub {
                my @now = $n->log_lines(qr/prematurely closed/);
                return @now > $lines;
            }), "$path, @$head: gone");
        }
    }

    is(info('broken')->status, 404, 'no effect');
};

subtest 'keep-alive' => sub {
    my $keep = Push::HTTP->new($n->port);

    my @requests = (
        [ POST => '/pub?channel=k', 201, body => 'one' ],
        [ POST => '/pub?channel=', 400, body => 'x' x 70_000 ],
        [ POST => '/tiny?channel=k', 201, body => 'two' x 100 ],
        [ POST => '/pub?channel=k', 412, body => 'x',
          headers => { 'If-Match' => 'no' } ],
        [ GET => '/pub?channel=k', 200, body => 'a body of GET' ],
        [ PATCH => '/pub?channel=k', 405, body => 'x' x 1000 ],
        [ GET => '/pub?channel=unknown', 404 ],
        [ PUT => '/file?channel=k', 201, body => 'three' ],
        [ DELETE => '/pub?channel=k', 200, body => 'a body of DELETE' ],
        [ POST => '/pub?channel=k', 201, body => '' ],
        [ OPTIONS => '/pub?channel=k', 204 ],
        [ GET => '/pub?channel=k', 200 ],
    );

    for (@requests) {
        my ($method, $path, $status, %opt) = @$_;
        is($keep->request($method, $path, %opt)->status, $status,
           "$method $path");
    }

    is($keep->{r}{requests}, @requests, 'all on one connection');
    is(info('k')->json->{messages}, 1, 'one message after the DELETE');
};

subtest 'pipelined' => sub {
    my @bodies = map { "message $_ " . 'x' x (37 * $_) } 1 .. 50;
    my $s = connection();
    my $bytes = '';

    for my $i (0 .. $#bodies) {
        my $close = $i == $#bodies ? 'Connection: close' : 'X-Y: z';

        $bytes .= $i % 2
            ? head('/tiny?channel=pipe', $close, 'Transfer-Encoding: chunked')
              . chunked(100, $bodies[$i])
            : head('/pub?channel=pipe', $close,
                   'Content-Length: ' . length $bodies[$i]) . $bodies[$i];
    }

    syswrite $s, $bytes;

    my @r = responses(until_close($s));
    is_deeply([ map { $_->[0] } @r ], [ (201) x 50 ], 'an answer each');
    is_deeply([ map { decode_json($_->[2])->{id} =~ /-0*(\d+)\z/ } @r ],
              [ 1 .. 50 ], 'in order');

    my $c = $n->sse('/sub?channel=pipe&since=earliest');
    $c->wait_messages(50);
    is_deeply($c->data, \@bodies, 'each with its own body');
    $c->close;
};

subtest 'HTTP/2' => sub {
    my $url = 'https://localhost:' . $n->port(2);
    my @curl = ('--http2', '-k', '-i');

    my $r = curl(@curl, '-d', 'hello', '-H', 'Push-Event: e',
                 "$url/pub?channel=h2");
    like($r->{out}, qr{\AHTTP/2 201 .*^etag: "[^"]+"}ms, 'POST');
    is(last_body('h2'), 'hello', 'body');

    $r = curl(@curl, '-d', 'x' x 101, "$url/small?channel=h2");
    like($r->{out}, qr{\AHTTP/2 413 .*message-too-large}s, 'too large');

    # no Content-Length

    $n->write_file('file', 'y' x 100_000);
    $r = start_command('sh', '-c', "curl -sS --http2 -k -i -T - '$url/pub?"
                       . "channel=h2' < " . $n->prefix . '/file');
    $r->wait;
    like($r->out, qr{^HTTP/2 201 }m, 'PUT of no known length');
    is(last_body('h2'), 'y' x 100_000, 'body');

    $r = curl(@curl, "$url/pub?channel=h2");
    like($r->{out}, qr{\AHTTP/2 200 .*"messages":2}s, 'GET');
    like(curl(@curl, '-I', "$url/pub?channel=h2")->{out}, qr{\AHTTP/2 200 },
         'HEAD');
    like(curl(@curl, '-X', 'DELETE', "$url/pub?channel=h2")->{out},
         qr{\AHTTP/2 200 .*"subscribers":}s, 'DELETE');
};

subtest 'megabytes' => sub {
    my $url = 'http://127.0.0.1:' . $n->port;
    my $body = noise(100_000) x 50;

    $n->write_file('large', $body);

    for my $path (qw(/pub /file)) {
        my $r = curl('-H', 'Content-Type: application/octet-stream', '-H',
                     'Push-End: true', '-H', 'Expect: 100-continue',
                     '--data-binary', '@' . $n->prefix . '/large',
                     "$url$path?channel=large");
        like($r->{out}, qr/"id":"/, "$path: published");

        # sealed: the stream ends by itself

        $r = curl('-N', "$url/sub?channel=large&since=earliest");
        my @data = $r->{out} =~ /^data: ([A-Za-z0-9+\/=]{100,})$/mg;
        is(scalar @data, 1, "$path: one message");
        ok($data[0] eq encode_base64($body, ''), "$path: 5,000,000 bytes");

        $n->delete('/pub?channel=large');
    }
};

subtest 'as a subrequest' => sub {
    for my $body ('seen by both', 'a long one ' x 1000, '') {
        my $before = (info('copy')->json // {})->{messages} // 0;

        is($n->publish('/mirrored', $body)->status, 201, 'the request');
        ok(wait_for(sub {
            ((info('copy')->json // {})->{messages} // 0) > $before
        }), 'its mirror');
        is(last_body('copy'), $body, 'body');
        is(last_body('main'), $body, 'body of the first');
    }

    is($n->get('/copy')->status, 404, 'not from outside');
};

subtest 'handed over by an application' => sub {
    for my $path (qw(/app /app-tiny)) {
        for my $body ('short', 'a long one ' x 1000, '') {
            my $r = $n->publish("$path", $body, headers =>
                                { 'Push-Event' => 'handed' });

            is($r->status, 201, "$path: published");
            is($r->json->{channel}, 'app', 'there');
            is(last_body('app'), $body, 'the same body');
        }
    }

    my $r = $n->get('/app/info');
    is($r->status, 200, 'GET');
    is($r->json->{messages}, 6, 'count');
};

subtest 'no file is left' => sub {
    my $files = sub {
        my @found = glob $n->prefix . '/temp/client_body/*';
        return scalar @found;
    };

    ok(wait_for(sub { $files->() == 0 }), 'temporary files are gone');
};

done_testing;
