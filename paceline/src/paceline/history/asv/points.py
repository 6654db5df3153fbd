"""Numbers the results of many runs by their series. Python loops over runs and series, never over results."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from paceline.history.asv.asv_files import combinations
from paceline.history.model import SeriesKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from paceline.history.asv.asv_files import Header, Row

    Integers = NDArray[np.int32]
    Floats = NDArray[np.float64]


class Points(NamedTuple):
    """Results: the number of each one's run, its place in the run, its value and quartiles; each `(n,)`."""

    run: Integers
    slot: Integers
    value: Floats
    low: Floats
    high: Floats

    def take(self, which: NDArray[Any]) -> Points:
        """Return the chosen results, in this order."""
        return Points(*(each[which] for each in self))

    def renumbered(self, number: Integers) -> Points:
        """Return the results with `number[run]` for each run, without those of runs whose number is negative."""
        points = self._replace(run=number[self.run])
        return points.take(points.run >= 0) if (number < 0).any() else points


def joined(parts: Iterable[Points]) -> Points:
    """Return all results, in their order."""
    nothing = Points(*(np.empty(0, np.int32),) * 2, *(np.empty(0),) * 3)
    kept = [each for each in parts if each.run.size]
    return kept[0] if len(kept) == 1 else Points(*map(np.concatenate, zip(nothing, *kept, strict=True)))


def of_runs(columns: Sequence[Floats]) -> Points:
    """Return the results of runs, each given by its values and quartiles, `(3, m)`."""
    counts = [each.shape[1] for each in columns]
    run = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    slot = np.concatenate([np.empty(0, np.int32), *(np.arange(count, dtype=np.int32) for count in counts)])
    return Points(run, slot, *np.concatenate([np.empty((3, 0)), *columns], axis=1))


def numbered(points: Points, runs: Sequence[tuple[Header, str]]) -> tuple[list[SeriesKey], Integers]:
    """Return the sorted keys of the series of all runs, and the number of each point's series, `(n,)`.

    A run is given by its header and its machine's name.
    """
    numbers = _Numbers()
    starts = np.array([numbers.start(header, machine) for header, machine in runs], dtype=np.int64)
    keys = sorted(numbers.keys)
    rank = np.empty(len(keys), dtype=np.int32)
    rank[[numbers.keys[key] for key in keys]] = np.arange(len(keys), dtype=np.int32)
    return keys, rank[np.array(numbers.slots, dtype=np.int32)][starts[points.run] + points.slot]


class _Numbers:
    """Numbers the keys of series. Most rows of a run were in another run, and cost one look-up."""

    def __init__(self) -> None:
        self.keys: dict[SeriesKey, int] = {}
        self.slots: list[int] = []  #: the number of each place in a run, for all kinds of runs
        self._rows: dict[tuple[Any, ...], list[int]] = {}
        self._starts: dict[tuple[str, ...], int] = {}

    def start(self, header: Header, machine: str) -> int:
        """Return where a run's numbers begin in `slots`."""
        group = (machine, header.about.engine, header.about.environment)
        same = (header.shared.rows, *group)
        if same not in self._starts:
            self._starts[same] = len(self.slots)
            rows = orjson.loads(header.shared.rows)  # not kept: thousands of runs have many megabytes of them
            self.slots += itertools.chain.from_iterable(self._of_row(row, group) for row in rows)
        return self._starts[same]

    def _of_row(self, row: Row, group: tuple[str, str, str]) -> list[int]:
        benchmark, parameters, version, count = row
        name = (benchmark, version, count, group, *map(tuple, parameters))
        if name not in self._rows:
            keys = (SeriesKey(benchmark, each, *group, version or "") for each in combinations(row))
            self._rows[name] = [self.keys.setdefault(key, len(self.keys)) for key in keys]
        return self._rows[name]
