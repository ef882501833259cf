package Push::Node;

# A script of t/js as a part of a test: it prints "ok - name" or
# "not ok - name" for each fact, and "done" at its end (see t/js/check.js).

use strict;
use warnings;

use Exporter 'import';
use JSON::PP ();
use Push::Client;
use Push::Command;
use Push::Nginx;
use Test::More ();

our @EXPORT = qw(node_ok);


# node_ok('x.js', name => value, ...): a subtest; the script gets the arguments
# as one object

sub node_ok {
    my ($script, %args) = @_;

    my $root = $Push::Nginx::root;
    my $timeout = delete $args{timeout} // 240;
    my $json = JSON::PP->new->canonical->encode(\%args);
    my $name = join ' ', $script, grep { defined } $args{part};

    return Test::More::subtest($name => sub {
        my $c = Push::Command->new('node', "$root/t/js/$script", $json);

        $c->wait($timeout) || $c->stop('KILL');

        my @lines = split /\n/, $c->out;
        my $done = @lines && $lines[-1] eq 'done';

        for (@lines) {
            if (/\A(ok|not ok) - (.*)/) {
                Test::More::ok($1 eq 'ok', $2);

            } elsif ($_ ne 'done') {
                /\A# (.*)/ ? Test::More::diag($1) : Test::More::note($_);
            }
        }

        Test::More::ok($done, 'ran to its end') or Test::More::diag($c->err);
        Test::More::is($c->code, 0, 'exit code') or Test::More::diag($c->err);
    });
}


1;
