'use strict';

/* A chart of curves by uPlot: brush, keyboard and buttons to zoom, a tooltip, marks. All it says is text.

   options: label, kind of x ('commits', 'dates', 'numbers', 'names'), xText(x), unit, log, curves, marks
   [{from, at, to, kind}], releases [[x, name]], range [from, to] or null, onRange(range or null), tip(curve, place) that
   returns nodes, onChoose(curve, place). A curve: {colour, dash, xs, values, low, high}; low and high may be missing. */
paceline.chart = (box, options) => {
    const {el, colour, withUnit} = paceline;
    const NEAR = 200;  // places on either side in which a curve's nearest point is looked for
    const xs = [...new Set(options.curves.flatMap(curve => curve.xs))].sort((a, b) => a - b);
    const where = new Map(xs.map((x, place) => [x, place]));
    const columns = options.curves.map(aligned);
    const whole = [xs[0], xs[xs.length - 1]];
    const positive = columns.every(column => column.values.every(value => value === null || value > 0));
    const log = options.log && positive;
    const tip = el('div', {class: 'tip', role: 'status', hidden: true});
    const frame = el('div', {
        class: 'frame', tabindex: '0', role: 'application', 'aria-roledescription': 'chart', 'aria-label': options.label
    });
    let plot = null;
    let current = null;
    let zoom = null;

    function aligned(curve) {
        const column = {places: new Array(xs.length).fill(null), values: new Array(xs.length).fill(null), low: null, high: null};
        if (curve.low) {
            column.low = new Array(xs.length).fill(null);
            column.high = new Array(xs.length).fill(null);
        }
        curve.xs.forEach((x, place) => {
            const at = where.get(x);
            column.places[at] = place;
            column.values[at] = curve.values[place];
            if (curve.low) {
                column.low[at] = curve.low[place];
                column.high[at] = curve.high[place];
            }
        });
        return column;
    }

    /* ---- scales */

    function xRange(u, min, max) {
        if (min === null) { return [0, 1]; }
        const room = options.kind === 'commits' || options.kind === 'names' ? .5 : (max - min) / 100 || 1;
        return min === max || options.kind !== 'dates' ? [min - room, max + room] : [min, max];
    }

    function yRange(u, min, max) {
        if (min === null) { return [0, 1]; }
        if (log) { return min === max ? [min / 1.5, max * 1.5] : [min / (max / min) ** .06, max * (max / min) ** .06]; }
        const room = (max - min) * .08 || Math.abs(max) * .1 || 1;
        return [min - room, max + room];
    }

    function axes() {
        const look = {
            stroke: colour('text'), font: '12px system-ui, sans-serif', grid: {stroke: colour('grid'), width: 1},
            ticks: {stroke: colour('line'), width: 1}
        };
        const x = {...look, space: 90};
        if (options.kind !== 'dates') {
            x.values = (u, splits) => splits.map(split => Number.isInteger(split) || options.kind === 'numbers' ? options.xText(split) : '');
        }
        if (options.kind === 'names') { x.splits = () => xs; }
        const y = {...look, size: 78, values: (u, splits) => splits.map(split => withUnit(split, options.unit))};
        if (log) {
            y.splits = (u, axis, min, max) => paceline.roundNumbers(min, max);
            y.filter = (u, splits) => splits;
        }
        return [x, y];
    }

    /* ---- what is drawn */

    function lines() {
        const series = [{}];
        const data = [xs];
        const bands = [];
        columns.forEach((column, place) => {
            const curve = options.curves[place];
            series.push({
                stroke: curve.colour, width: 1.5, dash: curve.dash, spanGaps: true,
                points: {fill: curve.colour, size: 5, ...(options.kind === 'names' || options.kind === 'numbers' ? {show: true} : {})}
            });
            data.push(column.values);
            if (column.low) {
                const edge = {stroke: 'transparent', width: 0, spanGaps: true, points: {show: false}};
                series.push(edge, edge);
                data.push(column.high, column.low);
                bands.push({series: [series.length - 2, series.length - 1], fill: curve.colour + '30'});
            }
        });
        return {series, data, bands};
    }

    function line(u, x, stroke, dash) {
        const {ctx, bbox} = u;
        ctx.save();
        ctx.strokeStyle = stroke;
        ctx.lineWidth = devicePixelRatio * 1.5;
        ctx.setLineDash(dash);
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
        ctx.restore();
    }

    function drawMarks(u) {
        const {ctx, bbox} = u;
        ctx.save();
        ctx.beginPath();
        ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
        ctx.clip();
        for (const mark of options.marks || []) {
            const [from, to, at] = [mark.from, mark.to, mark.at].map(x => u.valToPos(x, 'x', true));
            ctx.fillStyle = colour(mark.kind) + '22';
            ctx.fillRect(from, bbox.top, Math.max(to - from, devicePixelRatio), bbox.height);
            line(u, at, colour(mark.kind), [5, 4]);
        }
        ctx.restore();
        drawReleases(u);
    }

    function drawReleases(u) {
        const {ctx, bbox} = u;
        let free = bbox.left;
        ctx.save();
        ctx.font = 11 * devicePixelRatio + 'px system-ui, sans-serif';
        ctx.fillStyle = colour('muted');
        ctx.textAlign = 'left';
        ctx.textBaseline = 'alphabetic';
        for (const [x, name] of options.releases || []) {
            const at = u.valToPos(x, 'x', true);
            if (at >= free && at <= bbox.left + bbox.width) {
                const short = name.length > 14 ? name.slice(0, 13) + '\u2026' : name;
                line(u, at, colour('line'), [2, 3]);
                ctx.fillText(short, at + 3 * devicePixelRatio, bbox.top + 10 * devicePixelRatio);
                free = at + ctx.measureText(short).width + 8 * devicePixelRatio;
            }
        }
        ctx.restore();
    }

    /* ---- the tooltip */

    /* The nearest place from `from` on where a column has a value; -1 if none is near. */
    function nearest(column, from) {
        for (let away = 0; away < NEAR; ++away) {
            for (const at of [from - away, from + away]) {
                if (at >= 0 && at < xs.length && column.values[at] !== null) { return at; }
            }
        }
        return -1;
    }

    function pointAt(left, top) {
        const from = plot.posToIdx(left);
        let best = null;
        columns.forEach((column, curve) => {
            const at = nearest(column, from);
            if (at >= 0) {
                const distance = Math.hypot(plot.valToPos(xs[at], 'x') - left, plot.valToPos(column.values[at], 'y') - top);
                if (!best || distance < best.distance) { best = {curve, at, distance}; }
            }
        });
        return best;
    }

    function point(at) {
        current = at;
        if (!at) {
            tip.hidden = true;
            return;
        }
        const {curve, at: place} = at;
        const left = plot.valToPos(xs[place], 'x');
        const top = plot.valToPos(columns[curve].values[place], 'y');
        tip.replaceChildren(...options.tip(curve, columns[curve].places[place]));
        tip.hidden = false;
        const onRight = left < plot.over.clientWidth / 2;
        tip.style.left = onRight ? left + 14 + 'px' : '';
        tip.style.right = onRight ? '' : plot.over.clientWidth - left + 14 + 'px';
        tip.style.top = Math.max(0, Math.min(top - 20, plot.over.clientHeight - tip.offsetHeight)) + 'px';
    }

    function choose() {
        if (current && options.onChoose) { options.onChoose(current.curve, columns[current.curve].places[current.at]); }
    }

    /* ---- zoom */

    /* A range without what is beyond the values; null for all of them. */
    function within(range) {
        const found = range && [Math.max(range[0], whole[0]), Math.min(range[1], whole[1])];
        return found && found[0] < found[1] && (found[0] > whole[0] || found[1] < whole[1]) ? found : null;
    }

    function show(range) {
        zoom = within(range);
        const [min, max] = zoom || whole;
        plot.setScale('x', {min, max});
        if (options.onRange) { options.onRange(zoom); }
    }

    function zoomBy(factor) {
        const [min, max] = zoom || whole;
        const middle = current ? xs[current.at] : (min + max) / 2;
        const least = 2 * (whole[1] - whole[0]) / xs.length;
        if (factor > 1 || max - min > least) { show([middle - (middle - min) * factor, middle + (max - middle) * factor]); }
    }

    function pan(share) {
        const [min, max] = zoom || whole;
        const by = Math.max(whole[0] - min, Math.min(whole[1] - max, share * (max - min)));
        show([min + by, max + by]);
    }

    /* Moves the tooltip to the next value of its curve, within what is shown. */
    function step(by) {
        const [min, max] = zoom || whole;
        const curve = current ? current.curve : 0;
        let at = current ? current.at + by : xs.findIndex(x => x >= min);
        while (at >= 0 && at < xs.length && columns[curve].values[at] === null) { at += by; }
        if (at < 0 || at >= xs.length) { return; }
        if (xs[at] < min || xs[at] > max) { pan(by * .5); }
        mark({curve, at});
    }

    function mark(at) {
        plot.setCursor({left: plot.valToPos(xs[at.at], 'x'), top: plot.valToPos(columns[at.curve].values[at.at], 'y')}, false);
        point(at);
    }

    function switchCurve(by) {
        const count = columns.length;
        const curve = ((current ? current.curve : 0) + by + count) % count;
        const at = nearest(columns[curve], current ? current.at : 0);
        if (at >= 0) { mark({curve, at}); }
    }

    const KEYS = {
        ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => switchCurve(-1), ArrowDown: () => switchCurve(1),
        '+': () => zoomBy(.5), '=': () => zoomBy(.5), '-': () => zoomBy(2), PageUp: () => pan(-.5), PageDown: () => pan(.5),
        Home: () => show(null), Enter: choose, Escape: () => point(null)
    };
    frame.addEventListener('keydown', event => {
        if (event.key in KEYS && !event.ctrlKey && !event.metaKey && !event.altKey) {
            event.preventDefault();
            KEYS[event.key]();
        }
    });
    frame.addEventListener('focusout', () => point(null));

    /* ---- the plot itself */

    function build() {
        if (plot) { plot.destroy(); }
        const {series, data, bands} = lines();
        plot = new uPlot({
            width: frame.clientWidth || box.clientWidth, height: options.height || 360, legend: {show: false}, series, bands, axes: axes(),
            scales: {x: {time: options.kind === 'dates', range: xRange}, y: {distr: log ? 3 : 1, range: yRange}},
            tzDate: seconds => uPlot.tzDate(new Date(1000 * seconds), 'Etc/UTC'),
            cursor: {drag: {x: true, y: false, setScale: false}, points: {show: false}, y: false},
            hooks: {
                drawAxes: [drawMarks],
                setCursor: [u => { if (u.cursor.event) { point(u.cursor.left < 0 ? null : pointAt(u.cursor.left, u.cursor.top)); } }],
                setSelect: [u => {
                    if (u.select.width > 5) { show([u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x')]); }
                    u.setSelect({left: 0, top: 0, width: 0, height: 0}, false);
                }]
            }
        }, data, frame);
        plot.over.append(tip);
        plot.over.addEventListener('click', choose);
        plot.over.addEventListener('dblclick', () => show(null));
        if (zoom) { plot.setScale('x', {min: zoom[0], max: zoom[1]}); }
    }

    const button = (text, name, act) => el('button', {type: 'button', class: 'small', 'aria-label': name, title: name, onclick: act}, text);
    box.replaceChildren(frame, el('div', {class: 'zoom'},
        button('\u25c0', 'Earlier', () => pan(-.5)), button('\u25b6', 'Later', () => pan(.5)), button('+', 'Zoom in', () => zoomBy(.5)),
        button('\u2212', 'Zoom out', () => zoomBy(2)), button('All', 'Show all', () => show(null)),
        el('span', {class: 'note'}, 'Drag to zoom, double-click to show all. Keys: arrows, +, \u2212, Home, Enter.')));
    zoom = within(options.range || null);
    build();
    new ResizeObserver(() => { if (frame.clientWidth) { plot.setSize({width: frame.clientWidth, height: options.height || 360}); } }).observe(frame);
    return {build, isLogarithmic: log};
};
