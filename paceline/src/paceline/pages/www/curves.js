'use strict';

/* The series of a family as curves of a chart, for the pages that draw them. */
paceline.curves = (() => {
    const {el, withUnit, day, change} = paceline;
    const COLOURS = 8;
    const STEPS = 500;  // of a value, in which its quartiles are given

    /* Series with their columns decoded: `positions` are those of commits. */
    function decoded(family, commits) {
        return family.series.map((series, number) => {
            let run = 0;
            const runs = series.runs.map(each => (run += each));
            const away = (column, sign) => column && column.map((each, place) =>
                each === null || series.values[place] === null ? null : series.values[place] * (1 + sign * each / STEPS));
            return {
                ...series, number, runs, positions: runs.map(each => commits.runs[each]), low: away(series.low, -1), high: away(series.high, 1)
            };
        });
    }

    /* Labels that tell series apart: only the fields in which they differ. */
    function labels(all, axes) {
        const fields = [
            ...axes.map((axis, place) => series => series.at[place] === null ? '' : axis + ' ' + series.at[place]),
            series => series.machine, series => series.engine, series => series.environment,
            series => series.version && 'version ' + series.version.slice(0, 8)
        ];
        const telling = fields.filter(field => new Set(all.map(field)).size > 1);
        return all.map(series => telling.map(field => field(series)).filter(Boolean).join(', ') || series.machine);
    }

    function colourOf(place) {
        return {colour: paceline.colour('c' + place % COLOURS), dash: place < COLOURS ? [] : [6, 3]};
    }

    /* Curves over commits or dates; several commits of one date keep their order. */
    function overTime(all, kind, commits) {
        return all.map((series, place) => {
            const xs = kind === 'dates' ? series.positions.map(position => commits.dates[position]) : series.positions;
            return {...colourOf(place), xs, values: series.values, low: series.low, high: series.high};
        });
    }

    /* The marks of changes on the axis: the suspects, and the border before the most likely commit. Equal ones are one. */
    function marks(changes, kind, commits) {
        const x = kind === 'dates' ? position => commits.dates[position] : position => position;
        const found = new Map(changes.map(each => {
            const at = kind === 'dates' ? x(each.at) : each.at - .5;
            const mark = {from: x(each.before), at, to: x(each.after), kind: each.kind.endsWith('slower') ? 'slower' : 'faster'};
            return [JSON.stringify(mark), mark];
        }));
        return [...found.values()];
    }

    function releases(kind, commits) {
        return commits.releases.map(([name, date, at]) => [kind === 'dates' ? date / 1000 : at - .5, name]);
    }

    function quartiles(series, place) {
        const known = series.low && series.low[place] !== null && series.high[place] !== null;
        return known ? withUnit(series.low[place], series.unit) + ' to ' + withUnit(series.high[place], series.unit) : null;
    }

    /* Packages that differ from those at the value before. */
    function changedPackages(series, place, details) {
        if (!place) { return []; }
        const [before, now] = [place - 1, place].map(each => details.packages(series.runs[each]));
        const names = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
        return names.filter(name => before[name] !== now[name]).map(name => [name, before[name], now[name]]);
    }

    /* What the tooltip says of a value. */
    function tip(series, place, label, commits, details) {
        const position = series.positions[place];
        const between = quartiles(series, place);
        const lines = [
            el('strong', {}, withUnit(series.values[place], series.unit)),
            between && el('div', {}, 'quartiles ' + between),
            el('div', {}, label),
            el('div', {}, el('code', {}, commits.hash(position).slice(0, 8)), ', ' + day(1000 * commits.dates[position]))
        ];
        if (details) {
            const changed = changedPackages(series, place, details);
            lines.push(details.subjects[position] && el('div', {class: 'subject'}, details.subjects[position]));
            lines.push(changed.length && el('div', {}, changed.slice(0, 3).map(paceline.difference).join(', ')
                + (changed.length > 3 ? ' and ' + (changed.length - 3) + ' more' : '')));
        }
        return lines.filter(Boolean);
    }

    /* A range of positions around a change. */
    function around(each) {
        const room = 60 + (each.after - each.before);
        return [each.before - room, each.after + room];
    }

    function interval(each) {
        return (each.low === null ? 'no bound' : change(each.low)) + ' to ' + (each.high === null ? 'no bound' : change(each.high));
    }

    return {decoded, labels, colourOf, overTime, marks, releases, quartiles, changedPackages, tip, around, interval};
})();
