"""Detects and prevents changes to a side's files: one side's code must not rewrite what the other side runs.

A worker mounts the other side's folder read-only where the system allows it. The gate also compares the sizes and
times of the files before it shows a verdict; it reads no file, so this is cheap. Standard library only: workers load
this.
"""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from typing import TYPE_CHECKING

from paceline.errors import PacelineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

READ_ONLY = "PACELINE_READ_ONLY"  #: variable with the folders that a worker must not write to
CODE = (*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES)

CLONE_NEWNS = 0x20000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_SLAVE = 0x1, 0x20, 0x1000, 0x4000, 0x80000

State = tuple[int, int, int]


class Seal:
    """Notes the state of each side's files, and finds those that have changed since.

    A file that the suite itself rewrites changes on both sides, and is ignored unless it is code.
    """

    def __init__(self) -> None:
        self._states: dict[str, dict[str, State | None]] = {}

    def take(self, side: str, folder: Path, names: Iterable[str]) -> None:
        """Note the state of these files below `folder`, in place of all notes on this side."""
        self._states[side] = {name: _state(folder / name) for name in names}

    def check(self, folders: Mapping[str, Path]) -> None:
        """Raise PacelineError if a file has changed. `folders`: each side's folder in this round."""
        changed = {side: set(self._changed(side, folder)) for side, folder in folders.items()}
        for side, names in changed.items():
            others = set().union(*(each for other, each in changed.items() if other != side))
            for name in sorted(names):
                if name.endswith(CODE) or name not in others:
                    raise PacelineError(
                        f"{side}: {name} changed while the gate ran, so the timed code may not be {side}'s."
                        " Find the benchmark that writes to this file, and let it write to tmp_path."
                    )

    def _changed(self, side: str, folder: Path) -> Iterator[str]:
        for name, state in self._states.get(side, {}).items():
            if _state(folder / name) != state:
                yield name


def _state(path: Path) -> State | None:
    """Return a file's size and times, None if there is none. Only root can set the second time back."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def code_below(folder: Path, inside: Path) -> Iterator[str]:
    """Yield the code files of a folder, as paths relative to the folder `inside`."""
    for path in folder.rglob("*"):
        if path.name.endswith(CODE) and path.is_file():
            yield path.relative_to(inside).as_posix()


def make_read_only() -> bool:
    """Mount the folders that the environment names read-only, for this process and its children.

    Returns whether that was done. It needs Linux and the right to mount, as root has outside of most containers.
    """
    folders = [name for name in os.environ.pop(READ_ONLY, "").split(os.pathsep) if name]
    if sys.platform != "linux" or not folders or os.geteuid() != 0:
        return False
    try:
        libc = ctypes.CDLL(None)
        calls = [libc.unshare(CLONE_NEWNS), _mount(libc, "none", "/", MS_REC | MS_SLAVE)]
        for folder in folders if not any(calls) else ():
            calls.append(_mount(libc, folder, folder, MS_BIND))
            calls.append(_mount(libc, "none", folder, MS_REMOUNT | MS_BIND | MS_RDONLY))
    except (OSError, AttributeError):  # a C library without these calls
        return False
    return not any(calls)


def _mount(libc: ctypes.CDLL, source: str, target: str, flags: int) -> int:
    done: int = libc.mount(os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(flags), None)
    return done
