"""What *Compare* shows: benchmarks that differ by parameters only, the latest value of each, in families.

A family is a test, or a benchmark of asv, whose parameters are its axes; or, without parameters, the tests that
pytest-benchmark has in one group, whose axis is the test itself.
"""

from __future__ import annotations

import ast
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from paceline.history.model import Benchmark, History, Series, SeriesKey

#: Names of the parameter that tells implementations apart, best first.
IMPLEMENTATIONS = ("contender", "impl", "implementation", "engine", "backend", "library")


@dataclass(frozen=True)
class _Place:
    """Where a value belongs: its family, and its value on each of the family's axes."""

    family: str
    axes: tuple[str, ...]
    at: tuple[str, ...]


def data(history: History, described: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the page draws; `described` is asv's description of its benchmarks."""
    latest: dict[tuple[_Place, str], Series] = {}
    for series in history.series:
        place = _place(series.key, history.benchmarks.get(series.key.benchmark), described)
        if place is None or not len(series.values):
            continue
        key = (place, _where(series.key))
        if key not in latest or series.runs[-1] > latest[key].runs[-1]:
            latest[key] = series
    families: dict[tuple[str, tuple[str, ...], str], list[dict[str, Any]]] = {}
    for (place, where), series in latest.items():
        rows = families.setdefault((place.family, place.axes, series.unit), [])
        rows.append({"at": place.at, "where": where, **_value(history, series)})
    shown = (
        _family(name, axes, unit, rows)
        for (name, axes, unit), rows in sorted(families.items(), key=lambda each: each[0])
    )
    return {"families": [each for each in shown if any(len(axis["values"]) > 1 for axis in each["axes"])]}


def _place(key: SeriesKey, benchmark: Benchmark | None, described: Mapping[str, Mapping[str, Any]]) -> _Place | None:
    if key.parameters:
        names = described.get(key.benchmark, {}).get("param_names") or ()
        if len(names) != len(key.parameters):
            names = [f"parameter {number}" for number in range(1, len(key.parameters) + 1)]
        return _Place(key.benchmark, tuple(names), tuple(map(_unquoted, key.parameters)))
    if benchmark is None:
        return None
    if benchmark.axes:
        values = (value if isinstance(value, str) else json.dumps(value) for value in benchmark.axes.values())
        return _Place(benchmark.name.partition("[")[0], tuple(benchmark.axes), tuple(values))
    if benchmark.group:
        return _Place(benchmark.group, ("test",), (benchmark.name.rpartition(".")[2],))
    return None


def _unquoted(text: str) -> str:
    """Return a parameter, of which asv keeps the `repr`, as people write it."""
    if text[:1] not in {"'", '"'}:
        return text
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _where(key: SeriesKey) -> str:
    """Name hardware and engine, whose values are never compared with others'."""
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


def _family(name: str, axes: tuple[str, ...], unit: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    values = [_ordered(row["at"][place] for row in rows) for place in range(len(axes))]
    return {
        "name": name,
        "unit": unit,
        "axes": [{"name": axis, "values": each} for axis, each in zip(axes, values, strict=True)],
        "by": _by(axes, values),
        "rows": rows,
    }


def _by(axes: tuple[str, ...], values: list[list[str]]) -> int:
    """Return the axis that is compared unless the reader chooses another."""
    several = [place for place, each in enumerate(values) if len(each) > 1]
    for wanted in IMPLEMENTATIONS:
        for place in several:
            if axes[place] == wanted:
                return place
    return several[-1] if several else len(axes) - 1


def _ordered(values: Iterable[str]) -> list[str]:
    """Return each value once: numbers by size if all are numbers, else in the order of the benchmarks."""
    found = list(dict.fromkeys(values))
    try:
        return sorted(found, key=float)
    except ValueError:
        return found
