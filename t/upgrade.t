#!/usr/bin/perl

# Another build of the module: under a new file name by a reload, with the
# same layout of the zone or with another one; and another NGINX by SIGUSR2.

use strict;
use warnings;

use File::Copy qw(copy);
use Push::Oracle;
use Push::Reader;
use Push::Test;
use Push::Writer;

my $conf = <<'E';
    push_zone push 4m;
    push_drain_window %%WINDOW%%;

    server {
        listen 127.0.0.1:%%PORT%%;

        location = /pub { push_publish $arg_channel; }
        location = /sub { push_subscribe $arg_channel; }
        location = /status { push_status; }
    }
E

sub conf { return $conf =~ s/%%WINDOW%%/$_[0]/r }

sub part {
    my ($name, $code) = @_;
    subtest $name => sub { $code->(); finish_servers() };
}

sub publish {
    my ($n, $body) = @_;
    return $n->publish('/pub?channel=a', $body)->json->{id};
}

sub readers {
    my ($n, $count, %opt) = @_;

    my @readers = map {
        Push::Reader->new($n, '/sub?channel=a', channel => 'a', %opt)
    } 1 .. $count;

    ok(wait_for(sub { !grep { !$_->is_on } @readers }, 30, 'all are there'),
       "$count subscribers");

    return @readers;
}

# a number of publishers until it is called

sub writers {
    my ($n, $o) = @_;
    my $stop;

    my @writers = map { Push::Writer->new($n, next => sub {
        return if $stop;

        my $p = $o->publish('a');
        return { path => '/pub?channel=a', body => $o->body($p), done => sub {
            my (undef, $r) = @_;
            $o->answered($p, $r->json->{id}) if $r;
        } };
    }) } 1 .. 2;

    return sub {
        $stop = 1;
        wait_for(sub { !grep { !$_->idle } @writers }, 10, 'the last answer');
    };
}


# a file of its own is a module of its own, with variables of its own

part 'the same layout: the zone is taken over' => sub {
    my $n = nginx(conf => conf('3s'), workers => 2);
    my $o = Push::Oracle->new;
    my $other = $n->prefix . '/ngx_push_module.2.so';
    copy($Push::Nginx::module, $other) or die "copy: $!";

    my $id = publish($n, 'first');
    my @readers = readers($n, 40, oracle => $o);
    my $stop = writers($n, $o);
    ok($n->reload(module => $other), 'reload');

    my $maps = sub {
        open my $fh, '<', "/proc/$_[0]/maps" or return '';
        local $/;
        return scalar <$fh>;
    };

    like($maps->(($n->workers)[0]), qr/module\.2\.so/, 'the new file runs');
    unlike($maps->(($n->old_workers)[0]), qr/module\.2\.so/, 'not in the old');

    my @late = readers($n, 10, oracle => $o);
    my @counts = map { $_->received } @readers, @late;

    ok(wait_for(sub {
        my @new = map { $_->received } @readers, @late;
        return !grep { $new[$_] == $counts[$_] } 0 .. $#new;
    }), 'both deliver');

    my $c = $n->sse('/sub?channel=a', headers => { 'Last-Event-ID' => $id });
    ok($c->wait_events(2), 'resumed');
    is($c->event('push.gap') ? decode_json($c->event('push.gap')->{data})
                               ->{reason} : 'expired', 'expired', 'the same life');

    ok($n->wait_old_workers, 'the old workers go');

    # and the first one again

    ok($n->reload(module => $Push::Nginx::module), 'back to the first file');
    ok($n->wait_old_workers, 'the others go');
    $stop->();

    my ($last) = sort { $b cmp $a } keys %{ $o->{ids} };
    ok(wait_for(sub { !grep { $_->last_id ne $last } @readers, @late }),
       'all have all');
    is(join("\n", $o->errors, map { $o->check($_) } @readers, @late), '',
       'records');
    note($o->count . ' messages');
};


SKIP: {
    skip 'a second build is for the NGINX of this system', 1 if $ENV{PUSH_ASAN};

    my $make = start_command('make', '-C', $root, 'BUILD=layout',
                             'CFLAGS=-O1 -DNGX_PUSH_LAYOUT=3', 'all');
    $make->wait(600);
    is($make->code, 0, 'a build with another layout')
        or diag($make->out, $make->err);

    part 'another layout: a fresh zone' => sub {
        my $n = nginx(conf => conf('60s'), workers => 2);
        my $id = publish($n, 'first');
        my @readers = readers($n, 40, delay => undef);

        ok($n->reload(module => "$root/build/layout/ngx_push_module.so"),
           'reload');
        ok(wait_for(sub { !grep { !$_->told('end') } @readers }, 5),
           'all are ended at once');
        is(scalar(grep { $_->{how} ne 'clean' } map { $_->told('end') }
                  @readers), 0, 'cleanly');
        is(scalar(grep { $_->{id} ne $id } map { $_->told('reconnect') }
                  @readers), 0, 'with their position');
        ok($n->wait_old_workers(10), 'the old workers go');

        is($n->get('/pub?channel=a')->status, 404, 'nothing is there yet');

        my $c = $n->sse('/sub?channel=a', headers => { 'Last-Event-ID' => $id });
        ok($c->wait_event('push.gap'), 'resumed: a gap');
        is(decode_json($c->event('push.gap')->{data})->{reason}, 'unknown',
           'that is told');

        publish($n, 'second');
        ok($c->wait_messages(1), 'and goes on');

        ok($n->reload(module => $Push::Nginx::module), 'and back');
        ok($c->wait_event('push.reconnect'), 'told again');
    };
}


# the new NGINX has memory of its own; who comes to it is told

part 'another NGINX: SIGUSR2, then QUIT to the old one' => sub {

    # NGINX heeds the signal only if it was left by its parent

    my $more = $> ? '' : 'user root;';

    # and hands on only what is named
    $more .= "env ${_}_OPTIONS;" for qw(ASAN UBSAN LSAN);

    my $n = nginx(start => 0, conf => <<"E" . conf('2s') . '}');
$more
load_module $Push::Nginx::module;
worker_processes 2;
pid logs/nginx.pid;
error_log logs/error.log info;
events { worker_connections 1024; }
http {
    access_log logs/access.log;
    client_body_temp_path temp/client;
E

    my $pid = sub { return ($n->read_file('logs/nginx.pid') =~ /(\d+)/)[0] };

    waitpid $n->_exec([], 'stderr'), 0;
    ok(wait_for(sub { $n->{pid} = $pid->() }), 'a daemon');
    ok($n->wait_workers, 'with workers');

    my $id = publish($n, 'first');
    my @readers = readers($n, 40);
    my $old = $n->pid;

    $n->signal('USR2');

    ok(wait_for(sub { ($pid->() // $old) != $old }), 'a new master');

    my @old = $n->workers;
    $n->{pid} = $pid->();
    ok($n->wait_workers, 'with workers');

    kill QUIT => $old;
    ok(wait_for(sub { !-d "/proc/$old" }, 20), 'the old master goes');
    is(scalar(grep { -d "/proc/$_" } @old), 0, 'and its workers');

    is(scalar(grep { $_->told('reconnect') != 1 } @readers), 0,
       'each was told to reconnect, once');
    is(scalar(grep { $_->{how} ne 'clean' } map { $_->told('end') } @readers),
       0, 'cleanly');
    ok(wait_for(sub { !grep { !$_->told('gap') } @readers }), 'and then');
    is(scalar(grep { $_->{reason} ne 'unknown' } map { $_->told('gap') }
              @readers), 0, 'that the life is another');

    $id = publish($n, 'second');
    ok(wait_for(sub { !grep { $_->last_id ne $id } @readers }), 'and goes on');
};

done_testing;
