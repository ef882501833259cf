/*
 * What must hold for any client library.  open(path, names) gives a client
 * whose look() tells { events: [{ type, data, id }], opens, over }.
 */

'use strict';

const { ok, is, until, numbers, sequence } = require('./check.js');
const { Numbers } = require('./server.js');


const isMessage = e => !e.type.startsWith('push.');


async function sees(client, condition, what) {
    let log;

    await until(async () => condition(log = await client.look()), what);

    return log;
}


const seesMessages = (client, n) => sees(client,
    log => log.events.filter(isMessage).length >= n, `${n} messages`);

const seesEvent = (client, type, n = 1) => sees(client,
    log => log.events.filter(e => e.type === type).length >= n,
    `${n} ${type}`);


async function live(server, open) {
    const client = await open('/sub?channel=live', ['reading']);
    const { events: [first] } = await seesEvent(client, 'push.subscribed');

    is(JSON.parse(first.data).channels[0].id, first.id, 'subscribed');

    const ids = [
        await server.publish('live', 'one'),
        await server.publish('live', '{"temp":21.5}',
                             { 'Push-Event': 'reading' }),
        await server.publish('live', 'a\n\nžluťoučký 新 🐎\n: no comment'),
        await server.publish('live', 'x'.repeat(60000))
    ];

    const { events } = await seesMessages(client, 4);
    const got = events.filter(isMessage);

    is(got.map(e => e.type), ['message', 'reading', 'message', 'message'],
       'names');
    is(got.map(e => e.data.slice(0, 40)), ['one', '{"temp":21.5}',
        'a\n\nžluťoučký 新 🐎\n: no comment', 'x'.repeat(40)], 'data');
    is(got[3].data.length, 60000, 'a large one');
    is(got.map(e => e.id), ids, 'ids');
    await client.close();
}


async function reload(server, open) {
    const clients = [];

    for (let i = 0; i < 4; i++) {
        clients.push(await open('/sub?channel=reload'));
        await seesEvent(clients[i], 'push.subscribed');
    }

    const publisher = new Numbers(server, 'reload');

    await Promise.all(clients.map(c => seesMessages(c, 30)));
    server.reload();
    await Promise.all(clients.map(c => sees(c, log => log.opens >= 2,
                                            'a second connection')));

    const seen = publisher.sent;

    await until(() => publisher.sent >= seen + 30, 'more to be published');

    const n = await publisher.stop();

    for (const client of clients) {
        const { events } = await seesMessages(client, n);
        const got = events.filter(isMessage);
        const start = sequence(events[0].id);

        is(got.map(e => e.data), numbers(n),
           'over a reload: every number once');
        is(got.map(e => sequence(e.id)), got.map((_, i) => start + 1 + i),
           'ids without a hole');
        ok(events.some(e => e.type === 'push.reconnect'), 'asked to reconnect');
        ok(!events.some(e => e.type === 'push.gap'), 'no gap');
        await client.close();
    }
}


async function gap(server, open) {
    const first = await server.publish('gap', 'm1', {}, '/short');

    for (let i = 2; i <= 8; i++) {
        await server.publish('gap', 'm' + i, {}, '/short');
    }

    const client = await open(`/sub?channel=gap&since=${first}`);
    let { events } = await seesMessages(client, 3);

    is(events.map(e => e.type), ['push.subscribed', 'push.gap', 'message',
                                 'message', 'message'], 'a gap, told first');
    is(events.slice(2).map(e => e.data), ['m6', 'm7', 'm8'], 'then the rest');
    is(JSON.parse(events[1].data).reason, 'expired', 'the reason');
    is(sequence(events[1].id), sequence(first) + 4, 'the position');
    await client.close();

    /* with nothing kept, the position is that of the notice */

    const lost = await server.publish('nothing', 'm1', {}, '/off');
    const last = await server.publish('nothing', 'm2', {}, '/off');
    const again = await open(`/sub?channel=nothing&since=${lost}`);

    await seesEvent(again, 'push.gap');
    server.reload();
    await seesEvent(again, 'push.subscribed', 2);
    await server.publish('nothing', 'm3', {}, '/off');
    events = (await seesMessages(again, 1)).events;

    is(events.filter(e => e.type === 'push.gap').length, 1,
       'a gap is told once');
    is(events.filter(e => e.type === 'push.subscribed')[1].id, last,
       'and moves the position');
    await again.close();
}


async function end(server, open) {
    for (const reason of ['ended', 'deleted']) {
        const client = await open(`/sub?channel=${reason}`);

        await seesEvent(client, 'push.subscribed');
        await server.publish(reason, 'one');

        if (reason === 'ended') {
            await server.publish(reason, 'two', { 'Push-End': 'true' });

        } else {
            await seesMessages(client, 1);
            await server.request('DELETE', `/pub?channel=${reason}`);
        }

        const { events } = await sees(client, log => log.over,
                                      'the end for good');

        is(events.map(e => e.type), reason === 'ended'
            ? ['push.subscribed', 'message', 'message', 'push.closed']
            : ['push.subscribed', 'message', 'push.closed'],
           `${reason}: events`);
        is(JSON.parse(events.at(-1).data).reason, reason, 'the reason');
    }
}


async function all(server, open) {
    await live(server, open);
    await end(server, open);
    await reload(server, open);
    await gap(server, open);
}


module.exports = { all };
