/* A window with the page of the demo, as somebody would use it. */

'use strict';

const { ok, is, until } = require('./check.js');
const { launch } = require('./chromium.js');
const { Server } = require('./server.js');


class Demo {

    static async start({ port, pid, screenshots }) {
        const demo = new Demo();

        demo.browser = await launch();
        demo.server = new Server({ port, pid });
        demo.folder = screenshots;
        demo.wrong = [];

        return demo;
    }


    /* a window of its own: with another one it shares no storage */

    async window(hash = '', options = {}) {
        const context = await this.browser.newContext({
            viewport: { width: 1280, height: 800 }, ...options
        });

        return this.watch(await context.newPage(), hash);
    }


    async watch(page, hash) {
        page.on('pageerror', e => this.wrong.push(String(e)));
        page.on('console', m => ['error', 'warning'].includes(m.type())
                                && this.wrong.push(m.text()));
        page.on('request', r => new URL(r.url()).host
                                === new URL(this.server.url).host
                                || this.wrong.push('loads ' + r.url()));

        if (hash !== undefined) {
            await page.goto(this.server.url + '/' + hash);
        }

        return new Window(this, page);
    }


    /* what a reload of NGINX may leave on the console is not counted */

    end(allowed = /^$/) {
        is(this.wrong.filter(line => !allowed.test(line)), [],
           'nothing on the console, nothing from elsewhere');

        return this.browser.close();
    }
}


class Window {

    constructor(demo, page) {
        this.demo = demo;
        this.page = page;
    }


    $(selector) {
        return this.page.locator(selector);
    }


    async text(selector) {
        return (await this.$(selector).innerText()).trim();
    }


    texts(selector) {
        return this.$(selector).allInnerTexts();
    }


    becomes(selector, wanted) {
        const good = wanted instanceof RegExp ? s => wanted.test(s)
                                              : s => s === wanted;

        return until(async () => good(await this.text(selector)),
                     `${selector} to be ${wanted}`);
    }


    async reads(selector, wanted, name) {
        await this.becomes(selector, wanted);
        ok(true, name);
    }


    async shot(name) {
        await this.page.evaluate(() => scrollTo(0, 0));
        await this.page.screenshot({ path: `${this.demo.folder}/${name}.png`,
                                     fullPage: true });
    }


    /* the same in the other theme and in a narrow window; it fits into all */

    async looks(name) {
        const wide = this.page.viewportSize();

        await this.shot(name);
        await this.page.click('#theme');
        await this.shot(name + '-dark');
        await this.page.click('#theme');

        for (const width of [390, 900]) {
            await this.page.setViewportSize({ width, height: 844 });
            is(await this.page.evaluate(
                () => document.documentElement.scrollWidth), width,
               `${name}: nothing sticks out of ${width} pixels`);
            await this.shot(`${name}-${width}`);
        }

        await this.page.setViewportSize(wide);
    }
}


module.exports = { Demo };
