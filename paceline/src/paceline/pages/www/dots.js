'use strict';

/* A chart of one value per row: a dot for the median, a bar between the quartiles. `rows` are {name, value, low, high}. */
paceline.dots = (label, rows, unit, log) => {
    const {svg, withUnit} = paceline;
    const [ROW, WIDTH, TOP] = [34, 1000, 24];
    const known = rows.flatMap(row => [row.value, row.low, row.high]).filter(value => value !== null);
    const isLog = log && known.every(value => value > 0);
    const [low, high] = isLog ? [Math.min(...known) / 1.3, Math.max(...known) * 1.3] : [Math.min(0, ...known), Math.max(...known) * 1.05 || 1];
    const place = isLog ? value => WIDTH * Math.log(value / low) / Math.log(high / low) : value => WIDTH * (value - low) / (high - low);

    function ticks() {
        if (isLog) { return paceline.roundNumbers(low, high); }
        const step = 10 ** Math.floor(Math.log10((high - low) / 2));
        const by = [1, 2, 5].map(each => each * step).find(each => (high - low) / each <= 6) || 10 * step;
        return Array.from({length: Math.floor(high / by) + 1}, (_, number) => number * by);
    }

    const height = TOP + ROW * rows.length;
    const at = value => (place(value) / 10).toFixed(2) + '%';
    return svg('svg', {class: 'dots', role: 'img', 'aria-label': label, height: String(height)},
        ...ticks().map(tick => svg('g', {class: 'tick'},
            svg('line', {x1: at(tick), x2: at(tick), y1: TOP - 6, y2: height}),
            svg('text', {x: at(tick), y: 12, 'text-anchor': place(tick) > 930 ? 'end' : place(tick) < 70 ? 'start' : 'middle'}, withUnit(tick, unit)))),
        ...rows.map((row, number) => {
            const y = TOP + ROW * number + ROW / 2;
            return svg('g', {class: 'dot'},
                svg('title', {}, row.name + ': ' + withUnit(row.value, unit)),
                row.low === null ? null : svg('line', {class: 'range', x1: at(row.low), x2: at(row.high), y1: y + 6, y2: y + 6}),
                svg('circle', {cx: at(row.value), cy: y + 6, r: 6}),
                svg('text', {x: at(row.value), y: y - 6, 'text-anchor': place(row.value) > 700 ? 'end' : place(row.value) < 300 ? 'start' : 'middle'}, row.name));
        }));
};
