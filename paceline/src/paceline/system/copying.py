"""Copies and removes files as they are: links stay links, holes stay holes, and no link in the target is followed.

A tree may have links to the user's files outside of it, so each path is checked for links first.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import os
import shutil
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SMALL = 1 << 20  # bytes: such a file is read at once; a larger one may have holes, or share blocks with its copy
REMOVERS = 8  # a disk that discards what is freed takes milliseconds per file, but many files at once
BINARY = getattr(os, "O_BINARY", 0)  # Windows
BRANCHES = 64  # folders for them to share


def copy_files(source: Path, target: Path, names: Iterable[str]) -> None:
    """Copy files and links, by their names below both folders, with modes and times; missing ones are skipped.

    A name behind a link in `source` is skipped too, as in git. Raises OSError.
    """
    folders: dict[str, bool] = {"": True}
    for name in names:
        folder = name.rpartition("/")[0]
        if folder not in folders:
            folders[folder] = is_real(source, folder) and _make_real(target, folder)
        if folders[folder]:
            _copy(f"{source}/{name}", f"{target}/{name}")


def _parts(folder: str) -> Iterator[str]:
    """Yield the names of the folders down to this one."""
    ends = (place for place, letter in enumerate(folder) if letter == "/")
    yield from (folder[:end] for end in ends)
    yield folder


def is_real(root: Path, folder: str) -> bool:
    """Whether root has a folder of this name, and neither it nor a folder above it is a link."""
    try:
        return all(stat.S_ISDIR(os.lstat(f"{root}/{part}").st_mode) for part in _parts(folder))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _make_real(root: Path, folder: str) -> bool:
    """Make a folder below root, and remove links and files in its way."""
    for part in _parts(folder):
        path = root / part
        if path.is_symlink() or path.is_file():
            path.unlink()
        path.mkdir(exist_ok=True)
    return True


def _copy(source: str, target: str) -> None:
    try:
        about = os.lstat(source)
        if stat.S_ISLNK(about.st_mode):
            link = os.readlink(source)  # noqa: PTH115 # a text, for thousands of files
        elif stat.S_ISREG(about.st_mode):
            read_from = os.open(source, os.O_RDONLY | BINARY)
        else:
            return
    except (FileNotFoundError, NotADirectoryError):  # or it vanished meanwhile
        return
    if stat.S_ISLNK(about.st_mode):
        _clear(target)
        os.symlink(link, target)  # noqa: PTH211 # a text, for thousands of files
    else:
        _copy_file(read_from, source, target, about)


def _copy_file(read_from: int, source: str, target: str, about: os.stat_result) -> None:
    """Copy an open file, and close it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY
    try:
        try:
            write_to = os.open(target, flags, 0o600)
        except FileExistsError:
            _clear(target)
            write_to = os.open(target, flags, 0o600)
        try:
            _copy_content(read_from, write_to, about.st_size)
        except OSError as error:
            error.filename, error.filename2 = source, target  # reading and writing name no file
            raise
        finally:
            os.close(write_to)
    finally:
        os.close(read_from)
    os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns))
    os.chmod(target, stat.S_IMODE(about.st_mode))  # noqa: PTH101 # a text, for thousands of files


def _copy_content(read_from: int, write_to: int, size: int) -> None:
    if size <= SMALL:
        _write(write_to, os.read(read_from, SMALL))
        return
    os.ftruncate(write_to, size)
    for start, end in _extents(read_from, size):
        os.lseek(read_from, start, os.SEEK_SET)
        os.lseek(write_to, start, os.SEEK_SET)
        _copy_range(read_from, write_to, end - start)


def _extents(file: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of a file that have data; the rest are holes."""
    if not hasattr(os, "SEEK_DATA"):
        yield 0, size
        return
    end = 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # not supported here
                yield end, size
            return
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end


def _copy_range(read_from: int, write_to: int, count: int) -> None:
    """Copy from the current positions of both files; file systems that can do so share the blocks."""
    in_kernel = hasattr(os, "copy_file_range")
    while count > 0:
        try:
            done = os.copy_file_range(read_from, write_to, count) if in_kernel else 0
        except OSError:  # not between these two file systems
            in_kernel, done = False, 0
        if not done:
            done = _write(write_to, os.read(read_from, min(count, SMALL)))
        if not done:
            return  # it has become shorter
        count -= done


def _write(file: int, content: bytes) -> int:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]
    return len(content)


def _clear(path: str) -> None:
    """Remove the file, link or folder at this path, if there is one."""
    try:
        os.unlink(path)  # noqa: PTH108 # a text, for thousands of files
    except FileNotFoundError:
        pass
    except (IsADirectoryError, PermissionError):  # the latter on macOS
        shutil.rmtree(path)


def clear(root: Path, name: str) -> None:
    """Remove the file, link or folder of this name below root, unless a link leads to it."""
    folder = Path(name).parent.as_posix().removeprefix(".")
    if not folder or is_real(root, folder):
        _clear(str(root / name))


def copy_over(source: Path, target: Path, name: str) -> None:
    """Copy one file or link, and replace the one that is there; never write outside of `target`."""
    folder = Path(name).parent.as_posix().removeprefix(".")
    place = target / folder
    if folder and not (place.is_dir() and place.resolve().is_relative_to(target.resolve())):
        _make_real(target, folder)
    _copy(f"{source}/{name}", f"{target}/{name}")


def differs(name: str, source: Path, target: Path) -> bool:
    """Whether `source` has this file, and `target` lacks it or has another content."""
    ours, theirs = source / name, target / name
    if not ours.is_file():
        return False
    return not (theirs.is_file() and filecmp.cmp(ours, theirs, shallow=False))


def remove(folder: Path, last: str = "") -> None:
    """Remove a folder, read-only parts too. If something cannot be removed, the file `last` stays as well.

    A link to a folder is left alone.
    """
    if folder.is_symlink():
        return
    with ThreadPoolExecutor(REMOVERS) as pool:
        list(pool.map(_remove_tree, _branches(folder)))
    for each in _entries(folder):
        if each.name != last:
            _remove_entry(each)
    if not last or [each.name for each in _entries(folder)] == [last]:
        _remove_tree(folder)


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _branches(folder: Path) -> list[str]:
    """Return folders of one depth below this one, enough for all removers."""
    level: list[str] = [str(folder)]
    while level:
        below = [each.path for one in level for each in _entries(one) if each.is_dir(follow_symlinks=False)]
        if not below or len(level) >= BRANCHES:
            break
        level = below
    return level if level != [str(folder)] else []


def _remove_entry(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        _remove_tree(entry.path)
        return
    with contextlib.suppress(OSError):
        os.unlink(entry.path)  # noqa: PTH108 # a text, as scandir gives it


def _remove_tree(folder: str | Path) -> None:
    if sys.version_info >= (3, 12):
        shutil.rmtree(folder, onexc=_make_writable)
    else:
        shutil.rmtree(folder, onerror=lambda function, path, info: _make_writable(function, path, info[1]))


def _make_writable(function: object, path: str, error: BaseException) -> None:
    """Remove a path again, with the permissions that its owner can give; leave it if that was not the reason."""
    del function, error
    place = Path(path)
    lacked = [_permit(place.parent), _permit(place)]
    if not any(lacked):
        return
    with contextlib.suppress(OSError):
        if place.is_dir() and not place.is_symlink():
            _remove_tree(place)
        else:
            place.unlink()


def _permit(path: Path) -> bool:
    """Give a path's owner the permission to remove it; return whether it was missing. Links are left alone."""
    with contextlib.suppress(OSError):
        mode = path.lstat().st_mode
        needed = stat.S_IRWXU if stat.S_ISDIR(mode) else stat.S_IWUSR
        if mode & needed != needed and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) | needed)
            return True
    return False
