/*
 * Whether numbered messages arrive once, and in order.
 */

import { token } from './dom.js';


/* what is published: "burst-x7k2 12/100", "steady-x7k2 12" */

export class Run {

    constructor(kind, total) {
        this.total = total;                 /* 0: no end is planned */
        this.label = `${kind}-${token(4)}`;
        this.sent = 0;
        this.failure = '';
        this.running = true;
    }


    text(n) {
        return this.label + ' ' + n + (this.total ? '/' + this.total : '');
    }


    /* the number in the text of a message; 0 if it is none of this run */

    number(text) {
        return text.startsWith(this.label + ' ')
               ? Math.max(parseInt(text.slice(this.label.length + 1), 10) || 0,
                          0)
               : 0;
    }
}


/* what one subscription got of a run */

export class Tally {

    constructor(run) {
        this.run = run;
        this.arrived = 0;
        this.next = 1;
        this.missing = new Set();
        this.twice = new Set();
        this.late = new Set();
        this.gap = '';
        this.reconnects = 0;
    }


    /* takes the text of a message, returns its number or 0 */

    take(text) {
        const n = this.run.number(text);

        if (n >= this.next) {
            for (let i = this.next; i < n; i++) {
                this.missing.add(i);
            }

            this.next = n + 1;
            this.arrived++;

        } else if (this.missing.delete(n)) {
            this.late.add(n);
            this.arrived++;

        } else if (n) {
            this.twice.add(n);
        }

        return n;
    }


    /* there is more to come */

    open() {
        return this.run.running || this.arrived < this.run.sent;
    }


    state(n) {
        if (this.missing.has(n)) {
            return 'missing';
        }

        if (this.twice.has(n) || this.late.has(n)) {
            return 'odd';
        }

        return n < this.next ? 'here' : n <= this.run.sent ? 'sent' : 'none';
    }


    /* [ 'good' | 'done' | 'bad', text ] */

    verdict() {
        const last = this.next - 1;
        const faults = this.#faults();

        if (faults.length) {
            return ['bad', `1–${last}: ${faults.join('; ')}.`];
        }

        if (last === 0) {
            return ['good', `${this.run.sent} sent, none arrived yet.`];
        }

        const way = Math.max(this.run.sent - this.arrived, 0);
        const over = this.reconnects === 0 ? '' : this.reconnects === 1
                     ? ', over a reconnect'
                     : `, over ${this.reconnects} reconnects`;

        if (!this.run.running && way === 0) {
            return ['done', `1–${last} complete${over}: every number once, `
                            + 'in order.'];
        }

        return ['good', `1–${last} complete${over}`
                        + (way ? `, ${way} on the way.` : '.')];
    }


    #faults() {
        const faults = [];

        if (this.missing.size) {
            faults.push(`${this.missing.size} missing `
                        + `(${ranges(this.missing)})`
                        + (this.gap ? `, as announced: ${this.gap}` : ''));
        }

        if (this.twice.size) {
            faults.push(`${ranges(this.twice)} arrived more than once`);
        }

        if (this.late.size) {
            faults.push(`${ranges(this.late)} out of order`);
        }

        if (this.run.failure) {
            faults.push(this.run.failure);
        }

        return faults;
    }
}


function ranges(set) {
    const list = [...set].sort((a, b) => a - b);
    const out = [];

    for (let i = 0; i < list.length; i++) {
        const first = list[i];

        while (list[i + 1] === list[i] + 1) {
            i++;
        }

        out.push(first === list[i] ? `${first}` : `${first}–${list[i]}`);
    }

    return out.length > 4 ? out.slice(0, 4).join(', ') + ' …'
                          : out.join(', ');
}
