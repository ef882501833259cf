/* "event-source-polyfill" in Chromium, with a header, as pages use it. */

'use strict';

const { is, main } = require('./check.js');
const { launch } = require('./chromium.js');
const { all } = require('./scenarios.js');
const { Server } = require('./server.js');


/* runs in the page */

function open([key, url, names]) {
    const source = new EventSourcePolyfill(url, { headers: { 'X-Any': '1' } });
    const log = { source, events: [], opens: 0 };

    for (const name of ['message', 'push.subscribed', 'push.gap',
                        'push.reconnect', 'push.closed', ...names])
    {
        source.addEventListener(name, e => log.events.push({
            type: e.type, data: e.data, id: e.lastEventId
        }));
    }

    source.addEventListener('open', () => log.opens++);

    window.logs ??= {};
    window.logs[key] = log;
}


function look(key) {
    const { source, events, opens } = window.logs[key];

    return { events, opens, over: source.readyState === 2 };
}


main(async ({ port, pid }) => {
    const server = new Server({ port, pid });
    const browser = await launch();
    const page = await browser.newPage();
    const wrong = [];
    let n = 0;

    page.on('pageerror', e => wrong.push(String(e)));
    await page.goto(server.url + '/');
    await page.addScriptTag({ url: '/esm/eventsource.js' });

    await all(server, async (path, names = []) => {
        const key = `p${++n}`;

        await page.evaluate(open, [key, path, names]);

        return {
            look: () => page.evaluate(look, key),
            close: () => page.evaluate(k => logs[k].source.close(), key)
        };
    });

    is(wrong, [], 'no error in the page');
    await browser.close();
});
