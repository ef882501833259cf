/* npm's "eventsource" and "undici" have an EventSource for node. */

'use strict';

const { main } = require('./check.js');
const { all } = require('./scenarios.js');
const { Server } = require('./server.js');


main(({ port, pid, part }) => {
    const { EventSource } = require(part);
    const server = new Server({ port, pid });

    return all(server, (path, names = []) => {
        const source = new EventSource(server.url + path);
        const events = [];
        let opens = 0;

        for (const name of ['message', 'push.subscribed', 'push.gap',
                            'push.reconnect', 'push.closed', ...names])
        {
            source.addEventListener(name, e => events.push({
                type: e.type, data: e.data, id: e.lastEventId
            }));
        }

        source.addEventListener('open', () => opens++);

        return {
            look: () => ({ events, opens, over: source.readyState === 2 }),
            close: () => source.close()
        };
    });
});
