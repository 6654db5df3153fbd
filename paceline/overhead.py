"""Measures the CPU time that an installed paceline adds to a pytest run without a gate, and to a gate's bursts.

    python paceline/overhead.py

Run it with the Python of an environment into which paceline's wheel was installed: pytest looks at every file that
the distribution of a plugin has installed, and an editable installation has hardly any. Each part is timed many times
in one process, and the least time counts, as other work can only add to it. pytest-benchmark is timed for comparison.

Of a gate, the second table has what a worker does for itself in each burst, and what its process does before it
collects a test. A project's own plugins, conftests and imports come on top.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.config import _iter_rewritable_modules
from _pytest.config.argparsing import Parser
from paceline.gate.worker.channel import Callee, Caller
from paceline.gate.worker.fixture import TrialFixture

if TYPE_CHECKING:
    from collections.abc import Callable

REPEATS = 200
STARTS = 3  # of each kind of process
PARSES = 4  # pytest reads its command line again as it finds conftests and settings
PLUGINS = {"paceline": "paceline.plugin", "pytest-benchmark": "pytest_benchmark.plugin"}


def least(*actions: Callable[[], object]) -> list[float]:
    """Return the least CPU time of each action in milliseconds; the actions run in turn."""
    found = [float("inf")] * len(actions)
    for _ in range(REPEATS):
        for at, action in enumerate(actions):
            before = time.thread_time_ns()
            action()
            found[at] = min(found[at], (time.thread_time_ns() - before) / 1e6)
    return found


def list_files(name: str) -> None:
    """Look for modules whose assertions pytest rewrites, as pytest does for every plugin that is installed."""
    list(_iter_rewritable_modules([str(file) for file in distribution(name).files or ()]))


def import_again(module: str) -> None:
    """Import a plugin as if nothing of its package had been imported."""
    for name in [name for name in sys.modules if name.partition(".")[0] == module.partition(".")[0]]:
        del sys.modules[name]
    importlib.import_module(module)


def parse(add_options: Callable[[Parser], None]) -> None:
    """Read an empty command line as often as pytest does, with these options."""
    parser = Parser(_ispytest=True)
    add_options(parser)
    for _ in range(PARSES):
        parser.parse_known_args([])


class Bursts:
    """A plugin of pytest whose only test times an empty function in bursts, as a gate's worker does."""

    COUNT = 50  # that fit into the channel before anyone reads
    TEST = "def test_burst(own_time): own_time()"

    def __init__(self) -> None:
        self.microseconds: list[float] = []  #: of CPU time per burst

    @pytest.fixture
    def own_time(self, request: pytest.FixtureRequest) -> Callable[[], None]:
        """Return a function that adds the least time of a burst."""
        return partial(self._add, request.node)

    def _add(self, item: pytest.Item) -> None:
        """Let a worker's fixture work off commands that have all been sent before."""
        for _ in range(REPEATS // 10):
            callee = Callee()
            caller = Caller(callee.address)
            for command in [{"do": "burst", "calls": 1}] * self.COUNT:
                callee.send(command)
            callee.send({"do": "finish"})
            before = time.thread_time_ns()
            TrialFixture(item, caller)(int)
            self.microseconds.append((time.thread_time_ns() - before) / self.COUNT / 1e3)
            caller._lines.connection.detach()  # noqa: SLF001 - both ends are closed here
            callee.close()


def burst() -> float:
    """Return the least CPU time of a burst of one empty call, in microseconds."""
    plugin = Bursts()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "test_burst.py")
        file.write_text(plugin.TEST, encoding="utf-8")
        status = pytest.main(["-p", "no:terminal", "-p", "no:cacheprovider", str(file)], plugins=[plugin])
    if status:
        raise SystemExit(f"the test of bursts failed: {status}")
    return min(plugin.microseconds)


#: What a worker's process does before it collects, each step on top of those before it.
STEPS = {
    "interpreter": "pass",
    "pytest": "import pytest",
    "its plugins": "import pytest; pytest.main(['-q', '--collect-only', '-p', 'no:cacheprovider', '.'])",
    "the worker": "import paceline.gate.worker.process",
}


def starts() -> dict[str, float]:
    """Return the least CPU milliseconds of each step of a worker's start."""
    found, before, code = {}, 0.0, ""
    for name, step in STEPS.items():
        code += f"{step}\n"
        spent = min(_cpu_of(code) for _ in range(STARTS))
        found[name], before = spent - before, spent
    return found


def _cpu_of(code: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        before = sum(os.times()[2:4])
        subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=False)
        return 1e3 * (sum(os.times()[2:4]) - before)


def main() -> None:
    """Print both tables."""
    print(f"Python {sys.version.split()[0]}, pytest {pytest.__version__}, CPU milliseconds")
    print(f"{'':<16} {'files':>6} {'listed':>7} {'imported':>9} {'options':>8} {'all':>6}")
    for name, module in PLUGINS.items():
        plugin = importlib.import_module(module)
        without, with_options, listed, imported = least(
            partial(parse, lambda _: None),
            partial(parse, plugin.pytest_addoption),
            partial(list_files, name),
            partial(import_again, module),
        )
        parts = (listed, imported, with_options - without)
        shown = (f"{part:>{width}.2f}" for part, width in zip((*parts, sum(parts)), (7, 9, 8, 6), strict=True))
        print(f"{name:<16} {len(distribution(name).files or ()):>6} {' '.join(shown)}")
    print(f"\n{'a burst':<16} {burst():.1f} us")
    for name, spent in starts().items():
        print(f"{name:<16} {spent:.0f} ms")


if __name__ == "__main__":
    main()
