/* The page of the demo, as somebody would use it who sees it first. */

'use strict';

const { execFileSync } = require('node:child_process');

const { ok, is, until, main } = require('./check.js');
const { launch } = require('./chromium.js');
const { Server } = require('./server.js');


const ORDER = 'every number arrived once, in order\\.$';

let page, server, folder;

const text = id => page.locator('#' + id).innerText();
const row = at => page.locator('#rows > li').nth(at);


function becomes(id, wanted) {
    const good = wanted instanceof RegExp ? s => wanted.test(s)
                                          : s => s === wanted;

    return until(async () => good((await text(id)).trim()),
                 `#${id} to be ${wanted}`);
}


/* when the page knows which worker has it */

async function shot(name) {
    await until(async () => !/Live/.test(await text('state-name'))
                || (await page.locator('#workers li').allInnerTexts())
                   .some(t => / 1 subscriber$/.test(t)),
                'a worker with one subscriber');
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}


async function starts() {
    await page.goto(server.url + '/');
    await becomes('state-name', 'Live');

    is(await page.title(), 'ngx_push_module: demo', 'title');
    is(await text('received'), '0', 'nothing received');
    is(await page.locator('#rows .notice b').allInnerTexts(), ['Subscribed'],
       'the subscription is shown');
    is(await page.locator('#rows .notice code').count(), 1, 'with its id');
    await until(async () => await page.locator('#workers li').count() === 2,
                'two workers');
    await shot('1-start');
}


async function publishes() {
    await page.fill('#text', 'Hello, 世界');
    await page.click('#publish button[type=submit]');
    await becomes('received', '1');

    const id = (await row(0).locator('code').innerText()).trim();

    is(await row(0).locator('.data').innerText(), 'Hello, 世界', 'a message');
    ok(/-0*1$/.test(id), 'its id', id);
    await becomes('answer', `201 · 1 subscriber · id ${id}`);
    await until(async () => /^[\d.]+ ms$/.test(await text('latency')),
                'a latency');
    ok(true, 'the latency');

    /* Enter publishes, and a new name is listened for */

    await page.fill('#event', 'reading');
    await page.fill('#text', '{"temp":21.5}');
    await page.press('#text', 'Enter');
    await becomes('received', '2');
    is(await row(0).locator('.event').innerText(), 'reading', 'an event name');
    ok((await page.locator('#names li').allInnerTexts()).includes('reading'),
       'is added to the names');

    /* markup stays text */

    await page.fill('#event', '');
    await page.fill('#text', '<img src=x onerror=alert(1)><b>bold</b>');
    await page.press('#text', 'Enter');
    await becomes('received', '3');
    is(await row(0).locator('.data img, .data b').count(), 0, 'no markup');

    await page.fill('#text', 'two\nlines');
    await page.click('#publish button[type=submit]');
    await becomes('received', '4');
    is(await row(0).locator('.data').evaluate(e => e.textContent),
       'two\nlines', 'two lines');
}


/* the commands that the page shows, typed into a terminal */

async function terminal() {
    await page.fill('#event', "it's");
    await page.fill('#text', "from o'clock & $HOME");

    let shown = await text('curl-publish');
    const said = execFileSync('sh', ['-c', shown], { encoding: 'utf8',
                                                     stdio: 'pipe' });

    is(JSON.parse(said).channel, 'news', 'the publish command works');

    await page.fill('#name', "it's");
    await page.press('#name', 'Enter');
    await page.fill('#event', '');
    execFileSync('sh', ['-c', await text('curl-publish')], { stdio: 'pipe' });
    await becomes('received', '5');
    is(await row(0).locator('.data').innerText(), "from o'clock & $HOME",
       'and its message arrives');

    shown = (await text('curl-subscribe')).replace('curl -N', 'curl -sN -m 1');

    const heard = await new Promise(done => require('node:child_process')
        .exec(shown, (e, out) => done(out)));

    ok(heard.includes('event: push.subscribed'),
       'the subscribe command works', heard);
}


async function reloads() {
    const before = await server.workers();

    await page.click('#steady');
    await until(async () => Number((await text('received'))) >= 15,
                'a steady stream');

    /* the very line that the page tells to type */

    execFileSync('sh', ['-c', await text('reload')], { stdio: 'pipe' });
    await until(async () => /[12]/.test(await text('reconnects')),
                'a reconnect');
    await until(async () => (await page.locator('#workers li.gone').count())
                            === 2, 'the old workers to be shown as gone');
    await shot('2-reload');

    const after = await server.workers();

    is(after.filter(pid => before.includes(pid)), [], 'other workers');
    await until(async () => {
        const n = Number(await text('received'));

        return n > 0 && /complete/.test(await text('verdict'));
    }, 'a verdict');
    await page.click('#steady');
    await becomes('verdict', new RegExp('^1–\\d+ complete, over a reconnect: '
                                        + ORDER));
    is(await page.locator('#verdict').getAttribute('data-verdict'), 'done',
       'complete over a reload');
    is(await text('gaps'), '0', 'without a gap');
    is(await text('reconnects'), '1', 'one reconnect');
}


async function bursts() {
    await page.click('#burst');
    server.reload();
    await becomes('verdict', new RegExp('^1–100 complete.*: ' + ORDER));
    is(await page.locator('#cells .here').count(), 100, 'a burst in a reload');
    await becomes('reconnects', '2');
    await shot('3-burst');
}


async function themes() {
    const old = await page.evaluate(
        () => document.documentElement.dataset.theme);

    await page.click('#theme');
    await shot(old === 'dark' ? '4-light' : '4-dark');
    await page.reload();
    await becomes('state-name', 'Live');
    ok(await page.evaluate(() => document.documentElement.dataset.theme)
       !== old, 'the theme is remembered');
    await page.click('#theme');

    await page.setViewportSize({ width: 390, height: 844 });
    await shot('5-narrow');
    is(await page.evaluate(() => document.documentElement.scrollWidth), 390,
       'nothing sticks out of a narrow window');
    await page.setViewportSize({ width: 1280, height: 800 });
}


/* away for a while, then what was missed */

async function resumes() {
    await page.click('#connect');
    await becomes('state-name', 'Not connected');

    for (const body of ['missed 1', 'missed 2', 'missed 3']) {
        await server.publish('news', body, { 'Content-Type': 'text/plain' });
    }

    is(await page.inputValue('#start') !== 'latest', true,
       'offers what was missed');
    await page.click('#connect');
    await until(async () => (await page.locator('#rows > li:not(.notice) .data')
        .allInnerTexts()).slice(0, 3).join() === 'missed 3,missed 2,missed 1',
                'what was missed');
    ok(true, 'what was missed');
    is(await text('gaps'), '0', 'is no gap');
}


async function ends() {
    await page.click('summary:has-text("End the channel")');
    await page.click('#seal');
    await becomes('state-name', 'Ended');
    is(await row(1).locator('.ms').innerText(), '',
       'no latency of a message that was not ours');
    is((await text('state-why')).trim(),
       'The channel is sealed: you have all of it.', 'sealed');
    await shot('6-sealed');

    /* a publish into it is refused, and the page says so */

    await page.press('#text', 'Enter');
    await becomes('answer', /^409 /);

    await page.click('#delete');
    await becomes('answer', /^200 /);

    /* with an id of the old life: a gap, for all to see */

    await server.publish('news', 'a new life');
    await page.selectOption('#start', 'resume');
    await page.click('#connect');
    await becomes('gaps', '1');
    ok((await page.locator('#rows .notice b').allInnerTexts())
       .includes('Gap: unknown'), 'an id of a deleted channel is a gap');
    await shot('7-gap');

    await page.click('#delete');
    await becomes('state-name', 'Ended');
    is((await text('state-why')).trim(), 'The channel was deleted.', 'deleted');
}


main(async ({ port, pid, screenshots }) => {
    const browser = await launch();
    const wrong = [];

    folder = screenshots;
    server = new Server({ port, pid });
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });

    page.on('pageerror', e => wrong.push(String(e)));
    page.on('console', m => ['error', 'warning'].includes(m.type())
                            && wrong.push(m.text()));
    page.on('request', r => r.url().startsWith(server.url + '/')
                            || wrong.push('loads ' + r.url()));

    await starts();
    await publishes();
    await terminal();
    await reloads();
    await bursts();
    await themes();
    await resumes();
    is(wrong, [], 'nothing on the console, nothing from elsewhere');

    await ends();
    is(wrong.filter(line => !/status of 409/.test(line)), [],
       'nothing but the refused publish');
    await browser.close();
});
