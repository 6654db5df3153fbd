'use strict';

paceline.page(['overview'], (content, suite, data) => {
    const {el, change, count, day} = paceline;
    const anchor = location.hash.slice(1);

    /* ---- in ten seconds */

    function tile(value, text, kind, address) {
        const name = address ? el('a', {href: address}, text) : text;
        return el('div', {class: 'tile'}, el('strong', {class: kind}, value), el('span', {}, name));
    }

    function tiles() {
        const {suite: counts, suite: {newest}, gates: [red, gates]} = data;
        const since = data.release ? ' since ' + data.release[0] : '';
        const [places, recent] = data.counts.recent;
        const improved = data.counts.faster[1];
        return el('div', {class: 'tiles'},
            tile(recent.toLocaleString('en'), (recent === 1 ? 'new slowdown' : 'new slowdowns') + since + (recent ? ', at ' + count(places, 'commit') : ''),
                recent ? 'slower' : null, recent ? '#slower' : null),
            tile(improved.toLocaleString('en'), improved === 1 ? 'improvement' : 'improvements', null, improved ? '#faster' : null),
            tile(counts.benchmarks.toLocaleString('en'), 'benchmarks, ' + counts.series.toLocaleString('en') + ' series'),
            tile(counts.machines.toLocaleString('en'), counts.machines === 1 ? 'machine' : 'machines'),
            tile(counts.commits.toLocaleString('en'), 'commits since ' + day(counts.first)),
            tile(day(newest.started), 'newest run, on ' + newest.machine),
            gates ? tile(red + ' of ' + gates, 'gates of identical code red (false alarms)', null, 'slowdowns.html#gates') : null);
    }

    /* ---- places */

    function sizes(place) {
        return ['slower', 'faster'].filter(kind => place[kind]).map(kind => el('span', {class: kind},
            place[kind][0] + ' ' + place[kind][2] + (place[kind][0] > 1 ? ', median ' : ', ') + change(place[kind][1])));
    }

    function worst(each) {
        const name = each.family === null ? each.name
            : el('a', {href: paceline.benchmarkAddress(suite.families[each.family], {change: each.id})}, paceline.name(each.name));
        return el('li', {}, name, ' ', el('span', {class: each.kind.endsWith('slower') ? 'slower' : 'faster'}, change(each.left)),
            each.left === each.ratio ? null : ' left of ' + change(each.ratio));
    }

    function range(place) {
        const commits = place.count === null ? count(place.measured, 'measured commit') : count(place.count, 'commit');
        return [commits + ': ', paceline.logOf(place.before, place.last)];
    }

    function card(place) {
        const total = (place.slower || [0])[0] + (place.faster || [0])[0];
        const more = total - place.worst.length;
        const [first, second] = sizes(place);
        return el('article', {class: 'place ' + (place.slower ? 'is-slower' : 'is-faster')},
            el('h3', {}, paceline.commitLink(place.at), ' ', place.subject || day(place.date)),
            el('p', {}, first, second && '; ', second, place.subject ? ' \u00b7 ' + day(place.date) : '', ' \u00b7 ' + (place.machines.length > 2 ? place.machines.length + ' machines' : place.machines.join(', ')),
                place.cause === 'unclear' ? '' : ' \u00b7 cause: ' + place.cause),
            el('ul', {class: 'plain'}, ...place.worst.map(worst),
                more > 0 ? el('li', {}, el('a', {href: 'slowdowns.html#kind=all&at=' + place.at}, 'and ' + more + ' more')) : null),
            el('p', {class: 'note'}, ...range(place)),
            place.differences.length ? el('p', {class: 'note'}, 'Changed too: ' + place.differences.slice(0, 6).map(paceline.difference).join(', ')
                + (place.differences.length > 6 ? ' and ' + (place.differences.length - 6) + ' more' : '')) : null);
    }

    function section(id, title, name, none, folded) {
        const places = data.places[name];
        const hidden = data.counts[name][0] - places.length;
        const rest = hidden ? el('p', {}, el('a', {href: 'slowdowns.html'}, count(hidden, 'other place') + ' on Slowdowns')) : null;
        const body = el('div', {class: 'places'}, ...places.map(card));
        if (!folded) {
            return [el('h2', {id: id}, title), places.length ? body : el('p', {}, none), rest];
        }
        return places.length ? [el('details', {id: id}, el('summary', {}, title + ' (' + count(data.counts[name][0], 'place') + ')'), body, rest)] : [];
    }

    const since = data.release ? ' since ' + data.release[0] + ' (' + day(data.release[1]) + ')' : '';
    content.append(tiles(),
        ...section('slower', 'New slowdowns' + since, 'recent', 'No new slowdowns.', false).filter(Boolean),
        ...section('older', 'Slowdowns before ' + (data.release || [''])[0], 'older', '', true),
        ...section('faster', 'Improvements', 'faster', '', true),
        ...section('surroundings', 'By the surroundings of the machines, not by code', 'surroundings', '', true));
    if (data.notes.length) {
        content.append(el('details', {}, el('summary', {}, count(data.notes.length, 'note') + ' about the history'),
            el('ul', {}, ...data.notes.map(note => el('li', {}, note)))));
    }

    /* ---- the atlas */

    const MORE = 120;
    const asked = paceline.asked();
    const state = {q: asked.get('q') || '', machine: asked.get('machine') || '', changed: asked.has('changed')};
    const machines = [...new Set(data.cells.map(cell => cell[1]))].sort();
    const cells = data.cells.map((cell, place) => ({family: cell[0], machine: cell[1], series: cell[2], left: cell[3], at: cell[4], slower: cell[5], place}));
    const grid = el('ul', {class: 'atlas'});
    const status = el('p', {class: 'note', role: 'status'});
    const end = el('div', {class: 'end'});
    let shown = [];
    let drawn = 0;

    function draw(cell) {
        const name = suite.families[cell.family];
        const [, path, last] = name.match(/^(.*?)([^.:/]*)$/s);
        const kind = cell.left === null ? null : cell.slower ? 'slower' : 'faster';
        const picture = el('span', {class: 'picture'});
        paceline.load('atlas' + Math.floor(cell.place / data.chunk)).then(lines => {
            picture.append(paceline.sparkline(lines[cell.place % data.chunk], cell.at, kind));
        });
        return el('li', {}, el('a', {class: 'cell ' + (kind ? 'is-' + kind : ''), title: name, href: paceline.benchmarkAddress(name, machines.length > 1 ? {machine: cell.machine} : {})},
            picture,
            el('strong', {class: 'name'}, last), el('span', {class: 'path'}, path),
            el('span', {class: 'about'}, kind ? el('span', {class: kind}, change(cell.left)) : null,
                [machines.length > 1 ? cell.machine : '', cell.series > 1 ? cell.series + ' series' : ''].filter(Boolean).join(', '))));
    }

    function drawMore() {
        grid.append(...shown.slice(drawn, drawn + MORE).map(draw));
        drawn = Math.min(drawn + MORE, shown.length);
    }

    function update() {
        const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
        shown = cells.filter(cell => (!state.machine || cell.machine === state.machine) && (!state.changed || cell.left !== null)
            && words.every(word => suite.families[cell.family].toLowerCase().includes(word)));
        grid.replaceChildren();
        drawn = 0;
        drawMore();
        status.textContent = shown.length === cells.length ? 'All ' + cells.length.toLocaleString('en') + ', those that changed first'
            : shown.length.toLocaleString('en') + ' of ' + cells.length.toLocaleString('en');
        paceline.remember(state);
    }

    const filter = el('input', {type: 'search', id: 'filter', value: state.q, oninput: () => { state.q = filter.value; update(); }});
    content.append(el('h2', {}, 'All benchmarks'),
        el('form', {class: 'controls', 'aria-label': 'Filter', onsubmit: event => event.preventDefault()},
            el('div', {}, el('label', {for: 'filter'}, 'Name'), filter),
            machines.length > 1 ? paceline.choice('machine', 'Machine', [['', 'All'], ...machines.map(each => [each, each])], state.machine,
                value => { state.machine = value; update(); }) : null,
            paceline.check('changed', 'Only changed ones', state.changed, checked => { state.changed = checked; update(); })),
        status, grid, end);
    update();
    new IntersectionObserver(entries => {
        if (entries.some(entry => entry.isIntersecting)) { drawMore(); }
    }, {rootMargin: '600px'}).observe(end);

    /* Sections have anchors, too; a folded one opens. */
    function goTo(id) {
        const target = document.getElementById(id);
        if (target && target.closest('#content')) {
            target.open = true;
            target.scrollIntoView();
        }
    }
    goTo(anchor);
    addEventListener('hashchange', () => goTo(location.hash.slice(1)));
});
