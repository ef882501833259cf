/*
 * The lines of a chat: the newest at the bottom, older ones put in at the
 * top without moving what is being read.
 */

import { $, count, element } from './dom.js';

const NEAR = 60;            /* pixels from an end that still count as there */

const day = new Intl.DateTimeFormat('en', { weekday: 'long', day: 'numeric',
                                            month: 'long' });


export class ChatLog {

    /*
     * older() asks for the page before oldest(): { lines, first }, or null
     * if it is not wanted any more.
     */

    constructor({ older }) {
        this.older = older;
        this.me = '';
        this.clear();

        $('older').addEventListener('click', () => this.#older());
        $('newer').addEventListener('click', () => this.#toEnd());
        $('log').addEventListener('scroll', () => this.#scrolled());

        new ResizeObserver(() => this.#resized()).observe($('log'));
    }


    clear() {
        this.unseen = 0;
        this.atEnd = true;
        this.life = {};             /* another one for each room */
        $('lines').replaceChildren();
        $('older').hidden = true;
        $('newer').hidden = true;
        $('beginning').hidden = true;
        $('older-why').textContent = '';
    }


    oldest() {
        return $('lines').querySelector('[data-id]')?.dataset.id;
    }


    /* line: { id, who, text, time } */

    add(line) {
        const follow = this.#isAtEnd();

        $('lines').append(this.#line(line));
        this.#join($('lines').lastElementChild);

        if ($('beginning').hidden) {
            $('older').hidden = false;
        }

        this.#grown(follow || line.who === this.me);
    }


    note(text, tone) {
        const follow = this.#isAtEnd();

        $('lines').append(element('li', 'note ' + tone,
                                  element('span', '', text)));
        this.#grown(follow, 0);
    }


    #grown(follow, lines = 1) {
        if (follow) {
            this.#toEnd();
            return;
        }

        this.unseen += lines;
        this.#showUnseen();
    }


    async #older() {
        const { life } = this;
        const id = this.oldest();

        if ($('older').disabled || !id) {
            return;
        }

        $('older').disabled = true;
        $('older-why').textContent = '';

        try {
            const page = await this.older();

            if (page && life === this.life && id === this.oldest()) {
                this.#prepend(page);
            }

        } catch (e) {
            $('older-why').textContent = 'Older lines could not be had: '
                                         + e.message;
        }

        $('older').disabled = false;
    }


    /* what was in sight stays where it is */

    #prepend({ lines, first }) {
        const box = $('log');
        const below = box.scrollHeight - box.scrollTop;
        const next = $('lines').firstElementChild;

        $('lines').prepend(...lines.map(line => this.#line(line)));
        $('older').hidden = first;
        $('beginning').hidden = !first;

        for (let e = $('lines').firstElementChild; e !== next;
             e = e.nextElementSibling)
        {
            this.#join(e);
        }

        this.#join(next);
        box.scrollTop = box.scrollHeight - below;
    }


    #line({ id, who, text, time }) {
        const stamp = element('time', '', time.toTimeString().slice(0, 5));
        const line = element('li', 'line-of' + (who === this.me ? ' mine' : ''),
            element('span', 'who', who),
            element('p', 'bubble', element('span', 'data', text), stamp));

        stamp.dateTime = time.toISOString();
        stamp.title = time.toLocaleString();
        line.dataset.id = id;
        line.dataset.who = who;
        line.dataset.day = day.format(time);
        line.style.setProperty('--hue', hue(who));

        return line;
    }


    /*
     * Several lines of one person stand together, under one name; the first
     * line of a day under its name.
     */

    #join(line) {
        const next = line.previousElementSibling;
        let before = next;

        while (before && !before.dataset.id) {
            before = before.previousElementSibling;
        }

        const sameDay = before?.dataset.day === line.dataset.day;

        line.classList.toggle('new-day', !sameDay);
        line.classList.toggle('joined', sameDay && before === next
                              && before.dataset.who === line.dataset.who);
    }


    #isAtEnd() {
        const { scrollHeight, scrollTop, clientHeight } = $('log');

        return scrollHeight - scrollTop - clientHeight < NEAR;
    }


    #toEnd() {
        $('log').scrollTop = $('log').scrollHeight;
        this.atEnd = true;
        this.unseen = 0;
        this.#showUnseen();
    }


    /* who reads the end goes on reading it in a lower window */

    #resized() {
        if (this.atEnd) {
            this.#toEnd();
        }
    }


    #scrolled() {
        this.atEnd = this.#isAtEnd();

        if (this.atEnd) {
            this.unseen = 0;
            this.#showUnseen();
        }

        if ($('log').scrollTop === 0 && !$('older').hidden) {
            this.#older();
        }
    }


    #showUnseen() {
        $('newer').hidden = this.unseen === 0;
        $('newer').textContent = count(this.unseen, 'new line') + ' ↓';
    }
}


/* a color for a name: always the same one */

function hue(name) {
    let sum = 0;

    for (const c of name) {
        sum = (sum * 31 + c.codePointAt(0)) % 360;
    }

    return sum;
}
