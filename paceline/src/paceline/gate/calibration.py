"""Measures what the gate detects on this machine, and how often it raises a false alarm.

It runs the real gate, as a user would, on a project with slowdowns planted in its code.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError
from paceline.system import child
from paceline.system.git import git

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PLANTED = (0.0, 0.02, 0.05, 0.10, 0.20)

CODE = '''"""Four kinds of work; each is repeated, so that a share of it can be added."""
from array import array

REPEATS = {repeats}
ARRAY = array("d", range(1000))
SOURCE = memoryview(bytearray(range(250)) * 1280)  # 320 kB: more than the caches nearest to a core
TARGET = memoryview(bytearray(SOURCE))


def arithmetic():
    for _ in range(REPEATS):
        total = 0
        for value in range(30):
            total += value * value
    return total


def objects():
    for _ in range(REPEATS):
        found = {{str(value): [value] for value in range(15)}}
    return found


def small_arrays():
    for _ in range(REPEATS):
        total = sum(ARRAY[100:200])
    return total


def memory():
    for _ in range(REPEATS):
        TARGET[:] = SOURCE
    return TARGET[-1]
'''

TESTS = """import pytest
import work


@pytest.mark.parametrize("kind", ["arithmetic", "objects", "small_arrays", "memory"])
def test_work(benchmark, kind):
    benchmark(getattr(work, kind))
"""
REPEATS = 100


@dataclass
class Row:
    """The gates' results for one planted slowdown. `covered` counts intervals that contain the true ratio."""

    planted: float
    verdicts: Counter[str] = field(default_factory=Counter)
    red: int = 0
    gates: int = 0
    covered: int = 0
    intervals: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, document: dict[str, Any]) -> None:
        """Count the findings of one gate."""
        benchmarks = document["benchmarks"]
        verdicts = [each["verdict"] for each in benchmarks]
        self.verdicts.update(verdicts)
        self.gates += 1
        self.red += "slower" in verdicts
        self.seconds.append(document["seconds"])
        for each in benchmarks:
            if each["low"] is not None:
                self.intervals += 1
                self.covered += each["low"] <= 1 + self.planted <= each["high"]


def run(rows: Sequence[Row], say: Callable[[str], None], until: float) -> None:
    """Run one gate per row, and repeat until the time is up. Raises PacelineError if a gate fails."""
    with tempfile.TemporaryDirectory(prefix="calibrate-") as folder:
        project = Path(folder) / "project"
        _make(project)
        while True:
            for row in rows:
                row.add(_judge(project, row.planted))
                say(line(row))
            if time.monotonic() >= until:
                return


def _make(project: Path) -> None:
    project.mkdir()
    (project / "test_work.py").write_text(TESTS, encoding="utf-8")
    (project / "work.py").write_text(CODE.format(repeats=REPEATS), encoding="utf-8")
    (project / ".gitignore").write_text("__pycache__/\n.pytest_cache/\n", encoding="utf-8")
    identity = ("-c", "user.name=paceline", "-c", "user.email=paceline@localhost", "-c", "commit.gpgSign=false")
    for arguments in (["init", "--quiet"], ["add", "-A"], ["commit", "--quiet", "--no-verify", "-m", "base"]):
        git(project, *identity, *arguments)


def _judge(project: Path, planted: float) -> dict[str, Any]:
    (project / "work.py").write_text(CODE.format(repeats=round(REPEATS * (1 + planted))), encoding="utf-8")
    findings = project.parent / "findings.json"
    findings.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "--benchmark-only", "-q", "--benchmark-against=HEAD"]
    command += [f"--benchmark-against-json={findings}", "--benchmark-touched=no", "--benchmark-explain=0"]
    command += ["-p", "no:cacheprovider"]
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_"))}
    done = child.run(command, project, environment)
    if not findings.exists():
        last = ([line for line in (done.stdout + done.stderr).splitlines() if line] or ["no output"])[-1]
        raise PacelineError(f"a gate failed with exit status {done.returncode}: {last}")
    document: dict[str, Any] = json.loads(findings.read_text(encoding="utf-8"))
    return document


HEADINGS = " planted  gates   red    slower   same  unsure  covered  seconds"


def line(row: Row) -> str:
    """Return one row of the table: shares of the benchmarks, over all gates."""
    judged = max(1, sum(row.verdicts.values()))
    shares = [f"{row.verdicts[name] / judged:.0%}" for name in ("slower", "same", "unsure")]
    covered = f"{row.covered}/{row.intervals}"
    return (
        f"{row.planted:>8.0%} {row.gates:>6} {row.red:>5}   {shares[0]:>7} {shares[1]:>6} {shares[2]:>7}"
        f" {covered:>8}  {statistics.median(row.seconds):.0f}"
    )
