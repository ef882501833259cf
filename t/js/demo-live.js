/* The tab "Live": the same channel by EventSource and by WebSocket. */

'use strict';

const { exec, execFileSync } = require('node:child_process');

const { ok, is, until } = require('./check.js');

const LANES = ['sse', 'ws'];

let w, server;

const part = (lane, name) => `[data-lane=${lane}] [data-part=${name}]`;
const row = at => w.$('#rows > li').nth(at);
const data = at => row(at).locator('.data');


async function both(name, wanted) {
    for (const lane of LANES) {
        await w.becomes(part(lane, name), wanted);
    }
}


async function bothAre(name, wanted, what) {
    for (const lane of LANES) {
        is(await w.text(part(lane, name)), wanted, `${lane}: ${what}`);
    }
}


async function starts() {
    await both('state', 'Live');

    is(await w.page.title(), 'ngx_push_module: demo', 'title');
    is(await w.text('[aria-current=page]'), 'Live', 'the first tab');
    await bothAre('received', '0', 'nothing received');
    await until(async () => await w.$('#rows .notice').count() === 2,
                'two notices');
    is((await w.texts('#rows .notice b')).join(), 'Subscribed,Subscribed',
       'the subscriptions are shown');
    await until(async () => await w.$('#workers li').count() === 2,
                'two workers');
    await until(async () => (await w.texts('#workers li')).reduce(
        (sum, t) => sum + Number(/(\d+) subs/.exec(t)[1]), 0) === 2,
                'two subscribers');
    await w.shot('live-1-start');
}


async function publishes() {
    await w.page.fill('#text', 'Hello, 世界');
    await w.page.click('#publish button[type=submit]');
    await both('received', '1');

    const id = (await row(0).locator('code').innerText()).trim();

    is(await data(0).innerText(), 'Hello, 世界', 'a message');
    is(await w.$('#rows > li:not(.notice)').count(), 1, 'in one row');
    ok(/-0*1$/.test(id), 'its id', id);
    await w.becomes('#published', `201 · 2 subscribers · id ${id}`);
    await both('latency', /^[\d.]+ ms$/);
    is((await row(0).locator('.ms').allInnerTexts())
       .filter(t => /^[\d.]+ ms$/.test(t)).length, 2, 'two latencies');

    /* Enter publishes, and a new name is listened for */

    await w.page.fill('#event', 'reading');
    await w.page.fill('#text', '{"temp":21.5}');
    await w.page.press('#text', 'Enter');
    await both('received', '2');
    is(await row(0).locator('.event').innerText(), 'reading', 'an event name');
    ok((await w.texts('#names li')).includes('reading'),
       'is added to the names');

    /* markup stays text */

    await w.page.fill('#event', '');
    await w.page.fill('#text', '<img src=x onerror=alert(1)><b>bold</b>');
    await w.page.press('#text', 'Enter');
    await both('received', '3');
    is(await row(0).locator('.data img, .data b').count(), 0, 'no markup');

    await w.page.fill('#text', 'two\nlines');
    await w.page.click('#publish button[type=submit]');
    await both('received', '4');
    is(await data(0).evaluate(e => e.textContent), 'two\nlines', 'two lines');

    /* JSON is text for one, a value for the other */

    await server.publish('news', '{"a":1}',
                         { 'Content-Type': 'application/json' });
    await both('received', '5');
    is(await data(0).innerText(), '{"a":1}', 'JSON');
    is(await row(0).locator('.ms').allInnerTexts(), ['✓', '✓'],
       'no latency of a message that was not ours');

    /* a name nobody asked for reaches the WebSocket alone */

    await server.publish('news', 'unheard', { 'Push-Event': 'unheard' });
    await w.becomes(part('ws', 'received'), '6');
    is(await row(0).locator('.ms').allInnerTexts(), ['', '✓'],
       'a name that the EventSource did not ask for');

    await w.page.click('#clear');
    await both('received', '0');
}


/* the commands that the page shows, typed into a terminal */

async function terminal() {
    await w.page.fill('#event', "it's");
    await w.page.fill('#text', "from o'clock & $HOME");

    let shown = await w.text('#curl-publish');
    const said = execFileSync('sh', ['-c', shown], { encoding: 'utf8',
                                                     stdio: 'pipe' });

    is(JSON.parse(said).channel, 'news', 'the publish command works');
    await w.becomes(part('ws', 'received'), '1');

    await w.page.fill('#name', "it's");
    await w.page.press('#name', 'Enter');
    await w.page.fill('#event', '');
    execFileSync('sh', ['-c', await w.text('#curl-publish')],
                 { stdio: 'pipe' });
    await w.becomes(part('sse', 'received'), '1');
    await w.becomes(part('ws', 'received'), '2');
    is(await data(0).innerText(), "from o'clock & $HOME",
       'and its message arrives');

    shown = (await w.text('#curl-subscribe')).replace('curl -N',
                                                      'curl -sN -m 1');

    const heard = await new Promise(done => exec(shown,
                                                 (e, out) => done(out)));

    ok(heard.includes('event: push.subscribed'),
       'the subscribe command works', heard);
}


async function reloads() {
    const before = await server.workers();

    await w.page.click('#steady');
    await both('verdict', /^1–(\d\d+) complete/);

    /* the very line that the page tells to type */

    execFileSync('sh', ['-c', await w.text('#reload')], { stdio: 'pipe' });
    await both('reconnects', /[12]/);
    await until(async () => await w.$('#workers li.gone').count() === 2,
                'the old workers to be shown as gone');
    await w.shot('live-2-reload');

    const after = await server.workers();

    is(after.filter(pid => before.includes(pid)), [], 'other workers');
    await w.page.click('#steady');
    await both('verdict', /^1–\d+ complete, over a reconnect: every number once/);

    for (const lane of LANES) {
        is(await w.$(part(lane, 'verdict')).getAttribute('data-verdict'),
           'done', `${lane}: complete over a reload`);
    }

    await bothAre('gaps', '0', 'without a gap');
    await bothAre('reconnects', '1', 'one reconnect');
}


async function bursts() {
    await w.page.click('#burst');
    server.reload();
    await both('verdict', /^1–100 complete.*: every number once/);

    for (const lane of LANES) {
        is(await w.$(part(lane, 'cells') + ' .here').count(), 100,
           `${lane}: a burst in a reload`);
    }

    await both('reconnects', '2');
    await w.looks('live-3-burst');
}


/* away for a while, then what was missed */

async function resumes() {
    await w.page.click('#connect');
    await both('state', 'Not connected');

    for (const body of ['missed 1', 'missed 2', 'missed 3']) {
        await server.publish('news', body, { 'Content-Type': 'text/plain' });
    }

    is(await w.page.inputValue('#start'), 'resume', 'offers what was missed');
    await w.page.click('#connect');
    await until(async () => (await w.texts('#rows > li:not(.notice) .data'))
        .slice(0, 3).join() === 'missed 3,missed 2,missed 1',
                'what was missed');
    await until(async () => (await w.texts('#rows .ms'))
        .slice(0, 6).every(t => t === '✓'), 'both to have it');
    ok(true, 'what was missed');
    await bothAre('gaps', '0', 'is no gap');
}


async function themes() {
    const theme = () => w.page.evaluate(
        () => document.documentElement.dataset.theme);
    const old = await theme();

    await w.page.click('#theme');
    await w.page.reload();
    await both('state', 'Live');
    ok(await theme() !== old, 'the theme is remembered');
    await w.page.click('#theme');
}


async function ends() {
    await w.page.click('summary:has-text("End the channel")');
    await w.page.click('#seal');
    await both('state', 'Ended');
    await bothAre('why', 'The channel is sealed: you have all of it.',
                  'sealed');
    await w.shot('live-4-sealed');

    /* a publish into it is refused, and the page says so */

    await w.page.press('#text', 'Enter');
    await w.becomes('#published', /^409 /);

    await w.page.click('#delete');
    await w.becomes('#published', /^200 /);

    /* with an id of the old life: a gap, for all to see */

    await server.publish('news', 'a new life');
    await w.page.selectOption('#start', 'resume');
    await w.page.click('#connect');
    await both('gaps', '1');
    is((await w.texts('#rows .notice b')).filter(t => t === 'Gap: unknown')
       .length, 2, 'an id of a deleted channel is a gap');
    await w.shot('live-5-gap');

    await w.page.click('#delete');
    await both('state', 'Ended');
    await bothAre('why', 'The channel was deleted.', 'deleted');
}


/* the page beside somebody's own /pub and /sub, without clients/ */

async function alone(demo) {
    const context = await demo.browser.newContext();

    await context.route('**/clients/**', r => r.fulfill({ status: 404 }));

    w = await demo.watch(await context.newPage(), '?channel=alone');

    await w.reads(part('ws', 'why'),
                  'There is no clients/push.js beside the page.',
                  'the WebSocket says what it lacks');
    await w.becomes(part('sse', 'state'), 'Live');
    await w.page.press('#text', 'Enter');
    await w.reads(part('sse', 'received'), '1', 'the EventSource goes on');
    await w.page.close();
}


module.exports = async demo => {
    server = demo.server;
    w = await demo.window('?channel=news');

    await starts();
    await publishes();
    await terminal();
    await reloads();
    await bursts();
    await resumes();
    await themes();
    await ends();
    await alone(demo);
    await demo.end(/status of 40[49]/);
};
