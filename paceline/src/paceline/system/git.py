"""Runs git, for all of paceline: without hooks, aliases and prompts, and only in the repository that is named."""

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

# Untracked files that belong to the code. Caches do not, even if the project does not ignore them. Neither do
# compiled modules, which may be older than their sources.
CACHES = ("__pycache__/", "*.pyc", ".pytest_cache/", ".benchmarks/", "*.so", "*.pyd")
OTHERS = ("ls-files", "-z", "--others", "--exclude-standard", *(f"--exclude={cache}" for cache in CACHES))
# Variables by which a hook, an alias or an outer git may point at another repository.
GIT_VARIABLES = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_COMMON_DIR"),
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_NAMESPACE", "GIT_CONFIG"),
    *("GIT_IMPLICIT_WORK_TREE", "GIT_INTERNAL_SUPER_PREFIX", "GIT_LITERAL_PATHSPECS", "GIT_ATTR_SOURCE"),
)
# Run no hook of the user's, start no daemon, and print names unquoted.
PLAIN = ("-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false", "-c", "core.fsmonitor=false")
QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


class GitFailedError(PacelineError):
    """A git command failed; the message is git's own, on one line."""


def git(
    folder: Path,
    *arguments: str,
    given: str = "",
    places: Mapping[str, str] | None = None,
    until: float = math.inf,
) -> str:
    """Return the output of a git command. Raises GitFailedError, or PacelineError if git is not installed.

    `places` are variables that name git's folders, if they are not those of `folder`; `until` is on the monotonic
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
        raise GitFailedError(f"git {_word(arguments)} did not end in time") from error
    except OSError as error:
        if not isinstance(error, FileNotFoundError) or error.filename != "git":
            raise PacelineError(f"cannot run git in {folder}: {why(error)}") from error
        raise PacelineError(
            "git was not found, so no revision can be read. Install git, or compare environments on the same"
            " code with --benchmark-against-python alone."
        ) from error
    if done.returncode:
        printed = " ".join(line.strip() for line in done.stderr.splitlines() if not line.startswith("hint:"))
        raise GitFailedError(printed.strip() or f"git {_word(arguments)} {_how_it_ended(done.returncode)}")
    return done.stdout


@contextlib.contextmanager
def contents(folder: Path) -> Iterator[Callable[[str], bytes | None]]:
    """Yield a function that returns the content of a hash, or None; one process serves all calls.

    A partial clone fetches missing contents from its remote.
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
    """Return the environment without variables that point git at another repository."""
    return {name: value for name, value in os.environ.items() if name not in GIT_VARIABLES}


def _word(arguments: Sequence[str]) -> str:
    """Return the git command's name; settings come before it."""
    return next((word for word in arguments if word != "-c" and "=" not in word), "")


def _how_it_ended(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"failed with {status}"


def toplevel(folder: Path) -> Path:
    """Return the root of the repository that contains a folder. Raises PacelineError if there is none."""
    try:
        return Path(git(folder, "rev-parse", "--show-toplevel").rstrip("\n")).resolve()
    except GitFailedError as error:
        if "dubious ownership" in str(error):
            raise PacelineError(
                f"git does not trust {folder}, which another user owns. Run `git config --global --add"
                f" safe.directory {folder}`."
            ) from error
        raise PacelineError(
            f"{folder} is not in a git repository, so there is no base to compare with ({error})."
            " Run from a clone of the project."
        ) from error


def commit_of(repository: Path, revision: str) -> str:
    """Return the full hash of a revision's commit. Raises GitFailedError."""
    found = git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", revision).strip()
    return git(repository, "rev-parse", "--verify", "--quiet", f"{found}^{{commit}}").strip()


def head_commit(repository: Path) -> str:
    """Return the full hash of the commit that is checked out. Raises PacelineError if there is none yet."""
    try:
        return commit_of(repository, "HEAD")
    except GitFailedError as error:
        raise PacelineError(
            f"{repository} has no commit yet, so there is nothing to compare with. Commit first."
        ) from error


def is_shallow(repository: Path) -> bool:
    """Whether the clone lacks part of its history."""
    return git(repository, "rev-parse", "--is-shallow-repository").strip() == "true"


def resolve(repository: Path, revision: str) -> str:
    """Return the full hash of a revision's commit. Raises PacelineError with the likely cause."""
    _insist_on_one(repository, revision)
    try:
        return commit_of(repository, revision)
    except GitFailedError:
        toplevel(repository)  # which says so if this is no repository
    if (repository / revision).exists() or Path(revision).exists():
        raise PacelineError(
            f"--benchmark-against: expected a revision, got the path {revision!r}. Write"
            f" `--benchmark-against=REV {revision}`, or put paths first."
        )
    remedy = "Check its spelling, or `git fetch` it."
    if is_shallow(repository):
        remedy = "This clone is shallow. Run `git fetch --unshallow` (GitHub Actions: fetch-depth: 0)."
    raise PacelineError(f"unknown revision {revision!r}. {remedy}")


def _insist_on_one(repository: Path, name: str) -> None:
    """Raise PacelineError if a tag and a branch of this name are two commits."""
    found = {}
    for kind in ("refs/tags/", "refs/heads/"):
        with contextlib.suppress(GitFailedError):
            found[kind] = commit_of(repository, f"{kind}{name}")
    if len(set(found.values())) > 1:
        raise PacelineError(
            f"{name!r} is both a tag and a branch. Write {' or '.join(kind + name for kind in found)}."
        )


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
            shallow = is_shallow(repository)
            remedy = "Run `git fetch --unshallow`." if shallow else "Name a base: --benchmark-against=REV"
            raise PacelineError(f"HEAD and {candidate} have no common ancestor here. {remedy}") from error
    raise PacelineError("no default branch found (origin/HEAD, main or master). Name a base: --benchmark-against=REV")
