#!/usr/bin/perl

# Gaps at awkward moments: several at once, one in another, and what can be
# resumed from then.

use strict;
use warnings;

use Push::HTTP;
use Push::NDJSON;
use Push::Poll;
use Push::Test;
use Push::WebSocket;

my $conf = <<'E';
    server {
        listen 127.0.0.1:%%PORT%%;

        location = /pub {
            push_publish $arg_channel;
            push_history 3;
            push_backlog 1k;
        }

        location = /sub { push_subscribe $arg_channel; }
    }
E

sub numbers { return join ' ', map { /-0*(\d+)\z/ } @_ }


# each position of an answer still has the gaps that were not told yet

for_workers(1, 4, sub {
    my ($workers) = @_;
    my $n = nginx(conf => $conf, workers => $workers);
    my $path = '/sub?channel=a,b,c';

    $n->publish("/pub?channel=$_", 'x') for qw(a b c);

    my $start = page($n, $path, since => 'latest')->json->{next};

    $n->publish("/pub?channel=a,b,c", $_) for 1 .. 5;

    for my $round (0, 1) {
        my $since = $start;

        for my $channel (qw(a b c)) {
            my $page = page($n, $path, since => $since)->json;

            is($page->{gap}{channel}, $channel, "the gap of $channel is told");
            is($page->{gap}{requested}, $since, 'as it was asked for');
            is(join(' ', map { "$_->{channel} $_->{data}" }
                         grep { $_->{channel} eq $channel }
                         @{ $page->{messages} }),
               "$channel 3 $channel 4 $channel 5", 'and what follows it');

            # of that page, or from the middle of it

            $since = $round ? $page->{messages}[1]{position} : $page->{next};
        }

        my $page = page($n, $path, since => $since)->json;
        ok(!$page->{gap}, 'that was all');
    }
});


# While a worker stands still, a subscriber asks, and what it asks for goes
# before it gets it.

sub asks {
    my ($c, $path, @headers) = @_;

    $c->send(join "\r\n", "GET $path HTTP/1.1", 'Host: localhost', @headers,
             '', '');
}

my @ways = (
    { name => 'SSE',
      connect => sub { sse($_[0], '/', request => '') },
      accept => 'text/event-stream',
      told => sub {
          my ($c) = @_;
          $c->wait_messages(3);

          return ((map { +{ %{ decode_json($_->{data}) }, id => $_->{id} } }
                   grep { $_->{event} eq 'push.gap' } @{ $c->events }),
                  @{ $c->messages });
      } },

    { name => 'NDJSON',
      connect => sub { ndjson($_[0], '/', request => '') },
      accept => 'application/x-ndjson',
      told => sub {
          my ($c) = @_;
          $c->wait_messages(3);
          return grep { $_->{type} ne 'subscribed' } @{ $c->lines };
      } },

    { name => 'WebSocket',
      connect => sub { ws($_[0], '/', request => '') },
      websocket => 1,
      told => sub {
          my ($c) = @_;
          $c->wait_messages(5);
          return @{ $c->objects };
      } },

    { name => 'pages',
      connect => sub { start_poll($_[0], '/', request => '') },
      accept => 'application/json',
      told => sub {
          my ($c, $n, $path) = @_;

          $c->wait_end;
          my $page = $c->json;

          is_deeply($page->{messages}, [], 'no message in the first');
          is($page->{next}, $page->{gap}{id}, 'its position is of its gap');

          my $next = page($n, $path, since => $page->{next})->json;

          return ($page->{gap}, $next->{gap} // (), @{ $next->{messages} });
      } },
);

subtest 'one in another' => sub {
    my $n = nginx(conf => $conf);
    my ($worker) = $n->workers;

    for my $way (@ways) {
        my $channel = lc $way->{name};
        my $name = $way->{name};
        my ($path, $pub) = map { "/$_?channel=$channel" } 'sub', 'pub';
        my ($first) = map { $n->publish($pub, $_)->json->{id} } 1 .. 5;

        # all are accepted: now they are read in the order of their writes

        my $c = $way->{connect}->($n);
        my @keep = map { Push::HTTP->new($n->port) } 1 .. 5;

        $_->request(GET => $pub) for @keep;

        kill STOP => $worker;
        asks($c, "$path&since=$first&format=json",
             $way->{websocket}
             ? ('Upgrade: websocket', 'Connection: Upgrade',
                'Sec-WebSocket-Version: 13', "Sec-WebSocket-Key: $c->{key}")
             : "Accept: $way->{accept}");
        $_->{r}->again($pub, method => 'POST', body => 'x' x 1100)
            for @keep;
        kill CONT => $worker;

        my @told = $way->{told}->($c, $n, $path);
        my @gaps = grep { $_->{reason} } @told;

        is(join(' ', map { $_->{reason} } @gaps),
           $name eq 'pages' ? 'expired expired' : 'expired overrun',
           "$name: two gaps");
        is(numbers(map { $_->{id} } @told), '2 7 8 9 10',
           "$name: up to where, and what is left");
        is($gaps[1]{requested}, $gaps[0]{id}, "$name: one after the other");
    }
};


done_testing;
