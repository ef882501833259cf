/*
 * The page of the demo, as somebody would use it who sees it first: the tab
 * that "part" names.
 */

'use strict';

const { main } = require('./check.js');
const { Demo } = require('./demo-window.js');

const parts = {
    live: require('./demo-live.js'),
    chat: require('./demo-chat.js'),
    answer: require('./demo-answer.js')
};


main(async args => parts[args.part](await Demo.start(args), args.seed));
