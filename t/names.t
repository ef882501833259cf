#!/usr/bin/perl

# Channel names: how they come out of a request, what is refused, and
# $push_channels wherever it is asked for.

use strict;
use warnings;

use Push::Test;

my $conf = <<'E';
    log_format push escape=json '$request_method $uri $status [$push_channels]';
    access_log logs/access.log push;

    map $push_channels $limited { default $push_channels; }
    limit_req_zone $limited zone=limit:64k rate=1r/m;

    map $arg_channel $mapped { default "$arg_channel"; }

    server {
        listen 127.0.0.1:%%PORT%%;
        large_client_header_buffers 4 128k;

        location = /pub   { push_publish $arg_channel; }
        location = /brace { push_publish ${arg_channel}; }
        location = /case  { push_publish $ARG_Channel; }
        location = /sub   { push_subscribe $arg_channel; }

        location = /tenant  { push_publish "tenant1:$arg_channel"; }
        location = /tenant2 { push_publish tenant1:${arg_channel}:x; }
        location = /pair    { push_publish "$arg_a$arg_b"; }
        location = /user    { push_publish "user:$arg_uid"; }
        location = /fixed   { push_publish "two words" news:1 $arg_channel; }
        location = /header  { push_publish $http_x_channel; }
        location = /mapped  { push_publish $mapped; }
        location = /uri     { push_publish "$uri"; }
        location = /self    { push_publish $push_channels; }

        location ~ (?s)^/ch/(.+)$ { push_publish $1; push_subscribe $1; }
        location ~ ^/named/(?<room>[^/]*)/(?<seat>.*)$ {
            push_publish $room-$seat;
        }
        location ~ ^/tenant/(.*)$ { push_publish "tenant1:$1"; }

        location = /limited {
            limit_req zone=limit;
            limit_req_status 429;
            push_publish $arg_channel;
        }

        location = /inbox {
            limit_req zone=limit;
            auth_request /who;
            auth_request_set $uid $http_x_user;
            push_publish "user:$uid";
        }
        location = /who { internal; return 204; }

        location = /first {
            limit_req zone=limit;
            push_publish "first:$arg_channel";
            error_page 403 = @second;
            satisfy all;
            auth_request /no;
        }
        location = /no { internal; return 403; }
        location @second { push_publish "second:$arg_channel"; }

        location = /rewritten {
            rewrite ^ /pub?channel=new:$arg_channel? last;
        }
        location = /tried { try_files /nothing /pub?$args; }
        location = /denied { deny all; push_publish $arg_channel; }

        location = /page { ssi on; ssi_types *; default_type text/html;
                           alias %%PREFIX%%/html/page; }
        location = /mirrored { mirror /copy; push_publish main; }
        location = /copy {
            internal;
            log_subrequest on;
            access_log logs/sub.log push;
            push_publish copy;
        }
    }
E

my $n;

sub names {
    my ($r) = @_;
    my $json = $r->json;

    return 'none' unless $r->status < 300 && ref $json;
    return join '|', map { my $name = $_->{channel}; utf8::encode($name);
                           $name }
                     ref $json eq 'ARRAY' ? @$json : $json;
}

sub named {
    my ($path, $names, $what, %opt) = @_;
    my $r = $n->publish($path, 'x', %opt);

    is($r->status, 201, $what // "$path: status") or diag($r->body);
    is(names($r), $names, $what // "$path: names");
}

sub refused {
    my ($path, $detail, %opt) = @_;
    my $r = $n->publish($path, 'x', %opt);

    is($r->status, 400, "$path: refused");
    is($r->json->{type}, 'urn:ngx-push:problem:bad-channel', "$path: slug");
    is($r->json->{detail}, $detail, "$path: cause");
}

# a line comes into the access log soon after the answer

sub logged {
    my ($re, $want, $what, $file) = @_;
    my $text = sub { $n->read_file($file // 'logs/access.log') };
    my $line = qr/^(?=[^\n]*$re)[^\n]* \Q$want\E$/m;

    wait_for(sub { $text->() =~ $line }, 10, $what);
    like($text->(), $line, $what);
}

my $new = "\xE6\x96\xB0";
my $bad = 'bad channel name';
my $percent = 'bad percent-encoding';
my $none = 'no channel is named';

for_workers(1, 4, sub {
    $n = nginx(conf => $conf, workers => $_[0]);

    subtest 'decoding' => sub {
        named('/pub?channel=%E6%96%B0', $new);
        named("/pub?channel=$new", $new);
        named("/ch/$new", $new);
        named('/ch/%E6%96%B0', $new);
        named('/brace?channel=%e6%96%b0', $new);
        named('/case?channel=%e6%96%b0', $new);
        is($n->get("/pub?channel=$new")->json->{messages}, 6,
           'all of them are one channel');

        my $c = $n->sse("/sub?channel=%E6%96%B0&since=earliest");
        $c->wait_messages(6);
        is($c->received, 6, 'to a subscriber too');
        $c->close;

        named('/pub?channel=a%20b', 'a b');
        named('/pub?channel=a+b', 'a+b');
        named('/pub?channel=%61%62', 'ab');
        named('/pub?x=1&channel=a&channel=b', 'a', 'the first of two');
        named('/pub?CHANNEL=a', 'a', 'in capitals');
        named('/pub?channel=/a/b.c:d@e', '/a/b.c:d@e');
        named('/pub?channel=a=b', 'a=b');
        named('/pub?channel=%22%5C%3C/', '"\\</');
        named('/pub?channel=%C2%A0', "\xC2\xA0");
        named('/pub?channel=%E2%80%A8', "\xE2\x80\xA8");
        named('/pub?channel=%EF%BB%BFbom', "\xEF\xBB\xBFbom");
        named('/pub?channel=%F0%9F%98%80', "\xF0\x9F\x98\x80");
        named('/ch/a/b', 'a/b');
        named('/ch/a%20b', 'a b');
        named('/ch/x?channel=y', 'x');
        named('/named/a/b%3Ac', 'a-b:c');
        named('/uri', '/uri');
        named('/header', $new, 'a header', headers => { 'X-Channel' => $new });
    };

    subtest 'refused' => sub {
        refused("/pub?channel=$_", $bad)
            for '%00', 'a%00', '%01', 'a%0Ab', '%0D', '%0D%0A', '%1F', '%7F',
                '%09', '%C2%80', '%C2%9F', '%C2%85', '%FF', '%C0%AF',
                '%C1%81', '%ED%A0%80', '%F4%90%80%80', '%E6%96', '%B0',
                "\xFF", "a\xE6\x96", ',', 'a,', ',a', 'a,,b', '%2C', '%2Ca';
        refused("/ch/$_", $bad)
            for '%0A', 'a%0D%0Ab', '%FF', '%2C', 'a,', '%C2%80';
        refused("/pub?channel=$_", $percent)
            for '%', 'a%', '%4', 'a%4', '%zz', '%u0041', '%%41', 'a,b%';

        # decoded twice, all of these would be good or even worse

        refused("/pub?channel=$_", $bad)
            for '%2541', '%25', '%252C', 'a%252Cb', '%25E6%2596%25B0';
        refused("/ch/$_", $bad) for '%2541', 'a%252Cb', '%25';
        refused('/mapped?channel=%41', $bad);
        refused('/header', $bad, headers => { 'X-Channel' => $_ })
            for '%41', 'a%2Cb', "a\tb", "\x1b", "\xFF";

        named('/mapped?channel=a', 'a');
    };

    subtest 'no channel' => sub {
        refused($_, $none) for '/pub', '/pub?', '/pub?channel=', '/pub?channel',
            '/pub?channels=a', '/user', '/user?uid=', '/tenant', '/tenant2',
            '/pair?a=x', '/pair?b=x', '/fixed', '/header', '/tenant/',
            '/named/x/';

        like(join("\n", $n->log_lines(qr/is empty, no channel is named/)),
             qr/\[info\].*variable "\$arg_uid" is empty/, 'said in the log');

        for (['/pub', '$arg_channel'], ['/brace', '${arg_channel}'],
             ['/named/x/', '$seat'], ['/tenant/', '$1'])
        {
            my ($path, $name) = @$_;
            my $re = qr/\Q"$name"\E is empty.*"POST \Q$path\E HTTP/;
            my $lines = my @before = $n->log_lines($re);

            $n->publish($path, 'x');
            is(scalar(my @after = $n->log_lines($re)), $lines + 1,
               "$path: once");
        }

        is($n->get('/pub?channel=user:')->status, 404, 'no common channel');
    };

    subtest 'lists' => sub {
        named('/pub?channel=a,b', 'a|b');
        named('/pub?channel=a%2Cb', 'a|b');
        named('/pub?channel=a%2cb,c', 'a|b|c');
        named("/pub?channel=%E6%96%B0,a,$new", "$new|a");
        named('/pub?channel=a,%61,a', 'a');
        named('/ch/a,b', 'a|b');
        named('/ch/a%2Cb', 'a|b');
        named('/header', 'a|b', 'a header',
              headers => { 'X-Channel' => 'a,b' });
        named('/fixed?channel=x,news:1', 'two words|news:1|x');

        # elsewhere a comma is no way into another channel

        refused($_, $bad) for '/tenant?channel=a,tenant2:b',
            '/tenant?channel=a%2Ctenant2:b', '/tenant?channel=a%252Cb',
            '/tenant2?channel=a,b', '/tenant2?channel=%2C',
            '/pair?a=x&b=,y', '/pair?a=x%2C&b=y', '/tenant/a,b',
            '/tenant/a%2Cb', '/tenant/a%252Cb', '/named/a/b,c',
            '/tenant?channel=%0A', '/tenant?channel=a%25',
            '/tenant?channel=%FF';

        named('/tenant?channel=a', 'tenant1:a');
        named('/tenant?channel=%E6%96%B0', "tenant1:$new");
        named('/tenant2?channel=a', 'tenant1:a:x');
        named('/tenant/a%20b', 'tenant1:a b');
        named('/pair?a=%E6&b=%96%B0', $new, 'the whole has to be UTF-8');
        refused('/tenant?channel=%ff', $bad);
        refused('/tenant?channel=%f', $percent);
        is($n->get('/pub?channel=tenant2:b')->status, 404,
           'the other tenant has nothing');
    };

    subtest 'how long, how many' => sub {
        my $most = 'x' x 250;

        named("/pub?channel=$most", $most, '250 bytes');
        named('/pub?channel=' . '%E6%96%B0' x 83 . 'x', $new x 83 . 'x',
              '250 bytes of UTF-8');
        named('/tenant?channel=' . 'x' x 242, 'tenant1:' . 'x' x 242,
              '250 bytes together');

        refused("/pub?channel=${most}x", $bad);
        refused('/pub?channel=' . '%E6%96%B0' x 83 . 'xx', $bad);
        refused('/tenant?channel=' . 'x' x 243, $bad);
        refused("/pub?channel=a,${most}x", $bad);

        my @names = map { "n$_" } 1 .. 256;
        my $list = join ',', @names[0 .. 254];

        named("/pub?channel=$list", join('|', @names[0 .. 254]),
              '255 channels');
        named("/pub?channel=$list,$list", join('|', @names[0 .. 254]),
              'each twice');
        refused("/pub?channel=$list,n256", 'more than 255 channels');
        refused("/fixed?channel=$list", 'more than 255 channels');

        is($n->get('/pub?channel=n256')->status, 404, 'no effect');
        is($n->get('/pub?channel=n1')->json->{messages}, 2, 'at all');

        my @long = map { sprintf '%0250d', $_ } 1 .. 255;
        my $r = $n->publish('/pub?channel=' . join(',', @long), 'x');
        is(names($r), join('|', @long), '255 of 250 bytes');
        is(scalar @{ $n->get('/pub?channel=' . join(',', @long))->json }, 255,
           'GET');
    };

    subtest '$push_channels in the access log' => sub {
        named('/pub?channel=%E6%96%B0,b,b', "$new|b");
        logged(qr/POST \/pub /, "201 [$new,b]", 'as it was understood');

        $n->get('/pub?channel=%4E%20b');
        logged(qr/GET \/pub /, '404 [N b]', 'also of what is unknown');

        refused('/tenant?channel=a,b', $bad);
        logged(qr/POST \/tenant 400/, '400 []', 'refused');

        is($n->publish('/denied?channel=%61', 'x')->status, 403, 'denied');
        logged(qr/\/denied /, '403 [a]', 'denied');

        is($n->get('/elsewhere')->status, 404, 'elsewhere');
        logged(qr/\/elsewhere /, '404 []', 'empty');

        my $c = $n->sse('/sub?channel=%E6%96%B0');
        $c->wait_subscribed;
        $c->close;
        logged(qr/GET \/sub /, "200 [$new]", 'of a subscriber');

        for my $method ('GET', 'POST') {
            my $r = $n->sse("/ch/m$method", method => $method,
                            $method eq 'POST' ? (body => 'x') : ());
            $r->wait_head;
            $r->close;
            logged(qr/$method \/ch\//, "[m$method]", "both: $method");
        }
    };

    subtest 'asked for early' => sub {
        named('/limited?channel=early', 'early');
        is($n->publish('/limited?channel=%65arly', 'x')->status, 429,
           'the same channel, another spelling');
        logged(qr/\/limited 429/, '429 [early]', 'in the log');
        named('/limited?channel=other', 'other');
        logged(qr/\/limited 201/, '201 [other]', 'in the log');

        # nothing is known of the user yet

        for my $user (qw(alice bob)) {
            named('/inbox', "user:$user", $user,
                  headers => { 'X-User' => $user });
            logged(qr/\/inbox 201/, "201 [user:$user]", 'known in the end');
        }

        refused('/inbox', $none);

        # another location in the end

        named('/first?channel=x', 'second:x');
        logged(qr/\/first 201/, '201 [second:x]', 'after a redirect');
    };

    subtest 'redirected' => sub {
        named('/rewritten?channel=a', 'new:a');
        logged(qr/\/pub 201/, '201 [new:a]', 'rewrite');
        named('/tried?channel=tried', 'tried');
        logged(qr/\/pub 201/, '201 [tried]', 'try_files');
    };

    subtest 'subrequests' => sub {
        $n->write_file('html/page',
            '(<!--# include virtual="/pub?channel=ssi" -->)');
        named('/pub?channel=ssi', 'ssi');

        like($n->get('/page')->body, qr/\A\(\{"channel":"ssi",.*\}\)\z/,
             'in a page');
        logged(qr/\/page /, '200 []', 'the page has no channel');

        named('/mirrored', 'main');
        logged(qr/\/mirrored /, '201 [main]', 'main');
        logged(qr/\/copy/, '201 [main]', 'of the main request',
               'logs/sub.log');
        is($n->get('/pub?channel=copy')->json->{messages}, 1,
           'its own channel');
    };

    subtest 'itself' => sub {
        $n->allow(qr/cycle while evaluating variable "push_channels"/);
        ok($n->publish('/self', 'x')->status >= 400, 'refused');
        named('/pub?channel=a', 'a');
    };
});

done_testing;
