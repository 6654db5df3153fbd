'use strict';

/* Draws a series that was written as letters, one level each; blanks are gaps. `mark` is the place of a change. */
paceline.sparkline = (letters, mark, kind) => {
    const LEVELS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    const HEIGHT = 30;
    const {svg} = paceline;
    const scale = (HEIGHT - 4) / (LEVELS.length - 1);
    const points = Array.from(letters, (letter, x) => [x, letter])
        .filter(([, letter]) => letter !== ' ')
        .map(([x, letter]) => (4 * x + 2) + ',' + (HEIGHT - 2 - scale * LEVELS.indexOf(letter)).toFixed(1));
    const line = points.length > 1 ? svg('polyline', {points: points.join(' ')})
        : svg('circle', {cx: points[0].split(',')[0], cy: points[0].split(',')[1], r: 2});
    return svg('svg', {class: 'spark', viewBox: '0 0 ' + 4 * letters.length + ' ' + HEIGHT, preserveAspectRatio: 'none', 'aria-hidden': 'true'},
        mark === null ? null : svg('line', {class: kind, x1: 4 * mark, x2: 4 * mark, y1: 0, y2: HEIGHT}),
        line);
};
