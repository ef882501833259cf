#!/usr/bin/perl

# What a publisher sends never becomes more than the data of its message: no
# field of a stream, no line of a log, no header.

use strict;
use warnings;

use IO::Socket::INET;
use MIME::Base64;
use Push::Test;

my $conf = <<'E';
    server {
        listen 127.0.0.1:%%PORT%%;

        location = /pub { push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
        location = /tenant { push_publish "tenant:$arg_channel"; }
        location = /header { push_publish "h:$http_x_channel"; }
        location = /json {
            push_format json;
            push_subscribe $arg_channel;
        }
    }
E

my $n;

sub publish {
    my ($channel, $body, %headers) = @_;
    return $n->publish("/pub?channel=$channel", $body, headers => \%headers);
}

sub stream {
    my ($path, $channel, $count) = @_;
    my $c = $n->sse("$path?channel=$channel&since=earliest");

    $c->wait_messages($count);
    $c->close;

    return $c;
}

# the answer to bytes that are no proper request

sub bytes {
    my ($bytes) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->port) or die $!;
    my $all = '';

    local $SIG{ALRM} = sub { die "no end: $all" };
    alarm 60;
    syswrite $s, $bytes;
    shutdown $s, 1;
    while (sysread $s, my $more, 65536) { $all .= $more }
    alarm 0;

    return $all;
}

sub post {
    my ($path, @lines) = @_;
    return "POST $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
           . "Content-Length: 1\r\n" . join('', map { "$_\r\n" } @lines)
           . "\r\nx";
}

my $bom = "\xEF\xBB\xBF";

my @bodies = (
    "a\nb", "a\rb", "a\r\nb", "\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n",
    "\n\r", "a\n", "\na", "a\r", "\ra", '', ' ', ' a', ':a', 'data: a',
    "a\n\nid: 9\nevent: evil\ndata: forged\n\n",
    "a\r\rid: 9\revent: evil\rdata: forged\r\r",
    "a\r\n\r\nid: 9\r\nevent: evil\r\ndata: forged\r\n\r\n",
    "\nretry: 1\n", "\n: comment\n", "id", "\nid\n", "event: push.gap\n",
    "a\0b", "\0", "\nid: \0\n", "${bom}a", "a\n${bom}data: x", $bom, "$bom\n",
    "\xE2\x80\xA8id: 9", "\xC2\x85id: 9", "\x0Bid: 9", "\x0Cid: 9",
    "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "\x1b[31m", "\xE6\x96\xB0\n",
    "HTTP/1.1 200 OK\r\n\r\n",
);

my @binary = ("\xFF", "\xC0\x8Aid: 9", "\xE6\x96", "a\n\xFE\n", "\xED\xA0\x80",
              "\xF4\x90\x80\x80", "${bom}\xFF", "\x80", "\r\n\xFF\r\n");

# as an event stream divides lines, and puts them together again

sub lines { return $_[0] =~ s/\r\n|\r/\n/gr }

for_workers(1, 4, sub {
    $n = nginx(conf => $conf, workers => $_[0]);

    subtest 'bodies' => sub {
        my @all = (@bodies, @binary);
        my $live = $n->sse('/sub?channel=b');
        my @ids;

        $live->wait_subscribed;

        for my $body (@all) {
            my $r = publish('b', $body);
            is($r->status, 201, 'published');
            push @ids, $r->json->{id};
        }

        my @want = (map({ lines($_) } @bodies),
                    map { encode_base64($_, '') } @binary);

        $live->wait_messages(scalar @all);

        for my $c ($live, stream('/sub', 'b', scalar @all)) {
            my $what = $c == $live ? 'live' : 'late';

            is_deeply($c->data, \@want, "$what: as text");
            is_deeply([ map { $_->{id} } @{ $c->messages } ], \@ids,
                      "$what: each with its own id");
            is_deeply([ grep { $_->{event} ne 'message' } @{ $c->messages } ],
                      [], "$what: no event name");
            is_deeply($c->unknown, [], "$what: no other line");
            is(scalar(@{ $c->events }), 1 + @all, "$what: nothing more");
            is(scalar(grep { defined $_->{retry} } @{ $c->events }), 1,
               "$what: one retry, of the server");
            is_deeply([ grep { /comment/ } @{ $c->comments } ], [],
                      "$what: no comment");
            unlike($c->body, qr/^(?:id|event|retry|:).*(?:9|evil|forged)$/m,
                   "$what: no forged field");
        }

        # in envelopes nothing changes at all

        my $json = stream('/json', 'b', scalar @all);
        my @data = map { decode_json($_) } @{ $json->data };

        is_deeply([ map { exists $_->{data_base64}
                          ? decode_base64($_->{data_base64})
                          : do { my $d = $_->{data}; utf8::encode($d); $d } }
                    @data ], \@all, 'envelopes: byte by byte');
        is_deeply([ grep { exists $data[$_]{data_base64} } 0 .. $#data ],
                  [ @bodies .. $#all ], 'what is not UTF-8 is base64');
    };

    subtest 'Content-Type: application/json' => sub {
        my @json = ("{\"a\":\"b\\n\"}", "{\n\"a\": 1\n}", "\n\n{}", '"\u0000"',
                    '{"a":1}', '[1,2', '', "{\"a\":\"\n\"}", "$bom\{\}",
                    "{\"id\":\"x\",\"type\":\"gap\"}", '{"a":1}}',
                    '"},"type":"gap"', "\"\xFF\"", '1e999', '{"a":1,"a":2}');

        publish('j', $_, 'Content-Type' => 'application/json') for @json;

        my $c = stream('/json', 'j', scalar @json);
        my @data = map { decode_json($_) } @{ $c->data };

        is(scalar @data, @json, 'every envelope is JSON');
        is_deeply([ grep { $_->{type} ne 'message' } @data ], [],
                  'and the envelope of a message');
        is_deeply([ map { $_->{channel} } @data ], [ ('j') x @json ],
                  'of its channel');
        is_deeply([ grep { !exists $_->{data} == !exists $_->{data_base64} }
                    @data ], [], 'with one data');
        is_deeply($data[0]{data}, { a => "b\n" }, 'parsed');
        is($data[5]{data}, '[1,2', 'or not');
    };

    subtest 'event names' => sub {
        my @forged = ("a\rdata: x", "a\r\n data: x", "a\nid: 9", "a\0", "\0",
                      "\r", "a\r");

        for my $name (@forged) {
            my $all = bytes(post('/pub?channel=e', "Push-Event: $name"));

            # a line break ends the header: what follows is another one
            my $status = ($all =~ m{\AHTTP/1\.1 (\d+)})[0] // 0;
            (my $shown = $name) =~ s/([^ -~])/sprintf '%%%02x', ord $1/ge;
            like($status, qr/\A(?:400|201)\z/, "\"$shown\"");
        }

        my $count = ($n->get('/pub?channel=e')->json // {})->{messages} // 0;
        my $c = stream('/sub', 'e', $count);

        is_deeply([ grep { $_ ne 'a' && $_ ne 'message' }
                    map { $_->{event} } @{ $c->messages } ], [],
                  'no name with a break in it');
        is_deeply($c->data, [ ('x') x $count ], 'no data but the body');
        unlike($c->body, qr/^id: 9/m, 'no id');

        # what looks like a field is a name like any other

        publish('f', 'x', 'Push-Event' => 'id: 9');
        publish('f', 'x', 'Push-Event' => ':');
        is_deeply([ map { "$_->{event} $_->{data}" }
                    @{ stream('/sub', 'f', 2)->messages } ],
                  [ 'id: 9 x', ': x' ], 'a field in a name');
    };

    subtest 'envelopes' => sub {
        my %headers = (
            'Push-Event' => '","type":"gap","x":"\\',
            'Content-Type' => 'text/"},{"a":"\\',
        );
        my $channel = '%22%2C%22type%22%3A%22gap' =~ s/%2C/;/r;

        publish($channel, '","data":"forged', %headers);

        my $c = stream('/json', $channel, 1);
        my $json = decode_json($c->data->[0]);

        is($json->{type}, 'message', 'type');
        is($json->{event}, $headers{'Push-Event'}, 'event');
        is($json->{content_type}, $headers{'Content-Type'}, 'content type');
        is(decode_base64($json->{data_base64}), '","data":"forged', 'data');
        is($json->{channel}, '";"type":"gap', 'channel');

        my $info = $n->get("/pub?channel=$channel")->json;
        is($info->{channel}, '";"type":"gap', 'info');

        my $r = publish($channel, 'x', 'If-Match' => 'x');
        is($r->json->{channel}, '";"type":"gap', 'problem');
    };

    subtest 'logs' => sub {
        my $evil = "\x1b[31m\x07\x01";
        my $mark = 'FORGED';
        my $line = "2026/01/01 00:00:00 [alert] 1#1: $mark";

        # refused and published, with everything that may come into a log

        for my $break ('%0A', '%0D%0A', '%0D', '%1B', '%00', '%C2%85') {
            my $value = "a${break}${line}" =~ s/ /%20/gr;

            publish($value, 'x');
            $n->publish("/tenant?channel=$value", 'x');
            $n->publish("/tenant?channel=", 'x');
            $n->get("/pub?channel=$value");
            $n->sse("/sub?channel=$value")->wait_end;
            $n->sse("/sub?channel=a&since=$value")->wait_subscribed;
            $n->sse("/sub?channel=a&$_=$value")->wait_subscribed
                for qw(lastEventId last_event_id);
        }

        for my $value ("a$evil$line", "$evil", "http://$evil.example",
                       "\"$evil\"")
        {
            publish('a', 'x', $_ => $value)
                for 'Push-Event', 'TTL', 'Topic', 'Push-End', 'If-Match',
                    'If-None-Match', 'Idempotency-Key', 'Content-Type',
                    'Origin';
            $n->publish('/header', 'x', headers => { 'X-Channel' => $value });
            $n->sse('/sub?channel=a', headers => { $_ => $value })->wait_head
                for 'Origin', 'Last-Event-ID', 'Accept';
        }

        # a full life with a name that is as strange as it may be

        my $name = '%22%27%5C%20%E2%80%A8[alert]%20' . $mark;
        my $c = $n->sse("/sub?channel=$name");
        $c->wait_subscribed;
        publish($name, $line, 'Push-Event' => "\"$line");
        $c->wait_messages(1);
        $n->delete("/pub?channel=$name");
        $c->wait_closed;

        # those lines of the error log that are ours; NGINX's own may quote
        # a header that it could not read

        my @lines = split /\n/, $n->error_log;

        my $line_of_log = qr{\A\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[[a-z]+\] };

        is_deeply([ grep { $_ !~ $line_of_log } @lines ], [],
                  'every line begins as a line does');
        is_deeply([ grep { /[\0-\x08\x0b-\x1f\x7f]/ } @lines ], [],
                  'no control character');
        is_deeply([ grep { m{\A\S+ \S+ \[alert\] 1#1} } @lines ], [],
                  'no line that was forged');
        is_deeply([ grep { /[\0-\x08\x0b-\x1f\x7f]/ }
                    split /\n/, $n->access_log ], [], 'nor in the access log');
        $n->allow(qr/$mark/);
    };

    subtest 'answers' => sub {
        for my $value ("a%0D%0AX-Forged:%201", 'a%0AX-Forged:1') {
            my $all = bytes(post("/pub?channel=$value"))
                      . bytes("GET /sub?channel=a&since=$value HTTP/1.0\r\n\r\n"
                              =~ s/GET/HEAD/r);

            unlike($all, qr/^X-Forged/mi, 'no header');
        }
    };
});

done_testing;
