"""Names functions by file and qualified name, the same on both sides, and numbers them for a message.

Standard library only: workers load this.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from paceline.gate.touch.digest import content
from paceline.gate.touch.recording import TreeFiles

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 2000  # functions in a message: those that are numbered first
LOOP = "the benchmark's own call"
OTHERS = "other functions"


class FunctionNames:
    """Names code that has run. `roots`: folders of the side's tree. `listed`: the functions, by their numbers."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._places = TreeFiles(roots)
        self._libraries = sorted((os.path.realpath(each) + os.sep for each in sys.path if each), key=len)[::-1]
        self._known: dict[int, tuple[object, int]] = {}  # by id: what ran, which keeps the id, and its number
        self._numbers: dict[tuple[str, str], int] = {}
        self.listed: list[dict[str, Any]] = []

    def number(self, ran: object) -> int:
        """Return the number of the function that ran: code, something that can be called, or a name."""
        if id(ran) not in self._known:
            self._known[id(ran)] = ran, self._add(*self._described(ran))
        return self._known[id(ran)][1]

    def _add(self, place: str, name: str, contents: list[str]) -> int:
        if (place, name) not in self._numbers and len(self.listed) >= MOST:
            place, name, contents = "", OTHERS, []
        number = self._numbers.setdefault((place, name), len(self.listed))
        if number == len(self.listed):
            self.listed.append({"place": place, "name": name, "contents": []})
        self.listed[number]["contents"] = sorted({*self.listed[number]["contents"], *contents})
        return number

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
