"""Finds the code that a run measured: the commit, and whether the tree had other changes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.errors import PacelineError
from paceline.system.git import OTHERS, GitFailedError, git, is_shallow

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Provenance:
    """A commit, its author's date in milliseconds since 1970 (as asv dates it), and whether the tree differs."""

    commit: str
    date: int
    dirty: bool = False


def head(root: Path) -> Provenance:
    """Return the commit that is checked out. Raises PacelineError if there is none."""
    try:
        git(root, "rev-parse", "--git-dir")
    except GitFailedError as error:
        raise PacelineError(
            f"{root} is not in a git repository, and a run is recorded by its commit ({_last_line(error)}). Run from"
            " a clone of the project, or leave out --benchmark-record."
        ) from error
    try:
        return of_commit(root, "HEAD")
    except GitFailedError as error:
        raise PacelineError(
            "the repository has no commit yet, and a run is recorded by its commit. Commit first."
        ) from error


def of_commit(root: Path, revision: str) -> Provenance:
    """Return a commit of a repository. Raises GitFailedError."""
    shown = git(root, "show", "--no-patch", "--format=%H %at", "--end-of-options", f"{revision}^{{commit}}")
    commit, _, seconds = shown.strip().partition(" ")
    return Provenance(commit, 1000 * int(seconds))


def changed_files(root: Path, ignored: Sequence[Path] = ()) -> list[str]:
    """Return files that differ from the commit, new ones included, except those in `ignored` folders."""
    top = Path(git(root, "rev-parse", "--show-toplevel").rstrip("\n"))
    inside = [os.path.relpath(folder.resolve(), top.resolve()) for folder in ignored]
    below = [Path(path).as_posix() for path in inside if path != "." and not path.startswith("..")]
    left_out = [f":(top,exclude,literal){path}" for path in below]
    paths = ["--", ":(top)", *left_out]
    changed = git(top, "diff", "--name-only", "-z", "HEAD", *paths) + git(top, *OTHERS, *paths)
    return [name for name in changed.split("\0") if name]


def remarks(root: Path) -> list[str]:
    """Return notices about a checkout that do not prevent recording."""
    found = []
    try:
        git(root, "symbolic-ref", "--quiet", "HEAD")
    except GitFailedError:
        found.append(
            "HEAD is detached: the run is recorded for its commit, and shown once that is on the history's branch"
        )
    if is_shallow(root):
        found.append(
            "this clone is shallow: the run is recorded, but `paceline check` needs all commits. Run `git fetch"
            " --unshallow` (GitHub Actions: fetch-depth: 0)."
        )
    return found


def _last_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[-1]
