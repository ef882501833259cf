/*
 * clients/push.js over the sub-protocol push.json, against a server made of
 * npm's "ws" that says what each test wants it to say.
 */

'use strict';

const { WebSocketServer, WebSocket } = require('ws');

const { ok, is, until, wait, main } = require('./check.js');
const { Client } = require('./push-log.js');

let subscribe;

const id = n => 'abcdefgh-' + String(n).padStart(14, '0');
const message = (n, more = {}) => ({ type: 'message', channel: 'a', id: id(n),
                                     data: `m${n}`, ...more });
const welcome = n => ({ type: 'subscribed', channel: 'a', id: id(n) });
const data = client => client.messages.map(m => m.data);

const answers = {
    subscribe: (c, ref) => ({ type: 'subscribed', channel: c.subscribe, ref,
        id: c.subscribe === 'empty' ? null : c.since ?? id(100) }),
    unsubscribe: (c, ref) => ({ type: 'unsubscribed', channel: c.unsubscribe,
                                ref }),
    publish: (c, ref) => ({ type: 'published', channel: c.publish, id: id(50),
                            ref }),
    ping: (c, ref) => ({ type: 'pong', ref })
};


/*
 * The n-th connection is given to steps[n], the last of them again and again.
 * What a client sends is kept, and answered if "answering".
 */

class Mock {

    requests = [];
    sockets = [];
    commands = [];
    answering = true;

    constructor(...steps) {
        this.server = new WebSocketServer({ port: 0, host: '127.0.0.1',
            handleProtocols: names => names.has('push.json') && 'push.json' });

        this.server.on('connection', (ws, request) => {
            const n = this.requests.length;

            this.requests.push({ url: new URL(request.url, 'http://x'),
                                 at: Date.now() });
            this.sockets.push(ws);
            ws.on('message', text => this.#take(ws, n, JSON.parse(text)));
            steps[Math.min(n, steps.length - 1)](
                (...all) => all.forEach(m => ws.send(JSON.stringify(m))), ws);
        });
    }


    #take(ws, n, command) {
        const name = Object.keys(answers).find(key => key in command);

        if (name !== 'ping') {
            this.commands.push({ n, ...command });
        }

        if (this.answering) {
            ws.send(JSON.stringify(answers[name](command, command.ref)));
        }
    }


    async start() {
        await new Promise(done => this.server.on('listening', done));
        this.url = `http://127.0.0.1:${this.server.address().port}/sub`;

        return this;
    }


    query(n, name) {
        return this.requests[n].url.searchParams.get(name);
    }

    send(n, ...all) {
        all.forEach(m => this.sockets[n].send(JSON.stringify(m)));
    }

    commandsAre(expected, what) {
        is(this.commands.map(({ ref, ...command }) => command), expected, what);
    }
}


async function against(steps, options, body) {
    const mock = await new Mock(...steps).start();
    const client = new Client(subscribe, mock.url,
        { transport: 'push.json', WebSocket, ...options });

    await body(client, mock);
    client.close();
    await until(() => mock.server.clients.size === 0,
                'no connection to be left');
    mock.server.close();
}


async function resumes() {
    await against([
        (send, ws) => {
            send(welcome(0), message(1), message(2), message(2));
            ws.close(1012, 'restart retry=30');
        },
        send => send(welcome(2), message(1), message(2), message(3))
    ], { since: 'last:5' }, async (client, mock) => {
        await client.untilMessages(3);
        is(data(client), ['m1', 'm2', 'm3'], 'each message once');
        is([mock.query(0, 'since'), mock.query(0, 'lastEventId'),
            mock.query(1, 'since'), mock.query(1, 'lastEventId')],
           ['last:5', null, null, id(2)], 'from the last position');

        const { code, reason, delay } = client.details[2];

        is([code, reason], [1012, 'restart retry=30'], 'told why');
        ok(delay >= 30 && delay <= 45, 'and when it comes back', delay);
    });

    /* several channels: the position is the compound one, if there is one */

    await against([
        (send, ws) => {
            send(welcome(0), { ...welcome(7), channel: 'b', position: '.AAA' },
                 message(1, { position: '.AAB' }),
                 message(8, { channel: 'b', position: '.AAC' }));
            ws.close(1001, 'retry=10');
        },
        send => send(welcome(1))
    ], { channels: ['a', 'b'] }, async (client, mock) => {
        await client.untilState('open', 2);
        is([mock.query(0, 'channel'), mock.query(0, 'lastEventId'),
            mock.query(1, 'lastEventId')], ['a,b', null, '.AAC'],
           'the position of several channels');
    });
}


async function gap() {
    const lost = { type: 'gap', channel: 'a', requested: id(1), oldest: id(5),
                   reason: 'expired' };

    await against([
        (send, ws) => {
            send({ ...welcome(0), id: null }, { ...lost, id: id(4) });
            ws.close(1012, 'retry=10');
        },
        send => send(welcome(4), message(5))
    ], { since: id(1) }, async (client, mock) => {
        await client.untilMessages(1);
        is([client.gaps.length, client.gaps[0].reason], [1, 'expired'], 'a gap');
        is(mock.query(1, 'lastEventId'), id(4), 'its position');
    });

    await against([() => {}], {}, async (client, mock) => {
        await client.push.subscribe('live');
        mock.send(0, { ...lost, channel: 'live', id: id(104) });
        await client.until(() => client.gaps.length, 'the gap');
        mock.sockets[0].close(1012, 'retry=10');
        await until(() => mock.commands.length === 2, 'the next one');
        is(mock.commands[1].since, id(104), 'that of a channel of its own');
    });
}


async function closes() {
    for (const code of [1000, 1008]) {
        await against([(send, ws) => ws.close(code, 'because')], {},
                      async client => {
            await client.untilState('closed');

            const { code: got, reason } = client.details.at(-1);

            is([got, reason], [code, 'because'], `${code}: for good`);
        });
    }

    for (const code of [1001, 1007, 1009, 1011, 1012, 1013, 4200]) {
        await against([(send, ws) => ws.close(code, 'retry=10'), () => {}], {},
                      async client => {
            await client.untilState('open', 2);
            ok(true, `${code}: comes back`);
        });
    }

    await against([(send, ws) => ws.close(1012, 'retry=10'),
                   (send, ws) => ws.terminate()], {}, async client => {
        await client.untilState('waiting', 2);
        ok(client.details.at(-1).delay >= 1000, 'cut: a second or more');
    });

    await against([send => send(welcome(0), message(1), { type: 'closed',
        channel: 'a', reason: 'ended' })], {}, async (client, mock) => {
        await client.until(() => client.ends.length, 'the end');
        mock.sockets[0].close(1000);
        await client.untilState('closed');
        is(client.ends, [['a', 'ended']], 'the end of a channel');
    });
}


/* at once, with a new token; but not if the new one is refused as well */

async function renewal() {
    const words = ['t1', 't2', 't3'];

    await against([
        (send, ws) => setTimeout(() => ws.close(4201, 'retry=50'), 100),
        (send, ws) => ws.close(4201, 'retry=50'),
        () => {}
    ], { token: () => words.shift() }, async (client, mock) => {
        await client.untilState('open', 3);
        is([0, 1, 2].map(i => mock.query(i, 'token')), ['t1', 't2', 't3'],
           'a token each time');

        const [first, second] = client.details.filter(d => 'delay' in d);

        is(first.delay, 0, 'at once after some time');
        ok(second.delay >= 50, 'not at once after no time', second.delay);
    });
}


async function commands() {
    await against([send => send(welcome(0))], {}, async (client, mock) => {
        const { push } = client;

        is(await push.subscribe('x', { since: id(3) }).then(m => [m.type, m.id]),
           ['subscribed', id(3)], 'subscribe, before there is a connection');
        is((await push.publish('x', { a: [1] }, { event: 'e' })).id, id(50),
           'publish');
        is((await push.publish('x', '')).id, id(50), 'an empty text');
        is((await push.publish('x', null)).id, id(50), 'null');
        is((await push.unsubscribe('x')).channel, 'x', 'unsubscribe');
        is((await push.publish('a', 1)).id, id(50), 'publish to one of its own');
        is(push.position, id(0), 'which does not move the position');
        await push.subscribe('a');
        mock.send(0, message(1));
        await client.untilMessages(1);
        is(push.position, id(1), 'a message does');

        mock.commandsAre([
            { n: 0, subscribe: 'x', since: id(3) },
            { n: 0, publish: 'x', data: { a: [1] }, event: 'e' },
            { n: 0, publish: 'x', data: '' },
            { n: 0, publish: 'x', data: null },
            { n: 0, unsubscribe: 'x' },
            { n: 0, publish: 'a', data: 1 },
            { n: 0, subscribe: 'a' }
        ], 'as they were sent');

        /* answers in another order, one of them a refusal */

        mock.answering = false;
        mock.commands.length = 0;

        const all = Promise.allSettled(['p', 'q', 'r'].map(
            c => push.publish(c, 1)));

        await until(() => mock.commands.length === 3, 'three commands');

        const [p, q, r] = mock.commands.map(c => c.ref);

        mock.send(0, { type: 'published', channel: 'r', id: id(3), ref: r },
            { type: 'error', ref: p, status: 403, title: 'Forbidden' },
            { type: 'error', status: 400, title: 'Bad Request' },
            { type: 'published', channel: 'q', id: id(2), ref: q });

        const [one, two, three] = await all;

        is([one.reason.status, one.reason.message, two.value.id,
            three.value.id], [403, 'Forbidden', id(2), id(3)],
           'each answer goes to its question');

        const late = push.publish('x', 1).catch(e => e.message);
        const never = push.subscribe('x').catch(e => e.message);

        client.close();
        is([await late, await never], ['cut off', 'closed'],
           'close() leaves nobody waiting');
        is(await push.publish('x', 1).catch(e => e.message), 'closed',
           'nor later');
    });
}


/* a connection that breaks in the middle of it all */

async function cut() {
    await against([send => send(welcome(0))], {}, async (client, mock) => {
        const { push } = client;

        await push.subscribe('live');
        await push.subscribe('empty');
        await push.subscribe('quiet');
        await push.subscribe('gone');
        await push.unsubscribe('gone');
        mock.send(0, message(101, { channel: 'live' }),
                  { type: 'published', channel: 'live', id: id(103), ref: 99 });
        await client.untilMessages(1);

        mock.answering = false;

        const published = push.publish('live', 1).catch(e => e.message);
        const subscribed = push.subscribe('next', { since: 'earliest' });
        const unsubscribed = push.unsubscribe('a');

        await until(() => mock.commands.length === 8, 'the commands');
        mock.commands.length = 0;
        mock.answering = true;
        mock.sockets[0].close(1012, 'retry=10');

        is(await published, 'cut off', 'a publish may be there or not');

        const waiting = push.publish('live', 2);

        is((await subscribed).channel, 'next', 'a subscribe goes out again');
        is((await unsubscribed).channel, 'a', 'an unsubscribe too');
        is((await waiting).type, 'published', 'and what waited meanwhile');

        mock.commandsAre([
            { n: 1, subscribe: 'live', since: id(101) },
            { n: 1, subscribe: 'empty' },
            { n: 1, subscribe: 'quiet', since: id(100) },
            { n: 1, subscribe: 'next', since: 'earliest' },
            { n: 1, unsubscribe: 'a' },
            { n: 1, publish: 'live', data: 2 }
        ], 'first what was subscribed to, from where it was');

        mock.send(1, message(101, { channel: 'live' }),
                  message(102, { channel: 'live' }));
        await client.untilMessages(2);
        is(data(client), ['m101', 'm102'], 'each message once');
    });
}


async function refusedAgain() {
    const refuse = (send, ws) => ws.on('message', text => {
        const { ref, subscribe: name } = JSON.parse(text);

        if (name === 'live') {
            send({ type: 'error', ref, status: 403, title: 'Forbidden' });
        }
    });

    await against([() => {}, refuse, () => {}], {}, async (client, mock) => {
        await client.push.subscribe('live');
        await client.push.subscribe('other');
        mock.answering = false;
        mock.sockets[0].close(1012, 'retry=10');
        await client.until(() => client.ends.length, 'an end');
        is(client.ends, [['live', 'Forbidden']], 'no longer allowed: an end');

        mock.commands.length = 0;
        mock.send(1, message(101, { channel: 'other' }),
                  { type: 'reconnect', retry: 10, id: id(101) });
        mock.sockets[1].close(1012, 'retry=10');
        await until(() => mock.commands.length > 0, 'another connection');
        await wait(20);
        mock.commandsAre([{ n: 2, subscribe: 'other', since: id(101) }],
                         'and not asked for again');
        ok(mock.query(2, 'lastEventId') === null,
           'the position of a channel is not that of the address');
    });
}


async function silence() {
    await against([send => send(welcome(0)), send => send(welcome(0))],
                  { silence: 800 }, async (client, mock) => {
        await client.untilOpen();
        await wait(2000);
        is(client.states, ['connecting', 'open'], 'pings keep it alive');

        mock.answering = false;
        mock.sockets[0].pause();
        await client.untilState('waiting');
        is(client.details.at(-1).error.message, 'silence', 'or not');

        /* whatever the old connection still has to say */

        mock.send(0, message(2, { data: 'late' }));
        mock.sockets[0].resume();
        mock.answering = true;
        await client.untilState('open', 2);
        mock.send(1, message(1), message(2));
        await client.untilMessages(2);
        is(data(client), ['m1', 'm2'], 'is said by the new one');
    });
}


main(async () => {
    ({ subscribe } = await import('../../clients/push.js'));

    for (const body of [resumes, gap, closes, renewal, commands, cut,
                        refusedAgain, silence])
    {
        await body();
    }

    const gone = await new Mock().start();

    gone.server.close();

    const nobody = new Client(subscribe, gone.url,
                              { transport: 'push.json', WebSocket });

    const never = nobody.push.publish('a', 1).catch(e => e.message);

    await nobody.untilState('waiting');
    is(nobody.states, ['connecting', 'waiting'], 'nobody there');
    nobody.close();
    is(await never, 'closed', 'a command that never went out');
});
