/*
 * What a script of a test says: "ok - name" or "not ok - name" for each fact,
 * and "done" at the end.  Push::Node reads it.
 */

'use strict';

const wait = ms => new Promise(done => setTimeout(done, ms));


function ok(fact, name, why = '') {
    console.log(`${fact ? 'ok' : 'not ok'} - ${name}`);

    if (!fact) {
        for (const line of String(why).split('\n').filter(Boolean)) {
            console.log('# ' + line);
        }
    }

    return Boolean(fact);
}


function is(got, expected, name) {
    const [g, e] = [got, expected].map(value => JSON.stringify(value));

    return ok(g === e, name, `     got: ${g}\nexpected: ${e}`);
}


/* its value when it becomes true; an exception after a minute */

async function until(condition, what, ms = 60000) {
    const end = Date.now() + ms;

    for ( ;; ) {
        const fact = await condition();

        if (fact) {
            return fact;
        }

        if (Date.now() > end) {
            throw new Error(`waited for ${what}, in vain`);
        }

        await wait(20);
    }
}


/* numbers from 1, and the numbers in ids */

const numbers = n => Array.from({ length: n }, (_, i) => String(i + 1));
const sequence = id => Number(/-(\d+)$/.exec(id)?.[1]);


/* runs body(arguments) */

function main(body) {
    const args = JSON.parse(process.argv[2] ?? '{}');

    Promise.resolve(body(args)).then(() => {
        console.log('done');
        process.exit(0);

    }, e => {
        ok(false, 'no exception', e.stack);
        process.exit(1);
    });
}


module.exports = { ok, is, until, wait, numbers, sequence, main };
