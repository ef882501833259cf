package Push::Test;

# What a test uses: Test::More, an NGINX of its own, clients, conditions.
# done_testing() closes the clients, stops every NGINX and fails on anything
# in their logs that must not be there.

use strict;
use warnings;

use Exporter 'import';
use JSON::PP ();
use Test::More ();

use Push::Client;
use Push::Command;
use Push::HTTP qw(http raw);
use Push::Nginx;
use Push::SSE;

my @more;

# all of Test::More but its done_testing()
BEGIN {
    no strict 'refs';
    @more = grep { /\A\w+\z/ && $_ ne 'done_testing' } @Test::More::EXPORT;
    *$_ = \&{"Test::More::$_"} for @more;
}

our @EXPORT = (@more, qw(done_testing nginx http raw sse json decode_json
    wait_for run_for curl node command start_curl start_command for_workers
    finish_servers seed has_command $root));

our $root = $Push::Nginx::root;

my $finished;

$SIG{PIPE} = 'IGNORE';
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

# the process that may stop what was started, not its children
my $owner = $$;


# nginx(conf => ...): started; see Push::Nginx

sub nginx { return Push::Nginx->new(@_) }


# sse($port_or_nginx, $path, ...): see Push::SSE and Push::Client

sub sse { return Push::SSE->new(@_) }


sub decode_json { return JSON::PP->new->utf8->allow_nonref->decode($_[0]) }
sub json { return JSON::PP->new->utf8->canonical->allow_nonref->encode($_[0]) }


# wait_for(sub { ... }, $timeout, $what): its value when it becomes true;
# clients go on reading meanwhile

sub wait_for {
    my ($cond, $timeout, $what) = @_;

    my (undef, $file, $line) = caller;
    return Push::Client->run_until($cond, $timeout,
                                   $what // "line $line of $file");
}

sub run_for { return Push::Client->run_for(@_) }


# curl(@arguments), node('x.js', @arguments), command(@command):
# { code, out, err } when it has ended; clients go on reading meanwhile

sub curl { return command('curl', '-sS', '--max-time', 30, @_) }
sub node { return command('node', "$root/t/js/" . shift, @_) }

sub command {
    my $c = Push::Command->new(@_);

    $c->wait;
    return { code => $c->code, out => $c->out, err => $c->err };
}


# the same, not waited for: see Push::Command

sub start_curl    { return Push::Command->new('curl', '-sSN', @_) }
sub start_command { return Push::Command->new(@_) }


sub has_command {
    my ($name) = @_;
    return scalar grep { -x "$_/$name" } split /:/, $ENV{PATH};
}


# for_workers(1, 2, 4, sub { my ($n) = @_; ... }): the same subtest for each;
# PUSH_WORKERS="1 4" replaces the list

sub for_workers {
    my $code = pop;
    my @list = length($ENV{PUSH_WORKERS} // '') ? split ' ', $ENV{PUSH_WORKERS}
                                                : @_;

    for my $n (@list) {
        subtest "workers: $n" => sub {
            $code->($n);
            finish_servers();
        };
    }
}


# the random numbers of a test, to be had again with PUSH_SEED

sub seed {
    our $seed //= $ENV{PUSH_SEED} // int rand 2 ** 31;

    note("PUSH_SEED=$seed");
    srand $seed;

    return $seed;
}


# closes all clients and ends all servers: one test for each

sub finish_servers {
    Push::Client->close_all;
    Push::Command->stop_all;

    my $failed = !Test::More->builder->is_passing;

    while (my $server = $Push::Nginx::running[0]) {
        ok($server->finish(failed => $failed), 'NGINX: clean log, clean end');
    }
}


sub done_testing {
    finish_servers();
    $finished = 1;
    Test::More::done_testing();
}


# when a test dies, or forgot to finish

END {
    if ($$ == $owner && !$finished) {
        my $code = $?;

        Push::Client->close_all;
        Push::Command->stop_all;

        while (my $server = $Push::Nginx::running[0]) {
            $server->finish(failed => $code) or $code ||= 1;
        }

        $? = $code;
    }
}


1;
