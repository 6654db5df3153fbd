"""The catalog names everything without importing anything, and tells a missing framework from a broken contender."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import catalog

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

NAME_EVERYTHING = """
import sys
from benchmarks import catalog
before = set(sys.modules)
for workload in catalog.workloads():
    catalog.contenders(workload), catalog.sizes(workload), catalog.version(workload)
print(sorted(name for name in set(sys.modules) - before))
print(sorted({"numpy", "tensorflow", "jax", "numba", "torch", "pytest", "impl"} & set(sys.modules)))
"""


def test_naming_everything_imports_nothing(run_python: Run) -> None:
    done = run_python("-c", NAME_EVERYTHING)
    assert done.stdout.splitlines() == ["[]", "[]"], done.stderr


def test_every_workload_has_the_sizes_and_names_that_the_contract_asks_for(workload: str) -> None:
    assert {"tiny", "small"} <= set(catalog.sizes(workload))
    module = catalog.problem_module(workload)
    assert list(module.SIZES) == catalog.sizes(workload)
    assert set(module.BASELINES) <= set(catalog.contenders(workload))
    assert len(module.BASELINES) == 2
    assert module.APPROACH


def write_problem(folder: Path, text: str) -> str:
    """Write a ``problem.py`` and return the version that the catalog gives it."""
    (folder / "invented").mkdir(exist_ok=True)
    (folder / "invented" / "problem.py").write_text(text, encoding="utf-8")
    return catalog.version("invented")


PROBLEM = '''"""Says what it is."""

SIZES = {"tiny": (1,)}  # small enough

def make(size):
    """Make it."""
    text = "# not a comment"
    return size
'''


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Says what it is.", "Says it\n\nat length."),
        ("  # small enough", ""),
        ("\ndef make", "\n\n# why\n\ndef make"),
        ("Make it.", "Make it so."),
    ],
)
def test_words_do_not_change_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    monkeypatch.setattr(catalog, "IMPL", tmp_path)
    assert before in PROBLEM
    assert write_problem(tmp_path, PROBLEM) == write_problem(tmp_path, PROBLEM.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after"), [("(1,)", "(2,)"), ("return size", "return (size)"), ("# not", "#  not")]
)
def test_code_changes_the_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str) -> None:
    monkeypatch.setattr(catalog, "IMPL", tmp_path)
    assert before in PROBLEM
    assert write_problem(tmp_path, PROBLEM) != write_problem(tmp_path, PROBLEM.replace(before, after))


def test_the_protocol_is_part_of_the_version(monkeypatch: pytest.MonkeyPatch, workload: str) -> None:
    before = catalog.version(workload)
    monkeypatch.setattr(catalog, "PROTOCOL", catalog.PROTOCOL + 1)
    assert catalog.version(workload) != before


def test_a_problem_without_literal_sizes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "IMPL", tmp_path)
    write_problem(tmp_path, "SIZES = dict(tiny=(1,))\n")
    with pytest.raises(ValueError, match=r"problem\.py assigns no dictionary to SIZES; write one out"):
        catalog.sizes("invented")


def test_a_missing_framework_is_named(tree: Path, run_python: Run) -> None:
    contender = tree / "impl" / "least_squares" / "with_unheard_of.py"
    contender.write_text("import unheard_of.deeply\n", encoding="utf-8")
    done = run_python("-m", "benchmarks.first_call", "least_squares", "with_unheard_of", "tiny", cwd=tree)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "with_unheard_of is not available: unheard_of is not installed"


def test_a_slip_in_a_contenders_own_imports_is_no_missing_framework(tree: Path, run_python: Run) -> None:
    contender = tree / "impl" / "least_squares" / "slipped.py"
    contender.write_text("from impl.least_squares._no_such_helper import go\n", encoding="utf-8")
    done = run_python("-m", "benchmarks.first_call", "least_squares", "slipped", "tiny", cwd=tree)
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'impl.least_squares._no_such_helper'"


MISSING_AT_A_COMMIT = """
import sys
from pathlib import Path
from benchmarks import catalog
catalog.IMPL = Path(sys.argv[1]) / "impl"   # today's checkout; impl itself is imported from the working folder
try:
    catalog.prepare("least_squares", "brand_new", catalog.make("least_squares", "tiny"))
except catalog.Unavailable as reason:
    print(reason)
print(catalog.problem_module("least_squares").__file__)
"""


def test_a_contender_that_the_measured_commit_lacks_is_unavailable_and_the_problem_is_todays(
    tree: Path, root: Path, run_python: Run
) -> None:
    (tree / "impl" / "least_squares" / "brand_new.py").touch()
    done = run_python("-c", MISSING_AT_A_COMMIT, str(tree), cwd=root)
    assert done.stdout.splitlines() == [
        "the measured commit has no impl.least_squares.brand_new",
        str(tree / "impl" / "least_squares" / "problem.py"),
    ], done.stderr


def test_a_problem_that_imports_from_another_has_its_changes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "IMPL", tmp_path)
    (tmp_path / "base").mkdir()
    base = tmp_path / "base" / "problem.py"
    base.write_text("SIZES = {'tiny': (1,)}\n", encoding="utf-8")
    before = write_problem(tmp_path, "from impl.base.problem import SIZES as SIZES_OF_BASE\nSIZES = {}\n")
    base.write_text("SIZES = {'tiny': (2,)}\n", encoding="utf-8")
    assert catalog.version("invented") != before


LOADED_WITH_ANOTHER = """
import sys
from benchmarks import catalog
module = catalog.problem_module("invented")
print(module.SIZES, sys.modules["impl.least_squares.problem"] is catalog.problem_module("least_squares"))
print(*(catalog.defines("invented", name) for name in ("make", "SIZES", "quality")))
try:
    catalog.make("invented", "tiny")
except catalog.Unavailable as reason:
    print(reason)
"""


def test_a_problem_may_import_from_another_and_its_data_may_be_missing(tree: Path, run_python: Run) -> None:
    (tree / "impl" / "invented").mkdir()
    (tree / "impl" / "invented" / "problem.py").write_text(
        "from impl.least_squares.problem import SIZES as LINES\n"
        "SIZES = {'tiny': LINES['tiny']}\n"
        "def make(size):\n    import unheard_of\n",
        encoding="utf-8",
    )
    done = run_python("-c", LOADED_WITH_ANOTHER, cwd=tree)
    assert done.stdout.splitlines() == ["{'tiny': (50,)} True", "True True False", "unheard_of is not installed"], (
        done.stderr
    )


LEFT_OUT = """
from benchmarks import catalog
catalog.admit("least_squares", "patient", "tiny")
try:
    catalog.admit("least_squares", "patient", "article")
except catalog.LeftOut as reason:
    print(reason)
"""


def test_a_contender_may_leave_a_size_out(tree: Path, run_python: Run, run_pytest: Run) -> None:
    (tree / "impl" / "least_squares" / "patient.py").write_text(
        'from impl.least_squares.sums_python import prepare\nLEAVES_OUT = ("article",)\n', encoding="utf-8"
    )
    done = run_python("-c", LEFT_OUT, cwd=tree)
    assert done.stdout.splitlines() == ["left out, for it takes over a minute"], done.stderr
    arguments = ("--contender=patient", "--strict-contenders", "--benchmark-max-time=0.01")
    done = run_pytest("--benchmark-only", *arguments, cwd=tree)
    assert done.returncode == 0
    assert "1 passed, 1 skipped" in done.stdout
