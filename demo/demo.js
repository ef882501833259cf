/*
 * The demo page: what is typed goes to publish.js, what arrives comes from
 * stream.js, what is measured is in check.js, who serves it in workers.js.
 */

import { Stream, subscribeUrl } from './stream.js';
import { badName, publish, publishSurely, curlPublish, curlSubscribe }
    from './publish.js';
import { describe } from './notices.js';
import { Run, Latency } from './check.js';
import { Workers } from './workers.js';
import { makeCopyable, reloadCommand } from './commands.js';
import { setUpTheme } from './theme.js';


const ROWS = 300;
const CELLS = 100;
const STEADY_MS = 200;
const STATUS_MS = 1000;

const STATES = {
    closed: 'Not connected',
    connecting: 'Connecting',
    live: 'Live',
    reconnecting: 'Reconnecting',
    over: 'Ended',
    refused: 'Refused'
};

const $ = id => document.getElementById(id);
const base = new URL('.', location.href).href;
const wait = ms => new Promise(done => setTimeout(done, ms));

const latency = new Latency();
const stream = new Stream({ state: showState, message: arrive, notice: note });

const count = { received: 0, gaps: 0, reconnects: 0 };
const pending = [];

let subscribed = '';        /* the channel of the subscription */
let run = null;
let frame = 0;


/* subscribing */

function connect(since) {
    subscribed = $('channel').value;

    if (since !== stream.lastId) {
        stop('the subscription was started anew');
    }

    stream.open(subscribed, since);
}


function startPoint() {
    const start = $('start').value;

    return start === 'resume' ? stream.lastId : start;
}


function showState(state, why) {
    const open = ['connecting', 'live', 'reconnecting'].includes(state);

    $('state').dataset.state = state;
    $('state-name').textContent = STATES[state];
    $('state-why').textContent = why;
    $('state-why').dataset.state = state;
    $('state-why').hidden = !why;
    $('connect').textContent = open ? 'Disconnect' : 'Connect';
    $('connect').classList.toggle('main', !open);
    $('channel').readOnly = open;
    $('start').disabled = open;

    if (!open) {
        const resume = $('start').querySelector('[value=resume]');

        resume.disabled = !stream.lastId;

        if (state === 'closed' && stream.lastId) {
            $('start').value = 'resume';
        }
    }

    showCommands();
}


$('subscribe').addEventListener('submit', e => {
    e.preventDefault();

    if ($('connect').textContent === 'Disconnect') {
        stream.close();
        note({ kind: 'left', id: stream.lastId });

    } else {
        connect(startPoint());
    }
});


$('channel').addEventListener('input', () => {
    $('channel').setCustomValidity(badName($('channel').value));

    if ($('channel').value !== subscribed) {
        stream.lastId = '';
        $('start').querySelector('[value=resume]').disabled = true;

        if ($('start').value === 'resume') {
            $('start').value = 'latest';
        }
    }

    showCommands();
});


/* publishing */

async function send(text, options = {}) {
    const span = stream.openings;
    const at = performance.now();
    const answer = await (options.key ? publishSurely : publish)
                         ($('channel').value, text, options);

    /* a seal without a message has the id of the message before it */

    if (answer.body.id && options.method !== 'DELETE' && !options.end) {
        showLatency(latency.answer(answer.body.id, at, span));
    }

    return answer;
}


async function sendAndTell(text, options) {
    let told;

    try {
        const { status, body } = await send(text, options);

        if (status >= 300) {
            told = `${status} ${body.title ?? ''}: ${body.detail ?? ''}`;

        } else {
            told = `${status} · ${body.subscribers} subscriber`
                   + (body.subscribers === 1 ? '' : 's')
                   + (body.id ? ` · id ${body.id}` : '');
        }

        $('answer').dataset.bad = status >= 300;

    } catch {
        told = 'No answer: is NGINX running?';
        $('answer').dataset.bad = true;
    }

    $('answer').textContent = told;
}


$('publish').addEventListener('submit', e => {
    const event = $('event').value;

    e.preventDefault();

    if (event && !event.startsWith('push.')) {
        listen(event);
    }

    sendAndTell($('text').value, { event });
    $('text').select();
});


$('text').addEventListener('keydown', e => {
    if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) {
        e.preventDefault();
        $('publish').requestSubmit();
    }
});


$('seal').addEventListener('click', () => sendAndTell('', { end: true }));

$('delete').addEventListener('click',
                             () => sendAndTell('', { method: 'DELETE' }));


/* event names */

function listen(name) {
    if (stream.listen(name)) {
        showNames();
    }
}


function showNames() {
    const names = [...stream.names].filter(name => !name.startsWith('push.'));

    $('names').replaceChildren(...names.map(name => element('li', '', name)),
                               element('li', 'own', 'push.*'));
}


$('listen').addEventListener('submit', e => {
    e.preventDefault();
    listen($('name').value);
    $('name').value = '';
});


/* what arrives */

function arrive(m) {
    const row = element('li', 'row');
    const number = run ? run.take(m.data) : 0;

    count.received++;

    row.append(element('time', '', clock(m.time)),
               m.event === 'message' ? element('span', 'event none', '')
                                     : element('span', 'event', m.event),
               element('span', 'data', m.data),
               element('span', 'ms', ''),
               element('code', 'id', m.id));

    if (number && run.state(number) === 'odd') {
        row.classList.add('odd');
    }

    show(row);
    showLatency(latency.arrival(m.id, m.at, stream.openings, row));
}


function note(n) {
    const told = describe(n);

    if (!told) {
        return;
    }

    const { tone, title, text } = told;
    const row = element('li', 'row notice ' + tone);

    if (n.kind === 'push.gap') {
        count.gaps++;

        if (run) {
            run.gap = n.data.reason;
        }
    }

    if (n.kind === 'resumed') {
        count.reconnects++;

        if (run && (run.running || run.arrived < run.sent)) {
            run.reconnects++;
        }
    }

    row.append(element('time', '', clock(new Date())),
               element('b', '', title),
               element('span', 'data', text),
               element('code', 'id', n.id ?? ''));

    show(row);
}


/* drawing: at most once a frame */

function show(row) {
    if (row) {
        pending.push(row);

        if (pending.length > ROWS) {
            pending.splice(0, pending.length - ROWS);
        }
    }

    if (!frame) {
        frame = requestAnimationFrame(draw);
    }
}


function draw() {
    const rows = $('rows');

    frame = 0;

    rows.prepend(...pending.splice(0).reverse());

    while (rows.childElementCount > ROWS) {
        rows.lastElementChild.remove();
    }

    $('empty').hidden = rows.childElementCount > 0;

    for (const name in count) {
        $(name).textContent = count[name].toLocaleString('en');
    }

    $('gaps').parentElement.classList.toggle('bad', count.gaps > 0);

    drawRun();
}


function drawRun() {
    if (!run) {
        return;
    }

    const [verdict, text] = run.verdict();

    $('verdict').dataset.verdict = verdict;
    $('verdict').textContent = text;

    const last = Math.max(run.sent, run.next - 1, run.total);
    const first = Math.max(1, last - CELLS + 1);
    const cells = $('cells').children;

    for (let i = 0; i < CELLS; i++) {
        cells[i].className = run.state(first + i);
    }
}


function showLatency(pair) {
    if (!pair) {
        return;
    }

    const [ms, late, row] = pair;
    const cell = row.querySelector('.ms');
    const median = latency.median();

    cell.textContent = time(ms);

    if (late) {
        cell.classList.add('late');
        cell.title = 'It had to wait for the connection.';
    }

    if (median !== undefined) {
        $('latency').textContent = time(median);
    }
}


/* runs of numbered messages */

async function start(kind, total) {
    stop();

    const mine = run = new Run(kind, total);

    if (!['live', 'reconnecting'].includes(stream.state)) {
        $('start').value = 'latest';
        connect('latest');
    }

    for (let i = 0; i < 50 && stream.state === 'connecting'; i++) {
        await wait(100);
    }

    while (mine.running && (!total || mine.sent < total)) {
        const n = ++mine.sent;

        show();

        try {
            const { status, body } = await send(mine.text(n), {
                event: '', key: mine.label + '-' + n
            });

            if (status >= 300) {
                mine.failure = `publishing ${n} was refused: ${status} `
                               + (body.detail ?? '');
                mine.running = false;
            }

        } catch {
            mine.failure = `publishing ${n} got no answer`;
            mine.running = false;
        }

        if (!total) {
            await wait(STEADY_MS);
        }
    }

    mine.running = false;

    if (mine === run) {
        pressed(false);
    }

    show();
}


function stop(why) {
    if (!run) {
        return;
    }

    if (why && run.running) {
        run.failure = why;
    }

    run.running = false;
    pressed(false);
    show();

    if (why) {
        draw();
        run = null;
    }
}


function pressed(on) {
    $('steady').setAttribute('aria-pressed', on);
    $('steady').textContent = on ? 'Stop' : 'Steady stream';
}


$('burst').addEventListener('click', () => start('burst', 100));

$('steady').addEventListener('click', () => {
    if ($('steady').getAttribute('aria-pressed') === 'true') {
        stop();
        return;
    }

    start('steady', 0);
    pressed(true);
});


$('clear').addEventListener('click', () => {
    pending.length = 0;
    $('rows').replaceChildren();

    for (const name in count) {
        count[name] = 0;
    }

    show();
});


/* commands to copy */

function showCommands() {
    const channel = $('channel').value;

    $('curl-subscribe').textContent =
        curlSubscribe(base, subscribeUrl(channel, startPoint()));

    $('curl-publish').textContent =
        curlPublish(base, channel, $('text').value, $('event').value);
}


for (const id of ['text', 'event', 'start']) {
    $(id).addEventListener('input', showCommands);
}


/* small things */

function element(tag, className, text = '') {
    const e = document.createElement(tag);

    e.className = className;
    e.textContent = text;

    return e;
}


function clock(date) {
    return date.toTimeString().slice(0, 8) + '.'
           + String(date.getMilliseconds()).padStart(3, '0');
}


function time(ms) {
    return ms < 10 ? ms.toFixed(1) + ' ms'
           : ms < 1000 ? ms.toFixed(0) + ' ms'
           : (ms / 1000).toFixed(1) + ' s';
}


async function begin() {
    const channel = new URLSearchParams(location.search).get('channel');

    setUpTheme($('theme'));
    makeCopyable();

    if (channel && !badName(channel)) {
        $('channel').value = channel;
    }

    for (let i = 0; i < CELLS; i++) {
        $('cells').append(element('i', 'none'));
    }

    showNames();
    showCommands();
    new Workers($('workers')).watch(STATUS_MS);
    connect('latest');

    $('reload').textContent = await reloadCommand() ?? $('reload').textContent;
}


begin();
