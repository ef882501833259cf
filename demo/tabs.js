/*
 * The tabs: "#chat/lobby" is the tab "chat" with "lobby" in it, so that a
 * reload of the page, and a link, lead to the same place.
 */

import { $ } from './dom.js';

const links = document.querySelectorAll('[data-tab]');


/* opens: { live, chat, answer }, each called with what follows the "/" */

export function setUpTabs(opens) {
    const names = Object.keys(opens);

    function show() {
        const [name, inside] = place();
        const tab = names.includes(name) ? name : names[0];

        for (const link of links) {
            const here = link.dataset.tab === tab;

            $('tab-' + link.dataset.tab).hidden = !here;

            if (here) {
                link.setAttribute('aria-current', 'page');
                link.hash = tab + (inside ? '/' + encodeURIComponent(inside)
                                          : '');
            } else {
                link.removeAttribute('aria-current');
            }
        }

        opens[tab](inside);
    }

    addEventListener('hashchange', show);
    show();
}


export function go(tab, inside) {
    location.hash = tab + (inside ? '/' + encodeURIComponent(inside) : '');
}


function place() {
    const [, tab, inside = ''] = /^#?([^/]*)\/?(.*)$/.exec(location.hash);

    try {
        return [tab, decodeURIComponent(inside)];
    } catch {
        return [tab, ''];
    }
}
