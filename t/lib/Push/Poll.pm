package Push::Poll;

# Pages of history and long polling: requests for JSON, and their answers.
#
#   my $r = page($n, '/sub?channel=a', since => $id, limit => 10);
#   my $p = start_poll($way, '/sub?channel=a', wait => 20, since => $id);
#   ... $p->wait_end ... $p->json->{messages} ...
#
# The first argument is an NGINX, a port, or one of Push::Ways.  Options:
#
#   since, limit, before, format ...   those of "args" come into the query
#   args    hash, more of them
#   wait    seconds, by Prefer
#   etag    by If-None-Match, quoted here
#   headers, and all others            those of Push::Client

use strict;
use warnings;

use Exporter 'import';
use Push::Curl;
use Push::HTTP;
use Scalar::Util qw(blessed);

our @EXPORT = qw(page start_poll poll_request data_of ids_of walk);

my @args = qw(since limit before format transport);


# (path, options of Push::Client) for a poll

sub poll_request {
    my ($path, %opt) = @_;

    my %args = %{ delete $opt{args} // {} };
    $args{$_} = delete $opt{$_} for grep { defined $opt{$_} } @args;

    my $headers = delete $opt{headers} // {};
    my @headers = ref $headers eq 'HASH' ? %$headers : @$headers;

    unless (grep { /\Aaccept\z/i } @headers) {
        unshift @headers, Accept => 'application/json';
    }

    if (defined(my $wait = delete $opt{wait})) {
        push @headers, Prefer => "wait=$wait";
    }

    if (defined(my $etag = delete $opt{etag})) {
        push @headers, 'If-None-Match' => qq("$etag");
    }

    for (sort keys %args) {
        $path .= ($path =~ /\?/ ? '&' : '?') . "$_=$args{$_}";
    }

    return ($path, %opt, headers => \@headers);
}


# a request whose answer is still to come; see Push::HTTP

sub start_poll {
    my ($where, @rest) = @_;
    my ($path, %opt) = poll_request(@rest);
    my $way = blessed $where && $where->isa('Push::Ways') ? $where : undef;
    my $port = delete $opt{port} // (ref $where ? $where->port : $where);

    $opt{method} //= 'GET';

    if ($way) {
        $opt{tls} //= $way->is_tls;
        $opt{http10} //= $way->is_http10;

        if ($way->is_http2) {
            delete $opt{method} if $opt{method} eq 'GET';
            return Push::Poll::Curl->new($port, $path, %opt);
        }
    }

    return Push::Poll::Response->new($port, $path, %opt);
}


# the answer

sub page {
    my ($where, $path, %opt) = @_;
    my $timeout = delete $opt{timeout};
    my $p = start_poll($where, $path, %opt);

    $p->wait_end($timeout);
    $p->close;

    return $p;
}


# what is in it

sub data_of { return [ map { $_->{data} } @{ $_[0]->json->{messages} // [] } ] }
sub ids_of { return [ map { $_->{id} } @{ $_[0]->json->{messages} // [] } ] }


# all pages from a start on, until there is nothing new: their messages

sub walk {
    my ($where, $path, %opt) = @_;
    my @messages;

    for (1 .. 2000) {
        my $page = page($where, $path, %opt)->json or return;

        return @messages unless @{ $page->{messages} };

        push @messages, @{ $page->{messages} };
        $opt{since} = $page->{next};
    }

    return;
}


# an answer is long, and asked for often

package Push::Poll::Response;

use strict;
use warnings;

use parent -norequire, 'Push::HTTP::Response';

sub json {
    my ($self) = @_;

    return $self->SUPER::json unless $self->ended;
    return $self->{doc} //= $self->SUPER::json;
}

sub again {
    my ($self, @rest) = @_;

    delete $self->{doc};
    return $self->SUPER::again(@rest);
}


# the answer to a request that was sent already, behind the present one

sub next_answer {
    my ($self) = @_;

    %$self = (%$self, body => '', state => 'head', headers => {},
              requests => $self->{requests} + 1);
    delete @$self{qw(ended ended_at head_at status left doc)};

    $self->_parse if length $self->{in};

    return $self;
}


# A client that polls again and again over a connection kept alive, and comes
# back over another when it has lost that.
#
#   my $loop = Push::Poll::Loop->new($n, '/sub?channel=a', since => $id, ...);
#   ... $loop->got, $loop->told('gap') ...
#
# Options: since, wait (seconds, 20), limit, etag (1: sends it), port, tls,
# delay (seconds before it comes back, 0.05).

package Push::Poll::Loop;

use strict;
use warnings;

use EV;
use Scalar::Util qw(weaken);


sub new {
    my ($class, $where, $path, %opt) = @_;

    my $self = bless {
        delay => 0.05, wait => 20, %opt, path => $path, got => [], told => [],
        connects => 0, polls => 0,
        port => $opt{port} // (ref $where ? $where->port : $where),
    }, $class;

    $self->_soon(0);

    return $self;
}


# its messages; notices of a kind: "gap", "closed", "ended"; its position
sub got { return $_[0]{got} }
sub told { my ($self, $what) = @_;
           return grep { $_->{what} eq $what } @{ $self->{told} } }
sub since { return $_[0]{since} }

# answers so far, and connections that were needed for them
sub polls { return $_[0]{polls} }
sub connects { return $_[0]{connects} }

sub stop {
    my ($self) = @_;

    $self->{stopped} = 1;
    delete $self->{timer};
    $self->{r}->close if $self->{r};
}


sub _soon {
    my ($self, $delay) = @_;

    weaken(my $weak = $self);
    $self->{timer} = EV::timer($delay, 0, sub { $weak->_next });
}


sub _next {
    my ($self) = @_;

    delete $self->{timer};
    return if $self->{stopped};

    my ($path, %opt) = Push::Poll::poll_request($self->{path},
        since => $self->{since}, limit => $self->{limit},
        wait => $self->{wait},
        etag => $self->{etag} ? $self->{since} // 'none' : undef);

    my $r = $self->{r};

    $self->{asking} = 1;

    if ($r && !$r->closed && ($r->header('connection') // '') ne 'close') {
        $r->again($path, %opt, method => 'GET', on_data => $r->{on_data});
        return;
    }

    weaken(my $weak = $self);

    $self->{connects}++;
    $self->{r} = Push::Poll::Response->new($self->{port}, $path, %opt,
        method => 'GET', tls => $self->{tls},
        on_data => sub { $weak->_look($_[0]) if $weak });
}


sub _look {
    my ($self, $r) = @_;

    return unless $self->{asking} && $r == $self->{r}
                  && ($r->ended || $r->closed);

    $self->{asking} = 0;

    if (!$r->ended) {
        return $self->_soon($self->{delay});
    }

    $self->{polls}++;

    if ($r->status == 304) {
        $self->{same}++;

    } elsif ($r->status != 200) {
        push @{ $self->{told} }, { what => $r->status };
        return $self->_soon($self->{delay});

    } else {
        $self->_answer($r->json);
    }

    # not from inside of its parser
    $self->_soon($self->{over} ? 0.1 : 0);
}


sub _answer {
    my ($self, $page) = @_;
    my $at = @{ $self->{got} };

    push @{ $self->{told} }, { what => 'gap', at => $at, %{ $page->{gap} } }
        if $page->{gap};

    push @{ $self->{got} }, @{ $page->{messages} };

    push @{ $self->{told} }, { what => 'closed', at => @{ $self->{got} }, %$_ }
        for @{ $page->{closed} // [] };

    if ($page->{ended}) {
        push @{ $self->{told} }, { what => 'ended', at => @{ $self->{got} } };
        $self->{over} = 1;
    }

    $self->{since} = $page->{next};
}


package Push::Poll::Curl;

use strict;
use warnings;

use parent -norequire, 'Push::Curl';

sub _body {
    my ($self, $bytes) = @_;
    $self->{body} .= $bytes;
}

sub body { return $_[0]->poll->{body} }

sub json {
    my ($self) = @_;

    return $self->{doc}
           //= eval { JSON::PP->new->utf8->decode($self->body) };
}


1;
