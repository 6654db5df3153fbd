"""The one way to run git: no hook, no alias, no prompt, no other repository than the one that is meant."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.errors import PacelineError, why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

# Untracked files that count, whatever the project ignores: caches are no part of the code.
# Nor are compiled modules, which may be older than what they were built from.
CACHES = ("__pycache__/", "*.pyc", ".pytest_cache/", ".benchmarks/", "*.so", "*.pyd")
OTHERS = ("ls-files", "-z", "--others", "--exclude-standard", *(f"--exclude={cache}" for cache in CACHES))
# A hook, an alias or an outer git may have pointed these at another repository.
GIT_VARIABLES = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_COMMON_DIR"),
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_NAMESPACE", "GIT_CONFIG"),
    *("GIT_IMPLICIT_WORK_TREE", "GIT_INTERNAL_SUPER_PREFIX", "GIT_LITERAL_PATHSPECS", "GIT_ATTR_SOURCE"),
)
# No hook of the user's runs, no daemon is started, and names are given as they are.
PLAIN = ("-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false", "-c", "core.fsmonitor=false")
QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


class GitFailedError(PacelineError):
    """A git command said no; its message is what it printed, on one line."""


def git(
    folder: Path,
    *arguments: str,
    given: str = "",
    places: Mapping[str, str] | None = None,
    until: float = math.inf,
) -> str:
    """Output of a git command. Raises GitFailedError, or PacelineError where there is no git.

    `places` are variables that say where git's folders are, if not where `folder` says; `until` is on the monotonic
    clock.
    """
    try:
        done = subprocess.run(
            ["git", *PLAIN, *arguments],
            cwd=folder,
            env={**plain_environment(), **QUIET, **(places or {})},
            input=given,  # nothing may ask at the terminal
            capture_output=True,
            encoding=sys.getfilesystemencoding(),
            errors="surrogateescape",
            timeout=None if until == math.inf else max(until - time.monotonic(), 0),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise GitFailedError(f"git {_word(arguments)} had not ended in time") from error
    except OSError as error:
        if not isinstance(error, FileNotFoundError) or error.filename != "git":
            raise PacelineError(f"cannot run git in {folder}: {why(error)}") from error
        raise PacelineError(
            "git was not found, so no revision can be read: install git, or compare environments on the same"
            " code with --benchmark-against-python alone"
        ) from error
    if done.returncode:
        said = " ".join(line.strip() for line in done.stderr.splitlines() if not line.startswith("hint:"))
        raise GitFailedError(said.strip() or f"git {_word(arguments)} {_how_it_ended(done.returncode)}")
    return done.stdout


@contextlib.contextmanager
def contents(folder: Path) -> Iterator[Callable[[str], bytes | None]]:
    """Give a function that returns the content of a hash, None if there is none, by one process for all.

    A partial clone gets from its remote what it lacks.
    """
    process = subprocess.Popen(
        ["git", *PLAIN, "cat-file", "--batch"],
        cwd=folder,
        env=plain_environment() | QUIET,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        try:
            yield functools.partial(_content, process)
        finally:
            process.kill()


def _content(process: subprocess.Popen[bytes], name: str) -> bytes | None:
    if process.stdin is None or process.stdout is None:
        raise ValueError("a process without pipes")
    process.stdin.write(f"{name}\n".encode())
    process.stdin.flush()
    header = process.stdout.readline().split()
    if len(header) != 3 or header[1] != b"blob":  # noqa: PLR2004  # hash, type, size
        return None
    found = process.stdout.read(int(header[2]))
    process.stdout.read(1)
    return found


def plain_environment() -> dict[str, str]:
    """Return the environment without what points git at another repository than the one around."""
    return {name: value for name, value in os.environ.items() if name not in GIT_VARIABLES}


def _word(arguments: Sequence[str]) -> str:
    """Return the git command's name; settings come before it."""
    return next((word for word in arguments if word != "-c" and "=" not in word), "")


def _how_it_ended(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"failed with {status}"


def toplevel(folder: Path) -> Path:
    """Root of the repository around a folder. Raises PacelineError if there is none."""
    try:
        return Path(git(folder, "rev-parse", "--show-toplevel").rstrip("\n")).resolve()
    except GitFailedError as error:
        if "dubious ownership" in str(error):
            raise PacelineError(
                f"git does not trust {folder}, which another user owns: `git config --global --add safe.directory"
                f" {folder}`"
            ) from error
        raise PacelineError(
            f"{folder} is not in a git repository, so there is no base to compare with ({error}):"
            " run from a clone of the project"
        ) from error


def commit_of(repository: Path, revision: str) -> str:
    """Full hash of a revision's commit. Raises GitFailedError."""
    found = git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", revision).strip()
    return git(repository, "rev-parse", "--verify", "--quiet", f"{found}^{{commit}}").strip()


def head_commit(repository: Path) -> str:
    """Full hash of the commit that is checked out. Raises PacelineError if there is none yet."""
    try:
        return commit_of(repository, "HEAD")
    except GitFailedError as error:
        raise PacelineError(
            f"{repository} has no commit yet, so there is nothing to compare with: commit first"
        ) from error


def is_shallow(repository: Path) -> bool:
    """Whether the clone lacks part of its history."""
    return git(repository, "rev-parse", "--is-shallow-repository").strip() == "true"


def resolve(repository: Path, revision: str) -> str:
    """Full hash of a revision's commit. Raises PacelineError with the likely cause."""
    _insist_on_one(repository, revision)
    try:
        return commit_of(repository, revision)
    except GitFailedError:
        pass
    if (repository / revision).exists() or Path(revision).exists():
        raise PacelineError(
            f"--benchmark-against took the path {revision!r} for its revision: write"
            f" --benchmark-against=REV {revision}, or put paths first"
        )
    remedy = "check its spelling, or `git fetch` it"
    if is_shallow(repository):
        remedy = "this clone is shallow: `git fetch --unshallow` (GitHub Actions: fetch-depth: 0)"
    raise PacelineError(f"unknown revision {revision!r}: {remedy}")


def _insist_on_one(repository: Path, name: str) -> None:
    """Raise PacelineError if a tag and a branch of this name are two commits."""
    found = {}
    for kind in ("refs/tags/", "refs/heads/"):
        with contextlib.suppress(GitFailedError):
            found[kind] = commit_of(repository, f"{kind}{name}")
    if len(set(found.values())) > 1:
        raise PacelineError(f"{name!r} is a tag and a branch: write {' or '.join(kind + name for kind in found)}")


def default_base(repository: Path) -> str:
    """Return the merge base of HEAD with the upstream default branch; without a remote, the local one."""
    candidates = ["refs/remotes/upstream/HEAD", "refs/remotes/origin/HEAD"]
    candidates += [
        f"refs/remotes/{remote}/{name}" for remote in ("upstream", "origin") for name in ("main", "master")
    ]
    candidates += ["refs/heads/main", "refs/heads/master"]
    for candidate in candidates:
        try:
            commit_of(repository, candidate)
        except GitFailedError:
            continue
        try:
            return git(repository, "merge-base", "HEAD", candidate).strip()
        except GitFailedError as error:
            remedy = "`git fetch --unshallow`" if is_shallow(repository) else "name one: --benchmark-against=REV"
            raise PacelineError(f"HEAD and {candidate} have no common ancestor here: {remedy}") from error
    raise PacelineError("no default branch found (origin/HEAD, main or master): name a base: --benchmark-against=REV")
