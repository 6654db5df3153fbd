"""Fixtures that make projects to judge."""

from collections.abc import Callable
from pathlib import Path

import pytest
from projects import TEST, WORK, Project


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
