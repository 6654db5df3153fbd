'use strict';

paceline.page([], async (content, suite) => {
    const {el, withUnit, day, change, curves} = paceline;
    const MOST = 12;  // curves at once
    const TABLE = 100;  // rows
    const heading = document.querySelector('h1');
    const project = document.title;
    let generation = 0;
    let redraw = null;  // draws the chart that is shown

    /* ---- which benchmark */

    async function open() {
        const mine = ++generation;
        const asked = paceline.asked();
        const name = asked.get('benchmark') || suite.families[suite.first];
        const number = suite.families.indexOf(name);
        heading.replaceChildren(paceline.name(name));
        document.title = name + ': ' + project;
        if (number < 0) {
            content.replaceChildren(el('p', {}, 'No such benchmark. Find one with the search at the top.'));
            return;
        }
        const [family, commits] = await Promise.all([paceline.load('b' + number), paceline.loadCommits()]);
        if (mine === generation) { show(name, family, commits, asked); }
    }

    function show(name, family, commits, asked) {
        const every = curves.decoded(family, commits);
        const state = {
            machine: asked.get('machine') || '', x: asked.get('x') || 'commits', log: asked.has('log'), bare: asked.has('bare'),
            older: asked.has('older'), from: asked.get('from'), to: asked.get('to'), change: asked.get('change')
        };
        const chosen = family.axes.map(axis => asked.get('p-' + axis) || '');
        const controls = el('form', {class: 'controls', 'aria-label': 'What is shown', onsubmit: event => event.preventDefault()});
        const box = el('div', {class: 'chart'});
        const legend = el('ul', {class: 'legend'});
        const note = el('p', {class: 'note', role: 'status'});
        const point = el('div', {class: 'point', role: 'status'});
        const changed = el('section');
        const values = el('details', {ontoggle: () => drawValues()}, el('summary', {}, 'Values as a table'));
        content.replaceChildren(controls, note, box, legend, point, changed, values);
        if (family.code) {
            content.append(el('details', {}, el('summary', {}, 'Code'), el('pre', {tabindex: '0'}, el('code', {}, family.code))));
        }
        const changes = family.changes.filter(each => each.before !== null && each.at !== null && each.after !== null);
        let details = null;
        let shown = [];
        let names = [];

        /* ---- what is chosen */

        const newest = new Map();
        for (const series of every) {
            const key = JSON.stringify([series.at, series.machine, series.engine, series.environment]);
            const last = series.runs[series.runs.length - 1];
            newest.set(key, Math.max(newest.get(key) || 0, last));
            series.isLatest = () => newest.get(key) === last;
        }

        function fits(series) {
            return (state.older || series.isLatest()) && (!state.machine || series.machine === state.machine)
                && series.at.every((value, place) => !chosen[place] || state.x === 'p-' + family.axes[place] || value === chosen[place]);
        }

        function texts(values) {
            const all = [...new Set(values)].filter(each => each !== null);
            return all.every(each => each !== '' && isFinite(each)) ? all.sort((a, b) => a - b) : all.sort();
        }

        function drawControls() {
            const machines = texts(every.map(series => series.machine));
            const axes = family.axes.map(axis => [axis, texts(every.map(series => series.at[family.axes.indexOf(axis)]))]);
            const several = axes.filter(([, all]) => all.length > 1);
            const set = name => value => { state[name] = value; update(); };
            paceline.renew(controls, ...[
                machines.length > 1 && paceline.choice('machine', 'Machine', [['', 'All'], ...machines.map(each => [each, each])], state.machine, set('machine')),
                ...several.map(([axis, all]) => state.x === 'p-' + axis ? null
                    : paceline.choice('p-' + axis, axis, [['', 'All'], ...all.map(each => [each, each])], chosen[family.axes.indexOf(axis)],
                        value => { chosen[family.axes.indexOf(axis)] = value; update(); })),
                paceline.choice('x', 'Over', [['commits', 'Commits'], ['dates', 'Dates'], ...several.map(([axis]) => ['p-' + axis, axis])], state.x,
                    value => { state.x = value; state.from = state.to = null; update(); }),
                el('div', {class: 'checks'},
                    paceline.check('log', 'Logarithmic scale', state.log, set('log')),
                    paceline.check('bare', 'Hide quartiles', state.bare, set('bare')),
                    every.some(series => !series.isLatest()) && paceline.check('older', 'Older versions', state.older, set('older')) || '')
            ].filter(Boolean));
        }

        /* ---- the range, in the address by commits or days */

        function place(text) {
            if (!text) { return null; }
            const count = commits.dates.length;
            if (state.x === 'dates') { return Date.parse(text) / 1000; }
            for (let position = 0; position < count; ++position) {
                if (commits.hash(position).startsWith(text)) { return position; }
            }
            return null;
        }

        function range() {
            const [from, to] = [place(state.from), place(state.to)];
            return from === null || to === null || isNaN(from) || isNaN(to) || from >= to ? null : [from, to];
        }

        function written(x) {
            if (state.x === 'dates') { return new Date(1000 * x).toISOString().slice(0, 16) + 'Z'; }
            return commits.hash(Math.max(0, Math.min(commits.dates.length - 1, Math.round(x)))).slice(0, 10);
        }

        function remember() {
            paceline.remember({
                benchmark: name, ...state, ...Object.fromEntries(family.axes.map((axis, place) => ['p-' + axis, chosen[place]]))
            });
        }

        function onRange(zoom) {
            [state.from, state.to] = zoom && isTime() ? zoom.map(written) : [null, null];
            remember();
        }

        function isTime() {
            return state.x === 'commits' || state.x === 'dates';
        }

        /* ---- the chart */

        function update() {
            const fitting = every.filter(fits);
            const unit = fitting.length ? fitting[0].unit : '';
            const alike = fitting.filter(series => series.unit === unit);
            shown = alike.slice(0, isTime() ? MOST : alike.length);
            names = curves.labels(shown, family.axes);
            note.textContent = shown.length < fitting.length
                ? shown.length + ' of ' + fitting.length + ' series are shown. Choose a machine or parameters to see others.' : '';
            drawControls();
            remember();
            point.replaceChildren();
            values.open = false;
            if (!shown.length) {
                box.replaceChildren(el('p', {}, 'No series has these parameters on this machine.'));
                legend.replaceChildren();
                changed.replaceChildren();
                return;
            }
            draw();
            drawChanges();
        }

        function draw() {
            if (isTime()) { drawOverTime(); } else { drawOverParameter(state.x.slice(2)); }
        }

        function drawOverTime() {
            const lines = curves.overTime(shown, state.x, commits);
            if (state.bare || shown.length > 4) { lines.forEach(line => { line.low = null; }); }
            const mine = changesShown();
            const built = paceline.chart(box, {
                label: name + ' by ' + (state.x === 'dates' ? 'date' : 'commit') + ', ' + paceline.count(shown.length, 'curve')
                    + '; the table below lists the values',
                kind: state.x, unit: shown[0].unit, log: state.log, curves: lines, height: 400,
                xText: position => commits.dates[position] === undefined ? '' : day(1000 * commits.dates[position]),
                marks: curves.marks(mine, state.x, commits),
                releases: curves.releases(state.x, commits), range: range(), onRange,
                tip: (curve, place) => curves.tip(shown[curve], place, names[curve], commits, details),
                onChoose: drawPoint
            });
            drawLegend(lines, shown.map(series => series.values[series.values.length - 1]), built);
        }

        /* The latest value of each series, by one of the parameters. */
        function drawOverParameter(axis) {
            const at = family.axes.indexOf(axis);
            const all = texts(shown.map(series => series.at[at]));
            const numeric = all.every(each => each !== '' && isFinite(each));
            const x = value => numeric ? Number(value) : all.indexOf(value);
            const groups = new Map();
            for (const series of shown) {
                const rest = {...series, at: series.at.map((value, place) => place === at ? null : value)};
                const key = JSON.stringify([rest.at, rest.machine, rest.engine, rest.environment, state.older && rest.version]);
                if (!groups.has(key)) { groups.set(key, {rest, members: []}); }
                groups.get(key).members.push(series);
            }
            const found = [...groups.values()];
            names = curves.labels(found.map(group => group.rest), family.axes);
            const last = column => column && column[column.length - 1];
            const lines = found.map((group, place) => {
                const members = group.members.sort((a, b) => x(a.at[at]) - x(b.at[at]));
                const known = members.every(series => series.low && last(series.low) !== null);
                return {
                    ...curves.colourOf(place), members, xs: members.map(series => x(series.at[at])), values: members.map(series => last(series.values)),
                    low: known && !state.bare ? members.map(series => last(series.low)) : null, high: members.map(series => last(series.high))
                };
            });
            const built = paceline.chart(box, {
                label: name + ' by ' + axis, kind: numeric ? 'numbers' : 'names', unit: shown[0].unit, log: state.log, curves: lines, height: 400,
                xText: value => numeric ? paceline.three(value) : all[value] || '',
                tip: (curve, place) => {
                    const series = lines[curve].members[place];
                    return curves.tip(series, series.values.length - 1, axis + ' ' + series.at[at] + (found.length > 1 ? ', ' + names[curve] : ''), commits, details);
                }
            });
            drawLegend(lines, null, built);
        }

        function drawLegend(lines, latest, built) {
            legend.replaceChildren(...lines.map((line, place) => {
                const swatch = el('span', {class: 'swatch', 'aria-hidden': 'true'});
                swatch.style.borderTop = '3px ' + (line.dash.length ? 'dashed ' : 'solid ') + line.colour;
                return el('li', {}, swatch, names[place], latest && el('span', {class: 'note'}, ' ' + withUnit(latest[place], shown[place].unit)));
            }), state.log && !built.isLogarithmic ? el('li', {class: 'note'}, 'Some values are not positive, so the scale is linear.') : '');
        }

        /* ---- one value */

        function drawPoint(curve, place) {
            const series = shown[curve];
            const position = series.positions[place];
            const list = el('dl');
            const add = (title, ...nodes) => list.append(el('dt', {}, title), el('dd', {}, ...nodes));
            add('Value', withUnit(series.values[place], series.unit) + (curves.quartiles(series, place) ? ', quartiles ' + curves.quartiles(series, place) : ''));
            add('Series', names[curve]);
            add('Commit', paceline.commitLink(commits.hash(position)), ', ' + day(1000 * commits.dates[position]) + ' ', (details && details.subjects[position]) || '');
            if (place) {
                const before = series.positions[place - 1];
                const commit = el('span', {}, paceline.logOf(commits.hash(before), commits.hash(position)));
                add('Since the value before', change(series.values[place] / series.values[place - 1]) + ', ', commit);
            }
            if (details) {
                const differing = curves.changedPackages(series, place, details);
                add('Changed packages', differing.length ? differing.map(paceline.difference).join(', ') : 'none');
                const all = details.packages(series.runs[place]);
                const every = Object.keys(all).sort().map(each => each + ' ' + all[each]).join(', ');
                if (every) { add('All packages', el('details', {}, el('summary', {}, Object.keys(all).length + ' packages'), every)); }
            }
            point.replaceChildren(list);
        }

        /* ---- changes */

        function changesShown() {
            const numbers = new Set(shown.map(series => series.number));
            return changes.filter(each => each.series.some(number => numbers.has(number)) && ['new', 'accepted'].includes(each.state));
        }

        function zoomTo(each) {
            state.x = 'commits';
            const [from, to] = curves.around(each).map(x => Math.max(0, Math.min(commits.dates.length - 1, x)));
            [state.from, state.to] = [written(from), written(to)];
            draw();
            drawControls();
            remember();
            box.querySelector('.frame').focus();
        }

        function row(each) {
            const kind = each.kind.endsWith('slower') ? 'slower' : 'faster';
            const series = every[each.series[0]];
            const position = each.at;
            return el('tr', {class: each.id === state.change ? 'chosen' : null},
                el('th', {scope: 'row', class: kind}, change(each.ratio) + (['slower', 'faster'].includes(each.word) ? '' : ' ' + each.word) + (each.left !== each.ratio && each.state === 'new' ? ', ' + change(each.left) + ' left' : '')),
                el('td', {}, curves.interval(each)), el('td', {}, each.state === 'gone' ? 'no longer measured' : each.state),
                el('td', {}, curves.labels(every, family.axes)[series.number], each.series.length > 1 ? ' and ' + (each.series.length - 1) + ' more' : ''),
                el('td', {}, paceline.commitLink(commits.hash(position)), ' ' + day(each.date), details && details.subjects[position] ? el('div', {class: 'subject'}, details.subjects[position]) : ''),
                el('td', {}, paceline.logOf(commits.hash(each.before), commits.hash(each.after)),
                    each.differences.length ? el('div', {class: 'note'}, each.differences.map(paceline.difference).join(', ')) : '',
                    each.explain ? el('div', {class: 'note'}, 'To explain it: ', paceline.command(each.explain)) : ''),
                el('td', {}, el('button', {type: 'button', class: 'small', onclick: () => zoomTo(each)}, 'Show')));
        }

        function drawChanges() {
            const numbers = new Set(shown.map(series => series.number));
            const mine = changes.filter(each => each.series.some(number => numbers.has(number)));
            const head = ['Change', '95\u202f% interval', 'State', 'Series', 'Most likely commit', 'Suspects', ''];
            changed.replaceChildren(...(mine.length ? [el('h2', {}, 'Changes'), paceline.region('Changes', el('table', {},
                el('thead', {}, el('tr', {}, ...head.map(text => text ? el('th', {scope: 'col'}, text) : el('td')))),
                el('tbody', {}, ...mine.map(row))))] : []));
        }

        /* ---- values */

        function drawValues() {
            if (!values.open) { return; }
            const rows = shown.flatMap((series, curve) => series.positions.map((position, place) => ({series, curve, position, place})));
            rows.sort((a, b) => b.position - a.position || a.curve - b.curve);
            const head = ['Commit', 'Date', ...(shown.length > 1 ? ['Series'] : []), 'Value', 'Quartiles'];
            const table = el('table', {},
                rows.length > TABLE ? el('caption', {}, 'The newest ' + TABLE + ' of ' + rows.length.toLocaleString('en') + ' values') : null,
                el('thead', {}, el('tr', {}, ...head.map(text => el('th', {scope: 'col', class: text === 'Value' ? 'number' : null}, text)))),
                el('tbody', {}, ...rows.slice(0, TABLE).map(({series, curve, position, place}) => el('tr', {},
                    el('th', {scope: 'row'}, paceline.commitLink(commits.hash(position))),
                    el('td', {}, day(1000 * commits.dates[position])),
                    shown.length > 1 ? el('td', {}, curves.labels(shown, family.axes)[curve]) : null,
                    el('td', {class: 'number'}, withUnit(series.values[place], series.unit)),
                    el('td', {}, curves.quartiles(series, place) || 'n/a')))));
            values.replaceChildren(values.firstChild, paceline.region('Values', table));
        }

        /* ---- now, and when subjects and packages have come */

        const wanted = changes.find(each => each.id === state.change);
        if (wanted && !state.from && !state.machine) {
            const series = every[wanted.series[0]];
            state.machine = new Set(every.map(each => each.machine)).size > 1 ? series.machine : '';
            series.at.forEach((value, place) => { chosen[place] = value || ''; });
            [state.from, state.to] = curves.around(wanted).map(written);
        }
        update();
        redraw = () => { if (shown.length) { draw(); } };
        paceline.loadDetails().then(about => {
            details = about;
            if (shown.length) { drawChanges(); }
        });
    }

    addEventListener('hashchange', open);
    await open();
    paceline.onColours(() => { if (redraw) { redraw(); } });
});
