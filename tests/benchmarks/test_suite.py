"""asv finds exactly what the catalog names, needs no pytest for it, and measures the commit it says it measures."""

from __future__ import annotations

import json
import math
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from benchmarks import catalog

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

DISCOVER = """
import json, sys
from pathlib import Path
for name in ("pytest", "rich", "tensorflow", "jax", "numba", "torch"):
    sys.modules[name] = None     # importing it fails from now on
from asv_runner._aux import update_sys_path
from asv_runner.discovery import disc_benchmarks
folder = str(Path(sys.argv[1]) / "benchmarks")
update_sys_path(folder)
print(json.dumps({b.name: [b.type, b.version, b.params, b.param_names, b.unit] for b in disc_benchmarks(folder)}))
"""


def discover(run_python: Run, tree: Path, cwd: Path) -> dict[str, list[object]]:
    """Return what asv_runner discovers in ``tree``: type, version, parameters and unit by name."""
    done = run_python("-c", DISCOVER, str(tree), cwd=cwd)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[object]] = json.loads(done.stdout)
    return found


def test_asv_discovers_exactly_what_the_catalog_names_and_needs_no_pytest(
    run_python: Run, root: Path, tmp_path: Path
) -> None:
    expected = {}
    for workload in catalog.workloads():
        name = "".join(part.capitalize() for part in workload.split("_"))
        parameters = [
            [repr(contender) for contender in catalog.contenders(workload)],
            [repr(size) for size in catalog.default_sizes(workload)],
        ]
        for method, kind, unit in (
            ("time_run", "time", "seconds"),
            ("peakmem_run", "peakmemory", "bytes"),
            ("track_first_call", "track", "seconds"),
        ):
            expected[f"suite.{name}.{method}"] = [
                kind, catalog.version(workload), parameters, ["contender", "size"], unit,
            ]  # fmt: skip
    assert discover(run_python, root, tmp_path) == expected


def git(folder: Path, *arguments: str) -> str:
    """Run git in ``folder`` with a name of its own for commits and return what it prints."""
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def asv(run_python: Run, folder: Path, *arguments: str, expect: int = 0) -> str:
    """Run asv in ``folder`` and return what it prints."""
    done = run_python("-m", "asv", *arguments, cwd=folder, HOME=str(folder))
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def clone(tree: Path) -> Path:
    """Commit a copy of the suite to the branch main of a repository, for asv to build NumPy environments for."""
    config = tree / "asv.conf.json"
    text = config.read_text(encoding="utf-8")
    # One framework keeps the environment small; the rest is as committed.
    for framework in ("tensorflow", "numba", "jax"):
        text = "\n".join(line for line in text.splitlines() if f'"{framework}"' not in line)
    config.write_text(text.replace('["3.8.0"],', '["3.8.0"]'), encoding="utf-8")
    (tree / ".gitignore").write_text(".asv/\n.cache/\n.asv-machine.json\n", encoding="utf-8")
    git(tree, "init", "--quiet", "--initial-branch=main")
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message=Begin")
    return tree


def graph(folder: Path, benchmark: str) -> list[list[object]]:
    """Return the points that ``asv publish`` drew for ``benchmark``: (revision, values)."""
    (path,) = (folder / ".asv" / "html" / "graphs").glob(f"arch-*/**/{benchmark}.json")
    points: list[list[object]] = json.loads(path.read_text(encoding="utf-8"))
    return points


@pytest.mark.slow
def test_asv_checks_runs_and_publishes_from_a_fresh_clone(clone: Path, run_python: Run) -> None:
    """One workload, in an environment that asv builds from the registry; missing frameworks are n/a, not failures."""
    asv(run_python, clone, "machine", "--yes")
    asv(run_python, clone, "check")
    printed = asv(run_python, clone, "run", "--quick", "--bench", r"LeastSquares.*(small|track)", "main^!")
    assert "failed" not in printed
    (result,) = (clone / ".asv" / "results").glob("*/*-*.json")
    results = json.loads(result.read_text(encoding="utf-8"))["results"]
    time_run = dict(
        zip(
            [(c, s) for c in catalog.contenders("least_squares") for s in catalog.default_sizes("least_squares")],
            results["suite.LeastSquares.time_run"][0],
            strict=True,
        )
    )
    assert time_run["pinv_numpy", "small"] > 0
    assert math.isnan(time_run["pinv_numpy", "article"])  # not asked for
    assert re.search(r"lstsq_tensorflow\W+n/a", printed)

    asv(run_python, clone, "publish")
    ((_, values),) = graph(clone, "suite.LeastSquares.time_run")
    assert isinstance(values, list)
    assert time_run["pinv_numpy", "small"] in values


@pytest.mark.slow
def test_asv_continuous_measures_the_code_of_each_commit(clone: Path, run_python: Run) -> None:
    """The contender comes from the commit at hand, not from the checkout that the benchmarks are read from."""
    contender = clone / "impl" / "least_squares" / "normal_equations_numpy.py"
    text = contender.read_text(encoding="utf-8")
    slow = text.replace(
        "    def run() -> NDArray[np.floating]:\n",
        "    def run() -> NDArray[np.floating]:\n        rows.sum(1).repeat(9**6)\n",
    )
    assert slow != text
    contender.write_text(slow, encoding="utf-8")
    git(clone, "commit", "--quiet", "--all", "--message=Become many times slower")
    contender.write_text(text, encoding="utf-8")  # the working tree is fast again: asv must not see that

    asv(run_python, clone, "machine", "--yes")
    benchmark = r"LeastSquares.time_run\('normal_equations_numpy', 'small'\)"
    printed = asv(run_python, clone, "continuous", "--bench", benchmark, "main~1", "main", expect=1)
    assert "PERFORMANCE DECREASED" in printed


def test_asv_pins_what_the_lock_file_pins(root: Path) -> None:
    lines = (line for line in (root / "asv.conf.json").read_text(encoding="utf-8").splitlines() if "//" not in line)
    pins = json.loads("\n".join(lines))["matrix"]["req"]
    lock = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    for name, versions in pins.items():
        locked = {line.split()[0] for line in lock if line.startswith(f"{name}==")}
        assert locked == {f"{name}=={version}" for version in versions}
