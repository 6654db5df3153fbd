"""Data of *Compare*: families of benchmarks that differ only in parameters, with the latest value of each.

A family is a test or an asv benchmark, and its parameters are the axes. Tests without parameters form a family by
pytest-benchmark's group, whose axis is the test itself.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paceline.pages import family
from paceline.pages.family import Member

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from paceline.history.model import BenchmarkInfo, History, Series, SeriesKey

#: Names of parameters that distinguish implementations, best first.
IMPLEMENTATIONS = ("contender", "impl", "implementation", "engine", "backend", "library")


@dataclass(frozen=True)
class _Row:
    """A value that is shown, and the index of its run."""

    at: tuple[str, ...]
    run: int
    shown: dict[str, Any]


def data(history: History, described: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the page's data; `described` is asv's description of its benchmarks."""
    latest: dict[tuple[Member, str], Series] = {}
    for series in history.series:
        place = _place(series.key, history.benchmarks.get(series.key.benchmark), described)
        if place is None or not len(series.values):
            continue
        key = (place, _where(series.key))
        if key not in latest or series.runs[-1] > latest[key].runs[-1]:
            latest[key] = series
    families: dict[tuple[str, tuple[str, ...], str, str], list[_Row]] = {}
    for (place, where), series in latest.items():
        rows = families.setdefault((place.family, place.axes, series.unit, series.direction), [])
        shown = {"at": place.at, "where": where, **_value(history, series)}
        rows.append(_Row(place.at, int(series.runs[-1]), shown))
    every = (_family(*key, rows) for key, rows in sorted(families.items(), key=lambda each: each[0]))
    kept = [each for each in every if any(len(axis["values"]) > 1 for axis in each["axes"])]
    return {"families": kept, "first": max(range(len(kept)), key=lambda at: _tells(kept[at]), default=0)}


def _tells(found: Mapping[str, Any]) -> tuple[bool, bool]:
    """Return whether a family has a value other than zero, and whether its axis is named as implementations."""
    named = found["axes"][found["by"]]["name"] in IMPLEMENTATIONS
    return any(row["value"] for row in found["rows"]), named


def _place(
    key: SeriesKey, benchmark: BenchmarkInfo | None, described: Mapping[str, Mapping[str, Any]]
) -> Member | None:
    """Return the place of a benchmark in what is compared; None if there is nothing to compare it with."""
    place = family.member(key, benchmark, described)
    if place.axes:
        return place
    if benchmark is None or not benchmark.group:
        return None
    return Member(benchmark.group, ("test",), (benchmark.name.rpartition(".")[2],))


def _where(key: SeriesKey) -> str:
    """Return machine, engine and environment: only values with equal ones are compared."""
    return f"{key.machine}, {key.engine}" + (f", {key.environment}" if key.environment else "")


def _value(history: History, series: Series) -> dict[str, Any]:
    run = history.runs[series.runs[-1]]
    low, high = float(series.low[-1]), float(series.high[-1])
    known = math.isfinite(low) and math.isfinite(high)
    return {
        "value": float(series.values[-1]),
        "low": low if known else None,
        "high": high if known else None,
        "commit": run.commit,
        "date": run.date,
    }


def _family(name: str, axes: tuple[str, ...], unit: str, direction: str, rows: list[_Row]) -> dict[str, Any]:
    described = [_axis(axis, place, rows) for place, axis in enumerate(axes)]
    return {
        "name": name,
        "unit": unit,
        "direction": direction,
        "axes": described,
        "by": _by(axes, [axis["values"] for axis in described]),
        "rows": [row.shown for row in rows],
    }


def _axis(name: str, place: int, rows: list[_Row]) -> dict[str, Any]:
    """Describe an axis: values at the newest commit come first, the others with the commit that has them `last`."""
    newest: dict[str, _Row] = {}
    for row in sorted(rows, key=lambda each: each.run):
        newest[row.at[place]] = row
    commit = max(newest.values(), key=lambda each: each.run).shown["commit"]
    older = {value: row.shown["commit"][:10] for value, row in newest.items() if row.shown["commit"] != commit}
    return {"name": name, "values": [*_ordered(set(newest) - set(older)), *_ordered(older)], "last": older}


def _by(axes: tuple[str, ...], values: list[list[str]]) -> int:
    """Return the axis that is compared at first."""
    several = [place for place, each in enumerate(values) if len(each) > 1]
    for wanted in IMPLEMENTATIONS:
        for place in several:
            if axes[place] == wanted:
                return place
    return several[-1] if several else len(axes) - 1


def _ordered(values: Iterable[str]) -> list[str]:
    """Return the values sorted by size if all are numbers, else by name, with numbers in names by size."""
    found = set(values)
    try:
        return sorted(found, key=float)
    except ValueError:
        return sorted(found, key=_natural)


def _natural(text: str) -> tuple[list[str | float], str]:
    parts = re.split(r"(\d+(?:\.\d+)?)", text)  # texts at even places, numbers at odd ones
    return [float(part) if place % 2 else part for place, part in enumerate(parts)], text
