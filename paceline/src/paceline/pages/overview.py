"""Data of the first page: places of slowdowns and improvements, counts, and a sparkline of each benchmark."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.report.check_report import name_of
from paceline.report.places import new_places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from paceline.history.model import History, Series
    from paceline.pages.commits import Commits, Release
    from paceline.pages.family import Curve
    from paceline.pages.slowdowns import Drawn
    from paceline.report.changes import Change
    from paceline.report.places import Place

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

MOST = 10  # places of each kind; *Slowdowns* has all
WORST = 3  # changes of a place
WIDTH = 40  # points of a sparkline
LEVELS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # from the bottom up; a gap is a blank
FLAT = math.log(1.1)  # at least this is the height of a sparkline, so that noise looks like noise
CHUNK = 250  # cells of a file: their sparklines are loaded when they come into view


def places(
    drawn: Drawn, commits: Commits, changes: Iterable[Change], about: Callable[[Sequence[Place]], Sequence[Place]]
) -> dict[str, Any]:
    """Return new slowdowns since the last release, those before it, improvements and the rest, by place, and counts.

    `about` adds what the repository knows of places.
    """
    release = commits.releases[-1] if commits.releases else None
    found = new_places(changes)
    by_code = [place for place in found if place.cause != "surroundings"]
    slower = [place for place in by_code if place.slower]
    recent = [place for place in slower if _is_since(place, release, commits)]
    sections = {
        "recent": recent,
        "older": [place for place in slower if place not in recent],
        "faster": [place for place in by_code if not place.slower],
        "surroundings": [place for place in found if place.cause == "surroundings"],
    }
    shown = {name: [_place(drawn, each) for each in about(part[:MOST])] for name, part in sections.items()}
    counts = {name: [len(part), sum(_count(each, name) for each in part)] for name, part in sections.items()}
    return {"release": release and [release.name, release.date], "places": shown, "counts": counts}


def _count(place: Place, section: str) -> int:
    return len(place.slower if section in {"recent", "older"} else place.changes)


def _is_since(place: Place, release: Release | None, commits: Commits) -> bool:
    return release is None or commits.positions.get(place.at, 0) >= release.at


def _place(drawn: Drawn, place: Place) -> dict[str, Any]:
    return {
        "at": place.at,
        "date": place.date,
        "subject": place.subject,
        "before": place.before,
        "last": place.commits[-1],
        "measured": len(place.commits),
        "count": place.count,
        "slower": _sizes(place.slower),
        "faster": _sizes(place.faster),
        "machines": place.machines,
        "cause": place.cause,
        "worst": [_worst(drawn, each) for each in place.changes[:WORST]],
        "differences": [[each.name, each.before, each.after] for each in place.differences],
    }


def _sizes(changes: Sequence[Change]) -> tuple[int, float, str] | None:
    """Return how many changes there are, the median of the sizes that are left, and the word for them."""
    if not changes:
        return None
    word, *others = dict.fromkeys(each.word for each in changes)
    mixed = "worse" if changes[0].is_slower else "better"
    return len(changes), median(each.left for each in changes), mixed if others else word


def _worst(drawn: Drawn, change: Change) -> dict[str, Any]:
    shown = drawn.shown(change)
    return {name: shown[name] for name in ("id", "kind", "family", "ratio", "left")} | {"name": name_of(change)}


def counts(history: History, commits: Commits) -> dict[str, Any]:
    """Return how much was measured, and the newest run."""
    newest = max(history.runs, key=lambda run: (run.started or run.date, run.date))
    return {
        "benchmarks": len({each.key.benchmark for each in history.series}),
        "series": len(history.series),
        "machines": len({each.key.machine for each in history.series}),
        "commits": len(commits.positions),
        "runs": len(history.runs),
        "first": min(commits.dates),
        "newest": {
            "commit": newest.commit,
            "subject": commits.subjects.get(newest.commit, ""),
            "started": newest.started or newest.date,
            "machine": newest.machine,
        },
    }


# ---- the atlas


def cells(drawn: Drawn, changes: Iterable[Change]) -> tuple[list[list[Any]], list[str]]:
    """Return a cell for each family and machine, those that changed first, and the sparklines of cells.

    A cell is its family, machine, number of series, and the largest new change: size, place in the sparkline, and
    whether it is a slowdown. It shows the series of that change, or the one with most values.
    """
    worst = _worst_by_series(drawn, changes)
    positions = np.array([drawn.positions[run.commit] for run in drawn.history.runs], dtype=np.int64)
    count = len(drawn.positions)
    found: list[tuple[list[Any], str]] = []
    for number, curves in enumerate(drawn.families.curves.values()):
        for machine, current in _by_machine(curves).items():
            series = max(current, key=lambda each: (abs(_left(worst, each)), len(each.values)))
            change = worst.get(series.key)
            left = change and change.left
            at = change and drawn.positions.get(change.at, 0) * WIDTH // count
            cell: list[Any] = [number, machine, len(current), left, at, change and change.is_slower]
            found.append((cell, sparkline(positions[series.runs], series.values, count)))
    found.sort(key=lambda each: -abs(math.log(each[0][3] or 1)))
    return [cell for cell, _ in found], [line for _, line in found]


def _worst_by_series(drawn: Drawn, changes: Iterable[Change]) -> dict[Any, Change]:
    """Return the largest new change of each series by code; `changes` are sorted."""
    worst: dict[Any, Change] = {}
    for change in changes:
        if change.state == "new" and change.cause != "surroundings":
            for series in drawn.of(change):
                worst.setdefault(series.key, change)
    return worst


def _left(worst: Mapping[Any, Change], series: Series) -> float:
    change = worst.get(series.key)
    return math.log(change.left) if change else 0.0


def _by_machine(curves: Sequence[Curve]) -> Mapping[str, Sequence[Series]]:
    """Return the series of each machine that are still measured, without older versions."""
    found: dict[str, list[Series]] = defaultdict(list)
    for curve in curves:
        found[curve.series.key.machine].append(curve.series)
    return {machine: list(_current(every)) for machine, every in sorted(found.items())}


def _current(series: Sequence[Series]) -> Iterator[Series]:
    last = max(int(each.runs[-1]) for each in series)
    return (each for each in series if int(each.runs[-1]) == last)


def sparkline(positions: Integers, values: Floats, count: int) -> str:
    """Return a series as letters, one for each part of the commits: the mean of its values, or a blank."""
    buckets = positions * WIDTH // count
    begins = np.flatnonzero(np.diff(buckets, prepend=-1))
    sizes = np.diff(begins, append=len(values))
    with np.errstate(over="ignore", invalid="ignore"):  # values near the largest float
        levels = _levels(np.add.reduceat(np.log(values) if (values > 0).all() else values, begins) / sizes)
    letters = [" "] * WIDTH
    for bucket, level in zip(buckets[begins].tolist(), levels, strict=True):
        letters[bucket] = LEVELS[level]
    return "".join(letters)


def _levels(means: Floats) -> list[int]:
    """Return places in `LEVELS`, with the middle of the values in the middle."""
    height = max(float(np.ptp(means)), FLAT)
    floor = means.max() / 2 + means.min() / 2 - height / 2
    top = len(LEVELS) - 1
    levels: list[int] = np.nan_to_num(np.clip((means - floor) / height * top, 0, top)).astype(int).tolist()
    return levels
