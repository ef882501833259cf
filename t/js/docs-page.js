/*
 * node docs-page.js URL: opens a page in Chromium and prints what it says on
 * its console, until it is ended.
 */

'use strict';

const { launch } = require('./chromium.js');


async function main([url]) {
    const browser = await launch();
    const page = await browser.newPage();

    page.on('console', m => m.type() === 'log' && console.log(m.text()));
    page.on('pageerror', e => console.log(`error: ${e}`));

    await page.goto(url);
}


main(process.argv.slice(2));
