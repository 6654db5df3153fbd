"""Orders commits along the first parents of a branch.

In some clones the branch is only `origin/main`, in others a local `main` is old. So the data decide: of the names
that a branch may have, the one with the commits of most runs is used.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from paceline.errors import PacelineError
from paceline.system.git import GitFailedError, git, is_shallow

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

REMOTES = ("", "origin/", "upstream/")
DEFAULTS = ("main", "master")


def line(repository: Path, branch: str | None, commits: Collection[str]) -> tuple[str, list[str]]:
    """Return a branch's name and its commits along first parents, oldest first.

    `commits` are those that have runs. Raises PacelineError if there is no such branch.
    """
    chosen = [branch] if branch else _defaults(repository)
    lines = _lines(repository, [prefix + name for name in chosen for prefix in REMOTES])
    if not lines and not branch:
        lines = _lines(repository, ["HEAD"])
    if not lines:
        _insist_on_readable(repository)
        missing = f"branch {branch!r}" if branch else "default branch (main, master or origin/HEAD)"
        raise PacelineError(
            f"{repository} has no {missing}, which orders the runs. Name a branch with --branch, or fetch it."
        )
    measured = set(commits)
    return max(lines, key=lambda each: len(measured.intersection(each[1])))


def _insist_on_readable(repository: Path) -> None:
    """Raise PacelineError with git's message if git cannot read the repository."""
    try:
        git(repository, "rev-parse", "--git-dir")
    except GitFailedError as error:
        raise PacelineError(f"git cannot read {repository}: {' '.join(str(error).split())}") from None


def why_unknown(repository: Path) -> str:
    """Return what to do about commits that are not on the branch; empty if there is no remedy."""
    return ". This clone is shallow: run `git fetch --unshallow`" if is_shallow(repository) else ""


def described(repository: Path | None, ranges: Sequence[tuple[str, str, str]]) -> list[tuple[str, int | None]]:
    """Return for (before, after, at) the subject of `at` and the number of commits after `before` up to `after`.

    An empty subject and None where the repository does not have these commits.
    """
    return [_one_described(repository, *each) if repository else ("", None) for each in ranges]


@cache
def _one_described(repository: Path, before: str, after: str, at: str) -> tuple[str, int | None]:
    try:
        subject = git(repository, "log", "-1", "--format=%s", at, "--").strip()
        return subject, int(git(repository, "rev-list", "--count", f"{before}..{after}", "--"))
    except GitFailedError:
        return "", None


def _defaults(repository: Path) -> Sequence[str]:
    try:
        head = git(repository, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").strip()
    except GitFailedError:
        return DEFAULTS
    return [head.removeprefix("origin/")]


def _lines(repository: Path, names: Sequence[str]) -> list[tuple[str, list[str]]]:
    return [(name, found) for name in names if (found := _first_parents(repository, name)) is not None]


def _first_parents(repository: Path, name: str) -> list[str] | None:
    try:
        listed = git(repository, "rev-list", "--first-parent", "--reverse", "--end-of-options", name, "--")
    except GitFailedError:
        return None
    return listed.split()
