/*
 * Pages of history: what is kept of a channel, as JSON.
 */


/*
 * Returns { messages, next, prev, gap, ended }; throws what the server says
 * when it refuses.
 */

export async function page(url) {
    const answer = await fetch(url, {
        headers: { Accept: 'application/json' },
        cache: 'no-store'
    });

    const body = await answer.json();

    if (!answer.ok) {
        throw new Error(`${answer.status} ${body.detail ?? body.title ?? ''}`);
    }

    return body;
}
