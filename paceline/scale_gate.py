"""Measures what a gate over a large suite costs: the time of its parts, its memory, and how they grow.

The suite is made here, like pandas' own: many files, classes and parameters, and every benchmark is cheap. The change
touches 20 of them. The gate is a real one, in a process of its own, so that its memory is its own.

    python paceline/scale_gate.py                               # 70, 700 and 7,000 benchmarks
    python paceline/scale_gate.py --benchmarks 700 -- -q        # of one size, with options for the gate

A part grows linearly if its CPU time per benchmark does not rise from row to row.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from paceline.gate import execution, rounds, touching
from paceline.gate.sides import trees
from paceline.gate.worker import channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = (70, 700, 7000)
TOUCHED = 20
MODULES, FUNCTIONS = 40, 10  # of the package, and of each module
CLASSES, METHODS, PARAMETERS = 5, 7, 2  # of a test file: 70 benchmarks
DEEP = 5  # functions that call each other in a benchmark
MEBIBYTE = 2**20

COST = "PACELINE_SCALE_COST"  # variable with the name of the file that a gate's cost is written to
ALL, REPORT = "all", "report"

#: Parts of a gate, and the functions whose time they are.
PARTS: dict[str, list[tuple[Any, str]]] = {
    "trees": [(trees.Trees, "make")],
    "collection": [(execution._Execution, "_select"), (execution._Execution, "_collect_base")],  # noqa: SLF001
    "recording": [(touching.Touching, "_recorded")],
    "comparison": [(touching, "compare")],
    "rounds": [(rounds.Rounds, "run")],
    "judging": [(execution, "run")],
}
SHOWN = ("trees", "collection", "recording", "comparison", "rounds", REPORT, ALL)


def generate(root: Path, benchmarks: int) -> None:
    """Write a project whose last commit changes a function that only 20 benchmarks run. `benchmarks`: from 20 on."""
    package = root / "src" / "package"
    package.mkdir(parents=True)
    (root / "tests").mkdir()
    settings = '[project]\nname = "package"\nversion = "1"\n[tool.pytest.ini_options]\npythonpath = ["src"]\n'
    (root / "pyproject.toml").write_text(settings, encoding="utf-8")
    (package / "__init__.py").write_text("", encoding="utf-8")
    for number in range(MODULES):
        (package / f"module_{number}.py").write_text(_module(number), encoding="utf-8")
    changed = package / "changed.py"
    changed.write_text("def work(size):\n    return size + 1\n", encoding="utf-8")
    for number, text in enumerate(_test_files(benchmarks)):
        (root / "tests" / f"test_{number}.py").write_text(text, encoding="utf-8")
    _git(root, "init", "--quiet", "-b", "main")
    _commit(root)
    changed.write_text("def work(size):\n    return 1 + size\n", encoding="utf-8")
    _commit(root)


def _module(number: int) -> str:
    """Return a module; each function calls the same one of the next module, some steps deep."""
    body = (
        f"def step_{step}(size, depth={DEEP}):\n"
        f"    total = sum(range(size)) + {number}\n"
        f"    return total + module_{(number + 1) % MODULES}.step_{step}(size, depth - 1) if depth > 1 else total\n"
        for step in range(FUNCTIONS)
    )
    return f"from package import module_{(number + 1) % MODULES}\n\n" + "\n".join(body)


def _test_files(benchmarks: int) -> Iterator[str]:
    """Yield test files that have as many benchmarks together; 20 of them, evenly spread, run what changes."""
    methods = benchmarks // PARAMETERS
    touched = {place * methods // (TOUCHED // PARAMETERS) for place in range(TOUCHED // PARAMETERS)}
    per_file = CLASSES * METHODS
    for start in range(0, methods, per_file):
        imports = "".join(f"from package import module_{number}\n" for number in range(MODULES))
        text = f"import pytest\nfrom package import changed\n{imports}"
        for number in range(start, min(start + per_file, methods)):
            if (number - start) % METHODS == 0:
                text += f"\nclass Test{(number - start) // METHODS}:\n"
            called = f"module_{number * 7 % MODULES}.step_{number % FUNCTIONS}"
            text += (
                f'    @pytest.mark.parametrize("size", {list(range(10, 10 + PARAMETERS))})\n'
                f"    def test_{number}(self, benchmark, size):\n"
                f"        benchmark({'changed.work' if number in touched else called}, size)\n"
            )
        yield text


def _git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True)


def _commit(root: Path) -> None:
    _git(root, "add", "-A")
    _git(root, "commit", "--quiet", "-m", "change")


class Clock:
    """Adds up seconds and CPU seconds of parts, those of their child processes included, and counts messages."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.cpu: defaultdict[str, float] = defaultdict(float)
        self.messages: Counter[str] = Counter()

    def watch(self) -> None:
        """Put a clock around every part, and count the messages of workers by their events."""
        for part, functions in PARTS.items():
            for owner, name in functions:
                setattr(owner, name, self.timed(part, getattr(owner, name)))
        receive = channel.Callee.receive

        def counted(callee: channel.Callee, patience: float) -> Any:
            message = receive(callee, patience)
            if message:
                self.messages[message["event"]] += 1
            return message

        setattr(channel.Callee, "receive", counted)  # noqa: B010 - mypy

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return this function with a clock around it."""

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            started, cpu = time.perf_counter(), sum(os.times()[:4])
            try:
                return function(*arguments, **named)
            finally:
                self.seconds[part] += time.perf_counter() - started
                self.cpu[part] += sum(os.times()[:4]) - cpu

        return timed


def judge(arguments: list[str]) -> int:
    """Run pytest in this process as a gate, and write what it costs to the file that the environment names."""
    import resource

    clock = Clock()
    clock.watch()
    status = clock.timed(ALL, pytest.main)(arguments)
    for each in (clock.seconds, clock.cpu):
        each[REPORT] = each[ALL] - each.pop("judging")
    unit = 1 if sys.platform == "darwin" else 1024
    memory = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # without children
    cost = {"seconds": clock.seconds, "cpu": clock.cpu, "messages": clock.messages, "memory": memory}
    Path(os.environ[COST]).write_text(json.dumps(cost), encoding="utf-8")
    return int(status)


def measure(benchmarks: int, *options: str) -> dict[str, Any]:
    """Judge a generated project, and return the cost: by part `seconds` and `cpu`, `messages` by event, `memory`.

    `lines` are those that were printed; `verdicts` are counted; `load` is that of the last minute, with this gate's.
    """
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        root, cost, found = (Path(folder) / name for name in ("project", "cost.json", "gate.json"))
        root.mkdir()
        generate(root, benchmarks)
        command = [sys.executable, __file__, "--gate", "--benchmark-only", "--benchmark-against=HEAD~1"]
        command += [f"--benchmark-against-json={found}", *options]
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
        environment = {**kept, COST: str(cost)}
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        if not found.exists() or not cost.exists():
            raise SystemExit(done.stdout + done.stderr)
        verdicts = Counter(each["verdict"] for each in json.loads(found.read_text(encoding="utf-8"))["benchmarks"])
        measured: dict[str, Any] = json.loads(cost.read_text(encoding="utf-8"))
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan
        return measured | {"lines": len(done.stdout.splitlines()), "verdicts": verdicts, "load": load}


def row(benchmarks: int, cost: dict[str, Any]) -> str:
    """Return a row of the table: each part in seconds, and in CPU milliseconds per benchmark."""
    cells = [
        f"{cost['seconds'].get(part, 0):.1f} | {1000 * cost['cpu'].get(part, 0) / benchmarks:.2f}" for part in SHOWN
    ]
    verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in cost["verdicts"].items())
    memory = cost["memory"] / MEBIBYTE
    return f"| {benchmarks:,} | {cost['load']:.1f} | {' | '.join(cells)} | {memory:.0f} | {verdicts} |"


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmarks", type=int, nargs="+", default=SIZES, help="default: 70 700 7000")
    parser.add_argument("options", nargs="*", help="for the gate, after `--`")
    arguments = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs; {TOUCHED} benchmarks are touched.\n")
    print("| benchmarks | load | " + " | ".join(f"{part}: s | CPU ms each" for part in SHOWN) + " | MiB | verdicts |")
    print("| --- " * (4 + 2 * len(SHOWN)) + "|")
    for benchmarks in arguments.benchmarks:
        print(row(benchmarks, measure(benchmarks, *arguments.options)), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--gate"]:
        sys.exit(judge(sys.argv[2:]))
    main()
