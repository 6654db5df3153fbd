"""Processes that tests have let go: a daemon with a session of its own is in no group that could be killed.

While a pair lives, Linux makes the gate the parent of every process below it that has lost its own, so that each
can be found. Elsewhere, and where the gate itself is killed, they stay.
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
    """Adopts what is orphaned from now on."""

    def __init__(self) -> None:
        self._before = _children()
        self._did_adopt = _adopts()
        _adopt(on=True)

    def end(self) -> None:
        """Kill them, and what they in turn leave behind; adopt no more."""
        until = time.monotonic() + ENDS_WITHIN
        while (left := self._left()) and time.monotonic() < until:
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(LOOKS_AGAIN)
        _adopt(on=self._did_adopt)

    def _left(self) -> list[int]:
        """Return those of other sessions: what a thread of this process has started is in its own."""
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
