'use strict';

window.pacelinePage = function (data, content) {
    var el = paceline.el;

    function percent(ratio) {
        var value = 100 * (ratio - 1);
        return (value > 0 ? '+' : value < 0 ? '\u2212' : '') + paceline.three(Math.abs(value)) + '\u202f%';
    }

    function bound(ratio, none) {
        return ratio === null ? none : percent(ratio);
    }

    function isSlower(finding) {
        return finding.kind.indexOf('slower') >= 0;
    }

    function link(commit) {
        var short = el('code', {}, commit.slice(0, 10));
        return data.commit_url === '#' ? short
            : el('a', {href: data.commit_url + commit, rel: 'noopener'}, short);
    }

    function joined(nodes) {
        var span = el('span');
        nodes.forEach(function (node, index) {
            span.append(index ? ', ' : '', node);
        });
        return span;
    }

    function changed(each) {
        return el('span', {}, each.name + ' ' + (each.before || 'none') + ' \u2192 ' + (each.after || 'none'));
    }

    /* With one machine, the size is that of the whole change. */
    function sizeOn(finding, machine) {
        var ratio = (finding.evidence.machines[machine] || {}).ratio;
        return finding.machines.length > 1 && ratio ? ' ' + percent(ratio) : '';
    }

    function others(finding) {
        var machines = finding.evidence.machines;
        return Object.keys(machines).filter(function (machine) {
            return finding.machines.indexOf(machine) < 0;
        }).map(function (machine) { return machine + ': ' + machines[machine].verdict; });
    }

    function facts(finding) {
        var list = el('dl');
        function add(name, value) {
            if (value) {
                list.append(el('dt', {}, name), el('dd', {}, value));
            }
        }
        add('Size', percent(finding.ratio) + ' (95\u202f% interval: ' + bound(finding.low, 'no bound') + ' to ' + bound(finding.high, 'no bound') + ')' +
            (finding.state === 'new' && finding.left !== finding.ratio ? ', partly recovered, ' + percent(finding.left) + ' left' : ''));
        add('Suspected commits', finding.commits.length > 12
            ? el('span', {}, joined(finding.commits.slice(0, 12).map(link)), ' and ' + (finding.commits.length - 12) + ' more')
            : joined(finding.commits.map(link)));
        add('Last commit before', link(finding.before));
        add('First commit after', link(finding.after));
        add('Machine', finding.machines.map(function (machine) { return machine + sizeOn(finding, machine); }).join(', '));
        add('Other machines', others(finding).join(', '));
        add('Engine', finding.engine);
        add('Changed packages', finding.dependencies && finding.dependencies.length ? joined(finding.dependencies.map(changed)) : null);
        add('Other changed facts', finding.facts && finding.facts.length ? joined(finding.facts.map(changed)) : null);
        if (finding.accepted) {
            add('Accepted', finding.accepted.date + ': ' + finding.accepted.reason);
        }
        return list;
    }

    function title(finding) {
        var name = finding.benchmark || 'The whole suite';
        return name + (finding.parameters && finding.parameters.length ? '(' + finding.parameters.join(', ') + ')' : '');
    }

    function median(values) {
        var sorted = values.filter(function (value) { return value !== null; }).sort(function (a, b) { return a - b; });
        return sorted.length ? sorted[Math.floor(sorted.length / 2)] : null;
    }

    /* Marks the change by a line between the last point before it and the first after it. */
    var mark = {
        id: 'change',
        afterDatasetsDraw: function (chart, options, settings) {
            var x = chart.scales.x.getPixelForValue(settings.at - .5);
            var context = chart.ctx;
            context.save();
            context.strokeStyle = settings.colour;
            context.lineWidth = 2;
            context.setLineDash([5, 4]);
            context.beginPath();
            context.moveTo(x, chart.chartArea.top);
            context.lineTo(x, chart.chartArea.bottom);
            context.stroke();
            context.restore();
        }
    };

    function draw(canvas, series, finding) {
        if (canvas.chart) {
            canvas.chart.destroy();
        }
        var slower = paceline.colour(isSlower(finding) ? 'slower' : 'faster');
        var before = median(series.values.slice(Math.max(0, series.change - 50), series.change));
        var after = median(series.values.slice(series.change, series.change + 50));
        function level(value, from, to) {
            return {
                label: 'level', data: value === null ? [] : [{x: from, y: value}, {x: to, y: value}],
                borderColor: slower, borderWidth: 2, pointRadius: 0, pointHitRadius: 0
            };
        }
        function points(values) {
            return values.map(function (value, index) { return {x: index, y: value}; });
        }
        canvas.chart = new Chart(canvas, {
            type: 'line',
            data: {datasets: [
                {label: 'upper quartile', data: points(series.high), borderWidth: 0, pointRadius: 0, pointHitRadius: 0,
                    fill: '+1', backgroundColor: paceline.colour('range') + '66'},
                {label: 'lower quartile', data: points(series.low), borderWidth: 0, pointRadius: 0, pointHitRadius: 0},
                {label: 'median', data: points(series.values), borderColor: paceline.colour('series'), borderWidth: 1,
                    backgroundColor: paceline.colour('series'), pointRadius: series.values.length > 150 ? 1 : 2.5},
                level(before, Math.max(0, series.change - 50), series.change - .5),
                level(after, series.change - .5, Math.min(series.values.length - 1, series.change + 49))
            ]},
            options: {
                interaction: {mode: 'nearest', axis: 'x', intersect: false},
                scales: {
                    x: {type: 'linear', min: -.5, max: series.values.length - .5, grid: {display: false},
                        ticks: {maxRotation: 0, autoSkipPadding: 24, callback: function (tick) {
                            return Number.isInteger(tick) && series.dates[tick] !== undefined ? paceline.day(series.dates[tick]) : '';
                        }}},
                    y: {grace: '10%', ticks: {callback: function (tick) { return paceline.withUnit(tick, series.unit); }}}
                },
                plugins: {
                    legend: {display: false},
                    change: {at: series.change, colour: slower},
                    tooltip: {
                        filter: function (item) { return item.dataset.label === 'median'; },
                        callbacks: {
                            title: function (items) {
                                return items.length ? series.commits[items[0].parsed.x] + ', ' + paceline.day(series.dates[items[0].parsed.x]) : '';
                            },
                            label: function (item) { return paceline.withUnit(item.parsed.y, series.unit); }
                        }
                    }
                }
            },
            plugins: [mark]
        });
    }

    /* There may be hundreds of charts, so many are drawn only when they come into view. For printing, all are drawn. */
    var AT_ONCE = 20;
    var waiting = new Set();
    var seen = new IntersectionObserver(function (entries) {
        entries.forEach(function (entry) {
            if (entry.isIntersecting) { drawNow(entry.target); }
        });
    }, {rootMargin: '200px'});

    function drawNow(canvas) {
        if (waiting.delete(canvas)) {
            seen.unobserve(canvas);
            paceline.inColours(function () { draw(canvas, canvas.series, canvas.finding); });
        }
    }

    window.addEventListener('beforeprint', function () { waiting.forEach(drawNow); });

    function table(series) {
        var first = Math.max(0, series.change - 15);
        var last = Math.min(series.values.length, series.change + 15);
        var body = el('tbody');
        for (var index = first; index < last; ++index) {
            body.append(el('tr', {},
                el('th', {scope: 'row'}, el('code', {}, series.commits[index]), index === series.change ? ' (first after the change)' : ''),
                el('td', {}, paceline.day(series.dates[index])),
                el('td', {class: 'number'}, paceline.withUnit(series.values[index], series.unit))));
        }
        return el('details', {}, el('summary', {}, 'Values around the change'),
            paceline.region('Values around the change', el('table', {},
                el('thead', {}, el('tr', {}, el('th', {scope: 'col'}, 'Commit'), el('th', {scope: 'col'}, 'Date'),
                    el('th', {scope: 'col', class: 'number'}, 'Median'))), body)));
    }

    /* The name of the series, without the machine if that is the only one and is named above. */
    function where(finding, series) {
        var only = finding.machines.join(', ');
        return finding.series.length > 1 || series.where.indexOf(only) !== 0 ? series.where
            : series.where.slice(only.length).replace(/^, /, '');
    }

    function show(finding) {
        var article = el('article', {class: 'finding ' + (isSlower(finding) ? 'is-slower' : 'is-faster') + (finding.state === 'accepted' ? ' is-accepted' : ''), id: finding.id},
            el('h3', {}, title(finding)),
            el('p', {}, el('strong', {class: isSlower(finding) ? 'slower' : 'faster'},
                percent(finding.ratio) + (isSlower(finding) ? ', slower' : ', faster')),
                ' since ', link(finding.at), ', ' + finding.date.slice(0, 10)),
            facts(finding));
        finding.series.forEach(function (series) {
            var canvas = el('canvas', {role: 'img', 'aria-label': 'Values on ' + series.where + ' by commit, with the change marked'});
            var box = el('div', {class: 'chart'}, canvas);
            box.style.height = '260px';
            canvas.series = series;
            canvas.finding = finding;
            article.append(el('p', {class: 'note'}, where(finding, series)), box, table(series));
            waiting.add(canvas);
        });
        return article;
    }

    function section(name, findings, none) {
        content.append(el('h2', {}, name + ' (' + findings.length + ')'));
        if (!findings.length) {
            content.append(el('p', {}, none));
        }
        findings.forEach(function (finding) { content.append(show(finding)); });
    }

    function pick(slower, states) {
        return data.findings.filter(function (finding) {
            return isSlower(finding) === slower && states.indexOf(finding.state) >= 0;
        });
    }

    section('New slowdowns', pick(true, ['new']), 'No new slowdowns.');
    section('Accepted slowdowns', pick(true, ['accepted']), 'No slowdown was accepted.');
    section('Improvements', pick(false, ['new', 'accepted']), 'No improvements.');
    section('Recovered or no longer measured', data.findings.filter(function (finding) { return ['recovered', 'gone'].indexOf(finding.state) >= 0; }),
        'No changes.');

    waiting.forEach(waiting.size <= AT_ONCE ? drawNow : function (canvas) { seen.observe(canvas); });

    content.append(el('h2', {}, 'Gates of identical code'));
    if (!data.gates.of) {
        content.append(el('p', {}, 'No gate of identical code was recorded.'));
        return;
    }
    content.append(el('p', {id: 'gates'}, data.gates.red + ' of ' + data.gates.of + ' gates of identical code were red. A red one is a false alarm.'));
    var body = el('tbody');
    data.gates.runs.forEach(function (run) {
        body.append(el('tr', {}, el('th', {scope: 'row'}, run.name), el('td', {class: 'number'}, run.benchmarks),
            el('td', {class: 'number' + (run.red ? ' slower' : '')}, run.red), el('td', {class: 'number'}, run.unsure)));
    });
    content.append(paceline.region('Gates', el('table', {}, el('thead', {}, el('tr', {},
        el('th', {scope: 'col'}, 'Run'), el('th', {scope: 'col', class: 'number'}, 'Benchmarks'),
        el('th', {scope: 'col', class: 'number'}, 'Red'), el('th', {scope: 'col', class: 'number'}, 'Unsure'))), body)));
};
