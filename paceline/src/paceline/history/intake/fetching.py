"""Fetches the shared history, a git branch, into the local one: adds new files, and loses none.

Others wrote the branch. So only regular JSON files at paths of a history are taken, never a link. git's plumbing
reads them: nothing is checked out, and no file of the user's is touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from paceline.config import project
from paceline.errors import PacelineError, why
from paceline.history.asv.asv_files import BENCHMARKS_FILE, MACHINE_FILE, benchmarks_file, machine_file
from paceline.history.intake.writer import listed, merge_benchmarks, of_all_results, renew_benchmarks
from paceline.system import files
from paceline.system.files import LONGEST
from paceline.system.git import GitFailedError, contents, git, is_shallow
from paceline.system.strict import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BRANCH = "benchmark-results"
REMOTE = "origin"
REGULAR = {"100644", "100755"}
#: A file name that is valid on every system, and not hidden.
NAME = r"[^\W_](?:[^/\\:*?\"<>|\x00-\x1f\x7f]*[^/\\:*?\"<>|\x00-\x1f\x7f. ])?"
PLACES = re.compile(rf"results/{NAME}/{NAME}\.json|aa/{NAME}\.json")
#: Devices on Windows, and a file that runs write themselves.
RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?|benchmarks\.json", re.IGNORECASE)
LONGEST_NAME = 200  # bytes; most systems take 255
MERGED = {MACHINE_FILE, BENCHMARKS_FILE}  # all other files never change


@dataclass(frozen=True)
class Entry:
    """A file of the shared tree."""

    path: PurePosixPath
    hash: str
    size: int


@dataclass(frozen=True)
class Fetched:
    """The counts of a fetch. `refused` and `kept` have a line with the reason for each file."""

    added: int
    merged: int
    present: int
    refused: tuple[str, ...]
    kept: tuple[str, ...]


def fetch(
    repository: Path,
    results: Path,
    remote: str = REMOTE,
    branch: str = BRANCH,
    progress: Callable[[str], None] = lambda _: None,
) -> Fetched:
    """Add the files of a remote's branch to `results`, and those of `aa/` to the folder next to it.

    Raises PacelineError if there is no such remote or branch, it cannot be reached, or files cannot be written.
    """
    progress(f"fetching {branch} from {remote}")
    commit = _fetch_branch(repository, remote, branch)
    entries, refused = _entries(repository, commit)
    if not entries and not refused:
        raise PacelineError(
            f"{branch!r} of {remote} has no folder results/, so it is not a history. Name another with --branch."
        )
    targets = {entry: _target(entry.path, results) for entry in entries}
    missing = {entry for entry in entries if not os.path.lexists(targets[entry])}
    differing = [entry for entry in entries if entry not in missing and not _is_same(entry, targets[entry])]
    merging = [entry for entry in differing if entry.path.name in MERGED]
    kept = tuple(
        f"{targets[entry]}: the shared history has another file of this name; the local file was kept"
        for entry in differing
        if entry.path.name not in MERGED
    )
    # benchmarks.json comes last: if it is missing here, it is made from the results.
    wanted = [*sorted(missing, key=lambda entry: entry.path.name == BENCHMARKS_FILE), *merging]
    changed = set()
    for entry, content in _contents(repository, wanted, remote):
        if _take(entry, targets[entry], content, refused):
            changed.add(entry)
        progress(f"{len(changed)} of {len(wanted)} files")
    present = len(entries) - len(wanted)
    return Fetched(len(changed & missing), len(changed - missing), present, tuple(refused), kept)


def _take(entry: Entry, target: Path, content: bytes, refused: list[str]) -> bool:
    """Write a shared file, or merge it into the local one; return False if nothing changed."""
    try:
        return _merge(target, content, refused) if entry.path.name in MERGED else files.write_new(target, content)
    except OSError as error:
        where = error.filename or target
        raise PacelineError(
            f"cannot write to {where}: {why(error)}. Files before it are complete. Fetch again for the others."
        ) from error
    except MalformedError as reason:
        refused.append(f"left out {str(entry.path)!r}: {reason}")
        return False


def _fetch_branch(repository: Path, remote: str, branch: str) -> str:
    """Fetch the branch under a reference of our own, and return its newest commit."""
    remotes = git(repository, "remote").split()
    if remote not in remotes:
        choices = f"Choose from: {', '.join(remotes)}" if remotes else "Add it with `git remote add`."
        raise PacelineError(f"--remote: {repository} has no remote {remote!r}. {choices}")
    ours = f"refs/paceline/{branch}"
    # With --depth, a complete clone would become a shallow one.
    depth = ["--depth=1"] if is_shallow(repository) else []
    refspec = f"+refs/heads/{branch}:{ours}"
    try:
        git(repository, "check-ref-format", f"refs/heads/{branch}")
    except GitFailedError:
        raise PacelineError(f"--branch: expected a name of a branch, got {branch!r}") from None
    try:
        git(repository, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *depth, "--", remote, refspec)
    except GitFailedError as error:
        if "couldn't find remote ref" in str(error):
            raise PacelineError(
                f"{remote} has no branch {branch!r}. Push results to it first, or name another with --branch."
            ) from None
        why = " ".join(str(error).split())
        raise PacelineError(f"cannot fetch from {remote}: {why}. Check the network and your access.") from None
    return git(repository, "rev-parse", "--verify", f"{ours}^{{commit}}").strip()


def _entries(repository: Path, commit: str) -> tuple[list[Entry], list[str]]:
    """Return the files to fetch, and a line for each refused one."""
    good, refused = [], []
    for line in filter(None, git(repository, "ls-tree", "-r", "-z", "-l", "--full-tree", commit).split("\0")):
        about, _, path = line.partition("\t")
        mode, kind, name, size = about.split()
        inside = path.startswith(("results/", "aa/"))
        is_regular = mode in REGULAR and kind == "blob"
        why = why_refused(path, int(size)) if is_regular else "is not a regular file"
        if why is None:
            good.append(Entry(PurePosixPath(path), name, int(size)))
        elif inside or mode not in REGULAR:  # a README next to the folders is fine
            refused.append(f"left out {path!r}: {why}")
    return good, refused


def why_refused(path: str, size: int) -> str | None:
    """Return why a file of others, below `results/` or `aa/`, is left out; None if it may be taken."""
    if path != f"results/{BENCHMARKS_FILE}" and not PLACES.fullmatch(path):
        return "is not a path of a history"
    if not _can_be_everywhere(path):
        return f"has a reserved name, or one longer than {LONGEST_NAME} bytes"
    return f"is larger than {LONGEST // 2**20} MiB" if size > LONGEST else None


def _can_be_everywhere(path: str) -> bool:
    names = [] if path == f"results/{BENCHMARKS_FILE}" else path.split("/")
    return not any(RESERVED.fullmatch(name) or len(name.encode(errors="replace")) > LONGEST_NAME for name in names)


def _target(path: PurePosixPath, results: Path) -> Path:
    first, *rest = path.parts
    return (results if first == "results" else project.aa_folder(results)).joinpath(*rest)


def _is_same(entry: Entry, target: Path) -> bool:
    """Whether a local file has this content, by git's own hash, without reading from the repository."""
    try:
        if target.is_symlink() or target.stat().st_size != entry.size:
            return False
        content = files.read(target)
    except OSError:
        return False
    algorithm = hashlib.sha256 if len(entry.hash) > 40 else hashlib.sha1  # noqa: PLR2004
    return algorithm(b"blob %d\0" % len(content) + content).hexdigest() == entry.hash


def _contents(repository: Path, entries: Sequence[Entry], remote: str) -> Iterator[tuple[Entry, bytes]]:
    """Yield entries with their contents, by one process; a partial clone fetches missing ones."""
    with contents(repository) as read:
        for entry in entries:
            content = read(entry.hash)
            if content is None:
                raise PacelineError(f"git has no content for {entry.path}. Try again when {remote} can be reached.")
            yield entry, content


def _merge(target: Path, content: bytes, refused: list[str]) -> bool:
    """Add the fields that only the shared file has; return whether there are any. Raises MalformedError."""
    if target.name == BENCHMARKS_FILE:
        return _merge_benchmarks(target.parent, content, refused)
    theirs = machine_file(content)
    if not os.path.lexists(target):
        return files.write_new(target, content)
    try:
        mine = machine_file(files.read(target))
    except (OSError, MalformedError):
        return False  # its readers report it
    if set(theirs) <= set(mine):
        return False
    files.write(target, json.dumps({**theirs, **mine}, indent=1))
    return True


def _merge_benchmarks(results: Path, content: bytes, refused: list[str]) -> bool:
    theirs, reasons = benchmarks_file(content)
    refused += [f"left out part of 'results/{BENCHMARKS_FILE}': {reason}" for reason in reasons]
    results.mkdir(parents=True, exist_ok=True)
    mine = listed(results)
    if mine is None:
        mine, theirs = {}, {**of_all_results(results), **theirs}  # the results know less
    merge_benchmarks(results, theirs)
    versions = {name: entry.get("version") for name, entry in mine.items()}
    differing = {
        name: theirs[name] for name in theirs.keys() & versions if theirs[name].get("version") != versions[name]
    }
    renew_benchmarks(results, differing)
    return listed(results) != mine
