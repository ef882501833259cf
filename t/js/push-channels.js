/*
 * clients/push.js with several channels, against NGINX: those of the address
 * over both transports, and over push.json those that come and go.
 */

'use strict';

const { ok, is, until, numbers, main } = require('./check.js');
const { Server, Numbers } = require('./server.js');
const { Client } = require('./push-log.js');


const of = (client, channel) =>
    client.messages.filter(m => m.channel === channel).map(m => m.data);


/* three streams at once while "happens" does; every number of each, once */

async function streams(test, client, names, happens) {
    const publishers = names.map(name => new Numbers(test.server,
        encodeURIComponent(name), { pause: 3 }));

    await client.untilMessages(60);
    await happens();

    const seen = publishers[0].sent;

    await until(() => publishers[0].sent >= seen + 20, 'more to be published');

    const sent = await Promise.all(publishers.map(p => p.stop()));

    await client.until(() => names.every((name, i) =>
        of(client, name).length >= sent[i]), 'all of it');
    names.forEach((name, i) => is(of(client, name), numbers(sent[i]),
                                  `${name}: every number once`));
    is(client.gaps, [], 'no gap');
}


async function interrupted(test) {
    const { server, open } = test;
    const names = ['a', 'b', 'ž&'].map(name => `${test.transport}-${name}`);
    const client = open('/sub', { channels: names });

    await client.untilOpen();
    await streams(test, client, names, async () => {
        server.reload();
        await client.untilState('open', 2);

        for (const pid of await server.workers()) {
            process.kill(pid, 'SIGKILL');
        }

        await client.untilState('open', client.times('open') + 1);
    });
    client.close();
}


/* what a page does that keeps the position over F5, before any message too */

async function resumes({ server, open, transport }) {
    const [a, b, c] = ['x', 'y', 'z'].map(name => `${transport}-${name}`);

    await server.publish(a, 'old');

    const first = open('/sub', { channels: [a, b] });

    await first.untilOpen();
    await first.until(() => first.push.position, 'a position');
    first.close();
    await server.publish(b, '1');
    await server.publish(a, '2');

    const second = open('/sub', { channels: [b, a],
                                  since: first.push.position });

    await second.untilMessages(2);
    second.close();
    is([of(second, a), of(second, b)], [['2'], ['1']], 'what was missed');
    await server.publish(a, '3');
    await server.publish(c, 'unasked');

    const third = open('/sub', { channels: [a, c],
                                 since: second.push.position });

    await third.untilMessages(1);
    await server.publish(c, '4');
    await third.untilMessages(2);
    is(third.messages.map(m => m.data), ['3', '4'], 'with one more, one less');
    third.close();
}


async function ends({ server, open, transport }) {
    const [a, b] = ['one', 'two'].map(name => `${transport}-${name}`);
    const client = open('/sub', { channels: [a, b] });

    await client.untilOpen();
    await server.publish(a, 'last', { 'Push-End': 'true' });
    await client.until(() => client.ends.length, 'an end');
    is(client.ends, [[a, 'ended']], 'one of two ends');

    server.reload();
    await client.untilState('open', 2);
    await server.publish(b, 'on');
    await client.untilMessages(2);
    is(client.ends.length, 1, 'it is told once');

    await server.request('DELETE', `/pub?channel=${b}`);
    await client.untilState('closed');
    is(client.ends, [[a, 'ended'], [b, 'deleted']], 'the other ends it all');
    is(client.gaps, [], 'no gap');
}


/* the rest is for push.json */

async function commands({ server, open }) {
    const client = open('/live');
    const { push } = client;

    const { channel, id } = await push.subscribe('live:1');

    is([channel, typeof id], ['live:1', 'string'], 'subscribed');

    const said = await push.publish('live:1', { hello: 'world' },
                                    { event: 'greeting' });

    await push.publish('live:1', 'text');
    await client.untilMessages(2);

    const [one, two] = client.messages;

    is([one.data, one.event, one.id, one.channel],
       [{ hello: 'world' }, 'greeting', said.id, 'live:1'], 'a message');
    is(two.data, 'text', 'and text');

    const other = open('/live');

    await other.push.subscribe('live:1', { since: said.id });
    await other.untilMessages(1);
    is(other.messages[0].data, 'text', 'from a position');
    other.close();

    for (const [name, what] of [['subscribe', 'no:1'], ['publish', 'no:1'],
                                ['unsubscribe', 'live:2']])
    {
        const e = await push[name](what, 'x').catch(e => e);

        ok(e instanceof Error && e.status >= 400 && e.message,
           `${name}: refused`, JSON.stringify(e));
    }

    await push.unsubscribe('live:1');
    await server.publish('live:1', 'unheard');
    await push.publish('live:1', 'unheard');
    await push.subscribe('live:2', { since: 'earliest' });
    await push.publish('live:2', 'heard');
    await client.untilMessages(3);
    is(client.messages[2].data, 'heard', 'unsubscribed');
    client.close();
}


async function live(test) {
    const { server, open } = test;
    const client = open('/live?channel=live:own');
    const names = ['live:own', 'live:a', 'live:b'];

    await client.push.subscribe('live:a');
    await client.push.subscribe('live:b');

    /* one without channels of its own */

    const other = open('/live');

    await other.push.subscribe('live:a');
    await other.push.subscribe('live:b');

    await streams(test, client, names, async () => {
        server.reload();
        await client.untilState('open', 2);

        for (const pid of await server.workers()) {
            process.kill(pid, 'SIGKILL');
        }

        await client.untilState('open', client.times('open') + 1);
    });

    for (const name of ['live:a', 'live:b']) {
        const all = of(client, name);

        await other.until(() => of(other, name).length >= all.length, name);
        is(of(other, name), all, `${name}: with no channel in the address`);
    }

    is(other.gaps, [], 'no gap');
    other.close();

    /* what is asked for in the middle of a reload comes when it can */

    server.reload();

    const answers = [];

    for (let i = 0; i < 200 && client.times('open') < 4; i++) {
        const name = `live:r${i}`;

        answers.push((await client.push.subscribe(name)).channel === name);
        answers.push((await client.push.unsubscribe(name)).channel === name);
    }

    ok(answers.every(Boolean), 'commands over a reload', answers.length);
    client.close();
}


async function sealed({ server, open }) {
    const client = open('/live?channel=live:stays');

    await client.push.subscribe('live:ends');
    await server.publish('live:ends', 'x', { 'Push-End': 'true' });
    await client.until(() => client.ends.length, 'the end');
    is(client.ends, [['live:ends', 'ended']], 'a live one ends');
    is(await client.push.publish('live:ends', 1).catch(e => e.status), 409,
       'and takes no more');

    server.reload();
    await client.untilState('open', 2);
    await server.publish('live:stays', 'y');
    await client.untilMessages(2);
    is([client.ends.length, client.gaps], [1, []], 'and is not asked for again');
    client.close();
}


main(async ({ port, pid, part, library }) => {
    const server = new Server({ port, pid });
    const { subscribe } = await import('../../clients/push.js');
    const WebSocket = library && require(library).WebSocket;

    const test = {
        server,
        transport: part,
        open: (path, options = {}) => new Client(subscribe, server.url + path,
            { transport: part, WebSocket, ...options })
    };

    const bodies = [resumes, ends, interrupted];

    if (part === 'push.json') {
        bodies.push(commands, live, sealed);
    }

    for (const body of bodies) {
        await body(test);
    }
});
