"""Mirrors the history at a URL, such as s3://bucket/project, into a folder that all else reads and writes.

A run is an object with a name of its own that nobody writes again: no machine can overwrite another's, and none waits
for another. pyarrow opens the URL. A process that measures must not load it, so recording asks a process of its own.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from paceline.config import project
from paceline.errors import PacelineError, why
from paceline.history.asv.asv_files import BENCHMARKS_FILE
from paceline.history.intake.fetching import MERGED, why_refused
from paceline.system import child, files, locks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from paceline.config.project import Results

LISTING = "listing.json"
LOCK = ".lock"
AT_ONCE = 16  # downloads or uploads
#: Next steps for pyarrow's errors, by a part of their texts.
REMEDIES = {
    "NETWORK_CONNECTION": "Check the network, and AWS_ENDPOINT_URL if it is set.",
    "NO_SUCH_BUCKET": "Create the bucket, or correct its name.",
    "ACCESS_DENIED": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of a user who may list, get and put objects.",
    "INVALID_ACCESS_KEY_ID": "Correct AWS_ACCESS_KEY_ID.",
    "SIGNATURE": "Correct AWS_SECRET_ACCESS_KEY.",
}
REMEDY = "Check the URL, the region and the credentials."
#: In pyarrow's errors: the reason, without the name of the operation before and details after.
REASON = re.compile(r"(AWS Error [A-Z_]+) during \w+ operation(: (?!No response)[^;(]*[^;( .])?")


class Stamp(NamedTuple):
    """The state of an object: its size in bytes, and when it was written, in seconds since 1970."""

    size: int
    written: int


class _Store:
    """The objects below a URL, by their names. All methods raise PacelineError."""

    def __init__(self, url: str) -> None:
        from pyarrow import fs

        self.url = url
        with self._told("read"):
            self._files, base = fs.FileSystem.from_uri(url)
            self._base = base.strip("/")
        if isinstance(self._files, fs.LocalFileSystem) or not self._base:
            raise PacelineError(f"{url}: expected a URL such as s3://BUCKET/FOLDER, or a folder without file://")

    def check(self) -> None:
        """Raise PacelineError if the bucket does not exist, or cannot be reached."""
        bucket = self._base.partition("/")[0]
        if self._stamp(bucket) is None:
            raise PacelineError(f"cannot read {self.url}: no bucket {bucket!r}. {REMEDIES['NO_SUCH_BUCKET']}")

    def listed(self) -> dict[str, Stamp]:
        from pyarrow import fs

        with self._told("read"):
            found = self._files.get_file_info(fs.FileSelector(self._base, recursive=True, allow_not_found=True))
        if not found:
            self.check()
        start = len(self._base) + 1
        return {each.path[start:]: _stamp(each) for each in found if each.type is fs.FileType.File}

    def stamp(self, name: str) -> Stamp | None:
        """Return an object's stamp; None if it does not exist."""
        return self._stamp(f"{self._base}/{name}")

    def read(self, name: str) -> bytes:
        with self._told("read"), self._files.open_input_stream(f"{self._base}/{name}") as stream:
            content: bytes = stream.read()
        return content

    def write(self, name: str, path: Path) -> Stamp:
        """Upload a file. pyarrow copies it in one call, so that an interruption leaves no part of it."""
        from pyarrow import fs

        with self._told("write to"):
            fs.copy_files(str(path.absolute()), f"{self._base}/{name}", fs.LocalFileSystem(), self._files)
        there = self.stamp(name)
        if there is None or there.size != path.stat().st_size:
            raise PacelineError(f"cannot write to {self.url}: {name} is not complete there. Try again.")
        return there

    def _stamp(self, path: str) -> Stamp | None:
        from pyarrow import fs

        with self._told("read"):
            found = self._files.get_file_info(path)
        return None if found.type is fs.FileType.NotFound else _stamp(found)

    @contextlib.contextmanager
    def _told(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, NotImplementedError) as error:
            text = " ".join(str(error).split())
            remedy = next((REMEDIES[each] for each in REMEDIES if each in text), REMEDY)
            said = REASON.search(text)
            reason = "".join(filter(None, said.groups())) if said else text.rstrip(".")
            raise PacelineError(f"cannot {verb} {self.url}: {reason}. {remedy}") from None


def _stamp(info: Any) -> Stamp:
    return Stamp(info.size or 0, int((info.mtime_ns or 0) // 10**9))


def receive(results: Results, progress: Callable[[str], None] = lambda _: None) -> list[str]:
    """Make the mirror equal to the URL, upload runs that only the mirror has, and return a line for each problem.

    Does nothing for a folder. Raises PacelineError if the URL cannot be read.
    """
    if results.url is None:
        return []
    store = _Store(results.url)
    with _known(results.folder) as known:
        progress(f"listing {store.url}")
        theirs, notes = _usable(store)
        ours = _names(results.folder)
        for name in known.keys() - theirs.keys():
            (results.folder / name).unlink(missing_ok=True)
            del known[name]
        unsent = {name for name in ours - known.keys() if _is_run(name)}
        wanted = [
            name
            for name, stamp in theirs.items()
            if name not in unsent and (name not in ours or known.get(name) != stamp)
        ]
        for name in _downloaded(store, wanted, results.folder):
            known[name] = theirs[name]
            progress(f"{len(known)} of {len(theirs)} files")
        try:
            notes += _upload(store, results.folder, known, theirs)
        except PacelineError as error:
            notes.append(f"{error}{_kept(results.folder, known)}")
    return notes


def send(results: Results) -> list[str]:
    """Upload runs that only the mirror has, and return a line for each problem. Does nothing for a folder.

    Raises PacelineError if the URL cannot be written: the runs are kept, and the next command uploads them.
    """
    if results.url is None:
        return []
    with _known(results.folder) as known:
        try:
            return _upload(_Store(results.url), results.folder, known, {})
        except PacelineError as error:
            raise PacelineError(f"{error}{_kept(results.folder, known)}") from None


def apart(action: str, results: Results, folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Run `check` or `send` in a process of its own, and return its lines. Raises PacelineError as it does.

    Measured code may have changed the environment of this process, and must not share it with pyarrow's threads.
    """
    if results.url is None:
        return []
    command = [sys.executable, "-P", "-m", __name__, action, results.url, str(results.folder.absolute())]
    try:
        done = child.run(command, folder, environment)
    except OSError as error:
        raise PacelineError(f"cannot start {sys.executable} for {results.url}: {why(error)}") from None
    if done.returncode:
        last = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise PacelineError(last[-1])
    return done.stdout.splitlines()


def _main(action: str, url: str, folder: str) -> str | None:
    """Return the error of an action, if it failed."""
    try:
        if action == "check":
            _Store(url).check()
        else:
            lines = send(project.Results(Path(folder), url)) or [f"uploaded to {url}"]
            sys.stdout.write("\n".join(lines))
    except PacelineError as error:
        return str(error)
    return None


@contextlib.contextmanager
def _known(folder: Path) -> Iterator[dict[str, Stamp]]:
    """Yield, and keep, the objects that the mirror and the URL have in common. Other processes wait meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder.parents[1] / ".gitignore"
    if not ignore.exists():
        files.write_new(ignore, b"*\n")
    listing = folder.parent / LISTING
    with locks.held(folder.parent / LOCK):
        before = _read(listing)
        known = dict(before)
        try:
            yield known
        finally:
            if known != before:
                files.write(listing, json.dumps(known))


def _read(listing: Path) -> dict[str, Stamp]:
    try:
        return {name: Stamp(*stamp) for name, stamp in json.loads(files.read(listing)).items()}
    except (OSError, ValueError, TypeError, AttributeError):  # lost or torn: everything is compared again
        return {}


def _usable(store: _Store) -> tuple[dict[str, Stamp], list[str]]:
    """Return the objects that belong to a history, and a line about the others."""
    found = store.listed()
    refused = {name: why for name, stamp in found.items() if (why := why_refused(f"results/{name}", stamp.size))}
    if not refused:
        return found, []
    name, why = next(iter(refused.items()))
    more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    return {each: found[each] for each in found if each not in refused}, [f"left out {name!r}: {why}{more}"]


def _names(folder: Path) -> set[str]:
    """Return the files of a history, as objects are named."""
    paths = [*folder.glob("*/*.json"), *folder.glob(BENCHMARKS_FILE)]
    return {name for path in paths if not why_refused(f"results/{(name := path.relative_to(folder).as_posix())}", 0)}


def _is_run(name: str) -> bool:
    return name.rpartition("/")[2] not in MERGED


def _downloaded(store: _Store, names: list[str], folder: Path) -> Iterator[str]:
    """Yield the names of objects as soon as they are in the folder."""

    def take(name: str) -> str:
        content, path = store.read(name), folder / name
        path.unlink(missing_ok=True)
        files.write_new(path, content)
        return name

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(take, names)


def _upload(store: _Store, folder: Path, known: dict[str, Stamp], theirs: Mapping[str, Stamp]) -> list[str]:
    """Upload what only the folder has, and return a line for each object that differs. Raises PacelineError.

    Never `benchmarks.json`, which follows from the runs; and `machine.json` only if there is none.
    """
    unsent = sorted(_names(folder) - known.keys() - {BENCHMARKS_FILE}, key=lambda name: (_is_run(name), name))
    notes = []

    def put(name: str) -> Stamp | None:
        there = theirs.get(name) or store.stamp(name)
        if there is None:
            return store.write(name, folder / name)
        return there if _is_run(name) and there.size == (folder / name).stat().st_size else None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name, stamp in zip(unsent, pool.map(put, unsent), strict=True):
            if stamp is not None:
                known[name] = stamp
            elif _is_run(name):
                notes.append(f"{folder / name}: {store.url} has another object of this name; the local file was kept")
    return notes


def _kept(folder: Path, known: Mapping[str, Stamp]) -> str:
    """Return a sentence about the runs that are not uploaded."""
    left = sum(map(_is_run, _names(folder) - known.keys()))
    runs = f"{left} runs are" if left > 1 else "the run is"
    return f" Until then {runs} kept in {folder}, and each command tries again." if left else ""


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
