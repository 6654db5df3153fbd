"""What tests of the workflows and their scripts share."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.github import fakehub
from tests.github.workflows import ROOT, outside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.github.fakehub import Hub

    Script = Callable[..., subprocess.CompletedProcess[str]]

MAIN = runpy.run_path(str(ROOT / ".github" / "scripts" / "__main__.py"), run_name="scripts")["main"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A GitHub of its own for each test."""
    with fakehub.serve() as served:
        yield served


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Script:
    """Run a command of .github/scripts in this process, in an empty folder and in the environment that is given."""

    def run(*arguments: str, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        capfd.readouterr()
        with monkeypatch.context() as patch:
            patch.chdir(cwd)
            for name in os.environ.keys() - outside():
                patch.delenv(name)
            for name, text in environment.items():
                patch.setenv(name, text)
            status = MAIN(arguments)
        return subprocess.CompletedProcess(arguments, status, *capfd.readouterr())

    return run


@pytest.fixture
def script(command: Script, hub: Hub, tmp_path: Path) -> Script:
    """Run a command as a job would, with an event if one is given."""

    def run(*arguments: str, event: Any = None, **environment: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "event.json"
        path.write_text(json.dumps(event or {}), encoding="utf-8")
        return command(*arguments, **hub.environment(GITHUB_EVENT_PATH=str(path)) | environment)

    return run
