"""Measures the memory of calls, in the worker: peak, number of allocations, or the process's high-water mark.

Garbage is collected before each call, and not in it. `tracemalloc` and memray see a call alone, without the clocks
that are read around it. Standard library, and memray where it is installed: workers load this.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import inspect
import statistics
import sys
import tempfile
import threading
import tracemalloc
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from paceline.gate.worker.real import Real

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Modules of frameworks that allocate outside Python, where `tracemalloc` does not see it.
OUTSIDE = ("duckdb", "jax", "polars", "tensorflow", "torch")
MARKER = "VmHWM:"
RESET = b"5"  # to /proc/self/clear_refs: sets the high-water mark back to what is resident now
CALIBRATED = 5  # calls of an empty function
FREEING = ("FREE", "MUNMAP", "PYMALLOC_FREE")  # memray's records that are no allocations


class Gauge:
    """Measures each call of a target; the last one counts. Call `found` while `running` is open.

    `folder`: for files of its own; None for the system's temporary one.
    """

    def __init__(self, folder: str | None = None) -> None:
        self._folder = folder

    def around(self, target: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that measures each call of the target."""

        def measured(*args: Any, **kwargs: Any) -> Any:
            call = functools.partial(target, *args, **kwargs) if args or kwargs else target
            with self._quiet():
                self._begin()
                try:
                    return call()
                finally:
                    self._end()

        async def measured_awaited(*args: Any, **kwargs: Any) -> Any:
            with self._quiet():
                self._begin()
                try:
                    return await target(*args, **kwargs)
                finally:
                    self._end()

        return measured_awaited if inspect.iscoroutinefunction(target) else measured

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Measure while this is open."""
        yield

    @contextlib.contextmanager
    def _quiet(self) -> Iterator[None]:
        """Collect garbage now, and not while this is open."""
        gc.collect()
        collecting = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if collecting:
                gc.enable()

    def _begin(self) -> None:
        """Start to measure a call."""

    def _end(self) -> None:
        """Take what a call has needed."""

    def found(self) -> dict[str, Any]:
        """Return what the last call has needed, and the frameworks that are loaded."""
        return {"bytes": None, "allocations": None, "outside": [name for name in OUTSIDE if name in sys.modules]}


class Peak(Gauge):
    """The peak of traced memory in a call, above that before the call; calls before the last are traced too."""

    def __init__(self, folder: str | None = None) -> None:
        super().__init__(folder)
        self._numbers = array("q", [0, -1])  # before, and the peak above that: numbers in an array allocate nothing

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Trace while this is open."""
        tracemalloc.start()
        try:
            yield
        finally:
            tracemalloc.stop()

    def _begin(self) -> None:
        self._numbers[0] = tracemalloc.get_traced_memory()[0]  # so that the next reading finds a tuple to reuse
        self._numbers[0] = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()

    def _end(self) -> None:
        peak = tracemalloc.get_traced_memory()[1]
        self._numbers[1] = peak - self._numbers[0] if tracemalloc.is_tracing() else -1

    def found(self) -> dict[str, Any]:
        """Return the peak; none if the benchmark has traced memory itself."""
        peak = self._numbers[1]
        return super().found() | {"bytes": peak if peak >= 0 else None}


class Allocations(Gauge):
    """The number of allocations in a call, by memray: of Python's objects, and of C's `malloc`.

    The last two calls must agree: memray fills caches of its own, which may take a call or two.
    """

    _own: ClassVar[int | None] = None  # allocations of counting itself, which takes a while to find

    def __init__(self, folder: str | None = None) -> None:
        super().__init__(folder)
        self._memray: Any = None
        with contextlib.suppress(ImportError):
            self._memray = importlib.import_module("memray")
        self._tracker: Any = None
        self._file = Path()
        self._numbers: list[int] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Count while this is open."""
        with tempfile.TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True) as folder:
            self._file = Path(folder, "allocations")
            if Allocations._own is None and self._memray is not None:
                counted = self.around(lambda: None)
                for _ in range(CALIBRATED):
                    counted()
                Allocations._own = statistics.mode(self._numbers)
                self._numbers = []
            yield

    def _begin(self) -> None:
        if self._memray is not None:
            self._tracker = self._memray.Tracker(self._file, trace_python_allocators=True)
            self._tracker.__enter__()
            sys.setprofile(None)  # without stacks: each frame that a profiler sees is an allocation of its own
            threading.setprofile(None)

    def _end(self) -> None:
        if self._tracker is not None:
            self._tracker.__exit__(None, None, None)
            self._numbers.append(self._count())
            self._file.unlink()

    def _count(self) -> int:
        """Return the number of allocations of the call that has just ended."""
        kinds = self._memray.AllocatorType
        freeing = {int(getattr(kinds, name)) for name in FREEING}
        with self._memray.FileReader(self._file) as reader:
            return sum(each.allocator not in freeing for each in reader.get_allocation_records())

    def found(self) -> dict[str, Any]:
        """Return the number of allocations; none without memray, or if the last two calls disagree."""
        last = self._numbers[-1] if len({*self._numbers[-2:]}) == 1 else None
        return super().found() | {"allocations": None if last is None else last - (self._own or 0)}


class HighWater(Gauge):
    """The process's largest resident memory while calls ran, the first included, above that before them."""

    def __init__(self, folder: str | None = None) -> None:
        super().__init__(folder)
        self._before: int | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Watch while this is open."""
        gc.collect()
        with contextlib.suppress(OSError), Real.open("/proc/self/clear_refs", "wb", buffering=0) as file:
            file.write(RESET)
        self._before = high_water()
        yield

    def found(self) -> dict[str, Any]:
        """Return the growth of the high-water mark; none where the system does not tell it."""
        after = high_water()
        grown = None if self._before is None or after is None else max(0, after - self._before)
        return super().found() | {"bytes": grown}


def high_water() -> int | None:
    """Return the largest resident memory of this process since it was set back, in bytes; None if unknown."""
    with contextlib.suppress(OSError, ValueError, StopIteration), Real.open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(MARKER))
        return int(line.split()[1]) * 1024
    if Real.usage is None:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    most: int = Real.usage(Real.process_usage).ru_maxrss * unit
    return most


GAUGES: dict[str, type[Gauge]] = {"peak": Peak, "allocations": Allocations, "high-water": HighWater}
