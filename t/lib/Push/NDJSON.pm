package Push::NDJSON;

# A subscriber by a stream of JSON objects, one a line.
#
#   my $c = ndjson($n, '/sub?channel=a');
#   $c->wait_messages(3);
#   is($c->messages->[0]{data}, '...');
#
# The first argument is an NGINX, a port, or one of Push::Ways; options are
# those of Push::Client.  All bytes of the body are in {all}.

use strict;
use warnings;

use Exporter 'import';
use Push::Client;
use Push::Curl;
use Scalar::Util qw(blessed);

our @EXPORT = qw(ndjson);


sub ndjson {
    my ($where, $path, %opt) = @_;
    my $way = blessed $where && $where->isa('Push::Ways') ? $where : undef;
    my $port = delete $opt{port} // (ref $where ? $where->port : $where);
    my $headers = $opt{headers} // {};
    my @headers = ref $headers eq 'HASH' ? %$headers : @$headers;

    unless (grep { /\Aaccept\z/i } @headers) {
        unshift @headers, Accept => 'application/x-ndjson';
    }

    if ($way) {
        $opt{tls} //= $way->is_tls;
        $opt{http10} //= $way->is_http10;
    }

    my $class = $way && $way->is_http2 ? 'Push::NDJSON::Curl'
                                       : 'Push::NDJSON::Client';

    return $class->new($port, $path, %opt, headers => \@headers);
}


# the lines of a body

package Push::NDJSON::Lines;

use strict;
use warnings;

use JSON::PP ();

my $json = JSON::PP->new->utf8;


sub _body {
    my ($self, $bytes) = @_;

    $self->{rest} .= $bytes;

    while ($self->{rest} =~ s/\A([^\n]*)\n//) {
        my $line = $1;

        if ($line eq '') {
            $self->{blank}++;
            next;
        }

        my $object = eval { $json->decode($line) };

        if (ref $object ne 'HASH') {
            push @{ $self->{broken} }, $line;
            next;
        }

        push @{ $self->{lines} }, $object;
        $self->{kinds}{ $object->{type} // '' }++;
    }
}


sub _fresh { $_[0]->poll if $_[0]->can('poll'); return $_[0] }

# objects in their order; lines that are none; blank ones
sub lines  { return $_[0]->_fresh->{lines} // [] }
sub broken { return $_[0]->_fresh->{broken} // [] }
sub blank  { return $_[0]->_fresh->{blank} // 0 }

# those of a type
sub of { my ($self, $type) = @_;
         return [ grep { $_->{type} eq $type } @{ $self->lines } ] }

sub messages { return $_[0]->of('message') }
sub data     { return [ map { $_->{data} } @{ $_[0]->messages } ] }

sub wait_lines {
    my ($self, $n, $timeout) = @_;
    return $self->_wait(sub { @{ $_[0]{lines} // [] } >= $n }, "$n lines",
                        $timeout);
}

sub wait_of {
    my ($self, $type, $n, $timeout) = @_;
    $n //= 1;
    return $self->_wait(sub { ($_[0]{kinds}{$type} // 0) >= $n },
                        "$n of $type", $timeout);
}

sub wait_messages   { my $self = shift; return $self->wait_of(message => @_) }
sub wait_subscribed { my $self = shift; return $self->wait_of(subscribed => @_) }


package Push::NDJSON::Client;

use strict;
use warnings;

use parent -norequire, 'Push::NDJSON::Lines', 'Push::Client';

sub _body {
    my ($self, $bytes) = @_;

    $self->{all} .= $bytes;
    return $self->SUPER::_body($bytes);
}


package Push::NDJSON::Curl;

use strict;
use warnings;

use parent -norequire, 'Push::NDJSON::Lines', 'Push::Curl';


1;
