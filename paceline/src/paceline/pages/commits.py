"""What the pages show of commits: hash, date, subject and releases, and of runs: commit and packages."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paceline.history.asv import order
from paceline.system.git import GitFailedError, git

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from paceline.history.model import History, Run

RELEASE = re.compile(r"\d")  # in the name of a tag


@dataclass(frozen=True)
class Release:
    """A tag: `at` is the position of the first measured commit that is not older."""

    name: str
    date: int  #: of its commit, milliseconds since 1970
    at: int


@dataclass(frozen=True)
class Commits:
    """The measured commits in their order; `subjects` are empty without a repository."""

    positions: Mapping[str, int]
    dates: Sequence[int]
    subjects: Mapping[str, str]
    releases: Sequence[Release]

    @classmethod
    def of(cls, history: History, repository: Path | None, branch: str | None) -> Commits:
        """Return the commits of a history."""
        dates = {run.commit: run.date for run in history.runs}
        positions = {commit: position for position, commit in enumerate(dates)}
        if repository is None:
            return cls(positions, list(dates.values()), {}, ())
        releases = sorted(_releases(repository, branch, dates), key=lambda each: (each.at, each.date))
        return cls(positions, list(dates.values()), _subjects(repository, dates), releases)

    def table(self, runs: Sequence[Run]) -> dict[str, Any]:
        """Return what every chart needs: all commits, and the commit of each run."""
        return {
            "commits": "".join(self.positions),
            "dates": _differences([date // 1000 for date in self.dates]),
            "runs": _differences([self.positions[run.commit] for run in runs]),
            "releases": [[each.name, each.date, each.at] for each in self.releases],
        }

    def details(self, runs: Sequence[Run]) -> dict[str, Any]:
        """Return what a reader asks of one point: subjects, and each run's packages, listed once where equal."""
        packages = {id(run.packages): run.packages for run in runs}
        numbers = {identity: number for number, identity in enumerate(packages)}
        return {
            "subjects": [self.subjects.get(commit, "") for commit in self.positions],
            "packages": list(packages.values()),
            "runs": _differences([numbers[id(run.packages)] for run in runs]),
        }


def _differences(values: Sequence[int]) -> list[int]:
    """Return the first value and the differences of the others, which are mostly small and equal."""
    return [value - before for value, before in zip(values, [0, *values], strict=False)]


def _subjects(repository: Path, commits: Mapping[str, int]) -> dict[str, str]:
    listed = "".join(f"{commit}\n" for commit in commits)
    try:
        said = git(repository, "log", "--no-walk=unsorted", "--stdin", "--format=%H %s", given=listed)
    except GitFailedError:  # a commit is missing, as in a partial clone
        return {}
    return dict(line.split(" ", 1) for line in said.splitlines() if " " in line)


def _releases(repository: Path, branch: str | None, dates: Mapping[str, int]) -> Iterator[Release]:
    """Yield the releases; one that is not on the branch is placed by its date."""
    fields = "%(refname:strip=2)%00%(objectname)%00%(*objectname)%00%(committerdate:unix)%00%(*committerdate:unix)"
    _, line = order.line(repository, branch, dates)
    ranks = {commit: rank for rank, commit in enumerate(line)}
    measured = [ranks[commit] for commit in dates]
    for each in git(repository, "for-each-ref", f"--format={fields}", "refs/tags").splitlines():
        name, tag, commit, date, commit_date = each.split("\0")
        when = 1000 * int(commit_date or date or 0)  # a tag of a file or of a tree has no date
        if when and RELEASE.search(name):
            rank = ranks.get(commit or tag)
            at = bisect.bisect_left([*dates.values()], when) if rank is None else bisect.bisect_left(measured, rank)
            yield Release(name, when, at)
