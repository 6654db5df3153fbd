"""Three real tools judge the same known changes, side by side: `make evidence MINUTES=20`.

Not part of the distribution: it needs asv. Results are appended to a file, so that runs add up; the table is
of all of them. Changes are planted in code, as commits of a throw-away repository.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KINDS = ("arithmetic", "objects", "small_arrays", "memory")
REPEATS = 200

WORK = '''"""Python-only, small-array and memory-bound work, in about a millisecond each."""
import time

import numpy as np

REPEATS = {repeats}
WAIT = {wait}
ARRAY = np.arange(300_000.0)


def arithmetic():
    for _ in range(REPEATS):
        total = 0
        for value in range(100):
            total += value * value
    wait()
    return total


def objects():
    for _ in range(REPEATS):
        found = {{str(value): [value] for value in range(40)}}
    wait()
    return found


def small_arrays():
    for _ in range(5 * REPEATS):
        total = ARRAY[:1000] @ ARRAY[1000:2000]
    wait()
    return total


def memory():
    for _ in range(REPEATS // 10):
        total = ARRAY.sum()
    wait()
    return total


def wait():
    if WAIT:
        time.sleep(WAIT)
'''

PROJECT = {
    "pyproject.toml": (
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "workpiece"\nversion = "1.0"\ndependencies = ["numpy"]\n'
        '[tool.setuptools]\npackages = ["workpiece"]\n'
    ),
    "workpiece/__init__.py": "",
    "benchmarks/__init__.py": "",
    "benchmarks/suite.py": (
        "from workpiece import work\n" + "".join(f"def time_{kind}():\n    work.{kind}()\n" for kind in KINDS)
    ),
    "test_work.py": (
        f"import pytest\nfrom workpiece import work\n@pytest.mark.parametrize('kind', {KINDS!r})\n"
        "def test_work(benchmark, kind):\n    benchmark(getattr(work, kind))\n"
    ),
    "asv.conf.json": json.dumps(
        {
            "version": 1,
            "project": "workpiece",
            "repo": ".",
            "branches": ["main"],
            "environment_type": "virtualenv",
            "matrix": {"req": {"numpy": []}},
            "build_command": ["python -m pip wheel --no-deps --no-build-isolation -w {build_cache_dir} {build_dir}"],
        }
    ),
    ".gitignore": "__pycache__/\n.asv/\n.pytest_cache/\n*.egg-info/\nbuild/\n",
}


def edited(text: str) -> str:
    """Change nothing that is executed: comments, a rename, another order of the functions."""
    text = text.replace("total", "the_sum").replace('"""Python', '"""Once more: Python')
    head, *functions = text.split("\n\n\ndef ")
    return "\n\n\n# Reordered.\ndef ".join([head, *reversed(functions)])


Change = dict[str, str]


@dataclass(frozen=True)
class Scenario:
    """A change with a known effect. `is_slower`: whether a tool ought to go red."""

    name: str
    files: Change
    is_slower: bool


def scenarios() -> list[Scenario]:
    """Return every change, from harmless to gross."""

    def work(more: float = 0.0, wait: float = 0.0) -> str:
        return WORK.format(repeats=round(REPEATS * (1 + more)), wait=wait)

    path = "workpiece/work.py"
    return [
        Scenario("identical", {"README": "identical code\n"}, is_slower=False),
        Scenario("edits", {path: edited(work()), "workpiece/unused.py": "UNUSED = 1\n"}, is_slower=False),
        Scenario("+5 % work", {path: work(0.05)}, is_slower=True),
        Scenario("+10 % work", {path: work(0.10)}, is_slower=True),
        Scenario("0.3 ms wait", {path: work(wait=0.0003)}, is_slower=True),
    ]


class Bench:
    """The throw-away repository with its base commit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self._git("init", "--quiet", "-b", "main")
        for name, text in {**PROJECT, "workpiece/work.py": WORK.format(repeats=REPEATS, wait=0.0)}.items():
            self._write(name, text)
        self.base = self._commit("base")

    def _git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=evidence", "-c", "user.email=evidence@localhost"]
        return run(["git", *identity, *arguments], self.root).stdout.strip()

    def _write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _commit(self, message: str) -> str:
        self._git("add", "-A")
        self._git("commit", "--quiet", "--allow-empty", "-m", message)
        return self._git("rev-parse", "HEAD")

    def change(self, scenario: Scenario) -> str:
        """Commit a change on top of base and return its hash."""
        self._git("checkout", "--quiet", "--force", "-B", "main", self.base)
        for name, text in scenario.files.items():
            self._write(name, text)
        return self._commit(scenario.name)

    def check_out(self, revision: str) -> None:
        """Put a commit into the working tree."""
        self._git("checkout", "--quiet", "--force", "-B", "main", revision)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("GITHUB_")}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@dataclass(frozen=True)
class Said:
    """What a tool said of a change: red or not, and the kinds of work that it flagged."""

    red: bool
    flagged: tuple[str, ...]


def kinds_in(texts: Iterator[str]) -> tuple[str, ...]:
    """Kinds of work that are named in these lines."""
    joined = "\n".join(texts)
    return tuple(kind for kind in KINDS if re.search(rf"\b(time_)?{kind}\b", joined))


def by_paceline(bench: Bench, head: str) -> Said:
    """Judge by this gate, with its defaults."""
    bench.check_out(head)
    findings = bench.root.parent / "findings.json"
    findings.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "--benchmark-only", f"--benchmark-against={bench.base}"]
    done = run([*command, f"--benchmark-against-json={findings}", "-p", "no:cacheprovider"], bench.root)
    if not findings.exists():
        raise RuntimeError(done.stdout + done.stderr)
    document = json.loads(findings.read_text(encoding="utf-8"))
    slower = (each["name"] for each in document["benchmarks"] if each["verdict"] == "slower")
    return Said(done.returncode == 1, kinds_in(slower))


def by_asv(bench: Bench, head: str) -> Said:
    """Judge by `asv continuous`, with its defaults."""
    asv = [sys.executable, "-m", "asv"]
    run([*asv, "machine", "--yes"], bench.root)
    done = run([*asv, "continuous", bench.base, head], bench.root)
    if done.returncode not in {0, 1} or "Traceback" in done.stderr:
        raise RuntimeError(done.stdout + done.stderr)
    worse = (line for line in done.stdout.splitlines() if re.match(r"\|\s*\+\s*\|", line))
    return Said(done.returncode == 1, kinds_in(worse))


def by_compare_fail(bench: Bench, head: str) -> Said:
    """Judge by pytest-benchmark: save base, compare head with it."""
    with tempfile.TemporaryDirectory() as storage:
        command = [sys.executable, "-m", "pytest", "-q", "--benchmark-only", f"--benchmark-storage={storage}"]
        bench.check_out(bench.base)
        saved = run([*command, "--benchmark-save=base"], bench.root)
        if saved.returncode:
            raise RuntimeError(saved.stdout + saved.stderr)
        bench.check_out(head)
        done = run([*command, "--benchmark-compare", "--benchmark-compare-fail=median:5%"], bench.root)
    failed = (line for line in (done.stdout + done.stderr).splitlines() if "has failed" in line)
    return Said(done.returncode != 0, kinds_in(failed))


TOOLS: dict[str, Callable[[Bench, str], Said]] = {
    "paceline": by_paceline,
    "asv continuous": by_asv,
    "compare-fail 5 %": by_compare_fail,
}


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep this many cores busy meanwhile."""
    loop = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"  # none outlives this script
    running = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def collect(arguments: argparse.Namespace) -> None:
    """Judge changes in turn, by each tool, until the time is spent; append what was said."""
    until = time.monotonic() + 60 * arguments.minutes
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="evidence-") as folder, busy(cores if arguments.load else 0):
        bench = Bench(Path(folder) / "project")
        while True:
            # In random order, so that runs that are cut short add up to an even number of each.
            for scenario in random.sample(scenarios(), len(scenarios())):
                for tool in arguments.tool or TOOLS:
                    head = bench.change(scenario)
                    started = time.monotonic()
                    said = TOOLS[tool](bench, head)
                    record = {
                        "tool": tool,
                        "change": scenario.name,
                        "slower": scenario.is_slower,
                        "loaded": arguments.load,
                        "red": said.red,
                        "flagged": len(said.flagged),
                        "benchmarks": len(KINDS),
                        "seconds": round(time.monotonic() - started, 1),
                        "date": datetime.now(UTC).date().isoformat(),
                        "machine": f"{platform.machine()}, {cores} CPUs",
                    }
                    with arguments.file.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(record) + "\n")
                    if time.monotonic() >= until:
                        return


def at_most(red: int, gates: int) -> float:
    """Exact one-sided 95 % upper bound of a rate (Clopper and Pearson 1934)."""
    return 1.0 if red == gates else float(stats.beta.ppf(0.95, red + 1, gates - red))


def table(records: list[dict[str, Any]]) -> Iterator[str]:
    """Markdown table of all records; for harmless changes, the bound of the false-alarm rate."""
    groups: dict[tuple[bool, str, str], list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        groups[record["loaded"], record["change"], record["tool"]].append(record)
    dates = sorted({record["date"] for record in records})
    machines = ", ".join(sorted({record["machine"] for record in records}))
    yield f"Measured {dates[0]} to {dates[-1]} on {machines}."
    yield ""
    yield "| machine | change | tool | red gates | flagged benchmarks | median seconds |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for (loaded, change, tool), group in sorted(groups.items(), key=lambda item: item[0]):
        red = sum(record["red"] for record in group)
        flagged = sum(record["flagged"] for record in group)
        judged = sum(record["benchmarks"] for record in group)
        bound = "" if group[0]["slower"] else f" (at most {at_most(red, len(group)):.0%})"
        seconds = sorted(record["seconds"] for record in group)[len(group) // 2]
        yield (
            f"| {'loaded' if loaded else 'idle'} | {change} | {tool} | {red} of {len(group)}{bound}"
            f" | {flagged} of {judged} | {seconds:.0f} |"
        )


def main() -> None:
    """Collect, then print the table of everything collected so far."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="0: only print the table")
    parser.add_argument("--load", action="store_true", help="with a busy loop on every core")
    parser.add_argument("--tool", action="append", choices=list(TOOLS), help="only this one; can be repeated")
    parser.add_argument("--file", type=Path, default=Path("evidence.jsonl"), help="results, added to")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as after Ctrl-C
    if arguments.minutes > 0:
        collect(arguments)
    lines = arguments.file.read_text(encoding="utf-8").splitlines()
    for line in table([json.loads(line) for line in lines]):
        print(line)


if __name__ == "__main__":
    main()
