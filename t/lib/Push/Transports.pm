package Push::Transports;

# How a Push::Reader is connected: each transport makes entries for its record
# of what comes.
#
#   sse sse.json ndjson poll raw json push.json
#
# The last three are WebSockets.  Push::Transports->start($reader, $position)
# returns a Push::Client.

use strict;
use warnings;

use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Push::Transports::NDJSON;
use Push::Transports::Poll;
use Push::Transports::SSE;
use Push::Transports::WebSocket;
use Scalar::Util qw(weaken);

my $json = JSON::PP->new->utf8;

my %escapes = (n => "\n", r => "\r", t => "\t", b => "\b", f => "\f");


sub start {
    my ($class, $reader, $position) = @_;
    my $transport = $reader->transport;

    my $by = $transport =~ /\Asse/ ? 'SSE'
           : $transport eq 'ndjson' ? 'NDJSON'
           : $transport eq 'poll' ? 'Poll' : 'WebSocket';

    weaken(my $weak = $reader);
    return "Push::Transports::$by"->start($weak, $position);
}


sub query {
    my ($path, %args) = @_;

    $path .= ($path =~ /\?/ ? '&' : '?') . "$_=$args{$_}" for sort keys %args;

    return $path;
}


# the query asks for the position, or for a start

sub path_of {
    my ($reader, $position, %args) = @_;

    if (defined $position) {
        $args{since} = $position;

    } elsif ($reader->{start} ne 'latest' || $reader->transport eq 'poll') {
        $args{since} = $reader->{start};
    }

    return query($reader->{path}, %args);
}


# options of Push::Client, with headers on top of the reader's own

sub client_of {
    my ($reader, @headers) = @_;

    return (tls => $reader->{tls}, rcvbuf => $reader->{rcvbuf},
            headers => [ @headers, %{ $reader->{headers} // {} } ],
            on_data => sub { $_[0]->look });
}


# a JSON object; much of most is one string, which is taken out first

sub decode {
    my ($text) = @_;

    if ($text =~ /\A(.{1,2000}?),"data":"([^"\\]*+(?:\\.[^"\\]*+)*+)"\}\z/s) {
        my ($head, $data) = ($1, $2);
        my $object = eval { $json->decode("$head}") };

        if ($object) {
            $data =~ s/\\(?:u(....)|(.))/
                defined $1 ? chr hex $1 : $escapes{$2} \/\/ $2/gse;
            return { %$object, data => $data };
        }
    }

    return $json->decode($text);
}


sub data_of {
    my ($envelope) = @_;

    return defined $envelope->{data_base64}
        ? decode_base64($envelope->{data_base64}) : $envelope->{data};
}


# an object of NDJSON, or of a WebSocket with JSON

sub object {
    my ($reader, $o) = @_;

    my %what = map { $_ => $o->{$_} }
               qw(channel id position reason requested);
    my $type = $o->{type};

    if ($type eq 'message') {

        if (($reader->set > 1) != defined $o->{position}) {
            $reader->odd('with ' . $reader->set . " channels: position of $o->{id}");
        }

        $reader->message(data_of($o), %what{qw(channel id position)});

    } elsif ($type eq 'subscribed') {
        $reader->{greeted}{ $o->{channel} } = 1;

        if (defined $o->{ref}) {
            $reader->joins($o->{channel});
            delete $reader->{client}{asked}{ $o->{channel} };
        }

        $reader->note(subscribed => %what{qw(channel id position)});
        $reader->stands unless grep { !$reader->{greeted}{$_} } $reader->set;

    } elsif ($type eq 'gap') {
        $reader->note(gap => %what);

    } elsif ($type eq 'closed') {
        $reader->note(closed => %what{qw(channel reason)});

    } elsif ($type eq 'reconnect') {
        $reader->note(reconnect => position => $o->{position} // $o->{id},
                      retry => $o->{retry}, one_of($reader));

    } else {
        return $reader->{client}->reply($o);
    }

    return;
}


# the channel of a connection that has only one

sub one_of {
    my ($reader) = @_;
    my @set = $reader->set;

    return @set == 1 ? (channel => $set[0]) : ();
}


1;
