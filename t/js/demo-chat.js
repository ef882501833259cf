/* The tab "Chat": two people in a room, and what was said before. */

'use strict';

const { ok, is, until, numbers } = require('./check.js');

const LINE = '#lines [data-id]';

let ann, ben, server;


const lines = w => w.texts(LINE + ' .data');
const heard = (w, text) => until(async () => (await lines(w)).includes(text),
                                 `"${text}"`);

/* "line 17" of the lines of a window, as numbers */

const numbered = async w => (await lines(w)).flatMap(
    text => /^line (\d+)$/.exec(text)?.[1] ?? []);


async function say(w, text) {
    await w.page.fill('#line', text);
    await w.page.press('#line', 'Enter');
}


async function rename(w, name) {
    await w.page.fill('#user', name);
    await w.page.click('#enter button');
    await w.becomes('#chat-state', 'Live');
}


async function talks(demo) {
    ann = await demo.window('#chat/pub%20%26%20garden');
    ben = await demo.window('#chat/pub%20%26%20garden');

    for (const w of [ann, ben]) {
        await w.becomes('#chat-state', 'Live');
        is(await w.text('#room-name'), 'pub & garden', 'the room');
    }

    await rename(ann, 'Ann');
    await rename(ben, 'Ján 100%');

    await say(ann, 'Hello?');
    await heard(ben, 'Hello?');
    await say(ben, '<b>Hello</b>, 世界');
    await heard(ann, '<b>Hello</b>, 世界');
    await heard(ben, '<b>Hello</b>, 世界');

    is(await ann.$(LINE).last().getAttribute('data-who'), 'Ján 100%',
       'who said it');
    is(await ann.text(`${LINE}:last-child .who`), 'Ján 100%', 'is shown');
    is(await ann.$(LINE + ' .data b').count(), 0, 'no markup');
    is(await lines(ann), await lines(ben), 'both read the same');
    is(await ann.$(LINE + '.mine').count(), 1, 'one line is hers');
    is(await ann.page.inputValue('#line'), '', 'an empty field again');

    await ann.reads('#people', '2 here', 'two are here');

    /* who one is, and where, is kept over a reload of the page */

    await ben.page.reload();
    await ben.becomes('#chat-state', 'Live');
    await heard(ben, 'Hello?');
    is(await lines(ben), await lines(ann), 'the same after F5');
    is(await ben.$(LINE + '.mine').count(), 1, 'and his line is his');
    await ann.looks('chat-1-talk');
}


/* what others say while NGINX is reloaded, and while a worker is killed */

async function goesOn() {
    const room = 'chat:pub%20%26%20garden';
    let n = 0;

    const more = async count => {
        for (let i = 0; i < count; i++) {
            await server.publish(room, `line ${++n}`);
        }
    };

    const notes = w => w.$('.note.good').count();
    const came = w => until(async () => await notes(w) > 0, 'a reconnect');

    await more(10);
    server.reload();

    await Promise.all([more(40), came(ann), came(ben)]);
    await more(10);

    for (const w of [ann, ben]) {
        await heard(w, `line ${n}`);
        is(await numbered(w), numbers(n), 'every line once, over a reload');
        is(await w.$('.note.bad').count(), 0, 'no gap');
    }

    /* the worker of at least one of them */

    const before = await notes(ann) + await notes(ben);

    for (const pid of await server.workers()) {
        process.kill(pid, 'SIGKILL');
    }

    await more(10);
    await until(async () => await notes(ann) + await notes(ben) >= before + 2,
                'both to come back');

    for (const w of [ann, ben]) {
        await heard(w, `line ${n}`);
        is(await numbered(w), numbers(n), 'every line once, over a kill');
    }

    /* and they can still write */

    await say(ben, 'Still here.');
    await heard(ann, 'Still here.');
    is(await ann.$(LINE).last().getAttribute('data-who'), 'Ján 100%',
       'under the same name');
}


/* a newcomer reads back to the first line */

async function scrollsBack(demo) {
    await ann.page.click('#many');
    await heard(ann, '120/120: Scroll up, and older lines come as pages of '
                     + 'history.');

    const newcomer = await demo.window('#chat/pub%20%26%20garden');
    const all = await lines(ann);
    let had = 30;

    await until(async () => (await lines(newcomer)).length === had, '30 lines');
    is(await lines(newcomer), all.slice(-had), 'the newest 30 lines');

    /* by the button, which leaves in place what is read */

    await newcomer.$('#older').scrollIntoViewIfNeeded();
    await until(async () => (await lines(newcomer)).length > had,
                'a page by scrolling up');
    ok(true, 'scrolling to the top brings older lines');
    had = (await lines(newcomer)).length;
    is(await lines(newcomer), all.slice(-had), 'without a hole');

    /* 100 pixels from the top: it does not load by itself */

    await newcomer.page.evaluate(() => {
        document.getElementById('log').scrollTop = 100;
    });

    const id = await newcomer.$(LINE).first().getAttribute('data-id');
    const place = async () => (await newcomer.$(`[data-id="${id}"] .bubble`)
                                             .boundingBox()).y;
    const before = await place();

    await newcomer.page.evaluate(
        () => document.getElementById('older').click());
    await until(async () => (await lines(newcomer)).length > had, 'a page');
    ok(Math.abs(await place() - before) <= 1, 'what is read stays in place');

    while (await newcomer.$('#beginning').isHidden()) {
        had = (await lines(newcomer)).length;
        await newcomer.page.evaluate(
            () => document.getElementById('older').click());
        await until(async () => (await lines(newcomer)).length > had
                    || await newcomer.$('#beginning').isVisible(),
                    'the next page');
    }

    is(await lines(newcomer), all, 'back to the first line, each once');
    is(new Set(await newcomer.$(LINE).evaluateAll(
        list => list.map(e => e.dataset.id))).size, all.length, 'no id twice');

    /* what is said meanwhile does not tear the reader away */

    await newcomer.page.evaluate(() => {
        document.getElementById('log').scrollTop = 0;
    });
    await say(ann, 'Meanwhile');
    await newcomer.reads('#newer', '1 new line ↓', 'a new line is announced');
    await newcomer.shot('chat-2-beginning');
    await newcomer.page.click('#newer');
    await until(() => newcomer.$('#newer').isHidden(), 'the end');
    ok(await newcomer.$(LINE).last().isVisible(), 'and a click leads to it');
    await newcomer.page.close();
}


/* another room is another channel; a sealed one takes no line */

async function rooms() {
    await ben.page.fill('#room', 'empty');
    await ben.page.click('#enter button');
    await ben.becomes('#room-name', 'empty');
    await ben.becomes('#chat-state', 'Live');
    is(await lines(ben), [], 'nobody has said anything there');
    ok(await ben.$('#older').isHidden(), 'so there is nothing older');
    is(new URL(ben.page.url()).hash, '#chat/empty', 'the address names it');

    await say(ben, 'alone');
    await heard(ben, 'alone');
    ok(!(await lines(ann)).includes('alone'), 'and the other room hears nothing');

    await ben.page.goBack();
    await heard(ben, 'Meanwhile');
    ok(true, 'the way back');

    await server.publish('chat:pub%20%26%20garden', 'Closing time',
                         { 'Push-End': 'true' });

    for (const w of [ann, ben]) {
        await heard(w, 'Closing time');
        await w.reads('#chat-state', 'Ended', 'sealed');
    }

    await say(ann, 'One more?');
    await ann.reads('#said', /this line was not sent/, 'told so');
    is(await ann.page.inputValue('#line'), 'One more?', 'and not lost');
    ok(await ann.$(LINE).last().evaluate(e => e.getBoundingClientRect().bottom
       <= document.getElementById('log').getBoundingClientRect().bottom),
       'the last line is in sight');
    await ann.becomes('#people', '');
    await ann.shot('chat-3-sealed');
}


module.exports = async demo => {
    server = demo.server;

    await talks(demo);
    await goesOn();
    await scrollsBack(demo);
    await rooms();
    await demo.end(/WebSocket connection to|net::ERR/);
};
