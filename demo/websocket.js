/*
 * One subscription over a WebSocket that speaks push.json.  A browser does
 * not reconnect a WebSocket: clients/push.js does.  To the page it looks as
 * an EventStream does.
 */

export class SocketStream {

    /* on: { state(name, why), message(m), notice(n) } */

    constructor(on) {
        this.on = on;
        this.client = null;
        this.lastId = '';
        this.state = 'closed';
        this.openings = 0;
    }


    async open(url, options = {}) {
        this.close();
        this.#set('connecting');

        const mine = this.client = { close() { /* void */ } };
        let subscribe;

        try {
            ({ subscribe } = await import('./clients/push.js'));

        } catch {
            this.#set('refused', 'There is no clients/push.js beside the page.');
            return;
        }

        if (mine !== this.client) {
            return;
        }

        this.opened = false;
        this.over = null;

        const client = this.client = subscribe(url, {
            ...options,
            transport: 'push.json',
            onState: (state, how) => this.#mine(client, () => {
                this.#state(state, how);
            }),
            onMessage: m => this.#mine(client, () => this.#message(m)),
            onGap: gap => this.#mine(client, () => {
                this.on.notice({ kind: 'push.gap', id: gap.id, data: gap });
            }),
            onEnd: (channel, reason) => this.#mine(client, () => {
                this.over = reason;
                this.on.notice({ kind: 'push.closed', data: { reason } });
            })
        });
    }


    close() {
        const client = this.client;

        this.client = null;
        client?.close();
        this.#set('closed');
    }


    /* every name arrives: nothing has to be asked for */

    listen() {
        return false;
    }


    publish(channel, data) {
        return this.client?.publish?.(channel, data)
               ?? Promise.reject(new Error('not connected'));
    }


    /* what a client says that was closed meanwhile is not for the page */

    #mine(client, say) {
        if (client === this.client) {
            this.lastId = client.position ?? this.lastId;
            say();
        }
    }


    #message({ id, event, data, data_base64, user, time }) {
        this.on.message({
            id, event: event ?? 'message', user,
            text: typeof data === 'string' ? data
                  : data_base64 ?? JSON.stringify(data),
            at: performance.now(), time: new Date(), published: new Date(time)
        });
    }


    #state(state, how) {
        switch (state) {

        case 'connecting':
            this.#set(this.opened ? 'reconnecting' : 'connecting');
            break;

        case 'open':
            this.openings++;
            this.on.notice({ kind: this.opened ? 'resumed' : 'opened',
                             id: this.opened ? this.lastId : '' });
            this.opened = true;
            this.#set('live');
            break;

        case 'waiting':
            if (how.code === 1012) {
                this.on.notice({ kind: 'push.reconnect', id: this.lastId });
            }

            this.#set('reconnecting', this.opened ? ''
                                      : 'No connection could be made yet.');
            break;

        default:
            this.#set(this.over ? 'over' : 'refused',
                      this.over ?? `Closed for good, with code ${how.code}.`);
        }
    }


    #set(state, why = '') {
        this.state = state;
        this.on.state(state, why);
    }
}
