/* The tab "Answer": words over reloads of the page, of NGINX, and kills. */

'use strict';

const { ok, is, until } = require('./check.js');

const SEALED = 'Sealed and complete: it is, letter by letter, what was written.';

let server, random;


const words = async w => Number(await w.text('#word-total'));
const name = w => decodeURIComponent(/#answer\/(.+)/.exec(w.page.url())[1]);
const shown = w => w.page.evaluate(() => Array.from(
    document.querySelectorAll('#words > :not(.hole)'),
    e => e.textContent).join(''));


async function begin(w, text, rate) {
    await w.page.fill('#answer-text', text);
    await w.page.selectOption('#rate', rate);
    await w.page.click('#ask button');
}


/* what the server has of it, message by message */

async function published(w) {
    const { text } = await server.request('GET',
        `/answer?name=${name(w)}&limit=1000`,
        { headers: { Accept: 'application/json' } });

    return JSON.parse(text);
}


/* the text as it was put in, word by word, each once */

async function isComplete(w, text, how) {
    await w.becomes('#answer-verdict', SEALED);

    const { messages, ended } = await published(w);

    is(messages.map(m => m.data), text.match(/\S+\s*/g),
       `${how}: each word was published once`);
    is(ended, true, 'and the channel is sealed');
    is(await shown(w), text, 'the page shows all of it');
    is(await w.text('#answer-gaps'), '0', 'no gap');
    is(await w.text('#answer-state'), 'Ended', 'it has ended');
    ok(await w.$('#stop').isHidden(), 'and nothing is left to stop');
}


/* F5 at random moments, NGINX reloaded and killed between them */

async function survives(demo) {
    const w = await demo.window('#answer');
    const long = (await w.page.inputValue('#answer-text')).trim();
    const text = long.split('\n\n').slice(0, 4).join('\n\n');
    const total = text.match(/\S+/g).length;

    is(await w.text('#answer-card .empty'), 'No answer yet: press Start.',
       'nothing yet');
    is(await w.text('#word-count'), `${long.match(/\S+/g).length} words`,
       'a text to begin with');
    await w.shot('answer-1-start');

    await begin(w, text, '40');

    const reader = await demo.window(`#answer/${name(w)}`);
    let at = 0;

    for (const event of ['nothing', 'reload', 'nothing', 'kill', 'nothing']) {
        at += 15 + Math.floor(random() * 25);
        await until(async () => await words(w) >= at, `${at} words`);

        if (event === 'reload') {
            server.reload();
        }

        if (event === 'kill') {
            for (const pid of await server.workers()) {
                process.kill(pid, 'SIGKILL');
            }
        }

        await w.page.reload();
        await until(async () => await words(w) >= at, 'all that was there');
    }

    const kept = Number(await w.text('#word-kept'));

    ok(kept >= at && kept < total, 'in the middle of it', `${kept} of ${total}`);
    is(await w.$('#words .seam').first().evaluate(
        e => [...e.parentElement.children].indexOf(e)), kept,
       'the place where it went on is marked');
    await w.looks('answer-2-middle');
    await isComplete(w, text, 'over F5, a reload and a kill');
    await w.shot('answer-3-complete');

    /* a second window has read it all along; a third one comes late */

    await reader.becomes('#answer-state', 'Ended');
    is(await shown(reader), text, 'a second window has all of it');
    ok(await reader.$('#stop').isHidden(), 'and may not stop it');
    ok(Number(await reader.text('#answer-reconnects')) > 0,
       'over reconnects of its own');
    is(await reader.text('#answer-gaps'), '0', 'without a gap');

    const late = await demo.window(`#answer/${name(w)}`);

    await late.becomes('#answer-verdict',
                       'The channel is sealed: you have all of it.');
    is(await shown(late), text, 'whoever comes late reads it from history');
    is(await late.text('#word-kept'), String(total), 'and from there alone');

    await w.page.reload();
    await w.becomes('#answer-verdict', SEALED);
    ok(true, 'F5 at the end leaves it complete');
}


/* as fast as it goes: at each F5 a word is in flight */

async function inFlight(demo) {
    const w = await demo.window('#answer');
    const text = Array.from({ length: 300 }, (_, i) => `w${i + 1}`)
                 .join(' ');

    await begin(w, text, '1000');

    for (let i = 1; i <= 5; i++) {
        const at = await words(w) + 5 + Math.floor(random() * 30);

        await until(async () => await words(w) >= at
                    || await w.text('#answer-state') === 'Ended',
                    `${at} words`);
        await w.page.reload();
    }

    await isComplete(w, text, 'in flight');
}


/* a copied tab: two windows write the same answer, and it is written once */

async function twice(demo) {
    const w = await demo.window('#answer');
    const text = Array.from({ length: 30 }, (_, i) => `word ${i + 1}.\n\n`)
                 .join('').trim();

    await begin(w, text, '40');
    await until(async () => await words(w) >= 10, 'some words');

    const [popup] = await Promise.all([
        w.page.waitForEvent('popup'),
        w.page.evaluate(() => void open(location.href))
    ]);
    const copy = await demo.watch(popup);

    await copy.becomes('#word-of', 'of 60');
    ok(true, 'the copy knows what to write');
    await isComplete(w, text, 'by two windows');
    await isComplete(copy, text, 'in the copy');
}


async function stops(demo) {
    const w = await demo.window('#answer');

    await begin(w, 'one two three '.repeat(100), '12');
    await until(async () => await words(w) >= 3, 'some words');
    await w.page.click('#stop');
    await w.reads('#answer-verdict',
                  'It ended before the text did: somebody stopped it.',
                  'stopped');

    const { messages, ended } = await published(w);

    is(messages.length, await words(w), 'with the words it had');
    is(ended, true, 'and sealed');

    await w.page.fill('#answer-text', '  ');
    await w.page.click('#ask button');
    await w.reads('#asked', /^A text has 1 to 4000 words/, 'nothing to say');

    /* a channel whose history is gone is not gone on with */

    await begin(w, 'gone '.repeat(50), '5');
    await until(async () => await words(w) >= 3, 'some words');
    await server.request('DELETE', `/answer?name=${name(w)}`);
    await w.reads('#answer-verdict', /^(It ended before|This is not what)/,
                  'deleted');
}


module.exports = async (demo, seed) => {
    server = demo.server;

    random = () => {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;

        return (seed >>> 8) / 2 ** 24;
    };

    await survives(demo);
    await inFlight(demo);
    await twice(demo);
    await stops(demo);
    await demo.end(/net::ERR|status of 409/);
};
