/* A subscription by clients/push.js that remembers all it is told. */

'use strict';

const { until } = require('./check.js');


class Client {

    /* [ what, value ]: state, message, gap, end */

    log = [];

    constructor(subscribe, url, options = {}) {
        const take = what => (...values) => {
            this.log.push([what, ...values]);
            options[what]?.(...values);
        };

        this.url = url;
        this.push = subscribe(url, {
            onState: take('state'), onMessage: take('message'),
            onGap: take('gap'), onEnd: take('end'), ...options
        });
    }


    #all(what) {
        return this.log.filter(([w]) => w === what);
    }

    get messages() { return this.#all('message').map(([, m]) => m); }
    get gaps() { return this.#all('gap').map(([, gap]) => gap); }
    get ends() { return this.#all('end').map(([, ...end]) => end); }
    get states() { return this.#all('state').map(([, state]) => state); }
    get details() { return this.#all('state').map(([, , detail]) => detail); }


    times(state) {
        return this.states.filter(s => s === state).length;
    }


    until(condition, what) {
        return until(condition, `${this.url}: ${what}`);
    }

    untilMessages(n) {
        return this.until(() => this.messages.length >= n, `${n} messages`);
    }

    untilState(state, n = 1) {
        return this.until(() => this.times(state) >= n, `${n} ${state}`);
    }

    untilOpen() {
        return this.untilState('open');
    }


    close() {
        this.push.close();
    }
}


module.exports = { Client };
