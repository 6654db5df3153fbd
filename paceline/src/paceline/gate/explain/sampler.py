"""Samples which function runs inside a burst, in the worker.

Each sample takes the time since the one before it, less what was not timed and what the sampler itself took. So the
functions' times add up, however unevenly the timer fires. Timers on CPU time fire only every 4 to 8 ms on Linux, so
the timer is a real one and the time is read from the clock that judges. Intervals are drawn, so that they do not fall
into step with the benchmark. Standard library only: workers load this.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import sys
from typing import TYPE_CHECKING, Any

from paceline.gate.touch.digest import content
from paceline.gate.touch.recording import TreeFiles
from paceline.gate.worker.real import Real

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType, FrameType

INTERVAL = 0.001  # seconds between samples, on average
MOST = 1000  # functions, those with the most time
TIMERS = (("ITIMER_REAL", "SIGALRM"), ("ITIMER_PROF", "SIGPROF"))  # the second where a test uses the first
LOOP = "the benchmark's own call"


class Sampler:
    """Samples a burst: open it around the burst, and `timed` around each part of it that counts.

    `roots`: folders of the side's tree. `loops`: code that calls the benchmark's target, by its variable `target`;
    what is sampled there is the target's, as a signal is handled after a call in C or without a loop.
    """

    def __init__(self, roots: Sequence[str], loops: Sequence[CodeType], clock: str) -> None:
        self._places = TreeFiles(roots)
        self._libraries = sorted((os.path.realpath(each) + os.sep for each in sys.path if each), key=len)[::-1]
        self._loops = loops
        self._own = {__file__, contextlib.__file__, *(code.co_filename for code in loops)}
        self._clock = Real.wall if clock == "wall" else Real.thread
        self._draw = random.Random().uniform  # noqa: S311 - its own: a test may seed the shared one
        self._found: dict[int, list[Any]] = {}  # by id: what ran, nanoseconds, samples
        self._timer: int | None = None
        self._is_timed = False
        self._passed = self._since = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Sample until this is closed."""
        self._found = {}
        self._passed = 0
        self._start()
        try:
            yield
        finally:
            self._arm(0)
            self._timer = None

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Count what runs while this is open."""
        self._is_timed, self._since = True, self._clock()
        try:
            yield
        finally:
            self._passed += self._clock() - self._since
            self._is_timed = False

    def _start(self) -> None:
        """Start a timer that nobody else uses; none on Windows, and none outside the main thread."""
        for name, number in TIMERS:
            timer: int | None = getattr(signal, name, None)
            if timer is None or signal.getitimer(timer)[0]:
                continue
            with contextlib.suppress(ValueError):
                # It stays: a signal may still be on its way when the timer has been stopped.
                signal.signal(getattr(signal, number), self._sample)
                signal.siginterrupt(getattr(signal, number), False)
                self._timer = timer
                self._arm(INTERVAL)
                return

    def _arm(self, seconds: float) -> None:
        if Real.set_timer is not None and self._timer is not None:
            Real.set_timer(self._timer, seconds * self._draw(0.5, 1.5))

    def _sample(self, _: int, frame: FrameType | None) -> None:
        if self._timer is None:
            return
        if self._is_timed and frame is not None:
            now = self._clock()
            ran = self._ran(frame)
            entry = self._found.setdefault(id(ran), [ran, 0, 0])
            entry[1] += self._passed + now - self._since
            entry[2] += 1
            self._passed = 0
            self._arm(INTERVAL)
            self._since = self._clock()
        else:
            self._arm(INTERVAL)

    def _ran(self, frame: FrameType) -> object:
        """Return the code that runs, or a function in C that the benchmark calls itself."""
        above: FrameType | None = frame
        while above is not None and above.f_code.co_filename in self._own:
            if above.f_code in self._loops:
                return called(above.f_locals.get("target"))
            above = above.f_back
        return frame.f_code

    def found(self) -> list[dict[str, Any]]:
        """Return what was sampled since it was opened last, by function."""
        functions: dict[tuple[str, str], dict[str, Any]] = {}
        for ran, nanoseconds, samples in self._found.values():
            place, name, content_of_it = self._described(ran)
            empty = {"place": place, "name": name, "contents": [], "nanoseconds": 0, "samples": 0}
            function = functions.setdefault((place, name), empty)
            function["contents"] = sorted({*function["contents"], *content_of_it})
            function["nanoseconds"] += nanoseconds
            function["samples"] += samples
        by_time = sorted(functions.values(), key=lambda each: -each["nanoseconds"])
        return by_time[:MOST]

    def _described(self, ran: object) -> tuple[str, str, list[str]]:
        """Return file and name of what ran, the same on both sides, and its content if it is of the side's tree."""
        code: Any = ran
        if not hasattr(code, "co_filename"):
            name = getattr(ran, "__qualname__", None)
            return "", str(name) if isinstance(name, str) else LOOP, []
        place = self._places.place(code.co_filename)
        if place is not None:
            return place.partition("/")[2], code.co_qualname, [content(code, self._places.clean).digest]
        return self._library(code.co_filename), code.co_qualname, []

    def _library(self, name: str) -> str:
        """Return the name of a file of a library, from where Python looks for it."""
        path = name if name.startswith("<") else os.path.realpath(name)
        folder = next((each for each in self._libraries if path.startswith(each)), "")
        return self._places.clean(path[len(folder) :]).replace(os.sep, "/")


def called(target: Any) -> object:
    """Return the code of what calls run, or the thing itself if it is not in Python."""
    while isinstance(target, functools.partial):
        target = target.func
    method = type(target).__dict__.get("__call__")
    codes = (getattr(each, "__code__", None) for each in (target, getattr(target, "__func__", None), method))
    return next((code for code in codes if code is not None), target)
