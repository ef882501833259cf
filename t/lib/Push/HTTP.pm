package Push::HTTP;

# One request, one response, over a plain socket.  An object keeps its
# connection between requests; http() is for one.

use strict;
use warnings;

use Exporter 'import';
use JSON::PP ();
use Push::Client;

our @EXPORT_OK = qw(http raw);


# http($port, METHOD => $path, headers => {}, body => '', ...)
#
# Options and the answer are those of Push::Client, and json() is its body
# decoded.  The connection is closed afterwards.

sub http {
    my ($port, $method, $path, %opt) = @_;

    my @headers = ref $opt{headers} eq 'HASH' ? %{ $opt{headers} }
                                              : @{ $opt{headers} // [] };
    my $timeout = delete $opt{timeout};

    my $r = Push::HTTP::Response->new($port, $path, %opt, method => $method,
                headers => [ @headers, Connection => 'close' ]);

    $r->wait_closed($timeout);
    $r->close;

    return $r;
}


# all that comes for these bytes until the server closes, or for a while

sub raw {
    my ($port, $bytes, %opt) = @_;

    my $r = Push::HTTP::Response->new($port, 'raw', %opt, request => $bytes);
    $r->wait_closed($opt{timeout});
    $r->close;

    return $r;
}


# a connection kept alive

sub new {
    my ($class, $port, %opt) = @_;
    return bless { port => $port, opt => \%opt }, $class;
}


sub request {
    my ($self, $method, $path, %opt) = @_;
    my $r = $self->{r};

    my %all = (%{ $self->{opt} }, %opt, method => $method);

    if ($r && !$r->closed && $r->ended
        && ($r->header('connection') // '') ne 'close')
    {
        $r = $self->{r} = $r->again($path, %all);

    } else {
        $r = $self->{r} = Push::HTTP::Response->new($self->{port}, $path, %all);
    }

    $r->wait_end($opt{timeout});

    return $r->copy;
}


package Push::HTTP::Response;

use strict;
use warnings;

use parent -norequire, 'Push::Client';


sub json {
    my ($self) = @_;
    return eval { JSON::PP->new->utf8->allow_nonref->decode($self->{body}) };
}


# the next request on this connection

sub again {
    my ($self, $path, %opt) = @_;

    %$self = (%$self, path => $path, in => '', body => '', state => 'head',
              headers => {}, opt => \%opt,
              requests => $self->{requests} + 1);
    delete @$self{qw(ended ended_at head_at status left)};

    $self->send($self->_request($path, \%opt));

    return $self;
}


# a response that the next one does not overwrite

sub copy {
    my ($self) = @_;

    my %copy = %$self;
    delete @copy{qw(io fh on_data)};
    $copy{closed} ||= 'here';

    return bless \%copy, ref $self;
}


1;
