"""Fixtures that make projects to judge."""

from collections.abc import Callable
from pathlib import Path

import pytest
from projects import TEST, WORK, Project
from sites import History


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """Return a maker of a committed project with one benchmark, in a folder of any name."""

    def make(name: str = "project", files: dict[str, str] | None = None) -> Project:
        root, temporary = tmp_path / name, tmp_path / "t"
        root.mkdir(parents=True)
        temporary.mkdir(exist_ok=True)
        project = Project(root, temporary)
        project.git("init", "--quiet", "-b", "main")
        project.commit({"work.py": WORK, "test_speed.py": TEST} if files is None else files, "first")
        return project

    return make


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    """Return a committed project with one benchmark."""
    return make_project()


@pytest.fixture
def history(make_project: Callable[..., Project]) -> History:
    """Return a project without results, whose branch has twelve commits."""
    project = make_project(files={"README": ""})
    project.git("checkout", "--quiet", "--detach")
    project.git("branch", "-D", "main")
    found = History(project, [])
    found.grow(12)
    project.git("checkout", "--quiet", "main")
    found.results.mkdir(parents=True)
    return found
