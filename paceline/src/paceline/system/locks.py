"""Locks of the operating system, which end with the process that holds them. Standard library only.

`filelock` would do, but the gate must need no package beyond pytest and pytest-benchmark.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 60.0  # seconds: another process may have been stopped while it held the lock
AGAIN = 0.005  # seconds


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made if missing. Raises OSError if another process keeps the lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)
    try:
        until = time.monotonic() + PATIENCE
        while not is_taken(descriptor):
            if time.monotonic() > until:
                raise OSError(errno.EAGAIN, "another process holds the lock", str(path))
            time.sleep(AGAIN)
        yield
    finally:
        os.close(descriptor)  # which unlocks it


def is_taken(descriptor: int) -> bool:
    """Take the lock of an open file until it is closed; return False if another process holds it."""
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
        return False
    return True
