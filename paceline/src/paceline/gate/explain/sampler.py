"""Samples the stack of functions that runs inside a burst, in the worker.

Each sample takes the time since the one before it, less what was not timed and what the sampler itself took. So the
functions' times add up, however unevenly the timer fires. Timers on CPU time fire only every 4 to 8 ms on Linux, so
the timer is a real one and the time is read from the clock that judges. Intervals are drawn, so that they do not fall
into step with the benchmark. A signal reaches the main thread only; other threads are looked at then, and get
their CPU time, or all of the time that it waits for them. Standard library only: workers load this.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.gate.explain.function_names import LOOP, FunctionNames
from paceline.gate.explain.other_threads import HAS_CLOCKS, OtherThreads
from paceline.gate.worker.real import Real

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType, FrameType

INTERVAL = 0.001  # seconds between samples, on average
DEEPEST = 100  # functions of a stack, from the one that runs; those that call them are left out
OUTER = "outer calls, left out"
WORKER = f"{Path(__file__).parents[1] / 'worker'}{os.sep}"
TIMERS = (("ITIMER_REAL", "SIGALRM"), ("ITIMER_PROF", "SIGPROF"))  # the second where a test uses the first


class Sampler:
    """Samples a burst: open it around the burst, and `timed` around each part of it that counts.

    `roots`: folders of the side's tree. `loops`: code that calls the benchmark's target, by its variable `target`;
    what is sampled there is the target's, as a signal is handled after a call in C or without a loop.
    """

    def __init__(self, roots: Sequence[str], loops: Sequence[CodeType], clock: str) -> None:
        self._names = FunctionNames(roots)
        self._loops = {id(code) for code in loops}
        self._own = {__file__, contextlib.__file__}
        self._clock = Real.wall if clock == "wall" else Real.thread
        self._threads = OtherThreads() if clock == "wall" and HAS_CLOCKS else None
        self._draw = random.Random().uniform  # noqa: S311 - its own: a test may seed the shared one
        self._found: dict[tuple[int, ...], list[Any]] = {}  # by ids: what ran, nanoseconds, samples
        self._timer: int | None = None
        self._is_timed = False
        self._passed = self._since = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Sample until this is closed."""
        self._found = {}
        self._passed = 0
        self._start()
        with contextlib.nullcontext() if self._threads is None else self._threads.switching():
            try:
                yield
            finally:
                self._arm(0)
                self._timer = None

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Count what runs while this is open."""
        if self._threads is not None:
            self._threads.go_on()
        self._is_timed, self._since = True, self._clock()
        try:
            yield
        finally:
            self._passed += self._clock() - self._since
            self._is_timed = False
            if self._threads is not None:
                self._threads.pause()

    def _start(self) -> None:
        """Start a timer that nobody else uses; none on Windows, and none outside the main thread."""
        for name, number in TIMERS:
            timer: int | None = getattr(signal, name, None)
            if timer is None or signal.getitimer(timer)[0]:
                continue
            with contextlib.suppress(ValueError):
                # It stays: a signal may still be on its way when the timer has been stopped.
                signal.signal(getattr(signal, number), self._sample)
                # A wait for another thread ends for a signal only if it is not restarted.
                signal.siginterrupt(getattr(signal, number), self._threads is not None)
                self._timer = timer
                self._arm(INTERVAL)
                return

    def _arm(self, seconds: float) -> None:
        if Real.set_timer is not None and self._timer is not None:
            Real.set_timer(self._timer, seconds * self._draw(0.5, 1.5))

    def _sample(self, _: int, frame: FrameType | None) -> None:
        if self._timer is None:
            return
        is_timed = self._is_timed and frame is not None and frame.f_code is not Sampler._sample.__code__
        now = self._clock()
        stack = self._stack(frame) if frame is not None and is_timed else []
        if stack:
            self._share(stack, self._passed + now - self._since)
            self._passed, self._since = 0, now
        self._arm(INTERVAL)
        if is_timed:
            self._since += self._clock() - now

    def _share(self, stack: list[Any], passed: int) -> None:
        """Give other threads their part of what passed, and the rest to this stack."""
        if self._threads is not None:
            is_waiting = getattr(stack[0], "co_filename", "") == threading.__file__
            for frame, part in self._threads.share(passed, is_waiting=is_waiting):
                self._add(_whole_stack(frame), part)
                passed -= part
        self._add(stack, passed)

    def _add(self, stack: list[object], nanoseconds: int) -> None:
        entry = self._found.setdefault(tuple(map(id, stack)), [stack, 0, 0])
        entry[1] += nanoseconds
        entry[2] += 1

    def _stack(self, frame: FrameType) -> list[object]:
        """Return the code that runs, then its callers, up to the benchmark's own call.

        If the benchmark calls a function in C itself, that is the whole stack. Nothing while our clocks are read: a
        busy machine stops the process there more often than elsewhere. The time goes to the next sample.
        """
        found: list[Any] = []
        above: FrameType | None = frame
        is_ours = False
        while above is not None and len(found) < DEEPEST:
            code = above.f_code
            if id(code) in self._loops and all(each.co_filename in self._own for each in found):
                is_next = above is frame or frame.f_lineno == frame.f_code.co_firstlineno
                return [called(above.f_locals.get("target"))] if is_next else []
            if code.co_filename.startswith(WORKER):
                if found:
                    return found
                is_ours = True
            elif is_ours:
                return [LOOP]
            else:
                found.append(code)
            above = above.f_back
        return found if above is None else [*found, OUTER]

    def found(self) -> dict[str, Any]:
        """Return the stacks that were sampled since it was opened last, the outermost function of each first."""
        order = sorted(self._found.values(), key=lambda each: -each[1])
        stacks = [
            {"frames": [self._names.number(each) for each in stack][::-1], "nanoseconds": spent, "samples": samples}
            for stack, spent, samples in order
        ]
        return {"functions": self._names.listed, "stacks": stacks}


def _whole_stack(frame: FrameType | None) -> list[object]:
    """Return the code that runs, then its callers."""
    found: list[object] = []
    while frame is not None and len(found) < DEEPEST:
        found.append(frame.f_code)
        frame = frame.f_back
    return found if frame is None else [*found, OUTER]


def called(target: Any) -> object:
    """Return the code of what calls run, or the thing itself if it is not in Python."""
    while isinstance(target, functools.partial):
        target = target.func
    method = type(target).__dict__.get("__call__")
    codes = (getattr(each, "__code__", None) for each in (target, getattr(target, "__func__", None), method))
    return next((code for code in codes if code is not None), target)
