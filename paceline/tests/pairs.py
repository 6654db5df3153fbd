"""Real workers, without the rest of a gate."""

import os
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paceline.config.options import SIDES
from paceline.gate.pair import Pair
from paceline.gate.sides.launcher import Launch
from paceline.gate.visit import End, Visit

FILE = "test_it.py"


def launch(folder: Path, slot: str = "a", options: Sequence[str] = (), **environment: str) -> Launch:
    """Return how to start a worker that collects all tests of a folder."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    command = (sys.executable, "-m", "pytest", "-p", "paceline.gate.worker.process", "--codspeed", *options)
    task: dict[str, Any] = {
        "items": None,
        "survey": False,
        "slot": slot,
        "names": [],
        "homes": [],
        "compiled": [],
        "exempt": [],
    }
    return Launch(
        command,
        folder,
        {**kept, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        {**task, "own": [], "foreign": []},
    )


@contextmanager
def started(folder: Path, launches: Mapping[str, Launch], timeout: float = 60) -> Iterator[Pair]:
    """Start the workers, and wait until all have collected."""
    (folder / "logs").mkdir(exist_ok=True)
    with Pair(folder, timeout, random.Random(0)) as pair:
        pair.start(launches, next(iter(launches)))
        for side, found in pair.collected().items():
            assert not isinstance(found, End), (side, found)
        yield pair


def both(folder: Path, *options: str, **environment: str) -> dict[str, Launch]:
    """Return launches of both sides, each of which knows which one it is."""
    return {
        side: launch(folder, slot, options, SIDE=side, **environment) for side, slot in zip(SIDES, "ab", strict=True)
    }


def visit(folder: Path, text: str, *options: str, timeout: float = 60, **environment: str) -> dict[str, Visit]:
    """Write a test file, and time each of its benchmarks on both sides; returns the visits by name."""
    (folder / FILE).write_text(text, encoding="utf-8")
    names = [
        line.partition("(")[0].removeprefix("def ") for line in text.splitlines() if line.startswith("def test_")
    ]
    found: dict[str, Visit] = {}
    while left := [name for name in names if name not in found]:
        with started(folder, both(folder, *options, **environment), timeout) as pair:
            while left and not pair.lost:
                name = left.pop(0)
                found[name] = pair.visit(f"{FILE}::{name}", None, [])
    return found
