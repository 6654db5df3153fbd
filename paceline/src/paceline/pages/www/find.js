'use strict';

/* A field that finds one of many names while the reader types: a combobox, by mouse, keyboard and screen reader. */
paceline.finder = (id, label, names, chosen, choose) => {
    const {el} = paceline;
    const MOST = 50;
    let shown = [];
    let active = -1;

    const list = el('ul', {role: 'listbox', id: id + '-list', 'aria-label': label, hidden: true});
    const input = el('input', {
        type: 'search', id: id, role: 'combobox', autocomplete: 'off', spellcheck: 'false', placeholder: 'Find a benchmark',
        'aria-expanded': 'false', 'aria-controls': id + '-list', 'aria-autocomplete': 'list'
    });
    input.value = chosen || '';

    /* Names with all words of the text, those that begin with it first. */
    function found(text) {
        const words = text.toLowerCase().split(/\s+/).filter(Boolean);
        const fitting = names.filter(name => words.every(word => name.toLowerCase().includes(word)));
        return fitting.sort((a, b) => b.toLowerCase().startsWith(words[0] || '') - a.toLowerCase().startsWith(words[0] || ''));
    }

    function close() {
        list.hidden = true;
        active = -1;
        input.setAttribute('aria-expanded', 'false');
        input.removeAttribute('aria-activedescendant');
    }

    function open(text) {
        const all = found(text);
        shown = all.slice(0, MOST);
        active = -1;
        list.replaceChildren(...shown.map((name, place) => el('li', {
            role: 'option', id: id + '-' + place, 'aria-selected': 'false',
            onmousedown: event => { event.preventDefault(); take(name); }
        }, name)));
        if (!shown.length || all.length > MOST) {
            list.append(el('li', {class: 'note', role: 'option', 'aria-disabled': 'true', 'aria-selected': 'false'},
                shown.length ? 'and ' + (all.length - MOST) + ' more: type to find them' : 'No such benchmark'));
        }
        list.hidden = false;
        input.setAttribute('aria-expanded', 'true');
    }

    function move(to) {
        if (list.hidden) { open(''); }
        if (!shown.length) { return; }
        if (active >= 0) { list.children[active].setAttribute('aria-selected', 'false'); }
        active = (to + shown.length) % shown.length;
        list.children[active].setAttribute('aria-selected', 'true');
        list.children[active].scrollIntoView({block: 'nearest'});
        input.setAttribute('aria-activedescendant', id + '-' + active);
    }

    function take(name) {
        input.value = chosen = name;
        close();
        choose(name);
    }

    input.addEventListener('input', () => open(input.value));
    input.addEventListener('focus', () => input.select());
    input.addEventListener('click', () => { if (list.hidden) { open(''); } });
    input.addEventListener('blur', () => { close(); input.value = chosen || ''; });
    input.addEventListener('keydown', event => {
        const moves = {ArrowDown: active + 1, ArrowUp: active < 0 ? -1 : active - 1};
        if (event.key in moves) {
            event.preventDefault();
            move(moves[event.key]);
        } else if (event.key === 'Enter' && !list.hidden && shown.length) {
            event.preventDefault();
            take(shown[Math.max(active, 0)]);
        } else if (event.key === 'Escape') {
            close();
        }
    });
    return el('div', {class: 'finder'}, el('label', {for: id}, label), input, list);
};

/* The search of the header, on every page. */
paceline.load('suite').then(suite => {
    const node = paceline.finder('search', 'Find a benchmark', suite.families, '', name => {
        location.href = paceline.benchmarkAddress(name);
    });
    node.querySelector('label').className = 'hidden-visually';
    document.getElementById('find').append(node);
    document.addEventListener('keydown', event => {
        if (event.key === '/' && !event.target.closest('input, select, textarea')) {
            event.preventDefault();
            document.getElementById('search').focus();
        }
    });
}, () => {});
