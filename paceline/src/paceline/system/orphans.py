"""Ends processes that tests left behind: a daemon with its own session is in no process group that can be killed.

While both workers live, Linux makes the gate the parent of each orphaned process below it, so that it can be found.
On other systems, and if the gate itself is killed, such processes stay.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 36, 37
ENDS_WITHIN = 5.0  # seconds: a process that waits for a dead disk cannot be killed
LOOKS_AGAIN = 0.001  # seconds


class Orphans:
    """Adopts processes that are orphaned from now on."""

    def __init__(self) -> None:
        self._before = _children()
        self._did_adopt = _adopts()
        _adopt(on=True)

    def end(self) -> None:
        """Kill the orphans, and their own orphans, then stop adopting."""
        until = time.monotonic() + ENDS_WITHIN
        while (left := self._left()) and time.monotonic() < until:
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(LOOKS_AGAIN)
        _adopt(on=self._did_adopt)

    def _left(self) -> list[int]:
        """Return new children of other sessions; those that this process started share its own."""
        return [pid for pid in _children() - self._before if _session(pid) != os.getsid(0)]


def _children() -> set[int]:
    found: set[int] = set()
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found.update(map(int, file.read_text(encoding="ascii").split()))
    return found


def _session(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return None


def _adopts() -> bool:
    found = ctypes.c_int(0)
    _prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(found))
    return bool(found.value)


def _adopt(*, on: bool) -> None:
    _prctl(PR_SET_CHILD_SUBREAPER, int(on))


def _prctl(option: int, argument: object) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, argument, 0, 0, 0)
