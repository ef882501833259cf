/* Pages of other origins: what a browser lets them do, and what NGINX does. */

'use strict';

const { ok, is, main } = require('./check.js');
const { launch, Source } = require('./chromium.js');
const { Server } = require('./server.js');


const refused = log => log.state === 2 && log.opens === 0;


async function status(server, channel) {
    return (await server.request('GET', `/pub?channel=${channel}`)).status;
}


/* what a page gets from fetch() */

function attempt(page, url, options) {
    return page.evaluate(async ([to, how]) => {
        try {
            const answer = await fetch(to, how);

            return { status: answer.status, type: answer.type,
                     etag: answer.headers.get('ETag') };

        } catch (e) {
            return { failed: e.name };
        }
    }, [url, options]);
}


async function own(page, server) {
    const answer = await attempt(page, '/pub?channel=own',
                                 { method: 'POST', body: 'x' });

    is(answer.status, 201, 'a page of the same origin publishes');
}


async function foreign(page, server) {
    const source = await Source.open(page, server.url + '/sub?channel=a');

    ok(await source.until(refused, 'a refusal'), 'no EventSource by default');

    /* a request that needs no preflight reaches the server */

    let answer = await attempt(page, server.url + '/pub?channel=forged',
                               { method: 'POST', body: 'x', mode: 'no-cors' });

    is(answer.type, 'opaque', 'a simple POST goes out');
    is(await status(server, 'forged'), 404, 'and has no effect');

    answer = await attempt(page, server.url + '/pub?channel=forged',
                           { method: 'POST', body: 'x',
                             headers: { 'Push-Event': 'x' } });
    is(answer, { failed: 'TypeError' }, 'nor does one with a preflight');
    is(await status(server, 'forged'), 404, 'have an effect');

    await page.evaluate(to => {
        const form = document.createElement('form');

        form.method = 'POST';
        form.action = to;
        document.body.append(form);
        form.submit();
    }, server.url + '/pub?channel=forged');

    await page.waitForURL(server.url + '/**');
    is(await status(server, 'forged'), 404, 'nor has a form');
}


async function allowed(page, server) {
    const credentials = { options: { withCredentials: true } };
    let source = await Source.open(page, server.url + '/user', credentials);

    await source.untilEvent('push.subscribed');
    await server.publish('user-alice', 'for alice');

    const { events } = await source.untilMessages(1);

    is(events.at(-1).data, 'for alice', 'listed: with the cookie');
    is(events.at(-1).origin, server.url, 'the origin of the event');

    /* over a reload with a resume, still from elsewhere */

    server.reload();
    await source.until(log => log.opens >= 2, 'a second connection');
    await server.publish('user-alice', 'again');
    await source.untilMessages(2);
    is((await source.messages()).map(e => e.data), ['for alice', 'again'],
       'resumed');
    await source.close();

    source = await Source.open(page, server.url + '/user');
    ok(await source.until(refused, 'a refusal'),
       'without credentials there is no cookie, and no channel');

    const answer = await attempt(page, server.url + '/listed?channel=b', {
        method: 'POST', body: '{}', credentials: 'include',
        headers: { 'Content-Type': 'application/json', 'Push-Event': 'e',
                   'Idempotency-Key': 'k', TTL: '10', Topic: 't' }
    });

    is(answer.status, 201, 'listed: publishes after a preflight');
    ok(/^"\S+"$/.test(answer.etag ?? ''), 'and may read the ETag', answer.etag);
}


async function anyone(page, server) {
    let source = await Source.open(page, server.url + '/anyone?channel=c');

    await source.untilEvent('push.subscribed');
    await server.publish('c', 'for all');
    await source.untilMessages(1);
    is((await source.messages())[0].data, 'for all', '"*": anyone');
    await source.close();

    source = await Source.open(page, server.url + '/anyone?channel=c',
                               { options: { withCredentials: true } });
    ok(await source.until(refused, 'a refusal'), 'but without credentials');
}


main(async ({ port, listed, unlisted, pid }) => {
    const server = new Server({ port, pid });
    const browser = await launch();
    const context = await browser.newContext();

    await context.addCookies([ { name: 'uid', value: 'alice',
                                 url: server.url } ]);

    const page = await context.newPage();

    await page.goto(server.url + '/');
    await own(page, server);

    await page.goto(`http://127.0.0.1:${listed}/`);
    await allowed(page, server);
    await anyone(page, server);
    await foreign(page, server);

    await page.goto(`http://127.0.0.1:${unlisted}/`);

    const source = await Source.open(page, server.url + '/user',
                                     { options: { withCredentials: true } });

    ok(await source.until(refused, 'a refusal'),
       'an origin that is not listed');

    /* a sandboxed frame has the origin "null" */

    const frame = await page.evaluate(to => new Promise(done => {
        const f = document.createElement('iframe');

        addEventListener('message', e => done(e.data));
        f.sandbox = 'allow-scripts';
        f.srcdoc = `<script>
            fetch('${to}', { method: 'POST', body: 'x', mode: 'no-cors' })
                .finally(() => parent.postMessage('sent', '*'));
            </` + 'script>';
        document.body.append(f);
    }), server.url + '/listed?channel=sandbox');

    is(frame, 'sent', 'a sandboxed frame');
    is(await status(server, 'sandbox'), 404, 'has no effect');

    await browser.close();
});
