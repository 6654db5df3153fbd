"""Flame graphs of an explained benchmark: one HTML file that needs no network, and one file for speedscope.

Both sides are one tree of stacks, so that a function has the same place in all pictures. Names come from the judged
code. They reach the page as JSON without `<`, and its script shows them as text.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.system import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from paceline.report.explanations import Explanation

SMALLEST = 0.0005  # of the larger total: what takes less time gets no box
MOST = 3000  # boxes
LONGEST = 80  # characters of a file's name
Stack = tuple[tuple[str, str], ...]  # file and name of each function, the outermost first
SCHEMA = "https://www.speedscope.app/file-format-schema.json"
PLACE = "/*DATA*/"


@dataclass(frozen=True)
class Flames:
    """The stacks of a benchmark with seconds per call, by side, and what the test says of its functions."""

    name: str
    base: Mapping[Stack, float]
    head: Mapping[Stack, float]
    why: Explanation

    @property
    def file_name(self) -> str:
        """A name for files of this benchmark, which no other benchmark has."""
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", self.name).strip("-.")[:LONGEST]
        return f"{plain}-{hashlib.sha256(self.name.encode(errors='replace')).hexdigest()[:8]}"


@dataclass
class _Box:
    """A function in a stack. `times`: seconds per call on base and head, with what it calls."""

    function: tuple[str, str]
    own: list[float] = field(default_factory=lambda: [0.0, 0.0])
    times: list[float] = field(default_factory=lambda: [0.0, 0.0])
    children: dict[tuple[str, str], _Box] = field(default_factory=dict)

    def add(self, stack: Stack, side: int, seconds: float) -> None:
        box = self
        box.times[side] += seconds
        for function in stack:
            box = box.children.setdefault(function, _Box(function))
            box.times[side] += seconds
        box.own[side] += seconds

    def shown(self, least: float) -> dict[str, Any]:
        """Return the box with the boxes in it that take at least so many seconds, by name."""
        within = [each for _, each in sorted(self.children.items()) if max(each.times) >= least]
        file, name = self.function
        found: dict[str, Any] = {"n": name, "f": file, "t": self.times, "o": self.own}
        return found | ({"c": [each.shown(least) for each in within]} if within else {})

    def sizes(self) -> Iterator[float]:
        for each in self.children.values():
            yield max(each.times)
            yield from each.sizes()


def page(flames: Flames) -> str:
    """Return the HTML file."""
    root = _Box(("", flames.name))
    for side, stacks in enumerate((flames.base, flames.head)):
        for stack, seconds in stacks.items():
            root.add(stack, side, seconds)
    sizes = sorted(root.sizes(), reverse=True)
    least = max(SMALLEST * max(root.times), sizes[MOST] if len(sizes) > MOST else 0.0)
    data = {"name": flames.name, "line": str(flames.why), "why": flames.why.as_json(), "tree": root.shown(least)}
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    return Path(__file__).with_name("flames.html").read_text(encoding="utf-8").replace(PLACE, text, 1)


def speedscope(flames: Flames) -> str:
    """Return a file for speedscope, with a profile of each side. Weights are nanoseconds per call."""
    numbers: dict[tuple[str, str], int] = {}
    profiles = [_profile(side, stacks, numbers) for side, stacks in (("base", flames.base), ("head", flames.head))]
    frames = [{"name": name, **({"file": file} if file else {})} for file, name in numbers]
    document = {"$schema": SCHEMA, "exporter": "paceline", "name": flames.name, "activeProfileIndex": 1}
    return json.dumps({**document, "shared": {"frames": frames}, "profiles": profiles}) + "\n"


def _profile(side: str, stacks: Mapping[Stack, float], numbers: dict[tuple[str, str], int]) -> dict[str, Any]:
    order = sorted(stacks)
    samples = [[numbers.setdefault(each, len(numbers)) for each in stack] for stack in order]
    weights = [max(0, round(1e9 * stacks[stack])) for stack in order]
    about = {"type": "sampled", "name": side, "unit": "nanoseconds", "startValue": 0, "endValue": sum(weights)}
    return {**about, "samples": samples, "weights": weights}


def write(found: Sequence[Flames], folder: Path) -> None:
    """Write both files of each benchmark. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in found:
        files.write(folder / f"{each.file_name}.html", page(each))
        files.write(folder / f"{each.file_name}.speedscope.json", speedscope(each))
