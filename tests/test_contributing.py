"""CONTRIBUTING's promise: one new file is a contender, one new folder is a workload, and nothing else is edited."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

#: Stands in for the invented library, so that the contender which uses it can be run.
HYPERMATH = """
import numpy as np

vector = np.array

class Line:
    def __init__(self, weights):
        self.weights = weights

    def to_numpy(self):
        return self.weights

def fit_line(x, y):
    return Line(np.polyfit(x, y, 1)[::-1])
"""

DISCOVER = """
import sys
from asv_runner._aux import update_sys_path
from asv_runner.discovery import disc_benchmarks
update_sys_path(sys.argv[1])
for benchmark in disc_benchmarks(sys.argv[1]):
    print(benchmark.name, benchmark.params[0])
"""


def files(root: Path) -> dict[str, str]:
    """Return the files that CONTRIBUTING.md shows, by path."""
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return dict(re.findall(r"<!-- (\S+) -->\n```python\n(.*?)```", text, re.DOTALL))


def drop(tree: Path, shown: dict[str, str], folder: str) -> list[str]:
    """Write the files shown for ``folder`` into ``tree`` and return their names."""
    names = [path for path in shown if path.startswith(f"impl/{folder}/")]
    for name in names:
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(shown[name], encoding="utf-8")
    return names


@pytest.mark.parametrize(
    ("folder", "contenders", "library"),
    [("least_squares", ["with_hypermath"], HYPERMATH), ("dot_product", ["dot_numpy", "loop_python"], "")],
    ids=["a contender", "a workload"],
)
def test_what_is_dropped_in_is_tested_measured_and_discovered(
    root: Path, tree: Path, run_pytest: Run, run_python: Run, folder: str, contenders: list[str], library: str
) -> None:
    assert {f"impl/{folder}/{contender}.py" for contender in contenders} <= set(drop(tree, files(root), folder))
    (tree / "hypermath.py").write_text(library, encoding="utf-8")
    chosen = ("--strict-contenders", f"--workload={folder}", f"--contender={','.join(contenders)}")

    tested = run_pytest("tests/impl/test_contenders.py", "tests/impl/test_checks.py", *chosen, "-v", cwd=tree)
    assert tested.returncode == 0, tested.stdout
    for contender in contenders:
        assert f"test_the_answer_is_right[{folder}-{contender}-tiny] PASSED" in tested.stdout
    assert f"test_what_is_no_right_answer[{folder}-tiny] PASSED" in tested.stdout

    measured = run_pytest("--benchmark-only", *chosen, "--size=small", "--benchmark-max-time=0.01", cwd=tree)
    assert measured.returncode == 0, measured.stdout
    for contender in contenders:
        assert f"test_speed[{folder}-{contender}-small] PASSED" in measured.stdout
        assert f"first call of {folder}/{contender}, small" in measured.stdout
    assert f"{folder}, small: " in measured.stdout

    name = "".join(part.capitalize() for part in folder.split("_"))
    discovered = run_python("-c", DISCOVER, str(tree / "benchmarks"), cwd=root.parent).stdout.splitlines()
    (found,) = (line for line in discovered if line.startswith(f"suite.{name}.time_run "))
    assert all(repr(contender) in found for contender in contenders)


def test_what_is_shown_keeps_the_style(root: Path, tree: Path, run_python: Run) -> None:
    """The examples will be copied, so they pass the checks that their copies must pass."""
    shown = files(root)
    names = [name for folder in ("least_squares", "dot_product") for name in drop(tree, shown, folder)]
    assert set(names) == set(shown)
    assert run_python("-m", "ruff", "format", "--check", *names, cwd=tree).returncode == 0
    done = run_python("-m", "ruff", "check", *names, cwd=tree)
    assert done.returncode == 0, done.stdout
    done = run_python("-m", "mypy", "impl/dot_product", cwd=tree)
    assert done.returncode == 0, done.stdout
