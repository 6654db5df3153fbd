'use strict';

/* Functions that our pages share. Text is inserted as text only, never by innerHTML. */
window.paceline = (function () {
    /* el('p', {class: 'note'}, 'text', node, ...) */
    function el(name, attributes) {
        var node = document.createElement(name);
        Object.keys(attributes || {}).forEach(function (key) {
            if (key.slice(0, 2) === 'on') {
                node.addEventListener(key.slice(2), attributes[key]);
            } else if (attributes[key] !== null && attributes[key] !== false) {
                node.setAttribute(key, attributes[key] === true ? '' : attributes[key]);
            }
        });
        Array.prototype.slice.call(arguments, 2).forEach(function (child) {
            if (child !== null && child !== undefined) {
                node.append(child);
            }
        });
        return node;
    }

    function three(value) {
        return Number(value.toPrecision(3)).toLocaleString('en', {maximumSignificantDigits: 3, useGrouping: false});
    }

    function scaled(value, units) {
        var unit = units[0];
        units.forEach(function (each) {
            if (Math.abs(value) >= each[1]) {
                unit = each;
            }
        });
        return three(value / unit[1]) + '\u202f' + unit[0];
    }

    var SECONDS = [['ns', 1e-9], ['µs', 1e-6], ['ms', 1e-3], ['s', 1]];
    var BYTES = [['B', 1], ['kB', 1e3], ['MB', 1e6], ['GB', 1e9]];

    function withUnit(value, unit) {
        if (value === null || value === undefined) {
            return 'n/a';
        }
        if (unit === 'seconds') {
            return scaled(value, SECONDS);
        }
        return unit === 'bytes' ? scaled(value, BYTES) : three(value) + (unit && unit !== 'unit' ? '\u202f' + unit : '');
    }

    function day(milliseconds) {
        return new Date(milliseconds).toISOString().slice(0, 10);
    }

    function colour(name) {
        return getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
    }

    /* A box in which a wide table scrolls, with a hint. */
    function region(label, node) {
        var hint = el('p', {class: 'note', hidden: true}, 'Scroll the table sideways for more \u2192');
        var box = el('div', {class: 'scroll', role: 'region', 'aria-label': label, tabindex: '0'}, node);
        new ResizeObserver(function () { hint.hidden = box.scrollWidth <= box.clientWidth; }).observe(box);
        return el('div', {}, hint, box);
    }

    function setColours() {
        Chart.defaults.color = colour('text');
        Chart.defaults.borderColor = colour('line');
    }
    Chart.defaults.animation = false;
    Chart.defaults.maintainAspectRatio = false;
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    setColours();

    /* Calls draw() now, and again when the reader switches between light and dark. */
    function inColours(draw) {
        draw();
        window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', function () {
            setColours();
            draw();
        });
    }

    window.pacelineData = function (data) {
        var content = document.getElementById('content');
        content.replaceChildren();
        window.pacelinePage(data, content);
    };
    return {el: el, withUnit: withUnit, three: three, day: day, colour: colour, region: region, inColours: inColours};
})();
