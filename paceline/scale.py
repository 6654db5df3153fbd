"""Measures what a long history costs: time, memory, and how they grow.

Every history is made here, seeded, as `--benchmark-record` would have written it. Each step runs in a process of its
own, so that its memory is its own and a cold step is really cold.

    python paceline/scale.py                       # 1600 commits x 50 benchmarks x 3 parameters, and the growth
    python paceline/scale.py --commits 400 --no-growth
    python paceline/scale.py --commits 10000 --no-growth --only pages --browser   # and what a reader waits for
    python paceline/scale.py --fleet 1e6           # many projects (500 MB in TMPDIR)

To measure more, add a function of a generated `History` to `STEPS`.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from paceline.history.asv.store import load
from paceline.history.intake.document import (
    KEPT,
    Environment,
    Measured,
    benchmark_entries,
    benchmarks_document,
    machine_document,
    result_document,
)
from paceline.history.intake.provenance import Provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MACHINE = "linux-x86_64-epyc-7763-zen3-4c-avx2-l3_32m-16g-hyperv"
FIRST = 1_600_000_000_000  # milliseconds since 1970: date of the first commit; the others follow hourly
GROWTH = (100, 400, 1600, 10_000)
FLEET = (100_000, 1_000_000, 10_000_000, 100_000_000)  # results of all projects together
SHAPE = (1000, 100, 5)  # commits, at most, benchmarks and parameters of each project of a fleet
LOOKS_AGAIN = 0.05  # seconds between two looks at the memory in use
MEBIBYTE = 2**20
SETTLED = 2.1  # seconds: the columns trust no file that is younger than the coarsest clock's tick
CONFIGURATION: dict[str, Any] = {"version": 1, "project": "scale", "repo": ".", "branches": ["main"]}
CONFIGURATION |= {"results_dir": ".asv/results", "html_dir": ".asv/html"}


@dataclass(frozen=True)
class History:
    """A generated history."""

    root: Path  #: of the project
    commits: int

    @property
    def results(self) -> Path:
        """Folder of its results."""
        return self.root / ".asv" / "results"

    @property
    def kept(self) -> Path:
        """Folder of all that is computed from its results."""
        return self.root / ".paceline" / "columns"


def generate(history: History, benchmarks: int, parameters: int, samples: int, seed: int = 0) -> None:
    """Write a history whose benchmarks are noisy, with some changes."""
    draw = np.random.default_rng(seed)
    commits = _commits(history)
    names = [
        (f"benchmarks/test_speed.py::test_{benchmark}[{parameter}]", {"size": parameter})
        for benchmark in range(benchmarks)
        for parameter in range(parameters)
    ]
    levels = 10 ** draw.uniform(-6, -1, len(names))
    machine = {"machine": MACHINE, "os": "Linux", "arch": "x86_64", "cpu": "AMD EPYC 7763", "num_cpu": "4"}
    packages = {f"package-{number}": "1.0" for number in range(100)}
    folder = history.results / MACHINE
    folder.mkdir(parents=True)
    for commit, name in enumerate(commits):
        environment = Environment(
            machine={**machine, "ram": "16 GiB"},
            engine="pytest-benchmark 5.3.1",
            python="3.13",
            packages={**packages, "numpy": f"2.{commit // 200}"},
            facts={"kernel": f"6.{commit // 100}", "load": f"{draw.uniform():.2f}"},
        )
        levels *= np.where(draw.uniform(size=len(names)) < 0.5 / history.commits, 1.1, 1.0)
        times = levels[:, None] * draw.normal(1, 0.03, (len(names), samples)).clip(0.5)
        quarters = np.quantile(times, (0.25, 0.5, 0.75), axis=1).T.tolist()
        started = FIRST + 3_600_000 * commit + 600_000
        measured = [
            Measured(test, row, (low, median, high), 1, samples, started, 1.5, group="speed", axes=axes)
            for (test, axes), row, (low, median, high) in zip(names, times.tolist(), quarters, strict=True)
        ]
        head = Provenance(name, FIRST + 3_600_000 * commit)
        text = json.dumps(result_document(measured, head, environment))
        (folder / f"{head.commit[:8]}-{commit:06}.json").write_text(text, encoding="utf-8")
    (folder / "machine.json").write_text(json.dumps(machine_document(machine)), encoding="utf-8")
    listed = json.dumps(benchmarks_document(benchmark_entries(measured)))
    (history.results / "benchmarks.json").write_text(listed, encoding="utf-8")


def _commits(history: History) -> list[str]:
    """Make a repository with as many empty commits, an hour apart; return them, oldest first."""
    whens = (f"t <t@example.org> {(FIRST + 3_600_000 * commit) // 1000} +0000" for commit in range(history.commits))
    stream = "".join(f"commit refs/heads/main\nauthor {when}\ncommitter {when}\ndata 0\n\n" for when in whens)
    subprocess.run(["git", "init", "--quiet", "-b", "main"], cwd=history.root, check=True)
    subprocess.run(["git", "fast-import", "--quiet"], cwd=history.root, input=stream.encode(), check=True)
    listed = ["git", "rev-list", "--reverse", "main"]
    return subprocess.run(listed, cwd=history.root, capture_output=True, text=True, check=True).stdout.split()


def read_cold(history: History) -> None:
    """Read every result file."""
    shutil.rmtree(history.kept, ignore_errors=True)
    _read(history)


def read_warm(history: History) -> None:
    """Read every result, from the columns."""
    _read(history)


def _read(history: History) -> None:
    found = load(history.results, repository=None)
    if len(found.runs) != history.commits or found.quarantined:
        raise SystemExit(
            f"{len(found.runs)} of {history.commits} runs were read, {len(found.quarantined)} quarantined"
        )


def check_cold(history: History) -> None:
    """Run `paceline check` without anything kept, and without the newest result."""
    shutil.rmtree(history.kept, ignore_errors=True)
    _hide_newest(history)
    _check(history)


def check_one_more(history: History) -> None:
    """Run `paceline check` again, one result later."""
    _show_newest(history)
    _check(history)


def check_warm(history: History) -> None:
    """Run `paceline check` again, with nothing new."""
    _check(history)


def _hide_newest(history: History) -> None:
    newest = max((history.results / MACHINE).glob("*-*.json"), key=lambda path: path.name.partition("-")[2])
    newest.rename(history.root / newest.name)


def _show_newest(history: History) -> None:
    for newest in history.root.glob("*-*.json"):
        newest.rename(history.results / MACHINE / newest.name)


def _check(history: History) -> None:
    """Run the command in a process of its own, as users also wait for Python to start."""
    command = [sys.executable, "-m", "paceline.cli", "check", "--json"]
    done = subprocess.run(command, cwd=history.root, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise SystemExit(done.stderr)


def asv_publish(history: History) -> None:
    """Run `asv publish`, to compare with."""
    _run("-c", "from asv.main import main; main()", "publish", history=history)


def pages_cold(history: History) -> None:
    """Run `paceline pages` without anything kept, and without the newest result."""
    shutil.rmtree(history.kept, ignore_errors=True)
    _hide_newest(history)
    _run("-m", "paceline.cli", "pages", history=history)


def pages_one_more(history: History) -> None:
    """Run `paceline pages` again, one result later."""
    _show_newest(history)
    _run("-m", "paceline.cli", "pages", history=history)


def _run(*arguments: str, history: History) -> None:
    done = subprocess.run([sys.executable, *arguments], cwd=history.root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


#: Steps by name, in the order in which they run on one history; some need the files of the step before.
STEPS: dict[str, Callable[[History], None]] = {
    "read, cold": read_cold,
    "read, warm": read_warm,
    "check, cold": check_cold,
    "check, one commit added": check_one_more,
    "check, warm": check_warm,
    "asv publish": asv_publish,
    "pages, cold": pages_cold,
    "pages, one commit added": pages_one_more,
}


#: Pages by name: address, and an element that is there when the page can be used.
PAGES = {
    "first page": ("index.html", ".atlas svg"),
    "a benchmark's page": ("benchmark.html", ".uplot canvas"),
    "slowdowns": ("slowdowns.html", "#changes tbody"),
    "compare": ("compare.html", "#figures tbody tr"),
}


def in_browser(site: Path) -> Iterator[str]:
    """Yield the bytes of each page, and the seconds until it can be used, the first time and again, in Chromium."""
    from playwright.sync_api import sync_playwright

    files = [path for path in site.rglob("*") if path.is_file()]
    yield f"site: {sum(path.stat().st_size for path in files) / 1e6:.1f} MB in {len(files)} files"
    handler = functools.partial(_Quiet, directory=str(site))
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        for name, (address, element) in PAGES.items():
            page = browser.new_context().new_page()
            url = f"http://127.0.0.1:{server.server_port}/{address}"
            first, size = _weighed(page, url, element)
            again = _opened(page, url, element)
            yield f"{name}: {size / 1000:.0f} kB, usable after {first:.2f} s, again after {again:.2f} s"
        browser.close()
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _weighed(page: Any, address: str, element: str) -> tuple[float, int]:
    """Open a page for the first time; return the seconds until the element is there, and the bytes of all answers."""
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(int(answer.headers.get("content-length", 0))))
    took = _opened(page, address, element)
    page.wait_for_load_state("networkidle")
    return took, sum(sizes)


def _opened(page: Any, address: str, element: str) -> float:
    """Open a page; return the seconds until the element is there."""
    page.goto("about:blank")
    started = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(element, state="attached")
    return time.perf_counter() - started


@dataclass(frozen=True)
class Cost:
    """The time and memory of one step."""

    seconds: float
    cpu: float  #: seconds of CPU time, which a busy machine does not stretch as much
    memory: int  #: bytes at its peak, interpreter and libraries included


def run_step(name: str, history: History) -> None:
    """Run a step in this process, and print its cost as JSON."""
    started, cpu = time.perf_counter(), _cpu_time()
    STEPS[name](history)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "cpu": _cpu_time() - cpu, "memory": _peak_memory()}))


def _cpu_time() -> float:
    """Return the seconds that this process and the children it waited for have computed."""
    return sum(os.times()[:4])


def _peak_memory() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return int(psutil.Process().memory_info().peak_wset)
    unit = 1 if sys.platform == "darwin" else 1024
    used = (resource.getrusage(whose).ru_maxrss for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return unit * max(used)


def measure(name: str, history: History) -> Cost:
    """Run a step in a process of its own, and return its cost."""
    command = [sys.executable, __file__, "--step", name, "--root", str(history.root)]
    done = subprocess.run(
        [*command, "--commits", str(history.commits)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr or done.stdout}")
    cost: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Cost(cost["seconds"], cost["cpu"], cost["memory"])


@contextlib.contextmanager
def generated(commits: int, arguments: argparse.Namespace) -> Iterator[History]:
    """Make a history, and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        history = History(Path(folder), commits)
        configure(history)
        generate(history, arguments.benchmarks, arguments.parameters, arguments.samples)
        time.sleep(SETTLED)
        yield history


def configure(history: History) -> None:
    """Write the project's configuration."""
    (history.root / "asv.conf.json").write_text(json.dumps(CONFIGURATION), encoding="utf-8")


def table(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of a Markdown table, as they are measured."""
    steps = [name for name in STEPS if not arguments.only or any(part in name for part in arguments.only)]
    sizes = [arguments.commits] if arguments.no_growth else sorted({arguments.commits, *GROWTH})
    yield f"{arguments.benchmarks} benchmarks x {arguments.parameters} parameters, {arguments.samples} samples each."
    yield ""
    yield "| commits | MiB of results | " + " | ".join(f"{name}: seconds | of CPU | MiB" for name in steps) + " |"
    yield "| --- " * (2 + 3 * len(steps)) + "|"
    for commits in sizes:
        with generated(commits, arguments) as history:
            size = sum(path.stat().st_size for path in history.results.rglob("*.json")) / MEBIBYTE
            costs = [measure(name, history) for name in steps]
            cells = [f"{cost.seconds:.2f} | {cost.cpu:.2f} | {cost.memory / MEBIBYTE:.0f}" for cost in costs]
            yield f"| {commits} | {size:.0f} | " + " | ".join(cells) + " |"
            if arguments.browser:
                yield from in_browser(history.root / ".asv" / "html")


def fleet(most: float, samples: int) -> Iterator[str]:
    """Yield the rows of a Markdown table: checks of many projects at once, up to so many results of all together."""
    yield "| results | projects x commits x series | bytes a result, as JSON | as columns | cold | warm |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for results in FLEET:
        if results <= most:
            with tempfile.TemporaryDirectory(prefix="scale-") as folder:
                yield fleet_row(Path(folder), results, samples)


def fleet_row(root: Path, results: int, samples: int, shape: tuple[int, int, int] = SHAPE) -> str:
    """Return the row of one fleet: its bytes, and what two checks take, the first without columns."""
    commits, benchmarks, parameters = shape
    series = benchmarks * parameters
    commits = min(commits, results // series)
    count = results // (commits * series)
    new_project = partial(_new_project, root, (commits, benchmarks, parameters), samples)
    with ProcessPoolExecutor() as pool:
        projects = list(pool.map(new_project, range(count)))
    time.sleep(SETTLED)
    cold, warm = (watched(root) for _ in range(2))
    cells = [f"{_size(getattr(each, part) for each in projects) / results:.0f}" for part in ("results", "kept")]
    cells += [f"{cost.seconds:.1f} ({cost.cpu:.1f}), {cost.memory / MEBIBYTE:.0f}" for cost in (cold, warm)]
    return f"| {results:,} | {count} x {commits} x {series} | {' | '.join(cells)} |"


def _new_project(root: Path, shape: tuple[int, int, int], samples: int, seed: int) -> History:
    commits, benchmarks, parameters = shape
    history = History(root / f"project-{seed}", commits)
    history.root.mkdir()
    configure(history)
    generate(history, benchmarks, parameters, samples, seed)
    return history


def _size(folders: Iterable[Path]) -> int:
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def watched(root: Path) -> Cost:
    """Run `paceline check --projects`; the memory is that of all its processes, which share some of it."""
    command = [sys.executable, "-m", "paceline.cli", "check", "--projects", ".", "--json", "found.json"]
    started, cpu, peak = time.perf_counter(), _cpu_time(), 0
    with subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, _in_use(psutil.Process(process.pid)))
            time.sleep(LOOKS_AGAIN)
    if process.returncode not in {0, 1}:
        raise SystemExit(f"paceline check ended with status {process.returncode}")
    return Cost(time.perf_counter() - started, _cpu_time() - cpu, peak)


def _in_use(process: psutil.Process) -> int:
    """Return the resident bytes of a process and its children."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            total += each.memory_info().rss
    return total


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=1600, help="default: %(default)s")
    parser.add_argument("--benchmarks", type=int, default=50, help="default: %(default)s")
    parser.add_argument("--parameters", type=int, default=3, help="of each benchmark (default: %(default)s)")
    parser.add_argument(
        "--samples", type=int, default=KEPT, help="samples of each benchmark in each result (default: %(default)s)"
    )
    parser.add_argument(
        "--no-growth", action="store_true", help=f"leave out the histories of {', '.join(map(str, GROWTH))} commits"
    )
    parser.add_argument(
        "--only", action="append", metavar="PART", help="only steps with this in their name; can be repeated"
    )
    parser.add_argument("--browser", action="store_true", help="also open the built pages in Chromium")
    parser.add_argument(
        "--fleet", type=float, metavar="RESULTS", help="instead, check many projects: from 1e5 up to so many results"
    )
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        run_step(arguments.step, History(arguments.root, arguments.commits))
        return
    for line in fleet(arguments.fleet, arguments.samples) if arguments.fleet else table(arguments):
        print(line, flush=True)


if __name__ == "__main__":
    main()
