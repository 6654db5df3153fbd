"""Counts the calls of each function in one burst, in the worker, for the main thread, and what they leave in memory.

By `sys.monitoring` on Python 3.12 and later. By a profile function on 3.11, where a generator counts each time that
it goes on. Memory is that of `tracemalloc`: what was allocated in the burst and is still there at its end, by the
function that allocated it. Standard library only: workers load this.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import tracemalloc
from types import BuiltinFunctionType, MethodDescriptorType, MethodWrapperType, WrapperDescriptorType
from typing import TYPE_CHECKING, Any

from paceline.gate.explain.function_names import FunctionNames
from paceline.gate.touch.events import TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType, FrameType

IN_C = (BuiltinFunctionType, MethodDescriptorType, MethodWrapperType, WrapperDescriptorType)
NAME = "paceline-calls"


class CallCounter:
    """Counts while `timed` is open. `roots`: folders of the side's tree."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._names = FunctionNames(roots)
        self._calls: dict[tuple[int, object], list[Any]] = {}  # by ids or name: caller, what is called, how often
        self._codes: dict[int, CodeType] = {}
        self._memory: list[tracemalloc.Statistic] = []  # by line

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Forget what was counted before."""
        self._calls, self._codes, self._memory = {}, {}, []
        yield

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Count until this is closed."""
        tracemalloc.start()
        try:
            with _monitored(self) if sys.version_info >= (3, 12) else _profiled(self):
                yield
        finally:
            if tracemalloc.is_tracing():  # the benchmark may have stopped it
                self._memory += tracemalloc.take_snapshot().statistics("lineno")
                tracemalloc.stop()

    def add(self, caller: FrameType | None, code: CodeType) -> None:
        """Count a call of a function in Python."""
        self._codes[id(code)] = code
        above = None if caller is None else caller.f_code
        self._calls.setdefault((id(above), id(code)), [above, code, 0])[2] += 1

    def add_in_c(self, caller: FrameType, function: object) -> None:
        """Count a call of a function in C."""
        name = str(getattr(function, "__qualname__", ""))
        self._calls.setdefault((id(caller.f_code), name), [caller.f_code, name, 0])[2] += 1

    def found(self) -> dict[str, Any]:
        """Return calls, bytes and blocks of each function, and how often which function calls it."""
        counts: dict[int, list[int]] = {}
        callers: dict[tuple[int, int], int] = {}
        for caller, called, calls in list(self._calls.values()):
            number, above = self._names.number(called), self._names.number(caller)
            counts.setdefault(number, [0, 0, 0])[0] += calls
            callers[above, number] = callers.get((above, number), 0) + calls
        lines = self._lines()
        for each in self._memory:
            code = lines.get((each.traceback[0].filename, each.traceback[0].lineno))
            if code is not None:
                entry = counts.setdefault(self._names.number(code), [0, 0, 0])
                entry[1] += each.size
                entry[2] += each.count
        return {
            "functions": self._names.listed,
            "counts": [[number, *counted] for number, counted in counts.items()],
            "callers": [[*pair, calls] for pair, calls in callers.items()],
        }

    def _lines(self) -> dict[tuple[str, int], CodeType]:
        """Return which code is at which line; where several are, the one with the fewest lines."""
        lines = [
            (code, {line for _, _, line in code.co_lines() if line is not None}) for code in self._codes.values()
        ]
        lines.sort(key=lambda each: (-len(each[1]), each[0].co_qualname))
        return {(code.co_filename, line): code for code, own in lines for line in own}


@contextlib.contextmanager
def _profiled(counter: CallCounter) -> Iterator[None]:
    def count(frame: FrameType, event: str, about: Any) -> None:
        if event == "call":
            counter.add(frame.f_back, frame.f_code)
        elif event == "c_call":
            counter.add_in_c(frame, about)

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)


@contextlib.contextmanager
def _monitored(counter: CallCounter) -> Iterator[None]:
    """Count by the first tool of `sys.monitoring` that is free, or else by a profile function."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    tool = next((each for each in TOOLS if monitoring.get_tool(each) is None), None)
    if tool is None:
        with _profiled(counter):
            yield
        return
    thread, events = threading.get_ident(), monitoring.events

    def start(code: CodeType, _: int) -> None:
        if threading.get_ident() == thread:
            counter.add(sys._getframe(1).f_back, code)  # noqa: SLF001 - of the interpreter

    def call(_code: CodeType, _: int, function: object, _first: object) -> None:
        if isinstance(function, IN_C) and threading.get_ident() == thread:
            counter.add_in_c(sys._getframe(1), function)  # noqa: SLF001 - of the interpreter

    monitoring.use_tool_id(tool, NAME)
    try:
        monitoring.register_callback(tool, events.PY_START, start)
        monitoring.register_callback(tool, events.CALL, call)
        monitoring.set_events(tool, events.PY_START | events.CALL)
        yield
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)
