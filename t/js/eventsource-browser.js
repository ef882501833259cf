/* The EventSource of a browser: live, over reloads, gaps, ends, origins. */

'use strict';

const { ok, is, until, numbers, sequence, main } = require('./check.js');
const { launch, Source } = require('./chromium.js');
const { Server, Numbers } = require('./server.js');


const reading = { 'Push-Event': 'reading', 'Content-Type': 'application/json' };


async function live(page, server) {
    const source = await Source.open(page, '/sub?channel=live',
                                     { names: ['reading'] });
    const { events: [first] } = await source.untilEvent('push.subscribed');

    is(JSON.parse(first.data).channels[0].channel, 'live', 'subscribed');
    is(JSON.parse(first.data).channels[0].id, first.id, 'and from where');

    const text = 'a\nb\n\n: no comment\r\nid: forged\rdata: x';
    const ids = [
        await server.publish('live', 'one'),
        await server.publish('live', '{"temp":21.5}', reading),
        await server.publish('live', 'žluťoučký kůň 新 🐎'),
        await server.publish('live', text),
        await server.publish('live', '')
    ];

    await source.untilMessages(4);

    /* an empty message dispatches, too: its data is one empty line */
    await source.untilMessages(5);

    const got = await source.messages();

    is(got.map(e => e.type),
       ['message', 'reading', 'message', 'message', 'message'], 'names');
    is(got.map(e => e.data), ['one', '{"temp":21.5}', 'žluťoučký kůň 新 🐎',
        text.replace(/\r\n|\r/g, '\n'), ''], 'data, nothing forged');
    is(got.map(e => e.id), ids, 'lastEventId is the id of each publish');
    is((await source.look()).opens, 1, 'one connection');

    await source.close();
}


/* several at once, so that each worker has some */

async function over(page, server, channel, happens) {
    const sources = [];

    for (let i = 0; i < 4; i++) {
        sources.push(await Source.open(page, `/sub?channel=${channel}`));
        await sources[i].untilEvent('push.subscribed');
    }

    const publisher = new Numbers(server, channel);

    await Promise.all(sources.map(s => s.untilMessages(30)));
    await happens(sources);

    const seen = publisher.sent;

    await until(() => publisher.sent >= seen + 30, 'more to be published');

    const n = await publisher.stop();

    await Promise.all(sources.map(s => s.untilMessages(n)));

    for (const source of sources) {
        const got = await source.messages();
        const start = sequence((await source.events())[0].id);

        is(got.map(e => e.data), numbers(n), `${channel}: every number once`);
        is(got.map(e => sequence(e.id)),
           got.map((_, i) => start + 1 + i), 'and the ids without a hole');
        is((await source.events('push.gap')).length, 0, 'no gap');
        await source.close();
    }

    return sources;
}


async function reload(page, server) {
    let sources;

    await over(page, server, 'reload', async all => {
        sources = all;
        server.reload();
        await Promise.all(all.map(s => s.until(log => log.opens >= 2,
                                               'a second connection')));
    });

    for (const source of sources) {
        const log = await source.look();
        const types = log.events.map(e => e.type);
        const handed = types.indexOf('push.reconnect');

        ok(handed > 0, 'was asked to reconnect');
        is(log.events[handed].id, log.events[handed - 1].id,
           'with the id that it had');
        is(types[handed + 1], 'push.subscribed', 'and came back');
        is(log.events[handed + 1].id, log.events[handed].id, 'with this id');
        is(log.errors, log.errors.map(() => 0), 'never closed for good');
    }
}


async function kill(page, server) {
    await over(page, server, 'kill', async all => {
        const before = await server.workers();

        for (const pid of before) {
            process.kill(pid, 'SIGKILL');
        }

        await Promise.all(all.map(s => s.until(log => log.opens >= 2,
                                               'a second connection')));
    });
}


async function gap(page, server) {
    const first = await server.publish('gap', 'm1', {}, '/short');

    for (let i = 2; i <= 8; i++) {
        await server.publish('gap', 'm' + i, {}, '/short');
    }

    let source = await Source.open(page, `/sub?channel=gap&since=${first}`);

    await source.untilMessages(3);

    let events = await source.events();
    let told = JSON.parse(events[1].data);

    is(events.map(e => e.type), ['push.subscribed', 'push.gap', 'message',
                                 'message', 'message'], 'told before the rest');
    is(events.slice(2).map(e => e.data), ['m6', 'm7', 'm8'], 'the rest');
    is(events[0].id, '', 'no position before the notice');
    is(sequence(events[1].id), sequence(first) + 4, 'it stands in the notice');
    is([told.channel, told.requested, told.reason], ['gap', first, 'expired'],
       'which says what is missing');
    is(told.oldest, events[2].id, 'and what is there');
    await source.close();

    /* with nothing after it, the notice alone moves the position */

    const lost = await server.publish('nothing', 'm1', {}, '/off');
    const last = await server.publish('nothing', 'm2', {}, '/off');

    source = await Source.open(page, `/sub?channel=nothing&since=${lost}`);
    await source.untilEvent('push.gap');

    told = await source.events('push.gap');
    is(told[0].id, last, 'lastEventId moves with the notice');

    server.reload();
    await source.until(log => log.opens >= 2, 'a second connection');
    await source.untilEvent('push.subscribed', 2);

    const next = await server.publish('nothing', 'm3', {}, '/off');

    await source.untilMessages(1);
    events = await source.events();
    is(events.filter(e => e.type === 'push.gap').length, 1,
       'the notice is not repeated');
    is(events.findLast(e => e.type === 'push.subscribed').id, last,
       'the browser came back with the id of the notice');
    is(events.at(-1).id, next, 'and goes on');
    await source.close();
}


async function end(page, server, reason) {
    const statuses = [];
    const hear = answer => answer.url().includes('/sub?')
                           && statuses.push(answer.status());
    const source = await Source.open(page, `/sub?channel=${reason}`);

    await source.untilEvent('push.subscribed');
    page.on('response', hear);
    await server.publish(reason, 'one');

    if (reason === 'ended') {
        await server.publish(reason, 'two', { 'Push-End': 'true' });

    } else {
        await source.untilMessages(1);
        await server.request('DELETE', `/pub?channel=${reason}`);
    }

    const log = await source.until(l => l.state === 2, 'readyState CLOSED');
    const types = log.events.map(e => e.type);

    is(types, reason === 'ended'
        ? ['push.subscribed', 'message', 'message', 'push.closed']
        : ['push.subscribed', 'message', 'push.closed'], `${reason}: events`);

    const closed = log.events.at(-1);

    is(JSON.parse(closed.data), { channel: reason, reason }, 'which says why');
    is(closed.id, log.events.at(-2).id, 'and moves no position');
    is(log.errors, [0, 2], 'it came back once, and stopped for good');
    is(statuses, [204], 'at 204');
    page.off('response', hear);

    if (reason === 'deleted') {
        return;
    }

    /* one who comes late gets the same, by its own EventSource */

    const late = await Source.open(page,
                                   `/sub?channel=${reason}&since=earliest`);
    const all = await late.until(l => l.state === 2, 'readyState CLOSED');

    is(all.events.map(e => e.data).slice(1, 3), ['one', 'two'],
       'the history of a sealed channel');
    is(all.events.at(-1).type, 'push.closed', 'and its end');
}


main(async ({ port, pid }) => {
    const server = new Server({ port, pid });
    const browser = await launch();
    const page = await browser.newPage();
    const wrong = [];

    page.on('pageerror', e => wrong.push(String(e)));
    page.on('console', m => m.type() === 'error' && wrong.push(m.text()));

    await page.goto(server.url + '/');
    await live(page, server);
    await reload(page, server);
    await gap(page, server);
    await end(page, server, 'ended');
    await end(page, server, 'deleted');
    is(wrong, [], 'nothing on the console');
    await kill(page, server);
    await browser.close();
});
