#!/usr/bin/perl

# What Redis does in one step, asked directly: ids, order, idempotency keys,
# conditions, seals, topics, ages, trimming, terms, and what is left of a
# channel when Redis forgets a part of it or its memory is full.

use strict;
use warnings;

use Digest::SHA qw(sha1_hex);
use List::Util qw(sum0);
use POSIX ();
use Push::Redis;
use Push::Test;
use Time::HiRes ();

unless (-x $Push::Redis::redis) {
    plan(skip_all => "no $Push::Redis::redis");
}


# the scripts as they stand in the source

my %text;
my $source = '';

for my $file (qw(ngx_push_redis_script_log.h ngx_push_redis_script.c)) {
    open my $in, '<', "$root/ngx_push_module/redis/$file" or die "$file: $!";
    local $/;
    $source .= <$in>;
}

sub literals {
    my ($code) = @_;

    return join '', map { s/\\(.)/$1 eq 'n' ? "\n" : $1/ger }
                    $code =~ /"((?:\\.|[^"\\])*)"/g;
}

my ($log) = $source =~ /^#define NGX_PUSH_REDIS_SCRIPT_LOG\b(.*?)\n\n/ms;

while ($source =~ /^ngx_push_redis_script_t\s+(\w+)\ =\ \{\n\s+"(\w+)",\n
                   \s+ngx_string\(\n(.*?)\n\s+\),\n/gmsx)
{
    $text{$2} = literals($log) . literals($3);
}

is(join(' ', sort keys %text), 'delete publish read', 'three scripts');

# terms of a test's own: only where it is said, the master is asked for its

my %whole = %text;

s/call\('INFO', 'replication'\)/''/ for values %text;


my $redis = Push::Redis->new;
my $at = $redis;
my $channel = 'c';
my $channels = 0;

sub part {
    my ($name, $code) = @_;

    subtest $name => sub {
        $at = $redis;
        $channel = 'c' . ++$channels;
        $code->();
    };
}

sub key { return "push:{7}:$_[0]:$channel" }

# by EVALSHA, as a pod does; "at" is a server or a connection

sub script {
    my ($name, $keys, @args) = @_;
    my @rest = (scalar @$keys, @$keys, @args);
    my $answer = eval { $at->command('EVALSHA', sha1_hex($text{$name}),
                                     @rest) };

    return $answer unless $@;
    die $@ unless $@ =~ /^NOSCRIPT/;

    return $at->command('EVAL', $text{$name}, @rest);
}

my @outcomes = qw(created repeated sealed unmatched);
my $life = 1000;

sub publish_arguments {
    my (%o) = @_;

    my $flags = ($o{key} ? 'k' : '') . ($o{match} ? 'm' : '')
                . ($o{flags} // '') . (($o{ttl} // -1) eq '0' ? '0' : '');

    return ([ map({ key($_) } qw(m s t)), key('i') . ($o{key} // '') ],
            key('c'), $o{term} // 5, $o{life} // ++$life, $flags,
            @{ $o{match} // [ 0, 0, 0 ] }, $o{ttl} // -1, $o{topic} // '',
            $o{size} // 10, $o{count} // 100, $o{age} // 3_600_000,
            $o{max} // 0, $o{idle} // 60_000, $o{blob} // 'blob');
}

sub publish {
    my $answer = script('publish', publish_arguments(@_));
    my %r;

    @r{qw(outcome life term seq nodes time began)} = @$answer;
    $r{outcome} = $outcomes[$r{outcome}];

    return \%r;
}

# "created 7": what became of it and its number

sub published {
    my $r = publish(@_);
    return "$r->{outcome} $r->{seq}";
}

sub channel {
    my (%o) = @_;

    my $answer = script('read', [ map { key($_) } qw(m s t) ], $o{term} // 5,
                        $o{life} // '', $o{after} // 0, $o{most} // 1000,
                        $o{bytes} // 1_000_000, $o{idle} // 60_000, key('c'));

    return unless $answer;

    my (%r, @entries);

    @r{qw(life lineage_term last term floor sealed created time deleted kept
          bytes oldest now terms entries)} = @$answer;

    my @flat = @{ $r{entries} };

    while (my @entry = splice @flat, 0, 4) {
        push @entries, { seq => $entry[0], term => $entry[1],
                         time => $entry[2], blob => $entry[3] };
    }

    $r{entries} = \@entries;
    $r{seqs} = join ' ', map { $_->{seq} } @entries;
    $r{terms} = join ' ', @{ $r{terms} };

    return \%r;
}

sub delete_channel {
    my (%o) = @_;

    return script('delete', [ map { key($_) } qw(m s t) ], key('c'),
                  $o{term} // 5, $o{life} // ++$life, $o{idle} // 60_000);
}

# "floor, kept, bytes: numbers", and that Redis has no other entries

sub kept {
    my $c = channel(@_);
    my $n = $at->command('XLEN', key('s'));

    is($n, $c->{kept}, 'entries in the stream');
    is($c->{oldest}, $c->{entries}[0]{seq} // 0, 'the oldest');

    return "$c->{floor}, $c->{kept}, $c->{bytes}: $c->{seqs}";
}

# all that Redis has of the channel

sub state {
    return json([ { @{ $at->command('HGETALL', key('m')) } },
                  { @{ $at->command('HGETALL', key('t')) } },
                  $at->command('XRANGE', key('s'), '-', '+'),
                  $at->command('EXISTS', key('i') . 'k') ]);
}

sub subscribe {
    my $c = $at->connect;

    $c->command('SUBSCRIBE', key('c'));
    return $c;
}

sub now { return Time::HiRes::time() * 1000 }

sub pause { Time::HiRes::sleep($_[0]) }

sub term_of {
    my $id = $_[0]->info('replication')->{master_replid};
    return hex(substr $id, 0, 6) || 1;
}


part 'numbers and announcements' => sub {
    my $s = subscribe();
    my $s2 = subscribe();
    my $now = now();
    my $r = publish(life => 77, term => 12, blob => "a\0\r\nb");

    is("@$r{qw(outcome life term seq nodes began)}",
       'created 77 12 1 2 1', 'the first');
    ok(abs($r->{time} - $now) < 5000, 'now');

    is_deeply($s->answer, [ 'message', key('c'),
                            "1m 77 12 1 1 $r->{time}\na\0\r\nb" ],
              'announced');

    my $was = $r->{time};

    $s2->close;
    wait_for(sub { $at->command('PUBSUB', 'NUMSUB', key('c'))->[1] == 1 });
    $r = publish(life => 78, term => 12);
    is("@$r{qw(outcome life term seq nodes began)}",
       'created 77 12 2 1 1', 'the second, of the same life');
    ok($r->{time} >= $was, 'not earlier');

    is_deeply([ map { $_->[0] } @{ $at->command('XRANGE', key('s'), '-',
                                                '+') } ],
              [ '1-0', '2-0' ], 'entries');

    my $c = channel();

    is("@$c{qw(life lineage_term last term floor sealed deleted kept bytes
               oldest terms)}",
       '77 12 2 12 0 0 0 2 20 1 12 1', 'the channel');
    is($c->{created}, $was, 'created');
    is($c->{time}, $r->{time}, 'last publish');
    is_deeply($c->{entries}[0], { seq => 1, term => 12, time => $was,
                                  blob => "a\0\r\nb" }, 'an entry');
};


part 'a clock that goes back' => sub {
    publish();

    my @log = split ' ', $at->command('HGET', key('m'), 'log');
    my $later = $log[2] += 60_000;

    $at->command('HSET', key('m'), 'log', "@log");
    is(publish()->{time}, $later, 'no message is older than the one before');
    is(publish()->{time}, $later, 'nor the next one');
};


part 'idempotency keys' => sub {
    my $s = subscribe();
    my $first = publish(key => 'k');

    is($first->{outcome}, 'created', 'the first');
    is($first->{nodes}, 1, 'one pod');
    publish();

    my $again = publish(key => 'k', term => 6, blob => 'other');

    is_deeply($again, { %$first, outcome => 'repeated' },
              'again: the first answer');
    is(published(key => 'l'), 'created 3', 'another key');

    my $ttl = $at->command('PTTL', key('i') . 'k');
    ok($ttl > 290_000 && $ttl <= 300_000, 'five minutes');

    is(published(key => 'n', flags => 'f'), 'unmatched 3', 'refused');
    is(published(key => 'n'), 'created 4', 'is not the answer');
    is(published(key => 'k', flags => 'f'), 'repeated 1',
       'it goes before a condition');
    is(published(key => 'z', flags => 'en'), 'created 4', 'the end');
    is(published(key => 'k'), 'repeated 1', 'and before the end');
    is(published(key => 'z', flags => 'en'), 'repeated 4', 'the end again');
    is(published(key => 'n2'), 'sealed 4', 'nothing new');

    $at->command('DEL', key('i') . 'k');
    is(published(key => 'k'), 'sealed 4', 'when the key is out of date');

    is(scalar(@{ channel()->{entries} }), 4, 'four messages');
};


part 'conditions' => sub {
    is(published(flags => 's'), 'unmatched 0', 'If-Match: * before any');
    is(published(match => [ 0, 0, 0 ]), 'unmatched 0', 'If-Match before any');
    is($at->command('EXISTS', key('m')), 0, 'nothing is made of it');

    channel(life => 9);
    is(published(match => [ 9, 5, 0 ]), 'unmatched 0', 'of number 0');
    is(published(flags => 's'), 'unmatched 0', 'any of none');
    is(published(flags => 'f'), 'created 1', 'If-None-Match: *');

    my $r = publish(flags => 'f');
    is("@$r{qw(outcome life term seq nodes)}", 'unmatched 9 5 1 0',
       'only for the first');

    is(published(flags => 's'), 'created 2', 'If-Match: *');
    is(published(match => [ 9, 5, 2 ]), 'created 3', 'the last');
    is(published(match => [ 9, 5, 2 ]), 'unmatched 3', 'another number');
    is(published(match => [ 8, 5, 3 ]), 'unmatched 3', 'another life');
    is(published(match => [ 9, 4, 3 ]), 'unmatched 3', 'another term');
    is(published(match => [ 9, 5, 3 ], term => 6), 'created 4',
       'what counts is the term of the message');
    is(published(match => [ 9, 6, 4 ], ttl => 0), 'created 5',
       'TTL 0 counts');
    is(published(match => [ 9, 7, 5 ], flags => 'en'), 'created 5',
       'an end');
};


part 'the end' => sub {
    my $s = subscribe();
    my $r = publish(flags => 'e', blob => 'last');

    is($r->{outcome}, 'created', 'with a message');
    like($s->answer->[2], qr/^1m \d+ 5 1 1 \d+\nlast\z/, 'announced');

    my $again = publish();
    is("@$again{qw(outcome life term seq time)}",
       "sealed @$r{qw(life term seq time)}", 'nothing follows');
    is(published(flags => 'en'), 'sealed 1', 'no other end');
    is(published(flags => 'f'), 'sealed 1', 'it goes before conditions');
    is(channel()->{sealed}, 1, 'it is said');
    ok(!$s->readable(0.05), 'nothing else is announced');

    $channel .= 'b';
    $s = subscribe();
    publish(life => 3) for 1 .. 2;
    $s->answer for 1 .. 2;
    $r = publish(flags => 'en', blob => 'rules', term => 6);

    is("@$r{qw(outcome life term seq nodes)}", 'created 3 5 2 1',
       'without: the id of the last message');
    is($s->answer->[2], "1e 3 6 3 2 $r->{time}\nrules", 'announced');
    is(channel()->{seqs}, '1 2', 'no entry');
    is(published(), 'sealed 2', 'nothing follows');

    $channel .= 'c';
    $r = publish(flags => 'en', life => 4);
    is("@$r{qw(outcome life term seq)}", 'created 4 5 0',
       'of a channel that was not there');
    is(channel()->{sealed}, 1, 'it is there');
    is(published(), 'sealed 0', 'nothing can be published');
};


part 'read' => sub {
    is(channel(), undef, 'no channel');
    is($at->command('EXISTS', key('m')), 0, 'none is made');

    my $c = channel(life => 21, term => 9);
    is("@$c{qw(life lineage_term last term floor sealed time deleted kept
               bytes oldest terms seqs)}",
       '21 9 0 0 0 0 0 0 0 0 0 9 1 ', 'one is made');
    ok(abs($c->{now} - now()) < 5000, 'now');

    my $ttl = $at->command('PTTL', key('m'));
    ok($ttl > 660_000 && $ttl < 750_000, 'for its idle time');
    is(channel(life => 22)->{life}, 21, 'once');

    publish(blob => 'x' x 100, term => 9) for 1 .. 20;
    is(channel()->{life}, 21, 'a publish lives in it');
    is(channel(after => 7)->{seqs}, join(' ', 8 .. 20), 'after a number');
    is(channel(after => 20)->{seqs}, '', 'after the last');
    is(channel(after => 99)->{seqs}, '', 'beyond it');
    is(channel(most => 3)->{seqs}, '1 2 3', 'so many');
    is(channel(most => 0)->{seqs}, '', 'none');
    is(channel(bytes => 350, after => 2)->{seqs}, '3 4 5', 'so many bytes');
    is(channel(bytes => 300)->{seqs}, '1 2 3', 'just so many');
    is(channel(bytes => 1)->{seqs}, '1', 'but one');
    is(channel(after => 15)->{oldest}, 1, 'the oldest is what is kept');

    $channel .= 'b';
    publish(blob => '', size => 0) for 1 .. 200;
    is(scalar @{ channel(bytes => 0, count => 200)->{entries} }, 100,
       'empty ones');

    $channel .= 'c';
    channel(life => 1, idle => 0);
    is($at->command('PTTL', key('m')), -1, 'idle for ever');
};


part 'topics' => sub {
    publish(topic => 'a', size => 1);
    publish(topic => 'b', size => 2);
    publish(size => 4);
    is(kept(), '0, 3, 7: 1 2 3', 'two topics');

    publish(topic => 'a', size => 8);
    is(kept(), '0, 3, 14: 2 3 4', 'only the newest of a topic');

    publish(topic => 'b', ttl => 0, size => 16);
    is(kept(), '0, 2, 12: 3 4', 'TTL 0 removes it, too');
    is($at->command('HEXISTS', key('t'), 'b'), 0, 'and its topic');
    publish(topic => 'b', ttl => 0);
    is(kept(), '0, 2, 12: 3 4', 'there is none');

    publish(topic => "\0 a\n1 2", size => 1) for 1 .. 2;
    is(kept(), '0, 3, 13: 3 4 8', 'any bytes');

    publish(count => 1, size => 1);
    is(kept(), '8, 1, 1: 9', 'those trimmed');
    is($at->command('EXISTS', key('t')), 0, 'have no topic any more');

    publish(topic => 'a', count => 2, size => 1);
    publish(topic => 'a', count => 0, size => 1);
    is(kept(), '11, 0, 0: ', 'without a history');
    is($at->command('EXISTS', key('t')), 0, 'no topic');

    publish(topic => 'a', size => 1);
    $at->command('DEL', key('t'));
    publish(topic => 'a', size => 1);
    is(kept(), '11, 2, 2: 12 13', 'topics evicted alone: both stay');
    publish(topic => 'a', size => 1);
    is(kept(), '11, 2, 2: 12 14', 'the last one is known');
    publish(topic => 'a', size => 1, count => 1);
    is(kept(), '12, 1, 1: 15', 'the other one is trimmed');
    is($at->command('HGET', key('t'), 'a'), '15 1',
       'which is not what the topic has now');
};


part 'own TTLs' => sub {
    publish(ttl => 0, size => 7);
    is(kept(), '0, 0, 0: ', 'TTL 0: not kept, and no gap');

    publish(size => 1);
    publish(ttl => 1, size => 2, topic => 't');
    publish(ttl => 100, size => 4);
    publish(ttl => 1, size => 8) for 1 .. 40;
    is(channel()->{kept}, 43, 'kept');

    pause(1.1);
    is(channel(most => 2)->{seqs}, '2 4', 'read without those');
    is(kept(), '0, 2, 5: 2 4', 'removed, and no gap');
    is($at->command('HEXISTS', key('t'), 't'), 0, 'with their topics');

    publish(ttl => 1, size => 1) for 1 .. 40;
    publish(size => 1, count => 1000);
    pause(1.1);
    publish(size => 1, count => 1000);
    is($at->command('XLEN', key('s')), 44 - 30,
       'a publish looks at 32 of them');
    publish(size => 1, count => 1000);
    is($at->command('XLEN', key('s')), 5, 'the next one goes on');

    $channel .= 'b';
    publish(ttl => 1, size => 1) for 1 .. 3;
    publish(size => 1) for 1 .. 2;
    pause(1.1);
    publish(size => 1, count => 3);
    is(kept(), '0, 3, 3: 4 5 6', 'trimmed, but they were over: no gap');
    publish(size => 1, count => 3);
    is(kept(), '4, 3, 3: 5 6 7', 'a gap');
    publish(ttl => 100, size => 1, count => 1) for 1 .. 2;
    is(kept(), '8, 1, 1: 9', 'trimmed before they are over: a gap');
};


part 'trimming by number' => sub {
    publish(size => $_, count => 3) for 1 .. 5;
    is(kept(), '2, 3, 12: 3 4 5', 'three');
    publish(size => 1, count => 5);
    is(kept(), '2, 4, 13: 3 4 5 6', 'more');
    publish(size => 1, count => 2);
    is(kept(), '5, 2, 2: 6 7', 'less');
    publish(size => 1, count => 0);
    is(kept(), '8, 0, 0: ', 'none');
    publish(size => 1, count => 0, ttl => 0);
    is(kept(), '8, 0, 0: ', 'none, and TTL 0');

    publish(count => 1000) for 1 .. 500;
    publish(size => 1, count => 3);
    is(kept(), '507, 3, 21: 508 509 510', 'many at once');
};


part 'trimming by size' => sub {
    publish(size => 10, max => 35) for 1 .. 5;
    is(kept(), '2, 3, 30: 3 4 5', 'three of ten bytes');
    publish(size => 26, max => 35);
    is(kept(), '5, 1, 26: 6', 'one large');
    publish(size => 35, max => 35);
    is(kept(), '6, 1, 35: 7', 'as large as may be');
    publish(size => 36, max => 35, topic => 't');
    is(kept(), '8, 0, 0: ', 'too large');
    is($at->command('EXISTS', key('t')), 0, 'no topic either');
    publish(size => 0, max => 35) for 1 .. 5;
    is(kept(), '8, 5, 0: 9 10 11 12 13', 'empty ones');
};


part 'trimming by age' => sub {
    publish(age => 400, size => 1) for 1 .. 3;
    is(kept(), '0, 3, 3: 1 2 3', 'young');
    pause(0.25);
    publish(age => 400, size => 1);
    pause(0.25);
    is(kept(), '3, 1, 1: 4', 'the oldest are not given');
    pause(0.25);
    publish(age => 400, size => 1);
    is(kept(), '4, 1, 1: 5', 'a publish removes them, too');

    pause(0.45);
    is(kept(), '5, 0, 0: ', 'all of them');
    publish(age => 0, size => 1);
    pause(0.45);
    is(kept(), '5, 1, 1: 6', 'any age');
    publish(age => 400, size => 1);
    is(kept(), '6, 1, 1: 7', 'the rule is that of the last publish');
};


part 'how long the keys live' => sub {
    my $ttl = sub {
        my ($key) = @_;
        my $n = $at->command('PTTL', key($key));
        return $n < 0 ? $n : POSIX::floor($n / 1000);
    };
    my $about = sub {
        my ($key, $least, $name) = @_;
        my $n = $ttl->($key);

        ok($n >= $least - 1 && $n <= $least * 1.125 + 1,
           "$name: $n, at least $least");
    };

    publish(age => 100_000, idle => 50_000, topic => 'x');
    $about->($_, 750, $_) for qw(m s t);

    $at->command('PEXPIRE', key($_), 1000) for qw(m s);
    publish(age => 100_000, idle => 50_000);
    ok($ttl->($_) <= 1, "$_, not at each publish") for qw(m s);

    publish(age => 1_000_000, idle => 50_000);
    $about->($_, 1650, "$_, an older history") for qw(m s t);
    publish(age => 1_000, idle => 1_000);
    $about->($_, 602, "$_, a younger one") for qw(m s t);
    publish(age => 0, idle => 1_000);
    is($ttl->($_), -1, "$_, for ever") for qw(m s t);
    publish(age => 1_000, idle => 0);
    is($ttl->($_), -1, "$_, idle for ever") for qw(m s t);
    publish(count => 0, age => 0, idle => 1_000);
    $about->('m', 601, 'no history');
    publish(age => 1_000, idle => 1_000, topic => 'y');
    $about->($_, 602, "$_, made again") for qw(m s t);

    # as if most of the time had passed
    my @rules = split ' ', $at->command('HGET', key('m'), 'rules');
    $rules[4] -= 300_000;
    $at->command('HSET', key('m'), 'rules', "@rules");
    $at->command('PEXPIRE', key($_), 10_000) for qw(m s t);
    channel();
    $about->($_, 602, "$_, read") for qw(m s t);
};


part 'delete' => sub {
    is(delete_channel(), undef, 'no channel');
    is($at->command('EXISTS', key('m')), 0, 'none is made');

    publish(life => 31, topic => 't', flags => 'e');

    my $s = subscribe();
    my $r = delete_channel(life => 32, term => 8);
    is_deeply($r, [ 1, 1, 32 ], 'deleted');
    like($s->answer->[2], qr/^1d 32 8 1 0 \d+\n31\z/, 'announced');
    is($at->command('EXISTS', key($_)), 0, "no $_") for qw(s t);

    my $c = channel();
    is("@$c{qw(life lineage_term last term floor sealed time deleted kept
               terms)}", '32 8 0 0 0 0 0 31 0 8 1', 'a new life');
    my $ttl = $at->command('PTTL', key('m'));
    ok($ttl > 659_000 && $ttl < 750_000, 'for its idle time');

    is(published(), 'created 1', 'numbers begin again');
    is(channel()->{life}, 32, 'in it');
    is_deeply(delete_channel(life => 32), [ 1, 1, 33 ],
              'never the same life again');
    is(channel()->{deleted}, 32, 'the one before');
};


part 'terms' => sub {
    my $terms = sub { return channel()->{terms} };

    publish(term => 10) for 1 .. 3;
    is($terms->(), '10 1', 'one');

    my $r = publish(term => 20);
    is("@$r{qw(term seq began)}", '20 4 4', 'another master');
    $r = publish(term => 20);
    is("@$r{qw(term seq began)}", '20 5 4', 'and on');
    is($terms->(), '10 1 20 4', 'two');
    is(join(' ', map { $_->{term} } @{ channel()->{entries} }),
       '10 10 10 20 20', 'an entry has its own');

    $r = publish(term => 10);
    is("@$r{qw(term seq began)}", '11 6 6', 'one that was there before');
    $r = publish(term => 10);
    is("@$r{qw(term seq began)}", '11 7 6', 'stays what it has become');
    $r = publish(term => 11);
    is("@$r{qw(term seq began)}", '12 8 8', 'what was taken so');
    publish(term => $_) for 30 .. 35;
    is($terms->(), '11 6 12 8 30 9 31 10 32 11 33 12 34 13 35 14',
       'the last eight');

    publish(term => 16777215);
    publish(term => 1);
    $r = publish(term => 16777215);
    is($r->{term}, 2, 'the largest one goes round');

    $channel .= 'b';
    channel(life => 1, term => 40);
    $r = publish(term => 41);
    is("@$r{qw(term seq began)}", '41 1 1', 'a term without a message');
    is($terms->(), '40 1 41 1', 'is remembered');
};


part 'a replica is promoted, with a lost tail' => sub {
    my $master = Push::Redis->new;
    my $replica = Push::Redis->new(replica_of => $master, start => 0);
    my $alone = term_of($master);
    my $r;

    $at = $master;
    ok($replica->start && $replica->wait_synced, 'a replica');
    my $old = term_of($master);
    isnt($old, $alone, 'with its first one a master has another term');

    {
        local $text{publish} = $whole{publish};

        publish(term => $_ % 2 ? $alone : $old) for 1 .. 6;
        is(channel()->{terms}, "$alone 1 $old 2",
           'who does not know it yet begins no other');
        delete_channel(term => $old);
    }

    is(term_of($replica), $old, 'has the term of its master');
    $r = publish(term => $old, key => 'k') for 1 .. 3;
    $r = publish(term => $old) for 1 .. 2;
    ok($replica->wait_synced, 'it has all');
    my $life = $r->{life};

    $replica->follow(undef);
    is(published(term => $old), 'created 4', 'the tail');
    is(published(term => $old), 'created 5', 'of two');
    $master->kill;

    $at = $replica;
    my $new = term_of($replica);
    isnt($new, $old, 'a term of its own');
    is(channel(term => $new)->{last}, 3, 'it has the first three');

    $r = publish(term => $new);
    is("@$r{qw(outcome life term seq began)}", "created $life $new 4 4",
       'number 4 once more, of another term');
    is(published(term => $new), 'created 5', 'and 5');
    is(channel()->{terms}, "$old 1 $new 4",
       'who has the old 4 can be told');
    is(published(term => $new, match => [ $life, $old, 5 ]), 'unmatched 5',
       'the old 5 does not match');
    is(published(term => $new, key => 'k'), 'repeated 1', 'keys are there');

    ok($master->start, 'the old master comes back');
    $master->follow($replica);
    ok($master->wait_synced, 'as a replica');
    $at = $master;
    like((eval { publish(term => $new); '' } // $@), qr/^READONLY/,
         'where nothing is published');

    is($master->info('replication')->{role}, 'slave', 'a replica');
    $_->finish for $master, $replica;
};


part 'restarts' => sub {
    $at = Push::Redis->new(persist => 1);

    my $old = term_of($at);
    my $r = publish(term => $old, key => 'k', topic => 't');

    publish(term => $old);
    ok($at->restart('KILL'), 'with its data');
    isnt(term_of($at), $old, 'a new term');
    is(channel()->{seqs}, '1 2', 'all is there');
    is(published(key => 'k'), 'repeated 1', 'the key, too');
    is(published(topic => 't'), 'created 3', 'and on');
    is(channel()->{seqs}, '2 3', 'the topics are there');
    $at->finish;

    $at = Push::Redis->new;
    publish(term => term_of($at));
    ok($at->restart, 'without');
    is(channel(), undef, 'nothing is there');
    $r = publish(life => 99);
    is("@$r{qw(outcome life seq)}", 'created 99 1', 'a new life');
    $at->finish;
};


part 'what is evicted' => sub {
    publish(life => 1, topic => 't') for 1 .. 5;
    $at->command('DEL', key('m'));
    my $r = publish(life => 2);
    is("@$r{qw(outcome life seq)}", 'created 2 1',
       'metadata: another life, not blocked by the entries');
    is(kept(), '0, 1, 10: 1', 'of which none is left');
    is($at->command('EXISTS', key('t')), 0, 'nor a topic');

    $at->command('DEL', key('m'));
    is(channel(), undef, 'metadata: no channel');
    my $c = channel(life => 3);
    is("@$c{qw(life last kept seqs)}", '3 0 0 ', 'or a new one');
    is($at->command('EXISTS', key('s')), 0, 'without the old entries');

    publish() for 1 .. 4;
    $at->command('DEL', key('s'));
    is(kept(), '4, 0, 0: ', 'entries: a gap, when read');
    publish() for 1 .. 2;
    $at->command('DEL', key('s'));
    is(published(), 'created 7', 'entries: on with the numbers');
    is(kept(), '6, 1, 10: 7', 'a gap, when published');
    ok($at->command('PTTL', key('s')) > 0, 'and an age');

    publish(ttl => 0, topic => 'x');
    $at->command('DEL', key('s'));
    publish(ttl => 0);
    is(kept(), '8, 0, 0: ', 'a gap, when published but not kept');
};


part 'entries that are not ours' => sub {
    publish() for 1 .. 3;
    $at->command('XADD', key('s'), '10-0', 'x', 'y');
    is(published(), 'created 11', 'above the counter');
    is(kept(), '10, 1, 10: 11', 'a gap');

    $at->command('XADD', key('s'), '20-0', 'x', 'y');
    is(kept(), '20, 0, 0: ', 'when read');
    is(published(), 'created 21', 'no number twice');

    $at->command('XADD', key('s'), '30-0', 'x', 'y');
    $at->command('XDEL', key('s'), '30-0');
    my $r = publish(term => 6);
    is("@$r{qw(outcome seq term began)}", 'created 31 6 31',
       'one that is not there any more');
    is(kept(), '30, 1, 10: 31', 'a gap');
    is(channel()->{terms}, '5 1 6 31', 'terms');

    $at->command('DEL', key('s'));
    $at->command('SET', key('s'), 'x');
    my $was = $at->command('HGETALL', key('m'));
    like((eval { publish(); '' } // $@), qr/WRONGTYPE/, 'another type');
    is_deeply($at->command('HGETALL', key('m')), $was, 'nothing is done');

    $at->command('HSET', key('m'), 'x', 1);
    $at->command('HDEL', key('m'), 'log');
    $at->command('DEL', key('s'));
    is(published(life => 7), 'created 1', 'metadata without a log');
};


part 'memory is full' => sub {
    my $used = sub { $at->command('CONFIG', 'SET', 'maxmemory', $_[0]) };
    my $refused = sub {
        my ($name, %o) = @_;
        my $was = state();
        my $s = subscribe();

        $used->(1);
        eval { publish(%o) };
        like($@, qr/^OOM/, "$name: refused");
        $used->(0);
        is(state(), $was, 'nothing is done');
        ok(!$s->readable(0.02), 'nothing is announced');
    };

    $at = Push::Redis->new;
    $at->command('SCRIPT', 'LOAD', $_) for values %text;

    $refused->('a new channel', key => 'k');
    $refused->('its end', flags => 'en');
    publish(topic => 't', ttl => $_) for 1, 100;
    publish(age => 100) for 1 .. 3;
    pause(1.1);
    $refused->('a message', key => 'k');
    $refused->('of a topic', topic => 't');
    $refused->('of TTL 0', topic => 't', ttl => 0);
    $refused->('that trims', count => 1);
    $refused->('without a history', count => 0);
    $refused->('the end', flags => 'en');
    $refused->('another term', term => 6);

    $used->(1);
    my $c = channel();
    is("@$c{qw(last seqs kept floor)}", '5  0 5', 'it can be read');
    eval { delete_channel() };
    like($@, qr/^OOM/, 'not deleted');
    $used->(0);
    is(published(age => 100), 'created 6', 'numbers go on');
    is(kept(), '5, 1, 10: 6', 'and all is right');

    $at->command('DEL', key('s'));
    $refused->('entries evicted alone');
    $at->command('DEL', key('m'));
    $used->(1);
    is(channel(), undef, 'nothing to be read');
    eval { channel(life => 1) };
    like($@, qr/^OOM/, 'no channel is made');
    $used->(0);
    is($at->command('EXISTS', key('m')), 0, 'nothing of it');
    $at->finish;
};


part 'scripts are flushed' => sub {
    publish();
    $at->command('SCRIPT', 'FLUSH');
    my ($keys, @args) = publish_arguments();
    eval { $at->command('EVALSHA', sha1_hex($text{publish}), 4, @$keys,
                        @args) };
    like($@, qr/^NOSCRIPT/, 'by their hashes they are not known');
    is(published(), 'created 2', 'by their text they are');
    eval { $at->command('EVALSHA', sha1_hex($text{publish}), 4, @$keys,
                        @args) };
    is($@, '', 'and from then on again');
};


# what stands in the source is what is needed, and enough

part 'rights' => sub {
    my @said = $source =~ /(?<= )\+([\w|]+)/g;
    my %used = map { lc $_ => 1 }
               join('', values %whole)
               =~ /p?call\('(\w+)'/g;

    delete $used{xinfo}, $used{'xinfo|stream'} = 1 if $used{xinfo};
    $used{$_} = 1 for qw(eval evalsha);

    is(join(' ', sort @said), join(' ', sort keys %used), 'as written');

    my $user = $at->command('ACL', 'SETUSER', 'pod', 'on', '>secret',
                            '~push:*', '&push:*', '-@all',
                            map { "+$_" } @said);
    is($user, 'OK', 'a user with no other rights');

    my $admin = $at;
    $at = $admin->connect(user => 'pod', password => 'secret');

    channel(life => 1);
    is(published(key => 'k'), 'created 1', 'publish');
    is(published(key => 'k'), 'repeated 1', 'again');
    is(published(topic => 't', term => 6), 'created 2', 'a topic');
    is(published(topic => 't', ttl => 0), 'created 3', 'TTL 0');
    is(published(topic => 't', ttl => 1, age => 0), 'created 4', 'for ever');
    is(published(topic => 't'), 'created 5', 'collapsed');
    is(published(topic => 'u', count => 1), 'created 6', 'trimmed');
    $admin->command('DEL', key('s'));
    is(published(ttl => 1), 'created 7', 'after an eviction');
    publish(ttl => 1);
    pause(1.1);
    is(channel()->{seqs}, '', 'read');
    ok(delete_channel(), 'delete');
    is(published(flags => 'en'), 'created 0', 'the end');

    eval { $at->command('GET', 'other') };
    like($@, qr/^NOPERM/, 'not any key');
    eval { $at->command('KEYS', '*') };
    like($@, qr/^NOPERM/, 'nor any command');
};


part 'publishers at the same time' => sub {
    my ($n, $each) = (4, 250);
    my $s = subscribe();
    my @pids;

    for my $i (1 .. $n) {
        my $pid = fork // die "fork: $!";

        if ($pid == 0) {
            my $c = $redis->connect;
            my @all = map {
                my ($keys, @args) = publish_arguments(
                    life => $i, count => 2000, blob => "$i:$_");
                [ 'EVAL', $text{publish}, 4, @$keys, @args ]
            } 1 .. $each;
            my @bad = grep { !ref || $_->[0] != 0 } map {
                $c->pipeline(splice @all, 0, 10)
            } 1 .. $each / 10;

            POSIX::_exit(@bad ? 1 : 0);
        }

        push @pids, $pid;
    }

    my @came = map { $s->answer->[2] } 1 .. $n * $each;

    is(sum0(map { waitpid $_, 0; $? } @pids), 0, 'all are done');

    my @seqs = map { (split ' ')[4] } @came;
    my %lives = map { (split ' ')[1] => 1 } @came;

    is("@seqs", join(' ', 1 .. $n * $each), 'numbers without holes');
    is(scalar keys %lives, 1, 'of one life');

    my @blobs = map { s/.*\n//r } @came;
    my @kept = map { $_->{blob} } @{ channel(most => 2000)->{entries} };

    is("@kept", "@blobs", 'kept in the order of the announcements');

    for my $i (1 .. $n) {
        is(join(' ', grep { /^$i:/ } @blobs),
           join(' ', map { "$i:$_" } 1 .. $each), "publisher $i in its order");
    }
};


# the rules once more, in the plainest way, beside the scripts

part 'anything' => sub {
    seed();

    for my $round (1 .. 8) {
        my ($last, $floor, @log) = (0, 0);
        my $wrong = '';

        $channel = "any$round";

        for my $step (1 .. 60) {
            my %o = (size => int rand 20, count => int rand 8,
                     max => (0, 0, 40)[rand 3]);

            $o{topic} = (qw(a b c))[rand 3] if rand() < 0.4;
            $o{ttl} = 0 if rand() < 0.2;
            $o{blob} = "m$step";

            if (rand() < 0.03) {
                $floor = $last if @log;
                @log = ();
                $at->command('DEL', key('s'));

            } elsif (rand() < 0.02 && $last) {
                delete_channel();
                ($last, $floor, @log) = (0, 0);
            }

            my $r = publish(%o);
            my $topic = $o{topic};

            $last++;
            @log = grep { !defined $topic || ($_->{topic} // '') ne $topic }
                   @log;

            if (!defined $o{ttl}) {
                push @log, { %o, seq => $last };
            }

            while (@log && (@log > $o{count} || $o{max}
                            && sum0(map { $_->{size} } @log) > $o{max}))
            {
                $floor = (shift @log)->{seq};
            }

            my $c = channel();
            my $want = "$last $last $floor " . @log . ' '
                       . sum0(map { $_->{size} } @log) . ' '
                       . join ' ', map { "$_->{seq}:$_->{blob}" } @log;
            my $got = "$r->{seq} " . join ' ', @$c{qw(last floor kept bytes)},
                      join ' ', map { "$_->{seq}:$_->{blob}" }
                                @{ $c->{entries} };

            if ($got ne $want) {
                $wrong = "step $step: $got, not $want";
                last;
            }
        }

        is($wrong, '', "round $round");
    }
};

done_testing;
