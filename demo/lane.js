/*
 * One way of subscribing, as the page shows it: its state, its counters and
 * what it got of the run of numbers.
 */

import { Latency } from './latency.js';
import { Tally } from './check.js';
import { $, eachFrame, element, showState, span } from './dom.js';
import { endText } from './notices.js';

const CELLS = 100;


export class Lane {

    /*
     * on: { state(lane), message(lane, m), notice(lane, n) }.  "name" is the
     * word for it in the list of messages.
     */

    constructor({ key, name, title, says, Stream, on }) {
        this.key = key;
        this.name = name;
        this.on = on;
        this.tally = null;
        this.#reset();
        this.latency = new Latency();

        this.card = $('lane').content.firstElementChild.cloneNode(true);
        this.card.dataset.lane = key;
        this.part('title').textContent = title;
        this.part('says').textContent = says;
        this.part('cells').append(...Array.from({ length: CELLS },
                                                () => element('i', 'none')));
        showState(this.part('state'), 'closed');
        this.redraw = eachFrame(() => this.#draw());

        this.stream = new Stream({
            state: (state, why) => this.#state(state, why),
            message: m => this.#message(m),
            notice: n => this.#notice(n)
        });
    }


    part(name) {
        return this.card.querySelector(`[data-part=${name}]`);
    }


    /* what it counts next belongs to this run; null: to none */

    follow(run) {
        this.tally = run && new Tally(run);
        this.redraw();
    }


    clear() {
        this.#reset();
        this.redraw();
    }


    #reset() {
        this.counts = { received: 0, gaps: 0, reconnects: 0 };
    }


    #state(state, why) {
        showState(this.part('state'), state);

        this.part('why').textContent = state === 'over' ? endText(why) : why;
        this.part('why').dataset.state = state;
        this.part('why').hidden = !why;

        this.on.state(this);
    }


    #message(m) {
        const n = this.tally?.take(m.text) ?? 0;

        this.counts.received++;
        this.redraw();
        this.on.message(this, m, n > 0 && this.tally.state(n) === 'odd');
    }


    #notice(n) {
        if (n.kind === 'push.gap') {
            this.counts.gaps++;

            if (this.tally) {
                this.tally.gap = n.data.reason;
            }
        }

        if (n.kind === 'resumed') {
            this.counts.reconnects++;

            if (this.tally?.open()) {
                this.tally.reconnects++;
            }
        }

        this.redraw();
        this.on.notice(this, n);
    }


    #draw() {
        for (const [name, n] of Object.entries(this.counts)) {
            this.part(name).textContent = n.toLocaleString('en');
        }

        this.part('gaps').parentElement.classList.toggle('bad',
                                                   this.counts.gaps > 0);

        const median = this.latency.median();

        if (median !== undefined) {
            this.part('latency').textContent = span(median);
        }

        if (this.tally) {
            this.#drawTally();
        }
    }


    #drawTally() {
        const [verdict, text] = this.tally.verdict();
        const { sent, total } = this.tally.run;

        this.part('verdict').dataset.verdict = verdict;
        this.part('verdict').textContent = text;

        const last = Math.max(sent, this.tally.next - 1, total);
        const first = Math.max(1, last - CELLS + 1);
        const cells = this.part('cells').children;

        for (let i = 0; i < CELLS; i++) {
            cells[i].className = this.tally.state(first + i);
        }
    }
}
