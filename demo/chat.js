/*
 * The tab "Chat": a room is a channel, one WebSocket reads it and writes
 * into it, and older lines come as pages of history.
 */

import { badName, curlGet, publishUrl } from './publish.js';
import { $, base, count, query, showState, token, wait } from './dom.js';
import { SocketStream } from './websocket.js';
import { ChatLog } from './chat-log.js';
import { endText, gapText } from './notices.js';
import { remember, remembered } from './memory.js';
import { page } from './pages.js';
import { go } from './tabs.js';

const FIRST = 30;           /* lines at first, and on each older page */
const MANY = 120;
const PEOPLE_MS = 2000;
const JOINED_MS = 300;

const NAMES = ['Ada', 'Alan', 'Barbara', 'Dennis', 'Edsger', 'Frances',
               'Grace', 'Hedy', 'Ken', 'Margaret', 'Niklaus', 'Radia'];

const SAYINGS = [
    'Did anybody reload NGINX just now?',
    'I did. Nothing was lost, as you see.',
    'One location, and whatever client I have connects to it.',
    'This line is a message of a channel, no more.',
    'Its id is how a page finds what came before it.',
    'Scroll up, and older lines come as pages of history.'
];

let stream, log, room, name;
let waiting = 0;            /* lines that have no answer yet */


/* "chat:" is put before the room by the configuration */

const channel = () => 'chat:' + room;

const chatUrl = more => 'chat' + query({ room, ...more });


function join(since) {
    stream.open(chatUrl({ user: name }), { since });
    showCommands();
}


function enter(wanted) {
    room = wanted;
    stream.lastId = '';
    log.clear();

    $('room-name').textContent = room;
    $('room').value = room;

    remember('room', room, 'session');
    join('last:' + FIRST);
}


function rename() {
    name = $('user').value.trim() || name;
    log.me = name;

    remember('name', name, 'session');
    join(stream.lastId || 'last:' + FIRST);
}


/* what the server says */

function arrive(m) {
    log.add(lineOf(m));
}


/* a query is not decoded by NGINX: the user is as the page wrote it */

function lineOf({ id, user = '', text, published }) {
    let who = user;

    try {
        who = decodeURIComponent(user);
    } catch {
        /* void */
    }

    return { id, who: who || 'somebody', text, time: published };
}


function note({ kind, data }) {
    switch (kind) {

    case 'push.gap':
        log.note(gapText(data.reason), 'bad');
        break;

    case 'push.closed':
        log.note(endText(data.reason), 'warn');
        break;

    case 'resumed':
        log.note('Reconnected, and nothing is missing.', 'good');
        break;
    }
}


/* writing */

async function say(text) {
    showWaiting(1);

    try {
        await stream.publish(channel(), text);
        tell('');

    } catch (e) {
        tell(whyNot(e));

        $('line').value ||= text;
    }

    showWaiting(-1);
}


function whyNot(e) {
    if (e.status) {
        return `${e.status} ${e.title}: ${e.detail ?? ''}`;
    }

    return ['over', 'refused', 'closed'].includes(stream.state)
           ? 'There is no connection any more: this line was not sent.'
           : 'The connection broke: this line may not have arrived.';
}


function showWaiting(change) {
    waiting += change;

    if (waiting > 0 && stream.state !== 'live') {
        tell(count(waiting, 'line waits', 'lines wait')
             + ' for the connection.');
    }
}


function tell(text) {
    $('said').textContent = text;
}


async function sayMany() {
    $('many').disabled = true;

    for (let i = 1; i <= MANY; i++) {
        await say(`${i}/${MANY}: ` + SAYINGS[(i - 1) % SAYINGS.length]);
    }

    $('many').disabled = false;
}


/* reading back */

async function older() {
    const before = log.oldest();
    const asked = room;
    const { messages } = await page(chatUrl({ before, limit: FIRST }));

    return asked !== room ? null : {
        lines: messages.map(m => lineOf({
            ...m, text: typeof m.data === 'string' ? m.data
                        : m.data_base64 ?? JSON.stringify(m.data),
            published: new Date(m.time)
        })),
        first: messages.length < FIRST
    };
}


/* who is here: how many subscribers the channel has */

async function watchPeople() {
    for ( ;; ) {
        await wait(PEOPLE_MS);

        if (!document.hidden && !$('tab-chat').hidden) {
            await showPeople();
        }
    }
}


async function showPeople() {
    if (stream.state !== 'live') {
        $('people').textContent = '';
        return;
    }

    try {
        const answer = await fetch(publishUrl(channel()),
                                   { cache: 'no-store' });
        const { subscribers } = await answer.json();

        $('people').textContent = answer.ok ? subscribers + ' here' : '';

    } catch {
        $('people').textContent = '';
    }
}


function stateChanged(state, why) {
    showState($('chat-state'), state);
    $('chat-why').textContent = why;
    $('chat-why').hidden = !why || state === 'over';

    /* the channel is there once the first subscriber has joined it */

    setTimeout(showPeople, JOINED_MS);
}


function showCommands() {
    $('curl-page').textContent = curlGet(base + chatUrl({ limit: 3 }),
                                         'Accept: application/json');

    $('curl-ndjson').textContent = curlGet(base + chatUrl(),
                                           'Accept: application/x-ndjson');
}


/* setting up */

function listenToControls() {
    const onSubmit = (id, does) => $(id).addEventListener('submit', e => {
        e.preventDefault();
        does();
    });

    onSubmit('enter', () => {
        if ($('room').value !== room) {
            go('chat', $('room').value);
        }

        if ($('user').value !== name) {
            rename();
        }
    });

    onSubmit('say', () => {
        const text = $('line').value.trim();

        $('line').value = '';

        if (text) {
            say(text);
        }
    });

    $('room').addEventListener('input', () => {
        $('room').setCustomValidity(badName($('room').value, 200));
    });

    $('many').addEventListener('click', sayMany);
}


function begin() {
    name = remembered('name', 'session')
           ?? NAMES[Math.floor(Math.random() * NAMES.length)] + ' '
              + token(2).toUpperCase();

    remember('name', name, 'session');
    $('user').value = name;

    log = new ChatLog({ older });
    log.me = name;

    stream = new SocketStream({ state: stateChanged, message: arrive,
                                notice: note });

    listenToControls();
}


export function openChat(wanted) {
    const first = !stream;

    if (first) {
        begin();
    }

    wanted ||= room ?? remembered('room', 'session') ?? 'lobby';

    if (badName(wanted, 200)) {
        wanted = 'lobby';
    }

    if (wanted !== room) {
        enter(wanted);
    }

    if (first) {
        watchPeople();
    }
}
