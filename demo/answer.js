/*
 * The tab "Answer": a text that comes word by word, over any reload of the
 * page.  "#answer/NAME" names the channel.  What is there comes as pages of
 * history, what follows as an event stream that begins where they end.
 */

import { curlGet, publish } from './publish.js';
import { $, base, count, query, showState, token } from './dom.js';
import { EventStream } from './eventsource.js';
import { AnswerView } from './answer-view.js';
import { Writer, wordsOf } from './writer.js';
import { endText, gapText } from './notices.js';
import { remember, remembered } from './memory.js';
import { page } from './pages.js';
import { go } from './tabs.js';
import standard from './answer-text.js';

const PAGE = 1000;
const LONGEST = 4000;       /* words; the location keeps 5000 messages */

let stream, view, writer;
let name = '';


const answerUrl = more => 'answer' + query({ name, ...more });


/* what this window writes: { text, rate }, kept over a reload of the page */

function task() {
    try {
        return JSON.parse(remembered('answer:' + name, 'session'));
    } catch {
        return null;
    }
}


function showTask(mission) {
    if (mission) {
        $('answer-text').value = mission.text;
        $('rate').value = mission.rate;
        countWords();
    }
}


function begin() {
    const text = $('answer-text').value.replace(/\r\n?/g, '\n').trim();
    const words = wordsOf(text).length;

    if (words === 0 || words > LONGEST) {
        $('asked').textContent = `A text has 1 to ${LONGEST} words: this one `
                                 + `has ${words}.`;
        return;
    }

    name = token(8);
    $('asked').textContent = '';

    remember('answer:' + name,
             JSON.stringify({ text, rate: Number($('rate').value) }),
             'session');

    go('answer', name);
    open();
}


/* reading: first what is kept, then what comes */

async function open() {
    const mine = name;
    const mission = task();

    close();
    view.begin(name, mission?.text);
    showTask(mission);
    showCommand();
    changed('connecting');

    try {
        const next = await readHistory(mine);

        if (mine !== name) {
            return;
        }

        view.seam = view.words > 0;

        if (next) {
            stream.open(answerUrl({ since: next }));
            write(mission);

        } else {
            changed('over', 'ended');
        }

    } catch (e) {
        if (mine === name) {
            changed('refused', 'The history could not be read: ' + e.message);
        }
    }
}


/* returns where the history ends; nothing if the answer does, too */

async function readHistory(mine) {
    for (let since; ; ) {
        const { messages, next, gap, ended } =
            await page(answerUrl({ since, limit: PAGE }));

        if (mine !== name) {
            return;
        }

        if (gap) {
            view.gap(gapText(gap.reason));
        }

        view.add(messages.map(m => m.data), 'kept');

        if (ended || messages.length === 0) {
            return ended ? undefined : next;
        }

        since = next;
    }
}


function close() {
    writer?.stop();
    writer = null;
    stream.close();
}


function note({ kind, data }) {
    switch (kind) {

    case 'push.gap':
        view.gap(gapText(data.reason));
        break;

    case 'resumed':
        view.resumed();
        break;
    }
}


function changed(state, why) {
    showState($('answer-state'), state);
    view.state(state, state === 'over' ? endText(why) : why);
    $('stop').hidden = !['connecting', 'live', 'reconnecting'].includes(state)
                       || !task();
}


/* writing, if this is the window that began it */

async function write(mission) {
    if (!mission) {
        return;
    }

    if (!mission.text.startsWith(view.text)) {
        view.says('The beginning of this answer is not kept any more, so this '
                  + 'page does not go on with it.');
        return;
    }

    const mine = writer = new Writer({ url: answerUrl(), key: name, ...mission,
                                       written: view.words });

    try {
        await mine.write();

    } catch (e) {
        if (mine === writer) {
            view.says(`Writing broke off (${e.message}): F5 goes on with it.`);
        }
    }
}


async function stop() {
    writer?.stop();

    try {
        await publish(answerUrl(), '', { end: true });

    } catch {
        view.says('No answer: is NGINX running?');
    }
}


function showCommand() {
    $('curl-answer').textContent = curlGet(base + answerUrl());
}


/* setting up */

function countWords() {
    const words = wordsOf($('answer-text').value.trim()).length;

    $('word-count').textContent = count(words, 'word');
}


function setUp() {
    $('answer-text').value = standard;
    countWords();

    view = new AnswerView();

    stream = new EventStream({
        state: (state, why) => name && stream && changed(state, why),
        message: m => view.add([m.text], 'live'),
        notice: note
    });

    $('ask').addEventListener('submit', e => {
        e.preventDefault();
        begin();
    });

    $('answer-text').addEventListener('input', countWords);
    $('stop').addEventListener('click', stop);
}


export function openAnswer(wanted) {
    if (!stream) {
        setUp();
    }

    if (wanted && wanted !== name) {
        name = wanted;
        open();
    }
}
