/*
 * What the page says about that which is no message: events of the server,
 * and what the connection does.
 */

const GAPS = {
    expired: 'What came after this place is older than the history.',
    evicted: 'The zone was full and gave up old history.',
    unknown: 'The place asked for belongs to another life of the channel.',
    diverged: 'The history was lost by a failover.',
    overrun: 'This reader was too slow.',
    malformed: 'The place asked for is no id.'
};

const ENDS = {
    deleted: 'The channel was deleted.',
    ended: 'The channel is sealed: you have all of it.',
    gone: 'There is nothing more to come.'
};


export const gapText = reason => GAPS[reason] ?? 'Messages are missing here.';


export const endText = reason => ENDS[reason] ?? ENDS.ended;


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

    case 'opened':
        return {
            tone: 'good',
            title: 'Subscribed',
            text: 'Every message brings its id.'
        };

    case 'push.gap':
        return {
            tone: 'bad',
            title: 'Gap: ' + data.reason,
            text: gapText(data.reason)
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
            text: id ? 'With the id of the last message.' : ''
        };

    case 'left':
        return {
            tone: 'warn',
            title: 'Disconnected',
            text: id ? 'Connect to get what was published since this id.' : ''
        };
    }
}
