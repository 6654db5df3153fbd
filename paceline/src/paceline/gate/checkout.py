"""Base and head as trees of their own, in two slots whose paths have equal length.

Nothing of the user's is moved or written to: a gate may be killed at any moment, two may run at once, and
what a killed one leaves behind is recognised by a lock that nobody holds any more.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from paceline.errors import PacelineError, why
from paceline.gate import copying
from paceline.signals import put_off

try:
    import fcntl
except ImportError:  # Windows: left-overs of killed gates stay, as nothing tells them from living ones
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

PREFIX = "paceline-"
NAME = re.compile(PREFIX + "[a-z0-9_]{8}")  # as tempfile makes it
OWNER = "owner"
PATIENCE = 5.0  # seconds of removing without a word
ABANDONED = 600.0  # seconds after which a folder that its gate has not yet come to own, or owns no more, is left over
GITLINK = "160000"
LONGEST = 300  # characters of what git says: it may name every file
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
# An index in one file, of files alone, since it is used without the repository that it was made by.
PLAIN_INDEX = ("-c", "core.splitIndex=false", "-c", "index.sparse=false", "-c", "submodule.recurse=false")
# What says how git writes files and sees whether they are changed.
WRITES = re.compile(
    r"filter\..*|core\.(autocrlf|eol|safecrlf|filemode|symlinks|ignorecase|precomposeunicode|attributesfile)"
)
ELSEWHERE = "free some, or set TMPDIR to another disk"
# What the system refuses, and what helps.
REFUSALS = {
    errno.ENOSPC: ELSEWHERE,
    errno.EDQUOT: ELSEWHERE,
    errno.EROFS: "set TMPDIR to a folder that can be written to",
    errno.EFBIG: "raise the limit of a file's size (`ulimit -f`), or set TMPDIR to another disk",
    errno.EIO: "look for the disk's errors (`dmesg`), or set TMPDIR to another disk",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
    errno.ENFILE: "close programs, or raise the system's limit of open files",
    errno.ENOMEM: "close programs, or use a machine with more memory",
    errno.ENAMETOOLONG: "set TMPDIR to a folder with a shorter name",
}
# Words of git's, and what helps.
REMEDIES = {
    **{os.strerror(number): remedy for number, remedy in REFUSALS.items()},
    "Out of diskspace": ELSEWHERE,
    "SIGXFSZ": REFUSALS[errno.EFBIG],
    "in time": "raise --benchmark-budget, or see what git waits for",
    "promisor": "this clone is partial: make its remote reachable, or clone without --filter",
    "filter": "install that filter and get what it reads (as by `git lfs fetch --all`)",
    "index.lock": "set TMPDIR to a folder that can be written to",
    "unable to read": "see what `git fsck` finds",
    "missing": "see what `git fsck` finds",
}


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


def commit_of(repository: Path, revision: str) -> str:
    """Full hash of a revision's commit. Raises GitFailedError."""
    found = git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", revision).strip()
    return git(repository, "rev-parse", "--verify", "--quiet", f"{found}^{{commit}}").strip()


def _insist_on_one(repository: Path, name: str) -> None:
    """Raise PacelineError if a tag and a branch of this name are two commits."""
    found = {}
    for kind in ("refs/tags/", "refs/heads/"):
        with contextlib.suppress(GitFailedError):
            found[kind] = commit_of(repository, f"{kind}{name}")
    if len(set(found.values())) > 1:
        raise PacelineError(f"{name!r} is a tag and a branch: write {' or '.join(kind + name for kind in found)}")


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
            commit_of(repository, candidate)
        except GitFailedError:
            continue
        try:
            return git(repository, "merge-base", "HEAD", candidate).strip()
        except GitFailedError as error:
            remedy = "`git fetch --unshallow`" if is_shallow(repository) else "name one: --benchmark-against=REV"
            raise PacelineError(f"HEAD and {candidate} have no common ancestor here: {remedy}") from error
    raise PacelineError("no default branch found (origin/HEAD, main or master): name a base: --benchmark-against=REV")


@dataclass(frozen=True)
class WorkingTree:
    """What a checkout holds now, read once. `names` are files and links, tracked or at least not ignored."""

    source: Path
    commit: str
    names: tuple[str, ...]
    submodules: tuple[str, ...]
    dirty: bool  #: changed, or with untracked files

    @classmethod
    def read(cls, source: Path) -> Self:
        """Ask git. Raises PacelineError."""
        commit = head_commit(source)
        untracked = _names(git(source, *OTHERS))
        tracked = _names(git(source, "ls-files", "-z", "--cached"))
        inside = (path for path, _ in _submodules(source, "ls-files", "-s", "-z"))
        submodules = {path for path in inside if copying.is_real(source, path)}
        changed = git(source, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=none")
        # A name that ends in a slash is a repository that is not a submodule.
        names = {name for name in tracked + untracked if not name.endswith("/")} - submodules
        return cls(source, commit, tuple(sorted(names)), tuple(sorted(submodules)), bool(changed or untracked))

    def copy(self, tree: Path, watch: Callable[[Sequence[str]], Iterable[str]] = iter) -> None:
        """Make `tree` the same: changed and untracked files too, ignored and removed ones not.

        `watch` passes on the names of the files as they are copied. Raises PacelineError if one cannot be read.
        """
        _own_repository(self.source, self.commit, tree)
        _write_index(self.source, tree, self.commit)
        copy(self.source, tree, watch(self.names))
        for name in self.submodules:
            (tree / name).mkdir(parents=True, exist_ok=True)
            if (self.source / name / ".git").exists():
                WorkingTree.read(self.source / name).copy(tree / name, watch)


def copy(source: Path, tree: Path, names: Iterable[str]) -> None:
    """Copy files of the user's. Raises PacelineError if one cannot be read."""
    try:
        copying.copy_files(source, tree, names)
    except PermissionError as error:
        raise PacelineError(
            f"cannot read {error.filename}: {error.strerror}: take the right to it (`sudo chown`), or, if git does"
            " not track it, add it to .gitignore"
        ) from error


def head_commit(repository: Path) -> str:
    """Full hash of the commit that is checked out. Raises PacelineError if there is none yet."""
    try:
        return commit_of(repository, "HEAD")
    except GitFailedError as error:
        raise PacelineError(
            f"{repository} has no commit yet, so there is nothing to compare with: commit first"
        ) from error


def checkout_commit(source: Path, commit: str, tree: Path, until: float = math.inf) -> None:
    """Make `tree` a commit of `source`, submodules included; copies no objects. Raises PacelineError."""
    _own_repository(source, commit, tree)
    try:
        _write_index(source, tree, commit, "-u", until=until)
    except GitFailedError as error:
        raise PacelineError(_why_not_checked_out(error, commit, tree)) from error
    for path, pinned in _submodules(source, "ls-tree", "-r", "-z", "--full-tree", commit):
        inner = _repository_of(source, path, tree)
        if inner is None:
            continue  # not in use here either
        try:
            _ask(inner, "cat-file", "-e", f"{pinned}^{{commit}}")
        except GitFailedError as error:
            needed = f"commit {pinned[:12]}, which {commit[:12]} needs"
            raise PacelineError(f"submodule {path} has no {needed}: `git -C {path} fetch`") from error
        checkout_commit(inner, pinned, tree / path, until)


def _ask(source: Path, *arguments: str) -> str:
    """Output of a git command in a checkout, or in a repository that git keeps of a submodule without one."""
    kept = not (source / ".git").exists()
    return git(source, *arguments, places={"GIT_DIR": str(source), "GIT_WORK_TREE": str(source)} if kept else None)


def _common_folder(source: Path) -> Path:
    """Where a repository's objects, references and settings are, which its worktrees share."""
    return Path(_ask(source, "rev-parse", "--path-format=absolute", "--git-common-dir").rstrip("\n"))


def tracked(tree: Path) -> Iterator[str]:
    """Yield the files that git tracks in a tree and in its submodules."""
    inner = dict(_submodules(tree, "ls-files", "-s", "-z"))
    for name in filter(None, git(tree, "ls-files", "-z").split("\0")):
        if name not in inner:
            yield name
        elif (tree / name / ".git").exists():
            yield from (f"{name}/{each}" for each in tracked(tree / name))


def _repository_of(source: Path, path: str, tree: Path) -> Path | None:
    """Where a submodule's repository is: in its place, or, if it was moved or removed since, where git keeps it."""
    if (source / path / ".git").exists():
        return source / path
    try:
        named = git(tree, "config", "-z", "--file", ".gitmodules", "--get-regexp", r"^submodule\..*\.path$")
    except GitFailedError:
        return None
    for entry in _names(named):
        key, _, value = entry.partition("\n")
        if value == path and ".." not in key:
            name = key.removeprefix("submodule.").removesuffix(".path")
            kept = Path(_ask(source, "rev-parse", "--absolute-git-dir").rstrip("\n"), "modules", name)
            return kept if (kept / "HEAD").exists() else None
    return None


def _why_not_checked_out(error: GitFailedError, commit: str, tree: Path) -> str:
    text = str(error)
    if "unable to write" in text or "unable to create" in text:  # git does not say why
        try:
            with tempfile.TemporaryFile(dir=tree) as file:
                file.write(bytes(1 << 16))
        except OSError as reason:
            return refusal(reason, tree) or f"cannot write to {tree}: {reason.strerror}: set TMPDIR to another folder"
    remedies = (advice for words, advice in REMEDIES.items() if words in text)
    remedy = next(remedies, "try `git checkout` of it in another clone")
    return f"git could not check out {commit[:12]}: {textwrap.shorten(text, LONGEST)}: {remedy}"


def names_without_git(source: Path) -> list[str]:
    """Names of the files of a project that is in no repository, without environments, caches and hidden folders."""
    found = []
    for folder, inner, names in os.walk(source):
        place = Path(folder)
        links = [name for name in inner if (place / name).is_symlink()]
        inner[:] = [
            name
            for name in inner
            if name not in links
            and not name.startswith(".")
            and name != "__pycache__"
            and not (place / name / "pyvenv.cfg").exists()
        ]
        found += [(place / name).relative_to(source).as_posix() for name in names + links]
    return found


def _own_repository(source: Path, commit: str, tree: Path) -> None:
    """Make a repository that borrows the source's objects, and knows its tags, as versions come from them.

    It is one of its own, so that no test or build changes the user's.
    """
    folder = tree / ".git"
    common = _common_folder(source)
    for inner in ("objects/info", "refs", "info"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    objects = str(common / "objects")
    objects = _quoted(objects) if "\n" in objects else objects
    (folder / "objects" / "info" / "alternates").write_bytes(os.fsencode(f"{objects}\n"))
    for name in ("shallow", "info/grafts", "info/attributes"):
        if (common / name).is_file():
            shutil.copyfile(common / name, folder / name)
    refs = _ask(source, "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags", "refs/replace")
    (folder / "packed-refs").write_bytes(os.fsencode(refs))
    (folder / "config").write_bytes(os.fsencode("".join(_config(source))))
    (folder / "HEAD").write_text(f"{commit}\n", encoding="ascii")


def _config(source: Path) -> Iterator[str]:
    """Sections of a config: the repository's format, and what of the source's own says how files are written."""
    hashes = _ask(source, "rev-parse", "--show-object-format").strip()
    yield "[core]\n\tbare = false\n"
    if hashes != "sha1":
        yield f"\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = {hashes}\n"
    listed = _ask(source, "config", "-z", "--list", "--show-scope").split("\0")
    for scope, entry in zip(listed[::2], listed[1::2], strict=False):
        name, has_value, value = entry.partition("\n")
        if scope in {"local", "worktree"} and WRITES.fullmatch(name):
            section, _, rest = name.partition(".")
            inner, _, key = rest.rpartition(".")
            yield f"[{section} {_quoted(inner)}]\n" if inner else f"[{section}]\n"
            yield f"\t{key} = {_quoted(value)}\n" if has_value else f"\t{key}\n"


def _quoted(text: str) -> str:
    """Return a value or the name of a section as git's config spells it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _write_index(source: Path, tree: Path, commit: str, *options: str, until: float = math.inf) -> None:
    """Read a commit into the index of `tree`, and with -u its files, as the source's own git would.

    So the source's filters, attributes, line ends, sparse patterns and promised objects are where git looks for them.
    """
    folder = Path(_ask(source, "rev-parse", "--absolute-git-dir").rstrip("\n"))
    index = tree / ".git" / "index"
    if not options and (folder / "index").exists():  # it knows which files are left out here
        shutil.copyfile(folder / "index", index)
    places = {"GIT_DIR": str(folder), "GIT_WORK_TREE": str(tree), "GIT_INDEX_FILE": str(index)}
    git(tree, *PLAIN_INDEX, "read-tree", "--reset", *options, commit, places=places, until=until)


def _submodules(repository: Path, *listing: str) -> Iterator[tuple[str, str]]:
    """Paths and pinned commits; both listings begin with the mode and end with a tab and the path."""
    for entry in _names(_ask(repository, *listing)):
        about, _, path = entry.partition("\t")
        mode, *rest = about.split()
        if mode == GITLINK:
            yield path, rest[1] if rest[0] == "commit" else rest[0]


def _names(listing: str) -> list[str]:
    return [name for name in listing.split("\0") if name]


def refusal(error: OSError, folder: Path) -> str | None:
    """Line for what the system refuses to all alike, with the remedy; None for any other error.

    `folder` is where the gate writes, and counts where the error names no file.
    """
    numbers = [error.errno] if error.errno is not None else []
    # Copying a folder gathers its errors into one that has no number.
    numbers = numbers or [number for number in REFUSALS if f"[Errno {number}]" in str(error)]
    if not numbers or numbers[0] not in REFUSALS:
        return None
    names = [name for name in (error.filename2, error.filename) if isinstance(name, str)]
    return f"{os.strerror(numbers[0])} ({(names or [str(folder)])[0]}): {REFUSALS[numbers[0]]}"


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
    _say: Callable[[str], None]

    @classmethod
    def create(cls, say: Callable[[str], None] = lambda _: None) -> Self:
        """Make one, and remove what killed gates have left behind. `say` hears of a removal that takes long."""
        parent = Path(tempfile.gettempdir()).resolve()
        remove_leftovers(parent)
        try:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        except OSError as error:
            raise PacelineError(f"cannot write to {parent}: {why(error)}. Set TMPDIR.") from error
        try:
            owner = _lock(folder)
            for name in ("a", "b", "logs"):
                (folder / name).mkdir()
        except BaseException:
            copying.remove(folder, last=OWNER)
            raise
        return cls(folder, owner, say)

    @property
    def slots(self) -> Slots:
        """The two slots, as they are at the start."""
        return Slots(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with put_off():
            slow = threading.Timer(PATIENCE, self._say, [f"removing {self.folder}"])
            slow.start()
            try:
                copying.remove(self.folder, last=OWNER)
            finally:
                slow.cancel()
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
    for folder in (each for each in parent.glob(f"{PREFIX}*") if not each.is_symlink()):
        with contextlib.suppress(OSError), (folder / OWNER).open("r+", encoding="utf-8") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            copying.remove(folder, last=OWNER)
            removed.append(folder)
        if _is_abandoned(folder):
            copying.remove(folder)
            removed.append(folder)
    return removed


def _is_abandoned(folder: Path) -> bool:
    """Whether a gate was killed between making this folder and owning it, or between its last two steps."""
    try:
        names = {each.name for each in folder.iterdir()}
        age = time.time() - folder.stat().st_mtime
    except OSError:
        return False
    return NAME.fullmatch(folder.name) is not None and names <= {f"{OWNER}.new"} and age > ABANDONED


def overlay(head: Path, base: Path, names: Iterable[str], folders: Iterable[str]) -> set[str]:
    """Give base what defines the measurement in head. Returns the files that base had otherwise or not."""
    different: set[str] = set()
    for name in folders:
        inner = list(_files_of(head / name, head))
        different |= {each for each in inner if copying.differs(each, head, base)}
        copying.clear(base, name)
        copying.copy_files(head, base, inner)
    for name in names:
        if copying.differs(name, head, base):
            different.add(name)
            copying.copy_over(head, base, name)
    return different


def _files_of(folder: Path, root: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if (path.is_symlink() or path.is_file()) and "__pycache__" not in path.parts:
            yield path.relative_to(root).as_posix()
