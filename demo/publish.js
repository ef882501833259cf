/*
 * Publishing, and the curl lines that do the same.
 */

const utf8 = new TextEncoder();

const wait = ms => new Promise(done => setTimeout(done, ms));

/* a header value is bytes: UTF-8 has to be spelled out */
const header = text => String.fromCharCode(...utf8.encode(text));

const quote = text => "'" + text.replaceAll("'", "'\\''") + "'";


/* why the name is no channel name, or an empty string */

export function badName(name) {
    if (name === '') {
        return 'A channel has a name.';
    }

    if (/[\u0000-\u001f\u007f-\u009f,%]/.test(name)) {
        return 'A channel name has no comma, no percent sign and no control '
               + 'characters.';
    }

    return utf8.encode(name).length > 250
           ? 'A channel name has at most 250 bytes.' : '';
}


export function publishUrl(channel) {
    return 'pub?channel=' + encodeURIComponent(channel).replaceAll("'", '%27');
}


/*
 * options: { event, end, method, key }.  Returns { status, body }, where
 * body is the answer or the problem document.
 */

export async function publish(channel, text, options = {}) {
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

    const answer = await fetch(publishUrl(channel), {
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

export async function publishSurely(channel, text, options) {
    for (let i = 0; ; i++) {
        try {
            const answer = await publish(channel, text, options);

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


export function curlPublish(base, channel, text, event) {
    const line = ['curl', text.startsWith('@') ? '--data-raw' : '-d',
                  quote(text), "-H 'Content-Type: text/plain'"];

    if (event) {
        line.push('-H ' + quote('Push-Event: ' + event));
    }

    line.push(quote(base + publishUrl(channel)));

    return line.join(' ');
}


export function curlSubscribe(base, url) {
    return 'curl -N ' + quote(base + url.replaceAll("'", '%27'));
}
