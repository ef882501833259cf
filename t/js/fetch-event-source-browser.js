/*
 * "@microsoft/fetch-event-source" in Chromium.  It comes back after the end of
 * a stream only if onclose() throws, and has to be told that 204 is the end.
 */

'use strict';

const { is, main } = require('./check.js');
const { launch } = require('./chromium.js');
const { all } = require('./scenarios.js');
const { Server } = require('./server.js');


/* runs in the page */

async function open([key, url]) {
    const { fetchEventSource } = await import('/esm/index.js');
    const stop = new AbortController();
    const log = { events: [], opens: 0, over: false };

    window.logs ??= {};
    window.logs[key] = { log, stop };

    class Over extends Error { }

    fetchEventSource(url, {
        signal: stop.signal,
        openWhenHidden: true,

        async onopen(answer) {
            if (answer.status !== 200) {
                throw new Over(answer.status);
            }

            log.opens++;
        },

        onmessage(m) {
            log.events.push({ type: m.event || 'message', data: m.data,
                              id: m.id });
        },

        onclose() {
            throw new Error('the stream has ended');
        },

        onerror(e) {
            if (e instanceof Over) {
                throw e;
            }
        }
    }).catch(() => log.over = true);
}


main(async ({ port, pid }) => {
    const server = new Server({ port, pid });
    const browser = await launch();
    const page = await browser.newPage();
    const wrong = [];
    let n = 0;

    page.on('pageerror', e => wrong.push(String(e)));
    await page.goto(server.url + '/');

    await all(server, async path => {
        const key = `f${++n}`;

        await page.evaluate(open, [key, path]);

        return {
            look: () => page.evaluate(k => window.logs[k].log, key),
            close: () => page.evaluate(k => window.logs[k].stop.abort(), key)
        };
    });

    is(wrong, [], 'no error in the page');
    await browser.close();
});
