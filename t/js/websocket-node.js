/*
 * The WebSocket of npm's "ws" and "undici" in node: bodies alone, envelopes,
 * push.json by hand; compressed, over a reload, to the end of a channel.
 */

'use strict';

const { ok, is, until, numbers, sequence, main } = require('./check.js');
const { Server, Numbers } = require('./server.js');


/* one connection, and all it has been told */

class Socket {

    constructor({ WebSocket, server }, path, protocols) {
        this.ws = new WebSocket(server.url.replace('http', 'ws') + path,
                                protocols);
        this.ws.binaryType = 'arraybuffer';
        this.got = [];
        this.ws.onopen = () => this.opened = true;
        this.ws.onerror = () => this.failed = true;
        this.ws.onmessage = e => this.got.push(e.data);
        this.ws.onclose = ({ code, reason, wasClean }) =>
            this.closed = { code, reason, wasClean };
    }


    get envelopes() {
        return this.got.map(text => JSON.parse(text));
    }

    all(type) {
        return this.envelopes.filter(e => e.type === type);
    }


    untilOpen() {
        return until(() => this.opened, 'a handshake');
    }

    untilGot(n) {
        return until(() => this.got.length >= n, `${n} frames`);
    }

    untilClosed() {
        return until(() => this.closed, 'a close');
    }


    send(command) {
        this.ws.send(JSON.stringify(command));
    }


    async close() {
        this.ws.close(1000, 'bye');

        return this.untilClosed();
    }
}


async function raw(test) {
    const { server } = test;
    const socket = new Socket(test, '/sub?channel=raw');

    await socket.untilOpen();
    is(socket.ws.protocol, '', 'no sub-protocol');

    const text = 'žluťoučký\r\n\nkůň 新 🐎';
    const large = 'x'.repeat(60000);

    await server.publish('raw', text, { 'Content-Type': 'text/plain' });
    await server.publish('raw', Buffer.from([0, 1, 2, 255]),
                         { 'Content-Type': 'image/png' });
    await server.publish('raw', '');
    await server.publish('raw', large);
    await socket.untilGot(4);

    is(socket.got[0], text, 'a text frame');
    is(Buffer.from(socket.got[1]).toString('hex'), '000102ff',
       'a binary frame');
    is([socket.got[2], socket.got[3] === large], ['', true],
       'an empty one, a large one');

    const { code, wasClean } = await socket.close();

    is([code, wasClean], [1000, true], 'a clean close');
}


async function compressed(test) {
    const { server } = test;
    const socket = new Socket(test, '/sub?channel=zip');

    await socket.untilOpen();

    is(socket.ws.extensions.split(';')[0], 'permessage-deflate',
       'the extension');

    const texts = numbers(50).map(n => `number ${n}: `.repeat(n * 20));

    for (const text of texts) {
        await server.publish('zip', text);
    }

    await socket.untilGot(50);
    ok(socket.got.every((text, i) => text === texts[i]), 'fifty long texts');
    await socket.close();
}


/* what a page does that comes back by itself: from the last id it had */

async function overReload(test) {
    const { server } = test;
    const path = '/sub?channel=json&format=json&since=';
    const got = [];
    let last = 'earliest';

    const first = await server.publish('json', '1', {});
    const publisher = new Numbers(server, 'json');

    for (let i = 0; i < 3; i++) {
        const socket = new Socket(test, path + last);

        await socket.untilGot(30);
        i === 2 ? await publisher.stop() : server.reload();

        if (i === 2) {
            await until(() => socket.all('message').length + got.length
                              >= publisher.sent + 1, 'all of it');
            got.push(...socket.all('message'));
            await socket.close();
            break;
        }

        const { code, reason } = await socket.untilClosed();

        is(code, 1012, 'a reload: 1012');
        ok(/^retry=\d+$/.test(reason), 'when to come back', reason);
        is(socket.envelopes.at(-1).type, 'reconnect', 'a last word');
        got.push(...socket.all('message'));
        last = got.at(-1).id;
    }

    is(got.map(m => m.data), ['1', ...numbers(publisher.sent)],
       'every number once');
    is(got.map(m => sequence(m.id)),
       got.map((_, i) => sequence(first) + i), 'ids without a hole');
}


async function commands(test) {
    const { server } = test;
    const socket = new Socket(test, '/live', 'push.json');

    await socket.untilOpen();
    is(socket.ws.protocol, 'push.json', 'the sub-protocol');

    socket.send({ subscribe: 'live:1', ref: 1 });
    socket.send({ publish: 'live:1', data: { a: [1, 2] }, ref: 'two' });
    socket.send({ publish: 'other', data: 'x', ref: 3 });
    socket.send({ ping: 1 });
    await socket.untilGot(5);

    is(socket.envelopes.filter(e => e.type !== 'message')
                       .map(({ type, ref, status }) => [type, ref, status]),
       [['subscribed', 1, undefined], ['published', 'two', undefined],
        ['error', 3, 403], ['pong', undefined, undefined]], 'replies');
    is(socket.all('message').map(m => m.data), [{ a: [1, 2] }], 'a message');

    await server.request('DELETE', '/pub?channel=live:1');
    await socket.untilGot(6);
    is(socket.all('closed').map(m => [m.channel, m.reason]),
       [['live:1', 'deleted']], 'one that is deleted');
    await socket.close();
}


async function ends(test) {
    const { server } = test;

    for (const reason of ['ended', 'deleted']) {
        const socket = new Socket(test, `/sub?channel=${reason}`);

        await socket.untilOpen();
        await server.publish(reason, 'one');
        await socket.untilGot(1);

        if (reason === 'ended') {
            await server.publish(reason, 'two', { 'Push-End': 'true' });

        } else {
            await server.request('DELETE', `/pub?channel=${reason}`);
        }

        const { code, wasClean } = await socket.untilClosed();

        is([socket.got, code, wasClean],
           [reason === 'ended' ? ['one', 'two'] : ['one'], 1000, true],
           `${reason}: all of it, and a clean close`);
    }
}


async function refused(test) {
    const nothing = new Socket(test, '/nothing');

    /* undici says no more than that */

    await until(() => nothing.failed, 'an error');
    ok(!nothing.opened, 'no handshake');

    const silent = new Socket(test, '/sub?channel=silent');

    await silent.untilOpen();
    silent.ws.send('may I?');
    is((await silent.untilClosed()).code, 1008, 'who may not speak: 1008');
}


main(async ({ port, pid, part }) => {
    const { WebSocket } = require(part);
    const test = { WebSocket, server: new Server({ port, pid }) };

    for (const body of [raw, compressed, commands, ends, refused, overReload]) {
        await body(test);
    }
});
