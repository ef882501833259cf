/*
 * Two measurements: whether numbered messages arrive once and in order, and
 * how long a message takes from publish to arrival.
 */

const KEPT = 1000;


/* a run of numbered messages: "burst-x7k2 12/100", "steady-x7k2 12" */

export class Run {

    constructor(kind, total) {
        const token = crypto.getRandomValues(new Uint32Array(1))[0]
                      .toString(36).slice(-4).padStart(4, '0');

        this.kind = kind;
        this.total = total;                 /* 0: no end is planned */
        this.label = `${kind}-${token}`;
        this.sent = 0;
        this.arrived = 0;
        this.next = 1;
        this.missing = new Set();
        this.twice = new Set();
        this.late = new Set();
        this.gap = '';
        this.reconnects = 0;
        this.failure = '';
        this.running = true;
    }


    text(n) {
        return this.label + ' ' + n + (this.total ? '/' + this.total : '');
    }


    /* takes the text of a message; 0 if it is none of this run */

    take(text) {
        if (!text.startsWith(this.label + ' ')) {
            return 0;
        }

        const n = parseInt(text.slice(this.label.length + 1), 10);

        if (!(n > 0)) {
            return 0;
        }

        if (n >= this.next) {
            for (let i = this.next; i < n; i++) {
                this.missing.add(i);
            }

            this.next = n + 1;
            this.arrived++;

        } else if (this.missing.delete(n)) {
            this.late.add(n);
            this.arrived++;

        } else {
            this.twice.add(n);
        }

        return n;
    }


    state(n) {
        if (this.missing.has(n)) {
            return 'missing';
        }

        if (this.twice.has(n) || this.late.has(n)) {
            return 'odd';
        }

        return n < this.next ? 'here' : n <= this.sent ? 'sent' : 'none';
    }


    /* [ 'none' | 'good' | 'done' | 'bad', text ] */

    verdict() {
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

        if (this.failure) {
            faults.push(this.failure);
        }

        const last = this.next - 1;

        if (faults.length) {
            return ['bad', `1–${last}: ${faults.join('; ')}.`];
        }

        if (last === 0) {
            return ['good', `${this.sent} sent, none arrived yet.`];
        }

        const way = Math.max(this.sent - this.arrived, 0);
        const over = this.reconnects === 0 ? '' : this.reconnects === 1
                     ? ', over a reconnect'
                     : `, over ${this.reconnects} reconnects`;

        if (!this.running && way === 0) {
            return ['done', `1–${last} complete${over}: every number arrived `
                            + 'once, in order.'];
        }

        return ['good', `1–${last} complete${over}`
                        + (way ? `, ${way} on the way.` : '.')];
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


/*
 * A message is known by the id in the answer to its publish.  It may arrive
 * before the answer, or the answer before it; whichever is second completes
 * the pair.  "span" counts openings of the stream: a message that had to
 * wait for a reconnect is late, and not part of the median.
 */

export class Latency {

    constructor() {
        this.answered = new Map();
        this.arrived = new Map();
        this.times = [];
    }


    /*
     * "at" is when the publish began, and when the message arrived.  Each
     * returns [ms, late, row] once the pair is complete.
     */

    answer(id, at, span) {
        return this.#pair(this.answered, this.arrived, id, { at, span });
    }

    arrival(id, at, span, row) {
        return this.#pair(this.arrived, this.answered, id, { at, span, row });
    }


    median() {
        const sorted = [...this.times].sort((a, b) => a - b);

        return sorted[sorted.length >> 1];
    }


    #pair(mine, others, id, half) {
        const other = others.get(id);

        if (!other) {
            keep(mine, id, half);
            return null;
        }

        others.delete(id);

        const ms = Math.abs(half.at - other.at);
        const late = half.span !== other.span;
        const row = half.row ?? other.row;

        if (!late) {
            this.times.push(ms);
            this.times.splice(0, this.times.length - 200);
        }

        return [ms, late, row];
    }
}


function keep(map, key, value) {
    map.set(key, value);

    if (map.size > KEPT) {
        map.delete(map.keys().next().value);
    }
}
