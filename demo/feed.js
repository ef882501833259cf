/*
 * The list of messages, newest first: one row for each, whichever
 * subscription brought it, with a cell for each of them.
 */

import { clock, eachFrame, element, span } from './dom.js';
import { describe } from './notices.js';

const ROWS = 300;


export class Feed {

    constructor(list, empty, keys) {
        this.list = list;
        this.empty = empty;
        this.keys = keys;
        this.rows = new Map();              /* by the id of the message */
        this.pending = [];
        this.redraw = eachFrame(() => this.#draw());
    }


    /* the message arrived by that lane; returns the cell for its time */

    message(lane, m, odd) {
        const row = this.rows.get(m.id) ?? this.#add(m);
        const cell = row.querySelector('.' + lane.key);

        cell.textContent = '✓';
        cell.title = `Arrived by ${lane.name} at ${clock(m.time)}`;

        if (odd) {
            row.classList.add('odd');
        }

        return cell;
    }


    notice(lane, n) {
        const told = describe(n);

        if (!told) {
            return;
        }

        const row = element('li', 'row notice ' + told.tone,
            element('time', '', clock(new Date())),
            element('div', 'what', element('span', 'by', lane.name),
                    element('b', '', told.title),
                    element('span', 'data', told.text)),
            element('code', 'id', n.id ?? ''));

        this.#show(row);
    }


    /* from here on what is sent again gets a row of its own */

    anew() {
        this.rows.clear();
    }


    clear() {
        this.pending.length = 0;
        this.anew();
        this.list.replaceChildren();
        this.redraw();
    }


    #add(m) {
        const what = element('div', 'what');

        if (m.event !== 'message') {
            what.append(element('span', 'event', m.event));
        }

        what.append(element('span', 'data', m.text));

        const row = element('li', 'row', element('time', '', clock(m.time)),
                            what,
                            ...this.keys.map(key => element('span',
                                                            'ms ' + key)),
                            element('code', 'id', m.id));

        row.dataset.id = m.id;
        this.rows.set(m.id, row);
        this.#show(row);

        return row;
    }


    #show(row) {
        this.pending.push(row);

        if (this.pending.length > ROWS) {
            this.#forget(this.pending.shift());
        }

        this.redraw();
    }


    #draw() {
        this.list.prepend(...this.pending.splice(0).reverse());

        while (this.list.childElementCount > ROWS) {
            this.#forget(this.list.lastElementChild);
            this.list.lastElementChild.remove();
        }

        this.empty.hidden = this.list.childElementCount > 0;
    }


    #forget(row) {
        if (this.rows.get(row.dataset.id) === row) {
            this.rows.delete(row.dataset.id);
        }
    }
}


/* the time that a message of ours took, in its cell */

export function showTime({ ms, late, cell }) {
    cell.textContent = span(ms);

    if (late) {
        cell.classList.add('late');
        cell.title = 'It had to wait for the connection.';
    }
}
