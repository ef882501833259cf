#!/usr/bin/perl

# Streams over TLS: records, retries, slow readers, keys that change.

use strict;
use warnings;

use EV;

use Push::Test;

my $conf = <<'E2';
    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% ssl sndbuf=8k;
        listen 127.0.0.1:%%PORT3%% ssl;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%KEY%%;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:tls:1m;
        ssl_early_data on;

        push_history 200;
        push_backlog 16m;

        location = /pub { push_max_message_size 2m; push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
        location = /kept { push_hibernate off; push_subscribe $arg_channel; }
        location = /beat { push_heartbeat 1s; push_subscribe $arg_channel; }
        location = /timeout { send_timeout 2s; push_subscribe $arg_channel; }
        location = /timeout_kept {
            send_timeout 2s;
            push_hibernate off;
            push_subscribe $arg_channel;
        }
    }
E2

my $n;

sub publish {
    my ($channel, $body) = @_;
    my $r = $n->publish("/pub?channel=$channel", $body);
    $r->status == 201 or fail('published: ' . $r->status);
    return $r->json->{id};
}

sub subscribers {
    my ($channel) = @_;
    my $r = $n->get("/pub?channel=$channel");
    return $r->status == 200 ? $r->json->{subscribers} : 0;
}

# bytes that tell where they are

sub body {
    my ($size) = @_;
    my $text = '';
    $text .= sprintf '%07d.', length $text while length $text < $size;
    return substr $text, 0, $size;
}

my %versions = (1.2 => { SSL_version => 'TLSv1_2' },
                1.3 => { SSL_version => 'TLSv1_3' });

for_workers(1, 2, 4, sub {
    $n = nginx(conf => $conf, workers => $_[0]);

    for my $version (sort keys %versions) {
        for my $path ('/sub', '/kept') {
            my $channel = "$version$path" =~ tr{/.}{-}r;
            my $what = "TLS $version$path";
            my @tls = (tls => $versions{$version});

            # sizes about those of a record, read at once and with stops

            my @want = map { body($_) } 0, 1, 100,
                map({ ($_ - 40) .. ($_ - 30) } 16_384, 32_768), 65_536,
                300_000, 5;

            my $fast = $n->sse("$path?channel=$channel", @tls,
                               port => $n->port(3));
            my $slow = $n->sse("$path?channel=$channel", @tls, rcvbuf => 4096,
                               port => $n->port(2));
            $_->wait_subscribed for $fast, $slow;

            my $reads = 0;
            $slow->{on_data} = sub {
                my ($c) = @_;

                return if ++$reads % 4;
                $c->pause;
                $c->{timer} = EV::timer(0.001, 0, sub { $c->resume });
            };

            publish($channel, $_) for @want;

            for my $c ($fast, $slow) {
                $c->wait_messages(scalar @want);
                my $name = $c == $fast ? 'at once' : 'with stops';

                ok("@{ $c->data }" eq "@want", "$what: exact, $name");
                ok(!$c->{bad}, "$what: framing, $name");
                is($c->event('push.gap'), undef, "$what: no gap, $name");
            }

            # stopped in the middle of a message of 64 KiB

            delete $slow->{on_data};
            $slow->pause;

            my @more = map { body(65_536) } 1 .. 3;
            publish($channel, $_) for @more;
            $fast->wait_messages(@want + 3);
            run_for(0.05);

            $slow->resume;
            publish($channel, 'after');
            $slow->wait_messages(@want + 4);
            ok("@{ $slow->data }" eq "@want @more after",
               "$what: goes on where it stopped");

            # the end, told by TLS too

            $n->delete("/pub?channel=$channel");
            $_->wait_closed for $fast, $slow;
            is($fast->closed . $slow->closed, 'cleanclean', "$what: end");
        }
    }
});

$n = nginx(conf => $conf, workers => 1);

# signs of life that wait do not mix with what comes then: some of these are
# full exactly at the end of a message

{
    my @c = map { $n->sse("/beat?channel=beat$_", tls => 1, rcvbuf => 4096,
                          port => $n->port(2)) } 0 .. 29;
    $_->wait_subscribed for @c;
    $_->pause for @c;

    my $keep = Push::HTTP->new($n->port);
    my @sent;

    for my $i (0 .. 29) {
        $sent[$i] = [ map { body(400) . $_ } 1 .. 20 + 3 * $i ];
        $keep->request(POST => "/pub?channel=beat$i", body => $_)
            for @{ $sent[$i] };
    }

    run_for(1.1);

    for my $i (0 .. 29) {
        $c[$i]->resume;
        push @{ $sent[$i] }, "last$i";
        publish("beat$i", "last$i");
    }

    my $wrong = 0;

    for my $i (0 .. 29) {
        my $c = $c[$i];

        $c->wait_messages(scalar @{ $sent[$i] });
        $wrong++ if "@{ $c->data }" ne "@{ $sent[$i] }" || $c->{bad}
                    || @{ $c->unknown } || grep { length } @{ $c->comments };
    }

    is($wrong, 0, 'exact');
    ok(wait_for(sub { !grep { !@{ $_->comments } } @c }), 'signs of life');
}

# a reader that takes a record now and then is slow, not dead

for my $path (qw(/timeout /timeout_kept)) {
    my $c = $n->sse("$path?channel=now", tls => 1, rcvbuf => 4096,
                    port => $n->port(2), reads => 1);
    $c->wait_subscribed;

    my $timer;

    $c->{on_data} = sub {
        $c->pause;
        $timer = EV::timer(0.25, 0, sub { $c->resume });
    };

    my $body = body(400_000);

    publish('now', $body);
    $c->wait_messages(1);

    cmp_ok(EV::time - $c->{opened}, '>', 4, "$path: longer than send_timeout");
    ok(@{ $c->data } && $c->data->[0] eq $body, "$path: whole");
    is($c->closed, undef, "$path: and it stays");
    $c->{on_data} = undef;
    $c->close;
}

# the client asks for new keys in mid-stream

SKIP: {
    my $port = $n->port(3);
    my $stop = $n->prefix . '/stop';
    my $script = "(printf 'GET /sub?channel=keys HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'"
                 . "; sleep 0.4; echo K; sleep 0.2; echo k"
                 . "; while [ ! -e $stop ]; do sleep 0.1; done)"
                 . " | openssl s_client -connect 127.0.0.1:$port -tls1_3";
    my $c = start_command('sh', '-c', $script);

    ok($c->wait_out(qr/push\.subscribed/), 'a stream');

    if (!wait_for(sub { ($c->out . $c->err) =~ /KEYUPDATE.*KEYUPDATE/s }, 5)) {
        $n->write_file('stop', '');
        skip 'this openssl asks for no keys', 3;
    }

    publish('keys', "key$_ " . 'x' x 20_000) for 1 .. 3;
    ok($c->wait_out(qr/key3 x+/), 'goes on with new keys');
    is(subscribers('keys'), 1, 'still there');

    $n->write_file('stop', '');
    ok($c->wait, 'its end');
}

done_testing;
