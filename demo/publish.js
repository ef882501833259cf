/*
 * Publishing, and the curl lines that do the same.
 */

import { query, wait } from './dom.js';

const utf8 = new TextEncoder();

/* a header value is bytes: UTF-8 has to be spelled out */
const header = text => String.fromCharCode(...utf8.encode(text));

const quote = text => "'" + text.replaceAll("'", "'\\''") + "'";


/* why the name is no channel name, or an empty string */

export function badName(name, room = 250) {
    if (name === '') {
        return 'A channel has a name.';
    }

    if (/[\u0000-\u001f\u007f-\u009f,%]/.test(name)) {
        return 'A channel name has no comma, no percent sign and no control '
               + 'characters.';
    }

    return utf8.encode(name).length > room
           ? `This name has at most ${room} bytes.` : '';
}


export const publishUrl = channel => 'pub' + query({ channel });


/*
 * options: { event, end, method, key }.  Returns { status, body }, where
 * body is the answer or the problem document.
 */

export async function publish(url, text, options = {}) {
    const headers = {};

    if (options.method !== 'DELETE') {
        headers['Content-Type'] = 'text/plain';
    }

    if (options.event) {
        headers['Push-Event'] = header(options.event);
    }

    if (options.end) {
        headers['Push-End'] = 'true';
    }

    if (options.key) {
        headers['Idempotency-Key'] = options.key;
    }

    const answer = await fetch(url, {
        method: options.method ?? 'POST',
        body: options.method === 'DELETE' ? undefined : utf8.encode(text),
        headers
    });

    let body = {};

    try {
        body = await answer.json();
    } catch {
        /* void */
    }

    return { status: answer.status, body };
}


/*
 * As publish(), but a lost answer is no answer: it is sent again under the
 * same key, and the server publishes it once.
 */

export async function publishSurely(url, text, options) {
    for (let i = 0; ; i++) {
        try {
            const answer = await publish(url, text, options);

            if (i === 10 || ![429, 502, 503, 507].includes(answer.status)) {
                return answer;
            }

        } catch (e) {
            if (i === 10) {
                throw e;
            }
        }

        await wait(300);
    }
}


export function curlPublish(url, text, event) {
    const line = ['curl', text.startsWith('@') ? '--data-raw' : '-d',
                  quote(text), "-H 'Content-Type: text/plain'"];

    if (event) {
        line.push('-H ' + quote('Push-Event: ' + event));
    }

    line.push(quote(url));

    return line.join(' ');
}


/* options: headers, as curl takes them */

export function curlGet(url, ...headers) {
    return ['curl -N', ...headers.map(h => '-H ' + quote(h)), quote(url)]
           .join(' ');
}
