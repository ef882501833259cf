/*
 * clients/push.js in node, against NGINX: live, resuming, over reloads and
 * killed workers, gaps, ends, refusals.  One set of facts for each transport.
 */

'use strict';

const { ok, is, until, numbers, sequence, main } = require('./check.js');
const { Server, Numbers } = require('./server.js');
const { Client } = require('./push-log.js');


const json = { 'Content-Type': 'application/json', 'Push-Event': 'reading' };
const data = client => client.messages.map(m => m.data);


async function live({ server, open }) {
    const client = open('/sub?channel=live');

    await client.untilOpen();

    const text = 'a\n\nžluťoučký\u2028新 🐎\r\nid: forged\n: no comment';
    const ids = [
        await server.publish('live', 'one'),
        await server.publish('live', '{"temp":21.5}', json),
        await server.publish('live', text, { 'Content-Type': 'text/plain' }),
        await server.publish('live', Buffer.from([0, 1, 2, 255]),
                             { 'Content-Type': 'image/png' }),
        await server.publish('live', 'x'.repeat(60000)),
        await server.publish('live', 'named', { 'Push-Event': 'message' })
    ];

    await client.untilMessages(6);

    const got = client.messages;

    is(got.map(m => m.id), ids, 'live: ids');
    is(got.map(m => m.channel), Array(6).fill('live'), 'channels');
    is(got.map(m => m.event), [undefined, 'reading', undefined, undefined,
                               undefined, 'message'], 'names of events');
    is(got[1].data, { temp: 21.5 }, 'JSON is a value');
    is(got[2].data, text, 'text stays as it is');
    is(Buffer.from(got[3].data_base64, 'base64').toString('hex'), '000102ff',
       'bytes are base64');
    is(got[4].data.length, 60000, 'a large one');
    ok(!Number.isNaN(Date.parse(got[0].time)), 'a time');
    is(client.push.position, ids[5], 'the position is that of the last');
    is(client.states, ['connecting', 'open'], 'states');

    client.close();
    is(client.states, ['connecting', 'open', 'closed'], 'closed');
    is(client.push.state, 'closed', 'and it says so');
}


/* what a page does that keeps the position over F5 */

async function resumes({ server, open }) {
    const first = open('/sub?channel=resume');

    await first.untilOpen();

    const start = first.push.position;

    ok(start, 'a position before the first message', start);
    first.close();

    await server.publish('resume', '1');
    await server.publish('resume', '2');

    const second = open('/sub?channel=resume', { since: start });

    await second.untilMessages(2);
    second.close();
    await server.publish('resume', '3');

    const third = open('/sub?channel=resume', { since: second.push.position });

    await third.untilMessages(1);
    await server.publish('resume', '4');
    await third.untilMessages(2);
    is([data(second), data(third)], [['1', '2'], ['3', '4']],
       'each gets what the one before it has not had');
    third.close();

    for (const [since, expected] of [['earliest', ['1', '2', '3', '4']],
                                     ['last:2', ['3', '4']]])
    {
        const client = open('/sub?channel=resume', { since });

        await client.untilMessages(expected.length);
        is(data(client), expected, since);
        client.close();
    }
}


async function names({ server, open }) {
    const name = 'a +&=#新/ b';
    const client = open('/sub?x=%20y', { channels: [name] });

    await client.untilOpen();
    await server.publish(encodeURIComponent(name), 'hi');
    await client.untilMessages(1);
    is(client.messages[0].channel, name, 'any name');
    client.close();
}


/* four clients, a steady stream, and something in its middle */

async function interrupted({ server, open }, channel, happens) {
    const clients = numbers(4).map(() => open(`/sub?channel=${channel}`));

    await Promise.all(clients.map(c => c.untilOpen()));

    const publisher = new Numbers(server, channel);

    await Promise.all(clients.map(c => c.untilMessages(30)));
    await happens(() => clients.every(c => c.times('open') >= 2));

    const seen = publisher.sent;

    await until(() => publisher.sent >= seen + 30, 'more to be published');

    const n = await publisher.stop();

    for (const client of clients) {
        await client.untilMessages(n);

        const [first] = client.messages;

        is(data(client), numbers(n), `${channel}: every number once`);
        is(client.messages.map(m => sequence(m.id)),
           client.messages.map((_, i) => sequence(first.id) + i),
           'ids without a hole');
        is(client.gaps, [], 'no gap');

        /* one that came in the wrong moment began anew */

        const states = [...client.states];

        while (states[1] === 'waiting') {
            states.splice(0, 2);
        }

        is([...states.slice(0, 4), client.push.state],
           ['connecting', 'open', 'waiting', 'connecting', 'open'], 'states');
        client.close();
    }
}


const overReload = test => interrupted(test, 'reload', async all => {
    test.server.reload();
    await until(all, 'all to have come back');
});


const overKills = test => interrupted(test, 'kill', async all => {
    for (const pid of await test.server.workers()) {
        process.kill(pid, 'SIGKILL');
    }

    await until(all, 'all to have come back');
});


async function gaps({ server, open }) {
    const first = await server.publish('gap', 'm1', {}, '/short');

    for (let i = 2; i <= 8; i++) {
        await server.publish('gap', 'm' + i, {}, '/short');
    }

    const client = open('/sub?channel=gap', { since: first });

    await client.untilMessages(3);
    is(client.log.map(([what]) => what),
       ['state', 'state', 'gap', 'message', 'message', 'message'],
       'a gap, told before the first message');
    is(data(client), ['m6', 'm7', 'm8'], 'then the rest');

    const [{ channel, requested, oldest, reason }] = client.gaps;

    is([channel, requested, sequence(oldest), reason],
       ['gap', first, sequence(first) + 5, 'expired'], 'what the server says');
    client.close();

    /* with nothing kept, the position is that of the notice */

    const lost = await server.publish('nothing', 'm1', {}, '/off');

    await server.publish('nothing', 'm2', {}, '/off');

    const again = open('/sub?channel=nothing', { since: lost });

    await again.until(() => again.gaps.length, 'a gap');
    server.reload();
    await again.until(() => again.times('open') >= 2, 'to be back');
    await server.publish('nothing', 'm3', {}, '/off');
    await again.untilMessages(1);
    is([again.gaps.length, data(again)], [1, ['m3']], 'a gap is told once');
    again.close();
}


async function ends({ server, open, transport }) {
    for (const reason of ['ended', 'deleted']) {
        const client = open(`/sub?channel=${reason}`);

        await client.untilOpen();
        await server.publish(reason, 'one');

        if (reason === 'ended') {
            await server.publish(reason, 'two', { 'Push-End': 'true' });

        } else {
            await client.untilMessages(1);
            await server.request('DELETE', `/pub?channel=${reason}`);
        }

        await client.untilState('closed');
        is(data(client), reason === 'ended' ? ['one', 'two'] : ['one'],
           `${reason}: all of it`);
        is(client.ends, [[reason, reason]], 'and the end');
        is(client.states, ['connecting', 'open', 'closed'], 'for good');

        /* who comes later, with the last id; a WebSocket waits for more */

        if (transport === 'push.json' && reason === 'deleted') {
            continue;
        }

        const late = open(`/sub?channel=${reason}`,
                          { since: client.push.position });

        await late.untilState('closed');
        is([late.messages, late.gaps, late.ends.length], [[], [], 1],
           'who has all of it is told so');
    }
}


async function refused({ open, transport }) {
    const client = open('/nothing');

    if (transport === 'sse') {
        await client.untilState('closed');
        is(client.details.at(-1).status, 404, 'refused: the status');
        return;
    }

    /* a WebSocket is not told why: it may be a network that is away */

    await client.untilState('waiting');
    client.close();
    is(client.states, ['connecting', 'waiting', 'closed'],
       'refused: until it is closed');
}


async function tokens({ server, open }) {
    const words = ['old', 'new', 'new'];
    const client = open('/guarded?channel=token',
                        { token: async () => words.shift() });

    await client.untilOpen();
    is(words, ['new'], 'a token for each attempt');
    await server.publish('token', 'hi');
    await client.untilMessages(1);
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

    for (const body of [live, resumes, names, ends, gaps, refused, tokens,
                        overReload, overKills])
    {
        await body(test);
    }
});
