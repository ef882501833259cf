package Push::Docs;

# What is shown to users, to be tried: the configurations of conf-examples/,
# and the commands of a document with the output that is shown there.
#
#   my $n = example('minimal');
#
#   for (shown('docs/http.md')) {
#       my ($line, $command, $output) = @$_;
#       ...
#   }

use strict;
use warnings;

use Exporter 'import';
use File::Copy qw(copy);
use MIME::Base64 qw(encode_base64);

use Push::Command;
use Push::Nginx;
use Push::Test;
use Push::WebSocket;

# a life of a channel in an id, a place in several channels
my $life = qr/(?<![\w.-])[\w.-]{8}(?=-\d{14}\b)/;
my $place = qr/(?<![\w.-])\.[\w-]{19,}/;

our @EXPORT = qw(slurp example in_comment blocks shown run_shown same_output);


sub slurp {
    open my $in, '<:raw', "$root/$_[0]" or die "$_[0]: $!";
    local $/;
    return scalar <$in>;
}


# A server with an example's configuration.  What is changed: the ports, and
# that it stays in the foreground.  An example that leaves logs and temporary
# files to the NGINX it is for gets its own.  Options: before, called with the
# server when its folder is there; edit, called with the text for another one.

sub example {
    my ($name, %opt) = @_;

    my $text = slurp("conf-examples/$name.conf");
    my $ports = 0;

    $text =~ s{^(\s*listen\s+)(?:127\.0\.0\.1:)?\d+}
              { $1 . '127.0.0.1:%%PORT' . ++$ports . '%%' }gme;

    $text = $opt{edit}->($text) if $opt{edit};

    my $main = "daemon off;\n";

    $main .= "user root;\n" if $> == 0 && ($ENV{PUSH_ASAN} || $ENV{PUSH_COVER});
    $main .= "pid logs/nginx.pid;\n" if $text !~ /^pid\s/m;

    if ($text !~ /^\s*access_log\s/m) {
        my $more = join ' ', 'access_log logs/access.log;',
            map { "${_}_temp_path temp/$_;" }
            qw(client_body proxy fastcgi uwsgi scgi);

        $text =~ s/\bhttp \{/http { $more/;
    }

    my $n = nginx(conf => $main . $text, start => 0);

    mkdir $n->prefix . "/$_" for qw(modules demo certs clients);
    copy($_, $n->prefix . '/demo') for glob "$root/demo/*";
    copy($_, $n->prefix . '/clients') for glob "$root/clients/*";
    symlink $Push::Nginx::module, $n->prefix . '/modules/ngx_push_module.so';

    in_comment($n, $name, qr/openssl/) if $name eq 'chat';
    $opt{before}->($n) if $opt{before};

    my ($good, $said) = $n->check;
    ok($good, "$name.conf: nginx -t") or diag($said);
    unlike($said, qr/warn/, 'no warning')
        unless $name eq 'tls-http2' && Push::Nginx::version() >= 1_025_001;

    $n->start;

    return $n;
}


# A command in the comment of an example, run in the server's folder.

sub in_comment {
    my ($n, $name, $re) = @_;

    my ($command) = grep { $_ =~ $re }
                    slurp("conf-examples/$name.conf")
                        =~ /^#     ((?:.*\\\n)*.*)/mg;

    $command =~ s/\\\n#//g;

    my $r = command('sh', '-c', "cd '" . $n->prefix . "' && $command");

    is($r->{code}, 0, "its command: $command") or diag($r->{err});
}


# The fenced blocks of a document in these languages: [ line, text ].

sub blocks {
    my ($file, @languages) = @_;

    my (@all, $block, $start);
    my %wanted = map { $_ => 1 } @languages;
    my $inside = 0;
    my $n = 0;

    for (split /\n/, slurp($file)) {
        $n++;

        if (/\A\s*```(\S*)/) {
            push @all, [ $start, $block ] if defined $block;
            $inside = !$inside;
            $block = $inside && $wanted{$1} ? '' : undef;
            $start = $n + 1;

        } elsif (defined $block) {
            $block .= "$_\n";
        }
    }

    return @all;
}


# The commands of a document: [ line, command, output ], from its "sh" blocks.

sub shown {
    my ($file) = @_;
    my @all;

    for (blocks($file, 'sh')) {
        my ($n, $text) = @$_;

        for (split /^/, $text) {
            if (/\A\$ (.*)/) {
                push @all, [ $n, $1, '' ];

            } else {
                $all[-1][2] .= $_;
            }

            $n++;
        }
    }

    return @all;
}


# A command and its output, against a server on this port.  Ids in it that
# were shown before are what they stand for.  "wscat" is played by our own
# client: of what it shows, ">" is sent, "<" has to come.  Returns what, called
# later, returns whether all is as shown, and what came.

sub run_shown {
    my ($port, $command, $shown, $known) = @_;

    $command =~ s/localhost:8080/localhost:$port/g;
    $command =~ s/($life|$place)/$known->{$1} \/\/ $1/ge;

    my $wscat = $command =~ /\Awscat /;
    my $c = $wscat ? undef : start_command('sh', '-c', $command);

    return sub {
        my ($out, $err) = ('', '');

        if ($wscat) {
            $out = wscat($command, $shown);

        } else {
            $c->wait;
            ($out, $err) = ($c->out, $c->err);
        }

        return (same_output($out, $shown, $known), $out . $err);
    };
}


sub wscat {
    my ($command, $shown) = @_;

    my ($port, $path) = $command =~ m{-c 'ws://localhost:(\d+)(/[^']*)'\z};
    my ($protocol) = $command =~ /-s (\S+) /;
    my ($user) = $command =~ /--auth (\S+) /;
    my @headers = defined $user
        ? (Authorization => 'Basic ' . encode_base64($user, '')) : ();

    my $c = ws($port, $path, protocol => $protocol, headers => \@headers);
    my ($got, $n) = ('', 0);

    for (split /^/, $shown) {

        if (/\A> (.*)/) {
            $c->text($1);
            $got .= $_;

        } elsif (/\A< /) {
            $c->wait_messages(++$n) or last;
            $got .= "< $c->{messages}[$n - 1]{data}\n";

        } else {
            $c->wait_closed or last;
            $got .= 'Disconnected (code: ' . $c->code . ', reason: "'
                    . $c->why . "\")\n";
        }
    }

    # what is not shown must not come
    $c->ping('last') && $c->wait_pongs(1) unless $c->closed;
    $got .= "< $_->{data}\n" for @{ $c->messages }[$n .. $c->count - 1];

    $c->close;

    return $got;
}


# What is shown as a pattern: lives of channels, positions, times and "retry"
# are others, but what was one there has to be one here; numbers of messages
# stay.  "known" remembers what stands for what.

sub same_output {
    my ($got, $shown, $known) = @_;

    if ($shown =~ m{\AHTTP/}) {
        # of the headers only some are shown

        my ($head, $body) = split /\n\n/, $shown, 2;
        my ($got_head, $got_body) = split /\r\n\r\n/, $got, 2;

        for my $line (split /\n/, $head) {
            return 0 unless grep { same_text($_, $line, $known) }
                            split /\r\n/, $got_head // '';
        }

        ($got, $shown) = ($got_body // '', $body // '');
    }

    # a body brings no end of line
    $shown =~ s/\n\z// if $got !~ /\n\z/;

    return same_text($got, $shown, $known);
}


sub same_text {
    my ($got, $shown, $known) = @_;

    my $time = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;
    my $retry = qr/(?<=retry: )\d+|(?<=retry=)\d+|(?<="retry":)\d+/;

    my ($pattern, $varies) = ('', 0);

    for (split /($life|$place|$time|$retry)/, $shown) {
        $pattern .= !$varies ? quotemeta
                  : /\A$time\z/ ? $time
                  : /\A\d+\z/ && length != 8 ? '\d+'
                  : '([\w.-]{' . length . '})';
        $varies = !$varies;
    }

    my @got = $got =~ /\A$pattern\z/ or return 0;

    for ($shown =~ /($life|$place)/g) {
        my $value = shift @got;
        return 0 if ($known->{$_} //= $value) ne $value;
    }

    return 1;
}


1;
