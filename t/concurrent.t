#!/usr/bin/perl

# Many publishers at once, on kept connections over all workers: numbers
# without a hole, keys and conditions that hold for one of them only.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP ();
use Push::Test;

my $publishers = 8;

my $conf = <<'E';
    push_zone push 64m;
    push_history 100000 1h;
    push_backlog 64m;
    keepalive_requests 100000;

    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        add_header X-Pid $pid always;

        location = /pub { push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
    }
E

my ($n, %pids);

# One publisher: a process of its own with one connection.  It calls the code
# with a function to publish, and with its number.

sub publisher {
    my ($port, $i, $code) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
                                  Timeout => 30) or die "connect: $!";
    my $in = '';

    $code->(sub {
        my ($method, $path, $body, %headers) = @_;

        $body //= '';
        $s->syswrite("$method $path HTTP/1.1\r\nHost: localhost\r\n"
                     . join('', map { "$_: $headers{$_}\r\n" } keys %headers)
                     . 'Content-Length: ' . length($body) . "\r\n\r\n$body");

        while ($in !~ /\r\n\r\n/) {
            $s->sysread($in, 65536, length $in) or die 'closed';
        }

        $in =~ s/\A(.*?\r\n)\r\n//s;
        my $head = $1;
        my ($length) = $head =~ /^Content-Length: (\d+)/mi;

        while (length $in < $length) {
            $s->sysread($in, 65536, length $in) or die 'closed';
        }

        my $json = JSON::PP::decode_json(substr $in, 0, $length, '');

        return { status => $head =~ /\AHTTP\S+ (\d+)/, json => $json,
                 pid => $head =~ /^X-Pid: (\d+)/m };
    }, $i);
}

# All of them at once; what each of them returned, in order.

sub together {
    my ($code) = @_;
    my $port = $n->port;
    my (@out, @all);

    for my $i (0 .. $publishers - 1) {
        pipe $out[$i], my $in or die "pipe: $!";

        if ((my $pid = fork // die "fork: $!") == 0) {
            alarm 120;
            my @said;
            my $good = eval {
                publisher($port, $i, sub { @said = $code->(@_) });
                1;
            };
            print $in JSON::PP::encode_json($good ? \@said : ["died: $@"]);
            close $in;
            POSIX::_exit(0);
        }
    }

    for my $i (0 .. $publishers - 1) {
        local $/;
        $all[$i] = JSON::PP::decode_json(readline $out[$i]);
        wait;

        if (!ref($all[$i][0] // {})) {
            diag("publisher $i $all[$i][0]");
            $all[$i] = [];
        }

        $pids{$_->{pid}} = 1 for @{ $all[$i] };
    }

    return @all;
}

sub seq { return $_[0] =~ /-(\d+)\z/ ? $1 + 0 : -1 }
sub seqs { return map { seq($_->{json}{id}) } @_ }
sub created { return grep { $_->{status} == 201 } map { @$_ } @_ }
sub last_seq { return seq($n->get("/pub?channel=$_[0]")->json->{id}) }

for_workers(1, 2, 4, sub {
    my ($workers) = @_;

    $n = nginx(conf => $conf, workers => $workers);
    %pids = ();

    subtest 'one channel' => sub {
        my @c = map { $n->sse('/sub?channel=one', keep => 1) } 1 .. 8;
        $_->wait_subscribed for @c;

        my $each = 200;
        my @all = together(sub {
            my ($request, $i) = @_;
            return map { $request->(POST => '/pub?channel=one', "$i.$_") }
                   1 .. $each;
        });

        my $total = $each * $publishers;

        is(scalar(created(@all)), $total, 'all are published');
        is_deeply([ sort { $a <=> $b } seqs(map { @$_ } @all) ],
                  [ 1 .. $total ], 'ids: dense and unique');

        my @body;

        for my $i (0 .. $publishers - 1) {
            my @seqs = seqs(@{ $all[$i] });

            is_deeply(\@seqs, [ sort { $a <=> $b } @seqs ],
                      "publisher $i: ids in its order");
            @body[map { $_ - 1 } @seqs] = map { "$i.$_" } 1 .. $each;
        }

        for my $c (@c, $n->sse('/sub?channel=one&since=earliest')) {
            $c->wait_messages($total);
            is_deeply($c->data, \@body, 'a subscriber has all, in this order');
            is_deeply([ map { seq($_->{id}) } @{ $c->messages } ],
                      [ 1 .. $total ], 'with these ids');
            $c->close;
        }
    };

    subtest 'sets of channels that overlap' => sub {
        my @sets = ('x,y', 'y,z', 'z,x', 'z,y,x');
        my $each = 60;
        my @all = together(sub {
            my ($request, $i) = @_;
            return map { $request->(POST => '/pub?channel='
                                            . $sets[($i + $_) % @sets], 'x') }
                   1 .. $each;
        });

        my %seqs;

        for my $r (created(@all)) {
            push @{ $seqs{$_->{channel}} }, seq($_->{id}) for @{ $r->{json} };
        }

        is(scalar(created(@all)), $each * $publishers, 'all are published');

        for my $channel (qw(x y z)) {
            my @seqs = sort { $a <=> $b } @{ $seqs{$channel} };

            is_deeply(\@seqs, [ 1 .. @seqs ], "$channel: dense and unique");
            is(last_seq($channel), scalar @seqs, "$channel: count");
        }

        is(scalar(map { @$_ } values %seqs), $each * $publishers * 9 / 4,
           'in all of their channels');
    };

    subtest 'Idempotency-Key' => sub {
        my $keys = 60;
        my @all = together(sub {
            my ($request, $i) = @_;
            return map { $request->(POST => '/pub?channel=key', "k$_",
                                    'Idempotency-Key' => "k$_") } 1 .. $keys;
        });

        is(scalar(created(@all)), $keys, 'each key once');
        is(last_seq('key'), $keys, 'so many messages');

        for my $i (1 .. $publishers - 1) {
            is_deeply([ map { $_->{json}{id} } @{ $all[$i] } ],
                      [ map { $_->{json}{id} } @{ $all[0] } ],
                      "publisher $i: the same answers");
        }

        is_deeply([ grep { $_ != 201 && $_ != 200 }
                    map { $_->{status} } map { @$_ } @all ], [], '201 or 200');

        my $c = $n->sse('/sub?channel=key&since=earliest');
        $c->wait_messages($keys);
        is_deeply([ sort @{ $c->data } ], [ sort map { "k$_" } 1 .. $keys ],
                  'each message once');
        $c->close;
    };

    subtest 'If-Match: a counter' => sub {
        my $each = 30;
        my $first = $n->publish('/pub?channel=cas', '1')->json->{id};

        my @all = together(sub {
            my ($request) = @_;
            my ($id, @done) = $first;

            while (@done < $each) {
                my $value = seq($id) + 1;
                my $r = $request->(POST => '/pub?channel=cas', $value,
                                   'If-Match' => "\"$id\"");

                $id = $r->{json}{id};

                if ($r->{status} == 201) {
                    push @done, $r;

                } elsif ($r->{status} != 412) {
                    die "status $r->{status}";
                }
            }

            return @done;
        });

        my $total = 1 + $each * $publishers;

        is(last_seq('cas'), $total, 'so many times');

        my $c = $n->sse('/sub?channel=cas&since=earliest');
        $c->wait_messages($total);
        is_deeply($c->data, [ 1 .. $total ], 'no update is lost');
        $c->close;
    };

    subtest 'If-None-Match: who is first' => sub {
        my @all = together(sub {
            my ($request, $i) = @_;
            return map { $request->(POST => "/pub?channel=first$_", $i,
                                    'If-None-Match' => '*') } 1 .. 50;
        });

        is(scalar(created(@all)), 50, 'one of each');
        is_deeply([ map { last_seq("first$_") } 1 .. 50 ], [ (1) x 50 ],
                  'one message each');
        is_deeply([ grep { $_->{status} != 201
                           && seq($_->{json}{id}) != 1 } map { @$_ } @all ],
                  [], 'the others are told its id');
    };

    subtest 'Push-End: nothing after it' => sub {
        my $c = $n->sse('/sub?channel=end');
        $c->wait_subscribed;

        my @all = together(sub {
            my ($request, $i) = @_;
            my @done;

            for my $k (1 .. 20000) {
                my $r = $request->(POST => '/pub?channel=end', "$i.$k",
                                   $i == 0 && $k == 50
                                   ? ('Push-End' => 'true') : ());
                push @done, $r;
                last if $r->{status} != 201;
            }

            return @done;
        });

        my $total = created(@all);

        is(last_seq('end'), $total, 'as many messages as answers 201');
        is((sort { $a <=> $b } seqs(created(@all)))[-1],
           seq($all[0][49]{json}{id}), 'the seal is the last');
        is(scalar(grep { $_->[-1]{status} == 409 } @all), $publishers,
           'every publisher was told');
        $c->wait_end;
        is($c->received, $total, 'a subscriber has all of it');
        is($c->events->[-1]{event}, 'push.closed', 'and the end');
    };

    subtest 'deleted at the same time' => sub {
        my @all = together(sub {
            my ($request, $i) = @_;
            my @done;

            for my $k (1 .. 60) {
                my $r = $request->($i == 0 ? 'DELETE' : 'POST',
                                   '/pub?channel=del', 'x');
                push @done, $r if $r->{status} == 201;
            }

            return @done;
        });

        my (%seen, %lives);

        for my $id (map { $_->{json}{id} } map { @$_ } @all) {
            $seen{$id}++;
            push @{ $lives{$1} }, seq($id) if $id =~ /\A(.*)-/;
        }

        is(scalar(keys %seen), 60 * ($publishers - 1), 'no id comes twice');
        is_deeply([ grep {
            my @seqs = sort { $a <=> $b } @{ $lives{$_} };
            "@seqs" ne join ' ', 1 .. @seqs
        } keys %lives ], [], 'dense in each life');
    };

    is(scalar(keys %pids) > 1 ? 'many' : 'one', $workers > 1 ? 'many' : 'one',
       'workers that answered');
});

done_testing;
