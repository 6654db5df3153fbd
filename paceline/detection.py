"""How good the detector is, compared with asv's own. Not part of the distribution: it needs asv.

`measure` (minutes) prints the tables of docs/explanation/history-evidence.md: on synthetic histories whose truth is
known, false slowdowns and slowdowns that were found. `table` simulates the law of the scan's maximum, which the
package ships as `null.csv`.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import platform
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from asv import step_detect
from paceline.history.detect import judgement, levels, scan, segments
from paceline.history.detect.tracks import Track
from paceline.history.model import Run
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Noise = Callable[[np.random.Generator, int], scan.Panel]

# ---- the law of the maximum

NULL = Path(scan.__file__).with_name("null.csv")
LENGTHS = (
    *range(2 * scan.MIN_SEGMENT, 33),
    *(36, 40, 45, 50, 57, 64, 72, 80, 90, 100, 115, 130, 150, 175, 200, 240, 280, 340, 400, 500, 640, 800, 1000),
    *(1300, 1700, 2400, 3600, 5500, 10_000),
)
LEVELS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0003, 0.0002, 0.0001)
BATCH = 2_000_000  # values simulated in one array


def maxima(rng: np.random.Generator, n: int, draws: int) -> Floats:
    """Return T of `draws` series of `n` exchangeable values, shape `(draws,)`."""
    k = np.arange(1, n)[scan.MIN_SEGMENT - 1 : n - scan.MIN_SEGMENT]
    scale = 1 / np.sqrt(k * (n - k) * (n + 1) / 12).astype(np.float32)
    found = []
    for start in range(0, draws, batch := max(1, BATCH // n)):
        ranks = rng.random((min(batch, draws - start), n), dtype=np.float32).argsort(axis=1).astype(np.float32)
        sums = np.cumsum(ranks - np.float32((n - 1) / 2), axis=1)[:, k - 1]
        found.append(np.abs(sums * scale).max(axis=1))
    return np.concatenate(found).astype(np.float64)


def quantiles(sample: Floats) -> list[float]:
    """Return, for each level, the smallest T that at most this share of the sample reaches; inf if there is none."""
    ordered = np.sort(sample)
    wanted = []
    for level in LEVELS:
        candidate = ordered[min(ordered.size - 1, math.ceil((1 - level) * ordered.size))]
        above = np.searchsorted(ordered, candidate - 1e-4)  # an atom belongs to the level as a whole or not at all
        if ordered.size - above > 1.05 * level * ordered.size:
            next_atom = np.searchsorted(ordered, candidate + 1e-4, side="right")
            candidate = ordered[next_atom] if next_atom < ordered.size else math.inf
        wanted.append(float(candidate) - (1e-4 if math.isfinite(candidate) else 0.0))
    return wanted


def draws_of(n: int) -> int:
    """Return how many series of this length to draw: more of short ones, whose laws have atoms."""
    return max(100_000, min(2_000_000, 80_000_000 // n))


def table() -> Iterator[str]:
    """Yield the lines of `null.csv`."""
    yield "# The smallest T of each level, by length; made by `paceline/detection.py table`"
    yield ",".join(["length", *map(str, LEVELS)])
    for n in LENGTHS:
        if sys.stderr.isatty():
            print(f"\r{n} values", end="", file=sys.stderr)
        yield ",".join(
            [str(n), *(f"{each:.4f}" for each in quantiles(maxima(np.random.default_rng(n), n, draws_of(n))))]
        )


# ---- histories whose truth is known

COMMITS = 100
AFTER = 12  # commits since the slowdown
STEP = math.log(1.05)
YEAR = 250  # commits: one on each working day
SUITE = 50  # benchmarks that one check looks at
ASV_THRESHOLD = 0.05  # its default


def gaussian(rng: np.random.Generator, n: int) -> scan.Panel:
    """Return a series with Gaussian noise of 2 %."""
    return scan.one_class(rng.normal(0, 0.02, n))


def spiky(rng: np.random.Generator, n: int) -> scan.Panel:
    """Return a series with Gaussian noise of 1 %; one run in twenty is slower, by 30 % on average."""
    spikes = (rng.random(n) < 0.05) * rng.exponential(0.3, n)  # noqa: PLR2004
    return scan.one_class(rng.normal(0, 0.01, n) + spikes)


def autocorrelated(inherited: float) -> Noise:
    """Return a source of noise of 2 %; each run inherits this share of the noise of the run before."""

    def noise(rng: np.random.Generator, n: int) -> scan.Panel:
        fresh = 0.02 * math.sqrt(1 - inherited**2) * rng.normal(size=n)
        values = itertools.accumulate(fresh, lambda x, e: inherited * x + e, initial=0.02 * rng.normal())
        return scan.one_class(np.array(list(values))[1:])

    return noise


def mixed(rng: np.random.Generator, n: int) -> scan.Panel:
    """Return a series with Gaussian noise of 2 %; each commit runs on one of two CPUs, one of them 8 % slower."""
    cpu = rng.integers(0, 2, n)
    return scan.Panel(rng.normal(0, 0.02, n) + 0.08 * cpu, cpu, np.arange(n))


def two_modes(share: float, inherited: float) -> Noise:
    """Return a source of noise of 1 % around two levels, 10 % apart; this share of the runs is at the higher one.

    Each run inherits the level of the run before with this probability.
    """

    def noise(rng: np.random.Generator, n: int) -> scan.Panel:
        fresh, drawn = rng.random(n) >= inherited, rng.random(n) < share
        fresh[0] = True
        level = drawn[np.maximum.accumulate(np.where(fresh, np.arange(n), 0))]
        return scan.one_class(rng.normal(0, 0.01, n) + 0.1 * level)

    return noise


FAMILIES: dict[str, Noise] = {
    "Gaussian 2 %": gaussian,
    "spiky 1 %": spiky,
    "autocorrelated .3": autocorrelated(0.3),
    "mixed CPUs 8 %": mixed,
    "autocorrelated .6": autocorrelated(0.6),  # more than the detector is made for
    "two modes, equal": two_modes(0.5, 0),
    "two modes, one in ten": two_modes(0.1, 0),
    "sticky modes, equal": two_modes(0.5, 0.8),  # so are these
    "sticky modes, one in ten": two_modes(0.1, 0.8),
}


def slowed(panel: scan.Panel) -> scan.Panel:
    """Return the series with a slowdown of 5 % in its last commits."""
    values = panel.values + STEP * (np.arange(panel.values.size) >= panel.values.size - AFTER)
    return scan.Panel(values, panel.strata, panel.commits)


def by_scan(panel: scan.Panel) -> list[int]:
    """Return the positions at which the scan finds a slowdown."""
    return [split.at for split in segments.changes([panel])[0] if split.statistic > 0]


def by_check(panel: scan.Panel) -> list[int]:
    """Return the positions at which `paceline check` reports a slowdown: the interval of its size must be proved."""
    changes = segments.changes([panel])[0]
    machines = tuple(map(str, scan.classes(panel.strata)))
    track = Track("test", (), "", "", "", "seconds", machines, panel, panel.commits)
    found = levels.findings_of(_runs(panel.values.size), track, [(change, None) for change in changes])
    return [
        change.at
        for change, finding in zip(changes, found, strict=True)
        if finding.kind == "slower" and judgement.is_consistent(finding)
    ]


@cache
def _runs(count: int) -> list[Run]:
    return [Run(f"{number:040x}", number, 0, "", {}, {}, dirty=False, path=Path()) for number in range(count)]


def by_asv(panel: scan.Panel) -> list[int]:
    """Return the positions at which asv finds a slowdown, with its defaults. It sees both CPUs as one machine."""
    steps = step_detect.detect_steps(np.exp(panel.values).tolist(), [1.0] * panel.values.size)
    _, _, positions = step_detect.detect_regressions(steps, threshold=ASV_THRESHOLD)
    return [first if first is not None else last + 1 for last, first, *_ in positions or ()]


DETECTORS: dict[str, Callable[[scan.Panel], list[int]]] = {
    "rank scan": by_scan,
    "with its interval": by_check,
    "asv step_detect": by_asv,
}


def rate(hits: int, trials: int) -> str:
    """Return a share in per cent with its exact 95 % interval (Clopper and Pearson 1934)."""
    interval = stats.binomtest(hits, trials).proportion_ci(0.95, method="exact")
    return f"{100 * hits / trials:.2f} % ({100 * interval.low:.2f} .. {100 * interval.high:.2f})"


def single_look(family: str, detector: str, series: int) -> tuple[str, str]:
    """Return the rates of series with a false slowdown, and of those whose real one was found after 12 commits."""
    rng = np.random.default_rng(2026)
    panels = [FAMILIES[family](rng, COMMITS) for _ in range(series)]
    false = sum(bool(DETECTORS[detector](panel)) for panel in panels)
    near = range(COMMITS - 2 * AFTER, COMMITS)
    found = sum(any(at in near for at in DETECTORS[detector](slowed(panel))) for panel in panels)
    return rate(false, series), rate(found, series)


def after_every_commit(family: str, suites: int, *, together: bool) -> str:
    """Return the false slowdowns per series and year: after 100 commits, each of 250 more is checked.

    Consecutive checks see nearly the same data, so slowdowns within 12 commits of each other count once. `together`:
    with the procedure over 50 benchmarks.
    """
    rng = np.random.default_rng(2027)
    false = 0
    for _ in range(suites):
        panels = [FAMILIES[family](rng, COMMITS + YEAR) for _ in range(SUITE)]
        seen: list[set[int]] = [set() for _ in panels]
        for stop in range(COMMITS, COMMITS + YEAR + 1):
            parts = [panel.part(0, stop) for panel in panels]
            splits = segments.changes(parts, rate=scan.FDR if together else 1.0)
            for each, found in zip(seen, splits, strict=True):
                new = [s.at for s in found if s.statistic > 0 and all(abs(s.at - old) > AFTER for old in each)]
                each.update(new)
                false += len(new)
    low, high = stats.chi2.ppf(0.025, 2 * false) / 2 if false else 0.0, stats.chi2.ppf(0.975, 2 * false + 2) / 2
    return f"{false / suites / SUITE:.4f} ({low / suites / SUITE:.4f} .. {high / suites / SUITE:.4f})"


def measure(series: int, asv_series: int, suites: int) -> Iterator[str]:
    """Yield the lines of two Markdown tables."""
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs"
    yield f"Measured {datetime.now(UTC).date()} on {machine} (no figure depends on the machine)."
    yield ""
    yield f"| noise | detector | series | false slowdowns | +5 % found after {AFTER} commits |"
    yield "| --- | --- | --- | --- | --- |"
    for family in FAMILIES:
        for detector, count in zip(DETECTORS, (series, series, asv_series), strict=True):
            false, found = single_look(family, detector, count)
            yield f"| {family} | {detector} | {count} | {false} | {found} |"
    yield ""
    yield f"| noise | series | alarms per series and year, alone | among {SUITE} benchmarks |"
    yield "| --- | --- | --- | --- |"
    for family in FAMILIES:
        alone, together = (after_every_commit(family, suites, together=each) for each in (False, True))
        yield f"| {family} | {suites * SUITE} | {alone} | {together} |"


def say(lines: Iterable[str]) -> None:
    """Print lines as they are made."""
    for line in lines:
        print(line, flush=True)


def main() -> None:
    """Measure, or make the table again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["measure", "table"])
    parser.add_argument(
        "--series", type=int, default=5000, help="series per kind of noise for the scan (default: 5000)"
    )
    parser.add_argument(
        "--asv-series", type=int, default=1000, help="series per kind of noise for asv (default: 1000)"
    )
    parser.add_argument(
        "--suites", type=int, default=20, help=f"suites of {SUITE} series per kind of noise (default: 20)"
    )
    arguments = parser.parse_args()
    if arguments.command == "table":
        NULL.write_text("".join(f"{line}\n" for line in table()), encoding="ascii")
    else:
        say(measure(arguments.series, arguments.asv_series, arguments.suites))


if __name__ == "__main__":
    main()
