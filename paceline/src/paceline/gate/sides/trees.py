"""Writes both sides to disk, so that they differ in their code and in nothing else.

Base comes from git, head from the working tree. Then base gets head's tests, so that one definition measures both.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.config.options import MERGE_BASE, SIDES
from paceline.config.settings import project_root
from paceline.errors import PacelineError
from paceline.gate.sides import checkout, overlay
from paceline.gate.sides.interpreter import probe
from paceline.gate.worker.seal import Seal, code_below
from paceline.system import copying, files, git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from paceline.config.request import Request
    from paceline.gate.sides.interpreter import Interpreter
    from paceline.gate.sides.selection import Selection
    from paceline.gate.sides.workspace import Workspace


SITE, SERVED = "site", "served.json"  # next to a side's tree
MANY = 10_000  # files: writing more is announced
OFTEN = 100  # files between two looks at the clock
SILENCE = 5.0  # seconds between lines of progress


@dataclass
class Side:
    """One side of the gate. `about` goes into the report.

    `names`: import names of this repository's code. `served`: those that a finder serves. `homes`: folders that they
    must come from, None for the side's own.
    """

    interpreter: Interpreter
    about: dict[str, Any]
    names: frozenset[str] = frozenset()
    served: frozenset[str] = frozenset()
    homes: tuple[str, ...] | None = None
    expected: frozenset[str] = frozenset()  #: compiled modules


class Trees:
    """Makes the trees, and knows where each is in this round. Notices for the user are added to `notices`."""

    def __init__(
        self, request: Request, workspace: Workspace, say: Callable[[str], None], notices: list[str]
    ) -> None:
        self._request = request
        self._settings = request.settings
        self._workspace = workspace
        self._say = say
        self._notices = notices
        self.folder = workspace.folder
        self.slots = workspace.slots
        self.root = _project_around(request.started_in)
        self.sides: dict[str, Side] = {}
        self._seal = Seal()
        self._tracked: dict[str, set[str]] = {side: set() for side in SIDES}

    def make(self, until: float) -> None:
        """Write both trees. Raises PacelineError, also if that takes until `until`."""
        self._until = until
        head_python = probe(self._request.python, self._workspace.folder)
        base_python = head_python
        if self._settings.python:
            base_python = probe(self._settings.python, self._workspace.folder)
        if self._settings.revision is None and not self._is_in_git():
            base, head = self._same_code_without_git()
        else:
            base, head = self._trees_from_git()
        self._note_tracked()
        self.sides["base"] = Side(base_python, base | {"python": base_python.version})
        self.sides["head"] = Side(head_python, head | {"python": head_python.version})

    def _is_in_git(self) -> bool:
        try:
            git.toplevel(self._request.started_in)
        except PacelineError:
            return False
        return True

    def _same_code_without_git(self) -> tuple[dict[str, Any], dict[str, Any]]:
        names = list(files.names_below(self.root))
        for side in SIDES:
            self.tree(side).mkdir(parents=True)
            checkout.copy(self.root, self.tree(side), self._watched(names))
        about = {"revision": None, "commit": None, "dirty": None}
        return about, dict(about)

    def _trees_from_git(self) -> tuple[dict[str, Any], dict[str, Any]]:
        repository = git.toplevel(self._request.started_in)
        self.root = repository
        here = checkout.WorkingTree.read(repository)
        head: dict[str, Any] = {"revision": "HEAD", "commit": here.commit, "dirty": here.dirty}
        base = dict(head) if self._settings.revision is None else self._base_revision(repository)
        if self._settings.control:
            head = dict(base)
        if len(here.names) > MANY:
            self._say(f"writing {len(here.names):,} files for each side")
        for side, about in (("base", base), ("head", head)):
            if self._settings.revision is None or (side == "head" and not self._settings.control):
                here.copy(self.tree(side), self._watched)
            else:
                checkout.checkout_commit(repository, about["commit"], self.tree(side), until=self._until)
        apart = self._settings.python or self._settings.wheels
        if base["commit"] == head["commit"] and not here.dirty and not apart:
            self._notices.append("base and head are the same code, so every slowdown found is a false alarm")
        return base, head

    def _watched(self, names: Sequence[str]) -> Iterator[str]:
        """Yield the names of files while they are copied. Raises PacelineError once the time is up."""
        spoke = time.monotonic()
        for number, name in enumerate(names):
            if number % OFTEN == 0:
                now = time.monotonic()
                if now > self._until:
                    raise PacelineError(
                        f"the budget of {self._settings.budget:g} s is spent, with {number:,} of {len(names):,} files"
                        " written. Raise --benchmark-budget."
                    )
                if now - spoke > SILENCE:
                    self._say(f"wrote {number:,} of {len(names):,} files")
                    spoke = now
            yield name

    def _base_revision(self, repository: Path) -> dict[str, Any]:
        revision = self._settings.revision
        if revision == MERGE_BASE or revision is None:
            commit = git.default_base(repository)
            return {"revision": "merge base", "commit": commit, "dirty": False}
        return {"revision": revision, "commit": git.resolve(repository, revision), "dirty": False}

    def tree(self, side: str) -> Path:
        """Return a side's tree in this round; its name is that of the user's folder, as a test may depend on it."""
        name = self.root.name
        return self.slots.path(side) / ("tree" if name in {"", SITE, SERVED} else name)

    def site(self, side: str) -> Path:
        """Return the folder that a side is installed into, if it is."""
        return self.slots.path(side) / SITE

    def served_file(self, side: str) -> Path:
        """Return the file that lists what a side's finder serves."""
        return self.slots.path(side) / SERVED

    def differing(self) -> list[str]:
        """Return the tracked files that differ between the sides, relative to their trees."""
        base, head = self.tree("base"), self.tree("head")
        names = sorted({name.partition("/")[2] for side in SIDES for name in self._tracked[side]})
        return [name for name in names if copying.differs(name, head, base) or copying.differs(name, base, head)]

    def _note_tracked(self) -> None:
        """Note the files that git tracks, before code of the project runs: it could change git's settings."""
        for side in SIDES:
            tree = self.tree(side)
            if (tree / ".git").exists():
                self._tracked[side] = {f"{tree.name}/{name}" for name in checkout.tracked(tree)}

    def seal(self) -> None:
        """Note the state of both sides' tracked files and installed code, and of paceline's copy."""
        for side in SIDES:
            folder = self.slots.path(side)
            self._seal.take(side, folder, {*self._tracked[side], *code_below(self.site(side), folder)})

        self._seal.take("paceline", self.folder, code_below(self.folder / "plugin", self.folder))

    def insist_on_seal(self) -> None:
        """Raise PacelineError if a sealed file has changed."""
        self._seal.check({**{side: self.slots.path(side) for side in SIDES}, "paceline": self.folder})

    def relative(self, path: Path) -> Path:
        """Return a path of the user's checkout relative to its root; `.` for a path outside."""
        try:
            return path.resolve().relative_to(self.root)
        except ValueError:
            return Path()

    def settings_folder(self, side: str) -> Path:
        """Return the folder of a side's [tool.paceline]."""
        return project_root(self.tree(side) / self.relative(self._request.started_in))

    def overlay(self, selection: Selection) -> set[str]:
        """Give both sides head's tests. Returns the files that differ from base's own. Raises PacelineError."""
        files = [path.as_posix() for path in selection.modules]
        if selection.ini is not None and not selection.ini.is_absolute():
            files.append(selection.ini.as_posix())
        named = [(selection.root / name).as_posix() for name in self._settings.overlay]
        named += [(selection.root / selection.asv).as_posix()] if selection.asv else []
        head, base = self.tree("head"), self.tree("base")
        files += [name for name in map(_package_file, files) if not (self.tree("base") / name).exists()]
        if self._settings.control:  # both are base: the tests come from the user's checkout
            overlay.overlay(self.root, head, files, [])
        for name in named:
            if not (head / name).exists():
                raise PacelineError(f"[tool.paceline] overlay: head has no {name!r}. Correct the setting.")
        folders = [name for name in named if (head / name).is_dir()]
        files += [name for name in named if (head / name).is_file()]
        different = overlay.overlay(head, base, files, folders)
        self._tracked["base"] |= {f"{base.name}/{name}" for name in different}
        return different


def _package_file(module: str) -> str:
    """Return the file that makes a test's folder a package: base gets it only if it has none."""
    return (Path(module).parent / "__init__.py").as_posix()


def _project_around(folder: Path) -> Path:
    """Return the project's folder outside of git: the nearest one around that has a project's file."""
    folder = folder.resolve()
    names = ("pyproject.toml", "pytest.ini", "tox.ini", "setup.cfg", "setup.py")
    around = (each for each in (folder, *folder.parents) if any((each / name).is_file() for name in names))
    return next(around, folder)
