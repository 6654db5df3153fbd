'use strict';

paceline.page(['slowdowns'], async (content, suite, data) => {
    const {el, change, day, curves} = paceline;
    const commits = await paceline.loadCommits();
    const details = await paceline.loadDetails();
    const MORE = 100;  // rows
    const asked = paceline.asked();
    const state = {
        q: asked.get('q') || '', kind: (asked.get('kind') || 'slower').replace('all', ''), state: (asked.get('state') || 'new').replace('all', ''), machine: asked.get('machine') || '',
        at: asked.get('at') || '', sort: asked.get('sort') || 'left', up: asked.has('up')
    };
    const STATES = [['new', 'New'], ['accepted', 'Accepted'], ['recovered', 'Recovered'], ['gone', 'No longer measured']];
    const rows = data.changes.map(each => ({...each, name: title(each), size: Math.abs(Math.log(each.state === 'new' ? each.left : each.ratio))}));

    function title(each) {
        const name = each.benchmark || 'The whole suite';
        return name + (each.parameters.length ? '(' + each.parameters.join(', ') + ')' : '');
    }

    function isSlower(each) {
        return each.kind.endsWith('slower');
    }

    function commit(position) {
        return position === null ? 'unknown' : paceline.commitLink(commits.hash(position));
    }

    /* ---- one change in full, with its charts */

    function facts(each) {
        const list = el('dl');
        const add = (name, ...nodes) => { if (nodes.some(Boolean)) { list.append(el('dt', {}, name), el('dd', {}, ...nodes)); } };
        const others = Object.entries(each.others).map(([machine, verdict]) => machine + ': ' + verdict).join(', ');
        add('Size', change(each.ratio) + ' (95\u202f% interval: ' + curves.interval(each) + ')' + (each.state === 'new' && each.left !== each.ratio
            ? ', partly recovered, ' + change(each.left) + ' left' : ''));
        add('Suspected commits', each.before === null || each.after === null ? '' : paceline.logOf(commits.hash(each.before), commits.hash(each.after)),
            ' (' + paceline.count(each.commits, 'measured commit') + ')');
        add('Machine', each.machines.join(', '));
        add('Other machines', others);
        add('Cause', each.cause === 'unclear' ? '' : each.cause);
        add('Engine', each.engine);
        add('Changed too', each.differences.map(paceline.difference).join(', '));
        add('To explain it', each.explain && paceline.command(each.explain));
        add('Accepted', each.accepted && each.accepted[0] + ': ' + each.accepted[1]);
        add('To accept it', each.state === 'new' && isSlower(each) && each.cause !== 'surroundings' && el('code', {}, 'paceline check --accept ' + each.id + ' --reason "..."'));
        return list;
    }

    async function drawCharts(box, each) {
        if (each.family === null || !each.series.length) { return; }
        const family = await paceline.load('b' + each.family);
        const every = curves.decoded(family, commits);
        const shown = each.series.map(number => every[number]);
        const names = curves.labels(shown, family.axes);
        const chart = el('div', {class: 'chart'});
        box.append(chart, el('p', {}, el('a', {href: paceline.benchmarkAddress(suite.families[each.family], {change: each.id})}, 'All values of this benchmark')));
        const draw = () => paceline.chart(chart, {
            label: 'Values of ' + each.name + ' by commit, with the change marked', kind: 'commits', unit: shown[0].unit, height: 260,
            curves: curves.overTime(shown, 'commits', commits), marks: curves.marks([each], 'commits', commits),
            releases: curves.releases('commits', commits), range: curves.around(each),
            xText: position => commits.dates[position] === undefined ? '' : day(1000 * commits.dates[position]),
            tip: (curve, place) => curves.tip(shown[curve], place, names[curve], commits, details)
        });
        draw();
        paceline.onColours(draw);
    }

    function toggle(button, row, each) {
        const open = button.getAttribute('aria-expanded') !== 'true';
        button.setAttribute('aria-expanded', String(open));
        if (!open) {
            row.nextElementSibling.remove();
            return;
        }
        const box = el('div', {class: 'full'}, facts(each));
        row.after(el('tr', {class: 'more'}, el('td', {colspan: String(columns.length)}, box)));
        drawCharts(box, each);
    }

    /* ---- the table */

    const columns = [
        ['left', 'Change', each => each.size], ['name', 'Benchmark', each => each.name], ['date', 'Since', each => each.date],
        ['machine', 'Machine', each => each.machines.join(', ')], ['state', 'State', each => each.state]
    ];

    function row(each) {
        const kind = isSlower(each) ? 'slower' : 'faster';
        const partly = each.state === 'new' && each.left !== each.ratio;
        const node = el('tr', {id: each.id});
        const button = el('button', {type: 'button', class: 'plain', 'aria-expanded': 'false', onclick: () => toggle(button, node, each)}, paceline.name(each.name));
        const subject = each.at === null ? '' : details.subjects[each.at];
        node.append(
            el('td', {class: kind}, el('strong', {}, change(partly ? each.left : each.ratio)), el('div', {class: 'note'}, partly ? 'left of ' + change(each.ratio) : curves.interval(each))),
            el('th', {scope: 'row'}, button),
            el('td', {}, commit(each.at), ' ' + day(each.date), subject ? el('div', {class: 'subject'}, subject) : null),
            el('td', {class: 'machine'}, each.machines.join(', ')),
            el('td', {}, each.state === 'gone' ? 'no longer measured' : each.state));
        return node;
    }

    const body = el('tbody');
    const heads = columns.map(([name, text]) => el('th', {scope: 'col'}, el('button', {type: 'button', class: 'plain', onclick: () => {
        state.up = state.sort === name ? !state.up : name !== 'left' && name !== 'date';
        state.sort = name;
        update();
    }}, text)));
    const table = el('table', {id: 'changes', class: 'sortable'}, el('thead', {}, el('tr', {}, ...heads)), body);
    const status = el('p', {class: 'note', role: 'status'});
    const more = el('button', {type: 'button', onclick: () => drawMore()}, 'Show more');
    let shown = [];
    let drawn = 0;

    function drawMore() {
        body.append(...shown.slice(drawn, drawn + MORE).map(row));
        drawn = Math.min(drawn + MORE, shown.length);
        more.hidden = drawn === shown.length;
    }

    function update() {
        const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
        const by = columns.find(([name]) => name === state.sort) || columns[0];
        const at = state.at ? commits.position(state.at) : null;
        shown = rows.filter(each => (!state.kind || isSlower(each) === (state.kind === 'slower')) && (!state.state || each.state === state.state)
            && (!state.machine || each.machines.includes(state.machine)) && (at === null || (each.before < at && at <= each.after))
            && words.every(word => each.name.toLowerCase().includes(word)));
        const order = (a, b) => by[2](a) < by[2](b) ? -1 : by[2](a) > by[2](b) ? 1 : 0;
        shown.sort((a, b) => (state.up ? 1 : -1) * order(a, b));
        heads.forEach((head, place) => head.setAttribute('aria-sort', columns[place] !== by ? 'none' : state.up ? 'ascending' : 'descending'));
        body.replaceChildren();
        drawn = 0;
        drawMore();
        status.replaceChildren(paceline.count(shown.length, 'change') + ' of ' + rows.length.toLocaleString('en'),
            state.at ? el('span', {}, ' at ', paceline.commitLink(state.at), ' ', el('button', {type: 'button', class: 'small', onclick: () => { state.at = ''; update(); }}, 'Show all commits')) : '');
        paceline.remember({...state, kind: state.kind || 'all', state: state.state || 'all'});
    }

    const machines = [...new Set(rows.flatMap(each => each.machines))].sort();
    const filter = el('input', {type: 'search', id: 'filter', value: state.q, oninput: () => { state.q = filter.value; update(); }});
    const set = name => value => { state[name] = value; update(); };
    content.append(
        el('form', {class: 'controls', 'aria-label': 'Filter', onsubmit: event => event.preventDefault()},
            el('div', {}, el('label', {for: 'filter'}, 'Benchmark'), filter),
            paceline.choice('kind', 'Kind', [['', 'All'], ['slower', 'Slowdowns'], ['faster', 'Improvements']], state.kind, set('kind')),
            paceline.choice('state', 'State', [['', 'All'], ...STATES], state.state, set('state')),
            machines.length > 1 ? paceline.choice('machine', 'Machine', [['', 'All'], ...machines.map(each => [each, each])], state.machine, set('machine')) : null),
        status, paceline.region('Changes', table), more);
    update();

    /* ---- the gates' record */

    const {gates} = data;
    content.append(el('h2', {id: 'gates'}, 'Gates of identical code'));
    if (!gates.of) {
        content.append(el('p', {}, 'No gate of identical code was recorded.'));
        return;
    }
    content.append(el('p', {}, gates.red + ' of ' + gates.of + ' gates of identical code were red. A red one is a false alarm.'),
        paceline.region('Gates', el('table', {}, el('thead', {}, el('tr', {}, el('th', {scope: 'col'}, 'Run'),
            ...['Benchmarks', 'Red', 'Unsure'].map(text => el('th', {scope: 'col', class: 'number'}, text)))),
        el('tbody', {}, ...gates.runs.map(run => el('tr', {}, el('th', {scope: 'row'}, run.name), el('td', {class: 'number'}, run.benchmarks),
            el('td', {class: 'number' + (run.red ? ' slower' : '')}, run.red), el('td', {class: 'number'}, run.unsure)))))));
});
