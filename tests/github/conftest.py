"""What tests of the workflows and their scripts share."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.github import fakehub
from tests.github.workflows import ROOT, outside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.github.fakehub import Hub

    Script = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A GitHub of its own for each test."""
    with fakehub.serve() as served:
        yield served


@pytest.fixture
def script(hub: Hub, tmp_path: Path) -> Script:
    """Run a command of .github/scripts as a job would, with an event if one is given."""

    def run(*arguments: str, event: Any = None, **environment: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "event.json"
        path.write_text(json.dumps(event or {}), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-I", str(ROOT / ".github" / "scripts"), *arguments],
            env=outside() | hub.environment(GITHUB_EVENT_PATH=str(path)) | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run
