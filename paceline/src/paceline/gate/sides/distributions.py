"""Finds the distributions that this repository provides: each side must run its own copy of their code.

No single sign is reliable, so there are three: a project's file in the tree names the distribution; it is installed
from the checkout, or lies there; its installed files are the tree's. A project in a folder of tests, examples or
copies counts only if it is installed from there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paceline.gate.sides.installed import compiled_module

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from paceline.gate.sides.installed import Installed
    from paceline.gate.sides.sources import Project, Sources

ENOUGH = 3  # Python files shared with the tree, if no project's settings put them on the import path

STRAYS = {"bench", "benchmarks", "doc", "docs", "example", "examples", "scripts", "test", "tests"}


@dataclass
class Distribution:
    """One distribution of this repository.

    By side: `projects`, from which it is built, and `installed`, its copy for the side's interpreter. `compiled`: its
    modules that are compiled in the user's environment.
    """

    name: str
    projects: dict[str, Project] = field(default_factory=dict)
    installed: dict[str, Installed] = field(default_factory=dict)
    compiled: set[str] = field(default_factory=set)

    @property
    def names(self) -> frozenset[str]:
        """Import names; of a namespace package, those of the first regular package or module in it."""
        parts: list[Project | Installed] = [*self.projects.values(), *self.installed.values()]
        return code_names(name for each in parts for name in each.names)

    @property
    def needs(self) -> frozenset[str]:
        """Names of the distributions that it requires."""
        parts: list[Project | Installed] = [*self.projects.values(), *self.installed.values()]
        return frozenset().union(*(each.needs for each in parts))

    @property
    def is_compiled(self) -> bool:
        """Whether it has compiled modules, here or when it is built."""
        return bool(self.compiled) or any(project.compiles for project in self.projects.values())

    def is_plain(self, side: str) -> bool:
        """Whether the side's environment has a copy of its own, not a link into the checkout."""
        return side in self.installed and bool(self.installed[side].names)


def code_names(names: Iterable[str]) -> frozenset[str]:
    """Return these names without those that distributions install by mistake next to their code, such as `tests`."""
    names = frozenset(names)
    return frozenset(name for name in names if name.partition(".")[0] not in STRAYS) or names


def provided(
    sources: Mapping[str, Sources], environments: Mapping[str, Sequence[Installed]], checkout: Path
) -> list[Distribution]:
    """Return the distributions of both trees, found by their files and by what is installed for each interpreter."""
    found: dict[str, Distribution] = {}
    for side, tree in sources.items():
        _add_projects(found, side, tree, environments[side], checkout)
    for side, tree in sources.items():
        _add_installed(found, side, tree, environments[side])
    for distribution in found.values():
        distribution.compiled |= set(_compiled_here(distribution, sources, checkout))
    return sorted(found.values(), key=lambda each: each.name)


def _add_projects(
    found: dict[str, Distribution], side: str, tree: Sources, environment: Sequence[Installed], checkout: Path
) -> None:
    linked = _linked_names(tree, environment, checkout)
    for project in _best_first(tree.projects):
        if project.apart and project.folder not in linked:
            continue
        name = linked.get(project.folder) or project.name
        if name is None:
            name = next(_same_files(tree, environment, project), f"the project in {project.folder or '.'}")
        found.setdefault(name, Distribution(name)).projects.setdefault(side, project)


def _add_installed(
    found: dict[str, Distribution], side: str, tree: Sources, environment: Sequence[Installed]
) -> None:
    owners = {root: each for each in found.values() if side in each.projects for root in each.projects[side].roots}
    for installed in environment:
        if installed.name in found:
            found[installed.name].installed[side] = installed
        elif (root := _shared_root(tree, installed)) is not None:
            owner = owners.get(root)
            if owner is None or side in owner.installed:
                owner = found.setdefault(installed.name, Distribution(installed.name))
            owner.installed[side] = installed


def _best_first(projects: Iterable[Project]) -> list[Project]:
    """Return the projects, those with code and those further up first, as two may have one name."""
    return sorted(projects, key=lambda each: (not each.names, each.folder.count("/"), each.folder))


def _linked_names(tree: Sources, environment: Iterable[Installed], checkout: Path) -> dict[str, str]:
    """Return, by folder in the tree, the names of distributions installed from the checkout or lying in it."""
    found = {}
    roots = {root: project.folder for project in tree.projects for root in project.roots}
    for each in environment:
        if each.origin is not None and each.origin.is_relative_to(checkout):
            found[_relative(each.origin, checkout)] = each.name
        elif each.place.is_relative_to(checkout) and _relative(each.place, checkout) in roots:
            found[roots[_relative(each.place, checkout)]] = each.name
    return found


def _relative(path: Path, checkout: Path) -> str:
    name = path.relative_to(checkout).as_posix()
    return "" if name == "." else name


def _same_files(tree: Sources, environment: Iterable[Installed], project: Project) -> Iterator[str]:
    for each in environment:
        if _has_candidates(tree, each) and any(root in project.roots for root in shared_roots(tree, each)):
            yield each.name


def _shared_root(tree: Sources, installed: Installed) -> str | None:
    """Return the folder of the tree with most of the installed files, unless it is a vendored copy."""
    if not _has_candidates(tree, installed):
        return None
    usual = {root for project in tree.projects if not project.apart for root in project.roots}
    count = sum(name.endswith(".py") for name in installed.files)
    roots = shared_roots(tree, installed)
    return next((root for root in roots if root in usual or (count >= ENOUGH and not tree.is_apart(root))), None)


def _has_candidates(tree: Sources, installed: Installed) -> bool:
    """Whether they share a name at all: a quick check, before hundreds of lists of files are read."""
    return any(installed.mentions(top) for top in tree.tops & installed.entries)


def shared_roots(tree: Sources, installed: Installed) -> Iterator[str]:
    """Yield the folders of the tree below which most of the installed Python files lie, under the same names."""
    files = [name for name in installed.files if name.endswith(".py")]
    for root in sorted({root for name in installed.names for root in tree.roots_of(name)}):
        if sum(tree.has(root, name) for name in files) * 2 > len(files):
            yield root


def _compiled_here(distribution: Distribution, sources: Mapping[str, Sources], checkout: Path) -> Iterator[str]:
    """Yield the names of compiled modules, in the installed copy or next to the sources in the user's checkout."""
    for each in distribution.installed.values():
        yield from each.compiled
    for project in distribution.projects.values():
        tops = {name.partition(".")[0] for name in project.names}
        for root in project.roots:
            for folder in ["", *_folders_below(tops, root, sources)]:
                for file in _listed(checkout / root / folder):
                    name = compiled_module(f"{folder}/{file}".lstrip("/"))
                    if name is not None:
                        yield name


def _folders_below(tops: set[str], root: str, sources: Mapping[str, Sources]) -> Iterator[str]:
    prefix = f"{root}/" if root else ""
    for folder in dict.fromkeys(folder for tree in sources.values() for folder in tree.folders):
        inner = folder.removeprefix(prefix)
        if folder.startswith(prefix) and inner.partition("/")[0] in tops:
            yield inner


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 # thousands of files, and only their names are needed
    except OSError:
        return []
