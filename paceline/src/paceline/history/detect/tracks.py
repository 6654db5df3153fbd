"""Selects the series to check, and joins them over machines, without odd runs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from paceline.config.directions import MORE
from paceline.errors import PacelineError
from paceline.history.asv.asv_files import MACHINE_FILE
from paceline.history.detect import scan, suite_wide
from paceline.report.check_report import full_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from paceline.history.model import History, Run, Series

    Integers = NDArray[np.int64]

Ordinals = dict[str, int]
Group = tuple[str, str, str]  # machine, engine and environment
Suites = dict[Group, suite_wide.Suite]


@dataclass(frozen=True)
class Wanted:
    """The selection of a check: a pattern of benchmarks, a machine, and the first commit or date of changes."""

    benchmark: str | None = None
    machine: str | None = None
    since: str | None = None


@dataclass(frozen=True)
class Track:
    """Values that are scanned together: one benchmark on all machines, or the level of one suite.

    The panel's values and the indices of their runs in the history are in the order of commits.
    """

    benchmark: str
    parameters: tuple[str, ...]
    engine: str
    environment: str
    version: str
    unit: str
    machines: tuple[str, ...]  #: by the panel's strata
    panel: scan.Panel  #: its values rise as the benchmark becomes worse
    runs: Integers
    more_is_better: bool = False

    @property
    def full_name(self) -> str:
        """Return the benchmark's name with its parameters."""
        return full_name(self.benchmark, self.parameters)

    @property
    def name(self) -> tuple[str, tuple[str, ...], str, str]:
        """Return the name in an entry of accepted changes."""
        return self.benchmark, self.parameters, self.engine, self.environment


def ordinals_of(runs: Sequence[Run]) -> Ordinals:
    """Return the place of each commit in the history."""
    result: Ordinals = {}
    for run in runs:
        result.setdefault(run.commit, len(result))
    return result


def judged(history: History) -> list[Series]:
    """Return the series of which less or more is known to be better, with finite values only.

    Raises PacelineError if there is none.
    """
    good = [each for each in history.series if each.direction and each.values.size]
    if good:
        return [_finite(each) for each in good]
    if why := not_judged(history.series):
        raise PacelineError(f"nothing to check: {why}")
    if history.runs and all(run.dirty for run in history.runs):
        raise PacelineError(f"nothing to check: {'; '.join(history.notices)}. Commit the changes, and record again.")
    if history.notices:
        raise PacelineError(
            f"nothing to check: {'; '.join(history.notices)}. Fetch those commits, name their branch with --branch,"
            " or record runs of this branch."
        )
    if history.quarantined:
        count = len(history.quarantined)
        first = min(history.quarantined, key=lambda each: each.path.name == MACHINE_FILE)  # a result, if there is one
        raise PacelineError(
            f"no result can be used, {count} quarantined: {first.path}: {first.reason}"
            f"{f' ({count - 1} more)' if count > 1 else ''}. Restore the files, or record again."
        )
    raise PacelineError(
        "no results to check. Record some with `pytest --benchmark-only --benchmark-record`, or run `paceline fetch`"
        " for the shared ones."
    )


def not_judged(series: Iterable[Series]) -> str:
    """Return a sentence about the series of which nobody knows whether less or more is better; empty if none."""
    unknown = [each for each in series if not each.direction]
    if not unknown:
        return ""
    unit = Counter(each.unit for each in unknown).most_common(1)[0][0]
    return (
        f"{len(unknown)} series are not judged, as their unit (such as {unit}) does not say whether less or more is"
        f' better. Set it under [tool.paceline.direction], such as "{unknown[0].key.benchmark}*" = "more"'
    )


def _finite(series: Series) -> Series:
    good = np.isfinite(series.values)
    return series if good.all() else replace(series, runs=series.runs[good], values=series.values[good])


def of_machine(series: list[Series], machine: str | None) -> list[Series]:
    """Return the series of one machine with its inferred types, or all. Raises PacelineError if there are none."""
    if machine is None:
        return series
    types = f"{machine} (type "
    chosen = [each for each in series if each.key.machine == machine or each.key.machine.startswith(types)]
    if not chosen:
        names = ", ".join(sorted({each.key.machine for each in series}))
        raise PacelineError(f"--machine: no machine {machine!r}. Choose from: {names}")
    return chosen


def of_benchmark(series: list[Series], pattern: str | None) -> list[Series]:
    """Return the series whose name matches a pattern, or all. Raises PacelineError if there are none."""
    if pattern is None:
        return series
    try:
        wanted = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise PacelineError(
            f"--benchmark: expected a regular expression, got {pattern!r}: {error}. Escape special characters with"
            " `\\`."
        ) from None
    chosen = [each for each in series if wanted.search(each.key.full_name)]
    if not chosen:
        raise PacelineError(
            f"--benchmark {pattern!r} matches none of {len(series)} series, such as {series[0].key.full_name}"
        )
    return chosen


def of_interest(runs: Sequence[Run], ordinals: Ordinals, since: str | None) -> Callable[[str, int], bool]:
    """Return a function of a change's commit and its date: whether the change is since the given commit or date.

    Dates need not rise along a branch, so a date and a commit are compared differently.
    """
    if since is None:
        return lambda _commit, _date: True
    matching = {run.commit for run in runs if run.commit.startswith(since.lower())} if len(since) >= 4 else set()  # noqa: PLR2004
    if len(matching) == 1:
        first = ordinals[matching.pop()]
        return lambda commit, _date: ordinals[commit] >= first
    try:
        day = datetime.fromisoformat(since)
    except ValueError:
        raise PacelineError(
            f"--since: expected a date such as 2026-11-22 or the start of a measured commit's hash, got {since!r}"
        ) from None
    first_date = (day if day.tzinfo else day.replace(tzinfo=UTC)).timestamp() * 1000
    return lambda _commit, date: date >= first_date


def groups_of(series: Iterable[Series]) -> dict[Group, list[Series]]:
    """Return the series that a machine's speed moves together: times, not memory."""
    groups: dict[Group, list[Series]] = defaultdict(list)
    for each in series:
        if each.values.size and each.unit == "seconds":
            groups[each.key.machine, each.key.engine, each.key.environment].append(each)
    return dict(groups)


def tracks_of(series: Iterable[Series], suites: Suites, runs: Sequence[Run], ordinals: Ordinals) -> list[Track]:
    """Return a track for series that differ only in the machine, without odd runs and without suites' shifts."""
    alike: dict[tuple[object, ...], list[Series]] = defaultdict(list)
    for each in series:
        key = each.key
        alike[key.benchmark, key.parameters, key.engine, key.environment, key.version, each.unit].append(each)
    place = np.array([ordinals[run.commit] for run in runs], dtype=np.int64)
    corrections = {group: each.correction() for group, each in suites.items()}
    return [_track(members, suites, corrections, place) for members in alike.values()]


def _track(
    members: list[Series],
    suites: Suites,
    corrections: Mapping[Group, scan.Floats],
    place: Integers,
) -> Track:
    parts = []
    for each in members:
        group = (each.key.machine, each.key.engine, each.key.environment)
        logs = suite_wide.logarithms(each.values)
        usual = np.ones(logs.size, dtype=bool)
        if each.unit == "seconds" and group in suites:
            columns = np.searchsorted(suites[group].runs, each.runs)
            usual = ~suites[group].odd[columns]
            logs -= corrections[group][columns]
        parts.append((-logs[usual] if each.direction == MORE else logs[usual], each.runs[usual]))
    key = members[0].key
    return Track(
        *(key.benchmark, key.parameters, key.engine, key.environment, key.version, members[0].unit),
        tuple(each.key.machine for each in members),
        *side_by_side(parts, place),
        members[0].direction == MORE,
    )


def side_by_side(parts: Sequence[tuple[scan.Floats, Integers]], place: Integers) -> tuple[scan.Panel, Integers]:
    """Return the values and runs of several machines in the order of commits; `place` is that of each run."""
    runs = np.concatenate([run for _, run in parts])
    values = np.concatenate([value for value, _ in parts])
    strata = np.repeat(np.arange(len(parts)), [run.size for _, run in parts])
    order = np.argsort(place[runs], kind="stable")
    return scan.Panel(values[order], strata[order], place[runs][order]), runs[order]
