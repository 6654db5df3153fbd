"""Histories to publish."""

from collections.abc import Callable

import pytest
from projects import Project
from sites import History


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
