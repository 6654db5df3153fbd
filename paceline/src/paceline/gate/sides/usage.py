"""Decides which of the repository's distributions the benchmarks use, and which of these must be installed.

Head is collected in the user's environment first. Code that comes from head's tree there, and is not compiled, is
measured in place. All other code is built for each side, since one installed copy would serve both.
"""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from paceline.errors import PacelineError
from paceline.gate.sides.sources import called, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from paceline.gate.sides.distributions import Distribution
    from paceline.gate.sides.sources import Sources

IMPORTERS = {"importorskip", "import_module", "__import__"}


@dataclass(frozen=True)
class Survey:
    """What head's collection shows, before the gate installs anything.

    `loaded`: files of the loaded modules. `origins`: files from which the repository's names would be imported, None
    if they cannot be. `imported`: names that the test files import anywhere in their code.
    """

    tree: Path
    loaded: Mapping[str, str]
    origins: Mapping[str, str | None]
    imported: frozenset[str]

    def is_outside(self, file: str) -> bool:
        """Whether a file lies outside of head's tree."""
        return not file.startswith(f"{self.tree}{os.sep}")


def is_below(name: str, names: Iterable[str]) -> bool:
    """Whether a module is one of these, or in one of these packages."""
    return any(name == each or name.startswith(f"{each}.") for each in names)


def used(distributions: Sequence[Distribution], survey: Survey) -> list[Distribution]:
    """Return the distributions whose code the benchmarks load or import, and those that these need."""
    modules = survey.imported.union(survey.loaded)
    known = {each.name: each for each in distributions}
    wanted = [each.name for each in distributions if any(is_below(module, each.names) for module in modules)]
    for name in wanted:  # the list grows
        wanted += [need for need in sorted(known[name].needs) if need in known and need not in wanted]
    return [known[name] for name in wanted]


def must_be_installed(distribution: Distribution, survey: Survey) -> bool:
    """Whether this code is compiled, or would not come from the side's tree."""
    names = distribution.names
    files = [file for module, file in survey.loaded.items() if is_below(module, names)]
    origins = {name: survey.origins.get(name) for name in names}
    files += filter(None, origins.values())
    if distribution.is_compiled or any(map(survey.is_outside, files)):
        return True
    missing = [name for name, file in origins.items() if file is None]
    return not files or any(is_below(each, missing) for each in survey.imported)


def chosen(folders: Sequence[str], distributions: Sequence[Distribution], head: Sources) -> list[Distribution]:
    """Return the distributions in the folders that [tool.paceline] install names. Raises PacelineError."""
    found = []
    for folder in folders:
        path = PurePosixPath(folder)
        if path.is_absolute() or ".." in path.parts:
            raise PacelineError(
                f"[tool.paceline] install: {folder!r} is not inside the project. Name folders relative to its root."
            )
        name = "" if path == PurePosixPath() else path.as_posix()
        here = [each for each in distributions if "head" in each.projects and each.projects["head"].folder == name]
        if not here:
            known = ", ".join(project.folder or "." for project in head.projects)
            remedy = f"Choose from: {known}" if known else "Leave out the setting: head has no project to install."
            raise PacelineError(f"[tool.paceline] install: {folder!r} is not a project. {remedy}")
        found += here
    return found


def imported(files: Iterable[Path]) -> frozenset[str]:
    """Return the modules that these files import, also inside functions and by calls such as importorskip."""
    return frozenset(name for file in files for name in _imports(text_of(file)))


def _imports(text: str) -> Iterator[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and called(node) in IMPORTERS:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name.value
