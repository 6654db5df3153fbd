"""Answers the question after a run: how much faster than pure Python, how much faster than NumPy, and for whom.

A reader compares ratios, so times and ratios stand in one table a workload and size, with bars on a log scale. What
reads the data once is kept apart from what reads it in every epoch: the first is another algorithm, not a faster
backend, and a table that mixes the two teaches the wrong lesson.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import catalog, environment, first_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from benchmarks.time_left import TimeLeft

WIDTH = 80
LABEL_WIDTH = 29
BAR_WIDTH = WIDTH - LABEL_WIDTH - 4 - 3 * 8
SPREAD_WIDTH = 3

#: A run that got less of a core than this, while it timed, shared the machine with other programs.
BUSY = 0.9

#: Bars that are shorter, in columns, say nothing.
SHORTEST = 6

#: Eighths of a column.
PARTS = " ▏▎▍▌▋▊▉"

#: By powers of a thousand.
UNITS = {0: "s", -1: "ms", -2: "us", -3: "ns"}


@dataclass
class Result:
    """What became of one benchmark.

    ``seconds`` is the median of one run, None where none was timed, for the ``reason`` given in one line. ``spread``
    is the interquartile range of the runs as a share of that, None where a single run was timed.
    """

    workload: str
    contender: str
    size: str
    seconds: float | None
    reason: str = ""
    skipped: bool = False
    extra_info: dict[str, Any] = field(default_factory=dict)
    first_call: first_call.FirstCall | None = None
    spread: float | None = None

    @property
    def approach(self) -> str:
        """The heading above the result."""
        return str(self.extra_info.get("approach", ""))

    @property
    def label(self) -> str:
        """The contender's name, starred where it computes in less than double precision."""
        return self.contender + ("*" if self.extra_info.get("dtype") == "float32" else "")


def in_order(results: Iterable[Result]) -> list[Result]:
    """Return ``results`` by workload and by size, small first, in any order of measuring."""
    return sorted(results, key=lambda row: (row.workload, catalog.sizes(row.workload).index(row.size)))


def measure_first_calls(results: list[Result], left: TimeLeft, say: Callable[[str], None]) -> int:
    """Add the first call to one result of every contender that was timed: that of the smallest size.

    Says which is being measured, and returns how many failed. One that fails leaves its reason and no ``first_call``.
    """
    timed: dict[str, Result] = {}
    for result in in_order(results):
        if result.seconds is not None:
            timed.setdefault(f"first call of {result.workload}/{result.contender}", result)
    left.expect_only(timed)
    for number, (name, result) in enumerate(timed.items(), 1):
        say(f"{name}, {result.size} [{number}/{len(timed)}], {left}")
        try:
            result.first_call = first_call.in_fresh_process(result.workload, result.contender, result.size)
        except RuntimeError as error:
            result.reason = str(error)
            say(f"FAILED {error}")
        else:
            result.extra_info["first_call_seconds"] = result.first_call._asdict()
        left.done(name)
    return sum(result.first_call is None for result in timed.values())


def render(results: list[Result], share: float = 1.0) -> Iterator[tuple[str, bool]]:
    """Yield the answer line by line, in at most 80 columns, each with whether it is to stand out.

    ``share`` is how much of a core the run had while it timed.
    """
    for workload, of_workload in groupby(in_order(results), key=lambda result: result.workload):
        rows = list(of_workload)
        for size, of_size in groupby(rows, key=lambda result: result.size):
            yield f"{workload}, {size}: {catalog.make(workload, size)}", True
            yield from _speed(workload, list(of_size), rows)
            yield "", False
        if any(row.first_call for row in rows):
            yield from _first_calls(workload, rows)
            yield "", False
    count = environment.threads()
    threads = f"{count} thread{'s' if count > 1 else ''}"
    yield f"Every contender had {threads}. Times are this machine's; ratios travel better.", False
    if environment.device() == "gpu":
        yield from ((line, False) for line in textwrap.wrap(f"Device: {environment.named_device()}.", WIDTH))
    if share < BUSY:
        yield f"The machine was busy: this run got {share:.0%} of a core, so times are too long", True
        yield "and ratios are rough. Run it again when nothing else runs.", True


def _speed(workload: str, rows: list[Result], of_workload: list[Result]) -> Iterator[tuple[str, bool]]:
    """Yield the table of one workload and size, and what it says in words; other sizes serve to extrapolate from."""
    timed = [row for row in rows if row.seconds is not None]
    if timed:
        yield from _times(workload, timed)
    for row in rows:
        if row.seconds is None:
            head = f"{row.contender:<{LABEL_WIDTH}} {'n/a':>8} "
            text = row.reason + _extrapolated(row, of_workload)
            for line in textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head)):
                yield line, False
    module = catalog.problem_module(workload)
    if timed:
        legend = ", ".join(f"{letter} = {name}" for letter, name in zip("AB", module.BASELINES, strict=True))
        yield f"{legend}; 12x is twelve times as fast", False
        yield "IQR: spread of the middle half of the runs; blank: timed once", False
        if any(row.label.endswith("*") for row in timed):
            yield "* computes in float32", False
    yield from _lesson(timed, module.APPROACH)


def _times(workload: str, timed: list[Result]) -> Iterator[tuple[str, bool]]:
    """Yield the lines with times, by approach."""
    seconds = {row.contender: seconds_of(row) for row in timed}
    baselines = catalog.problem_module(workload).BASELINES
    more = _more_columns(workload, timed)
    width = BAR_WIDTH - SPREAD_WIDTH - 1 - sum(len(header) + 1 for header, _ in more)
    axis = Axis.around(seconds.values(), width if width >= SHORTEST else 0)
    named = ["IQR".rjust(SPREAD_WIDTH), *(f"{name:>8}" for name in ("vs A", "vs B")), *(header for header, _ in more)]
    yield _line("contender", "one run", *named, axis.label), False
    for approach, of_approach in groupby(by_approach(workload, timed), key=lambda row: row.approach):
        yield f"-- {approach}", False
        for row in of_approach:
            took = seconds_of(row)
            ratios = [f"{ratio(seconds[name] / took) if name in seconds else '':>8}" for name in baselines]
            values = [value(row).rjust(len(header)) for header, value in more]
            yield _line(row.label, duration(took), _spread(row), *ratios, *values, axis.bar(took)), False


def by_approach(workload: str, timed: Iterable[Result]) -> list[Result]:
    """Return ``timed`` by approach, that of the workload first, and the slowest first within each."""
    own = catalog.problem_module(workload).APPROACH
    return sorted(timed, key=lambda row: (row.approach != own, row.approach, -seconds_of(row)))


def _spread(row: Result) -> str:
    """Write the spread of a ``row`` in the three columns that it has: ``7%``, ``2x`` for twice the median."""
    if row.spread is None:
        text = ""
    elif row.spread < 0.995:  # noqa: PLR2004 - as many percent as fit
        text = f"{row.spread:.0%}"
    else:
        text = f"{min(row.spread, 99):.0f}x"
    return text.rjust(SPREAD_WIDTH)


def _more_columns(workload: str, timed: list[Result]) -> list[tuple[str, Callable[[Result], str]]]:
    """Return the headers that a workload adds, as wide as their columns, and what to write below them."""
    module = catalog.problem_module(workload)
    columns: list[tuple[str, Callable[[Result], str]]] = []
    if hasattr(module, "UNIT"):
        columns.append(
            (f"{module.UNIT}/s".rjust(10), lambda row: three_digits(row.extra_info["units"] / seconds_of(row)))
        )
    if any("quality" in row.extra_info for row in timed):
        ((name, _),) = next(row.extra_info["quality"] for row in timed if "quality" in row.extra_info).items()
        columns.append((name.rjust(8), lambda row: f"{row.extra_info['quality'][name]:.4f}"))
    return columns


def _extrapolated(row: Result, of_workload: list[Result]) -> str:
    """Say how long a run that was left out would take, judged by the same contender's run of another size."""
    module = catalog.problem_module(row.workload)
    others = [other for other in of_workload if other.contender == row.contender and other.seconds is not None]
    if row.reason != catalog.LeftOut.REASON or not others or not hasattr(module, "work"):
        return ""
    per_operation = seconds_of(others[-1]) / module.work(module.SIZES[others[-1].size])
    estimate = duration(per_operation * module.work(module.SIZES[row.size]))
    return f" (about {estimate}, extrapolated from {others[-1].size})"


def _lesson(timed: list[Result], default: str) -> Iterator[tuple[str, bool]]:
    """Say what the better algorithm gains over the best backend, where the table shows that it does."""
    backend = min((row for row in timed if row.approach == default), key=seconds_of, default=None)
    algorithm = min((row for row in timed if row.approach != default), key=seconds_of, default=None)
    if backend and algorithm and seconds_of(algorithm) < seconds_of(backend):
        yield "A better algorithm beats the best backend:", True
        yield f"{algorithm.contender} {algorithm.approach}", False
        yield f"and is {ratio(seconds_of(backend) / seconds_of(algorithm))} as fast as {backend.contender}.", False


def _first_calls(workload: str, rows: list[Result]) -> Iterator[tuple[str, bool]]:
    """Yield the table of first calls of one workload."""
    called = {row.label: row.first_call for row in rows if row.first_call}
    sizes = "/".join(dict.fromkeys(row.size for row in rows if row.first_call))
    axis = Axis.around((sum(call) for call in called.values()), BAR_WIDTH)
    yield f"{workload}, {sizes}: the first call, each in a fresh process", True
    columns = (f"{name:>8}" for name in ("prepare", "1st run"))
    yield _line("contender", "import", *columns, f"sum, {axis.label}"), False
    for label, call in sorted(called.items(), key=lambda item: -sum(item[1])):
        imported, prepared, ran = map(duration, call)
        yield _line(label, imported, f"{prepared:>8}", f"{ran:>8}", axis.bar(sum(call))), False
    for row in rows:
        if row.seconds is not None and row.reason:
            for line in textwrap.wrap(row.reason, WIDTH):
                yield line, True


def seconds_of(row: Result) -> float:
    """Return the time of a ``row`` that has one."""
    if row.seconds is None:  # pragma: no cover - rows without a time are listed apart
        raise ValueError(f"{row.contender} has no time: {row.reason}")
    return row.seconds


def _line(label: str, first: str, *rest: str) -> str:
    return f"{label:<{LABEL_WIDTH}} {first:>8} {' '.join(rest)}".rstrip()


class Axis(NamedTuple):
    """A log scale for bars of at most ``width`` columns, between two powers of ten of a second."""

    low: int
    high: int
    width: int

    @classmethod
    def around(cls, values: Iterable[float], width: int) -> Axis:
        """Return the scale that holds all ``values``, in seconds, positive."""
        exponents = [math.log10(value) for value in values]
        return cls(math.floor(min(exponents)), math.floor(max(exponents)) + 1, width)

    @property
    def label(self) -> str:
        """The two ends of the scale, in units, or as much as fits its width."""
        texts = (f"{_power(self.low)} .. {_power(self.high)}", "log scale", "")
        return next(text for text in texts if len(text) <= self.width)

    def bar(self, value: float) -> str:
        """Draw ``value``, in seconds, in eighths of a column."""
        if not self.width:
            return ""
        eighths = round(8 * self.width * (math.log10(value) - self.low) / (self.high - self.low))
        return "█" * (eighths // 8) + PARTS[eighths % 8].strip()


def in_ascii(line: str) -> str:
    """Return ``line`` with bars that every terminal can show."""
    return line.translate(dict.fromkeys(map(ord, PARTS[1:]), None) | {ord("█"): "#"})


def _power(exponent: int) -> str:
    """Write ten to the power of ``exponent`` seconds: ``1 ms``, ``100 us``."""
    unit = min(max(exponent // 3, -3), 0)
    return f"{10 ** (exponent - 3 * unit)} {UNITS[unit]}"


def duration(seconds: float) -> str:
    """Write ``seconds``, positive, with three digits and a unit: ``1.23 ms``."""
    for power in (0, -1, -2):
        # 0.9999 ms rounds to 1.00 ms, not to 1,000 us.
        if seconds >= 0.9995 * 1000.0**power:
            break
    else:
        power = -3
    return f"{three_digits(seconds / 1000.0**power)} {UNITS[power]}"


def ratio(value: float) -> str:
    """Write a positive ratio with three digits, below a hundredth with two: ``12.3x``, ``8,050x``, ``0.00063x``."""
    return f"{three_digits(value)}x" if value >= 0.01 else f"{value:.2g}x"  # noqa: PLR2004 - what fits the column


def three_digits(value: float) -> str:
    """Write a positive number with three significant digits, in full: ``0.0123``, ``1.23``, ``8,050``."""
    rounded = float(f"{value:.2e}")
    decimals = max(0, 2 - math.floor(math.log10(rounded)))
    return f"{rounded:,.{decimals}f}"
