package Push::Ways;

# The ways by which a stream reaches a client: each is a server of the same
# NGINX with the same locations, and one test goes through all of them.
#
#   my $n = ways_nginx(locations => '...', http => '...', workers => 2,
#                      listen => 'sndbuf=8k');
#
#   for_ways($n, sub {
#       my ($way, $channel) = @_;
#       my $c = $way->sse("/sub?channel=$channel");
#       ...
#   });
#
# all_ways($n) is the list of them, to go through them all at the same time.
# A client of these keeps all bytes of its body in {all}.

use strict;
use warnings;

use Exporter 'import';
use Push::Curl;
use Push::Nginx;
use Push::SSE;
use Test::More ();

our @EXPORT = qw(ways_nginx for_ways all_ways);

my @ways = (
    { name => 'HTTP/1.1', port => 1 },
    { name => 'HTTP/1.1, request kept', port => 2, kept => 1 },
    { name => 'HTTP/1.0', port => 1, http10 => 1 },
    { name => 'HTTP/1.0, request kept', port => 2, http10 => 1, kept => 1 },
    { name => 'TLS', port => 3, tls => 1 },
    { name => 'TLS, request kept', port => 4, tls => 1, kept => 1 },
    { name => 'HTTP/2', port => 5, http2 => 1, kept => 1 },
    { name => 'HTTP/2 over TLS', port => 6, http2 => 1, tls => 1, kept => 1 },
);

my $channels = 0;


sub ways_nginx {
    my (%opt) = @_;

    my $locations = delete $opt{locations};
    my $http = delete $opt{http} // '';
    my $with = delete $opt{listen} // '';
    my $tls = 'ssl_certificate %%CERT%%; ssl_certificate_key %%KEY%%;';

    my $conf = $http;

    for my $port (1 .. 6) {
        my $listen = "127.0.0.1:%%PORT$port%% $with"
                     . ' ssl' x ($port =~ /[346]/);

        $listen = $port > 4 ? Push::Nginx::listen_http2($listen)
                            : "listen $listen;";

        $conf .= "server { $listen\n" . $tls x ($port =~ /[346]/)
                 . 'push_hibernate off;' x ($port =~ /[24]/)
                 . "\n$locations\n}\n";
    }

    $conf =~ s/%%PORT1%%/%%PORT%%/g;

    return Push::Nginx->new(%opt, conf => $conf);
}


# for_ways($n, sub { ... }, not => 'http2', only => 'tls'): a channel of its
# own for each, and a subtest; "not" may be several

sub for_ways {
    my ($n, $code, %opt) = @_;

    for my $way (all_ways($n, %opt)) {
        Test::More::subtest($way->name => sub {
            $code->($way, $way->channel);
        });
    }
}


sub all_ways {
    my ($n, %opt) = @_;

    my @not = ref $opt{not} ? @{ $opt{not} } : $opt{not} // ();
    my @only = $opt{only} // ();

    return map { bless { %$_, nginx => $n, channel => 'way' . ++$channels } }
           grep { my $w = $_;
                  !(grep { $w->{$_} } @not) && !(grep { !$w->{$_} } @only) }
           @ways;
}


sub channel { $_[0]{channel} }
sub port { $_[0]{nginx}->port($_[0]{port}) }
sub name { $_[0]{name} }

sub is_http2 { $_[0]{http2} }
sub is_http10 { $_[0]{http10} }
sub is_kept { $_[0]{kept} || ($ENV{PUSH_HIBERNATE} // '') eq 'off' }
sub is_tls { $_[0]{tls} }


sub sse {
    my ($self, $path, %opt) = @_;

    $opt{$_} //= $self->{$_} for grep { $self->{$_} } qw(http10 tls);

    return Push::Curl->new($self->port, $path, %opt) if $self->{http2};
    return Push::Ways::SSE->new($self->port, $path, %opt);
}


package Push::Ways::SSE;

use strict;
use warnings;

use parent -norequire, 'Push::SSE';

sub _body {
    my ($self, $bytes) = @_;
    $self->{all} .= $bytes;
    return $self->SUPER::_body($bytes);
}


1;
