"""Reads a folder of results into a history. Files that cannot be used are quarantined, and the others are read.

With a warm cache nothing is parsed. Python loops over files, never over points, which NumPy handles as columns.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from paceline.config import directions, project
from paceline.errors import PacelineError, why
from paceline.history.asv import order
from paceline.history.asv.asv_files import (
    BENCHMARKS_FILE,
    FORMERLY,
    MACHINE_FILE,
    benchmarks_file,
    machine_file,
)
from paceline.history.asv.columns import Columns, unit
from paceline.history.asv.points import numbered
from paceline.history.model import BenchmarkInfo, History, Run, Series
from paceline.report.changes import Quarantined
from paceline.system import files
from paceline.system.strict import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from paceline.config.directions import Directions
    from paceline.history.asv.asv_files import Header
    from paceline.history.asv.points import Points
    from paceline.history.model import SeriesKey

NOTHING = "is a broken link"
STRIDE = 100  # files between two lines of progress


@dataclass(frozen=True)
class Sound:
    """The usable part of a results folder, also for asv.

    `machines` is the content of each folder's `machine.json` by the folder's name; if that file cannot be used, the
    minimum that asv needs. `results` are the sound files, each in one of these folders; a point's run is the place of
    its file among them.
    """

    machines: Mapping[str, Mapping[str, Any]]
    results: tuple[tuple[Path, Header], ...]
    points: Points
    benchmarks: Mapping[str, Mapping[str, Any]]
    quarantined: tuple[Quarantined, ...]
    directions: Directions = ()


def why_not(path: Path) -> str | None:
    """Return the one-line reason why a result file cannot be used; None if it can."""
    content = _read(path, Columns(None))
    return content if isinstance(content, str) else None


def sound(results: Path, cache: Path | None = None, progress: Callable[[str], None] = lambda _: None) -> Sound:
    """Return all usable files of a folder, and the quarantined ones. Raises PacelineError if there is no folder."""
    if not results.is_dir():
        raise PacelineError(
            f"no folder of results: {results}. Record a run (pytest --benchmark-only --benchmark-record), or name the"
            " folder with --results."
        )
    kept = Columns(project.columns_folder(results) if cache is None else cache)
    machines: dict[str, Mapping[str, Any]] = {}
    good: list[tuple[Path, Header]] = []
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
    described = _benchmarks(results / BENCHMARKS_FILE, bad)
    kept.save(described)
    points = kept.points(path for path, _ in good)
    return Sound(machines, tuple(good), points, described, tuple(bad), directions.read(project.root_of(results)))


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
    reads = [decode.read(place, *result) for place, result in enumerate(found.results)]
    ranks = _ranks([each.run for each in reads], repository, branch, notices)
    reads = [each for each in reads if each.run.commit in ranks]
    reads.sort(key=lambda each: (ranks[each.run.commit], each.run.started, each.run.path.name))
    dirty = sum(each.run.dirty for each in reads)
    if dirty:
        notices.append(f"left out {dirty} {'run' if dirty == 1 else 'runs'} with uncommitted changes")
    keys, points = _by_series(found, reads, ranks)
    series = tuple(_series(keys, _one_per_commit(points), found))
    others = {each.key.full_name for each in series if each.unit not in directions.UNITS}
    if series:
        notices += directions.unused(found.directions, others)
    return History(
        runs=tuple(each.run for each in reads),
        series=series,
        benchmarks=_described(reads, decode, keys),
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


def _read(path: Path, kept: Columns) -> Header | str:
    try:
        return kept.read(path)
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


def _sort(path: Path, content: Header | str, good: list[tuple[Path, Header]], bad: list[Quarantined]) -> None:
    if isinstance(content, str):
        bad.append(Quarantined(path, content))
    else:
        good.append((path, content))


def _of_machine(result: Header | str, machine: str) -> Header | str:
    if isinstance(result, str):
        return result
    named = result.about.machine
    return result if named == machine else f"machine: expected {machine!a}, as in machine.json, got {named!a}"


class _Read(NamedTuple):
    """A run, with its header and the place of its file."""

    run: Run
    header: Header
    place: int


class _Decoder:
    """Decodes each JSON text once: most runs share texts, and so share their content."""

    def __init__(self, renamed: Mapping[str, str]) -> None:
        self.renamed = renamed
        self._known: dict[str, Any] = {}

    def __call__(self, text: str) -> Any:
        if text not in self._known:
            self._known[text] = json.loads(text)
        return self._known[text]

    def read(self, place: int, path: Path, header: Header) -> _Read:
        about = header.about
        run = Run(
            commit=about.commit,
            date=about.date,
            started=about.started,
            machine=sys.intern(self.renamed.get(about.machine, about.machine)),
            packages=self(header.shared.packages),
            facts=self(header.shared.facts),
            dirty=about.dirty,
            path=path,
        )
        return _Read(run, header, place)


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


class _Sorted(NamedTuple):
    """Usable values, series by series, with their quartiles and the numbers of their series, runs and commits."""

    series: NDArray[np.int32]
    runs: NDArray[np.int32]
    commits: NDArray[np.int32]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def take(self, which: NDArray[Any]) -> _Sorted:
        return _Sorted(*(each[which] for each in self))


def _by_series(found: Sound, reads: Sequence[_Read], ranks: Mapping[str, int]) -> tuple[list[SeriesKey], _Sorted]:
    """Return the keys of all series of clean runs, sorted, and their usable values, each in the order of runs."""
    clean = np.array([place for place, each in enumerate(reads) if not each.run.dirty], dtype=np.int32)
    number = np.full(len(found.results), -1, dtype=np.int32)
    number[[reads[place].place for place in clean]] = np.arange(len(clean), dtype=np.int32)
    points = found.points.renumbered(number)
    keys, series = numbered(points, [(reads[place].header, reads[place].run.machine) for place in clean])
    are_times = np.array([unit(key, found.benchmarks) == "seconds" for key in keys], dtype=bool)
    commits = np.array([ranks[each.run.commit] for each in reads], dtype=np.int32)
    runs = clean[points.run]
    good = np.isfinite(points.value) & ((points.value > 0) | ~are_times[series])
    order = series * np.int64(len(reads)) + runs
    every = _Sorted(series, runs, commits[runs], *points[2:])
    if good.all() and (order[1:] > order[:-1]).all():  # as they were kept: no copy
        return keys, every
    which = np.flatnonzero(good)
    return keys, every.take(which[np.argsort(order[which], kind="stable")])


def _series(keys: Sequence[SeriesKey], points: _Sorted, found: Sound) -> Iterator[Series]:
    """Yield the series that have values, in the order of their keys."""
    ends = np.searchsorted(points.series, np.arange(len(keys) + 1)).tolist()
    for key, start, stop in zip(keys, ends, ends[1:], strict=False):
        if start < stop:
            span, its = slice(start, stop), unit(key, found.benchmarks)
            better = directions.direction_of(key.full_name, its, found.directions)
            values, low, high = (each[span] for each in points[3:])
            yield Series(key, points.runs[span].astype(np.int64), values, low, high, its, better)


def _one_per_commit(points: _Sorted) -> _Sorted:
    """Return points with the runs of a commit joined to their median and last run; `points` are sorted."""
    begins = np.flatnonzero(np.diff(points.series, prepend=-1) | np.diff(points.commits, prepend=-1))
    if len(begins) == len(points.series):
        return points
    last = np.append(begins[1:], len(points.series)) - 1
    group = np.repeat(np.arange(len(begins)), last + 1 - begins)
    return _Sorted(*points.take(last)[:3], *(_medians(column, group, begins) for column in points[3:]))


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
    for text in dict.fromkeys(each.header.shared.described for each in newest_first):
        for name, said in decode(text).items():
            found.setdefault(name, BenchmarkInfo(name, said.get("group") or "", said.get("axes") or {}))
    for key in keys:
        found.setdefault(key.benchmark, BenchmarkInfo(key.benchmark))
    return dict(sorted(found.items()))
