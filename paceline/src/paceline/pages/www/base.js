'use strict';

/* What all pages share: data, elements, formats and colours. Text is inserted as text only, never as HTML. */
window.paceline = (() => {
    /* ---- elements */

    /* el('p', {class: 'note', onclick: f}, 'text', node, ...) */
    function el(name, attributes, ...children) {
        return filled(document.createElement(name), attributes, children);
    }

    function svg(name, attributes, ...children) {
        return filled(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
    }

    function filled(node, attributes, children) {
        for (const [key, value] of Object.entries(attributes || {})) {
            if (key.startsWith('on')) {
                node.addEventListener(key.slice(2), value);
            } else if (value !== null && value !== undefined && value !== false) {
                node.setAttribute(key, value === true ? '' : value);
            }
        }
        node.append(...children.filter(child => child !== null && child !== undefined));
        return node;
    }

    /* A name that may break after a dot or an underscore. */
    function name(text) {
        return el('span', {}, ...text.split(/(?<=[._:/([])/).flatMap(part => [part, el('wbr')]));
    }

    /* A box in which a wide table scrolls, with a hint. */
    function region(label, node) {
        const hint = el('p', {class: 'note', hidden: true}, 'Scroll the table sideways for more \u2192');
        const box = el('div', {class: 'scroll', role: 'region', 'aria-label': label, tabindex: '0'}, node);
        new ResizeObserver(() => { hint.hidden = box.scrollWidth <= box.clientWidth; }).observe(box);
        return el('div', {}, hint, box);
    }

    /* A labelled list to choose from; `options` are [value, text]. */
    function choice(id, label, options, chosen, change) {
        const node = el('select', {id: id, onchange: () => change(node.value)},
            ...options.map(([value, text]) => el('option', {value: value, selected: value === chosen}, text)));
        return el('div', {}, el('label', {for: id}, label), node);
    }

    function check(id, label, checked, change) {
        const node = el('input', {type: 'checkbox', id: id, checked: checked, onchange: () => change(node.checked)});
        return el('label', {class: 'check', for: id}, node, ' ' + label);
    }

    /* Replaces the controls, and keeps the focus where it was. */
    function renew(box, ...nodes) {
        const focused = box.contains(document.activeElement) && document.activeElement.id;
        box.replaceChildren(...nodes);
        if (focused && document.getElementById(focused)) {
            document.getElementById(focused).focus();
        }
    }

    /* ---- data: each file is a script that hands itself over, as a page from disk cannot fetch */

    const waiting = new Map();
    const loaded = new Map();

    window.pacelineData = (name, packed) => waiting.get(name)(unpacked(packed));

    async function unpacked(packed) {
        const bytes = Uint8Array.from(atob(packed), letter => letter.charCodeAt(0));
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
        return JSON.parse(await new Response(stream).text());
    }

    /* Promises the data of a file. */
    function load(name) {
        if (!loaded.has(name)) {
            loaded.set(name, new Promise((resolve, reject) => {
                waiting.set(name, resolve);
                const script = el('script', {src: 'data/' + name + '.js'});
                script.onerror = () => reject(new Error('data/' + name + '.js cannot be loaded'));
                document.head.append(script);
            }));
        }
        return loaded.get(name);
    }

    /* The numbers of which these are the first and the differences. */
    function summed(differences) {
        let sum = 0;
        return differences.map(each => (sum += each));
    }

    /* Promises all commits: hash, date (in seconds) by position; the position of each run's commit; releases. */
    let commits = null;
    function loadCommits() {
        commits = commits || load('runs').then(data => ({
            hash: position => data.commits.slice(40 * position, 40 * position + 40),
            position: hash => data.commits.indexOf(hash) / 40,
            dates: summed(data.dates),
            runs: summed(data.runs),
            releases: data.releases
        }));
        return commits;
    }

    /* Promises the subjects of commits and the packages of runs. */
    let details = null;
    function loadDetails() {
        details = details || load('details').then(data => {
            const runs = summed(data.runs);
            return {subjects: data.subjects, packages: run => data.packages[runs[run]]};
        });
        return details;
    }

    /* ---- the address holds what the reader chose, so that it can be sent on */

    function asked() {
        return new URLSearchParams(location.hash.slice(1));
    }

    function remember(entries) {
        const now = new URLSearchParams();
        for (const [name, value] of Object.entries(entries)) {
            if (value !== null && value !== undefined && value !== '' && value !== false) {
                now.set(name, value);
            }
        }
        history.replaceState(null, '', location.pathname + location.search + (String(now) && '#' + now));
    }

    function benchmarkAddress(name, more) {
        return 'benchmark.html#' + new URLSearchParams({benchmark: name, ...more});
    }

    /* ---- formats */

    function three(value) {
        return Number(value.toPrecision(3)).toLocaleString('en', {maximumSignificantDigits: 3, useGrouping: false});
    }

    /* Round numbers between two positive ones, at least three, for a logarithmic axis. */
    function roundNumbers(low, high) {
        for (const steps of [[1], [1, 2, 5], [1, 2, 3, 5, 7], [1, 2, 3, 4, 5, 6, 7, 8, 9]]) {
            const found = [];
            for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); ++power) {
                found.push(...steps.map(step => Number(step + 'e' + power)).filter(each => each >= low && each <= high));
            }
            if (found.length > 2) { return found; }
        }
        return Array.from({length: 5}, (_, place) => low * (high / low) ** (place / 4));
    }

    const UNITS = {
        seconds: [['ns', 1e-9], ['\u00b5s', 1e-6], ['ms', 1e-3], ['s', 1]],
        bytes: [['B', 1], ['kB', 1e3], ['MB', 1e6], ['GB', 1e9]]
    };

    function withUnit(value, unit) {
        if (value === null || value === undefined) {
            return 'n/a';
        }
        const scales = UNITS[unit];
        if (!scales) {
            return three(value) + (unit && unit !== 'unit' ? '\u202f' + unit : '');
        }
        const [prefixed, size] = scales.findLast(each => Math.abs(value) >= each[1]) || scales[0];
        return three(value / size) + '\u202f' + prefixed;
    }

    function day(milliseconds) {
        return new Date(milliseconds).toISOString().slice(0, 10);
    }

    /* A ratio in percent, or as a factor if it is more than two. */
    function change(ratio) {
        if (ratio > 2) {
            return three(ratio) + '\u00d7';
        }
        const value = 100 * (ratio - 1);
        return (value > 0 ? '+' : value < 0 ? '\u2212' : '') + three(Math.abs(value)) + '\u202f%';
    }

    function count(number, what) {
        return number.toLocaleString('en') + ' ' + what + (number === 1 ? '' : 's');
    }

    /* ---- commits */

    let commitUrl = '';

    function commitLink(hash) {
        const short = el('code', {}, hash.slice(0, 8));
        return commitUrl ? el('a', {href: commitUrl + hash, rel: 'noopener'}, short) : short;
    }

    /* A command with a button that copies it. */
    function command(text, ...more) {
        const copy = el('button', {type: 'button', class: 'small', onclick: () => {
            navigator.clipboard.writeText(text).then(() => { copy.textContent = 'Copied'; }, () => {
                getSelection().selectAllChildren(copy.previousElementSibling);
            });
        }}, 'Copy');
        return el('span', {class: 'log'}, el('code', {}, text), ' ', copy, ...more);
    }

    /* The command that lists the commits of a range, with a link where the host has such a page. */
    function logOf(before, last) {
        const base = commitUrl.replace(/commit\/$/, 'compare/');
        const link = base === commitUrl ? null
            : el('a', {href: base + before + '...' + last, rel: 'noopener'}, 'Commits');
        return command('git log --oneline ' + before.slice(0, 10) + '..' + last.slice(0, 10), link && ' ', link);
    }

    function difference([name, before, after]) {
        return name + ' ' + (before || 'none') + ' \u2192 ' + (after || 'none');
    }

    /* ---- colours */

    const dark = window.matchMedia('(prefers-color-scheme: dark)');

    function colour(name) {
        return getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
    }

    /* Calls draw() when the reader switches between light and dark. */
    function onColours(draw) {
        dark.addEventListener('change', draw);
    }

    /* ---- the page */

    const content = document.getElementById('content');

    /* Calls draw(content, suite, ...data) when these files are there. */
    function page(names, draw) {
        Promise.all([load('suite'), ...names.map(name => load(name))]).then(([suite, ...data]) => {
            commitUrl = suite.commitUrl;
            content.replaceChildren();
            return draw(content, suite, ...data);
        }).catch(error => {
            content.replaceChildren(el('p', {role: 'alert'}, 'This page cannot be shown: ' + error.message));
            throw error;
        });
    }

    document.getElementById('skip').addEventListener('click', () => document.getElementById('main').focus());

    return {el, svg, name, region, choice, check, renew, load, loadCommits, loadDetails, asked, remember, benchmarkAddress,
        three, roundNumbers, withUnit, day, change, count, commitLink, command, logOf, difference, colour, onColours, page};
})();
