/*
 * clients/push.js in Chromium, as a page would use it: live, over F5 and a
 * reload of NGINX, with a token at another origin, back from being offline.
 */

'use strict';

const { ok, is, until, numbers, main } = require('./check.js');
const { launch } = require('./chromium.js');
const { Server, Numbers } = require('./server.js');


/* runs in the page: subscribes, and keeps the position as long as the tab */

async function open([name, url, options]) {
    const { subscribe } = await import('/push.js');
    const log = { messages: [], states: [], gaps: [], ends: [] };

    if (options.token) {
        options.token = async () => 'new';
    }

    log.push = subscribe(url, {
        since: sessionStorage[name] ?? 'earliest',

        onMessage(m) {
            sessionStorage[name] = log.push.position;
            log.messages.push(m);
        },

        onState: (...state) => log.states.push(state),
        onGap: gap => log.gaps.push(gap),
        onEnd: (...end) => log.ends.push(end),
        ...options
    });

    window.logs ??= {};
    window.logs[name] = log;
}


class Page {

    constructor(page, transport) {
        this.page = page;
        this.transport = transport;
    }


    open(name, url, options = {}) {
        return this.page.evaluate(open, [name, url,
            { transport: this.transport, ...options }]);
    }


    look(name) {
        return this.page.evaluate(n => {
            const { messages, states, gaps, ends } = logs[n];

            return { messages, states: states.map(s => s[0]), gaps, ends };
        }, name);
    }


    until(name, condition, what) {
        return until(async () => {
            const log = await this.look(name);

            return condition(log) && log;
        }, `${name}: ${what}`);
    }


    untilMessages(name, n) {
        return this.until(name, log => log.messages.length >= n,
                          `${n} messages`);
    }


    untilState(name, state, n = 1) {
        return this.until(name, log => log.states.filter(s => s === state)
                                       .length >= n, `${n} ${state}`);
    }
}


async function live(page, server) {
    await page.open('live', '/sub?channel=live');
    await page.untilState('live', 'open');
    await server.publish('live', 'žluť 新 🐎', { 'Push-Event': 'any name' });

    const { messages: [m] } = await page.untilMessages('live', 1);

    is([m.data, m.event], ['žluť 新 🐎', 'any name'], 'a message of any name');

    await server.publish('live', '', { 'Push-End': 'true' });

    const { states, ends } = await page.untilState('live', 'closed');

    is([states, ends], [['connecting', 'open', 'closed'], [['live', 'ended']]],
       'and the end');
}


/* F5 in the middle of a stream, and a reload of NGINX */

async function interrupted(page, server) {
    const publisher = new Numbers(server, 'many', { pause: 5 });
    const got = [];

    for (let i = 0; i < 3; i++) {
        await page.open('many', '/sub?channel=many');
        await page.untilMessages('many', 30);

        if (i === 1) {
            server.reload();
            await page.untilState('many', 'open', 2);
        }

        if (i === 2) {
            break;
        }

        /* what has come is what the page knows when it goes */

        got.push(...(await page.page.evaluate(() => {
            logs.many.push.close();
            return logs.many.messages;
        })));
        await page.page.reload();
    }

    const n = await publisher.stop();
    const { messages, gaps } = await page.untilMessages('many', n - got.length);

    is([...got, ...messages].map(m => m.data), numbers(n),
       'over F5 and a reload: every number once');
    is(gaps, [], 'no gap');
}


async function online(page, server) {
    await page.open('slow', '/slow?channel=slow');
    await page.untilState('slow', 'open');
    server.reload();
    await page.untilState('slow', 'waiting');

    const delay = await page.page.evaluate(() => logs.slow.states.at(-1)[1].delay);

    ok(delay >= 60000, 'a long wait', delay);
    await page.page.evaluate(() => dispatchEvent(new Event('online')));
    await page.untilState('slow', 'open', 2);
    ok(true, 'ends when there is a network again');
    await page.page.evaluate(() => logs.slow.push.close());
}


async function elsewhere(page, server, port) {
    await page.open('far', `http://127.0.0.1:${port}/guarded?channel=far`,
                    { token: true });
    await page.untilState('far', 'open');
    await server.publish('far', 'hi');
    is((await page.untilMessages('far', 1)).messages[0].data, 'hi',
       'another origin, with a token');
    await page.page.evaluate(() => logs.far.push.close());
}


async function commands(page) {
    await page.open('chat', '/live');

    const said = await page.page.evaluate(async () => {
        const { push } = logs.chat;

        await push.subscribe('live:chat');

        return [await push.publish('live:chat', { hello: 'world' }),
                await push.publish('other', 'x').catch(e => e.status)];
    });

    const { messages: [m] } = await page.untilMessages('chat', 1);

    is([m.data, m.id, said[1]], [{ hello: 'world' }, said[0].id, 403],
       'commands');
}


main(async ({ port, pid, part, elsewhere: far }) => {
    const server = new Server({ port, pid });
    const browser = await launch();
    const tab = await browser.newPage();
    const page = new Page(tab, part);
    const wrong = [];

    tab.on('pageerror', e => wrong.push(String(e)));
    await tab.goto(server.url + '/');

    await live(page, server);
    await interrupted(page, server);
    await online(page, server);
    await elsewhere(page, server, far);

    if (part === 'push.json') {
        await commands(page);
    }

    is(wrong, [], 'no error in the page');
    await browser.close();
});
