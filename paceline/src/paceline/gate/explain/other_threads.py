"""Finds what other threads of the process run, and how long each has worked, in the worker.

Only for benchmarks that are judged by wall time, as those are whose threads work at the same time. Standard library
only: workers load this.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING

from paceline.gate.worker.real import Real

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SWITCH = 0.0001  # seconds that a thread keeps the GIL for, while the main thread waits to sample

#: macOS has no such clocks. Without the GIL a thread can end while its clock is looked up, and crash the process.
HAS_CLOCKS = Real.clock_of_thread is not None and getattr(sys, "_is_gil_enabled", lambda: True)()


class OtherThreads:
    """Reads the CPU time of each thread of the process, except while it is paused."""

    def __init__(self) -> None:
        self._here = threading.get_ident()
        self._seen: dict[int, int] = {}  # nanoseconds of CPU time, by thread
        self._paused: dict[int, int] = {}

    @contextlib.contextmanager
    def switching(self) -> Iterator[None]:
        """Let a thread that works be sampled where it is, and not only where it gives up the GIL itself."""
        before = sys.getswitchinterval()
        sys.setswitchinterval(min(before, SWITCH))
        try:
            yield
        finally:
            sys.setswitchinterval(before)

    def pause(self) -> None:
        """Leave out what threads do from now on."""
        self._paused = _times(Real.frames())

    def go_on(self) -> None:
        """Count what threads do from now on."""
        for thread, now in _times(Real.frames()).items():
            self._seen[thread] = self._seen.get(thread, 0) + now - self._paused.get(thread, 0)

    def share(self, passed: int, *, is_waiting: bool) -> Iterator[tuple[FrameType, int]]:
        """Yield the frame of each other thread that has worked, and its part of the nanoseconds that have passed.

        Its part is its CPU time. If all threads had more than what has passed, each gets less in proportion. If this
        thread is waiting for them, each gets more in proportion: a busy machine let them wait for a CPU.
        """
        frames = Real.frames()
        before, self._seen = self._seen, _times(frames)
        worked = {thread: max(0, now - before.get(thread, 0)) for thread, now in self._seen.items()}
        scale = passed / max(1, sum(worked.values()))
        scale = scale if is_waiting else min(1.0, scale)
        for thread, time in worked.items():
            if thread != self._here and time:
                yield frames[thread], int(scale * time)


def _times(frames: dict[int, FrameType]) -> dict[int, int]:
    """Return the CPU time of these threads. None has ended, as this one holds the GIL."""
    found = {}
    for thread in frames:
        with contextlib.suppress(OSError):
            found[thread] = Real.read_clock(Real.clock_of_thread(thread))
    return found
