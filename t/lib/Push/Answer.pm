package Push::Answer;

# Whole answers, checked in all their parts: a retry for a client that speaks
# Server-Sent Events, a problem document for any other.

use strict;
use warnings;

use Exporter 'import';
use Test::More import => [qw(is ok like diag)];

our @EXPORT = qw(is_retry is_problem);


# is_retry($response, $what, option => value ...): the time in it
#
#   retry    [min, max] in ms, 2000 to 3000
#   cache    1: Cache-Control has more in it than ours
#   chunked  1: a filter took the length away
#   http10   1: so the end is that of the connection

sub is_retry {
    my ($r, $what, %opt) = @_;
    my ($min, $max) = @{ $opt{retry} // [2000, 3000] };

    is($r->status, 200, "$what: 200");
    is($r->header('content-type'), 'text/event-stream', "$what: type");
    is($r->header('cache-control'), 'no-store, no-transform',
       "$what: not cached") unless $opt{cache};
    is($r->header('x-accel-buffering'), 'no', "$what: not buffered");
    is($r->header('content-encoding'), undef, "$what: no encoding");
    is($r->header($_), undef, "$what: no $_")
        for qw(last-modified accept-ranges location content-range retry-after);
    is($r->header('etag'), undef, "$what: no etag");
    like($r->header('vary'), qr/\AOrigin, Accept\b/, "$what: Vary");
    ok($opt{http10} ? $r->closed eq 'clean' : $r->ended, "$what: complete");

    return if $r->{opt}{method} && $r->{opt}{method} eq 'HEAD';

    my ($ms) = $r->body =~ /\Aretry: (\d+)\n\n\z/;
    ok(defined $ms && $ms >= $min && $ms <= $max, "$what: body")
        or diag($r->body);
    is($r->header('content-length'), length $r->body, "$what: length")
        unless $opt{chunked};

    return $ms;
}


# is_problem($response, $what, $status, $slug)

sub is_problem {
    my ($r, $what, $status, $slug) = @_;

    is($r->status, $status, "$what: $status");
    is($r->header('content-type'), 'application/problem+json',
       "$what: a problem");
    is($r->header('cache-control'), 'no-store', "$what: not cached");

    return if $r->{opt}{method} eq 'HEAD';

    my $doc = $r->json;
    is($doc->{type}, "urn:ngx-push:problem:$slug", "$what: slug");
    is($doc->{status}, $status, "$what: status");
    ok(length $doc->{title} && length $doc->{detail}, "$what: in words");
    is($r->header('content-length'), length $r->body, "$what: length");
    is($r->header('retry-after'), $status =~ /429|503/ ? 1 : undef,
       "$what: Retry-After");
}


1;
