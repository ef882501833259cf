/*
 * What the browser keeps for this page: "local" outlives the window,
 * "session" only a reload of it.  There may be no storage.
 */

const storage = kind => kind === 'local' ? localStorage : sessionStorage;


export function remembered(key, kind = 'local') {
    try {
        return storage(kind).getItem(key);
    } catch {
        return null;
    }
}


export function remember(key, value, kind = 'local') {
    try {
        storage(kind).setItem(key, value);
    } catch {
        /* void */
    }
}
