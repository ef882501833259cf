/*
 * The commands that stand on the page: to copy, and the one for a reload.
 */


/* each button with data-copy copies the text of the element it names */

export function makeCopyable() {
    for (const button of document.querySelectorAll('[data-copy]')) {
        button.addEventListener('click', () => copy(button));
    }
}


async function copy(button) {
    const code = document.getElementById(button.dataset.copy);

    try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = 'Copied';
        setTimeout(() => button.textContent = 'Copy', 1500);

    } catch {

        /* not allowed without TLS: it is selected instead */

        getSelection().selectAllChildren(code);
    }
}


/* the server says where this page lies: the prefix is the folder above */

export async function reloadCommand() {
    try {
        const answer = await fetch('where');
        const root = answer.ok ? (await answer.text()).trim() : '';
        const [, prefix] = /^(.*)\/demo$/.exec(root) ?? [];

        return prefix ? `kill -HUP $(cat ${prefix}/logs/nginx.pid)` : null;

    } catch {
        return null;
    }
}
