/*
 * Light or dark: what the system wants, until the button says otherwise.
 */

import { remember, remembered } from './memory.js';


export function setUpTheme(button) {
    const dark = matchMedia('(prefers-color-scheme: dark)').matches;

    paint(button, remembered('theme') ?? (dark ? 'dark' : 'light'));

    button.addEventListener('click', () => {
        const theme = document.documentElement.dataset.theme === 'dark'
                      ? 'light' : 'dark';

        paint(button, theme);
        remember('theme', theme);
    });
}


function paint(button, theme) {
    document.documentElement.dataset.theme = theme;
    button.textContent = theme === 'dark' ? 'Light' : 'Dark';
}
