/*
 * Writes an answer: publishes the words of a text one after another, each
 * under a key of its own, and seals the channel with the last one.
 */

import { publishSurely } from './publish.js';
import { wait } from './dom.js';


/* words with the space after them: put together they are the text again */

export const wordsOf = text => text.match(/\S+\s*|\s+/g) ?? [];


export class Writer {

    /* "written" words are published already */

    constructor({ url, key, text, rate, written }) {
        this.url = url;
        this.key = key;
        this.words = wordsOf(text);
        this.pause = 1000 / rate;
        this.written = written;
        this.stopped = false;
    }


    /*
     * Returns when the last word is out, or somebody sealed the channel, or
     * it was stopped; throws if the server does not take a word.
     */

    async write() {
        while (!this.stopped && this.written < this.words.length) {
            const began = performance.now();
            const n = this.written + 1;

            const { status, body } = await publishSurely(this.url,
                this.words[n - 1], { key: `${this.key}-${n}`,
                                     end: n === this.words.length });

            if (status === 409) {
                return;
            }

            if (status >= 300) {
                throw new Error(`${status} ${body.detail ?? body.title ?? ''}`);
            }

            this.written = n;

            await wait(this.pause - (performance.now() - began));
        }
    }


    stop() {
        this.stopped = true;
    }
}
