/*
 * A client of push_subscribe that stays subscribed: see docs/clients.md.
 * Copyright (C) The ngx_push_module authors, BSD-2-Clause
 */

/**
 * @typedef {{ channel: string, id: string, time: string, data?: any,
 *     data_base64?: string, content_type?: string, event?: string,
 *     topic?: string, user?: string, position?: string }} Message
 * @typedef {{ channel: string, requested: string, oldest: string | null,
 *     reason: string }} Gap
 * @typedef {'connecting' | 'open' | 'waiting' | 'closed'} State
 * @typedef {string | URL | (() => string | URL | Promise<string | URL>)} Url
 * @typedef {{ transport?: 'sse' | 'push.json', channels?: string[],
 *     since?: string, silence?: number, token?: () => string | Promise<string>,
 *     onMessage?: (message: Message) => void, onGap?: (gap: Gap) => void,
 *     onEnd?: (channel: string | null, reason: string) => void,
 *     onState?: (state: State, detail: Record<string, any>) => void,
 *     fetch?: typeof globalThis.fetch, WebSocket?: any }} Options
 * @typedef {{ readonly state: State, readonly position: string | undefined,
 *     close(): void, unsubscribe(channel: string): Promise<any>,
 *     subscribe(channel: string, more?: { since?: string }): Promise<any>,
 *     publish(channel: string, data: any, more?: { event?: string }):
 *         Promise<any> }} Push
 */
/** @param {Url} address @param {Options} options @returns {Push} */
export function subscribe(address, options = {}) {
    const { channels, since, token, silence = 90000, fetch = globalThis.fetch,
            WebSocket = globalThis.WebSocket } = options;
    const json = options.transport === 'push.json', known = new Map();
    let state = /** @type {State} */ ('waiting'), retry = 1000, heard = 0;
    let position, socket, stop, wake, refs = 0, answers = new Map();
    let go, ready = new Promise(done => go = done);

    async function run() {
        for (let fails = 0; state !== 'closed'; ) {
            const begin = heard = Date.now(), watch = setInterval(() => {
                Date.now() - heard < silence ? socket?.send('{"ping":1}')
                                             : stop?.(new Error('silence'));
            }, Math.min(silence / 3, 30000));
            become('connecting');
            const end = await connect().catch(error => ({ error }));
            clearInterval(watch);
            stop?.();
            if (end.final) { return close(end); }
            fails = state === 'open' ? 0 : fails + 1;
            const most = Math.max(retry, Math.min(retry * 2 ** fails, 30000));
            const delay = end.code === 4201 && Date.now() - begin > retry ? 0
                          : most * (1 + Math.random() / 2);
            become('waiting', { ...end, delay });
            await (state === 'waiting' && new Promise(done => {
                const timer = setTimeout(done, delay);
                wake = () => done(clearTimeout(timer));
                globalThis.addEventListener?.('online', wake);
            }));
            globalThis.removeEventListener?.('online', wake);
        }
    }

    /** @returns {Promise<any>} how it ended */
    async function connect() {
        const given = typeof address === 'function' ? address() : address;
        const url = new URL(await given, globalThis.location?.href);
        const word = await token?.(), query = {
            channel: channels, lastEventId: position, since: !position && since,
            format: !json && 'json', token: json && word };
        for (const [name, value] of Object.entries(query).filter(q => q[1])) {
            url.search += (url.search && '&') + name + '='
                          + [value].flat().map(encodeURIComponent);
        }
        if (state === 'closed') { throw new Error('closed'); }
        return json ? webSocket(url) : eventStream(url, word);
    }

    /* by fetch: an EventSource drops events whose names it was not told */
    async function eventStream(url, word) {
        const abort = new AbortController(), decoder = new TextDecoder();
        const headers = { Accept: 'text/event-stream',
                          ...word && { Authorization: `Bearer ${word}` } };
        stop = why => abort.abort(why);
        const { status, body } = await fetch(url, { headers, cache: 'no-store',
                                                    signal: abort.signal });
        if (status === 204) { call('onEnd', null, 'over'); }
        if (status !== 200) {
            return { status, final: status < 500
                     && ![token && 401, 408, 425, 429].includes(status) };
        }
        const reader = body.getReader();
        for (let text = '', part; !(part = await reader.read()).done; ) {
            heard = Date.now();
            text += decoder.decode(part.value, { stream: true });
            const events = text.split('\n\n');
            text = events.pop();
            events.forEach(takeEvent);
        }
        return { final: state === 'open' && [...known].every(c => c[1].ended) };
    }

    function takeEvent(text) {
        const { data, event, id, retry: ms = retry } = Object.fromEntries(
            Array.from(text.matchAll(/^(\w+): ?([^\n]*)/gm), a => a.slice(1)));
        const [, type = 'message'] = /^push\.(.*)/.exec(event) ?? [];
        retry = Number(ms);
        if (data) { take({ ...JSON.parse(data), type, position: id }); }
    }

    async function webSocket(url) {
        const ws = new WebSocket(url.href.replace(/^http/, 'ws'), 'push.json');
        const { code, reason, error } = await new Promise(done => {
            ws.onopen = () => opened(ws);
            ws.onmessage = e => take(JSON.parse(e.data));
            ws.onclose = ws.onerror = done;
            stop = why => done({ error: why });
        });
        ws.onopen = ws.onmessage = ws.onclose = socket = null;
        ws.close();
        answers.forEach(done => done());
        retry = Number(/\bretry=(\d+)/.exec(reason)?.[1] ?? retry);
        return { code, reason, error, final: code === 1000 || code === 1008 };
    }

    function opened(ws) {
        socket = ws;
        retry = 1000;
        become('open');
        known.forEach(({ live, id }, channel) => live && command(
            { subscribe: channel, since: id ?? undefined }).catch(e => e.status
                && take({ type: 'closed', channel, reason: e.title })));
        go();
        ready = new Promise(done => go = done);
    }

    /* what a broken connection left without an answer goes out once more */
    async function command(c) {
        while (json && state !== 'closed' && !socket) { await ready; }
        if (!socket) { throw new Error(json ? 'closed' : 'needs push.json'); }
        const ref = ++refs, once = c.publish || known.get(c.subscribe)?.live;
        socket.send(JSON.stringify({ ...c, ref }));
        const answer = await new Promise(done => answers.set(ref, done));
        answers.delete(ref);
        if (answer ? answer.type === 'error' : once) {
            throw Object.assign(new Error(answer?.title ?? 'cut off'), answer);
        }
        return answer ?? command(c);
    }

    function take(m) {
        const { type, channel, id, ref } = m, live = ref !== undefined;
        if (state === 'closed') { return; }
        heard = Date.now();
        for (const c of type === 'subscribed' ? m.channels ?? [m] : []) {
            known.set(c.channel, { id: c.id, live, ...known.get(c.channel) });
        }
        const c = known.get(channel) ?? { live: true }, { ended } = c;
        const over = type === 'closed' || type === 'unsubscribed';
        if (type === 'message' && isOld(id, c.id)) { return; }
        if (over || type === 'message' || type === 'gap') {
            Object.assign(c, { id: id ?? c.id, ended: over });
        }
        const alone = known.size === 1 && !c.live && !live;
        position = m.position ?? (alone && id || position);
        if (type === 'subscribed') { become('open'); }
        if (over && c.live) { known.delete(channel); }
        call({ message: 'onMessage', gap: 'onGap' }[type], m);
        if (type === 'closed' && !ended) { call('onEnd', channel, m.reason); }
        answers.get(ref)?.(m);
    }

    function become(next, detail = {}) {
        if (state === next || state === 'closed') { return; }
        state = next;
        call('onState', state, detail);
    }

    function close(detail = {}) {
        become('closed', detail);
        [stop, wake, go].forEach(end => end?.());
    }

    /* a page's own exceptions are not those of the connection */
    function call(name, ...values) {
        try { options[name]?.(...values); }
        catch (e) { setTimeout(() => { throw e; }); }
    }

    queueMicrotask(run);
    return {
        get state() { return state; },
        get position() { return position; },
        close: () => close(),
        subscribe: (channel, more) => command({ subscribe: channel, ...more }),
        unsubscribe: channel => command({ unsubscribe: channel }),
        publish: (name, data, more) => command({ publish: name, data, ...more })
    };
}

/* the ids of one life of a channel differ in their last digits only */
const isOld = (id, last) =>
    id <= last && id.startsWith(last.slice(0, last.lastIndexOf('-')));
