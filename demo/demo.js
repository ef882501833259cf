/*
 * The demo page: three tabs, each in a file of its own.  Those that nobody
 * looks at open no connection.
 */

import { makeCopyable, reloadCommand } from './commands.js';
import { setUpTheme } from './theme.js';
import { setUpTabs } from './tabs.js';
import { $ } from './dom.js';
import { openAnswer } from './answer.js';
import { openChat } from './chat.js';
import { openLive } from './live.js';


setUpTheme($('theme'));
makeCopyable();
setUpTabs({ live: openLive, chat: openChat, answer: openAnswer });

reloadCommand().then(command => {
    for (const code of document.querySelectorAll('.reload')) {
        code.textContent = command ?? code.textContent;
    }
});
