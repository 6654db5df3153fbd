"""What tests of the suite share: a copy of the tree to change, and real processes to run in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., subprocess.CompletedProcess[str]]
    Git = Callable[..., str]

ROOT = Path(__file__).resolve().parent.parent

#: What `git clone` would bring of the suite, by name: enough to test, measure and discover.
SUITE = (
    ".github",
    "benchmarks",
    "docs",
    "impl",
    "paceline",
    "tests",
    "CONTRIBUTING.md",
    "conftest.py",
    "pyproject.toml",
    "asv.conf.json",
    "LICENSE",
    "README.md",
    "Makefile",
    "requirements.txt",
)


def asv_config(folder: Path) -> dict[str, Any]:
    """Read ``asv.conf.json``, which is JSON with comments."""
    lines = (folder / "asv.conf.json").read_text(encoding="utf-8").splitlines()
    config: dict[str, Any] = json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//")))
    return config


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout under test."""
    return ROOT


def copied(folder: Path) -> Path:
    """Copy the suite into a new folder."""
    copy = folder / "tree"
    copy.mkdir()
    for name in SUITE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(source, copy / name)
    return copy


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the suite that a test may change."""
    return copied(tmp_path)


@pytest.fixture(scope="session")
def run_python() -> Run:
    """Run ``python ARGUMENTS`` with the interpreter of the tests; keywords are ``cwd`` and environment variables."""

    def run(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            env=variables | environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def run_pytest(run_python: Run) -> Run:
    """Run ``pytest ARGUMENTS`` in a process of its own."""

    def run(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        # The plugin of Hypothesis imports all of it, for a line of the heading.
        plugins = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
        return run_python("-m", "pytest", *plugins, *arguments, cwd=cwd, **environment)

    return run


@pytest.fixture(scope="session")
def git() -> Git:
    """Run ``git ARGUMENTS`` in a folder, with a name of its own for commits, and return what it prints."""

    def run(folder: Path, *arguments: str) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return run


@pytest.fixture
def clone(tree: Path, git: Git) -> Path:
    """Commit a copy of the suite to the branch main of a repository, for asv to build NumPy environments for."""
    # One framework keeps the environment small; the rest is as committed.
    config = asv_config(tree)
    pins = config["matrix"]["req"]
    config["matrix"]["req"] = {name: pins[name] for name in ("numpy", "threadpoolctl")}
    (tree / "asv.conf.json").write_text(json.dumps(config), encoding="utf-8")
    (tree / ".gitignore").write_text(".asv/\n.cache/\n.asv-machine.json\n", encoding="utf-8")
    git(tree, "init", "--quiet", "--initial-branch=main")
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message=Begin")
    return tree


@pytest.fixture
def own_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start the test without a broker, and leave none."""
    from impl._shared import topics

    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.delenv("KAFKA_PROPERTIES", raising=False)
    topics.close()
    yield
    topics.close()
