/*
 * Small things of every tab: elements, times, and drawing once a frame.
 */

export const $ = id => document.getElementById(id);

export const wait = ms => new Promise(done => setTimeout(done, ms));

export const base = new URL('.', location.href).href;

const STATES = {
    closed: 'Not connected',
    connecting: 'Connecting',
    live: 'Live',
    reconnecting: 'Reconnecting',
    over: 'Ended',
    refused: 'Refused'
};


export function element(tag, className = '', ...content) {
    const e = document.createElement(tag);

    e.className = className;
    e.append(...content);

    return e;
}


/* the round mark with a word beside it, made for an empty element */

export function showState(e, state) {
    if (!e.firstChild) {
        e.classList.add('state');
        e.setAttribute('role', 'status');
        e.append(element('i'), element('b'));
    }

    e.dataset.state = state;
    e.lastChild.textContent = STATES[state];
}


export function clock(date) {
    return date.toTimeString().slice(0, 8) + '.'
           + String(date.getMilliseconds()).padStart(3, '0');
}


export function span(ms) {
    return ms < 10 ? ms.toFixed(1) + ' ms'
           : ms < 1000 ? ms.toFixed(0) + ' ms'
           : (ms / 1000).toFixed(1) + ' s';
}


export function count(n, one, many = one + 's') {
    return n.toLocaleString('en') + ' ' + (n === 1 ? one : many);
}


/* returns a function that has draw() called, at most once a frame */

export function eachFrame(draw) {
    let frame = 0;

    return () => {
        frame ||= requestAnimationFrame(() => {
            frame = 0;
            draw();
        });
    };
}


/* the query of a URL, with "%20" for a space: NGINX takes "+" for a plus */

export function query(values) {
    return '?' + Object.entries(values)
        .filter(([, value]) => value)
        .map(([name, value]) => name + '=' + encodeURIComponent(value)
                                             .replaceAll("'", '%27'))
        .join('&');
}


/* what to call from a name that nobody else has */

export function token(length) {
    const letters = 'abcdefghijkmnpqrstuvwxyz23456789';

    return Array.from(crypto.getRandomValues(new Uint8Array(length)),
                      byte => letters[byte % letters.length]).join('');
}
