'use strict';

window.pacelinePage = function (data, content) {
    var el = paceline.el;
    if (!data.families.length) {
        content.append(el('p', {}, 'Nothing to compare yet: no two benchmarks differ only in a parameter.'));
        return;
    }

    /* The reader's choice, stored in the address so that it can be shared. */
    var asked = new URLSearchParams(location.hash.slice(1));
    var state = {};
    var chart = null;
    var controls = el('form', {class: 'controls', 'aria-label': 'What to compare'});
    controls.addEventListener('submit', function (event) { event.preventDefault(); });
    var canvas = el('canvas', {role: 'img'});
    var box = el('div', {class: 'chart'}, canvas);
    var results = el('div', {'aria-live': 'polite'});
    content.append(controls, box, results);

    function family() {
        return data.families[state.family];
    }

    function unique(values) {
        return Array.from(new Set(values));
    }

    function choose(list, wanted, fallback) {
        var place = list.indexOf(wanted);
        return place < 0 ? fallback : place;
    }

    /* A value of an axis; if the newest run lacks it, with the last commit that has it. */
    function labelled(each, place) {
        var axis = family().axes[place === undefined ? state.by : place];
        return Object.hasOwn(axis.last, each) ? each + ' (last at ' + axis.last[each] + ')' : each;
    }

    function select(id, label, values, chosen, change) {
        var node = el('select', {id: id, title: values[chosen], onchange: function () { change(node.selectedIndex); update(); }});
        values.forEach(function (value, index) {
            node.append(el('option', {value: index, selected: index === chosen}, value));
        });
        return el('div', {}, el('label', {for: id}, label), node);
    }

    function start() {
        var names = data.families.map(function (each) { return each.name; });
        state.family = choose(names, asked.get('benchmark'), data.first);
        setFamily();
    }

    function setFamily() {
        var axes = family().axes.map(function (each) { return each.name; });
        state.by = choose(axes, asked.get('by'), family().by);
        state.log = asked.get('scale') !== 'linear';
        setAxis();
    }

    function setAxis() {
        state.at = family().axes.map(function (axis) { return choose(axis.values, asked.get('at-' + axis.name), 0); });
        state.where = choose(wheres(), asked.get('on'), 0);
        keepSomething();
        state.base = choose(contenders().map(value), asked.get('base'), -1);
        if (state.base < 0) {
            state.base = slowest();
        }
    }

    function wheres() {
        return unique(family().rows.map(function (row) { return row.where; })).sort();
    }

    /* Rows of the chosen machine and engine; with `at`, only those at the chosen values of the other axes. */
    function rows(at) {
        var where = wheres()[state.where];
        return family().rows.filter(function (row) {
            return row.where === where && (!at || row.at.every(function (each, place) {
                return place === state.by || each === at[place];
            }));
        });
    }

    function chosen() {
        return family().axes.map(function (axis, place) { return axis.values[state.at[place]]; });
    }

    /* If there is no row for the chosen values, choose values that have one. */
    function keepSomething() {
        if (!rows(chosen()).length) {
            var all = rows();
            var kept = all.find(function (row) {
                return row.at.some(function (each, place) { return place !== state.by && each === chosen()[place]; });
            }) || all[0];
            state.at = family().axes.map(function (axis, place) { return axis.values.indexOf(kept.at[place]); });
        }
    }

    function contenders() {
        var order = family().axes[state.by].values;
        return rows(chosen()).sort(function (a, b) {
            return order.indexOf(a.at[state.by]) - order.indexOf(b.at[state.by]);
        });
    }

    function value(row) {
        return row.at[state.by];
    }

    function label(row) {
        return labelled(value(row));
    }

    function slowest() {
        var all = contenders();
        return all.reduce(function (best, row, index) { return row.value > all[best].value ? index : best; }, 0);
    }

    function drawControls() {
        var focused = document.activeElement && document.activeElement.id;
        controls.replaceChildren(
            select('benchmark', 'Benchmark', data.families.map(function (each) { return each.name; }), state.family,
                function (index) { state.family = index; asked = new URLSearchParams(); setFamily(); }),
            select('on', 'Machine and engine', wheres(), state.where, function (index) { state.where = index; keepSomething(); state.base = slowest(); }),
            select('by', 'Compare by', family().axes.map(function (axis) { return axis.name; }), state.by,
                function (index) { state.by = index; keepSomething(); state.base = slowest(); })
        );
        family().axes.forEach(function (axis, place) {
            if (place !== state.by) {
                var values = axis.values.map(function (each) { return labelled(each, place); });
                controls.append(select('at-' + place, axis.name, values, state.at[place], function (index) {
                    var before = value(contenders()[state.base]);
                    state.at[place] = index;
                    keepSomething();
                    state.base = choose(contenders().map(value), before, -1);
                    if (state.base < 0) { state.base = slowest(); }
                }));
            }
        });
        controls.append(select('base', 'Baseline', contenders().map(label), state.base, function (index) { state.base = index; }));
        var box = el('input', {type: 'checkbox', id: 'log', checked: state.log, onchange: function () { state.log = box.checked; update(); }});
        controls.append(el('label', {class: 'check', for: 'log'}, box, ' Logarithmic scale'));
        if (focused && document.getElementById(focused)) {
            document.getElementById(focused).focus();
        }
    }

    function ratio(row, base) {
        if (row === base) {
            return 'baseline';
        }
        if (!(row.value > 0) || !(base.value > 0)) {
            return 'n/a';
        }
        if (family().unit === 'seconds') {
            return paceline.three(base.value / row.value) + '\u00d7 as fast';
        }
        return paceline.three(row.value / base.value) + '\u00d7 as much';
    }

    /* The label of a row in the chart; a long name is shortened on a narrow screen. */
    function lines(row) {
        var most = Math.max(12, Math.floor(box.clientWidth / 20));
        var name = value(row);
        var last = family().axes[state.by].last[name];
        var short = name.length > most ? name.slice(0, most - 1) + '\u2026' : name;
        return last === undefined ? short : [short, 'last at ' + last];
    }

    /* Empty if the quartiles of the two overlap. */
    function verdict(row, base) {
        if (row.low === null || base.low === null) {
            return '';
        }
        return row.high < base.low ? ' faster' : row.low > base.high ? ' slower' : '';
    }

    /* Round numbers between two positive ones: powers of ten, with numbers in between until there are three. */
    function roundNumbers(low, high) {
        var found = [];
        [[1], [1, 2, 5], [1, 2, 3, 5, 7], [1, 2, 3, 4, 5, 6, 7, 8, 9]].some(function (steps) {
            found = [];
            for (var power = Math.floor(Math.log10(low)); power <= Math.log10(high); ++power) {
                steps.forEach(function (step) {
                    var number = Number(step + 'e' + power);
                    if (number >= low && number <= high) { found.push(number); }
                });
            }
            return found.length > 2;
        });
        return found;
    }

    function drawChart() {
        var all = contenders();
        var unit = family().unit;
        var logarithmic = state.log && all.every(function (row) { return row.value > 0; });
        box.style.height = (90 + 38 * all.length) + 'px';
        canvas.setAttribute('aria-label', 'Median and quartiles of ' + all.length + ' by ' +
            family().axes[state.by].name + '; the table below lists the values');
        if (chart) {
            chart.destroy();
        }
        var lows = all.map(function (row) { return row.low === null ? row.value : row.low; });
        var highs = all.map(function (row) { return row.high === null ? row.value : row.high; });
        var scale = {
            type: logarithmic ? 'logarithmic' : 'linear',
            title: {display: true, text: 'median and quartiles, less is better'},
            ticks: {
                maxRotation: 0,
                autoSkipPadding: 16,
                callback: function (tick) { return paceline.withUnit(tick, unit); }
            }
        };
        if (logarithmic) {
            scale.min = Math.min.apply(null, lows) / 1.5;
            scale.max = Math.max.apply(null, highs) * 1.5;
            scale.afterBuildTicks = function (axis) {
                axis.ticks = roundNumbers(axis.min, axis.max).map(function (number) { return {value: number}; });
            };
        } else {
            scale.min = 0;
        }
        chart = new Chart(canvas, {
            data: {
                labels: all.map(label),
                datasets: [
                    {
                        type: 'scatter', label: 'median', pointRadius: 6, pointHoverRadius: 8,
                        data: all.map(function (row) { return {x: row.value, y: label(row)}; }),
                        backgroundColor: paceline.colour('series')
                    },
                    {
                        type: 'bar', label: 'quartiles', indexAxis: 'y', barThickness: 14,
                        data: all.map(function (row, index) { return [lows[index], highs[index]]; }),
                        backgroundColor: paceline.colour('range')
                    }
                ]
            },
            options: {
                indexAxis: 'y',
                scales: {x: scale, y: {
                    type: 'category', labels: all.map(label), offset: true, grid: {display: false},
                    ticks: {autoSkip: false, callback: function (place) { return lines(all[place]); }}
                }},
                plugins: {
                    legend: {display: false},
                    tooltip: {callbacks: {
                        title: function (items) { return label(all[items[0].dataIndex]); },
                        label: function (item) {
                            var row = all[item.dataIndex];
                            return item.dataset.label === 'median'
                                ? paceline.withUnit(row.value, unit) + ', ' + ratio(row, all[state.base])
                                : 'quartiles ' + paceline.withUnit(row.low, unit) + ' to ' + paceline.withUnit(row.high, unit);
                        }
                    }}
                }
            }
        });
    }

    function drawTable() {
        var all = contenders();
        var base = all[state.base];
        var unit = family().unit;
        var head = [family().axes[state.by].name, 'Median', 'Compared with the baseline', 'Lower quartile', 'Upper quartile', 'Measured at'];
        var table = el('table', {id: 'figures'},
            el('caption', {}, family().name + ' on ' + wheres()[state.where]),
            el('thead', {}, el('tr', {}, ...head.map(function (text, index) {
                return el('th', {scope: 'col', class: index > 0 && index < 5 ? 'number' : null}, text);
            }))));
        var body = el('tbody');
        all.forEach(function (row) {
            body.append(el('tr', {class: row === base ? 'baseline' : null},
                el('th', {scope: 'row'}, value(row)),
                el('td', {class: 'number', 'data-value': row.value}, paceline.withUnit(row.value, unit)),
                el('td', {class: 'number' + verdict(row, base), 'data-value': base.value / row.value}, ratio(row, base)),
                el('td', {class: 'number', 'data-value': row.low}, paceline.withUnit(row.low, unit)),
                el('td', {class: 'number', 'data-value': row.high}, paceline.withUnit(row.high, unit)),
                el('td', {}, el('code', {}, row.commit.slice(0, 10)), ' ' + paceline.day(row.date))));
        });
        table.append(body);
        results.replaceChildren(paceline.region('Figures', table), el('p', {class: 'note'}, 'Each value is from the last' +
            ' run; List shows the level of asv\u2019s last step instead. Ratios are coloured if the quartiles do not' +
            ' overlap.'));
        drawCases(value(base));
    }

    /* All values at once: a row for each combination of the other axes, a column for each value of this one. */
    function drawCases(base) {
        var others = family().axes.map(function (axis, place) { return place; }).filter(function (place) {
            return place !== state.by && family().axes[place].values.length > 1;
        });
        var cases = new Map();
        rows().forEach(function (row) {
            var key = JSON.stringify(others.map(function (place) { return row.at[place]; }));
            if (!cases.has(key)) {
                cases.set(key, new Map());
            }
            cases.get(key).set(value(row), row);
        });
        if (cases.size < 2) {
            return;
        }
        var columns = family().axes[state.by].values.filter(function (each) {
            return Array.from(cases.values()).some(function (row) { return row.has(each); });
        });
        var table = el('table', {id: 'cases'},
            el('caption', {}, 'How many times as fast as ' + base + ', which is shown with its time'),
            el('thead', {}, el('tr', {},
                ...others.map(function (place) { return el('th', {scope: 'col'}, family().axes[place].name); }),
                ...columns.map(function (each) { return el('th', {scope: 'col', class: 'number'}, labelled(each)); }))));
        var body = el('tbody');
        inOrder(Array.from(cases.keys()), others).forEach(function (key) {
            var found = cases.get(key);
            var labels = JSON.parse(key).map(function (each, index) { return labelled(each, others[index]); });
            var zero = found.get(base);
            body.append(el('tr', {},
                ...labels.map(function (text, index) {
                    return el(index === labels.length - 1 ? 'th' : 'td', index === labels.length - 1 ? {scope: 'row'} : {}, text);
                }),
                ...columns.map(function (each) {
                    var row = found.get(each);
                    var text = !row ? '' : row === zero || !zero ? paceline.withUnit(row.value, family().unit)
                        : paceline.three(zero.value / row.value) + '\u00d7';
                    return el('td', {class: 'number' + (row && zero ? verdict(row, zero) : '')}, text);
                })));
        });
        table.append(body);
        results.append(el('h2', {}, 'All combinations'), paceline.region('All combinations', table));
    }

    /* Combinations in the order of the values on each of their axes. */
    function inOrder(keys, axes) {
        function places(key) {
            return JSON.parse(key).map(function (each, index) { return family().axes[axes[index]].values.indexOf(each); });
        }
        return keys.sort(function (a, b) {
            var other = places(b);
            return places(a).reduce(function (found, place, index) { return found || place - other[index]; }, 0);
        });
    }

    function remember() {
        var now = new URLSearchParams();
        now.set('benchmark', family().name);
        now.set('on', wheres()[state.where]);
        now.set('by', family().axes[state.by].name);
        family().axes.forEach(function (axis, place) {
            if (place !== state.by) {
                now.set('at-' + axis.name, axis.values[state.at[place]]);
            }
        });
        now.set('base', value(contenders()[state.base]));
        now.set('scale', state.log ? 'log' : 'linear');
        history.replaceState(null, '', '#' + now);
    }

    function update() {
        drawControls();
        drawChart();
        drawTable();
        remember();
    }

    start();
    paceline.inColours(update);
};
