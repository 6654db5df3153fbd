"""Draws the answer as a chart: how many times as fast as the baseline each contender is, on a log scale.

An SVG that needs nothing else. It brings its own background, so that it can be read wherever it is shown, and follows
the reader's preference for light or dark.
"""

from __future__ import annotations

import math
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import catalog, summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.summary import Result

WIDTH, ROW, TOP, MARGIN = 800, 24, 92, 20
LEFT, RIGHT = 240, 650  #: where the scale begins and ends

#: By light and dark: the page, its text, text that steps back, lines, and a colour for each kind of approach.
LIGHT = ("#ffffff", "#1f2328", "#59636e", "#d1d9e0", "#1f6feb", "#bc4c00")
DARK = ("#0d1117", "#f0f6fc", "#9198a1", "#3d444d", "#4493f8", "#f0883e")
VARIABLES = ("page", "text", "quiet", "line", "own", "other")

STYLE = """
svg {{ {light} }}
@media (prefers-color-scheme: dark) {{ svg {{ {dark} }} }}
text {{
  font: 14px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif;
  fill: var(--text); stroke: var(--page); stroke-width: 4px; stroke-linejoin: round; paint-order: stroke;
}}
.title {{ font-size: 17px; font-weight: 600 }}
.quiet {{ font-size: 12px; fill: var(--quiet) }}
.page {{ fill: var(--page); stroke: var(--line) }}
.grid {{ stroke: var(--line) }}
.own {{ fill: var(--own) }}
.other {{ fill: var(--other) }}""".format(
    **{
        name: " ".join(f"--{variable}: {colour};" for variable, colour in zip(VARIABLES, colours, strict=True))
        for name, colours in (("light", LIGHT), ("dark", DARK))
    }
)


class Scale(NamedTuple):
    """A log scale of ratios between two powers of ten, ``10**low`` and ``10**high``."""

    low: int
    high: int

    @classmethod
    def around(cls, ratios: Iterable[float]) -> Scale:
        """Return the scale that holds 1 and all ``ratios``, which are positive."""
        exponents = [0.0, *map(math.log10, ratios)]
        return cls(math.floor(min(exponents)), max(1, math.ceil(max(exponents))))

    def x(self, ratio: float) -> float:
        """Return where ``ratio`` is on the picture."""
        return LEFT + (RIGHT - LEFT) * (math.log10(ratio) - self.low) / (self.high - self.low)


def draw(results: Iterable[Result]) -> str:
    """Return the SVG of the first workload at its largest size that was timed; raises ``ValueError`` if none was."""
    timed = [row for row in summary.in_order(results) if row.seconds is not None]
    if not timed:
        raise ValueError("no benchmark was timed: there is nothing to draw")
    workload = timed[0].workload
    size = [row.size for row in timed if row.workload == workload][-1]
    rows = summary.by_approach(workload, [row for row in timed if (row.workload, row.size) == (workload, size)])
    (baseline,) = [row for row in rows if row.contender == catalog.problem_module(workload).BASELINES[0]] or rows[:1]
    ratios = {row.contender: summary.seconds_of(baseline) / summary.seconds_of(row) for row in rows}
    return "\n".join(_picture(rows, ratios, baseline, f"{workload}, {size}: {catalog.make(workload, size)}"))


def _picture(rows: list[Result], ratios: dict[str, float], baseline: Result, what: str) -> Iterator[str]:
    """Yield the lines of the picture."""
    scale = Scale.around(ratios.values())
    approaches = [(name, list(of_approach)) for name, of_approach in groupby(rows, key=lambda row: row.approach)]
    bottom = TOP + ROW * (len(rows) + len(approaches))
    height = bottom + 2 * MARGIN
    title = f"How many times as fast as {baseline.contender}?"
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
    yield f"<title>{escape(title)} {escape(what)}</title>"
    yield f"<style>{STYLE}\n</style>"
    yield f'<rect class="page" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>'
    yield _text(MARGIN, 34, title, "title")
    yield _text(MARGIN, 56, f"{what}; log scale, longer is faster; the time of one run at the right", "quiet")
    yield from _grid(scale, bottom)
    y = TOP
    for number, (approach, of_approach) in enumerate(approaches):
        kind = "other" if number else "own"
        yield _text(MARGIN, y + 16, approach, kind)
        for at, row in enumerate(of_approach, 1):
            yield from _bar(scale, y + ROW * at, row, ratios[row.contender], kind)
        y += ROW * (1 + len(of_approach))
    if any(row.label.endswith("*") for row in rows):
        yield _text(MARGIN, bottom + 24, "* computes in float32", "quiet")
    yield "</svg>\n"


def _grid(scale: Scale, bottom: int) -> Iterator[str]:
    """Yield a line and its label for each power of ten."""
    for exponent in range(scale.low, scale.high + 1):
        x = scale.x(10.0**exponent)
        yield f'<path class="grid" d="M{x:.1f} {TOP}V{bottom}"/>'
        yield _text(x, TOP - 8, f"{10.0**exponent:,.{max(0, -exponent)}f}x", "quiet", "middle")


def _bar(scale: Scale, y: int, row: Result, ratio: float, kind: str) -> Iterator[str]:
    """Yield one contender's name, its bar from 1x, its ratio and its time."""
    one, end = scale.x(1), scale.x(ratio)
    length = max(2, abs(end - one))
    yield _text(LEFT - 10, y + 16, row.label, anchor="end")
    yield f'<rect class="{kind}" x="{min(one, end):.1f}" y="{y + 4}" width="{length:.1f}" height="16"/>'
    yield _text(max(one, end) + 6, y + 16, summary.ratio(ratio))
    yield _text(WIDTH - MARGIN, y + 16, summary.duration(summary.seconds_of(row)), "quiet", "end")


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
