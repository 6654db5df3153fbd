"""Reads a folder of results into a history. Files that cannot be used are quarantined, and the others are read.

With a warm cache nothing is parsed. Python loops over files, never over points, which NumPy handles as columns.
"""

from __future__ import annotations

import itertools
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from paceline.config import directions, project
from paceline.errors import PacelineError, why
from paceline.history.asv import order
from paceline.history.asv.asv_files import (
    BENCHMARKS_FILE,
    FORMERLY,
    MACHINE_FILE,
    Result,
    Row,
    benchmarks_file,
    combinations,
    kind_of,
    machine_file,
)
from paceline.history.asv.cache import Cache
from paceline.history.model import BenchmarkInfo, History, Run, Series, SeriesKey
from paceline.report.changes import Quarantined
from paceline.system import files
from paceline.system.strict import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from paceline.config.directions import Directions

NOTHING = "is a broken link"
STRIDE = 100  # files between two lines of progress
UNITS = {"time": "seconds", "timeraw": "seconds", "mem": "bytes", "peakmem": "bytes", "track": "unit"}


@dataclass(frozen=True)
class Sound:
    """The usable part of a results folder, also for asv.

    `machines` is the content of each folder's `machine.json` by the folder's name; if that file cannot be used, the
    minimum that asv needs. `results` are the sound files, each in one of these folders.
    """

    machines: Mapping[str, Mapping[str, Any]]
    results: tuple[tuple[Path, Result], ...]
    benchmarks: Mapping[str, Mapping[str, Any]]
    quarantined: tuple[Quarantined, ...]
    directions: Directions = ()


def why_not(path: Path) -> str | None:
    """Return the one-line reason why a result file cannot be used; None if it can."""
    content = _read(path, Cache(None))
    return content if isinstance(content, str) else None


def sound(results: Path, cache: Path | None = None, progress: Callable[[str], None] = lambda _: None) -> Sound:
    """Return all usable files of a folder, and the quarantined ones. Raises PacelineError if there is no folder."""
    if not results.is_dir():
        raise PacelineError(
            f"no folder of results: {results}. Record a run (pytest --benchmark-only --benchmark-record), or name the"
            " folder with --results."
        )
    kept = Cache(project.root_of(results) / project.CACHE if cache is None else cache)
    machines: dict[str, Mapping[str, Any]] = {}
    good: list[tuple[Path, Result]] = []
    bad: list[Quarantined] = []
    entries = _paths(results, bad)
    lost = (each for each in entries if _dangles(each) and each.name != BENCHMARKS_FILE)  # reported below
    bad += [Quarantined(each, NOTHING) for each in lost]
    folders = {folder: _paths(folder, bad) for folder in filter(Path.is_dir, entries)}
    paths = [path for listed in folders.values() for path in listed if path.suffix == ".json"]
    for place, path in enumerate(paths):
        if place % STRIDE == 0:
            progress(f"reading {place} of {len(paths)} files")
        folder = path.parent
        if folder.name not in machines:
            machines[folder.name] = _machine(folder / MACHINE_FILE, bad)
        if path.name != MACHINE_FILE:
            _sort(path, _of_machine(_read(path, kept), str(machines[folder.name]["machine"])), good, bad)
    kept.save()
    described = _benchmarks(results / BENCHMARKS_FILE, bad)
    return Sound(machines, tuple(good), described, tuple(bad), directions.read(project.root_of(results)))


def load(
    results: Path,
    *,
    repository: Path | None,
    branch: str | None = None,
    cache: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> History:
    """Return the `history` in a results folder. `cache` is a folder. Raises PacelineError if there are no results."""
    return history(sound(results, cache, progress), repository=repository, branch=branch)


def history(found: Sound, *, repository: Path | None, branch: str | None = None) -> History:
    """Return results in the order of a branch's first parents; without a repository, by date of commit.

    `branch` is by default the first that asv's configuration names, or the repository's default branch. Runs of
    other commits are left out, and runs of a dirty tree have no values; `notices` count both. Raises PacelineError
    if there is no such branch.
    """
    notices: list[str] = []
    decode = _Decoder(_renamed(found.machines))
    reads = [decode.read(path, result) for path, result in found.results]
    ranks = _ranks([each.run for each in reads], repository, branch, notices)
    reads = [each for each in reads if each.run.commit in ranks]
    reads.sort(key=lambda each: (ranks[each.run.commit], each.run.started, each.run.path.name))
    dirty = sum(each.run.dirty for each in reads)
    if dirty:
        notices.append(f"left out {dirty} {'run' if dirty == 1 else 'runs'} with uncommitted changes")
    numbered = _Numbered()
    series = tuple(_series(reads, ranks, found, numbered))
    others = {each.key.full_name for each in series if each.unit not in directions.UNITS}
    if series:
        notices += directions.unused(found.directions, others)
    return History(
        runs=tuple(each.run for each in reads),
        series=series,
        benchmarks=_described(reads, decode, numbered.keys),
        quarantined=found.quarantined,
        renamed=decode.renamed,
        notices=tuple(notices),
    )


def _renamed(machines: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return current names by former ones, as each `machine.json` lists them."""
    return {
        former: str(document["machine"])
        for document in machines.values()
        for former in str(document.get(FORMERLY, "")).split()
        if former != document["machine"]
    }


def _runs_of(count: int) -> str:
    return f"{count} run whose commit is" if count == 1 else f"{count} runs whose commits are"


def _paths(folder: Path, bad: list[Quarantined]) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        bad.append(Quarantined(folder, why(error)))
        return []


def _read(path: Path, cache: Cache) -> Result | str:
    try:
        return cache.read(path)
    except OSError as error:
        return NOTHING if _dangles(path) else why(error)


def _dangles(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _small(path: Path) -> bytes:
    """Return the content of one of asv's other files. Raises MalformedError."""
    try:
        return files.read(path)
    except FileNotFoundError:
        raise MalformedError(NOTHING if path.is_symlink() else "is missing") from None
    except OSError as error:
        raise MalformedError(why(error)) from None


def _machine(path: Path, bad: list[Quarantined]) -> Mapping[str, Any]:
    try:
        return machine_file(_small(path))
    except MalformedError as reason:
        bad.append(Quarantined(path, f"{reason}. The folder's name is used for the machine: {path.parent.name!a}"))
        return {"machine": path.parent.name, "version": 1}


def _benchmarks(path: Path, bad: list[Quarantined]) -> Mapping[str, Mapping[str, Any]]:
    """Return asv's description of each benchmark; the history does not need this file."""
    if not path.exists() and not path.is_symlink():
        return {}
    try:
        entries, reasons = benchmarks_file(_small(path))
    except MalformedError as reason:
        bad.append(Quarantined(path, str(reason)))
        return {}
    if reasons:
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        bad.append(Quarantined(path, reasons[0] + more))
    return entries


def _sort(path: Path, content: Result | str, good: list[tuple[Path, Result]], bad: list[Quarantined]) -> None:
    if isinstance(content, str):
        bad.append(Quarantined(path, content))
    else:
        good.append((path, content))


def _of_machine(result: Result | str, machine: str) -> Result | str:
    if isinstance(result, str):
        return result
    named = result.about.machine
    return result if named == machine else f"machine: expected {machine!a}, as in machine.json, got {named!a}"


@dataclass(frozen=True)
class _Read:
    """A run, with the fields that its series need."""

    run: Run
    engine: str
    environment: str
    result: Result


class _Decoder:
    """Decodes each JSON text once: most runs share texts, and so share their content."""

    def __init__(self, renamed: Mapping[str, str]) -> None:
        self.renamed = renamed
        self._known: dict[str, Any] = {}

    def __call__(self, text: str) -> Any:
        if text not in self._known:
            self._known[text] = json.loads(text)
        return self._known[text]

    def read(self, path: Path, result: Result) -> _Read:
        about = result.about
        run = Run(
            commit=about.commit,
            date=about.date,
            started=about.started,
            machine=sys.intern(self.renamed.get(about.machine, about.machine)),
            packages=self(result.shared.packages),
            facts=self(result.shared.facts),
            dirty=about.dirty,
            path=path,
        )
        return _Read(run, about.engine, about.environment, result)


def _ranks(runs: Sequence[Run], repository: Path | None, branch: str | None, notices: list[str]) -> Mapping[str, int]:
    """Return the position of each commit in the order."""
    if repository is None:
        dates = {run.commit: run.date for run in runs}
        return {commit: rank for rank, commit in enumerate(sorted(dates, key=lambda commit: (dates[commit], commit)))}
    configured = project.branches(repository)
    commits = {run.commit for run in runs}
    name, line = order.line(repository, branch or (configured[0] if configured else None), commits)
    ranks = {commit: rank for rank, commit in enumerate(line)}
    unknown = sum(run.commit not in ranks for run in runs)
    if unknown:
        why = order.why_unknown(repository)
        notices.append(f"left out {_runs_of(unknown)} not on {name}{why}")
    return ranks


@dataclass(frozen=True)
class _Points:
    """All points: the numbers of their series, runs and commits, `(n,)`, and their columns, `(3, n)`."""

    series: NDArray[np.int32]
    runs: NDArray[np.int32]
    commits: NDArray[np.int32]
    columns: NDArray[np.float64]

    def take(self, which: NDArray[Any]) -> _Points:
        return _Points(self.series[which], self.runs[which], self.commits[which], self.columns[:, which])


class _Numbered:
    """Numbers the keys of series. Most rows of a run were in another run, and cost one look-up."""

    def __init__(self) -> None:
        self.keys: dict[SeriesKey, int] = {}
        self._rows: dict[tuple[Any, ...], list[int]] = {}
        self._runs: dict[tuple[str, ...], NDArray[np.int32]] = {}

    def of(self, read: _Read) -> NDArray[np.int32]:
        """Return the numbers of a run's values."""
        group = (read.run.machine, read.engine, read.environment)
        same = (read.result.shared.rows, *group)
        if same not in self._runs:
            rows = orjson.loads(read.result.shared.rows)  # not kept: thousands of runs have many megabytes of them
            numbers = itertools.chain.from_iterable(self._of_row(row, group) for row in rows)
            self._runs[same] = np.fromiter(numbers, dtype=np.int32)
        return self._runs[same]

    def _of_row(self, row: Row, group: tuple[str, str, str]) -> list[int]:
        benchmark, parameters, version, count = row
        name = (benchmark, version, count, group, *map(tuple, parameters))
        if name not in self._rows:
            keys = (SeriesKey(benchmark, each, *group, version or "") for each in combinations(row))
            self._rows[name] = [self.keys.setdefault(key, len(self.keys)) for key in keys]
        return self._rows[name]


def _series(reads: Sequence[_Read], ranks: Mapping[str, int], found: Sound, numbered: _Numbered) -> Iterator[Series]:
    """Yield the series in the order of their keys."""
    points = _points(reads, ranks, numbered)
    keys = numbered.keys
    units = [_unit(key, found.benchmarks) for key in keys]
    points = _one_per_commit(_by_series(points, np.array([unit == "seconds" for unit in units], dtype=bool)))
    ends = np.searchsorted(points.series, np.arange(len(keys)), side="right")
    for key, number in sorted(keys.items()):
        span = slice(ends[number - 1] if number else 0, ends[number])
        if span.start < span.stop:
            values, low, high = points.columns[:, span]
            better = directions.direction_of(key.full_name, units[number], found.directions)
            yield Series(key, points.runs[span].astype(np.int64), values, low, high, units[number], better)


def _points(reads: Sequence[_Read], ranks: Mapping[str, int], numbered: _Numbered) -> _Points:
    """Return the joined columns of all runs of a clean tree, in order, and number the keys."""
    parts = [
        (numbered.of(each), index, each.result.columns[:3]) for index, each in enumerate(reads) if not each.run.dirty
    ]
    nothing = np.empty(0, dtype=np.int32)
    runs = np.repeat(np.array([run for _, run, _ in parts], dtype=np.int32), [len(part) for part, _, _ in parts])
    return _Points(
        series=np.concatenate([nothing, *(part for part, _, _ in parts)]),
        runs=runs,
        commits=np.array([ranks[each.run.commit] for each in reads], dtype=np.int32)[runs],
        columns=np.concatenate([np.empty((3, 0)), *(columns for _, _, columns in parts)], axis=1),
    )


def _by_series(points: _Points, are_times: NDArray[np.bool_]) -> _Points:
    """Return the usable points, series by series; runs stay in order within a series."""
    values = points.columns[0]
    good = np.flatnonzero(np.isfinite(values) & ((values > 0) | ~are_times[points.series]))
    return points.take(good[np.argsort(points.series[good], kind="stable")])


def _unit(key: SeriesKey, described: Mapping[str, Mapping[str, Any]]) -> str:
    if key.engine != "asv":
        return kind_of(key.benchmark)["unit"]
    said = described.get(key.benchmark, {}).get("unit")
    kind = key.benchmark.rpartition(".")[2].partition("_")[0].lower()
    return str(said or UNITS.get(kind, "seconds"))


def _one_per_commit(points: _Points) -> _Points:
    """Return points with the runs of a commit joined to their median and last run; `points` are sorted."""
    begins = np.flatnonzero(np.diff(points.series, prepend=-1) | np.diff(points.commits, prepend=-1))
    if len(begins) == len(points.series):
        return points
    last = np.append(begins[1:], len(points.series)) - 1
    group = np.repeat(np.arange(len(begins)), last + 1 - begins)
    columns = np.stack([_medians(column, group, begins) for column in points.columns])
    return replace(points.take(last), columns=columns)


def _medians(values: NDArray[np.float64], group: NDArray[np.int64], begins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the median of each group; NaN for a group without numbers."""
    ordered = values[np.lexsort((values, group))]  # NaN comes last in its group
    count = np.add.reduceat(~np.isnan(values), begins, dtype=np.int64)
    low, high = ordered[begins + np.maximum(count - 1, 0) // 2], ordered[begins + count // 2]
    medians: NDArray[np.float64] = np.where(low == high, low, low / 2 + high / 2)  # the sum may exceed a float
    return medians


def _described(reads: Sequence[_Read], decode: _Decoder, keys: Iterable[SeriesKey]) -> Mapping[str, BenchmarkInfo]:
    """Return each benchmark's description from the newest run that has one."""
    found: dict[str, BenchmarkInfo] = {}
    newest_first = reads[::-1]
    for text in dict.fromkeys(each.result.shared.described for each in newest_first):
        for name, said in decode(text).items():
            found.setdefault(name, BenchmarkInfo(name, said.get("group") or "", said.get("axes") or {}))
    for key in keys:
        found.setdefault(key.benchmark, BenchmarkInfo(key.benchmark))
    return dict(sorted(found.items()))
