"""Sorts series into families, each of which has a page: a test, or a benchmark of asv, with all its parameters."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from paceline.history.model import BenchmarkInfo, History, Series, SeriesKey


@dataclass(frozen=True)
class Member:
    """A benchmark as a member of its family: the names of the family's parameters, and its values of them."""

    family: str
    axes: tuple[str, ...]
    at: tuple[str, ...]


def member(key: SeriesKey, benchmark: BenchmarkInfo | None, described: Mapping[str, Mapping[str, Any]]) -> Member:
    """Return the place of a benchmark in its family; `described` is asv's description of its benchmarks."""
    if key.parameters:
        names = described.get(key.benchmark, {}).get("param_names") or ()
        if len(names) != len(key.parameters):
            names = [f"parameter {number}" for number in range(1, len(key.parameters) + 1)]
        return Member(key.benchmark, tuple(names), tuple(map(_unquoted, key.parameters)))
    if benchmark is not None and benchmark.axes:
        values = tuple(map(_written, benchmark.axes.values()))
        return Member(benchmark.name.partition("[")[0], tuple(benchmark.axes), values)
    return Member(key.benchmark, (), ())


def _written(value: Any) -> str:
    """Return a test's parameter as Python writes it, strings without quotes."""
    if isinstance(value, str):
        return value
    return str(value) if value is None or isinstance(value, bool) else json.dumps(value)


def _unquoted(text: str) -> str:
    """Return an asv parameter, which is a `repr`, without quotes."""
    if text[:1] not in {"'", '"'}:
        return text
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


@dataclass(frozen=True)
class Curve:
    """A series, and its place in its family."""

    series: Series
    member: Member


@dataclass(frozen=True)
class Families:
    """The curves of each family by its name; both are sorted."""

    curves: Mapping[str, Sequence[Curve]]

    @classmethod
    def of(cls, history: History, described: Mapping[str, Mapping[str, Any]]) -> Families:
        """Return the families of a history; `described` is asv's description of its benchmarks."""
        found: dict[str, list[Curve]] = {}
        for series in history.series:
            place = member(series.key, history.benchmarks.get(series.key.benchmark), described)
            found.setdefault(place.family, []).append(Curve(series, place))
        return cls(dict(sorted(found.items())))

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Return the number of each family, which is the name of its file."""
        return {name: number for number, name in enumerate(self.curves)}

    @cached_property
    def places(self) -> Mapping[SeriesKey, tuple[int, int]]:
        """Return the number of a series' family, and its own in there."""
        return {
            curve.series.key: (self.numbers[name], place)
            for name, curves in self.curves.items()
            for place, curve in enumerate(curves)
        }
