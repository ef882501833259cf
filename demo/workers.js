/*
 * Which workers of NGINX there are, by push_status: a reload brings new
 * ones, and the old ones stay until their subscribers have moved.
 */

const FRESH_MS = 8000;


export class Workers {

    constructor(list) {
        this.list = list;
        this.known = new Map();
        this.first = true;
    }


    watch(ms) {
        setInterval(() => document.hidden || this.look(), ms);
        this.look();
    }


    async look() {
        let status = {};

        try {
            const answer = await fetch('status', { cache: 'no-store' });

            status = await answer.json();
        } catch {
            /* void */
        }

        this.#take(count(status));
        this.#draw();
    }


    #take(now) {
        const time = performance.now();

        for (const [pid, subscribers] of now) {
            const worker = this.known.get(pid)
                           ?? { since: this.first ? -FRESH_MS : time };

            this.known.set(pid, { ...worker, subscribers, gone: 0 });
        }

        for (const [pid, worker] of this.known) {
            if (now.has(pid)) {
                continue;
            }

            worker.gone ||= time;

            if (time - worker.gone > FRESH_MS) {
                this.known.delete(pid);
            }
        }

        this.first = false;
    }


    #draw() {
        const time = performance.now();
        const items = [];

        for (const [pid, worker] of this.known) {
            const item = document.createElement('li');

            item.className = worker.gone ? 'gone'
                             : time - worker.since < FRESH_MS ? 'fresh' : '';

            item.textContent = worker.gone
                ? `worker ${pid}: gone`
                : `worker ${pid}: ${worker.subscribers} subscriber`
                  + (worker.subscribers === 1 ? '' : 's');

            items.push(item);
        }

        this.list.replaceChildren(...items);
        this.list.hidden = items.length === 0;
    }
}


/* pid and subscribers, over all zones */

function count(status) {
    const workers = new Map();

    for (const zone of status.zones ?? []) {
        for (const { pid, subscribers } of zone.workers ?? []) {
            workers.set(pid, (workers.get(pid) ?? 0) + subscribers);
        }
    }

    return workers;
}
