/*
 * Light or dark: what the system wants, until the button says otherwise.
 */


export function setUpTheme(button) {
    const dark = matchMedia('(prefers-color-scheme: dark)').matches;

    paint(button, remembered() ?? (dark ? 'dark' : 'light'));

    button.addEventListener('click', () => {
        const theme = document.documentElement.dataset.theme === 'dark'
                      ? 'light' : 'dark';

        paint(button, theme);
        remember(theme);
    });
}


function paint(button, theme) {
    document.documentElement.dataset.theme = theme;
    button.textContent = theme === 'dark' ? 'Light' : 'Dark';
}


/* there may be no storage */

function remembered() {
    try {
        return localStorage.getItem('theme');
    } catch {
        return null;
    }
}


function remember(theme) {
    try {
        localStorage.setItem('theme', theme);
    } catch {
        /* void */
    }
}
