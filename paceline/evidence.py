"""Compares three real tools on the same known changes: `make evidence MINUTES=20`.

Not part of the distribution: it needs asv. Results are appended to a file, and the table is of all runs together.
Changes are planted in code, as commits of a throw-away repository.
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
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.system import child
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

GENERATED = ("arithmetic", "objects", "small_arrays", "memory")
CONTENDERS = ("article_python", "pure_python", "article_numpy", "with_numpy", "with_numba")
TENSORFLOW = "with_tensorflow"
SUITE = Path(__file__).resolve().parent.parent
REPEATS = 200

WORK = '''"""Python-only, small-array and memory-bound work, about a millisecond each; contenders of a real suite."""
import importlib
import time
from dataclasses import replace

import numpy as np

MORE = {more}
WAIT = {wait}
REPEATS = round({repeats} * (1 + MORE))
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


def contender(name):
    module = importlib.import_module("impl.gradient_descent.problem")
    problem = module.make(module.SIZES["small"])
    prepare = importlib.import_module("impl.gradient_descent." + name).prepare
    run = prepare(problem)
    if not MORE:
        return run
    some = prepare(replace(problem, epochs=round(problem.epochs * MORE)))

    def run_more():
        some()
        return run()

    return run_more
'''

ASV_SUITE = '''"""The same work as asv wants it: without a setup, so that asv chooses how often to call it."""
from functools import cache

from workpiece import work

contender = cache(work.contender)

'''

TESTS = """import pytest
from workpiece import work


@pytest.mark.parametrize("kind", {generated})
def test_work(benchmark, kind):
    benchmark(getattr(work, kind))


@pytest.mark.parametrize("kind", {contenders})
def test_contender(benchmark, kind):
    run = work.contender(kind)
    run()
    benchmark(run)
"""


def project(contenders: Sequence[str]) -> dict[str, str]:
    """Return the files of the project except the work itself."""
    asv = {
        "version": 1,
        "project": "workpiece",
        "repo": ".",
        "branches": ["main"],
        "environment_type": "virtualenv",
        "matrix": {"req": {"numpy": [], "numba": [], **({"tensorflow": []} if TENSORFLOW in contenders else {})}},
        "build_command": ["python -m pip wheel --no-deps --no-build-isolation -w {build_cache_dir} {build_dir}"],
    }
    timed = [f"def time_{kind}():\n    work.{kind}()\n" for kind in GENERATED]
    timed += [f'def time_{name}():\n    contender("{name}")()\n' for name in contenders]
    copied = [*SUITE.glob("impl/*.py"), *SUITE.glob("impl/_shared/*.py"), *SUITE.glob("impl/gradient_descent/*.py")]
    return {
        **{path.relative_to(SUITE).as_posix(): path.read_text(encoding="utf-8") for path in copied},
        "pyproject.toml": (
            '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
            '[project]\nname = "workpiece"\nversion = "1.0"\ndependencies = ["numpy"]\n'
            '[tool.setuptools]\npackages = ["workpiece", "impl", "impl._shared", "impl.gradient_descent"]\n'
        ),
        "workpiece/__init__.py": "",
        "benchmarks/__init__.py": "",
        "benchmarks/suite.py": ASV_SUITE + "\n".join(timed),
        "test_work.py": TESTS.format(generated=GENERATED, contenders=tuple(contenders)),
        "asv.conf.json": json.dumps(asv),
        ".gitignore": "__pycache__/\n.asv/\n.pytest_cache/\n*.egg-info/\nbuild/\n",
    }


def edited(text: str) -> str:
    """Return the code with changes that have no effect: comments, a rename, another order of the functions."""
    text = text.replace("total", "the_sum").replace('"""Python', '"""Once more: Python')
    head, *functions = text.split("\n\n\ndef ")
    return "\n\n\n# Reordered.\ndef ".join([head, *reversed(functions)])


Change = dict[str, str]


@dataclass(frozen=True)
class Scenario:
    """A change with a known effect: work added to everything, or a wait added to the generated kinds."""

    name: str
    files: Change
    more: float = 0.0
    wait: bool = False

    @property
    def is_slower(self) -> bool:
        """Whether a tool should go red."""
        return self.more > 0 or self.wait


def work(more: float = 0.0, wait: float = 0.0) -> str:
    """Return the source of the work, with a share of work added, or a wait in seconds."""
    return WORK.format(more=more, wait=wait, repeats=REPEATS)


def scenarios() -> list[Scenario]:
    """Return every change, from harmless to large."""
    path = "workpiece/work.py"
    planted = [Scenario(f"+{more:.0%} work", {path: work(more)}, more) for more in (0.05, 0.10, 0.20)]
    return [
        Scenario("identical", {"README": "identical code\n"}),
        Scenario("edits", {path: edited(work()), "workpiece/unused.py": "UNUSED = 1\n"}),
        *planted,
        Scenario("0.3 ms wait", {path: work(wait=0.0003)}, wait=True),
    ]


class Bench:
    """The throw-away repository with its base commit."""

    def __init__(self, root: Path, contenders: Sequence[str]) -> None:
        self.root = root
        self.kinds = (*GENERATED, *contenders)
        root.mkdir()
        self._git("init", "--quiet", "-b", "main")
        for name, text in {**project(contenders), "workpiece/work.py": work()}.items():
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
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("GITHUB_", "PYTEST_"))}
    return child.run(command, folder, environment)


@dataclass(frozen=True)
class Said:
    """A tool's judgement of a change: red or not, the kinds of work that it flagged, and its estimates, if any."""

    red: bool
    flagged: tuple[str, ...]
    findings: tuple[dict[str, Any], ...] = ()


def kinds_in(bench: Bench, texts: Iterator[str]) -> tuple[str, ...]:
    """Return the kinds of work that are named in these lines."""
    joined = "\n".join(texts)
    return tuple(kind for kind in bench.kinds if re.search(rf"\b(time_)?{kind}\b", joined))


def by_paceline(bench: Bench, head: str, *options: str) -> Said:
    """Judge by this gate, with its defaults and these options."""
    bench.check_out(head)
    written = bench.root.parent / "findings.json"
    written.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "--benchmark-only", f"--benchmark-against={bench.base}"]
    command += ["--benchmark-touched=no", "--benchmark-explain=0"]  # how well it judges what it times
    command += [f"--benchmark-against-json={written}", "-p", "no:cacheprovider", *options]
    done = run(command, bench.root)
    if not written.exists():
        raise RuntimeError(done.stdout + done.stderr)
    document = json.loads(written.read_text(encoding="utf-8"))
    kept = ("verdict", "ratio", "low", "high", "rounds")
    findings = [
        {"kind": kind_of(each["name"]), **{key: each[key] for key in kept}} for each in document["benchmarks"]
    ]
    if any(each["verdict"] == "unavailable" for each in findings):
        raise RuntimeError(done.stdout)
    slower = tuple(each["kind"] for each in findings if each["verdict"] == "slower")
    return Said(done.returncode == 1, slower, tuple(findings))


def kind_of(test: str) -> str:
    """Return the kind of work of a test: its parameter."""
    return test.rpartition("[")[2].rstrip("]")


def by_asv(bench: Bench, head: str) -> Said:
    """Judge by `asv continuous`, with its defaults."""
    asv = [sys.executable, "-m", "asv"]
    run([*asv, "machine", "--yes"], bench.root)
    done = run([*asv, "continuous", bench.base, head], bench.root)
    if done.returncode not in {0, 1} or "Traceback" in done.stderr:
        raise RuntimeError(done.stdout + done.stderr)
    worse = (line for line in done.stdout.splitlines() if re.match(r"\|\s*\+\s*\|", line))
    return Said(done.returncode == 1, kinds_in(bench, worse))


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
    return Said(done.returncode != 0, kinds_in(bench, failed))


TOOLS: dict[str, Callable[[Bench, str], Said]] = {
    "paceline": by_paceline,
    "asv continuous": by_asv,
    "compare-fail 5 %": by_compare_fail,
}


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep this many cores busy while this is open."""
    loop = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"  # none outlives this script
    running = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def collect(arguments: argparse.Namespace) -> None:
    """Judge changes in turn, by each tool, until the time is up; append the results to the file."""
    until = time.monotonic() + 60 * arguments.minutes
    cores = os.cpu_count() or 1
    contenders = (*CONTENDERS, TENSORFLOW) if arguments.tensorflow else CONTENDERS
    about = {
        "loaded": arguments.load,
        "tensorflow": arguments.tensorflow,
        "machine": f"{platform.machine()}, {cores} CPUs",
    }
    with tempfile.TemporaryDirectory(prefix="evidence-") as folder, busy(cores if arguments.load else 0):
        bench = Bench(Path(folder) / "project", contenders)
        for scenario, tool in turns(chosen(arguments.change), arguments.tool or list(TOOLS)):
            record = about | judged(bench, scenario, tool)
            with arguments.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            show(record)
            if time.monotonic() >= until:
                return


def turns(changes: list[Scenario], tools: list[str]) -> Iterator[tuple[Scenario, str]]:
    """Yield changes without end, each with every tool; in random order, so that an early end is fair."""
    while True:
        for scenario in random.sample(changes, len(changes)):
            for tool in tools:
                yield scenario, tool


def judged(bench: Bench, scenario: Scenario, tool: str) -> dict[str, Any]:
    """Let a tool judge a change, and return its result."""
    head = bench.change(scenario)
    started = time.monotonic()
    said = TOOLS[tool](bench, head)
    return {
        "tool": tool,
        "change": scenario.name,
        "slower": scenario.is_slower,
        "more": None if scenario.wait else scenario.more,
        "red": said.red,
        "flagged": [kind for kind in said.flagged if kind in GENERATED or not scenario.wait],
        "benchmarks": len(GENERATED if scenario.wait else bench.kinds),
        "findings": said.findings,
        "seconds": round(time.monotonic() - started, 1),
        "load_average": round(os.getloadavg()[0], 1),
        "date": datetime.now(UTC).date().isoformat(),
    }


def chosen(names: Sequence[str] | None) -> list[Scenario]:
    """Return the scenarios of these names; all of them without names."""
    return [scenario for scenario in scenarios() if not names or scenario.name in names]


def show(record: dict[str, Any]) -> None:
    """Print one result on standard error."""
    red = "red" if record["red"] else "not red"
    flagged = f"{len(record['flagged'])} of {record['benchmarks']} flagged"
    print(
        f"{record['change']}: {record['tool']}: {red}, {flagged}, {record['seconds']:.0f} s",
        file=sys.stderr,
        flush=True,
    )


def at_most(red: int, gates: int) -> float:
    """Return the exact one-sided 95 % upper bound of a rate (Clopper and Pearson 1934)."""
    return 1.0 if red == gates else float(stats.beta.ppf(0.95, red + 1, gates - red))


def intervals(group: list[dict[str, Any]]) -> tuple[int, int]:
    """Return how many intervals contain the planted slowdown, and how many there are, one-sided ones included.

    Only kinds whose time is proportional to the work count: with arrays or compiled code, the planted second call
    costs more than its share.
    """
    proportional = {*GENERATED, "article_python", "pure_python"}
    covered = total = 0
    for record in group:
        for each in record["findings"]:
            exact = record["more"] == 0 or each["kind"] in proportional
            if record["more"] is not None and exact and each["high"] is not None:
                total += 1
                covered += (each["low"] or 0) <= 1 + record["more"] <= each["high"]
    return covered, total


def table(records: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a Markdown table of all records; for harmless changes, with the bound of the false-alarm rate."""
    groups: dict[tuple[bool, str, str], list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        groups[record["loaded"], record["change"], record["tool"]].append(record)
    dates = sorted({record["date"] for record in records})
    machines = ", ".join(sorted({record["machine"] for record in records}))
    yield f"Measured {dates[0]} to {dates[-1]} on {machines}."
    yield ""
    yield "| machine | change | tool | red gates | flagged benchmarks | truth in interval | median seconds | load |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for (loaded, change, tool), group in sorted(groups.items(), key=lambda item: item[0]):
        red = sum(record["red"] for record in group)
        flagged = sum(len(record["flagged"]) for record in group)
        judged = sum(record["benchmarks"] for record in group)
        bound = "" if group[0]["slower"] else f" (at most {at_most(red, len(group)):.0%})"
        covered, total = intervals(group)
        held = f"{covered} of {total}" if total else ""
        yield (
            f"| {'loaded' if loaded else 'idle'} | {change} | {tool} | {red} of {len(group)}{bound}"
            f" | {flagged} of {judged} | {held} | {middle(group, 'seconds'):.0f}"
            f" | {middle(group, 'load_average'):.1f} |"
        )


def middle(group: list[dict[str, Any]], key: str) -> float:
    """Return the median of a field."""
    return float(statistics.median(record[key] for record in group))


def main() -> int:
    """Collect, then print the table of everything collected so far."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="time to judge for; 0: only print the table")
    parser.add_argument("--load", action="store_true", help="run a busy loop on every core meanwhile")
    parser.add_argument("--tensorflow", action="store_true", help="add TensorFlow's contender")
    parser.add_argument("--tool", action="append", choices=list(TOOLS), help="only this one; can be repeated")
    names = [scenario.name for scenario in scenarios()]
    parser.add_argument("--change", action="append", choices=names, help="only this one; can be repeated")
    parser.add_argument(
        "--file",
        type=Path,
        default=Path("evidence.jsonl"),
        help="file that results are appended to (default: evidence.jsonl)",
    )
    return collected(parser.parse_args(), collect, table)


def collected(
    arguments: argparse.Namespace,
    collect: Callable[[argparse.Namespace], None],
    table: Callable[[list[dict[str, Any]]], Iterable[str]],
) -> int:
    """Collect for `arguments.minutes`, print the table of all results in `arguments.file`, and return the status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as after Ctrl-C
    status = 0
    try:
        if arguments.minutes > 0:
            collect(arguments)
    except KeyboardInterrupt:
        status = 130
    except RuntimeError as error:
        print(f"ERROR: a tool failed to judge: {error}", file=sys.stderr)
        status = 1
    lines = arguments.file.read_text(encoding="utf-8").splitlines() if arguments.file.exists() else []
    for line in table([json.loads(line) for line in lines]) if lines else ["Nothing was measured yet."]:
        print(line)
    return status


if __name__ == "__main__":
    sys.exit(main())
