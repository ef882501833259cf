/*
 * How long a message takes from its publish to its arrival.
 *
 * A message is known by the id in the answer to its publish.  It may arrive
 * before the answer, or the answer before it; whichever is second completes
 * the pair.  "opening" counts connections: a message that had to wait for a
 * reconnect is late, and not part of the median.
 */

const KEPT = 1000;
const MEASURED = 200;


export class Latency {

    constructor() {
        this.answered = new Map();
        this.arrived = new Map();
        this.times = [];
    }


    /*
     * "at" is when the publish began, and when the message arrived.  Each
     * returns { ms, late, cell } once the pair is complete, else null.
     */

    answer(id, at, opening) {
        return this.#pair(this.answered, this.arrived, id, { at, opening });
    }

    arrival(id, at, opening, cell) {
        return this.#pair(this.arrived, this.answered, id,
                          { at, opening, cell });
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
        const late = half.opening !== other.opening;

        if (!late) {
            this.times.push(ms);
            this.times.splice(0, this.times.length - MEASURED);
        }

        return { ms, late, cell: half.cell ?? other.cell };
    }
}


function keep(map, key, value) {
    map.set(key, value);

    if (map.size > KEPT) {
        map.delete(map.keys().next().value);
    }
}
