"""Groups changes by place: one commit often changes many benchmarks, and a reader looks for the commit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from paceline.report.changes import Change, Difference


@dataclass(frozen=True)
class Place:
    """Changes that one commit may explain, in their order.

    `commits` are the measured commits that all of them suspect, and `before` the last one before these. `subject`,
    `count` and `link` are known only where a repository and asv's configuration tell them.
    """

    changes: tuple[Change, ...]
    commits: tuple[str, ...]
    before: str
    at: str  #: most likely first commit at the new level
    date: int  #: of `at`, milliseconds since 1970
    subject: str = ""  #: of `at`
    count: int | None = None  #: commits after `before`, up to the last of `commits`
    link: str = ""  #: to `at`

    @property
    def slower(self) -> list[Change]:
        """Return the slowdowns."""
        return [each for each in self.changes if each.is_slower]

    @property
    def faster(self) -> list[Change]:
        """Return the improvements."""
        return [each for each in self.changes if not each.is_slower]

    @property
    def is_alarm(self) -> bool:
        """Whether one of the changes is a new slowdown that fails the check."""
        return any(each.is_alarm for each in self.changes)

    @property
    def cause(self) -> str:
        """Return the cause of the worst change: code, surroundings or unclear."""
        return self.changes[0].cause

    @property
    def misfits(self) -> Mapping[str, float]:
        """Return the runs that misfit the order of commits and that of measurement; nothing if that is unknown."""
        found: Mapping[str, float] = self.changes[0].evidence.get("misfits", {})
        return found

    @property
    def machines(self) -> list[str]:
        """Return all machines on which a change is."""
        return list(dict.fromkeys(machine for each in self.changes for machine in each.machines))

    @property
    def differences(self) -> list[Difference]:
        """Return packages and facts that changed here, those of most changes first."""
        found = Counter(one for each in self.changes for one in (*each.dependencies, *each.facts))
        return [each for each, _ in found.most_common()]


def new_places(changes: Iterable[Change]) -> list[Place]:
    """Return the places of the new ones of these changes, in the order of each one's first change, its worst.

    The commit that explains most changes takes them, then the one that explains most of the others. Changes by code
    and by surroundings have places of their own.
    """
    every = [each for each in changes if each.state == "new"]
    order = {each.id: number for number, each in enumerate(every)}
    by_surroundings = [each for each in every if each.cause == "surroundings"]
    found = [*_places(each for each in every if each.cause != "surroundings"), *_places(by_surroundings)]
    return sorted(found, key=lambda place: order[place.changes[0].id])


def _places(changes: Iterable[Change]) -> list[Place]:
    left = list(changes)
    found = []
    while left:
        suspects = Counter(commit for each in left for commit in each.commits)
        likely = Counter(each.at for each in left)
        commit = max(suspects, key=lambda one: (suspects[one], likely[one]))
        found.append(_place([each for each in left if commit in each.commits]))
        left = [each for each in left if commit not in each.commits]
    return found


def _place(changes: Sequence[Change]) -> Place:
    shared = set[str](changes[0].commits).intersection(*(each.commits for each in changes))
    commits = tuple(commit for commit in changes[0].commits if commit in shared)
    before = next(each.before for each in changes if each.commits[0] == commits[0])
    likely = Counter(each.at for each in changes if each.at in shared) or Counter(commits)
    at = max(commits, key=lambda commit: likely[commit])
    date = next((each.date for each in changes if each.at == at), changes[0].date)
    return Place(tuple(changes), commits, before, at, date)
