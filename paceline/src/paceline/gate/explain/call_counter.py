"""Counts the calls of each function in one burst, in the worker, for the main thread.

By a profile function, which every Python from 3.11 on has. A generator counts each time that it goes on. Standard
library only: workers load this.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from paceline.gate.explain.function_names import FunctionNames

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType


class CallCounter:
    """Counts calls while `timed` is open. `roots`: folders of the side's tree."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._names = FunctionNames(roots)
        self._found: dict[object, list[Any]] = {}  # by id of code, or by the name of a function in C

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Forget what was counted before."""
        self._found = {}
        yield

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Count until this is closed."""
        sys.setprofile(self._count)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _count(self, frame: FrameType, event: str, about: Any) -> None:
        if event == "call":
            ran: object = frame.f_code
            entry = self._found.setdefault(id(ran), [ran, 0, 0])
        elif event == "c_call":
            ran = str(getattr(about, "__qualname__", ""))
            entry = self._found.setdefault(ran, [ran, 0, 0])
        else:
            return
        entry[2] += 1

    def found(self) -> list[dict[str, Any]]:
        """Return the calls of each function."""
        return self._names.merged(self._found.values())
