/*
 * The tab "Live": one channel, subscribed to in two ways at once.  What is
 * typed goes to publish.js, what arrives comes from the two lanes.
 */

import { badName, curlGet, curlPublish, publish, publishSurely, publishUrl }
    from './publish.js';
import { $, base, count, element, query, wait } from './dom.js';
import { EventStream } from './eventsource.js';
import { SocketStream } from './websocket.js';
import { Feed, showTime } from './feed.js';
import { Lane } from './lane.js';
import { Runs } from './runs.js';
import { Workers } from './workers.js';

const STATUS_MS = 1000;
const OPEN = ['connecting', 'live', 'reconnecting'];

let lanes, feed, runs;
let subscribed = '';        /* the channel of the subscriptions */


/* subscribing */

const isOpen = () => lanes.some(lane => OPEN.includes(lane.stream.state));


function subscribeUrl(channel, since) {
    return 'sub' + query({ channel, since: since !== 'latest' && since });
}


function startOf(lane) {
    const start = $('start').value;

    return start === 'resume' ? lane.stream.lastId : start;
}


function connect() {
    if ($('start').value !== 'resume') {
        runs.stop('the subscription was started anew');
        lanes.forEach(lane => lane.follow(null));
    }

    subscribed = $('channel').value;
    feed.anew();

    for (const lane of lanes) {
        lane.stream.open(subscribeUrl(subscribed, startOf(lane)));
    }
}


function disconnect() {
    for (const lane of lanes) {
        if (OPEN.includes(lane.stream.state)) {
            lane.stream.close();
            feed.notice(lane, { kind: 'left', id: lane.stream.lastId });
        }
    }

    if (!$('start').querySelector('[value=resume]').disabled) {
        $('start').value = 'resume';
    }

    showCommands();
}


function stateChanged() {
    const open = isOpen();
    const resume = $('start').querySelector('[value=resume]');

    $('connect').textContent = open ? 'Disconnect' : 'Connect';
    $('connect').classList.toggle('main', !open);
    $('channel').readOnly = open;
    $('start').disabled = open;

    resume.disabled = !lanes.every(lane => lane.stream.lastId);
    showCommands();
}


function channelChanged() {
    const channel = $('channel').value;

    $('channel').setCustomValidity(badName(channel));

    if (channel !== subscribed) {
        lanes.forEach(lane => lane.stream.lastId = '');
        $('start').querySelector('[value=resume]').disabled = true;

        if ($('start').value === 'resume') {
            $('start').value = 'latest';
        }
    }

    showCommands();
}


/* publishing */

async function send(text, options = {}) {
    const openings = lanes.map(lane => lane.stream.openings);
    const at = performance.now();
    const answer = await (options.key ? publishSurely : publish)
                         (publishUrl($('channel').value), text, options);

    /* a seal without a message has the id of the message before it */

    if (answer.body.id && options.method !== 'DELETE' && !options.end) {
        lanes.forEach((lane, i) => measured(lane, lane.latency.answer(
            answer.body.id, at, openings[i])));
    }

    return answer;
}


function measured(lane, pair) {
    if (pair) {
        showTime(pair);
        lane.redraw();
    }
}


async function sendAndTell(text, options) {
    let told;

    try {
        const { status, body } = await send(text, options);

        told = status >= 300
               ? `${status} ${body.title ?? ''}: ${body.detail ?? ''}`
               : `${status} · ${count(body.subscribers, 'subscriber')}`
                 + (body.id ? ` · id ${body.id}` : '');

        $('published').dataset.bad = status >= 300;

    } catch {
        told = 'No answer: is NGINX running?';
        $('published').dataset.bad = true;
    }

    $('published').textContent = told;
}


function submit() {
    const event = $('event').value;

    if (event && !event.startsWith('push.')) {
        listen(event);
    }

    sendAndTell($('text').value, { event });
    $('text').select();
}


/* event names: only the EventSource has to ask for them */

function listen(name) {
    lanes.forEach(lane => lane.stream.listen(name));
    showNames();
}


function showNames() {
    const names = [...lanes[0].stream.names]
                  .filter(name => !name.startsWith('push.'));

    $('names').replaceChildren(...names.map(name => element('li', '', name)),
                               element('li', 'own', 'push.*'));
}


/* runs of numbers */

async function begun(run) {
    if (!isOpen()) {
        $('start').value = 'latest';
        connect();
    }

    lanes.forEach(lane => lane.follow(run));

    for (let i = 0; i < 50 && lanes.some(lane => lane.stream.state
                                                 === 'connecting'); i++)
    {
        await wait(100);
    }
}


function runChanged(run) {
    const steady = run === runs.run && run.running && !run.total;

    $('steady').setAttribute('aria-pressed', steady);
    $('steady').textContent = steady ? 'Stop' : 'Steady stream';
    lanes.forEach(lane => lane.redraw());
}


function clear() {
    lanes.forEach(lane => lane.clear());
    feed.clear();
}


/* commands to copy */

function showCommands() {
    const channel = $('channel').value;

    $('curl-subscribe').textContent =
        curlGet(base + subscribeUrl(channel, startOf(lanes[0])));

    $('curl-publish').textContent =
        curlPublish(base + publishUrl(channel), $('text').value,
                    $('event').value);
}


/* setting up */

function makeLanes() {
    const on = {
        state: stateChanged,
        message: (lane, m, odd) => {
            const cell = feed.message(lane, m, odd);

            measured(lane, lane.latency.arrival(m.id, m.at,
                                                lane.stream.openings, cell));
        },
        notice: (lane, n) => feed.notice(lane, n)
    };

    lanes = [
        new Lane({ key: 'sse', name: 'SSE', title: 'EventSource', on,
                   says: 'Server-sent events: the browser reconnects by itself.',
                   Stream: EventStream }),
        new Lane({ key: 'ws', name: 'WS', title: 'WebSocket', on,
                   says: 'push.json: clients/push.js reconnects.',
                   Stream: SocketStream })
    ];

    $('lanes').replaceChildren(...lanes.map(lane => lane.card));
}


function toggleSteady() {
    if ($('steady').getAttribute('aria-pressed') === 'true') {
        runs.stop();

    } else {
        runs.start('steady');
    }
}


function listenToControls() {
    const on = (id, event, does) => $(id).addEventListener(event, does);

    const onSubmit = (id, does) => on(id, 'submit', e => {
        e.preventDefault();
        does();
    });

    onSubmit('subscribe', () => isOpen() ? disconnect() : connect());
    onSubmit('publish', submit);
    onSubmit('listen', () => {
        listen($('name').value);
        $('name').value = '';
    });

    on('channel', 'input', channelChanged);
    on('text', 'input', showCommands);
    on('event', 'input', showCommands);
    on('start', 'input', showCommands);
    on('text', 'keydown', e => {
        if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) {
            e.preventDefault();
            $('publish').requestSubmit();
        }
    });

    on('seal', 'click', () => sendAndTell('', { end: true }));
    on('delete', 'click', () => sendAndTell('', { method: 'DELETE' }));
    on('burst', 'click', () => runs.start('burst', 100));
    on('steady', 'click', toggleSteady);
    on('clear', 'click', clear);
}


function begin() {
    const channel = new URLSearchParams(location.search).get('channel');

    if (channel && !badName(channel)) {
        $('channel').value = channel;
    }

    feed = new Feed($('rows'), $('empty'), ['sse', 'ws']);
    runs = new Runs({ send, begun, changed: runChanged });

    makeLanes();
    listenToControls();
    showNames();
    new Workers($('workers')).watch(STATUS_MS);
    connect();
}


/* the tab is opened, for the first time or again */

export function openLive() {
    if (!lanes) {
        begin();
    }
}
