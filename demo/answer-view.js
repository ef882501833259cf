/*
 * The answer as it stands on the page: its words, where it was continued,
 * and what can be said about its being complete.
 */

import { $, eachFrame, element } from './dom.js';
import { wordsOf } from './writer.js';


export class AnswerView {

    constructor() {
        this.redraw = eachFrame(() => this.#draw());
        this.begin('');
    }


    /* "source" is the whole text, if this window knows it */

    begin(name, source) {
        this.source = source;
        this.total = source ? wordsOf(source).length : 0;
        this.text = '';
        this.words = 0;
        this.kept = 0;
        this.gaps = 0;
        this.reconnects = 0;
        this.why = '';
        this.now = 'closed';
        this.seam = false;          /* the next word continues after a break */

        $('words').replaceChildren();
        $('answer-card').dataset.open = Boolean(name);
        $('answer-name').textContent = name;
        this.says('');
        this.redraw();
    }


    /* how: "kept", from history, or "live" */

    add(words, how) {
        for (const word of words) {
            const e = element('span', how, word);

            if (this.seam) {
                e.classList.add('seam');
                e.title = 'Continued here.';
            }

            this.seam = false;
            this.text += word;
            this.words++;
            $('words').append(e);
        }

        this.kept += how === 'kept' ? words.length : 0;
        this.redraw();
    }


    gap(text) {
        this.gaps++;
        $('words').append(element('span', 'hole', text));
        this.redraw();
    }


    resumed() {
        this.reconnects++;
        this.seam = true;
        this.redraw();
    }


    state(state, why = '') {
        this.now = state;
        this.why = why;
        this.redraw();
    }


    says(text) {
        $('answer-says').textContent = text;
        $('answer-says').hidden = !text;
    }


    #draw() {
        $('word-total').textContent = this.words.toLocaleString('en');
        $('word-of').textContent = this.total ? `of ${this.total}` : 'words';
        $('word-kept').textContent = this.kept.toLocaleString('en');
        $('answer-gaps').textContent = this.gaps;
        $('answer-gaps').parentElement.classList.toggle('bad', this.gaps > 0);
        $('answer-reconnects').textContent = this.reconnects;

        $('progress').hidden = !this.total;
        $('progress').max = this.total || 1;
        $('progress').value = this.words;

        $('words').dataset.state = this.now;
        this.#drawVerdict();
    }


    #drawVerdict() {
        const [verdict, text] = this.#verdict();

        $('answer-verdict').dataset.verdict = verdict;
        $('answer-verdict').textContent = text;
    }


    #verdict() {
        if (this.gaps || (this.source && !this.source.startsWith(this.text))) {
            return ['bad', 'This is not what was written.'];
        }

        switch (this.now) {

        case 'refused':
            return ['bad', this.why];

        case 'over':
            return this.#end();

        case 'closed':
            return ['none', ''];
        }

        if (this.words === 0) {
            return ['none', 'Nothing is here yet.'];
        }

        return ['good', this.now === 'reconnecting'
            ? 'The connection is gone, and comes back by itself.'
            : 'Now press F5, in mid-sentence.'];
    }


    #end() {
        if (!this.source) {
            return ['done', this.why];
        }

        return this.text === this.source
            ? ['done', 'Sealed and complete: it is, letter by letter, what was '
                       + 'written.']
            : ['good', 'It ended before the text did: somebody stopped it.'];
    }
}
