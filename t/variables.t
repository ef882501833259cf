#!/usr/bin/perl

# $push_id, $push_transport, $push_subscribers and $push_user: in logs, in
# headers, in maps, early and late.  $push_channels is in names.t.

use strict;
use warnings;

use Push::Test;

my $conf = <<'E';
    log_format push '$request_method $uri $status id=$push_id '
                    'transport=$push_transport subscribers=$push_subscribers '
                    'user=$push_user channels=$push_channels.';
    access_log logs/access.log push;

    map $push_transport $kind { sse stream; default other; "" none; }
    map $push_user $known { default 1; "" 0; }
    limit_req_zone $push_user zone=users:64k rate=1r/m;

    server {
        listen 127.0.0.1:%%PORT%%;

        location = /pub { push_publish $arg_channel; add_header X-Id $push_id; }
        location = /sub {
            push_subscribe $arg_channel;
            push_hibernate on;
            add_header X-Id $push_id;
            add_header X-Transport $push_transport;
            add_header X-Kind $kind;
        }
        location = /sub-off {
            push_subscribe $arg_channel;
            push_hibernate off;
        }
        location = /both {
            push_publish $arg_channel;
            push_subscribe $arg_channel;
            add_header X-Kind $kind;
        }
        location = /small {
            push_publish $arg_channel;
            push_max_message_size 1;
        }

        location = /user {
            push_publish $arg_channel;
            push_user "u:$arg_user";
            add_header X-User $push_user;
            add_header X-Known $known;
        }
        location = /auth {
            limit_req zone=users;
            limit_req_status 429;
            auth_request /who;
            auth_request_set $uid $http_x_user;
            push_user $uid;
            push_publish "inbox:$push_user";
        }
        location = /basic {
            limit_req zone=users;
            push_publish $arg_channel;
        }
        location = /who { internal; return 204; }
        location = /mirrored { mirror /copy; push_publish main; }
        location = /copy { internal; push_publish copy1 copy2; }
        location = /plain {
            return 200 "[$push_id$push_transport$push_user]\n";
        }
    }
E

my $n;

# a line comes into the access log soon after the answer

sub logged {
    my ($line, $what) = @_;

    wait_for(sub { $n->access_log =~ /^\Q$line\E$/m }, 10, $what);
    like($n->access_log, qr/^\Q$line\E$/m, $what) or diag($line);
}

for_workers(1, 4, sub {
    $n = nginx(conf => $conf, workers => $_[0]);

    subtest 'publish' => sub {
        my @c = map { $n->sse('/sub?channel=a') } 1 .. 3;
        $_->wait_subscribed for @c;

        my $r = $n->publish('/pub?channel=a', 'x');
        my $id = $r->json->{id};

        is($r->header('x-id'), $id, 'in a header');
        logged("POST /pub 201 id=$id transport=- subscribers=3 user=- "
               . 'channels=a.', 'POST');

        $r = $n->publish('/pub?channel=b,a', 'x')->json;
        logged("POST /pub 201 id=$r->[1]{id} transport=- subscribers=3 user=- "
               . 'channels=b,a.', 'several channels: the last of them');

        $id = $r->[1]{id};
        $n->get('/pub?channel=a');
        logged("GET /pub 200 id=$id transport=- subscribers=3 user=- "
               . 'channels=a.', 'GET');
        $n->http(HEAD => '/pub?channel=a');
        logged("HEAD /pub 200 id=$id transport=- subscribers=3 user=- "
               . 'channels=a.', 'HEAD');

        $r = $n->publish('/pub?channel=a', 'x', headers =>
                         { 'Idempotency-Key' => 'k' });
        $id = $r->json->{id};
        logged("POST /pub 201 id=$id transport=- subscribers=3 user=- "
               . 'channels=a.', 'with a key');
        $n->publish('/pub?channel=a', 'x', headers =>
                    { 'Idempotency-Key' => 'k' });
        logged("POST /pub 200 id=$id transport=- subscribers=3 user=- "
               . 'channels=a.', 'repeated');

        $n->delete('/pub?channel=a,never');
        logged('DELETE /pub 200 id=- transport=- subscribers=3 user=- '
               . 'channels=a,never.', 'DELETE');

        $_->close for @c;
    };

    subtest 'refused' => sub {
        $n->publish('/pub?channel=', 'x');
        logged('POST /pub 400 id=- transport=- subscribers=- user=- '
               . 'channels=-.', 'no channel');
        $n->publish('/small?channel=s', 'xx');
        logged('POST /small 413 id=- transport=- subscribers=- user=- '
               . 'channels=s.', 'too large');
        $n->publish('/pub?channel=s', 'x', headers => { 'If-Match' => 'x' });
        logged('POST /pub 412 id=- transport=- subscribers=- user=- '
               . 'channels=s.', 'a condition');
        $n->get('/pub?channel=s');
        logged('GET /pub 404 id=- transport=- subscribers=0 user=- '
               . 'channels=s.', 'unknown');
        $n->http(PATCH => '/pub?channel=s');
        logged('PATCH /pub 405 id=- transport=- subscribers=- user=- '
               . 'channels=s.', 'another method');
        $n->http(OPTIONS => '/pub?channel=s');
        logged('OPTIONS /pub 204 id=- transport=- subscribers=- user=- '
               . 'channels=s.', 'OPTIONS');
        $n->publish('/pub?channel=s', '', headers => { 'Push-End' => 'true' });
        logged('POST /pub 201 id=- transport=- subscribers=0 user=- '
               . 'channels=s.', 'sealed without a message');
    };

    subtest 'subscribe' => sub {
        my @id = map { $n->publish('/pub?channel=s1', 'x')->json->{id} } 1 .. 3;

        my $c = $n->sse("/sub?channel=s1&since=$id[0]");
        $c->wait_messages(2);
        is($c->header('x-transport'), 'sse', 'in a header');
        is($c->header('x-kind'), 'stream', 'in a map');
        is($c->header('x-id'), $id[0], 'the starting point');
        logged("GET /sub 200 id=$id[0] transport=sse subscribers=- user=- "
               . 'channels=s1.', 'a subscriber, at its start');
        $c->close;

        $c = $n->sse('/both?channel=s1');
        $c->wait_head;
        is($c->header('x-kind'), 'stream', 'GET with both directives');
        $c->close;
        is($n->publish('/both?channel=s1', 'x')->header('x-kind'), 'none',
           'POST with both directives');

        $c = $n->sse('/sub-off?channel=s2');
        $c->wait_subscribed;
        $n->publish('/pub?channel=s2', "m$_") for 1 .. 3;
        my $last = $n->publish('/pub?channel=s2', 'm4')->json->{id};
        $c->wait_messages(4);
        $c->close;
        logged("GET /sub-off 200 id=$last transport=sse subscribers=- user=- "
               . 'channels=s2.', 'at its end: the last id sent');
    };

    subtest '$push_user' => sub {
        my $r = $n->publish('/user?channel=a&user=x', 'x');

        is($r->header('x-user'), 'u:x', 'in a header');
        is($r->header('x-known'), '1', 'in a map');

        for my $user (qw(alice bob)) {
            $r = $n->publish('/auth', 'x', headers => { 'X-User' => $user });
            is($r->status, 201, 'early it is not known') or diag($r->body);
            is($r->json->{channel}, "inbox:$user", 'known in a channel');
            logged("POST /auth 201 id=" . $r->json->{id} . ' transport=- '
                   . "subscribers=0 user=$user channels=inbox:$user.",
                   'and in the log');
        }

        is($n->publish('/auth', 'x')->status, 400, 'nobody');

        my %basic = (Authorization => 'Basic Y2Fyb2w6c2VjcmV0');
        is($n->publish('/basic?channel=a', 'x', headers => \%basic)->status,
           201, 'by default $remote_user');
        is($n->publish('/basic?channel=a', 'x', headers => \%basic)->status,
           503, 'as the key of a limit');
        $r = $n->publish('/pub?channel=carol', 'x', headers => \%basic);
        logged('POST /pub 201 id=' . $r->json->{id} . ' transport=- '
               . 'subscribers=0 user=carol channels=carol.', 'in the log');
    };

    subtest 'subrequests' => sub {
        my $r = $n->publish('/mirrored', 'x');

        logged('POST /mirrored 201 id=' . $r->json->{id} . ' transport=- '
               . 'subscribers=0 user=- channels=main.',
               'those of the main request');
    };

    subtest 'elsewhere' => sub {
        is($n->get('/plain')->body, "[]\n", 'empty');
        logged('GET /plain 200 id=- transport=- subscribers=- user=- '
               . 'channels=-.', 'in the log too');
        is($n->get('/none')->status, 404, 'a location without any');
        logged('GET /none 404 id=- transport=- subscribers=- user=- '
               . 'channels=-.', 'in the log');
    };
});

done_testing;
