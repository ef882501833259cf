/*
 * What the page says about that which is no message: events of the server,
 * and what the connection does.
 */

const GAPS = {
    expired: 'What came after this place is older than the history.',
    evicted: 'The zone was full and gave up old history.',
    unknown: 'The place asked for belongs to another life of the channel.',
    overrun: 'This reader was too slow.',
    malformed: 'The place asked for is no id.'
};


/* { tone, title, text }, or nothing for what it does not know */

export function describe({ kind, id, data }) {
    switch (kind) {

    case 'push.subscribed':
        return {
            tone: 'good',
            title: 'Subscribed',
            text: id ? 'Whatever follows this id will come.'
                     : 'Not at the place asked for: a gap notice follows.'
        };

    case 'push.gap':
        return {
            tone: 'bad',
            title: 'Gap: ' + data.reason,
            text: GAPS[data.reason] ?? 'Messages are missing here.'
        };

    case 'push.reconnect':
        return {
            tone: 'warn',
            title: 'Asked to reconnect',
            text: 'The worker hands this subscriber over.'
        };

    case 'push.closed':
        return data.reason === 'deleted'
            ? { tone: 'warn', title: 'Deleted',
                text: 'This life of the channel is over.' }
            : { tone: 'warn', title: 'Sealed',
                text: 'That was the last message.' };

    case 'resumed':
        return {
            tone: 'good',
            title: 'Reconnected',
            text: id ? 'The browser came back with this id.'
                     : 'The browser came back.'
        };

    case 'left':
        return {
            tone: 'warn',
            title: 'Disconnected',
            text: id ? 'Connect to get what was published since this id.' : ''
        };
    }
}
