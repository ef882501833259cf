#!/usr/bin/perl

# A zone that was damaged begins anew: whoever finds that out, all who read
# from it are told to come back, and do.  The damage is done from outside, by
# a hand in the memory of the workers.

use strict;
use warnings;

use Push::Oracle;
use Push::Reader;
use Push::Test;

# where things lie in a zone, as the compiler has it

my $program = <<'E';
#include <ngx_config.h>
#include <ngx_core.h>
#include <stdio.h>
#include "ngx_push_shared.h"

int
main(void)
{
    printf("%zu %zu %zu %zu %d\n", offsetof(ngx_slab_pool_t, data),
           offsetof(ngx_push_shared_t, writer),
           offsetof(ngx_push_shared_t, arena),
           offsetof(ngx_push_shared_t, arena)
           + offsetof(ngx_push_arena_t, first), NGX_PUSH_UNIT);
    return 0;
}
E

my $conf = <<'E';
    push_zone push 1236k;
    push_retry 50ms 100ms;
    ssl_certificate %%CERT%%;
    ssl_certificate_key %%KEY%%;

    server {
        listen 127.0.0.1:%%PORT%% sndbuf=16k;
        listen 127.0.0.1:%%PORT2%% ssl;

        push_max_message_size 256k;
        push_client_subscribe **;

        location = /pub { push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
        location = /kept { push_subscribe $arg_channel; push_hibernate off; }
        location = /status { push_status; }
    }
E

my @channels = qw(a b c d);
my @transports = qw(sse sse.json ndjson poll raw json push.json);
my @layout;


sub layout {
    my ($objs) = "$ENV{PUSH_MODULE}" =~ m{(.*)/} or return;
    my $source = $ENV{PUSH_ASAN} ? "$root/build/source/nginx"
                                 : '/usr/share/nginx/src';

    open my $make, '<', "$objs/objs/Makefile" or return;
    my $text = do { local $/; <$make> =~ s/\\\n/ /gr };

    my ($cc) = $text =~ /^CC\s*=\s*(.*)/m;
    my ($flags) = $text =~ /^CFLAGS\s*=\s*(.*)/m;
    my ($incs) = $text =~ /^ALL_INCS\s*=\s*(.*)/m;
    my $base = "/tmp/push-lost-$$";

    open my $c, '>', "$base.c" or return;
    print $c $program;
    close $c;

    my $said = `cd $source && $cc $flags $incs -o $base $base.c 2>&1 && $base`;

    unlink $base, "$base.c";

    return split ' ', $said if $said =~ /\A(?:\d+ ){4}\d+\n\z/;
    diag($said);
    return;
}


# Somebody wrote where he should not, and somebody died with the lock.

sub damage {
    my ($n) = @_;

    my ($pool, $writer, $arena, $first, $unit) = @layout;
    my ($pid) = $n->workers;

    kill STOP => $n->workers;

    no warnings 'portable';

    open my $maps, '<', "/proc/$pid/maps" or die $!;
    my ($zone) = map { /\A([0-9a-f]+)-([0-9a-f]+) rw-s/
                       && hex($2) - hex($1) == 1236 * 1024 ? hex $1 : () }
                 <$maps>;
    open my $mem, '+<:raw', "/proc/$pid/mem" or die $!;

    my $read = sub {
        my ($at, $form) = @_;
        sysseek $mem, $at, 0;
        sysread $mem, my $bytes, 8;
        return unpack $form, $bytes;
    };

    my $write = sub {
        my ($at, $bytes) = @_;
        sysseek $mem, $at, 0;
        syswrite $mem, $bytes;
    };

    my $shared = $read->($zone + $pool, 'Q');
    my $block = $shared + $arena + $unit * $read->($shared + $first, 'L');
    my $held = $read->($shared + $writer, 'L');

    # nobody is at work in it just now

    if (!$held) {
        $write->($block, pack 'Q', $read->($block, 'Q') + 3);
        $write->($shared + $writer, pack 'L', 1);
    }

    kill CONT => $n->workers;

    return !$held;
}


sub readers {
    my ($n, $o) = @_;
    my @readers;

    for my $i (0 .. 41) {
        my @set = @channels[0 .. $i % 4];
        my $tls = $i % 5 == 4;

        push @set, shift @set for 1 .. $i % 3;

        push @readers, Push::Reader->new($n, undef, oracle => $o, vary => sub {
            return (transport => $transports[$i % @transports],
                    channels => [ @set ], tls => $tls,
                    port => $n->port($tls ? 2 : 1),
                    path => ($i % 4 == 3 ? '/kept' : '/sub') . '?channel='
                            . join ',', @set);
        });
    }

    return @readers;
}


sub publish {
    my ($n, $o, %opt) = @_;
    my %last;

    for my $channel (@channels) {
        my $p = $o->publish($channel, %opt);
        my $id = $n->publish("/pub?channel=$channel", $o->body($p))->json->{id};

        $o->answered($p, $id);
        $last{$channel} = [ $id, $p->{n} ];
    }

    return %last;
}


# Who is the first to take the lock, made ready before.

my %finders = (
    'a publisher' => sub {
        my ($n) = @_;
        return sub { $n->publish('/pub?channel=z', 'x') };
    },

    # the last one of a channel has to say so; it leaves others then, too

    'one who leaves' => sub {
        my ($n, $o, $transport) = @_;

        my $reader = Push::Reader->new($n, undef, oracle => $o, delay => undef,
            vary => sub {
                return (transport => $transport, channels => [ qw(x y a z) ],
                        path => '/sub?channel=x,y,a,z');
            });

        ok(wait_for(sub { $reader->is_on || $transport eq 'poll' }), 'ready');
        return sub { $reader->drop };
    },

    'one who comes' => sub {
        my ($n) = @_;
        return sub { $n->sse('/sub?channel=z,a,y,b') };
    },

    'a command' => sub {
        my ($n, $o, undef, @readers) = @_;

        my ($reader) = grep { $_->transport eq 'push.json'
                              && $_->set < @channels } @readers;
        my %has = map { $_ => 1 } $reader->set;
        my ($channel) = grep { !$has{$_} } @channels;

        return sub { $reader->client->ask($channel) };
    },
);


sub part {
    my ($workers, $finder, $transport, $blocked) = @_;

    my $n = nginx(conf => $conf, workers => $workers,
                  allow => [ qr/was damaged and begins anew/ ]);
    my $o = Push::Oracle->new(kills => 1, forgets => 1);
    my @readers = readers($n, $o);

    ok(Push::Reader->all_have(sub { publish($n, $o) }, @readers), 'all are on');

    # some cannot take a word

    my @blocked = $blocked ? grep { rand() < 0.3 } @readers : ();

    $_->pause for @blocked;
    publish($n, $o, size => 100_000) if @blocked;

    my %connects = map { $_ => $_->connects } @readers;
    my $find = $finders{$finder}->($n, $o, $transport, @readers);

    ok(damage($n), 'damage is done');
    my $found = $find->();

    # the tick of a second finds what is left

    ok($n->wait_log(qr/was damaged and begins anew/), 'it is found');
    undef $found;
    $_->resume for @readers;

    ok(wait_for(sub { !grep { $_->connects == $connects{$_} } @readers }, 60),
       'all come back');
    ok(Push::Reader->all_have(sub { publish($n, $o) }, @readers), 'to all');

    my %on;
    $on{$_}++ for map { $_->set } @readers;

    ok(wait_for(sub {
        !grep { $n->get("/pub?channel=$_")->json->{subscribers} != $on{$_} }
              @channels;
    }), 'and are counted');

    is_deeply([ $o->errors ], [], 'nothing is odd');
}


@layout = layout();
plan(skip_all => 'no compiler, or not the sources of this NGINX') if !@layout;

seed();

for my $case ([ 'a publisher' ], [ 'one who comes' ], [ 'a command' ],
              map { [ 'one who leaves', $_ ] } @transports)
{
    my ($finder, $transport) = @$case;

    subtest join(' by ', @$case) => sub {
        part(1, $finder, $transport, 0);
        finish_servers();
    };
}

for_workers(1, 4, sub { part($_[0], 'a publisher', undef, 1) });
done_testing;
