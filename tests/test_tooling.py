"""The set-up is reproducible and quick to find that nothing is to be done; CI forgets nothing."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from tests.conftest import Git

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.txt").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def make(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make with ``variables`` on its command line, and without those of a make that runs the tests."""
    given = [f"{name}={value}" for name, value in variables.items()]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "ARGS"}
    return subprocess.run(
        ["make", *arguments, *given], cwd=cwd, env=outside, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("name", "least"), [("requirements.txt", 50), ("requirements-flink.txt", 10)])
def test_every_locked_package_has_hashes_and_no_index_is_named(name: str, least: int) -> None:
    lock = (ROOT / name).read_text(encoding="utf-8")
    requirements = re.findall(r"^[a-z0-9][^\n]*?(?: \\\n    --hash=sha256:[0-9a-f]{64})+$", lock, re.MULTILINE)
    assert len(requirements) == len(re.findall(r"^[a-z0-9]", lock, re.MULTILINE)) > least
    assert "://" not in lock
    assert not re.search(r"^\s*--(?!hash)", lock, re.MULTILINE)


def test_the_lock_holds_every_extra_but_those_with_cuda() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    (locked,) = extras["locked"]
    assert set(re.split(r"[\[\],]", locked)[1:-1]) == extras.keys() - {"torch", "gpu", "contenders", "locked"}
    held = [requirements for name, requirements in extras.items() if name not in {"torch", "gpu"}]
    declared = [*PROJECT["project"]["dependencies"], *itertools.chain(*held)]
    names = {re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in declared} - {"paceline-suite"}
    assert names <= set(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==", LOCK, re.MULTILINE))


def test_the_lock_names_each_extra_that_a_locked_package_asks_for() -> None:
    # Else pip takes the newest release that has the extra, which the lock has no hash for, as soon as there is one.
    locked = {
        found["name"]: set((found["extras"] or "").split(","))
        for found in re.finditer(r"^(?P<name>[\w.-]+)(?:\[(?P<extras>[\w,-]+)\])?==", LOCK, re.MULTILINE)
    }
    asked = {
        (canonicalize_name(asks.name), extra)
        for name in locked
        for asks in _requirements_of(name)
        for extra in asks.extras
    }
    assert ("coverage", "toml") in asked
    assert not {(name, extra) for name, extra in asked if name in locked and extra not in locked[name]}


def _requirements_of(name: str) -> list[Requirement]:
    """Return what an installed distribution needs here without extras of its own; nothing if it is not installed."""
    try:
        found = map(Requirement, requires(name) or [])
    except PackageNotFoundError:
        return []
    return [each for each in found if each.marker is None or each.marker.evaluate({"extra": ""})]


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """The files that make reads, and no environment."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def test_only_a_set_up_that_was_finished_is_not_done_again(fresh: Path) -> None:
    assert "pip install" in make("--dry-run", "test", cwd=fresh).stdout
    (fresh / ".venv").mkdir()
    assert "pip install" in make("--dry-run", "test", cwd=fresh).stdout, "it was cut short"
    (fresh / ".venv" / "ready").touch()
    (command,) = make("--dry-run", "test", cwd=fresh).stdout.splitlines()
    assert "pip" not in command


def test_an_old_python_is_one_line(fresh: Path) -> None:
    old = fresh / "python-old"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    done = make("test", cwd=fresh, PYTHON=str(old))
    assert done.returncode == 2
    expected = f"error: {old} is older than Python 3.11; name a newer one: make PYTHON=/path/to/python3"
    assert done.stderr.splitlines()[0] == expected
    assert not (fresh / ".venv").exists()


def test_no_python_at_all_is_one_line(fresh: Path) -> None:
    done = make("test", cwd=fresh, PYTHON="")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no Python 3.11 or newer found; install one, or name it: ")


@pytest.mark.parametrize(("cuda", "lines"), [("'13.0'", 1), ("None", 0)])
def test_a_pytorch_that_clashes_with_tensorflow_is_one_line(cuda: str, lines: int, fresh: Path) -> None:
    (fresh / ".venv").mkdir()
    (fresh / ".venv" / "bin").symlink_to(Path(sys.prefix, "bin"))
    (fresh / ".venv" / "ready").touch()
    (fresh / "torch.py").write_text(f"class version:\n    cuda = {cuda}\n", encoding="utf-8")
    done = make("torch", cwd=fresh)
    assert done.stdout.count("the build for CUDA") == lines, done.stderr
    assert len(done.stdout.splitlines()) == 1 + lines, "nothing is installed where it is there already"


def test_make_without_a_target_explains_itself(fresh: Path) -> None:
    printed = make(cwd=fresh).stdout
    for target in ("bench", "bench-all", "pictures", "test", "lint", "torch", "flink", "lock", "clean"):
        assert re.search(rf"^make {target} +\S", printed, re.MULTILINE)


#: Stands in for make and for a browser: notes what it is asked for, and fails where it is told to.
STAND_IN = """#!/bin/sh
printf '%s\\n' "$@" >>asked
case " $* " in *" $FAILS "*) exit 7;; esac
"""


@pytest.mark.parametrize("fails", ["lint", "torch", "test", "nothing"])
def test_ci_passes_only_if_every_part_does_and_leaves_no_test_out(fails: str, tmp_path: Path) -> None:
    for path in (tmp_path / ".ci" / "run", tmp_path / "bin" / "make", tmp_path / "bin" / "chromium"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(STAND_IN, encoding="utf-8")
        path.chmod(0o755)
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    search = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run([tmp_path / ".ci" / "run"], env={"PATH": search, "FAILS": fails}, check=False)
    assert (done.returncode == 0) == (fails == "nothing")
    if fails == "nothing":
        asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
        given = shlex.split(asked[-1].removeprefix("ARGS="))
        assert "--strict-contenders" in given
        assert given[given.index("-m") + 1] == "", "the Makefile's own choice counts otherwise"


@pytest.mark.slow
def test_pre_commit_passes_on_the_tree(tree: Path, git: Git) -> None:
    (tree / ".pre-commit-config.yaml").write_bytes((ROOT / ".pre-commit-config.yaml").read_bytes())
    (tree / ".gitignore").write_text(".venv\n.cache\n", encoding="utf-8")
    (tree / "CHANGELOG.md").write_bytes((ROOT / "CHANGELOG.md").read_bytes())
    (tree / ".venv").symlink_to(sys.prefix)
    git(tree, "init", "--quiet")
    git(tree, "add", "--all")
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", "--all-files"],
        cwd=tree,
        env=os.environ | {"SKIP": "mypy"},  # which `make lint` runs on the whole tree
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout.count("Passed"), done.stdout.count("Skipped")) == (3, 1)
