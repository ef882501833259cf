/*
 * One subscription over EventSource.  The browser does the work: it
 * reconnects by itself and sends the last id it has.  This class names the
 * states, counts, and tells apart what the server says and what publishers
 * say.
 */

const NOTICES = ['push.subscribed', 'push.gap', 'push.reconnect',
                 'push.closed'];


export class EventStream {

    /* on: { state(name, why), message(m), notice(n) } */

    constructor(on) {
        this.on = on;
        this.names = new Set(['message', ...NOTICES]);
        this.source = null;
        this.lastId = '';
        this.state = 'closed';
        this.openings = 0;
    }


    open(url) {
        this.close();

        this.url = url;
        this.over = null;
        this.opened = false;
        this.source = new EventSource(url);

        this.source.onopen = e => this.#open(e);
        this.source.onerror = e => this.#error(e);

        for (const name of this.names) {
            this.#add(name);
        }

        this.#set('connecting');
    }


    close() {
        if (this.source) {
            this.source.close();
            this.source = null;
        }

        this.#set('closed');
    }


    listen(name) {
        if (this.names.has(name)) {
            return false;
        }

        this.names.add(name);

        if (this.source) {
            this.#add(name);
        }

        return true;
    }


    /* events named "open" and "error" arrive at onopen and onerror */

    #add(name) {
        if (name !== 'open' && name !== 'error') {
            this.source.addEventListener(name, e => this.#event(e));
        }
    }


    #open(e) {
        if (e instanceof MessageEvent) {
            this.#event(e);
            return;
        }

        this.openings++;

        if (this.opened) {
            this.on.notice({ kind: 'resumed', id: this.lastId });
        }

        this.opened = true;
        this.#set('live');
    }


    #error(e) {
        if (e instanceof MessageEvent) {
            this.#event(e);
            return;
        }

        if (this.source.readyState === EventSource.CONNECTING) {
            this.#set('reconnecting');
            return;
        }

        /* closed for good: the answer was not an event stream */

        if (this.over) {
            this.#set('over', this.over);
            return;
        }

        this.#set('refused', 'The server refused the subscription.');
        this.#explain(this.source);
    }


    #event(e) {
        if (e.target !== this.source) {
            return;
        }

        this.lastId = e.lastEventId || this.lastId;

        if (!e.type.startsWith('push.')) {
            this.on.message({ id: e.lastEventId, event: e.type, text: e.data,
                              at: performance.now(), time: new Date() });
            return;
        }

        let data = {};

        try {
            data = JSON.parse(e.data) ?? {};
        } catch {
            /* void */
        }

        if (e.type === 'push.closed') {
            this.over = data.reason ?? 'ended';
        }

        this.on.notice({ kind: e.type, id: e.lastEventId, data });
    }


    /* EventSource does not tell the status; ask once more to learn it */

    async #explain(source) {
        const stop = new AbortController();
        let state = 'refused', why;

        try {
            const answer = await fetch(this.url, {
                headers: { Accept: 'text/event-stream' },
                cache: 'no-store',
                signal: stop.signal
            });

            if (answer.status === 204) {
                state = 'over';
                why = 'gone';

            } else {
                why = `The server answers ${answer.status}`
                      + await detail(answer) + '.';
            }

        } catch {
            why = 'The server cannot be reached.';
        }

        stop.abort();

        if (source === this.source && this.state === 'refused') {
            this.#set(state, why);
        }
    }


    #set(state, why = '') {
        this.state = state;
        this.on.state(state, why);
    }
}


async function detail(answer) {
    const type = answer.headers.get('Content-Type') ?? '';

    if (!type.startsWith('application/problem+json')) {
        return '';
    }

    const problem = await answer.json();

    return ': ' + (problem.detail ?? problem.title);
}
