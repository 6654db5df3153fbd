"""Reads files that others wrote, and writes files that others read. Standard library only.

No file can block a reader or fill its memory, and no reader sees a half-written file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.errors import why

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

LONGEST = 64 * 2**20  # bytes; a run of 150 benchmarks, as recorded here, has some 70 000
LONGEST_BY_HAND = 4 * 2**20  # bytes; more than anybody writes by hand, and seconds to parse
UNFINISHED = ".unfinished-"


def read(path: Path, most: int = LONGEST) -> bytes:
    """Return a file's content. Raises OSError, also for a pipe, or for more than `most` bytes."""
    with os.fdopen(_opened(path, most), "rb") as file:
        return file.read()


def _opened(path: Path, most: int) -> int:
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)  # opening a pipe would wait for a writer
    unfit = why_unfit(os.fstat(descriptor), most)
    if unfit is None:
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, unfit, str(path))


def why_unfit(about: os.stat_result, most: int = LONGEST) -> str | None:
    """Return why a file must not be read; None if it may be, as the null device may."""
    if not stat.S_ISREG(about.st_mode) and not os.path.samestat(about, os.stat(os.devnull)):  # noqa: PTH116
        return "is not a regular file"
    return f"is larger than {most // 2**20} MiB" if about.st_size > most else None


def names_below(tree: Path, leaving_out: Container[str] = ()) -> Iterator[str]:
    """Yield a project's files and links, relative to `tree`, without hidden folders, caches and environments."""
    for place, folders, files in os.walk(tree):
        relative = os.path.relpath(place, tree).replace(os.sep, "/")
        prefix = "" if relative == "." else f"{relative}/"
        links = [each for each in folders if os.path.islink(f"{place}/{each}")]  # noqa: PTH114 # thousands of folders
        yield from (prefix + each for each in files + links)
        folders[:] = [each for each in folders if each not in leaving_out and not _is_passed_over(place, each)]


def _is_passed_over(place: str, folder: str) -> bool:
    hidden = folder.startswith(".") or folder == "__pycache__"
    return hidden or os.path.lexists(os.path.join(place, folder, "pyvenv.cfg"))  # noqa: PTH118


def write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all. Raises OSError, which names the file."""
    if path.exists() and not path.is_file():  # a pipe or a device must not be replaced by a file
        path.write_text(text, encoding="utf-8")
        return
    with placed(Path(os.path.realpath(path)), text):  # a link stays
        pass


def write_new(path: Path, content: bytes) -> bool:
    """Write a file as a whole or not at all; return False if there is one already. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(path)
    with _named(path, aside):
        _write(aside, content)
        try:
            os.link(aside, path)
        except FileExistsError:
            return False
        finally:
            aside.unlink(missing_ok=True)
    return True


def _aside(path: Path) -> Path:
    return path.with_name(f"{UNFINISHED}{secrets.token_hex(8)}.tmp")


@contextlib.contextmanager
def placed(path: Path, content: str | bytes) -> Iterator[None]:
    """Write a temporary file next to `path`; rename it to `path` when the block ends, even by an error.

    Raises OSError.
    """
    aside = _aside(path)
    content = content if isinstance(content, bytes) else content.encode(errors="replace")
    with _named(path, aside):
        _write(aside, content)
    try:
        yield
    finally:
        with _named(path, aside):
            if not aside.exists():  # another writer with a wrong clock took it for abandoned
                _write(aside, content)
            aside.replace(path)
            _sync_folder(path.parent)


@contextlib.contextmanager
def _named(path: Path, aside: Path) -> Iterator[None]:
    """Remove the temporary file on errors, and name `path` in them: the error of a full disk names no file."""
    try:
        yield
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise OSError(error.errno, why(error), str(path)) from None
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a new name durable. Windows does so by itself, and cannot open folders."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
