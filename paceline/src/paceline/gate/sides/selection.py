"""Reads which benchmarks head's own pytest has collected, from a worker's message.

So the judging process never imports a line of the project.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from paceline.gate.worker.messages import Message


@dataclass(frozen=True)
class Location:
    """Where a benchmark is defined: `path` in the tree, `line` from 0. `mark`: its marker's arguments, if any."""

    path: Path
    line: int
    mark: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Selection:
    """Head's collection. Paths are relative to the tree, except for an `ini` outside of it."""

    benchmarks: Mapping[str, Location]  # by node id, in pytest's order
    modules: tuple[Path, ...]  # files with these benchmarks, conftests and package files above them
    arguments: tuple[str, ...]  # of the command line, without paths
    paths: tuple[str, ...]  # of the command line, as given: files, folders, node ids
    root: Path  # pytest's rootdir
    ini: Path | None
    errors: Mapping[str, str]  # reasons why files and tests could not be collected, by node id
    set_aside: tuple[str, ...]  # the user's options that a gate does not apply
    values: Mapping[str, Location] = field(default_factory=dict)  # benchmarks that give a value, not a time
    memory: frozenset[str] = frozenset()  # those values of which asv defines that less is better
    asv: str | None = None  # folder of an asv suite, below `root`; base gets all of it
    notes: tuple[str, ...] = ()  # settings of that suite that are not used
    seconds: Mapping[str, float] = field(default_factory=dict)  # to import each file

    def only(self, names: Collection[str]) -> Selection:
        """Return this selection with only these benchmarks."""
        benchmarks, values = (
            {name: place for name, place in each.items() if name in names} for each in (self.benchmarks, self.values)
        )
        return replace(self, benchmarks=benchmarks, values=values)


def read_selection(message: Message, tree: Path, arguments: Sequence[str], translated: Sequence[str]) -> Selection:
    """Return what a worker has collected in this tree. `translated` are the arguments as the worker got them."""
    paths = _places(translated, message["paths"])
    return Selection(
        benchmarks={each["id"]: _location(each, tree) for each in message["benchmarks"]},
        modules=tuple(_relative(name, tree) for name in message["modules"] if _is_below(name, tree)),
        arguments=tuple(word for place, word in enumerate(arguments) if place not in paths),
        paths=tuple(arguments[place] for place in sorted(paths)),
        root=_relative(message["root"], tree),
        ini=_ini(message["ini"], tree),
        errors=message["errors"],
        set_aside=tuple(message["set_aside"]),
        values={each["id"]: _location(each, tree) for each in message["values"]},
        memory=frozenset(message["memory"]),
        asv=None if message["asv"] is None else _relative(str(tree / message["asv"]), tree).as_posix(),
        notes=tuple(message["notes"]),
        seconds={name: taken / 1e9 for name, taken in message["nanoseconds"].items()},
    )


def _location(benchmark: Mapping[str, Any], tree: Path) -> Location:
    return Location(_relative(benchmark["path"], tree), benchmark["line"], benchmark["mark"])


def _is_below(name: str, tree: Path) -> bool:
    """Whether a path lies in the tree, links not followed; `tree/../x` does not."""
    return Path(os.path.normpath(name)).is_relative_to(tree)


def _relative(name: str, tree: Path) -> Path:
    """Return a path relative to the tree. Raises PacelineError if it lies outside."""
    if not _is_below(name, tree):
        raise PacelineError(f"pytest's root or a benchmark is outside the repository: {name}. Run inside it.")
    return Path(os.path.normpath(name)).relative_to(tree)


def _ini(name: str | None, tree: Path) -> Path | None:
    if name is None:
        return None
    return _relative(name, tree) if _is_below(name, tree) else Path(name)


def _places(arguments: Sequence[str], paths: Sequence[str]) -> set[int]:
    """Return the positions of the paths among the arguments; of equal words the last, as options may have values."""
    there: dict[str, list[int]] = {}
    for place, word in enumerate(arguments):
        there.setdefault(word, []).append(place)
    return {there[path].pop() for path in paths if there.get(path)}
