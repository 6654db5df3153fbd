'use strict';

paceline.page(['compare'], (content, suite, data) => {
    const {el, three, withUnit} = paceline;
    if (!data.families.length) {
        content.append(el('p', {}, 'Nothing to compare yet: no two benchmarks differ only in a parameter.'));
        return;
    }
    const twins = new Map();  // how many families have a name
    data.families.forEach(each => twins.set(each.name, (twins.get(each.name) || 0) + 1));
    const byName = new Map(data.families.map((family, place) => [named(family), place]));
    const state = {};
    const controls = el('form', {class: 'controls', 'aria-label': 'What to compare', onsubmit: event => event.preventDefault()});
    const box = el('div', {class: 'chart'});
    const results = el('div', {'aria-live': 'polite'});
    content.append(controls, box, results);
    let asked = paceline.asked();

    /* Two families may have one name, in two units. */
    function named(family) {
        return twins.get(family.name) > 1 ? family.name + ' (' + [family.unit, ...family.axes.map(axis => axis.name)].join(', ') + ')' : family.name;
    }

    function family() {
        return data.families[state.family];
    }

    function choose(list, wanted, fallback) {
        const place = list.indexOf(wanted);
        return place < 0 ? fallback : place;
    }

    /* A value of an axis; if the newest run lacks it, with the last commit that has it. */
    function labelled(each, place = state.by) {
        const {last} = family().axes[place];
        return Object.hasOwn(last, each) ? each + ' (last at ' + last[each] + ')' : each;
    }

    function start() {
        state.family = byName.has(asked.get('benchmark')) ? byName.get(asked.get('benchmark')) : data.first;
        setFamily();
    }

    function setFamily() {
        state.by = choose(family().axes.map(each => each.name), asked.get('by'), family().by);
        state.log = asked.get('scale') !== 'linear';
        state.at = family().axes.map(axis => choose(axis.values, asked.get('at-' + axis.name), 0));
        state.where = choose(wheres(), asked.get('on'), wheres().indexOf(newest().where));
        keepSomething();
        state.base = choose(contenders().map(value), asked.get('base'), -1);
        if (state.base < 0) { state.base = slowest(); }
    }

    function wheres() {
        return [...new Set(family().rows.map(row => row.where))].sort();
    }

    function newest() {
        return family().rows.reduce((best, row) => (row.date > best.date ? row : best));
    }

    /* Rows of the chosen machine and engine; with `at`, only those at the chosen values of the other axes. */
    function rows(at) {
        const where = wheres()[state.where];
        return family().rows.filter(row => row.where === where && (!at || row.at.every((each, place) => place === state.by || each === at[place])));
    }

    function chosen() {
        return family().axes.map((axis, place) => axis.values[state.at[place]]);
    }

    /* If there is no row for the chosen values, choose values that have one. */
    function keepSomething() {
        if (!rows(chosen()).length) {
            const all = rows();
            const kept = all.find(row => row.at.some((each, place) => place !== state.by && each === chosen()[place])) || all[0];
            state.at = family().axes.map((axis, place) => axis.values.indexOf(kept.at[place]));
        }
    }

    function contenders() {
        const order = family().axes[state.by].values;
        return rows(chosen()).sort((a, b) => order.indexOf(value(a)) - order.indexOf(value(b)));
    }

    function value(row) {
        return row.at[state.by];
    }

    function slowest() {
        const all = contenders();
        return all.reduce((best, row, index) => (row.value > all[best].value ? index : best), 0);
    }

    /* ---- controls */

    function select(id, label, values, place, change) {
        return paceline.choice(id, label, values.map((text, index) => [String(index), text]), String(place), index => { change(Number(index)); update(); });
    }

    function drawControls() {
        const change = set => index => { set(index); keepSomething(); state.base = slowest(); };
        paceline.renew(controls,
            paceline.finder('benchmark', 'Benchmark', [...byName.keys()], named(family()), name => {
                state.family = byName.get(name);
                asked = new URLSearchParams();
                setFamily();
                update();
            }),
            select('on', 'Machine and engine', wheres(), state.where, change(index => { state.where = index; })),
            select('by', 'Compare by', family().axes.map(axis => axis.name), state.by, change(index => { state.by = index; })),
            ...family().axes.map((axis, place) => place === state.by ? '' : select('at-' + place, axis.name, axis.values.map(each => labelled(each, place)), state.at[place], index => {
                const before = value(contenders()[state.base]);
                state.at[place] = index;
                keepSomething();
                state.base = choose(contenders().map(value), before, -1);
                if (state.base < 0) { state.base = slowest(); }
            })),
            select('base', 'Baseline', contenders().map(row => labelled(value(row))), state.base, index => { state.base = index; }),
            paceline.check('log', 'Logarithmic scale', state.log, checked => { state.log = checked; update(); }));
    }

    /* ---- figures */

    function ratio(row, base) {
        if (row === base) { return 'baseline'; }
        if (!(row.value > 0) || !(base.value > 0)) { return 'n/a'; }
        return family().unit === 'seconds' ? three(base.value / row.value) + '\u00d7 as fast' : three(row.value / base.value) + '\u00d7 as much';
    }

    /* Empty if the quartiles of the two overlap. */
    function verdict(row, base) {
        if (row.low === null || base.low === null) { return ''; }
        const [less, more] = family().direction === 'more' ? [' slower', ' faster'] : [' faster', ' slower'];
        return row.high < base.low ? less : row.low > base.high ? more : '';
    }

    function drawChart() {
        const all = contenders().map(row => ({...row, name: labelled(value(row))}));
        const label = 'Median and quartiles of ' + all.length + ' by ' + family().axes[state.by].name + '; the table below lists the values';
        box.replaceChildren(el('p', {class: 'note'}, 'Median and quartiles' + (family().direction && ', ' + family().direction + ' is better')), paceline.dots(label, all, family().unit, state.log));
    }

    function drawTable() {
        const all = contenders();
        const base = all[state.base];
        const {unit} = family();
        const head = [family().axes[state.by].name, 'Median', 'Compared with the baseline', 'Lower quartile', 'Upper quartile', 'Measured at'];
        const number = (figure, text, kind = '') => el('td', {class: 'number' + kind, 'data-value': figure}, text);
        const body = all.map(row => el('tr', {class: row === base ? 'baseline' : null},
            el('th', {scope: 'row'}, value(row)), number(row.value, withUnit(row.value, unit)),
            number(base.value / row.value, ratio(row, base), verdict(row, base)), number(row.low, withUnit(row.low, unit)),
            number(row.high, withUnit(row.high, unit)), el('td', {}, paceline.commitLink(row.commit), ' ' + paceline.day(row.date))));
        results.replaceChildren(paceline.region('Figures', el('table', {id: 'figures'},
            el('caption', {}, family().name + ' on ' + wheres()[state.where]),
            el('thead', {}, el('tr', {}, ...head.map((text, index) => el('th', {scope: 'col', class: index > 0 && index < 5 ? 'number' : null}, text)))),
            el('tbody', {}, ...body))),
        el('p', {class: 'note'}, 'Each value is from the last run. Ratios are coloured if the quartiles do not overlap. ', history()));
        drawCases(value(base));
    }

    /* The link to the page that shows these values over time. */
    function history() {
        return suite.families.includes(family().name) ? el('a', {href: paceline.benchmarkAddress(family().name)}, 'Show its history') : '';
    }

    /* All values at once: a row for each combination of the other axes, a column for each value of this one. */
    function drawCases(base) {
        const others = family().axes.map((axis, place) => place).filter(place => place !== state.by && family().axes[place].values.length > 1);
        const cases = new Map();
        for (const row of rows()) {
            const key = JSON.stringify(others.map(place => row.at[place]));
            if (!cases.has(key)) { cases.set(key, new Map()); }
            cases.get(key).set(value(row), row);
        }
        if (cases.size < 2) { return; }
        const columns = family().axes[state.by].values.filter(each => [...cases.values()].some(found => found.has(each)));
        const cell = (found, each) => {
            const [row, zero] = [found.get(each), found.get(base)];
            const text = !row ? '' : row === zero || !zero ? withUnit(row.value, family().unit) : three(zero.value / row.value) + '\u00d7';
            return el('td', {class: 'number' + (row && zero ? verdict(row, zero) : '')}, text);
        };
        const labels = key => JSON.parse(key).map((each, index) => labelled(each, others[index]));
        const body = inOrder([...cases.keys()], others).map(key => el('tr', {},
            ...labels(key).map((text, index) => el(index === others.length - 1 ? 'th' : 'td', index === others.length - 1 ? {scope: 'row'} : {}, text)),
            ...columns.map(each => cell(cases.get(key), each))));
        results.append(el('h2', {}, 'All combinations'), paceline.region('All combinations', el('table', {id: 'cases'},
            el('caption', {}, 'How many times as fast as ' + base + ', which is shown with its time'),
            el('thead', {}, el('tr', {}, ...others.map(place => el('th', {scope: 'col'}, family().axes[place].name)),
                ...columns.map(each => el('th', {scope: 'col', class: 'number'}, labelled(each))))),
            el('tbody', {}, ...body))));
    }

    /* Combinations in the order of the values on each of their axes. */
    function inOrder(keys, axes) {
        const places = key => JSON.parse(key).map((each, index) => family().axes[axes[index]].values.indexOf(each));
        return keys.sort((a, b) => {
            const other = places(b);
            return places(a).reduce((found, place, index) => found || place - other[index], 0);
        });
    }

    function remember() {
        const others = family().axes.map((axis, place) => [axis, place]).filter(([, place]) => place !== state.by);
        paceline.remember({
            benchmark: named(family()), on: wheres()[state.where], by: family().axes[state.by].name,
            ...Object.fromEntries(others.map(([axis, place]) => ['at-' + axis.name, axis.values[state.at[place]]])),
            base: value(contenders()[state.base]), scale: state.log ? 'log' : 'linear'
        });
    }

    function update() {
        drawControls();
        drawChart();
        drawTable();
        remember();
    }

    start();
    update();
    addEventListener('hashchange', () => { asked = paceline.asked(); start(); update(); });
});
