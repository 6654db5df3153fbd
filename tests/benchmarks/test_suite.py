"""asv finds exactly what the catalog names, needs no pytest for it, and measures the commit it says it measures."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import catalog
from tests.conftest import asv_config

if TYPE_CHECKING:
    from tests.conftest import Git, Run

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
        methods = [
            ("time_run", "time", "seconds"),
            ("peakmem_run", "peakmemory", "bytes"),
            ("track_first_call", "track", "seconds"),
        ]
        if hasattr(catalog.problem_module(workload), "quality"):
            methods.append(("track_quality", "track", "quality"))
        for method, kind, unit in methods:
            expected[f"suite.{name}.{method}"] = [
                kind, catalog.version(workload), parameters, ["contender", "size"], unit,
            ]  # fmt: skip
    assert discover(run_python, root, tmp_path) == expected


#: What keeps each of the README's asv commands short: one workload, and only what the test looks at.
SHORTER: dict[str, tuple[str, ...]] = {
    "machine": (),
    "check": (),
    "run": ("--quick", "--bench", r"LeastSquares.*\('(pinv_numpy|lstsq_tensorflow)', 'small'\)"),
    "publish": (),
    "continuous": ("--bench", r"LeastSquares.time_run\('normal_equations_numpy', 'small'\)"),
}


@pytest.mark.slow
def test_the_readmes_asv_commands_work_from_a_fresh_clone(clone: Path, root: Path, git: Git, run_python: Run) -> None:
    """In environments that asv builds; measured is the commit, never the checkout that asv is started from."""
    contender = clone / "impl" / "least_squares" / "normal_equations_numpy.py"
    text = contender.read_text(encoding="utf-8")
    begin = "    def run() -> NDArray[np.floating]:\n"
    contender.write_text(text.replace(begin, f"{begin}        rows.sum(1).repeat(9**6)\n"), encoding="utf-8")
    git(clone, "commit", "--quiet", "--all", "--message=Become many times slower")
    contender.write_text(text, encoding="utf-8")

    printed = {}
    # asv takes pythonX.Y from PATH, where a version manager may have put one that does not start.
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    lines = re.findall(r"^\.venv/bin/asv (.*)$", (root / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    for line in lines:
        command, *arguments = line.split()
        done = run_python(
            "-m", "asv", command, *SHORTER[command], *arguments, cwd=clone, HOME=str(clone), PATH=search
        )
        printed[command] = done.stdout
        assert done.returncode == (command == "continuous"), done.stdout + done.stderr
    assert printed.keys() == SHORTER.keys()

    assert "failed" not in printed["run"]
    assert re.search(r"lstsq_tensorflow\W+n/a", printed["run"])  # not installed, and no failure
    (path,) = (clone / ".asv" / "html" / "graphs").glob("arch-*/**/suite.LeastSquares.time_run.json")
    ((_, drawn),) = json.loads(path.read_text(encoding="utf-8"))
    names = itertools.product(catalog.contenders("least_squares"), catalog.default_sizes("least_squares"))
    seconds = dict(zip(names, drawn, strict=True))
    assert seconds["pinv_numpy", "small"] > 0
    assert seconds["pinv_numpy", "article"] is None  # not asked for
    assert "PERFORMANCE DECREASED" in printed["continuous"]


def test_asv_pins_what_the_lock_file_pins(root: Path) -> None:
    pins = asv_config(root)["matrix"]["req"]
    lock = (root / "requirements.txt").read_text(encoding="utf-8")
    assert {
        name: [version] for name, version in re.findall(r"^([\w.-]+)(?:\[.*?\])?==(\S+)", lock, re.MULTILINE)
    }.items() >= pins.items()


def test_asv_has_every_framework_that_is_locked(root: Path) -> None:
    extras = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    locked = re.split(r"[\[\],]", extras["locked"][0])[1:-1]
    frameworks = {
        re.split(r"[^\w.-]", need)[0]
        for extra in locked
        if extra not in {"dev", "notebook"}
        for need in extras[extra]
    }
    assert frameworks <= asv_config(root)["matrix"]["req"].keys()
