/* Debian's Chromium, and event sources in its pages. */

'use strict';

const fs = require('node:fs');
const { chromium } = require('playwright-core');

const { until } = require('./check.js');


async function launch() {
    const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser']
                           .find(path => fs.existsSync(path));

    if (!executablePath) {
        throw new Error('there is no chromium: apt-get install chromium');
    }

    return chromium.launch({ executablePath, args: [
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
        '--disable-background-networking', '--disable-component-update',
        '--disable-sync', '--disable-dev-shm-usage'
    ] });
}


/* runs in the page: an EventSource that remembers all it says */

function open([key, url, names, options]) {
    const source = new EventSource(url, options);
    const log = { source, events: [], opens: 0, errors: [] };

    for (const name of ['message', 'push.subscribed', 'push.gap',
                        'push.reconnect', 'push.closed', ...names])
    {
        source.addEventListener(name, e => log.events.push({
            type: e.type, data: e.data, id: e.lastEventId, origin: e.origin
        }));
    }

    source.addEventListener('open', () => log.opens++);
    source.addEventListener('error', () => log.errors.push(source.readyState));

    window.logs ??= {};
    window.logs[key] = log;
}


function look(key) {
    const { source, events, opens, errors } = window.logs[key];

    return { state: source.readyState, events, opens, errors };
}


class Source {

    static n = 0;

    static async open(page, url, { names = [], options } = {}) {
        const source = new Source();

        source.page = page;
        source.key = `s${++Source.n}`;
        await page.evaluate(open, [source.key, url, names, options]);

        return source;
    }


    look() {
        return this.page.evaluate(look, this.key);
    }


    async events(type) {
        const { events } = await this.look();

        return type ? events.filter(e => e.type === type) : events;
    }


    async messages() {
        const { events } = await this.look();

        return events.filter(e => !e.type.startsWith('push.'));
    }


    until(condition, what) {
        return until(async () => {
            const log = await this.look();

            return condition(log) && log;
        }, `${this.key}: ${what}`);
    }


    untilEvent(type, n = 1) {
        return this.until(log => log.events.filter(e => e.type === type).length
                                 >= n, `${n} ${type}`);
    }


    /* as many messages, of whatever name */

    untilMessages(n) {
        return this.until(log => log.events.filter(
            e => !e.type.startsWith('push.')).length >= n, `${n} messages`);
    }


    close() {
        return this.page.evaluate(key => logs[key].source.close(), this.key);
    }
}


module.exports = { launch, Source };
