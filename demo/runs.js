/*
 * Publishes runs of numbers: a burst as fast as the answers come, or a
 * steady stream until it is stopped.
 */

import { Run } from './check.js';
import { wait } from './dom.js';

const STEADY_MS = 200;


export class Runs {

    /*
     * send(text, options) publishes; begun(run) is told of each run, and
     * awaited; changed() of what became of it.
     */

    constructor({ send, begun, changed }) {
        this.send = send;
        this.begun = begun;
        this.changed = changed;
        this.run = null;
    }


    async start(kind, total = 0) {
        const run = new Run(kind, total);

        this.stop();
        this.run = run;

        await this.begun(run);

        while (run.running && (!total || run.sent < total)) {
            run.failure = await this.#number(run, ++run.sent);
            run.running &&= !run.failure;
            this.changed(run);

            if (!total) {
                await wait(STEADY_MS);
            }
        }

        run.running = false;
        this.changed(run);
    }


    /* with a reason: the numbers cannot be complete any more */

    stop(why = '') {
        if (this.run) {
            this.run.failure ||= this.run.running ? why : '';
            this.run.running = false;
            this.changed(this.run);
        }
    }


    /* why it was not published, or an empty string */

    async #number(run, n) {
        try {
            const { status, body } = await this.send(run.text(n), {
                key: `${run.label}-${n}`
            });

            return status < 300 ? ''
                   : `publishing ${n} was refused: ${status} `
                     + (body.detail ?? '');

        } catch {
            return `publishing ${n} got no answer`;
        }
    }
}
