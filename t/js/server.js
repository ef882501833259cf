/* The NGINX of a test, as a script talks to it. */

'use strict';

const http = require('node:http');

const agent = new http.Agent({ keepAlive: true });


class Server {

    constructor({ port, pid }) {
        this.port = port;
        this.pid = pid;
        this.url = `http://127.0.0.1:${port}`;
    }


    /* { status, headers, text }; not fetch(), which hides what it does */

    request(method, path, { body, headers = {} } = {}) {
        return new Promise((done, failed) => {
            const r = http.request(this.url + path,
                                   { method, headers, agent }, answer => {
                let text = '';

                answer.setEncoding('utf8');
                answer.on('data', part => text += part);
                answer.on('end', () => done({
                    status: answer.statusCode, headers: answer.headers, text
                }));
            });

            r.on('error', failed);
            r.end(body);
        });
    }


    /* published once, and its id; a lost answer is asked for again */

    async publish(channel, body, headers = {}, path = '/pub') {
        const key = { 'Idempotency-Key': Math.random().toString(36) };

        for (let i = 0; ; i++) {
            try {
                const { status, text } = await this.request('POST',
                    `${path}?channel=${channel}`,
                    { body, headers: { ...key, ...headers } });

                if (status !== 200 && status !== 201) {
                    throw new Error(`publish: ${status} ${text}`);
                }

                return JSON.parse(text).id;

            } catch (e) {
                if (i === 20 || !e.code) {
                    throw e;
                }
            }
        }
    }


    /* the pids of all workers that are in use */

    async workers() {
        const { text } = await this.request('GET', '/status');

        return JSON.parse(text).zones[0].workers.map(w => w.pid);
    }


    reload() {
        process.kill(this.pid, 'SIGHUP');
    }
}


/* publishes numbers from 1 until it is stopped */

class Numbers {

    constructor(server, channel, { headers, pause = 2 } = {}) {
        this.sent = 0;
        this.running = true;
        this.end = this.#run(server, channel, headers, pause);
    }


    async #run(server, channel, headers, pause) {
        while (this.running) {
            await server.publish(channel, String(this.sent + 1), headers);
            this.sent++;
            await new Promise(done => setTimeout(done, pause));
        }
    }


    async stop() {
        this.running = false;
        await this.end;

        return this.sent;
    }
}


module.exports = { Server, Numbers };
