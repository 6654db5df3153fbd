"""Judges one benchmark at any two revisions, by a gate of its own, in a clone in a temporary folder.

The user's checkout is not touched.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.config import project
from paceline.errors import PacelineError
from paceline.gate.sides.checkout import checkout_commit
from paceline.gate.sides.workspace import Workspace
from paceline.report import json_file
from paceline.report.verdicts import Finding
from paceline.system import child
from paceline.system.git import GitFailedError, git, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paceline.report.outcome import Outcome

FAILED = "failed"  # instead of a verdict: the gate judged nothing
SAYS = "paceline: "  # before each line of a gate's progress


@dataclass(frozen=True)
class Target:
    """A benchmark by pytest's node id, and the `folder` below the root of its repository to run pytest in."""

    repository: Path
    folder: str
    benchmark: str

    @classmethod
    def here(cls, benchmark: str, here: Path) -> Target:
        """Return the benchmark of the repository around `here`, which may be named as in the history.

        Raises PacelineError.
        """
        try:
            repository = Path(git(here, "rev-parse", "--show-toplevel").rstrip("\n")).resolve()
        except GitFailedError:
            raise PacelineError(
                f"{here} is not in a git repository, so there are no commits to judge. Run from a clone of the"
                " project."
            ) from None
        return cls(repository, str(here.resolve().relative_to(repository)), node_id(benchmark, here))

    def commit(self, name: str, revision: str) -> str:
        """Return the commit of a revision. Raises PacelineError, with the argument's name for a path."""
        try:
            return resolve(self.repository, revision)
        except PacelineError:
            if Path(revision).exists():
                raise PacelineError(f"{name}: expected a revision, got the path {revision!r}. See --help.") from None
            raise

    def title(self, commit: str) -> str:
        """Return a commit's short hash and subject."""
        return git(self.repository, "log", "-1", "--format=%h %s", commit).strip()

    def judge(
        self, commit: str, against: str, options: Sequence[str], say: Callable[[str], None] = lambda _: None
    ) -> Outcome | str:
        """Return the result of a gate, or why it judged nothing. `say` gets the lines of its progress."""
        with Workspace.create() as workspace:
            tree = workspace.folder / "clone" / (self.repository.name or "project")  # the name is part of reports
            document = workspace.folder / "findings.json"
            tree.parent.mkdir()
            checkout_commit(self.repository, commit, tree)
            folder = tree / self.folder
            if not folder.is_dir():
                return f"no folder {self.folder} at this commit"
            command = [sys.executable, "-m", "pytest", self.benchmark, "--benchmark-only", "-p", "no:cacheprovider"]
            command += [f"--benchmark-against={against}", f"--benchmark-against-json={document}", *options]
            environment = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
            done = child.run(command, folder, environment, lambda line: _pass_on(line, say))
            if not document.exists():
                return _reason(done.stdout, folder)
            return json_file.read(document.read_bytes(), document.name)

    def finding(self, judged: Outcome | str) -> Finding:
        """Return the finding of a gate; with the verdict FAILED and a reason if it is not of one benchmark."""
        if isinstance(judged, str):
            return Finding(self.benchmark, FAILED, reason=judged)
        if len(judged.findings) != 1:
            reason = f"expected one benchmark of this name, got {len(judged.findings)}"
            return Finding(self.benchmark, FAILED, reason=reason)
        return judged.findings[0]


def _pass_on(line: str, say: Callable[[str], None]) -> None:
    if line.startswith(SAYS):
        say(line.removeprefix(SAYS).strip())


def _reason(output: str, folder: Path) -> str:
    """Return why pytest failed, with paths as in the user's checkout."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR", "E "))]
    return (
        (errors or lines or ["pytest printed nothing"])[-1].removeprefix("ERROR: ").replace(f"{folder}{os.sep}", "")
    )


def node_id(benchmark: str, here: Path) -> str:
    """Return a benchmark's node id for pytest in the folder `here`; `benchmark` may be its name in the history.

    Raises PacelineError if no file of this checkout fits the name.
    """
    name, bracket, parameters = benchmark.partition("[")
    if "::" in name:
        return benchmark
    found = _module(project.find_root(here), name.split("."))
    if found is not None:
        path, inside = found
        return "::".join([Path(os.path.relpath(path, here)).as_posix(), *inside]) + bracket + parameters
    raise PacelineError(
        f"no test file for {benchmark!r} in this checkout. Give pytest's node id, such as test_speed.py::test_it, or"
        " use `asv find` for asv's own benchmarks."
    )


def _module(folder: Path, parts: Sequence[str]) -> tuple[Path, Sequence[str]] | None:
    """Return the file that a dotted name begins with, and the rest of the name. Names of folders may have dots."""
    for count in range(1, len(parts)):
        path, rest = folder / ".".join(parts[:count]), parts[count:]
        found = _module(path, rest) if path.is_dir() else None
        if found is not None:
            return found
        file = path.with_name(f"{path.name}.py")
        if file.is_file():
            return file, rest
    return None
