/*
 * clients/push.js over SSE against a server that does what NGINX does seldom:
 * refuses, falls silent, repeats itself, cuts a stream at any byte.
 */

'use strict';

const http = require('node:http');

const { ok, is, until, wait, numbers, main } = require('./check.js');
const { Client } = require('./push-log.js');

let subscribe;

const id = n => 'abcdefgh-' + String(n).padStart(14, '0');
const event = (type, n, data) => `event: push.${type}\n`
    + (n === null ? '' : `id: ${id(n)}\n`) + `data: ${JSON.stringify(data)}\n\n`;
const message = (n, more = {}) => `id: ${id(n)}\nevent: odd name\n`
    + `data: ${JSON.stringify({ type: 'message', channel: 'a', id: id(n),
                                data: `m${n}`, ...more })}\n\n`;
const welcome = (n, retry = 20) => `retry: ${retry}\n` + event('subscribed', n,
    { channels: [{ channel: 'a', id: n === null ? null : id(n) }] });
const closed = event('closed', null, { channel: 'a', reason: 'ended' });
const data = client => client.messages.map(m => m.data);
const timers = () => process.getActiveResourcesInfo()
                     .filter(name => name === 'Timeout');


/*
 * Answers the n-th connection by steps[n], the last one again and again: a
 * status, or texts to be written one after the other; then the stream ends,
 * unless the last of them is null.
 */

class Mock {

    requests = [];
    open = new Set();

    constructor(...steps) {
        this.server = http.createServer((request, answer) => {
            const step = steps[Math.min(this.requests.length,
                                        steps.length - 1)];

            this.requests.push({ url: new URL(request.url, 'http://x'),
                                 headers: request.headers, at: Date.now() });
            this.open.add(answer);
            answer.on('close', () => this.open.delete(answer));
            this.#answer(answer, [step].flat());
        });
    }


    async #answer(answer, [first, ...rest]) {
        if (typeof first === 'number') {
            answer.writeHead(first, rest[0] ?? {}).end();
            return;
        }

        answer.writeHead(200, { 'Content-Type': 'text/event-stream' });
        answer.flushHeaders();

        for (const text of [first, ...rest]) {
            if (text === null) {
                return;
            }

            answer.write(text);
            await wait(1);
        }

        answer.end();
    }


    async start() {
        await new Promise(done => this.server.listen(0, '127.0.0.1', done));
        this.url = `http://127.0.0.1:${this.server.address().port}/sub`;

        return this;
    }


    query(n, name) {
        return this.requests[n].url.searchParams.get(name);
    }
}


/* runs body(client, mock) with a server that answers so */

async function against(steps, options, body) {
    const mock = await new Mock(...steps).start();
    const client = new Client(subscribe, mock.url, options);

    await body(client, mock);
    client.close();
    await until(() => mock.open.size === 0, 'no connection to be left');
    mock.server.close();
    mock.server.closeAllConnections();
}


/* a stream may be cut anywhere, in the middle of a character too */

async function cuts() {
    const text = welcome(0) + ':\n' + message(1, { data: 'žluť 新 🐎' })
                 + ':\n:\n' + event('reconnect', 1, { retry: 20 })
                 + event('unheard-of', 1, {}) + message(2);
    const bytes = Buffer.from(text);

    await against([[...bytes].map(b => Buffer.from([b])).concat(null)], {},
                  async client => {
        await client.untilMessages(2);
        is(data(client), ['žluť 新 🐎', 'm2'], 'byte by byte');
        is(client.messages[0].position, id(1), 'with its position');
    });

    await against([[bytes, null]], {}, async client => {
        await client.untilMessages(2);
        is(data(client), ['žluť 新 🐎', 'm2'], 'all at once');
    });

    /* an event that was not finished is no event */

    await against([welcome(0) + message(1) + message(2).slice(0, -1),
                   [welcome(1) + message(2), null]], {}, async (client, mock) => {
        await client.untilMessages(2);
        is(data(client), ['m1', 'm2'], 'a half event is asked for again');
        is(mock.query(1, 'lastEventId'), id(1), 'from the one before it');
    });
}


async function once() {
    const again = numbers(7).map(n => message(n)).join('');

    await against([welcome(0) + again.repeat(2),
                   [welcome(0) + again + message(8)
                    + message(9, { id: 'AA-_-_-z-00000000000001' }), null]],
                  {}, async client => {
        await client.untilMessages(9);
        is(data(client), numbers(9).map(n => `m${n}`),
           'what comes twice is given once');
    });

    await against([[welcome(0) + message(1) + message(2) + event('gap', 4, {
        channel: 'a', requested: id(2), oldest: id(5), reason: 'overrun' })
        + message(2) + message(5), null]], {}, async client => {
        await client.untilMessages(3);
        is(data(client), ['m1', 'm2', 'm5'], 'around a gap as well');
    });
}


async function gap() {
    const lost = { channel: 'a', requested: id(1), oldest: id(5),
                   reason: 'expired' };

    await against([[welcome(null) + event('gap', 4, lost)],
                   [welcome(4) + message(5), null]], { since: id(1) },
                  async (client, mock) => {
        await client.untilMessages(1);
        is(client.gaps.map(({ channel, requested, oldest, reason }) =>
            ({ channel, requested, oldest, reason })), [lost], 'a gap');
        is([mock.query(0, 'since'), mock.query(0, 'lastEventId')],
           [id(1), null], 'the first position is that of the page');
        is([mock.query(1, 'since'), mock.query(1, 'lastEventId')],
           [null, id(4)], 'the next that of the notice');
        is(mock.query(0, 'format'), 'json', 'envelopes are asked for');
    });

    await against([[welcome(null) + event('gap', 4, lost), message(5), null]],
                  {}, async client => {
        await client.untilMessages(1);
        is(client.gaps.length, 1, 'a gap is told once');
    });

    /* cut off before the notice, it has no new position */

    await against([welcome(null), [welcome(null) + event('gap', 4, lost), null]],
                  { since: id(1) }, async (client, mock) => {
        await client.until(() => client.gaps.length, 'the gap');
        is(mock.query(1, 'since'), id(1), 'no position without the notice');
    });
}


async function statuses() {
    for (const status of [400, 401, 403, 404, 405, 406, 410]) {
        await against([status], {}, async client => {
            await client.untilState('closed');
            is([client.states, client.details.at(-1).status],
               [['connecting', 'closed'], status], `${status}: for good`);
        });
    }

    await against([204], {}, async client => {
        await client.untilState('closed');
        is(client.ends, [[null, 'over']], '204: over');
    });

    for (const status of [408, 425, 429, 500, 502, 503, 504]) {
        await against([[status, { 'Retry-After': '1' }]], {}, async client => {
            await client.untilState('waiting');
            is(client.details.at(-1).status, status, `${status}: for now`);
        });
    }

    /* a 200 that is something else, an answer that never was */

    await against(['<!doctype html>'], {}, async client => {
        await client.untilState('waiting');
        is(client.states, ['connecting', 'waiting'], 'another 200');
    });

    const gone = await new Mock().start();

    gone.server.close();

    const nobody = new Client(subscribe, gone.url);

    await nobody.untilState('waiting');
    ok(nobody.details.at(-1).error instanceof Error, 'nobody there');
    nobody.close();
}


/* what cannot be read: the connection is given up, not kept beside a new one */

async function nonsense() {
    await against([[welcome(0) + 'data: {oops\n\n', null],
                   [welcome(0), message(1), null]], {}, async (client, mock) => {
        await client.untilMessages(1);
        is(mock.open.size, 1, 'nonsense: one connection is left');
    });
}


/* never before the time the server says, twice as long after each failure */

async function delays() {
    const refusal = 'retry: 10\n\n';

    await against([refusal, refusal, refusal, refusal,
                   [welcome(0, 40), message(1)], refusal], {},
                  async (client, mock) => {
        await client.untilState('waiting', 6);

        const told = client.details.filter(d => d.delay);
        const least = [20, 40, 80, 160, 40, 20];

        ok(told.every(({ delay }, i) => delay >= least[i]
                                        && delay <= 1.5 * least[i]),
           'delays', told.map(d => d.delay).join(' '));
        ok(told.some(({ delay }, i) => delay > 1.01 * least[i]), 'are random');
        ok(mock.requests.slice(1).every(({ at }, i) =>
            at - mock.requests[i].at >= least[i] - 2), 'are kept');
    });

    await against(['retry: 40000\n\n'], {}, async client => {
        await client.untilState('waiting');

        const { delay } = client.details.at(-1);

        ok(delay >= 40000 && delay <= 60000, 'a long one of the server', delay);
    });

    await against(['retry: 20000\n\n'], {}, async client => {
        await client.untilState('waiting');
        ok(client.details.at(-1).delay <= 45000, 'no longer of our own');
    });
}


async function silence() {
    await against([[welcome(0), message(1), null], [welcome(1), null]],
                  { silence: 800 }, async (client, mock) => {
        await client.untilOpen();
        await client.untilState('open', 2);

        const [, , { error }] = client.details;

        is(error.message, 'silence', 'a dead connection is left');
        is(mock.query(1, 'lastEventId'), id(1), 'and taken up again');
    });

    await against([[welcome(0), null]], { silence: 1000 },
                  async (client, mock) => {
        await client.untilOpen();

        for (let i = 0; i < 80; i++) {
            mock.open.forEach(answer => answer.write(':\n'));
            await wait(20);
        }

        is(client.states, ['connecting', 'open'], 'a heart that beats');
    });
}


async function tokens() {
    const words = ['t1', 't2', 't3'];

    await against([401, welcome(0), [welcome(0), null]],
                  { token: async () => words.shift() },
                  async (client, mock) => {
        await client.untilState('open', 2);
        is(mock.requests.map(r => r.headers.authorization),
           ['Bearer t1', 'Bearer t2', 'Bearer t3'], 'a token each time');
    });

    let n = 0;

    await against([[welcome(0), null]],
                  { token() { if (++n < 2) { throw new Error('no'); } } },
                  async (client, mock) => {
        await client.untilOpen();
        is([n, mock.requests[0].headers.authorization ?? null], [2, null],
           'a token that could not be had, and none');
    });

    const mock = await new Mock(welcome(0), [welcome(0), null]).start();
    const client = new Client(subscribe, () => `${mock.url}?ticket=${++n}`);

    await client.untilState('open', 2);
    is(numbers(2).map((_, i) => mock.query(i, 'ticket')), ['3', '4'],
       'an address made each time');
    client.close();
    mock.server.close();
    mock.server.closeAllConnections();
}


/* of several channels one ends, and the client comes back */

async function several() {
    const of = (n, a, b) => event('subscribed', n,
        { channels: [{ channel: 'a', id: a }, { channel: 'b', id: b }] });
    const end = (channel, reason) =>
        event('closed', null, { channel, reason });

    await against(['retry: 10\n' + of(0, id(0), id(0)) + end('a', 'ended'),
                   of(0, id(0), id(0)) + end('a', 'ended')
                   + end('b', 'deleted')], { channels: ['a', 'b+ü'] },
                  async (client, mock) => {
        await client.untilState('closed');
        is(client.ends, [['a', 'ended'], ['b', 'deleted']], 'each end once');
        is(mock.requests.map(r => r.url.search.split('&')[0]),
           Array(2).fill('?channel=a,b%2B%C3%BC'), 'how they are asked for');
    });
}


async function pages() {
    const thrown = [];
    const take = e => thrown.push(e.message);

    process.on('uncaughtException', take);

    await against([[welcome(0) + message(1) + message(2), null]],
                  { message() { throw new Error('of the page'); } },
                  async client => {
        await client.untilMessages(2);
        await until(() => thrown.length === 2, 'both errors');
        is([client.states, thrown],
           [['connecting', 'open'], Array(2).fill('of the page')],
           'an error of the page is its own');
    });

    process.off('uncaughtException', take);

    for (const at of ['connecting', 'open', 'waiting']) {
        const steps = at === 'waiting' ? [503] : [[welcome(0), null]];
        let client;

        await against(steps, {
            state(state) { state === at && client.close(); }
        }, async c => {
            client = c;
            await c.untilState('closed');
            await wait(30);
            is(c.states.slice(-2), [at, 'closed'], `closed when ${at}`);
            is(timers(), [], 'and no timer is left');
        });
    }

    let client;

    await against([503], {}, async c => {
        await c.untilState('waiting');
        await wait(5);
        c.close();
        await wait(5);
        is(timers(), [], 'closed while it waits: no timer is left');
    });

    await against([[welcome(0) + message(1) + message(2) + closed, null]],
                  { message() { client.close(); } }, async c => {
        client = c;
        await c.untilState('closed');
        await wait(20);
        is([data(c), c.ends], [['m1'], []], 'nothing after close()');
    });

    const refused = new Client(subscribe, 'http://127.0.0.1/');

    await refused.push.publish('a', 1).catch(e => refused.failure = e.message);
    is(refused.failure, 'needs push.json', 'no commands over SSE');
    refused.close();
}


main(async () => {
    ({ subscribe } = await import('../../clients/push.js'));

    for (const body of [cuts, once, gap, statuses, nonsense, delays, silence, tokens,
                        several, pages])
    {
        await body();
    }
});
