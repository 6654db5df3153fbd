"""Measures the CPU time that an installed paceline adds to a pytest run without a gate, by its parts.

    python paceline/overhead.py

Run it with the Python of an environment into which paceline's wheel was installed: pytest looks at every file that
the distribution of a plugin has installed, and an editable installation has hardly any. Each part is timed many times
in one process, and the least time counts, as other work can only add to it. pytest-benchmark is timed for comparison.
"""

from __future__ import annotations

import importlib
import sys
import time
from functools import partial
from importlib.metadata import distribution
from typing import TYPE_CHECKING

import pytest
from _pytest.config import _iter_rewritable_modules
from _pytest.config.argparsing import Parser

if TYPE_CHECKING:
    from collections.abc import Callable

REPEATS = 200
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


def main() -> None:
    """Print a table."""
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


if __name__ == "__main__":
    main()
