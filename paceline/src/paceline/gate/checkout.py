"""Base and head as trees of their own, in two slots whose paths have equal length.

Nothing of the user's is moved or written to: a gate may be killed at any moment, two may run at once, and
what a killed one leaves behind is recognised by a lock that nobody holds any more.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from paceline.errors import PacelineError
from paceline.signals import put_off

try:
    import fcntl
except ImportError:  # Windows: left-overs of killed gates stay, as nothing tells them from living ones
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PREFIX = "paceline-"
OWNER = "owner"
GITLINK = "160000"
# Untracked files that count, whatever the project ignores: caches are no part of the code.
# Nor are compiled modules, which may be older than what they were built from.
CACHES = ("__pycache__/", "*.pyc", ".pytest_cache/", ".benchmarks/", "*.so", "*.pyd")
OTHERS = ("ls-files", "-z", "--others", "--exclude-standard", *(f"--exclude={cache}" for cache in CACHES))
# A hook or an outer git may have pointed these at another repository.
GIT_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")


class GitFailedError(Exception):
    """A git command said no; its message is what it printed."""


def git(folder: Path, *arguments: str, given: str | None = None) -> str:
    """Output of a git command. Raises GitFailedError, or PacelineError where there is no git."""
    environment = {name: value for name, value in os.environ.items() if name not in GIT_VARIABLES}
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false", *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment | {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            input=given,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError as error:
        raise PacelineError(
            "git was not found, so no revision can be read: install git, or compare environments on the same"
            " code with --benchmark-against-python alone"
        ) from error
    if done.returncode:
        raise GitFailedError(done.stderr.strip() or f"git {arguments[0]} failed with {done.returncode}")
    return done.stdout


def toplevel(folder: Path) -> Path:
    """Root of the repository around a folder. Raises PacelineError if there is none."""
    try:
        return Path(git(folder, "rev-parse", "--show-toplevel").rstrip("\n")).resolve()
    except GitFailedError as error:
        raise PacelineError(
            f"{folder} is not in a git repository, so there is no base to compare with ({error}):"
            " run from a clone of the project"
        ) from error


def resolve(repository: Path, revision: str) -> str:
    """Full hash of a revision's commit. Raises PacelineError with the likely cause."""
    try:
        return git(repository, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
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


def is_shallow(repository: Path) -> bool:
    """Whether the clone lacks part of its history."""
    return git(repository, "rev-parse", "--is-shallow-repository").strip() == "true"


def default_base(repository: Path) -> str:
    """Return the merge base of HEAD with the upstream default branch; without a remote, the local one."""
    candidates = ["refs/remotes/upstream/HEAD", "refs/remotes/origin/HEAD"]
    candidates += [
        f"refs/remotes/{remote}/{name}" for remote in ("upstream", "origin") for name in ("main", "master")
    ]
    candidates += ["refs/heads/main", "refs/heads/master"]
    for candidate in candidates:
        try:
            git(repository, "rev-parse", "--verify", "--quiet", f"{candidate}^{{commit}}")
        except GitFailedError:
            continue
        try:
            return git(repository, "merge-base", "HEAD", candidate).strip()
        except GitFailedError as error:
            remedy = "`git fetch --unshallow`" if is_shallow(repository) else "name one: --benchmark-against=REV"
            raise PacelineError(f"HEAD and {candidate} have no common ancestor here: {remedy}") from error
    raise PacelineError("no default branch found (origin/HEAD, main or master): name a base: --benchmark-against=REV")


def is_dirty(repository: Path) -> bool:
    """Whether the working tree has changes that are not committed, untracked files included."""
    changed = git(repository, "status", "--porcelain", "--untracked-files=no")
    return bool(changed.strip() or git(repository, *OTHERS).strip("\0"))


def checkout_commit(source: Path, commit: str, tree: Path) -> None:
    """Make `tree` a clone of its own at a commit of `source`, submodules included; copies no objects."""
    _clone_head(source, commit, tree)
    try:
        git(tree, "checkout", "--quiet", "--force", "--detach", commit)
    except GitFailedError as error:
        _raise_if_full(str(error), tree)
        raise PacelineError(f"git could not check out {commit[:12]}: {_last_line(error)}") from error
    for path, pinned in _submodules(tree, "ls-tree", "-r", "-z", commit):
        inner = source / path
        if not (inner / ".git").exists():
            continue  # not in use here either
        try:
            git(inner, "cat-file", "-e", f"{pinned}^{{commit}}")
        except GitFailedError as error:
            needed = f"commit {pinned[:12]}, which {commit[:12]} needs"
            raise PacelineError(f"submodule {path} has no {needed}: `git -C {path} fetch`") from error
        checkout_commit(inner, pinned, tree / path)


def checkout_working_tree(source: Path, tree: Path) -> None:
    """Make `tree` what `source` holds now: changed and untracked files too, ignored and removed ones not."""
    commit = git(source, "rev-parse", "HEAD").strip()
    _clone_head(source, commit, tree)
    git(tree, "read-tree", commit)
    inner = dict(_submodules(source, "ls-files", "-s", "-z"))
    listed = git(source, "ls-files", "-z", "--cached") + git(source, *OTHERS)
    for name in sorted(set(filter(None, listed.split("\0")))):
        if name in inner:
            (tree / name).mkdir(parents=True, exist_ok=True)
            if (source / name / ".git").exists():
                checkout_working_tree(source / name, tree / name)
        elif not name.endswith("/"):  # which would be a repository that is not a submodule
            copy_file(source / name, tree / name)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file or link if it exists, with its mode, making folders as needed."""
    if not source.is_symlink() and not source.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink() or target.exists():
        target.unlink()
    shutil.copy2(source, target, follow_symlinks=False)


def copy_tree_without_git(source: Path, tree: Path) -> None:
    """Copy a project that is in no repository, without environments, caches and hidden folders."""

    def unwanted(folder: str, names: list[str]) -> Iterable[str]:
        for name in names:
            path = Path(folder) / name
            if path.is_dir() and (name.startswith(".") or name == "__pycache__" or (path / "pyvenv.cfg").exists()):
                yield name

    shutil.copytree(source, tree, symlinks=True, ignore=unwanted, dirs_exist_ok=True)


def _clone_head(source: Path, commit: str, tree: Path) -> None:
    """Make an empty clone that borrows the source's objects and knows its tags: versions come from them."""
    tree.mkdir(parents=True, exist_ok=True)
    git(tree, "init", "--quiet", "--template=")
    folder = tree / ".git"
    common = Path(git(source, "rev-parse", "--path-format=absolute", "--git-common-dir").rstrip("\n"))
    (folder / "objects" / "info").mkdir(parents=True, exist_ok=True)
    (folder / "objects" / "info" / "alternates").write_text(f"{common / 'objects'}\n", encoding="utf-8")
    if (common / "shallow").exists():
        shutil.copyfile(common / "shallow", folder / "shallow")
    tags = git(source, "for-each-ref", "--format=create %(refname) %(objectname)", "refs/tags")
    git(tree, "update-ref", "--stdin", given=tags)
    git(tree, "update-ref", "--no-deref", "HEAD", commit)


def _submodules(repository: Path, *listing: str) -> Iterator[tuple[str, str]]:
    """Paths and pinned commits; both listings begin with the mode and end with a tab and the path."""
    for entry in filter(None, git(repository, *listing).split("\0")):
        about, _, path = entry.partition("\t")
        mode, *rest = about.split()
        if mode == GITLINK:
            yield path, rest[1] if rest[0] == "commit" else rest[0]


def _last_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[-1]


def _raise_if_full(text: str, folder: Path) -> None:
    if any(words in text for words in (os.strerror(errno.ENOSPC), "Out of diskspace")):
        raise PacelineError(disk_full(folder))


def disk_full(folder: Path) -> str:
    """Line for a full disk."""
    return f"no space left on the disk of {folder.anchor or folder}: free some, or set TMPDIR to a larger disk"


@dataclass
class Slots:
    """Two folders, `a` and `b`; a side is a folder that is renamed from one to the other."""

    folder: Path
    _at: dict[str, str] = field(default_factory=lambda: {"base": "a", "head": "b"})

    def path(self, side: str) -> Path:
        """Where a side is now."""
        return self.folder / self._at[side]

    def arrange(self, base_at: str) -> None:
        """Put base into this slot and head into the other."""
        if self._at["base"] == base_at:
            return
        aside = self.folder / "c"
        (self.folder / "a").rename(aside)
        (self.folder / "b").rename(self.folder / "a")
        aside.rename(self.folder / "b")
        self._at["base"], self._at["head"] = self._at["head"], self._at["base"]


@dataclass
class Workspace:
    """A temporary folder, gone at the end; use it as a context manager."""

    folder: Path
    _owner: IO[str]

    @classmethod
    def create(cls) -> Self:
        """Make one, and remove what killed gates have left behind."""
        parent = Path(tempfile.gettempdir()).resolve()
        remove_leftovers(parent)
        try:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        except OSError as error:
            raise PacelineError(f"cannot write to {parent} ({error.strerror}): set TMPDIR") from error
        try:
            owner = _lock(folder)
            for name in ("a", "b", "logs"):
                (folder / name).mkdir()
        except BaseException:
            remove(folder)
            raise
        return cls(folder, owner)

    @property
    def slots(self) -> Slots:
        """The two slots, as they are at the start."""
        return Slots(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with put_off():
            remove(self.folder)
            self._owner.close()


def _lock(folder: Path) -> IO[str]:
    """Hold the owner file of a workspace; only then can another gate judge it."""
    owner = (folder / f"{OWNER}.new").open("w", encoding="utf-8")
    if fcntl is not None:
        fcntl.flock(owner, fcntl.LOCK_EX)
    owner.write(f"{os.getpid()}\n")
    owner.flush()
    (folder / f"{OWNER}.new").rename(folder / OWNER)
    return owner


def remove_leftovers(parent: Path) -> list[Path]:
    """Remove workspaces whose gate is dead: they hold an owner file that nobody has locked."""
    removed: list[Path] = []
    if fcntl is None:
        return removed
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), (folder / OWNER).open("r+", encoding="utf-8") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(folder)
            removed.append(folder)
    return removed


def remove(folder: Path) -> None:
    """Remove a folder, also with read-only parts; what resists is left."""

    def make_writable(function: object, path: str, error: BaseException) -> None:
        with contextlib.suppress(OSError):
            Path(path).parent.chmod(0o700)
            Path(path).chmod(0o700)
            if callable(function):
                function(path)
        del error

    if sys.version_info >= (3, 12):
        shutil.rmtree(folder, onexc=make_writable)
    else:
        shutil.rmtree(folder, onerror=lambda function, path, info: make_writable(function, path, info[1]))


def overlay(head: Path, base: Path, files: Iterable[str], folders: Iterable[str]) -> set[str]:
    """Give base what defines the measurement in head. Returns the files that base had otherwise or not."""
    different: set[str] = set()
    for name in folders:
        inner_files = _files_of(head / name, head)
        different |= {inner for inner in inner_files if _differs(inner, head, base)}
        if (head / name).is_dir():
            shutil.rmtree(base / name, ignore_errors=True)
            shutil.copytree(head / name, base / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in files:
        if _differs(name, head, base):
            different.add(name)
            copy_file(head / name, base / name)
    return different


def _files_of(folder: Path, root: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(root).as_posix()


def _differs(name: str, head: Path, base: Path) -> bool:
    if not (head / name).is_file():
        return False
    return not (base / name).is_file() or (head / name).read_bytes() != (base / name).read_bytes()
