"""Names functions by file and qualified name, the same on both sides, as a message has them.

Standard library only: workers load this.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from paceline.gate.touch.digest import content
from paceline.gate.touch.recording import TreeFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST = 2000  # functions, those with the most time or calls
LOOP = "the benchmark's own call"


class FunctionNames:
    """Names code that has run. `roots`: folders of the side's tree."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._places = TreeFiles(roots)
        self._libraries = sorted((os.path.realpath(each) + os.sep for each in sys.path if each), key=len)[::-1]

    def merged(self, found: Iterable[tuple[object, int, int] | list[Any]]) -> list[dict[str, Any]]:
        """Return one object for each function. `found`: what ran, nanoseconds, samples or calls."""
        functions: dict[tuple[str, str], dict[str, Any]] = {}
        for ran, nanoseconds, samples in found:
            place, name, contents = self._described(ran)
            empty = {"place": place, "name": name, "contents": [], "nanoseconds": 0, "samples": 0}
            function = functions.setdefault((place, name), empty)
            function["contents"] = sorted({*function["contents"], *contents})
            function["nanoseconds"] += nanoseconds
            function["samples"] += samples
        return sorted(functions.values(), key=lambda each: (-each["nanoseconds"], -each["samples"]))[:MOST]

    def _described(self, ran: object) -> tuple[str, str, list[str]]:
        """Return file and name of what ran, and its content if it is of the side's tree."""
        code: Any = ran
        if not hasattr(code, "co_filename"):
            name = ran if isinstance(ran, str) else getattr(ran, "__qualname__", None)
            return "", name if isinstance(name, str) else LOOP, []
        place = self._places.place(code.co_filename)
        if place is not None:
            return place.partition("/")[2], code.co_qualname, [content(code, self._places.clean).digest]
        return self._library(code.co_filename), code.co_qualname, []

    def _library(self, name: str) -> str:
        """Return the name of a file of a library, from where Python looks for it."""
        path = name if name.startswith("<") else os.path.realpath(name)
        folder = next((each for each in self._libraries if path.startswith(each)), "")
        return self._places.clean(path[len(folder) :]).replace(os.sep, "/")
