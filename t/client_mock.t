#!/usr/bin/perl

# clients/push.js against servers that refuse, fall silent, repeat themselves
# and break off, which NGINX does seldom.

use strict;
use warnings;

use Push::Node;
use Push::Test;

node_ok('push-sse.js');
node_ok('push-json.js');

done_testing;
