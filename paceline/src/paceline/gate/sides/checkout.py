"""Copies a commit, or the checkout as it is now, into a folder of its own; the user's repository does not change."""

from __future__ import annotations

import errno
import math
import os
import re
import shutil
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from paceline.errors import PacelineError
from paceline.system import copying
from paceline.system.git import OTHERS, GitFailedError, git, head_commit
from paceline.system.refusals import ELSEWHERE, REFUSALS, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


GITLINK = "160000"
LONGEST = 300  # characters of git's output: it may name every file


# One index file that lists only files, since it is used without the repository that wrote it.
PLAIN_INDEX = ("-c", "core.splitIndex=false", "-c", "index.sparse=false", "-c", "submodule.recurse=false")
# Settings that decide how git writes files, and whether it sees them as changed.
WRITES = re.compile(
    r"filter\..*|core\.(autocrlf|eol|safecrlf|filemode|symlinks|ignorecase|precomposeunicode|attributesfile)"
)


# The next step, by words in git's output.
REMEDIES = {
    **{os.strerror(number): remedy for number, remedy in REFUSALS.items()},
    "Out of diskspace": ELSEWHERE,
    "SIGXFSZ": REFUSALS[errno.EFBIG],
    "in time": "Raise --benchmark-budget, or find out what git waits for.",
    "promisor": "Make the remote of this partial clone reachable, or clone without --filter.",
    "filter": "Install this filter and fetch its files (as by `git lfs fetch --all`).",
    "index.lock": "Set TMPDIR to a writable folder.",
    "unable to read": "Run `git fsck`.",
    "missing": "Run `git fsck`.",
}


@dataclass(frozen=True)
class WorkingTree:
    """The state of a checkout, read once. `names`: its files and links, tracked or at least not ignored."""

    source: Path
    commit: str
    names: tuple[str, ...]
    submodules: tuple[str, ...]
    dirty: bool  #: changed, or with untracked files

    @classmethod
    def read(cls, source: Path) -> Self:
        """Return the state of the checkout `source`, as git reports it. Raises PacelineError."""
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
        """Make `tree` a copy, with changed and untracked files, without ignored and removed ones.

        `watch` yields the names again, one by one as they are copied. Raises PacelineError if a file cannot be read.
        """
        _own_repository(self.source, self.commit, tree)
        _write_index(self.source, tree, self.commit)
        copy(self.source, tree, watch(self.names))
        for name in self.submodules:
            (tree / name).mkdir(parents=True, exist_ok=True)
            if (self.source / name / ".git").exists():
                WorkingTree.read(self.source / name).copy(tree / name, watch)


def copy(source: Path, tree: Path, names: Iterable[str]) -> None:
    """Copy these files of the user's into `tree`. Raises PacelineError if one cannot be read."""
    try:
        copying.copy_files(source, tree, names)
    except PermissionError as error:
        raise PacelineError(
            f"cannot read {error.filename}: {error.strerror}. Change its owner (`sudo chown`), or, if git does not"
            " track it, add it to .gitignore."
        ) from error


def checkout_commit(source: Path, commit: str, tree: Path, until: float = math.inf) -> None:
    """Make `tree` a commit of `source`, with submodules, without copying git objects. Raises PacelineError."""
    _own_repository(source, commit, tree)
    try:
        _write_index(source, tree, commit, "-u", until=until)
    except GitFailedError as error:
        raise PacelineError(_why_not_checked_out(error, commit, tree)) from error
    for path, pinned in _submodules(source, "ls-tree", "-r", "-z", "--full-tree", commit):
        inner = _repository_of(source, path, tree)
        if inner is None:
            continue  # the user's checkout does not use it either
        try:
            _ask(inner, "cat-file", "-e", f"{pinned}^{{commit}}")
        except GitFailedError as error:
            needed = f"commit {pinned[:12]}, which {commit[:12]} needs"
            raise PacelineError(f"submodule {path} lacks {needed}. Run `git -C {path} fetch`.") from error
        checkout_commit(inner, pinned, tree / path, until)


def _ask(source: Path, *arguments: str) -> str:
    """Return git's output in a checkout, or in a submodule's repository that git keeps without a checkout."""
    kept = not (source / ".git").exists()
    return git(source, *arguments, places={"GIT_DIR": str(source), "GIT_WORK_TREE": str(source)} if kept else None)


def _common_folder(source: Path) -> Path:
    """Return the folder of a repository's objects, references and settings, which all its worktrees share."""
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
    """Return a submodule's repository: in its place, or, if it was moved or removed since, where git keeps it."""
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
            return (
                refusal(reason, tree) or f"cannot write to {tree}: {reason.strerror}. Set TMPDIR to another folder."
            )
    remedies = (advice for words, advice in REMEDIES.items() if words in text)
    remedy = next(remedies, "Check it out in another clone.")
    return f"git could not check out {commit[:12]}: {textwrap.shorten(text, LONGEST)}. {remedy}"


def _own_repository(source: Path, commit: str, tree: Path) -> None:
    """Make a repository in `tree` that borrows the source's objects, and has its tags, which name versions.

    Tests and builds may change this one, never the user's.
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
    """Yield the lines of a git config: the repository's format, and the source's settings for writing files."""
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
    """Return a value or a section's name in the quotes of git's config."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _write_index(source: Path, tree: Path, commit: str, *options: str, until: float = math.inf) -> None:
    """Read a commit into the index of `tree`, and with -u write its files, as git would in the source.

    Git then finds the source's filters, attributes, line ends, sparse patterns and promised objects.
    """
    folder = Path(_ask(source, "rev-parse", "--absolute-git-dir").rstrip("\n"))
    index = tree / ".git" / "index"
    if not options and (folder / "index").exists():  # it lists the files that a sparse checkout leaves out
        shutil.copyfile(folder / "index", index)
    places = {"GIT_DIR": str(folder), "GIT_WORK_TREE": str(tree), "GIT_INDEX_FILE": str(index)}
    git(tree, *PLAIN_INDEX, "read-tree", "--reset", *options, commit, places=places, until=until)


def _submodules(repository: Path, *listing: str) -> Iterator[tuple[str, str]]:
    """Yield the path and pinned commit of each submodule. Lines of both listings are: mode ... tab path."""
    for entry in _names(_ask(repository, *listing)):
        about, _, path = entry.partition("\t")
        mode, *rest = about.split()
        if mode == GITLINK:
            yield path, rest[1] if rest[0] == "commit" else rest[0]


def _names(listing: str) -> list[str]:
    return [name for name in listing.split("\0") if name]
